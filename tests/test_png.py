"""PNG files by their bytes, and by what Pillow makes of them."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageSequence

from tbio.kinds import png

Array = npt.NDArray[Any]
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG file, each with its right checksum."""
    assert data[:8] == bytes.fromhex("89504e470d0a1a0a")
    found, offset = [], 8
    while offset < len(data):
        size, kind = struct.unpack_from(">I4s", data, offset)
        body = data[offset + 8 : offset + 8 + size]
        (crc,) = struct.unpack_from(">I", data, offset + 8 + size)
        assert crc == zlib.crc32(kind + body)
        found.append((kind, body))
        offset += 12 + size
    assert offset == len(data)
    return found


def by_pillow(data: bytes) -> Array:
    image = Image.open(io.BytesIO(data))
    array = np.asarray(image)
    assert image.mode == MODES[array.shape[2] if array.ndim == 3 else 1]
    return array.reshape(image.height, image.width, -1)


def frames_by_pillow(data: bytes) -> list[Array]:
    image = Image.open(io.BytesIO(data))
    mode = image.mode
    found = [np.asarray(frame.convert(mode)) for frame in ImageSequence.Iterator(image)]
    return [array.reshape(image.height, image.width, -1) for array in found]


# ------------------------------------------------------------------ still


def test_the_bytes() -> None:
    image = np.array([[[10, 20, 30], [11, 22, 33]], [[10, 20, 31], [11, 22, 33]]], np.uint8)
    header, data, end = chunks(png.encode(image))
    assert header == (b"IHDR", bytes.fromhex("00000002 00000002 08 02 00 00 00"))
    assert end == (b"IEND", b"")
    assert data[0] == b"IDAT"
    assert list(zlib.decompress(data[1])) == [
        *(1, 10, 20, 30, 1, 2, 3),  # Sub
        *(2, 0, 0, 1, 0, 0, 0),  # Up
    ]


@pytest.mark.parametrize(("channels", "colour_type"), [(1, 0), (2, 4), (3, 2), (4, 6)])
def test_the_colour_type(channels: int, colour_type: int) -> None:
    header = chunks(png.encode(np.zeros((3, 5, channels), np.uint8)))[0][1]
    assert struct.unpack(">IIBBBBB", header) == (5, 3, 8, colour_type, 0, 0, 0)


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 4)),
        elements=st.integers(0, 255) | st.sampled_from([0, 255]),
    )
)
def test_every_pixel_comes_back(image: Array) -> None:
    assert np.array_equal(by_pillow(png.encode(image)), image)


def photo(height: int, width: int, channels: int = 3) -> Array:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width]
    shades = [100 + 90 * np.sin(x / 9 + c) * np.cos(y / 7) for c in range(channels)]
    return (np.stack(shades, -1) + rng.normal(0, 3, (height, width, channels))).astype(np.uint8)


def drawing(height: int, width: int) -> Array:
    image = np.full((height, width, 3), 255, np.uint8)
    image[::13, :] = (0, 0, 200)
    image[:, ::29] = (200, 0, 0)
    return image


def shaded(height: int, width: int) -> Array:
    """Smooth, without noise: most differences are small, and seldom like the one before."""
    y, x = np.mgrid[0:height, 0:width]
    shades = [127 + 120 * np.sin(x / a) * np.cos(y / a) for a in (9, 11, 14)]
    return np.stack(shades, -1).astype(np.uint8)


def grey(height: int, width: int) -> Array:
    """A grey photo as colours: each difference is there three times."""
    return np.repeat(photo(height, width, 1), 3, axis=2)


def framed(height: int, width: int) -> Array:
    """A photo with a black margin."""
    image = photo(height, width)
    image[:, : width * 2 // 5] = 0
    return image


@pytest.mark.parametrize(
    ("make", "size"), [(photo, 0.95), (drawing, 1.05), (shaded, 1.2), (grey, 1.05), (framed, 1.05)]
)
def test_images_of_many_bands(make: Any, size: float) -> None:
    image = make(700, 500)  # 1 MB: filtered in five bands
    data = png.encode(image)
    assert np.array_equal(by_pillow(data), image)
    by_pillow_alone = io.BytesIO()
    Image.fromarray(image).save(by_pillow_alone, "PNG", compress_level=1)
    assert len(data) < size * len(by_pillow_alone.getvalue())


def test_a_view_is_as_good_as_an_array() -> None:
    image = photo(20, 30)[3:11, 5:17][:, ::-1]
    assert np.array_equal(by_pillow(png.encode(image)), image)
    assert png.encode(image) == png.encode(np.ascontiguousarray(image))
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))  # CHW
    assert png.encode(planes.transpose(1, 2, 0)) == png.encode(image)


