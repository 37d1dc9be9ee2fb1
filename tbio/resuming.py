"""Resuming a run: what is to be done again leaves its event files, and is kept beside them.

A run that starts again from a checkpoint repeats steps that the log already has. ``purge_step``
was meant for that, by a SessionLog.START that voids what came before it; but TensorBoard's data
server knows no session logs (tensorboard/data/server/run.rs), and the Python back end passes over
the first START of a run (backend/event_processing/plugin_event_accumulator.py). So the event files
themselves are cut.

An event goes as a whole, and by its step alone, wherever it stands. What has no step stays: file
versions, session logs, graphs, hyperparameters and layouts of custom scalars, which describe the
run and none of its moments. Damaged bytes go with the record behind them; those behind the last
sound record of a file, its torn tail, always go. The files of plugins (the projector's) stay.

No crash loses anything. Every file's part that goes is first written beside it and synced, under a
name that TensorBoard does not read; only when all of them are there, the event files are changed,
each in one step: cut short where everything from some record on goes, or else replaced by a new
file with the rest. A crash leaves the log as it was, or cut in part; in either case `resume` may be
called again, and some events may then have been kept twice.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import operator
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple

from tbio.backups import sync_folder
from tbio.errors import WriterError
from tbio.event_file import FILE_VERSION, WRITER_NAME, is_event_file
from tbio.proto import PARSE_ERRORS
from tbio.proto.event_pb2 import Event, SourceMetadata
from tbio.proto.summary_pb2 import SummaryMetadata
from tbio.record import FOOTER_BYTES, HEADER_BYTES, Damage, Record, RecordDecoder, encode_record
from tbio.record_file import RecordFileReader
from tbio.storage import FileState, LocalFile, is_url

_CHUNK_BYTES = 1 << 20
_BINARY = getattr(os, "O_BINARY", 0)

#: Tags whose values describe the run (tensorboard/plugins/hparams/metadata.py,
#: tensorboard/plugins/custom_scalar/metadata.py).
_STEPLESS_TAGS = frozenset(
    (
        "_hparams_/experiment",
        "_hparams_/session_start_info",
        "_hparams_/session_end_info",
        "custom_scalars__config__",
    )
)
#: How protobuf begins the metadata of a value (field 9 of Summary.Value).
_METADATA_MARK = b"\x4a"

#: A new file with the rest of a log, before it takes the log's place; a crash may leave it behind.
_REST = ".rest"
_LEFTOVER = re.compile(r"cut-\d+.*\.rest$", re.DOTALL)


class Resumed(NamedTuple):
    """What `resume` found and did.

    Attributes:
        next_step: the step to go on with.
        last_step: the greatest step that the log now holds; None when it holds none.
        events_cut: events that left the log; a torn tail counts for none.
        cut: the new files with what was cut, one for each event file that was; `tbio.open` reads
            them. A tail of nothing but zeros is not kept.
        last_name: the name of the run's last event file, "" when there is none. TensorBoard reads
            files in the order of their names, so that a new one has to come behind.
    """

    next_step: int
    last_step: int | None
    events_cut: int
    cut: tuple[str, ...]
    last_name: str


def resume(folder: str | os.PathLike[str], step: int | None = None) -> Resumed:
    """Make a run's event files ready for a training that goes on.

    What is cut from ``events.out.tfevents.<rest>`` is kept in ``events.out.cut-<n>.<rest>``, an
    event file in all but its name. A TensorBoard that is running has read the log already: its data
    server drops the old points of a tag as new ones come, the Python back end when it is restarted.

    Only the folder's own event files are looked at, no run below it. Nobody else may be writing to
    them: that cannot be told for sure, and what is written meanwhile may be torn.

    Args:
        folder: the run's; there need not be one.
        step: the step to go on with: every event with it or a later one is cut. None goes on behind
            the last step, and repairs torn tails only.

    Raises:
        TypeError: the step is no integer.
        ValueError: the folder is a URL.
        WriterError: events that are to go stand in a compressed file, which TensorBoard does not
            read and this does not cut; or somebody wrote to a file meanwhile.
        OSError: a file cannot be read or changed, or the disk is full. All that can be known
            before is found out before the first event file is changed.

    >>> import tempfile
    >>> from tbio.event_file import EventFileReader, EventFileWriter
    >>> from tbio.kinds import scalar
    >>> folder = tempfile.mkdtemp()
    >>> with EventFileWriter(folder) as writer:
    ...     for step in range(8):
    ...         writer.add_event(Event(step=step, summary={"value": [scalar.encode("loss", 1.0)]}))
    >>> resumed = resume(folder, 5)
    >>> resumed.next_step, resumed.last_step, resumed.events_cut
    (5, 4, 3)
    >>> [cut] = resumed.cut
    >>> [stored.event.step for stored in EventFileReader(LocalFile(cut)).events()]
    [0, 5, 6, 7]
    """
    folder = os.fspath(folder)
    if is_url(folder):
        raise ValueError(f"{folder}: only a run on a local disk can be resumed")
    if isinstance(step, bool):
        raise TypeError(f"step: want an integer, got {step}")
    first = math.inf if step is None else operator.index(step)
    paths = _event_files(folder)
    _remove_leftovers(paths)
    scans = [_scan(path, first) for path in paths]
    cuts = [_Cut(scan, first) for scan in scans if scan.cut_from is not None]
    try:
        for cut in cuts:
            cut.prepare()
        if cuts:
            sync_folder(folder)
        for cut in cuts:
            cut.carry_out()
    except BaseException:
        for cut in cuts:
            cut.call_off()
        raise
    last = max((scan.last_step for scan in scans if scan.last_step is not None), default=None)
    behind = 0 if last is None else last + 1
    return Resumed(
        next_step=behind if step is None else operator.index(step),
        last_step=last,
        events_cut=sum(scan.events_cut for scan in scans),
        cut=tuple(cut.kept for cut in cuts if cut.kept),
        last_name=os.path.basename(paths[-1]) if paths else "",
    )


def _event_files(folder: str) -> list[str]:
    """The run's event files in the order of their names; none twice under two names."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if is_event_file(e.name) and e.is_file()]
    except FileNotFoundError:
        return []
    paths = sorted((os.path.join(folder, name) for name in names), reverse=True)
    return sorted({os.path.realpath(path): path for path in paths}.values())


