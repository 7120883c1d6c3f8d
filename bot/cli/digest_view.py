"""How does a digest read on a terminal? What is new first, then what is still so, what is unknown, and what was held
back.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from bot.cli.terminal import LOOK, marked
from bot.core.digest import Blind, Digest, Item, Moved, News, Open
from bot.core.digest_words import GONE, HEADINGS, age, counted, end_of, first_of, hosts_of
from bot.core.outline import RANK, few, plural
from bot.core.report import Status
from bot.core.sweep import Sweep
from bot.core.text import neutral

NAMED = 12
"""Hosts of one item that are named."""
PLACES = 5
"""Places of one item that are told each by its own words."""
MOVED = 8
ROWS = 40
"""Hosts of the heat map."""


def digest(told: Digest, sweep: Sweep) -> RenderableType:
    """The whole digest, for people."""
    here = ZoneInfo(sweep.zone)
    parts: list[RenderableType] = [*_head(told, sweep, here)]
    for news in News:
        parts += _section(told, news)
    parts += _opens(told)
    parts += _blinds(told.blind, told.sighted)
    parts += _moved(told.moved, here)
    if told.held:
        parts += [
            Text("Held back", style="bold"),
            *(_indent(_held(held.why, held.count)) for held in told.held),
            Text(""),
        ]
    parts += _grid(told)
    return Group(*parts)


def _head(told: Digest, sweep: Sweep, here: ZoneInfo) -> Iterator[RenderableType]:
    title = neutral(sweep.title or sweep.name, 80)
    when = f"{told.due.astimezone(here):%a %Y-%m-%d %H:%M} {sweep.zone}"
    yield Text.assemble((title, "bold"), f"  {counted(told)}", (f"  {when}, {told.seconds:.1f} s", "dim"))
    first = ", the first sweep" if told.before is None else ""
    yield _indent(Text(f"{hosts_of(told)}{first}"))
    for line in told.missed:
        yield _indent(Text.assemble(("▲ ", "bold yellow"), neutral(line, 600)))
    yield Text("")


def _section(told: Digest, news: News) -> list[RenderableType]:
    items = sorted(
        (item for item in told.items if item.news is news), key=lambda item: (RANK[item.severity], -len(item.places))
    )
    if not items:
        return []
    lines = [_indent(line) for item in items for line in _item(item, told.due)]
    return [Text(HEADINGS[news], style="bold"), *lines, Text("")]


def _item(item: Item, now: datetime) -> Iterator[Text]:
    hosts = tuple(dict.fromkeys(neutral(place.host, 80) for place in item.places))
    since = min((place.since for place in item.places), default=now)
    title = neutral(item.title or item.id, 160)
    if item.news in GONE:
        mark, after = end_of(item, item.severity, age(since, now))
        look = "dim" if item.news is News.LEFT else "green"
        yield Text.assemble((f"{mark} ", look), (title, "bold"), f"  {few(hosts, NAMED)}{after}")
        return
    where = hosts[0] if len(hosts) == 1 else f"{plural(len(hosts), 'host')}: {few(hosts, NAMED)}"
    long = f", for {age(since, now)}" if item.news is not News.NEW else ""
    folds = f", explains {plural(len(item.explains), 'more finding')}" if item.explains else ""
    yield Text.assemble(marked(item.severity, item.id), "  ", (where, "bold"), (f"{long}{folds}", "dim"))
    if len(hosts) > 1:
        yield Text(f"  {title}")
    for place in item.places[:PLACES]:
        label = "" if len(hosts) == 1 else f"{neutral(place.host, 80)}: "
        yield Text(f"  {label}{neutral(place.summary, 400)}", style="" if len(hosts) == 1 else "dim")
    if len(item.places) > PLACES:
        yield Text(f"  and {plural(len(item.places) - PLACES, 'more place')}", style="dim")
    if item.canaries:
        yield Text(f"  {first_of(item)}", style="dim")


def _opens(told: Digest) -> list[RenderableType]:
    if not told.open:
        return []
    ordered = sorted(told.open, key=lambda one: (RANK[one.severity], -len(one.hosts)))
    return [Text("Still open", style="bold"), *(_indent(_open(one, told.due)) for one in ordered), Text("")]


def _open(one: Open, now: datetime) -> Text:
    flapping = ", flapping" if one.flapping else ""
    hosts = few([neutral(host, 80) for host in one.hosts], NAMED)
    return Text.assemble(marked(one.severity, one.id), f"  {hosts}", (f"  for {age(one.oldest, now)}{flapping}", "dim"))


def _blinds(blinds: Sequence[Blind], sighted: Sequence[str]) -> list[RenderableType]:
    if not blinds and not sighted:
        return []
    mark, style = LOOK[Status.UNKNOWN]
    lines: list[RenderableType] = []
    for blind in sorted(blinds, key=lambda one: (not one.whole, not one.news, -len(one.hosts))):
        what = f"{plural(len(blind.hosts), 'host')} not read" if blind.whole else "some checks undecided"
        said = Text.assemble((f"{mark} ", style), ("new: " if blind.news else "", "bold"), what)
        said.append(f"  {few([neutral(host, 80) for host in blind.hosts], NAMED)}: {neutral(blind.reason, 300)}")
        lines.append(_indent(said))
    if sighted:
        names = few([neutral(host, 80) for host in sighted], NAMED)
        lines.append(_indent(Text.assemble(("✔ ", "green"), "can be read again  ", names)))
    return [Text("Unknown", style="bold"), *lines, Text("")]


def _moved(moved: Sequence[Moved], here: ZoneInfo) -> list[RenderableType]:
    if not moved:
        return []
    lines: list[RenderableType] = []
    for one in moved[:MOVED]:
        limit = f" of {_number(one.limit)}" if one.limit is not None else ""
        unit = f" {neutral(one.unit, 40)}" if one.unit else ""
        said = Text(f"{neutral(one.host, 80)}  {neutral(one.title or one.key, 120)}: ")
        said.append(f"{_number(one.before)} → {_number(one.now)}{limit}{unit}", style="bold")
        if one.outlook is not None and one.outlook.soonest is not None:
            said.append(f"  limit from {one.outlook.soonest.astimezone(here):%a %d %b %H:%M}", style="yellow")
        lines.append(_indent(said))
    if len(moved) > MOVED:
        lines.append(_indent(Text(f"and {len(moved) - MOVED} more", style="dim")))
    return [Text("Moved", style="bold"), *lines, Text("")]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2g}"  # noqa: PLR2004 - three digits


def _held(why: str, count: int) -> Text:
    return Text(f"{plural(count, 'finding')}: {neutral(why, 300)}", style="dim")


def _grid(told: Digest) -> Iterator[RenderableType]:
    """The heat map: each host that was not well at some sweep, oldest sweep first."""
    rows = [(host, row) for host, row in told.grid.items() if any(status is not Status.OK for status in row)]
    if not rows or all(len(row) < 2 for _, row in rows):  # noqa: PLR2004 - one sweep has no course
        return
    yield Text(f"The last {max(len(row) for _, row in rows)} sweeps, the newest at the right", style="bold")
    width = max(len(neutral(host, 40)) for host, _ in rows[:ROWS])
    for host, row in rows[:ROWS]:
        line = Text(f"{neutral(host, 40):<{width}}  ")
        for status in row:
            line.append("· " if status is Status.OK else f"{LOOK[status][0]} ", style=LOOK[status][1])
        yield _indent(line)
    if len(rows) > ROWS:
        yield _indent(Text(f"and {len(rows) - ROWS} more hosts", style="dim"))
    yield Text("")


def _indent(item: RenderableType) -> Padding:
    return Padding(item, (0, 0, 0, 2))
