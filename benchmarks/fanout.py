"""What does it cost to ask a whole fleet over SSH: netdiag, parallel-ssh, ssh with ControlMaster?

One sshd serves N addresses of 127/8 in a network namespace of its own. Peers take turns within each round, so that
all see the same load, and ratios are taken within a round. Two programs: a real visit (the one that netdiag sends for
all its playbooks), where the hosts' own work weighs most, and a short question, where the client's part shows. All
addresses are one machine, so what the "hosts" cost is paid by the same cores as the clients.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import Effort, Say
from benchmarks._figures import Result, Table, figure, spread, times
from benchmarks._namespace import Away, away, unavailable
from benchmarks._peers import AT_ONCE, WHOLE
from bot import actions, probes
from bot.adapters.files.playbooks import load_playbooks
from bot.core.playbook import probes_of
from bot.core.visit import compose, required
from bot.demo import cgroups
from bot.settings import CHECKED_OUT_PLAYBOOKS

TITLE = "fan-out over SSH: netdiag, parallel-ssh, ssh with ControlMaster"
WINDOW = 0.2
SHORT = "cat /proc/net/sockstat /proc/net/netstat /proc/net/snmp; ss -lntH; cat /proc/sys/net/core/somaxconn"
WARM = ("netdiag", "parallel-ssh", "ssh, ControlMaster")
COLD = ("netdiag", "parallel-ssh", "ssh")
GROUPS = "netdiag-bench-"


@dataclass(frozen=True, slots=True)
class Scene:
    """One comparison: which program, connections kept (warm) or made anew (cold), how many hosts, how many rounds."""

    program: str
    mode: str
    hosts: int
    rounds: int

    @property
    def peers(self) -> Sequence[str]:
        """Who takes part."""
        lacking = {"parallel-ssh"} if find_spec("pssh") is None else set()
        return [peer for peer in (WARM if self.mode == "warm" else COLD) if peer not in lacking]


SCENES = (
    Scene("short question", "warm", 64, 9),
    Scene("short question", "warm", 256, 7),
    # no larger: every host is this machine, and 256 visits at once would measure its two cores alone
    Scene("visit", "warm", 16, 3),
    Scene("visit", "warm", 64, 1),
    Scene("short question", "cold", 1, 7),
    Scene("short question", "cold", 64, 3),
    Scene("short question", "cold", 256, 2),
)
QUICK = (Scene("short question", "warm", 64, 3), Scene("visit", "warm", 16, 2), Scene("short question", "cold", 16, 2))


def missing() -> str | None:
    """Why it cannot be measured here."""
    return unavailable({"sshd": "openssh-server", "ssh": "openssh-client", "ss": "iproute2", "xargs": "findutils"})


def measure(effort: Effort, say: Say) -> Result:
    """Every scene, peers in turns."""
    scenes = QUICK if effort.quick else SCENES
    programs = {"short question": f"{SHORT}\necho {WHOLE.decode()}\n", "visit": _visit()}
    skipped = [] if find_spec("pssh") else ["parallel-ssh: not installed here (pip install parallel-ssh)"]
    rows: list[tuple[str, ...]] = []
    samples: dict[str, Any] = {}
    most = str(max(scene.hosts for scene in scenes))
    with tempfile.TemporaryDirectory(prefix="netdiag-fanout-") as place, _group() as group:
        if group is None:
            skipped.append("CPU of the hosts' side: no control groups of version 2 that could be written")
        with away("benchmarks._sshd", place, most, str(group or "")) as fleet:
            for scene in scenes:
                found = _rounds(fleet, scene, programs[scene.program], effort.rounds(scene.rounds), say)
                samples[f"{scene.program}, {scene.mode}, {scene.hosts} hosts"] = found
                rows += _rows(scene, found, told=group is not None)
    head = ("asked", "hosts", "peer", "answered", "seconds", "against netdiag", "client CPU ms/host",
            "against netdiag", "hosts' CPU ms/host")  # fmt: skip
    note = (
        f"Median (least-most); ratios within a round. {AT_ONCE} hosts at a time for everybody. "
        f"The visit waits {WINDOW} s between its samples."
    )
    return Result((Table("The same program by each peer", head, tuple(rows), note),), samples, tuple(skipped))


def _visit() -> str:
    """The program of a real visit for every shipped playbook."""
    known = probes.catalog()
    books = load_playbooks(CHECKED_OUT_PLAYBOOKS, known, actions.catalog())
    program = compose(required(probes_of(tuple(books.values())), known), nonce=secrets.token_hex(16), window=WINDOW)
    return f"{program}\necho {WHOLE.decode()}\n"


def _rounds(fleet: Away, scene: Scene, program: str, rounds: int, say: Say) -> Mapping[str, list[dict[str, float]]]:
    """Interleaved rounds of every peer; the first, which connects and imports, is not counted."""
    peers = list(scene.peers)
    found: dict[str, list[dict[str, float]]] = {peer: [] for peer in peers}
    for peer in peers:
        fleet.ask(do="start", peer=peer, count=scene.hosts)
    for turn in range(rounds + 1):
        for peer in peers[turn % len(peers) :] + peers[: turn % len(peers)]:
            told = fleet.ask(do="round", peer=peer, mode=scene.mode, program=program)
            if turn:
                found[peer].append(told)
        if turn:
            walls = ", ".join(f"{peer} {told[-1]['wall']:.2f} s" for peer, told in found.items())
            say(f"{scene.program}, {scene.mode}, {scene.hosts} hosts, round {turn} of {rounds}: {walls}")
    fleet.ask(do="stop")
    return found


def _rows(scene: Scene, found: Mapping[str, list[dict[str, float]]], *, told: bool) -> Iterator[tuple[str, ...]]:
    ours = found["netdiag"]
    for peer, theirs in found.items():
        whole = all(one["good"] == scene.hosts for one in [*theirs, *ours])  # who answers less has done less
        compared = {
            key: "1" if peer == "netdiag" else times([r[key] for r in theirs], [r[key] for r in ours]) if whole else "-"
            for key in ("wall", "cpu")
        }
        yield (
            f"{scene.program}, {scene.mode}",
            str(scene.hosts),
            peer,
            f"{min(one['good'] for one in theirs):.0f}",
            spread([one["wall"] for one in theirs], 2),
            compared["wall"],
            spread([one["cpu"] * 1000 / scene.hosts for one in theirs], 2),
            compared["cpu"],
            figure(median(one["hosts"] for one in theirs) * 1000 / scene.hosts) if told else "-",
        )


@contextlib.contextmanager
def _group() -> Iterator[Path | None]:
    """A control group for the hosts' side; None where that cannot be had. What killed runs left is removed."""
    root = cgroups.tree()
    if root is None:
        yield None
        return
    for old in root.glob(f"{GROUPS}*"):
        with contextlib.suppress(OSError):
            old.rmdir()  # only an empty one goes
    group = root / f"{GROUPS}{os.getpid()}"
    try:
        group.mkdir()
        (group / "cpu.stat").read_text()
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        cgroups.remove(group)
