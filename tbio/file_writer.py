"""FileWriter: ready-made events and summaries into one event file, in the background.

torch's and tensorboardX's `SummaryWriter` each stand on a class of this name, which other libraries
reach for (``writer.file_writer``, ``writer._get_file_writer()``) to write protos of their own. It
takes those of any package: what counts is that they serialize to the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError as ProtobufDecodeError

from tbio.background import Background
from tbio.checks import step_of, wall_time_of
from tbio.event_file import EventFileWriter
from tbio.proto.event_pb2 import Event, TaggedRunMetadata
from tbio.proto.summary_pb2 import Summary
from tbio.tag_book import TagBook


def message_bytes(message: Any) -> bytes:
    """A message as bytes: a proto of any package, or bytes as they are.

    Raises:
        TypeError: neither.
    """
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message)
    if hasattr(message, "SerializeToString"):
        return bytes(message.SerializeToString())
    raise TypeError(f"want a protobuf message or bytes, got {type(message).__name__}")


class _Defaults(threading.local):
    """Step and wall time of the calls of one thread that give none."""

    both: tuple[Any, float | None] = None, None


class FileWriter:
    """Writes events to one event file of a folder.

    Args:
        log_dir: the run's folder, made if need be.
        max_queue: see `SummaryWriter`.
        flush_secs: see `SummaryWriter`.
        filename_suffix: put at the end of the file's name.
        background: the thread to use; by default one of its own.
        file_options: see `EventFileWriter`.

    Attributes:
        event_writer: the `EventFileWriter` below.

    Raises:
        OSError: the folder or the file cannot be made.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        *,
        background: Background | None = None,
        **file_options: Any,
    ) -> None:
        self._settings = log_dir, max_queue, flush_secs, filename_suffix
        thread = Background() if background is None else background
        self.event_writer = EventFileWriter(
            log_dir, filename_suffix=filename_suffix, **file_options
        )
        thread.add(self.event_writer)
        self.background = (
            thread  # last: by `reopen`, another thread never finds it with an old file
        )
        if background is None:  # also at the interpreter's exit, and when it is dropped
            weakref.finalize(self, self.background.close)
        self._defaults = _Defaults()

    def get_logdir(self) -> str:
        """The folder, as it was given."""
        return self.event_writer.logdir

    def put(self, encode: Any, *args: Any, weight: int = 0) -> None:
        """Have ``encode(book, *args)`` give an event, on the thread; see `Background.put`."""
        self.background.put(self.event_writer, encode, *args, weight=weight)

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        """Write an event: a proto of any package, or its bytes.

        Args:
            step: put into the event, unless None.
            walltime: put into the event; None is now.

        Raises:
            TypeError, ValueError: what is no event.
        """
        self._put_event(_parsed(Event, event), step, walltime)

    def add_summary(
        self, summary: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Write a summary: a proto of any package, or its bytes.

        Raises:
            TypeError, ValueError: what is no summary.
        """
        self._put_event(Event(summary=_parsed(Summary, summary)), global_step, walltime)

    def add_graph(self, graph_profile: Any, walltime: float | None = None) -> None:
        """Write a graph: a GraphDef of any package, or a pair of it and StepStats.

        The pair is what torch's tracer gives; the StepStats go with it as run metadata "step1".
        """
        graph, stats = (
            graph_profile if isinstance(graph_profile, (tuple, list)) else (graph_profile, None)
        )
        self._put_event(Event(graph_def=message_bytes(graph)), None, walltime)
        if stats is not None:
            metadata = TaggedRunMetadata(tag="step1", run_metadata=message_bytes(stats))
            self._put_event(Event(tagged_run_metadata=metadata), None, walltime)

    def add_onnx_graph(self, graph: Any, walltime: float | None = None) -> None:
        """Write a graph: a GraphDef of any package."""
        self._put_event(Event(graph_def=message_bytes(graph)), None, walltime)

    add_openvino_graph = add_onnx_graph

    @contextlib.contextmanager
    def use_metadata(
        self, *, global_step: Any = None, walltime: float | None = None
    ) -> Iterator[None]:
        """Give step and wall time to every call in the block that gives none."""
        defaults = self._defaults
        before = step, time_ = defaults.both
        defaults.both = (
            step if global_step is None else global_step,
            time_ if walltime is None else walltime,
        )
        try:
            yield
        finally:
            defaults.both = before

    def _put_event(self, event: Event, step: Any, walltime: float | None) -> None:
        default_step, default_time = self._defaults.both
        step = default_step if step is None else step
        walltime = default_time if walltime is None else walltime
        event.wall_time = time.time() if walltime is None else wall_time_of(walltime, "walltime")
        if step is not None:
            event.step = step_of(step, "step")[0]
        self.put(_serialized, event)

    def flush(self) -> None:
        """Return when everything is in the operating system's hands."""
        self.background.flush()

    def close(self) -> None:
        """Write everything and close the file. Closing twice is fine."""
        self.background.close()

    def reopen(self) -> None:
        """Go on after `close`, in a new file of the same folder."""
        if self.background.closed:
            self.__init__(*self._settings)  # type: ignore[misc]


def _serialized(book: TagBook, event: Event) -> bytes:
    return event.SerializeToString()


def _parsed(kind: Any, message: Any) -> Any:
    """A message of tbio's own class, from one of any package."""
    if isinstance(message, kind):
        copy = kind()
        copy.CopyFrom(message)
        return copy
    name = kind.DESCRIPTOR.name
    given = getattr(getattr(message, "DESCRIPTOR", None), "name", name)
    if given != name:  # which would parse, as a message of unknown fields
        raise TypeError(f"want a message of type {name}, got a {given}")
    try:
        return kind.FromString(message_bytes(message))
    except ProtobufDecodeError as error:
        raise ValueError(f"{type(message).__name__} is no {name}: {error}") from error
