"""How does something a person did end?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.workspace.desk import Desk
from bot.workspace.link import NoAnswer
from bot.workspace.model import Message

Values = Mapping[str, Mapping[str, Any]]
"""block_id to action_id to a state entry, or to a plain value (a text, an option's value)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an act ended: `notice` is what the person is told when it did not, `errors` are by block_id of a modal."""

    ok: bool = True
    notice: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    message: Message | None = None


def unanswered(desk: Desk, failure: NoAnswer) -> str:
    """What a person reads when the app let them wait or is not there."""
    why = {"operation_timeout": "no answer within 3 seconds", "dispatch_failed": "it is not connected"}
    return f"{desk.app.name} did not respond ({why[str(failure)]})."
