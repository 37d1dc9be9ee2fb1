"""Long runs: event files one behind the other, large values given up in time, nothing leaked."""

from __future__ import annotations

import errno
import gc
import itertools
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event as TensorBoardEvent
from tensorboard_readers import by_plugin_accumulator, by_rustboard
from tensorboard_server import Backend, TensorBoardServer

import tbio
from tbio import EventFileWriter, tensor
from tbio.kinds import image, scalar
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary
from tbio.record import encode_record

FRAME = 16  # bytes around each record
T = 1_700_000_000.25


def files_in(folder: Path) -> list[Path]:
    """In TensorBoard's order."""
    return sorted(folder.glob("*tfevents*"))


def events_in(path: Path) -> list[TensorBoardEvent]:
    """The events of one file, by TensorBoard's reader; it has to understand all of the file."""
    records = list(RawEventFileLoader(os.fspath(path)).Load())
    assert sum(len(record) + FRAME for record in records) == path.stat().st_size
    return [TensorBoardEvent.FromString(record) for record in records]


def points_in(folder: Path) -> list[tuple[str, int]]:
    """Tag and step of each value, file by file; each file begins with the version, once."""
    points = []
    for path in files_in(folder):
        first, *events = events_in(path)
        assert first.file_version == "brain.Event:2"
        assert not any(event.file_version for event in events)
        points += [(value.tag, event.step) for event in events for value in event.summary.value]
    return points


def scalar_event(tag: str, step: int) -> Event:
    return Event(wall_time=T + step, step=step, summary={"value": [scalar.encode(tag, step / 8)]})


def picture(step: int, size: int) -> bytes:
    return b"%08d" % step * (size // 8)


def image_event(tags: Sequence[str], step: int, size: int = 800) -> Event:
    """Not of tbio's encoder, since the picture need not be one for these tests."""
    event = Event(wall_time=T + step, step=step)
    for tag in tags:
        blob = tensor.encode([b"1", b"1", picture(step, size)])
        event.summary.value.add(tag=tag, tensor=blob, metadata=image.metadata())
    return event


# ---- rotation


def test_names_stay_in_order_whatever_the_clock_and_the_host_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = itertools.cycle(["zebra", "ant", "m"])
    clock = itertools.cycle([5.0, 3e9, 1e9, 2e9])
    made = []
    with (
        EventFileWriter(tmp_path, max_bytes=1, lazy=True) as writer,
        monkeypatch.context() as patch,
    ):
        patch.setattr(socket, "gethostname", lambda: next(hosts))
        patch.setattr(time, "time", lambda: next(clock))
        patch.setattr("tbio.event_file._CLOCK", type(tbio.event_file._CLOCK)())
        for step in range(12):
            writer.add_event(scalar_event("x", step))
            made.append(writer.path)
    assert len(set(made)) == 12
    assert made == sorted(made) == [str(path) for path in files_in(tmp_path)]
    assert points_in(tmp_path) == [("x", step) for step in range(12)]


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    limit=st.integers(1, 500),
    rounds=st.integers(1, 4),
)
def test_files_are_full_and_records_whole(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int], limit: int, rounds: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    steps = itertools.count()
    writer = EventFileWriter(folder, max_bytes=limit)
    sizes: list[int] = []
    for at, count in enumerate(batches):
        records = [
            encode_record(scalar_event("x", next(steps)).SerializeToString()) for _ in range(count)
        ]
        sizes.append(len(b"".join(records)))
        writer.append(b"".join(records), count)
        if at % rounds == 0:  # else several batches wait at once, for more than one file
            writer.write_waiting()
    writer.close()
    assert points_in(folder) == [("x", step) for step in range(sum(batches))]
    expected: list[int] = []  # bytes of events in each file: as many batches as reach the limit
    for size in sizes:
        if not expected or expected[-1] >= limit:
            expected.append(0)
        expected[-1] += size
    heads = [
        len(encode_record(events_in(path)[0].SerializeToString())) for path in files_in(folder)
    ]
    found = [path.stat().st_size for path in files_in(folder)]
    assert [size - head for size, head in zip(found, heads, strict=True)] == expected


