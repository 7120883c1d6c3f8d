"""A month of 200 hosts with scripted faults: every change is told within one sweep, none twice, and no storm.

The clock is a fake, the chat and the store are in memory; everything else is what serves: the plan's due times and
what is made of missed ones, reading, parsing, the shipped playbooks, judging, the life of faults, digests, silences and
the desk. Hosts answer with recorded visits; each distinct one is judged once for each host, and the report used again.
Measures and kernel settings stand still: forecasts and comparisons with the fleet are shown elsewhere.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.actions import catalog as actions
from bot.adapters.files.playbooks import load_playbooks
from bot.core.ask import Ask
from bot.core.digest import News
from bot.core.fault import HOST_UNREAD
from bot.core.faults import unread
from bot.core.fire import Fire, Phase, key_of
from bot.core.host import Host, Inventory
from bot.core.outline import roots
from bot.core.policy import Actor
from bot.core.report import Severity
from bot.core.retention import Retention
from bot.core.rota import Settled, settle
from bot.core.schedule import next_begin
from bot.core.silence import Wanted, silenced
from bot.core.sweep import Cron, Every, Plan, Quiet, Silence, Sweep, Tuning
from bot.core.window import Window, why_inside
from bot.engine.silences import Silences
from bot.probes import catalog as probes
from tests.fakes.approval import ALICE, slack
from tests.fakes.fleet import Fleet
from tests.fakes.recorded import Episode, Replayed, Script

START = datetime(2030, 3, 11, tzinfo=UTC)
"""The clocks of Berlin are put forward on the 31st."""
DAYS = 30
END = START + timedelta(days=DAYS)
HOSTS = [f"node-{number:03}" for number in range(1, 201)]
DB = HOSTS[:40]
BOOKS = ("rp-filter", "dns", "tx-queue", "udp", "listen-queue", "socket-fds", "ports", "interfaces", "neighbours")
NET, DBA = "C-NET", "C-DBA"
SWEEPS = (
    Sweep("fleet", Every(3_600), "all", NET, playbooks=BOOKS, owner="alice", jitter=120, quiet=Quiet.SILENT),
    Sweep("nightly", Cron("30 2 * * *"), "all", NET, zone="Europe/Berlin", playbooks=BOOKS, owner="alice"),
    Sweep(
        "db", Every(3_600), "role=db", DBA, playbooks=BOOKS, owner="bob", quiet=Quiet.SILENT,
        tuning=Tuning(open_after=2, resolve_after=2),
        quiet_hours=tuple(
            Window("night", weekly=((day * 24 + 22) * 60, ((day + 1) % 7 * 24 + 6) * 60), zone="Europe/Berlin")
            for day in range(7)
        ),
    ),
)  # fmt: skip
CONFIRM = {NET: 1, DBA: 2}
"""After so many looks that could tell and be told, a channel must know."""
FLAPPED = 4
"""Days for which some hosts flap."""
Key = tuple[str, str]
APPEARS = {News.NEW, News.REOPENED, News.FORECAST}


def at(day: float, hour: float = 0) -> datetime:
    """A moment of the month, days counted from 1."""
    return START + timedelta(days=day - 1, hours=hour)


@dataclass
class Month:
    """The script, and when what was read, told or asked."""

    fleet: Fleet
    script: Script
    eyes: Replayed
    flapping: set[str] = field(default_factory=set)
    deaf: tuple[datetime, datetime] = (at(17, 9), at(17, 13))
    """The chat takes nothing."""
    down: tuple[datetime, datetime] = (at(18, 1), at(18, 4))
    """The store is down."""
    off: tuple[datetime, datetime] = (at(19, 1), at(19, 7))
    """The bot is not running."""
    runs: list[tuple[datetime, Sweep, str]] = field(default_factory=list)
    """When each run judged, and the key of its message."""
    answers: list[tuple[datetime, str, str]] = field(default_factory=list)
    """When which channel asked about which host."""
    silences: list[Silence] = field(default_factory=list)
    naive: int = 0
    """Messages that sweeps without a memory would have posted: one for each run that found anything."""


def within(span: tuple[datetime, datetime], now: datetime) -> bool:
    return span[0] <= now < span[1]


def written(script: Script) -> set[str]:
    """The month's faults; the hosts that flap are given back."""
    chance = random.Random(4)
    spare = iter(chance.sample(HOSTS[40:], 150))

    def some(number: int) -> list[str]:
        return [next(spare) for _ in range(number)]

    def add(host: str, state: str, begin: datetime, hours: float, period: int = 0) -> None:
        script.add(Episode(host, state, begin, begin + timedelta(hours=hours), period))

    for host in some(25):  # they come, stay for hours or days, and go
        begin = START + timedelta(minutes=chance.randrange(60, 25 * 1_440))
        add(host, chance.choice(["strict", "dns", "stuck", "udp", "overflow", "leak"]), begin, chance.uniform(2, 90))
    for host in some(60):  # somebody rolls out a setting, and takes it back
        add(host, "strict", at(12, 10.1), 5.3)
    for host in some(5):  # gone for a day, and back
        add(host, "leak", at(5, 9), 24)
        add(host, "leak", at(7, 9), 60)
    for number, host in enumerate(some(12)):  # a rack loses power; some of its hosts had faults before
        add(host, "unreachable", at(9, 3.2), 6)
        if number < 4:
            add(host, "stuck", at(8, 12), 40)
    flapping = {*some(3), *some(1)}
    for number, host in enumerate(sorted(flapping)):  # every other sweep finds them faulty, or not at all
        add(host, "dns" if number else "unreachable", at(14, 1), FLAPPED * 24, period=3_600)
    hushed, kept = some(2), some(2)
    for host in hushed:  # these are mended before their silence is over
        add(host, "overflow", at(21, 2), 6)
    for host in kept:
        add(host, "overflow", at(21, 2), 30)
    script.hushed = (*hushed, *kept)  # type: ignore[attr-defined]
    add(DB[0], "udp", at(3, 21.6), 10)  # a warning in the quiet hours of its owners
    add(DB[1], "stuck", at(3, 22.6), 10)  # critical there
    add(DB[2], "udp", at(4, 0.6), 2)  # it comes and goes while they sleep
    for host in DB[10:14]:  # during maintenance
        add(host, "unreachable", at(20, 0.5), 2)
    add(DB[12], "strict", at(20, 3), 60)
    add(DB[15], "leak", at(24, 9.7), 30)  # somebody sees it first, and asks
    add(DB[16], "leak", at(17, 10.2), 1)  # it comes and goes while the chat takes nothing
    add(DB[17], "leak", at(17, 10.2), 10)
    add(DB[18], "leak", at(19, 3.2), 30)  # while the bot is off
    return flapping


