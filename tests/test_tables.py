from __future__ import annotations

import dataclasses
import math
import time
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from builders import series

from tbio import ScalarSeries, ScalarTable
from tbio.errors import NotFoundError
from tbio.tables import Table, column


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


def test_wide_by_times_that_are_nan() -> None:
    """They are equal: the nth of each tag share a row, at the end of the run."""
    nan = math.nan
    table = ScalarTable(
        [
            series([1, 2, 3], run="a", tag="x", wall_times=[nan, 5, nan]),
            series([4, 5], run="a", tag="y", wall_times=[nan, 7]),
            series([6], run="b", tag="x", wall_times=[1]),
        ]
    )
    wide = table.wide("wall_time")
    np.testing.assert_equal(wide.at, [5, 7, nan, nan, 1])
    assert wide.columns["x"].tolist() == [2, None, 1, 3, 6]
    assert wide.columns["y"].tolist() == [None, 5, 4, None, None]
    relative = table.wide("relative_time")  # since a time that is NaN
    assert relative.columns["x"].tolist() == [1, 2, 3, 6]
    assert relative.columns["y"].tolist() == [4, 5, None, None]


def test_wide_with_an_empty_series() -> None:
    wide = ScalarTable([series([], tag="x"), series([1], tag="y")]).wide("wall_time")
    assert wide.at.dtype == np.float64
    assert wide.columns["x"].tolist() == [None]
    assert ScalarTable([series([], tag="x")]).wide().at.dtype == np.int64


def test_wide_arrow_stream(table: ScalarTable) -> None:
    assert pa.RecordBatchReader.from_stream(table.wide()).read_all() == table.wide().to_arrow()


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


# ------------------------------------------------------------------ plain tables


def arrays(**cells: list[Any]) -> Table:
    return Table({name: column(some) for name, some in cells.items()})


@pytest.fixture
def plain() -> Table:
    return arrays(
        name=["a", "ü", "c"],
        flag=[True, False, True],
        maybe=[True, None, False],
        count=[1, 2, 3],
        some=[2**60 + 1, None, 3],
        rate=[0.5, math.nan, 2.0],
        lack=[0.5, None, math.nan],
        text=["x", None, "y"],
        mixed=[True, 0.5, "z"],
        lists=[[1, "b"], None, {"a": None}],
        nothing=[None, None, None],
    )


def test_plain_columns(plain: Table) -> None:
    assert len(plain) == 3
    assert list(plain.columns)[:2] == ["name", "flag"]
    assert plain["flag"].dtype == plain["maybe"].dtype == np.bool_
    assert plain["count"].dtype == plain["some"].dtype == np.int64
    assert plain["rate"].dtype == plain["lack"].dtype == np.float64
    assert plain["some"].tolist() == [2**60 + 1, None, 3]
    assert plain["mixed"].tolist() == [True, 0.5, "z"]
    with pytest.raises(NotFoundError, match="no name 'coun' in the table's columns; nearest:"):
        plain["coun"]
    with pytest.raises(ValueError, match=r"want columns of one length, got lengths \[1, 2\]"):
        Table({"a": np.zeros(1), "b": np.zeros(2)})


def test_rows(plain: Table) -> None:
    second = list(plain)[1]
    assert math.isnan(second.pop("rate"))
    assert second == {
        "name": "ü",
        "flag": False,
        "maybe": None,
        "count": 2,
        "some": None,
        "lack": None,
        "text": None,
        "mixed": 0.5,
        "lists": None,
        "nothing": None,
    }


def test_plain_to_pandas(plain: Table) -> None:
    frame = plain.to_pandas()
    kinds = frame.dtypes.astype(str).to_dict()
    texts = pd.Series(["a"]).dtype  # "object", from pandas 3 on "str"
    assert (kinds.pop("name"), kinds.pop("text")) == (str(texts), str(texts))
    assert kinds == {
        "flag": "bool",
        "maybe": "boolean",
        "count": "int64",
        "some": "Int64",
        "rate": "float64",
        "lack": "float64",
        "mixed": "object",
        "lists": "object",
        "nothing": "object",
    }
    missing = {name: cells.isna().tolist() for name, cells in frame.items()}
    assert missing["maybe"] == missing["some"] == missing["text"] == [False, True, False]
    assert missing["lack"] == [False, True, True]
    assert missing["nothing"] == [True] * 3
    assert frame["some"][0] == 2**60 + 1
    assert frame["mixed"].tolist() == [True, 0.5, "z"]


