"""Does the table of namespaces and pods say what the kernels say, over SSH, on a node whose namespaces come and go?"""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from bot import probes
from bot.adapters.files.inventory import load_inventory
from bot.adapters.ssh import HostShell
from bot.core.pods import HostPods, Row
from bot.demo import Fleet
from bot.engine.diagnose import Observer
from bot.engine.pods import PROBES, table
from tests.lab.conftest import can_be_had

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def token(self, bits: int = 128) -> str:
        return secrets.token_hex(bits // 8)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    can_be_had()
    async with Fleet.up(tmp_path_factory.mktemp("fleet")) as running:
        yield running


async def look(fleet: Fleet, name: str) -> HostPods:
    inventory = load_inventory(fleet.inventory_dir)
    shell = HostShell(inventory)
    try:
        return table(
            inventory.hosts[name], await Observer(shell, Now(), probes.catalog()).look(inventory.hosts[name], PROBES)
        )
    finally:
        await shell.close()


def labelled(found: HostPods, words: str) -> Row:
    [row] = [row for row in found.rows if words in row.label]
    return row


async def test_the_pod_that_drops_its_clients_is_first_and_its_numbers_are_its_own(fleet: Fleet) -> None:
    found = await look(fleet, "node-3")
    assert found.known
    assert not found.unread
    shop, host = found.rows[0], labelled(found, "host")
    assert shop.pod.startswith("web/shop-")
    assert shop.container == "shop"
    assert (shop.values["queue"], shop.values["queue_limit"], shop.values["full_queues"]) == (129, 128, 1)
    assert (shop.values["overflows"] or 0) > 0
    assert shop.fullest == "shop on 0.0.0.0:80"
    assert shop.hurts[0].severity == "critical"
    assert host.values["overflows"] == 0
    assert (host.values["queue"], host.values["full_queues"]) == (0, 0)
    assert host.netns != shop.netns


async def test_counts_agree_with_the_kernels_own_file(fleet: Fleet) -> None:
    found = await look(fleet, "node-4")
    said = (await fleet.exec("node-4", ["cat", "/proc/net/sockstat"])).stdout.splitlines()
    used = int(next(line for line in said if line.startswith("sockets:")).split()[2])
    host = labelled(found, "host")
    assert abs((host.values["sockets"] or 0) - used) < 40, "it leaks on between the two looks"
    assert host.holders[0].process == "legacy-api"
    assert (host.values["close_wait"] or 0) > 100
    assert (host.values["descriptors"] or 0) >= host.holders[0].sockets


async def test_a_namespace_without_a_process_is_told_and_not_read(fleet: Fleet) -> None:
    await fleet.exec("node-1", ["ip", "netns", "add", "left-behind"])
    try:
        found = await look(fleet, "node-1")
    finally:
        await fleet.exec("node-1", ["ip", "netns", "delete", "left-behind"])
    assert [row.label for row in found.rows] == ["host"]
    assert any("no process is in" in said for said in found.unread)


async def test_without_root_there_is_no_table_but_the_reason(fleet: Fleet) -> None:
    await fleet.sudo("node-2", False)
    try:
        found = await look(fleet, "node-2")
    finally:
        await fleet.sudo("node-2", True)
    assert found.rows == ()
    assert not found.known
    assert "sudo" in found.unread[0]


async def test_a_process_that_is_hidden_makes_the_table_unknown_and_says_so(fleet: Fleet) -> None:
    hide = """
unshare -n sleep 600 </dev/null >/dev/null 2>&1 & echo $! >/run/alone.pid; pid=$!
until [ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
mount -t tmpfs -o size=4k none /proc/$pid
"""
    await fleet.sh("node-1", hide)
    pid = await fleet.sh("node-1", "cat /run/alone.pid")
    try:
        found = await look(fleet, "node-1")
    finally:
        await fleet.sh("node-1", f"umount /proc/{pid}; kill {pid}")
    assert found.rows == ()
    assert not found.known
    assert f"process {pid} is hidden by a mount over /proc/{pid}" in found.unread[0]
    assert all(part.reason for part in found.coverage if part.state != "ok")


async def test_a_proc_that_hides_processes_hides_none_from_root(fleet: Fleet) -> None:
    await fleet.sh("node-1", "mount -o remount,hidepid=2 /proc")
    try:
        found = await look(fleet, "node-1")
    finally:
        await fleet.sh("node-1", "mount -o remount,hidepid=0 /proc")
    assert [row.label for row in found.rows] == ["host"]
    assert found.known
