"""Embeddings, written: as TensorBoard's Projector reads them, its server and its page alike."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorboardX
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from tensorboard.plugins.projector import projector_plugin
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard_server import BACKENDS, Backend, TensorBoardServer

from tbio import SummaryWriter, projector
from tbio.projector import writing

FLOAT32 = npt.NDArray[np.float32]
POINTS = [[0.5, -1.0, 2.0], [1e-40, -0.0, 3.4e38], [0.1, 1 / 3, 1e10]]


def config(folder: Path) -> ProjectorConfig:
    """As TensorBoard reads it."""
    text = (folder / "projector_config.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, ProjectorConfig())


def read_tensor(folder: Path, entry: Any) -> FLOAT32:
    """As TensorBoard reads it (projector_plugin.py, ``_serve_tensor``)."""
    path = str(folder / entry.tensor_path)
    try:
        tensor = projector_plugin._read_tensor_tsv_file(path)
    except UnicodeDecodeError:
        tensor = projector_plugin._read_tensor_binary_file(path, entry.tensor_shape)
    return np.asarray(tensor)


def written(folder: Path, *args: Any, **kwargs: Any) -> Any:
    """The entry of the one embedding written, after `projector.prepare` without a warning."""
    embedding, trouble = projector.prepare(*args, **kwargs)
    assert trouble == ""
    projector.write(folder, "tag", 3, embedding)
    (entry,) = config(folder).embeddings
    return entry


def same_bits(left: FLOAT32, right: FLOAT32) -> bool:
    return left.shape == right.shape and left.tobytes() == right.tobytes()


# ------------------------------------------------------------------ the points


def test_files_and_entry(tmp_path: Path) -> None:
    images = np.zeros((3, 3, 4, 4), np.uint8)
    entry = written(tmp_path, POINTS, ["a", "b", "c"], images)
    assert text_format.MessageToString(entry).split("\n") == [
        'tensor_name: "tag:00003"',
        'metadata_path: "00003/tag/metadata.tsv"',
        "tensor_shape: 3",
        "tensor_shape: 3",
        "sprite {",
        '  image_path: "00003/tag/sprite.png"',
        "  single_image_dim: 4",
        "  single_image_dim: 4",
        "}",
        'tensor_path: "00003/tag/tensors.tsv"',
        "",
    ]
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        "projector_config.pbtxt",
        "00003/tag/metadata.tsv",
        "00003/tag/sprite.png",
        "00003/tag/tensors.tsv",
    }
    assert (tmp_path / "00003/tag/tensors.tsv").read_bytes().split(b"\n")[0] == b"0.5\t-1.0\t2.0"
    assert same_bits(read_tensor(tmp_path, entry), np.array(POINTS, np.float32))


@pytest.mark.parametrize(
    "mat",
    [
        np.arange(6).reshape(3, 2),
        np.arange(6, dtype=np.uint8).reshape(3, 2),
        np.array([[True, False], [False, True]]),
        np.arange(6, dtype=np.float16).reshape(2, 3),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(24.0).reshape(4, 6)[::2, ::-3],
        [(1, 2), (3, 4)],
        [[7.0]],
    ],
    ids=str,
)
def test_what_is_a_matrix(tmp_path: Path, mat: Any) -> None:
    entry = written(tmp_path, mat)
    assert same_bits(read_tensor(tmp_path, entry), np.array(mat, np.float32))
    assert not entry.metadata_path
    assert not entry.HasField("sprite")


@pytest.mark.parametrize(
    ("mat", "error", "words"),
    [
        ([1.0, 2.0], ValueError, r"mat: want points of shape \(n, d\), got shape \(2,\)"),
        (np.zeros((2, 2, 2)), ValueError, r"got shape \(2, 2, 2\)"),
        (np.zeros((0, 3)), ValueError, r"got shape \(0, 3\)"),  # it would break the whole page
        (np.zeros((3, 0)), ValueError, r"got shape \(3, 0\)"),
        ([[1.0, 2.0], [3.0]], ValueError, "no array"),
        ([["a", "b"]], TypeError, "want numbers"),
        ([[1j]], TypeError, "want real numbers, got dtype complex128"),
        (None, TypeError, "want numbers"),
    ],
)
def test_what_is_no_matrix(mat: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        projector.prepare(mat)


def test_points_that_are_not_finite_are_written_and_told_of(tmp_path: Path) -> None:
    mat = [[1.0, 2.0], [np.nan, np.inf], [1e300, 0.0], [-np.inf, 1.0]]
    embedding, trouble = projector.prepare(mat)
    assert trouble == "3 of 4 points are not finite as float32"
    projector.write(tmp_path, "tag", 0, embedding)
    got = read_tensor(tmp_path, config(tmp_path).embeddings[0])
    want = [[1, 2], [np.nan, np.inf], [np.inf, 0], [-np.inf, 1]]
    np.testing.assert_array_equal(got, np.array(want, np.float32))


def test_the_arguments_may_change_afterwards(tmp_path: Path) -> None:
    mat = np.ones((4, 2), np.float32)
    images = np.full((4, 3, 2, 2), 200, np.uint8)
    labels = ["a", "b", "c", "d"]
    embedding, _ = projector.prepare(mat, labels, images)
    mat[:], images[:], labels[:] = 7, 9, ["x"] * 4
    assert (embedding.vectors == 1).all()
    assert embedding.images is not None
    assert (embedding.images == 200).all()
    assert embedding.metadata == "a\nb\nc\nd\n"


def test_many_points_are_written_as_bytes(tmp_path: Path) -> None:
    mat = np.random.default_rng(1).normal(size=(1000, 66)).astype(np.float32)
    assert mat.size > projector.TSV_NUMBERS
    entry = written(tmp_path, mat)
    assert entry.tensor_path == "00003/tag/tensors.bytes"
    assert list(entry.tensor_shape) == [1000, 66]
    assert (tmp_path / entry.tensor_path).read_bytes() == mat.astype("<f4").tobytes()
    assert same_bits(read_tensor(tmp_path, entry), mat)


def as_floats(text: bytes) -> FLOAT32:
    return np.frombuffer(text, "<f4").reshape(-1, 2)


@pytest.mark.parametrize(
    ("mat", "is_text"),
    [
        (np.zeros((50_000, 2), np.float32), True),
        (as_floats(b"abcdefgh" * 50_000), True),
        # a first line that TensorFlow's file system would hand to float(), and no text behind it
        (as_floats(b"1.0\n" + b"\xff" * 400_004), True),
        (as_floats(b"\xff1.0\n" + b"a" * 400_003), False),
        # text up to where the look at it ends, also in the middle of a character
        (as_floats(b"a" * 8191 + "é".encode() + b"a" * 399_999), True),
        (as_floats(b"a" * 8190 + b"\xff" + b"a" * 399_993), False),
    ],
    ids=["zeros", "ascii", "number-first", "no-text-first", "cut-character", "late"],
)
def test_floats_that_are_text_as_well(tmp_path: Path, mat: FLOAT32, is_text: bool) -> None:
    embedding, _ = projector.prepare(mat)
    projector.write(tmp_path, "tag", 0, embedding)
    (entry,) = config(tmp_path).embeddings
    assert entry.tensor_path.endswith(".tsv") is is_text
    np.testing.assert_array_equal(read_tensor(tmp_path, entry), mat)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bits=hnp.arrays(np.uint32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6))
    | hnp.arrays(
        np.uint32,
        (3, 3),
        # bytes of text and line breaks, and a few that are none
        elements=st.lists(st.sampled_from(b"0159.\n\t\xc3\xa9\xff"), min_size=4, max_size=4).map(
            lambda four: int.from_bytes(bytes(four), "little")
        ),
    ),
    limit=st.sampled_from([0, 10**9]),
)
def test_any_floats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: npt.NDArray[np.uint32], limit: int
) -> None:
    monkeypatch.setattr(projector, "TSV_NUMBERS", limit)
    mat = bits.view(np.float32)
    embedding, _ = projector.prepare(mat)
    projector.write(tmp_path, "tag", 0, embedding)
    (entry,) = config(tmp_path).embeddings
    np.testing.assert_array_equal(read_tensor(tmp_path, entry), mat)


# ------------------------------------------------------------------ their labels

#: What JavaScript's trim() takes away: WhiteSpace and LineTerminator of ECMA-262.
JS_SPACE = "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # noqa: E501


def page_labels(text: str) -> list[dict[str, str]]:
    """The labels of the points, as the page reads them (data-provider.ts, ``parseMetadata``)."""
    lines = [line for line in text.split("\n") if line.strip(JS_SPACE)]
    names = ["label"]
    if "\t" in lines[0]:
        names = lines.pop(0).split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]


def labels_of(folder: Path, entry: Any) -> list[dict[str, str]]:
    """The same of a file, as it comes through TensorBoard's server."""
    with projector_plugin.tf.io.gfile.GFile(str(folder / entry.metadata_path), "r") as file:
        return page_labels("".join(file))


