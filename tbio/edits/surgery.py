"""Surgery: one thing in the bytes of an event is changed, and every other byte stays.

Fields that nobody knows, their order, and how numbers are encoded are as they were; only the
lengths of the messages around a change are written anew. The numbers are those of event.proto and
summary.proto (tensorboard/compat/proto/).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tbio import wire

_WALL_TIME, _STEP, _SUMMARY = 1, 2, 5
_VALUE = 1
_TAG, _NODE_NAME, _METADATA = 1, 7, 9


def values_of(payload: bytes) -> list[bytes]:
    """The bytes of each value of an event's summary, in order.

    Raises:
        ValueError: no message.
    """
    return [
        payload[value.at : value.stop]
        for part in wire.fields(payload)
        if part.number == _SUMMARY
        for value in wire.fields(payload, part.at, part.stop)
        if value.number == _VALUE
    ]


def with_values(payload: bytes, values: Sequence[bytes | None]) -> bytes:
    """An event with other values in its summary.

    Args:
        values: one for each that there is; None takes it out.
    """
    left = iter(values)
    out = bytearray()
    for part in wire.fields(payload):
        if part.number != _SUMMARY:
            out += payload[part.start : part.stop]
            continue
        summary = bytearray()
        for value in wire.fields(payload, part.at, part.stop):
            if value.number != _VALUE:
                summary += payload[value.start : value.stop]
            elif (new := next(left)) is not None:
                old = payload[value.at : value.stop]
                as_it_was = payload[value.start : value.stop]
                summary += as_it_was if new == old else wire.field(_VALUE, new)
        out += wire.field(_SUMMARY, bytes(summary))
    return bytes(out)


def with_times(payload: bytes, step: int | None, wall_time: float | None) -> bytes:
    """An event with another step, an int64, and another wall time; None leaves it as it is.

    >>> with_times(b"", 7, None), with_times(b"", None, 0.5)
    (b'\\x10\\x07', b'\\t\\x00\\x00\\x00\\x00\\x00\\x00\\xe0?')
    """
    news: dict[int, bytes] = {}
    if wall_time is not None:
        key = wire.varint(_WALL_TIME << 3 | wire.FIXED64)
        news[_WALL_TIME] = key + struct.pack("<d", wall_time)
    if step is not None:  # a step of 0 is said by no field
        key = wire.varint(_STEP << 3 | wire.VARINT)
        news[_STEP] = key + wire.varint(step) if step else b""
    rest = {number: data for number, data in news.items()}
    out = bytearray()
    for part in wire.fields(payload):
        if part.number not in (_WALL_TIME, _STEP):  # those come first, in that order
            for number in sorted(rest):
                out += rest.pop(number)
        if part.number == _STEP:
            out += rest.pop(_WALL_TIME, b"")
        if part.number not in news:
            out += payload[part.start : part.stop]
        else:
            out += rest.pop(part.number, b"")  # a second one is void
    for number in sorted(rest):
        out += rest.pop(number)
    return bytes(out)


def renamed(value: bytes, tag: str) -> bytes:
    """A value with another tag, which stands where the old one does.

    >>> renamed(b"\\n\\x01a\\x15\\0\\0\\0\\0", "loss")
    b'\\n\\x04loss\\x15\\x00\\x00\\x00\\x00'
    """
    numbers = [one.number for one in wire.fields(value)]
    number = _NODE_NAME if _NODE_NAME in numbers and _TAG not in numbers else _TAG
    return _with_field(value, number, tag.encode())


def described(value: bytes, metadata: bytes) -> bytes:
    """A value with other metadata, a serialized SummaryMetadata."""
    return _with_field(value, _METADATA, metadata)


def _with_field(message: bytes, number: int, content: bytes) -> bytes:
    new = wire.field(number, content)
    out = bytearray()
    for one in wire.fields(message):
        if one.number == number:
            out += new
            new = b""
        else:
            out += message[one.start : one.stop]
    return bytes(out + new)
