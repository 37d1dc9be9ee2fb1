"""The ``tbio`` command: one module a subcommand, and here what turns outcomes into exit codes.

0 done, 1 failed, 2 wrong usage, 3 done, but some of the data was damaged or could not be read.
Results go to the standard output or a file, words and progress to the standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence

import tbio
from tbio.cli import (
    best,
    cat,
    check,
    completion,
    diff,
    edit,
    export,
    extract,
    hparams,
    import_,
    ls,
    plot,
    reduce,
    remote,
    repair,
    show,
    tail,
)
from tbio.cli.render import printable
from tbio.errors import TbioError, TbioWarning

COMMANDS = (
    *(ls, show, cat, tail, diff, plot),
    *(export, extract, reduce, hparams, best),
    *(edit, import_, remote, check, repair, completion),
)
#: What people come for, each in one line.
JOBS = """\
everyday jobs:
  tbio ls logs/                                       what there is
  tbio show logs/ --tags '*loss*'                     how it went, in the terminal
  tbio tail logs/                                     new points as they come
  tbio export logs/ run.csv                           every scalar of every run in one file
  tbio plot logs/ loss.png --tags loss --smooth 0.6   a figure for the paper
  tbio reduce logs/ seeds.csv                         mean and deviation across seeds
  tbio hparams logs/ --by val/loss                    which settings did best
  tbio best logs/ --tags val/loss --patience 10       which checkpoint to keep
  tbio extract logs/ out/ --kinds images              images, audio, texts as files
  tbio diff before/ after/                            in what two logs differ
  tbio edit logs/ new/ --rename-tag old new           rename, drop, thin, merge
  tbio import history.csv logs/                       logs from CSV, JSON, W&B, MLflow
  tbio remote logs/                                   what Keras's RemoteMonitor posts
  tbio check logs/; tbio repair logs/ sound/          what is damaged; save the rest

Each command has examples: tbio COMMAND --help. --runs, --tags, --kinds and --steps select what to
look at; only check takes less (runs and tags), and repair everything.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done, but some of the data was damaged or could not
be read."""

DONE, FAILED, USAGE, DAMAGED = 0, 1, 2, 3


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="tbio",
        description="Look into TensorBoard logs and get their data out.",
        epilog=JOBS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"tbio {tbio.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2].rstrip("_")
        sub = commands.add_parser(
            name,
            help=command.HELP,
            description=command.__doc__,
            epilog=command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; its exit code."""
    if sys.stderr is None:  # it was closed; words must not get to the standard output instead
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that a terminal cannot show ends nothing
            stream.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args(argv)
    if sys.stdout is None:
        return _fail("the standard output is closed")
    try:
        with _told_in_lines(), _stopped_in_order():
            code: int = arguments.run(arguments)
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has seen enough. Python would complain of it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return _fail("interrupted")
    except MemoryError:
        return _fail("out of memory")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}")
    except (TbioError, ValueError, ImportError) as error:
        return _fail(str(error))
    return code


@contextlib.contextmanager
def _told_in_lines() -> Iterator[None]:
    """A warning is a line of ours."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", TbioWarning)
        yield


@contextlib.contextmanager
def _stopped_in_order() -> Iterator[None]:
    """SIGTERM ends by an exception, so that nothing half done is left behind."""
    if threading.current_thread() is not threading.main_thread():  # which alone hears signals
        yield
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _stop(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _fail(message: str) -> int:
    print(f"tbio: {printable(message)}", file=sys.stderr)
    return FAILED


def _show_warning(message: Warning | str, *where: object, **more: object) -> None:
    print(f"tbio: {printable(str(message))}", file=sys.stderr)
