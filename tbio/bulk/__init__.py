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

__all__ = ["Lane", "read"]

#: A lane for each thread, which keeps its buffer and what it has learned.
_OWN = threading.local()
#: Files that one thread reads in one go.
_FILES_EACH = 64


def read(files: Sequence[FileColumns]) -> None:
    """Take in what the files hold beyond what was read; many of them by all cores.

    Raises:
        DamageError, OSError: with ``on_damage="raise"``.
    """
    threads = min(os.cpu_count() or 1, -(-len(files) // _FILES_EACH))
    if threads < 2:
        _read(files)
        return
    parts = [files[at : at + _FILES_EACH] for at in range(0, len(files), _FILES_EACH)]
    with ThreadPoolExecutor(threads, "tbio-read") as pool:
        for _ in pool.map(_read, parts):
            pass


def _read(files: Sequence[FileColumns]) -> None:
    lane: Lane | None = getattr(_OWN, "lane", None)
    # It is taken away while it reads: a warning may lead to other reading in between.
    _OWN.lane = None
    if lane is None or lane.is_full:
        lane = Lane()
    try:
        lane.read(files)
    finally:
        _OWN.lane = lane
