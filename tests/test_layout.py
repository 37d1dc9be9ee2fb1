"""Layouts of custom scalars: from dicts and messages, merged, and as TensorBoard shows them."""

from __future__ import annotations

import sys
import time
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins import base_plugin
from tensorboard.plugins.custom_scalar import layout_pb2 as theirs_pb2
from tensorboard.plugins.custom_scalar import metadata as layout_metadata
from tensorboard.util import tensor_util
from tensorboard_server import BACKENDS, TensorBoardServer

from tbio import EventFileWriter, read_events
from tbio.errors import DecodeError
from tbio.kinds import layout, scalar
from tbio.proto import tensor_pb2
from tbio.proto.event_pb2 import Event
from tbio.proto.layout_pb2 import Category, Chart, Layout, MultilineChartContent
from tbio.proto.summary_pb2 import Summary, SummaryMetadata

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what its libraries say when they are loaded
    from tensorboard.plugins.custom_scalar import custom_scalars_plugin

#: The example of torch's and tensorboardX's documentation.
EXAMPLE = {
    "Taiwan": {"twse": ["Multiline", ["twse/0050", "twse/2330"]]},
    "USA": {
        "dow": ["Margin", ["dow/aaa", "dow/bbb", "dow/ccc"]],
        "nasdaq": ["Margin", ["nasdaq/aaa", "nasdaq/bbb", "nasdaq/ccc"]],
    },
}


def prepared(value: Any) -> Layout:
    proto, amiss = layout.prepare(value)
    assert amiss == ""
    return proto


def plain(proto: Layout) -> dict[str, dict[str, Any]]:
    """Category -> chart -> its kind and tags."""
    return {
        category.title: {
            chart.title: (
                ["Multiline", list(chart.multiline.tag)]
                if chart.HasField("multiline")
                else ["Margin", [(one.value, one.lower, one.upper) for one in chart.margin.series]]
            )
            for chart in category.chart
        }
        for category in proto.category
    }


def test_golden() -> None:
    value = layout.encode(prepared({"c": {"t": ["Multiline", ["a.*"]]}}))
    content = bytes.fromhex(
        "12 0f"  # category (field 2), 15 bytes
        "0a 01 63"  # title: "c"
        "12 0a"  # chart, 10 bytes
        "0a 01 74"  # title: "t"
        "12 05 0a 03 612e2a"  # multiline: tag "a.*"
    )
    assert value.tag == "custom_scalars__config__"
    assert value.tensor.SerializeToString() == (
        bytes.fromhex("08 07 12 00 42 11") + content  # DT_STRING, rank 0, string_val
    )
    assert not value.HasField("metadata")


def test_metadata() -> None:
    theirs = layout_metadata.create_summary_metadata()
    theirs.data_class = summary_pb2.DATA_CLASS_TENSOR  # as dataclass_compat.py adds
    assert layout.metadata() == SummaryMetadata.FromString(theirs.SerializeToString())
    assert layout_metadata.CONFIG_SUMMARY_TAG == layout.TAG


def test_the_example() -> None:
    assert plain(prepared(EXAMPLE)) == {
        "Taiwan": {"twse": ["Multiline", ["twse/0050", "twse/2330"]]},
        "USA": {
            "dow": ["Margin", [("dow/aaa", "dow/bbb", "dow/ccc")]],
            "nasdaq": ["Margin", [("nasdaq/aaa", "nasdaq/bbb", "nasdaq/ccc")]],
        },
    }


def test_a_margin_chart_of_several_lines() -> None:
    """TensorBoard draws them; torch takes three tags and no more."""
    proto = prepared({"c": {"t": ("margin", tuple("abcdef"))}})
    assert plain(proto) == {"c": {"t": ["Margin", [("a", "b", "c"), ("d", "e", "f")]]}}


def test_the_kind_in_any_case() -> None:
    """torch makes a multiline chart of a "margin"."""
    assert prepared({"c": {"t": ["MULTILINE", ["a"]]}}).category[0].chart[0].HasField("multiline")
    assert prepared({"c": {"t": ["margin", list("abc")]}}).category[0].chart[0].HasField("margin")


