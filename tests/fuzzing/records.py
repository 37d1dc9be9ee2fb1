"""Records as a target: none is lost that could be had, and all bytes are told of."""

from __future__ import annotations

import itertools
import random
import struct
import zlib
from collections.abc import Sequence

from bulk_pair import assert_same

from tbio.masked_crc import masked_crc
from tbio.record import (
    FOOTER_BYTES,
    HEADER_BYTES,
    Damage,
    Record,
    RecordDecoder,
    encode_record,
    is_record_header,
)


def records(data: bytes) -> None:
    """`RecordDecoder`, fed in pieces and at once; what it gives, against the bytes."""
    chance = random.Random(zlib.crc32(data))
    whole = decoded([data], None)
    for end in (None, len(data)):
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((1, 3, 20))))
        bounds = [0, *cuts, len(data)]
        pieces = [data[begin:stop] for begin, stop in itertools.pairwise(bounds)]
        assert_same(decoded(pieces, end), whole, f"pieces of {bounds}, end {end}")
    _check_account(data, whole)


def decoded(pieces: Sequence[bytes], end: int | None) -> list[Record | Damage]:
    decoder = RecordDecoder(end=end)
    found = [item for piece in pieces for item in decoder.feed(piece)]
    return [*found, *decoder.finish()]


def _check_account(data: bytes, items: Sequence[Record | Damage]) -> None:
    """Every byte is in one item, every record is sound, and none is lost that could be had."""
    at = 0
    sound = sound_records(data) if len(data) < 5000 else {}
    for item in items:
        assert item.offset == at, f"{item} where byte {at} should be told of"
        if isinstance(item, Record):
            at += len(item.payload) + HEADER_BYTES + FOOTER_BYTES
            assert data[item.offset : at] == encode_record(item.payload), f"{item} is not there"
            continue
        at += item.length
        assert item.length > 0, f"{item} is of nothing"
        lost = {begin: end for begin, end in sound.items() if item.offset <= begin < at}
        if is_record_header(data[item.offset : item.offset + HEADER_BYTES]):
            (length,) = struct.unpack_from("<Q", data, item.offset)
            end = item.offset + length + HEADER_BYTES + FOOTER_BYTES
            if end == at:
                continue  # one record with its frame: what stands in it is its own
            if end > len(data):  # so it is here, as far as nothing follows that is a record
                lost = {begin: end for begin, end in lost.items() if _is_followed(data, end)}
        assert not lost, f"{item} has the sound records {lost}"
    assert at == len(data), f"nothing is told of what stands behind byte {at}"


def sound_records(data: bytes) -> dict[int, int]:
    """Where sound records begin and end, each place of the data tried by itself."""
    found = {}
    for at in range(len(data) - HEADER_BYTES - FOOTER_BYTES + 1):
        length, crc = struct.unpack_from("<QI", data, at)
        start = at + HEADER_BYTES
        stop = start + length
        if stop + FOOTER_BYTES > len(data) or masked_crc(data[at : at + 8]) != crc:
            continue
        if masked_crc(data[start:stop]) == struct.unpack_from("<I", data, stop)[0]:
            found[at] = stop + FOOTER_BYTES
    return found


def claimed_records(data: bytes) -> dict[int, int]:
    """Where records begin and end by their headers alone, perhaps behind the end of the data."""
    found = {}
    for at in range(len(data) - HEADER_BYTES + 1):
        length, crc = struct.unpack_from("<QI", data, at)
        if masked_crc(data[at : at + 8]) == crc:
            found[at] = at + HEADER_BYTES + length + FOOTER_BYTES
    return found


def _is_followed(data: bytes, end: int) -> bool:
    following = data[end : end + HEADER_BYTES]
    return not following or is_record_header(following)
