"""Event files: which files are such, and events read from and written to one of them.

Names and the first event are those of TensorBoard (backend/event_processing/io_wrapper.py,
summary/writer/event_file_writer.py).
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import re
import socket
import time
from collections import deque
from collections.abc import Generator, Sequence
from typing import NamedTuple, cast

from tbio.errors import WriterClosedError
from tbio.proto import PARSE_ERRORS
from tbio.proto.event_pb2 import Event, SessionLog, SourceMetadata
from tbio.record import (
    FOOTER_BYTES,
    HEADER_BYTES,
    Damage,
    Record,
    RecordDecoder,
    encode_record,
)
from tbio.record_file import RecordFileReader
from tbio.rotation import Blob, KeepLast
from tbio.tag_book import TagBook

FILE_VERSION = "brain.Event:2"
WRITER_NAME = "tbio"


def is_event_file(name: str) -> bool:
    """Whether TensorBoard would read summaries from a file of this name (no folder).

    >>> is_event_file("events.out.tfevents.1700000000.host"), is_event_file("model.ckpt")
    (True, False)
    """
    return "tfevents" in name and not name.endswith(".profile-empty")


class StoredEvent(NamedTuple):
    """An event and where its record stands.

    Attributes:
        offset: of the record in the file, in bytes (after decompression).
        size: of the whole record, in bytes.
    """

    offset: int
    size: int
    event: Event


class EventFileReader(RecordFileReader):
    """Reads the events of one event file, as often as there are more of them."""

    def events(self) -> Generator[StoredEvent, None, None]:
        """The events from where the last call stopped to the present end of the file.

        A sound record that is no Event is counted as damage of kind "event" and passed over.

        Raises:
            As `records`.
        """
        for record in self.records():
            stored = self.parse(record)
            if stored is not None:
                yield stored

    def parse(self, record: Record) -> StoredEvent | None:
        """The event of a record; None if it is none, which is counted as damage.

        Raises:
            DamageError: with ``on_damage="raise"``, if it is none.
        """
        size = HEADER_BYTES + len(record.payload) + FOOTER_BYTES
        try:
            event = Event.FromString(record.payload)
        except PARSE_ERRORS:
            self._settle(Damage(record.offset, size, "event"))
            return None
        self.report.events += 1
        return StoredEvent(record.offset, size, event)


_COUNTER = itertools.count()
_KEEP_LAST_BYTES = 1 << 26  # of a file whose large values are given up, when nothing else is said


class _Clock:
    """Seconds since the epoch that never go back, whatever is done to the machine's clock."""

    def __init__(self) -> None:
        self._latest = 0

    def seconds(self) -> int:
        self._latest = max(self._latest, int(time.time()))
        return self._latest


_CLOCK = _Clock()


@functools.cache
def _host() -> str:
    """The same name as long as the process lives: it stands before the counter."""
    return re.sub(r"[^\w.-]", "_", socket.gethostname()) or "localhost"


def _new_name(suffix: str, behind: str = "") -> str:
    """A file name that sorts behind those this process made before, and behind another name.

    TensorBoard reads the files of a run in order of name.
    """
    seconds, pid, count = _CLOCK.seconds(), os.getpid(), next(_COUNTER)
    unique = f"{seconds:010d}.{_host()}.{pid}.{count:06d}{suffix}"
    name = f"events.out.tfevents.{unique}"
    return name if name > behind else f"{behind}.{unique}"


class _Batch(NamedTuple):
    """Framed records that wait for the disk.

    Attributes:
        tags: those that the file meets in them first.
        fresh: whether a new file begins with them.
    """

    data: bytes
    events: int
    tags: Sequence[str] = ()
    blobs: Sequence[Blob] = ()
    fresh: bool = False


