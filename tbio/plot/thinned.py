"""Thinned: as many points as can be seen, with every extreme among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

#: Columns across a panel: more than the pixels of one at the resolution of print.
COLUMNS = 2000


def thinned(
    x: Doubles, y: Doubles, columns: int = COLUMNS, log_x: bool = False
) -> npt.NDArray[np.int64]:
    """Which points of a line to draw so that it looks the same: int64 [k], ascending.

    The line is cut into the stretches that it spends in one of the ``columns``. Of each stretch the
    first and the last point stay, and the lowest and the highest: what lies between them covers the
    same pixels. A line that goes back and forth is followed as it goes. Of a stretch without finite
    values one point stays, so that the gap does.

    Args:
        x, y: [n], with y perhaps not finite.
        log_x: whether the columns are equally wide on a logarithmic axis.

    >>> y = np.zeros(1_000_000)
    >>> y[123_456] = 1
    >>> kept = thinned(np.arange(1e6), y, columns=100)
    >>> len(kept) <= 400, 123_456 in kept
    (True, True)
    """
    if len(x) <= 4 * columns:
        return np.arange(len(x))
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.log(x) if log_x else x
    known = np.isfinite(place)
    if not known.any():
        return np.arange(min(len(x), 1))
    low, high = place[known].min(), place[known].max()
    scale = columns / (high - low) if high > low else 0.0
    column = np.minimum((np.where(known, place, low) - low) * scale, columns - 1)
    column = np.where(known, column, -1).astype(np.int64)
    starts = np.flatnonzero(np.diff(column, prepend=-2))
    ends = np.append(starts[1:], len(x)) - 1
    lowest = _first(np.where(np.isfinite(y), y, np.inf), np.minimum, starts, ends)
    highest = _first(np.where(np.isfinite(y), y, -np.inf), np.maximum, starts, ends)
    return np.unique(np.concatenate([starts, ends, lowest, highest]))


def _first(
    y: Doubles, extreme: Any, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Where the extreme of each stretch stands first."""
    reached = np.flatnonzero(y == np.repeat(extreme.reduceat(y, starts), ends - starts + 1))
    first: npt.NDArray[np.int64] = reached[np.searchsorted(reached, starts)]
    return first
