"""Embeddings, read: as TensorBoard's Projector has them, its server and its page alike."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tensorboard.plugins.projector import projector_plugin
from tensorboard_server import TensorBoardServer

from tbio import SummaryWriter, projector
from tbio.errors import DecodeError
from tbio.projector import Embedding, config, tsv
from tbio.proto.projector_pb2 import EmbeddingInfo, ProjectorConfig

posix = pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")

ASSETS = "plugins/org_tensorflow_tensorboard_projector"


def put(folder: Path, files: Mapping[str, bytes | str], **entry: Any) -> Embedding:
    """The embedding of a config with one entry, beside these files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    entry = {"tensor_name": "e", **entry}
    whole = ProjectorConfig(embeddings=[EmbeddingInfo(**entry)])
    (folder / "projector_config.pbtxt").write_text(text_format.MessageToString(whole))
    return projector.read(folder)[entry["tensor_name"]]


def png(pixels: Any, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, kind)
    return file.getvalue()


# ------------------------------------------------------------------ configs


def test_nothing_there(tmp_path: Path) -> None:
    assert projector.read(tmp_path) == {}
    assert projector.read(tmp_path / "absent") == {}
    (tmp_path / "projector_config.pbtxt").touch()
    assert projector.read(tmp_path) == {}
    assert projector.find(str(tmp_path)) == {".": str(tmp_path)}


@posix
def test_a_pipe_is_no_config(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / "projector_config.pbtxt")
    assert projector.read(tmp_path) == {}
    (tmp_path / "projector_config.pbtxt").unlink()
    os.mkfifo(tmp_path / "x.tsv")
    with pytest.raises(DecodeError, match=r"tensor_path: there is no file 'x\.tsv'"):
        _ = put(tmp_path, {}, tensor_path="x.tsv").tensor


NAMES = """
model_checkpoint_path: "/elsewhere/model.ckpt"
embeddings { tensor_name: "w:0" tensor_path: "first.tsv" }
embeddings { tensor_name: "w" tensor_path: "second.tsv" }
embeddings { tensor_path: "deep/in/points.tsv" }
embeddings { tensor_name: "layer/.ATTRIBUTES/VARIABLE_VALUE" metadata_path: "words.tsv" }
"""


def test_names(tmp_path: Path) -> None:
    (tmp_path / "projector_config.pbtxt").write_text(NAMES)
    (tmp_path / "words.tsv").write_text("a\nb\n")
    found = projector.read(tmp_path)
    assert {name: one.config.tensor_path for name, one in found.items()} == {
        "w": "first.tsv",
        "points.tsv": "deep/in/points.tsv",
        "layer/.ATTRIBUTES/VARIABLE_VALUE": "",
    }
    assert [one.name for one in found.values()] == list(found)
    *_, keras = found.values()
    assert keras.labels == ["a", "b"]
    assert repr(keras) == "<Embedding 'layer/.ATTRIBUTES/VARIABLE_VALUE': in a checkpoint>"
    with pytest.raises(DecodeError, match="are in a checkpoint"):
        _ = keras.tensor


def test_a_field_that_is_not_known_yet(tmp_path: Path) -> None:
    text = 'embeddings { tensor_name: "a" colour: { name: "red" } rank: 3 }\nnovel: 1'
    (tmp_path / "projector_config.pbtxt").write_text(text)
    assert list(projector.read(tmp_path)) == ["a"]


@pytest.mark.parametrize(
    "content",
    [
        b"embeddings {",
        b"\xff\xfe",
        b'embeddings { tensor_name: "\xff" }',
        b"embeddings { tensor_shape: -1 }",
        b"<html>",
        b"a {" * 100_000,
        b" " * ((1 << 22) + 1),
    ],
)
def test_what_is_no_config(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "projector_config.pbtxt").write_bytes(content)
    with pytest.raises(DecodeError, match=r"projector_config\.pbtxt (is no|holds)"):
        projector.read(tmp_path)


def test_where_configs_are_found(tmp_path: Path) -> None:
    places = ["", "a/b", f"c/{ASSETS}", f"a/b/{ASSETS}", "d/plugins"]
    for place in places:
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "projector_config.pbtxt").touch()
    (tmp_path / "e").mkdir()
    (tmp_path / "e/old_projector_config.pbtxt").touch()
    assert projector.find(str(tmp_path)) == {
        ".": str(tmp_path),
        "a/b": str(tmp_path / "a/b"),
        "c": str(tmp_path / "c"),
        "d/plugins": str(tmp_path / "d/plugins"),
    }
    assert list(projector.find(str(tmp_path / "c"))) == ["."]
    assert projector.find(str(tmp_path / "c"))["."] == str(tmp_path / "c")


