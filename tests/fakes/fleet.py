"""A fleet that is what a test says it is, read by real judging, swept into a memory history, told to a fake channel."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.core.ask import Ask, Progress
from bot.core.fire import Fire, Phase
from bot.core.host import Cause, Host, HostFailure, Inventory
from bot.core.playbook import Playbook
from bot.core.policy import Actor
from bot.core.report import Report
from bot.core.snapshot import Visit
from bot.core.sweep import Every, Plan, Sweep
from bot.engine.annals import Annals
from bot.engine.desk import DutyDesk
from bot.engine.remedy import Remedy
from bot.engine.sweep import Sweeper
from tests.fakes.approval import POLICY
from tests.fakes.clock import FakeClock
from tests.fakes.doctor import Queue, playbook, queues, snapshot
from tests.fakes.herald import FakeHerald
from tests.fakes.history import MemoryHistory
from tests.fakes.journal import MemoryJournal
from tests.fakes.remedy import OneDirectory, OnePolicy

QUEUES = playbook(
    """
  - id: queue-full
    title: Accept queue full
    each: queues.rows
    as: q
    where: params.port == null || q.port == params.port
    when: q.recv_q > q.send_q
    severity:
      critical: q.recv_q > 1000
      else: warning
    scope: {port: q.port}
    say: "{q.process}: {q.recv_q}/{q.send_q}"
    because: "it accepts too slowly"
""",
    head="name: test\ntitle: A test\nabout: Is it?\nparams: {port: {type: integer, optional: true}}\n"
    "probes: [queues]\nfindings:\n",
)
SWEEP = Sweep("fleet", Every(3_600), "all", channel="C1", owner="alice")
UNREADABLE = HostFailure(cause=Cause.UNREACHABLE, reason="connection refused", remedy="start it")


def full(*ports: int, host: str = "node-1", depth: int = 200) -> Visit:
    """A host whose queues on these ports are full."""
    rows = [Queue(netns="host", port=port, recv_q=depth, send_q=128) for port in ports]
    return snapshot(host, queues=queues(rows, rows, rows))


class OnePlan:
    """`sweep_ports.PlanSource`: the plan that a test sets."""

    def __init__(self, plan: Plan) -> None:
        self.now = plan
        self.trouble = ""

    def plan(self) -> Plan:
        return self.now


class Eyes:
    """An observer: what each host is, or a function that says so when it is asked."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.hosts: dict[str, Visit | Callable[[], Any]] = {}
        self.reads = 0

    async def look(self, host: Host, names: Sequence[str]) -> Visit:
        self.reads += 1
        seen = self.hosts.get(host.name)
        if callable(seen):
            seen = seen()
            if hasattr(seen, "__await__"):
                seen = await seen
        return snapshot(host.name) if seen is None else seen


class Fleet:
    """The world, and as many processes over it as a test starts."""

    def __init__(
        self, hosts: int = 3, plan: Plan | None = None, playbooks: Mapping[str, Playbook] | None = None
    ) -> None:
        self.clock = FakeClock()
        self.history = MemoryHistory()
        self.journal = MemoryJournal(self.clock)
        self.herald = FakeHerald()
        self.plans = OnePlan(plan or Plan())
        self.eyes = Eyes(self.clock)
        self.playbooks = playbooks or {"test": QUEUES}
        named = {f"node-{number}": f"192.0.2.{number % 250}" for number in range(1, hosts + 1)}
        self.inventory = Inventory(hosts={name: Host(name=name, address=at) for name, at in named.items()})
        self.policy = OnePolicy()
        self.policy.now = POLICY
        self.sweeper = self.process()

    def annals(self) -> Annals:
        return Annals(self.history, self.clock, self.plans)

    def remedy(self) -> Remedy:
        observer: Any = self.eyes
        return Remedy(
            journal=self.journal, policy=self.policy, directory=OneDirectory(), shell=None, clock=self.clock,  # type: ignore[arg-type]
            inventory=self.inventory, actions={}, playbooks=self.playbooks, observer=observer,
        )  # fmt: skip

    def process(self, **ports: Any) -> Sweeper:
        """A bot that sweeps: everything it has in common with others is in the stores."""
        given: dict[str, Any] = {
            "inventory": self.inventory, "playbooks": self.playbooks, "observer": self.eyes, "journal": self.journal,
            "clock": self.clock, "annals": self.annals(), "remedy": self.remedy(), "herald": self.herald,
        }  # fmt: skip
        return Sweeper(**(given | ports))

    def desk(self, annals: Annals | None = None) -> DutyDesk:
        eyes: Any = self.eyes
        return DutyDesk(
            self.inventory, self.playbooks, eyes, self.journal, self.remedy(), self.clock,
            annals=annals or self.sweeper.annals,
        )  # fmt: skip

    def claimed(self, sweep: Sweep, due: datetime, owner: str = "bot-1") -> Fire:
        return Fire(sweep.name, due, Phase.RUNNING, owner=owner, beat=self.clock.now())

    async def sweep(self, sweep: Sweep = SWEEP, after: float = 3_600) -> Fire:
        """An hour passes, and the sweep is due."""
        due = self.clock.tick(after)
        fire = await self.history.claim(self.claimed(sweep, due), lease=60)
        assert fire is not None
        return await self.sweeper.run(sweep, fire)

    async def ask(self, target: str = "all", channel: str = "", **params: str) -> Report:
        told: list[Progress] = []
        ask = Ask(Actor("slack", "T0TEAM:U0DAVE"), target, (), params, channel)
        return await self.desk().diagnose(ask, told.append)
