"""What fuzzing begins with: sound data of every sort, made by our own writers and encoders."""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from generated_logs import ODD_RECORDS, Odd, Rhythm, log_bytes
from google.protobuf import text_format

from tbio import SummaryWriter, plugins, projector, read_events
from tbio.kinds import audio, histogram, image, keras_model, png
from tbio.proto.event_pb2 import Event, TaggedRunMetadata
from tbio.proto.graph_pb2 import GraphDef, NodeDef
from tbio.proto.meta_graph_pb2 import MetaGraphDef
from tbio.proto.projector_pb2 import ProjectorConfig
from tbio.proto.run_metadata_pb2 import RunMetadata
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.record import encode_record
from tbio.tensor import encode as tensor

GOLDEN = Path(__file__).parents[1] / "golden"


@functools.cache
def logs() -> tuple[bytes, ...]:
    """Event files: the golden ones, one of every kind, and what `generated_logs` makes."""
    golden = [path.read_bytes() for path in sorted(GOLDEN.rglob("*tfevents*"))]
    start, again = Odd("start"), Odd("start", step=3)
    rhythms = [
        (start, Rhythm(12, 3, described="first"), again, Rhythm(6, 3, step=3)),
        (Rhythm(12, 2, form="exact", described="each"), Odd("image"), Odd("step")),
        (Rhythm(30, 3, form="mixed", described="first", order="shuffled", odd_numbers=True),),
    ]
    made = [log_bytes(rhythm) for rhythm in rhythms]
    every = b"".join(encode_record(event) for events in by_kind().values() for event in events)
    return *golden, *made, every, gzip.compress(made[0]), zlib.compress(made[1])


@functools.cache
def events() -> tuple[bytes, ...]:
    """Events of every kind, and the odd ones."""
    plain = [event for several in by_kind().values() for event in several]
    odd = [Odd(name).payloads()[0] for name in ODD_RECORDS]
    return *plain, *(one for one in odd if len(one) < 2000)


@functools.cache
def by_kind() -> dict[str, tuple[bytes, ...]]:
    """Kind -> events with values of it: the metadata in front, old encodings and new ones."""
    found: dict[str, list[bytes]] = {kind: [] for kind in plugins.KINDS}
    for event in (*_written(), *_graph_events()):
        kinds = {_kind_of(value) for value in event.summary.value} or {"graphs"}
        for kind in kinds:
            found[kind].append(event.SerializeToString())
    whole = Event(step=1, wall_time=1.0)  # the parts of a mesh belong together
    for encoded in found["meshes"]:
        whole.summary.value.extend(Event.FromString(encoded).summary.value)
    found["meshes"].append(whole.SerializeToString())
    return {kind: tuple(several) for kind, several in found.items()}


def _written() -> Iterator[Event]:
    """The events of a log with everything in it."""
    dots = np.arange(12, dtype=np.float32).reshape(4, 3)
    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            writer.add_scalar("loss", 0.5, 1, display_name="a loss", summary_description="*down*")
            writer.add_scalar("exact", 0.1, 1, double_precision=True)
            writer.add_histogram("weights", np.array([-1.0, 0.0, 0.5, 2.0, 2.0]), 1, 4)
            writer.add_image("photo", np.zeros((3, 4, 5), np.uint8), 1)
            writer.add_audio("beep", np.linspace(-1, 1, 40, dtype=np.float32), 1, 8000)
            writer.add_text("note", "hello", 1)
            writer.add_text("table", [["a", "b"], ["c", "d"]], 1)
            writer.add_pr_curve("pr", np.array([0, 1, 1]), np.array([0.1, 0.6, 0.9]), 1, 5)
            colours, config = np.zeros((1, 4, 3), np.uint8), {"camera": {"fov": 75}}
            writer.add_mesh("cloud", dots[None], colours, np.array([[[0, 1, 2]]]), config, 1)
            writer.add_tensor("raw", dots, 1)
            writer.add_tensor("words", np.array([b"a", b"bc"], object), 1)
            writer.add_custom_scalars({"Loss": {"all": ["Multiline", ["loss/.*", "x"]]}})
            writer.add_custom_scalars_marginchart(["loss", "low", "high"])
            writer.add_hparams(
                {"lr": 0.1, "name": "adam", "flag": True}, {"acc": 0.5}, run_name="."
            )
        for path in sorted(Path(folder).rglob("*tfevents*")):
            yield from (event for event in read_events(path) if event.HasField("summary"))
    rows, _ = histogram.rows_of_values(np.arange(9.0))
    samples = np.zeros((2, 2, 2, 3), np.uint8)
    clip, _ = audio.prepare([0.0, 0.5, -0.5], 8000)
    yield _described(histogram.encode("rows", rows), plugins.HISTOGRAMS)
    yield _described(image.encode_samples("samples", samples), plugins.IMAGES)
    yield _described(audio.encode_as_tensor("clips", [clip, clip]), plugins.AUDIO)


