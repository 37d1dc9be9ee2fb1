"""Bands of a histogram: the values below which given shares of it lie, as TensorBoard draws them.

TensorBoard's distributions dashboard and `EventAccumulator.CompressedHistograms` show these. They
come from two functions of tensorboard/plugins/distribution/compressor.py that differ in what they
take for the outermost edges; here each gives the same doubles, to the last bit. What looks odd is
theirs: a histogram of nothing is all zeros, and once a band is beyond the last bucket all that
follow it are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio.errors import DecodeError
from tbio.proto.summary_pb2 import HistogramProto

#: Basis point (hundredth of a percent) and value of each band.
Bands: TypeAlias = list[tuple[float, float]]

#: The shares of a normal distribution below -inf, -1.5, -1, -0.5, 0, 0.5, 1, 1.5 and inf standard
#: deviations, in basis points.
NORMAL_BASIS_POINTS = (0, 668, 1587, 3085, 5000, 6915, 8413, 9332, 10000)


def compress(rows: npt.NDArray[Any], basis_points: Sequence[float] = NORMAL_BASIS_POINTS) -> Bands:
    """The bands of buckets as TensorBoard has loaded them (``compress_histogram``).

    Args:
        rows: [k, 3], a row a bucket: left edge, right edge, count.
        basis_points: ascending; the last one stands for the whole.

    >>> compress(np.array([[0.0, 10.0, 5.0], [10.0, 20.0, 5.0]]), (0, 2500, 10000))
    [(0, 0.0), (2500, 5.0), (10000, 20.0)]
    """
    if not rows.size:
        return [(point, 0.0) for point in basis_points]
    lefts, rights, counts = rows.T.astype(np.float64)
    return _bands(counts, rights, float(lefts[0]), float(rights[-1]), basis_points)


def compress_proto(
    histo: HistogramProto, basis_points: Sequence[float] = NORMAL_BASIS_POINTS
) -> Bands:
    """The bands of a HistogramProto as it is in the log (``compress_histogram_proto``).

    Raises:
        DecodeError: there are fewer limits than buckets, and a band falls where they lack.
    """
    if not histo.num:
        return [(point, 0.0) for point in basis_points]
    counts = np.array(histo.bucket, np.float64)
    limits = np.array(histo.bucket_limit, np.float64)
    try:
        return _bands(counts, limits, histo.min, histo.max, basis_points)
    except IndexError as error:
        raise DecodeError(
            f"a histogram of {len(limits)} bucket limits for {len(counts)} buckets"
        ) from error


def _bands(
    counts: npt.NDArray[np.float64],
    rights: npt.NDArray[np.float64],
    low: float,
    high: float,
    points: Sequence[float],
) -> Bands:
    if not points:
        return []
    with np.errstate(all="ignore"):
        weights = (counts * points[-1] / (counts.sum() or 1.0)).cumsum()
    bands: Bands = []
    for number, point in enumerate(points):
        # One by one: where counts are negative, a search for several at once ends elsewhere.
        at = int(weights.searchsorted(point, side="right"))
        while at < len(weights) and weights[at] == (weights[at - 1] if at else 0.0):
            at += 1
        if at == len(weights):
            return bands + [(later, high) for later in points[number:]]
        above, below = float(weights[at]), float(weights[at - 1]) if at else 0.0
        # The order of the arguments matters where one of them is NaN.
        left = max(float(rights[at - 1]), low) if below else low
        right = min(float(rights[at]), high)
        share = (point - below) * (right - left) / (above - below)
        bands.append((point, left + share))
    return bands
