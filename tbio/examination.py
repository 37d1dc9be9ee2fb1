"""Examination: the values of a run, one file after the other, looked at for what is odd in them.

Events come in batches from the bulk lane (`tbio.bulk.batches`), and one by one where they are of
another sort; what is found is the same. Beside the findings, memory goes into the distinct steps of
each tag, 8 bytes each: without them nobody could tell whether a point is there twice.
"""

from __future__ import annotations

import bisect
import cmath
import itertools
import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio import plugins, tensor
from tbio.bulk.batches import Batch, Numbers, Other
from tbio.columns import PLUGIN_OF_FIELD
from tbio.errors import DecodeError
from tbio.event_file import StoredEvent
from tbio.findings import Example, FindingKind, Findings
from tbio.kinds import (
    audio,
    graph,
    histogram,
    hparams,
    image,
    layout,
    mesh,
    pr_curve,
    raw_tensor,
    scalar,
    text,
)
from tbio.names import brief
from tbio.proto.event_pb2 import SessionLog
from tbio.proto.summary_pb2 import Summary, SummaryMetadata

Longs = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

#: Seconds that a wall time may be behind the one before: threads overtake each other.
_CLOCK_SLACK = 1.0

#: Kinds whose values describe a run and make no series.
_NO_SERIES = frozenset(("hparams", "layouts", "graphs"))
#: Kinds whose values may stand in their metadata alone.
_HELD_BY_METADATA = frozenset(("hparams", "graphs", "tensors"))
#: Kind -> what makes a value of it, as `tbio.run` does.
_DECODERS: dict[str, Callable[[Summary.Value, SummaryMetadata], Any]] = {
    "histograms": histogram.decode,
    "images": image.decode,
    "audio": audio.decode,
    "texts": text.decode,
    "pr_curves": pr_curve.decode,
    "meshes": mesh.decode,
    "tensors": raw_tensor.decode,
    "hparams": lambda value, metadata: hparams.decode(metadata),
    "layouts": layout.decode,
    "graphs": graph.decode,
}
#: Fields of an event that hold a graph beside the summaries.
_GRAPH_EVENTS = frozenset(("graph_def", "meta_graph_def", "tagged_run_metadata"))


class _Place(NamedTuple):
    """The record of a value, and the step of its event."""

    offset: int
    size: int
    step: int

    def example(self, tag: str = "", what: str = "") -> Example:
        return Example(self.offset, self.size, tag, self.step, what)


class RunExamination:
    """What was met of a run so far: its tags, their kinds and their steps.

    Args:
        wanted: says of each tag whether to look at its values.
        decode: also make pixels of images, samples of audio, and graphs of their bytes.
    """

    def __init__(self, wanted: Callable[[str], bool], decode: bool = False) -> None:
        self._wants = wanted
        self._tags: dict[str, _Tag] = {}
        self.decodes = decode
        self.has_begun = False  # a point was met

    def tags(self) -> Iterator[str]:
        """The tags that were met, of those that are wanted."""
        return (tag for tag, met in self._tags.items() if met.wanted)

    def tag(self, name: str) -> _Tag:
        """The tag of a name, which is met now if it was not before."""
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = _Tag(name, self._wants(name))
        return tag


class _Tag:
    """One tag of a run: its first metadata, and its series by kind; "" is a kind nobody knows."""

    __slots__ = ("kinds", "metadata", "name", "wanted")

    def __init__(self, name: str, wanted: bool) -> None:
        self.name = name
        self.wanted = wanted
        self.metadata: SummaryMetadata | None = None
        self.kinds: dict[str, SeenSteps] = {}

    @property
    def plugin(self) -> str | None:
        """The plugin that the metadata name; None without metadata."""
        return None if self.metadata is None else self.metadata.plugin_data.plugin_name


def _nothing(at: int) -> str:
    return ""


