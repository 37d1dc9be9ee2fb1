"""Stretches: the records that stand in the buffer, into the columns of their files."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio.bulk import checksums, layouts
from tbio.bulk.blobs import Blob, Blobs
from tbio.bulk.buffer import Buffer, Longs
from tbio.bulk.events import Events, events_of
from tbio.bulk.layouts import Found, Layout, Layouts
from tbio.bulk.rounds import Round, Rounds
from tbio.columns import BlobPoints, FileColumns, Point
from tbio.proto.summary_pb2 import Summary
from tbio.record import FOOTER_BYTES, HEADER_BYTES, Record
from tbio.record_file import Marks
from tbio.storage import FileState

#: When more of the events than this are plain, all of them are.
_MOST_PLAIN = 1 / 16
_MOST_TAGS = 100_000
#: Guesses that may go wrong.
_PATIENCE = 1
#: The first bytes of the fields of Summary.Value.
_TAG, _SIMPLE_VALUE, _TENSOR = 0x0A, 0x15, 0x42
#: A tensor's dtype, and what may stand behind one of rank 0: its shape or its number.
_DTYPE, _FLOAT, _DOUBLE, _SHAPE = 0x08, 1, 2, 0x12
_NUMBERS = (0x22, 0x2A, 0x32)


@dataclass
class Stretch:
    """Records of one file that stand in the buffer, one behind the other, with right headers.

    Attributes:
        offset: of the first of them in the file, in bytes, after decompression.
        offsets: int64[n + 1], where they begin in the buffer, and where the last one ends.
        final: where the file ends behind them: its state, its marks, and the bytes read of it.
        is_last: whether nothing follows that the lane could read.
        is_broken: whether one of them was found not to be sound; those before it are taken in.
        copy: their bytes, where they are wanted as they stand in the file.
    """

    columns: FileColumns
    offset: int
    offsets: Longs
    final: tuple[FileState, Marks, int] | None = None
    is_last: bool = False
    is_broken: bool = False
    copy: bytes = b""

    def place(self, at: int) -> int:
        """The offset in the file of a place in the buffer."""
        return self.offset + at - int(self.offsets[0])

    def part(self, begin: int, end: int) -> Stretch:
        """Some of the records."""
        offsets = self.offsets[begin : end + 1]
        return Stretch(self.columns, self.place(int(offsets[0])), offsets)

    def payloads(self, begin: int) -> tuple[Longs, Longs]:
        """Where the payloads of the records from number ``begin`` on begin and end."""
        return self.offsets[begin:-1] + HEADER_BYTES, self.offsets[begin + 1 :] - FOOTER_BYTES


class _Part(NamedTuple):
    """Events that go into the columns of one file together, and the plain one behind them.

    Attributes:
        begin, end: places of the events.
        plain: the place of the event behind them that protobuf is to read, or None.
    """

    stretch: Stretch
    begin: int
    end: int
    plain: int | None


class _Points(NamedTuple):
    """The points of one layout: the values, which they are, and what their events say."""

    layout: Layout
    rows: Longs
    values: npt.NDArray[Any]
    events: Longs
    steps: Longs
    wall_times: npt.NDArray[np.float64]

    @classmethod
    def of(cls, found: Found, events: Events) -> _Points:
        of = events.value_events[found.rows]
        return cls(*found, of, events.steps[of], events.wall_times[of])


class _Run(NamedTuple):
    """Points of one layout that follow each other: the row of the first, and their places."""

    row: int
    points: _Points
    begin: int
    end: int


class _PassedOver(NamedTuple):
    """A blob: the places of its value, of the event, and of the value in the event."""

    row: int
    event: int
    nth: int
    blob: Blob
    begin: int
    end: int


def _first_row(one: _Run | list[_PassedOver]) -> int:
    return one.row if isinstance(one, _Run) else one[0].row


def _field_and_metadata(passed: _PassedOver) -> tuple[str, int]:
    """The same for blobs that say the same of themselves; `Blobs` keeps what it has parsed."""
    return passed.blob.field, id(passed.blob.metadata)


class Stretches:
    """Takes in stretches; what it learns of one serves for the next.

    Args:
        few: so many events are read the ordinary way before the next guess.

    Attributes:
        counts: see `tbio.bulk.Lane`.
    """

    def __init__(self, few: int) -> None:
        self._few = few
        self.counts: Counter[str] = Counter()
        self._layouts = Layouts()
        self._blobs = Blobs()
        self._rounds = Rounds()
        self._in_vain = 0  # guesses of it

    @property
    def is_full(self) -> bool:
        """Whether so much was learned that it is better to begin anew."""
        return len(self._layouts.tags) > _MOST_TAGS

    def check(self, buffer: Buffer, stretches: Sequence[Stretch]) -> None:
        """Cut the stretches to their sound records. Their checksums are not in the buffer then."""
        begins = np.concatenate([one.offsets[:-1] for one in stretches] or [_NONE])
        ends = np.concatenate([one.offsets[1:] for one in stretches] or [_NONE])
        checksums.arm(buffer, begins, ends)
        for stretch in stretches:
            count = checksums.sound(buffer, stretch.offsets)
            if count < len(stretch.offsets) - 1:
                stretch.offsets = stretch.offsets[: count + 1]
                stretch.is_broken = True

    def take(self, buffer: Buffer, stretches: Sequence[Stretch]) -> None:
        """Take in stretches that were checked.

        Raises:
            DamageError: with ``on_damage="raise"``, at a record that is no Event.
        """
        if len(stretches) == 1:
            self._take_one(buffer, stretches[0])
        else:
            self._take_all(buffer, stretches)
        for stretch in stretches:
            if stretch.final is not None and not stretch.is_broken:
                stretch.columns.reader.finish(*stretch.final)

    def _take_one(self, buffer: Buffer, stretch: Stretch) -> None:
        """Take in a stretch by rounds where that goes, the ordinary way where it does not."""
        at, count = 0, len(stretch.offsets) - 1
        passes_over = stretch.columns.passes_over
        while count - at > self._few:
            taken = self._rounds.guess(
                buffer,
                *stretch.payloads(at),
                lambda layout: not passes_over(layout.tag, layout.metadata),
            )
            if taken is not None:
                self._take_round(stretch.part(at, at + taken.events), taken)
                at += taken.events
            if taken is not None and taken.events >= self._few:
                self._in_vain = 0
                continue
            self._in_vain += 1
            if self._in_vain > _PATIENCE:
                break
            self._take_all(buffer, [stretch.part(at, at + self._few)])
            at += self._few
        if at < count:
            self._take_all(buffer, [stretch.part(at, count)])

    def _take_round(self, stretch: Stretch, taken: Round) -> None:
        """Put events that came as was supposed into the columns."""
        columns, begins, ends = stretch.columns, stretch.offsets[:-1], stretch.offsets[1:]
        times = taken.wall_times
        columns.add_events(taken.events, float(times[0]), float(times.max()))
        columns.report.events += taken.events
        for one in taken.series:

            def places(of: slice | Longs = one.events) -> tuple[Longs, Longs, Longs]:
                own = begins[of]
                return own + stretch.place(0), ends[of] - own, np.zeros(len(own), np.int64)

            columns.add_scalars(
                one.layout.tag,
                one.layout.metadata,
                one.steps,
                one.wall_times,
                one.values,
                places if one.layout.is_tensor else None,
            )
        columns.reader.advance(taken.events, stretch.place(int(ends[-1])))
        self.counts["guessed"] += taken.events

    def _take_all(self, buffer: Buffer, stretches: Sequence[Stretch]) -> None:
        begins = np.concatenate([one.offsets[:-1] for one in stretches] or [_NONE])
        ends = np.concatenate([one.offsets[1:] for one in stretches] or [_NONE])
        events = events_of(buffer, begins + HEADER_BYTES, ends - FOOTER_BYTES)
        found, passed = self._values(buffer, events)
        if np.count_nonzero(events.plain) > _MOST_PLAIN * len(begins):
            events.plain[:] = True
        plain = events.plain
        if plain.any():
            found = list(_without(plain, events, found))
            passed = [one for one in passed if not plain[one.event]]
        points = [_Points.of(one, events) for one in found]
        if len(stretches) == 1:
            self._note(events, points)
        parts = _parts(stretches, plain)
        runs = _runs_by_part(parts, points)
        self.counts["plain"] += int(np.count_nonzero(plain))
        self.counts["passed"] += (with_blobs := len({one.event for one in passed}))
        self.counts["fast"] += len(begins) - int(np.count_nonzero(plain)) - with_blobs
        taking = _Taking(buffer, begins, ends, events, passed)
        for part, own in zip(parts, runs, strict=True):
            taking.take(part, own)

    def _note(self, events: Events, points: Sequence[_Points]) -> None:
        """Let `Rounds` know of the last events."""
        if not points:
            return
        of = np.concatenate([one.events for one in points])
        which = np.repeat(np.arange(len(points)), [len(one.events) for one in points])
        alone = np.bincount(events.value_events, minlength=len(events.steps))[of] == 1
        self._rounds.note(
            len(events.steps), [one.layout for one in points], of[alone], which[alone]
        )

    def _values(self, buffer: Buffer, events: Events) -> tuple[list[Found], list[_PassedOver]]:
        """The values by layout, and those passed over; events with any other value get plain."""
        begins, ends = events.value_begins, events.value_ends
        lengths = ends - begins
        head = buffer.rows(begins, 8)
        tag_begins = np.full(len(begins), 2, np.int64)
        tag_ends = head[:, 1] + tag_begins
        long = np.flatnonzero(head[:, 1] & 0x80)
        if len(long):
            second = head[long, 2].astype(np.int64)
            tag_begins[long] = 3
            tag_ends[long] = 3 + (head[long, 1] & 0x7F) + (second << 7)
            odd = np.zeros(len(begins), bool)
            odd[long[second >= 0x80]] = True
            odd |= (head[:, 0] != _TAG) | (tag_ends >= lengths)
        else:
            odd = (head[:, 0] != _TAG) | (tag_ends >= lengths)
        if odd.any():
            tag_ends[odd] = 0
        content = buffer.rows(begins + tag_ends, 8)
        scalar = _may_be_scalar(content) & ~odd & (lengths < layouts.MAX_BYTES)
        rows = np.flatnonzero(scalar)
        found, strays = self._layouts.find(
            buffer, begins[rows], lengths[rows], tag_ends[rows], rows
        )
        events.plain[events.value_events[strays]] = True
        events.plain[events.value_events[odd]] = True
        passed: list[_PassedOver] = []
        rest = np.flatnonzero(~(scalar | odd))
        if len(rest):
            indexes = events.indexes()
            columns = (
                *(rest, events.value_events[rest], indexes[rest], begins[rest]),
                *(tag_begins[rest], tag_ends[rest], ends[rest]),
            )
            for row, event, nth, begin, first, last, end in zip(
                *(column.tolist() for column in columns), strict=True
            ):
                blob = self._blobs.read(buffer.view, begin + first, begin + last, end)
                if blob is None or blob.tag in self._layouts.tags:
                    events.plain[event] = True
                else:
                    passed.append(_PassedOver(row, event, nth, blob, begin, end))
        return found, passed


_NONE: Longs = np.empty(0, np.int64)


def _may_be_scalar(content: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which values look like numbers, by the 8 bytes behind their tags."""
    simple: npt.NDArray[np.bool_] = content[:, 0] == _SIMPLE_VALUE
    if simple.all():
        return simple
    tensor = (content[:, 0] == _TENSOR) & (content[:, 1] < 0x80) & (content[:, 2] == _DTYPE)
    tensor &= (content[:, 3] == _FLOAT) | (content[:, 3] == _DOUBLE)
    rank_0 = (content[:, 4] == _SHAPE) & (content[:, 5] == 0)
    for key in _NUMBERS:  # without a shape
        rank_0 |= content[:, 4] == key
    return np.asarray(simple | (tensor & rank_0))


