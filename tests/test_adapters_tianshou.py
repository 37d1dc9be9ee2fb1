"""Tianshou's logger takes the writer as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
from hidden_packages import run_page_without
from tensorboard_values import Log, stored

import tbio

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.filterwarnings("default", "error::tbio.errors.TbioWarning"),
]


def test_the_page(tmp_path: Path) -> None:
    # the library imports tensorboard and torch's writer, whatever logger is used
    best = run_page_without("tianshou.md", tmp_path, "tensorflow", tell="float(result.best_reward)")
    scalars = Log(tmp_path / "runs").scalars()["dqn"]
    assert [step for step, _ in scalars["training/env_step"]] == list(range(10, 201, 10))
    assert [step for step, _ in scalars["test/returns_stat/mean"]] == [0, 100, 200]
    assert scalars["info/best_reward"][-1] == (2, stored(best))
    assert {"update/loss", "training/returns_stat/mean", "info/timing/total_time"} <= set(scalars)


def test_what_the_logger_writes_and_restores(tmp_path: Path) -> None:
    from tianshou.utils import TensorboardLogger

    writer = tbio.SummaryWriter(tmp_path)
    logger = TensorboardLogger(writer, save_interval=1)  # type: ignore[arg-type, unused-ignore]
    data: dict[str, Any] = {
        "a": 0.5,
        "array": np.arange(5.0),
        "figure": matplotlib.figure.Figure((1, 1), dpi=50),
    }
    logger.write("training/env_step", 3, data)
    logger.save_data(2, 30, 20, lambda epoch, env_step, update_step: "")
    assert logger.restore_data() == (2, 30, 20)
    log = Log(tmp_path)
    assert log.scalars() == {
        ".": {
            "training/env_step": [(3, 3.0)],
            "training/a": [(3, 0.5)],
            **{f"save/{more}epoch": [(2, 2.0)] for more in ("", "save/")},
            **{f"save/{more}env_step": [(30, 30.0)] for more in ("", "save/")},
            **{f"save/{more}gradient_step": [(20, 20.0)] for more in ("", "save/")},
        }
    }
    assert log.counts() == {".": {"training/array": [(3, 5)]}}
    assert log.images()["."]["training/figure"][0][1][0].shape == (50, 50, 3)
    logger.finalize()
    again = TensorboardLogger(writer)  # type: ignore[arg-type, unused-ignore]
    assert again.restore_data() == (2, 30, 20)
    restored = TensorboardLogger.restore_logged_data(str(tmp_path))
    assert restored["training"]["a"].tolist() == [0.5]  # type: ignore[index, union-attr, unused-ignore]
