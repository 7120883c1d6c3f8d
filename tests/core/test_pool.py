"""Is what is usual for a role what its hosts' pooled points say, with a bounded memory?"""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.norms import HIGH, LOW, MIDDLE, norm, norm_of
from bot.core.past import Point
from bot.core.pool import FULL, ROOM, Pool, parts

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SHARES = (LOW, MIDDLE, HIGH)


@st.composite
def pasts(draw: st.DrawFn) -> list[list[Point]]:
    """Some hosts' points: single visits, and hours and days of up to a hundred."""

    def one(minute: int, count: int, values: list[float]) -> Point:
        low, mean, high = sorted(values)
        step = 0 if count == 1 else 3_600
        bounds = (mean, mean) if count == 1 else (low, high)
        return Point(NOW + timedelta(minutes=minute), step, count, *bounds, mean)

    value = st.floats(-1e9, 1e9) | st.integers(0, 5).map(float)
    point = st.builds(one, st.integers(0, 40_000), st.integers(1, 100), st.lists(value, min_size=3, max_size=3))
    return draw(st.lists(st.lists(point, min_size=1, max_size=30), min_size=1, max_size=12))


def pooled(hosts: list[list[Point]], full: int = FULL, room: int = ROOM) -> Pool:
    pool = Pool(full, room)
    for points in hosts:
        pool.take(points)
    return pool


def misses(points: list[Point], value: float, share: float, doubt: float) -> bool:
    """Whether a value's rank among the points is off by more than the doubt."""
    weighed = [part for point in points for part in parts(point)]
    total = sum(weight for _, weight in weighed)
    below = sum(weight for known, weight in weighed if known < value)
    up_to = sum(weight for known, weight in weighed if known <= value)
    slack = doubt + total * 1e-9
    return below > share * total + slack or up_to < share * total - slack


@given(hosts=pasts())
def test_what_fits_is_exactly_what_the_pooled_points_say(hosts: list[list[Point]]) -> None:
    together = [point for points in hosts for point in points]
    pool = pooled(hosts)
    assert pool.doubt == 0
    assert norm_of("role:web", "k", pool, NOW) == norm("role:web", "k", together, NOW)


@settings(max_examples=60)
@given(hosts=pasts(), full=st.integers(2, 40), room=st.integers(2, 20))
def test_what_does_not_fit_is_off_by_no_more_than_the_doubt(hosts: list[list[Point]], full: int, room: int) -> None:
    together = [point for points in hosts for point in points]
    pool = pooled(hosts, full, room)
    assert (pool.count, pool.points, pool.hosts) == (sum(one.count for one in together), len(together), len(hosts))
    shares = [number / 20 for number in range(1, 20)]
    for share, value in zip(shares, pool.quantiles(shares), strict=True):
        assert not misses(together, value, share, pool.doubt), (share, value)


def test_a_great_fleet_is_off_by_less_than_one_in_a_hundred_and_holds_few_values() -> None:
    chance = random.Random(7)
    hosts = [
        [Point(NOW + timedelta(hours=hour), 0, 1, *[chance.lognormvariate(host % 7, 1)] * 3) for hour in range(672)]
        for host in range(200)
    ]
    together = [point for points in hosts for point in points]
    pool = pooled(hosts)
    assert 0 < pool.doubt < 0.01 * len(together)
    for share, value in zip(SHARES, pool.quantiles(SHARES), strict=True):
        assert not misses(together, value, share, 0.0005 * len(together)), "in fact it is much nearer"
    assert sum(1 for _ in pool._parts()) < 25_000


def test_a_host_that_weighs_far_more_than_the_others_keeps_its_weight() -> None:
    heavy = [Point(NOW + timedelta(days=day), 86_400, 96, 5, 5, 5) for day in range(28)]
    light = [[Point(NOW, 0, 1, 1, 1, 1)] for _ in range(300)]
    assert pooled([heavy, *light], 16, 8).quantiles((MIDDLE,)) == (5,)
