"""Pixels: each dtype's brightness by hand, every order of the axes, grids as the peers do them."""

from __future__ import annotations

import io
import itertools
import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorboardX.summary as tbx_summary
import tensorboardX.utils as tbx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from tbio.kinds import pixels

Array = npt.NDArray[Any]


def decoded(data: bytes) -> Array:
    return np.asarray(Image.open(io.BytesIO(data)))


def levels(values: Any) -> tuple[list[int], str]:
    """The levels of rows of grey pixels, one after another, and what is said of them."""
    found, note = pixels.to_pixels(values, "HW", "HWC")
    assert found.dtype == np.uint8
    return found.ravel().tolist(), note


def row(values: list[float], dtype: npt.DTypeLike) -> Array:
    return np.array([values], dtype)


# ------------------------------------------------------------------ brightness

LEVELS = {
    "bool": (row([0, 1], bool), [0, 255]),
    "uint8": (row([0, 1, 254, 255], np.uint8), [0, 1, 254, 255]),
    "uint8, 0 and 1 only": (row([0, 1], np.uint8), [0, 1]),
    # 65535 = 255 * 257: to the nearest level
    "uint16": (row([0, 128, 129, 257, 32767], "u2"), [0, 0, 1, 1, 127]),
    "uint16, bright": (row([65406, 65407, 65535], "u2"), [254, 255, 255]),
    "uint16, big-endian": (row([0, 257, 65535], ">u2"), [0, 1, 255]),
    "int64": (row([0, 1, 7, 255], np.int64), [0, 1, 7, 255]),
    "int8": (row([0, 127], np.int8), [0, 127]),
    "uint64": (row([200, 1], np.uint64), [200, 1]),
    "int64 mask": (row([0, 1, 1], np.int64), [0, 255, 255]),
    "int32, all black": (row([0, 0], np.int32), [0, 0]),
    "float32": (row([0, 0.5, 1], np.float32), [0, 127, 255]),  # 127.5 is cut
    "float64": (row([0.25, 0.999], np.float64), [63, 254]),
    "float16": (row([0.5, 1], np.float16), [127, 255]),
    "float, big-endian": (row([0.5, 1], ">f4"), [127, 255]),
}  # fmt: skip


@pytest.mark.parametrize("name", LEVELS)
def test_levels(name: str) -> None:
    array, want = LEVELS[name]
    assert levels(array) == (want, "")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_level_comes_back_from_floats(dtype: npt.DTypeLike) -> None:
    every = np.arange(256)
    assert levels((every / 255).astype(dtype)[np.newaxis])[0] == every.tolist()
    assert levels((every / 255 + 0.001).astype(dtype)[np.newaxis])[0] == every.tolist()


def test_floats_are_clipped_never_wrapped_and_the_note_says_so() -> None:
    found, note = levels([[1.01, -0.5, 254.0, 0.5]])
    assert found == [255, 0, 255, 127]
    assert note == (
        "3 of 4 floats outside [0, 1] were clipped (-0.5 to 254); levels of 0 to 255 go in as uint8"
    )


def test_tensorboardx_wraps_a_float_beyond_one() -> None:
    png = tbx_summary.image("t", np.full((1, 1), 1.01), dataformats="HW").value[0].image
    assert decoded(png.encoded_image_string)[0, 0, 0] == 1  # nearly black
    assert levels([[1.01]])[0] == [255]


def test_not_a_number_is_black_and_counted() -> None:
    found, note = levels([[math.nan, 1.0, math.nan]])
    assert (found, note) == ([0, 255, 0], "2 of 3 are NaN, shown as black")


def test_infinities_are_clipped() -> None:
    found, note = levels([[math.inf, -math.inf, math.nan, 1e300]])
    assert found == [255, 0, 0, 255]
    assert note.startswith("3 of 4 floats outside [0, 1] were clipped (-inf to inf)")
    assert note.endswith("1 of 4 are NaN, shown as black")


@pytest.mark.parametrize("value", [-1e-9, -0.0039, 1.0000001, 1.0039])
def test_less_than_a_level_beyond_needs_no_word(value: float) -> None:
    assert levels([[value]]) == ([0 if value < 0 else 255], "")


@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements=st.floats(-2, 3, width=16) | st.just(math.nan),
    )
)
def test_floats_one_by_one(array: Array) -> None:
    found, note = levels(array)
    clipped = 0
    for value, level in zip(array.ravel().tolist(), found, strict=True):
        if math.isnan(value):
            assert level == 0
        else:
            exact = value * 255  # of a float16: no rounding that matters
            assert level == min(max(int(exact), 0), 255)
            clipped += not -1 < exact < 256
    assert note.startswith(f"{clipped} of") if clipped else "clipped" not in note
    assert ("NaN" in note) == bool(np.isnan(array).any())


def test_masked_pixels_are_black_and_the_others_keep_their_level() -> None:
    values = np.ma.masked_equal(np.array([[7, 200, 255]], np.uint8), 7)
    assert levels(values) == ([0, 200, 255], "1 masked elements are shown as black")
    values = np.ma.masked_equal(np.array([[0.25, 2.0]]), 0.25)
    found, note = levels(values)
    assert found == [0, 255]
    assert note.startswith("1 masked elements are shown as black; 1 of 2 floats outside [0, 1]")
    assert levels(np.ma.masked_equal(np.array([[7, 9]], np.uint8), 0)) == ([7, 9], "")


