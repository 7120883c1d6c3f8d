"""One risky change, two replicas of the bot, one host, and everything that can go wrong between them.

The machine drives the real decisions through a real journal, in any order: clicks, double clicks, denials, people who
leave, time, drift, crashes, paused replicas, commands that are lost or late, the kill switch. The oracle is kept apart
from the code: who clicked, who is still there, what the host ran. Its invariants are those of docs/security.md.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.adapters.store import Store
from bot.core import approval, halt
from bot.core.approval import FINAL, Decision, Declined, Moved, Record, Result, State, moment, stamp
from bot.core.audit import Verdict, verify
from bot.core.policy import Standing
from bot.core.report import Risk
from bot.engine.ports import Journal
from tests.fakes.approval import ALICE, BOB, CAROL, POLICY, change, ground, proposed, slack
from tests.fakes.clock import START, FakeClock
from tests.fakes.journal import MemoryJournal

MISHAPS = (
    "deny",
    "revoke",
    "bob_leaves",
    "much_time_passes",
    "somebody_changes_the_host",
    "halt",
    "expire",
    "crash",
    "lose_the_connection",
    "get_lost",
)
PEOPLE = {"alice": ALICE, "bob": BOB, "carol": CAROL}
REQUESTER, NEEDED = "alice", 2
ID = "c0ffee01"
READ = (("net.core.somaxconn", "4096"),)
HOST_PATIENCE = 60
STAGES = {"pending": (), "approved": ("bob", "carol"), "claimed": ("bob", "carol"), "sent": ("bob", "carol")}
"""Where a life may begin: hardly a random walk would come as far as the host by itself."""


@dataclass
class Command:
    """A change on its way to the host: the host itself refuses to start it after `until`."""

    until: datetime
    state: str = "flying"  # flying, running, ran, refused, lost


@dataclass
class Host:
    """What the host is like: its value, what it ran, and what is on its way."""

    value: str = "before"
    ran: int = 0
    commands: list[Command] = field(default_factory=list)

    @property
    def running(self) -> bool:
        return any(command.state == "running" for command in self.commands)

    def would_start(self, command: Command, now: datetime) -> bool:
        late = now > command.until
        return command.state == "flying" and not (late or self.ran or self.running or self.value != "before")


@dataclass
class Replica:
    """One process of the bot. It may be paused between any two steps, and knows only what it remembers."""

    at: str = "idle"  # idle, owns, logged, sent
    fence: int = 0
    until: datetime = START
    command: Command | None = None


class Lifecycle(RuleBasedStateMachine):
    """See the module. Subclasses choose the journal."""

    writes_intent_first = True
    on_disk = False

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.host = FakeClock(), Host()
        self.replicas = (Replica(), Replica())
        self.here = dict.fromkeys(PEOPLE, True)
        self.clicked: set[str] = set()
        self.halted = False
        self.well_claimed = False
        self.runner = asyncio.Runner()
        self.place = Path(tempfile.mkdtemp()) if self.on_disk else None
        self.journal: Journal = self.run(self.open())

    def run(self, todo: Any) -> Any:
        return self.runner.run(todo)

    async def open(self) -> Journal:
        return MemoryJournal(self.clock) if self.place is None else await Store.open(self.place / "state", self.clock)

    @initialize(stage=st.sampled_from(sorted(STAGES)))
    def begin(self, stage: str) -> None:
        made = change(Risk.HIGH, requester=REQUESTER, expires=stamp(START + timedelta(seconds=900)))
        self.run(self.journal.create(proposed(made, asker=f"slack:{ALICE}"), [approval_event()]))
        for name in STAGES[stage]:
            self.click(name)
        for _ in range({"claimed": 1, "sent": 3}.get(stage, 0)):
            self.proceed(0)

    # --- what the machine knows ------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def record(self) -> Record:
        return self.run(self.journal.get(ID))

    @property
    def state(self) -> State:
        return self.record.state

    def ground(self) -> approval.Ground:
        return ground(now=self.now, halted=self.run(self.journal.halted()))

    def standing(self, name: str) -> Standing:
        return slack(PEOPLE[name], fault="" if self.here[name] else "deactivated")

    def decide(self, decision: Callable[[Record], Decision]) -> Decision:
        return self.run(self.journal.transact(ID, decision))

    def approvals(self) -> set[str]:
        """The oracle's own count: who clicked, is still there, and did not ask for the change."""
        return {name for name in self.clicked if self.here[name] and name != REQUESTER}

    # --- people, time, the host's own life -------------------------------------------------------------------------

    @rule(name=st.sampled_from(sorted(PEOPLE)))
    def somebody_clicks(self, name: str) -> None:
        self.click(name)

    @rule(what=st.sampled_from(MISHAPS), who=st.integers(0, 1))
    def something_happens(self, what: str, who: int) -> None:
        if what in {"crash", "lose_the_connection"}:
            getattr(self, what)(who)
        else:
            getattr(self, what)()

    def click(self, name: str) -> None:
        before = self.record
        decision = self.decide(lambda record: approval.approve(record, self.standing(name), self.ground_now))
        if isinstance(decision, Moved) and decision.record.state is not State.EXPIRED:
            self.clicked.add(name)
            assert self.here[name], "a vote of somebody who had left"
        else:
            assert len(self.record.votes) == len(before.votes)

    @property
    def ground_now(self) -> approval.Ground:
        return ground(now=self.now, halted="halted" if self.halted else "")

    def deny(self, name: str = "carol") -> None:
        before = self.state
        decision = self.decide(lambda record: approval.deny(record, self.standing(name), "no", self.ground_now))
        assert isinstance(decision, Declined) or before in {State.PENDING, State.APPROVED}

    def revoke(self, name: str = "carol") -> None:
        decision = self.decide(lambda record: approval.revoke(record, self.standing(name), self.ground_now))
        if isinstance(decision, Moved):
            self.clicked.discard(name)

    def bob_leaves(self) -> None:
        self.here["bob"] = False

    @rule(seconds=st.sampled_from([1, 20, 70, 130]))
    def time_passes(self, seconds: int) -> None:
        self.clock.tick(seconds)

    def much_time_passes(self) -> None:
        self.clock.tick(900)

    def somebody_changes_the_host(self) -> None:
        if self.host.value == "before":
            self.host.value = "drifted"

    def halt(self) -> None:
        self.run(self.journal.switch(lambda known: halt.halt(known, slack(CAROL), "stop", POLICY, self.now)))
        self.halted = True

    def expire(self) -> None:
        self.decide(lambda record: approval.expire(record, self.now))

    # --- the two replicas ------------------------------------------------------------------------------------------

    @rule(who=st.integers(0, 1))
    def proceed(self, who: int) -> None:
        """One replica takes its next step; between two steps it may be paused for as long as it likes."""
        at = self.replicas[who].at
        if at == "idle" and self.state is State.APPROVED:
            self.claim(who)
        elif at == "owns":
            self.write_intent(who)
        elif at == "logged":
            self.send(who)
        elif at == "sent":
            self.hear(who)

    def claim(self, who: int) -> None:
        replica = self.replicas[who]
        standings = {f"slack:{PEOPLE[name]}": self.standing(name) for name in PEOPLE}
        decision = self.decide(lambda record: approval.claim(record, standings, self.ground_now, owner=str(who)))
        if isinstance(decision, Moved) and decision.record.state is State.CLAIMED:
            replica.at, replica.fence = "owns", decision.record.fence
            in_time = self.now < moment(decision.record.change.expires)
            self.well_claimed = len(self.approvals()) >= NEEDED and in_time and not self.halted
        elif isinstance(decision, Moved):
            self.clicked &= {vote.person for vote in decision.record.votes}

    def write_intent(self, who: int) -> None:
        replica = self.replicas[who]
        until = self.now + timedelta(seconds=HOST_PATIENCE)
        replica.until = until
        if not self.writes_intent_first:
            replica.at = "logged"
            return
        decision = self.decide(
            lambda record: approval.intent(record, self.ground_now, fence=replica.fence, deadline=until)
        )
        replica.at = "logged" if isinstance(decision, Moved) else "idle"

    def send(self, who: int) -> None:
        replica = self.replicas[who]
        if self.run(self.journal.halted()):
            self.settle(replica, Result(State.UNKNOWN, "the kill switch was seen"))
            return
        assert self.well_claimed, "I2: sent without approvals of enough people who were not the requester, in time"
        assert self.intent_is_durable(replica.fence), "I3: sent before the intent was durable"
        assert not self.halted, "I8: sent after the kill switch was set"
        replica.command = Command(replica.until)
        replica.at = "sent"
        self.host.commands.append(replica.command)

    def intent_is_durable(self, fence: int) -> bool:
        async def read() -> bool:
            events = [entry.event() async for entry in self.journal.entries()]
            return any(event.kind == "IntentWritten" and event.data["fence"] == fence for event in events)

        return bool(self.run(read()))

    def hear(self, who: int) -> None:
        """The result frame of the host arrives."""
        replica = self.replicas[who]
        if replica.command is None or replica.command.state not in {"ran", "refused"}:
            return
        ran = replica.command.state == "ran"
        self.settle(replica, Result(State.DONE, "4096", READ) if ran else self.not_applied())

    def lose_the_connection(self, who: int) -> None:
        if self.replicas[who].at == "sent":
            self.settle(self.replicas[who], Result(State.UNKNOWN, "connection lost"))

    def crash(self, who: int) -> None:
        self.replicas[who].at = "idle"

    @rule()
    def tidy_up(self) -> None:
        """What every replica does now and then."""
        self.recover()
        self.reconcile()

    def recover(self) -> None:
        self.decide(lambda record: approval.lapse(record, self.now))

    def reconcile(self) -> None:
        if self.state is State.UNKNOWN and not self.host.running:  # it takes the host's lock
            result = Result(State.DONE, "4096", READ) if self.host.ran else self.not_applied()
            decision = self.decide(lambda record: approval.resolve_unknown(record, result, self.now))
            self.honest(decision)

    def not_applied(self) -> Result:
        return Result(State.FAILED if self.host.value == "before" else State.STALE, "not applied")

    def settle(self, replica: Replica, result: Result) -> None:
        self.honest(self.decide(lambda record: approval.settle(record, result, self.now, fence=replica.fence)))
        replica.at = "idle"

    def honest(self, decision: Decision) -> None:
        if isinstance(decision, Declined):
            return
        if decision.record.state is State.DONE:
            assert self.host.ran, "I6: done, and the host never ran it"
        elif decision.record.state in {State.FAILED, State.STALE}:
            assert not self.host.ran, "I6: said to be not applied, and it was"
            assert not self.host.running, "I6: said to be not applied while it runs"

    # --- the host --------------------------------------------------------------------------------------------------

    def flying(self) -> Command | None:
        return next((command for command in self.host.commands if command.state == "flying"), None)

    @rule()
    @precondition(lambda self: self.flying() is not None or self.host.running)
    def the_host_goes_on(self) -> None:
        if self.host.running:
            self.finish()
        else:
            self.arrive()

    def arrive(self) -> None:
        command = self.flying()
        assert command is not None
        if not self.host.would_start(command, self.now):
            command.state = "refused"
            return
        assert not self.host.ran, "I1: run twice"
        assert self.host.value != "drifted", "I4: applied over a change of somebody else's"
        assert self.state not in FINAL, "I5: started after a final state"
        command.state = "running"

    def get_lost(self) -> None:
        command = self.flying()
        if command is not None:
            command.state = "lost"

    def finish(self) -> None:
        for command in self.host.commands:
            if command.state == "running":
                command.state = "ran"
                self.host.ran += 1
                self.host.value = "after"

    # --- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def nothing_ran_twice(self) -> None:
        assert self.host.ran <= 1

    def teardown(self) -> None:
        try:
            self.finish_everything()
        finally:
            self.close()

    def finish_everything(self) -> None:
        """I10: whatever happened, time and the host's answers bring the change to a final state."""
        self.get_lost()
        self.finish()
        for replica in self.replicas:
            replica.at = "idle"
        self.clock.tick(3600)
        for _ in range(3):
            self.recover()
            self.expire()
            self.reconcile()
        assert self.state in FINAL, f"I10: hangs in {self.state}"
        self.run(self.log_is_whole())

    async def log_is_whole(self) -> None:
        entries = [entry async for entry in self.journal.entries()]
        if isinstance(self.journal, Store):
            checked = await self.journal.verify()
            assert checked.verdict is Verdict.OK, checked.reason
        else:
            assert verify(entries).verdict is not Verdict.TAMPERED
        moves = [entry.event() for entry in entries if entry.event().data.get("from")]
        assert [event.data["from"] for event in moves[1:]] == [event.data["state"] for event in moves[:-1]]

    def close(self) -> None:
        if isinstance(self.journal, Store):
            self.run(self.journal.close())
        self.runner.close()
        if self.place is not None:
            shutil.rmtree(self.place)


def approval_event() -> Any:
    decision: Any = approval.propose(
        change(Risk.HIGH, requester=REQUESTER, expires=stamp(START + timedelta(seconds=900))),
        ground(),
        asker=f"slack:{ALICE}",
    )
    return decision.events[0]
