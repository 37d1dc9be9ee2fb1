"""Export: scalars into files that everybody can read."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import IO, BinaryIO, NamedTuple

from tbio.exports import arrow_file, csv_file
from tbio.exports.digits import texts
from tbio.exports.replacing import is_special, replacing
from tbio.exports.report import ExportReport, NothingToExportError
from tbio.logdir import LogDir
from tbio.scalar_stream import ScalarStream
from tbio.tables import WideTable

__all__ = [
    "FORMATS",
    "ExportReport",
    "Format",
    "NothingToExportError",
    "Progress",
    "export",
    "format_of",
    "replacing",
    "texts",
]

#: Told after each run: its name.
Progress = Callable[[str], None]


class Format(NamedTuple):
    """A format of files that `export` writes.

    Attributes:
        suffixes: how the names of its files end.
        long: writes every scalar in long form, as they are read.
        wide: writes a table in wide form.
        goes_back: whether these may have to begin the file anew.
    """

    suffixes: tuple[str, ...]
    long: Callable[[ScalarStream, IO[bytes], ExportReport], None]
    wide: Callable[[WideTable, IO[bytes], ExportReport], None]
    goes_back: bool = False


#: Name -> format.
FORMATS = {
    "csv": Format((".csv",), csv_file.write_long, csv_file.write_wide),
    "parquet": Format(
        (".parquet",), arrow_file.write_parquet, arrow_file.write_wide_parquet, goes_back=True
    ),
    "arrow": Format(
        (".arrow", ".feather"), arrow_file.write_arrow, arrow_file.write_wide_arrow, goes_back=True
    ),
}


def export(
    logs: LogDir,
    destination: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    wide: bool = False,
    keep_formulas: bool = False,
    allow_empty: bool = True,
    progress: Progress | None = None,
) -> ExportReport:
    """Write every scalar of ``logs`` into a file: CSV, Parquet or Arrow, by its name.

    Long form has the columns run, tag, step, wall_time and value, wide form run, step and one
    column a tag (`ScalarTable.wide`), a cell being empty where a tag has no value. Long form is
    written as the logs are read, in bounded memory (`LogDir.iter_scalars`); for wide form, every
    scalar is in memory.

    CSV is in UTF-8. Its numbers are printed in the shortest form that reads back as the same: a
    float32 0.1 is ``0.1``. NaN and infinity are ``nan``, ``inf`` and ``-inf``. A run's name or a
    tag that a spreadsheet would take for a formula (it begins with ``=``, ``+``, ``-``, ``@``, a
    tab or a carriage return) gets an apostrophe in front, and is counted.

    Parquet and Arrow (the IPC file, compressed by LZ4) need pyarrow. Names are strings, steps
    int64, wall times float64; values float32, or the dtype that holds the values of all series.

    Args:
        logs: what to export; the selection of `tbio.open` is the selection here.
        destination: a path ending in ``.csv``, ``.parquet``, ``.arrow`` or ``.feather``, ``-`` for
            the standard output, a pipe or a device, or a binary file object. A file appears under
            its name when it is complete, and not before; one that was there is replaced then.
        format: "csv", "parquet" or "arrow", whatever the name is; where no name tells, CSV.
        keep_formulas: no apostrophes.
        allow_empty: write a file without rows where the logs have no scalar.
        progress: called with the name of each run when it was written; for long form only.

    Raises:
        ValueError: a path that ends in none of those; a format that does not exist.
        MissingExtraError: pyarrow is not installed.
        NothingToExportError: with ``allow_empty=False``; nothing was written.

    >>> import io, tbio
    >>> file = io.BytesIO()
    >>> export(tbio.open("tests/golden/digits", runs="test", tags="loss"), file).rows
    20
    >>> file.getvalue().decode().splitlines()[0]
    'run,tag,step,wall_time,value'
    """
    chosen = format_of(destination, format)
    report = ExportReport(keep_formulas, allow_empty)
    with _opened(destination, chosen.goes_back) as file:
        if wide:
            chosen.wide(logs.scalar_table().wide(), file, report)
            report.runs = {name: run.report for name, run in logs.items()}
        else:
            stream = replace(logs.iter_scalars(), progress=progress)
            chosen.long(stream, file, report)
            report.runs = stream.reports
    return report


def format_of(destination: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> Format:
    """The format that `export` writes to a destination.

    Raises:
        ValueError: the name of a regular file that tells none; a format that does not exist.
    """
    if format is not None:
        if format not in FORMATS:
            raise ValueError(f"format: want one of {', '.join(FORMATS)}, got {format!r}")
        return FORMATS[format]
    if not isinstance(destination, (str, os.PathLike)):
        return FORMATS["csv"]
    path = os.fspath(destination)
    for one in FORMATS.values():
        if path.lower().endswith(one.suffixes):
            return one
    if is_special(path):
        return FORMATS["csv"]
    *others, last = [suffix for one in FORMATS.values() for suffix in one.suffixes]
    raise ValueError(f"want a file name that ends in {', '.join(others)} or {last}, got {path!r}")


@contextlib.contextmanager
def _opened(destination: str | os.PathLike[str] | BinaryIO, goes_back: bool) -> Iterator[IO[bytes]]:
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
