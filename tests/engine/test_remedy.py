"""From a finding to its cure: proposed, approved, carried out once, confirmed, and its effect seen."""

import asyncio
import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.core.approval import Effect, Moved, Record, State, moment
from bot.core.audit import Verdict
from bot.core.errors import AskError, ConfigError
from bot.core.halt import HALT
from bot.core.host import Inventory
from bot.core.policy import Actor, Standing
from bot.core.report import Offer
from bot.engine.carry import Held
from bot.engine.drive import alive, beat
from tests.fakes.approval import BOB
from tests.fakes.remedy import ASKER, CONNECTION, NODE, World

ALICE = Standing(Actor("slack", "T0TEAM:U0ALICE"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_an_approved_change_is_applied_confirmed_and_its_effect_proven(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert (done.state, done.effect, done.effect_note) == (
        State.DONE,
        Effect.RESOLVED,
        "value old → new, served old → new",
    )
    assert done.readback == (("the value", "new"),)
    assert (world.host.now_is, world.host.runs, world.host.state(done.change)) == ("new", 1, "confirmed")
    assert world.shell.sent == ["hello", "apply", "confirm"]
    assert world.shell.fresh == [False, False, True], "only a new connection proves that the host lets us in"
    assert world.kinds() == [
        "ChangeProposed",
        "ChangeApproved",
        "ChangeClaimed",
        "IntentWritten",
        "ChangeSettled",
        "EffectObserved",
    ]
    assert (await world.journal.verify()).verdict is not Verdict.TAMPERED


async def test_a_proposal_says_everything_that_will_happen(world: World) -> None:
    proposal = await world.proposed()
    record = await world.record(proposal.change)
    assert (record.state, record.run, record.asker) == (State.PENDING, "r1", ASKER.key)
    assert proposal.commands == record.change.plan.steps
    assert proposal.inverse == record.change.plan.inverse
    assert proposal.digest == record.change.digest
    assert proposal.approval == "1 of net-oncall within 30 min"
    assert record.change.requester == "dave"
    assert record.change.then is not None
    assert record.change.then.say == "still serves old: tell it"


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (Offer(action="value.sett", params={}), 'no action "value.sett"; did you mean "value.set"?'),
        (Offer(action="value.set", params={}), "value.set: value: Field required"),
        (Offer(action="value.set", params={"value": 4}), "value: Input should be a valid string"),
        (Offer(action="value.set", params={"value": "old"}), "nothing to do"),
        (Offer(action="value.set", params={"value": "a\0b"}), "NUL"),
    ],
)
async def test_what_cannot_be_planned_is_a_proposal_that_says_why(world: World, offer: Offer, words: str) -> None:
    proposal = await world.bot().propose(world.finding, offer, world.snapshot(), NODE, ASKER, "r1", "v1")
    assert proposal.refused is not None
    assert words in proposal.refused
    assert proposal.change == ""
    assert world.journal.records == {}


async def test_without_a_policy_a_proposal_is_refused_and_the_refusal_logged(world: World) -> None:
    world.policy.now = replace(world.policy.policy(), rules=())
    proposal = await world.proposed()
    assert proposal.refused is not None
    assert "policy" in proposal.refused
    assert proposal.commands, "what would have been done is still shown"
    assert world.kinds() == ["ProposalRefused"]


async def test_a_broken_policy_or_a_store_that_is_down_refuses_the_proposal(world: World) -> None:
    world.policy.now = ConfigError("policy.yaml:3: rules: unknown key")
    assert "policy.yaml:3" in ((await world.proposed()).refused or "")
    world.policy = type(world.policy)()
    await world.proposed()
    world.journal.down = "disk full"
    assert "disk full" in ((await world.proposed()).refused or "")


async def test_a_fault_that_stays_leads_to_the_next_step_which_waits_for_its_own_approval(world: World) -> None:
    world.follows = False
    bot = world.bot()
    done = await bot.drive_one(await world.approved(bot))
    assert not isinstance(done, Held)
    assert (done.state, done.effect) == (State.DONE, Effect.NEEDS_FOLLOW_UP)
    assert done.effect_note.startswith("still serves old: tell it (value old → new")
    assert done.follow_up is not None
    step = await world.record(done.follow_up)
    assert (step.state, step.run, step.asker) == (State.PENDING, "r1", ASKER.key)
    assert step.change.action == "value.serve"
    assert step.change.plan.inverse == ()
    assert step.people == 2, "what cannot be undone counts as high risk"
    assert world.served.read_text() == "old\n"
    await world.vote(step.change.id, "T0TEAM:U0ALICE")
    await world.vote(step.change.id, BOB)
    cured = await bot.drive_one(step.change.id)
    assert not isinstance(cured, Held)
    assert (cured.state, cured.effect, cured.effect_note) == (
        State.DONE,
        Effect.RESOLVED,
        "served old → new",
    )


async def test_a_fault_that_stays_and_has_no_next_step_persists(world: World) -> None:
    world.follows = False
    bot = world.bot()
    offer = world.finding.offers[0].model_copy(update={"then": None})
    proposal = await bot.propose(world.finding, offer, world.snapshot(), NODE, ASKER, "r1", "v1")
    await world.vote(proposal.change, "T0TEAM:U0ALICE", bot)
    done = await bot.drive_one(proposal.change)
    assert not isinstance(done, Held)
    assert (done.effect, done.effect_note) == (Effect.PERSISTS, "value old → new")


async def test_an_effect_that_cannot_be_seen_is_unknown_and_never_resolved(world: World) -> None:
    bot = world.bot()
    first, second = await world.approved(bot), ""
    world.seen = world.blind
    done = await bot.drive_one(first)
    assert not isinstance(done, Held)
    assert (done.state, done.effect) == (State.DONE, Effect.UNKNOWN)
    assert "permission denied" in done.effect_note
    world.host.value.write_text("old\n")
    world.seen = world.snapshot
    second = await world.approved(bot)
    world.seen = lambda: CONNECTION
    done = await bot.drive_one(second)
    assert not isinstance(done, Held)
    assert (done.effect, done.effect_note) == (
        Effect.UNKNOWN,
        "the host could not be read again: connection refused",
    )


async def test_a_host_that_moved_is_stale_and_left_alone(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.host.value.write_text("by hand\n")
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert done.state is State.STALE
    assert "the value is 'by hand'" in done.reason
    assert (world.host.now_is, world.host.runs) == ("by hand", 0)


async def test_another_host_key_is_another_host(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.shell.host_key = "SHA256:other"
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert done.state is State.STALE
    assert "SHA256:other" in done.reason
    assert world.shell.sent == ["hello"], "nothing else was sent"


async def test_a_host_that_cannot_be_reached_is_tried_again_and_nothing_was_sent(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.shell.cut["hello"] = "before"
    held = await bot.drive_one(change)
    assert isinstance(held, Held)
    assert held.record.state is State.APPROVED
    assert "connection refused" in held.record.reason
    assert "trying again until" in held.record.reason
    assert world.shell.sent == ["hello"]
    world.shell.cut.clear()
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert done.state is State.DONE


async def test_an_approver_who_lost_their_standing_no_longer_counts_at_the_claim(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.directory.faults[ALICE.actor.key] = "deactivated"
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert done.state is State.PENDING
    assert "deactivated" in done.reason
    assert world.shell.sent == []


async def test_the_kill_switch_holds_what_is_approved(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    await world.journal.replace(*HALT, {"by": "alice", "at": "2030-05-13T09:00:00Z", "why": "bad rollout"})
    held = await bot.drive_one(change)
    assert isinstance(held, Held)
    assert "bad rollout" in held.why
    assert world.shell.sent == []


async def test_the_kill_switch_seen_after_the_claim_stops_the_send(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    shell = world.shell

    class HaltedMeanwhile:
        async def run(self, *args: Any, **kwargs: Any) -> Any:
            output = await shell.run(*args, **kwargs)
            await world.journal.replace(*HALT, {"by": "alice", "at": "2030-05-13T09:00:00Z", "why": "bad rollout"})
            return output

    bot.shell = HaltedMeanwhile()  # type: ignore[assignment]  # `close` is not asked for
    held = await bot.drive_one(change)
    assert isinstance(held, Held)
    assert "bad rollout" in held.why
    assert held.record.state is State.APPROVED
    assert shell.sent == ["hello"]


async def test_a_host_that_left_the_inventory_gets_nothing(world: World) -> None:
    change = await world.approved()
    with pytest.raises(AskError, match="not in the inventory"):
        await world.bot(inventory=Inventory(hosts={})).drive_one(change)
    assert world.shell.sent == []


async def test_two_bots_at_once_execute_once(world: World) -> None:
    one, two = world.bot(), world.bot()
    change = await world.approved(one)
    done = await asyncio.gather(one.drive_one(change), two.drive_one(change))
    assert sorted(type(one).__name__ for one in done) == ["Held", "Record"]
    assert world.host.runs == 1
    assert (await world.record(change)).state is State.DONE


async def test_one_host_has_one_change_at_a_time(world: World) -> None:
    bot = world.bot()
    first = await world.approved(bot)
    second = await world.approved(bot)
    done = await asyncio.gather(bot.drive_one(first), bot.drive_one(second))
    held = [one for one in done if isinstance(one, Held)]
    assert len(held) == 1
    assert "is being applied to node-3" in held[0].why
    again = await bot.drive_one(held[0].record.change.id)
    assert not isinstance(again, Held)
    assert again.state is State.STALE, "the value is not what it was when the second was proposed"
    assert world.host.runs == 1


async def test_a_revert_is_a_change_of_its_own_and_ends_the_first(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    await bot.drive_one(change)
    back = await bot.revert(change, Standing(Actor("slack", "T0TEAM:U0DAVE")))
    assert (back.state, back.change.reverts, back.change.requester) == (State.PENDING, change, "dave")
    assert back.change.plan.steps == (await world.record(change)).change.plan.inverse
    await world.vote(back.change.id, "T0TEAM:U0ALICE", bot)
    done = await bot.drive_one(back.change.id)
    assert not isinstance(done, Held)
    assert (done.state, world.host.now_is) == (State.DONE, "old")
    first = await world.record(change)
    assert (first.state, first.reverted_by) == (State.REVERTED, back.change.id)
    with pytest.raises(AskError, match="is reverted"):
        await bot.revert(change, ALICE)


async def test_what_is_not_in_force_or_has_no_inverse_cannot_be_reverted(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    with pytest.raises(AskError, match="is approved: only a change that is done"):
        await bot.revert(change, ALICE)
    with pytest.raises(AskError, match="no change"):
        await bot.revert("c0ffee", ALICE)
    with pytest.raises(AskError, match="may not ask"):
        await bot.revert(change, Standing(ALICE.actor, "deactivated"))


async def become(world: World, change: str, state: State) -> Record:
    """Wait until another task has brought a change there."""
    async with asyncio.timeout(60):
        while (record := await world.record(change)).state is not state:
            await asyncio.sleep(0.02)
    return record


async def test_the_loop_carries_out_what_another_process_approved(world: World) -> None:
    bot, front = world.bot(), world.bot()
    async with asyncio.TaskGroup() as tasks:
        driving = tasks.create_task(bot.drive())
        await become(world, await world.approved(front), State.DONE)
        assert await alive(front)
        driving.cancel()
    assert not await alive(front), "a loop that ended is not waited for"


async def test_a_loop_that_is_told_to_end_brings_to_its_end_what_is_on_its_way(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    async with asyncio.TaskGroup() as tasks:
        driving = tasks.create_task(bot.drive())
        await become(world, change, State.INTENT)
        driving.cancel()
    record = await world.record(change)
    assert (record.state, record.effect) == (State.DONE, Effect.RESOLVED)
    assert world.shell.sent == ["hello", "apply", "confirm"]


async def test_the_loop_lets_die_what_nobody_approved_in_time(world: World) -> None:
    bot = world.bot()
    change = (await world.proposed(bot)).change
    world.clock.ahead = 1801.0
    async with asyncio.TaskGroup() as tasks:
        driving = tasks.create_task(bot.drive())
        await become(world, change, State.EXPIRED)
        driving.cancel()
    assert world.shell.sent == []


async def test_a_journal_that_is_down_pauses_the_loop_and_does_not_end_it(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    world.journal.down = "disk full"
    async with asyncio.TaskGroup() as tasks:
        driving = tasks.create_task(bot.drive())
        async with asyncio.timeout(60):
            while not bot.trouble:
                await asyncio.sleep(0.02)
        assert bot.trouble == "disk full"
        assert "apply" not in world.shell.sent, "no journal, no change"
        world.journal.down = ""
        await become(world, change, State.DONE)
        driving.cancel()


async def test_what_must_have_rested_is_touched_no_earlier_and_only_if_it_stayed_so(world: World) -> None:
    world.rests = 20
    bot = world.bot()
    change = await world.approved(bot)
    held = await bot.drive_one(change)
    assert isinstance(held, Held)
    assert 18 < held.again <= 20
    assert "must have stayed so for 20 s" in held.why
    assert (world.shell.sent, (await world.record(change)).state) == ([], State.APPROVED)
    world.clock.ahead = 20.0
    world.host.value.write_text("by hand\n")
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert (done.state, world.host.now_is) == (State.STALE, "by hand"), "somebody was at work on it meanwhile"


@pytest.mark.parametrize("way", ["loop", "terminal"])
async def test_what_must_have_rested_is_waited_for_and_carried_out(world: World, way: str) -> None:
    world.rests = 2
    bot = world.bot()
    change = await world.approved(bot)
    if way == "terminal":
        record = await bot.finish(change)
    else:
        async with asyncio.TaskGroup() as tasks:
            driving = tasks.create_task(bot.drive())
            record = await become(world, change, State.DONE)
            driving.cancel()
    claimed = next(event for event in world.journal.events if event.kind == "ChangeClaimed")
    assert moment(claimed.at) >= moment(record.change.created) + timedelta(seconds=2)
    assert world.kinds().count("ChangeClaimed") == 1, "nobody tried before it was time"


async def test_a_revert_need_not_rest(world: World) -> None:
    world.rests = 20
    bot = world.bot()
    change = await world.approved(bot)
    world.clock.ahead = 20.0
    await bot.drive_one(change)
    back = await bot.revert(change, ALICE)
    assert (back.change.plan.rests, world.host.now_is) == (0, "new")


async def test_a_host_whose_clock_is_off_refuses(world: World) -> None:
    bot = world.bot()
    world.clock.ahead = 900.0
    done = await bot.drive_one(await world.approved(bot))
    assert not isinstance(done, Held)
    assert done.state is State.FAILED
    assert re.search(r"the host's clock is -(900|899|89\d) s off", done.reason), done.reason
    assert world.host.runs == 0


async def test_the_terminal_waits_for_a_living_bot(world: World) -> None:
    bot, terminal = world.bot(), world.bot()
    change = await world.approved(terminal)
    await beat(bot)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(terminal.finish(change))
        await asyncio.sleep(0.2)
        assert world.shell.sent == [], "it leaves the work to the bot"
        await bot.drive_one(change)
        record = await waiting
    assert (record.state, record.effect) == (State.DONE, Effect.RESOLVED)
    assert world.shell.sent.count("apply") == 1


async def test_the_terminal_does_it_itself_where_no_bot_lives(world: World) -> None:
    terminal = world.bot()
    record = await terminal.finish(await world.approved(terminal))
    assert (record.state, record.effect, world.host.runs) == (State.DONE, Effect.RESOLVED, 1)


async def test_the_terminal_is_told_why_an_approved_change_cannot_be_carried_out_now(world: World) -> None:
    terminal = world.bot()
    change = await world.approved(terminal)
    await world.journal.replace(*HALT, {"by": "alice", "at": "2030-05-13T09:00:00Z", "why": "bad rollout"})
    record = await terminal.finish(change)
    assert record.state is State.APPROVED
    assert "bad rollout" in record.reason


async def test_a_denied_change_is_never_carried_out(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    assert isinstance(await bot.deny(change, ALICE, "not now"), Moved)
    held = await bot.drive_one(change)
    assert isinstance(held, Held)
    assert held.why == "it is denied"
    assert world.shell.sent == []


async def test_a_change_that_fails_on_the_host_tells_the_hosts_own_words_and_what_state_it_left(world: World) -> None:
    bot = world.bot()
    change = await world.approved(bot)
    os.link(world.host.value, world.host.root / "same")
    world.host.value.with_name("value.log").mkdir()
    done = await bot.drive_one(change)
    assert not isinstance(done, Held)
    assert done.state is State.FAILED
    assert "Is a directory" in done.reason or "Directory nonexistent" in done.reason
    assert done.reason.endswith("the old state was restored")
    assert world.host.now_is == "old"
