"""What goes wrong on demand? Each fault is armed for a number of uses and taken by the place it strikes.

faults.arm("drop", "slash_commands")             the next slash command never reaches the app
faults.arm("error", "views.open", error="expired_trigger_id")
faults.arm("lost_reply", "chat.postMessage")     it is posted, but the connection breaks before the answer
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

KINDS: Mapping[str, str] = {
    # kind: what it does, and what `at` names
    "delay": "an envelope (`at`: slash_commands, interactive, events_api, or * for any) is sent `seconds` late",
    "drop": "an envelope is never sent",
    "duplicate": "an envelope is sent twice, with the same envelope_id",
    "error": "a Web API method (`at`) answers `error`, with any `messages`, and does nothing",
    "status": "a Web API method answers HTTP `status` with no JSON, and does nothing",
    "rate_limit": "a Web API method answers 429 with Retry-After `retry_after` (seconds)",
    "lost_reply": "a Web API method does its work, then the connection breaks without an answer",
    "slow": "a Web API method answers `seconds` late",
    "burned_ticket": "the next socket address handed out is already used up",
    "refuse_socket": "the next socket handshake is refused",
}
"""Faults that strike once per use. The others happen at once: see `Levers` in `link` and `passes`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One armed fault: what strikes (`kind`), where (`at`, * for anywhere), how often, and its particulars."""

    kind: str
    at: str = "*"
    times: int = 1
    with_: Mapping[str, Any] = field(default_factory=dict)


class Faults:
    """The armed faults. Nothing strikes unless somebody armed it."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self.struck: list[Fault] = []
        """What has struck so far, oldest first (the last 1000), for tests and the demo."""

    def arm(self, kind: str, at: str = "*", times: int = 1, **particulars: Any) -> None:
        """Arm a fault for the next `times` uses of `at`. Raises ValueError for a kind that does not exist."""
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; known: {', '.join(KINDS)}")
        self._armed.append(Fault(kind, at, times, particulars))

    def take(self, kind: str, at: str) -> Fault | None:
        """The fault that strikes here now, if one is armed; it is used up by one."""
        for index, fault in enumerate(self._armed):
            if fault.kind == kind and fault.at in ("*", at):
                left = replace(fault, times=fault.times - 1)
                self._armed[index : index + 1] = [left] if left.times > 0 else []
                self.struck = [*self.struck[-999:], fault]
                return fault
        return None

    def disarm(self) -> None:
        """Forget every armed fault."""
        self._armed.clear()

    @property
    def armed(self) -> tuple[Fault, ...]:
        """What is armed and has not struck yet."""
        return tuple(self._armed)
