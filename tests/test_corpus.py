"""Event files of many writers, read as TensorBoard reads them; damaged ones, read better.

The truth in ``expected/`` was found out by TensorBoard's own loaders and an independent walk over
the framing, without tbio.
"""

from __future__ import annotations

import collections
import csv
import functools
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import CORPUS
from tensorboard.compat.proto import event_pb2

import tbio
from tbio.event_file import EventFileReader
from tbio.plugins import kind_of
from tbio.projector import CONFIG_NAME
from tbio.record import Record
from tbio.record_file import FileReport, RecordFileReader
from tbio.run import Run
from tbio.series import ScalarSeries
from tbio.storage import LocalFile

Truth = dict[str, Any]
#: tag -> (step, value) of each scalar
Points = dict[str, list[tuple[int, float]]]


@functools.cache
def truths() -> dict[str, Truth]:
    """Path in the corpus -> the truth about that event file."""
    expected = (json.loads(path.read_bytes()) for path in (CORPUS / "expected").rglob("*.json"))
    by_path = {truth["file"]["path"]: truth for truth in expected if "framing" in truth}
    return dict(sorted(by_path.items()))


@functools.cache
def damages() -> dict[str, Truth]:
    """Name of a damaged file -> what was done to it."""
    path = CORPUS / "damaged" / "damage.json"
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


@functools.cache
def several_files() -> dict[str, Truth]:
    """Folders of several event files -> what EventAccumulator makes of each as one run."""
    path = CORPUS / "expected" / "_runs.json"
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


def is_clean(truth: Truth) -> bool:
    """Whether nothing at all is wrong with the file."""
    framing = truth["framing"]
    return bool(
        framing["stop"]["why"] == "eof"
        and not framing["bad_payload_crc"]
        and not truth["loader"]["error"]
    )


CLEAN = [path for path, truth in truths().items() if is_clean(truth)]
#: Damaged files, and cut-off ones.
UNCLEAN = [path for path, truth in truths().items() if not is_clean(truth)]


def test_the_corpus_is_whole(corpus: Path) -> None:
    """Skips, loudly, where there is no corpus: then the other tests have nothing to run on."""
    assert (len(truths()), len(CLEAN), len(damages()), len(several_files())) == (278, 199, 92, 16)
    for path, truth in truths().items():
        assert hashlib.sha256((corpus / path).read_bytes()).hexdigest() == truth["file"]["sha256"]
        assert "..." not in truth["raw"]
        assert "..." not in truth["tags"]


def read_records(path: Path) -> tuple[list[Record], FileReport]:
    reader = RecordFileReader(LocalFile(str(path)), "ignore")
    return list(reader.records()), reader.report


def open_run(path: Path, restarts: Any = "keep") -> Run:
    return tbio.open(str(path), restarts=restarts, on_damage="ignore")["."]


# ------------------------------------------------------------------ records


@pytest.mark.parametrize("path", CLEAN)
def test_records(corpus: Path, path: str) -> None:
    framing = truths()[path]["framing"]
    records, report = read_records(corpus / path)
    assert len(records) == report.records == framing["intact_records"]
    assert sum(len(record.payload) for record in records) == framing["payload_bytes"]
    assert max((len(record.payload) for record in records), default=0) == framing["longest_payload"]
    assert (report.size, report.compression) == (truths()[path]["file"]["bytes"], "")
    assert (report.damages, report.tail) == ([], None)
    for index, offset, length, *_ in truths()[path]["records"]:
        assert (records[index].offset, len(records[index].payload)) == (offset, length)


@pytest.mark.parametrize("path", CLEAN)
def test_events(corpus: Path, path: str) -> None:
    expected = truths()[path]["events"]
    reader = EventFileReader(LocalFile(str(corpus / path)), "raise")
    events = [stored.event for stored in reader.events()]
    assert len(events) == reader.report.events == expected["count"]
    what = collections.Counter(event.WhichOneof("what") or "none" for event in events)
    assert what == expected["what"]
    versions = [event.file_version for event in events if event.file_version]
    assert versions[:5] == expected["file_version"]
    assert sum(len(event.summary.value) for event in events) == expected["summary_values"]


# ------------------------------------------------------------------ scalars and tags


def digest(values: npt.NDArray[Any], dtype: str) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, dtype).tobytes()).hexdigest()


