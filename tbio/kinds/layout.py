"""Layouts of the custom scalars page: categories of charts, each of scalars of several tags.

The page reads one value, the newest layout under `TAG`, and joins those of several runs
(tensorboard/plugins/custom_scalar/). What a chart shows of a run:

* *multiline*: all tags that one of its regular expressions matches, from the tag's beginning
  (``re.match``: "loss" also finds "loss_val"). A tag with brackets or other special characters has
  to be escaped, ``re.escape(tag)``; neither torch nor tbio does that by itself.
* *margin*: a line with a band around it, of three tags by their names: value, lower, upper.

torch and tensorboardX write a layout for each call, of which the last one hides the others. `merge`
is for a writer that keeps all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError as ProtobufError

from tbio import plugins, tensor
from tbio.proto.layout_pb2 import (
    Category,
    Chart,
    Layout,
    MarginChartContent,
    MultilineChartContent,
)
from tbio.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata

#: The one tag that TensorBoard looks at.
TAG = "custom_scalars__config__"


def prepare(layout: Any) -> tuple[Layout, str]:
    """A layout of one's own, and what is amiss with it ("" for nothing).

    Args:
        layout: ``{category: {chart: [kind, tags]}}`` as torch and tensorboardX take it, with the
            kinds "Multiline" and "Margin" (three tags a line: value, lower, upper); or a Layout
            message, tbio's or TensorBoard's; or one serialized.

    Raises:
        TypeError: not of this form.
        ValueError: an unknown kind, no tags, tags of a margin chart that are no triples.

    >>> layout, _ = prepare({"Loss": {"all": ["Multiline", ["loss/.*"]]}})
    >>> layout.category[0].chart[0].multiline.tag
    ['loss/.*']
    """
    if isinstance(layout, Mapping):
        proto = _of_dict(layout)
    else:
        if hasattr(layout, "SerializeToString"):
            layout = layout.SerializeToString()
        if not isinstance(layout, bytes):
            got = type(layout).__name__
            raise TypeError(f"want a layout {{category: {{chart: [kind, tags]}}}}, got {got}")
        try:
            proto = Layout.FromString(layout)
        except ProtobufError as error:
            raise ValueError(f"these bytes are no layout: {error}") from error
    return proto, _amiss(proto)


def _of_dict(layout: Mapping[Any, Any]) -> Layout:
    proto = Layout()
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


def _chart(where: str, title: str, kind: object, tags: object) -> Chart:
    if not isinstance(tags, Sequence) or isinstance(tags, (str, bytes)):
        raise TypeError(f"{where}: want a list of tags, got {tags!r:.80}")
    names = [_text(tag) for tag in tags]
    if not names:
        raise ValueError(f"{where}: want tags, got none")
    match kind.casefold() if isinstance(kind, str) else kind:
        case "multiline":
            return Chart(title=title, multiline=MultilineChartContent(tag=names))
        case "margin":
            if len(names) % 3:
                raise ValueError(
                    f"{where}: want three tags a line (value, lower, upper), got {len(names)}"
                )
            series = [
                MarginChartContent.Series(value=value, lower=lower, upper=upper)
                for value, lower, upper in zip(names[::3], names[1::3], names[2::3], strict=True)
            ]
            return Chart(title=title, margin=MarginChartContent(series=series))
    raise ValueError(f'{where}: want the kind "Multiline" or "Margin", got {kind!r:.80}')


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"want a str, got {type(value).__name__} {value!r:.80}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{value!r:.80} cannot be stored as UTF-8") from error
    return value


def _amiss(layout: Layout) -> str:
    """The expressions for which TensorBoard will draw nothing, and does not say why."""
    notes = []
    for category in layout.category:
        for chart in category.chart:
            for tag in chart.multiline.tag:
                try:
                    re.compile(tag)
                except re.error as error:
                    notes.append(
                        f"chart {chart.title!r}: {tag!r} is no regular expression ({error}); "
                        "re.escape makes one of a tag"
                    )
    return "; ".join(notes)


def multiline(
    tags: Sequence[str], category: str = "default", title: str = "untitled"
) -> tuple[Layout, str]:
    """A layout of one multiline chart; see `prepare`.

    >>> multiline(["loss"])[0].category[0].title
    'default'
    """
    return prepare({category: {title: ["Multiline", tags]}})


def margin(
    tags: Sequence[str], category: str = "default", title: str = "untitled"
) -> tuple[Layout, str]:
    """A layout of one margin chart, of three tags a line: value, lower, upper; see `prepare`.

    >>> margin(["loss", "loss/min", "loss/max"])[0].category[0].chart[0].margin.series[0].upper
    'loss/max'
    """
    return prepare({category: {title: ["Margin", tags]}})


def merge(old: Layout, new: Layout) -> Layout:
    """Both layouts in one, a new one: categories of one title are joined.

    A chart of ``new`` takes the place of that with its title in the category, or comes behind.

    >>> both = merge(multiline(["a"], "x", "1")[0], multiline(["b"], "x", "2")[0])
    >>> [chart.title for category in both.category for chart in category.chart]
    ['1', '2']
    """
    both = Layout()
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


def _place(category: Category, chart: Chart) -> None:
    for known in category.chart:
        if known.title == chart.title:
            known.CopyFrom(chart)
            return
    category.chart.append(chart)


def encode(layout: Layout) -> Summary.Value:
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
