"""What each action plans from what was seen, or why it refuses: the cases are the files beside this one."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import actions, probes
from bot.actions import ipvs_prune, process_realtime
from bot.core.action import Refused
from bot.core.probe import Facts, Unknown
from bot.core.snapshot import Snapshot
from bot.core.transaction import flat
from bot.probes._socket_limits import Limits
from bot.probes.endpoints import EndpointsFacts
from bot.probes.identity import IdentityFacts
from bot.probes.ipvs import IpvsFacts, RealServer, Table
from bot.probes.keepalived import KeepalivedFacts, VrrpInstance
from bot.probes.links import Link, LinksFacts
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.qdisc import Qdisc, QdiscFacts
from bot.probes.rp_filter import RpFilterFacts, in_force
from bot.probes.socket_fds import ProcessSockets, SocketFdsFacts
from bot.probes.sockstat import SockstatFacts
from bot.probes.sysctl_net import SysctlFacts
from bot.probes.units import Unit, UnitsFacts
from tests.fakes.host import SHELLS

CATALOG = actions.catalog()
FILES = sorted((Path(__file__).parent / "cases").glob("*/*.yaml"))


def namespace(ident: str, pid: int, label: str, *, host: bool = False) -> Namespace:
    return Namespace(
        id=ident,
        host=host,
        pid=pid,
        start_time=987654,
        process="init",
        processes=3,
        container="",
        container_runtime="",
        pod="",
        unit="",
        label=label,
    )


HOST_VALUES = {
    "net.core.somaxconn": "4096",
    "net.ipv4.tcp_mem": "188319\t251092\t376638",
    "net.ipv4.tcp_timestamps": "1",
    "net.ipv4.tcp_abort_on_overflow": "0",
    "net.ipv4.tcp_max_tw_buckets": "262144",
    "net.ipv4.neigh.default.gc_thresh3": "1024",
    "net.netfilter.nf_conntrack_max": "262144",
}
SPACES = NetnsFacts(
    namespaces={
        "4026531840": namespace("4026531840", 1, "host", host=True),
        "4026532414": namespace("4026532414", 4711, "shop"),
    },
    pinned=[],
)
VALUES = SysctlFacts(namespaces={"4026531840": HOST_VALUES, "4026532414": {"net.core.somaxconn": "128"}})


LIMITS = Limits(
    tcp_pressure=251092, tcp_max=376638, udp_max=753276, max_orphans=65536, tcp_mem="188319 251092 376638",
    udp_mem="376638 502184 753276", page_size=4096, memory=8 << 30, available=4 << 30,
)  # fmt: skip
SOCKETS = SockstatFacts(
    seconds=3.0, namespaces={}, tcp_alloc=0, tcp_alloc_grown=0, tcp_orphan=0, tcp_mem_pages=0, tcp_mem_grown=0,
    udp_mem_pages=0, tcp_inuse_all=0, limits=LIMITS, holders=[], holders_known=False,
)  # fmt: skip


def blank(model: type[Facts], **fields: Any) -> Any:
    """Facts of which a plan looks at a few fields only; the others are empty."""
    empty = {"str": "", "int": 0, "bool": False, "float": 0.0}
    hints = {name: str(field.annotation) for name, field in model.model_fields.items()}
    rest = {
        name: next((value for word, value in empty.items() if f"'{word}'" in hint), {} if "dict" in hint else [])
        for name, hint in hints.items()
    }
    return model.model_validate(rest | {name: None for name, hint in hints.items() if "None" in hint} | fields)


QUEUES = QdiscFacts(
    seconds=3.0,
    entered=["4026531840"],
    queues=[
        blank(Qdisc, netns="4026531840", host=True, device="eth0", kind="pfifo_fast", handle="0:", parent=":1", qlen=7),
        blank(Qdisc, netns="4026531840", host=True, device="eth0", kind="pfifo_fast", handle="0:", parent=":2",
              qlen=993),
        blank(Qdisc, netns="4026531840", host=True, device="eth1", kind="tbf", handle="8003:", parent="root", qlen=588,
              spec="rate 8bit burst 225b lat 3.94e+03s"),
        blank(Qdisc, netns="4026531840", host=True, device="eth2", kind="fq_codel", handle="110:", parent="1:11"),
        blank(Qdisc, netns="4026532414", device="eth0", kind="tbf", handle="8001:", parent="root", spec="rate 8bit"),
    ],
)  # fmt: skip
LINKS = LinksFacts(seconds=3.0, links=[blank(Link, name="eth0", index=2, tx_queue_len=1000)])
HOLDERS = SocketFdsFacts(
    processes=[
        blank(ProcessSockets, pid=4711, process="legacy-api", start_time=987654, netns_label="host"),
        blank(ProcessSockets, pid=812, process="nginx", start_time=5, unit="nginx.service"),
        blank(ProcessSockets, pid=99, process="sshd", start_time=7),
    ],
    total=3, unwalked=0, listeners={},
)  # fmt: skip


def server(**given: Any) -> RealServer:
    usual: dict[str, Any] = {
        "netns": "4026531840",
        "netns_label": "host",
        "service": "10.9.0.1:6379/tcp",
        "address": "10.0.2.2:80",
        "forward": "Masq",
        "weight": 1,
        "active": 0,
        "inactive": 0,
        "established": 0,
        "syn_recv": 0,
        "failed": 0,
        "entries": 0,
        "other_ports": [6379],
        "port_disagrees": True,
        "others_weighted": 1,
        "suspect": True,
        "attempts": 2,
        "refused": 2,
        "accepted": 0,
        "unanswered": 0,
        "sibling_accepts": True,
        "not_tried": "",
        "appeared": False,
        "left_alone": False,
    }
    return RealServer(**{**usual, **given})


SERVERS = [
    server(),
    server(address="10.0.2.2:6379", refused=0, accepted=2),
    server(address="10.0.2.3:80", established=3),
    server(address="10.0.2.4:80", weight=0),
    server(address="10.0.2.5:80", forward="Tunnel"),
    server(service="10.9.0.2:6379/tcp", others_weighted=0),
    server(service="mark 8"),
    server(service="[fd00:9::1]:53/udp", address="[fd00:2::2]:53", forward="Route", weight=5),
    server(netns="4026532414", netns_label="shop"),
    server(address="10.0.2.6:80"),
    server(address="10.0.2.7:80", appeared=True),
    server(address="10.0.2.8:80", left_alone=True),
]
KUBERNETES = EndpointsFacts(
    asked=True, why="", source="/etc/kubernetes/admin.conf", services={"10.9.0.1:6379/tcp": ["10.0.2.6:80"]}
)


def table(owner: str, **given: Any) -> Table:
    usual: dict[str, Any] = {
        "netns_label": "host",
        "owner": owner,
        "services": 2,
        "real_servers": 5,
        "buckets": 4096,
        "entries": 0,
        "states": {},
        "connections_per_second": None,
        "tcp": 900,
        "tcpfin": 120,
        "udp": 300,
        "unread": "",
        "sysctls": {},
    }
    return Table(**{**usual, **given})


def directors(owner: str) -> IpvsFacts:
    tables = {
        "4026531840": table(owner),
        "4026532414": table("", tcp=None, tcpfin=None, udp=None, unread="ipvsadm: not found"),
    }
    return IpvsFacts(loaded=True, tables=tables, services=[], real_servers=SERVERS, suspects=[], drained=[], members={})


FILTERS = RpFilterFacts(namespaces={"4026531840": in_force({"all": 0, "default": 0, "eth1": 1})})


def router(pid: int, policy: str, **given: Any) -> VrrpInstance:
    named = {"name": "VI_1", "vrid": 51, "netns_label": "host"}
    return blank(VrrpInstance, pid=pid, start_time=pid * 100, policy=policy, **named, **given)


KEEPALIVED = KeepalivedFacts(
    running=True,
    seconds=3.0,
    steal=0.0,
    cpu_pressure=0.0,
    instances=[
        router(25, "other", unit="keepalived.service"),
        router(26, "batch", container="0123456789ab"),
        router(27, "rr", realtime_priority=50),
        router(28, "deadline"),
        router(29, ""),
        router(30, "ext"),
        blank(VrrpInstance, name="VI_2"),
    ],
)


def units(manager: str) -> UnitsFacts:
    if manager == "systemd":
        found = [
            Unit(name="nginx.service", active=True, main_pid=812, invocation="5c3e"),
            Unit(name="down.service", active=False, main_pid=0, invocation=""),
        ]
    else:
        found = [Unit(name="shop", active=True, main_pid=99, invocation="99:1234")]
    return UnitsFacts(manager=manager, units={unit.name: unit for unit in found}, of_pid={})


def seen(case: dict[str, Any]) -> Snapshot:
    facts: dict[str, Facts] = {
        "netns": SPACES,
        "sysctl_net": VALUES,
        "units": units(case.get("manager", "systemd")),
        "sockstat": SOCKETS,
        "qdisc": QUEUES,
        "links": LINKS,
        "socket_fds": HOLDERS,
        "identity": blank(IdentityFacts, uid=case.get("uid", 0)),
        "ipvs": directors(case.get("owner", "")),
        "endpoints": KUBERNETES,
        "rp_filter": FILTERS,
        "keepalived": KEEPALIVED,
    }
    outcomes: dict[str, Any] = {name: (value,) for name, value in facts.items()}
    outcomes |= {name: Unknown(reason) for name, reason in case.get("without", {}).items()}
    return Snapshot("node-3", datetime(2030, 1, 1, tzinfo=UTC), 1.0, "SHA256:abc", outcomes, case.get("inventory", {}))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_action_plans_from_what_was_seen_or_says_why_not(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    action = CATALOG[path.parent.name]
    planned = action.plan(action.params.model_validate(case["with"]), seen(case))
    if "refused" in case:
        assert isinstance(planned, Refused), planned
        assert case["refused"] in planned.reason
        return
    assert not isinstance(planned, Refused), planned.reason
    whole = planned.model_dump(mode="json")
    for name, expected in case["plan"].items():
        found = whole[name]
        if name in ("precondition", "verify"):
            found = [[check["argv"], check["compare"], check["expect"]] for check in found]
        assert found == expected, name


@pytest.mark.parametrize("name", CATALOG)
def test_every_action_has_a_case_that_plans_and_one_that_refuses(name: str) -> None:
    cases = [yaml.safe_load(path.read_text()) for path in FILES if path.parent.name == name]
    assert any("plan" in case for case in cases)
    assert any("refused" in case for case in cases)


@pytest.mark.parametrize("name", CATALOG)
def test_every_action_reads_probes_that_exist_and_says_why_it_has_no_evidence(name: str) -> None:
    action = CATALOG[name]
    assert set(action.reads) <= set(probes.catalog())
    blind = Snapshot("node-3", datetime(2030, 1, 1, tzinfo=UTC), 1.0, "k", {})
    case = next(
        case for path in FILES if path.parent.name == name and "plan" in (case := yaml.safe_load(path.read_text()))
    )
    planned = action.plan(action.params.model_validate(case["with"]), blind)
    assert isinstance(planned, Refused)
    assert "was not asked" in planned.reason


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_plan_says_how_long_its_steps_wait(path: Path) -> None:
    """Whoever carries it out holds its claim that much longer. Steps that wait are told for how long by their end."""
    case = yaml.safe_load(path.read_text())
    action = CATALOG[path.parent.name]
    planned = action.plan(action.params.model_validate(case["with"]), seen(case))
    if isinstance(planned, Refused):
        return
    waits = [argv for argv in planned.steps if any("sleep" in word for word in argv)]
    assert planned.takes == sum(int(argv[-1]) for argv in waits)


LISTS = """#!/bin/sh
echo "  -> 10.0.2.2:80  Masq 1 $ACTIVE 0"
"""


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
@pytest.mark.parametrize(
    ("script", "server", "active", "says"),
    [
        (ipvs_prune.DRAINED, "10.0.2.2:80", "0", ""),
        (ipvs_prune.DRAINED, "10.0.2.2:80", "3", "3 connections are still active"),
        (ipvs_prune.ABSENT, "10.0.2.9:80", "0", ""),
        (ipvs_prune.ABSENT, "10.0.2.2:80", "0", "it was put in again"),
    ],
)
def test_a_server_is_waited_for_by_the_clock(
    tmp_path: Path, shell: list[str], script: str, server: str, *, active: str, says: str
) -> None:
    """With no time left each still looks once: what is so is told, whatever the time."""
    tool = tmp_path / "ipvsadm"
    tool.write_text(LISTS)
    tool.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "ACTIVE": active}
    argv = [*shell, "-c", script, "sh", "-t", "10.9.0.1:6379", server, "0"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (int(bool(says)), "")
    assert says in done.stdout


SLEEPS = 'n=0; sleep() { n=$((n + ${GROWS:-0})); [ -z "$GROWS" ] || echo "1 $n 1" >"$FILE"; }; '
"""A stand-in: while the script sleeps, the process waits so many nanoseconds for a processor."""


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
@pytest.mark.parametrize(
    ("grows", "says"),
    [("0", ""), ("999999999", ""), ("4300000000", "it still waited 4300 ms of 40 s for a processor"), ("", "")],
    ids=["runs in time", "just in time", "still starves", "a kernel without schedstat"],
)
def test_a_process_that_still_waits_is_no_success(tmp_path: Path, shell: list[str], grows: str, says: str) -> None:
    script = SLEEPS + process_realtime.WATCH.replace("/proc/$1/schedstat", "$FILE")
    env = {"PATH": "/usr/bin:/bin", "GROWS": grows, "FILE": str(tmp_path / "schedstat")}
    argv = [*shell, "-c", script, "sh", "25", "40"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr.strip()) == (int(bool(says)), says)


UNDONE = [path for path in FILES if yaml.safe_load(path.read_text()).get("plan", {}).get("inverse")]


@pytest.mark.parametrize("path", UNDONE, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_is_undone_reads_as_it_was_before(path: Path) -> None:
    """Every precondition is an invariant or a reading that the inverse brings back: nothing else may be in it."""
    case = yaml.safe_load(path.read_text())
    action = CATALOG[path.parent.name]
    planned = action.plan(action.params.model_validate(case["with"]), seen(case))
    assert not isinstance(planned, Refused)
    after = {check.argv for check in planned.verify}
    for check in planned.precondition:
        assert check.argv in after, f"{check.about} is not read back"
        assert flat(check.expect) == check.expect
