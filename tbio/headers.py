"""Headers of records: a length and its checksum, found among any bytes.

A header is ``<u64 length> <u32 masked CRC of these eight bytes>``, little-endian
(tensorboard/summary/writer/record_writer.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tbio.masked_crc import crc32c, mask, masked_crc

HEADER_BYTES = 12
#: Protobuf refuses longer messages, so that a longer record is damage and no record.
MAX_PAYLOAD_BYTES = 2**31 - 1
HEADER = struct.Struct("<QI")
LENGTH = struct.Struct("<Q")

_Bytes = npt.NDArray[np.uint8]
_Places = npt.NDArray[np.int64]

#: What is looked through at once: little at first, since what is looked for is mostly near, and
#: never so much that memory for it comes from the operating system, page by page.
_FIRST_BYTES = 1 << 8
_MOST_BYTES = 1 << 16
#: From one place in so many on that might be a header, it is cheaper to look at all of them.
_DENSE = 32


def is_record_header(data: bytes | bytearray) -> bool:
    """Whether ``data`` begins with a length and its right checksum.

    >>> is_record_header(bytes.fromhex("0300000000000000 b099490e")), is_record_header(bytes(12))
    (True, False)
    """
    if len(data) < HEADER_BYTES:
        return False
    length, crc = HEADER.unpack_from(data)
    return bool(length <= MAX_PAYLOAD_BYTES and masked_crc(data[:8]) == crc)


def find_headers(
    data: bytes | bytearray, start: int = 0, *, unmasked: bool = False, constant: int | None = None
) -> Iterator[_Places]:
    """Every place from ``start`` on at which a length with its right checksum begins, in order.

    They come by the piece, as int64 arrays. A CRC is linear over GF(2): that of eight bytes is the
    xor of one table entry for each, and a constant. So all places of a piece are tried with a few
    operations on arrays, after a first cut to those whose length is below 2**32 (its upper bytes
    are zero), which is nearly free.

    Args:
        unmasked: also those whose checksum is not masked.
        constant: also those with this in the place of their checksum, but for a length of 0.

    >>> [places.tolist() for places in find_headers(bytes.fromhex("ff 0300000000000000 b099490e"))]
    [[1]]
    """
    size = _FIRST_BYTES
    while start + HEADER_BYTES <= len(data):
        # A copy: a view held by a suspended generator would forbid the buffer to grow.
        with memoryview(data) as view:
            piece = view[start : start + size + HEADER_BYTES - 1].tobytes()
        places = _headers_in(piece, unmasked, constant)
        if len(places):
            yield places + start
        start += size
        size = min(4 * size, _MOST_BYTES)


def _headers_in(data: bytes, unmasked: bool, constant: int | None) -> _Places:
    if _ZEROS.startswith(data):  # as holes in files are
        return _NONE
    piece = np.frombuffer(data, np.uint8)
    count = len(piece) - HEADER_BYTES + 1
    quads = piece[:-1] | piece[1:]
    quads = quads[:-2] | quads[2:]  # of each byte and the three behind it
    looks = quads[4 : 4 + count] == 0
    number = np.count_nonzero(looks)
    if not number:
        return _NONE
    if number > count // _DENSE:
        checksums = piece[8 : 8 + count]
        first = checksums == _first_bytes(data, count, 15) + np.uint8(mask(0) & 0xFF)
        if unmasked:
            first |= checksums == _first_bytes(data, count, 0)
        if constant is not None:
            first |= checksums == constant & 0xFF
        looks &= first
    at = np.flatnonzero(looks)
    crc = np.full(len(at), _CRC_OF_ZEROS, np.uint32)
    stored = np.zeros(len(at), np.uint32)
    for i in range(4):  # the upper four bytes are zero and add nothing
        crc ^= _CRC_TABLE[i][piece[at + i]]
        stored |= piece[at + 8 + i].astype(np.uint32) << np.uint32(8 * i)
    rotated = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    sound = rotated + np.uint32(mask(0)) == stored
    if unmasked:
        sound |= crc == stored
    if constant is not None:
        sound |= (stored == constant) & (quads[at] != 0)
    sound &= piece[at + 3] < 0x80  # at most MAX_PAYLOAD_BYTES
    headers: _Places = at[sound].astype(np.int64)
    return headers


def _first_bytes(data: bytes, count: int, bit: int) -> _Bytes:
    """The eight bits from ``bit`` on of the CRC of each length below 2**32.

    In the masked checksum those from 15 on come first.
    """
    found = np.full(count, _CRC_OF_ZEROS >> bit & 0xFF, np.uint8)
    for i in range(4):
        table = (_CRC_TABLE[i] >> np.uint32(bit)).astype(np.uint8).tobytes()
        found ^= np.frombuffer(data.translate(table), np.uint8)[i : i + count]
    return found


_CRC_OF_ZEROS = crc32c(bytes(8))
_CRC_TABLE = np.array(
    [
        [crc32c(bytes(i) + bytes([byte]) + bytes(7 - i)) ^ _CRC_OF_ZEROS for byte in range(256)]
        for i in range(4)
    ],
    np.uint32,
)
_NONE = np.empty(0, np.int64)
_ZEROS = bytes(_MOST_BYTES + HEADER_BYTES)
