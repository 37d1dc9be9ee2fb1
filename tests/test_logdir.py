"""tbio.open: sources, runs, selection, rules, reloading."""

from __future__ import annotations

import io
import math
import os
import shutil
import tempfile
import time
import warnings
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tbio
from tbio import LogDir, SummaryWriter
from tbio.event_file import EventFileReader
from tbio.kinds import scalar
from tbio.proto import tensor_pb2
from tbio.proto.event_pb2 import Event, SessionLog
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.record import encode_record
from tbio.record_file import read_into
from tbio.selection import step_range
from tbio.storage import ByteStream
from tbio.tensor import encode

GOLDEN = Path(__file__).parent / "golden" / "digits"


def log(folder: Path, tag: str = "x", points: int = 3, start: int = 0) -> None:
    with SummaryWriter(folder) as writer:
        for step in range(start, start + points):
            writer.add_scalar(tag, step * 2, step)


def write(path: Path, *events: Event) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(encode_record(event.SerializeToString()) for event in events))
    return path


def value_event(step: int, *values: Summary.Value, wall_time: float = 1.0) -> Event:
    return Event(wall_time=wall_time, step=step, summary=Summary(value=values))


def scalar_event(step: int, value: float, tag: str = "x") -> Event:
    return value_event(step, scalar.encode(tag, value))


def start_event(step: int) -> Event:
    return Event(wall_time=1.0, step=step, session_log=SessionLog(status=SessionLog.START))


def steps_of(logs: LogDir, run: str = ".", tag: str = "x") -> list[int]:
    steps: list[int] = logs[run].scalars[tag].steps.tolist()
    return steps


# ---- sources


def test_runs_are_folders_with_event_files(tmp_path: Path) -> None:
    log(tmp_path)
    log(tmp_path / "b" / "deep")
    log(tmp_path / "a")
    log(tmp_path / ".hidden")
    (tmp_path / "no_run").mkdir()
    (tmp_path / "no_run" / "notes.txt").write_text("tfevents")
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "x.tfevents.1.profile-empty").write_bytes(b"")
    logs = tbio.open(tmp_path)
    assert list(logs) == [".", ".hidden", "a", "b/deep"]
    assert len(logs) == 4
    assert "b" not in logs


def test_every_form_of_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log(tmp_path / "logs" / "a")
    log(tmp_path / "logs" / "b", start=10)
    (file,) = (tmp_path / "logs" / "b").iterdir()
    assert list(tbio.open("logs")) == list(tbio.open(tmp_path / "logs")) == ["a", "b"]
    assert steps_of(tbio.open(file)) == [10, 11, 12]
    assert steps_of(tbio.open(io.BytesIO(file.read_bytes()))) == [10, 11, 12]
    with file.open("rb") as opened:
        assert steps_of(tbio.open(opened)) == [10, 11, 12]
        assert not opened.closed
    assert list(tbio.open(["logs/a", "logs/b"])) == ["logs/a", "logs/b"]
    assert list(tbio.open([os.path.join("logs", "b", file.name)])) == ["logs/b"]
    named = tbio.open({"one": "logs/a", "two": "logs", "three": io.BytesIO(file.read_bytes())})
    assert list(named) == ["one", "three", "two/a", "two/b"]
    assert steps_of(named, "three") == [10, 11, 12]


def test_files_of_one_folder_in_a_list_are_one_run(tmp_path: Path) -> None:
    log(tmp_path, start=0)
    log(tmp_path, start=5)
    files = sorted(tmp_path.iterdir(), reverse=True)
    logs = tbio.open(files)
    assert steps_of(logs, next(iter(logs))) == [0, 1, 2, 5, 6, 7]


def test_url_of_an_fsspec_file_system(tmp_path: Path) -> None:
    log(tmp_path / "r" / "s")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "r"), "/bucket/logs", recursive=True)
    logs = tbio.open("memory://bucket/logs")
    assert list(logs) == ["s"]
    assert steps_of(logs, "s") == [0, 1, 2]
    assert logs["s"].report.files[0].path.startswith("memory://bucket/logs/s/events.out")
    (path,) = memory.find("/bucket/logs/s")
    assert steps_of(tbio.open(f"memory:/{path}")) == [0, 1, 2]
    with memory.open(path, "ab") as file:
        file.write(encode_record(scalar_event(3, 1.0).SerializeToString()))
    logs.reload()
    assert steps_of(logs, "s") == [0, 1, 2, 3]
    with pytest.raises(FileNotFoundError):
        tbio.open("memory://bucket/nothing")
    memory.rm("/bucket", recursive=True)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tbio.open(tmp_path / "nothing")
    assert dict(tbio.open(tmp_path)) == {}


