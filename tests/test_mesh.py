"""Meshes: shapes, dtypes, metadata, against TensorBoard itself and TensorFlow's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from corpus_values import truth_of, values_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import summary_pb2
from tensorboard.compat.tensorflow_stub import dtypes
from tensorboard.plugins.mesh import summary_v2
from tensorboard.util import tensor_util
from tensorboard_server import BACKENDS, TensorBoardServer

from tbio import EventFileWriter, read_events, tensor
from tbio.errors import DecodeError
from tbio.kinds import mesh
from tbio.proto.event_pb2 import Event
from tbio.proto.plugin_data_pb2 import MeshPluginData
from tbio.proto.summary_pb2 import (
    DATA_CLASS_TENSOR,
    DATA_CLASS_UNKNOWN,
    Summary,
    SummaryMetadata,
)

#: A tetrahedron, as one of a batch.
VERTICES = np.array([[[1, 1, 1], [-1, -1, 1], [1, -1, -1], [-1, 1, -1]]], np.float32)
COLORS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 0, 255]]])
FACES = np.array([[[0, 2, 3], [0, 3, 1], [0, 1, 2], [1, 3, 2]]])
CONFIG = {"material": {"cls": "PointsMaterial", "size": 0.5}, "camera": {"fov": 75}}


def prepared(*arguments: Any, **more: Any) -> mesh.Mesh:
    result, amiss = mesh.prepare(*arguments, **more)
    assert amiss == ""
    return result


def decoded(value: Summary.Value) -> npt.NDArray[Any]:
    """The array as TensorBoard reads it."""
    theirs = summary_pb2.Summary.Value.FromString(value.SerializeToString())
    array: npt.NDArray[Any] = tensor_util.make_ndarray(theirs.tensor)
    return array


def test_golden() -> None:
    (value,) = mesh.encode("cloud", prepared([[0.5, -1, 2]]), "", "of *whom*")
    content = bytes.fromhex(
        "12 05 636c6f7564"  # name (field 2): "cloud"
        "18 01"  # content_type: VERTEX
        "2a 02 7b7d"  # json_config (field 5): {}
        "32 03 010103"  # shape: 1, 1, 3
        "38 02"  # components: 1 << VERTEX
    )
    assert value.metadata == SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name="mesh", content=content),
        summary_description="of *whom*",
        data_class=DATA_CLASS_TENSOR,
    )
    assert value.tag == "cloud_VERTEX"
    assert value.tensor.SerializeToString() == bytes.fromhex(
        "08 01"  # dtype: DT_FLOAT
        "12 0c 12020801 12020801 12020803"  # tensor_shape: 1, 1, 3
        "22 0c 0000003f 000080bf 00000040"  # tensor_content
    )


@pytest.mark.parametrize("config", [None, {}, CONFIG], ids=["none", "empty", "config"])
@pytest.mark.parametrize("with_colors", [False, True])
@pytest.mark.parametrize("with_faces", [False, True])
def test_as_tensorboards_own_encoder(
    with_colors: bool,
    with_faces: bool,
    config: dict[str, Any] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``mesh_pb`` of tensorboard/plugins/mesh/summary_v2.py; it sets no data class."""
    # It asks TensorFlow for the names of three dtypes, and for nothing else.
    monkeypatch.setattr(summary_v2, "tf", dtypes)
    colors, faces = COLORS if with_colors else None, FACES if with_faces else None
    theirs = summary_v2.mesh_pb("x", VERTICES, faces, colors, config, "of *whom*")
    ours = mesh.encode("x", prepared(VERTICES, colors, faces, config), "", "of *whom*")
    assert len(ours) == len(theirs.value) == 1 + with_colors + with_faces
    for our, their in zip(ours, theirs.value, strict=True):
        array = tensor_util.make_ndarray(their.tensor)
        assert decoded(our).dtype == array.dtype
        assert (decoded(our) == array).all()
        assert our.tensor.dtype == their.tensor.dtype
        our.ClearField("tensor")
        their.ClearField("tensor")
        our.metadata.data_class = DATA_CLASS_UNKNOWN
        assert our == Summary.Value.FromString(their.SerializeToString())


