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

A search costs time in proportion to the bytes it goes through, whatever they are: headers may
overlap and claim any length, but no byte is gone over again for each of them (`SpanCrcs`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio.dialect import Dialect, recognise
from tbio.errors import DamageError
from tbio.headers import (
    HEADER,
    HEADER_BYTES,
    LENGTH,
    MAX_PAYLOAD_BYTES,
    find_headers,
    is_record_header,
)
from tbio.masked_crc import crc32c, mask, masked_crc
from tbio.span_crcs import STEP_BYTES, SpanCrcs

__all__ = [
    "FOOTER_BYTES",
    "HEADER_BYTES",
    "MAX_PAYLOAD_BYTES",
    "Damage",
    "DamageKind",
    "Record",
    "RecordDecoder",
    "UnverifiedRecord",
    "encode_record",
    "is_record_header",
]

FOOTER_BYTES = 4
_FOOTER = struct.Struct("<I")

#: Bytes of payloads whose checksums are computed one by one in a search, for each byte of the
#: stream. What goes beyond it, by headers that lie, is computed by their overlaps.
_CHECKED = 4
#: How many records are looked at, in the search for the first one, for what its writer stores in
#: the place of checksums.
_TRIES = 64

DamageKind: TypeAlias = Literal[
    "payload", "length", "truncated", "zeros", "unverified", "compression", "event"
]

_WHAT: dict[DamageKind, str] = {
    "payload": "payload checksum wrong",
    "length": "no sound record header",
    "truncated": "the file ends inside a record",
    "zeros": "nothing but zero bytes to the end",
    "unverified": "their writer computes no checksums that can be verified, it seems; "
    "unverified='read' reads these records",
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

    @property
    def is_verified(self) -> bool:
        """Whether its checksums are those of the format."""
        return True

    @property
    def size(self) -> int:
        """Bytes of the whole record."""
        return HEADER_BYTES + len(self.payload) + FOOTER_BYTES


class UnverifiedRecord(Record):
    """One that is sound in the decoder's `Dialect` only."""

    __slots__ = ()

    @property
    def is_verified(self) -> bool:
        """Whether its checksums are those of the format."""
        return False


class Damage(NamedTuple):
    """A stretch of the stream that gave no record.

    Attributes:
        offset: where it begins in the stream, in bytes.
        length: how many bytes were lost.
        kind: "payload", "length", "truncated", "zeros"; from the layers above also "unverified",
            "compression" and "event".
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
    length = LENGTH.pack(len(payload))
    return b"".join(
        (
            length,
            _FOOTER.pack(masked_crc(length)),
            payload,
            _FOOTER.pack(masked_crc(payload)),
        )
    )


class RecordDecoder:
    """Decodes a stream of records that arrives in pieces.

    Args:
        offset: where in the stream the first byte fed stands; offsets reported count from there.
        end: where the stream ends, if that is known. With it, a length that goes beyond is found
            out at once and memory stays bounded by the largest sound record; without it, the
            decoder holds what it is fed until the record is complete.
        most: bytes of the longest payload; a length beyond it is damage. It bounds the memory where
            the end is not known.
        dialect: also take records as this writer checks them, as `UnverifiedRecord`.
        recognising: find out the dialect, as long as no sound record is met.
        behind: what was lost just before ``offset``, where a search ended at a header of which
            nobody knew yet whether it is one. If it is not, the search goes on.

    Attributes:
        dialect: as given, or as it was found out.

    >>> decoder = RecordDecoder()
    >>> data = encode_record(b"one") + encode_record(b"two")
    >>> list(decoder.feed(data[:25]))
    [Record(offset=0, payload=b'one')]
    >>> decoder.offset
    19
    >>> list(decoder.feed(data[25:])), list(decoder.finish())
    ([Record(offset=19, payload=b'two')], [])
    """

    def __init__(
        self,
        offset: int = 0,
        end: int | None = None,
        *,
        most: int = MAX_PAYLOAD_BYTES,
        dialect: Dialect | None = None,
        recognising: bool = False,
        behind: DamageKind | None = None,
    ) -> None:
        self.dialect = dialect
        self._buffer = bytearray()
        self._base = offset  # the stream offset of _buffer[0]
        self._at = 0  # the first byte of _buffer that is not yet accounted for
        self._end = end
        self._most = min(most, MAX_PAYLOAD_BYTES)
        self._lost: _Lost | None = None
        self._guess = None if behind is None else (offset, behind)
        self._tries = _TRIES if recognising and dialect is None else 0
        self._spare = 0  # bytes whose checksums a search may compute one by one
        self._spans = SpanCrcs()

    @property
    def offset(self) -> int:
        """Where the first byte stands of which nothing was said yet."""
        return self._lost.offset if self._lost else self._base + self._at

    def feed(self, data: bytes | memoryview) -> Iterator[Record | Damage]:
        """Take the next bytes of the stream; the items that they complete.

        The iterator ends when more bytes are needed. The bytes are taken at once, whether or not
        the iterator is drawn.
        """
        done = self._at // STEP_BYTES
        if done:
            del self._buffer[: done * STEP_BYTES]
            self._spans.cut(done)
            self._base += done * STEP_BYTES
            self._at -= done * STEP_BYTES
        self._buffer += data
        self._spare += _CHECKED * len(data)
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
        length, length_crc = HEADER.unpack_from(buffer, at)
        is_standard = masked_crc(buffer[at : at + 8]) == length_crc
        if length > self._most or not (is_standard or self._is_header(at)):
            answer = self._recognised(at)
            if answer is True:
                return self._next()
            if answer is False:
                self._lose("length")
            return None
        start = at + HEADER_BYTES
        stop = start + length
        after = stop + FOOTER_BYTES
        if len(buffer) < after:
            if self._end is not None and self._base + after > self._end:
                self._lose("truncated")
                if self._lost is not None and self._lost.kind != "truncated":
                    self._lost.candidate = self._base + at
            return None
        payload = bytes(memoryview(buffer)[start:stop])
        crc = crc32c(payload)
        stored = _FOOTER.unpack_from(buffer, stop)[0]
        if mask(crc) == stored and is_standard:
            self._at = after
            self._tries = 0
            return Record(self._base + at, payload)
        if self._takes_payload(crc, stored):
            self._at = after
            return UnverifiedRecord(self._base + at, payload)
        answer = self._recognised(at)
        if answer is True:
            return self._next()
        if answer is None:
            return None
        # The length was right; was it the length of these bytes? Yes, if the next record says so.
        if self._guess is not None and self._guess[0] == self._base + at:
            self._lose("payload")
            return None
        if len(buffer) - after < HEADER_BYTES and not self._ended():
            return None
        if len(buffer) == after or self._is_header(after):
            self._at = after
            return Damage(self._base + at, after - at, "payload")
        self._lose("payload")
        return None

    def _is_header(self, at: int) -> bool:
        header = self._buffer[at : at + HEADER_BYTES]
        if is_record_header(header):
            return True
        return (
            self.dialect is not None
            and len(header) == HEADER_BYTES
            and self.dialect.takes_header(header)
        )

    def _takes_payload(self, crc: int, stored: int) -> bool:
        """Whether a checksum is right, in the format or in the dialect."""
        return mask(crc) == stored or (
            self.dialect is not None and self.dialect.takes_payload(crc, stored)
        )

    def _recognised(self, at: int) -> bool | None:
        """Whether the record here tells its writer's dialect; None when that takes more bytes."""
        if not self._tries:
            return False
        end = None if self._end is None else self._end - self._base
        found = recognise(self._buffer, at, end, self._most)
        if found == "more":
            return None
        self._tries -= 1
        if found is None:
            return False
        self.dialect = found
        self._tries = 0
        return True

    def _ended(self) -> bool:
        return self._end is not None and self._base + len(self._buffer) >= self._end

    def _lose(self, kind: DamageKind) -> None:
        """Begin a search for the next sound record, or go on with one."""
        if self._guess is not None and self._guess[0] == self._base + self._at:
            kind = self._guess[1]
        self._lost = _Lost(self._base + self._at, kind, self._buffer[self._at] == 0)
        self._at += 1

    def _search(self, lost: _Lost) -> Damage | None:
        """The damage up to the next sound record; None when that takes more bytes."""
        lost.fresh = False
        buffer = self._buffer
        if len(buffer) - self._at < HEADER_BYTES:
            return None
        dialect = self.dialect
        guessing = self._tries > 0  # then what may be a header in some dialect is looked at, too
        in_headers = dialect is not None and dialect.in_headers
        unmasked = guessing or (dialect is not None and dialect.kind == "unmasked")
        constant = dialect.constant if dialect and in_headers else 0 if guessing else None
        for places in find_headers(buffer, self._at, unmasked=unmasked, constant=constant):
            crcs: dict[int, int] = {}
            for at in places.tolist():
                (length,) = LENGTH.unpack_from(buffer, at)
                stop = at + HEADER_BYTES + length
                after = stop + FOOTER_BYTES
                if length > self._most:
                    continue
                is_known = not guessing or self._is_header(at)
                if is_known and len(buffer) < after:
                    if self._end is None or self._base + after <= self._end:
                        self._skip_to(at, lost)  # wait for the rest of it
                        return None
                    if lost.candidate is None:
                        lost.candidate = self._base + at
                    continue
                if not is_known or not self._takes_payload(
                    self._crc_of(at, stop, places, crcs), _FOOTER.unpack_from(buffer, stop)[0]
                ):
                    answer = self._recognised(at)
                    if answer is False:
                        continue
                    if answer is None:
                        self._skip_to(at, lost)  # wait for what tells
                        return None
                if lost.kind == "truncated" or in_headers:
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

    def _crc_of(
        self, at: int, stop: int, places: npt.NDArray[np.int64], known: dict[int, int]
    ) -> int:
        """The CRC of a payload, not masked; that of the headers behind will then be known, too."""
        begin = at + HEADER_BYTES
        if at in known:
            return known[at]
        if self._spare >= stop - begin:
            self._spare -= stop - begin
            with memoryview(self._buffer) as view:
                return crc32c(view[begin:stop])
        rest = places[np.searchsorted(places, at) :]
        begins = rest + HEADER_BYTES
        ends = begins + _lengths_at(self._buffer, rest)
        whole = ends <= len(self._buffer) - FOOTER_BYTES
        rest, begins, ends = rest[whole], begins[whole], ends[whole]
        crcs = self._spans.of(self._buffer, begins, ends)
        known.update(zip(rest.tolist(), crcs.tolist(), strict=True))
        return known[at]

    def _is_embedded(self, after: int) -> bool:
        """Whether a record that ends at ``after`` is not followed by another.

        Inside a record that is still being written, such a one is part of its payload.
        """
        whole = len(self._buffer) >= after + HEADER_BYTES
        return whole and not self._is_header(after)

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
            if lost.candidate > lost.offset:
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


def _lengths_at(data: bytes | bytearray, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The lengths in headers, all of them below 2**32; int64[n]."""
    lengths = np.zeros(len(places), np.int64)
    with memoryview(data) as view:
        array = np.frombuffer(view, np.uint8)
        for i in range(4):
            lengths |= array[places + i].astype(np.int64) << (8 * i)
        del array  # a view of the buffer would forbid it to grow
    return lengths
