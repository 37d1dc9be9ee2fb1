"""Smoothing: the page's formula, taken one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbio.smoothing import smoothed


def reference(values: list[float], weight: float) -> list[float]:
    """data_transformer.ts, classicSmoothing, in Python."""
    weight = min(max(weight, 0.0), 1.0)
    if all(value == values[0] for value in values):
        return values
    last, count = 0.0, 0
    result = []
    for value in values:
        if math.isfinite(value):
            last = last * weight + (1 - weight) * value
            count += 1
            value = last / (1 - weight**count) if weight != 1 else last
        result.append(value)
    return result


def check(values: npt.NDArray[Any], weight: float) -> None:
    """Equal to the formula, within 1e-12 of what is averaged."""
    doubles = values.astype(np.float64)
    ours, theirs = smoothed(values, weight), np.array(reference(doubles.tolist(), weight))
    assert ours.dtype == np.float64
    assert ours.shape == theirs.shape
    finite = np.isfinite(doubles)
    np.testing.assert_array_equal(ours[~finite], theirs[~finite])
    magnitude = np.array(reference(np.abs(doubles[finite]).tolist(), weight))
    if min(max(weight, 0.0), 1.0) == 1:
        assert ours[finite].tolist() == theirs[finite].tolist()
    else:
        assert (np.abs(ours[finite] - theirs[finite]) <= 1e-12 * magnitude + 1e-320).all()


def test_by_hand() -> None:
    # weight 0.5: last = 0, 0.5, 1.25; divided by 1 - 0.5**n: 1/2, 3/4, 7/8
    assert smoothed(np.array([0.0, 1, 2]), 0.5).tolist() == [0.0, 0.5 / 0.75, 1.25 / 0.875]
    assert smoothed(np.array([4.0, math.nan, 0]), 0.25).tolist()[::2] == [4.0, 0.75 / 0.9375]


RANDOM = np.random.default_rng(0)
SERIES: dict[str, npt.NDArray[Any]] = {
    "none": np.empty(0),
    "one": np.array([3.5]),
    "two": np.array([1.0, 2.0]),
    "normal": RANDOM.normal(size=5000),
    "float32": RANDOM.random(3000).astype(np.float32),
    "falling": np.exp(-np.arange(3000) / 100),
    "one giant": np.concatenate([[1e300], RANDOM.random(2000) * 1e-3]),
    "largest": np.array([1.7e308, 1.6e308, -1.7e308] * 40),
    "least": np.array([5e-324, 1e-323, 0.0] * 40),
    "gaps": np.where(RANDOM.random(1000) < 0.1, [math.nan, math.inf] * 500, RANDOM.random(1000)),
    "gap first": np.array([math.inf, math.nan, 1.0, 2.0]),
    "only gaps": np.array([math.nan, math.inf, -math.inf]),
    "constant": np.full(100, 0.1),
    "integers": np.arange(-50, 50),
    "unsigned": np.array([2**64 - 1, 0, 2**63], np.uint64),
    "objects": np.array([2**70, 0.5, -(2**60)], object),
    "bools": np.array([True, False, True]),
}


@pytest.mark.parametrize("weight", [-3, 0, 1e-300, 0.1, 0.6, 0.9, 0.99, 0.999, 1, 7])
@pytest.mark.parametrize("name", SERIES)
def test_equal_to_the_formula(name: str, weight: float) -> None:
    before = SERIES[name].copy()
    check(SERIES[name], weight)
    np.testing.assert_array_equal(SERIES[name], before)


@given(
    st.lists(st.floats(width=32) | st.floats(-1, 1) | st.integers(-(2**53), 2**53), max_size=300),
    st.floats(0, 0.999),
)
def test_equal_to_the_formula_for_anything(values: list[float], weight: float) -> None:
    check(np.array(values, np.float64), weight)


def test_close_to_one() -> None:
    """There the formula itself loses digits: 1 - weight is not exact, and the loop adds up."""
    values = RANDOM.random(2000) + 1
    theirs = reference(values.tolist(), 1 - 1e-9)
    np.testing.assert_allclose(smoothed(values, 1 - 1e-9), theirs, rtol=1e-6)
    means = np.cumsum(values) / np.arange(1, 2001)
    np.testing.assert_allclose(smoothed(values, 1 - 1e-9), means, rtol=1e-5)


def test_what_the_page_leaves_as_it_is() -> None:
    constant = smoothed(np.full(3, 0.1), 0.6)
    assert constant.tolist() == [0.1] * 3
    assert smoothed(np.array([math.inf, math.inf]), 0.6).tolist() == [math.inf] * 2
    # nothing is left of the values, and it is no minus zero
    assert [str(value) for value in smoothed(np.array([-1.0, 1]), 1)] == ["0.0", "0.0"]


def test_the_result_is_the_callers() -> None:
    values = np.array([1.0, 1.0])
    values.flags.writeable = False
    smoothed(values, 0.5)[0] = 5
    smoothed(values, 0)[0] = 5
    assert values.tolist() == [1, 1]


def test_a_million_points() -> None:
    """Right to the last one: there the loop over the last few thousand is the whole of it."""
    values = RANDOM.normal(3, 1, 1_000_000)
    ours = smoothed(values, 0.99)
    tail = reference(values[-5000:].tolist(), 0.99)  # 0.99**4000 is nothing
    np.testing.assert_allclose(ours[-1000:], tail[-1000:], rtol=1e-12)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="weight: want a number from 0 to 1, got nan"):
        smoothed(np.array([1.0, 2.0]), math.nan)
    with pytest.raises(TypeError, match="complex"):
        smoothed(np.array([1j, 2.0]), 0.5)