def parts(values: list[Summary.Value]) -> dict[str, tuple[str, list[int], int, str]]:
    """Tag -> name, shape, components and settings, as the metadata say."""
    found = {}
    for value in values:
        data = MeshPluginData.FromString(value.metadata.plugin_data.content)
        found[value.tag] = (data.name, list(data.shape), data.components, data.json_config)
    return found


def test_the_parts_know_of_each_other() -> None:
    values = mesh.encode("a/b", prepared(VERTICES, COLORS, FACES, CONFIG))
    config = '{"camera": {"fov": 75}, "material": {"cls": "PointsMaterial", "size": 0.5}}'
    common = 0b1110, config
    assert parts(values) == {
        "a/b_VERTEX": ("a/b", [1, 4, 3], *common),
        "a/b_FACE": ("a/b", [1, 4, 3], *common),
        "a/b_COLOR": ("a/b", [1, 4, 3], *common),
    }


# ------------------------------------------------------------------ shapes


def test_one_mesh_is_a_batch_of_one() -> None:
    whole = prepared(VERTICES, COLORS, FACES)
    single = prepared(VERTICES[0], COLORS[0], FACES[0])
    for one, other in zip(whole[:3], single[:3], strict=True):
        assert isinstance(one, np.ndarray)
        assert isinstance(other, np.ndarray)
        assert (one == other).all()
        assert one.shape == other.shape == (1, 4, 3)


def test_colors_and_faces_for_all_meshes() -> None:
    two = np.concatenate([VERTICES, VERTICES * 2])
    shared = prepared(two, COLORS[0], FACES[0, :2])
    assert shared.colors is not None
    assert shared.faces is not None
    assert shared.colors.tolist() == [COLORS[0].tolist()] * 2
    assert shared.faces.tolist() == [FACES[0, :2].tolist()] * 2
    assert parts(mesh.encode("x", shared))["x_FACE"][1] == [2, 2, 3]


