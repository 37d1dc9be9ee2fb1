"""Files and messages that lie: a few bytes each, made by hand, that ask for much."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbio import tensor
from tbio.proto.event_pb2 import Event
from tbio.proto.plugin_data_pb2 import MeshPluginData
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import TensorProto
from tbio.record import encode_record

NAN, INF = float("nan"), float("inf")


# ------------------------------------------------------------------ pictures


def png(width: int, height: int, *chunks: bytes, data: bytes = b"") -> bytes:
    """A PNG of RGB; its pixels need not be there."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", zlib.compress(data, 9))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body) + png_chunk(b"IEND", b"")


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def apng(frames: int) -> bytes:
    """One that says it has so many frames, of one pixel each, and has one."""
    said = png_chunk(b"acTL", struct.pack(">II", frames, 0))
    first = png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 1, 1, 0, 0, 1, 10, 0, 0))
    return png(1, 1, said, first, data=bytes(4))


def gif(width: int, height: int, *frames: tuple[int, int]) -> bytes:
    """One with a canvas and frames of any sizes, 15 bytes a frame."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    body = (
        b"\x2c" + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x44\x01\0" for frame in frames
    )
    return head + b"".join(body) + b"\x3b"


def webp(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + sides
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def bmp(width: int, height: int) -> bytes:
    return struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54, 0, 54, 40, width, height, 1, 24, *[0] * 6)


def jpeg(width: int, height: int) -> bytes:
    frame = struct.pack(">HHBHHB", 0xFFC0, 17, 8, height, width, 3) + b"\1\x11\0\2\x11\1\3\x11\1"
    return b"\xff\xd8" + frame + b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0?\0\xff\xd9"


#: No pixel of any of these may be decoded.
BOMBS = {
    "png": png(100_000, 100_000),
    "png, just above Pillow's limit": png(9500, 9500),
    "png of the largest sides": png(2**31 - 1, 2**31 - 1),
    "gif": gif(65_535, 65_535, (1, 1)),
    "gif with a frame beyond its canvas": gif(1, 1, (13_000, 13_000)),
    "webp": webp(16_383, 16_383),
    "webp of the largest sides": webp(1 << 24, 1 << 24),
    "bmp": bmp(100_000, 100_000),
    "bmp upside down": bmp(10, -(2**31)),
    "jpeg": jpeg(65_500, 65_500),
    "jpeg, just above Pillow's limit": jpeg(9500, 9500),
}
PICTURES = {
    **BOMBS,
    "png of no pixel": png(0, 0),
    "png with a long text": png(
        1, 1, png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7))), data=bytes(4)
    ),
    "png with too many pixels": png(1, 1, data=bytes(10**7)),
    "apng without frames": apng(0),
    "apng of 2**31 frames": apng(2**31 - 1),
    "apng of 2**28 frames": apng(2**28),
    "gif that grows": gif(1, 1, (1, 1), (13_000, 13_000)),
    "gif of many frames": gif(2, 2, *[(1, 1)] * 500),
    "nothing": b"",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "SVG": b"<svg onload=alert(1)>",
}

# ------------------------------------------------------------------ sounds


def wav(
    encoding: int,
    channels: int,
    rate: int,
    align: int,
    bits: int,
    data: bytes = bytes(range(24)),
    size: int | None = None,
) -> bytes:
    form = struct.pack("<IHHIIHH", 16, encoding, channels, rate, 0, align, bits)
    size = len(data) if size is None else size
    return b"RIFF\0\0\0\0WAVEfmt " + form + b"data" + struct.pack("<I", size) + data


SOUNDS = {
    "nothing": b"",
    "empty chunks": b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 2000 + wav(1, 1, 1, 2, 16)[12:],
    "many channels": wav(1, 65_535, 2**32 - 1, 65_535, 8),
    "a lying size": wav(1, 1, 1, 2, 16, size=2**32 - 1),
    "odd doubles": wav(3, 1, 8, 8, 64, struct.pack("<3d", 1e308, NAN, -INF)),
    "odd floats": wav(3, 1, 8, 4, 32, struct.pack("<3f", NAN, INF, 1)),
    "24 bits": wav(1, 2, 8, 6, 24),
    "no channels": wav(1, 0, 8, 0, 0),
    "MP3": wav(85, 1, 8, 1, 0),
    "no GUID": wav(0xFFFE, 1, 8, 2, 16),
    "uneven": wav(1, 3, 8, 6, 16, bytes(25)),
    "many bits": wav(1, 1, 8, 1, 65_535),
    "wide": wav(1, 1, 8, 65_535, 16),
}

# ------------------------------------------------------------------ logs

NAMES = [
    *("", "..", "../../etc/passwd", "/etc/passwd", "C:\\x", "\\\\server\\x"),
    *("a\0b", "a\nb", "a\rb", "\t", "\x7f", "\x1b[2J\x1b]0;title\x07", "\x9b31m", "\x85"),
    *("\u202eright to left", "\u2028", "\u2066", "\ufeff", "\U000e0041"),
    *("=cmd|' /C calc'!A0", "+1", "-1", "@x", " =1", "a;=1", "a\n=1", "\uff1d1", '"=1"'),
    *("<script>alert(1)</script>", "a" * 100_000),
    *("run", "tag", "step", "wall_time", "value", "tag:run", "hparam:run"),
]
SHAPES = [
    *([], [0], [1], [3], [-1], [-(2**63)], [2**32, 2**32], [2**63 - 1] * 3, [2**62, 0]),
    *([0, 2**62, 2**62], [1] * 33, [1] * 64, [1] * 65, [2**62] * 62 + [0], [1] * 10_000),
]
PLUGINS = [
    *("", "scalars", "histograms", "images", "audio", "text", "pr_curves", "mesh", "hparams"),
    *("custom_scalars", "graphs", "graph_run_metadata", "graph_keras_model", "\x1b[31m"),
]
#: Of TensorFlow: float, double, int32, uint8, string, complex64, int64, bool, bfloat16, resource,
#: half, variant, float8, a reference; and what is none.
DTYPES = [1, 2, 3, 4, 7, 8, 9, 10, 14, 19, 20, 21, 24, 101, 999, -1]


def of_plugin(name: str, content: bytes = b"") -> SummaryMetadata:
    plugin = SummaryMetadata.PluginData(plugin_name=name, content=content)
    return SummaryMetadata(plugin_data=plugin)


def shaped(shape: list[int], **fields: object) -> TensorProto:
    proto = TensorProto(**fields)  # type: ignore[arg-type]
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def strings(*items: bytes, shape: list[int] | None = None) -> TensorProto:
    return shaped([len(items)] if shape is None else shape, dtype=7, string_val=items)


def array(
    plugin: str, values: npt.ArrayLike, content: bytes = b"", tag: str = "x"
) -> Summary.Value:
    metadata = of_plugin(plugin, content)
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor.encode(values))


def text(plugin: str, *items: bytes, content: bytes = b"", tag: str = "x") -> Summary.Value:
    metadata = of_plugin(plugin, content)
    return Summary.Value(tag=tag, metadata=metadata, tensor=strings(*items))


def events_of(*values: Summary.Value) -> list[Event]:
    return [
        Event(wall_time=1.0, step=step, summary={"value": [value]})
        for step, value in enumerate(values)
    ]


def write_log(folder: Path, records: list[Event | bytes]) -> Path:
    """A log with one file; bytes are a record that is no event."""
    whole = [Event(wall_time=1.0, file_version="brain.Event:2"), *records]
    payloads = (one if isinstance(one, bytes) else one.SerializeToString() for one in whole)
    file = folder / "events.out.tfevents.1.host"
    file.write_bytes(b"".join(map(encode_record, payloads)))
    return file


def field(number: int, data: bytes) -> bytes:
    """A field of protobuf with a length, by hand: the library makes no such depths."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number: int) -> bytes:
    head = b""
    while number > 127:
        head += bytes([number & 127 | 128])
        number >>= 7
    return head + bytes([number])


