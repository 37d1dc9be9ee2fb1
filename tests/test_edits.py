"""Edited logs: which bytes stay, and what TensorBoard's own readers make of the rest."""

from __future__ import annotations

import errno
import gzip
import os
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_log import events_in, steps_in
from tensorboard_readers import by_event_accumulator, by_plugin_accumulator, by_rustboard

from tbio import logdir, wire
from tbio.bulk.batches import BatchLane
from tbio.edits import EditReport, FileEdit, edit, surgery, thinning
from tbio.edits.folder import Folder, writing
from tbio.edits.mentions import projector_config
from tbio.edits.renames import Renames
from tbio.errors import RunNotFoundError, TagNotFoundError
from tbio.event_file import EventFileWriter
from tbio.kinds import hparams, layout, scalar, text
from tbio.proto.event_pb2 import Event, SessionLog
from tbio.proto.hparams_pb2 import HParamsPluginData
from tbio.proto.summary_pb2 import Summary
from tbio.record import RecordDecoder, encode_record
from tbio.repairs import repair
from tbio.writer import SummaryWriter

NAME = "events.out.tfevents.1700000000.host"
VERSION = Event(wall_time=99.0, file_version="brain.Event:2").SerializeToString()


def point(step: int, *tags: str, value: float | None = None) -> bytes:
    number = float(step) if value is None else value
    values = {"value": [scalar.encode(tag, number) for tag in tags]}
    return Event(step=step, wall_time=100.0 + step, summary=values).SerializeToString()


def write(path: Path, *payloads: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(encode_record, payloads)))
    return path


