"""Event files: which files are such, and events read from and written to one of them.

Names and the first event are those of TensorBoard (backend/event_processing/io_wrapper.py,
summary/writer/event_file_writer.py).
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from google.protobuf.message import DecodeError as ProtobufDecodeError

from tbio.errors import WriterClosedError
from tbio.proto.event_pb2 import Event, SourceMetadata
from tbio.record import FOOTER_BYTES, HEADER_BYTES, Damage, RecordDecoder, encode_record
from tbio.record_file import RecordFileReader
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

    def events(self) -> Iterator[StoredEvent]:
        """The events from where the last call stopped to the present end of the file.

        A sound record that is no Event is counted as damage of kind "event" and passed over.

        Raises:
            As `records`.
        """
        for record in self.records():
            size = HEADER_BYTES + len(record.payload) + FOOTER_BYTES
            try:
                event = Event.FromString(record.payload)
            except (ProtobufDecodeError, ValueError, RecursionError):
                # The last two are what protobuf's pure-Python form says of bad UTF-8 and of depth.
                self._settle(Damage(record.offset, size, "event"))
                continue
            self.report.events += 1
            yield StoredEvent(record.offset, size, event)


_COUNTER = itertools.count()


def _new_name(suffix: str) -> str:
    """A file name that sorts by time, as TensorBoard reads the files of a run in order of name."""
    host = re.sub(r"[^\w.-]", "_", socket.gethostname()) or "localhost"
    seconds, pid, count = int(time.time()), os.getpid(), next(_COUNTER)
    return f"events.out.tfevents.{seconds:010d}.{host}.{pid}.{count:06d}{suffix}"


class _Batch(NamedTuple):
    """Framed records that wait for the disk, and the tags that the file meets in them first."""

    data: bytes
    events: int
    tags: Sequence[str] = ()


class EventFileWriter:
    """Writes events to a new event file, each handed to the operating system before it returns.

    The file is made at once, under a name that no other writer has or will have: time, host,
    process and a counter, opened exclusively. Its first event holds the file version and tbio's
    name. Not for use by several threads at once; `SummaryWriter` is.

    Args:
        logdir: the run's folder; made if need be.
        filename_suffix: put at the end of the file's name.
        lazy: make the file only when there is something to write.

    Attributes:
        path: the file's path, the folder's before the file is made.
        book: the tags that this file has met, for who writes metadata with the first value only.

    Raises:
        OSError: the folder or the file cannot be made, or the disk refuses.

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
    ) -> None:
        self.logdir = os.fspath(logdir)
        self.filename_suffix = filename_suffix
        self.path = self.logdir
        self.book = TagBook()
        # What the disk has not taken yet, and how many bytes of the first it has.
        self._waiting: deque[_Batch] = deque()
        self._written = 0
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
            path = os.path.join(self.logdir, _new_name(self.filename_suffix))
            with contextlib.suppress(FileExistsError):
                self._file = os.open(path, flags, 0o666)
                self.path = path
        self._made = True
        first = Event(wall_time=time.time(), file_version=FILE_VERSION)
        first.source_metadata.CopyFrom(SourceMetadata(writer=WRITER_NAME))
        self._waiting.appendleft(_Batch(encode_record(first.SerializeToString()), 1))

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
        """Events given to `append` that the file does not hold as a whole yet."""
        count = sum(batch.events for batch in self._waiting)
        if self._written:  # those that it does hold, of a batch that was taken in part
            decoder = RecordDecoder()
            count -= sum(1 for _ in decoder.feed(self._waiting[0].data[: self._written]))
        return count

    def add_event(self, event: Event) -> None:
        """Write one event.

        Raises:
            WriterClosedError: after `close`.
            OSError: the disk refuses; the event waits, and goes first at the next call.
        """
        self.append(encode_record(event.SerializeToString()), 1)
        self.write_waiting()

    def append(self, records: bytes, events: int, tags: Sequence[str] = ()) -> None:
        """Have framed records wait for `write_waiting`.

        Args:
            records: as `encode_record` makes them, one behind the other.
            events: how many.
            tags: those that the file's `book` has met in them for the first time.

        Raises:
            WriterClosedError: after `close`.
        """
        if self._closed:
            raise WriterClosedError(f"{self.path}: closed")
        self._waiting.append(_Batch(records, events, tags))

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
        if self._file is None:
            self._open()
        elif os.fstat(self._file).st_nlink == 0 and os.name == "posix":
            self._abandon()
            raise FileNotFoundError(errno.ENOENT, "the event file was removed", self.path)
        while self._waiting and self._file is not None:
            batch = self._waiting[0]
            try:
                self._written += os.write(self._file, memoryview(batch.data)[self._written :])
            except OSError as error:
                if error.errno == errno.ESTALE:  # removed, on NFS
                    self._abandon()
                raise
            if self._written == len(batch.data):
                self._waiting.popleft()
                self._written = 0

    def drop_waiting(self, limit: int) -> int:
        """Give up the newest of what waits until at most ``limit`` bytes do; the events given up.

        What the file holds a part of is kept: without its rest, the records behind it would be
        damaged too.
        """
        dropped = 0
        while len(self._waiting) > (1 if self._written else 0) and self.waiting_bytes > limit:
            batch = self._waiting.pop()
            dropped += batch.events
            self.book.forget(batch.tags)
        return dropped

    def discard_waiting(self) -> None:
        """Give up everything that waits, also the rest of a record that is written in part."""
        self._waiting.clear()
        self._written = 0

    def forget(self) -> None:
        """In a forked child: leave the parent's file alone; a new one is made when it is needed."""
        self.discard_waiting()
        self._abandon()

    def _abandon(self) -> None:
        """Leave the file alone; the next write makes a new one."""
        self.book.clear()
        self._written = 0
        self._made = False
        self.release()

    def release(self) -> None:
        """Close the file until there is something to write again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def is_open(self) -> bool:
        """Whether the file is open now."""
        return self._file is not None

    def flush(self, sync: bool = False) -> None:
        """Return when everything is in the operating system's hands, or on the disk by ``sync``.

        Raises:
            OSError: the disk refuses.
        """
        self.write_waiting()
        if sync and self._file is not None:
            os.fsync(self._file)

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
