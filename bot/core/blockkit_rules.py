"""How is one JSON value held against a rule? The small vocabulary that the tables of Block Kit are written in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

CODE = "failed_constraint"


@dataclass(frozen=True, slots=True)
class Fault:
    """One refusal. `pointer` is a JSON pointer into what was checked; `constraint` as in `blocks.validate`."""

    pointer: str
    message: str
    constraint: Mapping[str, Any]
    code: str = CODE

    def document(self) -> dict[str, Any]:
        """The fault as Slack writes it in `errors[]`."""
        return {
            "code": self.code,
            "message": self.message,
            "pointer": self.pointer,
            "constraint": dict(self.constraint),
        }

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.message}"


Rule = Callable[[object, str], Iterator[Fault]]
"""Holds a value against one constraint; the string is the value's JSON pointer."""


def failed(pointer: str, kind: str, expected: object, message: str) -> Fault:
    """The fault of one constraint."""
    return Fault(pointer, message, {"type": kind, "expected": expected})


def anything(_value: object, _pointer: str) -> Iterator[Fault]:
    """Whatever it is."""
    return iter(())


def string(most: int | None = None, least: int = 1) -> Rule:
    """A string of `least` to `most` characters."""

    def check(value: object, pointer: str) -> Iterator[Fault]:
        if not isinstance(value, str):
            yield failed(pointer, "type", "string", f"must be a string, not {type(value).__name__}")
        elif len(value) < least:
            yield failed(pointer, "min_length", least, f"must be at least {least} characters")
        elif most is not None and len(value) > most:
            yield failed(pointer, "max_length", most, f"{len(value)} characters, at most {most}")

    return check


def url(most: int = 3000) -> Rule:
    """An http(s) address of at most `most` characters."""
    within = string(most)

    def check(value: object, pointer: str) -> Iterator[Fault]:
        wrong = list(within(value, pointer))
        yield from wrong
        if not wrong and not str(value).lower().startswith(("http://", "https://", "mailto:", "slack://")):
            yield failed(pointer, "format", "url", "must be an absolute http(s) address")

    return check


def enum(*values: object) -> Rule:
    """One of these values."""

    def check(value: object, pointer: str) -> Iterator[Fault]:
        if value not in values:
            yield failed(pointer, "enum", list(values), f"unsupported value: {value}")

    return check


def boolean(value: object, pointer: str) -> Iterator[Fault]:
    """True or false."""
    if not isinstance(value, bool):
        yield failed(pointer, "type", "boolean", f"must be a boolean, not {type(value).__name__}")


def integer(least: int, most: int) -> Rule:
    """A whole number from `least` to `most`."""

    def check(value: object, pointer: str) -> Iterator[Fault]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield failed(pointer, "type", "integer", f"must be an integer, not {type(value).__name__}")
        elif not least <= value <= most:
            yield failed(pointer, "range", [least, most], f"{value} is not within {least}..{most}")

    return check


def array(rule: Rule, most: int | None, least: int = 1) -> Rule:
    """A list of `least` to `most` values, each held against `rule`."""

    def check(value: object, pointer: str) -> Iterator[Fault]:
        if not isinstance(value, list | tuple):
            yield failed(pointer, "type", "array", f"must be an array, not {type(value).__name__}")
            return
        if len(value) < least:
            yield failed(pointer, "min_items", least, f"{len(value)} items, at least {least}")
        if most is not None and len(value) > most:
            yield failed(pointer, "max_items", most, f"{len(value)} items, at most {most}")
        for index, item in enumerate(value):
            yield from rule(item, f"{pointer}/{index}")

    return check


@dataclass(frozen=True, slots=True)
class Shape:
    """An object: the fields it must have, the fields it may have, and rules over the whole.

    A field in neither table is refused, as Slack does ("invalid additional property"), unless the shape is `open`.
    A field that may be there may also be null.
    """

    required: Mapping[str, Rule] = field(default_factory=dict)
    optional: Mapping[str, Rule] = field(default_factory=dict)
    also: tuple[Rule, ...] = ()
    open: bool = False

    def __call__(self, value: object, pointer: str) -> Iterator[Fault]:
        """Yield what is wrong with `value`."""
        if not isinstance(value, Mapping):
            yield failed(pointer, "type", "object", f"must be an object, not {type(value).__name__}")
            return
        for name, rule in self.required.items():
            if value.get(name) is None:
                yield failed(f"{pointer}/{name}", "required", name, f"missing required field: {name}")
            else:
                yield from rule(value[name], f"{pointer}/{name}")
        for name, part in value.items():
            if name in self.optional and part is not None:
                yield from self.optional[name](part, f"{pointer}/{name}")
            elif name not in self.required and name not in self.optional and not self.open:
                yield failed(f"{pointer}/{name}", "additional_property", name, f"invalid additional property: {name}")
        for rule in self.also:
            yield from rule(value, pointer)


def variant(shapes: Mapping[str, Shape]) -> Rule:
    """An object whose `type` chooses the shape."""

    def check(value: object, pointer: str) -> Iterator[Fault]:
        if not isinstance(value, Mapping):
            yield failed(pointer, "type", "object", f"must be an object, not {type(value).__name__}")
            return
        kind = value.get("type")
        shape = shapes.get(kind) if isinstance(kind, str) else None
        if shape is None:
            yield failed(f"{pointer}/type", "enum", sorted(shapes), f"unsupported type: {kind}")
        else:
            yield from shape(value, pointer)

    return check


def either(*names: str) -> Rule:
    """At least one of these fields is there."""

    def check(value: object, pointer: str) -> Iterator[Fault]:
        assert isinstance(value, Mapping)
        if all(value.get(name) is None for name in names):
            yield failed(pointer, "required", list(names), f"must have one of: {', '.join(names)}")

    return check


def only_one(*names: str) -> Rule:
    """Not two of these fields together."""

    def check(value: object, pointer: str) -> Iterator[Fault]:
        assert isinstance(value, Mapping)
        present = [name for name in names if value.get(name) is not None]
        if len(present) > 1:
            yield failed(pointer, "only_one", list(names), f"only one of: {', '.join(present)}")

    return check
