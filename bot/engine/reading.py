"""What does one run read, and what does it find? The same for whoever asked and for a sweep."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.core import outline
from bot.core.across import Aside, aside, probes_across
from bot.core.approval import stamp
from bot.core.ask import Ask, Progress
from bot.core.audit import Event
from bot.core.diagnosis import complete
from bot.core.errors import AskError, nearest
from bot.core.host import Cause, Host, HostFailure, Inventory
from bot.core.params import check_params
from bot.core.playbook import Playbook, probes_of
from bot.core.pods import PodsReport
from bot.core.policy import Actor, span
from bot.core.report import HostReport, Report
from bot.core.selector import select
from bot.core.snapshot import Visit
from bot.core.text import neutral
from bot.engine.diagnose import Observer, judge, read_all
from bot.engine.ports import Clock, Journal, JournalDown

RUN_MEMORY = "run"
IMPOSTORS = frozenset({Cause.HOST_KEY_UNKNOWN, Cause.HOST_KEY_CHANGED})
"""A host that fails for one of these may be another machine."""

Each = Callable[[Host, Visit, HostReport], Awaitable[HostReport]]
"""Sees a host's report as soon as it is judged, and may add to it."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A request that can be carried out: its hosts and playbooks are known and its parameters fit."""

    run: str
    ask: Ask
    hosts: tuple[Host, ...]
    playbooks: tuple[Playbook, ...]
    begun: datetime
    within: int | None = None
    """Seconds after which hosts that have not answered are given up; None: each visit has its own deadline only."""


def errand(  # noqa: PLR0917 - what is asked, and what there is
    inventory: Inventory,
    playbooks: Mapping[str, Playbook],
    ask: Ask,
    run: str,
    begun: datetime,
    within: int | None = None,
) -> Errand:
    """What an ask comes to. Raises AskError for an unknown target, playbook or parameter."""
    hosts, books = select(inventory, ask.target), chosen(playbooks, ask.playbooks)
    check_params(books, ask.params)
    return Errand(run, ask, hosts, books, begun, within)


def chosen(playbooks: Mapping[str, Playbook], names: Sequence[str]) -> tuple[Playbook, ...]:
    """The playbooks named, or all of them. Raises AskError with the nearest name."""
    for name in names:
        if name not in playbooks:
            raise AskError(f'no playbook "{name}"{nearest(name, playbooks)}; `netdiag playbooks list` shows all')
    return tuple(playbooks[name] for name in dict.fromkeys(names or playbooks))


@dataclass
class _Pending:
    """What has come in so far; `kept` is what findings across hosts need of each."""

    done: dict[str, HostReport] = field(default_factory=dict)
    kept: dict[str, Aside] = field(default_factory=dict)


async def read(
    observer: Observer, task: Errand, tell: Callable[[Progress], None], *, at_once: int, each: Each
) -> Sequence[HostReport]:
    """Visit the hosts of an errand and judge them, in the inventory's order."""
    run, total, books, params = task.run, len(task.hosts), task.playbooks, task.ask.params
    shared, come = probes_across(books), _Pending()
    tell(Progress(run, 0, total, "reading " + few([host.name for host in task.hosts])))

    async def one(host: Host, seen: Visit) -> None:
        report = await each(host, seen, judge(host, seen, books, params))
        if shared:
            come.kept[host.name] = aside(host, seen, shared, observer.clock.now())
        come.done[host.name] = report
        tell(Progress(run, len(come.done), total, f"{host.name}: {report.status}"))

    try:
        async with asyncio.timeout(task.within):
            await read_all(observer, task.hosts, probes_of(books), at_once=at_once, each=one)
    except TimeoutError:
        for host in task.hosts:
            if host.name not in come.done:
                await one(host, _given_up(task.within or 0))
    run_of = tuple(come.kept.values())
    for name, here in come.kept.items():
        await asyncio.sleep(0)  # each host is held against all others: the loop serves whoever else waits in between
        come.done[name] = complete(books, come.done[name], here, run_of, params)
    return [come.done[host.name] for host in task.hosts]


def _given_up(within: int) -> HostFailure:
    return HostFailure(
        cause=Cause.TIMEOUT,
        reason=f"not read: the run was given up after {span(within)}",
        remedy="ask for this host alone, or give the sweep a longer `timeout`",
    )


def reported(task: Errand, hosts: Sequence[HostReport], now: datetime) -> Report:
    """The report of an errand, with its summary."""
    report = Report(
        run=task.run,
        started=stamp(task.begun),
        seconds=round((now - task.begun).total_seconds(), 3),
        asker=task.ask.actor.key,
        target=task.ask.target,
        playbooks=tuple(playbook.name for playbook in task.playbooks),
        hosts=tuple(hosts),
    )
    return report.model_copy(update={"summary": outline.summary(report)})


async def remember(journal: Journal, ask: Ask, report: Report) -> None:
    """Log a run and keep what its changes are measured with. A store that is down never keeps a diagnosis from the one
    who asked: only changes stop.
    """
    summary: dict[str, Any] = {
        "target": report.target,
        "playbooks": list(report.playbooks),
        "params": dict(ask.params),
        "hosts": {
            host.host: {"status": host.status, "findings": [f.id for f in host.findings]} for host in report.hosts
        },
    }
    event = Event("HostsRead", ask.actor.key, report.started, None, {"run": report.run, **summary})
    try:
        await journal.append([event, *refused_keys(ask.actor, report)])
        if ask.params and any(host.proposals for host in report.hosts):
            # the effect of a change is measured with the same ones; all else of a run is in the log and the history
            await journal.replace(RUN_MEMORY, report.run, {"params": dict(ask.params)})
    except JournalDown:
        # Reading goes on (only mutations stop); the proposals of the run have been refused for the same reason.
        return


def refused_keys(actor: Actor, report: Report | PodsReport) -> list[Event]:
    """One event for all hosts of a run that did not prove who they are: nothing was sent to them."""
    refused = {
        host.host: neutral(host.failure.reason, 300)
        for host in report.hosts
        if host.failure is not None and host.failure.cause in IMPOSTORS
    }
    data = {"run": report.run, "hosts": refused}
    return [Event("HostKeyRefused", actor.key, report.started, None, data)] if refused else []


def run_id(clock: Clock) -> str:
    """A new run's id."""
    return f"r{clock.token()[:10]}"


def few(names: Sequence[str], limit: int = 4) -> str:
    """The first names, and how many more there are, for progress."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
