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
