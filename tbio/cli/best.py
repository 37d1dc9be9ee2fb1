"""Tell the best step of each run: which checkpoint to keep, and when training could have stopped.

A line a run and tag, the best run of a tag first. Tags whose name does not tell what is best (loss:
the least, accuracy: the greatest) are left out unless --mode says it. With --patience also: the
step at which early stopping would have ended the run, and the best step that it would have seen.
OUT is a table: .csv, .tsv, .json or .parquet, and replaces a file that is there; - is the standard
output, and gets CSV.
"""

from __future__ import annotations

import argparse
from typing import get_args

from tbio.checkpoints import best
from tbio.cli import source, tables
from tbio.cli.render import count_of
from tbio.optimum import Mode

HELP = "the best step of each run, and where to stop early"
EXAMPLES = """\
examples:
  tbio best logs/ --tags val/loss
  tbio best logs/ --tags val/loss --smooth 0.6 --patience 10 --min-delta 0.001
  tbio best logs/ --tags reward --mode max --json | jq '.[0].step'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    add = parser.add_argument
    add("out", metavar="OUT", nargs="?", help="the file to write; see above")
    add(
        "--mode",
        choices=get_args(Mode),
        default="auto",
        help="whether the least or the greatest value is best (default: auto, as the tag says)",
    )
    add(
        "--smooth",
        metavar="WEIGHT",
        type=_weight,
        default=0.0,
        help="look at the smoothed curve, 0 to 1 as on the TensorBoard page",
    )
    add("--patience", metavar="N", type=_patience, help="early stopping: points without progress")
    add(
        "--min-delta",
        metavar="X",
        type=_delta,
        default=0.0,
        help="early stopping: what is not better by more than this is no progress (default: 0)",
    )
    add("--json", action="store_true", help="the table as JSON, for programs")
    parser.set_defaults(restarts="session")


def _weight(text: str) -> float:
    return _number(text, most=1.0)


def _delta(text: str) -> float:
    return _number(text, most=float("inf"))


def _number(text: str, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most or number == float("inf"):
        up_to = f"to {most:g}" if most == 1 else "on"
        raise argparse.ArgumentTypeError(f"want a number from 0 {up_to}, got {text!r}")
    return number


def _patience(text: str) -> int:
    number = _number(text, most=float("inf"))
    if number != int(number):
        raise argparse.ArgumentTypeError(f"want a whole number, got {text!r}")
    return int(number)


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    wrong = tables.wrong_output(arguments.out, arguments.json)
    if wrong:
        source.say(wrong)
        return 2
    logs = source.load(source.open_logs(arguments, kinds="scalars"))
    if not any(one.scalars for one in logs.values()):
        source.check_tags(arguments, found=False)
        raise ValueError(f"{arguments.logs}: there are no scalars")
    table = best(
        logs,
        mode=arguments.mode,
        smoothing=arguments.smooth,
        patience=arguments.patience,
        min_delta=arguments.min_delta,
    )
    if arguments.json:
        print(tables.as_json(table))
    elif arguments.out is None:
        hidden = {"wall_time", "relative_time"}
        for line in tables.lines(table, [name for name in table.columns if name not in hidden]):
            print(line)
    else:
        tables.write(table, arguments.out)
        source.say(f"{count_of(len(table), 'row')} written to {arguments.out}")
    silent = {tag for one in logs.values() for tag in one.scalars} - set(table["tag"].tolist())
    if silent:
        what = count_of(len(silent), "tag")
        source.say(f"{what} left out whose name does not tell what is best (--mode)")
    return 0 if source.tell_all(logs) else 3
