"""Memory for arrays that are made and dropped again and again: the copies in a writer's queue.

The operating system gives out new memory page by page, at the first touch of each, and for that
takes several times as long as it takes to copy something there. ``malloc`` keeps small pieces for
those who come next, and returns large ones, as soon as those in a queue have been written. So an
array of `empty` leaves its memory here when nobody has it any more, nor a view of it, and the next
one of about that size has it. Nobody has to say that they are done.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

_SMALLEST = 1 << 15  # bytes: below that, malloc is quick
_MOST_HELD = 1 << 25  # bytes


class _Pool:
    """Pieces of memory that nobody uses, by their size, which is a power of two."""

    def __init__(self) -> None:
        self._free: dict[int, deque[npt.NDArray[np.uint8]]] = {}

    def take(self, size: int) -> _Loan:
        pieces = self._free.get(size)
        try:
            memory = pieces.pop() if pieces else np.empty(size, np.uint8)
        except IndexError:  # another thread was quicker
            memory = np.empty(size, np.uint8)
        return _Loan(self, memory)

    def give_back(self, memory: npt.NDArray[np.uint8]) -> None:
        # Without a lock: the garbage collector calls this at any moment, in any thread.
        if self.held + memory.size <= _MOST_HELD:
            self._free.setdefault(memory.size, deque()).append(memory)

    @property
    def held(self) -> int:
        return sum(size * len(pieces) for size, pieces in tuple(self._free.items()))


class _Loan:
    """What an array made of it keeps alive, by numpy's own rule of who owns its memory."""

    def __init__(self, pool: _Pool, memory: npt.NDArray[np.uint8]) -> None:
        self._pool, self._memory = pool, memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self._pool.give_back(self._memory)


_POOL = _Pool()


def empty(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """As `numpy.empty`, often in memory that was used before.

    >>> empty((2, 3), np.float32).shape
    (2, 3)
    """
    dtype = np.dtype(dtype)
    count = shape if isinstance(shape, int) else math.prod(shape)
    size = count * dtype.itemsize
    if not _SMALLEST <= size <= _MOST_HELD:
        return np.empty(shape, dtype)
    loan = _POOL.take(1 << (size - 1).bit_length())
    return np.asarray(loan)[:size].view(dtype).reshape(shape)


def empty_like(array: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array of the same shape and order of axes in memory, without gaps."""
    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    memory = empty(tuple(array.shape[axis] for axis in axes), dtype)
    return memory.transpose(sorted(axes, key=axes.__getitem__))


def copy(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy in the same order of axes in memory, without gaps: there is no quicker one.

    >>> copy(np.arange(6).reshape(2, 3).T).tolist()
    [[0, 3], [1, 4], [2, 5]]
    """
    made = empty_like(array, array.dtype)
    np.copyto(made, array)
    return made