class FileExamination:
    """Takes the events of one file of a run (`tbio.bulk.batches.Taker`), and adds to findings."""

    def __init__(self, run: RunExamination, findings: Findings) -> None:
        self._run = run
        self._findings = findings
        self._before = -math.inf  # the last wall time

    # ------------------------------------------------------------------ one by one

    def take_event(self, stored: StoredEvent, payload: bytes) -> None:
        """Look at one event."""
        event = stored.event
        place = _Place(stored.offset, stored.size, event.step)
        found = _Found()
        self._look_at_clock(event.wall_time, place, found)
        what = event.WhichOneof("what")
        if what == "summary":
            for nth, value in enumerate(event.summary.value):
                self._take_value(value, place, nth, found)
        elif what == "session_log":
            if event.session_log.status == SessionLog.START and self._run.has_begun:
                found.add("restart", 0, place.example())
        elif what in _GRAPH_EVENTS and self._run.decodes:
            try:
                _ = graph.decode_event(event).graph_def
            except DecodeError as error:
                found.add("value", 0, place.example(what=f"{what}: {error.what}"))
        found.pour(self._findings)

    def _look_at_clock(self, wall_time: float, place: _Place, found: _Found) -> None:
        if not math.isfinite(wall_time):
            found.add("clock_nan", 0, place.example(what=repr(wall_time)))
            return
        if self._before - wall_time > _CLOCK_SLACK:
            found.add("clock_back", 0, place.example(what=_ago(self._before - wall_time)))
        self._before = wall_time

    def _take_value(self, value: Summary.Value, place: _Place, key: int, found: _Found) -> None:
        """Look at one value.

        Args:
            key: its place among others that are looked at together.
        """
        tag = self._run.tag(value.tag or value.node_name)
        if not tag.wanted:
            return
        brings = tag.metadata is None and value.HasField("metadata")
        if brings:
            tag.metadata = SummaryMetadata()  # a part of an event keeps all of it in memory
            tag.metadata.CopyFrom(value.metadata)
        field = value.WhichOneof("value")
        plugin = PLUGIN_OF_FIELD.get(field or "", tag.plugin)
        kind = "" if plugin is None else plugins.kind_of(plugin)
        if field == "simple_value":
            kind = "scalars"
        elif field is None and kind not in _HELD_BY_METADATA:
            found.add("nothing", key, place.example(tag.name))
            return
        elif field == "tensor" and not plugin and _is_number(value):
            kind = "scalars"
        elif plugin is None:
            found.add("no_plugin", key, place.example(tag.name))
        elif plugin and kind == "tensors" and plugin != raw_tensor.PLUGIN:
            found.add("plugin", key, place.example(tag.name, f"plugin {brief(plugin)}"))
        self._take_point(tag, kind, place, key, found)
        try:
            # Hyperparameters are read once, as they stand first.
            number = self._decoded(value, tag, kind) if kind != "hparams" or brings else None
        except DecodeError as error:
            found.add("value", key, place.example(tag.name, error.what))
        else:
            if number is not None and not cmath.isfinite(number):
                found.add("nan" if cmath.isnan(number) else "inf", key, place.example(tag.name))

    def _take_point(self, tag: _Tag, kind: str, place: _Place, key: int, found: _Found) -> None:
        series = self._series(tag, kind, place, key, found)
        if kind in _NO_SERIES:
            return
        before = series.last
        if before is not None and place.step < before:
            found.add("step_back", key, place.example(tag.name, f"after step {before}"))
        if not series.add(place.step):
            found.add("duplicate", key, place.example(tag.name))

    def _series(self, tag: _Tag, kind: str, place: _Place, key: int, found: _Found) -> SeenSteps:
        """The series of one more value of a kind; "" where no metadata tell the kind."""
        series = tag.kinds.get(kind)
        if series is None:
            others = ", ".join(filter(None, tag.kinds))
            if kind and others:
                found.add("kinds", key, place.example(tag.name, f"{kind} beside {others}"))
            series = tag.kinds[kind] = SeenSteps()
        if kind not in _NO_SERIES:
            self._run.has_begun = True
        return series

    def _decoded(self, value: Summary.Value, tag: _Tag, kind: str) -> complex | None:
        """The number of a scalar; None for any other kind, which is decoded all the same.

        Raises:
            DecodeError: it cannot be.
        """
        if kind == "scalars":
            return complex(scalar.decode(value)[0])
        if value.WhichOneof("value") is None and kind != "hparams":
            return None
        made = _DECODERS[kind or "tensors"](value, tag.metadata or SummaryMetadata())
        if self._run.decodes:
            if kind == "images":
                for one in made:
                    one.to_array()
            elif kind == "audio":
                for one in made:
                    one.to_array(raw=True)
            elif kind == "graphs":
                _ = made.graph_def
        return None

    # ------------------------------------------------------------------ many at once

    def take_batch(self, batch: Batch) -> None:
        """Look at many events at once."""
        found = _Found()
        self._look_at_clocks(batch, found)
        parts: list[Numbers | Other] = [*batch.numbers, *batch.others]
        for one in sorted(parts, key=_first_row):
            if isinstance(one, Numbers):
                self._take_numbers(batch, one, found)
            else:
                self._take_message(batch, one.row, one.event, found)
        found.pour(self._findings)

    def _take_message(self, batch: Batch, row: int, event: int, found: _Found) -> None:
        value = Summary.Value.FromString(batch.message(row))
        self._take_value(value, _place(batch, event), row, found)

    def _look_at_clocks(self, batch: Batch, found: _Found) -> None:
        times = batch.wall_times
        events = np.arange(len(times))
        finite = np.isfinite(times)
        if not finite.all():
            odd = events[~finite]
            found.add_many(
                "clock_nan",
                odd,
                lambda at: _place(batch, int(odd[at])).example(what=repr(float(times[odd[at]]))),
            )
            events = events[finite]
        if not len(events):
            return
        shown = times[events]
        ago = np.concatenate([[self._before], shown[:-1]]) - shown
        back = np.flatnonzero(ago > _CLOCK_SLACK)
        found.add_many(
            "clock_back",
            events[back],
            lambda at: _place(batch, int(events[back[at]])).example(what=_ago(ago[back[at]])),
        )
        self._before = float(shown[-1])

    def _take_numbers(self, batch: Batch, numbers: Numbers, found: _Found) -> None:
        name, layouts, rows, events, values = numbers
        tag = self._run.tag(name)
        if not tag.wanted:
            return
        described = [one.metadata for one in layouts if one.metadata is not None]
        # The layouts are in no order: of several that bring metadata the first has to be found.
        several = tag.metadata is None and len(described) > 1
        if tag.metadata is None and described and not several:
            (tag.metadata,) = described
        # Numbers in tensors are scalars where nothing says otherwise.
        is_tensor = any(layout.is_tensor for layout in layouts)
        odd = is_tensor and (len(layouts) > 1 or tag.plugin not in (None, "", plugins.SCALARS))
        if several or odd:
            for row, event in zip(rows.tolist(), events.tolist(), strict=True):
                self._take_message(batch, row, event, found)
            return

        def add(kind: FindingKind, which: Flags, what: Callable[[int], str] = _nothing) -> None:
            at = np.flatnonzero(which)

            def example(nth: int) -> Example:
                place = _place(batch, int(events[at[nth]]))
                return place.example(tag.name, what(int(at[nth])))

            found.add_many(kind, rows[at], example)

        series = self._series(tag, "scalars", _place(batch, int(events[0])), int(rows[0]), found)
        steps = batch.steps[events]
        first = steps[0] if series.last is None else series.last
        before = np.concatenate([[first], steps[:-1]])
        add("step_back", steps < before, lambda at: f"after step {before[at]}")
        add("duplicate", series.add_many(steps))
        if not np.isfinite(values).all():
            add("nan", np.isnan(values))
            add("inf", np.isinf(values))


