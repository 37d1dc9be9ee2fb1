"""Smoothing as the TensorBoard page does it, at numpy's speed.

The page's formula is an exponential moving average without the bias of its start
(tensorboard/webapp/widgets/line_chart_v2/data_transformer.ts, ``classicSmoothing``)::

    last = last * weight + (1 - weight) * value
    smoothed = last / (1 - weight ** number_of_values_so_far)

Here ``last`` is the sum of the values times ``(1 - weight) * weight ** age``, found by doubling:
when each element has the sum over the last k values, it gets that over the last 2 k by adding
``weight ** k`` times the element k before it. There are log2(n) such passes at most, and fewer for
small weights, since they end when ``weight ** k`` is zero. Nothing is divided by a small power, and
no sum exceeds the largest value, so nothing overflows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt


def smoothed(values: npt.NDArray[Any], weight: float) -> npt.NDArray[np.float64]:
    """The values smoothed, float64 [n].

    Values that are not finite are kept and passed over; a constant series is returned as it is.

    Equal to the formula taken one by one up to rounding: for weights to 0.999 within 1e-12 of the
    magnitude of what is averaged (this same average, of the absolute values).

    Args:
        values: [n] real numbers, Python objects among them.
        weight: from 0 (not at all) to 1 (every finite value becomes 0, as on the page); what is
            beyond is taken for the nearer of the two.

    Raises:
        TypeError: complex values.
        ValueError: a weight that is NaN.

    >>> smoothed(np.array([0.0, 1.0, 1.0]), 0.5).round(3)
    array([0.   , 0.667, 0.857])
    """
    weight = float(weight)
    if math.isnan(weight):
        raise ValueError("weight: want a number from 0 to 1, got nan")
    weight = min(max(weight, 0.0), 1.0)
    if np.iscomplexobj(values):
        raise TypeError("values: complex numbers cannot be smoothed")
    given = np.array(values, np.float64)
    if weight == 0 or not len(given) or bool((given == given[0]).all()):
        return given
    finite = np.isfinite(given)
    if finite.all():
        return _average(given, weight)
    given[finite] = _average(given[finite], weight)
    return given


def _average(values: npt.NDArray[np.float64], weight: float) -> npt.NDArray[np.float64]:
    """The formula for finite values, in their own memory."""
    if weight == 1:
        return np.zeros(len(values))
    with np.errstate(over="ignore"):  # of the largest doubles, by rounding alone
        values *= 1 - weight
        older = np.empty_like(values)
        age, power = 1, weight
        while age < len(values) and power:
            values[age:] += np.multiply(values[:-age], power, out=older[age:])
            age, power = 2 * age, power * power
        # Of more values than this the divisor is 1.
        young = min(len(values), math.ceil(-54 * math.log(2) / math.log(weight)))
        values[:young] /= 1 - weight ** np.arange(1.0, young + 1)
    return values
