"""SummaryWriter and EventFileWriter: bytes, names, and what happens when things go wrong."""

from __future__ import annotations

import errno
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import is_fresh_start

import tbio
from tbio import SummaryWriter
from tbio.event_file import EventFileWriter
from tbio.file_writer import FileWriter
from tbio.masked_crc import masked_crc
from tbio.proto.event_pb2 import Event, SessionLog


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*tfevents*"))


def events_in(folder: Path) -> list[Event]:
    events = tbio.read_events(folder, on_damage="raise")
    return [event for event in events if not is_fresh_start(event)]


def points(folder: Path, tag: str, run: str = ".") -> list[tuple[int, float]]:
    series = tbio.open(folder, on_damage="raise")[run].scalars[tag]
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def framed(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    crcs = [struct.pack("<I", masked_crc(data)) for data in (length, payload)]
    return length + crcs[0] + payload + crcs[1]


def test_the_bytes_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Derived by hand from the field numbers of event.proto and summary.proto."""
    monkeypatch.setattr(time, "time", lambda: 2.0)
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", 0.5, 3, walltime=1.5)
        writer.add_scalar("loss", 1.0, 300, 1.5, new_style=True)
        writer.add_scalar("fine", 0.1, 1, 1.5, double_precision=True)
    wall_time = bytes.fromhex("09 000000000000f83f")  # field 1, double 1.5
    metadata = bytes.fromhex("4a 0d  0a 09 0a07 7363616c617273  20 01")  # "scalars", SCALAR
    expected = [
        # wall_time 2.0; field 3, "brain.Event:2"; field 10 {field 1, "tbio"}
        bytes.fromhex("09 0000000000000040  1a0d 627261696e2e4576656e743a32  5206 0a04 7462696f"),
        # wall_time 2.0; step 2**63 - 1; session_log {status START}
        bytes.fromhex("09 0000000000000040  10 ffffffffffffffff7f  3a02 0801"),
        # step 3; summary {value {tag "loss", simple_value 0.5}}
        wall_time + bytes.fromhex("10 03  2a0d  0a0b  0a04 6c6f7373  15 0000003f"),
        # step 300; value {tag "loss", tensor {dtype 1, shape {}, float_val [1.0]}}; the tag was met
        # before in this file, so no metadata
        wall_time
        + bytes.fromhex("10 ac02  2a14  0a12  0a04 6c6f7373  420a 0801 1200 2a04 0000803f"),
    ]
    stored = files_in(tmp_path)[0].read_bytes()
    assert stored.startswith(b"".join(map(framed, expected)))
    # step 1; value {tag "fine", tensor {1, {}, float_val [0.1], double_val [0.1]}, metadata}
    fine = bytes.fromhex("42 14  0801 1200  2a04 cdcccc3d  3208 9a9999999999b93f")
    value = bytes.fromhex("0a04 66696e65") + fine + metadata
    summary = bytes([0x0A, len(value)]) + value
    exact = wall_time + bytes.fromhex("10 01") + bytes([0x2A, len(summary)]) + summary
    assert stored == b"".join(map(framed, [*expected, exact]))


def test_file_name(tmp_path: Path) -> None:
    SummaryWriter(tmp_path, filename_suffix=".mine").close()
    (file,) = files_in(tmp_path)
    pattern = rf"events\.out\.tfevents\.\d{{10}}\.[\w.-]+\.{os.getpid()}\.\d{{6}}\.mine"
    assert re.fullmatch(pattern, file.name)


def test_no_two_writers_share_a_file(tmp_path: Path) -> None:
    writers = [SummaryWriter(tmp_path) for _ in range(20)]
    for number, writer in enumerate(writers):
        writer.add_scalar("n", number, number)
        writer.close()
    assert len(files_in(tmp_path)) == 20
    assert [step for step, _ in points(tmp_path, "n")] == list(range(20))


def test_a_name_that_is_taken_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["tfevents.a", "tfevents.b"])
    monkeypatch.setattr("tbio.event_file._new_name", lambda suffix, behind: next(names))
    (tmp_path / "tfevents.a").write_bytes(b"precious")
    EventFileWriter(tmp_path).close()
    assert (tmp_path / "tfevents.a").read_bytes() == b"precious"
    assert len(list(tbio.read_events(tmp_path / "tfevents.b"))) == 1


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_lr0.1") as writer:
        assert re.fullmatch(r"runs/[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d_[\w.-]+_lr0\.1", writer.log_dir)
    assert len(files_in(tmp_path / "runs")) == 1


def test_constructor_of_both_peers(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path / "a", "", 7, 20, 30, ".x")  # torch's order
    assert writer.log_dir == writer.logdir == writer.get_logdir() == str(tmp_path / "a")
    assert (writer.purge_step, writer.max_queue, writer.flush_secs) == (7, 20, 30)
    assert writer.filename_suffix == ".x"
    writer.close()
    with SummaryWriter(logdir=str(tmp_path / "b")) as other:  # tensorboardX's name
        assert other.log_dir == str(tmp_path / "b")
    with pytest.raises(ValueError, match="on_error"):
        SummaryWriter(tmp_path, on_error="panic")  # type: ignore[arg-type]


def test_points_come_back(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(5000):
            writer.add_scalar("train/loss", step / 8, step)
    assert points(tmp_path, "train/loss") == [(step, step / 8) for step in range(5000)]


def test_exact_doubles_come_back(tmp_path: Path) -> None:
    values = [0.1, -1 / 3, 1e-300, 2.0**53 + 2]
    with SummaryWriter(tmp_path) as writer:
        for step, value in enumerate(values):
            writer.add_scalar("x", value, step, double_precision=True)
    series = tbio.open(tmp_path)["."].scalars["x"]
    assert series.values.dtype == float
    assert series.values.tolist() == values


def test_beyond_float32_nothing_is_lost(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 1.0, 0)
        with pytest.warns(tbio.TbioWarning, match=r"'x': 1e\+300 is beyond float32") as warned:
            writer.add_scalar("x", 1e300, 1)
            writer.add_scalar("x", -1e300, 2)
        assert len(warned) == 1
        assert warned[0].filename == __file__
        writer.add_scalar("x", float("inf"), 3)
    assert points(tmp_path, "x") == [(0, 1.0), (1, 1e300), (2, -1e300), (3, float("inf"))]


def test_fifth_and_sixth_place(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("torch", 0.1, 1, None, True, True)
        writer.add_scalar("x", 0.1, 1, None, "name", "*words*")
    scalars = tbio.open(tmp_path)["."].scalars
    assert scalars["torch"].values.tolist() == [0.1]
    assert (scalars["x"].display_name, scalars["x"].description) == ("name", "*words*")


@pytest.mark.parametrize(
    ("step", "stored"),
    [(None, 0), (5, 5), (-3, -3), (2**63 - 1, 2**63 - 1), (-(2**63), -(2**63)), (2.0, 2)],
)
def test_steps(tmp_path: Path, step: Any, stored: int) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 1, step)
    assert points(tmp_path, "x") == [(stored, 1.0)]


def test_a_fraction_of_a_step_is_told(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.warns(tbio.TbioWarning, match=r"'x': step 1\.9 is no whole number") as warned:
            writer.add_scalar("x", 1, 1.9)
            writer.add_scalar("x", 1, 2.9)
        assert len(warned) == 1
    assert points(tmp_path, "x") == [(1, 1.0), (2, 1.0)]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("x", 1, 2**63), ValueError, "'x', step: want an integer of 64 bits"),
        (("x", 1, float("nan")), ValueError, "'x', step"),
        (("x", 1, "7"), TypeError, "'x', step: want a number, got str '7'"),
        (("x", 1, 1, float("nan")), ValueError, "'x, walltime'|'x', walltime"),
        ((7, 1, 1), TypeError, "tag: want a str, got int 7"),
        (("\ud800", 1, 1), ValueError, "cannot be stored as UTF-8"),
        (("x", 10**400, 1), ValueError, "'x': an integer too large"),
    ],
)
def test_wrong_arguments_raise_at_once(
    tmp_path: Path, arguments: Sequence[Any], error: type[Exception], words: str
) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(error, match=words):
            writer.add_scalar(*arguments)
        writer.add_scalar("x", 1, 1)
    assert points(tmp_path, "x") == [(1, 1.0)]


def test_add_scalars(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalars("loss/all", {"train": step, "val/a": -step}, step)
    assert points(tmp_path, "loss/all", "loss_all_train") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert points(tmp_path, "loss/all", "loss_all_val/a") == [(0, 0.0), (1, -1.0), (2, -2.0)]


def test_add_scalars_is_all_or_nothing(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(TypeError, match="'m': want a number"):
            writer.add_scalars("m", {"good": 1, "bad": None}, 0)
        with pytest.raises(TypeError, match="want a dict of numbers, got float"):
            writer.add_scalars("m", 1.0, 0)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no folder inside"):
            writer.add_scalars("m", {"a/../../../outside": 1}, 0)
    assert len(files_in(tmp_path)) == 1


def test_a_hundred_keys_take_one_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalars("m", {str(key): key for key in range(100)}, 0)
        assert threading.active_count() <= before + 1
    assert len(tbio.open(tmp_path)) == 101


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc/self/fd here")
def test_many_keys_take_few_open_files(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalars("m", {str(key): key for key in range(200)}, step)
            writer.flush()
            assert len(os.listdir("/proc/self/fd")) <= before + 20
    assert len(files_in(tmp_path)) == 201
    assert all(
        points(tmp_path, "m", f"m_{key}") == [(s, key) for s in range(3)] for key in (0, 199)
    )


def test_an_event_file_writer_in_a_forked_child(tmp_path: Path) -> None:
    code = """
import os, sys
from tbio import EventFileWriter
from tbio.proto.event_pb2 import Event
writer = EventFileWriter(sys.argv[1])
child = os.fork()
writer.add_event(Event(step=1 if child else 2))
if not child:
    os._exit(0)
os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=30, check=True)
    assert len(files_in(tmp_path)) == 2
    assert sorted(event.step for event in events_in(tmp_path)) == [0, 0, 1, 2]


