"""`SummaryReader` against tbparse's own, property by property; what is different is named."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import struct
import sys
import types
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tbparse.summary_reader
from conftest import CORPUS
from generated_logs import LogRun, runs, write_run
from hypothesis import HealthCheck, given, settings
from pandas.testing import assert_frame_equal
from PIL import Image, ImageSequence
from tbparse import SummaryReader as Original

from tbio import TbioWarning, tensor
from tbio.compat.summary_reader import SummaryReader
from tbio.kinds import audio, image, text
from tbio.proto.event_pb2 import Event, SessionLog
from tbio.proto.hparams_pb2 import HParamsPluginData
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import TensorProto
from tbio.record import encode_record
from tbio.storage import ByteStream, LocalFile

#: tbparse's own use of pandas.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{message}:DeprecationWarning")
    for message in ("The inplace keyword", "Converting a Series or array of length 1")
]

#: What tbparse reads without TensorFlow.
WITHOUT_BLOBS = ("scalars", "tensors", "histograms", "hparams", "text")
EVERYTHING = (*WITHOUT_BLOBS, "images", "audio")
ALL_COLUMNS = {
    *("dir_name", "file_name", "wall_time", "min", "max", "num", "sum", "sum_squares"),
    *("width", "height", "content_type", "length_frames", "sample_rate"),
}
FORMS: list[tuple[bool, set[str]]] = [
    (False, set()),
    (True, set()),
    (False, ALL_COLUMNS),
    (True, ALL_COLUMNS),
    (True, {"wall_time"}),
    (False, {"dir_name"}),
    (True, {"file_name"}),
]
CORPUS_FORMS: list[tuple[bool, set[str]]] = [
    (False, ALL_COLUMNS),
    (True, {"wall_time", "dir_name"}),
    (True, set()),
]
VERSION = Event(wall_time=1, file_version="brain.Event:2")


@pytest.fixture(autouse=True)
def stable_original(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tbparse leave rows of one step in their order; its own sort may swap them."""
    stable = functools.partialmethod(pd.DataFrame.sort_values, kind="stable")
    monkeypatch.setattr(pd.DataFrame, "sort_values", stable)


@pytest.fixture
def tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two decoders that tbparse wants of TensorFlow, from Pillow and the standard library."""

    def decode_image(data: bytes) -> Any:
        picture = Image.open(io.BytesIO(data))
        pixels = np.asarray(picture)
        pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
        if picture.format == "GIF":
            frames = ImageSequence.all_frames(picture, lambda frame: frame.convert("RGB"))
            pixels = np.stack(list(map(np.asarray, frames)))
        return types.SimpleNamespace(numpy=lambda: pixels)

    def decode_wav(data: bytes) -> Any:
        with wave.open(io.BytesIO(data)) as file:
            assert file.getsampwidth() == 2
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            sound = (samples / np.float32(32768)).reshape(-1, file.getnchannels())
            rate = np.int32(file.getframerate())
        return types.SimpleNamespace(numpy=lambda: sound), types.SimpleNamespace(numpy=lambda: rate)

    module = types.SimpleNamespace(
        image=types.SimpleNamespace(decode_image=decode_image),
        audio=types.SimpleNamespace(decode_wav=decode_wav),
    )
    monkeypatch.setattr(tbparse.summary_reader, "tensorflow", module)


@contextlib.contextmanager
def files_loaded_once() -> Iterator[None]:
    """Have tbparse take each event file in only once for all forms of it."""
    accumulator = tbparse.summary_reader.EventAccumulator
    loaded: dict[Any, Any] = {}

    class Once(accumulator):  # type: ignore[misc, valid-type]
        def __new__(cls, path: str, guidance: dict[str, int]) -> Any:
            key = path, tuple(sorted(guidance.items()))
            if key not in loaded:
                loaded[key] = accumulator(path, guidance)
                loaded[key].Reload()
                loaded[key].Reload = lambda: None
            return loaded[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tbparse.summary_reader, "EventAccumulator", Once)
        yield


def write(path: Path, *events: Event) -> Path:
    """An event file, after its version; the folder it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    records = (encode_record(event.SerializeToString()) for event in (VERSION, *events))
    path.write_bytes(b"".join(records))
    return path.parent


def event(step: int, *values: Summary.Value, wall_time: float | None = None) -> Event:
    wall_time = 100.0 + step if wall_time is None else wall_time
    return Event(step=step, wall_time=wall_time, summary=Summary(value=values))


def number(tag: str, value: float) -> Summary.Value:
    return Summary.Value(tag=tag, simple_value=value)


