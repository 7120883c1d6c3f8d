"""Actions against real namespaces, a real init script and a stand-in for systemctl: planned, applied, undone."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot import actions
from bot.core.action import Refused
from bot.core.answer import Applied, Confirmed, FailedOnHost, Stale
from bot.core.change import Plan
from bot.core.snapshot import Snapshot
from bot.probes.keepalived import KeepalivedFacts, VrrpInstance
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.socket_fds import ProcessSockets, SocketFdsFacts
from bot.probes.sysctl_net import SysctlFacts
from bot.probes.units import Unit, UnitsFacts
from tests.fakes.host import FileHost, until

CATALOG = actions.catalog()
KEY = "net.core.somaxconn"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nsenter"), reason="namespaces are made and entered as root"
)


def start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19])


@pytest.fixture
def space() -> Iterator[Namespace]:
    """A network namespace of its own, with one process in it."""
    mine = os.readlink("/proc/self/ns/net")
    process = subprocess.Popen(["unshare", "-n", "sleep", "600"])
    until(lambda: os.readlink(f"/proc/{process.pid}/ns/net") != mine, "the namespace")
    ident = os.readlink(f"/proc/{process.pid}/ns/net").strip("net:[]")
    yield Namespace(
        id=ident, host=False, pid=process.pid, start_time=start_time(process.pid), process="sleep", processes=1,
        container="", container_runtime="", pod="", unit="", label="shop",
    )  # fmt: skip
    process.kill()
    process.wait()


def snapshot(**facts: Any) -> Snapshot:
    outcomes = {name: (value,) for name, value in facts.items()}
    return Snapshot("node-3", datetime(2030, 1, 1, tzinfo=UTC), 1.0, "SHA256:abc", outcomes)


def planned(name: str, params: dict[str, Any], seen: Snapshot) -> Plan:
    action = CATALOG[name]
    plan = action.plan(action.params.model_validate(params), seen)
    assert not isinstance(plan, Refused), plan.reason
    return plan


def raising(space: Namespace, old: str, new: str = "4321") -> Plan:
    seen = snapshot(
        netns=NetnsFacts(namespaces={space.id: space}, pinned=[]),
        sysctl_net=SysctlFacts(namespaces={space.id: {KEY: old}}),
    )
    return planned("sysctl.set", {"netns": space.id, "key": KEY, "value": new}, seen)


def value(space: Namespace) -> str:
    argv = ["nsenter", "-t", str(space.pid), "-n", "sysctl", "-n", KEY]
    return subprocess.run(argv, capture_output=True, check=True, text=True).stdout.strip()


def test_a_sysctl_is_set_in_that_namespace_alone_and_kept_when_confirmed(tmp_path: Path, space: Namespace) -> None:
    host = FileHost(tmp_path)
    mine, old = Path("/proc/sys/net/core/somaxconn").read_text(), value(space)
    change = host.change(raising(space, old))
    applied = host.apply(change)
    assert isinstance(applied, Applied)
    assert [look.printed for look in applied.looks] == [f"net:[{space.id}]", str(space.start_time), "4321"]
    assert isinstance(host.confirm(change), Confirmed)
    host.rest(change)
    assert value(space) == "4321"
    assert Path("/proc/sys/net/core/somaxconn").read_text() == mine


def test_a_sysctl_that_nobody_confirms_goes_back_by_itself(tmp_path: Path, space: Namespace) -> None:
    host = FileHost(tmp_path)
    old = value(space)
    change = host.change(raising(space, old))
    assert isinstance(host.apply(change), Applied)
    assert value(space) == "4321"
    until(lambda: host.state(change) == "reverted", "the automatic revert")
    assert value(space) == old


def test_a_sysctl_that_somebody_else_changed_is_stale(tmp_path: Path, space: Namespace) -> None:
    host = FileHost(tmp_path)
    change = host.change(raising(space, "17"))
    assert isinstance(host.apply(change), Stale)


def test_a_process_that_is_gone_leads_into_no_namespace(tmp_path: Path, space: Namespace) -> None:
    """The pid was given to another process meanwhile: same number, other start, other namespace."""
    host = FileHost(tmp_path)
    here = Path("/proc/sys/net/core/somaxconn")
    mine = here.read_text()
    other = space.model_copy(update={"pid": os.getpid()})
    stale = host.apply(host.change(raising(other, mine.strip())))
    assert isinstance(stale, Stale)
    assert {look.about: look.holds for look in stale.looks} == {
        "network namespace of shop": False,
        f"start time of process {os.getpid()}": False,
        f"{KEY} in shop": True,
    }
    assert here.read_text() == mine


def test_a_value_the_kernel_refuses_is_a_failure_that_left_the_old_one(tmp_path: Path, space: Namespace) -> None:
    host = FileHost(tmp_path)
    old = value(space)
    failed = host.apply(host.change(raising(space, old, "not-a-number")))
    assert isinstance(failed, FailedOnHost)
    assert failed.restored
    assert "Invalid argument" in failed.said
    assert value(space) == old


LEAK = """
import socket, signal
server = socket.create_server(("127.0.0.1", 9000), backlog=50)
kept = []
for n in range(20):
    client = socket.create_connection(server.getsockname())
    kept.append(server.accept()[0])
    client.close()
