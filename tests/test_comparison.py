"""Comparison, and ``tbio diff``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tbio
from tbio import Comparison, EventFileWriter, SummaryWriter
from tbio.cli import main
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary
from tbio.proto.tensor_pb2 import DT_INT64


def log(folder: Path, points: Sequence[tuple[int, float]], tag: str = "loss", **more: Any) -> Path:
    with SummaryWriter(folder) as writer:
        for step, value in points:
            writer.add_scalar(tag, value, step, **more)
    return folder


def compared(a: Path, b: Path, **tolerances: float) -> Comparison:
    return tbio.diff(tbio.open(a), tbio.open(b), **tolerances)


def test_the_same(tmp_path: Path) -> None:
    points = [(1, 0.5), (2, math.nan), (3, math.inf)]
    found = compared(log(tmp_path / "a", points), log(tmp_path / "b", points))
    assert not found
    assert (found.series, found.points) == (1, 3)


def test_values(tmp_path: Path) -> None:
    a = log(tmp_path / "a", [(1, 0.5), (5, 1.0), (7, 2.0), (9, math.nan)])
    b = log(tmp_path / "b", [(1, 0.5), (5, 1.25), (7, 1.5), (9, 3.0)])
    (one,) = compared(a, b).differences
    assert (one.what, one.kind, one.tag, one.points) == ("values", "scalars", "loss", 3)
    assert (one.first_step, one.largest) == (5, 0.5)
    assert [one.points for one in compared(a, b, atol=0.25).differences] == [2]
    assert [one.points for one in compared(a, b, rtol=1 / 3).differences] == [1]  # the NaN
    with pytest.raises(ValueError, match="tolerances of 0 or more"):
        compared(a, b, rtol=-1)


def test_steps(tmp_path: Path) -> None:
    a = log(tmp_path / "a", [(1, 0.5), (2, 1.0), (2, 2.0), (4, 0.0)])
    b = log(tmp_path / "b", [(2, 1.0), (2, 3.0), (2, 9.0), (4, 0.0)])
    found = [
        (one.what, one.only_in, one.points, one.first_step) for one in compared(a, b).differences
    ]
    assert found == [("steps", "a", 1, 1), ("steps", "b", 1, 2), ("values", "", 1, 2)]


def test_tags_kinds_and_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        log(tmp_path / name / "common", [(1, 1.0)])
    log(tmp_path / "a" / "common", [(1, 1.0), (2, 1.0)], "mine")
    log(tmp_path / "b" / "other", [(1, 1.0)])
    log(tmp_path / "a" / "common", [(3, 1.0)], "x")
    with SummaryWriter(tmp_path / "b" / "common") as writer:
        writer.add_text("x", "words", 3)
    found = [
        (one.what, one.run, one.tag, one.only_in, one.points)
        for one in compared(tmp_path / "a", tmp_path / "b").differences
    ]
    assert found == [
        ("tag", "common", "mine", "a", 2),
        ("kind", "common", "x", "", 1),
        ("run", "other", "", "b", 1),
    ]


def test_other_kinds(tmp_path: Path) -> None:
    for name, shade in (("a", 0), ("b", 1)):
        with SummaryWriter(tmp_path / name) as writer:
            for step in (1, 2):
                pixels = np.zeros((3, 4, 4), np.uint8)
                pixels[0, 0, 0] = shade * (step == 2)
                writer.add_image("photo", pixels, step)
                writer.add_text("note", "same", step)
            corners = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, shade]]], np.float32)
            writer.add_mesh("body", corners, global_step=1)
            writer.add_hparams({"lr": 0.1 * (1 + shade), "seed": 3}, {})
    found = compared(tmp_path / "a", tmp_path / "b")
    assert [(one.kind, one.tag, one.points, one.first_step) for one in found.differences] == [
        ("hparams", "lr", 1, None),
        ("images", "photo", 1, 2),
        ("meshes", "body", 1, 1),
    ]


def test_integers_of_64_bits(tmp_path: Path) -> None:
    for name, number in (("a", 2**60), ("b", 2**60 + 1)):
        value = Summary.Value(tag="count")
        value.tensor.dtype = DT_INT64
        value.tensor.int64_val.append(number)
        with EventFileWriter(tmp_path / name) as writer:
            writer.add_event(Event(wall_time=1.0, step=1, summary=Summary(value=[value])))
    (one,) = compared(tmp_path / "a", tmp_path / "b").differences
    assert (one.what, one.points) == ("values", 1)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = log(tmp_path / "a", [(1, 0.5), (2, 1.0)])
    b = log(tmp_path / "b", [(1, 0.5), (2, 1.25)])
    assert main(["diff", str(a), str(a)]) == 0
    assert capsys.readouterr() == (
        "",
        "tbio: 0 differences; 2 points of 1 common series compared\n",
    )
    assert main(["diff", str(a), str(b)]) == 1
    printed, said = capsys.readouterr()
    words = "1 of 2 values differ, the first at step 2, by 0.25 at most"
    assert printed == f".  scalars  loss  {words}\n"
    assert said == "tbio: 1 difference; 2 points of 1 common series compared\n"
    assert main(["diff", str(a), str(b), "--atol", "0.25"]) == 0
    capsys.readouterr()
    assert main(["diff", str(a), str(b), "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["what"], row["tag"], row["largest"]) == ("values", "loss", 0.25)
    assert main(["diff", str(a), str(tmp_path / "none")]) == 1
    assert main(["diff", str(a), str(b), "--rtol", "-1"]) == 2
    assert main(["diff", str(a), str(b), "--tags", "los"]) == 1
    assert "'loss'" in capsys.readouterr().err


def test_hyperparameters_are_compared_as_they_are_selected(tmp_path: Path) -> None:
    for name, rate in (("a", 0.1), ("b", 0.2)):
        with SummaryWriter(tmp_path / name) as writer:
            writer.set_hparams({"lr": rate})
            writer.add_scalar("loss", 1, 1)

    def found(**selection: Any) -> list[str]:
        a, b = (tbio.open(tmp_path / name, **selection) for name in "ab")
        return [one.tag for one in tbio.diff(a, b).differences]

    assert found() == ["lr"]
    assert found(kinds="hparams") == ["lr"]
    assert found(kinds="scalars") == found(tags="loss") == []
