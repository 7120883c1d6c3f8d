"""How does a sweep look? Pictures as PNG bytes, drawn off the event loop, each with its words.

painter = ChartPainter()
pictures = await painter.digest(digest, title="Nightly", zone="Europe/Berlin")
"""

from bot.adapters.chart.painter import ChartPainter

__all__ = ["ChartPainter"]