@pytest.fixture
def month(monkeypatch: pytest.MonkeyPatch) -> Month:
    books = load_playbooks(Path(__file__).parents[2] / "playbooks", probes(), actions())
    maintenance = (Window("new kernels", "role=db", at(20), at(20, 6)),)
    plan = Plan({sweep.name: sweep for sweep in SWEEPS}, maintenance)
    fleet = Fleet(plan=plan, playbooks=books)
    fleet.clock.time = START
    fleet.inventory = Inventory(
        hosts={
            name: Host(name=name, address="192.0.2.1", labels={"role": "db" if name in DB else "app"}, groups=())
            for name in HOSTS
        }
    )
    fleet.history.retention = Retention(visits=6 * 3_600, fires=8 * 86_400)
    script = Script()
    flapping = written(script)
    eyes = fleet.eyes = Replayed(fleet.clock, script)  # type: ignore[assignment]
    monkeypatch.setattr("bot.engine.reading.judge", eyes.judge)
    fleet.sweeper = fleet.process()
    return Month(fleet, script, eyes, flapping)


async def lived(month: Month) -> None:
    """The month goes by: whatever the plan says is due is run, noted as missed, or told late."""
    fleet, marks = month.fleet, dict.fromkeys((sweep.name for sweep in SWEEPS), START)
    desk = Silences(fleet.history, fleet.journal, fleet.policy, fleet.clock, fleet.inventory, fleet.playbooks)
    plans = sorted([(at(21, 1), "silence"), (at(24, 9.8), "ask")])
    blame, thinned = "", START
    while fleet.clock.now() < END:
        begin, sweep = min(((due, one) for one in SWEEPS if (due := next_begin(one, fleet.clock.now()))), key=_first)
        while plans and plans[0][0] < begin:
            fleet.clock.time, what = plans.pop(0)
            await (silence(month, desk) if what == "silence" else ask(month, DB[15]))
        fleet.clock.time = begin
        fleet.herald.deaf = within(month.deaf, begin)
        fleet.history.down = "no space left on device" if within(month.down, begin) else ""
        if within(month.off, begin):
            blame = "the bot was not running"
            continue
        if fleet.history.down:
            blame = "the store could not be reached"
            await fleet.sweeper.trouble(sweep, fleet.history.down)
            continue
        for one in SWEEPS:
            await settled(month, one, marks, blame)
        blame = ""
        if begin - thinned > timedelta(hours=3):
            thinned = begin
            await fleet.history.thin(begin)


def _first(pair: tuple[datetime, Sweep]) -> tuple[datetime, str]:
    return pair[0], pair[1].name