def _first_row(one: Numbers | Other) -> int:
    return int(one.rows[0]) if isinstance(one, Numbers) else one.row


def _ago(seconds: float) -> str:
    return f"by {seconds:.6g} s"


def _place(batch: Batch, event: int) -> _Place:
    begin, end = batch.begins[event : event + 2].tolist()
    return _Place(batch.offset + begin, end - begin, int(batch.steps[event]))


def _is_number(value: Summary.Value) -> bool:
    return not value.tensor.tensor_shape.dim and tensor.is_numeric(value.tensor)


class _Found:
    """What was found in one go, tag by tag, to be told in the order of the file."""

    def __init__(self) -> None:
        self._parts: dict[FindingKind, list[tuple[Longs, Callable[[int], Example]]]] = {}

    def add(self, kind: FindingKind, key: int, example: Example) -> None:
        """One finding; the order is that of the keys."""
        self.add_many(kind, np.array([key]), lambda at: example)

    def add_many(self, kind: FindingKind, keys: Longs, example: Callable[[int], Example]) -> None:
        """Many of one tag; their keys ascend.

        Args:
            example: makes the example of the one at a place among them.
        """
        if len(keys):
            self._parts.setdefault(kind, []).append((keys, example))

    def pour(self, findings: Findings) -> None:
        """Add all of it to the findings of the file."""
        for kind, parts in self._parts.items():
            findings.add_many(
                kind,
                sum(len(keys) for keys, _ in parts),
                lambda room, parts=parts: _first(parts, room),  # type: ignore[misc]
            )


