"""A histogram as it stands in a log, and what can be asked of it.

Where a value lies in its bucket is not known: all answers take the values of a bucket to be spread
evenly over it. So does TensorBoard (tensorboard/plugins/distribution/compressor.py). A bucket whose
two edges are equal has all of its values there (TF 2's histogram of equal values), and so has one
that reaches to infinity, at its infinite end. Buckets without values have no say: there may be gaps
among the others, but they must not overlap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from tbio.errors import DecodeError
from tbio.kinds import histogram_arguments, histogram_bands
from tbio.kinds.histogram_bands import Bands

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Histogram:
    """The histogram of one step. Its arrays are read-only.

    Attributes:
        lefts: float64 [k], the left edge of each bucket.
        rights: float64 [k], the right edge. A bucket is closed on the left and open on the right,
            the last one closed.
        counts: float64 [k], how many values each has; not always whole.
        rows: [k, 3], left edge, right edge and count as TensorBoard has them once loaded: float32
            of the old encoding (tensorboard/data_compat.py), else of the dtype of the log.
        min: the least value; of the new encoding the first left edge, NaN where there is none.
        max: the greatest value; of the new encoding the last right edge, NaN where there is none.
        num: how many values the writer has seen; None of the new encoding, as the two below.
        sum: of all values.
        sum_squares: the sum of their squares.

    >>> histogram = of_rows(np.array([[0.0, 1.0, 2.0], [1.0, 3.0, 2.0]]))
    >>> histogram
    <Histogram: 4 values in 2 buckets, 0 to 3>
    >>> histogram.percentile(75)
    2.0
    >>> histogram.rebin([0, 2, 3]).counts
    array([3., 1.])
    """

    lefts: Doubles
    rights: Doubles
    counts: Doubles
    rows: npt.NDArray[Any]
    min: float
    max: float
    num: float | None = None
    sum: float | None = None
    sum_squares: float | None = None

    def __post_init__(self) -> None:
        for column in (self.lefts, self.rights, self.counts, self.rows):
            column.flags.writeable = False

    def __repr__(self) -> str:
        k = len(self.counts)
        return (
            f"<Histogram: {self.count:.12g} values in {k} bucket{'s' if k != 1 else ''}, "
            f"{self.min:.6g} to {self.max:.6g}>"
        )

    @property
    def count(self) -> float:
        """How many values there are in the buckets."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.counts.sum())

    @property
    def edges(self) -> Doubles:
        """The edges of the buckets, float64 [k + 1]; none for no bucket.

        Raises:
            DecodeError: a bucket does not begin where the one before it ends.
        """
        ends, begins = self.rights[:-1], self.lefts[1:]
        apart = np.flatnonzero((ends != begins) & ~(np.isnan(ends) & np.isnan(begins)))
        if len(apart):
            at = int(apart[0])
            raise DecodeError(
                f"bucket {at} ends at {ends[at]} and the next one begins at {begins[at]}: "
                "take .lefts and .rights"
            )
        edges = np.concatenate([self.lefts[:1], self.rights])
        edges.flags.writeable = False
        return edges

    @overload
    def cdf(self, x: float) -> float: ...

    @overload
    def cdf(self, x: npt.ArrayLike | None = None) -> Any: ...

    def cdf(self, x: npt.ArrayLike | None = None) -> Any:
        """The share of the values that are ``x`` or less, from 0 to 1.

        NaN where there are no values, or edges that are no numbers.

        Args:
            x: a number, or an array of any shape; None asks at each of `edges`, for a plot of one
                over the other.

        Returns:
            A float; for an array a float64 array of its shape.

        Raises:
            DecodeError: buckets that overlap; counts that are negative or not finite; for None what
                `edges` raises.
        """
        mass = self._mass()
        if x is None:
            edges = self.edges
            if not len(edges) or mass is None:
                return np.full(len(edges), math.nan)
            return np.concatenate([[0.0], np.cumsum(self.counts)]) / mass.total
        points = np.asarray(x, np.float64)
        if mass is None:
            return _as_given(np.full(points.shape, math.nan))
        whole = np.searchsorted(mass.highs, points, side="right")  # buckets that end at x or before
        at = np.minimum(whole, len(mass.highs) - 1)
        low, high = mass.lows[at], mass.highs[at]
        cut = (whole == at) & (low < points)
        below = (
            mass.below[whole] + np.where(cut, _ratio(low, points, low, high), 0) * mass.counts[at]
        )
        return _as_given(np.where(np.isnan(points), math.nan, below / mass.total))

    @overload
    def percentile(self, q: float) -> float: ...

    @overload
    def percentile(self, q: npt.ArrayLike) -> Any: ...

    def percentile(self, q: npt.ArrayLike) -> Any:
        """The value that ``q`` percent of the values do not exceed: the inverse of `cdf`.

        Where a gap comes after just ``q`` percent, that is the right end of the gap. NaN where
        there are no values, or edges that are no numbers.

        Args:
            q: from 0 to 100, a number or an array of any shape.

        Returns:
            A float; for an array a float64 array of its shape.

        Raises:
            ValueError: ``q`` out of range.
            DecodeError: buckets that overlap; counts that are negative or not finite.
        """
        percents = np.asarray(q, np.float64)
        if not ((percents >= 0) & (percents <= 100)).all():
            raise ValueError(f"percentile: want 0 to 100, got {q!r:.80}")
        mass = self._mass()
        if mass is None:
            return _as_given(np.full(percents.shape, math.nan))
        wanted = percents / 100 * mass.total
        at = np.searchsorted(mass.below, wanted, side="right") - 1
        at = np.minimum(at, len(mass.counts) - 1)
        low, high = mass.lows[at], mass.highs[at]
        before, after = mass.below[at], mass.below[at + 1]
        share = np.where(wanted < after, _ratio(before, wanted, before, after), 1)
        with np.errstate(invalid="ignore"):
            between = np.clip(low * (1 - share) + high * share, low, high)
        return _as_given(np.where(low == high, low, between))

    def rebin(self, edges_or_number: npt.ArrayLike) -> Histogram:
        """The same values in other buckets: those that are cut give a part as wide as the piece.

        No value is lost: the first and the last bucket also have what lies beyond them.

        Args:
            edges_or_number: edges, ascending, the outer ones perhaps infinite; or a number of
                buckets of equal width, from the first value to the last one.

        Returns:
            A histogram with ``rows`` in float64; min, max and the sums are kept.

        Raises:
            TypeError: something else than a number or an array of real numbers.
            ValueError: edges that do not ascend; a number of buckets below 1 or above 2**20, or
                for values that reach to infinity.
            DecodeError: buckets that overlap; edges that are no numbers; counts that are negative
                or not finite.
        """
        wanted = histogram_arguments.edges_or_number("edges_or_number", edges_or_number)
        mass = self._mass()
        if mass is None and self.counts.any():
            raise DecodeError("the histogram has edges that are no numbers")
        edges = wanted if isinstance(wanted, np.ndarray) else _equal_edges(mass, wanted)
        counts = np.zeros(len(edges) - 1)
        if mass is not None:
            inner, number = edges[1:-1], len(counts)
            wide = mass.lows < mass.highs
            places = np.searchsorted(inner, mass.lows[~wide], side="right")
            counts += np.bincount(places, mass.counts[~wide], number)
            begins, part = _pieces(mass.lows[wide], mass.highs[wide], mass.counts[wide], inner)
            places = np.searchsorted(inner, begins, side="right")
            counts += np.bincount(places, part, number)
        rows = np.stack([edges[:-1], edges[1:], counts], axis=1)
        return of_rows(
            rows,
            min=self.min,
            max=self.max,
            num=self.num,
            sum=self.sum,
            sum_squares=self.sum_squares,
        )

    @property
    def mean(self) -> float:
        """The mean: from the sums where the log holds them, else an estimate; NaN of no values."""
        if self.num is not None and self.sum is not None and 0 < self.num < math.inf:
            return self.sum / self.num
        mass = self._mass()
        if mass is None:
            return math.nan
        with np.errstate(invalid="ignore"):
            return float(np.sum(mass.counts / mass.total * mass.middles))

    @property
    def std(self) -> float:
        """The standard deviation of the values (not of a sample), told or estimated as `mean`."""
        num, squares = self.num, self.sum_squares
        if num is not None and squares is not None and 0 < num < math.inf and squares < math.inf:
            return math.sqrt(max(squares / num - self.mean * self.mean, 0.0))
        mass = self._mass()
        if mass is None:
            return math.nan
        with np.errstate(invalid="ignore", over="ignore"):
            centre = np.sum(mass.counts / mass.total * mass.middles)
            variances = (mass.middles - centre) ** 2 + (mass.highs - mass.lows) ** 2 / 12
            return math.sqrt(np.sum(mass.counts / mass.total * variances))

    def compressed(
        self, basis_points: Sequence[float] = histogram_bands.NORMAL_BASIS_POINTS
    ) -> Bands:
        """The bands that TensorBoard's distributions dashboard shows, to the last bit.

        It makes them of `rows`. See `tbio.kinds.histogram_bands`.

        Args:
            basis_points: hundredths of a percent, ascending to 10000.

        Returns:
            Basis point and value of each.
        """
        return histogram_bands.compress(self.rows, basis_points)

    def _mass(self) -> _Mass | None:
        """Where the values are; None where there are none, or nobody knows."""
        total = self.count
        if not ((self.counts >= 0).all() and total < math.inf):
            raise DecodeError("the histogram has counts that are negative or not finite")
        held = np.flatnonzero(self.counts)
        lefts, rights, counts = self.lefts[held], self.rights[held], self.counts[held]
        lows = np.where(np.isinf(rights), rights, lefts)
        highs = np.where(np.isinf(lefts), lefts, rights)
        endless = np.isinf(lefts) & np.isinf(rights) & (lefts != rights)
        if not len(held) or endless.any() or np.isnan(lows).any() or np.isnan(highs).any():
            return None
        if (lows > highs).any() or (highs[:-1] > lows[1:]).any():
            raise DecodeError("the histogram has buckets that overlap, or are not in order")
        below = np.concatenate([[0.0], np.cumsum(counts)])
        return _Mass(lows, highs, counts, below, float(below[-1]))


