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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tbio.bulk.lane import Lane
from tbio.columns import FileColumns

__all__ = ["Lane", "read"]

#: A lane for each thread, which keeps its buffer and what it has learned.
_OWN = threading.local()
#: What one thread reads in one go: so many files, or bytes.
_FILES_EACH = 64
_BYTES_EACH = 1 << 24


def read(files: Sequence[FileColumns]) -> None:
    """Take in what the files hold beyond what was read, by all cores.

    Many files go to several threads; for a large one, another thread reads in advance.

    Raises:
        DamageError, OSError: with ``on_damage="raise"``.
    """
    cores = _cores()
    parts = list(_parts(files, cores))
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


def _parts(files: Sequence[FileColumns], cores: int) -> Iterator[Sequence[FileColumns]]:
    """The files, cut into what one thread is to read in one go."""
    # There is a size to ask for with each file, and no need to where there are many of them.
    few = len(files) < cores * _FILES_EACH
    begin = size = 0
    for at, file in enumerate(files):
        if few and len(files) > 1:
            size += _size(file)
        if size >= _BYTES_EACH or at + 1 - begin >= _FILES_EACH:
            yield files[begin : at + 1]
            begin, size = at + 1, 0
    if begin < len(files):
        yield files[begin:]


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
