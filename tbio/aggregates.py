"""Aggregates: the values of several runs at the same places, and statistics across the runs.

`align` puts runs beside each other, `Aligned` says what they have in common. All arithmetic is in
float64. What a run does not have at a place is missing there: no statistic knows of it, and `count`
tells how many runs a number is made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Doubles: TypeAlias = npt.NDArray[np.float64]

#: How runs come together whose steps differ, see `align`.
Align: TypeAlias = Literal["exact", "interpolate", "bin"]
#: What a NaN that was logged does: nothing, as if it had not been logged; or every statistic of its
#: place is NaN too.
NanRule: TypeAlias = Literal["omit", "propagate"]
#: What is made of the n values at a place:
#:
#: * "mean", "median" (of an even number the mean of the middle two), "min", "max", "count": n.
#: * "std": the standard deviation of a sample, ``ddof=1``, as pandas and tensorboard-reducer have
#:   it; NaN of a single value.
#: * "stderr": the standard error of the mean, std / sqrt(n); NaN of a single value.
#: * "iqm": the interquartile mean, of what is left when the n // 4 least and the n // 4 greatest
#:   values are taken away: ``scipy.stats.trim_mean(values, 0.25)``, as rliable has it (Agarwal et
#:   al. 2021). Of up to 3 values it is the mean.
Statistic: TypeAlias = Literal["mean", "median", "std", "stderr", "iqm", "min", "max", "count"]
#: Those that say where the middle is, of which there are intervals.
Centre: TypeAlias = Literal["mean", "median", "iqm"]

STATISTICS: tuple[Statistic, ...] = get_args(Statistic)
#: Those that nothing is known of with a single value.
OF_SEVERAL = frozenset[Statistic]({"std", "stderr"})

#: More places than this come of a mistaken width.
_MOST_PLACES = 10_000_000
#: Resampled values that are held at a time.
_CHUNK = 1 << 22


@dataclass(frozen=True, eq=False)
class Aligned:
    """The values of r runs at s places.

    Attributes:
        at: [s], the places, ascending and distinct: int64 steps, or float64.
        values: float64[s, r]; NaN where a run has none.
        present: bool[s, r], where a run has a value, which may be NaN by "propagate".
    """

    at: npt.NDArray[Any]
    values: Doubles
    present: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.at)

    @property
    def count(self) -> npt.NDArray[np.int64]:
        """How many runs have a value at each place, int64[s]."""
        count: npt.NDArray[np.int64] = self.present.sum(axis=1, dtype=np.int64)
        return count

    def at_least(self, runs: int) -> Aligned:
        """The places at which so many runs have a value."""
        kept = self.count >= runs
        return Aligned(self.at[kept], self.values[kept], self.present[kept])

    def statistic(self, name: Statistic) -> Doubles:
        """A statistic across the runs at each place, float64[s]; NaN at a place without values.

        Raises:
            ValueError: no such statistic.

        >>> runs = [(np.arange(3), np.array([1.0, 2.0, 3.0])), (np.arange(2), np.array([3.0, 2.0]))]
        >>> align(runs).statistic("mean"), align(runs).statistic("std").round(3)
        (array([2., 2., 3.]), array([1.414, 0.   ,   nan]))
        """
        if name not in _OF_VALUES:
            raise ValueError(f"want a statistic of {', '.join(STATISTICS)}, got {name!r}")
        found = np.full(len(self), 0.0 if name == "count" else np.nan)
        for places, dense in self._dense():
            with np.errstate(invalid="ignore", over="ignore"):  # infinities, and what exceeds them
                found[places] = _OF_VALUES[name](dense)
        return found

    def interval(
        self,
        of: Centre = "mean",
        *,
        level: float = 0.95,
        resamples: int = 1000,
        seed: int = 0,
    ) -> tuple[Doubles, Doubles]:
        """Low and high of the percentile bootstrap interval at each place, two float64[s].

        Runs are drawn with replacement, as many as there are, and ``of`` is taken of each draw; the
        interval has ``level`` of the outcomes (Efron and Tibshirani 1993, chapter 13). Places with
        equally many values share the draws, so that a curve stays as smooth as its runs, and each
        place's interval depends on its values and the arguments alone. NaN where there are fewer
        than two values. With few runs such intervals are too narrow.

        Args:
            level: between 0 and 1.
            resamples: how many draws, at least 1.
            seed: the same seed, the same numbers; 0 or more.

        Raises:
            ValueError: an argument out of its range.

        >>> runs = [(np.zeros(1), np.array([value])) for value in (1.0, 2.0, 3.0, 4.0)]
        >>> align(runs).interval()
        (array([1.5]), array([3.5]))
        """
        check_interval(of, level, resamples, seed)
        low, high = np.full(len(self), np.nan), np.full(len(self), np.nan)
        tails = (0.5 - level / 2, 0.5 + level / 2)
        for places, dense in self._dense():
            count = dense.shape[1]
            if count < 2:
                continue
            drawn = np.random.default_rng([seed, count]).integers(count, size=(resamples, count))
            rows = max(_CHUNK // drawn.size, 1)
            for begin in range(0, len(dense), rows):
                part = slice(begin, begin + rows)
                with np.errstate(invalid="ignore", over="ignore"):
                    outcomes = _OF_VALUES[of](dense[part][:, drawn])
                    low[places[part]], high[places[part]] = np.quantile(outcomes, tails, axis=1)
        return low, high

    def _dense(self) -> Iterable[tuple[npt.NDArray[np.int64], Doubles]]:
        """The places with n values and those values, [places, n], for each n > 0 that there is."""
        count = self.count
        for n in np.unique(count[count > 0]).tolist():
            places = np.flatnonzero(count == n)
            yield places, self.values[places][self.present[places]].reshape(-1, n)


def check_interval(of: str, level: float, resamples: int, seed: int) -> None:
    """Raise a ValueError for arguments that `Aligned.interval` does not take."""
    if of not in get_args(Centre):
        raise ValueError(f"interval: want one of {', '.join(get_args(Centre))}, got {of!r}")
    if not 0 < level < 1:
        raise ValueError(f"level: want a number between 0 and 1, got {level}")
    if resamples < 1 or seed < 0:
        raise ValueError(f"want resamples from 1 and a seed from 0, got {resamples} and {seed}")


def _iqm(values: Doubles) -> Doubles:
    cut = values.shape[-1] // 4
    ordered = np.sort(values, axis=-1)  # NaN last
    middle: Doubles = ordered[..., cut : values.shape[-1] - cut].mean(axis=-1)
    middle[np.isnan(ordered[..., -1])] = np.nan
    return middle


def _std(values: Doubles) -> Doubles:
    if values.shape[-1] < 2:
        return np.full(values.shape[:-1], np.nan)
    deviation: Doubles = values.std(axis=-1, ddof=1)
    return deviation


def _median(values: Doubles) -> Doubles:
    n = values.shape[-1]
    ordered = np.sort(values, axis=-1)  # NaN last
    middle: Doubles = ordered[..., (n - 1) // 2 : n // 2 + 1].mean(axis=-1)
    middle[np.isnan(ordered[..., -1])] = np.nan
    return middle


#: Statistic of float64[..., n], across the last axis.
_OF_VALUES: dict[str, Callable[[Doubles], Any]] = {
    "mean": lambda values: values.mean(axis=-1),
    "median": _median,
    "std": _std,
    "stderr": lambda values: _std(values) / math.sqrt(values.shape[-1]),
    "iqm": _iqm,
    "min": lambda values: values.min(axis=-1),
    "max": lambda values: values.max(axis=-1),
    "count": lambda values: np.full(values.shape[:-1], float(values.shape[-1])),
}


def align(
    runs: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]],
    how: Align = "exact",
    *,
    width: float | None = None,
    nan: NanRule = "omit",
) -> Aligned:
    """Runs with different steps as values at the same places.

    Of several values with one step the last counts. Steps may be given in any order. A NaN in place
    of a step (or time) has no place, and its value is left out.

    * "exact": every step that a run has, and there the runs that have it.
    * "interpolate": every step that a run has, or the multiples of ``width``; a run that does not
      have it gets what a straight line between its neighbours gives, and nothing before its first
      point or behind its last.
    * "bin": stretches of ``width``, from each of its multiples to before the next, named by where
      they begin; a run has the mean of its values there. Without a width it is what most runs have
      about one point in: the greatest of the runs' median distances.

    Args:
        runs: steps [n] and values [n] of each, real numbers; n may be 0.
        width: more than 0, and whole where the steps are; not for "exact".
        nan: see `NanRule`; with "omit" a run's line goes on straight over its NaN.

    Raises:
        TypeError: values that are no real numbers.
        ValueError: ``how``, ``width`` or ``nan`` that is none of these; a width that would make
            more than ten million places.

    >>> runs = [(np.array([0, 2]), np.array([0.0, 1.0])), (np.arange(3), np.ones(3))]
    >>> align(runs).count, align(runs, "interpolate").statistic("mean")
    (array([2, 1, 2]), array([0.5 , 0.75, 1.  ]))
    >>> align(runs, "bin", width=2).values
    array([[0., 1.],
           [1., 1.]])
    """
    for noun, value, form in (("align", how, Align), ("nan", nan, NanRule)):
        if value not in get_args(form):
            raise ValueError(f"{noun}: want one of {', '.join(get_args(form))}, got {value!r}")
    tidy = [_tidy(steps, values, nan) for steps, values in runs]
    steps = np.concatenate([np.empty(0, np.int64), *(steps for steps, _ in tidy if len(steps))])
    width = _width(width, how, whole=steps.dtype.kind in "iu")
    if how == "bin":
        step = width or _usual_distance([steps for steps, _ in tidy])
        tidy = [_binned(steps, values, step) for steps, values in tidy]
        steps = np.concatenate([steps[:0], *(steps for steps, _ in tidy)])
    if how == "interpolate" and width is not None and len(steps):
        at = _multiples(steps, width)
    else:
        at = _distinct(steps)
    found = np.full((len(at), len(tidy)), np.nan)
    present = np.zeros(found.shape, bool)
    for run, (steps, values) in enumerate(tidy):
        if not len(steps) or not len(at):  # there may be no multiple between two steps
            continue
        if how == "interpolate":
            begin, end = at.searchsorted(steps[0]), at.searchsorted(steps[-1], side="right")
            within = slice(int(begin), int(end))
            found[within, run] = _between(at[within], steps, values)
            present[within, run] = True
        places = np.minimum(at.searchsorted(steps), len(at) - 1)
        known = at[places] == steps  # these as they are, to the last bit
        found[places[known], run] = values[known]
        present[places[known], run] = True
    return Aligned(at, found, present)


def _tidy(
    steps: npt.NDArray[Any], values: npt.NDArray[Any], nan: NanRule
) -> tuple[npt.NDArray[Any], Doubles]:
    """Ascending, distinct steps and their values."""
    if np.iscomplexobj(values):
        raise TypeError("complex numbers have no statistics here")
    values = values.astype(np.float64)
    if steps.dtype.kind in "iu":
        steps, kept = steps.astype(np.int64), np.ones(len(steps), bool)
    else:
        steps, kept = steps.astype(np.float64), np.isfinite(steps)
    if nan == "omit":
        kept &= ~np.isnan(values)
    steps, values = steps[kept], values[kept]
    if (steps[1:] > steps[:-1]).all():
        return steps, values
    at, last = np.unique(steps[::-1], return_index=True)  # the first of equals, from behind
    return at, values[::-1][last]


def _distinct(steps: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As np.unique, which is far slower than merging what is in order already."""
    ordered = np.sort(steps, kind="stable")
    distinct: npt.NDArray[Any] = ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(steps)]]
    return distinct


