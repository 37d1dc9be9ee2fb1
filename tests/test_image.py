"""Images: what is taken, what is written, and what TensorBoard and the peers make of the same."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorboardX.summary as tbx
from corpus_values import truth_of
from corpus_values import values_of as values_in
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tensorboard import data_compat, dataclass_compat
from tensorboard.compat.proto import event_pb2 as tensorboard_pb2
from tensorboard.plugins.image import metadata as tensorboard_metadata
from tensorboard.util import img_mime_type_detector, tensor_util

import tbio
from tbio import tensor
from tbio.errors import DecodeError
from tbio.kinds import image, png, video
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary, SummaryMetadata

Array = npt.NDArray[Any]


def decoded(data: bytes) -> Array:
    """``[height, width, channels]`` of an image file, by Pillow."""
    array = np.asarray(Image.open(io.BytesIO(data)))
    return array.reshape(*array.shape[:2], -1)


def in_colour(array: Array) -> Array:
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def shown(picture: Any) -> Array:
    """The pixels of what is written, whose size has to be what the message says."""
    written = image.encode("t", picture).image
    pixels = decoded(written.encoded_image_string)
    assert (written.height, written.width, written.colorspace) == pixels.shape
    return pixels


def ramp(*shape: int) -> Array:
    """Bytes that all differ from their neighbours."""
    return (np.arange(np.prod(shape)) * 7 % 251).astype(np.uint8).reshape(shape)


def file_of(mode: str, format: str, size: tuple[int, int] = (7, 5)) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, format)
    return buffer.getvalue()


# ------------------------------------------------------------------ prepare


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_array_comes_back(channels: int) -> None:
    array = ramp(channels, 5, 7)
    picture, note = image.prepare(array)
    assert note == ""
    assert np.array_equal(shown(picture), array.transpose(1, 2, 0))


def test_a_batch_becomes_a_grid() -> None:
    picture, _ = image.prepare(np.ones((9, 1, 4, 6)), "NCHW")
    pixels = shown(picture)
    assert pixels.shape == (8, 48, 1)
    assert pixels[:4].min() == pixels[4:, :6].min() == 255
    assert not pixels[4:, 6:].any()


def test_a_note_comes_with_the_picture() -> None:
    picture, note = image.prepare(np.full((2, 2), 3.0), "HW")
    assert shown(picture).min() == 255
    assert note.startswith("4 of 4 floats outside [0, 1] were clipped (3 to 3)")


def test_what_is_prepared_is_not_the_users_memory() -> None:
    array = np.zeros((5, 7, 3), np.uint8)
    picture, _ = image.prepare(array, "HWC")
    samples, _ = image.prepare_samples(array[np.newaxis])
    boxes = np.array([[1.0, 1, 3, 3]])
    boxed, _ = image.prepare_boxes(array, boxes, dataformats="HWC")
    array[...] = 9
    boxes[...] = 0
    assert isinstance(picture, np.ndarray)
    assert not picture.any()
    assert not samples.any()
    assert not boxed.image.any()
    assert boxed.boxes.tolist() == [[1, 1, 3, 3]]
    for kept in (picture, samples, boxed.image, boxed.boxes):
        assert not kept.flags.writeable


@pytest.mark.parametrize("wrong", [None, object(), [["a"]], [None, None], {}])
def test_what_is_no_image_is_refused(wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        image.prepare(wrong)


# ------------------------------------------------------------------ Pillow images

PILLOW = {
    "1": (Image.fromarray(np.array([[False, True]])), [[[0], [255]]]),
    "L": (Image.fromarray(np.array([[7, 200]], np.uint8)), [[[7], [200]]]),
    "LA": (Image.new("LA", (1, 1), (7, 200)), [[[7, 200]]]),
    "RGB": (Image.new("RGB", (1, 1), (7, 8, 9)), [[[7, 8, 9]]]),
    "RGBA": (Image.new("RGBA", (1, 1), (7, 8, 9, 10)), [[[7, 8, 9, 10]]]),
    "P": (Image.new("RGB", (1, 1), (7, 8, 9)).quantize(), [[[7, 8, 9]]]),
    "CMYK": (Image.new("CMYK", (1, 1), (0, 0, 0, 255)), [[[0, 0, 0]]]),
    "I;16": (Image.frombytes("I;16", (2, 1), bytes([255, 255, 1, 1])), [[[255], [1]]]),
    "I;16B": (Image.frombytes("I;16B", (2, 1), bytes([255, 255, 1, 2])), [[[255], [1]]]),
    "I": (Image.fromarray(np.array([[0, 7, 255]], np.int32)), [[[0], [7], [255]]]),
    "F": (Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), [[[0], [127], [255]]]),
}


@pytest.mark.parametrize("mode", PILLOW)
def test_an_image_of_pillow(mode: str) -> None:
    picture, note = image.prepare(PILLOW[mode][0], "CHW")  # it knows its own axes
    assert note == ""
    assert shown(picture).tolist() == PILLOW[mode][1]


def test_a_transparent_colour_of_pillow() -> None:
    transparent = Image.new("RGB", (2, 1), (7, 8, 9))
    transparent.putpixel((1, 0), (1, 2, 3))
    transparent.info["transparency"] = (1, 2, 3)
    picture, _ = image.prepare(transparent)
    assert shown(picture).tolist() == [[[7, 8, 9, 255], [1, 2, 3, 0]]]


def test_images_of_pillow_become_a_grid() -> None:
    picture, _ = image.prepare([Image.new("L", (3, 2), 9), Image.new("RGB", (2, 4), "red")])
    pixels = shown(picture)
    assert pixels.shape == (4, 6, 3)
    assert pixels[0, 0].tolist() == [9, 9, 9]
    assert pixels[3, 4].tolist() == [255, 0, 0]


def test_an_image_of_pillow_with_levels_beyond_8_bits() -> None:
    with pytest.raises(ValueError, match="integers from 0 to 255, got 0 to 300; got shape"):
        image.prepare(Image.fromarray(np.array([[0, 300]], np.int32)))


# ------------------------------------------------------------------ files


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP"])
@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_a_file_is_written_as_it_is(format: str, mode: str, channels: int, tmp_path: Path) -> None:
    data = file_of(mode, format)
    path = tmp_path / "a file"
    path.write_bytes(data)
    mime_type = f"image/{format.lower()}"
    for source in (data, bytearray(data), path, str(path)):
        picture, note = image.prepare(source)
        assert note == ""
        assert picture == image.prepare_encoded(source)
        written = image.encode("t", picture).image
        assert written.encoded_image_string == data
        assert (written.height, written.width) == (5, 7)
        if format != "GIF":  # of which Pillow makes grey what is grey
            assert written.colorspace == channels
        assert img_mime_type_detector.from_bytes(written.encoded_image_string) == mime_type


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("LA", 2), ("P", 3), ("RGBA", 4), ("I;16", 1)]
)
def test_the_channels_of_a_file(mode: str, channels: int) -> None:
    assert image.prepare_encoded(file_of(mode, "PNG")).channels == channels


def test_a_file_is_not_decoded() -> None:
    whole = file_of("RGB", "PNG", (300, 200))
    cut = whole[:60]  # the header is there, the pixels are not
    assert image.prepare_encoded(cut) == image.Encoded(cut, 200, 300, 3)


def test_a_file_that_tensorboard_would_not_show_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiff = file_of("RGB", "TIFF")
    with pytest.raises(ValueError, match=r"BMP, GIF, JPEG and PNG .* format TIFF: give it as PIL"):
        image.prepare_encoded(tiff)
    assert shown(image.prepare(Image.open(io.BytesIO(tiff)))[0]).shape == (5, 7, 3)
    with pytest.raises(ValueError, match=r"want a BMP, .* got 4 bytes beginning b'text'"):
        image.prepare_encoded(b"text")
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match=r"want a BMP, .* got the file '.*text'"):
        image.prepare(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        image.prepare(str(tmp_path / "nowhere.png"))
    with pytest.raises(TypeError, match="bytes or its path, got list"):
        image.prepare_encoded([1, 2])  # type: ignore[arg-type]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    large = file_of("L", "PNG")
    assert img_mime_type_detector.from_bytes(large) == "application/octet-stream"
    with pytest.raises(ValueError, match="too large for TensorBoard to show"):
        image.prepare_encoded(large)


# ------------------------------------------------------------------ what is written


def test_the_metadata_are_tensorboards() -> None:
    theirs = tensorboard_metadata.create_summary_metadata("shown", "described")
    ours = image.metadata("shown", "described")
    assert ours.data_class == DATA_CLASS_BLOB_SEQUENCE
    ours.ClearField("data_class")
    assert ours.SerializeToString() == theirs.SerializeToString()


def migrated(value: Summary.Value) -> Any:
    """The value as TensorBoard's loader hands it on."""
    event = Event(wall_time=1, step=2, summary=Summary(value=[value]))
    theirs = tensorboard_pb2.Event.FromString(event.SerializeToString())
    (event,) = dataclass_compat.migrate_event(data_compat.migrate_event(theirs), {})
    (value,) = event.summary.value
    return value


