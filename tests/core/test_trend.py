"""Does a forecast say when, as far as the points bear it out, and nothing where they do not?"""

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.past import Point
from bot.core.slope import slope
from bot.core.trend import Confidence, Forecast, forecast

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
SEEDS = st.integers(0, 2**32)
CYCLES = settings(max_examples=60, deadline=None)


def series(value: Callable[[float], float], *, back: float, every: float = 10 * MINUTE) -> Sequence[Point]:
    """Visits from `back` seconds ago until now; `value` of seconds, now is 0."""
    count = int(back / every)
    moments = [-number * every for number in range(count, -1, -1)]
    return [Point(NOW + timedelta(seconds=at), 0, 1, *[value(at)] * 3) for at in moments]


def told(value: Callable[[float], float], limit: float, *, back: float, every: float = 10 * MINUTE) -> Forecast:
    return forecast(series(value, back=back, every=every), limit, NOW)


def noise(seed: int, size: float) -> Callable[[], float]:
    chance = random.Random(seed)
    return lambda: chance.uniform(-size, size)


def daily(at: float, *, middle: float = 500, swing: float = 400, phase: float = 0) -> float:
    """The load of a day: lowest `phase` hours before now's hour of the day."""
    return middle - swing * math.cos(2 * math.pi * (at / HOUR + phase) / 24)


def test_the_slope_is_that_of_the_line_whatever_single_samples_do() -> None:
    samples = [(float(at), 3.0 * at) for at in range(20)]
    spoilt = [(at, 9_999.0 if at in (4, 9, 15) else value) for at, value in samples]
    found = slope(spoilt)
    assert found is not None
    assert found.rate == pytest.approx(3.0, rel=0.05)
    assert found.low <= 3.0 <= found.high


@given(SEEDS, st.floats(-5, 5), st.floats(0.1, 20))
@CYCLES
def test_the_interval_holds_the_true_slope_nearly_always(seed: int, rate: float, size: float) -> None:
    shake = noise(seed, size)
    within = 0
    for _ in range(20):
        found = slope([(at, rate * at + shake()) for at in range(-30, 1)])
        assert found is not None
        within += found.low <= rate <= found.high
    assert within >= 13  # of 20 at 95 %: fewer than 14 come once in a million


@given(SEEDS, st.integers(6, 400), st.floats(0, 0.09))
@CYCLES
def test_flat_and_noise_never_forecasts(seed: int, visits: int, size: float) -> None:
    shake = noise(seed, size * 1000)
    assert told(lambda _: 200 + shake(), 1200, back=visits * 10 * MINUTE).confidence is Confidence.NONE


@given(SEEDS, st.floats(20, 400), st.floats(0, 0.3), st.integers(18, 60))
@CYCLES
def test_a_noisy_leak_is_forecast_and_the_range_holds_the_truth(
    seed: int, per_hour: float, rough: float, visits: int
) -> None:
    shake = noise(seed, rough * per_hour)
    back = visits * 10 * MINUTE
    limit = 1000 + per_hour * back / HOUR  # reached as far ahead as it was seen
    seen = told(lambda at: 1000 + per_hour * at / HOUR + shake(), limit, back=back)
    assert seen.confidence is not Confidence.NONE, seen.why
    assert seen.soonest is not None
    assert seen.soonest <= 1.3 * back
    assert seen.latest is None or seen.latest >= 0.75 * back


@pytest.mark.parametrize("per_hour", [10, 50, 250])
def test_a_leak_after_days_of_quiet_is_likely(per_hour: float) -> None:
    shake = noise(7, per_hour / 10)
    seen = told(lambda at: 400 + max(0.0, per_hour * (at / HOUR + 4)) + shake(), 400 + 9 * per_hour, back=3 * DAY)
    assert seen.confidence is Confidence.LIKELY, seen.why
    assert seen.soonest is not None
    assert seen.latest is not None
    assert seen.soonest <= 5 * HOUR <= 1.1 * seen.latest


@given(SEEDS, st.sampled_from([2.0**power for power in range(-8, 12)]), st.integers(-10_000, 10_000))
@CYCLES
def test_another_unit_changes_nothing(seed: int, factor: float, shift: int) -> None:
    chance = random.Random(seed)
    values = {at: 100 + 3 * at / 600 + chance.randrange(-5, 6) for at in range(-36_000, 1, 600)}
    plain = told(lambda at: values[int(at)], 180, back=36_000)
    other = told(lambda at: factor * (values[int(at)] + shift), factor * (180 + shift), back=36_000)
    assert (plain.confidence, plain.why) == (other.confidence, other.why)
    assert plain.soonest == pytest.approx(other.soonest, rel=1e-6)
    assert plain.latest == pytest.approx(other.latest, rel=1e-6)


