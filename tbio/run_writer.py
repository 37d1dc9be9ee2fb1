"""RunWriter: the files, steps, times and tags of a run that is being written.

What every ``add_`` method of `SummaryWriter` has in common: which file an event goes to, which step
and wall time it gets, what its tag is called, and what its user is to be warned of.
"""

from __future__ import annotations

import contextlib
import operator
import os
import re
import socket
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tbio.background import Background, BlobEvent, Encode, OnError
from tbio.checks import MAX_STEP, step_of, wall_time_of
from tbio.device import Snapshot
from tbio.errors import TbioWarning, WriterClosedError, WriterError
from tbio.event_file import EventFileWriter, is_event_file
from tbio.file_writer import FileWriter
from tbio.kinds import hparams
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.tag_book import TagBook

if TYPE_CHECKING:
    from tbio.resuming import Resumed

#: The short way is closed.
_NO_TAGS: frozenset[str] = frozenset()


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


class Late(NamedTuple):
    """What stands for the arguments of a `Part` whose value is still on a device.

    Attributes:
        make: on the thread, the value -> the arguments, and a note of what was amiss with it.
    """

    snapshot: Snapshot
    make: Callable[[Any], tuple[tuple[Any, ...], str]]


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
        lazy: bool = False,
        resume: bool | int = False,
        max_file_bytes: int | None = None,
        max_file_seconds: float | None = None,
        keep_last: int | None = None,
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
        self._keep_last = keep_last
        self._file_options = {
            "max_bytes": max_file_bytes,
            "max_seconds": max_file_seconds,
            "keep_last": keep_last,
        }
        self._on_error = on_error
        self._defaults = _Defaults()
        self._opening = threading.RLock()
        _WRITERS.add(self)
        # The file of the run's own folder and what writes it: read as one, since another thread
        # may close the writer and open it anew at any moment.
        self._lane: tuple[EventFileWriter, Background]
        # Tags that are known to be good, while nothing but themselves is to be looked at: the
        # writer is open and no thread has defaults. Nothing else may take the short way.
        self._good_tags: set[str] = set()
        self._short_way: set[str] | frozenset[str] = _NO_TAGS
        self._users_of_defaults = 0
        self._warned: set[tuple[str, str]] = set()
        self._purge = None if purge_step is None else step_of(purge_step, "purge_step")[0]
        # The step to go on with, as `resuming.resume` takes it, if the run is resumed.
        self._resume: tuple[int | None] | None = None
        if resume is not False:
            self._resume = (None,) if resume is True else (step_of(resume, "resume")[0],)
        #: The step to go on with, of a run that is resumed; 0 for others.
        self.next_step = 0
        self._begun: set[str] = set()  # folders whose first file of this writer was begun
        self._ending = _Ending()
        self._dropped_before = 0
        self._open(lazy=lazy)

    def _open(self, *, lazy: bool) -> None:
        self._background = Background(self._on_error)
        self._finalizer: weakref.finalize[..., RunWriter]
        if not self._write_to_disk:
            self._finalizer = weakref.finalize(self, self._background.close)
            return
        self.all_writers = {}
        self.file_writer = self._add_writer(self.log_dir, lazy=lazy)
        self._lane = self.file_writer.event_writer, self._background
        self._pave()
        # Also at the interpreter's exit, and when the writer is dropped without close().
        self._finalizer = weakref.finalize(self, self._ending.finish, self.file_writer)

    def _add_writer(self, folder: str, *, lazy: bool) -> FileWriter:
        """A new writer. A lazy one's file is made by the thread, where a failure stops nobody."""
        session_step, behind = self._beginning(folder)
        writer = FileWriter(
            self._place_of(folder),
            self.max_queue,
            self.flush_secs,
            self.filename_suffix,
            background=self._background,
            lazy=lazy,
            session_step=session_step,
            behind=behind,
            **self._file_options,
        )
        if self.all_writers is not None:
            self.all_writers[folder] = writer
        return writer

    def _beginning(self, folder: str) -> tuple[int | None, str]:
        """How the next file of a folder begins: with which session start, and behind which name.

        TensorBoard takes the first session start of a run for its beginning, and only later ones
        for restarts (backend/event_processing/plugin_event_accumulator.py). So that a later
        ``purge_step`` has its effect, a fresh run begins with one too. Its step is one that no run
        reaches: should several writers begin a run at once, none makes void what another wrote.
        """
        if folder in self._begun:
            return None, ""
        self._begun.add(folder)
        if self._resume is not None:
            resumed = self._resumed(folder)
            return (None, "") if resumed is None else (resumed.next_step, resumed.last_name)
        if self._purge is not None:
            return self._purge, ""
        try:
            with os.scandir(self._place_of(folder)) as entries:
                is_fresh = not any(is_event_file(entry.name) for entry in entries)
        except OSError:  # it is not there yet, or whoever writes the file will be told
            is_fresh = True
        return (MAX_STEP if is_fresh else None), ""

    def _resumed(self, folder: str) -> Resumed | None:
        """Make the event files of a folder ready for what comes; None where the disk refuses."""
        from tbio import resuming  # not for those who begin

        (step,) = self._resume or (None,)
        if folder == self.log_dir:
            resumed = resuming.resume(self._place_of(folder), step)
            self.next_step = resumed.next_step
            return resumed
        try:  # in the middle of the training, which is not to be disturbed
            return resuming.resume(self._place_of(folder), self.next_step)
        except (OSError, WriterError) as error:
            warn(f"{folder}: what was to be logged again stays in the log: {error}")
            return None

    def _turn(self) -> contextlib.AbstractContextManager[Any]:
        """The lock of who opens and closes files."""
        return (
            _TurnOfThread(self._opening, self._background)
            if self._background.is_here
            else (self._opening)
        )

    def _get_file_writer(self) -> FileWriter:
        """The `FileWriter` of the run's folder, a new one after `close`."""
        return self._writer_in(self.log_dir)

    def _writer_in(self, folder: str) -> FileWriter:
        """The writer of a folder, made at its first use; all of them anew after `close`."""
        with self._turn():
            if not self._finalizer.alive:
                self._background.close()  # if Ctrl-C cut that short before
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

    def _pave(self, users: int = 0) -> None:
        """Open the short way, or close it; ``users``: how many more threads' defaults hold."""
        with self._turn():
            self._users_of_defaults += users
            is_open = self.file_writer is not None and not self._users_of_defaults
            self._short_way = self._good_tags if is_open else _NO_TAGS

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
        before, self._defaults.step = self._defaults.step, step
        self._pave((step is not None) - (before is not None))

    @contextlib.contextmanager
    def prefix(self, prefix: str) -> Iterator[None]:
        """Put ``prefix`` in front of every tag that this thread logs inside the block.

        Blocks can be nested; the outer prefix comes first.
        """
        before = self._defaults.prefix
        self._defaults.prefix = before + text_of(prefix, "prefix")
        self._pave(1)
        try:
            yield
        finally:
            self._defaults.prefix = before
            self._pave(-1)

    @contextlib.contextmanager
    def use_metadata(
        self, *, global_step: Any = None, walltime: float | None = None
    ) -> Iterator[None]:
        """Give step and wall time to every call of this thread in the block that gives none.

        Args:
            global_step: None leaves the step as it is outside.
            walltime: None is the time of each call.
        """
        before, before_time = self.step, self._defaults.walltime
        if walltime is not None:
            walltime = wall_time_of(walltime, "walltime")
        if global_step is not None:
            self.step = global_step
        if walltime is not None:
            self._defaults.walltime = walltime
        self._pave(1)
        try:
            yield
        finally:
            self.step, self._defaults.walltime = before, before_time
            self._pave(-1)

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
        events: list[tuple[Encode, Sequence[Part]]] = [(_summary_event, parts)]
        if self._keep_last is not None and parts:
            stay, blobs = _apart(parts)
            events = [(_summary_event, stay)] if stay else []
            events += [(_blob_event, blobs)] if blobs else []
        for encode, group in events:
            weight = sum(part.weight for part in group)
            self._put_raw(encode, wall_time, step, group, folder=folder, weight=weight)

    def _put_raw(
        self,
        encode: Encode,
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

    def _attend(self, background: Background, entry: tuple[Any, ...]) -> None:
        """See to what came up when a scalar was put into the queue by the short way."""
        try:
            background.attend(entry)
        except WriterClosedError:  # by another thread, this moment; the next file takes it
            file, *scalar = entry
            while True:
                writer = self._writer_in(self._folder_by_path(file.logdir))
                with contextlib.suppress(WriterClosedError):
                    background = writer.background
                    background.queue.append(again := (writer.event_writer, *scalar))
                    background.attend(again)
                    return

    def _folder_by_path(self, path: str) -> str:
        """The reverse of `_place_of`."""
        return self.log_dir + path[len(self._base) :]

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
        if self._background.closed and self._background.is_here:
            return  # somebody is about it
        with self._turn():
            if not self._finalizer.alive:
                return
            self._short_way = _NO_TAGS
            # Who closes it is there to say how it ended; the last exception may be an old one.
            self._ending.status = self._ending.status or "SUCCESS"
            # Not called as it is, which does nothing when the interpreter has begun to end.
            found, background = self._finalizer.detach(), self._background
            # Before the end: what this very thread logs in the middle of it, by a signal handler or
            # where a warning is shown, opens new files.
            self.file_writer = self.all_writers = None
            try:
                if found is not None:
                    _, finish, arguments, _ = found
                    finish(*arguments)
            finally:
                self._dropped_before += background.dropped
                background.dropped = 0

    def __exit__(self, kind: object, *exception: object) -> None:
        if kind is not None:
            self._ending.status = "FAILURE"
        self.close()


class _TurnOfThread(contextlib.AbstractContextManager[None]):
    """The lock of who opens and closes files, for the background's own thread.

    A callable of the user's that is told of an error may log, and so may a finalizer, there; who
    closes meanwhile has the lock and waits for the thread.

    Raises:
        WriterClosedError: somebody does.
    """

    def __init__(self, lock: Any, background: Background) -> None:
        self._lock, self._background = lock, background

    def __enter__(self) -> None:
        while not self._lock.acquire(timeout=0.01):
            if self._background.closed:
                raise WriterClosedError("the writer is being closed")

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


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
            # Not by `put`, which waits for room: the thread may be in a callable of the user's that
            # waits for the lock of who closes.
            entry = writer.event_writer, _session_end, (time.time(), status), 0
            writer.background.queue.append(entry)
        writer.close()


#: Those whose lock a forked child has to have anew: a thread that is not there may hold it.
_WRITERS: weakref.WeakSet[RunWriter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for writer in list(_WRITERS):
        writer._opening = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def warn(words: str) -> None:
    """A warning whose place is the first caller outside of tbio."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("tbio."):
        frame, level = frame.f_back, level + 1
    warnings.warn(words, TbioWarning, stacklevel=level)


#: The kinds of which ``keep_last`` keeps so many.
_BLOB_KINDS = ("image", "audio")


def _apart(parts: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """The parts that stay, and those of which the last are kept."""
    stay = [part for part in parts if part.kind not in _BLOB_KINDS]
    return stay, [part for part in parts if part.kind in _BLOB_KINDS]


def _summary_event(
    book: TagBook, wall_time: float, step: int, parts: Sequence[Part], described: bool = False
) -> bytes:
    """An event; ``described``: every value has its metadata, be it its tag's first or not."""
    event = Event(wall_time=wall_time, step=step)
    for kind, tag, metadata, encode, args, _ in parts:
        if args and type(args[0]) is Late:
            args, note = args[0].make(args[0].snapshot.get())
            if note:
                book.remark(tag, "value", note)
        first = book.meet(tag, kind, step)
        made = encode(tag, *args)
        values = [made] if isinstance(made, Summary.Value) else made
        if (first or described) and metadata is not None:
            values[0].metadata.CopyFrom(metadata)
        event.summary.value.extend(values)
    return event.SerializeToString()


def _blob_event(book: TagBook, wall_time: float, step: int, parts: Sequence[Part]) -> BlobEvent:
    data = _summary_event(book, wall_time, step, parts, described=True)
    return BlobEvent(data, tuple(part.tag for part in parts))


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


#: Where launchers of distributed trainings tell a process its rank.
_RANK_VARIABLES = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")


def rank_of(rank: Any) -> int:
    """The rank that is meant; 0 for None, and for "auto" where nothing tells.

    Raises:
        TypeError, ValueError: no rank.
    """
    if rank == "auto":
        rank = next((os.environ[name] for name in _RANK_VARIABLES if os.environ.get(name)), "0")
        if not rank.isdecimal():
            raise ValueError(f"rank: want a number in the environment, got {rank!r}")
        return int(rank)
    if rank is None:
        return 0
    if isinstance(rank, (bool, str)) or not hasattr(rank, "__index__"):
        raise TypeError(f'rank: want an int, "auto" or None, got {rank!r}')
    if rank < 0:
        raise ValueError(f"rank: want 0 or more, got {rank}")
    return operator.index(rank)


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
