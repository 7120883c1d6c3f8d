"""What was seen of one host in one visit?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.core.host import HostFailure
from bot.core.probe import Facts, Unknown

Outcome = tuple[Facts, ...] | Unknown
"""One facts (ONCE, COUNTER), three (MOMENTARY, oldest first), or the reason there is none."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one visit learned of a host. `taken` is the bot's clock (UTC); `seconds` the visit's length.

    `host_key` is the SHA256 fingerprint the connection was made with ("local" or "replay" for those transports).
    `expect` is what the inventory says is meant to be: what was seen is held against it.
    """

    host: str
    taken: datetime
    seconds: float
    host_key: str
    outcomes: Mapping[str, Outcome]
    expect: Mapping[str, Any] = field(default_factory=dict)

    def facts(self, probe: str) -> Facts | Unknown:
        """The newest facts of a probe, or why there is none."""
        outcome = self.outcomes.get(probe)
        if outcome is None:
            return Unknown(f"{probe} was not asked")
        return outcome if isinstance(outcome, Unknown) else outcome[-1]


Visit = Snapshot | HostFailure
"""A host answered, or it could not be read and says why."""
