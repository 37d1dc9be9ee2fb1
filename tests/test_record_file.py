"""Files that grow, end early, are damaged, compressed, replaced, or no files at all."""

from __future__ import annotations

import gzip
import io
import os
import random
import tracemalloc
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tbio
from tbio.errors import DamageError, TbioWarning
from tbio.event_file import EventFileReader
from tbio.masked_crc import masked_crc
from tbio.proto.event_pb2 import Event
from tbio.record import MAX_PAYLOAD_BYTES, Damage, encode_record
from tbio.record_file import FileReport, OnDamage, RecordFileReader, Stream
from tbio.storage import LocalFile, ObjectFile

if TYPE_CHECKING:
    from typing_extensions import Buffer

EVENTS = [
    Event(
        wall_time=float(step),
        step=step,
        summary={"value": [{"tag": "loss", "simple_value": 1 / (1 + step)}]},
    )
    for step in range(20)
]
PAYLOADS = [event.SerializeToString() for event in EVENTS]
FRAMES = [encode_record(payload) for payload in PAYLOADS]
STREAM = b"".join(FRAMES)
STARTS = [sum(map(len, FRAMES[:at])) for at in range(len(FRAMES) + 1)]


def append(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def payloads(reader: RecordFileReader) -> list[bytes]:
    return [record.payload for record in reader.records()]


def steps(reader: EventFileReader) -> list[int]:
    return [stored.event.step for stored in reader.events()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An event file of 20 sound records."""
    path = tmp_path / "events.out.tfevents.1.host"
    path.write_bytes(STREAM)
    return path


def reader_of(path: Path, on_damage: OnDamage = "raise") -> EventFileReader:
    return EventFileReader(LocalFile(str(path)), on_damage)


# ------------------------------------------------------------------ whole files


def test_a_sound_file(path: Path) -> None:
    reader = reader_of(path)
    stored = list(reader.events())
    assert [one.event for one in stored] == EVENTS
    assert [one.offset for one in stored] == STARTS[:-1]
    assert [one.size for one in stored] == list(map(len, FRAMES))
    report = reader.report
    assert (report.path, report.size, report.compression) == (str(path), len(STREAM), "")
    assert (report.records, report.events) == (20, 20)
    assert (report.damages, report.tail, report.lost_bytes, report.error) == ([], None, 0, "")


def test_an_empty_file_and_then_some(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents"
    path.touch()
    reader = reader_of(path)
    assert steps(reader) == []
    assert (reader.report.size, reader.report.tail, reader.report.damages) == (0, None, [])
    append(path, STREAM)
    assert steps(reader) == list(range(20))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        steps(reader_of(tmp_path / "x.tfevents"))


@pytest.mark.parametrize("on_damage", ["", "keep", "Warn", None])
def test_no_such_way_with_damage(path: Path, on_damage: OnDamage) -> None:
    with pytest.raises(ValueError, match=r"on_damage: want one of .*'warn', 'raise', 'ignore'"):
        RecordFileReader(LocalFile(str(path)), on_damage)


# ------------------------------------------------------------------ growing files


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_a_growing_file_gives_each_event_once(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("growing") / "x.tfevents"
    path.touch()
    reader = reader_of(path)
    seen: list[int] = []
    for begin, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True):
        append(path, STREAM[begin:end])
        seen += steps(reader)
        assert len(seen) == sum(start <= end for start in STARTS[1:])
        in_record = end - max(start for start in STARTS if start <= end)
        tail = Damage(end - in_record, in_record, "truncated") if in_record else None
        assert (reader.report.tail, reader.report.damages) == (tail, [])
        assert (reader.report.size, reader.report.events) == (end, len(seen))
    assert seen == steps(reader_of(path)) == list(range(20))


def test_cut_off_at_every_byte(tmp_path: Path) -> None:
    for cut in range(STARTS[3] + 1, STARTS[4]):
        path = tmp_path / f"{cut}.tfevents"
        path.write_bytes(STREAM[:cut])
        reader = reader_of(path)  # which would raise if it took the tail for damage
        assert steps(reader) == [0, 1, 2]
        assert reader.report.tail == Damage(STARTS[3], cut - STARTS[3], "truncated")


def test_a_live_file_whose_length_begins_with_zeros(tmp_path: Path) -> None:
    # 256 bytes: of the length, one byte, 0, is written.
    last = encode_record(Event(graph_def=bytes(253)).SerializeToString())
    assert last[:2] == b"\x00\x01"
    path = tmp_path / "x.tfevents"
    path.write_bytes(STREAM + last[:1])
    reader = reader_of(path)
    assert steps(reader) == list(range(20))
    assert reader.report.tail == Damage(len(STREAM), 1, "truncated")
    append(path, last[1:])
    assert steps(reader) == [0]


def test_nothing_new_reads_nothing(path: Path) -> None:
    reader = reader_of(path)
    assert len(steps(reader)) == 20
    assert steps(reader) == []
    assert (reader.report.events, reader.report.size) == (20, len(STREAM))


def test_an_abandoned_iterator_is_resumed(path: Path) -> None:
    reader = reader_of(path)
    first = reader.events()
    seen = [next(first).event.step for _ in range(7)]
    first.close()
    assert seen + steps(reader) == list(range(20))
    assert reader.report.events == 20


def test_an_iterator_abandoned_behind_damage(path: Path) -> None:
    path.write_bytes(STREAM[: STARTS[2]] + b"#" * 30 + STREAM[STARTS[2] :])
    reader = reader_of(path, "ignore")
    first = reader.events()
    seen = [next(first).event.step for _ in range(7)]
    first.close()
    assert seen + steps(reader) == list(range(20))
    assert reader.report.damages == [Damage(STARTS[2], 30, "length")]


# ------------------------------------------------------------------ damage


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_damage_in_the_middle(path: Path) -> None:
    path.write_bytes(flip(STREAM, STARTS[5] + 15))
    reader = reader_of(path, "ignore")
    assert steps(reader) == [at for at in range(20) if at != 5]
    assert reader.report.damages == [Damage(STARTS[5], len(FRAMES[5]), "payload")]
    assert reader.report.lost_bytes == len(FRAMES[5])
    assert reader.report.tail is None


def test_damage_at_the_end_and_then_more(path: Path) -> None:
    path.write_bytes(STREAM[: STARTS[10]] + b"#" * 25)
    reader = reader_of(path, "ignore")
    assert steps(reader) == list(range(10))
    stretch = Damage(STARTS[10], 25, "length")
    assert (reader.report.tail, reader.report.damages) == (stretch, [stretch])
    append(path, STREAM[STARTS[10] :])
    assert steps(reader) == list(range(10, 20))
    assert (reader.report.tail, reader.report.damages) == (None, [stretch])
    assert reader.report.size == len(STREAM) + 25


def test_a_damaged_tail_that_grows_is_one_stretch(path: Path) -> None:
    reader = reader_of(path, "ignore")
    assert len(steps(reader)) == 20
    for more in range(1, 4):
        append(path, b"#" * 25)
        assert steps(reader) == []
        assert reader.report.damages == [Damage(len(STREAM), 25 * more, "length")]


STRETCHES = st.one_of(
    st.sampled_from(FRAMES),
    st.sampled_from(FRAMES),
    st.sampled_from(FRAMES).map(lambda frame: frame[:-1] + b"?"),
    st.sampled_from(FRAMES).map(lambda frame: frame[:20]),
    st.integers(0, 40).map(bytes),
    st.binary(max_size=30),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(STRETCHES, max_size=8).map(b"".join),
    st.lists(st.integers(0, 250), max_size=5).map(sorted),
)
def test_a_damaged_file_that_grows_gives_what_it_gives_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, stream: bytes, cuts: list[int]
) -> None:
    assume(stream[:1] not in (b"\x1f", b"\x78"))  # it may look like gzip or zlib
    path = tmp_path_factory.mktemp("growing") / "x.tfevents"
    path.touch()
    reader = reader_of(path, "ignore")
    seen: list[tuple[int, int]] = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        append(path, stream[begin:end])  # nothing, where the cut is beyond the end
        seen += [(stored.offset, stored.event.step) for stored in reader.events()]
    once = reader_of(path, "ignore")
    assert seen == [(stored.offset, stored.event.step) for stored in once.events()]
    assert not_read(reader) == not_read(once)
    assert reader.report.size == once.report.size == len(stream)


def not_read(reader: EventFileReader) -> int:
    """Bytes in no event: lost ones, and a cut-off tail's."""
    tail = reader.report.tail
    return reader.report.lost_bytes + (tail.length if tail and tail.kind == "truncated" else 0)


def test_a_zero_tail_that_is_filled_in(path: Path) -> None:
    """As a file system leaves it that allots the blocks first: zeros, then the data over them."""
    path.write_bytes(STREAM[: STARTS[10]] + bytes(len(STREAM) - STARTS[10]))
    reader = reader_of(path, "ignore")
    assert steps(reader) == list(range(10))
    zeros = Damage(STARTS[10], len(STREAM) - STARTS[10], "zeros")
    assert (reader.report.tail, reader.report.damages) == (zeros, [zeros])
    with open(path, "r+b") as file:
        file.seek(STARTS[10])
        file.write(STREAM[STARTS[10] :] + FRAMES[0])
    assert steps(reader) == [*range(10, 20), 0]
    assert (reader.report.tail, reader.report.damages) == (None, [])


def test_a_zero_tail_that_is_filled_in_without_growing(path: Path) -> None:
    path.write_bytes(STREAM[: STARTS[10]] + bytes(len(STREAM) - STARTS[10]))
    before = path.stat()
    reader = reader_of(path, "ignore")
    assert steps(reader) == list(range(10))
    with open(path, "r+b") as file:
        file.seek(STARTS[10])
        file.write(STREAM[STARTS[10] :])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))  # a second later
    assert steps(reader) == list(range(10, 20))
    assert (reader.report.tail, reader.report.damages) == (None, [])


