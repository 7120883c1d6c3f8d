"""Would Slack refuse this message, these blocks or this view, and where exactly?

The bot asks before it sends and the local workspace before it accepts, so both hold the same contract. Faults are
shaped like those of Slack's `blocks.validate`: a JSON pointer, the constraint that failed, a sentence. The tables of
what each block may hold are in `blockkit_shapes`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.core.blockkit_rules import Fault, failed
from bot.core.blockkit_shapes import ATTACHMENT, BLOCK, HOME, METADATA, MODAL

__all__ = [
    "HOME_BLOCKS",
    "MESSAGE_BLOCKS",
    "TEXT_BUDGET",
    "TEXT_MAX",
    "UPDATE_TEXT_MAX",
    "VIEW_BYTES",
    "Fault",
    "faults",
    "text_length",
]

MESSAGE_BLOCKS = 50
"""Blocks in a message."""
HOME_BLOCKS = 100
"""Blocks in a modal or a Home view."""
TEXT_BUDGET = 12_000
"""Characters over all blocks of a message; Slack answers `msg_blocks_too_long` a little above (undocumented)."""
TEXT_MAX = 40_000
"""Characters of a message's `text`; Slack cuts what is longer."""
UPDATE_TEXT_MAX = 4_000
"""Characters of `text` in chat.update, which refuses what is longer (`msg_too_long`)."""
VIEW_BYTES = 250_000
"""Bytes of a view's JSON (`view_too_large`)."""
ATTACHMENTS_MAX = 100
TABLES_MAX = 1

_COUNTED = frozenset({"text", "alt_text", "title", "caption"})


def faults(value: Sequence[object] | Mapping[str, Any]) -> list[Fault]:
    """Everything Slack would refuse; empty when it would accept.

    `value` is a list of blocks (of a message), a view (`type` is "modal" or "home"), or else a message: a mapping
    with any of `text`, `blocks`, `attachments`, `metadata`; its other arguments are not looked at.
    """
    if isinstance(value, Mapping):
        if value.get("type") in ("modal", "home"):
            return list(_view(value))
        return list(_message(value))
    return list(_blocks(value, "", MESSAGE_BLOCKS)) + list(_budget(value, ""))


def text_length(value: object) -> int:
    """Characters that count against :data:`TEXT_BUDGET`: every text, title and alt text, at any depth."""
    if isinstance(value, Mapping):
        return sum(
            len(part) if isinstance(part, str) and key in _COUNTED else text_length(part) for key, part in value.items()
        )
    if isinstance(value, list | tuple):
        return sum(text_length(part) for part in value)
    return 0


def _budget(blocks: object, pointer: str) -> Iterator[Fault]:
    length = text_length(blocks)
    if length > TEXT_BUDGET:
        said = f"{length} characters of text over all blocks, at most {TEXT_BUDGET}"
        yield Fault(pointer, said, {"type": "max_length", "expected": TEXT_BUDGET}, code="msg_blocks_too_long")


def _blocks(blocks: object, pointer: str, limit: int) -> Iterator[Fault]:
    if not isinstance(blocks, list | tuple):
        yield failed(pointer, "type", "array", f"blocks must be an array, not {type(blocks).__name__}")
        return
    if len(blocks) > limit:
        yield failed(pointer, "max_items", limit, f"{len(blocks)} blocks, at most {limit}")
    for index, block in enumerate(blocks):
        yield from BLOCK(block, f"{pointer}/{index}")
    yield from _unique(blocks, pointer)
    tables = [
        index for index, block in enumerate(blocks) if isinstance(block, Mapping) and block.get("type") == "table"
    ]
    if len(tables) > TABLES_MAX:
        yield failed(f"{pointer}/{tables[1]}", "max_items", TABLES_MAX, "only one table is allowed in a message")


def _unique(blocks: Sequence[object], pointer: str) -> Iterator[Fault]:
    """block_id once per surface, action_id once per block: Slack routes clicks by them."""
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        if not isinstance(block, Mapping):
            continue
        name = block.get("block_id")
        if isinstance(name, str):
            if name in seen:
                yield failed(f"{pointer}/{index}/block_id", "unique", name, f"block_id {name!r} already exists")
            seen.add(name)
        actions: set[str] = set()
        elements = block.get("elements")
        for place, element in enumerate(elements if isinstance(elements, list | tuple) else ()):
            action = element.get("action_id") if isinstance(element, Mapping) else None
            if isinstance(action, str):
                if action in actions:
                    where = f"{pointer}/{index}/elements/{place}/action_id"
                    yield failed(where, "unique", action, f"action_id {action!r} already exists in this block")
                actions.add(action)


def _view(view: Mapping[str, Any]) -> Iterator[Fault]:
    modal = view["type"] == "modal"
    yield from (MODAL if modal else HOME)(view, "")
    blocks = view.get("blocks")
    if blocks is not None:
        yield from _blocks(blocks, "/blocks", HOME_BLOCKS)
    if modal and "submit" not in view and isinstance(blocks, list | tuple):
        for index, block in enumerate(blocks):
            if isinstance(block, Mapping) and block.get("type") == "input":
                yield failed("/submit", "required", "submit", f"a modal with an input (/blocks/{index}) needs submit")
                break
    size = len(json.dumps(view, ensure_ascii=False, default=str).encode())
    if size > VIEW_BYTES:
        said = f"the view is {size} bytes, at most {VIEW_BYTES}"
        yield Fault("", said, {"type": "max_length", "expected": VIEW_BYTES}, code="view_too_large")


def _message(message: Mapping[str, Any]) -> Iterator[Fault]:
    text, blocks, attachments = (message.get(key) for key in ("text", "blocks", "attachments"))
    if not text and not blocks and not attachments:
        yield Fault("", "a message needs text, blocks or attachments", {"type": "required"}, code="no_text")
    if text is not None and not isinstance(text, str):
        yield failed("/text", "type", "string", f"text must be a string, not {type(text).__name__}")
    elif text is not None and len(text) > TEXT_MAX:
        yield failed("/text", "max_length", TEXT_MAX, f"text has {len(text)} characters, at most {TEXT_MAX}")
    if blocks is not None:
        yield from _blocks(blocks, "/blocks", MESSAGE_BLOCKS)
        yield from _budget(blocks, "/blocks")
    if message.get("metadata") is not None:
        yield from METADATA(message["metadata"], "/metadata")
    if attachments is not None:
        yield from _attachments(attachments)


def _attachments(attachments: object) -> Iterator[Fault]:
    if not isinstance(attachments, list | tuple):
        yield failed("/attachments", "type", "array", "attachments must be an array")
        return
    if len(attachments) > ATTACHMENTS_MAX:
        said = f"{len(attachments)} attachments, at most {ATTACHMENTS_MAX}"
        yield failed("/attachments", "max_items", ATTACHMENTS_MAX, said)
    for index, attachment in enumerate(attachments):
        yield from ATTACHMENT(attachment, f"/attachments/{index}")
        if isinstance(attachment, Mapping) and attachment.get("blocks") is not None:
            yield from _blocks(attachment["blocks"], f"/attachments/{index}/blocks", MESSAGE_BLOCKS)
            yield from _budget(attachment["blocks"], f"/attachments/{index}/blocks")
