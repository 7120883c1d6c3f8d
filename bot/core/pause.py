"""Who may pause a sweep, for how long, and what is logged of it?"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from bot.core.approval import stamp
from bot.core.audit import Event
from bot.core.errors import AskError, nearest
from bot.core.policy import Policy, Standing, mute, person
from bot.core.sweep import DAY, Pause, Plan, Sweep
from bot.core.text import neutral

LONGEST = 30 * DAY
"""Seconds; a sweep that shall rest for longer is switched off in the file, where everybody sees it."""
SHORTEST = 60
MAX_WHY = 300


def named(plan: Plan, name: str) -> Sweep:
    """A sweep of the plan. Raises AskError with the nearest name."""
    sweep = plan.sweeps.get(name)
    if sweep is None:
        known = nearest(name, plan.sweeps) or ("" if plan.sweeps else "; there is no inventory/sweeps.yaml yet")
        raise AskError(f'no sweep "{neutral(name, 80)}"{known}; `netdiag sweep` shows all')
    return sweep


def allowed(sweep: Sweep, standing: Standing, policy: Policy, what: str) -> None:
    """Raise AskError where this actor may not do that (a verb) to the sweep."""
    fault = mute(policy, standing)
    if fault:
        raise AskError(f"{standing.actor.key} may not {what} {sweep.name}: {fault}")


def paused(
    sweep: Sweep, standing: Standing, policy: Policy, now: datetime, *, seconds: int, why: str
) -> tuple[Pause, Event]:
    """The pause, and what to log. Raises AskError for whoever may not, and for a pause without reason or end."""
    allowed(sweep, standing, policy, "pause")
    said = neutral(why.strip(), MAX_WHY)
    if not said:
        raise AskError("a pause needs a reason: whoever misses the sweep will ask")
    if not SHORTEST <= seconds <= LONGEST:
        raise AskError(
            f"a pause lasts between one minute and {LONGEST // DAY} days; else write `enabled: false` in sweeps.yaml"
        )
    key = standing.actor.key
    made = Pause(sweep.name, person(policy, standing.actor) or key, said, now + timedelta(seconds=seconds))
    data = {"sweep": sweep.name, "until": stamp(made.until), "why": said}
    return made, Event("SweepPaused", key, stamp(now), data=data)


def resumed(
    sweep: Sweep, standing: Standing, policy: Policy, now: datetime, pauses: Iterable[Pause]
) -> tuple[Pause, Event]:
    """The pause that is taken back, ending now, and what to log. Raises AskError when there is none."""
    allowed(sweep, standing, policy, "resume")
    held = next((pause for pause in pauses if pause.sweep == sweep.name), None)
    if held is None:
        raise AskError(f"{sweep.name} is not paused")
    data = {"sweep": sweep.name, "paused by": held.by, "why": held.why}
    return replace(held, until=now), Event("SweepResumed", standing.actor.key, stamp(now), data=data)


def asked(sweep: Sweep, standing: Standing, policy: Policy, now: datetime) -> Event:
    """What to log of a run that somebody wants at once. Raises AskError for whoever may not: at the terminal everybody
    may read hosts.
    """
    if standing.fault or standing.actor.kind != "terminal":
        allowed(sweep, standing, policy, "run")
    return Event("SweepAsked", standing.actor.key, stamp(now), data={"sweep": sweep.name})