# ------------------------------------------------------------------ points


@pytest.mark.parametrize(
    ("content", "want"),
    [
        (b"1\t2\n3\t4\n", [[1, 2], [3, 4]]),
        (b"1\t2\r\n3\t4", [[1, 2], [3, 4]]),
        (b"\n\n1\t2\n\n3\t4\n\r\n", [[1, 2], [3, 4]]),
        (b"1\n2\n", [[1], [2]]),
        (b"1e300\t-1e300\tnan\t-inf\n", [[np.inf, -np.inf, np.nan, -np.inf]]),
        (b" 1 \t1_000\n", [[1, 1000]]),  # as Python has it
        (b"16777217\t0.1\n", [[16777216, np.float32(0.1)]]),
    ],
)
def test_points(tmp_path: Path, content: bytes, want: Any) -> None:
    found = put(tmp_path, {"x.tsv": content}, tensor_path="x.tsv").tensor
    assert found.dtype == np.float32
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, np.array(want, np.float32))
    if b"\r\n" not in content[-2:]:  # a line of this alone TensorBoard does not take
        with np.errstate(over="ignore"):
            theirs = projector_plugin._read_tensor_tsv_file(str(tmp_path / "x.tsv"))
        np.testing.assert_array_equal(found, theirs)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "without points"),
        (b"\n\n", "without points"),
        (b"1\t2\n3\n", "line 2 of the points: want 2 numbers, got 1"),
        (b"\n1\t2\n3\t4\t5\n", "line 3 of the points: want 2 numbers, got 3"),
        (b"a\tb\n", "line 1 of the points: could not convert string to float: 'a'"),
        (b"1\t2\t\n", "line 1 of the points: could not convert string to float: ''"),
        (b"1\n" + b"x" * 10_000, "line 2 of the points: .{,90}$"),
        (b"0x10\n", "'0x10'"),
    ],
)
def test_what_are_no_points(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        _ = put(tmp_path, {"x.tsv": content}, tensor_path="x.tsv").tensor


RAW = np.random.default_rng(1).normal(size=(50, 3)).astype("<f4")


@pytest.mark.parametrize("raw", [RAW, np.zeros_like(RAW), np.full_like(RAW, 12345.0)])
def test_raw_points(tmp_path: Path, raw: npt.NDArray[np.float32]) -> None:
    """Zeros are UTF-8: TensorBoard fails with them."""
    found = put(tmp_path, {"x": raw.tobytes()}, tensor_path="x", tensor_shape=[50, 3]).tensor
    assert found.dtype == np.float32
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, raw)
    if raw is RAW:
        theirs = projector_plugin._read_tensor_binary_file(str(tmp_path / "x"), (50, 3))
        np.testing.assert_array_equal(found, theirs)


@pytest.mark.parametrize("shape", [[], [150], [50, 2], [51, 3], [50, 3, 1], [2**32 - 1] * 2])
def test_raw_points_of_another_shape(tmp_path: Path, shape: list[int]) -> None:
    found = put(tmp_path, {"x": RAW.tobytes()}, tensor_path="x", tensor_shape=shape)
    with pytest.raises(DecodeError, match=r"600 bytes of points that are no text, for the shape"):
        _ = found.tensor


def test_the_shape_of_text_is_its_own(tmp_path: Path) -> None:
    found = put(tmp_path, {"x": "1\t2\n"}, tensor_path="x", tensor_shape=[7, 7])
    assert found.tensor.shape == (1, 2)


def test_points_are_parsed_quickly() -> None:
    many = np.random.default_rng(0).normal(size=(5000, 128)).astype(np.float32)
    text = "".join("\t".join(map(repr, row)) + "\n" for row in many.tolist()).encode()
    start = time.process_time()
    found = tsv.points(text)
    assert time.process_time() - start < 2  # 0.25 s on an idle machine
    np.testing.assert_array_equal(found, many)


# ------------------------------------------------------------------ labels


