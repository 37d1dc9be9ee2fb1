"""Images: what is taken, what is written, and what TensorBoard and the peers make of the same."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorboardX.summary as tbx
from PIL import Image
from tensorboard import data_compat, dataclass_compat
from tensorboard.compat.proto import event_pb2 as tensorboard_pb2
from tensorboard.plugins.image import metadata as tensorboard_metadata
from tensorboard.util import img_mime_type_detector, tensor_util

import tbio
from tbio.kinds import image
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary

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


# ------------------------------------------------------------------ the corpus


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
