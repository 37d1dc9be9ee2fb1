"""Threads that share a writer, writers that share a folder, and what writers leave behind."""

from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from raw_log import steps_by_file, steps_in

import tbio
from tbio import SummaryWriter, background

ROOT = Path(__file__).parent.parent


def upto(count: int) -> list[int]:
    return list(range(count))


def side_by_side(*jobs: Callable[[], None]) -> None:
    """Run them in threads of their own; what one of them raises is raised."""
    raised: list[BaseException] = []
    together = threading.Barrier(len(jobs))

    def run(job: Callable[[], None]) -> None:
        try:
            together.wait()
            job()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + 300
    while any(thread.is_alive() for thread in threads) and not raised:
        assert time.monotonic() < ends, "hangs"
        time.sleep(0.01)
    if raised:
        raise raised[0]


@pytest.fixture(autouse=True)
def often_switched() -> object:
    """Threads take turns at any line, not only every 5 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_eight_threads_keep_their_order(tmp_path: Path) -> None:
    each = 10_000
    told = pytest.warns(tbio.TbioWarning, match="'shared': step .* after step")
    with told, SummaryWriter(tmp_path) as writer:

        def log(thread: int) -> Callable[[], None]:
            def job() -> None:
                for step in range(each):
                    if step % 10:
                        writer.add_scalar(f"own/{thread}", step, step)
                    else:
                        writer.add_scalar("shared", thread, thread * each + step)

            return job

        side_by_side(*map(log, range(8)))
    found = steps_in(tmp_path)
    shared = found.pop("shared")
    assert found == {f"own/{thread}": [n for n in upto(each) if n % 10] for thread in range(8)}
    assert len(shared) == 8 * each // 10
    for thread in range(8):
        mine = [step - thread * each for step in shared if step // each == thread]
        assert mine == list(range(0, each, 10))


def test_threads_log_every_kind(tmp_path: Path) -> None:
    picture = np.zeros((3, 8, 8), np.uint8)
    kinds: dict[str, Callable[[int], None]] = {
        "scalar": lambda step: writer.add_scalar("scalar", step, step),
        "image": lambda step: writer.add_image("image", picture, step),
        "histogram": lambda step: writer.add_histogram("histogram", picture, step),
        "text": lambda step: writer.add_text("text", "words", step),
        "tensor": lambda step: writer.add_tensor("tensor", picture, step),
        "log": lambda step: writer.log({"log": step}, step),
        "scalars": lambda step: writer.add_scalars("m", {"a": step}, step),
        "flush": lambda step: writer.flush(),
    }
    with SummaryWriter(tmp_path) as writer:

        def log(one: Callable[[int], None]) -> Callable[[], None]:
            def job() -> None:
                for step in range(200):
                    one(step)

            return job

        side_by_side(*map(log, kinds.values()))
    tags = ["histogram", "image", "log", "scalar", "tensor", "text"]
    assert steps_in(tmp_path) == {tag: upto(200) for tag in tags}
    assert steps_in(tmp_path / "m_a") == {"m": upto(200)}


def test_close_races_with_logging(tmp_path: Path) -> None:
    """What is logged behind a close goes into a new file; no call is lost between the two."""
    writer = SummaryWriter(tmp_path)
    each = 2000
    logging = set(range(4))

    def log(thread: int) -> Callable[[], None]:
        def job() -> None:
            try:
                for step in range(each):
                    writer.add_scalar(str(thread), step, step)
                    if step % 100 == 0:
                        writer.add_scalars("m", {str(thread): step}, step)
            finally:
                logging.discard(thread)

        return job

    closed = 0

    def close() -> None:
        nonlocal closed
        while logging:
            writer.close()
            closed += 1

    side_by_side(close, *map(log, range(4)))
    writer.close()
    assert closed > 1
    found = steps_in(tmp_path)
    everything = {str(thread): upto(each) for thread in range(4)}
    assert {thread: sorted(steps) for thread, steps in found.items()} == everything
    assert found == everything, "the order is lost from one file to the next"
    for thread in range(4):
        assert steps_in(tmp_path / f"m_{thread}") == {"m": list(range(0, each, 100))}
    assert writer.dropped == 0


def test_what_came_too_late_is_found_among_what_others_append() -> None:
    queue = background.Background()
    queue.close()
    queue.queue.extend([(None, "others")] * 5000)
    appending = True

    def others() -> None:
        while appending:
            queue.queue.append((None, "others"))
            while len(queue.queue) > 10_000 and appending:
                time.sleep(0)

    def late() -> None:
        nonlocal appending
        try:
            for step in range(100):
                entry = (None, "late", step)
                queue.queue.append(entry)
                with pytest.raises(tbio.WriterClosedError):
                    queue.attend(entry)
        finally:
            appending = False

    side_by_side(others, late)
    assert set(queue.queue) == {(None, "others")}


def test_flush_races_with_logging(tmp_path: Path) -> None:
    """What a thread logged before its flush is there when that returns."""

    def log(thread: int) -> Callable[[], None]:
        def job() -> None:
            for step in range(300):
                writer.add_scalar(str(thread), step, step)
                if step % 30 == 29:
                    writer.flush()
                    assert steps_in(tmp_path, torn=True)[str(thread)] == upto(step + 1)

        return job

    with SummaryWriter(tmp_path) as writer:
        side_by_side(*map(log, range(3)))


WRITE = """
import sys, time
import tbio.event_file
from tbio import SummaryWriter
time.time = lambda: 1_700_000_000.0  # all in one second
tbio.event_file.socket.gethostname = lambda: "host"
sys.stdin.readline()
for number in range(2):
    with SummaryWriter(sys.argv[1]) as writer:
        for step in range(100):
            writer.add_scalar(f"{sys.argv[2]}/{number}", step, step)
