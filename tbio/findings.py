"""Findings: what can be wrong with a log or odd in it, counted by sort, with the first places.

This is where it is settled what is a *fault* and what is a *remark*, for every command. A fault is
something that is lost: bytes that give no event, a file that cannot be read, a value that cannot be
made sense of. A remark is something that the log says as it is and that may explain a strange
curve: steps that go back, NaN, a restart. A record that is cut off at the end is a remark: the log
is live, or its writer died.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

from tbio.names import brief
from tbio.record import Damage
from tbio.record_file import FileReport

#: What can be found: first what is a fault (`FAULTS`), then what is a remark. The kinds of damage
#: are those of `tbio.record.DamageKind`.
FindingKind: TypeAlias = Literal[
    "unreadable",  # the operating system does not let it be read
    "no_event_file",  # not a single event, and no beginning of one
    "length",  # no sound record header
    "payload",  # a payload checksum is wrong
    "zeros",  # nothing but zero bytes to the end
    "unverified",  # a writer that computes no checksums; `tbio.dialect`
    "compression",  # the compressed stream is damaged
    "event",  # a sound record that is no Event
    "value",  # a value that contradicts its own description, or cannot be decoded
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
        *("zeros", "unverified", "compression", "event", "value"),
    )
)

#: How each is said, of one and of several.
_WORDS: dict[FindingKind, tuple[str, str]] = {
    "unreadable": ("cannot be read", "cannot be read"),
    "no_event_file": ("no event file: not a single event in it",) * 2,
    "length": ("stretch without a sound record", "stretches without a sound record"),
    "payload": ("record with a wrong checksum", "records with wrong checksums"),
    "zeros": ("tail of nothing but zero bytes", "tails of nothing but zero bytes"),
    "unverified": (
        "stretch of records that cannot be verified",
        "stretches of records that cannot be verified",
    ),
    "compression": ("damaged place in the compressed stream",) * 2,
    "event": ("sound record that is no Event", "sound records that are no Events"),
    "value": ("value that cannot be decoded", "values that cannot be decoded"),
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
        tally = self._tally(kind)
        tally.count += 1
        tally.lost += lost
        if len(tally.examples) < self._limit:
            tally.examples.append(example)

    def add_many(
        self, kind: FindingKind, count: int, first: Callable[[int], Iterable[Example]]
    ) -> None:
        """As many more.

        Args:
            first: gives the first of them, as many as it is asked for or all.
        """
        if not count:
            return
        tally = self._tally(kind)
        tally.count += count
        room = self._limit - len(tally.examples)
        if room > 0:
            tally.examples += first(room)

    def _tally(self, kind: FindingKind) -> _Tally:
        tally = self._found.get(kind)
        if tally is None:
            tally = self._found[kind] = _Tally()
        return tally

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
