"""FileWriter: ready-made protos of any package into the file, in their turn."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorboard.compat.proto.event_pb2 as tensorboard_event
import tensorboard.compat.proto.graph_pb2 as tensorboard_graph
import tensorboard.compat.proto.summary_pb2 as tensorboard_summary
import tensorboardX.proto.event_pb2 as tensorboardx_event
import tensorboardX.proto.graph_pb2 as tensorboardx_graph
import tensorboardX.proto.summary_pb2 as tensorboardx_summary
from builders import is_fresh_start

import tbio
from tbio import FileWriter, SummaryWriter
from tbio.proto import event_pb2, graph_pb2, summary_pb2
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary

PACKAGES: dict[str, tuple[Any, Any, Any]] = {
    "tbio": (event_pb2.Event, summary_pb2.Summary, graph_pb2.GraphDef),
    "tensorboard": (
        tensorboard_event.Event,
        tensorboard_summary.Summary,
        tensorboard_graph.GraphDef,
    ),
    "tensorboardX": (
        tensorboardx_event.Event,
        tensorboardx_summary.Summary,
        tensorboardx_graph.GraphDef,
    ),
}
#: How a message is handed over.
FORMS: dict[str, Callable[[Any], Any]] = {
    "message": lambda message: message,
    "bytes": lambda message: message.SerializeToString(),
    "bytearray": lambda message: bytearray(message.SerializeToString()),
    "memoryview": lambda message: memoryview(message.SerializeToString()),
}


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*tfevents*"))


def events_in(folder: Path) -> list[Event]:
    """Of all files, without their first events."""
    events = tbio.read_events(folder, on_damage="raise")
    return [event for event in events if not (event.file_version or is_fresh_start(event))]


@pytest.fixture(params=["standalone", "of a SummaryWriter"])
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileWriter]:
    if request.param == "standalone":
        with_thread = FileWriter(tmp_path)
        yield with_thread
        with_thread.close()
    else:
        with SummaryWriter(tmp_path) as whole:
            yield whole._get_file_writer()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("package", PACKAGES)
def test_messages_of_every_package(
    tmp_path: Path, writer: FileWriter, package: str, form: str
) -> None:
    event_of, summary_of, graph_of = PACKAGES[package]
    event = event_of(step=3)
    event.summary.value.add(tag="žλ", simple_value=0.25)
    summary = summary_of()
    summary.value.add(tag="x", simple_value=0.5)
    graph = graph_of()
    graph.node.add(name="n", op="Relu")
    writer.add_event(FORMS[form](event), walltime=1.5)
    writer.add_summary(FORMS[form](summary), 7, 2.5)
    writer.add_graph(FORMS[form](graph), 3.5)
    writer.add_onnx_graph(FORMS[form](graph), 4.5)
    writer.add_openvino_graph(FORMS[form](graph), walltime=5.5)
    for message in (event, summary, graph):  # changed right after the call
        message.Clear()
    writer.flush()
    first, second, *graphs = events_in(tmp_path)
    assert (first.step, first.wall_time) == (3, 1.5)
    assert (first.summary.value[0].tag, first.summary.value[0].simple_value) == ("žλ", 0.25)
    assert (second.step, second.wall_time) == (7, 2.5)
    assert (second.summary.value[0].tag, second.summary.value[0].simple_value) == ("x", 0.5)
    assert [event.wall_time for event in graphs] == [3.5, 4.5, 5.5]
    for stored in graphs:
        (node,) = graph_pb2.GraphDef.FromString(stored.graph_def).node
        assert (node.name, node.op) == ("n", "Relu")


def test_step_and_time(tmp_path: Path, writer: FileWriter) -> None:
    before = time.time()
    event = Event(wall_time=1.5, step=3, log_message={"message": "m"})
    writer.add_event(event)  # its step stays; its time does not, as with the peers
    writer.add_event(event, 4, 2.5)
    writer.add_event(event, step=0, walltime=0.0)
    writer.add_summary(Summary())
    writer.add_summary(Summary(), global_step=-5, walltime=3.5)
    writer.flush()
    assert event == Event(
        wall_time=1.5, step=3, log_message={"message": "m"}
    )  # the user's own is left alone
    events = events_in(tmp_path)
    assert [event.step for event in events] == [3, 4, 0, 0, -5]
    assert before <= events[0].wall_time <= events[3].wall_time <= time.time()
    assert [events[at].wall_time for at in (1, 2, 4)] == [2.5, 0.0, 3.5]


def test_every_kind_of_event(tmp_path: Path, writer: FileWriter) -> None:
    given = [
        Event(log_message=event_pb2.LogMessage(message="m")),
        Event(session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START), step=9),
        Event(tagged_run_metadata=event_pb2.TaggedRunMetadata(tag="t", run_metadata=b"r")),
        Event(meta_graph_def=b"g"),
    ]
    for event in given:
        writer.add_event(event, walltime=1.5)
        event.wall_time = 1.5
    writer.flush()
    assert events_in(tmp_path) == given


def test_unknown_fields_stay(tmp_path: Path, writer: FileWriter) -> None:
    # field 1000 of the event, and field 1000 of a value, a varint 7 each
    unknown = b"\xc0\x3e\x07"
    value = b"\x0a\x01x" + unknown
    summary = b"\x0a" + bytes([len(value)]) + value
    event = b"\x2a" + bytes([len(summary)]) + summary + unknown
    for given in (event, tensorboard_event.Event.FromString(event), Event.FromString(event)):
        writer.add_event(given, 3, 1.5)
    for piece in (summary, tensorboard_summary.Summary.FromString(summary)):
        writer.add_summary(piece, 3, 1.5)
    writer.flush()
    records = [
        record
        for path in files_in(tmp_path)
        for record in tbio.read_records(path)
        if b"brain.Event" not in record and not is_fresh_start(Event.FromString(record))
    ]
    assert [record.count(unknown) for record in records] == [2, 2, 2, 1, 1]
    assert all(Event.FromString(record).step == 3 for record in records)


def test_a_pair_of_graph_and_run_metadata(tmp_path: Path, writer: FileWriter) -> None:
    graph = graph_pb2.GraphDef()
    graph.node.add(name="n")
    writer.add_graph((graph, b"statistics"), 1.5)
    writer.add_graph([graph, None], walltime=2.5)
    writer.flush()
    first, tagged, last = events_in(tmp_path)
    assert first.graph_def == last.graph_def == graph.SerializeToString()
    assert tagged.tagged_run_metadata.tag == "step1"
    assert tagged.tagged_run_metadata.run_metadata == b"statistics"
    assert (first.wall_time, tagged.wall_time, last.wall_time) == (1.5, 1.5, 2.5)


METHODS = ["add_event", "add_summary", "add_graph", "add_onnx_graph", "add_openvino_graph"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [None, 3, "text", [1], {"value": 1}, object()])
def test_what_is_no_message(tmp_path: Path, writer: FileWriter, method: str, value: Any) -> None:
    if method == "add_graph" and isinstance(value, list):
        value = [value, None]
    with pytest.raises(TypeError, match="want a protobuf message or bytes, got "):
        getattr(writer, method)(value)
    writer.add_summary(Summary(), 3)
    writer.flush()
    assert [event.step for event in events_in(tmp_path)] == [3]


@pytest.mark.parametrize("method", ["add_event", "add_summary"])
def test_bytes_that_do_not_parse(tmp_path: Path, writer: FileWriter, method: str) -> None:
    with pytest.raises(ValueError, match=r"bytes is no (Event|Summary): "):
        getattr(writer, method)(b"\xff\xff")
    writer.flush()
    assert events_in(tmp_path) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_message_of_another_type(tmp_path: Path, writer: FileWriter, package: str) -> None:
    """It parses, as one whose fields nobody knows, and so would be lost without a word."""
    event_of, summary_of, graph_of = PACKAGES[package]
    summary = summary_of()
    summary.value.add(tag="x", simple_value=0.5)
    graph = graph_of()
    graph.node.add(name="n")
    for given in (summary, graph):
        with pytest.raises((TypeError, ValueError), match="Event"):
            writer.add_event(given)
    for given in (event_of(step=3), graph):
        with pytest.raises((TypeError, ValueError), match="Summary"):
            writer.add_summary(given)
    writer.flush()
    assert events_in(tmp_path) == []


@pytest.mark.parametrize(
    ("step", "walltime"),
    [
        (2**63, None),
        (float("nan"), None),
        ("7", None),
        ([1, 2], None),
        (None, float("nan")),  # TensorBoard's data server stops reading a file at the first one
        (None, float("inf")),
        (None, "noon"),
        (None, "3"),
    ],
)
@pytest.mark.parametrize("method", ["add_event", "add_summary"])
def test_wrong_steps_and_times(
    tmp_path: Path, writer: FileWriter, method: str, step: Any, walltime: Any
) -> None:
    with pytest.raises((TypeError, ValueError)):
        getattr(writer, method)(b"", step, walltime)
    getattr(writer, method)(b"", 3, 1.5)
    writer.flush()
    assert [(event.step, event.wall_time) for event in events_in(tmp_path)] == [(3, 1.5)]


def test_the_order_is_kept(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(0, 300, 3):
            writer.add_scalar("x", 1, step)
            assert writer.file_writer is not None
            writer.file_writer.add_summary(Summary(), step + 1)
            writer._get_file_writer().add_event(Event(), step + 2)
    assert len(files_in(tmp_path)) == 1
    assert [event.step for event in events_in(tmp_path)] == list(range(300))


def test_get_logdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    writer = FileWriter("a/b")
    assert writer.get_logdir() == "a/b"
    writer.close()
    assert len(files_in(tmp_path / "a" / "b")) == 1
    writer = FileWriter(tmp_path / "c", 10, 120, ".mine")
    assert writer.get_logdir() == str(tmp_path / "c")
    writer.close()
    assert files_in(tmp_path / "c")[0].name.endswith(".mine")
    assert writer.event_writer.path == str(files_in(tmp_path / "c")[0])


def test_close_and_reopen(tmp_path: Path) -> None:
    writer = FileWriter(tmp_path, filename_suffix=".mine")
    writer.reopen()  # it is open: nothing happens
    writer.add_summary(Summary(), 1)
    writer.close()
    writer.close()
    with pytest.raises(tbio.WriterClosedError, match="closed"):
        writer.add_summary(Summary(), 2)
    writer.flush()
    writer.reopen()
    writer.add_summary(Summary(), 3)
    writer.flush()
    assert [event.step for event in events_in(tmp_path)] == [1, 3]
    writer.close()
    assert [path.suffix for path in files_in(tmp_path)] == [".mine"] * 2


def test_reopening_one_of_a_summary_writer(tmp_path: Path) -> None:
    whole = SummaryWriter(tmp_path)
    writer = whole._get_file_writer()
    whole.close()
    with pytest.raises(tbio.WriterClosedError, match="closed"):
        writer.add_summary(Summary(), 1)
    writer.reopen()
    writer.add_summary(Summary(), 2)
    writer.close()
    assert [event.step for event in events_in(tmp_path)] == [2]


ENDS = {"exit": "", "exception": "raise RuntimeError", "dropped": "del writer", "reopened": ""}


@pytest.mark.parametrize("end", ENDS)
def test_an_end_without_close_loses_nothing(tmp_path: Path, end: str) -> None:
    code = f"""
