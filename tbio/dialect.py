"""Dialects: what some writers store in the place of the checksums.

* "constant": one number for every payload, which nobody computed. SageMaker's debugger stores the
  masked CRC of a text of its own (smdebug/core/tfrecord/record_writer.py without
  ``write_checksum``), others 0, and perhaps 0 for the lengths as well.
* "unmasked": the CRC as it is, of lengths and payloads. Nothing goes unverified then but that the
  writer meant it so.

TensorFlow and TensorBoard read not a single record of such files.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from tbio.headers import HEADER, HEADER_BYTES
from tbio.masked_crc import crc32c, mask, masked_crc

DialectKind: TypeAlias = Literal["constant", "unmasked"]

_FOOTER_BYTES = 4
#: What SageMaker's debugger stores for every payload.
_SAGEMAKER = masked_crc(b"0x12345678")
#: Bytes of the longest payload that is waited for where the checksum of its length is 0.
_MOST_UNCHECKED = 1 << 26


class Dialect(NamedTuple):
    """How one writer fills in the checksums.

    Attributes:
        kind: "constant" or "unmasked".
        constant: the number of a "constant" one.
        in_headers: whether it stands for the checksums of the lengths, too.
    """

    kind: DialectKind
    constant: int = 0
    in_headers: bool = False

    def takes_header(self, header: bytes | bytearray) -> bool:
        """Whether this writer would have made it, perhaps; those of the format are not asked for.

        An empty record that is all zeros is none: there are zeros for other reasons.
        """
        length, stored = HEADER.unpack(header)
        if self.kind == "unmasked":
            return bool(crc32c(header[:8]) == stored)
        return bool(self.in_headers and stored == self.constant and length)

    def takes_payload(self, crc: int, stored: int) -> bool:
        """Whether this writer would have stored that for a payload with this CRC, not masked."""
        return stored == (crc if self.kind == "unmasked" else self.constant)


def recognise(
    data: bytes | bytearray, at: int, end: int | None, most: int
) -> Dialect | Literal["more"] | None:
    """The dialect of a record that is not sound; None where it may as well be damaged.

    A checksum that is right but for its mask tells, and so does SageMaker's constant: they are
    there by chance once in 2**32 times. Any other constant has to stand twice, behind two payloads
    that follow each other, neither of them empty, and be wrong for both. That of a length tells
    nothing unless it is 0 and that of the payload as well.

    Args:
        at: where the record begins.
        end: how many bytes there will be, if that is known; else None.
        most: bytes of the longest payload.

    Returns:
        "more" where it takes more bytes to tell.
    """
    first = _Frame.at(data, at, end, most)
    if not isinstance(first, _Frame):
        return first
    if first.header != "zero" and first.stored == first.crc:
        return Dialect("unmasked")
    if first.header == "unmasked" or first.stored == mask(first.crc):
        return None
    if first.header == "masked" and first.stored == _SAGEMAKER:
        return Dialect("constant", first.stored)
    if first.header == "zero" and first.stored:
        return None
    second = _Frame.at(data, first.stop, end, most)
    if not isinstance(second, _Frame):
        return second
    if second[:2] != first[:2] or second.stored == mask(second.crc):
        return None
    return Dialect("constant", first.stored, in_headers=first.header == "zero")


class _Frame(NamedTuple):
    """A record as it stands, with a payload that is not empty.

    Attributes:
        header: what the checksum of its length is.
        stored: the checksum of its payload.
        crc: what that would be, without the mask.
        stop: where it ends.
    """

    header: Literal["masked", "unmasked", "zero"]
    stored: int
    crc: int
    stop: int

    @staticmethod
    def at(
        data: bytes | bytearray, at: int, end: int | None, most: int
    ) -> _Frame | Literal["more"] | None:
        """The one that begins here; None where there is none."""
        start = at + HEADER_BYTES
        if len(data) < start:
            return None if end is not None and end < start else "more"
        length, length_crc = HEADER.unpack_from(data, at)
        if not 0 < length <= most:
            return None
        header: Literal["masked", "unmasked", "zero"]
        crc = crc32c(bytes(data[at : at + 8]))
        if length_crc == mask(crc):
            header = "masked"
        elif length_crc == crc:
            header = "unmasked"
        elif length_crc == 0 and length <= _MOST_UNCHECKED:
            header = "zero"
        else:
            return None
        stop = start + length + _FOOTER_BYTES
        if len(data) < stop:
            return None if end is not None and end < stop else "more"
        with memoryview(data) as view:
            payload_crc = crc32c(view[start : start + length])
        stored = int.from_bytes(data[stop - _FOOTER_BYTES : stop], "little")
        return _Frame(header, stored, payload_crc, stop)