def test_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    writer = EventFileWriter(tmp_path, max_seconds=60)
    now = 10_000.0  # nothing was logged: the age counts from the first event
    for after in (0, 30, 59.5, 60, 0, 59, 61, 1000):
        now += after
        writer.add_event(scalar_event("x", int(now)))
    writer.close()
    steps = [[event.step for event in events_in(path)[1:]] for path in files_in(tmp_path)]
    assert steps == [[10000, 10030, 10089], [10149, 10149, 10208, 10269], [11269]]


@pytest.mark.parametrize("limit", ["max_bytes", "max_seconds", "keep_last"])
@pytest.mark.parametrize("value", [0, -1])
def test_limits_are_positive(tmp_path: Path, limit: str, value: int) -> None:
    limits: dict[str, Any] = {limit: value}
    with pytest.raises(ValueError, match=f"{limit}: want"):
        EventFileWriter(tmp_path, **limits)
    assert not files_in(tmp_path)


def write_tensors(writer: EventFileWriter, steps: Iterable[int]) -> None:
    """Scalars as tensors, which nobody understands without their metadata."""
    for step in steps:
        value = Summary.Value(tag="x", tensor=tensor.encode(np.float32(step / 4)))
        if writer.book.meet("x", "scalar", step):
            value.metadata.CopyFrom(scalar.metadata())
        event = Event(wall_time=T + step, step=step, summary={"value": [value]})
        writer.append(encode_record(event.SerializeToString()), 1, writer.book.news().tags)
    writer.write_waiting()


def assert_each_file_is_understood(folder: Path, alone: Path, steps: list[int]) -> None:
    """By both back ends, the files together and each of them by itself."""
    for number, path in enumerate(files_in(folder)):
        (alone / f"{number:03d}").mkdir(parents=True)
        shutil.copy(path, alone / f"{number:03d}")
    for read in (by_plugin_accumulator, by_rustboard):
        shown = read(folder)["."]["scalars"]["x"]
        assert [(p.step, p.value) for p in shown] == [(step, step / 4) for step in steps]
        runs = read(alone)
        each = [[p.step for p in runs[run]["scalars"]["x"]] for run in sorted(runs)]
        assert list(itertools.chain(*each)) == steps
        assert len(each) == len(files_in(folder)) > 3


def test_every_file_has_the_metadata(tmp_path: Path) -> None:
    with EventFileWriter(tmp_path / "run", max_bytes=500) as writer:
        for begin in range(0, 60, 6):
            write_tensors(writer, range(begin, begin + 6))
    assert_each_file_is_understood(tmp_path / "run", tmp_path / "alone", list(range(60)))


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


@pytest.mark.parametrize("room", [0, 30, 90, 500, 777, 1300])
def test_a_full_disk_in_the_midst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    writer = EventFileWriter(tmp_path / "run", max_bytes=500)
    disk = Disk(room)
    monkeypatch.setattr(os, "write", disk)
    refused = 0
    for begin in range(0, 60, 6):
        try:
            write_tensors(writer, range(begin, begin + 6))
        except OSError:
            refused += 1
    assert refused > 5
    assert writer.waiting_events > 6 * (refused - 1)
    disk.room = 10**9
    writer.close()
    assert_each_file_is_understood(tmp_path / "run", tmp_path / "alone", list(range(60)))


