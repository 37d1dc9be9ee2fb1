"""Meshes and point clouds: vertices, and optionally a color for each and the faces between them.

One value a part, under tags of their own: ``<tag>_VERTEX`` float32, ``<tag>_FACE`` int32 and
``<tag>_COLOR`` uint8, each ``[meshes, items, 3]``, with plugin "mesh" and a description of the
whole beside it (tensorboard/plugins/mesh/metadata.py, summary_v2.py). They belong into one event.

(torch writes all parts as float32; tensorboardX calls the tags ``_1``, ``_2``, ``_3``.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio import arrays, plugins, tensor
from tbio.proto.plugin_data_pb2 import MeshPluginData
from tbio.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata

Array = npt.NDArray[Any]


class Mesh(NamedTuple):
    """Meshes as `prepare` leaves them, for `encode`; the arrays are read-only.

    Attributes:
        vertices: float32 ``[meshes, vertices, 3]``.
        colors: uint8 ``[meshes, vertices, 3]``.
        faces: int32 ``[meshes, faces, 3]``.
        config: JSON.
    """

    vertices: Array
    colors: Array | None
    faces: Array | None
    config: str


def prepare(
    vertices: Any,
    colors: Any = None,
    faces: Any = None,
    config_dict: Mapping[str, Any] | None = None,
) -> tuple[Mesh, str]:
    """Meshes that share no memory with the arguments, and what is amiss ("" for nothing).

    Args:
        vertices: coordinates, ``[meshes, vertices, 3]`` or, of one mesh, ``[vertices, 3]``.
        colors: red, green and blue of each vertex, in the shape of ``vertices``, or
            ``[vertices, 3]`` for all meshes: integers from 0 to 255, or floats from 0 to 1. Floats
            of which one is greater than 2 are taken as from 0 to 255, which is what torch takes
            them for. What is beyond the range is clipped; NaN becomes 0.
        faces: triangles as three indexes of vertices, ``[meshes, faces, 3]``, or ``[faces, 3]`` for
            all meshes. Without them the vertices are a point cloud.
        config_dict: settings of three.js: "camera", "lights", "material".

    Raises:
        TypeError: not numbers, or complex ones; settings that JSON does not have.
        ValueError: a shape that does not fit; an index that is no vertex's.

    >>> mesh, amiss = prepare([[0, 0, 0], [1, 0, 0], [0, 1, 0]], faces=[[0, 1, 2]])
    >>> mesh.vertices.shape, mesh.faces.shape, mesh.colors, amiss
    ((1, 3, 3), (1, 1, 3), None, '')
    """
    points = _triples("vertices", vertices)
    if points.ndim == 2:
        points = points[np.newaxis]
    meshes, count, _ = points.shape
    if not points.size:
        raise ValueError(f"want vertices, got an array of shape {list(points.shape)}")
    notes = []
    with np.errstate(over="ignore"):
        points = _own(points, np.float32)
    if lost := points.size - np.count_nonzero(np.isfinite(points)):
        notes.append(
            f"{lost} of {points.size} coordinates are not finite: TensorBoard may draw nothing"
        )
    tints = triangles = None
    if colors is not None:
        tints, note = _colors(_for_each_mesh("colors", colors, meshes))
        if tints.shape != points.shape:
            raise ValueError(
                f"colors of shape {list(tints.shape)} for vertices of shape {list(points.shape)}"
            )
        notes += [note] if note else []
    if faces is not None:
        triangles = _faces(_for_each_mesh("faces", faces, meshes), count)
    return Mesh(points, tints, triangles, _json(config_dict)), "; ".join(notes)


def _triples(name: str, value: Any) -> Array:
    try:
        array = arrays.to_numpy(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error
    if array.dtype.kind == "c":
        raise TypeError(f"{name}: want real numbers, got {array.dtype}")
    if array.ndim not in (2, 3) or array.shape[-1] != 3:
        raise ValueError(f"{name}: want shape [meshes, n, 3] or [n, 3], got {list(array.shape)}")
    return array


def _for_each_mesh(name: str, value: Any, meshes: int) -> Array:
    array = _triples(name, value)
    if array.ndim == 2:
        array = np.broadcast_to(array, (meshes, *array.shape))
    if len(array) != meshes:
        raise ValueError(f"{name} of shape {list(array.shape)} for {meshes} meshes")
    return array


def _colors(array: Array) -> tuple[Array, str]:
    """Colors as uint8, and how many did not fit."""
    if array.dtype.kind == "b":
        raise TypeError("colors: want integers from 0 to 255 or floats from 0 to 1, got bool")
    if array.dtype.kind == "f":
        # Not 1: a color may exceed it by a little, but none that goes to 255 stays below 2.
        scale = 1.0 if (array[np.isfinite(array)] > 2).any() else 255.0
        # NaN is counted below, and 0 in the end.
        array = np.where(np.isnan(array), -1.0, array.astype(np.float64) * scale)
    outside = np.count_nonzero((array < 0) | (array > 255))
    note = f"{outside} of {array.size} colors are out of range: clipped" if outside else ""
    return _own(np.rint(np.clip(array, 0, 255)), np.uint8), note


def _faces(array: Array, vertices: int) -> Array:
    wrong = ~((array >= 0) & (array < vertices) & (array == np.trunc(array)))
    if wrong.any():
        got = array[wrong][0]
        raise ValueError(f"faces: want indexes from 0 to {vertices - 1}, got {got}")
    return _own(array, np.int32)


def _own(array: Array, dtype: npt.DTypeLike) -> Array:
    """A copy that nobody changes."""
    copy = np.array(array, dtype, order="C")
    copy.flags.writeable = False
    return copy


def _json(config: Mapping[str, Any] | None) -> str:
    if config is None:
        return "{}"
    if not isinstance(config, Mapping):
        raise TypeError(f"config_dict: want a dict, got {type(config).__name__}")
    try:
        return json.dumps(dict(config), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"config_dict: {error}") from error


def encode(
    tag: str, mesh: Mesh, display_name: str = "", description: str = ""
) -> list[Summary.Value]:
    """The parts of a mesh, for one event.

    Each brings its metadata, also after the first time: a part may come later than the others.

    >>> mesh, _ = prepare([[0, 0, 0], [1, 0, 0], [0, 1, 0]], faces=[[0, 1, 2]])
    >>> [value.tag for value in encode("cube", mesh)]
    ['cube_VERTEX', 'cube_FACE']
    """
    parts = [
        (MeshPluginData.VERTEX, mesh.vertices),
        (MeshPluginData.FACE, mesh.faces),
        (MeshPluginData.COLOR, mesh.colors),
    ]
    components = sum(1 << content_type for content_type, array in parts if array is not None)
    values = []
    for content_type, array in parts:
        if array is None:
            continue
        content = MeshPluginData(
            name=tag,
            content_type=content_type,
            json_config=mesh.config,
            shape=array.shape,
            components=components,
        )
        metadata = SummaryMetadata(
            plugin_data=SummaryMetadata.PluginData(
                plugin_name=plugins.MESH, content=content.SerializeToString()
            ),
            display_name=display_name,
            summary_description=description,
            data_class=DATA_CLASS_TENSOR,
        )
        part = f"{tag}_{MeshPluginData.ContentType.Name(content_type)}"
        values.append(Summary.Value(tag=part, metadata=metadata, tensor=tensor.encode(array)))
    return values