@pytest.mark.parametrize(
    ("content", "want"),
    [
        ("a\nb\n", {"label": ["a", "b"]}),
        ("a\nb", {"label": ["a", "b"]}),
        ("a\r\nb\r\n\r\n", {"label": ["a", "b"]}),
        ("\na\n \nb\n\n \n", {"label": ["", "a", " ", "b"]}),
        ("\u200b\n\u200b \nx\u200b\n\u200bx\n", {"label": ["", " ", "x\u200b", "\u200bx"]}),
        ("\ufeffGröße\n", {"label": ["Größe"]}),
        ("", {"label": []}),
        ("n\tm\n1\t2\n", {"n": ["1"], "m": ["2"]}),
        ("\nn\tm\n\n1\t2\t3\n4\n", {"n": ["", "1", "4"], "m": ["", "2", ""]}),
        ("n\tn\tn (2)\n1\t2\t3\n", {"n": ["1"], "n (2)": ["2"], "n (2) (2)": ["3"]}),
        ("\t\nx\ty\n", {"": ["x"], " (2)": ["y"]}),
        ("n\tm\n", {"n": [], "m": []}),
    ],
)
def test_labels(tmp_path: Path, content: str, want: dict[str, list[str]]) -> None:
    found = put(tmp_path, {"m.tsv": content}, metadata_path="m.tsv")
    if content.startswith("\t"):  # a line of blanks is none
        want = {"x": [], "y": []}
    assert found.metadata == want
    assert found.labels == next(iter(want.values()))


def test_no_labels(tmp_path: Path) -> None:
    found = put(tmp_path, {"x": "1"}, tensor_path="x")
    assert (found.metadata, found.labels, found.bookmarks) == ({}, [], [])
    assert found.sprite is None
    assert found.thumbnails() is None


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\n", "no UTF-8"), (b"\t" * 10_000 + b"\n" + b"x\n" * 10_000, "10001 columns")],
)
def test_what_are_no_labels(tmp_path: Path, content: bytes, words: str) -> None:
    content = content.replace(b"\t", b"n\t", 1)
    with pytest.raises(DecodeError, match=words):
        _ = put(tmp_path, {"m.tsv": content}, metadata_path="m.tsv").metadata


# ------------------------------------------------------------------ images


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images(tmp_path: Path, channels: int) -> None:
    """Three columns and two rows of 5x4 pixels, and a margin."""
    pixels = np.random.default_rng(2).integers(0, 256, (9, 17, channels)).astype(np.uint8)
    files = {"s.png": png(pixels[..., 0] if channels == 1 else pixels), "x": b"1\n2\n3\n4\n"}
    sprite = {"image_path": "s.png", "single_image_dim": [5, 4]}
    found = put(tmp_path, files, tensor_path="x", sprite=sprite)
    assert found.sprite is not None
    assert not found.sprite.flags.writeable
    np.testing.assert_array_equal(found.sprite, pixels)
    images = found.thumbnails()
    assert images is not None
    assert images.shape == (4, 4, 5, channels)
    assert images.dtype == np.uint8
    assert not images.flags.writeable
    for place, image in enumerate(images):
        row, column = divmod(place, 3)
        cut = pixels[row * 4 : row * 4 + 4, column * 5 : column * 5 + 5]
        np.testing.assert_array_equal(image, cut)


def test_how_many_images_without_points(tmp_path: Path) -> None:
    sprite = {"image_path": "s.png", "single_image_dim": [2, 2]}
    files = {"s.png": png(np.zeros((4, 4))), "m": b"a\nb\nc\n"}
    images = put(tmp_path, files, sprite=sprite).thumbnails()
    assert images is not None
    assert len(images) == 4
    images = put(tmp_path, files, sprite=sprite, metadata_path="m").thumbnails()
    assert images is not None
    assert len(images) == 3


@pytest.mark.parametrize(("kind", "channels"), [("JPEG", 3), ("WEBP", 3), ("BMP", 3)])
def test_other_formats(tmp_path: Path, kind: str, channels: int) -> None:
    content = png(np.full((4, 4, 3), 200), kind)
    found = put(tmp_path, {"s": content}, sprite={"image_path": "s"}).sprite
    assert found is not None
    assert found.shape == (4, 4, channels)
    np.testing.assert_allclose(found, 200, atol=3)


