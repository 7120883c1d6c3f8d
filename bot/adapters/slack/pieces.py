"""How does text become Block Kit without a host's words becoming markup?

Nothing here makes `mrkdwn`: whatever was printed by a host or typed by a person goes into plain_text or rich_text
elements, which Slack shows as they are. The fallback `text` of a message, which Slack does parse, is escaped.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.core.blockkit import MESSAGE_BLOCKS, TEXT_BUDGET, text_length
from bot.core.text import neutral

Block = dict[str, Any]
Element = dict[str, Any]

FALLBACK_MAX = 700
"""Characters of a message's `text` before escaping: five times as many still pass chat.update."""
ALT_MAX = 1_000
"""Characters of a file's alternative text (`alt_txt_too_large`)."""
LINE_MAX = 600
"""Characters of one line that a host may fill."""
_USER = re.compile(r"slack:[TE][A-Z0-9]{1,20}:([UW][A-Z0-9]{1,20})")


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its blocks, and the `text` that phones and screen readers get."""

    text: str
    blocks: tuple[Block, ...]

    def body(self) -> dict[str, Any]:
        """The arguments that chat.postMessage, chat.update, chat.postEphemeral and response URLs share."""
        return {"text": self.text, "blocks": list(self.blocks)}


@dataclass(frozen=True, slots=True)
class File:
    """Text too long for a message, or a picture (`png`) with what it shows in words (`alt`)."""

    name: str
    title: str
    text: str = ""
    png: bytes = field(default=b"", repr=False)
    alt: str = ""


def escape(text: str) -> str:
    """Slack's three control characters as entities, so that no mention and no link can form."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fallback(*parts: str) -> str:
    """The `text` of a message: one escaped line of bounded length."""
    return escape(neutral(" - ".join(part for part in parts if part), FALLBACK_MAX)) or "netdiag"


def plain(text: str, most: int) -> Element:
    """A plain_text object; `:names:` stay words."""
    return {"type": "plain_text", "text": neutral(text, most) or " ", "emoji": False}


def run(text: str, *, bold: bool = False, code: bool = False, italic: bool = False, most: int = LINE_MAX) -> Element:
    """A run of rich text, literal."""
    style = {name: True for name, on in (("bold", bold), ("code", code), ("italic", italic)) if on}
    element: Element = {"type": "text", "text": neutral(text, most) or " "}
    return element | {"style": style} if style else element


def link(url: str, text: str) -> Element:
    """A link with a text of ours; the address must be ours, too."""
    return {"type": "link", "url": url, "text": neutral(text, 100)}


MACHINES = {"schedule": "sweep", "alert": "alert route"}
"""Actors that are nobody, by the kind in their key: what people call them."""


def who(key: str) -> Element:
    """An actor's key as a Slack mention when it is one of Slack's, else as text, as people call it."""
    match = _USER.fullmatch(key)
    if match:
        return {"type": "user", "user_id": match.group(1)}
    kind, _, name = key.partition(":")
    return run(f"{MACHINES[kind]} {name}" if kind in MACHINES else key or "nobody", most=120)


def when(stamp: str) -> Element:
    """An RFC 3339 time in the reader's own zone; text when it cannot be read as one."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return run(stamp, most=60)
    form = "{date_short_pretty} {time_secs}"
    return {"type": "date", "timestamp": int(moment.timestamp()), "format": form, "fallback": neutral(stamp, 60)}


def line(*elements: Element | str) -> Element:
    """One line of rich text."""
    return {"type": "rich_text_section", "elements": [run(e) if isinstance(e, str) else e for e in elements]}


def bullets(items: Iterable[Element | str], indent: int = 0) -> Element:
    """A bulleted list; each item is a line."""
    elements = [line(item) if isinstance(item, str) or item["type"] != "rich_text_section" else item for item in items]
    return {"type": "rich_text_list", "style": "bullet", "indent": indent, "elements": elements}


def quote(text: str, most: int = LINE_MAX) -> Element:
    """Set apart, as a quotation."""
    return {"type": "rich_text_quote", "elements": [run(text, most=most)]}


def literal(lines: Sequence[str]) -> Element:
    """Lines in a box of fixed-width type. The lines must be safe already (`neutral`, or quoted commands)."""
    return {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "\n".join(lines) or " "}]}


def rich(*parts: Element) -> Block:
    """A rich text block."""
    return {"type": "rich_text", "elements": list(parts)}


def header(text: str) -> Block:
    """A heading of at most 150 characters."""
    return {"type": "header", "text": plain(text, 150)}


def context(*texts: str) -> Block:
    """Small print: at most ten pieces of plain text."""
    return {"type": "context", "elements": [plain(text, 1_000) for text in texts[:10]]}


DIVIDER: Block = {"type": "divider"}


def packed(text: str, blocks: Iterable[Block]) -> tuple[Message, ...]:
    """As many messages as the blocks need: each within the limits of blocks and of text over all blocks."""
    return tuple(Message(text if n == 0 else f"{text} (continued)", part) for n, part in enumerate(_parts(blocks)))


def _parts(blocks: Iterable[Block]) -> Iterator[tuple[Block, ...]]:
    part: list[Block] = []
    size = 0
    for block in blocks:
        length = text_length(block)
        if part and (len(part) == MESSAGE_BLOCKS or size + length > TEXT_BUDGET):
            yield tuple(part)
            part, size = [], 0
        part.append(block)
        size += length
    if part:
        yield tuple(part)
