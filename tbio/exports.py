"""Export: scalars into files that everybody can read."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tbio.logdir import LogDir
from tbio.series import ScalarSeries
from tbio.tables import WideTable

_BLOCK_ROWS = 1 << 16
#: What makes a spreadsheet take a cell for a formula.
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")

#: Told after each run: its name.
Progress = Callable[[str], None]


def export(
    logs: LogDir,
    destination: str | os.PathLike[str] | BinaryIO,
    *,
    wide: bool = False,
    keep_formulas: bool = False,
    progress: Progress | None = None,
) -> ExportReport:
    """Write every scalar of ``logs`` as CSV, in UTF-8.

    Long form has the columns run, tag, step, wall_time and value, wide form run, step and one
    column a tag (`ScalarTable.wide`), a cell being empty where a tag has no value. Numbers are
    printed in the shortest form that reads back as the same: a float32 0.1 is ``0.1``. NaN and
    infinity are ``nan``, ``inf`` and ``-inf``.

    A run's name or a tag that a spreadsheet would take for a formula (it begins with ``=``, ``+``,
    ``-``, ``@``, a tab or a carriage return) gets an apostrophe in front, and is counted.

    Args:
        logs: what to export; the selection of `tbio.open` is the selection here.
        destination: a path ending in ``.csv``, ``-`` for the standard output, a pipe or a device,
            or a binary file object. A file appears under its
            name when it is complete, and not before; one that was there is replaced then.
        keep_formulas: no apostrophes.
        progress: called with the name of each run when it was written.

    Raises:
        ValueError: a path that does not end in ``.csv``.

    >>> import io, tbio
    >>> file = io.BytesIO()
    >>> export(tbio.open("tests/golden/digits", runs="test", tags="loss"), file).rows
    20
    >>> file.getvalue().decode().splitlines()[0]
    'run,tag,step,wall_time,value'
    """
    if isinstance(destination, (str, os.PathLike)) and not is_csv(os.fspath(destination)):
        raise ValueError(f"want a file name that ends in .csv, got {os.fspath(destination)!r}")
    report = ExportReport(keep_formulas)
    pieces = _wide_csv(logs, report) if wide else _long_csv(logs, report, progress)
    if isinstance(destination, (str, os.PathLike)):
        with replacing(destination) as file:
            _write(file, pieces)
    else:
        _write(destination, pieces)
    return report


def is_csv(path: str) -> bool:
    """Whether `export` takes a path: it ends in .csv, or names no regular file."""
    return path == "-" or path.lower().endswith(".csv") or _is_special(path)


def _is_special(path: str) -> bool:
    """Whether a path is no regular file, present or future: a pipe, a device, /dev/stdout."""
    # /dev/stdout may lead to a regular file, and must not be replaced all the same.
    if os.path.abspath(path).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return True
    return os.path.exists(path) and not os.path.isfile(path)


class ExportReport:
    """What was exported.

    Attributes:
        rows: rows below the header.
        guarded: distinct names that got an apostrophe in front.
    """

    def __init__(self, keep_formulas: bool = False) -> None:
        self.rows = 0
        self._keep_formulas = keep_formulas
        self._guarded: set[str] = set()

    @property
    def guarded(self) -> int:
        """How many distinct names got an apostrophe in front."""
        return len(self._guarded)

    def cell(self, text: str) -> str:
        """A text as one CSV cell (RFC 4180)."""
        if text.startswith(_FORMULA_BEGINS) and not self._keep_formulas:
            self._guarded.add(text)
            text = "'" + text
        if any(mark in text for mark in ',"\r\n'):
            return '"' + text.replace('"', '""') + '"'
        return text


def _write(file: BinaryIO | IO[bytes], pieces: Iterator[str]) -> None:
    for piece in pieces:
        file.write(piece.encode())


def _long_csv(logs: LogDir, report: ExportReport, progress: Progress | None) -> Iterator[str]:
    yield "run,tag,step,wall_time,value\n"
    for name, run in logs.items():
        for series in run.scalars.values():
            yield from _series_csv(series, report)
        if progress is not None:
            progress(name)


def _series_csv(series: ScalarSeries, report: ExportReport) -> Iterator[str]:
    begin = f"{report.cell(series.run)},{report.cell(series.tag)},"
    for at in range(0, len(series), _BLOCK_ROWS):
        block = series[at : at + _BLOCK_ROWS]
        report.rows += len(block)
        columns = zip(texts(block.steps), texts(block.wall_times), _value_texts(block), strict=True)
        yield "".join(f"{begin}{step},{time},{value}\n" for step, time, value in columns)


def _wide_csv(logs: LogDir, report: ExportReport) -> Iterator[str]:
    table: WideTable = logs.scalar_table().wide()
    yield ",".join(report.cell(name) for name in table.names()) + "\n"
    columns = []
    for pieces in table.pieces.values():
        cells = np.full(len(table), "", object)
        for places, series in pieces:
            cells[places] = _value_texts(series)
        columns.append(cells)
    for at in range(0, len(table), _BLOCK_ROWS):
        block = slice(at, at + _BLOCK_ROWS)
        runs = [report.cell(run) for run in table.run[block].tolist()]
        rows = zip(
            runs, texts(table.at[block]), *(cells[block].tolist() for cells in columns), strict=True
        )
        report.rows += len(runs)
        yield "".join(",".join(row) + "\n" for row in rows)


def _value_texts(series: ScalarSeries) -> list[str]:
    """The values of a series, each in the shortest form of the dtype in which it was logged."""
    if series.single is None:
        return texts(series.values)
    cells = np.array(texts(series.values), object)
    cells[series.single] = texts(series.values[series.single].astype(np.float32))
    whole: list[str] = cells.tolist()
    return whole


def texts(values: npt.NDArray[Any]) -> list[str]:
    """Each number in the shortest form that reads back as the same number of its dtype.

    >>> texts(np.array([0.1, 1e-8, np.nan], np.float32)), texts(np.array([3, -4]))
    (['0.1', '1e-08', 'nan'], ['3', '-4'])
    """
    if values.dtype == np.float64 or values.dtype.kind in "iubO":
        return list(map(repr, values.tolist()))
    texts = values.astype(str)
    if values.dtype.kind == "f":
        # The double nearest to those digits is printed by the same digits, without an exponent
        # where Python needs none.
        return list(map(repr, texts.astype(np.float64).tolist()))
    return [str(text) for text in texts.tolist()]


@contextlib.contextmanager
def replacing(destination: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A new file that takes its name when it is complete; nothing is left of one that fails.

    ``-`` is the standard output. A pipe or a device, such as ``/dev/stdout``, is written to as it
    is. A link stays, and what it points to is replaced.
    """
    path = os.fspath(destination)
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if _is_special(path):
        with open(path, "wb") as special:
            yield special
        return
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.{time.time_ns()}.part")
    try:
        file = open(temporary, "xb")  # noqa: SIM115
    except OSError as error:
        error.filename = path  # the name that the user knows
        raise
    with file:
        try:
            yield file
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        except BaseException:
            os.unlink(temporary)
            raise
    os.replace(temporary, path)
