"""Tables as a DuckDB database, through duckdb and pyarrow."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

from tbio.exports import arrow_file
from tbio.exports.report import ExportReport
from tbio.exports.sources import TableSource, quoted, unlike
from tbio.extras import require

_ROWS = 1 << 16


def write(sources: Sequence[TableSource], file: IO[bytes], report: ExportReport) -> None:
    """Write each table under its name.

    Names of columns that differ in capitals alone get a number behind.
    """
    duckdb = require("duckdb")
    require("pyarrow")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tables.duckdb")
        try:
            with duckdb.connect(path) as connection:
                for source in sources:
                    _write(connection, source, report)
                report.check_rows()
        except duckdb.Error as error:  # such as a full disk
            raise OSError(f"{tempfile.gettempdir()}: DuckDB: {error}") from error
        with open(path, "rb") as database:
            shutil.copyfileobj(database, file)


def _write(connection: Any, source: TableSource, report: ExportReport) -> None:
    @contextlib.contextmanager
    def opened(schema: Any) -> Iterator[_Rows]:
        rows = _Rows(connection, quoted(source.name), unlike(schema.names))
        rows.create(schema)
        yield rows

    arrow_file.write(source, opened, report, _ROWS)


class _Rows:
    """What takes the rows of one table."""

    def __init__(self, connection: Any, table: str, names: list[str]) -> None:
        self._connection = connection
        self._table = table
        self._names = names

    def create(self, schema: Any) -> None:
        """The table, anew and empty."""
        empty = self._taken(schema.empty_table())
        with self._registered(empty):
            self._connection.execute(
                f"create or replace table {self._table} as select * from tbio_rows"
            )

    def write_batch(self, batch: Any) -> None:
        """Add some rows."""
        pa = require("pyarrow")
        with self._registered(self._taken(pa.Table.from_batches([batch]))):
            self._connection.execute(f"insert into {self._table} select * from tbio_rows")

    def _taken(self, rows: Any) -> Any:
        """The rows as DuckDB takes them: it has no float16."""
        pa = require("pyarrow")
        for at, field in enumerate(rows.schema):
            if field.type == pa.float16():
                rows = rows.set_column(at, field.name, rows.column(at).cast(pa.float32()))
        return rows.rename_columns(self._names)

    @contextlib.contextmanager
    def _registered(self, table: Any) -> Iterator[None]:
        self._connection.register("tbio_rows", table)
        try:
            yield
        finally:
            self._connection.unregister("tbio_rows")
