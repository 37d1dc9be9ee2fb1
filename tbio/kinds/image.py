"""Images: one a step, or several samples a step.

Two encodings are in use (tensorboard/plugins/image/, tensorboard/data_compat.py):

* *old*: ``Summary.Image`` with height, width and the encoded image, without metadata. torch,
  tensorboardX, TF 1. A batch is drawn as one grid.
* *new*: a tensor of strings ``[width, height, image, image, ...]`` with plugin "images" on the
  tag's first value. TF 2. TensorBoard has a slider for the samples.

An image that tbio encodes is a PNG, so nothing is lost beyond the 8 bits of `pixels.to_pixels`.
What is read is an `Image`, a file of any format, which Pillow decodes when it is asked for pixels.
"""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio import arrays, plugins, tensor
from tbio.errors import DecodeError
from tbio.extras import is_of
from tbio.kinds import pixels, png
from tbio.kinds.pixels import Pixels
from tbio.proto.plugin_data_pb2 import ImagePluginData
from tbio.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import DT_STRING

if TYPE_CHECKING:
    import PIL.Image

#: What TensorBoard gives a browser as an image (tensorboard/util/img_mime_type_detector.py).
_FORMATS = ("BMP", "GIF", "JPEG", "PNG")
#: The level of a float of 1.0 in TensorFlow's arithmetic: ``int(x * 255.5)``, at most 255.
_TENSORFLOW_LEVELS = 255.5
#: Format -> what its files begin with; of WebP the length comes in between.
_MAGIC = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff",
    "gif": b"GIF8",
    "bmp": b"BM",
    "webp": b"RIFF",
}
#: The formats with frames that make a film.
_MOVING = ("png", "gif", "webp")
#: What all frames of a film may take, in bytes, when they are decoded at once.
_MOST_FRAME_BYTES = 1 << 30
#: Pixels that may be drawn to get to one frame, about a minute's work. A GIF of a few kilobytes can
#: ask for a thousand frames of any size.
_MOST_ON_THE_WAY = 1 << 32
#: Coordinates of boxes are kept within this, far outside of any image that can be shown.
_FAR = 2.0**20


class Encoded(NamedTuple):
    """An image that is a file already, and is logged as it is."""

    data: bytes
    height: int
    width: int
    channels: int


class Boxed(NamedTuple):
    """An image on which boxes are to be drawn.

    Attributes:
        image: ``uint8[height, width, channels]``.
        boxes: ``float64[n, 4]``: left, top, right, bottom, in pixels of ``image``.
        labels: a text for each box, or nothing.
        rescale: how much larger the result is than ``image``.
    """

    image: Pixels
    boxes: npt.NDArray[np.float64]
    labels: tuple[str, ...]
    rescale: float


#: What is put into the queue for an image: immutable, and no memory of the user's.
Picture: TypeAlias = Pixels | Encoded | Boxed


def metadata(display_name: str = "", description: str = "") -> SummaryMetadata:
    """The metadata of an image tag, for its first value."""
    content = ImagePluginData(version=0).SerializeToString()
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugins.IMAGES, content=content),
        display_name=display_name,
        summary_description=description,
        data_class=DATA_CLASS_BLOB_SEQUENCE,
    )


# ------------------------------------------------------------------ in the caller


def prepare(image: Any, dataformats: str = "CHW") -> tuple[Pixels | Encoded, str]:
    """Whatever is an image, as it is put into the queue; a batch becomes a grid of 8 columns.

    Args:
        image: an array of any framework, of the dtypes of `pixels.to_pixels`; or a Pillow image; or
            a list of Pillow images; or an image file, as its ``bytes`` or its path (``str`` or
            ``PathLike``), see `prepare_encoded`.
        dataformats: the axes of an array, in any order: H, W, for colours C, for a batch N. The
            other inputs know their own.

    Returns:
        ``uint8[height, width, channels]``, a copy and read-only, or the file; and a note of what
        was clipped or left out, empty if nothing was.

    Raises:
        TypeError, ValueError: see `pixels.to_pixels` and `prepare_encoded`; no image in a batch.
        OSError: the file cannot be read.

    >>> picture, note = prepare(np.zeros((3, 24, 32)))
    >>> picture.shape, note
    ((24, 32, 3), '')
    """
    if isinstance(image, (bytes, bytearray, str, os.PathLike)):
        return prepare_encoded(image), ""
    return _prepare_pixels(image, dataformats)