@pytest.mark.parametrize("limit", [0, 60, 300, 500, 900, 1300])
def test_what_is_given_up_takes_no_metadata_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    writer = EventFileWriter(tmp_path / "run", max_bytes=500)
    write_tensors(writer, range(20))
    disk = Disk(room=0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", disk)
        for step in range(20, 50):
            with pytest.raises(OSError, match="No space left"):
                write_tensors(writer, [step])
        dropped = writer.drop_waiting(limit)
    assert 0 < dropped <= 30
    for begin in range(50, 80, 5):
        write_tensors(writer, range(begin, begin + 5))
    writer.close()
    left = [*range(50 - dropped), *range(50, 80)]
    assert_each_file_is_understood(tmp_path / "run", tmp_path / "alone", left)


def test_the_first_event_is_never_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = EventFileWriter(tmp_path, max_bytes=1)
    writer.add_event(scalar_event("x", 0))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", Disk(room=0))
        with pytest.raises(OSError, match="No space left"):
            writer.add_event(scalar_event("x", 1))
        assert writer.waiting_events == 1  # the file version is none that was logged
        assert writer.drop_waiting(0) == 1
    writer.add_event(scalar_event("x", 2))
    writer.close()
    assert points_in(tmp_path) == [("x", 0), ("x", 2)]


def test_sync_reaches_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with EventFileWriter(tmp_path, max_bytes=1) as writer:
        for step in range(4):
            writer.add_event(scalar_event("x", step))
        writer.release()  # as is done when too many are open
        assert not synced
        writer.flush(sync=True)
        assert sorted(synced) == sorted(path.stat().st_ino for path in files_in(tmp_path))
        synced.clear()
        writer.flush(sync=True)
        assert not synced
        writer.add_event(scalar_event("x", 4))
        writer.flush(sync=True)
        assert synced == [files_in(tmp_path)[-1].stat().st_ino]


def test_the_folder_is_removed(tmp_path: Path) -> None:
    writer = EventFileWriter(tmp_path / "run", max_bytes=100, keep_last=1)
    for step in range(10):
        writer.add_event(image_event(["i"], step), blob=True)
    shutil.rmtree(tmp_path / "run")
    writer.add_event(scalar_event("x", 10))  # it begins a new file anyway
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="removed"):
        writer.add_event(scalar_event("x", 11))
    for step in range(12, 20):
        writer.add_event(image_event(["i"], step), blob=True)
    writer.close()
    assert points_in(tmp_path / "run")[0] == ("x", 11)
    assert points_in(tmp_path / "run")[-1] == ("i", 19)


# ---- read while it grows


