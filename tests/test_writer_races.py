"""Threads, signals and forks that come at the worst moment, each brought about on purpose."""

from __future__ import annotations

import errno
import functools
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raw_log import steps_by_file, steps_in

import tbio
from tbio import GlobalSummaryWriter, SummaryWriter, background, summary, summary_protos
from tbio.adapters.datasets import DatasetRuns
from tbio.file_writer import FileWriter

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")


@pytest.fixture(autouse=True)
def often_switched() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def in_thread(job: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=job, daemon=True)
    thread.start()
    return thread


def ended(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "hangs"


def side_by_side(count: int, job: Callable[[int], object]) -> None:
    together = threading.Barrier(count)

    def one(number: int) -> None:
        together.wait()
        job(number)

    ended(*(in_thread(functools.partial(one, number)) for number in range(count)))


class Disk:
    """What the writers' threads write with: it may be stopped, and refuse."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at_it, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.is_full = False
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, file: int, data: bytes) -> int:
        if threading.current_thread().name == "tbio":
            self.at_it.set()
            assert self.go_on.wait(60)
            if self.is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(file, data)

    def stop(self) -> None:
        self.at_it.clear()
        self.go_on.clear()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


# ---------------------------------------------------------------- logged in the middle of close()


def test_a_warning_of_close_that_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SummaryWriter(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(
            warnings, "showwarning", lambda words, *more: writer.add_text("told", str(words), 0)
        )
        writer.add_scalar("x", 1, 7)
        writer.add_scalar("x", 1, 3)  # told of by close
        writer.close()
    for step in range(5):
        writer.add_text("text", "words", step)
    writer.close()
    assert steps_in(tmp_path) == {"x": [7, 3], "told": [0], "text": list(range(5))}
    assert len(steps_by_file(tmp_path)) == 2


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that signal here")
def test_a_signal_in_the_middle_of_close(tmp_path: Path, disk: Disk) -> None:
    caught = threading.Event()

    def handle(number: int, frame: object) -> None:
        caught.set()
        writer.add_text("signal", "caught", 0)

    writer = SummaryWriter(tmp_path)
    writer.flush()
    disk.stop()
    before = signal.signal(signal.SIGALRM, handle)
    try:
        writer.add_scalar("x", 1, 1)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        threading.Timer(0.5, disk.go_on.set).start()
        writer.close()
    finally:
        disk.go_on.set()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert caught.is_set()
    for step in range(5):
        writer.add_text("text", "words", step)
    writer.close()
    assert steps_in(tmp_path) == {"x": [1], "signal": [0], "text": list(range(5))}
    assert len(steps_by_file(tmp_path)) == 2


def test_a_signal_while_the_thread_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its handler runs where the lock is held, and waits for the thread, which wants it."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "tbio":
            writer.add_scalar("signal", 1, 1)
            writer.flush()
            found.append(steps_in(tmp_path, torn=True))

    found: list[dict[str, list[int]]] = []
    writer = SummaryWriter(tmp_path)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    ended(in_thread(lambda: writer.add_scalar("x", 0, 0)))
    writer.close()
    assert found == [{"x": [0], "signal": [1]}]
    assert steps_in(tmp_path) == found[0]


def test_a_full_queue_is_closed_while_the_disks_refusal_is_logged(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The callable waits for the lock of who closes, who must not wait for the callable then."""
    monkeypatch.setattr(background, "_QUEUE_ENTRIES", 1000)
    monkeypatch.setattr(background, "_QUEUE_ROOM", 100)
    told, closing = threading.Event(), threading.Event()

    def tell(error: OSError) -> None:
        told.set()
        assert closing.wait(60)
        with pytest.raises(tbio.WriterClosedError):
            writer.add_text("refused", str(error), 0)

    writer = SummaryWriter(tmp_path, on_error=tell)
    writer.set_hparams({"rate": 0.1})
    writer.flush()
    disk.is_full = True
    writer.add_scalar("x", 0, 0)
    assert told.wait(60)
    for step in range(1, 1000):
        writer.add_scalar("x", step, step)
    disk.is_full = False
    thread = in_thread(writer.close)
    threading.Timer(0.3, closing.set).start()
    ended(thread)
    assert steps_in(tmp_path)["x"] == list(range(1000))
    run = tbio.open(tmp_path)["."]
    assert run.hparams is not None
    assert run.hparams.status == "success"


def test_flush_while_another_thread_closes(tmp_path: Path, disk: Disk) -> None:
    writer = SummaryWriter(tmp_path)
    writer.flush()
    disk.stop()
    writer.add_scalar("x", 1, 1)
    closing = in_thread(writer.close)
    assert disk.at_it.wait(60)
    threading.Timer(0.3, disk.go_on.set).start()
    writer.flush()
    assert steps_in(tmp_path, torn=True) == {"x": [1]}
    ended(closing)


def test_a_summary_writer_is_closed_twice_at_once(tmp_path: Path, disk: Disk) -> None:
    writer = summary.create_file_writer(tmp_path)
    writer.flush()
    disk.stop()
    with writer.as_default():
        summary.scalar("x", 1.0, step=1)
        closing = in_thread(writer.close)
        assert disk.at_it.wait(60)
        threading.Timer(0.3, disk.go_on.set).start()
        writer.close()
    assert steps_in(tmp_path, torn=True) == {"x": [1]}
    ended(closing)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callable_that_ends_its_thread(tmp_path: Path, disk: Disk) -> None:
    """It does not: what is logged afterwards is written as ever."""

    def leave(error: OSError) -> None:
        disk.is_full = False
        raise SystemExit

    with SummaryWriter(tmp_path, on_error=leave) as writer:
        writer.flush()
        disk.is_full = True
        writer.add_scalar("x", 0, 0)
        ends = time.monotonic() + 60
        while disk.is_full:
            assert time.monotonic() < ends
            time.sleep(0.01)
        writer.add_scalar("x", 1, 1)
        while steps_in(tmp_path, torn=True).get("x") != [0, 1]:  # without a flush
            assert time.monotonic() < ends, "is not written"
            time.sleep(0.01)


# ---------------------------------------------------------------- forks

FORK = """
import os, signal, sys, threading, time
from tbio import GlobalSummaryWriter, SummaryWriter
folder, held, go = sys.argv[1], threading.Event(), threading.Event()
def hold(lock):
    with lock:
        held.set()
        go.wait(60)
{before}
held.wait(60)
child = os.fork()
if not child:
    signal.alarm(20)  # ends it if it hangs
    {child}
    os._exit(0)
status = os.waitpid(child, 0)[1]
go.set()
{after}
sys.exit(os.waitstatus_to_exitcode(status))
"""


def forked(folder: Path, **code: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORK.format(**code), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_fork
def test_a_child_of_a_process_in_which_a_thread_opens_files(tmp_path: Path) -> None:
    forked(
        tmp_path,
        before=(
            "writer = SummaryWriter(folder)\n"
            "writer.add_text('parent', 'words', 0)\n"
            "threading.Thread(target=hold, args=(writer._turn(),), daemon=True).start()"
        ),
        child="writer.add_text('child', 'words', 0); writer.close()",
        after="writer.add_text('parent', 'words', 1); writer.close()",
    )
    assert steps_in(tmp_path) == {"parent": [0, 1], "child": [0]}


@needs_fork
def test_a_child_of_a_process_in_which_a_thread_counts(tmp_path: Path) -> None:
    forked(
        tmp_path,
        before=(
            "writer = GlobalSummaryWriter(folder, coalesce_process=False)\n"
            "counting = writer._counts.next('scalar', 'x')\n"
            "threading.Thread(target=hold, args=(counting,), daemon=True).start()"
        ),
        child="writer.add_scalar('child', 1.0); writer.close()",
        after="writer.add_scalar('parent', 1.0); writer.close()",
    )
    assert steps_in(tmp_path) == {"child": [0], "parent": [0]}


@needs_fork
def test_a_file_that_is_being_closed_is_not_closed_by_a_child(tmp_path: Path) -> None:
    """Its number may be somebody else's by then."""
    forked(
        tmp_path,
        before=(
            "writer = SummaryWriter(folder)\n"
            "writer.add_scalar('parent', 1, 0)\n"
            "writer.flush()\n"
            "close = os.close\n"
            "def slow(file):\n"
            "    close(file)\n"
            "    held.set()\n"
            "    go.wait(60)\n"
            "os.close = slow\n"
            "file = writer.file_writer.event_writer\n"
            "threading.Thread(target=file.release, daemon=True).start()"
        ),
        child="os.close = close; writer.add_scalar('child', 1, 0); writer.close()",
        after="os.close = close; writer.add_scalar('parent', 1, 1); writer.close()",
    )
    assert steps_in(tmp_path) == {"parent": [0, 1], "child": [0]}


# ---------------------------------------------------------------- looked at, then done


def test_trials_of_several_threads(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:

        def log(number: int) -> None:
            for trial in range(10):
                writer.add_hparams({"rate": 100 * number + trial}, {"loss": 1.0})

        side_by_side(4, log)
    found = (run.hparams for run in tbio.open(tmp_path).values())
    assert sorted(str(one.values["rate"]) for one in found if one) == sorted(
        f"{100 * number + trial}.0" for number in range(4) for trial in range(10)
    )


def test_charts_of_several_threads(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:

        def log(number: int) -> None:
            for chart in range(10):
                tags = [f"{number}/{chart}"]
                writer.add_custom_scalars_multilinechart(tags, f"of {number}", f"{chart}")

        side_by_side(4, log)
    shown = tbio.open(tmp_path).layout()
    assert {one.title: len(one.charts) for one in shown.categories} == {
        f"of {number}": 10 for number in range(4)
    }


def test_the_global_writer_of_several_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found: list[GlobalSummaryWriter] = []
    for rounds in range(1, 21):
        monkeypatch.setattr(GlobalSummaryWriter, "_one", None)
        side_by_side(4, lambda number: found.append(GlobalSummaryWriter.getSummaryWriter()))
        assert len(set(map(id, found))) == rounds
        found[-1].close()


def test_a_finalizer_that_logs_in_the_middle_of_a_count(tmp_path: Path) -> None:
    writer = GlobalSummaryWriter(tmp_path)

    def log() -> None:
        with writer._counts.next("scalar", "x"):
            writer.add_scalar("y", 1.0)

    ended(in_thread(log))
    writer.add_scalar("x", 1.0)
    writer.close()
    assert steps_in(tmp_path) == {"y": [0], "x": [1]}


def test_runs_of_data_sets_are_closed_while_they_are_logged(tmp_path: Path) -> None:
    runs = DatasetRuns(tmp_path)

    def work(number: int) -> None:
        for step in range(20):
            if number == 4:
                runs.close()
            else:
                runs.log(f"set{step}", f"loss{number}", number, step)

    side_by_side(5, work)
    runs.close()
    for step in range(20):
        assert steps_in(tmp_path / f"set{step}") == {f"loss{number}": [step] for number in range(4)}


def test_steps_of_one_thread_are_not_those_of_another(tmp_path: Path) -> None:
    writer = FileWriter(tmp_path)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with writer.use_metadata(global_step=5):
            inside.set()
            leave.wait(60)

    thread = in_thread(other)
    assert inside.wait(60)
    with writer.use_metadata(global_step=9):
        leave.set()
        ended(thread)
        writer.add_summary(summary_protos.scalar("x", 1.0))
    writer.add_summary(summary_protos.scalar("y", 1.0))
    writer.close()
    assert steps_in(tmp_path) == {"x": [9], "y": [0]}
