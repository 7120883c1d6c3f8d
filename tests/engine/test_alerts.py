"""Alerts on their way: every one told, none diagnosed twice, whatever dies on the way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.core.alert_route import Match, Route, Routing
from bot.core.ask import Ask, Progress
from bot.core.errors import AskError, ConfigError
from bot.core.host import Host, Inventory
from bot.core.report import HostReport, Proposal, Report, Status
from bot.core.sweep import Plan, Silence
from bot.core.window import Window
from bot.engine.alerts import Alerts
from bot.engine.desk import DutyDesk
from bot.engine.intake import ROOM, Full
from bot.engine.ports import JournalDown
from tests.fakes.alerts import alert, delivery
from tests.fakes.chat import Chat
from tests.fakes.clock import FakeClock
from tests.fakes.fleet import Fleet
from tests.fakes.journal import MemoryJournal
from tests.fakes.remedy import INVENTORY as CURABLE
from tests.fakes.remedy import Count, Dying, Killed
from tests.fakes.remedy import World as Patient

INVENTORY = Inventory(hosts={name: Host(name=name, address=name) for name in ("node-3", "node-4")})
ROUTE = Route("net", (Match("alertname", "Down"),), channel="C0NET", playbooks=("conntrack",), owner="alice")
OTHER = Route("web", (Match("alertname", "Web"),), channel="C0WEB")


@dataclass
class Doctor:
    """`diagnose` of the desk: counts, and says what it is told to."""

    asked: list[Ask] = field(default_factory=list)
    fault: Exception | None = None
    status: dict[str, Status] = field(default_factory=dict)
    """What a host is, where it is not well."""

    async def diagnose(self, ask: Ask, tell: Callable[[Progress], None]) -> Report:
        self.asked.append(ask)
        tell(Progress(ask.run, 0, 1, "reading"))
        if self.fault is not None:
            raise self.fault
        hosts = tuple(HostReport(host=name, status=self.status.get(name, Status.OK)) for name in ask.target.split(","))
        return Report(run=ask.run, started="2030-05-13T09:00:00Z", seconds=1, hosts=hosts)


@dataclass
class Table:
    table: Routing
    broken: str = ""

    def routing(self) -> Routing:
        if self.broken:
            raise ConfigError(self.broken)
        return self.table


class World:
    """What outlives a process: the journal, the chat, the hosts."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = MemoryJournal(self.clock)
        self.chat, self.doctor, self.routes = Chat(), Doctor(), Table(Routing((ROUTE, OTHER)))

    def bot(self, **ports: Any) -> Alerts:
        given: dict[str, Any] = {
            "desk": self.doctor, "journal": self.journal, "herald": self.chat, "clock": self.clock,
            "inventory": INVENTORY, "routes": self.routes, "pause": 0.01,
        }  # fmt: skip
        return Alerts(**(given | ports))

    @property
    def messages(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        return {key: told for key, told in self.chat.told.items() if not key.startswith("alerts-held")}


@pytest.fixture
def world() -> World:
    return World()


async def test_an_alert_is_told_diagnosed_and_answered_in_its_thread(world: World) -> None:
    bot = world.bot()
    await bot.take(delivery(alert(instance="node-3:9100"), alert(instance="node-4")))
    await bot.settle()
    ((key, (title, lines)),) = world.messages.items()
    assert title == "▲ 2 alerts firing: Down"
    assert lines[-2:] == ("node-3: ok: nothing found by these checks", "node-4: ok: nothing found by these checks")
    (ask,) = world.doctor.asked
    assert (ask.target, ask.playbooks) == ("node-3,node-4", ("conntrack",))
    assert (ask.actor.key, ask.actor.owner) == ("alert:net", "alice")
    assert world.chat.threads == {f"ts-{key}": [ask.run]}
    assert (bot.intake.waiting, bot.intake.open) == (0, 0)


async def test_repeats_say_nothing_new_and_resolving_edits_the_message(world: World) -> None:
    bot = world.bot()
    for _ in range(5):
        await bot.take(delivery(alert(instance="node-3")))
        await bot.settle()
    assert (len(world.chat.posts), len(world.chat.edits), len(world.doctor.asked)) == (1, 1, 1)
    await bot.take(delivery(alert("resolved", instance="node-3")))
    await bot.settle()
    ((title, _),) = world.messages.values()
    assert title == "✔ resolved: Down"
    assert (len(world.chat.posts), len(world.doctor.asked)) == (1, 1)


async def test_an_alert_that_comes_back_before_the_end_was_told_leaves_no_message_firing(world: World) -> None:
    bot = world.bot()
    await bot.take(delivery(alert(instance="node-3")))
    await bot.settle()
    world.chat.down = True
    await bot.take(delivery(alert("resolved", instance="node-3")))
    await bot.take(delivery(alert(instance="node-3", starts=world.clock.now())))
    await bot.settle()
    world.chat.down = False
    await bot.settle()
    assert [title for title, _ in world.messages.values()] == ["✔ resolved: Down", "▲ 1 alert firing: Down"]
    assert len(world.doctor.asked) == 2


async def test_channels_have_messages_of_their_own(world: World) -> None:
    bot = world.bot()
    await bot.take(delivery(alert(instance="node-3"), alert(instance="node-4", alertname="Web")))
    await bot.settle()
    assert {title for title, _ in world.messages.values()} == {"▲ 1 alert firing: Down", "▲ 1 alert firing: Web"}
    assert len(world.doctor.asked) == 2


async def test_what_no_route_takes_is_neither_kept_nor_told(world: World) -> None:
    bot = world.bot()
    await bot.take(delivery(alert(alertname="Nobody")))
    await bot.settle()
    assert not world.chat.told
    assert not world.journal.memory


async def test_a_chat_that_is_away_keeps_no_host_from_being_read_and_is_told_later(world: World) -> None:
    bot = world.bot()
    world.chat.down = True
    await bot.take(delivery(alert(instance="node-3")))
    await bot.settle()
    assert (len(world.doctor.asked), bot.intake.open) == (1, 1)
    world.chat.down = False
    await bot.settle()
    ((_, lines),) = world.messages.values()
    assert lines[-1] == "node-3: ok: nothing found by these checks"
    assert world.chat.threads
    assert (len(world.doctor.asked), bot.intake.open) == (1, 0)


@pytest.mark.parametrize(
    ("fault", "said", "tries"),
    [
        (AskError('no playbook "conntrak"; did you mean "conntrack"?'), "did you mean", 1),
        (TimeoutError(), "no answer within 900 s", 1),
        (RuntimeError("a bug"), "begun 3 times and never ended", 3),
    ],
)
async def test_what_cannot_be_diagnosed_is_told_with_its_reason(
    world: World, fault: Exception, said: str, tries: int
) -> None:
    bot = world.bot()
    world.doctor.fault = fault
    await bot.take(delivery(alert(instance="node-3")))
    with structlog.testing.capture_logs():
        for _ in range(5):
            await bot.settle()
    ((_, lines),) = world.messages.values()
    assert said in lines[-1]
    assert (len(world.doctor.asked), bot.intake.open) == (tries, 0)


async def test_an_unknown_host_is_told_as_such(world: World) -> None:
    bot = world.bot()
    await bot.take(delivery(alert(instance="node-33")))
    await bot.settle()
    ((_, lines),) = world.messages.values()
    assert lines[-1] == 'not diagnosed: no host "node-33" in the inventory; did you mean "node-3"?'
    assert not world.doctor.asked


# --- floods ----------------------------------------------------------------------------------------------------------


async def test_what_is_over_the_hours_messages_waits_and_is_summed_up_and_nothing_is_forgotten(world: World) -> None:
    world.routes.table = replace(world.routes.table, messages_per_hour=3)
    bot = world.bot()
    for number in range(8):
        await bot.take(delivery(alert(instance="node-3", device=str(number)), group=f"g{number}"))
    await bot.settle()
    assert len(world.messages) == 3
    (held,) = [told for key, told in world.chat.told.items() if key.startswith("alerts-held")]
    assert held == (
        "Alerts held back: more than this channel is told in an hour",
        ("waiting: ▲ 1 alert firing: Down",) * 5,
    )
    await bot.take(delivery(alert("resolved", instance="node-3", device="7"), group="g7"))
    await bot.settle()
    (key,) = [key for key in world.chat.told if key.startswith("alerts-held")]
    assert world.chat.told[key][1] == (*["waiting: ▲ 1 alert firing: Down"] * 4, "never told: 1 (Down)")
    world.clock.tick(3_601)
    await bot.settle()
    assert len(world.messages) == 6
    world.clock.tick(3_601)
    await bot.settle()
    assert len(world.messages) == 7
    assert (bot.intake.open, dict((await bot.intake.index()).untold)) == (0, {})


async def test_what_is_critical_is_told_over_the_hours_messages_up_to_as_many_again(world: World) -> None:
    world.routes.table = replace(world.routes.table, messages_per_hour=2)
    world.doctor.status = {"node-4": Status.CRITICAL}
    bot = world.bot()
    for number in range(8):
        host = "node-3" if number % 2 == 0 else "node-4"
        await bot.take(delivery(alert(instance=host, device=str(number)), group=f"g{number}"))
    await bot.settle()
    told = [lines[-1].partition(":")[0] for _, lines in world.messages.values()]
    assert told == ["node-3", "node-4", "node-4", "node-4"], "one critical waits: the guard in a storm"
    (held,) = [told for key, told in world.chat.told.items() if key.startswith("alerts-held")]
    assert len(held[1]) == 4
    assert sum(len(runs) for runs in world.chat.threads.values()) == 4
    world.clock.tick(3_601)
    await bot.settle()
    assert len(world.messages) == 7, "two, and the critical one over them"
    assert len(world.doctor.asked) == 8, "each was read once, and what waited for room was not read again"


async def test_what_waits_for_room_is_read_ahead_only_as_far_as_the_hours_diagnoses_go(world: World) -> None:
    world.routes.table = replace(world.routes.table, messages_per_hour=1, diagnoses_per_hour=2)
    bot = world.bot()
    for number in range(4):
        await bot.take(delivery(alert(instance="node-3"), group=f"g{number}"))
    await bot.settle()
    assert len(world.doctor.asked) == 2
    world.clock.tick(3_601)
    for _ in range(4):
        await bot.settle()
        world.clock.tick(3_601)
    assert len(world.doctor.asked) == 4
    assert not any("not diagnosed" in line for _, lines in world.messages.values() for line in lines)


async def test_a_channel_is_told_of_what_it_was_shown_and_not_before(world: World) -> None:
    shown: list[tuple[str, str]] = []

    async def keep(report: Report, channel: str) -> None:
        shown.append((report.run, channel))

    bot = world.bot(shown=keep)
    world.chat.down = True
    await bot.take(delivery(alert(instance="node-3")))
    await bot.settle()
    (ask,) = world.doctor.asked
    assert (ask.channel, shown) == ("", [])
    world.chat.down = False
    await bot.settle()
    assert shown == [(ask.run, "C0NET")]


async def test_the_hours_budget_outlives_the_process(world: World) -> None:
    world.routes.table = replace(world.routes.table, messages_per_hour=1)
    for number in range(2):
        bot = world.bot()
        await bot.take(delivery(alert(instance="node-3"), group=f"g{number}"))
        await bot.settle()
    assert len(world.messages) == 1


async def test_diagnoses_are_bounded_by_hour_and_the_message_says_so(world: World) -> None:
    world.routes.table = replace(world.routes.table, diagnoses_per_hour=1)
    bot = world.bot()
    for number in range(3):
        await bot.take(delivery(alert(instance="node-3"), group=f"g{number}"))
    await bot.settle()
    assert len(world.doctor.asked) == 1
    assert [lines[-1] for _, lines in world.messages.values()][1:] == [
        "not diagnosed (node-3): more than 1 diagnoses in an hour; ask for node-3"
    ] * 2


async def test_a_full_intake_refuses_and_takes_again_when_there_is_room(world: World) -> None:
    bot = world.bot()
    for number in range(ROOM):
        await bot.take(delivery(alert(instance="node-3"), group=f"g{number % 3}"))
    with pytest.raises(Full):
        await bot.take(delivery(alert(instance="node-3")))
    assert bot.intake.waiting == ROOM
    await bot.settle()
    await bot.take(delivery(alert(instance="node-3")))
    assert len([key for kind, key in world.journal.memory if kind == "alert-inbox"]) == ROOM  # places are used again


async def test_groups_without_end_fill_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.engine.alerts.OPEN", 30)
    world.routes.table = replace(world.routes.table, messages_per_hour=1)
    bot = world.bot()
    for number in range(50):
        await bot.take(delivery(alert(instance="node-3"), group=f"g{number}"))
    await bot._sort()
    assert bot.intake.open == 30
    (untold,) = (await bot.intake.index()).untold.values()
    assert untold.count == 20


# --- what dies on the way --------------------------------------------------------------------------------------------


CALLS = (
    delivery(alert(instance="node-3")),
    delivery(alert("resolved", instance="node-3"), alert(instance="node-4")),
)
READ_AND_UNSTORED = ("after diagnose", "before replace", "before change")


async def test_killed_at_any_call_nothing_is_lost_and_nothing_told_or_diagnosed_twice() -> None:
    """At each call of the store, the chat or the desk, before it or after it took effect; Alertmanager tries again."""
    at = 1
    while await _killed(World(), at):
        at += 1
    assert at > 100, "the process must have died at many places"


async def _killed(world: World, at: int) -> str:
    """Where the process died at the n-th call; "" when it needs fewer."""
    count = Count(at)
    ports: Any = {"journal": world.journal, "herald": world.chat, "desk": world.doctor}
    bot, died = world.bot(**{name: Dying(port, count) for name, port in ports.items()}), ""
    for call in CALLS:
        try:
            await bot.take(call)
            await bot.settle()
        except Killed as fault:
            died = str(fault)
            bot = world.bot()
            await bot.take(call)  # what was not acknowledged comes again; what was, may, too
            await bot.settle()
    ((title, lines),) = world.messages.values()
    assert title == "▲ 1 alert firing, 1 resolved: Down", died
    assert len(world.chat.posts) == 1, died
    assert "node-3: ok: nothing found by these checks" in lines, died
    assert "node-4: ok: nothing found by these checks" in lines, died
    ((runs),) = world.chat.threads.values()
    assert len(runs) == 2, died
    # Only a reading that ended and was not stored yet may be made again: nobody was told of it.
    assert len(world.doctor.asked) <= 2 + (died in READ_AND_UNSTORED), died
    assert (bot.intake.waiting, bot.intake.open) == (0, 0), died
    return died


# --- changes that come up ---------------------------------------------------------------------------------------------


@dataclass
class Ward:
    """One host with one fault that a change would cure, and the desk that proposes it."""

    world: World
    fleet: Fleet
    host: Patient

    def bot(self, **ports: Any) -> Alerts:
        journal = ports.pop("journal", self.world.journal)
        remedy = self.host.bot(journal=journal, clock=self.world.clock)
        eyes: Any = self.fleet.eyes
        desk = DutyDesk(
            CURABLE, self.fleet.playbooks, eyes, journal, remedy, self.world.clock, annals=self.fleet.annals()
        )
        return self.world.bot(**{"desk": desk, "journal": journal, "inventory": CURABLE, **ports})

    @property
    def proposals(self) -> list[Proposal]:
        found = [host.proposals for report in self.world.chat.reports.values() for host in report.hosts]
        return [proposal for proposals in found for proposal in proposals]


def ward_of(world: World, place: Path) -> Ward:
    host = Patient(place)
    fleet = Fleet(playbooks={"values": host.playbook})
    fleet.clock = world.clock
    fleet.eyes.hosts = {"node-3": lambda: replace(host.snapshot(), taken=world.clock.now())}
    world.routes.table = Routing((replace(ROUTE, playbooks=()),))
    return Ward(world, fleet, host)


@pytest.fixture
def ward(world: World, tmp_path: Path) -> Ward:
    return ward_of(world, tmp_path / "host")


async def test_a_change_that_waits_already_is_not_proposed_again_for_an_alert(ward: Ward) -> None:
    bot = ward.bot()
    for group in ("one", "two"):
        await bot.take(delivery(alert(instance="node-3"), group=group))
        await bot.settle()
    (record,) = ward.world.journal.records.values()
    assert [proposal.change for proposal in ward.proposals] == [record.change.id] * 2
    assert record.change.requester == "alice"


async def test_killed_at_any_write_no_change_waits_without_a_thread_that_has_its_card(tmp_path: Path) -> None:
    """Whatever an attempt proposed before it was killed has a thread in the end, and nothing is proposed twice."""
    at, dead = 1, True
    while dead:
        world = World()
        ward = ward_of(world, tmp_path / str(at))
        bot = ward.bot(journal=Dying(world.journal, Count(at)))
        try:
            await bot.take(CALLS[0])
            await bot.settle()
            dead = False
        except* Killed:
            bot = ward.bot()
            await bot.take(CALLS[0])
            await bot.settle()
        (record,) = world.journal.records.values()
        threads = {run for runs in world.chat.threads.values() for run in runs}
        assert record.run in threads, at
        assert [proposal.change for proposal in ward.proposals] == [record.change.id], at
        at += 1
    assert at > 15, "there is something to die at"


async def test_a_diagnosis_that_is_given_up_leaves_its_changes_a_thread(ward: Ward) -> None:
    real = ward.bot().desk

    class Broken:
        """The diagnosis breaks once its changes are stored."""

        async def diagnose(self, ask: Ask, tell: Callable[[Progress], None]) -> Report:
            await real.diagnose(ask, tell)
            raise RuntimeError("a bug")

    bot = ward.bot(desk=Broken())
    await bot.take(delivery(alert(instance="node-3")))
    with structlog.testing.capture_logs():
        for _ in range(5):
            await bot.settle()
    ((key, (_, lines)),) = ward.world.messages.items()
    assert "begun 3 times" in lines[-1]
    (record,) = ward.world.journal.records.values()
    assert ward.world.chat.adopted == {f"ts-{key}": [record.run]}
    assert bot.intake.open == 0


@pytest.mark.parametrize("what", ["maintenance", "silence"])
async def test_under_maintenance_or_a_silence_an_alert_is_diagnosed_and_proposes_nothing(ward: Ward, what: str) -> None:
    now = ward.world.clock.now()
    if what == "maintenance":
        ward.fleet.plans.now = Plan(maintenance=(Window("new kernel", "node-3", now, now + timedelta(hours=1)),))
    else:
        hush = Silence("s1", "node-3", "*", "slack:U1", "we know", now, now + timedelta(hours=1))
        await ward.fleet.history.silence(hush)
    bot = ward.bot()
    await bot.take(delivery(alert(instance="node-3")))
    await bot.settle()
    (proposal,) = ward.proposals
    assert (
        proposal.refused == {"maintenance": "maintenance: new kernel", "silence": "silenced by slack:U1: we know"}[what]
    )
    assert not ward.world.journal.records
    ward.world.clock.tick(3_601)
    await bot.take(delivery(alert(instance="node-3"), group="after"))
    await bot.settle()
    assert len(ward.world.journal.records) == 1


async def test_a_delivery_that_was_not_acknowledged_leaves_no_trace_but_a_free_slot(world: World) -> None:
    bot = world.bot(journal=Dying(world.journal, Count(3)))
    with pytest.raises(Killed):
        await bot.take(delivery(alert(instance="node-3")))
    fresh = world.bot()
    await fresh.settle()
    assert not world.chat.told


async def test_a_store_that_cannot_be_written_takes_nothing_and_goes_on_afterwards(world: World) -> None:
    bot = world.bot()
    world.journal.down = "disk full"
    with pytest.raises(JournalDown):
        await bot.take(delivery(alert(instance="node-3")))
    world.journal.down = ""
    await bot.take(delivery(alert(instance="node-3")))
    await bot.settle()
    assert len(world.messages) == 1


async def test_a_slot_that_cannot_be_read_stops_nobody(world: World) -> None:
    bot = world.bot()
    await bot.take(delivery(alert(instance="node-3")))
    await bot.take(delivery(alert(instance="node-4"), group="other"))
    world.journal.memory["alert-inbox", "0"] = {"version": "3"}
    await bot.settle()
    assert len(world.messages) == 1


async def test_the_worker_goes_on_over_faults_and_ends_when_told(world: World) -> None:
    """The loop itself: a broken file first, then a store that is away, then all is well."""
    bot = world.bot()
    await bot.take(delivery(alert(instance="node-3")))
    world.routes.broken = "alerts.yaml:1: unknown key"
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(bot.run())
        await _until(lambda: bot.trouble == "alerts.yaml:1: unknown key")
        world.routes.broken, world.journal.down = "", "disk full"
        await _until(lambda: bot.trouble == "disk full")
        world.journal.down = ""
        await _until(lambda: bool(world.chat.threads) and not bot.intake.open)
        assert not bot.trouble
        for number in range(6):  # several groups at the same time, each once
            await bot.take(delivery(alert(instance="node-4"), group=f"g{number}"))
        await _until(lambda: len(world.chat.threads) == 7 and not bot.intake.open)
        working.cancel()
    assert len(world.doctor.asked) == len(world.messages) == 7


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)
