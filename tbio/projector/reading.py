"""Embeddings, read: what the configs of a run name, each file when it is asked for."""

from __future__ import annotations

import io
import json
import math
import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tbio import storage
from tbio.errors import DecodeError
from tbio.projector import tsv
from tbio.projector.config import configs
from tbio.proto.projector_pb2 import EmbeddingInfo

Pixels = npt.NDArray[np.uint8]

#: Larger files are refused, before they fill the memory: points take up to six times as much there,
#: labels ten times.
_MAX_POINTS = 1 << 30
_MAX_TEXT = 1 << 27
_MAX_SPRITE = 1 << 28
#: Of a name or a path in a message: the config may have it of any length.
_SHOWN = 200
#: As many as TensorBoard's page takes (vz_projector/data-provider.ts).
_MAX_PIXELS = 8192**2
#: What browsers show.
_IMAGE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")


def read(folder: str | os.PathLike[str]) -> dict[str, Embedding]:
    """Name -> embedding, in the order of the configs; ``{}`` where there is none.

    As TensorBoard has it: of two entries of one name the first counts, but one in ``plugins/``
    before one in the folder itself; ":0" at the end of a name is nothing; an entry without a name
    is named by the file of its points. Entries without points are here too.

    Args:
        folder: a run's, or its URL.

    Raises:
        DecodeError: a config that cannot be read.
        OSError: what the storage raises.

    >>> import pathlib, tempfile
    >>> from tbio import projector
    >>> folder = tempfile.mkdtemp()
    >>> projector.write(folder, "words", 7, projector.prepare([[0.0, 1.0], [2.0, 3.0]], "ab")[0])
    >>> projector.read(folder)
    {'words:00007': <Embedding 'words:00007': 00007/words/tensors.tsv>}
    >>> projector.read(folder)["words:00007"].labels
    ['a', 'b']
    """
    found: dict[str, Embedding] = {}
    for config in configs(os.fspath(folder)):
        within: dict[str, Embedding] = {}
        for entry in config.entries.embeddings:
            name = entry.tensor_name or posixpath.basename(entry.tensor_path)
            name = name.removesuffix(":0")
            within.setdefault(name, Embedding(name, entry, config.folder))
        found.update(within)
    return found


