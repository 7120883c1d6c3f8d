"""What is every picture drawn on? A card with its own colours, one font that ships with the library, bounded in size.

A card of its own reads the same on light and dark; nothing is told by colour alone. Text is literal: what a host is
called is never taken for a formula, and a character that the font lacks becomes a box instead of a warning.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from io import BytesIO
from math import floor, log
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.patches import BoxStyle, FancyBboxPatch
from matplotlib.path import Path as Shape
from matplotlib.textpath import TextPath, text_to_path
from matplotlib.ticker import MaxNLocator

from bot.adapters.chart.words import is_bytes, quantity, ticks
from bot.core.report import Severity, Status
from bot.core.text import neutral

WIDTH = 6.5
"""Inches; with DPI 1,300 pixels, so that text is still read where a chat shows it at 480."""
HEIGHT_MAX = 9.0
DPI = 200
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
BOX = "\u25a1"

CARD, EDGE, INK, MUTED, RULE = "#FBFBFD", "#D5D9E2", "#1B2130", "#5D6678", "#E4E7EE"
LINE, BAND, LIMIT, AHEAD = "#2B5FA8", "#2B5FA8", "#B3261E", "#8A5CB8"


@dataclass(frozen=True, slots=True)
class Look:
    """How a status or severity is told: by a colour, and by a shape in it. The colours differ in lightness, too."""

    fill: str
    mark: str
    shape: str


CRITICAL, WARNING = Look("#C2304A", "#FFFFFF", "\u2716"), Look("#F0A92E", "#4A2F00", "\u25b2")
STATUS: Mapping[Status, Look] = {
    Status.CRITICAL: CRITICAL,
    Status.WARNING: WARNING,
    Status.UNKNOWN: Look("#AEB5C2", "#2A303C", "?"),
    Status.OK: Look("#CBE6DA", "#2F7D5F", ""),
}
SEVERITY: Mapping[Severity, Look] = {
    Severity.CRITICAL: CRITICAL,
    Severity.WARNING: WARNING,
    Severity.INFO: Look("#A9C6EA", "#1D4A80", "i"),
}

TILE = BoxStyle.Round(pad=0, rounding_size=0.16)(-0.5, -0.5, 1, 1, 1)
"""A square with round corners, as a marker: thousands are drawn in one go."""

mpl.rcdefaults()  # whatever a matplotlibrc of this machine says
mpl.rcParams.update({"font.family": "DejaVu Sans", "text.parse_math": False, "axes.unicode_minus": False})


def font(size: float, *, bold: bool = False) -> FontProperties:
    """The one font, from the library's own files."""
    return FontProperties(fname=str(FONTS / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")), size=size)


@cache
def _known() -> frozenset[int]:
    return frozenset(FT2Font(str(FONTS / "DejaVuSans.ttf")).get_charmap())


def legible(text: str, most: int = 120) -> str:
    """One line that the font can write."""
    return "".join(char if ord(char) in _known() else BOX for char in neutral(text, most))


def wide(text: str, size: float, *, bold: bool = False) -> float:
    """How many inches a text takes."""
    width, _, _ = text_to_path.get_text_width_height_descent(text or " ", font(size, bold=bold), ismath=False)
    return float(width) / 72.0


def fit(text: str, inches: float, size: float, *, bold: bool = False) -> str:
    """The text, or its beginning with `…` where it would be wider than that."""
    said = legible(text)
    if wide(said, size, bold=bold) <= inches:
        return said
    while said and wide(f"{said}…", size, bold=bold) > inches:
        said = said[:-1]
    return f"{said.rstrip()}…"


def wrapped(text: str, inches: float, size: float) -> list[str]:
    """The text in bold, on at most two lines of that width."""
    said = legible(text)
    words = said.split(" ")
    first = words[0]
    for word in words[1:]:
        if wide(f"{first} {word}", size, bold=True) > inches:
            break
        first = f"{first} {word}"
    rest = said[len(first) :].strip()
    return [fit(first, inches, size, bold=True)] + ([fit(rest, inches, size, bold=True)] if rest else [])


class Card:
    """A figure with a background, and everything measured in inches from its upper left corner."""

    def __init__(self, height: float) -> None:
        self.height = min(height, HEIGHT_MAX)
        self.figure = Figure(figsize=(WIDTH, self.height), dpi=DPI, facecolor=CARD)
        FigureCanvasAgg(self.figure)
        self.paper = self.figure.add_axes((0, 0, 1, 1))
        self.paper.set(xlim=(0, WIDTH), ylim=(self.height, 0))
        self.paper.axis("off")
        edge = FancyBboxPatch((0.01, 0.01), WIDTH - 0.02, self.height - 0.02, boxstyle="square,pad=0", fc=CARD, ec=EDGE)
        self.paper.add_patch(edge)

    def write(
        self, x: float, y: float, text: str, size: float = 8.5, *, bold: bool = False, ink: str = INK, to: str = "left"
    ) -> None:
        """A line of text; `y` is its middle."""
        self.paper.text(
            x, y, legible(text, 200), fontproperties=font(size, bold=bold), color=ink, ha=to, va="center_baseline"
        )

    def heading(self, title: str, small: str) -> None:
        """The first two lines of every picture."""
        self.write(0.22, 0.27, fit(title, WIDTH - 0.44, 12, bold=True), 12, bold=True)
        self.write(0.22, 0.52, fit(small, WIDTH - 0.44, 8.5), 8.5, ink=MUTED)

    def squares(self, cells: Iterable[tuple[float, float, Look]], side: float) -> None:
        """Cells of that many inches, each coloured and marked."""
        groups: dict[Look, list[tuple[float, float]]] = {}
        for x, y, look in cells:
            groups.setdefault(look, []).append((x + side / 2, y + side / 2))
        for look, places in groups.items():
            xs, ys = zip(*places, strict=True)
            points = side * 72
            self.paper.scatter(xs, ys, s=(points * 0.88) ** 2, marker=TILE, color=look.fill, linewidths=0)
            if look.shape:
                self.paper.scatter(
                    xs, ys, s=(points * 0.56) ** 2, marker=_marker(look.shape), color=look.mark, linewidths=0
                )

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """A place for a chart."""
        box = (left / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height)
        axes = self.figure.add_axes(box)
        axes.set_facecolor("none")
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(EDGE)
        axes.grid(axis="y", color=RULE, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(colors=MUTED, length=2.5, width=0.6, labelsize=7.5, pad=2)
        return axes

    def png(self) -> bytes:
        """The picture."""
        out = BytesIO()
        self.figure.savefig(out, format="png", facecolor=CARD, metadata={"Software": None})
        return out.getvalue()


def clock(axes: Axes, zone: tzinfo, most: int = 6) -> None:
    """Times along the bottom, in that zone; the axis itself counts seconds since 1970."""
    since, until = (datetime.fromtimestamp(edge, UTC) for edge in axes.get_xlim())
    marks = ticks(since, until, zone, most)
    axes.set_xticks([at.timestamp() for at, _ in marks], [said for _, said in marks])
    axes.set_xlim(since.timestamp(), until.timestamp())


def scale(axes: Axes, unit: str) -> None:
    """Few round numbers along the side, from zero where nothing is below it; what is drawn already decides how far."""
    low, high = axes.dataLim.intervaly
    low, high = min(0.0, low), max(high, 0.0)
    high = high if high > low else 1.0
    power = 1024.0 ** max(0, floor(log(high, 1024))) if is_bytes(unit) and high > 1 else 1.0
    marks = [
        mark * power for mark in MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10]).tick_values(low / power, high / power)
    ]
    axes.set_ylim(marks[0], marks[-1] + 0.02 * (marks[-1] - marks[0]))  # a line along the edge is seen whole
    axes.set_yticks(marks, [quantity(mark, unit if is_bytes(unit) else "") for mark in marks])


@cache
def _marker(shape: str) -> Shape:
    """A character as a marker, centred."""
    path = TextPath((0, 0), shape, prop=font(10, bold=True))
    box = path.get_extents()
    return Shape(path.vertices - [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2], path.codes)
