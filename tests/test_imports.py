"""What other tools have logged, imported, and shown by TensorBoard's own readers."""

from __future__ import annotations

import argparse
import datetime
import gzip
import json
import math
import os
import sqlite3
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from raw_log import events_in
from tensorboard_readers import by_event_accumulator, by_plugin_accumulator, by_rustboard

import tbio
from tbio import wire
from tbio.cli import import_
from tbio.imports import ImportReport, import_logs
from tbio.imports.plain_yaml import parsed
from tbio.imports.rows import (
    ColumnNotFoundError,
    NoNumberError,
    number_of,
    step_of,
    wall_time_of,
)
from tbio.imports.target import Target
from tbio.imports.wandb_runs import _payloads

GOLDEN = Path(__file__).parent / "golden"
#: run -> tag -> (step, wall time, value)
Points = dict[str, dict[str, list[tuple[int, float, float]]]]


def shown(folder: Path) -> Points:
    """The scalars that TensorBoard's data server shows; its Python back end is held to the same."""
    found: list[Points] = []
    for read in (by_rustboard, by_plugin_accumulator):
        found.append(
            {
                run: {
                    tag: [(one.step, one.wall_time, one.value or 0.0) for one in points]
                    for tag, points in sorted(plugins["scalars"].items())
                }
                for run, plugins in sorted(read(folder).items())
                if "scalars" in plugins
            }
        )
    assert repr(found[0]) == repr(found[1])  # NaN is not equal to itself
    return found[0]


def imported(
    tmp_path: Path, name: str, content: str, **arguments: Any
) -> tuple[Points, ImportReport]:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    report = import_logs(path, tmp_path / "logs", **arguments)
    return shown(tmp_path / "logs"), report