def _first(parts: Iterable[tuple[Longs, Callable[[int], Example]]], room: int) -> Iterator[Example]:
    """The examples with the least keys."""
    firsts = sorted(
        (int(key), nth, at)
        for nth, (keys, _) in enumerate(parts)
        for at, key in enumerate(keys[:room])
    )
    makers = [make for _, make in parts]
    return (makers[nth](at) for _, nth, at in itertools.islice(firsts, room))


class SeenSteps:
    """The distinct steps of one tag, and whether one was there before.

    They are kept as ascending stretches: nearly always one, and one more for each restart. Where
    steps come in no order, the last stretches are merged whenever the one before is not twice as
    long, so that there are few to look through and each step is merged only a few times.

    Attributes:
        last: the step that came last; None before the first.

    >>> seen = SeenSteps()
    >>> [seen.add(step) for step in (0, 2, 4, 2, 3, 4, 5)]
    [True, True, True, False, True, False, True]
    >>> seen.add_many(np.array([5, 6, 6, 1]))
    array([ True, False,  True, False])
    """

    __slots__ = ("_stretches", "last")

    def __init__(self) -> None:
        self._stretches: list[array[int]] = [array("q")]
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
        self._extend(np.array([step]))
        return True

    def add_many(self, steps: Longs) -> Flags:
        """The steps of the next points, int64[n]; which of them were there before, bool[n]."""
        self.last = int(steps[-1])
        current = self._stretches[-1]
        if (
            len(self._stretches) == 1
            and (not current or steps[0] > current[-1])
            and (steps[1:] > steps[:-1]).all()
        ):
            current.frombytes(steps.tobytes())
            return np.zeros(len(steps), bool)
        distinct, first = np.unique(steps, return_index=True)
        known = np.zeros(len(distinct), bool)
        for stretch in self._stretches:
            known |= _hold(stretch, distinct)
        duplicates = np.ones(len(steps), bool)
        duplicates[first[~known]] = False
        if not known.all():
            self._extend(distinct[~known])
        return duplicates

    def _extend(self, steps: Longs) -> None:
        """Add steps that ascend, none of which was there."""
        current = self._stretches[-1]
        if current and steps[0] < current[-1]:
            self._merge()
            current = array("q")
            self._stretches.append(current)
        current.frombytes(steps.tobytes())

    def _merge(self) -> None:
        stretches = self._stretches
        while len(stretches) > 1 and len(stretches[-2]) < 2 * len(stretches[-1]):
            joined = np.concatenate([np.frombuffer(s, np.int64) for s in stretches[-2:]])
            joined.sort()
            stretches[-2:] = [array("q", joined.tobytes())]


def _holds(ascending: array[int], step: int) -> bool:
    at = bisect.bisect_left(ascending, step)
    return at < len(ascending) and ascending[at] == step


def _hold(ascending: array[int], steps: Longs) -> Flags:
    """Which of the steps are among those that ascend, bool[n]."""
    if not ascending:
        return np.zeros(len(steps), bool)
    there = np.frombuffer(ascending, np.int64)
    at = np.minimum(np.searchsorted(there, steps), len(there) - 1)
    return np.asarray(there[at] == steps)