def _remove_leftovers(paths: Iterable[str]) -> None:
    """Remove what a crash has left behind: new files that have not taken their log's place."""
    for folder in {os.path.dirname(os.path.realpath(path)) for path in paths}:
        for name in os.listdir(folder):
            if _LEFTOVER.search(name):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(folder, name))


def _parsed(payload: bytes) -> Event | None:
    """The event; None for a sound record that is none."""
    try:
        return Event.FromString(payload)
    except PARSE_ERRORS:
        return None


def _step_of(event: Event | None, payload: bytes) -> int | None:
    """The step that an event belongs to; None when it stays whatever is cut."""
    if event is None:
        return None
    what = event.WhichOneof("what")
    if what == "summary":
        marked = b"_hparams_/" in payload or b"custom_scalars__config__" in payload
        if marked and all(value.tag in _STEPLESS_TAGS for value in event.summary.value):
            return None
        return event.step
    if what == "tagged_run_metadata":
        return event.step or None  # torch and tensorboardX write theirs with the graph, at no step
    return None


@dataclass
class _Scan:
    """What was found in one event file.

    Attributes:
        state: of the file before it was read.
        last_step: the greatest step of the events that stay.
        events_cut: how many go.
        cut_from: the end of the last sound record before the first byte that goes; None when
            nothing goes.
        rest: whether a record behind ``cut_from`` stays.
        end: where the bytes end that are worth keeping: a tail of zeros is not.
        metadata: tag -> where its first metadata stand, and these.
    """

    path: str
    state: FileState
    last_step: int | None = None
    events_cut: int = 0
    cut_from: int | None = None
    rest: bool = False
    end: int = 0
    metadata: dict[str, tuple[int, SummaryMetadata]] = field(default_factory=dict)


