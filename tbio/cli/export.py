"""Write every scalar of a log folder to a table: run, tag, step, wall_time, value.

The name of the file says what it is: .csv, .parquet, .arrow or .feather (these three need pyarrow).
Nothing is sampled, and logs may be larger than memory. Numbers are printed in the shortest form
that reads back the same. The file appears under its name when it is complete; - and /dev/stdout get
CSV as the logs are read.
"""

from __future__ import annotations

import argparse

import tbio
from tbio.cli import source
from tbio.cli.render import count_of
from tbio.exports import FORMATS, NothingToExportError, format_of

HELP = "write every scalar to a table: CSV, Parquet, Arrow"
EXAMPLES = """\
examples:
  tbio export logs/ run.csv
  tbio export logs/ run.parquet
  tbio export logs/ losses.csv --tags '*loss*' --runs 'seed?' --wide
  tbio export logs/ - | head
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    parser.add_argument(
        "out",
        metavar="OUT",
        help="the file to write, which ends in .csv, .parquet, .arrow or .feather; "
        "- is the standard output",
    )
    parser.add_argument(
        "--format", choices=tuple(FORMATS), help="what to write, whatever the file is called"
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


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    try:
        format_of(arguments.out, arguments.format)
    except ValueError as error:
        source.say(str(error))
        return 2
    logs = source.open_logs(arguments, kinds="scalars")
    try:
        with source.progress(logs, "exporting") as progress:
            report = tbio.export(
                logs,
                arguments.out,
                format=arguments.format,
                wide=arguments.wide,
                keep_formulas=arguments.keep_formulas,
                allow_empty=not arguments.tags,
                progress=progress,
            )
    except NothingToExportError:
        source.check_tags(arguments, found=False)
        raise
    complete = source.tell(report.runs)
    rows, runs = count_of(report.rows, "row"), count_of(len(report.runs), "run")
    source.say(f"{rows} of {runs} written to {arguments.out}")
    if report.guarded:
        names = count_of(report.guarded, "name")
        source.say(f"{names} got an apostrophe in front (--keep-formulas leaves them as they are)")
    return 0 if complete else 3
