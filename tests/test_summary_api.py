"""``tbio.summary``: names, signatures, state of threads and errors of ``tf.summary``.

What TensorFlow does was found by running TensorFlow 2.21 side by side with these calls.
"""

from __future__ import annotations

import inspect
import json
import os
import random
import re
import struct
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from doc_pages import run_page
from hypothesis import given
from hypothesis import strategies as st
from raw_log import events_in
from tensorboard.compat.proto import graph_pb2, summary_pb2
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.hparams import summary_v2 as their_hp
from tensorboard.util import tensor_util
from tensorboard_readers import by_plugin_accumulator, by_rustboard
from tensorboard_server import TensorBoardServer

import tbio
from tbio import device, summary
from tbio.device import Snapshot
from tbio.errors import TbioWarning, WriterClosedError
from tbio.kinds import scalar as scalar_kind
from tbio.proto.event_pb2 import Event as OurEvent
from tbio.summary import hp
from tbio.summary.state import STATE
from tbio.summary.writers import _scalar_event
from tbio.tag_book import TagBook

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _state() -> Iterator[None]:
    """A test leaves no state behind."""
    yield
    summary.trace_off()
    left = dict(STATE.__dict__)
    STATE.__dict__.clear()
    assert left.get("writer") is None
    assert left.get("step") is None
    assert left.get("scope", "") == ""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[summary.SummaryWriter]:
    made = summary.create_file_writer(tmp_path)
    yield made
    made.close()


def events(folder: Path) -> list[Event]:
    """Of all files of a folder, but their first ones."""
    paths = sorted(folder.glob("*tfevents*"))
    return [event for path in paths for event in events_in(path) if not event.file_version]


def points(folder: Path) -> list[tuple[str, int, float]]:
    """Tag, step and number of each scalar."""
    return [
        (value.tag, event.step, tensor_util.make_ndarray(value.tensor).item())
        for event in events(folder)
        for value in event.summary.value
    ]


# ------------------------------------------------------------------ names and signatures

#: As TensorFlow 2.21 and TensorBoard 2.21 print them.
SIGNATURES = {
    "create_file_writer": (
        "(logdir, max_queue=None, flush_millis=None, filename_suffix=None, name=None, "
        "experimental_trackable=False, experimental_mesh=None)"
    ),
    "create_noop_writer": "()",
    "scalar": "(name, data, step=None, description=None)",
    "image": "(name, data, step=None, max_outputs=3, description=None)",
    "histogram": "(name, data, step=None, buckets=None, description=None)",
    "audio": (
        "(name, data, sample_rate, step=None, max_outputs=3, encoding=None, description=None)"
    ),
    "text": "(name, data, step=None, description=None)",
    "write": "(tag, tensor, step=None, metadata=None, name=None)",
    "graph": "(graph_data)",
    "record_if": "(condition)",
    "should_record_summaries": "()",
    "flush": "(writer=None, name=None)",
    "trace_on": "(graph=True, profiler=False, profiler_outdir=None)",
    "trace_export": "(name, step=None, profiler_outdir=None)",
    "trace_off": "()",
    "experimental.get_step": "()",
    "experimental.set_step": "(step)",
    "experimental.summary_scope": "(name, default_name='summary', values=None)",
    "experimental.write_raw_pb": "(tensor, step=None, name=None)",
    "SummaryWriter.as_default": "(self, step=None)",
    "SummaryWriter.set_as_default": "(self, step=None)",
    "SummaryWriter.init": "(self)",
    "SummaryWriter.flush": "(self)",
    "SummaryWriter.close": "(self)",
    "mesh": (
        "(name, vertices, faces=None, colors=None, config_dict=None, step=None, description=None)"
    ),
    "hparams": "(hparams, trial_id=None, start_time_secs=None)",
    "hparams_pb": "(hparams, trial_id=None, start_time_secs=None)",
    "hparams_config": "(hparams, metrics, time_created_secs=None)",
    "hparams_config_pb": "(hparams, metrics, time_created_secs=None)",
    "HParam": "(name, domain=None, display_name=None, description=None)",
    "Metric": "(tag, group=None, display_name=None, description=None, dataset_type=None)",
    "Discrete": "(values, dtype=None)",
    "IntInterval": "(min_value=None, max_value=None)",
    "RealInterval": "(min_value=None, max_value=None)",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    found: Any = summary
    for part in name.split("."):
        found = getattr(found, part)
    signature = inspect.signature(found)
    bare = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == SIGNATURES[name]


def test_every_name_of_tensorflow_is_there() -> None:
    theirs = {name.partition(".")[0] for name in SIGNATURES}
    ours = set(summary.__all__)
    assert theirs <= ours
    beside = {"custom_scalar", "hp", "name_scope", "pr_curve", "Domain"}
    assert ours - theirs == {*beside, "SummaryWriterClosedError"}


def test_of_the_package() -> None:
    assert tbio.summary.scalar is summary.scalar
    assert "experimental" in dir(tbio.summary)


def test_is_light() -> None:
    code = """
        import sys
        import tbio.summary as summary
        outside = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
        print(*sorted(name for name in outside if not name.startswith("_")))
    """
    done = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; sys.path.insert(0, sys.argv[1])\n"
         + textwrap.dedent(code), str(ROOT)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(done.stdout.split()) == {"crc32c", "google", "numpy", "tbio"}


# ------------------------------------------------------------------ writers


def test_the_file(tmp_path: Path) -> None:
    writer = summary.create_file_writer(tmp_path / "a" / "run")
    (path,) = (tmp_path / "a" / "run").iterdir()  # at once
    pattern = r"events\.out\.tfevents\.(\d{10})\.[\w.-]+\.(\d+)\.\d+\.v2"
    match = re.fullmatch(pattern, path.name)
    assert match
    assert int(match[2]) == os.getpid()
    writer.close()
    (first,) = events_in(path)
    assert first.file_version == "brain.Event:2"
    assert abs(first.wall_time - int(match[1])) < 5


def test_settings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="logdir"):
        summary.create_file_writer(None)  # type: ignore[arg-type]
    writer = summary.create_file_writer(str(tmp_path), 3, 500, ".other", "name")
    assert [path.suffix for path in tmp_path.iterdir()] == [".other"]
    writer.close()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        summary.create_file_writer(tmp_path / "file" / "run")


