"""Counting without a search: equal to a search, at every edge and in every cell."""

from __future__ import annotations

import bisect
import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tbio.kinds import histogram_bins, histogram_values
from tbio.kinds.histogram_bins import DEFAULT_EDGES, count, count_default


def edges_of_the_peers() -> list[float]:
    """As torch and tensorboardX make them, from 1e-12 on by steps of a tenth up to 1e20."""
    positive = [1e-12]
    while positive[-1] * 1.1 < 1e20:
        positive.append(positive[-1] * 1.1)
    return [-edge for edge in positive[::-1]] + [0.0] + positive


EDGES = edges_of_the_peers()
TYPES: Any = st.sampled_from(["?", "i1", "u2", ">i4", "i8", "u8", "f2", "f4", ">f4", ">f8"])


@pytest.fixture(autouse=True)
def never_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few values are counted by the table as well, and several blocks are few values."""
    monkeypatch.setattr(histogram_bins, "_FEW", -1)
    monkeypatch.setattr(histogram_values, "BLOCK", 1000)


def by_bisection(values: npt.NDArray[Any]) -> list[int]:
    counts = [0] * (len(EDGES) + 1)
    for value in values.tolist():
        counts[bisect.bisect_right(EDGES, value)] += 1
    return counts


def check(values: npt.NDArray[Any]) -> None:
    doubles = values.astype(np.float64)
    expected = by_bisection(values)
    assert count_default(values).tolist() == expected  # in its own type
    assert count_default(doubles).tolist() == expected
    assert count(doubles, DEFAULT_EDGES).tolist() == expected


def test_edges() -> None:
    assert len(EDGES) == 1549
    assert DEFAULT_EDGES.tolist() == EDGES
    assert DEFAULT_EDGES.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        DEFAULT_EDGES[0] = 0


def test_edges_are_those_of_tensorboardx(tmp_path: Any) -> None:
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(tmp_path), write_to_disk=False) as writer:
        assert DEFAULT_EDGES.tolist() == writer.default_bins


@pytest.mark.full
def test_edges_are_those_of_torch(tmp_path: Any) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        assert DEFAULT_EDGES.tolist() == writer.default_bins


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_at_each_edge_and_beside_it(dtype: Any) -> None:
    """The edge, which starts a bucket, and its two neighbours on either side."""
    at = DEFAULT_EDGES.astype(dtype)
    up, down = np.nextafter(at, dtype(np.inf)), np.nextafter(at, dtype(-np.inf))
    further = np.nextafter(up, dtype(np.inf)), np.nextafter(down, dtype(-np.inf))
    check(np.concatenate([at, up, down, *further]))


@pytest.mark.parametrize("index", [0, 1, 773, 774, 775, 1000, 1548])
def test_an_edge_starts_a_bucket(index: int) -> None:
    edge = EDGES[index]
    for value, slot in (
        (edge, index + 1),
        (math.nextafter(edge, math.inf), index + 1),
        (math.nextafter(edge, -math.inf), index),
    ):
        assert np.flatnonzero(count_default(np.array([value]))).tolist() == [slot]


def test_zeros_and_subnormals() -> None:
    zero = EDGES.index(0)
    for value, slot in (
        (0.0, zero + 1),
        (-0.0, zero + 1),
        (5e-324, zero + 1),
        (-5e-324, zero),
        (2.2e-308, zero + 1),
        (-2.2e-308, zero),
        (1e-45, zero + 1),
        (-1e-45, zero),
    ):
        for times in (1, 2500):
            counts = count_default(np.full(times, value))
            assert np.flatnonzero(counts).tolist() == [slot]
            assert counts[slot] == times


def test_beyond_the_edges() -> None:
    largest = np.finfo(np.float64).max
    counts = count_default(np.array([-largest, -1e20, 1e20, 3.5e38, largest]))
    assert np.flatnonzero(counts).tolist() == [0, 1549]
    assert (counts[0], counts[-1]) == (2, 3)
    # the last edge is the lower one of the slot behind it
    assert count_default(DEFAULT_EDGES[-1:])[-1] == 1
    assert count_default(DEFAULT_EDGES[:1])[1] == 1


def test_both_ends_of_every_cell() -> None:
    """2**20 cells, each with its first and its last double, in the order of their bits."""
    first = np.arange(1 << 20, dtype=np.uint64) << np.uint64(44)
    for bits in (first, first | np.uint64((1 << 44) - 1)):
        values = bits.view(np.float64)
        values = values[np.isfinite(values)]
        expected = np.bincount(np.searchsorted(EDGES, values, "right"), minlength=1550)
        assert (count_default(values) == expected).all()


@settings(max_examples=300, deadline=None)
@given(
    hnp.arrays(TYPES, st.integers(0, 50), elements={"allow_nan": False, "allow_infinity": False}),
    st.sampled_from([1, 60]),
)
def test_any_type(values: npt.NDArray[Any], times: int) -> None:
    check(np.tile(values, times))


def test_any_bits() -> None:
    bits = np.random.default_rng(0).integers(0, 2**64, 20_000, np.uint64, endpoint=False)
    for values in (bits.view(np.float64), bits.view(np.float32)):
        with np.errstate(invalid="ignore"):
            check(values[np.isfinite(values)])


def beside(edge: float, steps: int, dtype: Any) -> float:
    value = dtype(edge)
    for _ in range(abs(steps)):
        value = np.nextafter(value, dtype(np.copysign(np.inf, steps)))
    return float(value)


VALUES = st.one_of(
    st.builds(
        beside,
        st.sampled_from(EDGES),
        st.integers(-3, 3),
        st.sampled_from([np.float64, np.float32]),
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.floats(-1e-11, 1e-11),
    st.floats(-1e-300, 1e-300),
    st.integers(-(10**21), 10**21).map(float),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, max_size=60), st.sampled_from([1, 30]))
def test_equal_to_the_plain_ways(values: list[float], times: int) -> None:
    array = np.array(values * times, np.float64)
    counts = count_default(array)
    assert counts.tolist() == by_bisection(array)
    assert (counts == count(array, DEFAULT_EDGES)).all()
    # and to numpy's own, which closes its last bucket and leaves out what is beyond
    theirs, _ = np.histogram(array, EDGES)
    counts[-2] += np.count_nonzero(array == EDGES[-1])
    assert (counts[1:-1] == theirs).all()


def test_few_values_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """On both sides of the bound from which the table is used, and of the size of a block."""
    monkeypatch.undo()
    values = np.random.default_rng(1).standard_cauchy((1 << 17) + 10)
    few = histogram_bins._FEW
    for size in itertools.chain(range(few - 1, few + 2), ((1 << 17) + n for n in (-1, 0, 1, 10))):
        expected = np.bincount(np.searchsorted(EDGES, values[:size], "right"), minlength=1550)
        assert (count_default(values[:size]) == expected).all()


def test_no_value_and_no_edge() -> None:
    assert count_default(np.empty(0)).tolist() == [0] * 1550
    assert count(np.array([1.0, -2.0]), np.empty(0)).tolist() == [2]
    assert count(np.empty(0), np.array([0.0])).tolist() == [0, 0]