def test_tags_are_kept_as_they_are() -> None:
    tags = ["loss/.*", r"acc\[0\]", "a(b)", "größe", ""]
    assert layout.multiline(tags)[0].category[0].chart[0].multiline.tag == tags


def test_what_is_no_regular_expression_is_told_of() -> None:
    proto, amiss = layout.multiline(["loss (train", "ok"], "c", "my chart")
    assert plain(proto) == {"c": {"my chart": ["Multiline", ["loss (train", "ok"]]}}
    assert amiss == (
        "chart 'my chart': 'loss (train' is no regular expression (missing ), unterminated "
        "subpattern at position 5); re.escape makes one of a tag"
    )
    assert layout.margin(["a(", "b(", "c("])[1] == ""  # there, tags are tags


def test_single_charts() -> None:
    assert plain(layout.multiline(["a", "b"])[0]) == {
        "default": {"untitled": ["Multiline", ["a", "b"]]}
    }
    assert plain(layout.margin(list("abc"), "c", "t")[0]) == {
        "c": {"t": ["Margin", [("a", "b", "c")]]}
    }


def test_messages() -> None:
    ours = Layout(
        category=[
            Category(title="c", closed=True, chart=[Chart(title="t")]),
        ]
    )
    theirs = theirs_pb2.Layout(
        category=[theirs_pb2.Category(title="c", closed=True, chart=[theirs_pb2.Chart(title="t")])]
    )
    for value in (ours, theirs, ours.SerializeToString()):
        assert prepared(value) == ours
        assert prepared(value) is not ours
    assert prepared(Layout()) == Layout()


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (None, TypeError, r"want a layout .*, got NoneType"),
        ("c", TypeError, r"want a layout .*, got str"),
        ([EXAMPLE], TypeError, r"want a layout .*, got list"),
        (b"\xff\xff", ValueError, "these bytes are no layout"),
        ({"c": ["Multiline", ["a"]]}, TypeError, "category 'c': want a dict of charts, got list"),
        ({"c": {"t": "Multiline"}}, TypeError, r"chart 't': want \[kind, tags\], got 'Multiline'"),
        ({"c": {"t": ["Multiline"]}}, TypeError, r"chart 't': want \[kind, tags\]"),
        ({"c": {"t": ["Multiline", "loss"]}}, TypeError, "want a list of tags, got 'loss'"),
        ({"c": {"t": ["Multiline", {"a"}]}}, TypeError, "want a list of tags, got {'a'}"),
        ({"c": {"t": ["Multiline", [1]]}}, TypeError, "want a str, got int 1"),
        ({"c": {1: ["Multiline", ["a"]]}}, TypeError, "want a str, got int 1"),
        ({1: {"t": ["Multiline", ["a"]]}}, TypeError, "want a str, got int 1"),
        ({"c": {"t": ["Multiline", []]}}, ValueError, "chart 't': want tags, got none"),
        ({"c": {"t": ["Margin", ["a", "b"]]}}, ValueError, "want three tags a line .*, got 2"),
        ({"c": {"t": ["Bar", ["a"]]}}, ValueError, 'kind "Multiline" or "Margin", got \'Bar\''),
        ({"c": {"t": [None, ["a"]]}}, ValueError, "want the kind .*, got None"),
        ({"c": {"\ud800": ["Multiline", ["a"]]}}, ValueError, "cannot be stored as UTF-8"),
    ],
    ids=repr,
)
def test_no_layout(value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        layout.prepare(value)


# ------------------------------------------------------------------ merging


def test_merge() -> None:
    old = prepared({"A": {"1": ["Multiline", ["a"]], "2": ["Multiline", ["b"]]}, "B": {}})
    new = prepared(
        {
            "C": {"1": ["Multiline", ["x"]]},
            "A": {"2": ["Margin", ["c", "d", "e"]], "3": ["Multiline", ["f"]]},
        }
    )
    copies = Layout.FromString(old.SerializeToString()), Layout.FromString(new.SerializeToString())
    both = layout.merge(old, new)
    assert plain(both) == {
        "A": {
            "1": ["Multiline", ["a"]],
            "2": ["Margin", [("c", "d", "e")]],  # the newer one, in the place of the old
            "3": ["Multiline", ["f"]],
        },
        "B": {},
        "C": {"1": ["Multiline", ["x"]]},
    }
    assert [category.title for category in both.category] == ["A", "B", "C"]
    assert (old, new) == copies
    assert layout.merge(both, new) == both
    assert layout.merge(Layout(), new) == new
    assert layout.merge(old, Layout()) == old


def test_a_merged_category_stays_closed() -> None:
    closed = Layout(category=[Category(title="c", closed=True), Category(title="d")])
    opened = Layout(category=[Category(title="c"), Category(title="d", closed=True)])
    for both in (layout.merge(closed, opened), layout.merge(opened, closed)):
        assert [(category.title, category.closed) for category in both.category] == [
            ("c", True),
            ("d", True),
        ]


# ------------------------------------------------------------------ against the others


def corpus_layouts(corpus: Path, folder: str) -> list[Summary.Value]:
    return [
        value
        for path in (corpus / "peers" / folder).iterdir()
        for event in read_events(path)
        for value in event.summary.value
        if value.tag == layout.TAG
    ]


@pytest.mark.parametrize("peer", ["torch", "tensorboardX"])
def test_as_the_peers_write_it(corpus: Path, peer: str) -> None:
    (value,) = corpus_layouts(corpus, f"{peer}/custom_scalars")
    assert layout.encode(prepared(EXAMPLE)).tensor == value.tensor
    (chart,) = corpus_layouts(corpus, f"{peer}/pr_mesh_layout")
    single, _ = layout.multiline(["twse/0050", "twse/2330"])
    assert layout.encode(single).tensor == chart.tensor


def test_as_tensorflow_writes_it(corpus: Path) -> None:
    (value,) = corpus_layouts(corpus, "tensorflow/v1_custom_scalars")
    proto = prepared(
        {
            "losses": {
                "loss": ["Multiline", ["loss.*", "x"]],
                "band": ["Margin", ["loss/mean", "loss/low", "loss/high"]],
            }
        }
    )
    proto.category.add(title="trig", closed=True)
    assert layout.encode(proto).tensor == value.tensor
    assert prepared(value.tensor.string_val[0]) == proto


def test_a_layout_may_end_with_zero_bytes() -> None:
    """As an array of numpy's strings it would lose them."""
    charts = [Chart(title="t", multiline=MultilineChartContent(tag=["a\0"]))]
    proto = Layout(category=[Category(title="c", chart=charts)])
    content = proto.SerializeToString()
    assert content.endswith(b"\0")
    value = layout.encode(proto)
    theirs = summary_pb2.Summary.Value.FromString(value.SerializeToString())
    assert tensor_util.make_ndarray(theirs.tensor).item() == content


# ------------------------------------------------------------------ on the real TensorBoard


@pytest.mark.parametrize("backend", BACKENDS)
def test_tensorboard_shows_it(backend: Any, tmp_path: Path) -> None:
    """The layout that comes last counts; it matches from a tag's beginning."""
    first = prepared(EXAMPLE)
    band = layout.margin(["a", "b", "c", "d", "e", "f"], "USA", "band")[0]
    both = layout.merge(first, band)
    with EventFileWriter(tmp_path) as writer:
        values = [layout.encode(first), layout.encode(both)]
        values[0].metadata.CopyFrom(layout.metadata())
        for value in values:
            writer.add_event(Event(wall_time=1, summary=Summary(value=[value])))
        for step, tag in enumerate(("twse/0050", "twse/00501", "my twse/0050")):
            value = scalar.encode(tag, 0.5)
            writer.add_event(Event(wall_time=1, step=step, summary=Summary(value=[value])))
    plugin = "/data/plugin/custom_scalars"
    with TensorBoardServer(tmp_path, backend) as server:
        shown = server.wait_for(
            f"{plugin}/layout",
            lambda shown: [len(one["chart"]) for one in shown.get("category", ())] == [1, 3],
        )
        taiwan, usa = shown["category"]
        assert taiwan["chart"] == [
            {"title": "twse", "multiline": {"tag": ["twse/0050", "twse/2330"]}}
        ]
        assert usa["chart"][2] == {
            "title": "band",
            "margin": {
                "series": [
                    {"value": "a", "lower": "b", "upper": "c"},
                    {"value": "d", "lower": "e", "upper": "f"},
                ]
            },
        }
        drawn = server.wait_for(
            f"{plugin}/scalars",
            lambda drawn: len(drawn["tag_to_events"]) == 2,
            run=".",
            tag="(twse/0050)|(twse/2330)",
        )
        assert drawn["regex_valid"]
        assert set(drawn["tag_to_events"]) == {"twse/0050", "twse/00501"}


# ------------------------------------------------------------------ reading


def read(value: Summary.Value) -> layout.Layout:
    return layout.decode(value, SummaryMetadata())


def test_decode(corpus: Path) -> None:
    (value,) = corpus_layouts(corpus, "tensorflow/v1_custom_scalars")
    assert read(value) == layout.Layout(
        (
            layout.Category(
                "losses",
                (
                    layout.Chart("loss", "Multiline", ("loss.*", "x")),
                    layout.Chart(
                        "band",
                        "Margin",
                        lines=(layout.MarginLine("loss/mean", "loss/low", "loss/high"),),
                    ),
                ),
            ),
            layout.Category("trig", (), closed=True),
        )
    )
    assert repr(read(value)) == "<Layout: 2 charts in 2 categories: 'losses', 'trig'>"


@pytest.mark.parametrize("peer", ["torch", "tensorboardX"])
def test_decode_what_the_peers_write(corpus: Path, peer: str) -> None:
    (value,) = corpus_layouts(corpus, f"{peer}/custom_scalars")
    assert read(value).to_dict() == EXAMPLE


TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
CHARTS = st.builds(
    layout.Chart, TEXT, st.just("Multiline"), st.lists(TEXT, min_size=1).map(tuple)
) | st.builds(
    lambda title, lines: layout.Chart(title, "Margin", lines=tuple(lines)),
    TEXT,
    st.lists(st.builds(layout.MarginLine, TEXT, TEXT, TEXT), min_size=1),
)
LAYOUTS = st.builds(
    layout.Layout,
    st.lists(
        st.builds(layout.Category, TEXT, st.lists(CHARTS, max_size=3).map(tuple), st.booleans()),
        max_size=3,
    ).map(tuple),
)


@settings(deadline=None)
@given(LAYOUTS)
def test_written_and_read(whole: layout.Layout) -> None:
    assert read(layout.encode(layout.prepare(whole)[0])) == whole
    # As a dict it keeps every chart, though not which categories are closed.
    again = read(layout.encode(layout.prepare(whole.to_dict())[0]))
    charts = [chart for category in whole.categories for chart in category.charts]
    kept = [chart for category in again.categories for chart in category.charts]
    assert sorted((one.tags, one.lines) for one in kept) == sorted(
        (one.tags, one.lines) for one in charts
    )
    assert {one.title for one in again.categories} == {one.title for one in whole.categories}
    assert again.to_dict() == whole.to_dict()


def test_a_dict_has_each_title_once() -> None:
    a, b, c = (layout.Chart("t", tags=(tag,)) for tag in "abc")
    whole = layout.Layout(
        (
            layout.Category("x", (a, b, layout.Chart("empty"))),
            layout.Category("y"),
            layout.Category("x", (c,)),
        )
    )
    assert whole.to_dict() == {
        "x": {
            "t": ["Multiline", ["a"]],
            "t (2)": ["Multiline", ["b"]],
            "t (3)": ["Multiline", ["c"]],
        },
        "y": {},
    }


def layout_value(*contents: bytes, sizes: tuple[int, ...] = ()) -> Summary.Value:
    value = Summary.Value(tag=layout.TAG)
    value.tensor.dtype = tensor_pb2.DT_STRING
    value.tensor.string_val.extend(contents)
    for size in sizes:
        value.tensor.tensor_shape.dim.add(size=size)
    return value


def test_a_layout_of_rank_one() -> None:
    """TensorBoard takes the one item of whatever shape (``numpy.item()``)."""
    content = prepared(EXAMPLE).SerializeToString()
    assert read(layout_value(content, sizes=(1, 1))).to_dict() == EXAMPLE


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Summary.Value(), "a layout without a tensor: it holds nothing"),
        (Summary.Value(simple_value=1), "a layout without a tensor: it holds simple_value"),
        (scalar.encode("t", 1, as_tensor=True), "in one string, got 0 of DT_FLOAT, shape"),
        (layout_value(), "got 0 of DT_STRING"),
        (layout_value(b"", b""), "got 2 of DT_STRING"),
        (layout_value(b"", sizes=(2**40,)), r"got 1 of DT_STRING, shape \[1099511627776\]"),
        (layout_value(b"", sizes=(-1,)), r"shape \[-1\]"),
        (layout_value(b"\xff\xff"), "of bytes that are none"),
        (layout_value(b"\x12\x03\x0a\x01\xff"), "of bytes that are none"),  # no UTF-8
    ],
)
def test_no_layout_to_read(value: Summary.Value, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        read(value)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes(content: bytes) -> None:
    try:
        whole = read(layout_value(content))
    except DecodeError:
        return
    assert isinstance(whole, layout.Layout)
    for category in whole.categories:
        for chart in category.charts:
            assert chart.matches("loss") in (True, False)


TAGS = ["loss", "loss/train", "my loss", "acc[0]", "", "a+b"]


def drawn(patterns: list[str]) -> list[str]:
    """The tags that TensorBoard sends for a multiline chart; its page joins the expressions."""
    joined = patterns[0] if len(patterns) == 1 else "|".join(f"({one})" for one in patterns)
    plugin = custom_scalars_plugin.CustomScalarsPlugin(base_plugin.TBContext())
    plugin._data_provider = types.SimpleNamespace(
        list_scalars=lambda ctx, **_: {"run": dict.fromkeys(TAGS)}
    )
    plugin._get_scalars_plugin = lambda: types.SimpleNamespace(scalars_impl=lambda *_: [[]])
    answer: dict[str, Any] = plugin.scalars_impl(None, "run", joined, "")
    return list(answer["tag_to_events"])


@pytest.mark.parametrize(
    ("patterns", "tags"),
    [
        (["loss"], ["loss", "loss/train"]),
        (["loss$", "my.*"], ["loss", "my loss"]),
        (["a+b"], []),
        ([r"acc\[0\]"], ["acc[0]"]),
        (["", ""], TAGS),
        ([""], []),  # a request without an expression
        (["loss", "("], []),  # one that is none, and nothing is shown
        (["(?P<x>a)", "(?P<x>l)"], []),  # none together
        pytest.param(
            ["l", "(?i)A"],
            [],
            marks=pytest.mark.skipif(
                sys.version_info < (3, 11), reason="Python 3.10 takes flags in the middle"
            ),
        ),
        (["loss", "a)|(a"], ["loss", "loss/train", "acc[0]", "a+b"]),
    ],
    ids=repr,
)
def test_matches_as_tensorboard(patterns: list[str], tags: list[str]) -> None:
    chart = layout.Chart("t", tags=tuple(patterns))
    assert [tag for tag in TAGS if chart.matches(tag)] == tags == drawn(patterns)


def test_a_margin_chart_has_its_tags_by_name() -> None:
    chart = layout.Chart("t", "Margin", lines=(layout.MarginLine("a+b", "loss", "("),))
    assert [tag for tag in [*TAGS, "("] if chart.matches(tag)] == ["loss", "a+b", "("]


@pytest.mark.parametrize(
    "pattern", ["a{99999999999}", "(" * 5000 + ")" * 5000, "[[a]", "\\", "(?<=a*)b", "*"]
)
def test_hostile_expressions(pattern: str) -> None:
    assert layout.Chart("t", tags=(pattern,)).matches("[b") in (True, False)
    assert isinstance(layout.multiline([pattern])[1], str)


def test_a_chart_without_tags_matches_nothing() -> None:
    assert not layout.Chart("t").matches("")
    assert not layout.Chart("t").matches("loss")


def tensorboard_merges(layouts: dict[str, layout.Layout]) -> layout.Layout:
    data = {
        run: {layout.TAG: [types.SimpleNamespace(numpy=np.array(content, object))]}
        for run, content in (
            (run, layout.prepare(one)[0].SerializeToString()) for run, one in layouts.items()
        )
    }
    plugin = custom_scalars_plugin.CustomScalarsPlugin(base_plugin.TBContext())
    plugin._data_provider = types.SimpleNamespace(read_tensors=lambda ctx, **_: data)
    proto = json_format.Parse(plugin.layout_impl(None, ""), theirs_pb2.Layout())
    return read(layout.encode(layout.prepare(proto)[0]))


def test_merged_as_tensorboard() -> None:
    a, b, c = (layout.Chart(title, tags=(title,)) for title in "abc")
    other = layout.Chart("a", tags=("other",))
    runs = {
        "1": layout.Layout((layout.Category("x", (a, b)), layout.Category("y", closed=True))),
        "2": layout.Layout((layout.Category("x", (b, c), closed=True), layout.Category("z"))),
        "3": layout.Layout((layout.Category("y", (a, a)), layout.Category("x", (other,)))),
    }
    both = layout.merged(runs.values())
    assert both == tensorboard_merges(runs)
    assert both == layout.Layout(
        (
            layout.Category("x", (a, b, c, other)),
            layout.Category("y", (a, a), closed=True),
            layout.Category("z"),
        )
    )
    assert layout.merged([]) == layout.Layout()
    assert layout.merged([runs["1"]]) == runs["1"]


@settings(deadline=None, max_examples=50)
@given(LAYOUTS, LAYOUTS)
def test_two_merged_as_tensorboard(first: layout.Layout, second: layout.Layout) -> None:
    titles = [category.title for category in second.categories]
    assume(len(set(titles)) == len(titles))  # of two that are new it loses the charts of one
    assert layout.merged([first, second]) == tensorboard_merges({"1": first, "2": second})


def test_many_charts_take_no_quadratic_time() -> None:
    """They took half a minute."""
    charts = tuple(layout.Chart("one title", tags=(f"loss/{number}",)) for number in range(20_000))
    whole = layout.Layout((layout.Category("category", charts),))
    single = layout.Layout(tuple(layout.Category(chart.tags[0], (chart,)) for chart in charts))
    start = time.perf_counter()
    content = whole.to_dict()["category"]
    assert layout.merged([whole, whole]) == whole
    assert layout.merged([single, single]) == single
    assert time.perf_counter() - start < 5
    assert list(content)[:2] == ["one title", "one title (2)"]
    assert content["one title (20000)"] == ["Multiline", ["loss/19999"]]


def test_merged_keeps_what_tensorboard_loses() -> None:
    """A third run's charts in a category that the second run began."""
    a, b = (layout.Chart(title, tags=(title,)) for title in "ab")
    runs = [layout.Layout((layout.Category("x", charts),)) for charts in ((), (a,), (b,))]
    runs[0] = layout.Layout((layout.Category("first"),))
    assert layout.merged(runs).categories[1] == layout.Category("x", (a, b))
    lost = tensorboard_merges(dict(zip("123", runs, strict=True)))
    assert lost.categories[1] == layout.Category("x", (a,))
