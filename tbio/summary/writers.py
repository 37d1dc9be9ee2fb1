"""Writers of event files whose default is a matter of the thread, as TensorFlow has them."""

from __future__ import annotations

import os
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any

from tbio.errors import WriterClosedError
from tbio.file_writer import FileWriter
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import SummaryMetadata
from tbio.run_writer import Late, Part, RunWriter
from tbio.scalar_lane import varint
from tbio.summary.state import STATE
from tbio.tag_book import TagBook

_DOUBLE = struct.Struct("<Bd")
_FLOAT = struct.Struct("<f")
_MAX_QUEUE = 10
_FLUSH_MILLIS = 120_000
_SUFFIX = ".v2"
_TAGS = 1 << 14  # whose bytes are remembered


class SummaryWriterClosedError(WriterClosedError):
    """A closed writer was to be used: a ``RuntimeError``, as with TensorFlow."""


class SummaryWriter(ABC):
    """What `create_file_writer` and `create_noop_writer` give; see there."""

    @abstractmethod
    def as_default(self, step: Any = None) -> AbstractContextManager[SummaryWriter | None]:
        """Make this the writer of the calls of this thread in the block; at its end, `flush`.

        Args:
            step: also a default step for the block. Without one, a step that is set in the block
                outlives it.

        Yields:
            The writer.

        Raises:
            SummaryWriterClosedError: it is closed.
        """

    @abstractmethod
    def set_as_default(self, step: Any = None) -> None:
        """Make this the writer of the calls of this thread, as `as_default` without an end."""

    @abstractmethod
    def init(self) -> None:
        """There is nothing to do; an error if the writer is closed."""

    @abstractmethod
    def flush(self) -> None:
        """Return when everything recorded so far is in the operating system's hands."""

    @abstractmethod
    def close(self) -> None:
        """Write everything and close the file. Closing twice is fine, and so is a later flush."""


class NoopSummaryWriter(SummaryWriter):
    """Does nothing; what is recorded goes to the writer that was the default before."""

    @contextmanager
    def as_default(self, step: Any = None) -> Iterator[None]:
        """See `SummaryWriter`."""
        yield

    def set_as_default(self, step: Any = None) -> None:
        """See `SummaryWriter`."""

    def init(self) -> None:
        """See `SummaryWriter`."""

    def flush(self) -> None:
        """See `SummaryWriter`."""

    def close(self) -> None:
        """See `SummaryWriter`."""


class FileSummaryWriter(SummaryWriter):
    """Writes one event file, in the background.

    Attributes:
        logdir: the folder, as it was given.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        max_queue: int,
        flush_millis: float,
        filename_suffix: str,
    ) -> None:
        self._run = _Run(
            logdir,
            purge_step=None,
            max_queue=max_queue,
            flush_secs=flush_millis / 1000,
            filename_suffix=filename_suffix,
            on_error="warn",
            write_to_disk=True,
        )
        self.logdir = self._run.log_dir
        self._closed = False

    def _check_open(self) -> None:
        if self._closed:
            raise self._run.closed_error()

    @contextmanager
    def as_default(self, step: Any = None) -> Iterator[FileSummaryWriter]:
        """See `SummaryWriter`."""
        self._check_open()
        before, step_before = STATE.writer, STATE.step
        self.set_as_default(step)
        try:
            yield self
            self.flush()  # by that name: others put a function of their own in its place
        finally:
            STATE.writer = before
            if step is not None:
                STATE.step = step_before

    def set_as_default(self, step: Any = None) -> None:
        """See `SummaryWriter`."""
        self._check_open()
        STATE.writer = self
        if step is not None:
            STATE.step = step

    def init(self) -> None:
        """See `SummaryWriter`."""
        self._check_open()

    def flush(self) -> None:
        """See `SummaryWriter`."""
        self._run.flush()

    def close(self) -> None:
        """See `SummaryWriter`."""
        self._closed = True
        self._run.close()  # also when another thread is about it: which is waited for

    @property
    def dropped(self) -> int:
        """Events that had to be given up since the disk refused them for too long."""
        return self._run.dropped

    # ---- for the functions of this package; to a closed writer, all are errors

    def put(self, part: Part, step: Any, note: str) -> None:
        """Record one value, or the several ones of a part, as one event.

        Args:
            note: what was amiss, for a warning once a tag.
        """
        self._run.put(part, step, note)

    def put_scalar(
        self, tag: str, number: float | Late, step: Any, description: str, note: str
    ) -> None:
        """Record a number within float32, or infinite, or NaN."""
        self._run.put_scalar(tag, number, step, description, note)

    def put_summary(self, summary: bytes, step: Any) -> None:
        """Record a serialized summary, which parses."""
        self._run.put_summary(summary, step)

    def put_graph(self, graph_def: bytes) -> None:
        """Record a serialized GraphDef."""
        self._run.put_graph(graph_def)


class _Run(RunWriter):
    """A run whose file holds what is recorded, and no more than TensorFlow's does."""

    def _beginning(self, folder: str) -> tuple[int | None, str]:
        return None, ""  # no session start

    def _writer_in(self, folder: str) -> FileWriter:
        with self._turn():
            if not self._finalizer.alive:
                raise self.closed_error()
            return super()._writer_in(folder)

    def closed_error(self) -> SummaryWriterClosedError:
        return SummaryWriterClosedError(f"SummaryWriter of {self.log_dir!r} is already closed")

    def put(self, part: Part, step: Any, note: str) -> None:
        self._put([part], step, None, note=note)

    def put_scalar(
        self, tag: str, number: float | Late, step: Any, description: str, note: str
    ) -> None:
        at = self._step_of(tag, step)
        if note:
            self._warn_once(tag, note)
        file, background = self._lane  # a third of what `_put_raw` takes, and no lock
        try:
            background.put(file, _scalar_event, time.time(), at, tag, number, description)
        except WriterClosedError:
            raise self.closed_error() from None

    def put_summary(self, summary: bytes, step: Any) -> None:
        at = self._step_of("a summary", step)
        self._put_raw(_summary_event, time.time(), at, summary, weight=len(summary))

    def put_graph(self, graph_def: bytes) -> None:
        self._put_raw(_graph_event, time.time(), graph_def, weight=len(graph_def))


