"""Columns: what one event file has given so far, tag by tag, as growing arrays.

This is the plain path of the bulk lane: every event goes through protobuf, one by one. Scalars
become numbers at once. Of everything else only the place is kept (tag, step, wall time, and where
the record stands), to be decoded when somebody asks for it.

A tag's metadata stand on its first value only, perhaps in another file of the run, so that a tensor
without metadata may not know its plugin here: its column is kept under plugin None, and the run
finds out. A number without metadata is taken for a scalar; its place is kept as well, should the
run's metadata say otherwise.
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio import plugins, tensor
from tbio.errors import DecodeError, TbioWarning
from tbio.event_file import EventFileReader, StoredEvent
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event, LogMessage, SessionLog
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.record_file import FileReport, OnDamage
from tbio.selection import StepRange, everything
from tbio.storage import File

_FLOAT32 = np.dtype(np.float32)
#: The plugin of each form that TF 1 had fields of its own for (tensorboard/data_compat.py).
_PLUGIN_OF_FIELD = {
    "histo": plugins.HISTOGRAMS,
    "image": plugins.IMAGES,
    "audio": plugins.AUDIO,
}

#: Kinds whose values may stand in their metadata alone.
_HELD_BY_METADATA = ("hparams", "graphs", "tensors")


class Column:
    """Steps and wall times of one tag in one file, and how far it was when the run restarted.

    Attributes:
        steps: int64.
        wall_times: float64, seconds since the epoch.
        ordinals: which event of the file each point came with; empty unless asked for.
    """

    def __init__(self) -> None:
        self.steps = array("q")
        self.wall_times = array("d")
        self.ordinals = array("q")
        # (number of session starts met, points there were then), one entry for each change
        self._restarts: list[tuple[int, int]] = []
        self._starts = 0

    def __len__(self) -> int:
        return len(self.steps)

    def add_point(self, step: int, wall_time: float, starts: int) -> None:
        """One more point, ``starts`` session starts after the beginning of the file."""
        if starts != self._starts:
            self._restarts.append((starts, len(self.steps)))
            self._starts = starts
        self.steps.append(step)
        self.wall_times.append(wall_time)

    def points_before(self, start: int) -> int:
        """How many points came before session start number ``start`` (from 1)."""
        at = bisect.bisect_left(self._restarts, (start, -1))
        return self._restarts[at][1] if at < len(self._restarts) else len(self.steps)

    def starts_before(self, at: int) -> int:
        """How many session starts came before the point at a place."""
        met = bisect.bisect_right(self._restarts, at, key=lambda change: change[1])
        return self._restarts[met - 1][0] if met else 0


class ScalarColumn(Column):
    """The scalars of one tag in one file."""

    def __init__(self) -> None:
        super().__init__()
        self._dtypes: list[np.dtype[Any]] = []
        self._codes = array("b")  # which of these each value has, once there are several
        # Doubles hold every float and the integers to 2**53; a list holds the rest.
        self._values: array[float] | list[Any] = array("d")

    def add_value(self, value: Any, dtype: np.dtype[Any]) -> None:
        """The value of the point that was added last."""
        if len(self._dtypes) != 1 or dtype != self._dtypes[0]:
            self._add_code(dtype)
        if isinstance(self._values, array) and not (
            isinstance(value, float) or (isinstance(value, int) and abs(value) <= 2**53)
        ):
            self._values = list(self._values)
        self._values.append(value)

    def _add_code(self, dtype: np.dtype[Any]) -> None:
        if dtype not in self._dtypes:
            self._dtypes.append(dtype)
        if len(self._dtypes) > 1:
            self._codes.frombytes(bytes(len(self._values) - len(self._codes)))  # the first dtype
            self._codes.append(self._dtypes.index(dtype))

    def values(self) -> list[npt.NDArray[Any]]:
        """The values, in pieces of one dtype each: that in which the log holds them."""
        if len(self._dtypes) < 2:
            dtypes = self._dtypes
            if isinstance(self._values, list):
                return [np.array([_as_kind(v, d) for v in self._values], d) for d in dtypes]
            return [np.array(self._values, dtype) for dtype in dtypes]
        codes = np.array(self._codes)
        cuts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
        return [
            np.array([_as_kind(value, dtype) for value in self._values[begin:end]], dtype)
            for begin, end in itertools.pairwise(cuts)
            for dtype in [self._dtypes[codes[begin]]]
        ]


def _as_kind(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number that may have been kept as a double, as numpy wants it for a dtype."""
    return int(value) if dtype.kind in "iu" else value