def test_plain_to_arrow_and_polars(plain: Table) -> None:
    arrow, frame = plain.to_arrow(), plain.to_polars()
    kinds = {
        "name": ("string", "String"),
        "flag": ("bool", "Boolean"),
        "maybe": ("bool", "Boolean"),
        "count": ("int64", "Int64"),
        "some": ("int64", "Int64"),
        "rate": ("double", "Float64"),
        "lack": ("double", "Float64"),
        "text": ("string", "String"),
        "mixed": ("string", "String"),
        "lists": ("string", "String"),
        "nothing": ("string", "String"),
    }
    assert {field.name: str(field.type) for field in arrow.schema} == {
        name: kind for name, (kind, _) in kinds.items()
    }
    assert {name: str(kind) for name, kind in frame.schema.items()} == {
        name: kind for name, (_, kind) in kinds.items()
    }
    expected = {
        "name": ["a", "ü", "c"],
        "flag": [True, False, True],
        "maybe": [True, None, False],
        "count": [1, 2, 3],
        "some": [2**60 + 1, None, 3],
        "rate": [0.5, math.nan, 2.0],
        "lack": [0.5, None, math.nan],  # NaN is a value, and no lack of one
        "text": ["x", None, "y"],
        "mixed": ["true", "0.5", "z"],
        "lists": ['[1, "b"]', None, '{"a": null}'],
        "nothing": [None, None, None],
    }
    np.testing.assert_equal(arrow.to_pydict(), expected)
    np.testing.assert_equal(frame.to_dict(as_series=False), expected)
    assert pa.RecordBatchReader.from_stream(plain).read_all().equals(arrow) is False  # of the NaN
    np.testing.assert_equal(pa.table(plain).to_pydict(), expected)


def test_other_numbers() -> None:
    table = Table(
        {
            "single": column([np.float32(0.1), None]),
            "complex": np.array([1j, 2], np.complex64),
            "unsigned": np.ma.array([2**64 - 1, 0], dtype=np.uint64, mask=[False, True]),
            "half": np.array([0.5, 1], np.float16),
        }
    )
    assert table["single"].dtype == np.float32
    assert table.to_arrow().to_pydict() == {
        "single": [float(np.float32(0.1)), None],
        "complex": ["1j", "(2+0j)"],
        "unsigned": [2**64 - 1, None],
        "half": [0.5, 1],
    }
    assert table.to_polars().rows() == [
        (float(np.float32(0.1)), "1j", 2**64 - 1, 0.5),
        (None, "(2+0j)", None, 1),
    ]
    frame = table.to_pandas()
    assert frame["unsigned"][0] == 2**64 - 1
    assert frame["complex"].tolist() == [1j, 2]


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        ([1, 2.5], np.float64),
        ([np.int32(1), 2], np.int64),
        ([np.float32(1), 2.5], np.float64),
        ([np.float32(1), np.float32(2)], np.float32),
        ([2**53 + 1, 0.5], object),  # no float holds it
        ([2**53, 0.5, math.nan], np.float64),
        ([2**63, 1], object),
        ([10**400, 0.5], object),
        ([np.uint64(2**64 - 1)], object),
        ([True, 1], object),
        ([np.True_, False], np.bool_),
        (["a", 1], object),
        ([], object),
        ([[1], [2]], object),
    ],
    ids=repr,
)
def test_dtype_of_a_column(cells: list[Any], dtype: Any) -> None:
    for some in (cells, [*cells, None], [None, *cells]):
        got = column(some)
        assert got.dtype == dtype
        np.testing.assert_equal(got.tolist(), some)


def test_a_column_of_nothing() -> None:
    assert column([None, None], np.int64).dtype == np.int64
    assert column([], np.float64).dtype == np.float64
    assert column([None], np.float64).tolist() == [None]


class Point(NamedTuple):
    x: int
    y: str | None = None


