"""Runs: every kind by its name, lazily, under the rules."""

from __future__ import annotations

import builtins
import copy
import gzip
import math
import os
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tbio
from tbio import DamageError, DecodeError, SummaryWriter, TagNotFoundError
from tbio.columns import LogLine, SessionEvent
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event, LogMessage, SessionLog
from tbio.proto.plugin_data_pb2 import MeshPluginData
from tbio.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tbio.record import encode_record
from tbio.run import _DECODERS, Hidden
from tbio.storage import LocalFile
from tbio.tensor import encode


def records(*events: Event) -> bytes:
    return b"".join(encode_record(event.SerializeToString()) for event in events)


def write(path: Path, *events: Event) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(records(*events))
    return path


def event(step: int, *values: Summary.Value, wall_time: float = 1.0) -> Event:
    return Event(wall_time=wall_time, step=step, summary=Summary(value=values))


def number(step: int, value: float, tag: str = "x", wall_time: float = 1.0) -> Event:
    return event(step, scalar.encode(tag, value), wall_time=wall_time)


def tensor_value(tag: str, array: Any, plugin: str | None = None) -> Summary.Value:
    value = Summary.Value(tag=tag, tensor=encode(np.asarray(array)))
    if plugin is not None:
        value.metadata.plugin_data.plugin_name = plugin
    return value


def start(step: int, wall_time: float = 1.0) -> Event:
    return Event(wall_time=wall_time, step=step, session_log=SessionLog(status=SessionLog.START))


def scalars(logs: Any, tag: str = "x") -> list[tuple[int, float]]:
    series = logs["."].scalars[tag]
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


# ------------------------------------------------------------------ every kind


def test_what_the_writer_wrote(tmp_path: Path) -> None:
    photo = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    wave = np.array([[0.0, 0.5, -1.0, 0.25]], np.float32)
    corners = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    with SummaryWriter(tmp_path) as writer:
        for step in (1, 2):
            writer.add_scalar("loss", step / 2, step)
            writer.add_histogram("weights", np.array([0.0, 1, 2, 3]) * step, step, bins=[0, 2, 6])
            writer.add_image("photo", photo + step, step, dataformats="HWC")
            writer.add_audio("sound", wave, step, sample_rate=8000)
            writer.add_text("note", f"step *{step}*", step)
            writer.add_tensor("raw", np.full((2, 3), step, np.int16), step)
            writer.add_mesh("solid", corners, faces=np.array([[[0, 1, 2]]]), global_step=step)
            writer.add_pr_curve("pr", np.array([0, 1]), np.array([0.2, 0.8]), step, 3)
        writer.add_custom_scalars({"all": {"losses": ["Multiline", ["loss"]]}})
        writer.add_embedding(np.eye(3), metadata=["a", "b", "c"], tag="words")
        writer.set_hparams({"lr": 0.5, "deep": True, "name": "adam"})
    run = tbio.open(tmp_path)["."]
    assert run.scalars["loss"].values.tolist() == [0.5, 1.0]
    assert run.histograms["weights"].steps.tolist() == [1, 2]
    histogram = run.histograms["weights"][1]
    assert (histogram.min, histogram.max, histogram.count) == (0, 6, 4)
    assert histogram.counts.tolist() == [1, 3]
    np.testing.assert_array_equal(run.images["photo"][1].to_array(), photo + 2)
    assert len(run.images["photo"].samples(0)) == 1
    sound = run.audio["sound"][0]
    assert (sound.sample_rate, sound.channels, sound.frames) == (8000, 1, 4)
    np.testing.assert_allclose(sound.to_array()[:, 0], wave[0], atol=1 / 32767)
    assert list(run.texts["note"]) == ["step *1*", "step *2*"]
    assert run.tensors["raw"][1].dtype == np.int16
    assert run.tensors["raw"][1].tolist() == [[2, 2, 2], [2, 2, 2]]
    mesh = run.meshes["solid"][1]
    np.testing.assert_array_equal(mesh.vertices, corners)
    assert mesh.faces is not None
    assert mesh.faces.tolist() == [[[0, 1, 2]]]
    assert mesh.colors is None
    curve = run.pr_curves["pr"][0]
    assert curve.thresholds.tolist() == [0, 0.5, 1]
    assert curve.true_positives.tolist() == [1, 1, 0]
    assert run.layout is not None
    assert run.layout.to_dict() == {"all": {"losses": ["Multiline", ["loss"]]}}
    (words,) = run.embeddings.values()
    np.testing.assert_array_equal(words.tensor, np.eye(3))
    assert list(words.labels) == ["a", "b", "c"]
    assert run.hparams is not None
    assert run.hparams.values == {"lr": 0.5, "deep": True, "name": "adam"}
    assert run.hparams.status == "success"
    assert run.graph is None
    assert run.report.complete
    with pytest.raises(TagNotFoundError, match="nearest: 'photo'"):
        run.images["foto"]


