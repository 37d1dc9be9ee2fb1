"""tbio.compat.EventAccumulator gives what TensorBoard's does, wherever that gives all of it."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import inspect
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from conftest import CORPUS, ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing import event_accumulator as theirs
from tensorboard.backend.event_processing import reservoir
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from tensorboard.util.tensor_util import make_ndarray as their_make_ndarray

from tbio import DamageError, DecodeError, SummaryWriter, TagNotFoundError, TbioWarning, tensor
from tbio.compat import EventAccumulator, make_ndarray
from tbio.compat import event_accumulator as ours
from tbio.compat.reservoir import Reservoir, floats
from tbio.masked_crc import masked_crc
from tbio.proto.event_pb2 import Event, SessionLog
from tbio.proto.graph_pb2 import GraphDef
from tbio.proto.hparams_pb2 import HParamsPluginData
from tbio.proto.meta_graph_pb2 import MetaGraphDef
from tbio.proto.run_metadata_pb2 import RunMetadata
from tbio.proto.summary_pb2 import Summary
from tbio.proto.tensor_pb2 import TensorProto
from tbio.record import encode_record

EVERYTHING = theirs.STORE_EVERYTHING_SIZE_GUIDANCE
METHODS = {
    "scalars": "Scalars",
    "histograms": "Histograms",
    "distributions": "CompressedHistograms",
    "images": "Images",
    "audio": "Audio",
    "tensors": "Tensors",
}


@pytest.fixture(autouse=True, scope="module")
def fast_checksums() -> Iterator[None]:
    """TensorBoard's checksums in C: the same, in a hundredth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pywrap_tensorflow, "masked_crc32c", lambda data: masked_crc(bytes(data)))
        yield


