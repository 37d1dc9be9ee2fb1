"""SummaryWriter: logs a training run, in the place of torch's and tensorboardX's.

Each ``add_`` method checks and converts in the caller, so that a wrong argument raises where it was
made, and leaves the encoding and the writing to the background thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from tbio.background import OnError
from tbio.kinds import scalar
from tbio.run_writer import (
    Part,
    RunWriter,
    default_log_dir,
    double_of,
    naming,
    text_of,
)


class SummaryWriter(RunWriter):
    """Writes a run's data into an event file that TensorBoard shows.

    A drop-in for ``torch.utils.tensorboard.SummaryWriter`` and ``tensorboardX.SummaryWriter``. The
    calls take a microsecond or so; a thread writes what they were given, within a fraction of a
    second and without being asked to. At the interpreter's exit nothing is lost, closed or not.

    Args:
        log_dir: the run's folder, made at once if need be. By default
            ``runs/<month><day>_<hour>-<minute>-<second>_<host><comment>``.
        comment: put behind the default folder's name; ignored when ``log_dir`` is given.
        purge_step: the run goes on from here after a crash: points with this step or a later one
            that were written before are to be discarded by whoever reads the log.
        max_queue: how many waiting events make the thread start on them before its next round.
            (The queue has a bound of its own, at which the caller lends a hand.)
        flush_secs: the longest that an event may wait for the disk. tbio never waits so long.
        filename_suffix: put at the end of the event file's name.
        logdir: tensorboardX's name for ``log_dir``.
        on_error: when the disk refuses: "warn" (once, then it is tried again and again; what had
            to be given up is counted in `dropped`), "raise" (`WriteFailedError` at the next call),
            or a callable that is given the ``OSError``, on the thread.

    Raises:
        OSError: the folder or the file cannot be made.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with SummaryWriter(folder) as writer:
    ...     for step in range(3):
    ...         writer.add_scalar("loss", 1 / (step + 1), step)
    >>> import tbio
    >>> tbio.open(folder)["."].scalars["loss"].values
    array([1.        , 0.5       , 0.33333334], dtype=float32)
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        *,
        logdir: str | os.PathLike[str] | None = None,
        on_error: OnError = "warn",
    ) -> None:
        if log_dir is None:
            log_dir = default_log_dir(comment) if logdir is None else logdir
        super().__init__(
            log_dir, purge_step, max_queue, flush_secs, filename_suffix, on_error, True
        )

    def __enter__(self) -> SummaryWriter:
        return self

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool | str = False,
        double_precision: bool | str = False,
        display_name: str = "",
        summary_description: str = "",
    ) -> None:
        """Log one number.

        tensorboardX has ``display_name`` and ``summary_description`` in the fifth and sixth place,
        torch ``new_style`` and ``double_precision``: there, a string is understood as the former.

        Args:
            tag: the name of the chart; ``/`` groups.
            scalar_value: a number, or an array or tensor of any framework with one element. Stored
                as float32; a finite number beyond its range (3.4e38) is stored as with
                ``double_precision``, and TensorBoard shows infinity.
            global_step: an integer of 64 bits; None is 0. A fraction is cut off, with a warning.
            walltime: seconds since the epoch; None is now.
            new_style: store it as TensorFlow 2 does, as a tensor (a few bytes larger).
            double_precision: keep the exact double for tbio's reader, beside the float32 that
                TensorBoard shows.
            display_name: what TensorBoard shows in place of the tag.
            summary_description: shown beside the chart; Markdown.

        Raises:
            TypeError: not a number, or not a string for the tag.
            ValueError: several numbers, or none; a step beyond 64 bits; a walltime that is no time.
            WriteFailedError: the disk refused earlier, with ``on_error="raise"``.
        """
        if isinstance(new_style, str):
            display_name, new_style = new_style, False
        if isinstance(double_precision, str):
            summary_description, double_precision = double_precision, False
        part, note = _scalar_part(
            self._tag(tag),
            scalar_value,
            bool(new_style),
            bool(double_precision),
            display_name or "",
            summary_description or "",
        )
        self._put([part], global_step, walltime, note=note)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log several numbers as curves of one chart.

        As torch does it, each key becomes a run of its own, in the folder
        ``<log_dir>/<main_tag>_<key>`` (with ``_`` for each ``/`` of ``main_tag``), and ``main_tag``
        is the tag in each of them. All are written by one thread.

        Args:
            main_tag: the name of the chart.
            tag_scalar_dict: key -> number; see `add_scalar`.
            global_step: see `add_scalar`.
            walltime: one for all of them; None is now.

        Raises:
            As `add_scalar`, before anything of the call is logged; ValueError also for a key whose
            folder would not be inside ``log_dir``.
        """
        if not isinstance(tag_scalar_dict, Mapping):
            got = type(tag_scalar_dict).__name__
            raise TypeError(f"add_scalars({main_tag!r}): want a dict of numbers, got {got}")
        tag = self._tag(main_tag)
        wall_time = time.time() if walltime is None else walltime
        parts = {
            self._folder_of(f"{tag.replace('/', '_')}_{text_of(key, 'key')}"): _scalar_part(
                tag, value
            )
            for key, value in tag_scalar_dict.items()
        }
        for folder, (part, note) in parts.items():
            self._put([part], global_step, wall_time, folder=folder, note=note)


def _scalar_part(
    tag: str,
    value: Any,
    as_tensor: bool = False,
    exact: bool = False,
    display_name: str = "",
    description: str = "",
) -> tuple[Part, str]:
    """A number on its way, and what its user is to be warned of."""
    note = ""
    with naming(tag):
        number = double_of(value)
        text_of(display_name, "display_name")
        text_of(description, "summary_description")
    if not (exact or scalar.fits_float32(number)):
        exact = True
        note = f"{number!r} is beyond float32: TensorBoard will show infinity in its place"
    metadata = None
    if as_tensor or exact or display_name or description:  # the old encoding needs none
        metadata = scalar.metadata(display_name, description)
    return Part("scalar", tag, metadata, scalar.encode, (number, as_tensor, exact)), note