def of_rows(
    rows: npt.NDArray[Any],
    *,
    min: float | None = None,
    max: float | None = None,
    num: float | None = None,
    sum: float | None = None,
    sum_squares: float | None = None,
) -> Histogram:
    """A histogram of [k, 3] rows: left edge, right edge, count.

    The rows become its own, and read-only. ``min`` and ``max`` are the outermost edges unless they
    are given.
    """
    lefts, rights, counts = rows.T.astype(np.float64, order="C")
    if min is None:
        min = float(lefts[0]) if len(lefts) else math.nan
    if max is None:
        max = float(rights[-1]) if len(rights) else math.nan
    return Histogram(lefts, rights, counts, rows, min, max, num, sum, sum_squares)


class _Mass(NamedTuple):
    """The buckets that hold something, from ``lows`` to ``highs``, in order.

    ``below`` has one element more than the others: the count before each, and the total.
    """

    lows: Doubles
    highs: Doubles
    counts: Doubles
    below: Doubles
    total: float

    @property
    def middles(self) -> Doubles:
        return self.lows / 2 + self.highs / 2


def _ratio(begin: Doubles, end: Doubles, low: Doubles, high: Doubles) -> Doubles:
    """The part of [low, high] that [begin, end] is; for anything but low < high without meaning."""
    with np.errstate(all="ignore"):
        ratio = (end - begin) / (high - low)
        halved = (end / 2 - begin / 2) / (high / 2 - low / 2)  # for a width beyond a double
        return np.where(np.isfinite(high - low), ratio, halved)


def _pieces(
    lows: Doubles, highs: Doubles, counts: Doubles, cuts: Doubles
) -> tuple[Doubles, Doubles]:
    """Where the pieces of buckets cut at ``cuts`` begin, and the count of each."""
    marks = np.unique(np.concatenate([lows, highs, cuts]))
    begins, ends = marks[:-1], marks[1:]
    at = np.searchsorted(lows, begins, side="right") - 1
    inside = np.flatnonzero((at >= 0) & (begins < highs[at])) if len(lows) else at[:0]
    begins, ends, at = begins[inside], ends[inside], at[inside]
    return begins, _ratio(begins, ends, lows[at], highs[at]) * counts[at]


def _equal_edges(mass: _Mass | None, number: int) -> Doubles:
    low, high = (float(mass.lows[0]), float(mass.highs[-1])) if mass is not None else (0.0, 0.0)
    if math.isinf(low) or math.isinf(high):
        raise ValueError("the histogram reaches to infinity: give edges in place of a number")
    edges = np.clip(np.linspace(low / 2, high / 2, number + 1) * 2, low, high)
    edges[0], edges[-1] = low, high
    return edges


def _as_given(result: npt.NDArray[np.float64]) -> Any:
    return result if result.ndim else float(result)