@pytest.mark.parametrize(
    ("metadata", "labels"),
    [
        (["a", "b"], ["a", "b"]),
        ([1, 2.5], ["1", "2.5"]),
        (("x", None), ["x", "None"]),
        ({"k": 1, "l": 2}, ["k", "l"]),
        ((word for word in ("lazy", "list")), ["lazy", "list"]),
        (np.array(["a", "Größe"]), ["a", "Größe"]),
        (np.array([3, 4]), ["3", "4"]),
        (np.array([0.1, 2], np.float32), ["0.1", "2.0"]),
        (np.array(["s", 5], object), ["s", "5"]),
        (["one\ttwo", "three\nfour\r\nfive"], ["one two", "three four  five"]),
        (["a\vb\fc\x85d\u2028e", "f"], ["a\vb\fc\x85d\u2028e", "f"]),  # no line ends to either
        (["", "after nothing"], ["\u200b", "after nothing"]),
        (["a", " \u3000"], ["a", "\u200b \u3000"]),
        (["=1+1", '"quoted'], ["=1+1", '"quoted']),
        ([b"bytes", b"\xff"], ["bytes", "b'\\xff'"]),
        ([["a", 1], ["b", 2]], ["['a', 1]", "['b', 2]"]),  # as torch: no header, one column
        ([np.float32(0.5), np.array(7)], ["0.5", "7"]),
    ],
)
def test_labels(tmp_path: Path, metadata: Any, labels: list[str]) -> None:
    entry = written(tmp_path, [[0.0, 1.0], [2.0, 3.0]], metadata)
    assert labels_of(tmp_path, entry) == [{"label": label} for label in labels]


