"""The checksum: published vectors, the mask by hand, and TensorBoard's own code."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from tbio.masked_crc import crc32c, mask, masked_crc, unmask

# RFC 3720, appendix B.4. The RFC prints each CRC as it goes over the wire, lowest byte first.
RFC_3720 = {
    "zeros": (bytes(32), 0x8A9136AA),
    "ones": (b"\xff" * 32, 0x62A8AB43),
    "ascending": (bytes(range(32)), 0x46DD794E),
    "descending": (bytes(range(31, -1, -1)), 0x113FDB5C),
    "iscsi-read": (
        bytes.fromhex(
            "01c00000 00000000 00000000 00000000 14000000 00000400"
            "00000014 00000018 28000000 00000000 02000000 00000000"
        ),
        0xD9963A56,
    ),
    "nothing": (b"", 0),
}

# crc -> rotated right by 15 bits, plus 0xa282ead8, modulo 2**32
MASKED = {
    0x00000000: 0xA282EAD8,
    0x00000001: 0xA284EAD8,  # bit 0 goes to bit 17: + 0x20000
    0x00008000: 0xA282EAD9,  # bit 15 goes to bit 0: + 1
    0x80000000: 0xA283EAD8,  # bit 31 goes to bit 16: + 0x10000
    0xFFFFFFFF: 0xA282EAD7,  # stays; + 0xffffffff is - 1
    0x12345678: 0x4F730F40,  # 0x2468 | 0x5678 << 17 = 0xacf02468
}


@pytest.mark.parametrize("name", RFC_3720)
def test_vectors_of_the_rfc(name: str) -> None:
    data, crc = RFC_3720[name]
    assert crc32c(data) == crc
    assert masked_crc(data) == mask(crc)


@pytest.mark.parametrize("crc", MASKED, ids=hex)
def test_mask(crc: int) -> None:
    assert mask(crc) == MASKED[crc]
    assert unmask(MASKED[crc]) == crc


@given(st.integers(0, 2**32 - 1))
def test_unmask_is_the_inverse(crc: int) -> None:
    assert unmask(mask(crc)) == crc
    assert 0 <= mask(crc) < 2**32


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_as_tensorboard_computes_it(data: bytes) -> None:
    expected = pywrap_tensorflow.masked_crc32c(data)
    assert masked_crc(data) == expected
    assert masked_crc(bytearray(data)) == masked_crc(memoryview(data)) == expected
