"""Is every picture drawn, within bounds and without a word of warning, whatever hosts are called and wherever it runs?

What a picture looks like is for eyes: `CHART_SHOTS=DIR` keeps those that are drawn here.
"""

import asyncio
import os
import struct
import subprocess
import sys
import threading
import warnings
from datetime import timedelta
from math import sin
from pathlib import Path

import pytest

from bot.adapters.chart import ChartPainter
from bot.core.digest import Outlook
from bot.core.fault import Fault, Stage
from bot.core.faults import Sight, seen
from bot.core.past import Curve, HostPast, Point
from bot.core.report import Severity, Status
from bot.core.sweep import Tuning
from bot.engine.sweep_ports import Picture
from tests.adapters.chart.test_words import GRID, NOW, digest, moved, sick

ROOT = Path(__file__).parents[3]
HOSTILE = ("$\\frac{1}{", "<!channel>", "名前\u202e👩\u200d👧", "n\n\x1b[31m", "x" * 300, "")


@pytest.fixture(autouse=True)
def no_warning() -> object:
    """A glyph that the font lacks, or an axis that cannot be marked, is a warning of the library."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def size(picture: Picture) -> tuple[int, int]:
    """Width and height in pixels, from the PNG itself."""
    assert picture.png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture.png[16:24])
    place = os.environ.get("CHART_SHOTS")
    if place:
        (Path(place) / f"{len(list(Path(place).iterdir())):02d}-{picture.name[:40]}").write_bytes(picture.png)
    return int(width), int(height)


def within(picture: Picture) -> None:
    width, height = size(picture)
    assert width == 1_300
    assert 200 < height <= 1_800
    assert len(picture.png) < 1_000_000
    assert 0 < len(picture.alt) <= 1_000


FLEETS = {
    "one host": {"node-1": (Status.OK,)},
    "six": GRID,
    "two hundred": {f"node-{n:03}": (Status.OK,) * 11 + (list(Status)[n % 4 if n < 20 else 2],) for n in range(200)},
    "all down": {f"node-{n:03}": (Status.CRITICAL,) * 14 for n in range(200)},
    "three thousand": {f"node-{n}": (Status.OK, Status.UNKNOWN) for n in range(3_000)},
    "hostile names": {f"{name}{n}": (Status.OK, Status.CRITICAL) for n, name in enumerate(HOSTILE)},
}


@pytest.mark.parametrize("name", FLEETS)
async def test_a_fleet_of_any_size_is_one_picture_of_bounded_size(name: str) -> None:
    grid = FLEETS[name]
    made = digest(grid, items=tuple(sick(host, f"{host} is sick") for host in list(grid)[:20]))
    (picture,) = await ChartPainter().digest(made, title=f"Nightly {HOSTILE[0]}", zone="Europe/Berlin")
    within(picture)


MOVES = {
    "one": (moved(),),
    "forecast": (moved(outlook=Outlook(until=NOW + timedelta(days=1), low=3_500, high=5_000, soonest=NOW)),),
    "flat at zero": (moved(before=0, now=0, limit=None, points=((NOW - timedelta(hours=1), 0), (NOW, 0))),),
    "below zero": (moved(limit=None, points=((NOW - timedelta(hours=1), -5), (NOW, -9.5))),),
    "bytes": (moved(unit="bytes", limit=3 * 2**30, points=((NOW - timedelta(days=9), 2**20), (NOW, 2**31))),),
    "far from its limit": (moved(limit=10**9),),
    "tiny": (moved(limit=None, points=((NOW - timedelta(minutes=2), 1e-7), (NOW, 3e-7))),),
    "huge": (moved(limit=2**63, points=((NOW - timedelta(days=900), 1), (NOW, 2**63))),),
    "many": tuple(moved(host=f"node-{n}", key=f'k {{"netns":"{n}"}}') for n in range(20)),
    "hostile": tuple(moved(host=name, title=name, unit=name[:40], key=name) for name in HOSTILE),
}


@pytest.mark.parametrize("name", MOVES)
async def test_measures_that_moved_are_one_picture(name: str) -> None:
    (picture,) = await ChartPainter().digest(digest({}, moved=MOVES[name]), title="Nightly", zone="UTC")
    within(picture)


async def test_what_cannot_be_drawn_as_a_line_is_left_out() -> None:
    made = digest({}, moved=(moved(points=()), moved(points=((NOW, 1),))))
    assert await ChartPainter().digest(made, title="Nightly", zone="UTC") == []
    assert await ChartPainter().digest(digest({}), title="Nightly", zone="UTC") == []


def fault(number: int, stage: Stage, *days: float, title: str = "") -> Fault:
    turns = tuple(NOW - timedelta(days=day) for day in days)
    return Fault(
        host="node-3", fingerprint=f"f{number}", id="x", playbook="p", severity=list(Severity)[number % 3],
        title=title, stage=stage, first=turns[0], since=turns[-1], last=turns[-1], changes=turns,
    )  # fmt: skip


def curve(number: int, *, step: int = 3_600, count: int = 200, limit: float | None = None, title: str = "") -> Curve:
    points = tuple(
        Point(NOW - timedelta(hours=count - n), step, 4, 90 + 10 * sin(n), 120 + n, 100 + n / 2, limit)
        for n in range(count)
    )
    return Curve(f"k{number}", title or f"Measure {number}", "sockets", points, "netns web/shop" if number % 2 else "")


def past(curves: tuple[Curve, ...] = (), faults: tuple[Fault, ...] = (), host: str = "node-3") -> HostPast:
    return HostPast(host, NOW - timedelta(days=14), NOW, curves, faults)


PASTS = {
    "all": past(
        (curve(1, limit=240), curve(2), curve(3, limit=10**6)),
        (fault(0, Stage.OPEN, 9, 7, 2), fault(1, Stage.RESOLVED, 6, 5), fault(2, Stage.GOING, 40)),
    ),
    "faults alone": past((), (fault(0, Stage.SEEN, 0.01),)),
    "one visit": past((curve(1, step=0, count=1),)),
    "too much": past(tuple(map(curve, range(30))), tuple(fault(n, Stage.OPEN, n + 1) for n in range(40))),
    "hostile": past(
        tuple(curve(n, title=name) for n, name in enumerate(HOSTILE)),
        tuple(fault(n, Stage.OPEN, 3, title=name) for n, name in enumerate(HOSTILE)),
        HOSTILE[2],
    ),
}


@pytest.mark.parametrize("name", PASTS)
async def test_a_history_is_one_picture(name: str) -> None:
    picture = await ChartPainter().history(PASTS[name], zone="Europe/Berlin")
    assert picture is not None
    within(picture)


async def test_of_a_host_that_nothing_is_known_of_there_is_no_picture() -> None:
    assert await ChartPainter().history(past(), zone="UTC") is None


async def test_a_time_zone_that_does_not_exist_costs_no_picture() -> None:
    assert await ChartPainter().history(PASTS["all"], zone="Mars/Olympus") is not None


async def test_a_picture_that_cannot_be_drawn_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from bot.adapters.chart import heat

    monkeypatch.setattr(heat, "draw", lambda *_: 1 / 0)
    made = digest(GRID, moved=MOVES["one"])
    (picture,) = await ChartPainter().digest(made, title="Nightly", zone="UTC")
    assert picture.name.startswith("moved")


async def test_one_is_drawn_at_a_time_also_when_nobody_waits_for_the_first_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What runs in a thread is not ended with whoever waited for it, and the library is not safe for threads."""
    from bot.adapters.chart import heat

    begun, go, at_once, most = threading.Event(), threading.Event(), 0, 0

    def draw(*_: object) -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        begun.set()
        go.wait(10)
        at_once -= 1
        return b"PNG"

    monkeypatch.setattr(heat, "draw", draw)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(ChartPainter().digest(digest(GRID), title="Nightly", zone="UTC"))
        assert await asyncio.to_thread(begun.wait, 10)
        begun.clear()
        first.cancel()
        second = tasks.create_task(ChartPainter().digest(digest(GRID), title="Nightly", zone="UTC"))
        assert not await asyncio.to_thread(begun.wait, 0.3)
        go.set()
    assert len(second.result()) == 1
    assert most == 1


