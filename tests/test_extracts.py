"""Extracts: files that other programs read, with the bytes that were logged."""

from __future__ import annotations

import csv
import io
import json
import os
import wave
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from google.protobuf import text_format
from tensorboard.compat.proto.graph_pb2 import GraphDef

import tbio
from tbio import EventFileWriter, SummaryWriter, extracts
from tbio.cli import main
from tbio.extracts.names import Folders, folder_of
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary
from tbio.proto.tensor_pb2 import DT_FLOAT

PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
CORNERS = np.array([[[0, 0, 0], [1, 0, 0], [0, 2, 0]]], np.float32)
COLORS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 7]]], np.uint8)
FACES = np.array([[[0, 1, 2]]], np.int32)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    with SummaryWriter(folder / "run") as writer:
        for step in (5, 100):
            writer.add_image("photo", PIXELS + np.uint8(step), step, dataformats="HWC")
        writer.add_image("photo", PIXELS, 100, dataformats="HWC")
        writer.add_audio("voice", np.array([0.0, 0.5, -1.0]), 1, sample_rate=8000)
        writer.add_text("notes/today", "# **Größe**\n", 3)
        writer.add_mesh("body", CORNERS, COLORS, FACES, global_step=2)
        writer.add_tensor("weights", np.array([[1.5, 2.5]]), 4)
        writer.add_embedding(
            np.array([[1.0, 2.5], [3.0, 4.0]], np.float32), ["one", "two"], tag="words"
        )
        writer.add_scalar("loss", 1.0, 1)
    return folder


def test_every_kind(logs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = tbio.extract(tbio.open(logs), out)
    assert report.skipped == []
    assert sorted(report.runs) == ["run"]
    found = {os.path.relpath(path, out) for path in out.rglob("*") if path.is_file()}
    assert found == {one.path for one in report.files} | {"index.csv"}
    for name, pixels in (("005", PIXELS + 5), ("100", PIXELS + 100), ("100~2", PIXELS)):
        with PIL.Image.open(out / f"run/images/photo/{name}.png") as image:
            assert np.array_equal(np.asarray(image), pixels)
    with wave.open(str(out / "run/audio/voice/1.wav")) as clip:
        assert (clip.getframerate(), clip.getnframes()) == (8000, 3)
    assert (out / "run/texts/notes/today/3.md").read_text("utf-8") == "# **Größe**\n"
    assert np.load(out / "run/tensors/weights/4.npy").tolist() == [[1.5, 2.5]]
    (words,) = (out / "run/embeddings").iterdir()
    rows = (words / "tensor.tsv").read_text().splitlines()
    assert [list(map(float, row.split("\t"))) for row in rows] == [[1, 2.5], [3, 4]]
    assert (words / "metadata.tsv").read_text().split() == ["one", "two"]


def test_a_mesh_by_the_letter_of_ply(logs: Path, tmp_path: Path) -> None:
    tbio.extract(tbio.open(logs), tmp_path / "out", kinds=("meshes",))
    data = (tmp_path / "out/run/meshes/body/2.ply").read_bytes()
    header, _, body = data.partition(b"end_header\n")
    assert header.decode().split("\n") == [
        "ply",
        "format binary_little_endian 1.0",
        "element vertex 3",
        "property float x",
        "property float y",
        "property float z",
        "property uchar red",
        "property uchar green",
        "property uchar blue",
        "element face 1",
        "property list uchar int vertex_indices",
        "",
    ]
    points = b"".join(
        corner.astype("<f4").tobytes() + color.tobytes()
        for corner, color in zip(CORNERS[0], COLORS[0], strict=True)
    )
    assert body == points + b"\x03" + bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0])


