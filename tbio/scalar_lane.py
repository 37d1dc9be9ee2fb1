"""The scalar lane: plain scalars to framed records, without a protobuf message for each.

An event of one scalar differs from the one before in its wall time, its step and its value; all
else is the tag's and can be made once. In proto3, in the order of the field numbers::

    09 <wall time, 8 bytes>  10 <step, varint>  2a <length>  0a <length>  0a <length> <tag>
                                                                          15 <value, 4 bytes>
    |     of the event     |   of the step    |              of the tag              |

Protobuf leaves out what is zero: a wall time of +0.0 and a step of 0. The length before the record
and its checksum are the same for all payloads of one length. That leaves, for an event, two calls
of ``struct``, one joining and one checksum, which numpy masks for all of them: 0.6 us where
protobuf takes 8.

The bytes are those of protobuf; ``tests/test_scalar_lane.py`` holds them equal. What does not fit,
such as values beyond float32, metadata, or the tensor form, takes the plain way.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from crc32c import crc32c

from tbio.event_file import EventFileWriter
from tbio.masked_crc import MASK_DELTA, masked_crc
from tbio.tag_book import TagBook

#: The kind under which a `TagBook` knows what comes this way.
KIND = "scalar"
#: A value that is less than this and greater than its opposite fits float32; a NaN is neither.
LARGEST = 3.4028234e38

_DOUBLE = struct.Struct("<Bd")
_FLOAT = struct.Struct("<f")
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_FEW = 32  # payloads whose checksums are masked one by one


class ScalarEntry(NamedTuple):
    """One event to be, of one scalar or several.

    Attributes:
        tags: the tag, or as many tags as there are values.
        values: finite and within `LARGEST`: a float, or as many of them as tags.
        step: of 64 bits.
        wall_time: seconds since the epoch.
    """

    file: EventFileWriter
    tags: str | tuple[str, ...]
    values: float | tuple[float, ...]
    step: int
    wall_time: float


class ScalarLane:
    """Encodes scalars; what it learns of tags serves all files.

    >>> from tbio.proto.event_pb2 import Event
    >>> lane = ScalarLane()
    >>> records = lane.encode(TagBook(), [ScalarEntry(None, "loss", 0.5, 3, 1.0)])
    >>> event = Event.FromString(records[12:-4])
    >>> event.step, event.wall_time, event.summary.value[0].simple_value
    (3, 1.0, 0.5)
    """

    def __init__(self) -> None:
        self._beginnings: dict[str, bytes] = {}  # tag -> what stands between step and value
        self._values: dict[str, bytes] = {}  # the same within a summary of several
        self._headers: dict[int, bytes] = {}  # payload length -> record header

    def encode(self, book: TagBook, entries: Iterable[ScalarEntry]) -> bytes:
        """The framed records of some events for one file, whose tags ``book`` knows."""
        beginnings = self._beginnings
        last_steps = book.steps_of(KIND)
        double, single = _DOUBLE.pack, _FLOAT.pack
        payloads: list[bytes] = []
        add = payloads.append
        known_step, step_bytes = 0, b""
        for _, tag, value, step, wall_time in entries:
            if step != known_step:
                known_step, step_bytes = step, b"\x10" + varint(step) if step else b""
            begin = double(9, wall_time)
            if not wall_time and math.copysign(1, wall_time) > 0:
                begin = b""
            if type(tag) is str:
                before = last_steps.get(tag)
                if before is None or step < before:
                    book.meet(tag, KIND, step)
                else:
                    last_steps[tag] = step
                middle = beginnings.get(tag)
                if middle is None:
                    middle = self._begin(tag)
                add(begin + step_bytes + middle + single(value))
            else:
                for one in tag:
                    book.meet(one, KIND, step)
                add(begin + step_bytes + self._summary(tag, value))  # type: ignore[arg-type]
        return self._framed(payloads)

    def _framed(self, payloads: list[bytes]) -> bytes:
        headers = self._headers
        sizes = list(map(len, payloads))
        for size in set(sizes):
            if size not in headers:
                headers[size] = record_header(size)
        if len(payloads) < _FEW:
            footers = [_CRC.pack(masked_crc(payload)) for payload in payloads]
        else:
            crcs = np.fromiter(map(crc32c, payloads), np.uint32, len(payloads))
            masked = (crcs >> np.uint32(15) | crcs << np.uint32(17)) + np.uint32(MASK_DELTA)
            footers = masked.astype("<u4").view("V4").tolist()
        framed = zip(map(headers.__getitem__, sizes), payloads, footers, strict=True)
        return b"".join(itertools.chain.from_iterable(framed))

    def _begin(self, tag: str) -> bytes:
        value = self._value(tag)
        self._beginnings[tag] = begin = b"\x2a" + varint(len(value) + 4) + value
        return begin

    def _value(self, tag: str) -> bytes:
        """A summary's value up to the float that ends it."""
        begin = self._values.get(tag)
        if begin is None:
            name = tag.encode()
            named = b"\x0a" + varint(len(name)) + name if name else b""
            begin = b"\x0a" + varint(len(named) + 5) + named + b"\x15"
            self._values[tag] = begin
        return begin

    def _summary(self, tags: tuple[str, ...], values: tuple[float, ...]) -> bytes:
        single = _FLOAT.pack
        whole = b"".join(
            [self._value(tag) + single(value) for tag, value in zip(tags, values, strict=True)]
        )
        return b"\x2a" + varint(len(whole)) + whole


def record_header(size: int) -> bytes:
    """The 12 bytes before a payload of a size (`tbio.record`)."""
    length = _LENGTH.pack(size)
    return length + _CRC.pack(masked_crc(length))


def varint(number: int) -> bytes:
    """An integer of 64 bits as protobuf stores it: 7 bits a byte, negative ones in 10 bytes.

    >>> varint(300).hex()
    'ac02'
    """
    number &= (1 << 64) - 1
    if number < 128:
        return bytes((number,))
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
