"""List the sessions of a search: hyperparameters, status, duration and metrics, the best one first.

A session is a run that was started with hyperparameters. What torch's add_hparams writes into a run
of its own is joined to the training's. Of each metric the table has the last value, the best, the
least and the greatest, each with its step.

Without OUT, what is equal in all sessions is told once, and of the metrics there is the one to rank
by. OUT is a table (.csv, .tsv, .json, .parquet) with everything, or a figure of parallel
coordinates (.png, .svg, .pdf), and replaces a file that is there; - is the standard output, and
gets CSV.
"""

from __future__ import annotations

import argparse
from typing import get_args

from tbio.cli import source, tables
from tbio.cli.render import count_of, short
from tbio.errors import TagNotFoundError
from tbio.logdir import LogDir
from tbio.optimum import Mode
from tbio.ranking import At, hparams, hparams_of, metrics_of
from tbio.selection import matcher
from tbio.tables import Table

HELP = "hyperparameters and metrics, ranked"
EXAMPLES = """\
examples:
  tbio hparams logs/ --by val/loss
  tbio hparams logs/ --by reward --mode max --at last
  tbio hparams logs/ search.csv --by val/loss --metrics 'val/*'
  tbio hparams logs/ search.png --by val/loss
  tbio hparams logs/ --by val/loss --json | jq '.[0]'
"""

_SHOWN_METRICS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    add = parser.add_argument
    add("out", metavar="OUT", nargs="?", help="the file to write; see above")
    add("--by", metavar="METRIC", help="the metric to rank by: a tag, or path/tag of a run below")
    add(
        "--mode",
        choices=get_args(Mode),
        default="auto",
        help="whether its least or greatest value is best (default: auto, as its name says)",
    )
    add(
        "--at",
        choices=get_args(At),
        default="best",
        help="rank by its best value in each session (default), or by the last",
    )
    add(
        "--metrics",
        metavar="GLOB",
        action="append",
        help="only these metrics, and the one to rank by; may be given again",
    )
    add("--all-runs", action="store_true", help="also runs without hyperparameters")
    add("--json", action="store_true", help="the table as JSON, for programs")
    parser.set_defaults(restarts="session")


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    out = arguments.out
    wrong = tables.wrong_output(out, arguments.json, tables.FIGURES)
    if out and tables.suffix_of(out) in tables.FIGURES and arguments.by is None:
        wrong = "a figure of the sessions needs --by METRIC, which gives the colours"
    if wrong:
        source.say(wrong)
        return 2
    logs = source.load(source.open_logs(arguments, kinds="scalars"))  # hyperparameters come along
    table = hparams(
        logs,
        arguments.by,
        mode=arguments.mode,
        at=arguments.at,
        metrics=source.patterns(arguments, "metrics"),
        all_runs=arguments.all_runs,
    )
    if len(table) and arguments.metrics:
        _check_metrics(logs, table, arguments)
    if not len(table):
        raise ValueError(f"{arguments.logs}: no run has hyperparameters (--all-runs lists others)")
    if arguments.json:
        print(tables.as_json(table))
    elif out is None:
        _print(table, arguments)
    else:
        _write(table, arguments)
    return 0 if source.tell_all(logs) else 3


def _check_metrics(logs: LogDir, table: Table, arguments: argparse.Namespace) -> None:
    """Complain of --metrics that select nothing.

    Raises:
        TagNotFoundError: with the nearest names.
    """
    wanted = matcher(source.patterns(arguments, "metrics"), "metrics")
    if not any(map(wanted, metrics_of(table))):
        known = metrics_of(logs.hparams(all_runs=arguments.all_runs))
        raise TagNotFoundError(", ".join(arguments.metrics), known, "the metrics of the sessions")


def _write(table: Table, arguments: argparse.Namespace) -> None:
    out: str = arguments.out
    if tables.suffix_of(out) not in tables.FIGURES:
        tables.write(table, out)
        source.say(f"{count_of(len(table), 'session')} written to {out}")
        return
    from tbio import plot  # which loads Matplotlib

    names = [name for name in hparams_of(table) if _varies(table, name)] or hparams_of(table)
    metric = f"{arguments.by}.{arguments.at}"
    figure = plot.hparams(table, metric=metric, names=names, mode=arguments.mode)
    plot.save(figure, out)
    source.say(f"{count_of(len(table), 'session')} drawn to {out}")


def _varies(table: Table, name: str) -> bool:
    return len({str(cell) for cell in table[name].tolist()}) > 1


def _print(table: Table, arguments: argparse.Namespace) -> None:
    by = arguments.by
    names = hparams_of(table)
    varying = [name for name in names if _varies(table, name)]
    if by is None:
        metrics = [f"{metric}.last" for metric in metrics_of(table)]
        hidden = metrics[_SHOWN_METRICS:]
        metrics = metrics[:_SHOWN_METRICS]
    else:
        metrics = [f"{by}.{what}" for what in ("best", "best_step", "last")]
        hidden = [metric for metric in metrics_of(table) if metric != by]
    first = ["rank"] if "rank" in table.columns else []
    shown = [*first, "run", "status", "duration", *varying, *metrics]
    for line in tables.lines(table, shown):
        print(line)
    first_row = next(iter(table))
    equal = [f"{name}={first_row[name]}" for name in names if name not in varying]
    if equal and len(table) > 1:
        source.say(f"equal in all: {short(', '.join(equal))}")
    if hidden:
        source.say(f"{count_of(len(hidden), 'more metric')}: in OUT and --json")
