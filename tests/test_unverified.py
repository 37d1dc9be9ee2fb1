"""Writers that store no checksums, or not those of the format: recognised, and read on request."""

from __future__ import annotations

import gzip
import io
import itertools
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tbio
from tbio.dialect import Dialect, DialectKind, recognise
from tbio.errors import DamageError, TbioWarning
from tbio.event_file import EventFileReader
from tbio.masked_crc import crc32c, masked_crc
from tbio.proto.event_pb2 import Event
from tbio.record import Damage, Record, RecordDecoder, encode_record
from tbio.record_file import FileReport, RecordFileReader, Unverified
from tbio.storage import LocalFile, ObjectFile

EVENTS = [
    Event(
        wall_time=float(step),
        step=step,
        summary={"value": [{"tag": "loss", "simple_value": 1 / (1 + step)}]},
    ).SerializeToString()
    for step in range(40)
]
#: What SageMaker's debugger stores: the masked CRC-32C of the ten bytes "0x12345678".
SAGEMAKER = 0x062DC0B3


def framed(
    payload: bytes, of_length: Callable[[bytes], int], of_payload: Callable[[bytes], int]
) -> bytes:
    length = struct.pack("<Q", len(payload))
    header = length + struct.pack("<I", of_length(length))
    return header + payload + struct.pack("<I", of_payload(payload))


class Writer(NamedTuple):
    """One that does not do as the format says."""

    kind: DialectKind
    frame: Callable[[bytes], bytes]


WRITERS = {
    "SageMaker's debugger": Writer(
        "constant", lambda payload: framed(payload, masked_crc, lambda _: SAGEMAKER)
    ),
    "zero for payloads": Writer(
        "constant", lambda payload: framed(payload, masked_crc, lambda _: 0)
    ),
    "another number": Writer(
        "constant", lambda payload: framed(payload, masked_crc, lambda _: 0xDEADBEEF)
    ),
    "zero for everything": Writer(
        "constant", lambda payload: framed(payload, lambda _: 0, lambda _: 0)
    ),
    "no mask": Writer("unmasked", lambda payload: framed(payload, crc32c, crc32c)),
    "no mask for payloads": Writer("unmasked", lambda payload: framed(payload, masked_crc, crc32c)),
}


def report_of(data: bytes, unverified: Unverified = "read") -> tuple[list[bytes], FileReport]:
    reader = RecordFileReader(ObjectFile(io.BytesIO(data)), "ignore", unverified)
    return [record.payload for record in reader.records()], reader.report


def steps_of(logs: tbio.LogDir) -> list[int]:
    series = logs["."].scalars.get("loss")
    return [] if series is None else series.steps.tolist()


# ------------------------------------------------------------------ whole files


@pytest.mark.parametrize("name", WRITERS)
def test_read_on_request(tmp_path: Path, name: str) -> None:
    kind, frame = WRITERS[name]
    path = tmp_path / "x.tfevents"
    path.write_bytes(b"".join(map(frame, EVENTS)))
    reader = RecordFileReader(LocalFile(str(path)), "raise", "read")
    records = list(reader.records())
    assert [record.payload for record in records] == EVENTS
    assert not any(record.is_verified for record in records)
    report = reader.report
    assert (report.records, report.unverified, report.unverified_records) == (40, kind, 40)
    assert (report.damages, report.tail) == ([], None)
    events = list(tbio.read_events(path, unverified="read", on_damage="raise"))
    assert [event.SerializeToString() for event in events] == EVENTS
    assert list(tbio.read_records(path, unverified="read", on_damage="raise")) == EVENTS
    logs = tbio.open(path, unverified="read", on_damage="raise")
    np.testing.assert_array_equal(logs["."].scalars["loss"].steps, range(40))
    (report,) = logs["."].report.files
    assert (report.unverified, report.unverified_records, report.events) == (kind, 40, 40)
    table = tbio.read_scalars(path, unverified="read", on_damage="raise")
    assert table.step.tolist() == list(range(40))


