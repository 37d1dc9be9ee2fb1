"""Following: the points of logs that grow, as they come."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tbio.run import Run
from tbio.series import ScalarSeries, Series

Longs = npt.NDArray[np.int64]


class Growing(Protocol):
    """Logs that may grow: a `LogDir`."""

    def load(self) -> Mapping[str, Run]:
        """The runs, read."""

    def reload(self) -> None:
        """Look again."""


@dataclass(frozen=True)
class NewPoint:
    """A point that was not there before.

    Attributes:
        kind: see `tbio.plugins.KINDS`.
        wall_time: seconds since the epoch, UTC.
        series, index: its place in the series as it was when the point came.
    """

    run: str
    kind: str
    tag: str
    step: int
    wall_time: float
    series: Series
    index: int

    @property
    def value(self) -> Any:
        """A number, or what the series of its kind hold, which is decoded now.

        Raises:
            DecodeError, DamageError, OSError: as of the series.
        """
        if isinstance(self.series, ScalarSeries):
            return self.series.values[self.index]
        series: Any = self.series
        return series[self.index]


def tail(logs: Growing, *, last: int = 0, poll: float = 1.0) -> Iterator[NewPoint]:
    """The points that come to logs while they grow, of every run and kind, without end.

    Between two looks only the bytes that were appended are read. Points that come between two
    looks are in the order of their wall times; new runs and files are found, and a file that was
    replaced gives what it has beyond the old one.

    Args:
        logs: what to follow; the selection of `tbio.open` is the selection here.
        last: so many of the points that are there already come first.
        poll: seconds between two looks, 0 or more.

    Raises:
        ValueError: a negative number.
        OSError: as of `tbio.logdir.LogDir.reload`.

    >>> import itertools, tbio
    >>> logs = tbio.open("tests/golden/digits", tags="loss")
    >>> for point in itertools.islice(tail(logs, last=2), 2):
    ...     print(point.run, point.tag, point.step, point.value)
    test loss 19 1.2133075
    train loss 19 1.1213447
    """
    if last < 0 or not poll >= 0:
        raise ValueError(f"want numbers of 0 or more, got last={last}, poll={poll}")
    return _points(logs, last, poll)


def _points(logs: Growing, last: int, poll: float) -> Iterator[NewPoint]:
    following = _Following()
    there = following.new(logs, last)
    yield from there[max(len(there) - last, 0) :]
    while True:
        time.sleep(poll)
        logs.reload()
        yield from following.new(logs)


class _Following:
    """What was there at the last look."""

    def __init__(self) -> None:
        self._files: dict[str, list[tuple[str, int, int]]] = {}
        self._seen: dict[tuple[str, str, str], tuple[Longs, Longs]] = {}

    def new(self, logs: Growing, most: int | None = None) -> list[NewPoint]:
        """What is new since the last call, by wall time; of each series ``most``, the last ones."""
        found: list[NewPoint] = []
        for run in logs.load().values():
            files = [(file.path, file.size, file.events) for file in run.report.files]
            if files != self._files.get(run.name):
                self._files[run.name] = files
                found.extend(self._new_in(run, most))
        return sorted(found, key=_time)

    def _new_in(self, run: Run, most: int | None) -> Iterator[NewPoint]:
        for kind, tags in run.tags.items():
            for tag in tags:
                series = run.series(kind, tag)
                key = run.name, kind, tag
                # Times by their bits: NaN is equal to NaN.
                points = series.steps, np.asarray(series.wall_times).view(np.int64)
                indexes = _new_indexes(self._seen.get(key), points)
                self._seen[key] = points
                for index in indexes if most is None else indexes[len(indexes) - most :]:
                    step, at = int(series.steps[index]), float(series.wall_times[index])
                    yield NewPoint(run.name, kind, tag, step, at, series, index)


def _time(point: NewPoint) -> float:
    return math.inf if math.isnan(point.wall_time) else point.wall_time


def _new_indexes(old: tuple[Longs, Longs] | None, new: tuple[Longs, Longs]) -> list[int] | range:
    """Where in the new points those are that the old ones lack: behind them as a rule.

    They are between them where several files of a run grow, and anywhere where a restart has made
    points void.
    """
    count = len(new[0])
    if old is None:
        return range(count)
    begin = _alike(old, new)
    rest = [one[begin:][::-1] for one in (*old, *new)]
    end = _alike((rest[0], rest[1]), (rest[2], rest[3]))
    gone = Counter(_keys(one[begin : len(one) - end] for one in old))
    indexes = []
    for index, key in enumerate(_keys(one[begin : count - end] for one in new), begin):
        if gone[key]:
            gone[key] -= 1
        else:
            indexes.append(index)
    return indexes


def _alike(one: tuple[Longs, Longs], other: tuple[Longs, Longs]) -> int:
    """How many points at the beginning are the same."""
    most = min(len(one[0]), len(other[0]))
    differs = np.zeros(most, bool)
    for a, b in zip(one, other, strict=True):
        differs |= a[:most] != b[:most]
    return int(differs.argmax()) if differs.any() else most


def _keys(columns: Iterable[Longs]) -> Iterator[tuple[int, ...]]:
    return zip(*(column.tolist() for column in columns), strict=True)
