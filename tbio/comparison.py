"""Comparison: in what two logs differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio.errors import DamageError
from tbio.logdir import LogDir
from tbio.run import Run
from tbio.series import MeshSeries, ScalarSeries

What: TypeAlias = Literal["run", "tag", "kind", "steps", "values"]


#: The kinds that come as series.
_SERIES = (
    *("scalars", "images", "audio", "histograms", "texts"),
    *("pr_curves", "meshes", "graphs", "tensors"),
)


class Difference(NamedTuple):
    """One thing in which the logs differ.

    Attributes:
        what: "run" or "tag" that only one has; "kind" of a tag; "steps" or "values" of a series.
        kind, tag: "" for a run.
        only_in: "a" or "b", for what only one of them has; else "".
        points: how many differ, or are there in one log only.
        first_step: the first such step; None where there is none.
        largest: the largest difference of two scalars; None for other kinds.
        words: what it is, for people.
    """

    what: What
    run: str
    kind: str
    tag: str
    only_in: str
    points: int
    first_step: int | None
    largest: float | None
    words: str


class Comparison(NamedTuple):
    """Two logs side by side.

    Attributes:
        differences: in the order of runs, kinds and tags.
        series: how many series both have.
        points: how many points were compared.
    """

    differences: list[Difference]
    series: int
    points: int

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return bool(self.differences)

    def __repr__(self) -> str:
        return f"<Comparison: {len(self.differences)} differences in {self.series} common series>"


def diff(a: LogDir, b: LogDir, *, rtol: float = 0.0, atol: float = 0.0) -> Comparison:
    """In what two logs differ: runs, tags, steps and values, in this order.

    Points are compared in the order in which they were logged, and by their steps: the k-th point
    of a step with the k-th of that step. Wall times are not compared. Scalars are equal if they
    differ by no more than ``atol + rtol * abs(b)``, NaN being equal to NaN; of the other kinds the
    messages that stand in the files are compared.

    Args:
        a, b: the logs; where each has one run, these are compared whatever their names.
        rtol, atol: tolerances, 0 or more.

    Raises:
        ValueError: a negative tolerance.

    >>> import tbio
    >>> logs = "tests/golden/digits"
    >>> found = diff(tbio.open(logs, runs="train"), tbio.open(logs, runs="test", tags="loss"))
    >>> [(one.what, one.tag, one.only_in, one.points) for one in found.differences]
    [('tag', 'accuracy', 'a', 20), ('values', 'loss', '', 19)]
    """
    if not (rtol >= 0 and atol >= 0):
        raise ValueError(f"want tolerances of 0 or more, got rtol={rtol}, atol={atol}")
    a.load(), b.load()
    if len(a) == len(b) == 1:
        pairs: list[tuple[Run | None, Run | None]] = [
            (next(iter(a.values())), next(iter(b.values())))
        ]
    else:
        pairs = [(a.get(name), b.get(name)) for name in sorted({*a, *b})]
    comparing = _Comparing(rtol, atol)
    differences = [found for pair in pairs for found in comparing.runs(*pair)]
    return Comparison(differences, comparing.series, comparing.points)


class _Comparing:
    """A comparison under way.

    Attributes:
        series, points: of `Comparison`.
    """

    def __init__(self, rtol: float, atol: float) -> None:
        self.series = 0
        self.points = 0
        self._rtol = rtol
        self._atol = atol

    def runs(self, a: Run | None, b: Run | None) -> Iterator[Difference]:
        """The differences of two runs, one of which may be missing."""
        if a is None or b is None:
            run, side = (b, "b") if a is None else (a, "a")
            if run is not None:
                points = sum(info.count for info in run.tag_infos())
                words = f"only in {side}"
                yield Difference("run", run.name, "", "", side, points, None, None, words)
            return
        yield from self._hparams(a, b)
        for kind in _SERIES:
            own, others = getattr(a, kind), getattr(b, kind)
            for tag in sorted({*own, *others}):
                if tag in own and tag in others:
                    yield from self._series(kind, own[tag], others[tag])
                    continue
                side, series = ("a", own[tag]) if tag in own else ("b", others[tag])
                there = (b if side == "a" else a).tags
                other = [one for one, tags in there.items() if tag in tags and one != kind]
                first = int(series.steps[0]) if len(series) else None
                if other and side == "a":
                    words = f"{kind} in a, {other[0]} in b"
                    yield Difference("kind", a.name, kind, tag, "", len(series), first, None, words)
                elif not other:
                    words = f"only in {side}"
                    yield Difference(
                        "tag", a.name, kind, tag, side, len(series), first, None, words
                    )

    def _hparams(self, a: Run, b: Run) -> Iterator[Difference]:
        one, other = map(_hparams_of, (a, b))
        for name in sorted({*one, *other}):
            if name in one and name in other and one[name] == other[name]:
                continue
            sides = [f"{values[name]!r}" if name in values else "none" for values in (one, other)]
            words = f"{sides[0]} in a, {sides[1]} in b"
            only_in = "a" if name not in other else "b" if name not in one else ""
            yield Difference("values", a.name, "hparams", name, only_in, 1, None, None, words)

    def _series(self, kind: str, a: Any, b: Any) -> Iterator[Difference]:
        self.series += 1
        at, other, alone_a, alone_b = _matched(a.steps, b.steps)
        self.points += len(at)
        for side, series, alone in (("a", a, alone_a), ("b", b, alone_b)):
            if len(alone):
                first = int(series.steps[alone].min())
                words = f"{len(alone)} points only in {side}, the first at step {first}"
                yield Difference("steps", a.run, kind, a.tag, side, len(alone), first, None, words)
        largest: float | None = None
        if isinstance(a, ScalarSeries):
            differs, largest = self._scalars(a.values[at], b.values[other])
        else:
            differs = _messages_differ(a, b, at.tolist(), other.tolist())
        if differs.any():
            count = int(np.count_nonzero(differs))
            first = int(a.steps[at[differs]].min())
            words = f"{count} of {len(at)} values differ, the first at step {first}"
            if largest is not None:
                words += f", by {largest:.6g} at most"
            yield Difference("values", a.run, kind, a.tag, "", count, first, largest, words)

    def _scalars(
        self, a: npt.NDArray[Any], b: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.bool_], float]:
        """Which of the values differ, and by how much at most."""
        if a.dtype.kind in "ciu" or b.dtype.kind in "ciu" or a.dtype == object or b.dtype == object:
            same = np.array(
                [one == other for one, other in zip(a.tolist(), b.tolist(), strict=True)]
            )
            same = same.astype(bool)
            a, b = (one.astype(np.complex128).view(np.float64)[::2] for one in (a, b))
        else:
            same = a == b
            a, b = a.astype(np.float64), b.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            gaps = np.abs(a - b)
            if self._atol or self._rtol:
                same |= gaps <= self._atol + self._rtol * np.abs(b)
        same |= np.isnan(a) & np.isnan(b)
        gaps = gaps[~same & np.isfinite(gaps)]
        return ~same, float(gaps.max(initial=0.0))


def _hparams_of(run: Run) -> dict[str, Any]:
    """A run's hyperparameters, unless the selection leaves them out: they always come along."""
    if run.hparams is None or "hparams" not in run.tags:
        return {}
    return dict(run.hparams.values)


