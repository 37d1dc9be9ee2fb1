"""What is in the log after a process ended, forked, was interrupted, or lost its disk.

Real processes and real signals; what they left is counted by TensorBoard's own reader.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from raw_log import events_in, steps_by_file, steps_in

import tbio
from tbio import SummaryWriter

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals, fork and limits")

#: A hang is a failure, and ends the child.
LIMIT = 30
#: By when another process sees what was logged, in seconds (issue: "on disk soon").
SOON = 2.0

Child: TypeAlias = "subprocess.Popen[str]"

BEGIN = """
import atexit, gc, json, multiprocessing, os, random, resource, shutil, signal, sys, threading, time
import numpy as np
import tbio
from tbio import SummaryWriter
"""


@contextlib.contextmanager
def running(code: str, *words: object, before: Sequence[str] = ()) -> Iterator[Child]:
    """A child that runs a script; it does not outlive the block."""
    command = [*before, sys.executable, "-c", code, *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def run(code: str, *words: object, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """What a script prints and its exit code; it fails when it takes too long."""
    with running(code, *words, before=before) as child:
        printed, errors = child.communicate(timeout=LIMIT)
        return subprocess.CompletedProcess(child.args, child.returncode, printed, errors)


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition comes true in time."""
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return met


def upto(count: int) -> list[int]:
    return list(range(count))


# ---- ends at which Python runs its exit handlers: nothing is lost, closed or not

LOG = (
    BEGIN
    + """
writer = SummaryWriter(sys.argv[1])
noise = np.random.default_rng(0).integers(0, 255, (3, 300, 300), np.uint8)
for step in range(1000):
    writer.add_scalar("x", step, step)
    if step % 100 == 0:
        writer.add_image("picture", noise, step)
writer.add_scalars("m", {"a": 1}, 7)
"""
)

#: How the script goes on, and its exit code.
ENDS = {
    "normal": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "exception": ("raise RuntimeError('the loop broke')", 1),
    "exception in a block": ("with writer: raise RuntimeError('the loop broke')", 1),
    "SIGINT": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -signal.SIGINT),
    "SIGTERM": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
        5,
    ),
    # dropped without close; the exit handlers do not run
    "collected": ("del writer; gc.collect(); os._exit(4)", 4),
    "collected in a circle": ("writer.self = writer; del writer; gc.collect(); os._exit(4)", 4),
    "closed": ("writer.close(); os._exit(4)", 4),
    "flushed": ("writer.flush(); os._exit(4)", 4),
}


@pytest.fixture(scope="module")
def ended(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[Path, subprocess.CompletedProcess[str]]]:
    """The folder and the outcome of each of `ENDS`; they run side by side."""
    folders = {name: tmp_path_factory.mktemp("ended") for name in ENDS}
    with ThreadPoolExecutor(4) as pool:
        outcomes = {
            name: pool.submit(run, LOG + how, folders[name]) for name, (how, _) in ENDS.items()
        }
    return {name: (folders[name], outcomes[name].result()) for name in ENDS}


@pytest.mark.parametrize("end", ENDS)
def test_an_end_loses_nothing(
    ended: dict[str, tuple[Path, subprocess.CompletedProcess[str]]], end: str
) -> None:
    folder, done = ended[end]
    assert done.returncode == ENDS[end][1], done.stderr
    assert "Exception ignored" not in done.stderr
    assert steps_in(folder) == {"x": upto(1000), "picture": list(range(0, 1000, 100))}
    assert steps_in(folder / "m_a") == {"m": [7]}


