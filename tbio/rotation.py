"""KeepLast: takes large values off the disk again when enough newer ones of their tag are there.

A run that logs images for weeks fills a disk, and nobody looks at the old ones. A writer that
rotates its files can do something about it, since a file that is complete is never written again.
Such a file is written anew without the values that are out of date, and put in its own place by one
rename; what else it holds, scalars above all, stays as it is, byte for byte.

Why the large values do not go into files of their own, to be deleted as a whole: TensorBoard's
Python back end follows only the last file of a run, in the order of names
(backend/event_processing/directory_watcher.py), and would never see what comes into the other. And
a tag that is no longer logged would hold on to a whole file.

A running server has read such a file before, and does not come back to it: the data server
(data/server/run.rs) goes on with the file that it has open; the Python back end has gone past it,
and remarks once in its log that the size is another one. What they have read they go on showing.
A server that is behind finds a shorter file, and goes on with the next; so that it misses nothing,
a file stays as it is for its first five minutes. Only a file that is gone would hold up the Python
back end, for good; so what is not needed any more is cut down to its first record, and deleted when
it has been complete for a day.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

_COPIED_AT_ONCE = 1 << 20
_GRACE_SECONDS = 300.0
_LINGER_SECONDS = 86_400.0
_LIGHT = 4  # two files of which this part of the second one's size is left become one


class Blob(NamedTuple):
    """An event that may go when its tags have enough newer ones, in a batch of records.

    Every value of it has to bring its metadata: it may be the first of its tag that is left.

    Attributes:
        offset: of its record in the batch, in bytes.
        size: of the whole record, in bytes.
        tags: of its values, all of them.
    """

    offset: int
    size: int
    tags: tuple[str, ...]


class _Place(NamedTuple):
    """A blob in a file, and which point of each of its tags it is."""

    offset: int
    size: int
    numbers: tuple[tuple[str, int], ...]


@dataclass
class _File:
    """A complete file: since when, its size, that of its first record, the blobs in it in order."""

    path: str
    since: float
    head: int
    size: int
    blobs: list[_Place]


class KeepLast:
    """The blobs in the files of one writer, and which of them are out of date.

    It knows of its own writer's files only, and touches no others.

    Args:
        count: how many points of each tag stay at least, the last that were written.

    Raises:
        ValueError: less than one.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"keep_last: want 1 or more, got {count}")
        self.count = count
        self._points: dict[str, int] = {}  # tag -> how many there were
        self._complete: list[_File] = []
        self._blobs: list[_Place] = []  # of the file that is being written
        self._retired: list[_File] = []  # what they held is in other files, or out of date

    def wrote(self, blobs: Sequence[Blob], begin: int) -> None:
        """The file has a batch of records now, from byte ``begin`` on."""
        for offset, size, tags in blobs:
            numbers: list[tuple[str, int]] = []
            for tag in tags:
                self._points[tag] = self._points.get(tag, 0) + 1
                numbers.append((tag, self._points[tag]))
            self._blobs.append(_Place(begin + offset, size, tuple(numbers)))

    def complete(self, path: str, head: int, size: int) -> None:
        """The file gets nothing more; the next blobs go into another one.

        Args:
            head: the size of its first record, in bytes.
            size: of the whole file, in bytes.
        """
        self._complete.append(_File(path, time.monotonic(), head, size, self._blobs))
        self._blobs = []

    def prune(self) -> None:
        """Give back what is out of date, where that is at least half of a file.

        What the operating system refuses is tried again the next time.
        """
        now = time.monotonic()
        kept: list[_File] = []
        for file in self._complete:
            stale = sum(blob.size for blob in file.blobs if self._is_stale(blob))
            left = file.size - stale
            if not os.path.exists(file.path):
                continue
            if stale < left or now - file.since < _GRACE_SECONDS:
                kept.append(file)
                continue
            is_light = kept and _LIGHT * (kept[-1].size + left) <= file.size
            before = kept.pop() if is_light else None
            try:
                kept.append(self._rewritten(file, before))
            except OSError:
                kept += [file] if before is None else [before, file]
            else:
                # Should the process end here, the few points of that file are there twice.
                self._retired += [] if before is None else [before]
        self._complete = kept
        self._retired = [file for file in self._retired if not self._is_gone(file, now)]

    @staticmethod
    def _is_gone(file: _File, now: float) -> bool:
        """Cut a file down, or delete it when it is time; whether it is gone then."""
        try:
            if now - file.since < _LINGER_SECONDS:
                os.truncate(file.path, file.head)
                return False
            os.unlink(file.path)
        except FileNotFoundError:
            return True
        except OSError:  # on Windows: another process has it open
            return False
        return True

    def _is_stale(self, blob: _Place) -> bool:
        return all(self._points[tag] - number >= self.count for tag, number in blob.numbers)

    def _rewritten(self, file: _File, before: _File | None) -> _File:
        """A file without what is out of date, and with the one before it in front, in its place.

        Raises:
            OSError: it cannot be done, or is no longer what was written; all is as it was.
        """
        folder, name = os.path.split(file.path)
        temporary = os.path.join(folder, name.replace("tfevents", "rewriting"))
        head = file.head if before is None else before.head
        made = _File(file.path, file.since, head, 0, [])
        try:
            with open(temporary, "wb") as target:
                for source in (file,) if before is None else (before, file):
                    self._copy(source, target, made)
                target.flush()
                os.fsync(target.fileno())
            os.replace(temporary, file.path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        return made

    def _copy(self, source: _File, target: BinaryIO, made: _File) -> None:
        """Append what is to stay of a file; a second one goes without its first record."""
        at = source.head if made.size else 0
        end = _Place(source.size, 0, ())  # stale, having no tags
        with open(source.path, "rb") as raw:
            if os.fstat(raw.fileno()).st_size != source.size:
                raise OSError(f"{source.path}: changed by another")
            for blob in (*source.blobs, end):
                if self._is_stale(blob):
                    _copy_bytes(raw, target, at, blob.offset)
                    made.size += blob.offset - at
                    at = blob.offset + blob.size
                else:
                    made.blobs.append(blob._replace(offset=made.size + blob.offset - at))


def _copy_bytes(source: BinaryIO, target: BinaryIO, begin: int, end: int) -> None:
    source.seek(begin)
    while begin < end:
        data = source.read(min(_COPIED_AT_ONCE, end - begin))
        if not data:
            raise OSError(f"{source.name}: shorter than it was")
        target.write(data)
        begin += len(data)
