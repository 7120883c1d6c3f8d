"""What types do the facts have, in the words of CEL?

The facts are pydantic models; CEL's checker knows protobuf messages. So each model becomes a message descriptor and
the checker finds undefined fields and wrong types before any host is asked. Nothing is ever stored in such messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2, wrappers_pb2
from pydantic import BaseModel

_PACKAGE = "facts"
_KIND = descriptor_pb2.FieldDescriptorProto
_SCALARS: tuple[tuple[type, int, str], ...] = (
    (bool, _KIND.TYPE_BOOL, ".google.protobuf.BoolValue"),
    (int, _KIND.TYPE_INT64, ".google.protobuf.Int64Value"),
    (float, _KIND.TYPE_DOUBLE, ".google.protobuf.DoubleValue"),
    (str, _KIND.TYPE_STRING, ".google.protobuf.StringValue"),
)
_ANY, _LIST, _STRUCT = ".google.protobuf.Value", ".google.protobuf.ListValue", ".google.protobuf.Struct"


@dataclass(frozen=True, slots=True)
class Schema:
    """CEL types of named values, with the descriptors they need."""

    pool: descriptor_pool.DescriptorPool
    types: Mapping[str, cel.Type]
    fields: Mapping[str, tuple[str, ...]]
    """Field names by message name, for the hint at a misspelt one."""

    @staticmethod
    def of(models: Mapping[str, type[BaseModel]]) -> "Schema":
        """The types of variables whose values are these models, dumped to plain data."""
        file = _File()
        types = {name: cel.Type(file.message(model)) for name, model in models.items()}
        pool = descriptor_pool.DescriptorPool()
        for known in (struct_pb2, wrappers_pb2):
            copy = descriptor_pb2.FileDescriptorProto()
            known.DESCRIPTOR.CopyToProto(copy)
            pool.Add(copy)
        pool.Add(file.proto)
        return Schema(pool, types, file.fields)


def parse_type(name: str) -> cel.Type:
    """The type that the checker prints as `name`: `LIST<facts.Listener>`, `MAP<STRING, INT>`, `facts.Unit`, `DYN`."""
    if name.startswith("LIST<"):
        return cel.Type.List(parse_type(name[5:-1]))
    if name.startswith("MAP<"):
        key, _, value = name[4:-1].partition(", ")
        return cel.Type.Map(parse_type(key), parse_type(value))
    known = getattr(cel.Type, name, None)
    if isinstance(known, cel.Type):
        return known
    return cel.Type(name) if name.startswith(f"{_PACKAGE}.") else cel.Type.DYN


class _File:
    """One descriptor file under construction: models become messages once each, also when they are recursive."""

    def __init__(self) -> None:
        self.proto = descriptor_pb2.FileDescriptorProto(
            name="facts.proto",
            package=_PACKAGE,
            syntax="proto3",
            dependency=["google/protobuf/struct.proto", "google/protobuf/wrappers.proto"],
        )
        self.names: dict[type[BaseModel], str] = {}
        self.fields: dict[str, tuple[str, ...]] = {}

    def message(self, model: type[BaseModel]) -> str:
        """The full name of the message for `model`."""
        if model in self.names:
            return self.names[model]
        short = model.__name__.lstrip("_")
        while f"{_PACKAGE}.{short}" in self.names.values():
            short += "_"
        name = self.names[model] = f"{_PACKAGE}.{short}"
        message = self.proto.message_type.add(name=short)
        hints = {key: field.annotation for key, field in model.model_fields.items()}
        hints |= {key: field.return_type for key, field in model.model_computed_fields.items()}
        self.fields[name] = tuple(hints)
        for number, (key, hint) in enumerate(hints.items(), 1):
            self._field(message, key, number, hint)
        return name

    def _field(self, message: descriptor_pb2.DescriptorProto, key: str, number: int, hint: Any) -> None:
        hint, nullable = _bare(hint)
        origin, args = get_origin(hint), get_args(hint)
        repeated = isinstance(origin, type) and issubclass(origin, Sequence | frozenset | set)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            entry = message.nested_type.add(name="".join(part.title() for part in key.split("_")) + "Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=_KIND.TYPE_STRING, label=_KIND.LABEL_OPTIONAL)
            self._single(entry, "value", 2, args[1])
            path = f".{_PACKAGE}.{message.name}.{entry.name}"
            message.field.add(
                name=key, number=number, type=_KIND.TYPE_MESSAGE, type_name=path, label=_KIND.LABEL_REPEATED
            )
        elif repeated and self._simple(args[0]):
            self._single(message, key, number, args[0]).label = _KIND.LABEL_REPEATED
        elif repeated:
            self._typed(message, key, number, _LIST)
        else:
            self._single(message, key, number, hint, nullable=nullable)

    def _simple(self, hint: Any) -> bool:
        bare, nullable = _bare(hint)
        return not nullable and isinstance(bare, type) and issubclass(bare, BaseModel | bool | int | float | str)

    def _single(
        self, message: descriptor_pb2.DescriptorProto, key: str, number: int, hint: Any, *, nullable: bool = False
    ) -> descriptor_pb2.FieldDescriptorProto:
        bare, null_inside = _bare(hint)
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            return self._typed(message, key, number, f".{self.message(bare)}")
        for scalar, kind, wrapper in _SCALARS:
            if isinstance(bare, type) and issubclass(bare, scalar):
                if nullable or null_inside:
                    return self._typed(message, key, number, wrapper)
                return message.field.add(name=key, number=number, type=kind, label=_KIND.LABEL_OPTIONAL)
        origin = get_origin(bare)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return self._typed(message, key, number, _STRUCT)
        if isinstance(origin, type) and issubclass(origin, Sequence | frozenset | set):
            return self._typed(message, key, number, _LIST)
        return self._typed(message, key, number, _ANY)

    def _typed(
        self, message: descriptor_pb2.DescriptorProto, key: str, number: int, type_name: str
    ) -> descriptor_pb2.FieldDescriptorProto:
        return message.field.add(
            name=key, number=number, type=_KIND.TYPE_MESSAGE, type_name=type_name, label=_KIND.LABEL_OPTIONAL
        )


def _bare(hint: Any) -> tuple[Any, bool]:
    """The annotation without Annotated and None, literals and enums as their value's type; and whether None may be."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not NoneType]
        nullable = len(options) < len(get_args(hint))
        return (_bare(options[0])[0] if len(options) == 1 else Any), nullable
    if get_origin(hint) is Literal:
        kinds = {type(value) for value in get_args(hint)}
        return (kinds.pop() if len(kinds) == 1 else Any), False
    if isinstance(hint, type) and issubclass(hint, Enum):
        kinds = {type(member.value) for member in hint}
        return (kinds.pop() if len(kinds) == 1 else Any), False
    return hint, False