def test_threads_that_log_to_the_end_do_not_hold_it_up(tmp_path: Path) -> None:
    done = run(
        BEGIN
        + """
writer = SummaryWriter(sys.argv[1])
def log(name):
    step = 0
    while True:
        writer.add_scalar(name, step, step)
        step += 1
        if step % 50 == 0:
            time.sleep(0.001)
for name in "abcd":
    threading.Thread(target=log, args=(name,), daemon=True).start()
time.sleep(0.1)
""",
        tmp_path,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    found = steps_in(tmp_path)
    assert sorted(found) == ["a", "b", "c", "d"]
    for steps in found.values():
        assert len(steps) >= 50
        assert steps == upto(len(steps))


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize("order", ["before tbio's own handlers", "after them"])
def test_logging_in_an_exit_handler(tmp_path: Path, order: str, close: bool) -> None:
    late = """
import atexit, sys
kept = []
def late():
    fresh = SummaryWriter(sys.argv[1] + "/fresh")
    kept.append(fresh)
    for one in (writer, fresh):
        one.add_scalar("late", 1, 1)
        if CLOSE:
            one.close()
""".replace("CLOSE", str(close))
    register = "atexit.register(late)\n"
    make = BEGIN + "writer = SummaryWriter(sys.argv[1])\nwriter.add_scalar('early', 0, 0)\n"
    # the handlers run in the opposite order
    code = late + (register + make if order == "after them" else make + register)
    done = run(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert steps_in(tmp_path) == {"early": [0], "late": [1]}
    assert steps_in(tmp_path / "fresh") == {"late": [1]}


def test_logging_while_the_interpreter_is_taken_down(tmp_path: Path) -> None:
    """No thread can be started by then, and those there were are gone."""
    done = run(
        BEGIN
        + """
class Last:
    def __init__(self, writer):
        self.writer = writer
    def __del__(self):
        self.writer.add_scalar("x", 1, 1)
        self.writer.flush()
        self.writer.add_scalar("x", 2, 2)
        self.writer.close()
last = Last(SummaryWriter(sys.argv[1]))
last.writer.add_scalar("x", 0, 0)
sys.modules["keeps it to the end"] = last
""",
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert steps_in(tmp_path) == {"x": [0, 1, 2]}


# ---- ends at which nothing of ours runs


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_what_was_logged_two_seconds_ago_survives_anything(tmp_path: Path, end: str) -> None:
    code = """
writer = SummaryWriter(sys.argv[1])
for step in range(500):
    writer.add_scalar("x", step, step)
print("logged", flush=True)
end = sys.stdin.readline()
for step in range(500, 1000):
    writer.add_scalar("x", step, step)
if end == "exit\\n":
    os._exit(9)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with running(BEGIN + code, tmp_path) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "logged\n"
        seen = until(lambda: steps_in(tmp_path, torn=True).get("x") == upto(500), SOON)
        assert seen, "another process does not see it"
        child.stdin.write(f"{end}\n")
        child.stdin.flush()
        assert child.wait(LIMIT) in (9, -signal.SIGKILL)
    steps = steps_in(tmp_path, torn=True)["x"]
    assert len(steps) >= 500
    assert steps == upto(len(steps))  # of the rest, no event without those before it


def test_a_kill_in_the_middle_costs_two_seconds_at_most(tmp_path: Path) -> None:
    code = """
writer = SummaryWriter(sys.argv[1])
step = 0
while True:
    writer.add_scalar("x", step, step)
    step += 1
    if step % 20 == 0:
        time.sleep(0.002)
"""

    def size() -> int:
        return sum(path.stat().st_size for path in tmp_path.iterdir())

    with running(BEGIN + code, tmp_path) as child:
        assert until(lambda: size() > 50_000, LIMIT)
        child.kill()
        killed = time.time()
        child.wait(LIMIT)
    (path,) = tmp_path.iterdir()
    events = [event for event in events_in(path, torn=True) if event.summary.value]
    assert [event.step for event in events] == upto(len(events))
    assert events[-1].wall_time > killed - SOON


def test_flush_returns_when_others_see_it(tmp_path: Path) -> None:
    """The child stops itself at once, so that nothing of it works on meanwhile."""
    code = """
writer = SummaryWriter(sys.argv[1])
for number in range(5):
    for step in range(200):
        writer.add_scalar("x", step, 200 * number + step)
    writer.add_scalars("m", {"a": 1}, number)
    writer.flush()
    os.kill(os.getpid(), signal.SIGSTOP)
os._exit(0)
"""
    with running(BEGIN + code, tmp_path) as child:
        for number in range(5):
            _, status = os.waitpid(child.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            assert steps_in(tmp_path) == {"x": upto(200 * (number + 1))}
            assert steps_in(tmp_path / "m_a") == {"m": upto(number + 1)}
            child.send_signal(signal.SIGCONT)
        assert child.wait(LIMIT) == 0


def test_flush_with_sync_asks_the_disk_for_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[int, int] = {}  # inode -> size then

    def sync(descriptor: int) -> None:
        state = os.fstat(descriptor)
        synced[state.st_ino] = state.st_size

    monkeypatch.setattr(os, "fsync", sync)
    if hasattr(os, "fdatasync"):
        monkeypatch.setattr(os, "fdatasync", sync)
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 1, 1)
        writer.flush()
        assert synced == {}
        writer.add_scalars("m", {str(key): key for key in range(40)}, 1)
        writer.flush(sync=True)
        files = [path.stat() for path in tmp_path.rglob("*tfevents*")]
        assert len(files) == 41
        assert synced == {file.st_ino: file.st_size for file in files}


# ---- interrupts

STORM = (
    BEGIN
    + """
def interrupt(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
random.seed(int(sys.argv[2]))
writer = SummaryWriter(sys.argv[1])
step, interrupts, unsure = 0, 0, []
for _ in range(ROUNDS):
    sure = True
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 2e-3))
        for _ in range(20_000):
            step += 1
            sure = False
            writer.add_scalar("x", step, step)
            sure = True
            MORE
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupts += 1
    if not sure:
        unsure.append(step)
writer.close()
print(json.dumps([step, interrupts, unsure]))
"""
)
STORMS = {
    "add_scalar": (100, ""),
    "flush": (200, "step % 5 or writer.flush()"),
    "close": (100, "step % 20 or writer.close()"),
}


@pytest.mark.parametrize("where", STORMS)
def test_interrupts_neither_lose_nor_double_an_event(tmp_path: Path, where: str) -> None:
    """Ctrl-C at any moment: every call that returned is in the log once, one that was cut short
    at most once."""
    rounds, more = STORMS[where]
    done = run(STORM.replace("ROUNDS", str(rounds)).replace("MORE", more), tmp_path, 7)
    assert done.returncode == 0, done.stderr
    count, interrupts, unsure = json.loads(done.stdout)
    assert interrupts > rounds * 0.9, "few interrupts reached the loop"
    steps = steps_in(tmp_path)["x"]
    assert len(steps) == len(set(steps)), "some events are there twice"
    assert steps == sorted(steps)
    assert set(range(1, count + 1)) - set(steps) <= set(unsure)


def test_a_signal_handler_may_log(tmp_path: Path) -> None:
    """It runs in the middle of any line of the main thread, also of flush()."""
    done = run(
        BEGIN
        + """
writer = SummaryWriter(sys.argv[1])
signals = 0
def log(*_):
    global signals
    writer.add_scalar("signal", signals, signals)
    writer.flush()
    signals += 1
    signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 1e-3))  # and not within itself
