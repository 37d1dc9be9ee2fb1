"""What `tbio.check` finds, against what was done to the files."""

from __future__ import annotations

import functools
import gzip
import io
import json
import math
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CORPUS
from hypothesis import given
from hypothesis import strategies as st

import tbio
from tbio.diagnosis import FileDiagnosis
from tbio.examination import SeenSteps
from tbio.findings import FAULTS, Finding, FindingKind
from tbio.kinds import image, scalar
from tbio.proto.event_pb2 import Event, SessionLog
from tbio.proto.summary_pb2 import Summary
from tbio.record import encode_record

NAME = "events.out.tfevents.1700000000.host"


def record(step: int = 0, wall_time: float = 100.0, **what: Any) -> bytes:
    return encode_record(Event(step=step, wall_time=wall_time, **what).SerializeToString())


def point(step: int, value: float = 1.0, tag: str = "loss", wall_time: float = 100.0) -> bytes:
    return record(step, wall_time, summary={"value": [scalar.encode(tag, value)]})


def checked(data: bytes, **options: Any) -> FileDiagnosis:
    (file,) = tbio.check(io.BytesIO(data), **options).files
    return file


def one(file: FileDiagnosis, kind: FindingKind) -> Finding:
    (finding,) = (finding for finding in file.findings if finding.kind == kind)
    return finding


def kinds(file: FileDiagnosis) -> list[FindingKind]:
    return [finding.kind for finding in file.findings]


SOUND = [record(file_version="brain.Event:2"), *(point(step) for step in range(5))]

# ------------------------------------------------------------------ damage


def test_a_sound_file() -> None:
    file = checked(b"".join(SOUND))
    assert (file.state, file.records, file.events) == ("sound", 6, 6)
    assert (file.size, file.findings, file.lost_bytes) == (sum(map(len, SOUND)), (), 0)


