"""Every order of events, exhaustively: one risky change, two replicas of the bot, one host, the real decisions.

Breadth first over whole worlds, so that the first violation found is the shortest way to it. What the code answers
comes from bot.core.approval; what is right is judged apart from it, by who clicked, who is still there, and what the
host ran. Time goes in steps that matter: past a lease and the host's own deadline, past the change's expiry.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bot.core import approval
from bot.core.approval import FINAL, Decision, Moved, Record, Result, State, moment, stamp
from bot.core.policy import Standing
from bot.core.report import Risk
from tests.fakes.approval import ALICE, BOB, CAROL, change, ground, proposed, slack
from tests.fakes.clock import START

IDS = {"alice": ALICE, "bob": BOB, "carol": CAROL}
REQUESTER, NEEDED = "alice", 2
READ = (("net.core.somaxconn", "4096"),)
STEPS = (130, 130, 900)
"""Seconds: past a lease and the host's deadline; past the lease of the next owner; past the expiry."""


class Violation(AssertionError):
    """A broken promise; says which, and `way` the events that led there."""

    def __init__(self, promise: str) -> None:
        super().__init__(promise)
        self.way: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """The decisions under test, what a driver does around them, and the host's guards; a mutant replaces one.

    A host that does not remember has no ledger, and its step leaves no trace to compare (a restart, say).
    """

    approve: Callable[..., Decision] = approval.approve
    claim: Callable[..., Decision] = approval.claim
    intent: Callable[..., Decision] = approval.intent
    lapse: Callable[..., Decision] = approval.lapse
    settle: Callable[..., Decision] = approval.settle
    resolve: Callable[..., Decision] = approval.resolve_unknown
    asks_the_switch: bool = True
    writes_intent_first: bool = True
    host_compares: bool = True
    host_knows_time: bool = True
    host_remembers: bool = True


class Replica(NamedTuple):
    """One process of the bot, at idle, owns, logged or sent: it may be paused between any two steps."""

    at: str = "idle"
    fence: int = 0
    until: datetime = START
    command: int = -1


class World(NamedTuple):
    """Everything at one moment. `sound` is the oracle's judgement of the last claim."""

    record: Record
    now: datetime = START
    steps: int = 0
    halted: bool = False
    bob: bool = True
    clicked: frozenset[str] = frozenset()
    replicas: tuple[Replica, ...] = (Replica(), Replica())
    commands: tuple[tuple[datetime, str], ...] = ()
    value: str = "before"
    ran: int = 0
    sound: bool = False
    intents: frozenset[int] = frozenset()
    crashes: int = 0

    def key(self) -> tuple[object, ...]:
        """What tells worlds apart; words and the instants of clicks do not."""
        record = self.record
        life = (record.state, record.votes and tuple(vote.person for vote in record.votes), record.fence, record.owner)
        times = (record.lease, record.deadline, self.now, self.steps)
        mine = (self.halted, self.bob, self.clicked, self.replicas, self.commands, self.value, self.ran, self.sound)
        return (*life, *times, *mine, self.intents, self.crashes)

    def running(self) -> bool:
        return any(state == "running" for _, state in self.commands)

    def standing(self, name: str) -> Standing:
        return slack(IDS[name], fault="deactivated" if name == "bob" and not self.bob else "")

    def ground(self) -> approval.Ground:
        return ground(now=self.now, halted="stop" if self.halted else "")

    def approvals(self) -> set[str]:
        return {name for name in self.clicked if name != REQUESTER and (self.bob or name != "bob")}

    def put(self, who: int, replica: Replica, **fields: Any) -> "World":
        replicas = tuple(replica if index == who else other for index, other in enumerate(self.replicas))
        return self._replace(replicas=replicas, **fields)

    def command(self, index: int, state: str, **fields: Any) -> "World":
        one = (self.commands[index][0], state)
        return self._replace(commands=(*self.commands[:index], one, *self.commands[index + 1 :]), **fields)


Step = tuple[str, World]


def begin() -> World:
    made = change(Risk.HIGH, requester=REQUESTER, expires=stamp(START + timedelta(seconds=900)))
    return World(proposed(made, asker=f"slack:{ALICE}"))


