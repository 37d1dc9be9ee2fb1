"""Embeddings: the Projector's points in the plane, labelled and coloured from their metadata."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from tbio.errors import NotFoundError
from tbio.logdir import LogDir
from tbio.plot import style
from tbio.plot.projections import Method, projected
from tbio.projector import Embedding, asked_for
from tbio.selection import Selection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Doubles = npt.NDArray[np.float64]

#: More classes than this have no colours of their own.
_MOST_CLASSES = 12
#: So few points have a label each.
_MOST_LABELLED = 40


def embeddings(
    logs: LogDir,
    *,
    names: Selection = None,
    method: Method = "pca",
    color: str | None = None,
    label: str | None = None,
    most: int = 5000,
    seed: int = 0,
    title: str | None = None,
    columns: int | None = None,
    size: tuple[float, float] = (4.2, 3.8),
    axes: style.AxesLike | None = None,
) -> Figure:
    """Draw the embeddings of the Projector in the plane: a panel for each.

    A column of the metadata gives the colours: classes their own each, with the class beside its
    points, numbers a scale. At most 40 points have a label each.

    Args:
        logs: where the embeddings are (`LogDir.embeddings`).
        names: which of them, by the whole name or by the tag: "words" takes "words:00007"; a glob,
            a compiled regex, a list of those, or a callable.
        method: "pca"; "tsne", which needs scikit-learn, or "umap", which needs umap-learn.
        color: a column of the metadata; by default the first one that has few values.
        label: the column of the labels; by default the first one.
        most: of more points, so many are drawn, chosen at random; the projection is of these.
        seed: of what is chosen at random.
        title: over the whole figure.
        columns: how many panels stand side by side.
        size: width and height of a panel, inches.
        axes: draw into these: one for each embedding, in the order of runs and names.

    Raises:
        ValueError: no embeddings; too many panels; another method.
        NotFoundError: none of these names; no such column in the metadata.
        MissingExtraError: scikit-learn or umap-learn is not installed.
        DecodeError: points or metadata that cannot be read.

    >>> import tempfile, numpy, tbio, tbio.plot
    >>> folder = tempfile.mkdtemp()
    >>> with tbio.SummaryWriter(folder) as writer:
    ...     writer.add_embedding(numpy.eye(4), list("abcd"))
    >>> tbio.plot.embeddings(tbio.open(folder)).axes[0].get_xlabel()
    'PC 1 (33 %)'
    """
    if method not in get_args(Method):
        raise ValueError(f"method: want one of {', '.join(get_args(Method))}, got {method!r}")
    if most < 1:
        raise ValueError(f"most: want at least one point, got {most}")
    every = {
        (run, name): one
        for run, several in logs.embeddings().items()
        for name, one in several.items()
    }
    wanted = asked_for(names)
    found = {at: one for at, one in every.items() if wanted(at[1])}
    if every and not found:
        asked = ", ".join(map(str, names)) if isinstance(names, list) else names
        raise NotFoundError(asked, {name for _, name in every}, "the embeddings")
    # Keras also names those that are in checkpoints: where there are others, these are drawn.
    found = {name: one for name, one in found.items() if one.config.tensor_path} or found
    panels = style.panels(len(found), axes, "embedding", size=size, columns=columns, head=title)
    for panel, ((run, name), one) in zip(panels.axes, found.items(), strict=True):
        if panels.ours:
            style.dress(panel, "")
        style.title(panel, name if run == "." else f"{name} · {run}")
        _panel(panel, one, method, color, label, most, seed)
    return panels.figure


def _panel(
    panel: Axes,
    one: Embedding,
    method: Method,
    color: str | None,
    label: str | None,
    most: int,
    seed: int,
) -> None:
    kept = np.flatnonzero(np.isfinite(one.tensor).all(axis=1))
    total = len(kept)
    if total > most:
        kept = np.sort(np.random.default_rng(seed).choice(kept, most, replace=False))
    panel.set_xticks([])
    panel.set_yticks([])
    if not len(kept):
        panel.text(0.5, 0.5, "no points", ha="center", transform=panel.transAxes, color=style.GREY)
        return
    flat, names = projected(one.tensor[kept].astype(np.float64), method, seed)
    panel.set_xlabel(names[0])
    panel.set_ylabel(names[1])
    colors, labels = _columns(one, color, label)
    cells = None if colors is None else [colors[at] if at < len(colors) else "" for at in kept]
    area = float(np.clip(6000 / len(kept), 7, 30))  # smaller ones vanish in a small picture
    if cells is None:
        panel.scatter(
            flat[:, 0], flat[:, 1], s=area, color=style.COLORS[0], alpha=0.75, linewidths=0
        )
    elif (numbers := _numbers(cells)) is not None and len(set(cells)) > _MOST_CLASSES:
        _scale(panel, flat, numbers, area)
    else:
        _classes(panel, flat, cells, area)
    panel.margins(0.06)
    if labels and len(kept) <= _MOST_LABELLED:
        _label(panel, flat, [labels[at] if at < len(labels) else "" for at in kept])
    if total > most:
        panel.text(
            1.0,
            1.01,
            f"{most:,} of {total:,} points",
            transform=panel.transAxes,
            ha="right",
            va="bottom",
            fontsize=style.SMALL - 1,
            color=style.GREY,
        )


def _label(panel: Axes, flat: Doubles, labels: list[str]) -> None:
    """Put labels beside the points, where they do not cover each other; else leave them out."""
    pixels = panel.figure.dpi / 72
    height, sign = style.SMALL * 1.2 * pixels, style.SMALL * 0.62 * pixels
    panel.get_xlim()  # has the limits follow the points
    points = panel.transData.transform(flat)
    taken = [(x - 3 * pixels, y - 3 * pixels, x + 3 * pixels, y + 3 * pixels) for x, y in points]
    for at, label in enumerate(style.clean(label, 24) for label in labels):
        x, y = points[at]
        for right, up in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            begin = x + right * 3.5 * pixels - (right < 0) * sign * len(label)
            middle = y + up * 4.5 * pixels
            box = (begin, middle - height / 2, begin + sign * len(label), middle + height / 2)
            if label and not any(_overlap(box, other) for other in taken if other != taken[at]):
                taken.append(box)
                text = panel.annotate(
                    label,
                    (flat[at, 0], flat[at, 1]),
                    xytext=(right * 3.5, up * 4.5),
                    textcoords="offset points",
                    ha="left" if right > 0 else "right",
                    va="center",
                    fontsize=style.SMALL,
                    color=style.INK,
                )
                style.plain(text)
                break


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _columns(
    one: Embedding, color: str | None, label: str | None
) -> tuple[list[str] | None, list[str]]:
    """The cells that give the colours, if any, and those that give the labels."""
    metadata = one.metadata
    for column in (color, label):
        if column is not None and column not in metadata:
            raise NotFoundError(column, metadata, f"the metadata of embedding {one.name!r}")
    labels = metadata[label] if label is not None else one.labels
    if color is not None:
        return metadata[color], labels
    for cells in metadata.values():
        if 1 < len(set(cells)) <= min(_MOST_CLASSES, len(cells) // 2):
            return cells, [] if label is None and cells is one.labels else labels
    return None, labels


def _numbers(cells: list[str]) -> Doubles | None:
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError:
        return None


def _scale(panel: Axes, flat: Doubles, numbers: Doubles, area: float) -> None:
    dots = panel.scatter(
        flat[:, 0], flat[:, 1], s=area, c=numbers, cmap=style.SEQUENTIAL, alpha=0.85, linewidths=0
    )
    figure: Any = panel.get_figure()
    bar = figure.colorbar(dots, ax=panel, pad=0.02, aspect=30)
    bar.ax.tick_params(labelsize=style.SMALL, width=0.5, length=2)
    bar.outline.set_visible(False)


def _classes(panel: Axes, flat: Doubles, cells: list[str], area: float) -> None:
    """The classes by colour and mark, each named where its points are; the rest is grey."""
    from matplotlib.patheffects import withStroke

    common = [name for name, _ in Counter(cells).most_common()]
    if len(common) > _MOST_CLASSES:
        common = common[: _MOST_CLASSES - 1]
    known = set(common)
    of_class = np.array(cells, object)
    rest = np.array([cell not in known for cell in cells])
    if rest.any():
        panel.scatter(
            flat[rest, 0], flat[rest, 1], s=area, color=style.PALE, linewidths=0, zorder=1.5
        )
    for at, name in enumerate(sorted(common, key=_natural)):
        look, mine = style.look(at), of_class == name
        panel.scatter(
            flat[mine, 0],
            flat[mine, 1],
            s=area,
            color=look.color,
            marker=look.marker,
            alpha=0.8,
            linewidths=0,
            zorder=2,
        )
        x, y = np.median(flat[mine], axis=0)
        text = panel.text(
            x,
            y,
            style.clean(name, 24),
            fontsize=style.NORMAL,
            color=style.INK,
            weight="bold",
            ha="center",
            va="center",
            zorder=4,
        )
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        style.plain(text)


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers by their size, before names."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
