"""What is one call of the Web API, and how is it refused?"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.core.blockkit import Fault, faults
from bot.workspace.desk import Desk
from bot.workspace.model import Channel, Json, Kind

PREFIX: Mapping[Kind, str] = {Kind.PUBLIC: "channels", Kind.PRIVATE: "groups", Kind.IM: "im"}


class Refused(Exception):
    """The call fails with this error code; `extra` is merged into the reply."""

    def __init__(self, error: str, **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.extra = extra


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call, however they travelled."""

    args: Mapping[str, Any]

    def text(self, name: str, default: str = "") -> str:
        """A string argument; numbers become strings."""
        value = self.args.get(name)
        return default if value is None else str(value)

    def need(self, name: str, error: str) -> str:
        """A string argument that must be there, or the refusal."""
        value = self.text(name)
        if not value:
            raise Refused(error)
        return value

    def flag(self, name: str) -> bool:
        """A boolean argument in any of its spellings."""
        return self.text(name).lower() in ("1", "true")

    def number(self, name: str, default: int, error: str) -> int:
        """A whole number."""
        try:
            return int(self.text(name) or default)
        except ValueError:
            raise Refused(error) from None

    def json(self, name: str, error: str) -> Any:
        """A structured argument: JSON itself, or a string of JSON; None when absent."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise Refused(error) from None


Answer = Callable[[Desk, Call], Json]


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the table. `scopes`: one of these is needed; `{}` stands for the conversation's family.

    `credential`: which token it takes, "bot", "app" or "any".
    """

    name: str
    answer: Answer
    tier: str
    scopes: tuple[str, ...] = ()
    credential: str = "bot"


def allowed(desk: Desk, method: Method, call: Call) -> None:
    """Raise missing_scope where the manifest grants none of what the method needs."""
    if not method.scopes:
        return
    where = desk.world.channels.get(call.text("channel"))
    families = [PREFIX[where.kind]] if where is not None else list(PREFIX.values())
    needed = [scope.format(family) for scope in method.scopes for family in families]
    if desk.manifest.scopes.isdisjoint(needed):
        raise Refused(
            "missing_scope", needed=",".join(dict.fromkeys(needed)), provided=",".join(sorted(desk.manifest.scopes))
        )


def conversation(desk: Desk, call: Call, name: str = "channel") -> Channel:
    """The channel an argument names (an id, a #name, or a person for their direct conversation)."""
    given = call.text(name)
    if given.startswith("U") and given in desk.world.people and given != desk.app.user_id:
        return desk.im(given)
    try:
        found = desk.channel(given)
    except LookupError:
        raise Refused("channel_not_found") from None
    if found.kind is not Kind.PUBLIC and desk.app.user_id not in found.members:
        raise Refused("channel_not_found")
    return found


def member(desk: Desk, where: Channel, error: str = "not_in_channel") -> None:
    """Raise unless the bot is in the channel."""
    if desk.app.user_id not in where.members:
        raise Refused(error)


SIZES = frozenset({"msg_blocks_too_long", "view_too_large"})
"""Codes of `blockkit` that are the call's own error, not one of many messages."""


def refuse(found: Sequence[Fault], error: str, too_long: str | None = None) -> None:
    """Raise what Slack raises when Block Kit faults were found: a size's own code, else `error` with the messages.

    `too_long` is what the method calls a size that it has no own code for.
    """
    if not found:
        return
    size = next((too_long or fault.code for fault in found if fault.code in SIZES), None)
    messages = [f"[ERROR] {fault.message} [json-pointer:{fault.pointer or '/'}]" for fault in found]
    raise Refused(
        size or error,
        errors=[fault.message for fault in found],
        response_metadata={"messages": messages},
    )


def checked_blocks(call: Call, too_long: str | None = None) -> list[Json] | None:
    """The `blocks` argument, held against Block Kit; None when it was not given."""
    blocks = call.json("blocks", "invalid_blocks_format")
    if blocks is None:
        return None
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    refuse(faults(blocks), "invalid_blocks", too_long)
    return blocks


T = TypeVar("T")


def page(items: Sequence[T], call: Call, default: int = 100, most: int = 1_000) -> tuple[Sequence[T], str]:
    """The part of a long list that `cursor` and `limit` ask for, and the next cursor ("" at the end)."""
    limit = min(max(call.number("limit", default, "invalid_cursor"), 1), most)
    start = 0
    if cursor := call.text("cursor"):
        try:
            start = int(base64.b64decode(cursor, validate=True).removeprefix(b"next:"))
        except (binascii.Error, ValueError):
            raise Refused("invalid_cursor") from None
    end = start + limit
    following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
    return items[start:end], following