def test_the_scale_of_tensorflow() -> None:
    found, note = pixels.to_pixels([[0.5, 0.998, 1.0, 1.5]], "HW", "HWC", scale=255.5)
    assert found.ravel().tolist() == [127, 254, 255, 255]
    assert note.startswith("1 of 4 floats")


def test_only_the_first_are_looked_at() -> None:
    batch = np.array([[[0.5]], [[9.0]]])
    found, note = pixels.to_pixels(batch, "NHW", "NHWC", first=1)
    assert (found.tolist(), note) == ([[[[127]]]], "")


@pytest.mark.full
def test_floats_have_the_levels_of_torch() -> None:
    from torch.utils.tensorboard import summary

    near = np.arange(256) / 255
    for dtype in (np.float16, np.float32, np.float64):
        centre = near.astype(dtype)
        row = np.concatenate(
            [
                centre,
                np.nextafter(centre, dtype(0)),
                np.nextafter(centre, dtype(1)),
                np.random.default_rng(0).random(100_000).astype(dtype),
            ]
        )[np.newaxis]
        png = summary.image("t", row, dataformats="HW").value[0].image.encoded_image_string
        assert levels(row) == (decoded(png)[:, :, 0].ravel().tolist(), "")


@pytest.mark.full
def test_torch_makes_integers_white() -> None:
    from torch.utils.tensorboard import summary

    array = np.array([[0, 1, 7, 255]], np.int64)
    png = summary.image("t", array, dataformats="HW").value[0].image.encoded_image_string
    assert decoded(png)[0, :, 0].tolist() == [0, 255, 255, 255]
    assert levels(array) == ([0, 1, 7, 255], "")
    # ... and what it does right, a mask, looks the same
    png = summary.image("t", array[:, :2], dataformats="HW").value[0].image.encoded_image_string
    assert levels(array[:, :2])[0] == decoded(png)[0, :, 0].tolist() == [0, 255]


@pytest.mark.full
def test_bfloat16_and_gradients_of_torch() -> None:
    import torch

    tensor = torch.tensor([[0.0, 0.5, 1.0]], dtype=torch.bfloat16, requires_grad=True)
    assert levels(tensor) == ([0, 127, 255], "")
    with pytest.raises(ValueError, match="meta"):
        levels(torch.zeros(1, 3, device="meta"))


@pytest.mark.full
def test_arrays_of_jax() -> None:
    import jax.numpy as jnp

    assert levels(jnp.array([[0.0, 0.5, 1.0]], jnp.bfloat16)) == ([0, 127, 255], "")


# ------------------------------------------------------------------ axes


def all_orders() -> list[str]:
    sets = ["HW", "HWC", "NHW", "NHWC"]
    return ["".join(order) for axes in sets for order in itertools.permutations(axes)]


@pytest.mark.parametrize("dataformats", all_orders())
def test_every_order_of_the_axes(dataformats: str) -> None:
    sizes = {"N": 2, "H": 5, "W": 7, "C": 3}
    truth = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    if "C" not in dataformats:
        truth = truth[..., :1]
    if "N" not in dataformats:
        truth = truth[:1]
    # The truth, element by element, where the letters say.
    array = np.zeros([sizes[axis] for axis in dataformats], np.uint8)
    for n, h, w, c in np.ndindex(*truth.shape):
        index = {"N": n, "H": h, "W": w, "C": c}
        array[tuple(index[axis] for axis in dataformats)] = truth[n, h, w, c]
    for letters in (dataformats, dataformats.lower()):
        found, note = pixels.to_pixels(array, letters, "NHWC")
        assert note == ""
        assert np.array_equal(found, truth)
    if set(dataformats) != {"N", "H", "W"}:  # which the peers do not know
        theirs = tbx.convert_to_HWC(array, dataformats)
        assert np.array_equal(np.broadcast_to(pixels.grid(found), theirs.shape), theirs)