@dataclasses.dataclass(frozen=True)
class Pair:
    a: float
    b: tuple[int, int]


def test_of_rows() -> None:
    assert list(Table.of_rows([Point(1), Point(2, "b")])) == [
        {"x": 1, "y": None},
        {"x": 2, "y": "b"},
    ]
    pairs = Table.of_rows([Pair(0.5, (1, 2)), Pair(1, (3, 4))])
    assert pairs["a"].tolist() == [0.5, 1.0]
    assert pairs["b"].tolist() == [(1, 2), (3, 4)]
    assert list(Table.of_rows([], Point).columns) == ["x", "y"]
    assert list(Table.of_rows([], Pair).columns) == ["a", "b"]
    assert Table.of_rows([]).columns == {}


@pytest.mark.parametrize("table", [Table({}), arrays(a=[]), Table.of_rows([], Point)], ids=repr)
def test_tables_without_rows(table: Table) -> None:
    assert len(table) == 0
    assert list(table) == []
    names = list(table.columns)
    assert list(table.to_pandas().columns) == table.to_polars().columns == names
    assert table.to_arrow().column_names == names


def test_names_that_are_no_unicode() -> None:
    """As the operating system has them; the others can hold nothing but Unicode."""
    table = arrays(run=["a\udcff", "b"])
    assert table.to_arrow()["run"].to_pylist() == ["a\\udcff", "b"]
    assert table.to_polars()["run"].to_list() == ["a\\udcff", "b"]
    assert table.to_pandas()["run"].tolist() == ["a\\udcff", "b"]
    assert table["run"].tolist() == ["a\udcff", "b"]
    scalars = ScalarTable([series([1], run="a\udcff")])
    for whole in (scalars, scalars.wide()):
        assert whole.to_arrow()["run"].to_pylist() == ["a\\udcff"]
        assert whole.to_polars()["run"].to_list() == ["a\\udcff"]
        assert whole.to_pandas()["run"].tolist() == ["a\\udcff"]


def test_repr() -> None:
    assert repr(arrays(name=["a\n\x1b[0m", "b" * 50], lr=[0.1, None], at=[1.7e9, 1])) == (
        "<Table: 2 rows of 3 columns>\n"
        "name                              lr   at\n"
        "a\\n\\x1b[0m                        0.1  1700000000\n"
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbb...  -    1"
    )
    long = arrays(n=list(range(100)), flag=[True] * 100)
    assert repr(long).splitlines() == [
        "<Table: 100 rows of 2 columns>",
        "n    flag",
        *(f"{n}    True" for n in range(5)),
        "...  ...",
        *(f"{n}   True" for n in range(95, 100)),
    ]
    many = repr(Table({f"column{n}": column([n]) for n in range(1000)}))
    assert all(len(line) <= 105 for line in many.splitlines())
    assert many.splitlines()[1].endswith("column9  column10  ...")
    assert repr(Table({})) == "<Table: 0 rows of 0 columns>"


def test_repr_of_a_long_table_is_quick() -> None:
    table = Table({"n": np.arange(10_000_000)})
    begin = time.perf_counter()
    repr(table)
    assert time.perf_counter() - begin < 0.1


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (np.array([1j, 2], np.complex64), ["1j", "(2+0j)"]),
        (np.array([2**60 + 1, 0.5], object), [str(2**60 + 1), "0.5"]),
        (np.array([2**64 - 1, -5], object), [str(2**64 - 1), "-5"]),
    ],
)
def test_scalars_that_have_no_type_of_arrow(values: Any, texts: list[str]) -> None:
    table = ScalarTable([dataclasses.replace(series([1.0, 2.0]), values=values)])
    assert table.to_arrow()["value"].to_pylist() == texts
    assert table.to_polars()["value"].to_list() == texts
    assert table.to_pandas()["value"].tolist() == values.tolist()


class Counted(NamedTuple):
    name: str
    size: int
    share: float
    whole: bool


def test_a_table_without_rows_has_the_types_of_its_columns() -> None:
    empty = Table.of_rows([], Counted)
    assert [one.dtype for one in empty.columns.values()] == [object, np.int64, np.float64, np.bool_]
