"""Our messages are TensorBoard's under another package name: declaration by declaration and byte by
byte, judged by the descriptors and classes of the installed tensorboard.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor
from google.protobuf.message import Message
from proto_filler import binding_modules, fillings, message_types, serialize
from tensorboard.compat.proto import config_pb2, event_pb2, meta_graph_pb2
from tensorboard.plugins.audio import plugin_data_pb2 as audio_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.histogram import plugin_data_pb2 as histogram_pb2
from tensorboard.plugins.hparams import plugin_data_pb2 as hparams_pb2
from tensorboard.plugins.image import plugin_data_pb2 as image_pb2
from tensorboard.plugins.mesh import plugin_data_pb2 as mesh_pb2
from tensorboard.plugins.pr_curve import plugin_data_pb2 as pr_curve_pb2
from tensorboard.plugins.projector import projector_config_pb2
from tensorboard.plugins.scalar import plugin_data_pb2 as scalar_pb2
from tensorboard.plugins.text import plugin_data_pb2 as text_pb2

REPOSITORY = Path(__file__).resolve().parent.parent

# Loading these puts every file of tensorboard's that we follow into the pool.
TENSORBOARD_MODULES = (
    *(event_pb2, meta_graph_pb2, config_pb2, layout_pb2, projector_config_pb2, hparams_pb2),
    *(audio_pb2, histogram_pb2, image_pb2, mesh_pb2, pr_curve_pb2, scalar_pb2, text_pb2),
)

# Ours -> theirs, where it is not tbio.X -> tensorboard.X. Holds for what is nested in it too.
RENAMED = {
    "tbio.MeshPluginData": "tensorboard.mesh.MeshPluginData",
    "tbio.ProjectorConfig": "tensorboard.projector.ProjectorConfig",
    "tbio.EmbeddingInfo": "tensorboard.projector.EmbeddingInfo",
    "tbio.SpriteMetadata": "tensorboard.projector.SpriteMetadata",
}

# Fields of theirs that our messages lack: (our message, their field) -> why. None so far.
FIELDS_LEFT_OUT: dict[tuple[str, str], str] = {}

TENSORFLOW_SESSION = "drives a TF1 session or a cluster, is not stored in event files"
HPARAMS_SERVER = "request to TensorBoard's server or an answer of it"

# Declarations of theirs that we lack, in the files where we have others -> why.
DECLARATIONS_LEFT_OUT = {
    "tensorboard.WatchdogConfig": TENSORFLOW_SESSION,
    "tensorboard.RequestedExitCode": TENSORFLOW_SESSION,
    "tensorboard.WorkerHeartbeatRequest": TENSORFLOW_SESSION,
    "tensorboard.WorkerHeartbeatResponse": TENSORFLOW_SESSION,
    "tensorboard.WorkerHealth": TENSORFLOW_SESSION,
    "tensorboard.WorkerShutdownMode": TENSORFLOW_SESSION,
    "tensorboard.GPUOptions": TENSORFLOW_SESSION,
    "tensorboard.OptimizerOptions": TENSORFLOW_SESSION,
    "tensorboard.GraphOptions": TENSORFLOW_SESSION,
    "tensorboard.ThreadPoolOptionProto": TENSORFLOW_SESSION,
    "tensorboard.ConfigProto": TENSORFLOW_SESSION,
    "tensorboard.RunOptions": TENSORFLOW_SESSION,
    "tensorboard.TensorConnection": TENSORFLOW_SESSION,
    "tensorboard.CallableOptions": TENSORFLOW_SESSION,
    "tensorboard.BatchingOptions": TENSORFLOW_SESSION,
    "tensorboard.SerializedDType": "nothing refers to it",
    "tensorboard.hparams.SortOrder": HPARAMS_SERVER,
    "tensorboard.hparams.AggregationType": HPARAMS_SERVER,
    "tensorboard.hparams.SessionGroup": HPARAMS_SERVER,
    "tensorboard.hparams.MetricValue": HPARAMS_SERVER,
    "tensorboard.hparams.Session": HPARAMS_SERVER,
    "tensorboard.hparams.GetExperimentRequest": HPARAMS_SERVER,
    "tensorboard.hparams.ListSessionGroupsRequest": HPARAMS_SERVER,
    "tensorboard.hparams.ColParams": HPARAMS_SERVER,
    "tensorboard.hparams.ListSessionGroupsResponse": HPARAMS_SERVER,
    "tensorboard.hparams.ListMetricEvalsRequest": HPARAMS_SERVER,
}

OUR_FILES: list[FileDescriptor] = [module.DESCRIPTOR for module in binding_modules()]
OUR_MESSAGES: list[Descriptor] = [
    message for module in binding_modules() for message in message_types(module)
]


def our_enums() -> Iterator[EnumDescriptor]:
    for file in OUR_FILES:
        yield from file.enum_types_by_name.values()
    for message in OUR_MESSAGES:
        yield from message.enum_types


OUR_ENUMS = list(our_enums())


def their_name(our_name: str) -> str:
    """The full name which tensorboard has for a message or enum of ours, or of protobuf's own."""
    if not our_name.startswith("tbio."):
        return our_name
    for ours, theirs in RENAMED.items():
        if our_name == ours or our_name.startswith(f"{ours}."):
            return theirs + our_name.removeprefix(ours)
    return "tensorboard." + our_name.removeprefix("tbio.")