def reloaded(accumulator: Any) -> Any:
    """After `Reload`, without a word of what it purged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TbioWarning)
        return accumulator.Reload()


def answer(method: Any, *arguments: Any) -> Any:
    """What a method gives, or the kind of error that it raises."""
    try:
        result = method(*arguments)
    except (KeyError, ValueError) as error:
        return KeyError if isinstance(error, KeyError) else ValueError
    if hasattr(result, "SerializeToString"):
        return result.SerializeToString(deterministic=True)
    return result


def plain(event: Any) -> str:
    """An event as text, from which every number can be had back; tensors as bytes."""
    if hasattr(event, "tensor_proto"):
        event = event.wall_time, event.step, event.tensor_proto.SerializeToString()
    elif hasattr(event, "compressed_histogram_values"):  # some of them of numpy in TensorBoard
        bands = [(point, float(value)) for point, value in event.compressed_histogram_values]
        event = event.wall_time, event.step, bands
    return repr(event)


def state(accumulator: Any) -> dict[Any, Any]:
    """Everything that an accumulator can be asked for."""
    tags = accumulator.Tags()
    found: dict[Any, Any] = {
        (kind, tag): list(map(plain, getattr(accumulator, method)(tag)))
        for kind, method in METHODS.items()
        for tag in tags[kind]
    }
    metadata = {
        tag: answer(accumulator.SummaryMetadata, tag) for tag in accumulator.summary_metadata
    }
    plugins = {one.plugin_data.plugin_name for one in accumulator.summary_metadata.values()}
    return found | {
        "tags": list(tags.items()),  # in order
        "metadata": metadata,
        "content": {name: answer(accumulator.PluginTagToContent, name) for name in plugins},
        "graph": answer(accumulator.Graph),
        "meta graph": answer(accumulator.MetaGraph),
        "run metadata": [answer(accumulator.RunMetadata, tag) for tag in tags["run_metadata"]],
        "first": repr(answer(accumulator.FirstEventTimestamp)),
        "writer": accumulator.GetSourceWriter(),
        "version": accumulator.file_version,
        "recent": (accumulator.most_recent_step, accumulator.most_recent_wall_time),
    }


def assert_same(path: Any, guidance: Any, **options: Any) -> None:
    mine = reloaded(EventAccumulator(str(path), guidance, **options))
    assert state(mine) == state(theirs.EventAccumulator(str(path), guidance, **options).Reload())


# ---------------------------------------------------------------------- the corpus


def truths() -> Iterator[dict[str, Any]]:
    for path in sorted((CORPUS / "expected").rglob("*.json")):
        truth = json.loads(path.read_bytes())
        if "framing" in truth:
            yield truth


def is_clean(truth: dict[str, Any]) -> bool:
    framing = truth["framing"]
    return bool(
        framing["stop"]["why"] == "eof"
        and not framing["bad_payload_crc"]
        and not truth["loader"]["error"]
    )


def paths(clean: bool) -> list[str]:
    """Event files; of the clean ones also the folders that hold several.

    TensorBoard's class takes a profiler's marker for a folder, and gives nothing.
    """
    found = [truth["file"]["path"] for truth in truths() if is_clean(truth) == clean]
    several = CORPUS / "expected" / "_runs.json"
    if clean and several.exists():
        found += json.loads(several.read_bytes())
    return [path for path in found if not path.endswith(".profile-empty")]


def test_the_corpus_is_whole(corpus: Path) -> None:
    """Skips, loudly, where there is no corpus: then the other tests have nothing to run on."""
    assert (len(paths(clean=True)), len(paths(clean=False))) == (210, 79)


@pytest.mark.parametrize("path", paths(clean=True))
def test_everything(corpus: Path, path: str) -> None:
    full = state(reloaded(EventAccumulator(str(corpus / path))))
    assert full == state(theirs.EventAccumulator(str(corpus / path), EVERYTHING).Reload())


@pytest.mark.parametrize("path", paths(clean=True))
def test_with_the_limits_of_tensorboard(corpus: Path, path: str) -> None:
    assert_same(corpus / path, theirs.DEFAULT_SIZE_GUIDANCE)


def test_the_limits_leave_something_out(corpus: Path) -> None:
    path = str(corpus / "peers/tensorflow/v1_all/events.out.tfevents.1795238957.vm")
    limited = reloaded(EventAccumulator(path, ours.DEFAULT_SIZE_GUIDANCE))
    full = reloaded(EventAccumulator(path))
    assert [len(one.Histograms("weights")) for one in (limited, full)] == [1, 4]


@pytest.mark.parametrize("path", paths(clean=False))
def test_more_of_a_damaged_file(corpus: Path, path: str, tmp_path: Path) -> None:
    """Under a name that TensorBoard's class takes for an event file's."""
    link = tmp_path / "events.out.tfevents.1"
    link.symlink_to(corpus / path)
    original = theirs.EventAccumulator(str(link), EVERYTHING, purge_orphaned_data=False)
    with contextlib.suppress(Exception):  # of a record that is no event, or is of any length
        original.Reload()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TbioWarning)
        mine = EventAccumulator(str(link), purge_orphaned_data=False).Reload()
    for kind, method in METHODS.items():
        for tag in original.Tags()[kind]:
            known = list(map(plain, getattr(original, method)(tag)))
            assert list(map(plain, getattr(mine, method)(tag)))[: len(known)] == known


def test_what_follows_the_damage(corpus: Path) -> None:
    path = str(corpus / "damaged/scalars.flip_payload.tfevents")
    with pytest.warns(TbioWarning, match="1 damaged places"):
        mine = EventAccumulator(path).Reload()
    original = theirs.EventAccumulator(path, EVERYTHING).Reload()
    counts = [
        sum(len(one.Scalars(tag)) for tag in one.Tags()["scalars"]) for one in (mine, original)
    ]
    assert counts[0] - counts[1] == 63  # records behind the damaged one


def with_tensors() -> list[str]:
    return [
        truth["file"]["path"]
        for truth in truths()
        if is_clean(truth) and any("tensor" in tag["kinds"] for tag in truth["raw"].values())
    ]


@pytest.mark.parametrize("path", with_tensors())
def test_arrays_of_tensors(corpus: Path, path: str) -> None:
    """By our function and by TensorBoard's, of our protos and of TensorBoard's."""
    mine = reloaded(EventAccumulator(str(corpus / path)))
    original = theirs.EventAccumulator(str(corpus / path), EVERYTHING).Reload()
    for tag in mine.Tags()["tensors"]:
        pairs = zip(mine.Tensors(tag), original.Tensors(tag), strict=True)
        for one, other in list(pairs)[:20]:
            try:
                array = their_make_ndarray(other.tensor_proto)
            except (TypeError, ValueError):  # bfloat16, and what torch stores in the wrong field
                continue
            for got in (
                their_make_ndarray(one.tensor_proto),
                make_ndarray(one.tensor_proto),
                make_ndarray(other.tensor_proto),
            ):
                assert (got.shape, got.dtype.kind) == (array.shape, array.dtype.kind)
                np.testing.assert_array_equal(got, array)


# ---------------------------------------------------------------------- any log

TAGS = st.sampled_from(["", "a", "b"])
STEPS = st.integers(-2, 8)


def value(tag: str, field: str, number: int, plugin: str | None) -> Summary.Value:
    """A value that ``number`` tells from others; half of them are too large to be kept."""
    size = 3000 * (number % 2)
    one = Summary.Value(tag=tag, node_name=f"node{tag}")
    if plugin is not None:
        one.metadata.plugin_data.plugin_name = plugin
        one.metadata.plugin_data.content = b"%d" % number
    if field == "simple_value":
        one.simple_value = number / 3
    elif field == "histo":
        one.histo.min, one.histo.max, one.histo.num = -number / 7, number / 3, number
        one.histo.bucket_limit.extend([0.0, number / 5, *range(number, number + size // 16)])
        one.histo.bucket.extend([1, number % 3, *[number % 5] * (size // 16)])
    elif field == "image":
        one.image.encoded_image_string = b"%d" % number + bytes(size)
        one.image.width, one.image.height = number, 7
    elif field == "audio":
        one.audio.encoded_audio_string = b"%d" % number + bytes(size)
        one.audio.sample_rate, one.audio.length_frames = number / 3, 5
        one.audio.content_type = "audio/wav"
    elif field == "tensor":
        one.tensor.CopyFrom(tensor.encode(np.full(1 + size // 4, number, np.float32)))
    return one


@st.composite
def events(draw: st.DrawFn) -> Event:
    number = draw(st.integers(0, 1000))
    what = draw(st.sampled_from(["summary"] * 12 + ["start"] * 2 + ["stop", "graph", "none"]))
    event = Event(wall_time=number / 7, step=draw(STEPS))
    if what == "summary":
        fields = ["simple_value", "histo", "image", "audio", "tensor", "nothing"]
        plugins = st.sampled_from([None, None, "", "images", "mine"])
        for at in range(draw(st.integers(1, 3))):
            field = draw(st.sampled_from(fields))
            event.summary.value.append(value(draw(TAGS), field, number + at, draw(plugins)))
    elif what in ("start", "stop"):
        event.session_log.status = SessionLog.START if what == "start" else SessionLog.STOP
    elif what == "graph":
        graph = GraphDef(node=[{"name": str(number)}])
        if draw(st.booleans()):
            event.graph_def = graph.SerializeToString()
        elif draw(st.booleans()):
            event.meta_graph_def = MetaGraphDef(graph_def=graph).SerializeToString()
        else:
            event.tagged_run_metadata.tag = draw(TAGS)
            event.tagged_run_metadata.run_metadata = RunMetadata(
                partition_graphs=[graph]
            ).SerializeToString()
    return event


VERSIONS = st.sampled_from(["brain.Event:2"] * 4 + ["brain.Event:1", "brain.Event:x", "3", ""])
WRITERS = st.sampled_from(["tensorboard.summary.writer.event_file_writer", "w" * 129, ""])


@st.composite
def files(draw: st.DrawFn) -> list[Event]:
    """The events of a file that begins as writers have it, or without a version."""
    first = Event(wall_time=draw(st.floats(0, 1e9)))
    begin = draw(st.sampled_from(["version", "version and writer", "nothing", "empty"]))
    if begin.startswith("version"):
        first.file_version = draw(VERSIONS)
    if begin == "version and writer":
        first.source_metadata.writer = draw(WRITERS)
    return [first][begin == "nothing" :] + draw(st.lists(events(), max_size=25))


GUIDANCE = st.fixed_dictionaries({kind: st.integers(0, 4) for kind in EVERYTHING})


def written(logged: list[list[Event]], folder: str) -> list[str]:
    names = []
    for at, file in enumerate(logged):
        names.append(os.path.join(folder, f"events.out.tfevents.{at}.host"))
        Path(names[-1]).write_bytes(encoded(file))
    return names


def encoded(file: list[Event]) -> bytes:
    return b"".join(encode_record(event.SerializeToString()) for event in file)


@settings(max_examples=150, deadline=None)
@given(st.lists(files(), min_size=1, max_size=3), GUIDANCE, st.booleans())
def test_any_log(logged: list[list[Event]], guidance: dict[str, int], purge: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written(logged, folder)
        assert_same(folder, guidance, purge_orphaned_data=purge)


@settings(max_examples=40, deadline=None)
@given(
    files(),
    st.lists(st.sampled_from(["FirstEventTimestamp", "GetSourceWriter", "Reload"]), max_size=6),
)
def test_asked_before_it_was_read(logged: list[Event], calls: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", TbioWarning)
        (path,) = written([logged], folder)
        mine, original = EventAccumulator(path), theirs.EventAccumulator(path, EVERYTHING)
        for call in calls:
            answers = [answer(getattr(one, call)) for one in (mine, original)]
            assert call == "Reload" or answers[0] == answers[1]
            assert list(mine.Tags().items()) == list(original.Tags().items())
        assert state(mine) == state(original)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(files(), min_size=1, max_size=3),
    st.lists(st.floats(0, 1), max_size=4),
    GUIDANCE,
)
def test_a_log_that_grows(
    logged: list[list[Event]], shares: list[float], guidance: dict[str, int]
) -> None:
    """File by file, cut off anywhere."""
    contents = [encoded(file) for file in logged]
    total = sum(map(len, contents))
    with tempfile.TemporaryDirectory() as folder:
        mine, original = (
            EventAccumulator(folder, guidance),
            theirs.EventAccumulator(folder, guidance),
        )
        for end in [*sorted(int(share * total) for share in shares), total]:
            for at, content in enumerate(contents):
                path = Path(folder, f"events.out.tfevents.{at}.host")
                if end > 0:
                    with path.open("ab") as file:
                        file.write(content[:end][file.tell() :])
                end -= len(content)
            assert state(reloaded(mine)) == state(original.Reload())


@pytest.mark.parametrize("keep_last", [True, False])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 10])
def test_any_sample(size: int, keep_last: bool) -> None:
    """Items come and are purged; after each, the same ones are left."""
    generator = random.Random(size)
    mine = Reservoir(size, ours.ScalarEvent, room=floats, always_keep_last=keep_last)
    original = reservoir.Reservoir(size, always_keep_last=keep_last)
    for number in range(1000):
        tag, step = generator.choice("aab"), generator.randrange(100)
        if generator.random() < 0.95:
            mine.add(tag, step, number, number)
            original.AddItem(tag, ours.ScalarEvent(number, step, number))
        else:
            left_out = original.FilterItems(lambda event, step=step: event.step < step, tag)
            assert mine.purge(step, tag) == left_out
        assert mine.Keys() == original.Keys()
        assert [mine.Items(key) for key in mine.Keys()] == list(map(original.Items, mine.Keys()))


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=30),
    st.lists(st.integers(0, 10_000), min_size=1, max_size=12),
)
def test_compressed_histograms_of_any_buckets(counts: list[float], points: list[int]) -> None:
    histogram = Summary.Value(tag="h").histo
    histogram.bucket.extend(counts)
    histogram.bucket_limit.extend(np.linspace(-3, 5, len(counts)).tolist())
    histogram.min, histogram.max, histogram.num = -4, 4, sum(counts)
    with tempfile.TemporaryDirectory() as folder:
        written([[Event(summary={"value": [{"tag": "h", "histo": histogram}]})]], folder)
        assert_same(folder, EVERYTHING, compression_bps=points)


# ---------------------------------------------------------------------- names


def public(one: Any) -> set[str]:
    return {name for name in dir(one) if not name.startswith("_")}


def test_every_name_of_the_class() -> None:
    folder = str(ROOT / "tests" / "golden" / "digits" / "train")
    assert public(theirs.EventAccumulator(folder)) <= public(EventAccumulator(folder))
    for name in sorted(public(theirs.EventAccumulator) | {"__init__"}):
        original = inspect.signature(getattr(theirs.EventAccumulator, name))
        mine = inspect.signature(getattr(EventAccumulator, name))
        assert [(one.name, one.default) for one in mine.parameters.values()] == [
            (one.name, one.default) for one in original.parameters.values()
        ]


def test_every_name_of_the_module() -> None:
    constants = {name for name in public(theirs) if name.isupper()} - {"SUMMARY_TYPES"}
    assert len(constants) == 12
    for name in constants:
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ours.__all__:
        assert getattr(ours, name) is not None


@pytest.mark.parametrize(
    "name", [name for name in sorted(public(theirs)) if name.endswith(("Event", "Value"))]
)
def test_events_have_the_same_fields(name: str) -> None:
    mine, original = getattr(ours, name), getattr(theirs, name)
    fields = [field.name for field in dataclasses.fields(original)]
    assert [field.name for field in dataclasses.fields(mine)] == fields
    numbers = range(len(fields))
    assert repr(mine(*numbers)) == repr(original(*numbers))
    assert vars(mine(*numbers)) == vars(original(*numbers))
    with pytest.raises(dataclasses.FrozenInstanceError):
        mine(*numbers).step = 1
    assert mine(*numbers) == mine(*numbers) != mine(*reversed(numbers))
    pandas.testing.assert_frame_equal(
        pandas.DataFrame([mine(*numbers)]), pandas.DataFrame([original(*numbers)])
    )


def test_which_names_are_event_files() -> None:
    assert ours.IsTensorFlowEventsFile("logs/events.out.tfevents.1.host")
    assert ours.IsTensorFlowEventsFile("x.tfevents.profile-empty")
    assert not ours.IsTensorFlowEventsFile("my.tfevents.d/model.ckpt")
    with pytest.raises(ValueError, match="nonempty"):
        ours.IsTensorFlowEventsFile("")


# ---------------------------------------------------------------------- what differs


def scalar(tag: str, step: int, number: float) -> Event:
    return Event(step=step, summary={"value": [{"tag": tag, "simple_value": number}]})


def log(
    folder: Path, *logged: Event, name: str = "events.out.tfevents.5", mode: str = "ab"
) -> Path:
    path = folder / name
    with path.open(mode) as file:
        file.write(encoded(list(logged)))
    return path


def steps(accumulator: EventAccumulator, tag: str = "a") -> list[int]:
    return [event.step for event in accumulator.Scalars(tag)]


VERSION = Event(file_version="brain.Event:2")


def test_kinds_without_a_limit_are_kept_as_a_whole(tmp_path: Path) -> None:
    log(tmp_path, VERSION, *(scalar("a", step, 0) for step in range(20)))
    tensors = [value("t", "tensor", step, None) for step in range(30)]
    log(tmp_path, *(Event(step=step, summary={"value": [one]}) for step, one in enumerate(tensors)))
    accumulator = EventAccumulator(tmp_path, {"scalars": 5}).Reload()
    assert (len(accumulator.Scalars("a")), len(accumulator.Tensors("t"))) == (5, 30)
    original = theirs.EventAccumulator(str(tmp_path), {"scalars": 5}).Reload()
    assert (len(original.Scalars("a")), len(original.Tensors("t"))) == (5, 10)


@pytest.mark.parametrize("size", [-1, 2.5])
def test_a_limit_that_is_none(size: Any) -> None:
    for one in (EventAccumulator, theirs.EventAccumulator):
        with pytest.raises(ValueError, match="size must be nonnegative integer"):
            one("x", {"scalars": size})


def test_a_path_that_is_none() -> None:
    for one in (EventAccumulator, theirs.EventAccumulator):
        with pytest.raises(ValueError, match="path must be a valid string"):
            one("")


@pytest.mark.parametrize("name", ["nowhere", "events.out.tfevents.1"])
def test_a_path_with_nothing_there(tmp_path: Path, name: str) -> None:
    accumulator = EventAccumulator(tmp_path / name)
    for method in (accumulator.Reload, accumulator.FirstEventTimestamp):
        with pytest.raises(FileNotFoundError):
            method()


def test_what_is_purged_is_told(tmp_path: Path) -> None:
    start = Event(step=3, session_log={"status": SessionLog.START})
    log(tmp_path, VERSION, *(scalar("a", step, 0) for step in range(5)), start, scalar("a", 3, 1))
    accumulator = EventAccumulator(tmp_path)
    with pytest.warns(TbioWarning, match="2 values left out, which a restart of the run made void"):
        accumulator.Reload()
    assert steps(accumulator) == [0, 1, 2, 3]
    assert steps(accumulator.Reload()) == [0, 1, 2, 3]  # and told once
    kept = EventAccumulator(tmp_path, purge_orphaned_data=False).Reload()
    assert steps(kept) == [0, 1, 2, 3, 4, 3]


def test_every_file_is_followed(tmp_path: Path) -> None:
    log(tmp_path, VERSION, scalar("a", 1, 0))
    log(tmp_path, VERSION, scalar("a", 2, 0), name="events.out.tfevents.6")
    log(tmp_path, scalar("a", 9, 0), name="notes.txt")
    accumulator = EventAccumulator(tmp_path).Reload()
    assert steps(accumulator) == [1, 2]
    log(tmp_path, scalar("a", 3, 0))
    log(tmp_path, scalar("a", 4, 0), name="events.out.tfevents.6")
    log(tmp_path, VERSION, scalar("a", 5, 0), name="events.out.tfevents.1")
    assert steps(accumulator.Reload()) == [1, 2, 5, 3, 4]
    assert steps(accumulator.Reload()) == [1, 2, 5, 3, 4]


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    log(tmp_path, VERSION, scalar("a", 1, 0), scalar("b", 2, 0))
    log(tmp_path, scalar("a", 7, 0), name="events.out.tfevents.6")
    accumulator = EventAccumulator(tmp_path).Reload()
    log(tmp_path, VERSION, scalar("a", 5, 0), mode="wb")
    assert steps(accumulator.Reload()) == [5, 7]
    assert accumulator.Tags()["scalars"] == ["a"]


def test_a_file_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    log(tmp_path, VERSION, scalar("a", 1, 0))
    (tmp_path / "events.out.tfevents.1").symlink_to(tmp_path / "gone")
    with pytest.warns(TbioWarning, match=r"No such file.*tfevents\.1"):
        accumulator = EventAccumulator(tmp_path).Reload()
    assert steps(accumulator) == [1]


@pytest.mark.parametrize("compress", [False, True])
def test_any_file_by_its_path(tmp_path: Path, compress: bool) -> None:
    """Under any name; TensorBoard's class takes such a path for a folder. Compressed, too."""
    image = Event(step=2, summary={"value": [value("i", "image", 1, None)]})
    data = encoded([VERSION, scalar("a", 1, 0), image])
    path = tmp_path / "log.bin"
    path.write_bytes(gzip.compress(data) if compress else data)
    accumulator = EventAccumulator(path)
    assert accumulator.FirstEventTimestamp() == 0
    assert steps(accumulator.Reload()) == [1]
    assert accumulator.Images("i")[0].encoded_image_string == b"1" + bytes(3000)


