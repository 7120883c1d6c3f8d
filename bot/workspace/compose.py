"""What does the composer make of what somebody typed? mrkdwn and a rich_text block, as on Slack. Pure."""

import re
from collections.abc import Iterator

from bot.workspace.model import Json, Workspace

_TOKEN = re.compile(
    r"```\n?(?P<pre>.+?)\n?```"
    r"|`(?P<code>[^`\n]+)`"
    r"|(?<![\w*])\*(?P<bold>[^*\n]+)\*(?![\w*])"
    r"|(?<![\w_])_(?P<italic>[^_\n]+)_(?![\w_])"
    r"|(?<![\w~])~(?P<strike>[^~\n]+)~(?![\w~])"
    r"|(?P<url>https?://[^\s<>|]+[^\s<>|.,;:!?)\]}'\"])"
    r"|(?<!\w)@(?P<at>[A-Za-z0-9._-]*[A-Za-z0-9_-])"
    r"|(?<!\w)#(?P<hash>[a-z0-9_-]+)"
    r"|:(?P<emoji>[a-z0-9_+-]+):",
    re.DOTALL,
)
_BROADCASTS = frozenset({"here", "channel", "everyone"})
_MARKS = {"code": "`", "bold": "*", "italic": "_", "strike": "~"}


def escape(text: str) -> str:
    """Slack's three entities: what a person types is never markup by accident."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def compose(typed: str, world: Workspace, block_id: str) -> tuple[str, list[Json]]:
    """The message's `text` and `blocks` for what was typed."""
    text: list[str] = []
    blocks: list[Json] = []
    section: list[Json] = []
    for mrkdwn, element in _elements(typed, world):
        text.append(mrkdwn)
        if element["type"] == "rich_text_preformatted":
            if section:
                blocks.append({"type": "rich_text_section", "elements": section})
                section = []
            blocks.append(element)
        else:
            section.append(element)
    if section:
        blocks.append({"type": "rich_text_section", "elements": section})
    return "".join(text), [{"type": "rich_text", "block_id": block_id, "elements": blocks}]


def _elements(typed: str, world: Workspace) -> Iterator[tuple[str, Json]]:
    """(mrkdwn, rich text element) pieces; neighbouring plain text is one piece."""
    plain = ""
    end = 0
    for match in _TOKEN.finditer(typed):
        plain += typed[end : match.start()]
        end = match.end()
        piece = _piece(match, world)
        if piece is None:
            plain += match.group()
            continue
        if plain:
            yield escape(plain), {"type": "text", "text": plain}
            plain = ""
        yield piece
    plain += typed[end:]
    if plain:
        yield escape(plain), {"type": "text", "text": plain}


def _piece(match: re.Match[str], world: Workspace) -> tuple[str, Json] | None:
    """One token as mrkdwn and rich text; None where it names nobody and so is plain text."""
    kind = match.lastgroup or ""
    body = match.group(kind)
    mark = _MARKS.get(kind, "")
    named = _named(kind, body, world)
    pieces: dict[str, tuple[str, Json]] = {
        "pre": (
            f"```{escape(body)}```",
            {"type": "rich_text_preformatted", "border": 0, "elements": [{"type": "text", "text": body}]},
        ),
        "url": (f"<{escape(body)}>", {"type": "link", "url": body}),
        "emoji": (f":{body}:", {"type": "emoji", "name": body}),
    }
    if mark:
        return f"{mark}{escape(body)}{mark}", {"type": "text", "text": body, "style": {kind: True}}
    return pieces.get(kind, named)


def _named(kind: str, body: str, world: Workspace) -> tuple[str, Json] | None:
    """What `@body` or `#body` names, if anything."""
    if kind == "hash":
        rooms = (one for one in world.channels.values() if one.name == body)
        return next(((f"<#{one.id}>", {"type": "channel", "channel_id": one.id}) for one in rooms), None)
    if body in _BROADCASTS:
        return f"<!{body}>", {"type": "broadcast", "range": body}
    people = (one for one in world.people.values() if one.name.casefold() == body.casefold())
    groups = (one for one in world.usergroups.values() if one.handle == body)
    person = next(((f"<@{one.id}>", {"type": "user", "user_id": one.id}) for one in people), None)
    group = (({"type": "usergroup", "usergroup_id": one.id}, one.id) for one in groups)
    return person or next(((f"<!subteam^{id_}>", element) for element, id_ in group), None)
