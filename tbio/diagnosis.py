"""Diagnosis: what is wrong with logs, and what is only worth knowing, file by file.

A *fault* is something that is lost: bytes that give no event, a file that cannot be read, a value
that cannot be made sense of. A *remark* is something that the log says as it is and that may
explain a strange curve: steps that go back, NaN, a restart. A record that is cut off at the end is
a remark: the log is live, or its writer died.

There may be millions of findings of one sort. They are counted, and the first few are kept as
examples with their places. Beyond that memory goes into the distinct steps of each tag, 8 bytes
each: without them nobody could tell whether a point is there twice.
"""

from __future__ import annotations

import bisect
import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from tbio import plugins, tensor
from tbio.errors import DecodeError
from tbio.event_file import EventFileReader, StoredEvent
from tbio.kinds import scalar
from tbio.logdir import Source, _roots
from tbio.proto.event_pb2 import SessionLog
from tbio.proto.summary_pb2 import Summary
from tbio.record import Damage
from tbio.record_file import FileReport
from tbio.selection import Selection, matcher
from tbio.series import brief
from tbio.storage import File

#: What can be found: first what is a fault (`FAULTS`), then what is a remark. The kinds of damage
#: are those of `tbio.record.DamageKind`.
FindingKind: TypeAlias = Literal[
    "unreadable",  # the operating system does not let it be read
    "no_event_file",  # not a single event, and no beginning of one
    "length",  # no sound record header
    "payload",  # a payload checksum is wrong
    "zeros",  # nothing but zero bytes to the end
    "compression",  # the compressed stream is damaged
    "event",  # a sound record that is no Event
    "value",  # a value that contradicts its own description
    "empty",  # a file without a byte
    "truncated",  # the file ends inside a record
    "nothing",  # a value that holds nothing
    "plugin",  # a value of a plugin that tbio does not know
    "no_plugin",  # a tensor, and no metadata that tell whose it is
    "kinds",  # a tag has values of several kinds
    "restart",  # a SessionLog.START behind points
    "step_back",  # a lower step than that of the point before
    "duplicate",  # one more point of a step
    "nan",  # a scalar that is NaN
    "inf",  # a scalar that is infinite
    "clock_back",  # a wall time more than a second before that of the event before
    "clock_nan",  # a wall time that is NaN or infinite
]

FAULTS: frozenset[FindingKind] = frozenset(
    (
        *("unreadable", "no_event_file", "length", "payload"),
        *("zeros", "compression", "event", "value"),
    )
)

#: How each is said, of one and of several.
_WORDS: dict[FindingKind, tuple[str, str]] = {
    "unreadable": ("cannot be read", "cannot be read"),
    "no_event_file": ("no event file: not a single event in it",) * 2,
    "length": ("stretch without a sound record", "stretches without a sound record"),
    "payload": ("record with a wrong checksum", "records with wrong checksums"),
    "zeros": ("tail of nothing but zero bytes", "tails of nothing but zero bytes"),
    "compression": ("damaged place in the compressed stream",) * 2,
    "event": ("sound record that is no Event", "sound records that are no Events"),
    "value": ("value that contradicts itself", "values that contradict themselves"),
    "empty": ("empty file", "empty files"),
    "truncated": ("record cut off at the end", "records cut off at the end"),
    "nothing": ("value that holds nothing", "values that hold nothing"),
    "plugin": ("value of an unknown plugin", "values of unknown plugins"),
    "no_plugin": ("tensor of no known plugin", "tensors of no known plugin"),
    "kinds": ("tag of several kinds", "tags of several kinds"),
    "restart": ("restart", "restarts"),
    "step_back": ("step that goes back", "steps that go back"),
    "duplicate": ("point of a step that was there", "points of steps that were there"),
    "nan": ("NaN", "NaNs"),
    "inf": ("infinite value", "infinite values"),
    "clock_back": ("wall time that goes back", "wall times that go back"),
    "clock_nan": ("wall time that is no number", "wall times that are no numbers"),
}

