"""What may each block, element and view of Slack hold, as tables?

Sources: docs.slack.dev/reference/block-kit (limits as of 2026) and the recorded refusals of `views.open`.
"""

from collections.abc import Iterator, Mapping

from bot.core.blockkit_rules import (
    Fault,
    Rule,
    Shape,
    anything,
    array,
    boolean,
    either,
    enum,
    failed,
    integer,
    only_one,
    string,
    url,
    variant,
)

_TYPE = {"type": anything}  # the variant has checked it already
_BLOCK_ID: dict[str, Rule] = {"block_id": string(255, 0)}
_ACTION_ID: dict[str, Rule] = {"action_id": string(255)}


def _text(most: int, *kinds: str, least: int = 1) -> Rule:
    """A text object of these kinds (default plain_text alone) with at most `most` characters."""
    words = string(most, least)
    shapes = {
        "plain_text": Shape(_TYPE | {"text": words}, {"emoji": boolean}),
        "mrkdwn": Shape(_TYPE | {"text": words}, {"verbatim": boolean}),
    }
    return variant({kind: shapes[kind] for kind in kinds or ("plain_text",)})


_ANY = ("plain_text", "mrkdwn")
_PLACEHOLDER: dict[str, Rule] = {"placeholder": _text(150)}
_CONFIRM: dict[str, Rule] = {
    "confirm": Shape(
        {"title": _text(100), "text": _text(300, *_ANY), "confirm": _text(30), "deny": _text(30)},
        {"style": enum("primary", "danger")},
    )
}
_OPTION = Shape({"text": _text(75, *_ANY), "value": string(150)}, {"description": _text(75, *_ANY), "url": url()})
_OPTIONS: dict[str, Rule] = {
    "options": array(_OPTION, 100),
    "option_groups": array(Shape({"label": _text(75), "options": array(_OPTION, 100)}), 100),
}
_FOCUS: dict[str, Rule] = {"focus_on_load": boolean}
_SELECT = _ACTION_ID | _CONFIRM | _FOCUS | _PLACEHOLDER
_MULTI: dict[str, Rule] = {"max_selected_items": integer(1, 100)}
_DISPATCH: dict[str, Rule] = {"dispatch_action_config": Shape({}, {"trigger_actions_on": array(string(), 2)})}
_ONE_SOURCE = (either("options", "option_groups"), only_one("options", "option_groups"))
_FILE: dict[str, Rule] = {"image_url": url(), "slack_file": Shape({}, {"id": string(), "url": url()})}
_IMAGE_SOURCE = (either("image_url", "slack_file"), only_one("image_url", "slack_file"))
_INPUT = _ACTION_ID | _FOCUS | _PLACEHOLDER | _DISPATCH


