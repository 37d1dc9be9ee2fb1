"""Every format of an export, read back by its own library, against what TensorBoard has."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorboard_readers
import zstandard
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.util import tensor_util

import tbio
from tbio import SummaryWriter
from tbio.exports import (
    FORMATS,
    KINDS,
    NothingToExportError,
    format_of,
    kinds_of,
    write_table,
    xlsx_file,
)
from tbio.proto.event_pb2 import Event
from tbio.proto.tensor_pb2 import DT_STRING
from tbio.tables import Table, column

GOLDEN = Path(__file__).parent / "golden" / "digits"
_Row = dict[str, Any]


# ------------------------------------------------------------------ each by its own library


def _csv(path: Path) -> Iterator[_Row]:
    with _open_text(path) as file:
        yield from csv.DictReader(file, delimiter="\t" if ".tsv" in path.name else ",")


def _open_text(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), "utf-8", newline="")
    if path.suffix == ".zst":
        with path.open("rb") as file:
            data = zstandard.ZstdDecompressor().stream_reader(file).read()
        return io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _json(path: Path) -> Iterator[_Row]:
    with _open_text(path) as file:
        if ".jsonl" in path.name or ".ndjson" in path.name:
            yield from map(json.loads, file)
        else:
            yield from json.load(file)


def _arrow(path: Path) -> Iterator[_Row]:
    yield from pa.ipc.open_file(path).read_all().to_pylist()


def _parquet(path: Path) -> Iterator[_Row]:
    yield from pq.read_table(path).to_pylist()


def _xlsx(path: Path, sheet: str | None = None) -> Iterator[_Row]:
    book = openpyxl.load_workbook(path, read_only=True)
    try:
        head, *rows = book[sheet or book.sheetnames[0]].iter_rows(values_only=True)
        yield from (dict(zip_longest(head, row)) for row in rows)
    finally:
        book.close()


def _npz(path: Path) -> Iterator[_Row]:
    with np.load(path, allow_pickle=False) as arrays:
        manifest = json.loads(str(arrays["manifest"]))
        for entry in manifest["series"]:
            run, tag = entry.pop("run"), entry.pop("tag")
            columns = {name: arrays[key].tolist() for name, key in entry.items()}
            for row in zip(*columns.values(), strict=True):
                yield {"run": run, "tag": tag, **dict(zip(columns, row, strict=True))}
        for table in manifest["tables"]:
            wholes = {}
            for one in table["columns"]:
                cells = arrays[one["key"]].tolist()
                gone = arrays[one["missing"]] if "missing" in one else np.zeros(len(cells), bool)
                wholes[one["name"]] = [
                    None if lost else cell for cell, lost in zip(cells, gone, strict=True)
                ]
            for row in zip(*wholes.values(), strict=True):
                yield dict(zip(wholes, row, strict=True))


def _sqlite(path: Path, table: str = "") -> Iterator[_Row]:
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    if not table:
        kinds = "select name from sqlite_master where type in ('table', 'view') order by type desc"
        table = next(iter(database.execute(kinds)))["name"]
    yield from map(dict, database.execute(f'select * from "{table}"'))
    database.close()


def _duckdb(path: Path, table: str = "") -> Iterator[_Row]:
    with duckdb.connect(str(path), read_only=True) as database:
        if not table:
            table = database.sql("show tables").fetchall()[0][0]
        found = database.execute(f'select * from "{table}"')
        names = [one[0] for one in found.description or ()]
        yield from (dict(zip(names, row, strict=True)) for row in found.fetchall())


NAMES = {
    "out.csv": _csv,
    "out.tsv": _csv,
    "out.csv.gz": _csv,
    "out.tsv.zst": _csv,
    "out.json": _json,
    "out.jsonl": _json,
    "out.jsonl.gz": _json,
    "out.ndjson.gz": _json,
    "out.json.zst": _json,
    "out.parquet": _parquet,
    "out.arrow": _arrow,
    "out.xlsx": _xlsx,
    "out.npz": _npz,
    "out.sqlite": _sqlite,
    "OUT.DB": _sqlite,
    "out.duckdb": _duckdb,
}
#: openpyxl writes 16 digits, and 17 tell all doubles apart.
EXCEL = 1e-15
every_format = pytest.mark.parametrize("name", NAMES)


def exported(folder: Path | tbio.LogDir, path: Path, **options: Any) -> list[_Row]:
    logs = tbio.open(folder, restarts="keep") if isinstance(folder, Path) else folder
    tbio.export(logs, path, **options)
    assert [one.name for one in path.parent.iterdir() if one.name != "logs"] == [path.name]
    return list(NAMES[path.name](path))


def truth(folder: Path) -> list[tuple[str, str, int, float, float | None]]:
    """The scalars as TensorBoard has them."""
    return sorted(
        (run, tag, point.step, point.wall_time, point.value)
        for run, shown in tensorboard_readers.by_plugin_accumulator(folder).items()
        for tag, points in shown.get("scalars", {}).items()
        for point in points
    )


def smoothed_by_hand(values: list[float], weight: float) -> list[float]:
    """classicSmoothing of tensorboard/webapp/widgets/line_chart_v2/data_transformer.ts."""
    last, found = 0.0, []
    for count, value in enumerate(values, 1):
        last = last * weight + (1 - weight) * value
        found.append(last / (1 - weight**count))
    return found


# ------------------------------------------------------------------ scalars


@every_format
def test_scalars_as_tensorboard_has_them(tmp_path: Path, name: str) -> None:
    rows = exported(GOLDEN, tmp_path / name)
    assert list(rows[0]) == ["run", "tag", "step", "wall_time", "value"]
    found = [
        (one["run"], one["tag"], int(one["step"]), float(one["wall_time"]), one["value"])
        for one in rows
    ]
    expected = truth(GOLDEN)
    assert [one[:4] for one in sorted(found)] == [one[:4] for one in expected]
    single = [np.float32(one[4]) for one in sorted(found)]
    assert single == [one[4] for one in expected]


@every_format
def test_derived_columns(tmp_path: Path, name: str) -> None:
    rows = exported(GOLDEN, tmp_path / name, smooth=0.6, relative=True)
    assert list(rows[0])[5:] == ["smoothed", "relative_time"]
    by_series: dict[tuple[str, str], list[_Row]] = {}
    for row in rows:
        by_series.setdefault((row["run"], row["tag"]), []).append(row)
    assert len(by_series) == 4
    for series in by_series.values():
        values = [float(np.float32(row["value"])) for row in series]
        shown = [float(row["smoothed"]) for row in series]
        assert shown == pytest.approx(smoothed_by_hand(values, 0.6), rel=1e-12)
        times = [float(row["wall_time"]) for row in series]
        passed = [float(row["relative_time"]) for row in series]
        assert passed == pytest.approx([time - times[0] for time in times], abs=1e-6)


@every_format
def test_wide(tmp_path: Path, name: str) -> None:
    with SummaryWriter(tmp_path / "logs") as writer:
        for step, value in enumerate((0.1, 0.2)):
            writer.add_scalar("a", value, step, 5.0 + step)
        writer.add_scalar("b", 3, 1, 9.0)
    plain = exported(tmp_path / "logs", tmp_path / name, wide=True)
    assert list(plain[0]) == ["run", "step", "a", "b"]
    assert [(row["run"], int(row["step"]), np.float32(row["a"])) for row in plain] == [
        (".", 0, np.float32(0.1)),
        (".", 1, np.float32(0.2)),
    ]
    assert [row["b"] in ("", None) for row in plain] == [True, False]
    assert float(plain[1]["b"]) == 3
    (tmp_path / name).unlink()
    more = exported(tmp_path / "logs", tmp_path / name, wide=True, smooth=0.5, relative=True)
    assert list(more[0])[2:] == [
        *("a", "a.smoothed", "a.relative_time", "b", "b.smoothed", "b.relative_time"),
    ]
    third = (0.25 * float(np.float32(0.1)) + 0.5 * float(np.float32(0.2))) / 0.75
    assert float(more[1]["a.smoothed"]) == pytest.approx(third, rel=1e-12)
    assert [float(row["a.relative_time"]) for row in more] == [0, 1]
    assert more[0]["b.smoothed"] in ("", None)


ODD: dict[str, list[Any]] = {
    "out.csv": ["0.1", "nan", "inf", "-inf"],
    "out.jsonl": [0.1, None, None, None],
    "out.xlsx": [0.1, "nan", "inf", "-inf"],
    "out.npz": [float(np.float32(0.1)), math.nan, math.inf, -math.inf],
    "out.sqlite": [float(np.float32(0.1)), None, math.inf, -math.inf],
    "out.duckdb": [float(np.float32(0.1)), math.nan, math.inf, -math.inf],
}


@pytest.mark.parametrize("name", ODD)
def test_numbers_that_are_none(tmp_path: Path, name: str) -> None:
    with SummaryWriter(tmp_path / "logs") as writer:
        for step, value in enumerate((0.1, math.nan, math.inf, -math.inf)):
            writer.add_scalar("x", value, step)
    rows = exported(tmp_path / "logs", tmp_path / name)
    assert [repr(row["value"]) for row in rows] == [repr(value) for value in ODD[name]]


@every_format
def test_doubles_beside_floats(tmp_path: Path, name: str) -> None:
    with SummaryWriter(tmp_path / "logs" / "a") as writer:
        writer.add_scalar("x", 0.1, 0)
        writer.add_scalar("x", 1 / 3, 1, double_precision=True)
    with SummaryWriter(tmp_path / "logs" / "b") as writer:
        writer.add_scalar("x", 0.1, 0)
    rows = exported(tmp_path / "logs", tmp_path / name)
    assert float(rows[1]["value"]) == 1 / 3
    for at in (0, 2):
        assert np.float32(rows[at]["value"]) == np.float32(0.1)
        if FORMATS[format_name(name)].is_decimal:
            assert float(rows[at]["value"]) == 0.1


def format_name(name: str) -> str:
    chosen = format_of(name)
    return next(one for one, format in FORMATS.items() if format is chosen)


@every_format
def test_awkward_names_come_back(tmp_path: Path, name: str) -> None:
    tags = [
        "a,b",
        'say "x"',
        "two\nlines",
        "tab\there",
        "größe ☃",
        "<b>",
        "\x1b[2J",
        "%s",
        "A",
        "a",
    ]
    with SummaryWriter(tmp_path / "logs") as writer:
        for at, tag in enumerate(tags):
            writer.add_scalar(tag, at, 1, 1.0)
    shown = {"\x1b[2J": r"\x1b[2J"} if name == "out.xlsx" else {}
    rows = exported(tmp_path / "logs", tmp_path / name)
    assert {row["tag"]: float(row["value"]) for row in rows} == {
        shown.get(tag, tag): at for at, tag in enumerate(tags)
    }
    (tmp_path / name).unlink()
    (row,) = exported(tmp_path / "logs", tmp_path / name, wide=True)
    if format_name(name) in ("sqlite", "duckdb"):
        shown["a"] = "a_2"  # databases know no capitals
    assert list(row)[2:] == [shown.get(tag, tag) for tag in sorted(tags)]
    assert [float(row[shown.get(tag, tag)]) for tag in tags] == list(range(len(tags)))


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.xlsx"])
@pytest.mark.parametrize("wide", [False, True])
def test_formulas_are_no_formulas(tmp_path: Path, name: str, wide: bool) -> None:
    with SummaryWriter(tmp_path / "logs") as writer:
        for tag in ("=1+1", "#N/A", "fine"):
            writer.add_scalar(tag, 1, 1)

    def tags(**options: Any) -> list[str]:
        rows = exported(tmp_path / "logs", tmp_path / name, wide=wide, **options)
        return sorted(list(rows[0])[2:] if wide else [row["tag"] for row in rows])

    assert tags() == sorted(["'=1+1", "#N/A", "fine"])
    assert tags(keep_formulas=True) == sorted(["=1+1", "#N/A", "fine"])
    if name == "out.xlsx":
        cells = [cell for row in openpyxl.load_workbook(tmp_path / name).active for cell in row]
        assert {cell.data_type for cell in cells} == {"s", "n"}


# ------------------------------------------------------------------ other kinds


def loaded(folder: Path, plugin: str) -> Iterator[tuple[str, int, float, Any]]:
    """Tag, step, wall time and array of each value, by TensorBoard's loader."""
    for path in sorted(folder.glob("*tfevents*")):
        plugins: dict[str, str] = {}
        for event in event_file_loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
                if plugins[value.tag] == plugin:
                    array = tensor_util.make_ndarray(value.tensor)
                    yield value.tag, event.step, event.wall_time, array