"""


def test_writers_of_one_second_do_not_meet(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITE, str(tmp_path)]
    children = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, text=True) for name in "abc"
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.close()  # go
    assert [child.wait(60) for child in children] == [0, 0, 0]
    logs = steps_by_file(tmp_path)
    assert len(logs) == 6
    assert steps_in(tmp_path) == {
        f"{name}/{number}": upto(100) for name in "abc" for number in (0, 1)
    }


@pytest.mark.parametrize("end", ["close", "drop"])
def test_writers_leave_nothing_behind(tmp_path: Path, end: str) -> None:
    """Five hundred of them: no file, no thread, no memory.

    A table that they are all listed in for a while may grow at once, so that the least of several
    gains counts: what each writer leaves shows in all.
    """

    def use(count: int) -> None:
        for number in range(count):
            writer = SummaryWriter(tmp_path)
            writer.add_scalar("x", number, number)
            writer.add_scalars("m", {"a": number}, number)
            if end == "close":
                writer.close()
            del writer
        gc.collect()
        for thread in threading.enumerate():  # one that was told to end may still be about it
            if thread.name.startswith("tbio"):
                thread.join(10)

    def left() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc to count open files in")
    use(20)
    before = left()
    tracemalloc.start()
    try:
        use(40)
        gains = []
        for _ in range(3):
            held, _ = tracemalloc.get_traced_memory()
            use(150)
            gains.append(tracemalloc.get_traced_memory()[0] - held)
    finally:
        tracemalloc.stop()
    assert left() == before
    assert min(gains) < 150 * 40, "bytes: each writer leaves something"
    assert sorted(steps_in(tmp_path)["x"]) == sorted([*upto(20), *upto(40), *upto(150) * 3])


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end, "does not come"
        time.sleep(0.001)


def test_a_disk_that_takes_long_bounds_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who logs meanwhile waits, also with calls that do nothing but append."""
    count = 4000
    monkeypatch.setattr(background, "_QUEUE_ENTRIES", 1000)
    monkeypatch.setattr(background, "_QUEUE_ROOM", 100)
    stuck, again = threading.Event(), threading.Event()
    write = os.write

    def slow(file: int, data: bytes) -> int:
        if threading.current_thread().name == "tbio":
            stuck.set()
            assert again.wait(60)
        return write(file, data)

    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 0, 0)
        writer.flush()
        monkeypatch.setattr(os, "write", slow)
        writer.add_scalar("x", 1, 1)
        assert stuck.wait(20)

        def log() -> None:
            for step in range(2, count):
                writer.add_scalar("x", step, step)

        logging = threading.Thread(target=log)
        logging.start()
        logging.join(0.5)
        held = len(writer._background.queue)
        was_waiting = logging.is_alive()
        again.set()
        logging.join(60)
    assert (held, was_waiting) == (1000, True)
    assert steps_in(tmp_path) == {"x": upto(count)}


