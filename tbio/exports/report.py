"""Report: what an export has written, and of what."""

from __future__ import annotations

from tbio.run import RunReport

#: What makes a spreadsheet take a cell for a formula.
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")


class NothingToExportError(ValueError):
    """There is no row to write, and the caller wants no file without rows."""


class ExportReport:
    """What was exported.

    Attributes:
        rows: rows below the header.
        runs: run -> what was read of it, and what was not.
    """

    def __init__(self, keep_formulas: bool = False, allow_empty: bool = True) -> None:
        self.rows = 0
        self.runs: dict[str, RunReport] = {}
        self._keep_formulas = keep_formulas
        self._allow_empty = allow_empty
        self._guarded: set[str] = set()

    def __repr__(self) -> str:
        return f"<ExportReport: {self.rows} rows of {len(self.runs)} runs>"

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

    def check_rows(self) -> None:
        """To be called when all rows have been met, before anything is written without rows.

        Raises:
            NothingToExportError: there were none, and there have to be.
        """
        if not self.rows and not self._allow_empty:
            raise NothingToExportError("there are no scalars to export")
