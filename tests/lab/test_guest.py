"""Is a guest a host like any other, with a kernel of its own, and does it tell why when it cannot boot?"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.adapters.files.inventory import load_inventory
from bot.adapters.ssh import HostShell
from bot.core.host import HostFailure
from bot.demo import Fleet, FleetError
from bot.demo.parts import PARTS, posts
from bot.demo.plan import plan

pytestmark = pytest.mark.asyncio(loop_scope="module")
needs_guests = pytest.mark.parts("memory")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    async with Fleet.up(tmp_path_factory.mktemp("lab"), hosts=1, parts=["memory"]) as fleet:
        yield fleet


@needs_guests
async def test_a_guest_has_a_kernel_of_its_own(fleet: Fleet) -> None:
    assert await fleet.sh("mem-1", "hostname; uname -r") != f"mem-1\n{os.uname().release}"
    boots = [await fleet.sh(host, "cat /proc/sys/kernel/random/boot_id") for host in ("node-1", "mem-1")]
    assert boots[0] != boots[1]


@needs_guests
async def test_the_bot_logs_in_to_a_guest_with_strict_host_keys(fleet: Fleet) -> None:
    inventory = load_inventory(fleet.inventory_dir)
    shell = HostShell(inventory)
    try:
        output = await shell.run(inventory.hosts["mem-1"], "hostname; id -u\n", deadline=30, max_bytes=4096)
    finally:
        await shell.close()
    assert not isinstance(output, HostFailure), output
    assert output.stdout.split()[0] == b"mem-1"


@needs_guests
async def test_the_serial_line_carries_what_a_command_is_told_and_says(fleet: Fleet) -> None:
    done = await fleet.exec(
        "mem-1", ["sh", "-c", 'cat; echo "$1" >&2; exit 7', "sh", "two words\n"], stdin="hé\0llo" * 500
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "hé\0llo" * 500, "two words\n\n")


@needs_guests
async def test_commands_on_the_serial_line_run_side_by_side(fleet: Fleet) -> None:
    first = fleet.sh("mem-1", "until [ -e /tmp/go ]; do sleep 0.1; done; echo went")
    assert await asyncio.gather(first, fleet.sh("mem-1", "touch /tmp/go")) == ["went", ""]


@needs_guests
async def test_a_command_that_takes_too_long_is_ended(fleet: Fleet) -> None:
    with pytest.raises(TimeoutError):
        await fleet.exec("mem-1", ["sleep", "4242"], within=1)
    assert "4242" not in await fleet.sh("mem-1", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; :")


@needs_guests
async def test_a_large_answer_arrives_whole(fleet: Fleet) -> None:
    text = await fleet.sh("mem-1", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done", within=60)
    assert text.splitlines() == [f"line {number}" for number in range(20000)]


@needs_guests
async def test_what_a_guest_writes_stays_in_it(fleet: Fleet) -> None:
    await fleet.sh("mem-1", "echo mine >/etc/trace-of-a-test; rm /etc/hostname")
    assert not await asyncio.to_thread(Path("/etc/trace-of-a-test").exists)
    assert await asyncio.to_thread(Path("/etc/hostname").exists)


@needs_guests
async def test_a_cut_guest_is_still_to_be_had_on_its_serial_line(fleet: Fleet) -> None:
    await fleet.cut("mem-1")
    try:
        assert await fleet.sh("mem-1", "echo here") == "here"
    finally:
        await fleet.heal("mem-1")


@needs_guests
async def test_the_console_has_the_kernels_words(fleet: Fleet) -> None:
    assert "netdiag guest ready" in await fleet.console("mem-1")
    with pytest.raises(FleetError, match="no console"):
        await fleet.console("node-1")


@needs_guests
async def test_a_guest_reboots_with_its_key_and_a_new_boot_id(fleet: Fleet) -> None:
    before = await fleet.sh("mem-1", "cat /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key.pub")
    await fleet.reboot("mem-1")
    after = await fleet.sh("mem-1", "cat /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key.pub")
    assert before.splitlines()[0] != after.splitlines()[0]
    assert before.splitlines()[1] == after.splitlines()[1]


@needs_guests
async def test_a_guest_that_cannot_boot_says_why(tmp_path: Path) -> None:
    async with Fleet.up(tmp_path / "fleet", hosts=1, parts=["memory"]) as fleet:
        # Its next boot finds a program that ends at once where its first one was.
        disk = f"/proc/{fleet._guardian.pid}/root/run/netdiag-demo/{fleet.instance}/disk/mem-1/upper"
        await asyncio.to_thread(Path(f"{disk}/etc/netdiag-demo/guest.sh").write_text, "echo told you so\nexit 1\n")
        with pytest.raises(FleetError, match=r"mem-1: the guest ended(?s:.*)told you so"):
            await fleet.reboot("mem-1")


@needs_guests
async def test_down_leaves_nothing_of_a_guest(tmp_path: Path) -> None:
    async with Fleet.up(tmp_path, hosts=0, parts=["memory"]) as fleet:
        kernel = f"hostfs=/run/netdiag-demo/{fleet.instance}/disk/mem-1/"
        processes = [pid for pid in pids() if kernel in words(pid)]
        assert processes
    assert not [pid for pid in processes if kernel in words(pid)]


def pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


async def test_a_part_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no part 'ipsv'"):
        await Fleet.start(tmp_path, parts=["ipsv"])


async def test_no_two_hosts_of_all_parts_share_a_name_an_address_or_a_port() -> None:
    nodes = plan(7, 200, posts(list(PARTS))).nodes
    legs = [leg for node in nodes for leg in node.legs]
    assert len({node.name for node in nodes}) == len(nodes)
    for each in ({leg.address for leg in legs}, {leg.mac for leg in legs}, {leg.port for leg in legs}):
        assert len(each) == len(legs)
    assert all(len(leg.port) < 16 for leg in legs), "the kernel's limit for a link's name"
