"""What does a whole visit cost the host, against the shell loop that people typed in the founding incident?

The host is a crowd of processes (`_crowd`) in namespaces of its own; loop and visit run there in turns, measured from
outside by their user and system time (`_inside`). The visit is the program that netdiag sends, fed to the same `sh`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from shutil import which
from typing import Any

from benchmarks import Effort, Say
from benchmarks._crowd import Size
from benchmarks._figures import Result, Table, spread, times
from benchmarks._namespace import Away, away, unavailable
from bot import actions, probes
from bot.adapters.files.playbooks import load_playbooks
from bot.settings import CHECKED_OUT_PLAYBOOKS

TITLE = "CPU on the host per visit, against the plain shell loop"
FOUNDING = ("listen-queue", "socket-fds")
SIZES = (
    Size(300, 20_000, 0),
    Size(300, 20_000, 20),
    Size(300, 20_000, 20, leaks=2),
    Size(300, 20_000, 50),
    Size(300, 20_000, 200),
    Size(3_000, 50_000, 20),
    Size(3_000, 50_000, 200),
)
QUICK = (Size(300, 20_000, 20),)
ROUNDS, ROUNDS_BIG = 7, 3
BIG = 1_000  # processes
SHELLS = ("bash", "busybox sh")
"""What else `sh` may be on a host: Red Hat's and Alpine's."""

Samples = dict[str, list[dict[str, Any]]]


def missing() -> str | None:
    """Why it cannot be measured here."""
    return unavailable()


def measure(effort: Effort, say: Say) -> Result:
    """Pairs of loop and visit on every size of host; on one also other shells and each probe alone."""
    sets = _sets()
    rows: list[tuple[str, ...]] = []
    samples: dict[str, Any] = {}
    more: list[Table] = []
    skipped = [f"{shell}: not on this machine" for shell in SHELLS if which(shell.split()[0]) is None]
    for size in QUICK if effort.quick else SIZES:
        say(f"making a host: {size}")
        with away("benchmarks._inside", json.dumps(asdict(size))) as host:
            there = host.ask(do="counted")
            found = _pairs(host, sets, effort.rounds(ROUNDS_BIG if size.processes > BIG else ROUNDS), say)
            samples[str(size)] = {"there": there, **found}
            rows += _rows(size, found)
            skipped += _unknown(size, found)
            if not more and (effort.quick or size.namespaces):
                more = [_shells(host, sets, effort, say), _each(host, effort, say)]
    head = ("host", "visit", "loop ms", "visit ms", "the loop costs", "probes")
    note = "Milliseconds of CPU, user and system: median (least-most). Ratios pair by pair."
    return Result((Table("The shell loop against a visit", head, tuple(rows), note), *more), samples, tuple(skipped))


def _sets() -> Mapping[str, Sequence[str]]:
    """The playbooks to visit for, by what to call them."""
    every = tuple(load_playbooks(CHECKED_OUT_PLAYBOOKS, probes.catalog(), actions.catalog()))
    whole = {f"all {len(every)} playbooks": every}
    return whole if set(every) == set(FOUNDING) else {**whole, " + ".join(FOUNDING): FOUNDING}


def _pairs(host: Away, sets: Mapping[str, Sequence[str]], rounds: int, say: Say) -> Samples:
    """The loop, then each visit; and the other way round in every second round. The first is not counted."""
    found: Samples = {"loop": [], **{name: [] for name in sets}}
    for turn in range(rounds + 1):
        names = list(found) if turn % 2 else list(reversed(found))
        for name in names:
            done = host.ask(do="loop") if name == "loop" else host.ask(do="visit", playbooks=sets[name])
            if turn:
                found[name].append(done)
        if turn:
            told = ", ".join(f"{name} {found[name][-1]['cpu']:.0f} ms" for name in found)
            say(f"round {turn} of {rounds}: {told}")
    return found


def _rows(size: Size, found: Samples) -> Iterable[tuple[str, ...]]:
    loops = _cpu(found["loop"])
    for name, visits in found.items():
        if name != "loop":
            own = _cpu(visits)
            yield str(size), name, spread(loops), spread(own), times(loops, own), str(visits[0]["probes"])


def _unknown(size: Size, found: Samples) -> Iterable[str]:
    """What a visit left open: its figure would be too good."""
    for name, visits in found.items():
        for probe, reason in {**visits[-1].get("unknown", {})}.items():
            yield f"{probe} had no evidence in {name!r} on {size}: {reason}"


def _shells(host: Away, sets: Mapping[str, Sequence[str]], effort: Effort, say: Say) -> Table:
    """The same visit read by other shells, in turns."""
    books = next(iter(sets.values()))
    shells = ("sh", *(shell for shell in SHELLS if which(shell.split()[0])))
    found: dict[str, list[float]] = {shell: [] for shell in shells}
    for _ in range(effort.rounds(ROUNDS)):
        for shell in shells:
            found[shell].append(host.ask(do="visit", playbooks=books, shell=shell)["cpu"])
    say("other shells: " + ", ".join(f"{shell} {spread(cpu)}" for shell, cpu in found.items()))
    rows = tuple((f"`{shell}`", spread(cpu), times(cpu, found["sh"])) for shell, cpu in found.items())
    return Table(
        "The whole visit read by other shells (the host with 20 namespaces)", ("shell", "visit ms", "against sh"), rows
    )


def _each(host: Away, effort: Effort, say: Say) -> Table:
    """Where a visit's time goes: every probe alone with the collector, less the collector alone."""
    names = sorted(probes.catalog())
    found: dict[str, list[float]] = {name: [] for name in ("", *names)}
    for turn in range(effort.rounds(ROUNDS)):
        for name, cpu in found.items():
            cpu.append(host.ask(do="visit", playbooks=(), probes=[name] if name else [])["cpu"])
        say(f"each probe alone, round {turn + 1}")
    bare = found.pop("")
    extra = {name: [one - other for one, other in zip(cpu, bare, strict=True)] for name, cpu in found.items()}
    order = sorted(extra, key=lambda name: -sum(extra[name]))
    rows = (("(the collector alone)", spread(bare)), *((f"`{name}`", spread(extra[name])) for name in order))
    note = "Probes that join others cost more in a whole visit, where the others tell them what to look at."
    return Table("Each probe alone (the host with 20 namespaces)", ("probe", "ms beside the collector"), rows, note)


def _cpu(runs: Iterable[Mapping[str, Any]]) -> list[float]:
    return [float(run["cpu"]) for run in runs]
