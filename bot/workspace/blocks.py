"""Which elements of these blocks can a person use, and what do they say when they did? Pure.

Slack fills in defaults (block_id, action_id, emoji, verbatim) in what it stores; `normal` does the same, so that
payloads carry what real payloads carry.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bot.workspace.model import Json

INTERACTIVE = frozenset(
    {
        "button",
        "overflow",
        "static_select",
        "external_select",
        "users_select",
        "conversations_select",
        "channels_select",
        "multi_static_select",
        "multi_external_select",
        "multi_users_select",
        "multi_conversations_select",
        "multi_channels_select",
        "checkboxes",
        "radio_buttons",
        "datepicker",
        "timepicker",
        "datetimepicker",
        "plain_text_input",
        "number_input",
        "email_text_input",
        "url_text_input",
        "workflow_button",
        "feedback_buttons",
        "icon_button",
    }
)

STATE: Mapping[str, tuple[str, str]] = {
    # element type: (key of its state entry, key of its initial value)
    "plain_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "checkboxes": ("selected_options", "initial_options"),
    "multi_static_select": ("selected_options", "initial_options"),
    "multi_external_select": ("selected_options", "initial_options"),
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "channels_select": ("selected_channel", "initial_channel"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
}


class Control(NamedTuple):
    """One thing a person can use: the block it stands in, the element, and whether it is an input block's."""

    block: Json
    element: Json


def controls(blocks: Sequence[Json]) -> Iterator[Control]:
    """Every interactive element of the blocks, in order."""
    for block in blocks:
        parts = [block.get("accessory"), block.get("element"), *block.get("elements", ()), *block.get("actions", ())]
        for part in parts:
            if isinstance(part, dict) and part.get("type") in INTERACTIVE:
                yield Control(block, part)


def find(blocks: Sequence[Json], action_id: str, block_id: str | None = None) -> Control | None:
    """The first element with that action_id, in that block where one is named."""
    return next(
        (
            one
            for one in controls(blocks)
            if one.element.get("action_id") == action_id and block_id in (None, one.block.get("block_id"))
        ),
        None,
    )


def normal(blocks: Sequence[Json], mint: Callable[[], str]) -> tuple[Json, ...]:
    """The blocks as Slack would keep them: ids minted where missing, text objects with their defaults."""
    return tuple(_block(block, mint) for block in blocks)


def _block(block: Json, mint: Callable[[], str]) -> Json:
    out = {key: _part(value, mint) for key, value in block.items()}
    out.setdefault("block_id", mint())
    if out["type"] == "input":
        out = {"optional": False, "dispatch_action": False, **out}
    return out


def _part(value: Any, mint: Callable[[], str]) -> Any:
    if isinstance(value, list | tuple):
        return [_part(one, mint) for one in value]
    if not isinstance(value, dict):
        return value
    out = {key: _part(one, mint) for key, one in value.items()}
    kind = out.get("type")
    if kind == "plain_text":
        out.setdefault("emoji", True)
    elif kind == "mrkdwn":
        out.setdefault("verbatim", False)
    elif kind in INTERACTIVE:
        out.setdefault("action_id", mint())
    return out


def state(blocks: Sequence[Json], given: Mapping[str, Mapping[str, Json]] | None = None) -> Json:
    """`state.values` of a surface: what each stateful element holds, from its initial value or from `given`."""
    values: dict[str, Json] = {}
    for block, element in controls(blocks):
        known = STATE.get(element["type"])
        if known is None:
            continue
        key, initial = known
        empty: Any = [] if key.endswith("s") else None
        entry = {"type": element["type"], key: element.get(initial, empty)}
        theirs = (given or {}).get(block["block_id"], {}).get(element["action_id"])
        if theirs is not None:
            entry = {"type": element["type"], key: _held(element, key, theirs)}
        values.setdefault(block["block_id"], {})[element["action_id"]] = entry
    return values


def _held(element: Json, key: str, theirs: Any) -> Any:
    """The value of a state entry, from the entry itself or from a plain word (an option's value, a text)."""
    value = theirs[key] if isinstance(theirs, dict) and key in theirs else theirs
    if key == "selected_option" and isinstance(value, str):
        return option(element, value)
    if key == "selected_options" and isinstance(value, list | tuple):
        return [option(element, one) if isinstance(one, str) else one for one in value]
    return value


def options(element: Json) -> list[Json]:
    """The options an element shows, groups flattened; none for an external select."""
    groups = element.get("option_groups") or ()
    return [*element.get("options", ()), *(one for group in groups for one in group.get("options", ()))]


def option(element: Json, value: str) -> Json:
    """The option with that value. An external select holds none, so the value stands for its own text."""
    for one in options(element):
        if one.get("value") == value:
            return one
    if "external" in element["type"]:
        return {"text": {"type": "plain_text", "text": value, "emoji": True}, "value": value}
    known = ", ".join(str(one.get("value")) for one in options(element))
    raise LookupError(f"{element['type']} {element.get('action_id')!r} has no option {value!r}; it has: {known}")


def missing(blocks: Sequence[Json], values: Mapping[str, Mapping[str, Json]]) -> dict[str, str]:
    """block_id to Slack's words, for each input that the client would not let through."""
    faults: dict[str, str] = {}
    for block, element in controls(blocks):
        if block["type"] != "input":
            continue
        key = STATE.get(element["type"], ("value", ""))[0]
        value = values.get(block["block_id"], {}).get(element["action_id"], {}).get(key)
        if value in (None, "", []):
            if not block.get("optional"):
                faults[block["block_id"]] = "Please complete this required field."
        elif element["type"] == "plain_text_input":
            shortest, longest = element.get("min_length", 0), element.get("max_length", 3000)
            if len(value) < shortest:
                faults[block["block_id"]] = f"Must be at least {shortest} characters."
            elif len(value) > longest:
                faults[block["block_id"]] = f"Must be less than {longest + 1} characters."
    return faults


def action(control: Control, chosen: Json, ts: str) -> Json:
    """The entry of a block_actions payload's `actions` for one use of a control.

    `chosen` carries what was picked, in the shape of the state entry (`selected_option`, `value`, …).
    """
    block, element = control
    kind = element["type"]
    out: Json = {"action_id": element["action_id"], "block_id": block["block_id"]}
    for key in ("text", "value", "style", "confirm", "placeholder"):
        if key in element and (key != "value" or kind == "button"):
            out[key] = element[key]
    key = STATE.get(kind, ("selected_option", ""))[0]
    if kind == "overflow" or kind in STATE:
        picked = chosen.get(key, chosen.get("value"))
        out[key] = _held(element, key, picked)
    return {**out, "type": kind, "action_ts": ts}