@pytest.mark.parametrize(
    ("header", "metadata", "labels"),
    [
        (
            ["name", "size"],
            [["a", 1], ("b", 2.5)],
            [{"name": "a", "size": "1"}, {"name": "b", "size": "2.5"}],
        ),
        (
            ("a\tb", 7),
            [["x\ty", "p\nq"], ["", "z"]],
            [{"a b": "x y", "7": "p q"}, {"a b": "", "7": "z"}],
        ),
        (
            ["i", "j"],
            np.arange(4).reshape(2, 2),
            [{"i": "0", "j": "1"}, {"i": "2", "j": "3"}],
        ),
        (
            ["i", "j"],
            [["", ""], [" ", "\t"]],
            [{"i": "\u200b", "j": ""}, {"i": "\u200b ", "j": " "}],
        ),
        # one column has no header, or the page would show its name as the first point's label
        (["only"], [["a"], ["b"]], [{"label": "a"}, {"label": "b"}]),
        (["only"], ["cat", "dog"], [{"label": "cat"}, {"label": "dog"}]),
        ([], ["cat", "dog"], [{"label": "cat"}, {"label": "dog"}]),
    ],
)
def test_columns(tmp_path: Path, header: Any, metadata: Any, labels: list[dict[str, str]]) -> None:
    entry = written(tmp_path, [[0.0, 1.0], [2.0, 3.0]], metadata, metadata_header=header)
    assert labels_of(tmp_path, entry) == labels


@pytest.mark.parametrize(
    ("header", "metadata", "words"),
    [
        (None, ["a"], "metadata: want a label for each of 2 points, got 1"),
        (None, ["a", "b", "c"], "got 3"),
        (None, [], "got 0"),
        (["x", "y"], [["a", 1], ["b"]], r"metadata\[1\]: want a cell for each of 2 names, got 1"),
        (["x", "y"], [["a", 1, 2], ["b", 2, 3]], r"metadata\[0\]: .* got 3"),
        (["x", "y"], ["ab", "cd"], r"metadata\[0\]: .* got 1"),  # no letters for cells
        (["x", "x"], [["a", 1], ["b", 2]], "metadata_header: want names, each of them once"),
        (["x", " "], [["a", 1], ["b", 2]], "metadata_header"),
        (None, ["a", "\udc80"], r"metadata: '\\udc80' cannot be stored as UTF-8"),
    ],
)
def test_labels_that_do_not_fit(header: Any, metadata: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        projector.prepare([[0.0, 1.0], [2.0, 3.0]], metadata, metadata_header=header)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
        | st.text(st.sampled_from("\t\n\r a\u3000\ufeff"), max_size=3),
        min_size=1,
        max_size=6,
    )
)
def test_every_point_has_its_own_label(labels: list[str]) -> None:
    embedding, _ = projector.prepare([[0.0]] * len(labels), labels)
    text = embedding.metadata.removeprefix("\ufeff")  # as the browser does
    shown = [row["label"] for row in page_labels(text)]
    assert len(shown) == len(labels)
    for label, got in zip(labels, shown, strict=True):
        clean = label.translate(str.maketrans("\t\n\r", "   "))
        assert got.strip("\u200b\ufeff") == clean.strip("\u200b\ufeff")


