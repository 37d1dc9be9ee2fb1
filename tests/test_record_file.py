"""Files that grow, end early, are damaged, compressed, replaced, or no files at all."""

from __future__ import annotations

import gzip
import io
import os
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tbio.errors import DamageError, TbioWarning
from tbio.event_file import EventFileReader
from tbio.proto.event_pb2 import Event
from tbio.record import Damage, encode_record
from tbio.record_file import OnDamage, RecordFileReader
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