def tensor_value(tag: str, value: Any) -> Summary.Value:
    return Summary.Value(tag=tag, tensor=tensor.encode(np.asarray(value)))


def described(value: Summary.Value, metadata: SummaryMetadata) -> Summary.Value:
    value.metadata.CopyFrom(metadata)
    return value


def hyperparameters(**values: Any) -> Summary.Value:
    """A session's start."""
    data = HParamsPluginData(version=0)
    for name, value in values.items():
        kind = {bool: "bool_value", str: "string_value", float: "number_value"}.get(type(value))
        setattr(data.session_start_info.hparams[name], kind or "null_value", value or 0)
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=data.SerializeToString())
    metadata = SummaryMetadata(plugin_data=plugin)
    return described(Summary.Value(tag="_hparams_/session_start_info"), metadata)


def assert_same(
    path: Path | str,
    kinds: Sequence[str] = WITHOUT_BLOBS,
    forms: Sequence[tuple[bool, set[str]]] = FORMS,
) -> int:
    """Compare every frame and the tags; how many rows there were."""
    rows = 0
    with files_loaded_once():
        for pivot, extra in forms:
            original = Original(str(path), pivot=pivot, extra_columns=extra, event_types=set(kinds))
            ours = SummaryReader(
                str(path), pivot=pivot, extra_columns=extra, event_types=set(kinds)
            )
            for kind in kinds:
                frame = getattr(ours, kind)
                assert_frame_equal(frame, getattr(original, kind), obj=f"{kind} {pivot=} {extra=}")
                rows += len(frame)
    assert {k: sorted(v) for k, v in ours.tags.items()} == {
        k: sorted(v) for k, v in original.tags.items()
    }
    for kind in set(kinds) - {"hparams"}:  # a protobuf map, without an order
        assert ours.get_tags(kind) == original.get_tags(kind)
    assert list(ours.children) == list(original.children)
    return rows


# ------------------------------------------------------------------------ the corpus

#: Folders of the corpus that tbparse cannot read at all, and why.
FAILING = {
    "peers/tensorflow/v2_text": "can only convert an array of size 1",
    "peers/tensorflow/v1_all": "can only convert an array of size 1",
    "peers/tensorflow/v2_custom_plugin": "Cannot interpret '0' as a data type",
    "peers/old/tensorboardX-1.2": "was not found in Reservoir",
    "peers/old/mxboard": "was not found in Reservoir",
}


def folders() -> list[str]:
    """Every folder with event files somewhere below it, as high up as tbparse can read it."""
    found: dict[str, None] = {}
    for path in sorted((*CORPUS.glob("real/**/*"), *CORPUS.glob("peers/**/*"))):
        if "tfevents" in path.name and path.is_file():
            parts = path.parent.relative_to(CORPUS).parts
            found["/".join(parts[: 2 if parts[0] == "real" else 3])] = None
    return [folder for folder in found if folder not in FAILING]


@pytest.mark.filterwarnings("ignore::tbio.TbioWarning")  # some are damaged, at their end
@pytest.mark.parametrize("folder", folders())
def test_corpus(corpus: Path, folder: str) -> None:
    size = sum(path.stat().st_size for path in (corpus / folder).rglob("*tfevents*"))
    # tbparse pivots a thousand points a second.
    assert_same(corpus / folder, forms=CORPUS_FORMS if size < 100_000 else CORPUS_FORMS[:1])


def test_the_corpus_is_not_empty(corpus: Path) -> None:
    assert len(folders()) > 50


@pytest.mark.parametrize(("folder", "why"), FAILING.items())
def test_what_tbparse_cannot_read(corpus: Path, folder: str, why: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError), match=why):
        Original(str(corpus / folder))
    reader = SummaryReader(corpus / folder)
    if folder == "peers/tensorflow/v2_custom_plugin":
        tensors = reader.tensors
        assert "dtype/bfloat16" in tensors.tag.tolist()
        assert not tensors.value.isna().any()
    else:
        assert len(reader.text) > 0
        assert not reader.text.value.isna().any()


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(
    "folder", ["peers/torch", "peers/tensorboardX", "peers/old/tensorboard-easy"]
)
def test_images_and_audio_of_the_corpus(corpus: Path, folder: str) -> None:
    assert assert_same(corpus / folder, ("images", "audio")) > 0


# ------------------------------------------------------------------- logs made at random


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(runs())
def test_restarts_and_disorder(tmp_path_factory: pytest.TempPathFactory, run: LogRun) -> None:
    folder = tmp_path_factory.mktemp("log")
    write_run(folder / "a", run)
    write_run(folder / "b" / "c", dict(list(run.items())[:1]))
    assert_same(folder, forms=[FORMS[2], FORMS[4]])