def f32(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


# ------------------------------------------------------------------ tables


def test_keras_csv_logger(tmp_path: Path) -> None:
    content = "epoch,accuracy,loss,val_loss\r\n0,0.5,1.25,NA\r\n1,0.75,0.5,0.625\r\n"
    points, report = imported(tmp_path, "training.csv", content)
    assert points == {
        ".": {
            "accuracy": [(0, 0.0, 0.5), (1, 0.0, 0.75)],
            "loss": [(0, 0.0, 1.25), (1, 0.0, 0.5)],
            "val_loss": [(1, 0.0, 0.625)],
        }
    }
    path = str(tmp_path / "training.csv")
    assert report.remarks == (f"{path}: steps are the column 'epoch'",)
    assert not report.skipped  # Keras writes NA where an epoch has no such value
    assert report.complete
    [run] = report.runs
    assert (run.scalars, run.tags, run.timed) == (5, 3, 0)


def test_lightning_metrics_with_blanks(tmp_path: Path) -> None:
    content = "epoch,step,train_loss,val_loss\n0,49,0.5,\n0,99,,0.25\n"
    points, _ = imported(tmp_path, "lightning_logs/version_0/metrics.csv", content)
    assert points["."] == {
        "epoch": [(49, 0.0, 0.0), (99, 0.0, 0.0)],
        "train_loss": [(49, 0.0, 0.5)],
        "val_loss": [(99, 0.0, 0.25)],
    }


@pytest.mark.parametrize("name", ["logs.csv", "logs.parquet"])
@pytest.mark.parametrize("wide", [False, True])
def test_what_we_export_comes_back(tmp_path: Path, name: str, wide: bool) -> None:
    logs = tbio.open(GOLDEN / "digits")
    tbio.export(logs, tmp_path / name, wide=wide)
    report = import_logs(tmp_path / name, tmp_path / "back")
    assert not report.skipped
    back = tbio.open(tmp_path / "back")
    assert list(back) == list(logs)
    for run in logs:
        assert list(back[run].scalars) == list(logs[run].scalars)
        for tag, series in logs[run].scalars.items():
            found = back[run].scalars[tag]
            assert found.steps.tolist() == series.steps.tolist()
            assert found.values.tolist() == series.values.tolist()
            if not wide:
                assert found.wall_times.tolist() == series.wall_times.tolist()


def test_names_that_were_guarded_against_spreadsheets(tmp_path: Path) -> None:
    points, _ = imported(tmp_path, "a.csv", "run,tag,step,value\n.,'=cmd(),1,0.5\n.,'quoted',1,2\n")
    assert sorted(points["."]) == ["'quoted'", "=cmd()"]


def test_rows_that_are_damaged(tmp_path: Path) -> None:
    content = "step,loss\n1,0.5\n2\n3.5,0.5\n,1\n4,0.25\n"
    points, report = imported(tmp_path, "a.csv", content)
    assert points == {".": {"loss": [(1, 0.0, 0.5), (4, 0.0, 0.25)]}}
    assert not report.complete
    assert [(one.what, one.where) for one in report.skipped] == [
        ("a row of 1 cells below a header of 2", "line 3"),
        ("a row without a step: step is no whole number", "line 4"),
        ("a row without a step: step is empty", "line 5"),
    ]


def test_what_the_page_of_tensorboard_gives(tmp_path: Path) -> None:
    points, _ = imported(tmp_path, "loss.csv", "Wall time,Step,Value\n1700000000.5,3,0.5\n")
    assert points == {".": {"loss": [(3, 1700000000.5, 0.5)]}}
    path = tmp_path / "acc.json"
    path.write_text("[[1700000000.5, 3, 0.5], [1700000001.5, 4, 0.75]]")
    import_logs(path, tmp_path / "again")
    assert shown(tmp_path / "again") == {
        ".": {"acc": [(3, 1700000000.5, 0.5), (4, 1700000001.5, 0.75)]}
    }


def test_tsv_and_gzip_and_no_step(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbfloss\tacc\n0.5\t1\n0.25\ttrue\n"))
    report = import_logs(path, tmp_path / "logs")
    assert report.remarks == (f"{path}: steps are the number of the row",)
    assert shown(tmp_path / "logs")["."] == {
        "loss": [(0, 0.0, 0.5), (1, 0.0, 0.25)],
        "acc": [(0, 0.0, 1.0), (1, 0.0, 1.0)],
    }
    path.write_bytes(path.read_bytes()[:-12])
    assert not import_logs(path, tmp_path / "cut").complete


def test_columns_by_name(tmp_path: Path) -> None:
    content = "seen,when,step,loss\n100,2023-11-14T22:13:20Z,1,0.5\n"
    points, _ = imported(tmp_path, "a.csv", content, step="seen", wall_time="when")
    assert points["."] == {
        "step": [(100, 1700000000.0, 1.0)],
        "loss": [(100, 1700000000.0, 0.5)],
    }
    with pytest.raises(ColumnNotFoundError, match=r"no column 'sen' in .*nearest: 'seen'"):
        import_logs(tmp_path / "a.csv", tmp_path / "no", step="sen")
    assert not (tmp_path / "no").exists()


def test_json_lines(tmp_path: Path) -> None:
    rows = [
        '{"step": 1, "loss": 0.5, "val": {"acc": 0.25}, "note": "x", "_timestamp": 1700000000.0}',
        '{"step": 2, "loss": NaN, "list": [1], "_timestamp": 1700000001000}',
        '{"loss": 3}',
        "[1]",
        "{",
        "",
    ]
    points, report = imported(tmp_path, "log.jsonl", "\n".join(rows))
    assert repr(points["."]) == repr(
        {
            "loss": [(1, 1700000000.0, 0.5), (2, 1700000001.0, math.nan)],
            "val/acc": [(1, 1700000000.0, 0.25)],
        }
    )
    assert [(one.what, one.where, one.is_damage) for one in report.skipped] == [
        ("'note': text, and no number", "line 1", False),
        ("'list': a list, and no number", "line 2", False),
        ("a row without a step: step is empty", "line 3", True),
        ("a line that is no JSON object", "line 4", True),
        ("a line that is no JSON", "line 5", True),
    ]


def test_values_that_float32_does_not_hold(tmp_path: Path) -> None:
    content = "step,a\n0,0.5\n1,0.1\n2,1e300\n3,inf\n"
    points, report = imported(tmp_path, "a.csv", content)
    assert points["."]["a"] == [
        (0, 0.0, 0.5),
        (1, 0.0, f32(0.1)),
        (2, 0.0, math.inf),
        (3, 0.0, math.inf),
    ]
    assert [one.what for one in report.skipped] == [
        "a: a value beyond float32, which became infinite"
    ]
    report = import_logs(tmp_path / "a.csv", tmp_path / "exact", double_precision=True)
    assert not report.skipped
    assert tbio.open(tmp_path / "exact")["."].scalars["a"].values.tolist() == [
        0.5,
        0.1,
        1e300,
        math.inf,
    ]
    assert shown(tmp_path / "exact") == points


@pytest.mark.parametrize(
    ("cell", "number"), [("7", 7.0), (" 1e-3 ", 0.001), (True, 1.0), ("False", 0.0), (None, None)]
)
def test_numbers(cell: Any, number: float | None) -> None:
    assert number_of(cell) == number


def test_cells_that_are_none() -> None:
    for cell in ("x", [1], {"a": 1}, 10**400, object()):
        with pytest.raises(NoNumberError):
            number_of(cell)
    for cell in ("0.5", "", None, "nan", "inf", True):
        if cell is not True:
            with pytest.raises(NoNumberError):
                step_of(cell)
    assert step_of(str(2**62 + 1)) == 2**62 + 1
    for cell in ("yesterday", "2024-01-01", "2024-01-01T00:00:00", datetime.datetime(2024, 1, 1)):
        with pytest.raises(NoNumberError):
            wall_time_of(cell)
    assert wall_time_of(datetime.datetime.fromtimestamp(5.5, datetime.timezone.utc)) == 5.5


# ------------------------------------------------------------------ JSON as a whole


def test_keras_history(tmp_path: Path) -> None:
    history = {"loss": [1.0, 0.5], "val_loss": [0.75, None], "lr": [[1]]}
    whole = {"history": history, "epoch": [3, 4], "params": {"epochs": 2, "steps": 10}}
    points, report = imported(tmp_path, "history.json", json.dumps(history))
    assert points == {".": {"loss": [(0, 0.0, 1.0), (1, 0.0, 0.5)], "val_loss": [(0, 0.0, 0.75)]}}
    assert [one.what for one in report.skipped] == ["'lr': a list, and no number"]
    (tmp_path / "whole.json").write_text(json.dumps(whole))
    import_logs(tmp_path / "whole.json", tmp_path / "whole")
    run = tbio.open(tmp_path / "whole")["."]
    assert run.scalars["loss"].steps.tolist() == [3, 4]
    assert run.hparams is not None
    assert run.hparams.start is not None
    assert run.hparams.start.hparams == {"epochs": 2, "steps": 10}


STATE = {
    "global_step": 20,
    "log_history": [
        {"epoch": 0.5, "grad_norm": 2.0, "learning_rate": 5e-05, "loss": 1.5, "step": 10},
        {"epoch": 1.0, "eval_loss": 0.25, "eval_runtime": 2.0, "step": 10},
        {"test_loss": 4.0, "train_runtime": 8.0, "epoch": 1.0, "step": 20},
        {"loss": 1.0},
    ],
}


def test_a_history_as_python_has_it(tmp_path: Path) -> None:
    history = {"loss": [np.float32(0.1), 0.5], "lr": (1, math.nan)}
    report = import_logs(history, tmp_path / "logs")
    assert (report.format, report.runs[0].source) == ("json", "the mapping")
    run = tbio.open(tmp_path / "logs")["."]
    assert run.scalars["loss"].steps.tolist() == [0, 1]
    assert run.scalars["loss"].values.tolist() == [f32(0.1), 0.5]
    assert np.array_equal(run.scalars["lr"].values, [1, math.nan], equal_nan=True)
    with pytest.raises(ValueError, match="the mapping: want lists of values by name"):
        import_logs({"loss": 0.5}, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_trainer_state(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps(STATE))
    report = import_logs(path, tmp_path / "logs")
    scalars = tbio.open(tmp_path / "logs")["."].scalars
    found = {
        tag: list(zip(series.steps.tolist(), series.values.tolist(), strict=True))
        for tag, series in scalars.items()
    }
    assert found == {
        "train/epoch": [(10, 0.5), (10, 1.0), (20, 1.0)],
        "train/grad_norm": [(10, 2.0)],
        "train/learning_rate": [(10, f32(5e-05))],
        "train/loss": [(10, 1.5)],
        "eval/loss": [(10, 0.25)],
        "eval/runtime": [(10, 2.0)],
        "test/loss": [(20, 4.0)],
        "train/train_runtime": [(20, 8.0)],
    }
    assert [(one.what, one.where) for one in report.skipped] == [
        ("a row without a step", "log_history[3]")
    ]


def test_the_tags_of_the_trainer_itself(corpus: Path, tmp_path: Path) -> None:
    """The rule, held to a log by the Trainer's TensorBoard callback."""
    with_log = tbio.open(corpus / "peers/frameworks/hf_trainer")["."].scalars
    names = {
        tag.replace("eval/", "eval_") if tag.startswith("eval/") else tag.removeprefix("train/")
        for tag in with_log
    }
    state = {"log_history": [{**dict.fromkeys(sorted(names), 1.0), "step": 1}]}
    points, _ = imported(tmp_path, "trainer_state.json", json.dumps(state))
    assert sorted(points["."]) == sorted(with_log)


def test_the_last_checkpoint_of_each_training(tmp_path: Path) -> None:
    for place, step in (("a/checkpoint-9", 9), ("a/checkpoint-10", 10), ("b", 7)):
        folder = tmp_path / "out" / place
        folder.mkdir(parents=True)
        (folder / "trainer_state.json").write_text(
            json.dumps({"log_history": [{"loss": 0.5, "step": step}]})
        )
        (folder / "config.json").write_text('{"hidden_size": 3}')
    import_logs(tmp_path / "out", tmp_path / "logs")
    assert shown(tmp_path / "logs") == {
        "a": {"train/loss": [(10, 0.0, 0.5)]},
        "b": {"train/loss": [(7, 0.0, 0.5)]},
    }


def test_a_folder_of_files(tmp_path: Path) -> None:
    for name, content in {
        "x/metrics.csv": "step,loss\n1,0.5\n",
        "y/one.csv": "step,loss\n1,0.5\n",
        "y/two.jsonl": '{"step": 2, "loss": 1}',
        "y/odd.json": '{"no": "table"}',
        "notes.txt": "hello",
    }.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(content)
    report = import_logs(tmp_path / "in", tmp_path / "logs")
    assert {run: list(tags) for run, tags in shown(tmp_path / "logs").items()} == {
        "x": ["loss"],
        "y/one": ["loss"],
        "y/two": ["loss"],
    }
    assert (report.format, report.complete) == ("several", False)
    assert [os.path.basename(one.source) for one in report.skipped] == ["odd.json"]
    only = import_logs(tmp_path / "in", tmp_path / "csv", format="csv")
    assert [run.name for run in only.runs] == ["x", "y"]


# ------------------------------------------------------------------ W&B


def test_a_run_that_wandb_wrote(tmp_path: Path) -> None:
    """Written by wandb 0.31.0, offline: see README.md beside it."""
    report = import_logs(GOLDEN / "wandb" / "run-us3hntp5.wandb", tmp_path / "logs")
    assert [(str(one.what), one.count) for one in report.skipped] == [
        ("'name': text, and no number", 3)
    ]
    times = [1795276955.5149684, 1795276955.5210264, 1795276955.5216932]
    points = shown(tmp_path / "logs")["tiny"]
    assert points["loss"] == [(s, times[s], f32(1 / (s + 1))) for s in range(3)]
    assert points["nested/a"] == [(s, times[s], s * 2.5) for s in range(3)]
    assert points["val/loss"] == [(10, 1795276955.5225005, 0.5)]
    assert all(math.isnan(value) for _, _, value in points["bad"])
    assert sorted(points) == ["acc", "bad", "loss", "nested/a", "val/loss"]
    run = tbio.open(tmp_path / "logs")["tiny"].hparams
    assert run is not None
    assert run.start is not None
    assert run.end is not None
    assert run.start.hparams == {"lr": 0.1, "model/layers": "[1, 2]"}
    assert run.start.start_time == 1795276955.161275
    assert run.end.status == "success"


def wandb_log(*records: bytes) -> bytes:
    """A transaction log, by LevelDB's log format, written plainly."""
    out = bytearray(b":W&B\xe1\xbe\x00")
    for record in records:
        first = True
        while True:
            room = 32768 - len(out) % 32768
            if room < 7:
                out += bytes(room)
                continue
            part, record = record[: room - 7], record[room - 7 :]
            kind = {(1, 0): 1, (1, 1): 2, (0, 1): 3, (0, 0): 4}[first, bool(record)]
            crc = zlib.crc32(part, zlib.crc32(bytes([kind])))
            out += struct.pack("<IHB", crc, len(part), kind) + part
            first = False
            if not record:
                break
    return bytes(out)


def history(step: int, **values: Any) -> bytes:
    items = b"".join(
        wire.field(1, wire.field(1, key.encode()) + wire.field(16, json.dumps(value).encode()))
        for key, value in {"_step": step, "_timestamp": 1000.0 + step, **values}.items()
    )
    return wire.field(2, items)


def test_a_log_of_many_blocks_and_its_damage(tmp_path: Path) -> None:
    rows = [history(step, loss=step / 2, filler="x" * (step * 37 % 5000)) for step in range(300)]
    rows.append(history(300, big="y" * 100_000, loss=1.0))
    rows.append(wire.field(18, b"\x08\x01"))
    whole = wandb_log(*rows)
    path = tmp_path / "run-abc.wandb"
    path.write_bytes(whole)
    report = import_logs(path, tmp_path / "whole")
    [run] = report.runs
    assert (run.name, run.scalars, report.complete) == ("abc", 301, True)
    ended = tbio.open(tmp_path / "whole")["abc"].hparams
    assert ended is not None
    assert ended.end is not None
    assert ended.end.status == "failure"

    cut = bytearray(whole)
    cut[40_000] ^= 1
    path.write_bytes(cut)
    report = import_logs(path, tmp_path / "damaged")
    assert not report.complete
    steps = tbio.open(tmp_path / "damaged")["abc"].scalars["loss"].steps
    second = 32768  # the damaged block; what was met before it, and behind it, is there
    before = len(list(_payloads_of(whole[:second], tmp_path)))
    assert steps[: before - 1].tolist() == list(range(before - 1))
    assert steps[-1] == 300
    assert 200 < len(steps) < 301

    path.write_bytes(whole[:-30_000])
    report = import_logs(path, tmp_path / "cut")
    assert report.complete  # the run is going on, or its writer died
    assert [one.what for one in report.skipped if "cut off" in one.what]


def _payloads_of(data: bytes, tmp_path: Path) -> list[bytes]:
    (tmp_path / "part").write_bytes(data)
    return list(_payloads(str(tmp_path / "part"), Target(str(tmp_path / "none"), False)))


def test_media_of_wandb_are_told_of(tmp_path: Path) -> None:
    path = tmp_path / "run-abc.wandb"
    stats = wire.field(7, wire.field(3, b""))
    image = {"_type": "image-file", "path": "media/x.png"}
    path.write_bytes(
        wandb_log(history(0, img=image, n={"a": 1, "h": {"_type": "histogram"}}), stats)
    )
    report = import_logs(path, tmp_path / "logs")
    assert shown(tmp_path / "logs") == {"abc": {"n/a": [(0, 1000.0, 1.0)]}}
    assert [one.what for one in report.skipped] == [
        "'img': W&B's image-file, and no number",
        "'n/h': W&B's histogram, and no number",
        "system metrics",
    ]


def test_a_folder_of_wandb_runs(tmp_path: Path) -> None:
    folder = tmp_path / "wandb"
    for name in ("run-20240101_000000-aaa", "offline-run-20240101_000001-bbb"):
        (folder / name).mkdir(parents=True)
    (folder / "latest-run").symlink_to("run-20240101_000000-aaa")
    named = wire.field(17, wire.field(1, b"bbb") + wire.field(8, b"../evil"))
    log = folder / "offline-run-20240101_000001-bbb" / "run-bbb.wandb"
    log.write_bytes(wandb_log(named, history(1, loss=0.5)))
    files = folder / "run-20240101_000000-aaa" / "files"
    files.mkdir()
    (files / "wandb-summary.json").write_text(
        '{"_step": 7, "_timestamp": 5.5, "loss": 0.5, "n": {"a": 2}}'
    )
    (files / "config.yaml").write_text(
        "wandb_version: 1\n\n_wandb:\n    desc: null\n    value:\n        t: 1\n"
        "lr:\n    desc: null\n    value: 0.001\nlayers:\n    value:\n        - 64\n        - 32\n"
        "opt:\n    value:\n        name: 'adam'\n        eps: 1e-08\n"
    )
    report = import_logs(folder, tmp_path / "logs")
    assert shown(tmp_path / "logs") == {
        "_/evil": {"loss": [(1, 1001.0, 0.5)]},
        "aaa": {"loss": [(7, 5.5, 0.5)], "n/a": [(7, 5.5, 2.0)]},
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "wandb"]
    found = tbio.open(tmp_path / "logs")["aaa"].hparams
    assert found is not None
    assert found.start is not None
    assert found.start.hparams == {
        "lr": 0.001,
        "layers": "[64, 32]",
        "opt/name": "adam",
        "opt/eps": 1e-08,
    }
    assert any("no transaction log" in words for words in report.remarks)
    log.write_bytes(b"")
    assert not import_logs(folder, tmp_path / "empty").complete


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", None),
        ("a: 1\nb: x # words\n# more\n'c d': ''\n", {"a": 1, "b": "x", "c d": ""}),
        ("- a\n- b: 1\n  c: 2\n-\n  - 3\n", ["a", {"b": 1, "c": 2}, [3]]),
        ("a:\n- 1\n- -2.5\nb: [1, 2]\nc: {}\n", {"a": [1, -2.5], "b": [1, 2], "c": {}}),
        (
            "a: file:///x/y\nb: .inf\nc: ~\nd: false\n",
            {"a": "file:///x/y", "b": math.inf, "c": None, "d": False},
        ),
        ('a: "x\\ny"\nb: 1.5e-3\n', {"a": "x\ny", "b": 0.0015}),
    ],
)
def test_plain_yaml(text: str, data: Any) -> None:
    assert parsed(text) == data


@pytest.mark.parametrize(
    "text", ["a: |\n  x\n", "a: x\n  y\n", "a: &b 1\n", "a: [x\n", "a: !!int 1"]
)
def test_yaml_that_is_not_plain(text: str) -> None:
    with pytest.raises(ValueError, match="no plain YAML"):
        parsed(text)


# ------------------------------------------------------------------ MLflow

META = """artifact_uri: file:///elsewhere/artifacts
end_time: 1700000005000
experiment_id: '41'
lifecycle_stage: {stage}
run_id: abc
run_name: first
start_time: 1700000000000
status: {status}
tags: []
"""


def mlflow_folder(root: Path, run: str = "abc", stage: str = "active", status: int = 3) -> Path:
    folder = root / "41" / run
    for name, content in {
        "metrics/train/loss": "1700000001000 1.0 0\n1700000002500 0.5 1\n",
        "metrics/bad": "1700000001000 nan 2\nx y z\n",
        "params/lr": "0.1",
        "params/opt": "adam",
        "params/nested/deep": "True",
        "tags/mlflow.user": "somebody",
        "tags/team": "x",
        "meta.yaml": META.format(stage=stage, status=status),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (root / "41" / "meta.yaml").write_text("experiment_id: '41'\nname: exp\n")
    return root


def check_mlflow(folder: Path) -> None:
    points = shown(folder)
    assert points["exp/first"]["train/loss"] == [
        (0, 1700000001.0, 1.0),
        (1, 1700000002.5, 0.5),
    ]
    assert math.isnan(points["exp/first"]["bad"][0][2])
    run = tbio.open(folder)["exp/first"]
    assert run.hparams is not None
    assert run.hparams.start is not None
    assert run.hparams.end is not None
    assert run.hparams.start.hparams == {"lr": 0.1, "opt": "adam", "nested/deep": True}
    assert run.hparams.start.start_time == 1700000000.0
    assert (run.hparams.end.status, run.hparams.end.end_time) == ("success", 1700000005.0)
    assert {tag: list(texts) for tag, texts in run.texts.items()} == {"tags/team": ["x"]}


def test_mlflow_files(tmp_path: Path) -> None:
    mlflow_folder(tmp_path / "mlruns", "dead", stage="deleted")
    root = mlflow_folder(tmp_path / "mlruns")
    report = import_logs(root, tmp_path / "logs")
    check_mlflow(tmp_path / "logs")
    assert [(one.what, one.is_damage) for one in report.skipped] == [
        ("a line: text, and no number", True),
        ("a deleted run", False),
    ]
    report = import_logs(root / "41" / "abc", tmp_path / "one")
    assert [run.name for run in report.runs] == ["exp/first"]


def test_mlflow_database(tmp_path: Path) -> None:
    """The tables as MLflow 3.17 makes them, as far as they are read."""
    path = tmp_path / "mlflow.db"
    base = sqlite3.connect(path)
    base.executescript(
        """
        CREATE TABLE experiments (experiment_id INTEGER, name VARCHAR(256));
        CREATE TABLE runs (run_uuid VARCHAR(32), name VARCHAR(250), status VARCHAR(9),
            start_time BIGINT, end_time BIGINT, lifecycle_stage VARCHAR(20), experiment_id INTEGER);
        CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT,
            run_uuid VARCHAR(32), step BIGINT, is_nan BOOLEAN);
        CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
        CREATE TABLE tags (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
        INSERT INTO experiments VALUES (1, 'exp');
        INSERT INTO runs
            VALUES ('abc', 'first', 'FINISHED', 1700000000000, 1700000005000, 'active', 1);
        INSERT INTO runs VALUES ('def', 'first', 'RUNNING', 1700000000001, NULL, 'active', 1);
        INSERT INTO runs VALUES ('ghi', 'gone', 'FAILED', 1700000000002, NULL, 'deleted', 1);
        INSERT INTO metrics VALUES ('train/loss', 0.5, 1700000002500, 'abc', 1, 0);
        INSERT INTO metrics VALUES ('train/loss', 1.0, 1700000001000, 'abc', 0, 0);
        INSERT INTO metrics VALUES ('bad', 0.0, 1700000001000, 'abc', 2, 1);
        INSERT INTO metrics VALUES ('inf', -1.7976931348623157e308, 1700000001000, 'def', 2, 0);
        INSERT INTO params VALUES ('lr', '0.1', 'abc');
        INSERT INTO params VALUES ('opt', 'adam', 'abc');
        INSERT INTO params VALUES ('nested/deep', 'True', 'abc');
        INSERT INTO tags VALUES ('mlflow.user', 'somebody', 'abc');
        INSERT INTO tags VALUES ('team', 'x', 'abc');
        """
    )
    base.commit()
    base.close()
    before = path.read_bytes()
    report = import_logs(path, tmp_path / "logs")
    check_mlflow(tmp_path / "logs")
    assert shown(tmp_path / "logs")["exp/first-def"] == {"inf": [(2, 1700000001.0, -math.inf)]}
    assert [one.what for one in report.skipped] == ["a deleted run"]
    assert path.read_bytes() == before


# ------------------------------------------------------------------ the folder


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        import_logs(GOLDEN / "wandb" / "run-us3hntp5.wandb", tmp_path / name)
    [one], [two] = ((tmp_path / name).rglob("events*") for name in ("one", "two"))
    assert one.name == two.name == "events.out.tfevents.1795276955.tbio"
    assert one.read_bytes() == two.read_bytes()
    assert events_in(one)[0].wall_time == 1795276955.5149684


def test_the_old_event_accumulator_reads_it_too(tmp_path: Path) -> None:
    imported(tmp_path, "a.csv", "step,loss\n1,0.5\n2,0.25\n")
    [points] = by_event_accumulator(tmp_path / "logs")["scalars"].values()
    assert [(one.step, one.value) for one in points] == [(1, 0.5), (2, 0.25)]


def test_runs_never_leave_the_folder(tmp_path: Path) -> None:
    rows = "".join(
        f"{json.dumps({'run': run, 'tag': 'a', 'step': 1, 'value': at})}\n"
        for at, run in enumerate(
            ["../../up", "/etc/x", "a/../b", "ok", "", "x" * 400, "a\0b", "_/_/up"]
        )
    )
    points, report = imported(tmp_path, "in/a.jsonl", rows)
    assert len(points) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "logs"]
    assert {"ok", ".", "_/_/up", "_/_/up-2"} <= set(points)
    assert len(report.remarks) == 7  # and one of the steps


def test_many_runs_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points of all runs wait, and no more of them than there is room for."""
    monkeypatch.setattr("tbio.imports.target._RUN_WAITS", 3)
    monkeypatch.setattr("tbio.imports.target._ALL_WAIT", 50)
    rows = "".join(f"r{at % 40},loss,{at // 40},{at}\n" for at in range(400))
    points, _ = imported(tmp_path, "a.csv", "run,tag,step,value\n" + rows)
    assert points["r7"]["loss"] == [(step, 0.0, 40.0 * step + 7) for step in range(10)]
    assert len(points) == 40


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", "x", "want a file of one of .csv"),
        ("a.json", "{", "no JSON"),
        ("a.json", '{"a": 1}', "want lists"),
        ("a.db", "x", "no database"),
        ("a.wandb", "x", "no transaction log"),
        ("a.csv", "a,a\n1,2\n", "twice"),
        ("a.parquet", "x", "a.parquet"),
    ],
)
def test_what_is_nothing_of_the_sort(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=words):
        import_logs(tmp_path / name, tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
    with pytest.raises(FileNotFoundError):
        import_logs(tmp_path / "none.csv", tmp_path / "logs")
    (tmp_path / "b.csv").write_text("step,a\n1,2\n")
    with pytest.raises(FileExistsError):
        import_logs(tmp_path / "b.csv", tmp_path)


def test_files_of_a_folder_whose_names_begin_alike(tmp_path: Path) -> None:
    for name, content in {
        "run.lr0.1.csv": "step,loss\n0,1\n",
        "run.lr0.2.csv": "step,loss\n0,2\n",
        "log.csv": "step,loss\n0,3\n",
        "log.jsonl": '{"step": 0, "loss": 4}',
        "other.csv": "step,loss\n0,5\n",
    }.items():
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_text(content)
    import_logs(tmp_path / "in", tmp_path / "logs")
    assert {run: tags["loss"] for run, tags in shown(tmp_path / "logs").items()} == {
        "run.lr0.1.csv": [(0, 0.0, 1.0)],
        "run.lr0.2.csv": [(0, 0.0, 2.0)],
        "log.csv": [(0, 0.0, 3.0)],
        "log.jsonl": [(0, 0.0, 4.0)],
        "other": [(0, 0.0, 5.0)],
    }


@pytest.mark.parametrize(
    ("name", "content", "loss", "what"),
    [
        (
            "a.jsonl",
            '{"step": 1, "loss": 1, "a": {"b": 1}, "a/b": 2}\n{"step": 2, "loss": 2}\n',
            [(2, 0.0, 2.0)],
            "a row with two cells of the name 'a/b'",
        ),
        (
            "a.json",
            '{"log_history": [{"step": 1, "loss": 1}, {"step": 99999999999999999999, "n": "x"}]}',
            None,
            "train/n: a step beyond int64",
        ),
    ],
)
def test_one_odd_row_leaves_the_others(
    tmp_path: Path, name: str, content: str, loss: Any, what: str
) -> None:
    points, report = imported(tmp_path, name, content)
    (tags,) = points.values()
    assert tags.get("loss", tags.get("train/loss")) == (loss or [(1, 0.0, 1.0)])
    assert [one.what for one in report.skipped] == [what]


def test_rows_that_lack_the_column_of_steps(tmp_path: Path) -> None:
    lines = '{"s": 1, "loss": 2}\n{"loss": 3}\n{"s": 2, "loss": 4}\n'
    points, report = imported(tmp_path, "a.jsonl", lines, step="s")
    assert points == {".": {"loss": [(1, 0.0, 2.0), (2, 0.0, 4.0)]}}
    assert len(report.skipped) == 1
    assert not report.complete


def test_names_that_no_file_system_or_encoding_takes(tmp_path: Path) -> None:
    long = "\u6f22" * 150
    points, _ = imported(tmp_path, "a.csv", f"run,step,tag,value\n{long},0,x,1\nok,0,x,2\n")
    assert sorted(run[:2] for run in points) == ["ok", "\u6f22\u6f22"]
    path = tmp_path / "b.json"
    path.write_text('{"\\ud800x": [1, 2], "loss": [1]}')
    import_logs(path, tmp_path / "half")
    assert {tag: len(found) for tag, found in shown(tmp_path / "half")["."].items()} == {
        "\\ud800x": 2,
        "loss": 1,
    }


def test_parquet_with_a_column_twice(tmp_path: Path) -> None:
    columns = [pyarrow.array([1, 2]), pyarrow.array([1.0, 2.0]), pyarrow.array([8.0, 9.0])]
    table = pyarrow.table(columns, names=["step", "loss", "loss"])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet.*'loss' is there twice"):
        import_logs(tmp_path / "a.parquet", tmp_path / "logs")


def test_databases_that_are_damaged_or_have_no_values(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 4000)
    with pytest.raises(ValueError, match=r"a\.db"):
        import_logs(tmp_path / "a.db", tmp_path / "logs")
    base = sqlite3.connect(tmp_path / "b.db")
    base.executescript(
        """
        CREATE TABLE experiments (experiment_id, name);
        CREATE TABLE runs (run_uuid, name, status, start_time, end_time, lifecycle_stage,
            experiment_id);
        CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan);
        CREATE TABLE params (key, value, run_uuid);
        CREATE TABLE tags (key, value, run_uuid);
        INSERT INTO experiments VALUES (1, 'exp');
        INSERT INTO runs VALUES ('abc', 'first', 'FINISHED', 1, 2, 'active', 1);
        INSERT INTO metrics VALUES ('loss', 0.5, 1000, 'abc', 1, 0);
        INSERT INTO metrics VALUES ('loss', NULL, 1000, 'abc', 2, 0);
        INSERT INTO metrics VALUES ('loss', 'words', 1000, 'abc', 3, 0);
        INSERT INTO tags VALUES ('team', NULL, 'abc');
        """
    )
    base.commit()
    base.close()
    report = import_logs(tmp_path / "b.db", tmp_path / "logs")
    assert shown(tmp_path / "logs") == {"exp/first": {"loss": [(1, 1.0, 0.5)]}}
    assert len(report.skipped) == 2


def test_a_failure_in_the_end_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("run,step,tag,value\nx,0,t,1\ny,0,t,1\nz/w,0,t,1\n")
    replace, calls = os.replace, 0

    def fail(*paths: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, os.strerror(28))
        replace(*paths)

    monkeypatch.setattr(os, "replace", fail)
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        calls = 0
        with pytest.raises(OSError, match="No space"):
            import_logs(tmp_path / "a.csv", tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "empty"]
    assert os.listdir(tmp_path / "empty") == []


# ------------------------------------------------------------------ the command


def run_command(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    import_.add_arguments(parser)
    return import_.run(parser.parse_args(list(map(str, arguments))))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("step,loss,acc\n1,0.5,1\n2,0.25,x\n")
    assert run_command(path, tmp_path / "logs") == 0
    told = capsys.readouterr()
    assert told.out == ".  3 scalars  2 tags  0 hparams\n"
    assert told.err == (
        f"tbio: {path}: steps are the column 'step'\n"
        f"tbio: {path}, line 3: 'acc': text, and no number\n"
        "tbio: 3 points without a wall time\n"
        f"tbio: 3 scalars of 1 run written to {tmp_path / 'logs'}\n"
    )
    path.write_text("step,loss\nx,0.5\n")
    assert run_command(path, tmp_path / "other", "--json") == 3
    printed = json.loads(capsys.readouterr().out)
    assert (printed["complete"], printed["format"], printed["runs"][0]["scalars"]) == (
        False,
        "csv",
        0,
    )