def test_no_faces_are_a_legal_number_of_faces() -> None:
    none = prepared(VERTICES, None, np.empty((1, 0, 3), int))
    assert [value.tag for value in mesh.encode("x", none)] == ["x_VERTEX", "x_FACE"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.zeros(3),), r"vertices: want shape \[meshes, n, 3\] or \[n, 3\], got \[3\]"),
        ((np.zeros((4, 2)),), r"vertices: want shape .* got \[4, 2\]"),
        ((np.zeros((1, 1, 4, 3)),), r"vertices: want shape .* got \[1, 1, 4, 3\]"),
        ((0.5,), r"vertices: want shape .* got \[\]"),
        ((np.zeros((0, 3)),), r"want vertices, got an array of shape \[1, 0, 3\]"),
        ((np.zeros((0, 4, 3)),), r"want vertices, got an array of shape \[0, 4, 3\]"),
        (([[1, 2, 3], [4, 5]],), "vertices: no array can be made"),
        ((VERTICES, COLORS[:, :2]), r"colors of shape \[1, 2, 3\] for vertices of shape \[1, 4, 3"),
        ((VERTICES, np.zeros((1, 4, 4), int)), r"colors: want shape .* got \[1, 4, 4\]"),
        ((VERTICES, np.zeros((2, 4, 3), int)), r"colors of shape \[2, 4, 3\] for 1 meshes"),
        ((np.zeros((3, 4, 3)), None, FACES), r"faces of shape \[1, 4, 3\] for 3 meshes"),
        ((VERTICES, None, [[0, 1]]), r"faces: want shape .* got \[1, 2\]"),
        ((VERTICES, None, [[0, 1, 4]]), "faces: want indexes from 0 to 3, got 4"),
        ((VERTICES, None, [[0, 1, -1]]), "faces: want indexes from 0 to 3, got -1"),
        ((VERTICES, None, [[0, 1, 1.5]]), r"faces: want indexes from 0 to 3, got 1\.5"),
        ((VERTICES, None, [[0, 1, np.nan]]), "faces: want indexes from 0 to 3, got nan"),
        ((VERTICES, None, [[0, 1, 2**40]]), "faces: want indexes from 0 to 3, got 1099511627776"),
        ((VERTICES, None, None, {"fov": np.inf}), "config_dict: .*not JSON compliant"),
    ],
)
def test_what_does_not_fit(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mesh.prepare(*arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None,), "vertices: want numbers, got NoneType"),
        ((VERTICES * 1j,), "vertices: want real numbers, got complex"),
        ((VERTICES, "red"), "colors: want numbers, got str 'red'"),
        ((VERTICES, COLORS > 0), "colors: want integers .* got bool"),
        ((VERTICES, None, "x"), "faces: want numbers"),
        ((VERTICES, None, None, "{}"), "config_dict: want a dict, got str"),
        ((VERTICES, None, None, {"fov": {1}}), "config_dict: .*set is not JSON serializable"),
    ],
)
def test_what_is_no_mesh(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        mesh.prepare(*arguments)


# ------------------------------------------------------------------ values


@pytest.mark.parametrize("dtype", ["float16", "float64", "int64", "uint8"])
def test_vertices_become_float32(dtype: str) -> None:
    vertices = np.array([[0, 1, 2], [3, 4, 5]], dtype)
    got = prepared(vertices).vertices
    assert (got.dtype.name, got.tolist()) == ("float32", [[[0, 1, 2], [3, 4, 5]]])


def test_vertices_that_are_not_finite_are_told_of() -> None:
    vertices = [[np.nan, 0, np.inf], [0, 1e300, 0], [1, 1, 1]]
    cloud, amiss = mesh.prepare(vertices)
    assert amiss == "3 of 9 coordinates are not finite: TensorBoard may draw nothing"
    assert np.isnan(cloud.vertices[0, 0, 0])
    assert cloud.vertices[0, 1, 1] == np.inf


@pytest.mark.parametrize("dtype", ["int64", "uint16", "float32"])
def test_faces_become_int32(dtype: str) -> None:
    got = prepared(VERTICES, None, FACES.astype(dtype)).faces
    assert got is not None
    assert got.dtype == np.int32
    assert (got == FACES).all()


def colors_of(row: Any, dtype: str) -> tuple[list[int], str]:
    """A vertex's color as it is stored, and what was amiss."""
    cloud, amiss = mesh.prepare([[0, 0, 0]], np.array([row], dtype))
    assert cloud.colors is not None
    assert cloud.colors.dtype == np.uint8
    return cloud.colors[0, 0].tolist(), amiss


@pytest.mark.parametrize(
    ("row", "dtype", "stored", "amiss"),
    [
        ([0, 128, 255], "uint8", [0, 128, 255], 0),
        ([0, 128, 255], "int64", [0, 128, 255], 0),
        ([0, 1, 1], "int32", [0, 1, 1], 0),  # integers are always from 0 to 255
        ([-1, 256, 255], "int32", [0, 255, 255], 2),
        ([0, 2**63, 1], "uint64", [0, 255, 1], 1),
        ([0.0, 0.5, 1.0], "float32", [0, 128, 255], 0),
        ([0.0, 0.25, 1.0], "float16", [0, 64, 255], 0),
        ([1 / 255, 2 / 255, 254 / 255], "float64", [1, 2, 254], 0),
        ([-0.5, 1.01, 1.0], "float32", [0, 255, 255], 2),
        ([0.0, 128.0, 255.0], "float32", [0, 128, 255], 0),  # torch's way to give them
        ([0.0, 100.4, 300.0], "float64", [0, 100, 255], 1),
        ([np.nan, 0.5, 1.0], "float32", [0, 128, 255], 1),
        ([np.inf, 0.5, -np.inf], "float32", [255, 128, 0], 2),  # no sign of a scale up to 255
    ],
)
def test_colors(row: Any, dtype: str, stored: list[int], amiss: int) -> None:
    words = f"{amiss} of 3 colors are out of range: clipped" if amiss else ""
    assert colors_of(row, dtype) == (stored, words)


def test_the_mesh_is_the_callers_no_more() -> None:
    arrays: list[npt.NDArray[Any]]
    arrays = [VERTICES.copy(), COLORS.astype(np.uint8), FACES.astype(np.int32)]
    before = mesh.encode("x", prepared(*arrays))
    same = prepared(*arrays)
    for array in arrays:
        array[:] = 0
    assert mesh.encode("x", same) == before
    with pytest.raises(ValueError, match="read-only"):
        same.vertices[0] = 0


# ------------------------------------------------------------------ decoding


def read(values: list[Summary.Value]) -> mesh.Mesh:
    """The parts put together again."""
    parts = {
        mesh.part_of(value.tag, value.metadata)[1]: mesh.decode(value, value.metadata)
        for value in values
    }
    return mesh.Mesh(
        parts["vertices"],
        parts.get("colors"),
        parts.get("faces"),
        mesh.config_of(values[0].metadata),
    )


def same(one: mesh.Mesh, other: mesh.Mesh) -> None:
    for a, b in zip(one[:3], other[:3], strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
            assert not b.flags.writeable
    assert one.config == other.config


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.none() | st.integers(0, 4),
    st.booleans(),
    st.dictionaries(
        st.text(max_size=3), st.floats(allow_nan=False, allow_infinity=False) | st.text()
    ),
    st.integers(0, 2**32 - 1),
)
def test_what_is_written_is_read(
    batch: int, count: int, faces: int | None, colors: bool, config: dict[str, Any], seed: int
) -> None:
    random = np.random.default_rng(seed)
    cloud, _ = mesh.prepare(
        random.normal(size=(batch, count, 3)),
        random.integers(0, 256, (batch, count, 3)) if colors else None,
        None if faces is None else random.integers(0, count, (batch, faces, 3)),
        config,
    )
    assert cloud.config == config
    same(cloud, read(mesh.encode("some/tag", cloud)))


def test_what_a_mesh_looks_like() -> None:
    assert repr(prepared(VERTICES, COLORS, FACES)) == (
        "<Mesh: batch of 1, 4 vertices with colors, 4 faces>"
    )
    assert repr(prepared(VERTICES)) == "<Mesh: batch of 1, 4 vertices>"


def described(**fields: Any) -> SummaryMetadata:
    content = MeshPluginData(**fields).SerializeToString()
    plugin_data = SummaryMetadata.PluginData(plugin_name="mesh", content=content)
    return SummaryMetadata(plugin_data=plugin_data)


@pytest.mark.parametrize(
    ("tag", "metadata", "name", "part"),
    [
        ("a/b_VERTEX", described(name="a/b", content_type=1), "a/b", "vertices"),
        ("a/b_2", described(name="a/b", content_type=2), "a/b", "faces"),
        ("whatever", described(name="x", content_type=3), "x", "colors"),
        ("x_FACE", described(name="x", content_type=3), "x", "colors"),  # the metadata count
        ("x_FACE", described(name="x"), "x", "faces"),
        ("x_y_FACE", described(content_type=2), "x_y", "faces"),
        ("x_COLOR", described(), "x", "colors"),
        ("x_3", SummaryMetadata(), "x", "colors"),
        ("x_1", SummaryMetadata(), "x", "vertices"),
        ("_FACE", SummaryMetadata(), "", "faces"),
        ("x", described(name="x"), "x", "vertices"),
        ("x_y", SummaryMetadata(), "x_y", "vertices"),
        ("", SummaryMetadata(), "", "vertices"),
        ("x_FACE", described(name="y", content_type=9), "y", "faces"),
    ],
)
def test_part_of(tag: str, metadata: SummaryMetadata, name: str, part: str) -> None:
    assert mesh.part_of(tag, metadata) == (name, part)


def test_metadata_that_are_no_message() -> None:
    broken = described(name="x")
    broken.plugin_data.content = b"\xff\xff"
    assert mesh.part_of("x_FACE", broken) == ("x", "faces")
    assert mesh.config_of(broken) == {}


@pytest.mark.parametrize(
    ("text", "config"), [("", {}), ("null", {}), ("{}", {}), ('{"a": [1]}', {"a": [1]})]
)
def test_config_of(text: str, config: dict[str, Any]) -> None:
    assert mesh.config_of(described(json_config=text)) == config


@pytest.mark.parametrize("text", ["{", "[]", "3", '"x"', "[" * 100_000, "1" * 10_000])
def test_settings_that_are_none(text: str) -> None:
    with pytest.raises(DecodeError, match="settings of a mesh that are no JSON"):
        mesh.config_of(described(json_config=text))


def part(name: str, array: Any) -> Summary.Value:
    return Summary.Value(tag=f"x_{name}", tensor=tensor.encode(array))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "int32", "uint64"])