def test_the_raw_form_and_the_migrated_one(tmp_path: Path) -> None:
    histo = HistogramProto(min=0.1, max=0.7, num=3, bucket_limit=[0.0, 0.5, 1.0, 2.0])
    histo.bucket.extend([0, 1, 2, 0])
    write(tmp_path / "a.tfevents", event(4, Summary.Value(tag="h", histo=histo)))
    series = tbio.open(tmp_path)["."].histograms["h"]
    assert series.raw(0).histo == histo
    assert series.event(0).step == 4
    # Ends without counts go, and the outer edges are the least and the greatest value.
    np.testing.assert_array_equal(
        series.tensor(0), np.array([[0.1, 0.5, 1], [0.5, 0.7, 2]], np.float32)
    )
    assert series[0].lefts.tolist() == [0.1, 0.5]


def test_what_stands_beside_summaries(tmp_path: Path) -> None:
    line = LogMessage(level=LogMessage.WARN, message="hot")
    stop = SessionLog(status=SessionLog.CHECKPOINT, checkpoint_path="model-7", msg="saved")
    write(
        tmp_path / "a.tfevents",
        Event(wall_time=5, file_version="brain.Event:2"),
        Event(wall_time=6, step=1, log_message=line),
        Event(wall_time=4, step=7, session_log=stop),
    )
    run = tbio.open(tmp_path)["."]
    assert run.log_lines == [LogLine(1, 6.0, "WARN", "hot")]
    assert run.session_events == [SessionEvent(7, 4.0, "CHECKPOINT", "model-7", "saved")]
    assert (run.first_time, run.last_time) == (5.0, 6.0)
    assert run.tags == {}
    assert run.hparams is None
    assert run.layout is None


def test_times_of_a_run_without_events(tmp_path: Path) -> None:
    run = tbio.open(write(tmp_path / "a.tfevents"))["."]
    assert math.isnan(run.first_time)
    assert math.isnan(run.last_time)


def test_meshes_are_joined_by_step(tmp_path: Path) -> None:
    def part(tag: str, array: Any) -> Summary.Value:
        return tensor_value(tag, array, "mesh")

    def corners(number: int) -> Any:
        return np.full((1, 3, 3), number, np.float32)

    write(
        tmp_path / "a.tfevents",
        event(1, part("m_VERTEX", corners(1))),
        event(2, part("m_VERTEX", corners(2)), part("m_COLOR", np.full((1, 3, 3), 9, np.uint8))),
        event(1, part("m_COLOR", np.full((1, 3, 3), 7, np.uint8))),
        event(3, part("m_VERTEX", corners(3))),
        event(5, part("lonely_FACE", np.zeros((1, 1, 3), np.int32))),
    )
    run = tbio.open(tmp_path)["."]
    assert list(run.meshes) == ["m"]
    assert run.tags == {"meshes": ["lonely_FACE", "m_COLOR", "m_VERTEX"]}
    series = run.meshes["m"]
    colors = [None if mesh.colors is None else int(mesh.colors[0, 0, 0]) for mesh in series]
    assert colors == [7, 9, None]
    assert series[1:][0].vertices[0, 0, 0] == 2
    assert len(run.series("meshes", "lonely_FACE")) == 1


