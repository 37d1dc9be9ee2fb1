"""Read and write TensorBoard event files, without TensorFlow.

Writing: `SummaryWriter` in the place of torch's or tensorboardX's; `EventFileWriter` and
`RecordWriter` below it. Reading: `open` for runs, tags and arrays; `read_scalars` for one table;
`read_events` and `read_records` for what stands in the files. Shell: ``tbio --help``.
"""

from tbio.errors import (
    DamageError,
    DecodeError,
    MissingExtraError,
    NotFoundError,
    RunNotFoundError,
    TagNotFoundError,
    TbioError,
    TbioWarning,
    WriteFailedError,
    WriterClosedError,
    WriterError,
)
from tbio.event_file import EventFileWriter
from tbio.exports import export
from tbio.file_writer import FileWriter
from tbio.global_writer import GlobalSummaryWriter
from tbio.logdir import LogDir, read_events, read_records, read_scalars
from tbio.logdir import open_logdir as open
from tbio.record_file import RecordWriter
from tbio.run import Run
from tbio.series import ScalarSeries
from tbio.tables import ScalarTable, WideTable
from tbio.writer import SummaryWriter

__version__ = "0.1.0"

__all__ = [
    "DamageError",
    "DecodeError",
    "EventFileWriter",
    "FileWriter",
    "GlobalSummaryWriter",
    "LogDir",
    "MissingExtraError",
    "NotFoundError",
    "RecordWriter",
    "Run",
    "RunNotFoundError",
    "ScalarSeries",
    "ScalarTable",
    "SummaryWriter",
    "TagNotFoundError",
    "TbioError",
    "TbioWarning",
    "WideTable",
    "WriteFailedError",
    "WriterClosedError",
    "WriterError",
    "__version__",
    "export",
    "open",
    "read_events",
    "read_records",
    "read_scalars",
]
