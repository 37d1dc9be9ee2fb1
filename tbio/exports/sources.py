"""Sources: the tables that an export writes, in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tbio.exports.report import ExportReport
from tbio.tables import Table


@dataclass
class TableSource:
    """One table to write.

    Attributes:
        name: what it is called where a file holds several.
        head: its columns without rows.
        blocks: gives its rows as tables of the same columns, anew each time.
    """

    name: str
    head: Table
    blocks: Callable[[], Iterable[Table]]

    def counted(self, report: ExportReport) -> Iterator[Table]:
        """The blocks that have rows, which are counted."""
        report.tables[self.name] = 0
        for block in self.blocks():
            if len(block):
                report.tables[self.name] += len(block)
                yield block


def of_table(name: str, table: Table) -> TableSource:
    """A table that is in memory already, as one block."""
    return TableSource(name, head_of(table), lambda: [table])


def head_of(table: Table) -> Table:
    """The columns of a table without its rows."""
    return Table({name: one[:0] for name, one in table.columns.items()})


def unlike(names: Iterable[str]) -> list[str]:
    r"""Names for the columns of a database, which takes ``a`` and ``A`` for the same.

    >>> unlike(["loss", "Loss", "nul\0"])
    ['loss', 'Loss_2', 'nul\\x00']
    """
    taken: set[str] = set()
    found = []
    for name in names:
        plain = name.encode(errors="backslashreplace").decode().replace("\0", "\\x00")
        one, count = plain, 1
        while one.casefold() in taken:
            count += 1
            one = f"{plain}_{count}"
        taken.add(one.casefold())
        found.append(one)
    return found


def quoted(name: str) -> str:
    """A name as SQL has it.

    >>> quoted('a "b" c')
    '"a ""b"" c"'
    """
    return '"' + name.replace('"', '""') + '"'
