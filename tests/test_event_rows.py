"""Event rows against TensorBoard's own reading of the same files, and ``tbio cat``."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

import tbio
from tbio import SummaryWriter
from tbio.cli import main


def test_every_file_of_other_writers(corpus: Path) -> None:
    """As many rows as TensorBoard has events, with their steps, times and tags."""
    files = [path for path in sorted((corpus / "peers").rglob("*tfevents*")) if path.is_file()]
    assert files
    for path in files:
        if path.suffix in (".gz", ".json"):
            continue
        events = [Event.FromString(raw) for raw in RawEventFileLoader(str(path)).Load()]
        rows = list(tbio.cat(path, on_damage="ignore"))
        if len(rows) != len(events):
            continue  # damaged or compressed: TensorBoard stops there
        for row, event in zip(rows, events, strict=True):
            json.dumps(row, allow_nan=False)
            assert (row["step"], row["wall_time"]) == (event.step, event.wall_time)
            tags = [value.tag or value.node_name for value in event.summary.value]
            assert [value["tag"] for value in row.get("values", ())] == tags
            numbers = [
                value.simple_value
                for value in event.summary.value
                if value.WhichOneof("value") == "simple_value"
            ]
            shown = [
                float(value["value"])
                for value, of in zip(row.get("values", ()), event.summary.value, strict=True)
                if of.WhichOneof("value") == "simple_value"
            ]
            assert np.array_equal(np.array(shown, np.float32), numbers, equal_nan=True)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    with SummaryWriter(tmp_path / "run") as writer:
        for step, value in ((1, 0.1), (2, math.nan), (3, -math.inf)):
            writer.add_scalar("loss", value, step)
        writer.add_tensor("many", np.arange(100, dtype=np.int16).reshape(10, 10), 4)
        writer.add_text("note", "\x1b[2J" + "x" * 2000, 5)
        writer.add_image("photo", np.zeros((3, 4, 5), np.uint8), 6)
    return tmp_path


def test_values(logs: Path) -> None:
    by_tag: dict[str, list[Any]] = {}
    for row in tbio.cat(logs):
        for value in row.get("values", ()):
            by_tag.setdefault(value["tag"], []).append(value)
    assert [value["value"] for value in by_tag["loss"]] == [0.1, "nan", "-inf"]
    (many,) = by_tag["many"]
    assert (many["kind"], many["dtype"], many["shape"]) == ("tensors", "int16", [10, 10])
    assert (many["value"], many["more"]) == (list(range(8)), 92)
    (note,) = by_tag["note"]
    assert (note["kind"], note["dtype"]) == ("texts", "string")
    assert note["value"].endswith("xxx... (2004 characters)")
    (photo,) = by_tag["photo"]
    assert photo["kind"] == "images"
    assert (photo["value"]["height"], photo["value"]["width"]) == (4, 5)


def test_places(logs: Path) -> None:
    (path,) = (logs / "run").glob("*tfevents*")
    data = path.read_bytes()
    rows = list(tbio.cat(logs))
    assert rows[0]["offset"] == 0
    for row, following in itertools.pairwise(rows):
        assert row["offset"] + row["size"] == following["offset"]
    assert rows[-1]["offset"] + rows[-1]["size"] == len(data)
    assert rows[0]["file_version"] == "brain.Event:2"
    assert rows[1]["session_log"]["status"] == "START"


def test_selection(logs: Path) -> None:
    assert [row["step"] for row in tbio.cat(logs, tags="loss")] == [1, 2, 3]
    assert [row["step"] for row in tbio.cat(logs, tags="loss", steps=slice(2, 3))] == [2]
    assert list(tbio.cat(logs, runs="other")) == []
    kinds = ["texts", "images"]
    assert [row["values"][0]["tag"] for row in tbio.cat(logs, kinds=kinds)] == ["note", "photo"]
    assert list(tbio.cat(logs, tags="loss", kinds="texts")) == []


def test_graphs_are_a_kind(corpus: Path) -> None:
    for folder in ("torch/graph", "tensorflow"):
        rows = list(tbio.cat(corpus / "peers" / folder, kinds="graphs", on_damage="ignore"))
        assert rows
        for row in rows:
            graphs = {"graph_def", "meta_graph_def", "tagged_run_metadata"}.intersection(row)
            assert graphs or {value["kind"] for value in row["values"]} == {"graphs"}


def test_the_command(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cat", str(logs), "--tags", "note", "--steps", "5"]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    (row,) = map(json.loads, printed.splitlines())
    assert row["values"][0]["tag"] == "note"
    assert main(["cat", str(logs), "--kinds", "images", "--kinds", "texts"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["cat", str(logs), "--tags", "los"]) == 1
    assert "'loss'" in capsys.readouterr().err
    (path,) = (logs / "run").glob("*tfevents*")
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert main(["cat", str(logs)]) == 3
    assert len(capsys.readouterr().out.splitlines()) == 7