# ------------------------------------------------------------------ their images


def sprite(folder: Path, entry: Any) -> tuple[npt.NDArray[np.uint8], int]:
    """The pixels, and the number of images beside each other as the page computes it."""
    image = Image.open(io.BytesIO((folder / entry.sprite.image_path).read_bytes()))
    assert image.format == "PNG"
    width, height = entry.sprite.single_image_dim
    # scatterPlotVisualizerSprites.ts takes the row from one and the column from the other
    assert image.width / width == image.height / height == image.width // width
    assert max(image.size) <= 8192
    return np.asarray(image), image.width // width


def page_image(folder: Path, entry: Any, place: int) -> npt.NDArray[np.uint8]:
    """The image of one point, as the page cuts it out."""
    pixels, columns = sprite(folder, entry)
    width, height = entry.sprite.single_image_dim
    row, column = divmod(place, columns)
    cut: npt.NDArray[np.uint8]
    cut = pixels[row * height : (row + 1) * height, column * width : (column + 1) * width]
    return cut


def noise(*shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9, 10])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images(tmp_path: Path, count: int, channels: int) -> None:
    images = noise(count, channels, 5, 5)
    entry = written(tmp_path, np.zeros((count, 2)), label_img=images)
    pixels, columns = sprite(tmp_path, entry)
    assert pixels.shape[:2] == (columns * 5, columns * 5)
    assert (columns - 1) ** 2 < count <= columns**2
    for place, image in enumerate(images):
        want = image[0] if channels == 1 else image.transpose(1, 2, 0)
        np.testing.assert_array_equal(page_image(tmp_path, entry, place), want)
    for place in range(count, columns**2):
        assert not page_image(tmp_path, entry, place).any()


@pytest.mark.parametrize(
    "images",
    [
        noise(4, 3, 2, 2) / np.float32(255),
        noise(4, 3, 2, 2) / 255,
        noise(4, 3, 2, 2).astype(np.int64),
        (noise(4, 3, 2, 2) / 255).tolist(),
    ],
    ids=["float32", "float64", "int64", "list"],
)
def test_images_of_other_dtypes(tmp_path: Path, images: Any) -> None:
    entry = written(tmp_path, np.zeros((4, 2)), label_img=images)
    pixels, _ = sprite(tmp_path, entry)
    assert pixels[2:4, 2:4].tolist() == noise(4, 3, 2, 2)[3].transpose(1, 2, 0).tolist()


def test_bool_images(tmp_path: Path) -> None:
    images = np.array([[[[True, False], [False, True]]]])
    entry = written(tmp_path, [[1.0, 2.0]], label_img=images)
    assert sprite(tmp_path, entry)[0].tolist() == [[255, 0], [0, 255]]


def test_floats_out_of_range_are_clipped_and_told_of(tmp_path: Path) -> None:
    images = np.array([-1.0, 0.0, 2.0, np.nan]).reshape(1, 1, 2, 2)
    embedding, trouble = projector.prepare([[1.0, 2.0]], label_img=images)
    assert trouble.startswith("images: 2 of 4 floats outside [0, 1] were clipped")
    assert embedding.images is not None
    assert embedding.images.ravel().tolist() == [0, 0, 255, 0]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(2, 6), (6, 2), (3, 6)])
def test_images_that_are_no_squares(tmp_path: Path, height: int, width: int, channels: int) -> None:
    """The page draws every image as a square: what is none has nothing around it."""
    images = noise(5, channels, height, width)
    entry = written(tmp_path, np.zeros((5, 2)), label_img=images)
    assert list(entry.sprite.single_image_dim) == [6, 6]
    top, left = (6 - height) // 2, (6 - width) // 2
    for place, image in enumerate(images):
        square = page_image(tmp_path, entry, place)
        want = image.transpose(1, 2, 0)
        if channels < 4:
            want = np.concatenate([want, np.full((height, width, 1), 255, np.uint8)], axis=2)
        inside = square[top : top + height, left : left + width]
        np.testing.assert_array_equal(inside, want)
        outside = square[..., -1].copy()
        outside[top : top + height, left : left + width] = 0
        assert not outside.any()


