"""The checksum of TFRecord framing: CRC-32C, rotated and shifted.

CRC-32C is that of RFC 3720 (appendix B.4). TensorFlow masks it before it stores it, since the CRC
of data that holds its own CRC says little (tensorflow/core/lib/hash/crc32c.h; the same in
tensorboard/summary/writer/record_writer.py).
"""

from __future__ import annotations

from crc32c import crc32c

__all__ = ["crc32c", "mask", "masked_crc", "unmask"]

MASK_DELTA = 0xA282EAD8


def mask(crc: int) -> int:
    """The masked form of a CRC, in [0, 2**32).

    >>> hex(mask(0))
    '0xa282ead8'
    """
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def unmask(masked: int) -> int:
    """The CRC whose masked form is given.

    >>> unmask(mask(0x12345678)) == 0x12345678
    True
    """
    rotated = (masked - MASK_DELTA) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


def masked_crc(data: bytes | bytearray | memoryview) -> int:
    """The masked CRC-32C of ``data``, in [0, 2**32).

    The CRC of 32 zero bytes is 0x8a9136aa (RFC 3720):

    >>> hex(unmask(masked_crc(bytes(32))))
    '0x8a9136aa'
    """
    return mask(crc32c(data))