def check_series(series: ScalarSeries, expected: Truth) -> None:
    """Every number of the first ``expected["count"]`` points."""
    first, last = series[:1], series[-1:]
    for one, point in ((first, expected["first"]), (last, expected["last"])):
        got = [one.steps[0], one.wall_times[0], float(one.values[0])]
        np.testing.assert_equal(got, [float(number) for number in point])
    assert digest(series.steps, "<i8") == expected["sha256"]["steps"]
    assert digest(series.wall_times, "<f8") == expected["sha256"]["wall_times"]
    assert digest(series.values, "<f8") == expected["sha256"]["values"]
    assert int(np.isnan(series.values).sum()) == expected["nan"]
    assert int(np.isinf(series.values).sum()) == expected["inf"]


@pytest.mark.parametrize("path", CLEAN)
def test_scalars(corpus: Path, path: str) -> None:
    run, truth = open_run(corpus / path), truths()[path]
    migrated = {tag: one for tag, one in truth["tags"].items() if one["plugin"] == "scalars"}
    assert sorted(run.scalars) == sorted(migrated)
    for tag, one in migrated.items():
        assert len(run.scalars[tag]) == one["count"]
        check_series(run.scalars[tag], one["scalars"])
    for tag, one in truth["raw"].items():
        if "simple_values" in one:
            assert set(one["kinds"]) == {"simple_value"}
            assert len(run.scalars[tag]) == one["count"]
            check_series(run.scalars[tag], one["simple_values"])


@pytest.mark.parametrize("path", UNCLEAN)
def test_scalars_of_a_damaged_file(corpus: Path, path: str) -> None:
    """What TensorBoard reads before it gives up, tbio reads too; what follows is below."""
    run, truth = open_run(corpus / path), truths()[path]
    for tag, one in truth["raw"].items():
        if "simple_values" in one:
            series = run.scalars[tag][: one["simple_values"]["count"]]
            check_series(series, one["simple_values"])


def _texts_of_the_first_tensorboardx(name: str) -> collections.Counter[tuple[str, str]]:
    # It wrote the text's name as node_name and no tag. EventFileLoader gives the empty tag,
    # EventAccumulator and tbio the name.
    return collections.Counter({("texts", name): 1, ("texts", ""): -1})


#: Where tbio's tags differ from EventFileLoader's on purpose: file -> (kind, tag) -> more values.
DIFFERENT: dict[str, collections.Counter[tuple[str, str]]] = {
    "peers/old/mxboard/events.out.tfevents.1795239198.vm": _texts_of_the_first_tensorboardx("t"),
    "peers/old/tensorboardX-1.2/events.out.tfevents.1795239133.vm": (
        _texts_of_the_first_tensorboardx("txt")
    ),
    # A value without a value (the video encoder was not installed); EventFileLoader lists it under
    # no plugin, TensorBoard shows nothing of it, tbio reports it.
    "peers/torch/image/events.out.tfevents.1795239067.vm.2265.4.img": (
        collections.Counter({("tensors", "video"): -1})
    ),
}


def meta_graphs(truth: Truth) -> collections.Counter[tuple[str, str]]:
    """TensorBoard gives meta_graph_def events no tag; tbio lists them under one of its own."""
    return collections.Counter(
        {("graphs", "__meta_graph__"): truth["events"]["what"].get("meta_graph_def", 0)}
    )


@pytest.mark.parametrize("path", CLEAN)
def test_tags(corpus: Path, path: str) -> None:
    truth = truths()[path]
    expected = collections.Counter(
        {(kind_of(one["plugin"]), tag): one["count"] for tag, one in truth["tags"].items()}
    )
    expected.update(meta_graphs(truth))
    expected.update(DIFFERENT.get(path, {}))
    logs = tbio.open(str(corpus / path), restarts="keep")
    infos = logs.tags()
    assert {(info.kind, info.tag): info.count for info in infos} == dict(+expected)
    assert len(infos) == len(+expected)
    for info in infos:
        one = truth["tags"].get(info.tag)
        if one is not None:
            assert info.plugin == one["plugin"]
            assert info.first_step <= min(one["first_step"], one["last_step"])
            assert info.last_step >= max(one["first_step"], one["last_step"])


def test_what_holds_nothing_is_reported(corpus: Path) -> None:
    (path,) = (path for path in DIFFERENT if path.endswith(".img"))
    (problem,) = open_run(corpus / path).report.problems
    assert (problem.tag, problem.step) == ("video", 0)
    assert problem.what == "a value that holds nothing"


# ------------------------------------------------------------------ damaged files

