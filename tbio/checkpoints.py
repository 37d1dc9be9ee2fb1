"""Checkpoints: where a run was at its best, and where early stopping would have ended it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from tbio.logdir import LogDir
from tbio.optimum import Mode, mode_of
from tbio.optimum import best as best_index
from tbio.series import ScalarSeries
from tbio.smoothing import smoothed
from tbio.tables import Table, column


class EarlyStop(NamedTuple):
    """What early stopping does with a series.

    Attributes:
        best: the index of the value that it keeps; None where no value is a number.
        stop: the index of the value at which it stops; None where it never does.
    """

    best: int | None
    stop: int | None


def early_stop(
    values: npt.NDArray[Any], mode: str, patience: int, min_delta: float = 0.0
) -> EarlyStop:
    """Where Keras's and Lightning's ``EarlyStopping`` would end a training.

    A value is better if it is so by more than ``min_delta``. After ``patience`` values that follow
    each other and are not better than the best one before them, it stops; it never does so at the
    first value (keras/src/callbacks/early_stopping.py). NaN is never better.

    Args:
        values: [n] real numbers, in the order of time.
        mode: "min" or "max".
        patience: how many values, 0 or more; 0 is as good as 1, as in Keras.
        min_delta: 0 or more.

    Raises:
        ValueError: an argument out of its range.

    >>> early_stop(np.array([3.0, 2.0, 1.95, 2.5, 1.0]), "min", patience=2, min_delta=0.1)
    EarlyStop(best=1, stop=3)
    """
    if mode not in ("min", "max"):
        raise ValueError(f'mode: want "min" or "max", got {mode!r}')
    if patience < 0 or not 0 <= min_delta < math.inf:
        raise ValueError(f"want patience and min_delta from 0, got {patience} and {min_delta}")
    given = values.astype(np.float64)
    losses = np.where(np.isnan(given), np.inf, given if mode == "min" else -given)
    patience = max(patience, 1)
    best, least, since = None, math.inf, 0
    # What is better is lower than all before it, so that few values need a look.
    lowest = np.minimum.accumulate(losses)
    for at in np.flatnonzero(losses < np.append(math.inf, lowest)[:-1]).tolist():
        loss = losses[at].item()
        if at > since + patience:  # it has stopped before
            break
        if loss + min_delta < least:
            best, least, since = at, loss, at
    stop = since + patience
    return EarlyStop(best, stop if stop < len(losses) else None)


@dataclass(frozen=True)
class _Row:
    """What is said of one series; None is missing."""

    run: str
    tag: str
    mode: str
    points: int
    last_step: int
    step: int | None = None
    wall_time: float | None = None
    relative_time: float | None = None
    value: Any = None
    smoothed: float | None = None
    stop_step: int | None = None
    kept_step: int | None = None
    kept_value: Any = None


#: Column -> the dtype of one in which nothing is known.
_COLUMNS: dict[str, Any] = {
    "run": object,
    "tag": object,
    "mode": object,
    "step": np.int64,
    "value": np.float64,
    "wall_time": np.float64,
    "relative_time": np.float64,
    "points": np.int64,
    "last_step": np.int64,
}
_OF_SMOOTHING: dict[str, Any] = {"smoothed": np.float64}
_OF_STOPPING: dict[str, Any] = {
    "stop_step": np.int64,
    "kept_step": np.int64,
    "kept_value": np.float64,
}


def best(
    logs: LogDir,
    *,
    mode: Mode = "auto",
    smoothing: float = 0.0,
    patience: int | None = None,
    min_delta: float = 0.0,
) -> Table:
    """Which checkpoint: the best step of each run, the best run of each tag first.

    One row a run and tag, with the columns run, tag, mode, step, value, wall_time, relative_time
    (seconds since the series began), points and last_step; "smoothed", the value by which the best
    was found, if there is smoothing; and with a ``patience`` also

    * stop_step: where early stopping would have ended the training; missing where it would not.
    * kept_step, kept_value: the best of what it would have seen, as it counts (`early_stop`).

    Only finite values are best ones, the first one of equals; step and value are missing where a
    series has none. Complex numbers have no order, and no row.

    Args:
        logs: what to look at; the selection of `tbio.open` is the selection here:
            ``tags="val/loss"``, and ``steps=slice(0, None, 1000)`` where checkpoints were written
            every 1000 steps.
        mode: whether the least ("min") or the greatest ("max") value is the best; "auto" as the
            words of the tag say (`tbio.optimum.mode_of`), and tags that do not tell are left out.
        smoothing: find the best of the smoothed values, from 0 to 1 as on the TensorBoard page
            (`ScalarSeries.smooth`); early stopping watches these too.
        patience: how many points without progress early stopping waits for; None for no stopping.
        min_delta: what is not better by more than this is no progress.

    Raises:
        ValueError: an argument out of its range; "auto", and none of the tags tells.

    >>> import tbio
    >>> from tbio.checkpoints import best
    >>> table = best(tbio.open("tests/golden/digits", tags="accuracy"), patience=3)
    >>> [(row["run"], row["step"], row["stop_step"]) for row in table]
    [('train', 19, None), ('test', 18, 10)]
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode: want one of {', '.join(get_args(Mode))}, got {mode!r}")
    rows, silent = [], None
    for series in logs.scalar_table().series:
        if not len(series) or np.iscomplexobj(series.values):
            continue
        try:
            end = mode_of(series.tag) if mode == "auto" else mode
        except ValueError as error:
            silent = error
        else:
            rows.append(_row(series, end, smoothing, patience, min_delta))
    if silent is not None and not rows:
        raise silent
    rows.sort(key=_place)
    columns = dict(_COLUMNS)
    if smoothing:
        columns |= _OF_SMOOTHING
    if patience is not None:
        columns |= _OF_STOPPING
    return Table(
        {
            name: column([getattr(row, name) for row in rows], empty)
            for name, empty in columns.items()
        }
    )


def _row(
    series: ScalarSeries,
    mode: Literal["min", "max"],
    smoothing: float,
    patience: int | None,
    min_delta: float,
) -> _Row:
    watched = smoothed(series.values, smoothing) if smoothing else series.values
    found: dict[str, Any] = {}
    if patience is not None:
        kept, stop = early_stop(watched, mode, patience, min_delta)
        if stop is not None:
            found["stop_step"] = series.point(stop).step
        if kept is not None:
            point = series.point(kept)
            found |= {"kept_step": point.step, "kept_value": series.values[kept]}
    if np.isfinite(watched.astype(np.float64)).any():
        at = best_index(watched, series.tag, mode)
        point = series.point(at)
        found |= {"step": point.step, "wall_time": point.wall_time, "value": series.values[at]}
        found["relative_time"] = series.relative_times[at].item()
        found["smoothed"] = float(watched[at])
    steps = series.steps
    return _Row(series.run, series.tag, mode, len(steps), steps.max().item(), **found)


def _place(row: _Row) -> tuple[str, float, str]:
    if row.smoothed is None:
        return row.tag, math.inf, row.run
    return row.tag, row.smoothed if row.mode == "min" else -row.smoothed, row.run
