"""Optuna's callback, without TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from hidden_packages import TENSORBOARDS, run_page_without
from tensorboard_server import TensorBoardServer
from tensorboard_values import Log, Session, stored

from tbio.adapters.optuna import TensorBoardCallback

optuna.logging.set_verbosity(optuna.logging.ERROR)

STATUS = {"COMPLETE": "SUCCESS", "PRUNED": "UNKNOWN", "FAIL": "FAILURE"}


def check(log: Log, trials: list[optuna.trial.FrozenTrial], name: str) -> None:
    """The log holds what Optuna says of its trials."""
    assert log.sessions() == {
        f"trial-{trial.number}": Session(trial.params, STATUS[trial.state.name]) for trial in trials
    }
    scalars = log.scalars()
    for trial in trials:
        expected = {}
        if trial.intermediate_values:
            expected[f"{name}/intermediate"] = [
                (step, stored(value)) for step, value in trial.intermediate_values.items()
            ]
        if trial.state.name == "COMPLETE":
            expected[name] = [(trial.number, stored(trial.value))]
        assert scalars.get(f"trial-{trial.number}", {}) == expected


def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    tell = "[[t.state.name, t.value, t.params, t.intermediate_values] for t in study.trials]"
    told = run_page_without("optuna.md", tmp_path, *TENSORBOARDS, "torch", tell=tell)
    log = Log(tmp_path / "runs")
    states = {state for state, *_ in told}
    assert (len(told), states) == (12, {"COMPLETE", "PRUNED"})
    scalars, sessions = log.scalars(), log.sessions()
    for number, (state, value, params, reported) in enumerate(told):
        run = f"trial-{number}"
        assert sessions[run] == Session(params, STATUS[state])
        assert scalars[run]["error/intermediate"] == [
            (int(step), stored(at)) for step, at in reported.items()
        ]
        points = [(number, stored(value))] if state == "COMPLETE" else None
        assert scalars[run].get("error") == points


def test_every_end_of_a_trial(tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.suggest_int("n", 1, 5)
        trial.suggest_categorical("choice", ["a", None])
        if trial.number == 1:
            raise optuna.TrialPruned
        if trial.number == 2:
            raise KeyError
        if trial.number == 3:
            return float("nan")  # which Optuna takes for a failure
        return 0.5

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    callback = TensorBoardCallback(tmp_path, "loss")
    study.optimize(objective, n_trials=5, callbacks=[callback], catch=(KeyError,))
    log = Log(tmp_path)
    assert [session.status for session in log.sessions().values()] == [
        *("SUCCESS", "UNKNOWN", "FAILURE", "FAILURE", "SUCCESS")
    ]
    trials = study.trials
    for trial in trials:  # None has no place in a row, and is left out
        trial.params = {k: v for k, v in trial.params.items() if v is not None}
    check(log, trials, "loss")


def test_a_study_that_is_over_and_in_threads(tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", 0, 1)

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, 8, n_jobs=4, callbacks=[TensorBoardCallback(tmp_path / "a", "v")])
    for trial in study.trials:
        TensorBoardCallback(str(tmp_path / "b"), "v")(study, trial)
    for name in "ab":
        check(Log(tmp_path / name), study.trials, "v")
    # the times are the trial's own
    accumulator = Log(tmp_path / "b").runs["trial-0"]
    completed = study.trials[0].datetime_complete
    assert completed is not None
    assert accumulator.Tensors("v")[0].wall_time == completed.timestamp()


def test_a_trial_that_runs_is_left_out(tmp_path: Path) -> None:
    study = optuna.create_study()
    study.ask()
    TensorBoardCallback(tmp_path, "v")(study, study.trials[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")  # names of metrics
@pytest.mark.parametrize(
    ("names", "given", "tags"),
    [
        ("v", None, ["v_0", "v_1"]),
        ("v", ["error", "size"], ["error", "size"]),
        (["a", "b"], ["error", "size"], ["a", "b"]),
    ],
)
def test_several_objectives(
    tmp_path: Path, names: Any, given: list[str] | None, tags: list[str]
) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    if given:
        study.set_metric_names(given)
    study.optimize(lambda trial: (1.0, 2.0), 1, callbacks=[TensorBoardCallback(tmp_path, names)])
    assert Log(tmp_path).scalars() == {"trial-0": {tags[0]: [(0, 1.0)], tags[1]: [(0, 2.0)]}}


def test_names_for_another_number_of_objectives(tmp_path: Path) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    with pytest.raises(ValueError, match="want 2 names of metrics, got \\['a'\\]"):
        study.optimize(lambda trial: (1, 2), 1, callbacks=[TensorBoardCallback(tmp_path, ["a"])])


def test_the_hparams_page(tmp_path: Path) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(
        lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_categorical("k", [1, 2]),
        4,
        callbacks=[TensorBoardCallback(tmp_path, "sum")],
    )
    with TensorBoardServer(tmp_path, "rustboard") as server:
        server.wait_for("/data/runs", lambda runs: len(runs) == 4)
        request = {
            "allowedStatuses": ["STATUS_SUCCESS"],
            "colParams": [],
            "startIndex": 0,
            "sliceSize": 9,
        }
        columns = server.json("/data/plugin/hparams/experiment", request="{}")
        groups = server.json("/data/plugin/hparams/session_groups", request=json.dumps(request))
    assert {info["name"] for info in columns["hparamInfos"]} == {"x", "k"}
    assert [info["name"]["tag"] for info in columns["metricInfos"]] == ["sum"]
    rows = sorted(row["hparams"]["x"] + row["hparams"]["k"] for row in groups["sessionGroups"])
    assert rows == pytest.approx(sorted(trial.values[0] for trial in study.trials))
