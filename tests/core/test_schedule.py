"""When a sweep is due: crontabs as written, on the nights on which the clocks change, intervals, jitter, words."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.core.crontab import parse
from bot.core.schedule import begins, dues_between, in_words, next_begin, next_due, rewound, written
from bot.core.sweep import Cron, Every, Sweep

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2030, 3, 31, tzinfo=BERLIN)
"""02:00 becomes 03:00."""
AUTUMN = datetime(2030, 10, 27, tzinfo=BERLIN)
"""03:00 becomes 02:00."""


def sweep(text: str, zone: str = "Europe/Berlin", **more: object) -> Sweep:
    return Sweep("fleet", Cron(text), "all", zone=zone, **more)  # type: ignore[arg-type]


def night(text: str, begin: datetime, zone: str = "Europe/Berlin") -> list[str]:
    """The due times of one local day, as a clock on the wall shows them, with its offset."""
    start = begin.astimezone(UTC)
    dues = dues_between(sweep(text, zone), start - timedelta(seconds=1), start + timedelta(hours=25), 300)
    local = [due.astimezone(ZoneInfo(zone)) for due in dues]
    return [f"{due:%H:%M%z}"[:8] for due in local if due.date() == begin.date()]


@pytest.mark.parametrize(
    ("text", "spring", "autumn"),
    [
        ("30 2 * * *", ["03:00+02"], ["02:30+02"]),
        ("0 3 * * *", ["03:00+02"], ["03:00+01"]),
        ("*/20 2 * * *", ["03:00+02"], ["02:00+02", "02:20+02", "02:40+02"]),
        ("59 1 * * *", ["01:59+01"], ["01:59+02"]),
        ("0 1-3 * * *", ["01:00+01", "03:00+02"], ["01:00+02", "02:00+02", "03:00+01"]),
        ("0 */12 * * sun", ["00:00+01", "12:00+02"], ["00:00+02", "12:00+01"]),
    ],
)
def test_a_time_of_the_day_comes_exactly_once_on_the_nights_of_the_change(
    text: str, spring: list[str], autumn: list[str]
) -> None:
    assert night(text, SPRING) == spring
    assert night(text, AUTUMN) == autumn


@pytest.mark.parametrize("hour", ["*", "*/1", "0-23", "0-23/1", "0-11,12-23"])
@pytest.mark.parametrize(("minute", "distance"), [("0", 60), ("*/15", 15), ("7", 60), ("*", 1)])
def test_what_runs_every_hour_follows_elapsed_time(hour: str, minute: str, distance: int) -> None:
    for begin in (SPRING, AUTUMN):
        dues = dues_between(sweep(f"{minute} {hour} * * *"), begin, begin + timedelta(hours=9), 2000)
        assert {after - before for before, after in pairwise(dues)} == {timedelta(minutes=distance)}


@pytest.mark.parametrize(
    ("text", "zone", "day", "wanted"),
    [
        ("0 0 * * *", "Asia/Beirut", "2030-03-31", ["01:00+03"]),  # midnight is left out
        ("0 0 * * *", "America/Havana", "2030-11-03", ["00:00-04"]),  # midnight comes twice
        ("0 * * * *", "Australia/Lord_Howe", "2030-04-07", ["00:00+11", "01:00+11", "02:00+10", "03:00+10"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2030-04-07", ["01:45+11"]),  # half an hour comes twice
        ("15 2 * * *", "Australia/Lord_Howe", "2030-10-06", ["02:30+11"]),
        ("0 9 * * *", "Pacific/Apia", "2011-12-31", ["00:00+14", "09:00+14"]),  # 30 December never was
        ("30 5 * * *", "Asia/Kathmandu", "2030-06-01", ["05:30+05"]),
    ],
)
def test_odd_places_are_places_too(text: str, zone: str, day: str, wanted: list[str]) -> None:
    found = night(text, datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)), zone)
    assert found[: len(wanted)] == wanted


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("0 7 * * mon", "2030-01-07 07:00"),
        ("0 7 * * sun", "2030-01-06 07:00"),
        ("0 7 * * sun-thu", "2030-01-01 07:00"),  # a week may begin on a Sunday
        ("0 7 * * fri-sun", "2030-01-04 07:00"),
        ("0 0 29 feb *", "2032-02-29 00:00"),
        ("0 0 31 * *", "2030-01-31 00:00"),
        ("0 0 1 jan,JUL *", "2030-07-01 00:00"),
        ("5-59/20 13 * 3-4 *", "2030-03-01 13:05"),
    ],
)
def test_a_crontab_means_what_it_says(text: str, first: str) -> None:
    due = next_due(sweep(text, "UTC"), datetime(2030, 1, 1, 0, 0, tzinfo=UTC))
    assert due == datetime.fromisoformat(first).replace(tzinfo=UTC)


FAULTS = [
    ("", "has 0 fields; a cron has five: minute hour day month weekday"),
    ("0 7 * * * *", "has 6 fields"),
    ("@daily", 'write "0 0 * * *"'),
    ("@dayly", 'did you mean "@daily"?'),
    ("60 * * * *", "minute 60 is not within 0-59"),
    ("0 24 * * *", "hour 24 is not within 0-23"),
    ("0 0 0 * *", "day 0 is not within 1-31"),
    ("0 0 1 13 *", "month 13 is not within 1-12"),
    ("0 0 * * 1", 'weekday "1": programs number the days differently; write names'),
    ("0 0 * * 1", "in a crontab 1 is mon"),
    ("0 0 * * 7", "in a crontab 7 is sun"),
    ("0 0 * * mon-5", 'weekday "5"'),
    ("0 0 * * tues", 'did you mean "tue"?'),
    ("0 0 * juni *", 'did you mean "jun"?'),
    ("0 0 last * *", 'day "last" is unknown; write a number'),
    ("55-5 * * * *", 'minute "55-5" runs backwards; write 55-59,0-5'),
    ("5/10 * * * *", "a step needs a range; write 5-59/10"),
    ("*/0 * * * *", "a step is 1 to 59"),
    ("*/90 * * * *", "a step is 1 to 59"),
    ("0 0 * * */2", "list the days"),
    ("0 0 31 feb *", "never happens"),
    ("0 0 1 * mon", "gives both a day and a weekday"),
    ("1,,2 * * * *", "cannot be read"),
    ("1-2-3 * * * *", "cannot be read"),
    ("\u0661 * * * *", "cannot be read"),
    ("9" * 400 + " * * * *", "is not within"),
]


@pytest.mark.parametrize(("text", "said"), FAULTS)
def test_what_is_no_crontab_is_refused_with_the_remedy(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse(text)


@given(st.text(alphabet="0123456789*/,- @abdefjmnostuw\u0661", max_size=40))
def test_whatever_is_written_is_read_or_refused_in_words(text: str) -> None:
    with suppress(ValueError):
        assert all(parse(text).fields.values())


def values(low: int, high: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A field as text, and what it means."""
    size = high - low
    lists = st.frozensets(st.integers(low, high), min_size=1, max_size=4)
    spans = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
    steps = st.integers(1, size)
    return st.one_of(
        st.just(("*", frozenset(range(low, high + 1)))),
        lists.map(lambda some: (",".join(map(str, sorted(some))), some)),
        st.tuples(spans, steps).map(
            lambda at: (f"{at[0][0]}-{at[0][1]}/{at[1]}", frozenset(range(at[0][0], at[0][1] + 1, at[1])))
        ),
        steps.map(lambda step: (f"*/{step}", frozenset(range(low, high + 1, step)))),
    )