signal.signal(signal.SIGALRM, log)
signal.setitimer(signal.ITIMER_REAL, 0.001)
step = 0
while signals < 200:
    writer.add_scalar("x", step, step)
    step += 1
    if step % 7 == 0:
        writer.flush()
signal.setitimer(signal.ITIMER_REAL, 0)
writer.close()
print(json.dumps([step, signals]))
""",
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    step, signals = json.loads(done.stdout)
    assert steps_in(tmp_path) == {"x": upto(step), "signal": upto(signals)}


# ---- processes

FORKS = (
    BEGIN
    + """
ENDS = ["nothing", "flush", "close", "exit"]
writer = SummaryWriter(sys.argv[1])
logged, going = 0, True
def log():
    global logged
    while going:
        writer.add_scalar("parent", logged, logged)
        logged += 1
        if logged % 20 == 0:
            time.sleep(0.0005)
thread = threading.Thread(target=log)
thread.start()
children = []
for number in range(12):
    time.sleep(random.uniform(0, 0.02))
    child = os.fork()
    if child:
        children.append(child)
        continue
    signal.alarm(10)
    end = ENDS[number % 4]
    if end == "nothing":
        os._exit(0)
    for step in range(100):
        writer.add_scalar(f"child {number}", step, step)
    if end == "exit":
        sys.exit()
    getattr(writer, end)()
    os._exit(0)
ends = [os.waitpid(child, 0)[1] for child in children]
going = False
thread.join()
print(json.dumps([logged, ends]))
"""
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_forks_in_the_middle_of_a_threads_logging(tmp_path: Path) -> None:
    done = run(FORKS, tmp_path)
    assert done.returncode == 0, done.stderr
    logged, ends = json.loads(done.stdout)
    assert ends == [0] * 12
    logs = steps_by_file(tmp_path)
    assert all(len(log) == 1 for log in logs), "processes share a file"
    expected = {f"child {number}": upto(100) for number in range(12) if number % 4}
    assert steps_in(tmp_path) == {"parent": upto(logged), **expected}
    assert len(logs) == 1 + len(expected)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_that_are_handed_the_writer(tmp_path: Path, method: str) -> None:
    """They end as multiprocessing has it, without the exit handlers, and without close()."""
    done = run(
        BEGIN
        + """
context = multiprocessing.get_context(sys.argv[2])
writer = SummaryWriter(sys.argv[1])
for step in range(100):
    writer.add_scalar("parent", step, step)
children = [context.Process(target=writer.add_scalar, args=("child", n, n)) for n in range(2)]
for child in children:
    child.start()
