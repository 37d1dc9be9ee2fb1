"""Ignite's logger, on tbio."""

from __future__ import annotations

from pathlib import Path

import pytest
from hidden_packages import TENSORBOARDS, run_page_without
from tensorboard_values import Log, stored

import tbio

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.filterwarnings("default", "error::tbio.errors.TbioWarning"),
]


def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    tell = "[evaluator.state.metrics['accuracy'], model.weight.norm().item()]"
    accuracy, norm = run_page_without("ignite.md", tmp_path, *TENSORBOARDS, tell=tell)
    log = Log(tmp_path / "runs")
    scalars = log.scalars()["ignite"]
    # four batches, three times
    assert [step for step, _ in scalars["train/loss"]] == list(range(1, 13))
    assert [step for step, _ in scalars["validation/accuracy"]] == [1, 2, 3]
    assert scalars["validation/accuracy"][-1][1] == pytest.approx(accuracy)
    assert scalars["lr/group_0"] == [(epoch, stored(0.1)) for epoch in (1, 2, 3)]
    assert scalars["weights_norm/weight"][-1][1] == pytest.approx(norm)
    assert log.counts()["ignite"] == {
        f"{what}/{name}": [(epoch, size) for epoch in (1, 2, 3)]
        for what in ("weights", "grads")
        for name, size in (("weight", 8), ("bias", 2))
    }
    assert log.texts()["ignite"] == {"note": [(3, "done")]}


def test_the_writer_is_the_loggers(tmp_path: Path) -> None:
    from ignite.handlers import TensorboardLogger as Theirs

    from tbio.adapters.ignite import TensorboardLogger

    logger = TensorboardLogger(tmp_path, filename_suffix=".x")
    assert isinstance(logger, Theirs)
    assert isinstance(logger.writer, tbio.SummaryWriter)
    assert logger.log_dir == str(tmp_path)
    logger.add_scalar("a", 1.0, 2)
    logger.close()
    assert Log(tmp_path).scalars() == {".": {"a": [(2, 1.0)]}}
    assert list(tmp_path.glob("*.x"))
