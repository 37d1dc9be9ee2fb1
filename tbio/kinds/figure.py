"""Matplotlib figures as images.

Drawing is Matplotlib's work, which no other thread may do meanwhile; so it is done in the caller.
What comes of it is an image like any other: `image.encode`, `image.metadata`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from tbio.extras import is_of
from tbio.kinds import pixels
from tbio.kinds.pixels import Pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def prepare(figure: Figure | list[Figure] | tuple[Figure, ...], close: bool = True) -> Pixels:
    """A figure drawn, in its own size and resolution; several as a grid of 8 columns.

    It is drawn by the Agg backend, whatever backend the figure belongs to, which it keeps. Figures
    of different sizes stand in the upper left of cells as large as the largest.

    Args:
        figure: a ``matplotlib.figure.Figure``, made by pyplot or not; or several.
        close: have pyplot forget the figures, so that it does not hold their memory.

    Returns:
        ``uint8[height, width, 3]``, contiguous and read-only; with a fourth channel, alpha, if
        anything in the figure is transparent.

    Raises:
        TypeError: not a figure.
        ValueError: an empty list.
    """
    figures = list(figure) if isinstance(figure, (list, tuple)) else [figure]
    for item in figures:
        if not _is_figure(item):
            kind = type(item)
            raise TypeError(
                f"want a matplotlib.figure.Figure, got {kind.__module__}.{kind.__qualname__}"
            )
    picture = pixels.grid(map(_drawn, figures))
    forget = getattr(sys.modules.get("matplotlib.pyplot"), "close", None)
    if close and forget is not None:  # without pyplot, nobody holds it but the user
        for item in figures:
            forget(item)
    return picture


def _is_figure(value: object) -> bool:
    return is_of(value, "matplotlib.figure", "Figure")


def _drawn(figure: Figure) -> Pixels:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas_before = figure.canvas
    try:
        canvas: Any = FigureCanvasAgg(figure)  # which makes itself the figure's canvas
        canvas.draw()
        rgba = np.asarray(canvas.buffer_rgba(), np.uint8)
    finally:
        figure.set_canvas(canvas_before)  # that of the window in which the figure may be shown
    return rgba[:, :, :3] if (rgba[:, :, 3] == 255).all() else rgba
