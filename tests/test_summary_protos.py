"""The encoders of summary_protos, against torch's and tensorboardX's on the same input.

Where these are right the messages are equal, as TensorBoard's own class reads them; where not, a
case says what is different, and why.
"""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorboardX.summary as tensorboardx
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_INT32, DT_UINT8
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.util.tensor_util import make_ndarray

from tbio import summary_protos
from tbio.kinds.histogram_bins import DEFAULT_EDGES

Array = npt.NDArray[Any]

PEERS = ["tensorboardX", pytest.param("torch", marks=pytest.mark.full)]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

VALUES = np.array([-3.0, 0.0, 0.5, 0.5, 2.0, 7.0])
IMAGE = (np.arange(3 * 4 * 5, dtype=np.uint8) * 4).reshape(3, 4, 5)
LAYOUT = {"Loss": {"all": ["Multiline", ["loss/.*"]], "band": ["Margin", ["v", "lo", "hi"]]}}
TRIANGLE = np.array([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], np.float32)
FACES = np.array([[[0, 1, 2]]], np.int32)
COLORS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)


def module(peer: str) -> Any:
    if peer == "tensorboardX":
        return tensorboardx
    from torch.utils.tensorboard import summary

    return summary


def read(message: Any) -> Any:
    """A message of any package as one of TensorBoard's."""
    summary = Summary.FromString(message.SerializeToString())
    assert summary.SerializeToString(deterministic=True)
    return summary


def values_of(message: Any) -> list[Any]:
    return list(read(message).value)


def value_of(message: Any) -> Any:
    (value,) = values_of(message)
    return value


def pixels_of(message: Any) -> Array:
    image = value_of(message).image
    pixels: Array = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    if type(message).__module__.startswith("tbio."):  # theirs is the size before rescaling
        assert (image.height, image.width) == pixels.shape[:2]
    return pixels


def plugin(message: Any) -> tuple[str, bytes]:
    data = value_of(message).metadata.plugin_data
    return data.plugin_name, data.content


# ------------------------------------------------------------------ scalars


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("number", [0.5, 3, 0.1, -1e-30, float("inf"), np.float32(0.1)])
def test_scalar(peer: str, number: Any) -> None:
    theirs = module(peer).scalar("a/b", number)
    assert read(summary_protos.scalar("a/b", number)) == read(theirs)
    assert value_of(theirs).simple_value == np.float32(number)


def test_scalar_with_names() -> None:
    given: Any = {"display_name": "n", "summary_description": "*d*"}
    theirs, ours = tensorboardx.scalar("x", 0.5, **given), summary_protos.scalar("x", 0.5, **given)
    for message in (theirs, ours):
        value = value_of(message)
        assert (value.tag, value.simple_value) == ("x", 0.5)
        assert value.metadata.display_name == "n"
        assert value.metadata.summary_description == "*d*"


def test_scalar_with_names_in_the_places_of_tensorboardx() -> None:
    theirs = value_of(tensorboardx.scalar("x", 0.5, "n", "*d*"))
    places: Any = summary_protos.scalar
    ours = value_of(places("x", 0.5, "n", "*d*"))
    assert ours.metadata.display_name == theirs.metadata.display_name == "n"
    assert ours.metadata.summary_description == theirs.metadata.summary_description == "*d*"
    assert ours.WhichOneof("value") == theirs.WhichOneof("value") == "simple_value"


@pytest.mark.full
def test_scalar_of_torchs_new_style() -> None:
    theirs = value_of(module("torch").scalar("x", 0.5, None, True))
    ours = value_of(summary_protos.scalar("x", 0.5, None, True))
    assert ours.tag == theirs.tag
    assert ours.metadata.plugin_data == theirs.metadata.plugin_data
    assert make_ndarray(ours.tensor) == make_ndarray(theirs.tensor) == 0.5
    assert ours.tensor.dtype == theirs.tensor.dtype == DT_FLOAT


def test_scalar_of_double_precision() -> None:
    # torch writes DT_DOUBLE, which TensorBoard's data server drops
    value = value_of(summary_protos.scalar("x", 0.1, double_precision=True))
    assert value.tensor.dtype == DT_FLOAT
    assert (list(value.tensor.float_val), list(value.tensor.double_val)) == (
        [np.float32(0.1)],
        [0.1],
    )