def test_purge_step(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(10):
            writer.add_scalar("x", step, step)
    with SummaryWriter(tmp_path, purge_step=5) as writer:
        writer.add_scalar("x", 50, 5)
        writer.close()
        writer.add_scalar("x", 60, 6)  # in a file of its own, which asks to discard nothing
    resumed = list(tbio.read_events(files_in(tmp_path)[1]))
    assert resumed[0].file_version == "brain.Event:2"
    assert (resumed[1].session_log.status, resumed[1].step) == (SessionLog.START, 5)
    expected = [(step, float(step)) for step in range(5)] + [(5, 50.0), (6, 60.0)]
    assert points(tmp_path, "x") == expected
    kept = tbio.open(tmp_path, restarts="keep")["."].scalars["x"]
    assert len(kept) == 12


def test_flush_makes_it_visible(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    for step in range(3000):
        writer.add_scalar("x", step, step)
    writer.flush()
    assert len(points(tmp_path, "x")) == 3000
    writer.flush(sync=True)
    writer.close()
    writer.close()


def test_visible_soon_without_flush(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    time.sleep(0.5)  # the thread has gone to sleep
    writer.add_scalar("x", 1, 1)
    deadline = time.monotonic() + 2
    while len(events_in(tmp_path)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    writer.close()


def test_goes_on_after_close(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    writer.add_scalar("x", 1, 1)
    writer.close()
    writer.add_scalar("x", 2, 2)
    writer.close()
    assert len(files_in(tmp_path)) == 2
    assert points(tmp_path, "x") == [(1, 1.0), (2, 2.0)]


LOSES_NOTHING = {
    "normal": "",
    "sys.exit": "import sys; sys.exit(3)",
    "exception": "raise RuntimeError('the loop broke')",
    "dropped": "del writer",
    "thread": "import threading; threading.Thread(target=writer.add_scalar, args=('y', 1)).start()",
}


@pytest.mark.parametrize("end", LOSES_NOTHING)
def test_an_end_without_close_loses_nothing(tmp_path: Path, end: str) -> None:
    code = f"""
import sys
from tbio import SummaryWriter
writer = SummaryWriter(sys.argv[1])
for step in range(2000):
    writer.add_scalar("x", step, step)
{LOSES_NOTHING[end]}
"""
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], timeout=30, capture_output=True, check=False
    )
    assert len(points(tmp_path, "x")) == 2000


def test_threads_share_a_writer(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:

        def log(name: str) -> None:
            for step in range(2000):
                writer.add_scalar(name, step, step)

        threads = [threading.Thread(target=log, args=(str(number),)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(8):
        assert [step for step, _ in points(tmp_path, str(number))] == list(range(2000))


FORKS = """
import multiprocessing, sys
from tbio import SummaryWriter

def log_in_child(writer, close):
    writer.add_scalar("child", 1, 1)
    if close:
        writer.close()

writer = SummaryWriter(sys.argv[1])
for step in range(1000):
    writer.add_scalar("parent", step, step)
child = multiprocessing.get_context("fork").Process(
    target=log_in_child, args=(writer, sys.argv[2] == "True")
)
child.start()
child.join(20)
writer.add_scalar("parent", 1000, 1000)
writer.close()
sys.exit(child.exitcode)
"""


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_writes_a_file_of_its_own(tmp_path: Path, close: bool) -> None:
    # In a process of its own: the peers of other tests have threads that forbid to fork.
    words = [sys.executable, "-c", FORKS, str(tmp_path), str(close)]
    subprocess.run(words, timeout=60, check=True)
    assert len(files_in(tmp_path)) == 2
    assert [step for step, _ in points(tmp_path, "parent")] == list(range(1001))
    assert points(tmp_path, "child") == [(1, 1.0)]


class Disk:
    """Stands in for os.write: takes some bytes, then none until it is told to."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def __call__(self, descriptor: int, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self._write(descriptor, bytes(data[: self.room]))
        self.room -= taken
        return taken


def test_a_full_disk_does_not_disturb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SummaryWriter(tmp_path)
    disk = Disk(room=100)
    monkeypatch.setattr(os, "write", disk)
    with pytest.warns(tbio.TbioWarning, match="No space left on device; what is logged is kept"):
        for step in range(500):
            writer.add_scalar("x", step, step)
        writer.flush()
        writer.flush()
    assert len(events_in(tmp_path)) < 10
    disk.room = 10**9
    writer.close()
    assert [step for step, _ in points(tmp_path, "x")] == list(range(500))
    assert writer.dropped == 0


@pytest.mark.filterwarnings("ignore:.*what is logged is kept")
def test_what_is_given_up_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SummaryWriter(tmp_path)
    for step in range(10):
        writer.add_scalar("x", step, step)
    writer.flush()
    monkeypatch.setattr(os, "write", Disk(room=0))
    for step in range(10, 20):
        writer.add_scalar("x", step, step)
    with pytest.warns(tbio.TbioWarning, match="10 events were lost"):
        writer.close()
    assert writer.dropped == 10
    assert [step for step, _ in points(tmp_path, "x")] == list(range(10))


def test_on_error_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SummaryWriter(tmp_path, on_error="raise")
    disk = Disk(room=0)
    monkeypatch.setattr(os, "write", disk)
    writer.add_scalar("x", 1, 1)
    with pytest.raises(tbio.WriteFailedError, match="No space left") as caught:
        writer.flush()
    assert isinstance(caught.value.__cause__, OSError)
    disk.room = 10**9
    writer.close()
    assert points(tmp_path, "x") == [(1, 1.0)]


def test_on_error_callable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int | None] = []
    writer = SummaryWriter(tmp_path, on_error=lambda error: seen.append(error.errno))
    disk = Disk(room=0)
    monkeypatch.setattr(os, "write", disk)
    writer.add_scalar("x", 1, 1)
    writer.flush()
    assert set(seen) == {errno.ENOSPC}
    disk.room = 10**9
    writer.close()


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be removed here")
def test_a_removed_folder_is_made_anew(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path / "run")
    writer.add_scalar("x", 1, 1)
    writer.flush()
    shutil.rmtree(tmp_path / "run")
    with pytest.warns(tbio.TbioWarning, match="the event file was removed"):
        writer.add_scalar("x", 2, 2)
        writer.flush()
        writer.flush()
    writer.add_scalar("x", 3, 3)
    writer.close()
    assert points(tmp_path / "run", "x") == [(2, 2.0), (3, 3.0)]
    assert writer.dropped == 0


def test_a_sub_run_that_cannot_be_made_does_not_disturb(tmp_path: Path) -> None:
    (tmp_path / "m_a").write_text("in the way")
    writer = SummaryWriter(tmp_path)
    with pytest.warns(tbio.TbioWarning, match="m_a"):
        writer.add_scalars("m", {"a": 1, "b": 2}, 0)
        writer.flush()
    (tmp_path / "m_a").unlink()
    writer.close()
    assert points(tmp_path, "m", "m_a") == [(0, 1.0)]
    assert points(tmp_path, "m", "m_b") == [(0, 2.0)]


def test_one_file_that_fails_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SummaryWriter(tmp_path)
    create = EventFileWriter._create

    def fail(file: EventFileWriter) -> None:
        if file.logdir.endswith("bad"):
            raise ValueError("no file system takes this")
        create(file)

    monkeypatch.setattr(EventFileWriter, "_create", fail)
    with pytest.warns(tbio.TbioWarning, match="no file system takes this|1 events were lost"):
        writer.add_scalars("m", {"bad": 1, "good": 2}, 0)
        writer.add_scalar("x", 3, 0)
        writer.close()
    assert points(tmp_path, "m", "m_good") == [(0, 2.0)]
    assert points(tmp_path, "x") == [(0, 3.0)]
    assert writer.dropped == 1


def test_an_event_that_is_given_up_takes_no_metadata_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SummaryWriter(tmp_path)
    monkeypatch.setattr("tbio.background._WAITING_BYTES", 0)
    disk = Disk(room=0)
    monkeypatch.setattr(os, "write", disk)
    with pytest.warns(tbio.TbioWarning, match="No space left"):
        writer.add_scalar("x", 1, 1, new_style=True)
        writer.flush()
    assert writer.dropped == 1
    disk.room = 10**9
    writer.add_scalar("x", 2, 2, new_style=True)
    writer.close()
    (value,) = events_in(tmp_path)[1].summary.value
    assert value.metadata.plugin_data.plugin_name == "scalars"


def test_closing_in_the_middle_of_a_call_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SummaryWriter(tmp_path)
    put = FileWriter.put
    closes = iter([True])

    def close_first(self: FileWriter, *arguments: Any, weight: int) -> None:
        if next(closes, False):
            writer.close()
        put(self, *arguments, weight=weight)

    monkeypatch.setattr(FileWriter, "put", close_first)
    writer.add_scalar("x", 1, 1)
    writer.add_scalar("x", 2, 2)
    writer.close()
    assert points(tmp_path, "x") == [(1, 1.0), (2, 2.0)]


def test_a_call_while_the_interpreter_goes_down(tmp_path: Path) -> None:
    code = """
import sys
from tbio import SummaryWriter
class Last:
    def __init__(self, writer): self.writer = writer
    def __del__(self): self.writer.add_scalar("x", 1, 1); self.writer.flush()
last = Last(SummaryWriter(sys.argv[1]))
sys.modules["keeps it to the end"] = last
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=30, check=False)


def test_a_handler_that_raises_leaves_the_other_files(tmp_path: Path) -> None:
    (tmp_path / "m_a").write_text("in the way")

    def refuse(error: OSError) -> None:
        raise RuntimeError("the handler failed")

    writer = SummaryWriter(tmp_path, on_error=refuse)
    writer._background._thread = threading.current_thread()  # no thread but this one
    writer.add_scalars("m", {"a": 1, "b": 2}, 0)
    with pytest.raises(RuntimeError, match="the handler failed"):
        writer.flush()
    assert points(tmp_path, "m", "m_b") == [(0, 2.0)]
    with (
        pytest.raises(RuntimeError, match="the handler failed"),
        pytest.warns(tbio.TbioWarning, match="1 events were lost"),
    ):
        writer.close()
    assert writer.dropped == 1


def test_reopening_where_it_cannot_does_not_disturb(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path / "run")
    writer.close()
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "run").write_text("in the way")
    with pytest.warns(tbio.TbioWarning, match="File exists|Not a directory"):
        writer.add_scalar("x", 1, 1)
        writer.flush()
    (tmp_path / "run").unlink()
    writer.close()
    assert points(tmp_path / "run", "x") == [(1, 1.0)]


def test_the_working_folder_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    writer = SummaryWriter("run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    writer.add_scalars("m", {"a": 1}, 0)
    writer.close()
    writer.add_scalar("x", 1, 1)
    writer.close()
    assert writer.log_dir == "run"
    assert sorted(tbio.open(tmp_path)) == ["run", "run/m_a"]


def test_steps_that_go_back_are_told_once_a_tag(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    with pytest.warns(tbio.TbioWarning, match="'x': step 3 after step 5") as warned:
        for step in (5, 5, 3, 2, 9, 1):
            writer.add_scalar("x", 1, step)
        writer.close()
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("names", "error"),
    [(("\udc80", ""), ValueError), (("", b"x"), TypeError), ((7, ""), TypeError)],
)
def test_names_are_checked_at_once(tmp_path: Path, names: Any, error: type[Exception]) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(error, match=r"'x': (display_name|summary_description): "):
            writer.add_scalar("x", 1, 1, display_name=names[0], summary_description=names[1])
        with pytest.raises(ValueError, match="no folder inside"):
            writer.add_scalars("m", {"a\0b": 1})
        with pytest.raises(TypeError, match="key: want a str, got int 3"):
            writer.add_scalars("m", {3: 1})  # type: ignore[dict-item]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        SummaryWriter(tmp_path / "file" / "run")


def test_event_file_writer(tmp_path: Path) -> None:
    writer = tbio.EventFileWriter(tmp_path)
    writer.add_event(Event(wall_time=1.0, step=7))
    # at once, without flush
    assert [event.step for event in events_in(tmp_path)] == [0, 7]
    writer.flush(sync=True)
    writer.close()
    writer.close()
    with pytest.raises(tbio.WriterClosedError, match="closed"):
        writer.add_event(Event())


def test_a_warning_made_an_error_costs_no_event(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    writer._background._thread = threading.current_thread()  # no thread but this one
    for step in (5, 3, 1):
        writer.add_scalar("x", 1, step)
    with pytest.raises(tbio.TbioWarning, match="step 3 after step 5"):
        writer.flush()
    assert [step for step, _ in points(tmp_path, "x")] == [5, 3, 1]
    writer.close()


def test_large_values_do_not_pile_up(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    background = writer._background
    background._thread = threading.current_thread()  # no thread but this one
    image = np.zeros((3, 1000, 2000), np.uint8)
    for step in range(60):  # 360 MB in all
        writer.add_image("x", image, step)
        assert background._held <= 1 << 27
    assert len(background.queue) < 30
    writer.close()
    assert [event.step for event in events_in(tmp_path)[1:]] == list(range(60))


def test_large_values_of_log_do_not_pile_up_either(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    background = writer._background
    background._thread = threading.current_thread()  # no thread but this one
    picture = np.zeros((1000, 2000, 3), np.uint8)
    for step in range(30):  # 180 MB in all
        writer.log({"x": picture}, step)
        assert background._held <= 1 << 27
    assert len(background.queue) < 30
    writer.close()
    assert [event.step for event in events_in(tmp_path)[1:]] == list(range(30))