LOGS: dict[str, list[Event]] = {
    "integers": [event(0, tensor_value("a", np.int64(3))), event(1, tensor_value("a", 4))],
    "integers_beside_floats": [
        event(0, tensor_value("a", np.int64(3)), tensor_value("a", np.int64(4))),
        event(1, tensor_value("b", np.float32(0.5))),
    ],
    "large_integers": [
        event(0, tensor_value("a", np.int64(2**60 + 1))),
        event(1, tensor_value("a", np.uint64(2**64 - 1))),
    ],
    "bools": [event(0, tensor_value("a", True)), event(1, tensor_value("a", False))],
    "bools_of_two_tags": [event(0, tensor_value("a", True)), event(1, tensor_value("b", False))],
    "bools_and_numbers": [event(0, tensor_value("a", True)), event(1, tensor_value("a", 2.0))],
    "complex": [event(0, tensor_value("a", 1 + 2j)), event(1, tensor_value("a", 0.5))],
    "bytes": [event(0, tensor_value("a", b"x"), tensor_value("b", b"y"))],
    "arrays": [
        event(0, tensor_value("a", [1, 2, 3]), tensor_value("a", [4, 5, 6])),
        event(1, tensor_value("a", [1, 2, 3]), tensor_value("b", np.zeros((0, 3)))),
    ],
    "nan": [
        event(0, number("a", np.nan), number("a", 1)),
        event(1, number("a", np.nan), number("b", np.nan)),
        event(2, number("a", np.nan)),
        event(3, number("a", np.nan), number("a", np.inf), number("a", -np.inf)),
        event(4, tensor_value("a", np.nan), tensor_value("b", 0.5)),
    ],
    "times_that_are_no_numbers": [
        event(0, number("a", 1), wall_time=np.nan),
        event(0, number("a", 2), wall_time=np.inf),
    ],
    "extreme_steps": [event(step, number("a", 1)) for step in (2**63 - 1, -5, -(2**63))],
    "all_purged": [
        event(5, number("a", 1), tensor_value("t", 2.0)),
        Event(step=0, session_log=SessionLog(status=SessionLog.START)),
    ],
    "texts": [
        event(0, described(tensor_value("n/text_summary", [b"a"]), text.metadata())),
        event(0, tensor_value("n/text_summary", ["ü".encode()])),
        event(1, described(tensor_value("m", b"c"), text.metadata())),
    ],
    "hyperparameters": [event(0, hyperparameters(lr=0.1, name="x", fast=True, slow=False))],
    "hyperparameters_of_one_type": [event(0, hyperparameters(a=1.0, b=2.5))],
    "empty": [],
    "no_values": [event(0), event(1, Summary.Value(tag="a"))],
}


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("name", LOGS)
def test_odd_values(tmp_path: Path, name: str) -> None:
    assert_same(write(tmp_path / "run" / "x.tfevents", *LOGS[name]))


def test_several_files(tmp_path: Path) -> None:
    """Some without data, some that are no event files, folders in folders."""
    for at, (name, events) in enumerate(LOGS.items()):
        if name in ("nan", "texts", "hyperparameters", "arrays", "all_purged", "empty"):
            write(tmp_path / f"run{at % 2}" / f"x.tfevents.{at}", *events)
            write(tmp_path / "run1" / "deep er" / f"x.tfevents.{at}", *events)
    write(tmp_path / "top.tfevents", *LOGS["hyperparameters_of_one_type"])
    (tmp_path / "run0" / "notes.md").write_text("no event file")
    (tmp_path / "run0" / "a.tfevents.profile-empty").write_bytes(b"")
    (tmp_path / "nothing").mkdir()
    assert assert_same(tmp_path) > 100
    ours, original = SummaryReader(tmp_path), Original(str(tmp_path))
    assert_frame_equal(ours["run1"]["deep er"].scalars, original["run1"]["deep er"].scalars)
    assert ours["run0"]["notes.md"].tags == original["run0"]["notes.md"].tags
    assert repr(ours["run0"]) == repr(original["run0"])
    assert ours["run0"].log_path == original["run0"].log_path


