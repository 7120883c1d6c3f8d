"""What became of a change whose outcome was lost? The host is read; nothing is ever sent again.

A claim whose owner went away before the intent is free again. After the intent it is UNKNOWN, and once the host
itself would not start it any more, the host's ledger and its state decide. What they cannot decide stays UNKNOWN, with
the reason, for a human.
"""

from bot.core import answer as said
from bot.core.approval import Moved, Record, Result, State, lapse, moment, resolve_unknown, still_unknown
from bot.core.change import Change
from bot.core.errors import AskError
from bot.core.host import HostFailure
from bot.core.transaction import MAX_BYTES, inquiry_program
from bot.engine.bench import Bench
from bot.engine.carry import confirm, hear, pairs, show

INQUIRY_DEADLINE = 60.0


async def reconcile(bench: Bench) -> None:
    """Settle everything that was left behind and can be settled now. Raises JournalDown."""
    for record in await bench.journal.list(states=[State.CLAIMED, State.INTENT]):
        if record.lease is None or bench.clock.now() >= moment(record.lease):
            await bench.journal.transact(record.change.id, lambda at: lapse(at, bench.clock.now()))
    for record in await bench.journal.list(states=[State.UNKNOWN]):
        if record.deadline is None or bench.clock.now() > moment(record.deadline):
            await _settle(bench, record)


async def _settle(bench: Bench, record: Record) -> None:
    found = await inquire(bench, record.change)
    if isinstance(found, Result):
        decision = await bench.journal.transact(
            record.change.id, lambda at: resolve_unknown(at, found, bench.clock.now())
        )
        if isinstance(decision, Moved):
            bench.wake.set()
    elif found != record.reason:
        await bench.journal.transact(record.change.id, lambda at: still_unknown(at, found, bench.clock.now()))


async def inquire(bench: Bench, change: Change) -> Result | str:
    """Read the host's ledger and state: the outcome, or why it is still not known."""
    try:
        host = bench.host(change.host)
    except AskError as fault:
        return str(fault)
    nonce = bench.clock.token()
    program = inquiry_program(change, nonce=nonce, layout=bench.layout)
    output = await bench.shell.run(host, program, deadline=INQUIRY_DEADLINE, max_bytes=MAX_BYTES)
    if isinstance(output, HostFailure):
        return f"{host.name} cannot be read: {output.reason}"
    heard = hear(output, nonce, change)
    if not isinstance(heard, said.Told):
        return f"{host.name} was asked what became of it: {getattr(heard, 'reason', 'no answer')}"
    if heard.state == "applied" and all(look.holds for look in heard.after):
        confirmed = await confirm(bench, host, change)
        return confirmed if confirmed.state is not State.UNKNOWN else confirmed.reason
    return judge(heard)


def judge(told: said.Told) -> Result | str:  # noqa: PLR0911 - a table
    """What the ledger and the readings prove together, or what is not proven."""
    before, after = all(look.holds for look in told.before), all(look.holds for look in told.after)
    readback = pairs(told.after)
    match told.state:
        case "confirmed" if after:
            return Result(State.DONE, "the host's ledger has it as confirmed, and the state holds", readback)
        case "confirmed":
            words = f"the host's ledger has it as confirmed; it was changed since: {show(told.after)}"
            return Result(State.DONE, words, readback)
        case "absent" | "void" | "none" | "intent":
            words = "the host never began it, and now it cannot any more"
            return Result(State.FAILED, words + ("" if before else f"; read: {show(told.before)}"), readback)
        case "stale":
            return Result(State.STALE, f"the host had changed, nothing was written: {show(told.before)}", readback)
        case "reverted":
            return Result(State.REVERTED, "not confirmed in time, so the host took it back by itself", readback)
        case "unrestored":
            return Result(State.FAILED, f"it failed on the host and was NOT restored: {show(told.after)}", readback)
        case "failed":
            return Result(State.FAILED, "it failed on the host, and the old state was restored", readback)
    if told.armed:
        return "the host will take it back by itself if it is not confirmed"
    return _by_state(told, before=before, after=after)


def _by_state(told: said.Told, *, before: bool, after: bool) -> Result | str:
    """Begun or applied, and nothing on the host will act on it any more: only its state can tell."""
    readback = pairs(told.after)
    if before and not after:
        words = "the state before it is back (the host may have restarted)"
        return Result(State.REVERTED if told.state == "applied" else State.FAILED, words, readback)
    if after and not before:
        words = "begun on the host, its end was not written down, but its result is read there"
        return Result(State.DONE, words, readback)
    return (
        f"the host's ledger has it as {told.state!r}, and its state proves neither: {show((*told.after, *told.before))}"
    )