def test_a_record_that_is_no_event(path: Path) -> None:
    no_event = encode_record(b"\x0a\xff\xff\xff\xff\x0f no proto")
    path.write_bytes(STREAM[: STARTS[5]] + no_event + STREAM[STARTS[5] :])
    reader = reader_of(path, "ignore")
    assert steps(reader) == list(range(20))
    assert reader.report.damages == [Damage(STARTS[5], len(no_event), "event")]
    assert (reader.report.records, reader.report.events) == (21, 20)
    assert len(payloads(RecordFileReader(LocalFile(str(path)), "raise"))) == 21


def test_raise_says_where_each_time(path: Path) -> None:
    path.write_bytes(flip(STREAM, STARTS[5] + 15))
    reader = reader_of(path)
    seen: list[int] = []
    with pytest.raises(DamageError) as raised:
        seen.extend(stored.event.step for stored in reader.events())
    error = raised.value
    assert (error.path, error.offset, error.kind) == (str(path), STARTS[5], "payload")
    assert str(error).startswith(f"{path}, byte {STARTS[5]}: payload checksum wrong")
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(DamageError) as again:  # and never goes on as if nothing were missing
        steps(reader)
    assert again.value.offset == STARTS[5]
    assert reader.report.events == 5


def test_raise_at_a_damaged_tail(path: Path) -> None:
    append(path, b"#" * 25)
    reader = reader_of(path)
    iterator = reader.events()
    assert [next(iterator).event.step for _ in range(20)] == list(range(20))
    with pytest.raises(DamageError) as raised:
        next(iterator)
    assert (raised.value.offset, raised.value.kind) == (len(STREAM), "length")