#: Seconds that a wall time may be behind the one before: threads overtake each other.
_CLOCK_SLACK = 1.0

#: Kinds whose values describe a run and make no series.
_NO_SERIES = frozenset(("hparams", "layouts", "graphs"))
#: Kinds whose values may stand in their metadata alone.
_HELD_BY_METADATA = frozenset(("hparams", "graphs", "tensors"))
#: The plugin of each form that TF 1 had fields of its own for (tensorboard/data_compat.py).
_PLUGIN_OF_FIELD = {
    "histo": plugins.HISTOGRAMS,
    "image": plugins.IMAGES,
    "audio": plugins.AUDIO,
}


class Example(NamedTuple):
    """Where something was found.

    Attributes:
        offset: of the record or the damaged bytes in the file, in bytes; after decompression.
        size: of the damaged bytes, or of the whole record.
        tag: "" where there is none to name.
        step: of the event; None where no event could be read.
        what: more about it, or "".
    """

    offset: int
    size: int
    tag: str = ""
    step: int | None = None
    what: str = ""

    def __str__(self) -> str:
        words = [f"byte {self.offset}"]
        if self.step is None:
            words.append(f"{self.size} bytes")
        if self.tag:
            words.append(f"tag {brief(self.tag)}")
        if self.step is not None:
            words.append(f"step {self.step}")
        return ", ".join([*words, self.what] if self.what else words)


@dataclass(frozen=True)
class Finding:
    """All that was found of one sort in one file.

    Attributes:
        kind: see `FindingKind`.
        count: how often.
        size: bytes lost by it; 0 for what is no damage.
        examples: the first few.
    """

    kind: FindingKind
    count: int
    size: int
    examples: tuple[Example, ...]

    @property
    def is_fault(self) -> bool:
        """Whether something is lost by it, and not only worth knowing."""
        return self.kind in FAULTS

    def __str__(self) -> str:
        if self.kind in ("unreadable", "no_event_file", "empty"):
            what = self.examples[0].what if self.examples else ""
            return _WORDS[self.kind][0] + (f": {what}" if what else "")
        lost = f" ({self.size:,} bytes)" if self.size else ""
        return f"{self.count:,} {_WORDS[self.kind][self.count != 1]}{lost}"


class Findings:
    """Findings as they come: counted by sort, the first few of each kept."""

    def __init__(self, examples: int) -> None:
        self._limit = examples
        self._found: dict[FindingKind, _Tally] = {}

    def add(self, kind: FindingKind, example: Example, lost: int = 0) -> None:
        """One more, by which ``lost`` bytes are lost."""
        tally = self._found.get(kind)
        if tally is None:
            tally = self._found[kind] = _Tally()
        tally.count += 1
        tally.lost += lost
        if len(tally.examples) < self._limit:
            tally.examples.append(example)

    def add_damage(self, damage: Damage) -> None:
        """One more damaged or cut-off stretch."""
        self.add(damage.kind, Example(damage.offset, damage.length), damage.length)

    def listen(self, report: FileReport) -> None:
        """Have each damage added here as a reader meets it, and not kept in its report."""
        report.settled = _Told(self.add_damage)

    def settle(self, report: FileReport) -> None:
        """Take what the reader's report says at the end of the file."""
        if report.tail is not None:
            self.add_damage(report.tail)
            report.tail = None
        # A payload is only looked for behind a sound header, and those are in event files alone.
        strange = any(kind in self._found for kind in ("length", "zeros", "compression", "event"))
        if strange and "payload" not in self._found and not report.events:
            self.add("no_event_file", Example(0, report.size))
        if not report.size and not self._found:
            self.add("empty", Example(0, 0))

    def all(self) -> tuple[Finding, ...]:
        """A `Finding` for each sort, in the order of `FindingKind`."""
        return tuple(
            Finding(kind, found.count, found.lost, tuple(found.examples))
            for kind in get_args(FindingKind)
            if (found := self._found.get(kind)) is not None
        )