def test_meshes_of_one_name_in_two_scopes(tmp_path: Path) -> None:
    """Keras and TF 2 put the scope into the tag, and not into the name."""

    def part(scope: str, number: int) -> Summary.Value:
        value = tensor_value(f"{scope}m_VERTEX", np.full((1, 3, 3), number, np.float32), "mesh")
        value.metadata.plugin_data.content = MeshPluginData(
            name="m", content_type=MeshPluginData.VERTEX
        ).SerializeToString()
        return value

    write(tmp_path / "a.tfevents", event(0, part("a/", 1), part("b/", 2)))
    meshes = tbio.open(tmp_path)["."].meshes
    assert {name: one[0].vertices[0, 0, 0] for name, one in meshes.items()} == {"a/m": 1, "b/m": 2}
    write(tmp_path / "a.tfevents", event(0, part("a/", 1)))
    assert list(tbio.open(tmp_path)["."].meshes) == ["m"]


def test_the_newest_layout_counts(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with SummaryWriter(tmp_path, filename_suffix=name) as writer:
            writer.add_custom_scalars({name: {"chart": ["Multiline", ["x"]]}})
    logs = tbio.open(tmp_path)
    layout = logs["."].layout
    assert layout is not None
    assert list(layout.to_dict()) == ["two"]
    assert list(logs.layout().to_dict()) == ["two"]


# ------------------------------------------------------------------ on access


def test_nothing_is_decoded_before_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(5):
            writer.add_image("photo", np.zeros((3, 8, 8)), step)
            writer.add_scalar("loss", step, step)
    decoded: list[Event] = []
    decode = _DECODERS["images"]

    def counting(event: Event, index: int, metadata: SummaryMetadata) -> Any:
        decoded.append(event)
        return decode(event, index, metadata)

    monkeypatch.setitem(_DECODERS, "images", counting)
    run = tbio.open(tmp_path)["."]
    photos = run.images["photo"]
    assert photos.steps.tolist() == list(range(5))
    assert len(photos[photos.steps > 2]) == 2
    assert run.scalars["loss"].values.tolist() == list(range(5))
    assert not decoded
    assert photos[-1].width == 8
    assert len(decoded) == 1


def test_300_runs_open_without_a_file_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(300):
        write(tmp_path / f"seed{at}" / "events.out.tfevents.1", number(0, at))

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError(f"opened {arguments}")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFile, "open", refuse)
        patch.setattr(builtins, "open", refuse)
        patch.setattr(os, "open", refuse)
        logs = tbio.open(tmp_path)
        assert len(logs) == 300
        run = logs["seed7"]
    assert run.scalars["x"].values.tolist() == [7]


def test_iteration_opens_a_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("1", "2"):
        write(
            tmp_path / f"{name}.tfevents",
            *(event(step, tensor_value("t", [name], "mine")) for step in range(4)),
        )
    series = tbio.open(tmp_path)["."].tensors["t"]
    opened: list[str] = []
    original = LocalFile.open

    def counting(self: LocalFile) -> Any:
        opened.append(self.name)
        return original(self)

    monkeypatch.setattr(LocalFile, "open", counting)
    assert [array.item() for array in series] == [b"1"] * 4 + [b"2"] * 4
    assert len(opened) == 2


@pytest.mark.parametrize("backwards", [False, True])
def test_values_of_a_compressed_file(tmp_path: Path, backwards: bool) -> None:
    events = [event(step, tensor_value("t", [str(step)], "mine")) for step in range(50)]
    (tmp_path / "a.tfevents").write_bytes(gzip.compress(records(*events)))
    series = tbio.open(tmp_path)["."].tensors["t"]
    order = list(range(50))[:: -1 if backwards else 1]
    assert [array.item() for array in series[np.array(order)]] == [str(at).encode() for at in order]


@pytest.mark.parametrize("how", ["shorter", "other bytes", "other event"])
def test_a_file_that_was_written_anew_is_told_of(tmp_path: Path, how: str) -> None:
    path = write(tmp_path / "a.tfevents", event(3, tensor_value("t", [1.0], "mine")))
    series = tbio.open(tmp_path)["."].tensors["t"]
    assert series[0].tolist() == [1.0]
    data = path.read_bytes()
    changed = {
        "shorter": data[:-1],
        "other bytes": data[:-6] + b"?" + data[-5:],
        "other event": records(event(4, tensor_value("t", [1.0], "mine"))),
    }
    path.write_bytes(changed[how])
    with pytest.raises(DamageError, match="written anew") as caught:
        series[0]
    assert (caught.value.path, caught.value.offset) == (str(path), 0)


