"""Stable-Baselines3's output format, on tbio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
from hidden_packages import TENSORBOARDS, run_page_without
from tensorboard_values import Log, Session

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.filterwarnings("default", "error::tbio.errors.TbioWarning"),
]


def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    run_page_without("stable_baselines3.md", tmp_path, *TENSORBOARDS)
    log = Log(tmp_path / "runs")
    assert set(log.runs) == {"ppo"}
    scalars = log.scalars()["ppo"]
    # four rollouts of 64 steps; the first training is logged with the second rollout
    assert [step for step, _ in scalars["rollout/ep_rew_mean"]] == [64, 128, 192, 256]
    assert [step for step, _ in scalars["train/loss"]] == [128, 192, 256]
    assert scalars["train/learning_rate"][0][1] == pytest.approx(3e-4)
    # two actions from 64 features
    assert log.counts()["ppo"]["weights"] == [(step, 128) for step in (64, 128, 192, 256)]
    assert log.images()["ppo"]["noise"][0][1][0].shape == (8, 8, 3)
    assert log.sessions() == {"ppo": Session({"lr": 3e-4, "gamma": 0.99}, "SUCCESS")}


def record(format_: Any, *, video: bool) -> None:
    """All kinds of values that the library knows."""
    import torch
    from stable_baselines3.common.logger import Figure, HParam, Image, Logger, Video

    logger = Logger(None, [format_])
    logger.record("number", 0.5)
    logger.record("integer", np.int64(3))
    logger.record_mean("mean", 1.0)
    logger.record_mean("mean", 2.0)
    logger.record("words", "a b")
    logger.record("array", np.arange(5))
    logger.record("tensor", torch.ones(2, 3))
    logger.record("image", Image(np.full((2, 2, 3), 7, np.uint8), "HWC"))
    if video:
        logger.record("video", Video(torch.zeros(1, 3, 3, 4, 4, dtype=torch.uint8), 20))
    figure = matplotlib.figure.Figure((1, 1), dpi=50)
    logger.record("figure", Figure(figure, close=True))
    logger.record("hparams", HParam({"lr": 0.25, "name": "x"}, {"number": 0}))
    logger.record("secret", 1.0, exclude="tensorboard")
    logger.record("secret hparams", HParam({"a": 1}, {"number": 0}), exclude=("csv", "tensorboard"))
    logger.dump(7)
    logger.close()


def test_all_kinds_as_the_librarys_own(tmp_path: Path) -> None:
    from stable_baselines3.common.logger import TensorBoardOutputFormat as Theirs

    from tbio.adapters.stable_baselines3 import TensorBoardOutputFormat

    ours = TensorBoardOutputFormat(str(tmp_path / "ours"), max_queue=5)
    assert isinstance(ours, Theirs)  # by which scripts look for it
    record(ours, video=True)
    log = Log(tmp_path / "ours")
    assert log.scalars() == {".": {"number": [(7, 0.5)], "integer": [(7, 3.0)], "mean": [(7, 1.5)]}}
    assert log.texts() == {".": {"words": [(7, "a b")]}}
    assert log.counts() == {".": {"array": [(7, 5)], "tensor": [(7, 6)]}}
    images = log.images()["."]
    assert images["image"][0][1][0].tolist() == [[[7] * 3] * 2] * 2
    assert images["figure"][0][1][0].shape == (50, 50, 3)
    assert images["video"][0][1][0].shape[:2] == (4, 4)
    assert log.sessions() == {".": Session({"lr": 0.25, "name": "x"}, "SUCCESS")}

    record(Theirs(str(tmp_path / "theirs")), video=False)  # for which torch wants moviepy
    theirs = Log(tmp_path / "theirs")
    assert theirs.scalars() == log.scalars()
    assert theirs.counts() == log.counts()
    assert theirs.sessions() == log.sessions()
    for tag, points in theirs.images()["."].items():
        ((_, (pixels,)),), ((_, (same,)),) = points, images[tag]
        assert np.array_equal(pixels, same)


def test_a_closed_format_refuses(tmp_path: Path) -> None:
    from tbio.adapters.stable_baselines3 import TensorBoardOutputFormat

    format_ = TensorBoardOutputFormat(str(tmp_path))
    format_.close()
    with pytest.raises(AssertionError, match="closed"):
        format_.write({"a": 1}, {"a": None})


def test_configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stable_baselines3.common.logger import CSVOutputFormat

    from tbio.adapters.stable_baselines3 import TensorBoardOutputFormat, configure

    logger = configure(str(tmp_path / "a"), ["csv", "tensorboard"], filename_suffix=".x")
    assert [type(one) for one in logger.output_formats] == [
        CSVOutputFormat,
        TensorBoardOutputFormat,
    ]
    logger.close()
    assert list((tmp_path / "a").glob("events.out.tfevents.*.x"))

    monkeypatch.setenv("SB3_LOG_FORMAT", "tensorboard")
    monkeypatch.setenv("SB3_LOGDIR", str(tmp_path / "b"))
    logger = configure()
    assert [type(one) for one in logger.output_formats] == [TensorBoardOutputFormat]
    assert logger.get_dir() == str(tmp_path / "b")
    logger.close()