def _without(
    plain: npt.NDArray[np.bool_], events: Events, found: Sequence[Found]
) -> Iterator[Found]:
    """What was found, without the values of plain events."""
    for one in found:
        left = ~plain[events.value_events[one.rows]]
        if left.all():
            yield one
        elif left.any():
            yield Found(one.layout, one.rows[left], one.values[left])


def _parts(stretches: Sequence[Stretch], plain: npt.NDArray[np.bool_]) -> list[_Part]:
    """The events cut where a plain one stands, and where a file ends."""
    parts = []
    begin = 0
    alone = np.flatnonzero(plain).tolist()
    at = 0
    for stretch in stretches:
        end = begin + len(stretch.offsets) - 1
        while at < len(alone) and alone[at] < end:
            parts.append(_Part(stretch, begin, alone[at], alone[at]))
            begin = alone[at] + 1
            at += 1
        if begin < end:
            parts.append(_Part(stretch, begin, end, None))
        begin = end
    return parts


def _runs_by_part(parts: Sequence[_Part], points: Sequence[_Points]) -> list[list[_Run]]:
    """For each part its runs, in the order of their first values."""
    runs: list[list[_Run]] = [[] for _ in parts]
    ends = np.array([part.end for part in parts], np.int64)
    for run in _runs(points):
        if len(parts) == 1:
            runs[0].append(run)
            continue
        of = run.points.events[run.begin : run.end]
        first = int(np.searchsorted(ends, of[0], "right"))
        last = int(np.searchsorted(ends, of[-1], "right"))
        if first == last:
            runs[first].append(run)
            continue
        cuts = [0, *np.searchsorted(of, ends[first:last]).tolist(), len(of)]
        for at, (begin, end) in enumerate(itertools.pairwise(cuts), first):
            if begin < end:
                row = int(run.points.rows[run.begin + begin])
                runs[at].append(_Run(row, run.points, run.begin + begin, run.begin + end))
    for own in runs:
        own.sort()  # by the rows, which differ
    return runs


