"""RunWriter: the files, steps, times and tags of a run that is being written.

What every ``add_`` method of `SummaryWriter` has in common: which file an event goes to, which step
and wall time it gets, what its tag is called, and what its user is to be warned of.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tbio.background import Background, OnError
from tbio.checks import step_of, wall_time_of
from tbio.errors import TbioWarning, WriterClosedError
from tbio.file_writer import FileWriter
from tbio.kinds import hparams
from tbio.proto.event_pb2 import Event, SessionLog
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.tag_book import TagBook


class Part(NamedTuple):
    """One value to be: ``encode(tag, *args)`` gives it (or several of them), on the thread.

    Attributes:
        kind: the word for it in a warning.
        metadata: those of the tag's first value in a file, which alone needs any.
        weight: what ``args`` hold, in bytes, if that is much.
    """

    kind: str
    tag: str
    metadata: SummaryMetadata | None
    encode: Callable[..., Summary.Value | Sequence[Summary.Value]]
    args: tuple[Any, ...]
    weight: int = 0


class _Defaults(threading.local):
    """What holds for the calls of one thread that do not say otherwise."""

    prefix = ""
    step: Any = None
    walltime: float | None = None


class RunWriter:
    """The run of a `SummaryWriter`; see there for the arguments."""

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        purge_step: int | None,
        max_queue: int,
        flush_secs: float,
        filename_suffix: str,
        on_error: OnError,
        write_to_disk: bool,
    ) -> None:
        self.log_dir = os.fspath(log_dir)
        self._base = os.path.abspath(self.log_dir)  # whatever the working folder becomes
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix or ""
        #: The `FileWriter` of the folder, and of every folder by its name; None after `close`.
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._write_to_disk = write_to_disk
        self._on_error = on_error
        self._defaults = _Defaults()
        self._warned: set[tuple[str, str]] = set()
        self._purge = None if purge_step is None else step_of(purge_step, "purge_step")[0]
        self._purged: set[str] = set()  # folders that were told; only the first file of each is
        self._ending = _Ending()
        self._opening = threading.RLock()
        self._dropped_before = 0
        self._open(lazy=False)

    def _open(self, *, lazy: bool) -> None:
        self._background = Background(self._on_error, self.max_queue)
        self._finalizer: weakref.finalize[..., RunWriter]
        if not self._write_to_disk:
            self._finalizer = weakref.finalize(self, self._background.close)
            return
        self.all_writers = {}
        self.file_writer = self._add_writer(self.log_dir, lazy=lazy)
        # Also at the interpreter's exit, and when the writer is dropped without close().
        self._finalizer = weakref.finalize(self, self._ending.finish, self.file_writer)

    def _add_writer(self, folder: str, *, lazy: bool) -> FileWriter:
        """A new writer. A lazy one's file is made by the thread, where a failure stops nobody."""
        writer = FileWriter(
            self._place_of(folder),
            self.max_queue,
            self.flush_secs,
            self.filename_suffix,
            background=self._background,
            lazy=lazy,
        )
        if self.all_writers is not None:
            self.all_writers[folder] = writer
        if self._purge is not None and folder not in self._purged:
            self._purged.add(folder)
            writer.put(_session_start, time.time(), self._purge)
        return writer

    def _get_file_writer(self) -> FileWriter:
        """The `FileWriter` of the run's folder, a new one after `close`."""
        return self._writer_in(self.log_dir)

    def _writer_in(self, folder: str) -> FileWriter:
        """The writer of a folder, made at its first use; all of them anew after `close`."""
        with self._opening:
            if not self._finalizer.alive:
                self._open(lazy=True)
            writers = self.all_writers or {}
            return writers.get(folder) or self._add_writer(folder, lazy=True)

    def _folder_of(self, name: str) -> str:
        """The folder of a sub-run.

        Raises:
            ValueError: it would not be inside the run's own.
        """
        inside = name.lstrip("/\\")  # a tag that begins with a slash is no place on the disk
        if ".." in re.split(r"[/\\]", name) or "\0" in name or os.path.splitdrive(inside)[0]:
            raise ValueError(f"{name!r} is no folder inside {self.log_dir!r}")
        return os.path.join(self.log_dir, inside)

    def _place_of(self, folder: str) -> str:
        """The path of the run's folder or of one inside, whatever the working folder is now."""
        return self._base + folder[len(self.log_dir) :]

    @property
    def logdir(self) -> str:
        """tensorboardX's name for ``log_dir``."""
        return self.log_dir

    def get_logdir(self) -> str:
        """The run's folder, as it was given."""
        return self.log_dir

    @property
    def dropped(self) -> int:
        """Events that had to be given up since the disk refused them for too long."""
        return self._dropped_before + self._background.dropped

    # ---- what holds for several calls

    @property
    def step(self) -> int | None:
        """The step of calls, in this thread, that give none; None means 0."""
        step = self._defaults.step
        return None if step is None else int(step)

    @step.setter
    def step(self, step: Any) -> None:
        if step is not None:
            stored, whole = step_of(step, "step")
            step = stored if whole else step  # `_put` warns of a fraction
        self._defaults.step = step

    @contextlib.contextmanager
    def prefix(self, prefix: str) -> Iterator[None]:
        """Put ``prefix`` in front of every tag that this thread logs inside the block.

        Blocks can be nested; the outer prefix comes first.
        """
        before = self._defaults.prefix
        self._defaults.prefix = before + text_of(prefix, "prefix")
        try:
            yield
        finally:
            self._defaults.prefix = before

    @contextlib.contextmanager
    def use_metadata(
        self, *, global_step: Any = None, walltime: float | None = None
    ) -> Iterator[None]:
        """Give step and wall time to every call of this thread in the block that gives none.

        Args:
            global_step: None leaves the step as it is outside.
            walltime: None is the time of each call.
        """
        before = self._defaults.step, self._defaults.walltime
        if global_step is not None:
            self.step = global_step
        if walltime is not None:
            self._defaults.walltime = wall_time_of(walltime, "walltime")
        try:
            yield
        finally:
            self._defaults.step, self._defaults.walltime = before

    # ---- the way of every value

    def _recording(self) -> bool:
        return self._write_to_disk

    def _tag(self, tag: Any) -> str:
        return self._defaults.prefix + text_of(tag, "tag")

    def _step_of(self, tag: str, global_step: Any) -> int:
        """The step of a call, with a warning if it is no whole number."""
        if global_step is None:
            global_step = self._defaults.step
        step, whole = step_of(global_step, f"{tag!r}, step")
        if not whole:
            self._warn_once(tag, f"step {global_step!r} is no whole number; stored as {step}")
        return step

    def _wall_time(self, walltime: float | None, what: str) -> float:
        if walltime is None:
            walltime = self._defaults.walltime
        return time.time() if walltime is None else wall_time_of(walltime, what)

    def _put(
        self,
        parts: Sequence[Part],
        global_step: Any,
        walltime: float | None,
        *,
        folder: str | None = None,
        note: str = "",
    ) -> None:
        """Log one event of one or several values.

        Args:
            note: what was amiss with the value of the first part, for a warning once a tag.
        """
        tag = parts[0].tag if parts else ""
        step = self._step_of(tag, global_step)
        wall_time = self._wall_time(walltime, f"{tag!r}, walltime")
        if note:
            self._warn_once(tag, note)
        weight = sum(part.weight for part in parts)
        self._put_raw(_summary_event, wall_time, step, parts, folder=folder, weight=weight)

    def _put_raw(
        self,
        encode: Callable[..., bytes],
        *args: Any,
        folder: str | None = None,
        weight: int = 0,
    ) -> None:
        """Have ``encode(book, *args)`` give an event, or do something in its turn."""
        while self._recording():
            writer = self._writer_in(self.log_dir if folder is None else folder)
            with contextlib.suppress(WriterClosedError):  # by another thread, this moment
                writer.put(encode, *args, weight=weight)
                return

    def _warn_once(self, tag: str, what: str) -> None:
        """Warn, but not twice of the same tag and matter; numbers do not make another matter."""
        about = re.sub(r"[-+.\de]*\d", "", what)
        if (tag, about) not in self._warned:
            self._warned.add((tag, about))
            warn(f"{tag!r}: {what}")

    # ---- the end

    def flush(self, sync: bool = False) -> None:
        """Return when everything logged so far is in the operating system's hands.

        Other processes see it then, and it outlives this one whatever happens to it.

        Args:
            sync: also wait until the disk itself has it (fsync), which outlives a power cut.

        Raises:
            WriteFailedError: the disk refuses, with ``on_error="raise"``.
        """
        self._background.flush(sync)

    def close(self) -> None:
        """Write everything and close the files. Closing twice is fine.

        What is logged afterwards goes into new files, as with torch's writer.

        Raises:
            WriteFailedError: the disk refuses, with ``on_error="raise"``.
        """
        with self._opening:
            if not self._finalizer.alive:
                return
            # Who closes it is there to say how it ended; the last exception may be an old one.
            self._ending.status = self._ending.status or "SUCCESS"
            try:
                self._finalizer()
            finally:
                self._dropped_before += self._background.dropped
                self._background.dropped = 0
                self.file_writer = self.all_writers = None

    def __exit__(self, kind: object, *exception: object) -> None:
        if kind is not None:
            self._ending.status = "FAILURE"
        self.close()


