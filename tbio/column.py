"""Column: what one event file has given of one tag, as arrays that grow."""

from __future__ import annotations

import bisect
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from tbio.growing import Growing

Array = npt.NDArray[Any]
Longs = npt.NDArray[np.int64]

_FLOAT32 = np.dtype(np.float32)
_FLOAT64 = np.dtype(np.float64)


class Column:
    """Steps and wall times of one tag in one file, and how far it was when the run restarted.

    Attributes:
        steps: int64.
        wall_times: float64, seconds since the epoch.
    """

    def __init__(self) -> None:
        self.steps = Growing(np.int64)
        self.wall_times = Growing(np.float64)
        self._ordinals: Growing | None = None
        # (number of session starts met, points there were then), one entry for each change
        self._restarts: list[tuple[int, int]] = []
        self._starts = 0

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def ordinals(self) -> Growing:
        """Which event of the file each point came with, int64; empty unless asked for."""
        if self._ordinals is None:
            self._ordinals = Growing(np.int64)
        return self._ordinals

    def add_point(self, step: int, wall_time: float, starts: int) -> None:
        """One more point, ``starts`` session starts after the beginning of the file."""
        self._note_starts(starts)
        self.steps.append(step)
        self.wall_times.append(wall_time)

    def add_points(self, steps: Longs, wall_times: npt.NDArray[np.float64], starts: int) -> None:
        """As many more points, all of them ``starts`` session starts after the beginning."""
        self._note_starts(starts)
        self.steps.extend(steps)
        self.wall_times.extend(wall_times)

    def _note_starts(self, starts: int) -> None:
        if starts != self._starts:
            self._restarts.append((starts, len(self.steps)))
            self._starts = starts

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
        self._codes: Growing | None = None  # which of these each value has, if there are several
        # In float32 as long as all are; then in float64, which holds the integers to 2**53 too;
        # then as Python's own numbers.
        self._values = Growing(_FLOAT32)

    def add_value(self, value: Any, dtype: np.dtype[Any]) -> None:
        """The value of the point that was added last, a Python number."""
        if len(self._dtypes) != 1 or dtype != self._dtypes[0]:
            self._add_codes(dtype, 1)
        if not (isinstance(value, float) or (isinstance(value, int) and abs(value) <= 2**53)):
            self._hold(np.dtype(object))
        elif dtype != _FLOAT32:
            self._hold(_FLOAT64)
        self._values.append(value)

    def add_values(self, values: Array) -> None:
        """The values of the points that were added last, float32[n] or float64[n]."""
        dtype = values.dtype
        if len(self._dtypes) != 1 or dtype != self._dtypes[0]:
            self._add_codes(dtype, len(values))
        self._hold(dtype)
        self._values.extend(values)

    def _hold(self, dtype: np.dtype[Any]) -> None:
        """Make room for values of a dtype beside those that are there."""
        held = self._values.dtype
        if dtype not in (held, _FLOAT32) and held.kind != "O":
            self._values = self._values.astype(dtype)

    def _add_codes(self, dtype: np.dtype[Any], count: int) -> None:
        if dtype not in self._dtypes:
            self._dtypes.append(dtype)
        if len(self._dtypes) > 1:
            if self._codes is None:
                self._codes = Growing(np.int8)
            missing = len(self._values) - len(self._codes)
            self._codes.extend(np.zeros(missing, np.int8))  # the first dtype
            self._codes.extend(np.full(count, self._dtypes.index(dtype), np.int8))

    def values(self) -> list[Array]:
        """The values, in pieces of one dtype each: that in which the log holds them."""
        values = self._values.array
        if self._codes is None:
            return [_as_dtype(values, dtype) for dtype in self._dtypes]
        codes = self._codes.array
        cuts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
        return [
            _as_dtype(values[begin:end], self._dtypes[codes[begin]])
            for begin, end in itertools.pairwise(cuts)
        ]


def _as_dtype(values: Array, dtype: np.dtype[Any]) -> Array:
    if values.dtype == dtype:
        return values
    if values.dtype == object and dtype.kind in "iu":  # an integer may stand there as a double
        return np.array([int(value) for value in values], dtype)
    return values.astype(dtype, copy=False)


class PlaceColumn(Column):
    """The places of one tag's values in one file: for kinds that are decoded on access.

    Attributes:
        offsets: of the record, in bytes.
        sizes: of the whole record, in bytes.
        indexes: which value of the event's summary it is; -1 for an event without summary.
    """

    def __init__(self) -> None:
        super().__init__()
        self.offsets = Growing(np.int64)
        self.sizes = Growing(np.int64)
        self.indexes = Growing(np.int64)

    def add_places(self, offsets: Longs, sizes: Longs, indexes: Longs) -> None:
        """The places of the points that were added last."""
        self.offsets.extend(offsets)
        self.sizes.extend(sizes)
        self.indexes.extend(indexes)

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
            if len(column.ordinals):
                merged.ordinals.append(column.ordinals[at])
        return merged
