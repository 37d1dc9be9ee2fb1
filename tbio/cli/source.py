"""What the commands that read logs have in common: their options, and what they say at the end."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO, get_args

import tbio
from tbio.cli.render import count_of, printable, short
from tbio.errors import RunNotFoundError, TagNotFoundError
from tbio.exports import Progress
from tbio.logdir import LogDir
from tbio.names import brief
from tbio.plugins import KINDS
from tbio.record_file import Unverified
from tbio.rules import Restarts
from tbio.run import RunReport
from tbio.selection import Selection, kind_set, matcher, step_range

#: Embeddings stand in files of their own beside the event files.
_KINDS = (*KINDS, "embeddings")


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the log folder, and the runs and tags to look at."""
    parser.add_argument("logs", metavar="LOGS", help="a log folder, an event file, or a URL of one")
    for name, what in (("runs", "runs"), ("tags", "tags")):
        parser.add_argument(
            f"--{name}",
            metavar="GLOB",
            action="append",
            help=f"only {what} whose name this glob matches; may be given again",
        )
    parser.add_argument(
        "--regex",
        action="store_true",
        help="names to select are regular expressions, searched for anywhere in the name",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """As `add_selection`, and which kinds and points."""
    add_selection(parser)
    add_kinds(parser)
    add_steps(parser)
    parser.add_argument(
        "--restarts",
        choices=get_args(Restarts),
        default="keep",
        help='points that a resumed run asked to discard: "keep" them, leave them out ("session"), '
        'or show what TensorBoard shows with its Python back end ("tensorboard") or its data '
        'server ("rustboard"); %(default)s if not given',
    )
    add_unverified(parser)


def add_kinds(parser: argparse.ArgumentParser) -> None:
    """Add which kinds of data to look at."""
    parser.add_argument(
        "--kinds",
        metavar="KIND",
        action="append",
        choices=_KINDS,
        help=f"only data of this kind; may be given again: {', '.join(_KINDS)}",
    )


def add_steps(parser: argparse.ArgumentParser) -> None:
    """Add which steps to look at."""
    parser.add_argument(
        "--steps",
        metavar="FIRST:STOP:STRIDE",
        type=steps_of,
        help="only steps from FIRST on and before STOP, every STRIDE-th of them; each may be left "
        "out: 100:200, ::10; a number alone is one step (--steps=-1: for a negative one)",
    )


def add_unverified(parser: argparse.ArgumentParser) -> None:
    """Add what to do about records whose writer computes no checksums."""
    parser.add_argument(
        "--unverified",
        choices=get_args(Unverified),
        default="skip",
        help="records whose writer stores no checksums, or not those of the format: take them for "
        'damage ("skip", default), or as they are ("read")',
    )


def steps_of(text: str) -> int | slice:
    """What ``--steps`` says.

    Raises:
        argparse.ArgumentTypeError: it says nothing sensible.

    >>> steps_of("100:200"), steps_of("7")
    (slice(100, 200, None), 7)
    """
    parts = text.split(":")
    try:
        if len(parts) == 1:
            return int(text)
        if len(parts) > 3:
            raise ValueError
        steps = slice(*(int(part) if part.strip() else None for part in parts))
        step_range(steps)
    except ValueError:
        what = f"want FIRST:STOP:STRIDE or one step, in whole numbers, got {text!r}"
        raise argparse.ArgumentTypeError(what) from None
    return steps


def patterns(arguments: argparse.Namespace, name: str) -> Selection:
    """The runs or the tags that the arguments ask for; None for all.

    Raises:
        ValueError: with ``--regex``: no regular expression.
    """
    given: list[str] | None = getattr(arguments, name)
    if given is None or not arguments.regex:
        return given
    try:
        return [re.compile(one) for one in given]
    except re.error as error:
        raise ValueError(f"--{name}: {error.pattern!r} is no regular expression: {error}") from None


def open_logs(
    arguments: argparse.Namespace,
    kinds: str | Iterable[str] | None = None,
    *,
    embeddings: bool = False,
) -> LogDir:
    """The logs that the arguments name.

    Args:
        kinds: what the command is about; ``--kinds`` may say less.
        embeddings: whether folders with embeddings do, without event files.

    Raises:
        FileNotFoundError: there is nothing, or no event file.
        RunNotFoundError: no run is selected.
    """
    asked = getattr(arguments, "kinds", None)
    wanted = kind_set(kinds).intersection(KINDS if asked is None else asked)
    if not wanted and (kinds is not None or "embeddings" not in (asked or ())):
        here = ", ".join(sorted(kind_set(kinds)))
        raise ValueError(f"--kinds {', '.join(asked or ())}: this is about {here}")
    logs = tbio.open(
        arguments.logs,
        runs=patterns(arguments, "runs"),
        tags=patterns(arguments, "tags"),
        kinds=wanted,
        steps=getattr(arguments, "steps", None),
        restarts=getattr(arguments, "restarts", "keep"),
        unverified=getattr(arguments, "unverified", "skip"),
    )
    if not logs and not (embeddings and logs.embeddings()):
        every = tbio.open(arguments.logs)
        if not every:
            raise FileNotFoundError(f"{arguments.logs}: no event files (*tfevents*) in it")
        raise RunNotFoundError(", ".join(arguments.runs), every, arguments.logs)
    return logs


def check_tags(arguments: argparse.Namespace, found: bool, more: Iterable[str] = ()) -> None:
    """Complain of a selection of tags that selects nothing.

    Args:
        more: names besides the tags that were there to select.

    Raises:
        TagNotFoundError: with the nearest names.
        ValueError: there are such tags, with data of other kinds or at other steps.
    """
    if not arguments.tags or found:
        return
    runs = patterns(arguments, "runs")
    every = tbio.open(arguments.logs, runs=runs, on_damage="ignore").tags()
    asked = ", ".join(arguments.tags)
    wanted = matcher(patterns(arguments, "tags"), "tags")
    there = [info for info in every if wanted(info.tag)]
    if there:  # but of kinds or at steps that nobody asked for
        kinds = ", ".join(sorted({info.kind for info in there}))
        first, last = min(info.first_step for info in there), max(info.last_step for info in there)
        what = f"--tags {asked} selects {kinds} (steps {first} to {last})"
        raise ValueError(f"{arguments.logs}: {what}, of which nothing is asked for here")
    names = {info.tag for info in every if info.kind != "hparams"} or {info.tag for info in every}
    raise TagNotFoundError(asked, {*names, *more}, arguments.logs)


#: So many problems of a run are told one by one: a log may have a million.
_TOLD_PROBLEMS = 20


def tell(reports: Mapping[str, RunReport], logs: LogDir) -> bool:
    """Say what of each run was left out or damaged; whether there are no faults.

    A folder that cannot be listed is one; it was warned of.
    """
    complete = not logs.unlisted
    for name, report in reports.items():
        complete = complete and report.complete
        if report.superseded:
            points = count_of(report.superseded, "point")
            rule = "left out" if report.restarted else "kept (--restarts session leaves them out)"
            say(f"run {short(name)}: {points} that a restart asked to discard: {rule}")
        for problem in report.problems[:_TOLD_PROBLEMS]:
            where = f"{problem.path}, byte {problem.offset}"
            say(f"{where}: tag {brief(problem.tag)}, step {problem.step}: {problem.what}")
        more = len(report.problems) + report.unlisted_problems - _TOLD_PROBLEMS
        if more > 0:
            say(f"run {short(name)}: {count_of(more, 'more problem')}: tbio check counts them all")
    return complete


def tell_all(logs: LogDir) -> bool:
    """As `tell`, of every run."""
    return tell({name: run.report for name, run in logs.items()}, logs)


def has_colors(stream: TextIO) -> bool:
    """Whether to write in colours: to a terminal that has some, unless ``NO_COLOR`` is set.

    See no-color.org; ``FORCE_COLOR`` wants them in any case.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def say(words: str) -> None:
    """A line on the standard error."""
    print(f"tbio: {printable(words)}", file=sys.stderr)


def load(logs: LogDir) -> LogDir:
    """The logs, with all that was selected read, under a progress bar."""
    with progress(logs, "reading") as told:
        return logs.load(told)


@contextmanager
def progress(logs: LogDir | None, words: str) -> Iterator[Progress | None]:
    """A progress bar over the runs, if the standard error is a terminal.

    Args:
        logs: None where nobody knows yet how much there is to do; the bar counts then.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    console = Console(stderr=True)
    with Bar(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(words, total=None if logs is None else len(logs))
        yield lambda name: bar.advance(task)
