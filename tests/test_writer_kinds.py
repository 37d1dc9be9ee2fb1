"""What each method of SummaryWriter leaves in the event file, and what it refuses."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
import threading
import warnings
import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.figure
import numpy as np
import numpy.typing as npt
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.mesh import metadata as mesh_metadata
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.util.tensor_util import make_ndarray

import tbio
from tbio import SummaryWriter
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary

Array = npt.NDArray[Any]

IMAGE = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)  # CHW
BLACK = np.zeros((40, 60, 3), np.uint8)
BOXES = np.array([[5.0, 6.0, 30.0, 30.0]])
TRIANGLE = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*tfevents*"))


def events_in(folder: Path) -> list[Event]:
    """The events with a summary, of this folder only, in the order of the files."""
    found = []
    for path in sorted(folder.glob("*tfevents*")):
        found += [e for e in tbio.read_events(path, on_damage="raise") if e.HasField("summary")]
    return found


def values_in(folder: Path) -> list[Summary.Value]:
    return [value for event in events_in(folder) for value in event.summary.value]


def shown(folder: Path) -> dict[str, Array]:
    """What TensorBoard's own loader makes of the one file: tag -> the last value."""
    (path,) = folder.glob("*tfevents*")
    return {
        value.tag: make_ndarray(value.tensor)
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    }


def pixels_of(value: Summary.Value) -> Array:
    with Image.open(io.BytesIO(value.image.encoded_image_string)) as image:
        return np.asarray(image)


def red_figure() -> matplotlib.figure.Figure:
    return matplotlib.figure.Figure(figsize=(0.5, 0.25), dpi=100, facecolor=(1, 0, 0))


def add(writer: SummaryWriter, method: str, tag: Any, *args: Any, **more: Any) -> None:
    """Call a method; that of embeddings alone has the tag in another place."""
    if method == "add_embedding":
        writer.add_embedding(*args, **{**more, "tag": tag})
    else:
        getattr(writer, method)(tag, *args, **more)


def quiet(writer: SummaryWriter) -> SummaryWriter:
    """The writer without its thread: nothing is encoded before flush or close."""
    writer._background._thread = threading.current_thread()
    return writer


class Kind(NamedTuple):
    """A method, what it takes behind the tag, and the plugin that the first value names."""

    method: str
    args: tuple[Any, ...]
    plugin: str
    more: Mapping[str, Any] = {}
    suffix: str = ""  # that the kind itself puts behind the tag


KINDS = {
    "scalar": Kind("add_scalar", (0.5,), ""),
    "scalar, new style": Kind("add_scalar", (0.5,), "scalars", {"new_style": True}),
    "scalar, exact": Kind("add_scalar", (0.1,), "scalars", {"double_precision": True}),
    "scalar, named": Kind("add_scalar", (0.5,), "scalars", {"display_name": "n"}),
    "scalar, described": Kind("add_scalar", (0.5,), "scalars", {"summary_description": "d"}),
    "tensor": Kind("add_tensor", ([[1, 2], [3, 4]],), "tensor"),
    "histogram": Kind("add_histogram", ([1.0, 2.0],), ""),
    "histogram_raw": Kind("add_histogram_raw", (0, 5, 10, 25, 70, [1, 2, 5], [3, 3, 4]), ""),
    "image": Kind("add_image", (IMAGE,), ""),
    "images": Kind("add_images", (IMAGE[np.newaxis],), ""),
    "image_with_boxes": Kind("add_image_with_boxes", (IMAGE, BOXES), ""),
    "figure": Kind("add_figure", (red_figure(),), "", {"close": False}),
    "video": Kind("add_video", (IMAGE[np.newaxis, np.newaxis],), ""),
    "audio": Kind("add_audio", ([0.5, -1.0],), "audio"),
    "text": Kind("add_text", ("*x*",), "text"),
    "pr_curve": Kind("add_pr_curve", ([0, 1], [0.2, 0.9]), "pr_curves"),
    "pr_curve_raw": Kind(
        "add_pr_curve_raw", ([2, 0], [1, 0], [0, 1], [0, 2], [1, 0], [1, 0]), "pr_curves"
    ),
    "mesh": Kind("add_mesh", (TRIANGLE,), "mesh", suffix="_VERTEX"),
}