def _prepare_pixels(image: Any, dataformats: str) -> tuple[Pixels, str]:
    if _is_pillow(image):
        image = [image]
    if isinstance(image, (list, tuple)) and image and all(map(_is_pillow, image)):
        several = [_of_pillow(item) for item in image]
        note = "; ".join(dict.fromkeys(note for _, note in several if note))
        return pixels.grid(item for item, _ in several), note
    batch, note = pixels.to_pixels(image, dataformats, "NHWC")
    return pixels.grid(batch), note


def prepare_encoded(source: bytes | bytearray | str | os.PathLike[str]) -> Encoded:
    """An image file, which is logged as it is. Its header is looked at; nothing is decoded.

    Args:
        source: the file's bytes, or its path. BMP, GIF (also animated), JPEG or PNG (also
            animated): TensorBoard shows no others.

    Raises:
        TypeError: neither bytes nor a path.
        ValueError: not one of those formats; so large that TensorBoard will not show it.
        OSError: the file cannot be read.
    """
    import PIL.Image

    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            data = file.read()
        what = f"the file {os.fspath(source)!r}"
    elif isinstance(source, (bytes, bytearray)):
        data = bytes(source)
        what = f"{len(data)} bytes beginning {data[:8]!r}"
    else:
        raise TypeError(f"want an image file's bytes or its path, got {type(source).__name__}")
    try:
        image = PIL.Image.open(io.BytesIO(data))
    except PIL.UnidentifiedImageError:
        raise ValueError(f"want a BMP, GIF, JPEG or PNG file, got {what}") from None
    except PIL.Image.DecompressionBombError as error:
        raise ValueError(f"too large for TensorBoard to show: {error}") from None
    with image:
        if image.format not in _FORMATS:
            raise ValueError(
                f"TensorBoard shows BMP, GIF, JPEG and PNG files, got {what}, of format "
                f"{image.format}: give it as PIL.Image.open(...)"
            )
        width, height = image.size
        channels = {"1": 1, "L": 1, "I": 1, "LA": 2, "RGBA": 4}
        return Encoded(data, height, width, channels.get(image.mode.partition(";")[0], 3))


def prepare_samples(
    images: Any, dataformats: str = "NHWC", max_outputs: int | None = None
) -> tuple[Pixels, str]:
    """A batch of images as the samples of one step, as ``tf.summary.image`` takes it.

    Floats are cut to 8 bits as TensorFlow does it: ``int(x * 255.5)``, at most 255, which is
    another level than torch's for one number in four.

    Args:
        images: an array of any framework, of the dtypes of `pixels.to_pixels`; there may be none
            in the batch.
        dataformats: its axes, in any order: N, H, W, for colours C.
        max_outputs: only so many of the first.

    Returns:
        ``uint8[n, height, width, channels]``, contiguous and read-only; and a note of what was
        clipped or left out, empty if nothing was.

    Raises:
        TypeError: see `pixels.to_pixels`.
        ValueError: also a negative ``max_outputs``.
    """
    if max_outputs is not None and max_outputs < 0:
        raise ValueError(f"want max_outputs of at least 0, got {max_outputs}")
    batch, note = pixels.to_pixels(
        images, dataformats, "NHWC", optional="C", first=max_outputs, scale=_TENSORFLOW_LEVELS
    )
    samples = np.array(batch, order="C")
    samples.setflags(write=False)
    return samples, note


def prepare_boxes(
    image: Any,
    boxes: Any,
    rescale: float = 1,
    dataformats: str = "CHW",
    labels: str | Sequence[object] | None = None,
) -> tuple[Boxed, str]:
    """An image, and the boxes that `encode` will draw on it, red and two pixels wide.

    Args:
        image: see `prepare`.
        boxes: numbers ``[n, 4]`` of any framework: left, top, right and bottom of each box in
            pixels. ``n`` may be 0.
        rescale: how much larger the result is than the image.
        dataformats: see `prepare`.
        labels: a text for each box; one text where there is one box. If there are not as many as
            boxes, they are left out, as torch does it, and the note says so. So are boxes with a
            coordinate that is not finite.

    Returns:
        What `encode` takes, and the note.

    Raises:
        TypeError, ValueError, OSError: see `prepare`; boxes of another shape; a ``rescale`` that
            leaves no pixel.
    """
    if isinstance(image, (bytes, bytearray, str, os.PathLike)):
        image = _decoded(prepare_encoded(image))
    picture, note = _prepare_pixels(image, dataformats)
    notes = [note] if note else []
    rows = np.asarray(arrays.to_numpy(boxes), np.float64)
    if rows.size == 0:
        rows = rows.reshape(0, 4)
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise ValueError(f"want boxes of shape [n, 4], got shape {rows.shape}")
    size = [side * float(rescale) for side in picture.shape[:2]]
    if not all(1 <= side < _FAR for side in size):
        raise ValueError(f"rescale={rescale!r} makes an image of {size[0]:g} x {size[1]:g} pixels")
    texts = [labels] if isinstance(labels, str) else [] if labels is None else list(labels)
    if texts and len(texts) != len(rows):
        notes.append(f"{len(texts)} labels for {len(rows)} boxes: drawn without labels")
        texts = []
    finite = np.flatnonzero(np.isfinite(rows).all(axis=1))
    if len(finite) < len(rows):
        notes.append(f"{len(rows) - len(finite)} of {len(rows)} boxes are not finite: left out")
        texts = [texts[index] for index in finite] if texts else []
    rows = rows[finite].clip(-_FAR, _FAR)
    rows.setflags(write=False)
    boxed = Boxed(pixels.coloured(picture), rows, tuple(map(str, texts)), float(rescale))
    return boxed, "; ".join(notes)


