"""Who may stop every change at once, and who may let them go on?

One approver is enough to set the kill switch; clearing it takes as many as the policy says (`halt.people`, two unless
configured). Whatever was sent before goes to its end on the host; nothing is sent after the switch was seen.
"""

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from bot.core import policy as access
from bot.core.approval import stamp
from bot.core.audit import Event
from bot.core.policy import Denied, Policy, Standing

HALT = ("halt", "switch")
"""Where a journal remembers the kill switch (kind, key)."""


class Halt(BaseModel):
    """The kill switch while it is set: by whom, when (UTC), why, and who has asked to clear it so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str
    at: str
    why: str
    clearing: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """For refusals: "bad rollout (alice, 2030-05-13T09:00:00Z)"."""
        return f"{self.why} ({self.by}, {self.at})"


@dataclass(frozen=True, slots=True)
class Switched:
    """What the switch is now (None: not set), whether that is a change, what to tell, and the events to log."""

    halt: Halt | None
    moved: bool
    say: str
    events: tuple[Event, ...]


def halt(current: Halt | None, standing: Standing, why: str, policy: Policy, now: datetime) -> Switched:
    """Set the kill switch. Setting it again keeps the first reason and takes back who had asked to clear it."""
    person = access.eligible(policy, access.deciders(policy), standing)
    if isinstance(person, Denied):
        return _refused(current, standing, now, person.reason)
    why = why.strip() or "no reason given"
    switch = current.model_copy(update={"clearing": ()}) if current else Halt(by=person, at=stamp(now), why=why)
    event = Event("ChangesHalted", standing.actor.key, stamp(now), data={"person": person, "why": why})
    return Switched(switch, True, f"no change is sent any more: {switch.words}", (event,))


def resume(current: Halt | None, standing: Standing, policy: Policy, now: datetime) -> Switched:
    """Ask to clear the kill switch; it is cleared by the last of the people the policy asks for."""
    person = access.eligible(policy, access.deciders(policy), standing)
    if isinstance(person, Denied):
        return _refused(current, standing, now, person.reason)
    if current is None:
        return _refused(current, standing, now, "the kill switch is not set")
    if person in current.clearing:
        return _refused(current, standing, now, f"{person} has asked for it already; somebody else must, too")
    clearing = (*current.clearing, person)
    data = {"person": person, "asked": len(clearing), "needed": policy.unhalt}
    if len(clearing) < policy.unhalt:
        event = Event("ResumeAsked", standing.actor.key, stamp(now), data=data)
        say = f"{len(clearing)} of {policy.unhalt} people asked to let changes go on"
        return Switched(current.model_copy(update={"clearing": clearing}), True, say, (event,))
    event = Event("ChangesResumed", standing.actor.key, stamp(now), data=data)
    return Switched(None, True, f"changes go on ({', '.join(clearing)})", (event,))


def _refused(current: Halt | None, standing: Standing, now: datetime, reason: str) -> Switched:
    event = Event("HaltRefused", standing.actor.key, stamp(now), data={"reason": reason})
    return Switched(current, False, reason, (event,))