def _scalar_event(
    book: TagBook, wall_time: float, step: int, tag: str, number: float | Late, description: str
) -> bytes:
    """The bytes that protobuf would make of the event; see `tbio.scalar_lane`."""
    if isinstance(number, Late):
        (number,), note = number.make(number.snapshot.get())
        if note:
            book.remark(tag, "value", note)
    book.meet(tag, "scalar", step)
    before, behind = _around_scalar(tag, description)
    at = b"\x10" + varint(step) if step else b""
    return _DOUBLE.pack(9, wall_time) + at + before + _FLOAT.pack(number) + behind


@lru_cache(_TAGS)
def _around_scalar(tag: str, description: str) -> tuple[bytes, bytes]:
    """What stands before and behind the four bytes of a scalar, from its summary's beginning.

    A tensor of DT_FLOAT, of rank 0, with these four bytes as its content; then the metadata.
    """
    metadata = plain(scalar.metadata(description=description)).SerializeToString()
    behind = _field(b"\x4a", metadata)
    before = _field(b"\x0a", tag.encode()) + bytes.fromhex("420a 0801 1200 2204")
    value = b"\x0a" + varint(len(before) + 4 + len(behind)) + before
    return b"\x2a" + varint(len(value) + 4 + len(behind)) + value, behind


def _field(key: bytes, content: bytes) -> bytes:
    return key + varint(len(content)) + content


def plain(metadata: SummaryMetadata) -> SummaryMetadata:
    """Metadata as TensorFlow writes them: without a data class, which TensorBoard adds itself."""
    metadata.ClearField("data_class")
    return metadata


def _summary_event(book: TagBook, wall_time: float, step: int, summary: bytes) -> bytes:
    event = Event(wall_time=wall_time, step=step)
    event.summary.MergeFromString(summary)
    return event.SerializeToString()


def _graph_event(book: TagBook, wall_time: float, graph_def: bytes) -> bytes:
    return Event(wall_time=wall_time, graph_def=graph_def).SerializeToString()


def create_file_writer(
    logdir: str | os.PathLike[str],
    max_queue: int | None = None,
    flush_millis: float | None = None,
    filename_suffix: str | None = None,
    name: str | None = None,
    experimental_trackable: bool = False,
    experimental_mesh: object = None,
) -> SummaryWriter:
    """A writer of a new event file, which is made at once.

    Calls return before anything is written; a thread does that within a fraction of a second, and
    at the interpreter's exit nothing is lost. `SummaryWriter` of the package tbio, and other
    writers of this kind, may write into the same folder at the same time.

    Args:
        logdir: the run's folder, made if need be.
        max_queue: how many waiting events make the thread start; None is 10.
        flush_millis: the longest that an event may wait, in milliseconds; None is 120000. tbio
            never waits so long.
        filename_suffix: the end of the file's name; None is ".v2".
        name, experimental_trackable, experimental_mesh: TensorFlow's, of no effect.

    Returns:
        A `SummaryWriter` that is not the default of any thread yet.

    Raises:
        ValueError: no folder.
        OSError: the folder or the file cannot be made.

    >>> import tempfile
    >>> from tbio import summary
    >>> folder = tempfile.mkdtemp()
    >>> with summary.create_file_writer(folder).as_default():
    ...     summary.scalar("loss", 0.5, step=3)
    True
    >>> import tbio
    >>> tbio.open(folder)["."].scalars["loss"].steps
    array([3])
    """
    if logdir is None:
        raise ValueError("logdir: want a folder, got None")
    return FileSummaryWriter(
        logdir,
        _MAX_QUEUE if max_queue is None else int(max_queue),
        _FLUSH_MILLIS if flush_millis is None else float(flush_millis),
        _SUFFIX if filename_suffix is None else filename_suffix,
    )


def create_noop_writer() -> SummaryWriter:
    """A writer that does nothing, for code that wants one.

    Its ``as_default`` yields None and changes nothing: the default writer stays what it was.
    """
    return NoopSummaryWriter()


def flush(writer: SummaryWriter | None = None, name: str | None = None) -> None:
    """Return when everything recorded so far is in the operating system's hands.

    Args:
        writer: None is the default one of this thread, if there is one.
        name: TensorFlow's, of no effect.
    """
    writer = STATE.writer if writer is None else writer
    if writer is not None:
        writer.flush()
