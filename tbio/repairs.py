"""Repair: logs without their damage, elsewhere or in place.

Sound events are copied byte for byte, in their order; what is no event stays behind and is told of:
damaged bytes, records that are sound but no Event (TensorBoard's loader ends at them,
backend/event_processing/event_file_loader.py), a record cut off at the end. A file without a single
event is not written, and never changed: perhaps it only looks like an event file.

*Elsewhere* the result is the whole folder again. Files that are no event files are copied, since
the projector and other plugins keep theirs beside the events. A compressed event file comes out
plain, under the same name, since TensorBoard reads no compressed ones. Links are not followed: one
that leads to something in the folder is made anew, one that leads out of it is left out and told
of. Nothing is written outside of the new folder.

*In place* each damaged file is replaced, and nothing else is touched: neither sound files nor those
that only end inside a record, which may be about to get the rest of it. What was
``events.out.tfevents.<rest>`` is kept as ``events.out.damaged-<n>.<rest>``, an event file in all
but its name. The steps are these, and a crash between any two leaves the log and all its bytes:

1. The sound events are written to ``events.out.repairing.<rest>`` and synced.
2. The file gets its second name (where there are no hard links: a copy, synced).
3. The new file takes the first name, in one step.

A file that somebody has open for writing is left as it is, where the system can tell (Linux, on a
local disk); so is one that changes while it is read, and one that grew between the last look and
step 3 gets its name back. A writer that opens its file later goes on in the repaired one. But where
the system cannot tell, a writer that is alive goes on in the file that was kept, and a copy gets
nothing of it: do not repair in place what is being written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, TypeAlias

from tbio import backups
from tbio.bulk.batches import Batch, BatchLane
from tbio.event_file import StoredEvent, is_event_file
from tbio.findings import Finding, Findings
from tbio.record import encode_record
from tbio.record_file import FileReport, Unverified, check_unverified
from tbio.selection import everything
from tbio.storage import File, LocalFile, file_at, is_url, split, walk

_BUFFER_BYTES = 1 << 20

#: What became of a file. "sound": an event file with nothing to leave out. "repaired": an event
#: file without what was no event. "copied": any other file. "linked": a link within the folder,
#: made anew. "left": not in the new folder, or as it was in place; `FileRepair.why` tells why.
Outcome: TypeAlias = Literal["sound", "repaired", "copied", "linked", "left"]


@dataclass(frozen=True)
class FileRepair:
    """What `repair` did with one file.

    Attributes:
        path: the file in the logs, its path or URL.
        outcome: see `Outcome`.
        target: the path of what was written; "" where nothing was.
        events: the events in it.
        backup: where the original is kept; "" unless it was repaired in place.
        why: of what was left; else "".
        findings: what is left out of the file, by sort.
    """

    path: str
    outcome: Outcome
    target: str = ""
    events: int = 0
    backup: str = ""
    why: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def lost_bytes(self) -> int:
        """Bytes of damage; a record that is cut off at the end is none."""
        return sum(finding.size for finding in self.findings if finding.is_fault)


@dataclass(frozen=True, repr=False)
class RepairReport:
    """What `repair` did.

    Attributes:
        files: every file of the logs, in the order of the walk; in place the event files only.
    """

    files: tuple[FileRepair, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing was damaged, and nothing left."""
        return not any(
            file.outcome == "left" or any(finding.is_fault for finding in file.findings)
            for file in self.files
        )

    def count(self, outcome: Outcome) -> int:
        """How many files had an outcome."""
        return sum(file.outcome == outcome for file in self.files)

    def __repr__(self) -> str:
        counts = {what: self.count(what) for what in ("sound", "repaired", "left")}
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        return f"<RepairReport: {len(self.files)} files{f': {told}' if told else ''}>"