MANY = ["out.csv", "out.jsonl.gz", "out.parquet", "out.xlsx", "out.npz", "out.sqlite", "out.duckdb"]


@pytest.mark.parametrize("name", MANY)
def test_histograms(corpus: Path, tmp_path: Path, name: str) -> None:
    folder = corpus / "peers" / "tensorflow" / "v2_histogram"
    rows = exported(folder, tmp_path / name, kinds="histograms")
    names = ["run", "tag", "step", "wall_time", "left", "right", "count"]
    assert list(rows[0]) == names
    found = sorted((row["tag"], *(float(row[one]) for one in names[2:])) for row in rows)
    expected = sorted(
        (tag, step, time, *map(float, bucket))
        for tag, step, time, buckets in loaded(folder, "histograms")
        for bucket in buckets
    )
    assert len(found) > 50
    assert [one[:2] for one in found] == [one[:2] for one in expected]
    tolerance = EXCEL if name == "out.xlsx" else 0
    numbers = np.array([one[2:] for one in found])
    wanted: Any = [one[2:] for one in expected]
    np.testing.assert_allclose(numbers, wanted, tolerance)


@pytest.mark.parametrize("name", MANY)
def test_pr_curves(corpus: Path, tmp_path: Path, name: str) -> None:
    folder = corpus / "peers" / "tensorflow" / "v1_pr_curve"
    rows = exported(folder, tmp_path / name, kinds=["pr_curves"])
    names = list(rows[0])
    assert names[4:8] == ["threshold", "true_positives", "false_positives", "true_negatives"]
    assert names[8:] == ["false_negatives", "precision", "recall"]
    found = sorted((row["tag"], *(float(row[one]) for one in names[2:])) for row in rows)
    expected = sorted(
        (tag, step, time, at / (curve.shape[1] - 1), *map(float, curve[:, at]))
        for tag, step, time, curve in loaded(folder, "pr_curves")
        for at in range(curve.shape[1])
    )
    assert [one[:2] for one in found] == [one[:2] for one in expected]
    numbers = np.array([one[2:] for one in found])
    np.testing.assert_allclose(numbers[:, :1], [one[2:3] for one in expected], EXCEL)
    np.testing.assert_allclose(numbers[:, 1:], [one[3:] for one in expected], rtol=1e-7)


