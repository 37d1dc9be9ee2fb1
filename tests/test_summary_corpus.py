"""The calls that TensorFlow 2.21 wrote the corpus with, made again: the same events come out.

The calls are those of ``scripts/peer_tensorflow.py`` of the corpus, variant a, in its order, since
all of them draw from one generator of random numbers.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from PIL import Image
from raw_log import events_in
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from tbio import summary
from tbio.summary import hp

FILE_WRITERS = {"tensorflow.core.util.events_writer", "tbio"}


def scalars() -> None:
    for i in range(120):
        summary.scalar("train/loss", 1.0 / (i + 1), step=i)
    # TensorFlow keeps one constant for 0.0 and -0.0 (an accident of its cache): here it is 0.0.
    odd = [0.0, 0.0, float("nan"), float("inf"), float("-inf"), 1e-45, 3.4028235e38, 1e-300]
    for i, value in enumerate([*odd, 16777217]):
        summary.scalar("odd values", value, step=i)
    summary.scalar("größe/Ω €", 0.1, step=0, description="a *markdown* description")
    summary.scalar("big step", 2.5, step=2**53 + 1)
    summary.scalar("negative step", 2.5, step=-5)
    summary.scalar("int32", 7, step=1)
    summary.scalar("float64 in", np.array(0.1), step=1)
    with summary.name_scope("outer"):
        summary.scalar("inner", 4.0, step=2)
    summary.scalar("", 1.0, step=0)


def images(rng: np.random.Generator) -> None:
    for step in range(3):
        summary.image("rgb", rng.random((2, 7, 11, 3)).astype("f"), step=step, max_outputs=3)
    summary.image("grey u8", rng.integers(0, 255, (1, 5, 6, 1), dtype="u1"), step=0)
    summary.image("grey alpha", rng.random((1, 4, 4, 2)).astype("f"), step=0)
    rgba = rng.integers(0, 255, (1, 8, 8, 4), dtype="u1")
    summary.image("rgba", rgba, step=9, description="with alpha")
    summary.image("u16", rng.integers(0, 65535, (1, 3, 10, 3)).astype("u2"), step=0)
    summary.image("none of them", np.zeros((0, 4, 4, 3), "f"), step=0)


def histograms(rng: np.random.Generator) -> None:
    for step in range(5):
        summary.histogram("normal", rng.normal(step, 1 + step, 500), step=step, buckets=30)
    summary.histogram("empty", np.array([], "f"), step=0)
    summary.histogram("constant", np.full(10, 3.5), step=0)
    summary.histogram("single", [1.0], step=0)
    summary.histogram("ints", rng.integers(-100, 100, (4, 5, 6)), step=1)
    summary.histogram("wide", np.array([-1e30, 0, 1e-30, 1e30]), step=0)


def texts() -> None:
    summary.text("plain", "hello *world*", step=0)
    summary.text("plain", "second", step=5)
    summary.text("table", [["a", "b"], ["c", "d"]], step=1)
    summary.text("list", ["1", "zwei", "三"], step=1)
    summary.text("html", "<script>alert(1)</script> & <b>bold</b>", step=0)
    summary.text("bytes", b"\xff\xfe not utf-8", step=0)
    summary.text("empty", "", step=0)
    summary.text("long", "x" * 40000, step=0)


def sounds(rng: np.random.Generator) -> None:
    t = np.arange(800) / 8000.0
    mono = np.sin(2 * np.pi * 440 * t).astype("f")
    summary.audio("mono", mono[None, :, None], 8000, step=0)
    two = np.stack([mono, rng.random(800).astype("f") * 2 - 1], -1)
    four = np.stack([two, two[::-1], two * 0.5, two * 0.1])
    summary.audio("stereo", four, 8000, step=1, max_outputs=2)
    summary.audio("loud", (mono * 3)[None, :, None], 44100, step=2, description="clipped")


def meshes(rng: np.random.Generator) -> None:
    for step in range(2):
        vertices = rng.random((1, 50, 3)).astype("f")
        summary.mesh("cloud", vertices, colors=rng.integers(0, 255, (1, 50, 3)), step=step)
    corners = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]], "f")
    faces = np.array([[[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]], "i4")
    camera = {"camera": {"cls": "PerspectiveCamera", "fov": 75}}
    summary.mesh("tetra", corners, faces=faces, config_dict=camera, step=0)


def curve(rng: np.random.Generator) -> None:
    rng.random(200)  # the graph's own, of which another number came each time
    rng.random(200)
    labels = rng.random(50) > 0.3
    summary.pr_curve("pr_pb/pr_curves", labels, rng.random(50), num_thresholds=7, step=4)


def tensors() -> None:
    content = SummaryMetadata.PluginData(plugin_name="greeter", content=b"\x00\x01binary")
    greeting = SummaryMetadata(display_name="greeting", plugin_data=content)
    for step in range(3):
        summary.write("guest", ["a", "b"][: step % 2 + 1], step=step, metadata=greeting)
    plain = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="tensors"))
    for dtype in (
        *(np.float16, ml_dtypes.bfloat16, np.float64, np.int8, np.uint8, np.int64, np.uint64),
        *(np.bool_, np.complex64, np.int16, np.uint32),
    ):
        name = np.dtype(dtype).name
        values = np.arange(6).reshape(2, 3).astype(dtype)
        summary.write(f"dtype/{name}", values, step=1, metadata=plain.SerializeToString())
    scalar = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
    summary.write("scalar half", np.float16(0.1), step=0, metadata=scalar)


UNITS = hp.HParam("units", hp.Discrete([16, 32]))
DROPOUT = hp.HParam(
    "dropout", hp.RealInterval(0.1, 0.2), display_name="Drop out", description="how much"
)
OPTIMIZER = hp.HParam("optimizer", hp.Discrete(["adam", "sgd"]))
FLAG = hp.HParam("flag", hp.Discrete([True, False]))


def experiment() -> None:
    metrics = [hp.Metric("accuracy", display_name="Accuracy"), hp.Metric("loss", group="val")]
    hp.hparams_config(hparams=[UNITS, DROPOUT, OPTIMIZER, FLAG], metrics=metrics)


def trial(start: float) -> None:
    hp.hparams(
        {UNITS: 32, DROPOUT: 0.1 + 0.01 * 2, OPTIMIZER: "adam", FLAG: True},
        trial_id="trial 2",
        start_time_secs=start,
    )
    for step in range(3):
        summary.scalar("accuracy", 2 / 10 + step / 100, step=step)


@contextmanager
def written(folder: Path, **options: Any) -> Iterator[Path]:
    writer = summary.create_file_writer(folder, **options)
    with writer.as_default():
        yield folder
    writer.close()


def events(folder: Path) -> list[Event]:
    """The events of the only file, without their times, behind the first."""
    (path,) = folder.glob("*tfevents*")
    first, *others = events_in(path)
    assert first.file_version == "brain.Event:2"
    assert first.source_metadata.writer in FILE_WRITERS
    assert first.step == 0
    times = [event.wall_time for event in others]
    assert times == sorted(times)
    for event in others:
        event.ClearField("wall_time")
    return others


def serialized(found: list[Event]) -> list[bytes]:
    return [event.SerializeToString() for event in found]


def pixels_of(event: Event) -> list[Any]:
    """The images of an event, which are taken out of it: mode and pixels."""
    strings = event.summary.value[0].tensor.string_val
    pictures = [Image.open(io.BytesIO(png)) for png in strings[2:]]
    del strings[2:]
    return [(picture.mode, np.asarray(picture).tolist()) for picture in pictures]


@pytest.fixture(scope="module")
def theirs(corpus: Path) -> Path:
    return corpus / "peers" / "tensorflow"


#: What draws random numbers, in the order in which it does.
DRAWING = (images, histograms, sounds, meshes)


def generator(*before: Callable[[np.random.Generator], None]) -> np.random.Generator:
    """The script's random numbers, where some parts have drawn theirs."""
    rng = np.random.default_rng(11)
    for part in before:
        part(rng)  # without a writer: nothing is recorded, but all is drawn
    return rng


