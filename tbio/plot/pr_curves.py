"""PR curves: a panel for each tag, the last curve of each run, or several steps of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tbio.kinds.pr_curve import PrCurve
from tbio.logdir import LogDir
from tbio.plot import style
from tbio.plot.series_panels import chosen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tbio.plot.end_labels import End

Doubles = npt.NDArray[np.float64]


def pr_curves(
    logs: LogDir,
    *,
    most: int | None = None,
    title: str | None = None,
    columns: int | None = None,
    size: tuple[float, float] = (3.4, 2.7),
    axes: style.AxesLike | None = None,
) -> Figure:
    """Draw precision over recall: a panel for each tag.

    The names of the lines have the average precision (AP) behind them. Thresholds at the end that
    no prediction reaches are left out, as TensorBoard does it
    (tensorboard/plugins/pr_curve/pr_curves_plugin.py, ``_make_pr_entry``).

    Args:
        logs: what to draw; the selection of `tbio.open` is the selection here.
        most: how many steps of each run at most, evenly chosen. By default the last one
            where there are several runs, else five.
        title: over the whole figure.
        columns: how many panels stand side by side.
        size: width and height of a panel, inches.
        axes: draw into these: one for each tag, in the order of the names.

    Raises:
        ValueError: no curves; too many panels; no step.
        DecodeError: a curve that is none.

    >>> import tempfile, tbio, tbio.plot
    >>> folder = tempfile.mkdtemp()
    >>> with tbio.SummaryWriter(folder) as writer:
    ...     writer.add_pr_curve("cats", [0, 1, 1, 0], [0.2, 0.9, 0.6, 0.7], 1)
    >>> tbio.plot.pr_curves(tbio.open(folder)).axes[0].get_ylabel()
    'precision'
    """
    from tbio.plot.end_labels import End, EndLabels

    if most is not None and most < 1:
        raise ValueError(f"most: want at least one step, got {most}")
    tags: dict[str, list[str]] = {}
    for name, run in logs.items():
        for tag, series in run.pr_curves.items():
            if len(series):
                tags.setdefault(tag, []).append(name)
    runs = sorted({run for several in tags.values() for run in several})
    short = dict(zip(runs, style.short_names(runs, 24), strict=True))
    count = most or (5 if len(runs) == 1 else 1)
    panels = style.panels(len(tags), axes, "PR curve", size=size, columns=columns, head=title)
    for panel, tag in zip(panels.axes, sorted(tags), strict=True):
        if panels.ours:
            style.dress(panel, "both")
        style.title(panel, tag)
        found: list[tuple[float, End]] = []
        for its in tags[tag]:
            series = logs[its].pr_curves[tag]
            part = series[chosen(len(series), count)]
            for at, (step, curve) in enumerate(zip(part.steps, part, strict=True)):
                # Runs by their looks; steps of one run from light to dark.
                look = style.look(runs.index(its) if len(runs) > 1 else at)
                words = [short[its]] if len(runs) > 1 else []
                words += [f"step {step}"] if count > 1 else []
                line = _draw(panel, curve, look)
                if line is not None:
                    text = f"{', '.join(words)} (AP {curve.average_precision:.3f})".strip()
                    found.append((curve.average_precision, End(*line, text, look.color)))
        panel.set_xlim(-0.02, 1.02)
        panel.set_ylim(-0.02, 1.04)
        panel.set_xlabel("recall")
        panel.set_ylabel("precision")
        EndLabels(panel, _by_precision(found), style.SMALL)
    return panels.figure


def _by_precision(found: list[tuple[float, End]]) -> list[End]:
    """The labels with the best curve above, since they all end at about the same place."""
    ends = [end for _, end in sorted(found, key=lambda item: item[0])]
    if any(end.x < 0.9 for end in ends):
        return ends
    middle = float(np.mean([end.y for end in ends])) if ends else 0.0
    return [end._replace(y=middle + 1e-6 * at) for at, end in enumerate(ends)]


def _draw(panel: Axes, curve: PrCurve, look: style.Look) -> tuple[float, float] | None:
    """Draw a curve; where its end at the greatest recall is."""
    reached = np.flatnonzero(curve.true_positives + curve.false_positives > 0)
    known = np.isfinite(curve.recall) & np.isfinite(curve.precision)
    known[reached[-1] + 1 if len(reached) else 0 :] = False
    recall, precision = curve.recall[known], curve.precision[known]
    if not len(recall):
        return None
    panel.plot(
        recall,
        precision,
        color=look.color,
        linestyle=look.dashes,
        linewidth=1.4,
        marker=look.marker,
        markevery=max(len(recall) // 6, 1),
        markersize=3.6,
        markeredgecolor="white",
        markeredgewidth=0.4,
        zorder=2,
    )
    at = int(recall.argmax())
    return float(recall[at]), float(precision[at])