@pytest.mark.parametrize("name", MANY)
def test_texts(corpus: Path, tmp_path: Path, name: str) -> None:
    folder = corpus / "peers" / "tensorflow" / "v2_text"
    rows = exported(folder, tmp_path / name, kinds="texts")
    expected = []
    for tag, step, _, array in loaded(folder, "text"):
        words = np.vectorize(lambda one: one.decode("utf-8", "backslashreplace"))(array)
        text = words.item() if words.shape in ((), (1,)) else json.dumps(words.tolist())
        if name == "out.xlsx" and len(text) > 32_767:
            text = text[:32_764] + "..."
        expected.append((tag, step, text))
    found = [(row["tag"], int(row["step"]), row["text"] or "") for row in rows]
    if name == "out.xlsx":
        found = [(tag, step, text.replace("\r\n", "\n")) for tag, step, text in found]
    unguarded = sorted((tag, step, text.removeprefix("'")) for tag, step, text in found)
    assert unguarded == sorted(expected)


@pytest.mark.parametrize("name", MANY)
def test_tensors(tmp_path: Path, name: str) -> None:
    with SummaryWriter(tmp_path / "logs") as writer:
        writer.add_tensor("t", np.array([[0.1, np.nan], [np.inf, 2]], np.float32), 3)
        writer.add_tensor("u", np.array([2**62], np.int64), 4)
    rows = exported(tmp_path / "logs", tmp_path / name, kinds="tensors")
    assert [(row["dtype"], row["shape"], row["value"]) for row in rows] == [
        ("float32", "[2, 2]", '[[0.1, "nan"], ["inf", 2.0]]'),
        ("int64", "[1]", f"[{2**62}]"),
    ]
    assert [(row["run"], row["tag"], int(row["step"])) for row in rows] == [
        (".", "t", 3),
        (".", "u", 4),
    ]


