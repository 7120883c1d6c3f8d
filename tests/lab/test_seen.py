"""What do the shipped probes and playbooks make of the demo fleet: over SSH, and of the recordings that stand in?"""

import os
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bot.adapters.files.inventory import load_inventory
from bot.adapters.files.policy import FilePolicy
from bot.adapters.ssh import HostShell
from bot.core.host import Inventory
from bot.core.report import HostReport, Severity, Status
from bot.demo import Fleet
from bot.demo.replay import notice, replay_inventory
from bot.engine.diagnose import Observer, judge
from tests.lab.books import CATALOG, shipped
from tests.lab.conftest import can_be_had

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = {"alice": {"slack": "U0ALICE"}}

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def token(self, bits: int = 128) -> str:
        return secrets.token_hex(bits // 8)


async def reports(inventory: Inventory) -> Mapping[str, HostReport]:
    """Every host, one after the other, with every shipped playbook."""
    shell, playbooks = HostShell(inventory), tuple(shipped().values())
    try:
        observer = Observer(shell, Now(), CATALOG)
        return {
            host.name: judge(host, await observer.observe(host, playbooks), playbooks, {})
            for host in inventory.hosts.values()
        }
    finally:
        await shell.close()


def output_of(path: str) -> str:
    return Path(path).read_text().strip()


def findings(report: HostReport, *severities: Severity) -> set[str]:
    return {finding.id for finding in report.findings if finding.severity in severities}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mapping[str, HostReport]]:
    can_be_had()
    async with Fleet.up(tmp_path_factory.mktemp("fleet")) as fleet:
        yield await reports(load_inventory(fleet.inventory_dir))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, HostReport]:
    place = tmp_path_factory.mktemp("recorded")
    replay_inventory(place, PEOPLE)
    return {name.removeprefix("recorded-"): report for name, report in (await reports(load_inventory(place))).items()}


@pytest.fixture(params=["live", "recorded"])
def seen(request: pytest.FixtureRequest) -> Mapping[str, HostReport]:
    found: Mapping[str, HostReport] = request.getfixturevalue(request.param)
    return found


async def test_every_probe_has_its_evidence_on_every_host(seen: Mapping[str, HostReport]) -> None:
    unknown = {(name, c.probe, c.reason) for name, report in seen.items() for c in report.coverage if c.state != "ok"}
    assert not unknown


@pytest.mark.parametrize("host", ["node-1", "node-2"])
async def test_the_healthy_hosts_are_green(seen: Mapping[str, HostReport], host: str) -> None:
    assert seen[host].status is Status.OK, [finding.summary for finding in seen[host].findings]


async def test_the_shop_overflows_and_its_cure_has_two_steps(seen: Mapping[str, HostReport]) -> None:
    report = seen["node-3"]
    assert findings(report, Severity.CRITICAL) == {"accept-queue-overflow"}
    found = next(finding for finding in report.findings if finding.id == "accept-queue-overflow")
    assert found.evidence["pod"] == "web/shop-6d4cf56db6-x7k2p"
    assert [offer.action for offer in found.offers] == ["sysctl.set"]
    assert found.offers[0].then is not None
    assert found.offers[0].then.action == "service.reload"


async def test_the_legacy_server_leaks_in_both_ways(seen: Mapping[str, HostReport]) -> None:
    found = findings(seen["node-4"], Severity.CRITICAL, Severity.WARNING)
    assert {"close-wait-leak", "tcp-socket-leak"} <= found
    assert "service.restart" in {offer.action for finding in seen["node-4"].findings for offer in finding.offers}


async def test_recordings_say_that_they_are_recordings(tmp_path: Path) -> None:
    inventory = load_inventory(replay_inventory(tmp_path, PEOPLE))
    assert "this machine has no sshd" in notice("this machine has no sshd")
    assert "no change can be carried out" in notice("")
    assert all(name.startswith("recorded-node-") for name in inventory.hosts)


@pytest.mark.parametrize("names", [("alice",), ("alice", "bob"), ("alice", "bob", "carol")])
async def test_a_policy_for_so_many_people_can_be_kept(tmp_path: Path, names: tuple[str, ...]) -> None:
    replay_inventory(tmp_path, {name: {"slack": f"U0{name.upper()}"} for name in names})
    assert set(FilePolicy(tmp_path).policy().people) == set(names)


async def test_without_people_there_is_no_policy(tmp_path: Path) -> None:
    replay_inventory(tmp_path, PEOPLE)
    replay_inventory(tmp_path)
    assert FilePolicy(tmp_path).policy().empty


async def test_the_recordings_shipped_tell_nothing_of_the_machine_they_were_made_on() -> None:
    texts = {
        name: output_of(f"{ROOT}/bot/demo/recordings/{name}.yaml") for name in ("node-1", "node-2", "node-3", "node-4")
    }
    own = {os.uname().release, "/root", "/home", "boot_id=" + output_of("/proc/sys/kernel/random/boot_id")}
    assert not {(name, word) for name, text in texts.items() for word in own if word in text}
