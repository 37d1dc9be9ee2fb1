"""Findings as lines for a terminal and as JSON: what `check` and `repair` have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tbio.cli.render import columns, printable
from tbio.findings import Finding


def lines(findings: Iterable[Finding], shown: int) -> Iterator[str]:
    """A line for each sort, with the places of the first few."""
    rows = []
    for finding in findings:
        places = "; ".join(map(str, finding.examples[:shown]))
        if finding.kind in ("unreadable", "no_event_file", "empty"):
            places = ""
        elif places and finding.count > shown:
            places += "; ..."
        word = "fault" if finding.is_fault else "remark"
        rows.append((f"  {word}", printable(str(finding) + (f": {places}" if places else ""))))
    yield from columns(rows) if rows else ()


def as_json(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """The same for programs."""
    return [
        {
            "kind": finding.kind,
            "fault": finding.is_fault,
            "count": finding.count,
            "bytes": finding.size,
            "examples": [
                {
                    "offset": one.offset,
                    "bytes": one.size,
                    "tag": one.tag,
                    "step": one.step,
                    "what": one.what,
                }
                for one in finding.examples
            ],
        }
        for finding in findings
    ]
