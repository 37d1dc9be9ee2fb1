"""The writing lane: one thread that encodes and writes what a `SummaryWriter` is given.

The training loop only appends to a deque. The thread looks every few tens of milliseconds whether
there is something, takes all of it, encodes it and makes one write a file. So a call costs no
system call, but for the first one after a pause, which wakes the thread.

The thread does all of the work, also that of `flush` and `close`: they leave a request and wait for
its answer. So an exception in the main thread, Ctrl-C say, meets nothing half done. Where there is
no thread to do it, in the interpreter's last moments, the caller does it himself; nothing waits
for a thread that is no more.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import sys
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from tbio.errors import TbioWarning, WriteFailedError, WriterClosedError
from tbio.event_file import EventFileWriter
from tbio.record import encode_record
from tbio.rotation import Blob
from tbio.scalar_lane import ScalarEntry, ScalarLane

#: What to do when the operating system refuses to take what was logged.
OnError: TypeAlias = Literal["warn", "raise"] | Callable[[OSError], None]

#: One event to be: a file, a function whose ``encode(book, *args)`` gives its bytes on the thread,
#: its arguments, and what these hold in bytes, if that is much. No bytes mean that there is no
#: event to write, only something to be done in its turn.
Entry: TypeAlias = "tuple[EventFileWriter, Encode, tuple[Any, ...], int]"
Encode: TypeAlias = "Callable[..., bytes | BlobEvent]"

_INTERVAL = 0.05  # seconds between two looks of the thread
_IDLE_ROUNDS = 20  # looks in vain before the thread sleeps until it is woken
_BATCH_ENTRIES = 512  # encoded in one go; then the training loop has its turn
_QUEUE_ENTRIES = 1 << 16  # more of them make the caller wait
_QUEUE_ROOM = 1 << 12  # until there is room for so many
_QUEUE_BYTES = 1 << 27  # and so do more bytes of arrays
_WAITING_BYTES = 1 << 26  # what is kept for a disk that refuses, a file
_RETRY_SECONDS = 1.0
_OPEN_FILES = 16  # of one writer; the others are opened for each write
_START_SECONDS = 5.0  # that a thread may take until it is at work
_ALIVE_SECONDS = 0.1  # how often who waits for the thread looks whether it is still there
_IS_SCALAR = len(ScalarEntry._fields)


class BlobEvent(NamedTuple):
    """An event of which a file with ``keep_last`` keeps the newest only.

    Attributes:
        tags: of all its values, each of which has its metadata.
    """

    data: bytes
    tags: tuple[str, ...]


class _Signal:
    """Something that happens and is waited for, by single calls of C.

    `threading.Event` is made of many: an exception out of a signal handler, Ctrl-C say, in the
    middle of one leaves its lock held for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """It has happened; more than once before somebody waits is as good as once."""
        with contextlib.suppress(RuntimeError):
            self._lock.release()

    def wait(self, seconds: float = -1) -> bool:
        """Whether it happens within some seconds, or has since the last call."""
        return self._lock.acquire(timeout=seconds)


class _Request:
    """What somebody waits for: everything that was put before it is written."""

    def __init__(self, *, sync: bool = False, last: bool = False) -> None:
        self.sync = sync
        self.last = last
        self.done = _Signal()
        self.is_done = False
        self.remarks: list[str] = []
        self.errors: list[Exception] = []


