"""Tables as a workbook of Excel, a sheet each, through openpyxl."""

from __future__ import annotations

import importlib
import io
import math
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np

from tbio.exports.digits import decimals
from tbio.exports.report import ExportReport
from tbio.exports.sources import TableSource
from tbio.extras import require
from tbio.tables import Array, Table, texts_of

#: What a sheet and a cell hold (ECMA-376 part 1, 18.2.28 and Excel's own limits).
_MOST_ROWS = 1_048_576
_MOST_COLUMNS = 16_384
_MOST_CHARACTERS = 32_767
_EXACT = 2**53

#: What XML 1.0 cannot hold, and what Excel would take for such in disguise (``_x0007_``).
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


def write(sources: Sequence[TableSource], file: IO[bytes], report: ExportReport) -> None:
    """Write each table into a sheet of its name, and on into ``name 2`` where that is full.

    NaN and infinity, which a cell of numbers cannot hold, are texts; so are integers beyond 2**53,
    of which Excel would drop digits. openpyxl writes 16 digits of a number, which may be off by one
    in the last place of a double; Excel shows 15. What XML cannot hold is escaped: ``\\x1b``. Texts
    are no formulas even with ``keep_formulas``. One of more than 32 767 characters, the most that a
    cell takes, is cut, and counted in ``report.cut``.

    Raises:
        ValueError: more than 16 384 columns.
    """
    book = require("openpyxl").Workbook(write_only=True)
    try:
        for source in sources:
            _write(book, source, report)
        report.check_rows()
    except BaseException:
        if not book.worksheets:
            book.create_sheet()
        book.save(io.BytesIO())  # it would leave its scratch files open otherwise
        raise
    # openpyxl goes on writing when it is collected, and complains, where a file refuses.
    with tempfile.TemporaryFile() as whole:
        book.save(whole)
        whole.seek(0)
        shutil.copyfileobj(whole, file)


def _write(book: Any, source: TableSource, report: ExportReport) -> None:
    names = list(source.head.columns)
    if len(names) > _MOST_COLUMNS:
        raise ValueError(
            f"{source.name}: {len(names):,} columns, and a sheet takes {_MOST_COLUMNS:,}: "
            "take the long form"
        )
    text = _Texts(report)

    def begun(title: str) -> Any:
        text.sheet = book.create_sheet(title)
        text.sheet.append(list(map(text.cell, names)))
        return text.sheet

    sheet = begun(source.name)
    rows, sheets = 1, 1
    for block in source.counted(report):
        for row in _rows(block, text):
            if rows == _MOST_ROWS:
                sheets += 1
                sheet = begun(f"{source.name} {sheets}")
                rows = 1
            sheet.append(row)
            rows += 1


class _Texts:
    """Makes cells of texts.

    Attributes:
        sheet: in which they are to stand.
    """

    sheet: Any = None

    def __init__(self, report: ExportReport) -> None:
        self._report = report
        self._errors = importlib.import_module("openpyxl.cell.cell").ERROR_CODES
        self._made = importlib.import_module("openpyxl.cell").WriteOnlyCell
        self._last = "", ""

    def cell(self, text: str) -> Any:
        """What openpyxl takes: no formula and no error, whatever the text is."""
        if text != self._last[0]:  # names repeat
            self._last = text, self._plain(text)
        plain = self._last[1]
        if not plain.startswith("=") and plain not in self._errors:
            return plain
        cell = self._made(self.sheet, plain)
        cell.data_type = "s"
        return cell

    def _plain(self, text: str) -> str:
        plain = _ILLEGAL.sub(_escaped, self._report.harmless(text))
        if len(plain) > _MOST_CHARACTERS:
            self._report.cut += 1
            return plain[: _MOST_CHARACTERS - 3] + "..."
        return plain


def _escaped(match: re.Match[str]) -> str:
    return "_x005F_" if match[0] == "_" else match[0].encode("unicode_escape").decode()


def _rows(block: Table, text: _Texts) -> Iterator[tuple[Any, ...]]:
    return zip(*(_cells(one, text) for one in block.columns.values()), strict=True)


def _cells(one: Array, text: _Texts) -> Iterator[Any]:
    data, missing = np.ma.getdata(one), np.ma.getmaskarray(one)
    cells = decimals(data).tolist()
    written = texts_of(data) or cells
    for cell, words, gone in zip(cells, written, missing.tolist(), strict=True):
        if gone or cell is None:
            yield None
        elif isinstance(cell, bool):
            yield cell
        elif isinstance(cell, float):
            yield cell if math.isfinite(cell) else repr(cell)
        elif isinstance(cell, int):
            yield cell if abs(cell) <= _EXACT else str(cell)
        else:
            yield text.cell(str(words))
