"""Memory that is used again: only when nobody has it, and not without bound."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import threading
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tbio import recycled

Array = npt.NDArray[Any]
LARGE = 100_000  # bytes: 128 KiB of the pool
DTYPES: Any = st.sampled_from([np.dtype("u1"), np.dtype(">f4"), np.dtype("f8")])


@pytest.fixture(autouse=True)
def an_empty_pool(monkeypatch: pytest.MonkeyPatch) -> recycled._Pool:
    pool = recycled._Pool()
    monkeypatch.setattr(recycled, "_POOL", pool)
    return pool


def address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_is_used_again() -> None:
    first = recycled.empty((100, 250), np.float32)
    where = address(first)
    assert first.shape == (100, 250)
    assert first.dtype == np.float32
    assert first.flags.c_contiguous
    assert first.flags.writeable
    del first
    second = recycled.empty(LARGE, np.uint8)  # of another shape and type
    assert address(second) == where
    third = recycled.empty(LARGE, np.uint8)
    assert not np.shares_memory(second, third)


def test_a_view_keeps_the_memory(an_empty_pool: recycled._Pool) -> None:
    array = recycled.empty(LARGE, np.uint8)
    array[...] = 7
    view = array.reshape(100, 1000).T[5:9, ::3].view(np.int8)
    del array
    gc.collect()
    assert an_empty_pool.held == 0
    recycled.empty(LARGE, np.uint8)[...] = 1
    assert (view == 7).all()
    del view
    assert an_empty_pool.held == 2 << 17  # this one, and that of the other, which was dropped too


def test_small_and_huge_arrays_are_numpys_own(an_empty_pool: recycled._Pool) -> None:
    for size in (0, 1, recycled._SMALLEST - 1, recycled._MOST_HELD + 1):
        assert recycled.empty(size, np.uint8).size == size
    assert recycled.empty((0, 5), np.float64).shape == (0, 5)
    assert recycled.empty((), np.float64).shape == ()
    assert an_empty_pool.held == 0


def test_no_more_than_so_much_is_held(
    an_empty_pool: recycled._Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recycled, "_MOST_HELD", 1 << 20)
    arrays = [recycled.empty(LARGE, np.uint8) for _ in range(20)]
    larger = recycled.empty(5 * LARGE, np.uint8)
    del larger
    assert an_empty_pool.held == 1 << 19
    arrays.clear()
    assert an_empty_pool.held == 1 << 20


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([40_000, 70_000, LARGE]), st.integers(0, 9))))
def test_live_arrays_never_share(calls: list[tuple[int, int]]) -> None:
    """Arrays made and dropped in any order: each keeps what was written into it."""
    live: dict[int, tuple[int, Array]] = {}
    for number, (size, slot) in enumerate(calls):
        array = recycled.empty(size, np.uint8)
        array[...] = number % 251
        live[slot] = number % 251, array
        for value, kept in live.values():
            assert (kept == value).all()


def test_several_threads() -> None:
    wrong: list[object] = []
    queue: deque[tuple[int, Array]] = deque()
    start = threading.Barrier(4)

    def make(identity: int) -> None:
        start.wait()
        for number in range(300):
            array = recycled.empty(LARGE, np.uint8)
            array[...] = (value := (identity * 77 + number) % 251)
            queue.append((value, array))  # dropped by whoever takes it
            expected, other = queue.popleft()
            if not (other == expected).all():
                wrong.append((identity, number))

    threads = [threading.Thread(target=make, args=(identity,)) for identity in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@given(
    hnp.arrays(
        DTYPES,
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
        elements=st.integers(0, 200),
    ),
    st.randoms(use_true_random=False),
)
def test_a_copy_of_any_array(array: Array, random: Any) -> None:
    axes = list(range(array.ndim))
    random.shuffle(axes)
    steps = tuple(slice(None, None, random.choice([1, 1, 2, -1])) for _ in axes)
    view = array.transpose(axes)[steps]
    copy = recycled.copy(view)
    assert copy.dtype == view.dtype
    assert copy.shape == view.shape
    assert np.array_equal(copy, view)
    assert not np.shares_memory(copy, array)
    flat = copy.ravel(order="K")
    assert flat.size == 0 or np.shares_memory(flat, copy)  # without gaps


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_a_copy_lies_as_the_array_does(axes: tuple[int, int, int]) -> None:
    view = np.zeros((3, 50, 70), np.float32).transpose(axes)
    assert recycled.copy(view).strides == view.strides
    assert recycled.empty_like(view, np.uint8).strides == tuple(s // 4 for s in view.strides)


def test_arrays_that_are_alive_at_the_end() -> None:
    words = "from tbio import recycled; kept = [recycled.empty(100_000, 'u1') for _ in range(9)]"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stderr == ""