def test_large_values_stay_in_the_file(tmp_path: Path) -> None:
    pictures = [bytes([at]) * 200_000 for at in range(50)]
    for at, picture in enumerate(pictures):
        image = {"encoded_image_string": picture, "width": at}
        values = [{"tag": "small", "simple_value": 1}, {"tag": "i", "image": image}]
        log(tmp_path, Event(step=at, summary={"value": values}))
    accumulator = EventAccumulator(tmp_path)
    tracemalloc.start()
    accumulator.Reload()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 200_000
    images = accumulator.Images("i")
    assert [image.encoded_image_string for image in images] == pictures
    assert [(image.step, image.width) for image in images] == [(at, at) for at in range(50)]


def test_a_file_changed_between_reading_and_asking(tmp_path: Path) -> None:
    large = Event(step=1, summary={"value": [value("t", "tensor", 1, None)]})
    path = log(tmp_path, VERSION, scalar("a", 1, 0), large)
    accumulator = EventAccumulator(tmp_path).Reload()
    data = path.read_bytes()
    before = encoded([VERSION, scalar("a", 1, 0)])
    another = scalar("x", 1, 0)
    while len(before + encoded([another])) < len(data):
        another.summary.value[0].tag += "x"
    assert len(before + encoded([another])) == len(data)
    for content in (bytes(len(data)), b"", data[:-1], before + encoded([another])):
        path.write_bytes(content)
        with pytest.raises(DamageError, match=r"the (record|value) that was read here is gone"):
            accumulator.Tensors("t")
    path.unlink()
    with pytest.raises(FileNotFoundError):
        accumulator.Tensors("t")
    assert steps(accumulator) == [1]