def test_the_index(logs: Path, tmp_path: Path) -> None:
    report = tbio.extract(tbio.open(logs), tmp_path / "out", kinds=("images", "texts"))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out/index.csv").read_text("utf-8"))))
    assert [(row["kind"], row["tag"], row["step"], row["path"]) for row in rows] == [
        ("images", "photo", "5", "run/images/photo/005.png"),
        ("images", "photo", "100", "run/images/photo/100.png"),
        ("images", "photo", "100", "run/images/photo/100~2.png"),
        ("texts", "notes/today", "3", "run/texts/notes/today/3.md"),
    ]
    assert [float(row["wall_time"]) for row in rows] == [one.wall_time for one in report.files]
    sizes = [(tmp_path / "out" / row["path"]).stat().st_size for row in rows]
    assert [int(row["size"]) for row in rows] == sizes


def test_graphs_are_read_by_tensorboards_protos(corpus: Path, tmp_path: Path) -> None:
    logs = tbio.open(corpus / "peers/torch/graph", on_damage="ignore")
    report = tbio.extract(logs, tmp_path / "out", kinds=("graphs",))
    assert report.skipped == []
    path = next(one.path for one in report.files if "run_metadata" not in one.path)
    graph = text_format.Parse((tmp_path / "out" / path).read_text("utf-8"), GraphDef())
    (run,) = logs.values()
    assert run.graph is not None
    assert [node.name for node in graph.node] == [node.name for node in run.graph.nodes]


def test_what_cannot_be_decoded_is_skipped(tmp_path: Path) -> None:
    log_what_is_no_image(tmp_path / "logs", "photo")
    report = tbio.extract(tbio.open(tmp_path / "logs"), tmp_path / "out")
    assert report.files == []
    assert [(one.kind, one.tag, one.step) for one in report.skipped] == [("images", "photo", 1)]
    assert (tmp_path / "out/index.csv").read_text().count("\n") == 1