def test_scalars(theirs: Path, tmp_path: Path) -> None:
    with written(tmp_path):
        scalars()
    found = events(tmp_path)
    assert len(found) == 136
    assert serialized(found) == serialized(events(theirs / "v2_scalar"))


def test_images(theirs: Path, tmp_path: Path) -> None:
    """To the pixel: how a PNG is packed is another matter."""
    with written(tmp_path):
        images(generator())
    ours, others = events(tmp_path), events(theirs / "v2_image")
    pictures = [pixels_of(event) for event in ours]
    assert [len(several) for several in pictures] == [2, 2, 2, 1, 1, 1, 1, 0]
    assert pictures == [pixels_of(event) for event in others]
    assert serialized(ours) == serialized(others)


def test_histograms(theirs: Path, tmp_path: Path) -> None:
    rng = generator(images)
    with written(tmp_path), pytest.warns(UserWarning, match="'empty': there are no values"):
        histograms(rng)
    assert len(events(tmp_path)) == 10
    assert serialized(events(tmp_path)) == serialized(events(theirs / "v2_histogram"))


def test_texts(theirs: Path, tmp_path: Path) -> None:
    with written(tmp_path):
        texts()
    assert len(events(tmp_path)) == 8
    assert serialized(events(tmp_path)) == serialized(events(theirs / "v2_text"))


