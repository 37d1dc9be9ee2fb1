"""What SummaryWriter has beyond its add methods: log, prefix, step, use_metadata, attributes."""

from __future__ import annotations

import io
import json
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import numpy.typing as npt
import pytest
import tensorboardX
from builders import is_fresh_start
from PIL import Image
from tensorboard.compat.proto.graph_pb2 import GraphDef

import tbio
from tbio import SummaryWriter
from tbio.file_writer import FileWriter
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary

PIXELS = np.arange(24 * 3, dtype=np.uint8).reshape(4, 6, 3)


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*tfevents*"))


def events_in(folder: Path) -> list[Event]:
    """All events of this folder that say something, of all files."""
    events: list[Event] = []
    for path in sorted(folder.glob("*tfevents*")):
        events += tbio.read_events(path, on_damage="raise")
    return [event for event in events if not (event.file_version or is_fresh_start(event))]


def values_in(folder: Path) -> list[Summary.Value]:
    return [value for event in events_in(folder) for value in event.summary.value]


def tags_in(folder: Path) -> list[str]:
    return [value.tag for value in values_in(folder)]


def points(folder: Path, tag: str = "x") -> list[tuple[int, float]]:
    found = []
    for event in events_in(folder):
        found += [(event.step, v.simple_value) for v in event.summary.value if v.tag == tag]
    return found


def png_file() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    return buffer.getvalue()


# ------------------------------------------------------------------ log

#: A value -> the field it is stored in, and for an image its height, width and channels.
KINDS_OF_VALUES: dict[str, tuple[Any, str, tuple[int, ...]]] = {
    "int": (3, "simple_value", ()),
    "bool": (True, "simple_value", ()),
    "numpy number": (np.float16(0.5), "simple_value", ()),
    "0-d": (np.array(3), "simple_value", ()),
    "one element": (np.array([[[3.0]]]), "simple_value", ()),
    "list of one": ([3.0], "simple_value", ()),
    "text": ("words", "tensor", ()),
    "empty text": ("", "tensor", ()),
    "texts": (["a", "b"], "tensor", ()),
    "table": ([["a", "b"], ["c", "d"]], "tensor", ()),
    "Pillow": (Image.fromarray(PIXELS), "image", (4, 6, 3)),
    "figure": (matplotlib.figure.Figure(figsize=(0.5, 0.25), dpi=100), "image", (25, 50, 3)),
    "bytes": (png_file(), "image", (4, 6, 3)),
    "bytearray": (bytearray(png_file()), "image", (4, 6, 3)),
    "HWC of 3": (PIXELS, "image", (4, 6, 3)),
    "CHW of 3": (PIXELS.transpose(2, 0, 1), "image", (4, 6, 3)),
    "HWC of 4": (np.zeros((4, 6, 4)), "image", (4, 6, 4)),
    "CHW of 4": (np.zeros((4, 5, 6)), "image", (5, 6, 4)),
    "HWC of 3 floats": (np.zeros((4, 6, 3), np.float32), "image", (4, 6, 3)),
    "HWC of 1, uint8": (np.zeros((4, 6, 1), np.uint8), "image", (4, 6, 1)),
    "CHW of 1, uint8": (np.zeros((1, 4, 6), np.uint8), "image", (4, 6, 1)),
    "HWC of 1, floats": (np.zeros((5, 6, 1)), "histo", ()),
    "CHW of 1, floats": (np.zeros((1, 5, 6)), "histo", ()),
    "HWC of 2": (np.zeros((5, 6, 2), np.uint8), "histo", ()),
    "[3, 3]": (np.zeros((3, 3)), "histo", ()),
    "[n]": (np.arange(5), "histo", ()),
    "list of numbers": ([1, 2, 3], "histo", ()),
    "4 axes": (np.zeros((2, 3, 4, 3)), "histo", ()),
}