class _Tally:
    """How often something was found, and where first."""

    __slots__ = ("count", "examples", "lost")

    def __init__(self) -> None:
        self.count = 0
        self.lost = 0
        self.examples: list[Example] = []


class _Told(list[Damage]):
    """Hands on what it is given in the place of keeping it: there may be millions."""

    def __init__(self, tell: Callable[[Damage], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, damage: Damage, /) -> None:
        self._tell(damage)


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
    """

    run: str
    path: str
    size: int
    compression: str
    records: int
    events: int
    findings: tuple[Finding, ...]

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
    """

    files: tuple[FileDiagnosis, ...]
    tags: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is lost: there are remarks at most."""
        return not any(file.faults for file in self.files)

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
    examples: int = 5,
) -> Diagnosis:
    """Read logs to their end, and say what is damaged in them, lost, or odd.

    Damage of the framing is that of tensorboard/summary/writer/record_writer.py: checksums, lengths
    and what stands between records; see `tbio.record` for how the next sound record is found.
    Files are read one by one, those of a run in the order of their names, as TensorBoard reads
    them; steps and kinds are compared with those of the run's files before. Gaps in time are no
    finding, nor are wall times of different files.

    Args:
        source: see `tbio.open`. A single file may have any name, and need not be an event file.
        runs, tags: see `tbio.open`. Damage is found whatever the tags are.
        examples: how many places to keep of each sort of finding in each file, 0 or more.

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
    wanted_run, wanted_tag = matcher(runs, "runs"), matcher(tags, "tags")
    found: dict[str, dict[str, File]] = {}
    for root in _roots(source):
        for run, file in root.files():
            if wanted_run(run):
                found.setdefault(run, {})[file.name] = file
    files: list[FileDiagnosis] = []
    met: set[str] = set()
    for run, by_name in sorted(found.items()):
        examined = _Run(wanted_tag)
        for _, file in sorted(by_name.items()):
            files.append(_examine(run, file, examined, Findings(examples)))
        met.update(examined.tags())
    return Diagnosis(tuple(files), tuple(sorted(met)))


def _examine(run: str, file: File, examined: _Run, findings: Findings) -> FileDiagnosis:
    reader = EventFileReader(file, "ignore")
    report = reader.report
    findings.listen(report)
    try:
        examined.add_events(reader.events(), findings)
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
    )