@pytest.mark.parametrize("name", MANY)
def test_hparams(tmp_path: Path, name: str) -> None:
    for at, rate in enumerate((0.1, 0.2)):
        with SummaryWriter(tmp_path / "logs" / f"t{at}") as writer:
            writer.set_hparams({"lr": rate, "LR": "big", **({"deep": True} if at else {})})
            writer.add_scalar("loss", 2 - at, 7)
    rows = exported(tmp_path / "logs", tmp_path / name, kinds="hparams")
    assert [row["run"] for row in rows] == ["t0", "t1"]
    second = "lr_2" if name in ("out.sqlite", "out.duckdb") else "lr"  # "LR" is the first
    assert [float(row[second]) for row in rows] == [0.1, 0.2]
    assert [row["LR"] for row in rows] == ["big", "big"]
    assert rows[0]["deep"] in ("", None)
    assert rows[1]["deep"] in ("true", True, 1)
    assert [float(row["loss.last"]) for row in rows] == [2, 1]
    assert [int(row["loss.last_step"]) for row in rows] == [7, 7]


@pytest.mark.parametrize(
    ("name", "read"), [("out.xlsx", _xlsx), ("out.sqlite", _sqlite), ("out.duckdb", _duckdb)]
)
def test_several_kinds_in_one_file(corpus: Path, tmp_path: Path, name: str, read: Any) -> None:
    logs = tbio.open(corpus / "peers" / "tensorflow", restarts="keep")
    report = tbio.export(logs, tmp_path / name, kinds=KINDS)
    scalars = "points" if name == "out.sqlite" else "scalars"
    counts = {
        kind: len(list(read(tmp_path / name, scalars if kind == "scalars" else kind)))
        for kind in KINDS
    }
    assert report.tables == counts
    assert report.rows == sum(counts.values())
    assert counts["scalars"] == len(logs.scalar_table())
    series = [one for run in logs.values() for one in run.histograms.values()]
    assert counts["histograms"] == sum(len(value.counts) for one in series for value in one)
    assert min(counts.values()) > 0
    assert list(report.runs) == list(logs)


