"""Which limits of a host will be reached, and when?"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from bot.core.insight_kinds import LIMIT, found
from bot.core.measure import Measure, spoken
from bot.core.outline import plural
from bot.core.past import Past, Point
from bot.core.report import Finding, HostReport, Severity
from bot.core.slope import Slope
from bot.core.spans import amount, between, pace, span
from bot.core.trend import HOUR, Confidence, Forecast, forecast

WORTH = 0.1
"""Below this share of its limit no measure is worth a forecast: its past need not be read."""


def worth(host: HostReport) -> Sequence[Measure]:
    """The measures whose past a forecast needs."""
    return [measure for measure in host.measures if measure.filled is not None and measure.filled >= WORTH]


def series(measure: Measure, known: Sequence[Point], now: datetime) -> Sequence[Point]:
    """What is known of a measure, and its value of now, unless that is known already."""
    if known and known[-1].at >= now:
        return known
    return [*known, Point(now, 0, 1, measure.value, measure.value, measure.value, measure.limit)]


def limits(host: HostReport, past: Past, now: datetime, horizon: int) -> Iterator[Finding]:
    """A finding for each measure that reaches its limit within `horizon` seconds, or has just reached it."""
    for measure in worth(host):
        known = past.series.get((host.host, measure.key), ())
        limit = measure.limit
        if limit is None or not known:
            continue
        if measure.value >= limit:
            if known[-1].high >= limit > min(point.low for point in known):
                yield _reached(host, measure, limit)
            continue
        seen = forecast(series(measure, known, now), limit, now)
        if seen.confidence is not Confidence.NONE and seen.soonest is not None and seen.soonest <= horizon:
            yield _ahead(host, measure, limit, seen)


def _ahead(host: HostReport, measure: Measure, limit: float, seen: Forecast) -> Finding:
    rise = seen.slope
    assert rise is not None
    assert seen.soonest is not None
    soon = seen.confidence is Confidence.LIKELY and seen.latest is not None and seen.latest < HOUR
    likely = Severity.CRITICAL if soon else Severity.WARNING
    severity = likely if seen.confidence is Confidence.LIKELY else Severity.INFO
    when = between(seen.soonest, seen.latest)
    also = [finding.id for finding in _here(host, measure)]
    return found(
        LIMIT,
        host.host,
        title="A limit lies ahead",
        severity=severity,
        playbook=measure.playbook,
        scope={"measure": measure.id, **measure.scope},
        summary=f"{_what(measure, limit)}: the limit is reached in {when} ({seen.confidence})",
        cause=_why(measure, rise, seen, also),
        evidence={
            "value": measure.value,
            "limit": limit,
            "filled": measure.value / limit,
            "per_hour": rise.rate * HOUR,
            "per_hour_low": rise.low * HOUR,
            "per_hour_high": rise.high * HOUR,
            "reached_in_seconds": round(seen.soonest),
            "reached_in_seconds_at_the_latest": None if seen.latest is None else round(seen.latest),
            "confidence": seen.confidence.value,
            "visits": rise.count,
            "seen_for_seconds": round(rise.span),
            "also_found": also,
            "unit": measure.unit,
        },
    )


def _reached(host: HostReport, measure: Measure, limit: float) -> Finding:
    worse = next((finding for finding in _here(host, measure) if finding.severity is not Severity.INFO), None)
    return found(
        LIMIT,
        host.host,
        title="A limit is reached",
        severity=Severity.CRITICAL,
        playbook=measure.playbook,
        scope={"measure": measure.id, **measure.scope},
        summary=f"{_what(measure, limit)}: the limit is reached",
        cause=f"It was below the limit, and has been at it in the last two visits. {measure.at_limit}".strip(),
        evidence={"value": measure.value, "limit": limit, "reached_in_seconds": 0, "unit": measure.unit},
        explained_by=worse.fingerprint if worse else None,
    )


def _what(measure: Measure, limit: float) -> str:
    place = spoken(measure.scope)
    return f"{place + ': ' if place else ''}{_named(measure)} {amount(measure.value)} of {amount(limit)}"


def _named(measure: Measure) -> str:
    name = measure.title or measure.id
    return name[:1].lower() + name[1:] if name[1:2].islower() else name


def _why(measure: Measure, rise: Slope, seen: Forecast, also: Sequence[str]) -> str:
    parts = [
        f"It rose by {pace(rise.rate)} over {span(rise.span)} ({plural(rise.count, 'visit')}): {seen.why}.",
        measure.at_limit,
        f"The same process has {', '.join(also)}." if also else "",
        "Nothing is broken yet. Find out what is not given back, or make room, before then."
        if seen.confidence is Confidence.LIKELY
        else "It may level off before: look again before you act.",
    ]
    return " ".join(part for part in parts if part)


def _here(host: HostReport, measure: Measure) -> Sequence[Finding]:
    """What was found about the same process in the same namespace."""
    process, inside = measure.scope.get("process"), measure.scope.get("namespace")
    return [
        finding
        for finding in host.findings
        if process is not None
        and finding.scope.get("process") == process
        and inside in (None, finding.evidence.get("namespace"))
    ]
