"""A small world to cure: one host with one value, a playbook that minds it, a network that can be cut anywhere."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.adapters.files.playbooks import read_playbook
from bot.core.action import Action, Params, Refused
from bot.core.approval import Record
from bot.core.change import Check, Plan
from bot.core.diagnosis import diagnose
from bot.core.host import Cause, Host, HostFailure, Inventory
from bot.core.playbook import Playbook
from bot.core.policy import Actor, Policy, Standing
from bot.core.probe import Facts, Probe, Unknown
from bot.core.report import Finding, Proposal, Risk
from bot.core.snapshot import Snapshot, Visit
from bot.engine.ports import Output
from bot.engine.remedy import Remedy
from tests.fakes.approval import DAVE, POLICY
from tests.fakes.host import WRITE, FileHost
from tests.fakes.journal import MemoryJournal

HOST_KEY = "SHA256:abc"
NODE = Host(name="node-3", address="192.0.2.13")
INVENTORY = Inventory(hosts={"node-3": NODE})
ASKER = Actor("slack", DAVE)


class Killed(BaseException):
    """The process dies here: nothing of ours runs after it."""


class ShiftClock:
    """Real time, moved on by `ahead` seconds for the bot alone; the host has its own."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.tokens = 0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def token(self, bits: int = 128) -> str:
        self.tokens += 1
        return f"{self.tokens:x}".rjust(bits // 4, "0")


class OneDirectory:
    """Everybody is in good standing but those in `faults`."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}

    async def standing(self, key: str) -> Standing:
        kind, _, ident = key.partition(":")
        return Standing(Actor(kind, ident), self.faults.get(key, ""))  # type: ignore[arg-type]


class OnePolicy:
    def __init__(self) -> None:
        self.now: Policy | Exception = POLICY

    def policy(self) -> Policy:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now


CONNECTION = HostFailure(cause=Cause.UNREACHABLE, reason="connection refused", remedy="start it")


def kind(program: str) -> str:
    """What a program is for: "hello", "apply", "confirm" or "inquire"."""
    marks = {"BOT_NOW=": "apply", "answer 0 confirmed": "confirm", "answer 0 told": "inquire"}
    return next((name for mark, name in marks.items() if mark in program), "hello")


@dataclass
class LocalShell:
    """`ports.Shell` onto this machine's sh. `cut` maps a kind of program to what happens to its connection:

    "before": it never gets there. "during": it is lost while the program goes on. "after": the answer is lost.
    """

    host: FileHost
    cut: dict[str, str] = field(default_factory=dict)
    host_key: str = HOST_KEY
    sent: list[str] = field(default_factory=list)
    fresh: list[bool] = field(default_factory=list)
    left: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def run(
        self, host: Host, program: str, *, deadline: float, max_bytes: int, fresh: bool = False
    ) -> Output | HostFailure:
        what = kind(program)
        self.sent.append(what)
        self.fresh.append(fresh)
        how = self.cut.get(what, "")
        if how == "before":
            return CONNECTION
        running = await asyncio.create_subprocess_exec(
            *self.host.shell,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        if how == "during":
            assert running.stdin is not None
            running.stdin.write(program.encode())
            running.stdin.close()
            self.left.append(running)
            return self._output(b"", None)
        out, _ = await running.communicate(program.encode())
        if how == "after":
            return self._output(out[: len(out) // 2], None)
        return self._output(out, running.returncode)

    def _output(self, out: bytes, status: int | None) -> Output:
        return Output(stdout=out, status=status, root=True, root_reason="", host_key=self.host_key)

    async def close(self) -> None:
        for running in self.left:
            await running.wait()


# --- what there is to see and to do --------------------------------------------------------------------------------


class Row(Facts):
    name: str
    value: str
    served: str


class ValueFacts(Facts):
    rows: list[Row]


class ToValue(Params):
    value: str


class Nothing(Params):
    pass


PLAYBOOK = """
name: values
title: Values
about: Is the value right?
probes: [values]
findings:
  - id: value-wrong
    each: values.rows
    as: v
    when: v.served != "new"
    severity: critical
    scope: {name: v.name}
    evidence: {value: v.value, served: v.served}
    say: "{v.name} serves {v.served}"
    because: "it is wrong"
    offer:
      - action: value.set
        with: {value: new}
        then:
          action: value.serve
          with: {}
          say: "still serves {v.served}: tell it"
"""


class World:
    """The host, its network, the journal, and as many bots over them as a test starts."""

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.host = FileHost(root)
        self.served = root / "served"
        self.served.write_text("old\n")
        self.follows = True
        """Whether what is served follows the value by itself."""
        self.rests = 0
        """Seconds that the value must have stayed as it was seen before it is set."""
        self.clock = ShiftClock()
        self.journal = MemoryJournal(self.clock)
        self.directory = OneDirectory()
        self.policy = OnePolicy()
        self.shell = LocalShell(self.host)
        self.seen: Callable[[], Visit] = self.snapshot
        self.actions = self._actions()
        probe: Probe[Any] = Probe(
            name="values", question="?", script="true", parse=lambda *_: ValueFacts(rows=[]), facts=ValueFacts
        )
        self.playbook: Playbook = read_playbook(PLAYBOOK, "values.yaml", {"values": probe}, self.actions)

    def bot(self, **ports: Any) -> Remedy:
        """A bot process: everything it has in common with the others is in the journal and on the host."""
        given: dict[str, Any] = {
            "journal": self.journal,
            "policy": self.policy,
            "directory": self.directory,
            "shell": self.shell,
            "clock": self.clock,
            "inventory": INVENTORY,
            "actions": self.actions,
            "playbooks": {"values": self.playbook},
            "observer": self,
            "layout": self.host.layout,
            "pause": 0.05,
            "confirm_within": 1,
        }
        return Remedy(**(given | ports))

    async def observe(self, host: Host, playbooks: Sequence[Playbook]) -> Visit:
        return self.seen()

    def snapshot(self) -> Snapshot:
        served = self.host.now_is if self.follows else self.served.read_text().strip()
        rows = [Row(name="it", value=self.host.now_is, served=served)]
        outcomes: Mapping[str, Any] = {"values": (ValueFacts(rows=rows),)}
        return Snapshot("node-3", self.clock.now(), 0.1, HOST_KEY, outcomes)

    def blind(self) -> Snapshot:
        return replace(self.snapshot(), outcomes={"values": Unknown("permission denied")})

    @property
    def finding(self) -> Finding:
        return diagnose([self.playbook], self.snapshot(), {}).findings[0]

    async def proposed(self, bot: Remedy | None = None) -> Proposal:
        """The finding's offer as a pending change."""
        finding = self.finding
        return await (bot or self.bot()).propose(
            finding, finding.offers[0], self.snapshot(), NODE, ASKER, "r1", self.playbook.revision
        )

    async def approved(self, bot: Remedy | None = None) -> str:
        """A change that alice has approved; its id."""
        proposal = await self.proposed(bot)
        assert proposal.refused is None, proposal.refused
        await self.vote(proposal.change, "T0TEAM:U0ALICE", bot)
        return proposal.change

    async def vote(self, change: str, ident: str, bot: Remedy | None = None) -> None:
        await (bot or self.bot()).approve(change, Standing(Actor("slack", ident)))

    async def record(self, change: str) -> Record:
        record = await self.journal.get(change)
        assert record is not None
        return record

    def kinds(self) -> list[str]:
        """What the log says, in order, without what is of no matter here."""
        return [event.kind for event in self.journal.events if event.kind != "PolicyChanged"]

    def _actions(self) -> Mapping[str, Action[Any]]:
        def set_value(params: ToValue, seen: Snapshot) -> Plan | Refused:
            if self.host.now_is == params.value:
                return Refused(f"nothing to do: it is {params.value} already")
            return self.host.plan(params.value).model_copy(update={"rests": self.rests})

        def serve(_params: Nothing, seen: Snapshot) -> Plan | Refused:
            read = Check(about="what is served", argv=("cat", str(self.served)), expect="old")
            return Plan(
                steps=(("sh", "-c", WRITE, "sh", "new", str(self.served)),),
                precondition=(read,),
                verify=(read.model_copy(update={"expect": "new"}),),
                risk=Risk.LOW,
                summary="serve the value",
                impact="none",
            )

        return {
            "value.set": Action("value.set", "Set the value", ToValue, ("values",), set_value),
            "value.serve": Action("value.serve", "Serve it", Nothing, ("values",), serve),
        }


class Dying:
    """Any port, but the process dies at the n-th awaited call of any of them: before it, or after it took effect."""

    def __init__(self, port: Any, count: "Count") -> None:
        self._port, self._count = port, count

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._count.turn(f"before {name}")
            result = await method(*args, **kwargs)
            self._count.turn(f"after {name}")
            return result

        return call


class Count:
    def __init__(self, at: int) -> None:
        self.at, self.n, self.where = at, 0, ""

    def turn(self, where: str) -> None:
        self.n += 1
        if self.n == self.at:
            self.where = where
            raise Killed(where)