@pytest.mark.parametrize("name", WRITERS)
def test_left_out_and_told_of(tmp_path: Path, name: str) -> None:
    kind, frame = WRITERS[name]
    path = tmp_path / "x.tfevents"
    size = path.write_bytes(b"".join(map(frame, EVENTS)))
    logs = tbio.open(path)
    with pytest.warns(TbioWarning, match="computes no checksums.*unverified='read'"):
        assert steps_of(logs) == []
    (report,) = logs["."].report.files
    assert report.damages == [Damage(0, size, "unverified")]
    assert (report.records, report.unverified, report.unverified_records) == (0, kind, 40)
    assert repr(report) == (
        f"<FileReport {str(path)!r}: 0 events, 1 damaged places, 40 records not verified>"
    )
    for read in (tbio.read_events, tbio.read_records):
        with pytest.raises(DamageError, match="unverified='read'") as raised:
            list(read(path, on_damage="raise"))
        assert (raised.value.offset, raised.value.kind) == (0, "unverified")


@pytest.mark.parametrize("name", WRITERS)
def test_check(tmp_path: Path, name: str) -> None:
    kind, frame = WRITERS[name]
    path = tmp_path / "x.tfevents"
    size = path.write_bytes(b"".join(map(frame, EVENTS)))
    (file,) = tbio.check(path).files
    assert (file.state, file.lost_bytes, file.events) == ("damaged", size, 0)
    assert [finding.kind for finding in file.findings] == ["unverified"]
    assert (file.unverified, file.unverified_records) == (kind, 40)
    (file,) = tbio.check(path, unverified="read").files
    assert (file.state, file.lost_bytes, file.events) == ("sound", 0, 40)
    assert (file.unverified, file.unverified_records) == (kind, 40)


def test_no_such_option(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents"
    path.touch()
    wrong = cast(Unverified, "yes")
    for call in (tbio.open, tbio.read_scalars, tbio.check):
        with pytest.raises(ValueError, match=r"unverified: want one of .*'skip', 'read'"):
            call(path, unverified=wrong)
    with pytest.raises(ValueError, match="unverified: want one of"):
        list(tbio.read_events(path, unverified=wrong))


def test_a_sound_log_is_the_same_either_way(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents"
    path.write_bytes(b"".join(map(encode_record, EVENTS)))
    logs = tbio.open(path, unverified="read", on_damage="raise")
    assert steps_of(logs) == list(range(40))
    (report,) = logs["."].report.files
    assert (report.unverified, report.unverified_records) == ("", 0)


# ------------------------------------------------------------------ few records


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("SageMaker's debugger", 1),
        ("no mask", 1),
        ("no mask for payloads", 1),
        ("zero for payloads", 2),
        ("another number", 2),
        ("zero for everything", 2),
    ],
)
def test_how_many_records_it_takes(name: str, least: int) -> None:
    kind, frame = WRITERS[name]
    for count in (1, 2, 3):
        payloads, report = report_of(b"".join(map(frame, EVENTS[:count])))
        if count < least:
            assert (payloads, report.unverified) == ([], "")
            assert report.lost_bytes == len(frame(EVENTS[0]))
        else:
            assert (payloads, report.unverified) == (EVENTS[:count], kind)


NOT_RECOGNISED = {
    "two damaged ones": encode_record(b"one")[:-1] + b"?" + encode_record(b"two")[:-1] + b"!",
    "one that is there twice, the first of them damaged": (
        encode_record(b"twice").replace(b"t", b"T") + encode_record(b"twice")
    ),
    "a sound one before": encode_record(b"sound") + framed(b"one", masked_crc, lambda _: SAGEMAKER),
    "zeros": bytes(400),
    "zeros behind a length": struct.pack("<Q", 5) + bytes(400),
    "empty payloads": framed(b"", masked_crc, lambda _: 7) * 3,
    "right payloads behind zeros": framed(b"one", lambda _: 0, masked_crc) * 3,
    "wrong lengths": framed(b"one", lambda _: 9, lambda _: 9) * 3,
    "two numbers in turn": b"".join(
        framed(b"one", masked_crc, lambda _, number=number: number)  # type: ignore[misc]
        for number in (1, 2, 1, 2)
    ),
}


@pytest.mark.parametrize("name", NOT_RECOGNISED)
def test_not_recognised(name: str) -> None:
    data = NOT_RECOGNISED[name]
    strict = RecordDecoder()
    items = [*strict.feed(data), *strict.finish()]
    payloads, report = report_of(data)
    assert (report.unverified, report.unverified_records) == ("", 0)
    assert payloads == [item.payload for item in items if isinstance(item, Record)]
    assert report.lost_bytes == sum(item.length for item in items if isinstance(item, Damage))


