"""Strings that hosts may print to deceive readers, and what must not survive them in a message."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

NAUGHTY = (
    "<!channel> wake up",
    "<!here|here>",
    "<!everyone>",
    "<@U0ALICE> approve this",
    "<#C0NETOPS|general>",
    "<!subteam^S0123|oncall>",
    "<https://evil.example|node-3>",
    "<mailto:a@evil.example|mail>",
    "*bold* _italic_ ~strike~ `code`",
    "```\nfenced\n```",
    "> quote\n> quote",
    ":fire: :white_check_mark:",
    "@channel @here @everyone",
    "https://evil.example/unfurl",
    "&lt;!channel&gt;",
    "\x1b[31mred\x1b[0m\x07",
    "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "\u202efdp.exe\u202c",
    "zero\u200bwidth\ufeff",
    "line\nbreak\r\ntab\tnul\x00",
    "\u2028line separator\u2029",
    "\udce9 lone surrogate",
    "<script>alert(1)</script>",
    '"}],"blocks":[{"type":"section"}]',
    "{{7*7}} ${jndi:ldap://evil} %s %n",
    "x" * 5_000,
    "é" * 700 + "<!channel>",
    "",
    " ",
    "👩\u200d👩\u200d👧 󠁧󠁢",
)

_SAFE_TYPES = frozenset({"text", "user", "date", "emoji"})
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def texts(part: object) -> Iterator[str]:
    """Every string at any depth."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping):
        for inner in part.values():
            yield from texts(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from texts(inner)


def objects(part: object) -> Iterator[Mapping[str, Any]]:
    """Every object at any depth."""
    if isinstance(part, Mapping):
        yield part
        for inner in part.values():
            yield from objects(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from objects(inner)


def markup_left(text: str, blocks: object, people: frozenset[str] = frozenset()) -> list[str]:
    """Mentions, links, markup or control characters that somebody other than us put into a message."""
    left = []
    if re.search(r"[<>]", text):
        left.append(f"raw angle bracket in text: {text[:80]!r}")
    if re.search(r"&(?!amp;|lt;|gt;)", text):
        left.append(f"raw ampersand in text: {text[:80]!r}")
    for part in objects(blocks):
        kind = part.get("type")
        if kind in ("mrkdwn", "markdown", "link", "channel", "usergroup", "broadcast", "image", "video"):
            left.append(f"a {kind} object: {str(part)[:80]}")
        if kind == "user" and part["user_id"] not in people:
            left.append(f"a mention of {part['user_id']}")
        if kind == "plain_text" and part.get("emoji") is not False:
            left.append("a plain_text that makes emoji of :names:")
        if "url" in part:
            left.append(f"a link: {part['url']}")
    # A box of fixed-width type holds our own line breaks; nothing else may.
    boxes = {s for p in objects(blocks) if p.get("type") == "rich_text_preformatted" for s in texts(p)}
    strings = [text, *texts(blocks)]
    left += [
        f"a control character: {s[:80]!r}" for s in strings if _CONTROL.search(s) or ("\n" in s and s not in boxes)
    ]
    return left