def test_several_kinds_as_arrays(corpus: Path, tmp_path: Path) -> None:
    logs = tbio.open(corpus / "peers" / "tensorflow", restarts="keep")
    report = tbio.export(logs, tmp_path / "out.npz", kinds=["texts", "scalars", "hparams"])
    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        manifest = json.loads(str(arrays["manifest"]))
        assert [table["name"] for table in manifest["tables"]] == ["texts", "hparams"]
        assert len(manifest["series"]) == sum(len(run.scalars) for run in logs.values())
        assert all(name.replace(".", "").replace("_", "").isalnum() for name in arrays.files)
    assert set(report.tables) == {"texts", "scalars", "hparams"}


def test_sqlite_has_runs_tags_and_indexes(tmp_path: Path) -> None:
    exported(GOLDEN, tmp_path / "out.sqlite")
    database = sqlite3.connect(tmp_path / "out.sqlite")
    assert database.execute("select name from runs order by id").fetchall() == [
        ("test",),
        ("train",),
    ]
    assert database.execute("select name from tags order by name").fetchall() == [
        ("accuracy",),
        ("loss",),
    ]
    assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    question = "select count(*) from points where run = 'train' and tag = 'loss' and step >= 10"
    steps = [one[2] for one in truth(GOLDEN) if one[:2] == ("train", "loss")]
    assert database.execute(question).fetchone() == (sum(step >= 10 for step in steps),)
    plan = str(database.execute(f"explain query plan {question}").fetchall())
    assert "scalars_by_run" in plan or "scalars_by_tag" in plan
    database.close()


# ------------------------------------------------------------------ limits and mistakes


def test_a_full_sheet_goes_on_in_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_file, "_MOST_ROWS", 31)  # one of them is the head
    exported(GOLDEN, tmp_path / "out.xlsx")
    sheets = ["scalars", "scalars 2", "scalars 3"]
    assert openpyxl.load_workbook(tmp_path / "out.xlsx").sheetnames == sheets
    parts = [list(_xlsx(tmp_path / "out.xlsx", sheet)) for sheet in sheets]
    assert [len(part) for part in parts] == [30, 30, 20]
    found = sorted((row["run"], row["tag"], row["step"]) for part in parts for row in part)
    assert found == [one[:3] for one in truth(GOLDEN)]