@given(SEEDS, st.floats(2, 9), st.floats(0, 9.99), st.floats(0, 0.03))
@CYCLES
def test_a_sawtooth_is_not_carried_on(seed: int, period: float, phase: float, rough: float) -> None:
    shake = noise(seed, rough * 600)
    seen = told(
        lambda at: 200 + 600 * ((at / HOUR + 500 + phase) % period) / period + shake(), 1000, back=4.5 * period * HOUR
    )
    assert seen.confidence is Confidence.NONE, seen.why


def test_a_sawtooth_that_breaks_at_the_limit_each_time_is_told() -> None:
    """It comes down because it breaks: the next time it will, too."""
    seen = told(lambda at: 200 + 790 * ((at / HOUR + 103) % 5) / 5, 1000, back=20 * HOUR)
    assert seen.confidence is Confidence.POSSIBLE
    assert seen.soonest is not None
    assert seen.soonest == pytest.approx(2 * HOUR, rel=0.15)


def test_a_leak_goes_on_after_one_restart_but_is_no_more_than_possible_at_first() -> None:
    seen = told(lambda at: 100.0 * ((at / HOUR + 100) % 8), 900, back=12 * HOUR)
    assert seen.confidence is Confidence.POSSIBLE
    assert "anew" in seen.why


@given(SEEDS, st.floats(0, 24), st.floats(2.2, 8.5), st.floats(1.05, 3))
@CYCLES
def test_a_daily_cycle_is_not_carried_on(seed: int, phase: float, days: float, room: float) -> None:
    shake = noise(seed, 10)
    seen = told(lambda at: daily(at, phase=phase) + shake(), 500 + 400 * room + 20, back=days * DAY, every=20 * MINUTE)
    assert seen.confidence is Confidence.NONE, seen.why


@given(st.floats(0, 24))
@CYCLES
def test_the_rise_of_a_first_day_is_never_likely(phase: float) -> None:
    seen = told(lambda at: daily(at, phase=phase), 1000, back=(phase + 1) * HOUR)
    assert seen.confidence is not Confidence.LIKELY


def test_a_busier_monday_is_held_against_last_monday() -> None:
    def load(at: float) -> float:
        day = math.floor((at + 8.5 * DAY) / DAY) % 7
        return daily(at, phase=10, swing=100 if day in (5, 6) else 400)

    quiet = told(load, 1000, back=8.9 * DAY, every=20 * MINUTE)
    assert quiet.confidence is Confidence.NONE, quiet.why


def test_a_leak_under_a_daily_cycle_is_told_by_the_day() -> None:
    shake = noise(3, 5)
    seen = told(lambda at: daily(at, phase=6, swing=300) + 10 * at / HOUR + shake(), 1090, back=4 * DAY)
    assert seen.confidence is not Confidence.NONE, seen.why
    assert seen.soonest is not None
    assert 26 * HOUR < seen.soonest < 34 * HOUR  # the peak of tomorrow


@pytest.mark.parametrize("visits", range(6))
def test_too_few_visits_say_nothing(visits: int) -> None:
    points = series(lambda at: 1000 + at, back=visits * 10.0, every=10.0)[1:]
    seen = forecast(points, 1010, NOW)
    assert seen.confidence is Confidence.NONE
    assert f"{visits} visits" in seen.why


def test_what_is_at_its_limit_needs_no_forecast() -> None:
    assert told(lambda at: 1000 + at / HOUR, 1000, back=DAY).why == "it is at the limit"


def test_a_cache_that_fills_up_and_levels_off_is_not_likely_to_overflow() -> None:
    for hours in range(6, 40, 2):
        seen = told(lambda at, since=hours: 1000 * (1 - math.exp(-(at / HOUR + since) / 5)), 1200, back=hours * HOUR)
        assert seen.confidence is not Confidence.LIKELY, hours


def test_points_of_the_future_and_of_a_clock_that_went_back_are_left_out() -> None:
    points = [*series(lambda at: 100 + at / 600, back=DAY), Point(NOW + timedelta(hours=1), 0, 1, 9e9, 9e9, 9e9)]
    assert forecast(points, 200, NOW).soonest == forecast(points[:-1], 200, NOW).soonest


def test_hours_merged_into_points_are_as_good_as_visits() -> None:
    fine = series(lambda at: 1000 + at / HOUR * 10, back=2 * DAY)
    coarse = [Point(NOW + timedelta(hours=hour), 3600, 6, *[1000 + (hour + 0.5) * 10] * 3) for hour in range(-48, 0)]
    a, b = forecast(fine, 1100, NOW), forecast(coarse, 1100, NOW)
    assert a.confidence is b.confidence
    assert a.soonest == pytest.approx(b.soonest, rel=0.1)
