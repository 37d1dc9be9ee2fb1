"""What the README says is so."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tbio.cli import COMMANDS

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
        assert f"tbio {command.__name__.rpartition('.')[2]} " in text


def test_the_commands_of_the_readme_are_understood() -> None:
    text = (ROOT / "README.md").read_text()
    options = set(re.findall(r"(?<=\s)--[a-z-]+", " ".join(re.findall(r"    tbio .*", text))))
    helps = "".join(
        subprocess.run(
            [sys.executable, "-m", "tbio", name, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in ("ls", "export")
    )
    assert options <= set(re.findall(r"--[a-z-]+", helps))


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
