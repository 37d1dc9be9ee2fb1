"""What the commands that read logs have in common: their options, and what they say at the end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import get_args

import tbio
from tbio.cli.render import count_of, printable
from tbio.errors import RunNotFoundError, TagNotFoundError
from tbio.exports import Progress
from tbio.logdir import LogDir
from tbio.rules import Restarts
from tbio.run import RunReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the log folder and what selects from it."""
    parser.add_argument("logs", metavar="LOGS", help="a log folder, an event file, or a URL of one")
    for name, what in (("runs", "runs"), ("tags", "tags")):
        parser.add_argument(
            f"--{name}",
            metavar="GLOB",
            action="append",
            help=f"only {what} whose name this glob matches; may be given again",
        )
    parser.add_argument(
        "--restarts",
        choices=get_args(Restarts),
        default="keep",
        help='points that a resumed run asked to discard: "keep" them (default), leave them out '
        '("session"), or show what TensorBoard shows with its Python back end ("tensorboard") or '
        'its data server ("rustboard")',
    )


def open_logs(arguments: argparse.Namespace, kinds: str | None = None) -> LogDir:
    """The logs that the arguments name.

    Raises:
        FileNotFoundError: there is nothing, or no event file.
        RunNotFoundError: no run is selected.
    """
    logs = tbio.open(
        arguments.logs,
        runs=arguments.runs,
        tags=arguments.tags,
        kinds=kinds,
        restarts=arguments.restarts,
    )
    if not logs:
        every = tbio.open(arguments.logs)
        if not every:
            raise FileNotFoundError(f"{arguments.logs}: no event files (*tfevents*) in it")
        raise RunNotFoundError(", ".join(arguments.runs), every, arguments.logs)
    return logs


def check_tags(arguments: argparse.Namespace, found: bool) -> None:
    """Complain of a selection of tags that selects nothing.

    Raises:
        TagNotFoundError: with the nearest names.
    """
    if arguments.tags and not found:
        every = tbio.open(arguments.logs, runs=arguments.runs, on_damage="ignore")
        names = {info.tag for info in every.tags()}
        raise TagNotFoundError(", ".join(arguments.tags), names, arguments.logs)


def tell(reports: Mapping[str, RunReport]) -> bool:
    """Say what of each run was left out or damaged; whether everything could be read."""
    complete = True
    for name, report in reports.items():
        complete = complete and report.complete
        if report.superseded:
            points = count_of(report.superseded, "point")
            rule = "left out" if report.restarted else "kept (--restarts session leaves them out)"
            say(f"run {name}: {points} that a restart asked to discard: {rule}")
        for problem in report.problems:
            where = f"{problem.path}, byte {problem.offset}"
            say(f"{where}: tag {problem.tag!r}, step {problem.step}: {problem.what}")
    return complete


def say(words: str) -> None:
    """A line on the standard error."""
    print(f"tbio: {printable(words)}", file=sys.stderr)


@contextmanager
def progress(logs: LogDir, words: str) -> Iterator[Progress | None]:
    """A progress bar over the runs, if the standard error is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=len(logs))
        yield lambda name: bar.advance(task)
