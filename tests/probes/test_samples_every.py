"""Every capture of every kind that a parser here reads comes to what stands in `samples.yaml`, or is refused with a
reason; kinds that nothing here reads say why not. A capture that is not in the table fails: nothing is passed over.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.core.gather import ALONE, AWK, NOTHING
from bot.core.probe import Gather, ParseError, Reading
from bot.probes import (
    _ipvs,
    bonding,
    clock,
    kernel_log,
    kernel_tables,
    links,
    listen_queues,
    qdisc,
    resolver,
    rp_filter,
    socket_fds,
    sockstat,
    tcp_ext,
    udp_sockets,
)
from bot.probes._cgroup import Membership, membership, mounted
from bot.probes._keepalived_log import events
from bot.probes._text import header_value_pairs
from tests.probes.test_samples import SAMPLES
from tests.probes.test_samples_ipvs import table

TABLE: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "samples.yaml").read_text())
READ = {kind: entry for kind, entry in TABLE.items() if "files" in entry}
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no captures beside the project (../shared/samples)")
NOW = 1795273350.0


def full(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip()]


LIMITS = """page 3004 750
kernel 5.4.0
/proc/sys/net/ipv4/tcp_mem:287898	383867	575796
/proc/sys/net/ipv4/udp_mem:575799	767734	1151598
/proc/sys/net/ipv4/tcp_max_orphans:131072
/proc/meminfo:MemTotal:       16384000 kB
/proc/meminfo:MemAvailable:    8192000 kB
"""


def host_counts(lines: Sequence[str]) -> list[int]:
    """What the whole probe makes of it: a file that is empty, or no sockstat, is no host without sockets."""
    head = "4026531840 1 3\n\n"
    text = head + "".join(f"/proc/1/net/sockstat:{line}\n" for line in lines) + LIMITS
    facts = sockstat.parse([Reading(text=text, uptime=1.0), Reading(text=text, uptime=4.0)], {})
    here = facts.namespaces["4026531840"]
    tcp = [here.tcp_inuse, facts.tcp_orphan, here.tcp_tw, facts.tcp_alloc, facts.tcp_mem_pages]
    return [here.used or 0, *tcp, here.udp_inuse, facts.udp_mem_pages]


def six(lines: Sequence[str]) -> list[int]:
    rows = dict(map(sockstat.row, lines))
    return [rows["TCP6"]["inuse"], rows["UDP6"]["inuse"]]


def counters(group: str, *names: str) -> Callable[[Sequence[str]], list[int]]:
    def read(lines: Sequence[str]) -> list[int]:
        found = header_value_pairs(full(lines))
        return [len(found[group]), *(found[group][name] for name in names)]

    return read


def softnet(lines: Sequence[str]) -> list[list[int]]:
    rows = [line.split() for line in full(lines)]
    zero = [" ".join(["0" * 8] * min(12, len(row)) + row[12:]) for row in rows]
    found = kernel_tables.backlogs(zero, full(lines))
    return [[one.cpu, one.processed, one.dropped, one.squeezed] for one in found]


def statistics(lines: Sequence[str]) -> list[int]:
    found = kernel_tables.table(lines)
    return [len(found), found["entries"], found.get("table_fulls", found.get("drop", found.get("in_martian_src", -1)))]


def devices(lines: Sequence[str]) -> dict[str, list[int]]:
    rows = map(links.counters, lines[2:])
    return {name: [found["rx_packets"], found["tx_packets"], found["rx_dropped"]] for name, found in rows}


def queues(lines: Sequence[str]) -> dict[str, list[Any]]:
    found = qdisc.rows("in 1\n" + "\n".join(lines))["1"]
    return {
        f"{row['device']} {row['handle']}": [row["kind"], int(row["packets"]), int(row["qlen"])]
        for row in found.values()
    }


def listeners(lines: Sequence[str]) -> list[list[Any]]:
    rows = map(listen_queues.listener, listen_queues.whole_rows(lines))
    return [[row.local, row.recv_q, row.send_q] for row in rows]


def bond(lines: Sequence[str]) -> list[Any]:
    found = bonding.bond(lines, name="bond0")
    return [found.lacp, [leg.name for leg in found.legs], found.down]


def daemon(lines: Sequence[str]) -> list[Any]:
    """By what it is: the tools' outputs tell themselves apart, and what is neither is refused by each."""
    why = ""
    for read in (clock.ntp, clock.timesyncd):
        try:
            told = read(lines)
        except ParseError as fault:
            why = str(fault)
        else:
            return [read.__name__, told["synchronized"], told["stratum"]]
    raise ParseError(why)