def _is_pillow(value: object) -> bool:
    return is_of(value, "PIL.Image", "Image")


def _of_pillow(image: PIL.Image.Image) -> tuple[Pixels, str]:
    """A Pillow image as ``uint8[height, width, channels]``."""
    if image.mode in ("PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode not in ("1", "L", "LA", "RGB", "RGBA", "I", "F"):
        # "I;16" and its like are what they seem; the rest are other ways to say a colour.
        image = image if image.mode.startswith("I;16") else image.convert("RGB")
    array = np.asarray(image)
    return pixels.to_pixels(array, "HWC"[: array.ndim], "HWC", optional="C")


def _decoded(encoded: Encoded) -> PIL.Image.Image:
    import PIL.Image

    return PIL.Image.open(io.BytesIO(encoded.data))


# ------------------------------------------------------------------ on the thread


def encode(tag: str, picture: Picture) -> Summary.Value:
    """One image as a summary value of the old encoding, without metadata.

    Args:
        picture: what `prepare`, `prepare_encoded` or `prepare_boxes` has made.

    >>> value = encode("pixel", prepare(np.ones((1, 1)), "HW")[0])
    >>> value.image.height, value.image.width, value.image.colorspace
    (1, 1, 1)
    >>> value.image.encoded_image_string[:8]
    b'\\x89PNG\\r\\n\\x1a\\n'
    """
    if isinstance(picture, Boxed):
        picture = _drawn(picture)
    if not isinstance(picture, Encoded):
        picture = Encoded(png.encode(picture), *picture.shape)
    return Summary.Value(
        tag=tag,
        image=Summary.Image(
            height=picture.height,
            width=picture.width,
            colorspace=picture.channels,
            encoded_image_string=picture.data,
        ),
    )


def encode_samples(tag: str, samples: Pixels) -> Summary.Value:
    """Several images as a summary value of the new encoding, without metadata.

    The tag's first value needs `metadata`.

    Args:
        samples: ``uint8[n, height, width, channels]``.
    """
    _, height, width, _ = samples.shape
    strings = [str(width).encode(), str(height).encode(), *map(png.encode, samples)]
    return Summary.Value(tag=tag, tensor=tensor.encode(np.array(strings, object)))


def to_pillow(image: Pixels) -> PIL.Image.Image:
    """``uint8[height, width, channels]`` as a Pillow image of mode L, LA, RGB or RGBA."""
    import PIL.Image

    return PIL.Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def _drawn(boxed: Boxed) -> Pixels:
    """The image with its boxes: where torch and tensorboardX draw them, in the same way."""
    from PIL import ImageDraw, ImageFont
    from PIL.Image import Resampling

    image = to_pillow(boxed.image)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default()
    for index, (left, top, right, bottom) in enumerate(boxed.boxes.tolist()):
        corners = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
        draw.line(corners, fill="red", width=2)
        if boxed.labels and boxed.labels[index]:
            text = boxed.labels[index]
            # The text's own extent, which begins below and right of where it is drawn.
            x0, y0, x1, y1 = draw.textbbox((0, 0), text, font=font)
            margin = math.ceil(0.05 * (y1 - y0))
            x, y = left + margin - x0, bottom - margin - y1
            draw.rectangle((left, y + y0 - margin, x + x1 + margin, bottom), fill="red")
            draw.text((x, y), text, fill="black", font=font)
    if boxed.rescale != 1:
        size = int(image.width * boxed.rescale), int(image.height * boxed.rescale)
        image = image.resize(size, Resampling.LANCZOS)
    return np.asarray(image)


# ------------------------------------------------------------------ reading


@dataclass(frozen=True, slots=True, repr=False)
class Image:
    """An image as a log holds it: a file, and the size that the log says of it.

    Attributes:
        encoded: the file.
        width: pixels, as the log says; the decoded image may have another size (tensorboardX's
            rescaled ones with boxes).
        height: likewise.

    >>> picture, _ = prepare(np.ones((3, 24, 32)))
    >>> (image,) = decode(encode("white", picture), metadata())
    >>> image.format, image.width, image.to_array().shape
    ('png', 32, (24, 32, 3))
    """

    encoded: bytes
    width: int
    height: int

    def __repr__(self) -> str:
        what = self.format or "an unknown format"
        return f"<Image: {self.width} x {self.height}, {len(self.encoded)} bytes of {what}>"

    @property
    def format(self) -> str:
        """ "png", "jpeg", "gif", "bmp" or "webp", as the file begins; "" for anything else."""
        for name, magic in _MAGIC.items():
            if self.encoded.startswith(magic) and (name != "webp" or self.encoded[8:12] == b"WEBP"):
                return name
        return ""

    def to_array(self, frame: int = 0) -> Pixels:
        """The pixels, ``uint8[height, width, channels]``; the array is the caller's own.

        There are as many channels as the file has: 1 for grey and for black and white (0 and 255),
        2 for grey and alpha, 3 for RGB, 4 for RGBA. The colours of a palette are looked up, a
        transparent colour becomes alpha, other colour spaces become RGB. Of 16 bits the upper 8
        are given, as Pillow does it with colours.

        Args:
            frame: which one of an animated PNG, GIF or WebP; from the end if negative. Each is the
                whole picture as it is shown.

        Raises:
            DecodeError: bytes that are no image; more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``;
                a frame behind more than 2**32 pixels of others, which have to be drawn first.
            IndexError: no such frame.
        """
        with self._opened() as image:
            count = self._frame_count(image) if frame else 1
            if -count <= frame < count:
                for _ in _frames_of(image, frame % count + 1, _MOST_ON_THE_WAY):
                    pass
                return _pixels(_plain(image))
        raise IndexError(f"frame {frame} of an image of {count}")

    def frames(self) -> Pixels:
        """All frames of an animated PNG, GIF or WebP, ``uint8[frames, height, width, channels]``.

        One of any other image. See `to_array` for the pixels.

        Raises:
            DecodeError: see `to_array`; frames that differ in size, or of more than 1 GiB at four
                bytes a pixel, which are to be had one by one.
        """
        with self._opened() as image:
            count = self._frame_count(image)
            shown = (
                _pixels(_plain(one)) for one in _frames_of(image, count, _MOST_FRAME_BYTES // 4)
            )
            first = next(shown)
            # Not joined in the end, which would take the memory twice.
            whole = np.empty((count, *first.shape), np.uint8)
            whole[0] = first
            for index, frame in enumerate(shown, 1):
                if frame.shape != first.shape:
                    raise DecodeError(f"frames of shapes {first.shape} and {frame.shape}")
                whole[index] = frame
            return whole

    def to_pil(self) -> PIL.Image.Image:
        """A Pillow image in the mode of the file, loaded; an animation is at its first frame.

        Raises:
            DecodeError: bytes that are no image; more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``.
        """
        with self._opened() as image:
            image.load()
            return image

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the image, and say where.

        Args:
            path: without a suffix it gets that of the format. With that of another format which
                Pillow writes, the image is converted: to PNG, GIF and WebP with all its frames; to
                JPEG and BMP with white where it is transparent. With any other suffix the file is
                written as it is.

        Raises:
            DecodeError: an image that cannot be converted.
            OSError: as `open`.
        """
        import PIL.Image

        target, format = Path(path), self.format.upper()
        if not target.suffix and format:
            target = target.with_name(f"{target.name}.{self.format}")
        wanted = PIL.Image.registered_extensions().get(target.suffix.lower(), format)
        as_it_is = wanted == format or wanted not in PIL.Image.SAVE
        target.write_bytes(self.encoded if as_it_is else self._converted(wanted))
        return target

    def _converted(self, format: str) -> bytes:
        """A file of another format, by Pillow's name."""
        buffer = io.BytesIO()
        with self._opened() as image:
            if format.lower() in _MOVING and (count := self._frame_count(image)) > 1:
                for _ in _frames_of(image, count, _MOST_FRAME_BYTES // 4):
                    pass  # Pillow, which keeps them all, looks at no limit
                image.seek(0)
                image.save(buffer, format, save_all=True)
            else:
                still = _plain(image)
                still = _on_white(still) if format in ("JPEG", "BMP") else still
                still.save(buffer, format)
        return buffer.getvalue()

    def _frame_count(self, image: PIL.Image.Image) -> int:
        return getattr(image, "n_frames", 1) if self.format in _MOVING else 1

    @contextmanager
    def _opened(self) -> Iterator[PIL.Image.Image]:
        """The image as Pillow opens it. Whatever goes wrong with it is a DecodeError."""
        import PIL.Image

        format = self.format
        if not format:
            begin = self.encoded[:8]
            raise DecodeError(f"{len(self.encoded)} bytes of no known image, beginning {begin!r}")
        try:
            # By that format's reader alone: among Pillow's others are some that run programs.
            image = PIL.Image.open(io.BytesIO(self.encoded), formats=[format.upper()])
            _check_size(image)
            yield image
        except DecodeError:
            raise
        except Exception as error:  # there is hardly a kind that Pillow's readers do not raise
            raise DecodeError(f"{format} image: {error or type(error).__name__}") from error

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """The image, for notebooks."""
        bundle = {"text/plain": repr(self)}
        if self.format:
            bundle[f"image/{self.format}"] = base64.b64encode(self.encoded).decode()
        return bundle


def _check_size(image: PIL.Image.Image) -> None:
    import PIL.Image

    most = PIL.Image.MAX_IMAGE_PIXELS
    if most is not None and image.width * image.height > most:
        raise DecodeError(f"{image.width} x {image.height} pixels are more than {most}")


def _frames_of(image: PIL.Image.Image, count: int, most: int) -> Iterator[PIL.Image.Image]:
    """The image at each of its first frames, one of which may make it larger.

    Raises:
        DecodeError: together these frames have more than ``most`` pixels.
    """
    seen = 0
    for index in range(count):
        image.seek(index)
        _check_size(image)
        size = image.width * image.height
        if seen + (count - index) * size > most:
            raise DecodeError(
                f"{count} frames of {image.width} x {image.height} are too many at once"
            )
        seen += size
        yield image


def _plain(image: PIL.Image.Image) -> PIL.Image.Image:
    """The image in mode L, LA, RGB or RGBA."""
    import PIL.Image

    mode = image.mode
    if mode.startswith("I"):  # 16 bits of a PNG; before Pillow 12 in 32
        return PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    plain = "L" if mode in ("1", "L", "LA") else "RGB"
    plain += "A" if image.has_transparency_data else ""
    return image if mode == plain else image.convert(plain)


def _pixels(image: PIL.Image.Image) -> Pixels:
    return np.array(image).reshape(image.height, image.width, -1)


def _on_white(image: PIL.Image.Image) -> PIL.Image.Image:
    """The image without its alpha."""
    import PIL.Image

    if image.mode not in ("LA", "RGBA"):
        return image
    white = PIL.Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("RGB")


def decode(value: Summary.Value, metadata: SummaryMetadata) -> tuple[Image, ...]:
    """The images of a summary value of either encoding: one of the old, any number of the new.

    Args:
        metadata: of the tag, of no effect here.

    Raises:
        DecodeError: neither of the two; a tensor that does not begin with width and height.

    >>> samples, _ = prepare_samples(np.zeros((3, 24, 32, 1)))
    >>> [image.width for image in decode(encode_samples("digits", samples), metadata())]
    [32, 32, 32]
    """
    if value.WhichOneof("value") == "image":
        old = value.image
        return (Image(old.encoded_image_string, old.width, old.height),)
    proto = tensor.of_value(value, "an image")
    if proto.dtype != DT_STRING:
        raise DecodeError(f"an image of {tensor.dtype_name(proto.dtype)}, where strings belong")
    strings = tensor.decode(proto)
    if strings.ndim != 1 or len(strings) < 2:
        raise DecodeError(
            f"an image of shape {list(strings.shape)}, where [width, height, image, ...] belongs"
        )
    width, height, *files = strings.tolist()
    for side in (width, height):
        if not (side.isdigit() and len(side) < 20):
            raise DecodeError(f"an image with {side[:20]!r} for its width or height")
    return tuple(Image(file, int(width), int(height)) for file in files)
