"""What did the asker give, as the typed values that a playbook's conditions use?"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, create_model

from bot.core.errors import AskError, nearest
from bot.core.playbook import Playbook
from bot.core.playbook_spec import ParamSpec

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_TYPES: Mapping[str, type] = {"integer": int, "string": str, "number": float, "boolean": bool, "duration": float}
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def model_of(params: Mapping[str, ParamSpec]) -> type[BaseModel]:
    """The parameters as a model, for the checker: what may be left out may be null."""
    fields: dict[str, Any] = {
        name: (_TYPES[spec.type] | None if spec.default is None and spec.optional else _TYPES[spec.type], ...)
        for name, spec in params.items()
    }
    made: type[BaseModel] = create_model("Params", **fields)
    return made


def convert(name: str, spec: ParamSpec, given: object) -> Any:
    """A given value (text, or already typed) as the parameter's type. Raises AskError with what it should be."""
    value = _typed(name, spec, given)
    if spec.choices and value not in spec.choices:
        raise AskError(f'{name}: "{value}" is none of {", ".join(spec.choices)}')
    low, high = spec.min, spec.max
    if (low is not None and value < low) or (high is not None and value > high):
        span = f"from {low} to {high}" if low is not None and high is not None else ""
        raise AskError(f"{name}: {value} must be {span or (f'at least {low}' if high is None else f'at most {high}')}")
    return value


def _typed(name: str, spec: ParamSpec, given: object) -> Any:
    text = str(given).strip() if not isinstance(given, bool) else str(given).lower()
    try:
        if spec.type == "integer":
            return int(text)
        if spec.type == "number":
            return float(text)
    except ValueError:
        raise AskError(f'{name}: "{text}" is no {spec.type}') from None
    if spec.type == "boolean":
        if text.lower() not in _TRUTHS:
            raise AskError(f'{name}: "{text}" is neither true nor false')
        return _TRUTHS[text.lower()]
    if spec.type == "duration":
        found = _DURATION.fullmatch(text)
        if not found:
            raise AskError(f'{name}: "{text}" is no duration; write 500ms, 30s, 5m or 1h')
        return float(found[1]) * _SECONDS[found[2]]
    return text


def bind(playbook: Playbook, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a playbook's parameters; what it does not declare is not looked at. Raises AskError."""
    bound: dict[str, Any] = {}
    for name, spec in playbook.params.items():
        if name in given:
            bound[name] = convert(name, spec, given[name])
        elif spec.default is not None:
            bound[name] = convert(name, spec, spec.default)
        elif spec.optional:
            bound[name] = None
        else:
            raise AskError(f"{playbook.name} needs {name}=…{f' ({spec.about})' if spec.about else ''}")
    return bound


def check_params(playbooks: Iterable[Playbook], given: Mapping[str, Any]) -> None:
    """Raise AskError for a parameter that no chosen playbook has, or a value that does not fit."""
    chosen = list(playbooks)
    known = {name for playbook in chosen for name in playbook.params}
    for name in given:
        if name not in known:
            raise AskError(f'no parameter "{name}" in {", ".join(p.name for p in chosen)}{nearest(name, known)}')
    for playbook in chosen:
        bind(playbook, given)