@pytest.mark.parametrize("channels", [1, 3])
def test_images_too_large_for_one_sprite_are_shrunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int
) -> None:
    monkeypatch.setattr(writing, "MAX_SPRITE_PIXELS", 17)
    levels = np.arange(9, dtype=np.uint8) * 20  # one grey each, so that averages are known
    images = np.broadcast_to(levels[:, None, None, None], (9, channels, 16, 8))
    embedding, trouble = projector.prepare(np.zeros((9, 2)), label_img=images)
    assert trouble == (
        "images of 8x16 pixels are shrunk, so that 3 fit beside each other into the 17 pixels "
        "that TensorBoard can load"
    )
    projector.write(tmp_path, "tag", 0, embedding)
    (entry,) = config(tmp_path).embeddings
    assert list(entry.sprite.single_image_dim) == [5, 5]
    assert sprite(tmp_path, entry)[0].shape[:2] == (15, 15)
    for place, level in enumerate(levels):
        square = page_image(tmp_path, entry, place)
        opaque = square[..., -1] == 255
        assert opaque.sum() == 5 * 2
        assert (square[opaque][:, 0] == level).all()


def test_the_largest_sprite(monkeypatch: pytest.MonkeyPatch) -> None:
    assert projector.MAX_SPRITE_PIXELS == 8192
    monkeypatch.setattr(writing, "MAX_SPRITE_PIXELS", 8)
    assert projector.prepare(np.zeros((4, 2)), label_img=noise(4, 3, 4, 4))[1] == ""
    assert "shrunk" in projector.prepare(np.zeros((5, 2)), label_img=noise(5, 3, 4, 4))[1]
    assert "shrunk" in projector.prepare(np.zeros((4, 2)), label_img=noise(4, 3, 1, 5))[1]
    assert projector.prepare(np.zeros((64, 2)), label_img=noise(64, 3, 1, 1))[1] == ""
    with pytest.raises(ValueError, match="label_img: 65 images are too many for a sprite"):
        projector.prepare(np.zeros((65, 2)), label_img=noise(65, 3, 1, 1))


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (noise(2, 3, 4), ValueError, r"label_img: .*got shape \(2, 3, 4\)"),
        (noise(2, 5, 4, 4), ValueError, r"label_img: .*1 to 4 channels"),
        (noise(2, 4, 4, 3)[..., None], ValueError, "label_img: "),
        (noise(3, 3, 4, 4), ValueError, "label_img: want an image for each of 2 points, got 3"),
        (noise(2, 3, 0, 4), ValueError, "label_img: "),
        (noise(2, 3, 4, 4).astype(np.int32) + 1, ValueError, "label_img: .*0 to 255"),
        (noise(2, 3, 4, 4) * 1j, TypeError, "label_img: "),
        (["a", "b"], TypeError, "label_img: want numbers"),
    ],
)
def test_what_are_no_images(images: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        projector.prepare(np.zeros((2, 2)), label_img=images)


# ------------------------------------------------------------------ the config


def put(folder: Path, tag: str, step: int, value: float = 0.0, **kwargs: Any) -> None:
    projector.write(folder, tag, step, projector.prepare([[value, 1.0], [2.0, 3.0]], **kwargs)[0])


def test_several_tags_and_steps(tmp_path: Path) -> None:
    places = [("a", 0), ("b", 0), ("a", 12), ("a", 1234567), ("a", -5)]
    for value, (tag, step) in enumerate(places):
        put(tmp_path, tag, step, value)
    entries = config(tmp_path).embeddings
    names = ["a:00000", "b:00000", "a:00012", "a:1234567", "a:-0005"]
    assert [entry.tensor_name for entry in entries] == names
    assert [read_tensor(tmp_path, entry)[0, 0] for entry in entries] == [0, 1, 2, 3, 4]


def test_the_newer_takes_the_place_of_the_older(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, 1, metadata=["x", "y"])
    put(tmp_path, "b", 1, 2)
    put(tmp_path, "a", 1, 3)
    first, second = config(tmp_path).embeddings
    assert (first.tensor_name, second.tensor_name) == ("a:00001", "b:00001")
    assert read_tensor(tmp_path, first)[0, 0] == 3
    assert not first.metadata_path


OTHERS = """
model_checkpoint_path: "/elsewhere/model.ckpt"  # a comment
embeddings { tensor_name: "layer/weights" metadata_path: "words.tsv" bookmarks_path: "b.json" }
embeddings { tensor_name: "a:00001" tensor_path: "old.tsv" bookmarks_path: "views.json" }
"""


def test_entries_of_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "projector_config.pbtxt"
    path.write_text(OTHERS)
    put(tmp_path, "a", 1)
    put(tmp_path, "c", 1)
    got = config(tmp_path)
    want = text_format.Parse(OTHERS, ProjectorConfig())
    assert got.model_checkpoint_path == want.model_checkpoint_path
    assert got.embeddings[0] == want.embeddings[0]
    assert got.embeddings[1].bookmarks_path == "views.json"
    assert got.embeddings[1].tensor_path == "00001/a/tensors.tsv"
    assert [entry.tensor_name for entry in got.embeddings[2:]] == ["c:00001"]


@pytest.mark.parametrize(
    "content", [b"embeddings {", b"no such field: 1", b"\xff\xfe", b'a: "\xff"']
)
def test_a_config_that_cannot_be_read_is_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "projector_config.pbtxt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read, so 'a:00001' is not listed"):
        put(tmp_path, "a", 1)
    assert path.read_bytes() == content