for step in range(100, 200):
    writer.add_scalar("parent", step, step)
for child in children:
    child.join(20)
print(json.dumps([child.exitcode for child in children]))
""",
        tmp_path,
        method,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [0, 0]
    assert all(len(log) == 1 for log in steps_by_file(tmp_path)), "processes share a file"
    found = steps_in(tmp_path)
    assert found["parent"] == upto(200)
    assert sorted(found["child"]) == [0, 1]


# ---- disks

FULL = (
    BEGIN
    + """
how, room = sys.argv[2:]
told, raised = [], []
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
def tell(error):
    told.append(error.errno)
def call(method, *args):
    try:
        method(*args)
    except tbio.WriteFailedError as error:
        raised.append([method.__name__, error.__cause__.errno])

writer = SummaryWriter(sys.argv[1], on_error=tell if how == "callable" else how)
limit(20_000)
for step in range(2000):
    call(writer.add_scalar, "x", step, step)
    if step % 500 == 0:
        time.sleep(0.05)
call(writer.flush)
if room == "comes back":
    limit(resource.RLIM_INFINITY)
    call(writer.flush)
    before = len(raised)
    call(writer.add_scalar, "x", 2000, 2000)
    assert len(raised) == before, raised
call(writer.close)
print(json.dumps([writer.dropped, told, raised]))
"""
)


@pytest.mark.parametrize("room", ["comes back", "never"])
@pytest.mark.parametrize("how", ["warn", "raise", "callable"])
def test_a_full_disk(tmp_path: Path, how: str, room: str) -> None:
    """A limit on the size of files: the file takes a part of a record, and then no byte more."""
    done = run(FULL, tmp_path, how, room)
    assert done.returncode == 0, done.stderr
    dropped, told, raised = json.loads(done.stdout)
    steps = steps_in(tmp_path, torn=room == "never")["x"]
    assert steps == upto(len(steps))
    if room == "comes back":
        assert (len(steps), dropped) == (2001, 0)
    else:
        assert 200 < len(steps) < 2000
        assert len(steps) + dropped == 2000
    warnings = done.stderr.count("TbioWarning")
    lost = room == "never"
    assert done.stderr.count("events were lost") == lost
    if how == "warn":
        assert warnings == 1 + lost
        assert f"{tmp_path}/events.out" in done.stderr
        assert os.strerror(errno.EFBIG) in done.stderr
    else:
        assert warnings == lost
    assert (len(told) > 0) == (how == "callable")
    assert set(told) <= {errno.EFBIG}
    assert {number for _, number in raised} <= {errno.EFBIG}
    methods = {name for name, _ in raised}
    assert methods == {
        ("raise", "comes back"): {"add_scalar", "flush"},
        ("raise", "never"): {"add_scalar", "flush", "close"},
    }.get((how, room), set())


def _small_disk(folder: Path) -> list[str]:
    """What to put in front of a command so that a folder is a disk of 64 KiB, for it alone."""
    mounted = 'mount -t tmpfs -o size=64k tbio "$0" && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted, str(folder)]
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        pytest.skip(f"no small disk to fill: {error}")
    if tried.returncode:
        pytest.skip(f"no small disk to fill: {tried.stderr.strip()}")
    return command


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    done = run(
        BEGIN
        + """
disk, copy = sys.argv[1:]
with open(disk + "/ballast", "wb") as file:
    file.write(bytes(40_000))
writer = SummaryWriter(disk)
for step in range(1000):
    writer.add_scalar("x", step, step)
    if step % 300 == 0:
        time.sleep(0.05)
writer.flush()
os.remove(disk + "/ballast")
writer.flush()
for step in range(1000, 1100):
    writer.add_scalar("x", step, step)
writer.close()
shutil.copytree(disk, copy)
print(writer.dropped)
""",
        disk,
        copy,
        before=_small_disk(disk),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(os.strerror(errno.ENOSPC)) == 1
    assert done.stderr.count("TbioWarning") == 1
    assert done.stdout == "0\n"
    assert steps_in(copy) == {"x": upto(1100)}


def test_a_folder_that_is_removed(tmp_path: Path) -> None:
    """It is made anew; what stood in it is gone, and nothing that was logged since."""
    writer = SummaryWriter(tmp_path / "run")
    for step in range(100):
        writer.add_scalar("x", step, step)
    writer.flush()
    with pytest.warns(tbio.TbioWarning, match="removed"):
        shutil.rmtree(tmp_path / "run")
        for step in range(100, 200):
            writer.add_scalar("x", step, step)
        writer.flush()
        writer.flush()
    writer.add_scalar("x", 200, 200)
    writer.close()
    assert steps_in(tmp_path / "run") == {"x": list(range(100, 201))}
    assert writer.dropped == 0


#: Root may write everywhere, unless it gives this right away.
_NOT_ROOT = ("setpriv", "--bounding-set", "-dac_override", "--inh-caps", "-dac_override")


def test_a_folder_that_becomes_read_only(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    before: tuple[str, ...] = ()
    if os.getuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root may write into a read-only folder, and there is no setpriv")
        before = _NOT_ROOT
    done = run(
        BEGIN
        + """