def repair(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str] | None = None,
    *,
    in_place: bool = False,
    unverified: Unverified = "skip",
    examples: int = 1000,
    progress: Callable[[str], None] | None = None,
) -> RepairReport:
    """Write logs anew without what is damaged in them.

    See the module for what becomes of which file. Times and permissions are those of the originals.
    The first value of a tag brings its metadata (tensorboard/compat/proto/summary.proto): where it
    is lost, TensorBoard does not show the tag's tensors, and `tbio.check` says ``no_plugin``.

    Args:
        source: a folder, or one event file of any name; a URL only with ``destination``.
        destination: a folder, which must not exist or be empty. A single file goes into it.
        in_place: replace damaged files instead, keeping the originals beside them.
        unverified: "read" also takes the records of writers that compute no checksums, or not those
            of the format (see `tbio.open`), and gives them the right ones. Nobody can tell whether
            they are sound.
        examples: how many places to list of each sort of damage in each file, 0 or more.
        progress: called with the path of each file when it is done.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        FileExistsError: there is something in ``destination``.
        TypeError, ValueError: an argument that is none of these; both or neither of ``destination``
            and ``in_place``; a destination inside of the source.
        OSError: the destination cannot be written to. (A file of the logs that cannot be read is
            "left".)

    >>> import tempfile, tbio
    >>> tbio.repair("tests/golden/digits", tempfile.mkdtemp())
    <RepairReport: 2 files: 2 sound>
    """
    if in_place == (destination is not None):
        raise ValueError("want either a destination or in_place=True")
    if examples < 0:
        raise ValueError(f"examples: want 0 or more, got {examples}")
    check_unverified(unverified)
    salvager = _Salvager(unverified)
    source = _path(source, "source")
    if destination is None:
        if is_url(source):
            raise ValueError(f"{source}: only files on a local disk can be repaired in place")
        return _report(_in_place(salvager, source, examples), progress)
    destination = _path(destination, "destination")
    if is_url(destination):
        raise ValueError(f"{destination}: want a folder on a local disk")
    return _report(_Copy(salvager, source, destination, examples).files(), progress)


def _report(repaired: Iterable[FileRepair], progress: Callable[[str], None] | None) -> RepairReport:
    files = []
    for one in repaired:
        files.append(one)
        if progress is not None:
            progress(one.path)
    return RepairReport(tuple(files))


def _path(path: object, noun: str) -> str:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    if not isinstance(text, str):
        raise TypeError(f"{noun}: want a str path, got {path!r}")
    return text


# ------------------------------------------------------------------ the events of one file


class _Salvager:
    """Reads event files, and writes their events one behind the other."""

    def __init__(self, unverified: Unverified) -> None:
        self._lane = BatchLane()
        self._unverified = unverified

    def salvage(self, file: File, target: BinaryIO | None, findings: Findings) -> FileReport:
        """Write the events of a file; what was read of it.

        Raises:
            OSError: the file cannot be read.
            _WriteError: the target cannot be written.
        """
        report = FileReport(file.name)
        findings.listen(report)
        self._lane.read(file, report, _Copying(target), self._unverified)
        findings.settle(report)
        return report

    def has_made_good(self, report: FileReport) -> bool:
        """Whether records got other checksums than those that they had."""
        return self._unverified == "read" and bool(report.unverified_records)


class _Copying:
    """Writes the records of events to a file, if there is one (`tbio.bulk.batches.Taker`)."""

    def __init__(self, target: BinaryIO | None) -> None:
        self._target = target

    def take_batch(self, batch: Batch) -> None:
        """Copy the bytes of many at once."""
        self._write(batch.data)

    def take_event(self, stored: StoredEvent, payload: bytes) -> None:
        """Copy one."""
        # Where the checksums were right, these are the bytes that were read.
        self._write(encode_record(payload))

    def _write(self, data: bytes) -> None:
        if self._target is not None:
            with _writing():
                self._target.write(data)