def _described(value: Summary.Value, plugin: str, content: bytes = b"") -> Event:
    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    value.metadata.plugin_data.CopyFrom(data)
    return Event(step=1, wall_time=1.0, summary=Summary(value=[value]))


def _graph_events() -> Iterator[Event]:
    graph = GraphDef(node=[NodeDef(name="x", op="Relu"), NodeDef(name="y", input=["x", "^x"])])
    graph.versions.producer = 22
    function = RunMetadata.FunctionGraphs(pre_optimization_graph=graph)
    trace = RunMetadata(function_graphs=[function, function], partition_graphs=[graph])
    yield Event(step=1, wall_time=1.0, graph_def=graph.SerializeToString())
    meta = MetaGraphDef(graph_def=graph).SerializeToString()
    yield Event(step=1, wall_time=1.0, meta_graph_def=meta)
    tagged = TaggedRunMetadata(tag="step", run_metadata=trace.SerializeToString())
    yield Event(step=1, wall_time=1.0, tagged_run_metadata=tagged)
    for plugin, content in (
        (plugins.GRAPH_RUN_METADATA, trace.SerializeToString()),
        (plugins.GRAPH_RUN_METADATA_GRAPH, trace.SerializeToString()),
        (plugins.GRAPH_KERAS_MODEL, keras_models()[0]),
        (plugins.GRAPH_KERAS_MODEL, keras_models()[1]),
    ):
        value = Summary.Value(tag=plugin, tensor=tensor([content]))
        value.tensor.ClearField("tensor_shape")
        yield _described(value, plugin, b"1")


def _kind_of(value: Summary.Value) -> str:
    """The kind of a value that comes with its metadata, or in an encoding of its own."""
    old = {"simple_value": "scalars", "histo": "histograms", "image": "images", "audio": "audio"}
    kind = old.get(value.WhichOneof("value") or "")
    return kind or plugins.kind_of(value.metadata.plugin_data.plugin_name)


def keras_models() -> tuple[bytes, ...]:
    """Keras models in JSON: a functional one in the form of Keras 2, and a sequential one."""
    layers: list[dict[str, object]] = [
        {"name": "in", "class_name": "InputLayer", "config": {"dtype": "float32"}},
        {
            "name": "out",
            "class_name": "Dense",
            "config": {"units": 3, "dtype": "float32"},
            "inbound_nodes": [[["in", 0, 0, {}]]],
        },
    ]
    functional = {
        "class_name": "Functional",
        "config": {
            "name": "model",
            "layers": layers,
            "input_layers": [["in", 0, 0]],
            "output_layers": [["out", 0, 0]],
        },
    }
    config = {"name": "s", "layers": [dict(layer, inbound_nodes=[]) for layer in layers]}
    sequential = {"class_name": "Sequential", "config": config}
    keras_model.graph_def(functional)  # both are models
    return json.dumps(functional).encode(), json.dumps(sequential).encode()


@functools.cache
def tensors() -> tuple[bytes, ...]:
    """TensorProtos: every dtype, in both of its forms where it has two."""
    names = ("float32", "float64", "int8", "int64", "uint8", "uint64", "bool", "complex64")
    made = [tensor(np.ones((2, 3), name)).SerializeToString() for name in (*names, "float16")]
    made.append(tensor(np.array([[b"a", b"b"]], object)).SerializeToString())
    for event in map(Event.FromString, events_of_numbers()):
        made += [value.tensor.SerializeToString() for value in event.summary.value]
    return tuple(made)


def events_of_numbers() -> tuple[bytes, ...]:
    """One event with a number in each of its encodings."""
    return tuple(Odd("mixed numbers").payloads())


@functools.cache
def pictures() -> tuple[bytes, ...]:
    """Images in every format that is read, still and moving."""
    from PIL import Image

    def encoded(mode: str, format: str, count: int = 1) -> bytes:
        frames = [Image.new(mode, (7, 5), index) for index in range(count)]
        if count > 1:
            frames[1].putpixel((1, 1), 3)
        file = io.BytesIO()
        more = {"save_all": True, "append_images": frames[1:]} if count > 1 else {}
        frames[0].save(file, format, **more)
        return file.getvalue()

    noise = np.random.default_rng(0).integers(0, 256, (9, 8, 4), np.uint8)
    moving = np.stack([noise, noise[::-1]])
    return (
        *(png.encode(noise[:, :, :channels]) for channels in (1, 2, 3, 4)),
        png.encode_animation(moving, 10),
        *(encoded(mode, "PNG") for mode in ("1", "P", "I;16", "LA")),
        *(encoded("P", "GIF", count) for count in (1, 3)),
        encoded("RGB", "PNG", 2),
        encoded("RGB", "JPEG"),
        encoded("CMYK", "JPEG"),
        encoded("RGB", "BMP"),
        encoded("RGB", "WEBP", 2),
    )