@pytest.mark.parametrize("with_metadata", [False, True])
def test_tensorboard_reads_the_old_encoding(with_metadata: bool) -> None:
    array = ramp(5, 7, 3)
    value = image.encode("some tag", image.prepare(array, "HWC")[0])
    if with_metadata:
        value.metadata.CopyFrom(image.metadata("shown", "described"))
    read = migrated(value)
    assert read.tag == "some tag"
    assert read.metadata.plugin_data.plugin_name == "images"
    assert read.metadata.display_name == ("shown" if with_metadata else "some tag")
    assert read.metadata.summary_description == ("described" if with_metadata else "")
    assert read.metadata.data_class == DATA_CLASS_BLOB_SEQUENCE
    width, height, data = tensor_util.make_ndarray(read.tensor)
    assert (width, height) == (b"7", b"5")
    assert np.array_equal(decoded(data), array)


def test_tensorboard_reads_the_samples() -> None:
    array = ramp(4, 5, 7, 3)
    value = image.encode_samples("t", image.prepare_samples(array)[0])
    value.metadata.CopyFrom(image.metadata())
    read = migrated(value)
    width, height, *data = tensor_util.make_ndarray(read.tensor)
    assert (width, height) == (b"7", b"5")
    assert np.array_equal(np.stack([*map(decoded, data)]), array)


