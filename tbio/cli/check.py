"""Read logs to their end and tell what is damaged in them, lost, or odd.

A line for each event file, and below it what was found, with the places of the first few. Faults
are what is lost: damaged bytes, files that cannot be read. Remarks are what the log says as it is:
restarts, steps that go back, NaN, a record that is cut off at the end because the log is live or
its writer died. Offsets and sizes count decompressed bytes. The other commands that read logs go by
the same rule in their exit codes, as far as they read them.

Every value is made sense of by its kind; what is in images and audio is looked at with --decode.

Exit codes: 0 sound (remarks at most), 1 failed, 2 wrong usage, 3 there are faults.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter

import tbio
from tbio.cli import findings, source
from tbio.cli.render import count_of, printable, size_of
from tbio.diagnosis import Diagnosis, FileDiagnosis

HELP = "tell what is damaged or odd"
EXAMPLES = """\
examples:
  tbio check logs/
  tbio check logs/ --runs 'seed*' --json | jq '.files[] | select(.state != "sound") | .path'
  tbio check logs/ --decode --tags 'images/*'
  tbio check file.of.any.name && echo sound
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_selection(parser)
    source.add_unverified(parser)
    parser.add_argument(
        "--decode",
        action="store_true",
        help="also look at what is in the values: make pixels of images, samples of audio, graphs "
        "of their bytes; takes some milliseconds an image",
    )
    parser.add_argument(
        "--examples",
        metavar="N",
        type=count,
        default=3,
        help="how many places to tell of each sort of finding in a file (default: 3)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def count(text: str) -> int:
    """A number of 0 or more, as an argument."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"want a number of 0 or more, got {text!r}")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    with source.progress(None, "checking files") as progress:
        diagnosis = tbio.check(
            arguments.logs,
            runs=source.patterns(arguments, "runs"),
            tags=source.patterns(arguments, "tags"),
            decode=arguments.decode,
            unverified=arguments.unverified,
            examples=arguments.examples,
            progress=progress,
        )
    if not diagnosis.files and not diagnosis.unlisted:
        source.open_logs(arguments)  # complains
    if arguments.tags:
        source.check_tags(arguments, bool(diagnosis.tags))
    if arguments.json:
        print(json.dumps(_as_json(diagnosis), indent=1))
    else:
        for file in diagnosis.files:
            _print(file, arguments.examples)
        for path, why in diagnosis.unlisted.items():
            print(printable(f"{path}  cannot be looked into: {why}"))
        states = Counter(file.state for file in diagnosis.files)
        told = ", ".join(f"{number:,} {state}" for state, number in states.most_common())
        source.say(f"{count_of(len(diagnosis.files), 'event file')}: {told}")
    return 0 if diagnosis.sound else 3


def _print(file: FileDiagnosis, shown: int) -> None:
    what = f"{count_of(file.events, 'event')}, {size_of(file.size)}"
    if file.unverified and not any(one.kind == "unverified" for one in file.faults):
        what += f", {file.unverified_records:,} not verified"
    if file.compression:
        what += f" in {file.compression}"
    print(f"{printable(file.path)}  {file.state} ({what})")
    for line in findings.lines(file.findings, shown):
        print(line)


def _as_json(diagnosis: Diagnosis) -> dict[str, object]:
    return {
        "sound": diagnosis.sound,
        "unlisted": dict(diagnosis.unlisted),
        "files": [
            {
                "run": file.run,
                "path": file.path,
                "state": file.state,
                "bytes": file.size,
                "compression": file.compression,
                "records": file.records,
                "events": file.events,
                "unverified": file.unverified,
                "unverified_records": file.unverified_records,
                "lost_bytes": file.lost_bytes,
                "findings": findings.as_json(file.findings),
            }
            for file in diagnosis.files
        ],
    }
