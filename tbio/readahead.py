"""Readahead: what is read along with what is asked for, as an operating system does it with files.

Many small files take half the time when they are read together. But who goes through the runs of a
log asks for one after the other, and nothing tells that he will ask for the next one but that he
asked for the last ones in order. So the first is read alone; each time that what follows the last
reading is asked for, twice as many are read along with it, as long as they are small. Who asks for
single runs here and there has only those read.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST = 255  # read along at most, and so many bytes
_MOST_BYTES = 1 << 25


class Readahead(Generic[T]):
    """What to read along with what is asked for; a copy or pickle of it knows of nothing.

    Args:
        items: in the order in which they would be gone through; they are not kept alive.
        size_of: the bytes that are to be read of one; None for what is not to be read ahead.

    >>> runs = {name: {name} for name in "abcdefgh"}
    >>> ahead = Readahead(runs, len)
    >>> [[one for item in ahead.along(name) for one in item] for name in "abd"]
    [[], ['c'], ['e', 'f', 'g']]
    """

    def __init__(
        self,
        items: Mapping[str, T] | None = None,
        size_of: Callable[[T], int | None] = lambda item: None,
    ) -> None:
        items = items or {}
        self._items = [weakref.ref(item) for item in items.values()]
        self._places = {name: place for place, name in enumerate(items)}
        self._size_of = size_of
        self._next = -1  # what is asked for if its reader goes on
        self._count = 0

    def along(self, name: str) -> list[T]:
        """What follows the item of that name, as far as it is to be read along with it."""
        place = self._places.get(name, -1)
        self._count = min(2 * self._count + 1, _MOST) if place == self._next else 0
        found: list[T] = []
        left = _MOST_BYTES
        for one in itertools.islice(self._items, place + 1, place + 1 + self._count):
            item = one()
            size = None if item is None else self._size_of(item)
            if item is None or size is None or size > left:
                break
            left -= size
            found.append(item)
        self._next = place + 1 + len(found)
        return found

    def __reduce__(self) -> tuple[type[Readahead[T]], tuple[()]]:
        return Readahead, ()
