"""Write logs anew without what is damaged in them, elsewhere or in place.

Sound events are copied byte for byte, in their order. Elsewhere (OUT, a new or empty folder) files
that are no event files are copied, compressed event files come out plain under the same name, and
links that lead out of LOGS are left out. In place only damaged files are replaced; the original is
kept beside each as events.out.damaged-<n>.*, which is not read as a log. Files without a single
event, and files that are being written, are left as they are; where that cannot be told (other
systems than Linux, network disks), do not repair in place what is being written.

Records without the checksums of the format get them, by --unverified read.

What is left out is listed. Exit codes: 0 nothing was damaged, 1 failed, 2 wrong usage, 3 something
was damaged, or left.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter

import tbio
from tbio.cli import findings, source
from tbio.cli.check import count
from tbio.cli.render import count_of, printable
from tbio.repairs import FileRepair, RepairReport

HELP = "write logs anew without their damage"
EXAMPLES = """\
examples:
  tbio repair logs/ repaired/
  tbio repair logs/ repaired/ --json > left_out.json
  tbio repair logs/ --in-place
"""

#: How many places are listed for people, and for programs.
_SHOWN, _LISTED = 3, 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("logs", metavar="LOGS", help="a log folder, an event file, or a URL of one")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("out", metavar="OUT", nargs="?", help="a new or empty folder to write to")
    where.add_argument(
        "--in-place", action="store_true", help="replace damaged files, and keep the originals"
    )
    source.add_unverified(parser)
    parser.add_argument(
        "--examples",
        metavar="N",
        type=count,
        help="how many places to list of each sort of damage in a file "
        f"(default: {_SHOWN}, {_LISTED:,} with --json)",
    )
    parser.add_argument("--json", action="store_true", help="every file, as JSON, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    examples = arguments.examples
    if examples is None:
        examples = _LISTED if arguments.json else _SHOWN
    with source.progress(None, "repairing files") as progress:
        report = tbio.repair(
            arguments.logs,
            arguments.out,
            in_place=arguments.in_place,
            unverified=arguments.unverified,
            examples=examples,
            progress=progress,
        )
    if arguments.json:
        print(json.dumps(_as_json(report), indent=1))
    else:
        for file in report.files:
            _print(file, examples)
    outcomes = Counter(file.outcome for file in report.files)
    told = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())
    source.say(f"{count_of(len(report.files), 'file')}{f': {told}' if told else ''}")
    return 0 if report.complete else 3


def _print(file: FileRepair, shown: int) -> None:
    """What is worth a line: not the files with nothing to leave out."""
    if file.outcome in ("repaired", "left") or file.findings:
        kept = f"; the original is {file.backup}" if file.backup else ""
        done = (
            f"left: {file.why}"
            if file.outcome == "left"
            else f"{file.outcome} ({count_of(file.events, 'event')}{kept})"
        )
        print(printable(f"{file.path}  {done}"))
        for line in findings.lines(file.findings, shown):
            print(line)


def _as_json(report: RepairReport) -> dict[str, object]:
    return {
        "complete": report.complete,
        "files": [
            {
                "path": file.path,
                "outcome": file.outcome,
                "target": file.target,
                "backup": file.backup,
                "why": file.why,
                "events": file.events,
                "lost_bytes": file.lost_bytes,
                "left_out": findings.as_json(file.findings),
            }
            for file in report.files
        ],
    }
