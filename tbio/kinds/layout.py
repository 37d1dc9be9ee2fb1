"""Layouts of the custom scalars page: categories of charts, each of scalars of several tags.

The page reads one value, the newest layout under `TAG`, and joins those of several runs
(tensorboard/plugins/custom_scalar/). What a chart shows of a run:

* *multiline*: all tags that one of its regular expressions matches, from the tag's beginning
  (``re.match``: "loss" also finds "loss_val"). A tag with brackets or other special characters has
  to be escaped, ``re.escape(tag)``; neither torch nor tbio does that by itself.
* *margin*: a line with a band around it, of three tags by their names: value, lower, upper.

torch and tensorboardX write a layout for each call, of which the last one hides the others. `merge`
is for a writer that keeps all of them, `merged` for a reader of several runs.

A layout that was read is a `Layout` of `Category` and `Chart`; writing goes by the message of
layout.proto, since it has to give the same bytes as the peers.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from google.protobuf.message import DecodeError as ProtobufError

from tbio import plugins, tensor
from tbio.errors import DecodeError
from tbio.proto import layout_pb2, tensor_pb2
from tbio.proto.layout_pb2 import MarginChartContent, MultilineChartContent
from tbio.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata

#: The one tag that TensorBoard looks at.
TAG = "custom_scalars__config__"

#: The last two are what protobuf's pure-Python form says of bad UTF-8 and of depth.
_PARSE_ERRORS = (ProtobufError, ValueError, RecursionError)

ChartKind: TypeAlias = Literal["Multiline", "Margin"]


class MarginLine(NamedTuple):
    """The tags of one line of a margin chart, and of the band around it."""

    value: str
    lower: str
    upper: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: which scalars of a run it shows.

    Attributes:
        title: what stands above it.
        kind: "Multiline" or "Margin".
        tags: the regular expressions of a multiline chart.
        lines: the lines of a margin chart, three tags each.
    """

    title: str
    kind: ChartKind = "Multiline"
    tags: tuple[str, ...] = ()
    lines: tuple[MarginLine, ...] = ()

    def matches(self, tag: str) -> bool:
        """Whether TensorBoard draws the scalars of a tag here.

        A margin chart has its tags by name. The expressions of a multiline chart are joined to one,
        ``(a)|(b)``, and tried from the tag's beginning: if one of them is none, or together they
        are none, the chart shows nothing at all (tf-custom-scalar-multi-line-chart-card.ts;
        custom_scalars_plugin.py, ``scalars_impl``). Like there, an expression that backtracks
        without end takes its time.

        >>> chart = Chart("losses", tags=("loss/.*", "cost"))
        >>> [chart.matches(tag) for tag in ("loss/train", "costs", "my cost")]
        [True, True, False]
        """
        if self.kind == "Margin":
            return any(tag in line for line in self.lines)
        pattern = self.tags[0] if len(self.tags) == 1 else "|".join(f"({one})" for one in self.tags)
        regex = _compiled(pattern)
        # The server takes no expression at all for a request without one.
        return bool(pattern) and isinstance(regex, re.Pattern) and regex.match(tag) is not None

    def _content(self) -> list[Any]:
        """``[kind, tags]``."""
        return [self.kind, [*self.tags, *(tag for line in self.lines for tag in line)]]


@dataclass(frozen=True, slots=True)
class Category:
    """Charts under one heading.

    Attributes:
        title: the heading.
        charts: from the top.
        closed: whether it is folded up when the page opens.
    """

    title: str
    charts: tuple[Chart, ...] = ()
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """What the custom scalars page shows, as it was logged; see `decode`.

    Attributes:
        categories: from the top.
    """

    categories: tuple[Category, ...] = ()

    def __repr__(self) -> str:
        charts = sum(len(category.charts) for category in self.categories)
        titles = ", ".join(repr(category.title) for category in self.categories)
        return f"<Layout: {charts} charts in {len(self.categories)} categories: {titles}>"

    def to_dict(self) -> dict[str, dict[str, list[Any]]]:
        """``{category: {chart: [kind, tags]}}``, as ``add_custom_scalars`` takes it.

        A dict has each title once: categories of one title are joined, and further charts of one
        title become "title (2)" and so on. It does not say which categories are closed, and has no
        charts without tags, which show nothing. `prepare` takes a `Layout` as it is, too.

        >>> Layout((Category("Loss", (Chart("all", tags=("loss/.*",)),)),)).to_dict()
        {'Loss': {'all': ['Multiline', ['loss/.*']]}}
        """
        whole: dict[str, dict[str, list[Any]]] = {}
        repeats: Counter[tuple[str, str]] = Counter()
        for category in self.categories:
            charts = whole.setdefault(category.title, {})
            for chart in category.charts:
                if not (chart.tags or chart.lines):
                    continue
                name, titles = chart.title, (category.title, chart.title)
                while name in charts:
                    repeats[titles] += 1
                    name = f"{chart.title} ({repeats[titles] + 1})"
                charts[name] = chart._content()
        return whole

    def to_proto(self) -> layout_pb2.Layout:
        """The message that `encode` takes."""
        proto = layout_pb2.Layout()
        for category in self.categories:
            into = proto.category.add(title=category.title, closed=category.closed)
            for chart in category.charts:
                into.chart.append(_chart_proto(chart))
        return proto