def udp(lines: Sequence[str]) -> list[list[Any]]:
    rows = map(udp_sockets.row_words, lines[1:])
    return [[udp_sockets.place(words[1])[0], udp_sockets.queued(words)] for words in rows]


def named(member: Membership) -> list[str]:
    return [member.container[:12], member.runtime, member.pod, member.unit]


def limits(lines: Sequence[str]) -> list[int]:
    return [socket_fds.open_files(line) for line in lines if line.startswith("Max open files")]


def director(lines: Sequence[str]) -> dict[str, list[str]]:
    if any("timeouts" in line or "Timeout" in line or "initialize" in line for line in lines[:2]):
        return {"timeouts": [str(value) for value in _ipvs.timeouts("\n".join(lines))]}
    return {
        name: [f"{one.at} {one.forward} {one.weight}" for one in servers]
        for name, servers in table(list(lines)).items()
    }


def connections(lines: Sequence[str]) -> list[int]:
    """How many, and how many of them are established; each row's addresses must be some."""
    rows = [line.split() for line in lines[1:]]
    for row in rows:
        _ipvs.parts(row[3], row[4])
        _ipvs.parts(row[5], row[6])
    return [len(rows), sum(row[7] == "ESTABLISHED" for row in rows)]


def totals(lines: Sequence[str]) -> int:
    return _ipvs.total(lines[2].split())


def filters(lines: Sequence[str]) -> list[int]:
    """rp_filter of a dump of sysctls: interfaces that are strict, and loose."""
    found = {}
    for line in lines:
        key, _, value = line.partition(" = ")
        if key.startswith("net.ipv4.conf.") and key.endswith(".rp_filter"):
            found[key.removeprefix("net.ipv4.conf.").removesuffix(".rp_filter")] = int(value)
    held = rp_filter.in_force(found)
    return [held.all, len(held.strict), len(held.loose)]


def complaints(lines: Sequence[str]) -> list[list[Any]]:
    """The probe's own shell reads the log in place of dmesg's, then its parser what that printed."""
    log = "\n".join(lines)
    # what dmesg says on its standard error, it says when it could not read the log
    says = "echo >&2; return 1" if log.startswith("dmesg: ") else "cat"
    program = f"dmesg() {{ [ $# = 0 ] || return 1; {says}; }}\njournalctl() {{ return 1; }}\n{kernel_log.SCRIPT}"
    done = subprocess.run(
        ["sh", "-c", program], input=log + "\n", capture_output=True, text=True, timeout=30, check=False
    )
    facts = kernel_log.parse([Reading(text=done.stdout, uptime=2_000_000.0)], {})
    return [
        [event.kind, event.device or event.table or event.subject or event.port, event.count] for event in facts.events
    ]


def in_a_proc(gather: Gather, name: str, files: dict[str, Sequence[str]]) -> str:
    """What a probe that is asked alone gathers where /proc/1/net has these files."""
    with tempfile.TemporaryDirectory() as root:
        place = Path(root) / "proc/1/net"
        place.mkdir(parents=True)
        for file, lines in files.items():
            (place / file).write_text("".join(f"{line}\n" for line in lines))
        awk = f"{AWK}{gather.awk} END {{ start(); {name}(); alone() }}".replace('"/proc/" PID', f'"{root}/proc/" PID')
        said = {"FILES": " ".join(gather.files), "SKIPS": gather.skips or NOTHING, "MORE": gather.more, "AWK": awk}
        done = subprocess.run(
            ["sh", "-c", ALONE.replace("/proc/", f"{root}/proc/")], capture_output=True, text=True, timeout=30,
            check=True, env={**os.environ, **said, "NETNS": "4026531840 1 3", "SAMPLE": "1", "CARRY": ""},
        )  # fmt: skip
        return done.stdout.replace(root, "")


