"""What does the front end keep in the journal, under which names?

`thread` and `card` are read by others too: a run's thread, a change's card. Nothing that matters lives only in memory.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from bot.engine.ports import Journal

THREAD, CARD, TOKEN, NOTE, FOLLOWED = "thread", "card", "slack-token", "slack-note", "slack-followed"
VERDICT, POST, SHARED, SILENCEABLE = "slack-verdict", "slack-post", "slack-shared", "slack-silenceable"


@dataclass(frozen=True, slots=True)
class Thread:
    """Where a run answers. `user` asked; `respond` is a response URL for that user, while it lives."""

    channel: str
    ts: str
    user: str = ""
    respond: str = ""

    @classmethod
    async def of(cls, journal: Journal, run: str) -> Self | None:
        """The thread of a run, when it was asked for in Slack."""
        value = await journal.recall(THREAD, run) if run else None
        return cls(**value) if value is not None else None

    async def keep(self, journal: Journal, run: str) -> None:
        """Remember it for the run."""
        await journal.replace(THREAD, run, asdict(self))


@dataclass(frozen=True, slots=True)
class Card:
    """The receipt of a change's card. `token` is what its buttons carry; `ts` is empty until it is posted.

    `shown` tells which rendering it shows, so that nothing is edited into itself.
    """

    token: str
    channel: str = ""
    ts: str = ""
    thread: str = ""
    shown: str = ""

    @classmethod
    async def of(cls, journal: Journal, change: str) -> Self | None:
        """The card of a change."""
        value = await journal.recall(CARD, change)
        return cls(**value) if value is not None else None

    async def keep(self, journal: Journal, change: str) -> None:
        """Remember it for the change."""
        await journal.replace(CARD, change, asdict(self))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The parent message of a run as it was first told, and the root causes in it as (host, fingerprint, name).

    `shown` tells which rendering it shows since.
    """

    channel: str
    ts: str
    text: str
    blocks: tuple[dict[str, Any], ...]
    roots: tuple[tuple[str, str, str], ...]
    shown: str = ""

    @classmethod
    async def of(cls, journal: Journal, run: str) -> Self | None:
        """The parent message of a run."""
        value = await journal.recall(VERDICT, run) if run else None
        if value is None:
            return None
        roots = tuple((str(host), str(mark), str(name)) for host, mark, name in value["roots"])
        return cls(**{**value, "blocks": tuple(value["blocks"]), "roots": roots})

    async def keep(self, journal: Journal, run: str) -> None:
        """Remember it for the run."""
        await journal.replace(VERDICT, run, asdict(self))


@dataclass(frozen=True, slots=True)
class Stood:
    """Where the message of a key stands. `ts` is empty until it is posted; `shown` tells which rendering it shows."""

    channel: str
    ts: str = ""
    shown: str = ""

    @classmethod
    async def of(cls, journal: Journal, key: str) -> Self | None:
        """The message of a key."""
        value = await journal.recall(POST, key)
        return cls(**value) if value is not None else None

    async def keep(self, journal: Journal, key: str) -> None:
        """Remember it for the key."""
        await journal.replace(POST, key, asdict(self))


async def change_of(journal: Journal, token: str) -> str | None:
    """The change that a button's token stands for; None for a token that was never given out."""
    value: Mapping[str, Any] | None = await journal.recall(TOKEN, token)
    return str(value["change"]) if value is not None else None