def _chart_proto(chart: Chart) -> layout_pb2.Chart:
    proto = layout_pb2.Chart(title=chart.title)
    if chart.kind == "Margin":
        series = [MarginChartContent.Series(**line._asdict()) for line in chart.lines]
        proto.margin.CopyFrom(MarginChartContent(series=series))
    else:
        proto.multiline.CopyFrom(MultilineChartContent(tag=chart.tags))
    return proto


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | str:
    """The expression, or why it is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a later Python may take differently
        try:
            return re.compile(pattern)
        except (re.error, OverflowError, RecursionError, MemoryError) as error:
            return str(error)


def prepare(layout: Any) -> tuple[layout_pb2.Layout, str]:
    """A layout of one's own, and what is amiss with it ("" for nothing).

    Args:
        layout: ``{category: {chart: [kind, tags]}}`` as torch and tensorboardX take it, with the
            kinds "Multiline" and "Margin" (three tags a line: value, lower, upper); or a `Layout`
            that was read; or a Layout message, tbio's or TensorBoard's; or one serialized.

    Raises:
        TypeError: not of this form.
        ValueError: an unknown kind, no tags, tags of a margin chart that are no triples.

    >>> layout, _ = prepare({"Loss": {"all": ["Multiline", ["loss/.*"]]}})
    >>> layout.category[0].chart[0].multiline.tag
    ['loss/.*']
    """
    if isinstance(layout, Mapping):
        proto = _of_dict(layout)
    elif isinstance(layout, Layout):
        proto = layout.to_proto()
    else:
        if hasattr(layout, "SerializeToString"):
            layout = layout.SerializeToString()
        if not isinstance(layout, bytes):
            got = type(layout).__name__
            raise TypeError(f"want a layout {{category: {{chart: [kind, tags]}}}}, got {got}")
        try:
            proto = layout_pb2.Layout.FromString(layout)
        except _PARSE_ERRORS as error:
            raise ValueError(f"these bytes are no layout: {error}") from error
    return proto, _amiss(proto)


def _of_dict(layout: Mapping[Any, Any]) -> layout_pb2.Layout:
    proto = layout_pb2.Layout()
    for title, charts in layout.items():
        if not isinstance(charts, Mapping):
            got = type(charts).__name__
            raise TypeError(f"category {title!r}: want a dict of charts, got {got}")
        category = proto.category.add(title=_text(title))
        for name, content in charts.items():
            where = f"chart {name!r}"
            if not isinstance(content, (list, tuple)) or len(content) != 2:
                raise TypeError(f"{where}: want [kind, tags], got {content!r:.80}")
            category.chart.append(_chart(where, _text(name), *content))
    return proto


def _chart(where: str, title: str, kind: object, tags: object) -> layout_pb2.Chart:
    if not isinstance(tags, Sequence) or isinstance(tags, (str, bytes)):
        raise TypeError(f"{where}: want a list of tags, got {tags!r:.80}")
    names = [_text(tag) for tag in tags]
    if not names:
        raise ValueError(f"{where}: want tags, got none")
    match kind.casefold() if isinstance(kind, str) else kind:
        case "multiline":
            return layout_pb2.Chart(title=title, multiline=MultilineChartContent(tag=names))
        case "margin":
            if len(names) % 3:
                raise ValueError(
                    f"{where}: want three tags a line (value, lower, upper), got {len(names)}"
                )
            series = [
                MarginChartContent.Series(value=value, lower=lower, upper=upper)
                for value, lower, upper in zip(names[::3], names[1::3], names[2::3], strict=True)
            ]
            return layout_pb2.Chart(title=title, margin=MarginChartContent(series=series))
    raise ValueError(f'{where}: want the kind "Multiline" or "Margin", got {kind!r:.80}')


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"want a str, got {type(value).__name__} {value!r:.80}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{value!r:.80} cannot be stored as UTF-8") from error
    return value


def _amiss(layout: layout_pb2.Layout) -> str:
    """The expressions for which TensorBoard will draw nothing, and does not say why."""
    notes = []
    for category in layout.category:
        for chart in category.chart:
            for tag in chart.multiline.tag:
                why = _compiled(tag)
                if isinstance(why, str):
                    notes.append(
                        f"chart {chart.title!r}: {tag!r} is no regular expression ({why}); "
                        "re.escape makes one of a tag"
                    )
    return "; ".join(notes)


def multiline(
    tags: Sequence[str], category: str = "default", title: str = "untitled"
) -> tuple[layout_pb2.Layout, str]:
    """A layout of one multiline chart; see `prepare`.

    >>> multiline(["loss"])[0].category[0].title
    'default'
    """
    return prepare({category: {title: ["Multiline", tags]}})


def margin(
    tags: Sequence[str], category: str = "default", title: str = "untitled"
) -> tuple[layout_pb2.Layout, str]:
    """A layout of one margin chart, of three tags a line: value, lower, upper; see `prepare`.

    >>> margin(["loss", "loss/min", "loss/max"])[0].category[0].chart[0].margin.series[0].upper
    'loss/max'
    """
    return prepare({category: {title: ["Margin", tags]}})


def merge(old: layout_pb2.Layout, new: layout_pb2.Layout) -> layout_pb2.Layout:
    """Both layouts in one, a new one: categories of one title are joined.

    A chart of ``new`` takes the place of that with its title in the category, or comes behind.

    >>> both = merge(multiline(["a"], "x", "1")[0], multiline(["b"], "x", "2")[0])
    >>> [chart.title for category in both.category for chart in category.chart]
    ['1', '2']
    """
    both = layout_pb2.Layout()
    both.CopyFrom(old)
    categories = {category.title: category for category in both.category}
    for category in new.category:
        if category.title not in categories:
            categories[category.title] = both.category.add(title=category.title)
        known = categories[category.title]
        known.closed = known.closed or category.closed
        for chart in category.chart:
            _place(known, chart)
    return both


def _place(category: layout_pb2.Category, chart: layout_pb2.Chart) -> None:
    for known in category.chart:
        if known.title == chart.title:
            known.CopyFrom(chart)
            return
    category.chart.append(chart)


def encode(layout: layout_pb2.Layout) -> Summary.Value:
    """A layout, under `TAG`; the first value needs `metadata`.

    >>> encode(multiline(["loss"])[0]).tag
    'custom_scalars__config__'
    """
    # An array of objects: numpy's own strings would lose zero bytes at the end.
    content = np.array(layout.SerializeToString(), object)
    return Summary.Value(tag=TAG, tensor=tensor.encode(content))


def metadata() -> SummaryMetadata:
    """The metadata of the layout's tag, for its first value."""
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugins.CUSTOM_SCALARS),
        data_class=DATA_CLASS_TENSOR,
    )


