"""Event files as targets: readers that should agree on them do."""

from __future__ import annotations

import csv
import io
import os
import random
import sys
import zlib
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from bulk_pair import QUIETLY, Pair, assert_same, state_of

import tbio
from fuzzing.kinds import look_at
from fuzzing.oracle import attempt, strict
from fuzzing.records import claimed_records, sound_records
from tbio.bulk import Lane
from tbio.columns import FileColumns, Wanted
from tbio.record import HEADER_BYTES, DamageKind
from tbio.record_file import compression_of
from tbio.storage import ObjectFile


def events(data: bytes) -> None:
    """An event file, by every reader of one; they agree on what is lost."""
    with strict():
        found = list(tbio.read_events(io.BytesIO(data), on_damage="ignore"))
        payloads = list(tbio.read_records(io.BytesIO(data), on_damage="ignore"))
        attempt(lambda: list(tbio.read_events(io.BytesIO(data), on_damage="raise")))
        (file,) = tbio.check(io.BytesIO(data)).files
        assert (file.records, file.events) == (len(payloads), len(found))
        assert all(map(str, file.findings))
        logs = tbio.open(io.BytesIO(data), on_damage="ignore")
        (run,) = logs.values()
        assert run.report.events == len(found)
        assert sum(file.lost_bytes for file in run.report.files) == sum(
            one.size for one in file.faults if one.kind in FRAMING
        )
        look_at(logs)
        for restarts in ("keep", "tensorboard", "rustboard"):
            other = logs.with_rules(restarts=restarts, duplicates="mean")
            for run in other.values():
                repr((run.tag_infos(), run.report))
                repr([series.relative_times for series in run.scalars.values()])


#: Findings of `tbio.check` that are damage, as the readers' reports have it.
FRAMING: tuple[DamageKind, ...] = tuple(
    kind for kind in get_args(DamageKind) if kind != "truncated"
)


def bulk(data: bytes) -> None:
    """The bulk lane against the plain path, with a buffer of any size."""
    buffer_bytes = (256, 4096, 1 << 16)[zlib.crc32(data) % 3]
    ordered = bool(zlib.crc32(data) & 8)
    wanted = Wanted(ordered=True, on_damage="ignore") if ordered else QUIETLY
    lane = Lane(buffer_bytes=buffer_bytes)
    with strict():
        pair = Pair(lambda: ObjectFile(io.BytesIO(data)), wanted, lane=lane)
        pair.read()
        pair.read()
        other = Pair(lambda: ObjectFile(io.BytesIO(data)), QUIETLY, lane=lane)
        other.read()  # what the lane has learnt changes nothing


def follow(data: bytes) -> None:
    """A file that is read while it grows, against one that is read when it is complete.

    The same stretches are lost, whether they are told of in one piece or in several.
    """
    if compression_of(data):
        return  # compressed files do not grow
    chance = random.Random(zlib.crc32(data))
    # Of a file that ends behind a record inside of what may be another's payload nobody can tell
    # whether it is one: what stands behind it is not all there.
    sound = sound_records(data)
    ends = {end + more for end in sound.values() for more in range(HEADER_BYTES)}
    for begin, stop in claimed_records(data).items():
        inner = [end for at, end in sound.items() if begin < at and end <= stop]
        if inner:
            ends.update(range(min(inner), min(stop + HEADER_BYTES, len(data))))
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((1, 2, 5))))
    cuts = [cut for cut in cuts if cut not in ends]
    with strict():
        whole = FileColumns(ObjectFile(io.BytesIO(data)), QUIETLY)
        whole.read()
        # That a writer stores no checksums is known when several of its records are there.
        if whole.report.compression or whole.report.unverified:
            return
        for read in (FileColumns.read, lambda columns: Lane(buffer_bytes=4096).read([columns])):
            stream = io.BytesIO()
            columns = FileColumns(ObjectFile(stream), QUIETLY)
            written = 0
            for cut in (*cuts, len(data)):
                stream.seek(0, os.SEEK_END)
                stream.write(data[written:cut])
                written = cut
                read(columns)
            assert_same(_with_joined_losses(columns), _with_joined_losses(whole), f"{cuts}: ")


def _with_joined_losses(columns: FileColumns) -> dict[str, Any]:
    state = state_of(columns)
    report = columns.report
    losses: list[list[int]] = []
    for damage in (*report.settled, *([report.tail] if report.tail else [])):
        if losses and losses[-1][1] == damage.offset:
            losses[-1][1] += damage.length
        else:
            losses.append([damage.offset, damage.offset + damage.length])
    return {**state, "report": {"lost": losses, "counts": state["report"]["counts"]}}


def exports(data: bytes) -> None:
    """Scalars as CSV, and as Parquet: the same rows as in memory."""
    with strict():
        logs = tbio.open(io.BytesIO(data), on_damage="ignore", restarts="keep")
        table = logs.scalar_table()
        want = list(zip(table.run, table.tag, table.step, table.value, strict=True))
        file = io.BytesIO()
        report = tbio.export(logs, file)
        text = file.getvalue().decode()
        assert report.rows == len(want) == len(table)
        if "\0" not in text or sys.version_info >= (3, 11):  # before, csv takes no NUL
            _check_rows(text, want)
        tbio.export(logs, io.BytesIO(), wide=True)
        file = io.BytesIO()
        tbio.export(logs, file, format="parquet")
        import pyarrow.parquet

        kept = pyarrow.parquet.read_table(io.BytesIO(file.getvalue()))
        assert kept["tag"].to_pylist() == list(table.tag)
        assert kept["step"].to_pylist() == list(table.step)


def _check_rows(text: str, want: Sequence[tuple[Any, ...]]) -> None:
    csv.field_size_limit(1 << 24)
    _, *rows = csv.reader(io.StringIO(text, newline=""))
    assert len(rows) == len(want)
    for row, (run, tag, step, value) in zip(rows, want, strict=True):
        assert row[0] == run
        # Apostrophes stand before what a spreadsheet might take for a formula.
        assert row[1].replace("'", "") == tag.replace("'", "")
        assert row[1].startswith("'") or not tag.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert int(row[2]) == step
        # a float32 has the shortest form that makes this float32, whatever it stands beside
        same = type(value)(row[4]) == value or np.complex64(row[4]) == value
        assert same or value != value, f"{row[4]!r} for {value!r}"