def payloads(path: Path) -> list[bytes]:
    data = path.read_bytes()
    decoder = RecordDecoder(end=len(data))
    items: list[Any] = [*decoder.feed(data), *decoder.finish()]
    return [item.payload for item in items]


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def outcomes(report: EditReport, root: Path) -> dict[str, str]:
    return {os.path.relpath(file.path, root): file.outcome for file in report.files}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two runs of scalars, and files of other sorts."""
    root = tmp_path / "logs"
    write(root / "a" / NAME, VERSION, *(point(step, "loss", "acc") for step in range(6)))
    write(root / "b" / NAME, VERSION, *(point(step, "loss") for step in range(3)))
    (root / "a" / "plugins" / "x").mkdir(parents=True)
    (root / "a" / "plugins" / "x" / "asset.bin").write_bytes(b"\0\1")
    (root / "notes.txt").write_text("hello")
    return root


# ------------------------------------------------------------------ bytes that stay


def test_nothing_asked_is_a_copy(logs: Path, tmp_path: Path) -> None:
    report = edit(logs, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(logs)
    assert report.complete
    assert outcomes(report, logs) == {
        f"a/{NAME}": "same",
        f"b/{NAME}": "same",
        "a/plugins/x/asset.bin": "copied",
        "notes.txt": "copied",
    }


@pytest.mark.parametrize("root", ["peers", "real/Alwaysproblem+tensorboard-review"])
def test_the_files_of_other_writers_stay_as_they_are(
    corpus: Path, tmp_path: Path, root: str
) -> None:
    report = edit(corpus / root, tmp_path / "out", scale_steps=1, tags="*")
    same = [file for file in report.files if file.outcome == "same"]
    assert len(same) > 20
    for file in same:
        [target] = file.targets
        assert Path(target).read_bytes() == Path(file.path).read_bytes(), file.path


def odd_event() -> bytes:
    """An event with fields that nobody knows, at every level, and a varint that is too long."""
    value = (
        wire.field(1, b"loss")
        + wire.field(77, b"of the value")
        + wire.varint(2 << 3 | wire.FIXED32)
        + struct.pack("<f", 0.5)
        + wire.field(9, wire.field(1, wire.field(1, b"scalars") + wire.field(66, b"deep")))
    )
    other = wire.field(1, b"acc") + b"\x15" + struct.pack("<f", 0.25)
    return (
        b"\x09"
        + struct.pack("<d", 100.0)
        + b"\x10\x87\x80\x00"  # step 7
        + wire.field(99, b"of the event")
        + wire.field(5, wire.field(1, value) + wire.field(88, b"of the summary"))
        + wire.field(5, wire.field(1, other))
        + wire.field(98, b"at the end")
    )


def test_only_what_is_edited_changes_in_an_event(tmp_path: Path) -> None:
    odd = odd_event()
    parsed = Event.FromString(odd)
    assert (parsed.step, [value.tag for value in parsed.summary.value]) == (7, ["loss", "acc"])
    source = write(tmp_path / "logs" / NAME, odd)

    edit(source, tmp_path / "renamed", rename_tags={"loss": "a/longer/name"})
    [renamed] = payloads(tmp_path / "renamed" / NAME)
    before, _, rest = odd.partition(wire.field(1, b"loss"))
    after_summary_keys = renamed.partition(wire.field(1, b"a/longer/name"))
    assert after_summary_keys[2] == rest
    # The two lengths around the tag grow by 9; they are single bytes here, and nothing else is.
    assert [
        new - old for new, old in zip(after_summary_keys[0], before, strict=True) if new != old
    ] == [9, 9]

    edit(source, tmp_path / "cut", drop_tags="acc")
    [cut] = payloads(tmp_path / "cut" / NAME)
    acc = wire.field(1, wire.field(1, b"acc") + b"\x15" + struct.pack("<f", 0.25))
    assert cut == odd.replace(wire.field(5, acc), wire.field(5, b""))

    edit(source, tmp_path / "moved", shift_steps=3, shift_times=0.5)
    [moved] = payloads(tmp_path / "moved" / NAME)
    assert moved == b"\x09" + struct.pack("<d", 100.5) + b"\x10\x0a" + odd[13:]


def test_an_event_that_protobuf_sees_in_another_way(tmp_path: Path) -> None:
    """A summary that a later field of the oneof voids: protobuf sees none of its values."""
    void = Event(step=1, summary={"value": [scalar.encode("loss", 1.0)]}).SerializeToString()
    odd = void + wire.field(5, b"") + wire.field(4, b"") + point(2, "acc", "lr")
    seen = [value.tag for value in Event.FromString(odd).summary.value]
    source = write(tmp_path / "logs" / NAME, odd)
    edit(source, tmp_path / "out", rename_tags={"lr": "rate"})
    [new] = payloads(tmp_path / "out" / NAME)
    assert [value.tag for value in Event.FromString(new).summary.value] == [
        "rate" if tag == "lr" else tag for tag in seen
    ]


def test_a_step_of_zero_and_a_negative_one() -> None:
    zero, seven = Event(wall_time=1.0), Event(wall_time=1.0, step=7)
    assert surgery.with_times(seven.SerializeToString(), 0, None) == zero.SerializeToString()
    assert surgery.with_times(zero.SerializeToString(), 7, None) == seven.SerializeToString()
    assert Event.FromString(surgery.with_times(point(3, "a"), -2, 0.25)) == Event(
        step=-2, wall_time=0.25, summary={"value": [scalar.encode("a", 3.0)]}
    )


# ------------------------------------------------------------------ names


def test_tags_are_renamed_by_name_and_by_regex(logs: Path, tmp_path: Path) -> None:
    report = edit(
        logs,
        tmp_path / "out",
        rename_tags=[("acc", "loss"), ("loss", "acc")],  # exchanged
        rename_runs=[(re.compile(r"^(a|b)$"), r"exp/\1")],
    )
    assert report.tags == {"acc": "loss", "loss": "acc"}
    assert report.runs == {"a": "exp/a", "b": "exp/b"}
    assert (tmp_path / "out/exp/a/plugins/x/asset.bin").read_bytes() == b"\0\1"
    assert (tmp_path / "out/notes.txt").read_text() == "hello"
    shown = by_rustboard(tmp_path / "out")
    assert {run: sorted(shown[run]["scalars"]) for run in shown} == {
        "exp/a": ["acc", "loss"],
        "exp/b": ["acc"],
    }
    accumulated = by_event_accumulator(tmp_path / "out" / "exp" / "a")["scalars"]["acc"]
    assert [(one.step, one.value) for one in accumulated] == [(s, float(s)) for s in range(6)]


def test_regexes_follow_one_another() -> None:
    renames = Renames(
        [(re.compile("^train_(.*)"), r"train/\1"), (re.compile("_"), "-"), ("x_y", "z_z")], "tags"
    )
    assert [renames(name) for name in ("train_a_b", "x_y", "plain")] == [
        "train/a-b",
        "z_z",
        "plain",
    ]
    assert renames.unused == []
    runs = Renames({"old": "new", "gone": "x"}, "runs", below=True)
    assert [runs(name) for name in ("old", "old/train", "older")] == ["new", "new/train", "older"]
    assert runs.unused == ["gone"]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"rename_tags": {"lss": "x"}}, TagNotFoundError, "no tag 'lss'.*nearest: 'loss'"),
        ({"rename_tags": [(re.compile("zz+"), "x")]}, TagNotFoundError, "no tag 'zz"),
        ({"drop_tags": ["loss", "ac"]}, TagNotFoundError, "no tag 'ac'.*nearest: 'acc'"),
        ({"tags": "los"}, TagNotFoundError, "nearest: 'loss'"),
        ({"runs": "c*"}, RunNotFoundError, "no run"),
        ({"rename_runs": {"aa": "x"}}, RunNotFoundError, "no run 'aa'.*nearest: 'a'"),
        ({"rename_runs": {"a": "../x"}}, ValueError, "no path inside"),
        ({"rename_runs": {"a": "/tmp/x"}}, ValueError, "no path inside"),
        ({"rename_runs": {"a": "x\0"}}, ValueError, "no path inside"),
        ({"rename_tags": {"loss": ""}}, ValueError, "no tag"),
        ({"rename_tags": {"loss": "\ud800"}}, ValueError, "no tag"),
        ({"rename_tags": [(re.compile("loss"), r"\3")]}, ValueError, "group"),
        ({"rename_tags": "loss=x"}, TypeError, "pairs"),
        ({"rename_tags": [("a", "b"), ("a", "c")]}, ValueError, "two names"),
        ({"every": 0}, ValueError, "every: want 1"),
        ({"lttb": 1}, ValueError, "lttb: want 2"),
        ({"scale_steps": 0}, ValueError, "scale_steps"),
        ({"shift_times": float("nan")}, ValueError, "shift_times"),
        ({"compression": "zip"}, ValueError, "compression"),
        ({"restarts": "maybe"}, ValueError, "restarts"),
        ({"kinds": "scalar"}, ValueError, "kinds"),
        ({"in_place": True}, ValueError, "either"),
    ],
)
def test_mistakes_leave_nothing_behind(
    logs: Path, tmp_path: Path, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        edit(logs, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_a_step_beyond_int64_says_where(logs: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=rf"{NAME}, from byte \d+ on: step 0 would become 9223372036854775808"
    ):
        edit(logs, tmp_path / "out", shift_steps=1 << 63)
    assert not (tmp_path / "out").exists()
    write(logs / "z" / NAME, VERSION, point((1 << 62) + 1, "loss"))
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="beyond int64"):
        edit(logs, tmp_path / "out", scale_steps=2)
    assert not list((tmp_path / "out").iterdir())


def test_a_disk_that_is_full_leaves_nothing_behind(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(payload: bytes) -> bytes:
        with writing():
            raise OSError(errno.ENOSPC, "no space left", "out")

    monkeypatch.setattr("tbio.edits.job.encode_record", refuse)
    with pytest.raises(OSError, match="no space left"):
        edit(logs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_logs_behind_a_url(logs: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    filesystem = fsspec.filesystem("memory")
    try:
        filesystem.put(str(logs), "memory://edits/logs", recursive=True)
        edit("memory://edits/logs", tmp_path / "out", rename_runs={"a": "x"})
    finally:
        filesystem.rm("memory://edits", recursive=True)
    assert set(tree(tmp_path / "out")) == {name.replace("a/", "x/") for name in tree(logs)}
    with pytest.raises(ValueError, match="local disk"):
        edit("memory://edits/logs", in_place=True)


def test_one_file_of_any_name(logs: Path, tmp_path: Path) -> None:
    """As TFRecord's GZIP option writes it, too; it comes out plain."""
    source = tmp_path / "copy.bin"
    source.write_bytes(gzip.compress((logs / "a" / NAME).read_bytes()))
    edit(source, tmp_path / "out")
    assert (tmp_path / "out/copy.bin").read_bytes() == (logs / "a" / NAME).read_bytes()


