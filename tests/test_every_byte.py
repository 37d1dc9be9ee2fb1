"""Every byte of a small log changed, removed, or with another one put before it.

What is still there is read exactly, by all ways to read; and `tbio.check` names what is not, byte
by byte. What is still there is found here by hand: a record whose bytes all follow each other,
where they were or one byte from there. The rest are the gaps.
"""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

import tbio
from tbio.bulk import Lane
from tbio.columns import FileColumns, Wanted
from tbio.event_file import EventFileReader
from tbio.kinds import image, scalar, text
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary
from tbio.record import encode_record
from tbio.storage import ByteStream, File, FileState, ObjectFile


def framed(**what: object) -> bytes:
    return encode_record(Event(**what).SerializeToString())  # type: ignore[arg-type]


def point(step: int) -> bytes:
    summary = {"value": [scalar.encode("loss", 0.5 * step)]}
    return framed(wall_time=100.0 + step, step=step, summary=summary)


def blob(step: int, value: Summary.Value) -> bytes:
    return framed(wall_time=100.0 + step, step=step, summary={"value": [value]})


def picture() -> Summary.Value:
    value = Summary.Value(tag="i", image=Summary.Image(encoded_image_string=bytes(range(12))))
    value.metadata.CopyFrom(image.metadata())
    return value


def note() -> Summary.Value:
    value = text.encode("t", text.prepare("hello"))
    value.metadata.CopyFrom(text.metadata())
    return value


#: The last byte of some is the first of what follows, and bytes stand twice: places where it cannot
#: be told which of them was removed.
RECORDS = [
    framed(wall_time=99.0, file_version="brain.Event:2"),
    *map(point, range(1, 5)),
    blob(5, picture()),
    blob(6, note()),
    *map(point, range(7, 9)),
]
LOG = b"".join(RECORDS)
STARTS = [sum(map(len, RECORDS[:at])) for at in range(len(RECORDS) + 1)]
STEPS = [0, *range(1, 9)]


class Truth(NamedTuple):
    """What is still there of a damaged log.

    Attributes:
        records: the places of `RECORDS` that are whole.
        gaps: begin and end of all that is between.
    """

    records: list[int]
    gaps: list[tuple[int, int]]

    @classmethod
    def of(cls, data: bytes) -> Truth:
        shift = len(data) - len(LOG)
        at, records, gaps = 0, [], []
        for nth, (start, record) in enumerate(zip(STARTS, RECORDS, strict=False)):
            for place in dict.fromkeys((start, start + shift)):
                if place >= at and data[place : place + len(record)] == record:
                    gaps += [(at, place)] if place > at else []
                    records.append(nth)
                    at = place + len(record)
                    break
        return cls(records, gaps + ([(at, len(data))] if at < len(data) else []))


def steps(truth: Truth) -> list[int]:
    return [STEPS[at] for at in truth.records]


def replaced() -> Iterator[bytes]:
    """Each byte replaced by some values; the first, which may look compressed, by all others."""
    chance = random.Random(1)
    for start, record in zip(STARTS, RECORDS, strict=False):
        for at, byte in enumerate(record):
            some = {0, 255, byte ^ 1, byte ^ 128, chance.randrange(256)}
            for other in range(256) if start + at < 3 else some:
                if other != byte:
                    yield LOG[: start + at] + bytes([other]) + LOG[start + at + 1 :]


def removed() -> Iterator[bytes]:
    return (LOG[:at] + LOG[at + 1 :] for at in range(len(LOG)))


def put_in() -> Iterator[bytes]:
    """Each value before the first byte and behind the last; elsewhere some, the neighbours too."""
    chance = random.Random(2)
    for at in range(len(LOG) + 1):
        near = LOG[max(at - 1, 0) : at + 1]
        few = {0, 255, chance.randrange(256), *near}
        for byte in range(256) if at in (0, len(LOG)) else few:
            yield LOG[:at] + bytes([byte]) + LOG[at:]


DAMAGES = {"replaced": replaced, "removed": removed, "put in": put_in}


def every(how: str, part: int = 1) -> Iterator[tuple[bytes, Truth]]:
    """The damaged logs, one in ``part`` of them at random, and what is still in them."""
    chance = random.Random(3)
    for data in DAMAGES[how]():
        if part == 1 or not chance.randrange(part):
            yield data, Truth.of(data)


QUIETLY = Wanted(on_damage="ignore")


def points_of(columns: FileColumns) -> list[tuple[int, float]]:
    """Steps and wall times of all that a file holds, in order; and the values are right."""
    found: list[tuple[int, float]] = []
    for tag, scalars in columns.scalars.items():
        assert tag == "loss"
        numbers = np.concatenate(scalars.values())
        np.testing.assert_array_equal(numbers, 0.5 * scalars.steps.array)
        found += zip(scalars.steps, scalars.wall_times, strict=True)
    for places in columns.places.values():
        found += zip(places.steps, places.wall_times, strict=True)
    return sorted(found)