class Clock:
    """Stands in for time.monotonic."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("tbio.rotation.time", self)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize(
    ("backend", "arguments"),
    [("python", ()), ("python", ("--reload_multifile=true",)), ("rustboard", ())],
)
def test_a_server_follows(
    tmp_path: Path, clock: Clock, backend: Backend, arguments: Sequence[str]
) -> None:
    """Scalars and images, over many files, while old images go."""
    run = tmp_path / "run"
    writer = EventFileWriter(run, max_bytes=30_000, keep_last=3)
    steps = itertools.count()

    def write(count: int) -> int:
        """The last step."""
        for step in itertools.islice(steps, count):
            writer.add_event(scalar_event("x", step))
            writer.add_event(image_event(["i"], step, 4000), blob=True)
        return step

    last = write(5)
    logs = tbio.open(tmp_path)
    with TensorBoardServer(tmp_path, backend, arguments=arguments, seconds=20) as server:
        for round_ in range(4):
            shown = server.wait_for(
                "/data/plugin/scalars/scalars",
                lambda points: points[-1][1] == last,  # noqa: B023
                run="run",
                tag="x",
            )
            assert [point[1:] for point in shown] == [[step, step / 8] for step in range(last + 1)]
            images = server.wait_for(
                "/data/plugin/images/images",
                lambda images: images[-1]["step"] == last,  # noqa: B023
                run="run",
                tag="i",
                sample=0,
            )
            # What it has read it goes on showing.
            assert [one["step"] for one in images] == list(range(last + 1))
            logs.reload()
            assert logs["run"].scalars["x"].steps.tolist() == list(range(last + 1))
            assert logs["run"].images["i"].steps.tolist()[-3:] == [last - 2, last - 1, last]
            assert logs["run"].images["i"][-1].encoded == picture(last, 4000)
            if round_ < 3:
                clock.now += 30_000
                last = write(20)
        # Each round begins three files or so; what is of the rounds before is old by then.
        assert "panic" not in server.output
        assert "Traceback" not in server.output
    writer.close()
    left = [step for tag, step in points_in(run) if tag == "i"]
    assert len(left) < 40  # of 65: those of the last round, and a few before
    for read in (by_plugin_accumulator, by_rustboard):  # servers that start now
        fresh = read(tmp_path)["run"]
        assert [point.step for point in fresh["scalars"]["x"]] == list(range(last + 1))
        assert [point.step for point in fresh["images"]["i"]] == left


# ---- keep_last


@settings(max_examples=30, deadline=None)
@given(data=st.data(), keep=st.integers(1, 4), limit=st.sampled_from([1, 1500, 4000]))
def test_the_newest_stay_and_the_others_go(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, keep: int, limit: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    logged: list[tuple[str, int]] = []  # tag and step, "x" for the scalars
    begun: list[int] = []  # how many of them were logged when each file was begun
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(patch)
        writer = EventFileWriter(folder, max_bytes=limit, keep_last=keep, lazy=True)
        # Runs with a fashion: tags come and go.
        tags = st.sampled_from([("x",), ("a",), ("b",), ("a", "b"), ("c", "c")])
        for step in range(data.draw(st.integers(5, 60))):
            clock.now += 1000
            event_tags, size = data.draw(tags), data.draw(st.sampled_from([200, 800]))
            before = writer.path
            if event_tags == ("x",):
                writer.add_event(scalar_event("x", step))
            else:
                writer.add_event(image_event(event_tags, step, size), blob=True)
            if writer.path != before:
                begun.append(len(logged))
            logged += [(tag, step) for tag in event_tags]
            check_kept(folder, logged, keep)
    writer.close()
    assert set(os.listdir(folder)) == {path.name for path in files_in(folder)}
    # What was out of date when the last file was begun is no more than half of any older one.
    newest = {tag: [s for t, s in logged[: begun[-1]] if t == tag][-keep:] for tag in "abc"}
    for path in files_in(folder)[:-2]:
        stale = sum(
            event.ByteSize() + FRAME
            for event in events_in(path)[1:]
            if all(v.tag != "x" and event.step not in newest[v.tag] for v in event.summary.value)
        )
        assert stale <= path.stat().st_size / 2


def check_kept(folder: Path, logged: list[tuple[str, int]], keep: int) -> None:
    """Every scalar and the newest of each other tag are there, and nothing is out of order."""
    found = points_in(folder)
    for tag in "xabc":
        ours = [step for t, step in logged if t == tag]
        theirs = [step for t, step in found if t == tag]
        if tag == "x":
            assert theirs == ours
        else:
            assert theirs[-keep:] == ours[-keep:]
            assert len(theirs) == len(set(theirs)) * (2 if tag == "c" else 1)
            assert set(theirs) <= set(ours)
    assert found == sorted(found, key=lambda point: point[1])


def write_mixed(writer: EventFileWriter, steps: Iterable[int]) -> None:
    for step in steps:
        writer.add_event(scalar_event("x", step))
        writer.add_event(image_event(["a"], step), blob=True)
        if step < 10:
            writer.add_event(image_event(["early"], step), blob=True)


def test_what_is_left_is_what_was_written(tmp_path: Path, clock: Clock) -> None:
    """To the byte, in few files; also of a tag that is no longer logged."""
    writer = EventFileWriter(tmp_path, max_bytes=50_000, keep_last=3)
    for step in range(1000):
        clock.now += 1000
        writer.add_event(scalar_event("x", step))
        writer.add_event(image_event(["a"], step, 4000), blob=True)
        if step < 10:
            writer.add_event(image_event(["early"], step, 800), blob=True)
    writer.close()
    assert len(files_in(tmp_path)) < 20  # of 84; some are empty and will go a day later
    points = points_in(tmp_path)
    assert [step for tag, step in points if tag == "x"] == list(range(1000))
    assert [step for tag, step in points if tag == "early"] == [7, 8, 9]
    steps = [step for tag, step in points if tag == "a"]
    assert steps == list(range(1000 - len(steps), 1000))
    assert len(steps) <= 3 + 2 * 13  # those of two files
    run = tbio.open(tmp_path, on_damage="raise")["."]
    assert [i.encoded for i in run.images["early"]] == [picture(step, 800) for step in (7, 8, 9)]
    assert [i.encoded for i in run.images["a"]] == [picture(step, 4000) for step in steps]
    for event in itertools.chain.from_iterable(map(events_in, files_in(tmp_path))):
        assert event.file_version or event.wall_time == T + event.step


def test_a_young_file_is_left_alone(tmp_path: Path, clock: Clock) -> None:
    """A server looks every few seconds; it is to see everything."""
    writer = EventFileWriter(tmp_path, max_bytes=1, keep_last=1)
    for step in range(5):
        writer.add_event(image_event(["i"], step), blob=True)  # each into a file of its own
        clock.now += 99
    # The last was begun at 396, the first is complete since 99.
    assert points_in(tmp_path) == [("i", step) for step in range(5)]
    writer.add_event(image_event(["i"], 5), blob=True)  # at 495
    assert points_in(tmp_path) == [("i", step) for step in range(1, 6)]
    first, *_ = files_in(tmp_path)
    assert [event.file_version for event in events_in(first)] == ["brain.Event:2"]
    writer.close()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("call", ["fsync", "replace", "truncate", "unlink"])
def test_an_end_in_the_midst_of_it(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, call: str, at: int
) -> None:
    """Wherever the process ends, nothing is missing."""
    real, calls = getattr(os, call), itertools.count()

    def end(*arguments: Any, **named: Any) -> Any:
        if next(calls) == at:
            raise Killed
        return real(*arguments, **named)

    monkeypatch.setattr(os, call, end)
    writer = EventFileWriter(tmp_path, max_bytes=8000, keep_last=2)
    logged: list[tuple[str, int]] = []

    def log(steps: Iterable[int]) -> None:
        for step in steps:
            clock.now += 1000
            writer.add_event(scalar_event("x", step))
            logged.append(("x", step))
            writer.add_event(image_event(["a"], step), blob=True)
            logged.append(("a", step))

    with pytest.raises(Killed):
        log(range(500))
    writer.release()
    found = points_in(tmp_path)
    assert sorted({s for t, s in found if t == "x"}) == [s for t, s in logged if t == "x"]
    assert [s for t, s in found if t == "a"][-2:] == [s for t, s in logged if t == "a"][-2:]


def test_killed(tmp_path: Path) -> None:
    code = """