def test_a_destination_with_something_in_it(logs: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        edit(logs, tmp_path)
    with pytest.raises(ValueError, match="is inside of"):
        edit(logs, logs / "out")
    with pytest.raises(FileNotFoundError):
        edit(tmp_path / "none", tmp_path / "out")


def test_tags_that_become_one_are_told_of(logs: Path, tmp_path: Path) -> None:
    report = edit(logs, tmp_path / "out", rename_tags={"acc": "loss"})
    assert report.remarks == ("run 'a': 'acc', 'loss' became 'loss'",)


def test_what_speaks_of_tags_and_runs_is_renamed(tmp_path: Path) -> None:
    experiment = hparams.encode_experiment({"lr": 0.1}, ["loss", "other"])
    content = HParamsPluginData.FromString(experiment.metadata.plugin_data.content)
    content.experiment.metric_infos[1].name.group = "val"
    content.experiment.metric_infos[1].name.tag = "loss"
    experiment.metadata.plugin_data.content = content.SerializeToString()
    start = hparams.encode_start({"lr": 0.1}, start_time=50.0)
    charts, _ = layout.prepare(
        {"c": {"m": ["Margin", ["loss", "lo", "hi"]], "l": ["Multiline", ["loss", "l.*"]]}}
    )
    charts_value = layout.encode(charts)
    charts_value.metadata.CopyFrom(layout.metadata())
    values = Summary(value=[experiment, start, charts_value])
    write(
        tmp_path / "logs/run" / NAME,
        VERSION,
        Event(wall_time=99.0, summary=values).SerializeToString(),
        point(1, "loss"),
    )
    write(tmp_path / "logs/run/val" / NAME, VERSION, point(1, "loss"))
    config = 'embeddings { # words\n  tensor_name: "loss:00001"\n  tensor_path: "x/loss.tsv"\n}\n'
    (tmp_path / "logs/run/projector_config.pbtxt").write_text(config)
    report = edit(
        tmp_path / "logs",
        tmp_path / "out",
        rename_tags={"loss": "a+b"},
        rename_runs={"run/val": "run/deep/val"},
        shift_times=10.0,
        tags="loss",
    )
    new = tmp_path / "out" / "run"
    assert (new / "projector_config.pbtxt").read_text() == config.replace("loss:", "a+b:")
    [_, described, _] = events_in(new / NAME)
    data = [
        HParamsPluginData.FromString(v.metadata.plugin_data.content)
        for v in described.summary.value[:2]
    ]
    metrics = [(one.name.group, one.name.tag) for one in data[0].experiment.metric_infos]
    assert metrics == [("", "a+b"), ("deep/val", "a+b")]
    assert data[1].session_start_info.start_time_secs == 60.0
    assert described.step == 0
    read = logdir.open_logdir(tmp_path / "out")["run"].layout
    assert read is not None
    margin, lines = read.categories[0].charts
    assert margin.lines == (("a+b", "lo", "hi"),)
    assert lines.tags == (r"a\+b", "l.*")
    assert report.remarks == (
        "custom scalars: chart 'l' finds 'loss' by the expression 'l.*', which is kept",
    )


def test_the_name_that_is_shown_follows_the_tag(tmp_path: Path) -> None:
    """TensorBoard shows a display name in place of the tag (data_compat.py)."""
    values = []
    for tag, display in (("loss", "loss"), ("acc", "Accuracy")):
        value = scalar.encode(tag, 1.0, as_tensor=True)
        value.metadata.CopyFrom(scalar.metadata(display))
        values.append(value)
    write(tmp_path / NAME, VERSION, Event(step=1, summary={"value": values}).SerializeToString())
    report = edit(tmp_path / NAME, tmp_path / "out", rename_tags=[(re.compile("^"), "x/")])
    [_, event] = events_in(tmp_path / "out" / NAME)
    assert [(v.tag, v.metadata.display_name) for v in event.summary.value] == [
        ("x/loss", "x/loss"),
        ("x/acc", "Accuracy"),
    ]
    assert report.remarks == ("tag 'x/acc' is shown as 'Accuracy', its display name",)


def test_the_names_of_embeddings() -> None:
    old = rb"""embeddings { tensor_name : 'a' } embeddings { tensor_name:"a\"b" }"""
    new = projector_config(old, Renames([(re.compile("^a"), 'n"')], "tags"))
    assert new == rb"""embeddings { tensor_name : "n\"" } embeddings { tensor_name:"n\"\"b" }"""


# ------------------------------------------------------------------ what is kept


def media(root: Path) -> Path:
    """A run with a value of many kinds at each of ten steps."""
    with SummaryWriter(root / "run") as writer:
        writer.set_hparams({"lr": 0.1})
        for step in range(10):
            writer.add_scalar("loss", step / 2, step)
            writer.add_text("note", f"step {step}", step)
            writer.add_image("img", np.full((1, 4, 4), step, np.uint8), step)
            writer.add_histogram("h", np.arange(step + 1), step)
    return root


def steps_shown(folder: Path, run: str = "run") -> dict[str, dict[str, list[int]]]:
    """As TensorBoard's data server has it; the Python back end is held to the same."""
    fast, slow = by_rustboard(folder)[run], by_plugin_accumulator(folder)[run]
    found = [
        {
            plugin: {tag: [one.step for one in points] for tag, points in tags.items()}
            for plugin, tags in shown.items()
        }
        for shown in (fast, slow)
    ]
    assert found[0] == found[1]
    return found[0]


def test_kinds_steps_and_tags(tmp_path: Path) -> None:
    logs = media(tmp_path / "logs")
    edit(logs, tmp_path / "out", kinds=["images", "scalars", "hparams"], steps=range(2, 9, 3))
    assert steps_shown(tmp_path / "out") == {
        "images": {"img": [2, 5, 8]},
        "scalars": {"loss": [2, 5, 8]},
        "hparams": {"_hparams_/session_start_info": [0], "_hparams_/session_end_info": [0]},
    }
    edit(
        logs,
        tmp_path / "no",
        drop_tags=["h", "_hparams_/*"],
        drop_kinds="texts",
        drop_steps=slice(1, None),
    )
    assert steps_shown(tmp_path / "no") == {"images": {"img": [0]}, "scalars": {"loss": [0]}}


def test_thinned(tmp_path: Path) -> None:
    """Metadata are on the first value of a tag; TensorBoard shows nothing without them."""
    logs = media(tmp_path / "logs")
    edit(logs, tmp_path / "out", every=4, last=2, drop_kinds="hparams")
    assert steps_shown(tmp_path / "out") == {
        "scalars": {"loss": [0, 4, 8]},
        "images": {"img": [4, 8]},
        "text": {"note": [4, 8]},
        "histograms": {"h": [4, 8]},
    }
    [file] = edit(logs, tmp_path / "last", last=0, drop_kinds="hparams").files
    assert (file.kept, file.dropped) == (10, 32)
    assert list(steps_shown(tmp_path / "last")) == ["scalars"]


def test_metadata_go_to_the_first_value_that_stays(tmp_path: Path) -> None:
    """By hand: of four values only the first has metadata, and the others get none but the next."""
    values = [raw_tensor_value(step) for step in range(4)]
    values[0].metadata.CopyFrom(scalar.metadata("shown", "described"))
    events = [
        Event(step=step, summary={"value": [value]}).SerializeToString()
        for step, value in enumerate(values)
    ]
    write(tmp_path / "logs" / NAME, VERSION, *events[:2])
    write(tmp_path / "logs" / f"{NAME}.2", VERSION, *events[2:])
    edit(tmp_path / "logs", tmp_path / "out", drop_steps=0)
    [_, first] = payloads(tmp_path / "out" / NAME)
    expected = Event.FromString(events[1])
    expected.summary.value[0].metadata.CopyFrom(values[0].metadata)
    assert Event.FromString(first) == expected
    assert payloads(tmp_path / "out" / f"{NAME}.2") == [VERSION, *events[2:]]  # as it was

    report = edit(tmp_path / "logs", tmp_path / "late", steps=slice(2, None))
    assert outcomes(report, tmp_path / "logs") == {NAME: "dropped", f"{NAME}.2": "edited"}
    [_, first, second] = payloads(tmp_path / "late" / f"{NAME}.2")
    assert Event.FromString(first).summary.value[0].metadata == values[0].metadata
    assert second == events[3]


def raw_tensor_value(step: int) -> Summary.Value:
    return scalar.encode("loss", step, as_tensor=True)


def test_lttb_on_a_known_curve() -> None:
    """The corners of a polyline, which any triangle finds."""
    x = np.arange(101)
    y = np.interp(x, [0, 30, 70, 100], [0, 9, -5, 0])
    mask = thinning.lttb(x, y, 5)
    assert mask.sum() == 5
    assert mask[[0, 30, 70, 100]].all()


def lttb_plainly(x: list[float], y: list[float], k: int) -> list[int]:
    """The algorithm as its author's thesis has it (section 4.2), point by point."""
    n = len(x)
    edges = [int(e) for e in np.linspace(1, n - 1, k - 1)]
    kept = [0]
    for i in range(k - 2):
        after = range(edges[i + 1], edges[i + 2]) if i + 2 < len(edges) else range(n - 1, n)
        cx = sum(x[j] for j in after) / len(after)
        cy = sum(y[j] for j in after) / len(after)
        a = kept[-1]

        def area(j: int, a: int = a, cx: float = cx, cy: float = cy) -> float:
            return abs((x[a] - cx) * (y[j] - y[a]) - (x[a] - x[j]) * (cy - y[a])) / 2

        kept.append(max(range(edges[i], edges[i + 1]), key=area))
    return [*kept, n - 1]


def test_lttb_against_the_plain_algorithm() -> None:
    random = np.random.default_rng(7)
    for count, most in [(50, 10), (200, 33), (1000, 3), (12, 11)]:
        x = np.cumsum(random.integers(1, 9, count))
        y = random.normal(size=count)
        found = np.flatnonzero(thinning.lttb(x, y, most)).tolist()
        assert found == lttb_plainly(x.tolist(), y.tolist(), most)


def test_lttb_takes_what_is_not_finite() -> None:
    y = np.full(40, np.nan)
    y[7] = np.inf
    assert thinning.lttb(np.arange(40), y, 6).sum() == 6
    assert thinning.lttb([], [], 2).sum() == 0
    assert thinning.lttb([1, 2], [1, 2], 2).tolist() == [True, True]


def test_lttb_of_a_log(tmp_path: Path) -> None:
    values = np.sin(np.arange(300) / 20).astype(np.float32)
    write(
        tmp_path / "logs" / NAME,
        VERSION,
        *(point(step, "loss", value=float(value)) for step, value in enumerate(values)),
    )
    edit(tmp_path / "logs", tmp_path / "out", lttb=20)
    expected = np.flatnonzero(thinning.lttb(np.arange(300), values, 20)).tolist()
    assert steps_in(tmp_path / "out") == {"loss": expected}
    assert payloads(tmp_path / "out" / NAME)[1:] == [
        point(s, "loss", value=float(values[s])) for s in expected
    ]


# ------------------------------------------------------------------ restarts, merging, splitting


def session(step: int) -> bytes:
    log = SessionLog(status=SessionLog.START)
    return Event(step=step, wall_time=150.0, session_log=log).SerializeToString()


def test_resumed_runs_become_one(tmp_path: Path) -> None:
    """Lightning's version_N of one training: "version_10" began last, whatever its name says."""
    logs = tmp_path / "logs"
    for run, began, steps in (("version_9", 0, range(6)), ("version_10", 1000, range(4, 8))):
        late = [
            Event(
                step=s, wall_time=began + s, summary={"value": [scalar.encode("loss", began + s)]}
            )
            for s in steps
        ]
        version = Event(wall_time=began, file_version="brain.Event:2")
        write(logs / run / NAME, *(event.SerializeToString() for event in (version, *late)))
    arguments: dict[str, Any] = {
        "rename_runs": [(re.compile(r"version_\d+"), "run")],
        "merge": True,
    }
    edit(logs, tmp_path / "all", **arguments)
    [file] = (tmp_path / "all" / "run").iterdir()
    assert payloads(file) == [
        *payloads(logs / "version_9" / NAME),
        *payloads(logs / "version_10" / NAME)[1:],  # the file has its version already
    ]
    edit(logs, tmp_path / "out", restarts="rustboard", **arguments)
    [points] = by_event_accumulator(tmp_path / "out" / "run")["scalars"].values()
    assert [(one.step, one.value) for one in points] == [
        *((step, float(step)) for step in range(4)),
        *((step, 1000.0 + step) for step in range(4, 8)),
    ]
    # Without merging, two files of one folder, neither of which takes the other's place.
    edit(logs, tmp_path / "two", rename_runs=arguments["rename_runs"])
    assert steps_in(tmp_path / "two" / "run") == {"loss": [0, 1, 2, 3, 4, 5, 4, 5, 6, 7]}


@pytest.mark.parametrize("rule", ["keep", "session", "tensorboard", "rustboard"])
def test_superseded_points_go_as_the_readers_leave_them_out(tmp_path: Path, rule: Any) -> None:
    write(
        tmp_path / "logs/run" / NAME,
        VERSION,
        session(0),
        *(point(step, "loss", "acc") for step in range(6)),
        session(4),
        *(point(step, "loss") for step in range(3, 9)),
        session(7),
    )
    edit(tmp_path / "logs", tmp_path / "out", restarts=rule)
    expected = logdir.open_logdir(tmp_path / "logs", restarts=rule)["run"].scalars
    found = steps_in(tmp_path / "out/run")
    assert found == {tag: series.steps.tolist() for tag, series in expected.items()}
    if rule == "tensorboard":
        shown = by_plugin_accumulator(tmp_path / "logs")["run"]["scalars"]
        assert found == {tag: [one.step for one in points] for tag, points in shown.items()}


def test_split_by_kind(tmp_path: Path) -> None:
    logs = media(tmp_path / "logs")
    (logs / "run" / "notes.txt").write_text("hello")
    report = edit(logs, tmp_path / "out", split=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "files",
        "histograms",
        "hparams",
        "images",
        "scalars",
        "texts",
    ]
    assert (tmp_path / "out/files/run/notes.txt").read_text() == "hello"
    assert list(steps_shown(tmp_path / "out/images")) == ["images"]
    assert steps_shown(tmp_path / "out/scalars") == {"scalars": {"loss": list(range(10))}}
    [events] = [file for file in report.files if file.events]
    assert len(events.targets) == 5


def test_steps_and_times_are_moved(tmp_path: Path) -> None:
    start = Event(wall_time=90.0, summary={"value": [hparams.encode_start({"lr": 0.1})]})
    write(
        tmp_path / "logs" / NAME,
        VERSION,
        session((1 << 63) - 1),
        start.SerializeToString(),
        *(point(step, "loss") for step in (0, 10, 20)),
        session(20),
    )
    edit(tmp_path / "logs", tmp_path / "out", scale_steps=0.1, shift_steps=100, shift_times=-1.5)
    events = events_in(tmp_path / "out" / NAME)
    assert [event.step for event in events] == [
        0,
        round((1 << 63) / 10) + 100,
        0,
        100,
        101,
        102,
        102,
    ]
    assert [event.wall_time for event in events] == [97.5, 148.5, 88.5, 98.5, 108.5, 118.5, 148.5]
    edit(tmp_path / "logs", tmp_path / "far", shift_steps=5)
    assert events_in(tmp_path / "far" / NAME)[1].step == (1 << 63) - 1  # which no run reaches


@pytest.mark.parametrize(
    ("compression", "undo"), [("gzip", gzip.decompress), ("zlib", zlib.decompress)]
)
def test_compressed_and_back(
    logs: Path, tmp_path: Path, compression: Any, undo: Callable[[bytes], bytes]
) -> None:
    edit(logs, tmp_path / "small", compression=compression)
    data = (tmp_path / "small/a" / NAME).read_bytes()
    assert undo(data) == (logs / "a" / NAME).read_bytes()
    edit(tmp_path / "small", tmp_path / "out")
    assert tree(tmp_path / "out") == tree(logs)


# ------------------------------------------------------------------ damage and odd folders


def test_damage_stays_behind(logs: Path, tmp_path: Path) -> None:
    file = logs / "a" / NAME
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data + encode_record(b"\xff\xff")[:9])
    write(logs / "c" / NAME, b"\xff\xff")
    report = edit(logs, tmp_path / "out", rename_tags={"loss": "l"})
    assert not report.complete
    edited = {os.path.relpath(one.path, logs): one for one in report.files}
    assert [finding.kind for finding in edited[f"a/{NAME}"].findings] == ["payload", "truncated"]
    assert edited[f"c/{NAME}"].outcome == "left"
    assert not (tmp_path / "out/c").exists()
    assert len(steps_in(tmp_path / "out/a")["l"]) == 5


