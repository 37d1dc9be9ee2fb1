"""scikit-learn's estimators and searches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hidden_packages import TENSORBOARDS, run_page_without
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tensorboard_values import Log, Session, curve, stored

import tbio
from tbio.adapters.sklearn import write_curves, write_search, write_step

X = np.random.default_rng(0).normal(size=(60, 3))
Y = X[:, 0] + 0.1 * X[:, 1]


def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    tell = """[model.loss_, model.score(*test), list(boosting.train_score_),
        {k: np.ma.filled(v, None).tolist() for k, v in search.cv_results_.items() if k != "params"},
        search.cv_results_["params"]]"""
    loss, score, train_score, results, params = run_page_without(
        "sklearn.md", tmp_path, *TENSORBOARDS, "torch", tell=tell
    )
    log = Log(tmp_path / "runs")
    scalars = log.scalars()
    mlp = scalars["mlp"]
    assert {tag: len(points) for tag, points in mlp.items()} == {
        "loss": 10,
        "train/score": 10,
        "test/score": 10,
    }
    assert [mlp["loss"][-1], mlp["test/score"][-1]] == [
        (9, stored(loss)),
        (9, stored(score)),
    ]
    # 20 features, 16 units, one output
    sizes = {tag: count for tag, ((_, count), *_) in log.counts()["mlp"].items()}
    assert sizes == {"coefs_/0": 320, "coefs_/1": 16, "intercepts_/0": 16, "intercepts_/1": 1}
    assert scalars["boosting"] == {"train_score": curve(train_score)}
    assert log.sessions()["boosting"].hparams["n_estimators"] == 20
    assert len(params) == 6
    for number, each in enumerate(params):
        run = f"search/candidate-{number}"
        assert log.sessions()[run] == Session(each, "SUCCESS")
        splits = [results[f"split{split}_test_score"][number] for split in range(5)]
        assert scalars[run].pop("split_test_score") == curve(splits)
        assert scalars[run] == {
            name: [(0, stored(values[number]))]
            for name, values in results.items()
            if not name.startswith(("split", "param"))
        }


def test_linear_models_and_pipelines(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)
    with tbio.SummaryWriter(tmp_path) as writer:
        write_step(writer, model, 4, all=(X, Y))
    log = Log(tmp_path)
    assert log.scalars() == {".": {"all/score": [(4, stored(model.score(X, Y)))]}}
    assert log.counts() == {".": {"coef_": [(4, 3)], "intercept_": [(4, 1)]}}


def test_a_loop_of_a_classifier(tmp_path: Path) -> None:
    model = SGDClassifier(random_state=0)
    with tbio.SummaryWriter(tmp_path) as writer:
        for step in range(3):
            model.partial_fit(X, Y > 0, classes=[False, True])
            write_step(writer, model, step)
    log = Log(tmp_path)
    assert log.scalars() == {}
    assert log.counts()["."]["coef_"] == [(0, 3), (1, 3), (2, 3)]


@pytest.mark.parametrize(
    ("model", "curves"),
    [
        (
            MLPRegressor(hidden_layer_sizes=[4], early_stopping=True, max_iter=5, random_state=0),
            {"loss_curve_": "loss", "validation_scores_": "validation_score"},
        ),
        (
            GradientBoostingRegressor(n_estimators=4, subsample=0.5, random_state=0),
            {
                "train_score_": "train_score",
                "oob_improvement_": "oob_improvement",
                "oob_scores_": "oob_score",
            },
        ),
        (
            HistGradientBoostingRegressor(max_iter=4, early_stopping=True, random_state=0),
            {"train_score_": "train_score", "validation_score_": "validation_score"},
        ),
        (LinearRegression(), {}),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_curves(tmp_path: Path, model: Any, curves: dict[str, str]) -> None:
    model.fit(X, Y)
    with tbio.SummaryWriter(tmp_path) as writer:
        write_curves(writer, model)
    expected = {tag: curve(getattr(model, name)) for name, tag in curves.items()}
    assert Log(tmp_path).scalars().get(".", {}) == expected


@pytest.mark.filterwarnings("ignore:[\\s\\S]*fits failed", "ignore:One or more of the t")
def test_a_search_with_several_scores_and_failures(tmp_path: Path) -> None:
    search = GridSearchCV(
        DummyClassifier(),
        {"strategy": ["prior", "constant"], "constant": [None, True]},
        scoring=["accuracy", "f1"],
        refit=False,
        cv=2,
        return_train_score=True,
    )
    search.fit(X, Y > 0)  # "constant" without a constant fails
    write_search(tmp_path, search)
    log = Log(tmp_path)
    status = {
        json.dumps(session.hparams, sort_keys=True): session.status
        for session in log.sessions().values()
    }
    assert status == {
        '{"strategy": "prior"}': "SUCCESS",
        '{"strategy": "constant"}': "FAILURE",
        '{"constant": true, "strategy": "prior"}': "SUCCESS",
        '{"constant": true, "strategy": "constant"}': "SUCCESS",
    }
    scalars = log.scalars()["candidate-0"]
    assert {"mean_test_accuracy", "mean_train_f1", "split_test_f1", "rank_test_f1"} <= set(scalars)
    mean = search.cv_results_["mean_test_f1"]
    assert scalars["mean_test_f1"] == [(0, stored(mean[0]))]


def test_a_random_search_by_its_results(tmp_path: Path) -> None:
    search = RandomizedSearchCV(
        LinearRegression(), {"fit_intercept": [True, False]}, n_iter=2, cv=2, random_state=0
    )
    with pytest.raises(TypeError, match="want a search that was fitted, got RandomizedSearchCV"):
        write_search(tmp_path, search)
    write_search(tmp_path, search.fit(X, Y).cv_results_)
    assert [session.hparams for session in Log(tmp_path).sessions().values()] == (
        search.cv_results_["params"]
    )


def test_a_loss_of_any_float(tmp_path: Path) -> None:
    class Model:
        loss_ = np.float32(0.5)

    with tbio.SummaryWriter(tmp_path) as writer:
        write_step(writer, Model(), 3)
    (series,) = tbio.open(tmp_path)["."].scalars.values()
    assert (series.tag, series.steps.tolist(), series.values.tolist()) == ("loss", [3], [0.5])
