"""The callback for LightGBM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hidden_packages import TENSORBOARDS, run_page_without
from tensorboard_values import Log, curve

from tbio.adapters.lightgbm import TensorBoardCallback

PARAMS = {"objective": "regression", "metric": "l2", "verbose": -1, "num_threads": 1}


def data() -> lightgbm.Dataset:
    x = np.random.default_rng(0).normal(size=(90, 3))
    return lightgbm.Dataset(x, x[:, 0], free_raw_data=False)


def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    history = run_page_without("lightgbm.md", tmp_path, *TENSORBOARDS, "torch", tell="history")
    log = Log(tmp_path / "runs")
    rounds = len(history["test"]["auc"])
    assert 5 < rounds < 300  # it was stopped early
    assert log.scalars() == {
        f"lightgbm/{name}": {metric: curve(values) for metric, values in metrics.items()}
        for name, metrics in history.items()
    }
    session = log.sessions()["lightgbm"]
    assert session.status == "SUCCESS"
    assert session.hparams["objective"] == "binary"
    assert session.hparams["metric"] == '["binary_logloss", "auc"]'


def test_cross_validation(tmp_path: Path) -> None:
    with TensorBoardCallback(tmp_path) as callback:
        found: Any = lightgbm.cv(
            PARAMS, data(), 4, nfold=3, stratified=False, seed=0, callbacks=[callback]
        )
    log = Log(tmp_path)
    (mean,) = [values for name, values in found.items() if name.endswith("l2-mean")]
    (deviation,) = [values for name, values in found.items() if name.endswith("l2-stdv")]
    assert log.scalars() == {
        "valid": {
            "l2": curve(mean),
            "l2-stdv": curve(deviation),
        }
    }


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")  # from 4.7 on
def test_in_the_style_of_sklearn(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(90, 3))
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1)
    with TensorBoardCallback(tmp_path) as callback:
        model.fit(x, x[:, 0], eval_set=[(x, x[:, 0])], callbacks=[callback])
    (metrics,) = Log(tmp_path).scalars().values()
    assert metrics == {"l2": curve(model.evals_result_["valid_0"]["l2"])}


def test_a_training_that_fails(tmp_path: Path) -> None:
    def fail(env: lightgbm.callback.CallbackEnv) -> None:
        if env.iteration == 2:
            raise KeyError("on purpose")

    train = data()
    with pytest.raises(KeyError), TensorBoardCallback(tmp_path) as callback:
        lightgbm.train(PARAMS, train, 9, valid_sets=[train], callbacks=[callback, fail])
    log = Log(tmp_path)
    assert log.sessions()["."].status == "FAILURE"
    assert [step for step, _ in log.scalars()["training"]["l2"]] in ([0, 1], [0, 1, 2])


def test_without_data_sets(tmp_path: Path) -> None:
    with TensorBoardCallback(tmp_path, filename_suffix=".x") as callback:
        lightgbm.train(PARAMS, data(), 2, callbacks=[callback])
    assert Log(tmp_path).scalars() == {}
    assert Log(tmp_path).sessions()["."].hparams["metric"] == "l2"
    assert list(tmp_path.glob("*.x"))