@pytest.mark.parametrize("source", [3, None, b"logs", [3]])
def test_no_source(source: Any) -> None:
    with pytest.raises(TypeError, match="source: want"):
        tbio.open(source)


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    log(tmp_path / "a")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "alias").symlink_to(tmp_path / "a")
    assert list(tbio.open(tmp_path)) == ["a", "alias"]


def test_opening_reads_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log(tmp_path / "a")
    monkeypatch.setattr(EventFileReader, "events", None)
    logs = tbio.open(tmp_path)
    assert list(logs) == ["a"]
    assert "<Run 'a': 1 event files>" in repr(logs["a"])
    assert str(tmp_path) in repr(logs)


def test_links_between_folders_do_not_explode(tmp_path: Path) -> None:
    for one in "abcdefgh":
        log(tmp_path / one, points=1)
        for other in "abcdefgh":
            (tmp_path / one / f"to_{other}").symlink_to(tmp_path / other)
    logs = tbio.open(tmp_path)
    assert set("abcdefgh") <= set(logs)
    assert len(logs) <= 8 * 5


def test_pipes_in_the_tree_are_passed_over(tmp_path: Path) -> None:
    log(tmp_path)
    os.mkfifo(tmp_path / "pipe.tfevents")
    assert steps_of(tbio.open(tmp_path)) == [0, 1, 2]


def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    try:
        os.makedirs(folder)
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    log(Path(folder))
    logs = tbio.open(tmp_path)
    assert list(logs) == ["\\xff"]
    assert logs.to_pandas().run.tolist() == ["\\xff"] * 3
    assert logs.to_polars()["run"].to_list() == ["\\xff"] * 3


def test_text_files_are_refused(tmp_path: Path) -> None:
    log(tmp_path)
    (file,) = tmp_path.iterdir()
    with file.open() as opened, pytest.raises(TypeError, match="binary mode"):
        tbio.open(opened)
    with pytest.raises(TypeError, match="want str names in a mapping, got 3"):
        tbio.open({3: tmp_path})  # type: ignore[dict-item]


# ---- selection


