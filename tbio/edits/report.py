"""Report: what `tbio.edit` did, file by file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tbio.findings import Finding

#: What became of a file. "same": an event file whose records are all as they were. "edited": an
#: event file of which something changed. "copied": any other file. "dropped": nothing of it is
#: wanted. "linked": a link within the folder, made anew. "left": it could not be taken along, or
#: edited in place; `FileEdit.why` tells why.
Outcome: TypeAlias = Literal["same", "edited", "copied", "dropped", "linked", "left"]


@dataclass(frozen=True)
class FileEdit:
    """What `edit` did with one file.

    Attributes:
        path: the file in the logs, its path or URL.
        outcome: see `Outcome`.
        targets: the paths of what was written: several where kinds are split, the same of several
            files where they are merged.
        events: the events written of it.
        edited: those of them that are not the bytes that they were.
        kept, dropped: how many values.
        backup: where the original is kept; "" unless it was edited in place.
        why: of what was left; else "".
        findings: the damage in it, which stays behind.
    """

    path: str
    outcome: Outcome
    targets: tuple[str, ...] = ()
    events: int = 0
    edited: int = 0
    kept: int = 0
    dropped: int = 0
    backup: str = ""
    why: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, repr=False)
class EditReport:
    """What `edit` did.

    Attributes:
        files: every file of the logs; in place the event files only.
        tags, runs: old name -> new one, of those that were renamed.
        remarks: what to know of the result, as sentences: tags that became one, and what speaks of
            old names and could not be renamed.
    """

    files: tuple[FileEdit, ...]
    tags: dict[str, str]
    runs: dict[str, str]
    remarks: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing was damaged, and nothing left."""
        return not any(
            file.outcome == "left" or any(finding.is_fault for finding in file.findings)
            for file in self.files
        )

    def count(self, outcome: Outcome) -> int:
        """How many files had an outcome."""
        return sum(file.outcome == outcome for file in self.files)

    def __repr__(self) -> str:
        counts = {what: self.count(what) for what in ("same", "edited", "dropped", "left")}
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        return f"<EditReport: {len(self.files)} files{f': {told}' if told else ''}>"