def test_sounds(theirs: Path, tmp_path: Path) -> None:
    rng = generator(*DRAWING[:2])
    with written(tmp_path), pytest.warns(UserWarning, match="'loud': .* are beyond"):
        sounds(rng)
    assert len(events(tmp_path)) == 3
    assert serialized(events(tmp_path)) == serialized(events(theirs / "v2_audio"))


def test_tensors_and_the_names_of_files(theirs: Path, tmp_path: Path) -> None:
    with written(tmp_path, filename_suffix=".mine"):
        tensors()
    (path,) = tmp_path.iterdir()
    (their_path,) = (theirs / "v2_custom_plugin").glob("*tfevents*")
    assert their_path.name.endswith(".mine")
    assert path.name.endswith(".mine")
    assert len(events(tmp_path)) == 15
    assert serialized(events(tmp_path)) == serialized(events(theirs / "v2_custom_plugin"))


def test_experiment(theirs: Path, tmp_path: Path) -> None:
    with written(tmp_path):
        experiment()
    assert serialized(events(tmp_path)) == serialized(events(theirs / "v2_hparams"))


def test_trial(theirs: Path, tmp_path: Path) -> None:
    """Equal messages: protobuf writes the items of a map in any order."""

    def start_of(event: Event) -> Any:
        plugin = event.summary.value[0].metadata.plugin_data
        start = HParamsPluginData.FromString(plugin.content).session_start_info
        plugin.ClearField("content")
        return start

    others = events(theirs / "v2_hparams" / "run-2")
    their_start = start_of(others[0])
    with written(tmp_path):
        trial(their_start.start_time_secs)
    ours = events(tmp_path)
    assert start_of(ours[0]) == their_start
    assert serialized(ours) == serialized(others)


def test_meshes(theirs: Path, tmp_path: Path) -> None:
    """The same values, those of a step in one event; and colors as the bytes that they are."""
    rng = generator(*DRAWING[:3])
    with written(tmp_path):
        meshes(rng)
    ours = [value for event in events(tmp_path) for value in event.summary.value]
    others = [value for event in events(theirs / "v2_mesh") for value in event.summary.value]
    assert [value.tag for value in ours] == [value.tag for value in others]
    for our, their in zip(ours, others, strict=True):
        if our.tag.endswith("_COLOR"):
            numbers = np.frombuffer(their.tensor.tensor_content, "<i8")
            assert our.tensor.tensor_content == numbers.astype("u1").tobytes()
            assert our.metadata == their.metadata
        else:
            assert our.SerializeToString() == their.SerializeToString()


def test_curve(theirs: Path, tmp_path: Path) -> None:
    rng = generator(*DRAWING)
    with written(tmp_path):
        curve(rng)
    (ours,) = events(tmp_path)
    (other,) = (
        event
        for event in events(theirs / "v1_pr_curve")
        if event.summary.value[0].tag == "pr_pb/pr_curves"
    )
    our, their = ours.summary.value[0], other.summary.value[0]
    assert (ours.step, our.tag) == (other.step, their.tag)
    assert our.metadata.plugin_data == their.metadata.plugin_data
    rows = [
        np.frombuffer(value.tensor.tensor_content, "<f4").reshape(6, 7) for value in (our, their)
    ]
    np.testing.assert_array_equal(rows[0], rows[1])


def test_layout(theirs: Path, tmp_path: Path) -> None:
    content = layout_pb2.MultilineChartContent(tag=["loss.*", "x"])
    band = layout_pb2.MarginChartContent.Series(
        value="loss/mean", lower="loss/low", upper="loss/high"
    )
    losses = layout_pb2.Category(
        title="losses",
        chart=[
            layout_pb2.Chart(title="loss", multiline=content),
            layout_pb2.Chart(title="band", margin=layout_pb2.MarginChartContent(series=[band])),
        ],
    )
    trig = layout_pb2.Category(title="trig", closed=True)
    with written(tmp_path):
        summary.custom_scalar(layout_pb2.Layout(category=[losses, trig]))
    assert serialized(events(tmp_path)) == serialized(events(theirs / "v1_custom_scalars")[:1])


def test_graph(theirs: Path, tmp_path: Path) -> None:
    (their,) = (event for event in events(theirs / "v2_graph") if event.graph_def)
    with written(tmp_path):
        assert summary.graph(GraphDef.FromString(their.graph_def))
    (ours,) = events(tmp_path)
    assert GraphDef.FromString(ours.graph_def) == GraphDef.FromString(their.graph_def)
    ours.graph_def = their.graph_def  # the items of maps come in any order
    assert ours == their
