"""Lock: what several threads take in turn, in objects that are copied and pickled."""

from __future__ import annotations

import threading


class Lock:
    """A lock that its holder may take again; a copy of it is a new one.

    >>> with (lock := Lock()), lock:
    ...     pass
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[Lock], tuple[()]]:
        return Lock, ()
