"""Files: what a value of each kind becomes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from google.protobuf import text_format

from tbio.errors import DecodeError
from tbio.extracts import ply
from tbio.kinds.audio import Audio
from tbio.kinds.graph import Graph
from tbio.kinds.image import Image
from tbio.kinds.mesh import Mesh
from tbio.projector import Embedding
from tbio.series import MeshSeries, SampledSeries, ValueSeries

_AUDIO = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/mp4": "m4a",
}


class Content(NamedTuple):
    """A file to be.

    Attributes:
        suffix: without a dot; "" where the bytes are of no known form.
        data: what it holds.
    """

    suffix: str
    data: bytes


def _of_image(image: Image) -> Content:
    return Content("jpg" if image.format == "jpeg" else image.format or "bin", image.encoded)


def _of_audio(audio: Audio) -> Content:
    is_wav = audio.encoded[:4] == b"RIFF" and audio.encoded[8:12] == b"WAVE"
    suffix = "wav" if is_wav else _AUDIO.get(audio.content_type.partition(";")[0].strip(), "bin")
    return Content(suffix, audio.encoded)


def _of_text(text: Any) -> Content:
    if isinstance(text, str):
        return Content("md", text.encode("utf-8", "surrogateescape"))
    return Content("json", json.dumps(text.tolist(), ensure_ascii=False, indent=1).encode())


def _of_tensor(array: Any) -> Content:
    if array.dtype.kind in "OSU":
        words = json.dumps(array.tolist(), default=_as_text, ensure_ascii=False, indent=1)
        return Content("json", words.encode())
    if array.dtype.kind == "V":  # bfloat16 and its like, which .npy does not know
        array = array.astype(np.float32)
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return Content("npy", file.getvalue())


def _as_text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _of_graph(graph: Graph) -> Content:
    if graph.keras is not None:
        return Content("json", json.dumps(graph.keras, indent=1).encode())
    message = graph.run_metadata or graph.meta_graph or graph.graph_def
    return Content("pbtxt", text_format.MessageToString(message).encode())


def _of_meshes(mesh: Mesh) -> list[Content]:
    def each(part: Any) -> list[Any]:
        if part is None:
            return [None] * len(mesh.vertices)
        if len(part) != len(mesh.vertices):
            raise DecodeError(f"{len(part)} sets of a part, for {len(mesh.vertices)} meshes")
        return list(part)

    parts = zip(mesh.vertices, each(mesh.colors), each(mesh.faces), strict=True)
    return [Content("ply", ply.encode(*one)) for one in parts]


def samples(kind: str, series: Any, index: int) -> list[Content]:
    """The files of one point of a series: as many as it has samples.

    Raises:
        DecodeError: it is not what its plugin says.
        DamageError, OSError: the file was written anew, or is gone.
    """
    if isinstance(series, MeshSeries):
        return _of_meshes(series[index])
    if isinstance(series, SampledSeries):
        of: Callable[[Any], Content] = _of_image if kind == "images" else _of_audio
        return [of(one) for one in series.samples(index)]
    value_series: ValueSeries[Any] = series
    of = {"texts": _of_text, "graphs": _of_graph, "tensors": _of_tensor}[kind]
    return [of(value_series[index])]


def of_embedding(embedding: Embedding) -> Iterator[tuple[str, Content]]:
    """Name and content of each file of an embedding: points, labels, sprite.

    Raises:
        DecodeError: a file that is not there, or makes no sense.
        OSError: what the storage raises.
    """
    points = io.StringIO()
    for row in embedding.tensor:
        points.write("\t".join(map(repr, row.tolist())) + "\n")
    yield "tensor", Content("tsv", points.getvalue().encode())
    columns = embedding.metadata
    if columns:
        rows = list(zip(*columns.values(), strict=True))
        lines = [*([tuple(columns)] if len(columns) > 1 else []), *rows]
        yield "metadata", Content("tsv", "".join("\t".join(row) + "\n" for row in lines).encode())
    if embedding.sprite is not None:
        import PIL.Image  # only where there is a picture

        pixels = embedding.sprite
        file = io.BytesIO()
        PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
        yield "sprite", Content("png", file.getvalue())