def their_message(ours: Descriptor) -> Descriptor:
    return descriptor_pool.Default().FindMessageTypeByName(their_name(ours.full_name))


def their_enum(ours: EnumDescriptor) -> EnumDescriptor:
    return descriptor_pool.Default().FindEnumTypeByName(their_name(ours.full_name))


class Field(NamedTuple):
    """What a field's declaration means: to the bytes, to the API, and to printed forms of it."""

    number: int
    name: str
    json_name: str
    type: int
    type_name: str
    label: int
    packed: bool
    oneof: str
    explicit_presence: bool
    default: str
    deprecated: bool


def fields(message: Descriptor) -> list[Field]:
    """The fields of a message by number, types under tensorboard's names."""
    file = descriptor_pb2.FileDescriptorProto()
    message.file.CopyToProto(file)
    assert file.syntax in ("", "proto2", "proto3"), "editions set packing and presence otherwise"
    declared = descriptor_pb2.DescriptorProto()
    message.CopyToProto(declared)
    found = []
    for field in declared.field:
        unpackable = (field.TYPE_STRING, field.TYPE_BYTES, field.TYPE_MESSAGE, field.TYPE_GROUP)
        packable = field.label == field.LABEL_REPEATED and field.type not in unpackable
        packed_by_default = file.syntax == "proto3"
        packed = field.options.packed if field.options.HasField("packed") else packed_by_default
        oneof = declared.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
        found.append(
            Field(
                number=field.number,
                name=field.name,
                json_name=message.fields_by_name[field.name].json_name,
                type=field.type,
                type_name=their_name(field.type_name.removeprefix(".")),
                label=field.label,
                packed=packable and packed,
                oneof=oneof,
                explicit_presence=message.fields_by_name[field.name].has_presence,
                default=field.default_value,
                deprecated=field.options.deprecated,
            )
        )
    return sorted(found)


def parsed_as(message: Message, descriptor: Descriptor) -> Message:
    """The bytes of a message, parsed with the class of another descriptor."""
    return message_factory.GetMessageClass(descriptor).FromString(serialize(message))


def as_dict(message: Message) -> dict[str, Any]:
    return dict(json_format.MessageToDict(message, preserving_proto_field_name=True))


def without_unknown_fields(message: Message) -> bytes:
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    return serialize(copy)


def full_name(item: object) -> str:
    """Test ids."""
    return str(getattr(item, "full_name", item))


