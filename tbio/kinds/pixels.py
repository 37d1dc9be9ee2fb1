"""Arrays as pixels of 8 bits: which axis is which, and which number is which brightness.

The letters of ``dataformats`` and the layout of a grid are those of torch's and tensorboardX's
``convert_to_HWC`` and ``make_grid``; the arithmetic for floats is torch's
(torch/utils/tensorboard/summary.py, ``image``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio import arrays, recycled

#: ``uint8[..., height, width, channels]``; 1 to 4 channels are L, LA, RGB, RGBA.
Pixels: TypeAlias = npt.NDArray[np.uint8]

#: The brightest level of 8 bits: a float of 1.0 is as bright as this.
LEVELS = 255.0

_BLOCK = 1 << 16  # floats at a time: they stay in the processor's cache


def to_pixels(
    values: Any,
    dataformats: str,
    axes: str,
    *,
    optional: str = "NC",
    first: int | None = None,
    scale: float = LEVELS,
) -> tuple[Pixels, str]:
    """An array of any framework as pixels, its axes in the order of ``axes``.

    | dtype | brightness |
    | --- | --- |
    | bool | black and white |
    | uint8 | as it is |
    | uint16 | rounded to 8 bits: 65535 is 255 |
    | other integers | 0 to 255 as they are; if all are 0 or 1, a mask: black and white |
    | floats | 0.0 is black, 1.0 is white; cut to 8 bits, as torch does it: ``int(x * 255)`` |

    Floats beyond black or white by a level or more are clipped, never wrapped; NaN and masked
    elements are black. What was done to them is told.

    Args:
        values: whatever `tbio.arrays.to_numpy` takes.
        dataformats: a letter for each axis of ``values``, in upper or lower case.
        axes: the letters in the order that is wanted, C last.
        optional: letters that ``dataformats`` may leave out; such an axis has length 1.
        first: only so many of the first axis; the others are not looked at.
        scale: the level of a float of 1.0.

    Returns:
        The pixels, which may share memory with ``values``; and a note of what was clipped or left
        out, empty if nothing was.

    Raises:
        TypeError: no numbers, or complex ones; ``dataformats`` is no string.
        ValueError: ``dataformats`` that does not fit; no pixel; channels other than 1 to 4;
            integers outside 0..255. The message has shape, dtype and dataformats.

    >>> to_pixels([[0.0, 0.5], [1.0, 9.0]], "HW", "HWC")[0][:, :, 0]
    array([[  0, 127],
           [255, 255]], dtype=uint8)
    """
    masked = 0
    if isinstance(values, np.ma.MaskedArray):
        # Not by to_numpy, which makes floats of masked integers: 200 would not be 200 of 255.
        masked = int(np.ma.getmaskarray(values).sum())
        values = values.filled(0)
    array = arrays.to_numpy(values)
    try:
        view = _in_order(array, dataformats, axes, optional)[:first]
        pixels, note = _to_levels(view, scale)
    except (TypeError, ValueError) as error:
        got = f"got shape {array.shape}, dtype {array.dtype}, dataformats {dataformats!r}"
        raise type(error)(f"{error}; {got}") from None
    if masked:
        note = "; ".join(filter(None, [f"{masked} masked elements are shown as black", note]))
    return pixels, note


def _in_order(
    array: npt.NDArray[Any], dataformats: str, axes: str, optional: str
) -> npt.NDArray[Any]:
    """A view of the array with the axes asked for."""
    if not isinstance(dataformats, str):
        raise TypeError(f"want a str for dataformats, such as {axes!r}")
    letters = dataformats.upper()
    if len(set(letters)) != len(letters) or not set(axes) - set(optional) <= set(letters) <= set(
        axes
    ):
        may = ", ".join(axis + " (if there is one)" * (axis in optional) for axis in axes)
        raise ValueError(f"want each axis in dataformats, once: {may}")
    if array.ndim != len(letters):
        raise ValueError(f"want an axis for each letter of dataformats, {len(letters)} in all")
    missing = "".join(axis for axis in axes if axis not in letters)
    full = array.reshape(*array.shape, *[1] * len(missing))
    view = full.transpose([(letters + missing).index(axis) for axis in axes])
    if view.shape[-1] not in (1, 2, 3, 4):
        raise ValueError(f"want 1 to 4 channels{_hint(array.shape, letters)}")
    if 0 in view.shape[-3:]:
        raise ValueError("want an image of at least one pixel")
    return view


def _hint(shape: tuple[int, ...], letters: str) -> str:
    """What the axes look like when one of them has as many elements as an image has channels."""
    rest = letters.replace("C", "")
    for place in reversed(range(len(shape))):
        if shape[place] in (1, 3, 4) and "C" in letters:
            return f" (is it {rest[:place]}C{rest[place:]}?)"
    return ""


def _to_levels(array: npt.NDArray[Any], scale: float) -> tuple[Pixels, str]:
    """Numbers as levels of brightness; the memory keeps its layout."""
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array, ""
    if kind not in "biuf":
        raise TypeError("want pixels that are bool, integer or float")
    if array.size == 0:
        return array.astype(np.uint8), ""
    if kind == "b":
        return np.multiply(array, np.uint8(255), dtype=np.uint8), ""
    if kind == "f":
        return _floats_to_levels(array, scale)
    if kind == "u" and array.dtype.itemsize == 2:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8), ""
    least, most = int(array.min()), int(array.max())
    if least < 0 or most > 255:
        raise ValueError(f"want integers from 0 to 255, got {least} to {most}")
    # 0 and 1 only: what both peers are given as a mask, and the only integers that they get right.
    levels = array.astype(np.uint8)
    return levels if most > 1 else levels * np.uint8(255), ""


def _floats_to_levels(array: npt.NDArray[Any], scale: float) -> tuple[Pixels, str]:
    """Floats as levels, some at a time, for as long as all are in range."""
    levels = recycled.empty_like(array, np.uint8)
    buffer = np.empty(min(array.size, _BLOCK), np.float32)
    factor = np.float32(scale)
    blocks = np.nditer(
        [array, levels],
        ["buffered", "external_loop"],
        [["readonly"], ["writeonly"]],
        op_dtypes=[np.dtype(np.float32), np.dtype(np.uint8)],
        casting="same_kind",
        buffersize=_BLOCK,
    )
    with blocks, np.errstate(over="ignore", invalid="ignore"):  # beyond float32; inf and NaN
        for numbers, cut in blocks:
            scaled = np.multiply(numbers, factor, out=buffer[: numbers.size])
            # What rounds to a level by being cut needs no word: -1e-9, 1.0000001. Not so with NaN.
            if not (scaled.min() > -1 and scaled.max() < 256):
                return _clipped_to_levels(array, factor)
            np.copyto(cut, scaled, casting="unsafe")
    return levels, ""


def _clipped_to_levels(array: npt.NDArray[Any], factor: np.float32) -> tuple[Pixels, str]:
    """Floats as levels, and a note of those that are out of range or NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.multiply(array.astype(np.float32, copy=False), factor)
    unknown = np.isnan(scaled)
    outside = (scaled <= -1) | (scaled >= 256)
    notes = []
    if outside.any():
        extremes = array[outside]
        notes.append(
            f"{int(outside.sum())} of {array.size} floats outside [0, 1] were clipped "
            f"({extremes.min():.6g} to {extremes.max():.6g}); levels of 0 to 255 go in as uint8"
        )
    if unknown.any():
        notes.append(f"{int(unknown.sum())} of {array.size} are NaN, shown as black")
    scaled[unknown] = 0
    return scaled.clip(0, 255).astype(np.uint8), "; ".join(notes)


