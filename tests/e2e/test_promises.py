"""What is promised of visits when things go wrong, on real hosts: unknown is not ok, one bad host stays one."""

import asyncio
import json
import re
import subprocess
import sys

from bot.core.report import Status
from bot.core.visit import required
from bot.probes import catalog
from tests.e2e.scene import Scene

BROKEN = {"node-3": "slow", "node-4": "flood", "node-5": "garbage"}


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