CHANGES = [
    ("Europe/Berlin", datetime(2030, 3, 31, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2030, 10, 27, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2030, 3, 10, 7, tzinfo=UTC)),
    ("America/Havana", datetime(2030, 11, 3, 5, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2030, 3, 30, 22, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2030, 4, 6, 15, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2030, 10, 5, 15, 30, tzinfo=UTC)),
    ("Asia/Tokyo", datetime(2030, 10, 5, 15, tzinfo=UTC)),
]


def shown(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def by_hand(matches: Callable[[datetime], bool], zone: ZoneInfo, begin: datetime, end: datetime, every: bool) -> set:
    """The due times, minute by minute: what a clock on the wall shows, and which of its times never come."""
    minute = timedelta(minutes=1)
    instants = [begin + minute * at for at in range(int((end - begin) / minute) + 1)]
    seen: dict[datetime, datetime] = {}
    due = set()
    for moment in instants:
        wall = shown(moment, zone)
        if matches(wall) and (every or wall not in seen):
            due.add(moment)
        seen.setdefault(wall, moment)
    if not every:
        for before, after in pairwise(instants):
            left_out = shown(before, zone) + minute
            while left_out < shown(after, zone):
                if matches(left_out):
                    due.add(after)
                left_out += minute
    return due


@settings(max_examples=150)
@given(st.sampled_from(CHANGES), values(0, 59), values(0, 23), st.integers(0, 59))
@example(CHANGES[0], ("30", frozenset({30})), ("2", frozenset({2})), 0)
@example(CHANGES[5], ("0", frozenset({0})), ("*", frozenset(range(24))), 0)
def test_every_due_time_is_what_counting_minutes_says(
    change: tuple[str, datetime], minute: tuple[str, frozenset[int]], hour: tuple[str, frozenset[int]], second: int
) -> None:
    zone, at = ZoneInfo(change[0]), change[1]
    begin, end = at - timedelta(hours=30), at + timedelta(hours=30)
    every = len(hour[1]) == 24
    wanted = by_hand(lambda wall: wall.minute in minute[1] and wall.hour in hour[1], zone, begin, end, every)
    asked = sweep(f"{minute[0]} {hour[0]} * * *", change[0])
    # What is asked begins in the middle: a time that comes twice was first shown before that.
    after = begin + timedelta(hours=26, seconds=second)
    assert dues_between(asked, after, end, 5000) == tuple(sorted(due for due in wanted if due > after))


MOMENTS = st.integers(915_148_800, 2_208_988_800).map(lambda at: datetime.fromtimestamp(at, UTC))


@given(st.integers(10, 10_000_000), MOMENTS)
def test_an_interval_keeps_its_phase_whenever_it_is_asked(seconds: int, moment: datetime) -> None:
    every = Sweep("fleet", Every(seconds), "all")
    due = next_due(every, moment)
    assert due is not None
    assert due.timestamp() % seconds == 0
    assert timedelta() < due - moment <= timedelta(seconds=seconds)


@given(st.integers(0, 600), MOMENTS)
def test_jitter_is_bounded_and_everywhere_the_same(jitter: int, moment: datetime) -> None:
    one, other = (Sweep("fleet", Every(1200), "all", jitter=jitter) for _ in range(2))
    due = next_due(one, moment)
    assert due is not None
    assert begins(one, due) == begins(other, due)
    assert timedelta() <= begins(one, due) - due <= timedelta(seconds=jitter)
    begin = next_begin(one, moment)
    assert begin is not None
    assert begin > moment


def test_jitter_spreads_sweeps_that_are_due_together() -> None:
    due = datetime(2030, 1, 1, tzinfo=UTC)
    spread = {begins(Sweep(f"sweep-{number}", Every(60), "all", jitter=300), due) for number in range(200)}
    assert len(spread) > 120
    assert max(spread) - min(spread) > timedelta(seconds=270)


def test_no_more_due_times_are_listed_than_were_asked_for() -> None:
    begin = datetime(2030, 1, 1, tzinfo=UTC)
    assert len(dues_between(Sweep("x", Every(60), "all"), begin, begin + timedelta(days=400), 7)) == 7


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (Every(900), "every 15 min"),
        (Every(86_400), "every 24 h"),
        (Cron("0 7 * * mon-fri"), "mon-fri 07:00 Europe/Berlin"),
        (Cron("0 7,19 * * *"), "daily 07:00, 19:00 Europe/Berlin"),
        (Cron("*/15 * * * *"), "every 15 min Europe/Berlin"),
        (Cron("5 * * * *"), "hourly at :05 Europe/Berlin"),
        (Cron("5,35 * * * sat,sun"), "sat,sun hourly at :05, :35 Europe/Berlin"),
        (Cron("*/10 8-17 * * *"), 'cron "*/10 8-17 * * *" Europe/Berlin'),
        (Cron("0 6 1 * *"), 'cron "0 6 1 * *" Europe/Berlin'),
    ],
)
def test_a_schedule_is_told_in_words(when: Every | Cron, words: str) -> None:
    assert in_words(Sweep("fleet", when, "all", zone="Europe/Berlin")) == words


@pytest.mark.parametrize("when", [Every(900), Cron("*/10 8-17 * * mon-fri")])
def test_a_schedule_that_was_written_down_is_read_back(when: Every | Cron) -> None:
    known = Sweep("fleet", when, "all", zone="Europe/Berlin")
    other = Sweep("fleet", Every(10), "all")
    back = rewound(other, written(known))
    assert back is not None
    assert next_due(back, SPRING) == next_due(known, SPRING)


@pytest.mark.parametrize("text", ["off", "", "every soon", "Europe/Berlin 0 0 * * 1", "Mars/Base 0 0 * * *"])
def test_a_schedule_that_cannot_be_read_back_is_none(text: str) -> None:
    assert rewound(Sweep("fleet", Every(10), "all"), text) is None