import itertools, sys
from pathlib import Path
from tbio import rotation, EventFileWriter
from test_rotation import image_event, scalar_event
rotation._GRACE_SECONDS = 0
writer = EventFileWriter(sys.argv[1], max_bytes=5000, keep_last=3)
for step in itertools.count():
    writer.add_event(scalar_event("x", step))
    writer.add_event(image_event(["a"], step), blob=True)
    print(step, flush=True)
"""
    chance = random.Random(5)
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        with subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
        ) as process:
            assert process.stdout is not None
            wanted = chance.randrange(200, 600)
            last = next(step for step in map(int, process.stdout) if step == wanted)
            process.kill()
            last = max([last, *map(int, process.stdout.read().split())])
        run = tbio.open(folder)["."]
        assert sorted(set(run.scalars["x"].steps.tolist()))[: last + 1] == list(range(last + 1))
        steps = run.images["a"].steps.tolist()
        assert len(steps) < 60
        at = steps.index(last)
        assert steps[at - 2 : at + 1] == [last - 2, last - 1, last]


def test_the_files_of_others_are_left_alone(tmp_path: Path, clock: Clock) -> None:
    for begin in range(0, 40, 10):  # four writers, one behind the other
        with EventFileWriter(tmp_path, max_bytes=1, keep_last=2) as writer:
            for step in range(begin, begin + 10):
                clock.now += 100_000
                writer.add_event(image_event(["a"], step), blob=True)
    last_three = [7, 8, 9]  # a file that was completed last is left alone until there is another
    assert points_in(tmp_path) == [("a", b + step) for b in range(0, 40, 10) for step in last_three]


def test_a_file_that_another_changed_is_left_alone(tmp_path: Path, clock: Clock) -> None:
    writer = EventFileWriter(tmp_path, max_bytes=1, keep_last=1)
    writer.add_event(image_event(["a"], 0), blob=True)
    (changed,) = files_in(tmp_path)
    content = changed.read_bytes() + encode_record(scalar_event("theirs", 5).SerializeToString())
    changed.write_bytes(content)
    for step in range(1, 9):
        clock.now += 1000
        writer.add_event(image_event(["a"], step), blob=True)
    writer.close()
    assert changed.read_bytes() == content
    assert len(points_in(tmp_path)) == 4  # that file's two, and two as ever


def test_a_file_that_another_removed(tmp_path: Path, clock: Clock) -> None:
    writer = EventFileWriter(tmp_path, max_bytes=3000, keep_last=1)
    for step in range(60):
        clock.now += 1000
        writer.add_event(scalar_event("x", step))
        writer.add_event(image_event(["a"], step), blob=True)
        if step % 10 == 5:
            files_in(tmp_path)[0].unlink()
    writer.close()
    steps = [step for tag, step in points_in(tmp_path) if tag == "x"]
    assert steps == list(range(steps[0], 60))
    assert len([tag for tag, _ in points_in(tmp_path) if tag == "a"]) < 10


@pytest.mark.parametrize("call", ["replace", "fsync", "truncate", "unlink"])
def test_what_is_refused_is_tried_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """As on Windows, where another process may have the file open, or on a full disk."""

    def refuse(*arguments: Any, **named: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    writer = EventFileWriter(tmp_path, max_bytes=8000, keep_last=1)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        for step in range(200):
            clock.now += 1000
            write_mixed(writer, [step])
    assert {step for tag, step in points_in(tmp_path) if tag == "x"} == set(range(200))
    for step in range(200, 320):
        clock.now += 1000
        write_mixed(writer, [step])
    writer.close()
    assert [step for tag, step in points_in(tmp_path) if tag == "x"] == list(range(320))
    assert [step for tag, step in points_in(tmp_path) if tag == "early"] == [9]
    assert len([tag for tag, _ in points_in(tmp_path) if tag == "a"]) < 25
    assert len(files_in(tmp_path)) < 25  # of 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_leaves_its_parents_files_alone(tmp_path: Path) -> None:
    code = """