def successors(world: World, code: Code) -> Iterator[Step]:
    """Every event that can come next, with the world after it. Raises Violation."""
    yield from _people(world, code)
    yield from _circumstances(world, code)
    for who in (0, 1):
        yield from _replica(world, code, who)
    yield from _recovery(world, code)
    yield from _host(world, code)


def _people(world: World, code: Code) -> Iterator[Step]:
    for name in IDS:
        decision = code.approve(world.record, world.standing(name), world.ground())
        if isinstance(decision, Moved):
            voted = decision.record.state is not State.EXPIRED
            clicked = world.clicked | {name} if voted else world.clicked
            yield f"{name} clicks", world._replace(record=decision.record, clicked=clicked)
    denied = approval.deny(world.record, world.standing("carol"), "no", world.ground())
    if isinstance(denied, Moved):
        yield "carol denies", world._replace(record=denied.record)
    revoked = approval.revoke(world.record, world.standing("bob"), world.ground())
    if isinstance(revoked, Moved):
        yield "bob takes it back", world._replace(record=revoked.record, clicked=world.clicked - {"bob"})


def _circumstances(world: World, code: Code) -> Iterator[Step]:
    if world.bob and world.record.state not in FINAL:
        yield "bob leaves", world._replace(bob=False)
    if not world.halted:
        yield "the kill switch is set", world._replace(halted=True)
    if world.value == "before":
        yield "somebody changes the host", world._replace(value="drifted")
    if world.steps < len(STEPS):
        later = world.now + timedelta(seconds=STEPS[world.steps])
        yield "time passes", world._replace(now=later, steps=world.steps + 1)
    expired = approval.expire(world.record, world.now)
    if isinstance(expired, Moved):
        yield "it expires", world._replace(record=expired.record)


def _replica(world: World, code: Code, who: int) -> Iterator[Step]:
    replica = world.replicas[who]
    if replica.at != "idle" and world.crashes < 1:
        yield f"{who} crashes", world.put(who, Replica(), crashes=world.crashes + 1)
    if replica.at == "idle" and world.record.state is State.APPROVED:
        yield from _claim(world, code, who)
    elif replica.at == "owns":
        yield from _intent(world, code, who)
    elif replica.at == "logged":
        yield from _send(world, code, who)
    elif replica.at == "sent":
        yield from _settle(world, code, who, Result(State.UNKNOWN, "connection lost"), "loses the connection")
        state = world.commands[replica.command][1]
        if state in {"ran", "refused"}:
            heard = Result(State.DONE, "4096", READ) if state == "ran" else _not_applied(world)
            yield from _settle(world, code, who, heard, "hears the result")


def _claim(world: World, code: Code, who: int) -> Iterator[Step]:
    standings: Mapping[str, Standing] = {f"slack:{IDS[name]}": world.standing(name) for name in IDS}
    decision = code.claim(world.record, standings, world.ground(), owner=str(who))
    if not isinstance(decision, Moved):
        return
    record = decision.record
    if record.state is not State.CLAIMED:
        kept = world.clicked & {vote.person for vote in record.votes}
        yield f"{who} may not claim", world._replace(record=record, clicked=kept)
        return
    in_time = world.now < moment(record.change.expires)
    sound = len(world.approvals()) >= NEEDED and in_time and not world.halted
    yield f"{who} claims", world.put(who, Replica("owns", record.fence), record=record, sound=sound)


def _intent(world: World, code: Code, who: int) -> Iterator[Step]:
    replica = world.replicas[who]
    until = world.now + timedelta(seconds=60)
    logged = replica._replace(at="logged", until=until)
    if not code.writes_intent_first:
        yield f"{who} skips the intent", world.put(who, logged)
        return
    decision = code.intent(world.record, world.ground(), fence=replica.fence, deadline=until)
    if isinstance(decision, Moved):
        intents = world.intents | {replica.fence}
        yield f"{who} writes the intent", world.put(who, logged, record=decision.record, intents=intents)
    else:
        yield f"{who} is refused the intent", world.put(who, Replica())


