"""What the real TensorBoard's pages get, over HTTP, equals what `tbio.SummaryWriter` was given.

Every kind of data, by both backends. Scalars are in test_tensorboard_server.py.
"""

from __future__ import annotations

import io
import json
import urllib.request
import wave
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, graph_pb2, summary_pb2
from tensorboard.plugins.distribution import compressor
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.hparams import summary_v2 as tensorboard_hparams
from tensorboard.util import tensor_util
from tensorboard_server import BACKENDS, TensorBoardServer
from tensorboardX import summary as tensorboardx_summary

from tbio import SummaryWriter, TbioWarning, read_events
from tbio.proto.graph_pb2 import GraphDef, NodeDef

Array: TypeAlias = npt.NDArray[Any]

T = 1_700_000_000.25
RNG = np.random.default_rng(7)

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(server: TensorBoardServer, path: str) -> tuple[bytes, str]:
    """The body of an answer, and its type."""
    with _OPENER.open(server.url + path, timeout=60) as answer:
        return answer.read(), answer.headers["Content-Type"]


def frames_of(file: bytes) -> list[Array]:
    """The frames of an image file, as Pillow decodes them."""
    with Image.open(io.BytesIO(file)) as image:
        frames = []
        for place in range(getattr(image, "n_frames", 1)):
            image.seek(place)
            frames.append(np.asarray(image))
        return frames


# ------------------------------------------------------------------ what is logged

RGB = RNG.integers(256, size=(3, 5, 7), dtype=np.uint8)
RGBA = RNG.integers(256, size=(6, 4, 4), dtype=np.uint8)
GRAY = RNG.integers(256, size=(4, 6), dtype=np.uint8)
BATCH = RNG.integers(256, size=(10, 3, 4, 5), dtype=np.uint8)
FLOATS = np.array([[[0.0, 0.5, 1.0], [0.25, 1.01, -3.0]]])  # [1, 2, 3]
MASK = np.array([[True, False], [False, True]])