def _matched(
    a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The places of points that belong together, in a and in b, and of those that stand alone."""
    if np.array_equal(a, b):
        every = np.arange(len(a))
        return every, every, every[:0], every[:0]
    keys = [list(zip(steps.tolist(), _counts(steps).tolist(), strict=True)) for steps in (a, b)]
    place = {key: at for at, key in enumerate(keys[1])}
    pairs = [(at, place.pop(key)) for at, key in enumerate(keys[0]) if key in place]
    both = np.array(pairs, np.intp).reshape(-1, 2)
    alone = np.ones(len(a), bool)
    alone[both[:, 0]] = False
    left = np.array(sorted(place.values()), np.intp)
    return both[:, 0], both[:, 1], np.flatnonzero(alone), left


def _counts(steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each point how many of its step stand before it."""
    order = np.argsort(steps, kind="stable")
    ranked = steps[order]
    fresh = np.ones(len(steps), bool)
    fresh[1:] = ranked[1:] != ranked[:-1]
    every = np.arange(len(steps))
    counts = np.empty(len(steps), np.int64)
    counts[order] = every - np.maximum.accumulate(np.where(fresh, every, 0))
    return counts


def _messages_differ(a: Any, b: Any, at: list[int], other: list[int]) -> npt.NDArray[np.bool_]:
    if isinstance(a, MeshSeries):
        parts = [(getattr(a, part), getattr(b, part)) for part in ("vertices", "faces", "colors")]
        differs = np.zeros(len(at), bool)
        for one, two in parts:
            if (one is None) != (two is None):
                differs[:] = True
            elif one is not None and len(one) == len(two) == len(at):
                differs |= _messages_differ(one, two, at, other)
            elif one is not None:
                differs[:] = True
        return differs
    return np.array(
        [_message(a, one) != _message(b, two) for one, two in zip(at, other, strict=True)], bool
    )


def _message(series: Any, index: int) -> bytes | None:
    """The value as it stands in the file, without its metadata, which only the first one has."""
    try:
        event, at = series.event(index), int(series.places.indexes[index])
    except (DamageError, OSError):
        return None
    if at < 0:
        event.wall_time = 0
        return bytes(event.SerializeToString(deterministic=True))
    value = event.summary.value[at]
    value.ClearField("metadata")
    value.ClearField("tag")
    return bytes(value.SerializeToString(deterministic=True))
