"""TFRecord framing, without files: bytes in, records and damage out.

A record is ``<u64 length> <u32 masked CRC of the length> <payload> <u32 masked CRC of the
payload>``, little-endian (tensorboard/summary/writer/record_writer.py). A stream of them has no
header and no index, so a wrong length costs the frame as well as the record.

`RecordDecoder` takes bytes as they come, in pieces of any size, and answers with records, with
damage, or with nothing, which means that it needs more. Batch reading, following a growing file and
fuzzing are the same code. What it does about damage:

* payload checksum wrong, and a sound header where the next record should begin: that one record is
  lost.
* anything else wrong (length, its checksum, or no header where one should be): everything up to the
  next *sound record* is lost, that is the next 12 bytes that are a length with its right checksum,
  followed by a payload with its right checksum.
* the stream ends inside a record: `finish` says ``truncated``. A record that claims to go on beyond
  the known end of the stream is truncated too, unless a sound record is found inside it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio.errors import DamageError
from tbio.masked_crc import crc32c, mask, masked_crc

HEADER_BYTES = 12
FOOTER_BYTES = 4
#: Protobuf refuses longer messages, so that a longer record is damage and no record.
MAX_PAYLOAD_BYTES = 2**31 - 1

_HEADER = struct.Struct("<QI")
_LENGTH = struct.Struct("<Q")
_FOOTER = struct.Struct("<I")

DamageKind: TypeAlias = Literal["payload", "length", "truncated", "zeros", "compression", "event"]

_WHAT: dict[DamageKind, str] = {
    "payload": "payload checksum wrong",
    "length": "no sound record header",
    "truncated": "the file ends inside a record",
    "zeros": "nothing but zero bytes to the end",
    "compression": "the compressed stream is damaged",
    "event": "a sound record that is no Event",
}


class Record(NamedTuple):
    """One sound record.

    Attributes:
        offset: where its header begins in the stream, in bytes.
        payload: its data.
    """

    offset: int
    payload: bytes


class Damage(NamedTuple):
    """A stretch of the stream that gave no record.

    Attributes:
        offset: where it begins in the stream, in bytes.
        length: how many bytes were lost.
        kind: "payload", "length", "truncated", "zeros"; from the layers above also "compression"
            and "event".
    """

    offset: int
    length: int
    kind: DamageKind

    def __str__(self) -> str:
        return f"{_WHAT[self.kind]} ({self.length} bytes lost)"

    def error(self, path: str) -> DamageError:
        """The error to raise for it."""
        return DamageError(path, self.offset, self.kind, str(self))


def encode_record(payload: bytes) -> bytes:
    """``payload`` framed as one record, 16 bytes longer.

    >>> encode_record(b"abc").hex()
    '0300000000000000b099490e6162636e57f121'
    """
    length = _LENGTH.pack(len(payload))
    return b"".join(
        (
            length,
            _FOOTER.pack(masked_crc(length)),
            payload,
            _FOOTER.pack(masked_crc(payload)),
        )
    )


def is_record_header(data: bytes | bytearray) -> bool:
    """Whether ``data`` begins with a length and its right checksum.

    >>> is_record_header(encode_record(b"abc")), is_record_header(bytes(12))
    (True, False)
    """
    if len(data) < HEADER_BYTES:
        return False
    length, crc = _HEADER.unpack_from(data)
    return bool(length <= MAX_PAYLOAD_BYTES and masked_crc(data[:8]) == crc)


class RecordDecoder:
    """Decodes a stream of records that arrives in pieces.

    Args:
        offset: where in the stream the first byte fed stands; offsets reported count from there.
        end: where the stream ends, if that is known. With it, a length that goes beyond is found
            out at once and memory stays bounded by the largest sound record; without it, the
            decoder holds what it is fed until the record is complete.

    >>> decoder = RecordDecoder()
    >>> data = encode_record(b"one") + encode_record(b"two")
    >>> list(decoder.feed(data[:25]))
    [Record(offset=0, payload=b'one')]
    >>> decoder.offset
    19
    >>> list(decoder.feed(data[25:])), list(decoder.finish())
    ([Record(offset=19, payload=b'two')], [])
    """

    def __init__(self, offset: int = 0, end: int | None = None) -> None:
        self._buffer = bytearray()
        self._base = offset  # the stream offset of _buffer[0]
        self._at = 0  # the first byte of _buffer that is not yet accounted for
        self._end = end
        self._lost: _Lost | None = None

    @property
    def offset(self) -> int:
        """Where the first byte stands of which nothing was said yet."""
        return self._lost.offset if self._lost else self._base + self._at

    def feed(self, data: bytes | memoryview) -> Iterator[Record | Damage]:
        """Take the next bytes of the stream; the items that they complete.

        The iterator ends when more bytes are needed. The bytes are taken at once, whether or not
        the iterator is drawn.
        """
        if self._at:
            del self._buffer[: self._at]
            self._base += self._at
            self._at = 0
        self._buffer += data
        return self._decode()

    def finish(self) -> Iterator[Record | Damage]:
        """The stream ends here: whatever can still be said of the bytes left over."""
        self._end = self._base + len(self._buffer)
        yield from self._decode()
        if self._lost is not None:
            yield from self._give_up(self._lost)

    def _decode(self) -> Iterator[Record | Damage]:
        while True:
            item = self._next() if self._lost is None else self._search(self._lost)
            if item is not None:
                yield item
            elif self._lost is None or not self._lost.fresh:
                return

    def _next(self) -> Record | Damage | None:
        """The item at ``_at``; None when it takes more bytes, or a search has begun."""
        buffer, at = self._buffer, self._at
        have = len(buffer) - at
        if have < HEADER_BYTES:
            if have and self._ended():
                self._lose("truncated")
            return None
        length, length_crc = _HEADER.unpack_from(buffer, at)
        if length > MAX_PAYLOAD_BYTES or masked_crc(buffer[at : at + 8]) != length_crc:
            self._lose("length")
            return None
        start = at + HEADER_BYTES
        stop = start + length
        after = stop + FOOTER_BYTES
        if len(buffer) < after:
            if self._end is not None and self._base + after > self._end:
                self._lose("truncated")
            return None
        payload = bytes(memoryview(buffer)[start:stop])
        if masked_crc(payload) == _FOOTER.unpack_from(buffer, stop)[0]:
            self._at = after
            return Record(self._base + at, payload)
        # The length was right; was it the length of these bytes? Yes, if the next record says so.
        if len(buffer) - after < HEADER_BYTES and not self._ended():
            return None
        if len(buffer) == after or is_record_header(buffer[after : after + HEADER_BYTES]):
            self._at = after
            return Damage(self._base + at, after - at, "payload")
        self._lose("payload")
        return None

    def _ended(self) -> bool:
        return self._end is not None and self._base + len(self._buffer) >= self._end

    def _lose(self, kind: DamageKind) -> None:
        """Begin a search for the next sound record."""
        self._lost = _Lost(self._base + self._at, kind, self._buffer[self._at] == 0)
        self._at += 1

    def _search(self, lost: _Lost) -> Damage | None:
        """The damage up to the next sound record; None when that takes more bytes."""
        lost.fresh = False
        buffer = self._buffer
        if len(buffer) - self._at < HEADER_BYTES:
            return None
        for at in find_headers(buffer, self._at):
            (length,) = _LENGTH.unpack_from(buffer, at)
            start = at + HEADER_BYTES
            stop = start + length
            after = stop + FOOTER_BYTES
            if len(buffer) < after:
                if self._end is None or self._base + after <= self._end:
                    self._skip_to(at, lost)  # wait for the rest of it
                    return None
                if lost.candidate is None:
                    lost.candidate = self._base + at
            elif masked_crc(memoryview(buffer)[start:stop]) == _FOOTER.unpack_from(buffer, stop)[0]:
                if lost.kind == "truncated":
                    if len(buffer) < after + HEADER_BYTES and not self._ended():
                        self._skip_to(at, lost)  # wait for what follows it
                        return None
                    if self._is_embedded(after):
                        continue
                self._at = at
                self._lost = None
                kind: DamageKind = "length" if lost.kind == "truncated" else lost.kind
                return Damage(lost.offset, self._base + at - lost.offset, kind)
        # Every header that could begin earlier was seen.
        self._skip_to(len(buffer) - HEADER_BYTES + 1, lost)
        return None

    def _is_embedded(self, after: int) -> bool:
        """Whether a record that ends at ``after`` is not followed by another.

        Inside a record that is still being written, such a one is part of its payload.
        """
        following = self._buffer[after : after + HEADER_BYTES]
        return len(following) == HEADER_BYTES and not is_record_header(following)

    def _skip_to(self, at: int, lost: _Lost) -> None:
        passed = at - self._at
        if lost.only_zeros:
            lost.only_zeros = self._buffer.count(0, self._at, at) == passed
        self._at = at

    def _give_up(self, lost: _Lost) -> Iterator[Damage]:
        """What to say of a stretch that goes on to the end of the stream."""
        end = self._base + len(self._buffer)
        self._skip_to(len(self._buffer), lost)
        self._lost = None
        if lost.only_zeros and lost.kind == "length":
            yield Damage(lost.offset, end - lost.offset, "zeros")
        elif lost.candidate is not None and lost.kind != "truncated":
            # Behind the damage begins what looks like a record that was still being written.
            yield Damage(lost.offset, lost.candidate - lost.offset, lost.kind)
            yield Damage(lost.candidate, end - lost.candidate, "truncated")
        else:
            yield Damage(lost.offset, end - lost.offset, lost.kind)


class _Lost:
    """A search under way: where the loss began, why, and what was met since."""

    __slots__ = ("candidate", "fresh", "kind", "offset", "only_zeros")

    def __init__(self, offset: int, kind: DamageKind, only_zeros: bool) -> None:
        self.offset = offset
        self.kind: DamageKind = kind
        self.fresh = True  # the bytes at hand were not searched yet
        self.only_zeros = only_zeros
        self.candidate: int | None = None  # the first sound header of an incomplete record


def find_headers(data: bytes | bytearray, start: int = 0) -> Iterator[int]:
    """Every position from ``start`` on at which a length with its right checksum begins, in order.

    A CRC is linear over GF(2): that of eight bytes is the xor of one table entry for each, and a
    constant. So all positions of a piece are tried with a few numpy gathers, after a first cut to
    those whose length is below 2**32 (its upper bytes are zero), which is nearly free.

    >>> list(find_headers(b"xyz" + encode_record(b"abc")))
    [3]
    """
    piece = 1 << 20
    for begin in range(start, len(data) - HEADER_BYTES + 1, piece):
        # A copy: a view held by a suspended generator would forbid the buffer to grow.
        window = np.frombuffer(bytes(data[begin : begin + piece + HEADER_BYTES - 1]), np.uint8)
        for position in _headers_in(window).tolist():
            yield begin + position


def _headers_in(window: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    count = len(window) - HEADER_BYTES + 1
    high = window[4 : 4 + count] | window[5 : 5 + count]
    high |= window[6 : 6 + count]
    high |= window[7 : 7 + count]
    at = np.flatnonzero(high == 0)
    # The header of an empty record is one constant, and runs of zeros are where damage is common:
    # of zero lengths only those are looked at whose checksum begins with the right byte.
    low = window[at] | window[at + 1] | window[at + 2] | window[at + 3]
    at = at[(low != 0) | (window[at + 8] == _EMPTY_HEADER[8])]
    crc = np.full(len(at), _CRC_OF_ZEROS, np.uint32)
    stored = np.zeros(len(at), np.uint32)
    for i in range(4):  # the upper four bytes are zero and add nothing
        crc ^= _CRC_TABLE[i][window[at + i]]
        stored |= window[at + 8 + i].astype(np.uint32) << np.uint32(8 * i)
    rotated = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    sound = rotated + np.uint32(mask(0)) == stored
    sound &= window[at + 3] < 0x80  # at most MAX_PAYLOAD_BYTES
    headers: npt.NDArray[np.intp] = at[sound]
    return headers


_CRC_OF_ZEROS = crc32c(bytes(8))
_CRC_TABLE = np.array(
    [
        [crc32c(bytes(i) + bytes([byte]) + bytes(7 - i)) ^ _CRC_OF_ZEROS for byte in range(256)]
        for i in range(4)
    ],
    np.uint32,
)
_EMPTY_HEADER = encode_record(b"")[:HEADER_BYTES]