def _runs(points: Sequence[_Points]) -> Iterator[_Run]:
    """The points, cut where a tag goes from one layout to another."""
    by_tag: dict[str, list[_Points]] = {}
    for one in points:
        by_tag.setdefault(one.layout.tag, []).append(one)
    for same in by_tag.values():
        if len(same) == 1:
            yield _Run(int(same[0].rows[0]), same[0], 0, len(same[0].rows))
            continue
        which = np.repeat(np.arange(len(same)), [len(one.rows) for one in same])
        which = which[np.argsort(np.concatenate([one.rows for one in same]), kind="stable")]
        cuts = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), len(which)]
        taken = [0] * len(same)
        for begin, end in itertools.pairwise(cuts):
            at = int(which[begin])
            first, taken[at] = taken[at], taken[at] + end - begin
            yield _Run(int(same[at].rows[first]), same[at], first, taken[at])


class _Taking:
    """Puts the parts of some stretches into their columns, in order."""

    def __init__(
        self,
        buffer: Buffer,
        begins: Longs,
        ends: Longs,
        events: Events,
        passed: Sequence[_PassedOver],
    ) -> None:
        self._buffer = buffer
        self._begins = begins
        self._ends = ends
        self._events = events
        self._indexes: Longs | None = None
        self._passed = iter(passed)
        self._next = next(self._passed, None)

    def take(self, part: _Part, runs: Sequence[_Run]) -> None:
        columns, count = part.stretch.columns, part.end - part.begin
        if count:
            times = self._events.wall_times[part.begin : part.end]
            columns.add_events(count, float(times[0]), float(times.max()))
            columns.report.events += count
            together: list[_Run | list[_PassedOver]] = [*runs, *self._blobs_of(part)]
            if len(together) > len(runs):
                together.sort(key=_first_row)  # as the tags are met
            for one in together:
                if isinstance(one, _Run):
                    self._take_run(part.stretch, one)
                elif not self._take_blobs(part.stretch, one):
                    for passed in one:
                        self._take_value(part.stretch, passed)
            columns.reader.advance(count, part.stretch.place(int(self._ends[part.end - 1])))
        if part.plain is not None:
            self._take_plain(part.stretch, part.plain)

    def _blobs_of(self, part: _Part) -> list[list[_PassedOver]]:
        """The blobs of a part, those together that follow each other in a tag and are alike.

        No tag has both blobs and runs. Where it is one of scalars, each is by itself: what is amiss
        with them is told in their order.
        """
        by_tag: dict[str, list[_PassedOver]] = {}
        while self._next is not None and self._next.event < part.end:
            by_tag.setdefault(self._next.blob.tag, []).append(self._next)
            self._next = next(self._passed, None)
        found: list[list[_PassedOver]] = []
        for tag, own in by_tag.items():
            groups = [list(alike) for _, alike in itertools.groupby(own, _field_and_metadata)]
            described = (group[0].blob.metadata for group in groups)
            if part.stretch.columns.is_of_scalars(tag, described):
                groups = [[one] for one in own]
            found += groups
        return found

    def _take_blobs(self, stretch: Stretch, blobs: Sequence[_PassedOver]) -> bool:
        """Take blobs of one tag that are alike, if they can be taken."""

        def points() -> BlobPoints:
            events = np.array([passed.event for passed in blobs], np.int64)
            begins = self._begins[events]
            return BlobPoints(
                self._events.steps[events],
                self._events.wall_times[events],
                begins + stretch.place(0),
                self._ends[events] - begins,
                np.array([passed.nth for passed in blobs], np.int64),
            )

        blob = blobs[0].blob
        return stretch.columns.add_blobs(blob.tag, blob.metadata, blob.field, points)

    def _take_run(self, stretch: Stretch, run: _Run) -> None:
        points = run.points
        of = slice(run.begin, run.end)

        def places() -> tuple[Longs, Longs, Longs]:
            if self._indexes is None:
                self._indexes = self._events.indexes()
            events = points.events[of]
            begins = self._begins[events]
            return (
                begins + stretch.place(0),
                self._ends[events] - begins,
                self._indexes[points.rows[of]],
            )

        stretch.columns.add_scalars(
            points.layout.tag,
            points.layout.metadata,
            points.steps[of],
            points.wall_times[of],
            points.values[of],
            places if points.layout.is_tensor else None,
        )

    def _take_value(self, stretch: Stretch, passed: _PassedOver) -> None:
        """Take what only seemed to be a blob: a tensor of a tag of scalars."""
        event = passed.event
        begin = int(self._begins[event])
        point = Point(
            int(self._events.steps[event]),
            float(self._events.wall_times[event]),
            stretch.place(begin),
            int(self._ends[event]) - begin,
            passed.nth,
        )
        message = bytes(self._buffer.view[passed.begin : passed.end])
        stretch.columns.add_value(point, Summary.Value.FromString(message))

    def _take_plain(self, stretch: Stretch, event: int) -> None:
        begin, end = int(self._begins[event]), int(self._ends[event])
        payload = bytes(self._buffer.view[begin + HEADER_BYTES : end - FOOTER_BYTES])
        reader = stretch.columns.reader
        reader.advance(1, stretch.place(end))
        stored = reader.parse(Record(stretch.place(begin), payload))
        if stored is not None:
            stretch.columns.add_event(stored)
