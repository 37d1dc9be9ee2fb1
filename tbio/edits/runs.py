"""Runs: the event files of the logs, by the run of the result that they go to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tbio.edits.renames import Renames
from tbio.edits.survey import Snapshot
from tbio.edits.tree import Found, safe_parts
from tbio.errors import RunNotFoundError
from tbio.event_file import EventFileReader
from tbio.storage import File


@dataclass
class Part:
    """A run of the logs: its name, and its files in the order of their names."""

    run: str
    files: list[tuple[Found, Snapshot]] = field(default_factory=list)


@dataclass
class NewRun:
    """A run of the result: where it stands, and what it is made of, in order."""

    folder: str
    parts: list[Part]


def as_text(path: str) -> str:
    """A path as the readers name a run: bytes that are no UTF-8 are written as ``\\xff``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class Runs:
    """Which run becomes which.

    Args:
        found: every event file.
        keeps: whether a run is kept.
        renames: new names.

    Attributes:
        names: old run -> new one, of those that are kept.
        dropped: the others.

    Raises:
        RunNotFoundError: a rename of a run that there is not; no run is kept.
        ValueError: a name that leads out of the folder.
    """

    def __init__(
        self, found: Iterable[Found], keeps: Callable[[str], bool], renames: Renames, where: str
    ) -> None:
        self._folders: dict[str, list[Found]] = {}
        for one in found:
            self._folders.setdefault(one.folder, []).append(one)
        every = {folder: as_text(folder) for folder in self._folders}
        self.names: dict[str, str] = {}
        self._targets: dict[str, str] = {}
        self.dropped = {folder for folder, run in every.items() if not keeps(run)}
        for folder, run in every.items():
            new = renames(run)
            if folder in self.dropped:
                continue
            new = "/".join(safe_parts(new.rstrip("/") or ".")) or "."
            self.names[run] = new
            self._targets[folder] = folder if new == run else new
        for pattern in renames.unused:
            raise RunNotFoundError(pattern, every.values(), where)

    def new(self) -> list[NewRun]:
        """The runs of the result; of several that become one the one that began first comes first.

        Raises:
            OSError: a file is gone.
        """
        made: dict[str, list[Part]] = {}
        for folder, target in self._targets.items():
            part = Part(as_text(folder))
            part.files = [(one, Snapshot(one.file)) for one in self._folders[folder]]
            made.setdefault(target, []).append(part)
        return [
            NewRun(target, sorted(parts, key=_beginning) if len(parts) > 1 else parts)
            for target, parts in sorted(made.items())
        ]

    def files_of(self, folder: str) -> list[Found]:
        """The event files of a run."""
        return self._folders[folder]

    def place(self, folder: str) -> str | None:
        """Where a folder stands in the result, by the run that it is or is in; None: nowhere."""
        inner: list[str] = []
        at = folder
        while True:
            if at in self.dropped:
                return None
            if at in self._targets:
                parts = [*safe_parts(self._targets[at]), *inner]
                return "/".join(parts) or "."
            if at == ".":
                return folder
            at, _, last = at.rpartition("/")
            at = at or "."
            inner.insert(0, last)


def _beginning(part: Part) -> tuple[float, str]:
    return min((_first_time(file) for _, file in part.files), default=0.0), part.run


def _first_time(file: File) -> float:
    with (
        contextlib.suppress(OSError),
        contextlib.closing(EventFileReader(file, "ignore").events()) as events,
    ):
        for stored in events:
            return stored.event.wall_time
    return float("inf")
