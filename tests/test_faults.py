"""Files that misbehave between being listed and being read: what is read, told, and read again.

The truth is what the files were made of. One rule holds for all of it: what was read stays, other
files are read, the report says what happened, and once the fault is gone a `reload` gives
everything, once. What may fail while a file is read is tried on the plain path and on the bulk
lane, at every single call.
"""

from __future__ import annotations

import dataclasses
import errno
import gzip
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem

import tbio
from tbio import DamageError, LogDir, TbioWarning
from tbio.assets import assets
from tbio.bulk import Lane
from tbio.bulk.batches import Batch, BatchLane
from tbio.columns import FileColumns, Wanted
from tbio.event_file import StoredEvent
from tbio.kinds import scalar, text
from tbio.proto.event_pb2 import Event
from tbio.record import encode_record
from tbio.record_file import FileReport
from tbio.storage import ByteStream, File, FileState, LocalFile, file_at, read_bytes, walk

NAME = "events.out.tfevents.1"
posix = pytest.mark.skipif(os.name != "posix", reason="pipes, links and sockets of POSIX")
#: Until `RecordFileReader` knows what it has read of a file that it could not read to its end.


def event(step: int, value: float, word: str, begin: float) -> bytes:
    """A scalar under "loss", and at every seventh step a text under ``word``."""
    values = [scalar.encode("loss", value)]
    if step % 7 == 3:
        values.append(text.encode(word, text.prepare(f"at {step}")))
        values[-1].metadata.CopyFrom(text.metadata())
    summary = {"value": values}
    return encode_record(
        Event(wall_time=begin + step, step=step, summary=summary).SerializeToString()
    )


def log(steps: range, value: float = 0.5, word: str = "word", begin: float = 100.0) -> bytes:
    return b"".join(event(step, value, word, begin) for step in steps)


FIRST, MORE = range(60), range(60, 70)
LOG, OTHER = log(FIRST), log(range(1000, 1050), 2.5)
AT = len(log(range(20))) + 14  # in the payload of event 20
DAMAGED = LOG[:AT] + bytes([LOG[AT] ^ 1]) + LOG[AT + 1 :]
LOGS = {"sound": LOG, "gzip": gzip.compress(LOG), "damaged": DAMAGED, "cut off": LOG[:-5]}


def made_of(data: bytes) -> dict[str, Any]:
    """What there is to be read, by going from length to length."""
    is_cut = False
    if data[:2] == b"\x1f\x8b":
        inflate = zlib.decompressobj(wbits=31)
        data = inflate.decompress(data)
        is_cut = not inflate.eof
    found: dict[str, Any] = {"steps": [], "values": [], "words": []}
    at = 0
    while (end := at + 16 + int.from_bytes(data[at : at + 8], "little")) <= len(data):
        record = data[at + 12 : end - 4]
        if encode_record(record) == data[at:end]:
            one = Event.FromString(record)
            found["steps"].append(one.step)
            found["values"].append(one.summary.value[0].simple_value)
            found["words"] += [one.step] if len(one.summary.value) > 1 else []
        at = end
    count = len(found["steps"])
    return found | {"count": count, "size": len(data), "is cut": is_cut or at < len(data)}


def held(columns: FileColumns) -> dict[str, Any]:
    """What was read of a file, and what the report says of it."""
    report = columns.report
    assert report.events == report.records
    loss, words = columns.scalars.get("loss"), columns.places.get(("text", "word"))
    return {
        "steps": [] if loss is None else loss.steps.array.tolist(),
        "values": [] if loss is None else [v for part in loss.values() for v in part.tolist()],
        "words": [] if words is None else words.steps.array.tolist(),
        "count": report.events,
        "size": report.size,
        "is cut": report.tail is not None,
    }


# ------------------------------------------------------------------ a scripted file


class Inode:
    """What a name stands for: bytes that may change, and a number."""

    def __init__(self, data: bytes, number: int = 1) -> None:
        self.data = data
        self.number = number
        self.changes = 0

    def write(self, data: bytes) -> None:
        self.data = data
        self.changes += 1


class ScriptedFile(File):
    """A file of which each call can be made to fail, or to find something else in its place.

    Attributes:
        inode: what is there now.
        claimed: how many bytes more it says it has than there are.
        piece: bytes that one read gives at most.
        calls: how many there were since `begin`: of `state`, `open`, `read` and `seek`.
    """

    def __init__(self, data: bytes, piece: int = 700) -> None:
        self.name = "scripted"
        self.inode = Inode(data)
        self.claimed = 0
        self.piece = piece
        self.begin()

    def begin(self, at: int = 0, act: Act | None = None) -> None:
        """Count anew, and do something before call number ``at``."""
        self.calls = 0
        self._at, self._act = at, act

    def call(self) -> None:
        self.calls += 1
        if self.calls == self._at and self._act is not None:
            self._act(self)

    def open(self) -> ByteStream:
        self.call()
        return _Opened(self)

    def state(self) -> FileState:
        self.call()
        inode = self.inode
        return FileState(len(inode.data) + self.claimed, inode.number, inode.changes)