def test_an_empty_config_is_none(tmp_path: Path) -> None:
    (tmp_path / "projector_config.pbtxt").touch()
    put(tmp_path, "a", 1)
    assert len(config(tmp_path).embeddings) == 1


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(6):
                put(tmp_path, f"thread{number}", step)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    names = sorted(entry.tensor_name for entry in config(tmp_path).embeddings)
    assert names == sorted(f"thread{n}:0000{step}" for n in range(6) for step in range(6))
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_lock_is_waited_for_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_LOCK_SECONDS", 0.05)
    with writing._locked(tmp_path):
        put(tmp_path, "a", 1)
    assert len(config(tmp_path).embeddings) == 1


def test_what_the_disk_refuses(tmp_path: Path) -> None:
    put(tmp_path, "a", 1)
    before = (tmp_path / "projector_config.pbtxt").read_bytes()
    (tmp_path / "00002").write_text("a file in the way")
    with pytest.raises(OSError, match="00002"):
        put(tmp_path, "a", 2)
    # a folder where the file should be: the draft is written, and taken away again
    (tmp_path / "00003" / "a" / "tensors.tsv").mkdir(parents=True)
    with pytest.raises(OSError, match=r"tensors\.tsv"):
        put(tmp_path, "a", 3)
    assert (tmp_path / "projector_config.pbtxt").read_bytes() == before
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    put(tmp_path, "a", 1)
    path = tmp_path / "00001" / "a" / "tensors.tsv"
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


HOSTILE_TAGS = [
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b\\c%d",
    "a%2fb",
    "a/b",
    "C:\\x",
    "CON?*|<>",
    "line\nbreak\x00",
    "ends.",
    "ends ",
    "~",
    'quote"s',
    "Größe 学习率 🦉",
    "x" * 1000,
    "ü" * 1000,
    "ü" * 999 + "u",
]


def test_any_tag(tmp_path: Path) -> None:
    run = tmp_path / "logs" / "run"
    run.mkdir(parents=True)
    for value, tag in enumerate(HOSTILE_TAGS):
        put(run, tag, 7, value)
    entries = config(run).embeddings
    assert [entry.tensor_name for entry in entries] == [f"{tag}:00007" for tag in HOSTILE_TAGS]
    for value, entry in enumerate(entries):
        assert read_tensor(run, entry)[0, 0] == value
        step, folder, file = entry.tensor_path.split("/")
        assert (step, file) == ("00007", "tensors.tsv")
        assert len(folder.encode()) <= 255
        # what TensorBoard 2.21 wants: inside of the config's folder
        config_path = str(run / "projector_config.pbtxt")
        assert projector_plugin._rel_to_abs_asset_path(entry.tensor_path, config_path)
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["run"]
    assert sorted(path.name for path in run.iterdir()) == ["00007", "projector_config.pbtxt"]


def test_a_tag_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"surrogate|UTF-8"):
        put(tmp_path, "\udc80", 1)
    assert not (tmp_path / "projector_config.pbtxt").exists()


# ------------------------------------------------------------------ the peers' files


