"""Compare two logs: runs, tags, steps and values. Wall times may differ.

Scalars are equal within --atol + --rtol * |OTHER|; of images, texts and the like the bytes are
compared.
Where both logs have one run, these are compared whatever they are called.

Exit codes: 0 the same, 1 they differ, or it failed, 2 wrong usage, 3 the same as far as they could
be read.
"""

from __future__ import annotations

import argparse
import json

import tbio
from tbio.cli import source
from tbio.cli.render import columns, count_of, short
from tbio.comparison import Difference

HELP = "in what two logs differ"
EXAMPLES = """\
examples:
  tbio diff logs/before logs/after
  tbio diff old/ new/ --tags '*loss*' --rtol 1e-5
  tbio diff a/ b/ --json | jq '.[] | select(.what == "values")'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    parser.add_argument("other", metavar="OTHER", help="the logs to compare them with")
    for name, what in (("rtol", "relative"), ("atol", "absolute")):
        parser.add_argument(
            f"--{name}", metavar="X", type=float, default=0.0, help=f"{what} tolerance of scalars"
        )
    parser.add_argument("--json", action="store_true", help="the differences as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    if not (arguments.rtol >= 0 and arguments.atol >= 0):
        source.say("--rtol, --atol: want 0 or more")
        return 2
    a = source.load(source.open_logs(arguments))
    b = source.load(
        source.open_logs(argparse.Namespace(**vars(arguments) | {"logs": arguments.other}))
    )
    found = tbio.diff(a, b, rtol=arguments.rtol, atol=arguments.atol)
    if not found.series and not found.differences:
        source.check_tags(arguments, found=False)
    if arguments.json:
        print(json.dumps([one._asdict() for one in found.differences], indent=1))
    else:
        for line in columns([_cells(one) for one in found.differences] or [("",)]):
            if line:
                print(line)
    complete = [source.tell_all(logs) for logs in (a, b)]
    points = count_of(found.points, "point")
    compared = f"{points} of {found.series:,} common series compared"
    source.say(f"{count_of(len(found.differences), 'difference')}; {compared}")
    return 1 if found else 0 if all(complete) else 3


def _cells(one: Difference) -> tuple[str, ...]:
    return short(one.run), one.kind or "run", short(one.tag), one.words
