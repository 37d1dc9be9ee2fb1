"""Write docs/cli.md from the help of the commands.

python scripts/gen_cli_docs.py            # write it
python scripts/gen_cli_docs.py --check    # exit 1 if it is not what it should be
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

PATH = Path(__file__).parent.parent / "docs" / "cli.md"
_WIDTH = "100"


def page() -> str:
    """The page, in Markdown."""
    # The help is wrapped to the width of the terminal, and coloured from Python 3.14 on.
    os.environ |= {"COLUMNS": _WIDTH, "NO_COLOR": "1"}
    from tbio.cli import parser

    top = parser()
    (subs,) = (one for one in top._actions if isinstance(one, argparse._SubParsersAction))
    parts = ["# The commands\n", _block(top.format_help())]
    parts += [
        f"## tbio {name}\n\n{_block(sub.format_help())}" for name, sub in subs.choices.items()
    ]
    return "\n".join(parts)


def _block(text: str) -> str:
    return "```text\n" + "\n".join(line.rstrip() for line in text.rstrip().split("\n")) + "\n```\n"


def main() -> int:
    """Write the page, or check it; the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true")
    if not arguments.parse_args().check:
        PATH.parent.mkdir(exist_ok=True)
        PATH.write_text(page(), "utf-8")
        return 0
    if PATH.exists() and PATH.read_text("utf-8") == page():
        return 0
    print(f"{PATH.name} is not what the help says: python scripts/gen_cli_docs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
