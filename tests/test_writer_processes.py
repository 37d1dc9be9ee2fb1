"""A writer in other processes and copies: pickled, copied, spawned, ranked; how a run begins."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from tensorboard_readers import by_plugin_accumulator

import tbio
from tbio import SummaryWriter
from tbio.event_file import is_event_file
from tbio.proto.event_pb2 import SessionLog


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_event_file(path.name))


def steps_in(folder: Path, tag: str = "x") -> list[int]:
    steps: list[int] = sorted(tbio.open(folder)["."].scalars[tag].steps.tolist())
    return steps


# ------------------------------------------------------------------ copies


def pickled(writer: SummaryWriter) -> Any:
    return pickle.loads(pickle.dumps(writer))


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, pickled])
def test_a_copy_logs_into_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with SummaryWriter("run", filename_suffix=".mine", purge_step=3, on_error="raise") as writer:
        writer.add_scalar("x", 0.5, 3)
        monkeypatch.chdir("/")
        twin = copied(writer)
        assert len(files_in(tmp_path / "run")) == 1  # it has logged nothing yet
        twin.add_scalar("x", 0.5, 4)
        twin.close()
        writer.add_scalar("x", 0.5, 5)
    assert steps_in(tmp_path / "run") == [3, 4, 5]
    assert len(files_in(tmp_path / "run")) == 2
    assert all(path.name.endswith(".mine") for path in files_in(tmp_path / "run"))
    # The copy purges nothing once more.
    starts = [event.step for event in tbio.open(tmp_path)["run"].session_events]
    assert starts == [3]


def test_a_copy_of_a_writer_that_logs_nothing(tmp_path: Path) -> None:
    twin = pickled(SummaryWriter(tmp_path / "run", write_to_disk=False))
    twin.add_scalar("x", 1.0, 0)
    twin.close()
    assert not (tmp_path / "run").exists()


def test_a_handler_that_cannot_be_pickled_says_so(tmp_path: Path) -> None:
    with (
        SummaryWriter(tmp_path, on_error=lambda error: None) as writer,
        pytest.raises((pickle.PicklingError, AttributeError)),
    ):
        pickle.dumps(writer)


def log_from_child(writer: SummaryWriter, first: int) -> None:
    for step in range(first, first + 50):
        writer.add_scalar("x", float(step), step)


# Others that are loaded, and Python since 3.12, warn of forks beside threads.
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_log_beside_their_parent(tmp_path: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    context: Any = multiprocessing.get_context(method)
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 0.0, 0)
        children = [
            context.Process(target=log_from_child, args=(writer, first)) for first in (100, 200)
        ]
        for child in children:
            child.start()
        writer.add_scalar("x", 1.0, 1)
        for child in children:
            child.join(60)
            assert child.exitcode == 0
    assert steps_in(tmp_path) == [0, 1, *range(100, 150), *range(200, 250)]
    assert len(files_in(tmp_path)) == 3


# ------------------------------------------------------------------ ranks


@pytest.mark.parametrize(
    ("rank", "environment", "folders"),
    [
        (None, {"RANK": "3"}, ["."]),
        (0, {}, ["."]),
        (3, {}, []),
        ("auto", {}, ["."]),
        ("auto", {"RANK": "0"}, ["."]),
        ("auto", {"RANK": "", "SLURM_PROCID": "2"}, []),
        ("auto", {"OMPI_COMM_WORLD_RANK": "1"}, []),
    ],
)
def test_rank(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rank: Any,
    environment: dict[str, str],
    folders: list[str],
) -> None:
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with SummaryWriter(tmp_path / "run", rank=rank) as writer:
        writer.add_scalar("x", 1.0, 0)
        writer.log({"y": 1.0}, 0)
        writer.add_scalars("z", {"a": 1.0}, 0)
        writer.flush()
    assert (tmp_path / "run").exists() == bool(folders)
    if folders:
        assert sorted(tbio.open(tmp_path / "run"))[:1] == folders


def test_ranks_with_runs_of_their_own(tmp_path: Path) -> None:
    for rank in range(3):
        with SummaryWriter(tmp_path, rank=rank, rank_runs=True) as writer:
            writer.add_scalar("x", float(rank), 0)
    values = {name: run.scalars["x"].values.tolist() for name, run in tbio.open(tmp_path).items()}
    assert values == {".": [0], "rank_1": [1], "rank_2": [2]}


@pytest.mark.parametrize("rank", ["0", 1.0, True, [1]])
def test_no_rank(tmp_path: Path, rank: Any) -> None:
    with pytest.raises(TypeError, match='rank: want an int, "auto" or None'):
        SummaryWriter(tmp_path, rank=rank)


def test_ranks_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="rank: want 0 or more, got -1"):
        SummaryWriter(tmp_path, rank=-1)
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(ValueError, match="got 'first'"):
        SummaryWriter(tmp_path, rank="auto")


# ------------------------------------------------------------------ how a run begins


def test_a_fresh_run_makes_a_later_purge_effective(tmp_path: Path) -> None:
    """TensorBoard takes the first session start for the beginning of the run, whatever it says."""
    with SummaryWriter(tmp_path) as writer:
        for step in range(10):
            writer.add_scalar("x", 0.0, step)
    with SummaryWriter(tmp_path, purge_step=5) as writer:
        writer.add_scalar("x", 1.0, 5)
    shown = by_plugin_accumulator(os.fspath(tmp_path))["."]["scalars"]["x"]
    assert [(point.step, point.value) for point in shown] == [
        *((step, 0.0) for step in range(5)),
        (5, 1.0),
    ]


def test_writers_that_begin_a_run_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    writers = [SummaryWriter(tmp_path, filename_suffix=f".{at}") for at in range(2)]
    for at, writer in enumerate(writers):
        for step in range(3):
            writer.add_scalar(f"x{at}", 0.0, step)
    for writer in writers:
        writer.close()
    shown = by_plugin_accumulator(os.fspath(tmp_path))["."]["scalars"]
    assert {tag: len(points) for tag, points in shown.items()} == {"x0": 3, "x1": 3}
    assert {tag: len(s) for tag, s in tbio.open(tmp_path)["."].scalars.items()} == {
        "x0": 3,
        "x1": 3,
    }


def test_a_run_begins_once(tmp_path: Path) -> None:
    """Not again in later files of the run, be they of this writer or of another one."""
    writer = SummaryWriter(tmp_path)
    writer.add_scalar("x", 0.0, 0)
    writer.close()
    writer.add_scalar("x", 0.0, 1)
    writer.close()
    with SummaryWriter(tmp_path) as another:
        another.add_scalar("x", 0.0, 2)
    starts = [event for event in tbio.read_events(tmp_path) if event.HasField("session_log")]
    assert [(event.session_log.status, event.step) for event in starts] == [
        (SessionLog.START, 2**63 - 1)
    ]