def nested(depth: int, *numbers: int) -> bytes:
    data = b""
    for _ in range(depth):
        for number in numbers:
            data = field(number, data)
    return data


def _hparam(name: bytes, value: bytes) -> bytes:
    return field(1, field(1, name) + field(2, value))


def _start(*hparams: bytes, content: bytes = b"") -> Summary.Value:
    content = content or field(3, b"".join(hparams))
    return Summary.Value(tag="_hparams_/session_start_info", metadata=of_plugin("hparams", content))


def _tensors() -> Iterator[Summary.Value]:
    fill = shaped(
        [],
        float_val=[1.5, NAN, INF],
        double_val=[1e308, -1e308, NAN],
        int_val=[1, -1, 2**31 - 1],
        int64_val=[2**63 - 1] * 3,
        uint64_val=[2**64 - 1] * 3,
        uint32_val=[2**32 - 1] * 3,
        half_val=[-1, 2**31 - 1, 5],
        bool_val=[True] * 3,
        string_val=[b"\xff\0", b"", b"{}"],
        scomplex_val=[1.0] * 3,
        float8_val=b"\xff\0\x80",
    )
    fills = (
        TensorProto(),
        fill,
        TensorProto(tensor_content=bytes(24)),
        TensorProto(tensor_content=bytes(7), string_val=[b"x"]),
    )
    for plugin in PLUGINS:
        every = plugin in ("", "scalars")
        for dtype in DTYPES if every else DTYPES[3:6]:
            for at, shape in enumerate(SHAPES if every else SHAPES[::3]):
                proto = shaped(shape)
                proto.MergeFrom(fills[(at + dtype) % 4])
                proto.dtype = dtype  # type: ignore[assignment]
                tag = f"{plugin}/{dtype}/{at}"
                metadata = of_plugin(plugin, b"1")
                yield Summary.Value(tag=tag, metadata=metadata, tensor=proto)


