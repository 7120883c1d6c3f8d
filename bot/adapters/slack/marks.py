"""How is a status told without colour? By a word and a shape."""

from collections.abc import Mapping

from bot.core.report import Severity, Status

STATUS: Mapping[Status, str] = {
    Status.CRITICAL: "✖ critical",
    Status.WARNING: "▲ warning",
    Status.OK: "✔ ok",
    Status.UNKNOWN: "? unknown",
}
SEVERITY: Mapping[Severity, str] = {
    Severity.CRITICAL: "✖ critical",
    Severity.WARNING: "▲ warning",
    Severity.INFO: "· info",
}
ORDER = (Status.CRITICAL, Status.WARNING, Status.UNKNOWN, Status.OK)
"""Worst first; unknown before ok, because nobody has looked there."""
RANK: Mapping[Severity, int] = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
