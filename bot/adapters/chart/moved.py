"""How are the measures that moved drawn? A small chart each: its past, its limit, and where the trend leads."""

from datetime import tzinfo
from math import ceil

from matplotlib.axes import Axes

from bot.adapters.chart.canvas import AHEAD, LIMIT, LINE, MUTED, WIDTH, Card, clock, fit, font, legible, scale, wide
from bot.adapters.chart.words import is_bytes, moment, outlook, quantity, zoned
from bot.core.digest import Digest, Moved
from bot.core.outline import plural
from bot.core.past import place_of

PANELS = 6
EDGE, GAP = 0.22, 0.42
HIGH = 1.02
"""Inches of a panel without its title."""
STEP = HIGH + 0.84
NEAR = 0.25
"""A limit is drawn when what is known or forecast comes to this share of it; otherwise it is told in words."""


def draw(digest: Digest, title: str, zone: tzinfo) -> bytes:
    """The picture as PNG."""
    drawn = [one for one in digest.moved if len(one.points) > 1]
    shown = drawn[:PANELS]
    columns = 1 if len(shown) == 1 else 2
    card = Card(0.66 + STEP * ceil(len(shown) / columns))
    more = f"{len(shown)} of {plural(len(drawn), 'measure')} that moved"
    what = more if len(drawn) > len(shown) else f"{plural(len(shown), 'measure')} that moved"
    card.heading(f"{title}: {what}", zoned(f"until {moment(digest.due, zone)}", zone))
    width = (WIDTH - 2 * EDGE - GAP * (columns - 1)) / columns
    for number, one in enumerate(shown):
        left = EDGE + (width + GAP) * (number % columns)
        top = 0.78 + STEP * (number // columns)
        _panel(card, one, (left, top, width), zone)
    return card.png()


def _panel(card: Card, one: Moved, at: tuple[float, float, float], zone: tzinfo) -> None:
    left, top, width = at
    where = place_of(one.key)
    name = f"{one.host}  {one.title or one.key}"
    card.write(left, top + 0.06, fit(name, width, 8.5, bold=True), 8.5, bold=True)
    near = one.limit is not None and _highest(one) >= NEAR * one.limit
    ahead = outlook(one, one.points[-1][0])
    far = f"limit {quantity(one.limit, one.unit)}" if one.limit is not None and not near else ""
    before = quantity(one.before, one.unit if is_bytes(one.unit) else "")
    said = f"{before} → {quantity(one.now, one.unit)}"
    for part in (ahead, far, where):
        longer = f"{said}  ·  {part}"
        said = longer if part and wide(legible(longer), 7.5) <= width else said
    card.write(left, top + 0.24, fit(said, width, 7.5), 7.5, ink=AHEAD if ahead else MUTED)
    axes = card.axes(left + 0.42, top + 0.42, width - 0.45, HIGH)
    _past(axes, one)
    if near:
        _limit(axes, one, width - 0.5)
    _ahead(axes, one)
    scale(axes, one.unit)
    clock(axes, zone, 5)


def _past(axes: Axes, one: Moved) -> None:
    times = [at.timestamp() for at, _ in one.points]
    values = [value for _, value in one.points]
    axes.plot(times, values, color=LINE, linewidth=1.6, solid_capstyle="round", solid_joinstyle="round")
    axes.plot(times[-1:], values[-1:], "o", color=LINE, markersize=4, clip_on=False)


def _highest(one: Moved) -> float:
    """The highest value that is known or forecast."""
    return max([value for _, value in one.points] + ([one.outlook.high] if one.outlook else []))


def _limit(axes: Axes, one: Moved, width: float) -> None:
    assert one.limit is not None
    axes.axhline(one.limit, color=LIMIT, linewidth=1.2, linestyle=(0, (5, 2)))
    axes.annotate(
        fit(f"limit {quantity(one.limit, one.unit)}", width, 7),
        (0.0, one.limit),
        xycoords=("axes fraction", "data"),
        xytext=(2, -2),
        textcoords="offset points",
        fontproperties=font(7),
        color=LIMIT,
        va="top",
    )


def _ahead(axes: Axes, one: Moved) -> None:
    """The range that the trend expects, from the last value on."""
    if one.outlook is None:
        return
    at, value = one.points[-1]
    ends = [at.timestamp(), one.outlook.until.timestamp()]
    axes.fill_between(ends, [value, one.outlook.low], [value, one.outlook.high], color=AHEAD, alpha=0.22, linewidth=0)
    middle = (one.outlook.low + one.outlook.high) / 2
    axes.plot(ends, [value, middle], color=AHEAD, linewidth=1.2, linestyle=(0, (2, 2)))