class _WriteError(Exception):
    """The destination refuses; its `OSError` is the cause."""


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Tell an error of the destination from one of the logs."""
    try:
        yield
    except OSError as error:
        raise _WriteError from error


def _why(error: OSError) -> str:
    return error.strerror or str(error)


_NO_EVENTS = "not a single event in it"

# ------------------------------------------------------------------ elsewhere


class _Copy:
    """The logs once more, in a new folder."""

    def __init__(self, salvager: _Salvager, source: str, destination: str, examples: int) -> None:
        self._salvager = salvager
        self._source = source
        self._single = file_at(source)
        self._examples = examples
        self._root = os.path.realpath(destination)
        if not is_url(source):
            logs = os.path.realpath(source)
            if self._single is None and _is_inside(self._root, logs):
                raise ValueError(f"{destination} is inside of {source}")
        os.makedirs(self._root, exist_ok=True)
        if os.listdir(self._root):
            raise FileExistsError(errno.EEXIST, "want a new or empty folder", destination)
        self._links: list[tuple[str, str, str]] = []  # path, target, what it is to point to
        self._folders: list[tuple[str, str]] = []

    def files(self) -> Iterator[FileRepair]:
        """Copy everything, and say of each file what became of it."""
        try:
            yield from self._files()
        except _WriteError as error:
            raise error.__cause__ or error from None

    def _files(self) -> Iterator[FileRepair]:
        if self._single is not None:
            name = split(self._source)[1] or "events"
            yield self._event_file(self._single, name)
        elif is_url(self._source):
            failed: list[OSError] = []
            for folder, files in walk(self._source, everything, failed.append):
                for file in files:
                    name = split(file.name)[1]
                    yield self._file(file, name if folder == "." else f"{folder}/{name}")
            for error in failed:
                yield FileRepair(os.fspath(error.filename), "left", why=_why(error))
        else:
            yield from self._local()
            yield from self._made_links()
            for folder, target in reversed(self._folders):
                with contextlib.suppress(OSError):
                    shutil.copystat(folder, target)

    def _local(self) -> Iterator[FileRepair]:
        logs = os.path.realpath(self._source)
        failed: list[OSError] = []
        for folder, folders, names in os.walk(self._source, onerror=failed.append):
            relative = os.path.relpath(folder, self._source)
            target = os.path.normpath(os.path.join(self._root, relative))
            with _writing():
                os.makedirs(target, exist_ok=True)
            self._folders.append((folder, target))
            folders.sort()
            for name in sorted([*folders, *names]):
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    found = os.path.realpath(path)
                    if _is_inside(found, logs):
                        self._links.append((path, os.path.join(target, name), found[len(logs) :]))
                    else:
                        yield FileRepair(path, "left", why="a link out of the folder")
                elif name in folders:
                    continue
                elif os.path.isfile(path):
                    yield self._file(LocalFile(path), os.path.normpath(f"{relative}/{name}"))
                elif os.path.lexists(path):
                    yield FileRepair(path, "left", why="no regular file")
        for error in failed:
            yield FileRepair(os.fspath(error.filename), "left", why=_why(error))

    def _made_links(self) -> Iterator[FileRepair]:
        """The links within the folder, as far as what they lead to was copied."""
        for path, target, below in self._links:
            found = self._root + below
            if os.path.exists(found):
                with _writing():
                    os.symlink(os.path.relpath(found, os.path.dirname(target)), target)
                yield FileRepair(path, "linked", target)
            else:
                yield FileRepair(path, "left", why="a link to nothing, or to what was left")

    def _file(self, file: File, relative: str) -> FileRepair:
        if is_event_file(split(file.name)[1]):
            return self._event_file(file, relative)
        try:
            target = self._target(relative)
            with contextlib.closing(file.open()) as source, _created(target) as out:
                while data := source.read(_BUFFER_BYTES):
                    with _writing():
                        out.write(data)
        except (OSError, ValueError) as error:
            return _left(file, error)
        _dress(file, target)
        return FileRepair(file.name, "copied", target)

    def _event_file(self, file: File, relative: str) -> FileRepair:
        findings = Findings(self._examples)
        try:
            target = self._target(relative)
            with _created(target) as out:
                report = self._salvager.salvage(file, out, findings)
        except (OSError, ValueError) as error:
            return _left(file, error, findings)
        found = findings.all()
        left_out = any(finding.kind != "empty" for finding in found)
        if not report.events and left_out:
            os.unlink(target)
            return FileRepair(file.name, "left", why=_NO_EVENTS, findings=found)
        _dress(file, target)
        changed = left_out or self._salvager.has_made_good(report)
        outcome: Outcome = "repaired" if changed else "sound"
        return FileRepair(file.name, outcome, target, report.events, findings=found)

    def _target(self, relative: str) -> str:
        """Where a file goes, its folder made.

        A local walk finds no name that leads out of the folder; an archive behind a URL may be
        made to have one.

        Raises:
            ValueError: such a name.
        """
        parts = relative.split("/") if os.sep != "/" else relative.split(os.sep)
        if any(
            part in ("", ".", "..") or "\0" in part or (os.sep == "\\" and set(part) & set("\\:"))
            for part in parts
        ):
            raise ValueError("its name leads out of the folder")
        target = os.path.join(self._root, *parts)
        with _writing():
            os.makedirs(os.path.dirname(target), exist_ok=True)
        return target


def _is_inside(path: str, folder: str) -> bool:
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:  # another drive
        return False


def _left(file: File, error: Exception, findings: Findings | None = None) -> FileRepair:
    why = _why(error) if isinstance(error, OSError) else str(error)
    return FileRepair(file.name, "left", why=why, findings=findings.all() if findings else ())


@contextlib.contextmanager
def _created(path: str) -> Iterator[BinaryIO]:
    """A new file, gone again if it does not get complete."""
    with _writing():
        file = open(backups.new_file(path), "wb", _BUFFER_BYTES)  # noqa: SIM115
    try:
        yield file
        with _writing():
            file.close()
    except BaseException:
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def _dress(file: File, target: str) -> None:
    """Give a copy the original's permissions and times, as far as the file system has such."""
    if isinstance(file, LocalFile):
        with contextlib.suppress(OSError):
            shutil.copystat(file.name, target)


