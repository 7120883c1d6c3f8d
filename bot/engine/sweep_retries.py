"""When is a digest that the chat did not take told again?"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.core.fire import Fire

RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(minutes=10)

Key = tuple[str, datetime]
"""A run: its sweep, and when it was due."""


@dataclass(slots=True)
class Retries:
    """Twice as long after each time, up to ten minutes."""

    _next: dict[Key, tuple[datetime, timedelta]] = field(default_factory=dict)
    """When a digest is told again, and how long after the time before that is."""

    def keep(self, left: Iterable[Fire]) -> None:
        """Forget the digests that are not left to be told."""
        keys = {(fire.sweep, fire.due) for fire in left}
        self._next = {key: at for key, at in self._next.items() if key in keys}

    def again(self, fire: Fire, now: datetime) -> bool:
        """Whether it is time to tell a digest again; when it is, the next time is later."""
        key = fire.sweep, fire.due
        at, pause = self._next.get(key, (now, RETRY))
        if now < at <= now + LONGEST_RETRY:
            return False
        self._next[key] = now + pause, min(2 * pause, LONGEST_RETRY)
        return True
