"""A run over many hosts is judged while everybody else is served."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from bot.core.ask import Ask, Progress
from bot.core.policy import Actor
from bot.core.report import HostReport, Proposal, Report, Status
from bot.engine.reading import errand, read, remember
from tests.fakes.clock import FakeClock
from tests.fakes.doctor import playbook
from tests.fakes.fleet import SWEEP, Fleet, full
from tests.fakes.journal import MemoryJournal

ACROSS = playbook(
    """
  - id: queue-full-here-alone
    title: Only this one is full
    each: queues.rows
    as: q
    across: [queues]
    when: q.recv_q > q.send_q && others.size() > 0
    severity: warning
    say: "{q.process}"
    because: "it accepts too slowly"
""",
    head="name: test\ntitle: A test\nabout: Is it?\nprobes: [queues]\nfindings:\n",
)
HOSTS = 40


async def test_others_are_served_between_two_hosts_while_what_only_all_of_them_tell_is_judged() -> None:
    fleet, served, last = Fleet(HOSTS, playbooks={"test": ACROSS}), 0, 0
    fleet.eyes.hosts = {name: full(80, host=name) for name in fleet.inventory.hosts}
    ask = Ask(Actor("slack", "T0TEAM:U0DAVE"), "all", (), {}, "")
    task = errand(fleet.inventory, fleet.playbooks, ask, "r1", fleet.clock.now())

    async def others() -> None:
        nonlocal served
        while True:
            served += 1
            await asyncio.sleep(0)

    def tell(step: Progress) -> None:
        nonlocal last
        last = served if step.done == step.total else last

    async def each(_host: object, _visit: object, report: HostReport) -> HostReport:
        return report

    async with asyncio.TaskGroup() as tasks:
        other = tasks.create_task(others())
        reports = await read(fleet.sweeper.observer, task, tell, at_once=8, each=each)
        meanwhile = served - last
        other.cancel()
    assert all([finding.id for finding in report.findings] == ["queue-full-here-alone"] for report in reports)
    assert meanwhile >= HOSTS


async def test_forecasts_and_comparisons_over_the_fleet_are_made_beside_the_loop() -> None:
    fleet, threads = Fleet(), set()
    due = fleet.clock.now()
    fire = await fleet.history.claim(fleet.claimed(SWEEP, due), lease=60)
    assert fire is not None

    class Watched(tuple[HostReport, ...]):
        __slots__ = ()

        def __iter__(self) -> Iterator[HostReport]:
            threads.add(threading.get_ident())
            return super().__iter__()

    ask = Ask(Actor("schedule", "fleet"), "all", (), {}, "C1")
    task = errand(fleet.inventory, fleet.playbooks, ask, "r1", due)
    hosts = await read(
        fleet.sweeper.observer, task, lambda _: None, at_once=8, each=lambda _host, _visit, report: _same(report)
    )
    done, _ = await fleet.sweeper.judge.judged(SWEEP, fire, task, Watched(hosts), {})
    assert done is not None
    assert threads - {threading.get_ident()}


@pytest.mark.parametrize(
    ("params", "proposed", "kept"),
    [({"port": "80"}, True, {"params": {"port": "80"}}), ({"port": "80"}, False, None), ({}, True, None)],
)
async def test_of_a_run_is_kept_what_its_changes_are_measured_with_and_else_nothing_but_the_log(
    params: dict[str, str], proposed: bool, kept: object
) -> None:
    """Sweeps run for years: what each of them saw is in the history and in the log, and not here once more."""
    journal = MemoryJournal(FakeClock())
    made = (Proposal.model_construct(change="c1"),) if proposed else ()
    host = HostReport.model_construct(host="node-1", status=Status.OK, findings=(), failure=None, proposals=made)
    report = Report.model_construct(run="r1", started="", target="all", playbooks=("test",), hosts=(host,))
    await remember(journal, Ask(Actor("schedule", "fleet"), "all", (), params, "C1"), report)
    assert [entry.event().kind async for entry in journal.entries()] == ["HostsRead"]
    assert await journal.recall("run", "r1") == kept


async def _same(report: HostReport) -> HostReport:
    return report
