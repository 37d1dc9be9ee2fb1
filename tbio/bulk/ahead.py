"""Ahead: the next of some items, made by another thread while the last one is dealt with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_END = object()


@contextlib.contextmanager
def ahead(items: Iterator[_Item]) -> Iterator[Iterator[_Item]]:
    """The items in order; each is begun when the one before is handed out.

    What an item raises is raised in its place. One that was begun and is not wanted any more is
    waited for, so that nothing of it goes on behind the ``with``.

    >>> with ahead(iter("abc")) as letters:
    ...     print(*letters)
    a b c
    """
    with ThreadPoolExecutor(1, "tbio-ahead") as pool:

        def handed() -> Iterator[_Item]:
            following = pool.submit(next, items, _END)
            while (item := following.result()) is not _END:
                following = pool.submit(next, items, _END)
                yield item  # type: ignore[misc]

        yield handed()