other = socket.create_connection(server.getsockname()), server.accept()[0]
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture
def leaking(space: Namespace) -> Iterator[Namespace]:
    """Twenty connections on port 9000 that their peers have left, and one that is open."""
    enter = ["nsenter", "-t", str(space.pid), "-n"]
    subprocess.run([*enter, "ip", "link", "set", "lo", "up"], check=True)
    process = subprocess.Popen([*enter, sys.executable, "-I", "-S", "-c", LEAK], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield space
    process.kill()
    process.wait()


def connections(space: Namespace, state: str) -> int:
    argv = ["nsenter", "-t", str(space.pid), "-n", "ss", "-Htn", "state", state, "sport = :9000"]
    return len(subprocess.run(argv, capture_output=True, check=True, text=True).stdout.splitlines())


def test_connections_that_their_peers_have_left_are_ended_and_open_ones_stay(
    tmp_path: Path, leaking: Namespace
) -> None:
    assert (connections(leaking, "close-wait"), connections(leaking, "established")) == (20, 1)
    host = FileHost(tmp_path)
    seen = snapshot(netns=NetnsFacts(namespaces={leaking.id: leaking}, pinned=[]))
    plan = planned("sockets.kill", {"netns": leaking.id, "state": "close-wait", "port": 9000}, seen)
    applied = host.apply(host.change(plan))
    if isinstance(applied, FailedOnHost):
        pytest.skip("this kernel ends no sockets (no INET_DIAG_DESTROY)")
    assert isinstance(applied, Applied), applied
    assert (connections(leaking, "close-wait"), connections(leaking, "established")) == (0, 1)
    # nothing of the kind is left: the same change would be stale
    assert isinstance(host.apply(host.change(plan, id="again")), Stale)


def test_a_process_is_ended_once_and_never_another_one(tmp_path: Path) -> None:
    host = FileHost(tmp_path)
    process = subprocess.Popen(["sleep", "600"])
    try:
        fields = dict.fromkeys(ProcessSockets.model_fields, 0) | {
            "pid": process.pid, "start_time": start_time(process.pid), "process": "leaky", "by_state": {},
            **dict.fromkeys(("netns", "netns_label", "container", "pod", "unit"), ""),
        }  # fmt: skip
        holders = SocketFdsFacts(processes=[ProcessSockets(**fields)], total=1, unwalked=0, listeners={})
        seen = snapshot(socket_fds=holders, units=UnitsFacts(manager="none", units={}, of_pid={}))
        params = {"pid": process.pid, "start_time": start_time(process.pid)}
        change = host.change(planned("process.terminate", params, seen))
        assert isinstance(host.apply(change), Applied)
        assert process.wait(timeout=30) == -signal.SIGTERM
        assert isinstance(host.apply(host.change(change.plan, id="again")), Stale)
    finally:
        process.kill()


def scheduled(pid: int) -> list[str]:
    """Policy and real-time priority, as the kernel tells them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return [fields[38], fields[37]]


@pytest.fixture
def daemon() -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps, with a nice value of its own: an ordinary daemon to the scheduler."""
    process = subprocess.Popen(["nice", "-n", "5", "sleep", "600"])
    until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n", "it sleeps")
    yield process
    process.kill()
    process.wait()


def realtime(pid: int, start: int, policy: str = "other") -> Plan:
    """The plan for it, with a short while of watching."""
    router = dict.fromkeys(("interface", "container", "unit"), "") | {
        "name": "VI_1", "netns": "1", "netns_label": "host", "pid": pid, "start_time": start, "policy": policy,
        "realtime_priority": 0, "vrid": 51, "priority": 100, "advert_interval": 1.0, "master_down": 3.6,
        "preempt": True, "joined": True, "multicast_in": 0, "multicast_out": 3, "adverts_dropped": 0, "runs": 3,
        "waited": 2.0, "waited_since_start": 9.0, "slices_since_start": 9, "stopped": False, "throttled": 3,
        **{name: [] for name in ("addresses", "held", "passing", "networks", "peers", "tracked")},
    }  # fmt: skip
    facts = KeepalivedFacts(
        running=True, seconds=3.0, steal=0.0, cpu_pressure=0.0, instances=[VrrpInstance.model_validate(router)]
    )
    plan = planned("process.realtime", {"pid": pid, "start_time": start}, snapshot(keepalived=facts))
    chrt, watch = plan.steps
    return plan.model_copy(update={"steps": (chrt, (*watch[:-1], "2")), "takes": 2})


def may_be_realtime() -> bool:
    tried = ["chrt", "--reset-on-fork", "--rr", "50", "true"]
    return bool(shutil.which("chrt")) and not subprocess.run(tried, capture_output=True, check=False).returncode


needs_realtime = pytest.mark.skipif(not may_be_realtime(), reason="nothing may be real-time in this control group")


@needs_realtime
def test_a_process_is_made_real_time_and_back_again(tmp_path: Path, daemon: subprocess.Popen[bytes]) -> None:
    host, pid = FileHost(tmp_path), daemon.pid
    nice = os.getpriority(os.PRIO_PROCESS, pid)
    assert scheduled(pid) == ["0", "0"]
    change = host.change(realtime(pid, start_time(pid)), confirm_within=5)
    applied = host.apply(change)
    assert isinstance(applied, Applied), applied
    assert scheduled(pid) == ["2", "50"]
    told = subprocess.run(["chrt", "-p", str(pid)], check=True, capture_output=True, text=True).stdout
    assert "SCHED_RESET_ON_FORK" in told, "what it starts is not real-time"
    until(lambda: host.state(change) == "reverted", "the automatic revert")
    assert scheduled(pid) == ["0", "0"]
    assert os.getpriority(os.PRIO_PROCESS, pid) == nice > 0, "its nice value was left alone"


@needs_realtime
def test_a_process_that_somebody_else_made_real_time_is_stale(tmp_path: Path, daemon: subprocess.Popen[bytes]) -> None:
    host, pid = FileHost(tmp_path), daemon.pid
    change = host.change(realtime(pid, start_time(pid)))
    subprocess.run(["chrt", "--fifo", "--pid", "7", str(pid)], check=True)
    assert isinstance(host.apply(change), Stale)
    assert scheduled(pid) == ["1", "7"]


def test_a_process_that_is_another_one_now_is_left_alone(tmp_path: Path, daemon: subprocess.Popen[bytes]) -> None:
    host, pid = FileHost(tmp_path), daemon.pid
    assert isinstance(host.apply(host.change(realtime(pid, start_time(pid) + 1))), Stale)
    assert scheduled(pid) == ["0", "0"]


def test_a_kernel_that_allows_no_real_time_is_a_failure_that_changed_nothing(
    tmp_path: Path, daemon: subprocess.Popen[bytes], bare_group: Path
) -> None:
    (bare_group / "cgroup.procs").write_text(str(daemon.pid))
    host, pid = FileHost(tmp_path), daemon.pid
    failed = host.apply(host.change(realtime(pid, start_time(pid))))
    assert isinstance(failed, FailedOnHost), failed
    assert "Operation not permitted" in failed.said
    assert failed.restored
    assert scheduled(pid) == ["0", "0"]


@pytest.fixture
def bare_group(daemon: subprocess.Popen[bytes]) -> Iterator[Path]:
    """A control group (version 1) that has no real-time share, as every new one."""
    root = Path("/sys/fs/cgroup/cpu")
    if not (root / "cpu.rt_runtime_us").exists() or not os.access(root, os.W_OK):
        pytest.skip("no control groups here that share out real time (version 1, RT_GROUP_SCHED)")
    group = root / f"netdiag-test-{os.getpid()}"
    group.mkdir()
    yield group
    with contextlib.suppress(ProcessLookupError):
        (root / "cgroup.procs").write_text(str(daemon.pid))
    group.rmdir()


# --- services ------------------------------------------------------------------------------------------------------

DAEMON = """#!/bin/sh
trap 'echo reloaded >>"$1/reloads"' HUP
while :; do sleep 0.1; done
"""

INIT = """#!/bin/sh
case $1 in
  start) setsid {root}/daemon {root} </dev/null >/dev/null 2>&1 & echo $! >/run/netdiag-test-shop.pid ;;
  stop) kill -9 "$(cat /run/netdiag-test-shop.pid)" ;;
  restart) $0 stop; $0 start ;;
  reload) kill -HUP "$(cat /run/netdiag-test-shop.pid)" ;;
esac
"""

SYSTEMCTL = """#!/bin/sh
. {root}/unit
case $1 in
  show) case $3 in
    ActiveState) echo ActiveState=active ;; MainPID) echo "MainPID=$pid" ;;
    InvocationID) echo "InvocationID=$id" ;; CanReload) echo "CanReload=$can" ;;
    esac ;;
  reload) echo reload >>{root}/did ;;
  restart) echo restart >>{root}/did; echo "pid=$((pid + 1)) id=${{id}}x can=$can" >{root}/unit ;;
esac
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[FileHost]:
    """A host with one sysv service, which runs."""
    script, pidfile = Path("/etc/init.d/netdiag-test-shop"), Path("/run/netdiag-test-shop.pid")
    if not shutil.which("service") or not script.parent.is_dir():
        pytest.skip("this machine has no init scripts")
    host = FileHost(tmp_path)
    for path, text in ((script, INIT.format(root=tmp_path)), (tmp_path / "daemon", DAEMON)):
        path.write_text(text)
        path.chmod(0o755)
    subprocess.run([str(script), "start"], check=True)
    yield host
    os.kill(int(pidfile.read_text()), signal.SIGKILL)
    script.unlink()
    pidfile.unlink()


def service(manager: str, name: str, unit: Unit, action: str) -> Plan:
    facts = UnitsFacts(manager=manager, units={name: unit}, of_pid={})
    return planned(action, {"unit": name}, snapshot(units=facts))


def shop_unit() -> Unit:
    pid = int(Path("/run/netdiag-test-shop.pid").read_text())
    return Unit(name="netdiag-test-shop", active=True, main_pid=pid, invocation=f"{pid}:{start_time(pid)}")


def test_an_init_script_reloads_and_the_same_process_runs_on(shop: FileHost) -> None:
    before = shop_unit()
    change = shop.change(service("sysv", before.name, before, "service.reload"))
    assert isinstance(shop.apply(change), Applied)
    assert shop_unit() == before
    until((shop.root / "reloads").exists, "the daemon hears of it")
    assert isinstance(shop.confirm(change), Confirmed)


def test_an_init_script_restarts_into_another_process(shop: FileHost) -> None:
    before = shop_unit()
    change = shop.change(service("sysv", before.name, before, "service.restart"))
    applied = shop.apply(change)
    assert isinstance(applied, Applied)
    assert shop_unit().invocation != before.invocation
    assert isinstance(shop.confirm(change), Confirmed)


def test_a_service_that_was_restarted_meanwhile_is_stale(shop: FileHost) -> None:
    before = shop_unit()
    subprocess.run(["/etc/init.d/netdiag-test-shop", "restart"], check=True)
    for action in ("service.reload", "service.restart"):
        change = shop.change(service("sysv", before.name, before, action), id=action.replace(".", "-"))
        assert isinstance(shop.apply(change), Stale)


@pytest.fixture
def managed(tmp_path: Path) -> FileHost:
    """A host whose systemctl is a stand-in: it answers as systemd's does, and writes down what it was told."""
    host = FileHost(tmp_path)
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "systemctl"
    tool.write_text(SYSTEMCTL.format(root=tmp_path))
    tool.chmod(0o755)
    (tmp_path / "unit").write_text("pid=812 id=5c3e can=yes\n")
    host.layout = replace(host.layout, path=f"{tmp_path / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin")
    return host


NGINX = Unit(name="nginx.service", active=True, main_pid=812, invocation="5c3e")


@pytest.mark.parametrize("action", ["service.reload", "service.restart"])
def test_systemd_is_told_once_and_its_generation_is_compared(managed: FileHost, action: str) -> None:
    change = managed.change(service("systemd", NGINX.name, NGINX, action))
    assert isinstance(managed.apply(change), Applied)
    assert (managed.root / "did").read_text() == action.partition(".")[2] + "\n"
    assert isinstance(managed.confirm(change), Confirmed)


@pytest.mark.parametrize(
    "state", ["pid=813 id=5c3f can=yes", "pid=812 id=5c3e can=no"], ids=["restarted meanwhile", "cannot reload"]
)
def test_systemd_is_not_told_when_the_unit_is_not_as_it_was_seen(managed: FileHost, state: str) -> None:
    (managed.root / "unit").write_text(state + "\n")
    change = managed.change(service("systemd", NGINX.name, NGINX, "service.reload"))
    assert isinstance(managed.apply(change), Stale)
    assert not (managed.root / "did").exists()
