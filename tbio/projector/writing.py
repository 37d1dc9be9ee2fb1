"""Embeddings, written: `prepare` checks and copies in the caller; `write` touches the disk."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import math
import os
import re
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from google.protobuf import text_format

from tbio import arrays
from tbio.kinds import png
from tbio.kinds.pixels import Pixels, tiled, to_pixels
from tbio.projector.config import BLANK, CONFIG_NAME
from tbio.proto.projector_pb2 import EmbeddingInfo, ProjectorConfig

#: The largest sprite that TensorBoard's page loads (vz_projector/data-provider.ts).
MAX_SPRITE_PIXELS = 8192

#: Up to so many numbers are written as text, as the peers do; more of them as bytes, since text is
#: slow to make, three times the size, and slow to load.
TSV_NUMBERS = 1 << 16

_CLEAN = str.maketrans("\t\n\r", "   ")
_LOCK_SECONDS = 2.0


class Prepared(NamedTuple):
    """What `write` writes; shares no memory with what the user gave.

    Attributes:
        vectors: the points, float32[n, d].
        metadata: the text of metadata.tsv; "" for none.
        images: uint8[n, height, width, channels], with 1 to 4 channels; None for none.
    """

    vectors: npt.NDArray[np.float32]
    metadata: str
    images: Pixels | None


def prepare(
    mat: Any,
    metadata: Iterable[Any] | None = None,
    label_img: Any = None,
    metadata_header: Iterable[Any] | None = None,
) -> tuple[Prepared, str]:
    """Check and copy an embedding; with it what its user should be warned of, "" for nothing.

    Args:
        mat: the points, (n, d), of any framework; kept as float32, which is what the Projector
            shows.
        metadata: a label for each point: anything that ``str`` takes. With several columns, a row
            of cells for each. Tabs and line breaks become spaces.
        label_img: an image for each point, (n, channels, height, width), with 1 to 4 channels:
            floats in [0, 1], integers in 0..255, bool (`tbio.kinds.pixels.to_pixels`).
        metadata_header: names for the columns. TensorBoard shows no name of a single column, but
            "label".

    Raises:
        TypeError: points or images that are no real numbers.
        ValueError: a wrong shape; no points; labels or images that are more or fewer than the
            points; rows of other lengths than the header; a header with an empty name or one
            twice; labels that UTF-8 cannot hold; integers in images beyond 0..255.

    >>> embedding, trouble = prepare([[0.0, 1.0], [2.0, 3.0]], ["first", "sec\\tond"])
    >>> embedding.vectors.shape, embedding.metadata, trouble
    ((2, 2), 'first\\nsec ond\\n', '')
    """
    vectors, note = _vectors(mat)
    notes, count = [note], len(vectors)
    text = "" if metadata is None else _metadata(metadata, metadata_header, count)
    images = None
    if label_img is not None:
        images, more = _images(label_img, count)
        notes.append(more)
    return Prepared(vectors, text, images), "; ".join(filter(None, notes))


def _vectors(mat: Any) -> tuple[npt.NDArray[np.float32], str]:
    array = arrays.to_numpy(mat)
    if array.dtype.kind == "c":
        raise TypeError(f"mat: want real numbers, got dtype {array.dtype}")
    if array.ndim != 2 or not array.size:
        raise ValueError(f"mat: want points of shape (n, d), got shape {array.shape}")
    with np.errstate(over="ignore"):
        vectors = array.astype(np.float32)  # a copy, always
    bad = np.count_nonzero(~np.isfinite(vectors).all(axis=1))
    if not bad:
        return vectors, ""
    return vectors, f"{bad} of {len(vectors)} points are not finite as float32"


# ------------------------------------------------------------------ labels


def _metadata(metadata: Iterable[Any], header: Iterable[Any] | None, count: int) -> str:
    """The text of metadata.tsv.

    To the page and the server alike, a tab in the first line makes that a header (data-provider.ts,
    ``parseMetadata``): so a single column has none, and several have one.
    """
    rows = _listed(metadata)
    if len(rows) != count:
        raise ValueError(f"metadata: want a label for each of {count} points, got {len(rows)}")
    names = [] if header is None else [_cell(name) for name in _listed(header)]
    if names:
        table = [_row(row, len(names), place) for place, row in enumerate(rows)]
    else:  # an empty header is none, to torch and tensorboardX too
        table = [[_cell(row)] for row in rows]
    if len(names) > 1:
        if len(set(names)) < len(names) or any(map(_is_blank, names)):
            raise ValueError(f"metadata_header: want names, each of them once, got {names}")
        table.insert(0, names)
    lines = ["\t".join(row) for row in table]
    text = "".join(f"{BLANK * _is_blank(line)}{line}\n" for line in lines)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        bad = text[error.start : error.end]
        raise ValueError(f"metadata: {bad!r} cannot be stored as UTF-8") from error
    return text


def _is_blank(line: str) -> bool:
    return not line.replace("\ufeff", "").strip()  # the byte order mark is blank to JavaScript


def _listed(values: Any) -> list[Any]:
    """The elements of a list, an array or a tensor."""
    if hasattr(values, "shape"):
        try:
            values = arrays.to_numpy(values)
        except TypeError:  # strings, objects
            values = np.asarray(values)
        values = np.atleast_1d(values)
    return list(values)


def _row(row: Any, columns: int, place: int) -> list[str]:
    single = isinstance(row, (str, bytes)) or not hasattr(row, "__iter__")
    cells = [row] if single else _listed(row)
    if len(cells) != columns:
        raise ValueError(
            f"metadata[{place}]: want a cell for each of {columns} names, got {len(cells)}"
        )
    return [_cell(cell) for cell in cells]


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            value = value.decode()
    elif getattr(value, "shape", None) == () and not isinstance(value, np.generic):
        value = arrays.to_numpy(value)[()]  # "3", and not "tensor(3)"
    return str(value).translate(_CLEAN)


# ------------------------------------------------------------------ images


def _images(label_img: Any, count: int) -> tuple[Pixels, str]:
    """The images as ``uint8[n, height, width, channels]``, and what became of them."""
    try:
        pixels, note = to_pixels(label_img, "NCHW", "NHWC", optional="")
    except (TypeError, ValueError) as error:
        raise type(error)(f"label_img: {error}") from error
    if len(pixels) != count:
        raise ValueError(f"label_img: want an image for each of {count} points, got {len(pixels)}")
    columns, side = _grid(pixels)
    if side < 1:
        raise ValueError(f"label_img: {count} images are too many for a sprite")
    height, width = pixels.shape[1:3]
    notes = [f"images: {note}"] if note else []
    if side < max(height, width):
        notes.append(
            f"images of {width}x{height} pixels are shrunk, so that {columns} fit beside each "
            f"other into the {MAX_SPRITE_PIXELS} pixels that TensorBoard can load"
        )
    return np.array(pixels), "; ".join(notes)


def _grid(images: Pixels) -> tuple[int, int]:
    """How many images stand beside each other, and the side of the square that each gets."""
    columns = math.isqrt(len(images) - 1) + 1
    return columns, min(max(images.shape[1:3]), MAX_SPRITE_PIXELS // columns)


def _sprite(images: Pixels) -> tuple[bytes, int]:
    """All images in one PNG, and the side of the square that each has got.

    The page takes image i from column ``i % columns`` and row ``i // rows`` of equal cells, and
    draws it as a square (scatterPlotVisualizerSprites.ts). So there must be as many rows as
    columns; and what is no square is put into the middle of one, with nothing (alpha 0) around it.
    """
    columns, side = _grid(images)
    if side < max(images.shape[1:3]):
        images = _shrunk(images, side)
    if images.shape[1] != images.shape[2]:
        images = _squared(images, side)
    return png.encode(tiled(list(images), columns, columns)), side


def _squared(images: Pixels, side: int) -> Pixels:
    """Each image in the middle of a square; around it there is nothing."""
    count, height, width, channels = images.shape
    bare = channels in (1, 3)  # it has no alpha to say so
    squares = np.zeros((count, side, side, channels + bare), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    middle = squares[:, top : top + height, left : left + width]
    middle[..., channels:] = 255
    middle[..., :channels] = images
    return squares


def _shrunk(images: Pixels, side: int) -> Pixels:
    """The images, none of them higher or wider than ``side``."""
    from PIL import Image

    height, width, channels = images.shape[1:]
    scale = side / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = np.empty((len(images), size[1], size[0], channels), np.uint8)
    for place, one in enumerate(images):
        image = Image.fromarray(np.ascontiguousarray(one[..., 0] if channels == 1 else one))
        small[place] = np.asarray(image.resize(size, Image.Resampling.BOX)).reshape(small.shape[1:])
    return small


# ------------------------------------------------------------------ files


def write(folder: str | os.PathLike[str], tag: str, step: int, embedding: Prepared) -> None:
    """Write an embedding's files, and its entry into the run's ``projector_config.pbtxt``.

    The entries of others stay as they are; one of the same tag and step is replaced (but keeps its
    bookmarks). Every file appears whole, under its name, or not at all; the config last. Writers
    that meet in the folder wait for each other (not on Windows, nor where the file system cannot).

    TensorBoard opens the projector for runs with an event file, on a local disk; it reads a config
    once, so that what comes later shows after its restart.

    Args:
        folder: the run's.

    Raises:
        OSError: the disk refuses.
        ValueError: the config that is there cannot be read, and so is not touched; or a tag that
            UTF-8 cannot hold.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> write(folder, "words/en", 7, prepare([[0.0, 1.0], [2.0, 3.0]], ["a", "b"])[0])
    >>> print((folder / "projector_config.pbtxt").read_text().rstrip())
    embeddings {
      tensor_name: "words/en:00007"
      metadata_path: "00007/words%2fen/metadata.tsv"
      tensor_shape: 2
      tensor_shape: 2
      tensor_path: "00007/words%2fen/tensors.tsv"
    }
    """
    at_step = str(step).zfill(5)
    inside = f"{at_step}/{folder_name(tag)}"
    target = os.path.join(folder, *inside.split("/"))
    os.makedirs(target, exist_ok=True)

    def put(name: str, data: bytes) -> str:
        _replace(os.path.join(target, name), data)
        return f"{inside}/{name}"

    entry = EmbeddingInfo(tensor_name=f"{tag}:{at_step}", tensor_shape=embedding.vectors.shape)
    entry.tensor_path = put(*_tensors(embedding.vectors))
    if embedding.metadata:
        entry.metadata_path = put("metadata.tsv", embedding.metadata.encode())
    if embedding.images is not None:
        png, side = _sprite(embedding.images)
        entry.sprite.image_path = put("sprite.png", png)
        entry.sprite.single_image_dim.extend((side, side))
    with _locked(folder):
        _list(os.path.join(folder, CONFIG_NAME), entry)


def _tensors(vectors: npt.NDArray[np.float32]) -> tuple[str, bytes]:
    """Name and content of the file of the points."""
    raw = vectors.astype("<f4").tobytes()
    if vectors.size > TSV_NUMBERS and not _may_be_text(raw):
        return "tensors.bytes", raw
    # The repr of the double that equals a float32 gives it back exactly, whoever parses it.
    lines = ("\t".join(map(repr, row)) for row in vectors.tolist())
    return "tensors.tsv", "".join(f"{line}\n" for line in lines).encode()


def _may_be_text(raw: bytes) -> bool:
    """Whether TensorBoard might take raw floats for a TSV.

    It reads a file as text until that fails with a UnicodeDecodeError, and as floats only then. Its
    own file system decodes many lines at once, TensorFlow's one by one: so the first must not be
    UTF-8 already.
    """
    first_line = raw[:8192].split(b"\n", 1)[0]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first_line)  # whose end may be cut
    except UnicodeDecodeError:
        return False
    return True


_NOT_IN_NAMES = re.compile(r'[%/\\<>:"|?*\x00-\x1f\x7f]')


def folder_name(tag: str) -> str:
    """A folder for a tag: as torch's, but one that every system takes, and never a step up.

    >>> folder_name("a/b%"), folder_name(".."), folder_name("")
    ('a%2fb%25', '.%2e', '%')
    """
    name = _NOT_IN_NAMES.sub(lambda found: f"%{ord(found[0]):02x}", tag)
    if name.endswith((".", " ")):
        name = f"{name[:-1]}%{ord(name[-1]):02x}"
    if len(name.encode()) > 200:  # 255 bytes is what most file systems take
        digest = hashlib.sha256(tag.encode()).hexdigest()[:16]
        name = f"{name.encode()[:180].decode(errors='ignore')}%{digest}"
    return name or "%"


def _list(path: str, entry: EmbeddingInfo) -> None:
    """Put an entry into a config, in the place of one of the same name or behind the others."""
    config = ProjectorConfig()
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        try:
            text_format.Parse(file.read(), config)
        except (text_format.ParseError, UnicodeDecodeError) as error:
            name = entry.tensor_name
            raise ValueError(
                f"{path} cannot be read, so {name!r} is not listed: {error}"
            ) from error
    for known in config.embeddings:
        if known.tensor_name == entry.tensor_name:
            bookmarks = known.bookmarks_path
            known.CopyFrom(entry)
            known.bookmarks_path = bookmarks
            break
    else:
        config.embeddings.append(entry)
    _replace(path, text_format.MessageToString(config).encode())


def _replace(path: str, data: bytes) -> None:
    """Have a file hold ``data``; who opens it gets all of the old or all of the new."""
    draft = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        with open(draft, "xb") as file:
            file.write(data)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise


@contextlib.contextmanager
def _locked(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other writers of embeddings out, as far as the system lets us; never wait for long."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)  # of the folder itself: no lock file is left behind
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while time.monotonic() < deadline:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:  # a file system without locks
                break
        yield
    finally:
        os.close(descriptor)