@pytest.mark.parametrize("name", KINDS_OF_VALUES)
@pytest.mark.parametrize("as_function", [False, True])
def test_log_knows_what_a_value_is(tmp_path: Path, name: str, as_function: bool) -> None:
    value, field, size = KINDS_OF_VALUES[name]
    with SummaryWriter(tmp_path) as writer:
        writer.log({"x": (lambda: value) if as_function else value})
    (stored,) = values_in(tmp_path)
    assert stored.WhichOneof("value") == field
    if size:
        assert (stored.image.height, stored.image.width, stored.image.colorspace) == size
    elif field == "histo":
        assert stored.histo.num == np.size(value)
    elif field == "tensor":
        assert stored.metadata.plugin_data.plugin_name == "text"
        strings = [str(item).encode() for item in np.ravel(value)]
        assert list(stored.tensor.string_val) == strings
        assert [dim.size for dim in stored.tensor.tensor_shape.dim] == list(np.shape(value))
    else:
        assert stored.simple_value == float(np.ravel(value)[0])


def test_log_writes_one_event(tmp_path: Path) -> None:
    values = {
        "train": {"loss": 0.5, "acc": {"top1": 0.25, "top5": 0.75}},
        "image": PIXELS,
        "note": "words",
        "weights": np.arange(9),
    }
    with SummaryWriter(tmp_path) as writer:
        writer.log(values, 7, 1.5)
        writer.log({"train": {"loss": 0.25}, "note": "more"}, step=8, walltime=2.5)
    first, second = events_in(tmp_path)
    assert (first.step, first.wall_time) == (7, 1.5)
    assert [value.tag for value in first.summary.value] == [
        "train/loss",
        "train/acc/top1",
        "train/acc/top5",
        "image",
        "note",
        "weights",
    ]
    assert [value.simple_value for value in first.summary.value[:3]] == [0.5, 0.25, 0.75]
    assert (second.step, second.wall_time) == (8, 2.5)
    assert first.summary.value[4].metadata.plugin_data.plugin_name == "text"
    assert not second.summary.value[1].HasField("metadata")
    # TensorBoard and tbio read it as it is
    assert tbio.open(tmp_path)["."].scalars["train/loss"].values.tolist() == [0.5, 0.25]


def test_log_of_nothing(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.log({})
        writer.log({"a": {}})
    assert events_in(tmp_path) == []


def test_log_calls_functions_once(tmp_path: Path) -> None:
    calls = []

    def value() -> float:
        calls.append(threading.current_thread())
        return 0.5

    with SummaryWriter(tmp_path) as writer:
        writer.log({"a": value, "b": {"c": value}})
        assert calls == [threading.current_thread()] * 2
    assert tags_in(tmp_path) == ["a", "b/c"]
    with SummaryWriter(tmp_path / "off", write_to_disk=False) as off:
        off.log({"a": value})
    assert len(calls) == 2


def test_log_takes_a_functions_dict(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.log({"a": lambda: {"b": 1, "c": {"d": 2}}})
    assert tags_in(tmp_path) == ["a/b", "a/c/d"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"good": 1, "bad": None}, "^'bad': want numbers"),
        ({"good": 1, "bad": {"deep": object()}}, "^'bad/deep': "),
        ({"good": 1, "bad": b"no image"}, "^'bad': want a BMP"),
        ({"good": 1, "bad": ["a", 3]}, "^'bad': want text"),
        ({"good": 1, "bad": np.array([1j, 2j])}, "^'bad': values: want real numbers"),
        ({"good": 1, "bad": 10**400}, "^'bad': "),
        ({"good": 1, "bad": lambda: None}, "^'bad': want numbers"),
        ({"good": 1, 7: 1}, "key: want a str, got int 7"),
        ({"good": 1, "\udc80": 1}, "UTF-8"),
        (5, "want a dict"),
        ([("x", 1)], "want a dict"),
        (None, "want a dict"),
    ],
)
def test_log_refuses_before_anything_is_logged(tmp_path: Path, values: Any, words: str) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises((TypeError, ValueError), match=words):
            writer.log(values)
        writer.log({"x": 1})
    assert tags_in(tmp_path) == ["x"]


@pytest.mark.parametrize("more", [{"step": 2**63}, {"step": "1"}, {"walltime": float("nan")}])
def test_log_refuses_steps_and_times(tmp_path: Path, more: dict[str, Any]) -> None:
    with SummaryWriter(tmp_path) as writer, pytest.raises((TypeError, ValueError), match=r"^'x', "):
        writer.log({"x": 1}, **more)
    assert tags_in(tmp_path) == []