class _Run:
    """What was met of a run so far: its tags, their kinds and their steps."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self._wants = wanted
        self._tags: dict[str, _Tag] = {}
        self._begun = False  # a point was met

    def tags(self) -> Iterator[str]:
        """The tags that were met, of those that are wanted."""
        return (tag for tag, met in self._tags.items() if met.wanted)

    def add_events(self, events: Iterator[StoredEvent], findings: Findings) -> None:
        """The events of one file, in order."""
        before = -math.inf
        for stored in events:
            event = stored.event
            wall_time = event.wall_time
            if not math.isfinite(wall_time):
                findings.add("clock_nan", _example(stored, "", repr(wall_time)))
            else:
                if before - wall_time > _CLOCK_SLACK:
                    ago = f"by {before - wall_time:.6g} s"
                    findings.add("clock_back", _example(stored, "", ago))
                before = wall_time
            what = event.WhichOneof("what")
            if what == "summary":
                for value in event.summary.value:
                    self._add_value(stored, value, findings)
            elif what == "session_log":
                starts = event.session_log.status == SessionLog.START
                if starts and self._begun:
                    findings.add("restart", _example(stored, ""))

    def _add_value(self, stored: StoredEvent, value: Summary.Value, findings: Findings) -> None:
        name = value.tag or value.node_name
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = _Tag(self._wants(name))
        if not tag.wanted:
            return
        if tag.plugin is None and value.HasField("metadata"):
            tag.plugin = value.metadata.plugin_data.plugin_name
        field = value.WhichOneof("value")
        if field == "simple_value":
            self._add_point(stored, name, tag, "scalars", findings)
            _look_at(value.simple_value, stored, name, findings)
            return
        plugin = _PLUGIN_OF_FIELD.get(field or "", tag.plugin)
        kind = "" if plugin is None else plugins.kind_of(plugin)
        if field is None and kind not in _HELD_BY_METADATA:
            findings.add("nothing", _example(stored, name))
            return
        if field == "tensor" and not plugin and _is_number(value):
            kind = "scalars"
        elif plugin is None:
            findings.add("no_plugin", _example(stored, name))
        elif plugin and kind == "tensors":
            findings.add("plugin", _example(stored, name, f"plugin {brief(plugin)}"))
        self._add_point(stored, name, tag, kind, findings)
        if kind == "scalars":
            try:
                number = float(scalar.decode(value)[0])
            except DecodeError as error:
                findings.add("value", _example(stored, name, error.what))
            else:
                _look_at(number, stored, name, findings)

    def _add_point(
        self, stored: StoredEvent, name: str, tag: _Tag, kind: str, findings: Findings
    ) -> None:
        """One more value of a kind; "" where no metadata tell the kind."""
        series = tag.kinds.get(kind)
        if series is None:
            others = ", ".join(filter(None, tag.kinds))
            if kind and others:
                findings.add("kinds", _example(stored, name, f"{kind} beside {others}"))
            series = tag.kinds[kind] = _Series()
        if kind in _NO_SERIES:
            return
        self._begun = True
        step, before = stored.event.step, series.last
        if before is not None and step < before:
            findings.add("step_back", _example(stored, name, f"after step {before}"))
        if not series.add(step):
            findings.add("duplicate", _example(stored, name))


class _Tag:
    """One tag of a run: whether it is asked for, its plugin as far as told, its series by kind."""

    __slots__ = ("kinds", "plugin", "wanted")

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.plugin: str | None = None
        self.kinds: dict[str, _Series] = {}


def _example(stored: StoredEvent, tag: str, what: str = "") -> Example:
    return Example(stored.offset, stored.size, tag, stored.event.step, what)


def _look_at(number: float, stored: StoredEvent, tag: str, findings: Findings) -> None:
    if not math.isfinite(number):
        findings.add("nan" if math.isnan(number) else "inf", _example(stored, tag))


def _is_number(value: Summary.Value) -> bool:
    return not value.tensor.tensor_shape.dim and tensor.is_numeric(value.tensor)


class _Series:
    """The distinct steps of one tag, and whether one was there before.

    They are kept as ascending stretches: nearly always one, and one more for each restart. Where
    steps come in no order, the last stretches are merged whenever the one before is not twice as
    long, so that there are few to look through and each step is merged only a few times.

    >>> series = _Series()
    >>> [series.add(step) for step in (0, 2, 4, 2, 3, 4, 5)]
    [True, True, True, False, True, False, True]
    """

    __slots__ = ("_stretches", "last")

    def __init__(self) -> None:
        self._stretches: list[Any] = [array("q")]
        self.last: int | None = None

    def add(self, step: int) -> bool:
        """The step of the next point; whether it is a new one."""
        self.last = step
        current = self._stretches[-1]
        if len(self._stretches) == 1 and (not current or step > current[-1]):
            current.append(step)
            return True
        if any(_holds(stretch, step) for stretch in self._stretches):
            return False
        if current and step < current[-1]:
            self._merge()
            current = array("q")
            self._stretches.append(current)
        current.append(step)
        return True

    def _merge(self) -> None:
        stretches = self._stretches
        while len(stretches) > 1 and len(stretches[-2]) < 2 * len(stretches[-1]):
            joined = np.concatenate([np.frombuffer(s, np.int64) for s in stretches[-2:]])
            joined.sort()
            stretches[-2:] = [array("q", joined.tobytes())]


def _holds(ascending: Any, step: int) -> bool:
    at = bisect.bisect_left(ascending, step)
    return at < len(ascending) and ascending[at] == step