def test_a_value_that_contradicts_its_plugin_says_where(tmp_path: Path) -> None:
    write(tmp_path / "a.tfevents", event(3, tensor_value("h", np.zeros(5), "histograms")))
    series = tbio.open(tmp_path)["."].histograms["h"]
    with pytest.raises(DecodeError, match=r"run '\.', tag 'h', step 3") as caught:
        series[0]
    assert caught.value.step == 3
    assert series.raw(0).tag == "h"
    assert series.tensor(0).shape == (5,)


# ------------------------------------------------------------------ whose plugin


def test_a_number_is_what_another_file_says_of_its_tag(tmp_path: Path) -> None:
    """Without metadata a number is a scalar, but not where the run knows better."""
    write(tmp_path / "1.tfevents", event(0, tensor_value("x", np.float32(1))))
    write(tmp_path / "2.tfevents", event(1, tensor_value("x", np.float32(2), "mine")))
    run = tbio.open(tmp_path)["."]
    assert run.tags == {"tensors": ["x"]}
    assert [array.item() for array in run.tensors["x"]] == [1, 2]
    write(tmp_path / "2.tfevents", event(1, tensor_value("x", np.float32(2), "scalars")))
    assert scalars(tbio.open(tmp_path)) == [(0, 1), (1, 2)]


def test_metadata_after_values_without(tmp_path: Path) -> None:
    write(
        tmp_path / "1.tfevents",
        event(0, tensor_value("t", [1.0])),
        start(2),
        event(1, tensor_value("t", [2.0], "mine")),
        event(2, tensor_value("t", [3.0])),
    )
    run = tbio.open(tmp_path, restarts="keep")["."]
    assert run.tags == {"tensors": ["t"]}
    assert [array.item() for array in run.tensors["t"]] == [1, 2, 3]
    assert run.tensors["t"].steps.tolist() == [0, 1, 2]


def test_hparams_come_with_whatever_is_selected(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.set_hparams({"lr": 0.5})
        writer.add_scalar("acc", 1.0, 0)
    run = tbio.open(tmp_path, tags="acc", kinds="scalars")["."]
    assert run.tags == {"scalars": ["acc"]}
    assert run.hparams is not None
    assert run.hparams.values == {"lr": 0.5}


# ------------------------------------------------------------------ rules


def test_what_a_rule_hides_is_counted_and_shown_by_another(tmp_path: Path) -> None:
    write(
        tmp_path / "a.tfevents",
        *(number(step, step) for step in range(4)),
        event(3, tensor_value("t", [1.0], "mine")),
        start(2),
        number(2, 20),
        number(2, 21),
    )
    logs = tbio.open(tmp_path, duplicates="last")
    assert scalars(logs) == [(0, 0), (1, 1), (2, 21)]
    assert logs["."].tensors["t"].steps.tolist() == []
    report = logs["."].report
    assert report.hidden == {
        ("scalars", "x"): Hidden(restarted=2, duplicates=1),
        ("tensors", "t"): Hidden(restarted=1, duplicates=0),
    }
    assert (report.restarted, report.duplicates, report.superseded) == (3, 1, 3)
    every = logs.with_rules(restarts="keep", duplicates="keep")
    assert [step for step, _ in scalars(every)] == [0, 1, 2, 3, 2, 2]
    assert every["."].report.hidden == {}
    assert every["."].report.superseded == 3
    assert len(every["."].tensors["t"]) == 1


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("first", [0, 1]), ("last", [2, 1]), ("mean", [0, 2, 1]), ("keep", [0, 2, 1])],
)
def test_duplicates_of_other_kinds(tmp_path: Path, rule: Any, expected: list[int]) -> None:
    """There is no mean of tensors: all are kept then."""
    values = [(5, 0), (5, 2), (6, 1)]
    write(
        tmp_path / "a.tfevents",
        *(event(step, tensor_value("t", [value], "mine")) for step, value in values),
    )
    series = tbio.open(tmp_path, duplicates=rule)["."].tensors["t"]
    assert [array.item() for array in series] == expected


