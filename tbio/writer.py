"""SummaryWriter: logs a training run, in the place of torch's and tensorboardX's.

Each ``add_`` method checks and converts in the caller, so that a wrong argument raises where it was
made, and leaves the encoding and the writing to the background thread. What it does with a value is
in the module of its kind (`tbio.kinds`): ``prepare`` or its like here, ``encode`` there.
"""

from __future__ import annotations

import glob
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from time import time as now
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from google.protobuf.message import Message

from tbio import arrays, device
from tbio.background import OnError
from tbio.checks import MAX_STEP, double_of, step_of
from tbio.device import Snapshot
from tbio.event_file import EventFileReader
from tbio.kinds import (
    audio,
    figure,
    histogram,
    histogram_bins,
    hparams,
    image,
    layout,
    mesh,
    pr_curve,
    raw_tensor,
    scalar,
    text,
    video,
)
from tbio.proto.event_pb2 import Event
from tbio.proto.layout_pb2 import Layout
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.run_writer import (
    Late,
    Part,
    RunWriter,
    default_log_dir,
    flattened,
    naming,
    rank_of,
    text_of,
    warn,
)
from tbio.scalar_lane import LARGEST
from tbio.storage import LocalFile
from tbio.tag_book import TagBook

if TYPE_CHECKING:
    from tbio.projector import Prepared