def expected_points(truth: Truth) -> list[tuple[int, float]]:
    return [(step, 100.0 + step) for step in steps(truth) if step]


@pytest.mark.parametrize("how", DAMAGES)
def test_records_and_check(how: str) -> None:
    """The plain path gives what is there; check names the rest, no byte more or less."""
    tried = 0
    for data, truth in every(how):
        tried += 1
        payloads = list(tbio.read_records(io.BytesIO(data), on_damage="ignore"))
        assert payloads == [RECORDS[at][12:-4] for at in truth.records]
        if tried % 3 and how != "removed":
            continue
        (file,) = tbio.check(io.BytesIO(data), examples=9).files
        named = sorted(
            (one.offset, one.offset + one.size)
            for finding in file.findings
            for one in finding.examples
            if finding.size
        )
        assert merged(named) == truth.gaps
        assert file.events == file.records == len(truth.records)
        # What ends inside a record may be a log that is being written.
        assert bool(file.faults) == (file.state == "damaged")
        assert file.faults or file.state == "cut off"
        assert file.state == "damaged" or truth.gaps[-1][1] == len(data)
    assert tried > len(LOG) - 1


def merged(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches that touch each other as one."""
    whole: list[tuple[int, int]] = []
    for begin, end in stretches:
        if whole and whole[-1][1] == begin:
            begin = whole.pop()[0]
        whole.append((begin, end))
    return whole


@pytest.mark.parametrize("how", DAMAGES)
def test_columns_by_both_ways(how: str) -> None:
    """The plain path and the bulk lane, as `tbio.open` reads."""
    lane, small = Lane(), Lane(256)
    for data, truth in every(how, 4):
        plain = FileColumns(ObjectFile(io.BytesIO(data)), QUIETLY)
        plain.read()
        ways = [plain]
        for one in (lane, small):
            ways.append(FileColumns(ObjectFile(io.BytesIO(data)), QUIETLY))
            one.read(ways[-1:])
        for columns in ways:
            assert points_of(columns) == expected_points(truth)
            found = [(one.offset, one.offset + one.length) for one in columns.report.damages]
            tail = columns.report.tail
            if tail is not None and tail.kind == "truncated":
                found.append((tail.offset, tail.offset + tail.length))
            assert merged(found) == truth.gaps


@pytest.mark.parametrize("how", DAMAGES)
def test_open_and_events(how: str) -> None:
    for data, truth in every(how, 16):
        logs = tbio.open(io.BytesIO(data), on_damage="ignore")
        run = logs["."]
        numbers = run.scalars["loss"]
        kept = [step for step in steps(truth) if step and step not in (5, 6)]
        assert numbers.steps.tolist() == kept
        assert numbers.values.tolist() == [0.5 * step for step in kept]
        if 5 in steps(truth):
            assert run.images["i"][0].encoded == bytes(range(12))
        if 6 in steps(truth):
            assert run.texts["t"][0] == "hello"
        events = list(tbio.read_events(io.BytesIO(data), on_damage="ignore"))
        assert [event.step for event in events] == steps(truth)
        assert [event.SerializeToString() for event in events] == [
            RECORDS[at][12:-4] for at in truth.records
        ]


class Growing(File):
    """A file of which only a part is there yet."""

    name = "growing"

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.there = 0

    def open(self) -> ByteStream:
        return io.BytesIO(self._data[: self.there])

    def state(self) -> FileState:
        return FileState(self.there)


@pytest.mark.parametrize("how", DAMAGES)
def test_followed_as_it_grows(how: str) -> None:
    """Read whenever some bytes have come: in the end what is read at once, each event once."""
    chance = random.Random(4)
    for data, truth in every(how, 6):
        file = Growing(data)
        reader = EventFileReader(file, "ignore")
        columns = FileColumns(file, QUIETLY)
        lane = Lane(256)
        found = []
        for there in [*sorted(chance.sample(range(len(data)), 4)), len(data)]:
            file.there = there
            found += [stored.event.step for stored in reader.events()]
            lane.read([columns])
        assert found == steps(truth)
        assert points_of(columns) == expected_points(truth)
        lost = sum(end - begin for begin, end in truth.gaps)
        tail = reader.report.tail
        cut_off = tail.length if tail is not None and tail.kind == "truncated" else 0
        assert reader.report.lost_bytes + cut_off == lost


def test_what_is_damaged_is_where_it_was_done() -> None:
    """A byte of the log by hand, to hold the truth of this file itself to something."""
    data = bytearray(LOG)
    data[STARTS[2] + 20] ^= 4
    assert Truth.of(bytes(data)) == ([0, 1, *range(3, 9)], [(STARTS[2], STARTS[3])])
    assert struct.unpack_from("<Q", LOG, STARTS[2]) == (len(RECORDS[2]) - 16,)
    assert Truth.of(LOG[:-1]) == (list(range(8)), [(STARTS[8], len(LOG) - 1)])
    assert Truth.of(b"x" + LOG) == (list(range(9)), [(0, 1)])
