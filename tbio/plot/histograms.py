"""Histograms over time: ridges, a heat map, or bands, a panel for each tag of each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tbio.kinds.histogram_bands import NORMAL_BASIS_POINTS
from tbio.kinds.histogram_stored import Histogram
from tbio.logdir import LogDir
from tbio.plot import style
from tbio.plot.series_panels import chosen, series_of
from tbio.series import ValueSeries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Doubles = npt.NDArray[np.float64]

#: One density behind the other; step by value; the percentiles that TensorBoard shows.
Form: TypeAlias = Literal["ridges", "heatmap", "bands"]

#: How many steps are drawn, evenly chosen, where the caller does not say.
_STEPS = {"ridges": 24, "heatmap": 200, "bands": 200}
#: How much of the values the value axis holds: an outlier of a million must not flatten the rest.
_SHOWN = (0.1, 99.9)


def histograms(
    logs: LogDir,
    *,
    form: Form = "ridges",
    most: int | None = None,
    bins: int = 80,
    title: str | None = None,
    columns: int | None = None,
    size: tuple[float, float] = (3.4, 2.7),
    axes: style.AxesLike | None = None,
) -> Figure:
    """Draw how distributions change over the steps: a panel for each tag of each run.

    The values of a bucket are taken to be spread evenly over it (`Histogram.cdf`).

    Args:
        logs: what to draw; the selection of `tbio.open` is the selection here.
        form: "ridges": the densities of the steps one behind the other, the latest in front and
            darkest; "heatmap": steps across, values up, the share of the values as colour;
            "bands": the percentiles of TensorBoard's distributions (`Histogram.compressed`).
        most: how many steps are drawn at most, evenly chosen; only these are decoded. By default
            24 for ridges, else 200.
        bins: how many equal bins the axis of values is cut into.
        title: over the whole figure.
        columns: how many panels stand side by side.
        size: width and height of a panel, inches.
        axes: draw into these: one for each tag of each run, in the order of the names.

    Raises:
        ValueError: no histograms; too many panels; an argument out of its range.
        DecodeError: a histogram that is none.

    >>> import tempfile, tbio, tbio.plot
    >>> folder = tempfile.mkdtemp()
    >>> with tbio.SummaryWriter(folder) as writer:
    ...     for step in range(3):
    ...         writer.add_histogram("weights", [step, step + 1.0, step + 1.5], step)
    >>> len(tbio.plot.histograms(tbio.open(folder)).axes)
    1
    """
    if form not in get_args(Form):
        raise ValueError(f"form: want one of {', '.join(get_args(Form))}, got {form!r}")
    if bins < 1 or (most is not None and most < 1):
        raise ValueError(f"want at least one step and bin, got most={most}, bins={bins}")
    found = series_of(logs, "histograms")
    panels = style.panels(len(found), axes, "histogram", size=size, columns=columns, head=title)
    for panel, (name, series) in zip(panels.axes, found.items(), strict=True):
        if panels.ours:
            style.dress(panel, {"ridges": "x", "heatmap": "", "bands": "y"}[form])
            style.linear(panel.xaxis)
            style.linear(panel.yaxis)
        style.title(panel, name)
        _panel(panel, series, form, most or _STEPS[form], bins)
    return panels.figure


def _panel(panel: Axes, series: ValueSeries[Histogram], form: Form, count: int, bins: int) -> None:
    part = series[chosen(len(series), count)]
    held = [at for at, one in enumerate(part) if not np.isnan(one.percentile(50))]
    if not held:
        panel.text(0.5, 0.5, "no values", ha="center", transform=panel.transAxes, color=style.GREY)
        return
    part = part[held]
    kept, at_steps = list(part), part.steps
    if form == "bands":
        _bands(panel, kept, at_steps)
        return
    low, high = _range(kept)
    edges = np.linspace(low, high, bins + 1)
    shares = np.array([np.diff(one.cdf(edges)) for one in kept])
    if form == "ridges":
        _ridges(panel, edges, shares, at_steps)
    else:
        _heatmap(panel, edges, shares, at_steps)


def _range(histograms: Sequence[Histogram]) -> tuple[float, float]:
    ends = np.array([one.percentile(_SHOWN) for one in histograms])
    ends = np.clip(ends, -1e300, 1e300)
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    margin = (high - low) * 0.04 or abs(low) * 0.05 or 0.5
    return low - margin, high + margin


def _ridges(panel: Axes, edges: Doubles, shares: Doubles, steps: npt.NDArray[np.int64]) -> None:
    import matplotlib

    middles = (edges[:-1] + edges[1:]) / 2
    smooth = _softened(shares)
    highest = float(smooth.max()) or 1.0
    number = len(steps)
    # By place and not by step: steps may be anything, and ridges must not hide each other.
    apart = 1.0
    tall = min(max(number / 5, 1.2), 4.0) * apart
    colors = matplotlib.colormaps[style.SEQUENTIAL](np.linspace(0.85, 0.12, number))
    for at in range(number):
        base = (number - 1 - at) * apart  # the latest in front, below
        top = base + smooth[at] / highest * tall
        panel.fill_between(
            middles, base, top, color=colors[at], alpha=0.85, linewidth=0, zorder=2 + at / number
        )
        panel.plot(middles, top, color="white", linewidth=0.6, zorder=2 + (at + 0.5) / number)
    shown = chosen(number, 6)
    places = [(number - 1 - at) * apart for at in shown]
    panel.set_yticks(places, [style.number(int(steps[at])) for at in shown])
    panel.set_ylim(-0.3, number - 1 + tall * 1.08)
    panel.set_xlim(edges[0], edges[-1])
    panel.set_xlabel("value")
    panel.set_ylabel("step")


def _softened(shares: Doubles) -> Doubles:
    """Shares with the corners taken off, without a change of their sum."""
    kernel = np.array([1.0, 2, 3, 2, 1])
    kernel /= kernel.sum()
    padded = np.pad(shares, ((0, 0), (2, 2)), mode="edge")
    return np.array([np.convolve(row, kernel, mode="valid") for row in padded])


def _heatmap(panel: Axes, edges: Doubles, shares: Doubles, steps: npt.NDArray[np.int64]) -> None:
    order = np.argsort(steps, kind="stable")
    places, last = np.unique(steps[order][::-1], return_index=True)
    shares = shares[order][::-1][last]
    mesh = panel.pcolormesh(
        _borders(places.astype(np.float64)),
        edges,
        np.sqrt(shares.T),  # so that thin tails are seen beside high peaks
        cmap=style.SEQUENTIAL,
        vmin=0,
        rasterized=True,
    )
    panel.set_xlabel("step")
    panel.set_ylabel("value")
    _color_bar(panel, mesh, float(shares.max()))


def _color_bar(panel: Axes, mesh: Any, highest: float) -> None:
    figure: Any = panel.get_figure()
    bar = figure.colorbar(mesh, ax=panel, pad=0.02, aspect=30)
    ticks = np.array([0, 0.1, 0.4, 1.0]) * highest
    bar.set_ticks(np.sqrt(ticks), labels=[f"{100 * tick:.2g} %" for tick in ticks])
    bar.ax.tick_params(labelsize=style.SMALL - 1, width=0.5, length=2)
    bar.outline.set_visible(False)
    bar.set_label("share of the values in a bin", fontsize=style.SMALL)


def _borders(places: Doubles) -> Doubles:
    """Where the cells around the places end: midway between them."""
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    middles = (places[:-1] + places[1:]) / 2
    first, last = 2 * places[0] - middles[0], 2 * places[-1] - middles[-1]
    return np.concatenate([[first], middles, [last]])


def _bands(panel: Axes, histograms: Sequence[Histogram], steps: npt.NDArray[np.int64]) -> None:
    order = np.argsort(steps, kind="stable")
    steps = steps[order]
    levels = np.array([[value for _, value in one.compressed()] for one in histograms])[order].T
    for at in range(len(NORMAL_BASIS_POINTS) // 2):
        panel.fill_between(
            steps, levels[at], levels[-1 - at], color=style.COLORS[0], alpha=0.2, linewidth=0
        )
    panel.plot(steps, levels[len(levels) // 2], color=style.COLORS[0], linewidth=1.2)
    panel.margins(x=0.02)
    panel.set_xlabel("step")
    panel.set_ylabel("value")