def file_of(array: Array, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


JPEG = file_of(RGB.transpose(1, 2, 0), "JPEG")


def images(writer: SummaryWriter) -> None:
    for step in range(3):
        writer.add_image("CHW", RGB + np.uint8(step), step, T + step)
    writer.add_image("HWC with alpha", RGBA, 1, dataformats="HWC")
    writer.add_image("HW", GRAY, 1, dataformats="HW")
    with pytest.warns(TbioWarning, match="'floats': 2 "):
        writer.add_image("floats", FLOATS, 1)
    writer.add_image("bool", MASK, 1, dataformats="HW")
    writer.add_image("uint16", np.array([[0, 65535], [257, 32896]], np.uint16), 1, None, "HW")
    writer.add_image("of Pillow", Image.fromarray(RGBA), 1)
    writer.add_image("jpeg", encoded=JPEG, global_step=1)
    writer.add_images("grid", BATCH, 1)
    writer.add_images("grid NHWC", BATCH.transpose(0, 2, 3, 1), 1, dataformats="NHWC")
    writer.add_image_with_boxes("boxes", np.zeros((3, 20, 30)), [[5, 4, 25, 14]], 1)
    writer.add_image_with_boxes("HW boxes", np.zeros((20, 30)), [[5, 4, 25, 14]], 1, None, "HW")


def shown_images() -> dict[str, Array]:
    """Tag -> the pixels that its last step is to have."""
    grid = np.zeros((2 * 4, 8 * 5, 3), np.uint8)
    for place, one in enumerate(BATCH):
        row, column = divmod(place, 8)
        grid[4 * row : 4 * row + 4, 5 * column : 5 * column + 5] = one.transpose(1, 2, 0)
    black, box = np.zeros((3, 20, 30)), np.array([[5, 4, 25, 14]])
    (theirs,) = tensorboardx_summary.image_boxes("x", black, box).value
    boxes = frames_of(theirs.image.encoded_image_string)[0]
    assert (boxes[4:15, [5, 25]] == (255, 0, 0)).all()
    return {
        "CHW": RGB.transpose(1, 2, 0) + np.uint8(2),
        "HWC with alpha": RGBA,
        "HW": GRAY,
        "floats": np.array([[0, 127, 255], [63, 255, 0]], np.uint8),
        "bool": np.array([[255, 0], [0, 255]], np.uint8),
        "uint16": np.array([[0, 255], [1, 128]], np.uint8),
        "of Pillow": RGBA,
        "jpeg": frames_of(JPEG)[0],
        "grid": grid,
        "grid NHWC": grid,
        "boxes": boxes,
        "HW boxes": boxes,
    }


def figure(writer: SummaryWriter) -> None:
    writer.add_figure("one", a_figure("b"), 3)
    writer.add_figure("two", [a_figure("b"), a_figure("r")], 3)


def a_figure(colour: str) -> Any:
    from matplotlib.figure import Figure

    made = Figure(figsize=(1.5, 1), dpi=40)
    made.subplots().plot([1, 3, 2], colour)
    return made


def drawn(colour: str) -> Array:
    """The figure, as Matplotlib itself writes it into a file."""
    buffer = io.BytesIO()
    a_figure(colour).savefig(buffer, format="png")
    return frames_of(buffer.getvalue())[0][:, :, :3]


VIDEO = RNG.integers(256, size=(1, 6, 3, 12, 16), dtype=np.uint8)
PAIR = RNG.integers(256, size=(2, 4, 12, 16, 1), dtype=np.uint8)


def video(writer: SummaryWriter) -> None:
    writer.add_video("one", VIDEO, 2, fps=5)
    writer.add_video("floats", VIDEO / 255.0, 2, fps=5)
    writer.add_video("side by side", PAIR, 2, dataformats="NTHWC")
    writer.add_video(
        "gif", np.array([0, 255], np.uint8).repeat(36).reshape(1, 2, 1, 6, 6), 2, format="gif"
    )


MONO = RNG.integers(-(2**15), 2**15, 400, dtype=np.int16)
STEREO = RNG.integers(-(2**15), 2**15, (300, 2), dtype=np.int16)


def audio(writer: SummaryWriter) -> None:
    for step in range(2):
        writer.add_audio("mono", MONO[step:], step, 8000, T + step)
    writer.add_audio("of torch", MONO[np.newaxis], 1)
    writer.add_audio("stereo", STEREO, 1, sample_rate=16000)
    writer.add_audio("floats", MONO / 32768.0, 1, 8000)
    writer.add_audio("float32", (MONO / 32768.0).astype(np.float32), 1, 8000)
    with pytest.warns(TbioWarning, match="'loud': 2 of 4 samples are beyond .*: clipped"):
        writer.add_audio("loud", [0.0, 2.0, -2.0, 0.5], 1, 8000)


#: Tag -> samples [frames, channels] and rate.
SOUNDS: dict[str, tuple[Array, int]] = {
    "mono": (MONO[1:, np.newaxis], 8000),
    "of torch": (MONO[:, np.newaxis], 44100),
    "stereo": (STEREO, 16000),
    "floats": (MONO[:, np.newaxis], 8000),
    "float32": (MONO[:, np.newaxis], 8000),
    "loud": (np.array([[0], [32767], [-32768], [16384]], np.int16), 8000),
}


def histograms(writer: SummaryWriter) -> None:
    edges = [0.0, 1.0, 2.0, 3.0, 4.0]
    writer.add_histogram("edges", [1.0, 2.5, 2.5, 3.5], 0, edges, T)
    writer.add_histogram("edges", [0.5], 1, edges, T + 1)
    with pytest.warns(TbioWarning, match="'not finite': 2 of 4 values are not finite"):
        writer.add_histogram("not finite", [np.nan, 1.0, np.inf, 3.0], 0, 2, T)
    writer.add_histogram_raw("raw", 1.0, 4.0, 6, 15.0, 43.0, [2.0, 3.0, 5.0], [1, 2, 3], 0, T)
    for step in range(3):
        writer.add_histogram("default", NORMAL * (step + 1), step, walltime=T + step)
    writer.add_histogram("auto", NORMAL, 0, "auto", T)
    writer.add_histogram("integers", np.arange(10), 0, 5, T)


NORMAL = RNG.normal(size=1000)

#: Tag -> step -> rows: left edge, right edge, count. The Python backend leaves empty buckets at the
#: ends out; the data server shows the one in front, of which tbio makes the first left edge.
ROWS: dict[str, dict[str, list[list[list[float]]]]] = {
    "edges": {
        "python": [[[1, 2, 1], [2, 3, 2], [3, 3.5, 1]], [[0.5, 0.5, 1]]],
        "rustboard": [
            [[1, 1, 0], [1, 2, 1], [2, 3, 2], [3, 3.5, 1]],
            [[0.5, 0, 0], [0, 0.5, 1]],
        ],
    },
    "not finite": {
        "python": [[[1, 2, 1], [2, 3, 1]]],
        "rustboard": [[[1, 1, 0], [1, 2, 1], [2, 3, 1]]],
    },
    "raw": {
        "python": [[[1, 2, 1], [2, 3, 2], [3, 4, 3]]],
        "rustboard": [[[1, 2, 1], [2, 3, 2], [3, 4, 3]]],
    },
    "integers": {
        "python": [[[0, 1.8, 2], [1.8, 3.6, 2], [3.6, 5.4, 2], [5.4, 7.2, 2], [7.2, 9, 2]]],
        "rustboard": [
            [[0, 0, 0], [0, 1.8, 2], [1.8, 3.6, 2], [3.6, 5.4, 2], [5.4, 7.2, 2], [7.2, 9, 2]]
        ],
    },
}

MARKDOWN = "# Title\n\n*Größe* <script>x</script>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"


def texts(writer: SummaryWriter) -> None:
    writer.add_text("a/b", "**bold**", 0, T)
    writer.add_text("a/b", "`code` 🦉", 5, T + 5)
    writer.add_text("markdown", MARKDOWN, 1, T)
    writer.add_text("column", ["one", "*two*"], 1, T)
    writer.add_text("table", [["a", "b"], ["c", "d"]], 1, T)


CURVE = [1, 0, 1, 1, 0], [0.9, 0.8, 0.55, 0.3, 0.2]


def curves(writer: SummaryWriter) -> None:
    writer.add_pr_curve("by hand", *CURVE, 0, num_thresholds=5, walltime=T)
    labels = RNG.integers(2, size=200)
    writer.add_pr_curve("fine", labels, labels * 0.99, 1, num_thresholds=301)
    writer.add_pr_curve("weighted", [1, 0], [1.0, 1.0], 1, 2, [3, 5])
    writer.add_pr_curve_raw(
        "raw", [3, 2], [2, 0], [0, 2], [0, 1], [0.6, 1.0], [1.0, 0.6640625], 7, walltime=T
    )


VERTICES = RNG.normal(size=(2, 5, 3)).astype(np.float32)
COLORS = RNG.integers(256, size=(2, 5, 3), dtype=np.uint8)
FACES = RNG.integers(5, size=(2, 4, 3))
CONFIG = {"camera": {"cls": "PerspectiveCamera", "fov": 75}}


def meshes(writer: SummaryWriter) -> None:
    for step in range(2):
        writer.add_mesh("all", VERTICES + step, COLORS, FACES, CONFIG, step, T + step)
    writer.add_mesh("cloud", VERTICES[0].astype(np.float64), global_step=3, walltime=T)


def layouts(writer: SummaryWriter) -> None:
    for step in range(2):
        for tag in ("a", "a/low", "a/high", "b"):
            writer.add_scalar(tag, len(tag) + step, step, T)
    writer.add_custom_scalars({"first": {"lines": ["Multiline", ["a$", "b"]]}})
    writer.add_custom_scalars_marginchart(["a", "a/low", "a/high"], "first", "margin")
    writer.add_custom_scalars_multilinechart(["b"])
    writer.add_custom_scalars({"first": {"lines": ["Multiline", ["a/.*"]]}})


def layouts_too(writer: SummaryWriter) -> None:
    """A run of the same log folder: TensorBoard shows the layouts of all of them."""
    writer.add_custom_scalars_multilinechart(["x"], "second", "of another run")


LAYOUT = {
    "first": {
        "lines": {"multiline": {"tag": ["a/.*"]}},
        "margin": {"margin": {"series": [{"value": "a", "lower": "a/low", "upper": "a/high"}]}},
    },
    "default": {"untitled": {"multiline": {"tag": ["b"]}}},
    "second": {"of another run": {"multiline": {"tag": ["x"]}}},
}

POINTS = RNG.normal(size=(6, 3)).astype(np.float32)
STAMPS = RNG.integers(256, size=(6, 3, 4, 4), dtype=np.uint8)


def embeddings(writer: SummaryWriter) -> None:
    writer.add_embedding(POINTS, [f"w {n}" for n in range(6)], STAMPS, 0)
    writer.add_embedding(POINTS * 2, global_step=12, tag="a/b")
    rows = [[f"w{n}", n] for n in range(6)]
    writer.add_embedding(POINTS, rows, tag="rows", metadata_header=["word", "n"])


NODES = [
    NodeDef(name="in/x", op="Placeholder"),
    NodeDef(name="body/square", op="Mul", input=["in/x", "in/x"]),
    NodeDef(name="out", op="Relu", input=["body/square"]),
]


def graph_def(writer: SummaryWriter) -> None:
    writer.add_graph(GraphDef(node=NODES))


def graph_of_tensorboards_proto(writer: SummaryWriter) -> None:
    theirs = graph_pb2.GraphDef.FromString(GraphDef(node=NODES).SerializeToString())
    assert writer.file_writer is not None
    writer.file_writer.add_graph(theirs)


OPENVINO = """<net name="n" version="11"><layers>
<layer id="0" name="x" type="Parameter"><output><port id="0"><dim>3</dim></port></output></layer>
<layer id="1" name="body/relu" type="ReLU"><input><port id="0"><dim>3</dim></port></input>
<output><port id="1"><dim>3</dim></port></output></layer></layers>
<edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0"/></edges></net>"""


def openvino(writer: SummaryWriter) -> None:
    path = Path(writer.get_logdir(), "net.xml")
    path.write_text(OPENVINO)
    writer.add_openvino_graph(path)


def onnx(writer: SummaryWriter) -> None:
    """``y = Relu(x)``, by hand."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    node = field(1, b"x") + field(2, b"y") + field(3, b"/body/relu") + field(4, b"Relu")
    shape = field(2, field(1, b"\x08\x02") + field(1, b"\x08\x03"))
    ends = [field(1, name) + field(2, field(1, b"\x08\x01" + shape)) for name in (b"x", b"y")]
    made = field(1, node) + field(2, b"g") + field(11, ends[0]) + field(12, ends[1])
    path = Path(writer.get_logdir(), "net.onnx")
    path.write_bytes(b"\x08\x08" + field(7, made))
    writer.add_onnx_graph(str(path))


#: Run -> what stands in its graph: name -> operation and inputs.
GRAPHS: dict[str, dict[str, tuple[str, list[str]]]] = {
    "graph_def": {node.name: (node.op, list(node.input)) for node in NODES},
    "graph_of_tensorboards_proto": {node.name: (node.op, list(node.input)) for node in NODES},
}


def at_once(writer: SummaryWriter) -> None:
    calls = []

    def lazy() -> float:
        calls.append(1)
        return 0.125

    writer.log(
        {
            "number": 0.5,
            "train": {"loss": np.float32(0.25), "deep": {"acc": [1]}},
            "lazy": lazy,
            "text": "*words*",
            "list": ["a", "b"],
            "image": RGB,
            "HWC": RGBA / 255.0,
            "pillow": Image.fromarray(GRAY),
            "file": JPEG,
            "figure": a_figure("b"),
            "histogram": np.array([1.0, 2.0, 2.0]),
        },
        step=4,
        walltime=T,
    )
    assert calls == [1]


def foreign(writer: SummaryWriter) -> None:
    """Messages of TensorBoard's and tensorboardX's own classes, and bytes."""
    from tensorboard.plugins.scalar import summary_v2 as scalar_v2
    from tensorboard.plugins.text import summary_v2 as text_v2

    # As Lightning and others reach for it.
    file_writer = writer._get_file_writer()
    assert file_writer is writer.file_writer
    file_writer.add_summary(scalar_v2.scalar_pb("theirs", 0.5, "of *whom*"), 3, T)
    file_writer.add_summary(text_v2.text_pb("theirs text", "hi"), 3)
    file_writer.add_summary(tensorboardx_summary.image("theirs_image", RGB), 3)
    file_writer.add_summary(scalar_v2.scalar_pb("bytes", 0.25).SerializeToString(), 4, T)
    event = event_pb2.Event(step=9, wall_time=1)
    event.summary.value.add(tag="event", simple_value=0.75)
    file_writer.add_event(event, walltime=T)
    file_writer.add_event(event.SerializeToString(), 10, T)


KINDS: tuple[Callable[[SummaryWriter], None], ...] = (
    images,
    figure,
    video,
    audio,
    histograms,
    texts,
    curves,
    meshes,
    layouts,
    layouts_too,
    embeddings,
    graph_def,
    graph_of_tensorboards_proto,
    openvino,
    onnx,
    at_once,
    foreign,
)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    for kind in KINDS:
        with SummaryWriter(folder / kind.__name__) as writer:
            kind(writer)
            writer.add_scalar("end", 1, 0)
    return folder


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, logdir: Path) -> Iterator[TensorBoardServer]:
    with TensorBoardServer(logdir, request.param) as server:
        server.wait_for(
            "/data/plugin/scalars/tags",
            lambda tags: all("end" in tags.get(kind.__name__, ()) for kind in KINDS),
        )
        yield server
        assert "Traceback" not in server.output


# ------------------------------------------------------------------ images


def blobs(server: TensorBoardServer, kind: str, run: str, tag: str) -> list[tuple[bytes, str]]:
    """The files of a tag, with their types; "image" or "audio"."""
    plural = {"image": "images", "audio": "audio"}[kind]
    route = f"/data/plugin/{plural}"
    entries = server.json(f"{route}/{plural}", run=run, tag=tag, sample=0)
    return [
        fetch(server, f"{route}/individual{kind.title()}?{entry['query']}") for entry in entries
    ]


@pytest.mark.parametrize("tag", shown_images())
def test_images(server: TensorBoardServer, tag: str) -> None:
    file, kind = blobs(server, "image", "images", tag)[-1]
    assert kind == ("image/jpeg" if tag == "jpeg" else "image/png")
    (pixels,) = frames_of(file)
    np.testing.assert_array_equal(pixels, shown_images()[tag])


def test_images_of_all_steps(server: TensorBoardServer) -> None:
    assert server.json("/data/plugin/images/tags")["images"].keys() == shown_images().keys()
    entries = server.json("/data/plugin/images/images", run="images", tag="CHW", sample=0)
    assert [(entry["step"], entry["wall_time"]) for entry in entries] == [
        (step, T + step) for step in range(3)
    ]
    for step, (file, _) in enumerate(blobs(server, "image", "images", "CHW")):
        np.testing.assert_array_equal(frames_of(file)[0], RGB.transpose(1, 2, 0) + np.uint8(step))


def test_images_on_the_time_series_page(server: TensorBoardServer) -> None:
    requests = [{"plugin": "images", "tag": "CHW", "run": "images", "sample": 0}]
    (answer,) = server.post("/data/plugin/timeseries/timeSeries", requests=json.dumps(requests))
    series = answer["runToSeries"]["images"]
    assert [(point["step"], point["wallTime"]) for point in series] == [
        (step, T + step) for step in range(3)
    ]
    file, kind = fetch(server, f"/data/plugin/timeseries/imageData?imageId={series[1]['imageId']}")
    assert kind == "image/png"
    np.testing.assert_array_equal(frames_of(file)[0], RGB.transpose(1, 2, 0) + np.uint8(1))


def test_an_encoded_image_is_served_byte_for_byte(server: TensorBoardServer) -> None:
    assert blobs(server, "image", "images", "jpeg") == [(JPEG, "image/jpeg")]


def test_figures(server: TensorBoardServer) -> None:
    ((file, _),) = blobs(server, "image", "figure", "one")
    np.testing.assert_array_equal(frames_of(file)[0], drawn("b"))
    ((file, _),) = blobs(server, "image", "figure", "two")
    both = np.concatenate([drawn("b"), drawn("r")], axis=1)
    np.testing.assert_array_equal(frames_of(file)[0], both)


@pytest.mark.parametrize(
    ("tag", "frames"),
    [
        ("one", VIDEO[0].transpose(0, 2, 3, 1)),
        ("floats", VIDEO[0].transpose(0, 2, 3, 1)),
        ("side by side", np.concatenate(list(PAIR[..., 0]), axis=2)),
    ],
)
def test_videos(server: TensorBoardServer, tag: str, frames: Array) -> None:
    ((file, kind),) = blobs(server, "image", "video", tag)
    assert kind == "image/png"
    shown = frames_of(file)
    assert len(shown) == len(frames)
    for one, want in zip(shown, frames, strict=True):
        np.testing.assert_array_equal(one, want)


def test_the_frames_of_a_video_have_their_time(server: TensorBoardServer) -> None:
    ((file, _),) = blobs(server, "image", "video", "one")
    with Image.open(io.BytesIO(file)) as image:
        assert image.info["duration"] == 200
        assert image.info["loop"] == 0  # for ever


def test_gif(server: TensorBoardServer) -> None:
    ((file, kind),) = blobs(server, "image", "video", "gif")
    assert kind == "image/gif"
    with Image.open(io.BytesIO(file)) as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
        image.seek(1)
        assert image.convert("L").getextrema() == (255, 255)


# ------------------------------------------------------------------ sounds, texts


@pytest.mark.parametrize("tag", SOUNDS)
def test_audio(server: TensorBoardServer, tag: str) -> None:
    file, kind = blobs(server, "audio", "audio", tag)[-1]
    assert kind == "audio/wav"
    samples, rate = SOUNDS[tag]
    with wave.open(io.BytesIO(file)) as reader:
        assert reader.getframerate() == rate
        assert reader.getsampwidth() == 2
        assert reader.getnchannels() == samples.shape[1]
        played = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
    np.testing.assert_array_equal(played.reshape(-1, samples.shape[1]), samples)


def test_audio_of_all_steps(server: TensorBoardServer) -> None:
    entries = server.json("/data/plugin/audio/audio", run="audio", tag="mono", sample=0)
    assert [(entry["step"], entry["wall_time"]) for entry in entries] == [(0, T), (1, T + 1)]


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        (
            "a/b",
            [
                (0, T, "<p><strong>bold</strong></p>"),
                (5, T + 5, "<p><code>code</code> 🦉</p>"),
            ],
        ),
        (
            "column",
            [
                (
                    1,
                    T,
                    "<table>\n<tbody>\n<tr>\n<td><p>one</p></td>\n</tr>\n"
                    "<tr>\n<td><p><em>two</em></p></td>\n</tr>\n</tbody>\n</table>",
                )
            ],
        ),
        (
            "table",
            [
                (
                    1,
                    T,
                    "<table>\n<tbody>\n<tr>\n<td><p>a</p></td>\n<td><p>b</p></td>\n</tr>\n"
                    "<tr>\n<td><p>c</p></td>\n<td><p>d</p></td>\n</tr>\n</tbody>\n</table>",
                )
            ],
        ),
    ],
)
def test_texts(server: TensorBoardServer, tag: str, shown: list[tuple[int, float, str]]) -> None:
    answer = server.json("/data/plugin/text/text", run="texts", tag=tag)
    assert [(one["step"], one["wall_time"], one["text"]) for one in answer] == shown


def test_markdown(server: TensorBoardServer) -> None:
    (drawn_,) = server.json("/data/plugin/text/text", run="texts", tag="markdown")
    assert "<h1>Title</h1>" in drawn_["text"]
    assert "<em>Größe</em> &lt;script&gt;x&lt;/script&gt;" in drawn_["text"]
    assert "<td>2</td>" in drawn_["text"]
    (plain,) = server.json("/data/plugin/text/text", run="texts", tag="markdown", markdown="false")
    assert plain["text"].replace("&lt;", "<").replace("&gt;", ">") == MARKDOWN


def test_tags_of_texts_are_kept(server: TensorBoardServer) -> None:
    """torch and tensorboardX put ``/text_summary`` behind them."""
    tags = server.json("/data/plugin/text/tags")["texts"]
    assert sorted(tags) == ["a/b", "column", "markdown", "table"]


# ------------------------------------------------------------------ histograms


def rows_of(server: TensorBoardServer, tag: str) -> list[list[list[float]]]:
    answer = server.json("/data/plugin/histograms/histograms", run="histograms", tag=tag)
    return [rows for _, _, rows in answer]


@pytest.mark.parametrize("tag", ROWS)
def test_histograms_by_hand(server: TensorBoardServer, tag: str) -> None:
    wanted = ROWS[tag][server.backend]
    # The Python backend keeps float32.
    shown = rows_of(server, tag)
    assert [np.shape(rows) for rows in shown] == [np.shape(rows) for rows in wanted]
    for rows, want in zip(shown, wanted, strict=True):
        np.testing.assert_allclose(rows, want, rtol=1e-7)


@pytest.mark.parametrize("tag", ["default", "auto"])
def test_histograms(server: TensorBoardServer, tag: str) -> None:
    """All values are there, each in the bucket that has room for it."""
    times = server.json("/data/plugin/histograms/histograms", run="histograms", tag=tag)
    assert [(wall_time, step) for wall_time, step, _ in times] == [
        (T + step, step) for step in range(len(times))
    ]
    shown = rows_of(server, tag)
    assert len(shown) == (3 if tag == "default" else 1)
    for factor, rows in enumerate(shown, 1):
        values = NORMAL * factor
        table = np.array(rows)
        if server.backend == "rustboard":  # an empty bucket from the least value to the first edge
            np.testing.assert_allclose(table[0], [values.min(), table[1, 0], 0])
            table = table[1:]
        left, right, count = table.T
        assert len(table) > 10
        assert (left < right).all()
        assert (left[1:] == right[:-1]).all()
        first = left[0] if server.backend == "rustboard" else np.nextafter(left[0], -9, dtype="f4")
        assert first <= values.min() < right[0]
        assert left[-1] <= values.max()
        np.testing.assert_allclose(right[-1], values.max(), rtol=1e-6)
        edges = np.append(left, right[-1])
        edges[[0, -1]] = -np.inf, np.inf
        # The Python backend has the edges in float32, which may move a value to the bucket beside.
        moved = np.abs(np.histogram(values, edges)[0] - count).sum()
        assert moved <= (4 if server.backend == "python" else 0)
        assert count.sum() == 1000


@pytest.mark.parametrize("tag", ["edges", "not finite", "raw", "default", "auto", "integers"])
def test_distributions(server: TensorBoardServer, tag: str) -> None:
    answer = server.json("/data/plugin/distributions/distributions", run="histograms", tag=tag)
    assert [points for *_, points in answer] == [
        [list(point) for point in compressor.compress_histogram(rows)]
        for rows in rows_of(server, tag)
    ]


def test_the_distribution_of_normal_values(server: TensorBoardServer) -> None:
    """The median and the bands around it are about those of the values themselves."""
    answer = server.json(
        "/data/plugin/distributions/distributions", run="histograms", tag="default"
    )
    for factor, (*_, points) in enumerate(answer, 1):
        for basis_point, value in points:
            want = np.quantile(NORMAL * factor, basis_point / 10_000)
            assert abs(value - want) < 0.1 * factor


# ------------------------------------------------------------------ curves, meshes


def test_pr_curve_by_hand(server: TensorBoardServer) -> None:
    (shown,) = server.json("/data/plugin/pr_curves/pr_curves", run="curves", tag="by hand")[
        "curves"
    ]
    third = pytest.approx(1 / 3, rel=1e-6)
    two_thirds = pytest.approx(2 / 3, rel=1e-6)
    assert shown == {
        "wall_time": T,
        "step": 0,
        # At threshold 1 nothing is taken for true; TensorBoard leaves that out.
        "thresholds": [0, 0.25, 0.5, 0.75],
        "true_positives": [3, 3, 2, 1],
        "false_positives": [2, 1, 1, 1],
        "true_negatives": [0, 1, 1, 1],
        "false_negatives": [0, 0, 1, 2],
        "precision": [pytest.approx(0.6), 0.75, two_thirds, 0.5],
        "recall": [1, 1, two_thirds, third],
    }


def test_more_than_127_thresholds(server: TensorBoardServer) -> None:
    (shown,) = server.json("/data/plugin/pr_curves/pr_curves", run="curves", tag="fine")["curves"]
    assert shown["thresholds"] == np.linspace(0, 1, 301)[:298].tolist()  # 0.99 * 300 = 297
    assert shown["precision"][1:] == [1.0] * 297
    assert shown["recall"] == [1.0] * 298


def test_weights_of_a_pr_curve(server: TensorBoardServer) -> None:
    (shown,) = server.json("/data/plugin/pr_curves/pr_curves", run="curves", tag="weighted")[
        "curves"
    ]
    assert shown["true_positives"] == [3, 3]
    assert shown["false_positives"] == [5, 5]
    assert shown["precision"] == [0.375, 0.375]


def test_raw_pr_curve(server: TensorBoardServer) -> None:
    (shown,) = server.json("/data/plugin/pr_curves/pr_curves", run="curves", tag="raw")["curves"]
    assert shown == {
        "wall_time": T,
        "step": 7,
        "thresholds": [0, 1],
        "true_positives": [3, 2],
        "false_positives": [2, 0],
        "true_negatives": [0, 2],
        "false_negatives": [0, 1],
        "precision": [pytest.approx(0.6), 1],
        "recall": [1, 0.6640625],
    }


def test_meshes(server: TensorBoardServer) -> None:
    assert server.json("/data/plugin/mesh/tags")["meshes"] == {
        "all": {"samples": 2},
        "cloud": {"samples": 1},
    }
    parts: list[tuple[str, Callable[[int], Array], Any]] = [
        ("VERTEX", lambda step: VERTICES + np.float32(step), np.float32),
        ("FACE", lambda step: FACES, np.int32),
        ("COLOR", lambda step: COLORS, np.uint8),
    ]
    for step in range(2):
        for sample in range(2):
            for part, array, dtype in parts:
                data = server.get(
                    "/data/plugin/mesh/data",
                    run="meshes",
                    tag="all",
                    content_type=part,
                    step=step,
                    sample=sample,
                )
                got = np.frombuffer(data, dtype).reshape(-1, 3)
                np.testing.assert_array_equal(got, array(step)[sample])


def test_what_is_known_of_meshes(server: TensorBoardServer) -> None:
    entries = server.json("/data/plugin/mesh/meshes", run="meshes", tag="all")
    found = sorted((e["step"], e["content_type"], tuple(e["data_shape"])) for e in entries)
    shapes = {1: (2, 5, 3), 2: (2, 4, 3), 3: (2, 5, 3)}  # vertices, faces, colors
    assert found == [(step, part, shapes[part]) for step in range(2) for part in (1, 2, 3)]
    for entry in entries:
        assert entry["components"] == 0b1110
        assert entry["wall_time"] == T + entry["step"]
        assert json.loads(entry["config"]) == CONFIG
    (cloud,) = server.json("/data/plugin/mesh/meshes", run="meshes", tag="cloud")
    assert (cloud["step"], cloud["components"], cloud["config"]) == (3, 0b10, "{}")
    data = server.get(
        "/data/plugin/mesh/data", run="meshes", tag="cloud", content_type="VERTEX", step=3, sample=0
    )
    np.testing.assert_array_equal(np.frombuffer(data, np.float32).reshape(-1, 3), VERTICES[0])


# ------------------------------------------------------------------ layouts


def test_layouts_add_up(server: TensorBoardServer) -> None:
    """Over the calls, where a later chart of the same name counts; and over the runs."""
    answer = server.json("/data/plugin/custom_scalars/layout")
    shown = {
        category["title"]: {
            chart["title"]: {key: value for key, value in chart.items() if key != "title"}
            for chart in category["chart"]
        }
        for category in answer["category"]
    }
    assert shown == LAYOUT


def test_the_charts_of_a_layout_have_points(server: TensorBoardServer) -> None:
    answer = server.json("/data/plugin/custom_scalars/scalars", run="layouts", tag="a/.*")
    assert answer == {
        "regex_valid": True,
        "tag_to_events": {
            "a/low": [[T, 0, 5.0], [T, 1, 6.0]],
            "a/high": [[T, 0, 6.0], [T, 1, 7.0]],
        },
    }


# ------------------------------------------------------------------ embeddings


def test_embeddings(server: TensorBoardServer) -> None:
    route, run = "/data/plugin/projector", "embeddings"
    assert server.json(f"{route}/runs") == [run]
    entries = {
        entry["tensorName"]: entry for entry in server.json(f"{route}/info", run=run)["embeddings"]
    }
    points = {"default:00000": POINTS, "a/b:00012": POINTS * 2, "rows:00000": POINTS}
    assert entries.keys() == points.keys()
    for name, want in points.items():
        assert entries[name]["tensorShape"] == [6, 3]
        data = server.get(f"{route}/tensor", run=run, name=name)
        np.testing.assert_array_equal(np.frombuffer(data, np.float32).reshape(6, 3), want)
    labels = server.get(f"{route}/metadata", run=run, name="default:00000").decode()
    assert labels == "".join(f"w {n}\n" for n in range(6))
    labels = server.get(f"{route}/metadata", run=run, name="rows:00000").decode()
    assert labels == "word\tn\n" + "".join(f"w{n}\t{n}\n" for n in range(6))
    assert entries["default:00000"]["sprite"]["singleImageDim"] == [4, 4]
    (sprite,) = frames_of(server.get(f"{route}/sprite_image", run=run, name="default:00000"))
    assert sprite.shape == (12, 12, 3)  # six in three columns, and as many rows
    for place, stamp in enumerate(STAMPS):
        row, column = divmod(place, 3)
        cut = sprite[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        np.testing.assert_array_equal(cut, stamp.transpose(1, 2, 0))


def test_projector_is_offered(server: TensorBoardServer) -> None:
    server.wait_for("/data/plugins_listing", lambda listing: listing["projector"]["enabled"])


# ------------------------------------------------------------------ graphs


def shown_graph(server: TensorBoardServer, run: str, **query: str) -> dict[str, Any]:
    """Name -> node."""
    body = server.get("/data/plugin/graphs/graph", run=run, **query)
    graph = text_format.Parse(body.decode(), graph_pb2.GraphDef())
    return {node.name: node for node in graph.node}


@pytest.mark.parametrize("run", GRAPHS)
def test_graphs(server: TensorBoardServer, run: str) -> None:
    nodes = shown_graph(server, run)
    shown = {name: (node.op, list(node.input)) for name, node in nodes.items()}
    assert shown == GRAPHS[run]


@pytest.mark.parametrize("run", ["onnx", "openvino"])
def test_graphs_of_files(server: TensorBoardServer, run: str) -> None:
    nodes = shown_graph(server, run)
    relu = nodes["body/relu"]
    assert relu.op.lower() == "relu"
    (given,) = relu.input
    assert given.rpartition("/")[2] == "x"
    assert nodes[given].op in ("Parameter", "input", "Input", "Placeholder")
    for node in nodes.values():
        assert all(name in nodes for name in node.input)


def test_graphs_are_listed(server: TensorBoardServer) -> None:
    listed = server.json("/data/plugin/graphs/info")
    assert {run for run, info in listed.items() if info["run_graph"]} == {
        *GRAPHS,
        "onnx",
        "openvino",
    }


# ------------------------------------------------------------------ log


def test_log_is_one_event(logdir: Path) -> None:
    events = [event for event in read_events(logdir / "at_once") if event.step == 4]
    assert len(events) == 1
    assert len(events[0].summary.value) == 12


def test_log(server: TensorBoardServer) -> None:
    run = "at_once"
    for tag, value in {
        "number": 0.5,
        "train/loss": 0.25,
        "train/deep/acc": 1.0,
        "lazy": 0.125,
    }.items():
        points = server.json("/data/plugin/scalars/scalars", run=run, tag=tag)
        assert points == [[T, 4, value]]
    tags = {
        plugin: set(server.json(f"/data/plugin/{plugin}/tags")[run])
        for plugin in ("scalars", "images", "histograms", "text")
    }
    pictures = {
        "image": RGB.transpose(1, 2, 0),
        "HWC": RGBA,
        "pillow": GRAY,
        "file": frames_of(JPEG)[0],
        "figure": drawn("b"),
    }
    assert tags == {
        "scalars": {"number", "train/loss", "train/deep/acc", "lazy", "end"},
        "images": set(pictures),
        "histograms": {"histogram"},
        "text": {"text", "list"},
    }
    for tag, pixels in pictures.items():
        ((file, _),) = blobs(server, "image", run, tag)
        np.testing.assert_array_equal(frames_of(file)[0], pixels)
    (text,) = server.json("/data/plugin/text/text", run=run, tag="text")
    assert (text["step"], text["wall_time"], text["text"]) == (4, T, "<p><em>words</em></p>")
    ((wall_time, step, rows),) = server.json(
        "/data/plugin/histograms/histograms", run=run, tag="histogram"
    )
    assert (wall_time, step) == (T, 4)
    assert sum(count for *_, count in rows) == 3


# ------------------------------------------------------------------ protos of others


def test_messages_of_other_packages(server: TensorBoardServer) -> None:
    run = "foreign"
    for tag, points in {
        "theirs": [[T, 3, 0.5]],
        "bytes": [[T, 4, 0.25]],
        "event": [[T, 9, 0.75], [T, 10, 0.75]],
    }.items():
        assert server.json("/data/plugin/scalars/scalars", run=run, tag=tag) == points
    described = server.json("/data/plugin/scalars/tags")[run]["theirs"]["description"]
    assert described == "<p>of <em>whom</em></p>"
    (text,) = server.json("/data/plugin/text/text", run=run, tag="theirs text")
    assert text["text"] == "<p>hi</p>"
    ((file, _),) = blobs(server, "image", run, "theirs_image")
    np.testing.assert_array_equal(frames_of(file)[0], RGB.transpose(1, 2, 0))


# ------------------------------------------------------------------ hyperparameters


class HparamsPage:
    """What the hparams page asks for."""

    def __init__(self, server: TensorBoardServer, sessions: int, metrics: int) -> None:
        request = {
            "allowedStatuses": [
                f"STATUS_{status}" for status in ("UNKNOWN", "SUCCESS", "FAILURE", "RUNNING")
            ],
            "startIndex": 0,
            "sliceSize": 100,
        }
        answer = server.wait_for(
            "/data/plugin/hparams/session_groups",
            lambda answer: self._read(answer) == (sessions, metrics),
            request=json.dumps(request),
        )
        experiment = server.json(
            "/data/plugin/hparams/experiment", request=json.dumps({"experimentName": ""})
        )
        #: Name -> type; name -> the values that there can be.
        self.columns = {info["name"]: info["type"] for info in experiment["hparamInfos"]}
        self.domains = {
            info["name"]: info["domainDiscrete"]
            for info in experiment["hparamInfos"]
            if "domainDiscrete" in info
        }
        self.metrics = [info["name"]["tag"] for info in experiment["metricInfos"]]
        #: Run -> what is shown of it.
        self.rows = {group["name"]: group for group in answer["sessionGroups"]}

    @staticmethod
    def _read(answer: Mapping[str, Any]) -> tuple[int, int]:
        """How many sessions and metrics there are yet."""
        sessions = [s for group in answer["sessionGroups"] for s in group["sessions"]]
        ended = [s for s in sessions if s["endTimeSecs"]]
        return len(ended), sum(len(session["metricValues"]) for session in sessions)

    def hparams(self) -> dict[str, dict[str, Any]]:
        return {run: group["hparams"] for run, group in self.rows.items()}

    def values(self) -> dict[str, dict[str, tuple[float, int]]]:
        """Run -> metric -> value and step."""
        return {
            run: {
                metric["name"]["tag"]: (metric["value"], metric["trainingStep"])
                for metric in group["metricValues"]
            }
            for run, group in self.rows.items()
        }

    def statuses(self) -> dict[str, str]:
        return {run: group["sessions"][0]["status"] for run, group in self.rows.items()}


class Stopped(Exception):
    pass


def fail(writer: SummaryWriter) -> None:
    """A training that is stopped by an exception."""
    with writer:
        writer.set_hparams({"lr": 0.2, "flag": False, "late": np.int64(3), "none": None})
        writer.add_scalar("loss", 0.5, 7)
        writer.add_scalar("other", 2.0, 8)
        raise Stopped


@pytest.mark.parametrize("backend", BACKENDS)
def test_hparams_that_are_set(backend: Any, tmp_path: Path) -> None:
    """Runs of a training, one of which fails: all columns, and any scalar as a metric."""
    with SummaryWriter(tmp_path / "a") as writer:
        writer.set_hparams({"lr": 0.1, "flag": True, "model": {"layers": [64, 32], "act": "relu"}})
        for step in range(3):
            writer.add_scalar("loss", 1 / (step + 1), step)
    with pytest.raises(Stopped):
        fail(SummaryWriter(tmp_path / "b"))
    with SummaryWriter(tmp_path / "grouped", comment="x") as writer:
        writer.set_hparams({"lr": 0.3}, group_name="g", monitor_url="http://x", model_uri="m")
        writer.add_scalar("loss", 0.25, 1)
    # The calls of torch and tensorboardX without a name, in one run.
    with SummaryWriter(tmp_path / "c") as writer:
        for number in range(3):
            writer.add_hparams(
                {"lr": float(number), "extra": "x"}, {"loss": number * 0.5}, None, None, number
            )
    with TensorBoardServer(tmp_path, backend) as server:
        page = HparamsPage(server, 6, 7)
        assert page.columns == {
            "lr": "DATA_TYPE_FLOAT64",
            "flag": "DATA_TYPE_BOOL",
            "model/layers": "DATA_TYPE_STRING",
            "model/act": "DATA_TYPE_STRING",
            "late": "DATA_TYPE_FLOAT64",
            "extra": "DATA_TYPE_STRING",
        }
        assert sorted(page.metrics) == ["loss", "other"]
        assert page.hparams() == {
            "a": {"lr": 0.1, "flag": True, "model/layers": "[64, 32]", "model/act": "relu"},
            "b": {"lr": 0.2, "flag": False, "late": 3},
            "g": {"lr": 0.3},
            "c": {"lr": 0, "extra": "x"},
            "c/hparams_2": {"lr": 1, "extra": "x"},
            "c/hparams_3": {"lr": 2, "extra": "x"},
        }
        assert page.values() == {
            "a": {"loss": (pytest.approx(1 / 3), 2)},
            "b": {"loss": (0.5, 7), "other": (2, 8)},
            "g": {"loss": (0.25, 1)},
            "c": {"loss": (0, 0)},
            "c/hparams_2": {"loss": (0.5, 1)},
            "c/hparams_3": {"loss": (1, 2)},
        }
        success = dict.fromkeys(page.rows, "STATUS_SUCCESS")
        assert page.statuses() == {**success, "b": "STATUS_FAILURE"}
        (session,) = page.rows["g"]["sessions"]
        assert (session["name"], session["monitorUrl"]) == ("grouped", "http://x")
        assert session["modelUri"] == "m"
        assert session["endTimeSecs"] >= session["startTimeSecs"] > 0
        # The runs are themselves, and not a run in a run for each.
        runs = ["a", "b", "c", "c/hparams_2", "c/hparams_3", "grouped"]
        assert sorted(server.json("/data/runs")) == runs


@pytest.mark.parametrize("backend", BACKENDS)
def test_hparams_of_other_packages_and_nested_ones(backend: Any, tmp_path: Path) -> None:
    """TensorBoard's and tensorboardX's own messages, and the layout of torch."""
    given: dict[str, Any] = {"lr": 0.5, "flag": True, "name": "x"}
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams(given, {"loss": 0.25}, {"lr": [0.5, 1.0]}, "named", 3)
        writer.add_hparams(given, {"loss": 0.5}, "of tensorboardX", 4)
        writer.add_hparams(given, {"loss": 0.75}, nested=True)
    with SummaryWriter(tmp_path / "theirs") as writer:
        file_writer = writer._get_file_writer()
        file_writer.add_summary(tensorboard_hparams.hparams_pb(given, "trial", T))
        columns = [
            tensorboard_hparams.HParam("lr", tensorboard_hparams.Discrete([0.5, 1.0])),
            tensorboard_hparams.HParam("flag", tensorboard_hparams.Discrete([False, True])),
            tensorboard_hparams.HParam("name", tensorboard_hparams.Discrete(["x"])),
        ]
        metrics = [tensorboard_hparams.Metric("loss")]
        file_writer.add_summary(tensorboard_hparams.hparams_config_pb(columns, metrics))
        ended = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=T + 1)
        end = summary_pb2.Summary()
        end.value.add(
            tag=hparams_metadata.SESSION_END_INFO_TAG,
            metadata=hparams_metadata.create_summary_metadata(
                plugin_data_pb2.HParamsPluginData(session_end_info=ended)
            ),
        )
        file_writer.add_summary(end)
        writer.add_scalar("loss", 1.5, 6)
    with SummaryWriter(tmp_path / "tensorboardX's") as writer:
        for message in tensorboardx_summary.hparams(given, {"loss": 0}):
            writer._get_file_writer().add_summary(message)
        # Of which the end has no time, which is how this test knows that it is read.
        writer.add_scalar("loss", 1.75, 6)
    with TensorBoardServer(tmp_path, backend) as server:
        page = HparamsPage(server, 4, 5)
        assert page.columns == {
            "lr": "DATA_TYPE_FLOAT64",
            "flag": "DATA_TYPE_BOOL",
            "name": "DATA_TYPE_STRING",
        }
        (unnamed,) = page.rows.keys() - {"named", "of tensorboardX", "trial", "tensorboardX's"}
        assert float(unnamed) > T  # the time, as with the peers
        assert page.hparams() == dict.fromkeys(page.rows, given)
        assert page.metrics == ["loss"]
        assert page.values() == {
            "named": {"loss": (0.25, 3)},
            "of tensorboardX": {"loss": (0.5, 4)},
            unnamed: {"loss": (0.75, 0)},
            "trial": {"loss": (1.5, 6)},
            "tensorboardX's": {"loss": (1.75, 6)},
        }
        assert page.statuses() == dict.fromkeys(page.rows, "STATUS_SUCCESS")


# ------------------------------------------------------------------ what no page shows


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.array([0.5, -1.5], np.float16),
        np.array(3 + 4j),
        np.array([True, False]),
        np.array([2**63, 1], np.uint64),
        np.array(["a", "größe"]),
        np.zeros((0, 3)),
    ],
    ids=lambda value: f"{value.dtype}",
)
def test_tensors(value: Array, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_tensor("x", value, 3, T)
        writer.add_tensor("x", value[::-1] if value.ndim else value, 4, T)
    accumulator = EventAccumulator(str(tmp_path)).Reload()
    assert accumulator.Tags()["tensors"] == ["x"]
    first, second = accumulator.Tensors("x")
    assert (first.step, first.wall_time, second.step) == (3, T, 4)
    stored = tensor_util.make_ndarray(first.tensor_proto)
    want = np.char.encode(value, "utf-8").astype(object) if value.dtype.kind == "U" else value
    assert stored.dtype == want.dtype
    np.testing.assert_array_equal(stored, want)


# ------------------------------------------------------------------ with torch and Keras


@pytest.mark.full
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("backend", BACKENDS)
def test_graphs_of_models(backend: Any, tmp_path: Path) -> None:
    """Of torch and of Keras: each layer is a node, and no input comes from nowhere."""
    import torch

    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 4, 3)
            self.head = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())

        def forward(self, x: Any) -> Any:
            return self.head(self.conv(x).mean((2, 3)))

    with SummaryWriter(tmp_path / "torch") as writer:
        writer.add_graph(Net(), torch.zeros(2, 1, 8, 8))
    model = keras_model()
    with SummaryWriter(tmp_path / "keras") as writer:
        writer.add_graph(model)
    with TensorBoardServer(tmp_path, backend) as server:
        info = server.wait_for("/data/plugin/graphs/info", lambda found: len(found) == 2)
        assert info["torch"]["run_graph"]
        assert info["keras"]["tags"]["keras"]["conceptual_graph"]
        nodes = shown_graph(server, "torch")
        for word in ("conv", "head"):
            assert any(word in name.lower() for name in nodes)
        operations = " ".join(node.op for node in nodes.values()).lower()
        for word in ("conv2d", "mean", "linear", "relu"):
            assert word in operations
        for node in nodes.values():
            assert all(name.split(":")[0] in nodes for name in node.input)
        shown = shown_graph(server, "keras", tag="keras", conceptual="true")
        assert {name.rpartition("/")[2] for name in shown} == {"given", "hidden", "out"}
        (hidden,) = (node for name, node in shown.items() if name.endswith("hidden"))
        assert [name.rpartition("/")[2] for name in hidden.input] == ["given"]


def keras_model() -> Any:
    import os

    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    given = keras.Input((3,), name="given")
    hidden = keras.layers.Dense(4, name="hidden")(given)
    return keras.Model(given, keras.layers.Dense(2, name="out")(hidden), name="net")


@pytest.mark.full
def test_tensors_of_torch_on_every_page(tmp_path: Path) -> None:
    """With gradients, and of dtypes that numpy lacks: as the arrays that equal them."""
    import torch

    values = torch.tensor([1.0, 2.0, 2.5], dtype=torch.bfloat16)
    picture = torch.from_numpy(RGB)
    calls: list[Callable[[SummaryWriter, Callable[[Any], Any]], None]] = [
        lambda w, f: w.add_scalar("scalar", f(values[2]), 1, T),
        lambda w, f: w.add_histogram("histogram", f(values), 1, walltime=T),
        lambda w, f: w.add_image("image", f(picture), 1, T),
        lambda w, f: w.add_audio("audio", f(values / 4), 1, 8000, T),
        lambda w, f: w.add_mesh("mesh", f(values[None]), global_step=1, walltime=T),
        lambda w, f: w.add_pr_curve("curve", f(values > 1), f(values / 4), 1, walltime=T),
        lambda w, f: w.add_video("video", f(picture[None, None]), 1, walltime=T),
    ]
    for name, convert in {
        "torch": lambda tensor: tensor.requires_grad_() if tensor.is_floating_point() else tensor,
        "numpy": lambda tensor: (
            tensor.detach().float() if tensor.is_floating_point() else tensor
        ).numpy(),
    }.items():
        with SummaryWriter(tmp_path / name) as writer:
            for call in calls:
                call(writer, convert)
    logs = {
        name: [event.summary for event in read_events(tmp_path / name) if event.summary.value]
        for name in ("torch", "numpy")
    }
    assert len(logs["torch"]) == len(calls)
    assert logs["torch"] == logs["numpy"]