async def settled(month: Month, sweep: Sweep, marks: dict[str, datetime], blame: str) -> None:
    """What the plan asks of one sweep now, as the scheduler has it done."""
    fleet, history = month.fleet, month.fleet.history
    now = fleet.clock.now()
    if not fleet.herald.deaf:
        for fire in reversed(await history.fires(sweep.name, phases=(Phase.JUDGED,))):
            await fleet.sweeper.retell(sweep, fire)
    if settle(sweep, now, marks[sweep.name]) == Settled(marks[sweep.name]):
        return
    known = await history.fires(sweep.name, since=marks[sweep.name], limit=1_000)
    found = settle(sweep, now, marks[sweep.name], known, blame=blame)
    await history.note(found.notes)
    if found.due is not None:
        fire = await history.claim(Fire(sweep.name, found.due, Phase.RUNNING, owner="bot", beat=now), lease=60)
        assert fire is not None, "no run twice"
        month.runs.append((now, sweep, key_of(fire)))
        await fleet.sweeper.run(sweep, fire)
    marks[sweep.name] = found.mark


async def silence(month: Month, desk: Silences) -> None:
    for host in month.script.hushed:  # type: ignore[attr-defined]
        made = await desk.add(Wanted(host, "accept-queue-*", 12 * 3_600, "a load test"), slack(ALICE))
        month.silences.append(made)


async def ask(month: Month, host: str) -> None:
    month.answers.append((month.fleet.clock.now(), NET, host))
    await month.fleet.desk().diagnose(Ask(Actor("slack", ALICE), host, BOOKS, {}, NET), lambda _: None)


# --- what must be so --------------------------------------------------------------------------------------------------


def truth(month: Month, host: str, now: datetime) -> Mapping[Key, tuple[str, Severity]] | None:
    """The root causes of a host at a moment, from the recording alone; None when it cannot be read."""
    state = month.script.state(host, now)
    if state == "unreachable":
        return None
    report = month.eyes.judged[host, state]
    return {
        (host, finding.fingerprint): (finding.id, finding.severity)
        for finding in roots(report)
        if finding.severity is not Severity.INFO
    }


def tellings(month: Month, channel: str) -> Iterator[tuple[datetime, Key, str]]:
    """What the channel was told, run by run: (when, fault, news)."""
    by_key = {key: when for when, _, key in month.runs}
    for key, message in month.fleet.herald.messages.items():
        if message.channel == channel and message.digests:
            said = message.digests[-1]
            for item in said.items:
                for place in item.places:
                    yield by_key[key], (place.host, place.fingerprint), item.news.value
            for part in said.blind:
                if part.whole and part.news:
                    yield from ((by_key[key], (host, unread(host)), "new") for host in part.hosts)
            yield from ((by_key[key], (host, unread(host)), "resolved") for host in said.sighted)


@pytest.mark.timeout(900)  # some forty seconds of CPU, which a busy machine takes its time to give
async def test_a_month_of_a_fleet(month: Month, capsys: pytest.CaptureFixture[str]) -> None:
    await lived(month)
    for channel in (NET, DBA):
        check(month, channel)
    messages = month.fleet.herald.messages
    items = [item for message in messages.values() if message.digests for item in message.digests[-1].items]
    rollout = [item for item in items if item.id == "rp-filter-drops" and len(item.places) > 50]
    assert [(item.news, len(item.places)) for item in rollout if item.news is not News.REMIND] == [
        (News.NEW, 60), (News.RESOLVED, 60),
    ]  # fmt: skip
    nights = [when for when, sweep, _ in month.runs if sweep.name == "nightly"]
    days = [night.astimezone(ZoneInfo("Europe/Berlin")).date() for night in nights]
    assert len(days) == len(set(days)) == DAYS - 2, "one each night, also when the clocks change, but for two missed"
    told = [line for message in messages.values() if message.digests for line in message.digests[-1].missed]
    assert sum("the bot was not running" in line for line in told) == 3, "each sweep tells what it missed"
    assert sum("the store could not be reached" in line for line in told) == 3
    assert sum("store is down" in message.title for message in messages.values()) == 2, "each channel once"
    with capsys.disabled():
        print(figures(month))


