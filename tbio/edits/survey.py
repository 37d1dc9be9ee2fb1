"""Survey: the first of two readings of a run, which finds its tags and the points that stay.

Of a series that is thinned the steps are kept in memory, and the values of scalars where LTTB asks
for them; when the run is through, one bit a point is left of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tbio.bulk.batches import Batch, BatchLane, Numbers
from tbio.columns import parse_version
from tbio.edits import thinning
from tbio.edits.kinds_of_run import KindsOfRun, payload_of
from tbio.edits.request import OF_THE_RUN, Request
from tbio.errors import DecodeError
from tbio.event_file import StoredEvent
from tbio.findings import Findings
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event, SessionLog
from tbio.proto.summary_pb2 import Summary
from tbio.record_file import FileReport, Unverified
from tbio.storage import ByteStream, File, FileState


class Snapshot(File):
    """A file up to the size that it had: what is appended between two readings is not seen."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.name = file.name
        self.taken = file.state()

    def open(self) -> ByteStream:
        """The file's bytes from their beginning."""
        return self.file.open()

    def state(self) -> FileState:
        """Its state now, with the size that it had then."""
        now = self.file.state()
        if now.size is None or self.taken.size is None:
            return now
        return now._replace(size=min(now.size, self.taken.size))


@dataclass
class Survey:
    """What one run of the result is made of.

    Attributes:
        tags: tag -> its kind, as they are in the logs, of all that is there.
        made: new tag -> the old tags and kinds that become it.
        kinds: of the values that stay.
        picked: new tag -> for each of its points one bit, whether it stays; none for a series that
            stays as a whole.
    """

    tags: dict[str, str] = field(default_factory=dict)
    made: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    picked: dict[str, bytes] = field(default_factory=dict)


class _Series:
    """The points of one tag: steps, values of scalars, and what restarts make void."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.steps = array("q")
        self.values = array("d")
        self.purges: list[tuple[int, int]] = []  # points before it, step

    def picked(self, request: Request) -> npt.NDArray[np.bool_]:
        steps = np.array(self.steps, np.int64)
        mask = np.ones(len(steps), bool)
        if request.restarts == "rustboard":
            mask = thinning.not_superseded(steps)
        for before, step in self.purges:
            mask[:before] &= steps[:before] < step
        places = np.flatnonzero(mask)
        if request.every is not None:
            places = places[thinning.every(len(places), request.every)]
        if self.kind == "scalars":
            if request.lttb is not None:
                values = np.array(self.values)[places]
                places = places[thinning.lttb(steps[places], values, request.lttb)]
        elif request.last is not None:
            places = places[thinning.last(len(places), request.last)]
        mask[:] = False
        mask[places] = True
        return mask


class Surveyor:
    """Reads the files of one run of the result."""

    def __init__(self, request: Request, lane: BatchLane, unverified: Unverified = "skip") -> None:
        self._request = request
        self._lane = lane
        self._unverified: Unverified = unverified
        self._survey = Survey()
        self._series: dict[str, _Series] = {}
        self._kinds = KindsOfRun()
        self._starts = 0
        self._is_modern = False  # a file_version of 2 was met
        self._last_step = -1

    def begin_run(self) -> None:
        """The files that follow are those of another run of the logs."""
        self._kinds = KindsOfRun()

    def read(self, file: File, examples: int) -> Findings:
        """Take in a file; what is damaged in it.

        Raises:
            OSError: it cannot be read.
        """
        findings = Findings(examples)
        report = FileReport(file.name)
        findings.listen(report)
        self._lane.read(file, report, self, self._unverified)
        findings.settle(report)
        return findings

    def take_batch(self, batch: Batch) -> None:
        """Take in many events at once (`tbio.bulk.batches.Taker`)."""
        request = self._request
        # There the steps of all tags count, event by event.
        in_order = request.restarts == "tensorboard" and not self._is_modern
        plain = None if in_order else self._kinds.plain(batch, request.tag_of)
        if plain is None:
            for at in range(len(batch)):
                self._add(Event.FromString(payload_of(batch, at)))
            return
        for numbers in batch.numbers:
            self._take_numbers(numbers, batch.steps[numbers.events])
        for other, (tag, kind), value in plain.others:
            self._survey.tags.setdefault(tag, kind)
            step = int(batch.steps[other.event])
            if request.wants(tag, kind, step):
                self._take(tag, kind, step, value, back=False)
        self._last_step = int(batch.steps[-1])

    def _take_numbers(self, numbers: Numbers, steps: npt.NDArray[np.int64]) -> None:
        request, survey, tag = self._request, self._survey, numbers.tag
        survey.tags.setdefault(tag, "scalars")
        mask = request.wants_scalars(tag, steps)
        if not mask.any():
            return
        new = request.tag_of(tag, "scalars")
        survey.made.setdefault(new, set()).add((tag, "scalars"))
        survey.kinds.add("scalars")
        if not request.picks_points:
            return
        series = self._series.get(new)
        if series is None:
            series = self._series[new] = _Series("scalars")
        series.steps.frombytes(steps[mask].tobytes())
        if request.lttb is not None and series.kind == "scalars":
            series.values.frombytes(numbers.values[mask].astype(np.float64).tobytes())

    def take_event(self, stored: StoredEvent, payload: bytes) -> None:
        """Take in one."""
        self._add(stored.event)

    def _add(self, event: Event) -> None:
        what = event.WhichOneof("what")
        if what == "file_version":
            self._is_modern = parse_version(event.file_version) >= 2
        elif what == "session_log" and event.session_log.status == SessionLog.START:
            self._restart(event.step)
        names = list(self._kinds.of_event(event))
        values: Iterable[Summary.Value | None] = (
            event.summary.value if what == "summary" else [None] * len(names)
        )
        back = event.step < self._last_step
        for (tag, kind), value in zip(names, values, strict=True):
            self._survey.tags.setdefault(tag, kind)
            if self._request.wants(tag, kind, event.step):
                self._take(tag, kind, event.step, value, back)
        if names:
            self._last_step = event.step

    def _take(
        self, tag: str, kind: str, step: int, value: Summary.Value | None, back: bool
    ) -> None:
        request, survey = self._request, self._survey
        new = request.tag_of(tag, kind)
        survey.made.setdefault(new, set()).add((tag, kind))
        survey.kinds.add(kind)
        if kind in OF_THE_RUN or not request.picks_points:
            return
        series = self._series.get(new)
        if series is None:
            series = self._series[new] = _Series(kind)
        if back and request.restarts == "tensorboard" and not self._is_modern:
            series.purges.append((len(series.steps), step))
        series.steps.append(step)
        if request.lttb is not None and series.kind == "scalars":
            series.values.append(_number(value))

    def _restart(self, step: int) -> None:
        """A SessionLog.START: see `tbio.rules.Restarts`."""
        rule = self._request.restarts
        self._starts += rule == "session" or self._is_modern
        if rule == "session" or (rule == "tensorboard" and self._is_modern and self._starts > 1):
            for series in self._series.values():
                series.purges.append((len(series.steps), step))

    def finish(self) -> Survey:
        """What was found, when all files were read."""
        for tag, series in self._series.items():
            mask = series.picked(self._request)
            if not mask.all():
                self._survey.picked[tag] = np.packbits(mask).tobytes()
        return self._survey


def _number(value: Summary.Value | None) -> float:
    try:
        return float("nan") if value is None else float(scalar.decode(value)[0])
    except (DecodeError, TypeError, ValueError):
        return float("nan")
