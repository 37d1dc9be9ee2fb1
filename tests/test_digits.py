from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbio.exports.digits import Cells, cells, lines, shortest, text_cells, texts, time_cells

Singles = npt.NDArray[np.float32]


def read(table: Cells) -> list[str]:
    """The texts that cells hold."""
    return [row.tobytes().replace(b"\0", b"").decode() for row in table]


def by_numpy(values: Singles) -> list[str]:
    """The plain way: numpy's shortest digits of each float32, as Python prints them."""
    return list(map(repr, values.astype(str).astype(np.float64).tolist()))


def check(values: Singles) -> None:
    want = by_numpy(values)
    assert read(cells(values)) == want
    assert texts(values) == want


def test_any_float32() -> None:
    bits = np.random.default_rng(1).integers(0, 2**32, 60_000, np.uint32)
    check(bits.view(np.float32))


def test_float32_as_they_are_logged() -> None:
    rng = np.random.default_rng(2)
    sizes = 10.0 ** rng.uniform(-6, 9, 60_000) * rng.choice([-1, 1], 60_000)
    check(sizes.astype(np.float32))
    for decimals in range(6):  # what was a short decimal is printed as one
        check(np.round(sizes[:5000], decimals).astype(np.float32))
    check(np.arange(20_000).astype(np.float32))
    check((np.arange(20_000) / 1024).astype(np.float32))


def test_float32_where_neighbours_are_not_alike() -> None:
    powers = np.array([2.0**at for at in range(-149, 128)], np.float32)
    tens = np.array([float(f"1e{at}") for at in range(-44, 39)], np.float32)
    edges = np.concatenate([powers, tens])
    below, above = np.nextafter(edges, np.float32(0)), np.nextafter(edges, np.float32(np.inf))
    check(np.concatenate([edges, below, above, -edges]))
    check(np.array([0, -0.0, np.inf, -np.inf, np.nan, 9.9999999, 99999999], np.float32))


@settings(deadline=None, max_examples=300)
@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_float32_one_by_one(values: list[float]) -> None:
    check(np.array(values, np.float32))


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.one_of(st.floats(), st.floats(2.0**28, 2.0**33), st.floats(1.6e9, 1.8e9)), min_size=1
    )
)
def test_times_one_by_one(values: list[float]) -> None:
    assert read(time_cells(np.array(values))) == list(map(repr, values))


def test_times() -> None:
    rng = np.random.default_rng(3)
    powers = 2.0 ** np.arange(27, 35)
    times = np.concatenate(
        [
            rng.uniform(2**29, 2**32, 40_000),
            np.round(1.7e9 + rng.random(20_000), 6),
            1.7e9 + np.arange(2000) / 1024,  # a tie in the seventh decimal
            2.0**31 + np.arange(1000) / 256,
            *(powers, np.nextafter(powers, 0), np.nextafter(powers, np.inf)),
            [0.0, -1.5, np.nan, np.inf, 1e300],
        ]
    )
    assert read(time_cells(times)) == list(map(repr, times.tolist()))


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers(values: list[int]) -> None:
    assert read(cells(np.array(values, np.int64))) == list(map(str, values))


def test_integers_at_the_borders_of_words() -> None:
    values = [n for at in range(19) for n in (10**at - 1, 10**at, -(10**at))] + [2**32, 2**32 - 1]
    assert read(cells(np.array(values))) == list(map(str, values))
    whole = np.arange(20_000)
    assert read(cells(whole)) == list(map(str, whole.tolist()))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_texts_are_shortest_and_exact(dtype: type[np.floating]) -> None:
    bits = np.random.default_rng(1).integers(0, 2**64, 20_000, np.uint64)
    values = bits.view(np.uint8).view(dtype)
    values = values[np.isfinite(values)]
    written = texts(values)
    assert np.array_equal(np.array(written, dtype), values)
    for text, value in zip(written[:2000], values[:2000], strict=True):
        assert float(text) == float(np.format_float_scientific(value, unique=True))


def test_texts_of_everything_else() -> None:
    assert texts(np.array([True, False])) == ["True", "False"]
    assert texts(np.array([2**63 - 1])) == ["9223372036854775807"]
    assert texts(np.array([1 + 2j])) == ["(1+2j)"]
    assert read(cells(np.array([0.1, 1e300]))) == ["0.1", "1e+300"]
    assert read(cells(np.array([2**60 + 1, 0.5], object))) == ["1152921504606846977", "0.5"]


def test_nothing() -> None:
    for empty in (np.empty(0, np.float32), np.empty(0), np.empty(0, np.int64)):
        assert texts(empty) == []
        assert cells(empty).shape[0] == 0
    assert time_cells(np.empty(0)).shape[0] == 0
    assert lines([(b"a,", 0)], [cells(np.empty(0, np.int64))]) == b""
    assert shortest(np.empty(0, np.float32)).dtype == np.float64


def test_lines() -> None:
    columns = [cells(np.array([1, -20, 300_000])), text_cells(["x", "a longer text", ""])]
    parts = [("größe,".encode(), 2), (b"none,", 0), (b"", 1)]
    want = "größe,1,x\ngröße,-20,a longer text\n300000,\n"
    assert lines(parts, columns).decode() == want
    assert lines([(b"", 3)], columns[1:]) == b"x\na longer text\n\n"
