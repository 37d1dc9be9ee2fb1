"""Ray Tune's callback, on tbio."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hidden_packages import TENSORBOARDS, run_page_without
from tensorboard_values import Log, Session, curve

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.filterwarnings("default", "error::tbio.errors.TbioWarning"),
]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray sends statistics of its use, unless it is told not to."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    run_page_without("ray.md", tmp_path, *TENSORBOARDS)
    log = Log(tmp_path / "runs" / "search")
    assert len(log.runs) == 2
    for run, (hparams, status) in log.sessions().items():
        assert status == "SUCCESS"
        assert set(hparams) == {"lr"}  # what is searched for
        points = log.scalars()[run]
        rate = hparams["lr"]
        # the step is the iteration, from 1
        assert points["ray/tune/loss"] == [
            (step + 1, value) for step, value in curve([rate, rate / 2, rate / 3])
        ]
        assert points["ray/tune/nested/accuracy"] == [(1, 0.5), (2, 0.5), (3, 0.5)]
        assert log.counts()[run]["ray/tune/weights"] == [(1, 4), (2, 4), (3, 4)]
    assert {session.hparams["lr"] for session in log.sessions().values()} == {0.5, 1.0}


class Trial(types.SimpleNamespace):
    """What the callback looks at."""

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


def drive(callback: Any, folder: Path, *, failed: bool) -> None:
    folder.mkdir(parents=True)
    trial = Trial(
        init_local_path=lambda: None,
        local_path=str(folder),
        evaluated_params={"lr": 0.5, "net": {"units": 3}, "name": "x", "flag": np.bool_(True)},
    )
    rng = np.random.default_rng(0)
    callback.log_trial_result(
        1,
        trial,
        {
            "training_iteration": 1,
            "config": {"a": 1},
            "time_total_s": 1.0,
            "loss": 0.5,
            "count": 3,
            "nan": float("nan"),
            "words": "no scalar",
            "array": rng.normal(size=5),
            "list": [1, 2],
            "image": rng.integers(0, 256, (3, 4, 6), np.uint8),
            "images": rng.integers(0, 256, (2, 3, 4, 6), np.uint8),
            "video": rng.integers(0, 256, (1, 2, 3, 4, 6), np.uint8),
            "nested": {"deep": {"er": 1}},
        },
    )
    callback.log_trial_result(2, trial, {"training_iteration": 2, "timesteps_total": 70, "loss": 1})
    callback.log_trial_end(trial, failed=failed)


def test_all_kinds_as_rays_own(tmp_path: Path) -> None:
    from ray.tune.logger import TBXLoggerCallback as Theirs

    from tbio.adapters.ray import TBXLoggerCallback

    assert issubclass(TBXLoggerCallback, Theirs)  # by which Tune knows that there is one
    drive(TBXLoggerCallback(), tmp_path / "ours", failed=False)
    drive(Theirs(), tmp_path / "theirs", failed=False)
    drive(TBXLoggerCallback(), tmp_path / "failed", failed=True)
    log = Log(tmp_path)
    scalars, counts, images = log.scalars(), log.counts(), log.images()
    assert scalars["ours"] == {
        "ray/tune/loss": [(1, 0.5), (70, 1.0)],
        "ray/tune/count": [(1, 3.0)],
        "ray/tune/nested/deep/er": [(1, 1.0)],
        "ray/tune/timesteps_total": [(70, 70.0)],
    }
    assert counts["ours"] == {"ray/tune/array": [(1, 5)], "ray/tune/list": [(1, 2)]}
    assert scalars["theirs"] == scalars["ours"]
    assert counts["theirs"] == counts["ours"]
    for tag in ("ray/tune/image", "ray/tune/images"):
        assert np.array_equal(images["ours"][tag][0][1][0], images["theirs"][tag][0][1][0])
    assert "ray/tune/video" in images["ours"]
    hparams = {"lr": 0.5, "net/units": 3, "name": "x", "flag": True}
    assert log.sessions()["theirs"].hparams == hparams
    assert log.sessions()["ours"] == Session(hparams, "SUCCESS")
    assert log.sessions()["failed"] == Session(hparams, "FAILURE")


def test_hyperparameters_from_the_start(tmp_path: Path) -> None:
    from tbio.adapters.ray import TBXLoggerCallback

    callback = TBXLoggerCallback()
    trial = Trial(init_local_path=lambda: None, local_path=str(tmp_path), evaluated_params={"a": 1})
    callback.log_trial_start(trial)
    callback.log_trial_result(1, trial, {"training_iteration": 1})
    assert Log(tmp_path).sessions() == {".": Session({"a": 1}, None)}
    callback.log_trial_end(trial)
    assert Log(tmp_path).sessions() == {".": Session({"a": 1}, "SUCCESS")}
