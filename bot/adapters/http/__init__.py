"""Where do other machines come in: Alertmanager with alerts, Prometheus for figures, an orchestrator for health?

Plain HTTP with nothing of a framework's: four routes, one request for each connection, everything bounded.
"""

from bot.adapters.http.health import Check, pulse
from bot.adapters.http.hook import Take, alerts
from bot.adapters.http.metrics import Metrics, scrape
from bot.adapters.http.server import Handler, Reply, address, listening

__all__ = ["Check", "Handler", "Metrics", "Reply", "Take", "address", "alerts", "listening", "pulse", "scrape"]