class Background:
    """A queue of events and the thread that writes them.

    Args:
        on_error: "warn" warns once a file, keeps what the disk refuses (64 MiB a file) and tries
            again, and counts in `dropped` what it had to give up; "raise" raises a
            `WriteFailedError` at the next call; a callable is told of the ``OSError`` each time.

    Attributes:
        queue: what is to be written: an `Entry`, or the fields of a `ScalarEntry`. Who appends to
            it by himself calls `attend` when `alert` is set afterwards.
        alert: whether something may be to be seen to after an append: there is no thread yet, or it
            sleeps, or is at something that may take long, the queue is full, the disk has refused,
            the writer is closed. Only `_look` takes it back, lest it be lost between threads.
        dropped: events given up because the disk refused them for too long.
    """

    def __init__(self, on_error: OnError = "warn") -> None:
        if not (callable(on_error) or on_error in ("warn", "raise")):
            raise ValueError(f'on_error: want "warn", "raise" or a callable, got {on_error!r}')
        self._on_error = on_error
        self._files: list[EventFileWriter] = []
        self.dropped = 0
        self.queue: deque[Any] = deque()
        self._begin()
        _UNENDED.add(self)
        self._end_with_process()

    def _begin(self) -> None:
        self.queue.clear()
        self._held = 0  # bytes of arrays in the queue, about: threads may miscount
        # Of whoever does the work. `threading.Condition`, too, asks one whose it is.
        self._lock: Any = threading.RLock()
        self._wake = _Signal()
        self._requests: deque[_Request] = deque()
        self._closed = False  # nothing more is to be put
        self._ended = False  # and the files are closed
        self._thread: threading.Thread | None = None
        self._started_at = -_START_SECONDS
        self._at_work: set[int] = set()  # the thread's own word, since asking it is not safe
        self._working = False
        self._asleep = False
        self._idle = 0  # rounds in which there was nothing to do
        self._refused: dict[EventFileWriter, OSError] = {}
        self._retry_at = 0.0
        self._failure: tuple[str, OSError] | None = None  # to be raised at the next call
        self._lane = ScalarLane()
        self.alert = True

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def add(self, file: EventFileWriter) -> None:
        """Take a file in charge: it is written by this thread only, and closed with it."""
        self._files.append(file)  # without the lock: the thread may hold it as long as a disk likes

    # ------------------------------------------------------------------ in the caller

    def put(self, file: EventFileWriter, encode: Encode, *args: Any, weight: int = 0) -> None:
        """Have ``encode(book, *args)`` called and its event written to ``file``, after all before.

        When the queue holds too much, the caller waits until there is room.

        Args:
            weight: what ``args`` hold, in bytes, if that is much.

        Raises:
            WriterClosedError: after `close`; nothing was put.
            WriteFailedError: the disk refused earlier, with ``on_error="raise"``; it was put.
        """
        if self._closed:
            raise WriterClosedError("the writer is closed")
        entry = (file, encode, args, weight)
        self._held += weight  # first: of an empty queue, the thread knows that it holds nothing
        self.queue.append(entry)
        if self.alert or self._held > _QUEUE_BYTES or len(self.queue) >= _QUEUE_ENTRIES:
            self.attend(entry)

    def attend(self, entry: tuple[Any, ...]) -> None:
        """See to what came up when an entry was appended.

        Raises:
            WriterClosedError: the queue was closed before; the entry was taken back.
            WriteFailedError: as `put`.
        """
        if self._closed:
            self._take_back(entry)
            return
        if self._thread is None and not self._start():
            self.drain()
        if self._asleep:
            self._wake.set()
        if len(self.queue) >= _QUEUE_ENTRIES or self._held > _QUEUE_BYTES:
            self._wait_for_room()
        if self._closed:  # since the first line
            self._take_back(entry)
        self._raise_failure()

    def _take_back(self, entry: tuple[Any, ...]) -> None:
        """Raise if ``close`` was too early to see the entry.

        By its place, since others append while we look; they do so behind it, and who takes
        something out has the lock.
        """
        with self._lock:
            for at in reversed(range(len(self.queue))):
                if self.queue[at] is entry:
                    del self.queue[at]
                    raise WriterClosedError("the writer is closed")

    def _wait_for_room(self) -> None:
        """Back-pressure: until the thread has made room."""
        while len(self.queue) > _QUEUE_ENTRIES - _QUEUE_ROOM or self._held > _QUEUE_BYTES:
            if not self._is_at_work():
                self.drain()
                return
            self._wake.set()
            time.sleep(0.001)

    @property
    def is_here(self) -> bool:
        """Whether it is its own thread that asks: in a callable of the user's, or a finalizer."""
        return threading.get_ident() in self._at_work

    def _is_at_work(self) -> bool:
        """Whether there is a thread, other than this one, that will do what is asked of it."""
        # Who has the lock is a signal handler in the middle of a call that took it: the thread
        # would wait for him.
        if self.is_here or self._lock._is_owned() or sys.is_finalizing():
            return False
        return bool(self._at_work) or time.monotonic() < self._started_at + _START_SECONDS

    def _start(self) -> bool:
        """Whether there is a thread to do the work, or soon will be."""
        with self._lock:
            if self._thread is None and not (self._closed or _EXITING or sys.is_finalizing()):
                self._thread = threading.Thread(target=self._work, name="tbio", daemon=True)
                self._started_at = time.monotonic()
                try:
                    self._thread.start()
                except BaseException as error:
                    self._thread = None
                    self._started_at = -_START_SECONDS
                    if not isinstance(error, RuntimeError):  # "the interpreter is on its way out"
                        raise  # Ctrl-C: should there be a thread after all, a second does no harm
            return self._thread is not None

    def _ask(self, request: _Request) -> None:
        """Have a request fulfilled, and pass on what was amiss on the way."""
        if self._thread is None and (self.queue or any(file.waiting for file in self._files)):
            self._start()
        interrupt: KeyboardInterrupt | None = None
        self._requests.append(request)
        while not request.is_done:
            try:
                if not self._is_at_work():
                    self.drain(request)
                    break
                self._wake.set()
                request.done.wait(_ALIVE_SECONDS)
            except KeyboardInterrupt as error:
                # The thread ends with the process, so what is last is waited for all the same.
                if interrupt is not None or not request.last:
                    raise
                interrupt = error
        if interrupt is not None:
            raise interrupt
        for remark in request.remarks:
            self._warn(remark)
        if request.errors:
            raise request.errors[0]

    def drain(self, request: _Request | None = None) -> None:
        """Do the thread's work here and now, where there is no thread for it."""
        if request is not None:
            with contextlib.suppress(ValueError):
                self._requests.remove(request)
        self._fulfil([] if request is None else [request])

    # ------------------------------------------------------------------ on the thread

    def _work(self) -> None:
        me = threading.get_ident()
        self._at_work.add(me)
        self._look()
        try:
            while not self._round():
                pass
        finally:
            self._at_work.discard(me)
            self._started_at = -_START_SECONDS

    def _round(self) -> bool:
        """Wait for work and do it; whether it was the last."""
        if self._idle < _IDLE_ROUNDS or self._refused:
            self._wake.wait(_INTERVAL)
        else:
            self._asleep = self.alert = True
            if not (self.queue or self._requests):  # which woke nobody before the flag was up
                self._wake.wait()
            self._asleep = False
        self._idle = 0 if self.queue else self._idle + 1
        requests = []
        while self._requests:
            requests.append(self._requests.popleft())
        try:
            self._fulfil(requests)
        except BaseException:  # a callable of the user's own, or a warning made an error
            threading.excepthook(
                threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
            )
        return self._ended

    def _look(self) -> None:
        """Whether whoever appends has something to see to.

        The flag is taken back first: who has a reason to set it gives the reason before.
        """
        self.alert = False
        if (
            self._closed
            or self._asleep
            or self._thread is None
            or self._failure is not None
            or len(self.queue) >= _QUEUE_ENTRIES
        ):
            self.alert = True

    def _fulfil(self, requests: list[_Request]) -> None:
        """Write everything that was put before now, and tell those who wait for it."""
        remarks: list[str] = []
        errors: list[Exception] = []
        with self._lock:
            if self._working:  # a signal handler or finalizer, in the middle of its thread's round
                self._requests.extend(requests)  # are for the next one
                return
            self._working = True
            try:
                if not self._ended:  # then what is in the queue is taken back by who put it there
                    self._write_all(bool(requests), remarks, errors)
                if any(request.sync for request in requests):
                    self._sync(remarks, errors)
                if any(request.last for request in requests) and not self._ended:
                    self._ended = True
                    _UNENDED.discard(self)
                    self._close_files(remarks)
                    self._wake.set()  # a thread that was not yet there to do it ends too
            finally:
                self._working = False
                self._look()
                if requests:  # one of them passes on what is to be told
                    requests[0].remarks, requests[0].errors = remarks, errors
                for request in requests:
                    request.is_done = True
                    request.done.set()
        if requests:
            return
        for remark in remarks:
            self._warn(remark)
        if errors:
            raise errors[0]

    def _write_all(self, retry: bool, remarks: list[str], errors: list[Exception]) -> None:
        """Encode everything in the queue and hand it to the operating system.

        A file that the disk refused to take is left alone for a second, unless ``retry`` is set.
        """
        left = len(self.queue)  # and not what comes meanwhile, without end
        while True:
            count = min(left, _BATCH_ENTRIES)
            if count:
                self._encode(count, remarks)
            left -= count
            self.alert = True  # the disk takes as long as it likes
            due = retry or time.monotonic() >= self._retry_at
            for file in list(self._files):
                if not file.waiting:
                    continue
                try:
                    if due or file not in self._refused:
                        self._write(file, remarks)
                    else:
                        self.dropped += file.drop_waiting(_WAITING_BYTES)
                except Exception as error:  # of the user's callable
                    errors.append(error)
            retry = False
            self._release_files()
            self._look()
            if left <= 0:
                return
            time.sleep(0)  # lets a thread that waits for its turn have it

    def _release_files(self) -> None:
        """Keep a few files open only: a process may have a thousand or so in all."""
        if len(self._files) > _OPEN_FILES:
            for file in [file for file in list(self._files) if file.is_open][_OPEN_FILES:]:
                file.release()

    def _encode(self, count: int, remarks: list[str]) -> None:
        """Move entries from the queue into their files' waiting records."""
        take = self.queue.popleft
        batch = [take() for _ in range(count)]
        files = {entry[0] for entry in batch}
        by_file: dict[EventFileWriter, list[tuple[Any, ...]]] = {file: [] for file in files}
        if len(files) == 1:
            by_file[batch[0][0]] = batch
        else:
            for entry in batch:
                by_file[entry[0]].append(entry)
        for file, entries in by_file.items():
            try:
                self._encode_for(file, entries, remarks)
            except Exception as error:  # which would cost the other files' entries too
                self.dropped += len(entries)
                remarks.append(f"{file.path}: {len(entries)} events were lost: {error!r}")
        if not self.queue:
            self._held = 0

    def _encode_for(
        self, file: EventFileWriter, entries: list[tuple[Any, ...]], remarks: list[str]
    ) -> None:
        """One file's entries, in order: scalars by the lane, as many as follow each other."""
        book = file.book
        pieces: list[bytes] = []
        blobs: list[Blob] = []
        events = begin = size = 0
        only_scalars = set(map(len, entries)) == {_IS_SCALAR}
        while begin < len(entries):
            end = len(entries) if only_scalars else begin
            while end < len(entries) and len(entries[end]) == _IS_SCALAR:
                end += 1
            if end > begin:
                data = self._lane.encode(book, cast(Any, entries[begin:end]))
                events += end - begin
                begin = end
            else:
                event = self._event_of(file, entries[begin], remarks)
                begin += 1
                payload = event.data if isinstance(event, BlobEvent) else event
                data = encode_record(payload) if payload else b""
                if isinstance(event, BlobEvent):
                    blobs.append(Blob(size, len(data), event.tags))
                events += bool(payload)
            pieces.append(data)
            size += len(data)
        news = book.news()
        remarks += news.remarks
        if size:
            file.append(b"".join(pieces), events, news.tags, blobs)

    def _event_of(
        self, file: EventFileWriter, entry: tuple[Any, ...], remarks: list[str]
    ) -> bytes | BlobEvent:
        """What an `Entry` encodes; no bytes where there is nothing."""
        _, encode, args, weight = entry
        self._held -= weight
        self.alert = True  # a value may still be on its way from a device
        try:
            event: bytes | BlobEvent = encode(file.book, *args)
        except Exception as error:
            self.dropped += 1
            file.book.forget(file.book.news().tags)
            remarks.append(f"{file.path}: an event was lost: {error!r}")
            return b""
        return event

    def _write(self, file: EventFileWriter, remarks: list[str]) -> None:
        try:
            file.write_waiting()
        except OSError as error:
            self._refuse(file, error, remarks)
        except ValueError as error:  # a path that no file system would take
            self._refuse(file, OSError(errno.EINVAL, str(error)), remarks)
        else:
            self._refused.pop(file, None)

    def _refuse(self, file: EventFileWriter, error: OSError, remarks: list[str]) -> None:
        """The disk did not take everything: tell, as asked for, and try again later."""
        known = file in self._refused
        self._refused[file] = error
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        self.dropped += file.drop_waiting(_WAITING_BYTES)
        if callable(self._on_error):
            self._on_error(error)
        elif self._on_error == "raise":
            self._failure = file.path, error
            self.alert = True
        elif not known:
            remarks.append(
                f"{file.path}: {error.strerror or error}; what is logged is kept in memory "
                f"(at most {_WAITING_BYTES >> 20} MiB) and written when the disk takes it"
            )

    def _sync(self, remarks: list[str], errors: list[Exception]) -> None:
        self.alert = True
        for file in list(self._files):
            try:
                file.flush(sync=True)
            except OSError as error:
                try:
                    self._refuse(file, error, remarks)
                except Exception as raised:  # of the user's callable
                    errors.append(raised)

    def _close_files(self, remarks: list[str]) -> None:
        lost = 0
        for file in list(self._files):
            lost += file.waiting_events
            file.discard_waiting()
            file.close()
        self.dropped += lost
        if lost:
            remarks.append(f"{lost} events were lost: the disk refused them to the end")

    @staticmethod
    def _warn(words: str) -> None:
        warnings.warn(words, TbioWarning, stacklevel=3)

    # ------------------------------------------------------------------ flush and close

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            path, cause = failure
            raise WriteFailedError(path, cause) from cause

    def flush(self, sync: bool = False) -> None:
        """Return when everything put before is in the operating system's hands.

        Args:
            sync: wait for the disk itself (fsync).

        Raises:
            WriteFailedError: it is not, with ``on_error="raise"``.
        """
        if not self._ended:  # also while another thread closes
            self._ask(_Request(sync=sync))
        self._raise_failure()

    def close(self) -> None:
        """Write everything, close the files, end the thread. Closing twice is fine.

        Raises:
            WriteFailedError: the disk refuses, with ``on_error="raise"``.
        """
        if self._ended:
            return
        self._closed = self.alert = True
        self._ask(_Request(last=True))
        self._raise_failure()

    def after_fork(self) -> None:
        """In a forked child: a queue and a thread of its own, and new files when they are needed.

        What the queue held is the parent's to write; the parent's lock may be held by a thread
        that does not exist here.
        """
        for file in self._files:
            file.forget()
        self._begin()
        self._end_with_process()

    def _end_with_process(self) -> None:
        """A child of multiprocessing ends without the interpreter's exit handlers, by its own."""
        process: Any = sys.modules.get("multiprocessing.process")
        util: Any = sys.modules.get("multiprocessing.util")
        if util is None:
            return
        if process.parent_process() is not None:
            self._close_with_process()
        # A child that is just being made forgets this at first, and then asks here.
        util.register_after_fork(self, Background._close_with_process)

    def _close_with_process(self) -> None:
        util: Any = sys.modules["multiprocessing.util"]
        util.Finalize(self, _call, (weakref.WeakMethod(self.close),), exitpriority=0)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    bound = method()
    if bound is not None:
        bound()


#: Those with something to do, perhaps: not even a close that Ctrl-C has cut short loses anything.
_UNENDED: set[Background] = set()
_EXITING = False


def _after_fork_in_child() -> None:
    for background in list(_UNENDED):
        background.after_fork()


def _at_exit() -> None:
    """From now on there are no new threads: whoever still logs writes as he goes."""
    global _EXITING
    _EXITING = True
    for background in list(_UNENDED):
        with contextlib.suppress(Exception):  # which its writer will be told of when it is closed
            background.close() if background.closed else background.flush()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
