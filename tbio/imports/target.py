"""Target: points of any number of runs, in any order, into one event file a run.

A run's file takes its name when the import is through; what is not complete never has a name that
TensorBoard reads. No two runs get one folder, and no folder is outside of the destination, whatever
the runs are called in their source.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tbio.event_file import FILE_VERSION, WRITER_NAME
from tbio.imports.report import ImportedRun, ImportReport, Skipped
from tbio.kinds import hparams, scalar, text
from tbio.proto.event_pb2 import Event, SourceMetadata
from tbio.proto.summary_pb2 import Summary
from tbio.record import encode_record
from tbio.scalar_lane import LARGEST, ScalarEntry, ScalarLane
from tbio.tag_book import TagBook

_INT64 = range(-(1 << 63), 1 << 63)
#: Bytes and points of one run, and of all runs together, that wait to be written.
_RUN_WAITS, _ALL_WAIT = 1 << 13, 1 << 18
#: Bytes of a folder's name; file systems take 255, and a number may come behind.
_LONGEST = 200
_STRANGE = re.compile(r'[\0-\x1f\x7f<>:"\\|?*]')


@dataclass
class _Run:
    """A run that is being written."""

    told: ImportedRun
    folder: str
    entries: list[ScalarEntry] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    begun: float | None = None  # the wall time of its first event
    is_open: bool = False


class Target:
    """A new log folder.

    Args:
        destination: must not exist, or be empty.
        double_precision: keep doubles as such, beside the float32 that TensorBoard shows.

    Raises:
        FileExistsError: there is something in it.
        OSError: it cannot be made.
    """

    def __init__(self, destination: str, double_precision: bool) -> None:
        self._root = os.path.realpath(destination)
        if os.path.lexists(self._root) and (
            not os.path.isdir(self._root) or os.listdir(self._root)
        ):
            raise FileExistsError(errno.EEXIST, "want a new or empty folder", destination)
        self._is_new = not os.path.lexists(self._root)
        self._double = double_precision
        self._runs: dict[str, _Run] = {}
        self._folders: set[str] = set()
        self._lane = ScalarLane()
        self._waiting = 0
        self._skipped: dict[tuple[str, str], Skipped] = {}
        self._remarks: dict[str, None] = {}

    # ------------------------------------------------------------------ what is taken

    def begin(self, run: str, source: str) -> None:
        """A run, of which nothing may follow."""
        if run in self._runs:
            return
        name = _safe(run)
        if name in self._folders:
            numbered = (f"{name}-{number}" for number in range(2, 1 << 31))
            name = next(new for new in numbered if new not in self._folders)
        self._folders.add(name)
        if name != run:
            self.remark(f"run {run!r} of {source} is called {name!r}")
        folder = self._root if name == "." else os.path.join(self._root, *name.split("/"))
        self._runs[run] = _Run(ImportedRun(name, source), folder)

    def has(self, run: str) -> bool:
        """Whether there is a run of that name already."""
        return run in self._runs

    def scalar(self, run: str, tag: str, step: int, value: float, wall_time: float | None) -> None:
        """A point of a run that was begun; the step within int64, the value any number."""
        one = self._runs[run]
        tag = _unicode(tag)
        if not self._takes(one, tag, step):
            return
        time = _time(wall_time)
        one.told.scalars += 1
        one.told.timed += wall_time is not None
        one.tags.add(tag)
        if not -LARGEST < value < LARGEST or (self._double and not _is_float32(value)):
            if math.isfinite(value) and not self._double and not scalar.fits_float32(value):
                self.skip(one.told.source, f"{tag}: a value beyond float32, which became infinite")
            self._write_entries(one)
            event = Event(wall_time=time, step=step)
            event.summary.value.append(self._encoded(tag, value))
            self._write(one, encode_record(event.SerializeToString()), time)
            return
        # The lane looks at nothing but the numbers.
        one.entries.append(ScalarEntry(None, tag, value, step, time))  # type: ignore[arg-type]
        self._waiting += 1
        if len(one.entries) >= _RUN_WAITS:
            self._write_entries(one)
        elif self._waiting >= _ALL_WAIT:
            for each in self._runs.values():
                self._write_entries(each)

    def _takes(self, one: _Run, tag: str, step: int) -> bool:
        """Whether a point has a name and a step that an event file can hold; else it is told of."""
        if not tag:
            self.skip(one.told.source, "a value without a name")
        elif step not in _INT64:
            self.skip(one.told.source, f"{tag}: a step beyond int64", where=f"step {step}")
        else:
            return True
        return False

    def _encoded(self, tag: str, value: float) -> Summary.Value:
        encoded = scalar.encode(tag, value, exact=self._double)
        if self._double:
            encoded.metadata.CopyFrom(scalar.metadata())
        return encoded

    def text(self, run: str, tag: str, step: int, words: str, wall_time: float | None) -> None:
        """A text of a run that was begun."""
        one = self._runs[run]
        tag = _unicode(tag)
        if not self._takes(one, tag, step):
            return
        value = text.encode(tag, text.prepare(words.encode("utf-8", "backslashreplace")))
        value.metadata.CopyFrom(text.metadata())
        one.told.texts += 1
        one.told.timed += wall_time is not None
        one.tags.add(tag)
        self._write_value(run, step, _time(wall_time), value)

    def start(self, run: str, values: Mapping[str, Any], start_time: float = 0.0) -> None:
        """The hyperparameters of a run that was begun; a time of 0 is not known."""
        one = self._runs[run]
        try:
            prepared = hparams.prepare(values)
        except (TypeError, ValueError, RecursionError) as error:
            self.skip(one.told.source, f"hyperparameters: {error}", is_damage=True)
            return
        if prepared:
            one.told.hparams = len(prepared)
            value = hparams.encode_start(prepared, start_time=start_time)
            self._write_value(run, 0, start_time, value)

    def end(self, run: str, status: hparams.Status, end_time: float = 0.0) -> None:
        """How a run ended; a time of 0 is not known."""
        self._write_value(run, 0, end_time, hparams.encode_end(status, end_time=end_time))

    def skip(self, source: str, what: str, *, is_damage: bool = False, where: str = "") -> None:
        """Something is not imported."""
        known = self._skipped.get((source, what))
        if known is None:
            self._skipped[source, what] = Skipped(source, what, 1, is_damage, where)
        else:
            known.count += 1

    def remark(self, words: str) -> None:
        """Something was decided."""
        self._remarks.setdefault(words)

    # ------------------------------------------------------------------ how it is written

    def _write_value(self, run: str, step: int, time: float, value: Summary.Value) -> None:
        one = self._runs[run]
        self._write_entries(one)
        event = Event(wall_time=time, step=step)
        event.summary.value.append(value)
        self._write(one, encode_record(event.SerializeToString()), time)

    def _write_entries(self, one: _Run) -> None:
        entries, one.entries = one.entries, []
        if entries:
            self._waiting -= len(entries)
            self._write(one, self._lane.encode(TagBook(), entries), entries[0].wall_time)

    def _write(self, one: _Run, records: bytes, time: float) -> None:
        if one.begun is None:
            one.begun = time
            first = Event(wall_time=time, file_version=FILE_VERSION)
            first.source_metadata.CopyFrom(SourceMetadata(writer=WRITER_NAME))
            records = encode_record(first.SerializeToString()) + records
        if not one.is_open:
            os.makedirs(one.folder, exist_ok=True)
        with open(self._part(one), "ab" if one.is_open else "xb", buffering=0) as file:
            one.is_open = True
            rest = memoryview(records)
            while rest:
                rest = rest[file.write(rest) or 0 :]

    @staticmethod
    def _part(one: _Run) -> str:
        return os.path.join(one.folder, "events.out.importing")

    def finish(self, format: str) -> ImportReport:
        """Give the files their names; what was done."""
        for one in self._runs.values():
            self._write_entries(one)
        for one in self._runs.values():
            one.told.tags = len(one.tags)
            if one.is_open:
                name = f"events.out.tfevents.{max(int(one.begun or 0), 0):010d}.{WRITER_NAME}"
                path = os.path.join(one.folder, name)
                os.replace(self._part(one), path)
                one.told.path, one.is_open = path, False
        return ImportReport(
            format,
            tuple(sorted((one.told for one in self._runs.values()), key=lambda run: run.name)),
            tuple(self._skipped.values()),
            tuple(self._remarks),
        )

    def discard(self) -> None:
        """Remove what is not complete."""
        for one in self._runs.values():
            if one.is_open or one.told.path:
                with contextlib.suppress(OSError):
                    os.unlink(one.told.path or self._part(one))
            folder = one.folder
            with contextlib.suppress(OSError):
                while folder != self._root:
                    os.rmdir(folder)
                    folder = os.path.dirname(folder)
        if self._is_new:
            with contextlib.suppress(OSError):
                os.rmdir(self._root)


def _unicode(tag: str) -> str:
    """A name without halves of surrogate pairs, which JSON may have: written as they are there."""
    return tag if tag.isascii() else tag.encode("utf-8", "backslashreplace").decode()


def _time(wall_time: float | None) -> float:
    return wall_time if wall_time is not None and math.isfinite(wall_time) else 0.0


def _is_float32(value: float) -> bool:
    return value != value or struct.unpack("<f", struct.pack("<f", value))[0] == value


def _safe(run: str) -> str:
    r"""A run's name as a path below a folder, on any system.

    >>> _safe("a/b"), _safe("../x"), _safe(""), _safe("a:b\0")
    ('a/b', '_/x', '.', 'a_b_')
    """
    if run in ("", "."):
        return "."
    name = run.encode("utf-8", "backslashreplace").decode()
    parts = [_STRANGE.sub("_", part) for part in name.split("/")]
    parts = [part.encode()[:_LONGEST].decode(errors="ignore") for part in parts]
    return "/".join("_" if part.strip(". ") == "" else part for part in parts)