_TEXT_METADATA = text.metadata()
_LEAST = -LARGEST
_LEAST_STEP = -MAX_STEP - 1
#: Where `SummaryWriter.add_scalars` puts its curves.
ScalarsLayout: TypeAlias = Literal["torch", "tensorboardX", "tags"]


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
        write_to_disk: False logs nothing: every call only checks its arguments.
        logdir: tensorboardX's name for ``log_dir``.
        comet_config: tensorboardX's; tbio does not mirror to Comet, and warns if it is asked to.
        scalars_layout: where `add_scalars` puts its curves.
        resume: the run goes on from a checkpoint: True goes on behind the last step in the log, an
            integer at that step. The event files are made ready for it: a torn end is mended, and
            what has the step or a later one is cut, so that it disappears from TensorBoard too, and
            kept beside the log under a name that TensorBoard does not read; see
            `tbio.resuming.resume`. `next_step` says where the run goes on.
        max_file_bytes: go on in a new file when one has so many bytes. TensorBoard reads them all.
        max_file_seconds: go on in a new file when one is so old.
        keep_last: of images, figures, videos and audio, keep so many of each tag, the newest, and
            give the disk back what older ones took; see `tbio.rotation`. Everything else stays.
        rank: which of the processes of a distributed training this is; "auto" asks the environment
            (``RANK``, ``SLURM_PROCID``, ``OMPI_COMM_WORLD_RANK``, ``PMI_RANK``). Rank 0 logs; the
            others log nothing, as with ``write_to_disk=False``.
        rank_runs: the other ranks log too, each into a run of its own, ``<log_dir>/rank_<rank>``.
        on_error: when the disk refuses: "warn" (once, then it is tried again and again; what had
            to be given up is counted in `dropped`), "raise" (`WriteFailedError` at the next call),
            or a callable that is given the ``OSError``, on the thread. It may log and close, but
            while the writer is being closed that raises `WriterClosedError`.

    Raises:
        OSError: the folder or the file cannot be made.
        WriterError: a run that cannot be resumed.

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
        write_to_disk: bool = True,
        *,
        logdir: str | os.PathLike[str] | None = None,
        comet_config: Mapping[str, Any] | None = None,
        on_error: OnError = "warn",
        scalars_layout: ScalarsLayout = "torch",
        resume: bool | int = False,
        max_file_bytes: int | None = None,
        max_file_seconds: float | None = None,
        keep_last: int | None = None,
        rank: int | Literal["auto"] | None = None,
        rank_runs: bool = False,
    ) -> None:
        if scalars_layout not in get_args(ScalarsLayout):
            want = get_args(ScalarsLayout)
            raise ValueError(f"scalars_layout: want one of {want}, got {scalars_layout!r}")
        if comet_config is not None and not comet_config.get("disabled", False):
            warn("tbio does not mirror to Comet")
        if log_dir is None:
            log_dir = logdir
        if not log_dir:
            log_dir = default_log_dir(comment)
        if purge_step is not None and resume is not False:
            raise ValueError("want either purge_step or resume")
        number = rank_of(rank)
        if number and rank_runs:
            log_dir = os.path.join(log_dir, f"rank_{number}")
        write_to_disk = bool(write_to_disk) and (rank_runs or not number)
        self._begin(
            log_dir,
            purge_step=purge_step,
            max_queue=max_queue,
            flush_secs=flush_secs,
            filename_suffix=filename_suffix,
            write_to_disk=write_to_disk,
            on_error=on_error,
            scalars_layout=scalars_layout,
            resume=resume,
            max_file_bytes=max_file_bytes,
            max_file_seconds=max_file_seconds,
            keep_last=keep_last,
        )

    def _begin(
        self,
        log_dir: str | os.PathLike[str],
        *,
        purge_step: int | None = None,
        scalars_layout: ScalarsLayout,
        resume: bool | int = False,
        lazy: bool = False,
        **settings: Any,
    ) -> None:
        """Begin to log, anew in each process or copy that the writer is sent to."""
        #: The edges of ``bins="tensorflow"``.
        self.default_bins: list[float] = histogram_bins.DEFAULT_EDGES.tolist()
        self._scalars_layout: ScalarsLayout = scalars_layout
        self._settings = settings
        # what add_scalars has logged: main tag, key -> folder, tag
        self._curves: dict[tuple[str, str], tuple[str, str]] = {}
        self._layout = Layout()
        self._hparams: hparams.Hparams | None = None
        self._trials = 0
        super().__init__(log_dir, purge_step, lazy=lazy, resume=resume, **settings)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy, in this process or another one, needs to log into the same folder."""
        return {
            "log_dir": self._base,
            "scalars_layout": self._scalars_layout,
            "lazy": True,
            **self._settings,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin(state.pop("log_dir"), **state)

    def __enter__(self) -> SummaryWriter:
        return self

    def _add(
        self,
        kind: str,
        tag: Any,
        value: Any,
        make: Callable[[Any], tuple[Any, str]],
        encode: Callable[..., Summary.Value | Sequence[Summary.Value]],
        metadata: SummaryMetadata | None,
        global_step: Any,
        walltime: float | None,
    ) -> None:
        """Log one value of a kind whose ``make`` gives what ``encode`` takes, and a note."""
        tag = self._tag(tag)
        snapshot = device.snapshot(value)
        if snapshot is None:
            with naming(tag):
                made, note = make(value)
            part = _part(kind, tag, metadata, encode, made)
        else:
            part, note = _late(kind, tag, metadata, encode, snapshot, make), ""
        self._put([part], global_step, walltime, note=note)

    # ---- numbers

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
        # The short way, of nearly every call: nothing but a tag met before, a number and a step.
        number = scalar_value if type(scalar_value) is float else _quickly(scalar_value)
        is_plain = _LEAST < number < LARGEST and not (
            new_style or double_precision or display_name or summary_description
        )
        if (
            is_plain
            and type(global_step) is int
            and _LEAST_STEP <= global_step <= MAX_STEP
            and walltime is None
            and type(tag) is str
            and tag in self._short_way
        ):
            file, background = self._lane
            entry = (file, tag, number, global_step, now())
            background.queue.append(entry)
            if background.alert:
                self._attend(background, entry)
            return
        if isinstance(new_style, str):
            display_name, new_style = new_style, False
        if isinstance(double_precision, str):
            summary_description, double_precision = double_precision, False
        full_tag = self._tag(tag)
        part, note = _scalar_part(
            full_tag,
            scalar_value,
            bool(new_style),
            bool(double_precision),
            display_name or "",
            summary_description or "",
        )
        self._put([part], global_step, walltime, note=note)
        if is_plain:
            self._good_tags.add(full_tag)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log several numbers as curves of one chart.

        Each key becomes a run of its own, so that TensorBoard draws one curve for each under the
        tag ``main_tag``. Where these runs are is the writer's ``scalars_layout``:

        * "torch" (default): ``<log_dir>/<main_tag>_<key>``, ``_`` for each ``/`` of ``main_tag``.
        * "tensorboardX": ``<log_dir>/<main_tag>/<key>``.
        * "tags": nowhere; the tags are ``<main_tag>/<key>`` in the run itself.

        All are written by one thread.

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
            raise TypeError(f"{main_tag!r}: want a dict of numbers, got {got}")
        if walltime is None and self._add_curves(main_tag, tag_scalar_dict, global_step):
            return
        tag = self._tag(main_tag)
        wall_time = self._wall_time(walltime, f"{tag!r}, walltime")
        curves: list[tuple[str | None, Part, str]] = []
        for key, value in tag_scalar_dict.items():
            name = text_of(key, "key")
            if self._scalars_layout == "tags":
                curves.append((None, *_scalar_part(f"{tag}/{name}", value)))
                self._curves[tag, name] = self.log_dir, f"{tag}/{name}"
                continue
            between = f"{tag}/" if self._scalars_layout == "tensorboardX" else f"{_flat(tag)}_"
            folder = self._folder_of(f"{between}{name}")
            curves.append((folder, *_scalar_part(tag, value)))
            self._curves[tag, name] = folder, tag
        for curve, part, note in curves:
            self._put([part], global_step, wall_time, folder=curve, note=note)
        self._good_tags.add(tag)

    def _add_curves(self, main_tag: Any, values: Mapping[str, Any], step: Any) -> bool:
        """The short way of `add_scalars`, for numbers and curves that were met before."""
        if main_tag not in self._short_way or not _is_plain_step(step):
            return False
        files, wall_time = self.all_writers or {}, now()
        entries = []
        for key, value in values.items():
            number = value if type(value) is float else _quickly(value)
            folder, tag = self._curves.get((main_tag, key), ("", ""))
            file = files.get(folder)
            if file is None or type(key) is not str or not _LEAST < number < LARGEST:
                return False
            entry = (file.event_writer, tag, number, step, wall_time)
            entries.append((file.background, entry))
        for background, entry in entries:
            background.queue.append(entry)
            if background.alert:
                self._attend(background, entry)
        return True

    @property
    def scalar_dict(self) -> dict[str, list[list[float]]]:
        """What `add_scalars` has logged: ``<log_dir>/<tag>/<key>`` -> [wall time, step, value].

        It is read from the event files, and so takes no memory until it is asked for.
        """
        self.flush()
        found: dict[str, list[list[float]]] = {}
        curves = {
            (f"{self.log_dir}/{main_tag}/{key}", folder, tag): None
            for (main_tag, key), (folder, tag) in tuple(self._curves.items())
        }  # with "tags", different keys may make the same tag
        for name, folder, tag in curves if self._recording() else ():
            points = found.setdefault(name, [])
            place = glob.escape(self._place_of(folder))
            files = glob.glob(os.path.join(place, "*tfevents*"))
            for path in sorted(files):
                for stored in EventFileReader(LocalFile(path)).events():
                    event = stored.event
                    for value in event.summary.value:
                        if value.tag != tag:
                            continue
                        number, _ = scalar.decode(value)
                        points.append([event.wall_time, event.step, number])
        return found

    def export_scalars_to_json(self, path: str | os.PathLike[str]) -> None:
        """Write `scalar_dict` as JSON."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.scalar_dict, file)

    def add_tensor(
        self, tag: str, tensor: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Log an array or tensor as it is, in its own dtype; no dashboard shows it.

        Args:
            tag: its name.
            tensor: numbers or strings of any framework and shape; bfloat16 and float8 stay such.
            global_step: see `add_scalar`.
            walltime: see `add_scalar`.

        Raises:
            As `tbio.kinds.raw_tensor.prepare`.
        """
        self._add(
            "tensor",
            tag,
            tensor,
            lambda tensor: (raw_tensor.prepare(tensor), ""),
            raw_tensor.encode,
            raw_tensor.metadata(),
            global_step,
            walltime,
        )

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
        *,
        new_style: bool = False,
    ) -> None:
        """Log the distribution of values. What is not finite is left out, with a warning.

        Args:
            tag: its name.
            values: real numbers of any framework and shape.
            global_step: see `add_scalar`.
            bins: "tensorflow", a rule of numpy, a number of buckets, or edges; see
                `tbio.kinds.histogram.of_values`.
            walltime: see `add_scalar`.
            max_bins: join neighbours where there are more.
            new_style: store it as TensorFlow 2 does, as a tensor of buckets of equal width: 30 of
                them, or as many as ``bins`` says.

        Raises:
            TypeError, ValueError: no real numbers; no such bins.
        """
        if new_style:
            buckets = None if isinstance(bins, str) else bins
            self._add(
                "histogram",
                tag,
                values,
                lambda values: histogram.prepare_rows(values, buckets),
                histogram.encode,
                histogram.metadata(),
                global_step,
                walltime,
            )
            return
        self._add(
            "histogram",
            tag,
            values,
            lambda values: histogram.prepare(values, bins, max_bins),
            histogram.encode,
            None,
            global_step,
            walltime,
        )

    def add_histogram_raw(
        self,
        tag: str,
        min: Any,
        max: Any,
        num: Any,
        sum: Any,
        sum_squares: Any,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log a histogram that was counted elsewhere.

        Args:
            tag: its name.
            min, max, num, sum, sum_squares: of the values.
            bucket_limits: the upper limit of each bucket, ascending.
            bucket_counts: how many values each has.
            global_step: see `add_scalar`.
            walltime: see `add_scalar`.

        Raises:
            TypeError, ValueError: what makes no histogram.
        """
        self._add(
            "histogram",
            tag,
            None,
            lambda _: (
                histogram.of_counts(min, max, num, sum, sum_squares, bucket_limits, bucket_counts),
                "",
            ),
            histogram.encode,
            None,
            global_step,
            walltime,
        )

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log precision and recall of a binary classifier at many thresholds.

        Args:
            tag: its name.
            labels: bool, or 0 and 1.
            predictions: in [0, 1], of the same shape.
            global_step: see `add_scalar`.
            num_thresholds: two or more; there is no bound of 127.
            weights: how much each prediction counts.
            walltime: see `add_scalar`.

        Raises:
            As `tbio.kinds.pr_curve.of_predictions`.
        """
        self._add_curve(
            tag,
            lambda: pr_curve.of_predictions(labels, predictions, num_thresholds, weights),
            global_step,
            walltime,
        )

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log a precision-recall curve that was computed elsewhere.

        Args:
            tag: its name.
            true_positive_counts, false_positive_counts: [T], at evenly spaced thresholds.
            true_negative_counts, false_negative_counts: [T].
            precision, recall: [T].
            global_step: see `add_scalar`.
            num_thresholds, weights: of no effect, as in torch; the arrays say it.
            walltime: see `add_scalar`.

        Raises:
            As `tbio.kinds.pr_curve.of_counts`.
        """
        counts = (
            true_positive_counts,
            false_positive_counts,
            true_negative_counts,
            false_negative_counts,
            precision,
            recall,
        )
        self._add_curve(tag, lambda: (pr_curve.of_counts(*counts), ""), global_step, walltime)

    def _add_curve(
        self,
        tag: Any,
        make: Callable[[], tuple[pr_curve.Curve, str]],
        global_step: Any,
        walltime: float | None,
    ) -> None:
        tag = self._tag(tag)
        with naming(tag):
            curve, note = make()
        metadata = pr_curve.metadata(curve.shape[1])
        part = _part("PR curve", tag, metadata, pr_curve.encode, curve)
        self._put([part], global_step, walltime, note=note)

    # ---- pictures and sounds

    def add_image(
        self,
        tag: str,
        img_tensor: Any = None,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
        *,
        encoded: bytes | str | os.PathLike[str] | None = None,
    ) -> None:
        """Log an image.

        Args:
            tag: its name.
            img_tensor: an array of any framework: uint8, floats in [0, 1] (what is beyond is
                clipped, with a warning), bool, uint16, integers from 0 to 255; with 1 to 4
                channels. Or a Pillow image; or an image file's bytes or path.
            global_step: see `add_scalar`.
            walltime: see `add_scalar`.
            dataformats: a letter for each axis: C, H, W, and N for a batch, drawn as a grid.
            encoded: an image file's bytes or path, in the place of ``img_tensor``: logged as it is.

        Raises:
            As `tbio.kinds.image.prepare`.
        """
        if (img_tensor is None) == (encoded is None):
            raise TypeError(f"{tag!r}: want either img_tensor or encoded")
        self._add_picture(
            tag,
            img_tensor,
            lambda picture: (
                image.prepare(picture, dataformats)
                if encoded is None
                else (image.prepare_encoded(encoded), "")
            ),
            global_step,
            walltime,
        )

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
        *,
        new_style: bool = False,
        max_outputs: int | None = None,
    ) -> None:
        """Log a batch of images as one grid of 8 columns; see `add_image`.

        Args:
            tag: its name.
            img_tensor: see `add_image`.
            global_step: see `add_scalar`.
            walltime: see `add_scalar`.
            dataformats: see `add_image`.
            new_style: store the images one by one, as TensorFlow 2 does; TensorBoard shows them
                side by side, in their own size.
            max_outputs: only so many of them then.

        Raises:
            As `tbio.kinds.image.prepare`, or `prepare_samples`.
        """
        if new_style:
            self._add(
                "image",
                tag,
                img_tensor,
                lambda images: image.prepare_samples(images, dataformats, max_outputs),
                image.encode_samples,
                image.metadata(),
                global_step,
                walltime,
            )
            return
        self._add_picture(
            tag,
            img_tensor,
            lambda picture: image.prepare(picture, dataformats),
            global_step,
            walltime,
        )

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        rescale: float | str = 1,
        dataformats: str | Sequence[str] | None = "CHW",
        labels: str | Sequence[str] | None = None,
    ) -> None:
        """Log an image with boxes drawn on it.

        tensorboardX has ``dataformats`` and ``labels`` in the sixth and seventh place, torch
        ``rescale`` and ``dataformats``: in the sixth, a string is understood as the former.

        Args:
            tag: its name.
            img_tensor: see `add_image`.
            box_tensor: [n, 4]: left, top, right, bottom in pixels.
            global_step: see `add_scalar`.
            walltime: see `add_scalar`.
            rescale: how much larger to draw it.
            dataformats: see `add_image`.
            labels: a text for each box.

        Raises:
            As `tbio.kinds.image.prepare_boxes`.
        """
        formats: Any = dataformats
        if isinstance(rescale, str):
            # The seventh place holds labels then, unless it was left alone.
            given = labels if formats == "CHW" else formats
            rescale, formats, labels = 1, rescale, given
        scale, axes, texts = rescale, formats, labels
        self._add_picture(
            tag,
            img_tensor,
            lambda picture: image.prepare_boxes(picture, box_tensor, scale, axes, texts),
            global_step,
            walltime,
        )

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Log a Matplotlib figure as an image; several as a grid.

        Args:
            tag: its name.
            figure: a figure, or a list of them.
            global_step: see `add_scalar`.
            close: have pyplot forget the figure.
            walltime: see `add_scalar`.

        Raises:
            TypeError, ValueError: no figure.
        """
        self._add_picture(
            tag, figure, lambda figure: (_drawn(figure, close), ""), global_step, walltime
        )

    def _add_picture(
        self,
        tag: Any,
        value: Any,
        make: Callable[[Any], tuple[image.Picture, str]],
        global_step: Any,
        walltime: float | None,
    ) -> None:
        self._add("image", tag, value, make, image.encode, None, global_step, walltime)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Any = None,
        fps: float = 4,
        walltime: float | None = None,
        dataformats: str = "NTCHW",
        *,
        format: video.Format = "png",
    ) -> None:
        """Log a video, as an animated PNG that TensorBoard's image dashboard plays.

        Args:
            tag: its name.
            vid_tensor: frames of the dtypes of `add_image`.
            global_step: see `add_scalar`.
            fps: frames a second.
            walltime: see `add_scalar`.
            dataformats: a letter for each axis: T is time; videos of a batch play side by side.
            format: "png" keeps each pixel, "gif" has 256 colours a frame.

        Raises:
            As `tbio.kinds.video.prepare`.
        """
        self._add(
            "image",
            tag,
            vid_tensor,
            lambda frames: video.prepare(frames, fps, dataformats, format),
            video.encode,
            None,
            global_step,
            walltime,
        )

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: Any = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Log a sound, mono or of several channels, as WAV.

        Args:
            tag: its name.
            snd_tensor: [frames], [channels, frames] or [frames, channels]: floats in [-1, 1] (what
                is beyond is clipped, with a warning), or integers at full scale. Or a WAV file's
                bytes.
            global_step: see `add_scalar`.
            sample_rate: frames a second.
            walltime: see `add_scalar`.

        Raises:
            As `tbio.kinds.audio.prepare`.
        """
        self._add(
            "audio",
            tag,
            snd_tensor,
            lambda samples: audio.prepare(samples, sample_rate),
            audio.encode,
            audio.metadata(),
            global_step,
            walltime,
        )

    # ---- text, points, settings

    def add_text(
        self,
        tag: str,
        text_string: Any,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log Markdown text, or a table of it.

        The tag stays as it is; torch and tensorboardX put ``/text_summary`` behind it.

        Args:
            tag: its name.
            text_string: a string; a list of strings, or rows of them, is shown as a table.
            global_step: see `add_scalar`.
            walltime: see `add_scalar`.

        Raises:
            TypeError, ValueError: no text, or none that is UTF-8.
        """
        self._add(
            "text",
            tag,
            text_string,
            lambda strings: (text.prepare(strings), ""),
            text.encode,
            _TEXT_METADATA,
            global_step,
            walltime,
        )

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Log a mesh or a point cloud.

        Args:
            tag: its name.
            vertices: [meshes, vertices, 3], or [vertices, 3] of one.
            colors: of each vertex, integers from 0 to 255 or floats from 0 to 1.
            faces: triangles, by three indexes of vertices.
            config_dict: settings of three.js.
            global_step: see `add_scalar`.
            walltime: see `add_scalar`.

        Raises:
            As `tbio.kinds.mesh.prepare`.
        """
        self._add(
            "mesh",
            tag,
            None,
            lambda _: mesh.prepare(vertices, colors, faces, config_dict),
            mesh.encode,
            None,
            global_step,
            walltime,
        )

    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: Any = None,
        tag: str = "default",
        metadata_header: Any = None,
    ) -> None:
        """Write points for TensorBoard's Projector, into files beside the event file.

        Args:
            mat: [n, d] real numbers of any framework.
            metadata: a label for each point, or a row of labels.
            label_img: an image for each point, [n, channels, height, width].
            global_step: see `add_scalar`; each step is an entry of its own.
            tag: the embedding's name.
            metadata_header: names for the columns of ``metadata``.

        Raises:
            As `tbio.projector.prepare`.
        """
        from tbio import projector

        tag = self._tag(tag)
        with naming(tag):
            embedding, note = projector.prepare(mat, metadata, label_img, metadata_header)
        if note:
            self._warn_once(tag, note)
        step = self._step_of(tag, global_step)
        weight = arrays.weight(embedding)
        self._put_raw(_write_embedding, self._base, tag, step, embedding, weight=weight)

    def add_custom_scalars(self, layout: Any) -> None:
        """Say how the Custom Scalars page arranges charts; several calls add up.

        Args:
            layout: ``{category: {chart: ["Multiline" or "Margin", tags]}}``, or a Layout message.
                Tags of a multiline chart are regular expressions.

        Raises:
            As `tbio.kinds.layout.prepare`.
        """
        self._add_layout(*_of_layout(layout))

    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Add a chart of several tags to the Custom Scalars page; see `add_custom_scalars`."""
        self._add_layout(*layout.multiline(tags, category, title))

    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Add a chart of a value with a margin: tags of value, lower and upper bound."""
        self._add_layout(*layout.margin(tags, category, title))

    def _add_layout(self, more: Layout, note: str) -> None:
        with self._turn():
            self._layout = layout.merge(self._layout, more)
        whole = None
        while whole is not self._layout:  # another thread has added to it, and may be in front
            whole = self._layout
            part = Part("layout", layout.TAG, layout.metadata(), _encode_layout, (whole,))
            self._put([part], 0, None, note=note)

    # ---- hyperparameters

    def set_hparams(
        self,
        hparams: Any,
        *,
        group_name: str = "",
        monitor_url: str = "",
        model_uri: str = "",
    ) -> None:
        """Say with which hyperparameters this run is made, once and at its start.

        TensorBoard's HParams page then has a row for the run, a column for each hyperparameter of
        any run in the log folder, and every scalar as a metric, the last value of each. When the
        writer is closed it says how the run ended: SUCCESS, or FAILURE after an exception. (Until
        then the page says "unknown": it reads the status once, so that "running" would stay.)

        Args:
            hparams: a dict, perhaps nested, or an object with fields; see `tbio.kinds.hparams`.
            group_name: runs of one group are one row.
            monitor_url: a link to show.
            model_uri: where the model is.

        Raises:
            As `tbio.kinds.hparams.prepare`.
        """
        self._set_hparams(
            _prepared(hparams),
            group_name=text_of(group_name, "group_name"),
            monitor_url=text_of(monitor_url, "monitor_url"),
            model_uri=text_of(model_uri, "model_uri"),
        )

    def _set_hparams(self, prepared: hparams.Hparams, **more: str) -> None:
        with self._turn():  # of several threads, one is the first
            known = self._hparams
            if known is None:
                self._hparams = prepared
        if known is None:
            self._put_start(prepared, **more)
        elif not _equal(prepared, known):
            what = "the hyperparameters were set before; TensorBoard reads the first ones only"
            self._warn_once("hparams", what)

    def _put_start(self, prepared: hparams.Hparams, **more: str) -> None:
        start = hparams.encode_start(prepared, start_time=time.time(), **more)
        self._put([_ready(start)], 0, None)
        self._ending.wanted = True

    def add_hparams(
        self,
        hparam_dict: Any,
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Sequence[Any]] | str | None = None,
        run_name: str | int | None = None,
        global_step: Any = None,
        *,
        name: str | None = None,
        nested: bool = False,
    ) -> None:
        """Log hyperparameters with the metrics they led to.

        As `set_hparams`, and the metrics as scalars, in the run's own folder; further calls with
        other hyperparameters get runs of their own, ``hparams_2`` and so on, below it, and so does
        a call with a name. torch and tensorboardX make a run of each call, named by the time, and
        hide columns that come later: ``nested=True`` does that too.

        tensorboardX has ``name`` in the third place and ``global_step`` in the fourth: there, a
        string and a number are understood so.

        Args:
            hparam_dict: see `set_hparams`.
            metric_dict: tag -> number; may be empty.
            hparam_domain_discrete: the values that some hyperparameters can take. To say so, the
                columns have to be listed, and TensorBoard then shows no others.
            run_name: the folder of a run of its own.
            global_step: of the metrics.
            name: tensorboardX's name for ``run_name``.
            nested: the layout of the peers.

        Raises:
            TypeError, ValueError: see `tbio.kinds.hparams`, `add_scalar`.
        """
        if isinstance(hparam_domain_discrete, str):
            name, hparam_domain_discrete = hparam_domain_discrete, None
        if run_name is not None and not isinstance(run_name, str):
            global_step, run_name = run_name, None
        name = name if run_name is None else run_name
        if not isinstance(metric_dict, Mapping):
            raise TypeError(f"want a dict of metrics, got {type(metric_dict).__name__}")
        prepared = _prepared(hparam_dict)
        domains = hparams.prepare_domains(hparam_domain_discrete, prepared)
        metrics = [
            _scalar_part(self._defaults.prefix + text_of(tag, "metric"), value)
            for tag, value in metric_dict.items()
        ]
        now = self._wall_time(None, "walltime")
        step_of(global_step, "step")  # before anything is logged
        start = hparams.encode_start(prepared, start_time=now)
        end = hparams.encode_end("SUCCESS", end_time=now)
        experiment = hparams.encode_experiment(prepared, metric_dict, domains)
        folder = None
        if name is not None or nested:
            folder = self._folder_of(text_of(name, "name") if name is not None else str(now))
            # Of the first experiment that it finds, TensorBoard shows the columns, and no others.
            for value in (experiment, start, end) if nested or domains else (start, end):
                self._put([_ready(value)], 0, None, folder=folder)
        else:
            with self._turn():  # of several threads, each gets a run of its own
                known = self._hparams
                if known is None:
                    self._hparams = prepared
                is_own = known is None or _equal(prepared, known)
                self._trials = trial = max(self._trials, 1) + (not is_own)
            if not is_own:
                folder = self._folder_of(f"hparams_{trial}")
                for value in (start, end):
                    self._put([_ready(value)], 0, None, folder=folder)
            elif known is None:
                if domains:  # only an experiment can hold them
                    self._put([_ready(experiment)], 0, None)
                self._put_start(prepared)
        for part, note in metrics:
            self._put([part], global_step, now, folder=folder, note=note)

    # ---- graphs

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Log a model's graph: a torch module, a Keras model, an ONNX model, a GraphDef.

        A torch module that cannot be traced is a warning, and no event.

        Args:
            model: the model; it is left as it was.
            input_to_model: inputs to trace a torch module with: a tensor, or a tuple, dict or
                nested structure of them.
            verbose: print torch's own form of the graph.
            use_strict_trace: handed to ``torch.jit.trace``, if it comes to that.

        Raises:
            TypeError: something that has no graph.
        """
        from tbio import graphs  # what few runs need is not loaded by all

        event, why = graphs.event(
            model, input_to_model, verbose=verbose, use_strict_trace=use_strict_trace
        )
        if event is None:
            warn(f"add_graph: no graph was logged: {why}")
        else:
            self._put_event(event)

    def add_onnx_graph(self, prototxt: Any) -> None:
        """Log the graph of an ONNX file (its path), without the onnx package.

        Raises:
            ValueError: the file is no ONNX model.
            OSError: it cannot be read.
        """
        from tbio.graphs import onnx_graph

        self._put_event(Event(graph_def=onnx_graph.encode(prototxt)))

    def add_openvino_graph(self, xmlname: Any) -> None:
        """Log the graph of an OpenVINO file (its path).

        Raises:
            ValueError: the file is no OpenVINO model.
            OSError: it cannot be read.
        """
        from tbio.graphs import openvino_graph

        self._put_event(Event(graph_def=openvino_graph.encode(xmlname)))

    def _put_event(self, event: Event) -> None:
        event.wall_time = self._wall_time(None, "walltime")
        self._put_raw(_serialized, event)

    # ---- all at once

    def log(
        self, values: Mapping[str, Any], step: Any = None, walltime: float | None = None
    ) -> None:
        """Log a whole dict in one event, each value as what it is.

        ====================================================  =========
        a number, or an array with one element                scalar
        text, or a list of texts                              text
        a Pillow image, a Matplotlib figure, an image file's  image
        bytes; an array [h, w, c] or [c, h, w] with 3 or 4
        channels, or with 1 and of uint8
        any other array of numbers                            histogram
        a dict                                                its items, their tags joined by ``/``
        a function without arguments                          what it returns; it is not called if
                                                              nothing is recorded
        ====================================================  =========

        Args:
            values: tag -> value.
            step: see `add_scalar`.
            walltime: see `add_scalar`.

        Raises:
            TypeError, ValueError: a value that is none of these, before anything is logged.
        """
        if walltime is None and type(values) is dict and self._log_numbers(values, step):
            return
        parts, notes = [], []
        for name, value in flattened(values, evaluate=self._recording()):
            tag = self._tag(name)
            with naming(tag):
                part, note = _part_of(tag, value)
            parts.append(part)
            if note:
                notes.append((tag, note))
        for tag, note in notes:
            self._warn_once(tag, note)
        if parts:
            self._put(parts, step, walltime)
            self._good_tags.update(part.tag for part in parts)

    def _log_numbers(self, values: dict[Any, Any], step: Any) -> bool:
        """The short way of `log`, for nothing but numbers under tags that were met before."""
        short_way = self._short_way
        if not values or not _is_plain_step(step):
            return False
        numbers = []
        for tag, value in values.items():
            number = value if type(value) is float else _quickly(value)
            if type(tag) is not str or tag not in short_way or not _LEAST < number < LARGEST:
                return False
            numbers.append(number)
        file, background = self._lane
        entry = (file, tuple(values), tuple(numbers), step, now())
        background.queue.append(entry)
        if background.alert:
            self._attend(background, entry)
        return True


def _scalar_part(
    tag: str,
    value: Any,
    as_tensor: bool = False,
    exact: bool = False,
    display_name: str = "",
    description: str = "",
) -> tuple[Part, str]:
    """A number on its way, and what its user is to be warned of."""
    with naming(tag):
        snapshot = device.snapshot(value)
        text_of(display_name, "display_name")
        text_of(description, "summary_description")
        if snapshot is not None and math.prod(value.shape) != 1:
            raise ValueError(f"want one number, got an array of shape {tuple(value.shape)}")
        if snapshot is None:
            args, note = _scalar_arguments(value, as_tensor, exact)
            exact = args[2]
    metadata = scalar.metadata(display_name, description)
    if snapshot is not None:  # whose value may yet be found to need metadata
        late = Late(snapshot, lambda value: _scalar_arguments(value, as_tensor, exact))
        return Part("scalar", tag, metadata, scalar.encode, (late,)), ""
    if not (as_tensor or exact or display_name or description):
        return Part("scalar", tag, None, scalar.encode, args), note  # the old encoding needs none
    return Part("scalar", tag, metadata, scalar.encode, args), note


def _scalar_arguments(
    value: Any, as_tensor: bool, exact: bool
) -> tuple[tuple[float, bool, bool], str]:
    """What `scalar.encode` takes behind the tag, and a note."""
    number, note = double_of(value), ""
    if not (exact or scalar.fits_float32(number)):
        exact = True
        note = f"{number!r} is beyond float32: TensorBoard will show infinity in its place"
    return (number, as_tensor, exact), note


#: How the numbers of everyday become doubles.
_TO_DOUBLE: dict[type, Callable[[Any], float]] = {
    int: float,
    bool: float,
    np.float64: float,
    np.float32: float,
    np.float16: float,
    np.int64: float,
    np.int32: float,
}


def _quickly(value: Any) -> float:
    """A number of an everyday type as a double; NaN for all else, and for what has no double."""
    convert = _TO_DOUBLE.get(type(value))
    try:
        return math.nan if convert is None else convert(value)
    except OverflowError:
        return math.nan


def _is_plain_step(step: Any) -> bool:
    return type(step) is int and _LEAST_STEP <= step <= MAX_STEP


def _late(
    kind: str,
    tag: str,
    metadata: SummaryMetadata | None,
    encode: Callable[..., Summary.Value | Sequence[Summary.Value]],
    snapshot: Snapshot,
    make: Callable[[Any], tuple[Any, str]],
) -> Part:
    """A value on its way that is to be prepared on the thread, when its device has it."""

    def arguments(value: Any) -> tuple[tuple[Any, ...], str]:
        made, note = make(value)
        return (made,), note

    weight = int(getattr(snapshot.value, "nbytes", 0))
    return Part(kind, tag, metadata, encode, (Late(snapshot, arguments),), weight)


def _part(
    kind: str,
    tag: str,
    metadata: SummaryMetadata | None,
    encode: Callable[..., Summary.Value | Sequence[Summary.Value]],
    value: Any,
) -> Part:
    """A prepared value on its way, with what it weighs in the queue."""
    return Part(kind, tag, metadata, encode, (value,), arrays.weight(value))


def _part_of(tag: str, value: Any) -> tuple[Part, str]:
    """A value of `SummaryWriter.log` on its way."""
    if hasattr(value, "savefig"):
        return _part("image", tag, None, image.encode, _drawn(value, True)), ""
    if hasattr(value, "getbands") or isinstance(value, (bytes, bytearray)):
        picture, note = image.prepare(value)
        return _part("image", tag, None, image.encode, picture), note
    if isinstance(value, str) or (isinstance(value, (list, tuple)) and _is_text(value)):
        return _part("text", tag, _TEXT_METADATA, text.encode, text.prepare(value)), ""
    with suppress(TypeError, ValueError):
        return _scalar_part(tag, value)
    snapshot = device.snapshot(value)
    array = arrays.to_numpy(value) if snapshot is None else value
    axes = _image_axes(tuple(array.shape), str(array.dtype))
    make = partial(image.prepare, dataformats=axes) if axes else histogram.prepare
    kind, encode = ("image", image.encode) if axes else ("histogram", histogram.encode)
    if snapshot is not None:
        return _late(kind, tag, None, encode, snapshot, make), ""
    made, note = make(array)
    return _part(kind, tag, None, encode, made), note


def _is_text(values: Any) -> bool:
    while isinstance(values, (list, tuple)) and values:
        values = values[0]
    return isinstance(values, str)


def _image_axes(shape: tuple[int, ...], dtype: str) -> str:
    """The axes of an array that looks like an image, else ""."""
    if len(shape) != 3:
        return ""
    channels = (1, 3, 4) if dtype.endswith("uint8") else (3, 4)
    if shape[2] in channels:
        return "HWC"
    return "CHW" if shape[0] in channels else ""


def _flat(tag: str) -> str:
    return tag.replace("/", "_")


def _drawn(figures: Any, close: bool) -> image.Picture:
    return figure.prepare(figures, close)


def _of_layout(given: Any) -> tuple[Layout, str]:
    return layout.prepare(given)


def _prepared(given: Any) -> hparams.Hparams:
    return hparams.prepare(given)


def _equal(one: hparams.Hparams, other: hparams.Hparams) -> bool:
    """Whether they are stored alike: True is not 1, and NaN is NaN."""
    return hparams.encode_start(one) == hparams.encode_start(other)


def _encode_layout(tag: str, whole: Layout) -> Summary.Value:
    return layout.encode(whole)


def _ready(value: Summary.Value) -> Part:
    """A value that is encoded already."""
    return Part("hparams", value.tag, None, _as_it_is, (value,))


def _as_it_is(tag: str, value: Summary.Value) -> Summary.Value:
    return value


def _serialized(book: TagBook, message: Message) -> bytes:
    return message.SerializeToString()


def _write_embedding(book: TagBook, folder: str, tag: str, step: int, embedding: Prepared) -> bytes:
    from tbio import projector

    try:
        projector.write(folder, tag, step, embedding)
    except (OSError, ValueError) as error:
        raise RuntimeError(f"the embedding {tag!r} in {folder} was not written: {error}") from error
    return b""  # no event
