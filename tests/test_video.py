"""Videos: the layout of a batch, the files by Pillow, and what TensorBoard takes them for."""

from __future__ import annotations

import io
import itertools
import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorboardX.summary as tbx_summary
import tensorboardX.utils as tbx
from PIL import Image, ImageSequence
from tensorboard.util import img_mime_type_detector

from tbio.kinds import video

Array = npt.NDArray[Any]


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def frames_of(data: bytes, mode: str = "RGB") -> tuple[list[Array], list[float]]:
    """The frames of an animation by Pillow, and how many milliseconds each is shown."""
    frames = ImageSequence.Iterator(Image.open(io.BytesIO(data)))
    found = [(np.asarray(frame.convert(mode)), frame.info["duration"]) for frame in frames]
    return [frame for frame, _ in found], [duration for _, duration in found]


def prepared(*args: Any, **kwargs: Any) -> video.Video:
    clip, note = video.prepare(*args, **kwargs)
    assert note == ""
    return clip


# ------------------------------------------------------------------ prepare


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 16, 17])
def test_a_batch_is_laid_out_as_the_peers_do(n: int) -> None:
    batch = noise(n, 2, 3, 4, 6)
    theirs = (tbx._prepare_video(batch) * 255.0).astype(np.uint8)
    assert np.array_equal(prepared(batch).frames, theirs)


def test_a_batch_by_hand() -> None:
    batch = np.arange(1, 6, dtype=np.uint8).reshape(5, 1, 1, 1, 1)  # five videos of one pixel
    assert prepared(batch).frames.tolist() == [[[[1], [2], [3], [4]], [[5], [0], [0], [0]]]]


@pytest.mark.parametrize(
    "dataformats", ["".join(order) for order in itertools.permutations("NTCHW")][::7]
)
def test_every_order_of_the_axes(dataformats: str) -> None:
    batch = noise(2, 4, 3, 5, 7)
    array = batch.transpose(["NTCHW".index(axis) for axis in dataformats])
    assert np.array_equal(tbx.convert_to_NTCHW(array, dataformats), batch)  # it is what it says
    want = prepared(batch).frames
    assert want.shape == (4, 5, 14, 3)
    assert np.array_equal(prepared(array, dataformats=dataformats).frames, want)
    assert np.array_equal(prepared(array, dataformats=dataformats.lower()).frames, want)


def test_a_single_video_and_a_grey_one_need_no_axis_for_it() -> None:
    array = noise(4, 5, 7)
    assert prepared(array, dataformats="THW").frames.shape == (4, 5, 7, 1)
    assert prepared(noise(4, 5, 7, 3), dataformats="THWC").frames.shape == (4, 5, 7, 3)


def test_floats_are_clipped_and_told() -> None:
    clip, note = video.prepare(np.array([0.5, 1.01]).reshape(1, 2, 1, 1, 1))
    assert clip.frames.ravel().tolist() == [127, 255]
    assert note.startswith("1 of 2 floats outside [0, 1] were clipped (1.01 to 1.01)")


def test_what_is_prepared_is_not_the_users_memory() -> None:
    array = np.zeros((1, 2, 3, 4, 5), np.uint8)
    clip = prepared(array)
    array[...] = 9
    assert not clip.frames.any()
    assert not clip.frames.flags.writeable


@pytest.mark.parametrize(
    ("shape", "arguments", "words"),
    [
        ((2, 3, 4, 5), {}, r"an axis for each letter of dataformats, 5 in all; got shape \(2, 3,"),
        ((1, 2, 7, 5, 3), {}, r"want 1 to 4 channels \(is it NTHWC\?\)"),
        ((1, 2, 3, 4, 5), {"dataformats": "NCHWX"}, "want each axis in dataformats, once"),
        ((2, 4, 5), {"dataformats": "CHW"}, "want each axis in dataformats, once"),
        ((1, 0, 3, 4, 5), {}, "at least one frame, got 1 videos of 0 frames"),
        ((0, 2, 3, 4, 5), {}, "at least one frame, got 0 videos of 2 frames"),
        ((1, 2, 3, 4, 5), {"fps": 0}, "want fps from 0.001 to 1000, got 0"),
        ((1, 2, 3, 4, 5), {"fps": -4}, "got -4"),
        ((1, 2, 3, 4, 5), {"fps": float("nan")}, "got nan"),
        ((1, 2, 3, 4, 5), {"fps": 1e4}, "got 10000.0"),
        ((1, 2, 3, 4, 5), {"format": "mp4"}, "want the format 'png' or 'gif', got 'mp4'"),
    ],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, ...], arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        video.prepare(np.zeros(shape, np.uint8), **arguments)


