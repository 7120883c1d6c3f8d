"""Where do time and fresh names come from? The one place of the workspace that reads the clock and rolls dice."""

import secrets
import string
import time
from collections.abc import Callable

_LETTERS = string.ascii_letters + string.digits


class Mint:
    """Fresh identities. `now` is seconds since the epoch; every `ts` is later than the one before."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._last = 0
        self._serial = 0

    def ts(self) -> str:
        """A message timestamp, `1767326125.870439`: unique and rising even within one microsecond."""
        self._last = max(self._last + 1, int(self.now() * 1_000_000))
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"

    def id(self, prefix: str) -> str:
        """An object id, `V0AF71PAUQK`."""
        self._serial += 1
        return f"{prefix}0{self._serial:04d}{self.secret(5).upper()}"

    def short(self) -> str:
        """A block_id or action_id as Slack mints them where the app gave none."""
        return self.secret(5)

    @staticmethod
    def secret(length: int = 24) -> str:
        """Unguessable letters and digits."""
        return "".join(secrets.choice(_LETTERS) for _ in range(length))
