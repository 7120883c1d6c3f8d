"""Does the whole chain hold: a host swept by the real engine, told by the real bot, cured by a click, told again?"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.adapters.chart import ChartPainter
from bot.adapters.slack import SlackFront, Tuning, connect
from bot.core.approval import State
from bot.core.fire import Fire, Phase
from bot.core.sweep import Sweep
from bot.engine.silences import Silences
from bot.workspace import LocalSlack, Message
from tests.adapters.slack.test_digest import said
from tests.adapters.slack.test_live import CATALOG, MANIFEST, actions
from tests.fakes import fleet as fakes
from tests.fakes.fleet import Fleet
from tests.fakes.remedy import INVENTORY, World

SWEEP: Sweep = replace(fakes.SWEEP, channel="C0NETOPS", title="Fleet")


@dataclass
class Team:
    """A channel, the bot in it, and the host that it sweeps."""

    fleet: Fleet
    world: World
    slack: LocalSlack
    front: SlackFront

    async def sweep(self, sweep: Sweep = SWEEP, after: float = 5) -> Fire:
        return await self.fleet.sweep(sweep, after)

    def told(self) -> list[str]:
        return [said(message) for message in self.slack.messages("#netops")]

    def thread(self, root: Message) -> tuple[Message, ...]:
        return self.slack.thread("#netops", root.ts)


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Team]:
    world = World(tmp_path / "host")
    fleet = Fleet(playbooks={"values": world.playbook})
    fleet.clock.time = datetime.now(UTC)  # the host's clock is this machine's, and must agree
    fleet.inventory = INVENTORY
    fleet.eyes.hosts = {"node-3": lambda: replace(world.snapshot(), taken=fleet.clock.now())}
    remedy = world.bot(journal=fleet.journal, clock=fleet.clock)
    async with await LocalSlack.start(rates=False, app_manifest=MANIFEST) as slack:
        api, directory = connect(slack.bot_token, slack.app_token, slack.api_url)
        desk = replace(fleet.desk(), remedy=remedy)
        front = SlackFront(
            api, desk=desk, journal=fleet.journal, clock=fleet.clock, catalog=CATALOG, directory=directory,
            tuning=Tuning(drain=1.0),
        )  # fmt: skip
        fleet.sweeper = fleet.process(remedy=remedy, herald=front.herald, painter=ChartPainter())
        stop, ready = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(front.run(stop, ready))
            driving = tasks.create_task(remedy.drive())
            await ready.wait()
            yield Team(fleet, world, slack, front)
            stop.set()
            driving.cancel()
        assert slack.failures == ()


def buttons(thread: tuple[Message, ...]) -> list[Message]:
    return [message for message in thread if "change.approve" in actions(message)]


async def test_a_fault_is_found_told_cured_by_a_click_and_told_as_resolved(team: Team) -> None:
    assert (await team.sweep()).phase is Phase.TOLD
    (root,) = team.slack.messages("#netops")
    assert "Fleet: 1 new" in said(root)
    await team.slack.until(lambda: buttons(team.thread(root)))
    thread = team.thread(root)
    assert [team.slack.desk.world.files[name].mimetype for name in thread[0].files] == ["image/png"]
    assert thread[-1] == buttons(thread)[0], "the findings come first"

    await team.slack.click("bob", "#netops", buttons(team.thread(root))[0].ts, "change.approve")
    (record,) = team.fleet.journal.records
    await team.slack.until(lambda: team.fleet.journal.records[record].state is State.DONE, 60)
    assert team.world.host.now_is == "new"
    await team.slack.until(lambda: "resolved, was" in team.told()[0], 60)
    await team.sweep()
    assert "1 resolved" in team.told()[-1]


async def test_what_stays_is_one_line_and_its_change_is_not_proposed_twice(team: Team) -> None:
    await team.sweep()
    assert (await team.sweep()).phase is Phase.TOLD
    assert "nothing new, 1 still open" in team.told()[-1]
    assert len(team.slack.messages("#netops")) == 2
    assert len(team.fleet.journal.records) == 1


async def test_the_owner_of_a_sweep_cannot_approve_what_it_proposes(team: Team) -> None:
    await team.sweep()
    (root,) = team.slack.messages("#netops")
    await team.slack.until(lambda: buttons(team.thread(root)))
    await team.slack.click("alice", "#netops", buttons(team.thread(root))[0].ts, "change.approve")
    await team.slack.until(lambda: team.slack.ephemerals("alice"))
    assert team.world.host.now_is == "old"


async def test_what_slack_did_not_take_is_told_later_with_its_card_and_once(team: Team) -> None:
    team.slack.faults.arm("error", "chat.postMessage", error="fatal_error", times=8)
    judged = await team.sweep()
    assert judged.phase is Phase.JUDGED
    assert team.told() == []
    team.slack.faults.disarm()
    for _ in range(2):
        assert (await team.fleet.sweeper.retell(SWEEP, judged)).phase is Phase.TOLD
    (root,) = team.slack.messages("#netops")
    assert "Fleet: 1 new" in said(root)
    await team.slack.until(lambda: buttons(team.thread(root)))
    assert len(buttons(team.thread(root))) == 1


async def test_a_store_that_is_down_is_told_though_nothing_can_be_remembered(team: Team) -> None:
    team.fleet.journal.down = "the disk is full"
    await team.fleet.sweeper.trouble(SWEEP, "the disk is full")
    (told,) = team.told()
    assert told.startswith("Sweeps stand still: the store is down the disk is full")
    team.fleet.journal.down = ""


async def test_a_finding_that_is_silenced_in_the_channel_is_not_told(team: Team) -> None:
    fleet = team.fleet
    desk = Silences(
        fleet.history, fleet.journal, fleet.policy, fleet.clock, fleet.inventory, {"values": team.world.playbook}
    )
    team.front.attach(silences=desk)
    await team.slack.command("alice", "#netops", "/netdiag silence node-3 for 2h because of the move")
    await team.slack.until(lambda: team.slack.ephemerals("alice"))
    assert "every finding on node-3" in said(team.slack.ephemerals("alice")[-1])
    await team.sweep()
    assert "nothing new" in team.told()[0]
    assert "1 finding held back" in team.told()[0]
    assert "of the move" in team.told()[0]
    await team.slack.command("dave", "#netops", "/netdiag silence all for 2h because x")
    await team.slack.until(lambda: team.slack.ephemerals("dave"))
    assert "guest" in said(team.slack.ephemerals("dave")[-1])
    team.fleet.clock.tick(7_200)
    await team.sweep()
    assert "1 new" in team.told()[-1]