@dataclass(frozen=True, eq=False, repr=False)
class Embedding:
    """An embedding, as the Projector shows it.

    Nothing is read before it is asked for, and that once. Each of the files has to be inside of the
    folder of the config, on a disk whatever links lead elsewhere, as TensorBoard 2.21 wants it.

    Attributes:
        name: the tensor's.
        config: the entry of the config, with the names of its files; do not change it.
        folder: the config's.
    """

    name: str
    config: EmbeddingInfo
    folder: str

    def __repr__(self) -> str:
        where = self.config.tensor_path or "in a checkpoint"
        if len(where) > _SHOWN or not where.isprintable():
            where = repr(where[:_SHOWN])
        return f"<Embedding {self.name[:_SHOWN]!r}: {where}>"

    @cached_property
    def tensor(self) -> npt.NDArray[np.float32]:
        """The points, float32[n, d], read-only.

        A file of text is a TSV, with as many points as it has; any other one is raw little-endian
        float32, whose shape the config has to give. (TensorBoard fails with raw numbers that by
        chance are UTF-8, such as zeros; here the size tells.)

        Raises:
            DecodeError: the points are in a checkpoint; there is no such file, or not in the
                config's folder; rows that are no numbers or differ in length; raw numbers that do
                not fit the shape.
            OSError: what the storage raises.
        """
        if not self.config.tensor_path:
            name = self.name[:_SHOWN]
            raise DecodeError(f"the points of {name!r} are in a checkpoint of TensorFlow")
        data = self._bytes(self.config.tensor_path, "tensor_path", _MAX_POINTS)
        shape = tuple(self.config.tensor_shape)
        try:
            tensor = tsv.points(data)
        except (UnicodeDecodeError, DecodeError) as error:
            if len(shape) == 2 and len(data) == 4 * math.prod(shape):
                tensor = np.frombuffer(data, "<f4").reshape(shape).astype(np.float32, copy=False)
            elif isinstance(error, DecodeError):
                raise
            else:
                what = f"{len(data)} bytes of points that are no text"
                raise DecodeError(f"{what}, for the shape {list(shape[:8])}") from error
        tensor.flags.writeable = False
        return tensor

    @cached_property
    def metadata(self) -> dict[str, list[str]]:
        """Column -> its cells, point by point; ``{}`` where the config names no labels.

        A single column has no header and is named "label" (`tbio.projector.tsv.labels`). There may
        be more or fewer rows than points: TensorBoard then warns, and shows as many as there are.

        Raises:
            DecodeError: no such file, or not in the config's folder; no UTF-8.
            OSError: what the storage raises.
        """
        path = self.config.metadata_path
        return tsv.labels(self._bytes(path, "metadata_path", _MAX_TEXT)) if path else {}

    @property
    def labels(self) -> list[str]:
        """The first column of `metadata`; ``[]`` where there is none.

        Raises:
            As `metadata`.
        """
        return next(iter(self.metadata.values()), [])

    @cached_property
    def bookmarks(self) -> list[dict[str, Any]]:
        """The views that were saved with it, as the page's JSON has them; ``[]`` for none.

        Raises:
            DecodeError: no such file, or not in the config's folder; no list of objects in JSON.
            OSError: what the storage raises.
        """
        path = self.config.bookmarks_path
        if not path:
            return []
        try:
            found = json.loads(self._bytes(path, "bookmarks_path", _MAX_TEXT))
        except DecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"bookmarks_path {path[:_SHOWN]!r} is no JSON: {error}") from error
        if not isinstance(found, list) or not all(isinstance(view, dict) for view in found):
            raise DecodeError(f"bookmarks_path {path[:_SHOWN]!r} is no list of views")
        return found

    @cached_property
    def sprite(self) -> Pixels | None:
        """The picture with the images of all points, uint8[height, width, channels], read-only.

        Grey is one channel, grey with alpha two, colours three, with alpha four; None where the
        config names no picture.

        Raises:
            DecodeError: no such file, or not in the config's folder; no picture that a browser
                takes, or one too large.
            OSError: what the storage raises.
        """
        path = self.config.sprite.image_path
        if not path:
            return None
        data = self._bytes(path, "image_path", _MAX_SPRITE)
        pixels = _decoded(data, f"image_path {path[:_SHOWN]!r}")
        pixels.flags.writeable = False
        return pixels

    def thumbnails(self) -> Pixels | None:
        """The image of each point, uint8[n, height, width, channels], read-only; None for none.

        They are cut from the `sprite` row by row. Where the points are in a checkpoint, there are
        as many as the labels, or all that the sprite has room for.

        Raises:
            DecodeError: as for `sprite`; no size of an image in the config, or one that does not
                fit; fewer images than points.
            OSError: what the storage raises.
        """
        sprite = self.sprite
        if sprite is None:
            return None
        images = _cut(sprite, self.config.sprite.single_image_dim)
        points = self.tensor if self.config.tensor_path else self.labels or images
        count = len(points)
        if count > len(images):
            raise DecodeError(f"a sprite of {len(images)} images, for {count} points")
        images = images[:count]
        images.flags.writeable = False
        return images

    def _bytes(self, path: str, field: str, limit: int) -> bytes:
        try:
            file = storage.inner_child(self.folder, path)
            if file is not None:
                return storage.read_bytes(file, limit)
        except ValueError as error:
            raise DecodeError(f"{field}: {error!s:.1000}") from error
        raise DecodeError(f"{field}: there is no file {path[:_SHOWN]!r} in {self.folder}")


def _decoded(data: bytes, what: str) -> Pixels:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_IMAGE_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise DecodeError(f"{what} has {image.width}x{image.height} pixels: too many")
            mode = image.mode if image.mode in ("L", "LA", "RGB", "RGBA") else ""
            mode = mode or ("RGBA" if image.has_transparency_data else "RGB")
            pixels = np.array(image.convert(mode), np.uint8)
    except DecodeError:
        raise
    except Exception as error:  # Pillow's decoders raise all sorts
        raise DecodeError(f"{what} is no picture: {error}") from error
    return pixels.reshape(*pixels.shape[:2], -1)


def _cut(sprite: Pixels, size: Sequence[int]) -> Pixels:
    """All images that a sprite has room for."""
    height, width, channels = sprite.shape
    if len(size) != 2 or not 1 <= size[0] <= width or not 1 <= size[1] <= height:
        got = list(size[:4])
        raise DecodeError(f"images of size {got} in a sprite of {width}x{height} pixels")
    columns, rows = width // size[0], height // size[1]
    grid = sprite[: rows * size[1], : columns * size[0]]
    grid = grid.reshape(rows, size[1], columns, size[0], channels).swapaxes(1, 2)
    return grid.reshape(-1, size[1], size[0], channels)
