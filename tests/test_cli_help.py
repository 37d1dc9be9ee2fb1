"""The help of all commands, what is generated from it, and completion."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tbio.cli import COMMANDS, main, parser

ROOT = Path(__file__).parent.parent


def subparsers() -> dict[str, argparse.ArgumentParser]:
    (subs,) = (one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    return dict(subs.choices)


@pytest.mark.skipif(
    sys.version_info[:2] not in ((3, 11), (3, 12)), reason="argparse words its help otherwise"
)
def test_the_page_of_the_commands_is_what_the_help_says() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/gen_cli_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", subparsers())
def test_every_command_has_examples_that_parse(name: str) -> None:
    command = subparsers()[name]
    assert command.epilog is not None
    assert "examples:" in command.epilog
    assert f"tbio {name}" in command.epilog
    assert command.description
    for action in command._actions:
        words = action.help or action.choices or action.metavar
        assert words, f"{name}: {action.dest} has no help"


def test_the_jobs_name_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    page = capsys.readouterr().out
    for name in subparsers():
        assert f"tbio {name} " in page or name in ("cat", "completion")
    assert len(subparsers()) == len(COMMANDS)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_completion(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "tbio.bash"
    script.write_text(capsys.readouterr().out)
    ask = (
        f"source {script}; COMP_WORDS=(tbio exp); COMP_CWORD=1; "
        "$(complete -p tbio | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["export"]