def test_nothing_is_overwritten(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/kept").write_text("mine")
    with pytest.raises(FileExistsError, match="there is something in it"):
        tbio.extract(tbio.open(logs), tmp_path / "out")
    with pytest.raises(ValueError, match="scalars"):
        tbio.extract(tbio.open(logs), tmp_path / "new", kinds=("scalars",))
    assert os.listdir(tmp_path / "out") == ["kept"]


def log_what_is_no_image(folder: Path, tag: str) -> None:
    value = Summary.Value(tag=tag)
    value.metadata.plugin_data.plugin_name = "images"
    value.tensor.dtype = DT_FLOAT
    value.tensor.float_val.append(1.0)
    with EventFileWriter(folder) as writer:
        writer.add_event(Event(wall_time=1.0, step=1, summary=Summary(value=[value])))


NAMES = [
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\x",
    "a\0b",
    "a\nb",
    "\x1b[2J",
    "con",
    "NUL.txt",
    "dots...",
    " ",
    "",
    ".",
    ".hidden",
    "a//b",
    "x" * 5000,
    "ö" * 300,
    "a/../b",
    "=cmd()",
    "<script>",
    "a|b?*",
]


def test_names_stay_inside(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "logs") as writer:
        for name in NAMES:
            if name:
                writer.add_text(name, name, 1)
    logs = tbio.open(tmp_path / "logs")
    report = tbio.extract(logs, tmp_path / "out")
    assert report.skipped == []
    assert {one.tag for one in report.files} == set(logs["."].texts)
    assert len({one.path for one in report.files}) == len(report.files)
    root = (tmp_path / "out").resolve()
    for one in report.files:
        path = (tmp_path / "out" / one.path).resolve()
        assert path.is_relative_to(root)
        assert path.is_file()
        assert all(len(part.encode()) < 256 for part in path.parts)
    assert sorted(os.listdir(tmp_path)) == ["logs", "out"]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_for_every_name(name: str) -> None:
    folder = folder_of(name)
    assert not folder.startswith("/")
    for part in folder.split("/") if folder else ():
        assert part not in ("", ".", "..")
        assert not part.startswith(".")
        assert not set(part) & set('\\:*?"<>|\0\n\x1b')
        assert part.split(".")[0].lower() not in ("con", "nul")


def test_no_two_share_a_folder() -> None:
    folders = Folders()
    asked = [
        ("a", "images", "images/t"),
        ("a/images", "images", "t"),
        ("a", "images", "T"),
        ("A", "images", "t"),
        ("a", "images", "t"),
        ("a", "texts", "t"),
    ]
    found = [folders.of(*one).casefold() for one in asked]
    assert len(set(found)) == len(asked)


def test_embeddings_are_selected_by_name_and_by_tag(logs: Path, tmp_path: Path) -> None:
    with SummaryWriter(logs / "other") as writer:
        writer.add_embedding(np.eye(2), ["a", "b"], tag="swords", global_step=7)
    for path in (logs / "other").glob("*tfevents*"):
        path.unlink()  # TensorBoard's Projector needs none
    asked = {"words": ["words:00000"], "*:00007": ["swords:00007"], "wor": []}
    for at, (names, found) in enumerate(asked.items()):
        report = tbio.extract(
            tbio.open(logs), tmp_path / f"{at}", kinds=("embeddings",), names=names
        )
        assert sorted({one.tag for one in report.files}) == found
    assert main(["extract", str(logs), str(tmp_path / "a"), "--tags", "words"]) == 0
    assert len(list((tmp_path / "a").rglob("*.tsv"))) == 2
    assert main(["extract", str(logs / "other"), str(tmp_path / "b")]) == 0
    assert len(list((tmp_path / "b").rglob("*.tsv"))) == 2


def test_mistyped_embeddings(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["extract", str(logs), str(tmp_path / "out"), "--tags", "wrds"]) == 1
    assert "nearest: 'words:00000'" in capsys.readouterr().err


def test_the_command(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["extract", str(logs), str(out), "--kinds", "images", "--steps", "100"]
    assert main([*arguments, "--json"]) == 0
    printed, said = capsys.readouterr()
    assert [row["path"] for row in json.loads(printed)] == [
        "run/images/photo/100.png",
        "run/images/photo/100~2.png",
    ]
    assert said.startswith("tbio: 2 files (")
    assert main(["extract", str(logs), str(out)]) == 1  # there is something in it
    assert main(["extract", str(logs), str(tmp_path / "o2"), "--kinds", "scalars"]) == 2
    assert main(["extract", str(logs), str(tmp_path / "o3"), "--tags", "phot"]) == 1
    assert "photo" in capsys.readouterr().err
    assert main(["extract", str(logs), str(tmp_path / "o4"), "--kinds", "embeddings"]) == 0
    assert len(list((tmp_path / "o4").rglob("*.tsv"))) == 2


def test_the_command_says_what_was_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_what_is_no_image(tmp_path / "logs", "\x1b[2J")
    assert main(["extract", str(tmp_path / "logs"), str(tmp_path / "out")]) == 3
    said = capsys.readouterr().err
    assert "skipped" in said
    assert "\x1b" not in said


def test_a_full_disk_leaves_no_piece_of_a_file(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is an error, also where an embedding is being written."""
    suffix = ""
    refused = 0

    class File(io.FileIO):
        def write(self, data: Any, /) -> int:
            nonlocal refused
            if suffix and str(self.name).endswith(suffix):
                refused += 1
                super().write(bytes(data)[:3])
                raise OSError(28, os.strerror(28))
            return super().write(data)

    monkeypatch.setattr(extracts, "open", lambda path, mode: File(path, mode), raising=False)
    for number, suffix in enumerate((".tsv", ".png")):
        out = tmp_path / f"out{number}"
        with pytest.raises(OSError, match="No space"):
            tbio.extract(tbio.open(logs), out)
        assert not list(out.rglob(f"*{suffix}"))
    assert refused == 2


def test_tags_that_are_called_as_files_are(tmp_path: Path) -> None:
    picture = np.zeros((3, 2, 2), np.uint8)
    with SummaryWriter(tmp_path / "logs" / "index.csv") as writer:
        for tag in ("a", "a/10.png", "/" * 3000, "b/" * 40):
            writer.add_image(tag, picture, 10)
    report = tbio.extract(tbio.open(tmp_path / "logs"), tmp_path / "out")
    assert report.skipped == []
    assert len({one.path for one in report.files}) == 4
    assert all((tmp_path / "out" / one.path).is_file() for one in report.files)
    assert (tmp_path / "out" / "index.csv").is_file()
