from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from builders import series


def test_slices_and_masks() -> None:
    whole = series([1, 2, 3, 4])
    assert whole[1:3].values.tolist() == [2, 3]
    assert whole[1:3].steps.tolist() == [1, 2]
    assert whole[whole.values > 2].wall_times.tolist() == [102.0, 103.0]
    with pytest.raises(TypeError, match=r"series\.values\[i\]"):
        whole[0]  # type: ignore[index]


def test_arrays_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        series([1]).values[0] = 2


def test_relative_times() -> None:
    assert series([1.0, 2.0], wall_times=[5.0, 7.5]).relative_times.tolist() == [0.0, 2.5]
    assert series([]).relative_times.tolist() == []


def test_smooth_by_hand() -> None:
    # weight 0.5: last = 0, 0.5, 1.25; divided by 1 - 0.5**n: 1/2, 3/4, 7/8
    smoothed = series([0.0, 1.0, 2.0], dtype=np.float64).smooth(0.5)
    assert smoothed.tolist() == [0.0, 0.5 / 0.75, 1.25 / 0.875]


def test_smooth_passes_over_what_is_not_finite() -> None:
    smoothed = series([1.0, math.nan, 3.0, math.inf], dtype=np.float64).smooth(0.5)
    assert smoothed[0] == 1.0
    assert math.isnan(smoothed[1])
    assert smoothed[2] == (1.0 * 0.5 * 0.5 + 0.5 * 3.0) / 0.75
    assert smoothed[3] == math.inf


@pytest.mark.parametrize("weight", [0.0, 0.6, 1.0, 7.0])
def test_smooth_leaves_constants(weight: float) -> None:
    assert series([2.5] * 4, dtype=np.float64).smooth(weight).tolist() == [2.5] * 4


def test_smooth_by_the_ends_of_the_slider() -> None:
    assert series([1.0, 2.0], dtype=np.float64).smooth(0).tolist() == [1.0, 2.0]
    assert series([1.0, 2.0], dtype=np.float64).smooth(1).tolist() == [0.0, 0.0]


def test_best_of_integers_and_floats() -> None:
    mixed = series([1.0, 2.0])
    values = np.array([2**60 + 1, 0.5], object)
    assert replace(mixed, values=values).best("max").value == 2**60 + 1
