"""The kill switch through the desk: what is approved waits while it is set, and goes on when enough people say so."""

from pathlib import Path

import pytest

from bot.core.approval import Record, State
from bot.core.errors import ConfigError
from bot.core.policy import Policy
from bot.engine.carry import Held
from bot.engine.desk import DutyDesk
from bot.engine.diagnose import Observer
from tests.fakes.approval import ALICE, BOB, DAVE, slack
from tests.fakes.remedy import INVENTORY, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "host")


def desk(world: World) -> DutyDesk:
    bot = world.bot()
    observer = Observer(world.shell, world.clock, {})
    return DutyDesk(INVENTORY, {}, observer, world.journal, bot, world.clock)


async def test_an_approved_change_waits_for_two_people_to_let_changes_go_on(world: World) -> None:
    change = await world.approved()
    here = desk(world)
    halted = await here.halt(slack(ALICE), "bad rollout")
    assert (halted.moved, halted.halt is not None) == (True, True)
    held = await here.remedy.drive_one(change)
    assert isinstance(held, Held)
    assert "bad rollout" in held.why
    asked = await here.resume(slack(ALICE))
    assert (asked.moved, asked.say) == (True, "1 of 2 people asked to let changes go on")
    assert isinstance(await here.remedy.drive_one(change), Held)
    cleared = await here.resume(slack(BOB))
    assert (cleared.moved, cleared.halt) == (True, None)
    assert here.remedy.wake.is_set(), "what waits goes on at once"
    done = await here.remedy.drive_one(change)
    assert isinstance(done, Record)
    assert done.state is State.DONE
    kinds = [kind for kind in world.kinds() if "alt" in kind or "esume" in kind]
    assert kinds == ["ChangesHalted", "ResumeAsked", "ChangesResumed"]


@pytest.mark.parametrize("standing", [slack(DAVE), slack(ALICE, fault="deactivated")])
async def test_who_may_decide_nothing_can_neither_halt_nor_resume(world: World, standing: object) -> None:
    here = desk(world)
    assert not (await here.halt(standing, "x")).moved  # type: ignore[arg-type]
    await here.halt(slack(ALICE), "bad rollout")
    assert not (await here.resume(standing)).moved  # type: ignore[arg-type]
    assert (await world.journal.halted()).startswith("bad rollout")


async def test_halting_again_takes_back_who_had_asked_to_go_on(world: World) -> None:
    here = desk(world)
    await here.halt(slack(ALICE), "bad rollout")
    await here.resume(slack(BOB))
    again = await here.halt(slack(ALICE), "still bad")
    assert again.halt is not None
    assert (again.halt.why, again.halt.clearing) == ("bad rollout", ())
    assert (await here.resume(slack(BOB))).halt is not None


async def test_a_broken_policy_lets_nobody_halt_and_says_so(world: World) -> None:
    world.policy.now = ConfigError("policy.yaml:3: unknown key")
    with pytest.raises(ConfigError, match=r"policy\.yaml:3"):
        await desk(world).halt(slack(ALICE), "x")


async def test_without_a_policy_nobody_may_halt(world: World) -> None:
    world.policy.now = Policy()
    refused = await desk(world).halt(slack(ALICE), "x")
    assert not refused.moved
    assert "nobody in the access policy" in refused.say
