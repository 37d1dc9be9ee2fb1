"""Show runs at a glance: each scalar's first, last, best, least and greatest value, and its course.

A chart is drawn of the tags that --chart asks for, as --tags would, all runs in one chart, in the
width of the terminal. What is best follows from the words of a tag (loss: the least), or from
--mode.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import tbio
from tbio.cli import source
from tbio.cli.render import columns, short
from tbio.cli.tables import as_json
from tbio.logdir import LogDir
from tbio.selection import matcher
from tbio.series import ScalarSeries
from tbio.terminal_charts import Curve, chart, sparkline

HELP = "runs at a glance: last, best, sparklines, charts"
EXAMPLES = """\
examples:
  tbio show logs/
  tbio show logs/ --tags '*loss*' --chart '*'
  tbio show logs/ --chart val/loss --smooth 0.8 --log
  tbio show logs/ --json | jq '.[] | [.run, .tag, .best]'
"""
_SPARKS = 24
_HEIGHT = 12
#: ANSI colours of the curves; blue, yellow, magenta, cyan, green, red.
_COLORS = (34, 33, 35, 36, 32, 31)
_MARKS = ("first", "last", "best", "at step", "min", "max")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    parser.add_argument(
        "--mode", choices=("auto", "min", "max"), default="auto", help="what the best value is"
    )
    parser.add_argument(
        "--chart",
        metavar="GLOB",
        action="append",
        help="draw a chart of each tag that this glob matches; may be given again",
    )
    parser.add_argument(
        "--smooth",
        metavar="WEIGHT",
        type=float,
        default=0.0,
        help="smooth the curves as the TensorBoard page does it, from 0 to 1",
    )
    parser.add_argument("--log", action="store_true", help="charts by the logarithm of the values")
    parser.add_argument("--json", action="store_true", help="the table as JSON, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    if not 0 <= arguments.smooth <= 1:
        source.say(f"--smooth: want 0 to 1, got {arguments.smooth}")
        return 2
    logs = source.load(source.open_logs(arguments, kinds="scalars"))
    table = tbio.show(logs, mode=arguments.mode)
    source.check_tags(arguments, found=bool(len(table)))
    if arguments.json:
        print(as_json(table))
    else:
        charted = list(_charted(logs, arguments))
        _print(logs, list(table))
        for tag in charted:
            _draw(logs, tag, arguments)
    return 0 if source.tell_all(logs) else 3


def _print(logs: LogDir, rows: list[dict[str, Any]]) -> None:
    by_run: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_run.setdefault(row["run"], []).append(row)
    for run, own in by_run.items():
        print(short(run))
        cells: list[tuple[str, ...]] = [("  tag", "points", "steps", *_MARKS, "")]
        for row in own:
            marks = (row["first"], row["last"], row["best"], row["best_step"])
            course = sparkline(logs[run].scalars[row["tag"]].values, _SPARKS)
            cells.append(
                (
                    f"  {short(row['tag'])}",
                    f"{row['points']:,}",
                    f"{row['first_step']}..{row['last_step']}",
                    *map(_cell, (*marks, row["min"], row["max"])),
                    course + (f"  {row['not_finite']:,} not finite" if row["not_finite"] else ""),
                )
            )
        for line in columns(cells, right=frozenset(range(1, 9))):
            print(line)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _charted(logs: LogDir, arguments: argparse.Namespace) -> Iterator[str]:
    tags = sorted({tag for run in logs.values() for tag in run.scalars})
    for asked in arguments.chart or ():
        one = source.patterns(argparse.Namespace(chart=[asked], regex=arguments.regex), "chart")
        found = list(filter(matcher(one, "chart"), tags))
        if not found:
            raise tbio.TagNotFoundError(asked, tags, "the scalars")
        yield from found


def _draw(logs: LogDir, tag: str, arguments: argparse.Namespace) -> None:
    import numpy as np

    series = [run.scalars[tag] for run in logs.values() if tag in run.scalars]
    curves = []
    for one in series:
        values = np.real(one.smooth(arguments.smooth)).astype(np.float64)
        if arguments.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log10(values)
        curves.append(Curve(one.run, one.steps, values))
    size = shutil.get_terminal_size((80, 24))
    colored = source.has_colors(sys.stdout)
    print(f"\n{short(tag)}" + (" (logarithm to the base of 10)" if arguments.log else ""))
    for row in chart(curves, min(size.columns, 120), _HEIGHT).rows:
        print("".join(_painted(text, owner, colored) for text, owner in row).rstrip())
    _print_legend(series, colored)


def _painted(text: str, owner: int | None, colored: bool) -> str:
    if owner is None or not colored:
        return text
    return f"\x1b[{_COLORS[owner % len(_COLORS)]}m{text}\x1b[0m"


def _print_legend(series: list[ScalarSeries], colored: bool) -> None:
    for number, one in enumerate(series):
        print("  " + _painted("━━ ", number, colored) + short(one.run))
