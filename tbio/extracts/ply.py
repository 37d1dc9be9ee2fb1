"""PLY: meshes as files that every viewer opens (Greg Turk, "The PLY Polygon File Format", 1994)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def encode(
    vertices: npt.NDArray[Any],
    colors: npt.NDArray[Any] | None = None,
    faces: npt.NDArray[Any] | None = None,
) -> bytes:
    """One mesh or point cloud as a binary, little-endian PLY file.

    Args:
        vertices: float32 ``[n, 3]``.
        colors: uint8 ``[n, 3]``; red, green, blue.
        faces: int32 ``[m, 3]``; without them it is a point cloud.

    >>> encode(np.zeros((1, 3), np.float32)).splitlines()[:3]
    [b'ply', b'format binary_little_endian 1.0', b'element vertex 1']
    """
    fields: list[tuple[str, str]] = [(axis, "<f4") for axis in "xyz"]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    header += [f"property float {axis}" for axis in "xyz"]
    if colors is not None:
        fields += [(color, "u1") for color in ("red", "green", "blue")]
        header += [f"property uchar {color}" for color in ("red", "green", "blue")]
    points = np.empty(len(vertices), fields)
    for at, axis in enumerate("xyz"):
        points[axis] = vertices[:, at]
    if colors is not None:
        for at, color in enumerate(("red", "green", "blue")):
            points[color] = colors[:, at]
    triangles = np.empty(0 if faces is None else len(faces), [("count", "u1"), ("at", "<i4", 3)])
    if faces is not None:
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
        triangles["count"], triangles["at"] = 3, faces
    header.append("end_header\n")
    return "\n".join(header).encode() + points.tobytes() + triangles.tobytes()