@pytest.mark.usefixtures("tensorflow")
def test_images_and_audio(tmp_path: Path) -> None:
    ramp = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    grey, _ = image.prepare(ramp[:, :, 0], "HW")
    colours, _ = image.prepare(ramp, "HWC")
    stereo, _ = audio.prepare(np.linspace(-1, 1, 20).reshape(10, 2), 8000)
    events = [
        event(0, image.encode("grey", grey), image.encode("colours", colours)),
        event(0, image.encode("grey", grey), audio.encode("sound", stereo)),
        event(1, image.encode("colours", colours), audio.encode("sound", stereo)),
    ]
    path = write(tmp_path / "run" / "x.tfevents", *events)
    assert assert_same(path, EVERYTHING) > 0
    frame = SummaryReader(path, extra_columns={"width"}).images
    assert frame.tag.tolist() == ["colours", "colours", "grey", "grey"]
    assert np.array_equal(frame.value[0], ramp)
    assert frame.value[2].shape == (2, 4, 1)
    sound = SummaryReader(path).audio.value[0]
    assert (sound.shape, sound.dtype) == ((10, 2), np.float32)
    assert sound[0, 0] == -1


# ------------------------------------------------------------------ what is different


def test_images_are_read_without_tensorflow(tmp_path: Path) -> None:
    picture, _ = image.prepare(np.zeros((2, 2)), "HW")
    path = write(tmp_path / "x.tfevents", event(0, image.encode("i", picture)))
    with pytest.raises(ModuleNotFoundError, match="tensorflow"):
        Original(str(path)).images  # noqa: B018
    assert SummaryReader(path).images.value[0].shape == (2, 2, 1)


def test_texts_alone_are_all_there(tmp_path: Path) -> None:
    first = described(tensor_value("t", b"0"), text.metadata())
    later = [event(step, tensor_value("t", b"%d" % step)) for step in range(1, 5)]
    path = write(tmp_path / "x.tfevents", event(0, first), *later)
    assert len(Original(str(path), event_types={"text"}).text) == 1
    assert SummaryReader(path, event_types={"text"}).text.value.tolist() == list("01234")


def test_texts_of_2018(tmp_path: Path) -> None:
    """The tensor's tag stands in node_name, as tensorboardX and mxboard wrote it."""
    value = Summary.Value(node_name="t/text_summary", tensor=tensor.encode([b"hi"]))
    path = write(tmp_path / "x.tfevents", event(0, described(value, text.metadata())))
    with pytest.raises(KeyError):
        Original(str(path))
    assert SummaryReader(path).text.value.tolist() == ["hi"]


def test_texts_of_several_strings(tmp_path: Path) -> None:
    table = described(tensor_value("t", [[b"a", b"b"], [b"c", b"\xff"]]), text.metadata())
    path = write(tmp_path / "x.tfevents", event(0, table, number("a", 1)))
    with pytest.raises(ValueError, match="size 1"):
        Original(str(path))
    reader = SummaryReader(path)
    assert reader.text.value[0].tolist() == [["a", "b"], ["c", "\\xff"]]
    assert reader.scalars.value.tolist() == [1]


def test_text_tags_that_differ_in_the_suffix(tmp_path: Path) -> None:
    values = [
        described(tensor_value(tag, b"x"), text.metadata()) for tag in ("t", "t/text_summary")
    ]
    path = write(tmp_path / "x.tfevents", event(0, *values))
    assert len(Original(str(path)).text) == 1
    assert SummaryReader(path).text.tag.tolist() == ["t", "t"]


@pytest.mark.parametrize("pivot", [False, True])
def test_values_that_cannot_be_decoded(tmp_path: Path, pivot: bool) -> None:
    broken = TensorProto(dtype="DT_QINT8", tensor_shape={})
    path = write(
        tmp_path / "x.tfevents",
        event(0, tensor_value("a", 0.5), Summary.Value(tag="b", tensor=broken)),
        event(1, tensor_value("a", 1.5), Summary.Value(tag="b", tensor=broken)),
        event(2, Summary.Value(tag="i", image=Summary.Image(width=3, encoded_image_string=b"x"))),
    )
    reader = SummaryReader(path, pivot=pivot, extra_columns={"width"})
    with pytest.warns(TbioWarning, match="tensors: tag 'b', step 0: .*DT_QINT8.*; 1 more of this"):
        tensors = reader.tensors
    if pivot:
        assert tensors["a"].tolist() == [0.5, 1.5]
        assert tensors["b"].isna().all()
    else:
        assert tensors.tag.tolist() == ["a", "a", "b", "b"]
        assert tensors.value.tolist()[:2] == [0.5, 1.5]
        assert tensors.value.isna().tolist() == [False, False, True, True]
    with pytest.warns(TbioWarning, match="images: tag 'i', step 2"):
        images = reader.images
    assert images["i/width" if pivot else "width"].tolist() == [3]


