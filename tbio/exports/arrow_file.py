"""Scalars as Parquet and as Arrow's IPC file, which Feather is too, through pyarrow."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any

import numpy as np

from tbio.exports.report import ExportReport
from tbio.extras import require
from tbio.scalar_stream import ScalarStream, ValueTypeError
from tbio.tables import WideTable

#: Opens a file for batches of a schema.
_Open = Callable[[IO[bytes], Any], Any]

_PARQUET_ROWS = 1 << 18  # a batch is a row group: many rows of few runs and tags
_NAMES = ("run", "tag")


def _parquet(file: IO[bytes], schema: Any) -> Any:
    require("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    # Names repeat; numbers hardly do, and looking for that is most of the work.
    names = [name for name in schema.names if name in _NAMES]
    return parquet.ParquetWriter(file, schema, compression="snappy", use_dictionary=names)


def _arrow(file: IO[bytes], schema: Any) -> Any:
    pa = require("pyarrow")
    ipc = importlib.import_module("pyarrow.ipc")
    compression = "lz4" if pa.Codec.is_available("lz4") else None
    return ipc.new_file(file, schema, options=ipc.IpcWriteOptions(compression=compression))


def _write_long(open_: _Open, stream: ScalarStream, file: IO[bytes], report: ExportReport) -> None:
    """Write the rows of a stream in the dtype that holds all values of the logs.

    That is float32 until other values are met; then the file is begun anew.
    """
    stream = replace(stream, dtype=np.dtype(np.float32))
    while True:
        report.rows = 0
        try:
            with open_(file, stream.schema) as writer:
                for batch in stream:
                    report.rows += len(batch)
                    writer.write_batch(batch.to_arrow())
        except ValueTypeError as error:
            stream = replace(stream, dtype=error.dtype)
            file.seek(0)
            file.truncate()
        else:
            report.check_rows()
            return


def _write_wide(open_: _Open, table: WideTable, file: IO[bytes], report: ExportReport) -> None:
    report.rows = len(table)
    report.check_rows()
    whole = table.to_arrow()
    with open_(file, whole.schema) as writer:
        writer.write_table(whole)


def write_parquet(stream: ScalarStream, file: IO[bytes], report: ExportReport) -> None:
    """Write the rows of a stream as Parquet; ``file`` can be gone back in."""
    _write_long(_parquet, replace(stream, batch_rows=_PARQUET_ROWS), file, report)


def write_wide_parquet(table: WideTable, file: IO[bytes], report: ExportReport) -> None:
    """Write a table in wide form as Parquet; null where there is no value."""
    _write_wide(_parquet, table, file, report)


def write_arrow(stream: ScalarStream, file: IO[bytes], report: ExportReport) -> None:
    """Write the rows of a stream as an Arrow IPC file; ``file`` can be gone back in."""
    _write_long(_arrow, stream, file, report)


def write_wide_arrow(table: WideTable, file: IO[bytes], report: ExportReport) -> None:
    """Write a table in wide form as an Arrow IPC file; null where there is no value."""
    _write_wide(_arrow, table, file, report)