def assert_same_embedding(ours: Path, theirs: Path, name: str = "words/en:00007") -> None:
    """Equal entries, points, labels and images, as TensorBoard reads them."""
    (mine,) = config(ours).embeddings
    (other,) = config(theirs).embeddings
    assert mine.tensor_name == other.tensor_name == name
    assert mine.tensor_path == other.tensor_path
    assert mine.metadata_path == other.metadata_path
    assert mine.sprite.image_path == other.sprite.image_path
    assert mine.sprite.single_image_dim == other.sprite.single_image_dim
    assert same_bits(read_tensor(ours, mine), read_tensor(theirs, other))
    if mine.metadata_path:
        assert labels_of(ours, mine) == labels_of(theirs, other)
    if mine.sprite.image_path:
        np.testing.assert_array_equal(sprite(ours, mine)[0], sprite(theirs, other)[0])


LABELS = [f"label {number}" for number in range(9)]
ROWS = [[f"label {number}", number**2] for number in range(9)]


@pytest.mark.parametrize("images", [None, noise(9, 3, 4, 4) / np.float32(255)], ids=["", "images"])
@pytest.mark.parametrize(
    ("metadata", "header"),
    [(None, None), (LABELS, None), (ROWS, ["name", "square"])],
    ids=["bare", "labels", "columns"],
)
def test_as_tensorboardx(tmp_path: Path, images: Any, metadata: Any, header: Any) -> None:
    mat = np.random.default_rng(2).normal(size=(9, 4)).astype(np.float32)
    arguments = (mat, metadata, images)
    with tensorboardX.SummaryWriter(str(tmp_path / "theirs")) as writer:
        writer.add_embedding(*arguments, 7, "words/en", header)
    (tmp_path / "ours").mkdir()
    embedding, _ = projector.prepare(*arguments, header)
    projector.write(tmp_path / "ours", "words/en", 7, embedding)
    assert_same_embedding(tmp_path / "ours", tmp_path / "theirs")


@pytest.mark.full
@pytest.mark.parametrize("with_images", [False, True])
@pytest.mark.parametrize(
    ("metadata", "header"),
    [(None, None), (LABELS[:8], None), (ROWS[:8], ["name", "square"])],
    ids=["bare", "labels", "columns"],
)
def test_as_torch(tmp_path: Path, with_images: bool, metadata: Any, header: Any) -> None:
    import torch
    from torch.utils.tensorboard import SummaryWriter as TorchWriter

    mat = torch.randn(8, 4, requires_grad=True)
    images = torch.rand(8, 3, 5, 5) if with_images else None
    arguments = (mat, metadata, images)
    with TorchWriter(str(tmp_path / "theirs")) as writer:
        writer.add_embedding(*arguments, 7, "words/en", header)
    (tmp_path / "ours").mkdir()
    embedding, _ = projector.prepare(*arguments, header)
    projector.write(tmp_path / "ours", "words/en", 7, embedding)
    assert_same_embedding(tmp_path / "ours", tmp_path / "theirs")


@pytest.mark.full
class TestWhereTorchIsWrong:
    def test_labels_that_are_tensors(self, tmp_path: Path) -> None:
        """torch: "tensor(3)"."""
        import torch

        entry = written(tmp_path, [[0.0, 1.0]] * 2, torch.tensor([3, 4]))
        assert [row["label"] for row in labels_of(tmp_path, entry)] == ["3", "4"]
        entry = written(tmp_path, [[0.0, 1.0]] * 2, [torch.tensor(3), torch.tensor(0.5)])
        assert [row["label"] for row in labels_of(tmp_path, entry)] == ["3", "0.5"]

    def test_images_of_uint8(self, tmp_path: Path) -> None:
        """torch: times 255, so that all but black is white."""
        import torch

        images = torch.from_numpy(noise(4, 3, 2, 2))
        entry = written(tmp_path, torch.zeros(4, 2), label_img=images)
        want = noise(4, 3, 2, 2)[3].transpose(1, 2, 0)
        np.testing.assert_array_equal(page_image(tmp_path, entry, 3), want)

    def test_bfloat16(self, tmp_path: Path) -> None:
        """torch: through float16, so that 1e6 is inf."""
        import torch

        entry = written(tmp_path, torch.tensor([[1e6, 1.0]], dtype=torch.bfloat16))
        assert read_tensor(tmp_path, entry).tolist() == [[999424.0, 1.0]]

    def test_another_writers_entries(self, tmp_path: Path) -> None:
        """torch: writes the config anew, from what this writer has added."""
        import torch
        from torch.utils.tensorboard import SummaryWriter as TorchWriter

        put(tmp_path, "ours", 1)
        with TorchWriter(str(tmp_path)) as writer:
            writer.add_embedding(torch.zeros(2, 2), tag="theirs", global_step=1)
        assert [entry.tensor_name for entry in config(tmp_path).embeddings] == ["theirs:00001"]
        put(tmp_path, "ours", 2)
        names = [entry.tensor_name for entry in config(tmp_path).embeddings]
        assert names == ["theirs:00001", "ours:00002"]


