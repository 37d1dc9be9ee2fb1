"""Bands: the centre of several runs, and how far they spread around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio.aggregates import Align, Centre, align

Doubles = npt.NDArray[np.float64]

#: What the band shows: one standard deviation of the runs (of a sample), or the standard error of
#: their mean, to both sides; the least and the greatest value; the middle half of the runs; the
#: interval in which the centre lies with 95 % confidence; nothing.
Spread: TypeAlias = Literal["std", "stderr", "minmax", "iqr", "bootstrap", "none"]

#: More values than this are not held beside each other where the runs' places all differ.
_MOST_VALUES = 20_000_000
_PLACES = 8000


class Band(NamedTuple):
    """Centre and spread at each x.

    Attributes:
        x: float64 [n], ascending.
        centre: float64 [n].
        low, high: float64 [n]; NaN where a single run has no spread.
    """

    x: Doubles
    centre: Doubles
    low: Doubles
    high: Doubles


def band(
    lines: Sequence[tuple[Doubles, Doubles]],
    spread: Spread = "std",
    centre: Centre = "mean",
    how: Align = "interpolate",
    width: float | None = None,
) -> Band:
    """Several lines as one, with a band; `tbio.aggregates` does the arithmetic.

    Args:
        lines: x and y of each.
        how, width: how they come together where their x differ (`tbio.aggregates.align`).

    >>> lines = [(np.array([0.0, 2.0]), np.array([1.0, 1.0])), (np.arange(3.0), np.arange(3.0))]
    >>> band(lines, "minmax").centre
    array([0.5, 1. , 1.5])
    """
    if how == "interpolate" and width is None:
        points = sum(len(x) for x, _ in lines)
        if points * len(lines) > _MOST_VALUES:
            known = np.concatenate([x[np.isfinite(x)] for x, _ in lines])
            width = float(np.ptp(known)) / _PLACES or None
    found = align(lines, how, width=width)
    middle = found.statistic(centre)
    if spread == "minmax":
        low, high = found.statistic("min"), found.statistic("max")
    elif spread == "iqr":
        low, high = np.full(len(found), np.nan), np.full(len(found), np.nan)
        held = found.count > 0
        low[held], high[held] = np.nanpercentile(found.values[held], [25, 75], axis=1)
    elif spread == "bootstrap":
        low, high = found.interval(centre)
    elif spread == "none":
        low = high = middle
    else:
        deviation = found.statistic(spread)
        low, high = middle - deviation, middle + deviation
    return Band(found.at.astype(np.float64), middle, low, high)
