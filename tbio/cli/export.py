"""Write every scalar of a log folder as CSV: run, tag, step, wall_time, value.

Nothing is sampled. Numbers are printed in the shortest form that reads back the same. The file
appears under its name when it is complete; - and /dev/stdout are written to as the logs are read.
"""

from __future__ import annotations

import argparse

import tbio
from tbio.cli import source
from tbio.cli.render import count_of
from tbio.exports import is_csv

HELP = "write every scalar as CSV"
EXAMPLES = """\
examples:
  tbio export logs/ run.csv
  tbio export logs/ losses.csv --tags '*loss*' --runs 'seed?' --wide
  tbio export logs/ - | head
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    parser.add_argument(
        "out", metavar="OUT.csv", type=_csv, help="the file to write; - is the standard output"
    )
    parser.add_argument(
        "--wide", action="store_true", help="one row a run and step, one column a tag"
    )
    parser.add_argument(
        "--keep-formulas",
        action="store_true",
        help="leave names as they are that a spreadsheet would take for a formula; "
        "without this they get an apostrophe in front",
    )


def _csv(path: str) -> str:
    if not is_csv(path):
        raise argparse.ArgumentTypeError(f"want a file name that ends in .csv, got {path!r}")
    return path


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    logs = source.open_logs(arguments, kinds="scalars")
    if arguments.tags:
        source.check_tags(arguments, any(len(run.scalars) for run in logs.values()))
    with source.progress(logs, "exporting") as progress:
        report = tbio.export(
            logs,
            arguments.out,
            wide=arguments.wide,
            keep_formulas=arguments.keep_formulas,
            progress=progress,
        )
    complete = source.tell(logs)
    rows, runs = count_of(report.rows, "row"), count_of(len(logs), "run")
    source.say(f"{rows} of {runs} written to {arguments.out}")
    if report.guarded:
        names = count_of(report.guarded, "name")
        source.say(f"{names} got an apostrophe in front (--keep-formulas leaves them as they are)")
    return 0 if complete else 3
