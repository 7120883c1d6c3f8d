"""How is a run asked for without typing? The modal, and what was chosen in it. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

from bot.adapters.slack.pieces import Block, Element, context, plain
from bot.adapters.slack.talk import Catalog
from bot.adapters.slack.words import Command, Word, parse
from bot.core.errors import AskError

CALLBACK = "form.run"
TARGET, PLAYBOOKS, PARAMS = "form.target", "form.playbooks", "form.params"
OPTIONS_MAX = 100
VALUE_MAX = 150
"""Characters of an option's value: a longer name can be typed, not chosen."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the form was opened, so that the run answers there."""

    channel: str
    thread: str = ""


@dataclass(frozen=True, slots=True)
class Filled:
    """What was chosen: a command, or what is wrong with which field."""

    command: Command | None
    errors: Mapping[str, str]


def view(catalog: Catalog, origin: Origin, filled: Command | None = None, *, name: str = "/netdiag") -> dict[str, Any]:
    """The modal. `filled` is what has been chosen so far; its equivalent command is shown to be learned."""
    known = filled or Command(Word.FORM)
    blocks: list[Block] = [_input(TARGET, "Target", _target(catalog, known), optional=False)]
    playbooks = [*_pods(catalog), *_options(sorted(catalog.playbooks))][:OPTIONS_MAX]
    element: Element = {
        "type": "multi_static_select",
        "action_id": PLAYBOOKS,
        "placeholder": plain("All playbooks", 150),
        "options": playbooks,
    }
    wanted = (Word.PODS.value,) if known.word is Word.PODS else known.playbooks
    chosen = [option for option in playbooks if option["value"] in wanted]
    blocks.append(_input(PLAYBOOKS, "Playbooks", element | ({"initial_options": chosen} if chosen else {})))
    params: Element = {"type": "plain_text_input", "action_id": PARAMS, "placeholder": plain("port=443", 150)}
    typed = " ".join(f"{key}={value}" for key, value in known.params.items())
    blocks.append(_input(PARAMS, "Parameters", params | ({"initial_value": typed} if typed else {})))
    if known.word in (Word.RUN, Word.PODS):
        blocks.append(context(f"The same as typing: {known.typed(name)}"))
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": plain("Ask netdiag", 24),
        "submit": plain("Run", 24),
        "close": plain("Cancel", 24),
        "private_metadata": json.dumps(asdict(origin)),
        "blocks": blocks,
    }


def options(catalog: Catalog, typed: str) -> Sequence[Element]:
    """Targets for what was typed so far: those that contain it, then those that look like it."""
    wanted = typed.strip().lower()
    inside = [name for name in catalog.targets if wanted in name.lower()]
    close = get_close_matches(wanted, catalog.targets, n=10, cutoff=0.5) if wanted else []
    return _options(list(dict.fromkeys([*inside, *close])))


def read(state: Mapping[str, Any], catalog: Catalog) -> Filled:
    """What was chosen, from `view.state.values`; never raises for what is missing."""
    target = read_choice(state, TARGET)
    playbooks = tuple(_value(option) for option in _field(state, PLAYBOOKS).get("selected_options") or ())
    params = read_text(state, PARAMS)
    if not target:
        return Filled(None, {TARGET: "Choose a target."})
    try:
        typed = parse(f"x {params}", catalog.playbooks)
    except AskError as error:
        return Filled(None, {PARAMS: str(error)[:150]})
    if typed.playbooks or typed.word is not Word.RUN:
        return Filled(None, {PARAMS: "Write name=value."})
    if Word.PODS.value in playbooks and Word.PODS.value not in catalog.playbooks:
        return _asked_pods(Command(Word.PODS, target), playbooks, typed.params)
    return Filled(Command(Word.RUN, target, playbooks, typed.params), {})


def _asked_pods(asked: Command, playbooks: Sequence[str], params: Mapping[str, str]) -> Filled:
    """The table of pods is no playbook: it stands alone."""
    if len(playbooks) > 1:
        return Filled(None, {PLAYBOOKS: f'"{Word.PODS}" stands alone: take the others out, or ask twice.'})
    if params:
        return Filled(None, {PARAMS: f'"{Word.PODS}" takes no parameters.'})
    return Filled(asked, {})


def origin(private_metadata: str) -> Origin | None:
    """Where the form was opened; None when the metadata is not ours."""
    try:
        return Origin(**json.loads(private_metadata))
    except (TypeError, ValueError):
        return None


def _input(block: str, label: str, element: Element, *, optional: bool = True) -> Block:
    return {
        "type": "input",
        "block_id": block,
        "label": plain(label, 2000),
        "element": element,
        "optional": optional,
        "dispatch_action": True,
    }


def _target(catalog: Catalog, known: Command) -> Element:
    hint = plain("A host or a group", 150)
    listed = _options(catalog.targets)
    if len(catalog.targets) > OPTIONS_MAX:
        chosen = {"initial_option": _option(known.target)} if known.target else {}
        return {"type": "external_select", "action_id": TARGET, "placeholder": hint, "min_query_length": 0} | chosen
    chosen = next(({"initial_option": option} for option in listed if option["value"] == known.target), {})
    return {"type": "static_select", "action_id": TARGET, "placeholder": hint, "options": listed} | chosen


def _pods(catalog: Catalog) -> list[Element]:
    """The table of a node's pods, as one of the playbooks; a playbook of that name goes first."""
    if Word.PODS.value in catalog.playbooks:
        return []
    return [{"text": plain(f"{Word.PODS}: a table of namespaces and pods", 75), "value": Word.PODS.value}]


def _options(names: Sequence[str]) -> list[Element]:
    return [_option(name) for name in names if len(name) <= VALUE_MAX][:OPTIONS_MAX]


def _option(name: str) -> Element:
    return {"text": plain(name, 75), "value": name}


def _field(state: Mapping[str, Any], block: str) -> Mapping[str, Any]:
    outer = state.get(block)
    found = outer.get(block) if isinstance(outer, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def read_choice(state: Mapping[str, Any], block: str) -> str:
    """The value chosen in the select of that block and action, or nothing."""
    return _value(_field(state, block).get("selected_option") or {})


def read_text(state: Mapping[str, Any], block: str) -> str:
    """What was typed into the input of that block and action."""
    typed = _field(state, block).get("value")
    return typed if isinstance(typed, str) else ""


def _value(option: Mapping[str, Any]) -> str:
    value = option.get("value")
    return value if isinstance(value, str) else ""
