"""Does a YAML document fit a model, and if not: every fault, with its line and the nearest valid name?"""

import json
from collections.abc import Iterator
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.adapters.files.strict_yaml import Document, Path
from bot.core.errors import ConfigError, nearest

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: Document, *, strict: bool = True) -> M:
    """The document as a `model`. Raises one ConfigError with a line for every fault.

    Strict means that `"80"` is no integer and `80` no text: what is written is what is meant.
    """
    if document.value is None:
        raise ConfigError(f"{document.file}:1: is empty")
    try:
        return model.model_validate_json(json.dumps(document.value), strict=strict)
    except ValidationError as error:
        found = error.errors(include_url=False)
        faults = [(_within(document.value, detail["loc"]), detail) for detail in found if not _follows(detail, found)]
        faults.sort(key=lambda fault: document.place(fault[0]).line)
        lines = dict.fromkeys(_line(model, document, path, detail) for path, detail in faults)
        raise ConfigError("\n".join(lines)) from None


def _follows(detail: ErrorDetails, found: list[ErrorDetails]) -> bool:
    """Whether a list is only too short because its items are faulty."""
    size = len(detail["loc"])
    return detail["type"] == "too_short" and any(
        other["loc"][:size] == detail["loc"] and len(other["loc"]) > size for other in found
    )


def _line(model: type[BaseModel], document: Document, path: Path, detail: ErrorDetails) -> str:
    where = ".".join(str(part) for part in path)
    place = document.place(path)
    if detail["type"] == "extra_forbidden":
        above = ".".join(str(part) for part in path[:-1])
        return f'{place}: unknown key "{path[-1]}"{f" in {above}" if above else ""}{nearest(*_names(model, path))}'
    if detail["type"] == "missing":
        missing = str(detail["loc"][-1])
        return f'{place}: {where + ": " if where else ""}"{missing}" is missing'
    said = detail["msg"].removeprefix("Value error, ")
    given = "" if isinstance(detail["input"], dict | list) else f", not {json.dumps(detail['input'])[:60]}"
    return f"{place}: {where + ': ' if where else ''}{said[:1].lower()}{said[1:]}{given}"


def _within(value: Any, loc: tuple[str | int, ...]) -> Path:
    """The part of an error's location that is in the document (unions add names that are not)."""
    path: list[str | int] = []
    for part in loc:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(part)
    return tuple(path)


def _names(model: type[BaseModel], path: Path) -> tuple[str, list[str]]:
    """The unknown key, and the keys that are known where it stands."""
    here: list[Any] = [model]
    for part in path[:-1]:
        here = [inner for annotation in here for inner in _step(annotation, part)]
    models = [found for annotation in here for found in _models(annotation)]
    return str(path[-1]), [field.alias or name for found in models for name, field in found.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from _models(option)


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    """What stands below `annotation` at a key or index."""
    for model in _models(annotation):
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                yield field.annotation
    if get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            if not (isinstance(option, type) and issubclass(option, BaseModel)):
                yield from _step(option, part)
    elif get_origin(annotation) in (list, tuple):
        yield from (option for option in get_args(annotation) if option is not Ellipsis)
    elif get_args(annotation):
        yield get_args(annotation)[-1]  # a mapping's value type