def test_names_that_are_not_there(tmp_path: Path) -> None:
    log(tmp_path, VERSION, scalar("loss", 1, 0))
    mine = EventAccumulator(tmp_path).Reload()
    original = theirs.EventAccumulator(str(tmp_path)).Reload()
    for method in [*METHODS.values(), "SummaryMetadata", "PluginTagToContent", "RunMetadata"]:
        got = answer(getattr(mine, method), "los")
        assert got is answer(getattr(original, method), "los")
    with pytest.raises(TagNotFoundError, match="nearest: 'loss'"):
        mine.Scalars("los")
    with pytest.raises(ValueError, match="There is no graph"):
        mine.SerializedGraph()


def test_what_contradicts_itself(tmp_path: Path) -> None:
    histogram = {"bucket": [1, 2, 3], "bucket_limit": [1], "num": 6}
    log(
        tmp_path,
        VERSION,
        Event(graph_def=b"\xff"),
        Event(meta_graph_def=b"\xff"),
        Event(tagged_run_metadata={"tag": "r", "run_metadata": b"\xff"}),
        Event(summary={"value": [{"tag": "h", "histo": histogram}]}),
        scalar("a", 1, 0),
    )
    accumulator = EventAccumulator(tmp_path).Reload()
    assert steps(accumulator) == [1]
    assert len(accumulator.Histograms("h")[0].histogram_value.bucket) == 3
    for method, *arguments in (
        (accumulator.Graph,),
        (accumulator.MetaGraph,),
        (accumulator.RunMetadata, "r"),
        (accumulator.CompressedHistograms, "h"),
    ):
        with pytest.raises(DecodeError):
            method(*arguments)
    assert accumulator.SerializedGraph() == b"\xff"


