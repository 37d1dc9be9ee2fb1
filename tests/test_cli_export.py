"""`tbio export` of other formats and kinds than CSV of scalars, end to end."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest
from test_cli import GOLDEN, command
from test_export_formats import loaded, smoothed_by_hand, truth

import tbio
from tbio.proto.event_pb2 import Event
from tbio.proto.tensor_pb2 import DT_STRING


def test_smoothed_beside_raw(tmp_path: Path) -> None:
    out = tmp_path / "out.tsv.gz"
    options = ("--runs", "train", "--tags", "loss", "--smooth", "0.9", "--relative")
    done = command("export", GOLDEN, out, *options)
    assert (done.returncode, done.stdout) == (0, "")
    with gzip.open(out, "rt", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    points = [one for one in truth(GOLDEN) if one[:2] == ("train", "loss")]
    assert [(int(row["step"]), float(row["wall_time"])) for row in rows] == [
        (step, time) for _, _, step, time, _ in points
    ]
    expected = smoothed_by_hand([value or 0.0 for *_, value in points], 0.9)
    assert [float(row["smoothed"]) for row in rows] == pytest.approx(expected, rel=1e-12)
    assert [float(row["relative_time"]) for row in rows] == [
        time - points[0][3] for *_, time, _ in points
    ]


def test_lines_of_json_to_the_standard_output() -> None:
    done = command("export", GOLDEN, "-", "--format", "jsonl", "--steps", "3", "--tags", "loss")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["run"], row["tag"], row["step"]) for row in rows] == [
        ("test", "loss", 3),
        ("train", "loss", 3),
    ]


def test_histograms(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "peers" / "tensorflow" / "v2_histogram"
    done = command("export", folder, tmp_path / "out.parquet", "--kinds", "histograms")
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert sum(row["count"] for row in rows) == sum(
        float(bucket[2]) for *_, buckets in loaded(folder, "histograms") for bucket in buckets
    )


def test_several_kinds(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "peers" / "tensorflow"
    kinds = ("--kinds", "hparams", "--kinds", "texts")
    assert command("export", folder, tmp_path / "out.xlsx", *kinds).returncode == 0
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames == ["hparams", "texts"]
    heads = [cell.value for cell in book["hparams"][1]]
    assert {"run", "dropout", "accuracy.best"} <= set(heads)  # metrics are of the scalars
    assert command("export", folder, tmp_path / "out.db", *kinds).returncode == 0
    database = sqlite3.connect(tmp_path / "out.db")
    (rows,) = database.execute("select count(*) from texts").fetchone()
    assert rows == book["texts"].max_row - 1
    database.close()


WRONG = {
    "no such kind": (["out.csv", "--kinds", "images"], "got 'images'"),
    "two tables": (["out.csv", "--kinds", "texts", "--kinds", "hparams"], "are 2 tables"),
    "no wide form": (["out.csv", "--kinds", "texts", "--wide"], "no wide form of texts"),
    "weight": (["out.csv", "--smooth", "2"], "want a number from 0 to 1, got '2'"),
    "suffix": (["out.npz.gz"], "want a file name that ends in .csv"),
}


@pytest.mark.parametrize("case", WRONG)
def test_used_wrongly(tmp_path: Path, case: str) -> None:
    (name, *options), message = WRONG[case]
    done = command("export", GOLDEN, tmp_path / name, *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_tag_of_another_kind(tmp_path: Path) -> None:
    options = ("--kinds", "texts", "--tags", "loss")
    done = command("export", GOLDEN, tmp_path / "out.csv", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    event = Event(step=1, wall_time=2.0)
    value = event.summary.value.add(tag="h\x1b[2J")
    value.metadata.plugin_data.plugin_name = "histograms"
    value.tensor.dtype = DT_STRING
    value.tensor.string_val.append(b"no histogram")
    with tbio.EventFileWriter(tmp_path / "logs") as writer:
        writer.add_event(event)
    done = command("export", tmp_path / "logs", tmp_path / "out.csv", "--kinds", "histograms")
    assert done.returncode == 3
    assert "left out: " in done.stderr
    assert "\x1b" not in done.stderr
    assert (tmp_path / "out.csv").read_text() == "run,tag,step,wall_time,left,right,count\n"
