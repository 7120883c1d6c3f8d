"""How does an approved change get onto its host, at most once?

    claim -> still that host? -> intent (stored) -> send, once -> answer -> confirm over a new connection -> settle

Nothing is sent unless the intent was stored, and nothing is ever sent again: whatever is lost on the way is UNKNOWN
and settled later by reading the host (`engine.reconcile`). Every other exit from here is a stored state.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from bot.core import answer as said
from bot.core.approval import Declined, Record, Result, State, claim, intent, release, rest, resting, settle
from bot.core.change import Change
from bot.core.errors import AskError, ConfigError
from bot.core.host import Host, HostFailure
from bot.core.transaction import MAX_BYTES, MAX_SKEW, START_WITHIN, apply_program, confirm_program, seconds
from bot.engine.bench import Bench
from bot.engine.ports import JournalDown, Output

CONFIRM_TRIES = 4
HELLO_DEADLINE = 20.0


@dataclass(frozen=True, slots=True)
class Held:
    """The change was not carried out now, and why; it may be tried again while its approval lasts."""

    record: Record
    why: str
    again: float = 0.0
    """Seconds after which it can be carried out, where that is known."""


async def carry_out(bench: Bench, change: str) -> Record | Held:
    """Claim an approved change and bring it to its host. Raises AskError, ConfigError, JournalDown (nothing sent).

    A JournalDown after the send is not raised: the outcome waits in `bench.unwritten`.
    """
    record = await bench.journal.get(change)
    if record is None:
        raise AskError(f'no change "{change}"')
    if record.state is not State.APPROVED:
        return Held(record, f"it is {record.state}")
    if left := rest(record, bench.clock.now()):
        return Held(record, resting(record, left), again=left)
    host = bench.host(record.change.host)
    standings, ground = await bench.standings(record), await bench.ground(host)
    claimed = await bench.journal.transact(change, lambda at: claim(at, standings, ground, owner=bench.owner))
    if isinstance(claimed, Declined):
        return Held(claimed.record, claimed.reason)
    if claimed.record.state is not State.CLAIMED:
        return claimed.record
    return await _carry(bench, claimed.record, host)


async def _carry(bench: Bench, record: Record, host: Host) -> Record | Held:
    change, fence = record.change, record.fence
    met = await _meet(bench, host, change)
    if isinstance(met, str):
        return await _give_back(bench, record, met)
    try:
        ground = await bench.ground(host)
    except ConfigError as fault:
        return await _give_back(bench, record, str(fault))
    now = bench.clock.now()
    nonce = bench.clock.token()
    program = apply_program(change, nonce=nonce, now=int(now.timestamp()), layout=bench.layout)
    deadline = now + timedelta(seconds=START_WITHIN + MAX_SKEW)
    written = await bench.journal.transact(change.id, lambda at: intent(at, ground, fence=fence, deadline=deadline))
    if isinstance(written, Declined):
        return await _give_back(bench, record, written.reason)
    if isinstance(met, Result):
        return await keep(bench, written.record, met)
    output = await bench.shell.run(host, program, deadline=seconds(change, bench.layout), max_bytes=MAX_BYTES)
    heard = hear(output, nonce, change)
    if isinstance(heard, said.Applied):
        return await keep(bench, written.record, await confirm(bench, host, change))
    return await keep(bench, written.record, outcome(heard, change))


async def _meet(bench: Bench, host: Host, change: Change) -> str | Result | None:
    """Say hello before anything is risked: is the host there, and is it the one the evidence was read from?

    None when it is; why it cannot be used now (tried again later); or the outcome, when it never can be.
    """
    nonce = bench.clock.token()
    output = await bench.shell.run(
        host, f"printf 'netdiag-hello %s\\n' {nonce}\n", deadline=HELLO_DEADLINE, max_bytes=4096
    )
    if isinstance(output, HostFailure):
        return f"{host.name} cannot be reached: {output.reason}"
    if output.status != 0 or f"netdiag-hello {nonce}".encode() not in output.stdout:
        return f"{host.name} runs no commands at the moment"
    if output.host_key != change.host_key:
        words = f"its host key is {output.host_key}, the evidence was read over {change.host_key}: another host"
        return Result(State.STALE, f"nothing was sent: {words}")
    return None


async def _give_back(bench: Bench, record: Record, why: str) -> Record | Held:
    words = f"{why}; nothing was sent, trying again until {record.change.expires}"
    back = await bench.journal.transact(
        record.change.id, lambda at: release(at, bench.clock.now(), fence=record.fence, why=words)
    )
    return Held(back.record, why)


async def confirm(bench: Bench, host: Host, change: Change) -> Result:
    """Prove over a new connection that the host still lets us in and the change holds: only that disarms the revert."""
    heard: said.Answer = said.NoAnswer("not asked")
    for attempt in range(CONFIRM_TRIES):
        if attempt:
            await asyncio.sleep(bench.pause)
        nonce = bench.clock.token()
        program = confirm_program(change, nonce=nonce, layout=bench.layout)
        allowed = max(5.0, change.confirm_within / CONFIRM_TRIES)
        output = await bench.shell.run(host, program, deadline=allowed, max_bytes=MAX_BYTES, fresh=True)
        heard = hear(output, nonce, change)
        if not isinstance(heard, said.NoAnswer | said.RefusedOnHost):
            break
    return outcome(heard, change, confirming=True)


def hear(output: Output | HostFailure, nonce: str, change: Change) -> said.Answer:
    """The answer in what came back; from another host, or from none, it is NoAnswer."""
    if isinstance(output, HostFailure):
        return said.NoAnswer(output.reason)
    if output.host_key != change.host_key:
        return said.NoAnswer(f"another host answered (key {output.host_key})")
    heard = said.parse(output.stdout, output.status, nonce, change.plan)
    if isinstance(heard, said.RefusedOnHost) and not output.root and output.root_reason:
        return said.RefusedOnHost(heard.code, f"{heard.reason} (not root: {output.root_reason})")
    return heard


def outcome(heard: said.Answer, change: Change, *, confirming: bool = False) -> Result:  # noqa: PLR0911 - a table
    """What an answer means for the change. Whatever does not prove its outcome is UNKNOWN."""
    takes_back = "; the host takes it back by itself" if change.plan.inverse else ""
    match heard:
        case said.Confirmed(looks):
            return Result(State.DONE, "applied, read back and confirmed over a new connection", pairs(looks))
        case said.Stale(looks):
            moved = "; ".join(f"{look.about} is {look.printed!r}" for look in looks if not look.holds)
            return Result(State.STALE, f"the host had changed, nothing was written: {moved}", pairs(looks))
        case said.RefusedOnHost(code, reason) if not confirming:
            return Result(State.FAILED, f"the host refused, nothing was done: {reason}", data={"code": code})
        case said.FailedOnHost(why, words, restored, looks):
            end = "the old state was restored" if restored else f"NOT restored: {show(looks)}"
            detail = f" ({words})" if words else ""
            return Result(State.FAILED, f"{why}{detail}; {end}", pairs(looks), {"restored": restored})
        case said.Ran("reverted"):
            return Result(State.REVERTED, "not confirmed in time, so the host took it back by itself")
        case said.Ran(state):
            return Result(State.UNKNOWN, f"the host's ledger has it as {state!r}; the host will be read")
        case said.Unverified(looks):
            words = f"applied, but it did not hold: {show(looks)}"
            state = State.UNKNOWN if change.plan.inverse else State.FAILED
            return Result(state, words + takes_back, pairs(looks))
    reason = getattr(heard, "reason", "the host answered something else")
    words = f"applied, but not confirmed over a new connection ({reason}){takes_back}"
    return Result(State.UNKNOWN, words if confirming else f"the outcome was lost: {reason}; the host will be read")


async def keep(bench: Bench, record: Record, result: Result) -> Record:
    """Store an outcome, or hold it until the journal can be written again; the record is then still INTENT."""
    fence = record.fence
    try:
        decision = await bench.journal.transact(
            record.change.id, lambda at: settle(at, result, bench.clock.now(), fence=fence)
        )
    except JournalDown:
        bench.unwritten[record.change.id] = (record, result)
        return record
    bench.unwritten.pop(record.change.id, None)
    return decision.record


def pairs(looks: tuple[said.Look, ...]) -> tuple[tuple[str, str], ...]:
    """(about, what was printed), as a record keeps it."""
    return tuple((look.about, look.printed) for look in looks)


def show(looks: tuple[said.Look, ...]) -> str:
    """What was read, for people: the checks that do not hold first, then the others."""
    ordered = sorted(looks, key=lambda look: look.holds)
    return "; ".join(f"{look.about} is {look.printed!r}" for look in ordered) or "nothing could be read"
