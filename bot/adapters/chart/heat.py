"""How is the heat map of the fleet drawn? Worst hosts as rows of sweeps, every other host as one square."""

from datetime import tzinfo
from math import ceil, sqrt

from bot.adapters.chart.canvas import INK, MUTED, STATUS, WIDTH, Card, fit, legible, wide
from bot.adapters.chart.layout import Fleet
from bot.adapters.chart.words import hosts, moment, zoned
from bot.core.digest import Digest
from bot.core.outline import WORST_FIRST, plural

EDGE = 0.22
NAME = 1.6
"""Inches for the name of a host, at most."""
ROW = 0.235
CELL = 0.205
SQUARE = 0.19
AREA = 12.0
"""Square inches that the packed hosts may take."""


def draw(fleet: Fleet, digest: Digest, title: str, zone: tzinfo) -> bytes:
    """The picture as PNG."""
    inside = WIDTH - 2 * EDGE
    side = min(SQUARE, sqrt(AREA / max(1, len(fleet.packed))))
    columns = int(inside / side + 1e-6)
    side = inside / columns if len(fleet.packed) > columns else side
    rows_top = 0.98 if fleet.rows else 0.78
    rows_end = rows_top + ROW * len(fleet.rows)
    packed_top = rows_end + (0.42 if fleet.rows else 0.1)
    packed_end = packed_top + side * ceil(len(fleet.packed) / columns) if fleet.packed else rows_end
    card = Card(packed_end + 0.5)
    card.heading(f"{title}: {hosts(fleet.total)}", zoned(moment(digest.due, zone), zone))
    if fleet.rows:
        _rows(card, fleet, rows_top)
    if fleet.packed:
        more = f", {fleet.left} more not drawn" if fleet.left else ""
        what = "each square is one of the other" if fleet.rows else "each square is one of"
        card.write(
            EDGE,
            packed_top - 0.16,
            f"Now: {what} {hosts(len(fleet.packed))}{more}",
            8,
            ink=MUTED,
        )
        card.squares(
            [
                (EDGE + side * (number % columns), packed_top + side * (number // columns), STATUS[status])
                for number, status in enumerate(fleet.packed)
            ],
            side,
        )
    _legend(card, fleet)
    return card.png()


def _rows(card: Card, fleet: Fleet, top: float) -> None:
    name = min(NAME, max(wide(legible(row.host), 8.5, bold=True) for row in fleet.rows) + 0.15)
    left = EDGE + name
    end = left + CELL * fleet.sweeps
    card.write(end - CELL / 2, top - 0.15, "now", 7.5, ink=MUTED, to="center")
    if fleet.sweeps > 3:  # noqa: PLR2004 - else the two words would meet
        ago = plural(fleet.sweeps - 1, "sweep")
        card.write(left, top - 0.15, f"{ago} ago", 7.5, ink=MUTED)
    cells = []
    for number, row in enumerate(fleet.rows):
        y = top + ROW * number
        middle = y + ROW / 2
        card.write(EDGE, middle, fit(row.host, name - 0.1, 8.5, bold=True), 8.5, bold=True)
        for place, status in enumerate(row.past):
            x = left + CELL * place
            if status is None:
                card.write(x + CELL / 2, middle, "·", 8, ink=MUTED, to="center")
            else:
                cells.append((x, y + (ROW - CELL) / 2, STATUS[status]))
        card.write(end + 0.12, middle, fit(row.cause, WIDTH - EDGE - end - 0.12, 8), 8, ink=INK)
    card.squares(cells, CELL)


def _legend(card: Card, fleet: Fleet) -> None:
    x, y = EDGE, card.height - 0.24
    for status in WORST_FIRST:
        said = f"{fleet.counts.get(status, 0):,} {status}"
        card.squares([(x, y - 0.085, STATUS[status])], 0.17)
        card.write(x + 0.23, y, said, 8)
        x += 0.5 + wide(said, 8)