def flips(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each byte's place, and the data with one bit of it flipped, for each bit."""
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bit // 8, bytes(flipped)


def test_every_single_bit_flip_is_named() -> None:
    starts = [sum(map(len, SOUND[:at])) for at in range(4)]
    for at, data in flips(b"".join(SOUND[:4])):
        file = checked(data)
        (finding,) = file.findings
        (example,) = finding.examples
        start = max(start for start in starts if start <= at)
        assert (example.offset, example.size) == (start, len(SOUND[starts.index(start)]))
        assert finding.kind == ("length" if at - start < 12 else "payload")
        assert (finding.is_fault, file.events, file.state) == (True, 3, "damaged")


def test_every_single_bit_flip_of_a_compressed_file_is_named_or_harmless() -> None:
    sound = b"".join(SOUND[:4])
    harmless = 0
    for _, data in flips(gzip.compress(sound, mtime=0)):
        file = checked(data)
        # A length of the deflate stream may become such that it needs more than there is.
        if not file.faults and file.state != "cut off":
            assert gzip.decompress(data) == sound
            harmless += 1
    assert harmless < 80  # bits of the gzip header that mean nothing here


def test_damage_of_each_sort() -> None:
    no_event = encode_record(b"\xff\xff\xff")
    garbage = b"garbage between two records"
    file = checked(SOUND[0] + garbage + SOUND[1] + no_event + SOUND[2] + bytes(100))
    assert file.state == "damaged"
    assert [(f.kind, f.count, f.size, f.examples[0].offset) for f in file.findings] == [
        ("length", 1, len(garbage), len(SOUND[0])),
        ("zeros", 1, 100, file.size - 100),
        ("event", 1, len(no_event), len(SOUND[0] + garbage + SOUND[1])),
    ]
    assert file.lost_bytes == len(garbage) + len(no_event) + 100
    assert str(one(file, "event")) == "1 sound record that is no Event (19 bytes)"
    assert (file.records, file.events) == (4, 3)


def test_a_cut_off_tail_is_no_fault() -> None:
    file = checked(SOUND[0] + SOUND[1][:-3])
    assert (file.state, file.faults, file.lost_bytes) == ("cut off", (), 0)
    (finding,) = file.remarks
    assert (finding.kind, finding.size) == ("truncated", len(SOUND[1]) - 3)


@pytest.mark.parametrize(
    ("data", "state", "found"),
    [
        (b"", "empty", ["empty"]),
        (b"\x18\0\0", "cut off", ["truncated"]),
        (b"version https://git-lfs.github.com/spec/v1\n", "no event file", None),
        (bytes(50), "no event file", ["no_event_file", "zeros"]),
        (encode_record(b"\xff") * 2, "no event file", ["no_event_file", "event"]),
    ],
)
def test_what_is_no_event_file(
    tmp_path: Path, data: bytes, state: str, found: list[FindingKind] | None
) -> None:
    path = tmp_path / "any.name"  # named directly
    path.write_bytes(data)
    diagnosis = tbio.check(path)
    (file,) = diagnosis.files
    assert (file.path, file.state, file.size) == (str(path), state, len(data))
    assert kinds(file) == (found or ["no_event_file", "length"])
    assert diagnosis.sound == (state in ("empty", "cut off"))


def test_all_payload_checksums_wrong_is_still_an_event_file() -> None:
    data = b"".join(part[:-1] + bytes([part[-1] ^ 1]) for part in SOUND)
    file = checked(data)
    assert (file.state, kinds(file)) == ("damaged", ["payload"])
    assert one(file, "payload").count == len(SOUND)


def test_compressed_and_cut_off() -> None:
    data = gzip.compress(b"".join(SOUND))
    assert (checked(data).state, checked(data).compression) == ("sound", "gzip")
    assert checked(data[:-20]).state == "cut off"


def test_an_unreadable_file_and_a_sound_one(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "gone")
    (tmp_path / f"{NAME}.1").write_bytes(SOUND[0])
    diagnosis = tbio.check(tmp_path)
    assert [file.state for file in diagnosis.files] == ["unreadable", "sound"]
    assert str(diagnosis.files[0].faults[0]) == "cannot be read: No such file or directory"
    assert not diagnosis.sound


class _Broken(io.BytesIO):
    """Fails behind its first 60 bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= 60:
            raise OSError(5, "Input/output error")
        return super().read(min(60 - self.tell(), -1 if size is None else size))


def test_an_error_while_reading_keeps_what_was_found() -> None:
    (file,) = tbio.check(_Broken(b"".join(SOUND))).files
    assert (file.state, file.events) == ("unreadable", 1)


def test_millions_of_findings_are_counted_and_not_kept() -> None:
    bad = SOUND[1][:-1] + bytes([SOUND[1][-1] ^ 1])
    file = checked(SOUND[0] + bad * 50_000, examples=2)
    finding = one(file, "payload")
    assert (finding.count, finding.size) == (50_000, 50_000 * len(bad))
    assert [e.offset for e in finding.examples] == [len(SOUND[0]), len(SOUND[0]) + len(bad)]


# ------------------------------------------------------------------ remarks


def test_steps_duplicates_and_numbers() -> None:
    parts = [
        *(point(0), point(5), point(5), point(3, math.nan), point(5, -math.inf)),
        point(6, tag="other"),
    ]
    file = checked(b"".join(parts))
    assert file.state == "sound"
    at = [sum(map(len, parts[:index])) for index in range(6)]
    found = {f.kind: [(e.offset, e.tag, e.step) for e in f.examples] for f in file.findings}
    assert found == {
        "step_back": [(at[3], "loss", 3)],
        "duplicate": [(at[2], "loss", 5), (at[4], "loss", 5)],
        "nan": [(at[3], "loss", 3)],
        "inf": [(at[4], "loss", 5)],
    }
    assert one(file, "step_back").examples[0].what == "after step 5"
    assert kinds(checked(b"".join(parts), tags="o*")) == []


def test_clocks() -> None:
    times = [100.0, 99.5, 40.0, math.nan, 41.0, 1e9]
    file = checked(b"".join(point(step, wall_time=at) for step, at in enumerate(times)))
    assert kinds(file) == ["clock_back", "clock_nan"]
    assert one(file, "clock_back").examples[0][3:] == (2, "by 59.5 s")
    assert one(file, "clock_nan").examples[0].step == 3


def test_restarts_and_steps_across_files(tmp_path: Path) -> None:
    start = record(3, session_log=SessionLog(status=SessionLog.START))
    (tmp_path / f"{NAME}.0").write_bytes(start + point(3) + point(4))
    (tmp_path / f"{NAME}.1").write_bytes(start + point(3) + point(5))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / NAME).write_bytes(start + point(3))
    first, second, other = tbio.check(tmp_path).files
    assert (kinds(first), kinds(other)) == ([], [])
    assert kinds(second) == ["restart", "step_back", "duplicate"]
    assert one(second, "restart").examples[0][:4] == (0, len(start), "", 3)


def value(tag: str, plugin: str = "", **what: Any) -> Summary.Value:
    made = Summary.Value(tag=tag, **what)
    if plugin:
        made.metadata.plugin_data.plugin_name = plugin
    return made


def test_values_and_plugins() -> None:
    text = {"dtype": 7, "tensor_shape": {"dim": [{"size": 1}]}, "string_val": [b"words"]}
    number = {"dtype": 1, "float_val": [1.0]}
    values = [
        value("empty"),
        value("mine", "greeter", tensor=text),
        value("lost", tensor=text),  # its metadata were in a record that is not there
        value("both", simple_value=1.0),
        value("both", "text", tensor=text),
        value("wrong", "scalars", tensor=text),
        value("number", tensor=number),
        value("_hparams_/experiment", "hparams"),
        value("_hparams_/experiment", "hparams"),
    ]
    file = checked(record(7, summary={"value": values}))
    assert [(f.kind, [e.tag for e in f.examples]) for f in file.findings] == [
        ("value", ["wrong", "_hparams_/experiment"]),
        ("nothing", ["empty"]),
        ("plugin", ["mine"]),
        ("no_plugin", ["lost"]),
        ("kinds", ["both"]),
    ]
    assert one(file, "plugin").examples[0].what == "plugin 'greeter'"
    assert one(file, "kinds").examples[0].what == "texts beside scalars"
    assert {example.step for finding in file.findings for example in finding.examples} == {7}


def test_an_image_lost_with_its_metadata() -> None:
    png = image.Image(b"\x89PNG", 1, 1).encoded
    shape = {"dim": [{"size": 3}]}
    tensor = {"dtype": 7, "tensor_shape": shape, "string_val": [b"1", b"1", png]}
    first = record(0, summary={"value": [value("i", "images", tensor=tensor)]})
    later = record(1, summary={"value": [value("i", tensor=tensor)]})
    assert kinds(checked(first + later)) == []
    damaged = first[:-1] + bytes([first[-1] ^ 1])
    assert kinds(checked(damaged + later)) == ["payload", "no_plugin"]


def described(tag: str, plugin: str, content: bytes = b"", **what: Any) -> Summary.Value:
    made = value(tag, plugin, **what)
    made.metadata.plugin_data.content = content
    return made


def test_values_that_cannot_be_decoded() -> None:
    """Of every kind one that contradicts itself, and where it stands."""
    strings = {"dtype": 7, "tensor_shape": {"dim": [{"size": 1}]}, "string_val": [b"words"]}
    lie = {"dtype": 1, "tensor_shape": {"dim": [{"size": 3}]}, "tensor_content": bytes(5)}
    large = {"dtype": 1, "tensor_shape": {"dim": [{"size": 1 << 40}]}, "float_val": [1.0]}
    bad = [
        described("scalar", "scalars", tensor=strings),
        described("histogram", "histograms", tensor=lie),
        described("image", "images", tensor=lie),
        described("audio", "audio", tensor=lie),
        described("text", "text", tensor=lie),
        described("curve", "pr_curves", tensor=strings),
        described("mesh", "mesh", b"\xff", tensor=lie),
        described("layout", "custom_scalars", tensor=lie),
        described("graph", "graphs", tensor=lie),
        described("_hparams_/session_start_info", "hparams", b"\xff"),
        described("other", "greeter", tensor=large),
        value("none", tensor=lie),
    ]
    records = [record(step, summary={"value": [one]}) for step, one in enumerate(bad)]
    file = checked(b"".join([*SOUND, *records]), examples=99)
    found = one(file, "value")
    assert (found.is_fault, found.count, file.state) == (True, len(bad), "damaged")
    at = sum(map(len, SOUND))
    for step, (example, value_, data) in enumerate(zip(found.examples, bad, records, strict=True)):
        assert example[:4] == (at, len(data), value_.tag, step)
        assert example.what
        at += len(data)
    assert file.events == len(SOUND) + len(bad)


def test_what_is_in_images_and_audio_is_looked_at_on_request() -> None:
    png = image.encode("ok", image.prepare(np.zeros((3, 4, 5)))[0])
    cut = image.encode("cut", image.prepare(np.zeros((3, 4, 5)))[0])
    cut.image.encoded_image_string = cut.image.encoded_image_string[:40]
    page = Summary.Value(tag="page", image=Summary.Image(encoded_image_string=b"<html>"))
    words = Summary.Value(tag="words", audio=Summary.Audio(encoded_audio_string=b"words"))
    keras = described(
        "keras", "graph_keras_model", b"1", tensor={"dtype": 7, "string_val": [b"{no JSON"]}
    )
    data = b"".join(
        record(step, summary={"value": [one]})
        for step, one in enumerate((png, cut, page, words, keras))
    )
    data += record(5, graph_def=b"\xff\xff")
    assert checked(data).faults == ()
    (found,) = checked(data, decode=True, examples=9).faults
    assert found.kind == "value"
    assert [(one.tag, one.step) for one in found.examples] == [
        ("cut", 1),
        ("page", 2),
        ("words", 3),
        ("keras", 4),
        ("", 5),
    ]
    assert "no known image" in found.examples[1].what
    assert found.examples[4].what.startswith("graph_def: ")


def test_every_value_of_the_corpus_can_be_decoded(corpus: Path) -> None:
    """But for what was made odd on purpose."""
    files = tbio.check(corpus, runs=["peers*", "real*"], decode=True, examples=50).files
    odd = {
        example.tag
        for file in files
        for finding in file.faults
        if finding.kind == "value"
        for example in finding.examples
    }
    assert odd == set()


def test_a_million_odd_wall_times_make_one_finding() -> None:
    data = b"".join(point(step, wall_time=math.nan) for step in range(20_000))
    diagnosis = tbio.check(io.BytesIO(data), examples=2)
    (finding,) = diagnosis.files[0].findings
    assert (finding.kind, finding.count, len(finding.examples)) == ("clock_nan", 20_000, 2)
    bad = encode_record(b"\xff") * 20_000
    finding = one(checked(SOUND[0] + bad, examples=2), "event")
    assert (finding.count, finding.size, len(finding.examples)) == (20_000, len(bad), 2)


def test_what_a_reader_calls_a_problem() -> None:
    """`ls` and the others go by `RunReport.complete`."""
    text = {"dtype": 7, "tensor_shape": {"dim": [{"size": 1}]}, "string_val": [b"words"]}
    made = {
        "clock_nan": point(1, wall_time=math.nan),
        "nothing": record(2, summary={"value": [value("empty")]}),
        "value": record(3, summary={"value": [value("wrong", "scalars", tensor=text)]}),
    }
    for kind, data in made.items():
        report = tbio.open(io.BytesIO(data), on_damage="ignore")["."].report
        assert [(one.kind, one.is_fault) for one in report.problems] == [(kind, kind in FAULTS)]
        assert kinds(checked(data)) == [kind]
        assert report.complete == (kind != "value") == (not checked(data).faults)


def test_progress(tmp_path: Path) -> None:
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        (tmp_path / run / NAME).write_bytes(SOUND[0])
    done: list[str] = []
    tbio.check(tmp_path, progress=done.append)
    assert done == [str(tmp_path / run / NAME) for run in ("a", "b")]


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 12), max_size=60))
def test_series_knows_every_step(steps: list[int]) -> None:
    series, seen = SeenSteps(), set[int]()
    for step in steps:
        assert series.add(step) == (step not in seen)
        seen.add(step)
    assert sum(map(len, series._stretches)) == len(seen)


def test_steps_in_random_order_are_merged() -> None:
    steps = list(range(20_000))
    random.Random(1).shuffle(steps)
    series = SeenSteps()
    assert all(series.add(step) for step in steps)
    assert not any(series.add(step) for step in steps[:1000])
    assert len(series._stretches) < 20


# ------------------------------------------------------------------ arguments and sources


def test_selection_and_sources(tmp_path: Path) -> None:
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        (tmp_path / run / NAME).write_bytes(b"".join(SOUND))
    assert [file.run for file in tbio.check(tmp_path).files] == ["a", "b"]
    assert [file.run for file in tbio.check(tmp_path, runs="b").files] == ["b"]
    assert tbio.check(tmp_path, tags="l*").tags == ("loss",)
    named = tbio.check({"x": tmp_path / "a", "y": io.BytesIO(b"no event file")})
    assert [(file.run, file.state) for file in named.files] == [
        ("x", "sound"),
        ("y", "no event file"),
    ]
    assert len(tbio.check([tmp_path / "a", tmp_path / "b"]).files) == 2
    assert repr(named) == "<Diagnosis: 2 event files, 1 with faults>"
    assert (named.count("no_event_file"), named.count("nan")) == (1, 0)


def test_a_url() -> None:
    filesystem = pytest.importorskip("fsspec").filesystem("memory")
    filesystem.pipe(f"/checked/run/{NAME}", b"".join(SOUND)[:-1])
    try:
        (file,) = tbio.check("memory://checked").files
    finally:
        filesystem.rm("/checked", recursive=True)
    assert (file.run, file.state, file.path) == ("run", "cut off", f"memory://checked/run/{NAME}")


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="examples: want 0 or more"):
        tbio.check(tmp_path, examples=-1)
    with pytest.raises(FileNotFoundError):
        tbio.check(tmp_path / "nothing")
    assert tbio.check(tmp_path).files == ()


# ------------------------------------------------------------------ the corpus

#: Damage -> the faults that are found; nothing where the file looks sound.
FOUND: dict[str, tuple[FindingKind, ...]] = {
    **dict.fromkeys(
        (
            *("first_bytes_lost", "flip_first_length", "flip_length_crc", "flip_length_high"),
            *("flip_length_low", "garbage_appended", "garbage_between", "garbage_in_front"),
            *("length_2_62", "length_2_62_bad_crc", "length_3_gib", "length_max", "zero_hole"),
        ),
        ("length",),
    ),
    **dict.fromkeys(
        (
            *("bytes_lost", "crlf", "flip_first_payload", "flip_last_payload", "flip_payload"),
            *("flip_payload_crc", "zero_tail_from_middle"),
        ),
        ("payload",),
    ),
    **dict.fromkeys(("lfs_pointer", "utf8_mangled"), ("no_event_file", "length")),
    **dict.fromkeys(("magic_crc", "unmasked_crc", "zero_crcs"), ("unverified",)),
    **dict.fromkeys(("bad_utf8_tag", "truncated_proto", "unparsable_proto"), ("event",)),
    "only_zeros": ("no_event_file", "zeros"),
    "zero_tail_appended": ("zeros",),
}


@functools.cache
def damages() -> dict[str, dict[str, Any]]:
    path = CORPUS / "damaged" / "damage.json"
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


@pytest.mark.parametrize("name", damages())
def test_damaged_files(corpus: Path, name: str) -> None:
    truth, damage = damages()[name], name.split(".")[1]
    (file,) = tbio.check(corpus / "damaged" / name).files
    assert tuple(finding.kind for finding in file.faults) == FOUND.get(damage, ())
    if damage in ("garbage_between", "garbage_in_front", "flip_payload", "flip_length_low"):
        (example,) = file.faults[0].examples
        assert example.offset <= truth["damage_at"] < example.offset + example.size


def test_the_clean_files_have_no_faults(corpus: Path) -> None:
    expected = CORPUS / "expected"
    truths = [json.loads(path.read_bytes()) for path in expected.glob("[pr]*/**/*.json")]
    checked_files = {file.path: file for file in tbio.check(corpus, runs=["peers*", "real*"]).files}
    compared = 0
    for truth in truths:
        framing = truth.get("framing")
        sound = framing and framing["stop"]["why"] == "eof" and not framing["bad_payload_crc"]
        if sound and not truth["file"]["path"].endswith(".profile-empty"):
            file = checked_files[str(corpus / truth["file"]["path"])]
            assert not file.faults
            assert file.records == framing["intact_records"]
            compared += 1
    assert compared > 150


def test_real_damage(corpus: Path) -> None:
    states = {
        os.path.relpath(file.path, corpus).split("/")[1]: file.state
        for file in tbio.check(corpus, runs=["peers*", "real*"]).files
        if file.state not in ("sound", "empty")
    }
    assert states == {
        "MorvanZhou+Reinforcement-learning-with-tensorflow": "cut off",
        "awslabs+sagemaker-debugger": "damaged",
    }
    visualdl = next((corpus / "real").rglob("vdlrecords.*"))  # its own framing, its own names
    assert [file.state for file in tbio.check(visualdl).files] == ["no event file"]