def check(month: Month, channel: str) -> None:
    """None told twice, none told that is not so, every change told in time."""
    told: dict[Key, dict[datetime, str]] = {}
    for when, key, news in tellings(month, channel):
        if news != "remind":
            assert when not in told.setdefault(key, {}), "once in a message"
            told[key][when] = news
    scripted = {episode.host for episode in month.script.episodes}
    assert {host for host, _ in told} <= scripted, "nothing of hosts that were well"
    listener = Listener(month, channel, told)
    for when, sweep in ((when, sweep) for when, sweep, _ in month.runs if sweep.channel == channel):
        hosts = [name for name in sorted(scripted) if sweep.target == "all" or name in DB]
        found = {name: truth(month, name, when) for name in hosts}
        month.naive += any(here is None or here for here in found.values())
        for name, here in found.items():
            if name not in month.flapping:
                listener.look(sweep, when, name, here)
    for (host, fingerprint), found_ in told.items():
        if host in month.flapping:
            words = list(found_.values())
            reminders = FLAPPED if fingerprint == unread(host) else 0  # they stand among the unknown
            assert words.count("flapping") == 1, words
            assert len(words) <= 6 + reminders, words


@dataclass
class Listener:
    """Somebody in the channel who knows what is so, and compares it with what was said."""

    month: Month
    channel: str
    told: Mapping[Key, Mapping[datetime, str]]
    belief: dict[Key, bool] = field(default_factory=dict)
    behind: Counter[Key] = field(default_factory=Counter)
    severities: dict[Key, tuple[str, Severity]] = field(default_factory=dict)

    def look(self, sweep: Sweep, when: datetime, name: str, here: Mapping[Key, tuple[str, Severity]] | None) -> None:
        """One host in one run: `here` are its faults, None when it cannot be read."""
        self.severities |= here or {}
        for asked, where, host in self.month.answers:
            if (where, host) == (self.channel, name) and asked < when:
                self.belief |= {key: True for key in truth(self.month, host, asked) or () if key not in self.belief}
        dark = (name, unread(name))
        known = {key for key in (*self.belief, *(here or ())) if key[0] == name and key != dark}
        for key in known:
            self.compare(sweep, when, key, None if here is None else key in here)
        self.compare(sweep, when, dark, here is None)

    def compare(self, sweep: Sweep, when: datetime, key: Key, so: bool | None) -> None:
        said = self.told.get(key, {}).get(when)
        if said is not None:
            appears = News(said) in APPEARS
            assert self.belief.get(key, False) is not appears, f"{key} was told twice: {said} at {when}"
            assert so is appears, f"{key} is not so: {said} at {when}"
            self.belief[key] = appears
        if so is None or self.belief.get(key, False) is so:
            self.behind[key] = 0 if so is not None else self.behind[key]
        elif not self.held(sweep, when, key, so):
            self.behind[key] += 1
            late = f"{key} was not told in {self.channel} by {when}: {so}"
            assert self.behind[key] < CONFIRM[self.channel], late

    def held(self, sweep: Sweep, when: datetime, key: Key, so: bool) -> bool:
        """Whether it may go untold for now."""
        host = self.month.fleet.inventory.hosts[key[0]]
        ident, severity = self.severities.get(key, (HOST_UNREAD, Severity.WARNING))
        return bool(
            why_inside(self.month.fleet.plans.now.maintenance, when, host)
            or silenced(self.month.silences, host, ident, when)
            or (why_inside(sweep.quiet_hours, when) and not (so and severity is Severity.CRITICAL))
            or within(self.month.deaf, when)
        )


def figures(month: Month) -> str:
    """What a reader wants to know: how much was looked at, and how little was said."""
    messages = month.fleet.herald.messages
    per_day: dict[str, Counter[int]] = {NET: Counter(), DBA: Counter()}
    kinds: Counter[str] = Counter()
    by_key = {key: when for when, _, key in month.runs}
    for key, message in messages.items():
        if message.digests:
            per_day[message.channel][(by_key[key] - START).days + 1] += 1
            kinds.update(item.news.value for item in message.digests[-1].items)
    runs = Counter(sweep.name for _, sweep, _ in month.runs)
    ran = ", ".join(f"{name} {number}" for name, number in runs.items())
    lines = [
        f"a month: {len(HOSTS)} hosts, {DAYS} days, {sum(runs.values())} runs ({ran}), {month.eyes.visits} visits",
        f"  {len(month.eyes.judged)} distinct visits judged, {len(month.script.episodes)} scripted episodes",
        f"  items: {', '.join(f'{name} {number}' for name, number in kinds.most_common())}",
    ]
    for channel, days in per_day.items():
        posted = sum(days.values())
        lines += [
            f"  {channel}: {posted} messages, {posted / DAYS:.1f} a day, most {max(days.values())}",
            f"    by day: {' '.join(str(days[day]) for day in range(1, DAYS + 1))}",
        ]
    lines.append(
        f"  told anew at each run, the same would have been {month.naive} messages, {month.naive / DAYS:.0f} a day"
    )
    return "\n".join(["", *lines])