class PlaceColumn(Column):
    """The places of one tag's values in one file: for kinds that are decoded on access.

    Attributes:
        offsets: of the record, in bytes.
        sizes: of the whole record, in bytes.
        indexes: which value of the event's summary it is; -1 for an event without summary.
    """

    def __init__(self) -> None:
        super().__init__()
        self.offsets = array("q")
        self.sizes = array("q")
        self.indexes = array("q")

    @classmethod
    def merged(cls, first: PlaceColumn, second: PlaceColumn) -> PlaceColumn:
        """Two columns of one file as one, in the order of the file."""
        rows = sorted(
            (column.offsets[at], column.indexes[at], at, column)
            for column in (first, second)
            for at in range(len(column))
        )
        merged = cls()
        for offset, index, at, column in rows:
            merged.add_point(column.steps[at], column.wall_times[at], column.starts_before(at))
            merged.offsets.append(offset)
            merged.sizes.append(column.sizes[at])
            merged.indexes.append(index)
            if column.ordinals:
                merged.ordinals.append(column.ordinals[at])
        return merged


class SessionStart(NamedTuple):
    """A SessionLog.START: the writer goes on at ``step``, what has it or more before is void.

    Attributes:
        ordinal: which event of the file it is.
        latest: the latest wall time in the file up to it.
    """

    step: int
    ordinal: int
    latest: float


class SessionEvent(NamedTuple):
    """A session log: a writer started, stopped, or saved a checkpoint (event.proto, SessionLog).

    Attributes:
        wall_time: seconds since the epoch, UTC.
        status: "START", "STOP", "CHECKPOINT" or "STATUS_UNSPECIFIED".
        checkpoint_path: where a checkpoint was saved, or "".
        message: a text, or "".
    """

    step: int
    wall_time: float
    status: str
    checkpoint_path: str
    message: str


class LogLine(NamedTuple):
    """A line of TensorFlow's log (event.proto, LogMessage).

    Attributes:
        wall_time: seconds since the epoch, UTC.
        level: "DEBUGGING", "INFO", "WARN", "ERROR", "FATAL" or "UNKNOWN".
    """

    step: int
    wall_time: float
    level: str
    message: str


class Problem(NamedTuple):
    """A value that is not what it says it is; the rest of its event is read.

    Attributes:
        path: the event file.
        offset: of the record, in bytes.
    """

    path: str
    offset: int
    tag: str
    step: int
    what: str


@dataclass(frozen=True)
class Wanted:
    """What is to be kept of a file.

    Attributes:
        tag: says of each tag whether to keep it.
        kinds: the kinds to keep.
        steps: the steps to keep, or all of them.
        ordered: also keep the order of events across tags (`Column.ordinals`, `FileOrder`).
        on_damage: see `OnDamage`.
    """

    tag: Callable[[str], bool] = everything
    kinds: frozenset[str] = frozenset(plugins.KINDS)
    steps: StepRange | None = None
    ordered: bool = False
    on_damage: OnDamage = "warn"


class FileOrder:
    """What the events of one file were, in order, for rules that look at all of them.

    What TensorBoard's loader turns into a summary counts as one: graph_def and tagged_run_metadata
    (tensorboard/dataclass_compat.py).

    Attributes:
        count: events of any sort.
        ordinals: which events have a summary.
        steps: the steps of those.
        wall_times: their wall times, seconds since the epoch.
        mentions: tag -> for each value that names it, or mere metadata, two numbers: its event's
            place in these three, and how many values of the tag the event brought before it.
        versions: (ordinal, version) of each file_version event.
        first_nan: the first event with a wall time that is no number, or None.
    """

    def __init__(self) -> None:
        self.count = 0
        self.ordinals = array("q")
        self.steps = array("q")
        self.wall_times = array("d")
        self.mentions: dict[str, array[int]] = {}
        self.versions: list[tuple[int, float]] = []
        self.first_nan: int | None = None

    def add(self, ordinal: int, event: Event) -> None:
        """Take note of an event."""
        self.count = ordinal + 1
        if event.wall_time != event.wall_time and self.first_nan is None:
            self.first_nan = ordinal
        what = event.WhichOneof("what")
        tags: Iterable[tuple[str, bool]]
        if what == "summary":
            tags = ((one.tag, one.WhichOneof("value") is not None) for one in event.summary.value)
        elif what == "graph_def":
            tags = ((plugins.RUN_GRAPH_TAG, True),)
        elif what == "tagged_run_metadata":
            tags = ((event.tagged_run_metadata.tag, True),)
        else:
            if what == "file_version":
                self.versions.append((ordinal, parse_version(event.file_version)))
            return
        met: dict[str, int] = {}
        for tag, holds_something in tags:
            before = met.get(tag, 0)
            self.mentions.setdefault(tag, array("q")).extend((len(self.ordinals), before))
            met[tag] = before + holds_something
        self.ordinals.append(ordinal)
        self.steps.append(event.step)
        self.wall_times.append(event.wall_time)