# ---------------------------------------------------------------------- files beside the events


def test_plugin_assets(tmp_path: Path) -> None:
    log(tmp_path, VERSION)
    folder = tmp_path / "plugins" / "mine"
    (folder / "inner" / "most").mkdir(parents=True)
    (folder / "a.txt").write_bytes("ž\r\nλ\n".encode())
    (folder / "b.bin").write_bytes(b"\xff")
    (folder / "inner" / "most" / "c.txt").touch()
    mine, original = EventAccumulator(tmp_path), theirs.EventAccumulator(str(tmp_path))
    for plugin in ("mine", "other"):
        assert mine.PluginAssets(plugin) == sorted(original.PluginAssets(plugin))
    assert mine.PluginAssets("mine") == ["a.txt", "b.bin", "inner"]
    assert mine.RetrievePluginAsset("mine", "a.txt") == "ž\nλ\n"
    assert original.RetrievePluginAsset("mine", "a.txt") == "ž\nλ\n"
    for one in (mine, original):
        with pytest.raises(UnicodeDecodeError):
            one.RetrievePluginAsset("mine", "b.bin")
        with pytest.raises(KeyError):
            one.RetrievePluginAsset("mine", "c.txt")
    with pytest.raises(KeyError):
        mine.RetrievePluginAsset("mine", "inner")
    of_a_file = EventAccumulator(tmp_path / "events.out.tfevents.5")
    assert of_a_file.PluginAssets("mine") == []
    with pytest.raises(KeyError):
        of_a_file.RetrievePluginAsset("mine", "a.txt")


