"""Changes to bytes that leave most of their structure: what a fuzzer does to what it has.

A flipped bit in a log fails a checksum, and one in a message most often its parse. So messages are
taken apart as protobuf's wire format has them, changed in a place, and put together again with
right lengths; logs likewise, record by record, with right checksums; pictures chunk by chunk. Now
and then bytes are changed as they stand all the same.
"""

from __future__ import annotations

import math
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from generated_logs import DAMAGES, Damaging, key, varint
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tbio.proto.event_pb2 import Event
from tbio.proto.graph_pb2 import GraphDef
from tbio.proto.hparams_pb2 import HParamsPluginData
from tbio.proto.layout_pb2 import Layout
from tbio.proto.meta_graph_pb2 import MetaGraphDef
from tbio.proto.plugin_data_pb2 import MeshPluginData, PrCurvePluginData
from tbio.proto.run_metadata_pb2 import RunMetadata
from tbio.record import Record, RecordDecoder, encode_record

#: Changes bytes in its own way; a coverage-guided fuzzer has one that is better than ours.
Change = Callable[[bytes], bytes]

_WHOLE = (
    *(0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 65535, 65536),
    *(2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 2),
)
_REAL = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 1e-300, 5e-324, 1e300, 1.7e308, 3.4e38, 1e20),
    *(math.nan, math.inf, -math.inf),
)
_TEXTS = (
    *(
        "",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "a\0b",
        "a\nb",
        "\x1b[2J\x1b]0;x\x07",
        "a\u202eb",
    ),
    *("<script>alert(1)</script>", "=cmd()", "+1", "@x", "-x", "\t", "\r", '"', ",", "a/b", "."),
    *("loss", "cloud_VERTEX", "cloud_COLOR", "[", "(a+)+$", "(?", "[[a]", "a{9999999}", "ä" * 300),
    *("scalars", "histograms", "images", "audio", "text", "pr_curves", "mesh", "hparams"),
    *("custom_scalars", "graphs", "graph_run_metadata", "graph_run_metadata_graph"),
    *("graph_keras_model", "graph_tagged_run_metadata", "__run_graph__", "greeter"),
    *("_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"),
    *("custom_scalars__config__", "brain.Event:2", "0", "1", "-1", "99999999999999999999"),
    *("{}", "[]", "null", "[" * 5000, "1e999", "NaN", "\ufeff", "\ud7ff", "x" * 5000),
)
_BYTES = (b"\xff\xfe", b"\xed\xa0\x80", b"\0" * 64, b"\x89PNG\r\n\x1a\n", b"RIFF", b"GIF89a")

#: Fields of bytes that hold a message by agreement: (message, field) -> which it may be.
_INSIDE: dict[tuple[str, str], tuple[type[Message], ...]] = {
    ("Event", "graph_def"): (GraphDef,),
    ("Event", "meta_graph_def"): (MetaGraphDef,),
    ("TaggedRunMetadata", "run_metadata"): (RunMetadata,),
    ("PluginData", "content"): (
        HParamsPluginData,
        MeshPluginData,
        PrCurvePluginData,
    ),
    ("TensorProto", "string_val"): (
        Layout,
        GraphDef,
        RunMetadata,
    ),
}
_MOST_BYTES = 1 << 17  # what grows beyond is cut
_DEEPEST = 40


