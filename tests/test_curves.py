"""Curves: what is written, and that it stays in its folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import tbio
from tbio import EventFileWriter
from tbio.curves import Curve, folder_of, write_runs


def curve(tag: str = "x", *values: float) -> Curve:
    numbers = np.array(values or (1.0, 2.0))
    steps = np.arange(len(numbers))
    return Curve(tag, steps, np.add(steps, 100.0, dtype=np.float64), numbers)


def test_values_steps_and_times(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    written = write_runs(out, {"r": [curve("x", 0.1, np.nan, np.inf, 1e300), curve("y")]})
    assert written == {"r": str(out / "r")}
    found = tbio.open(out)["r"].scalars
    expected = np.array([0.1, np.nan, np.inf, np.inf], np.float32)
    np.testing.assert_array_equal(found["x"].values, expected)
    assert found["x"].steps.tolist() == [0, 1, 2, 3]
    assert found["y"].wall_times.tolist() == [100, 101]
    steps = [event.step for event in tbio.read_events(out) if event.summary.value]
    assert steps == [0, 0, 1, 1, 2, 3]  # in the order of the steps, whatever the tag


HOSTILE = [
    *("../../out", "/etc/x", "..", "a/../../b", "a//b", "C:\\x", "nul\0x\n", "x" * 3000, "a/."),
    "",
]


def test_nothing_leaves_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    written = write_runs(out, {name: [curve()] for name in HOSTILE})
    assert len(set(written.values())) == len(HOSTILE)
    for path in written.values():
        assert os.path.realpath(path).startswith(f"{os.path.realpath(out)}{os.sep}")
        assert len(tbio.open(path)["."].scalars["x"]) == 2
    assert os.listdir(tmp_path) == ["deep"]
    assert os.listdir(tmp_path / "deep") == ["out"]


@pytest.mark.parametrize(
    ("run", "folder"),
    [
        (".", "."),
        ("lr=0.1,opt=adam/mean+std", "lr=0.1,opt=adam/mean+std"),
        ("größe", "größe"),
        ("..", "%2E%2E"),
        ("a/./b", "a/%2E/b"),
        ("50%", "50%25"),
        ("a. ", "a.%20"),
        ("s3://b/x", "s3%3A/%/b/x"),
    ],
)
def test_folders(run: str, folder: str) -> None:
    assert folder_of(run) == folder


def test_long_names_stay_apart() -> None:
    one, other = folder_of("ü" * 500 + "a"), folder_of("ü" * 500 + "b")
    assert one != other
    assert len(one.encode()) <= 200


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    for taken in (tmp_path, tmp_path / "mine"):
        with pytest.raises(FileExistsError, match="want a new or empty folder"):
            write_runs(taken, {"r": [curve()]})
    assert os.listdir(tmp_path) == ["mine"]
    assert (tmp_path / "mine").read_text() == "precious"
    with pytest.raises(ValueError, match="memory://x: want a folder on a local disk"):
        write_runs("memory://x", {"r": [curve()]})


def test_nothing_is_left_of_what_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(writer: EventFileWriter) -> None:
        if os.path.basename(writer.logdir) == "b":
            raise OSError(28, "No space left on device")
        write_waiting(writer)

    write_waiting = EventFileWriter.write_waiting
    monkeypatch.setattr(EventFileWriter, "write_waiting", full)
    with pytest.raises(OSError, match="No space left"):
        write_runs(tmp_path / "out", {"a": [curve()], "b": [curve()]})
    assert os.listdir(tmp_path) == []
