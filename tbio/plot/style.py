"""Style: colours, marks, text and panels that the figures have in common.

Settings are given to each artist, and not to Matplotlib's ``rcParams``, which belong to the user.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Pixels = npt.NDArray[np.uint8]

#: One axes, or several.
AxesLike: TypeAlias = "Axes | Iterable[Axes]"

#: Colours that the colour-blind can tell apart: of Okabe and Ito (2008), "Color Universal Design",
#: without black and the yellow that is too pale for a line, in an order in which neighbours also
#: differ in grey.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B4A8A")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.2, 1.2, 1.2)))

#: Of lightness that changes one way, and safe for the colour-blind.
SEQUENTIAL = "viridis"
INK, GREY, PALE = "#222222", "#6b6b6b", "#d9d9d9"
#: Points.
SMALL, NORMAL, LARGE = 7.0, 8.0, 9.0
#: How wide a sign of a title is about, in inches.
_SIGN = 0.078

#: More panels than this are a mistake, and take minutes to draw.
MOST_PANELS = 64


class Look(NamedTuple):
    """What a line looks like: one of 28 combinations."""

    color: str
    marker: str
    dashes: Any


def look(index: int) -> Look:
    """The look of the line of a number.

    >>> look(0).color, look(7).color == look(0).color, look(7).dashes == look(0).dashes
    ('#0072B2', True, False)
    """
    color, turn = index % len(COLORS), index // len(COLORS)
    return Look(COLORS[color], MARKERS[(color + turn) % len(MARKERS)], DASHES[turn % len(DASHES)])


def clean(text: str, most: int = 60) -> str:
    r"""A name out of a log as it may stand in a figure: without control signs, of bounded length.

    >>> clean("loss\n\x1b[2J"), clean("abcdefghij", 7)
    ('loss  [2J', 'abc…hij')
    """
    text = "".join(sign if sign.isprintable() else " " for sign in text[: 4 * most])
    if len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[: most - 1 - half]}…{text[-half:]}"


def short_names(names: Sequence[str], most: int = 32) -> list[str]:
    """Run names without the folders that all of them share in front and at the end.

    >>> short_names(["exp/a/train", "exp/b/train"]), short_names(["exp/a"])
    (['a', 'b'], ['exp/a'])
    """
    parts = [name.split("/") for name in names]
    front = back = 0
    if len(set(names)) > 1:
        least = min(map(len, parts))
        while front < least - 1 and len({piece[front] for piece in parts}) == 1:
            front += 1
        while back < least - 1 - front and len({piece[-1 - back] for piece in parts}) == 1:
            back += 1
    return [clean("/".join(piece[front : len(piece) - back]), most) for piece in parts]


def plain(text: Any) -> Any:
    """A Matplotlib text whose dollars are dollars."""
    text.set_parse_math(False)
    return text


def title(axes: Axes, text: str) -> None:
    """Put a name over a panel, as much of it as there is room for."""
    inches = axes.get_window_extent().width / axes.figure.dpi
    most = max(int(inches / _SIGN), 12)
    plain(axes.set_title(clean(text, most), loc="left", fontsize=LARGE, color=INK))


def dress(axes: Axes, grid: str = "y") -> None:
    """Give a panel of ours its frame, ticks and grid; ``grid`` is "x", "y", "both" or ""."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(GREY)
        spine.set_linewidth(0.7)
    axes.tick_params(which="both", labelsize=SMALL, labelcolor=INK, color=GREY, width=0.7, length=3)
    axes.tick_params(which="minor", width=0.5, length=1.8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(NORMAL)
        axis.label.set_color(INK)
        axis.offsetText.set_fontsize(SMALL)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(True, axis=grid, color=PALE, linewidth=0.5)  # type: ignore[arg-type]


def number(value: float) -> str:
    """A number for an axis: short, with k, M and G for thousands.

    >>> number(250_000), number(1_500_000), number(0.05), number(-20), number(2e-7)
    ('250k', '1.5M', '0.05', '\u221220', '2e-07')
    """
    text = f"{value:.6g}"
    for unit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit <= abs(value) < 1e12 and abs(value) >= 1e4:
            text = f"{value / unit:.6g}{sign}"
            break
    return text.replace("-", "\u2212") if text.startswith("-") else text


def linear(axis: Axis, integer: bool = False) -> None:
    """Few ticks at round numbers, which never run into each other; at whole ones if so asked."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], integer=integer))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def logarithmic(axis: Axis) -> None:
    """Ticks at the powers of ten, and numbers between them where there is room."""
    from matplotlib.ticker import FuncFormatter

    def between(value: float, _: Any) -> str:
        low, high = sorted(axis.get_view_interval())
        decades = math.log10(high / low) if low > 0 else math.inf
        digit = round(value / 10 ** math.floor(math.log10(value))) if value > 0 else 1
        named = (2, 3, 4, 6) if decades < 1 else (2, 5) if decades < 2 else ()
        return number(value) if digit in named else ""

    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(FuncFormatter(between))


def grid_of(count: int) -> tuple[int, int]:
    """Rows and columns for a number of panels: as wide as four, wider than high.

    >>> [grid_of(count) for count in (1, 2, 3, 4, 5, 12)]
    [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 4)]
    """
    columns = count if count <= 3 else 2 if count == 4 else 3 if count <= 9 else 4
    return math.ceil(count / columns), columns


class Panels(NamedTuple):
    """Axes to draw into.

    Attributes:
        figure: theirs.
        axes: one a panel.
        ours: whether we made them, and may dress them.
    """

    figure: Figure
    axes: list[Axes]
    ours: bool


def panels(
    count: int,
    axes: AxesLike | None,
    what: str,
    *,
    size: tuple[float, float] = (3.3, 2.4),
    columns: int | None = None,
    head: str | None = None,
) -> Panels:
    """Axes for ``count`` panels: those given, or a new figure of them.

    Args:
        what: what there is one panel of, for messages.
        size: width and height of a panel, inches.
        columns: how many stand side by side.
        head: what stands over the whole figure.

    Raises:
        ValueError: nothing to draw; more panels than `MOST_PANELS`; another number of axes.
    """
    if not count:
        raise ValueError(f"there is no {what} to draw in what was selected")
    if axes is not None:
        given = _given(axes)
        if len(given) != count:
            raise ValueError(f"want an axes for each {what}: {count} of them, got {len(given)}")
        around: Any = given[0].figure
        while around.figure is not around:  # a subfigure has another one around it
            around = around.figure
        return Panels(around, given, ours=False)
    if count > MOST_PANELS:
        raise ValueError(
            f"{count} panels, one a {what}, are too many for a figure (at most {MOST_PANELS}): "
            "select fewer"
        )
    rows, across = grid_of(count)
    if columns is not None:
        across = max(1, min(columns, count))
        rows = math.ceil(count / across)
    figure = new_figure(across * size[0], rows * size[1], head)
    every = list(figure.subplots(rows, across, squeeze=False).flat)
    for empty in every[count:]:
        empty.remove()
    return Panels(figure, every[:count], ours=True)


def new_figure(width: float, height: float, head: str | None = None) -> Figure:
    """A white figure without pyplot, in inches, which lays itself out when it is drawn."""
    from matplotlib.figure import Figure

    more = 0.35 if head else 0.0
    figure = Figure(figsize=(width, height + more), dpi=150, layout="constrained")
    figure.set_facecolor("white")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.06, h_pad=0.06, wspace=0.03, hspace=0.04)
    if head:
        plain(figure.suptitle(clean(head, 120), fontsize=LARGE + 1, color=INK, weight="bold"))
    return figure


def _given(axes: AxesLike) -> list[Axes]:
    if isinstance(axes, np.ndarray):
        return list(axes.flat)
    if isinstance(axes, Iterable):
        return list(axes)
    return [axes]
