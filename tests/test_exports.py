from __future__ import annotations

import csv
import io
import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tbio
from tbio import SummaryWriter
from tbio.exports import ExportReport, is_csv, replacing, texts

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


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_texts_are_shortest_and_exact(dtype: type[np.floating]) -> None:
    bits = np.random.default_rng(1).integers(0, 2**64, 20_000, np.uint64)
    values = bits.view(np.uint8).view(dtype)
    values = values[np.isfinite(values)]
    written = texts(values)
    assert np.array_equal(np.array(written, dtype), values)
    for text, value in zip(written[:2000], values[:2000], strict=True):
        assert float(text) == float(np.format_float_scientific(value, unique=True))


def test_texts_of_everything_else() -> None:
    assert texts(np.array([True, False])) == ["True", "False"]
    assert texts(np.array([2**63 - 1])) == ["9223372036854775807"]
    assert texts(np.array([1 + 2j])) == ["(1+2j)"]
    assert texts(np.array([np.inf, -np.inf, np.nan], np.float32)) == ["inf", "-inf", "nan"]


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
    assert not is_csv("/dev/shm/out.parquet")
    assert is_csv("/dev/stdout")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        tbio.export(tbio.open(GOLDEN), tmp_path / "no" / "out.csv")
    assert caught.value.filename == str(tmp_path / "no" / "out.csv")


def test_wants_csv(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.csv, got .*out\.xls"):
        tbio.export(tbio.open(GOLDEN), tmp_path / "out.xls")
    assert list(tmp_path.iterdir()) == []


def test_never_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")

    def fail(run: str) -> None:
        raise RuntimeError(run)

    with pytest.raises(RuntimeError):
        tbio.export(tbio.open(GOLDEN), path, progress=fail)
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]
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
