"""Diagnosis: what is wrong with logs, and what is only worth knowing, file by file.

What can be found, and what of it is a fault, is settled in `tbio.findings`; `tbio.examination`
looks at the values. There may be millions of findings of one sort: they are counted, and the first
few are kept as examples with their places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tbio.bulk.batches import BatchLane
from tbio.dialect import DialectKind
from tbio.examination import FileExamination, RunExamination
from tbio.findings import FAULTS, Example, Finding, FindingKind, Findings
from tbio.logdir import Source, event_files
from tbio.record_file import FileReport, Unverified, check_unverified
from tbio.selection import Selection, matcher
from tbio.storage import File

#: What a file is, in one word.
State: TypeAlias = Literal["sound", "cut off", "empty", "damaged", "no event file", "unreadable"]


@dataclass(frozen=True)
class FileDiagnosis:
    """What was found in one event file.

    Attributes:
        run: the name of its run, as `tbio.open` has it.
        path: its path or URL.
        size: bytes read of it, after decompression.
        compression: "gzip" or "zlib" where the whole file is compressed, else "".
        records: sound records.
        events: those of them that are events.
        findings: one for each sort; the faults first.
        unverified: "constant" or "unmasked" where the writer seems to store no checksums, or not
            those of the format (see `tbio.dialect`); else "".
        unverified_records: how many of its records there are: damage, or read as they are.
    """

    run: str
    path: str
    size: int
    compression: str
    records: int
    events: int
    findings: tuple[Finding, ...]
    unverified: DialectKind | Literal[""] = ""
    unverified_records: int = 0

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What is lost."""
        return tuple(finding for finding in self.findings if finding.is_fault)

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """What is worth knowing, and no fault."""
        return tuple(finding for finding in self.findings if not finding.is_fault)

    @property
    def state(self) -> State:
        """The file in one word."""
        kinds = {finding.kind for finding in self.findings}
        if "unreadable" in kinds:
            return "unreadable"
        if "no_event_file" in kinds:
            return "no event file"
        if kinds & FAULTS:
            return "damaged"
        if "truncated" in kinds:
            return "cut off"
        return "empty" if "empty" in kinds else "sound"

    @property
    def lost_bytes(self) -> int:
        """Bytes of damage; a record that is cut off at the end is none."""
        return sum(finding.size for finding in self.faults)


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `check` found.

    Attributes:
        files: one for each event file, by run and name.
        tags: those that were looked at, sorted.
        unlisted: path or URL of each folder that could not be looked into -> why.
    """

    files: tuple[FileDiagnosis, ...]
    tags: tuple[str, ...] = ()
    unlisted: Mapping[str, str] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing is lost: there are remarks at most."""
        return not (self.unlisted or any(file.faults for file in self.files))

    def count(self, kind: FindingKind) -> int:
        """How often something of one sort was found in all files."""
        return sum(one.count for file in self.files for one in file.findings if one.kind == kind)

    def __repr__(self) -> str:
        faulty = sum(bool(file.faults) for file in self.files)
        return f"<Diagnosis: {len(self.files)} event files, {faulty or 'none'} with faults>"


def check(
    source: Source,
    *,
    runs: Selection = None,
    tags: Selection = None,
    decode: bool = False,
    unverified: Unverified = "skip",
    examples: int = 5,
    progress: Callable[[str], None] | None = None,
) -> Diagnosis:
    """Read logs to their end, and say what is damaged in them, lost, or odd.

    Every value is made sense of by its kind: shapes, dtypes, versions, what a tensor says of its
    content. That is what a reader does who lists images and graphs and does not look at them.

    Damage of the framing is that of tensorboard/summary/writer/record_writer.py: checksums, lengths
    and what stands between records; see `tbio.record` for how the next sound record is found.
    Files are read one by one, those of a run in the order of their names, as TensorBoard reads
    them; steps and kinds are compared with those of the run's files before. Gaps in time are no
    finding, nor are wall times of different files.

    Args:
        source: see `tbio.open`. A single file may have any name, and need not be an event file.
        runs, tags: see `tbio.open`. Damage is found whatever the tags are.
        decode: also look at them: make pixels of images, samples of audio, and graphs of their
            bytes. Some milliseconds an image.
        unverified: see `tbio.open`.
        examples: how many places to keep of each sort of finding in each file, 0 or more.
        progress: called with the path of each file when it was read.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        TypeError, ValueError: an argument that is none of these.

    >>> import tbio
    >>> diagnosis = tbio.check("tests/golden/digits")
    >>> diagnosis
    <Diagnosis: 2 event files, none with faults>
    >>> [file.state for file in diagnosis.files]
    ['sound', 'sound']
    """
    if examples < 0:
        raise ValueError(f"examples: want 0 or more, got {examples}")
    check_unverified(unverified)
    wanted_run, wanted_tag = matcher(runs, "runs"), matcher(tags, "tags")
    found: dict[str, dict[str, File]] = {}
    unlisted: dict[str, str] = {}

    def note(error: OSError) -> None:
        unlisted[str(error.filename)] = error.strerror or str(error)

    for run, file in event_files(source, note):
        if wanted_run(run):
            found.setdefault(run, {})[file.name] = file
    lane = BatchLane()
    files: list[FileDiagnosis] = []
    met: set[str] = set()
    for run, by_name in sorted(found.items()):
        examined = RunExamination(wanted_tag, decode)
        for _, file in sorted(by_name.items()):
            files.append(_examine(lane, run, file, examined, Findings(examples), unverified))
            if progress is not None:
                progress(file.name)
        met.update(examined.tags())
    return Diagnosis(tuple(files), tuple(sorted(met)), unlisted)


def _examine(
    lane: BatchLane,
    run: str,
    file: File,
    examined: RunExamination,
    findings: Findings,
    unverified: Unverified,
) -> FileDiagnosis:
    report = FileReport(file.name)
    findings.listen(report)
    try:
        lane.read(file, report, FileExamination(examined, findings), unverified)
        findings.settle(report)
    except OSError as error:
        findings.add("unreadable", Example(0, 0, what=error.strerror or str(error)))
    return FileDiagnosis(
        run,
        report.path,
        report.size,
        report.compression,
        report.records,
        report.events,
        findings.all(),
        report.unverified,
        report.unverified_records,
    )
