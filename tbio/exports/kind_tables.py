"""Tables of what is no scalar: hyperparameters, histograms, PR curves, texts and tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tbio.errors import DecodeError
from tbio.exports.digits import decimals
from tbio.exports.report import ExportReport
from tbio.exports.sources import TableSource, of_table
from tbio.kinds.histogram_stored import Histogram
from tbio.kinds.pr_curve import PrCurve
from tbio.logdir import LogDir
from tbio.run import Run
from tbio.series import ValueSeries
from tbio.tables import Table

T = TypeVar("T")
_Columns = Mapping[str, Any]

#: So many rows at least make a block, unless the log has no more.
_BLOCK_ROWS = 1 << 14


def source_of(kind: str, logs: LogDir, report: ExportReport, progress: Any = None) -> TableSource:
    """The table of one kind but scalars.

    Args:
        report: is told of values that cannot be decoded, which are left out.
        progress: called with the name of each run when it was given out.
    """
    if kind == "hparams":
        return of_table(kind, logs.hparams())
    made = _MADE[kind]
    head = Table({**_keys("", "", 0, 0.0, 0), **{name: np.empty(0, t) for name, t in made.types}})
    return TableSource(kind, head, lambda: _blocks(made, logs, report, progress))


@dataclass(frozen=True)
class _Made:
    """How a kind becomes rows.

    Attributes:
        types: the columns behind run, tag, step and wall_time.
        series: what a run has of it.
        rows: those columns of one value.
    """

    types: tuple[tuple[str, Any], ...]
    series: Callable[[Run], Mapping[str, ValueSeries[Any]]]
    rows: Callable[[Any], _Columns]


def _blocks(made: _Made, logs: LogDir, report: ExportReport, progress: Any) -> Iterator[Table]:
    held: list[_Columns] = []
    count = 0
    for name, run in logs.items():
        for tag, series in made.series(run).items():
            for at, value in _values(series, report):
                columns = made.rows(value)
                rows = len(next(iter(columns.values())))
                step, time = int(series.steps[at]), float(series.wall_times[at])
                held.append({**_keys(name, tag, step, time, rows), **columns})
                count += rows
                if count >= _BLOCK_ROWS:
                    yield _joined(held)
                    held, count = [], 0
        if progress is not None:
            progress(name)
    if held:
        yield _joined(held)


def _values(series: ValueSeries[T], report: ExportReport) -> Iterator[tuple[int, T]]:
    """The values by their places; what cannot be decoded is left out and told of."""
    at = 0
    while at < len(series):
        values = iter(series[at:])
        try:
            for value in values:
                yield at, value
                at += 1
        except DecodeError as error:
            report.problems.append(error)
            at += 1


def _keys(run: str, tag: str, step: int, time: float, rows: int) -> dict[str, Any]:
    return {
        "run": _texts(run, rows),
        "tag": _texts(tag, rows),
        "step": np.full(rows, step, np.int64),
        "wall_time": np.full(rows, time, np.float64),
    }


def _texts(text: str, rows: int = 1) -> npt.NDArray[Any]:
    column = np.empty(rows, object)
    column[:] = text
    return column


def _joined(parts: list[_Columns]) -> Table:
    return Table({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _histogram(value: Histogram) -> _Columns:
    return {"left": value.lefts, "right": value.rights, "count": value.counts}


_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


def _pr_curve(value: PrCurve) -> _Columns:
    names = (*_COUNTS, "precision", "recall")
    rows = {name: np.asarray(getattr(value, name)) for name in names}
    return {"threshold": value.thresholds, **rows}


def _text(value: Any) -> _Columns:
    return {"text": _texts(value if isinstance(value, str) else json.dumps(value.tolist()))}


def _tensor(value: npt.NDArray[Any]) -> _Columns:
    value = np.asarray(value)
    few_digits = decimals(value.ravel()).reshape(value.shape)
    return {
        "dtype": _texts(str(value.dtype)),
        "shape": _texts(json.dumps(value.shape)),
        "value": _texts(json.dumps(_plain(few_digits.tolist()), default=_other)),
    }


def _plain(value: Any) -> Any:
    """Lists as JSON has them: what is not finite is "nan", "inf" or "-inf"."""
    if isinstance(value, list):
        return list(map(_plain, value))
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _other(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


_MADE = {
    "histograms": _Made(
        (("left", np.float64), ("right", np.float64), ("count", np.float64)),
        lambda run: run.histograms,
        _histogram,
    ),
    "pr_curves": _Made(
        (
            ("threshold", np.float64),
            *((name, np.float32) for name in (*_COUNTS, "precision", "recall")),
        ),
        lambda run: run.pr_curves,
        _pr_curve,
    ),
    "texts": _Made((("text", object),), lambda run: run.texts, _text),
    "tensors": _Made(
        (("dtype", object), ("shape", object), ("value", object)),
        lambda run: run.tensors,
        _tensor,
    ),
}

#: The kinds that `source_of` knows.
KINDS = ("hparams", *_MADE)