WRONG = {
    "an axis too few": (np.zeros((4, 5)), "CHW", "an axis for each letter of dataformats, 3 in"),
    "an axis too many": (np.zeros((1, 3, 4, 5)), "CHW", "an axis for each letter"),
    "a letter twice": (np.zeros((4, 5)), "HH", "want each axis in dataformats, once: N (if there"),
    "an unknown letter": (np.zeros((4, 5)), "HX", "want each axis in dataformats, once"),
    "no width": (np.zeros((3, 5)), "CH", "want each axis in dataformats, once"),
    "no letters": (np.zeros(()), "", "want each axis in dataformats, once"),
    "five channels": (np.zeros((5, 7, 6)), "CHW", "want 1 to 4 channels;"),
    "no channel": (np.zeros((0, 7, 6)), "CHW", "want 1 to 4 channels;"),
    "channels last": (np.zeros((28, 30, 3)), "CHW", "1 to 4 channels (is it HWC?)"),
    "channels first": (np.zeros((1, 28, 30)), "HWC", "1 to 4 channels (is it CHW?)"),
    "channels last in a batch": (np.zeros((9, 28, 30, 3)), "nchw", "4 channels (is it NHWC?)"),
    "no height": (np.zeros((3, 0, 6)), "CHW", "at least one pixel"),
    "no width, too": (np.zeros((3, 6, 0)), "CHW", "at least one pixel"),
    "too bright": (np.array([[0, 256]]), "HW", "want integers from 0 to 255, got 0 to 256"),
    "negative": (np.array([[-1, 200]], np.int16), "HW", "got -1 to 200"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_in_full(name: str) -> None:
    array, dataformats, words = WRONG[name]
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        pixels.to_pixels(array, dataformats, "NHWC")
    message = str(caught.value)
    got = f"; got shape {array.shape}, dtype {array.dtype}, dataformats {dataformats!r}"
    assert message.endswith(got)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match=r"bool, integer or float; got .* dtype complex128"):
        pixels.to_pixels(np.zeros((4, 4), complex), "HW", "NHWC")
    with pytest.raises(TypeError, match="want numbers"):
        pixels.to_pixels(np.array([["a"]]), "HW", "NHWC")
    with pytest.raises(TypeError, match="want a str for dataformats"):
        pixels.to_pixels(np.zeros((4, 4)), None, "NHWC")  # type: ignore[arg-type]


FLOATS: Any = st.sampled_from(["f2", "f4", ">f4", "f8", "g"])


@given(
    hnp.arrays(
        FLOATS,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(-1 / 512, 1 + 1 / 512, width=16) | st.just(0.5),
    ),
    st.sampled_from([255.0, 255.5]),
    st.booleans(),
    st.sampled_from([0.0, 1.5, -1.0, math.nan, math.inf]),
)
def test_floats_some_at_a_time(array: Array, scale: float, turned: bool, odd: float) -> None:
    """The blocks give what the whole does, also where only the last one has to be clipped."""
    view = array.T[::-1] if turned else array
    view[-1, -1] = odd
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixels, "_BLOCK", 4)
        found, note = pixels._floats_to_levels(view, scale)
    expected, told = pixels._clipped_to_levels(view, np.float32(scale))
    assert (found.tolist(), note) == (expected.tolist(), told)
    assert found.dtype == np.uint8


# ------------------------------------------------------------------ grids


def batch_of(n: int, channels: int = 3) -> pixels.Pixels:
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (n, 4, 6, channels), dtype=np.uint8)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 16, 20])
def test_a_grid_is_laid_out_as_the_peers_do(n: int) -> None:
    batch = batch_of(n)
    theirs = tbx.make_grid(batch.transpose(0, 3, 1, 2)).transpose(1, 2, 0)
    assert np.array_equal(pixels.grid(batch), theirs)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_grid_has_the_channels_of_its_images(channels: int) -> None:
    batch = batch_of(9, channels)
    grid = pixels.grid(batch)
    assert grid.shape == (8, 48, channels)
    for place in range(9):
        y, x = 4 * (place // 8), 6 * (place % 8)
        assert np.array_equal(grid[y : y + 4, x : x + 6], batch[place])
    assert not grid[4:, 6:].any()


def test_images_of_different_sizes_and_channels_share_a_grid() -> None:
    grey = np.full((2, 3, 1), 100, np.uint8)
    veiled = np.full((3, 2, 2), 50, np.uint8)
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 255
    grid = pixels.grid([grey, veiled, red], columns=2)
    assert grid.shape == (6, 6, 4)  # cells of 3 x 3, RGBA
    assert grid[1, 2].tolist() == [100, 100, 100, 255]
    assert grid[2, 4].tolist() == [50, 50, 50, 50]
    assert grid[3, 0].tolist() == [255, 0, 0, 255]
    filled = grid.any(axis=2)
    assert filled.sum() == 2 * 3 + 3 * 2 + 1
    assert pixels.grid([grey, red]).shape == (2, 6, 3)


def test_a_grid_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        pixels.grid(np.zeros((0, 4, 4, 3), np.uint8))


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("dataformats", ["NHWC", "NCHW"])
def test_a_grid_is_nobody_elses_memory(n: int, dataformats: str) -> None:
    array = np.zeros((n, 3, 3, 3), np.uint8)
    view, _ = pixels.to_pixels(array, dataformats, "NHWC")
    grid = pixels.grid(view)
    array[...] = 9
    assert not grid.any()
    assert np.shares_memory(grid.ravel(order="K"), grid)  # without gaps
    assert grid.flags.c_contiguous == (n > 1 or dataformats == "NHWC")  # one lies as it did
    assert not grid.flags.writeable


@pytest.mark.parametrize(
    ("channels", "want"), [(1, [5, 5, 5]), (2, [5, 5, 5, 6]), (3, [5, 6, 7]), (4, [5, 6, 7, 8])]
)
def test_coloured(channels: int, want: list[int]) -> None:
    image = np.array([[[5, 6, 7, 8][:channels]]], np.uint8)
    assert pixels.coloured(image).tolist() == [[want]]