def test_a_palette(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)).quantize(2)
    image.save(tmp_path / "s.png")
    found = put(tmp_path, {}, sprite={"image_path": "s.png"}).sprite
    np.testing.assert_array_equal(found, [[[255, 0, 0], [0, 0, 255]]])
    image.save(tmp_path / "s.png", transparency=image.getpixel((0, 0)))
    found = put(tmp_path, {}, sprite={"image_path": "s.png"}).sprite
    np.testing.assert_array_equal(found, [[[255, 0, 0, 0], [0, 0, 255, 255]]])


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ([], r"size \[\]"),
        ([4], r"size \[4\]"),
        ([0, 2], r"size \[0, 2\] in a sprite of 4x4"),
        ([2, 5], r"size \[2, 5\]"),
        ([2**32 - 1, 1], "in a sprite of 4x4"),
        ([4, 4], "a sprite of 1 images, for 2 points"),
    ],
)
def test_images_that_do_not_fit(tmp_path: Path, size: list[int], words: str) -> None:
    files = {"s.png": png(np.zeros((4, 4))), "x": b"1\n2\n"}
    sprite = {"image_path": "s.png", "single_image_dim": size}
    with pytest.raises(DecodeError, match=words):
        put(tmp_path, files, tensor_path="x", sprite=sprite).thumbnails()


def huge() -> bytes:
    """A picture of 100000 x 100000 pixels, without them."""
    content = bytearray(png(np.zeros((1, 1))))
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    import zlib

    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (png(np.random.default_rng(0).integers(0, 256, (50, 50)))[:-800], "no picture"),
        (huge(), "no picture"),
        (png(np.zeros((8193, 8192))), "8192x8193 pixels: too many"),
    ],
    ids=["empty", "PostScript", "cut", "bomb", "large"],
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        _ = put(tmp_path, {"s": content}, sprite={"image_path": "s"}).sprite


# ------------------------------------------------------------------ bookmarks


def test_bookmarks(tmp_path: Path) -> None:
    views = [{"label": "State 0", "isSelected": True, "projections": [{"pca-0": 0.5}]}]
    found = put(tmp_path, {"b.json": json.dumps(views)}, bookmarks_path="b.json")
    assert found.bookmarks == views


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"{}", "no list of views"),
        (b"[1]", "no list of views"),
    ],
)
def test_what_are_no_bookmarks(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        _ = put(tmp_path, {"b": content}, bookmarks_path="b").bookmarks


# ------------------------------------------------------------------ files out of the folder


def asked(folder: Path, path: str) -> Any:
    """What each of the four asks for a file says of it."""
    found = put(
        folder,
        {},
        tensor_path=path,
        metadata_path=path,
        bookmarks_path=path,
        sprite={"image_path": path},
    )
    said = []
    for name in ("tensor", "metadata", "bookmarks", "sprite"):
        with pytest.raises(DecodeError) as error:
            getattr(found, name)
        said.append(str(error.value))
    return said


@posix
@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "a/../../secret",
        "/etc/hostname",
        "link",
        "folder/secret",
        "..",
        "n\0ul",
    ],
)
def test_files_outside_are_refused(tmp_path: Path, path: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "secret").write_text("1")
    (run / "link").symlink_to(tmp_path / "secret")
    (run / "folder").symlink_to(tmp_path)
    assert all("is not inside of" in said for said in asked(run, path))
    if "\0" not in path:
        with pytest.raises(ValueError, match="outside the config directory"):
            projector_plugin._rel_to_abs_asset_path(path, str(run / "projector_config.pbtxt"))


@posix
def test_files_inside_are_read_whatever_the_way(tmp_path: Path) -> None:
    run = tmp_path / "run"
    put(run, {"deep/x": "1\n"})
    (tmp_path / "way").symlink_to(run)
    (run / "link").symlink_to(run / "deep" / "x")
    for path in ("deep/x", "./deep/../deep//x", str(run / "deep/x"), "link", "../run/deep/x"):
        found = put(run, {}, tensor_path=path)
        assert found.tensor.tolist() == [[1.0]]
        (found,) = projector.read(tmp_path / "way").values()
        assert found.tensor.tolist() == [[1.0]]


@posix
def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path in ("absent", "absent/x", "x" * 5000, ".", "loop"):
        assert all("there is no file" in said for said in asked(tmp_path, path))


# ------------------------------------------------------------------ other storage


@pytest.fixture
def memory() -> Iterator[Any]:
    fsspec = pytest.importorskip("fsspec")
    yield fsspec.filesystem("memory")
    fsspec.filesystem("memory").store.clear()
    fsspec.filesystem("memory").pseudo_dirs[:] = [""]