def test_raise_at_a_record_that_is_no_event(path: Path) -> None:
    append(path, encode_record(b"\x0a\xff no proto"))
    iterator = reader_of(path).events()
    assert [next(iterator).event.step for _ in range(20)] == list(range(20))
    with pytest.raises(DamageError) as raised:
        next(iterator)
    assert (raised.value.offset, raised.value.kind) == (len(STREAM), "event")


def test_one_warning_for_a_file(path: Path) -> None:
    damaged = flip(flip(STREAM, STARTS[5] + 15), STARTS[9] + 3)
    path.write_bytes(damaged + b"#" * 25)
    with pytest.warns(TbioWarning) as caught:
        assert len(steps(reader_of(path, "warn"))) == 18
    assert len(caught) == 1
    lost = len(FRAMES[5]) + len(FRAMES[9]) + 25
    assert str(caught[0].message) == (
        f"{path}: 3 damaged places, {lost} bytes lost; the first at byte {STARTS[5]}: "
        f"payload checksum wrong ({len(FRAMES[5])} bytes lost)"
    )


def test_the_same_damage_is_not_warned_of_again(path: Path) -> None:
    append(path, b"#" * 25)
    reader = reader_of(path, "warn")
    with pytest.warns(TbioWarning) as caught:
        assert len(steps(reader)) == 20
        append(path, FRAMES[0])
        assert steps(reader) == [0]
        append(path, FRAMES[1])
        assert steps(reader) == [1]
    assert len(caught) == 1


def test_damage_met_by_an_abandoned_iterator_is_warned_of(path: Path) -> None:
    path.write_bytes(flip(STREAM, STARTS[5] + 15))
    reader = reader_of(path, "warn")
    first = reader.events()
    assert [next(first).event.step for _ in range(7)] == [0, 1, 2, 3, 4, 6, 7]
    with pytest.warns(TbioWarning) as caught:
        first.close()
        assert steps(reader) == list(range(8, 20))
    assert len(caught) == 1


