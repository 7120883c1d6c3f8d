"""Would the action that a finding offers accept these parameters?"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from bot.core.cel_faults import spoken
from bot.core.checker import Checker, Path
from bot.core.condition import Names
from bot.core.errors import nearest
from bot.core.playbook import OfferRule
from bot.core.playbook_spec import OfferSpec
from bot.core.template import Template


def check_offer(checker: Checker, at: Path, spec: OfferSpec, names: Names) -> OfferRule:
    """The offer and its next steps, compiled; faults are noted with the checker."""
    action = checker.actions.get(spec.action)
    if action is None:
        checker.tell((*at, "action"), f'no action "{spec.action}"{nearest(spec.action, checker.actions)}')
    fields: Mapping[str, FieldInfo] = action.params.model_fields if action else {}
    params: dict[str, object] = {}
    for key, value in spec.with_.items():
        path = (*at, "with", key)
        params[key] = _param(checker, path, value, names)
        if action and key not in fields:
            checker.tell(path, f'{spec.action} has no parameter "{key}"{nearest(key, fields)}')
        elif action:
            _fits(checker, path, params[key], fields[key])
    for key, needed in fields.items():
        if needed.is_required() and key not in spec.with_:
            checker.tell((*at, "with"), f'{spec.action} needs the parameter "{key}"')
    return OfferRule(
        action=spec.action,
        params=MappingProxyType(params),
        when=checker.condition((*at, "when"), spec.when, names),
        say=checker.template((*at, "say"), spec.say, names),
        then=check_offer(checker, (*at, "then"), spec.then, names) if spec.then else None,
    )


def _param(checker: Checker, path: Path, value: Any, names: Names) -> object:
    if isinstance(value, list):
        return [_param(checker, (*path, place), item, names) for place, item in enumerate(value)]
    if isinstance(value, str):
        template = checker.template(path, value, names)
        plain = all(isinstance(part, str) for part in template.parts)
        return "".join(str(part) for part in template.parts) if plain else template
    return value


_KINDS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (bool, ("BOOL",)),
    (int, ("INT",)),
    (float, ("DOUBLE", "INT")),
    (str, ("STRING",)),
    (list, ("LIST",)),
    (tuple, ("LIST",)),
)


def _fits(checker: Checker, path: Path, value: object, wanted: FieldInfo) -> None:
    """A parameter of an action: plain values are validated, expressions must have the type."""
    if isinstance(value, Template):
        kind = value.single.kind.name().partition("<")[0] if value.single else "STRING"
        expected = [kinds for base, kinds in _KINDS if wanted.annotation is base]
        if expected and kind not in (*expected[0], "DYN"):
            checker.tell(path, f"must be {spoken(expected[0][0])}, but is {spoken(kind)}")
    elif not (isinstance(value, list) and any(isinstance(item, Template) for item in value)):
        hint: Any = Annotated[(wanted.annotation, *wanted.metadata)] if wanted.metadata else wanted.annotation
        try:
            TypeAdapter(hint).validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            checker.tell(path, f"{said[:1].lower()}{said[1:]}, not {json.dumps(value)[:60]}")