# ------------------------------------------------------------------ what is written


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_a_video_is_an_animated_png(channels: int, mode: str) -> None:
    array = noise(3, 6, 4, 5, channels)
    written = video.encode("t", prepared(array, 10, "NTHWC"))
    assert written.tag == "t"
    image = written.image
    assert (image.height, image.width, image.colorspace) == (4, 20, channels)
    assert img_mime_type_detector.from_bytes(image.encoded_image_string) == "image/png"
    frames, durations = frames_of(image.encoded_image_string, mode)
    assert durations == [100] * 6
    padded = np.concatenate([array, np.zeros_like(array[:1])])
    for index, frame in enumerate(frames):
        want = np.concatenate(padded[:, index], axis=1)  # the four of them, side by side
        assert np.array_equal(frame.reshape(4, 20, channels), want)


def test_a_video_of_one_frame_is_a_picture() -> None:
    array = noise(1, 1, 3, 4, 5)
    image = video.encode("t", prepared(array)).image
    pixels = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    assert np.array_equal(pixels, array[0, 0].transpose(1, 2, 0))


# ------------------------------------------------------------------ GIF


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_gif_of_few_colours_is_exact(channels: int, mode: str) -> None:
    array = (noise(1, 5, 8, 9, channels) > 127).astype(np.uint8) * 255
    image = video.encode("t", prepared(array, 4, "NTHWC", format="gif")).image
    data = image.encoded_image_string
    assert (image.height, image.width, image.colorspace) == (8, 9, channels)
    assert img_mime_type_detector.from_bytes(data) == "image/gif"
    assert Image.open(io.BytesIO(data)).info["loop"] == 0  # for ever
    frames, durations = frames_of(data, mode)
    assert durations == [250] * 5
    for frame, want in zip(frames, array[0], strict=True):
        assert np.array_equal(frame.reshape(8, 9, channels), want)


def test_a_gif_takes_as_long_as_it_should() -> None:
    data = video.encode("t", prepared(noise(1, 32, 3, 4, 5), 30, format="gif"))
    _, durations = frames_of(data.image.encoded_image_string)
    assert durations == [30, 40, 30] * 10 + [30, 40]


@pytest.mark.parametrize("channels", [2, 4])
def test_what_is_transparent_in_a_gif_is_white(channels: int) -> None:
    array = np.zeros((1, 2, 1, 3, channels), np.uint8)
    array[0, 0, 0, :, -1] = 255  # black
    array[0, 1, 0, :, -1] = [255, 102, 0]
    data = video.encode("t", prepared(array, 4, "NTHWC", format="gif")).image.encoded_image_string
    (first, second), _ = frames_of(data)
    assert first.tolist() == [[[0] * 3] * 3]
    assert second.tolist() == [[[0] * 3, [153] * 3, [255] * 3]]  # 102 / 255 is 0.4


# ------------------------------------------------------------------ the peers


def test_tensorboardx_writes_nothing_without_moviepy(caplog: pytest.LogCaptureFixture) -> None:
    array = noise(1, 2, 3, 4, 5)
    with caplog.at_level(logging.ERROR):
        theirs = tbx_summary.video("t", array)
    assert theirs.value[0].WhichOneof("value") is None
    assert "moviepy is not installed" in caplog.text
    assert video.encode("t", prepared(array)).WhichOneof("value") == "image"


@pytest.mark.full
def test_torch_writes_nothing_without_moviepy(capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from torch.utils.tensorboard import summary

    tensor = torch.from_numpy(noise(1, 2, 3, 4, 5))
    theirs = summary.video("t", tensor)
    assert theirs.value[0].WhichOneof("value") is None
    assert "moviepy" in capsys.readouterr().out
    assert video.encode("t", prepared(tensor)).WhichOneof("value") == "image"


@pytest.mark.full
def test_torch_has_the_same_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from torch.utils.tensorboard import summary

    theirs: list[Array] = []
    monkeypatch.setattr(summary, "make_video", lambda tensor, fps: theirs.append(tensor))
    for tensor in (torch.rand(3, 4, 3, 5, 7), torch.from_numpy(noise(5, 4, 1, 5, 7))):
        summary.video("t", tensor)
        assert np.array_equal(prepared(tensor).frames, theirs[-1])
