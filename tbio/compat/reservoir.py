"""Reservoirs: of each tag every item, or a fair sample of a given size.

The sampling is TensorBoard's (backend/event_processing/reservoir.py): algorithm R, seeded anew for
each tag, so that the same items come out here and there.
"""

from __future__ import annotations

import random
import threading
from array import array
from collections.abc import Callable, Iterable, MutableSequence
from itertools import compress
from typing import Any, Generic, TypeVar

import numpy as np

E = TypeVar("E")

_LEAST_STEP = -(2**63)


def floats(items: Iterable[float] = ()) -> array[float]:
    """Room for numbers that were float32 in the log: four bytes each, without loss."""
    return array("f", items)


class Reservoir(Generic[E]):
    """Tag -> items, each kept as a step, a wall time and a datum, and shown as an event.

    Args:
        size: how many items to keep of a tag; 0 keeps all.
        as_event: makes the event of a wall time, a step and a datum.
        room: makes the empty sequence in which the data of a tag are kept.
        fetch: makes of kept data those that ``as_event`` takes.
        always_keep_last: whether the newest item is always among those kept.

    Attributes:
        size, always_keep_last: as given.

    Raises:
        ValueError: a size that is no natural number.
    """

    def __init__(
        self,
        size: int,
        as_event: Callable[[float, int, Any], E],
        *,
        room: Callable[..., MutableSequence[Any]] = list,
        fetch: Callable[[Iterable[Any]], Iterable[Any]] = iter,
        always_keep_last: bool = True,
    ) -> None:
        if size < 0 or size % 1:
            raise ValueError(f"size must be nonnegative integer, was {size}")
        self.size = size
        self.always_keep_last = always_keep_last
        self._as_event = as_event
        self._room = room
        self._fetch = fetch
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def Keys(self) -> list[str]:
        """Every tag that was ever met, in that order."""
        with self._lock:
            return list(self._buckets)

    def Items(self, key: str) -> list[E]:
        """The events of a tag.

        Raises:
            KeyError: a tag that was never met.
        """
        with self._lock:
            bucket = self._buckets[key]
            kept = bucket.wall_times[:], bucket.steps[:], bucket.data[:]
        wall_times, steps, data = kept
        return list(map(self._as_event, wall_times, steps, self._fetch(data)))

    def add(self, key: str, step: int, wall_time: float, datum: Any) -> None:
        """Take in one more item of a tag."""
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = Bucket(self._room)
            bucket.add(step, wall_time, datum, self.size, self.always_keep_last)

    def purge(self, step: int, key: str = "") -> int:
        """Drop what has ``step`` or a later one, of one tag or of all; how much that was."""
        with self._lock:
            if not key:  # as in TensorBoard, where the empty tag means all of them, too
                return sum(bucket.purge(step) for bucket in self._buckets.values())
            return self._buckets[key].purge(step) if key in self._buckets else 0


class Bucket:
    """The items of one tag, as columns.

    Attributes:
        steps: int64.
        wall_times: float64, seconds since the epoch.
        data: in the room that was given.
    """

    def __init__(self, room: Callable[..., MutableSequence[Any]]) -> None:
        self.steps = array("q")
        self.wall_times = array("d")
        self.data = room()
        self._room = room
        self._greatest = _LEAST_STEP  # no step is beyond it
        self._seen = 0
        self._random: random.Random | None = None  # made when it is needed: it takes 2.5 kB

    def add(
        self, step: int, wall_time: float, datum: Any, size: int = 0, keep_last: bool = True
    ) -> None:
        """Take in one more item; see `Reservoir` for the last two."""
        if size and len(self.steps) >= size:
            self._random = self._random or random.Random(0)
            at = self._random.randint(0, self._seen)
            self._seen += 1
            if at >= size:
                if not keep_last:
                    return
                at = -1
            del self.steps[at], self.wall_times[at], self.data[at]
        else:
            self._seen += 1
        if step > self._greatest:
            self._greatest = step
        self.steps.append(step)
        self.wall_times.append(wall_time)
        self.data.append(datum)

    def purge(self, step: int) -> int:
        """Drop what has ``step`` or a later one; how much that was."""
        if self._greatest < step:  # in a log whose steps always go back, at every event
            return 0
        before = len(self.steps)
        keep = np.array(self.steps) < step
        if not keep.all():
            first = int(keep.argmin())  # what is dropped is mostly the end
            rest = keep[first:].tolist()
            self.steps[first:] = array("q", compress(self.steps[first:], rest))
            self.wall_times[first:] = array("d", compress(self.wall_times[first:], rest))
            self.data[first:] = self._room(compress(self.data[first:], rest))
        self._greatest = max(self.steps, default=_LEAST_STEP)
        if before:  # what was seen and not kept is taken to have had the same share to drop
            self._seen = round(self._seen * (len(self.steps) / before))
        return before - len(self.steps)
