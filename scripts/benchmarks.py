"""What the benchmarks share: the machine's name, and figures as text."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path


def machine() -> str:
    """What it was measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    versions = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores of {model}, {platform.system()}, {versions}"


def digits(number: float) -> str:
    """Three digits at least, and never an exponent.

    >>> digits(0.25), digits(12.345), digits(1234.5)
    ('0.25', '12.3', '1234')
    """
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"


def duration(seconds: float) -> str:
    """With three digits.

    >>> duration(2.5e-7), duration(0.01234), duration(17.31)
    ('0.25 us', '12.3 ms', '17.3 s')
    """
    if seconds >= 1:
        return f"{digits(seconds)} s"
    return f"{digits(1e3 * seconds)} ms" if seconds >= 1e-3 else f"{digits(1e6 * seconds)} us"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> str:
    """A table in Markdown.

    Args:
        texts: how many of the first columns are text; the others but the last are numbers, and
            stand to the right.
    """
    rules = [" --- "] * texts + [" ---: "] * (len(heads) - texts - 1) + [" --- "]
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(rules)}|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])
