"""Hyperparameters as parallel coordinates: a line for each session, coloured by a metric."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from tbio.errors import NotFoundError
from tbio.optimum import Mode, mode_of
from tbio.plot import style
from tbio.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Doubles = npt.NDArray[np.float64]

#: Positive numbers of which the greatest is so many times the least are on a logarithmic axis.
_WIDE = 50.0
#: More names than this on an axis are not written.
_MOST_NAMES = 20


class _Scale(NamedTuple):
    """One of the parallel axes.

    Attributes:
        places: float64 [rows], from 0 to 1; NaN where the value is missing.
        ticks: place and name of each.
    """

    places: Doubles
    ticks: list[tuple[float, str]]


def hparams(
    rows: Iterable[Mapping[str, Any]] | Table,
    *,
    metric: str,
    names: Sequence[str] | None = None,
    mode: Mode = "auto",
    title: str | None = None,
    size: tuple[float, float] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw hyperparameters and a metric as parallel coordinates, the best row thick.

    Numbers that are all positive and far apart, such as learning rates, are on a logarithmic axis;
    text, truth values and mixtures stand evenly spaced. Rows without the metric are pale.

    Args:
        rows: mappings, or a table such as `LogDir.hparams` gives; None and NaN are missing.
        metric: the name of the last axis, which gives the colours.
        names: the other axes, in their order; by default each other name with at least two values.
        mode: whether the "min" or the "max" of the metric is best; "auto" asks its name
            (`tbio.optimum.mode_of`), and marks no row where that does not tell.
        title: over the figure.
        size: width and height, inches.
        axes: draw into this.

    Raises:
        ValueError: no rows; no value of the metric is a finite number; no other axis.
        NotFoundError: no such name.

    >>> figure = hparams([{"lr": 0.1, "loss": 0.5}, {"lr": 0.001, "loss": 0.3}], metric="loss")
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['lr', 'loss']
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode: want one of {', '.join(get_args(Mode))}, got {mode!r}")
    columns = _columns(rows)
    for name in (metric, *(names or ())):
        if name not in columns:
            raise NotFoundError(name, columns, "the table")
    values = np.array([_number(cell) for cell in columns[metric]])
    if not np.isfinite(values).any():
        raise ValueError(f"metric {metric!r}: no value is a finite number")
    if names is None:
        names = [
            name
            for name, cells in columns.items()
            if name != metric and len({str(cell) for cell in cells if not _missing(cell)}) > 1
        ]
    if not names:
        raise ValueError("no hyperparameter has more than one value")
    scales = [_scale(columns[name]) for name in names]
    scales.append(_scale(values.tolist(), log=False))
    panels = style.panels(
        1, axes, "table", size=size or (max(1.25 * len(scales) + 0.8, 3.4), 3.2), head=title
    )
    panel = panels.axes[0]
    if panels.ours:
        style.dress(panel, "")
    _lines(panel, scales, values, _best(values, metric, mode))
    _axes(panel, scales, [*names, metric])
    return panels.figure


def _columns(rows: Iterable[Mapping[str, Any]] | Table) -> dict[str, list[Any]]:
    if isinstance(rows, Table):
        return {name: cells.tolist() for name, cells in rows.columns.items()}
    rows = list(rows)
    if not rows:
        raise ValueError("there are no rows to draw")
    every = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in every}


def _missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _number(cell: Any) -> float:
    real = isinstance(cell, numbers.Real) and not isinstance(cell, (bool, np.bool_))
    return float(cell) if real else math.nan


def _scale(cells: Sequence[Any], log: bool = True) -> _Scale:
    given = [cell for cell in cells if not _missing(cell)]
    values = np.array([_number(cell) for cell in cells])
    known = values[np.isfinite(values)]
    if len(known) < len(given) or not len(known):
        return _of_names(cells)
    low, high = float(known.min()), float(known.max())
    distinct = np.unique(known)
    log = log and low > 0 and high / low >= _WIDE

    def place(value: Any) -> Any:
        if low == high:
            return value * 0 + 0.5
        if log:
            return np.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    with np.errstate(invalid="ignore", divide="ignore"):
        places = np.where(np.isfinite(values), place(values), np.nan)
    if len(distinct) <= 6:
        marks = distinct
    else:
        from matplotlib.ticker import LogLocator, MaxNLocator

        locator = LogLocator(numticks=6) if log else MaxNLocator(5)
        marks = np.array([mark for mark in locator.tick_values(low, high) if low <= mark <= high])
    ticks: list[tuple[float, str]] = []
    for mark in marks:
        at = float(place(mark))
        if not ticks or at - ticks[-1][0] >= 0.045:
            ticks.append((at, style.number(float(f"{mark:.4g}"))))
    return _Scale(places, ticks)


def _of_names(cells: Sequence[Any]) -> _Scale:
    texts = [None if _missing(cell) else str(cell) for cell in cells]
    names = sorted({text for text in texts if text is not None})
    apart = max(len(names) - 1, 1)
    place = {name: at / apart if len(names) > 1 else 0.5 for at, name in enumerate(names)}
    ticks = [(place[name], style.clean(name, 16)) for name in names]
    if len(names) > _MOST_NAMES:
        ticks = []
    return _Scale(np.array([math.nan if text is None else place[text] for text in texts]), ticks)


def _best(values: Doubles, metric: str, mode: Mode) -> int | None:
    if mode == "auto":
        # The tables of sessions name what they tell of a metric behind a dot.
        end = metric.rpartition(".")[2]
        if end in ("min", "max"):
            mode = "min" if end == "min" else "max"
        else:
            try:
                mode = mode_of(metric)
            except ValueError:
                return None
    return int(np.nanargmin(values) if mode == "min" else np.nanargmax(values))


def _lines(panel: Axes, scales: list[_Scale], values: Doubles, best: int | None) -> None:
    import matplotlib

    heights = np.array([scale.places for scale in scales])
    x = np.arange(len(scales))
    colors = matplotlib.colormaps[style.SEQUENTIAL]
    for at, value in enumerate(values):
        known = np.isfinite(value)
        shade = scales[-1].places[at]
        panel.plot(
            x,
            heights[:, at],
            color=colors(0.05 + 0.85 * shade) if known else style.PALE,
            linewidth=2.6 if at == best else 1.0,
            alpha=1.0 if at == best else 0.75,
            marker="o",
            markersize=4.5 if at == best else 2.2,
            zorder=3 if at == best else 2 if known else 1.5,
            clip_on=False,
        )


def _axes(panel: Axes, scales: list[_Scale], names: Sequence[str]) -> None:
    from matplotlib.patheffects import AbstractPathEffect, withStroke

    halo: list[AbstractPathEffect] = [withStroke(linewidth=3, foreground="white")]
    for at, scale in enumerate(scales):
        panel.plot([at, at], [0, 1], color=style.GREY, linewidth=0.8, zorder=1, clip_on=False)
        for place, name in scale.ticks:
            last = at == len(scales) - 1
            text = panel.annotate(
                name,
                (at, place),
                xytext=(4 if last else -4, 0),
                textcoords="offset points",
                ha="left" if last else "right",
                va="center",
                fontsize=style.SMALL,
                color=style.INK,
                zorder=4,
            )
            text.set_path_effects(halo)
            style.plain(text)
    panel.set_xlim(-0.15, len(scales) - 0.85)
    panel.set_ylim(-0.04, 1.04)
    panel.set_yticks([])
    panel.set_xticks(range(len(scales)), [style.clean(name, 20) for name in names])
    panel.tick_params(axis="x", length=0, labelsize=style.NORMAL)
    for label in panel.get_xticklabels():
        style.plain(label)
    for spine in panel.spines.values():
        spine.set_visible(False)