def _histograms() -> Iterator[Summary.Value]:
    old: list[dict[str, object]] = [
        {},
        {"min": NAN, "max": NAN, "num": NAN, "bucket_limit": [NAN] * 2, "bucket": [NAN] * 2},
        {"max": 1, "num": -5, "sum": INF, "bucket_limit": [3, 2, 1], "bucket": [-1, -2, 5]},
        {"max": 1, "num": 3, "bucket_limit": [1], "bucket": [1, 2, 3]},
        {"max": 1, "num": 3, "bucket_limit": [1, 2, 3]},
        {"min": -INF, "max": INF, "num": 1e308, "bucket_limit": [-INF, INF], "bucket": [1e308] * 2},
        {"min": 1e308, "max": -1e308, "bucket_limit": [-1e308, 1e308], "bucket": [1e308] * 2},
        {"num": 5e-324, "sum": 1e308, "bucket": [5e-324], "bucket_limit": [1]},
    ]
    for histogram in old:
        yield Summary.Value(tag="old", histo=histogram)
    new: list[Any] = [
        *(np.full((3, 3), NAN), np.full((3, 3), INF), np.zeros((0, 3)), np.zeros((3, 0))),
        *([[1.0, 0, -1], [0, 1, 5], [5, 4, NAN]], [[0.0, 1, 1e308]] * 3, np.zeros(3)),
        *([[-1.7e308, 1.7e308, 1e308]], [[INF, -INF, 1]], [[1j] * 3], [[2**63 - 1] * 3]),
    ]
    for rows in new:
        yield array("histograms", rows, tag="new")


