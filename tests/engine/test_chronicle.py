"""Is there to be seen of a host's past what the store knows of it, in the window that is shown?"""

from collections.abc import Sequence
from datetime import timedelta

from bot.core.digest import Digest
from bot.core.fault import Fault, Stage
from bot.core.measure import Measure
from bot.core.past import HostPast
from bot.core.report import HostReport, Severity, Status
from bot.engine.chronicle import LOOK_BACK, Chronicle
from bot.engine.sweep_ports import Picture, Visited
from tests.fakes.clock import FakeClock
from tests.fakes.history import MemoryHistory


class Easel:
    """A painter that keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[HostPast, str]] = []

    async def digest(self, digest: Digest, *, title: str, zone: str) -> Sequence[Picture]:
        raise NotImplementedError

    async def history(self, past: HostPast, *, zone: str) -> Picture | None:
        self.seen.append((past, zone))
        return Picture("p.png", "p", "p", b"png")


def measure(ident: str, value: float, **scope: str) -> Measure:
    return Measure(id=ident, playbook="p", scope=scope, value=value, limit=100)


async def test_the_last_fortnight_of_one_host_is_drawn_with_the_names_of_its_measures() -> None:
    clock, history, easel = FakeClock(), MemoryHistory(), Easel()
    old = Fault(
        host="node-3", fingerprint="f", id="x", playbook="p", severity=Severity.WARNING, stage=Stage.RESOLVED,
        first=clock.now(), since=clock.now(), last=clock.now(), changes=(clock.now(), clock.now()),
    )  # fmt: skip
    for number in range(40):
        ones = (measure("sockets", number, netns="shop"), measure("memory", 2 * number))
        hosts = [HostReport(host="node-3", status=Status.OK, measures=ones)]
        hosts.append(HostReport(host="node-4", status=Status.OK, measures=ones))
        await history.visited(Visited(clock.now(), f"r{number}", hosts, [old] if number == 0 else []))
        clock.tick(timedelta(days=1).total_seconds())
    chronicle = Chronicle(history, easel, clock, {"sockets": ("TCP sockets", "sockets")}, "Europe/Berlin")
    assert await chronicle.picture("node-3") is not None
    ((past, zone),) = easel.seen
    assert (past.host, past.until - past.since, zone) == ("node-3", LOOK_BACK, "Europe/Berlin")
    assert [(curve.title, curve.unit, curve.place) for curve in past.curves] == [
        ("memory", "", ""),
        ("TCP sockets", "sockets", "netns shop"),
    ]
    assert all(past.since <= point.at <= past.until for curve in past.curves for point in curve.points)
    assert past.faults == (), "it was over before"


async def test_a_past_that_began_today_fills_the_picture() -> None:
    clock, history, easel = FakeClock(), MemoryHistory(), Easel()
    for number in range(3):
        report = HostReport(host="node-3", status=Status.OK, measures=(measure("sockets", number),))
        await history.visited(Visited(clock.now(), f"r{number}", [report]))
        clock.tick(3_600)
    await Chronicle(history, easel, clock).picture("node-3")
    ((past, _),) = easel.seen
    assert past.until - past.since == timedelta(hours=3)
    assert past.curves[0].points[0].at == past.since


async def test_of_an_unknown_host_nothing_is_drawn_but_the_painter_decides() -> None:
    clock, history, easel = FakeClock(), MemoryHistory(), Easel()
    await Chronicle(history, easel, clock).picture("nowhere")
    ((past, _),) = easel.seen
    assert (past.curves, past.faults) == ((), ())