@pytest.mark.parametrize("name", KINDS)
def test_tag_step_time_and_metadata(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    writer = SummaryWriter(tmp_path)
    add = getattr(writer, kind.method)
    for step in (7, 8):
        add("a b/%[ü]", *kind.args, global_step=step, walltime=1.5 + step, **kind.more)
    writer.close()
    add("a b/%[ü]", *kind.args, global_step=9, walltime=10.5, **kind.more)
    writer.close()
    events = events_in(tmp_path)
    assert [(event.step, event.wall_time) for event in events] == [(7, 8.5), (8, 9.5), (9, 10.5)]
    assert len(files_in(tmp_path)) == 2
    values = [value for event in events for value in event.summary.value]
    assert [value.tag for value in values] == ["a b/%[ü]" + kind.suffix] * 3
    assert all(value.WhichOneof("value") for value in values)
    plugins = [value.metadata.plugin_data.plugin_name for value in values]
    if name == "mesh":  # the server takes a part's metadata for the whole mesh: in each value
        assert plugins == ["mesh"] * 3
    else:
        # the first value of the tag in each file
        assert plugins == [kind.plugin, "", kind.plugin]
        assert not values[1].HasField("metadata")
        assert values[0].HasField("metadata") == bool(kind.plugin)


def test_every_add_method_is_here() -> None:
    others = {
        "add_scalars",
        "add_graph",
        "add_onnx_graph",
        "add_openvino_graph",
        "add_embedding",
        "add_hparams",
        "add_custom_scalars",
        "add_custom_scalars_multilinechart",
        "add_custom_scalars_marginchart",
    }
    methods = {name for name in dir(SummaryWriter) if name.startswith("add_")}
    assert methods == {kind.method for kind in KINDS.values()} | others


# ------------------------------------------------------------------ values


def test_scalar_values(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("old", 0.1)
        writer.add_scalar("new", np.float64(0.1), new_style=True)
        writer.add_scalar("exact", 0.1, double_precision=True)
        writer.add_scalar("nan", np.nan)
        writer.add_scalar("inf", -np.inf)
        writer.add_scalar("one of one", [[True]])
    arrays = shown(tmp_path)
    for tag in ("old", "new", "exact"):
        assert arrays[tag].dtype == np.float32
        assert arrays[tag].item() == float(np.float32(0.1)) == 0.10000000149011612
    assert np.isnan(arrays["nan"])
    assert arrays["inf"] == -np.inf
    assert arrays["one of one"] == 1
    assert tbio.open(tmp_path)["."].scalars["exact"].values.tolist() == [0.1]


def test_tensor_values(tmp_path: Path) -> None:
    given: dict[str, Array] = {
        "int16": np.array([[1, -2], [3, 4]], np.int16),
        "uint8": np.array([0, 255], np.uint8),  # to torch: a reader finds nothing
        "float16": np.array([0.5, 65504.0], np.float16),  # to torch: bits of a float32
        "float64": np.array(0.1),
        "bool": np.array([True, False]),
        "complex64": np.array([1 + 2j], np.complex64),
    }
    with SummaryWriter(tmp_path) as writer:
        for tag, array in given.items():
            writer.add_tensor(tag, array)
        writer.add_tensor("strings", ["größe", "b"])
    arrays = shown(tmp_path)
    for tag, array in given.items():
        assert arrays[tag].dtype == array.dtype
        assert arrays[tag].shape == array.shape
        assert arrays[tag].tolist() == array.tolist()
    assert arrays["strings"].tolist() == ["größe".encode(), b"b"]


def test_histogram_values(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("h", [1, 2, 2, 4], bins=[0, 1, 2, 4])
        writer.add_histogram_raw("raw", 0, 5, 10, 25, 70, [1, 2, 5], [3, 3, 4])
        writer.add_histogram("joined", np.arange(8), bins=4, max_bins=2)
    h, raw, joined = (value.histo for value in values_in(tmp_path))
    assert (h.min, h.max, h.num, h.sum, h.sum_squares) == (1, 4, 4, 9, 25)
    assert (raw.min, raw.max, raw.num, raw.sum, raw.sum_squares) == (0, 5, 10, 25, 70)
    assert (list(raw.bucket_limit), list(raw.bucket)) == ([1, 2, 5], [3, 3, 4])
    # four buckets of 1.75 from 0 to 7, two and two joined
    assert (list(joined.bucket_limit), list(joined.bucket)) == ([0, 3.5, 7], [0, 4, 4])
    arrays = shown(tmp_path)
    assert arrays["h"].tolist() == [[1, 2, 1], [2, 4, 3]]
    assert arrays["raw"].tolist() == [[0, 1, 3], [1, 2, 3], [2, 5, 4]]


def test_image_values(tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.fromarray(IMAGE.transpose(1, 2, 0)).save(png, "PNG")
    path = tmp_path / "picture.png"
    path.write_bytes(png.getvalue())
    with SummaryWriter(tmp_path / "run") as writer:
        writer.add_image("chw", IMAGE)
        writer.add_image("hwc", IMAGE.transpose(1, 2, 0), 0, None, "HWC")
        writer.add_image("pil", Image.fromarray(IMAGE.transpose(1, 2, 0)))
        writer.add_image("bytes", png.getvalue())
        writer.add_image("encoded", encoded=png.getvalue())
        writer.add_image("path", encoded=path)
        writer.add_image("float", np.array([[0.0, 0.5, 1.0]]), dataformats="HW")
        writer.add_images("grid", np.stack([IMAGE, IMAGE + 1]))
    values = {value.tag: value for value in values_in(tmp_path / "run")}
    for tag in ("chw", "hwc", "pil", "bytes", "encoded", "path"):
        assert np.array_equal(pixels_of(values[tag]), IMAGE.transpose(1, 2, 0)), tag
        image = values[tag].image
        assert (image.height, image.width, image.colorspace) == (4, 5, 3)
    for tag in ("bytes", "encoded", "path"):  # the file as it is
        assert values[tag].image.encoded_image_string == png.getvalue()
    assert pixels_of(values["float"]).tolist() == [[0, 127, 255]]  # as the peers: cut, not rounded
    both = np.concatenate([IMAGE, IMAGE + 1], axis=2)
    assert np.array_equal(pixels_of(values["grid"]), both.transpose(1, 2, 0))


def test_image_wants_one_source(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(TypeError, match=r"^'x': want either img_tensor or encoded"):
            writer.add_image("x")
        with pytest.raises(TypeError, match=r"^'x': want either img_tensor or encoded"):
            writer.add_image("x", IMAGE, encoded=b"")


def test_image_with_boxes_values(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_image_with_boxes("x", BLACK, BOXES, dataformats="HWC")
    (value,) = values_in(tmp_path)
    pixels = pixels_of(value)
    assert pixels.shape == (40, 60, 3)
    red = [255, 0, 0]
    # on the four sides: y, x
    assert all(pixels[y, x].tolist() == red for y, x in [(6, 15), (30, 15), (18, 5), (18, 30)])
    assert not pixels[18, 15].any()
    assert not pixels[2, 2].any()


def test_figure_values(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("one", red_figure())
        writer.add_figure("two", [red_figure(), red_figure()])
    one, two = map(pixels_of, values_in(tmp_path))
    assert one.shape == (25, 50, 3)
    assert two.shape == (25, 100, 3)
    assert (one == [255, 0, 0]).all()
    assert (two == [255, 0, 0]).all()


def test_a_figure_is_closed_unless_it_is_not_to_be(tmp_path: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    with SummaryWriter(tmp_path) as writer:
        kept, closed = pyplot.figure(), pyplot.figure()
        writer.add_figure("kept", kept, 0, False)
        writer.add_figure("closed", closed, 0)
        try:
            assert pyplot.fignum_exists(kept.number)
            assert not pyplot.fignum_exists(closed.number)
        finally:
            pyplot.close("all")


def test_video_values(tmp_path: Path) -> None:
    frames = np.stack([IMAGE, 255 - IMAGE])[np.newaxis]  # NTCHW
    with SummaryWriter(tmp_path) as writer:
        writer.add_video("png", frames, 0, 10)
        writer.add_video("axes", frames.transpose(0, 1, 3, 4, 2), 0, 10, None, "NTHWC")
        writer.add_video("gif", frames, format="gif")
    values = {value.tag: value.image for value in values_in(tmp_path)}
    for tag in ("png", "axes"):
        image: Any
        with Image.open(io.BytesIO(values[tag].encoded_image_string)) as image:
            assert (image.n_frames, image.format) == (2, "PNG")
            for at in range(2):
                image.seek(at)
                assert image.info["duration"] == 100  # ms
                stored = np.asarray(image.convert("RGB"))
                assert np.array_equal(stored, frames[0, at].transpose(1, 2, 0))
    with Image.open(io.BytesIO(values["gif"].encoded_image_string)) as image:
        assert (image.n_frames, image.format) == (2, "GIF")


def test_audio_values(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_audio("float", [0.5, -1.0, 0.0], 0, 8000)
        writer.add_audio("stereo", np.array([[1, 2], [3, 4], [5, 6]], np.int16), 0, 16000)
    values = {value.tag: value.audio for value in values_in(tmp_path)}
    for tag, rate, channels, samples in [
        ("float", 8000, 1, [16384, -32768, 0]),
        ("stereo", 16000, 2, [1, 2, 3, 4, 5, 6]),
    ]:
        audio = values[tag]
        assert (audio.sample_rate, audio.num_channels, audio.length_frames) == (rate, channels, 3)
        assert audio.content_type == "audio/wav"
        with wave.open(io.BytesIO(audio.encoded_audio_string)) as wav:
            assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (
                rate,
                channels,
                2,
            )
            assert np.frombuffer(wav.readframes(3), "<i2").tolist() == samples


def test_text_values(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("one", "größe *x*")
        writer.add_text("table", [["a", "b"], ["c", "d"], ["e", "f"]])
    arrays = shown(tmp_path)
    assert arrays["one"].shape == ()
    assert arrays["one"].item() == "größe *x*".encode()
    assert arrays["table"].tolist() == [[b"a", b"b"], [b"c", b"d"], [b"e", b"f"]]


def test_pr_curve_values(tmp_path: Path) -> None:
    rows: Any = [[3, 1], [5, 0], [0, 5], [0, 2], [0.375, 1], [1, 0.25]]
    with SummaryWriter(tmp_path) as writer:
        writer.add_pr_curve("pr", [0, 1, 1], [0.4, 0.6, 0.9], 0, 3)
        writer.add_pr_curve("weighted", [0, 1, 1], [0.4, 0.6, 0.9], 0, 3, [2, 3, 4])
        writer.add_pr_curve("many", [0, 1], [0.25, 0.75], num_thresholds=201)
        writer.add_pr_curve_raw("raw", *rows)
    arrays = shown(tmp_path)
    # at 0, 0.5 and 1: TP, FP, TN, FN, precision, recall
    want: Any = [[2, 2, 0], [1, 0, 0], [0, 1, 1], [0, 0, 2], [2 / 3, 1, 0], [1, 1, 0]]
    assert np.allclose(arrays["pr"], want)
    want = [[7, 7, 0], [2, 0, 0], [0, 2, 2], [0, 0, 7], [7 / 9, 1, 0], [1, 1, 0]]
    assert np.allclose(arrays["weighted"], want)
    assert arrays["many"].shape == (6, 201)
    assert np.array_equal(arrays["raw"], np.array(rows, np.float32))


def test_mesh_values(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
        writer.add_mesh("cube", TRIANGLE, colors, [[0, 1, 2]], {"camera": {"fov": 75}}, 3)
    arrays = shown(tmp_path)
    assert arrays["cube_VERTEX"].tolist() == [TRIANGLE]
    assert arrays["cube_COLOR"].tolist() == [colors]
    assert arrays["cube_FACE"].tolist() == [[[0, 1, 2]]]
    (event,) = events_in(tmp_path)
    assert event.step == 3
    for value in event.summary.value:
        content = mesh_metadata.parse_plugin_metadata(value.metadata.plugin_data.content)
        assert content.name == "cube"
        assert content.json_config == '{"camera": {"fov": 75}}'
        assert content.components == 0b1110  # vertex 1, face 2, color 3


def test_scalars_values(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalars("loss/all", {"a": 1, "b": 2.5}, 7, 1.5)
    for key, want in (("a", 1), ("b", 2.5)):
        (event,) = events_in(tmp_path / f"loss_all_{key}")
        assert (event.step, event.wall_time) == (7, 1.5)
        assert event.summary.value[0].tag == "loss/all"
        assert event.summary.value[0].simple_value == want


def test_graphs(tmp_path: Path) -> None:
    graph = GraphDef()
    graph.node.add(name="x", op="Placeholder")
    # ModelProto {ir_version 8, graph {node {input x, output y, name "n", op "Relu"}}, opset 17}
    node = b"\x0a\x01x\x12\x01y\x1a\x01n\x22\x04Relu"
    body = b"\x0a" + bytes([len(node)]) + node
    onnx = b"\x08\x08" + b"\x3a" + bytes([len(body)]) + body + b"\x42\x02\x10\x11"
    (tmp_path / "net.onnx").write_bytes(onnx)
    (tmp_path / "net.xml").write_text(
        '<net name="m" version="11"><layers><layer id="0" name="v" type="Parameter" '
        'version="opset1"/></layers><edges/></net>'
    )
    with SummaryWriter(tmp_path / "run") as writer:
        writer.add_graph(graph)
        writer.add_onnx_graph(str(tmp_path / "net.onnx"))
        writer.add_openvino_graph(tmp_path / "net.xml")
        graph.node[0].name = "changed"
        for method in (writer.add_onnx_graph, writer.add_openvino_graph):
            with pytest.raises(OSError, match="none"):
                method(tmp_path / "none")
        with pytest.raises(ValueError, match="no OpenVINO model"):
            writer.add_openvino_graph(tmp_path / "net.onnx")
        with pytest.raises(ValueError, match=r"field|ONNX"):
            writer.add_onnx_graph(tmp_path / "net.xml")
        with pytest.raises(TypeError, match="int"):
            writer.add_graph(3)
    graphs = [
        GraphDef.FromString(event.graph_def)
        for event in tbio.read_events(tmp_path / "run")
        if event.HasField("graph_def")
    ]
    assert [graphs[0].node[0].name, graphs[0].node[0].op] == ["x", "Placeholder"]
    assert "Relu" in {node.op for node in graphs[1].node}
    assert [(node.name, node.op) for node in graphs[2].node] == [("v", "Parameter")]


# ------------------------------------------------------------------ arguments by position


def boxed(tmp_path: Path, name: str, *args: Any, **more: Any) -> Array:
    with SummaryWriter(tmp_path / name) as writer:
        writer.add_image_with_boxes("x", BLACK, BOXES, 1, 1.5, *args, **more)
    (value,) = values_in(tmp_path / name)
    return pixels_of(value)


def test_scalar_fifth_and_sixth_place(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("torch 5", 0.1, 1, 1.5, True)
        writer.add_scalar("torch 6", 0.1, 1, 1.5, False, True)
        writer.add_scalar("tensorboardX 5", 0.1, 1, 1.5, "name")
        writer.add_scalar("tensorboardX 6", 0.1, 1, 1.5, "", "words")
    five, six, name, words = values_in(tmp_path)
    assert list(five.tensor.float_val) == [np.float32(0.1)]
    assert not five.tensor.double_val
    assert list(six.tensor.double_val) == [0.1]
    assert name.metadata.display_name == "name"
    assert words.metadata.summary_description == "words"
    # what they did not ask for: another encoding
    assert name.WhichOneof("value") == words.WhichOneof("value") == "simple_value"


def test_image_with_boxes_sixth_place(tmp_path: Path) -> None:
    plain = boxed(tmp_path, "keywords", dataformats="HWC")
    labelled = boxed(tmp_path, "labels", dataformats="HWC", labels=["cat"])
    assert not np.array_equal(plain, labelled)
    assert np.array_equal(boxed(tmp_path, "x6", "HWC"), plain)
    assert np.array_equal(boxed(tmp_path, "x7", "HWC", ["cat"]), labelled)
    assert np.array_equal(boxed(tmp_path, "x7 none", "HWC", None), plain)
    assert np.array_equal(boxed(tmp_path, "x6 and keyword", "HWC", labels=["cat"]), labelled)
    assert np.array_equal(boxed(tmp_path, "t8", 1, "HWC", ["cat"]), labelled)
    assert boxed(tmp_path, "t7", 2, "HWC").shape == (80, 120, 3)


def test_image_with_boxes_one_label_in_seventh_place(tmp_path: Path) -> None:
    # tensorboardX takes a string for the label of one box
    labelled = boxed(tmp_path, "keywords", dataformats="HWC", labels="cat")
    assert np.array_equal(boxed(tmp_path, "x7", "HWC", "cat"), labelled)


@pytest.mark.parametrize(
    ("args", "folder", "step"),
    [
        (("trial",), "trial", 0),  # tensorboardX
        (("trial", 7), "trial", 7),
        ((None, 7), ".", 7),
        (({"lr": [0.1, 0.2]},), ".", 0),  # torch
        (({"lr": [0.1, 0.2]}, "trial"), "trial", 0),
        (({"lr": [0.1, 0.2]}, "trial", 7), "trial", 7),
        ((None, None, 7), ".", 7),
        ((None, np.int64(7)), ".", 7),  # a step as numpy has it
    ],
)
def test_hparams_third_and_fourth_place(
    tmp_path: Path, args: tuple[Any, ...], folder: str, step: int
) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1}, {"loss": 2}, *args)
    found = [e for e in events_in(tmp_path / folder) if e.summary.value[0].tag == "loss"]
    assert [(event.step, event.summary.value[0].simple_value) for event in found] == [(step, 2)]


# ------------------------------------------------------------------ wrong input

WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("add_scalar", (None,), {}),
    ("add_scalar", ([1, 2],), {}),
    ("add_scalar", ("0.5",), {}),
    ("add_scalar", (1j,), {}),
    ("add_scalar", (1, "first"), {}),
    ("add_scalar", (1, 1, "noon"), {}),
    ("add_scalar", (1,), {"walltime": float("inf")}),
    ("add_scalars", ({"a": "x"},), {}),
    ("add_scalars", ({"a": 1}, 2**63), {}),
    ("add_scalars", ({"a": 1}, 0, float("nan")), {}),
    ("add_scalars", (1.0,), {}),
    ("add_tensor", (None,), {}),
    ("add_tensor", ([[1], [1, 2]],), {}),
    ("add_histogram", ("text",), {}),
    ("add_histogram", ([1j],), {}),
    ("add_histogram", ([1.0],), {"bins": "no rule"}),
    ("add_histogram", ([1.0],), {"bins": [3, 2, 1]}),
    ("add_histogram", ([1.0],), {"max_bins": 0}),
    ("add_histogram_raw", (0, 1, 1, 1, 1, [1, 2], [1]), {}),
    ("add_histogram_raw", (0, 1, None, 1, 1, [1], [1]), {}),
    ("add_image", (np.zeros((2, 3)),), {}),
    ("add_image", (np.zeros((3, 4, 5)),), {"dataformats": "CHX"}),
    ("add_image", (np.zeros((7, 4, 5)),), {}),
    ("add_image", (b"no image",), {}),
    ("add_image", (object(),), {}),
    ("add_image", (np.full((1, 2, 2), 256),), {}),
    ("add_images", (np.zeros((3, 4, 5)),), {}),
    ("add_images", (np.zeros((0, 3, 4, 5)),), {}),
    ("add_image_with_boxes", (IMAGE, [[1, 2, 3]]), {}),
    ("add_image_with_boxes", (IMAGE, BOXES), {"rescale": 0}),
    ("add_image_with_boxes", (IMAGE, BOXES), {"rescale": None}),
    ("add_figure", ("figure",), {}),
    ("add_figure", ([],), {}),
    ("add_video", (IMAGE,), {}),
    ("add_video", (np.zeros((1, 0, 3, 4, 5)),), {}),
    ("add_video", (IMAGE[np.newaxis, np.newaxis],), {"fps": 0}),
    ("add_video", (IMAGE[np.newaxis, np.newaxis],), {"format": "mp4"}),
    ("add_audio", ([],), {}),
    ("add_audio", ([1, 2],), {}),  # int64: no full scale
    ("add_audio", ([0.5],), {"sample_rate": 0}),
    ("add_audio", (b"no wav file",), {}),
    ("add_text", (3,), {}),
    ("add_text", ([],), {}),
    ("add_text", ("\udc80",), {}),
    ("add_mesh", ([[0, 0]],), {}),
    ("add_mesh", (TRIANGLE,), {"faces": [[0, 1, 3]]}),
    ("add_mesh", (TRIANGLE,), {"config_dict": {"a": object()}}),
    ("add_pr_curve", ([0, 2], [0.1, 0.2]), {}),
    ("add_pr_curve", ([0, 1], [0.1]), {}),
    ("add_pr_curve", ([0, 1], [0.1, 0.2]), {"num_thresholds": 1}),
    ("add_pr_curve_raw", ([1], [1], [1], [1], [1], [1]), {}),
    ("add_embedding", (np.zeros(3),), {}),
    ("add_embedding", (np.zeros((3, 2)), ["a"]), {}),
    ("add_embedding", (np.zeros((3, 2)),), {"global_step": "first"}),
]


@pytest.mark.parametrize(("method", "args", "more"), WRONG)
def test_wrong_input(
    tmp_path: Path, method: str, args: tuple[Any, ...], more: dict[str, Any]
) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises((TypeError, ValueError)) as caught:
            add(writer, method, "bad", *args, **more)
        writer.add_scalar("good", 1)
    assert [value.tag for value in values_in(tmp_path)] == ["good"]
    assert [path.parent for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path]
    assert str(caught.value).startswith("'bad'")


@pytest.mark.parametrize("method", sorted({method for method, _, _ in WRONG}))
@pytest.mark.parametrize("tag", [7, None, b"x", "\ud800"])
def test_wrong_tags(tmp_path: Path, method: str, tag: Any) -> None:
    args = {kind.method: kind.args for kind in KINDS.values()}
    args |= {"add_embedding": (TRIANGLE,), "add_scalars": ({"a": 1},)}
    with (
        SummaryWriter(tmp_path) as writer,
        pytest.raises((TypeError, ValueError), match="tag: "),
    ):
        add(writer, method, tag, *args[method])
    assert not values_in(tmp_path)


@pytest.mark.parametrize(
    "layout",
    [3, {"a": 3}, {"a": {"b": ["Pie", ["c"]]}}, {"a": {"b": ["Margin", ["c"]]}}, {"a": {"b": []}}],
)
def test_wrong_layouts(tmp_path: Path, layout: Any) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises((TypeError, ValueError), match="want"):
            writer.add_custom_scalars(layout)
        with pytest.raises((TypeError, ValueError), match="want"):
            writer.add_custom_scalars_marginchart(["one"])
        with pytest.raises((TypeError, ValueError), match="want"):
            writer.add_custom_scalars_multilinechart("one")
    assert not values_in(tmp_path)


# ------------------------------------------------------------------ changed right after the call


class Change(NamedTuple):
    """A call, and what its user does to the argument when it has returned."""

    make: Callable[[], Any]
    call: Callable[[SummaryWriter, Any], object]
    change: Callable[[Any], object]


def fill(array: Any) -> None:
    array[...] = 1


def gauss() -> Array:
    return np.linspace(0.1, 0.9, 24)


def png_file() -> bytearray:
    buffer = io.BytesIO()
    Image.fromarray(IMAGE[0]).save(buffer, "PNG")
    return bytearray(buffer.getvalue())


def layout_of_two() -> Layout:
    layout = Layout()
    chart = layout.category.add(title="c").chart.add(title="t")
    chart.multiline.tag.append("loss")
    return layout


def some_hparams() -> dict[str, Any]:
    return {"lr": 0.1, "layers": [64, 32], "net": {"width": np.array([1.0, 2.0])}}


def spoil_hparams(hparams: dict[str, Any]) -> None:
    hparams["net"]["width"][:] = 9
    hparams["layers"].append(9)
    hparams["more"] = hparams["lr"] = 9


CHANGES = {
    "scalar": Change(lambda: np.array(0.5), lambda w, a: w.add_scalar("x", a), fill),
    "scalar, 1 element": Change(
        lambda: [np.array([0.5])], lambda w, a: w.add_scalar("x", a[0]), lambda a: fill(a[0])
    ),
    "tensor": Change(gauss, lambda w, a: w.add_tensor("x", a), fill),
    "tensor, strings": Change(
        lambda: np.array(["a", "b"], object),
        lambda w, a: w.add_tensor("x", a),
        lambda a: a.fill("c"),
    ),
    "histogram": Change(gauss, lambda w, a: w.add_histogram("x", a), fill),
    "histogram, edges": Change(
        lambda: np.array([0.0, 0.5, 1.0]), lambda w, a: w.add_histogram("x", gauss(), bins=a), fill
    ),
    "histogram_raw, limits": Change(
        lambda: np.array([1.0, 2.0]),
        lambda w, a: w.add_histogram_raw("x", 0, 2, 2, 3, 5, a, [1, 1]),
        fill,
    ),
    "histogram_raw, counts": Change(
        lambda: np.array([2.0, 3.0]),
        lambda w, a: w.add_histogram_raw("x", 0, 2, 2, 3, 5, [1, 2], a),
        fill,
    ),
    "image": Change(IMAGE.copy, lambda w, a: w.add_image("x", a), fill),
    "image, HWC": Change(
        IMAGE.transpose(1, 2, 0).copy, lambda w, a: w.add_image("x", a, dataformats="HWC"), fill
    ),
    "image, HW": Change(IMAGE[0].copy, lambda w, a: w.add_image("x", a, dataformats="HW"), fill),
    "image, float": Change(
        lambda: gauss().reshape(3, 2, 4), lambda w, a: w.add_image("x", a), fill
    ),
    "image, Pillow": Change(
        lambda: Image.fromarray(IMAGE.transpose(1, 2, 0)),
        lambda w, a: w.add_image("x", a),
        lambda a: a.paste((9, 9, 9), (0, 0, 5, 4)),
    ),
    "image, Pillow of one channel": Change(
        lambda: Image.fromarray(IMAGE[0]),
        lambda w, a: w.add_image("x", a),
        lambda a: a.paste(9, (0, 0, 5, 4)),
    ),
    "image, bytes": Change(
        png_file,
        lambda w, a: w.add_image("x", encoded=a),
        lambda a: a.__setitem__(slice(None), bytes(len(a))),
    ),
    "images": Change(lambda: np.stack([IMAGE, IMAGE]), lambda w, a: w.add_images("x", a), fill),
    "images, one": Change(IMAGE[np.newaxis].copy, lambda w, a: w.add_images("x", a), fill),
    "boxes, image": Change(
        BLACK.copy, lambda w, a: w.add_image_with_boxes("x", a, BOXES, dataformats="HWC"), fill
    ),
    "boxes, boxes": Change(
        BOXES.copy, lambda w, a: w.add_image_with_boxes("x", BLACK, a, dataformats="HWC"), fill
    ),
    "boxes, labels": Change(
        lambda: ["cat"],
        lambda w, a: w.add_image_with_boxes("x", BLACK, BOXES, dataformats="HWC", labels=a),
        lambda a: a.__setitem__(0, "dog"),
    ),
    "figure": Change(
        red_figure, lambda w, a: w.add_figure("x", a), lambda a: a.set_facecolor("blue")
    ),
    "video": Change(IMAGE[np.newaxis, np.newaxis].copy, lambda w, a: w.add_video("x", a), fill),
    "video, THWC": Change(
        IMAGE.transpose(1, 2, 0)[np.newaxis].copy,
        lambda w, a: w.add_video("x", a[np.newaxis], dataformats="NTHWC"),
        fill,
    ),
    "audio": Change(gauss, lambda w, a: w.add_audio("x", a), fill),
    "audio, int16": Change(
        lambda: np.arange(9, dtype=np.int16), lambda w, a: w.add_audio("x", a), fill
    ),
    "text, list": Change(
        lambda: ["a", "b"], lambda w, a: w.add_text("x", a), lambda a: a.append("c")
    ),
    "text, array": Change(
        lambda: np.array(["a", "b"], object), lambda w, a: w.add_text("x", a), lambda a: a.fill("c")
    ),
    "mesh, vertices": Change(
        lambda: np.array([TRIANGLE], np.float32), lambda w, a: w.add_mesh("x", a), fill
    ),
    "mesh, colors": Change(
        lambda: np.zeros((1, 3, 3), np.uint8), lambda w, a: w.add_mesh("x", TRIANGLE, a), fill
    ),
    "mesh, faces": Change(
        lambda: np.array([[[0, 1, 2]]], np.int32),
        lambda w, a: w.add_mesh("x", TRIANGLE, None, a),
        fill,
    ),
    "mesh, config": Change(
        lambda: {"camera": {"fov": 75}},
        lambda w, a: w.add_mesh("x", TRIANGLE, config_dict=a),
        lambda a: a["camera"].clear(),
    ),
    "pr_curve, labels": Change(
        lambda: np.array([0, 1, 0]), lambda w, a: w.add_pr_curve("x", a, [0.1, 0.2, 0.7]), fill
    ),
    "pr_curve, predictions": Change(
        lambda: np.array([0.5, 0.7]), lambda w, a: w.add_pr_curve("x", [0, 1], a), fill
    ),
    "pr_curve, weights": Change(
        lambda: np.array([2.0, 3.0]),
        lambda w, a: w.add_pr_curve("x", [0, 1], [0.2, 0.3], weights=a),
        fill,
    ),
    "pr_curve_raw": Change(
        lambda: np.array([2.0, 3.0], np.float32),
        lambda w, a: w.add_pr_curve_raw("x", a, a, a, a, a, a),
        fill,
    ),
    "set_hparams": Change(some_hparams, lambda w, a: w.set_hparams(a), spoil_hparams),
    "add_hparams": Change(some_hparams, lambda w, a: w.add_hparams(a, {}), spoil_hparams),
    "layout": Change(
        lambda: {"c": {"t": ["Multiline", ["a"]]}},
        lambda w, a: w.add_custom_scalars(a),
        lambda a: a["c"]["t"][1].append("b"),
    ),
    "layout, message": Change(
        layout_of_two, lambda w, a: w.add_custom_scalars(a), lambda a: a.Clear()
    ),
    "log": Change(
        lambda: {"i": IMAGE.copy(), "h": gauss(), "s": np.array(0.5), "t": ["a"]},
        lambda w, a: w.log(a),
        lambda a: (*map(fill, (a["i"], a["h"], a["s"])), a["t"].append("b"), a.clear()),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_after_the_call_changes_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 2.0)
    case = CHANGES[name]
    stored = {}
    for run in ("left alone", "changed", "changed before"):
        argument = case.make()
        with quiet(SummaryWriter(tmp_path / run)) as writer:
            if run == "changed before":
                case.change(argument)
            try:
                case.call(writer, argument)
            except (TypeError, ValueError):
                assert run == "changed before"  # the change is such that there is nothing left
            if run == "changed":
                case.change(argument)
        stored[run] = [
            value.SerializeToString(deterministic=True) for value in values_in(tmp_path / run)
        ]
    assert stored["left alone"]
    assert stored["changed"] == stored["left alone"]
    assert stored["changed before"] != stored["left alone"]  # or the test could not fail


def test_a_change_after_add_embedding_changes_nothing(tmp_path: Path) -> None:
    mat, labels, images = np.array([[0.5, 2.0], [3.0, 4.0]]), ["a", "b"], np.zeros((2, 1, 4, 4))
    with quiet(SummaryWriter(tmp_path)) as writer:
        writer.add_embedding(mat, labels, images, 3)
        fill(mat)
        fill(images)
        labels[0] = "c"
    folder = tmp_path / "00003" / "default"
    assert (folder / "tensors.tsv").read_text() == "0.5\t2.0\n3.0\t4.0\n"
    assert (folder / "metadata.tsv").read_text() == "a\nb\n"
    with Image.open(folder / "sprite.png") as sprite:
        assert not np.asarray(sprite).any()


@pytest.mark.full
@pytest.mark.parametrize("method", ["add_tensor", "add_histogram", "add_image", "add_audio"])
def test_a_torch_tensor_may_be_changed(tmp_path: Path, method: str) -> None:
    import torch

    stored = []
    for change in (False, True):
        tensor = torch.linspace(0, 1, 48).reshape(3, 4, 4)
        with quiet(SummaryWriter(tmp_path / str(change))) as writer:
            getattr(writer, method)("x", tensor[0, 0] if method == "add_audio" else tensor)
            if change:
                tensor.zero_()
        stored.append(values_in(tmp_path / str(change))[0].SerializeToString())
    assert stored[0] == stored[1]


# ------------------------------------------------------------------ what the user is told

NAN = [1.0, float("nan")]
NOTES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], str]] = {
    "scalar": ("add_scalar", (1e300,), {}, "beyond float32"),
    "histogram": ("add_histogram", (NAN,), {}, "1 of 2 values is not finite"),
    "histogram, empty": ("add_histogram", ([],), {}, ""),
    "image": ("add_image", (np.full((1, 2, 2), 1.5),), {}, "4 of 4"),
    "images": ("add_images", (np.full((1, 1, 2, 2), -1.0),), {}, "4 of 4"),
    "boxes": ("add_image_with_boxes", (IMAGE, np.full((1, 4), np.nan)), {}, "1 of 1 boxes"),
    "labels": ("add_image_with_boxes", (IMAGE, BOXES), {"labels": ["a", "b"]}, "2 labels for 1"),
    "video": ("add_video", (np.full((1, 1, 1, 2, 2), 1.5),), {}, "4 of 4"),
    "audio": ("add_audio", ([2.0, 0.5],), {}, "1 of 2 samples are beyond"),
    "mesh": ("add_mesh", (TRIANGLE, np.full((3, 3), 300)), {}, "9 of 9 colors"),
    "pr_curve": ("add_pr_curve", ([0, 1], [0.5, 1.5]), {}, "1 of 2 predictions"),
    "embedding": ("add_embedding", ([NAN],), {}, "1 of 1 points are not finite"),
    "step": ("add_scalar", (1.0, 1.5), {}, "step 1.5 is no whole number"),
    "step of an image": ("add_image", (IMAGE, 1.5), {}, "step 1.5 is no whole number"),
    "step of an embedding": ("add_embedding", (TRIANGLE,), {"global_step": 1.5}, "no whole"),
}


@pytest.mark.parametrize("name", NOTES)
def test_notes_are_warnings_once_a_tag(tmp_path: Path, name: str) -> None:
    method, args, more, words = NOTES[name]
    with SummaryWriter(tmp_path) as writer, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for tag in ("a", "a", "b", "a"):
            add(writer, method, tag, *args, **more)
        writer.flush()
    assert [str(warning.message)[:5] for warning in caught] == ["'a': ", "'b': "]
    assert all(words in str(warning.message) for warning in caught)
    assert all(warning.category is tbio.TbioWarning for warning in caught)
    assert [warning.filename for warning in caught] == [__file__] * 2
    if method != "add_embedding":
        assert len(values_in(tmp_path)) >= 4  # it is logged all the same


def test_notes_of_scalars_and_layouts(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            writer.add_scalars("m", {"a": 1e300})
            writer.add_custom_scalars_multilinechart(["loss["])
            writer.log({"deep": {"image": np.full((4, 4, 3), 1.5)}})
    said = [str(warning.message) for warning in caught]
    assert len(said) == 3
    assert said[0].startswith("'m': 1e+300 is beyond float32")
    assert "'loss[' is no regular expression" in said[1]
    assert said[2].startswith("'deep/image': 48 of 48")
    assert {warning.filename for warning in caught} == {__file__}


# ------------------------------------------------------------------ layouts


def layouts_in(folder: Path) -> list[Layout]:
    return [Layout.FromString(value.tensor.string_val[0]) for value in values_in(folder)]


def test_layouts_add_up(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_custom_scalars({"Loss": {"all": ["Multiline", ["loss/.*"]]}})
        writer.add_custom_scalars_multilinechart(["acc"], "Loss", "accuracy")
        writer.add_custom_scalars_marginchart(["v", "lo", "hi"])
        writer.close()
        writer.add_custom_scalars_multilinechart(["x"])  # "untitled" again: takes its place
    values = values_in(tmp_path)
    assert {value.tag for value in values} == {"custom_scalars__config__"}
    named = [value.metadata.plugin_data.plugin_name for value in values]
    assert named == ["custom_scalars", "", "", "custom_scalars"]
    first, _, third, last = layouts_in(tmp_path)
    assert [chart.title for chart in first.category[0].chart] == ["all"]
    titles = {c.title: [chart.title for chart in c.chart] for c in third.category}
    assert titles == {"Loss": ["all", "accuracy"], "default": ["untitled"]}
    series = third.category[1].chart[0].margin.series[0]
    assert (series.value, series.lower, series.upper) == ("v", "lo", "hi")
    assert last.category[1].chart[0].multiline.tag == ["x"]
    assert [chart.title for chart in last.category[0].chart] == ["all", "accuracy"]


# ------------------------------------------------------------------ embeddings


def embeddings_in(folder: Path) -> dict[str, str]:
    config = ProjectorConfig()
    text_format.Parse((folder / "projector_config.pbtxt").read_text(), config)
    return {entry.tensor_name: entry.tensor_path for entry in config.embeddings}


def test_embeddings_stay(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding([[1.0, 2.0]])
        writer.add_embedding([[3.0, 4.0]], ["a"], None, 7, "words/en")
        with writer.prefix("p "):
            writer.add_embedding([[5.0, 6.0]], global_step=8)
        writer.flush()
        assert len(embeddings_in(tmp_path)) == 3
    with SummaryWriter(tmp_path) as other:
        other.add_embedding([[7.0, 8.0]], global_step=9)
    found = embeddings_in(tmp_path)
    assert list(found) == ["default:00000", "words/en:00007", "p default:00008", "default:00009"]
    texts = [(tmp_path / path).read_text() for path in found.values()]
    assert texts == ["1.0\t2.0\n", "3.0\t4.0\n", "5.0\t6.0\n", "7.0\t8.0\n"]
    # No events, but each writer's file, so that the run is known
    assert len(files_in(tmp_path)) == 2
    assert not values_in(tmp_path)


def test_embedding_of_the_writers_step(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.step = 5
        writer.add_embedding([[1.0, 2.0]])
        with writer.use_metadata(global_step=6):
            writer.add_embedding([[1.0, 2.0]])
    assert list(embeddings_in(tmp_path)) == ["default:00005", "default:00006"]


# ------------------------------------------------------------------ hyperparameters

START, END, EXPERIMENT = (
    hparams_metadata.SESSION_START_INFO_TAG,
    hparams_metadata.SESSION_END_INFO_TAG,
    hparams_metadata.EXPERIMENT_TAG,
)


def start_in(folder: Path) -> list[dict[str, Any]]:
    """The hyperparameters of each start, as TensorBoard's own code reads them."""
    parse = hparams_metadata.parse_session_start_info_plugin_data
    infos = [
        parse(value.metadata.plugin_data.content)
        for value in values_in(folder)
        if value.tag == START
    ]
    return [
        {name: getattr(value, value.WhichOneof("kind")) for name, value in info.hparams.items()}
        for info in infos
    ]


def end_in(folder: Path) -> list[str]:
    parse = hparams_metadata.parse_session_end_info_plugin_data
    names = ["UNKNOWN", "SUCCESS", "FAILURE", "RUNNING"]
    return [
        names[parse(value.metadata.plugin_data.content).status]
        for value in values_in(folder)
        if value.tag == END
    ]


def tags_in(folder: Path) -> list[str]:
    return [value.tag for value in values_in(folder)]


def runs_in(folder: Path) -> list[str]:
    return sorted({str(path.parent.relative_to(folder)) for path in files_in(folder)})


def test_set_hparams(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    writer.step = 40
    hparams = {"lr": 0.1, "net": {"width": 64, "bias": True}, "name": "größe", "none": None}
    with writer.prefix("p/"):
        writer.set_hparams(hparams, group_name="g", monitor_url="u", model_uri="m")
    writer.add_scalar("loss", 1, 50)
    writer.flush()
    assert end_in(tmp_path) == []
    writer.close()
    events = events_in(tmp_path)
    assert tags_in(tmp_path) == [START, "loss", END]  # and no experiment
    assert events[0].step == events[-1].step == 0
    assert start_in(tmp_path) == [{"lr": 0.1, "net/width": 64, "net/bias": True, "name": "größe"}]
    assert type(start_in(tmp_path)[0]["net/bias"]) is bool  # torch: the number 1
    start = hparams_metadata.parse_session_start_info_plugin_data(
        events[0].summary.value[0].metadata.plugin_data.content
    )
    assert (start.group_name, start.monitor_url, start.model_uri) == ("g", "u", "m")
    assert abs(start.start_time_secs - events[0].wall_time) < 1
    assert end_in(tmp_path) == ["SUCCESS"]
    writer.add_scalar("loss", 1, 51)
    writer.close()
    assert end_in(tmp_path) == ["SUCCESS"]  # once a run


def test_set_hparams_twice(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.set_hparams({"lr": 0.1})
        writer.set_hparams({"lr": 0.1})  # the same: nothing to tell
        with pytest.warns(tbio.TbioWarning, match="set before") as caught:
            writer.set_hparams({"lr": 0.2})
        assert [warning.filename for warning in caught] == [__file__]
    assert start_in(tmp_path) == [{"lr": 0.1}]
    assert end_in(tmp_path) == ["SUCCESS"]


def test_set_hparams_twice_with_nan_and_bool(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.set_hparams({"clip": float("nan")})
        writer.set_hparams({"clip": float("nan")})  # the same
    with SummaryWriter(tmp_path / "other") as writer:
        writer.set_hparams({"flag": True})
        with pytest.warns(tbio.TbioWarning, match="set before"):
            writer.set_hparams({"flag": 1})  # another one: TensorBoard shows a number


@pytest.mark.parametrize("wrong", [3, None, "lr=0.1", {"a": {"b": 1}, "a/b": 2}, {"\udc80": 1}])
def test_set_hparams_wrong(tmp_path: Path, wrong: Any) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises((TypeError, ValueError)):
            writer.set_hparams(wrong)
        with pytest.raises(TypeError, match="group_name"):
            writer.set_hparams({"lr": 1}, group_name=3)  # type: ignore[arg-type]
        writer.set_hparams({"lr": 1})
    assert start_in(tmp_path) == [{"lr": 1}]


def test_a_with_block_that_raises_ends_in_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broke"), SummaryWriter(tmp_path) as writer:  # noqa: PT012
        writer.set_hparams({"lr": 0.1})
        raise RuntimeError("the loop broke")
    assert end_in(tmp_path) == ["FAILURE"]


ENDS = {
    "normal": ("", "SUCCESS"),
    "sys.exit(0)": ("sys.exit(0)", "SUCCESS"),
    "exception": ("raise RuntimeError('the loop broke')", "FAILURE"),
    "interrupt": ("raise KeyboardInterrupt", "FAILURE"),
    "dropped": ("del writer", "SUCCESS"),
    "caught": ("try: 1 / 0\nexcept ZeroDivisionError: pass", "SUCCESS"),
    "closed": ("writer.close()\nraise RuntimeError('after')", "SUCCESS"),
    "with block": ("with writer: raise RuntimeError('inside')", "FAILURE"),
}


@pytest.mark.parametrize("end", ENDS)
def test_how_a_script_ends(tmp_path: Path, end: str) -> None:
    last, status = ENDS[end]
    code = f"""
import sys
from tbio import SummaryWriter
writer = SummaryWriter(sys.argv[1])
writer.set_hparams({{"lr": 0.1}})
writer.add_scalar("loss", 1, 1)
{last}
"""
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], timeout=30, capture_output=True, check=False
    )
    assert tags_in(tmp_path) == [START, "loss", END]
    assert end_in(tmp_path) == [status]


def test_an_old_exception_is_not_this_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A notebook (and pytest) keeps the last exception of any cell there for as long as it lives.
    monkeypatch.setattr(sys, "last_value", RuntimeError("an earlier cell"), raising=False)
    writer = SummaryWriter(tmp_path / "close")
    writer.set_hparams({"lr": 0.1})
    writer.close()
    with SummaryWriter(tmp_path / "with") as other:
        other.set_hparams({"lr": 0.1})
    assert end_in(tmp_path / "close") == ["SUCCESS"]
    assert end_in(tmp_path / "with") == ["SUCCESS"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_does_not_end_the_run(tmp_path: Path) -> None:
    code = """
import os, sys
from tbio import SummaryWriter
writer = SummaryWriter(sys.argv[1])
writer.set_hparams({"lr": 0.1})
writer.flush()
child = os.fork()
if not child:
    sys.exit(0)
os.waitpid(child, 0)
assert len(os.listdir(sys.argv[1])) == 1, "the child has made a file"
"""
    words = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)]
    done = subprocess.run(words, timeout=30, capture_output=True, text=True, check=False)
    assert end_in(tmp_path) == ["SUCCESS"]
    assert done.returncode == 0, done.stderr


def test_a_refusal_that_is_raised_at_the_end_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = quiet(SummaryWriter(tmp_path, on_error="raise"))
    writer.set_hparams({"lr": 0.1})
    writer.add_scalar("loss", 1, 1)

    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        writer._background.drain()
    with pytest.raises(tbio.WriteFailedError):  # the disk has room again, but it must be told
        writer.close()
    assert tags_in(tmp_path) == [START, "loss", END]
    assert writer._background.closed


def test_add_hparams_once(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1}, {"loss": 2, "acc": 0.5}, global_step=7)
    assert runs_in(tmp_path) == ["."]
    assert tags_in(tmp_path) == [START, "loss", "acc", END]
    assert start_in(tmp_path) == [{"lr": 0.1}]
    assert end_in(tmp_path) == ["SUCCESS"]
    loss, acc = tbio.open(tmp_path)["."].scalars["loss"], tbio.open(tmp_path)["."].scalars["acc"]
    assert (loss.steps.tolist(), loss.values.tolist()) == ([7], [2])
    assert (acc.steps.tolist(), acc.values.tolist()) == ([7], [0.5])


def test_add_hparams_twice(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1}, {"loss": 2})
        writer.add_hparams({"lr": 0.1}, {"loss": 1}, global_step=1)  # the same: more of its metrics
        writer.add_hparams({"lr": 0.2}, {"loss": 3})
        writer.add_hparams({"lr": 0.3}, {"loss": 4})
    assert runs_in(tmp_path) == [".", "hparams_2", "hparams_3"]
    assert tags_in(tmp_path) == [START, "loss", "loss", END]
    for folder, lr, loss in (("hparams_2", 0.2, 3), ("hparams_3", 0.3, 4)):
        assert start_in(tmp_path / folder) == [{"lr": lr}]
        assert end_in(tmp_path / folder) == ["SUCCESS"]
        assert values_in(tmp_path / folder)[-1].simple_value == loss
        assert EXPERIMENT not in tags_in(tmp_path / folder)


def test_add_hparams_behind_set_hparams(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.set_hparams({"lr": 0.1})
        writer.add_hparams({"lr": 0.2}, {"loss": 3})
        writer.add_hparams({"lr": 0.3}, {"loss": 4})
    assert runs_in(tmp_path) == [".", "hparams_2", "hparams_3"]
    assert start_in(tmp_path / "hparams_2") == [{"lr": 0.2}]
    assert start_in(tmp_path / "hparams_3") == [{"lr": 0.3}]


def test_add_hparams_with_domains(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1, "opt": "sgd"}, {"loss": 2}, {"lr": [0.1, 0.2]})
    assert tags_in(tmp_path) == [EXPERIMENT, START, "loss", END]
    content = values_in(tmp_path)[0].metadata.plugin_data.content
    experiment = hparams_metadata.parse_experiment_plugin_data(content)
    infos = {info.name: info for info in experiment.hparam_infos}
    assert [value.number_value for value in infos["lr"].domain_discrete.values] == [0.1, 0.2]
    assert not infos["opt"].domain_discrete.values
    assert [info.name.tag for info in experiment.metric_infos] == ["loss"]


@pytest.mark.parametrize("word", ["name", "run_name"])
def test_add_hparams_with_a_name(tmp_path: Path, word: str) -> None:
    with SummaryWriter(tmp_path) as writer:
        more: Any = {word: "trial/1"}
        writer.add_hparams({"lr": 0.1}, {"loss": 2}, **more)
    assert runs_in(tmp_path) == [".", "trial/1"]
    assert tags_in(tmp_path) == []
    # and no experiment: of the first that it finds, TensorBoard shows the columns, and no others
    assert tags_in(tmp_path / "trial/1") == [START, END, "loss"]
    assert end_in(tmp_path / "trial/1") == ["SUCCESS"]


def test_add_hparams_with_a_name_and_domains(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1}, {"loss": 2}, {"lr": [0.1, 0.2]}, "trial")
    assert tags_in(tmp_path / "trial") == [EXPERIMENT, START, END, "loss"]


def test_add_hparams_nested(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1}, {"loss": 2}, nested=True)
        writer.add_hparams({"lr": 0.2}, {"loss": 3}, nested=True)
    root, first, second = runs_in(tmp_path)
    assert root == "."
    assert all(re.fullmatch(r"\d{10}\.\d+", folder) for folder in (first, second))
    assert start_in(tmp_path / first) == [{"lr": 0.1}]
    assert start_in(tmp_path / second) == [{"lr": 0.2}]
    for folder in (first, second):
        assert tags_in(tmp_path / folder) == [EXPERIMENT, START, END, "loss"]


def test_add_hparams_without_metrics(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1}, metric_dict={})  # as Accelerate does
    assert tags_in(tmp_path) == [START, END]


WRONG_HPARAMS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((3, {}), {}),
    (({"lr": 0.1}, [1]), {}),
    (({"lr": 0.1}, {"loss": "low"}), {}),
    (({"lr": 0.1}, {3: 1}), {}),
    (({"lr": 0.1}, {"loss": 1}, {"width": [1]}), {}),
    (({"lr": 0.1}, {"loss": 1}, {"lr": ["a"]}), {}),
    (({"lr": 0.1}, {"loss": 1}), {"run_name": "../outside"}),
    (({"lr": 0.1}, {"loss": 1}), {"global_step": 2**63}),
    (({"lr": 0.1}, {"loss": 1}), {"global_step": "one"}),
    (({"lr": 0.1}, {"loss": 1}), {"run_name": "trial", "global_step": float("nan")}),
]


@pytest.mark.parametrize(("args", "more"), WRONG_HPARAMS)
def test_add_hparams_wrong(tmp_path: Path, args: tuple[Any, ...], more: dict[str, Any]) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises((TypeError, ValueError)):
            writer.add_hparams(*args, **more)
        writer.add_hparams({"lr": 0.5}, {"good": 1})
    assert runs_in(tmp_path) == ["."]
    assert tags_in(tmp_path) == [START, "good", END]
    assert start_in(tmp_path) == [{"lr": 0.5}]


OUTSIDE: dict[str, Callable[[SummaryWriter, str], object]] = {
    "add_hparams": lambda w, path: w.add_hparams({"lr": 1}, {}, run_name=path),
    "add_scalars": lambda w, path: w.add_scalars(path, {"a": 1}),
}


@pytest.mark.parametrize("method", OUTSIDE)
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, method: str) -> None:
    """A tag that begins with a slash is not a place on the disk."""
    writer = SummaryWriter(tmp_path / "run", scalars_layout="tensorboardX")
    with writer:
        try:
            OUTSIDE[method](writer, f"{tmp_path}/outside")
        except ValueError as error:
            assert "no folder inside" in str(error)  # noqa: PT017
    assert not (tmp_path / "outside").exists()


def test_an_embedding_that_cannot_be_written_is_told_and_counted(tmp_path: Path) -> None:
    (tmp_path / "00000").write_text("in the way")
    writer = quiet(SummaryWriter(tmp_path))
    writer.add_embedding([[1.0, 2.0]])
    writer.add_scalar("x", 1)
    with pytest.warns(
        tbio.TbioWarning, match=r"the embedding 'default' in .* was not written: .*Not a directory"
    ):
        writer.flush()
    assert writer.dropped == 1
    writer.close()
    assert tags_in(tmp_path) == ["x"]


def test_a_pillow_sequence_of_images(tmp_path: Path) -> None:
    images: Sequence[Image.Image] = [Image.fromarray(IMAGE.transpose(1, 2, 0))] * 2
    with SummaryWriter(tmp_path) as writer:
        writer.add_images("x", images)
    assert pixels_of(values_in(tmp_path)[0]).shape == (4, 10, 3)
