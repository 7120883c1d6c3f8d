"""What may a button, a menu, a field, an image and their texts hold in Slack, as tables?"""

from collections.abc import Mapping

from bot.core.blockkit_rules import (
    Rule,
    Shape,
    anything,
    array,
    boolean,
    either,
    enum,
    integer,
    only_one,
    string,
    url,
    variant,
)

BLOCK_ID: dict[str, Rule] = {"block_id": string(255, 0)}
TYPE = {"type": anything}  # the variant has checked it already


def text_of(most: int, *kinds: str, least: int = 1) -> Rule:
    """A text object of these kinds (default plain_text alone) with at most `most` characters."""
    words = string(most, least)
    shapes = {
        "plain_text": Shape(TYPE | {"text": words}, {"emoji": boolean}),
        "mrkdwn": Shape(TYPE | {"text": words}, {"verbatim": boolean}),
    }
    return variant({kind: shapes[kind] for kind in kinds or ("plain_text",)})


ANY = ("plain_text", "mrkdwn")
"""What text may be where it need not be plain."""

_ACTION_ID: dict[str, Rule] = {"action_id": string(255)}
_PLACEHOLDER: dict[str, Rule] = {"placeholder": text_of(150)}
_CONFIRM: dict[str, Rule] = {
    "confirm": Shape(
        {"title": text_of(100), "text": text_of(300, *ANY), "confirm": text_of(30), "deny": text_of(30)},
        {"style": enum("primary", "danger")},
    )
}
_OPTION = Shape({"text": text_of(75, *ANY), "value": string(150)}, {"description": text_of(75, *ANY), "url": url()})
_OPTIONS: dict[str, Rule] = {
    "options": array(_OPTION, 100),
    "option_groups": array(Shape({"label": text_of(75), "options": array(_OPTION, 100)}), 100),
}
_FOCUS: dict[str, Rule] = {"focus_on_load": boolean}
_SELECT = _ACTION_ID | _CONFIRM | _FOCUS | _PLACEHOLDER
_MULTI: dict[str, Rule] = {"max_selected_items": integer(1, 100)}
_DISPATCH: dict[str, Rule] = {"dispatch_action_config": Shape({}, {"trigger_actions_on": array(string(), 2)})}
_ONE_SOURCE = (either("options", "option_groups"), only_one("options", "option_groups"))

_INPUT = _ACTION_ID | _FOCUS | _PLACEHOLDER | _DISPATCH


def _picker(kind: str, initial: str) -> dict[str, Shape]:
    """Both selects of Slack's own objects: one of them, and several."""
    return {
        f"{kind}_select": Shape(TYPE, _SELECT | {f"initial_{initial}": string(), **_RESPONSE}),
        f"multi_{kind}_select": Shape(
            TYPE, _SELECT | _MULTI | {f"initial_{initial}s": array(string(), 100)} | _RESPONSE
        ),
    }


_RESPONSE: dict[str, Rule] = {
    "response_url_enabled": boolean,
    "default_to_current_conversation": boolean,
    "filter": Shape({}, {}, open=True),
}

_BUTTON: dict[str, Rule] = {
    "value": string(2000, 0),
    "url": url(),
    "style": enum("primary", "danger"),
    "accessibility_label": string(75),
}
_CHOICES = _ACTION_ID | _CONFIRM | _FOCUS

INTERACTIVE: Mapping[str, Shape] = {
    "button": Shape(TYPE | {"text": text_of(75)}, _ACTION_ID | _CONFIRM | _BUTTON),
    "overflow": Shape(TYPE | {"options": array(_OPTION, 5)}, _ACTION_ID | _CONFIRM),
    "static_select": Shape(TYPE, _SELECT | _OPTIONS | {"initial_option": _OPTION}, _ONE_SOURCE),
    "multi_static_select": Shape(
        TYPE, _SELECT | _OPTIONS | _MULTI | {"initial_options": array(_OPTION, 100)}, _ONE_SOURCE
    ),
    "external_select": Shape(TYPE, _SELECT | {"initial_option": _OPTION, "min_query_length": integer(0, 100)}),
    "multi_external_select": Shape(
        TYPE, _SELECT | _MULTI | {"initial_options": array(_OPTION, 100), "min_query_length": integer(0, 100)}
    ),
    **_picker("users", "user"),
    **_picker("channels", "channel"),
    **_picker("conversations", "conversation"),
    "datepicker": Shape(TYPE, _SELECT | {"initial_date": string(10)}),
    "timepicker": Shape(TYPE, _SELECT | {"initial_time": string(5), "timezone": string()}),
    "datetimepicker": Shape(TYPE, _CHOICES | {"initial_date_time": integer(1_000_000_000, 9_999_999_999)}),
    "checkboxes": Shape(TYPE | {"options": array(_OPTION, 10)}, _CHOICES | {"initial_options": array(_OPTION, 10)}),
    "radio_buttons": Shape(TYPE | {"options": array(_OPTION, 10)}, _CHOICES | {"initial_option": _OPTION}),
    "workflow_button": Shape(TYPE | {"text": text_of(75), "workflow": Shape(open=True)}, _ACTION_ID | _BUTTON),
    "feedback_buttons": Shape(
        TYPE | {"positive_button": Shape(open=True), "negative_button": Shape(open=True)}, _ACTION_ID
    ),
    "icon_button": Shape(
        TYPE | {"icon": string(), "text": text_of(75)},
        _ACTION_ID
        | _CONFIRM
        | {"value": string(2000, 0), "accessibility_label": string(75), "visible_to_user_ids": anything},
    ),
}

INPUTS: Mapping[str, Shape] = {
    "plain_text_input": Shape(
        TYPE,
        _INPUT
        | {
            "initial_value": string(3000, 0),
            "multiline": boolean,
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
        },
    ),
    "number_input": Shape(
        TYPE | {"is_decimal_allowed": boolean},
        _INPUT | {"initial_value": string(), "min_value": string(), "max_value": string()},
    ),
    "email_text_input": Shape(TYPE, _INPUT | {"initial_value": string()}),
    "url_text_input": Shape(TYPE, _INPUT | {"initial_value": string()}),
    "rich_text_input": Shape(TYPE, _INPUT | {"initial_value": Shape(open=True)}),
    "file_input": Shape(TYPE, _ACTION_ID | {"filetypes": array(string(), None), "max_files": integer(1, 10)}),
}

FILE: dict[str, Rule] = {"image_url": url(), "slack_file": Shape({}, {"id": string(), "url": url()})}
IMAGE_SOURCE = (either("image_url", "slack_file"), only_one("image_url", "slack_file"))

IMAGE = Shape(TYPE | {"alt_text": string(2000, 0)}, FILE, IMAGE_SOURCE)
PICKERS = {name: shape for name, shape in INTERACTIVE.items() if name not in ("feedback_buttons", "icon_button")}