def test_parts_of_any_number_type(dtype: str) -> None:
    given_array = np.array([[[0, 1, 255], [3, 2, 1]]], dtype)
    for name, expected in (("VERTEX", "float32"), ("FACE", "int32"), ("COLOR", "uint8")):
        got = mesh.decode(part(name, given_array), SummaryMetadata())
        assert (got.dtype.name, got.tolist()) == (expected, given_array.tolist())
        assert not got.flags.writeable


@pytest.mark.parametrize(
    ("name", "row", "words"),
    [
        ("FACE", [0, 1, 0.5], "faces of a mesh that are no int32: 0.5"),
        ("FACE", [0, np.nan, 1], "faces of a mesh that are no int32: nan"),
        ("FACE", [0, 1, 2.0**31], "faces of a mesh that are no int32: 2147483648"),
        ("FACE", [0, 1, -np.inf], "faces of a mesh that are no int32: -inf"),
        ("COLOR", [0, 256, 1], "colors of a mesh that are no uint8: 256"),
        ("COLOR", [0, -1, 1], "colors of a mesh that are no uint8: -1"),
        ("COLOR", [0, 0.5, 1], "colors of a mesh that are no uint8: 0.5"),
    ],
)
def test_numbers_that_are_not_exact(name: str, row: list[float], words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        mesh.decode(part(name, [[[0, 0, 0], row]]), SummaryMetadata())


def test_whole_numbers_at_the_limits() -> None:
    faces = np.array([[[2**31 - 1, -(2**31), 0]]])
    got = mesh.decode(part("FACE", faces), SummaryMetadata())
    assert (got.dtype.name, got.tolist()) == ("int32", faces.tolist())
    with pytest.raises(DecodeError, match="no int32: 4294967296"):
        mesh.decode(part("FACE", faces * 0 + 2**32), SummaryMetadata())


def test_vertices_need_not_be_exact() -> None:
    got = mesh.decode(part("VERTEX", [[[0.1, 1e300, np.nan]]]), SummaryMetadata())
    np.testing.assert_array_equal(got, np.array([[[0.1, np.inf, np.nan]]], np.float32))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Summary.Value(tag="x_FACE"), "faces of a mesh without a tensor: it holds nothing"),
        (Summary.Value(simple_value=1), "vertices of a mesh without a tensor: it holds simple"),
        (part("VERTEX", np.zeros((4, 3))), r"vertices of a mesh as DT_DOUBLE of shape \[4, 3\]"),
        (part("COLOR", np.zeros((1, 4, 4))), r"colors of a mesh as DT_DOUBLE of shape \[1, 4, 4\]"),
        (part("VERTEX", np.zeros((1, 1, 1, 3))), r"of shape \[1, 1, 1, 3\]"),
        (part("VERTEX", 0.5), r"of shape \[\]"),
        (part("VERTEX", np.zeros((1, 4, 3)) * 1j), "as DT_COMPLEX128"),
        (part("COLOR", np.zeros((1, 4, 3), bool)), "as DT_BOOL"),
        (part("VERTEX", np.full((1, 1, 3), "a")), "as DT_STRING"),
    ],
)
def test_no_part_of_a_mesh(value: Summary.Value, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        mesh.decode(value, SummaryMetadata())


def test_a_batch_of_none() -> None:
    assert mesh.decode(part("VERTEX", np.zeros((0, 4, 3))), SummaryMetadata()).shape == (0, 4, 3)


STEPS = st.lists(st.integers(0, 4), max_size=12)


@settings(max_examples=300, deadline=None)
@given(STEPS, STEPS)
def test_pair(steps: list[int], others: list[int]) -> None:
    """The k-th point of a step belongs to the other's k-th, found one by one."""
    expected = []
    for place, step in enumerate(steps):
        places = [index for index, other in enumerate(others) if other == step]
        which = steps[:place].count(step)
        expected.append(places[which] if which < len(places) else -1)
    got = mesh.pair(np.array(steps, np.int64), np.array(others, np.int64))
    assert (got.dtype.name, got.tolist()) == ("int64", expected)


def test_the_corpus_as_tensorboard_reads_it(corpus: Path) -> None:
    meshes: dict[tuple[str, str], dict[str, Summary.Value]] = {}
    for path, tags in truth_of(corpus, "mesh").items():
        writer = path.split("/")[1]
        values = values_of(corpus / path)
        for tag, one in tags.items():
            name, which = mesh.part_of(tag, values[tag][0].metadata)
            expected = {"vertices": "VERTEX", "faces": "FACE", "colors": "COLOR"}[which]
            assert (name, expected) == (one["mesh"]["name"], one["mesh"]["content_type"])
            assert (
                list(mesh.decode(values[tag][-1], values[tag][0].metadata).shape)
                == (one["mesh"]["last"]["shape"])
            )
            meshes.setdefault((writer, name), {})[which] = values[tag][0]
    assert sorted(meshes) == [
        ("tensorboardX", "cloud"),
        ("tensorboardX", "mesh"),
        ("tensorflow", "cloud"),
        ("tensorflow", "tetra"),
        ("torch", "cloud"),
        ("torch", "mesh"),
    ]
    tetrahedron = prepared(VERTICES, COLORS, FACES, {"material": {"cls": "PointsMaterial"}})
    for writer in ("torch", "tensorboardX"):
        same(tetrahedron, read([*meshes[writer, "mesh"].values()]))
        cloud = read([*meshes[writer, "cloud"].values()])
        assert (cloud.vertices.shape, cloud.colors, cloud.faces) == ((1, 30, 3), None, None)
        assert cloud.config == {}
    tetra = read([*meshes["tensorflow", "tetra"].values()])
    corners = [[[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]]
    triangles = [[[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]]
    config = {"camera": {"cls": "PerspectiveCamera", "fov": 75}}
    same(prepared(corners, None, triangles, config), tetra)
    colored = meshes["tensorflow", "cloud"]["colors"]
    assert mesh.decode(colored, colored.metadata).tolist() == decoded(colored).tolist()


# ------------------------------------------------------------------ against the others


def corpus_mesh(corpus: Path, folder: str) -> dict[tuple[str, int], Summary.Value]:
    found = {}
    for path in (corpus / "peers" / folder).iterdir():
        for event in read_events(path):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "mesh":
                    found[value.tag, event.step] = value
    return found


def test_as_tensorflow_writes_it(corpus: Path) -> None:
    """The tetrahedron of peer_tensorflow.py; what was random is had back from the file."""
    theirs = corpus_mesh(corpus, "tensorflow/v2_mesh")
    vertices = [[[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]]
    faces = [[[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]]
    config = {"camera": {"cls": "PerspectiveCamera", "fov": 75}}
    for value in mesh.encode("tetra", prepared(vertices, None, faces, config)):
        value.metadata.data_class = DATA_CLASS_UNKNOWN
        assert value == theirs[value.tag, 0]
    for step in range(2):
        points, tints = theirs["cloud_VERTEX", step], theirs["cloud_COLOR", step]
        ours = mesh.encode("cloud", prepared(decoded(points), decoded(tints)))
        # TensorFlow leaves int64 as it is given; uint8 is what the page draws.
        assert decoded(tints).dtype == np.int64
        assert decoded(ours[1]).dtype == np.uint8
        assert (decoded(ours[1]) == decoded(tints)).all()
        assert ours[0].tensor == points.tensor
        assert [our.metadata.plugin_data for our in ours] == [
            their.metadata.plugin_data for their in (points, tints)
        ]


@pytest.mark.parametrize(
    ("peer", "tags"),
    [
        ("torch", ["mesh_VERTEX", "mesh_FACE", "mesh_COLOR"]),
        ("tensorboardX", ["mesh_1", "mesh_2", "mesh_3"]),  # which are not what it should be
    ],
)
def test_the_peers_write_floats(corpus: Path, peer: str, tags: list[str]) -> None:
    """The values are the same; faces and colors as float32 are what TensorBoard has to cast."""
    theirs = corpus_mesh(corpus, f"{peer}/pr_mesh_layout")
    config = {"material": {"cls": "PointsMaterial"}}
    ours = mesh.encode("mesh", prepared(VERTICES, COLORS, FACES, config))
    for value, tag in zip(ours, tags, strict=True):
        their = theirs[tag, 3]
        assert decoded(their).dtype == np.float32
        assert (decoded(value) == decoded(their)).all()
        data, theirs_data = (
            MeshPluginData.FromString(one.metadata.plugin_data.content) for one in (value, their)
        )
        assert theirs_data.components == (0b1110 if peer == "torch" else 0)
        theirs_data.components = data.components
        assert data == theirs_data
    assert json.loads(data.json_config) == config


@pytest.mark.full
def test_tensors_of_torch() -> None:
    import torch

    ours = prepared(
        torch.tensor(VERTICES, requires_grad=True, dtype=torch.bfloat16),
        torch.tensor(COLORS, dtype=torch.int),
        torch.tensor(FACES, dtype=torch.int),
    )
    assert mesh.encode("x", ours) == mesh.encode("x", prepared(VERTICES, COLORS, FACES))


# ------------------------------------------------------------------ on the real TensorBoard


@pytest.mark.parametrize("backend", BACKENDS)
def test_tensorboard_serves_it(backend: Any, tmp_path: Path) -> None:
    two = np.concatenate([VERTICES, VERTICES / 3])
    shown = {0: prepared(two, None, FACES[0], CONFIG), 5: prepared(two, COLORS[0], FACES[0, ::-1])}
    with EventFileWriter(tmp_path) as writer:
        for step, meshes in shown.items():
            values = mesh.encode("a/tetra", meshes)
            writer.add_event(Event(wall_time=1, step=step, summary=Summary(value=values)))
    plugin = "/data/plugin/mesh"
    with TensorBoardServer(tmp_path, backend) as server:
        server.wait_for(f"{plugin}/tags", lambda tags: tags == {".": {"a/tetra": {"samples": 2}}})
        listed = server.wait_for(
            f"{plugin}/meshes", lambda listed: len(listed) == 5, run=".", tag="a/tetra", sample=0
        )
        assert sorted((entry["step"], entry["content_type"]) for entry in listed) == [
            (0, 1),
            (0, 2),
            (5, 1),
            (5, 2),
            (5, 3),
        ]
        assert all(entry["data_shape"] == [2, 4, 3] for entry in listed)
        assert json.loads(listed[0]["config"]) == CONFIG
        for step, meshes in shown.items():
            for sample in range(2):
                for kind, part in zip(("VERTEX", "COLOR", "FACE"), meshes[:3], strict=True):
                    content = server.get(
                        f"{plugin}/data",
                        run=".",
                        tag="a/tetra",
                        content_type=kind,
                        sample=sample,
                        step=step,
                    )
                    assert content == (b"" if part is None else part[sample].tobytes())
