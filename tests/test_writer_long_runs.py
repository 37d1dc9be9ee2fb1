"""Long runs by SummaryWriter: files that rotate, large values that go, runs that go on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard_readers import by_plugin_accumulator, by_rustboard

import tbio
from tbio import SummaryWriter, TbioWarning, rotation
from tbio.event_file import is_event_file


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_event_file(path.name))


def steps_shown(folder: Path, tag: str, run: str = ".") -> list[list[int]]:
    """By both of TensorBoard's back ends."""
    shown = []
    for reader in (by_plugin_accumulator, by_rustboard):
        by_tag = reader(os.fspath(folder))[run]
        points = next(tags[tag] for tags in by_tag.values() if tag in tags)
        shown.append([point.step for point in points])
    return shown


def test_files_rotate(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path, max_file_bytes=2000) as writer:
        for step in range(200):
            writer.add_scalar("x", step, step, new_style=True)
            if step % 10 == 9:
                writer.flush()
    assert len(files_in(tmp_path)) > 3
    assert steps_shown(tmp_path, "x") == [list(range(200))] * 2
    assert tbio.open(tmp_path)["."].scalars["x"].values.tolist() == list(range(200))


def test_a_step_that_goes_back_is_told_of_across_files(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path, max_file_bytes=1) as writer:
        writer.add_scalar("x", 1.0, 9)
        writer.flush()
        writer.add_scalar("x", 1.0, 3)
        with pytest.warns(TbioWarning, match="'x': step 3 after step 9"):
            writer.flush()


def test_the_last_images_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "_GRACE_SECONDS", 0.0)
    rng = np.random.default_rng(0)
    with SummaryWriter(tmp_path, keep_last=3, max_file_bytes=50_000) as writer:
        for step in range(60):
            picture = rng.integers(0, 256, (3, 50, 50), np.uint8)
            writer.log({"loss": step / 2, "photo": picture.transpose(1, 2, 0)}, step)
            writer.add_audio("sound", rng.uniform(-1, 1, (1, 500)), step)
            writer.add_text("note", "kept", step)
            writer.flush()
    run = tbio.open(tmp_path)["."]
    assert run.scalars["loss"].values.tolist() == [step / 2 for step in range(60)]
    assert len(run.texts["note"]) == 60
    for series in (run.images["photo"], run.audio["sound"]):
        steps = series.steps.tolist()
        assert steps[-3:] == [57, 58, 59]
        assert len(steps) < 30
        assert len(list(series)) == len(steps)
    size = sum(path.stat().st_size for path in files_in(tmp_path))
    assert size < 300_000  # of 60 pictures of 7.5 kB, and as many sounds
    for steps in steps_shown(tmp_path, "loss"):
        assert steps == list(range(60))
    for steps in steps_shown(tmp_path, "photo"):
        assert steps[-3:] == [57, 58, 59]


@pytest.mark.parametrize("goes_on_at", [True, 5, np.int64(5)])
def test_a_run_goes_on(tmp_path: Path, goes_on_at: Any) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(10):
            writer.add_scalar("x", 0.0, step)
            writer.add_scalars("m", {"a": 0.0}, step)
    with SummaryWriter(tmp_path, resume=goes_on_at) as writer:
        first = 10 if goes_on_at is True else 5
        assert writer.next_step == first
        for step in range(writer.next_step, 12):
            writer.add_scalar("x", 1.0, step)
            writer.add_scalars("m", {"a": 1.0}, step)
    logs = tbio.open(tmp_path, restarts="keep")
    expected = [0.0] * first + [1.0] * (12 - first)
    assert logs["."].scalars["x"].values.tolist() == expected
    assert logs["m_a"].scalars["m"].values.tolist() == expected
    assert steps_shown(tmp_path, "x") == [list(range(12))] * 2
    assert steps_shown(tmp_path, "m", "m_a") == [list(range(12))] * 2
    cut = [path for path in tmp_path.iterdir() if "cut-" in path.name]
    kept = [step for path in cut for step in tbio.open(path)["."].scalars["x"].steps.tolist()]
    assert kept == list(range(first, 10))


def test_a_run_that_is_new_goes_on_from_nothing(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run", resume=True) as writer:
        assert writer.next_step == 0
        writer.add_scalar("x", 1.0, 0)
    assert tbio.open(tmp_path)["run"].scalars["x"].steps.tolist() == [0]


def test_the_next_file_comes_behind_whatever_the_clock_says(tmp_path: Path) -> None:
    late = tmp_path / "events.out.tfevents.9999999999.host"
    with tbio.EventFileWriter(tmp_path) as writer:
        path = Path(writer.path)
    path.rename(late)
    with SummaryWriter(tmp_path, resume=True) as resumed:
        resumed.add_scalar("x", 1.0, 0)
    assert files_in(tmp_path)[0] == late
    assert len(files_in(tmp_path)) == 2


def test_purge_and_resume_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="either purge_step or resume"):
        SummaryWriter(tmp_path, purge_step=3, resume=True)


def test_a_sub_run_that_cannot_be_resumed_does_not_stop_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tbio import resuming

    for _ in range(2):
        with SummaryWriter(tmp_path) as writer:
            writer.add_scalars("m", {"a": 0.0}, 0)
    resume = resuming.resume

    def refuse(folder: str, step: int | None = None) -> Any:
        if folder.endswith("m_a"):
            raise PermissionError(13, "not yours", folder)
        return resume(folder, step)

    with SummaryWriter(tmp_path, resume=5) as writer:
        monkeypatch.setattr(resuming, "resume", refuse)
        with pytest.warns(TbioWarning, match="stays in the log: .*not yours"):
            writer.add_scalars("m", {"a": 1.0}, 5)
    assert tbio.open(tmp_path)["m_a"].scalars["m"].steps.tolist() == [0, 0, 5]


@pytest.mark.parametrize("option", ["max_file_bytes", "max_file_seconds", "keep_last"])
def test_limits_are_positive(tmp_path: Path, option: str) -> None:
    with pytest.raises(ValueError, match="want"):
        SummaryWriter(tmp_path, **{option: 0})  # type: ignore[arg-type]