def test_recognise_wants_the_whole_of_what_tells() -> None:
    frame = WRITERS["another number"].frame
    two = frame(b"one") + frame(b"two")
    most = 1 << 20
    for cut in range(len(two)):
        assert recognise(two[:cut], 0, None, most) == "more"
        assert recognise(two[:cut], 0, cut, most) is None
    for end in (None, len(two)):
        assert recognise(two, 0, end, most) == Dialect("constant", 0xDEADBEEF)
    assert recognise(two, 0, None, 2) is None


# ------------------------------------------------------------------ damage in such files


#: Whether it takes the first two records to tell what the writer does.
TWO_TELL = {name: name.startswith(("zero", "another")) for name in WRITERS}


@pytest.mark.parametrize("name", WRITERS)
def test_every_bit(name: str) -> None:
    """A flip costs the one record that it hits, or none where no checksum tells of it.

    In the second record it may cost the first one, too, if it takes both to tell.
    """
    kind, frame = WRITERS[name]
    payloads = EVENTS[:5]
    frames = list(map(frame, payloads))
    data = b"".join(frames)
    begin = 0
    for hit, one in enumerate(frames):
        for at in range(begin, begin + len(one)):
            for bit in range(8):
                flipped = bytearray(data)
                flipped[at] ^= 1 << bit
                read, report = report_of(bytes(flipped))
                inside = begin + 12 <= at < begin + len(one) - 4
                if inside and kind == "constant":
                    assert read[:hit] + read[hit + 1 :] == payloads[:hit] + payloads[hit + 1 :]
                    assert len(read[hit]) == len(payloads[hit])
                    assert report.damages == []
                elif hit == 1 and TWO_TELL[name]:
                    assert read in (payloads[2:], payloads[:1] + payloads[2:])
                else:
                    assert read == payloads[:hit] + payloads[hit + 1 :]
                    damage = "length" if at < begin + 12 else "payload"
                    if name != "zero for everything":  # where nothing checks a length
                        (told,) = report.damages
                        assert (told.offset, told.length) == (begin, len(one))
                        assert hit == 0 or told.kind == damage
                assert report.unverified == kind
        begin += len(one)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("unverified", ["skip", "read"])
def test_garbage_between_and_a_cut_off_tail(name: str, unverified: Unverified) -> None:
    _, frame = WRITERS[name]
    first, second = b"".join(map(frame, EVENTS[:7])), b"".join(map(frame, EVENTS[7:20]))
    tail = frame(EVENTS[20])[:-5]
    data = first + b"#" * 25 + second + tail
    read, report = report_of(data, unverified)
    gap = Damage(len(first), 25, "length")
    if unverified == "read":
        assert (read, report.damages) == (EVENTS[:20], [gap])
    else:
        assert read == []
        assert report.damages == [
            Damage(0, len(first), "unverified"),
            gap,
            Damage(len(first) + 25, len(second), "unverified"),
        ]
    assert report.unverified_records == 20
    assert report.tail == Damage(len(data) - len(tail), len(tail), "truncated")


@pytest.mark.parametrize("name", WRITERS)
def test_garbage_before(name: str) -> None:
    _, frame = WRITERS[name]
    read, report = report_of(b"#" * 25 + b"".join(map(frame, EVENTS)))
    assert (read, report.damages) == (EVENTS, [Damage(0, 25, "length")])


def test_records_of_the_format_between_the_others() -> None:
    frame = WRITERS["SageMaker's debugger"].frame
    data = b"".join((frame if at % 3 else encode_record)(EVENTS[at]) for at in range(1, 20))
    read, report = report_of(data)
    assert (read, report.unverified_records, report.damages) == (EVENTS[1:20], 13, [])
    read, report = report_of(data, "skip")
    assert read == EVENTS[3:20:3]
    assert report.unverified_records == 13
    assert [damage.kind for damage in report.damages] == ["unverified"] * 7


