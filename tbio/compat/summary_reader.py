"""Event files as pandas DataFrames, in place of tbparse's ``SummaryReader``."""

from __future__ import annotations

import copy
import os
import stat
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from tbio.compat.frames import Piece, long_frame, pivoted_frame
from tbio.compat.summary_file import EVENT_TYPES, SummaryFile, clip, pixels
from tbio.extras import require

if TYPE_CHECKING:
    import pandas

    from tbio.compat.event_accumulator import EventAccumulator

Array = npt.NDArray[Any]

EXTRA_COLUMNS = (
    "dir_name",
    "file_name",
    "wall_time",
    "min",
    "max",
    "num",
    "sum",
    "sum_squares",
    "width",
    "height",
    "content_type",
    "length_frames",
    "sample_rate",
)
#: The types under which EventAccumulator has data that tbparse makes no frame of.
_RAW_TYPES = (*EVENT_TYPES, "graph", "meta_graph", "run_metadata")


class SummaryReader:
    """All data of an event file, or of all event files below a folder, as DataFrames.

    In place of ``tbparse.SummaryReader`` (0.0.9): the same arguments, properties, columns, rows and
    dtypes. In place of an ``EventAccumulator`` for each file it has `SummaryFile`, so that neither
    TensorFlow nor tensorboard is needed; and of a damaged file it gives what is sound, also behind
    the damage, where tbparse stops or raises.

    What is different on purpose:

    * ``event_types`` has images and audio by default; tbparse leaves them out, and raises when they
      are asked for, where there is no TensorFlow.
    * ``event_types={"text"}`` gives all texts; tbparse, the last one of each tag.
    * What makes tbparse give up a whole folder is read: text of several strings, as an array of
      them; texts of 2018, whose tag stands in ``node_name``; bfloat16. A value that cannot be
      decoded leaves its cell empty, with a `TbioWarning`. Links that lead nowhere, or back to a
      folder above them, pipes and devices are passed over.
    * Two text tags that differ in the suffix ``/text_summary`` are joined, and a tag that is called
      like a column ("step") has a pivoted column "step/value"; in tbparse the one takes the other's
      place.
    * Tensors of several dtypes in several files keep their values; in tbparse True may become 1.
    * Without a file version, an out-of-order value without a tag purges that tag only, not all.
    * Rows of one step are in the order in which they were logged; when pivoting, tbparse sorts them
      by an algorithm that may swap them.
    * A hyperparameter that is null is None; in tbparse it is 0.
    * bfloat16 and float8 come as float32.
    * Values of more than a kilobyte stay in the file until a property is asked for, each time.

    Args:
        log_path: a folder, or an event file.
        pivot: a column for each tag, and one row for all values of a step, in place of a row for
            each value; several values of one tag and step are a list.
        extra_columns: "dir_name", "file_name" (those of the event file, the folder relative to
            ``log_path``), "wall_time" (seconds since the epoch); for histograms "min", "max",
            "num", "sum", "sum_squares"; for images "width", "height"; for audio "content_type",
            "length_frames", "sample_rate".
        event_types: what to read: "scalars", "tensors" (all of TF 2, scalars too), "histograms",
            "images", "audio", "hparams", "text"; everything by default.

    Raises:
        ValueError: there is nothing at ``log_path``; an argument that is no set.
        KeyError: an extra column or an event type that does not exist.
        MissingExtraError: pandas is not installed (when a DataFrame is asked for).

    >>> from tbio.compat import SummaryReader
    >>> reader = SummaryReader("tests/golden/digits", extra_columns={"dir_name"})
    >>> frame = reader.scalars
    >>> frame[frame.tag == "loss"].groupby("dir_name").value.min().round(3).to_dict()
    {'test': 1.213, 'train': 1.121}
    """

    def __init__(
        self,
        log_path: str | os.PathLike[str],
        *,
        pivot: bool = False,
        extra_columns: set[str] | None = None,
        event_types: set[str] | None = None,
    ) -> None:
        self._log_path = log_path
        self._pivot = pivot
        self._extra_columns = _checked(extra_columns, (), EXTRA_COLUMNS, "extra_columns")
        self._event_types = _checked(event_types, EVENT_TYPES, EVENT_TYPES, "event_types")
        if not os.path.exists(log_path):
            raise ValueError(f"File or directory not found: {log_path}")
        self._file: SummaryFile | None = None
        self._children: dict[str, SummaryReader] = {}
        if os.path.isfile(log_path):
            self._file = SummaryFile(os.fspath(log_path), self._event_types)
        else:
            self._children = self._read_folder(())

    def _read_folder(self, above: tuple[tuple[int, int], ...]) -> dict[str, SummaryReader]:
        info = os.stat(self._log_path)
        above += ((info.st_dev, info.st_ino),)
        children = {}
        for name in sorted(os.listdir(self._log_path)):
            path = os.path.join(self._log_path, name)
            try:
                info = os.stat(path)
            except OSError:  # gone, or a link that leads nowhere
                continue
            if stat.S_ISREG(info.st_mode):
                file = SummaryFile(path, self._event_types)
                children[name] = self._child(path, file)
            elif stat.S_ISDIR(info.st_mode) and (info.st_dev, info.st_ino) not in above:
                children[name] = child = self._child(path)
                child._children = child._read_folder(above)
        return children

    def _child(self, path: str, file: SummaryFile | None = None) -> SummaryReader:
        child = copy.copy(self)
        child._log_path, child._file, child._children = path, file, {}
        return child

    # ------------------------------------------------------------------ the tree

    @property
    def log_path(self) -> str | os.PathLike[str]:
        """As given."""
        return self._log_path

    @property
    def children(self) -> dict[str, SummaryReader]:
        """Name -> reader, for each file and folder directly in a folder."""
        return self._children.copy()

    def __getitem__(self, child_idx: str) -> SummaryReader:
        """The reader of a file or folder directly in this folder."""
        return self._children[child_idx]

    def __repr__(self) -> str:
        return f"SummaryReader(log_path='{self.log_path}')"

    def _files(self, folder: str = "") -> Iterator[tuple[str, str, SummaryFile]]:
        """Folder, relative to this one, name and data of each file, in the order of the names."""
        if self._file is not None:
            yield folder, os.path.basename(self._log_path), self._file
        for name, child in self._children.items():
            inner = folder if child._file is not None else f"{folder}/{name}" if folder else name
            yield from child._files(inner)

    # ---------------------------------------------------------------------- tags

    @property
    def tags(self) -> dict[str, list[str]]:
        """Event type -> its tags, in the order in which they were met."""
        return {event_type: self._tags(event_type) for event_type in EVENT_TYPES}

    @overload
    def get_tags(self, event_type: None = None) -> dict[str, list[str]]: ...
    @overload
    def get_tags(self, event_type: str) -> list[str]: ...
    def get_tags(self, event_type: str | None = None) -> list[str] | dict[str, list[str]]:
        """The tags of an event type, or `tags`.

        Raises:
            ValueError: no such event type.
        """
        if event_type is None:
            return self.tags
        _check_type(event_type, EVENT_TYPES)
        return self._tags(event_type)

    def _tags(self, event_type: str) -> list[str]:
        files = (file for _, _, file in self._files())
        return list(dict.fromkeys(tag for file in files for tag in file.tags[event_type]))

    # -------------------------------------------------------------------- frames

    def get_events(self, event_type: str) -> pandas.DataFrame:
        """All data of an event type; made anew at each call, so keep it.

        Raises:
            ValueError: no such event type, or one that the reader was told to leave out.
            MissingExtraError: pandas is not installed.
        """
        _check_type(event_type, EVENT_TYPES)
        if event_type not in self._event_types:
            raise ValueError(f"event_type is ignored by user: {event_type}")
        pieces = [
            piece for piece in self._pieces(event_type) if piece.steps is None or len(piece.steps)
        ]
        if not pieces:
            empty: pandas.DataFrame = require("pandas").DataFrame()
            return empty
        to_frame = pivoted_frame if self._pivot else long_frame
        return to_frame(pieces, self._extra_columns)

    def _pieces(self, event_type: str) -> Iterator[Piece]:
        for folder, name, file in self._files():
            if event_type == "hparams":
                for tag, value in file.hparams.items():
                    yield Piece(folder, name, tag, None, None, {"value": [value]})
                continue
            for tag, points in file.points(event_type):
                if len(points):
                    steps, wall_times = np.array(points.steps), np.array(points.wall_times)
                    cells = points.cells(event_type, tag, self._extra_columns)
                    yield Piece(folder, name, tag, steps, wall_times, cells)

    @property
    def scalars(self) -> pandas.DataFrame:
        """The scalars of TF 1, torch, tensorboardX; those of TF 2 are among `tensors`."""
        return self.get_events("scalars")

    @property
    def tensors(self) -> pandas.DataFrame:
        """All tensors but texts and hyperparameters; one of rank 0 as a Python value."""
        return self.get_events("tensors")

    @property
    def histograms(self) -> pandas.DataFrame:
        """The histograms of TF 1, torch, tensorboardX: float64 arrays "counts" and "limits"."""
        return self.get_events("histograms")

    @property
    def images(self) -> pandas.DataFrame:
        """The images of TF 1, torch, tensorboardX, as uint8 [height, width, channels]."""
        return self.get_events("images")

    @property
    def audio(self) -> pandas.DataFrame:
        """The audio of TF 1, torch, tensorboardX, as float32 [frames, channels] in [-1, 1]."""
        return self.get_events("audio")

    @property
    def hparams(self) -> pandas.DataFrame:
        """The hyperparameters of each session: numbers, strings and bools."""
        return self.get_events("hparams")

    @property
    def text(self) -> pandas.DataFrame:
        """The texts, as str."""
        return self.get_events("text")

    # ----------------------------------------------------------------------- raw

    def _accumulator(self) -> EventAccumulator:
        if self._file is None:
            raise ValueError(f"Not an event file: {self.log_path}")
        from tbio.compat.event_accumulator import (
            STORE_EVERYTHING_SIZE_GUIDANCE,
            EventAccumulator,
        )

        accumulator = EventAccumulator(os.fspath(self.log_path), STORE_EVERYTHING_SIZE_GUIDANCE)
        accumulator.Reload()
        return accumulator

    @property
    def raw_tags(self) -> dict[str, Any]:
        """What `tbio.compat.EventAccumulator` says the tags of an event file are."""
        tags: dict[str, Any] = self.get_raw_tags()
        return tags

    def get_raw_tags(
        self, event_type: str | None = None, event_acc: EventAccumulator | None = None
    ) -> Any:
        """Those of one type, or of each; for graphs, whether there is one. The file is read anew.

        Raises:
            ValueError: a folder, or no such type.
        """
        if event_type is not None:
            _check_type(event_type, _RAW_TYPES)
        accumulator = self._accumulator() if event_acc is None else event_acc
        tags: dict[str, Any] = dict(accumulator.Tags())
        for plugin in ("hparams", "text"):
            try:
                tags[plugin] = list(accumulator.PluginTagToContent(plugin))
            except KeyError:
                tags[plugin] = []
        return tags if event_type is None else tags[event_type]

    @property
    def raw_events(self) -> dict[str, dict[str, list[Any]]]:
        """Event type -> tag -> the events of `tbio.compat.EventAccumulator`."""
        events: dict[str, dict[str, list[Any]]] = self.get_raw_events()
        return events

    def get_raw_events(
        self,
        event_type: str | None = None,
        tag: str | None = None,
        event_acc: EventAccumulator | None = None,
    ) -> Any:
        """The events of a tag, of each tag of a type, or of everything. The file is read anew.

        Raises:
            ValueError: a folder; a tag without a type.
            KeyError: no such type or tag.
        """
        accumulator = self._accumulator() if event_acc is None else event_acc
        if event_type is None:
            if tag is not None:
                raise ValueError("tag shouldn't be set if event_type is None")
            return {each: self.get_raw_events(each, None, accumulator) for each in EVENT_TYPES}
        events_of = {
            "scalars": accumulator.Scalars,
            "tensors": accumulator.Tensors,
            "histograms": accumulator.Histograms,
            "images": accumulator.Images,
            "audio": accumulator.Audio,
            "hparams": lambda tag: accumulator.PluginTagToContent("hparams")[tag],
            "text": accumulator.Tensors,
        }[event_type]
        if tag is not None:
            return events_of(tag)
        tags = self.get_raw_tags(event_type, accumulator)
        if event_type == "text":  # one without a value has no events
            there = set(accumulator.Tags()["tensors"])
            tags = [tag for tag in tags if tag in there]
        return {tag: events_of(tag) for tag in tags}

    # ---------------------------------------------- what tensors of TF 2 stand for

    @staticmethod
    def tensor_to_histogram(tensor: Array) -> dict[str, Any]:
        """A histogram out of rows of left edge, right edge and count, as TF 2 stores them.

        A tensor without rows gives a histogram without buckets; tbparse raises.

        >>> histogram = SummaryReader.tensor_to_histogram([[0.0, 1.0, 3.0], [1.0, 2.0, 1.0]])
        >>> histogram["limits"], histogram["counts"], float(histogram["num"])
        (array([0., 1., 2.]), array([0., 3., 1.]), 4.0)
        """
        rows = np.asarray(tensor)
        rows = rows if rows.size else np.zeros((0, 3))
        limits = np.concatenate([rows[:1, 0], rows[:, 1]])
        counts = np.concatenate([np.zeros(len(limits) - len(rows), rows.dtype), rows[:, 2]])
        return {
            "limits": limits,
            "counts": counts,
            "min": limits[0] if len(limits) else np.nan,
            "max": limits[-1] if len(limits) else np.nan,
            "num": np.sum(counts),
            "sum": np.nan,
            "sum_squares": np.nan,
        }

    @staticmethod
    def buckets_to_histogram_dict(lst: Array) -> dict[str, Any]:
        """The former name of `tensor_to_histogram`."""
        return SummaryReader.tensor_to_histogram(lst)

    @staticmethod
    def tensor_to_image(tensor: Array) -> dict[str, Any]:
        """Width, height and pixels of TF 2's string tensor; of several images an array of rank 4.

        Raises:
            DecodeError: an image that cannot be decoded.
        """
        width, height, *encoded = np.asarray(tensor, object).tolist()
        pictures = [pixels(item) for item in encoded]
        return {
            "image": pictures[0] if len(pictures) == 1 else np.stack(pictures),
            "width": int(width),
            "height": int(height),
        }

    @staticmethod
    def tensor_to_audio(tensor: Array) -> dict[str, Any]:
        """Samples and rate of TF 2's string tensor; of several clips an array of rank 3.

        Raises:
            DecodeError: a clip that cannot be decoded.
        """
        clips = [clip(item) for item in np.asarray(tensor, object)[:, 0].tolist()]
        samples = np.stack([one.to_array() for one in clips])
        rates = np.array([one.sample_rate for one in clips], np.int32)
        length = samples.shape[1]
        if len(clips) == 1:
            samples, rates = samples[0], rates.reshape(())
        return {
            "audio": samples,
            "content_type": "audio/wav",
            "length_frames": length,
            "sample_rate": rates,
        }

    # ---------------------------------------------------- what to do with histograms

    @staticmethod
    def histogram_to_pdf(counts: Array, limits: Array, x: Array) -> tuple[Array, Array]:
        """The centers between the points ``x``, and the density of the values there.

        Args:
            counts, limits: a histogram as the frames have it: the counts, the first of which is 0,
                and the right edges of the buckets.
            x: increasing.
        """
        x = np.asarray(x)
        y = SummaryReader.histogram_to_cdf(counts, limits, x)
        return (x[1:] + x[:-1]) / 2, np.diff(y) / np.diff(x)

    @staticmethod
    def histogram_to_cdf(counts: Array, limits: Array, x: Array) -> Array:
        """The share of values up to each of the points ``x``, linear within a bucket.

        The arguments are those of `histogram_to_pdf`. A histogram without values gives NaN.

        Raises:
            ValueError: ``x`` does not increase, or there are not as many counts as limits.

        >>> SummaryReader.histogram_to_cdf([0, 1, 3], [0.0, 1.0, 2.0], [0.5, 1.0, 1.5, 9.0])
        array([0.125, 0.25 , 0.625, 1.   ])
        """
        x = np.asarray(x, np.float64)
        if not np.all(np.diff(x) > 0):
            raise ValueError("x: want increasing numbers")
        up_to = _values_up_to(counts, limits, x)
        with np.errstate(invalid="ignore"):
            share: Array = up_to / np.sum(counts)
        return share

    @staticmethod
    def histogram_to_bins(
        counts: Array,
        limits: Array,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        n_bins: int = 30,
    ) -> tuple[list[float], list[float]]:
        """The centers and counts of ``n_bins`` bins of equal width, as TensorBoard draws them.

        A bucket is spread evenly over the bins that it meets, its part beyond the bounds moved in
        (tensorboard/plugins/histogram/tf_histogram_dashboard/histogramCore.ts). A value that is an
        edge of bins counts in the right one; the original loses it.

        Args:
            counts, limits: see `histogram_to_pdf`.
            lower_bound, upper_bound: where the bins begin and end; -1 and 1 by default. If they are
                equal, a range around them is taken.

        Raises:
            ValueError: there are not as many counts as limits, or the first count is not 0.
        """
        if len(counts) and counts[0] != 0:
            raise ValueError(f"want a first count of 0, got {counts[0]}")
        if lower_bound is None or upper_bound is None:
            lower_bound = upper_bound = 0
        if lower_bound == upper_bound:
            lower_bound, upper_bound = sorted((lower_bound / 1.1 - 1, lower_bound * 1.1 + 1))
        width = (upper_bound - lower_bound) / n_bins
        lefts = lower_bound + np.arange(n_bins) * width
        inner = _values_up_to(counts, np.clip(limits, lower_bound, upper_bound), lefts[1:])
        bins = np.diff([0, *inner, np.sum(counts)])
        return (lefts + width / 2).tolist(), bins.tolist()