import sys
from tbio import FileWriter
writer = FileWriter(sys.argv[1])
if {end == "reopened"}:
    writer.close()
    writer.reopen()
for step in range(1000):
    writer.add_summary(b"", step)
{ENDS[end]}
"""
    words = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(words, timeout=30, capture_output=True, check=False)
    assert [event.step for event in events_in(tmp_path)] == list(range(1000))


def test_use_metadata(tmp_path: Path, writer: FileWriter) -> None:
    with writer.use_metadata(global_step=7):
        writer.add_summary(Summary())
        writer.add_event(Event(step=3))  # none is given beside it
        writer.add_summary(Summary(), 8, 2.5)
        inner = writer.use_metadata(global_step=9, walltime=1.5)
        with pytest.raises(ZeroDivisionError), inner:  # noqa: PT012
            writer.add_graph(b"")
            raise ZeroDivisionError
        writer.add_summary(Summary())
    writer.add_summary(Summary())
    writer.flush()
    events = events_in(tmp_path)
    assert [event.step for event in events] == [7, 7, 8, 9, 7, 0]
    assert [events[at].wall_time for at in (2, 3)] == [2.5, 1.5]
    assert all(events[at].wall_time > 1e9 for at in (0, 1, 4, 5))  # tensorboardX: 0.0


def test_use_metadata_nested(tmp_path: Path, writer: FileWriter) -> None:
    """As `SummaryWriter.use_metadata`: None leaves it as it is outside."""
    with writer.use_metadata(global_step=7), writer.use_metadata(walltime=1.5):
        writer.add_summary(Summary())
    writer.flush()
    assert [(event.step, event.wall_time) for event in events_in(tmp_path)] == [(7, 1.5)]


def test_a_lazy_one_makes_no_file(tmp_path: Path) -> None:
    writer = FileWriter(tmp_path / "run", lazy=True)
    writer.close()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        FileWriter(tmp_path / "file" / "run")


@pytest.mark.full
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchs_own_summaries(tmp_path: Path, writer: FileWriter) -> None:
    from torch.utils.tensorboard import summary

    for step, part in enumerate(summary.hparams({"lr": 0.1}, {"loss": 1})):
        writer.add_summary(part, step)
    writer.flush()
    tags = [event.summary.value[0].tag for event in events_in(tmp_path)]
    assert tags == [
        f"_hparams_/{n}" for n in ("experiment", "session_start_info", "session_end_info")
    ]