def _meshes() -> Iterator[Summary.Value]:
    configs = ["{", "[" * 100_000, '{"a":' * 5000, "null", "[]", "1" * 5000, '{"a":"\\ud800"}']
    for at, config in enumerate(configs):
        content = MeshPluginData(name=f"\x1b{at}", content_type=1, json_config=config)  # type: ignore[arg-type]
        yield array("mesh", np.zeros((1, 2, 3)), content.SerializeToString(), f"{at}_VERTEX")
    arrays: list[Any] = [
        *(np.full((1, 2, 3), NAN), np.full((1, 2, 3), 1e308), np.full((1, 2, 3), 2**62)),
        *(np.zeros((1, 3)), np.zeros((0, 2, 3)), np.zeros((1, 0, 3)), np.full((1, 2, 3), -5)),
    ]
    for at, values in enumerate(arrays):
        for part in (1, 2, 3, 99):
            content = MeshPluginData(name=f"n{at}", content_type=part)  # type: ignore[arg-type]
            yield array("mesh", values, content.SerializeToString(), f"n{at}_{part}")
    yield array("mesh", np.zeros((1, 2, 3)), b"\xff\xff", "bytes that are no message")


def _curves() -> Iterator[Summary.Value]:
    for rows in (NAN, INF, -INF, 1e308):
        yield array("pr_curves", np.full((6, 3), rows), b"\xff")
    for shape in ((6, 0), (6, 1), (5, 3), (6,), (6, 3, 1)):
        yield array("pr_curves", np.zeros(shape))


def model_of_many_edges(number: int) -> str:
    """A Keras model, each of whose so many layers is called with so many others."""
    nameless = {"config": {"name": ""}}
    outputs = {"name": "", "layers": [nameless], "output_layers": [["", 0, 0]] * number}
    return json.dumps({"config": {"layers": [{"config": outputs}, *[nameless] * number]}})


def _keras() -> Iterator[Summary.Value]:
    deep = '{"config":{"layers":[' * 300 + '{"config":{}}' + "]}}" * 300
    calls = '{"config":{"layers":[{"config":{"name":"a"},"inbound_nodes":%s}]}}'
    models = [
        *("{", "[" * 100_000, "[]", "{}", '{"config":{}}', deep, model_of_many_edges(100)),
        *(calls % ("[" * 900 + "]" * 900), calls % '[[["a",0,-99999999999999999999]]]'),
        '{"config":{"layers":[{"config":{"name":"\\ud800","dtype":"\\ud800"}}]}}',
    ]
    for at, model in enumerate(models):
        yield text("graph_keras_model", model.encode(), content=b"1", tag=f"{at}")


def _sounds() -> Iterator[Summary.Value]:
    for file in SOUNDS.values():
        for rate, count in ((NAN, -1), (1e38, 2**63 - 1), (INF, 0), (0, 0)):
            sound = Summary.Audio(
                sample_rate=rate,
                num_channels=count,
                length_frames=count,
                encoded_audio_string=file,
                content_type="\x1b[31m<script>",
            )
            yield Summary.Value(tag="old", audio=sound)
        for shape in ([1, 2], [2], [1, 1, 2], [2, 0], [2**62, 0], [9000], []):
            proto = strings(file, b"\xff\x1b", shape=shape)
            yield Summary.Value(tag="new", metadata=of_plugin("audio"), tensor=proto)


def _pictures() -> Iterator[Summary.Value]:
    for file in PICTURES.values():
        image = Summary.Image(height=2**31 - 1, width=-1, encoded_image_string=file)
        yield Summary.Value(tag="old", image=image)
        yield text("images", b"1", b"1", file, tag="new")
    for sides in ([b"\xff", b"1"], [b"9" * 5000, b"1"], ["²".encode(), b"1"], [b"1"], []):
        yield text("images", *sides, tag="sides")