def test_damaged_files(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tfevents", *(event(step, number("a", step)) for step in range(9)))
    data = bytearray((tmp_path / "x.tfevents").read_bytes())
    place = data.index(struct.pack("<f", 4.0))
    data[place] ^= 1
    unparsable = encode_record(b"\xff\xff\xff")
    (tmp_path / "x.tfevents").write_bytes(data + unparsable)
    assert Original(str(path)).scalars.step.tolist() == [0, 1, 2, 3]
    with pytest.warns(TbioWarning):
        reader = SummaryReader(path)
    assert reader.scalars.step.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]


def test_an_unparsable_record(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tfevents", event(0, number("a", 1)))
    with (tmp_path / "x.tfevents").open("ab") as file:
        file.write(encode_record(b"\xff\xff\xff"))
    with pytest.raises(Exception, match="parsing"):
        Original(str(path))
    with pytest.warns(TbioWarning):
        assert SummaryReader(path).scalars.value.tolist() == [1]


def test_tags_that_are_called_like_columns(tmp_path: Path) -> None:
    values = [number(tag, 7) for tag in ("step", "wall_time", "dir_name", "loss")]
    path = write(tmp_path / "x.tfevents", event(3, *values))
    assert Original(str(path), pivot=True).scalars.step.tolist() != [3]
    frame = SummaryReader(path, pivot=True, extra_columns={"wall_time"}).scalars
    names = ["step", "dir_name/value", "loss", "step/value", "wall_time/value", "wall_time"]
    assert frame.columns.tolist() == names
    assert list(frame.iloc[0])[:-1] == [3, 7, 7, 7, 7]
    assert frame["wall_time"].tolist() == [[103] * 4]


def test_tensors_of_several_dtypes_keep_their_values(tmp_path: Path) -> None:
    write(tmp_path / "1.tfevents", event(0, tensor_value("a", np.int64(3))))
    write(tmp_path / "2.tfevents", event(1, tensor_value("a", True)))
    write(tmp_path / "deep" / "2.tfevents", event(2, tensor_value("a", np.uint64(2**64 - 1))))
    values = SummaryReader(tmp_path).tensors.value.tolist()
    assert values == [3, True, 2**64 - 1]
    assert values[1] is True
    assert Original(str(tmp_path)).tensors.value.tolist()[1] is not True


def test_a_hyperparameter_that_is_null(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tfevents", event(0, hyperparameters(a=None, b=1.0)))
    assert Original(str(path)).hparams.value.tolist() == [0, 1]
    frame = SummaryReader(path).hparams
    assert frame.value.isna().tolist() == [True, False]


def test_a_tag_without_a_name_purges_only_itself(tmp_path: Path) -> None:
    events = [event(5, number("a", 1)), event(4, number("", 2))]
    records = (encode_record(each.SerializeToString()) for each in events)
    (tmp_path / "x.tfevents").write_bytes(b"".join(records))  # without a file version
    assert Original(str(tmp_path)).scalars.tag.tolist() == [""]
    assert SummaryReader(tmp_path).scalars.tag.tolist() == ["", "a"]


def test_bfloat16_comes_as_float32(tmp_path: Path) -> None:
    half = Summary.Value(tag="a", tensor=TensorProto(dtype="DT_BFLOAT16", half_val=[0x3FC0]))
    path = write(tmp_path / "x.tfevents", event(0, half))
    with pytest.raises(TypeError, match=r"data.type"):
        Original(str(path))
    frame = SummaryReader(path).tensors
    assert frame.value.tolist() == [1.5]
    assert frame.value.dtype == np.float64


@pytest.mark.skipif(os.name != "posix", reason="symbolic links and pipes")
def test_links_and_pipes_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path / "run" / "x.tfevents", event(0, number("a", 1)))
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "run" / "up").symlink_to(tmp_path)
    (tmp_path / "other").symlink_to(tmp_path / "run")
    os.mkfifo(tmp_path / "pipe.tfevents")
    with pytest.raises(ValueError, match="not found"):
        Original(str(tmp_path))
    reader = SummaryReader(tmp_path, extra_columns={"dir_name"})
    assert list(reader.children) == ["other", "run"]
    assert reader.scalars.dir_name.tolist() == ["other", "run"]


def test_rows_of_one_step_stay_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # tbparse as it is: by luck of the processor it may be right as well
    events = [event(at % 2, number("a", at)) for at in range(200)]
    frame = SummaryReader(write(tmp_path / "x.tfevents", *events), pivot=True).scalars
    assert frame["a"].tolist() == [list(range(0, 200, 2)), list(range(1, 200, 2))]


