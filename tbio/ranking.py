"""Ranking: sessions with their hyperparameters, the best one first."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from tbio.errors import TagNotFoundError
from tbio.logdir import LogDir
from tbio.optimum import Mode, mode_of
from tbio.selection import Selection, matcher
from tbio.tables import Table, column

#: Which value of a metric counts: the last one that was logged, or the best one.
At: TypeAlias = Literal["best", "last"]

#: The columns that are neither hyperparameters nor metrics.
FIXED = (
    "rank",
    "run",
    "session",
    "group",
    "status",
    "start_time",
    "end_time",
    "duration",
)
_STATISTICS = ("last", "best", "min", "max")


def hparams(
    logs: LogDir,
    by: str | None = None,
    *,
    mode: Mode = "auto",
    at: At = "best",
    metrics: Selection = None,
    all_runs: bool = False,
) -> Table:
    """One row for each session: its run, hyperparameters, status, duration and metrics.

    The columns are those of `tbio.sessions.sessions`, with ``rank`` in front where a metric ranks
    the rows: 1 is the best, equals share a rank. Sessions without a finite value of the metric have
    no rank and come last; else the order is that of the runs.

    Args:
        logs: what to look at; the selection of `tbio.open` is the selection here.
        by: the metric to rank by: a tag, or ``validation/epoch_loss`` for a tag of a run below.
        mode: whether its least ("min") or greatest ("max") value is the best; "auto" as the words
            of the tag say (`tbio.optimum.mode_of`).
        at: rank by its "best" value in each session, or by the "last".
        metrics: which metrics have columns: a glob, a compiled regex, a list of those, or a
            callable. The one to rank by always has.
        all_runs: also a row for each run that belongs to no session.

    Raises:
        TagNotFoundError: no session has such a metric.
        ValueError: another ``mode`` or ``at``; "auto", and the tag does not tell.

    >>> import tbio
    >>> table = tbio.hparams(tbio.open("tests/golden/digits"), by="loss", all_runs=True)
    >>> table["rank"].tolist(), table["run"].tolist()
    ([1, 2], ['train', 'test'])
    """
    for noun, value, form in (("mode", mode, Mode), ("at", at, At)):
        if value not in get_args(form):
            raise ValueError(f"{noun}: want one of {', '.join(get_args(form))}, got {value!r}")
    if by is None:
        return Table(_shown(logs.hparams(all_runs=all_runs), None, matcher(metrics, "metrics")))
    end = _end_of(logs, by, all_runs) if mode == "auto" else mode
    table = logs.hparams({by: end}, all_runs=all_runs)
    known = metrics_of(table)
    if by not in known:
        raise TagNotFoundError(by, known, "the metrics of the sessions")
    scores = [_score(cell, end) for cell in table[f"{by}.{at}"].tolist()]
    ordered = sorted(score for score in scores if score is not None)
    ranks = [None if score is None else bisect_left(ordered, score) + 1 for score in scores]
    order = sorted(range(len(ranks)), key=lambda row: ranks[row] or len(ranks) + 1)
    shown = {"rank": column(ranks, np.int64), **_shown(table, by, matcher(metrics, "metrics"))}
    return Table({name: one[order] for name, one in shown.items()})


def _end_of(logs: LogDir, by: str, all_runs: bool) -> Literal["min", "max"]:
    """As the tag says; a tag that says nothing may be one that is not there."""
    try:
        return mode_of(by)
    except ValueError:
        known = metrics_of(logs.hparams(all_runs=all_runs))
        if by not in known:
            raise TagNotFoundError(by, known, "the metrics of the sessions") from None
        raise


def metrics_of(table: Table) -> list[str]:
    """The metrics of a table of sessions, in their order.

    >>> import tbio
    >>> metrics_of(tbio.open("tests/golden/digits").hparams(all_runs=True))
    ['accuracy', 'loss']
    """
    names = [name.removesuffix(".last_step") for name in table.columns]
    return [name for name in names if set(_columns_of(name)) <= set(table.columns)]


def hparams_of(table: Table) -> list[str]:
    """The columns of a table of sessions that are hyperparameters, in their order."""
    others = {*FIXED, *(name for metric in metrics_of(table) for name in _columns_of(metric))}
    return [name for name in table.columns if name not in others]


def _columns_of(metric: str) -> list[str]:
    return [f"{metric}.{one}{what}" for one in _STATISTICS for what in ("", "_step")]


def _shown(table: Table, by: str | None, wanted: Callable[[str], bool]) -> dict[str, Any]:
    """The columns without those of the metrics that nobody asked for."""
    hidden = {
        name
        for metric in metrics_of(table)
        if metric != by and not wanted(metric)
        for name in _columns_of(metric)
    }
    return {name: one for name, one in table.columns.items() if name not in hidden}


def _score(value: Any, end: Literal["min", "max"]) -> Any:
    """The less, the better; None for what has no place in an order."""
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value if end == "min" else -value
