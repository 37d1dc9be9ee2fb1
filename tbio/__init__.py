"""Read and write TensorBoard event files, without TensorFlow.

Writing: `SummaryWriter` in the place of torch's or tensorboardX's, `summary` in that of
``tf.summary``, `keras` for Keras, and ``tbio.adapters`` for other libraries; `EventFileWriter` and
`RecordWriter` below them. Reading: `open` for runs, tags and arrays; `read_scalars` for one table;
`read_events` and `read_records` for what stands in the files. Shell: ``tbio --help``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbio import keras as keras
    from tbio import plot as plot
    from tbio import remote as remote
    from tbio import summary as summary
    from tbio.checkpoints import best
    from tbio.comparison import Comparison, diff
    from tbio.diagnosis import Diagnosis, check
    from tbio.edits import EditReport, edit
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
    from tbio.event_rows import cat
    from tbio.exports import export
    from tbio.extracts import ExtractReport, extract
    from tbio.file_writer import FileWriter
    from tbio.following import NewPoint, tail
    from tbio.glance import show
    from tbio.global_writer import GlobalSummaryWriter
    from tbio.imports import ImportReport, import_logs
    from tbio.kinds.audio import Audio
    from tbio.kinds.graph import Graph
    from tbio.kinds.histogram_stored import Histogram
    from tbio.kinds.hparams import RunHParams
    from tbio.kinds.image import Image
    from tbio.kinds.layout import Layout
    from tbio.kinds.mesh import Mesh
    from tbio.kinds.pr_curve import PrCurve
    from tbio.logdir import LogDir, read_events, read_records, read_scalars
    from tbio.logdir import open_logdir as open
    from tbio.projector import Embedding
    from tbio.ranking import hparams
    from tbio.record_file import RecordWriter
    from tbio.reduction import ReducedSeries, Reduction, reduce
    from tbio.repairs import RepairReport, repair
    from tbio.run import Run
    from tbio.series import MeshSeries, SampledSeries, ScalarSeries, ValueSeries
    from tbio.tables import ScalarTable, Table, WideTable
    from tbio.writer import SummaryWriter

__version__ = "0.1.0"

#: Where each public name is defined. It is loaded when it is asked for first, so that a training
#: loop does not pay for the reading side, nor an analyst for the writing side.
_HOMES = {
    "checkpoints": ("best",),
    "comparison": ("Comparison", "diff"),
    "diagnosis": ("Diagnosis", "check"),
    "edits": ("EditReport", "edit"),
    "errors": (
        "DamageError",
        "DecodeError",
        "MissingExtraError",
        "NotFoundError",
        "RunNotFoundError",
        "TagNotFoundError",
        "TbioError",
        "TbioWarning",
        "WriteFailedError",
        "WriterClosedError",
        "WriterError",
    ),
    "event_file": ("EventFileWriter",),
    "event_rows": ("cat",),
    "exports": ("export",),
    "extracts": ("ExtractReport", "extract"),
    "file_writer": ("FileWriter",),
    "following": ("NewPoint", "tail"),
    "glance": ("show",),
    "global_writer": ("GlobalSummaryWriter",),
    "imports": ("ImportReport", "import_logs"),
    "kinds.audio": ("Audio",),
    "kinds.graph": ("Graph",),
    "kinds.histogram_stored": ("Histogram",),
    "kinds.hparams": ("RunHParams",),
    "kinds.image": ("Image",),
    "kinds.layout": ("Layout",),
    "kinds.mesh": ("Mesh",),
    "kinds.pr_curve": ("PrCurve",),
    "logdir": ("LogDir", "open", "read_events", "read_records", "read_scalars"),
    "projector": ("Embedding",),
    "ranking": ("hparams",),
    "record_file": ("RecordWriter",),
    "reduction": ("ReducedSeries", "Reduction", "reduce"),
    "repairs": ("RepairReport", "repair"),
    "run": ("Run",),
    "series": ("MeshSeries", "SampledSeries", "ScalarSeries", "ValueSeries"),
    "tables": ("ScalarTable", "Table", "WideTable"),
    "writer": ("SummaryWriter",),
}
#: Modules whose functions keep its name before them: ``tbio.plot.scalars``.
_MODULES = frozenset({"keras", "plot", "remote", "summary"})
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Audio",
    "Comparison",
    "DamageError",
    "DecodeError",
    "Diagnosis",
    "EditReport",
    "Embedding",
    "EventFileWriter",
    "ExtractReport",
    "FileWriter",
    "GlobalSummaryWriter",
    "Graph",
    "Histogram",
    "Image",
    "ImportReport",
    "Layout",
    "LogDir",
    "Mesh",
    "MeshSeries",
    "MissingExtraError",
    "NewPoint",
    "NotFoundError",
    "PrCurve",
    "RecordWriter",
    "ReducedSeries",
    "Reduction",
    "RepairReport",
    "Run",
    "RunHParams",
    "RunNotFoundError",
    "SampledSeries",
    "ScalarSeries",
    "ScalarTable",
    "SummaryWriter",
    "Table",
    "TagNotFoundError",
    "TbioError",
    "TbioWarning",
    "ValueSeries",
    "WideTable",
    "WriteFailedError",
    "WriterClosedError",
    "WriterError",
    "__version__",
    "best",
    "cat",
    "check",
    "diff",
    "edit",
    "export",
    "extract",
    "hparams",
    "import_logs",
    "open",
    "read_events",
    "read_records",
    "read_scalars",
    "reduce",
    "repair",
    "show",
    "tail",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"tbio.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tbio' has no attribute {name!r}")
    home = importlib.import_module(f"tbio.{_HOME_OF[name]}")
    value = getattr(home, "open_logdir" if name == "open" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
