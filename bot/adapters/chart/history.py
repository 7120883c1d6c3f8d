"""How is the history of a host drawn? Its faults as bands, its measures beneath, all over the same days."""

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from matplotlib.axes import Axes

from bot.adapters.chart.canvas import (
    INK,
    LIMIT,
    LINE,
    MUTED,
    RULE,
    SEVERITY,
    WIDTH,
    Card,
    clock,
    fit,
    scale,
    wrapped,
)
from bot.adapters.chart.layout import telling
from bot.adapters.chart.moved import NEAR
from bot.adapters.chart.words import moment, quantity, zoned
from bot.core.fault import OVER, Fault
from bot.core.outline import RANK, plural
from bot.core.past import Curve, HostPast

FAULTS = 8
EDGE = 0.22
NAME = 1.95
"""Inches for what stands beside a band or a chart."""
NUMBERS = 0.5
"""Inches for the numbers along a chart."""
LEFT = EDGE + NAME + NUMBERS
ROW = 0.235
HIGH = 0.72
STEP = HIGH + 0.2


def draw(past: HostPast, zone: tzinfo) -> bytes:
    """The picture as PNG."""
    faults = sorted(past.faults, key=lambda fault: (fault.stage in OVER, RANK[fault.severity]))[:FAULTS]
    known = [curve for curve in past.curves if curve.points]
    curves = telling(known)
    bands = ROW * max(1, len(faults))
    top = 0.82 + bands + 0.26
    card = Card(top + STEP * len(curves) + 0.3)
    card.heading(f"History of {past.host}", zoned(f"{moment(past.since, zone)} to {moment(past.until, zone)}", zone))
    _left_out(card, len(past.faults) - len(faults), len(known) - len(curves))
    axes = [_bands(card, faults, past, 0.82, bands)]
    axes += [_curve(card, curve, top + STEP * number, past) for number, curve in enumerate(curves)]
    for one in axes:
        clock(one, zone, 5)
        one.tick_params(labelbottom=one is axes[-1])
    return card.png()


def spells(fault: Fault, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When it was there, within the picture: `changes` are openings and resolutions by turns, newest last."""
    opened = fault.stage not in OVER
    turns = list(fault.changes) or ([fault.since] if opened else [fault.since, fault.last])
    if opened:
        turns.append(until)
    if len(turns) % 2:
        turns.insert(0, fault.first)
    for begun, ended in zip(turns[::2], turns[1::2], strict=True):
        if ended >= since and begun <= until:
            yield max(begun, since), min(ended, until)


def _left_out(card: Card, faults: int, curves: int) -> None:
    told = [plural(faults, "more fault")] * (faults > 0) + [plural(curves, "more measure")] * (curves > 0)
    if told:
        card.write(WIDTH - EDGE, 0.27, f"{' and '.join(told)} not drawn", 7.5, ink=MUTED, to="right")


def _across(axes: Axes, past: HostPast) -> None:
    axes.set_xlim(past.since.timestamp(), past.until.timestamp())


def _bands(card: Card, faults: Sequence[Fault], past: HostPast, top: float, height: float) -> Axes:
    axes = card.axes(LEFT, top, WIDTH - LEFT - EDGE, height)
    axes.set(ylim=(max(1, len(faults)), 0), yticks=[])
    if not faults:
        card.write(EDGE, top + height / 2, "No fault in this time", 8.5, ink=MUTED)
    for number, fault in enumerate(faults):
        look = SEVERITY[fault.severity]
        y = top + ROW * (number + 0.5)
        card.squares([(EDGE, y - 0.08, look)], 0.16)
        still = fault.stage not in OVER
        name = fit(fault.title or fault.id, NAME + NUMBERS - 0.3, 8, bold=still)
        card.write(EDGE + 0.22, y, name, 8, bold=still, ink=INK if still else MUTED)
        axes.axhline(number + 0.5, color=RULE, linewidth=0.8, zorder=0)
        for begun, ended in spells(fault, past.since, past.until):
            width = max((ended - begun).total_seconds(), (past.until - past.since).total_seconds() / 200)
            left = min(begun.timestamp(), past.until.timestamp() - width)
            axes.broken_barh([(left, width)], (number + 0.18, 0.64), facecolors=look.fill, linewidth=0)
    _across(axes, past)
    return axes


def _curve(card: Card, curve: Curve, top: float, past: HostPast) -> Axes:
    last = curve.points[-1]
    title = wrapped(curve.title or curve.key, NAME, 8.5)
    for number, text in enumerate(title):
        card.write(EDGE, top + 0.04 + 0.16 * number, text, 8.5, bold=True)
    beside = [(quantity(last.mean, curve.unit), LINE)]
    beside += [(f"limit {quantity(last.limit, curve.unit)}", LIMIT)] if last.limit is not None else []
    beside += [(curve.place, MUTED)] if curve.place else []
    for number, (text, ink) in enumerate(beside, len(title)):
        card.write(EDGE, top + 0.05 + 0.16 * number, fit(text, NAME, 7.5), 7.5, ink=ink)
    axes = card.axes(LEFT, top, WIDTH - LEFT - EDGE, HIGH)
    times = [point.at.timestamp() + point.step / 2 for point in curve.points]
    highs = [point.high for point in curve.points]
    if any(point.step for point in curve.points):
        axes.fill_between(times, [point.low for point in curve.points], highs, color=LINE, alpha=0.18, linewidth=0)
    axes.plot(times, [point.mean for point in curve.points], color=LINE, linewidth=1.4)
    if len(curve.points) == 1:
        axes.plot(times, [last.mean], "o", color=LINE, markersize=4, clip_on=False)
    if last.limit is not None and max(highs) >= NEAR * last.limit:
        axes.axhline(last.limit, color=LIMIT, linewidth=1.1, linestyle=(0, (5, 2)))
    scale(axes, curve.unit)
    _across(axes, past)
    return axes
