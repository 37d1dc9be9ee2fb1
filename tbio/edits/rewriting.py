"""Rewriting: the second reading of a run, which gives each record as it is to stand in the result.

A record whose values are all kept, under their names, is the same bytes. Of any other only what is
edited changes (`tbio.edits.surgery`). Metadata stand on a tag's first value in each file
(tensorboard/compat/proto/summary.proto, Value.metadata; event_file_loader.py looks for them file by
file): where that one goes, its metadata go to the first that stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tbio import plugins
from tbio.bulk.batches import Batch, Numbers
from tbio.edits import surgery
from tbio.edits.kinds_of_run import KindsOfRun, Named, Plain, payload_of
from tbio.edits.mentions import Mentions
from tbio.edits.request import OF_THE_RUN, Request, has_step
from tbio.edits.survey import Survey
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.record import encode_record


@dataclass
class Described:
    """Which tags have brought their metadata: in a file of the result, or in all of a run's."""

    tags: set[str] = field(default_factory=set)
    has_version: bool = False


@dataclass
class Tally:
    """What became of a file's values and events."""

    kept: int = 0
    dropped: int = 0
    events: int = 0
    edited: int = 0
    parts: set[str] = field(default_factory=set)  # those that got values


class Rewriter:
    """Gives the records of one run of the result.

    Args:
        survey: of the same files, in the same order.
        one_file: the files of the run become one, so that only the first brings a file version.
    """

    def __init__(
        self, request: Request, survey: Survey, mentions: Mentions, one_file: bool
    ) -> None:
        self._request = request
        self._mentions = mentions
        self._one_file = one_file
        self._picked = survey.picked
        self._met: dict[str, int] = {}  # points of each new tag so far
        self._kinds = KindsOfRun()
        self._of_file: dict[str, SummaryMetadata] = {}
        self._run: dict[str, Described] = {}
        self._targets: dict[str, Described] = {}
        self.tally = Tally()

    def begin_run(self) -> None:
        """The files that follow are those of another run of the logs."""
        self._kinds = KindsOfRun()

    def begin_file(self) -> None:
        """What follows are the records of another file."""
        self._of_file = {}
        self.tally = Tally()
        if not self._one_file:
            self._targets = {}

    def rewritten(
        self, payload: bytes, event: Event, parts: Sequence[str]
    ) -> Iterator[tuple[str, bytes]]:
        """An event for each part of the result that it belongs to.

        Args:
            parts: the kinds that have files of their own; ``[""]`` when all go into one.

        Raises:
            OverflowError: a step that would be beyond int64.
        """
        names = list(self._kinds.of_event(event))
        keeps = [self._keeps(name, event.step) for name in names]
        self.tally.kept += sum(keeps)
        self.tally.dropped += len(keeps) - sum(keeps)
        if event.WhichOneof("what") == "summary":
            self._note_metadata(event, names)
        yield from self._for_parts(payload, event, parts, names, keeps)

    def batch(self, batch: Batch, parts: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The records that many events become, for each part of the result.

        Those that stay as they are are copied in stretches.

        Raises:
            OverflowError: a step that would be beyond int64.
        """
        request = self._request
        moves = request.moves_steps or bool(request.shift_times)
        plain = None if moves else self._kinds.plain(batch, request.tag_of)
        if plain is None:
            for at in range(len(batch)):
                payload = payload_of(batch, at)
                for part, new in self.rewritten(payload, Event.FromString(payload), parts):
                    yield part, encode_record(new)
            return
        fast = "" if list(parts) == [""] else "scalars"
        values = _Values(batch, plain)
        slow = np.zeros(len(batch), bool)
        for numbers, first in zip(batch.numbers, plain.firsts, strict=True):
            if first.HasField("metadata"):
                self._of_file.setdefault(numbers.tag, first.metadata)
            mask = self._keeps_numbers(numbers, batch.steps[numbers.events])
            values.keep[numbers.rows] = mask
            kept = numbers.events[mask]
            new_tag = request.tag_of(numbers.tag, "scalars")
            if new_tag != numbers.tag:
                slow[kept] = True
            elif new_tag not in self._targets.setdefault(fast, Described()).tags:
                slow[kept[:1]] = True  # it may have to bring metadata
        for other, name, value in plain.others:
            if value.HasField("metadata"):
                self._of_file.setdefault(name.tag, value.metadata)
            values.keep[other.row] = self._keeps(name, int(batch.steps[other.event]))
            slow[other.event] = True
        kept_values = int(np.count_nonzero(values.keep))
        self.tally.kept += kept_values
        self.tally.dropped += len(values.keep) - kept_values
        yield from self._stretches(batch, parts, fast, values, slow)

    def _stretches(
        self,
        batch: Batch,
        parts: Sequence[str],
        fast: str,
        values: _Values,
        slow: npt.NDArray[np.bool_],
    ) -> Iterator[tuple[str, bytes]]:
        whole = np.bincount(values.events, minlength=len(batch))
        kept = np.bincount(values.events[values.keep], minlength=len(batch))
        slow |= kept < whole
        goes = (kept == 0) & (whole > 0)
        sorts = np.where(goes, 0, np.where(slow, 1, 2))
        ends = [*(np.flatnonzero(np.diff(sorts)) + 1).tolist(), len(batch)]
        at = 0
        for end in ends if len(batch) else ():
            if sorts[at] == 2:
                self.tally.events += end - at
                self.tally.parts.add(fast)
                yield fast, batch.data[int(batch.begins[at]) : int(batch.begins[end])]
            for event in range(at, end) if sorts[at] == 1 else ():
                payload = payload_of(batch, event)
                names, keeps = values.of(event)
                for part, new in self._for_parts(
                    payload, Event.FromString(payload), parts, names, keeps
                ):
                    yield part, encode_record(new)
            at = end

    def _keeps_numbers(
        self, numbers: Numbers, steps: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        mask = self._request.wants_scalars(numbers.tag, steps)
        new = self._request.tag_of(numbers.tag, "scalars")
        bits = self._picked.get(new)
        if bits is not None:
            wanted = np.flatnonzero(mask)
            at = self._met.get(new, -1) + 1
            self._met[new] = at + len(wanted) - 1
            picked = np.ones(len(wanted), bool)
            known = np.unpackbits(
                np.frombuffer(bits[at >> 3 : (at + len(wanted) + 7) >> 3], np.uint8)
            )[at & 7 :][: len(wanted)]
            picked[: len(known)] = known
            mask[wanted] = picked
        return mask

    def _for_parts(
        self,
        payload: bytes,
        event: Event,
        parts: Sequence[str],
        names: Sequence[Named],
        keeps: Sequence[bool],
    ) -> Iterator[tuple[str, bytes]]:
        is_split = list(parts) != [""]
        for part in parts:
            here = [
                keep and (not is_split or name.kind == part)
                for keep, name in zip(keeps, names, strict=True)
            ]
            if names and not any(here):
                continue
            new = self._for_part(part, payload, event, names, here)
            if new is not None:
                self.tally.events += 1
                self.tally.edited += new != payload
                if names:
                    self.tally.parts.add(part)
                yield part, new

    def _keeps(self, name: Named, step: int) -> bool:
        tag, kind = name
        if not self._request.wants(tag, kind, step):
            return False
        if kind in OF_THE_RUN:
            return True
        new = self._request.tag_of(tag, kind)
        bits = self._picked.get(new)
        if bits is None:
            return True
        at = self._met[new] = self._met.get(new, -1) + 1
        # A point that the survey has not seen stays.
        return at >> 3 >= len(bits) or bool(bits[at >> 3] & 0x80 >> (at & 7))

    def _note_metadata(self, event: Event, names: Iterable[Named]) -> None:
        for value, (tag, _) in zip(event.summary.value, names, strict=True):
            if value.HasField("metadata"):
                self._of_file.setdefault(tag, value.metadata)

    def _for_part(
        self,
        part: str,
        payload: bytes,
        event: Event,
        names: Sequence[Named],
        keeps: Sequence[bool],
    ) -> bytes | None:
        target = self._targets.setdefault(part, Described())
        run = self._run.setdefault(part, Described())
        what = event.WhichOneof("what")
        if what == "file_version":
            if target.has_version and self._one_file:
                return None
            target.has_version = True
        elif what == "summary":
            payload = self._with_values(payload, event, names, keeps, target, run)
        elif what == "tagged_run_metadata":
            new = self._request.rename_tags(names[0].tag)
            if new != names[0].tag:
                changed = Event.FromString(payload)
                changed.tagged_run_metadata.tag = new
                payload = changed.SerializeToString()
        return self._with_times(payload, event, names)

    def _with_values(
        self,
        payload: bytes,
        event: Event,
        names: Sequence[Named],
        keeps: Sequence[bool],
        target: Described,
        run: Described,
    ) -> bytes:
        raws: list[bytes] = []
        news: list[bytes | None] = []
        for index, ((tag, kind), keep) in enumerate(zip(names, keeps, strict=True)):
            value = event.summary.value[index]
            edits = self._edits(value, tag, kind, target, run) if keep else _Edits()
            if keep and not edits and not news:
                continue
            if not raws:
                payload, raws = _raw_values(payload, event)
                news = list(raws[:index])
            news.append(edits.of(raws[index]) if keep else None)
        return surgery.with_values(payload, news) if news else payload

    def _edits(
        self, value: Summary.Value, tag: str, kind: str, target: Described, run: Described
    ) -> _Edits:
        """What is to be done to a value that is kept."""
        new = self._request.tag_of(tag, kind)
        edits = _Edits()
        if kind in ("hparams", "layouts"):
            plugin = plugins.HPARAMS if kind == "hparams" else plugins.CUSTOM_SCALARS
            changed = self._mentions.edited(value, plugin)
            if changed is not None:
                edits.whole = changed.SerializeToString()
        metadata = self._metadata_for(value, tag, kind, new, target, run)
        if new != tag:
            edits.tag = new
            own = metadata or (value.metadata if value.HasField("metadata") else None)
            # The name that is shown in place of the tag.
            if own is not None and own.display_name == tag:
                metadata = SummaryMetadata()
                metadata.CopyFrom(own)
                metadata.display_name = new
            elif own is not None and own.display_name not in ("", new):
                words = f"tag {new!r} is shown as {own.display_name!r}, its display name"
                self._mentions.remarks.setdefault(words)
        if metadata is not None:
            edits.metadata = metadata.SerializeToString()
        return edits

    def _metadata_for(
        self,
        value: Summary.Value,
        tag: str,
        kind: str,
        new: str,
        target: Described,
        run: Described,
    ) -> SummaryMetadata | None:
        """Metadata that a value is to have in place of its own, or of none."""
        own = value.metadata if value.HasField("metadata") else None
        wanted = None
        if new not in target.tags:
            target.tags.add(new)
            wanted = self._of_file.get(tag)
            if wanted is None and new not in run.tags:
                wanted = self._kinds.metadata.get(tag)
        if own is not None or wanted is not None:
            run.tags.add(new)
        if wanted is None or own == wanted:
            return None
        # Of some kinds the metadata are the value.
        if own is not None and (kind in OF_THE_RUN or _plugin(own) not in ("", _plugin(wanted))):
            return None
        return wanted

    def _with_times(self, payload: bytes, event: Event, names: Sequence[Named]) -> bytes:
        request = self._request
        step = wall_time = None
        if request.moves_steps:
            if event.WhichOneof("what") == "session_log":
                step = request.start_of(event.step)
            elif any(has_step(kind, event.step) for _, kind in names):
                step = request.step_of(event.step)
        if request.shift_times:
            wall_time = event.wall_time + request.shift_times
        if step is None and wall_time is None:
            return payload
        return surgery.with_times(payload, step, wall_time)


class _Values:
    """The values of a batch, by row.

    Attributes:
        events: int64[m], which event each stands in.
        keep: bool[m], which are kept.
    """

    def __init__(self, batch: Batch, plain: Plain) -> None:
        count = sum(len(numbers.rows) for numbers in batch.numbers) + len(plain.others)
        self.keep = np.ones(count, bool)
        self.events = np.empty(count, np.int64)
        self._names = [Named(numbers.tag, "scalars") for numbers in batch.numbers]
        self._which = np.empty(count, np.int64)
        for at, numbers in enumerate(batch.numbers):
            self.events[numbers.rows] = numbers.events
            self._which[numbers.rows] = at
        for other, name, _ in plain.others:
            self.events[other.row] = other.event
            self._which[other.row] = len(self._names)
            self._names.append(name)

    def of(self, event: int) -> tuple[list[Named], list[bool]]:
        """Tag and kind of each value of an event, and whether it is kept."""
        begin, end = np.searchsorted(self.events, [event, event + 1]).tolist()
        names = [self._names[which] for which in self._which[begin:end].tolist()]
        return names, self.keep[begin:end].tolist()


def _plugin(metadata: SummaryMetadata) -> str:
    name: str = metadata.plugin_data.plugin_name
    return name


@dataclass
class _Edits:
    """What is to be done to the bytes of a value."""

    tag: str | None = None
    metadata: bytes | None = None
    whole: bytes | None = None

    def __bool__(self) -> bool:
        return not (self.tag is None and self.metadata is None and self.whole is None)

    def of(self, value: bytes) -> bytes:
        value = value if self.whole is None else self.whole
        if self.tag is not None:
            value = surgery.renamed(value, self.tag)
        return value if self.metadata is None else surgery.described(value, self.metadata)


def _raw_values(payload: bytes, event: Event) -> tuple[bytes, list[bytes]]:
    """The bytes of each value that protobuf sees.

    A message may hold a summary that a later field voids, or groups; nobody writes such. Written
    anew by protobuf it holds what protobuf sees.
    """
    try:
        raws = surgery.values_of(payload)
    except ValueError:
        raws = []
    if len(raws) != len(event.summary.value):
        payload = event.SerializeToString()
        raws = surgery.values_of(payload)
    return payload, raws
