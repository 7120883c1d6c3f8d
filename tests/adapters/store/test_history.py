"""Every history keeps the same promises: the store on SQLite (and PostgreSQL), and the one in memory that tests use."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.store import Store
from bot.adapters.store.past.thin import CHUNK
from bot.core import halt as halting
from bot.core.digest import Digest, Heard
from bot.core.fault import Fault, Stage, Told
from bot.core.fire import Fire, Phase
from bot.core.host import HostFailure
from bot.core.measure import Measure
from bot.core.passing import LASTING, PASSING
from bot.core.past import Norm, Point, Setting
from bot.core.report import HostReport, Severity, Status
from bot.core.retention import Retention
from bot.core.sweep import Pause, Silence
from bot.engine.ports import Journal, JournalDown
from bot.engine.sweep_ports import History, Visited
from tests.adapters.store.databases import KINDS, open_new
from tests.fakes.approval import ALICE, POLICY, slack
from tests.fakes.clock import START, FakeClock
from tests.fakes.history import MemoryHistory
from tests.fakes.journal import MemoryJournal

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LEASE = 60.0


@pytest.fixture(params=[*KINDS, "memory"])
async def history(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[History]:
    if request.param == "memory":
        yield MemoryHistory()
        return
    url = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    store = await open_new(tmp_path / "state", url)
    yield store.history
    await store.close()


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def fire(due: datetime = START, *, owner: str = "one", beat: datetime = START, **fields: Any) -> Fire:
    values: dict[str, Any] = {"sweep": "fleet", "phase": Phase.RUNNING, "run": "r1", "begun": beat}
    return Fire(due=due, owner=owner, beat=beat, **(values | fields))


def digest(**fields: Any) -> Digest:
    values: dict[str, Any] = {"sweep": "fleet", "due": START, "run": "r1", "begun": START, "seconds": 1.5}
    return Digest(**(values | {"hosts": {Status.OK: 2}} | fields))


def fault(host: str = "node-1", fingerprint: str = "f1", stage: Stage = Stage.OPEN, **fields: Any) -> Fault:
    values: dict[str, Any] = {"id": "accept-queue", "playbook": "listen-queue", "severity": Severity.WARNING}
    times = {"first": START, "since": START, "last": START}
    return Fault(host=host, fingerprint=fingerprint, stage=stage, **(values | times | fields))


def measure(value: float, id_: str = "tcp-sockets", **fields: Any) -> Measure:
    return Measure(id=id_, playbook="sockets", value=value, **fields)


def seen(host: str = "node-1", status: Status = Status.OK, **fields: Any) -> HostReport:
    return HostReport(host=host, status=status, **fields)


def visited(*hosts: HostReport, at: datetime = START, faults: Sequence[Fault] = (), **fields: Any) -> Visited:
    return Visited(at=at, run=fields.get("run", "r1"), hosts=hosts, faults=faults, sweep=fields.get("sweep", ""))


# --- runs ----------------------------------------------------------------------------------------------------------


async def test_a_run_is_claimed_once(history: History) -> None:
    mine = await history.claim(fire(), lease=LEASE)
    assert mine == fire()
    assert await history.claim(fire(owner="two"), lease=LEASE) is None
    assert await history.claim(fire(), lease=LEASE) is None
    assert await history.fires() == [fire()]


async def test_of_many_claims_at_once_one_is_first(history: History) -> None:
    claims = [history.claim(fire(owner=f"process-{number}"), lease=LEASE) for number in range(12)]
    taken = [found for found in await asyncio.gather(*claims) if found is not None]
    assert len(taken) == 1
    assert await history.fires() == taken


async def test_a_run_whose_owner_is_silent_for_longer_than_the_lease_is_taken_over(history: History) -> None:
    await history.claim(fire(), lease=LEASE)
    assert await history.claim(fire(owner="two", beat=after(LEASE), run="r2"), lease=LEASE) is None
    taken = await history.claim(fire(owner="two", beat=after(LEASE + 1), run="r2"), lease=LEASE)
    assert taken == replace(fire(), owner="two", beat=after(LEASE + 1), attempt=2)
    assert await history.fires() == [taken]


async def test_a_beat_keeps_a_run(history: History) -> None:
    await history.claim(fire(), lease=LEASE)
    assert await history.beat("fleet", START, "one", after(50))
    assert await history.claim(fire(owner="two", beat=after(100)), lease=LEASE) is None
    assert await history.claim(fire(owner="two", beat=after(111)), lease=LEASE)
    assert not await history.beat("fleet", START, "one", after(112))
    assert not await history.beat("fleet", after(1), "two", after(112))
    assert not await history.beat("other", START, "two", after(112))


async def test_a_clock_that_was_set_back_far_leaves_no_run_undone(history: History) -> None:
    await history.claim(fire(beat=after(86_400)), lease=LEASE)
    assert await history.claim(fire(owner="two", beat=after(86_400 - 100)), lease=LEASE) is None
    assert await history.claim(fire(owner="two"), lease=LEASE)


async def test_a_judged_run_is_taken_over_with_its_digest(history: History) -> None:
    mine = await history.claim(fire(), lease=LEASE)
    assert mine
    assert await history.judged(replace(mine, digest=digest()), visited())
    taken = await history.claim(fire(owner="two", beat=after(61), run="r2"), lease=LEASE)
    assert taken is not None
    assert (taken.phase, taken.run, taken.digest, taken.attempt) == (Phase.JUDGED, "r1", digest(), 2)


@pytest.mark.parametrize("phase", [Phase.TOLD, Phase.SKIPPED, Phase.FAILED])
async def test_a_run_that_is_over_is_nobodys_to_claim(history: History, phase: Phase) -> None:
    mine = await history.claim(fire(), lease=LEASE)
    assert mine
    assert await history.move(replace(mine, phase=phase, ended=after(5), why="", told=True))
    assert await history.claim(fire(owner="two", beat=after(1000)), lease=LEASE) is None


async def test_a_missed_run_is_begun_after_all(history: History) -> None:
    await history.note([fire(phase=Phase.MISSED, owner="", beat=None, why="the bot was down")])
    taken = await history.claim(fire(owner="two"), lease=LEASE)
    assert taken == fire(owner="two")


async def test_a_claim_that_does_not_say_when_is_refused(history: History) -> None:
    with pytest.raises(ValueError, match="no beat"):
        await history.claim(replace(fire(), beat=None), lease=LEASE)


async def test_runs_that_did_not_happen_are_noted_once(history: History) -> None:
    missed = [fire(after(n * 60), owner="", beat=None, phase=Phase.MISSED, why="down") for n in range(3)]
    assert await history.note(missed[:2]) == missed[:2]
    assert await history.note(missed) == missed[2:]
    assert await history.note([]) == []
    assert await history.fires(phases=[Phase.MISSED]) == missed[::-1]


async def test_a_noted_run_is_not_noted_over_one_that_ran(history: History) -> None:
    await history.claim(fire(), lease=LEASE)
    assert await history.note([fire(phase=Phase.MISSED)]) == []
    assert (await history.fires())[0].phase is Phase.RUNNING


async def test_runs_are_listed_newest_first_by_sweep_phase_and_time(history: History) -> None:
    for number in range(4):
        await history.claim(fire(after(number * 60)), lease=LEASE)
    other = fire(after(90), sweep="other")
    await history.claim(other, lease=LEASE)
    assert [found.due for found in await history.fires()] == [after(n) for n in (180, 120, 90, 60, 0)]
    assert [found.due for found in await history.fires("fleet", limit=2)] == [after(180), after(120)]
    assert await history.fires("other") == [other]
    assert [found.due for found in await history.fires(since=after(120))] == [after(180), after(120)]
    assert await history.fires(phases=[Phase.TOLD, Phase.JUDGED]) == []


async def test_what_was_told_of_a_run_is_stored(history: History) -> None:
    mine = await history.claim(fire(), lease=LEASE)
    assert mine
    done = replace(mine, phase=Phase.FAILED, why="nothing answered", ended=after(9), told=True)
    assert await history.move(done)
    assert await history.fires() == [done]


async def test_a_run_that_was_taken_over_is_not_moved_by_who_lost_it(history: History) -> None:
    lost = await history.claim(fire(), lease=LEASE)
    taken = await history.claim(fire(owner="two", beat=after(61)), lease=LEASE)
    assert lost
    assert taken
    assert not await history.move(replace(lost, phase=Phase.FAILED))
    again = await history.claim(fire(owner="one", beat=after(200)), lease=LEASE)
    assert not await history.move(replace(lost, phase=Phase.FAILED)), "the same owner, but an attempt before"
    assert await history.fires() == [again]


# --- one transaction -----------------------------------------------------------------------------------------------


async def test_a_run_is_judged_with_everything_that_it_saw(history: History) -> None:
    mine = await history.claim(fire(), lease=LEASE)
    assert mine
    host = seen(measures=(measure(5, limit=10),), settings={"host net.core.somaxconn": "128"})
    judged = replace(mine, phase=Phase.JUDGED, digest=digest(grid={"node-1": (Status.OK,)}))
    assert await history.judged(judged, visited(host, faults=[fault()], sweep="fleet"))
    assert await history.fires() == [judged]
    assert await history.faults() == [fault()]
    assert await history.statuses(["node-1"], sweep="fleet", last=5) == {"node-1": [(START, "ok")]}
    assert await history.series("node-1", "tcp-sockets", since=START) == [Point(START, 0, 1, 5, 5, 5, 10)]
    assert await history.settings(["node-1"]) == [Setting("node-1", "host net.core.somaxconn", "128", START)]


async def test_a_run_that_was_lost_stores_nothing(history: History) -> None:
    lost = await history.claim(fire(), lease=LEASE)
    taken = await history.claim(fire(owner="two", beat=after(61)), lease=LEASE)
    assert lost
    assert not await history.judged(replace(lost, digest=digest()), visited(seen(), faults=[fault()], sweep="fleet"))
    assert await history.fires() == [taken]
    assert await history.faults() == []
    assert await history.statuses(["node-1"], sweep="fleet", last=5) == {"node-1": []}


async def test_a_run_is_judged_once_however_often_it_is_asked(history: History) -> None:
    mine = await history.claim(fire(), lease=LEASE)
    assert mine
    judged = replace(mine, phase=Phase.JUDGED, digest=digest())
    assert await history.judged(judged, visited(seen(), faults=[fault()], sweep="fleet"))
    await history.put_faults([fault(told={"C1": told()})])
    assert await history.judged(judged, visited(seen(), faults=[fault(), fault("node-2")], sweep="fleet"))
    assert await history.faults() == [fault(told={"C1": told()})], "stored twice"
    await history.move(replace(judged, phase=Phase.TOLD))
    assert not await history.judged(judged, visited())


async def test_a_run_that_nobody_claimed_is_not_judged(history: History) -> None:
    assert not await history.judged(replace(fire(), digest=digest()), visited(seen(), faults=[fault()]))
    assert await history.faults() == []


# --- faults --------------------------------------------------------------------------------------------------------


def told(stage: Stage = Stage.OPEN, at: datetime = START, by: str = "") -> Told:
    return Told(stage=stage, severity=Severity.WARNING, at=at, by=by)


async def test_faults_come_back_as_they_were_by_host_and_fingerprint(history: History) -> None:
    hostile = fault(
        summary='web\x1b[31m "quoted" \u202e 网络', changes=(START, after(60)), told={"": told(), "C1": told()}
    )
    await history.visited(visited(faults=[fault("node-2"), fault(fingerprint="f2"), hostile]))
    assert await history.faults() == [hostile, fault(fingerprint="f2"), fault("node-2")]
    assert await history.faults(hosts=["node-2"]) == [fault("node-2")]
    assert await history.faults(hosts=[]) == []
    assert await history.faults(outside=["node-1", "node-7"]) == [fault("node-2")]


async def test_resolved_faults_are_asked_for_by_when_they_were(history: History) -> None:
    gone = fault(fingerprint="gone", stage=Stage.RESOLVED, changes=(START, after(100)))
    going = fault(fingerprint="going", stage=Stage.GOING, changes=(START,))
    bare = fault(fingerprint="bare", stage=Stage.RESOLVED, last=after(50))
    away = fault("node-2", "away", stage=Stage.LEFT, changes=(START, after(40)))
    await history.visited(visited(faults=[gone, going, bare, away]))
    assert await history.faults() == [going]
    assert await history.faults(outside=["node-1"], since=after(39)) == [away]
    assert await history.faults(since=after(99)) == [going, gone]
    assert await history.faults(since=after(100)) == [going]
    assert await history.faults(since=after(49)) == [bare, going, gone]


async def test_a_fault_is_replaced_by_what_it_is_now(history: History) -> None:
    await history.visited(visited(faults=[fault(stage=Stage.SEEN)]))
    worse = fault(severity=Severity.CRITICAL, streak=2, last=after(60))
    await history.visited(visited(faults=[worse]))
    assert await history.faults() == [worse]


def said(fingerprint: str = "f1", by: str = "r1", was: Told | None = None) -> Heard:
    before = was.at if was else None
    return Heard(host="node-1", fingerprint=fingerprint, told=told(at=after(10), by=by), before=before, was=was)


async def test_of_two_that_would_tell_the_same_one_may_and_may_again(history: History) -> None:
    await history.visited(visited(faults=[fault(), fault(fingerprint="f2")]))
    assert await history.tell("C1", [said()]) == (said(),)
    assert await history.tell("C1", [said(by="r2"), said("f2", by="r2")]) == (said("f2", by="r2"),)
    assert await history.tell("C1", [said()]) == (said(),), "it died, and comes again"
    assert await history.tell("C2", [said(by="r2")]) == (said(by="r2"),)
    assert await history.tell("C1", []) == ()
    found = {one.fingerprint: one.told for one in await history.faults()}
    assert found == {"f1": {"C1": said().told, "C2": said(by="r2").told}, "f2": {"C1": said(by="r2").told}}


async def test_what_the_chat_did_not_take_is_taken_back_unless_others_told_it(history: History) -> None:
    await history.visited(visited(faults=[fault(told={"C1": told()}), fault(fingerprint="f2")]))
    mine = [said(was=told()), said("f2")]
    assert await history.tell("C1", mine) == tuple(mine)
    await history.put_faults([fault(fingerprint="f2", told={"C1": told(at=after(20))})])
    await history.untell("C1", mine)
    assert [one.told for one in await history.faults()] == [{"C1": told()}, {"C1": told(at=after(20))}]
    assert await history.tell("C1", mine) == (mine[0],)


async def test_a_run_that_began_before_stores_nothing_of_what_channels_were_told(history: History) -> None:
    await history.visited(visited(faults=[fault()]))
    await history.tell("C1", [said()])
    (known,) = await history.faults()
    await history.untell("C1", [said()])
    mine = await history.claim(fire(), lease=LEASE)
    assert mine is not None
    assert await history.judged(mine, visited(faults=[known.model_copy(update={"streak": 2})]))
    assert [(one.streak, one.told) for one in await history.faults()] == [(2, {})]


async def test_what_a_channel_was_told_is_never_forgotten_by_a_sweep_that_began_before(history: History) -> None:
    await history.visited(visited(faults=[fault()]))
    await history.put_faults([fault(told={"C1": told(at=after(10))})])
    later = fault(last=after(60), told={"C2": told(at=after(5)), "C1": told(at=after(9))})
    await history.visited(visited(faults=[later]))
    (found,) = await history.faults()
    assert found == later.model_copy(update={"told": {"C1": told(at=after(10)), "C2": told(at=after(5))}})


async def test_who_tells_changes_nothing_of_what_is_so(history: History) -> None:
    await history.visited(visited(faults=[fault(last=after(60), streak=5)]))
    await history.put_faults([fault(streak=1, told={"C1": told()}), fault("node-9", told={"C1": told()})])
    assert await history.faults() == [
        fault(last=after(60), streak=5, told={"C1": told()}),
        fault("node-9", told={"C1": told()}),
    ]


# --- statuses ------------------------------------------------------------------------------------------------------


async def test_the_heat_map_is_the_newest_runs_of_one_sweep(history: History) -> None:
    for number, status in enumerate([Status.OK, Status.CRITICAL, Status.UNKNOWN]):
        hosts = [seen("node-1", status)] + ([seen("node-2")] if number != 1 else [])
        await history.visited(visited(*hosts, at=after(number), sweep="fleet", run=f"r{number}"))
    await history.visited(visited(seen("node-1", Status.WARNING), at=after(9), sweep="other"))
    await history.visited(visited(seen("node-1", Status.WARNING), at=after(9)))
    assert await history.statuses(["node-1", "node-2", "node-9"], sweep="fleet", last=2) == {
        "node-1": [(after(1), "critical"), (after(2), "unknown")],
        "node-2": [(after(2), "ok")],
        "node-9": [],
    }
    assert await history.statuses(["node-1"], sweep="fleet", last=0) == {"node-1": []}
    assert await history.statuses(["node-1"], sweep="none", last=5) == {"node-1": []}


async def test_a_host_that_could_not_be_read_is_a_visit_with_a_reason(history: History) -> None:
    failure = HostFailure(cause="unreachable", reason="no route \0 to \udcff host", remedy="")
    await history.visited(visited(seen(status=Status.UNKNOWN, failure=failure), sweep="fleet"))
    assert await history.statuses(["node-1"], sweep="fleet", last=1) == {"node-1": [(START, "unknown")]}
    assert await history.keys("node-1") == []


# --- measures ------------------------------------------------------------------------------------------------------


async def test_measures_are_kept_by_their_key(history: History) -> None:
    scoped = measure(3, "accept-queue", scope={"netns": "host", "pid": 7}, limit=128)
    await history.visited(visited(seen(measures=(measure(5), scoped))))
    await history.visited(visited(seen("node-2", measures=(measure(7),)), at=after(1)))
    key = 'accept-queue {"netns":"host"}'
    assert await history.keys("node-1") == [key, "tcp-sockets"]
    assert await history.keys("node-9") == []
    found = await history.series_of(["node-1", "node-2", "node-9"], since=START)
    assert found == {
        ("node-1", key): [Point(START, 0, 1, 3, 3, 3, 128)],
        ("node-1", "tcp-sockets"): [Point(START, 0, 1, 5, 5, 5)],
        ("node-2", "tcp-sockets"): [Point(after(1), 0, 1, 7, 7, 7)],
    }
    assert await history.series_of(["node-1", "node-2"], since=after(2)) == {}
    assert await history.series_of([], since=START) == {}
    assert await history.series("node-1", "none", since=START) in ([], ())


async def test_processes_of_one_name_are_one_point_with_several_values(history: History) -> None:
    workers = [measure(value, "fds", scope={"process": "web", "pid": value}, limit=9) for value in (2, 4, 6)]
    await history.visited(visited(seen(measures=tuple(workers))))
    assert await history.series("node-1", 'fds {"process":"web"}', since=START) == [Point(START, 0, 3, 2, 6, 4, 9)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_what_is_no_number_is_no_value_and_takes_no_other_with_it(history: History, value: float) -> None:
    await history.visited(visited(seen(measures=(measure(value), measure(1, "other", limit=value)))))
    assert await history.keys("node-1") == ["other"]
    assert await history.series("node-1", "other", since=START) == [Point(START, 0, 1, 1, 1, 1)]


async def test_numbers_come_back_exactly(history: History) -> None:
    values = [0.1, 1e-300, 1.7e308, -(2.0**53) - 2, 0.0]
    for number, value in enumerate(values):
        at = START + timedelta(microseconds=number)
        await history.visited(visited(seen(measures=(measure(value),)), at=at))
    points = await history.series("node-1", "tcp-sockets", since=START)
    assert [(point.mean, point.low, point.at.microsecond) for point in points] == [
        (value, value, number) for number, value in enumerate(values)
    ]


async def test_time_is_utc_whatever_zone_it_was_told_in(history: History) -> None:
    there = datetime.fromisoformat("2030-05-13T11:00:00+02:00")
    await history.visited(visited(seen(measures=(measure(1),)), at=there))
    (point,) = await history.series("node-1", "tcp-sockets", since=START)
    assert (point.at, point.at.tzinfo) == (START, UTC)


# --- settings, norms, silences, pauses -----------------------------------------------------------------------------


async def test_a_setting_says_since_when_and_what_it_was_before(history: History) -> None:
    async def see(values: Mapping[str, str], seconds: float) -> Sequence[Setting]:
        await history.visited(visited(seen(settings=values), at=after(seconds)))
        return await history.settings(["node-1"])

    assert await see({"a": "1", "b": "x"}, 0) == [
        Setting("node-1", "a", "1", START),
        Setting("node-1", "b", "x", START),
    ]
    assert (await see({"a": "1"}, 60))[0] == Setting("node-1", "a", "1", START)
    moved = Setting("node-1", "a", "2", after(120), "1")
    assert await see({"a": "2"}, 120) == [moved, Setting("node-1", "b", "x", START)]
    assert (await see({"a": "1"}, 90))[0] == moved, "what was seen before comes late"
    assert (await see({}, 130))[0] == moved
    assert await history.settings(["node-2"]) == []


async def test_what_is_normal_is_learnt_anew(history: History) -> None:
    norm = Norm("host:node-1", "tcp-sockets", 1, 2, 3.5, 40, START)
    role = replace(norm, subject="role:ingress")
    await history.learn([norm, role])
    await history.learn([replace(norm, high=9, learnt=after(1))])
    await history.learn([])
    assert await history.norms(["host:node-1"]) == [replace(norm, high=9, learnt=after(1))]
    assert await history.norms(["role:ingress", "host:node-1", "host:x"]) == [
        replace(norm, high=9, learnt=after(1)),
        role,
    ]


async def test_a_silence_is_in_force_from_its_begin_to_its_end(history: History) -> None:
    silence = Silence("s1", "all", "tcp-*", "slack:U1", "deploy \0", after(10), after(100))
    other = replace(silence, id="s0", begun=after(20))
    await history.silence(silence)
    await history.silence(other)
    ids = {t: [found.id for found in await history.silences(now=after(t))] for t in (9, 10, 20, 99, 100)}
    assert ids == {9: [], 10: ["s1"], 20: ["s1", "s0"], 99: ["s1", "s0"], 100: []}
    await history.silence(replace(silence, ended=after(50)))
    assert [found.id for found in await history.silences(now=after(49))] == ["s1", "s0"]
    assert [found.id for found in await history.silences(now=after(50))] == ["s0"]


async def test_a_pause_is_in_force_until_its_end_and_is_taken_back_by_one_that_ends_now(history: History) -> None:
    pause = Pause("fleet", "alice", "moving racks", after(100))
    await history.pause(pause)
    await history.pause(Pause("fleet-2", "bob", "", after(50)))
    assert await history.pauses(now=START) == [pause, Pause("fleet-2", "bob", "", after(50))]
    assert await history.pauses(now=after(50)) == [pause]
    await history.pause(replace(pause, until=after(60)))
    assert await history.pauses(now=after(60)) == []


# --- age -----------------------------------------------------------------------------------------------------------


async def test_measures_become_coarser_with_age(history: History) -> None:
    for minutes, value in ((0, 2), (15, 4), (45, 9), (60, 1), (26 * 60, 7)):
        at = START + timedelta(minutes=minutes)
        await history.visited(visited(seen(measures=(measure(value, limit=10 + minutes),)), at=at))
    assert (await history.thin(START + 7 * DAY))["measures"] == 0, "the day is not whole yet"
    assert (await history.thin(START + 8 * DAY))["measures"] == 4
    points = await history.series("node-1", "tcp-sockets", since=START)
    assert [(point.at - START, point.step, point.count, point.low, point.high, point.limit) for point in points] == [
        (timedelta(0), 3600, 3, 2, 9, 55),
        (HOUR, 3600, 1, 1, 1, 70),
        (26 * HOUR, 0, 1, 7, 7, 1570),
    ]
    assert points[0].mean == pytest.approx(5)
    assert (await history.thin(START + 8 * DAY))["measures"] == 0
    await history.thin(START + 98 * DAY)
    midnight = START.replace(hour=0)
    days = await history.series("node-1", "tcp-sockets", since=START)
    assert [(point.at, point.step, point.count) for point in days] == [(midnight, 86400, 4), (midnight + DAY, 86400, 1)]
    assert await history.series("node-1", "tcp-sockets", since=midnight + DAY) == days[1:]
    gone = await history.thin(START + 800 * DAY)
    assert gone["measures"] == 2
    assert await history.keys("node-1") == []


async def test_what_comes_late_is_merged_into_what_is_merged(history: History) -> None:
    await history.visited(visited(seen(measures=(measure(2),))))
    await history.thin(START + 9 * DAY)
    await history.visited(visited(seen(measures=(measure(4),)), at=after(60)))
    await history.thin(START + 9 * DAY)
    assert await history.series("node-1", "tcp-sockets", since=START) == [Point(START, 3600, 2, 2, 4, 3)]


async def test_what_is_old_goes_and_what_is_open_stays(history: History) -> None:
    mine = await history.claim(fire(), lease=LEASE)
    assert mine
    gone = fault(fingerprint="gone", stage=Stage.RESOLVED)
    await history.judged(replace(mine, digest=digest()), visited(seen(), faults=[fault(), gone], sweep="fleet"))
    await history.silence(Silence("s1", "all", "*", "slack:U1", "", START, after(60)))
    await history.pause(Pause("fleet", "alice", "", after(60)))
    await history.learn([Norm("host:node-1", "k", 1, 2, 3, 4, START)])
    await history.visited(visited(seen("node-2", settings={"a": "1"})))
    quiet = await history.thin(START + 89 * DAY)
    assert not any(quiet.values()), quiet
    assert (await history.thin(START + 91 * DAY)) == {**quiet, "visits": 2, "digests": 1}
    assert await history.statuses(["node-1"], sweep="fleet", last=1) == {"node-1": []}
    assert [(found.phase, found.digest) for found in await history.fires()] == [(Phase.JUDGED, None)]
    one_each = {"faults": 1, "fires": 1, "silences": 1, "pauses": 1, "settings": 1}
    assert (await history.thin(START + 366 * DAY)) == {**quiet, **one_each}
    assert await history.faults(since=START - DAY) == [fault()]
    assert await history.fires() == []
    assert (await history.thin(START + 731 * DAY)) == {**quiet, "norms": 1}


@pytest.fixture(params=[*KINDS, "memory"])
async def ageing(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Journal, History, FakeClock]]:
    """A journal with its history and its clock; a call of `thin` takes two values of a kind."""
    clock, keep = FakeClock(), Retention(batch=2)
    if request.param == "memory":
        journal = MemoryJournal(clock)
        yield journal, MemoryHistory(keep, journal), clock
        return
    url = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    await (await open_new(tmp_path / "state", url)).close()
    store = await Store.open(tmp_path / "state", clock, url=url, retention=keep)
    yield store, store.history, clock
    await store.close()


Ageing = tuple[Journal, History, FakeClock]


async def test_what_messages_and_runs_needed_goes_with_the_runs_and_nothing_else_does(ageing: Ageing) -> None:
    journal, history, clock = ageing
    kinds = [*PASSING, *LASTING, "of a newer netdiag"]
    for number, kind in enumerate(kinds):
        await journal.replace(kind, "old", {"n": number})
        assert await journal.remember(kind, "said once", {"n": number})
    clock.tick(365 * 86_400)
    for kind in kinds:
        await journal.replace(kind, "young", {})
    assert (await history.thin(clock.now()))["memory"] == 0, "a year, and no more"
    clock.tick(1)
    await journal.replace("thread", "old", {"n": "set again"})
    gone = 0
    while went := (await history.thin(clock.now()))["memory"]:
        gone += went
    assert gone == 2 * len(PASSING) - 1
    for kind in kinds:
        left = {key for key in ("old", "said once", "young") if await journal.recall(kind, key) is not None}
        again = {"old"} if kind == "thread" else set()
        assert left == ({"young"} | again if kind in PASSING else {"old", "said once", "young"}), kind
    assert await journal.remember("slack-inbox", "old", {}), "its id may be used again"


async def test_the_kill_switch_stays_set_for_as_long_as_nobody_clears_it(ageing: Ageing) -> None:
    journal, history, clock = ageing
    await journal.switch(lambda now: halting.halt(now, slack(ALICE), "bad rollout", POLICY, START))
    clock.tick(9_000 * 86_400)
    assert (await history.thin(clock.now()))["memory"] == 0
    assert "bad rollout" in await journal.halted()


async def test_small_values_go_a_few_at_a_time(tmp_path: Path) -> None:
    clock = FakeClock()
    store = await Store.open(tmp_path, clock, retention=Retention(batch=CHUNK))
    await store.close()
    with sqlite3.connect(tmp_path / "netdiag.db") as database:
        old = [("thread", f"r{number}", "{}", 0) for number in range(2 * CHUNK + 1)]
        database.executemany("INSERT INTO memory VALUES (?, ?, ?, ?)", old)
    database.close()
    store = await Store.open(tmp_path, clock, retention=Retention(batch=CHUNK))
    went = [(await store.history.thin(clock.now()))["memory"] for _ in range(4)]
    assert went == [CHUNK, CHUNK, 1, 0]
    await store.close()


# --- both are one --------------------------------------------------------------------------------------------------

VISITS = st.lists(
    st.tuples(
        st.integers(0, 120 * 24 * 60),  # minutes from the begin: four months
        st.sampled_from(["node-1", "node-2"]),
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5), st.none() | st.integers(1, 9)), max_size=4),
    ),
    max_size=12,
)


@settings(max_examples=15)
@given(visits=VISITS, days=st.lists(st.integers(0, 900), max_size=3))
def test_the_real_store_and_the_one_in_memory_age_alike(visits: list[Any], days: list[int]) -> None:
    async def both() -> None:
        memory = MemoryHistory()
        with tempfile.TemporaryDirectory() as directory:
            store = await Store.open(Path(directory), FakeClock(), retention=Retention(batch=50))
            for minutes, host, values in visits:
                measures = tuple(measure(value, name, limit=limit) for name, value, limit in values)
                left = visited(seen(host, measures=measures), at=START + timedelta(minutes=minutes))
                await memory.visited(left)
                await store.history.visited(left)
            for day in sorted(days):
                await memory.thin(START + day * DAY)
                while any((await store.history.thin(START + day * DAY)).values()):
                    pass
                found = await store.history.series_of(["node-1", "node-2"], since=START - DAY)
                expected = await memory.series_of(["node-1", "node-2"], since=START - DAY)
                assert {key: list(points) for key, points in found.items()} == expected
            await store.close()

    asyncio.run(both())


# --- the disk ------------------------------------------------------------------------------------------------------


async def test_a_call_of_thin_does_about_its_batch_and_the_next_ones_the_rest(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, FakeClock(), retention=Retention(batch=100))
    for minute in range(3):
        measures = tuple(measure(minute, f"measure-{number}") for number in range(100))
        await store.history.visited(visited(seen(measures=measures), at=START + timedelta(minutes=minute)))
    went = [(await store.history.thin(START + 9 * DAY))["measures"] for _ in range(4)]
    assert went == [120, 120, 60, 0], "some series' whole day is one transaction"
    found = await store.history.series_of(["node-1"], since=START)
    assert {(len(points), points[0].count, points[0].mean) for points in found.values()} == {(1, 3, 1.0)}
    assert len(found) == 100
    await store.close()


async def test_a_store_that_is_down_says_so_and_stores_no_half(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, FakeClock())
    mine = await store.history.claim(fire(), lease=LEASE)
    assert mine
    with sqlite3.connect(tmp_path / "netdiag.db") as database:
        database.execute("CREATE TRIGGER full BEFORE INSERT ON faults BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    database.close()
    left = visited(seen(measures=(measure(1),)), faults=[fault()], sweep="fleet")
    with pytest.raises(JournalDown, match=r"the store cannot be written .*disk is full"):
        await store.history.judged(replace(mine, digest=digest()), left)
    assert await store.history.fires() == [mine]
    assert await store.history.keys("node-1") == []
    with sqlite3.connect(tmp_path / "netdiag.db") as database:
        database.execute("DROP TRIGGER full")
        database.execute("ALTER TABLE fires RENAME TO fires_2")
    database.close()
    with pytest.raises(JournalDown, match="the store cannot be read"):
        await store.history.fires()
    await store.close()


async def test_a_memory_that_is_down_says_so() -> None:
    history = MemoryHistory()
    history.down = "unreachable"
    for call in (
        history.fires(),
        history.claim(fire(), lease=1),
        history.thin(START),
        history.series_of(["a"], since=START),
    ):
        with pytest.raises(JournalDown, match="unreachable"):
            await call
