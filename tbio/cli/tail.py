"""Follow logs that grow: print each new point as it comes, until Ctrl-C.

A line says when a point was logged (local time), its run, tag and step, and its value: numbers and
the beginning of texts; of other kinds only that there is one. The last points that are there come
first. What is not there yet is waited for: files, runs and tags.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import math
import os
import threading
import time
from typing import Any

import numpy as np

import tbio
from tbio.cli import source
from tbio.cli.check import count
from tbio.cli.render import short
from tbio.errors import DamageError, DecodeError, NotFoundError
from tbio.following import NewPoint, tail
from tbio.logdir import LogDir

HELP = "follow logs that grow: new points as they come"
EXAMPLES = """\
examples:
  tbio tail logs/
  tbio tail logs/ --tags '*loss' --last 100
  tbio tail logs/ --kinds scalars --json | jq 'select(.value > 10)'
"""
_TEXT = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    add = parser.add_argument
    add(
        "--last",
        metavar="N",
        type=count,
        default=10,
        help="so many points that are there already come first (default: 10)",
    )
    add(
        "--poll",
        metavar="SECONDS",
        type=_seconds,
        default=1.0,
        help="look for new points every so often (default: 1)",
    )
    add("--json", action="store_true", help="a JSON object a line, for programs")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= threading.TIMEOUT_MAX:  # what time.sleep takes
        raise argparse.ArgumentTypeError(f"want seconds, 0 or more, got {text!r}")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    with contextlib.suppress(KeyboardInterrupt):  # which is how it ends
        logs = _logs(arguments)
        for point in tail(logs, last=arguments.last, poll=arguments.poll):
            print(_as_json(point) if arguments.json else _line(point), flush=True)
    return 0


def _logs(arguments: argparse.Namespace) -> LogDir:
    """The logs, as soon as there are any."""
    waits = os.path.isdir(arguments.logs)
    while waits and not tbio.open(arguments.logs, on_damage="ignore"):
        source.say(f"{arguments.logs}: no event files yet, waiting")
        while not tbio.open(arguments.logs, on_damage="ignore"):
            time.sleep(arguments.poll)
    logs = source.open_logs(arguments)
    if arguments.tags:
        try:
            source.check_tags(arguments, any(one.tags for one in logs.values()))
        except (NotFoundError, ValueError) as error:
            source.say(f"{error}; waiting")
    return logs


def _line(point: NewPoint) -> str:
    try:
        when = datetime.datetime.fromtimestamp(point.wall_time).strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # no time, or one beyond all calendars
        when = "--:--:--"
    value = _value(point)
    if point.kind == "scalars":
        what = value if isinstance(value, str) else f"{value:.6g}"
    elif isinstance(value, str):
        what = value if len(value) <= _TEXT else f"{value[:_TEXT]}..."
    else:
        what = f"({point.kind})"
    return f"{when}  {short(point.run)}  {short(point.tag)}  step {point.step}  {short(what)}"


def _as_json(point: NewPoint) -> str:
    """One line; numbers that JSON lacks are the strings "nan", "inf" and "-inf"."""
    time = point.wall_time if math.isfinite(point.wall_time) else str(point.wall_time)
    row = {"run": point.run, "kind": point.kind, "tag": point.tag, "step": point.step}
    return json.dumps({**row, "wall_time": time, "value": _value(point)})


def _value(point: NewPoint) -> Any:
    """A number, a text, or an array of texts as lists; None for everything else."""
    if point.kind not in ("scalars", "texts"):
        return None
    try:
        value = point.value
    except (DecodeError, DamageError, OSError) as error:
        source.say(str(error))
        return None
    if isinstance(value, np.float32):
        value = float(str(value))
    elif isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value