class EventFileWriter:
    """Writes events to a new event file, each handed to the operating system before it returns.

    The file is made at once, under a name that no other writer has or will have: time, host,
    process and a counter, opened exclusively. Its first event holds the file version and tbio's
    name. Not for use by several threads at once; `SummaryWriter` is.

    A long run may be spread over several files, which TensorBoard reads one behind the other in
    the order of their names (backend/event_processing/directory_watcher.py, data/server/run.rs).
    The next file is made when there is something to write to it. It needs each tag's metadata
    again, with the tag's first value in it: TensorBoard's loader looks for them file by file
    (event_file_loader.py). So ``book`` begins anew with the file, and the change is made between
    two calls of `append`, never in the middle of what was encoded together.

    Args:
        logdir: the run's folder; made if need be.
        filename_suffix: put at the end of the file's name.
        lazy: make the file only when there is something to write.
        max_bytes: go on in a new file when the file has this many bytes of events; the call of
            `append` that reaches them is written as a whole.
        max_seconds: go on in a new file behind the first write that comes this many seconds after
            the file's first event.
        keep_last: take those events that were given as blobs off the disk again, file by file,
            when their tags have this many newer ones in the files of this writer. There are never
            fewer of a tag than that. How many more depends on ``max_bytes`` (64 MiB, unless it or
            ``max_seconds`` is given): all of the file that is written to and of those completed
            less than five minutes before it was begun, and of older files at most as many bytes
            as stay in them. The files of earlier writers, in an earlier process say, are left
            alone. See `tbio.rotation.KeepLast`.

        session_step: begin the first file with a session start of this step.
        behind: make all file names sort behind this one, whatever the clock says.

    Attributes:
        path: the file's path, the folder's before the file is made.
        book: the tags that this file has met, for who writes metadata with the first value only.
        keep_last: as given. Blobs bring their metadata each time then, not only with the first.

    Raises:
        OSError: the folder or the file cannot be made, or the disk refuses.
        ValueError: a limit that is not positive.

    >>> import tempfile
    >>> from tbio.kinds import scalar
    >>> folder = tempfile.mkdtemp()
    >>> with EventFileWriter(folder) as writer:
    ...     writer.add_event(Event(step=1, summary={"value": [scalar.encode("loss", 0.5)]}))
    >>> from tbio.storage import LocalFile
    >>> [stored.event.step for stored in EventFileReader(LocalFile(writer.path)).events()]
    [0, 1]
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        *,
        filename_suffix: str = "",
        lazy: bool = False,
        max_bytes: int | None = None,
        max_seconds: float | None = None,
        keep_last: int | None = None,
        session_step: int | None = None,
        behind: str = "",
    ) -> None:
        for name, limit in (("max_bytes", max_bytes), ("max_seconds", max_seconds)):
            if limit is not None and not limit > 0:
                raise ValueError(f"{name}: want more than 0, got {limit}")
        if keep_last is not None and max_bytes is None and max_seconds is None:
            max_bytes = _KEEP_LAST_BYTES
        self.logdir = os.fspath(logdir)
        self.filename_suffix = filename_suffix
        self.path = self.logdir
        self.book = TagBook()
        self.keep_last = keep_last
        self._session_step = session_step
        self._behind = behind
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._keep = None if keep_last is None else KeepLast(keep_last)
        # What the disk has not taken yet, and how many bytes of the first it has.
        self._waiting: deque[_Batch] = deque()
        self._written = 0
        # Of the file: the bytes it has, and those of them that are its first record.
        self._size = self._head = 0
        # Of the file that the next call of `append` is for: whether that one begins it, the bytes
        # that it was given, and when it got the first.
        self._fresh = False
        self._given = 0
        self._since: float | None = None
        self._unsynced: set[str] = set()
        self._file: int | None = None
        self._made = False
        self._pid = os.getpid()
        self._closed = False
        if not lazy:
            self._create()
            self.write_waiting()

    def _open(self) -> None:
        """Open the file: a new one, or after `release` the one that was made before."""
        if self._made:
            try:
                self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            except FileNotFoundError:
                self._abandon()
                raise
        else:
            self._create()

    def _create(self) -> None:
        os.makedirs(self.logdir, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        while self._file is None:
            path = os.path.join(self.logdir, _new_name(self.filename_suffix, self._behind))
            with contextlib.suppress(FileExistsError):
                self._file = os.open(path, flags, 0o666)
                self.path = path
        self._made = True
        first = Event(wall_time=time.time(), file_version=FILE_VERSION)
        first.source_metadata.CopyFrom(SourceMetadata(writer=WRITER_NAME))
        head = encode_record(first.SerializeToString())
        if self._session_step is not None:
            start = Event(wall_time=time.time(), step=self._session_step)
            start.session_log.status = SessionLog.START
            head += encode_record(start.SerializeToString())
            self._session_step = None  # the run has begun, and goes on in later files
        self._size, self._head = 0, len(head)
        self._waiting.appendleft(_Batch(head, 0))

    @property
    def waiting(self) -> bool:
        """Whether anything was given to `append` that the file does not hold yet."""
        return bool(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """Bytes given to `append` that the file does not hold yet."""
        return sum(len(batch.data) for batch in self._waiting) - self._written

    @property
    def waiting_events(self) -> int:
        """Events given to `append` that no file holds as a whole yet."""
        count = sum(batch.events for batch in self._waiting)
        if self._written:  # those that it does hold, of a batch that was taken in part
            decoder = RecordDecoder()
            count -= sum(1 for _ in decoder.feed(self._waiting[0].data[: self._written]))
        return count

    def add_event(self, event: Event, *, blob: bool = False) -> None:
        """Write one event.

        Args:
            blob: give it up, by ``keep_last``, when there are enough newer ones of its tags; every
                value of it needs its metadata.

        Raises:
            WriterClosedError: after `close`.
            OSError: the disk refuses; the event waits, and goes first at the next call.
        """
        record = encode_record(event.SerializeToString())
        tags = tuple(value.tag for value in event.summary.value) if blob else ()
        self.append(record, 1, blobs=[Blob(0, len(record), tags)] if tags else ())
        self.write_waiting()

    def append(
        self, records: bytes, events: int, tags: Sequence[str] = (), blobs: Sequence[Blob] = ()
    ) -> None:
        """Have framed records wait for `write_waiting`.

        Args:
            records: as `encode_record` makes them, one behind the other; they go into one file.
            events: how many.
            tags: those that the file's `book` has met in them for the first time.
            blobs: those events among them that ``keep_last`` is for, in order.

        Raises:
            WriterClosedError: after `close`.
        """
        if self._closed:
            raise WriterClosedError(f"{self.path}: closed")
        self._waiting.append(_Batch(records, events, tags, blobs, self._fresh))
        self._fresh = False
        self._given += len(records)
        if self._since is None:
            self._since = time.monotonic()
        full = self._max_bytes is not None and self._given >= self._max_bytes
        if full or (
            self._max_seconds is not None and time.monotonic() - self._since >= self._max_seconds
        ):
            self._begin_anew()

    def _begin_anew(self) -> None:
        """What is given to `append` from now on goes into a new file."""
        self.book.renew()
        self._fresh = True
        self._given = 0
        self._since = None

    def write_waiting(self) -> None:
        """Write what waits.

        A file that was removed is told of by an error, and made anew at the next call. A write that
        was taken in part is continued where it stopped, so that the records before and behind stay
        whole.

        Raises:
            OSError: the disk refuses again.
        """
        if not self._waiting:
            return
        if self._pid != os.getpid():  # a forked child: the file is its parent's
            self._abandon()
            self._pid = os.getpid()
        while self._waiting:
            if self._waiting[0].fresh:
                self._complete()
            if self._file is None:
                self._open()
            elif os.fstat(self._file).st_nlink == 0 and os.name == "posix":
                self._abandon()
                raise FileNotFoundError(errno.ENOENT, "the event file was removed", self.path)
            self._write_first()

    def _write_first(self) -> None:
        """Write what the disk takes of the first batch."""
        batch = self._waiting[0]
        try:
            taken = os.write(cast(int, self._file), memoryview(batch.data)[self._written :])
        except OSError as error:
            if error.errno == errno.ESTALE:  # removed, on NFS
                self._abandon()
            raise
        self._written += taken
        self._size += taken
        self._unsynced.add(self.path)
        if self._written == len(batch.data):
            self._waiting.popleft()
            self._written = 0
            if self._keep is not None:
                self._keep.wrote(batch.blobs, self._size - len(batch.data))

    def _complete(self) -> None:
        """Leave the file as it is; the first batch is for a new one."""
        self._waiting[0] = self._waiting[0]._replace(fresh=False)
        if self._made:
            self.release()
            self._made = False
            if self._keep is not None:
                self._keep.complete(self.path, self._head, self._size)
                self._keep.prune()

    def drop_waiting(self, limit: int) -> int:
        """Give up the newest of what waits until at most ``limit`` bytes do; the events given up.

        What the file holds a part of is kept: without its rest, the records behind it would be
        damaged too. So is the file's first event.
        """
        dropped = 0
        kept = 1 if self._waiting and (self._written or not self._waiting[0].events) else 0
        while len(self._waiting) > kept and self.waiting_bytes > limit:
            batch = self._waiting.pop()
            dropped += batch.events
            if batch.fresh:
                self._begin_anew()
            elif not self._fresh:
                self._given -= len(batch.data)
                self.book.forget(batch.tags)
        return dropped

    def discard_waiting(self) -> None:
        """Give up everything that waits, also the rest of a record that is written in part.

        What is given to `append` afterwards goes into a new file.
        """
        if self._waiting:
            self._waiting.clear()
            self._written = 0
            self._begin_anew()

    def forget(self) -> None:
        """In a forked child: leave the parent's file alone; a new one is made when it is needed."""
        self.discard_waiting()
        self._abandon()

    def _abandon(self) -> None:
        """Leave the file alone, and those before it; the next write makes a new one."""
        self.book.clear()
        self._written = 0
        self._made = False
        self._unsynced.clear()
        if self.keep_last is not None:
            self._keep = KeepLast(self.keep_last)
        self.release()

    def release(self) -> None:
        """Close the file until there is something to write again."""
        file, self._file = self._file, None  # first: a child forked meanwhile has none to close
        if file is not None:
            os.close(file)

    @property
    def is_open(self) -> bool:
        """Whether the file is open now."""
        return self._file is not None

    def flush(self, sync: bool = False) -> None:
        """Return when everything is in the operating system's hands, or on the disk by ``sync``.

        That is all files of this writer, not only the one that it writes to now.

        Raises:
            OSError: the disk refuses.
        """
        self.write_waiting()
        if sync:
            for path in sorted(self._unsynced):
                if path == self.path and self._file is not None:
                    os.fsync(self._file)
                else:
                    _sync(path)
                self._unsynced.discard(path)

    def close(self) -> None:
        """Write what waits and close the file. Closing twice is fine.

        Raises:
            OSError: the disk refuses what waited; the file is closed all the same.
        """
        self._closed = True
        try:
            self.write_waiting()
        finally:
            self.release()

    def __enter__(self) -> EventFileWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _sync(path: str) -> None:
    """Wait until the disk itself has a file that was closed, unless it is gone."""
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
