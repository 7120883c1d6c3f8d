"""Is a real leak called before it exhausts a small limit, and is it right?"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.core.insight import judged
from bot.core.report import Finding, HostReport, Severity
from bot.core.trend import LOOK_BACK
from bot.demo import Fleet, availability
from bot.engine.diagnose import judge
from bot.engine.recall import recall
from bot.engine.sweep_ports import Visited
from tests.lab.desk import PEOPLE, Desk, desk

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMIT, PER_SECOND = 120, 4
PAUSE = 0.3
"""Seconds between two visits: some looks must fall between two of the leak's steps."""
HORIZON = 3_600
REACHED = f"of {LIMIT}: the limit is reached"

CALLER = f"""
import socket, time
while True:
    try:
        socket.create_connection(("127.0.0.1", 9100), timeout=1).close()
    except OSError:
        pass
    time.sleep({1 / PER_SECOND})
"""
BEGIN = f"""\
. /etc/netdiag-demo/env
setsid "$PYTHON" -I -S /etc/netdiag-demo/hoard.py legacy-api 9100 {LIMIT} 64 </dev/null >/run/hoard.out 2>&1 &
for _ in $(seq 100); do ss -Hltn 'sport = :9100' | grep -q 9100 && break; sleep 0.1; done
setsid "$PYTHON" -I -S -c '{CALLER}' </dev/null >/run/caller.out 2>&1 &
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    reason = availability()
    if reason is not None:
        pytest.skip(f"no namespace hosts on this machine: {reason}")
    place = tmp_path_factory.mktemp("forecast")
    async with (
        Fleet.up(place / "fleet", hosts=1, people=PEOPLE) as fleet,
        desk(fleet, Path(place / "state"), window=0.4) as opened,
    ):
        yield opened


async def swept(here: Desk) -> HostReport:
    """One visit as a sweep makes it: read, judged with what the store knew before, and kept there."""
    app = here.app
    (host,) = app.inventory.hosts.values()
    books = [app.desk.playbooks["socket-fds"]]
    report = judge(host, await app.desk.observer.observe(host, books), books, {})
    now, history = app.clock.now(), app.annals.history
    past = await recall(history, [report], {}, now)
    (report,) = judged([report], past, {}, now, HORIZON)
    await history.visited(Visited(now, f"r{now.timestamp()}", [report]))
    return report


def called(report: HostReport) -> Finding | None:
    found = [finding for finding in report.findings if finding.id == "limit-forecast"]
    assert len(found) <= 1, found
    return found[0] if found else None


async def test_a_leak_is_called_before_its_limit_and_then_reaches_it(here: Desk) -> None:
    await here.fleet.sh("node-1", BEGIN)
    told: list[Finding] = []
    async with asyncio.timeout(180):
        while not told or not told[-1].summary.endswith(REACHED):
            finding = called(await swept(here))
            told += [finding] if finding is not None else []
            await asyncio.sleep(PAUSE)
    first, last = told[0], told[-1]

    assert first.evidence["value"] < LIMIT
    assert first.scope["process"] == "legacy-api"
    assert first.evidence["limit"] == LIMIT
    assert "the limit is reached in" in first.summary
    sure = [finding for finding in told if finding.evidence.get("confidence") == "likely"]
    assert sure, [finding.summary for finding in told]
    assert sure[0].severity is Severity.CRITICAL  # all of the range is within the hour
    assert sure[0].evidence["value"] < LIMIT

    assert last.summary.endswith(REACHED), [finding.summary for finding in told]
    assert last.evidence["value"] >= LIMIT
    assert {finding.fingerprint for finding in told} == {first.fingerprint}

    # and it was right: the store's own points say when the limit was reached
    history = here.app.annals.history
    (key,) = [key for key in await history.keys("node-1") if "legacy-api" in key]
    now = here.app.clock.now()
    points = await history.series("node-1", key, since=now - LOOK_BACK)
    at_limit = next(point.at for point in points if point.mean >= LIMIT)
    when = next(point.at for point in points if point.mean == sure[0].evidence["value"])
    took = (at_limit - when).total_seconds()
    assert sure[0].evidence["reached_in_seconds"] <= took + 1  # told in whole seconds
    assert took <= 2 * sure[0].evidence["reached_in_seconds_at_the_latest"] + 10  # visits are some seconds apart
