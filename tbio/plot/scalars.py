"""Scalars: a panel for each tag, a line for each run, or a mean with a band for each group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tbio.aggregates import Align, Centre
from tbio.groups import Grouping, grouped
from tbio.logdir import LogDir
from tbio.plot import style
from tbio.plot.bands import Spread, band
from tbio.plot.horizontal import Horizontal, X
from tbio.plot.style import GREY, Look
from tbio.plot.thinned import thinned
from tbio.series import ScalarSeries
from tbio.smoothing import smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Doubles = npt.NDArray[np.float64]

#: Where the names of the lines stand: at their ends, in a box, nowhere.
Labels: TypeAlias = Literal["ends", "legend", "none"]

#: A line has about so many marks.
_MARKS = 7
#: A panel, in inches; a label of a line; and how high panels grow for the sake of their labels.
_WIDTH, _HEIGHT, _BARE, _LABEL, _HIGHEST = 3.4, 2.3, 0.6, 0.125, 7.0
#: How wide a sign of a label is about, in inches.
_SIGN = 0.06
#: So many pauses of a run are shown.
_MOST_SEAMS = 20


class _Line(NamedTuple):
    """One line of a panel, in the units of the axes.

    Attributes:
        x, y: what is drawn in front.
        behind: x and y of curves that stand pale behind.
        band: x, and the lower and the upper edge of what is filled; or nothing.
    """

    name: str
    look: Look
    x: Doubles
    y: Doubles
    behind: tuple[tuple[Doubles, Doubles], ...] = ()
    band: tuple[Doubles, Doubles, Doubles] | None = None


def scalars(
    logs: LogDir,
    *,
    x: X = "step",
    smooth: float = 0.0,
    group: Grouping | None = None,
    spread: Spread = "std",
    centre: Centre | None = None,
    align: Align = "interpolate",
    width: float | None = None,
    members: bool = False,
    pause: float | None = None,
    log_x: bool = False,
    log_y: bool = False,
    x_range: tuple[float | None, float | None] | None = None,
    y_range: tuple[float | None, float | None] | None = None,
    labels: Labels = "ends",
    title: str | None = None,
    columns: int | None = None,
    size: tuple[float, float] | None = None,
    axes: style.AxesLike | None = None,
) -> Figure:
    """Draw scalars: a panel for each tag, a line for each run.

    A line of very many points is thinned for drawing, with every extreme kept. Values that are not
    finite have marks: NaN a cross where the line was last, infinities a triangle at the edge.

    Args:
        logs: what to draw; the selection of `tbio.open` is the selection here.
        x: "step"; "relative", the time since the run's first point, with the pauses of resumed
            runs closed up; "wall", dates in UTC, with the pauses of all runs closed up;
            "relative-step", steps since the first of the series.
        smooth: TensorBoard's smoothing, from 0 to 1 (`ScalarSeries.smooth`); the raw curve stands
            pale behind.
        group: a line for each group of runs, such as seeds, instead: "folder", a regex, a list of
            globs, ...; see `tbio.groups.Grouping`. Runs are smoothed before they come together.
        spread: the band around the line of a group: "std" and "stderr" of a sample, "minmax",
            "iqr", "bootstrap" (95 % of the means of 1000 draws) or "none".
        centre: the line of a group: "mean", "median" or "iqm" (`tbio.aggregates`); by default the
            median for "iqr".
        align: groups whose runs have different steps: "interpolate" between neighbours, "exact"
            for the runs that have each step, or the mean of each "bin".
        width: of the bins, or between the places of "interpolate"; in the units of the axis.
        members: also the runs of each group, thin.
        pause: gaps longer than this, in seconds, are pauses, infinity for none; by default more
            than 10 minutes and 20 times the usual gap.
        log_x, log_y: logarithmic axes.
        x_range, y_range: from and to, either of them perhaps None, in the units of the axis; dates
            have no range.
        labels: the names at the "ends" of the lines, in a "legend", or "none".
        title: over the whole figure.
        columns: how many panels stand side by side.
        size: width and height of a panel, inches.
        axes: draw into these: one for each tag, in the order of the names.

    Raises:
        TypeError: values that are no real numbers; a ``group`` of another form.
        ValueError: no scalars; too many panels; an argument out of its range.

    >>> import tbio, tbio.plot
    >>> figure = tbio.plot.scalars(tbio.open("tests/golden/digits"), smooth=0.6)
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['accuracy', 'loss']
    """
    _check(x=(x, X), spread=(spread, Spread), labels=(labels, Labels), align=(align, Align))
    if centre is not None:
        _check(centre=(centre, Centre))
    if not 0 <= smooth <= 1:
        raise ValueError(f"smooth: want a number from 0 to 1, got {smooth!r}")
    tags = _by_tag(logs)
    runs = [run for run in logs if any(run in series for series in tags.values())]
    groups = {run: [run] for run in runs} if group is None else grouped(runs, group)
    kept = {run for members_of in groups.values() for run in members_of}
    tags = {
        tag: {run: one for run, one in series.items() if run in kept}
        for tag, series in tags.items()
        if kept & series.keys()
    }
    along = Horizontal(x, [one for series in tags.values() for one in series.values()], pause)
    names = style.short_names(list(groups))
    if size is None:
        room = _BARE + _LABEL * len(groups) if labels == "ends" else 0.0
        width_of_names = _SIGN * max(map(len, names), default=0) if room else 0.0
        size = (_WIDTH + max(width_of_names - 0.5, 0.0), min(max(_HEIGHT, room), _HIGHEST))
    panels = style.panels(len(tags), axes, "tag", size=size, columns=columns, head=title)
    for panel, (tag, series) in zip(panels.axes, tags.items(), strict=True):
        lines = []
        for at, (name, its_runs) in enumerate(zip(names, groups.values(), strict=True)):
            several = [series[run] for run in its_runs if run in series]
            if not several:
                continue
            if group is None:
                line = _of_run(several[0], along, smooth)
            else:
                middle = centre or ("median" if spread == "iqr" else "mean")
                line = _of_group(several, along, smooth, members, spread, middle, align, width)
            lines.append(line._replace(name=name, look=style.look(at)))
        if panels.ours:
            style.dress(panel)
        style.title(panel, tag)
        panel.set_xlabel(along.label)
        if log_x:
            _logarithmic(panel, along, lines)
        if log_y:
            panel.set_yscale("log")
        if panels.ours:
            if log_y:
                style.logarithmic(panel.yaxis)
            else:
                style.linear(panel.yaxis)
            if log_x:
                style.logarithmic(panel.xaxis)
            else:
                style.linear(panel.xaxis, integer="step" in x)
        for line in lines:
            _draw(panel, line, marked=len(groups) > 1, log_x=log_x)
        panel.margins(x=0.02)
        places = {place for line in lines for place in (line.x[:1].tolist() + line.x[-1:].tolist())}
        if len(places) == 1 and not log_x:  # such as the step of a final test
            panel.set_xlim(min(places) - 1, min(places) + 1)
        if x_range is not None:
            panel.set_xlim(*x_range)
        if y_range is not None:
            panel.set_ylim(*y_range)
        for run in series:
            for seam in along.seams(run)[:_MOST_SEAMS]:
                panel.axvline(seam, color=GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0.5)
        along.finish(panel)
        _mark_infinite(panel, lines)
        if len(groups) > 1 or group is not None:
            _name(panel, lines, labels)
    return panels.figure


def _check(**arguments: tuple[str, Any]) -> None:
    for name, (value, form) in arguments.items():
        if value not in get_args(form):
            raise ValueError(f"{name}: want one of {', '.join(get_args(form))}, got {value!r}")


def _by_tag(logs: LogDir) -> dict[str, dict[str, ScalarSeries]]:
    """Tag -> run -> series, for all that have points."""
    found: dict[str, dict[str, ScalarSeries]] = {}
    for name, run in logs.items():
        for tag, series in run.scalars.items():
            if len(series):
                found.setdefault(tag, {})[name] = series
    return dict(sorted(found.items()))


def _of_run(series: ScalarSeries, along: Horizontal, smooth: float) -> _Line:
    x, y = along.of(series), smoothed(series.values, smooth)
    behind = ((x, smoothed(series.values, 0)),) if smooth else ()
    return _Line("", style.look(0), x, y, behind)


def _of_group(
    several: list[ScalarSeries],
    along: Horizontal,
    smooth: float,
    members: bool,
    spread: Spread,
    centre: Centre,
    align: Align,
    width: float | None,
) -> _Line:
    lines = [(along.of(series), smoothed(series.values, smooth)) for series in several]
    found = band(lines, spread, centre, align, width)
    edges = None if spread == "none" else (found.x, found.low, found.high)
    return _Line("", style.look(0), found.x, found.centre, tuple(lines) if members else (), edges)


def _logarithmic(panel: Axes, along: Horizontal, lines: list[_Line]) -> None:
    """Of steps, which often begin at 0, the part below 1 is linear."""
    steps = along.kind in ("step", "relative-step")
    if steps and any(len(line.x) and line.x.min() <= 0 for line in lines):
        panel.set_xscale("symlog", linthresh=1)
    else:
        panel.set_xscale("log")


def _draw(panel: Axes, line: _Line, marked: bool, log_x: bool) -> None:
    color, marker, dashes = line.look
    if line.band is not None:
        panel.fill_between(*line.band, color=color, alpha=0.2, linewidth=0, zorder=1.5)
    for x, y in line.behind:
        at = thinned(x, y, log_x=log_x)
        panel.plot(x[at], y[at], color=color, alpha=0.3, linewidth=0.6, zorder=1.6)
    at = thinned(line.x, line.y, log_x=log_x)
    x, y = line.x[at], line.y[at]
    few = len(x) <= 2 * _MARKS
    every = 1 if few else max(len(x) // _MARKS, 1)
    # Lines that run together have their marks side by side.
    first = 0 if few else (style.MARKERS.index(marker) * every // len(style.MARKERS))
    panel.plot(
        x,
        y,
        color=color,
        linewidth=1.3,
        linestyle=dashes,
        marker=marker if marked or len(x) == 1 else None,
        markevery=(first, every),
        markersize=3.6,
        markeredgecolor="white",
        markeredgewidth=0.4,
        zorder=2,
    )
    missing = np.flatnonzero(np.isnan(line.y) & np.isfinite(line.x))
    known = np.flatnonzero(np.isfinite(line.y))
    if len(missing) and len(known):
        missing = missing[thinned(line.x[missing], np.zeros(len(missing)), columns=100)]
        before = np.maximum(np.searchsorted(known, missing) - 1, 0)
        panel.plot(
            line.x[missing],
            line.y[known[before]],
            linestyle="none",
            marker="x",
            color=color,
            markersize=4.5,
            markeredgewidth=1.1,
            zorder=2.5,
        )


def _mark_infinite(panel: Axes, lines: list[_Line]) -> None:
    """Triangles at the upper or lower edge, and a word on what the marks mean."""
    edge = panel.get_xaxis_transform()
    words = []
    if any(np.isnan(line.y).any() for line in lines):
        words.append("\u00d7 NaN")
    for sign, marker, place, word in (
        (np.inf, "^", 0.98, "\u25b2 inf"),
        (-np.inf, "v", 0.02, "\u25bc \u2212inf"),
    ):
        for line in lines:
            x = line.x[line.y == sign]
            if len(x):
                x = x[thinned(x, np.zeros(len(x)), columns=100)]
                panel.plot(
                    x,
                    np.full(len(x), place),
                    linestyle="none",
                    marker=marker,
                    color=line.look.color,
                    markersize=4,
                    transform=edge,
                    zorder=2.5,
                )
        if any((line.y == sign).any() for line in lines):
            words.append(word)
    if words:
        panel.text(
            1.0,
            1.01,
            "   ".join(words),
            transform=panel.transAxes,
            fontsize=style.SMALL - 1,
            color=GREY,
            ha="right",
            va="bottom",
        )


def _name(panel: Axes, lines: list[_Line], labels: Labels) -> None:
    from tbio.plot.end_labels import End, EndLabels

    if labels == "ends":
        ends = []
        left, right = sorted(panel.get_xlim())
        for line in lines:
            seen = (left <= line.x) & (line.x <= right)
            known = np.flatnonzero(seen & np.isfinite(line.y))
            if len(known):
                at = known[line.x[known].argmax()]
                ends.append(End(line.x[at], line.y[at], line.name, line.look.color))
        EndLabels(panel, ends, style.SMALL)
    elif labels == "legend":
        from matplotlib.lines import Line2D

        handles = [
            Line2D([], [], color=color, marker=marker, linestyle=dashes, markersize=3.6)
            for color, marker, dashes in (line.look for line in lines)
        ]
        legend = panel.legend(
            handles, [line.name for line in lines], fontsize=style.SMALL, frameon=False
        )
        for text in legend.get_texts():
            style.plain(text)