# ---------------------------------------------------------------------- make_ndarray


def test_arrays_may_be_written_to() -> None:
    array = make_ndarray(tensor.encode(np.arange(3.0)))
    array += 1
    assert array.tolist() == [1, 2, 3]


def test_an_array_of_bfloat16() -> None:
    proto = TensorProto(dtype="DT_BFLOAT16", tensor_shape={"dim": [{"size": 2}]})
    proto.half_val.extend([0x3F80, 0xC000])
    assert make_ndarray(tensor=proto).tolist() == [1.0, -2.0]


def test_no_array_of_a_resource() -> None:
    with pytest.raises(DecodeError, match="DT_RESOURCE"):
        make_ndarray(TensorProto(dtype="DT_RESOURCE"))


# ---------------------------------------------------------------------- scripts

THEIR_IMPORTS = """
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.util import tensor_util

def summary_iterator(path):  # TensorFlow's, without TensorFlow
    return LegacyEventFileLoader(path).Load()
"""
OUR_IMPORTS = """
from tbio.compat import event_accumulator
from tbio.compat import EventAccumulator
from tbio.compat import EventMultiplexer
from tbio.compat import summary_iterator
from tbio.compat import tensor_util
"""
SCRIPT = """
import glob, io, os, sys
import numpy as np
import pandas as pd
from PIL import Image

root = sys.argv[1]
train = os.path.join(root, "train")

# a table of all scalars
ea = event_accumulator.EventAccumulator(train, size_guidance={event_accumulator.SCALARS: 0})
ea.Reload()
print(ea.Tags())
frames = []
for tag in ea.Tags()["scalars"]:
    frame = pd.DataFrame(ea.Scalars(tag))
    frame["tag"] = tag
    frames.append(frame.set_index("step"))
pd.concat(frames).drop(columns="wall_time").to_csv(sys.stdout)
print(np.array([(s.wall_time, s.step, s.value) for s in ea.Scalars("loss")]).mean(0).tolist())

# pictures and distributions
event = EventAccumulator(train, event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE).Reload()
for picture in event.Images("picture"):
    array = np.array(Image.open(io.BytesIO(picture.encoded_image_string)))
    print(picture.step, picture.width, picture.height, array.shape, array.sum())
for one in event.Histograms("weights"):
    value = one.histogram_value
    print(one.step, value.min, value.max, value.num, value.bucket_limit[:3], value.bucket[-3:])
for one in event.CompressedHistograms("weights"):
    print(one.step, *(f"{point} {value:.17g}" for point, value in one.compressed_histogram_values))
for one in event.Tensors("note/text_summary"):
    print(one.step, tensor_util.make_ndarray(one.tensor_proto).item())
print(sorted(event.PluginTagToContent("text")))
print(event.SummaryMetadata("note/text_summary").plugin_data.plugin_name, event.file_version)
try:
    event.Scalars("nothing of this name")
except KeyError:
    print("no such tag")

# all runs of a folder
multiplexer = EventMultiplexer(size_guidance={"scalars": 3})
multiplexer.AddRunsFromDirectory(root)
multiplexer.Reload()
for run, tags in sorted(multiplexer.Runs().items()):
    for tag in tags["scalars"]:
        print(run, tag, [event.value for event in multiplexer.Scalars(run, tag)])

# event by event
for path in sorted(glob.glob(os.path.join(train, "*tfevents*"))):
    for event in summary_iterator(path):
        if event.HasField("summary"):
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    print(event.step, value.tag, value.simple_value)
"""