SNMP = [f"{group}: {words}" for group in ("Ip", "Icmp", "Udp") for words in ("InErrors", "0")]
SNMP += ["Tcp: PassiveOpens CurrEstab RetransSegs OutSegs", "Tcp: 0 0 0 0"]
NETSTAT = [f"{group}: {words}" for group in ("TcpExt", "IpExt") for words in ("ListenOverflows ListenDrops", "0 0")]


def six_counters(lines: Sequence[str]) -> list[int | None]:
    """What a kernel does not count is not there, and no 0."""
    text = in_a_proc(tcp_ext.GATHER, "tcp_ext", {"snmp6": lines, "snmp": SNMP, "netstat": NETSTAT})
    facts = tcp_ext.parse([Reading(text=text, uptime=1.0), Reading(text=text, uptime=4.0)], {})
    value = facts.namespaces["4026531840"].value
    return [value.get(name) for name in ("Ip6InReceives", "Ip6OutRequests", "Udp6InDatagrams")]


def elections(lines: Sequence[str]) -> list[list[str]]:
    return [[event.name, event.kind] for event in events(lines, NOW, 0.0)]


READERS: dict[str, Callable[[Sequence[str]], Any]] = {
    "sockstat": host_counts,
    "sockstat6": six,
    "proc_net_netstat": counters("TcpExt", "ListenOverflows", "ListenDrops", "TCPTimeouts", "TW"),
    "proc_net_snmp": counters("Tcp", "ActiveOpens", "PassiveOpens", "OutSegs", "RetransSegs"),
    "softnet_stat": softnet,
    "proc_net_snmp6": six_counters,
    "proc_net_stat": statistics,
    "proc_net_dev": devices,
    "tc_qdisc": queues,
    "ss": listeners,
    "bonding": bond,
    "time": daemon,
    "proc_net_udp": udp,
    "dns": lambda lines: list(resolver.configuration(lines)),
    "proc_pid_cgroup": lambda lines: named(membership(lines)),
    "proc_pid_mountinfo": lambda lines: named(mounted(lines)),
    "limits": limits,
    "ipvsadm": director,
    "proc_net_ip_vs_conn": connections,
    "proc_net_ip_vs_stats": totals,
    "sysctl": filters,
    "dmesg": complaints,
    "syslog": complaints,
    "keepalived_log": elections,
}


def test_every_kind_is_read_or_says_why_not() -> None:
    there = {path.name for path in SAMPLES.iterdir() if path.is_dir()}
    assert there <= set(TABLE)
    assert set(READ) == set(READERS)
    assert all(entry.get("unread") for kind, entry in TABLE.items() if kind not in READ)


@pytest.mark.parametrize("kind", READ)
def test_every_capture_of_a_kind_is_in_the_table(kind: str) -> None:
    assert {path.name for path in (SAMPLES / kind).iterdir()} == set(READ[kind]["files"])


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, entry in READ.items() for name in entry["files"]], ids=lambda word: word
)
def test_a_capture_is_read_right_or_refused_with_a_reason(kind: str, name: str) -> None:
    if kind in ("dmesg", "syslog") and shutil.which("awk") is None:
        pytest.skip("no awk")
    lines = (SAMPLES / kind / name).read_text(errors="replace").splitlines()
    expected = READ[kind]["files"][name]
    if isinstance(expected, dict) and "refused" in expected:
        with pytest.raises(ParseError, match=expected["refused"]):
            READERS[kind](lines)
        return
    found = READERS[kind](lines)
    assert yaml.safe_load(yaml.safe_dump(found)) == expected
