"""Videos: an animated PNG (or GIF) in the place of an image, which a browser plays.

TensorBoard has no plugin for videos. It serves an image as what its bytes say they are
(tensorboard/util/img_mime_type_detector.py), and an animated PNG says that it is a PNG; so it
stands on the images dashboard and plays there, in full colour. Metadata are `image.metadata`.
"""

from __future__ import annotations

import io
import math
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from tbio.kinds import image, pixels, png
from tbio.kinds.pixels import Pixels
from tbio.proto.summary_pb2 import Summary

Format = Literal["png", "gif"]


class Video(NamedTuple):
    """What is put into the queue for a video: immutable, and no memory of the user's.

    Attributes:
        frames: ``uint8[frames, height, width, channels]``.
        fps: frames a second.
        format: the file to be made of it.
    """

    frames: Pixels
    fps: float
    format: Format


def prepare(
    video: Any, fps: float = 4, dataformats: str = "NTCHW", format: Format = "png"
) -> tuple[Video, str]:
    """A video as it is put into the queue. A batch plays side by side.

    As with torch and tensorboardX, the batch is filled up with black to a power of two, and laid
    out in as many rows as columns or in half as many.

    Args:
        video: an array of any framework, of the dtypes of `pixels.to_pixels`.
        fps: frames a second, 0.001 to 1000. Browsers show no more than 60, and wait a tenth of a
            second after a frame that asks for less than a hundredth.
        dataformats: the axes of ``video``, in any order: T, H, W, for colours C, for a batch N.
        format: "png" keeps each pixel; "gif" has 256 colours a frame, on white where it is
            transparent, and times in hundredths of a second.

    Returns:
        What `encode` takes; and a note of what was clipped or left out, empty if nothing was.

    Raises:
        TypeError, ValueError: see `pixels.to_pixels`; no frame; no such ``fps`` or ``format``.

    >>> clip, note = prepare(np.zeros((3, 10, 1, 24, 32)), fps=10)
    >>> clip.frames.shape
    (10, 24, 128, 1)
    """
    if format not in get_args(Format):
        raise ValueError(f"want the format 'png' or 'gif', got {format!r}")
    rate = float(fps)
    if not png.MIN_FPS <= rate <= png.MAX_FPS:
        raise ValueError(f"want fps from {png.MIN_FPS:g} to {png.MAX_FPS:g}, got {fps!r}")
    batch, note = pixels.to_pixels(video, dataformats, "NTHWC")
    if 0 in batch.shape:
        n, frames = batch.shape[:2]
        raise ValueError(f"want at least one frame, got {n} videos of {frames} frames")
    cells = 1 << (len(batch) - 1).bit_length()
    rows = 1 << ((len(batch).bit_length() - 1) // 2)
    return Video(pixels.tiled(list(batch), rows, cells // rows), rate, format), note


def encode(tag: str, video: Video) -> Summary.Value:
    """One video as a summary value, without metadata: an image that moves, without end.

    >>> value = encode("clip", prepare(np.zeros((1, 2, 3, 24, 32)))[0])
    >>> value.image.height, value.image.width, value.image.colorspace
    (24, 32, 3)
    """
    make = png.encode_animation if video.format == "png" else encode_gif
    data = make(video.frames, video.fps)
    return image.encode(tag, image.Encoded(data, *video.frames.shape[1:]))


def encode_gif(frames: Pixels, fps: float) -> bytes:
    """``uint8[frames, height, width, channels]`` as an animated GIF of 256 colours a frame.

    The times are whole hundredths of a second, rounded so that the whole of it takes as long as it
    should.
    """
    ends = [10 * math.floor(100 * (index + 1) / fps + 0.5) for index in range(len(frames))]
    durations = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    if frames.shape[-1] in (2, 4):
        frames = _on_white(frames)
    first, *others = map(image.to_pillow, frames)
    buffer = io.BytesIO()
    first.save(
        buffer, "GIF", save_all=True, append_images=others, duration=durations, loop=0, disposal=1
    )
    return buffer.getvalue()


def _on_white(frames: Pixels) -> Pixels:
    """The colours of half-transparent pixels over white, which is what TensorBoard has behind."""
    shades, alpha = frames[..., :-1].astype(np.uint16), frames[..., -1:].astype(np.uint16)
    return ((shades * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