def test_a_record_that_is_no_event(tmp_path: Path) -> None:
    frame = WRITERS["no mask"].frame
    path = tmp_path / "x.tfevents"
    path.write_bytes(frame(EVENTS[0]) + frame(b"\xff") + frame(EVENTS[1]))
    reader = EventFileReader(LocalFile(str(path)), "ignore", "read")
    assert [stored.event.step for stored in reader.events()] == [0, 1]
    assert reader.report.damages == [Damage(len(frame(EVENTS[0])), 17, "event")]


# ------------------------------------------------------------------ pieces, growth, compression

STRETCHES = st.one_of(
    *(st.sampled_from(EVENTS[:4]).map(writer.frame) for writer in WRITERS.values()),
    st.sampled_from(EVENTS[:4]).map(encode_record),
    st.sampled_from(EVENTS[:4]).map(lambda payload: encode_record(payload)[:-1] + b"?"),
    st.binary(max_size=20),
    st.integers(0, 40).map(bytes),
)
STREAMS = st.lists(STRETCHES, max_size=8).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 500), max_size=5))
def test_pieces_make_no_difference(stream: bytes, cuts: list[int]) -> None:
    def decoded(pieces: list[bytes], end: int | None) -> tuple[list[object], Dialect | None]:
        decoder = RecordDecoder(end=end, recognising=True)
        items: list[object] = [item for piece in pieces for item in decoder.feed(piece)]
        return [*items, *decoder.finish()], decoder.dialect

    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[begin:end] for begin, end in itertools.pairwise(edges)]
    whole = decoded([stream], len(stream))
    assert decoded(pieces, None) == decoded(pieces, len(stream)) == whole
    assert decoded([bytes([byte]) for byte in stream], None) == whole


@settings(max_examples=200, deadline=None)
@given(STREAMS)
def test_what_is_sound_is_read_as_ever(stream: bytes) -> None:
    """Whatever else is recognised: no record of the format is lost by it."""
    strict = RecordDecoder()
    sound = [item for item in [*strict.feed(stream), *strict.finish()] if isinstance(item, Record)]
    for unverified in ("skip", "read"):
        reader = RecordFileReader(ObjectFile(io.BytesIO(stream)), "ignore", unverified)
        read = [record for record in reader.records() if record.is_verified]
        # One that only seems to stand inside of an unverified one is part of its payload.
        assert [record for record in sound if record not in read] == []
        report = reader.report
        cut_off = report.tail.length if report.tail and report.tail.kind == "truncated" else 0
        taken = sum(record.size for record in read)
        if unverified == "skip":
            assert taken + report.lost_bytes + cut_off == len(stream)


@settings(max_examples=100, deadline=None)
@given(STREAMS, st.sampled_from(["skip", "read"]), st.integers(0, 400))
def test_all_ways_of_reading_agree(stream: bytes, unverified: Unverified, cut: int) -> None:
    """At once by the bulk lane, in two goes by it, and by the plain path."""
    file = ObjectFile(io.BytesIO(stream))
    plain = EventFileReader(file, "ignore", unverified)
    steps = [stored.event.step for stored in plain.events() if stored.event.HasField("summary")]
    growing = io.BytesIO(stream[:cut])
    in_two = tbio.open(growing, unverified=unverified, on_damage="ignore", restarts="keep")
    steps_of(in_two)
    growing.seek(0, io.SEEK_END)
    growing.write(stream[cut:])
    growing.seek(0)
    in_two.reload()
    whole = io.BytesIO(stream)
    at_once = tbio.open(whole, unverified=unverified, on_damage="ignore", restarts="keep")
    assert steps_of(at_once) == steps_of(in_two) == steps
    (report,) = at_once["."].report.files
    theirs = plain.report
    assert (report.damages, report.tail) == (theirs.damages, theirs.tail)
    assert (report.unverified, report.records) == (theirs.unverified, theirs.records)
    for logs in (at_once, in_two):
        (report,) = logs["."].report.files
        assert report.unverified_records == theirs.unverified_records


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("unverified", ["skip", "read"])
def test_following(tmp_path: Path, name: str, unverified: Unverified) -> None:
    kind, frame = WRITERS[name]
    data = b"".join(map(frame, EVENTS))
    path = tmp_path / "x.tfevents"
    path.touch()
    logs = tbio.open(path, unverified=unverified, on_damage="ignore")
    for end in range(1, len(data) + 1, 97):
        path.write_bytes(data[:end])
        logs.reload()
        read = steps_of(logs)
        if unverified == "read" and end > 3 * len(frame(EVENTS[-1])):
            assert read == list(range(len(read)))
            assert len(read) >= end // len(frame(EVENTS[-1])) - 1
    path.write_bytes(data)
    logs.reload()
    (report,) = logs["."].report.files
    assert steps_of(logs) == (list(range(40)) if unverified == "read" else [])
    assert (report.unverified, report.unverified_records) == (kind, 40)
    if unverified == "skip":
        assert report.damages == [Damage(0, len(data), "unverified")]


