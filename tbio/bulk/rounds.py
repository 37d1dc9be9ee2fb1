"""Rounds: the layouts of many events guessed, as their frames are.

A training loop logs the same tags in the same order, step after step. So the layouts that followed
the last ones before are supposed to follow again, round and round, and each event is compared with
the bytes that it would then consist of. Those behind the step are known but for the number; so they
are looked at from the back, and wall time and step from the front::

    09 <wall time>  10 <step>                       2a <length> 0a <length> <value>
    24 bytes from the beginning of the payload      as many as the longest has, up to its end

That makes two gathers for all, and no sorting: the points of a tag are every so manieth. It is for
events of one scalar each; what does not fit is for the ordinary way (`tbio.bulk.events`), and so is
everything where guesses fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio.bulk.buffer import MAX_ROW, Buffer, Longs, Words
from tbio.bulk.frames import Past
from tbio.bulk.layouts import Layout, column_of
from tbio.bulk.varints import varints

_WALL_TIME, _STEP = 0x09, 0x10
_STEP_BEGIN = 10
_HEAD_BYTES = 24  # hold wall time and a step of 8 bytes
_LONGEST = 1 << 14  # layouts of a round
_PIECE, _ROUNDS = 1 << 14, 1 << 7  # events that are compared at once: so many, or so many rounds


class Series(NamedTuple):
    """The points of one layout, in order.

    Attributes:
        layout: theirs.
        events: which of the events they are.
        steps: int64[n].
        wall_times: float64[n].
        values: float32[n] or float64[n].
    """

    layout: Layout
    events: slice | Longs
    steps: Longs
    wall_times: npt.NDArray[np.float64]
    values: npt.NDArray[Any]


class Round(NamedTuple):
    """Events that came as was supposed.

    Attributes:
        events: how many.
        wall_times: float64[events].
        series: by layout, in the order of their first points.
    """

    events: int
    wall_times: npt.NDArray[np.float64]
    series: list[Series]


class Rounds:
    """Guesses the layouts of events; what it has seen in one stretch serves for the next."""

    def __init__(self) -> None:
        self._layouts: list[Layout] = []
        self._number_of: dict[Layout, int] = {}
        self._past = Past()
        self._cycle: _Cycle | None = None

    def note(
        self, count: int, layouts: Sequence[Layout], events: Longs, which: npt.NDArray[np.intp]
    ) -> None:
        """Take note of events that were read otherwise.

        Args:
            count: how many.
            layouts: those that were met.
            events: int64[n], which events have one value, and that of a layout.
            which: int64[n], and of which.
        """
        met = []
        for layout in layouts:
            number = self._number_of.setdefault(layout, len(self._layouts))
            if number == len(self._layouts):
                self._layouts.append(layout)
            met.append(number)
        numbers = np.full(count, -1, np.int64)
        numbers[events] = np.array(met, np.int64)[which]
        self._past.extend(numbers)
        self._cycle = None

    def guess(
        self, buffer: Buffer, begins: Longs, ends: Longs, wanted: Callable[[Layout], bool]
    ) -> Round | None:
        """The first events of these payloads, if they are what is supposed to follow.

        Args:
            begins: int64[n], where the payloads begin in the buffer.
            ends: int64[n], where they end.
            wanted: of which layouts points are to be given.
        """
        if self._cycle is None:
            numbers = self._past.cycle()
            if numbers is None or len(numbers) > _LONGEST or numbers.min() < 0:
                return None
            self._cycle = _Cycle.of([self._layouts[number] for number in numbers.tolist()])
        if self._cycle is None:
            return None
        taken = self._cycle.take(buffer, begins, ends, wanted)
        if taken is None:
            self._cycle = None
        return taken


class _Cycle:
    """Layouts round and round, as tables with a row for each event of a piece.

    Attributes:
        phase: which of the layouts comes next.
    """

    def __init__(self, layouts: list[Layout], suffixes: list[bytes], masks: list[bytes]) -> None:
        self._layouts = layouts
        self._width = width = -(-max(map(len, suffixes)) // 8) * 8
        length = len(layouts)
        self._piece = max(_PIECE, _ROUNDS * length) // length * length
        rounds = self._piece // length + 1

        def table(rows: list[bytes]) -> Words:
            data = b"".join(row.rjust(width, b"\0") for row in rows)
            words = np.frombuffer(data, "<u8").astype(np.uint64)
            return np.tile(words, rounds).reshape(-1, width // 8)

        self._fixed, self._mask = table(suffixes), table(masks)
        self._sizes = np.tile(np.array(list(map(len, suffixes)), np.int64), rounds)
        self._several = [one for one, count in Counter(layouts).items() if count > 1]
        self.phase = 0

    @classmethod
    def of(cls, layouts: list[Layout]) -> _Cycle | None:
        """The cycle of these layouts; None if it is no use to guess it."""
        distinct = set(layouts)
        if len({one.tag for one in distinct}) < len(distinct):
            return None  # the points of a tag would have to be put in order
        if any(one.float_at is not None for one in distinct):
            return None
        known = {one: _suffix_of(one) for one in distinct}
        suffixes = [known[one][0] for one in layouts]
        masks = [known[one][1] for one in layouts]
        if max(map(len, suffixes)) > MAX_ROW - 8:
            return None
        return cls(layouts, suffixes, masks)

    def take(
        self, buffer: Buffer, begins: Longs, ends: Longs, wanted: Callable[[Layout], bool]
    ) -> Round | None:
        """The first events, so many as fit in a piece; None if none does."""
        count = min(len(begins), self._piece)
        begins, ends = begins[:count], ends[:count]
        rows = slice(self.phase, self.phase + count)
        head = buffer.rows(begins, _HEAD_BYTES)
        found = varints(head[:, _STEP_BEGIN : _STEP_BEGIN + 8].view("<u8")[:, 0].astype(np.uint64))
        wall_times = head[:, 1 : _STEP_BEGIN - 1].view("<f8")[:, 0].astype(np.float64)
        wrong = head[:, 0] != _WALL_TIME
        wrong |= head[:, _STEP_BEGIN - 1] != _STEP
        wrong |= wall_times != wall_times
        # Where the step ends the rest has to begin; a step of more than 8 bytes has no width here.
        wrong |= found.widths + (begins + _STEP_BEGIN) != ends - self._sizes[rows]
        wrong |= found.widths == 0
        words = buffer.words_before(ends, self._width // 8)
        differs = words ^ self._fixed[rows]
        differs &= self._mask[rows]
        if differs.any():
            wrong |= differs.any(axis=1)
        if wrong.any():
            count = int(wrong.argmax())
        if not count:
            return None
        steps = found.values.view(np.int64)
        series = list(self._series(words[:count], steps[:count], wall_times[:count], wanted))
        self.phase = (self.phase + count) % len(self._layouts)
        return Round(count, wall_times[:count], series)

    def _series(
        self,
        words: Words,
        steps: Longs,
        wall_times: npt.NDArray[np.float64],
        wanted: Callable[[Layout], bool],
    ) -> Iterator[Series]:
        length = len(self._layouts)
        met: set[Layout] = set()
        for first in range(min(length, len(words))):
            layout = self._layouts[(self.phase + first) % length]
            if layout in met or not wanted(layout):
                continue
            events: slice | Longs = slice(first, None, length)
            if layout in self._several:
                met.add(layout)
                own = [
                    np.arange(at, len(words), length)
                    for at in range(min(length, len(words)))
                    if self._layouts[(self.phase + at) % length] is layout
                ]
                events = np.sort(np.concatenate(own))
            at = self._width - layout.length + layout.at
            values = column_of(words[events], at, layout.dtype)
            yield Series(layout, events, steps[events], wall_times[events], values)


def _suffix_of(layout: Layout) -> tuple[bytes, bytes]:
    """What an event of one such value ends with, behind its step; and which bits never change."""
    message = layout.fixed.astype("<u8").tobytes()[: layout.length]
    mask = layout.mask.astype("<u8").tobytes()[: layout.length]
    head = b"\x0a" + _varint(layout.length)
    head = b"\x2a" + _varint(len(head) + layout.length) + head
    return head + message, b"\xff" * len(head) + mask


def _varint(number: int) -> bytes:
    low = bytes([number & 0x7F | (0x80 if number > 0x7F else 0)])
    return low + _varint(number >> 7) if number > 0x7F else low
