"""The writing lane: one thread that encodes and writes what a `SummaryWriter` is given.

The training loop only appends to a deque. The thread wakes every few tens of milliseconds while
there is something to do, takes all of it, encodes it and makes one write a file. It sleeps without
waking when nothing comes.

`drain` is the whole of the work, and whoever holds the lock may do it: the thread on its rounds,
`flush` and `close` in the caller, a caller that finds the queue full (that is the back-pressure).
So nothing ever waits for the thread itself, and nothing hangs when it is gone: at the interpreter's
exit, or in a forked child.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

from tbio.errors import TbioWarning, WriteFailedError, WriterClosedError
from tbio.event_file import EventFileWriter
from tbio.record import encode_record

#: What to do when the operating system refuses to take what was logged.
OnError: TypeAlias = Literal["warn", "raise"] | Callable[[OSError], None]

_INTERVAL = 0.03  # seconds between two rounds of the thread
_IDLE_ROUNDS = 10  # rounds without work before the thread sleeps until it is called
_QUEUE_ENTRIES = 1 << 16  # more of them make the caller do a round itself
_QUEUE_BYTES = 1 << 27  # and so do more bytes of arrays
_WAITING_BYTES = 1 << 26  # what is kept for a disk that refuses, a file
_RETRY_SECONDS = 1.0
_OPEN_FILES = 16  # of one writer; the others are opened for each write


class _Entry(NamedTuple):
    """One event to be: ``encode(book, *args)`` gives its bytes, on the thread.

    ``book`` knows the tags of the file. No bytes mean that there is no event to write, only
    something to be done in its turn. ``weight`` is what ``args`` hold, in bytes, if that is much.
    """

    file: EventFileWriter
    encode: Callable[..., bytes]
    args: tuple[Any, ...]
    weight: int


class Background:
    """A queue of events and the thread that writes them.

    Args:
        on_error: "warn" warns once a file, keeps what the disk refuses (64 MiB a file) and tries
            again, and counts in `dropped` what it had to give up; "raise" raises a
            `WriteFailedError` at the next call; a callable is told of the ``OSError`` each time.
        wake_at: how many waiting events wake a sleeping round early.
    """

    def __init__(self, on_error: OnError = "warn", wake_at: int = 1024) -> None:
        if not (callable(on_error) or on_error in ("warn", "raise")):
            raise ValueError(f'on_error: want "warn", "raise" or a callable, got {on_error!r}')
        self._on_error = on_error
        self._wake_at = max(wake_at, 1)
        self._files: list[EventFileWriter] = []
        #: Events given up because the disk refused them for too long.
        self.dropped = 0
        self._begin()
        _ALIVE.add(self)

    def _begin(self) -> None:
        self._queue: deque[_Entry] = deque()
        self._held = 0  # bytes of arrays in the queue, about: threads may miscount
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._asleep = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self._draining = False
        self._refused: dict[EventFileWriter, OSError] = {}
        self._retry_at = 0.0
        self._failure: tuple[str, OSError] | None = None  # to be raised at the next call

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def add(self, file: EventFileWriter) -> None:
        """Take a file in charge: it is written by this thread only, and closed with it."""
        with self._lock:
            self._files.append(file)

    def put(
        self, file: EventFileWriter, encode: Callable[..., bytes], *args: Any, weight: int = 0
    ) -> None:
        """Have ``encode(book, *args)`` called and its event written to ``file``, after all before.

        When the queue holds too much, the caller waits until it has been written.

        Args:
            weight: what ``args`` hold, in bytes, if that is much.

        Raises:
            WriterClosedError: after `close`; nothing was put.
            WriteFailedError: the disk refused earlier, with ``on_error="raise"``; it was put.
        """
        if self._closed:
            raise WriterClosedError("the writer is closed")
        entry = _Entry(file, encode, args, weight)
        queue = self._queue
        queue.append(entry)
        waiting = len(queue)
        if self._thread is None and not self._start():
            self.drain()
        elif self._asleep or waiting == self._wake_at:
            self._wake.set()
        self._held += weight
        if waiting >= _QUEUE_ENTRIES or self._held > _QUEUE_BYTES:
            self.drain()
        if self._closed:  # since the first line
            self._take_back(entry)
        if self._failure is not None:
            self._raise_failure()

    def _take_back(self, entry: _Entry) -> None:
        """Raise if ``close`` was too early to see the entry."""
        with self._lock:
            for at, waiting in enumerate(self._queue):
                if waiting is entry:
                    del self._queue[at]
                    raise WriterClosedError("the writer is closed")

    def _start(self) -> bool:
        """Whether there is a thread to do the work."""
        with self._lock:
            if self._thread is None and not self._closed and not sys.is_finalizing():
                thread = threading.Thread(target=self._work, name="tbio", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is on its way out
                    return False
                self._thread = thread
            return self._thread is not None

    def _work(self) -> None:
        idle = 0
        while not self._closed:
            if idle < _IDLE_ROUNDS or self._refused:
                self._wake.wait(_INTERVAL)
            else:
                self._asleep = True
                if not self._queue:  # what came before the flag was up did not wake anyone
                    self._wake.wait()
                self._asleep = False
            self._wake.clear()
            idle = 0 if self._queue else idle + 1
            try:
                self.drain()
            except Exception:  # a callable of the user's own, or a warning made an error
                threading.excepthook(
                    threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
                )

    def drain(self, retry: bool = False) -> None:
        """Encode everything in the queue and hand it to the operating system.

        A file that the disk refused to take is left alone for a second, unless ``retry`` is set.
        """
        with self._lock:
            if self._draining:  # a signal handler, in the middle of a round of its own thread
                return
            self._draining = True
            errors: list[Exception] = []
            try:
                remarks = self._encode()
                due = retry or time.monotonic() >= self._retry_at
                for file in self._files:
                    if not file.waiting:
                        continue
                    try:
                        if due or file not in self._refused:
                            self._write(file)
                        else:
                            self.dropped += file.drop_waiting(_WAITING_BYTES)
                    except Exception as error:  # of the user's callable, or a warning made an error
                        errors.append(error)
                self._release_files()
                for remark in remarks:
                    try:
                        self._warn(remark)
                    except TbioWarning as error:
                        errors.append(error)
            finally:
                self._draining = False
            if errors:
                raise errors[0]

    def _release_files(self) -> None:
        """Keep a few files open only: a process may have a thousand or so in all."""
        if len(self._files) > _OPEN_FILES:
            for file in [file for file in self._files if file.is_open][_OPEN_FILES:]:
                file.release()

    def _encode(self) -> list[str]:
        """Move the queue into its files' waiting records; what is to be remarked of them."""
        batches: dict[EventFileWriter, list[bytes]] = {}
        tags: dict[EventFileWriter, list[str]] = {}
        remarks: list[str] = []
        try:
            for _ in range(len(self._queue)):  # and not what comes meanwhile, without end
                file, encode, args, weight = self._queue.popleft()
                self._held -= weight
                try:
                    event = encode(file.book, *args)
                except Exception as error:
                    self.dropped += 1
                    file.book.forget(file.book.news().tags)
                    remarks.append(f"{file.path}: an event was lost: {error!r}")
                    continue
                if event:
                    batches.setdefault(file, []).append(encode_record(event))
                news = file.book.news()
                tags.setdefault(file, []).extend(news.tags)
                remarks += news.remarks
            if not self._queue:
                self._held = 0
        finally:
            for file, records in batches.items():
                file.append(b"".join(records), len(records), tags[file])
        return remarks

    def _write(self, file: EventFileWriter) -> None:
        try:
            file.write_waiting()
        except OSError as error:
            self._refuse(file, error)
        except ValueError as error:  # a path that no file system would take
            self._refuse(file, OSError(errno.EINVAL, str(error)))
        else:
            self._refused.pop(file, None)

    def _refuse(self, file: EventFileWriter, error: OSError) -> None:
        """The disk did not take everything: tell, as asked for, and try again later."""
        known = file in self._refused
        self._refused[file] = error
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        self.dropped += file.drop_waiting(_WAITING_BYTES)
        if callable(self._on_error):
            self._on_error(error)
        elif self._on_error == "raise":
            self._failure = file.path, error
        elif not known:
            self._warn(
                f"{file.path}: {error.strerror or error}; what is logged is kept in memory "
                f"(at most {_WAITING_BYTES >> 20} MiB) and written when the disk takes it"
            )

    @staticmethod
    def _warn(words: str) -> None:
        warnings.warn(words, TbioWarning, stacklevel=3)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            (path, cause), self._failure = self._failure, None
            raise WriteFailedError(path, cause) from cause

    def flush(self, sync: bool = False) -> None:
        """Return when everything put before is in the operating system's hands.

        Args:
            sync: wait for the disk itself (fsync).

        Raises:
            WriteFailedError: it is not, with ``on_error="raise"``.
        """
        self.drain(retry=True)
        if sync:
            with self._lock:
                for file in self._files:
                    try:
                        file.flush(sync=True)
                    except OSError as error:
                        self._refuse(file, error)
        self._raise_failure()

    def close(self) -> None:
        """Write everything, close the files, end the thread. Closing twice is fine.

        Raises:
            WriteFailedError: the disk refuses, with ``on_error="raise"``.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._wake.set()
            try:
                self.drain(retry=True)
            finally:
                lost = 0
                for file in self._files:
                    lost += file.waiting_events
                    file.discard_waiting()
                    file.close()
                self.dropped += lost
                if lost:
                    self._warn(f"{lost} events were lost: the disk refused them to the end")
        self._raise_failure()

    def after_fork(self) -> None:
        """In a forked child: a queue and a thread of its own, and new files when they are needed.

        What the queue held is the parent's to write; the parent's lock may be held by a thread
        that does not exist here.
        """
        for file in self._files:
            file.forget()
        self._begin()
        # A child of multiprocessing ends without the interpreter's exit handlers, by its own.
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.register_after_fork(self, Background._close_with_process)

    def _close_with_process(self) -> None:
        util: Any = sys.modules["multiprocessing.util"]
        util.Finalize(None, self.close, exitpriority=0)


_ALIVE: weakref.WeakSet[Background] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for background in list(_ALIVE):
        background.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