#: Damage -> sound records in the file beyond those that were left whole of the original.
#: None: as many as the original has.
ADDED: dict[str, int | None] = {
    "bad_utf8_tag": 1,
    "gzip": None,  # compressed as a whole: nothing is damaged, and all of it is read
    "length_0": 1,
    "record_twice": 1,
    "tf_example_mixed": 1,
    "tf_example_only": 5,
    "truncated_proto": 1,
    "two_files_joined": None,
    "unparsable_proto": 1,
}
#: Sound records among those that are no Event.
NO_EVENT = {"bad_utf8_tag", "truncated_proto", "unparsable_proto"}


def damage_of(name: str) -> str:
    return name.split(".")[1]


def originals() -> dict[str, str]:
    return {truth["file"]["sha256"]: path for path, truth in truths().items()}


def frames_of(data: bytes) -> list[bytes]:
    """The records of a sound file, by their lengths alone."""
    frames, at = [], 0
    while at < len(data):
        end = at + 16 + struct.unpack_from("<Q", data, at)[0]
        frames.append(data[at:end])
        at = end
    return frames


def left_whole(frames: list[bytes], damaged: bytes) -> dict[int, bytes]:
    """Offset -> each record of the original that is still there, byte for byte, in order."""
    found, at = {}, 0
    for frame in frames:
        offset = damaged.find(frame, at)
        if offset >= 0:
            found[offset] = frame
            at = offset + len(frame)
    return found


@pytest.mark.parametrize("name", damages())
def test_records_of_a_damaged_file(corpus: Path, name: str) -> None:
    truth = damages()[name]
    original = (corpus / originals()[truth["original_sha256"]]).read_bytes()
    damaged = (corpus / "damaged" / name).read_bytes()
    whole = left_whole(frames_of(original), damaged)
    assert len(whole) == truth["intact_records"]
    assert {offset for _, offset in (one for one in truth["intact"] if one != "...")} <= set(whole)

    records, report = read_records(corpus / "damaged" / name)
    payloads = {record.offset: record.payload for record in records}
    assert {offset: payloads.get(offset) for offset in whole} == {
        offset: frame[12:-4] for offset, frame in whole.items()
    }
    added = ADDED.get(damage_of(name), 0)
    assert len(records) == len(whole) + (truth["original_records"] if added is None else added)
    # Every byte is a record's, or accounted for as damaged or cut off.
    in_records = sum(16 + len(record.payload) for record in records)
    cut_off = report.tail.length if report.tail and report.tail.kind == "truncated" else 0
    assert in_records + report.lost_bytes + cut_off == report.size
    if damage_of(name) == "gzip":
        assert (report.compression, report.size) == ("gzip", len(original))
        assert b"".join(payloads.values()) == b"".join(f[12:-4] for f in frames_of(original))
    else:
        assert (report.compression, report.size) == ("", truth["bytes"])


#: Damage -> the kinds of stretches that tbio tells of it; nothing for a file that looks sound.
KINDS_OF_DAMAGE: dict[str, list[str]] = {
    "bytes_lost": ["payload"],
    "crlf": ["payload"],
    "first_bytes_lost": ["length"],
    "flip_first_length": ["length"],
    "flip_first_payload": ["payload"],
    "flip_last_payload": ["payload"],
    "flip_length_crc": ["length"],
    "flip_length_high": ["length"],
    "flip_length_low": ["length"],
    "flip_payload": ["payload"],
    "flip_payload_crc": ["payload"],
    "garbage_appended": ["length"],
    "garbage_between": ["length"],
    "garbage_in_front": ["length"],
    "length_2_62": ["length"],
    "length_2_62_bad_crc": ["length"],
    "length_3_gib": ["length"],
    "length_max": ["length"],
    "lfs_pointer": ["length"],
    "only_zeros": ["zeros"],
    "utf8_mangled": ["length"],
    "zero_hole": ["length"],
    "zero_tail_appended": ["zeros"],
    "zero_tail_from_middle": ["payload"],
}
#: Damage -> what its writer stores in the place of the checksums.
NOT_VERIFIED = {"magic_crc": "constant", "zero_crcs": "constant", "unmasked_crc": "unmasked"}
TRUNCATED = {
    "cut_after_header",
    "cut_in_length",
    "cut_in_length_crc",
    "cut_in_payload",
    "cut_in_payload_crc",
    "zero_tail_few",  # too few for a header: they may be the beginning of one
}


