"""Images over steps as a contact sheet: a row for each tag of each run, a column for each step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tbio.kinds.image import Image
from tbio.logdir import LogDir
from tbio.plot import style
from tbio.plot.series_panels import chosen, series_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Images larger than this, in pixels, are drawn smaller: a sheet shows them small anyway.
_LARGEST = 512
#: Between images, and how wide one is at most, of the height of a row.
_GAP, _WIDEST = 0.06, 3.0


def images(
    logs: LogDir,
    *,
    most: int = 6,
    samples: int = 1,
    title: str | None = None,
    height: float = 1.1,
    axes: style.AxesLike | None = None,
) -> Figure:
    """Draw images over the steps: a row for each tag of each run, with the steps below.

    Args:
        logs: what to draw; the selection of `tbio.open` is the selection here.
        most: how many steps at most, evenly chosen; only these are decoded.
        samples: how many samples of each step at most, one below the other.
        title: over the whole figure.
        height: of an image, inches.
        axes: draw into these: one for each tag of each run, in the order of the names.

    Raises:
        ValueError: no images; too many rows; no step, no sample.
        DecodeError: an image that is none.

    >>> import tempfile, numpy, tbio, tbio.plot
    >>> folder = tempfile.mkdtemp()
    >>> with tbio.SummaryWriter(folder) as writer:
    ...     writer.add_image("noise", numpy.zeros((3, 8, 8)), 5)
    >>> (panel,) = tbio.plot.images(tbio.open(folder)).axes
    >>> [label.get_text() for label in panel.get_xticklabels()]
    ['5']
    """
    if most < 1 or samples < 1:
        raise ValueError(f"want at least one step and sample, got {most} and {samples}")
    found = series_of(logs, "images")
    rows = []
    for name, series in found.items():
        at = chosen(len(series), most)
        cells = [[_pixels(one) for one in series.samples(int(i))[:samples]] for i in at]
        rows.append((name, [int(step) for step in series.steps[at]], cells))
        if len(rows) > style.MOST_PANELS:
            break  # which is told below
    widest = max((_width(cells) for _, _, cells in rows), default=1.0)
    deep = max((len(cell) for _, _, cells in rows for cell in cells), default=1)
    panels = style.panels(
        len(found),
        axes,
        "image",
        size=(max(height * widest + 0.3, 2.0), height * deep * (1 + _GAP) + 0.6),
        columns=1,
        head=title,
    )
    for panel, (name, at_steps, cells) in zip(panels.axes, rows, strict=True):
        style.title(panel, name)
        _sheet(panel, at_steps, cells)
        if panels.ours:
            style.dress(panel, "")
            panel.set_xlim(-_GAP, widest)
        for spine in panel.spines.values():
            spine.set_visible(False)
        panel.tick_params(length=0)
    panels.axes[-1].set_xlabel("step")
    return panels.figure


def _pixels(image: Image) -> style.Pixels:
    pixels = image.to_array()
    stride = max(1, math.ceil(max(pixels.shape[:2]) / _LARGEST))
    if stride > 1:  # each the mean of a square
        rows, columns = (size // stride for size in pixels.shape[:2])
        part = pixels[: rows * stride, : columns * stride].astype(np.float32)
        part = part.reshape(rows, stride, columns, stride, -1).mean(axis=(1, 3))
        pixels = part.round().astype(np.uint8)
    return pixels


def _shape(pixels: style.Pixels) -> tuple[float, float]:
    """Width and height on the sheet: of 1, or less for what is very wide."""
    height, width = pixels.shape[:2]
    aspect = width / max(height, 1)
    return (aspect, 1.0) if aspect <= _WIDEST else (_WIDEST, _WIDEST / aspect)


def _cell_width(cell: list[style.Pixels]) -> float:
    return max((_shape(pixels)[0] for pixels in cell), default=0.0)


def _width(cells: list[list[style.Pixels]]) -> float:
    """The width of a row of images of height 1."""
    return sum(_cell_width(cell) + _GAP for cell in cells)


def _sheet(panel: Axes, steps: list[int], cells: list[list[style.Pixels]]) -> None:
    left, middles = 0.0, []
    deep = max(map(len, cells), default=1)
    for cell in cells:
        width = _cell_width(cell)
        for at, pixels in enumerate(cell):
            across, high = _shape(pixels)
            top = -at * (1 + _GAP) - (1 - high) / 2
            grey = pixels.shape[2] == 1
            if pixels.shape[2] == 2:  # grey and alpha
                pixels = pixels[:, :, [0, 0, 0, 1]]
            panel.imshow(
                pixels[:, :, 0] if grey else pixels,
                extent=(left, left + across, top - high, top),
                cmap="gray" if grey else None,
                vmin=0 if grey else None,
                vmax=255 if grey else None,
                interpolation="nearest" if max(pixels.shape[:2]) <= 128 else "antialiased",
            )
        middles.append(left + width / 2)
        left += width + _GAP
    panel.set_aspect("equal", anchor="W")
    panel.set_xlim(-_GAP, left)
    panel.set_ylim(-deep * (1 + _GAP), _GAP)
    panel.set_yticks([])
    panel.set_xticks(middles, [style.number(step) for step in steps])
