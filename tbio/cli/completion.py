"""Print what makes a shell complete commands, options and file names.

Put it where the shell looks: for bash `tbio completion bash > ~/.local/share/bash-completion/
completions/tbio`; for zsh into a folder of $fpath as `_tbio`; for tcsh at the end of ~/.tcshrc.
It needs shtab.
"""

from __future__ import annotations

import argparse

from tbio.extras import require

HELP = "completion for bash, zsh or tcsh"
EXAMPLES = """\
examples:
  eval "$(tbio completion bash)"
  tbio completion zsh > ~/.zsh/completions/_tbio
"""
SHELLS = ("bash", "zsh", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", choices=SHELLS)


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    shtab = require("shtab")
    from tbio.cli import parser  # which knows of this module

    top = parser()
    _complete_files(top, shtab.FILE)
    print(shtab.complete(top, shell=arguments.shell))
    return 0


def _complete_files(parser: argparse.ArgumentParser, files: object) -> None:
    """Say which arguments are names of files."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _complete_files(sub, files)
        elif not action.option_strings and action.choices is None:
            action.complete = files  # type: ignore[attr-defined]
