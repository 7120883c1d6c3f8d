"""Is what is usual learnt from enough, and is no more of the past read than is needed?"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.core.host import Host
from bot.core.measure import Measure
from bot.core.norms import lacking, norm
from bot.core.past import Point
from bot.core.report import HostReport, Status
from bot.core.retention import coarser
from bot.engine.learn import learn
from bot.engine.recall import recall, roles
from bot.engine.sweep_ports import Visited
from tests.fakes.history import MemoryHistory

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ROLES = {"web-1": "web", "web-2": "web", "web-3": "web", "db-1": "db"}


def sockets(value: float, limit: float | None = None) -> Measure:
    return Measure(id="sockets", playbook="tcp-memory", value=value, limit=limit)


def report(host: str, *measures: Measure) -> HostReport:
    return HostReport(host=host, status=Status.OK, measures=measures, settings={"host net.core.somaxconn": "4096"})


async def filled(visits: int, hours: float, hosts: Sequence[str] = tuple(ROLES)) -> MemoryHistory:
    history = MemoryHistory()
    for step in range(visits):
        at = NOW - timedelta(hours=hours * (visits - 1 - step) / max(1, visits - 1))
        seen = [report(host, sockets(100 * (number + 1) + step % 10)) for number, host in enumerate(hosts)]
        await history.visited(Visited(at, f"r{step}", seen))
    return history


async def test_hosts_and_roles_learn_their_middle_and_their_range() -> None:
    history = await filled(60, 48)
    found = await learn(history, ["web-1", "db-1"], ROLES, NOW)
    by = {norm.subject: norm for norm in found.norms}
    assert set(by) == {"host:web-1", "host:db-1", "role:web"}
    assert (by["host:web-1"].low, by["host:web-1"].middle, by["host:web-1"].high) == (100, 104, 109)
    assert (by["host:web-1"].count, by["role:web"].count) == (60, 180)
    assert (by["role:web"].low, by["role:web"].high) == (101, 308)
    assert found.missing == {"role:db": "no measure is known of more than 1 host of role db; 3 are needed"}
    assert {norm.subject for norm in await history.norms(["host:web-1", "role:web"])} == {"host:web-1", "role:web"}


@pytest.mark.parametrize(("visits", "hours"), [(5, 48), (200, 3), (1, 0)])
async def test_too_few_visits_or_too_short_a_time_teach_nothing(visits: int, hours: float) -> None:
    history = await filled(visits, hours)
    found = await learn(history, ["web-1"], ROLES, NOW)
    assert not found.norms
    assert f"{visits} visit" in found.missing["host:web-1"]
    assert not await history.norms(["host:web-1"])


async def test_a_host_that_was_never_seen_says_so() -> None:
    found = await learn(MemoryHistory(), ["web-1"], {}, NOW)
    assert found.missing == {"host:web-1": "no visit is kept"}


def test_merged_points_teach_nearly_what_their_visits_did() -> None:
    chance = random.Random(5)
    fine = [
        Point(NOW + timedelta(minutes=10 * step), 0, 1, *[value] * 3)
        for step, value in enumerate(chance.gauss(1000, 100) for _ in range(1000))
    ]
    plain, merged = norm("host:a", "k", fine, NOW), norm("host:a", "k", coarser(fine, 3600), NOW)
    assert plain is not None
    assert merged is not None
    assert plain.count == merged.count == 1000
    assert merged.middle == pytest.approx(plain.middle, rel=0.03)
    assert plain.low == pytest.approx(1000 - 164, rel=0.05)
    assert plain.low * 0.95 < merged.low < plain.middle < merged.high < plain.high * 1.05


def test_what_is_lacking_is_said() -> None:
    points = [Point(NOW + timedelta(hours=hour), 0, 1, 1, 1, 1) for hour in range(12)]
    assert lacking(points) == "12 visits within 11 h; 30 visits over 24 h are needed"
    assert lacking([]) == "no visit is kept"


class Counting(MemoryHistory):
    """Notes which series are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[str, str]] = []

    async def series(self, host: str, key: str, *, since: datetime) -> Sequence[Point]:
        self.read.append((host, key))
        return await super().series(host, key, since=since)

    async def series_of(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a fleet's whole past is not read for a sweep")


async def test_only_the_past_of_what_is_near_a_limit_is_read() -> None:
    history = Counting()
    known = [report("web-1", sockets(500, 1000)), report("web-2", sockets(5, 1000)), report("web-3", sockets(9e9))]
    await history.visited(Visited(NOW - timedelta(hours=1), "r", known))
    past = await recall(history, known, ROLES, NOW)
    assert history.read == [("web-1", "sockets")]
    assert [point.mean for point in past.series["web-1", "sockets"]] == [500]
    assert [setting.value for setting in past.settings] == ["4096"] * 3


def test_a_role_is_the_label_of_that_name() -> None:
    hosts = [Host(name="a", address="a", labels={"role": "web"}), Host(name="b", address="b")]
    assert roles(hosts) == {"a": "web"}
