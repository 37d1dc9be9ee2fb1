"""KindsOfRun: of what kind each value of a run is, event by event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tbio import plugins, tensor
from tbio.bulk.batches import Batch, Other
from tbio.columns import PLUGIN_OF_FIELD
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.record import FOOTER_BYTES, HEADER_BYTES


class Named(NamedTuple):
    """A value's tag and kind."""

    tag: str
    kind: str


class Plain(NamedTuple):
    """A batch of which the scalars of each tag may be taken together.

    Attributes:
        firsts: the first value of each of `Batch.numbers`.
        others: row, event, tag and kind, and value of each that is no number, by row.
    """

    firsts: list[Summary.Value]
    others: list[tuple[Other, Named, Summary.Value]]


class KindsOfRun:
    """The kinds of values, as `tbio.columns` finds them out; a tag's metadata stand on its first.

    Attributes:
        metadata: tag -> the first metadata that it came with in the run so far.
    """

    def __init__(self) -> None:
        self.metadata: dict[str, SummaryMetadata] = {}

    def of_event(self, event: Event) -> Iterator[Named]:
        """Tag and kind of each value of an event's summary, or of the graph that it is."""
        what = event.WhichOneof("what")
        if what == "summary":
            for value in event.summary.value:
                tag = value.tag or value.node_name
                yield Named(tag, self._kind_of(tag, value))
        elif what == "graph_def":
            yield Named(plugins.RUN_GRAPH_TAG, "graphs")
        elif what == "meta_graph_def":
            yield Named(plugins.META_GRAPH_TAG, "graphs")
        elif what == "tagged_run_metadata":
            yield Named(event.tagged_run_metadata.tag, "graphs")

    def plain(self, batch: Batch, tag_of: Callable[[str, str], str]) -> Plain | None:
        """What stands in a batch; None when its events have to be taken one by one.

        That is so when one tag's values differ in what they say of themselves, and when two tags
        get one name: then the order of all values counts.

        Args:
            tag_of: the new name of a tag of a kind.
        """
        firsts = []
        news: set[str] = set()
        for numbers in batch.numbers:
            first = Summary.Value.FromString(batch.message(int(numbers.rows[0])))
            tag = first.tag or first.node_name
            if len(numbers.layouts) > 1 or self._kind_of(tag, first) != "scalars":
                return None
            firsts.append(first)
            news.add(tag_of(tag, "scalars"))
        others = []
        olds: dict[str, str] = {}
        for other in batch.others:
            value = Summary.Value.FromString(batch.message(other.row))
            tag = value.tag or value.node_name
            kind = self._kind_of(tag, value)
            others.append((other, Named(tag, kind), value))
            new = tag_of(tag, kind)
            if new in news or olds.setdefault(new, tag) != tag:
                return None
        return Plain(firsts, others) if len(news) == len(firsts) else None

    def _kind_of(self, tag: str, value: Summary.Value) -> str:
        if value.HasField("metadata") and tag not in self.metadata:
            self.metadata[tag] = value.metadata
        field = value.WhichOneof("value") or ""
        if field == "simple_value":
            return "scalars"
        known = self.metadata.get(tag)
        plugin = PLUGIN_OF_FIELD.get(field) or (known.plugin_data.plugin_name if known else "")
        is_number = (
            field == "tensor"
            and not value.tensor.tensor_shape.dim
            and tensor.is_numeric(value.tensor)
        )
        return "scalars" if is_number and not plugin else plugins.kind_of(plugin)


def payload_of(batch: Batch, event: int) -> bytes:
    """The bytes of one event of a batch."""
    begin, end = int(batch.begins[event]), int(batch.begins[event + 1])
    return batch.data[begin + HEADER_BYTES : end - FOOTER_BYTES]
