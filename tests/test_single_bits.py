"""One flipped bit in any file of the corpus: what it costs, and that it is named.

The rule is that of `bit_flips`.
"""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from bit_flips import Held, checked, judge, records_of
from conftest import CORPUS

from tbio.kinds import image, scalar
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary
from tbio.record import encode_record

FOLDERS = ("damaged", "peers", "real")
#: Bits of each file that are tried: of the first record's header, which also tells whether the file
#: is compressed; and anywhere. Large files take long.
_OF_HEADER, _ANYWHERE, _LARGE = 6, 10, 50_000
#: With ``--full``: every bit of smaller files, and so many of the others.
_SMALL, _MANY = 600, 400


def files_in(folder: str) -> list[Path]:
    """The corpus's files that are event files or look like such, also in other framings."""
    return sorted(
        path
        for path in (CORPUS / folder).rglob("*")
        if path.is_file() and ("tfevents" in path.name or "vdlrecords" in path.name)
    )


def some_bits(data: bytes, chance: random.Random) -> Iterator[int]:
    if len(data) > _LARGE:
        yield from chance.sample(range(96), 1)
        yield from chance.sample(range(8 * len(data)), 3)
        return
    yield from chance.sample(range(min(96, 8 * len(data))), min(_OF_HEADER, len(data)))
    yield from chance.sample(range(8 * len(data)), min(_ANYWHERE, len(data)))


def many_bits(data: bytes, chance: random.Random) -> Iterable[int]:
    every = range(8 * len(data))
    return every if len(data) <= _SMALL else chance.sample(every, _MANY)


def judged(folder: str, *, full: bool = False) -> tuple[int, int]:
    """Hold the rule for files of the corpus: how many, and how many are compressed."""
    chance = random.Random(f"bits of {folder}")
    plain = compressed = 0
    for path in files_in(folder):
        data = path.read_bytes()
        if not data:
            continue
        held = Held.of(data)
        if held.diagnosis.compression:
            compressed += 1
            continue
        plain += 1
        try:
            judge(held, many_bits(data, chance) if full else some_bits(data, chance))
        except AssertionError as error:
            raise AssertionError(f"{path.relative_to(CORPUS)}: {error}") from error
    return plain, compressed


@pytest.mark.parametrize(("folder", "files"), [("damaged", 85), ("peers", 70), ("real", 100)])
def test_some_bits_of_every_corpus_file(corpus: Path, folder: str, files: int) -> None:
    plain, compressed = judged(folder)
    assert plain > files
    assert compressed == (2 if folder == "damaged" else 0)


@pytest.mark.full
@pytest.mark.parametrize("folder", FOLDERS)
def test_many_bits_of_every_corpus_file(corpus: Path, folder: str) -> None:
    judged(folder, full=True)


def record(step: int, *values: Summary.Value) -> bytes:
    event = Event(wall_time=100.0, step=step, summary=Summary(value=values))
    return encode_record(event.SerializeToString())


def picture(step: int, data: bytes) -> bytes:
    value = Summary.Value(tag="i", image=Summary.Image(encoded_image_string=data))
    value.metadata.CopyFrom(image.metadata())
    return record(step, value)


LOG = b"".join(
    (
        encode_record(Event(wall_time=99.0, file_version="brain.Event:2").SerializeToString()),
        *(record(step, scalar.encode("loss", 1.0 / (1 + step))) for step in range(3)),
        encode_record(b""),
        picture(3, bytes(range(40))),
        record(4, scalar.encode("loss", 0.0), scalar.encode("acc", 1.0)),
    )
)


def test_every_bit_of_a_small_log() -> None:
    held = Held.of(LOG)
    assert (len(held.records), held.diagnosis.state) == (7, "sound")
    judge(held, range(8 * len(LOG)))


def test_every_bit_of_a_log_that_is_cut_off() -> None:
    held = Held.of(LOG[:-10])
    assert (len(held.records), held.diagnosis.state) == (6, "cut off")
    judge(held, range(8 * len(held.data)))


@pytest.mark.parametrize("length", [0x78, 0x79, 0x58, 0x179, 0x15E, 0x8B1E, 0x9C78, 0x8B1F])
def test_a_bit_that_makes_a_log_look_compressed(length: int) -> None:
    """The first bytes of a log are a length, which may be one bit from those of zlib or gzip."""
    payload = Event(wall_time=1.0, file_version="x" * (length - 12)).SerializeToString()
    data = encode_record(payload[:length]) + LOG
    judge(Held.of(data), range(96))


def test_records_within_a_record() -> None:
    """A log in a log: a lost length of the outer record lets the inner ones come to light.

    It is the exception to the rule: nothing tells them from records of the file.
    """
    inner = LOG[: len(LOG) // 2]
    outer = picture(7, inner)
    data = bytearray(LOG + outer + LOG)
    data[len(LOG)] ^= 1
    found = records_of(bytes(data))
    own, strays = records_of(LOG), records_of(inner)
    assert [one.payload for one in found] == [one.payload for one in [*own, *strays, *own]]
    file = checked(bytes(data))
    assert file.lost_bytes == len(outer) - sum(one.size for one in strays)
    assert min(one.offset for fault in file.faults for one in fault.examples) == len(LOG)
    data[len(LOG)] ^= 1
    data[len(LOG) + 12] ^= 1  # of the payload: the length still tells where the record ends
    assert len(records_of(bytes(data))) == 2 * len(own)


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_a_bit_of_a_compressed_log_costs_what_follows_it(compress: object) -> None:
    """Never in silence."""
    data = compress(LOG)  # type: ignore[operator]
    payloads = [one.payload for one in records_of(LOG)]
    harmless = 0
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        found = [one.payload for one in records_of(bytes(flipped))]
        file = checked(bytes(flipped))
        assert set(found) <= set(payloads), bit  # some may be there twice
        if file.state == "sound":
            assert found == payloads, bit
            harmless += 1
        else:
            assert file.faults or file.state == "cut off", bit
    assert harmless < 80  # bits of gzip's header that mean nothing here


def test_bits_of_the_compressed_corpus_files(corpus: Path) -> None:
    chance = random.Random(3)
    tried = 0
    for path in files_in("damaged"):
        data = path.read_bytes()
        if not data or not Held.of(data).diagnosis.compression:
            continue
        payloads = [one.payload for one in records_of(data)]
        for bit in chance.sample(range(8 * len(data)), 150):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            found = [one.payload for one in records_of(bytes(flipped))]
            tried += 1
            if checked(bytes(flipped)).state == "sound":
                assert found == payloads
            else:
                assert set(found) <= set(payloads)
    assert tried == 300