def gen_protos(repository: Path, action: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/gen_protos.py", action],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )


def test_bindings_are_as_generated() -> None:
    result = gen_protos(REPOSITORY, "--check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_check_names_each_fault_and_update_repairs_them(tmp_path: Path) -> None:
    for folder in ("proto", "scripts", "tbio/proto"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    bindings = tmp_path / "tbio/proto"
    (bindings / "event_pb2.py").unlink()
    (bindings / "gone_pb2.pyi").touch()
    (bindings / "layout_pb2.py").write_bytes(b"")

    result = gen_protos(tmp_path, "--check")
    assert (result.returncode, result.stdout) == (1, "")
    assert [line.replace("\\", "/") for line in result.stderr.splitlines()] == [
        "missing:   tbio/proto/event_pb2.py",
        "left over: tbio/proto/gone_pb2.pyi",
        "differs:   tbio/proto/layout_pb2.py",
        "repair with: python scripts/gen_protos.py --update",
    ]
    assert gen_protos(tmp_path, "--update").returncode == 0
    assert gen_protos(tmp_path, "--check").returncode == 0
    assert not (bindings / "gone_pb2.pyi").exists()


def test_files_say_what_they_declare() -> None:
    sources = sorted((REPOSITORY / "proto/tbio/proto").glob("*.proto"))
    assert {f"tbio/proto/{source.name}" for source in sources} == {file.name for file in OUR_FILES}
    for source in sources:
        head = source.read_text(encoding="utf-8").partition("\nsyntax = ")[0]
        assert all(line.startswith("// ") for line in head.splitlines()), source.name
        assert "format follows TensorBoard 2.21" in head, source.name
        package = "tbio.hparams" if source.name == "hparams.proto" else "tbio"
        assert f"\npackage {package};\n" in source.read_text(encoding="utf-8")


@pytest.mark.parametrize("ours", OUR_MESSAGES, ids=full_name)
def test_message_is_declared_as_tensorboards(ours: Descriptor) -> None:
    theirs = their_message(ours)
    left_out = {field for message, field in FIELDS_LEFT_OUT if message == ours.full_name}
    assert left_out <= set(theirs.fields_by_name)
    assert fields(ours) == [field for field in fields(theirs) if field.name not in left_out]

    for ours_nested, theirs_nested in (
        (ours.nested_types_by_name, theirs.nested_types_by_name),
        (ours.enum_types_by_name, theirs.enum_types_by_name),
    ):
        assert set(ours_nested) == set(theirs_nested)
    for name, entry in ours.nested_types_by_name.items():
        if entry.GetOptions().map_entry:  # not in OUR_MESSAGES
            assert theirs.nested_types_by_name[name].GetOptions().map_entry
            assert fields(entry) == fields(theirs.nested_types_by_name[name])


@pytest.mark.parametrize("ours", OUR_ENUMS, ids=full_name)
def test_enum_is_declared_as_tensorboards(ours: EnumDescriptor) -> None:
    theirs = their_enum(ours)
    assert {value.name: value.number for value in ours.values} == {
        value.name: value.number for value in theirs.values
    }
    assert ours.values[0].name == theirs.values[0].name  # the default
    assert ours.is_closed == theirs.is_closed


def test_reserved_field_numbers_are_tensorboards() -> None:
    for ours in OUR_MESSAGES:
        our_proto, their_proto = descriptor_pb2.DescriptorProto(), descriptor_pb2.DescriptorProto()
        ours.CopyToProto(our_proto)
        their_message(ours).CopyToProto(their_proto)
        assert list(our_proto.reserved_range) == list(their_proto.reserved_range), ours.full_name
        assert list(our_proto.reserved_name) == list(their_proto.reserved_name), ours.full_name


def test_what_is_left_out_is_listed() -> None:
    """A declaration which a later tensorboard adds to these files fails here until it is judged."""
    followed = {their_message(message).file.name for message in OUR_MESSAGES}
    followed |= {their_enum(enum).file.name for enum in OUR_ENUMS}
    assert {module.DESCRIPTOR.name for module in TENSORBOARD_MODULES} <= followed

    theirs = set()
    for name in followed:
        file = descriptor_pool.Default().FindFileByName(name)
        for declaration in (file.message_types_by_name, file.enum_types_by_name):
            theirs |= {item.full_name for item in declaration.values()}
    ours = {their_name(item.full_name) for item in (*OUR_MESSAGES, *OUR_ENUMS)}
    assert theirs - ours == DECLARATIONS_LEFT_OUT.keys()


def test_names_are_unique_but_for_data_type() -> None:
    names = [item.full_name.rpartition(".")[2] for item in top_level_declarations()]
    assert {name for name in names if names.count(name) > 1} == {"DataType"}


def top_level_declarations() -> Iterator[Descriptor | EnumDescriptor]:
    for file in OUR_FILES:
        yield from file.message_types_by_name.values()
        yield from file.enum_types_by_name.values()


@pytest.mark.parametrize("ours", OUR_MESSAGES, ids=full_name)
def test_bytes_mean_the_same_to_tensorboard(ours: Descriptor) -> None:
    for message in fillings(ours):
        theirs = parsed_as(message, their_message(ours))
        assert as_dict(theirs) == as_dict(message)
        assert serialize(theirs) == without_unknown_fields(theirs) == serialize(message)


@pytest.mark.parametrize("ours", OUR_MESSAGES, ids=full_name)
def test_tensorboards_bytes_mean_the_same_to_us(ours: Descriptor) -> None:
    for theirs in fillings(their_message(ours)):
        message = parsed_as(theirs, ours)
        assert as_dict(message) == as_dict(theirs)
        assert serialize(message) == without_unknown_fields(message) == serialize(theirs)


@pytest.mark.parametrize("ours", OUR_MESSAGES, ids=full_name)
def test_fillings_leave_no_field_unset(ours: Descriptor) -> None:
    """The two tests above prove something only of fields that are there."""
    seen = {field.name for message in fillings(ours) for field, _ in message.ListFields()}
    assert seen == set(ours.fields_by_name)