@pytest.mark.parametrize("name", damages())
def test_what_is_said_of_a_damaged_file(corpus: Path, name: str) -> None:
    truth, damage = damages()[name], damage_of(name)
    reader = EventFileReader(LocalFile(str(corpus / "damaged" / name)), "ignore")
    events = list(reader.events())
    report = reader.report
    kinds = [stretch.kind for stretch in report.damages]
    if damage in NOT_VERIFIED:
        assert kinds == ["unverified"]
        assert report.unverified == NOT_VERIFIED[damage]
        assert report.unverified_records == truth["original_records"]
    elif damage in NO_EVENT:
        assert kinds == ["event"]
        assert report.records == len(events) + 1
    else:
        assert sorted(set(kinds)) == KINDS_OF_DAMAGE.get(damage, [])
    truncated = report.tail is not None and report.tail.kind == "truncated"
    assert truncated == (damage in TRUNCATED)
    if damage in ("garbage_between", "garbage_in_front", "length_2_62", "length_max"):
        lost = {"garbage_between": 37}.get(damage, 16)
        assert [(one.offset, one.length) for one in report.damages] == [(truth["damage_at"], lost)]


def scalars_of(payloads: list[bytes]) -> Points:
    """By TensorBoard's protobufs: the simple values of events, tag by tag."""
    points: Points = {}
    for payload in payloads:
        event = event_pb2.Event.FromString(payload)
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                points.setdefault(value.tag, []).append((event.step, value.simple_value))
    return points


@pytest.mark.parametrize("name", [name for name in damages() if damage_of(name) != "record_twice"])
def test_all_scalars_of_a_damaged_file(corpus: Path, name: str) -> None:
    """Every scalar of the original's records that are whole, and no other."""
    truth, damage = damages()[name], damage_of(name)
    path = corpus / "damaged" / name
    frames = frames_of((corpus / originals()[truth["original_sha256"]]).read_bytes())
    whole = list(left_whole(frames, path.read_bytes()).values())
    if damage == "gzip":
        whole = frames
    elif damage == "two_files_joined":
        whole = frames * 2
    run = open_run(path)
    got = {
        tag: list(zip(series.steps.tolist(), series.values.tolist(), strict=True))
        for tag, series in run.scalars.items()
    }
    assert got == scalars_of([frame[12:-4] for frame in whole])


def test_real_damage(corpus: Path) -> None:
    """Files that were damaged, or are no event files, when they were found."""
    found = {}
    for path in UNCLEAN:
        if not path.startswith("damaged/"):
            records, report = read_records(corpus / path)
            last = report.tail.kind if report.tail else None
            found[path.split("/")[1]] = (len(records), last)
    assert found == {
        "MorvanZhou+Reinforcement-learning-with-tensorflow": (2, "truncated"),
        "PaddlePaddle+VisualDL": (0, "length"),
        "awslabs+sagemaker-debugger": (0, None),  # no checksums: left out, and no tail
        "frameworks": (0, "length"),  # VisualDL's own framing
    }


# ------------------------------------------------------------------ restarts

#: Files without a file_version, where EventAccumulator takes any step that goes back for a restart
#: and purges all tags of that event. Only a SessionLog.START is a restart for tbio.
#: path -> tag -> (points that tbio gives, points that EventAccumulator leaves)
NO_VERSION = {
    "peers/old/mxboard/events.out.tfevents.1795239198.vm": {"acc": (9, 1)},
    "peers/old/tensorboardX-1.2/events.out.tfevents.1795239133.vm": {"data/scalar": (20, 1)},
}


@pytest.mark.parametrize("path", [path for path in CLEAN if not path.startswith("damaged/")])
def test_restarts_within_a_file(corpus: Path, path: str) -> None:
    accumulated = truths()[path]["accumulator"]
    purged = accumulated["count_purged"]
    if purged == "as count_all":
        purged = accumulated["count_all"]
    run = open_run(corpus / path, "session")
    different = {}
    for tag in accumulated["tags"]["scalars"]:
        if len(run.scalars[tag]) != purged[tag]:
            different[tag] = (len(run.scalars[tag]), purged[tag])
    assert different == NO_VERSION.get(path, {})
    for tag, ends in accumulated.get("scalars_purged", {}).items():
        if tag not in different:
            check_ends(run.scalars[tag], ends)


def check_ends(series: ScalarSeries, ends: Truth) -> None:
    for one, point in ((series[:1], ends["first"]), (series[-1:], ends["last"])):
        got = [one.steps[0], one.wall_times[0], float(one.values[0])]
        np.testing.assert_equal(got, [float(number) for number in point])