def test_files_are_left_alone_until_large_values_are_asked_for(tmp_path: Path) -> None:
    large = [tensor_value("a", np.full(1000, at, np.float64)) for at in range(3)]
    path = write(tmp_path / "x.tfevents", *(event(at, one) for at, one in enumerate(large)))
    reader = SummaryReader(path)
    first, second = reader.tensors, reader.tensors
    assert [value[0] for value in first.value] == [0, 1, 2]
    first.value[0][:] = 9  # the caller's own
    assert second.value[0][0] == 0
    (tmp_path / "x.tfevents").unlink()
    with pytest.raises(FileNotFoundError):
        reader.tensors  # noqa: B018


def test_a_file_that_forbids_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.tfevents", event(0, number("a", 1)))
    write(tmp_path / "b.tfevents", event(0, number("a", 2)))
    opened = LocalFile.open

    def open_some(file: LocalFile) -> ByteStream:
        if file.name.endswith("a.tfevents"):
            raise PermissionError(13, "denied", file.name)
        return opened(file)

    monkeypatch.setattr(LocalFile, "open", open_some)
    with pytest.warns(TbioWarning, match="denied"):
        assert SummaryReader(tmp_path).scalars.value.tolist() == [2]


# ----------------------------------------------------------------------- arguments


@pytest.mark.parametrize("reader", [Original, SummaryReader])
def test_wrong_arguments(tmp_path: Path, reader: Callable[..., Any]) -> None:
    path = str(write(tmp_path / "x.tfevents", event(0, number("a", 1))))
    with pytest.raises(ValueError, match="not found"):
        reader(path + "/gone")
    with pytest.raises(ValueError, match="set"):
        reader(path, extra_columns=["wall_time"])
    with pytest.raises(KeyError, match="wall time"):
        reader(path, extra_columns={"wall time"})
    with pytest.raises(ValueError, match="set"):
        reader(path, event_types=["scalars"])
    with pytest.raises(KeyError, match="scalar"):
        reader(path, event_types={"scalar"})
    with pytest.raises(TypeError):
        reader(path, True)
    some = reader(path, event_types={"scalars"})
    assert some.tags["scalars"] == ["a"]
    with pytest.raises(ValueError, match="ignored by user"):
        some.text  # noqa: B018
    with pytest.raises(ValueError, match="Unknown"):
        some.get_events("scalar")
    with pytest.raises(ValueError, match="Unknown"):
        some.get_tags("scalar")
    with pytest.raises(KeyError):
        some["gone"]
    for call in (some.get_raw_tags, some.get_raw_events):
        with pytest.raises(ValueError, match="Not an event file"):
            call()


def test_arguments_are_not_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tfevents", event(0, number("a", 1)))
    extra, types = {"wall_time"}, {"scalars"}
    reader = SummaryReader(path, extra_columns=extra, event_types=types)
    extra.clear()
    types.add("text")
    assert "wall_time" in reader.scalars
    reader.tags["scalars"].append("b")
    reader.children.clear()
    assert reader.get_tags("scalars") == ["a"]
    assert reader["x.tfevents"].get_tags() == reader.tags


# ---------------------------------------------------------------------- raw events


def test_raw_events(tmp_path: Path) -> None:
    write(
        tmp_path / "x.tfevents",
        event(0, number("a", 0.5), hyperparameters(lr=0.1)),
        event(1, described(tensor_value("t/text_summary", [b"hi"]), text.metadata())),
        event(2, Summary.Value(tag="h", histo={"bucket": [1], "bucket_limit": [2], "num": 1})),
    )
    path = str(tmp_path / "x.tfevents")
    ours, original = SummaryReader(path), Original(path)
    assert ours.raw_tags == original.raw_tags
    assert ours.get_raw_tags("text") == ["t/text_summary"]
    assert ours.raw_events.keys() == original.raw_events.keys()
    for kind in ("scalars", "histograms", "tensors", "text"):
        mine, theirs = (
            {tag: [(each.step, each.wall_time) for each in events] for tag, events in raw.items()}
            for raw in (ours.raw_events[kind], original.raw_events[kind])
        )
        assert mine == theirs
        assert len(mine) == 1
    assert ours.get_raw_events("scalars", "a")[0].value == 0.5
    assert ours.get_raw_events("hparams") == original.get_raw_events("hparams")
    with pytest.raises(ValueError, match="Unknown"):
        ours.get_raw_tags("scalar")
    with pytest.raises(ValueError, match="event_type is None"):
        ours.get_raw_events(None, "a")
    with pytest.raises(KeyError):
        ours.get_raw_events("scalars", "b")