def test_one_warning_for_a_file_that_grows(tmp_path: Path) -> None:
    frame = WRITERS["SageMaker's debugger"].frame
    path = tmp_path / "x.tfevents"
    path.write_bytes(b"".join(map(frame, EVENTS[:3])))
    logs = tbio.open(path)
    with pytest.warns(TbioWarning) as told:
        for payload in EVENTS[3:7]:
            steps_of(logs)
            with open(path, "ab") as file:
                file.write(frame(payload))
            logs.reload()
        steps_of(logs)
    assert len(told) == 1


def test_a_file_that_is_replaced_by_a_sound_one(tmp_path: Path) -> None:
    path = tmp_path / "x.tfevents"
    path.write_bytes(b"".join(map(WRITERS["no mask"].frame, EVENTS)))
    logs = tbio.open(path, unverified="read")
    assert steps_of(logs) == list(range(40))
    other = tmp_path / "other"
    other.write_bytes(b"".join(map(encode_record, EVENTS[5:])))
    other.replace(path)
    logs.reload()
    assert steps_of(logs) == list(range(5, 40))
    (report,) = logs["."].report.files
    assert (report.unverified, report.unverified_records) == ("", 0)


@pytest.mark.parametrize("name", WRITERS)
def test_compressed(name: str) -> None:
    kind, frame = WRITERS[name]
    payloads, report = report_of(gzip.compress(b"".join(map(frame, EVENTS))))
    assert (payloads, report.unverified, report.compression) == (EVENTS, kind, "gzip")


@pytest.mark.parametrize("name", WRITERS)
def test_blobs_are_read_again_from_their_place(tmp_path: Path, name: str) -> None:
    frame = WRITERS[name].frame
    path = tmp_path / "x.tfevents"
    with tbio.SummaryWriter(tmp_path / "sound") as writer:
        for step in range(3):
            writer.add_text("note", f"number {step}", step)
    sound = next((tmp_path / "sound").iterdir())
    payloads = tbio.read_records(sound, on_damage="raise")
    path.write_bytes(b"".join(map(frame, payloads)))
    texts = tbio.open(path, unverified="read")["."].texts["note"]
    assert list(texts) == ["number 0", "number 1", "number 2"]


# ------------------------------------------------------------------ the corpus

SAGEMAKER_FILE = (
    "real/awslabs+sagemaker-debugger/newlogsRunTest1/test_hook_from_json_config/events/"
    "000000000000/000000000000_worker_0.tfevents"
)


def test_a_file_of_sagemakers_debugger(corpus: Path) -> None:
    """It holds a single record."""
    path = corpus / SAGEMAKER_FILE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(tbio.read_events(path)) == []
    (event,) = tbio.read_events(path, unverified="read", on_damage="raise")
    assert [value.tag for value in event.summary.value] == ["loss/mul:0"]
    (tensor,) = np.frombuffer(event.summary.value[0].tensor.tensor_content, "<f4")
    assert tensor == np.frombuffer(bytes.fromhex("fdbf0143"), "<f4")[0]


@pytest.mark.parametrize("original", ["mixed", "scalars"])
@pytest.mark.parametrize("damage", ["magic_crc", "zero_crcs", "unmasked_crc"])
def test_a_damaged_file_of_the_corpus(corpus: Path, original: str, damage: str) -> None:
    """Nothing in it is damaged but the checksums: it holds what the original holds."""
    folder = corpus / "damaged"
    (path,) = folder.glob(f"{original}.{damage}.tfevents")
    twice = tbio.read_records(folder / f"{original}.two_files_joined.tfevents", on_damage="raise")
    payloads = list(twice)
    read = list(tbio.read_records(path, unverified="read", on_damage="raise"))
    assert read == payloads[: len(payloads) // 2]
