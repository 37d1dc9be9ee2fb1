"""SummaryWriter: logs a training run, in the place of torch's and tensorboardX's.

Each ``add_`` method checks and converts in the caller, so that a wrong argument raises where it was
made, and leaves the encoding and the writing to the background thread.
"""

from __future__ import annotations

import math
import os
import re
import socket
import time
import warnings
import weakref
from collections.abc import Mapping
from typing import Any

from tbio import arrays
from tbio.background import Background, OnError
from tbio.errors import TbioWarning
from tbio.event_file import EventFileWriter
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event, SessionLog
from tbio.proto.summary_pb2 import Summary

_MAX_STEP = 2**63 - 1


class SummaryWriter:
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
            log_dir = _default_log_dir(comment) if logdir is None else logdir
        self.log_dir = os.fspath(log_dir)
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self._on_error = on_error
        self._warned: set[tuple[str, str]] = set()
        self._purge = None if purge_step is None else _step("purge_step", purge_step)[0]
        self._purged: set[str] = set()  # folders that were told; only the first file of each is
        self._open()

    def _open(self) -> None:
        self._background = Background(self._on_error, self.max_queue)
        # Also at the interpreter's exit, and when the writer is dropped without close().
        self._finalizer = weakref.finalize(self, self._background.close)
        self._files: dict[str, EventFileWriter] = {}
        self._add_file(self.log_dir)

    def _add_file(self, folder: str) -> EventFileWriter:
        # Sub-runs are made by the thread: there, what goes wrong does not stop the training.
        file = EventFileWriter(folder, filename_suffix=self.filename_suffix, lazy=bool(self._files))
        first = self._files.setdefault(folder, file)
        if first is not file:  # another thread was faster
            return first
        self._background.add(file)
        if self._purge is not None and folder not in self._purged:
            self._purged.add(folder)
            self._background.put(file, None, _session_start, time.time(), self._purge)
        return file

    def _file_in(self, folder: str) -> EventFileWriter:
        """The event file of a folder, made at its first use; all of them anew after `close`."""
        if not self._finalizer.alive:
            self._open()
        return self._files.get(folder) or self._add_file(folder)

    @property
    def logdir(self) -> str:
        """tensorboardX's name for ``log_dir``."""
        return self.log_dir

    def get_logdir(self) -> str:
        """The run's folder, as it was given."""
        return self.log_dir

    @property
    def dropped(self) -> int:
        """Events that had to be given up since the disk refused them for too long."""
        return self._background.dropped

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
        self._put_scalar(
            self.log_dir,
            tag,
            scalar_value,
            global_step,
            walltime,
            bool(new_style),
            bool(double_precision),
            _text(display_name or "", f"{tag!r}, display_name"),
            _text(summary_description or "", f"{tag!r}, summary_description"),
        )

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
        wall_time = time.time() if walltime is None else walltime
        prefix = _text(main_tag, "tag").replace("/", "_")
        numbers = {
            self._sub_folder(f"{prefix}_{_text(key, 'key')}"): _number(main_tag, value)
            for key, value in tag_scalar_dict.items()
        }
        for folder, number in numbers.items():
            self._put_scalar(folder, main_tag, number, global_step, wall_time)

    def _sub_folder(self, name: str) -> str:
        if ".." in re.split(r"[/\\]", name) or "\0" in name:
            raise ValueError(f"{name!r} is no folder inside {self.log_dir!r}")
        return os.path.join(self.log_dir, name)

    def _put_scalar(
        self,
        folder: str,
        tag: str,
        value: Any,
        global_step: Any,
        walltime: float | None,
        as_tensor: bool = False,
        exact: bool = False,
        display_name: str = "",
        description: str = "",
    ) -> None:
        number = _number(_text(tag, "tag"), value)
        step, whole = _step(tag, global_step)
        if not whole:
            what = f"step {global_step!r} is no whole number; stored as {step}"
            self._warn_once(tag, "step", what)
        wall_time = time.time() if walltime is None else _wall_time(tag, walltime)
        if not (exact or scalar.fits_float32(number)):
            exact = True
            self._warn_once(
                tag,
                "range",
                f"{number!r} is beyond float32: TensorBoard will show infinity in its place",
            )
        file = self._file_in(folder)
        self._background.put(
            file,
            tag,
            _scalar_event,
            wall_time,
            step,
            tag,
            number,
            as_tensor,
            exact,
            display_name,
            description,
        )

    def _warn_once(self, tag: str, about: str, what: str) -> None:
        if (tag, about) not in self._warned:
            self._warned.add((tag, about))
            warnings.warn(f"{tag!r}: {what}", TbioWarning, stacklevel=4)

    def flush(self, sync: bool = False) -> None:
        """Return when everything logged so far is in the operating system's hands.

        Other processes see it then, and it outlives this one whatever happens to it.

        Args:
            sync: also wait until the disk itself has it (fsync), which outlives a power cut.

        Raises:
            WriteFailedError: the disk refuses, with ``on_error="raise"``.
        """
        self._background.flush(sync)

    def close(self) -> None:
        """Write everything and close the files. Closing twice is fine.

        What is logged afterwards goes into new files, as with torch's writer.

        Raises:
            WriteFailedError: the disk refuses, with ``on_error="raise"``.
        """
        self._finalizer()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _scalar_event(
    first: bool,
    wall_time: float,
    step: int,
    tag: str,
    number: float,
    as_tensor: bool,
    exact: bool,
    display_name: str,
    description: str,
) -> bytes:
    value = scalar.encode(tag, number, as_tensor=as_tensor, exact=exact)
    # TensorBoard reads the metadata of a tag's first value only; the old encoding needs none.
    if first and (as_tensor or exact or display_name or description):
        value.metadata.CopyFrom(scalar.metadata(display_name, description))
    event = Event(wall_time=wall_time, step=step, summary=Summary(value=[value]))
    return event.SerializeToString()


