from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from builders import series

from tbio import ScalarSeries, ScalarTable


@pytest.fixture
def table() -> ScalarTable:
    return ScalarTable(
        [
            series([0.5, 0.25], run="a", tag="loss"),
            series([1, 2, 3], run="a", tag="lr", dtype=np.float64, steps=[0, 2, 2]),
            series([9], run="b", tag="loss", steps=[7]),
        ]
    )


def test_columns(table: ScalarTable) -> None:
    assert len(table) == 6
    assert table.run.tolist() == ["a"] * 5 + ["b"]
    assert table.tag.tolist() == ["loss", "loss", "lr", "lr", "lr", "loss"]
    assert table.step.tolist() == [0, 1, 0, 2, 2, 7]
    assert table.wall_time.tolist() == [100, 101, 100, 101, 102, 100]
    assert table.value.tolist() == [0.5, 0.25, 1, 2, 3, 9]
    assert table.step.dtype == np.int64
    assert table.value.dtype == np.float64


def test_float32_stays_float32() -> None:
    assert ScalarTable([series([0.1])]).value.dtype == np.float32


def test_long_ways_out(table: ScalarTable) -> None:
    expected = {
        "run": ["a"] * 5 + ["b"],
        "tag": ["loss", "loss", "lr", "lr", "lr", "loss"],
        "step": [0, 1, 0, 2, 2, 7],
        "wall_time": [100.0, 101.0, 100.0, 101.0, 102.0, 100.0],
        "value": [0.5, 0.25, 1.0, 2.0, 3.0, 9.0],
    }
    assert table.to_pandas().to_dict("list") == expected
    assert table.to_polars().to_dict(as_series=False) == expected
    assert table.to_arrow().to_pydict() == expected


def test_pandas_takes_masks_and_groups(table: ScalarTable) -> None:
    frame = table.to_pandas()
    assert frame[frame.tag == "lr"].value.tolist() == [1, 2, 3]
    assert frame.groupby("run", observed=True).value.max().to_dict() == {"a": 3.0, "b": 9.0}


def test_arrow_stream(table: ScalarTable) -> None:
    reader = pa.RecordBatchReader.from_stream(table)
    assert reader.read_all() == table.to_arrow()
    assert pl.DataFrame(table).shape == (6, 5)


def test_empty() -> None:
    empty = ScalarTable([])
    assert len(empty) == 0
    assert list(empty.to_pandas().columns) == ["run", "tag", "step", "wall_time", "value"]
    assert empty.to_polars().shape == (0, 5)
    assert empty.to_arrow().num_rows == 0
    assert empty.wide().names() == ["run", "step"]


def test_wide(table: ScalarTable) -> None:
    wide = table.wide()
    assert wide.names() == ["run", "step", "loss", "lr"]
    assert wide.run.tolist() == ["a", "a", "a", "a", "b"]
    assert wide.at.tolist() == [0, 1, 2, 2, 7]  # lr has two values at step 2: two rows
    assert wide.columns["loss"].tolist() == [0.5, 0.25, None, None, 9.0]
    assert wide.columns["lr"].tolist() == [1.0, None, 2.0, 3.0, None]
    assert wide.columns["loss"].dtype == np.float32


def test_wide_ways_out(table: ScalarTable) -> None:
    wide = table.wide()
    frame = wide.to_pandas()
    assert list(frame.columns) == ["run", "step", "loss", "lr"]
    assert frame["loss"].isna().tolist() == [False, False, True, True, False]
    pd.testing.assert_series_equal(
        frame["lr"], pd.Series([1.0, np.nan, 2.0, 3.0, np.nan], name="lr")
    )
    expected = {
        "run": ["a", "a", "a", "a", "b"],
        "step": [0, 1, 2, 2, 7],
        "loss": [0.5, 0.25, None, None, 9.0],
        "lr": [1.0, None, 2.0, 3.0, None],
    }
    assert wide.to_arrow().to_pydict() == expected
    assert wide.to_polars().to_dict(as_series=False) == expected


def test_wide_by_time() -> None:
    table = ScalarTable(
        [
            series([1, 2], tag="x", wall_times=[10.0, 12.5]),
            series([3], tag="y", wall_times=[12.5]),
        ]
    )
    by_time = table.wide("wall_time")
    assert by_time.at.tolist() == [10.0, 12.5]
    assert by_time.columns["y"].tolist() == [None, 3.0]
    relative = table.wide("relative_time")
    assert relative.at.tolist() == [0.0, 2.5]
    assert relative.columns["y"].tolist() == [3.0, None]
    with pytest.raises(ValueError, match="index: want one of"):
        table.wide("time")  # type: ignore[arg-type]


def test_wide_integers_with_gaps_become_floats_in_pandas() -> None:
    table = ScalarTable(
        [series([7], tag="n", dtype=np.int64), series([1, 2], tag="x")],
    )
    assert table.wide().to_pandas()["n"].tolist()[0] == 7.0
    assert table.wide().to_arrow()["n"].to_pylist() == [7, None]


def test_wide_keeps_nan_apart_from_nothing() -> None:
    wide = ScalarTable([series([np.nan], tag="a"), series([1, 2], tag="b")]).wide()
    assert np.ma.getmaskarray(wide.columns["a"]).tolist() == [False, True]


def test_wide_with_a_tag_called_step() -> None:
    wide = ScalarTable([series([1], tag="step"), series([2], tag="run")]).wide()
    assert wide.names() == ["run", "step", "tag:run", "tag:step"]
    both = ScalarTable([series([1], tag="run"), series([2], tag="tag:run")]).wide()
    assert both.names() == ["run", "step", "tag:run", "tag:tag:run"]
    assert both.to_pandas().shape == (1, 4)


def test_wide_against_pandas() -> None:
    random = np.random.default_rng(0)
    parts: list[ScalarSeries] = []
    for run in "abc":
        for tag in ("x", "y/z", "w"):
            steps = np.sort(random.choice(200, 120, replace=False))
            parts.append(series(random.random(120), run=run, tag=tag, steps=steps))
    table = ScalarTable(parts)
    frame = table.to_pandas().astype({"run": str, "tag": str})
    pivot = frame.pivot_table(index=["run", "step"], columns="tag", values="value")
    wide = table.wide().to_pandas().set_index(["run", "step"])
    tags = ["w", "x", "y/z"]
    pd.testing.assert_frame_equal(
        wide[tags], pivot[tags], check_names=False, check_index_type=False
    )