@pytest.mark.parametrize("name", ["out.xlsx", "out.sqlite"])
def test_too_many_columns(tmp_path: Path, name: str) -> None:
    table = Table({str(at): np.zeros(1) for at in range(40_000)})
    with pytest.raises(ValueError, match=r"40,000 columns, and .* take the long form"):
        write_table(table, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_text_longer_than_a_cell(tmp_path: Path) -> None:
    table = Table({"text": column(["x" * 40_000, "y"])})
    report = write_table(table, tmp_path / "out.xlsx", name="texts")
    assert report.cut == 1
    first, second = (row["text"] for row in _xlsx(tmp_path / "out.xlsx", "texts"))
    assert (first, second) == ("x" * 32_764 + "...", "y")


@every_format
def test_integers_that_no_double_holds(tmp_path: Path, name: str) -> None:
    table = Table({"n": np.array([2**62 + 1, -3]), "gap": column([None, True])})
    assert write_table(table, tmp_path / name).rows == 2
    first, second = NAMES[name](tmp_path / name)
    assert (int(first["n"]), int(second["n"])) == (2**62 + 1, -3)
    assert first["gap"] in ("", None)
    assert second["gap"] in ("true", True, 1)


@every_format
def test_nothing_to_export(tmp_path: Path, name: str) -> None:
    logs = tbio.open(GOLDEN, tags="no such tag")
    for options in ({}, {"wide": True}, {"kinds": "histograms"}):
        with pytest.raises(NothingToExportError):
            tbio.export(logs, tmp_path / name, allow_empty=False, **options)
        assert list(tmp_path.iterdir()) == []
    assert exported(logs, tmp_path / name) == []
    file = io.BytesIO()
    with pytest.raises(NothingToExportError):
        tbio.export(logs, file, format=format_name(name), allow_empty=False)
    assert file.getvalue() == b""


@every_format
def test_never_half_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("before")

    def fail(run: str) -> None:
        raise RuntimeError(run)

    with pytest.raises(RuntimeError):
        tbio.export(tbio.open(GOLDEN), path, progress=fail)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert path.read_text() == "before"


@pytest.mark.parametrize("format", FORMATS)
def test_into_an_open_file_the_same_as_to_a_path(tmp_path: Path, format: str) -> None:
    name = f"out{FORMATS[format].suffixes[0]}"
    file = io.BytesIO()
    tbio.export(tbio.open(GOLDEN), file, format=format)
    (tmp_path / name).write_bytes(file.getvalue())
    assert not file.closed
    assert len(list(NAMES[name](tmp_path / name))) == 80


@pytest.mark.parametrize("name", ["out.csv.gz", "out.jsonl.zst", "out.npz"])
def test_the_same_log_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    both = []
    for _ in range(2):
        tbio.export(tbio.open(GOLDEN), tmp_path / name)
        both.append((tmp_path / name).read_bytes())
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("out.xlsx", "openpyxl", "excel"),
        ("out.duckdb", "duckdb", "duckdb"),
        ("out.csv.zst", "zstandard", "zstd"),
    ],
)
def test_without_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str
) -> None:
    if module == "zstandard" and sys.version_info >= (3, 14):
        pytest.skip("Python has it")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(tbio.MissingExtraError, match=rf"tbio\[{extra}\]"):
        tbio.export(tbio.open(GOLDEN), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("out.csv", {"kinds": ["texts", "scalars"]}, "texts, scalars are 2 tables"),
        ("out.csv", {"kinds": "images"}, "want some of scalars, .*, got 'images'"),
        ("out.csv", {"kinds": []}, "got none"),
        ("out.csv", {"kinds": "texts", "wide": True}, "there is no wide form of texts"),
        ("out.csv", {"smooth": 1.5}, "want a weight from 0 to 1, got 1.5"),
        ("out.csv", {"smooth": math.nan}, "want a weight from 0 to 1, got nan"),
        ("out.parquet.gz", {}, r"want a file name .*, got '.*out\.parquet\.gz'"),
        ("out.csv.gz", {"format": "npz"}, "npz is no text"),
        ("gz", {}, "want a file name"),
    ],
)
def test_used_wrongly(tmp_path: Path, name: str, options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tbio.export(tbio.open(GOLDEN), tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_each_kind_once() -> None:
    assert kinds_of(["texts", "scalars", "texts"], FORMATS["npz"]) == ("texts", "scalars")


def test_what_cannot_be_decoded_is_left_out_and_told(tmp_path: Path) -> None:
    event = Event(step=1, wall_time=2.0)
    bad = event.summary.value.add(tag="h")
    bad.metadata.plugin_data.plugin_name = "histograms"
    bad.tensor.dtype = DT_STRING
    bad.tensor.string_val.append(b"no histogram")
    good = Event(step=2, wall_time=3.0)
    good.summary.value.add(tag="h").histo.bucket.append(4.0)
    good.summary.value[0].histo.bucket_limit.append(1.0)
    with tbio.EventFileWriter(tmp_path / "logs") as writer:
        for one in (event, good):
            writer.add_event(one)
    path = tmp_path / "out.jsonl"
    report = tbio.export(tbio.open(tmp_path / "logs"), path, kinds="histograms")
    assert [(row["step"], row["count"]) for row in _json(path)] == [(2, 4.0)]
    (problem,) = report.problems
    assert (problem.tag, problem.step) == ("h", 1)