# ------------------------------------------------------------------ the real TensorBoard

ROUTE = "/data/plugin/projector"
LARGE = np.random.default_rng(4).normal(size=(2000, 40)).astype(np.float32)
IMAGES = noise(7, 3, 6, 6)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("projector")
    for run in ("words", "deep/er"):
        with SummaryWriter(folder / run) as writer:
            writer.add_scalar("x", 1, 1)
    words = folder / "words"
    for step in (0, 100):
        mat = np.arange(14).reshape(7, 2) + step
        metadata = [[f"w{number}", number] for number in range(7)]
        embedding, _ = projector.prepare(mat, metadata, IMAGES, ["word", "count"])
        projector.write(words, "layer/1", step, embedding)
    embedding, _ = projector.prepare(POINTS, ["Größe", "", "tab\there"])
    projector.write(words, "../Ü %", 5, embedding)
    projector.write(folder / "deep/er", "large", 1, projector.prepare(LARGE)[0])
    projector.write(folder / "deep/er", "zeros", 1, projector.prepare(np.zeros_like(LARGE))[0])
    return folder


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, logdir: Path) -> Iterator[TensorBoardServer]:
    backend: Backend = request.param
    with TensorBoardServer(logdir, backend) as running:
        running.wait_for(f"{ROUTE}/runs", lambda runs: len(runs) == 2)
        yield running


def test_tensorboard_shows_every_embedding(server: TensorBoardServer) -> None:
    assert sorted(server.json(f"{ROUTE}/runs")) == ["deep/er", "words"]
    shown = {
        (run, entry["tensorName"]): entry["tensorShape"]
        for run in ("words", "deep/er")
        for entry in server.json(f"{ROUTE}/info", run=run)["embeddings"]
    }
    assert shown == {
        ("words", "layer/1:00000"): [7, 2],
        ("words", "layer/1:00100"): [7, 2],
        ("words", "../Ü %:00005"): [3, 3],
        ("deep/er", "large:00001"): [2000, 40],
        ("deep/er", "zeros:00001"): [2000, 40],
    }


@pytest.mark.parametrize(
    ("run", "name", "want"),
    [
        ("words", "layer/1:00000", np.arange(14).reshape(7, 2)),
        ("words", "layer/1:00100", np.arange(14).reshape(7, 2) + 100),
        ("words", "../Ü %:00005", POINTS),
        ("deep/er", "large:00001", LARGE),
        ("deep/er", "zeros:00001", np.zeros_like(LARGE)),
    ],
)
def test_tensorboard_shows_the_points(
    server: TensorBoardServer, run: str, name: str, want: Any
) -> None:
    got = np.frombuffer(server.get(f"{ROUTE}/tensor", run=run, name=name), np.float32)
    assert same_bits(got, np.array(want, np.float32).ravel())


def test_tensorboard_shows_the_labels(server: TensorBoardServer) -> None:
    def labels(name: str) -> list[dict[str, str]]:
        body = server.get(f"{ROUTE}/metadata", run="words", name=name, num_rows=100)
        return page_labels(body.decode())

    columns = [{"word": f"w{number}", "count": str(number)} for number in range(7)]
    assert labels("layer/1:00000") == labels("layer/1:00100") == columns
    single = [{"label": "Größe"}, {"label": "\u200b"}, {"label": "tab here"}]
    assert labels("../Ü %:00005") == single


def test_tensorboard_shows_the_images(server: TensorBoardServer) -> None:
    info = server.json(f"{ROUTE}/info", run="words")["embeddings"][0]
    assert info["sprite"]["singleImageDim"] == [6, 6]
    png = server.get(f"{ROUTE}/sprite_image", run="words", name="layer/1:00000")
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    assert pixels.shape == (18, 18, 3)
    for place in range(7):
        row, column = divmod(place, 3)
        cut = pixels[row * 6 : row * 6 + 6, column * 6 : column * 6 + 6]
        np.testing.assert_array_equal(cut, IMAGES[place].transpose(1, 2, 0))


def test_tensorboard_has_nothing_to_complain_of(server: TensorBoardServer) -> None:
    json.dumps(server.json(f"{ROUTE}/info", run="words"))
    assert "Traceback" not in server.output
    assert "projector" not in server.output.lower()
