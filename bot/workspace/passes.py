"""What may an app still do with a trigger id or a response URL it was given?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

TRIGGER_SECONDS = 3.0
HOOK_SECONDS = 1_800.0
HOOK_USES = 5
KEPT = 1_000
"""Passes remembered; older ones are unknown, as if they had never been given out."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Leave to show one person one modal, once, soon. `view` is the modal it came from, if any."""

    id: str
    user: str
    born: float
    view: str | None = None
    used: bool = False


@dataclass(frozen=True, slots=True)
class Hook:
    """A response URL: where its answers go, and the message it may replace.

    `target` is the ts of the message that was clicked; `ephemeral` says that only `user` sees that message.
    """

    id: str
    user: str
    channel: str
    born: float
    thread_ts: str | None = None
    target: str | None = None
    ephemeral: bool = False
    uses: int = 0


class Passes:
    """The triggers and response URLs given out."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._triggers: dict[str, Trigger] = {}
        self._hooks: dict[str, Hook] = {}

    def trigger(self, id_: str, user: str, view: str | None = None) -> str:
        """Give out a trigger."""
        self._triggers[id_] = Trigger(id_, user, self._now(), view)
        _forget(self._triggers)
        return id_

    def exchange(self, id_: str) -> Trigger | str:
        """Use a trigger up, or say why not, in the Web API's words."""
        found = self._triggers.get(id_)
        if found is None:
            return "invalid_trigger_id"
        if found.used:
            return "exchanged_trigger_id"
        if self._now() - found.born > TRIGGER_SECONDS:
            return "expired_trigger_id"
        self._triggers[id_] = replace(found, used=True)
        return found

    def hook(self, hook: Hook) -> Hook:
        """Give out a response URL."""
        self._hooks[hook.id] = hook
        _forget(self._hooks)
        return hook

    def use(self, id_: str) -> Hook | str:
        """One use of a response URL, or why not."""
        found = self._hooks.get(id_)
        if found is None or self._now() - found.born > HOOK_SECONDS:
            return "expired_url"
        if found.uses >= HOOK_USES:
            return "used_url"
        self._hooks[id_] = replace(found, uses=found.uses + 1)
        return found

    def expire_triggers(self) -> None:
        """Fault: every trigger given out so far is too old."""
        self._triggers = {key: replace(one, born=float("-inf")) for key, one in self._triggers.items()}

    def exhaust_hooks(self) -> None:
        """Fault: every response URL given out so far has been used five times."""
        self._hooks = {key: replace(one, uses=HOOK_USES) for key, one in self._hooks.items()}

    @property
    def hooks(self) -> Mapping[str, Hook]:
        """The response URLs given out, by id."""
        return dict(self._hooks)


def _forget(kept: dict[str, Trigger] | dict[str, Hook]) -> None:
    for old in list(kept)[: max(len(kept) - KEPT, 0)]:
        del kept[old]
