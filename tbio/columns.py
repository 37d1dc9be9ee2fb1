"""Columns: what one event file has given so far, tag by tag, as growing arrays.

This is the plain path of the bulk lane: every event goes through protobuf, one by one. Scalars
become numbers at once. Of everything else only the place is kept (tag, step, wall time, and where
the record stands), to be decoded when somebody asks for it.

A tag's metadata stand on its first value only, perhaps in another file of the run, so that a tensor
without metadata may not know its plugin here: its column is kept under plugin None, and the run
finds out. A number without metadata is a scalar.
"""

from __future__ import annotations

import bisect
import itertools
import warnings
from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio import plugins, tensor
from tbio.errors import DecodeError, TbioWarning
from tbio.event_file import EventFileReader, StoredEvent
from tbio.kinds import scalar
from tbio.proto.event_pb2 import SessionLog
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.record_file import FileReport, OnDamage
from tbio.storage import File

_FLOAT32 = np.dtype(np.float32)
#: The plugin of each form that TF 1 had fields of its own for (tensorboard/data_compat.py).
_PLUGIN_OF_FIELD = {
    "histo": plugins.HISTOGRAMS,
    "image": plugins.IMAGES,
    "audio": plugins.AUDIO,
}


class Column:
    """Steps and wall times of one tag in one file, and how far it was when the run restarted.

    Attributes:
        steps: int64.
        wall_times: float64, seconds since the epoch.
    """

    def __init__(self) -> None:
        self.steps = array("q")
        self.wall_times = array("d")
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


class SessionStart(NamedTuple):
    """A SessionLog.START: the writer goes on at ``step``, what has it or more before is void."""

    step: int


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


class FileColumns:
    """The columns of one event file, filled as far as the file goes at each `read`.

    Args:
        file: where it is.
        wanted_tag: says of each tag whether to keep it.
        kinds: the kinds to keep.
        on_damage: see `OnDamage`.

    Attributes:
        scalars: tag -> column.
        places: (plugin or None, tag) -> column.
        metadata: tag -> the metadata of its first value in this file, where it had any.
        starts: the session starts.
        problems: the values that could not be made sense of.
        file_version: as the file says, or "".
        writer: the library that wrote it, as the file says, or "".
    """

    def __init__(
        self,
        file: File,
        wanted_tag: Callable[[str], bool],
        kinds: frozenset[str],
        on_damage: OnDamage,
    ) -> None:
        self._reader = EventFileReader(file, on_damage)
        self._on_damage = on_damage
        self._wanted_tag = wanted_tag
        self._kinds = kinds
        self._clear()

    def _clear(self) -> None:
        self.scalars: dict[str, ScalarColumn] = {}
        self.places: dict[tuple[str | None, str], PlaceColumn] = {}
        self.metadata: dict[str, SummaryMetadata] = {}
        self.starts: list[SessionStart] = []
        self.problems: list[Problem] = []
        self.file_version = ""
        self.writer = ""
        self._wanted: dict[str, bool] = {}

    @property
    def report(self) -> FileReport:
        """The reader's `FileReport`."""
        return self._reader.report

    def read(self) -> None:
        """Take in what the file holds beyond what was read, all of it if it was replaced.

        A file that is gone or forbids reading leaves what was read of it, and says so in the
        report.

        Raises:
            DamageError, OSError: with ``on_damage="raise"``.
        """
        try:
            if self._reader.replaced():
                self._reader.rewind()
                self._clear()
            self.report.error = ""
            for stored in self._reader.events():
                self._add_event(stored)
        except OSError as error:
            if self._on_damage == "raise":
                raise
            self.report.error = error.strerror or str(error)
            if self._on_damage == "warn":
                warnings.warn(str(error), TbioWarning, stacklevel=2)

    def _add_event(self, stored: StoredEvent) -> None:
        event = stored.event
        what = event.WhichOneof("what")
        if event.wall_time != event.wall_time:
            self._add_problem(stored, "", "a wall time that is no number")
        if what == "summary":
            for index, value in enumerate(event.summary.value):
                self._add_value(stored, index, value)
        elif what == "session_log":
            if event.session_log.status == SessionLog.START:
                self.starts.append(SessionStart(event.step))
        elif what == "file_version":
            self.file_version = self.file_version or event.file_version
            self.writer = self.writer or event.source_metadata.writer
        elif what in _TAG_OF_EVENT:
            plugin, tag = _TAG_OF_EVENT[what]
            tag = tag or event.tagged_run_metadata.tag
            if self._is_wanted(tag):
                self._add_place(stored, -1, plugin, tag)

    def _is_wanted(self, tag: str) -> bool:
        wanted = self._wanted.get(tag)
        if wanted is None:
            wanted = self._wanted[tag] = self._wanted_tag(tag)
        return wanted

    def _add_value(self, stored: StoredEvent, index: int, value: Summary.Value) -> None:
        tag = value.tag or value.node_name
        if not self._is_wanted(tag):
            return
        field = value.WhichOneof("value")
        if value.HasField("metadata") and tag not in self.metadata:
            self.metadata[tag] = value.metadata
        if field == "simple_value":
            self._add_scalar(stored, tag, value.simple_value, _FLOAT32)
            return
        plugin = _PLUGIN_OF_FIELD.get(field or "")
        if plugin is None and tag in self.metadata:
            plugin = self.metadata[tag].plugin_data.plugin_name
        number = (
            field == "tensor"
            and not value.tensor.tensor_shape.dim
            and tensor.is_numeric(value.tensor)
        )
        if plugin == plugins.SCALARS or (number and not plugin):
            try:
                self._add_scalar(stored, tag, *scalar.decode(value))
            except DecodeError as error:
                self._add_problem(stored, tag, error.what)
                self._add_place(stored, index, "", tag)
        elif field is not None or plugin:
            self._add_place(stored, index, plugin, tag)
        else:
            self._add_problem(stored, tag, "a value that holds nothing")

    def _add_problem(self, stored: StoredEvent, tag: str, what: str) -> None:
        path = self._reader.file.name
        self.problems.append(Problem(path, stored.offset, tag, stored.event.step, what))

    def _add_scalar(self, stored: StoredEvent, tag: str, value: Any, dtype: np.dtype[Any]) -> None:
        if "scalars" not in self._kinds:
            return
        column = self.scalars.get(tag)
        if column is None:
            column = self.scalars[tag] = ScalarColumn()
        column.add_point(stored.event.step, stored.event.wall_time, len(self.starts))
        column.add_value(value, dtype)

    def _add_place(self, stored: StoredEvent, index: int, plugin: str | None, tag: str) -> None:
        if plugin is not None and plugins.kind_of(plugin) not in self._kinds:
            return
        column = self.places.get((plugin, tag))
        if column is None:
            column = self.places[plugin, tag] = PlaceColumn()
        column.add_point(stored.event.step, stored.event.wall_time, len(self.starts))
        column.offsets.append(stored.offset)
        column.sizes.append(stored.size)
        column.indexes.append(index)


#: What an event may hold beside a summary -> plugin, and tag where the event brings none.
_TAG_OF_EVENT = {
    "graph_def": (plugins.GRAPHS, plugins.RUN_GRAPH_TAG),
    "meta_graph_def": (plugins.GRAPHS, plugins.META_GRAPH_TAG),
    "tagged_run_metadata": (plugins.GRAPH_TAGGED_RUN_METADATA, ""),
}
