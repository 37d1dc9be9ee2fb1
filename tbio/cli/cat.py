"""Print events as JSON, one a line: where each stands, its step and time, and its values.

Numbers and texts are printed as they are, of tensors the first elements, of images and audio what
the log says of them.
"""

from __future__ import annotations

import argparse
import json

import tbio
from tbio.cli import source
from tbio.record_file import FileReport

HELP = "events as JSON lines"
EXAMPLES = """\
examples:
  tbio cat logs/ | head
  tbio cat logs/ --tags loss --steps 100:110 | jq '.values[].value'
  tbio cat logs/ --kinds texts --runs baseline
  tbio cat logs/run/events.out.tfevents.1 | grep session_log
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_selection(parser)
    source.add_kinds(parser)
    source.add_steps(parser)
    source.add_unverified(parser)


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    reports: list[FileReport] = []
    rows = tbio.cat(
        arguments.logs,
        runs=source.patterns(arguments, "runs"),
        tags=source.patterns(arguments, "tags"),
        kinds=arguments.kinds,
        steps=arguments.steps,
        unverified=arguments.unverified,
        reports=reports,
    )
    found = False
    for row in rows:
        found = True
        print(json.dumps(row))  # ASCII alone: nothing that could steer a terminal
    if not found:
        source.open_logs(arguments)
        source.check_tags(arguments, found=False)
    return 3 if any(report.damages or report.error for report in reports) else 0