def test_closing(writer: summary.SummaryWriter) -> None:
    writer.init()
    writer.close()
    writer.close()
    writer.flush()
    uses: list[Callable[[], Any]] = [
        writer.init,
        writer.set_as_default,
        writer.as_default().__enter__,
    ]
    for use in uses:
        with pytest.raises(RuntimeError, match="already closed"):
            use()
    assert issubclass(summary.SummaryWriterClosedError, WriterClosedError)


def test_closed_inside(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    graph = graph_pb2.GraphDef()
    with writer.as_default(step=1):
        assert summary.scalar("a", 1.0)
        writer.close()
        calls: list[Callable[[], bool]] = [
            lambda: summary.scalar("a", 2.0),
            lambda: summary.text("a", "b"),
            lambda: summary.graph(graph),
            lambda: summary.experimental.write_raw_pb(b""),
        ]
        for call in calls:
            with pytest.raises(summary.SummaryWriterClosedError, match="already closed"):
                call()
    assert points(tmp_path) == [("a", 1, 1.0)]
    assert len(list(tmp_path.iterdir())) == 1


def test_as_default_flushes(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    with writer.as_default() as inner:
        assert inner is writer
        summary.scalar("a", 1.0, step=3)
    assert points(tmp_path) == [("a", 3, 1.0)]


def test_as_default_calls_what_stands_for_flush(writer: summary.SummaryWriter) -> None:
    """flax and clu put a function of their own into the writer."""
    calls = []
    writer.flush = lambda: calls.append("mine")  # type: ignore[method-assign]
    with writer.as_default():
        pass
    summary.flush(writer)
    assert calls == ["mine", "mine"]
    del writer.flush
    writer.flush()
    assert len(calls) == 2


def test_flush(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    summary.flush()  # no writer
    with writer.as_default(step=0):
        for number in range(3):
            summary.scalar("a", number)
            summary.flush()
            assert len(points(tmp_path)) == number + 1


def test_defaults_come_back(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    other = summary.create_file_writer(tmp_path / "other")
    with writer.as_default(step=0):
        with other.as_default():
            summary.scalar("a", 1.0)
        summary.scalar("b", 2.0)
    with pytest.raises(KeyError), other.as_default():
        raise KeyError("mine")
    assert not summary.should_record_summaries()
    other.close()
    assert points(tmp_path) == [("b", 0, 2.0)]
    assert points(tmp_path / "other") == [("a", 0, 1.0)]


def test_the_writer_that_does_nothing(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    nothing = summary.create_noop_writer()
    with writer.as_default(step=1):
        with nothing.as_default(step=7) as inner:
            assert inner is None
            assert summary.scalar("a", 1.0)
        nothing.set_as_default(step=7)
        assert summary.scalar("a", 2.0)
    nothing.init()
    nothing.flush()
    nothing.close()
    nothing.close()
    assert isinstance(nothing, summary.SummaryWriter)
    assert isinstance(writer, summary.SummaryWriter)
    assert points(tmp_path) == [("a", 1, 1.0), ("a", 1, 2.0)]


def test_nothing_is_lost_at_exit(tmp_path: Path) -> None:
    code = """
        import sys
        import tbio.summary as summary
        summary.create_file_writer(sys.argv[1]).set_as_default(step=4)
        for number in range(1000):
            summary.scalar("a", number)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), tmp_path], check=True, cwd=ROOT)
    assert points(tmp_path) == [("a", 4, float(number)) for number in range(1000)]


def test_beside_tbios_own_writer(tmp_path: Path) -> None:
    """Both write into one folder at once, each a file of its own; all of it is one run."""
    count = 500

    def functional(name: str) -> None:
        writer = summary.create_file_writer(tmp_path)
        with writer.as_default():
            for step in range(count):
                summary.scalar(name, step, step=step)
        writer.close()

    def classic() -> None:
        with tbio.SummaryWriter(tmp_path) as writer:
            for step in range(count):
                writer.add_scalar("classic", step, step)

    threads = [
        threading.Thread(target=functional, args=("a",)),
        threading.Thread(target=functional, args=("b",)),
        threading.Thread(target=classic),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(tmp_path.iterdir())) == 3
    for read in (by_rustboard, by_plugin_accumulator):
        shown = read(tmp_path)["."]["scalars"]
        assert sorted(shown) == ["a", "b", "classic"]
        for found in shown.values():
            assert [(point.step, point.value) for point in found] == [
                (step, float(step)) for step in range(count)
            ]


# ------------------------------------------------------------------ state of threads


def test_another_thread_has_nothing(writer: summary.SummaryWriter) -> None:
    seen = []

    def look() -> None:
        seen.append(
            (
                summary.scalar("a", 1.0),
                summary.experimental.get_step(),
                summary.should_record_summaries(),
            )
        )
        with writer.as_default(step=9), summary.name_scope("mine"):
            summary.scalar("b", 1.0)

    with writer.as_default(step=1), summary.name_scope("outer"), summary.record_if(False):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert summary.experimental.get_step() == 1
    assert seen == [(False, None, False)]


def test_what_was_recorded_by_another_thread(tmp_path: Path, writer: Any) -> None:
    test_another_thread_has_nothing(writer)
    writer.flush()
    assert points(tmp_path) == [("mine/b", 9, 1.0)]


def test_default_steps(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    get_step, set_step = summary.experimental.get_step, summary.experimental.set_step
    assert get_step() is None
    with writer.as_default(step=4):
        assert get_step() == 4
        set_step(10)
        summary.scalar("a", 1.0)
    assert get_step() is None  # it was given, so it comes back
    with writer.as_default():
        set_step(11)
        summary.scalar("a", 2.0)
        summary.scalar("a", 3.0, step=12)
    assert get_step() == 11
    set_step(None)
    assert points(tmp_path) == [("a", 10, 1.0), ("a", 11, 2.0), ("a", 12, 3.0)]


def test_a_variable_as_step(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    variable = np.array(3)
    summary.experimental.set_step(variable)
    with writer.as_default():
        summary.scalar("a", 1.0)
        variable += 4
        summary.scalar("a", 2.0)
    assert summary.experimental.get_step() is variable
    summary.experimental.set_step(None)
    assert [step for _, step, _ in points(tmp_path)] == [3, 7]


def test_no_step(writer: summary.SummaryWriter) -> None:
    calls: list[Callable[[], bool]] = [
        lambda: summary.scalar("a", 1.0),
        lambda: summary.image("a", np.zeros((1, 1, 1, 1))),
        lambda: summary.histogram("a", [1.0]),
        lambda: summary.text("a", "b"),
        lambda: summary.audio("a", np.zeros((1, 2, 1)), 8000),
        lambda: summary.write("a", 1.0),
        lambda: summary.pr_curve("a", [0, 1], [0.5, 0.6]),
        lambda: summary.mesh("a", [[[0.0, 0.0, 0.0]]]),
        lambda: summary.experimental.write_raw_pb(b""),
    ]
    for call in calls:
        assert call() is False  # without a writer the step is not asked for
        with writer.as_default():
            with pytest.raises(ValueError, match=r"No step set\. .*`step` .*set_step\(\)"):
                call()
            with summary.record_if(False):
                assert call() is False


@pytest.mark.parametrize(
    ("step", "stored"),
    [
        (True, 1),
        (-3, -3),
        (2**40, 2**40),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (np.float32(2.0), 2),
        (np.float64(4.0), 4),
        (np.int32(4), 4),
        (np.array([3]), 3),
        ([5], 5),
    ],
)
def test_steps(tmp_path: Path, writer: summary.SummaryWriter, step: Any, stored: int) -> None:
    with writer.as_default():
        assert summary.scalar("a", 1.0, step=step) is True
    assert points(tmp_path) == [("a", stored, 1.0)]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (1.7, TypeError),
        (2.0, TypeError),
        ("3", TypeError),
        ([1, 2], ValueError),
        (np.array([1, 2]), ValueError),
        (2**63, ValueError),
    ],
)
def test_no_steps(
    tmp_path: Path, writer: summary.SummaryWriter, step: Any, error: type[Exception]
) -> None:
    with writer.as_default(), pytest.raises(error, match="step: want"):
        summary.scalar("a", 1.0, step=step)
    assert points(tmp_path) == []


def test_a_step_that_is_no_whole_number(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    with writer.as_default(), pytest.warns(TbioWarning, match="no whole number; stored as 2"):
        summary.scalar("a", 1.0, step=np.float32(2.7))
    assert points(tmp_path) == [("a", 2, 1.0)]


def test_record_if(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    asked = []

    def every_other() -> Any:
        asked.append(1)
        return np.bool_(len(asked) % 2 == 1)

    assert not summary.should_record_summaries()
    with writer.as_default(step=0):
        assert summary.should_record_summaries() is True
        with summary.record_if(every_other):
            assert [summary.scalar("a", number) for number in range(4)] == [
                *(True, False, True, False),
            ]
            assert summary.should_record_summaries() is True
            with summary.record_if(True):
                assert summary.scalar("a", 9)
            with summary.record_if(lambda: False):
                assert not summary.should_record_summaries()
            with summary.record_if(None), summary.record_if(lambda: None):  # as TensorFlow 2.21
                assert summary.should_record_summaries()
        assert summary.scalar("a", 10)
    assert len(asked) == 5
    assert [value for _, _, value in points(tmp_path)] == [0, 2, 9, 10]


def test_what_is_not_recorded_is_not_made(writer: summary.SummaryWriter) -> None:
    def never() -> Any:
        raise AssertionError

    assert summary.write("a", never) is False
    with writer.as_default(step=0), summary.record_if(False):
        assert summary.write("a", never) is False
        assert summary.scalar("a", "no number") is False
        assert summary.graph("no graph") is False
        assert summary.custom_scalar("no layout") is False


def test_scopes(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    scopes: list[Any] = []
    with writer.as_default(step=0):
        with summary.name_scope("a") as scope:
            scopes.append(scope)
            summary.scalar("x", 1)
            with summary.name_scope("b") as scope:
                scopes.append(scope)
                summary.scalar("/d", 2)
                summary.scalar("", 3)
                summary.write("raw", np.float32(4))
            with summary.name_scope("c/") as scope:
                scopes.append(scope)
                summary.scalar("x", 5)
            with summary.name_scope("") as scope:
                scopes.append(scope)
                summary.scalar("x", 6)
            with summary.name_scope("c/d") as scope:
                scopes.append(scope)
                summary.scalar("x", 7)
        with summary.name_scope("a") as scope:  # no other one
            scopes.append(scope)
            summary.scalar("y", 8)
        with summary.experimental.summary_scope("my näme!/x") as scope:
            scopes.append(scope)
            summary.scalar("in", 9)
        with summary.experimental.summary_scope("", "mine") as scope:
            scopes.append(scope)
        with summary.experimental.summary_scope("!!", "mine") as scope:
            scopes.append(scope)
    assert scopes == [
        *("a/", "a/b/", "c/", "", "a/c/d/", "a/"),
        *(("my näme!/x", "mynme/x/"), ("mine", "mine/"), ("!!", "mine/")),
    ]
    tags = ["a/x", "a/b//d", "a/b/scalar_summary", "raw", "c/x", "x", "a/c/d/x", "a/y"]
    assert [tag for tag, _, _ in points(tmp_path)] == [*tags, "mynme/x/in"]


def test_names_of_the_nameless(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    with writer.as_default(step=0):
        summary.image("", np.zeros((1, 1, 1, 1)))
        summary.histogram("", [1.0])
        summary.text("", "b")
        summary.audio("", np.zeros((1, 2, 1)), 8000)
        summary.pr_curve("", [0, 1], [0.5, 0.6])
        summary.mesh("", [[[0.0, 0.0, 0.0]]])
    assert [event.summary.value[0].tag for event in events(tmp_path)] == [
        *("image_summary", "histogram_summary", "text_summary", "audio_summary"),
        *("pr_curve_summary", "mesh_summary_VERTEX"),
    ]


@pytest.mark.parametrize("name", [b"bytes", 5, None, "\ud800"])
def test_no_names(writer: summary.SummaryWriter, name: Any) -> None:
    with writer.as_default(step=0):
        if not name:
            assert summary.scalar(name, 1.0)  # as with TensorFlow
        else:
            with pytest.raises((TypeError, ValueError), match="name"):
                summary.scalar(name, 1.0)


def test_traces(writer: summary.SummaryWriter) -> None:
    with pytest.raises(ValueError, match="trace_on"):
        summary.trace_export("a", step=0)
    with pytest.warns(TbioWarning, match="nothing will be exported"):
        summary.trace_on()
    with pytest.warns(TbioWarning, match="on already"):
        summary.trace_on(profiler=True)
    with writer.as_default():
        summary.trace_export("a", step=0, profiler_outdir="nowhere")
    with pytest.raises(ValueError, match="trace_on"):
        summary.trace_export("a", step=0)
    with pytest.warns(TbioWarning, match="nothing will be exported"):
        summary.trace_on(graph=False, profiler=True)
    summary.trace_off()
    summary.trace_off()
    with pytest.raises(ValueError, match="trace_on"):
        summary.trace_export("a", step=0)


# ------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        (1.5, 1.5),
        (True, 1.0),
        (7, 7.0),
        (np.float16(0.5), 0.5),
        (np.array(2.5), 2.5),
        (float("inf"), float("inf")),
        (2**60, 2.0**60),
    ],
)
def test_numbers(tmp_path: Path, writer: summary.SummaryWriter, number: Any, stored: float) -> None:
    with writer.as_default(step=0):
        assert summary.scalar("a", number)
    assert points(tmp_path) == [("a", 0, stored)]


@pytest.mark.parametrize(
    ("number", "stored", "warning"),
    [
        (1e300, float("inf"), "beyond float32"),
        (-(2**200), -float("inf"), "beyond float32"),
        (1 + 2j, 1.0, "only the real part"),
        (np.complex64(3 + 2j), 3.0, "only the real part"),
    ],
)
def test_numbers_that_lose(
    tmp_path: Path, writer: summary.SummaryWriter, number: Any, stored: float, warning: str
) -> None:
    with writer.as_default(step=0), pytest.warns(TbioWarning, match=warning):
        assert summary.scalar("a", number)
    assert points(tmp_path) == [("a", 0, stored)]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ([2.0], ValueError, r"Expected scalar shape, got shape \(1,\)"),
        ([[3.0]], ValueError, r"Expected scalar shape, got shape \(1, 1\)"),
        (np.zeros((1, 1)), ValueError, r"Expected scalar shape, got shape \(1, 1\)"),
        ("x", TypeError, "want numbers, got str"),
        (b"x", TypeError, "want numbers, got bytes"),
        (None, TypeError, "want numbers"),
    ],
)
def test_no_numbers(
    writer: summary.SummaryWriter, value: Any, error: type[Exception], message: str
) -> None:
    with writer.as_default(step=0), pytest.raises(error, match=f"'a': {message}"):
        summary.scalar("a", value)


@given(
    tag=st.text(min_size=1, max_size=200).filter(lambda tag: tag.isprintable()),
    step=st.integers(-(2**63), 2**63 - 1),
    number=st.floats(width=32, allow_nan=False),
    description=st.text(max_size=200).filter(str.isprintable),
)
def test_the_bytes_of_scalars(tag: str, step: int, number: float, description: str) -> None:
    """Those of protobuf."""
    made = _scalar_event(TagBook(), 1.5, step, tag, number, description)
    value = scalar_kind.encode(tag, number, as_tensor=True)
    value.tensor.tensor_content = np.float32(number).tobytes()
    value.tensor.ClearField("float_val")
    value.metadata.plugin_data.plugin_name = "scalars"
    value.metadata.summary_description = description
    event = OurEvent(wall_time=1.5, step=step, summary={"value": [value]})
    assert made == event.SerializeToString()


def first_pixels(folder: Path, tag: str) -> list[int]:
    """Those of a tag's first image."""
    pixels: list[int] = next(iter(tbio.open(folder)["."].images[tag])).to_array().ravel().tolist()
    return pixels


def test_levels_of_images(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    """By the range of the type, as TensorFlow does it; what it would show as black is shown."""
    given: list[tuple[Any, list[int]]] = [
        (np.array([0.5, 0.998, 1.0, 0.0], "f"), [127, 254, 255, 0]),
        (np.array([0, 1, 200, 255], "u1"), [0, 1, 200, 255]),
        (np.array([300, 65535, 255, 33000], "u2"), [1, 255, 0, 128]),
        (np.array([127, -5, 64, 0], "i1"), [254, 0, 128, 0]),
        (np.array([2**31 - 1, 2**24, -1, 256], "i4"), [255, 2, 0, 0]),
        (np.array([2**62, 0, -(2**63), 2**63 - 1], "i8"), [128, 0, 0, 255]),
        (np.array([0, 100, 200, 255], "i8"), [0, 100, 200, 255]),
        (np.array([True, False, True, False]), [255, 0, 255, 0]),
    ]
    with writer.as_default(step=0):
        for number, (values, _) in enumerate(given):
            summary.image(f"{number}", values.reshape(1, 2, 2, 1))
    found = [first_pixels(tmp_path, str(number)) for number in range(len(given))]
    assert found == [wanted for _, wanted in given]


def test_floats_beyond_the_range(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    values = np.array([1.5, -1.0, np.nan, 0.5], "f").reshape(1, 2, 2, 1)
    with writer.as_default(step=0), pytest.warns(TbioWarning, match="clipped"):
        summary.image("a", values)
    assert first_pixels(tmp_path, "a") == [255, 0, 0, 127]


@pytest.mark.parametrize(("most", "count"), [(0, 0), (1, 1), (3, 3), (np.int64(9), 4)])
def test_max_outputs(tmp_path: Path, writer: summary.SummaryWriter, most: int, count: int) -> None:
    with writer.as_default(step=0):
        summary.image("i", np.zeros((4, 2, 5, 3), "u1"), max_outputs=most)
        summary.audio("a", np.zeros((4, 9, 1), "f"), 8000, max_outputs=most)
    image, audio = (event.summary.value[0].tensor for event in events(tmp_path))
    assert image.string_val[:2] == [b"5", b"2"]
    assert len(image.string_val) == 2 + count
    assert [dim.size for dim in audio.tensor_shape.dim] == [count, 2]


def test_wrong_values(writer: summary.SummaryWriter) -> None:
    clip, batch = np.zeros((1, 9, 1), "f"), np.zeros((1, 2, 2, 3), "f")
    calls: list[tuple[type[Exception], str, Callable[[], bool]]] = [
        (ValueError, "want images", lambda: summary.image("a", batch[0])),
        (ValueError, "1 to 4 channels", lambda: summary.image("a", np.zeros((1, 2, 2, 5)))),
        (ValueError, "max_outputs", lambda: summary.image("a", batch, max_outputs=-1)),
        (TypeError, "max_outputs", lambda: summary.image("a", batch, max_outputs=1.5)),  # type: ignore[arg-type]
        (TypeError, "want numbers", lambda: summary.image("a", "file.png")),
        (TypeError, "buckets", lambda: summary.histogram("a", [1.0], buckets=2.5)),  # type: ignore[arg-type]
        (TypeError, "want numbers", lambda: summary.histogram("a", ["x"])),
        (TypeError, "want text, got int", lambda: summary.text("a", 3)),
        (TypeError, "want text, got NoneType", lambda: summary.text("a", None)),
        (ValueError, "differing lengths", lambda: summary.text("a", [["a"], ["b", "c"]])),
        (ValueError, "Unknown encoding", lambda: summary.audio("a", clip, 8000, encoding="mp3")),
        (ValueError, "want sounds", lambda: summary.audio("a", clip[0], 8000)),
        (ValueError, "sample_rate", lambda: summary.audio("a", clip, 0)),
        (ValueError, "max_outputs", lambda: summary.audio("a", clip, 8000, max_outputs=-1)),
        (TypeError, "want numbers", lambda: summary.write("a", None)),
        (TypeError, "want a protobuf message", lambda: summary.write("a", 1.0, metadata=3)),
        (ValueError, "SummaryMetadata", lambda: summary.write("a", 1.0, metadata=b"\xff\xff")),
        (ValueError, "want a GraphDef", lambda: summary.graph(b"")),
        (ValueError, "want a GraphDef", lambda: summary.graph(summary_pb2.Summary())),
        (ValueError, "no Summary", lambda: summary.experimental.write_raw_pb(b"\xff\xfe\xfd")),
        (TypeError, "want a protobuf", lambda: summary.experimental.write_raw_pb("text")),
        (TypeError, "description", lambda: summary.scalar("a", 1.0, description=3)),  # type: ignore[arg-type]
        (ValueError, "want bool, or 0 and 1", lambda: summary.pr_curve("a", [0, 2], [0.5, 0.6])),
        (ValueError, "vertices", lambda: summary.mesh("a", [[[0.0, 0.0]]])),
        (TypeError, "want a layout", lambda: summary.custom_scalar(3)),
    ]
    with writer.as_default(step=0):
        for error, message, call in calls:
            with pytest.raises(error, match=message):
                call()
        assert summary.scalar("a", 1.0)


def test_histograms_without_what_is_not_finite(
    tmp_path: Path, writer: summary.SummaryWriter
) -> None:
    """TensorFlow's have NaN or infinity for all edges."""
    with writer.as_default(step=0):
        with pytest.warns(TbioWarning, match="2 of 5 values are not finite and were left out"):
            summary.histogram("a", [1.0, np.nan, 2.0, np.inf, 3.0], buckets=2)
        summary.histogram("none", [1.0, 2.0], buckets=0)
        summary.histogram("negative", [1.0, 2.0], buckets=-3)
    rows, *others = (
        tensor_util.make_ndarray(event.summary.value[0].tensor) for event in events(tmp_path)
    )
    assert rows.tolist() == [[1.0, 2.0, 1.0], [2.0, 3.0, 2.0]]
    assert [other.shape for other in others] == [(0, 3), (0, 3)]


def test_tensors_of_python_numbers(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    """Of 32 bits, as TensorFlow makes them, unless they do not fit."""
    given: list[tuple[Any, str]] = [
        (2.5, "float32"),
        ([1, 2], "int32"),
        ([[1.5]], "float32"),
        ([2**40], "int64"),
        ([1e300], "float64"),
        ([float("inf"), float("nan")], "float32"),
        ([], "float32"),
        (True, "bool"),
        (1j, "complex128"),
        (np.float64(1), "float64"),
        ([np.int64(1)], "int64"),
        (lambda: np.float16(1), "float16"),
    ]
    with writer.as_default(step=0):
        for value, _ in given:
            assert summary.write("a", value)
    found = [tensor_util.make_ndarray(event.summary.value[0].tensor) for event in events(tmp_path)]
    assert [array.dtype.name for array in found] == [dtype for _, dtype in given]
    for array, (value, _) in zip(found, given, strict=True):
        wanted = value() if callable(value) else value
        np.testing.assert_array_equal(array, np.asarray(wanted).astype(array.dtype))


def test_raw_summaries(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    value = summary_pb2.Summary.Value
    two = summary_pb2.Summary(
        value=[value(tag="a", simple_value=1), value(tag="b", simple_value=2)]
    )
    one = summary_pb2.Summary(value=[value(tag="c", simple_value=3)])
    write = summary.experimental.write_raw_pb
    with writer.as_default(step=5):
        assert write(two.SerializeToString())
        assert write(two, step=6)
        assert write([one.SerializeToString(), two.SerializeToString()])
        assert write(np.array([one.SerializeToString()], object))
    both = summary_pb2.Summary(value=[*one.value, *two.value])
    assert [(event.step, event.summary) for event in events(tmp_path)] == [
        *((5, two), (6, two), (5, both), (5, one)),
    ]


def test_graphs(tmp_path: Path, writer: summary.SummaryWriter) -> None:
    graph = graph_pb2.GraphDef()
    graph.node.add(name="x", op="Relu")
    whole = SimpleNamespace(as_graph_def=lambda add_shapes: graph)
    with writer.as_default(step=5):
        assert summary.graph(graph)
        assert summary.graph(whole)
    assert [(event.step, event.graph_def) for event in events(tmp_path)] == [
        (0, graph.SerializeToString()),
        (0, graph.SerializeToString()),
    ]


def everything(batch: Any) -> None:
    """One value of each kind, at step 3."""
    summary.scalar("scalar", batch.mean())
    summary.image("image", batch)
    summary.histogram("histogram", batch)
    summary.audio("audio", batch[0] / 2, 8000)
    summary.write("tensor", batch)
    summary.pr_curve("curve", batch.reshape(-1) > 0.5, batch.reshape(-1))
    summary.mesh("mesh", batch[0])


def batch_of_numbers() -> Any:
    return np.random.default_rng(3).random((2, 4, 5, 3)).astype("f")


def test_values_on_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for on the thread is the same as what is there at once."""
    waited = []
    logs = []
    for name in ("here", "there"):
        writer = summary.create_file_writer(tmp_path / name)
        if name == "there":
            monkeypatch.setattr(
                device, "snapshot", lambda value: Snapshot(value, lambda: waited.append(1))
            )
        with writer.as_default(step=3):
            everything(batch_of_numbers())
        writer.close()
        logs.append([event.summary for event in events(tmp_path / name)])
    assert len(waited) == 5
    assert len(logs[0]) == 7
    assert logs[0] == logs[1]


def test_notes_on_values_of_a_device(
    tmp_path: Path, writer: summary.SummaryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "snapshot", lambda value: Snapshot(value, lambda: None))
    with pytest.warns(TbioWarning) as caught, writer.as_default(step=0):
        summary.scalar("big", np.float64(1e300))
        summary.histogram("odd", np.array([1.0, np.nan]))
    said = " ".join(str(one.message) for one in caught)
    assert "'big': 1e+300 is beyond float32" in said
    assert "'odd': 1 of 2 values is not finite" in said


# ------------------------------------------------------------------ what TensorBoard makes of it


def test_every_dashboard(tmp_path: Path) -> None:
    graph = graph_pb2.GraphDef()
    graph.node.add(name="x", op="Relu")
    root = summary.create_file_writer(tmp_path)
    with root.as_default():
        domain = hp.Discrete([0.1, 0.2])
        summary.hparams_config([hp.HParam("lr", domain)], [hp.Metric("run/scalar")])
    root.close()
    writer = summary.create_file_writer(tmp_path / "run")
    with writer.as_default(step=3):
        everything(batch_of_numbers())
        summary.text("text", [["a", "b"], ["c", "d"]], description="a *table*")
        summary.graph(graph)
        summary.hparams({"lr": 0.1}, trial_id="one")
        summary.custom_scalar({"Loss": {"all": ["Multiline", ["scal.*"]]}})
    writer.close()
    for read in (by_rustboard, by_plugin_accumulator):
        shown = read(tmp_path)["run"]
        tags = {plugin: sorted(shown[plugin]) for plugin in shown if plugin}
        assert tags == {
            "scalars": ["scalar"],
            "images": ["image"],
            "histograms": ["histogram"],
            "audio": ["audio"],
            "text": ["text"],
            "pr_curves": ["curve"],
            "mesh": ["mesh_VERTEX"],
            "hparams": ["_hparams_/session_start_info"],
            "custom_scalars": ["custom_scalars__config__"],
            "graphs": ["__run_graph__"],
        }
        steps = {plugin: [point.step for point in shown[plugin][tag]]
                 for plugin, (tag,) in tags.items()}  # fmt: skip
        at_zero = ("hparams", "custom_scalars", "graphs")
        assert steps == {plugin: [0 if plugin in at_zero else 3] for plugin in tags}


def test_the_table_of_hyperparameters(tmp_path: Path) -> None:
    root = summary.create_file_writer(tmp_path)
    with root.as_default():
        summary.hparams_config(
            [hp.HParam("lr", hp.RealInterval(0.0, 1.0)), hp.HParam("optimizer")],
            [hp.Metric("accuracy", display_name="Accuracy")],
        )
    root.close()
    for number, rate in enumerate([0.1, 0.2]):
        writer = summary.create_file_writer(tmp_path / f"trial-{number}")
        with writer.as_default():
            summary.hparams({"lr": rate, "optimizer": "adam"}, start_time_secs=1.0)
            summary.scalar("accuracy", 0.5 + number / 4, step=1)
        writer.close()
    request = {"allowedStatuses": ["STATUS_UNKNOWN"], "startIndex": 0, "sliceSize": 9}
    with TensorBoardServer(tmp_path, "rustboard") as server:
        answer = server.wait_for(
            "/data/plugin/hparams/session_groups",
            lambda answer: (
                all(group["metricValues"] for group in answer["sessionGroups"])
                and len(answer["sessionGroups"]) == 2
            ),
            request=json.dumps(request),
        )
    groups = {group["hparams"]["lr"]: group for group in answer["sessionGroups"]}
    assert sorted(groups) == [0.1, 0.2]
    assert groups[0.2]["hparams"]["optimizer"] == "adam"
    (metric,) = groups[0.2]["metricValues"]
    assert (metric["name"]["tag"], metric["value"]) == ("accuracy", 0.75)


# ------------------------------------------------------------------ hyperparameters


@pytest.mark.parametrize(
    "values",
    [
        {"a": 1, "b": 2.5, "c": "x", "d": True},
        {"a": np.float32(0.1), "b": np.int64(3), "c": np.bool_(True), "d": np.str_("y")},
        {},
        {"b": 2**53 - 1, "a": -0.5},
    ],
)
def test_trials_have_tensorboards_id(values: dict[str, Any]) -> None:
    ours = hp.hparams_pb(values, start_time_secs=5.0)
    theirs = their_hp.hparams_pb(values, start_time_secs=5.0)
    parsed = []
    for message in (ours, theirs):
        (value,) = message.value
        plugin = value.metadata.plugin_data
        parsed.append(plugin_data_pb2.HParamsPluginData.FromString(plugin.content))
        plugin.ClearField("content")
    assert parsed[0] == parsed[1]
    assert parsed[0].session_start_info.group_name
    assert ours.SerializeToString() == theirs.SerializeToString()


def test_more_values_than_tensorboard_takes() -> None:
    message = hp.hparams_pb({"layers": [64, 32], "nothing": None, "net": {"act": "relu"}})
    content = message.value[0].metadata.plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert {name: start.hparams[name].string_value for name in start.hparams} == {
        "layers": "[64, 32]",
        "net/act": "relu",
    }
    again = hp.hparams_pb({"net": {"act": "relu"}, "layers": (64, 32)})
    content = again.value[0].metadata.plugin_data.content
    other = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert other.group_name == start.group_name
    assert start.start_time_secs > 1.7e9


def test_tensorboards_own_objects() -> None:
    """Those of tensorboard.plugins.hparams.api say the same to tbio as its own do."""
    messages = []
    for api in (hp, their_hp):
        hparams = [
            api.HParam("units", api.Discrete([32, 16]), display_name="U", description="how many"),
            api.HParam("rate", api.RealInterval(0.1, 0.2)),
            api.HParam("depth", api.IntInterval(1, 9)),
            api.HParam("flag", api.Discrete([True, False])),
            api.HParam("any"),
        ]
        metrics = [
            api.Metric("loss", group="val", dataset_type=api.Metric.VALIDATION),
            api.Metric("acc", display_name="A", description="B"),
        ]
        messages.append(hp.hparams_config_pb(hparams, metrics, 3.0).SerializeToString())
        messages.append(hp.hparams_pb({hparams[0]: 16}, "a", 3.0).SerializeToString())
    assert messages[:2] == messages[2:]
    assert messages[0] == their_hp.hparams_config_pb(hparams, metrics, 3.0).SerializeToString()


SESSION_END = bytes.fromhex(
    "0a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f"  # the tag
    "4206080112021200"  # a tensor of float32 without values
    "4a1a0a180a0768706172616d73120d220b080111"
)


def test_the_callback_for_keras(tmp_path: Path) -> None:
    """As Keras calls it in two fits, the second with a writer that is there already."""
    units = hp.HParam("units", hp.Discrete([16, 32]))
    writer = summary.create_file_writer(tmp_path / "second")
    for where in (tmp_path / "first", writer):
        callback = hp.KerasCallback(where, {units: 16, "rate": 0.5}, "trial")
        callback.set_params({"epochs": 1})
        callback.set_model(None)
        callback.on_train_begin()
        callback.on_epoch_end(0, logs={"loss": 0.5})
        callback.on_train_end()
        with pytest.raises(RuntimeError, match="a new one for each fit"):
            callback.on_train_begin()
    with writer.as_default():
        assert summary.scalar("loss", 0.5, step=1)  # it is not closed
    writer.close()
    for run in ("first", "second"):
        start, end = (event.summary.value[0] for event in events(tmp_path / run)[:2])
        parsed = plugin_data_pb2.HParamsPluginData
        begun = parsed.FromString(start.metadata.plugin_data.content).session_start_info
        assert (begun.group_name, set(begun.hparams)) == ("trial", {"units", "rate"})
        ended = parsed.FromString(end.metadata.plugin_data.content).session_end_info
        assert ended.end_time_secs >= begun.start_time_secs > 1.7e9
        # but for the time, what TensorBoard's own writes under TensorFlow
        assert end.SerializeToString() == SESSION_END + struct.pack("<d", ended.end_time_secs)


def test_no_callback_for_keras(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="want a SummaryWriter or a folder, got None"):
        hp.KerasCallback(None, {})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="units"):
        hp.KerasCallback(tmp_path / "run", {hp.HParam("units"): 1, "units": 2})
    assert not (tmp_path / "run").exists()
    callback = hp.KerasCallback(tmp_path, {})
    with pytest.raises(AttributeError, match="no attribute 'model'"):
        callback.model  # noqa: B018
    callback.on_train_begin()
    callback.on_train_end()


#: What is said of each in TensorBoard's own words does not matter; the type does.
WRONG: list[Callable[[Any], Any]] = [
    lambda api: api.IntInterval(1.0, 2),
    lambda api: api.IntInterval(1),
    lambda api: api.IntInterval(3, 2),
    lambda api: api.RealInterval(1, 2.0),
    lambda api: api.RealInterval(3.0, 2.0),
    lambda api: api.Discrete([]),
    lambda api: api.Discrete([1, "a"]),
    lambda api: api.Discrete([b"a"]),
    lambda api: api.Discrete([1], dtype=bytes),
    lambda api: api.HParam("a", 3),
    lambda api: api.Metric("a", dataset_type=9),
    lambda api: api.hparams_pb({"a": 1}, trial_id=3),
    lambda api: api.hparams_pb({api.HParam("a"): 1, "a": 2}),
    lambda api: api.Domain(),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_wrong_hyperparameters(number: int) -> None:
    with pytest.raises((TypeError, ValueError)) as theirs:
        WRONG[number](their_hp)
    with pytest.raises(theirs.type):
        WRONG[number](hp)


def test_domains() -> None:
    draws = []
    for api in (hp, their_hp):
        several = [
            *(api.Discrete([2, 1]), api.Discrete(["b", "a"]), api.Discrete([], dtype=int)),
            *(
                api.IntInterval(1, 2),
                api.RealInterval(1.0, 2.5),
                api.HParam("a", api.Discrete([1])),
            ),
        ]
        assert [str(one) for one in several] == [
            *("{1, 2}", "{'a', 'b'}", "{}", "[1, 2]", "[1.0, 2.5]", "<HParam 'a': {1}>"),
        ]
        assert [repr(one) for one in several] == [
            *("Discrete([1, 2])", "Discrete(['a', 'b'])", "Discrete([])", "IntInterval(1, 2)"),
            "RealInterval(1.0, 2.5)",
            "HParam(name='a', domain=Discrete([1]), display_name=None, description=None)",
        ]
        assert [one.dtype for one in several[:5]] == [int, str, int, int, float]
        assert several[0].values == [1, 2]
        assert (several[3].min_value, several[4].max_value) == (1, 2.5)
        rng = random.Random(3)
        drawn = [one.sample_uniform(rng) for one in (several[0], several[3], several[4])]
        draws.append(drawn)
        with pytest.raises(IndexError):
            several[2].sample_uniform()
    assert draws[0] == draws[1]


# ------------------------------------------------------------------ scripts

SCRIPT = """
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
train = tf.summary.create_file_writer(folder + "/train")
test = tf.summary.create_file_writer(folder + "/test", max_queue=5, filename_suffix=".mine")
tf.summary.experimental.set_step(0)
for epoch in range(3):
    with train.as_default(), tf.name_scope("model"):
        with tf.summary.record_if(lambda: epoch != 1):
            tf.summary.scalar("loss", 1 / (epoch + 1))
        tf.summary.histogram("weights", rng.normal(size=100), buckets=7)
        tf.summary.image("pictures", rng.integers(0, 255, (4, 3, 3, 1), dtype="u1"), max_outputs=2)
    with test.as_default(step=10 * epoch):
        tf.summary.scalar("loss", np.float32(0.25), description="of the *test*")
        tf.summary.text("note", ["epoch", str(epoch)])
        tf.summary.audio("sound", rng.random((1, 20, 2)).astype("f") / 2, 8000)
        tf.summary.write("raw", lambda: np.arange(3))
    tf.summary.experimental.set_step(epoch + 1)
tf.summary.flush(train)
tf.summary.experimental.set_step(None)
train.close()
test.close()
"""


def test_a_script_runs_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, over a module that calls itself tensorflow; and with tbio's import in it."""
    stand_in = ModuleType("tensorflow")
    stand_in.summary = summary  # type: ignore[attr-defined]
    stand_in.name_scope = summary.name_scope  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflow", stand_in)
    exec(SCRIPT, {"folder": str(tmp_path / "one")})
    monkeypatch.undo()
    script = SCRIPT.replace("import tensorflow as tf", "import tbio.summary as summary")
    script = script.replace("tf.name_scope", "summary.name_scope").replace("tf.summary", "summary")
    assert "tf" not in script
    exec(script, {"folder": str(tmp_path / "other")})
    for run, tags in {
        "train": ["model/loss", "model/weights", "model/pictures"],
        "test": ["loss", "note", "sound", "raw"],
    }.items():
        one, other = (events(tmp_path / name / run) for name in ("one", "other"))
        assert [event.summary for event in one] == [event.summary for event in other]
        assert [event.step for event in one] == [event.step for event in other]
        found = [event.summary.value[0].tag for event in one]
        assert found == [
            tag for epoch in range(3) for tag in tags if not (tag == "model/loss" and epoch == 1)
        ]
    assert [event.step for event in one] == [0] * 4 + [10] * 4 + [20] * 4


# ------------------------------------------------------------------ the page of docs/


def test_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_page("tf_summary.md", tmp_path)
    assert capsys.readouterr().out.startswith("No step set. Please specify one")
    logs = tmp_path / "logs"
    for read in (by_rustboard, by_plugin_accumulator):
        shown = read(logs)
        tags = {
            run: {plugin: sorted(of) for plugin, of in plugins.items()}
            for run, plugins in shown.items()
        }
        session = {"scalars": ["accuracy"], "hparams": ["_hparams_/session_start_info"]}
        assert tags == {
            "train": {
                "scalars": ["batch/loss", "model/loss"],
                "histograms": ["model/weights"],
                "images": ["model/inputs"],
            },
            "test": {
                "scalars": ["model/loss"],
                "text": ["note"],
                "audio": ["sound"],
                "pr_curves": ["detector"],
                "mesh": ["cloud_VERTEX"],
                "custom_scalars": ["custom_scalars__config__"],
            },
            "search": {"hparams": ["_hparams_/experiment"]},
            "search/trial-0": session,
            "search/trial-1": session,
        }
        points = shown["train"]["scalars"]
        assert [point.step for point in points["batch/loss"]] == list(range(0, 100, 10))
        assert [point.value for point in points["model/loss"]] == [
            float(np.float32(1 / (epoch + 1))) for epoch in range(3)
        ]
