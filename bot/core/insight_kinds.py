"""Which findings come from time and the fleet, and how is one made? Theirs is no playbook file."""

from collections.abc import Mapping
from typing import Any

from bot.core.fingerprint import fingerprint
from bot.core.judge import clean
from bot.core.report import Finding, Severity
from bot.core.text import neutral

LIMIT, CHANGED = "limit-forecast", "setting-changed"
OUTLIER, DIFFERS = "outlier", "setting-differs"
IDS = (LIMIT, CHANGED, OUTLIER, DIFFERS)
PLAYBOOK: Mapping[str, str] = {CHANGED: "trends", DIFFERS: "fleet"}
"""The name that stands where others have their playbook's. What is told of a measure has the playbook that measures: a
run that does not read it says nothing of it.
"""

_SAID = 600
_WHY = 1_200


def found(
    name: str,
    host: str,
    *,
    title: str,
    severity: Severity,
    scope: Mapping[str, Any],
    summary: str,
    cause: str,
    evidence: Mapping[str, Any],
    playbook: str = "",
    explained_by: str | None = None,
) -> Finding:
    """A finding of such a kind, its texts neutralised and its print as stable as every other's."""
    book = playbook or PLAYBOOK[name]
    return Finding(
        id=name,
        playbook=book,
        severity=severity,
        title=title,
        scope=clean(scope),
        summary=neutral(summary, _SAID),
        cause=neutral(cause, _WHY),
        evidence=clean(evidence),
        fingerprint=fingerprint(book, name, host, scope),
        explained_by=explained_by,
    )
