"""What is counted about the bot itself, and how does Prometheus read it?

One table names every figure; `docs/operations.md` explains them. A registry of our own, so that nothing of a library's
gets in. Labels have few values: no host, no run, no text of anybody's. What is over `MOST` becomes `other`.
"""

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Any

import structlog
from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from bot import __version__
from bot.adapters.http.server import Handler, Reply, allowed

MOST = 500
"""Combinations of labels of one figure."""
FRESH = 1.0
PATIENCE = 10.0
SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "visits": ("Programs run on hosts, by what for (visit, change) and how they ended", ("kind", "outcome")),
    "ssh_trips": ("Round trips over SSH", ()),
    "slack_calls": ("Calls of Slack's Web API", ("method", "outcome")),
    "http_requests": ("Requests answered here", ("route", "status")),
    "alerts_received": ("Alerts taken in, repeats too, by whether a route takes them", ("routed",)),
    "alert_diagnoses": ("Diagnoses made for alerts", ("outcome",)),
    "alerts_held": ("Times that a message of an alert waited for room in the hour", ()),
    "audit_entries": ("Entries of the audit log since the start, by kind", ("event",)),
    "proposals": ("Changes proposed since the start", ()),
    "refusals": ("Refusals since the start, by what was refused", ("what",)),
}
HISTOGRAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "visit_seconds": ("Seconds that a program on a host took", ("kind",)),
    "http_seconds": ("Seconds that an answer took", ("route",)),
}
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "build_info": ("1, with the version", ("version", "python")),
    "ready": ("Whether a part is in order (readyz)", ("check",)),
    "changes": ("Changes by state", ("state",)),
    "audit_seq": ("Number of the log's last entry", ()),
    "store_bytes": ("Size of the SQLite store with its write-ahead log", ()),
    "queue": ("What waits, by where", ("where",)),
    "findings_open": ("Faults open now, by finding and severity", ("finding", "severity")),
    "hosts": ("Hosts by status at the sweep's last run", ("sweep", "status")),
    "sweep_last_run_timestamp_seconds": ("When the sweep's last run was due", ("sweep",)),
    "sweep_last_seconds": ("How long the sweep's last run took", ("sweep",)),
    "sweep_missed": ("Runs of the sweep missed in the last seven days", ("sweep",)),
}

log = structlog.get_logger()


class Metrics:
    """Serves `Meter`, and gives the text that Prometheus reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._figures: dict[str, Any] = {
            **{name: Counter(f"netdiag_{name}", *told, registry=self.registry) for name, told in COUNTERS.items()},
            **{
                name: Histogram(f"netdiag_{name}", *told, registry=self.registry, buckets=SECONDS)
                for name, told in HISTOGRAMS.items()
            },
            **{name: Gauge(f"netdiag_{name}", *told, registry=self.registry) for name, told in GAUGES.items()},
        }
        self._seen: dict[str, set[tuple[str, ...]]] = {name: set() for name in self._figures}
        ProcessCollector(registry=self.registry)
        self.set("build_info", 1, version=__version__, python=platform.python_version())

    def count(self, name: str, /, by: float = 1, **labels: str) -> None:
        """Add to a counter."""
        self._figure(name, labels).inc(by)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add to a distribution."""
        self._figure(name, labels).observe(value)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Say what a level is now."""
        self._figure(name, labels).set(value)

    def replace(self, name: str, values: Mapping[tuple[str, ...], float], /) -> None:
        """Say what all of a gauge's levels are now, by their labels in order; what is not there is gone. What is over
        `MOST` is told as its sum.
        """
        self._figures[name].clear()
        self._seen[name].clear()
        _, labels = GAUGES[name]
        for words, value in islice(values.items(), MOST):
            self.set(name, value, **dict(zip(labels, words, strict=True)))
        if len(values) > MOST and not name.endswith("_seconds"):  # moments add up to nothing
            self.set(name, sum(islice(values.values(), MOST, None)), **dict.fromkeys(labels, "other"))

    def _figure(self, name: str, labels: Mapping[str, str]) -> Any:
        figure = self._figures[name]
        if not labels:
            return figure
        words = tuple(labels.values())
        seen = self._seen[name]
        if words not in seen and len(seen) >= MOST:
            labels = dict.fromkeys(labels, "other")
        else:
            seen.add(words)
        return figure.labels(**labels)


def scrape(metrics: Metrics, token: str | None, refresh: Callable[[], Awaitable[None]]) -> Handler:
    """The handler of `GET /metrics`; `refresh` brings the levels up to date, at most once in a while."""
    turn = asyncio.Lock()
    last = -FRESH

    async def handle(request: web.BaseRequest) -> Reply:
        nonlocal last
        if token is not None and not allowed(request, token):
            said = "the token is missing or wrong: Authorization: Bearer, with what NETDIAG_METRICS_TOKEN says"
            return Reply.refusal(401, said, WWW_Authenticate='Bearer realm="netdiag"')
        async with turn:
            if time.monotonic() - last >= FRESH:
                try:
                    async with asyncio.timeout(PATIENCE):
                        await refresh()
                except Exception as fault:  # what is known is told all the same
                    log.warning("metrics.stale", why=str(fault) or type(fault).__name__)
                last = time.monotonic()
        encode, kind = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        return Reply(200, encode(metrics.registry), kind)

    return handle