def test_ignore_is_silent_and_so_is_a_cut_off_tail(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        append(path, FRAMES[0][:-1])
        assert len(steps(reader_of(path, "warn"))) == 20
        path.write_bytes(flip(STREAM, STARTS[5] + 15))
        assert len(steps(reader_of(path, "ignore"))) == 19


# ------------------------------------------------------------------ another file under the name


def test_replaced_by_another_file_of_the_same_size(path: Path) -> None:
    reader = reader_of(path)
    assert not reader.replaced()
    assert len(steps(reader)) == 20
    assert not reader.replaced()
    other = path.with_name("other")
    other.write_bytes(b"".join(reversed(FRAMES)))
    os.replace(other, path)
    assert reader.replaced()
    reader.rewind()
    assert steps(reader) == list(range(19, -1, -1))
    assert not reader.replaced()
    assert (reader.report.events, reader.report.damages) == (20, [])


def test_shrunk(path: Path) -> None:
    reader = reader_of(path)
    assert len(steps(reader)) == 20
    os.truncate(path, STARTS[3])
    assert reader.replaced()
    reader.rewind()
    assert steps(reader) == [0, 1, 2]
    assert reader.report.size == STARTS[3]


def test_growing_is_not_being_replaced(path: Path) -> None:
    reader = reader_of(path)
    assert len(steps(reader)) == 20
    append(path, FRAMES[0])
    assert not reader.replaced()


# ------------------------------------------------------------------ compressed files

GZIP = gzip.compress(STREAM, mtime=0)
TWO_MEMBERS = gzip.compress(STREAM[:500], mtime=0) + gzip.compress(STREAM[500:], mtime=0)

COMPRESSED = {
    "gzip": (GZIP, "gzip"),
    "gzip stored": (gzip.compress(STREAM, 0, mtime=0), "gzip"),
    "two members": (TWO_MEMBERS, "gzip"),
    "zeros between and behind": (GZIP + bytes(7) + gzip.compress(b"") + bytes(5000), "gzip"),
    "zlib": (zlib.compress(STREAM), "zlib"),
    "zlib fastest": (zlib.compress(STREAM, 1), "zlib"),
    "zlib best": (zlib.compress(STREAM, 9), "zlib"),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed(tmp_path: Path, name: str, suffix: str) -> None:
    data, compression = COMPRESSED[name]
    path = tmp_path / f"x.tfevents{suffix}"
    path.write_bytes(data)
    reader = reader_of(path)
    stored = list(reader.events())
    assert [one.event for one in stored] == EVENTS
    assert [one.offset for one in stored] == STARTS[:-1]
    assert (reader.report.compression, reader.report.size) == (compression, len(STREAM))
    assert (reader.report.tail, reader.report.damages) == (None, [])


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_in_short_reads(name: str) -> None:
    data, compression = COMPRESSED[name]
    reader = EventFileReader(ObjectFile(binary(ShortReads(data, 3))), "raise")
    assert steps(reader) == list(range(20))
    assert reader.report.compression == compression


def test_plain_under_a_gz_name(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents.gz"
    path.write_bytes(STREAM)
    reader = reader_of(path)
    assert steps(reader) == list(range(20))
    assert reader.report.compression == ""


def test_a_plain_file_whose_length_looks_like_gzip(tmp_path: Path) -> None:
    payload = Event(graph_def=bytes(0x8B1F - 4)).SerializeToString()
    assert len(payload) == 0x8B1F
    path = tmp_path / "x.tfevents"
    path.write_bytes(encode_record(payload))
    reader = reader_of(path)
    assert steps(reader) == [0]
    assert reader.report.compression == ""


@pytest.mark.parametrize("length", [0x8B1F, 0x0178, 0x9C78, 0x081F8B])
def test_the_first_header_of_a_plain_file_half_written(tmp_path: Path, length: int) -> None:
    """Its bytes may look like the beginning of gzip or zlib until the checksum is there."""
    frame = encode_record(bytes(length))
    for cut in range(1, 13):
        path = tmp_path / str(cut)
        path.write_bytes(frame[:cut])
        reader = RecordFileReader(LocalFile(str(path)), "ignore")
        assert payloads(reader) == []
        assert reader.report.tail == Damage(0, cut, "truncated")
        assert (reader.report.damages, reader.report.compression) == ([], "")


def test_a_large_file_that_compresses_well(tmp_path: Path) -> None:
    # Several chunks of 1 MiB out of one chunk read.
    large = [Event(step=step, graph_def=bytes(3 << 19)).SerializeToString() for step in range(4)]
    path = tmp_path / "x.tfevents"
    path.write_bytes(gzip.compress(b"".join(map(encode_record, large)), mtime=0))
    assert payloads(RecordFileReader(LocalFile(str(path)), "raise")) == large


def test_gzip_cut_off_and_then_continued(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents"
    stored = gzip.compress(STREAM, 0, mtime=0)  # not compressed, so that a prefix is a prefix
    cut = len(stored) // 2
    path.write_bytes(stored[:cut])
    reader = reader_of(path)
    first = steps(reader)
    assert first == list(range(len(first)))
    assert 5 < len(first) < 15
    assert reader.report.tail is not None
    assert (reader.report.tail.kind, reader.report.tail.offset) == ("truncated", STARTS[len(first)])
    assert reader.report.damages == []
    append(path, stored[cut:])
    assert first + steps(reader) == list(range(20))
    assert reader.report.tail is None


def test_gzip_cut_off_in_its_last_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents"
    path.write_bytes(GZIP[:-3])
    reader = reader_of(path)
    assert steps(reader) == list(range(20))
    assert reader.report.tail == Damage(len(STREAM), 0, "truncated")
    assert reader.report.damages == []


def test_a_broken_second_member(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents"
    path.write_bytes(gzip.compress(STREAM[:500], mtime=0) + GZIP[:10] + b"\xff" * 50)
    reader = reader_of(path, "ignore")
    seen = steps(reader)
    assert seen == [at for at in range(20) if STARTS[at + 1] <= 500]
    (damage,) = reader.report.damages
    assert (damage.kind, damage.offset) == ("compression", STARTS[len(seen)])
    with pytest.raises(DamageError) as raised:
        steps(reader_of(path))
    assert (raised.value.kind, raised.value.path) == ("compression", str(path))


def test_what_can_be_inflated_of_a_broken_gzip_is_read(tmp_path: Path) -> None:
    deflate = zlib.compressobj(wbits=31)
    sound = deflate.compress(STREAM * 10) + deflate.flush(zlib.Z_FULL_FLUSH)
    path = tmp_path / "x.tfevents"
    path.write_bytes(sound + b"\x07" + b"lost" * 10)  # 7: the last block, of no type there is
    reader = reader_of(path, "ignore")
    assert steps(reader) == list(range(20)) * 10
    (damage,) = reader.report.damages
    assert (damage.kind, damage.offset) == ("compression", 10 * len(STREAM))


def test_gzip_with_a_wrong_checksum_at_its_end(tmp_path: Path) -> None:
    """Every record has a checksum of its own, and all of them are right."""
    path = tmp_path / "x.tfevents"
    path.write_bytes(flip(GZIP, len(GZIP) - 7))
    reader = reader_of(path, "ignore")
    assert steps(reader) == list(range(20))
    assert [damage.kind for damage in reader.report.damages] == ["compression"]
    assert reader.report.damages[0].offset == len(STREAM)


def test_damage_inside_a_gzip(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents"
    path.write_bytes(gzip.compress(flip(STREAM, STARTS[5] + 15)))
    reader = reader_of(path, "ignore")
    assert steps(reader) == [at for at in range(20) if at != 5]
    assert reader.report.damages == [Damage(STARTS[5], len(FRAMES[5]), "payload")]


def by_the_byte(data: bytes) -> bytes:
    """What can be inflated before the first wrong byte."""
    inflate, found = zlib.decompressobj(wbits=47), b""
    for at in range(len(data)):
        try:
            found += inflate.decompress(data[at : at + 1])
        except zlib.error:
            break
        if inflate.eof:
            break
    return found


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([GZIP, zlib.compress(STREAM * 9), zlib.compress(bytes(5000))]), st.data())
def test_all_before_the_first_wrong_byte_is_inflated(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(12, len(data) - 9))
    damaged = data[:at] + draw.draw(st.binary(min_size=1, max_size=3)) + data[at + 1 :]
    stream = Stream(io.BytesIO(damaged), len(damaged), 0)
    assert b"".join(stream) == by_the_byte(damaged)
    assert stream.position == len(by_the_byte(damaged))


@pytest.mark.parametrize("start", [b"\x1f\x8b", b"\x78\x01", b"\x78\x9c", b"\x78\xda"])
def test_a_damaged_length_that_looks_like_compression(tmp_path: Path, start: bytes) -> None:
    """Of the first record; all others are read."""
    path = tmp_path / "x.tfevents"
    path.write_bytes(start + STREAM[2:])
    reader = reader_of(path, "ignore")
    assert steps(reader) == list(range(1, 20))
    assert reader.report.compression == ""
    assert reader.report.damages == [Damage(0, len(FRAMES[0]), "length")]


# ------------------------------------------------------------------ decompression bombs


def header_of(length: int) -> bytes:
    packed = length.to_bytes(8, "little")
    return packed + masked_crc(packed).to_bytes(4, "little")


def gzip_of(parts: Iterator[bytes]) -> bytes:
    deflate = zlib.compressobj(1, wbits=31)
    return b"".join([*map(deflate.compress, parts), deflate.flush()])


def test_a_small_gzip_that_claims_gigabytes(tmp_path: Path) -> None:
    def bomb() -> Iterator[bytes]:
        yield STREAM
        yield header_of(MAX_PAYLOAD_BYTES)
        for _ in range(80):
            yield bytes(1 << 20)
        yield STREAM

    path = tmp_path / "x.tfevents"
    path.write_bytes(gzip_of(bomb()))
    assert path.stat().st_size < 1 << 19
    reader = reader_of(path, "ignore")
    tracemalloc.start()
    try:
        assert steps(reader) == [*range(20), *range(20)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    assert reader.report.damages == [Damage(len(STREAM), 12 + (80 << 20), "length")]


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("noise", [0, 1 << 13])
def test_the_longest_record_of_a_compressed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: int, over: int
) -> None:
    """So many bytes, or so many times the bytes of the file; in a plain file any."""
    monkeypatch.setattr("tbio.record_file._LEAST_LIMIT", 1 << 18)
    small = encode_record(random.Random(0).randbytes(noise))

    def file_with(length: int) -> bytes:
        return gzip.compress(small + encode_record(bytes(length)) + small, mtime=0)

    limit = 1 << 18
    if noise:  # it adds to the file what it takes itself, once
        while limit < 32 * len(file_with(limit + 1)):
            limit = 32 * len(file_with(limit + 1))
        while limit > 32 * len(file_with(limit)):
            limit -= 1
    assert (limit > 1 << 18) == bool(noise)
    path = tmp_path / "x.tfevents"
    path.write_bytes(file_with(limit + over))
    reader = RecordFileReader(LocalFile(str(path)), "ignore")
    lengths = [len(record.payload) for record in reader.records()]
    assert lengths == [noise, *([] if over else [limit]), noise]
    lost = Damage(len(small), limit + over + 16, "length")
    assert reader.report.damages == [lost] * over
    plain = RecordFileReader(ObjectFile(io.BytesIO(gzip.decompress(path.read_bytes()))), "raise")
    assert [len(payload) for payload in payloads(plain)] == [noise, limit + over, noise]


def test_zeros_behind_a_gzip_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents"
    path.write_bytes(GZIP + bytes(16 << 20))
    reader = reader_of(path)
    tracemalloc.start()
    try:
        assert steps(reader) == list(range(20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 << 20
    assert (reader.report.tail, reader.report.damages) == (None, [])


def test_a_member_for_each_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents"
    members = [gzip.compress(bytes([byte]), mtime=0) for byte in range(256)]
    path.write_bytes(b"".join(members[byte] for byte in STREAM))
    assert steps(reader_of(path)) == list(range(20))


# ------------------------------------------------------------------ batch, follow and events


class Outcome(NamedTuple):
    """What is read of a file.

    Attributes:
        steps: of its events.
        damages: in its report.
        tail: where the file ends inside a record: its offset.
    """

    steps: list[int]
    damages: list[Damage]
    tail: Damage | None = None


ALL = list(range(20))
SEVEN = STARTS[7]
#: gzip and zlib without compression: a prefix of these is a prefix of the stream.
STORED = gzip.compress(STREAM, 0, mtime=0)
STORED_BEGINS = STORED.index(STREAM)
ZLIB_STORED = zlib.compress(STREAM, 0)
MANY_STORED = gzip.compress(STREAM + b"#" * 30 + STREAM + bytes(50), 0, mtime=0)

#: name -> the bytes of a file, and what is read of them, in whatever way.
FILES: dict[str, tuple[bytes, Outcome]] = {
    "sound": (STREAM, Outcome(ALL, [])),
    "empty": (b"", Outcome([], [])),
    "cut off in a payload": (
        STREAM[: SEVEN + 20],
        Outcome(ALL[:7], [], Damage(SEVEN, 20, "truncated")),
    ),
    "cut off in a header": (
        STREAM[: SEVEN + 5],
        Outcome(ALL[:7], [], Damage(SEVEN, 5, "truncated")),
    ),
    "garbage before": (
        b"#" * 25 + STREAM,
        Outcome(ALL, [Damage(0, 25, "length")]),
    ),
    "garbage between": (
        STREAM[:SEVEN] + b"#" * 25 + STREAM[SEVEN:],
        Outcome(ALL, [Damage(SEVEN, 25, "length")]),
    ),
    "garbage after": (
        STREAM + b"#" * 25,
        Outcome(ALL, [Damage(len(STREAM), 25, "length")]),
    ),
    "garbage before, between and after": (
        b"#" * 9 + STREAM[:SEVEN] + b"#" * 25 + STREAM[SEVEN:] + b"#" * 70,
        Outcome(
            ALL,
            [
                Damage(0, 9, "length"),
                Damage(9 + SEVEN, 25, "length"),
                Damage(34 + len(STREAM), 70, "length"),
            ],
        ),
    ),
    "zeros behind": (
        STREAM + bytes(100),
        Outcome(ALL, [Damage(len(STREAM), 100, "zeros")]),
    ),
    "a few zeros behind": (
        STREAM + bytes(7),
        Outcome(ALL, [], Damage(len(STREAM), 7, "truncated")),
    ),
    "zeros from inside a record": (
        STREAM[: SEVEN + 20] + bytes(len(STREAM) - SEVEN - 20),
        Outcome(ALL[:7], [Damage(SEVEN, len(STREAM) - SEVEN, "payload")]),
    ),
    "zeros between": (
        STREAM[:SEVEN] + bytes(64) + STREAM[SEVEN:],
        Outcome(ALL, [Damage(SEVEN, 64, "length")]),
    ),
    "only zeros": (bytes(1024), Outcome([], [Damage(0, 1024, "zeros")])),
    "text": (b"step,loss\n1,0.5\n" * 20, Outcome([], [Damage(0, 320, "length")])),
    "a picture": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)),
        Outcome([], [Damage(0, 272, "length")]),
    ),
    "a few bytes of text": (b"hello\n", Outcome([], [], Damage(0, 6, "truncated"))),
    "gzip": (GZIP, Outcome(ALL, [])),
    "zlib": (zlib.compress(STREAM), Outcome(ALL, [])),
    "gzip cut off in a record": (
        STORED[: STORED_BEGINS + SEVEN + 20],
        Outcome(ALL[:7], [], Damage(SEVEN, 20, "truncated")),
    ),
    "gzip cut off between records": (
        STORED[: STORED_BEGINS + SEVEN],
        Outcome(ALL[:7], [], Damage(SEVEN, 0, "truncated")),
    ),
    "gzip cut off in its last bytes": (
        GZIP[:-3],
        Outcome(ALL, [], Damage(len(STREAM), 0, "truncated")),
    ),
    "gzip cut off in its header": (GZIP[:11], Outcome([], [], Damage(0, 11, "truncated"))),
    "zlib cut off in a record": (
        ZLIB_STORED[: ZLIB_STORED.index(STREAM) + SEVEN + 20],
        Outcome(ALL[:7], [], Damage(SEVEN, 20, "truncated")),
    ),
    "garbage before gzip": (
        b"#" * 25 + GZIP,
        Outcome([], [Damage(0, 25 + len(GZIP), "length")]),
    ),
    "garbage behind gzip": (
        GZIP + b"#" * 25,
        Outcome(ALL, [Damage(len(STREAM), 0, "compression")]),
    ),
    "garbage and zeros in gzip": (
        MANY_STORED,
        Outcome(
            ALL + ALL,
            [Damage(len(STREAM), 30, "length"), Damage(2 * len(STREAM) + 30, 50, "zeros")],
        ),
    ),
    "gzip with a wrong byte": (
        STORED[:SEVEN] + b"?" + STORED[SEVEN + 1 :],
        Outcome(
            [*ALL[:6], *ALL[7:]],
            [Damage(STARTS[6], len(FRAMES[6]), "payload"), Damage(len(STREAM), 0, "compression")],
        ),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_every_way_of_reading(tmp_path: Path, name: str) -> None:
    data, outcome = FILES[name]
    path = tmp_path / "x.tfevents"
    path.write_bytes(data)
    reader = reader_of(path, "ignore")
    assert steps(reader) == outcome.steps
    assert (reader.report.damages, cut_off_in(reader.report)) == outcome[1:]
    events = tbio.read_events(path, on_damage="ignore")
    assert [event.step for event in events] == outcome.steps
    logs = tbio.open(path, on_damage="ignore", restarts="keep")
    assert steps_of(logs) == outcome.steps
    (report,) = logs["."].report.files
    assert (report.damages, cut_off_in(report)) == outcome[1:]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert steps_of(tbio.open(path, restarts="keep")) == outcome.steps
    assert len(told) == bool(outcome.damages)


@pytest.mark.parametrize("name", FILES)
def test_following(tmp_path: Path, name: str) -> None:
    """The file grows while it is read: in the end it comes to the same."""
    data, outcome = FILES[name]
    path = tmp_path / "x.tfevents"
    path.touch()
    logs = tbio.open(path, on_damage="ignore", restarts="keep")
    reader = reader_of(path, "ignore")
    read = steps(reader)
    for begin in range(0, len(data), 333):
        append(path, data[begin : begin + 333])
        read += steps(reader)
        logs.reload()
        assert steps_of(logs) == read
    assert read == outcome.steps
    (report,) = logs["."].report.files
    lost = sum(damage.length for damage in outcome.damages)
    for one in (report, reader.report):
        assert one.lost_bytes == lost
        assert cut_off_in(one) == outcome.tail


def cut_off_in(report: FileReport) -> Damage | None:
    tail = report.tail
    return tail if tail is not None and tail.kind == "truncated" else None


def steps_of(logs: tbio.LogDir) -> list[int]:
    series = logs["."].scalars.get("loss")
    return [] if series is None else series.steps.tolist()


# ------------------------------------------------------------------ file objects


class ShortReads(io.BytesIO):
    """Gives fewer bytes than it is asked for, as sockets and pipes do."""

    def __init__(self, data: bytes, least: int) -> None:
        super().__init__(data)
        self._least = least
        self._calls = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._calls += 1
        return super().read(min(size or 0, self._least + self._calls % 5))


class Pipe(io.RawIOBase):
    """A stream that cannot seek, nor tell where it is."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        return self._rest.readinto(buffer)


def binary(file: io.BytesIO | io.RawIOBase) -> BinaryIO:
    return cast(BinaryIO, file)


def at_a_position(data: bytes) -> BinaryIO:
    file = io.BytesIO(b"something else" + data)
    file.seek(14)
    return file


OBJECTS: dict[str, Callable[[bytes], BinaryIO]] = {
    "BytesIO": io.BytesIO,
    "BytesIO at a position": at_a_position,
    "short reads of 1 to 5 bytes": lambda data: ShortReads(data, 1),
    "short reads of 100 to 104 bytes": lambda data: ShortReads(data, 100),
    "a pipe": lambda data: binary(Pipe(data)),
}


@pytest.mark.parametrize("data", [STREAM, GZIP, zlib.compress(STREAM)], ids=["plain", "gz", "zlib"])
@pytest.mark.parametrize("name", OBJECTS)
def test_file_objects(name: str, data: bytes) -> None:
    file = OBJECTS[name](data)
    reader = EventFileReader(ObjectFile(file), "raise")
    stored = list(reader.events())
    assert [one.event for one in stored] == EVENTS
    assert [one.offset for one in stored] == STARTS[:-1]
    assert reader.report.size == len(STREAM)
    assert steps(reader) == []
    assert not file.closed


def test_a_growing_file_object() -> None:
    file = at_a_position(STREAM[:100])
    reader = EventFileReader(ObjectFile(file), "raise")
    seen = steps(reader)
    file.seek(0, io.SEEK_END)
    file.write(STREAM[100:])
    assert seen + steps(reader) == list(range(20))


@pytest.mark.parametrize("name", OBJECTS)
def test_damaged_file_objects(name: str) -> None:
    reader = EventFileReader(
        ObjectFile(OBJECTS[name](flip(STREAM, STARTS[5] + 3) + FRAMES[0][:9])), "ignore"
    )
    assert steps(reader) == [at for at in range(20) if at != 5]
    assert reader.report.damages == [Damage(STARTS[5], len(FRAMES[5]), "length")]
    assert reader.report.tail == Damage(len(STREAM), 9, "truncated")


class ShortFile(LocalFile):
    """A local file whose reads are short."""

    def open(self) -> ShortReads:
        return ShortReads(Path(self.name).read_bytes(), 2)


def test_short_reads_of_a_file_that_grows(path: Path) -> None:
    reader = EventFileReader(ShortFile(str(path)), "raise")
    assert steps(reader) == list(range(20))
    append(path, STREAM[: STARTS[3] - 2])
    assert steps(reader) == [0, 1]
    assert reader.report.tail == Damage(len(STREAM) + STARTS[2], len(FRAMES[2]) - 2, "truncated")


def test_the_name_in_messages(path: Path) -> None:
    with open(path, "rb") as file:
        assert ObjectFile(file).name == str(path)
    assert ObjectFile(io.BytesIO()).name == "<file object>"


def test_what_came_after_the_size_was_taken_waits(path: Path) -> None:
    """Reading goes to where the file ended when it began, so that every end is a known one."""

    def growing() -> Iterator[int]:
        for stored in reader.events():
            append(path, FRAMES[0])
            yield stored.event.step

    reader = reader_of(path)
    assert list(growing()) == list(range(20))
    assert steps(reader) == [0] * 20


def test_a_stream_is_read_once(tmp_path: Path) -> None:
    reader = RecordFileReader(ObjectFile(binary(Pipe(STREAM))), "raise")
    first = reader.records()
    next(first)
    first.close()  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="a stream that cannot seek is read once"):
        list(reader.records())


def test_more_damages_than_a_report_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and the last ones; the others are counted."""
    monkeypatch.setattr("tbio.record_file._MOST_DAMAGES", 3)
    sound = encode_record(PAYLOADS[0])
    spoilt = sound[:-1] + bytes([sound[-1] ^ 1])
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes((sound + spoilt) * 10)
    with pytest.warns(TbioWarning, match=f"10 damaged places, {10 * len(sound)} bytes lost"):
        report = tbio.open(path)["."].report.files[0]
    assert [damage.offset for damage in report.damages] == [
        (2 * at + 1) * len(sound) for at in (0, 1, 2, 8, 9)
    ]
    assert (report.unlisted_damages, report.unlisted_bytes) == (5, 5 * len(sound))
    assert report.lost_bytes == 10 * len(sound)
    assert "10 damaged places" in repr(report)
    with pytest.warns(TbioWarning, match="10 damaged places"):
        assert "10 damages" in repr(tbio.open(path)["."].report)