@pytest.mark.parametrize("run", several_files())
def test_restarts_across_files(corpus: Path, run: str) -> None:
    """Folders of several files; all of them have file_version 2, so that the rules are the same."""
    truth = several_files()[run]
    assert all(
        set(truths()[f"{run}/{name}"]["events"]["file_version"]) == {"brain.Event:2"}
        for name in truth["files"]
    )
    scalars = tbio.open(str(corpus / run), runs=".", restarts="session")["."].scalars
    kept = tbio.open(str(corpus / run), runs=".", restarts="keep")["."].scalars
    assert set(truth["tags"]["scalars"]) <= set(scalars)
    for tag, expected in truth["scalars_purged"].items():
        assert len(scalars[tag]) == expected["count"]
        check_ends(scalars[tag], expected)
    counts = truth["scalars_all_count"]
    assert {tag: len(kept[tag]) for tag in counts} == counts


def test_restarts_hide_something_in_the_corpus(corpus: Path) -> None:
    hidden = {
        run: tbio.open(str(corpus / run), runs=".")["."].report.restarted
        for run in ("peers/torch/purge", "peers/tensorboardX/purge", "peers/tensorflow/v1_restart")
    }
    assert hidden == {
        "peers/torch/purge": 33 - 25,
        "peers/tensorboardX/purge": 33 - 25,
        "peers/tensorflow/v1_restart": 240 - 120,
    }


# ------------------------------------------------------------------ the commands


def command(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tbio", *arguments],
        cwd=Path(tbio.__file__).parent.parent,
        capture_output=True,
        check=False,
    )


def test_export(corpus: Path) -> None:
    done = command("export", str(corpus), "/dev/stdout")
    assert done.returncode == 3  # some of it is damaged
    assert b"Traceback" not in done.stderr
    text = done.stdout.decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == ["run", "tag", "step", "wall_time", "value"]
    assert {len(row) for row in rows} == {5}
    for _, _, step, wall_time, value in rows:
        int(step), float(wall_time), float(value)
    logs = tbio.open(str(corpus), restarts="keep", on_damage="ignore")
    assert len(rows) == len(logs.scalar_table())

    by_run = collections.Counter(row[0] for row in rows)
    expected: collections.Counter[str] = collections.Counter()
    for path, truth in truths().items():
        if not path.startswith("damaged/"):  # the rest of a cut-off file has no scalar
            expected[os.path.dirname(path)] += truth["totals"]["values_by_plugin"].get("scalars", 0)
    del by_run["damaged"]
    assert by_run == +expected


def run_names(corpus: Path) -> list[str]:
    """Every folder that holds an event file.

    TensorBoard lists a folder with only a profiler's marker (``.profile-empty``) as a run, too,
    with nothing in it; tbio does not.
    """
    return sorted(
        os.path.relpath(folder, corpus)
        for folder, _, names in os.walk(corpus)
        if any("tfevents" in name and not name.endswith(".profile-empty") for name in names)
    )


def projector_folders(corpus: Path) -> list[str]:
    """Every folder that holds embeddings and no event file; they are listed behind the runs."""
    runs = set(run_names(corpus))
    found = (os.path.relpath(path.parent, corpus) for path in corpus.rglob(CONFIG_NAME))
    return sorted(name for name in found if name not in runs)


def test_ls_as_json(corpus: Path) -> None:
    done = command("ls", str(corpus), "--json")
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr
    runs = json.loads(done.stdout)["runs"]
    names = [*run_names(corpus), *projector_folders(corpus)]
    assert [run["run"] for run in runs] == names
    assert len(names) - len(run_names(corpus)) == 4
    expected = sum(
        sum(truth["totals"]["values_by_plugin"].values())
        for path, truth in truths().items()
        if path.startswith("real/unit8co+darts/")
    )
    counted = sum(
        tag["count"]
        for run in runs
        if run["run"].startswith("real/unit8co+darts/")
        for tag in run["tags"]
    )
    assert counted == expected


def test_ls_prints_nothing_that_steers_a_terminal(corpus: Path) -> None:
    done = command("ls", str(corpus))
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr
    for output in (done.stdout, done.stderr):
        for line in output.decode().splitlines():
            assert line.isprintable()
    lines = done.stdout.decode().splitlines()
    runs = [line.partition("  (")[0] for line in lines if not line.startswith(" ")]
    assert runs == [*run_names(corpus), *projector_folders(corpus)]