# ------------------------------------------------------------- histograms and the rest

HISTOGRAMS = {
    "plain": ([0, 1, 3, 2], [0.0, 1.0, 2.0, 4.0]),
    "bucket_without_width": ([0, 1, 3, 2], [0.0, 1.0, 1.0, 4.0]),
    "torch": ([0, 5, 0, 7], [-1.1, -1.0, 0.5, 0.55]),
    "floats": ([0, 0.5, 0.25], [-3.0, 2.5, 7.0]),
}


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_cdf_and_pdf(name: str) -> None:
    counts, limits = map(np.array, HISTOGRAMS[name])
    x = np.array([-5, -1.05, -1, 0, 0.3, 1, 1.5, 2, 3.9, 4, 9])
    expected = Original.histogram_to_cdf(counts, limits, x)
    assert np.allclose(SummaryReader.histogram_to_cdf(counts, limits, x), expected, rtol=1e-14)
    for mine, theirs in zip(
        SummaryReader.histogram_to_pdf(counts, limits, x),
        Original.histogram_to_pdf(counts, limits, x),
        strict=True,
    ):
        assert np.allclose(mine, theirs, rtol=1e-13)


def test_cdf_of_the_largest_limits() -> None:
    """As torch writes them for the outermost buckets; tbparse's difference of them overflows."""
    most = np.finfo(np.float64).max
    cdf = SummaryReader.histogram_to_cdf(np.array([0, 4]), np.array([-most, most]), np.array([0.0]))
    assert cdf.tolist() == [0.5]


@pytest.mark.parametrize("bounds", [(-2.5, 4), (0, 4), (-1.1, 4), (-2, 9), (3, 3)])
@pytest.mark.parametrize("name", ["plain", "torch", "floats"])
def test_bins(name: str, bounds: tuple[float | None, float | None]) -> None:
    counts, limits = map(np.array, HISTOGRAMS[name])
    expected = Original.histogram_to_bins(counts, limits, *bounds, 7)
    centers, bins = SummaryReader.histogram_to_bins(counts, limits, *bounds, 7)
    assert np.allclose(centers, expected[0], rtol=1e-13)
    assert np.allclose(bins, expected[1], atol=1e-12)
    assert isinstance(bins, list)


def test_bins_lose_nothing() -> None:
    """A bucket without width on an edge; one beyond an upper bound that rounding does not meet."""
    edge: Any = (np.array([0, 5]), np.array([1.0, 1.0]), 0, 2, 2)
    assert sum(Original.histogram_to_bins(*edge)[1]) == 0
    assert SummaryReader.histogram_to_bins(*edge) == ([0.5, 1.5], [0, 5])
    beyond: Any = (np.array([0, 1, 3, 2]), np.array([0.0, 1.0, 2.0, 4.0]), None, None, 7)
    assert sum(Original.histogram_to_bins(*beyond)[1]) == pytest.approx(1)
    centers, bins = SummaryReader.histogram_to_bins(*beyond)
    assert centers == pytest.approx(np.linspace(-1, 1, 15)[1::2])
    assert bins == pytest.approx([0, 0, 0, 1 / 7, 2 / 7, 2 / 7, 5 + 2 / 7])
    assert sum(SummaryReader.histogram_to_bins(edge[0], edge[1], -9, -9, 3)[1]) == 5


def test_histograms_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="increasing"):
        SummaryReader.histogram_to_cdf(np.array([0, 1]), np.array([0, 1]), np.array([1, 1]))
    with pytest.raises(ValueError, match="1 counts for 2 limits"):
        SummaryReader.histogram_to_cdf(np.array([0]), np.array([0, 1]), np.array([1]))
    with pytest.raises(ValueError, match="first count"):
        SummaryReader.histogram_to_bins(np.array([2, 1]), np.array([0, 1]))


