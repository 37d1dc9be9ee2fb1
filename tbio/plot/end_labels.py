"""End labels: the name of each line beside its end, where no two overlap.

Where a line ends on the page is known only when it is drawn: limits, scales and sizes may still
change. So the labels find their places then, each time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox, IdentityTransform

from tbio.plot.style import GREY, plain

#: Points between the axes and the labels, where leaders go from lines that end elsewhere.
_GAP = 7.0
#: How much of their size the lines of text take.
_LEADING = 1.15


class End(NamedTuple):
    """Where a line ends, in data coordinates, and what is said there."""

    x: float
    y: float
    text: str
    color: str


class EndLabels(Artist):
    """Names at the right edge of the axes, as near to the lines' ends as they may be.

    Where there are more than fit one above the other, some are left out, and their number is told.
    """

    def __init__(self, axes: Axes, ends: list[End], size: float) -> None:
        super().__init__()
        self.ends = ends
        self.size = size
        self.set_clip_on(False)
        self.set_zorder(3)
        self._texts = [plain(Text(0, 0, end.text, color=end.color)) for end in ends]
        self._texts.append(Text(0, 0, "", color=GREY))
        self._leaders = [Line2D([], [], color=end.color, linewidth=0.5) for end in ends]
        axes.add_artist(self)
        for child in (*self._texts, *self._leaders):
            child.set_figure(axes.get_figure())
            child.set_transform(IdentityTransform())
            child.set_clip_on(False)
        for text in self._texts:
            text.set_fontsize(size)
            text.set_verticalalignment("center_baseline")

    def get_window_extent(self, renderer: Any = None) -> Bbox:
        """The box around all labels, in pixels."""
        self._place(renderer)
        boxes = [text.get_window_extent(renderer) for text in self._texts if text.get_visible()]
        return Bbox.union(boxes) if boxes else Bbox.null()

    def get_tightbbox(self, renderer: Any = None) -> Bbox | None:
        """The same, for who lays the figure out."""
        box = self.get_window_extent(renderer)
        return box if np.isfinite(box.get_points()).all() else None

    def draw(self, renderer: Any) -> None:
        """Find the places and draw the labels."""
        if self.get_visible():
            self._place(renderer)
            for child in (*self._leaders, *self._texts):
                if child.get_visible():
                    child.draw(renderer)
        self.stale = False

    def _place(self, renderer: Any) -> None:
        axes = self.axes
        if axes is None:
            return
        box = axes.get_window_extent()
        pixels = axes.figure.dpi / 72
        height = self.size * _LEADING * pixels
        wanted = axes.transData.transform([(end.x, end.y) for end in self.ends])
        shown = np.isfinite(wanted).all(axis=1)
        order = np.flatnonzero(shown)[np.argsort(wanted[shown, 1], kind="stable")]
        room = max(int(box.height // height) + 1, 1)
        rest = self._texts[-1]
        left_out = len(order) - room
        if left_out > 0:
            left_out += 1  # their number takes a line itself, below the others
            order = order[np.linspace(0, len(order) - 1, room - 1).round().astype(int)]
        for child in (*self._texts, *self._leaders):
            child.set_visible(False)
        floor = box.y0 + (height if left_out > 0 else 0)
        heights = spread(np.clip(wanted[order, 1], box.y0, box.y1), height, floor, box.y1)
        x = box.x1 + _GAP * pixels
        for at, y in zip(order, heights, strict=True):
            text, leader = self._texts[at], self._leaders[at]
            text.set_position((x, y))
            text.set_visible(True)
            end_x, end_y = wanted[at]
            if box.y0 - 1 <= end_y <= box.y1 + 1 and (abs(y - end_y) > 1 or x - end_x > 1.5 * _GAP):
                begin = min(end_x, box.x1) + 1.5 * pixels
                elbow = max(begin, box.x1)
                leader.set_data([begin, elbow, x - pixels], [end_y, end_y, y])
                far = elbow - begin > 3 * _GAP * pixels  # it should not be taken for the line
                leader.set_linestyle((0, (1, 2.5)) if far else "-")
                leader.set_alpha(0.6)
                leader.set_visible(True)
        if left_out > 0:
            rest.set_text(f"+ {left_out} more")
            rest.set_position((x, box.y0))
            rest.set_visible(True)


def spread(
    wanted: npt.NDArray[np.float64], height: float, low: float, high: float
) -> npt.NDArray[np.float64]:
    """Places as near as may be to those wanted, ``height`` apart and from ``low`` to ``high``.

    Those that come too close make a block around the middle of where they want to be. Where all of
    them have no room, they go beyond ``high``.

    Args:
        wanted: [n], ascending.

    >>> spread(np.array([1.0, 1.0, 9.0]), 2.0, 0.0, 10.0)
    array([0., 2., 9.])
    >>> spread(np.array([9.0, 9.5]), 2.0, 0.0, 10.0)
    array([ 8., 10.])
    """
    # Of each block: the sum of where its labels want the lowest of them to be, and their number.
    blocks: list[tuple[float, int]] = []
    for place in wanted.tolist():
        total, count = place, 1
        while blocks:
            before, number = blocks[-1]
            top = _lowest(before, number, height, low, high) + number * height
            if _lowest(total, count, height, low, high) >= top:
                break
            blocks.pop()
            total, count = before + total - count * number * height, count + number
        blocks.append((total, count))
    found: list[float] = []
    for total, count in blocks:
        lowest = _lowest(total, count, height, low, high)
        found += [lowest + height * at for at in range(count)]
    return np.array(found)


def _lowest(total: float, count: int, height: float, low: float, high: float) -> float:
    return max(min(total / count, high - (count - 1) * height), low)