def test_the_thread_falls_asleep_beside_a_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that is held up after it woke the thread leaves it to be woken by the next one."""
    monkeypatch.setattr(background, "_INTERVAL", 0.001)
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 0, 0)
        writer.flush()
        lane = writer._background
        wait_until(lambda: lane._asleep)
        wake = lane._wake.set

        def wake_and_dream() -> None:
            monkeypatch.setattr(lane._wake, "set", wake)
            wake()
            wait_until(lambda: not lane.queue and not lane._asleep)
            wait_until(lambda: lane._asleep)

        monkeypatch.setattr(lane._wake, "set", wake_and_dream)
        writer.add_scalar("x", 1, 1)
        writer.add_scalar("x", 2, 2)
        wait_until(lambda: steps_in(tmp_path, torn=True)["x"] == [0, 1, 2])


@pytest.mark.parametrize("way", ["add_scalar", "log", "add_scalars"])
def test_closed_and_opened_in_the_middle_of_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """By another thread, when the call has looked at the writer and appends nothing yet."""
    writer = SummaryWriter(tmp_path, scalars_layout="tags")
    calls: dict[str, Callable[[int], None]] = {
        "add_scalar": lambda step: writer.add_scalar("m/x", step, step),
        "log": lambda step: writer.log({"m/x": step}, step),
        "add_scalars": lambda step: writer.add_scalars("m", {"x": step}, step),
    }
    calls[way](0)

    def other() -> None:
        writer.close()
        writer.add_text("t", "words", 0)
        writer.flush()

    def now() -> float:
        monkeypatch.undo()
        side_by_side(other)
        return time.time()

    monkeypatch.setattr(tbio.writer, "now", now)
    calls[way](1)
    writer.close()
    assert writer.dropped == 0
    assert steps_in(tmp_path) == {"m/x": [0, 1], "t": [0]}


def no_room(file: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, "no room")


def test_a_callable_logs_while_the_writer_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told that it cannot, and nobody waits for anybody."""
    told: list[Exception] = []

    def tell(error: OSError) -> None:
        if len(told) == 0:
            wait_until(lambda: writer._background.closed)
            try:
                writer.add_text("error", str(error), 0)
            except Exception as closed:
                told.append(closed)
            writer.close()

    writer = SummaryWriter(tmp_path, on_error=tell)
    monkeypatch.setattr(os, "write", no_room)
    writer.add_scalar("x", 0, 0)
    wait_until(lambda: not writer._background.queue)
    with pytest.warns(tbio.TbioWarning, match="were lost"):
        side_by_side(writer.close)
    assert [type(error) for error in told] == [tbio.WriterClosedError]


def test_a_callable_closes_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a finalizer on the thread may do, in the middle of a round: the next one is the last."""
    writer = SummaryWriter(tmp_path, on_error=lambda error: writer.close())
    lane = writer._background
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", no_room)
        writer.add_scalar("x", 0, 0)
        wait_until(lambda: lane.closed)
    assert lane._thread is not None
    lane._thread.join(20)
    assert lane._ended
    assert not lane._thread.is_alive()


def test_the_soak_in_little() -> None:
    """The script that shows it with ten million, so that it is there when it is wanted."""
    command = [sys.executable, "scripts/soak_write.py", "--scalars=40000", "--writers=5"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40,000 of 40,000" in done.stdout
    assert tbio.__version__ in done.stdout