class FileColumns:
    """The columns of one event file, filled as far as the file goes at each `read`.

    Attributes:
        reader: of the file.
        scalars: tag -> column.
        places: (plugin or None, tag) -> column.
        assumed: tag -> the places of those of its scalars that are such only because no metadata in
            this file say otherwise.
        metadata: tag -> the metadata of its first value in this file, where it had any.
        starts: the session starts.
        order: see `FileOrder`; nothing unless asked for.
        session_events, log_lines: what their names say.
        problems: the values that could not be made sense of.
        file_version: as the file says, or "".
        writer: the library that wrote it, as the file says, or "".
        first_time, last_time: the wall time of the first event, and the latest of all; NaN where
            there is none.
    """

    def __init__(self, file: File, wanted: Wanted) -> None:
        self.reader = EventFileReader(file, wanted.on_damage)
        self._want = wanted
        self._clear()

    def _clear(self) -> None:
        self.scalars: dict[str, ScalarColumn] = {}
        self.places: dict[tuple[str | None, str], PlaceColumn] = {}
        self.assumed: dict[str, PlaceColumn] = {}
        self.metadata: dict[str, SummaryMetadata] = {}
        self.starts: list[SessionStart] = []
        self.order = FileOrder()
        self.session_events: list[SessionEvent] = []
        self.log_lines: list[LogLine] = []
        self.problems: list[Problem] = []
        self.file_version = ""
        self.writer = ""
        self.first_time = self.last_time = math.nan
        self._wanted: dict[str, bool] = {}
        self._ordinal = -1

    @property
    def report(self) -> FileReport:
        """The reader's `FileReport`."""
        return self.reader.report

    def read(self) -> None:
        """Take in what the file holds beyond what was read, all of it if it was replaced.

        A file that is gone or forbids reading leaves what was read of it, and says so in the
        report.

        Raises:
            DamageError, OSError: with ``on_damage="raise"``.
        """
        try:
            if self.reader.replaced():
                self.reader.rewind()
                self._clear()
            self.report.error = ""
            for stored in self.reader.events():
                self._add_event(stored)
        except OSError as error:
            if self._want.on_damage == "raise":
                raise
            self.report.error = error.strerror or str(error)
            if self._want.on_damage == "warn":
                warnings.warn(str(error), TbioWarning, stacklevel=2)

    def _add_event(self, stored: StoredEvent) -> None:
        event = stored.event
        self._ordinal += 1
        what = event.WhichOneof("what")
        self._add_time(stored)
        if self._want.ordered:
            self.order.add(self._ordinal, event)
        if what == "summary":
            for index, value in enumerate(event.summary.value):
                self._add_value(stored, index, value)
        elif what == "session_log":
            self._add_session_event(event)
        elif what == "file_version":
            self.file_version = self.file_version or event.file_version
            self.writer = self.writer or event.source_metadata.writer
        elif what == "log_message":
            message = event.log_message
            level = _name_of(LogMessage.Level, message.level)
            self.log_lines.append(LogLine(event.step, event.wall_time, level, message.message))
        elif what in _TAG_OF_EVENT:
            plugin, tag = _TAG_OF_EVENT[what]
            tag = tag or event.tagged_run_metadata.tag
            if self._is_wanted(tag):
                self._add_place(stored, -1, plugin, tag)

    def _add_time(self, stored: StoredEvent) -> None:
        wall_time = stored.event.wall_time
        if wall_time != wall_time:
            self._add_problem(stored, "", "a wall time that is no number")
        elif self.first_time != self.first_time:
            self.first_time = self.last_time = wall_time
        elif wall_time > self.last_time:
            self.last_time = wall_time

    def _add_session_event(self, event: Event) -> None:
        log = event.session_log
        status = _name_of(SessionLog.SessionStatus, log.status)
        self.session_events.append(
            SessionEvent(event.step, event.wall_time, status, log.checkpoint_path, log.msg)
        )
        if log.status == SessionLog.START:
            self.starts.append(SessionStart(event.step, self._ordinal, self.last_time))

    def _is_wanted(self, tag: str) -> bool:
        wanted = self._wanted.get(tag)
        if wanted is None:
            wanted = self._wanted[tag] = self._want.tag(tag)
        return wanted

    def _add_value(self, stored: StoredEvent, index: int, value: Summary.Value) -> None:
        tag = value.tag or value.node_name
        wanted = self._is_wanted(tag)
        # A session's hparams belong to whatever else of the run is asked for.
        if (
            value.HasField("metadata")
            and tag not in self.metadata
            and (wanted or value.metadata.plugin_data.plugin_name == plugins.HPARAMS)
        ):
            self.metadata[tag] = value.metadata
        if not wanted:
            return
        field = value.WhichOneof("value")
        if field == "simple_value":
            self._add_scalar(stored, tag, value.simple_value, _FLOAT32)
            return
        plugin = _PLUGIN_OF_FIELD.get(field or "")
        if plugin is None and tag in self.metadata:
            plugin = self.metadata[tag].plugin_data.plugin_name
        if field is None and not (plugin and plugins.kind_of(plugin) in _HELD_BY_METADATA):
            self._add_problem(stored, tag, "a value that holds nothing")
            return
        number = (
            field == "tensor"
            and not value.tensor.tensor_shape.dim
            and tensor.is_numeric(value.tensor)
        )
        if plugin == plugins.SCALARS or (number and not plugin):
            try:
                number_and_dtype = scalar.decode(value)
            except DecodeError as error:
                self._add_problem(stored, tag, error.what)
                self._add_place(stored, index, "", tag)
                return
            self._add_scalar(stored, tag, *number_and_dtype)
            if plugin is None:
                self._note_place(stored, index, self.assumed.setdefault(tag, PlaceColumn()))
        else:
            self._add_place(stored, index, plugin, tag)

    def _add_problem(self, stored: StoredEvent, tag: str, what: str) -> None:
        path = self.reader.file.name
        self.problems.append(Problem(path, stored.offset, tag, stored.event.step, what))

    def _add_scalar(self, stored: StoredEvent, tag: str, value: Any, dtype: np.dtype[Any]) -> None:
        if plugins.SCALARS not in self._want.kinds:
            return
        column = self.scalars.get(tag)
        if column is None:
            column = self.scalars[tag] = ScalarColumn()
        if self._add_point(column, stored):
            column.add_value(value, dtype)

    def _add_place(self, stored: StoredEvent, index: int, plugin: str | None, tag: str) -> None:
        if plugin is not None and plugins.kind_of(plugin) not in self._want.kinds:
            return
        column = self.places.get((plugin, tag))
        if column is None:
            column = self.places[plugin, tag] = PlaceColumn()
        self._note_place(stored, index, column)

    def _note_place(self, stored: StoredEvent, index: int, column: PlaceColumn) -> None:
        if self._add_point(column, stored):
            column.offsets.append(stored.offset)
            column.sizes.append(stored.size)
            column.indexes.append(index)

    def _add_point(self, column: Column, stored: StoredEvent) -> bool:
        """Whether the event's step is wanted, and so was added to the column."""
        step = stored.event.step
        if self._want.steps is not None and not self._want.steps.wants(step):
            return False
        column.add_point(step, stored.event.wall_time, len(self.starts))
        if self._want.ordered:
            column.ordinals.append(self._ordinal)
        return True


def parse_version(file_version: str) -> float:
    """The number of a file_version; -1 where there is none.

    As ``ParseFileVersion`` in tensorboard/backend/event_processing/event_util.py.

    >>> parse_version("brain.Event:2"), parse_version("two")
    (2.0, -1.0)
    """
    try:
        return float(file_version.rpartition("brain.Event:")[2])
    except ValueError:
        return -1.0


def _name_of(enum: Any, number: int) -> str:
    """The name of a number of an enum, which may be from a later version than ours."""
    return enum.Name(number) if number in enum.values() else str(number)


#: What an event may hold beside a summary -> plugin, and tag where the event brings none.
_TAG_OF_EVENT = {
    "graph_def": (plugins.GRAPHS, plugins.RUN_GRAPH_TAG),
    "meta_graph_def": (plugins.GRAPHS, plugins.META_GRAPH_TAG),
    "tagged_run_metadata": (plugins.GRAPH_TAGGED_RUN_METADATA, ""),
}