def tiled(images: Sequence[Pixels], rows: int, columns: int) -> Pixels:
    """Images beside and below one another, row by row; what is left over is zero.

    Images of different sizes stand in the upper left corner of cells as large as the largest.

    Args:
        images: ``uint8[..., height, width, channels]`` each; alike but for height and width.

    Returns:
        ``uint8[..., rows * height, columns * width, channels]``: a copy, contiguous and read-only.
    """
    height = max(image.shape[-3] for image in images)
    width = max(image.shape[-2] for image in images)
    *outer, _, _, channels = images[0].shape
    canvas = recycled.empty((*outer, rows * height, columns * width, channels), np.uint8)
    canvas.fill(0)
    for place, image in enumerate(images):
        y, x = height * (place // columns), width * (place % columns)
        interleave(image, canvas[..., y : y + image.shape[-3], x : x + image.shape[-2], :])
    canvas.setflags(write=False)
    return canvas


def interleave(image: Pixels, target: Pixels) -> None:
    """Copy an image channel by channel, from CHW four times as quick as all at once."""
    for channel in range(image.shape[-1]):
        target[..., channel] = image[..., channel]


def grid(images: Iterable[Pixels], columns: int = 8) -> Pixels:
    """Images in rows of ``columns``, as the peers' ``make_grid`` lays out a batch.

    One image is copied as it lies in memory, whatever the order of its axes there. Images that
    differ in their channels all get those of the richest: grey becomes colour, and what has no
    alpha is opaque.

    Args:
        images: ``uint8[height, width, channels]`` each.

    Returns:
        ``uint8[height, width, channels]``: a copy, read-only.

    Raises:
        ValueError: no image.

    >>> grid(np.zeros((11, 4, 5, 3), np.uint8)).shape
    (8, 40, 3)
    """
    several = list(images)
    if not several:
        raise ValueError("want at least one image, got a batch of none")
    if len(several) == 1:
        copy = recycled.copy(several[0])
        copy.setflags(write=False)
        return copy
    counts = {image.shape[-1] for image in several}
    if len(counts) > 1:
        colour, alpha = bool(counts & {3, 4}), bool(counts & {2, 4})
        several = [_with_channels(image, colour, alpha) for image in several]
    columns = min(columns, len(several))
    return tiled(several, -(-len(several) // columns), columns)


def coloured(image: Pixels) -> Pixels:
    """The image as RGB or RGBA."""
    return _with_channels(image, colour=True, alpha=image.shape[-1] in (2, 4))


def _with_channels(image: Pixels, colour: bool, alpha: bool) -> Pixels:
    has_alpha = image.shape[-1] in (2, 4)
    shades = image[..., :-1] if has_alpha else image
    if colour and shades.shape[-1] == 1:
        shades = np.repeat(shades, 3, axis=-1)
    if not alpha:
        return shades
    opacity = image[..., -1:] if has_alpha else np.full_like(image[..., :1], 255)
    return np.concatenate([shades, opacity], axis=-1)