def _send(world: World, code: Code, who: int) -> Iterator[Step]:
    replica = world.replicas[who]
    if code.asks_the_switch and world.halted:
        yield from _settle(world, code, who, Result(State.UNKNOWN, "the kill switch"), "sees the kill switch")
        return
    if not world.sound:
        raise Violation("I2: sent without valid approvals of two people who did not ask for it")
    if replica.fence not in world.intents:
        raise Violation("I3: sent before the intent was durable")
    if world.halted:
        raise Violation("I8: sent after the kill switch was set")
    sent = replica._replace(at="sent", command=len(world.commands))
    yield f"{who} sends", world.put(who, sent, commands=(*world.commands, (replica.until, "flying")))


def _settle(world: World, code: Code, who: int, result: Result, words: str) -> Iterator[Step]:
    decision = code.settle(world.record, result, world.now, fence=world.replicas[who].fence)
    yield f"{who} {words}", _honest(world.put(who, Replica()), decision)


def _recovery(world: World, code: Code) -> Iterator[Step]:
    lapsed = code.lapse(world.record, world.now)
    if isinstance(lapsed, Moved):
        yield "the lease is over", world._replace(record=lapsed.record)
    if world.record.state is State.UNKNOWN and not world.running():  # reading takes the host's lock
        result = Result(State.DONE, "4096", READ) if world.ran else _not_applied(world)
        decision = code.resolve(world.record, result, world.now)
        if isinstance(decision, Moved):
            yield "the host is read", _honest(world, decision)


def _not_applied(world: World) -> Result:
    return Result(State.FAILED if world.value == "before" else State.STALE, "not applied")


def _honest(world: World, decision: Decision) -> World:
    state = decision.record.state
    if isinstance(decision, Moved) and state is State.DONE and not world.ran:
        raise Violation("I6: done, and the host never ran it")
    if isinstance(decision, Moved) and state in {State.FAILED, State.STALE} and (world.ran or world.running()):
        raise Violation("I6: said to be not applied, and it was")
    return world._replace(record=decision.record)


def _host(world: World, code: Code) -> Iterator[Step]:
    for index, (until, state) in enumerate(world.commands):
        if state == "flying":
            yield "the command is lost", world.command(index, "lost")
            late = code.host_knows_time and world.now > until
            moved_on = code.host_compares and world.value in (
                {"drifted", "after"} if code.host_remembers else {"drifted"}
            )
            if late or moved_on or (code.host_remembers and world.ran) or world.running():
                yield "the host refuses", world.command(index, "refused")
            else:
                yield "the host starts", _started(world, index)
        elif state == "running":
            yield "the host finishes", _finished(world, index)


def _started(world: World, index: int) -> World:
    if world.value == "drifted":
        raise Violation("I4: applied over somebody else's change")
    if world.record.state in FINAL:
        raise Violation("I5: started after a final state")
    return world.command(index, "running")


def _finished(world: World, index: int) -> World:
    if world.ran:
        raise Violation("I1: run twice")
    return world.command(index, "ran", ran=1, value="after")


Key = tuple[object, ...]


@dataclass
class Worlds:
    """Every world that was reached, by number: its key, and the worlds that it leads to."""

    keys: list[Key]
    leads: list[list[int]]


def explore(code: Code, limit: int = 1_000_000) -> Worlds:
    """Every world that can be reached, and which lead to which. Raises Violation with the shortest way to it."""
    start = begin()
    numbers = {start.key(): 0}  # a key is large and hashed anew at each look: one look a step
    ways: list[tuple[int, str]] = [(-1, "")]
    leads: list[list[int]] = []
    todo = deque([start])
    while todo and len(ways) < limit:
        world, here, ends = todo.popleft(), len(leads), []
        try:
            for name, after in successors(world, code):
                number = numbers.setdefault(after.key(), len(ways))
                ends.append(number)
                if number == len(ways):
                    ways.append((here, name))
                    todo.append(after)
        except Violation as violation:
            violation.way = _way(ways, here)
            raise
        leads.append(ends)
    return Worlds(list(numbers), leads)


def _way(ways: Sequence[tuple[int, str]], number: int) -> tuple[str, ...]:
    names: list[str] = []
    while number >= 0:
        number, name = ways[number]
        names.append(name)
    return tuple(reversed(names[:-1]))