def _scan(path: str, first: float) -> _Scan:
    """Read a file, from which everything with the step ``first`` or a later one is to go."""
    file = LocalFile(path)
    scan = _Scan(path, file.state())
    reader = RecordFileReader(file, "ignore")
    at = 0  # the end of the last sound record
    for offset, payload in reader.records():
        event = _parsed(payload)
        step = _step_of(event, payload)
        if step is not None and step >= first:
            scan.events_cut += 1
            if scan.cut_from is None:
                scan.cut_from = at
        else:
            scan.rest = scan.cut_from is not None
            if step is not None and (scan.last_step is None or step > scan.last_step):
                scan.last_step = step
        if event is not None and _METADATA_MARK in payload:
            for value in event.summary.value:
                if value.HasField("metadata") and value.tag not in scan.metadata:
                    scan.metadata[value.tag] = offset, value.metadata
        at = offset + HEADER_BYTES + len(payload) + FOOTER_BYTES
    if reader.report.compression:
        if scan.events_cut:
            raise WriterError(f"{path} holds steps to be cut, and is compressed; move it elsewhere")
        return scan
    scan.end = scan.state.size or 0
    # A file with no sound record at all is not known to be an event file.
    if 0 < at < scan.end:
        if scan.cut_from is None:
            scan.cut_from = at
        tail = reader.report.tail
        if tail is not None and tail.kind == "zeros" and tail.offset == at:
            scan.end = at
    return scan


class _Cut:
    """The cutting of one event file.

    Attributes:
        kept: the file with what goes; "" when that is nothing but zeros.
    """

    def __init__(self, scan: _Scan, first: float) -> None:
        self.kept = ""
        self._scan = scan
        self._from = scan.cut_from or 0
        self._first = first
        self._path = os.path.realpath(scan.path)  # a link stays one
        self._rest = ""
        self._begun = False

    def prepare(self) -> None:
        """Write what goes, and if need be what stays, into files of their own.

        Raises:
            OSError: also when the event file may not be changed.
        """
        scan = self._scan
        info = os.stat(self._path)
        os.close(os.open(self._path, os.O_WRONLY | _BINARY))  # may it be changed?
        mode = stat.S_IMODE(info.st_mode)
        name = os.path.basename(scan.path).replace("tfevents", "cut-{}")
        with contextlib.ExitStack() as stack:
            kept = rest = None
            if self._from < scan.end:
                known = {tag: metadata for tag, (_, metadata) in scan.metadata.items()}
                folder = os.path.dirname(scan.path)
                kept = stack.enter_context(_Copy(folder, name, mode, known))
                self.kept = kept.path
                kept.add(_file_version())
            # The other names of a file, a backup's perhaps, do not get cut.
            if scan.rest or info.st_nlink > 1:
                late = {tag: data for tag, (at, data) in scan.metadata.items() if at >= self._from}
                folder = os.path.dirname(self._path)  # from where it can take the log's place
                rest = stack.enter_context(_Copy(folder, name + _REST, mode, late))
                self._rest = rest.path
                rest.add_bytes(self._path, 0, self._from)
            self._split(kept, rest)

    def _split(self, kept: _Copy | None, rest: _Copy | None) -> None:
        at = self._from
        for offset, payload in _records(self._path, at, self._scan.end):
            step = _step_of(_parsed(payload), payload)
            part = kept if step is not None and step >= self._first else rest
            if part is None:
                raise self._changed()
            part.add_bytes(self._path, at, offset)  # damage
            part.add(payload)
            at = offset + HEADER_BYTES + len(payload) + FOOTER_BYTES
        if kept is not None:
            kept.add_bytes(self._path, at, self._scan.end)

    def _changed(self) -> WriterError:
        return WriterError(f"{self._path} was written to while it was being resumed")

    def carry_out(self) -> None:
        """Take what goes out of the event file."""
        if LocalFile(self._path).state() != self._scan.state:
            raise self._changed()
        self._begun = True
        if self._rest:
            os.replace(self._rest, self._path)
            sync_folder(os.path.dirname(self._path))
        else:
            file = os.open(self._path, os.O_WRONLY | _BINARY)
            try:
                os.ftruncate(file, self._from)
                os.fsync(file)
            finally:
                os.close(file)

    def call_off(self) -> None:
        """Remove what was prepared; but what goes stays kept once the event file may be cut."""
        for path in (self._rest, "" if self._begun else self.kept):
            with contextlib.suppress(OSError):
                os.unlink(path)