class Mutator:
    """Makes changes, all drawn from one source of chance.

    Args:
        change: what else changes bytes where they have no structure; None has only `bytes_`.
    """

    def __init__(self, chance: random.Random, change: Change | None = None) -> None:
        self._chance = chance
        self._change = change

    # ------------------------------------------------------------------ bytes and text

    def bytes_(self, data: bytes) -> bytes:
        """Bytes of no structure, changed in a few places."""
        if self._change is not None and self._chance.random() < 0.7:
            return self._change(data)
        changed = bytearray(data)
        for _ in range(self._few()):
            at = self._chance.randrange(len(changed) + 1)
            length = self._chance.choice((1, 1, 1, 2, 4, 8, 64, 1000))
            match self._chance.randrange(6):
                case 0:
                    del changed[at : at + length]
                case 1:
                    changed[at:at] = changed[at : at + length]
                case 2:
                    changed[at : at + 1] = bytes([self._chance.randrange(256)])
                case 3 if at < len(changed):
                    changed[at] ^= 1 << self._chance.randrange(8)
                case 4:
                    changed[at : at + 4] = struct.pack("<I", self._pick(_WHOLE) & 0xFFFFFFFF)
                case _:
                    changed[at:at] = self._string()
        return bytes(changed)[:_MOST_BYTES]

    def text(self, data: bytes, words: Sequence[str]) -> bytes:
        """Text, with words of its own language put in or dropped."""
        if self._chance.random() < 0.3:
            return self.bytes_(data)
        text = data.decode("utf-8", "surrogateescape")
        for _ in range(self._few()):
            places = [at for at, mark in enumerate(text) if not mark.isalnum()] or [0]
            at = self._chance.choice(places)
            word = self._pick(words) if self._chance.random() < 0.8 else self._pick(_TEXTS)
            until = at if self._chance.random() < 0.5 else self._chance.choice(places)
            text = text[:at] + word + text[max(at, until) :]
        return text.encode("utf-8", "surrogateescape")[:_MOST_BYTES]

    # ------------------------------------------------------------------ messages

    def message(self, data: bytes, form: type[Message]) -> bytes:
        """A message of this form, with some of its fields changed."""
        if self._chance.random() < 0.03:
            return self.bytes_(data)
        message = _parsed(data, form.DESCRIPTOR)
        if message is None:
            return self.bytes_(data)
        for _ in range(self._few()):
            self._change_field(message)
        return message.encoded()[:_MOST_BYTES]

    def _change_field(self, message: _Message) -> None:
        if not message.fields or self._chance.random() < 0.1:
            self._insert(message)
            return
        at = self._chance.randrange(len(message.fields))
        field = message.fields[at]
        inner = self._inner(message, field)
        if inner is not None and self._chance.random() < 0.8:
            self._change_field(inner)
            field.content = inner.encoded()
            return
        match self._chance.randrange(8):
            case 0:
                del message.fields[at]
            case 1:
                copies = self._chance.choice((1, 1, 2, 40))
                message.fields[at:at] = [_Field(field.number, field.wire, field.content)] * copies
            case 2:
                other = self._chance.randrange(len(message.fields))
                fields = message.fields
                fields[at], fields[other] = fields[other], fields[at]
            case 3 if message.descriptor is not None and message.descriptor.fields:
                field.number = self._pick(message.descriptor.fields).number
            case 4:
                self._insert(message)
            case _:
                field.content = self._content(field)

    def _inner(self, message: _Message, field: _Field) -> _Message | None:
        """What a field holds as a message, where it holds one."""
        if field.wire != 2 or message.descriptor is None or message.depth > _DEEPEST:
            return None
        known: Any = message.descriptor.fields_by_number.get(field.number)
        if known is None:
            return None
        descriptor = known.message_type
        inside = _INSIDE.get((message.descriptor.name, known.name))
        if inside is not None:
            descriptor = self._pick(inside).DESCRIPTOR
        if descriptor is None:
            return None
        return _parsed(bytes(field.content), descriptor, message.depth + 1)

    def _content(self, field: _Field) -> Any:
        if field.wire == 0:
            return self._pick(_WHOLE) if self._chance.random() < 0.7 else field.content ^ 1
        if field.wire == 1:
            return struct.pack("<d", self._pick(_REAL))
        if field.wire == 5:
            return struct.pack("<f", self._single())
        match self._chance.randrange(5):
            case 0:
                return self._string()
            case 1:  # packed numbers
                count = self._chance.choice((1, 2, 3, 6, 12))
                numbers = [self._pick(_REAL) for _ in range(count)]
                return struct.pack(f"<{count}d", *numbers)
            case 2:
                return field.content[: self._chance.randrange(len(field.content) + 1)]
            case _:
                return self.bytes_(bytes(field.content))

    def _insert(self, message: _Message) -> None:
        """A new field: one that the type has, most often."""
        at = self._chance.randrange(len(message.fields) + 1)
        number, wire = self._chance.randrange(1, 20), self._pick((0, 1, 2, 5))
        content: Any = b""
        if message.descriptor is not None and message.descriptor.fields:
            known: Any = self._pick(message.descriptor.fields)
            number, wire = known.number, _WIRES.get(known.type, 0)
        if wire != 2:
            content = self._content(_Field(number, wire, 0))
        elif self._chance.random() < 0.7:
            content = self._string()
        message.fields.insert(at, _Field(number, wire, content))

    # ------------------------------------------------------------------ logs

    def log(self, data: bytes, others: Sequence[bytes] = ()) -> bytes:
        """The bytes of an event file: records changed, dropped, moved, damaged.

        Args:
            others: payloads to put in.
        """
        decoder = RecordDecoder()
        parts: list[bytes | Record] = []
        for item in (*decoder.feed(data), *decoder.finish()):
            if isinstance(item, Record):
                parts.append(item)
            else:
                parts.append(data[item.offset : item.offset + item.length])
        payloads = [part.payload if isinstance(part, Record) else part for part in parts]
        framed = [isinstance(part, Record) for part in parts]
        for _ in range(self._few()):
            at = self._chance.randrange(len(payloads) + 1)
            what = self._chance.random()
            if at == len(payloads) or what < 0.1:
                payloads.insert(at, self._pick(others) if others else self._string())
                framed.insert(at, True)
            elif what < 0.2:
                del payloads[at], framed[at]
            elif what < 0.3:
                other = self._chance.randrange(len(payloads))
                payloads[at], payloads[other] = payloads[other], payloads[at]
            elif framed[at]:
                payloads[at] = self.message(payloads[at], Event)
            else:
                payloads[at] = self.bytes_(payloads[at])
        frames = [
            encode_record(payload) if whole else payload
            for payload, whole in zip(payloads, framed, strict=True)
        ]
        if self._chance.random() < 0.4:
            return self.damaged(b"".join(frames), frames)
        return b"".join(frames)[:_MOST_BYTES]

    def damaged(self, data: bytes, frames: Sequence[bytes]) -> bytes:
        """Something done to a file that it does not survive whole."""
        starts, at = [0], 0
        for frame in frames:
            at += len(frame)
            starts.append(at)
        for _ in range(self._chance.choice((1, 1, 2))):
            damaging = Damaging(
                self._pick(tuple(DAMAGES)),
                self._chance.randrange(len(starts)),
                self._chance.choice((0, 0, 1, 8, 11, 12, 13, -1, -4, self._chance.randrange(400))),
                self._chance.choice((0, 1, 4, 12, 16, 100, 5000)),
                self._chance.randrange(1 << 16),
            )
            data = damaging.apply(data, starts)
        return data[:_MOST_BYTES]

    # ------------------------------------------------------------------ pictures

    def picture(self, data: bytes) -> bytes:
        """An image file; the chunks of a PNG get right checksums."""
        if not data.startswith(b"\x89PNG") or self._chance.random() < 0.2:
            return self.bytes_(data)
        chunks = _chunks(data)
        for _ in range(self._few()):
            at = self._chance.randrange(len(chunks) + 1)
            if at == len(chunks):
                kind = self._pick((b"tRNS", b"PLTE", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"zTXt"))
                chunks.insert(min(at, 1), (kind, self._string()[:200]))
                continue
            kind, body = chunks[at]
            match self._chance.randrange(5):
                case 0:
                    del chunks[at]
                case 1:
                    chunks.insert(at, chunks[at])
                case 2 if kind == b"IHDR" and len(body) == 13:
                    sides = self._pick(_WHOLE) & 0xFFFFFFFF, self._pick(_WHOLE) & 0xFFFFFFFF
                    chunks[at] = kind, struct.pack(">II", *sides) + body[8:]
                case _:
                    chunks[at] = kind, self.bytes_(body)
        parts = [data[:8]]
        for kind, body in chunks:
            crc = zlib.crc32(body, zlib.crc32(kind))
            parts.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc))
        return b"".join(parts)[:_MOST_BYTES]

    # ------------------------------------------------------------------ chance

    def _few(self) -> int:
        return self._chance.choice((1, 1, 1, 2, 3, 6))

    def _pick(self, several: Sequence[Any]) -> Any:
        return self._chance.choice(several)

    def _string(self) -> bytes:
        if self._chance.random() < 0.2:
            return self._chance.choice(_BYTES)
        return self._chance.choice(_TEXTS).encode()

    def _single(self) -> float:
        number: float = self._pick(_REAL)
        return number if not math.isfinite(number) or abs(number) < 3.4e38 else math.inf