def test_runs_that_are_not_wanted_are_not_opened(tmp_path: Path) -> None:
    log(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.tfevents").symlink_to(tmp_path / "nowhere")
    logs = tbio.open(tmp_path, runs="a", on_damage="raise")
    assert list(logs) == ["a"]
    assert logs["a"].report.complete


def test_tags_and_kinds(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss/a", 1, 1)
        writer.add_scalar("acc", 1, 1)
    image = Summary.Value(tag="pic", image=Summary.Image(width=1, height=1))
    write(tmp_path / "z.tfevents", value_event(4, image))
    assert tbio.open(tmp_path)["."].tags == {"scalars": ["acc", "loss/a"], "images": ["pic"]}
    assert tbio.open(tmp_path, tags="loss/*")["."].tags == {"scalars": ["loss/a"]}
    assert tbio.open(tmp_path, kinds="images")["."].tags == {"images": ["pic"]}
    assert list(tbio.open(tmp_path, kinds="images")["."].scalars) == []


def test_names_that_are_not_there(tmp_path: Path) -> None:
    log(tmp_path / "train", "loss")
    logs = tbio.open(tmp_path)
    with pytest.raises(tbio.RunNotFoundError, match="no run 'trian'; nearest: 'train'"):
        logs["trian"]
    with pytest.raises(KeyError, match="no tag 'los' in the scalars of run 'train'; nearest"):
        logs["train"].scalars["los"]
    assert "loss" in logs["train"].scalars
    assert "los" not in logs["train"].scalars


# ---- scalars of every encoding


def tensor_value(tag: str, array: Any, plugin: str | None = None) -> Summary.Value:
    value = Summary.Value(tag=tag, tensor=encode(array))
    if plugin is not None:
        value.metadata.CopyFrom(
            SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
        )
    return value


REAL = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool"


@pytest.mark.parametrize("dtype", [*REAL.split(), "complex64", "complex128"])
@pytest.mark.parametrize("plugin", ["scalars", None, ""])
def test_every_dtype(tmp_path: Path, dtype: str, plugin: str | None) -> None:
    numbers = np.array([1, 0, 1], dtype)
    events = [
        value_event(step, tensor_value("x", number, plugin if step == 0 else None))
        for step, number in enumerate(numbers)
    ]
    series = tbio.open(write(tmp_path / "a.tfevents", *events))["."].scalars["x"]
    assert series.values.dtype == numbers.dtype
    assert series.values.tolist() == numbers.tolist()


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_large_integers_are_exact(tmp_path: Path, value: int) -> None:
    events = [
        value_event(0, tensor_value("x", np.int64(1))),
        value_event(1, tensor_value("x", np.int64(value))),
    ]
    series = tbio.open(write(tmp_path / "a.tfevents", *events))["."].scalars["x"]
    assert series.values.tolist() == [1, value]


def test_bfloat16(tmp_path: Path) -> None:
    proto = tensor_pb2.TensorProto(dtype=tensor_pb2.DT_BFLOAT16, half_val=[0x3FC0])
    event = value_event(0, Summary.Value(tag="x", tensor=proto))
    series = tbio.open(write(tmp_path / "a.tfevents", event))["."].scalars["x"]
    assert series.values.tolist() == [1.5]
    assert series.values.dtype == np.float32


def test_integers_beside_floats_stay_exact(tmp_path: Path) -> None:
    events = [
        value_event(0, tensor_value("x", np.int64(2**60 + 1))),
        value_event(1, tensor_value("x", np.float32(0.5))),
        value_event(2, tensor_value("x", np.uint64(2**64 - 1))),
    ]
    series = tbio.open(write(tmp_path / "a.tfevents", *events))["."].scalars["x"]
    assert series.values.tolist() == [2**60 + 1, 0.5, 2**64 - 1]


def test_floats_beside_doubles(tmp_path: Path) -> None:
    values = [
        scalar.encode("x", 0.1),
        scalar.encode("x", 0.1, exact=True),
        tensor_value("x", np.float64(0.1)),
        tensor_value("x", np.float32(0.3)),
    ]
    events = [value_event(step, value) for step, value in enumerate(values)]
    series = tbio.open(write(tmp_path / "a.tfevents", *events))["."].scalars["x"]
    assert series.values.tolist() == [float(np.float32(0.1)), 0.1, 0.1, float(np.float32(0.3))]
    assert series.single is not None
    assert series.single.tolist() == [True, False, False, True]
    assert series[1:].single is not None


def test_several_values_in_an_event_and_a_tag_twice(tmp_path: Path) -> None:
    values = [scalar.encode(tag, number) for tag, number in [("a", 1), ("b", 2), ("a", 3)]]
    run = tbio.open(write(tmp_path / "a.tfevents", value_event(5, *values)))["."]
    assert run.scalars["a"].values.tolist() == [1, 3]
    assert run.scalars["a"].steps.tolist() == [5, 5]
    assert run.scalars["b"].values.tolist() == [2]


def test_values_of_a_scalar_tag_that_are_no_scalars(tmp_path: Path) -> None:
    events = [
        value_event(0, tensor_value("x", np.float32(1), "scalars")),
        value_event(1, tensor_value("x", np.array([1, 2], np.float32))),
        value_event(2, tensor_value("x", np.array("text", object))),
        value_event(3, Summary.Value(tag="x")),
        value_event(4, tensor_value("x", np.array([[4]], np.float32))),
    ]
    run = tbio.open(write(tmp_path / "a.tfevents", *events))["."]
    assert run.scalars["x"].steps.tolist() == [0, 4]
    problems = run.report.problems
    assert [(problem.step, problem.what) for problem in problems] == [
        (1, "a scalar of shape [2]"),
        (2, "a scalar of DT_STRING"),
        (3, "a value that holds nothing"),
    ]
    assert not run.report.complete


def test_a_custom_plugin_of_numbers_is_no_scalar(tmp_path: Path) -> None:
    events = [value_event(0, tensor_value("x", np.float32(1), "mine"))]
    run = tbio.open(write(tmp_path / "a.tfevents", *events))["."]
    assert run.tags == {"tensors": ["x"]}


def test_metadata_may_stand_in_another_file(tmp_path: Path) -> None:
    write(
        tmp_path / "1.tfevents", value_event(0, tensor_value("h", np.zeros((2, 3)), "histograms"))
    )
    write(tmp_path / "2.tfevents", value_event(1, tensor_value("h", np.zeros((2, 3)))))
    (info,) = tbio.open(tmp_path)["."].tag_infos()
    assert (info.kind, info.plugin, info.count, info.last_step) == (
        "histograms",
        "histograms",
        2,
        1,
    )


def test_a_wall_time_that_is_none_is_kept(tmp_path: Path) -> None:
    event = value_event(0, scalar.encode("x", 1.0), wall_time=float("nan"))
    series = tbio.open(write(tmp_path / "a.tfevents", event))["."].scalars["x"]
    assert np.isnan(series.wall_times).tolist() == [True]
    (problem,) = tbio.open(tmp_path)["."].report.problems
    assert problem.what == "a wall time that is no number"


# ---- several files, restarts, duplicates


def test_files_are_read_in_order_of_name(tmp_path: Path) -> None:
    write(tmp_path / "b.tfevents", scalar_event(1, 1.0))
    write(tmp_path / "a.tfevents", scalar_event(2, 2.0))
    write(tmp_path / "tfevents.1000", scalar_event(4, 4.0))
    write(tmp_path / "tfevents.999", scalar_event(3, 3.0))
    assert steps_of(tbio.open(tmp_path)) == [2, 1, 4, 3]


def test_session_start_discards_what_came_before(tmp_path: Path) -> None:
    write(tmp_path / "1.tfevents", *(scalar_event(step, 0) for step in range(6)))
    write(tmp_path / "2.tfevents", start_event(4), *(scalar_event(step, 1) for step in (4, 5, 6)))
    write(tmp_path / "3.tfevents", scalar_event(7, 2), start_event(6), scalar_event(6, 3))
    session = tbio.open(tmp_path)
    assert steps_of(session) == [0, 1, 2, 3, 4, 5, 6]
    assert session["."].scalars["x"].values.tolist() == [0, 0, 0, 0, 1, 1, 3]
    assert session["."].report.restarted == session["."].report.superseded == 4
    kept = tbio.open(tmp_path, restarts="keep")
    assert steps_of(kept) == [0, 1, 2, 3, 4, 5, 4, 5, 6, 7, 6]
    assert kept["."].report.restarted == 0
    assert kept["."].report.superseded == 4


def test_session_start_is_for_all_tags_of_the_run(tmp_path: Path) -> None:
    write(
        tmp_path / "1.tfevents",
        scalar_event(5, 0, "a"),
        start_event(3),
        scalar_event(3, 0, "b"),
    )
    assert steps_of(tbio.open(tmp_path), tag="a") == []
    assert [info.tag for info in tbio.open(tmp_path)["."].tag_infos()] == ["b"]


@pytest.mark.parametrize(
    ("rule", "steps", "values"),
    [
        ("keep", [1, 2, 1, 3, 2], [10, 20, 30, 40, 50]),
        ("first", [1, 2, 3], [10, 20, 40]),
        ("last", [1, 3, 2], [30, 40, 50]),
        ("mean", [1, 3, 2], [20, 40, 35]),
    ],
)
def test_duplicates(tmp_path: Path, rule: Any, steps: list[int], values: list[float]) -> None:
    points = zip([1, 2, 1, 3, 2], [10, 20, 30, 40, 50], strict=True)
    write(tmp_path / "1.tfevents", *(scalar_event(*point) for point in points))
    run = tbio.open(tmp_path, duplicates=rule)["."]
    assert run.scalars["x"].steps.tolist() == steps
    assert run.scalars["x"].values.tolist() == values
    assert run.scalars["x"].values.dtype == np.float32
    assert run.report.duplicates == 5 - len(steps)


@pytest.mark.parametrize("rule", ["restarts", "duplicates", "on_damage"])
def test_rules_that_do_not_exist(tmp_path: Path, rule: str) -> None:
    options: dict[str, Any] = {rule: "perhaps"}
    with pytest.raises(ValueError, match=f"{rule}: want one of"):
        tbio.open(tmp_path, **options)


# ---- reloading


def test_reload_takes_in_what_is_new(tmp_path: Path) -> None:
    file = write(tmp_path / "a" / "1.tfevents", scalar_event(0, 0))
    logs = tbio.open(tmp_path)
    before = logs["a"].scalars["x"]
    assert before.steps.tolist() == [0]
    payload = encode_record(scalar_event(1, 1).SerializeToString())
    with file.open("ab") as opened:
        opened.write(payload[:20])
    logs.reload()
    assert steps_of(logs, "a") == [0]
    assert logs["a"].report.files[0].tail is not None
    assert logs["a"].report.complete
    with file.open("ab") as opened:
        opened.write(payload[20:])
    write(tmp_path / "a" / "2.tfevents", scalar_event(2, 2))
    write(tmp_path / "b" / "1.tfevents", scalar_event(9, 9))
    assert steps_of(logs, "a") == [0]
    logs.reload()
    assert steps_of(logs, "a") == [0, 1, 2]
    assert steps_of(logs, "b") == [9]
    assert before.steps.tolist() == [0]
    assert [report.events for report in logs["a"].report.files] == [2, 1]


def test_reload_reads_new_bytes_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "1.tfevents", *(scalar_event(step, 0) for step in range(100)))
    logs = tbio.open(tmp_path)
    assert len(steps_of(logs)) == 100
    sizes = [file.stat().st_size]
    write(file, scalar_event(100, 0))
    taken: list[int] = []

    def counting(raw: ByteStream, target: memoryview) -> int:
        taken.append(read_into(raw, target))
        return taken[-1]

    monkeypatch.setattr("tbio.bulk.lane.read_into", counting)
    size = file.stat().st_size
    logs.reload()
    assert len(steps_of(logs)) == 101
    assert sum(taken) == size - sizes[0]


def test_reload_after_files_were_replaced_or_removed(tmp_path: Path) -> None:
    file = write(tmp_path / "a" / "1.tfevents", *(scalar_event(step, 0) for step in range(5)))
    write(tmp_path / "b" / "1.tfevents", scalar_event(1, 1))
    logs = tbio.open(tmp_path)
    assert (len(steps_of(logs, "a")), len(steps_of(logs, "b"))) == (5, 1)
    write(tmp_path / "new", *(scalar_event(step, 0) for step in range(10, 30)))
    os.replace(tmp_path / "new", file)
    shutil.rmtree(tmp_path / "b")
    logs.reload()
    assert steps_of(logs, "a") == list(range(10, 30))
    assert list(logs) == ["a"]


@pytest.mark.parametrize("again", ["in place", "made anew"])
def test_reload_after_a_file_was_written_anew(tmp_path: Path, again: str) -> None:
    file = write(tmp_path / "1.tfevents", *(scalar_event(step, 0) for step in range(5)))
    logs = tbio.open(tmp_path)
    assert len(steps_of(logs)) == 5
    data = b"".join(
        encode_record(scalar_event(step, 0).SerializeToString()) for step in range(100, 109)
    )
    if again == "made anew":
        file.unlink()  # and the next file may get its inode
    file.write_bytes(data)
    logs.reload()
    assert steps_of(logs) == list(range(100, 109))


def test_damage_is_raised_each_time(tmp_path: Path) -> None:
    first = write(tmp_path / "1.tfevents", *(scalar_event(step, 0) for step in range(10)))
    write(tmp_path / "2.tfevents", *(scalar_event(step, 0) for step in range(10, 20)))
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 1
    first.write_bytes(data)
    logs = tbio.open(tmp_path, on_damage="raise")
    for _ in range(2):
        with pytest.raises(tbio.DamageError):
            steps_of(logs)


def test_a_file_that_vanishes_or_is_forbidden_leaves_the_others(tmp_path: Path) -> None:
    write(tmp_path / "1.tfevents", scalar_event(1, 1))
    (tmp_path / "2.tfevents").symlink_to(tmp_path / "nowhere")
    logs = tbio.open(tmp_path)
    with pytest.warns(tbio.TbioWarning, match=r"No such file.*2\.tfevents"):
        assert steps_of(logs) == [1]
    assert logs["."].report.files[1].error == "No such file or directory"
    assert not logs["."].report.complete
    with pytest.raises(FileNotFoundError):
        steps_of(tbio.open(tmp_path, on_damage="raise"))


def test_damage_is_warned_of_once(tmp_path: Path) -> None:
    file = write(tmp_path / "1.tfevents", scalar_event(1, 1), scalar_event(2, 2))
    data = bytearray(file.read_bytes())
    data[20] ^= 1
    file.write_bytes(data)
    logs = tbio.open(tmp_path)
    with pytest.warns(tbio.TbioWarning, match="1 damaged places, .* the first at byte 0: payload"):
        assert steps_of(logs) == [2]
    ((path, damage),) = logs["."].report.damages
    assert (path, damage.offset, damage.kind) == (str(file), 0, "payload")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert steps_of(logs) == [2]
        logs.reload()
        assert steps_of(logs) == [2]
    with pytest.raises(tbio.DamageError, match=r"1\.tfevents, byte 0: payload checksum wrong"):
        steps_of(tbio.open(tmp_path, on_damage="raise"))


# ---- tables


def test_tables_of_a_log() -> None:
    logs = tbio.open(GOLDEN)
    table = tbio.read_scalars(GOLDEN)
    assert len(table) == 80
    assert table.run.tolist() == ["test"] * 40 + ["train"] * 40
    assert table.tag.tolist()[:21] == ["accuracy"] * 20 + ["loss"]
    assert table.wall_time[:2].tolist() == [1_700_000_000.0, 1_700_000_002.5]
    assert logs.to_pandas().equals(table.to_pandas())
    assert logs.to_polars().equals(table.to_polars())
    assert logs.to_arrow() == table.to_arrow()
    assert len(tbio.read_scalars(GOLDEN, runs="test", tags=["loss"])) == 20


def test_read_events_of_a_folder_goes_run_by_run(tmp_path: Path) -> None:
    write(tmp_path / "b" / "1.tfevents", scalar_event(2, 0))
    write(tmp_path / "a" / "2.tfevents", scalar_event(1, 0))
    write(tmp_path / "a" / "1.tfevents", scalar_event(0, 0))
    assert [event.step for event in tbio.read_events(tmp_path)] == [0, 1, 2]
    payloads = list(tbio.read_records(tmp_path / "b" / "1.tfevents"))
    assert payloads == [scalar_event(2, 0).SerializeToString()]


# ---- what a review found


@settings(max_examples=60, deadline=None)
@given(
    files=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["x", "x", "x", "y", "start"]),
                st.integers(-3, 6),
                st.sampled_from([1.0, 2.0, 3.0, 4.0, 0.0, -1.0, math.nan, math.inf]),
            ),
            max_size=8,
        ),
        min_size=1,
        max_size=3,
    ),
    steps=st.builds(
        slice,
        st.none() | st.integers(-3, 6),
        st.none() | st.integers(-3, 6),
        st.none() | st.integers(1, 3),
    ),
)
def test_steps_that_are_pushed_down_are_those_filtered_afterwards(
    files: list[list[tuple[str, int, float]]], steps: slice
) -> None:
    def points(folder: str, steps: slice | None, options: dict[str, Any]) -> list[Any]:
        run = tbio.open(folder, steps=steps, on_damage="ignore", **options).get(".")
        if run is None or "x" not in run.scalars:
            return []
        return list(zip(run.scalars["x"].steps, run.scalars["x"].values, strict=True))

    with tempfile.TemporaryDirectory() as folder:
        for at, events in enumerate(files):
            made = []
            for value, (what, step, wall_time) in enumerate(events):
                one = start_event(step) if what == "start" else scalar_event(step, value, what)
                one.wall_time = wall_time
                made.append(one)
            write(Path(folder, f"{at}.tfevents"), *made)
        wanted = step_range(steps)
        orders = [*product(["name", "time"], ["keep", "session"]), ("name", "tensorboard")]
        for (order, restarts), duplicates in product(orders, ["keep", "first", "last"]):
            options = {"order": order, "restarts": restarts, "duplicates": duplicates}
            every = points(folder, None, options)
            left = [point for point in every if wanted is None or wanted.wants(int(point[0]))]
            assert points(folder, steps, options) == left, options


