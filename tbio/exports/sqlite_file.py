"""Tables as an SQLite database, through Python's own sqlite3."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import IO, Any

import numpy as np

from tbio.exports.points import Points
from tbio.exports.report import ExportReport
from tbio.exports.sources import TableSource, quoted, unlike
from tbio.tables import Array, texts_of

_ROWS = 1 << 16
_TYPES = {"b": "INTEGER", "i": "INTEGER", "u": "INTEGER", "f": "REAL"}
_LARGEST = 2**63


def write(sources: Sequence[TableSource], file: IO[bytes], report: ExportReport) -> None:
    """Write each table under its name; scalars with their runs and tags in tables of their own.

    SQLite has no NaN, which becomes NULL. Names of columns that differ in capitals alone get a
    number behind.

    Raises:
        ValueError: more columns than SQLite takes, 2000 as a rule.
    """
    with tempfile.TemporaryDirectory() as folder, _refusals():
        path = os.path.join(folder, "tables.sqlite")
        with contextlib.closing(sqlite3.connect(path)) as database:
            # It has no reader before it is complete.
            database.execute("pragma journal_mode = off")
            database.execute("pragma synchronous = off")
            for source in sources:
                if isinstance(source, Points):
                    _write_points(database, source, report)
                else:
                    _write_table(database, source, report)
            report.check_rows()
            database.commit()
        with open(path, "rb") as whole:
            shutil.copyfileobj(whole, file)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """An error of the database, such as a full disk, as one of the system."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(f"{tempfile.gettempdir()}: SQLite: {error}") from error


def _write_points(database: sqlite3.Connection, source: Points, report: ExportReport) -> None:
    more = source.derived.names
    database.executescript(
        f"""
        create table runs (id integer primary key, name text not null unique);
        create table tags (id integer primary key, name text not null unique);
        create table scalars (
            run_id integer not null references runs, tag_id integer not null references tags,
            step integer not null, wall_time real, value real
            {"".join(f", {name} real" for name in more)}
        );
        create view points as
            select runs.name as run, tags.name as tag, step, wall_time, value
            {"".join(f", {name}" for name in more)}
            from scalars join runs on runs.id = run_id join tags on tags.id = tag_id;
        """
    )
    ids: dict[str, dict[str, int]] = {"runs": {}, "tags": {}}
    marks = ", ".join("?" * (5 + len(more)))
    for pieces in source.pieces(_ROWS, report):
        for series, derived in pieces:
            columns = (series.wall_times, series.values, *derived)
            database.executemany(
                f"insert into scalars values ({marks})",
                zip(
                    repeat(_id(database, ids, "runs", series.run)),
                    repeat(_id(database, ids, "tags", series.tag)),
                    series.steps.tolist(),
                    *map(_cells, columns),
                    strict=False,
                ),
            )
    # When all rows are there: it is quicker so.
    database.execute("create index scalars_by_run on scalars (run_id, tag_id, step)")
    database.execute("create index scalars_by_tag on scalars (tag_id, step)")


def _id(database: sqlite3.Connection, ids: dict[str, dict[str, int]], table: str, name: str) -> int:
    known = ids[table]
    if name not in known:
        known[name] = len(known) + 1
        text = name.encode(errors="backslashreplace").decode()
        database.execute(f"insert into {table} values (?, ?)", (known[name], text))
    return known[name]


def _write_table(database: sqlite3.Connection, source: TableSource, report: ExportReport) -> None:
    columns = source.head.columns
    names = unlike(columns)
    types = [
        _TYPES.get(one.dtype.kind, "TEXT" if name in _NAMES else "")
        for name, one in columns.items()
    ]
    table = quoted(source.name)
    declared = ", ".join(f"{quoted(name)} {kind}" for name, kind in zip(names, types, strict=True))
    most = _most_columns(database)
    if len(names) > most:
        raise ValueError(
            f"{source.name}: {len(names):,} columns, and SQLite takes {most:,}: take the long form"
        )
    database.execute(f"create table {table} ({declared or 'nothing'})")
    marks = ", ".join("?" * len(names))
    for block in source.counted(report):
        rows = zip(*map(_cells, block.columns.values()), strict=True)
        database.executemany(f"insert into {table} values ({marks})", rows)
    keys = [quoted(name) for name in ("run", "tag", "step") if name in columns]
    if keys:
        index = quoted(f"{source.name}_by_run")
        database.execute(f"create index {index} on {table} ({', '.join(keys)})")


_NAMES = ("run", "tag", "text")


def _most_columns(database: sqlite3.Connection) -> int:
    for option in database.execute("pragma compile_options"):
        name, _, value = str(option[0]).partition("=")
        if name == "MAX_COLUMN":
            return int(value)
    return 2000


def _cells(one: Array) -> Iterator[Any]:
    """The cells as SQLite takes them; text for what it has no type for."""
    data = np.ma.getdata(one)
    if data.dtype.kind in "bf" or (data.dtype.kind in "iu" and data.dtype != np.uint64):
        cells: Iterable[Any] = one.tolist()
        yield from cells
        return
    for cell, text in zip(one.tolist(), texts_of(one.astype(object)) or (), strict=True):
        is_plain = isinstance(cell, float) or (
            isinstance(cell, int) and -_LARGEST <= cell < _LARGEST
        )
        yield cell if cell is None or is_plain else text
