"""The values of a histogram: real numbers in one dimension, as they wait to be counted.

The caller copies them as they are, in their own type, and looks for the least and the greatest,
which also tells whether all are finite: for 100 000 float32 that is a hundredth of the work. All
that is left can wait for the writer's thread, and is done in doubles, some at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio import arrays, recycled

Doubles: TypeAlias = npt.NDArray[np.float64]

#: Values that are float64 at the same time, of other types: a buffer of 1 MB.
BLOCK = 1 << 17
#: Above some 10 000 values, the library behind ``dot`` (OpenBLAS) wakes threads of its own, one a
#: core, and they go on spinning for milliseconds after it is done.
_DOT = 1 << 13
_SAFE_EXPONENT = 500  # up to 2**500, sums of values stay in range


class Values(NamedTuple):
    """Finite values on their way to be counted, in memory of their own.

    Attributes:
        numbers: [n], of any real dtype whose numbers all are doubles once they are rounded.
        low: the least of them; 0 where there is none.
        high: the greatest.
    """

    numbers: npt.NDArray[Any]
    low: float
    high: float


def prepare(values: Any) -> tuple[Values, str]:
    """The finite ones among real numbers of any framework and shape, copied.

    Returns:
        They, and what has to be told of them: that some were left out, or that there is none.

    Raises:
        TypeError, ValueError: see `tbio.arrays.real_numbers`.

    >>> prepare([[1.0, 4.0], [2.0, float("nan")]])
    (Values(numbers=array([1., 4., 2.]), low=1.0, high=4.0), '1 of 4 values is not finite and was \
left out')
    """
    array = np.asarray(arrays.real_numbers("values", values))
    with np.errstate(over="ignore", invalid="ignore"):
        if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
            # A long double may be beyond a double; of float16, comparisons take 50 times as long.
            numbers = array.astype(np.float64, order="K").ravel(order="K")
        else:
            numbers = recycled.copy(array).ravel(order="K")
        if not numbers.size:
            return Values(numbers, 0.0, 0.0), "there are no values: an empty histogram is stored"
        low, high = float(numbers.min()), float(numbers.max())  # NaN if there is one
    if math.isfinite(low) and math.isfinite(high):
        return Values(numbers, low, high), ""
    finite = numbers[np.isfinite(numbers)]
    left_out = numbers.size - finite.size
    verbs = "is not finite and was" if left_out == 1 else "are not finite and were"
    note = f"{left_out} of {numbers.size} values {verbs} left out"
    if not finite.size:
        return Values(finite, 0.0, 0.0), f"{note}: an empty histogram is stored"
    return Values(finite, float(finite.min()), float(finite.max())), note


def doubles(numbers: npt.NDArray[Any]) -> Doubles:
    """All of them as float64; the same memory where they are."""
    return numbers.astype(np.float64, copy=False)


def blocks(numbers: npt.NDArray[Any]) -> Iterator[Doubles]:
    """All of them as float64, at most `BLOCK` at a time, each block in the memory of the last.

    >>> [block.tolist() for block in blocks(np.array([1, 2], np.uint8))]
    [[1.0, 2.0]]
    """
    if numbers.dtype == np.float64:
        for start in range(0, numbers.size, BLOCK):
            yield numbers[start : start + BLOCK]
        return
    buffer = recycled.empty(min(numbers.size, BLOCK), np.float64)
    for start in range(0, numbers.size, BLOCK):
        part = numbers[start : start + BLOCK]
        block = buffer[: part.size]
        np.copyto(block, part)
        yield block


def sums(numbers: npt.NDArray[Any]) -> tuple[float, float]:
    """The sum of finite numbers and that of their squares, in float64.

    Where one is beyond that it is infinite; the sum only if it itself is, and not on the way to it.

    >>> sums(np.array([1, 2, 3], np.float32))
    (6.0, 14.0)
    """
    total = squares = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for block in blocks(numbers):
            total += float(block.sum())
            for start in range(0, block.size, _DOT):
                part = block[start : start + _DOT]
                squares += float(part.dot(part))
        if not math.isfinite(total):
            scaled = sum(float(np.ldexp(block, -_SAFE_EXPONENT).sum()) for block in blocks(numbers))
            total = float(np.ldexp(scaled, _SAFE_EXPONENT))
    return total, squares
