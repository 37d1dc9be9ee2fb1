"""Notebook: what Jupyter shows of logs, runs, series and tables: small tables, and curves.

Whatever comes from a log is text here, never markup.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tbio.names import cell, printable

_WIDTH, _HEIGHT = 120, 24  # of a sparkline, in pixels
_LEFT = ' style="text-align:left"'


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def markup(value: object) -> Html:
    """A value as markup: text escaped, numbers in short, None as "-".

    >>> markup("<b>"), markup(0.123456789), markup(None)
    ('&lt;b&gt;', '0.123457', '-')
    """
    return value if isinstance(value, Html) else Html(html.escape(cell(value)))


def title(name: str, *facts: str) -> Html:
    """A line with a name, and what is to be known of it."""
    told = f" <span>{html.escape(printable(', '.join(facts)))}</span>" if facts else ""
    return Html(f"<div><b>{markup(name)}</b>{told}</div>")


def table(head: Sequence[str], rows: Iterable[Sequence[object]], more: str = "") -> Html:
    """A table; ``more`` says below it what was left out.

    >>> table(["tag", "points"], [["a<b", 3]]).count("&lt;")
    1
    """
    line = "".join(f"<th{_LEFT}>{markup(name)}</th>" for name in head)
    body = "".join(
        f"<tr>{''.join(f'<td{_LEFT}>{markup(value)}</td>' for value in row)}</tr>" for row in rows
    )
    rest = f"<div>{html.escape(printable(more))}</div>" if more else ""
    return Html(f"<table><thead><tr>{line}</tr></thead><tbody>{body}</tbody></table>{rest}")


def sparkline(values: npt.NDArray[Any]) -> Html:
    """A curve as a small picture (SVG): for each column of pixels, its least and largest value.

    Values that are not finite are gaps. Nothing is drawn of what has no order.

    >>> sparkline(np.array([0.0, 1.0, np.nan, 0.5])).count("<polyline")
    2
    """
    if values.dtype.kind == "c":
        return Html("")
    try:
        numbers = np.array(values.tolist() if values.dtype == object else values, np.float64)
    except (TypeError, ValueError, OverflowError):
        return Html("")
    finite = np.isfinite(numbers)
    if not finite.any():
        return Html("")
    half = numbers / 2  # so that no difference is infinite
    low, high = float(half[finite].min()), float(half[finite].max())
    places = (half - low) / (high - low) if high > low else np.where(finite, 0.5, np.nan)
    begins = np.arange(min(_WIDTH, len(numbers))) * len(numbers) // min(_WIDTH, len(numbers))
    least = np.minimum.reduceat(np.where(finite, places, np.inf), begins)
    most = np.maximum.reduceat(np.where(finite, places, -np.inf), begins)
    step = (_WIDTH - 2) / max(len(begins) - 1, 1)
    lines: list[list[str]] = [[]]
    for at, (bottom, top) in enumerate(zip(least.tolist(), most.tolist(), strict=True)):
        if bottom > top:  # no finite value
            lines.append([])
            continue
        ends = (bottom,) if bottom == top else (bottom, top) if at % 2 else (top, bottom)
        lines[-1] += [
            f"{1 + at * step:.1f},{_HEIGHT - 2 - end * (_HEIGHT - 4):.1f}" for end in ends
        ]
    drawn = "".join(
        f'<polyline points="{" ".join(line if len(line) > 1 else 2 * line)}"/>'
        for line in lines
        if line
    )
    return Html(
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" fill="none" stroke="currentColor" '
        f'stroke-linecap="round" stroke-linejoin="round">{drawn}</svg>'
    )
