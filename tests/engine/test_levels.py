"""How things stand is read from the store, and only what the log gained since the start is counted."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.adapters.http import Metrics
from bot.core.approval import Moved, State, stamp
from bot.core.audit import Event, Head
from bot.core.digest import Digest
from bot.core.fault import Fault, Stage
from bot.core.fire import Fire, Phase
from bot.core.host import Cause, Host, HostFailure
from bot.core.report import Severity, Status
from bot.engine.levels import Levels
from bot.engine.metered import MeteredShell
from bot.engine.ports import Output
from tests.fakes.approval import change, proposed
from tests.fakes.clock import START, FakeClock
from tests.fakes.history import MemoryHistory
from tests.fakes.journal import MemoryJournal

HOST = Host(name="node-3", address="192.0.2.13")


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal, self.history, self.metrics = MemoryJournal(self.clock), MemoryHistory(), Metrics()
        self.ailing = ""
        self.levels = Levels(
            self.metrics,
            self.journal,
            self.clock,
            head=self.head,
            size=lambda: 4096,
            queues={"slack": lambda: 3},
            checks={"slack": self.check},
            history=self.history,
            sweeps=lambda: ("nightly", "new"),
        )

    async def head(self) -> Head | None:
        return Head("e", len(self.journal.log), "", "") if self.journal.log else None

    async def check(self) -> str:
        return self.ailing

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"netdiag_{name}", labels)

    async def log(self, kind: str) -> None:
        await self.journal.append([Event(kind, "system:test", stamp(self.clock.now()))])


@pytest.fixture
def world() -> World:
    return World()


async def test_the_log_is_counted_from_the_start_on_and_each_entry_once(world: World) -> None:
    await world.log("HostsRead")
    await world.levels.begin()
    await world.log("ChangeProposed")  # before anybody asked for figures
    for kind in ("HostsRead", "ApprovalRefused", "ProposalRefused", "ChangeProposed", "HostsRead"):
        await world.log(kind)
        await world.levels.refresh()
    assert world.value("audit_seq") == 7
    assert world.value("audit_entries_total", event="HostsRead") == 2
    assert world.value("refusals_total", what="approval") == 1
    assert world.value("refusals_total", what="proposal") == 1
    assert world.value("proposals_total") == 2


async def test_changes_are_told_by_state_as_they_go_on(world: World) -> None:
    for number in range(3):
        record = proposed(change(id=f"c0ffee0{number}"))
        await world.journal.create(record, [Event("ChangeProposed", "x", stamp(START))])
    await world.levels.refresh()
    assert world.value("changes", state="pending") == 3
    gone: Any = record.model_copy(update={"state": State.DENIED})
    await world.journal.transact(record.change.id, lambda _: Moved(gone, (Event("ChangeDenied", "x", stamp(START)),)))
    await world.levels.refresh()
    assert (world.value("changes", state="pending"), world.value("changes", state="denied")) == (2, 1)


def fault(ident: str, host: str, stage: Stage, severity: Severity = Severity.WARNING) -> Fault:
    times = {"first": START, "since": START, "last": START}
    return Fault(
        host=host, fingerprint=f"{ident}@{host}", id=ident, playbook="p", severity=severity, stage=stage, **times
    )


def digest(hosts: Mapping[Status, int]) -> Digest:
    return Digest(sweep="nightly", due=START, run="r1", begun=START, seconds=12.5, hosts=hosts)


async def test_faults_and_sweeps_are_told_without_naming_a_host(world: World) -> None:
    await world.history.put_faults(
        [
            fault("rp-filter-drops", "node-1", Stage.OPEN),
            fault("rp-filter-drops", "node-2", Stage.GOING),
            fault("rp-filter-drops", "node-3", Stage.SEEN),
            fault("listen-drops", "node-3", Stage.RESOLVED),
        ]
    )
    ran = Fire("nightly", START, Phase.TOLD, digest=digest({Status.OK: 2, Status.UNKNOWN: 1}))
    world.history.runs["nightly", START] = ran
    before = START - timedelta(days=1)
    world.history.runs["nightly", before] = replace(ran, due=before, digest=digest({Status.CRITICAL: 3}))
    missed = START - timedelta(hours=1)
    world.history.runs["nightly", missed] = Fire("nightly", missed, Phase.MISSED)
    await world.levels.refresh()
    assert world.value("findings_open", finding="rp-filter-drops", severity="warning") == 2
    assert world.value("findings_open", finding="listen-drops", severity="warning") is None
    assert world.value("hosts", sweep="nightly", status="ok") == 2
    assert world.value("hosts", sweep="nightly", status="critical") is None
    assert world.value("sweep_last_run_timestamp_seconds", sweep="nightly") == START.timestamp()
    assert (world.value("sweep_last_seconds", sweep="nightly"), world.value("sweep_missed", sweep="nightly")) == (
        12.5,
        1,
    )
    assert "node-" not in str(list(world.metrics.registry.collect()))


async def test_queues_size_and_health_are_as_they_are_now(world: World) -> None:
    await world.levels.refresh()
    assert (world.value("queue", where="slack"), world.value("store_bytes")) == (3, 4096)
    assert world.value("ready", check="slack") == 1
    world.ailing = "not connected"
    await world.levels.refresh()
    assert world.value("ready", check="slack") == 0


ENDS: dict[str, Output | HostFailure] = {
    "ok": Output(b"", 0, root=True, root_reason="", host_key="", trips=1),
    "lost": Output(b"", None, root=True, root_reason="", host_key=""),
    "timeout": Output(b"", None, root=True, root_reason="", host_key="", timed_out=True),
    "truncated": Output(b"", 0, root=True, root_reason="", host_key="", truncated=True),
    "unreachable": HostFailure(cause=Cause.UNREACHABLE, reason="no route", remedy=""),
}


class OneShell:
    def __init__(self, output: Output | HostFailure) -> None:
        self.output, self.closed = output, False

    async def run(self, *_: Any, **__: Any) -> Output | HostFailure:
        return self.output

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("outcome", ENDS)
async def test_a_shell_that_counts_gives_what_the_shell_inside_gave(world: World, outcome: str) -> None:
    inside = OneShell(ENDS[outcome])
    shell = MeteredShell(inside, world.metrics, "visit")
    assert await shell.run(HOST, "true", deadline=1, max_bytes=1) is ENDS[outcome]
    await shell.close()
    assert inside.closed
    assert world.value("visits_total", kind="visit", outcome=outcome) == 1
    assert world.value("visit_seconds_count", kind="visit") == 1
    assert world.value("ssh_trips_total") == (0 if outcome == "unreachable" else 1)
