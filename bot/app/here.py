"""Whose process is this, what time is it, and who may somebody be?"""

import os
import pwd
import secrets
from datetime import UTC, datetime

from bot.core.policy import Actor, Standing
from bot.engine.ports import Directory


class SystemClock:
    """The machine's clock and the kernel's randomness."""

    def now(self) -> datetime:
        """UTC, aware."""
        return datetime.now(UTC)

    def token(self, bits: int = 128) -> str:
        """A random lowercase token of at least `bits` bits, hex digits."""
        return secrets.token_hex((bits + 7) // 8)


class Accounts:
    """Serves `ports.Directory`: operating-system accounts for the terminal, and whatever front ends add by kind."""

    def __init__(self) -> None:
        self.others: dict[str, Directory] = {}

    async def standing(self, key: str) -> Standing:
        """The standing of `kind:id`. A terminal user must still exist; an unknown kind may decide nothing."""
        kind, _, name = key.partition(":")
        if kind in self.others:
            return await self.others[kind].standing(key)
        if kind == "terminal":
            return Standing(Actor("terminal", name, name), fault=_account_fault(name))
        return Standing(Actor("schedule", name, name), fault=f"nobody can be asked about {kind!r} identities here")


def _account_fault(name: str) -> str:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return f"there is no user {name} on this machine"
    return ""


def terminal_actor() -> Actor:
    """The operating-system user of this process: by real user id, not by an environment variable.

    A user id without a name (containers have such) may read, and decide nothing: there is no such user.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid-{os.getuid()}"
    return Actor("terminal", name, name)