@pytest.mark.parametrize(
    ("make", "strategy"),
    [
        (photo, zlib.Z_HUFFMAN_ONLY),
        (shaded, zlib.Z_HUFFMAN_ONLY),
        (framed, zlib.Z_RLE),
        (grey, zlib.Z_DEFAULT_STRATEGY),
        (drawing, zlib.Z_DEFAULT_STRATEGY),
    ],
)
def test_each_kind_of_image_has_its_strategy(
    make: Any, strategy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    compressobj = zlib.compressobj

    def noted(level: int, *, strategy: int) -> Any:
        used.append((level, strategy))
        return compressobj(level, strategy=strategy)

    monkeypatch.setattr(zlib, "compressobj", noted)
    image = make(64, 64)
    assert np.array_equal(by_pillow(png.encode(image)), image)
    assert used == [(1, strategy)]


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
        elements=st.integers(0, 255) | st.sampled_from([0, 127, 128, 255]),
    ),
    st.integers(1, 40),
)
def test_the_filter_is_the_one_of_smaller_differences(image: Array, band: int) -> None:
    """By the plain arithmetic of the PNG specification, also where a band begins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "_BAND_BYTES", band)
        ((_, data),) = (found for found in chunks(png.encode(image)) if found[0] == b"IDAT")
    height, _, channels = image.shape
    expected = []
    for y in range(height):
        row = image[y].ravel().tolist()
        before = image[y - 1].ravel().tolist() if y else [0] * len(row)
        sub = [(a - b) % 256 for a, b in zip(row, [0] * channels + row, strict=False)]
        up = [(a - b) % 256 for a, b in zip(row, before, strict=True)]
        costs = [sum(min(d, 256 - d) for d in differences) for differences in (sub, up)]
        expected += [2, *up] if costs[1] < costs[0] else [1, *sub]
    assert list(zlib.decompress(data)) == expected


# ------------------------------------------------------------------ animated


def bouncing(count: int, channels: int = 3) -> Array:
    """A square on its way over a still background."""
    frames = np.repeat(photo(24, 32, channels)[np.newaxis], count, axis=0)
    for index in range(count):
        frames[index, 5:10, index : index + 4] = 250 - index
    return frames


def controls(data: bytes) -> list[tuple[int, ...]]:
    return [struct.unpack(">IIIIIHHBB", body) for kind, body in chunks(data) if kind == b"fcTL"]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_frame_comes_back(channels: int) -> None:
    frames = bouncing(9, channels)
    data = png.encode_animation(frames, 4)
    image: Any = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    assert image.mode == MODES[channels]
    assert image.n_frames == 9
    assert image.info["loop"] == 0  # for ever
    assert [frame.info["duration"] for frame in ImageSequence.Iterator(image)] == [250] * 9
    found = frames_by_pillow(data)
    assert all(np.array_equal(a, b) for a, b in zip(found, frames, strict=True))


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(*map(st.integers, (1, 1, 1, 1), (5, 6, 6, 4))),
        elements=st.sampled_from([0, 1, 128, 255]),
    )
)
def test_whatever_changes_from_frame_to_frame(frames: Array) -> None:
    data = png.encode_animation(frames, 10)
    assert len(controls(data)) == len(frames)
    if len(frames) > 1:
        found = frames_by_pillow(data)
        assert all(np.array_equal(a, b) for a, b in zip(found, frames, strict=True))
    else:
        assert np.array_equal(by_pillow(data), frames[0])


def test_frames_that_are_alike_are_all_there() -> None:
    frames = np.repeat(photo(24, 32)[np.newaxis], 300, axis=0)
    data = png.encode_animation(frames, 4)  # 75 seconds
    assert len(frames_by_pillow(data)) == 300
    assert len(data) < len(png.encode(frames[0])) + 300 * 100


def test_only_what_changes_is_stored() -> None:
    frames = bouncing(3)
    first, second, third = controls(png.encode_animation(frames, 4))
    #                  number, width, height, left, top, delay 1/4 s, dispose none, blend source
    assert first == (0, 32, 24, 0, 0, 1, 4, 0, 0)
    assert second == (1, 5, 5, 0, 5, 1, 4, 0, 0)
    assert third == (3, 5, 5, 1, 5, 1, 4, 0, 0)


def test_the_chunks_are_in_order_and_numbered() -> None:
    found = chunks(png.encode_animation(bouncing(4), 4))
    kinds = [b"IHDR", b"acTL", b"fcTL", b"IDAT", *[b"fcTL", b"fdAT"] * 3, b"IEND"]
    assert [kind for kind, _ in found] == kinds
    assert dict(found)[b"acTL"] == struct.pack(">II", 4, 0)  # frames; plays, 0: without end
    numbers = [struct.unpack(">I", body[:4])[0] for kind, body in found if kind[:1] == b"f"]
    assert numbers == list(range(7))


def test_transparent_takes_the_place_of_opaque() -> None:
    frames = np.zeros((2, 2, 2, 4), np.uint8)
    frames[0] = 255
    found = frames_by_pillow(png.encode_animation(frames, 1))
    assert found[0].min() == 255
    assert not found[1].any()


@pytest.mark.parametrize(
    ("fps", "delay"),
    [
        (4, Fraction(1, 4)),
        (30, Fraction(1, 30)),
        (1000, Fraction(1, 1000)),
        (30000 / 1001, Fraction(1001, 30000)),
        (0.5, Fraction(2)),
        (0.001, Fraction(1000)),
    ],
)
def test_the_time_of_a_frame_is_exact(fps: float, delay: Fraction) -> None:
    for control in controls(png.encode_animation(bouncing(2), fps)):
        assert Fraction(control[5], control[6]) == delay


@given(st.floats(png.MIN_FPS, 1.0) | st.floats(1.0, png.MAX_FPS))
def test_the_time_of_a_frame_is_near_enough(fps: float) -> None:
    (control,) = controls(png.encode_animation(np.zeros((1, 1, 1, 1), np.uint8), fps))
    assert control[5] / control[6] == pytest.approx(1 / fps, rel=1e-3)