def decode(value: Summary.Value, metadata: SummaryMetadata) -> Layout:
    """A layout as it was logged; of several in a run TensorBoard shows the last.

    Args:
        value: a tensor of one string, of any rank, as custom_scalars_plugin.py takes it.
        metadata: not looked at: this plugin has no content.

    Raises:
        DecodeError: something else than one string, or bytes that are no layout.

    >>> decode(encode(multiline(["loss"])[0]), SummaryMetadata()).categories[0].charts
    (Chart(title='untitled', kind='Multiline', tags=('loss',), lines=()),)
    """
    proto = tensor.of_value(value, "a layout")
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if proto.dtype != tensor_pb2.DT_STRING or len(proto.string_val) != 1 or set(sizes) - {1}:
        got = f"{len(proto.string_val)} of {tensor.dtype_name(proto.dtype)}, shape {sizes!s:.80}"
        raise DecodeError(f"want a layout in one string, got {got}")
    try:
        layout = layout_pb2.Layout.FromString(proto.string_val[0])
    except _PARSE_ERRORS as error:
        raise DecodeError("a layout of bytes that are none") from error
    return Layout(
        tuple(
            Category(category.title, tuple(map(_chart_read, category.chart)), category.closed)
            for category in layout.category
        )
    )


def _chart_read(chart: layout_pb2.Chart) -> Chart:
    if not chart.HasField("margin"):
        return Chart(chart.title, "Multiline", tuple(chart.multiline.tag))
    lines = (MarginLine(one.value, one.lower, one.upper) for one in chart.margin.series)
    return Chart(chart.title, "Margin", lines=tuple(lines))


def merged(layouts: Iterable[Layout]) -> Layout:
    """The layouts of several runs, in the order of their names, joined as on TensorBoard's page.

    Categories of one title are joined; a chart comes behind those that are there, unless one of
    them is equal to it. Whether a category is closed, its first layout says
    (custom_scalars_plugin.py, ``layout_impl``; that one loses what a third run adds to a category
    that the second began, which this does not copy).

    >>> one, two = (decode(encode(multiline([tag])[0]), SummaryMetadata()) for tag in "ab")
    >>> merged([one, two, one])
    <Layout: 2 charts in 1 categories: 'default'>
    """
    whole: list[tuple[Category, list[Chart], set[Chart]]] = []
    last: dict[str, int] = {}  # title -> place of the last category that has it
    for number, layout in enumerate(layouts):
        for category in layout.categories:
            if number == 0 or category.title not in last:
                last[category.title] = len(whole)
                whole.append((category, list(category.charts), set(category.charts)))
                continue
            _, charts, there = whole[last[category.title]]
            fresh = [chart for chart in category.charts if chart not in there]
            charts += fresh
            there.update(fresh)
    return Layout(tuple(replace(one, charts=tuple(charts)) for one, charts, _ in whole))
