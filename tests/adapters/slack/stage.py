"""A desk that decides by the real tables and touches no host, and the reports that tests render."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.core import approval
from bot.core import halt as halting
from bot.core.approval import Decision, Effect, Moved, Record, Result, State
from bot.core.ask import Ask, Progress
from bot.core.digest import Digest, Item, News, Open, Place
from bot.core.errors import AskError
from bot.core.fire import Fire, Phase
from bot.core.halt import Switched
from bot.core.host import Cause, HostFailure
from bot.core.pods import HostPods, PodsReport, Row, hurts
from bot.core.policy import Standing
from bot.core.report import (
    Coverage,
    Finding,
    HostReport,
    Report,
    Severity,
    Status,
    Undecided,
)
from bot.core.silence import Wanted
from bot.core.sweep import Every, Pause, Silence, Sweep
from bot.engine.sweep_ports import Board, Lined
from tests.fakes.approval import POLICY, change, ground
from tests.fakes.clock import FakeClock
from tests.fakes.journal import MemoryJournal


def finding(name: str = "accept-queue-overflow", **fields: Any) -> Finding:
    values: dict[str, Any] = {
        "id": name,
        "playbook": "listen-queue",
        "severity": Severity.CRITICAL,
        "title": "Accept queue overflows",
        "scope": {"netns": "4026532414", "process": "nginx"},
        "summary": "nginx on 0.0.0.0:80: accept queue full, 129/128, +41.0/s dropped",
        "cause": "The process accepts more slowly than clients connect; the kernel drops what does not fit.",
        "evidence": {"recv_q": 129, "send_q": 128, "ListenOverflows/s": 41.0},
        "fingerprint": name,
    }
    return Finding(**(values | fields))


def host(name: str = "node-3", status: Status = Status.OK, **fields: Any) -> HostReport:
    values: dict[str, Any] = {"healthy": ("tcp-memory", "listen-drops")}
    return HostReport(host=name, status=status, **(values | fields))


def sick(name: str = "node-3") -> HostReport:
    root = finding()
    symptom = finding("syn-retransmits", severity=Severity.WARNING, explained_by=root.fingerprint)
    return host(name, Status.CRITICAL, findings=(symptom, root), undecided=(UNDECIDED,), coverage=COVERAGE)


def dead(name: str = "node-9") -> HostReport:
    failure = HostFailure(cause=Cause.UNREACHABLE, reason="no route to host", remedy="Is it up?")
    return host(name, Status.UNKNOWN, healthy=(), failure=failure)


UNDECIDED = Undecided(id="listen-drops", playbook="listen-queue", reason="no permission to read /proc/1/net")
COVERAGE = (
    Coverage(probe="tcp_ext", state="ok"),
    Coverage(probe="socket_fds", state="unknown", reason="timed out after 5 s"),
)


def report(*hosts: HostReport, run: str = "r1", **fields: Any) -> Report:
    values: dict[str, Any] = {
        "started": "2030-05-13T09:00:00Z",
        "seconds": 1.9,
        "asker": "slack:T0LOCAL:U0ALICE",
        "target": "node-3",
        "playbooks": ("listen-queue",),
    }
    return Report(run=run, hosts=hosts or (host(),), **(values | fields))


@dataclass
class FakeDesk:
    """`ports.Desk`: proposes what `proposals` makes, decides by the real tables, and applies when told to."""

    journal: MemoryJournal
    clock: FakeClock
    hosts: Sequence[HostReport] = field(default_factory=lambda: (sick(),))
    changes: Sequence[Mapping[str, Any]] = ({},)
    meanwhile: Callable[[], Any] | None = None
    asks: list[Ask] = field(default_factory=list)

    async def diagnose(self, ask: Ask, tell: Callable[[Progress], None]) -> Report:
        if ask.target == "nowhere":
            raise AskError('no host "nowhere"; did you mean "node-3"?')
        self.asks.append(ask)
        run = f"r{len(self.asks)}"
        tell(Progress(run, 0, len(self.hosts), "reading"))
        if self.meanwhile is not None:
            await self.meanwhile()
        for number, fields in enumerate(self.changes):
            await self.propose(ask.actor.key, run, **({"id": f"c{len(self.asks)}{number}aaaa"} | dict(fields)))
        tell(Progress(run, len(self.hosts), len(self.hosts), "done"))
        return report(*self.hosts, run=run, asker=ask.actor.key, target=ask.target)

    async def pods(self, ask: Ask, tell: Callable[[Progress], None]) -> PodsReport:
        self.asks.append(ask)
        tell(Progress("p1", 0, 1, "reading"))
        hurting = Row(
            kind="namespace", label="web/shop", netns="2", values={"close_wait": 400}, hurts=hurts({"close_wait": 400})
        )
        host = HostPods(host=ask.target, rows=(hurting,))
        return PodsReport(
            run="p1", started="2030-05-13T09:00:00Z", seconds=3, asker=ask.actor.key, target=ask.target, hosts=(host,)
        )

    async def propose(self, asker: str, run: str, **fields: Any) -> Record:
        made = change(requester=asker, now=self.clock.now(), **fields)
        decision = approval.propose(made, ground(self.clock.now()), asker=asker, run=run)
        assert isinstance(decision, Moved), decision
        await self.journal.create(decision.record, decision.events)
        return decision.record

    async def approve(self, change: str, standing: Standing) -> Decision:
        return await self._decide(change, lambda record: approval.approve(record, standing, self._ground()))

    async def deny(self, change: str, standing: Standing, reason: str) -> Decision:
        return await self._decide(change, lambda record: approval.deny(record, standing, reason, self._ground()))

    async def revert(self, change: str, standing: Standing) -> Record:
        record = await self.journal.get(change)
        assert record is not None
        plan = record.change.plan
        inverse = plan.model_copy(update={"steps": plan.inverse, "inverse": plan.steps, "summary": "back again"})
        return await self.propose(
            standing.actor.key, record.run, id=f"undo{change}", plan=inverse, reverts=record.change.id
        )

    async def halt(self, standing: Standing, reason: str) -> Switched:
        return await self.journal.switch(lambda known: halting.halt(known, standing, reason, POLICY, self.clock.now()))

    async def resume(self, standing: Standing) -> Switched:
        return await self.journal.switch(lambda known: halting.resume(known, standing, POLICY, self.clock.now()))

    async def apply(self, change: str, standing: Standing, result: Result, effect: Effect | None = None) -> None:
        """Claim, intent, settle and observe, as the driver would."""
        now = self.clock.now
        record = self.journal.records[change]
        standings = {vote.actor: standing for vote in record.votes}
        fence = record.fence + 1
        steps: list[Callable[[Record], Decision]] = [
            lambda record: approval.claim(record, standings, self._ground(), owner="test"),
            lambda record: approval.intent(record, self._ground(), fence=fence, deadline=now()),
            lambda record: approval.settle(record, result, now(), fence=fence),
        ]
        if effect is not None:
            steps.append(lambda record: approval.note_effect(record, effect, "no new overflows in 4 s", now()))
        for step in steps:
            decision = await self.journal.transact(change, step)
            assert isinstance(decision, Moved), decision

    async def _decide(self, change: str, decide: Callable[[Record], Decision]) -> Decision:
        if change not in self.journal.records:
            raise AskError(f"no change {change}")
        return await self.journal.transact(change, decide)

    def _ground(self) -> approval.Ground:
        return ground(self.clock.now(), POLICY)


DONE = Result(State.DONE, "applied and read back", (("net.core.somaxconn", "4096"),))


NOW = datetime(2030, 5, 13, 9, 0, tzinfo=UTC)
SWEEP = Sweep("nightly", Every(3_600), "all", channel="C0NETOPS", title="Nightly", zone="Europe/Berlin", owner="carol")


def place(host: str = "node-3", **fields: Any) -> Place:
    values: dict[str, Any] = {
        "fingerprint": f"f-{host}",
        "summary": "nginx on 0.0.0.0:80: accept queue full, 129/128",
        "since": NOW - timedelta(hours=5),
        "severity": Severity.CRITICAL,
    }
    return Place(host=host, **(values | fields))


def item(news: News = News.NEW, *hosts: str, **fields: Any) -> Item:
    values: dict[str, Any] = {
        "id": "accept-queue-overflow",
        "playbook": "listen-queue",
        "title": "Accept queue overflows",
        "severity": Severity.CRITICAL,
        "places": tuple(place(host) for host in hosts or ("node-3",)),
    }
    return Item(news=news, **(values | fields))


def still(*hosts: str, **fields: Any) -> Open:
    values: dict[str, Any] = {
        "id": "rp-filter-drops",
        "playbook": "rp-filter",
        "title": "Reverse path filter is strict",
        "severity": Severity.WARNING,
        "oldest": NOW - timedelta(days=3),
    }
    return Open(hosts=hosts or ("node-5", "node-6"), **(values | fields))


def digest(**fields: Any) -> Digest:
    values: dict[str, Any] = {
        "sweep": "nightly",
        "due": NOW,
        "run": "r1",
        "begun": NOW,
        "seconds": 12.3,
        "hosts": {Status.CRITICAL: 1, Status.WARNING: 2, Status.OK: 197},
        "before": {Status.WARNING: 2, Status.OK: 198},
    }
    return Digest(**(values | fields))


@dataclass
class FakeSweeps:
    """`sweep_ports.SweepDesk` over one sweep: keeps what it was asked; `refuse` is why nothing is done."""

    asked: list[tuple[str, ...]] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    refuse: str = ""

    async def list(self) -> Board:
        return Board((self._lined(),))

    async def now(self, name: str, standing: Standing) -> Fire:
        self._ask("now", name, standing)
        return Fire(name, NOW, Phase.RUNNING, run="r7")

    async def pause(self, name: str, standing: Standing, *, seconds: int, why: str) -> Lined:
        self._ask("pause", name, standing)
        self.pauses = [Pause(name, standing.actor.key, why, NOW + timedelta(seconds=seconds))]
        return self._lined()

    async def resume(self, name: str, standing: Standing) -> Lined:
        self._ask("resume", name, standing)
        self.pauses = []
        return self._lined()

    def _ask(self, verb: str, name: str, standing: Standing) -> None:
        if self.refuse or standing.fault:
            raise AskError(self.refuse or standing.fault)
        if name != SWEEP.name:
            raise AskError(f'no sweep "{name}"; did you mean "{SWEEP.name}"?')
        self.asked.append((verb, name, standing.actor.key))

    def _lined(self) -> Lined:
        told = Fire(SWEEP.name, NOW - timedelta(hours=1), Phase.TOLD, digest=digest(open=(still(),)))
        pause = self.pauses[0] if self.pauses else None
        return Lined(SWEEP, "every 1 h", NOW + timedelta(hours=1), last=told, pause=pause)


@dataclass
class FakeSilences:
    """`sweep_ports.SilenceDesk` that adds whatever is wanted by whoever is known."""

    held: list[Silence] = field(default_factory=list)

    async def add(self, wanted: Wanted, standing: Standing) -> Silence:
        if standing.fault:
            raise AskError(f"{standing.actor.key} may not silence anything: {standing.fault}")
        if wanted.hosts == "nowhere":
            raise AskError('no host "nowhere"; did you mean "node-3"?')
        until = NOW + timedelta(seconds=wanted.seconds)
        made = Silence(
            f"s{len(self.held) + 1}", wanted.hosts, wanted.findings, standing.actor.key, wanted.why, NOW, until
        )
        self.held.append(made)
        return made

    async def list(self) -> Sequence[Silence]:
        return tuple(self.held)

    async def end(self, ident: str, standing: Standing) -> Silence:
        found = next((one for one in self.held if one.id == ident), None)
        if found is None or standing.fault:
            raise AskError(f"no silence {ident} is in force")
        self.held.remove(found)
        return replace(found, ended=NOW)