def _values_up_to(counts: Array, limits: Array, x: Array) -> Array:
    """How many values of a histogram lie before each point, those of a bucket spread evenly."""
    counts, limits = np.asarray(counts, np.float64), np.asarray(limits, np.float64)
    if len(counts) != len(limits):
        raise ValueError(f"{len(counts)} counts for {len(limits)} limits")
    if not len(counts):
        return np.zeros(len(x))
    total = np.cumsum(counts)
    right = np.clip(np.searchsorted(limits, x, "left"), 1, max(len(limits) - 1, 1))
    if len(limits) == 1:
        return np.where(x <= limits[0], 0, total[0])
    # By halves, since limits may be the least and the greatest double.
    lower, upper, halves = limits[right - 1] / 2, limits[right] / 2, x / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (halves - lower) / (upper - lower)
    inside = total[right - 1] + (total[right] - total[right - 1]) * share
    return np.where(x <= limits[0], 0, np.where(x > limits[-1], total[-1], inside))


def _checked(
    given: set[str] | None, default: Collection[str], known: Collection[str], name: str
) -> set[str]:
    if not isinstance(given, (set, frozenset, type(None))):
        raise ValueError(f"`{name}` should be a set instead of {type(given)}")
    unknown = set(given or ()).difference(known)
    if unknown:
        raise KeyError(f"{name}: {sorted(unknown)} unknown; there are {', '.join(known)}")
    return set(given or default)


def _check_type(event_type: str, known: Collection[str]) -> None:
    if event_type not in known:
        raise ValueError(f"Unknown event_type: {event_type}")