ALONE = """
import asyncio, sys
from tests.adapters.chart.test_pictures import PASTS, ChartPainter
assert "matplotlib" not in sys.modules, "it is imported with the first picture"
picture = asyncio.run(ChartPainter().history(PASTS["all"], zone="UTC"))
sys.exit(0 if picture else 1)
"""


def test_it_draws_without_a_home_directory_and_leaves_nothing_behind(tmp_path: Path) -> None:
    temp = tmp_path / "tmp"
    temp.mkdir()
    bare = {"PATH": os.environ["PATH"], "TMPDIR": str(temp), "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", ALONE], env=bare, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize(
    ("stage", "days", "expected"),
    [
        (Stage.OPEN, (9, 7, 2), [(9, 7), (2, 0)]),
        (Stage.RESOLVED, (9, 7, 2, 1), [(9, 7), (2, 1)]),
        (Stage.RESOLVED, (9,), [(9, 9)]),
        (Stage.OPEN, (40,), [(14, 0)]),
        (Stage.RESOLVED, (40, 30), []),
        (Stage.GOING, (3, 2, 1), [(3, 2), (1, 0)]),
    ],
)
def test_the_bands_of_a_fault_are_when_it_was_there(
    stage: Stage, days: tuple[float, ...], expected: list[tuple[float, float]]
) -> None:
    from bot.adapters.chart.history import spells

    found = spells(fault(0, stage, *days), NOW - timedelta(days=14), NOW)
    assert [((NOW - begun).days, (NOW - ended).days) for begun, ended in found] == expected


def test_a_fault_that_became_worse_was_there_all_the_while() -> None:
    from bot.adapters.chart.history import spells

    known: Fault | None = None
    for hour, severity in enumerate((Severity.WARNING, Severity.CRITICAL, Severity.WARNING, Severity.WARNING)):
        sight = Sight("f1", "backlog-capped", "listen-queue", severity)
        known = seen(known, "node-1", sight, NOW - timedelta(hours=8 - hour), Tuning())
    assert known is not None
    assert [*spells(known, NOW - timedelta(days=1), NOW)] == [(NOW - timedelta(hours=8), NOW)]
