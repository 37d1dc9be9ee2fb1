"""Readahead: which runs are read along with one, and that it changes nothing else."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raw_log import steps_in

import tbio
from tbio import LogDir, SummaryWriter, readahead

RUNS = [f"run{number:02}" for number in range(20)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, run in enumerate(RUNS):
        with SummaryWriter(tmp_path / run) as writer:
            for step in range(3):
                writer.add_scalar("x", number, step)
    return tmp_path


def read(logs: LogDir) -> list[str]:
    """The runs that were read."""
    return [run.name for run in logs.values() if run.is_read]


def damage(folder: Path) -> None:
    (file,) = folder.iterdir()
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)


def test_who_goes_through_the_runs_has_more_and_more_read_at_once(folder: Path) -> None:
    logs = tbio.open(folder)
    counts = []
    for name, run in logs.items():
        assert list(run.scalars) == ["x"]
        assert run.scalars["x"].values.tolist() == [RUNS.index(name)] * 3
        counts.append(len(read(logs)))
    assert counts == [1, 3, 3, 7, 7, 7, 7, *[15] * 8, *[20] * 5]


def test_who_takes_some_runs_has_those_read(folder: Path) -> None:
    logs = tbio.open(folder)
    for name in ("run05", "run03", "run00", "run19", "run10", "run12"):
        assert len(logs[name].scalars) == 1
    assert read(logs) == ["run00", "run03", "run05", "run10", "run12", "run19"]
    assert list(logs["run13"].scalars) == ["x"]  # two in order
    assert read(logs)[4:-1] == ["run12", "run13", "run14"]


def test_names_and_files_read_nothing(folder: Path) -> None:
    logs = tbio.open(folder)
    assert [run.name for run in logs.values()] == RUNS
    assert {len(run.files) for run in logs.values()} == {1}
    assert read(logs) == []


def test_large_and_remote_runs_are_read_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = (folder / "run00").iterdir()
    monkeypatch.setattr(readahead, "_MOST_BYTES", file.stat().st_size)
    remote, small = tbio.open(f"local://{folder}"), tbio.open(folder)
    for logs, counts in ((remote, [1, 2, 3, 4, 5]), (small, [1, 3, 3, 5, 5])):
        found = []
        for run in list(logs.values())[:5]:
            assert len(run.scalars["x"]) == 3
            found.append(len(read(logs)))
        assert found == counts


def test_what_is_amiss_with_a_run_is_raised_where_that_is_asked_for(folder: Path) -> None:
    damage(folder / "run03")
    logs = tbio.open(folder, on_damage="raise")
    for name in RUNS[:3]:
        assert len(logs[name].scalars["x"]) == 3
    with pytest.raises(tbio.DamageError, match="run03"):
        len(logs["run03"].scalars)
    assert len(logs["run04"].scalars["x"]) == 3


def test_what_is_amiss_is_told_of_once(folder: Path) -> None:
    damage(folder / "run03")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        lengths = [len(run.scalars["x"]) for run in tbio.open(folder).values()]
    assert lengths == [3, 3, 3, 2, *[3] * 16]
    (one,) = told
    assert "run03" in str(one.message)


def test_it_goes_on_after_a_reload(folder: Path) -> None:
    logs = tbio.open(folder)
    assert [len(run.scalars["x"]) for run in logs.values()] == [3] * 20
    for run in RUNS[::2]:
        with SummaryWriter(folder / run) as writer:
            writer.add_scalar("x", 0.5, 3)
    logs.reload()
    assert read(logs) == []
    assert [len(run.scalars["x"]) for run in logs.values()] == [4, 3] * 10


def test_runs_and_logs_are_pickled_without_the_others(folder: Path) -> None:
    logs = tbio.open(folder)
    assert len(logs["run00"].scalars["x"]) == len(logs["run01"].scalars["x"]) == 3
    run = pickle.loads(pickle.dumps(logs["run02"]))
    assert b"run03" not in pickle.dumps(run)
    assert run.scalars["x"].values.tolist() == [2, 2, 2]
    again = pickle.loads(pickle.dumps(logs))
    assert [len(run.scalars["x"]) for run in again.values()] == [3] * 20


def test_logs_that_are_no_more_are_freed_at_once(folder: Path) -> None:
    logs = tbio.open(folder)
    assert [len(run.scalars["x"]) for run in logs.values()] == [3] * 20
    gc.disable()
    try:
        gone = weakref.ref(logs["run07"])
        del logs
        assert gone() is None
    finally:
        gc.enable()


@pytest.fixture
def often_switched() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often_switched")
def test_threads_that_read_the_same_logs(folder: Path) -> None:
    """In order, backwards, and all at once: every point once, and nobody waits for ever."""

    def forwards() -> list[int]:
        return [len(run.scalars["x"]) for run in logs.values()]

    def backwards() -> list[int]:
        return [len(run.scalars["x"]) for run in reversed(list(logs.values()))]

    def at_once() -> list[int]:
        return [len(run.scalars["x"]) for run in logs.load().values()]

    def streamed() -> list[int]:
        return [len(series) for series in logs.iter_scalars().series()]

    for _ in range(10):
        logs = tbio.open(folder)
        found: list[list[int]] = []

        def work(job: Callable[[], list[int]], found: list[list[int]] = found) -> None:
            found.append(job())

        jobs = [forwards, backwards, at_once, forwards, at_once, streamed]
        threads = [threading.Thread(target=work, args=(job,), daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert found == [[3] * 20] * len(jobs)


def test_it_is_what_the_records_hold(folder: Path) -> None:
    logs = tbio.open(folder)
    for name, run in logs.items():
        assert {tag: run.scalars[tag].steps.tolist() for tag in run.scalars} == steps_in(
            folder / name
        )
