"""Whatever dies or is cut off: nothing runs twice, nothing is called done that is not, and every change has an end."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.core.approval import FINAL, Effect, State
from bot.core.audit import Verdict
from bot.engine.carry import Held
from bot.engine.drive import settle_what_is_left
from bot.engine.ports import JournalDown
from bot.engine.remedy import Remedy
from tests.fakes.host import until
from tests.fakes.remedy import Count, Dying, Killed, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def much_later(world: World, bot: Remedy | None = None, seconds: float = 600.0) -> None:
    """Leases and deadlines are over for the bot, and nothing of the change is at work on the host any more."""
    async with asyncio.timeout(60):
        for record in list(world.journal.records.values()):
            while world.host.deadman(record.change) is not None:
                await asyncio.sleep(0.05)
    world.clock.ahead = seconds
    await settle_what_is_left(bot or world.bot())
    world.clock.ahead = 0.0


@pytest.mark.parametrize("how", ["before", "during", "after"])
async def test_a_connection_cut_at_the_send_is_unknown_and_settled_by_reading_the_host(world: World, how: str) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.shell.cut["apply"] = how
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert done.state is State.UNKNOWN
    await world.shell.close()
    world.shell.cut.clear()
    await much_later(world)
    record = await world.record(change)
    assert record.state is {"before": State.FAILED, "during": State.REVERTED, "after": State.REVERTED}[how]
    assert world.host.now_is == "old"
    assert world.shell.sent.count("apply") == 1, "never sent again"


async def test_the_host_takes_back_what_cannot_be_confirmed_over_a_new_connection(world: World) -> None:
    """The change itself cut the network: the answer came over the old connection, a new one cannot be made."""
    bot = world.bot()
    change = await world.approved(bot)
    world.shell.cut["confirm"] = "before"
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert done.state is State.UNKNOWN
    assert "takes it back by itself" in done.reason
    assert world.shell.sent.count("confirm") >= 1
    until(lambda: world.host.now_is == "old", "the automatic revert")
    await much_later(world)
    record = await world.record(change)
    assert (record.state, record.effect) == (State.REVERTED, Effect.NOT_CHECKED)


async def test_a_confirmation_whose_answer_was_lost_is_found_on_the_host(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.shell.cut["confirm"] = "after"
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert done.state is State.UNKNOWN
    await much_later(world)
    record = await world.record(change)
    assert (record.state, record.effect) == (State.DONE, Effect.RESOLVED)
    assert record.readback == (("the value", "new"),)
    assert world.host.now_is == "new"


async def test_an_unknown_is_not_settled_before_the_host_itself_would_refuse_to_start(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.shell.cut["apply"] = "before"
    await bot.drive_one(change)
    await settle_what_is_left(bot)
    assert (await world.record(change)).state is State.UNKNOWN
    assert "inquire" not in world.shell.sent


async def test_a_program_that_arrives_after_the_inquiry_does_nothing(world: World) -> None:
    from bot.core.transaction import apply_program
    from tests.fakes.host import NONCE

    bot = world.bot()
    change = await world.approved(bot)
    world.shell.cut["apply"] = "before"
    await bot.drive_one(change)
    await much_later(world)
    assert (await world.record(change)).state is State.FAILED
    late = (await world.record(change)).change
    program = apply_program(late, nonce=NONCE, now=int(world.clock.now().timestamp()), layout=world.host.layout)
    world.host.run(program, late.plan)
    assert (world.host.now_is, world.host.runs) == ("old", 0)


async def test_a_host_that_cannot_be_asked_stays_unknown_and_says_why(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.shell.cut.update(apply="after", inquire="before")
    await bot.drive_one(change)
    for _ in range(3):
        await much_later(world)
    record = await world.record(change)
    assert record.state is State.UNKNOWN
    assert record.reason == "node-3 cannot be read: connection refused"
    assert world.kinds().count("OutcomeStillUnknown") == 1, "said once, and not at every look"
    world.shell.cut.clear()
    await much_later(world)
    assert (await world.record(change)).state is State.REVERTED


async def test_what_the_host_cannot_prove_stays_unknown_for_a_human(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.shell.cut["apply"] = "after"
    await bot.drive_one(change)
    entry = world.host.entry((await world.record(change)).change)
    until(lambda: (entry / "state").read_text().startswith("reverted"), "the automatic revert")
    (entry / "state").write_text("begun 1\n")
    world.host.value.write_text("neither\n")
    await much_later(world)
    record = await world.record(change)
    assert record.state is State.UNKNOWN
    assert "proves neither: the value is 'neither'" in record.reason


async def test_an_effect_that_nobody_looked_at_for_a_month_is_not_known(world: World) -> None:
    """What it is measured with, and the parameters of its run, may be gone by then."""
    bot = world.bot()
    change = await world.approved(bot)
    world.shell.cut["confirm"] = "after"
    await bot.drive_one(change)
    await much_later(world, seconds=timedelta(days=31).total_seconds())
    record = await world.record(change)
    assert (record.state, record.effect) == (State.DONE, Effect.UNKNOWN)
    assert record.effect_note == "not looked at within 30 days; run the playbook again"


async def test_an_outcome_that_cannot_be_stored_waits_and_is_stored_later(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    shell = world.shell

    class DownAfterwards:
        async def run(self, *args: Any, **kwargs: Any) -> Any:
            output = await shell.run(*args, **kwargs)
            if shell.sent[-1] == "confirm":
                world.journal.down = "disk full"
            return output

    bot.shell = DownAfterwards()  # type: ignore[assignment]  # `close` is not asked for
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert done.state is State.INTENT, "done on the host, and not called so while it cannot be stored"
    assert list(bot.unwritten) == [change]
    world.journal.down = ""
    await settle_what_is_left(bot)
    record = await world.record(change)
    assert (record.state, record.effect, bot.unwritten) == (State.DONE, Effect.RESOLVED, {})
    assert world.host.runs == 1


async def test_with_the_journal_down_nothing_is_sent(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.journal.down = "disk full"
    with pytest.raises(JournalDown):
        await bot.drive_one(change)
    assert world.shell.sent == []


async def test_the_journal_failing_at_the_intent_leaves_the_host_alone(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    shell = world.shell

    class DownAfterHello:
        async def run(self, *args: Any, **kwargs: Any) -> Any:
            output = await shell.run(*args, **kwargs)
            world.journal.down = "disk full"
            return output

    bot.shell = DownAfterHello()  # type: ignore[assignment]  # `close` is not asked for
    with pytest.raises(JournalDown):
        await bot.drive_one(change)
    assert shell.sent == ["hello"]
    world.journal.down = ""
    await much_later(world)
    assert (await world.record(change)).state is State.APPROVED
    assert world.host.runs == 0


async def die_at(world: World, at: int) -> str:
    """One bot that dies at its n-th look at the world; where that was, "" when it came to its end before."""
    count = Count(at)
    bot = world.bot(
        **{
            name: Dying(port, count)
            for name, port in {
                "journal": world.journal,
                "shell": world.shell,
                "directory": world.directory,
                "observer": world,
            }.items()
        }
    )
    change = await world.approved()
    try:
        await bot.drive_one(change)
    except Killed as here:
        return str(here)
    return ""


async def one_death(root: Path, at: int, *, follows: bool) -> tuple[str, State] | None:
    """Die at the n-th await, start anew, and hold what is then true against what may be."""
    world = World(root)
    world.follows = follows
    where = await die_at(world, at)
    if not where:
        return None
    change = next(iter(world.journal.records))
    for _ in range(2):
        await much_later(world)
    restarted = world.bot()
    if (await world.record(change)).state is State.APPROVED:
        assert world.host.runs == 0, where
        assert not isinstance(await restarted.drive_one(change), Held)
    record = await world.record(change)
    assert record.state in FINAL, where
    assert world.host.runs - (record.state is State.REVERTED) <= 1, where
    assert world.shell.sent.count("apply") <= 1, where
    assert world.host.now_is == ("new" if record.state is State.DONE else "old"), f"{where}: {record.reason}"
    if record.state is State.DONE:
        assert record.effect is (Effect.RESOLVED if follows else Effect.NEEDS_FOLLOW_UP), where
    assert (await world.journal.verify()).verdict is not Verdict.TAMPERED, where
    return where, record.state


@pytest.mark.parametrize("follows", [True, False], ids=["cured", "next step"])
async def test_a_bot_killed_at_any_point_leaves_nothing_twice_and_nothing_untold(tmp_path: Path, follows: bool) -> None:
    """Every await between the approval and the end, before and after it: die there, start anew, and look."""
    ends: list[tuple[str, State]] = []
    for first in range(1, 200, 8):
        batch = [one_death(tmp_path / str(at), at, follows=follows) for at in range(first, first + 8)]
        found = [end for end in await asyncio.gather(*batch) if end is not None]
        ends += found
        if len(found) < len(batch):
            break
    assert {state for _, state in ends} == {State.DONE, State.REVERTED, State.FAILED}
    assert {"after transact", "before run", "after run", "before observe"} <= {where for where, _ in ends}