@pytest.mark.parametrize(("max_outputs", "count"), [(None, 4), (9, 4), (3, 3), (0, 0)])
def test_only_so_many_samples(max_outputs: int | None, count: int) -> None:
    array = ramp(4, 3, 5, 7)
    array = np.where(np.arange(4)[:, None, None, None] < 3, array / 255, 9.0)
    samples, note = image.prepare_samples(array, "NCHW", max_outputs)
    assert samples.shape == (count, 5, 7, 3)
    assert bool(note) == (count == 4)  # it says nothing of what is not written
    strings = image.encode_samples("t", samples).tensor.string_val
    assert len(strings) == 2 + count


def test_samples_that_are_none() -> None:
    with pytest.raises(ValueError, match="max_outputs of at least 0, got -1"):
        image.prepare_samples(np.zeros((1, 1, 1, 1)), max_outputs=-1)
    with pytest.raises(ValueError, match=r"want each axis in dataformats, once: N, H, W, C \(if"):
        image.prepare_samples(np.zeros((4, 4)), "HW")


# ------------------------------------------------------------------ boxes

BOXES = np.array([[2, 2, 20, 20], [5, 5, 28, 12]])


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
@pytest.mark.parametrize("rescale", [1, 0.5, 1.7])
def test_boxes_are_drawn_as_tensorboardx_does(dtype: npt.DTypeLike, rescale: float) -> None:
    array = ramp(3, 30, 40)
    boxes = BOXES.astype(dtype)
    theirs = tbx.image_boxes("t", array, boxes, rescale=rescale).value[0].image
    boxed, note = image.prepare_boxes(array, boxes, rescale)
    assert note == ""
    assert np.array_equal(shown(boxed), decoded(theirs.encoded_image_string))
    # which, of a rescaled image, says the size of the original
    assert (theirs.height, theirs.width) == (30, 40)


def test_a_box_by_hand() -> None:
    pixels = shown(image.prepare_boxes(np.zeros((12, 12)), [[3, 4, 8, 9]], dataformats="HW")[0])
    red = (pixels == [255, 0, 0]).all(axis=2)
    assert not pixels[~red].any()
    assert red[4, 3:9].all()
    assert red[9, 3:9].all()
    assert red[4:10, 3].all()
    assert red[4:10, 8].all()
    assert not red[5:8, 5:7].any()
    assert not red[:3].any()


def test_labels_stand_inside_their_boxes() -> None:
    array, boxes = np.full((60, 90, 3), 255, np.uint8), np.array([[5, 5, 80, 50]])
    boxed, note = image.prepare_boxes(array, boxes, dataformats="HWC", labels="dog, jumping")
    assert note == ""
    pixels = shown(boxed)
    text = np.argwhere(pixels[:, :, 0] < 128)  # black on red on white
    assert len(text) > 40
    assert (text.min(axis=0) > [30, 5]).all()
    assert (text.max(axis=0) < [50, 80]).all()
    for y, x in text:
        around = pixels[y - 1 : y + 2, x - 1 : x + 2]
        assert not around[..., 1].any()  # no white: it is on its ground
    # Of tensorboardX the letters that reach below the line run over the edge of the box.
    theirs = tbx.image_boxes("t", array, boxes, dataformats="HWC", labels=["dog, jumping"])
    pixels = decoded(theirs.value[0].image.encoded_image_string)
    assert np.argwhere(pixels[:, :, 0] < 128).max(axis=0)[0] >= 50


def test_labels_for_another_number_of_boxes_are_left_out() -> None:
    boxed, note = image.prepare_boxes(ramp(3, 30, 40), BOXES, labels=["one"])
    assert note == "1 labels for 2 boxes: drawn without labels"
    assert np.array_equal(shown(boxed), shown(image.prepare_boxes(ramp(3, 30, 40), BOXES)[0]))


def test_boxes_that_are_not_finite_are_left_out() -> None:
    boxes = [[np.nan, 2, 20, 20], [5, 5, 28, 12], [0, 0, np.inf, 3]]
    boxed, note = image.prepare_boxes(ramp(3, 30, 40), boxes, labels=["a", "b", "c"])
    assert note == "2 of 3 boxes are not finite: left out"
    assert boxed.labels == ("b",)
    assert boxed.boxes.tolist() == [[5, 5, 28, 12]]
    shown(boxed)


