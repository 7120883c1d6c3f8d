"""What is done about a sweep: each due time is run once at most, and of each is known what became of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.fire import Fire, Phase
from bot.core.rota import ATTEMPTS, BATCH, LEASE, Settled, given_up, settle, under_way
from bot.core.schedule import dues_between
from bot.core.sweep import Cron, Every, Overlap, Pause, Sweep

NOON = datetime(2030, 5, 13, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SWEEP = Sweep("fleet", Every(900), "all", catch_up=1200)
PAUSE = Pause("fleet", "alice", "the switch is exchanged", NOON + timedelta(hours=2))
BUSY = Fire("fleet", NOON - 15 * MINUTE, Phase.RUNNING, beat=NOON, begun=NOON - 15 * MINUTE)


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def told(found: Settled) -> dict[str, str]:
    """`12:00` to what becomes of that run."""
    said = {f"{fire.due:%H:%M}": f"{fire.phase}: {fire.why}" for fire in found.notes}
    return said | ({f"{found.due:%H:%M}": "run"} if found.due else {})


CASES: list[tuple[str, Sweep, float, float, dict, dict[str, str], float]] = [
    # what, the sweep, mark and now in minutes from noon, what else is so, what is done, the mark after
    ("nothing is due", SWEEP, 0, 14, {}, {}, 0),
    ("a run is due", SWEEP, 0, 15, {}, {"12:15": "run"}, 15),
    ("late, but not too late", SWEEP, 0, 35, {}, {"12:15": "missed: down", "12:30": "run"}, 30),
    ("too late", SWEEP, 0, 14.99 + 30, {}, {"12:15": "missed: down", "12:30": "run"}, 30),
    ("nothing is made up for", replace(SWEEP, catch_up=0), 0, 16.1, {}, {"12:15": "missed: down"}, 15),
    ("on time", replace(SWEEP, catch_up=0), 0, 15.9, {}, {"12:15": "run"}, 15),
    ("stored already", SWEEP, 0, 15, {"known": [Fire("fleet", at(15), Phase.TOLD)]}, {}, 15),
    ("stored as missed", SWEEP, 0, 15, {"known": [Fire("fleet", at(15), Phase.MISSED)]}, {"12:15": "run"}, 15),
    ("paused", SWEEP, 0, 15, {"pause": PAUSE}, {"12:15": "skipped: paused by alice: the switch is exchanged"}, 15),
    ("a pause that is over", SWEEP, 0, 15, {"pause": replace(PAUSE, until=at(15))}, {"12:15": "run"}, 15),
    ("switched off", replace(SWEEP, enabled=False), 0, 65, {}, {}, 65),
    ("busy", SWEEP, 0, 15, {"busy": BUSY}, {"12:15": "skipped: the run of 11:45 UTC was still under way"}, 15),
    ("busy, and it waits", replace(SWEEP, overlap=Overlap.WAIT), 0, 15, {"busy": BUSY}, {}, 0),
    (
        "busy for long, and the newest waits",
        replace(SWEEP, overlap=Overlap.WAIT),
        0,
        31,
        {"busy": BUSY},
        {"12:15": "skipped: the run of 11:45 UTC was still under way"},
        15,
    ),
    (
        "busy with a run that somebody asked for",
        SWEEP,
        0,
        15,
        {"busy": replace(BUSY, due=at(13.7))},
        {},
        0,
    ),
    ("a clock that was put back", SWEEP, 60, 20, {}, {}, 19),
]


@pytest.mark.parametrize(
    ("sweep", "mark", "now", "more", "wanted", "after"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_done(
    sweep: Sweep, mark: float, now: float, *, more: dict, wanted: dict[str, str], after: float
) -> None:
    found = settle(sweep, at(now), at(mark), blame="down", **more)
    assert told(found) == wanted
    assert found.mark == at(after)


def test_after_a_long_absence_every_run_is_noted_batch_by_batch_and_the_newest_is_run() -> None:
    mark, now, notes, begun = NOON, NOON + timedelta(days=30), list[Fire](), list[datetime]()
    while (found := settle(SWEEP, now, mark)).mark != mark:
        assert len(found.notes) <= BATCH
        notes += found.notes
        begun += [found.due] if found.due else []
        mark = found.mark
    assert [fire.due for fire in notes] + begun == list(dues_between(SWEEP, NOON, now, 10_000))
    assert len(begun) == 1


GONE = Fire("fleet", NOON, Phase.RUNNING, attempt=2, beat=at(-5))


@pytest.mark.parametrize(
    ("sweep", "fire", "minutes", "said"),
    [
        (SWEEP, GONE, 5, ""),
        (None, GONE, 5, "not in the plan any more"),
        (replace(SWEEP, enabled=False), GONE, 5, "switched off"),
        (SWEEP, replace(GONE, attempt=ATTEMPTS), 5, ""),
        (SWEEP, replace(GONE, attempt=ATTEMPTS + 1), 5, "begun 3 times"),
        (SWEEP, GONE, 600, "too old"),
        (SWEEP, replace(GONE, phase=Phase.JUDGED, attempt=9), 6000, ""),
        (None, replace(GONE, phase=Phase.JUDGED), 5, "not in the plan any more"),
    ],
)
def test_a_run_whose_process_died_is_taken_up_while_that_makes_sense(
    sweep: Sweep | None, fire: Fire, minutes: float, said: str
) -> None:
    found = given_up(sweep, fire, at(minutes))
    assert said in found
    assert bool(found) == bool(said)


def test_a_run_is_under_way_while_its_heart_beats() -> None:
    fires = [replace(BUSY, beat=NOON - timedelta(seconds=LEASE + 1)), replace(BUSY, phase=Phase.JUDGED), BUSY]
    assert under_way(fires, NOON) is BUSY
    assert under_way(fires, NOON + timedelta(seconds=LEASE + 1)) is None
    assert under_way(fires, NOON - timedelta(hours=2)) is None, "that beat is of a clock that ran ahead"


# --- whatever happens ------------------------------------------------------------------------------------------------


class Machine:
    """A bot that keeps one sweep, over a store that survives it. `crash` says after how many steps of the next
    decision it dies: notes, claim, mark.
    """

    def __init__(self, sweep: Sweep, now: datetime) -> None:
        self.sweep, self.now, self.mark, self.first = sweep, now, now, now
        self.rows: dict[datetime, Fire] = {}
        self.begun: list[datetime] = []
        self.mine: Fire | None = None

    def wake(self, crash: int = 9) -> None:
        while True:
            known = [fire for fire in self.rows.values() if fire.due > self.mark]
            busy = self.mine or under_way(self.rows.values(), self.now)
            found = settle(self.sweep, self.now, self.mark, known, busy=busy)
            for step in (self._notes, self._claim, self._move)[:crash]:
                step(found)
            if crash < 3:
                self.mine = None  # the process is gone
            if crash < 3 or not found.more:
                return

    def _notes(self, found: Settled) -> None:
        for fire in found.notes:
            self.rows.setdefault(fire.due, fire)

    def _claim(self, found: Settled) -> None:
        if found.due is None:
            return
        assert self.mine is None, "one at a time"
        stored = self.rows.get(found.due)
        if stored is None or stored.phase is Phase.MISSED:
            self.begun.append(found.due)
            self.mine = Fire("fleet", found.due, Phase.RUNNING, beat=self.now, begun=self.now)
            self.rows[found.due] = self.mine

    def _move(self, found: Settled) -> None:
        self.mark = found.mark

    def finish(self) -> None:
        if self.mine is not None:
            self.rows[self.mine.due] = replace(self.mine, phase=Phase.TOLD)
            self.mine = None

    def beat(self) -> None:
        if self.mine is not None:
            self.mine = self.rows[self.mine.due] = replace(self.mine, beat=self.now)

    def restart(self) -> None:
        self.mine = None

    def lost(self) -> list[datetime]:
        dues = dues_between(self.sweep, self.first, self.mark, 100_000)
        return [due for due in dues if due not in self.rows]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 4000)),
        st.tuples(st.just("away"), st.integers(60, 200_000)),
        st.tuples(st.just("forward"), st.integers(1, 40_000)),
        st.tuples(st.just("back"), st.integers(1, 40_000)),
        st.tuples(st.just("finish"), st.just(0)),
        st.tuples(st.just("crash"), st.integers(0, 2)),
    ),
    max_size=40,
)
SWEEPS = st.builds(
    lambda when, jitter, catch_up, overlap: Sweep(
        "fleet", when, "all", zone="Europe/Berlin", jitter=jitter, catch_up=catch_up, overlap=overlap
    ),
    st.sampled_from([Every(600), Cron("*/15 * * * *"), Cron("30 2 * * *"), Cron("0 */2 * * *"), Cron("5 * * * *")]),
    st.sampled_from([0, 240]),
    st.sampled_from([0, 900, 3600, 100_000]),
    st.sampled_from(Overlap),
)
NIGHTS = [datetime(2030, 3, 30, 20, tzinfo=UTC), datetime(2030, 10, 26, 20, tzinfo=UTC), NOON]


def played(machine: Machine, steps: list[tuple[str, int]]) -> Iterator[str]:
    """Do the steps; after each the bot wakes up, as it does at least every half minute."""
    for what, much in steps:
        crash = much if what == "crash" else 9
        if what == "away":
            machine.restart()
        if what == "finish":
            machine.finish()
        if what in ("wait", "away", "forward"):
            machine.now += timedelta(seconds=much)
        if what == "back":
            machine.now -= timedelta(seconds=much)
        if what != "away":
            machine.beat()
        machine.wake(crash)
        yield what


@settings(max_examples=300)
@given(SWEEPS, st.sampled_from(NIGHTS), STEPS)
def test_no_run_is_lost_and_none_is_doubled_whatever_the_clock_and_the_process_do(
    sweep: Sweep, begin: datetime, steps: list[tuple[str, int]]
) -> None:
    machine = Machine(sweep, begin)
    for what in played(machine, steps):
        assert machine.lost() == [], what
        assert len(machine.begun) == len(set(machine.begun)), what
    # Left alone for long enough, everything up to now is settled, and the next run happens.
    machine.restart()
    machine.now = max(machine.now, machine.mark, *machine.rows, begin) + timedelta(hours=3)
    machine.wake()
    machine.finish()
    machine.wake()
    dues = dues_between(sweep, machine.first, machine.now - timedelta(seconds=sweep.jitter), 100_000)
    assert set(dues) <= set(machine.rows)
    assert all(fire.phase in {Phase.TOLD, Phase.MISSED, Phase.SKIPPED, Phase.RUNNING} for fire in machine.rows.values())
    done = [due for due, fire in machine.rows.items() if fire.phase in {Phase.TOLD, Phase.RUNNING}]
    assert sorted(done) == sorted(machine.begun)


@given(SWEEPS, st.sampled_from(NIGHTS), st.integers(1, 40))
def test_a_bot_that_is_never_disturbed_runs_everything_once(sweep: Sweep, begin: datetime, hours: int) -> None:
    machine = Machine(sweep, begin)
    for _ in range(hours * 60):
        machine.now += MINUTE
        machine.wake()
        machine.finish()
    wanted = dues_between(sweep, begin, machine.now - timedelta(seconds=sweep.jitter + 60), 10_000)
    assert set(wanted) <= set(machine.begun)
    assert all(fire.phase is Phase.TOLD for fire in machine.rows.values())
