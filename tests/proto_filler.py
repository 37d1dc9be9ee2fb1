"""Fill protobuf messages of any type with telling values.

Run as a program it loads all bindings of tbio.proto, round-trips the fillings of every message in
them and prints a report as JSON; test_protobuf_versions.py runs it so under one protobuf release
after another. Warnings are errors then, except for those that old releases raise under new Pythons
by themselves, at the import of what stands at the top of this file.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import pkgutil
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import google.protobuf
from google.protobuf import any_pb2, message_factory, wrappers_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.internal import api_implementation
from google.protobuf.message import Message

MAX_DEPTH = 3  # messages nested deeper than this are present and empty

# Values for repeated fields beside the counted ones: the ends of each type's range.
EXTREMES: dict[int, tuple[Any, ...]] = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1, 0),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1, 0),
    FieldDescriptor.CPPTYPE_UINT32: (2**32 - 1, 0),
    FieldDescriptor.CPPTYPE_UINT64: (2**64 - 1, 0),
    FieldDescriptor.CPPTYPE_FLOAT: (
        *(float("inf"), float("-inf"), float("nan"), -0.0),
        *(2.0**-149, (2 - 2**-23) * 2.0**127),
    ),
    FieldDescriptor.CPPTYPE_DOUBLE: (
        *(float("inf"), float("-inf"), float("nan"), -0.0),
        *(5e-324, 1.7976931348623157e308),
    ),
    FieldDescriptor.CPPTYPE_BOOL: (False,),
}


def binding_modules() -> list[ModuleType]:
    """All generated modules of tbio.proto."""
    package = importlib.import_module("tbio.proto")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"tbio.proto.{name}") for name in names]


def message_types(module: ModuleType) -> Iterator[Descriptor]:
    """Every message declared in a generated module, nested ones included, map entries not."""

    def walk(descriptor: Descriptor) -> Iterator[Descriptor]:
        if not descriptor.GetOptions().map_entry:
            yield descriptor
            for nested in descriptor.nested_types:
                yield from walk(nested)

    for descriptor in module.DESCRIPTOR.message_types_by_name.values():
        yield from walk(descriptor)


def fillings(descriptor: Descriptor) -> Iterator[Message]:
    """Messages of a type with every field set, so many that each member of each oneof has its turn.

    The values of a message differ from each other (bools, enums and EXTREMES aside), so that a
    mix-up of two fields shows.
    """
    variants = max((len(oneof.fields) for oneof in descriptor.oneofs), default=1)
    for variant in range(variants):
        message = message_factory.GetMessageClass(descriptor)()
        _Filler(variant).fill(message, MAX_DEPTH)
        yield message


def serialize(message: Message) -> bytes:
    """The bytes of a message, maps sorted by key."""
    return message.SerializeToString(deterministic=True)


class _Filler:
    def __init__(self, variant: int) -> None:
        self.variant = variant  # counts through the members of each oneof
        self.count = itertools.count(1)

    def fill(self, message: Message, depth: int) -> None:
        """Set all fields, and leave nested messages empty when `depth` is used up."""
        if isinstance(message, any_pb2.Any):  # must name a known type to be printable as JSON
            message.Pack(wrappers_pb2.StringValue(value=f"any {next(self.count)}"))
            return
        for field in message.DESCRIPTOR.fields:
            members = field.containing_oneof.fields if field.containing_oneof else [field]
            if field.number == members[self.variant % len(members)].number:
                self.fill_field(message, field, depth)

    def fill_field(self, message: Message, field: Any, depth: int) -> None:
        if not is_repeated(field):
            if field.message_type is None:
                setattr(message, field.name, self.scalar(field))
            else:
                self.fill_nested(getattr(message, field.name), depth)
            return
        container: Any = getattr(message, field.name)
        if field.message_type is None:
            container.extend([self.scalar(field), self.scalar(field)])
            container.extend(EXTREMES.get(field.cpp_type, ()))
        elif field.message_type.GetOptions().map_entry:
            self.fill_map(container, field.message_type, depth)
        else:
            for _ in range(2):
                self.fill_nested(container.add(), depth)

    def fill_map(self, container: Any, entry: Descriptor, depth: int) -> None:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        # Runtimes agree on the order of keys which are strings; numbers upb writes descending and
        # pure Python ascending, so that one entry has to do.
        for _ in range(2 if key.type == FieldDescriptor.TYPE_STRING else 1):
            name = self.scalar(key)
            if value.message_type is None:
                container[name] = self.scalar(value)
            else:
                self.fill_nested(container[name], depth)

    def fill_nested(self, message: Message, depth: int) -> None:
        message.SetInParent()
        if depth:
            self.fill(message, depth - 1)

    def scalar(self, field: Any) -> Any:
        """A value other than the default; numbers alternate in sign where they have one."""
        number = next(self.count)
        sign = -1 if number % 2 else 1
        if field.type == FieldDescriptor.TYPE_STRING:
            return f"{field.name} {number} žλ🙂"
        if field.type == FieldDescriptor.TYPE_BYTES:
            return b"\x00\xff" + f"{field.name} {number}".encode()
        if field.enum_type is not None:
            values = field.enum_type.values[1:] or field.enum_type.values
            return values[number % len(values)].number
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return True
        if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
            return sign * (number + 0.125)
        if field.cpp_type in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64):
            return number
        return sign * number


def is_repeated(field: Any) -> bool:
    """Whether the field holds a list or a map: by its name in new releases, or in old ones."""
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)


def report() -> dict[str, str]:
    """Round-trip all fillings; give the runtime's version and kind, and a digest of the bytes."""
    digest = hashlib.sha256()
    for module in binding_modules():
        for descriptor in message_types(module):
            for message in fillings(descriptor):
                data = serialize(message)
                if serialize(type(message).FromString(data)) != data:
                    raise ValueError(f"{descriptor.full_name} changes in a round trip")
                digest.update(data)
    return {
        "version": google.protobuf.__version__,
        "implementation": api_implementation.Type(),
        "digest": digest.hexdigest(),
    }


if __name__ == "__main__":
    warnings.simplefilter("error")
    print(json.dumps(report()))