class _Opened:
    def __init__(self, file: ScriptedFile) -> None:
        self._file = file
        self._inode = file.inode
        self._at = 0

    def read(self, size: int, /) -> bytes:
        self._file.call()
        data = self._inode.data[self._at : self._at + min(size, self._file.piece)]
        self._at += len(data)
        return data

    def seek(self, offset: int, /) -> int:
        self._file.call()
        self._at = offset
        return offset

    def close(self) -> None:
        pass


Act = Callable[[ScriptedFile], None]


def fail(file: ScriptedFile) -> None:
    raise OSError(errno.EIO, "Input/output error", file.name)


def interrupt(file: ScriptedFile) -> None:
    raise InterruptedError(errno.EINTR, "Interrupted system call", file.name)


def stay(file: ScriptedFile) -> None:
    pass


def grow(file: ScriptedFile) -> None:
    data = file.inode.data
    file.inode.write(data + LOG[len(data) :] + log(MORE))


def replace(file: ScriptedFile) -> None:
    file.inode = Inode(OTHER, file.inode.number + 1)


def write_anew(file: ScriptedFile) -> None:
    file.inode.write(OTHER * 2)


def shrink(file: ScriptedFile) -> None:
    file.inode.write(file.inode.data[: len(file.inode.data) // 4])


def come_shorter(file: ScriptedFile) -> None:
    file.inode = Inode(file.inode.data[: len(file.inode.data) // 4], file.inode.number + 1)


# ------------------------------------------------------------------ at every call

Read = Callable[[FileColumns], None]


def by_lane(columns: FileColumns) -> None:
    Lane(buffer_bytes=1024).read([columns])


WAYS: dict[str, Read] = {"plain": FileColumns.read, "lane": by_lane}
both_ways = pytest.mark.parametrize("read", WAYS.values(), ids=WAYS)
#: Whether half of it was read before.
first_and_again = pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
all_sorts = pytest.mark.parametrize("sort", LOGS)
QUIETLY = Wanted(on_damage="ignore")


def columns_of(sort: str, again: bool, read: Read) -> tuple[FileColumns, ScriptedFile]:
    data = LOGS[sort]
    file = ScriptedFile(data[: len(data) // 2] if again else data)
    columns = FileColumns(file, QUIETLY)
    if again:
        read(columns)
        file.inode.write(data)
    return columns, file


@both_ways
@first_and_again
@all_sorts
@pytest.mark.parametrize("then", [stay, grow, replace, write_anew, shrink])
def test_an_error_at_any_call(read: Read, again: bool, sort: str, then: Act) -> None:
    """It is told, what was read stays; whatever has become of the file is read, once."""
    if sort == "gzip" and (again or then is grow):
        pytest.skip("a compressed file is not appended to by our writer")
    for call in range(1, 100):
        columns, file = columns_of(sort, again, read)
        before = held(columns)
        file.begin(call, fail)
        read(columns)
        if file.calls < call:
            assert call > 8
            return
        assert columns.report.error == "Input/output error"
        assert held(columns)["steps"][: before["count"]] == before["steps"]
        file.begin()
        then(file)
        read(columns)
        assert columns.report.error == ""
        assert held(columns) == made_of(file.inode.data), call


@both_ways
@first_and_again
@all_sorts
@pytest.mark.parametrize("act", [replace, come_shorter])
def test_another_file_at_any_call(read: Read, again: bool, sort: str, act: Act) -> None:
    """At the latest the next look finds it, and there is never something of both."""
    if sort == "gzip" and again:
        pytest.skip("a compressed file is not appended to by our writer")
    for call in range(1, 100):
        columns, file = columns_of(sort, again, read)
        old = columns.reader.file.state().identity
        file.begin(call, act)
        read(columns)
        if file.calls < call:
            assert call > 8
            return
        file.begin()
        read(columns)
        assert file.inode.number != old
        assert columns.report.error == ""
        assert held(columns) == made_of(file.inode.data), call


@both_ways
@all_sorts
def test_another_file_that_cannot_be_opened_takes_nothing(read: Read, sort: str) -> None:
    columns, file = columns_of(sort, False, read)
    read(columns)
    replace(file)
    file.begin(2, fail)  # behind the state
    read(columns)
    assert columns.report.error == "Input/output error"
    assert held(columns) == made_of(LOGS[sort])
    read(columns)
    assert held(columns) == made_of(OTHER)


@both_ways
@all_sorts
def test_short_reads(read: Read, sort: str) -> None:
    columns = FileColumns(ScriptedFile(LOGS[sort], piece=1), QUIETLY)
    read(columns)
    assert held(columns) == made_of(LOGS[sort])


@both_ways
@pytest.mark.parametrize("claimed", [1, 30, 5000])
@pytest.mark.parametrize("sort", ["sound", "gzip", "damaged"])
def test_a_file_that_gives_less_than_it_says(read: Read, sort: str, claimed: int) -> None:
    """What is missing may come without a sign, and is read then."""
    columns, file = columns_of(sort, False, read)
    data = file.inode.data
    cut = len(data) - claimed if claimed < 5000 else len(data)
    file.inode.data, file.claimed = data[:cut], claimed
    read(columns)
    told = f"the file ended {claimed} bytes before its size, {cut + claimed}"
    assert columns.report.error == told
    assert held(columns)["steps"] == made_of(data[:cut])["steps"]
    if sort != "damaged":
        with pytest.raises(OSError, match=told):
            read(FileColumns(file, Wanted(on_damage="raise")))
    file.inode.data, file.claimed = data, 0
    read(columns)
    assert columns.report.error == ""
    assert held(columns) == made_of(data)


@both_ways
@pytest.mark.parametrize("hidden", [1, 30, 2000])
def test_a_file_that_gives_more_than_it_says(read: Read, hidden: int) -> None:
    """No more is taken than it had when it was looked at; the rest comes with the next look."""
    columns, file = columns_of("sound", False, read)
    file.claimed = -hidden
    read(columns)
    assert held(columns) == made_of(LOG[:-hidden])
    file.claimed = 0
    read(columns)
    assert held(columns) == made_of(LOG)


@both_ways
@pytest.mark.parametrize("act", [fail, interrupt])
def test_raised_as_long_as_it_lasts(read: Read, act: Act) -> None:
    file = ScriptedFile(LOG)
    columns = FileColumns(file, Wanted(on_damage="raise"))
    for call in (4, 3, 2, 1):
        file.begin(call, act)
        with pytest.raises(OSError, match="scripted") as raised:
            read(columns)
        assert raised.value.errno in (errno.EIO, errno.EINTR)
    file.begin()
    read(columns)
    assert held(columns) == made_of(LOG)


def test_one_file_of_several_in_a_buffer() -> None:
    """The others are complete, before it and behind it."""
    files = [ScriptedFile(LOG, piece=1 << 20) for _ in range(3)]
    for call in (1, 2, 3):  # state, open, read
        every = [FileColumns(file, QUIETLY) for file in files]
        files[1].begin(call, fail)
        Lane().read(every)
        assert [one.report.error for one in every] == ["", "Input/output error", ""]
        assert held(every[0]) == held(every[2]) == made_of(LOG)
        Lane().read(every)
        assert [held(one) for one in every] == [made_of(LOG)] * 3


# ------------------------------------------------------------------ what stands at a path


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    """A pipe that somebody opens would keep the tests waiting for good."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise AssertionError("something waits")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def a_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)
    os.chdir(here)


THINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, "No such file or directory"),
    "dangling link": (lambda path: path.symlink_to(path / "nowhere"), "Too many levels"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), "No such file or directory"),
    "loop": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "folder": (lambda path: path.mkdir(), "Is a directory"),
    "pipe": (os.mkfifo, "no regular file"),
    "socket": (a_socket, "no regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
}
things = pytest.mark.parametrize("thing", THINGS)


def plant(folder: Path) -> tuple[Path, Path]:
    """Two runs of the same steps, "a" and "b"; their files."""
    paths = folder / "a" / NAME, folder / "b" / NAME
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(LOG)
    return paths


def steps_of(logs: LogDir, run: str) -> list[int]:
    steps: list[int] = logs[run].scalars["loss"].steps.tolist()
    return steps


@posix
@things
def test_what_is_no_file_when_it_is_listed(tmp_path: Path, thing: str) -> None:
    make, told = THINGS[thing]
    path, _ = plant(tmp_path)
    make(path.with_name(f"{NAME}.2"))
    logs = tbio.open(tmp_path)
    if "link" in thing or thing == "loop":  # a file that is not there, and was meant to be
        with pytest.warns(TbioWarning, match=f"{told}.*{NAME}.2"):
            assert steps_of(logs, "a") == [*FIRST]
        assert logs["a"].report.files[1].error.startswith(told)
    else:
        assert steps_of(logs, "a") == [*FIRST]
        assert logs["a"].report.complete
    assert steps_of(logs, "b") == [*FIRST]


@posix
@things
@pytest.mark.parametrize("on_damage", ["warn", "raise"])
@first_and_again
def test_what_takes_a_files_place_between_listing_and_reading(
    tmp_path: Path, thing: str, on_damage: Any, again: bool
) -> None:
    make, told = THINGS[thing]
    path, _ = plant(tmp_path)
    logs = tbio.open(tmp_path, on_damage=on_damage)
    if again:
        assert steps_of(logs, "a") == [*FIRST]
        path.write_bytes(LOG + log(MORE))
        logs.reload()
    assert list(logs) == ["a", "b"]
    aside = path.with_name("aside")
    path.rename(aside)
    make(path)
    if on_damage == "raise":
        for _ in range(2):
            with pytest.raises(OSError, match=f"{told}.*{NAME}"):
                _ = logs["a"].tags
    else:
        with pytest.warns(TbioWarning, match=f"{told}.*a/{NAME}"):
            tags = logs["a"].tags
        assert tags == ({"scalars": ["loss"], "texts": ["word"]} if again else {})
        assert logs["a"].report.files[0].error.startswith(told)
        assert not logs["a"].report.complete
        assert not again or steps_of(logs, "a") == [*FIRST]
    assert steps_of(logs, "b") == [*FIRST]
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    aside.rename(path)
    logs.reload()
    assert steps_of(logs, "a") == [*FIRST, *(MORE if again else ())]
    assert logs["a"].report.complete
    assert logs["a"].report.events == 60 + 10 * again


@posix
def test_a_pipe_that_was_named_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = subprocess.Popen(["cat", "-", path], stdin=subprocess.PIPE)
    writer.kill()
    writer.communicate()
    script = f"open({str(path)!r}, 'wb').write(open({str(tmp_path / 'log')!r}, 'rb').read())"
    (tmp_path / "log").write_bytes(LOG)
    with subprocess.Popen([sys.executable, "-c", script]) as writer:
        assert steps_of(tbio.open(path), ".") == [*FIRST]
        assert writer.wait() == 0


@posix
def test_a_file_that_somebody_has_a_lease_on(tmp_path: Path, monkeypatch: Any) -> None:
    """Then open(2) with O_NONBLOCK says EAGAIN once."""
    (tmp_path / "x").write_bytes(b"1")
    opened = os.open

    def leased(path: Any, flags: int, *more: Any) -> int:
        if flags & os.O_NONBLOCK:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable", path)
        return opened(path, flags, *more)

    monkeypatch.setattr(os, "open", leased)
    assert read_bytes(LocalFile(str(tmp_path / "x"))) == b"1"


# ------------------------------------------------------------------ what forbids reading


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the system refuse to open files and to list folders, also to root.

    Args of what it gives: paths, and with which error.
    """
    refused: dict[str, OSError] = {}

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def guard(path: Any, *more: Any, **options: Any) -> Any:
            if isinstance(path, str) and path in refused:
                error = refused[path]
                raise type(error)(error.errno, error.strerror, path)
            return call(path, *more, **options)

        return guard

    monkeypatch.setattr(os, "open", guarded(os.open))
    monkeypatch.setattr(os, "scandir", guarded(os.scandir))

    def forbid(*paths: Path, error: OSError | None = None) -> None:
        refused.clear()
        error = error or PermissionError(errno.EACCES, "Permission denied")
        refused.update({str(path): error for path in paths})

    return forbid


def test_a_file_that_forbids_reading(tmp_path: Path, forbid: Callable[..., None]) -> None:
    path, _ = plant(tmp_path)
    logs = tbio.open(tmp_path)
    assert steps_of(logs, "a") == [*FIRST]
    path.write_bytes(LOG + log(MORE))
    forbid(path)
    for _ in range(2):
        logs.reload()
        with pytest.warns(TbioWarning, match=f"Permission denied.*{NAME}"):
            assert steps_of(logs, "a") == [*FIRST]
        assert logs["a"].report.files[0].error == "Permission denied"
    forbid()
    logs.reload()
    assert steps_of(logs, "a") == [*FIRST, *MORE]
    assert logs["a"].report.complete


@pytest.mark.parametrize("where", [".", "a"])
def test_a_folder_that_cannot_be_listed(
    tmp_path: Path, forbid: Callable[..., None], where: str
) -> None:
    """What is below it stays as it was read."""
    plant(tmp_path)
    folder = tmp_path if where == "." else tmp_path / where
    seen = ["a", "b"] if where == "a" else []
    forbid(folder)
    told = f"Permission denied.*{folder}"
    with pytest.warns(TbioWarning, match=told):
        assert list(tbio.open(tmp_path)) == seen[1:]
    assert tbio.open(tmp_path, on_damage="ignore").unlisted == {str(folder): "Permission denied"}
    with pytest.raises(PermissionError):
        list(tbio.open(tmp_path, on_damage="raise"))
    with pytest.warns(TbioWarning, match=told):
        assert len(list(tbio.read_events(tmp_path))) == 60 * (where == "a")
    with pytest.raises(PermissionError):
        next(tbio.read_events(tmp_path, on_damage="raise"))

    forbid()
    logs = tbio.open(tmp_path)
    assert steps_of(logs, "a") == [*FIRST]
    assert logs.unlisted == {}
    before = logs["a"]
    forbid(folder)
    with pytest.warns(TbioWarning, match=told):
        logs.reload()
    assert logs["a"] is before
    assert (steps_of(logs, "a"), steps_of(logs, "b")) == ([*FIRST], [*FIRST])
    assert logs.unlisted == {str(folder): "Permission denied"}
    forbid()
    (tmp_path / "a" / NAME).write_bytes(LOG + log(MORE))
    logs.reload()
    assert steps_of(logs, "a") == [*FIRST, *MORE]
    assert logs.unlisted == {}


def test_a_reload_that_raises_changes_nothing(tmp_path: Path, forbid: Callable[..., None]) -> None:
    plant(tmp_path)
    logs = tbio.open(tmp_path, on_damage="raise")
    assert steps_of(logs, "a") == [*FIRST]
    forbid(tmp_path / "a", error=OSError(errno.EIO, "Input/output error"))
    with pytest.raises(OSError, match=r"Input/output error.*a"):
        logs.reload()
    assert steps_of(logs, "a") == steps_of(logs, "b") == [*FIRST]
    forbid()
    logs.reload()
    assert steps_of(logs, "a") == steps_of(logs, "b") == [*FIRST]


def test_a_folder_that_vanishes_while_it_is_walked(
    tmp_path: Path, forbid: Callable[..., None]
) -> None:
    """It is as if it had never been there; only the log folder itself is missed."""
    plant(tmp_path)
    logs = tbio.open(tmp_path)
    assert list(logs) == ["a", "b"]
    forbid(tmp_path / "a", error=FileNotFoundError(errno.ENOENT, "No such file or directory"))
    logs.reload()
    assert (list(logs), logs.unlisted) == (["b"], {})
    forbid()
    shutil.rmtree(tmp_path)
    with pytest.warns(TbioWarning, match=f"No such file or directory.*{tmp_path}"):
        logs.reload()
    assert list(logs) == []
    plant(tmp_path)
    logs.reload()
    assert steps_of(logs, "a") == [*FIRST]


def test_folders_of_assets(tmp_path: Path, forbid: Callable[..., None]) -> None:
    trace = tmp_path / "plugins" / "profile" / "trace"
    assert assets(tmp_path) == {}
    (tmp_path / "plugins").write_bytes(b"a file")
    assert assets(tmp_path) == {}
    (tmp_path / "plugins").unlink()
    trace.parent.mkdir(parents=True)
    trace.write_bytes(b"trace")
    asset = assets(tmp_path)["profile"]["trace"]
    forbid(trace)
    with pytest.raises(PermissionError, match="trace"):
        asset.read()
    forbid(trace.parent)
    with pytest.raises(PermissionError, match="profile"):
        assets(tmp_path)
    forbid()
    assert asset.read() == b"trace"


def test_events_and_records_of_the_other_files(tmp_path: Path, forbid: Callable[..., None]) -> None:
    path, _ = plant(tmp_path)
    forbid(path)
    for read in (tbio.read_events, tbio.read_records):
        with pytest.warns(TbioWarning, match=f"Permission denied.*a/{NAME}"):
            assert len(list(read(tmp_path))) == 60
        assert len(list(read(tmp_path, on_damage="ignore"))) == 60
        with pytest.raises(PermissionError):
            list(read(tmp_path, on_damage="raise"))


def test_batches_of_the_other_files(tmp_path: Path, forbid: Callable[..., None]) -> None:
    path, _ = plant(tmp_path)
    for memory in (1 << 28, 1 << 10):
        forbid(path)
        logs = tbio.open(tmp_path)
        stream = logs.iter_scalars(7, memory=memory)
        with pytest.warns(TbioWarning, match=f"Permission denied.*a/{NAME}"):
            batches = list(stream)
        assert {run for batch in batches for run in batch.run} == {"b"}
        assert sum(map(len, batches)) == 60
        assert stream.reports["a"].files[0].error == "Permission denied"
        assert stream.reports["b"].complete
        forbid()
        assert sum(map(len, logs.iter_scalars(7, memory=memory))) == 120


@pytest.mark.parametrize("act", [fail, replace, come_shorter, shrink])
def test_batches_of_a_file_that_fails_between_two_readings(act: Act) -> None:
    """A run that is read some tags at a time: rows may be missing, but not without a word."""
    values = {"value": [scalar.encode(f"t{at}", 0.5) for at in range(10)]}
    data = b"".join(
        encode_record(Event(wall_time=100.0, step=step, summary=values).SerializeToString())
        for step in range(100)
    )

    def stream_of(call: int) -> tuple[int, int, bool]:
        file = ScriptedFile(data, piece=1 << 20)
        logs = tbio.open({"run": io.BytesIO()}, on_damage="ignore")
        logs._roots[0] = dataclasses.replace(logs._roots[0], at=file)
        assert list(logs) == ["run"]
        file.begin(call, act)
        stream = logs.iter_scalars(memory=10_000)
        rows = [row for batch in stream for row in zip(batch.tag, batch.step, strict=True)]
        assert len(set(rows)) == len(rows)
        old = all(step < 100 for _, step in rows)
        assert old or all(step >= 100 for _, step in rows) or not stream.reports["run"].complete
        return file.calls, len(rows), stream.reports["run"].complete

    calls, whole, complete = stream_of(0)
    assert (calls > 40, whole, complete) == (True, 1000, True)
    for call in range(3, calls + 1):  # behind the first looks at its size
        _, rows, complete = stream_of(call)
        assert rows == whole or not complete, call


# ------------------------------------------------------------------ values that are read later


def anew(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def fold(path: Path) -> None:
    path.unlink()
    path.mkdir()


LATER: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "gone": (lambda path: path.unlink(), FileNotFoundError, "No such file"),
    "a folder": (fold, IsADirectoryError, "Is a directory"),
    "shrunk": (lambda path: os.truncate(path, 200), DamageError, "is gone: the file was written"),
    "empty": (lambda path: os.truncate(path, 0), DamageError, "is gone: the file was written"),
    "other events": (lambda path: anew(path, log(FIRST, 7.5, "a word")), DamageError, "gone"),
    "another time": (lambda path: anew(path, log(FIRST, begin=9.0)), DamageError, "another event"),
    "another tag": (lambda path: anew(path, log(FIRST, word="wood")), DamageError, "another event"),
}


@pytest.mark.parametrize("fault", LATER)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_value_whose_file_has_changed(tmp_path: Path, fault: str, packed: bool) -> None:
    change, error, told = LATER[fault]
    path, _ = plant(tmp_path)
    before = gzip.compress(LOG) if packed else LOG
    path.write_bytes(before)
    series = tbio.open(tmp_path)["a"].texts["word"]
    assert series[1] == "at 10"
    change(path)
    if packed and path.is_file() and path.stat().st_size > 200:
        path.write_bytes(gzip.compress(path.read_bytes()))
    for read in (lambda: series[1], lambda: series.raw(1), lambda: list(series[1:])):
        with pytest.raises(error) as raised:
            read()
        shown = str(raised.value)
        for part in (str(path), "run 'a'", "tag 'word'", "step 10", told):
            assert part in shown
    if path.is_dir():
        path.rmdir()
    path.write_bytes(before)
    assert [*series] == [f"at {step}" for step in series.steps]


@posix
def test_a_value_in_whose_place_a_pipe_stands(tmp_path: Path) -> None:
    path, _ = plant(tmp_path)
    series = tbio.open(tmp_path)["a"].texts["word"]
    assert len(series) == 9
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match=r"no regular file .run 'a', tag 'word', step 3.*tfevents"):
        series[0]


def test_a_value_that_cannot_be_read_just_now(tmp_path: Path, forbid: Callable[..., None]) -> None:
    path, _ = plant(tmp_path)
    series = tbio.open(tmp_path)["a"].texts["word"]
    assert len(series) == 9
    forbid(path)
    with pytest.raises(PermissionError, match="tag 'word', step 3"):
        series[0]
    forbid()
    assert series[0] == "at 3"


def test_a_value_in_a_stream_is_not_kept() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    series = tbio.open(Pipe(LOG))["."].texts["word"]
    with pytest.raises(io.UnsupportedOperation, match=r"keeps nothing.*tag 'word', step 3"):
        series[0]


# ------------------------------------------------------------------ file objects


class Object(io.BytesIO):
    """Fails in a way of its own behind its first bytes."""

    error: Exception | None = EOFError("Compressed file ended before the end")

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= 1000 and self.error is not None:
            raise self.error
        return super().read(min(1000, size or 0))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EOFError("it ended"), "EOFError: it ended"),
        (zlib.error("it is bad"), "error: it is bad"),
        (OSError("gone for good"), "gone for good"),
        (OSError(), "Input/output error"),
        (TimeoutError(), "Connection timed out"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
    ],
)
def test_an_object_that_fails_in_its_own_way(error: Exception, told: str) -> None:
    file = Object(LOG)
    file.error = error
    logs = tbio.open(file)
    with pytest.warns(TbioWarning, match=f"{told}.*<file object>"):
        steps = steps_of(logs, ".")
    assert steps == made_of(LOG[:1000])["steps"]
    assert logs["."].report.files[0].error == told
    file.error = None
    logs.reload()
    assert steps_of(logs, ".") == [*FIRST]
    file.seek(0)
    file.error = error
    with pytest.raises(OSError, match=told):
        list(tbio.read_events(file, on_damage="raise"))


def test_an_object_that_was_closed() -> None:
    file = io.BytesIO(LOG)
    logs = tbio.open(file)
    file.close()
    with pytest.warns(TbioWarning, match="ValueError: I/O operation on closed file"):
        assert logs["."].tags == {}
    assert logs["."].report.files[0].error.startswith("ValueError: I/O operation")


@posix
def test_a_stream_that_does_not_wait() -> None:
    """Nothing yet is not the end."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.write(write, LOG[:1000])
    with open(read, "rb", buffering=0) as file, open(write, "wb"):
        logs = tbio.open(cast(BinaryIO, file))
        with pytest.warns(TbioWarning, match="nothing to be read yet"):
            assert steps_of(logs, ".") == made_of(LOG[:1000])["steps"]


# ------------------------------------------------------------------ other file systems


class LostError(Exception):
    """What a client library raises: no OSError."""


class FaultyFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Files in memory, of which what is asked fails as it is told to."""

    protocol = "faulty"
    cachable = True
    files: dict[str, bytes] = {}  # noqa: RUF012
    faults: dict[tuple[str, str], Exception] = {}  # noqa: RUF012
    piece = 1 << 30

    @classmethod
    def meet(cls, what: str, path: str) -> None:
        if (error := cls.faults.get((what, path))) is not None:
            raise error

    def ls(self, path: str, detail: bool = True, **more: Any) -> list[Any]:
        path = self._strip_protocol(path).strip("/")
        self.meet("ls", path)
        below = f"{path}/" if path else ""
        names = {name[len(below) :] for name in self.files if name.startswith(below)}
        if not names:
            raise FileNotFoundError(path)
        infos = [
            {"name": below + name, "size": len(self.files[below + name]), "type": "file"}
            for name in names
            if "/" not in name
        ]
        folders = {name.partition("/")[0] for name in names if "/" in name}
        infos += [{"name": below + name, "size": 0, "type": "directory"} for name in folders]
        return infos if detail else [info["name"] for info in infos]

    def info(self, path: str, **more: Any) -> dict[str, Any]:
        path = self._strip_protocol(path).strip("/")
        self.meet("info", path)
        if path in self.files:
            return {"name": path, "size": len(self.files[path]), "type": "file"}
        if any(name.startswith(f"{path}/") for name in self.files):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        path = self._strip_protocol(path).strip("/")
        self.meet("open", path)
        if path not in self.files:
            raise FileNotFoundError(path)
        return _FaultyObject(path, self.files[path])


class _FaultyObject(io.BytesIO):
    def __init__(self, path: str, data: bytes) -> None:
        super().__init__(data)
        self._path = path

    def read(self, size: int | None = -1, /) -> bytes:
        FaultyFileSystem.meet("read", self._path)
        return super().read(size)

    def readinto(self, target: Any, /) -> int:
        FaultyFileSystem.meet("read", self._path)
        piece = super().read(min(len(target), FaultyFileSystem.piece))
        target[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        FaultyFileSystem.meet("seek", self._path)
        return super().seek(offset, whence)


@pytest.fixture
def faulty() -> Iterator[type[FaultyFileSystem]]:
    fsspec.register_implementation("faulty", FaultyFileSystem, clobber=True)
    FaultyFileSystem.files = {f"logs/{run}/{NAME}": LOG for run in "ab"}
    FaultyFileSystem.faults = {}
    yield FaultyFileSystem
    FaultyFileSystem.files, FaultyFileSystem.faults = {}, {}
    FaultyFileSystem.piece = 1 << 30


REMOTE = "faulty://logs"
ERRORS: dict[str, tuple[Exception, str]] = {
    "of a library": (LostError("reset by peer"), "LostError: reset by peer"),
    "bare path": (FileNotFoundError(f"logs/a/{NAME}"), "No such file or directory"),
    "forbidden": (PermissionError(f"logs/a/{NAME}"), "Permission denied"),
    "time": (TimeoutError(), "Connection timed out"),
    "of the system": (OSError(errno.EIO, "Input/output error"), "Input/output error"),
}


@pytest.mark.parametrize("what", ["info", "open", "read"])
@pytest.mark.parametrize("kind", ERRORS)
@first_and_again
def test_a_remote_file_that_fails(
    faulty: type[FaultyFileSystem], what: str, kind: str, again: bool
) -> None:
    error, told = ERRORS[kind]
    path = f"logs/a/{NAME}"
    logs = tbio.open(REMOTE)
    if again:
        assert steps_of(logs, "a") == [*FIRST]
        faulty.files[path] = LOG + log(MORE)
        logs.reload()
    faulty.faults[what, path] = error
    with pytest.warns(TbioWarning, match=f"{told}.*faulty://{path}"):
        tags = logs["a"].tags
    assert bool(tags) == again
    assert logs["a"].report.files[0].error == told
    assert not again or steps_of(logs, "a") == [*FIRST]
    assert steps_of(logs, "b") == [*FIRST]
    with pytest.raises(OSError, match=f"{told}.*faulty://{path}"):
        _ = tbio.open(REMOTE, on_damage="raise")["a"].tags
    faulty.faults.clear()
    faulty.piece = 100
    logs.reload()
    assert steps_of(logs, "a") == [*FIRST, *(MORE if again else ())]
    assert logs["a"].report.complete
    faulty.faults[what, path] = error
    with pytest.raises(OSError, match=f"{told}.*run 'a', tag 'word', step 3.*faulty://{path}"):
        logs["a"].texts["word"][0]


@pytest.mark.parametrize("kind", ["of a library", "forbidden", "time", "of the system"])
@pytest.mark.parametrize("where", ["", "/a"])
def test_a_remote_folder_that_cannot_be_listed(
    faulty: type[FaultyFileSystem], kind: str, where: str
) -> None:
    error, told = ERRORS[kind]
    logs = tbio.open(REMOTE)
    assert steps_of(logs, "a") == [*FIRST]
    faulty.faults["ls", f"logs{where}"] = error
    with pytest.warns(TbioWarning, match=f"{told}.*{REMOTE}{where}"):
        logs.reload()
    assert steps_of(logs, "a") == steps_of(logs, "b") == [*FIRST]
    assert logs.unlisted == {f"{REMOTE}{where}": told}
    with pytest.raises(OSError, match=f"{told}.*{REMOTE}{where}"):
        list(tbio.open(REMOTE, on_damage="raise"))
    faulty.faults.clear()
    faulty.files[f"logs/c/{NAME}"] = LOG
    del faulty.files[f"logs/a/{NAME}"]
    logs.reload()
    assert list(logs) == ["b", "c"]


def test_what_is_at_a_url_cannot_be_told(faulty: type[FaultyFileSystem]) -> None:
    faulty.faults["info", "logs"] = faulty.faults["ls", "logs"] = LostError("reset by peer")
    with pytest.raises(OSError, match=r"LostError: reset by peer.*faulty://logs"):
        tbio.open(REMOTE)
    faulty.faults.clear()
    with pytest.raises(FileNotFoundError, match="faulty://nowhere"):
        tbio.open("faulty://nowhere")
    with pytest.raises(ValueError, match="Protocol not known"):
        tbio.open("no-such-protocol://logs")


def test_a_broken_archive(tmp_path: Path) -> None:
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"a/{NAME}", LOG)
        archive.writestr(f"b/{NAME}", LOG)
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    logs = tbio.open(f"zip://::{path}")
    with pytest.warns(TbioWarning, match="BadZipFile: Bad CRC-32.*zip://a/events"):
        _ = logs["a"].tags
    assert steps_of(logs, "b") == [*FIRST]
    path.write_bytes(data[:-30])
    with pytest.raises(OSError, match=r"BadZipFile.*logs\.zip"):
        tbio.open(f"zip://::{path}")


@posix
def test_a_tree_by_its_file_url(tmp_path: Path) -> None:
    """Neither a pipe nor a loop of links holds it up."""
    path, _ = plant(tmp_path)
    os.mkfifo(path.with_name(f"{NAME}.2"))
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    path.with_name(f"{NAME}.3").symlink_to(path)
    logs = tbio.open(f"file://{tmp_path}")
    assert list(logs) == ["a", "b"]
    assert steps_of(logs, "a") == [*FIRST, *FIRST]
    path.unlink()
    os.mkfifo(path)
    logs.reload()
    assert steps_of(logs, "b") == [*FIRST]
    found = file_at(f"file://{tmp_path}/b/{NAME}")
    assert found is not None
    (tmp_path / "b" / NAME).unlink()
    os.mkfifo(tmp_path / "b" / NAME)
    with pytest.raises(OSError, match="no regular file"):
        found.state()


def test_a_walk_tells_of_every_folder(tmp_path: Path, forbid: Callable[..., None]) -> None:
    plant(tmp_path)
    forbid(tmp_path / "a", tmp_path / "b")
    for folder in (str(tmp_path), f"file://{tmp_path}"):
        told: list[OSError] = []
        assert [name for name, files in walk(folder, bool, told.append) if files] == []
        assert sorted(error.filename for error in told) == [f"{folder}/a", f"{folder}/b"]


@pytest.mark.parametrize("where", ["/a", ""])
def test_check_and_repair_tell_of_folders(
    tmp_path: Path, faulty: type[FaultyFileSystem], forbid: Callable[..., None], where: str
) -> None:
    plant(tmp_path / "logs")
    faulty.faults["ls", f"logs{where}"] = PermissionError("no")
    forbid(Path(f"{tmp_path}/logs{where}"))
    for at, logs in enumerate((REMOTE, f"{tmp_path}/logs")):
        diagnosis = tbio.check(logs)
        states = {file.path: file.state for file in diagnosis.files}
        assert states == ({f"{logs}/b/{NAME}": "sound"} if where else {})
        assert diagnosis.unlisted == {f"{logs}{where}": "Permission denied"}
        assert not diagnosis.sound
        repaired = tbio.repair(logs, tmp_path / f"out{at}")
        left = {file.path: file.why for file in repaired.files if file.outcome == "left"}
        assert left == {f"{logs}{where}": "Permission denied"}
        assert not repaired.complete


class Counter:
    """Takes the events of a file, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def take_batch(self, batch: Batch) -> None:
        self.count += len(batch)

    def take_event(self, stored: StoredEvent, payload: bytes) -> None:
        self.count += 1


@pytest.mark.parametrize("few", [1, 1 << 20])
def test_what_was_read_before_an_error_is_handed_on(few: int) -> None:
    """By the lane that keeps nothing: what the file gave in whole records."""
    for call in range(1, 100):
        file, counter = ScriptedFile(LOG, piece=100), Counter()
        report = FileReport("scripted")
        file.begin(call, fail)
        lane = BatchLane(1 << 16, few)
        try:
            lane.read(file, report, counter)
        except OSError:
            pass
        else:
            assert (file.calls < call, counter.count) == (True, 60)
            return
        reads = max(call - 3, 0)  # behind state and open
        assert counter.count == report.events == made_of(LOG[: 100 * reads])["count"]
    pytest.fail("no end")


# ------------------------------------------------------------------ the commands


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tbio", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@posix
@pytest.mark.parametrize("name", ["ls", "export", "check", "repair"])
def test_commands_on_a_tree_of_everything(tmp_path: Path, name: str) -> None:
    logs = tmp_path / "logs"
    path, _ = plant(logs)
    for thing, (make, _) in THINGS.items():
        make(path.with_name(f"{NAME}.{thing}"))
    (logs / "b" / "up").symlink_to(logs)
    out = {"export": [tmp_path / "x.csv"], "repair": [tmp_path / "out"]}.get(name, [])
    done = command(name, logs, *out)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "loop" in done.stderr + done.stdout
    if name == "export":
        rows = (tmp_path / "x.csv").read_text().splitlines()
        assert len(rows) == 1 + 60 * 2
    if name == "repair":
        assert (tmp_path / "out" / "a" / NAME).read_bytes() == LOG


def test_commands_on_an_archive_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no archive")
    done = command("ls", f"zip://::{tmp_path / 'x.zip'}")
    assert done.returncode == 1
    assert done.stderr.startswith("tbio: ")
    assert "BadZipFile" in done.stderr
    assert "Traceback" not in done.stderr
