"""Tables as Parquet and as Arrow's IPC file, which Feather is too, through pyarrow."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any

import numpy as np

from tbio.exports.points import Points
from tbio.exports.report import ExportReport
from tbio.exports.sources import TableSource
from tbio.extras import require
from tbio.scalar_stream import ScalarBatch, ValueTypeError

#: Makes what takes batches of a schema by ``write_batch``, from the beginning each time.
Open = Callable[[Any], AbstractContextManager[Any]]

_PARQUET_ROWS = 1 << 18  # a batch is a row group: many rows of few runs and tags
_ARROW_ROWS = 1 << 16
_NAMES = ("run", "tag")


def write_parquet(sources: Sequence[TableSource], file: IO[bytes], report: ExportReport) -> None:
    """Write a table as Parquet; ``file`` can be gone back in."""

    def opened(schema: Any) -> Any:
        require("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
        # Names repeat; numbers hardly do, and looking for that is most of the work.
        names = [name for name in schema.names if name in _NAMES]
        _begin(file)
        return parquet.ParquetWriter(file, schema, compression="snappy", use_dictionary=names)

    (source,) = sources
    write(source, opened, report, _PARQUET_ROWS)
    report.check_rows()


def write_arrow(sources: Sequence[TableSource], file: IO[bytes], report: ExportReport) -> None:
    """Write a table as an Arrow IPC file; ``file`` can be gone back in."""

    def opened(schema: Any) -> Any:
        pa = require("pyarrow")
        ipc = importlib.import_module("pyarrow.ipc")
        compression = "lz4" if pa.Codec.is_available("lz4") else None
        _begin(file)
        return ipc.new_file(file, schema, options=ipc.IpcWriteOptions(compression=compression))

    (source,) = sources
    write(source, opened, report, _ARROW_ROWS)
    report.check_rows()


def _begin(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def write(source: TableSource, open_: Open, report: ExportReport, rows: int) -> None:
    """Write a table by batches.

    The values of scalars have the dtype that holds all of the logs. That is float32 until other
    values are met; then all is begun anew.
    """
    if not isinstance(source, Points):
        schema = source.head.to_arrow().schema
        with open_(schema) as writer:
            for block in source.counted(report):
                for batch in block.to_arrow().cast(schema).to_batches():
                    writer.write_batch(batch)
        return
    dtype: np.dtype[Any] = np.dtype(np.float32)
    while True:
        try:
            with open_(_schema(source, dtype)) as writer:
                for batch in _batches(source, dtype, report, rows):
                    writer.write_batch(batch)
        except ValueTypeError as error:
            dtype = error.dtype
        else:
            return


def _schema(source: Points, dtype: np.dtype[Any]) -> Any:
    pa = require("pyarrow")
    schema = ScalarBatch((), dtype).to_arrow().schema
    for name in source.derived.names:
        schema = schema.append(pa.field(name, pa.float64()))
    return schema


def _batches(
    source: Points, dtype: np.dtype[Any], report: ExportReport, rows: int
) -> Iterator[Any]:
    pa = require("pyarrow")
    for pieces in source.pieces(rows, report):
        batch = ScalarBatch((piece.series for piece in pieces), dtype).to_arrow()
        derived = zip(*(piece.derived for piece in pieces), strict=True)
        more = [pa.array(np.concatenate(parts)) for parts in derived]
        yield pa.record_batch([*batch.columns, *more], schema=_schema(source, dtype))
