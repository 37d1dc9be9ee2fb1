"""Write logs anew: rename, drop, thin, move, merge or split what is in them.

The result is a whole log folder in OUT (new or empty), or with --in-place takes the place of what
was there: the original of each event file that changes is kept beside it as
events.out.edited-<n>.*, which is not read as a log. Records of which nothing changes are the same
bytes; the files of the projector and of other plugins go along.

--runs, --tags, --kinds and --steps say what is kept, and --drop-... what of that is dropped after
all. Then series are thinned, and then renamed and moved. A name of --rename-tag and --rename-run is
one whole name, or with --regex a regular expression, whose groups NEW may use (\\1); a run's name
also stands for the runs below it. Runs that get one name become one.

Damaged bytes stay behind and are listed. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something
was damaged, or left as it is.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter

import tbio
from tbio.cli import findings, source
from tbio.cli.render import count_of, printable
from tbio.edits import EditReport, FileEdit, Progress
from tbio.plugins import KINDS
from tbio.selection import Pattern

HELP = "rename, drop, thin, move, merge or split what is in logs"
EXAMPLES = """\
examples:
  tbio edit logs/ new/ --rename-tag loss train/loss --drop-tags 'debug/*'
  tbio edit logs/ new/ --regex --rename-tag '^train_(.*)' 'train/\\1'
  tbio edit logs/ small/ --lttb 1000 --last 5
  tbio edit lightning_logs/ new/ --regex --rename-run 'version_.*' run --merge --restarts rustboard
  tbio edit logs/ new/ --shift-steps 10000 --shift-times -3600
  tbio edit logs/ --in-place --drop-kinds images
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("out", metavar="OUT", nargs="?", help="a new or empty folder to write to")
    where.add_argument(
        "--in-place", action="store_true", help="replace event files, and keep the originals"
    )
    drop = parser.add_argument_group("what is dropped")
    for what in ("runs", "tags"):
        drop.add_argument(
            f"--drop-{what}",
            metavar="GLOB",
            action="append",
            help=f"{what} whose name this glob matches; may be given again",
        )
    drop.add_argument(
        "--drop-kinds",
        metavar="KIND",
        action="append",
        choices=KINDS,
        default=[],
        help=f"{', '.join(KINDS)}; may be given again",
    )
    drop.add_argument(
        "--drop-steps",
        metavar="FIRST:STOP:STRIDE",
        type=source.steps_of,
        help="these steps, written as those of --steps",
    )
    rename = parser.add_argument_group("names")
    for what in ("tag", "run"):
        rename.add_argument(
            f"--rename-{what}",
            metavar=("OLD", "NEW"),
            nargs=2,
            action="append",
            default=[],
            help=f"call a {what} otherwise; may be given again",
        )
    thin = parser.add_argument_group("fewer points")
    thin.add_argument(
        "--every", metavar="N", type=int, help="the first of each series and each N-th behind it"
    )
    thin.add_argument(
        "--lttb", metavar="N", type=int, help="N of each scalar tag, which show its shape best"
    )
    thin.add_argument(
        "--last", metavar="N", type=int, help="the last N of each series that is no scalar"
    )
    move = parser.add_argument_group("steps and times")
    move.add_argument("--shift-steps", metavar="N", type=int, default=0, help="add N to each step")
    move.add_argument(
        "--scale-steps", metavar="X", type=float, default=1, help="multiply each step by X before"
    )
    move.add_argument(
        "--shift-times", metavar="SECONDS", type=float, default=0.0, help="add to each wall time"
    )
    shape = parser.add_argument_group("files")
    shape.add_argument("--merge", action="store_true", help="one event file for each run")
    shape.add_argument("--split", action="store_true", help="a log folder for each kind")
    shape.add_argument(
        "--compression",
        choices=("gzip", "zlib"),
        default="",
        help="of whole event files, which TensorBoard then does not read",
    )
    parser.add_argument("--json", action="store_true", help="every file, as JSON, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    with source.progress(None, "editing") as progress:
        report = _edit(arguments, progress)
    if arguments.json:
        print(json.dumps(_as_json(report), indent=1))
    else:
        for file in report.files:
            _print(file)
    for remark in report.remarks:
        source.say(remark)
    outcomes = Counter(file.outcome for file in report.files)
    told = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())
    source.say(f"{count_of(len(report.files), 'file')}{f': {told}' if told else ''}")
    return 0 if report.complete else 3


def _edit(arguments: argparse.Namespace, progress: Progress | None) -> EditReport:
    return tbio.edit(
        arguments.logs,
        arguments.out,
        in_place=arguments.in_place,
        runs=source.patterns(arguments, "runs"),
        tags=source.patterns(arguments, "tags"),
        kinds=arguments.kinds,
        steps=arguments.steps,
        drop_runs=source.patterns(arguments, "drop_runs"),
        drop_tags=source.patterns(arguments, "drop_tags"),
        drop_kinds=arguments.drop_kinds,
        drop_steps=arguments.drop_steps,
        rename_runs=_pairs(arguments, "rename_run"),
        rename_tags=_pairs(arguments, "rename_tag"),
        restarts=arguments.restarts,
        every=arguments.every,
        lttb=arguments.lttb,
        last=arguments.last,
        shift_steps=arguments.shift_steps,
        scale_steps=arguments.scale_steps,
        shift_times=arguments.shift_times,
        merge=arguments.merge,
        split=arguments.split,
        compression=arguments.compression,
        unverified=arguments.unverified,
        progress=progress,
    )


def _pairs(arguments: argparse.Namespace, name: str) -> list[tuple[Pattern, str]]:
    """Old and new names; the old ones are regular expressions with ``--regex``."""
    pairs: list[tuple[Pattern, str]] = []
    for old, new in getattr(arguments, name):
        try:
            pairs.append((re.compile(old) if arguments.regex else old, new))
        except re.error as error:
            option = name.replace("_", "-")
            what = f"--{option}: {old!r} is no regular expression: {error}"
            raise ValueError(what) from None
    return pairs


def _print(file: FileEdit) -> None:
    """What is worth a line: not the files that are as they were."""
    if file.outcome in ("same", "copied", "linked") and not file.findings:
        return
    kept = f"; the original is {file.backup}" if file.backup else ""
    counts = f"{count_of(file.events, 'event')}, {count_of(file.dropped, 'value')} dropped"
    done = f"left: {file.why}" if file.outcome == "left" else f"{file.outcome} ({counts}{kept})"
    print(printable(f"{file.path}  {done}"))
    for line in findings.lines(file.findings, 5):
        print(line)


def _as_json(report: EditReport) -> dict[str, object]:
    return {
        "complete": report.complete,
        "tags": report.tags,
        "runs": report.runs,
        "remarks": report.remarks,
        "files": [
            {
                "path": file.path,
                "outcome": file.outcome,
                "targets": file.targets,
                "backup": file.backup,
                "why": file.why,
                "events": file.events,
                "edited": file.edited,
                "kept": file.kept,
                "dropped": file.dropped,
                "left_out": findings.as_json(file.findings),
            }
            for file in report.files
        ],
    }
