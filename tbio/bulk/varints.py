"""Varints of many places at once (protobuf's integers: 7 bits a byte, the lowest first)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tbio.bulk.buffer import Longs, Words

_CONTINUES = np.uint64(0x8080808080808080)
_ONE = np.uint64(1)
#: How far the upper groups move, where the lower ones are, and where the upper ones come to be.
_MOVES = [
    (np.uint64(1), np.uint64(0x007F007F007F007F), np.uint64(0x3F803F803F803F80)),
    (np.uint64(2), np.uint64(0x00003FFF00003FFF), np.uint64(0x0FFFC0000FFFC000)),
    (np.uint64(4), np.uint64(0x000000000FFFFFFF), np.uint64(0x00FFFFFFF0000000)),
]


class Varints(NamedTuple):
    """What stands at n places.

    Attributes:
        values: uint64[n], 56 bits of them.
        widths: int64[n], bytes; 0 where there are more than 8.
    """

    values: Words
    widths: Longs


def varints(words: Words) -> Varints:
    """The varint that each word of 8 bytes begins with.

    The last byte is the first whose upper bit is not set. What stands behind it is cut off, and the
    groups of 7 bits are moved together, first two, then four, then all eight of them.

    >>> varints(np.array([0x2A, 0xFF02AC], np.uint64))
    Varints(values=array([ 42, 300], dtype=uint64), widths=array([1, 2]))
    """
    ends = ~words & _CONTINUES
    last = ends & (~ends + _ONE)  # the lowest bit
    bits = words & (last - _ONE) & ~_CONTINUES
    for shift, low, high in _MOVES:
        bits = bits & low | bits >> shift & high
    return Varints(bits, _width(last))


def _width(last: Words) -> Longs:
    """Bytes up to that of which the upper bit is given; 0 where there is none."""
    # As a double a power of two has its exponent in the upper bits: 7 bits a byte, and 1023.
    exponents = last.astype(np.float64).view(np.int64) >> 52
    widths: npt.NDArray[np.int64] = (exponents - 1022) >> 3
    widths[last == 0] = 0
    return widths
