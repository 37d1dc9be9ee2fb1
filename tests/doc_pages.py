"""The code on the pages of ``docs/``, run as it stands there."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    """The ```python blocks of a page (``"keras.md"``), in order, each in the lines where it is.

    Empty lines in front of each give an error the line that it has on the page.
    """
    text = (DOCS / page).read_text(encoding="utf-8")
    return ["\n" * text.count("\n", 0, at.start(1)) + at[1] for at in _BLOCK.finditer(text)]


def run_page(page: str, folder: Path) -> dict[str, Any]:
    """Run a page's blocks in one namespace, with ``folder`` as the working folder.

    Returns:
        What the blocks have left under their names.
    """
    names: dict[str, Any] = {"__name__": page}
    with _working_in(folder):
        for block in blocks(page):
            exec(compile(block, str(DOCS / page), "exec"), names)
    return names


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
