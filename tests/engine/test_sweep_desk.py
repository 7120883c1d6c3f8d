"""What people ask about sweeps: the list, a run at once, a pause with its reason and its end."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.errors import AskError
from bot.core.fire import Fire, Phase
from bot.core.policy import Policy, Standing
from bot.core.rota import LEASE
from bot.core.sweep import Cron, Every, Sweep
from bot.engine.sweep_desk import Rounds
from tests.fakes.approval import ALICE, slack, terminal
from tests.fakes.clock import START, FakeClock
from tests.fakes.history import MemoryHistory
from tests.fakes.sweeping import Keeping, keeping

FLEET = Sweep("fleet", Every(900), "all", channel="C0NETOPS", zone="Europe/Berlin")
MORNING = Sweep("morning", Cron("0 7 * * mon-fri"), "all", enabled=False)
HOUR = timedelta(hours=1)


@pytest.fixture
def bot() -> Keeping:
    return keeping(MemoryHistory(), FakeClock(), FLEET, MORNING)


def desk(bot: Keeping) -> Rounds:
    return Rounds(bot.bench, lambda: bot.scheduler)


async def test_the_list_says_when_each_sweep_is_due_and_what_its_last_run_came_to(bot: Keeping) -> None:
    await bot.look()
    bot.clock.tick(910)
    await bot.look()
    fleet, morning = (await desk(bot).list()).sweeps
    assert (fleet.schedule, fleet.next) == ("every 15 min", START + timedelta(minutes=30))
    assert fleet.last is not None
    assert (fleet.last.phase, fleet.last.digest is not None) == (Phase.TOLD, True)
    assert (morning.schedule, morning.next, morning.last) == ("mon-fri 07:00 UTC", None, None)


async def test_the_list_says_what_is_under_way_here_or_elsewhere(bot: Keeping) -> None:
    fire = Fire("fleet", START, Phase.RUNNING, owner="other", beat=START, begun=START)
    await bot.history.claim(fire, lease=LEASE)
    assert (await desk(bot).list()).sweeps[0].running == fire
    bot.clock.tick(LEASE + 1)
    assert (await desk(bot).list()).sweeps[0].running is None


async def test_the_list_says_what_is_wrong_with_the_file_and_the_store(bot: Keeping) -> None:
    bot.plans.trouble = "sweeps.yaml:3: no such playbook"
    bot.scheduler.trouble = "the disk is full"
    assert (await desk(bot).list()).trouble == "sweeps.yaml:3: no such playbook\nthe disk is full"


async def test_a_pause_is_logged_holds_and_ends_by_itself(bot: Keeping) -> None:
    line = await desk(bot).pause("fleet", slack(ALICE), seconds=3600, why="switches are exchanged")
    assert line.pause is not None
    assert (line.pause.by, line.pause.until) == ("alice", START + HOUR)
    event = bot.journal.events[-1]
    assert (event.kind, event.actor) == ("SweepPaused", f"slack:{ALICE}")
    assert event.data == {"sweep": "fleet", "until": "2030-05-13T10:00:00Z", "why": "switches are exchanged"}
    bot.clock.tick(3600)
    assert (await desk(bot).list()).sweeps[0].pause is None


async def test_a_pause_is_taken_back_by_anybody_of_the_policy(bot: Keeping) -> None:
    await desk(bot).pause("fleet", slack(ALICE), seconds=3600, why="switches")
    line = await desk(bot).resume("fleet", terminal("bob"))
    assert line.pause is None
    assert bot.journal.events[-1].data == {"sweep": "fleet", "paused by": "alice", "why": "switches"}
    with pytest.raises(AskError, match="fleet is not paused"):
        await desk(bot).resume("fleet", terminal("bob"))


@pytest.mark.parametrize(
    ("seconds", "why", "said"),
    [
        (3600, "  ", "a pause needs a reason"),
        (10, "x", "between one minute and 30 days"),
        (31 * 86_400, "x", "`enabled: false`"),
    ],
)
async def test_a_pause_without_reason_or_end_is_refused(bot: Keeping, seconds: int, why: str, said: str) -> None:
    with pytest.raises(AskError, match=said):
        await desk(bot).pause("fleet", slack(ALICE), seconds=seconds, why=why)
    assert await bot.history.pauses(now=START) == []


@pytest.mark.parametrize(
    ("standing", "policy", "said"),
    [
        (slack("T0TEAM:U0MALLORY"), None, "nobody in the access policy has that id"),
        (slack(ALICE, fault="deactivated"), None, "deactivated"),
        (slack(ALICE), Policy(), "no access policy says who that is"),
    ],
)
async def test_a_stranger_may_neither_pause_nor_resume_nor_run(
    bot: Keeping, standing: Standing, policy: Policy | None, said: str
) -> None:
    bot.plans.access = bot.plans.access if policy is None else policy
    asked = desk(bot)
    async with bot.scheduler.hands():
        for refused in (
            asked.pause("fleet", standing, seconds=3600, why="x"),
            asked.resume("fleet", standing),
            asked.now("fleet", standing),
        ):
            with pytest.raises(AskError, match=said):
                await refused
    assert await bot.history.fires("fleet") == []


async def test_an_unknown_sweep_is_told_with_the_nearest_name(bot: Keeping) -> None:
    with pytest.raises(AskError, match='no sweep "flet"; did you mean "fleet"'):
        await desk(bot).now("flet", slack(ALICE))


async def test_a_run_at_once_is_claimed_logged_and_told_in_the_background(bot: Keeping) -> None:
    bot.clock.tick(0.25)
    bot.runs.gate = asyncio.Event()
    async with bot.scheduler.hands():
        fire = await desk(bot).now("fleet", slack(ALICE))
        assert (fire.phase, fire.due) == (Phase.RUNNING, START)
        with pytest.raises(AskError, match=r"under way \(since 11:00 Europe/Berlin\)"):
            await desk(bot).now("fleet", slack(ALICE))
        bot.runs.gate.set()
    assert [event.kind for event in bot.journal.events if event.kind == "SweepAsked"] == ["SweepAsked"]
    assert list(bot.runs.messages) == [("fleet", START)]


async def test_a_second_run_within_the_second_of_one_that_is_over_is_a_run_of_its_own(bot: Keeping) -> None:
    for _ in range(2):
        async with bot.scheduler.hands():
            await desk(bot).now("fleet", slack(ALICE))
    assert list(bot.runs.messages) == [("fleet", START), ("fleet", START + timedelta(seconds=1))]


async def test_a_sweep_that_is_switched_off_or_paused_runs_when_it_is_asked_for(bot: Keeping) -> None:
    await desk(bot).pause("morning", slack(ALICE), seconds=3600, why="x")
    async with bot.scheduler.hands():
        await desk(bot).now("morning", slack(ALICE))
    assert list(bot.runs.messages) == [("morning", START)]


async def test_where_no_sweeps_are_kept_nothing_is_begun(bot: Keeping) -> None:
    with pytest.raises(AskError, match="netdiag sweep fleet --once"):
        await desk(bot).now("fleet", slack(ALICE))
    stranger = replace(terminal("mallory"), fault="")
    _, fire = await desk(bot).ask_now("fleet", stranger)
    assert fire.phase is Phase.RUNNING, "at the terminal everybody may read hosts"
