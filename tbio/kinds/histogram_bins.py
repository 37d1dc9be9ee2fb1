"""TensorFlow's default buckets of a histogram, and how many values fall into each.

The edges are those of tensorflow/core/lib/histogram/histogram.cc: 0 and +-1e-12 * 1.1**k up to
1e20. There are 1549 of them, and a search among them for each value is what makes `np.histogram`
slow. `count_default` needs no search:

* The upper 20 bits of a double (sign, exponent, 8 bits of the mantissa) name a *cell*: an interval
  of doubles. Its ends are at most a factor of 1 + 2**-8 apart, and the edges are a factor of 1.1
  apart, so no cell has more than one edge inside.
* A table says of each cell into which bucket its values fall, or, where an edge cuts it, which edge
  that is. One look-up a value, and the few values in cut cells (3 of 100) are compared with the
  edge itself. The comparison is of doubles, so the counts are exact at every edge.

Integers and other floats become doubles first, some at a time, as in torch and tensorboardX.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio import recycled
from tbio.kinds import histogram_values
from tbio.kinds.histogram_values import Doubles

Counts: TypeAlias = npt.NDArray[np.intp]


def _default_edges() -> Doubles:
    positive = []
    edge = 1e-12
    while edge < 1e20:
        positive.append(edge)
        edge *= 1.1
    edges = np.array([*(-edge for edge in reversed(positive)), 0.0, *positive])
    edges.flags.writeable = False
    return edges


#: The edges of the default buckets, ascending: ``default_bins`` of torch's and tensorboardX's
#: `SummaryWriter`, to the last bit. Read-only.
DEFAULT_EDGES = _default_edges()

_EDGES = len(DEFAULT_EDGES)
_SHIFT = np.uint64(44)  # drops all but the upper 20 bits
_CELLS = 1 << 20
_POSITIVE = _CELLS // 2  # cells below this number hold the values without a sign bit
_FEW = 1500  # values; up to here a search is as quick


def count(values: Doubles, edges: Doubles) -> Counts:
    """How many values lie before, between and after the edges.

    Args:
        values: finite, of one dimension.
        edges: ascending; any number of them.

    Returns:
        One count more than there are edges: of the values below the first edge, of those in
        ``[edges[i], edges[i + 1])`` for each ``i``, and of those not below the last edge.

    >>> count(np.array([-1.0, 0.0, 0.5, 1.0, 9.0]), np.array([0.0, 1.0]))
    array([1, 2, 2])
    """
    slots = np.searchsorted(edges, values, side="right")
    return np.bincount(slots, minlength=len(edges) + 1)


def count_default(values: npt.NDArray[Any]) -> Counts:
    """The same as ``count(values, DEFAULT_EDGES)``, several times as fast.

    Args:
        values: finite, of one dimension and any real dtype.

    >>> counts = count_default(np.array([-1e300, 0.0, -0.0, 5e-324, 1e20]))
    >>> int(counts[0]), int(counts[DEFAULT_EDGES.tolist().index(0) + 1]), int(counts[-1])
    (1, 3, 1)
    """
    if values.size <= _FEW:
        return count(histogram_values.doubles(values), DEFAULT_EDGES)
    table = _table()
    cells = recycled.empty(min(values.size, histogram_values.BLOCK), np.uint64)
    places = recycled.empty(cells.size, table.dtype)
    counts = np.zeros(_EDGES + 1, np.intp)
    for block in histogram_values.blocks(values):
        cell, bucket = cells[: block.size], places[: block.size]
        np.right_shift(block.view(np.uint64), _SHIFT, out=cell)
        # No cell is out of range: "clip" only spares numpy a copy of `bucket`.
        table.take(cell.view(np.int64), out=bucket, mode="clip")
        cut = np.flatnonzero(bucket > _EDGES)
        edge = bucket[cut] - (_EDGES + 1)
        bucket[cut] = edge + (block[cut] >= DEFAULT_EDGES[edge])  # below or above that edge
        counts += np.bincount(bucket, minlength=counts.size)
    return counts


@functools.cache
def _table() -> npt.NDArray[np.int16]:
    """What is known of the values of each cell: 2 MB, made at the first need.

    Up to ``_EDGES``: the index of their bucket in what `count` returns. Above: an edge cuts the
    cell, and this less ``_EDGES + 1`` is its index.
    """
    # The edge 0 has the cell of -0.0, since below -0.0, in the same cell, are values below 0; while
    # 0.0 is the least of its own cell, which therefore is not cut.
    edges = np.where(DEFAULT_EDGES == 0, -0.0, DEFAULT_EDGES)
    cells = (edges.view(np.uint64) >> _SHIFT).astype(np.intp)
    # The cells in the order of their values: the negative ones, whose number grows with the
    # magnitude, from the last to the first, and then the others.
    rank = np.where(cells < _POSITIVE, cells + _POSITIVE, _CELLS - 1 - cells)
    bounds: npt.NDArray[Any] = np.concatenate([[0], rank, [_CELLS]])
    ascending = np.repeat(np.arange(_EDGES + 1, dtype=np.int16), np.diff(bounds))
    ascending[rank] = np.arange(_EDGES + 1, 2 * _EDGES + 1)
    return np.concatenate([ascending[_POSITIVE:], ascending[:_POSITIVE][::-1]])