def _session_start(first: bool, wall_time: float, step: int) -> bytes:
    log = SessionLog(status=SessionLog.START)
    return Event(wall_time=wall_time, step=step, session_log=log).SerializeToString()


def _text(text: object, what: str) -> str:
    """A string that protobuf will take."""
    if not isinstance(text, str):
        raise TypeError(f"{what}: want a str, got {type(text).__name__} {text!r:.80}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what}: {text!r} cannot be stored as UTF-8") from error
    return text


def _number(tag: str, value: Any) -> float:
    try:
        return float(arrays.number(value))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{tag!r}: {error}") from error
    except OverflowError as error:
        raise ValueError(f"{tag!r}: an integer too large for a double") from error


def _step(tag: str, value: Any) -> tuple[int, bool]:
    """A step as an integer of 64 bits, and whether it was a whole number."""
    if value is None:
        return 0, True
    if type(value) is int and -_MAX_STEP <= value <= _MAX_STEP:
        return value, True
    try:
        number = arrays.number(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{tag!r}, step: {error}") from error
    finite = isinstance(number, int) or math.isfinite(number)
    if not finite or not -_MAX_STEP - 1 <= int(number) <= _MAX_STEP:
        raise ValueError(f"{tag!r}, step: want an integer of 64 bits, got {value!r}")
    return int(number), int(number) == number


def _wall_time(tag: str, value: Any) -> float:
    wall_time = _number(f"{tag}, walltime", value)
    if not math.isfinite(wall_time):
        # TensorBoard's data server stops reading a file at the first one.
        raise ValueError(f"{tag!r}, walltime: want seconds since the epoch, got {value!r}")
    return wall_time


def _default_log_dir(comment: str) -> str:
    host = re.sub(r"[^\w.-]", "_", socket.gethostname())
    return os.path.join("runs", time.strftime(f"%b%d_%H-%M-%S_{host}") + comment)
