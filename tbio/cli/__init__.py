"""The ``tbio`` command: one module a subcommand, and here what turns outcomes into exit codes.

0 done, 1 failed, 2 wrong usage, 3 done, but some of the data was damaged or could not be read.
Results go to the standard output or a file, words and progress to the standard error.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence

import tbio
from tbio.cli import check, export, ls, repair
from tbio.cli.render import printable
from tbio.errors import TbioError, TbioWarning

COMMANDS = (ls, export, check, repair)

DONE, FAILED, USAGE, DAMAGED = 0, 1, 2, 3


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="tbio",
        description="Look into TensorBoard logs and get their data out.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, "
        "3 done, but some of the data was damaged or could not be read.",
    )
    top.add_argument("--version", action="version", version=f"tbio {tbio.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2]
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that a terminal cannot show ends nothing
            stream.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args(argv)
    if sys.stdout is None:
        return _fail("the standard output is closed")
    signal.signal(signal.SIGTERM, _stop)
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", TbioWarning)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has seen enough. Python would complain of it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return _fail("interrupted")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}")
    except (TbioError, ValueError, ImportError) as error:
        return _fail(str(error))
    return code


def _stop(number: int, frame: object) -> None:
    """End by an exception, so that nothing half done is left behind."""
    sys.exit(128 + number)


def _fail(message: str) -> int:
    print(f"tbio: {printable(message)}", file=sys.stderr)
    return FAILED


def _show_warning(message: Warning | str, *where: object, **more: object) -> None:
    print(f"tbio: {printable(str(message))}", file=sys.stderr)
