"""Checkpoints: early stopping against the loop it stands for and Keras's own; the best step."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_reduction import points, write

import tbio
from tbio.checkpoints import best, early_stop

NAN, INF = math.nan, math.inf


def stopped(
    values: list[float], mode: str, patience: int, min_delta: float
) -> tuple[int | None, int | None]:
    """Early stopping, one value after the other."""
    reference, kept, wait = INF if mode == "min" else -INF, None, 0
    for at, value in enumerate(values):
        wait += 1
        if value + min_delta < reference if mode == "min" else value - min_delta > reference:
            reference, kept, wait = value, at, 0
        elif at == 0:
            wait = 0
        elif wait >= patience:
            return kept, at
    return kept, None


VALUES = st.lists(st.integers(-4, 4).map(float) | st.sampled_from([NAN, INF, -INF]), max_size=30)


@given(VALUES, st.sampled_from(["min", "max"]), st.integers(0, 5), st.sampled_from([0.0, 0.5, 2.0]))
def test_early_stopping_is_the_loop(
    values: list[float], mode: str, patience: int, min_delta: float
) -> None:
    found = early_stop(np.array(values), mode, patience, min_delta)
    assert found == stopped(values, mode, patience, min_delta)


@pytest.mark.parametrize(
    ("values", "options", "best_and_stop"),
    [
        ([3, 2, 1], {"patience": 1}, (2, None)),
        ([1, 2, 0], {"patience": 1}, (0, 1)),
        ([1, 2, 0], {"patience": 2}, (2, None)),
        ([1, 2, 2], {"patience": 2}, (0, 2)),
        ([1, 0.95, 0.9, 0.85], {"patience": 3, "min_delta": 0.1}, (3, None)),
        ([1, 0.95, 0.9, 0.9], {"patience": 3, "min_delta": 0.1}, (0, 3)),
        ([NAN, NAN, 1], {"patience": 2}, (2, None)),
        ([NAN, NAN, NAN], {"patience": 2}, (None, 2)),
        ([], {"patience": 2}, (None, None)),
        ([5], {"patience": 0}, (0, None)),
        ([5, 5], {"patience": 0}, (0, 1)),
    ],
)
def test_early_stopping_by_hand(values: list[float], options: Any, best_and_stop: Any) -> None:
    assert early_stop(np.array(values), "min", **options) == best_and_stop
    assert early_stop(-np.array(values), "max", **options) == best_and_stop


@pytest.mark.full
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("patience", "min_delta"), [(0, 0.0), (1, 0.0), (3, 0.0), (3, 0.25)])
def test_early_stopping_is_that_of_keras(mode: str, patience: int, min_delta: float) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    class Model:
        stop_training = False

    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=60).cumsum().round(2)
        callback = keras.callbacks.EarlyStopping("x", min_delta, patience, mode=mode)
        callback.set_model(Model())
        callback.on_train_begin()
        stop = None
        for epoch, value in enumerate(values.tolist()):
            callback.on_epoch_end(epoch, {"x": value})
            if callback.model.stop_training:
                stop = epoch
                break
        found = early_stop(values, mode, patience, min_delta)
        assert found == (callback.best_epoch, stop)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "auto", "patience": 1}, 'mode: want "min" or "max"'),
        ({"mode": "min", "patience": -1}, "want patience and min_delta from 0, got -1 and 0"),
        ({"mode": "min", "patience": 1, "min_delta": NAN}, "want patience and min_delta from 0"),
    ],
)
def test_wrong_early_stopping(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        early_stop(np.zeros(3), **options)


# ------------------------------------------------------------------ of logs


@pytest.fixture
def logs(tmp_path: Path) -> tbio.LogDir:
    return tbio.open(
        write(
            tmp_path,
            {
                "a": {"val/loss": points(5, 3, 4, 3.5, 2, steps=[0, 10, 20, 30, 40])},
                "b": {"val/loss": points(5, 1, NAN, 6, 7, steps=[0, 10, 20, 30, 40])},
                "c": {"val/loss": points(NAN, NAN), "acc": points(0.5, 0.25), "lr": points(1)},
            },
        )
    )


def test_the_best_step_of_each_run(logs: tbio.LogDir) -> None:
    table = best(logs)
    assert list(table.columns) == [
        *("run", "tag", "mode", "step", "value", "wall_time", "relative_time", "points"),
        "last_step",
    ]
    assert [tuple(row.values()) for row in table] == [
        ("c", "acc", "max", 0, 0.5, 1200.0, 0.0, 2, 1),
        ("b", "val/loss", "min", 10, 1.0, 1101.0, 1.0, 5, 40),
        ("a", "val/loss", "min", 40, 2.0, 1004.0, 4.0, 5, 40),
        ("c", "val/loss", "min", None, None, None, None, 2, 1),
    ]
    assert table["value"].dtype == np.float32


def test_where_it_would_have_stopped(logs: tbio.LogDir) -> None:
    found = {
        row["run"]: [row[name] for name in ("step", "stop_step", "kept_step", "kept_value")]
        for row in best(logs, mode="min", patience=2)
        if row["tag"] == "val/loss"
    }
    assert found == {
        "a": [40, 30, 10, 3.0],  # the best came after the end
        "b": [10, 30, 10, 1.0],
        "c": [None, None, None, None],
    }


def test_the_best_of_the_smoothed_curve(tmp_path: Path) -> None:
    curve = points(10, 0, 10, 4, 4, 4)
    (row,) = best(tbio.open(write(tmp_path, {"r": {"loss": curve}})), smoothing=0.6)
    values = [10.0, 0.0, 10.0, 4.0, 4.0, 4.0]
    last, smooth = 0.0, []
    for number, value in enumerate(values, 1):  # the page's formula
        last = last * 0.6 + 0.4 * value
        smooth.append(last / (1 - 0.6**number))
    assert smooth.index(min(smooth)) == 1
    assert (row["step"], row["value"]) == (1, 0.0)
    assert row["smoothed"] == pytest.approx(min(smooth))
    (later,) = best(tbio.open(tmp_path), smoothing=0.9, mode="max", patience=1)
    assert (later["step"], later["value"], later["stop_step"]) == (0, 10.0, 1)


def test_tags_that_do_not_tell(logs: tbio.LogDir, tmp_path: Path) -> None:
    assert "lr" not in best(logs)["tag"]
    assert "lr" in best(logs, mode="max")["tag"]
    with pytest.raises(ValueError, match=r"the tag 'lr' does not tell what is best"):
        best(tbio.open(tmp_path, tags="lr"))
    with pytest.raises(ValueError, match="mode: want one of auto, min, max"):
        best(logs, mode="least")  # type: ignore[arg-type]
    assert len(best(tbio.open(tmp_path, tags="nothing"))) == 0
