"""GlobalSummaryWriter: tensorboardX's writer that a whole program shares and that counts steps."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tbio.file_writer import FileWriter
from tbio.run_writer import text_of
from tbio.writer import SummaryWriter

_COUNTERS = 1 << 14
_SLOT = struct.Struct("<Qq")  # the name's key, 0 for none, and its count


class GlobalSummaryWriter:
    """Logs from anywhere in a program, without steps: each tag counts its own, from 0.

    The counters are shared with processes that are forked after it was made; each of these writes
    a file of its own.

    Args:
        logdir, comment, purge_step, max_queue, flush_secs, filename_suffix, write_to_disk,
            log_dir, comet_config: see `SummaryWriter`.
        coalesce_process: False has forked processes count on their own.

    >>> import tempfile
    >>> writer = GlobalSummaryWriter(tempfile.mkdtemp())
    >>> writer.add_scalar("loss", 0.5)
    >>> GlobalSummaryWriter.getSummaryWriter() is writer
    True
    >>> writer.close()
    """

    _one: ClassVar[GlobalSummaryWriter | None] = None
    _making: ClassVar[Any] = threading.RLock()

    def __init__(
        self,
        logdir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        write_to_disk: bool = True,
        log_dir: str | os.PathLike[str] | None = None,
        coalesce_process: bool = True,
        comet_config: Mapping[str, Any] | None = None,
    ) -> None:
        self.smw = SummaryWriter(
            logdir,
            comment,
            purge_step,
            max_queue,
            flush_secs,
            filename_suffix,
            write_to_disk,
            logdir=log_dir,
            comet_config=comet_config,
        )
        self._counts = _Counters(coalesce_process)
        GlobalSummaryWriter._one = self

    @staticmethod
    def getSummaryWriter() -> GlobalSummaryWriter:
        """The writer of this program, made at the first call."""
        one = GlobalSummaryWriter._one
        if one is None:
            with GlobalSummaryWriter._making:  # of several threads, one makes it
                one = GlobalSummaryWriter._one or GlobalSummaryWriter()
        return one

    @property
    def file_writer(self) -> FileWriter | None:
        """See `SummaryWriter`."""
        return self.smw.file_writer

    def add_scalar(self, tag: str, scalar_value: Any, walltime: float | None = None) -> None:
        """Log one number at the tag's next step; see `SummaryWriter.add_scalar`."""
        with self._counts.next("scalar", tag) as step:
            self.smw.add_scalar(tag, scalar_value, step, walltime)

    def add_image(
        self, tag: str, img_tensor: Any, walltime: float | None = None, dataformats: str = "CHW"
    ) -> None:
        """Log an image at the tag's next step; see `SummaryWriter.add_image`."""
        with self._counts.next("image", tag) as step:
            self.smw.add_image(tag, img_tensor, step, walltime, dataformats)

    def add_text(self, tag: str, text_string: Any, walltime: float | None = None) -> None:
        """Log text at the tag's next step; see `SummaryWriter.add_text`."""
        with self._counts.next("text", tag) as step:
            self.smw.add_text(tag, text_string, step, walltime)

    def flush(self) -> None:
        """See `SummaryWriter.flush`."""
        self.smw.flush()

    def close(self) -> None:
        """See `SummaryWriter.close`."""
        self.smw.close()


class _Counters:
    """A counter for each name, in memory that forked processes share or copy."""

    def __init__(self, shared: bool) -> None:
        self._among_processes: Any = contextlib.nullcontext()
        self._memory: Any
        if shared:
            import multiprocessing

            self._among_processes = multiprocessing.Lock()
            self._memory = mmap.mmap(-1, _COUNTERS * _SLOT.size)
        else:
            self._memory = bytearray(_COUNTERS * _SLOT.size)
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._among_threads = threading.RLock()
        self._is_taken = False

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if self._pid != os.getpid():  # a forked child: a thread that is not there may hold the lock
            self._begin()
        with self._among_threads:
            if self._is_taken:  # by this thread, in whose middle a signal handler or finalizer logs
                yield
                return
            self._is_taken = True
            try:
                with self._among_processes:
                    yield
            finally:
                self._is_taken = False

    @contextlib.contextmanager
    def next(self, kind: str, tag: str) -> Iterator[int]:
        """The tag's next number, from 0: taken if the block ends well, and nobody else's before."""
        key = _key(f"{kind}/{text_of(tag, 'tag')}")
        with self._turn():
            for probe in range(_COUNTERS):
                at = (key + probe) % _COUNTERS * _SLOT.size
                known, count = _SLOT.unpack_from(self._memory, at)
                if known in (0, key):
                    yield int(count)
                    _SLOT.pack_into(self._memory, at, key, count + 1)
                    return
        raise ValueError(f"more than {_COUNTERS} tags count their own steps; {tag!r} cannot")


def _key(name: str) -> int:
    """64 bits that stand for a name in every process."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") | 1
