"""What is promised when things go wrong, on real hosts: unknown is not ok, stale is not written, at most once, undone.

The hosts are a demo fleet in this process; what they say is asked outside of SSH (`Fleet.exec`), so the truth does not
come through what is under test.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.app import App, opened
from bot.core.approval import Declined, Moved, Record, State
from bot.core.ask import Ask
from bot.core.policy import Actor
from bot.core.report import HostReport, Proposal, Status
from bot.core.visit import required
from bot.demo import Fleet, availability
from bot.probes import catalog
from bot.settings import Settings

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
PEOPLE = {"alice": {"terminal": "root"}, "bob": {"terminal": "daemon"}, "carol": {"terminal": "nobody"}}
ALICE = Actor("terminal", "root", "root")
BROKEN = {"node-3": "slow", "node-4": "flood", "node-5": "garbage"}
SOMAXCONN = ["cat", "/proc/sys/net/core/somaxconn"]


@dataclass
class Scene:
    """A fleet, and an application over it."""

    fleet: Fleet
    app: App
    settings: Settings

    async def look(self, target: str, *playbooks: str) -> dict[str, HostReport]:
        """What `netdiag run` would find."""
        report = await self.app.desk.diagnose(Ask(ALICE, target, playbooks), lambda _told: None)
        return {host.host: host for host in report.hosts}

    async def proposal(self) -> Proposal:
        """The change that is proposed for node-3's container."""
        found = (await self.look("node-3", "listen-queue"))["node-3"]
        assert [p.refused for p in found.proposals] == [None], found
        return found.proposals[0]

    async def approve(self, change: str, user: str) -> Moved | Declined:
        """As an operating-system user."""
        return await self.app.desk.approve(change, await self.app.directory.standing(f"terminal:{user}"))

    async def record(self, change: str) -> Record:
        """The journal's word."""
        found = await self.app.journal.get(change)
        assert found is not None
        return found

    async def truth(self) -> int:
        """The container's somaxconn, from its kernel."""
        return int((await self.fleet.exec_in_container("node-3", "shop", SOMAXCONN)).stdout)

    async def events(self, change: str) -> list[str]:
        """What the log says of a change, in order."""
        entries = [entry async for entry in self.app.journal.entries()]
        return [event.kind for entry in entries if (event := entry.event()).change == change]


async def until(true: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 60.0, every: float = 0.05) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(every)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    if reason := availability():
        pytest.skip(reason)
    async with Fleet.up(tmp_path / "fleet", hosts=6, people=PEOPLE) as fleet:
        settings = Settings(
            state=tmp_path / "state", inventory=fleet.inventory_dir, playbooks=PLAYBOOKS, window=1.5, concurrency=8
        )
        async with opened(settings) as app:
            yield Scene(fleet, app, settings)


async def test_healthy_hosts_yield_no_finding_and_sick_ones_theirs(scene: Scene) -> None:
    found = await scene.look("all")
    sick = {name: report.status for name, report in found.items() if report.status is not Status.OK}
    assert sick == {"node-3": Status.CRITICAL, "node-4": Status.WARNING}
    assert found["node-1"].findings == found["node-2"].findings == ()
    roots = {finding.id for finding in found["node-3"].findings if finding.explained_by is None}
    assert roots == {"accept-queue-overflow"}
    assert {finding.id for finding in found["node-4"].findings} == {"close-wait-leak", "tcp-socket-leak"}


async def test_without_sudo_a_host_is_unknown_with_the_reason_and_no_other_is(scene: Scene) -> None:
    await scene.fleet.sudo("node-3", False)
    found = await scene.look("node-1,node-3")
    assert found["node-1"].status is Status.OK
    assert found["node-3"].status is Status.UNKNOWN
    reasons = {item.reason for item in found["node-3"].coverage if item.state == "unknown"}
    assert any("sudo" in (reason or "") for reason in reasons), reasons


PROBES = catalog()
NEED_SS = frozenset(
    name for name in PROBES if any(re.search(r"\bss -", joined.script) for joined in required([name], PROBES))
)
"""Probes that run ss, or that are joined with one that does."""


async def test_a_broken_tool_makes_only_what_needs_it_unknown(scene: Scene) -> None:
    """One host for each way in which `ss` can fail, and a healthy one beside them, in one run."""
    await scene.fleet.hide_tool("node-1", "ss")
    for host, way in BROKEN.items():
        await scene.fleet.break_tool(host, "ss", way)
    found = await scene.look("node-1,node-3,node-4,node-5,node-6")
    assert found["node-6"].status is Status.OK
    for host in ("node-1", *BROKEN):
        sick = found[host]
        assert sick.status in {Status.UNKNOWN, Status.WARNING, Status.CRITICAL}
        lost = {item.probe: item.reason for item in sick.coverage if item.state == "unknown"}
        # socket_fds, for one, reads connections with ss where there is one, and from /proc where there is none
        assert {"listen_queues"} <= set(lost) <= NEED_SS, (host, lost)
        assert all(lost.values()), "each with its reason"
        assert "accept-queue-overflow" in {item.id for item in sick.undecided}
        decided = {finding.id for finding in sick.findings} | set(sick.healthy)
        assert "listen-drops" in decided, "what does not need ss is decided all the same"


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


async def test_one_bad_host_is_marked_alone(scene: Scene) -> None:
    hosts = scene.settings.inventory / "hosts.yaml"
    text = hosts.read_text()
    wrong_key = (scene.settings.inventory / "known_hosts").read_text()
    lines = wrong_key.splitlines()
    keys = {line.split()[0]: line.split(None, 1)[1] for line in lines}
    names = list(keys)
    keys[names[0]], keys[names[1]] = keys[names[1]], keys[names[0]]
    (scene.settings.inventory / "known_hosts").write_text(
        "".join(f"{name} {key}\n" for name, key in keys.items()) + f"[127.0.0.1]:9 {keys[names[2]]}\n"
    )
    hosts.write_text(text.replace("hosts:\n", "hosts:\n  ghost:\n    address: 127.0.0.1\n    port: 9\n", 1))
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", "all", "--format", "json", "--window", "0.5",
        "--state", str(scene.settings.state), "--inventory", str(scene.settings.inventory),
        stdout=subprocess.PIPE,
    )  # fmt: skip
    said, _ = await done.communicate()
    hosts_said = {host["host"]: host for host in json.loads(said)["hosts"]}
    causes = {name: host["failure"]["cause"] for name, host in hosts_said.items() if host["failure"]}
    assert causes == {"node-1": "host-key-changed", "node-2": "host-key-changed", "ghost": "unreachable"}
    assert all(host["failure"]["remedy"] for host in hosts_said.values() if host["failure"])
    assert hosts_said["node-3"]["status"] == "critical"
    assert done.returncode == 1
    logged = [json.loads(entry.body) async for entry in scene.app.journal.entries()]
    refused = [event["data"]["hosts"] for event in logged if event["kind"] == "HostKeyRefused"]
    assert [sorted(hosts) for hosts in refused] == [["node-1", "node-2"]]