def test_tensor_to_histogram() -> None:
    rows = np.array([[0.5, 1, 3], [1, 2, 1]])
    ours, original = SummaryReader.tensor_to_histogram(rows), Original.tensor_to_histogram(rows)
    assert ours.keys() == original.keys()
    for name in ours:
        assert np.array_equal(ours[name], original[name], equal_nan=True)
    again = SummaryReader.buckets_to_histogram_dict(rows)
    assert np.array_equal(again["counts"], ours["counts"])
    nothing = SummaryReader.tensor_to_histogram(np.zeros((0, 3)))
    assert (len(nothing["limits"]), nothing["num"]) == (0, 0)


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("count", [1, 3])
def test_images_and_audio_of_tf2(tmp_path: Path, count: int) -> None:
    batch, _ = image.prepare_samples(np.arange(count * 24, dtype=np.uint8).reshape(count, 2, 4, 3))
    clips = [audio.prepare(np.full((5, 2), at / 8), 8000)[0] for at in range(count)]
    values = [
        described(image.encode_samples("i", batch), image.metadata()),
        described(audio.encode_as_tensor("s", clips), audio.metadata()),
    ]
    tensors = SummaryReader(write(tmp_path / "x.tfevents", event(0, *values))).tensors.value
    for name, cell in (("tensor_to_image", tensors[0]), ("tensor_to_audio", tensors[1])):
        ours, original = getattr(SummaryReader, name)(cell), getattr(Original, name)(cell)
        assert ours.keys() == original.keys()
        for key in ours:
            assert np.array_equal(ours[key], original[key]), key
            assert np.asarray(ours[key]).dtype == np.asarray(original[key]).dtype
    assert SummaryReader.tensor_to_image(tensors[0])["image"].ndim == (3 if count == 1 else 4)


def test_a_gif_has_frames(tmp_path: Path) -> None:
    """As TensorFlow's decode_image gives it: RGB, with an axis of frames."""
    file = io.BytesIO()
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    gif, _ = image.prepare(file.getvalue())
    images = SummaryReader(write(tmp_path / "x.tfevents", event(0, image.encode("g", gif)))).images
    assert images.value[0].shape == (2, 3, 4, 3)
    assert images.value[0][1, 0, 0].tolist() == [0, 0, 255]


# ----------------------------------------------------------------------- a script

SCRIPT = """
from tbparse import SummaryReader

reader = SummaryReader(log_dir, pivot=True, extra_columns={"dir_name", "wall_time"})
df = reader.scalars
best = df.groupby("dir_name")["loss"].min().to_dict()
smooth = df.set_index("step").groupby("dir_name")["loss"].apply(lambda s: s.ewm(alpha=0.1).mean())

hp = SummaryReader(log_dir, pivot=True, extra_columns={"dir_name"}).hparams
table = df.drop(columns=["wall_time"]).merge(hp, on="dir_name").sort_values(["dir_name", "step"])

hist = SummaryReader(log_dir, extra_columns={"dir_name"}).histograms
row = hist[hist["tag"] == "weights"].iloc[-1]
x = np.linspace(row["limits"][0], row["limits"][-1], 11)
cdf = SummaryReader.histogram_to_cdf(row["counts"], row["limits"], x)

out = {}
for name, child in SummaryReader(log_dir).children.items():
    out[name] = (child.tags["scalars"], len(child.scalars), list(child.text["value"]))
report = table.to_csv(index=False)
"""


def test_a_script_with_its_import_changed(tmp_path: Path) -> None:
    for name, rate in (("slow", 0.01), ("quick", 0.1)):
        note = described(tensor_value("note/text_summary", [name.encode()]), text.metadata())
        histo = {"bucket": [0, 1, 2], "bucket_limit": [0.0, rate, 1.0], "num": 3}
        write(
            tmp_path / name / "events.out.tfevents.1",
            event(0, hyperparameters(lr=rate, optimizer="sgd"), note),
            *(event(step, number("loss", 1 / (1 + rate * step))) for step in range(20)),
            *(event(step, Summary.Value(tag="weights", histo=histo)) for step in range(3)),
        )
    results = []
    for module in ("tbparse", "tbio.compat"):
        names: dict[str, Any] = {"log_dir": str(tmp_path), "np": np}
        exec(SCRIPT.replace("from tbparse", f"from {module}"), names)
        results.append(names)
    theirs, ours = results
    assert ours["SummaryReader"].__module__.startswith("tbio")
    for name in ("best", "report", "out"):
        assert ours[name] == theirs[name], name
    assert ours["best"].keys() == {"slow", "quick"}
    assert np.allclose(ours["cdf"], theirs["cdf"], rtol=1e-14)
    pd.testing.assert_series_equal(ours["smooth"], theirs["smooth"])


def test_pandas_is_loaded_when_it_is_used(tmp_path: Path) -> None:
    import subprocess

    path = write(tmp_path / "x.tfevents", event(0, number("a", 1)))
    code = (
        "import sys; from tbio.compat.summary_reader import SummaryReader as R; r = R(sys.argv[1]);"
        "assert r.tags['scalars'] == ['a']; assert 'pandas' not in sys.modules; len(r.scalars)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
