"""Series panels: the series of a kind that have a panel each, and which of their steps it shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tbio.logdir import LogDir
from tbio.plot.style import short_names


def series_of(logs: LogDir, kind: str) -> dict[str, Any]:
    """Title -> series with points, tag by tag, and for each tag run by run.

    A title has the tag, where there are several runs the run behind it.
    """
    found = [
        (tag, name, series)
        for name, run in logs.items()
        for tag, series in getattr(run, kind).items()
        if len(series)
    ]
    found.sort(key=lambda item: item[:2])
    runs = sorted({run for _, run, _ in found})
    short = dict(zip(runs, short_names(runs), strict=True))
    several = len(runs) > 1
    return {f"{tag} · {short[run]}" if several else tag: one for tag, run, one in found}


def chosen(number: int, most: int) -> npt.NDArray[np.int64]:
    """At most so many of ``number`` places, evenly chosen, the first and the last among them.

    >>> chosen(100, 4).tolist(), chosen(2, 4).tolist(), chosen(9, 1).tolist()
    ([0, 33, 66, 99], [0, 1], [8])
    """
    if number <= most:
        return np.arange(number)
    if most == 1:
        return np.array([number - 1])
    return np.linspace(0, number - 1, most).round().astype(np.int64)
