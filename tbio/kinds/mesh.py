"""Meshes and point clouds: vertices, and optionally a color for each and the faces between them.

One value a part, under tags of their own: ``<tag>_VERTEX`` float32, ``<tag>_FACE`` int32 and
``<tag>_COLOR`` uint8, each ``[meshes, items, 3]``, with plugin "mesh" and a description of the
whole beside it (tensorboard/plugins/mesh/metadata.py, summary_v2.py). They belong into one event.

(torch writes all parts as float32; tensorboardX calls the tags ``_1``, ``_2``, ``_3``.) The
description says which part of which mesh a value is, see `part_of`; parts of one mesh at one step
belong together, see `pair`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio import arrays, plugins, tensor
from tbio.errors import DecodeError
from tbio.proto import PARSE_ERRORS
from tbio.proto.plugin_data_pb2 import MeshPluginData
from tbio.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata

Array = npt.NDArray[Any]
#: A part of a mesh: an attribute of `Mesh`.
Part: TypeAlias = Literal["vertices", "colors", "faces"]

_DTYPES: dict[Part, type[np.generic]] = {
    "vertices": np.float32,
    "colors": np.uint8,
    "faces": np.int32,
}
_PART_OF_TYPE: dict[int, Part] = {
    MeshPluginData.VERTEX: "vertices",
    MeshPluginData.FACE: "faces",
    MeshPluginData.COLOR: "colors",
}
_PART_OF_SUFFIX = {
    suffix: part
    for number, part in _PART_OF_TYPE.items()
    for suffix in (MeshPluginData.ContentType.Name(number), str(number))
}


class Mesh(NamedTuple):
    """The meshes, or point clouds, of one step, as a batch; the arrays are read-only.

    Written, it is what `prepare` gives to `encode`; read, what the parts of one step make up.

    Attributes:
        vertices: float32 ``[meshes, vertices, 3]``.
        colors: uint8 ``[meshes, vertices, 3]``: red, green, blue.
        faces: int32 ``[meshes, faces, 3]``: triangles, by three indexes of vertices.
        config: settings of three.js: "camera", "lights", "material".

    >>> prepare([[0, 0, 0], [1, 0, 0], [0, 1, 0]], faces=[[0, 1, 2]])[0]
    <Mesh: batch of 1, 3 vertices, 1 faces>
    """

    vertices: Array
    colors: Array | None
    faces: Array | None
    config: dict[str, Any]

    def __repr__(self) -> str:
        words = f"batch of {len(self.vertices)}, {self.vertices.shape[1]} vertices"
        words += " with colors" if self.colors is not None else ""
        words += f", {self.faces.shape[1]} faces" if self.faces is not None else ""
        return f"<Mesh: {words}>"


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
    return Mesh(points, tints, triangles, _config(config_dict)), "; ".join(notes)


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


def _config(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of what JSON has."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise TypeError(f"config_dict: want a dict, got {type(config).__name__}")
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(config), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise type(error)(f"config_dict: {error}") from error
    return copy


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
    config = json.dumps(mesh.config, sort_keys=True)
    components = sum(1 << content_type for content_type, array in parts if array is not None)
    values = []
    for content_type, array in parts:
        if array is None:
            continue
        content = MeshPluginData(
            name=tag,
            content_type=content_type,
            json_config=config,
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


def part_of(tag: str, metadata: SummaryMetadata) -> tuple[str, Part]:
    """The name of the mesh that a tag belongs to, and which part of it the tag has.

    Both stand in the metadata. Where they do not, the tag's end says it; where that does not
    either, the tag is taken for vertices.

    >>> mesh, _ = prepare([[0, 0, 0]])
    >>> (value,) = encode("cloud", mesh)
    >>> part_of(value.tag, value.metadata)
    ('cloud', 'vertices')
    >>> part_of("cloud_COLOR", SummaryMetadata())
    ('cloud', 'colors')
    """
    data = _plugin_data(metadata)
    head, _, end = tag.rpartition("_")
    by_tag = _PART_OF_SUFFIX.get(end)
    part = _PART_OF_TYPE.get(data.content_type) or by_tag or "vertices"
    return data.name or (head if by_tag else tag), part


def config_of(metadata: SummaryMetadata) -> dict[str, Any]:
    """The settings of three.js in a tag's metadata, as `Mesh` has them; without any, empty.

    Raises:
        DecodeError: they are no JSON object.
    """
    text = _plugin_data(metadata).json_config
    try:
        config = json.loads(text or "null")
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"settings of a mesh that are no JSON: {error}") from error
    if config is None:  # as tensorboardX says "none"
        return {}
    if not isinstance(config, dict):
        raise DecodeError(f"settings of a mesh that are no JSON object: {text[:40]!r}")
    return config


def _plugin_data(metadata: SummaryMetadata) -> MeshPluginData:
    try:
        return MeshPluginData.FromString(metadata.plugin_data.content)
    except PARSE_ERRORS:
        return MeshPluginData()  # the tag may say it


def decode(value: Summary.Value, metadata: SummaryMetadata) -> Array:
    """One part of a mesh, read-only: that of `Mesh` which `part_of` names, in its dtype.

    Args:
        metadata: of the tag.

    Raises:
        DecodeError: no tensor of real numbers of shape ``[meshes, items, 3]``; colors or faces that
            are no whole numbers, or too large for their dtype.

    >>> mesh, _ = prepare([[0, 0, 0], [1, 0, 0], [0, 1, 0]], faces=[[0, 1, 2]])
    >>> [decode(value, value.metadata).dtype.name for value in encode("cube", mesh)]
    ['float32', 'int32']
    """
    _, part = part_of(value.tag, metadata)
    proto = tensor.of_value(value, f"{part} of a mesh")
    array = tensor.decode(proto)
    if array.dtype.kind not in "iuf" or array.ndim != 3 or array.shape[2] != 3:
        raise DecodeError(
            f"{part} of a mesh as {tensor.dtype_name(proto.dtype)} of shape {list(array.shape)}, "
            "where numbers of shape [meshes, n, 3] belong"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        cast: Array = array.astype(_DTYPES[part], copy=False)
    if cast is not array and part != "vertices":
        wrong = array[cast != array]
        if wrong.size:
            raise DecodeError(f"{part} of a mesh that are no {cast.dtype}: {wrong[0]}")
    cast.flags.writeable = False
    return cast


def pair(steps: npt.NDArray[np.int64], other_steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each point of one part, the index of the point of another that belongs to it, or -1.

    The first of a step belongs to the other's first of that step, the second to the second, and so
    on, whatever the order of the steps.

    Args:
        steps: [n].
        other_steps: [m].

    Returns:
        int64 [n].

    >>> pair(np.array([3, 0, 3, 7]), np.array([0, 3, 5, 3]))
    array([ 1,  0,  3, -1])
    """
    order, other_order = (np.argsort(some, kind="stable") for some in (steps, other_steps))
    ours, theirs = steps[order], other_steps[other_order]
    which = np.arange(len(ours)) - np.searchsorted(ours, ours)  # of the points of its step
    place = np.searchsorted(theirs, ours) + which
    paired = np.full(len(steps), -1, np.int64)
    found = place < np.searchsorted(theirs, ours, "right")
    paired[order[found]] = other_order[place[found]]
    return paired