def test_files_in_order_of_time(tmp_path: Path) -> None:
    """Names do not sort by time: 1000 comes before 999."""
    write(tmp_path / "e.tfevents.1000", number(2, 2, wall_time=1000), number(3, 3, wall_time=1001))
    write(tmp_path / "e.tfevents.999", number(0, 0, wall_time=999), number(1, 1, wall_time=999.5))
    assert [step for step, _ in scalars(tbio.open(tmp_path))] == [2, 3, 0, 1]
    assert [step for step, _ in scalars(tbio.open(tmp_path, order="time"))] == [0, 1, 2, 3]


def test_writers_of_one_time_are_merged(tmp_path: Path) -> None:
    """By time, but never against the order within a file."""
    write(
        tmp_path / "1.tfevents",
        number(0, 10, wall_time=1),
        number(2, 12, wall_time=5),
        number(3, 13, wall_time=4),  # a clock that was set back
        number(4, 14, wall_time=8),
    )
    write(tmp_path / "2.tfevents", number(0, 20, wall_time=3), number(1, 21, wall_time=6))
    got = [value for _, value in scalars(tbio.open(tmp_path, order="time"))]
    assert got == [10, 20, 12, 13, 21, 14]


def test_a_session_start_in_order_of_time(tmp_path: Path) -> None:
    """It discards what came before it by the clock, whatever the name of its file."""
    write(
        tmp_path / "1.tfevents",
        start(1, wall_time=10),
        number(1, 101, wall_time=3),  # after the start, although its clock says otherwise
        number(2, 102, wall_time=12),
    )
    write(
        tmp_path / "2.tfevents",
        *(number(step, step, wall_time=step) for step in range(4)),
        number(9, 9, wall_time=11),
    )
    got = scalars(tbio.open(tmp_path, order="time"))
    assert got == [(0, 0), (1, 101), (9, 9), (2, 102)]
    # By name, the start stands before everything.
    assert len(scalars(tbio.open(tmp_path))) == 7


def test_emulations_are_of_tensorboards_order(tmp_path: Path) -> None:
    write(tmp_path / "a.tfevents", number(0, 0))
    with pytest.raises(ValueError, match="in the order of their names"):
        tbio.open(tmp_path, restarts="rustboard", order="time")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("keep", [0, 1, 2, 1, 3]),
        ("session", [0, 1, 2, 1, 3]),
        ("tensorboard", [0, 1, 3]),  # no file_version: the step that goes back is a restart
        ("rustboard", [0, 1, 3]),
    ],
)
def test_a_step_that_goes_back_without_a_version(
    tmp_path: Path, rule: Any, expected: list[int]
) -> None:
    write(tmp_path / "a.tfevents", *(number(step, 0) for step in (0, 1, 2, 1, 3)))
    assert [step for step, _ in scalars(tbio.open(tmp_path, restarts=rule))] == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("session", [1, 2, 3]), ("tensorboard", [1, 2, 5, 3]), ("rustboard", [1, 2, 3])],
)
def test_the_first_start_of_a_run(tmp_path: Path, rule: Any, expected: list[int]) -> None:
    """TensorBoard takes it for the beginning of the run, whatever came before."""
    version = Event(wall_time=1, file_version="brain.Event:2")
    steps = [number(step, 0) for step in (1, 2, 5)]
    write(tmp_path / "a.tfevents", version, *steps, start(3), number(3, 0))
    assert [step for step, _ in scalars(tbio.open(tmp_path, restarts=rule))] == expected


# ------------------------------------------------------------------ steps


@pytest.mark.parametrize("rule", ["keep", "session", "tensorboard", "rustboard"])
@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (None, [-2, 0, 3, 4, 9]),
        (3, [3]),
        (slice(0, 9), [0, 3, 4]),
        (slice(None, 4), [-2, 0, 3]),
        (slice(None, None, 3), [0, 3, 9]),
        (slice(1, None, 3), [4]),
        (range(-2, 10, 2), [-2, 0, 4]),
    ],
)
def test_steps(tmp_path: Path, rule: Any, steps: Any, expected: list[int]) -> None:
    write(
        tmp_path / "a.tfevents",
        *(
            event(step, scalar.encode("x", step), tensor_value("t", [step], "mine"))
            for step in (-2, 0, 3, 4, 9)
        ),
    )
    logs = tbio.open(tmp_path, steps=steps, restarts=rule)
    assert [step for step, _ in scalars(logs)] == expected
    assert logs["."].tensors["t"].steps.tolist() == expected
    (info, _) = logs.tags()
    assert info.count == len(expected)


