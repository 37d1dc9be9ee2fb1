"""Rules: what of the points that were logged is shown, and in which order.

A restart makes points *void*. Every rule comes down to a list of *purges*: a purge stands between
two points of a series, and makes void all before it that have its step or a later one. Which purges
there are is all that the rules differ in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tbio.column import Column
from tbio.columns import FileColumns

#: What restarts make void:
#:
#: * "keep": nothing; every point that was logged is shown.
#: * "session": what a SessionLog.START of the run asked to discard: the points with its step or a
#:   later one that were logged before it.
#: * "tensorboard": what TensorBoard's Python back end discards
#:   (backend/event_processing/plugin_event_accumulator.py): the same, but for the first START of
#:   the run; and where no file_version of 2 came before, all points of a tag from a step on to
#:   which an event with that tag goes back.
#: * "rustboard": what TensorBoard's data server discards (data/server/reservoir.rs): all points of
#:   a tag from a step on to which the tag goes back, or which it repeats.
Restarts: TypeAlias = Literal["keep", "session", "tensorboard", "rustboard"]
#: What to do with several points of one step: keep them all, or one, or the mean of scalars.
Duplicates: TypeAlias = Literal["keep", "first", "last", "mean"]
#: How the files of a run follow each other: by name, as TensorBoard has it, or merged by time.
Order: TypeAlias = Literal["name", "time"]

Mask: TypeAlias = npt.NDArray[np.bool_]
Longs: TypeAlias = npt.NDArray[np.int64]
#: The columns of one tag, one for each file of the run, None where a file has none of it.
Pieces: TypeAlias = Sequence[Column | None]


@dataclass(frozen=True)
class Rules:
    """What of the logged points is shown, and in which order.

    Raises:
        ValueError: a rule that does not exist; an emulation of TensorBoard in another order than
            TensorBoard's.
    """

    restarts: Restarts = "session"
    duplicates: Duplicates = "keep"
    order: Order = "name"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("restarts", Restarts),
            ("duplicates", Duplicates),
            ("order", Order),
        ):
            if getattr(self, name) not in get_args(allowed):
                got = getattr(self, name)
                raise ValueError(f"{name}: want one of {get_args(allowed)}, got {got!r}")
        if self.emulates and self.order != "name":
            raise ValueError(
                f"restarts={self.restarts!r} is what TensorBoard does with files in the order of "
                f"their names; got order={self.order!r}"
            )

    @property
    def emulates(self) -> bool:
        """Whether a rule depends on the order of events across tags (`FileColumns.order`)."""
        return self.restarts in ("tensorboard", "rustboard")


class Points(NamedTuple):
    """Which points of a tag are shown.

    Attributes:
        places: int64[m], their places in the columns, put one behind the other, in the order in
            which they are shown; None for all of them in order.
        superseded: how many points a restart made void.
    """

    places: Longs | None
    superseded: int


class RunOrder:
    """The events of all files of a run, in one order, and what its restarts make void."""

    def __init__(self, files: Sequence[FileColumns], rules: Rules) -> None:
        self._files = files
        self._rules = rules

    def points(self, tag: str, pieces: Pieces) -> Points:
        """The points of a tag that are shown.

        Args:
            pieces: its columns, in the order of the files.
        """
        steps = joined_steps(pieces)
        if not len(steps):
            return Points(np.empty(0, np.int64), 0)
        starts: list[tuple[int, int]] = []
        places: Longs | None = None
        if self._rules.order == "time":
            places, starts = self._by_time(pieces)
            steps = steps[places]
        elif self._rules.restarts in ("keep", "session"):
            starts = [start for start in self._starts(pieces) if start[0]]
            if not starts:  # nothing stands before one
                return Points(None, 0)
        if self._rules.restarts == "tensorboard":
            starts = self._purges_of_tensorboard(tag, pieces)
        shown: Mask = np.ones(len(steps), bool)
        if self._rules.restarts == "rustboard":
            shown, void = self._shown_by_rustboard(tag, pieces, steps)
        else:
            void = _void(steps, *_columns(starts))
        superseded = int(np.count_nonzero(void))
        if self._rules.restarts != "keep":
            shown &= ~void
        if not shown.all():
            places = np.flatnonzero(shown) if places is None else places[shown]
        return Points(places, superseded)

    def _starts(self, pieces: Pieces) -> Iterator[tuple[int, int]]:
        """Place and step of each session start."""
        before = 0
        for file, piece in zip(self._files, pieces, strict=True):
            for number, start in enumerate(file.starts, 1):
                yield before + (piece.points_before(number) if piece is not None else 0), start.step
            before += len(piece) if piece is not None else 0

    def _by_time(self, pieces: Pieces) -> tuple[Longs, list[tuple[int, int]]]:
        """The points of all files merged by wall time, and the place of each session start.

        The order within a file stays: a point whose wall time is before that of an earlier point
        of its file counts as being of the same time.
        """
        times, are_starts = [], []
        steps = [start.step for file in self._files for start in file.starts]
        for file, piece in zip(self._files, pieces, strict=True):
            own = np.array(() if piece is None else piece.wall_times, np.float64)
            before = [
                0 if piece is None else piece.points_before(number)
                for number in range(1, len(file.starts) + 1)
            ]
            own = np.insert(own, before, [start.latest for start in file.starts])
            own[np.isnan(own)] = -np.inf
            times.append(np.maximum.accumulate(own))
            are_starts.append(np.insert(np.zeros(len(own) - len(before), bool), before, True))
        is_start = np.concatenate(are_starts)
        order = np.argsort(np.concatenate(times), kind="stable")
        # For each, how many of its sort stand before it in the files.
        number = np.where(is_start, np.cumsum(is_start), np.cumsum(~is_start)) - 1
        number, is_start = number[order], is_start[order]
        places = np.cumsum(~is_start)[is_start]
        return number[~is_start], [
            (place, steps[start])
            for place, start in zip(places.tolist(), number[is_start].tolist(), strict=True)
        ]

    # -------------------------------------------------------------- emulations

    @cached_property
    def _bases(self) -> list[int]:
        """How many events the files before each one have."""
        counts = (file.order.count for file in self._files[:-1])
        return list(itertools.accumulate(counts, initial=0))

    def _ordinals(self, pieces: Pieces) -> Longs:
        """For each point of a tag, which event of the run it came with."""
        return np.concatenate(
            [
                np.array(piece.ordinals, np.int64) + base
                for base, piece in zip(self._bases, pieces, strict=True)
                if piece is not None
            ]
        )

    def _mentions(self, tag: str) -> tuple[Longs, Longs]:
        """For each value that names the tag, its event's place in `_summaries`.

        And how many values of the tag that event brought before it.
        """
        places, behind = [], []
        before = 0
        for file in self._files:
            pairs = np.array(file.order.mentions.get(tag, ()), np.int64)
            places.append(pairs[::2] + before)
            behind.append(pairs[1::2])
            before += len(file.order.ordinals)
        return np.concatenate(places), np.concatenate(behind)

    @cached_property
    def _summaries(self) -> tuple[Longs, Longs]:
        """The ordinals in the run, and the steps, of all its events with a summary."""
        ordinals = [
            np.array(file.order.ordinals, np.int64) + base
            for base, file in zip(self._bases, self._files, strict=True)
        ]
        steps = [np.array(file.order.steps, np.int64) for file in self._files]
        return np.concatenate(ordinals), np.concatenate(steps)

    @cached_property
    def _restarts_of_tensorboard(self) -> tuple[list[tuple[int, int]], Mask]:
        """(ordinal, step) of each START that purges all tags; which summaries purge their own."""
        ordinals, steps = self._summaries
        versions = [
            (base + ordinal, version)
            for base, file in zip(self._bases, self._files, strict=True)
            for ordinal, version in file.order.versions
        ]
        since, modern = (
            np.array([-1, *(at for at, _ in versions)]),
            np.array([False, *(version >= 2 for _, version in versions)]),
        )

        def is_modern(at: Any) -> Any:
            return modern[np.searchsorted(since, at, "right") - 1]

        before = np.concatenate([[-1], steps[:-1]])
        back = (steps < before) & ~is_modern(ordinals)
        starts = [
            (base + start.ordinal, start.step)
            for base, file in zip(self._bases, self._files, strict=True)
            for start in file.starts
            if is_modern(base + start.ordinal)
        ]
        return starts[1:], back  # the first one opens the run

    def _purges_of_tensorboard(self, tag: str, pieces: Pieces) -> list[tuple[int, int]]:
        starts, back = self._restarts_of_tensorboard
        ordinals, steps = self._summaries
        mentions, _ = self._mentions(tag)
        own = mentions[back[mentions]]
        at = np.array([*(ordinal for ordinal, _ in starts), *ordinals[own].tolist()], np.int64)
        places = np.searchsorted(self._ordinals(pieces), at)
        purged = [*(step for _, step in starts), *steps[own].tolist()]
        return list(zip(places.tolist(), purged, strict=True))

    def _shown_by_rustboard(self, tag: str, pieces: Pieces, steps: Longs) -> tuple[Mask, Mask]:
        """The points that the data server reads at all, and those that it makes void.

        It skips an event whose wall time is infinite, and reads no further in a file where one is
        not a number (data/server/run.rs). A value that it cannot show still makes others void.
        """
        ordinals, (summaries, summary_steps) = self._ordinals(pieces), self._summaries
        read = self._read_by_rustboard
        mentions, behind = self._mentions(tag)
        mentions, behind = mentions[read[mentions]], behind[read[mentions]]
        at = np.searchsorted(summaries, ordinals)
        # A meta graph comes in no summary.
        is_read = np.append(read, True)[at] | (np.append(summaries, -1)[at] != ordinals)
        # Of the values before it some may be of another kind, which have a column of their own.
        first = np.searchsorted(ordinals, summaries[mentions])
        last = np.searchsorted(ordinals, summaries[mentions], "right")
        places = np.concatenate([np.flatnonzero(is_read), np.minimum(first + behind, last)])
        void = _void(steps, places, np.concatenate([steps[is_read], summary_steps[mentions]]))
        return is_read, void & is_read

    @cached_property
    def _read_by_rustboard(self) -> Mask:
        """Which of `_summaries` the data server does not skip."""
        read = []
        for file in self._files:
            order = file.order
            finite = ~np.isinf(np.array(order.wall_times))
            if order.first_nan is not None:
                finite &= np.array(order.ordinals, np.int64) < order.first_nan
            read.append(finite)
        return np.concatenate(read)


def joined_steps(pieces: Iterable[Column | None]) -> Longs:
    """The steps of the columns, one behind the other, int64[n]."""
    steps = [piece.steps.array for piece in pieces if piece is not None]
    if len(steps) == 1:
        return steps[0]
    return np.concatenate(steps) if steps else np.empty(0, np.int64)


def _columns(pairs: Sequence[tuple[int, int]]) -> tuple[Longs, Longs]:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _void(steps: Longs, places: Longs, purged: Longs) -> Mask:
    """Which points some purge makes void, bool[n].

    Args:
        places: int64[p], how many points stand before each purge.
        purged: int64[p], the step from which on each purge makes them void.
    """
    end = int(places.max(initial=0))
    # For each point the least step of all purges that stand behind it.
    least: Longs = np.full(end + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, places, purged)
    least = np.minimum.accumulate(least[::-1])[::-1]
    void = np.zeros(len(steps), bool)
    void[:end] = steps[:end] >= least[1:]
    return void


def one_each(steps: Longs, duplicates: Duplicates) -> Longs:
    """The place of the first, or the last, point of each step, in order, int64[m]."""
    if duplicates == "first":
        _, places = np.unique(steps, return_index=True)
    else:
        _, places = np.unique(steps[::-1], return_index=True)
        places = len(steps) - 1 - places
    return np.sort(places)


def mean_each(steps: Longs, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The mean of the values of each step, at the place of its last point.

    As floats add: too large a sum is infinite, and infinities of both signs give NaN.
    """
    distinct, group = np.unique(steps, return_inverse=True)
    total = np.zeros(len(distinct), values.dtype if values.dtype.kind in "cO" else np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        np.add.at(total, group, values)
        mean = total / np.bincount(group, minlength=len(distinct))
    if values.dtype.kind == "f":
        mean = mean.astype(values.dtype)
    whole: npt.NDArray[Any] = mean[group[one_each(steps, "last")]]
    return whole
