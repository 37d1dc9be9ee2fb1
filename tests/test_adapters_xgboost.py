"""The callback for XGBoost."""

from __future__ import annotations

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


def data() -> Any:
    import xgboost

    x = np.random.default_rng(0).normal(size=(90, 3))
    return xgboost.DMatrix(x, x[:, 0])


def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    history = run_page_without("xgboost.md", tmp_path, *TENSORBOARDS, tell="history")
    log = Log(tmp_path / "runs")
    assert len(history["test"]["auc"]) == 20
    assert log.scalars() == {
        f"xgboost/{name}": {metric: curve(values) for metric, values in metrics.items()}
        for name, metrics in history.items()
    }
    assert log.sessions() == {
        "xgboost": Session(
            {
                "objective": "binary:logistic",
                "eval_metric": '["logloss", "auc"]',
                "max_depth": 3,
            },
            "SUCCESS",
        )
    }


def test_cross_validation(tmp_path: Path) -> None:
    import xgboost

    from tbio.adapters.xgboost import TensorBoardCallback

    callback = TensorBoardCallback(tmp_path)
    table = xgboost.cv({}, data(), 4, nfold=3, metrics="rmse", callbacks=[callback], seed=0)
    assert Log(tmp_path).scalars() == {
        name: {
            "rmse": curve(table[f"{name}-rmse-mean"]),
            "rmse-std": curve(table[f"{name}-rmse-std"]),
        }
        for name in ("train", "test")
    }
    assert Log(tmp_path).sessions() == {}


def test_in_the_style_of_sklearn_with_early_stopping(tmp_path: Path) -> None:
    import xgboost

    from tbio.adapters.xgboost import TensorBoardCallback

    x = np.random.default_rng(0).normal(size=(90, 3))
    model = xgboost.XGBRegressor(
        n_estimators=200,
        learning_rate=1.0,
        early_stopping_rounds=2,
        callbacks=[TensorBoardCallback(tmp_path)],
    )
    model.fit(x[:60], x[:60, 0], eval_set=[(x[60:], x[60:, 0])], verbose=False)
    found = model.evals_result()["validation_0"]["rmse"]
    assert len(found) < 200
    assert Log(tmp_path).scalars() == {"validation_0": {"rmse": curve(found)}}


def test_other_workers_log_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import xgboost

    from tbio.adapters.xgboost import TensorBoardCallback

    monkeypatch.setattr(xgboost.collective, "get_rank", lambda: 1)
    callback = TensorBoardCallback(tmp_path / "a", hparams={"a": 1})
    xgboost.train(
        {}, data(), 2, evals=[(data(), "train")], callbacks=[callback], verbose_eval=False
    )
    assert not (tmp_path / "a").exists()