# ------------------------------------------------------------------ in place


def _in_place(salvager: _Salvager, source: str, examples: int) -> Iterator[FileRepair]:
    if file_at(source) is not None:
        path = os.path.realpath(source) if os.path.islink(source) else source
        yield _repair_file(salvager, path, examples)
        return
    failed: list[OSError] = []
    logs = os.path.realpath(source)
    for folder, folders, names in os.walk(source, onerror=failed.append):
        folders.sort()
        for path in (os.path.join(folder, name) for name in folders):
            leads_out = os.path.islink(path) and not _is_inside(os.path.realpath(path), logs)
            if leads_out and any(files for _, files in walk(path, is_event_file)):
                yield FileRepair(path, "left", why="a link; repair what it leads to")
        for name in sorted(filter(is_event_file, names)):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                yield FileRepair(path, "left", why="a link; repair what it leads to")
            elif os.path.isfile(path):
                yield _repair_file(salvager, path, examples)
    for error in failed:
        yield FileRepair(os.fspath(error.filename), "left", why=_why(error))


def _repair_file(salvager: _Salvager, path: str, examples: int) -> FileRepair:
    findings = Findings(examples)
    file = LocalFile(path)
    try:
        state = file.state()
        if state.size is None:
            return FileRepair(path, "left", why="no regular file")
        report = salvager.salvage(file, None, findings)
        events, found = report.events, findings.all()
        is_sound = not any(finding.is_fault for finding in found)
        if is_sound and not salvager.has_made_good(report):
            return FileRepair(path, "sound", path, events, findings=found)
        if not events:
            return FileRepair(path, "left", why=_NO_EVENTS, findings=found)
        if backups.has_writer(path):
            return FileRepair(path, "left", why=_ALIVE, findings=found)
        new = backups.beside(path, "repairing")
        try:
            _write_new(salvager, file, new)
            if file.state() != state:
                return FileRepair(path, "left", why=_ALIVE, findings=found)
            backup = backups.keep(path, "damaged")
            os.replace(new, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(new)
        with contextlib.suppress(OSError):  # it is done, if perhaps not on the disk yet
            backups.sync_folder(os.path.dirname(path))
        kept = LocalFile(backup).state()
        if kept.identity == state.identity and kept != state:
            os.replace(backup, path)  # it grew in the last moment
            backups.sync_folder(os.path.dirname(path))
            return FileRepair(path, "left", why=_ALIVE, findings=found)
    except OSError as error:
        return FileRepair(path, "left", why=_why(error), findings=findings.all())
    except _WriteError as error:
        cause = error.__cause__
        why = _why(cause) if isinstance(cause, OSError) else ""
        return FileRepair(path, "left", why=why, findings=findings.all())
    return FileRepair(path, "repaired", path, events, backup, findings=found)


_ALIVE = "it is being written"


def _write_new(salvager: _Salvager, file: LocalFile, path: str) -> None:
    """The sound events of a file in a new one, on the disk, with its permissions and times."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # what a crash has left behind
    # Nobody is to see more of it, in the meantime, than of the original.
    mode = stat.S_IMODE(os.stat(file.name).st_mode)
    with open(backups.new_file(path, mode & 0o700), "wb", _BUFFER_BYTES) as out:
        salvager.salvage(file, out, Findings(0))
        out.flush()
        backups.take_after(file.name, path)
        os.fsync(out.fileno())
