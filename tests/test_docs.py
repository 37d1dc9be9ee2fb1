"""What the README says is so."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tbio.cli import COMMANDS, JOBS, parser

ROOT = Path(__file__).parent.parent
PAGES = sorted(ROOT.glob("*.md"))


def test_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testfile(
        str(ROOT / "README.md"), module_relative=False, optionflags=flags
    )
    assert (failed, tried > 5) == (0, True)


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    for command in COMMANDS:
        assert f"tbio {command.__name__.rpartition('.')[2].rstrip('_')} " in text


def command_lines() -> list[str]:
    """The command lines of the README and of the help."""
    pages = [(ROOT / "README.md").read_text(), JOBS, *(command.EXAMPLES for command in COMMANDS)]
    lines = re.findall(r"^ +(tbio .*)|`(tbio [a-z]+ [^`]*)`", "\n".join(pages), re.MULTILINE)
    every = [line for pair in lines for line in pair if line]
    parts = [one for line in every for one in re.split(r"  +[^ ]|; |&& | \||#|>", line)]
    return sorted({part.strip() for part in parts if part.strip().startswith("tbio ")})


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_are_understood(line: str) -> None:
    words = shlex.split(line)[1:]
    if "COMMAND" in words or "--help" in words:
        return
    assert parser().parse_args(words).run is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert os.path.exists(page.parent / target), target


@pytest.mark.parametrize("script", ["scripts/demo", "scripts/test", ".ci/run"])
def test_scripts_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True)


def test_ci_runs_the_readmes_test_command() -> None:
    assert "./scripts/test --full" in (ROOT / ".ci" / "run").read_text()
