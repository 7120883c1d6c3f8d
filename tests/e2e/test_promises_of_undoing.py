"""What is promised when a host or the bot is gone in mid-change: undone by the host itself, sent at most once."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from bot.core.approval import State
from tests.e2e.scene import Scene, until


async def test_a_host_cut_off_right_after_the_write_undoes_it_by_itself(scene: Scene) -> None:
    proposal = await scene.proposal()
    await scene.approve(proposal.change, "daemon")
    driving = asyncio.ensure_future(scene.app.remedy.drive_one(proposal.change))  # noqa: TID251 - awaited below
    await until(lambda: _is(scene.truth, 4096), every=0.005)
    await scene.fleet.cut("node-3")
    await until(lambda: _is(scene.truth, 128), seconds=60)  # nobody could reach it: it did that itself
    await scene.fleet.heal("node-3")
    await driving
    await until(lambda: _settled(scene, proposal.change), seconds=90, every=0.5)
    record = await scene.record(proposal.change)
    assert record.state is State.REVERTED, (record.state, record.reason)
    assert (await scene.events(proposal.change)).count("IntentWritten") == 1


async def test_a_bot_killed_between_intent_and_result_is_settled_from_the_host_and_never_sent_again(
    scene: Scene,
) -> None:
    proposal = await scene.proposal()
    await scene.approve(proposal.change, "daemon")
    environment = {
        **os.environ,
        "NETDIAG_STATE": str(scene.settings.state),
        "NETDIAG_INVENTORY": str(scene.settings.inventory),
    }
    code = (
        "import asyncio, sys; from bot.app import opened; from bot.settings import load\n"
        "async def main():\n"
        "    async with opened(load()) as app: await app.remedy.drive_one(sys.argv[1])\n"
        "asyncio.run(main())"
    )
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, proposal.change, env=environment, stdout=subprocess.DEVNULL
    )
    await until(lambda: _state(scene, proposal.change, State.INTENT), every=0.002)
    bot.send_signal(signal.SIGKILL)
    await bot.wait()
    # The next bot: it finds the intent, waits until the host itself would refuse, and asks the host what happened.
    await until(lambda: _settled(scene, proposal.change), seconds=200, every=1.0)
    record = await scene.record(proposal.change)
    truth = await scene.truth()
    assert record.state in {State.DONE, State.FAILED, State.REVERTED}, (record.state, record.reason)
    assert truth == (4096 if record.state is State.DONE else 128), record.reason
    events = await scene.events(proposal.change)
    assert events.count("IntentWritten") == 1, events
    ledger = await scene.fleet.exec("node-3", ["sh", "-c", "ls /var/lib/netdiag/changes"])
    assert len(ledger.stdout.split()) <= 1, ledger.stdout


async def _is(read: Callable[[], Coroutine[Any, Any, int]], value: int) -> bool:
    return await read() == value


async def _state(scene: Scene, change: str, state: State) -> bool:
    return (await scene.record(change)).state is state


async def _settled(scene: Scene, change: str) -> bool:
    await scene.app.remedy.reconcile()
    return (await scene.record(change)).state in {State.DONE, State.FAILED, State.STALE, State.REVERTED}