@pytest.mark.parametrize("rule", ["session", "tensorboard", "rustboard"])
def test_points_that_are_not_asked_for_have_their_effect(tmp_path: Path, rule: Any) -> None:
    version = Event(wall_time=1, file_version="brain.Event:2")
    write(tmp_path / "1.tfevents", version, start(0), number(0, 0), number(5, 5))
    write(tmp_path / "2.tfevents", start(2), number(2, 2))
    assert scalars(tbio.open(tmp_path, steps=slice(3, None), restarts=rule)) == []


@pytest.mark.parametrize("steps", ["3", 1.5, True, slice("a", None), [1, 2]])
def test_no_steps(steps: Any) -> None:
    with pytest.raises(TypeError, match="steps: want an int, a range or a slice"):
        tbio.open(".", steps=steps)


@pytest.mark.parametrize("steps", [slice(None, None, 0), range(5, 0, -1)])
def test_no_stride(steps: Any) -> None:
    with pytest.raises(ValueError, match="want a stride of at least 1"):
        tbio.open(".", steps=steps)


# ------------------------------------------------------------------ the whole log


def test_embeddings_of_folders_without_events(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        writer.add_embedding(np.eye(2), tag="e")
    config = (tmp_path / "run" / "projector_config.pbtxt").read_text()
    (tmp_path / "projector_config.pbtxt").write_text(config.replace('path: "', 'path: "run/'))
    logs = tbio.open(tmp_path)
    assert {folder: len(found) for folder, found in logs.embeddings().items()} == {
        ".": 1,
        "run": 1,
    }
    (one,) = logs.embeddings()["."].values()
    assert one.tensor.tolist() == [[1, 0], [0, 1]]
    assert list(tbio.open(tmp_path, runs="run").embeddings()) == ["run"]


def test_assets(tmp_path: Path) -> None:
    write(tmp_path / "run" / "a.tfevents", number(0, 0))
    folder = tmp_path / "run" / "plugins" / "profile"
    folder.mkdir(parents=True)
    (folder / "trace.json").write_bytes(b"{}")
    assets = tbio.open(tmp_path)["run"].assets
    assert {plugin: list(files) for plugin, files in assets.items()} == {"profile": ["trace.json"]}
    assert assets["profile"]["trace.json"].read() == b"{}"


def test_tags_as_a_table(tmp_path: Path) -> None:
    write(tmp_path / "a.tfevents", number(2, 0), number(7, 1))
    table = tbio.open(tmp_path).tags()
    frame = table.to_pandas()
    assert frame.to_dict("records") == [
        {
            "run": ".",
            "kind": "scalars",
            "tag": "x",
            "plugin": "scalars",
            "count": 2,
            "first_step": 2,
            "last_step": 7,
        }
    ]
    assert table.to_arrow().num_rows == table.to_polars().height == 1
    assert frame["count"].dtype == np.int64


def test_metadata_is_the_first_of_the_run(tmp_path: Path) -> None:
    value = tensor_value("t", [1.0], "mine")
    value.metadata.display_name, value.metadata.summary_description = "T", "a *tensor*"
    again = tensor_value("t", [2.0], "mine")
    again.metadata.display_name = "other"
    write(tmp_path / "a.tfevents", event(0, value), event(1, again))
    series = tbio.open(tmp_path)["."].tensors["t"]
    assert (series.display_name, series.description) == ("T", "a *tensor*")
    assert isinstance(series.metadata, SummaryMetadata)
    assert series.metadata.plugin_data.plugin_name == "mine"


# ------------------------------------------------------------------ what a review found


def test_metadata_of_another_file_and_kinds_that_are_asked_for(tmp_path: Path) -> None:
    # Numbers without metadata look like scalars; another file says that they are none.
    write(tmp_path / "events.out.tfevents.1", event(1, tensor_value("c", np.float32(1), "custom")))
    write(tmp_path / "events.out.tfevents.2", event(2, tensor_value("c", np.float32(2))))
    for kinds in (None, "tensors"):
        run = tbio.open(tmp_path, kinds=kinds)["."]
        assert run.tags == {"tensors": ["c"]}
        assert list(run.tensors["c"]) == [1, 2]
    assert tbio.open(tmp_path, kinds="scalars")["."].tags == {}


def test_no_number_among_the_scalars_of_another_file(tmp_path: Path) -> None:
    write(tmp_path / "events.out.tfevents.1", event(1, tensor_value("c", np.float32(1), "scalars")))
    stray = event(2, tensor_value("c", np.array([2, 3], np.float32)))
    write(tmp_path / "events.out.tfevents.2", stray, event(3, tensor_value("c", np.float32(3))))
    logs = tbio.open(tmp_path)
    assert scalars(logs, "c") == [(1, 1.0), (3, 3.0)]
    assert len(logs.to_pandas()) == 2
    assert logs["."].tensors["c"].steps.tolist() == [2]
    (problem,) = logs["."].report.problems
    assert (problem.tag, problem.step, problem.offset) == ("c", 2, 0)
    assert not logs["."].report.complete


def test_a_file_written_anew_with_the_same_layout(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    write(path, event(1, tensor_value("t", "old", "text"), wall_time=1.0))
    old = tbio.open(tmp_path)["."].texts["t"]
    assert old[0] == "old"
    write(path, event(1, tensor_value("t", "new", "text"), wall_time=2.0))
    with pytest.raises(DamageError, match="written anew"):
        old[0]


def test_a_blob_without_a_wall_time(tmp_path: Path) -> None:
    value = tensor_value("t", "x", "text")
    write(tmp_path / "events.out.tfevents.1", event(1, value, wall_time=math.nan))
    assert list(tbio.open(tmp_path)["."].texts["t"]) == ["x"]


def test_several_threads_read_one_run(tmp_path: Path) -> None:
    write(tmp_path / "events.out.tfevents.1", *(number(step, step) for step in range(3000)))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        logs = tbio.open(tmp_path)
        together = threading.Barrier(4)

        def points(_: int) -> int:
            together.wait()
            return len(logs["."].scalars["x"])

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(points, range(4))) == [3000] * 4
    finally:
        sys.setswitchinterval(interval)
    assert logs["."].report.events == 3000


@pytest.mark.parametrize("again", [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy])
def test_logs_runs_and_series_can_be_copied(tmp_path: Path, again: Any) -> None:
    write(
        tmp_path / "events.out.tfevents.1",
        number(1, 0.5),
        event(1, tensor_value("t", "note", "text")),
        event(1, tensor_value("raw", [1.0, 2.0])),
    )
    logs = tbio.open(tmp_path)
    run = logs["."]
    assert list(again(run.texts["t"])) == ["note"]
    assert again(run.tensors["raw"])[0].tolist() == [1, 2]
    series = again(run.scalars["x"])
    assert series.values.tolist() == [0.5]
    for column in (series.steps, series.wall_times, series.values):
        assert not column.flags.writeable
    for copied in (again(logs)["."], again(run)):
        assert scalars({".": copied}) == [(1, 0.5)]
        assert copied.texts["t"][0] == "note"


def test_what_is_shown_is_never_long(tmp_path: Path) -> None:
    events = [number(1, 1.0, f"tag/{i}", wall_time=math.nan) for i in range(500)]
    write(tmp_path / "events.out.tfevents.1", *events, number(1, 1.0, "a" * 10_000))
    logs = tbio.open([tmp_path] * 100)
    (run,) = logs.values()
    assert "... (501 in all)" in repr(run.scalars)
    assert repr(run.report).endswith("1 files; 500 problems>")
    assert repr(logs.tags()).startswith("<TagTable: 501 tags>")
    for shown in (logs, run, run.scalars, run.scalars["a" * 10_000], run.report, logs.tags()):
        assert len(repr(shown)) < 6000


def test_a_log_with_more_problems_than_anybody_wants_to_hear_of(tmp_path: Path) -> None:
    with tbio.EventFileWriter(tmp_path) as writer:
        for step in range(3000):
            writer.add_event(Event(wall_time=math.nan, step=step))
        writer.add_event(Event(wall_time=1.0, step=7, summary={"value": [{"tag": "empty"}]}))
    report = tbio.open(tmp_path)["."].report
    assert [problem.step for problem in report.problems] == [*range(1000), 7]
    assert report.unlisted_problems == 2000
    assert repr(report).endswith("1 files; 3001 problems>")
    assert report.complete  # as none is a fault, see `tbio.findings`