def test_log_passes_on_what_a_function_raises(tmp_path: Path) -> None:
    def broken() -> float:
        raise KeyError("no such thing")

    with SummaryWriter(tmp_path) as writer, pytest.raises(KeyError, match="no such thing"):
        writer.log({"x": broken})
    assert tags_in(tmp_path) == []


# ------------------------------------------------------------------ prefix


def test_prefix(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with writer.prefix("a/"):
            writer.add_scalar("x", 1)
            with writer.prefix("b "):
                writer.add_scalar("x", 1)
                writer.log({"y": {"z": 1}})
                with pytest.raises(ZeroDivisionError), writer.prefix("c/"):
                    raise ZeroDivisionError
                writer.add_text("t", "words")
            writer.add_scalars("m", {"k": 1})
        with pytest.raises(TypeError, match="prefix: want a str"), writer.prefix(3):  # type: ignore[arg-type]
            raise AssertionError
        writer.add_scalar("x", 1)
    assert tags_in(tmp_path) == ["a/x", "a/b x", "a/b y/z", "a/b t", "x"]
    assert tags_in(tmp_path / "a_m_k") == ["a/m"]


def test_prefix_of_metrics(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer, writer.prefix("test/"):
        writer.add_hparams({"lr": 0.1}, {"loss": 1})
    assert "test/loss" in tags_in(tmp_path)  # "in front of every tag"


def test_prefix_in_a_message(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer, writer.prefix("a/"):
        with pytest.raises(TypeError, match=r"^'a/x': "):
            writer.add_scalar("x", None)
        with pytest.warns(tbio.TbioWarning, match=r"^'a/x': "):
            writer.add_scalar("x", 1e300)


def test_threads_do_not_see_each_others_defaults(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait(10)
        writer.add_scalar("other", 1)
        writer.step = 9
        with writer.prefix("q/"):
            writer.add_scalar("other", 2)
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    writer.step = 5
    with writer.prefix("p/"), writer.use_metadata(walltime=1.5):
        inside.set()
        assert done.wait(10)
        writer.add_scalar("mine", 1)
    thread.join()
    assert writer.step == 5
    writer.close()
    found = {v.tag: (e.step, e.wall_time) for e in events_in(tmp_path) for v in e.summary.value}
    assert found["p/mine"] == (5, 1.5)
    assert found["other"][0] == 0
    assert found["q/other"][0] == 9
    assert found["other"][1] > 1e9
    assert found["q/other"][1] > 1e9


# ------------------------------------------------------------------ step


def test_step(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        assert writer.step is None
        writer.add_scalar("x", 0)
        writer.step = 7
        assert writer.step == 7
        writer.add_scalar("x", 1)
        writer.add_scalar("x", 2, 9)  # what is said counts
        writer.step = np.int64(12)
        writer.log({"x": 3})
        writer.add_scalars("m", {"k": 4})
        writer.close()
        writer.add_scalar("x", 5)  # the step outlives the file
        writer.step = None
        writer.add_scalar("y", 6)
    assert points(tmp_path) == [(0, 0), (7, 1), (9, 2), (12, 3), (12, 5)]
    assert points(tmp_path, "y") == [(0, 6)]
    assert points(tmp_path / "m_k", "m") == [(12, 4)]


@pytest.mark.parametrize("step", [2**63, float("nan"), "7", [1, 2]])
def test_a_wrong_step(tmp_path: Path, step: Any) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.step = 3
        with pytest.raises((TypeError, ValueError), match="step: "):
            writer.step = step
        with pytest.raises((TypeError, ValueError), match="step: "):
            writer.use_metadata(global_step=step).__enter__()
        assert writer.step == 3


def test_a_fraction_of_a_default_step_is_told(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.warns(tbio.TbioWarning, match=r"1\.5 is no whole number"):
            writer.step = 1.5
            writer.add_scalar("x", 1)
        with (
            pytest.warns(tbio.TbioWarning, match=r"2\.5 is no whole number"),
            writer.use_metadata(global_step=2.5),
        ):
            writer.add_scalar("y", 1)
    assert points(tmp_path) == [(1, 1)]
    assert points(tmp_path, "y") == [(2, 1)]


# ------------------------------------------------------------------ use_metadata


def test_use_metadata(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.step = 3
        with writer.use_metadata(global_step=7, walltime=1.5):
            writer.add_scalar("a", 1)
            writer.add_scalar("b", 1, 8, 2.5)
            with writer.use_metadata(walltime=3.5):  # the step as it is outside
                writer.add_scalar("c", 1)
            with pytest.raises(ZeroDivisionError), writer.use_metadata(global_step=0):  # noqa: PT012
                writer.add_scalar("d", 1)
                raise ZeroDivisionError
            writer.add_scalar("e", 1)
        writer.add_scalar("f", 1)
    found = {e.summary.value[0].tag: (e.step, e.wall_time) for e in events_in(tmp_path)}
    assert found.pop("f")[0] == 3
    assert found == {"a": (7, 1.5), "b": (8, 2.5), "c": (7, 3.5), "d": (0, 1.5), "e": (7, 1.5)}
    with SummaryWriter(tmp_path / "times") as writer:
        with writer.use_metadata(global_step=7):
            writer.add_scalar("x", 1)  # tensorboardX: wall time 0.0
        with pytest.raises(ValueError, match="walltime: "):
            writer.use_metadata(walltime=float("nan")).__enter__()
    (event,) = events_in(tmp_path / "times")
    assert event.step == 7
    assert event.wall_time > 1_700_000_000


METHODS: dict[str, Callable[[SummaryWriter], object]] = {
    "add_scalar": lambda w: w.add_scalar("x", 1),
    "add_scalars": lambda w: w.add_scalars("x", {"k": 1}),
    "add_image": lambda w: w.add_image("x", PIXELS, dataformats="HWC"),
    "add_mesh": lambda w: w.add_mesh("x", [[0, 0, 0]]),
    "add_pr_curve": lambda w: w.add_pr_curve("x", [0, 1], [0.2, 0.3]),
    "metrics": lambda w: w.add_hparams({"lr": 1}, {"x": 1}),
    "metrics of a run of their own": lambda w: w.add_hparams({"lr": 1}, {"x": 1}, run_name="x_k"),
    "log": lambda w: w.log({"x": 1}),
    "add_custom_scalars": lambda w: w.add_custom_scalars({"c": {"t": ["Multiline", ["x"]]}}),
    "add_graph": lambda w: w.add_graph(GraphDef()),
}


@pytest.mark.parametrize("name", METHODS)
def test_use_metadata_is_for_every_method(tmp_path: Path, name: str) -> None:
    with SummaryWriter(tmp_path) as writer, writer.use_metadata(global_step=7, walltime=1.5):
        METHODS[name](writer)
    events = [*events_in(tmp_path), *events_in(tmp_path / "x_k")]
    events = [e for e in events if not any(v.tag.startswith("_hp") for v in e.summary.value)]
    assert [event.wall_time for event in events] == [1.5]
    if name not in ("add_custom_scalars", "add_graph"):  # which have none
        assert [event.step for event in events] == [7]


# ------------------------------------------------------------------ warnings of the thread


def test_one_tag_of_two_kinds_is_told_once(tmp_path: Path) -> None:
    with pytest.warns(tbio.TbioWarning, match="'x': text after scalar") as caught:  # noqa: SIM117
        with SummaryWriter(tmp_path) as writer:
            writer.add_scalar("x", 1)
            for _ in range(3):
                writer.add_text("x", "words")
            writer.add_text("y", "words")
    assert len(caught) == 1
    assert tags_in(tmp_path) == ["x", "x", "x", "x", "y"]  # all the same


def test_steps_that_go_back_are_told_once(tmp_path: Path) -> None:
    with pytest.warns(tbio.TbioWarning, match="'x': step 4 after step 5") as caught:  # noqa: SIM117
        with SummaryWriter(tmp_path) as writer:
            for step in (5, 4, 3):
                writer.add_histogram("x", [1, 2], step)
            writer.add_histogram("y", [1, 2], 1)
    assert len(caught) == 1


def test_nothing_is_told_of_a_good_log(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with SummaryWriter(tmp_path) as writer:
            for step in (1, 1, 2, 2.0, np.int32(3), 3):
                writer.add_scalar("x", 1, step)
            writer.add_video("v", PIXELS.transpose(2, 0, 1)[None, None], 1)
            writer.add_image("v", PIXELS.transpose(2, 0, 1), 2)  # both are images
            writer.add_scalar("x", 1, 4, new_style=True)
            writer.add_custom_scalars_multilinechart(["x"])
            writer.add_hparams({"lr": 1}, {"x": 1}, global_step=5)


TAGS = [
    "with space",
    "100 %",
    "a[0](b){c}",
    "größe/λ🙂",
    "/lead",
    "trail/",
    "..",
    "",
    "a\nb",
    "<b>",
]


def test_tags_are_never_renamed(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for tag in TAGS:
            writer.add_scalar(tag, 1)
            writer.add_text("t" + tag, "words")
            writer.add_histogram("h" + tag, [1])
        writer.log({tag: 1 for tag in TAGS}, 1)
        for tag in TAGS:
            writer.add_scalars(tag, {"k": 1})
    expected = [kind + tag for tag in TAGS for kind in ("", "t", "h")]
    assert tags_in(tmp_path) == expected + TAGS
    curves = {
        v.tag
        for path in files_in(tmp_path)
        if path.parent != tmp_path
        for e in tbio.read_events(path)
        for v in e.summary.value
    }
    assert curves == set(TAGS)


# ------------------------------------------------------------------ write_to_disk


def test_write_to_disk_false(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = SummaryWriter(tmp_path / "run", write_to_disk=False, purge_step=3)
    assert (writer.file_writer, writer.all_writers) == (None, None)
    with writer:
        writer.add_scalar("x", 1)
        writer.add_scalars("m", {"k": 1})
        writer.add_image("i", PIXELS, dataformats="HWC")
        writer.add_embedding([[1.0, 2.0]])
        writer.add_custom_scalars_multilinechart(["x"])
        writer.set_hparams({"lr": 1})
        writer.add_hparams({"lr": 2}, {"x": 1}, run_name="trial")
        writer.add_graph(GraphDef())
        writer.log({"x": 1}, 3)
        writer.flush()
        assert threading.active_count() <= before
    writer.close()
    writer.add_scalar("x", 1)  # also after close
    writer.close()
    assert list(tmp_path.iterdir()) == []
    assert writer.dropped == 0


CHECKED: dict[str, Callable[[SummaryWriter], object]] = {
    "value": lambda w: w.add_scalar("x", None),
    "step": lambda w: w.add_scalar("x", 1, "first"),
    "walltime": lambda w: w.add_scalar("x", 1, 1, float("nan")),
    "tag": lambda w: w.add_scalar(3, 1),  # type: ignore[arg-type]
    "image": lambda w: w.add_image("x", np.zeros(3)),
    "curves": lambda w: w.add_scalars("x", {"../..": 1}),
    "text": lambda w: w.add_text("x", 3),
    "embedding": lambda w: w.add_embedding(np.zeros(3)),
    "hparams": lambda w: w.set_hparams(3),
    "layout": lambda w: w.add_custom_scalars(3),
    "log, value": lambda w: w.log({"x": None}),
    "log, tag": lambda w: w.log({3: 1}),  # type: ignore[dict-item]
    "log, step": lambda w: w.log({"x": 1}, "first"),
}


@pytest.mark.parametrize("name", CHECKED)
def test_write_to_disk_false_still_checks(tmp_path: Path, name: str) -> None:
    writer = SummaryWriter(tmp_path / "run", write_to_disk=False)
    with pytest.raises((TypeError, ValueError)):
        CHECKED[name](writer)


# ------------------------------------------------------------------ the constructor


@pytest.mark.parametrize("config", [None, {"disabled": True}, {"disabled": True, "project": "p"}])
def test_comet_that_is_not_asked_for(tmp_path: Path, config: Any) -> None:
    SummaryWriter(tmp_path, comet_config=config).close()
    assert len(files_in(tmp_path)) == 1


@pytest.mark.parametrize("config", [{}, {"disabled": False}, {"project_name": "p"}])
def test_comet_is_told_of(tmp_path: Path, config: Any) -> None:
    with pytest.warns(tbio.TbioWarning, match="does not mirror to Comet") as caught:
        SummaryWriter(tmp_path, comet_config=config).close()
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("word", ["log_dir", "logdir"])
def test_an_empty_folder_is_the_default_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.chdir(tmp_path)
    named: Any = {word: ""}
    with SummaryWriter(**named) as writer:  # as both peers have it
        assert writer.log_dir.startswith("runs" + os.sep)


@pytest.mark.parametrize(
    ("layout", "folder", "tag"),
    [
        ("torch", "loss_all_val/a", "loss/all"),
        ("tensorboardX", "loss/all/val/a", "loss/all"),
        ("tags", ".", "loss/all/val/a"),
    ],
)
def test_scalars_layout(tmp_path: Path, layout: Any, folder: str, tag: str) -> None:
    with SummaryWriter(tmp_path, scalars_layout=layout) as writer:
        writer.add_scalars("loss/all", {"val/a": 0.5}, 3, 1.5)
    (event,) = events_in(tmp_path / folder)
    assert (event.step, event.wall_time) == (3, 1.5)
    assert [(v.tag, v.simple_value) for v in event.summary.value] == [(tag, 0.5)]
    assert len(files_in(tmp_path)) == (1 if layout == "tags" else 2)


def test_an_unknown_scalars_layout(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scalars_layout: want one of .*got 'keras'"):
        SummaryWriter(tmp_path / "run", scalars_layout="keras")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ scalar_dict


@pytest.mark.parametrize("layout", ["torch", "tensorboardX", "tags"])
def test_scalar_dict(tmp_path: Path, layout: Any) -> None:
    with SummaryWriter(tmp_path / "run", scalars_layout=layout) as writer:
        assert writer.scalar_dict == {}
        writer.add_scalars("m", {"a": 0.5, "b": 2}, 3, 1.5)
        writer.add_scalars("m", {"a": 0.25}, 4, 2.5)
        writer.add_scalar("other", 1)
        want = {
            f"{tmp_path}/run/m/a": [[1.5, 3, 0.5], [2.5, 4, 0.25]],
            f"{tmp_path}/run/m/b": [[1.5, 3, 2]],
        }
        assert writer.scalar_dict == want
        writer.export_scalars_to_json(tmp_path / "scalars.json")
    assert json.loads((tmp_path / "scalars.json").read_text()) == want
    assert writer.scalar_dict == want  # after close too


def test_scalar_dict_has_the_names_of_tensorboardx(tmp_path: Path) -> None:
    writers: list[Any] = [tensorboardX.SummaryWriter(str(tmp_path)), SummaryWriter(str(tmp_path))]
    for writer in writers:
        writer.add_scalars("m/n", {"a": 0.5}, 3, 1.5)
    theirs, ours = (writer.scalar_dict for writer in writers)
    for writer in writers:
        writer.close()
    assert list(ours) == list(theirs) == [f"{tmp_path}/m/n/a"]


@pytest.mark.parametrize("layout", ["torch", "tensorboardX", "tags"])
def test_curves_with_slashes_in_their_keys(tmp_path: Path, layout: Any) -> None:
    """Main tag and key, not the two joined, say which curve it is, at every call."""
    with SummaryWriter(tmp_path, scalars_layout=layout) as writer:
        for step in (0, 1):
            writer.add_scalars("m", {"a/b": 1}, step)
            writer.add_scalars("m/a", {"b": 2}, step)
    found = [
        (run, tag, series.steps.tolist(), series.values.tolist())
        for run, data in tbio.open(tmp_path).items()
        for tag, series in data.scalars.items()
    ]
    assert (
        found
        == {
            "torch": [("m_a/b", "m", [0, 1], [1, 1]), ("m_a_b", "m/a", [0, 1], [2, 2])],
            "tensorboardX": [("m/a/b", "m", [0, 1], [1, 1]), ("m/a/b", "m/a", [0, 1], [2, 2])],
            "tags": [(".", "m/a/b", [0, 0, 1, 1], [1, 2, 1, 2])],
        }[layout]
    )


def test_a_key_that_is_no_text_at_any_call(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalars("m", {"1": 1}, 0)
        with pytest.raises(TypeError, match="key: want a str"):
            writer.add_scalars("m", {1: 1}, 1)  # type: ignore[dict-item]


def test_scalar_dict_keeps_curves_apart(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:  # both in the folder a_b_c
        writer.add_scalars("a_b", {"c": 1}, 0, 1.5)
        writer.add_scalars("a", {"b_c": 2}, 0, 1.5)
        assert writer.scalar_dict == {
            f"{tmp_path}/a_b/c": [[1.5, 0, 1]],
            f"{tmp_path}/a/b_c": [[1.5, 0, 2]],
        }


def test_scalar_dict_passes_over_other_files(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalars("m", {"a": 1}, 0, 1.5)
        writer.flush()
        (tmp_path / "m_a" / "notes.txt").write_text("no event file")
        assert writer.scalar_dict == {f"{tmp_path}/m/a": [[1.5, 0, 1]]}


def test_scalar_dict_without_a_disk(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run", write_to_disk=False) as writer:
        writer.add_scalars("m", {"a": 1})
        assert writer.scalar_dict == {}


# ------------------------------------------------------------------ attributes


def test_attributes_before_and_after_close(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    assert writer.log_dir == writer.logdir == writer.get_logdir() == str(tmp_path)
    first = writer.file_writer
    assert isinstance(first, FileWriter)
    assert first.get_logdir() == str(tmp_path)
    assert writer.all_writers == {str(tmp_path): first}
    assert writer._get_file_writer() is first
    writer.add_scalars("m", {"k": 1})
    assert writer.all_writers is not None
    assert sorted(writer.all_writers) == [str(tmp_path), str(tmp_path / "m_k")]
    writer.close()
    closed: tuple[Any, ...] = (writer.file_writer, writer.all_writers)
    assert closed == (None, None)  # as with the peers
    assert writer.log_dir == writer.logdir == writer.get_logdir() == str(tmp_path)
    again = writer._get_file_writer()
    assert again is writer.file_writer is not first
    assert writer.all_writers == {str(tmp_path): again}
    again.add_summary(Summary(value=[Summary.Value(tag="x", simple_value=2)]), 3)
    writer.close()
    assert points(tmp_path) == [(3, 2)]


def test_the_keys_of_all_writers_are_of_one_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with SummaryWriter("run") as writer:
        writer.add_scalars("m", {"k": 1})
        assert writer.all_writers is not None
        assert len({os.path.isabs(folder) for folder in writer.all_writers}) == 1


def test_default_bins(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "a") as writer, tensorboardX.SummaryWriter(str(tmp_path)) as peer:
        assert np.allclose(writer.default_bins, peer.default_bins, rtol=1e-12, atol=0)
        assert len(writer.default_bins) == len(peer.default_bins)
        assert isinstance(writer.default_bins, list)


def test_attributes_can_be_set(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    flush, flushed = writer.flush, []

    def patched(sync: bool = False) -> None:  # as flax does
        flush(sync)
        flushed.append(len(events_in(tmp_path)))

    writer.flush = patched  # type: ignore[method-assign]
    writer.anything = 3  # type: ignore[attr-defined]
    writer.add_scalar("x", 1)
    writer.flush()
    assert flushed == [1]
    writer.close()


def test_a_writer_is_true(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path, write_to_disk=False)
    assert writer  # Transformers: `if self.tb_writer`
    writer.close()
    assert writer
    assert not hasattr(writer, "__len__")


def test_the_block_gives_the_writer_itself(tmp_path: Path) -> None:
    class Mine(SummaryWriter):
        pass

    mine = Mine(tmp_path)
    with mine as entered:
        assert entered is mine
    array: npt.NDArray[Any] = np.zeros(3)
    with mine as again:  # a second time
        again.add_histogram("h", array)
    assert tags_in(tmp_path) == ["h"]
