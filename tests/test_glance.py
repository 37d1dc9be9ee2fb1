"""Glance, and ``tbio show``."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import tbio
from tbio import EventFileWriter, SummaryWriter
from tbio.cli import main
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary
from tbio.proto.tensor_pb2 import DT_INT64


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for run, values in (("a", [3.0, 0.1, math.nan, 2.0]), ("b", [1.0, math.inf])):
        with SummaryWriter(tmp_path / run) as writer:
            for step, value in enumerate(values):
                writer.add_scalar("val/loss", value, 10 * step)
                writer.add_scalar("speed of light", 7, 10 * step)
    return tmp_path


def test_the_numbers(logs: Path) -> None:
    rows = {(row["run"], row["tag"]): row for row in tbio.show(tbio.open(logs))}
    assert rows["a", "val/loss"] == {
        "run": "a",
        "tag": "val/loss",
        "points": 4,
        "first_step": 0,
        "last_step": 30,
        "first": 3.0,
        "last": 2.0,
        "mode": "min",
        "best": 0.1,  # not 0.10000000149011612
        "best_step": 10,
        "min": 0.1,
        "max": 3.0,
        "not_finite": 1,
    }
    assert rows["b", "val/loss"]["not_finite"] == 1
    assert rows["b", "val/loss"]["last"] == math.inf
    assert rows["b", "val/loss"]["max"] == 1.0
    one = rows["a", "speed of light"]
    assert (one["mode"], one["best"], one["best_step"], one["max"]) == (None, None, None, 7)


def test_the_mode(logs: Path) -> None:
    table = tbio.show(tbio.open(logs, runs="a", tags="val/loss"), mode="max")
    assert (table["best"].tolist(), table["best_step"].tolist()) == ([3.0], [0])
    assert len(tbio.show(tbio.open(logs, tags="nothing"))) == 0


def test_integers_are_exact(tmp_path: Path) -> None:
    value = Summary.Value(tag="count")
    value.tensor.dtype = DT_INT64
    value.tensor.int64_val.append(2**60 + 1)
    with EventFileWriter(tmp_path) as writer:
        writer.add_event(Event(wall_time=1.0, step=1, summary=Summary(value=[value])))
    table = tbio.show(tbio.open(tmp_path), mode="max")
    assert table["best"].tolist() == [2**60 + 1]


def test_the_command(
    logs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["show", str(logs), "--tags", "*loss", "--chart", "val/*"]) == 0
    printed, said = capsys.readouterr()
    lines = printed.splitlines()
    assert lines[0] == "a"
    assert lines[2].split() == [
        *("val/loss", "4", "0..30", "3", "2", "0.1", "10", "0.1", "3", "█▁", "▆", "1", "not"),
        "finite",
    ]
    assert "\nval/loss\n" in printed
    assert lines[-2:] == ["  ━━ a", "  ━━ b"]
    assert "\x1b" not in printed
    assert said == ""


def test_colours_only_where_they_are_wanted(
    logs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["show", str(logs), "--chart", "val/loss"]) == 0
    assert "\x1b[34m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["show", str(logs), "--chart", "val/loss"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_json(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(logs), "--runs", "b", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["tag"], row["points"], row["last"]) for row in rows] == [
        ("speed of light", 2, 7.0),
        ("val/loss", 2, None),
    ]


def test_mistakes(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(logs), "--chart", "val/los"]) == 1
    printed, said = capsys.readouterr()
    assert printed == ""
    assert "val/loss" in said
    assert main(["show", str(logs), "--tags", "los"]) == 1
    assert main(["show", str(logs), "--smooth", "2"]) == 2
    assert main(["show", str(logs), "--kinds", "images"]) == 1
