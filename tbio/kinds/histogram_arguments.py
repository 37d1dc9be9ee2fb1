"""Arguments of histograms: numbers of buckets, edges, limits and counts, checked."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from tbio import arrays

#: How many buckets a histogram may have at most: it takes 16 to 24 MB then.
MOST_BUCKETS = 1 << 20


def edges_or_number(what: str, value: Any) -> int | npt.NDArray[np.float64]:
    """A number of buckets as it is; edges as float64 [k + 1], ascending, infinite ones allowed.

    Raises:
        TypeError: neither a number nor an array of real numbers.
        ValueError: less than one bucket, or too many; edges that do not ascend.
    """
    array = arrays.real_numbers(what, value)
    if array.ndim == 0:
        return whole_number(what, value, 1)
    edges = doubles(what, array)
    if np.isnan(edges).any() or (edges[1:] < edges[:-1]).any():
        raise ValueError(f"{what}: want edges in ascending order")
    if len(edges) < 2:
        raise ValueError(f"{what}: want two edges or more, got {len(edges)}")
    return edges


def whole_number(what: str, value: Any, least: int) -> int:
    """A number of buckets, from ``least`` to `MOST_BUCKETS`.

    Raises:
        TypeError: something else than an integer.
        ValueError: a number out of that range.
    """
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{what}: want an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError as error:
        raise TypeError(f"{what}: want an integer, got {value!r:.80}") from error
    if not least <= number <= MOST_BUCKETS:
        raise ValueError(f"{what}: want {least} to {MOST_BUCKETS}, got {number}")
    return number


def double(what: str, value: Any) -> float:
    """One real number of any framework.

    Raises:
        TypeError, ValueError: something else, or an integer too large for a double.
    """
    try:
        return float(arrays.number(value))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}: {error}") from error
    except OverflowError as error:
        raise ValueError(f"{what}: an integer too large for a double") from error


def doubles(what: str, values: Any) -> npt.NDArray[np.float64]:
    """Real numbers of any framework in one dimension, in new memory.

    Raises:
        TypeError, ValueError: something else.
    """
    array = arrays.real_numbers(what, values)
    if array.ndim != 1:
        raise ValueError(f"{what}: want one dimension, got shape {array.shape}")
    return array.astype(np.float64)