def test_on_another_file_system(memory: Any) -> None:
    text = 'embeddings { tensor_name: "%s" tensor_path: "%s" metadata_path: "m.tsv" }'
    memory.pipe("/logs/run/projector_config.pbtxt", (text % ("a", "deep/x")).encode())
    memory.pipe("/logs/run/deep/x", b"1\t2\n")
    memory.pipe("/logs/run/m.tsv", b"word\n")
    memory.pipe(f"/logs/{ASSETS}/projector_config.pbtxt", (text % ("b", "../x")).encode())
    memory.pipe("/logs/plugins/x", b"1\t2\n")
    folders = projector.find("memory://logs")
    assert list(folders) == [".", "run"]
    found = projector.read(folders["run"])["a"]
    assert (found.tensor.tolist(), found.labels) == ([[1.0, 2.0]], ["word"])
    outside = projector.read(folders["."])["b"]
    with pytest.raises(DecodeError, match=r"'\.\./x' is not inside of memory://"):
        _ = outside.tensor
    with pytest.raises(DecodeError, match=r"there is no file 'm\.tsv'"):
        _ = outside.metadata


@pytest.mark.parametrize("path", ["..", "/logs/x", "file:///etc/hostname", "a/../../x"])
def test_outside_on_another_file_system(memory: Any, path: str) -> None:
    memory.pipe("/logs/x", b"1")
    entry = EmbeddingInfo(tensor_path=path)
    with pytest.raises(DecodeError, match="is not inside of memory://logs"):
        _ = Embedding("e", entry, "memory://logs").tensor


@posix
def test_links_behind_a_url_of_the_disk(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    run = tmp_path / "run"
    put(run, {"x": "1\n", "../secret": "2\n"}, tensor_path="x")
    (run / "link").symlink_to(tmp_path / "secret")
    (found,) = projector.read(f"file://{run}").values()
    assert found.tensor.tolist() == [[1.0]]
    with pytest.raises(DecodeError, match="is not inside of"):
        _ = Embedding("e", EmbeddingInfo(tensor_path="link"), f"file://{run}").tensor


# ------------------------------------------------------------------ written and read


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_written_and_read(data: st.DataObject) -> None:
    floats = st.floats(width=32)
    count, width = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    rows = st.lists(
        st.lists(floats, min_size=width, max_size=width), min_size=count, max_size=count
    )
    points = np.array(data.draw(rows), np.float32)
    cells = st.text(
        st.characters(exclude_characters="\t\n\r\u200b\ufeff", exclude_categories=["Cs"]),
        max_size=4,
    )
    header = data.draw(st.sampled_from([None, ["one", "two"]]))
    labels = [data.draw(st.tuples(cells, cells) if header else cells) for _ in range(count)]
    pixels = st.binary(min_size=count * 12, max_size=count * 12)
    images = np.frombuffer(data.draw(pixels), np.uint8).reshape(count, 3, 2, 2)
    with tempfile.TemporaryDirectory() as folder:
        prepared, _ = projector.prepare(points, labels, images, header)
        projector.write(folder, "tag", 1, prepared)
        found = projector.read(folder)["tag:00001"]
        assert found.tensor.tobytes() == points.tobytes() or np.isnan(points).any()
        np.testing.assert_array_equal(found.tensor, points)
        rows_found = list(zip(*found.metadata.values(), strict=True))
        assert rows_found == [tuple(row) if header else (row,) for row in labels]
        np.testing.assert_array_equal(
            found.thumbnails(),
            images.transpose(0, 2, 3, 1),
        )


def test_many_points_written_and_read(tmp_path: Path) -> None:
    """Beyond `projector.TSV_NUMBERS` they are bytes."""
    many = np.random.default_rng(4).normal(size=(1000, 80)).astype(np.float32)
    for step, points in enumerate((many, np.zeros_like(many))):
        projector.write(tmp_path, "many", step, projector.prepare(points)[0])
    first, second = projector.read(tmp_path).values()
    assert first.config.tensor_path.endswith("tensors.bytes")
    np.testing.assert_array_equal(first.tensor, many)
    assert first.tensor is first.tensor
    assert not second.tensor.any()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.lists(st.integers(0, 2**32 - 1), max_size=3))
def test_any_bytes_are_read_or_refused(content: bytes, shape: list[int]) -> None:
    paths = dict.fromkeys(("tensor_path", "metadata_path", "bookmarks_path"), "x")
    sprite = {"image_path": "x", "single_image_dim": shape}
    with tempfile.TemporaryDirectory() as folder:
        found = put(Path(folder), {"x": content}, tensor_shape=shape, sprite=sprite, **paths)
        for name in ("tensor", "labels", "bookmarks", "sprite"):
            with contextlib.suppress(DecodeError):
                assert len(getattr(found, name)) <= len(content)


# ------------------------------------------------------------------ files of others