class _Ending:
    """How a run ends: what is still to be written when its writer is closed, or is no more."""

    def __init__(self) -> None:
        #: Whether the hyperparameters were written, which want to be told of the end.
        self.wanted = False
        self._pid = os.getpid()
        self.status: hparams.Status | None = None

    def finish(self, writer: FileWriter) -> None:
        """Write the end and close."""
        if self.wanted and self._pid == os.getpid():  # not in a forked child
            self.wanted = False
            # An exception that nobody caught is kept there when the interpreter has printed it.
            status = self.status or ("FAILURE" if hasattr(sys, "last_value") else "SUCCESS")
            try:
                writer.put(_session_end, time.time(), status)
            finally:  # also when put tells of a refusal before
                writer.close()
        else:
            writer.close()


def warn(words: str) -> None:
    """A warning whose place is the first caller outside of tbio."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("tbio."):
        frame, level = frame.f_back, level + 1
    warnings.warn(words, TbioWarning, stacklevel=level)


def _summary_event(book: TagBook, wall_time: float, step: int, parts: Sequence[Part]) -> bytes:
    event = Event(wall_time=wall_time, step=step)
    for kind, tag, metadata, encode, args, _ in parts:
        first = book.meet(tag, kind, step)
        made = encode(tag, *args)
        values = [made] if isinstance(made, Summary.Value) else made
        if first and metadata is not None:
            values[0].metadata.CopyFrom(metadata)
        event.summary.value.extend(values)
    return event.SerializeToString()


def _session_start(book: TagBook, wall_time: float, step: int) -> bytes:
    log = SessionLog(status=SessionLog.START)
    return Event(wall_time=wall_time, step=step, session_log=log).SerializeToString()


def _session_end(book: TagBook, wall_time: float, status: hparams.Status) -> bytes:
    value = hparams.encode_end(status, end_time=wall_time)
    return Event(wall_time=wall_time, summary=Summary(value=[value])).SerializeToString()


@contextlib.contextmanager
def naming(tag: str) -> Iterator[None]:
    """Put the tag in front of what is wrong with its value."""
    try:
        yield
    except TypeError as error:
        raise TypeError(f"{tag!r}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{tag!r}: {error}") from error


def text_of(text: object, what: str) -> str:
    """A string that protobuf will take; ``what`` is for the message."""
    if not isinstance(text, str):
        raise TypeError(f"{what}: want a str, got {type(text).__name__} {text!r:.80}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what}: {text!r} cannot be stored as UTF-8") from error
    return text


def default_log_dir(comment: str) -> str:
    """Where torch and tensorboardX log when they are told nothing."""
    host = re.sub(r"[^\w.-]", "_", socket.gethostname())
    return os.path.join("runs", time.strftime(f"%b%d_%H-%M-%S_{host}") + comment)


def flattened(
    values: Mapping[str, Any], evaluate: bool, before: str = ""
) -> Iterator[tuple[str, Any]]:
    """Tag and value of each leaf of nested dicts, the keys joined by ``/``.

    Args:
        evaluate: take what a function returns for its value; otherwise it is passed over.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"want a dict of values, got {type(values).__name__}")
    for key, value in values.items():
        tag = before + text_of(key, "key")
        if callable(value) and not hasattr(value, "shape"):
            if not evaluate:
                continue
            value = value()
        if isinstance(value, Mapping):
            yield from flattened(value, evaluate, tag + "/")
        else:
            yield tag, value
