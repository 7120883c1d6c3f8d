"""What may each block and view of Slack hold, as tables? Elements and rich text have tables of their own.

Sources: docs.slack.dev/reference/block-kit (limits as of 2026) and the recorded refusals of `views.open`.
"""

from collections.abc import Iterator, Mapping

from bot.core.blockkit_elements import (
    ANY,
    BLOCK_ID,
    FILE,
    IMAGE,
    IMAGE_SOURCE,
    INPUTS,
    INTERACTIVE,
    PICKERS,
    TYPE,
    text_of,
)
from bot.core.blockkit_rich import RICH_TEXT
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
    string,
    url,
    variant,
)

_CELL = variant(
    {
        "raw_text": Shape(TYPE | {"text": string(None, 0)}),
        "raw_number": Shape(TYPE | {"value": anything}, {"text": string()}),
        "rich_text": RICH_TEXT,
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


_OPEN = Shape(TYPE, BLOCK_ID, open=True)
"""Blocks of 2026 that roll out in phases: told apart, not looked into."""

_BLOCKS: Mapping[str, Shape] = {
    "section": Shape(
        TYPE,
        BLOCK_ID
        | {
            "text": text_of(3000, *ANY),
            "fields": array(text_of(2000, *ANY), 10),
            "accessory": variant({**PICKERS, "image": IMAGE}),
            "expand": boolean,
        },
        (either("text", "fields"),),
    ),
    "header": Shape(TYPE | {"text": text_of(150)}, BLOCK_ID | {"level": integer(1, 4)}),
    "divider": Shape(TYPE, BLOCK_ID),
    "context": Shape(
        TYPE
        | {
            "elements": array(
                variant(
                    {
                        "image": IMAGE,
                        "plain_text": Shape(TYPE | {"text": string(3000)}, {"emoji": boolean}),
                        "mrkdwn": Shape(TYPE | {"text": string(3000)}, {"verbatim": boolean}),
                    }
                ),
                10,
            )
        },
        BLOCK_ID,
    ),
    "actions": Shape(TYPE | {"elements": array(variant(PICKERS), 25)}, BLOCK_ID),
    "context_actions": Shape(
        TYPE | {"elements": array(variant({k: INTERACTIVE[k] for k in ("feedback_buttons", "icon_button")}), 5)},
        BLOCK_ID,
    ),
    "input": Shape(
        TYPE | {"label": text_of(2000), "element": variant({**INPUTS, **PICKERS})},
        BLOCK_ID | {"hint": text_of(2000), "optional": boolean, "dispatch_action": boolean},
    ),
    "image": Shape(TYPE | {"alt_text": string(2000)}, BLOCK_ID | FILE | {"title": text_of(2000)}, IMAGE_SOURCE),
    "rich_text": RICH_TEXT,
    "markdown": Shape(TYPE | {"text": string(12_000)}, BLOCK_ID),
    "table": Shape(
        TYPE | {"rows": array(array(_CELL, 20), 100)},
        BLOCK_ID | {"column_settings": array(_COLUMN, 20)},
        (_table_text,),
    ),
    "file": Shape(TYPE | {"external_id": string(), "source": string()}, BLOCK_ID),
    "video": Shape(
        TYPE | {"alt_text": string(), "title": text_of(200), "video_url": url(), "thumbnail_url": url()},
        BLOCK_ID
        | {
            "title_url": url(),
            "description": text_of(200),
            "author_name": string(50),
            "provider_name": string(),
            "provider_icon_url": url(),
        },
    ),
    "alert": Shape(
        TYPE | {"text": text_of(3000, *ANY)},
        BLOCK_ID | {"level": enum("default", "info", "warning", "error", "success")},
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
HOME = Shape(TYPE | {"blocks": anything}, _VIEW)
"""A Home view, its blocks apart."""
MODAL = Shape(
    TYPE | {"title": text_of(24), "blocks": anything},
    _VIEW
    | {
        "submit": text_of(24),
        "close": text_of(24),
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
