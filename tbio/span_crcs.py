"""CRCs of many overlapping spans of one buffer, without going over its bytes more than once.

The CRC of a span is that of all bytes up to its end, less that of all bytes up to its beginning,
moved on by as many zero bytes as the span has: a CRC is linear over GF(2) (zlib's crc32_combine
rests on the same). The CRCs up to every `STEP_BYTES` are kept; moving a CRC on by a length takes
one table for each four bits of the length.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from tbio.masked_crc import crc32c

STEP_BYTES = 1 << 10

_Longs = npt.NDArray[np.int64]
_Crcs = npt.NDArray[np.uint32]


class SpanCrcs:
    """The CRC-32C of spans of a buffer that grows at its end and is cut at its beginning.

    >>> spans = SpanCrcs()
    >>> (crc,) = spans.of(b"one, two, three", np.array([5]), np.array([8]))
    >>> int(crc) == crc32c(b"two")
    True
    """

    def __init__(self) -> None:
        self._marks = [0]  # the CRC up to each step, from some byte on

    def of(self, buffer: bytes | bytearray, begins: _Longs, ends: _Longs) -> _Crcs:
        """The CRC of each span; uint32[n].

        Args:
            begins, ends: int64[n], places in the buffer, none of them behind its end; spans of less
                than 2**32 bytes.
        """
        edges, which = np.unique(np.concatenate([begins, ends]), return_inverse=True)
        with memoryview(buffer) as view:
            marks = self._marks
            last = int(edges[-1]) if len(edges) else 0
            for at in range((len(marks) - 1) * STEP_BYTES, last - STEP_BYTES + 1, STEP_BYTES):
                marks.append(crc32c(view[at : at + STEP_BYTES], marks[-1]))
            crcs = np.empty(len(edges), np.uint32)
            begin = crc = 0  # where the stretch up to the next edge begins, and the CRC up to it
            for i, at in enumerate(edges.tolist()):
                if begin <= at - at % STEP_BYTES:
                    begin = at - at % STEP_BYTES
                    crc = marks[at // STEP_BYTES]
                crcs[i] = crc = crc32c(view[begin:at], crc)
                begin = at
        both = crcs[which.reshape(-1)]
        moved: _Crcs = both[len(begins) :] ^ _moved_on(both[: len(begins)], ends - begins)
        return moved

    def cut(self, steps: int) -> None:
        """The buffer has lost its first ``steps * STEP_BYTES`` bytes."""
        del self._marks[:steps]
        if not self._marks:
            self._marks.append(0)


def _moved_on(crcs: _Crcs, lengths: _Longs) -> _Crcs:
    """What each CRC does to the CRC of the bytes behind, ``lengths`` of them."""
    rest = lengths
    for table in _tables():
        if not rest.any():
            break
        digit = rest & 15
        moved = np.zeros_like(crcs)
        for i in range(4):
            moved ^= table[digit, i, crcs >> np.uint32(8 * i) & np.uint32(0xFF)]
        crcs, rest = moved, rest >> 4
    return crcs


@functools.cache
def _tables() -> list[npt.NDArray[np.uint32]]:
    """For each four bits of a length, the lowest first: uint32[16, 4, 256].

    Of the digit and of each byte of a CRC: what that byte becomes.
    """
    # One zero byte: the lowest byte leaves the register and comes back by the CRC's own table.
    byte = np.arange(256)
    own = np.array([crc32c(bytes([i])) ^ crc32c(b"\0") for i in byte.tolist()], np.uint32)
    step = np.array([own, *(byte << 8 * i for i in range(3))], np.uint32)
    tables = []
    for _ in range(8):
        table = np.empty((16, 4, 256), np.uint32)
        for i in range(4):
            table[0, i] = byte << 8 * i
        for digit in range(1, 16):
            table[digit] = _applied(step, table[digit - 1])
        step = _applied(step, table[15])
        tables.append(table)
    return tables


def _applied(step: npt.NDArray[np.uint32], crcs: _Crcs) -> _Crcs:
    found = np.zeros_like(crcs)
    for i in range(4):
        found ^= step[i][crcs >> np.uint32(8 * i) & np.uint32(0xFF)]
    return found