def test_every_damaged_file_of_the_corpus(corpus: Path, tmp_path: Path) -> None:
    """What is sound goes along, as `tbio.repair` has it."""
    edit(corpus / "damaged", tmp_path / "edited")
    repair(corpus / "damaged", tmp_path / "repaired")
    edited, repaired = tree(tmp_path / "edited"), tree(tmp_path / "repaired")
    assert len(repaired) > 50
    assert edited == repaired


def test_links(logs: Path, tmp_path: Path) -> None:
    (logs / "latest").symlink_to("a")
    (logs / "away").symlink_to(tmp_path)
    report = edit(logs, tmp_path / "out", rename_runs={"a": "deep/x"})
    assert os.readlink(tmp_path / "out" / "latest") == os.path.join("deep", "x")
    found = outcomes(report, logs)
    assert (found["latest"], found["away"]) == ("linked", "left")
    assert not report.complete


def test_runs_dropped(logs: Path, tmp_path: Path) -> None:
    report = edit(logs, tmp_path / "out", drop_runs="a")
    assert sorted(tree(tmp_path / "out")) == [f"b/{NAME}", "notes.txt"]
    assert outcomes(report, logs)["a/plugins/x/asset.bin"] == "dropped"
    edit(logs, tmp_path / "only", runs=re.compile("^b$"))
    assert tree(tmp_path / "only") == tree(tmp_path / "out")


