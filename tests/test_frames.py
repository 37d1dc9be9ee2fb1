"""Where records begin, found by guesses and in many places at once, against going one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbio.bulk import frames
from tbio.bulk.ahead import ahead
from tbio.bulk.buffer import Buffer
from tbio.bulk.frames import FrameFinder
from tbio.masked_crc import masked_crc
from tbio.record import FOOTER_BYTES, HEADER_BYTES, encode_record, is_record_header


def one_by_one(data: bytes) -> list[int]:
    """Where the records begin and the last one ends, as far as headers are right and all whole."""
    offsets = [0]
    while True:
        at = offsets[-1]
        if not is_record_header(data[at : at + HEADER_BYTES]):
            return offsets
        end = at + HEADER_BYTES + int.from_bytes(data[at : at + 8], "little") + FOOTER_BYTES
        if end > len(data):
            return offsets
        offsets.append(end)


def found(data: bytes) -> list[int]:
    buffer = Buffer(len(data) + 100)
    buffer.view[: len(data)] = data
    offsets: list[int] = FrameFinder().find(buffer, 0, len(data)).offsets.tolist()
    return offsets


def header(size: int) -> bytes:
    length = size.to_bytes(8, "little")
    return length + masked_crc(length).to_bytes(4, "little")


def irregular(sizes: Sequence[int], seed: int, false: bool = True) -> bytes:
    """Records whose payloads begin as events do, and have zeros, or headers that are none."""
    chance = random.Random(seed)
    parts = []
    for size in sizes:
        inner = chance.choice((b"", bytes(40), header(chance.randrange(300)) + b"\x09" * false))
        payload = (b"\x09" + inner + chance.randbytes(size))[:size]
        parts.append(encode_record(payload))
    return b"".join(parts)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([(20, 60), (30, 400), (100, 5000), (0, 70_000)]))
def test_irregular_records(seed: int, span: tuple[int, int]) -> None:
    chance = random.Random(seed)
    sizes: list[int] = []
    while sum(sizes) < 1 << 19:
        usual = chance.random() < 0.99
        sizes.append(chance.randrange(*span) if usual else chance.randrange(99_999))
    data = irregular(sizes, seed)
    assert found(data) == one_by_one(data)
    cut = data[: chance.randrange(len(data))]
    assert found(cut) == one_by_one(cut)
    at = chance.randrange(len(data))
    spoilt = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    assert found(spoilt) == one_by_one(spoilt)


def test_records_are_followed_in_many_places() -> None:
    """One step goes to the end of the buffer, past long records."""
    chance = random.Random(0)
    sizes = [chance.randrange(30, 90) if at % 500 else 100_000 for at in range(1, 8000)]
    data = irregular(sizes, 0, false=False)
    buffer = Buffer(len(data))
    buffer.view[: len(data)] = data
    taken = FrameFinder()._in_many_places(buffer, 0, len(data))
    assert np.cumsum([0, *taken.tolist()]).tolist() == one_by_one(data)
    assert len(taken) == len(sizes)


def test_a_false_header_is_left_behind() -> None:
    """Chains of false records, inside of a long one, are dropped; those before them stay."""
    false = b"".join(encode_record(b"\x09" + bytes([at]) * 40) for at in range(200))
    true = [b"\x09" + bytes([at % 250]) * (30 + at % 37) for at in range(3000)]
    data = b"".join(map(encode_record, [*true, b"\x09" + false, *true]))
    assert len(one_by_one(data)) == 6002
    assert found(data) == one_by_one(data)


def test_few_places_are_none() -> None:
    data = irregular([60_000] * 20, 0)
    buffer = Buffer(len(data))
    buffer.view[: len(data)] = data
    assert not len(FrameFinder()._in_many_places(buffer, 0, len(data)))
    assert found(data) == one_by_one(data)


def test_checksums_of_lengths() -> None:
    lengths = [0, 1, 255, 256, 65_535]
    assert [int(frames._CRC_OF_LENGTH[one]) for one in lengths] == [
        masked_crc(one.to_bytes(8, "little")) for one in lengths
    ]


def test_ahead_gives_errors_in_their_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk")

    with ahead(items()) as numbers:
        assert (next(numbers), next(numbers)) == (1, 2)
        with pytest.raises(OSError, match="the disk"):
            next(numbers)


def test_ahead_ends_with_what_was_begun() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for at in range(10):
            made.append(at)
            yield at

    with ahead(items()) as numbers:
        assert next(numbers) == 0
    before = list(made)
    assert before in ([0], [0, 1])
    assert made == before
