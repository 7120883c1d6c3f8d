"""Did the symptom go away? (Law 7: "set" is not "took effect".)

The playbook that found the fault reads the host again. What it measures for the same scope, before and after, is the
proof; a fault that stays leads to the change's next step, proposed and never done unasked.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.core.approval import Effect, Moved, Record, State, mark_reverted, moment, note_effect
from bot.core.change import FollowUp
from bot.core.diagnosis import diagnose, measure
from bot.core.errors import NetdiagError
from bot.core.host import HostFailure
from bot.core.policy import Actor
from bot.core.report import Finding, Offer
from bot.core.snapshot import Snapshot
from bot.engine.bench import Bench
from bot.engine.propose import FINDING, Wish, propose

LOOKS = 2
"""Visits before a symptom is said to stay, or not to be told: a queue needs a moment to drain, a host one to answer."""

SHOWN = 6
SHORT = 40
"""Characters of a word that still reads well in such a line."""

REMEMBERED = timedelta(days=30)
"""What an effect is measured with is kept for at least so long (`core.passing`)."""

RUN = "run"
"""Where the journal remembers runs: {"params": {...}} are the playbook's parameters as typed."""


async def check_effect(bench: Bench, record: Record) -> Record:
    """Read the host again and store what became of the symptom. Only for a change that is DONE; done once.

    Raises JournalDown when that cannot be stored; it is then found and done later.
    """
    change = record.change
    if record.state is not State.DONE or record.effect_note or not await _mine(bench, change.id):
        return record
    if change.reverts is not None:
        by = change.id
        await bench.journal.transact(change.reverts, lambda at: mark_reverted(at, by, bench.clock.now()))
        return await _note(bench, record, Effect.NOT_CHECKED, f"change {change.reverts} is not in force any more")
    try:
        seen = await _look(bench, record)
    except NetdiagError as fault:
        seen = Sight(Effect.UNKNOWN, f"not looked at again: {fault}")
    effect, note, follow_up = seen.effect, seen.note, None
    if change.then is not None and seen.persists is not None:
        effect, note, follow_up = await _next_step(bench, record, change.then, seen)
    return await _note(bench, record, effect, note, follow_up)


async def _mine(bench: Bench, change: str) -> bool:
    """Whether this process looks at the effect. A looker that died is followed by another after a lease's time."""
    for generation in range(3):
        key = f"{change}/{generation}"
        now = bench.clock.now().timestamp()
        if await bench.journal.remember("effect", key, {"owner": bench.owner, "at": now}):
            return True
        before = await bench.journal.recall("effect", key) or {}
        if now - float(before.get("at", now)) < LOOK_LEASE:
            return False
    return False


LOOK_LEASE = 120.0
"""Seconds after which somebody else looks at an effect that nobody told."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of the symptom afterwards; `persists` is the finding that is still there, in the visit of it."""

    effect: Effect
    note: str
    persists: tuple[Finding, Snapshot] | None = None


async def _look(bench: Bench, record: Record) -> Sight:
    change = record.change
    playbook = bench.playbooks.get(change.playbook)
    if playbook is None:
        return Sight(Effect.UNKNOWN, f"the playbook {change.playbook} is not there any more")
    if bench.clock.now() - moment(change.created) > REMEMBERED:
        return Sight(Effect.UNKNOWN, f"not looked at within {REMEMBERED.days} days; run the playbook again")
    told = await bench.journal.recall(FINDING, change.id) or {}
    run = await bench.journal.recall(RUN, record.run) or {}
    params: Mapping[str, Any] = run.get("params", {})
    for left in reversed(range(LOOKS)):
        seen = await bench.observer.observe(bench.host(change.host), [playbook])
        if isinstance(seen, HostFailure) and not left:
            return Sight(Effect.UNKNOWN, f"the host could not be read again: {seen.reason}")
        if isinstance(seen, Snapshot):
            report = diagnose([playbook], seen, params)
            finding = next((found for found in report.findings if found.fingerprint == change.fingerprint), None)
            doubt = next((one.reason for one in report.undecided if one.id == change.finding), None)
            if not left or (finding is None and doubt is None):
                break
        await asyncio.sleep(bench.pause)
    assert isinstance(seen, Snapshot)
    after = measure(playbook, change.finding, change.fingerprint, seen, params) or {}
    proof = _before_after(told.get("evidence", {}), after)
    if finding is not None:
        return Sight(Effect.PERSISTS, proof or finding.summary, (finding, seen))
    if doubt is not None:
        return Sight(Effect.UNKNOWN, f"cannot be told: {doubt}")
    return Sight(Effect.RESOLVED, proof or "the fault is gone, and with it what it was about")


def _before_after(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """ "recv_q 129 → 0, overflows_per_second 41.3 → 0": what was measured for the same scope, before and after."""
    names = [name for name in before if name in after and _tells(before[name], after[name])]
    moved = sorted(names, key=lambda name: before[name] == after[name])
    return ", ".join(f"{name} {_shown(before[name])} → {_shown(after[name])}" for name in moved[:SHOWN])


def _tells(before: Any, after: Any) -> bool:
    """A number tells also by staying what it was; a short word only by becoming another."""
    if isinstance(before, str) and isinstance(after, str):
        return before != after and max(len(before), len(after)) <= SHORT
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (before, after))


def _shown(value: Any) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


async def _next_step(bench: Bench, record: Record, then: FollowUp, sight: Sight) -> tuple[Effect, str, str | None]:
    assert sight.persists is not None
    finding, seen = sight.persists
    change = record.change
    kind, _, ident = record.asker.partition(":")
    actor = Actor(kind, ident)  # type: ignore[arg-type]  # a record's asker is an Actor.key
    host = bench.host(change.host)
    wish = Wish(finding, _offer(then), seen, host, actor, record.run, change.playbook_revision)
    proposal = await propose(bench, wish)
    why = f"{then.say or 'the change is in force, and the fault is still there'} ({sight.note})"
    if proposal.refused is not None:
        return Effect.PERSISTS, f"{why}; the next step was refused: {proposal.refused}", None
    return Effect.NEEDS_FOLLOW_UP, why, proposal.change


def _offer(then: FollowUp) -> Offer:
    return Offer(
        action=then.action, params=then.params, say=then.say, then=None if then.then is None else _offer(then.then)
    )


async def _note(bench: Bench, record: Record, effect: Effect, note: str, follow_up: str | None = None) -> Record:
    decision = await bench.journal.transact(
        record.change.id, lambda at: note_effect(at, effect, note, bench.clock.now(), follow_up=follow_up)
    )
    return decision.record if isinstance(decision, Moved) else record
