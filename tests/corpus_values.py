"""Values of one plugin in the corpus, and the truth about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tbio import read_events
from tbio.proto.summary_pb2 import Summary


def truth_of(corpus: Path, plugin: str) -> dict[str, dict[str, Any]]:
    """Path in the corpus -> tag -> what TensorBoard makes of it; cut-off files are left out."""
    found = {}
    whole = [path for part in ("real", "peers") for path in (corpus / "expected" / part).rglob("*")]
    for path in sorted(path for path in whole if path.suffix == ".json"):
        truth = json.loads(path.read_bytes())
        tags = {
            tag: one
            for tag, one in truth.get("tags", {}).items()
            if isinstance(one, dict) and one.get("plugin") == plugin
        }
        if tags and not truth["loader"]["error"] and truth["framing"]["stop"]["why"] == "eof":
            found[truth["file"]["path"]] = tags
    return found


def values_of(path: Path) -> dict[str, list[Summary.Value]]:
    """Tag -> the values of an event file, in order; each has the metadata of its tag's first."""
    found: dict[str, list[Summary.Value]] = {}
    for event in read_events(path):
        for value in event.summary.value:
            of_tag = found.setdefault(value.tag, [])
            if of_tag:
                value.metadata.CopyFrom(of_tag[0].metadata)
            of_tag.append(value)
    return found
