from __future__ import annotations

import csv
import io
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import tbio
from tbio import SummaryWriter
from tbio.exports import (
    FORMATS,
    ExportReport,
    NothingToExportError,
    arrow_file,
    csv_file,
    format_of,
    replacing,
)

GOLDEN = Path(__file__).parent / "golden" / "digits"


def exported(folder: Path, **options: bool) -> list[list[str]]:
    file = io.BytesIO()
    tbio.export(tbio.open(folder, restarts="keep"), file, **options)  # type: ignore[arg-type]
    return list(csv.reader(io.StringIO(file.getvalue().decode())))


def test_long(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        writer.add_scalar("loss", 0.1, 0, 1.25)
        writer.add_scalar("loss", float("nan"), 1, 1_700_000_000.123456)
        writer.add_scalar("lr", 1e-4, 0, 3, double_precision=True)
        writer.add_scalar("big", 16777216, -1, 3)
    assert exported(tmp_path) == [
        ["run", "tag", "step", "wall_time", "value"],
        ["run", "big", "-1", "3.0", "16777216.0"],
        ["run", "loss", "0", "1.25", "0.1"],
        ["run", "loss", "1", "1700000000.123456", "nan"],
        ["run", "lr", "0", "3.0", "0.0001"],
    ]


def test_wide(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step, value in [(0, 0.1), (1, 0.2), (1, 0.3)]:
            writer.add_scalar("a", value, step)
        writer.add_scalar("b", float("nan"), 1)
    assert exported(tmp_path, wide=True) == [
        ["run", "step", "a", "b"],
        [".", "0", "0.1", ""],
        [".", "1", "0.2", "nan"],
        [".", "1", "0.3", ""],
    ]


def test_floats_stay_short_beside_doubles(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "a") as writer:
        writer.add_scalar("x", 0.1, 0)
        writer.add_scalar("x", 0.2, 1, double_precision=True)
    with SummaryWriter(tmp_path / "b") as writer:
        writer.add_scalar("x", 0.3, 0)
    assert [row[4] for row in exported(tmp_path)[1:]] == ["0.1", "0.2", "0.3"]
    assert [row[2] for row in exported(tmp_path, wide=True)[1:]] == ["0.1", "0.2", "0.3"]


def test_pandas_reads_it_back(tmp_path: Path) -> None:
    logs = tbio.open(GOLDEN)
    tbio.export(logs, tmp_path / "out.csv")
    read = pd.read_csv(tmp_path / "out.csv", dtype={"value": "float32"})
    frame = logs.to_pandas().astype({"run": read.run.dtype, "tag": read.tag.dtype})
    pd.testing.assert_frame_equal(read, frame)


def test_awkward_names_stay_in_their_cells(tmp_path: Path) -> None:
    tags = ["a,b", 'say "x"', "two\nlines", "cr\rhere", "naïve ☃", "<b>html</b>", "x" * 100_000]
    with SummaryWriter(tmp_path) as writer:
        for tag in tags:
            writer.add_scalar(tag, 1, 1)
    rows = exported(tmp_path)
    assert sorted(row[1] for row in rows[1:]) == sorted(tags)
    assert {len(row) for row in rows} == {5}


def test_formulas_are_no_formulas(tmp_path: Path) -> None:
    tags = ["=cmd()", "+1", "-x", "@a", "fine"]
    with SummaryWriter(tmp_path) as writer:
        for tag in tags:
            writer.add_scalar(tag, 1, 1)
    assert [row[1] for row in exported(tmp_path)[1:]] == ["'+1", "'-x", "'=cmd()", "'@a", "fine"]
    kept = exported(tmp_path, keep_formulas=True)
    assert [row[1] for row in kept[1:]] == sorted(tags)
    report = ExportReport()
    assert [report.cell(cell) for cell in ("=a", "=a", "b")] == ["'=a", "'=a", "b"]
    assert report.guarded == 1


def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    try:
        os.makedirs(folder)
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    with SummaryWriter(folder) as writer:
        writer.add_scalar("x", 1, 1, 1.0)
    file = io.BytesIO()
    tbio.export(tbio.open(tmp_path), file)
    assert file.getvalue().splitlines()[1] == b"\\xff,x,1,1.0,1.0"


def test_dev_is_a_folder_too(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="want a file name"):
        format_of("/dev/shm/out.xls")
    assert format_of("/dev/shm/out.parquet") is FORMATS["parquet"]
    assert format_of("/dev/stdout") is format_of("-") is FORMATS["csv"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        tbio.export(tbio.open(GOLDEN), tmp_path / "no" / "out.csv")
    assert caught.value.filename == str(tmp_path / "no" / "out.csv")


def test_wants_a_name_that_tells(tmp_path: Path) -> None:
    words = r"ends in \.csv, .*, \.parquet, \.arrow or \.feather, got .*out\.xls"
    with pytest.raises(ValueError, match=words):
        tbio.export(tbio.open(GOLDEN), tmp_path / "out.xls")
    with pytest.raises(ValueError, match=r"format: want one of csv, .*, arrow, got 'xls'"):
        tbio.export(tbio.open(GOLDEN), tmp_path / "out.csv", format="xls")
    assert list(tmp_path.iterdir()) == []


def test_a_format_whatever_the_name(tmp_path: Path) -> None:
    tbio.export(tbio.open(GOLDEN), tmp_path / "out.dat", format="parquet")
    assert pq.read_table(tmp_path / "out.dat").num_rows == 80
    tbio.export(tbio.open(GOLDEN), tmp_path / "OUT.FEATHER")
    assert feather.read_table(tmp_path / "OUT.FEATHER").num_rows == 80


BINARY = ["out.parquet", "out.arrow", "out.feather"]


def read_back(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    assert feather.read_table(path).equals(pa.ipc.open_file(path).read_all())
    return pl.read_ipc(path)


@pytest.mark.parametrize("name", BINARY)
def test_parquet_and_arrow(tmp_path: Path, name: str) -> None:
    logs = tbio.open(GOLDEN)
    report = tbio.export(logs, tmp_path / name)
    assert report.rows == 80
    assert list(report.runs) == ["test", "train"]
    assert read_back(tmp_path / name).equals(logs.to_polars())
    assert tbio.export(logs, tmp_path / name, wide=True).rows == 40
    assert read_back(tmp_path / name).equals(logs.scalar_table().wide().to_polars())
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", BINARY)
def test_the_dtype_that_holds_all_values(tmp_path: Path, name: str) -> None:
    with SummaryWriter(tmp_path / "logs" / "a") as writer:
        writer.add_scalar("x", 0.1, 0, 1.0)
    with SummaryWriter(tmp_path / "logs" / "b") as writer:
        writer.add_scalar("x", 0.1, 1, 2.0, double_precision=True)
    told: list[str] = []
    tbio.export(tbio.open(tmp_path / "logs"), tmp_path / name, progress=told.append)
    frame = read_back(tmp_path / name)
    assert frame.schema["value"] == pl.Float64
    assert frame["value"].to_list() == [float(np.float32(0.1)), 0.1]
    assert frame["run"].to_list() == told == ["a", "b"]


@pytest.mark.parametrize("name", ["out.csv", *BINARY])
def test_batches_end_where_they_may(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "_BLOCK_ROWS", 7)
    monkeypatch.setattr(arrow_file, "_PARQUET_ROWS", 7)
    logs = tbio.open(GOLDEN)
    tbio.export(logs, tmp_path / name)
    read = pl.read_csv if name == "out.csv" else read_back
    assert read(tmp_path / name).cast({"value": pl.Float32}).equals(logs.to_polars())


@pytest.mark.parametrize("format", ["csv", "parquet", "arrow"])
@pytest.mark.parametrize("wide", [False, True])
def test_into_an_open_file(format: str, wide: bool) -> None:
    file = io.BytesIO(b"before ")
    file.seek(7)
    tbio.export(tbio.open(GOLDEN), file, format=format, wide=wide)
    whole = file.getvalue()
    assert whole.startswith(b"before ")
    assert not file.closed
    rows = 40 if wide else 80
    data = io.BytesIO(whole[7:])
    if format == "csv":
        assert len(data.readlines()) == rows + 1
    else:
        read = pl.read_parquet if format == "parquet" else pl.read_ipc
        assert len(read(data)) == rows


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in BINARY:
        with pytest.raises(tbio.MissingExtraError, match=r"tbio\[arrow\]"):
            tbio.export(tbio.open(GOLDEN), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.csv", *BINARY])
@pytest.mark.parametrize("wide", [False, True])
def test_nothing_to_export(tmp_path: Path, name: str, wide: bool) -> None:
    logs = tbio.open(GOLDEN, tags="no such tag")
    with pytest.raises(NothingToExportError):
        tbio.export(logs, tmp_path / name, wide=wide, allow_empty=False)
    assert list(tmp_path.iterdir()) == []
    file = io.BytesIO()
    with pytest.raises(NothingToExportError):
        tbio.export(logs, file, wide=wide, allow_empty=False)
    assert file.getvalue() == b""
    assert tbio.export(logs, tmp_path / name, wide=wide).rows == 0
    if name == "out.csv":
        columns = "run,step" if wide else "run,tag,step,wall_time,value"
        assert (tmp_path / name).read_text() == f"{columns}\n"
    else:
        assert len(read_back(tmp_path / name)) == 0


def test_what_was_read_is_told(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "logs") as writer:
        writer.add_scalar("x", 1, 0)
        writer.add_scalar("x", 2, 1)
    (path,) = (tmp_path / "logs").iterdir()
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    for wide in (False, True):
        logs = tbio.open(tmp_path / "logs", on_damage="ignore")
        report = tbio.export(logs, tmp_path / "out.csv", wide=wide)
        assert report.rows == 1
        assert not report.runs["."].complete


@pytest.mark.parametrize("name", ["out.csv", *BINARY])
def test_never_half_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("before")

    def fail(run: str) -> None:
        raise RuntimeError(run)

    with pytest.raises(RuntimeError):
        tbio.export(tbio.open(GOLDEN), path, progress=fail)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert path.read_text() == "before"


def test_replaces_what_a_link_points_to_and_keeps_permissions(tmp_path: Path) -> None:
    target = tmp_path / "target.csv"
    target.write_text("before")
    target.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    tbio.export(tbio.open(GOLDEN), link)
    assert link.is_symlink()
    assert target.read_text().startswith("run,tag")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with replacing(tmp_path / "new.csv") as file:
        file.write(b"x")
    assert (tmp_path / "new.csv").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_replacement_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(28, os.strerror(28))

    (tmp_path / "a.csv").write_text("before")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"), replacing(tmp_path / "a.csv") as file:
        file.write(b"new")
    assert os.listdir(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "before"


def test_the_longest_name_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / ("\u00e9" * 126 + "abc")
    assert len(os.fsencode(path.name)) == 255
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == [path.name]