def test_names_that_would_lead_out_of_the_folder(tmp_path: Path) -> None:
    tag = "../../etc/passwd"
    write(tmp_path / "logs/run" / NAME, VERSION, point(1, tag))
    edit(tmp_path / "logs", tmp_path / "out", split=True)
    assert sorted(tree(tmp_path / "out")) == [f"scalars/run/{NAME}"]


# ------------------------------------------------------------------ in place


def test_in_place_keeps_the_originals(logs: Path) -> None:
    before = tree(logs)
    os.utime(logs / "a" / NAME, (1e9, 1e9))
    report = edit(logs, in_place=True, drop_tags="acc", rename_tags={"acc": "x"})
    kept = NAME.replace("tfevents", "edited-0")
    after = tree(logs)
    assert after.pop(f"a/{kept}") == before[f"a/{NAME}"]
    changed = {name for name in after if after[name] != before[name]}
    assert (changed, set(after)) == ({f"a/{NAME}"}, set(before))
    assert (logs / "a" / NAME).stat().st_mtime == 1e9
    assert steps_in(logs / "a") == {"loss": [0, 1, 2, 3, 4, 5]}
    edited = {os.path.relpath(one.path, logs): one for one in report.files}
    assert edited[f"a/{NAME}"] == FileEdit(
        str(logs / "a" / NAME),
        "edited",
        (str(logs / "a" / NAME),),
        events=7,
        edited=6,
        kept=6,
        dropped=6,
        backup=str(logs / "a" / kept),
    )
    assert edited[f"b/{NAME}"].outcome == "same"