def test_the_corpus(corpus: Path) -> None:
    truths = json.loads((corpus / "expected" / "_projector.json").read_bytes())
    configs = [path.parent for path in corpus.rglob("projector_config.pbtxt")]
    runs = {corpus / run: Path(folder) for run, folder in projector.find(str(corpus)).items()}
    assert sorted(runs.values()) == sorted(configs)
    assert len(truths) == len(configs) == 7
    seen = dict.fromkeys(("points", "labels", "images", "absent"), 0)
    for name, truth in truths.items():
        folder = (corpus / name).parent
        assert runs[folder] == folder
        found = projector.read(folder)
        assert list(found) == [entry["tensor_name"] for entry in truth["embeddings"]]
        for one, entry in zip(found.values(), truth["embeddings"], strict=True):
            if "tensor_rows_cols" in entry:
                seen["points"] += 1
                assert list(one.tensor.shape) == entry["tensor_rows_cols"]
                theirs = projector_plugin._read_tensor_tsv_file(str(folder / entry["tensor_path"]))
                np.testing.assert_array_equal(one.tensor, theirs)
            else:
                with pytest.raises(DecodeError, match="in a checkpoint"):
                    _ = one.tensor
            if "metadata_lines" not in entry:  # a file that the corpus does not have
                seen["absent"] += 1
                with pytest.raises(DecodeError, match="there is no file"):
                    _ = one.metadata
                continue
            seen["labels"] += 1
            header = len(one.metadata) > 1
            assert len(one.labels) == entry["metadata_lines"] - header
            lines = (folder / entry["metadata_path"]).read_text(encoding="utf-8").split("\n")
            assert one.labels == [line.split("\t")[0] for line in lines[header:-1]]
            if entry["sprite"]:
                seen["images"] += 1
                images = one.thumbnails()
                assert images is not None
                width, height = entry["single_image_dim"]
                assert images.shape[:3] == (len(one.tensor), height, width)
    assert seen == {"points": 4, "labels": 7, "images": 2, "absent": 2}


ROUTE = "/data/plugin/projector"


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three places, and the two forms of points."""
    folder: Path = tmp_path_factory.mktemp("logs")
    for run in ("plain", "assets", "both", "raw"):
        with SummaryWriter(folder / run) as writer:
            writer.add_scalar("x", 1, 1)
    rng = np.random.default_rng(5)
    for run, seed in (("plain", 1), (f"assets/{ASSETS}", 2), (f"both/{ASSETS}", 3), ("", 4)):
        (folder / run).mkdir(parents=True, exist_ok=True)
        points = rng.normal(size=(6, 3)) * seed
        labels = [[f"{run}{number}", number] for number in range(6)]
        embedding, _ = projector.prepare(points, labels, None, ["name", "number"])
        projector.write(folder / run, "points", seed, embedding)
    for run in ("both", "raw"):
        put(folder / run, {"x": RAW.tobytes()}, tensor_path="x", tensor_shape=[50, 3])
    return folder


@pytest.fixture(scope="module")
def server(logdir: Path) -> Iterator[TensorBoardServer]:
    with TensorBoardServer(logdir, "python") as running:
        running.wait_for(f"{ROUTE}/runs", lambda runs: len(runs) == 5)
        yield running


def test_tensorboard_has_the_same_embeddings(server: TensorBoardServer, logdir: Path) -> None:
    folders = projector.find(str(logdir))
    assert list(folders) == sorted(server.json(f"{ROUTE}/runs"))
    seen = []
    for run, folder in folders.items():
        ours = projector.read(folder)
        for entry in server.json(f"{ROUTE}/info", run=run)["embeddings"]:
            one = ours[entry["tensorName"]]
            seen.append((run, one.name))
            assert list(one.tensor.shape) == entry["tensorShape"]
            theirs = server.get(f"{ROUTE}/tensor", run=run, name=one.name)
            assert one.tensor.tobytes() == theirs
            if one.metadata:
                body = server.get(f"{ROUTE}/metadata", run=run, name=one.name).decode()
                header, *rows = body.splitlines()
                assert list(one.metadata) == header.split("\t")
                assert list(zip(*one.metadata.values(), strict=True)) == [
                    tuple(row.split("\t")) for row in rows
                ]
    assert seen == [
        (".", "points:00004"),
        ("assets", "points:00002"),
        ("both", "points:00003"),
        ("plain", "points:00001"),
        ("raw", "e"),
    ]
    # TensorBoard shows one config of a run only; here are both.
    assert list(projector.read(folders["both"])) == ["e", "points:00003"]
    assert config.ASSETS == ASSETS
