"""Protobuf's wire format: where the fields of a message stand in its bytes.

For who changes one field and leaves all other bytes as they are, and for messages of which a few
fields are known and no schema is at hand (protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """One field as it stands in the bytes of a message.

    Attributes:
        number: which field.
        wire: its wire type.
        start: where its key begins.
        at, stop: where its content begins and ends, without the length that stands before it.
        value: of a varint, unsigned; 0 of any other wire type.
    """

    number: int
    wire: int
    start: int
    at: int
    stop: int
    value: int


def varint(number: int) -> bytes:
    """An integer of up to 64 bits as a varint; a negative one as int64 has it.

    >>> varint(300).hex(), len(varint(-1))
    ('ac02', 10)
    """
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, content: bytes) -> bytes:
    """A field of bytes, a text or a message: key, length, content.

    >>> field(1, b"loss")
    b'\\n\\x04loss'
    """
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def fields(data: bytes, start: int = 0, stop: int | None = None) -> Iterator[Field]:
    """The fields of a message that stands in a stretch of ``data``, in order.

    Raises:
        ValueError: that is no message, or one with groups, which nobody uses any more.

    >>> [(one.number, data[one.at : one.stop]) for data in [field(1, b"a")] for one in fields(data)]
    [(1, b'a')]
    """
    end = len(data) if stop is None else stop
    at = start
    while at < end:
        begin = at
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        value = 0
        if wire == VARINT:
            content = at
            value, at = _varint(data, at, end)
        elif wire == BYTES:
            size, content = _varint(data, at, end)
            at = content + size
        elif wire in _FIXED:
            content, at = at, at + _FIXED[wire]
        else:
            raise ValueError(f"byte {begin}: wire type {wire}")
        if at > end or not number:
            raise ValueError(f"byte {begin}: a field that goes beyond the message")
        yield Field(number, wire, begin, content, at, value)


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        shift += 7
    raise ValueError(f"byte {at}: no whole varint")