def test_a_script_needs_other_imports_only(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for run in ("train", "validation"):
        with SummaryWriter(str(tmp_path / run)) as writer:
            for step in range(30):
                writer.add_scalar("loss", 1 / (1 + step), step)
                writer.add_scalar("learning rate", 0.1 * 0.9**step, step)
            for step in range(3):
                writer.add_image("picture", generator.random((3, 32, 48)), step)
                writer.add_histogram("weights", generator.normal(size=500), step)
                writer.add_text("note/text_summary", f"step **{step}**", step)
    outputs = [
        subprocess.run(
            [sys.executable, "-c", imports + SCRIPT, str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for imports in (THEIR_IMPORTS, OUR_IMPORTS)
    ]
    assert outputs[1] == outputs[0]
    assert len(outputs[0].splitlines()) > 100
    assert "no such tag" in outputs[0]


# ---------------------------------------------------------------------- scripts of older times


def test_events_are_unpacked(tmp_path: Path) -> None:
    """As many scripts do, from when tensorboard's events were named tuples."""
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 0.5, 3, walltime=1e9)
        writer.add_scalar("loss", 0.25, 4, walltime=2e9)
    events: list[Any] = [*EventAccumulator(str(tmp_path)).Reload().Scalars("loss")]
    wall_times, steps, values = zip(*events, strict=True)
    assert (wall_times, steps, values) == ((1e9, 2e9), (3, 4), (0.5, 0.25))
    assert events[-1][1] == 4
    assert (events[0][2], events[0][:2], len(events[0])) == (0.5, (1e9, 3), 3)
    assert np.array(events).tolist() == [[1e9, 3, 0.5], [2e9, 4, 0.25]]
    frame = pandas.DataFrame(events)
    assert frame.columns.tolist() == ["wall_time", "step", "value"]


def test_hparams_by_the_private_name(tmp_path: Path) -> None:
    """The way that is passed around, since there was no public one."""
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_hparams({"lr": 0.5}, {"accuracy": 1}, run_name=".")
    for module in (ours, theirs):
        accumulator = module.EventAccumulator(str(tmp_path)).Reload()
        content = accumulator._plugin_to_tag_to_content["hparams"]["_hparams_/session_start_info"]
        start = HParamsPluginData.FromString(content).session_start_info
        assert start.hparams["lr"].number_value == 0.5


class Guidance:
    """A size guidance that is no mapping; TensorBoard takes it."""

    def __contains__(self, kind: object) -> bool:
        return kind == "scalars"

    def __getitem__(self, kind: str) -> int:
        return 2


def test_a_size_guidance_that_is_no_mapping(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(5):
            writer.add_scalar("loss", step, step)
    for module in (ours, theirs):
        accumulator = module.EventAccumulator(str(tmp_path), Guidance()).Reload()
        assert [event.step for event in accumulator.Scalars("loss")] == [3, 4]


def test_steps_that_go_back_for_ever_take_no_quadratic_time() -> None:
    """In a log without a version each of them is a restart. These took most of a minute."""
    kept = Reservoir(0, ours.ScalarEvent, room=floats)
    start = time.perf_counter()
    for step in range(300_000):
        assert kept.purge(step, "loss") == 0
        kept.add("loss", step, 0, 1)
    assert time.perf_counter() - start < 10
    assert kept.purge(299_998, "loss") == 2
    assert kept.purge(299_998, "loss") == 0
    assert [event.step for event in kept.Items("loss")[-2:]] == [299_996, 299_997]
