"""What is promised of approvals, on real hosts: nothing stale is written, one execution, somebody else's word."""

import asyncio

from bot.core.approval import Declined, Moved, State
from tests.e2e.scene import Scene


async def test_a_change_made_by_hand_meanwhile_makes_the_approval_stale_and_nothing_is_written(scene: Scene) -> None:
    proposal = await scene.proposal()
    await scene.fleet.exec_in_container("node-3", "shop", ["sysctl", "-w", "net.core.somaxconn=256"])
    assert isinstance(await scene.approve(proposal.change, "daemon"), Moved)
    record = await scene.app.remedy.finish(proposal.change)
    assert record.state is State.STALE, record.reason
    assert await scene.truth() == 256


async def test_two_approvals_at_once_are_one_execution(scene: Scene) -> None:
    proposal = await scene.proposal()
    decisions = await asyncio.gather(scene.approve(proposal.change, "daemon"), scene.approve(proposal.change, "nobody"))
    assert sorted(type(decision).__name__ for decision in decisions) == ["Declined", "Moved"]
    first, second = await asyncio.gather(
        scene.app.remedy.finish(proposal.change), scene.app.remedy.finish(proposal.change)
    )
    assert first.state is second.state is State.DONE
    assert (await scene.events(proposal.change)).count("IntentWritten") == 1
    assert await scene.truth() == 4096


async def test_the_asker_cannot_approve_their_own_change(scene: Scene) -> None:
    proposal = await scene.proposal()
    decision = await scene.approve(proposal.change, "root")
    assert isinstance(decision, Declined)
    assert "somebody else" in decision.reason
    assert (await scene.record(proposal.change)).state is State.PENDING
    assert await scene.truth() == 128