class _Copy:
    """A new file of records and bytes of an event file.

    The first value of a tag brings the tag's metadata, as it must in every event file
    (tensorboard/compat/proto/summary.proto, Value.metadata): when the one that brought them is
    elsewhere now, they are added to the first that is here.

    Args:
        folder: where it is made.
        name: its name, ``{}`` standing for a number that makes it a new one.
        mode: its permissions.
        metadata: those to be added, by tag.
    """

    def __init__(
        self, folder: str, name: str, mode: int, metadata: Mapping[str, SummaryMetadata]
    ) -> None:
        self._missing = dict(metadata)
        self._buffer = bytearray()
        for number in itertools.count():
            self.path = os.path.join(folder, name.replace("{}", str(number)))
            with contextlib.suppress(FileExistsError):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
                self._file = os.open(self.path, flags, mode)
                break
        with contextlib.suppress(OSError):
            os.chmod(self.path, mode)  # some of which the umask may have taken away

    def add(self, payload: bytes) -> None:
        """Add a record."""
        if self._missing:
            payload = self._described(payload)
        self._write(encode_record(payload))

    def _described(self, payload: bytes) -> bytes:
        event = _parsed(payload)
        if event is None:
            return payload
        added = False
        for value in event.summary.value:
            metadata = self._missing.pop(value.tag, None)
            if metadata is not None and not value.HasField("metadata"):
                value.metadata.CopyFrom(metadata)
                added = True
        return event.SerializeToString() if added else payload

    def add_bytes(self, path: str, start: int, stop: int) -> None:
        """Add bytes of a file as they are."""
        for chunk in _chunks(path, start, stop):
            self._write(chunk)

    def _write(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= _CHUNK_BYTES:
            self._write_buffer()

    def _write_buffer(self) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        written = 0
        while written < len(data):
            written += os.write(self._file, memoryview(data)[written:])

    def __enter__(self) -> _Copy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._write_buffer()
                os.fsync(self._file)
        finally:
            os.close(self._file)


def _file_version() -> bytes:
    """The first event of a file."""
    event = Event(wall_time=time.time(), file_version=FILE_VERSION)
    event.source_metadata.CopyFrom(SourceMetadata(writer=WRITER_NAME))
    return event.SerializeToString()


def _chunks(path: str, start: int, stop: int) -> Iterator[bytes]:
    """The bytes of a stretch of a file; fewer when the file has become shorter."""
    if start == stop:
        return
    with open(path, "rb", buffering=0) as file:
        file.seek(start)
        while start < stop and (chunk := file.read(min(_CHUNK_BYTES, stop - start))):
            start += len(chunk)
            yield chunk


def _records(path: str, start: int, stop: int) -> Iterator[Record]:
    """The sound records of a stretch of a file that begins where one ends."""
    decoder = RecordDecoder(start, stop)
    for chunk in _chunks(path, start, stop):
        for item in decoder.feed(chunk):
            if not isinstance(item, Damage):
                yield item
    for item in decoder.finish():
        if not isinstance(item, Damage):
            yield item
