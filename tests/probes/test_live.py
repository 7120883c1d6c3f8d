"""The composed program, run by every shell on a real kernel with real faults, finds what the kernel says."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from bot.core.probe import Unknown
from bot.core.recording import dump, load, record, replay
from bot.core.visit import compose, required
from bot.core.visit_answer import read
from bot.probes import catalog
from tests.probes import host

SHELLS = {"dash": ("dash",), "bash": ("bash",), "busybox ash": ("busybox", "sh")}
NONCE = "0123456789abcdef0123456789abcdef"
PROBES = required(catalog(), catalog())
AWAY = ("unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc")


def _cannot() -> str:
    if os.geteuid() != 0:
        return "needs root: it makes namespaces"
    missing = [tool for tool in ("unshare", "ip", "ss", "nsenter") if not shutil.which(tool)]
    if missing:
        return f"needs {', '.join(missing)}"
    tried = subprocess.run([*AWAY, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no namespaces here: {tried.stderr.strip()}"


pytestmark = pytest.mark.skipif(bool(reason := _cannot()), reason=reason)


@cache
def seen(shell: tuple[str, ...]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What the host made and measured itself, and what a visit found; one visit serves all tests of a shell."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as program:
        program.write(compose(PROBES, nonce=NONCE, window=1.0))
        program.flush()
        argv = [*AWAY, sys.executable, host.__file__, program.name, *shell]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    made = json.loads(done.stdout)
    outcomes = read(made["stdout"].encode("latin-1"), PROBES, nonce=NONCE, root=True)
    return made, outcomes


@pytest.fixture(params=SHELLS.values(), ids=SHELLS.keys())
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    if not shutil.which(request.param[0]):
        pytest.skip(f"no {request.param[0]} here")
    return request.param


def test_every_probe_has_its_evidence(shell) -> None:
    made, outcomes = seen(shell)
    assert made["stderr"] == ""
    assert {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Unknown)} == {}


def test_the_full_queue_is_seen_in_every_sample_with_its_owner(shell) -> None:
    made, outcomes = seen(shell)
    looks = [next(q for q in facts.listeners if q.port == made["queue"]["port"]) for facts in outcomes["listen_queues"]]
    assert [(q.recv_q, q.send_q, q.inode, q.pid, q.netns_label) for q in looks] == [
        (4, 3, made["queue"]["inode"], made["queue"]["pid"], "host")
    ] * 3
    assert looks[0].netns == str(made["netns"])
    assert looks[0].process.startswith("python")
    # the socket's own drops rise with each dial, and are all that the namespace counted
    assert 0 < looks[0].drops <= looks[2].drops <= made["overflows"]


def test_a_namespace_where_nobody_waits_is_not_entered(shell) -> None:
    made, outcomes = seen(shell)
    looked_into = {q.netns for facts in outcomes["listen_queues"] for q in facts.listeners}
    assert looked_into == {str(made["netns"]), str(made["inside"]["netns"])}
    waiting = max(q.recv_q for q in outcomes["listen_queues"][0].listeners if q.netns == str(made["inside"]["netns"]))
    assert waiting == host.QUEUED
    # busybox's timeout gives sections no common shell, and alone they do not know what moved
    known = set(outcomes["sysctl_net"][0].namespaces)
    assert known == looked_into or (shell[0] == "busybox" and known > looked_into)


def test_overflows_are_counted_within_the_window_only(shell) -> None:
    made, outcomes = seen(shell)
    (facts,) = outcomes["tcp_ext"]
    here, inside = facts.namespaces[str(made["netns"])], facts.namespaces[str(made["inside"]["netns"])]
    assert 0 < here.delta["ListenOverflows"] < here.value["ListenOverflows"] <= made["overflows"]
    assert here.rate["ListenOverflows"] == pytest.approx(here.delta["ListenOverflows"] / facts.seconds, rel=0.05)
    assert inside.delta["ListenOverflows"] == 0
    assert inside.value["PassiveOpens"] == host.CLOSE_WAIT + host.RESET + host.ESTRANGED + host.QUEUED


def test_leaks_are_told_apart(shell) -> None:
    made, outcomes = seen(shell)
    (facts,) = outcomes["socket_fds"]
    leaker = next(p for p in facts.processes if p.pid == made["inside"]["pid"])
    assert leaker.detached == host.RESET
    assert leaker.by_state["close_wait"] == host.CLOSE_WAIT
    assert leaker.netns == str(made["inside"]["netns"])
    assert leaker.fd_limit > 0
    assert facts.listeners[str(made["queue"]["inode"])] == made["queue"]["pid"]


def test_sockets_of_another_namespace_are_not_taken_for_detached(shell) -> None:
    made, outcomes = seen(shell)
    (facts,) = outcomes["socket_fds"]
    estranged = next(p for p in facts.processes if p.pid == made["estranged"])
    assert estranged.by_state == {"established": 2 * host.ESTRANGED}
    assert estranged.detached == 0
    assert estranged.netns == str(made["netns"])


def test_namespaces_and_their_own_parameters(shell) -> None:
    made, outcomes = seen(shell)
    (spaces,), (parameters,) = outcomes["netns"], outcomes["sysctl_net"]
    outer, inner = str(made["netns"]), str(made["inside"]["netns"])
    assert set(spaces.namespaces) == {outer, inner, str(made["calm"]), str(made["busy"])}
    assert spaces.namespaces[outer].host
    assert (spaces.namespaces[inner].pid, spaces.namespaces[inner].processes) == (made["inside"]["pid"], 1)
    assert parameters.namespaces[inner]["net.core.somaxconn"] == "77"
    assert parameters.namespaces[outer]["net.core.somaxconn"] != "77"
    assert next(q for q in outcomes["listen_queues"][-1].listeners if q.netns == inner).send_q == 77


def test_socket_counts_are_the_kernel_s(shell) -> None:
    made, outcomes = seen(shell)
    (facts,) = outcomes["sockstat"]
    assert facts.namespaces[str(made["inside"]["netns"])].tcp6_inuse == 1 + host.CLOSE_WAIT
    assert facts.tcp_alloc >= facts.tcp_inuse_all
    words = made["inside_sockstat"].split()
    assert facts.namespaces[str(made["inside"]["netns"])].tcp_inuse == int(words[words.index("TCP:") + 2])


def test_a_visit_changes_nothing(shell) -> None:
    made, _ = seen(shell)
    assert made["sysctls_after"] == made["sysctls_before"]
    assert len(made["sysctls_before"]) > 100


def test_a_recorded_visit_says_the_same_again(shell) -> None:
    made, outcomes = seen(shell)
    recording = record(
        made["stdout"].encode("latin-1"), PROBES, NONCE, host="h", taken="2024-01-01T00:00:00Z", root=True
    )
    again = "fedcba9876543210fedcba9876543210"
    stdout = replay(load(dump(recording)), compose(PROBES, nonce=again))
    assert read(stdout, PROBES, nonce=again, root=True) == outcomes


def test_without_root_what_needs_it_is_unknown_and_says_why() -> None:
    program = compose(PROBES, nonce=NONCE, window=0.2)
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "sh"],
        input=program.encode(), capture_output=True, timeout=60, check=True, cwd="/",
    )  # fmt: skip
    outcomes = read(done.stdout, PROBES, nonce=NONCE, root=False, root_reason="sudo: a password is required")
    unknown = {name for name, outcome in outcomes.items() if isinstance(outcome, Unknown)}
    assert unknown == {probe.name for probe in PROBES if probe.root}
    assert outcomes["netns"] == Unknown("needs root: sudo: a password is required")
    assert outcomes["identity"][0].uid == 65534
    assert b"+ netns" not in done.stdout
