"""A writer for skrl's agents."""

from __future__ import annotations

from pathlib import Path

import pytest
from hidden_packages import run_page_without
from tensorboard_values import Log

from tbio.adapters.skrl import SummaryWriter


@pytest.mark.adapters
def test_the_page(tmp_path: Path) -> None:
    # the library imports tensorboard for its own writer
    run_page_without("skrl.md", tmp_path, "tensorflow", "tensorboardX")
    log = Log(tmp_path / "runs")
    scalars = log.scalars()["dqn"]
    steps = [20, 40, 60, 80, 100]
    # where an episode has ended since the last writing, which chance decides
    ended = [step for step, _ in scalars["Reward / Total reward (mean)"]]
    assert ended
    assert set(ended) <= set(steps)
    assert scalars["Reward / Instantaneous reward (max)"] == [(step, 1.0) for step in steps]
    assert [step for step, _ in scalars["Loss / Q-network loss"]] == steps[1:]
    assert log.counts()["dqn"] == {"weights": [(100, 8)]}


def test_both_names_of_the_arguments(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    with writer:
        writer.add_scalar(tag="a", value=0.5, timestep=1)  # skrl 2
        writer.add_scalar("a", 1.5, 2)  # skrl 1
        writer.add_scalar("a", scalar_value=2.5, global_step=3)
        writer.add_scalar("a", 3.5, 4, 99.0)
        with pytest.raises(TypeError, match="'a': "):
            writer.add_scalar("a")
    assert Log(tmp_path).scalars() == {".": {"a": [(1, 0.5), (2, 1.5), (3, 2.5), (4, 3.5)]}}