def _width(width: float | None, how: Align, whole: bool) -> float | None:
    if width is None:
        return None
    if how == "exact":
        raise ValueError(f'width: align="exact" has none, got {width}')
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"width: want a number above 0, got {width}")
    if not whole:
        return float(width)
    if width != int(width) or width >= 1 << 63:
        raise ValueError(f"width: want a whole number of steps, got {width}")
    return int(width)


def _usual_distance(runs: Iterable[npt.NDArray[Any]]) -> float:
    """The greatest of the runs' median distances between two points; 1 where none has two."""
    distances = [_beyond(steps[1:], steps[:-1]) for steps in runs if len(steps) > 1]
    greatest: float = max((np.median(one).item() for one in distances), default=1)
    if any(one.dtype.kind != "u" for one in distances):
        return greatest
    return min(math.ceil(greatest), 1 << 62)


def _binned(
    steps: npt.NDArray[Any], values: Doubles, width: float
) -> tuple[npt.NDArray[Any], Doubles]:
    if not len(steps):
        return steps, values
    bins, begins, counts = np.unique(
        np.floor_divide(steps, width), return_index=True, return_counts=True
    )
    with np.errstate(invalid="ignore", over="ignore"):
        at = bins * width
        if len(at) and at.dtype == np.int64 and at[0] > steps[0]:
            at[0] = np.iinfo(np.int64).min  # where the first bin begins is beyond int64
        return at, np.add.reduceat(values, begins) / counts


def _multiples(steps: npt.NDArray[Any], width: float) -> npt.NDArray[Any]:
    """The multiples of a width from the first step to the last."""
    first, last = steps.min().item(), steps.max().item()
    begin, end = -(-first // width), last // width
    if end - begin >= _MOST_PLACES:
        raise ValueError(f"width: {width} would make {end - begin + 1:,.0f} places; want a wider")
    multiples: npt.NDArray[Any] = np.arange(begin, end + 1, dtype=steps.dtype) * width
    return multiples


def _between(at: npt.NDArray[Any], steps: npt.NDArray[Any], values: Doubles) -> Doubles:
    """Straight lines between neighbours, taken from the first step on: steps may be large."""
    with np.errstate(invalid="ignore", over="ignore"):
        between: Doubles = np.interp(_beyond(at, steps[0]), _beyond(steps, steps[0]), values)
    return between


def _beyond(steps: npt.NDArray[Any], begin: Any) -> npt.NDArray[Any]:
    """How far steps are beyond others, 0 or more: of int64 that may be more than int64 holds."""
    beyond: npt.NDArray[Any] = steps - begin
    return beyond.view(np.uint64) if beyond.dtype == np.int64 else beyond
