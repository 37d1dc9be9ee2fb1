"""Terminal charts: curves as text, a line of eight heights, or in the dots of braille."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_HEIGHTS = "▁▂▃▄▅▆▇█"
_NOTHING = " "
#: The dots of a braille character, by row and column (Unicode 15, Braille Patterns).
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_BRAILLE = 0x2800
_LEAST_WIDTH, _LEAST_HEIGHT = 10, 2


def sparkline(values: npt.NDArray[Any], width: int = 24) -> str:
    """The values as a line of at most ``width`` characters, each the mean of its part.

    A part without any finite value is a blank.

    >>> sparkline(np.array([0.0, 1, 2, 3, 4, 5, 6, 7]))
    '▁▂▃▄▅▆▇█'
    """
    numbers = np.asarray(values, np.float64)
    if not len(numbers):
        return ""
    width = min(width, len(numbers))
    finite = np.isfinite(numbers)
    scale = float(np.abs(numbers[finite]).max(initial=0.0)) or 1.0
    numbers = np.where(finite, numbers / scale, 0.0)  # so that no sum is infinite
    begins = np.arange(width) * len(numbers) // width
    counts = np.add.reduceat(finite, begins, dtype=np.int64)
    means = np.add.reduceat(numbers, begins) / np.maximum(counts, 1)
    there = counts > 0
    if not there.any():
        return _NOTHING * width
    low, high = float(means[there].min()), float(means[there].max())
    span = high - low
    places = (means - low) / span * (len(_HEIGHTS) - 1) if span > 0 else np.full(width, 3.0)
    return "".join(
        _HEIGHTS[round(float(place))] if is_there else _NOTHING
        for place, is_there in zip(places, there.tolist(), strict=True)
    )


class Curve(NamedTuple):
    """A curve of a `chart`.

    Attributes:
        x, y: [n] numbers; points that are not finite are left out.
    """

    name: str
    x: npt.NDArray[Any]
    y: npt.NDArray[Any]


class Chart(NamedTuple):
    """A chart as lines of text.

    Attributes:
        rows: the lines, each a list of (text, number of the curve whose colour it has, or None).
    """

    rows: list[list[tuple[str, int | None]]]

    def __str__(self) -> str:
        return "\n".join("".join(text for text, _ in row).rstrip() for row in self.rows)


def chart(curves: Sequence[Curve], width: int = 72, height: int = 12) -> Chart:
    """Curves over a common range, drawn in braille: 2 by 4 dots a character; with an axis.

    Where curves meet, the one that comes later is on top.

    Args:
        width: characters, those of the axis included.
        height: lines, without those of the axis.

    >>> print(chart([Curve("loss", np.arange(5), np.array([4.0, 2, 1, 0.5, 0.25]))], 24, 3))
            4 ┤⠑⢄
              │  ⠑⠤⣀
         0.25 ┤     ⠉⠒⠤⠤⢄⣀⣀
              └────────────
               0          4
    """
    points = [_finite(curve) for curve in curves]
    xs, ys = (np.concatenate([pair[at] for pair in points] or [np.empty(0)]) for at in (0, 1))
    if not len(xs):
        return Chart([[("no finite values", None)]])
    x_range, y_range = _range(xs), _range(ys)
    labels = [_number(y_range[1]), _number(y_range[0])]
    margin = max(max(map(len, labels)) + 1, 9 if width >= 24 else 0)
    columns = max(width - margin - 3, _LEAST_WIDTH)
    lines = max(height, _LEAST_HEIGHT)
    cells = np.zeros((lines, columns), np.int64)
    owners = np.full((lines, columns), -1, np.int64)
    for number, (x, y) in enumerate(points):
        across, down = _dots(x, y, x_range, y_range, 2 * columns, 4 * lines)
        np.bitwise_or.at(cells, (down // 4, across // 2), _DOTS[down % 4, across % 2])
        owners[down // 4, across // 2] = number
    rows: list[list[tuple[str, int | None]]] = []
    for line in range(lines):
        label = labels[0] if line == 0 else labels[1] if line == lines - 1 else ""
        row: list[tuple[str, int | None]] = [(f"{label:>{margin}} {'┤' if label else '│'}", None)]
        for cell, owner in zip(cells[line].tolist(), owners[line].tolist(), strict=True):
            text = chr(_BRAILLE + cell) if cell else _NOTHING
            row.append((text, owner if cell else None))
        rows.append(row)
    first, last = _number(x_range[0]), _number(x_range[1])
    rows.append([(f"{'':{margin}} └{'─' * columns}", None)])
    rows.append([(f"{'':{margin}}  {first}{last:>{max(columns - len(first), 1)}}", None)])
    return Chart(rows)


def _finite(curve: Curve) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = np.asarray(curve.x, np.float64), np.asarray(curve.y, np.float64)
    kept = np.isfinite(x) & np.isfinite(y)
    return x[kept], y[kept]


def _range(numbers: npt.NDArray[np.float64]) -> tuple[float, float]:
    return float(numbers.min()), float(numbers.max())


def _number(number: float) -> str:
    text = f"{number:.4g}"
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else text


def _dots(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    columns: int,
    lines: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The dots of a curve whose points are joined by lines: which column, and which line."""

    def places(numbers: npt.NDArray[np.float64], span: tuple[float, float], count: int) -> Any:
        # Halves, since the difference of two numbers may be infinite.
        width = span[1] / 2 - span[0] / 2
        if not width > 0:
            return np.full(len(numbers), (count - 1) / 2)
        return (numbers / 2 - span[0] / 2) / width * (count - 1)

    across, down = places(x, x_range, columns), (lines - 1) - places(y, y_range, lines)
    if len(x) > 1:
        # As many dots between two points as the longer way has.
        ways = np.maximum(np.abs(np.diff(across)), np.abs(np.diff(down)))
        counts = np.maximum(np.ceil(ways), 1).astype(np.int64)
        begins = np.repeat(np.arange(len(ways)), counts)
        part = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        part = part / counts[begins]
        across = np.append(across[begins] + np.diff(across)[begins] * part, across[-1])
        down = np.append(down[begins] + np.diff(down)[begins] * part, down[-1])
    return _whole(across, columns), _whole(down, lines)


def _whole(places: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    whole: npt.NDArray[np.int64] = np.clip(np.rint(places), 0, count - 1).astype(np.int64)
    return whole
