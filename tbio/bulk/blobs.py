"""Blobs: values that are passed over by their header.

What is kept of an image is its tag, its metadata, and where its record stands. So its message is
not parsed; but that it *could* be has to be known, since protobuf refuses an event as a whole. Here
only that is taken for a blob which has the fields that every writer gives it, in their order, with
lengths that come out even, so that there is nothing that protobuf could refuse. Everything else is
left to protobuf.

Follows tensorflow/core/framework/summary.proto and tensor.proto.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tbio.proto import PARSE_ERRORS, tensor_pb2
from tbio.proto.summary_pb2 import SummaryMetadata

_REMEMBERED = 1 << 14  # tags, and metadata
_METADATA = 0x4A

# Varints of at most 32 and 63 bits; no writer has longer ones here.
_INT32, _INT64 = rb"[\x80-\xff]{0,4}[\x00-\x7f]", rb"[\x80-\xff]{0,8}[\x00-\x7f]"
_IMAGE = re.compile(
    rb"(?:\x08%b)?(?:\x10%b)?(?:\x18%b)?(?=\x22)" % (_INT32, _INT32, _INT32), re.DOTALL
)
_AUDIO = re.compile(rb"(?:\x0d.{4})?(?:\x10%b)?(?:\x18%b)?(?=\x22)" % (_INT64, _INT64), re.DOTALL)
_HISTOGRAM = re.compile(
    rb"(?:\x09.{8})?(?:\x11.{8})?(?:\x19.{8})?(?:\x21.{8})?(?:\x29.{8})?", re.DOTALL
)
# A dimension: its length, and a size of so many bytes.
_DIMENSION = rb"\x12(?:\x00|%b)" % b"|".join(
    rb"%c\x08[\x80-\xff]{%d}[\x00-\x7f]" % (2 + more, more) for more in range(5)
)
# The dtype, and a shape of less than 128 bytes.
_TENSOR = re.compile(rb"\x08([\x01-\x17])\x12[\x00-\x7f]((?:%b)*)" % _DIMENSION, re.DOTALL)
#: The fields of TensorProto that hold numbers as they are in memory -> bytes of one of them.
_NUMBERS = {0x22: 1, 0x2A: 4, 0x32: 8}
_STRING = 0x42


class Blob(NamedTuple):
    """A value by its header.

    Attributes:
        field: the field of Summary.Value that holds it.
        metadata: what it brings; None without.
    """

    tag: str
    field: str
    metadata: SummaryMetadata | None


class Blobs:
    """Reads headers; what it has read of tags and metadata serves for the next."""

    def __init__(self) -> None:
        self._tags: dict[bytes, str] = {}
        self._metadata: dict[bytes, SummaryMetadata] = {}

    def read(self, data: memoryview, tag_begin: int, tag_end: int, end: int) -> Blob | None:
        """The blob whose message has a tag at a place, and ends at another; None if it is odd."""
        field = _FIELDS.get(data[tag_end])
        if field is None:
            return None
        begin, stop = _length(data, tag_end + 1)
        if stop > end or not _IS_SOUND[field](data, begin, stop):
            return None
        try:
            tag = self._tag(bytes(data[tag_begin:tag_end]))
            metadata = None
            if stop != end:
                if data[stop] != _METADATA:
                    return None
                begin, stop = _length(data, stop + 1)
                if stop != end:
                    return None
                metadata = self._parsed(bytes(data[begin:stop]))
        except (UnicodeDecodeError, *PARSE_ERRORS):
            return None
        return Blob(tag, field, metadata) if tag else None

    def _tag(self, name: bytes) -> str:
        tag = self._tags.get(name)
        if tag is None:
            if len(self._tags) >= _REMEMBERED:
                self._tags.clear()
            tag = self._tags[name] = name.decode()
        return tag

    def _parsed(self, message: bytes) -> SummaryMetadata:
        metadata = self._metadata.get(message)
        if metadata is None:
            if len(self._metadata) >= _REMEMBERED:
                self._metadata.clear()
            metadata = self._metadata[message] = SummaryMetadata.FromString(message)
        return metadata


def _length(data: memoryview, at: int) -> tuple[int, int]:
    """Begin and end of what a length stands before; the end is far away if the length is odd."""
    length = data[at]
    at += 1
    if length >= 0x80:
        length &= 0x7F
        for shift in (7, 14, 21, 28):
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            return at, _FAR
    return at, at + length


_FAR = 1 << 62


def _is_image(data: memoryview, at: int, end: int) -> bool:
    head = _IMAGE.match(data, at, end)
    return head is not None and _length(data, head.end() + 1)[1] == end


def _is_audio(data: memoryview, at: int, end: int) -> bool:
    head = _AUDIO.match(data, at, end)
    if head is None:
        return False
    _, at = _length(data, head.end() + 1)
    if at < end and data[at] == 0x2A:
        begin, at = _length(data, at + 1)
        return at == end and bytes(data[begin:at]).isascii()
    return at == end


def _is_histogram(data: memoryview, at: int, end: int) -> bool:
    head = _HISTOGRAM.match(data, at, end)
    if head is None:
        return False
    at = head.end()
    for key in (0x32, 0x3A):  # limits and counts, of 8 bytes each
        if at < end and data[at] == key:
            begin, at = _length(data, at + 1)
            if (at - begin) % 8:
                return False
    return at == end


def _is_tensor(data: memoryview, at: int, end: int) -> bool:
    """Whether it is a tensor of strings, or of numbers with a rank above 0."""
    head = _TENSOR.match(data, at, end)
    if head is None or head.end() - head.start(2) != data[at + 3]:
        return False
    is_text = data[at + 1] == tensor_pb2.DT_STRING
    if not is_text and head.start(2) == head.end(2):
        return False  # a number: it may be a scalar
    at = head.end()
    if at == end:
        return True
    key = data[at]
    if key == _STRING and is_text:
        while at < end and data[at] == _STRING:
            _, at = _length(data, at + 1)
        return at == end
    size = _NUMBERS.get(key)
    if size is None:
        return False
    begin, at = _length(data, at + 1)
    return at == end and (at - begin) % size == 0


_FIELDS = {0x22: "image", 0x2A: "histo", 0x32: "audio", 0x42: "tensor"}
_IS_SOUND = {
    "image": _is_image,
    "histo": _is_histogram,
    "audio": _is_audio,
    "tensor": _is_tensor,
}
