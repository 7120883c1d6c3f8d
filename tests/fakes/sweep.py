"""A sweep of two hundred hosts on a bad day, as it is told and drawn: what pictures and screenshots are made from."""

from datetime import UTC, datetime, timedelta
from math import sin

from bot.core.digest import Blind, Digest, Held, Item, Moved, News, Open, Outlook, Place
from bot.core.fault import Fault, Stage
from bot.core.past import Curve, HostPast, Point
from bot.core.report import Severity, Status
from bot.core.sweep import Every, Sweep

NOW = datetime(2030, 5, 13, 9, 0, tzinfo=UTC)
SWEEP = Sweep(
    "fleet", Every(900), "all", channel="C0NETOPS", title="Fleet every 15 min", zone="Europe/Berlin", owner="carol"
)
KEY = "sweep:fleet:2030-05-13T09:00:00Z"
O, W, C, U = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN  # noqa: E741 - rows of a grid

PASTS = {
    "node-3": (O, O, O, O, O, O, O, O, W, W, W, C),
    "node-117": (O, O, W, O, O, W, O, W, O, O, W, C),
    "node-42": (O, O, O, O, O, O, O, O, O, O, O, W),
    "node-43": (O, O, O, O, O, O, O, O, O, O, O, W),
    "node-58": (W, W, W, W, W, W, W, W, W, W, W, W),
    "node-59": (W, W, W, W, W, W, W, W, W, W, W, W),
    "node-61": (O, O, W, W, W, W, W, W, W, W, W, W),
    "node-90": (O, O, O, O, O, O, O, O, O, U, U, U),
    "node-155": (O, O, O, O, O, O, O, O, O, O, O, U),
    "node-156": (O, O, O, O, O, O, O, O, O, O, O, U),
    "node-12": (O, O, O, C, C, C, C, W, W, O, O, O),
}
GRID = {f"node-{n}": PASTS.get(f"node-{n}", (O,) * 12) for n in range(1, 201)}


def _item(news: News, ident: str, title: str, worst: Severity, said: dict[str, str]) -> Item:
    hours = {News.WORSE: 1.0, News.FLAPPING: 9.0, News.RESOLVED: 2.2}.get(news, 0.3)
    since = NOW - timedelta(hours=hours)
    places = tuple(
        Place(host=host, fingerprint=f"{ident}-{host}", summary=words, since=since, severity=worst)
        for host, words in said.items()
    )
    return Item(news=news, id=ident, playbook="p", title=title, severity=worst, places=places)


QUEUE = "nginx on 0.0.0.0:80: accept queue full, 129/128, +41.0/s dropped"
TABLE = "connection table at 91% (238,551 of 262,144), +1,200/min"
POINTS = tuple((NOW - timedelta(hours=47 - n), 900.0 + 46 * n + 60 * sin(n)) for n in range(48))
MEMORY = tuple((NOW - timedelta(hours=47 - n), 2.0**30 * (1.1 + 0.01 * n + 0.05 * sin(n / 3))) for n in range(48))

DIGEST = Digest(
    sweep="fleet",
    due=NOW,
    run="r7f3a09c1d2",
    begun=NOW,
    seconds=14.2,
    hosts={C: 2, W: 5, U: 3, O: 190},
    before={C: 0, W: 5, U: 1, O: 194},
    items=(
        _item(News.NEW, "conntrack-full", "Connection table fills", Severity.WARNING,
              {"node-42": TABLE, "node-43": TABLE}),
        _item(News.WORSE, "accept-queue-overflow", "Accept queue overflows", Severity.CRITICAL, {"node-3": QUEUE}),
        _item(News.FLAPPING, "vrrp-flapping", "VRRP master changes", Severity.CRITICAL,
              {"node-117": "VI_1 changed 6 times in 24 h"}),
        _item(News.FORECAST, "limit-forecast", "A limit is near", Severity.WARNING,
              {"node-3": "TCP sockets in use: 3,124 of 4,096, the limit in 17 h to 24 h"}),
        _item(News.RESOLVED, "close-wait-leak", "Sockets hang in CLOSE_WAIT", Severity.CRITICAL,
              {"node-12": "gone"}),
    ),
    open=(
        Open(id="rp-filter-drops", playbook="rp-filter", title="Reverse path filter is strict",
             severity=Severity.WARNING, hosts=("node-58", "node-59", "node-61"), oldest=NOW - timedelta(days=3)),
    ),
    blind=(
        Blind(reason="no route to host", hosts=("node-155", "node-156"), whole=True, news=True),
        Blind(reason="host key has changed", hosts=("node-90",), whole=True),
    ),
    held=(Held(why="silenced by bob until 14:00: kernel upgrade of the rack", count=4, worst=Severity.WARNING),),
    moved=(
        Moved(host="node-3", key="tcp-sockets", title="TCP sockets in use", unit="sockets", before=906,
              now=POINTS[-1][1], limit=4096, points=POINTS,
              outlook=Outlook(until=NOW + timedelta(hours=30), low=POINTS[-1][1] + 1_000, high=POINTS[-1][1] + 1_700,
                              soonest=NOW + timedelta(hours=17), latest=NOW + timedelta(hours=24))),
        Moved(host="node-42", key="tcp-memory", title="TCP memory", unit="bytes", before=MEMORY[0][1],
              now=MEMORY[-1][1], limit=3 * 2**30, points=MEMORY),
    ),
    grid=GRID,
)  # fmt: skip


def _fault(ident: str, title: str, severity: Severity, stage: Stage, *days: float) -> Fault:
    turns = tuple(NOW - timedelta(days=day) for day in days)
    return Fault(
        host="node-3", fingerprint=ident, id=ident, playbook="p", severity=severity, title=title, stage=stage,
        first=turns[0], since=turns[-1], last=NOW, changes=turns, times=(len(turns) + 1) // 2,
    )  # fmt: skip


def _curve(key: str, title: str, unit: str, limit: float | None, values: list[float]) -> Curve:
    points = (
        Point(NOW - timedelta(hours=len(values) - n), 3_600, 4, value * 0.94, value * 1.07, value, limit)
        for n, value in enumerate(values)
    )
    return Curve(key, title, unit, tuple(points))


_HOURS = range(14 * 24)
PAST = HostPast(
    "node-3",
    NOW - timedelta(days=14),
    NOW,
    (
        _curve("tcp-sockets", "TCP sockets in use", "sockets", 4096,
               [700 + 7.2 * n + 60 * sin(n / 3.8) for n in _HOURS]),
        _curve("tcp-memory", "TCP memory", "bytes", 3 * 2**30, [2**30 * (1 + 0.3 * sin(n / 3.8)) for n in _HOURS]),
        _curve("retransmits", "Retransmitted segments", "1/s", None,
               [3 + 2 * sin(n) + 60 * (190 < n < 208) for n in _HOURS]),
    ),
    (
        _fault("accept-queue-overflow", "Accept queue overflows", Severity.CRITICAL, Stage.OPEN, 9, 7.4, 0.05),
        _fault("limit-forecast", "A limit is near", Severity.WARNING, Stage.OPEN, 0.4),
        _fault("close-wait-leak", "Sockets hang in CLOSE_WAIT", Severity.WARNING, Stage.RESOLVED, 12, 11.2, 6.1, 5.3),
    ),
)  # fmt: skip