@functools.cache
def sounds() -> tuple[bytes, ...]:
    """WAV files of every width, and one with a header of the extensible sort."""
    ramp = np.linspace(-1, 1, 24)
    arrays = (
        (ramp * 127 + 128).astype(np.uint8),
        (ramp * 32767).astype(np.int16),
        (ramp * 2**30).astype(np.int32),
        ramp.astype(np.float32).reshape(12, 2),
    )
    made = [
        audio.encode("beep", audio.prepare(array, 8000)[0]).audio.encoded_audio_string
        for array in arrays
    ]
    float_header = made[1][:20] + b"\3\0" + made[1][22:32] + b"\4\0\x20\0" + made[1][36:]
    return *made, float_header


#: Words of a projector's config, beside its own field names.
CONFIG_WORDS = (
    *('embeddings { tensor_name: "a" tensor_path: "t.tsv" }', "{", "}", ":", '"', "'", "#", ";"),
    *('metadata_path: "m.tsv"', 'tensor_path: "../secret.tsv"', 'tensor_path: "/etc/passwd"'),
    *('sprite { image_path: "s.png" single_image_dim: 2 }', "tensor_shape: 3", "tensor_shape: -1"),
    *('bookmarks_path: "b.json"', 'metadata_path: "link.tsv"', 'tensor_path: "t.bytes"'),
    *('bookmarks_path: "../secret.json"', 'model_checkpoint_path: "c"', r'"\377\000\n"', "[a.b/c]"),
    *("tensor_shape: 99999999999999999999", "single_image_dim: [1, 0]", "<", ">", "unknown: 7"),
)
TSV_WORDS = (
    "\t",
    "\n",
    "\r\n",
    "\r",
    "1",
    "nan",
    "inf",
    "1e999",
    "-0",
    "label",
    "\u200b",
    "\ufeff",
)


@functools.cache
def configs() -> tuple[bytes, ...]:
    """Configs of the projector that name the files of `projector_files`."""
    config = ProjectorConfig()
    for points, labels in (
        ("t.tsv", "m.tsv"),
        ("t.bytes", "one.tsv"),
        ("../secret.tsv", "link.tsv"),
    ):
        entry = config.embeddings.add(
            tensor_name=f"{points}:0",
            tensor_path=points,
            metadata_path=labels,
            bookmarks_path="b.json",
            tensor_shape=[3, 2],
        )
        entry.sprite.image_path = "s.png"
        entry.sprite.single_image_dim.extend([4, 3])
    return (
        text_format.MessageToString(config).encode(),
        *(word.encode() for word in CONFIG_WORDS[:1]),
        b'embeddings <tensor_name: "x", tensor_path: "t.tsv"; metadata_path: "../secret.tsv">\n',
    )


def projector_files() -> dict[str, bytes]:
    """Name -> content of the files that a config names."""
    return {
        "t.tsv": b"1\t2\n3\t4\n5\t6\n",
        "t.bytes": np.arange(6, dtype="<f4").tobytes(),
        "m.tsv": b"word\tcount\na\t1\nb\t2\nc\t3\n",
        "one.tsv": b"a\nb\nc\n",
        "b.json": b'[{"label": "x"}]',
        "s.png": png.encode(np.zeros((6, 8, 3), np.uint8)),
    }


@functools.cache
def tables() -> tuple[bytes, ...]:
    """Points and labels as TSV."""
    files = projector_files()
    with tempfile.TemporaryDirectory() as folder:
        cells = [["a", ""], ["b\n", "c"]]
        embedding, _ = projector.prepare([[0.0, 1.0], [2.0, 3.0]], cells, None, ["x", "y"])
        projector.write(folder, "words", 7, embedding)
        written = [path.read_bytes() for path in sorted(Path(folder).rglob("*.tsv"))]
    return files["t.tsv"], files["m.tsv"], files["one.tsv"], *written


def trees() -> tuple[bytes, ...]:
    """Bytes of which trees of files grow."""
    chance = np.random.default_rng(7)
    return tuple(chance.bytes(size) for size in (0, 8, 40, 80, 160, 160, 300))


def of_folder(folder: str | os.PathLike[str]) -> tuple[bytes, ...]:
    """Every file in a folder, as it is."""
    return tuple(path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file())
