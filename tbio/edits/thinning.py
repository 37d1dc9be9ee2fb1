"""Thinning: which points of a series stay when there are to be fewer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def every(count: int, stride: int) -> Mask:
    """The first of ``count`` points and each ``stride``-th after it, bool[count]."""
    mask = np.zeros(count, bool)
    mask[::stride] = True
    return mask


def last(count: int, most: int) -> Mask:
    """The last ``most`` of ``count`` points, bool[count]."""
    mask = np.ones(count, bool)
    mask[: max(count - most, 0)] = False
    return mask


def lttb(steps: npt.ArrayLike, values: npt.ArrayLike, most: int) -> Mask:
    """The points that show the shape of a curve best: largest triangle three buckets.

    S. Steinarsson, Downsampling Time Series for Visual Representation (2013), section 4.2: the
    first and the last point stay, and of each bucket between them the point that makes the largest
    triangle with the one that was kept before and the mean of the next bucket. Points that are not
    finite make no triangle; where a bucket has no other its first one stays.

    Args:
        steps: [n], of any numbers.
        values: [n], of any numbers.
        most: how many stay at most, 2 or more.

    Returns:
        bool[n]

    >>> np.flatnonzero(lttb(range(6), [0, 0, 9, 0, 0, 0], 3))
    array([0, 2, 5])
    """
    x: npt.NDArray[Any] = np.asarray(steps, np.float64)
    y: npt.NDArray[Any] = np.asarray(values, np.float64)
    count = len(x)
    if count <= most:
        return np.ones(count, bool)
    mask = np.zeros(count, bool)
    mask[[0, -1]] = True
    edges = np.linspace(1, count - 1, most - 1).astype(np.int64)
    ends = [*edges[1:].tolist(), count]
    kept = 0
    finite = np.isfinite(y)
    for begin, end, after in zip(edges.tolist(), ends, [*ends[1:], count], strict=True):
        if end == count:
            break
        following = np.flatnonzero(finite[end:after]) + end
        if not len(following):
            following = np.array([min(end, count - 1)])
        to_x, to_y = x[following].mean(), y[following].mean()
        with np.errstate(invalid="ignore", over="ignore"):
            area = abs(
                (x[kept] - to_x) * (y[begin:end] - y[kept])
                - (x[kept] - x[begin:end]) * (to_y - y[kept])
            )
        area[~np.isfinite(area)] = -1
        kept = begin + int(area.argmax())
        mask[kept] = True
    return mask


def not_superseded(steps: npt.NDArray[np.int64]) -> Mask:
    """The points behind which the series never comes back to their step, bool[n].

    That is what TensorBoard's data server leaves (tensorboard/data/server/reservoir.rs).

    >>> np.flatnonzero(not_superseded(np.array([0, 1, 2, 1, 3])))
    array([0, 3, 4])
    """
    after = np.minimum.accumulate(steps[::-1])[::-1][1:]
    mask: Mask = np.append(steps[:-1] < after, np.ones(min(len(steps), 1), bool))
    return mask
