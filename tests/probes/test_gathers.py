"""What is read of a host's files says the same as its tools did, whichever shell reads the visit."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.core.probe import Probe, Unknown
from bot.core.visit import compose
from bot.core.visit_answer import read, sections
from bot.probes import identity, resolver, routes

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox ash": ["busybox", "sh"]}
SHELLS = {name: argv for name, argv in SHELLS.items() if shutil.which(argv[0])}
NONCE = "0123456789abcdef0123456789abcdef"


@pytest.fixture(params=SHELLS.values(), ids=SHELLS.keys())
def shell(request: pytest.FixtureRequest) -> Sequence[str]:
    return request.param


def answer(shell: Sequence[str], probe: Probe[Any], *instead: tuple[str, str]) -> bytes:
    """What a host prints on which some paths lead elsewhere."""
    program = compose([probe], nonce=NONCE, window=0.2)
    for path, other in instead:
        assert path in program
        program = program.replace(path, other)
    return subprocess.run(shell, input=program.encode(), capture_output=True, timeout=60, check=True).stdout


def facts(shell: Sequence[str], probe: Probe[Any], *instead: tuple[str, str]) -> Any:
    outcome = read(answer(shell, probe, *instead), [probe], nonce=NONCE, root=True)[probe.name]
    return outcome if isinstance(outcome, Unknown) else outcome[-1]


@pytest.mark.parametrize("missing", ["/proc/sys/kernel/arch", "/proc/self/statm"])
def test_old_kernels_are_asked_by_program(shell, missing: str) -> None:
    found = facts(shell, identity.PROBE, (missing, "/proc/not-there"))
    assert (found.machine, found.page_size) == (os.uname().machine, os.sysconf("SC_PAGE_SIZE"))


CONFIGURATIONS = {
    "empty": ("", (True, [], [], [])),
    "nothing but a comment": ("# nameserver 192.0.2.1\n", (True, [], [], [])),
    "no server": ("search a.example b.example\n\toptions ndots:5", (True, [], ["a.example", "b.example"], ["ndots:5"])),
    "no address": ("nameserver $(reboot)\nnameserver *\n", (True, ["$(reboot)", "*"], [], [])),
}


@pytest.mark.parametrize(("text", "told"), CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_a_configuration_without_servers_is_told_as_it_is(shell, text: str, told: object, tmp_path: Path) -> None:
    (tmp_path / "conf").write_text(text)
    found = facts(shell, resolver.PROBE, ("/etc/resolv.conf", f"{tmp_path}/conf"))
    assert (found.configured, [one.address for one in found.servers], found.search, found.options) == told


def test_no_configuration_is_known_and_one_that_cannot_be_read_is_not(shell, tmp_path: Path) -> None:
    assert not facts(shell, resolver.PROBE, ("/etc/resolv.conf", f"{tmp_path}/conf")).configured
    (tmp_path / "conf").mkdir()
    found = facts(shell, resolver.PROBE, ("/etc/resolv.conf", f"{tmp_path}/conf"))
    assert found == Unknown(f"{tmp_path}/conf: is a directory")


def test_three_different_servers_are_asked(shell, tmp_path: Path) -> None:
    lines = [f"nameserver 127.0.0.{last}" for last in (1, 1, 2, 3, 4)]
    (tmp_path / "conf").write_text("\n".join(lines))
    found = facts(shell, resolver.PROBE, ("/etc/resolv.conf", f"{tmp_path}/conf"))
    assert [(one.address[-1], one.asked) for one in found.servers] == [
        ("1", True), ("2", True), ("3", True), ("4", False)
    ]  # fmt: skip


FOUR = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT"
SIX = "{net} {length} 00000000000000000000000000000000 00 {via} {metric} 00000001 00000000 {flags} {dev}"
TABLES = {
    "empty files": ("", "", []),
    "only a header": (FOUR, "", []),
    "a network": (f"{FOUR}\neth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0", "", ["eth0"]),
    "many networks, a default, one refused": (
        "\n".join([
            FOUR, "eth0\t00000000\t0101A8C0\t0003\t0\t0\t9\t00000000\t1400\t0\t0",
            *(f"eth1\t{n:04X}A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0" for n in range(500)),
            "*\t00000A0A\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0",
        ]),
        "",
        ["eth0 00000000 0101A8C0 0003 9 00000000 1400", "eth1", "* 00000A0A 00000000 0201 0 0000FFFF 0"],
    ),
    "IPv6": (
        FOUR,
        "\n".join(
            SIX.format(net=net, length=length, via=f"{via:032x}", metric="00000400", flags="00000003", dev=dev)
            for net, length, via, dev in (
                ("0" * 32, "00", 7, "eth0"), ("fd" + "0" * 30, "40", 0, "eth1"), ("0" * 32, "00", 0, "lo"),
                ("0" * 32, "80", 0, "eth2"),
            )
        ),
        [f"eth0 {7:032x} 00000400 00000003"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("four", "six", "told"), TABLES.values(), ids=TABLES.keys())
def test_of_a_routing_table_only_what_matters_is_told(shell, four: str, six: str, told, tmp_path: Path) -> None:
    for name, text in (("route", four), ("ipv6_route", six)):
        (tmp_path / name).write_text(text)
    stdout = answer(shell, routes.PROBE, ('return "/proc/" PID[i] "/net/" name', f'return "{tmp_path}/" name'))
    text = sections(stdout, [routes.PROBE], nonce=NONCE).readings["routes"][1].text.partition("\n\n")[2]
    every = text.replace(str(tmp_path), "").splitlines()
    rows = [line.partition(":")[2] for line in every]
    spaces = rows.count("Iface")  # once for each table that can be read
    assert spaces >= 1
    assert [row for row in rows if row != "Iface"] == told * spaces
