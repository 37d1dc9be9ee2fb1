"""The bulk lane: scalars at numpy speed, every checksum verified.

The plain path takes an event through protobuf in 5 us, and nearly all of that is Python going from
one thing to the next. An event is 50 bytes, of which 15 are new; the rest was there a thousand
times before. So nothing here is done for one event that can be done for all that stand in a buffer:

1. `buffer`: files go through one stretch of memory that is used again and again, many small ones at
   once. A *gather* takes a few bytes from each of many places.
2. `frames`: the lengths of records repeat as the tags of a step do. Where the next thousand records
   begin is guessed, and all of their headers are compared at once.
3. `checksums`: the stored checksums are replaced by bytes such that one checksum over the whole
   stretch says whether each single one is right.
4. `events`: wall times, steps, and where the values begin, as columns.
5. `layouts`: all messages of a tag are alike but for the number. Protobuf has read one of them; the
   others are compared with it.
6. `rounds`: or which tags follow is guessed, as the frames are, and the whole event compared.
7. `blobs`: images and the like are passed over by their header.
8. `stretches`, `lane`: what was found goes into the columns of its file, in order.
9. `ahead`: where a core is idle, another thread reads, frames and checks the next buffer meanwhile.

What does not look as expected is never guessed at: an event goes to protobuf, one by one, and what
is not a sound record goes to `tbio.record.RecordDecoder`, which alone says what is damaged. So the
lane leaves the columns as the plain path would; ``tests/test_bulk.py`` holds them equal.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tbio.bulk.lane import Lane
from tbio.columns import FileColumns
from tbio.storage import LocalFile

__all__ = ["Lane", "read"]

#: A lane for each thread, which keeps its buffer and what it has learned.
_OWN = threading.local()
#: What one thread reads in one go: so many bytes. Of files below the second figure most of the
#: time goes into Python, of which one thread runs at a time: more would stand in each other's way.
_BYTES_EACH = 1 << 24
_SMALL = 1 << 19
_ASKED = 16  # files whose sizes are asked for
_REMOTE_EACH = 64  # files that are far away, and not asked


def read(files: Sequence[FileColumns]) -> None:
    """Take in what the files hold beyond what was read, by all cores where they are large.

    Several files go to several threads; for a single one, another thread reads in advance.

    Raises:
        DamageError, OSError: with ``on_damage="raise"``.
    """
    cores = _cores()
    each = len(files) if min(cores, len(files)) < 2 else _files_each(files)
    parts = [files[at : at + each] for at in range(0, len(files), max(each, 1))]
    threads = min(cores, len(parts))
    in_advance = 2 * threads <= cores
    if threads < 2:
        _read(files, in_advance)
        return
    with ThreadPoolExecutor(threads, "tbio-read") as pool:
        for _ in pool.map(lambda part: _read(part, in_advance), parts):
            pass


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _files_each(files: Sequence[FileColumns]) -> int:
    """How many of them one thread is to read in one go."""
    asked = files[:: len(files) // _ASKED + 1]
    if not all(isinstance(one.reader.file, LocalFile) for one in asked):
        return _REMOTE_EACH
    size = sum(map(_size, asked)) // len(asked)
    return len(files) if size < _SMALL else -(-_BYTES_EACH // size)


def _size(columns: FileColumns) -> int:
    """The bytes of a file; 0 where it does not tell."""
    try:
        return columns.reader.file.state().size or 0
    except OSError:
        return 0


def _read(files: Sequence[FileColumns], in_advance: bool) -> None:
    lane: Lane | None = getattr(_OWN, "lane", None)
    # It is taken away while it reads: a warning may lead to other reading in between.
    _OWN.lane = None
    if lane is None or lane.is_full:
        lane = Lane()
    try:
        lane.read(files, in_advance)
    finally:
        _OWN.lane = lane