import os, sys
from tbio import rotation, EventFileWriter
from test_rotation import image_event
rotation._GRACE_SECONDS = 0
writer = EventFileWriter(sys.argv[1], max_bytes=1, keep_last=1)
rotation._GRACE_SECONDS = 1e9
for step in range(5):
    writer.add_event(image_event(["parent"], step), blob=True)
child = os.fork()
rotation._GRACE_SECONDS = 0
if not child:
    for step in range(5):
        writer.add_event(image_event(["parent"], 100 + step), blob=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        timeout=30,
        check=True,
        cwd=Path(__file__).parent,
    )
    steps = sorted(step for _, step in points_in(tmp_path))
    assert steps[:5] == list(range(5))
    assert steps[5:] == [103, 104]


# ---- many writers


def one_event_file(folder: Path) -> None:
    with EventFileWriter(folder, max_bytes=100, keep_last=1) as writer:
        for step in range(3):
            writer.append(*write_of(writer, step))
        writer.write_waiting()


def write_of(writer: EventFileWriter, step: int) -> tuple[bytes, int, list[str]]:
    record = encode_record(scalar_event("x", step).SerializeToString())
    writer.book.meet("x", "scalar", step)
    return record, 1, writer.book.news().tags


def one_summary(folder: Path) -> None:
    with tbio.SummaryWriter(folder) as writer:
        writer.add_scalar("x", 1, 1)
        writer.add_scalars("m", {"a": 1, "b": 2}, 1)


@pytest.mark.parametrize(("make", "count"), [(one_event_file, 500), (one_summary, 400)])
def test_writers_leak_nothing(tmp_path: Path, make: Callable[[Path], None], count: int) -> None:
    for number in range(30):  # caches, and what is loaded at the first use
        make(tmp_path / f"warm{number}")
    gc.collect()
    threads, descriptors = threading.active_count(), open_descriptors()
    tracemalloc.start()
    try:
        make(tmp_path / "first")
        gc.collect()
        before = tracemalloc.take_snapshot()
        for number in range(count):
            make(tmp_path / str(number))
        gc.collect()
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    assert threading.active_count() == threads
    assert open_descriptors() == descriptors
    ours = [tracemalloc.Filter(True, "*/tbio/*")]
    changes = after.filter_traces(ours).compare_to(before.filter_traces(ours), "lineno")
    grown = sum(change.size_diff for change in changes)
    assert grown < 40 * count  # bytes: the smallest object of each writer would be more


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
