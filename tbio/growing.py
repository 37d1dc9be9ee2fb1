"""Growing: an array of one dtype that takes more values at its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

_LEAST = 8


#: An empty array of each dtype met so far.
_EMPTY: dict[Any, npt.NDArray[Any]] = {}


def _empty(dtype: type[Any] | np.dtype[Any]) -> npt.NDArray[Any]:
    empty = _EMPTY.get(dtype)
    if empty is None:
        empty = _EMPTY[dtype] = np.empty(0, dtype)
        empty.flags.writeable = False
    return empty


class Growing:
    """An array that doubles when it is full, so that a value costs the same ever.

    What is there never changes: views of it stay valid while more is added.

    >>> steps = Growing(np.int64)
    >>> steps.append(1)
    >>> steps.extend(np.array([2, 3]))
    >>> steps.array, len(steps)
    (array([1, 2, 3]), 3)
    """

    __slots__ = ("_count", "_data", "_view")

    def __init__(self, dtype: type[Any] | np.dtype[Any]) -> None:
        self._data = _empty(dtype)
        self._count = 0
        self._view = self._data

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        return iter(self.array.tolist())

    def __getitem__(self, at: int) -> Any:
        """One value as a plain Python object; a negative place counts from the end."""
        return self.array[at].item()

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return self.array.astype(dtype or self._data.dtype, copy=bool(copy))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return self._data.dtype

    @property
    def array(self) -> npt.NDArray[Any]:
        """The values so far, a read-only view."""
        if len(self._view) != self._count:
            self._view = self._data[: self._count]
            self._view.flags.writeable = False
        return self._view

    def append(self, value: Any) -> None:
        """Add one value."""
        count = self._count
        if count == len(self._data):
            self._reserve(count + 1)
        self._data[count] = value
        self._count = count + 1

    def extend(self, values: npt.NDArray[Any]) -> None:
        """Add the values of an array."""
        begin, end = self._count, self._count + len(values)
        if not begin:
            self._data = np.array(values, self._data.dtype)
            self._count = end
            return
        if end > len(self._data):
            self._reserve(end)
        self._data[begin:end] = values
        self._count = end

    def astype(self, dtype: np.dtype[Any]) -> Growing:
        """The same values in another dtype."""
        other = Growing(dtype)
        other.extend(self.array)
        return other

    def _reserve(self, count: int) -> None:
        # Memory that was never touched is none: what is too much costs addresses only.
        larger = np.empty(max(count, 2 * len(self._data), _LEAST), self._data.dtype)
        larger[: self._count] = self._data[: self._count]
        self._data = larger
