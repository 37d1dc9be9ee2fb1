"""Text: strings of any rank, against TensorBoard's encoder, TensorFlow's files and the server."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from corpus_values import truth_of, values_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.plugins.text import summary_v2
from tensorboard.util import tensor_util
from tensorboard_server import BACKENDS, TensorBoardServer

from tbio import EventFileWriter, read_events, tensor
from tbio.errors import DecodeError
from tbio.kinds import text
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import DATA_CLASS_UNKNOWN, Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import DT_STRING


def encoded(value: Any, tag: str = "x") -> Summary.Value:
    return text.encode(tag, text.prepare(value))


def seen(value: Summary.Value) -> Any:
    """What TensorBoard makes of it, as nested lists of bytes."""
    theirs = summary_pb2.Summary.Value.FromString(value.SerializeToString())
    return tensor_util.make_ndarray(theirs.tensor).tolist()


def test_golden() -> None:
    assert encoded("ä", "note").SerializeToString() == bytes.fromhex(
        "0a 04 6e6f7465"  # tag (field 1): "note"
        "42 08"  # tensor (field 8), 8 bytes
        "08 07"  # dtype: DT_STRING
        "12 00"  # tensor_shape: no dimension
        "42 02 c3a4"  # string_val (field 8)
    )


def test_metadata() -> None:
    theirs = text_metadata.create_summary_metadata("Note", "of *whom*")
    theirs.data_class = summary_pb2.DATA_CLASS_TENSOR  # as dataclass_compat.py adds
    ours = text.metadata("Note", "of *whom*")
    assert ours == SummaryMetadata.FromString(theirs.SerializeToString())


#: what is given -> what TensorBoard reads
CASES: dict[str, tuple[Any, Any]] = {
    "str": ("a", b"a"),
    "empty": ("", b""),
    "bytes": (b"caf\xc3\xa9", b"caf\xc3\xa9"),
    "numpy str": (np.str_("a"), b"a"),
    "numpy bytes": (np.bytes_(b"a"), b"a"),
    "list": (["a", b"b", np.str_("三")], [b"a", b"b", "三".encode()]),
    "tuple": (("a", "b"), [b"a", b"b"]),
    "list of one": (["a"], [b"a"]),
    "table": ([["a", "bc"], ["d", ""]], [[b"a", b"bc"], [b"d", b""]]),
    "table of tuples": ((["a", "b"], ("c", "d")), [[b"a", b"b"], [b"c", b"d"]]),
    "rank 3": ([[["a"], ["b"]]], [[[b"a"], [b"b"]]]),
    "array": (np.array([["a", "bc"], ["d", ""]]), [[b"a", b"bc"], [b"d", b""]]),
    "array of bytes": (np.array([b"a", b"bc"]), [b"a", b"bc"]),
    "array of objects": (np.array(["a", b"b"], object), [b"a", b"b"]),
    "array of rank 0": (np.array("a"), b"a"),
    "array not in order": (np.array([["a", "b"], ["c", "d"]]).T, [[b"a", b"c"], [b"b", b"d"]]),
    "zero bytes": (["a\0", b"\0"], [b"a\0", b"\0"]),  # which numpy's strings lose at the end
    "all of Unicode": ("\u0000\uffff\U0010ffff", "\u0000\uffff\U0010ffff".encode()),
}


@pytest.mark.parametrize("name", CASES)
def test_tensorboard_reads_it(name: str) -> None:
    given_text, read = CASES[name]
    value = encoded(given_text)
    assert seen(value) == read
    assert not value.HasField("metadata")


#: numpy's scalars are an AttributeError there.
THEIR_CASES = [name for name in CASES if not name.startswith("numpy")]


@pytest.mark.parametrize("name", THEIR_CASES)
def test_as_tensorboards_own_encoder(name: str) -> None:
    """``text_pb`` of tensorboard/plugins/text/summary_v2.py."""
    given_text, _ = CASES[name]
    theirs = summary_v2.text_pb("x", given_text).value[0]
    assert encoded(given_text).tensor.SerializeToString() == theirs.tensor.SerializeToString()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=4), st.data())
def test_any_table(shape: list[int], data: st.DataObject) -> None:
    size = int(np.prod(shape))
    leaves = data.draw(st.lists(st.text(max_size=3), min_size=size, max_size=size))
    table = np.array(leaves, object).reshape(shape)
    array = text.prepare(table.tolist())
    assert array.shape == tuple(shape)
    assert [item.decode() for item in array.flat] == leaves
    assert seen(text.encode("x", array)) == array.tolist()


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (None, TypeError, "want text, got NoneType None"),
        (5, TypeError, "want text, got int 5"),
        (["a", 5], TypeError, "want text, got int 5"),
        (np.array([1, 2]), TypeError, "want text, got int 1"),
        (np.array(["a", None], object), TypeError, "want text, got NoneType None"),
        ({"a": "b"}, TypeError, "want text, got dict"),
        ([["a", "b"], ["c"]], ValueError, "rows of differing lengths"),
        (["a", ["b"]], ValueError, "rows of differing lengths"),
        ([[], ["b"]], ValueError, "rows of differing lengths"),
        ([], ValueError, r"want text, got an array of shape \[0\]"),
        ([[], []], ValueError, r"want text, got an array of shape \[2, 0\]"),
        (np.empty((0, 3), str), ValueError, r"want text, got an array of shape \[0, 3\]"),
        ("lone \ud800", ValueError, r"'lone \\ud800' cannot be stored as UTF-8"),
        (b"\xff\xfe not", ValueError, r"text that is not UTF-8: b'\\xff\\xfe not': invalid start"),
        ([b"ok", b"\xe4"], ValueError, "text that is not UTF-8"),
    ],
    ids=repr,
)
def test_no_text(value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        text.prepare(value)


def test_the_array_is_the_callers_no_more() -> None:
    table = np.array([["a", "b"]], object)
    array = text.prepare(table)
    table[:] = "changed"
    assert array.tolist() == [[b"a", b"b"]]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = b"c"


def test_strings_may_be_any_bytes() -> None:
    assert text.strings([b"\xff", "ä"]).tolist() == [b"\xff", "ä".encode()]
    assert text.strings([]).shape == (0,)


# ------------------------------------------------------------------ decoding


def read(value: Summary.Value) -> str | npt.NDArray[Any]:
    return text.decode(value, text.metadata())


#: what is stored -> what is read, of the same name if nothing is said
READ: dict[str, Any] = {
    "str": "a",
    "empty": "",
    "bytes": "café",
    "list": ["a", "b", "三"],
    "list of one": "a",  # torch's and tensorboardX's form of a string
    "table": [["a", "bc"], ["d", ""]],
    "rank 3": [[["a"], ["b"]]],
    "zero bytes": ["a\0", "\0"],
    "all of Unicode": "\u0000\uffff\U0010ffff",
}


@pytest.mark.parametrize("name", READ)
def test_decode(name: str) -> None:
    got = read(encoded(CASES[name][0]))
    if isinstance(READ[name], str):
        assert got == READ[name]
        assert type(got) is str
    else:
        assert isinstance(got, np.ndarray)
        assert (got.dtype.name, got.tolist()) == ("object", READ[name])
        with pytest.raises(ValueError, match="read-only"):
            got[0] = "changed"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=4), st.data())
def test_what_is_written_is_read(shape: list[int], data: st.DataObject) -> None:
    size = int(np.prod(shape))
    leaves = data.draw(st.lists(st.text(max_size=3), min_size=size, max_size=size))
    table = np.array(leaves, object).reshape(shape)
    got = read(encoded(table.tolist()))
    assert got == leaves[0] if shape in ([], [1]) else np.array_equal(got, table)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=8))
def test_no_byte_is_lost(data: bytes) -> None:
    got = read(Summary.Value(tensor={"dtype": DT_STRING, "string_val": [data]}))
    assert isinstance(got, str)
    try:
        assert got == data.decode()
    except UnicodeDecodeError:
        assert "\\x" in got


def test_bytes_that_are_not_utf_8() -> None:
    assert read(Summary.Value(tensor=tensor.encode([b"\xff\xfe caf\xc3\xa9"]))) == r"\xff\xfe café"


def test_no_strings_at_all() -> None:
    got = read(Summary.Value(tensor=tensor.encode(np.empty((0, 2), object))))
    assert isinstance(got, np.ndarray)
    assert got.shape == (0, 2)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Summary.Value(), "a text without a tensor: it holds nothing"),
        (Summary.Value(simple_value=1), "a text without a tensor: it holds simple_value"),
        (Summary.Value(tensor=tensor.encode([1.0])), "DT_DOUBLE, where strings belong"),
        (Summary.Value(tensor={}), "DT_INVALID, where strings belong"),
        (Summary.Value(tensor={"dtype": 7, "tensor_shape": {"dim": [{"size": -1}]}}), "unknown"),
        (Summary.Value(tensor={"dtype": 7, "tensor_shape": {"dim": [{"size": 2**40}]}}), "values"),
    ],
)
def test_no_text_to_read(value: Summary.Value, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        read(value)


def shown(string: str | dict[str, str]) -> str:
    """A string of the truth, which has what is not UTF-8 in base64."""
    if isinstance(string, str):
        return string
    return base64.b64decode(string["base64"]).decode(errors="backslashreplace")


def test_the_corpus_as_tensorboard_reads_it(corpus: Path) -> None:
    count = 0
    for path, tags in truth_of(corpus, "text").items():
        values = values_of(corpus / path)
        for tag, one in tags.items():
            for stored, expected in zip(values[tag], one["texts"], strict=True):
                got = read(stored)
                strings = [got] if isinstance(got, str) else got.ravel().tolist()
                assert strings == list(map(shown, expected["strings"]))
                shape = [] if expected["shape"] == [1] else expected["shape"]
                assert list(np.shape(got)) == shape
                count += 1
    assert count > 25


# ------------------------------------------------------------------ against the others


def corpus_text(corpus: Path, folder: str) -> dict[tuple[str, int], Summary.Value]:
    found = {}
    for path in (corpus / "peers" / folder).iterdir():
        for event in read_events(path):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "text":
                    found[value.tag, event.step] = value
    return found


def test_as_tensorflow_writes_it(corpus: Path) -> None:
    theirs = corpus_text(corpus, "tensorflow/v2_text")
    metadata = text.metadata()
    metadata.data_class = DATA_CLASS_UNKNOWN
    for tag, step, given_text in (
        ("plain", 0, "hello *world*"),
        ("plain", 5, "second"),
        ("table", 1, [["a", "b"], ["c", "d"]]),
        ("list", 1, ["1", "zwei", "三"]),
        ("html", 0, "<script>alert(1)</script> & <b>bold</b>"),
        ("empty", 0, ""),
        ("long", 0, "x" * 40000),
    ):
        value = encoded(given_text, tag)
        value.metadata.CopyFrom(metadata)
        assert value == theirs[tag, step]


@pytest.mark.parametrize("peer", ["torch", "tensorboardX"])
def test_the_peers_make_a_table_of_a_string(corpus: Path, peer: str) -> None:
    """A table of one cell, and a suffix behind the tag; the text is the same."""
    theirs = corpus_text(corpus, f"{peer}/text_audio")
    assert {tag for tag, _ in theirs} == {"note" + text.TAG_SUFFIX, "a/b c" + text.TAG_SUFFIX}
    note = "some **markdown**\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    value = theirs["note/text_summary", 0]
    assert seen(value) == [note.encode()]
    assert encoded([note], "note" + text.TAG_SUFFIX).tensor == value.tensor
    assert seen(encoded(note)) == note.encode()


# ------------------------------------------------------------------ on the real TensorBoard


@pytest.mark.parametrize("backend", BACKENDS)
def test_tensorboard_shows_it(backend: Any, tmp_path: Path) -> None:
    shown = {
        "markdown": "# Title\n\n*a* | b\n--|--\n1 | 2",
        "bare": "三 <script>x</script> &",
        "list": ["a", "*b*"],
        "table": [["a", "b"], ["c", "d"]],
    }
    with EventFileWriter(tmp_path) as writer:
        for step in range(2):
            values = [encoded(given_text, tag) for tag, given_text in shown.items()]
            for value in values if step == 0 else ():
                value.metadata.CopyFrom(text.metadata())
            writer.add_event(Event(wall_time=1, step=step, summary=Summary(value=values)))
    plugin = "/data/plugin/text"
    with TensorBoardServer(tmp_path, backend) as server:
        server.wait_for(f"{plugin}/tags", lambda tags: sorted(tags.get(".", ())) == sorted(shown))
        html = {}
        for tag in shown:
            points = server.wait_for(
                f"{plugin}/text", lambda points: len(points) == 2, run=".", tag=tag
            )
            assert [point["step"] for point in points] == [0, 1]
            first, second = (point["text"] for point in points)
            assert first == second
            html[tag] = "".join(first.split())
    assert html["markdown"].startswith("<h1>Title</h1><table>")
    assert "<th><em>a</em></th><th>b</th>" in html["markdown"]
    assert html["bare"] == "<p>三&lt;script&gt;x&lt;/script&gt;&amp;</p>"
    assert html["list"] == (
        "<table><tbody><tr><td><p>a</p></td></tr>"
        "<tr><td><p><em>b</em></p></td></tr></tbody></table>"
    )
    assert html["table"] == (
        "<table><tbody><tr><td><p>a</p></td><td><p>b</p></td></tr>"
        "<tr><td><p>c</p></td><td><p>d</p></td></tr></tbody></table>"
    )