def test_boxes_far_outside_are_drawn_as_far_as_they_can_be_seen() -> None:
    boxed, _ = image.prepare_boxes(np.zeros((9, 9)), [[3, 4, 1e30, 1e30]], dataformats="HW")
    red = (shown(boxed) == [255, 0, 0]).all(axis=2)
    assert red[4, 3:].all()
    assert red[4:, 3].all()
    assert not red[:, :2].any()
    assert not red[6:, 5:].any()


@pytest.mark.parametrize("empty", [np.zeros((0, 4)), [], np.zeros(0)])
def test_no_boxes(empty: Any) -> None:
    boxed, note = image.prepare_boxes(ramp(3, 30, 40), empty, labels=[])
    assert note == ""
    assert np.array_equal(shown(boxed), ramp(3, 30, 40).transpose(1, 2, 0))


@pytest.mark.parametrize(("channels", "drawn"), [(1, 3), (2, 4), (3, 3), (4, 4)])
def test_boxes_are_red_on_whatever_there_is(channels: int, drawn: int) -> None:
    pixels = shown(image.prepare_boxes(np.zeros((channels, 9, 9)), [[2, 2, 6, 6]])[0])
    assert pixels.shape == (9, 9, drawn)
    assert pixels[2, 4].tolist() == [255, 0, 0, 255][:drawn]


def test_boxes_on_files_and_batches() -> None:
    assert shown(image.prepare_boxes(file_of("RGB", "PNG", (9, 9)), [[2, 2, 6, 6]])[0])[2, 4, 0]
    assert shown(image.prepare_boxes(Image.new("L", (9, 9)), [[2, 2, 6, 6]])[0])[2, 4, 0]
    batch = np.full((2, 3, 9, 9), 7.0)
    boxed, note = image.prepare_boxes(batch, [[2, 2, 6, 6]], dataformats="NCHW")
    assert shown(boxed).shape == (9, 18, 3)
    assert "486 of 486 floats" in note