def _layouts() -> Iterator[Summary.Value]:
    tag = "custom_scalars__config__"
    chart = field(1, b"\x1b[2J") + field(2, field(1, b"(") + field(1, b"a{9999999999}"))
    for content in (b"\xff", field(2, field(1, b"<script>") + field(2, chart)), nested(500, 2, 2)):
        yield text("custom_scalars", content, tag=tag)


def _kinds() -> Iterator[Summary.Value]:
    for plugin in PLUGINS:
        metadata = of_plugin(plugin)
        yield Summary.Value(tag=f"{plugin} nothing", metadata=metadata)
        yield Summary.Value(tag=f"{plugin} 1", metadata=metadata, simple_value=1)
        yield Summary.Value(tag=f"{plugin} 2", metadata=metadata, histo={})
        yield Summary.Value(tag=f"{plugin} 3", metadata=metadata, image={})
        yield Summary.Value(tag=f"{plugin} 4", metadata=metadata, audio={})
    for field_ in ("histo", "image", "audio", "tensor"):
        yield Summary.Value(tag="all of them", **{field_: {}})  # type: ignore[arg-type]


_PASSED = [(NAN, 2**63 - 1, NAN), (INF, -(2**63), INF), (-INF, 0, -INF), (1e308, 1, 1), (0, 0, 0)]

#: What a log may hold -> its records.
LOGS: dict[str, list[Event | bytes]] = {
    "tensors": [*events_of(*_tensors())],
    "histograms": [*events_of(*_histograms())],
    "meshes": [*events_of(*_meshes())],
    "PR curves": [*events_of(*_curves())],
    "Keras models": [*events_of(*_keras())],
    "sounds": [*events_of(*_sounds())],
    "pictures": [*events_of(*_pictures())],
    "layouts": [*events_of(*_layouts())],
    "kinds that clash": [*events_of(*_kinds())],
    "names": [*events_of(*[Summary.Value(tag=tag, simple_value=1) for tag in NAMES] * 2)],
    "no UTF-8": [b"\x2a\x0b" + field(1, field(1, b"\xff\xfe") + b"\x15\0\0\x80?")],
    "groups": [b"\x0b" * 3000, b"\x0b" * 50 + b"\x0c" * 50],
    "times and steps": [
        Event(wall_time=time, step=step, summary={"value": [{"tag": "x", "simple_value": value}]})
        for time, step, value in _PASSED
    ],
    "graphs": [
        *(Event(graph_def=one) for one in (b"\xff", nested(200, 1), nested(3000, 1))),
        Event(meta_graph_def=b"\xff\xff"),
        Event(tagged_run_metadata={"tag": "\x1b", "run_metadata": nested(500, 3, 1)}),
    ],
    "a meta graph alone": [Event(meta_graph_def=nested(500, 2))],
    "sessions": [
        *(Event(file_version=f"brain.Event:{what}") for what in ("\x1b", "1e999", "nan")),
        Event(source_metadata={"writer": "\x1b" * 200}, file_version="x"),
        *(Event(step=at, session_log={"status": at, "msg": "\x1b"}) for at in (0, 1, 2, 3, 99, -1)),
        Event(log_message={"level": 99, "message": "\x1b[2J"}),
    ],
    **{
        f"hparams nested {depth} deep": [*events_of(_start(_hparam(b"x", nested(depth, 1, 6))))]
        for depth in (20, 45, 60, 3000)
    },
    "hparams of any name": [
        *events_of(
            _start(*(_hparam(name.encode(), b"\x11" + struct.pack("<d", NAN)) for name in NAMES)),
            Summary.Value(tag="run", simple_value=1),
        )
    ],
    "hparams that are none": [
        *events_of(
            _start(content=b"\xff\xff"),
            Summary.Value(tag="_hparams_/experiment", metadata=of_plugin("hparams", b"\x08\5")),
            Summary.Value(
                tag="_hparams_/session_end_info", metadata=of_plugin("hparams", b"\x22\0")
            ),
        )
    ],
}
