"""Write what is in a log folder to a table: every scalar, or data of another kind.

The name of the file says what it becomes: .csv, .tsv, .json or .jsonl (.gz or .zst may follow),
.parquet, .arrow or .feather, .xlsx, .npz, .sqlite or .duckdb. Parquet and Arrow need pyarrow, xlsx
openpyxl, DuckDB duckdb and pyarrow, and zst zstandard where Python is older than 3.14. The last
four hold several kinds in one file, the others one.

Scalars are rows of run, tag, step, wall_time, value. --kinds asks for other tables: of hparams,
histograms, pr_curves, texts or tensors (tbio extract writes images and the like). Nothing is
sampled, and logs may be larger than memory. Numbers are printed in the shortest form that reads
back the same. In SQLite, the view points has the scalars with the names of runs and tags.

The file appears under its name when it is complete, in the place of one that was there; - and
/dev/stdout get CSV as the logs are read. A terminal is shown what could steer it as \\x1b and the
like.
"""

from __future__ import annotations

import argparse
from typing import Any

import tbio
from tbio.cli import source
from tbio.cli.render import Terminal, count_of, terminal_at
from tbio.exports import FORMATS, NothingToExportError, format_of, kinds_of

HELP = "write scalars and other data to tables: CSV, JSON, Parquet, Excel, SQLite, ..."
EXAMPLES = """\
examples:
  tbio export logs/ run.csv
  tbio export logs/ run.parquet --smooth 0.6 --relative
  tbio export logs/ run.jsonl.gz --steps 1000:
  tbio export logs/ losses.csv --tags '*loss*' --runs 'seed?' --wide
  tbio export logs/ weights.parquet --kinds histograms
  tbio export logs/ all.sqlite --kinds scalars --kinds hparams --kinds texts
  tbio export logs/ - | head
"""

#: So many values that cannot be decoded are told of one by one.
_TOLD_PROBLEMS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    parser.add_argument(
        "out",
        metavar="OUT",
        help="the file to write, whose end says the format; - is the standard output",
    )
    parser.add_argument(
        "--format", choices=tuple(FORMATS), help="what to write, whatever the file is called"
    )
    parser.add_argument(
        "--wide", action="store_true", help="one row a run and step, one column a tag"
    )
    parser.add_argument(
        "--smooth",
        metavar="WEIGHT",
        type=_weight,
        help="a column of smoothed values beside the raw ones, 0 to 1 as on the TensorBoard page",
    )
    parser.add_argument(
        "--relative",
        action="store_true",
        help="a column relative_time: seconds since the first point of the series",
    )
    parser.add_argument(
        "--keep-formulas",
        action="store_true",
        help="leave names as they are that a spreadsheet would take for a formula; "
        "without this they get an apostrophe in front",
    )


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= 1:
        raise argparse.ArgumentTypeError(f"want a number from 0 to 1, got {text!r}")
    return weight


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    try:
        chosen = format_of(arguments.out, arguments.format)
        kinds = kinds_of(arguments.kinds or "scalars", chosen)
        if arguments.wide and "scalars" not in kinds:
            raise ValueError(f"--wide: there is no wide form of {', '.join(kinds)}")
    except ValueError as error:
        source.say(str(error))
        return 2
    with terminal_at(arguments.out) as terminal:
        if terminal is not None and not chosen.is_text:
            source.say(f"{arguments.out} is a terminal, which takes nothing but text")
            return 2
        return _export(arguments, kinds, terminal)


def _export(
    arguments: argparse.Namespace, kinds: tuple[str, ...], terminal: Terminal | None
) -> int:
    destination: Any = arguments.out if terminal is None else terminal
    # The table of hyperparameters has metrics.
    needed = {*kinds, "scalars"} if "hparams" in kinds else {*kinds}
    wider = argparse.Namespace(**{**vars(arguments), "kinds": None})
    logs = source.open_logs(wider, kinds=needed)
    try:
        with source.progress(logs, "exporting") as progress:
            report = tbio.export(
                logs,
                destination,
                format=arguments.format,
                kinds=kinds,
                wide=arguments.wide,
                smooth=arguments.smooth,
                relative=arguments.relative,
                keep_formulas=arguments.keep_formulas,
                allow_empty=not arguments.tags,
                progress=progress,
            )
    except NothingToExportError:
        source.check_tags(arguments, found=False)
        raise
    complete = source.tell(report.runs, logs)
    for problem in report.problems[:_TOLD_PROBLEMS]:
        source.say(f"left out: {problem}")
    more = len(report.problems) - _TOLD_PROBLEMS
    if more > 0:
        source.say(f"left out: {count_of(more, 'more value')} that cannot be decoded")
    rows, runs = count_of(report.rows, "row"), count_of(len(report.runs), "run")
    source.say(f"{rows} of {runs} written to {arguments.out}")
    if report.guarded:
        names = count_of(report.guarded, "name")
        source.say(f"{names} got an apostrophe in front (--keep-formulas leaves them as they are)")
    if report.cut:
        texts = count_of(report.cut, "text")
        source.say(f"{texts} cut short, being longer than a cell holds: take another format")
    return 0 if complete and not report.problems else 3
