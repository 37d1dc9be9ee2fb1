"""Report: what an export has written, and of what."""

from __future__ import annotations

import re
from typing import Protocol

from tbio.errors import DecodeError
from tbio.run import RunReport

#: Where a spreadsheet would take a cell for a formula: in front of these marks, also in full width,
#: at the beginning, or behind what separates cells or rows where a comma does not (quotes are no
#: help there, since the cell does not begin with one).
_FORMULA = re.compile(r"(?:^|(?<=[;\t\r\n]))(?=[ ]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])")


class Writable(Protocol):
    """What text can be written to."""

    def write(self, data: bytes, /) -> int:
        """Take some bytes; how many."""


class NothingToExportError(ValueError):
    """There is no row to write, and the caller wants no file without rows."""


class ExportReport:
    """What was exported.

    Attributes:
        tables: table -> rows below the header: "scalars", "histograms", ...
        runs: run -> what was read of it, and what was not.
        problems: values that could not be decoded and were left out.
        cut: how many texts are longer than the format can hold, and end in "...".
    """

    def __init__(self, keep_formulas: bool = False, allow_empty: bool = True) -> None:
        self.tables: dict[str, int] = {}
        self.runs: dict[str, RunReport] = {}
        self.problems: list[DecodeError] = []
        self.cut = 0
        self._keep_formulas = keep_formulas
        self._allow_empty = allow_empty
        self._guarded: set[str] = set()

    def __repr__(self) -> str:
        return f"<ExportReport: {self.rows} rows of {len(self.runs)} runs>"

    @property
    def rows(self) -> int:
        """How many rows all tables have together, below their headers."""
        return sum(self.tables.values())

    @property
    def guarded(self) -> int:
        """How many distinct names got an apostrophe in front of what looks like a formula."""
        return len(self._guarded)

    def harmless(self, text: str) -> str:
        """A text that a spreadsheet takes for no formula, unless formulas are to be kept."""
        if not self._keep_formulas and _FORMULA.search(text):
            self._guarded.add(text)
            text = _FORMULA.sub("'", text)
        return text

    def cell(self, text: str, separator: str = ",") -> str:
        """A text as one cell of CSV (RFC 4180), or of what has another separator."""
        text = self.harmless(text)
        if any(mark in text for mark in (separator, '"', "\r", "\n")):
            return '"' + text.replace('"', '""') + '"'
        return text

    def check_rows(self) -> None:
        """To be called when all rows have been met, before anything is written without rows.

        Raises:
            NothingToExportError: there were none, and there have to be.
        """
        if not self.rows and not self._allow_empty:
            raise NothingToExportError(
                f"there are no {' or '.join(self.tables) or 'scalars'} to export"
            )
