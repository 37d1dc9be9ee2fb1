"""Columns: what one event file has given so far, tag by tag, as growing arrays.

Scalars become numbers at once. Of everything else only the place is kept (tag, step, wall time, and
where the record stands), to be decoded when somebody asks for it.

There are two ways in. The plain one takes events through protobuf, one by one. The other takes
many scalars of a tag at once, and blobs by their header: it is for the bulk lane (`tbio.bulk`),
which has to leave the columns as the plain one would.

A tag's metadata stand on its first value only, perhaps in another file of the run, so that a tensor
without metadata may not know its plugin here: its column is kept under plugin None, and the run
finds out. A number without metadata is taken for a scalar; its place is kept as well, should the
run's metadata say otherwise.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio import plugins, tensor
from tbio.column import Column, PlaceColumn, ScalarColumn
from tbio.errors import DecodeError, TbioWarning
from tbio.event_file import EventFileReader, StoredEvent
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event, LogMessage, SessionLog
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.record_file import FileReport, OnDamage, Unverified
from tbio.selection import StepRange, everything
from tbio.storage import File

Longs = npt.NDArray[np.int64]

_FLOAT32 = np.dtype(np.float32)
#: The plugin of each form that TF 1 had fields of its own for (tensorboard/data_compat.py).
PLUGIN_OF_FIELD = {
    "histo": plugins.HISTOGRAMS,
    "image": plugins.IMAGES,
    "audio": plugins.AUDIO,
}

#: A log may have a million problems; so many of one sort are kept, and so many sorts.
PROBLEMS_ALIKE = 1000
#: Kinds whose values may stand in their metadata alone.
_HELD_BY_METADATA = ("hparams", "graphs", "tensors")


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


class Point(NamedTuple):
    """Where a value stands: step, wall time, and the place of its record.

    Attributes:
        wall_time: seconds since the epoch, UTC.
        offset: of the record, in bytes.
        size: of the whole record, in bytes.
        nth: which value of the event's summary it is.
    """

    step: int
    wall_time: float
    offset: int
    size: int
    nth: int


class BlobPoints(NamedTuple):
    """Where many values stand: a `Point` in each row.

    Attributes:
        steps, offsets, sizes, indexes: int64[n].
        wall_times: float64[n].
    """

    steps: Longs
    wall_times: npt.NDArray[np.float64]
    offsets: Longs
    sizes: Longs
    indexes: Longs


#: The sorts of problems, as `tbio.check` calls them: "value" contradicts its own description,
#: "nothing" is a value that holds nothing, "clock_nan" a wall time that is no number.
ProblemKind: TypeAlias = Literal["value", "nothing", "clock_nan"]


class Problem(NamedTuple):
    """A value that is not what it says it is; the rest of its event is read.

    Attributes:
        path: the event file.
        offset: of the record, in bytes.
        kind: its sort.
    """

    path: str
    offset: int
    tag: str
    step: int
    what: str
    kind: ProblemKind = "value"

    @property
    def is_fault(self) -> bool:
        """Whether something is lost by it, and not only worth knowing."""
        return self.kind == "value"


@dataclass(frozen=True)
class Wanted:
    """What is to be kept of a file.

    Attributes:
        tag: says of each tag whether to keep it.
        kinds: the kinds to keep.
        steps: the steps to keep, or all of them.
        ordered: also keep the order of events across tags (`Column.ordinals`, `FileOrder`).
        on_damage: see `OnDamage`.
        unverified: see `Unverified`.
    """

    tag: Callable[[str], bool] = everything
    kinds: frozenset[str] = frozenset(plugins.KINDS)
    steps: StepRange | None = None
    ordered: bool = False
    on_damage: OnDamage = "warn"
    unverified: Unverified = "skip"


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


#: Of files whose order is not asked for: there may be thousands of them.
_NO_ORDER = FileOrder()


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
        problems: the values that could not be made sense of, the first `PROBLEMS_ALIKE` of a sort.
        unlisted_problems: how many more there are.
        file_version: as the file says, or "".
        writer: the library that wrote it, as the file says, or "".
        first_time, last_time: the wall time of the first event, and the latest of all; NaN where
            there is none.
    """

    def __init__(self, file: File, wanted: Wanted) -> None:
        self.reader = EventFileReader(file, wanted.on_damage, wanted.unverified)
        self._want = wanted
        self._clear()

    def _clear(self) -> None:
        self.scalars: dict[str, ScalarColumn] = {}
        self.places: dict[tuple[str | None, str], PlaceColumn] = {}
        self.assumed: dict[str, PlaceColumn] = {}
        self.metadata: dict[str, SummaryMetadata] = {}
        self.starts: list[SessionStart] = []
        self.order = FileOrder() if self._want.ordered else _NO_ORDER
        self.session_events: list[SessionEvent] = []
        self.log_lines: list[LogLine] = []
        self.problems: list[Problem] = []
        self.unlisted_problems = 0
        self._problems_alike: dict[str, int] = {}
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
        with self.open_to_errors():
            self.begin()
            for stored in self.reader.events():
                self.add_event(stored)

    def read_beyond_damage(self, sound: int) -> None:
        """Take in events up to the end of the file, or to so many sound ones behind damage.

        Where records are not verified the plain path is the only one, and goes on to the end.

        Raises:
            DamageError, OSError: as `read`.
        """
        with self.open_to_errors(), contextlib.closing(self.reader.events()) as events:
            met, since = 0, 0
            for stored in events:
                self.add_event(stored)
                if met != len(self.report.settled):
                    met, since = len(self.report.settled), 0
                since += 1
                if since >= sound and not self.report.unverified:
                    break

    def begin(self) -> None:
        """Look whether the file is still the one that was read; forget what was read if it is not.

        Raises:
            OSError: the file is gone or forbids reading.
        """
        if self.reader.replaced():
            self.reader.rewind()
            self._clear()
        self.report.error = ""

    @contextlib.contextmanager
    def open_to_errors(self) -> Iterator[None]:
        """Take note of an OSError while the file is read, or raise it, as is wanted."""
        try:
            yield
        except OSError as error:
            if self._want.on_damage == "raise":
                raise
            self.report.error = error.strerror or str(error)
            if self._want.on_damage == "warn":
                warnings.warn(str(error), TbioWarning, stacklevel=4)

    @property
    def ordered(self) -> bool:
        """Whether the order of events across tags is kept: the plain way only."""
        return self._want.ordered

    def add_event(self, stored: StoredEvent) -> None:
        """Take in one event."""
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
            level = name_of(LogMessage.Level, message.level)
            self.log_lines.append(LogLine(event.step, event.wall_time, level, message.message))
        elif what in _TAG_OF_EVENT:
            plugin, tag = _TAG_OF_EVENT[what]
            tag = tag or event.tagged_run_metadata.tag
            if self._is_wanted(tag):
                self._add_place(stored, -1, plugin, tag)

    def _add_time(self, stored: StoredEvent) -> None:
        wall_time = stored.event.wall_time
        if wall_time != wall_time:
            self._add_problem(stored, "", "a wall time that is no number", "clock_nan")
        else:
            self._add_times(wall_time, wall_time)

    def _add_times(self, first: float, latest: float) -> None:
        if self.first_time != self.first_time:
            self.first_time, self.last_time = first, latest
        elif latest > self.last_time:
            self.last_time = latest

    def _add_session_event(self, event: Event) -> None:
        log = event.session_log
        status = name_of(SessionLog.SessionStatus, log.status)
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

    def _meet(self, tag: str, metadata: SummaryMetadata | None) -> bool:
        """Whether a tag is wanted; keep the first metadata that it comes with."""
        wanted = self._is_wanted(tag)
        # A session's hparams belong to whatever else of the run is asked for.
        if (
            metadata is not None
            and tag not in self.metadata
            and (wanted or metadata.plugin_data.plugin_name == plugins.HPARAMS)
        ):
            # A copy: the message is a part of its event, all of which would stay in memory.
            self.metadata[tag] = SummaryMetadata()
            self.metadata[tag].CopyFrom(metadata)
        return wanted

    def passes_over(self, tag: str, metadata: SummaryMetadata | None) -> bool:
        """Whether nothing would be kept of values of a tag that come with these metadata."""
        return not self._is_wanted(tag) and (
            metadata is None or metadata.plugin_data.plugin_name != plugins.HPARAMS
        )

    def _plugin_of(self, tag: str) -> str | None:
        """The plugin that the tag's metadata name; None without metadata."""
        return self.metadata[tag].plugin_data.plugin_name if tag in self.metadata else None

    def _add_value(self, stored: StoredEvent, index: int, value: Summary.Value) -> None:
        tag = value.tag or value.node_name
        if not self._meet(tag, value.metadata if value.HasField("metadata") else None):
            return
        field = value.WhichOneof("value")
        if field == "simple_value":
            self._add_scalar(stored, tag, value.simple_value, _FLOAT32)
            return
        plugin = PLUGIN_OF_FIELD.get(field or "") or self._plugin_of(tag)
        if field is None and not (plugin and plugins.kind_of(plugin) in _HELD_BY_METADATA):
            self._add_problem(stored, tag, "a value that holds nothing", "nothing")
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

    def _add_problem(
        self, stored: StoredEvent, tag: str, what: str, kind: ProblemKind = "value"
    ) -> None:
        alike = self._problems_alike[what] = self._problems_alike.get(what, 0) + 1
        if alike > PROBLEMS_ALIKE or len(self._problems_alike) > PROBLEMS_ALIKE:
            if alike == 1:
                del self._problems_alike[what]
            self.unlisted_problems += 1
            return
        path = self.reader.file.name
        self.problems.append(Problem(path, stored.offset, tag, stored.event.step, what, kind))

    def _add_scalar(self, stored: StoredEvent, tag: str, value: Any, dtype: np.dtype[Any]) -> None:
        if plugins.SCALARS not in self._want.kinds:
            return
        column = self._scalars_of(tag)
        if self._add_point(column, stored):
            column.add_value(value, dtype)

    def _scalars_of(self, tag: str) -> ScalarColumn:
        column = self.scalars.get(tag)
        if column is None:
            column = self.scalars[tag] = ScalarColumn()
        return column

    def _add_place(self, stored: StoredEvent, index: int, plugin: str | None, tag: str) -> None:
        if plugin is not None and plugins.kind_of(plugin) not in self._want.kinds:
            return
        self._note_place(stored, index, self._places_of(plugin, tag))

    def _places_of(self, plugin: str | None, tag: str) -> PlaceColumn:
        column = self.places.get((plugin, tag))
        if column is None:
            column = self.places[plugin, tag] = PlaceColumn()
        return column

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

    # ------------------------------------------------------------------ many at once

    def add_events(self, count: int, first_time: float, latest_time: float) -> None:
        """Count events whose values come by `add_scalars` and `add_blobs`.

        Args:
            first_time: the wall time of the first of them, a number.
            latest_time: the latest.
        """
        self._ordinal += count
        self._add_times(first_time, latest_time)

    def add_scalars(
        self,
        tag: str,
        metadata: SummaryMetadata | None,
        steps: Longs,
        wall_times: npt.NDArray[np.float64],
        values: npt.NDArray[Any],
        places: Callable[[], tuple[Longs, Longs, Longs]] | None = None,
    ) -> None:
        """Take in many scalars of a tag, all of them with the same metadata.

        Args:
            steps: int64[n].
            wall_times: float64[n], seconds since the epoch, UTC.
            values: float32[n] or float64[n].
            places: for numbers that stand in tensors, and may turn out to be no scalars: gives the
                offsets and sizes of their records, and which values of the summaries they are.
        """
        if not self._meet(tag, metadata):
            return
        mask = None if self._want.steps is None else self._want.steps.mask(steps)
        if mask is not None:
            steps, wall_times, values = steps[mask], wall_times[mask], values[mask]
        plugin = "" if places is None else self._plugin_of(tag)
        is_scalar = plugin in (None, "", plugins.SCALARS)
        columns: list[Column] = []
        if is_scalar and plugins.SCALARS in self._want.kinds:
            columns.append(self._scalars_of(tag))
        if plugin is None:
            columns.append(self.assumed.setdefault(tag, PlaceColumn()))
        elif not is_scalar and plugins.kind_of(plugin) in self._want.kinds:
            columns.append(self._places_of(plugin, tag))
        if not len(steps):
            return
        for column in columns:
            column.add_points(steps, wall_times, len(self.starts))
            if isinstance(column, ScalarColumn):
                column.add_values(values)
            elif isinstance(column, PlaceColumn) and places is not None:
                parts = [part if mask is None else part[mask] for part in places()]
                column.add_places(*parts)

    def add_blobs(
        self,
        tag: str,
        metadata: SummaryMetadata | None,
        field: str,
        points: Callable[[], BlobPoints],
    ) -> bool:
        """Take in values of a tag that are no numbers, by their places; all with the same metadata.

        Args:
            field: the field of Summary.Value that holds them.
            points: gives what is to be kept of them.

        Returns:
            Whether they could be taken: a tensor whose tag is one of scalars has to be looked into.
        """
        if not self._meet(tag, metadata):
            return True
        plugin = PLUGIN_OF_FIELD.get(field) or self._plugin_of(tag)
        if plugin == plugins.SCALARS:
            return False
        if plugin is not None and plugins.kind_of(plugin) not in self._want.kinds:
            return True
        column = self._places_of(plugin, tag)
        found = points()
        if self._want.steps is not None:
            mask = self._want.steps.mask(found.steps)
            found = BlobPoints._make(each[mask] for each in found)
        if len(found.steps):
            column.add_points(found.steps, found.wall_times, len(self.starts))
            column.add_places(found.offsets, found.sizes, found.indexes)
        return True

    def is_of_scalars(self, tag: str, metadata: Iterable[SummaryMetadata | None]) -> bool:
        """Whether the metadata of a tag, those known or one of these, name the scalars."""
        return self._plugin_of(tag) == plugins.SCALARS or any(
            one is not None and one.plugin_data.plugin_name == plugins.SCALARS for one in metadata
        )

    def add_value(self, point: Point, value: Summary.Value) -> None:
        """Take in one value of an event that was counted by `add_events`."""
        event = Event(wall_time=point.wall_time, step=point.step)
        self._add_value(StoredEvent(point.offset, point.size, event), point.nth, value)


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


def name_of(enum: Any, number: int) -> str:
    """The name of a number of an enum, which may be from a later version than ours."""
    return enum.Name(number) if number in enum.values() else str(number)


#: What an event may hold beside a summary -> plugin, and tag where the event brings none.
_TAG_OF_EVENT = {
    "graph_def": (plugins.GRAPHS, plugins.RUN_GRAPH_TAG),
    "meta_graph_def": (plugins.GRAPHS, plugins.META_GRAPH_TAG),
    "tagged_run_metadata": (plugins.GRAPH_TAGGED_RUN_METADATA, ""),
}
