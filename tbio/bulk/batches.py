"""Batches: the events of a file in order, as arrays, for who looks at all and keeps none.

`Lane` sorts what a file holds into columns, tag by tag. A check or a copy wants the events as they
follow each other, and the bytes that they stand in. So here the same lane hands them to a *taker*:
many at once where they are sound and look as expected, and one by one, through protobuf, where they
do not. What is damaged is in the report of the file, as ever.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from tbio.bulk.buffer import Buffer, Longs
from tbio.bulk.events import Events, events_of
from tbio.bulk.lane import BUFFER_BYTES, Lane
from tbio.bulk.layouts import Found, Layout
from tbio.bulk.stretches import Stretch, Stretches
from tbio.columns import FileColumns, Wanted
from tbio.event_file import StoredEvent
from tbio.record import FOOTER_BYTES, HEADER_BYTES, Record
from tbio.record_file import FileReport, Marks, Unverified
from tbio.storage import ByteStream, File, FileState

#: When more of the events than this are plain, all of them are.
_MOST_PLAIN = 1 / 16
_FEW = 64


class Numbers(NamedTuple):
    """The scalars of one tag in a batch, in the order of the file.

    Attributes:
        layouts: those that its messages have: nearly always one.
        rows: int64[m], which of the batch's values they are, of all tags; ascending.
        events: int64[m], which of its events they stand in.
        values: float32[m], or float64[m].
    """

    tag: str
    layouts: Sequence[Layout]
    rows: Longs
    events: Longs
    values: npt.NDArray[Any]


class Other(NamedTuple):
    """A value that is no number.

    Attributes:
        row: which of the batch's values it is.
        event: which of its events it stands in.
    """

    row: int
    event: int


@dataclass(frozen=True)
class Batch:
    """Events of one file that follow each other, each with a summary and nothing else.

    Attributes:
        data: their records, one behind the other, as they stand in the file.
        offset: of the first in the file, in bytes, after decompression.
        begins: int64[n + 1], where each record begins in the data, and where the last one ends.
        wall_times: float64[n], seconds since the epoch; none is NaN.
        steps: int64[n].
        numbers: scalars, sorted by their first rows.
        others: all other values, by row.
    """

    data: bytes
    offset: int
    begins: Longs
    wall_times: npt.NDArray[np.float64]
    steps: Longs
    numbers: Sequence[Numbers]
    others: Sequence[Other]
    _messages: tuple[Longs, Longs] = field(repr=False)

    def __len__(self) -> int:
        return len(self.steps)

    def message(self, row: int) -> bytes:
        """The message of a value (summary.proto, Summary.Value)."""
        begins, ends = self._messages
        return self.data[int(begins[row]) : int(ends[row])]


class Taker(Protocol):
    """Who is handed the events of a file, in order."""

    def take_batch(self, batch: Batch) -> None:
        """Many events at once."""

    def take_event(self, stored: StoredEvent, payload: bytes) -> None:
        """One event, and the bytes that it was parsed from."""


class BatchLane:
    """Reads files for takers; what it learns of one file serves for the next.

    Args:
        few: fewer events than these, in one stretch, come one by one: for them it is faster.

    >>> from tbio.storage import walk
    >>> (file,) = [file for run, files in walk("tests/golden/digits/test", bool) for file in files]
    >>> class Printer:
    ...     def take_batch(self, batch: Batch) -> None:
    ...         print(len(batch), [one.tag for one in batch.numbers])
    ...     def take_event(self, stored: StoredEvent, payload: bytes) -> None:
    ...         print(stored.event.WhichOneof("what"))
    >>> BatchLane(few=10).read(file, FileReport(file.name), Printer())
    file_version
    40 ['loss', 'accuracy']
    """

    def __init__(self, buffer_bytes: int = BUFFER_BYTES, few: int = _FEW) -> None:
        self._buffer_bytes = buffer_bytes
        self._few = few
        self._lane: _Lane | None = None

    def read(
        self, file: File, report: FileReport, taker: Taker, unverified: Unverified = "skip"
    ) -> None:
        """Hand all events of a file to the taker.

        Args:
            report: is filled in as the file is read; damage goes to its ``settled`` as it is met,
                whatever list that is.
            unverified: what to do about records without checksums.

        Raises:
            OSError: the file cannot be read; what was read before was handed on.
        """
        lane, self._lane = self._lane, None  # a taker that raises leaves it undone
        if lane is None or lane.is_full:
            lane = _Lane(self._buffer_bytes, self._few)
        lane.read([_Handed(file, report, taker, unverified)])
        self._lane = lane


class _Handed(FileColumns):
    """A file whose events go to a taker, and into no columns."""

    def __init__(
        self, file: File, report: FileReport, taker: Taker, unverified: Unverified
    ) -> None:
        super().__init__(file, Wanted(on_damage="ignore", unverified=unverified))
        self.reader.report = report
        self.taker = taker

    def read(self) -> None:
        """The plain way to the end of the file: for a stream that cannot seek."""
        for record in self.reader.records():
            self.take_record(record)

    def read_beyond_damage(self, sound: int) -> None:
        """The plain way to the end of the file, or to so many sound records without a gap.

        Where records are not verified it is the only way.
        """
        at, since = self.reader.resume, 0
        records = cast(Generator[Record, None, None], self.reader.records())
        with contextlib.closing(records):
            for record in records:
                self.take_record(record)
                since = since + 1 if record.offset == at else 1
                at = record.offset + record.size
                if since >= sound and not self.report.unverified:
                    break

    def take_record(self, record: Record) -> None:
        """One sound record, which may be no event."""
        stored = self.reader.parse(record)
        if stored is not None:
            self.taker.take_event(stored, record.payload)

    @contextlib.contextmanager
    def open_to_errors(self) -> Iterator[None]:
        """Let an OSError through: who reads a single file is to be told."""
        yield


class _Lane(Lane):
    """The lane, with what hands on in the place of what fills columns."""

    def __init__(self, buffer_bytes: int, few: int) -> None:
        super().__init__(buffer_bytes, few)
        self._applied = _Handing(few)

    def _marks(self, buffer: Buffer, raw: ByteStream, stretch: Stretch, state: FileState) -> Marks:
        """None: the file is read once."""
        return Marks(b"", 0, b"")


class _Handing(Stretches):
    """Hands the events of stretches to the takers of their files."""

    def check(self, buffer: Buffer, stretches: Sequence[Stretch]) -> None:
        """Cut the stretches to their sound records, and keep their bytes as they are."""
        for one in stretches:  # the check puts other bytes in the place of the checksums
            one.copy = bytes(buffer.view[int(one.offsets[0]) : int(one.offsets[-1])])
        super().check(buffer, stretches)

    def take(self, buffer: Buffer, stretches: Sequence[Stretch]) -> None:
        """Hand on the records of stretches that were checked."""
        for stretch in stretches:
            if len(stretch.offsets) > 1:
                self._give(buffer, stretch)
            if stretch.final is not None and not stretch.is_broken:
                stretch.columns.reader.finish(*stretch.final)

    def _give(self, buffer: Buffer, stretch: Stretch) -> None:
        """Give the events of one stretch: batches, and between them those that are plain."""
        begins, ends = stretch.offsets[:-1], stretch.offsets[1:]
        columns = cast(_Handed, stretch.columns)
        batches, alone = None, list(range(len(begins)))
        if len(begins) >= self._few:
            events = events_of(buffer, begins + HEADER_BYTES, ends - FOOTER_BYTES)
            found, passed = self._values(buffer, events)
            if np.count_nonzero(events.plain) <= _MOST_PLAIN * len(begins):
                batches = _Batches(stretch, events, found, passed)
                alone = np.flatnonzero(events.plain).tolist()
        begin, origin = 0, int(begins[0])
        for plain in [*alone, len(begins)]:
            if batches is not None and begin < plain:
                batch = batches.batch(begin, plain)
                columns.taker.take_batch(batch)
                columns.report.events += len(batch)
                columns.reader.advance(len(batch), batch.offset + len(batch.data))
            if plain < len(begins):
                at, end = int(begins[plain]), int(ends[plain])
                payload = stretch.copy[at - origin + HEADER_BYTES : end - origin - FOOTER_BYTES]
                columns.reader.advance(1, stretch.place(end))
                columns.take_record(Record(stretch.place(at), payload))
            begin = plain + 1


class _Passed(Protocol):
    """A value that is no number, as the lane has it."""

    @property
    def row(self) -> int:
        """Which of the values it is."""

    @property
    def event(self) -> int:
        """Which of the events it stands in."""


class _Batches:
    """Makes batches of one stretch.

    Args:
        found, passed: its values; those of plain events do not count.
    """

    def __init__(
        self,
        stretch: Stretch,
        events: Events,
        found: Sequence[Found],
        passed: Iterable[_Passed],
    ) -> None:
        self._stretch = stretch
        self._events = events
        self._others = [Other(one.row, one.event) for one in passed]
        # Layouts of a tag next to each other, the values of each in order.
        by_tag: dict[str, list[Found]] = {}
        for one in found:
            by_tag.setdefault(one.layout.tag, []).append(one)
        self._found = list(by_tag.items())

    def batch(self, begin: int, end: int) -> Batch:
        """The batch of events ``begin`` up to ``end``, none of them plain."""
        events, offsets = self._events, self._stretch.offsets
        at, origin = int(offsets[begin]), int(offsets[0])
        first, last = np.searchsorted(events.value_events, [begin, end]).tolist()
        numbers = []
        for tag, found in self._found:
            parts = [part for one in found if (part := _between(one, first, last)) is not None]
            if parts:
                rows = np.concatenate([part.rows for part in parts])
                values = np.concatenate([part.values for part in parts])
                if len(parts) > 1:
                    order = np.argsort(rows)
                    rows, values = rows[order], values[order]
                layouts = [part.layout for part in parts]
                of = events.value_events[rows] - begin
                numbers.append(Numbers(tag, layouts, rows - first, of, values))
        numbers.sort(key=lambda one: int(one.rows[0]))
        begun = bisect.bisect_left(self._others, (first,))
        others = self._others[begun : bisect.bisect_left(self._others, (last,), begun)]
        return Batch(
            self._stretch.copy[at - origin : int(offsets[end]) - origin],
            self._stretch.place(at),
            offsets[begin : end + 1] - at,
            events.wall_times[begin:end],
            events.steps[begin:end],
            numbers,
            [Other(row - first, event - begin) for row, event in others],
            (events.value_begins[first:last] - at, events.value_ends[first:last] - at),
        )


def _between(found: Found, first: int, last: int) -> Found | None:
    """What was found of the values from one row up to another; None for nothing."""
    begin, end = np.searchsorted(found.rows, [first, last]).tolist()
    if begin == end:
        return None
    return Found(found.layout, found.rows[begin:end], found.values[begin:end])
