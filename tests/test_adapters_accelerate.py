"""Accelerate's tracker, on tbio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hidden_packages import TENSORBOARDS, run_page_without
from tensorboard_values import Log, Session

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.filterwarnings("default", "error::tbio.errors.TbioWarning"),
]


def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    run_page_without("accelerate.md", tmp_path, *TENSORBOARDS)
    log = Log(tmp_path / "runs")
    assert set(log.runs) == {"linear"}
    loss = log.scalars()["linear"]["loss"]
    assert [step for step, _ in loss] == list(range(20))
    assert loss[-1][1] < loss[0][1]
    assert log.texts()["linear"]["note"][7] == (7, "step 7")
    ((step, (noise,)),) = log.images()["linear"]["noise"]
    assert (step, noise.shape[2]) == (19, 3)
    assert log.counts()["linear"] == {"weights": [(19, 4)]}
    assert log.sessions() == {"linear": Session({"lr": 0.1, "optimizer": "sgd"}, "SUCCESS")}
    (yaml,) = (tmp_path / "runs" / "linear").glob("*/hparams.yml")
    assert yaml.read_text() == "lr: 0.1\noptimizer: sgd\n"


def drive(tracker: Any) -> None:
    if hasattr(tracker, "start"):  # which older ones do not have
        tracker.start()
    tracker.log({"loss": 0.5, "count": 3, "words": "a b", "both": {"one": 1.0, "two": 2}}, step=4)
    tracker.finish()


def test_the_same_as_the_librarys_own(tmp_path: Path) -> None:
    from accelerate.state import PartialState
    from accelerate.tracking import TensorBoardTracker as Theirs

    from tbio.adapters.accelerate import TensorBoardTracker

    PartialState(cpu=True)
    for kind in (Theirs, TensorBoardTracker):
        place = tmp_path / kind.__module__
        drive(kind("run", place, max_queue=5))
        log = Log(place)
        assert log.scalars() == {
            "run": {"loss": [(4, 0.5)], "count": [(4, 3.0)]},
            "run/both_one": {"both": [(4, 1.0)]},
            "run/both_two": {"both": [(4, 2.0)]},
        }
        texts = {tag.removesuffix("/text_summary"): v for tag, v in log.texts()["run"].items()}
        assert texts == {"words": [(4, "a b")]}


def test_nothing_is_made_before_something_is_logged(tmp_path: Path) -> None:
    from tbio.adapters.accelerate import TensorBoardTracker

    tracker = TensorBoardTracker("run", tmp_path)
    tracker.start()
    assert list(tmp_path.iterdir()) == []
    assert (tracker.name, tracker.requires_logging_directory) == ("tensorboard", True)
    assert tracker.tracker.log_dir == str(tmp_path / "run")
    tracker.finish()