def test_means_of_what_is_not_finite(tmp_path: Path) -> None:
    values = [math.inf, -math.inf, 1e308, 1.7e308]
    events = [
        value_event(at // 2, tensor_value("x", np.float64(value), "scalars"))
        for at, value in enumerate(values)
    ]
    write(tmp_path / "1.tfevents", *events)
    mean = tbio.open(tmp_path, duplicates="mean")["."].scalars["x"].values
    assert np.isnan(mean[0])
    assert mean[1] == math.inf


def test_many_restarts_in_order_of_time(tmp_path: Path) -> None:
    for at in range(400):
        file = [start_event(at), *(scalar_event(at, at, str(tag)) for tag in range(20))]
        for event in file:
            event.wall_time = at
        write(tmp_path / f"{at:03}.tfevents", *file)
    seconds = {}
    for order in ("name", "time"):
        began = time.perf_counter()
        tags = tbio.open(tmp_path, order=order).tags()
        seconds[order] = time.perf_counter() - began
        assert [tag.count for tag in tags] == [400] * 20
    assert seconds["time"] < 5 * seconds["name"] + 0.5


def test_names_that_come_to_the_same(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="names that differ as paths"):
        tbio.open({"a": io.BytesIO(), "./a": io.BytesIO()})
    with pytest.raises(TypeError, match="got b'/logs'"):
        tbio.open(b"/logs")  # type: ignore[arg-type]


def full_run(folder: Path) -> None:
    """A scalar, an image, an embedding and an asset."""
    with SummaryWriter(folder) as writer:
        writer.add_scalar("x", 1.0, 0)
        writer.add_image("photo", np.zeros((3, 2, 4)), 0)
        writer.add_embedding(np.eye(2), tag="words")
    (folder / "plugins" / "profile").mkdir(parents=True)
    (folder / "plugins" / "profile" / "trace").write_bytes(b"trace")


@pytest.mark.parametrize(
    ("url", "runs"),
    [
        ("memory://", {"logs/run", "."}),
        ("memory://logs", {"run"}),
        ("memory://logs/run", {"."}),
        (["memory://logs", "memory://logs/run"], {"memory://logs/run"}),
        ("simplecache::memory://logs", {"run"}),
        ("zip://::ZIP", {"run"}),
        ("zip://run::ZIP", {"."}),
    ],
)
def test_all_of_a_run_on_other_file_systems(tmp_path: Path, url: Any, runs: set[str]) -> None:
    full_run(tmp_path / "run")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "run"), "/logs/", recursive=True)
    memory.put(f"{tmp_path}/run/", "/", recursive=True)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in (tmp_path / "run").rglob("*"):
            archive.write(path, path.relative_to(tmp_path))
    if isinstance(url, str):
        url = url.replace("ZIP", str(tmp_path / "a.zip"))
    try:
        logs = tbio.open(url)
        assert set(logs) == set(logs.embeddings()) == runs
        for run in logs.values():
            assert run.images["photo"][0].to_array().shape == (2, 4, 3)
            assert run.assets["profile"]["trace"].read() == b"trace"
            (words,) = run.embeddings.values()
            assert words.tensor.tolist() == [[1, 0], [0, 1]]
            (file,) = run.report.files
            assert len(tbio.open(file.path)["."].scalars["x"]) == 1
    finally:
        memory.rm("/", recursive=True)


def test_one_bad_run_leaves_the_embeddings_and_layouts_of_the_others(tmp_path: Path) -> None:
    full_run(tmp_path / "good")
    with SummaryWriter(tmp_path / "good") as writer:
        writer.add_custom_scalars({"all": {"x": ["Multiline", ["x"]]}})
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "projector_config.pbtxt").write_text("}")
    layout = tensor_value("custom_scalars__config__", b"\xff", "custom_scalars")
    write(tmp_path / "bad" / "1.tfevents", value_event(0, layout))
    logs = tbio.open(tmp_path)
    with pytest.warns(tbio.TbioWarning, match="run 'bad': left out: .*no config"):
        assert list(logs.embeddings()) == ["good"]
    with pytest.warns(tbio.TbioWarning, match="run 'bad': left out"):
        assert logs.layout().to_dict() == {"all": {"x": ["Multiline", ["x"]]}}
    for on_damage in ("ignore", "raise"):
        logs = tbio.open(tmp_path, on_damage=on_damage)
        if on_damage == "ignore":
            assert list(logs.embeddings()) == ["good"]
            continue
        with pytest.raises(tbio.DecodeError):
            logs.embeddings()
        with pytest.raises(tbio.DecodeError):
            logs.layout()
