"""CRCs of spans: those that the CRC itself gives, however they overlap."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbio.masked_crc import crc32c
from tbio.span_crcs import STEP_BYTES, SpanCrcs

DATA = random.Random(7).randbytes(5 * STEP_BYTES + 100)
EDGES = st.one_of(
    st.integers(0, len(DATA)),
    st.integers(0, 5).map(lambda step: step * STEP_BYTES),
)
SPANS = st.lists(st.tuples(EDGES, EDGES).map(sorted), max_size=20)


def crcs_of(spans: SpanCrcs, data: bytes, edges: list[list[int]]) -> list[int]:
    begins = np.array([begin for begin, _ in edges], np.int64)
    ends = np.array([end for _, end in edges], np.int64)
    found = spans.of(data, begins, ends)
    assert found.dtype == np.uint32
    return [int(crc) for crc in found]


@settings(max_examples=200, deadline=None)
@given(SPANS, SPANS)
def test_any_spans_twice(first: list[list[int]], second: list[list[int]]) -> None:
    spans = SpanCrcs()
    for edges in (first, second):
        assert crcs_of(spans, DATA, edges) == [crc32c(DATA[begin:end]) for begin, end in edges]


@settings(max_examples=100, deadline=None)
@given(SPANS, SPANS, st.integers(0, 6))
def test_a_buffer_that_is_cut(first: list[list[int]], second: list[list[int]], steps: int) -> None:
    spans = SpanCrcs()
    crcs_of(spans, DATA, first)
    spans.cut(steps)
    rest = DATA[steps * STEP_BYTES :]
    edges = [[min(edge, len(rest)) for edge in span] for span in second]
    assert crcs_of(spans, rest, edges) == [crc32c(rest[begin:end]) for begin, end in edges]


@pytest.mark.parametrize("length", [1, 15, 16, 255, 4096, 65_535, 1 << 16, (1 << 20) + 17])
def test_lengths_of_each_size(length: int) -> None:
    data = bytes(3) + random.Random(length).randbytes(length)
    assert crcs_of(SpanCrcs(), data, [[3, 3 + length]]) == [crc32c(data[3:])]
