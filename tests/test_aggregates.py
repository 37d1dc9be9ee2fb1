"""Aggregates: against NumPy on the values of each place by themselves, and by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbio.aggregates import STATISTICS, Aligned, Statistic, align

NAN, INF = math.nan, math.inf


def place(*values: float) -> Aligned:
    """Runs that have one of these values each, at a single place."""
    return align([(np.array([7]), np.array([value])) for value in values])


def the_iqm(values: npt.NDArray[np.float64]) -> float:
    """Without the quarter at each end, rounded down."""
    cut = len(values) // 4
    return float(np.mean(sorted(values)[cut : len(values) - cut]))


EXPECTED: dict[str, Callable[[npt.NDArray[np.float64]], float]] = {
    "mean": lambda values: float(np.mean(values)),
    "median": lambda values: float(np.median(values)),
    "std": lambda values: float(np.std(values, ddof=1)) if len(values) > 1 else NAN,
    "stderr": lambda values: (
        float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else NAN
    ),
    "iqm": the_iqm,
    "min": lambda values: float(np.min(values)),
    "max": lambda values: float(np.max(values)),
    "count": lambda values: float(len(values)),
}


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(0, 6), st.integers(1, 9)),
        elements=st.floats(-1e6, 1e6) | st.just(NAN),
    )
)
def test_every_statistic_is_numpys_of_the_values_that_there_are(
    table: npt.NDArray[np.float64],
) -> None:
    assert set(EXPECTED) == set(STATISTICS)
    rows = np.arange(len(table))
    whole = align([(rows, column) for column in table.T])
    known = [row[~np.isnan(row)] for row in table]
    known = [row for row in known if len(row)]
    assert whole.count.tolist() == [len(row) for row in known]
    for name in STATISTICS:
        expected = [EXPECTED[name](row) for row in known]
        np.testing.assert_allclose(whole.statistic(name), expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("mean", (1, 2, 6), 3),
        ("median", (1, 2, 6), 2),
        ("median", (1, 2, 6, 100), 4),
        ("std", (1, 3), math.sqrt(2)),  # of a sample: divided by n - 1
        ("stderr", (1, 3), 1),
        ("std", (5,), NAN),
        ("stderr", (5,), NAN),
        ("iqm", (1, 2, 6), 3),  # nothing to cut
        ("iqm", (0, 1, 3, 100), 2),
        ("iqm", (0, 1, 2, 3, 4, 5, 100), 3),  # one at each end
        ("iqm", (-99, -98, 1, 2, 3, 6, 98, 99), 3),  # two
        ("max", (1, INF), INF),
        ("mean", (1, INF), INF),
        ("mean", (-INF, INF), NAN),
        ("std", (1, INF), NAN),
        ("median", (-INF, 1, INF), 1),
    ],
)
def test_by_hand(name: Statistic, values: tuple[float, ...], expected: float) -> None:
    np.testing.assert_allclose(place(*values).statistic(name), [expected])


def test_a_nan_that_propagates() -> None:
    runs = [(np.arange(2), np.array([value, 1.0])) for value in (NAN, 2.0, 3.0, 4.0)]
    whole = align(runs, nan="propagate")
    assert whole.count.tolist() == [4, 4]
    for name in STATISTICS:
        first, second = whole.statistic(name)
        assert math.isnan(first) == (name != "count")
        assert not math.isnan(second)
    low, high = whole.interval("iqm")
    assert np.isnan([low[0], high[0]]).all()
    assert not np.isnan([low[1], high[1]]).any()


def test_another_statistic() -> None:
    with pytest.raises(ValueError, match=r"want a statistic of mean, median.*got 'mode'"):
        place(1).statistic("mode")  # type: ignore[arg-type]


# ------------------------------------------------------------------ intervals


def test_the_interval_is_the_percentiles_of_the_draws() -> None:
    generator = np.random.default_rng(5)
    table = generator.normal(size=(40, 6))
    table[::3, 2] = NAN
    table[1, :5] = NAN
    whole = align([(np.arange(40), column) for column in table.T])
    for of in ("mean", "median", "iqm"):
        low, high = whole.interval(of, level=0.9, resamples=200, seed=3)
        for row in range(40):
            known = table[row][~np.isnan(table[row])]
            if len(known) < 2:
                assert np.isnan([low[row], high[row]]).all()
                continue
            draws = np.random.default_rng([3, len(known)]).integers(
                len(known), size=(200, len(known))
            )
            outcomes = [EXPECTED[of](known[draw]) for draw in draws]
            np.testing.assert_allclose(low[row], np.quantile(outcomes, 0.05), rtol=1e-12)
            np.testing.assert_allclose(high[row], np.quantile(outcomes, 0.95), rtol=1e-12)


def test_the_interval_of_many_runs_is_about_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(10, 2, size=400)
    low, high = place(*values).interval(resamples=4000)
    half = 1.96 * values.std(ddof=1) / 20
    np.testing.assert_allclose(
        [low[0], high[0]], [values.mean() - half, values.mean() + half], atol=0.02
    )


def test_the_interval_does_not_depend_on_the_other_places() -> None:
    table = np.random.default_rng(2).normal(size=(3000, 5))
    runs = [(np.arange(3000), column) for column in table.T]
    low, high = align(runs).interval()  # more than are held at a time
    again = align([(steps[2000:2001], column[2000:2001]) for steps, column in runs]).interval()
    assert (low[2000], high[2000]) == (again[0][0], again[1][0])
    other = align(runs).interval(seed=1)
    assert not np.array_equal(low, other[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"of": "max"}, "interval: want one of mean, median, iqm, got 'max'"),
        ({"level": 1.0}, "level: want a number between 0 and 1, got 1.0"),
        ({"level": NAN}, "level"),
        ({"resamples": 0}, "resamples from 1"),
        ({"seed": -1}, "a seed from 0"),
    ],
)
def test_wrong_intervals(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        place(1, 2).interval(**arguments)


# ------------------------------------------------------------------ alignment


def test_exact_takes_the_last_of_equal_steps_in_any_order() -> None:
    runs = [
        (np.array([5, 1, 5, 1]), np.array([1.0, 2.0, 3.0, NAN])),  # the NaN is not there
        (np.array([], np.int64), np.array([])),
        (np.array([3, 5]), np.array([7.0, 8.0])),
    ]
    whole = align(runs)
    assert whole.at.tolist() == [1, 3, 5]
    assert whole.at.dtype == np.int64
    np.testing.assert_array_equal(whole.values, [[2, NAN, NAN], [NAN, NAN, 7], [3, NAN, 8]])
    np.testing.assert_array_equal(whole.present, ~np.isnan(whole.values))
    kept = whole.at_least(2)
    assert (kept.at.tolist(), kept.values[:, 2].tolist(), len(kept)) == ([5], [8.0], 1)
    assert not len(whole.at_least(3))
    np.testing.assert_array_equal(align(runs, nan="propagate").values[0], [NAN, NAN, NAN])
    assert align(runs, nan="propagate").count.tolist() == [1, 1, 2]


@pytest.mark.parametrize("how", ["exact", "interpolate", "bin"])
def test_no_runs_and_empty_runs(how: Any) -> None:
    for runs in ([], [(np.empty(0, np.int64), np.empty(0))]):
        whole = align(runs, how)
        assert len(whole) == len(whole.statistic("mean")) == len(whole.interval()[0]) == 0
        assert whole.values.shape == (0, len(runs))


def test_interpolate_by_hand() -> None:
    runs = [
        (np.array([0, 10]), np.array([0.0, 1.0])),
        (np.array([4, 5, 12]), np.array([1.0, 3, 3])),
    ]
    whole = align(runs, "interpolate")
    assert whole.at.tolist() == [0, 4, 5, 10, 12]
    np.testing.assert_array_equal(whole.values, [[0, NAN], [0.4, 1], [0.5, 3], [1, 3], [NAN, 3]])
    every = align(runs, "interpolate", width=4)
    assert every.at.tolist() == [0, 4, 8, 12]
    np.testing.assert_allclose(every.values, [[0, NAN], [0.4, 1], [0.8, 3], [NAN, 3]])
    assert not len(align([(np.array([3, 4]), np.ones(2))], "interpolate", width=100))


def test_interpolate_over_a_nan_or_into_it() -> None:
    runs = [(np.arange(4), np.array([0.0, NAN, 2.0, 3.0])), (np.array([1]), np.array([5.0]))]
    over = align(runs, "interpolate")
    np.testing.assert_array_equal(over.values[:, 0], [0, 1, 2, 3])
    into = align(runs, "interpolate", nan="propagate")
    np.testing.assert_array_equal(into.values[:, 0], [0, NAN, 2, 3])
    assert into.present[:, 0].all()


def test_steps_beyond_what_doubles_tell_apart() -> None:
    begin = 2**60
    runs = [
        (np.array([begin, begin + 2]), np.array([1.0, 3.0])),
        (np.array([begin + 1, begin + 2]), np.array([5.0, 6.0])),
    ]
    whole = align(runs, "interpolate")
    assert whole.at.tolist() == [begin, begin + 1, begin + 2]
    np.testing.assert_array_equal(whole.values, [[1, NAN], [2, 5], [3, 6]])
    ends = [(np.array([-(2**63), 2**63 - 1]), np.array([0.0, 1.0])), (np.array([0]), np.zeros(1))]
    np.testing.assert_allclose(align(ends, "interpolate").values[1, 0], 0.5)
    assert align(ends, "bin").count.sum() == 3


def test_bins_by_hand() -> None:
    runs = [
        (np.array([-1, 0, 4, 5, 6, 20]), np.array([9.0, 1, 2, 3, 5, 7])),
        (np.array([3, 9]), np.array([4.0, 6.0])),
    ]
    whole = align(runs, "bin", width=5)
    assert whole.at.tolist() == [-5, 0, 5, 20]
    np.testing.assert_array_equal(whole.values, [[9, NAN], [1.5, 4], [4, 6], [7, NAN]])
    times = align([(np.array([0.1, 0.6, NAN]), np.array([1.0, 2.0, 3.0]))], "bin", width=0.5)
    assert (times.at.tolist(), times.values.tolist()) == ([0.0, 0.5], [[1.0], [2.0]])


def test_bins_are_as_wide_as_the_coarsest_run_is() -> None:
    coarse = (np.array([0, 100, 200, 1000]), np.array([1.0, 2, 3, 4]))
    fine = (np.arange(0, 300, 10), np.arange(30.0))
    whole = align([coarse, fine], "bin")
    assert whole.at.tolist() == [0, 100, 200, 1000]
    np.testing.assert_array_equal(whole.values, [[1, 4.5], [2, 14.5], [3, 24.5], [4, NAN]])
    assert align([(np.array([3]), np.array([1.0]))], "bin").at.tolist() == [3]


def test_what_is_not_int64_or_float64() -> None:
    runs: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = [
        (np.array([1, 2], np.int32), np.array([1, 2], np.int8)),
        (np.array([2], np.uint8), np.array([2**60], object)),
    ]
    whole = align(runs)
    assert whole.at.dtype == np.int64
    assert whole.statistic("max").tolist() == [1.0, 2.0**60]
    with pytest.raises(TypeError, match="complex"):
        align([(np.array([1]), np.array([1j]))])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"how": "fuzzy"}, "align: want one of exact, interpolate, bin, got 'fuzzy'"),
        ({"nan": "raise"}, "nan: want one of omit, propagate, got 'raise'"),
        ({"width": 2}, 'align="exact" has none, got 2'),
        ({"how": "bin", "width": 0}, "width: want a number above 0, got 0"),
        ({"how": "bin", "width": INF}, "width: want a number above 0"),
        ({"how": "bin", "width": 1.5}, "want a whole number of steps, got 1.5"),
        ({"how": "bin", "width": 2**63}, "want a whole number of steps"),
        ({"how": "interpolate", "width": 1}, "would make 1,000,000,000,001 places"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        align([(np.array([0, 10**12]), np.zeros(2))], **arguments)


def test_the_first_bin_of_all_steps() -> None:
    """It would begin below what int64 holds."""
    steps = np.array([-(2**63), -(2**63) + 5])
    found = align([(steps, np.array([1.0, 2.0]))], "bin", width=3)
    assert found.at.tolist() == [-(2**63), -(2**63) + 5 - (-(2**63) + 5) % 3]
    assert found.values.tolist() == [[1.0], [2.0]]
