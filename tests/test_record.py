"""The framing core: bytes in, records and damage out, however the bytes arrive."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.tensorflow_stub import errors, pywrap_tensorflow
from tensorboard.summary.writer import record_writer as tensorboard_records

from tbio import RecordWriter, WriterClosedError
from tbio.errors import DamageError
from tbio.headers import find_headers
from tbio.masked_crc import crc32c, masked_crc
from tbio.record import (
    FOOTER_BYTES,
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    Damage,
    DamageKind,
    Record,
    RecordDecoder,
    encode_record,
    is_record_header,
)

Item = Record | Damage

# ------------------------------------------------------------------ one table, both directions

EMPTY = "0000000000000000 29039807  d8ea82a2"  # the CRC of nothing is 0: the mask alone
ABC = "0300000000000000 b099490e 616263 6e57f121"

#: payloads -> the bytes of the stream, as tensorboard 2.21's RecordWriter writes them
TABLE: dict[str, tuple[list[bytes], str]] = {
    "no record": ([], ""),
    "an empty payload": ([b""], EMPTY),
    "three bytes": ([b"abc"], ABC),
    "two records": ([b"abc", b""], ABC + EMPTY),
    "an event of 2.0 s": (
        [struct.pack("<Bd", 9, 2.0)],
        "0900000000000000 37f97139 090000000000000040 7e580446",
    ),
    "a length of two bytes": (
        [bytes(256)],
        "0001000000000000 2fb308df" + "00" * 256 + "bd5ba405",
    ),
}


def of_table(name: str) -> tuple[list[bytes], bytes]:
    payloads, stream = TABLE[name]
    return payloads, bytes.fromhex(stream)


@pytest.mark.parametrize("name", TABLE)
def test_encode(name: str) -> None:
    payloads, stream = of_table(name)
    assert b"".join(map(encode_record, payloads)) == stream


@pytest.mark.parametrize("name", TABLE)
def test_tensorboard_encodes_the_same(name: str) -> None:
    payloads, stream = of_table(name)
    assert tensorboard_stream(payloads) == stream


@pytest.mark.parametrize("size", [1, 7, 12, 10**6])
@pytest.mark.parametrize("name", TABLE)
def test_decode(name: str, size: int) -> None:
    payloads, stream = of_table(name)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert decoded(pieces) == records_of(payloads)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_payloads_as_tensorboard_encodes_them(payloads: list[bytes]) -> None:
    stream = tensorboard_stream(payloads)
    assert b"".join(map(encode_record, payloads)) == stream
    assert decoded([stream]) == records_of(payloads)


def tensorboard_stream(payloads: Sequence[bytes]) -> bytes:
    file = io.BytesIO()
    writer = tensorboard_records.RecordWriter(file)
    for payload in payloads:
        writer.write(payload)
    return file.getvalue()


def decoded(pieces: Sequence[bytes], offset: int = 0, end: int | None = None) -> list[Item]:
    """All that a decoder says of a stream that arrives in these pieces."""
    decoder = RecordDecoder(offset, end)
    items = [item for piece in pieces for item in decoder.feed(piece)]
    return [*items, *decoder.finish()]


def records_of(payloads: Sequence[bytes], offset: int = 0) -> list[Item]:
    records: list[Item] = []
    for payload in payloads:
        records.append(Record(offset, payload))
        offset += len(encode_record(payload))
    return records


def size_of(item: Item) -> int:
    if isinstance(item, Damage):
        return item.length
    return HEADER_BYTES + len(item.payload) + FOOTER_BYTES


def header(length: int) -> bytes:
    """A length with its right checksum."""
    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", masked_crc(packed))


# ------------------------------------------------------------------ any bytes, any pieces

#: Stretches of a stream: sound, nearly sound, and not at all.
STRETCHES = st.one_of(
    st.binary(max_size=30).map(encode_record),
    st.binary(max_size=30).map(encode_record),
    st.binary(max_size=30).map(lambda payload: encode_record(payload)[:-1] + b"?"),
    st.binary(max_size=30).map(lambda payload: encode_record(encode_record(payload))),
    st.binary(max_size=30).map(lambda payload: header(40) + encode_record(payload)),
    st.sampled_from([0, 1, 16, 20, 300, 2**31 - 1, 2**31, 2**40, 2**62, 2**64 - 1]).map(header),
    st.integers(0, 40).map(bytes),
    st.binary(max_size=30),
)
STREAMS = st.lists(STRETCHES, max_size=8).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(STREAMS, st.data())
def test_pieces_make_no_difference(stream: bytes, data: st.DataObject) -> None:
    whole = decoded([stream])
    assert decoded([stream[at : at + 1] for at in range(len(stream))]) == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [
        stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]
    assert decoded(pieces) == whole
    assert decoded(pieces, end=len(stream)) == whole
    assert decoded([stream], end=len(stream)) == whole


@settings(max_examples=200, deadline=None)
@given(STREAMS | st.binary(max_size=200))
def test_every_byte_is_accounted_for(stream: bytes) -> None:
    at = 0
    for item in decoded([stream]):
        assert item.offset == at
        if isinstance(item, Record):
            assert stream[at : at + size_of(item)] == encode_record(item.payload)
        else:
            assert item.length > 0
            assert item.kind in ("payload", "length", "truncated", "zeros")
        at += size_of(item)
    assert at == len(stream)


@settings(max_examples=50, deadline=None)
@given(STREAMS, st.integers(0, 2**62))
def test_offsets_count_from_where_the_decoder_began(stream: bytes, offset: int) -> None:
    moved = [item._replace(offset=item.offset + offset) for item in decoded([stream])]
    assert decoded([stream], offset) == moved
    assert decoded([stream], offset, offset + len(stream)) == moved


@settings(max_examples=100, deadline=None)
@given(STREAMS, st.data())
def test_another_decoder_goes_on_from_the_offset(stream: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(stream)))
    first = RecordDecoder()
    items: list[Item] = list(first.feed(stream[:cut]))
    assert first.offset <= cut
    items += decoded([stream[first.offset :]], first.offset)
    assert items == decoded([stream])


def test_the_offset_is_that_of_the_cut_record() -> None:
    one, two = encode_record(b"one"), encode_record(b"two")
    stream = one + two
    for cut in range(len(stream) + 1):
        decoder = RecordDecoder()
        seen = list(decoder.feed(stream[:cut]))
        assert decoder.offset == cut // len(one) * len(one)
        assert seen == records_of([b"one", b"two"])[: len(seen)]
        assert list(decoder.finish()) == (
            [Damage(decoder_start, cut - decoder_start, "truncated")]
            if (decoder_start := cut // len(one) * len(one)) < cut
            else []
        )


def test_the_bytes_are_taken_though_the_iterator_is_not_drawn() -> None:
    decoder = RecordDecoder()
    decoder.feed(encode_record(b"one"))
    assert list(decoder.feed(encode_record(b"two"))) == records_of([b"one", b"two"])


# ------------------------------------------------------------------ word for word


def is_header(stream: bytes, at: int) -> bool:
    head = stream[at : at + HEADER_BYTES]
    return (
        len(head) == HEADER_BYTES
        and int.from_bytes(head[:8], "little") <= MAX_PAYLOAD_BYTES
        and head == header(int.from_bytes(head[:8], "little"))
    )


def end_of(stream: bytes, at: int) -> int:
    """Where the record ends that has its header here."""
    return at + int.from_bytes(stream[at : at + 8], "little") + HEADER_BYTES + FOOTER_BYTES


def word_for_word(stream: bytes) -> list[Item]:
    """What the module says of a whole stream, done byte by byte."""
    items: list[Item] = []
    at = 0
    while at < len(stream):
        kind: DamageKind = "length"
        if len(stream) - at < HEADER_BYTES:
            kind = "truncated"
        elif is_header(stream, at):
            end = end_of(stream, at)
            payload = stream[at + HEADER_BYTES : end - FOOTER_BYTES]
            if end > len(stream):
                kind = "truncated"
            elif encode_record(payload) == stream[at:end]:
                items.append(Record(at, payload))
                at = end
                continue
            else:
                kind = "payload"
                if end == len(stream) or is_header(stream, end):
                    items.append(Damage(at, end - at, kind))
                    at = end
                    continue
        behind = len(stream)
        unfinished = None
        for place in range(at + 1, len(stream) - HEADER_BYTES + 1):
            if not is_header(stream, place):
                continue
            end = end_of(stream, place)
            if end > len(stream):
                unfinished = place if unfinished is None else unfinished
            elif encode_record(stream[place + HEADER_BYTES : end - FOOTER_BYTES]) == stream[
                place:end
            ] and not (
                kind == "truncated"
                and end + HEADER_BYTES <= len(stream)
                and not is_header(stream, end)
            ):
                behind = place
                break
        if behind < len(stream):
            kind = "length" if kind == "truncated" else kind
        elif kind == "length" and not any(stream[at:]):
            kind = "zeros"
        elif kind != "truncated" and unfinished is not None:
            items.append(Damage(at, unfinished - at, kind))
            at, kind = unfinished, "truncated"
        items.append(Damage(at, behind - at, kind))
        at = behind
    return items


#: Headers side by side, whose records would overlap.
HEADERS = st.lists(st.integers(0, 300).map(header), min_size=5, max_size=30).map(b"".join)


@pytest.mark.parametrize("checked", [4, 0])
@settings(max_examples=300, deadline=None)
@given(st.lists(STRETCHES | HEADERS, max_size=8).map(b"".join), st.data())
def test_word_for_word(checked: int, stream: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(stream)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tbio.record._CHECKED", checked)
        assert decoded([stream]) == word_for_word(stream)
        assert decoded([stream[:cut], stream[cut:]]) == word_for_word(stream)


# ------------------------------------------------------------------ headers that lie


def to_the_end(size: int) -> bytes:
    """Headers whose records would all go on to the end."""
    at = range(0, size - 100, HEADER_BYTES)
    return b"#" + b"".join(header(size - begin - 50) for begin in at) + b"#" * 200


def all_over(size: int) -> bytes:
    """Headers whose records would end anywhere."""
    at = range(0, size - 100, HEADER_BYTES)
    return b"#" + b"".join(header(9 + begin * 7919 % (size - begin)) for begin in at) + b"#" * size


def between_records(size: int) -> bytes:
    """Sound records, and between them headers whose records would be half of the stream."""
    lies = b"".join(header(size // 2 + i) for i in range(20))
    return (b"#" + lies + encode_record(b"sound")) * (size // 260)


LYING: dict[str, tuple[Callable[[int], bytes], int]] = {
    "to the end": (to_the_end, 0),
    "all over": (all_over, 0),
    "between records": (between_records, (1 << 16) // 260),
}


@pytest.mark.parametrize("name", LYING)
def test_a_search_goes_over_no_byte_again_and_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lying, sound = LYING[name]
    stream = lying(1 << 16)
    checked = 0

    def counting(data: bytes, crc: int = 0) -> int:
        nonlocal checked
        checked += len(data)
        return crc32c(data, crc)

    for module in ("record", "span_crcs"):
        monkeypatch.setattr(f"tbio.{module}.crc32c", counting)
    items = decoded([stream], end=len(stream))
    assert [item.payload for item in items if isinstance(item, Record)] == [b"sound"] * sound
    assert checked < 20 * len(stream)  # and one by one would take more than 1000


def test_a_record_behind_many_that_lie() -> None:
    behind = encode_record(b"sound" * 1000)
    stream = to_the_end(20_000) + behind + to_the_end(5_000)
    items = decoded([stream[at : at + 4096] for at in range(0, len(stream), 4096)])
    assert [item for item in items if isinstance(item, Record)] == [
        Record(len(to_the_end(20_000)), b"sound" * 1000)
    ]


def test_what_is_longer_than_asked_for_is_damage() -> None:
    small, large = encode_record(b"small"), encode_record(bytes(101))
    stream = small + large + small
    decoder = RecordDecoder(most=100)
    items = [*decoder.feed(stream), *decoder.finish()]
    assert items == [
        Record(0, b"small"),
        Damage(len(small), len(large), "length"),
        Record(len(small + large), b"small"),
    ]
    assert decoded([stream]) == records_of([b"small", bytes(101), b"small"])


def test_a_length_that_is_not_wanted_costs_no_memory() -> None:
    decoder = RecordDecoder(most=1 << 20)
    tracemalloc.start()
    try:
        items = [*decoder.feed(header(1 << 30))]
        for _ in range(64):
            items += decoder.feed(bytes(1 << 20))
        items += decoder.feed(encode_record(b"behind"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert items == [
        Damage(0, (64 << 20) + HEADER_BYTES, "length"),
        Record((64 << 20) + HEADER_BYTES, b"behind"),
    ]
    assert peak < 8 << 20


# ------------------------------------------------------------------ what damage costs

SMALL = [b"", b"abc", bytes(range(20)), b"\x00" * 7, b"the end"]


def test_a_flipped_bit_costs_one_record() -> None:
    frames = [encode_record(payload) for payload in SMALL]
    stream = b"".join(frames)
    begin = 0
    for hit, frame in enumerate(frames):
        others = [item for at, item in enumerate(records_of(SMALL)) if at != hit]
        for at in range(begin, begin + len(frame)):
            kind: DamageKind = "length" if at < begin + HEADER_BYTES else "payload"
            for bit in range(8):
                flipped = bytearray(stream)
                flipped[at] ^= 1 << bit
                items = decoded([bytes(flipped)])
                assert [item for item in items if isinstance(item, Record)] == others
                assert [item for item in items if isinstance(item, Damage)] == [
                    Damage(begin, len(frame), kind)
                ]
        begin += len(frame)


class Edit(NamedTuple):
    """Bytes ``begin`` to ``end`` of a stream are replaced."""

    begin: int
    end: int
    by: bytes


@st.composite
def edits(draw: st.DrawFn, size: int) -> Edit:
    begin = draw(st.integers(0, size))
    end = min(size, begin + draw(st.integers(0, 60)))
    how = draw(st.sampled_from(["flip", "delete", "insert", "zero", "truncate", "replace"]))
    if how == "truncate":
        return Edit(begin, size, b"")
    if how == "delete":
        return Edit(begin, end, b"")
    if how == "insert":
        return Edit(begin, begin, draw(st.binary(max_size=40)))
    if how == "zero":
        return Edit(begin, end, bytes(end - begin))
    return Edit(begin, end, draw(st.binary(max_size=40)))


PAYLOADS = st.lists(st.binary(max_size=30), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(PAYLOADS, st.data())
def test_damage_costs_only_what_it_touches(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(encode_record, payloads))
    edit = data.draw(edits(len(stream)))
    damaged = stream[: edit.begin] + edit.by + stream[edit.end :]
    moved = len(damaged) - len(stream)
    untouched = []
    for record in records_of(payloads):
        if record.offset + size_of(record) <= edit.begin:
            untouched.append(record)
        elif record.offset >= edit.end:
            untouched.append(record._replace(offset=record.offset + moved))
    items = decoded([damaged])
    # A frame is swallowed when bytes lost from the payload in front of it are just as many as it
    # has: then a sound header stands where the length in front says that one should be.
    swallowed = [
        range(item.offset, item.offset + item.length)
        for item in items
        if isinstance(item, Damage)
        and item.kind == "payload"
        and item.length >= HEADER_BYTES + FOOTER_BYTES
        and damaged[item.offset : item.offset + HEADER_BYTES]
        == header(item.length - HEADER_BYTES - FOOTER_BYTES)
    ]
    for record in untouched:
        assert record in items or any(record.offset in frame for frame in swallowed)
    assert sum(map(size_of, items)) == len(damaged)
    assert all(item.payload in payloads for item in items if isinstance(item, Record))


#: stream -> what is said of it
CASES: dict[str, tuple[bytes, list[Item]]] = {
    "nothing": (b"", []),
    "garbage": (b"no records here, none at all", [Damage(0, 28, "length")]),
    "a few bytes of garbage": (b"\x07no", [Damage(0, 3, "truncated")]),
    "only zeros": (bytes(100), [Damage(0, 100, "zeros")]),
    "zeros that may begin a header": (bytes(11), [Damage(0, 11, "truncated")]),
    "zeros that are no header": (bytes(12), [Damage(0, 12, "zeros")]),
    "a zero tail": (
        encode_record(b"abc") + bytes(40),
        [Record(0, b"abc"), Damage(19, 40, "zeros")],
    ),
    "a zero tail from inside a payload": (
        encode_record(b"abc") + header(30) + b"half" + bytes(60),
        [Record(0, b"abc"), Damage(19, 76, "payload")],
    ),
    "zeros between records": (
        encode_record(b"abc") + bytes(40) + encode_record(b"def"),
        [Record(0, b"abc"), Damage(19, 40, "length"), Record(59, b"def")],
    ),
    "garbage between records": (
        encode_record(b"abc") + b"#" * 13 + encode_record(b"def"),
        [Record(0, b"abc"), Damage(19, 13, "length"), Record(32, b"def")],
    ),
    "garbage after the last record": (
        encode_record(b"abc") + b"#" * 13,
        [Record(0, b"abc"), Damage(19, 13, "length")],
    ),
    "a header and nothing more": (
        encode_record(b"abc") + header(5),
        [Record(0, b"abc"), Damage(19, 12, "truncated")],
    ),
    "damage, then a record that is being written": (
        b"#" * 20 + encode_record(b"being written")[:-3],
        [Damage(0, 20, "length"), Damage(20, 26, "truncated")],
    ),
    "a record inside a record": (
        encode_record(b"<" + encode_record(b"inner") + b">"),
        [Record(0, b"<" + encode_record(b"inner") + b">")],
    ),
    "a record inside a record with a wrong checksum": (
        encode_record(encode_record(b"inner"))[:-4] + b"????" + encode_record(b"next"),
        [Damage(0, 37, "payload"), Record(37, b"next")],
    ),
    "a record inside a record that is cut off": (
        header(50) + b"<" + encode_record(b"inner") + b">",
        [Damage(0, 13, "length"), Record(13, b"inner"), Damage(34, 1, "truncated")],
    ),
    "a record inside a record whose header is damaged": (
        b"?" + encode_record(b"<" + encode_record(b"inner") + b">>>>")[1:],
        [Damage(0, 13, "length"), Record(13, b"inner"), Damage(34, 8, "truncated")],
    ),
    "a length that is too small by three": (
        header(5) + b"payload!" + struct.pack("<I", masked_crc(b"payload!")) + encode_record(b"x"),
        [Damage(0, 24, "payload"), Record(24, b"x")],
    ),
    "a payload damaged, then the next header too": (
        encode_record(b"abc")[:-1] + b"?" + b"#" * 30 + encode_record(b"def"),
        [Damage(0, 49, "payload"), Record(49, b"def")],
    ),
    "the last payload damaged": (
        encode_record(b"abc") + encode_record(b"def")[:-1] + b"?",
        [Record(0, b"abc"), Damage(19, 19, "payload")],
    ),
    "a length beyond what protobuf takes": (
        header(MAX_PAYLOAD_BYTES + 1) + encode_record(b"abc"),
        [Damage(0, 12, "length"), Record(12, b"abc")],
    ),
    "the greatest length": (
        header(2**64 - 1) + encode_record(b"abc"),
        [Damage(0, 12, "length"), Record(12, b"abc")],
    ),
    "an incomplete record in front of a sound one": (
        header(2**30) + encode_record(b"abc"),
        [Damage(0, 12, "length"), Record(12, b"abc")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_named_case(name: str) -> None:
    stream, items = CASES[name]
    assert decoded([stream]) == items
    assert decoded([stream[at : at + 1] for at in range(len(stream))]) == items
    assert decoded([stream], end=len(stream)) == items


@pytest.mark.parametrize("length", [8, 255, 256, 65536, 2**24])
def test_a_record_cut_off_anywhere_is_truncated(length: int) -> None:
    # The lowest bytes of a length may be zero: a few zero bytes are no zero-filled tail yet.
    written = encode_record(b"first")
    frame = header(length) + b"payload"
    for cut in range(1, len(frame)):
        cut_off = Damage(len(written), cut, "truncated")
        assert decoded([written + frame[:cut]]) == [Record(0, b"first"), cut_off]


@pytest.mark.parametrize("claimed", [2**30, MAX_PAYLOAD_BYTES])
def test_a_length_beyond_the_end_costs_no_memory(claimed: int) -> None:
    behind = [bytes([at]) * 1000 for at in range(200)] * 20
    stream = header(claimed) + b"".join(map(encode_record, behind))
    decoder = RecordDecoder(end=len(stream))
    found = 0
    tracemalloc.start()
    try:
        for at in range(0, len(stream), 1 << 16):
            found += sum(isinstance(item, Record) for item in decoder.feed(stream[at : at + 65536]))
            assert found >= at // 1016  # as they come, not at the end
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == len(behind)
    assert list(decoder.finish()) == []
    assert peak < 2 << 20


# ------------------------------------------------------------------ searching for headers


def naive_headers(data: bytes, start: int) -> list[int]:
    return [
        at
        for at in range(start, len(data) - HEADER_BYTES + 1)
        if struct.unpack_from("<Q", data, at)[0] <= MAX_PAYLOAD_BYTES
        and struct.unpack_from("<I", data, at + 8)[0] == masked_crc(data[at : at + 8])
    ]


def headers_in(data: bytes | bytearray, start: int) -> list[int]:
    return [at for places in find_headers(data, start) for at in places.tolist()]


ZERO_HEAVY = st.lists(
    st.one_of(
        st.lists(st.integers(0, 3), max_size=20).map(
            lambda ints: struct.pack(f"<{len(ints)}q", *ints)
        ),
        st.integers(0, 30).map(bytes),
        st.sampled_from([0, 1, 255, 256, 2**16, 2**24, 2**31 - 1, 2**31, 2**32, 2**63]).map(header),
        st.integers(0, 2**31).map(header),
        st.binary(max_size=4),
    ),
    max_size=8,
).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(ZERO_HEAVY, st.integers(0, 20))
def test_find_headers(data: bytes, start: int) -> None:
    assert headers_in(data, start) == naive_headers(data, start)
    assert headers_in(bytearray(data), start) == naive_headers(data, start)


@settings(max_examples=100, deadline=None)
@given(ZERO_HEAVY, st.sampled_from([0, 0x062DC0B3]))
def test_find_headers_with_other_checksums(data: bytes, constant: int) -> None:
    data = data.replace(header(1)[8:], struct.pack("<I", crc32c(struct.pack("<Q", 1))))
    data = data.replace(header(256)[8:], struct.pack("<I", constant))

    def found(unmasked: bool, constant: int | None) -> list[int]:
        pieces = find_headers(data, unmasked=unmasked, constant=constant)
        return [at for places in pieces for at in places.tolist()]

    def is_there(at: int, unmasked: bool, other: int | None) -> bool:
        length, stored = struct.unpack_from("<QI", data, at)
        if length > MAX_PAYLOAD_BYTES:
            return False
        if stored == masked_crc(data[at : at + 8]) or (length and stored == other):
            return True
        return unmasked and bool(stored == crc32c(data[at : at + 8]))

    for unmasked in (False, True):
        for other in (None, constant):
            there = range(len(data) - HEADER_BYTES + 1)
            assert found(unmasked, other) == [at for at in there if is_there(at, unmasked, other)]


def test_find_headers_across_its_pieces() -> None:
    # They grow to 64 KiB: these places are where one ends and the next begins.
    edges = [256, 1280, 5376, 21760, 87296, 152832]
    at = [edge + by for edge in edges for by in (-20, -5, 7)]
    data = bytearray(b"\x01" * 160_000)
    for position in at:
        data[position : position + HEADER_BYTES] = header(position)
    assert headers_in(data, 0) == at
    assert headers_in(data, at[0] + 1) == at[1:]


def test_is_record_header() -> None:
    assert is_record_header(header(5))
    assert is_record_header(header(MAX_PAYLOAD_BYTES))
    assert not is_record_header(header(MAX_PAYLOAD_BYTES + 1))
    assert not is_record_header(header(5)[:11])
    assert not is_record_header(bytes(12))


def test_damage_in_words() -> None:
    damage = Damage(19, 40, "zeros")
    assert str(damage) == "nothing but zero bytes to the end (40 bytes lost)"
    error = damage.error("run/x.tfevents")
    assert isinstance(error, DamageError)
    assert (error.path, error.offset, error.kind) == ("run/x.tfevents", 19, "zeros")
    assert str(error) == "run/x.tfevents, byte 19: " + str(damage)


# ------------------------------------------------------------------ the writer


def tensorboard_reads(path: Path) -> list[bytes]:
    reader = pywrap_tensorflow.PyRecordReader_New(str(path))
    payloads: list[bytes] = []
    while True:
        try:
            reader.GetNext()
        except errors.OutOfRangeError:
            reader.file_handle.close()
            return payloads
        payloads.append(reader.record())


def test_written_to_a_path_and_read_by_tensorboard(tmp_path: Path) -> None:
    path = tmp_path / "records"
    payloads = [b"", b"abc", bytes(100_000), b"\xff" * 17]
    with RecordWriter(path) as writer:
        for payload in payloads:
            writer.write(payload)
    assert tensorboard_reads(path) == payloads
    assert decoded([path.read_bytes()]) == records_of(payloads)


def test_bytes_like_payloads() -> None:
    file = io.BytesIO()
    with RecordWriter(file) as writer:
        writer.write(bytearray(b"abc"))
        writer.write(memoryview(b"abc"))
    assert file.getvalue() == bytes.fromhex(ABC) * 2
    assert not file.closed  # it is the caller's


def test_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        RecordWriter(path)
    assert path.read_bytes() == b"precious"


def test_flushed_bytes_are_there(tmp_path: Path) -> None:
    path = tmp_path / "records"
    with RecordWriter(str(path)) as writer:
        writer.write(b"abc")
        writer.flush()
        assert tensorboard_reads(path) == [b"abc"]


def test_a_closed_writer(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "records")
    writer.close()
    writer.close()
    with pytest.raises(WriterClosedError, match="closed"):
        writer.write(b"abc")
    with pytest.raises(WriterClosedError):
        writer.flush()


@pytest.mark.parametrize("payload", ["text", None, 3, [1, 2]])
def test_what_is_no_bytes(payload: object) -> None:
    file = io.BytesIO()
    with pytest.raises(TypeError, match=type(payload).__name__):
        RecordWriter(file).write(payload)  # type: ignore[arg-type]
    assert file.getvalue() == b""
