"""Following logs that grow: what came, and nothing twice."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import tbio
from tbio import EventFileWriter, SummaryWriter
from tbio.cli import main
from tbio.following import NewPoint, tail
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary


def log(writer: EventFileWriter, step: int, value: float, wall_time: float, tag: str = "x") -> None:
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    writer.add_event(Event(step=step, wall_time=wall_time, summary=summary))
    writer.flush()


class Steps:
    """In the place of `time.sleep`: between two looks, the next thing happens; then Ctrl-C."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = iter(steps)

    def __call__(self, seconds: float) -> None:
        step = next(self._steps, None)
        if step is None:
            raise KeyboardInterrupt
        step()


def followed(points: Iterator[NewPoint]) -> list[tuple[str, str, int, float]]:
    found: list[tuple[str, str, int, float]] = []
    with contextlib.suppress(KeyboardInterrupt):
        found.extend((one.run, one.tag, one.step, float(one.value)) for one in points)
    return found


def test_points_runs_and_files_that_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = EventFileWriter(tmp_path / "a")
    for step in range(5):
        log(first, step, step / 2, 100 + step)
    others: list[EventFileWriter] = []

    def new_run_and_file() -> None:
        others.append(EventFileWriter(tmp_path / "b"))
        log(others[0], 0, 7, 200)
        others.append(EventFileWriter(tmp_path / "a"))
        log(others[1], 50, 8, 199)

    def both_files_of_a() -> None:
        log(first, 5, 9, 300)
        log(others[1], 51, 10, math.nan)

    sleep = Steps(lambda: None, new_run_and_file, both_files_of_a)
    monkeypatch.setattr(time, "sleep", sleep)
    assert followed(tail(tbio.open(tmp_path), last=2)) == [
        ("a", "x", 3, 1.5),
        ("a", "x", 4, 2.0),
        ("a", "x", 50, 8.0),  # by wall time
        ("b", "x", 0, 7.0),
        ("a", "x", 5, 9.0),
        ("a", "x", 51, 10.0),
    ]
    for writer in (first, *others):
        writer.close()


def test_a_restart_makes_points_void_and_repeats_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(10):
            writer.add_scalar("x", step, step)

    def resume() -> None:
        with SummaryWriter(tmp_path, purge_step=5) as writer:
            for step in range(5, 8):
                writer.add_scalar("x", -step, step)

    monkeypatch.setattr(time, "sleep", Steps(resume))
    assert followed(tail(tbio.open(tmp_path))) == [
        (".", "x", 5, -5.0),
        (".", "x", 6, -6.0),
        (".", "x", 7, -7.0),
    ]


def test_a_file_that_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, values in (("old", (1, 2, 3)), ("new", (1, 5))):
        with EventFileWriter(tmp_path / name) as writer:
            for step, value in enumerate(values):
                log(writer, step, value, 100 * value)
    (old,), (new,) = (list((tmp_path / name).iterdir()) for name in ("old", "new"))

    monkeypatch.setattr(time, "sleep", Steps(lambda: new.replace(old)))
    assert followed(tail(tbio.open(tmp_path / "old"))) == [(".", "x", 1, 5.0)]


def test_every_kind_and_the_last_of_all(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("note", "hello", 1, walltime=1)
        writer.add_scalar("x", 2, 2, walltime=2)
        writer.add_image("photo", np.zeros((3, 4, 5), np.uint8), 3, walltime=3)
        writer.add_scalar("y", 4, 4, walltime=4)
    points = list(itertools.islice(tail(tbio.open(tmp_path), last=3), 3))
    assert [(one.kind, one.tag, one.step) for one in points] == [
        ("scalars", "x", 2),
        ("images", "photo", 3),
        ("scalars", "y", 4),
    ]
    assert (points[1].value.height, points[1].value.width) == (4, 5)
    assert next(tail(tbio.open(tmp_path, kinds="texts"), last=9)).value == "hello"


def test_wrong_numbers(tmp_path: Path) -> None:
    for wrong in ({"last": -1}, {"poll": math.nan}):
        with pytest.raises(ValueError, match="want numbers of 0 or more"):
            tail(tbio.open(tmp_path), **wrong)


# ------------------------------------------------------------------ the command


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[SummaryWriter] = []

    def begin() -> None:
        writers.append(SummaryWriter(tmp_path / "run"))
        writers[0].add_scalar("loss", 0.1, 1, walltime=0)
        writers[0].flush()

    def go_on() -> None:
        writers[0].add_scalar("loss", math.nan, 2, walltime=1e300)
        writers[0].add_text("note", "\x1b[2J" + "x" * 200, 3)
        writers[0].add_histogram("h", np.arange(9), 4)
        writers[0].close()

    monkeypatch.setattr(time, "sleep", Steps(begin, go_on))
    assert main(["tail", str(tmp_path), "--poll", "0"]) == 0
    out, said = capsys.readouterr()
    assert said == f"tbio: {tmp_path}: no event files yet, waiting\n"
    lines = [line.split("  ") for line in out.splitlines()]
    assert [line[1:4] for line in lines] == [
        ["run", "loss", "step 1"],
        ["run", "note", "step 3"],
        ["run", "h", "step 4"],
        ["run", "loss", "step 2"],
    ]
    assert [line[4] for line in lines] == [
        "0.1",
        r"\x1b[2J" + "x" * 76 + "...",
        "(histograms)",
        "nan",
    ]
    assert lines[3][0] == "--:--:--"


def test_the_command_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(10):
            writer.add_scalar("loss", 0.1 * step, step, walltime=step)
        writer.add_scalar("loss", -math.inf, 10, walltime=10)
        writer.add_histogram("h", np.arange(9), 11, walltime=11)
    monkeypatch.setattr(time, "sleep", Steps())
    assert main(["tail", str(tmp_path), "--json", "--last", "3"]) == 0
    rows = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert rows == [
        {"run": ".", "kind": "scalars", "tag": "loss", "step": 9, "wall_time": 9.0, "value": 0.9},
        {
            "run": ".",
            "kind": "scalars",
            "tag": "loss",
            "step": 10,
            "wall_time": 10.0,
            "value": "-inf",
        },
        {
            "run": ".",
            "kind": "histograms",
            "tag": "h",
            "step": 11,
            "wall_time": 11.0,
            "value": None,
        },
    ]


def test_a_tag_is_waited_for_and_the_nearest_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", 1, 1)
    monkeypatch.setattr(time, "sleep", Steps())
    assert main(["tail", str(tmp_path), "--tags", "los"]) == 0
    assert "nearest: 'loss'; waiting" in capsys.readouterr().err
    assert main(["tail", str(tmp_path / "no")]) == 1
    assert main(["tail", str(tmp_path), "--runs", "other"]) == 1
    with pytest.raises(SystemExit):
        main(["tail", str(tmp_path), "--poll", "-1"])
