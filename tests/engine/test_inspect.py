"""`inventory check` tells of every host what can be done there, and no host disturbs another."""

import asyncio
from datetime import timedelta

import pytest

from bot.core.host import Cause, Host, HostFailure
from bot.engine.inspect import NEEDED, WELCOME, Access, inspect
from bot.engine.ports import Output
from tests.fakes.clock import START, FakeClock

DOWN = HostFailure(cause=Cause.UNREACHABLE, reason="down", remedy="switch it on")


class Fleet:
    """Answers like hosts: the clock moves `trip` seconds a visit, the host reads its own in the middle."""

    def __init__(self, clock: FakeClock, *, date: str = "exact", warm: bool = False, **other: object) -> None:
        self.clock, self.date, self.warm = clock, date, warm
        self.trip, self.skew = 0.2, 5.0
        self.tools = NEEDED + WELCOME
        self.output = {"root": True, "root_reason": "", "host_key": "SHA256:k", **other}
        self.asked: list[bool] = []
        self.at_once = self.most = 0

    async def run(
        self, host: Host, program: str, *, deadline: float, max_bytes: int, fresh: bool = False
    ) -> Output | HostFailure:
        if host.name.startswith("dead"):
            return DOWN
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        trips = 9 if fresh or not (self.warm or self.asked) else 1
        self.asked.append(fresh)
        self.clock.tick(self.trip / 2)
        now = self.clock.now().timestamp() + self.skew
        dates = {"exact": f"{now:.9f}", "whole": f"{int(now)}", "no %N": f"{int(now)}.%N", "none": "\x1b[31mnever"}
        self.clock.tick(self.trip / 2)
        stdout = "\n".join([dates[self.date], *self.tools, ""]).encode()
        return Output(**{"stdout": stdout, "status": 0, "trips": trips, **self.output})  # type: ignore[arg-type]

    async def close(self) -> None:
        pass


def host(name: str = "node", **fields: object) -> Host:
    return Host(name=name, address="192.0.2.1", **fields)  # type: ignore[arg-type]


async def one(fleet: Fleet, at: Host | None = None) -> Access | HostFailure:
    [(_, result)] = await inspect(fleet, [at or host()], fleet.clock)
    return result


async def test_the_clock_is_compared_at_the_middle_of_the_round_trip() -> None:
    result = await one(Fleet(FakeClock()))
    assert isinstance(result, Access)
    assert result.clock_skew == pytest.approx(5, abs=0.002)
    assert (result.root, result.host_key, result.missing_tools) == (True, "SHA256:k", ())


@pytest.mark.parametrize("date", ["whole", "no %N"])
async def test_a_clock_without_fractions_is_known_to_half_a_second(date: str) -> None:
    result = await one(Fleet(FakeClock(START + timedelta(seconds=0.25)), date=date))
    assert isinstance(result, Access)
    assert abs(result.clock_skew - 5) <= 0.51
    assert result.clock_within >= 0.5


async def test_missing_tools_are_told_and_optional_ones_are_not_missed() -> None:
    fleet = Fleet(FakeClock())
    fleet.tools = ("awk", "ss")
    result = await one(fleet)
    assert isinstance(result, Access)
    assert result.tools == ("awk", "ss")
    assert set(result.missing_tools) == set(NEEDED) - {"awk", "ss"}


async def test_a_cold_connection_is_made_once_and_only_a_kept_one_costs_a_fresh_one() -> None:
    cold, warm = Fleet(FakeClock()), Fleet(FakeClock(), warm=True)
    await one(cold)
    await one(warm)
    assert cold.asked == [False, False]
    assert warm.asked == [False, True, False]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": None}, "the connection broke"),
        ({"status": None, "timed_out": True}, "did not finish a small program"),
        ({"status": 127}, "no POSIX sh"),
        ({"date": "none"}, "date +%s printed '\\\\x1b[31mnever'"),
        ({"stdout": b""}, "date +%s printed ''"),
    ],
)
async def test_a_host_that_answers_badly_is_a_failure_and_never_readable(fault: dict[str, object], reason: str) -> None:
    result = await one(Fleet(FakeClock(), **fault))  # type: ignore[arg-type]
    assert isinstance(result, HostFailure)
    assert reason in result.reason


async def test_why_root_is_not_given_is_passed_on() -> None:
    result = await one(Fleet(FakeClock(), root=False, root_reason="sudo: a password is required"))
    assert isinstance(result, Access)
    assert (result.root, result.root_reason) == (False, "sudo: a password is required")


WAYS = [
    ({"key": "/k"}, "key /k"),
    ({"key": "/k", "certificate": "/c"}, "certificate /c, key /k"),
    ({"agent": True}, "agent"),
    ({}, "the user's default keys"),
    ({"transport": "local"}, "none needed (local)"),
]


@pytest.mark.parametrize(("fields", "auth"), WAYS)
async def test_the_way_of_logging_in_is_told(fields: dict[str, object], auth: str) -> None:
    result = await one(Fleet(FakeClock()), host(**fields))
    assert isinstance(result, Access)
    assert result.auth == auth


async def test_hosts_are_read_at_once_within_the_bound_and_dead_ones_take_none_with_them() -> None:
    fleet = Fleet(FakeClock())
    hosts = [host(f"{'dead' if n % 5 == 0 else 'node'}-{n}") for n in range(40)]
    told: list[tuple[int, int, str]] = []
    results = await inspect(fleet, hosts, fleet.clock, at_once=7, tell=lambda *step: told.append(step))
    assert [name for name, _ in results] == [each.name for each in hosts]
    assert [isinstance(result, HostFailure) for _, result in results] == [n % 5 == 0 for n in range(40)]
    assert 1 < fleet.most <= 7
    assert [done for done, _, _ in told] == list(range(1, 41))
    assert {total for _, total, _ in told} == {40}
    assert sorted(name for _, _, name in told) == sorted(each.name for each in hosts)