def test_in_place_a_run_that_is_dropped_is_a_backup(logs: Path) -> None:
    before = (logs / "a" / NAME).read_bytes()
    edit(logs, in_place=True, drop_runs="a")
    assert not (logs / "a" / NAME).exists()
    assert (logs / "a" / NAME.replace("tfevents", "edited-0")).read_bytes() == before
    assert list(logdir.open_logdir(logs)) == ["b"]


def test_in_place_nothing_changes_before_all_is_written(logs: Path) -> None:
    before = tree(logs)
    huge = point((1 << 62) + 1, "loss")
    write(logs / "z" / NAME, VERSION, huge)
    with pytest.raises(ValueError, match="beyond int64"):
        edit(logs, in_place=True, scale_steps=2)
    after = tree(logs)
    del after[f"z/{NAME}"]
    assert after == before


def test_in_place_leaves_what_is_being_written(tmp_path: Path) -> None:
    with EventFileWriter(tmp_path / "run") as writer:
        writer.add_event(Event.FromString(point(1, "loss")))
        report = edit(tmp_path, in_place=True, rename_tags={"loss": "x"})
        [file] = report.files
        if file.outcome == "edited":
            pytest.skip("this system cannot tell of writers")
        assert (file.outcome, file.why) == ("left", "it is being written")
        writer.add_event(Event.FromString(point(2, "loss")))
    assert steps_in(tmp_path / "run") == {"loss": [1, 2]}


