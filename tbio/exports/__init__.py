"""Export: logs as tables, into files that everybody can read."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import IO, BinaryIO, NamedTuple, TypeAlias

from tbio.exports import (
    arrow_file,
    csv_file,
    duckdb_file,
    json_file,
    kind_tables,
    npz_file,
    sqlite_file,
    xlsx_file,
)
from tbio.exports.compression import SUFFIXES, compressing, suffix_in
from tbio.exports.digits import texts
from tbio.exports.points import Derived, Points, wide_table
from tbio.exports.replacing import is_special, replacing
from tbio.exports.report import ExportReport, NothingToExportError
from tbio.exports.sources import TableSource, of_table
from tbio.logdir import LogDir
from tbio.tables import Table

__all__ = [
    "FORMATS",
    "KINDS",
    "SUFFIXES_OF_ALL",
    "ExportReport",
    "Format",
    "NothingToExportError",
    "Progress",
    "export",
    "format_of",
    "kinds_of",
    "replacing",
    "texts",
    "write_table",
]

#: Told after each run: its name.
Progress = Callable[[str], None]
#: A path, ``-`` for the standard output, or a binary file object.
Destination: TypeAlias = str | os.PathLike[str] | BinaryIO


class Format(NamedTuple):
    """A format of files that `export` writes.

    Attributes:
        suffixes: how the names of its files end.
        write: writes tables into a file.
        is_text: whether it is text, which may be compressed and shown by a terminal.
        holds_many: whether a file holds more than one table.
        is_decimal: whether its numbers are decimal, so that float32 have few digits.
        goes_back: whether it may have to begin the file anew, or to give it up.
    """

    suffixes: tuple[str, ...]
    write: Callable[[Sequence[TableSource], IO[bytes], ExportReport], None]
    is_text: bool = False
    holds_many: bool = False
    is_decimal: bool = False
    goes_back: bool = False


#: Name -> format.
FORMATS = {
    "csv": Format((".csv",), csv_file.write_csv, is_text=True, is_decimal=True),
    "tsv": Format((".tsv",), csv_file.write_tsv, is_text=True, is_decimal=True),
    "json": Format((".json",), json_file.write_list, is_text=True, is_decimal=True),
    "jsonl": Format((".jsonl", ".ndjson"), json_file.write_lines, is_text=True, is_decimal=True),
    "xlsx": Format((".xlsx",), xlsx_file.write, holds_many=True, is_decimal=True),
    "npz": Format((".npz",), npz_file.write, holds_many=True, goes_back=True),
    "sqlite": Format((".sqlite", ".sqlite3", ".db"), sqlite_file.write, holds_many=True),
    "duckdb": Format((".duckdb",), duckdb_file.write, holds_many=True),
    "parquet": Format((".parquet",), arrow_file.write_parquet, goes_back=True),
    "arrow": Format((".arrow", ".feather"), arrow_file.write_arrow, goes_back=True),
}

#: All suffixes, those of compressed text among them.
SUFFIXES_OF_ALL = tuple(
    suffix + packed
    for one in FORMATS.values()
    for packed in ("", *(SUFFIXES if one.is_text else ()))
    for suffix in one.suffixes
)

#: What can be exported as a table.
KINDS = ("scalars", *kind_tables.KINDS)


def export(
    logs: LogDir,
    destination: Destination,
    *,
    format: str | None = None,
    kinds: str | Iterable[str] = "scalars",
    wide: bool = False,
    smooth: float | None = None,
    relative: bool = False,
    keep_formulas: bool = False,
    allow_empty: bool = True,
    progress: Progress | None = None,
) -> ExportReport:
    """Write what is in ``logs`` into a file, in a format that its name says.

    =============================  ===========================================  ============
    name                           what it is                                   needs
    =============================  ===========================================  ============
    ``.csv``, ``.tsv``             text, cells separated by commas or tabs
    ``.json``, ``.jsonl``          a list of objects; an object a line
    ``.csv.gz``, ``.jsonl.zst``    any of these four compressed                 zstandard, for
                                                                                zst before
                                                                                Python 3.14
    ``.parquet``                   Parquet                                      pyarrow
    ``.arrow``, ``.feather``       Arrow's IPC file, compressed by LZ4          pyarrow
    ``.xlsx``                      Excel: a sheet for each kind                 openpyxl
    ``.npz``                       NumPy: arrays for each run and tag
    ``.sqlite``, ``.db``           SQLite: tables runs, tags, scalars
    ``.duckdb``                    DuckDB: a table for each kind                duckdb, pyarrow
    =============================  ===========================================  ============

    Scalars in long form have the columns run, tag, step, wall_time and value, in wide form run,
    step and one column a tag (`ScalarTable.wide`), a cell being empty where a tag has no value.
    Long form is written as the logs are read, in bounded memory (`LogDir.iter_scalars`); for wide
    form, every scalar is in memory. The tables of the other kinds, in long form always:

    * hparams: `LogDir.hparams`, a row for each session, with metrics where the logs have scalars.
    * histograms: a row for each bucket: run, tag, step, wall_time, left, right, count.
    * pr_curves: a row for each threshold: run, tag, step, wall_time, threshold, true_positives,
      false_positives, true_negatives, false_negatives, precision, recall.
    * texts: run, tag, step, wall_time, text; a table of texts is a JSON list of lists.
    * tensors: run, tag, step, wall_time, dtype, shape, value; the last two as JSON lists, where
      what is not finite is ``"nan"``, ``"inf"`` or ``"-inf"``.

    A value that cannot be decoded is left out and told of in ``problems`` of the report.

    Text is in UTF-8. Its numbers are printed in the shortest form that reads back as the same: a
    float32 0.1 is ``0.1``; a cell of Excel has the same digits. NaN and infinity are ``nan``,
    ``inf`` and ``-inf``, in JSON null. SQLite has no NaN, which is NULL there. In CSV, TSV and
    Excel, a name or a text that a spreadsheet would take for a formula (it begins with ``=``,
    ``+``, ``-``, ``@``, a tab or a carriage return, perhaps behind blanks) gets an apostrophe in
    front, and is counted. So does what looks like one behind a semicolon, a tab or the end of a
    line, which may separate cells and rows where the comma does not.

    Elsewhere names are strings, steps int64, wall times float64; values float32, or the dtype that
    holds the values of all series. npz has each series in its own dtype, and a ``manifest`` that
    says which arrays are whose (`tbio.exports.npz_file.write`). SQLite has ids of runs and tags in
    ``scalars``, and their names beside the values in the view ``points``.

    Args:
        logs: what to export; the selection of `tbio.open` is the selection here.
        destination: a path whose end says the format, ``-`` for the standard output, a pipe or a
            device, or a binary file object. A file appears under its name when it is complete, and
            not before; one that was there is replaced then.
        format: one of `FORMATS`, whatever the name is; where no name tells, CSV.
        kinds: one or more of "scalars", "hparams", "histograms", "pr_curves", "texts", "tensors".
            Only Excel, npz, SQLite and DuckDB hold more than one.
        wide: scalars in wide form.
        smooth: a weight from 0 to 1: a column ``smoothed`` beside the values, as the TensorBoard
            page would draw them (`ScalarSeries.smooth`), each series by itself.
        relative: a column ``relative_time``: seconds since the first point of the series. In wide
            form each tag has its own such columns, ``loss.smoothed`` and ``loss.relative_time``.
        keep_formulas: no apostrophes.
        allow_empty: write a file without rows where the logs have nothing of these kinds.
        progress: called with the name of each run when it was written; for long form only.

    Raises:
        ValueError: a path that ends in none of those; a format or a kind that does not exist;
            several kinds for a format of one table; a weight beyond 0 and 1.
        MissingExtraError: a library that the format needs is not installed.
        NothingToExportError: with ``allow_empty=False``; nothing was written.

    >>> import io, tbio
    >>> file = io.BytesIO()
    >>> export(tbio.open("tests/golden/digits", runs="test", tags="loss"), file).rows
    20
    >>> file.getvalue().decode().splitlines()[0]
    'run,tag,step,wall_time,value'
    """
    chosen = format_of(destination, format)
    wanted = kinds_of(kinds, chosen)
    if smooth is not None and not 0 <= smooth <= 1:
        raise ValueError(f"smooth: want a weight from 0 to 1, got {smooth!r}")
    if wide and "scalars" not in wanted:
        raise ValueError(f"wide: there is no wide form of {', '.join(wanted)}")
    derived = Derived(smooth, relative)
    report = ExportReport(keep_formulas, allow_empty)
    stream = None
    sources = []
    # Each run is told of once, by the first table that is written as it is read.
    for kind in wanted:
        if kind != "scalars":
            sources.append(kind_tables.source_of(kind, logs, report, progress))
        elif wide:
            whole = wide_table(logs.scalar_table().wide(), derived, chosen.is_decimal)
            sources.append(of_table(kind, whole))
        else:
            stream = replace(logs.iter_scalars(), progress=progress)
            sources.append(Points(stream, derived))
        progress = None
    _write(sources, destination, chosen, report)
    if stream is not None and len(sources) == 1:
        report.runs = stream.reports
    else:
        report.runs = {name: run.report for name, run in logs.items()}
    return report


def write_table(
    table: Table,
    destination: Destination,
    *,
    name: str = "table",
    format: str | None = None,
    keep_formulas: bool = False,
) -> ExportReport:
    """Write a table into a file, in any format of `export`, which see.

    Args:
        name: of the table in a database, or of the sheet.

    Raises:
        ValueError: a path that ends in none of the known ways; a format that does not exist.
        MissingExtraError: a library that the format needs is not installed.

    >>> import io, numpy
    >>> file = io.BytesIO()
    >>> write_table(Table({"x": numpy.array([0.5, 2.0])}), file).rows, file.getvalue()
    (2, b'x\\n0.5\\n2.0\\n')
    """
    report = ExportReport(keep_formulas)
    _write([of_table(name, table)], destination, format_of(destination, format), report)
    return report


def kinds_of(kinds: str | Iterable[str], format: Format) -> tuple[str, ...]:
    """Kinds to export, each once, in the order given.

    Raises:
        ValueError: one that is no table; none; more than the format holds.
    """
    wanted = tuple(dict.fromkeys([kinds] if isinstance(kinds, str) else kinds))
    for kind in wanted:
        if kind not in KINDS:
            raise ValueError(f"kinds: want some of {', '.join(KINDS)}, got {kind!r}")
    if not wanted:
        raise ValueError(f"kinds: want some of {', '.join(KINDS)}, got none")
    if len(wanted) > 1 and not format.holds_many:
        many = ", ".join(name for name, one in FORMATS.items() if one.holds_many)
        raise ValueError(
            f"kinds: {', '.join(wanted)} are {len(wanted)} tables, and a file of this format has "
            f"one: take one kind, or one of {many}"
        )
    return wanted


def format_of(destination: Destination, format: str | None = None) -> Format:
    """The format that `export` writes to a destination.

    Raises:
        ValueError: the name of a regular file that tells none; a format that does not exist.
    """
    if format is not None:
        if format not in FORMATS:
            raise ValueError(f"format: want one of {', '.join(FORMATS)}, got {format!r}")
        if _packing(destination) and not FORMATS[format].is_text:
            raise ValueError(f"format: {format} is no text, which {destination} is to compress")
        return FORMATS[format]
    if not isinstance(destination, (str, os.PathLike)):
        return FORMATS["csv"]
    path = os.fspath(destination)
    packing = suffix_in(path)
    for one in FORMATS.values():
        if path.lower().endswith(tuple(suffix + packing for suffix in one.suffixes)) and (
            one.is_text or not packing
        ):
            return one
    if is_special(path):
        return FORMATS["csv"]
    texts = [suffix for one in FORMATS.values() if one.is_text for suffix in one.suffixes]
    *others, last = [
        suffix for one in FORMATS.values() if not one.is_text for suffix in one.suffixes
    ]
    raise ValueError(
        f"want a file name that ends in {', '.join(texts)} ({' or '.join(SUFFIXES)} may follow "
        f"these), {', '.join(others)} or {last}, got {path!r}"
    )


def _packing(destination: Destination) -> str:
    """``.gz`` or ``.zst`` where the name of the destination says so, else ""."""
    if isinstance(destination, (str, os.PathLike)):
        return suffix_in(os.fspath(destination))
    return ""


def _write(
    sources: Sequence[TableSource], destination: Destination, chosen: Format, report: ExportReport
) -> None:
    with (
        _opened(destination, chosen.goes_back) as file,
        compressing(file, _packing(destination)) as packed,
    ):
        chosen.write(sources, packed, report)


@contextlib.contextmanager
def _opened(destination: Destination, goes_back: bool) -> Iterator[IO[bytes]]:
    """A file that becomes the destination; one that can be gone back in, if so asked."""
    if not isinstance(destination, (str, os.PathLike)):
        whole: contextlib.AbstractContextManager[IO[bytes]] = contextlib.nullcontext(destination)
    elif is_special(os.fspath(destination)) or not goes_back:
        whole = replacing(destination)
    else:
        whole, goes_back = replacing(destination), False
    with whole as file:
        if not goes_back:
            yield file
            return
        with tempfile.TemporaryFile() as scratch:
            yield scratch
            scratch.seek(0)
            shutil.copyfileobj(scratch, file)