folder = sys.argv[1]
writer = SummaryWriter(folder)
writer.add_scalar("x", 0, 0)
writer.flush()
os.chmod(folder, 0o555)
writer.add_scalar("x", 1, 1)  # the file is open
writer.add_scalars("m", {"a": 1}, 1)
writer.flush()
try:
    SummaryWriter(folder)
except PermissionError:
    print("refused")
os.chmod(folder, 0o755)
writer.flush()
writer.add_scalars("m", {"a": 2}, 2)
writer.close()
os.chmod(folder, 0o555)
writer.add_scalar("x", 2, 2)  # in a new file
writer.flush()
os.chmod(folder, 0o755)
writer.close()
print(writer.dropped)
""",
        folder,
        before=before,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "refused\n0\n"
    assert done.stderr.count(os.strerror(errno.EACCES)) == 2
    assert steps_in(folder) == {"x": [0, 1, 2]}
    assert steps_in(folder / "m_a") == {"m": [1, 2]}


class StuckDisk:
    """Stands in for os.write: says nothing until it is let go, and then that all is written."""

    def __init__(self, store: bool) -> None:
        self.stuck = threading.Event()
        self.let_go = threading.Event()
        self.taken = 0
        self._write = os.write if store else lambda descriptor, data: len(data)

    def __call__(self, descriptor: int, data: Any) -> int:
        self.stuck.set()
        assert self.let_go.wait(LIMIT)
        written = self._write(descriptor, data)
        self.taken += written
        return written


def _log_some(writer: SummaryWriter) -> None:
    picture = np.zeros((3, 8, 8), np.uint8)
    for step in range(1000):
        writer.add_scalar("x", step, step)
        writer.log({"y": step, "z": step}, step)
    writer.add_image("picture", picture, 0)
    writer.add_text("text", "words", 0)
    writer.add_histogram("histogram", picture, 0)


def _log_new_files(writer: SummaryWriter) -> None:
    for step in range(10):
        writer.add_scalars("m", {str(key): step for key in range(10)}, step)


@pytest.mark.parametrize("log", [_log_some, _log_new_files])
def test_a_stuck_disk_does_not_stop_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Callable[[SummaryWriter], None]
) -> None:
    writer = SummaryWriter(tmp_path)
    disk = StuckDisk(store=True)
    monkeypatch.setattr(os, "write", disk)
    loop = threading.Thread(target=log, args=(writer,), daemon=True)
    try:
        writer.add_scalar("first", 0, 0)
        assert disk.stuck.wait(LIMIT)
        loop.start()
        loop.join(5)
        waits = loop.is_alive()
    finally:
        disk.let_go.set()
    loop.join(LIMIT)
    writer.close()
    assert not waits, "the loop waits for the disk"
    found = steps_in(tmp_path)
    if log is _log_some:
        assert found["x"] == found["y"] == found["z"] == upto(1000)
    else:
        assert [steps_in(tmp_path / f"m_{key}") for key in range(10)] == [{"m": upto(10)}] * 10


def test_a_stuck_disk_holds_the_loop_before_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back-pressure: the caller waits once enough is held, and nothing is left out."""
    writer = SummaryWriter(tmp_path)
    disk = StuckDisk(store=False)
    monkeypatch.setattr(os, "write", disk)
    array = np.zeros(1 << 20, np.float32)  # 4 MiB
    handed_over = 0

    def log() -> None:
        nonlocal handed_over
        for step in range(64):
            writer.add_tensor("x", array, step)
            handed_over += 1

    loop = threading.Thread(target=log, daemon=True)
    try:
        writer.add_scalar("first", 0, 0)
        assert disk.stuck.wait(LIMIT)
        loop.start()
        held = -1
        while held < handed_over:  # until it stands still
            held = handed_over
            time.sleep(0.3)
    finally:
        disk.let_go.set()
    loop.join(LIMIT)
    writer.close()
    assert 0 < held < 60, "256 MiB are not too much for it"
    assert handed_over == 64
    assert disk.taken > 64 * array.nbytes