@pytest.mark.parametrize(
    "arguments", [{"rename_runs": {"a": "b"}}, {"merge": True}, {"split": True}]
)
def test_in_place_runs_stay_where_they_are(logs: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs a destination"):
        edit(logs, in_place=True, **arguments)


def test_what_is_appended_meanwhile_is_not_seen(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two readings a live run goes on."""
    made = Folder.make

    def grow(folder: Any) -> None:
        with open(logs / "a" / NAME, "ab") as file:
            file.write(encode_record(point(6, "loss", "acc")))
        made(folder)

    monkeypatch.setattr(Folder, "make", grow)
    edit(logs, tmp_path / "out", every=2)
    assert steps_in(tmp_path / "out/a") == {"loss": [0, 2, 4], "acc": [0, 2, 4]}


# ------------------------------------------------------------------ many at once, and one by one

REQUESTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "steps": {"steps": slice(1, None, 2)},
    "thinned": {"every": 3, "last": 1},
    "lttb": {"lttb": 4},
    "session": {"restarts": "session"},
    "tensorboard": {"restarts": "tensorboard"},
    "rustboard": {"restarts": "rustboard", "merge": True},
    "renamed": {"rename_tags": [(re.compile("[ab]"), "x")], "drop_steps": 0},
    "moved": {"shift_steps": 3, "scale_steps": 2},
    "split": {"split": True, "every": 2, "drop_kinds": "texts"},
}


def by_lane(monkeypatch: pytest.MonkeyPatch, few: int, source: Path, out: Path, name: str) -> Any:
    monkeypatch.setattr("tbio.edits.job.BatchLane", lambda: BatchLane(few=few))
    report = edit(source, out, **REQUESTS[name])
    return tree(out), [replace(file, targets=()) for file in report.files], report.remarks


@pytest.mark.parametrize("name", ["thinned", "rustboard", "split"])
def test_batches_give_what_single_events_give(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    single = by_lane(monkeypatch, 1 << 40, corpus / "peers", tmp_path / "single", name)
    assert by_lane(monkeypatch, 1, corpus / "peers", tmp_path / "many", name) == single


@pytest.mark.parametrize("name", list(REQUESTS))
def test_batches_of_a_log_of_all_sorts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    random = np.random.default_rng(3)
    written = []
    for at in range(400):
        step = int(random.integers(0, 50)) if at % 17 == 0 else at // 4
        tags = [str(tag) for tag in random.choice(["a", "b", "c", "a/b"], random.integers(1, 4))]
        event = Event.FromString(point(step, *tags))
        if at % 9 == 0:
            value = scalar.encode("c", 0.25, as_tensor=True)
            value.metadata.CopyFrom(scalar.metadata("shown"))
            event.summary.value.insert(0, value)
        if at % 23 == 0:
            event.summary.value.append(text.encode("t", text.prepare("words")))
            event.summary.value[-1].metadata.CopyFrom(text.metadata())
        written.append(event.SerializeToString())
        if at % 111 == 0:
            written.append(session(step))
    write(tmp_path / "logs" / NAME, VERSION, *written[:250])
    write(tmp_path / "logs" / f"{NAME}.2", *written[250:])
    single = by_lane(monkeypatch, 1 << 40, tmp_path / "logs", tmp_path / "single", name)
    assert by_lane(monkeypatch, 1, tmp_path / "logs", tmp_path / "many", name) == single
