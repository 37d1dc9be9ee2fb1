"""PlainYaml: the YAML that W&B and MLflow write: nested mappings and lists of plain values.

No anchors, tags, flow collections of more than JSON has, or texts over several lines: who needs
those has a library for them, and a file that has them is told of as one that cannot be read.
"""

from __future__ import annotations

import json
import re
from typing import Any

_KEY = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#'"\[{&*!|>%@`-][^:#]*?|-[^\s:#]+)\s*:(?:\s+(.*))?$"""
)
_INTEGER = re.compile(r"[-+]?\d+$")
_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN"), float("nan")),
    ".inf": float("inf"),
    "-.inf": float("-inf"),
}


def parsed(text: str) -> Any:
    """The data of a YAML document.

    Raises:
        ValueError: it is not of the plain sort.

    >>> parsed("a:\\n  value:\\n  - 1\\n  - x\\nb: 'it''s'\\nc: 1e-3")
    {'a': {'value': [1, 'x']}, 'b': "it's", 'c': 0.001}
    """
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare and not bare.startswith("#") and bare != "---":
            lines.append((len(line) - len(line.lstrip(" ")), bare, number))
    data, rest = _block(lines, 0)
    if rest < len(lines):
        raise ValueError(f"line {lines[rest][2]}: {lines[rest][1]!r} is no plain YAML")
    return data


def _block(lines: list[tuple[int, str, int]], at: int) -> tuple[Any, int]:
    """What begins at a line, and the line behind it."""
    if at >= len(lines):
        return None, at
    indent, bare, number = lines[at]
    if bare == "-" or bare.startswith("- "):
        return _list(lines, at, indent)
    if _KEY.match(bare):
        return _mapping(lines, at, indent)
    return _value(bare, number), at + 1


def _list(lines: list[tuple[int, str, int]], at: int, indent: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while at < len(lines) and lines[at][0] == indent and (lines[at][1] + " ").startswith("- "):
        bare, number = lines[at][1][1:].strip(), lines[at][2]
        if not bare:
            item, at = (
                _block(lines, at + 1)
                if at + 1 < len(lines) and lines[at + 1][0] > indent
                else (None, at + 1)
            )
        else:  # what stands behind the dash is a block of its own, further in
            inner = indent + len(lines[at][1]) - len(bare)
            lines[at] = inner, bare, number
            item, at = _block(lines, at)
        items.append(item)
    return items, at


def _mapping(lines: list[tuple[int, str, int]], at: int, indent: int) -> tuple[dict[str, Any], int]:
    items: dict[str, Any] = {}
    while at < len(lines) and lines[at][0] == indent and (match := _KEY.match(lines[at][1])):
        key = match[1]
        name = str(_value(key, lines[at][2])) if key[0] in "\"'" else key
        if match[2]:
            items[name] = _value(match[2], lines[at][2])
            at += 1
            continue
        at += 1
        items[name] = None
        if at < len(lines):
            is_list = (lines[at][1] + " ").startswith("- ")  # which may stand as far out as its key
            if lines[at][0] > indent or (is_list and lines[at][0] == indent):
                items[name], at = _block(lines, at)
    return items, at


def _value(bare: str, number: int) -> Any:
    if bare[0] == "'" and bare[-1] == "'" and len(bare) > 1:
        return bare[1:-1].replace("''", "'")
    if bare[0] in '"[{':
        try:
            return json.loads(bare)
        except ValueError:
            raise ValueError(f"line {number}: {bare!r} is no plain YAML") from None
    bare = re.sub(r"\s+#.*", "", bare)
    if bare in _WORDS:
        return _WORDS[bare]
    if _INTEGER.match(bare):
        return int(bare)
    if _FLOAT.match(bare):
        return float(bare)
    if bare[0] in "&*!|>%@`'":
        raise ValueError(f"line {number}: {bare!r} is no plain YAML")
    return bare
