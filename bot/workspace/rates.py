"""How often may a method be called? Slack's tiers as token buckets.

Source: the `rate_limits` of each method in Slack's reference: t2 20/min, t3 50/min, t4 100/min; "t5" is special:
chat.postMessage one a second per channel with short bursts, the others generous.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Tier:
    """`rate` calls a second in the long run, `burst` at once."""

    rate: float
    burst: float


TIERS: Mapping[str, Tier] = {
    "t1": Tier(1 / 60, 1),
    "t2": Tier(20 / 60, 20),
    "t3": Tier(50 / 60, 50),
    "t4": Tier(100 / 60, 100),
    "special": Tier(10, 100),
    "message": Tier(1, 5),
}


class Rates:
    """The buckets, one per method (and channel, for messages). `enabled` switches them all."""

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._left: dict[tuple[str, str], tuple[float, float]] = {}

    def wait(self, method: str, tier: str, channel: str, now: float) -> int:
        """0 when the call may go ahead (and is counted), else the whole seconds of Retry-After."""
        if not self.enabled:
            return 0
        limits = TIERS[tier]
        key = (method, channel if tier == "message" else "")
        left, since = self._left.get(key, (limits.burst, now))
        left = min(limits.burst, left + max(now - since, 0) * limits.rate)
        if left < 1:
            self._left[key] = (left, now)
            return ceil((1 - left) / limits.rate)
        self._left[key] = (left - 1, now)
        return 0
