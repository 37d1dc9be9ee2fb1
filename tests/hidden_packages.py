"""A page of ``docs/`` run where packages are not installed, for all that the code there can see."""

from __future__ import annotations

import importlib.machinery
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

#: What an adapter must not need.
TENSORBOARDS = ("tensorboard", "tensorboardX", "tensorflow")

HERE = Path(__file__).parent


def run_page_without(page: str, folder: Path, *packages: str, tell: str = "None") -> Any:
    """Run a page's blocks in a process of its own, in which ``packages`` are not to be found.

    Args:
        folder: its working folder.
        tell: an expression of what the blocks have left, whose value is returned by way of JSON.
    """
    answer = folder / "answer.json"
    call = f"import {__name__} as h; h.run({page!r}, {packages!r}, {tell!r}, {str(answer)!r})"
    done = subprocess.run(
        [sys.executable, "-c", call],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
            "MPLBACKEND": "agg",
            "OMP_NUM_THREADS": "1",  # small examples, on machines that others use too
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(answer.read_text())


def run(page: str, packages: tuple[str, ...], tell: str, answer: str) -> None:
    """Run a page here, with packages hidden; warnings of tbio are errors."""
    from doc_pages import run_page

    from tbio.errors import TbioWarning

    hide(*packages)
    warnings.filterwarnings("error", category=TbioWarning)
    names = run_page(page, Path.cwd())
    Path(answer).write_text(json.dumps(eval(tell, names)))
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & set(packages), f"imported: {loaded & set(packages)}"


def hide(*packages: str) -> None:
    """Have neither an import nor a look at what is installed find these packages."""
    sys.meta_path[:] = [
        _Without(finder, packages) if finder is importlib.machinery.PathFinder else finder
        for finder in sys.meta_path
    ]


class _Without:
    """A finder that does not know some packages."""

    def __init__(self, finder: Any, packages: tuple[str, ...]) -> None:
        self._finder, self._packages = finder, packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        hidden = name.partition(".")[0] in self._packages
        return None if hidden else self._finder.find_spec(name, path, target)

    def find_distributions(self, *context: Any) -> Any:
        for found in self._finder.find_distributions(*context):
            if str(found.metadata["Name"]) not in self._packages:
                yield found

    def invalidate_caches(self) -> None:
        self._finder.invalidate_caches()