@pytest.mark.parametrize(
    ("boxes", "rescale", "words"),
    [
        ([[1, 2, 3]], 1, r"boxes of shape \[n, 4\], got shape \(1, 3\)"),
        ([1, 2, 3, 4], 1, r"got shape \(4,\)"),
        (BOXES, 0, "makes an image of 0 x 0 pixels"),
        (BOXES, 0.01, "makes an image of 0.3 x 0.4 pixels"),
        (BOXES, float("nan"), "nan x nan"),
        (BOXES, 1e9, "rescale"),
    ],
)
def test_wrong_boxes_are_refused(boxes: Any, rescale: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        image.prepare_boxes(ramp(3, 30, 40), boxes, rescale)


# ------------------------------------------------------------------ the peers on the same input


@pytest.mark.parametrize("dataformats", ["CHW", "HWC", "HW", "WH", "NCHW", "NHWC", "chw"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_tensorboardx_shows_the_same(dataformats: str, dtype: npt.DTypeLike) -> None:
    array = ramp(*[{"N": 10, "C": 3, "H": 5, "W": 7}[axis] for axis in dataformats.upper()])
    if dtype != np.uint8:
        array = array.astype(dtype) / 255
    theirs = tbx.image("t", array, dataformats=dataformats).value[0].image
    ours = shown(image.prepare(array, dataformats)[0])
    assert np.array_equal(in_colour(ours), decoded(theirs.encoded_image_string))


@pytest.mark.full
@pytest.mark.parametrize("dataformats", ["CHW", "HWC", "HW", "WH", "NCHW", "NHWC", "chw"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "bool"])
def test_torch_shows_the_same(dataformats: str, dtype: str) -> None:
    import torch
    from torch.utils.tensorboard import summary

    array = ramp(*[{"N": 10, "C": 3, "H": 5, "W": 7}[axis] for axis in dataformats.upper()])
    tensor = torch.from_numpy(array)
    if dtype != "uint8":
        tensor = (tensor.to(torch.float64) / 200 - 0.1).to(getattr(torch, dtype))
    theirs = summary.image("t", tensor, dataformats=dataformats).value[0].image
    ours = shown(image.prepare(tensor, dataformats)[0])
    assert np.array_equal(in_colour(ours), decoded(theirs.encoded_image_string))


@pytest.mark.full
def test_torch_cannot_lay_out_a_batch_with_alpha() -> None:
    from torch.utils.tensorboard import summary

    array = ramp(2, 4, 5, 7)
    with pytest.raises(AssertionError, match="3 channels"):
        summary.image("t", array, dataformats="NCHW")
    assert shown(image.prepare(array, "NCHW")[0]).shape == (5, 14, 4)


# ------------------------------------------------------------------ decoding


def read(value: Summary.Value) -> tuple[image.Image, ...]:
    return image.decode(value, SummaryMetadata())


def image_of(data: bytes) -> image.Image:
    return image.Image(data, 7, 5)


def of_pillow(picture: Image.Image, format: str, **more: Any) -> image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, format, **more)
    return image_of(buffer.getvalue())


SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(shape: tuple[int, int, int, int], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    _, height, width, _ = shape
    (single,) = read(image.encode("t", image.prepare(pixels[0], "HWC")[0]))
    assert (single.width, single.height, single.format) == (width, height, "png")
    assert np.array_equal(single.to_array(), pixels[0])
    samples = read(image.encode_samples("t", image.prepare_samples(pixels)[0]))
    assert [sample.width for sample in samples] == [width] * shape[0]
    assert np.array_equal([sample.to_array() for sample in samples], pixels)
    assert np.array_equal(single.frames(), pixels[:1])


def test_no_samples() -> None:
    assert read(image.encode_samples("t", image.prepare_samples(np.zeros((0, 4, 5, 3)))[0])) == ()


def test_the_array_is_the_callers_own() -> None:
    picture = of_pillow(Image.new("L", (7, 5), 9), "PNG")
    array = picture.to_array()
    array[:] = 0
    assert picture.to_array().min() == 9


def test_the_size_is_what_the_log_says() -> None:
    """tensorboardX says the size of the original of what it has rescaled."""
    theirs = tbx.image_boxes("t", ramp(3, 30, 40), BOXES, rescale=0.5).SerializeToString()
    (picture,) = read(Summary.FromString(theirs).value[0])
    assert (picture.width, picture.height) == (40, 30)
    assert picture.to_array().shape == (15, 20, 3)
    assert repr(picture).startswith("<Image: 40 x 30, ")


@pytest.mark.parametrize("format", ["png", "jpeg", "gif", "bmp", "webp"])
def test_format(format: str) -> None:
    picture = of_pillow(Image.new("RGB", (7, 5), "white"), format)
    assert picture.format == format
    assert picture.to_array().tolist() == [[[255, 255, 255]] * 7] * 5
    assert repr(picture) == f"<Image: 7 x 5, {len(picture.encoded)} bytes of {format}>"
    bundle = picture._repr_mimebundle_()
    assert base64.b64decode(bundle[f"image/{format}"]) == picture.encoded
    assert bundle["text/plain"] == repr(picture)


@pytest.mark.parametrize(
    "data", [b"", b"text", b"RIFF\0\0\0\0WAVE", b"\x89PNG", b"%!PS-Adobe-3.0 EPSF"]
)
def test_no_known_format(data: bytes, tmp_path: Path) -> None:
    picture = image_of(data)
    assert picture.format == ""
    assert repr(picture) == f"<Image: 7 x 5, {len(data)} bytes of an unknown format>"
    assert list(picture._repr_mimebundle_()) == ["text/plain"]
    for decoding in (picture.to_array, picture.frames, picture.to_pil):
        with pytest.raises(DecodeError, match=f"{len(data)} bytes of no known image, beginning"):
            decoding()
    assert picture.save(tmp_path / "plain").read_bytes() == data
    with pytest.raises(DecodeError, match="no known image"):
        picture.save(tmp_path / "plain.png")


GREY = Image.fromarray(np.array([[7, 200]], np.uint8))
COLOUR = Image.fromarray(np.array([[[7, 8, 9], [1, 2, 3]]], np.uint8))
HALF = Image.fromarray(np.array([[[7, 8, 9, 10], [1, 2, 3, 255]]], np.uint8))
INK = Image.new("CMYK", (8, 8), (0, 0, 0, 255))
MODES: dict[str, tuple[image.Image, Any]] = {
    "1": (of_pillow(Image.fromarray(np.array([[False, True]])), "PNG"), [[[0], [255]]]),
    "L": (of_pillow(GREY, "PNG"), [[[7], [200]]]),
    "LA": (of_pillow(Image.new("LA", (1, 1), (7, 200)), "PNG"), [[[7, 200]]]),
    "RGB": (of_pillow(COLOUR, "PNG"), [[[7, 8, 9], [1, 2, 3]]]),
    "RGBA": (of_pillow(HALF, "PNG"), [[[7, 8, 9, 10], [1, 2, 3, 255]]]),
    "P": (of_pillow(COLOUR.quantize(), "PNG"), [[[7, 8, 9], [1, 2, 3]]]),
    "P, transparent": (
        of_pillow(COLOUR.quantize(), "PNG", transparency=bytes([0, 128])),
        None,  # the order of a palette is Pillow's affair; see below
    ),
    "L, transparent": (of_pillow(GREY, "PNG", transparency=7), [[[7, 0], [200, 255]]]),
    "RGB, transparent": (
        of_pillow(COLOUR, "PNG", transparency=(1, 2, 3)),
        [[[7, 8, 9, 255], [1, 2, 3, 0]]],
    ),
    "16 bits": (
        of_pillow(Image.fromarray(np.array([[0, 255, 256, 65535]], np.uint16)), "PNG"),
        [[[0], [0], [1], [255]]],
    ),
    "GIF": (of_pillow(COLOUR, "GIF"), [[[7, 8, 9], [1, 2, 3]]]),
    "BMP of 1 bit": (of_pillow(Image.fromarray(np.array([[False, True]])), "BMP"), [[[0], [255]]]),
    "JPEG of ink": (of_pillow(INK, "JPEG"), [[[0, 0, 0]] * 8] * 8),
}


@pytest.mark.parametrize("mode", MODES)
def test_channels(mode: str) -> None:
    picture, expected = MODES[mode]
    array = picture.to_array()
    assert array.dtype == np.uint8
    if expected is None:
        assert array[..., :3].tolist() == [[[7, 8, 9], [1, 2, 3]]]
        assert sorted(array[0, :, 3].tolist()) == [0, 128]
    else:
        assert array.tolist() == expected
    assert np.array_equal(picture.frames(), array[None])


def test_png_of_16_bits_a_colour() -> None:
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    row = b"\0" + struct.pack(">3H", 0x12FF, 0x3400, 0xFFFF)

    def chunk(name: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(row)), chunk(b"IEND", b"")
    data = b"\x89PNG\r\n\x1a\n" + b"".join(parts)
    assert image_of(data).to_array().tolist() == [[[0x12, 0x34, 0xFF]]]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_frames_of_an_animated_png(channels: int) -> None:
    film = ramp(4, 5, 7, channels)
    picture = image_of(png.encode_animation(film, 5))
    assert np.array_equal(picture.frames(), film)
    for frame in range(-4, 4):
        assert np.array_equal(picture.to_array(frame), film[frame])
    assert np.array_equal(picture.to_array(), film[0])
    for frame in (4, -5):
        with pytest.raises(IndexError, match=f"frame {frame} of an image of 4"):
            picture.to_array(frame)
    with pytest.raises(IndexError, match="frame 1 of an image of 1"):
        of_pillow(GREY, "PNG").to_array(1)


def test_frames_of_a_gif() -> None:
    """Few colours, so that a palette holds them; the second frame is grey."""
    film = np.zeros((3, 8, 8, 3), np.uint8)
    film[0, :, :4] = [255, 0, 0]
    film[1, 2:5] = 200
    film[2, ::2] = [0, 0, 255]
    picture = image_of(video.encode_gif(film, 5))
    assert picture.format == "gif"
    assert np.array_equal(picture.frames(), film)
    assert np.array_equal(picture.to_array(2), film[2])


def test_frames_of_a_transparent_gif() -> None:
    first = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    first.paste((255, 0, 0, 255), (0, 0, 2, 4))
    second = Image.new("RGBA", (4, 4), (0, 0, 255, 255))
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=[second], disposal=2)
    film = image_of(buffer.getvalue()).frames()
    assert film.shape == (2, 4, 4, 4)
    assert (film[0, :, :2] == [255, 0, 0, 255]).all()
    assert not film[0, :, 2:, 3].any()
    assert (film[1] == [0, 0, 255, 255]).all()


def test_frames_that_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    film = ramp(4, 5, 7, 3)
    picture = image_of(png.encode_animation(film, 5))
    monkeypatch.setattr(image, "_MOST_FRAME_BYTES", 4 * 4 * 5 * 7 - 1)
    with pytest.raises(DecodeError, match="4 frames of 7 x 5 are too many at once"):
        picture.frames()
    assert np.array_equal(picture.to_array(3), film[3])


def test_frames_that_are_not_there() -> None:
    """The header promises two thousand million of them."""
    data = png.encode_animation(ramp(2, 1, 1, 3), 5)
    start = data.index(b"acTL")
    for count in (3, 10_000, 2**31 - 1):
        chunk = b"acTL" + struct.pack(">II", count, 0)
        crc = struct.pack(">I", zlib.crc32(chunk))
        with pytest.raises(DecodeError):
            image_of(data[:start] + chunk + crc + data[start + 16 :]).frames()


def test_to_pil() -> None:
    picture = of_pillow(COLOUR.quantize(), "PNG").to_pil()
    assert (picture.mode, picture.size) == ("P", (2, 1))
    picture = image_of(png.encode_animation(ramp(3, 5, 7, 3), 5)).to_pil()
    assert getattr(picture, "n_frames", 1) == 3


# ------------------------------------------------------------------ what cannot be decoded


def claiming(width: int, height: int) -> bytes:
    """A PNG whose header says so."""
    data = bytearray(file_of("L", "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("width", "height"), [(10_000, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1), (0, 5)]
)
def test_absurd_sizes(width: int, height: int) -> None:
    picture = image_of(claiming(width, height))
    tracemalloc.start()
    try:
        for decoding in (picture.to_array, picture.frames, picture.to_pil):
            with pytest.raises(DecodeError, match=r"png image:|pixels are more than"):
                decoding()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 22


def test_warnings_of_pillow_are_errors_too() -> None:
    with pytest.raises(DecodeError, match=r"png image: Image size .* exceeds limit"):
        image_of(claiming(10_000, 10_000)).to_array()


def test_the_limit_is_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = image_of(file_of("L", "PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert picture.to_array().shape == (5, 7, 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 35)
    assert picture.to_array().shape == (5, 7, 1)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_files_that_are_cut_off(format: str) -> None:
    whole = of_pillow(Image.fromarray(ramp(40, 50, 3)), format).encoded
    for end in (13, 30, len(whole) // 2):
        with pytest.raises(DecodeError):
            image_of(whole[:end]).to_array()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP"]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8),
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of metadata
def test_damaged_files_are_decoded_or_refused(format: str, damage: list[tuple[int, int]]) -> None:
    data = bytearray(of_pillow(Image.fromarray(ramp(6, 5, 3)), format).encoded)
    for place, byte in damage:
        data[place % len(data)] = byte
    picture = image_of(bytes(data))
    for decoding in (picture.to_array, picture.frames):
        try:
            array = decoding()
        except DecodeError:
            continue
        assert array.dtype == np.uint8
        assert array.shape[-1] in (1, 2, 3, 4)


def strings(*items: bytes, shape: tuple[int, ...] | None = None) -> Summary.Value:
    array = np.empty(len(items), object)
    array[:] = items
    return Summary.Value(tensor=tensor.encode(array if shape is None else array.reshape(shape)))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Summary.Value(), "an image without a tensor: it holds nothing"),
        (Summary.Value(simple_value=1), "an image without a tensor: it holds simple_value"),
        (Summary.Value(tensor=tensor.encode([1.0, 2, 3])), "an image of DT_DOUBLE, where strings"),
        (strings(b"1", shape=()), r"an image of shape \[\], where \[width, height"),
        (strings(b"1"), r"an image of shape \[1\], where"),
        (strings(b"1", b"1", b"", b"", shape=(2, 2)), r"an image of shape \[2, 2\], where"),
        (strings(b"x", b"1", b"png"), "an image with b'x' for its width or height"),
        (strings(b"1", b"-1", b"png"), "an image with b'-1' for its width or height"),
        (strings(b"1", b"", b"png"), "an image with b'' for its width or height"),
        (strings(b"1", b"9" * 5000), "an image with b'99999999999999999999' for its width"),
        (Summary.Value(tensor={"dtype": 7, "tensor_shape": {"dim": [{"size": 2**50}]}}), "values"),
    ],
)
def test_no_image(value: Summary.Value, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        read(value)


# ------------------------------------------------------------------ saving


@pytest.mark.parametrize(
    ("format", "name", "written"),
    [
        ("PNG", "a", "a.png"),
        ("PNG", "a.PNG", "a.PNG"),
        ("JPEG", "a", "a.jpeg"),
        ("JPEG", "a.jpg", "a.jpg"),
        ("GIF", "a", "a.gif"),
        ("PNG", "a.dat", "a.dat"),  # no suffix of an image
        ("PNG", "v1.5", "v1.5"),
        ("WEBP", "a", "a.webp"),
    ],
)
def test_a_file_is_saved_as_it_is(format: str, name: str, written: str, tmp_path: Path) -> None:
    picture = of_pillow(COLOUR, format)
    for path in (tmp_path / name, str(tmp_path / name)):
        assert picture.save(path) == tmp_path / written
    assert [path.name for path in tmp_path.iterdir()] == [written]
    assert (tmp_path / written).read_bytes() == picture.encoded


@pytest.mark.parametrize(
    ("suffix", "format", "expected"),
    [
        (".png", "PNG", [[[7, 8, 9, 10], [1, 2, 3, 255]]]),
        (".tiff", "TIFF", [[[7, 8, 9, 10], [1, 2, 3, 255]]]),
        # over white: 255 + (7 - 255) * 10 / 255 = 245.3
        (".bmp", "BMP", [[[245, 245, 245], [1, 2, 3]]]),
        (".jpg", "JPEG", None),
    ],
)
def test_a_file_is_converted(suffix: str, format: str, expected: Any, tmp_path: Path) -> None:
    picture = of_pillow(HALF, "WEBP", lossless=True, exact=True)
    with Image.open(picture.save(tmp_path / f"a{suffix}")) as saved:
        assert saved.format == format
        if expected is None:
            assert (saved.mode, saved.size) == ("RGB", (2, 1))
        else:
            assert np.asarray(saved).tolist() == expected


def test_a_film_is_converted_with_its_frames(tmp_path: Path) -> None:
    film = np.zeros((3, 8, 8, 3), np.uint8)
    film[0, :, :4] = [255, 0, 0]
    film[2, ::2] = [0, 0, 255]
    picture = image_of(png.encode_animation(film, 4))
    with Image.open(picture.save(tmp_path / "a.gif")) as saved:
        assert (getattr(saved, "n_frames", 1), saved.info["duration"]) == (3, 250)
    assert np.array_equal(image_of((tmp_path / "a.gif").read_bytes()).frames(), film)
    with Image.open(picture.save(tmp_path / "a.bmp")) as saved:
        assert np.array_equal(np.asarray(saved), film[0])


def test_what_cannot_be_converted(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="png image:"):
        image_of(file_of("L", "PNG")[:40]).save(tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        of_pillow(GREY, "PNG").save(tmp_path / "nowhere" / "a.png")


# ------------------------------------------------------------------ the corpus


def test_the_corpus_as_tensorboard_reads_it(corpus: Path) -> None:
    count = 0
    for path, tags in truth_of(corpus, "images").items():
        values = values_in(corpus / path)
        for tag, one in tags.items():
            found = [image.decode(value, value.metadata) for value in values[tag]]
            assert len(found) == one["images"]["count"]
            digests = [hashlib.sha256(each.encoded).digest() for some in found for each in some]
            assert hashlib.sha256(b"".join(digests)).hexdigest() == one["images"]["sha256_all"]
            for samples, event in zip(found, one["images"]["events"], strict=False):
                assert len(samples) == event["items_total"]
                if samples:
                    size = f"{samples[0].width} x {samples[0].height}"
                    assert size == one["stored_width_height"] or event["step"] > one["first_step"]
                for sample, item in zip(samples, event["items"], strict=False):
                    if item["format"] == "unknown":  # to the truth, which knows no BMP
                        assert (sample.format, path.split("/")[2]) == ("bmp", "tensorboard-easy")
                        continue
                    assert sample.format == item["format"]
                    assert sample.to_array().shape[:2] == (item["height"], item["width"])
                    count += 1
    assert count > 300


def values_of(folder: Path) -> dict[tuple[str, int], Summary.Value]:
    return {
        (value.tag, event.step): value
        for path in sorted(folder.iterdir())
        for event in tbio.read_events(path)
        for value in event.summary.value
    }


def test_samples_have_the_pixels_of_tensorflows(corpus: Path) -> None:
    """The inputs are those of scripts/peer_tensorflow.py: the first numbers of its generator."""
    theirs = values_of(corpus / "peers" / "tensorflow" / "v2_image")
    rng = np.random.default_rng(11)
    inputs: list[tuple[str, int, Array]] = [
        ("rgb", step, rng.random((2, 7, 11, 3)).astype("f")) for step in range(3)
    ]
    inputs.append(("grey u8", 0, rng.integers(0, 255, (1, 5, 6, 1), dtype="u1")))
    inputs.append(("grey alpha", 0, rng.random((1, 4, 4, 2)).astype("f")))
    inputs.append(("rgba", 9, rng.integers(0, 255, (1, 8, 8, 4), dtype="u1")))
    for tag, step, array in inputs:
        ours = image.encode_samples(tag, image.prepare_samples(array)[0]).tensor.string_val
        strings = theirs[tag, step].tensor.string_val
        assert ours[:2] == strings[:2]
        for our_png, their_png in zip(ours[2:], strings[2:], strict=True):
            assert np.array_equal(decoded(our_png), decoded(their_png))
    none = image.encode_samples("none of them", image.prepare_samples(np.zeros((0, 4, 4, 3)))[0])
    their_none = theirs["none of them", 0].tensor.string_val
    assert none.tensor.string_val == their_none == [b"4", b"4"]
    # 16 bits: TensorFlow drops the lower 8, tbio rounds; at most a level apart
    wide = rng.integers(0, 65535, (1, 3, 10, 3)).astype(np.uint16)
    ours = image.encode_samples("u16", image.prepare_samples(wide)[0]).tensor.string_val
    apart = decoded(theirs["u16", 0].tensor.string_val[2]).astype(int) - decoded(ours[2])
    assert np.abs(apart).max() == 1
    assert np.array_equal(wide[0] >> 8, decoded(ours[2]) + apart)


@pytest.mark.parametrize(("peer", "clean"), [("torch", "hwc u8"), ("tensorboardX", "hwc_u8")])
def test_images_have_the_pixels_of_the_peers(corpus: Path, peer: str, clean: str) -> None:
    """The inputs are those of scripts/peer_torch.py: the first numbers of its generator."""
    theirs = values_of(corpus / "peers" / peer / "image")
    rng = np.random.default_rng(5)
    inputs: list[tuple[str, int, Array, str]] = [
        ("chw", step, rng.random((3, 12, 20)).astype("f"), "CHW") for step in range(2)
    ]
    inputs.append((clean, 0, rng.integers(0, 255, (6, 4, 3), dtype="u1"), "HWC"))
    inputs.append(("hw", 0, rng.random((5, 7)), "HW"))
    inputs.append(("alpha", 0, rng.random((4, 6, 6)), "CHW"))
    inputs.append(("batch", 0, rng.random((7, 3, 5, 5)).astype("f"), "NCHW"))
    for tag, step, array, dataformats in inputs:
        ours = shown(image.prepare(array, dataformats)[0])
        their_image = theirs[tag, step].image
        assert np.array_equal(in_colour(ours), decoded(their_image.encoded_image_string))
        assert (their_image.height, their_image.width) == ours.shape[:2]
    boxed, _ = image.prepare_boxes(rng.random((3, 30, 30)), BOXES)
    their_boxes = theirs["boxes", 0].image.encoded_image_string
    assert np.array_equal(shown(boxed), decoded(their_boxes))