_WIRES = {
    FieldDescriptor.TYPE_DOUBLE: 1,
    FieldDescriptor.TYPE_FIXED64: 1,
    FieldDescriptor.TYPE_SFIXED64: 1,
    FieldDescriptor.TYPE_FLOAT: 5,
    FieldDescriptor.TYPE_FIXED32: 5,
    FieldDescriptor.TYPE_SFIXED32: 5,
    FieldDescriptor.TYPE_STRING: 2,
    FieldDescriptor.TYPE_BYTES: 2,
    FieldDescriptor.TYPE_MESSAGE: 2,
}


class _Field:
    """One field as the wire has it: an integer of wire type 0, else the bytes."""

    __slots__ = ("content", "number", "wire")

    def __init__(self, number: int, wire: int, content: Any) -> None:
        self.number = number
        self.wire = wire
        self.content = content


class _Message:
    """The fields of a message in their order, and its type where that is known."""

    def __init__(self, fields: list[_Field], descriptor: Any, depth: int) -> None:
        self.fields = fields
        self.descriptor = descriptor
        self.depth = depth

    def encoded(self) -> bytes:
        parts = []
        for field in self.fields:
            parts.append(key(field.number, field.wire))
            if field.wire == 0:
                parts.append(varint(field.content))
            elif field.wire == 2:
                parts += [varint(len(field.content)), field.content]
            else:
                parts.append(field.content)
        return b"".join(parts)


def _parsed(data: bytes, descriptor: Any, depth: int = 0) -> _Message | None:
    """The fields of a message; None for bytes that are none, and for groups."""
    fields = []
    at = 0
    try:
        while at < len(data):
            tag, at = _varint(data, at)
            number, wire = tag >> 3, tag & 7
            content: int | bytes
            if wire == 0:
                content, at = _varint(data, at)
            else:
                size = {1: 8, 5: 4}.get(wire, 0)
                if wire == 2:
                    size, at = _varint(data, at)
                if (not size and wire != 2) or at + size > len(data) or not number:
                    return None
                content = data[at : at + size]
                at += size
            fields.append(_Field(number, wire, content))
    except IndexError:
        return None
    return _Message(fields, descriptor, depth)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    chunks = []
    at = 8
    while at + 12 <= len(png):
        (size,) = struct.unpack_from(">I", png, at)
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + size]))
        at += 12 + size
    return chunks
