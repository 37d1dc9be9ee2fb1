"""Report: what an import made of which source, and what it could not take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ImportedRun:
    """One run of the result.

    Attributes:
        name: of the run, relative to the destination.
        source: the file or folder that it was made of.
        path: its event file; "" where nothing was written.
        scalars, texts: how many points.
        hparams: how many hyperparameters.
        tags: how many tags.
        timed: how many of its points have a wall time in the source; those of the others is 0.
    """

    name: str
    source: str
    path: str = ""
    scalars: int = 0
    texts: int = 0
    hparams: int = 0
    tags: int = 0
    timed: int = 0


@dataclass
class Skipped:
    """Something that was not imported, all of its sort in one source.

    Attributes:
        source: the file.
        what: what it was, and why not.
        count: how often.
        is_damage: it cannot be read; otherwise it has no place in event files, or is not known.
        where: of the first one, such as "line 7".
    """

    source: str
    what: str
    count: int = 1
    is_damage: bool = False
    where: str = ""

    def __str__(self) -> str:
        times = f" ({self.count:,} times)" if self.count > 1 else ""
        where = f", {'first at ' if self.count > 1 else ''}{self.where}" if self.where else ""
        return f"{self.source}{where}: {self.what}{times}"


@dataclass(frozen=True, repr=False)
class ImportReport:
    """What `import_logs` did.

    Attributes:
        format: what the source was taken for.
        runs: in the order of their names.
        skipped: what was not imported.
        remarks: what was decided, such as which column holds the steps, as sentences.
    """

    format: str
    runs: tuple[ImportedRun, ...]
    skipped: tuple[Skipped, ...]
    remarks: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether everything could be read."""
        return not any(one.is_damage for one in self.skipped)

    def __repr__(self) -> str:
        points = sum(run.scalars for run in self.runs)
        return f"<ImportReport: {points} scalars of {len(self.runs)} runs, {self.format}>"