def _picker(kind: str, initial: str) -> dict[str, Shape]:
    """Both selects of Slack's own objects: one of them, and several."""
    return {
        f"{kind}_select": Shape(_TYPE, _SELECT | {f"initial_{initial}": string(), **_RESPONSE}),
        f"multi_{kind}_select": Shape(
            _TYPE, _SELECT | _MULTI | {f"initial_{initial}s": array(string(), 100)} | _RESPONSE
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
    "button": Shape(_TYPE | {"text": _text(75)}, _ACTION_ID | _CONFIRM | _BUTTON),
    "overflow": Shape(_TYPE | {"options": array(_OPTION, 5)}, _ACTION_ID | _CONFIRM),
    "static_select": Shape(_TYPE, _SELECT | _OPTIONS | {"initial_option": _OPTION}, _ONE_SOURCE),
    "multi_static_select": Shape(
        _TYPE, _SELECT | _OPTIONS | _MULTI | {"initial_options": array(_OPTION, 100)}, _ONE_SOURCE
    ),
    "external_select": Shape(_TYPE, _SELECT | {"initial_option": _OPTION, "min_query_length": integer(0, 100)}),
    "multi_external_select": Shape(
        _TYPE, _SELECT | _MULTI | {"initial_options": array(_OPTION, 100), "min_query_length": integer(0, 100)}
    ),
    **_picker("users", "user"),
    **_picker("channels", "channel"),
    **_picker("conversations", "conversation"),
    "datepicker": Shape(_TYPE, _SELECT | {"initial_date": string(10)}),
    "timepicker": Shape(_TYPE, _SELECT | {"initial_time": string(5), "timezone": string()}),
    "datetimepicker": Shape(_TYPE, _CHOICES | {"initial_date_time": integer(1_000_000_000, 9_999_999_999)}),
    "checkboxes": Shape(_TYPE | {"options": array(_OPTION, 10)}, _CHOICES | {"initial_options": array(_OPTION, 10)}),
    "radio_buttons": Shape(_TYPE | {"options": array(_OPTION, 10)}, _CHOICES | {"initial_option": _OPTION}),
    "workflow_button": Shape(_TYPE | {"text": _text(75), "workflow": Shape(open=True)}, _ACTION_ID | _BUTTON),
    "feedback_buttons": Shape(
        _TYPE | {"positive_button": Shape(open=True), "negative_button": Shape(open=True)}, _ACTION_ID
    ),
    "icon_button": Shape(
        _TYPE | {"icon": string(), "text": _text(75)},
        _ACTION_ID
        | _CONFIRM
        | {"value": string(2000, 0), "accessibility_label": string(75), "visible_to_user_ids": anything},
    ),
}

_INPUTS: Mapping[str, Shape] = {
    "plain_text_input": Shape(
        _TYPE,
        _INPUT
        | {
            "initial_value": string(3000, 0),
            "multiline": boolean,
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
        },
    ),
    "number_input": Shape(
        _TYPE | {"is_decimal_allowed": boolean},
        _INPUT | {"initial_value": string(), "min_value": string(), "max_value": string()},
    ),
    "email_text_input": Shape(_TYPE, _INPUT | {"initial_value": string()}),
    "url_text_input": Shape(_TYPE, _INPUT | {"initial_value": string()}),
    "rich_text_input": Shape(_TYPE, _INPUT | {"initial_value": Shape(open=True)}),
    "file_input": Shape(_TYPE, _ACTION_ID | {"filetypes": array(string(), None), "max_files": integer(1, 10)}),
}

_IMAGE = Shape(_TYPE | {"alt_text": string(2000, 0)}, _FILE, _IMAGE_SOURCE)
_PICKERS = {name: shape for name, shape in INTERACTIVE.items() if name not in ("feedback_buttons", "icon_button")}
_STYLE: dict[str, Rule] = {
    "style": Shape(
        {},
        dict.fromkeys(
            ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"), boolean
        ),
    )
}

_INLINE: Mapping[str, Shape] = {
    "text": Shape(_TYPE | {"text": string()}, _STYLE),
    "link": Shape(_TYPE | {"url": url()}, _STYLE | {"text": string(None, 0), "unsafe": boolean}),
    "emoji": Shape(
        _TYPE | {"name": string()}, {"unicode": string(), "skin_tone": integer(1, 6), "url": url()} | _STYLE
    ),
    "user": Shape(_TYPE | {"user_id": string()}, _STYLE),
    "usergroup": Shape(_TYPE | {"usergroup_id": string()}, _STYLE),
    "channel": Shape(_TYPE | {"channel_id": string()}, _STYLE),
    "team": Shape(_TYPE | {"team_id": string()}, _STYLE),
    "broadcast": Shape(_TYPE | {"range": enum("here", "channel", "everyone")}, _STYLE),
    "color": Shape(_TYPE | {"value": string()}, _STYLE),
    "date": Shape(
        _TYPE | {"timestamp": integer(0, 2**53), "format": string()}, _STYLE | {"url": url(), "fallback": string()}
    ),
}
_inline = array(variant(_INLINE), None, 0)
_literal = array(variant({kind: _INLINE[kind] for kind in ("text", "link")}), None, 0)
_SECTION = Shape(_TYPE | {"elements": _inline})
RICH: Mapping[str, Shape] = {
    "rich_text_section": _SECTION,
    "rich_text_list": Shape(
        _TYPE
        | {"elements": array(variant({"rich_text_section": _SECTION}), None, 0), "style": enum("bullet", "ordered")},
        {"indent": integer(0, 8), "offset": integer(0, 100_000), "border": integer(0, 1)},
    ),
    "rich_text_preformatted": Shape(_TYPE | {"elements": _literal}, {"border": integer(0, 1), "language": string()}),
    "rich_text_quote": Shape(_TYPE | {"elements": _inline}, {"border": integer(0, 1)}),
}
_RICH_TEXT = Shape(_TYPE | {"elements": array(variant(RICH), None, 0)}, _BLOCK_ID)
_CELL = variant(
    {
        "raw_text": Shape(_TYPE | {"text": string(None, 0)}),
        "raw_number": Shape(_TYPE | {"value": anything}, {"text": string()}),
        "rich_text": _RICH_TEXT,
    }
)
_COLUMN = Shape({}, {"align": enum("left", "center", "right"), "is_wrapped": boolean})

TABLE_CHARACTERS = 10_000
"""Characters over all cells of a table."""


def _table_text(value: object, pointer: str) -> Iterator[Fault]:
    def count(part: object) -> int:
        if isinstance(part, Mapping):
            return sum(len(x) if k == "text" and isinstance(x, str) else count(x) for k, x in part.items())
        return sum(map(count, part)) if isinstance(part, list | tuple) else 0

    size = count(value)
    if size > TABLE_CHARACTERS:
        yield failed(pointer, "max_length", TABLE_CHARACTERS, f"{size} characters in the table")


_OPEN = Shape(_TYPE, _BLOCK_ID, open=True)
"""Blocks of 2026 that roll out in phases: told apart, not looked into."""

_BLOCKS: Mapping[str, Shape] = {
    "section": Shape(
        _TYPE,
        _BLOCK_ID
        | {
            "text": _text(3000, *_ANY),
            "fields": array(_text(2000, *_ANY), 10),
            "accessory": variant({**_PICKERS, "image": _IMAGE}),
            "expand": boolean,
        },
        (either("text", "fields"),),
    ),
    "header": Shape(_TYPE | {"text": _text(150)}, _BLOCK_ID | {"level": integer(1, 4)}),
    "divider": Shape(_TYPE, _BLOCK_ID),
    "context": Shape(
        _TYPE
        | {
            "elements": array(
                variant(
                    {
                        "image": _IMAGE,
                        "plain_text": Shape(_TYPE | {"text": string(3000)}, {"emoji": boolean}),
                        "mrkdwn": Shape(_TYPE | {"text": string(3000)}, {"verbatim": boolean}),
                    }
                ),
                10,
            )
        },
        _BLOCK_ID,
    ),
    "actions": Shape(_TYPE | {"elements": array(variant(_PICKERS), 25)}, _BLOCK_ID),
    "context_actions": Shape(
        _TYPE | {"elements": array(variant({k: INTERACTIVE[k] for k in ("feedback_buttons", "icon_button")}), 5)},
        _BLOCK_ID,
    ),
    "input": Shape(
        _TYPE | {"label": _text(2000), "element": variant({**_INPUTS, **_PICKERS})},
        _BLOCK_ID | {"hint": _text(2000), "optional": boolean, "dispatch_action": boolean},
    ),
    "image": Shape(_TYPE | {"alt_text": string(2000)}, _BLOCK_ID | _FILE | {"title": _text(2000)}, _IMAGE_SOURCE),
    "rich_text": _RICH_TEXT,
    "markdown": Shape(_TYPE | {"text": string(12_000)}, _BLOCK_ID),
    "table": Shape(
        _TYPE | {"rows": array(array(_CELL, 20), 100)},
        _BLOCK_ID | {"column_settings": array(_COLUMN, 20)},
        (_table_text,),
    ),
    "file": Shape(_TYPE | {"external_id": string(), "source": string()}, _BLOCK_ID),
    "video": Shape(
        _TYPE | {"alt_text": string(), "title": _text(200), "video_url": url(), "thumbnail_url": url()},
        _BLOCK_ID
        | {
            "title_url": url(),
            "description": _text(200),
            "author_name": string(50),
            "provider_name": string(),
            "provider_icon_url": url(),
        },
    ),
    "alert": Shape(
        _TYPE | {"text": _text(3000, *_ANY)},
        _BLOCK_ID | {"level": enum("default", "info", "warning", "error", "success")},
    ),
    **dict.fromkeys(
        ("card", "carousel", "container", "task_card", "plan", "data_table", "data_visualization", "call"), _OPEN
    ),
}

BLOCK: Rule = variant(_BLOCKS)
"""Any block."""
_VIEW: dict[str, Rule] = {
    "private_metadata": string(3000, 0),
    "callback_id": string(255, 0),
    "external_id": string(255, 0),
}
HOME = Shape(_TYPE | {"blocks": anything}, _VIEW)
"""A Home view, its blocks apart."""
MODAL = Shape(
    _TYPE | {"title": _text(24), "blocks": anything},
    _VIEW
    | {
        "submit": _text(24),
        "close": _text(24),
        "clear_on_close": boolean,
        "notify_on_close": boolean,
        "submit_disabled": boolean,
    },
)
"""A modal, its blocks apart."""
ATTACHMENT = Shape(open=True)
"""A classic attachment: only its blocks are looked into."""
METADATA = Shape({"event_type": string(255), "event_payload": Shape(open=True)}, {"entities": anything})
"""Message metadata."""