@pytest.mark.parametrize("value", [None, "0.5", [1, 2], 1j, 10**400])
def test_scalar_refuses(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        summary_protos.scalar("x", value)


# ------------------------------------------------------------------ histograms


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("bins", ["doane", "sturges", [-4.0, -1.0, 0.0, 1.0, 8.0]])
@pytest.mark.parametrize("max_bins", [None, 2])
def test_histogram(peer: str, bins: Any, max_bins: int | None) -> None:
    theirs = value_of(module(peer).histogram("h", VALUES, bins, max_bins)).histo
    ours = value_of(summary_protos.histogram("h", VALUES, bins, max_bins)).histo
    for name in ("min", "max", "num", "sum", "sum_squares"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert np.allclose(ours.bucket_limit, theirs.bucket_limit)
    assert list(ours.bucket) == list(theirs.bucket)


@pytest.mark.parametrize("peer", PEERS)
def test_histogram_of_tensorflows_buckets(peer: str) -> None:
    theirs = value_of(module(peer).histogram("h", VALUES, DEFAULT_EDGES.tolist())).histo
    ours = value_of(summary_protos.histogram("h", VALUES, "tensorflow")).histo
    assert list(ours.bucket_limit) == list(theirs.bucket_limit)
    assert list(ours.bucket) == list(theirs.bucket)


@pytest.mark.parametrize("peer", PEERS)
def test_histogram_raw(peer: str) -> None:
    given: Any = ("h", 0, 5, 10, 25, 70, [1, 2, 5], [3, 3, 4])
    assert read(summary_protos.histogram_raw(*given)) == read(module(peer).histogram_raw(*given))


# ------------------------------------------------------------------ pictures


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("dataformats", ["CHW", "HWC", "HW", "NCHW"])
def test_image(peer: str, dataformats: str) -> None:
    given = {
        "CHW": IMAGE,
        "HWC": IMAGE.transpose(1, 2, 0),
        "HW": IMAGE[0],
        "NCHW": np.stack([IMAGE, 255 - IMAGE, IMAGE]),
    }[dataformats]
    for array in (given, given / np.float32(255)):
        theirs = pixels_of(module(peer).image("i", array, dataformats=dataformats))
        ours = pixels_of(summary_protos.image("i", array, dataformats=dataformats))
        if ours.ndim == 2:  # gray: theirs are three equal channels
            ours = np.stack([ours] * 3, axis=-1)
        assert np.array_equal(ours, theirs)


def test_image_that_tensorboardx_wraps() -> None:
    array = np.full((3, 2, 2), 1.01)
    assert (pixels_of(tensorboardx.image("i", array)) == 1).all()
    assert (pixels_of(summary_protos.image("i", array, dataformats="CHW")) == 255).all()


def test_image_of_tensorboardxs_default_axes() -> None:
    # CHW there, NCHW in torch: the number of axes tells
    ours = pixels_of(summary_protos.image("i", IMAGE))
    assert np.array_equal(ours, pixels_of(tensorboardx.image("i", IMAGE)))
    batch = np.stack([IMAGE, IMAGE])
    assert pixels_of(summary_protos.image("i", batch)).shape == (4, 10, 3)


@pytest.mark.parametrize("peer", PEERS)
def test_image_rescaled(peer: str) -> None:
    theirs = pixels_of(module(peer).image("i", IMAGE, 3, "CHW"))
    ours = pixels_of(summary_protos.image("i", IMAGE, 3, "CHW"))
    assert ours.shape == theirs.shape == (12, 15, 3)
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("labels", [None, ["cat"]])
def test_image_boxes(peer: str, labels: Any) -> None:
    black, boxes = np.zeros((3, 40, 60), np.uint8), np.array([[5.0, 6.0, 30.0, 30.0]])
    theirs = pixels_of(module(peer).image_boxes("i", black, boxes, 2, "CHW", labels))
    ours = pixels_of(summary_protos.image_boxes("i", black, boxes, 2, "CHW", labels))
    assert ours.shape == theirs.shape == (80, 120, 3)
    if labels is None:
        assert np.array_equal(ours, theirs)
    else:  # the font's own margins differ by a pixel or so
        assert ((ours[..., 0] > 128) ^ (theirs[..., 0] > 128)).mean() < 0.05


def test_video() -> None:
    # torch and tensorboardX need moviepy; torch with its version 2 writes a value without a value
    frames = np.stack([IMAGE, 255 - IMAGE])[np.newaxis]
    for message in (
        summary_protos.video("v", frames, 10),
        summary_protos.video("v", frames.transpose(0, 1, 3, 4, 2), 10, "NTHWC"),
    ):
        image: Any = Image.open(io.BytesIO(value_of(message).image.encoded_image_string))
        assert image.n_frames == 2
        image.seek(1)
        assert np.array_equal(np.asarray(image), 255 - IMAGE.transpose(1, 2, 0))
        assert image.info["duration"] == 100


# ------------------------------------------------------------------ sounds


def samples_of(message: Any) -> list[int]:
    audio = value_of(message).audio
    with wave.open(io.BytesIO(audio.encoded_audio_string)) as file:
        assert file.getframerate() == audio.sample_rate
        assert file.getnchannels() == audio.num_channels
        samples: list[int] = np.frombuffer(file.readframes(audio.length_frames), "<i2").tolist()
        return samples


@pytest.mark.full
def test_audio_as_torch() -> None:
    sound = np.array([[0.5, -0.25, 0.0, 2.0]], np.float32)
    theirs = value_of(module("torch").audio("a", sound, 8000)).audio
    ours = value_of(summary_protos.audio("a", sound, 8000)).audio
    for name in ("sample_rate", "num_channels", "length_frames", "content_type"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert samples_of(summary_protos.audio("a", sound, 8000)) == [16384, -8192, 0, 32767]
    # torch scales by 32767 and cuts off: one level less
    assert samples_of(module("torch").audio("a", sound, 8000)) == [16383, -8191, 0, 32767]


def test_audio() -> None:
    message = summary_protos.audio("a", np.array([1, -2, 3], np.int16), 8000)
    assert samples_of(message) == [1, -2, 3]  # torch: clipped to +-1
    assert plugin(message)[0] == "audio"


# ------------------------------------------------------------------ text, tensors, settings


@pytest.mark.parametrize("peer", PEERS)
def test_text(peer: str) -> None:
    theirs, ours = module(peer).text("t", "*größe*"), summary_protos.text("t", "*größe*")
    assert plugin(ours)[0] == plugin(theirs)[0] == "text"
    assert plugin(ours)[1] == b""
    # Theirs: another tag, and a table of one cell
    assert (value_of(theirs).tag, value_of(ours).tag) == ("t/text_summary", "t")
    assert make_ndarray(value_of(theirs).tensor).tolist() == ["*größe*".encode()]
    assert make_ndarray(value_of(ours).tensor).item() == "*größe*".encode()


@pytest.mark.full
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool", "complex64"])
def test_tensor_proto(dtype: str) -> None:
    import torch

    tensor = torch.tensor([[1, 0], [3, 1]]).to(getattr(torch, dtype))
    theirs = value_of(module("torch").tensor_proto("x", tensor))
    ours = value_of(summary_protos.tensor_proto("x", tensor))
    assert (ours.tag, ours.tensor.dtype) == (theirs.tag, theirs.tensor.dtype)
    assert ours.metadata.plugin_data.plugin_name == theirs.metadata.plugin_data.plugin_name
    assert make_ndarray(ours.tensor).tolist() == make_ndarray(theirs.tensor).tolist()
    assert ours.metadata.data_class  # torch: none, so that no loader keeps it


@pytest.mark.parametrize("dtype", ["float16", "uint8", "int16"])
def test_tensor_proto_that_torch_mis_encodes(dtype: str) -> None:
    array = np.array([1, 2, 3], dtype)
    stored = make_ndarray(value_of(summary_protos.tensor_proto("x", array)).tensor)
    assert stored.dtype == array.dtype
    assert stored.tolist() == [1, 2, 3]


@pytest.mark.parametrize("peer", PEERS)
def test_custom_scalars(peer: str) -> None:
    theirs = value_of(module(peer).custom_scalars(LAYOUT))
    ours = value_of(summary_protos.custom_scalars(LAYOUT))
    assert ours.tag == theirs.tag == "custom_scalars__config__"
    assert ours.metadata.plugin_data == theirs.metadata.plugin_data
    assert make_ndarray(ours.tensor).item() == make_ndarray(theirs.tensor).item()


# ------------------------------------------------------------------ curves and meshes


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("weights", [None, np.array([2.0, 3.0, 4.0, 1.0])])
@pytest.mark.parametrize("number", [2, 11, 127])
def test_pr_curve(peer: str, weights: Any, number: int) -> None:
    labels, predictions = np.array([0, 1, 1, 0]), np.array([0.4, 0.61, 0.93, 0.07])
    given: Any = ("pr", labels, predictions, number, weights)
    theirs = value_of(module(peer).pr_curve(*given))
    ours = value_of(summary_protos.pr_curve(*given))
    assert ours.metadata.plugin_data == theirs.metadata.plugin_data
    assert np.allclose(make_ndarray(ours.tensor), make_ndarray(theirs.tensor))


def test_pr_curve_of_many_thresholds() -> None:
    message = summary_protos.pr_curve("pr", [0, 1], [0.2, 0.9], 201)  # the peers: 127
    assert make_ndarray(value_of(message).tensor).shape == (6, 201)


@pytest.mark.parametrize("peer", PEERS)
def test_pr_curve_raw(peer: str) -> None:
    rows: Any = [
        np.array(row, np.float32) for row in ([3, 1], [5, 0], [0, 5], [0, 2], [0.4, 1], [1, 0])
    ]
    theirs = value_of(module(peer).pr_curve_raw("pr", *rows, num_thresholds=2))
    ours = value_of(summary_protos.pr_curve_raw("pr", *rows))
    assert ours.metadata.plugin_data == theirs.metadata.plugin_data
    assert np.array_equal(make_ndarray(ours.tensor), make_ndarray(theirs.tensor))


@pytest.mark.full
def test_mesh_as_torch() -> None:
    import torch

    points, colors, faces = map(torch.from_numpy, (TRIANGLE, COLORS, FACES))
    theirs = {
        v.tag: v for v in values_of(module("torch").mesh("m", points, colors, faces, {"a": 1}))
    }
    ours = {v.tag: v for v in values_of(summary_protos.mesh("m", points, colors, faces, {"a": 1}))}
    assert set(ours) == set(theirs) == {"m_VERTEX", "m_COLOR", "m_FACE"}
    for tag, value in ours.items():
        assert value.metadata.plugin_data == theirs[tag].metadata.plugin_data
        stored = make_ndarray(value.tensor)
        assert stored.tolist() == make_ndarray(theirs[tag].tensor).tolist()


def test_mesh_types() -> None:
    values = {
        v.tag: v.tensor.dtype for v in values_of(summary_protos.mesh("m", TRIANGLE, COLORS, FACES))
    }
    # as TensorBoard's own (torch: all DT_FLOAT)
    assert values == {"m_VERTEX": DT_FLOAT, "m_COLOR": DT_UINT8, "m_FACE": DT_INT32}
    (value,) = values_of(summary_protos.mesh("m", TRIANGLE, display_name="n", description="d"))
    assert (value.metadata.display_name, value.metadata.summary_description) == ("n", "d")


# ------------------------------------------------------------------ hyperparameters


@pytest.mark.parametrize("peer", PEERS)
def test_hparams(peer: str) -> None:
    hparams = {"lr": 0.1, "opt": "sgd", "width": 64}
    theirs = [value_of(part) for part in module(peer).hparams(hparams, {"loss": 1})]
    ours = [value_of(part) for part in summary_protos.hparams(hparams, {"loss": 1})]
    assert [value.tag for value in ours] == [value.tag for value in theirs]
    parsers = [
        hparams_metadata.parse_experiment_plugin_data,
        hparams_metadata.parse_session_start_info_plugin_data,
        hparams_metadata.parse_session_end_info_plugin_data,
    ]
    experiment, start, end = (
        [parse(value.metadata.plugin_data.content) for value in (mine, other)]
        for parse, mine, other in zip(parsers, ours, theirs, strict=True)
    )
    for message in experiment:
        assert [info.name.tag for info in message.metric_infos] == ["loss"]
        assert {info.name: info.type for info in message.hparam_infos} == {
            info.name: info.type for info in experiment[1].hparam_infos
        }
    assert start[0].hparams == start[1].hparams
    assert end[0].status == end[1].status


def test_hparams_bool_and_domains() -> None:
    # torch: the number 1, since its bool is an int
    parts = summary_protos.hparams({"flag": True, "lr": 0.1}, {}, {"lr": [0.1, 0.2]})
    experiment, start = (value_of(part).metadata.plugin_data.content for part in parts[:2])
    info = hparams_metadata.parse_session_start_info_plugin_data(start)
    assert info.hparams["flag"].WhichOneof("kind") == "bool_value"
    infos = hparams_metadata.parse_experiment_plugin_data(experiment).hparam_infos
    domains = {info.name: [v.number_value for v in info.domain_discrete.values] for info in infos}
    assert domains == {"flag": [], "lr": [0.1, 0.2]}


@pytest.mark.parametrize("wrong", [(3, {}), ({"a": 1}, [1]), ({"a": 1}, {3: 1})])
def test_hparams_refuses(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        summary_protos.hparams(*wrong)


def test_every_encoder_is_here() -> None:
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {
        name for name in summary_protos.__all__ if not any(t.startswith(name) for t in tested)
    } == set()
