"""What shall not be told for a while, who may say so, and for how long?

    TARGET [FINDING] for 2h because REASON

TARGET is a selector as everywhere; FINDING the id of a finding or a glob over ids, `*` when it is left out.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from bot.core.approval import stamp
from bot.core.audit import Event
from bot.core.errors import AskError, nearest
from bot.core.host import Host
from bot.core.policy import Policy, Standing, mute
from bot.core.selector import covers
from bot.core.sweep import DAY, Silence
from bot.core.text import neutral

LONGEST = 30 * DAY
"""Seconds; what shall be silent for longer is no silence but a threshold, or a fault to mend."""
SHORTEST = 60
MAX_WHY = 300

USAGE = "TARGET [FINDING] for 2h because REASON"
_WORDS = re.compile(
    r"(?P<hosts>\S+)(?:\s+(?P<findings>\S+))?\s+for\s+(?P<span>[0-9].*?)\s+(?:because|reason:?)\s+(?P<why>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_PART = re.compile(r"\s*([0-9]{1,5})\s*(weeks?|w|days?|d|hours?|h|minutes?|min|m)(?![a-z])", re.IGNORECASE)
_SECONDS = {"w": 7 * DAY, "d": DAY, "h": 3_600, "m": 60}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A silence that somebody asks for: hosts by selector, findings by glob, for so many seconds, and why."""

    hosts: str
    findings: str
    seconds: int
    why: str


def parse(text: str) -> Wanted:
    """A silence from its words. Raises AskError, which says what is missing."""
    match = _WORDS.fullmatch(text.strip())
    if match is None:
        raise AskError(
            f"{_missing(text)}: write `{USAGE}`, such as `node-3 rp-filter-drops for 2h because of the move`"
        )
    return Wanted(match["hosts"], match["findings"] or "*", seconds(match["span"]), match["why"].strip())


def _missing(text: str) -> str:
    words = text.lower().split()
    if not words:
        return "what shall be silent?"
    if "for" not in words[1:]:
        return "for how long?"
    return "why?" if not {"because", "reason", "reason:"} & set(words) else "that is no silence"


CENTURY = 36_500 * DAY
"""Seconds of the longest span that is understood: of much longer ones no calendar has the begin."""


def seconds(text: str) -> int:
    """A span of time as people write it: `90m`, `2h`, `1h 30min`, `3 days`. Raises AskError, also for centuries."""
    found, at = 0, 0
    while (part := _PART.match(text, at)) is not None:
        found += int(part[1]) * _SECONDS[part[2][0].lower()]
        at = part.end()
        if found > CENTURY:
            raise AskError(f'"{neutral(text, 40)}" is longer than {CENTURY // DAY} days; write 30m, 2h or 3d')
    if at == 0 or text[at:].strip():
        raise AskError(f'"{neutral(text, 40)}" is no span of time; write 30m, 2h or 3d')
    return found


def add(  # noqa: PLR0917 - what is asked, by whom, and what holds
    wanted: Wanted, standing: Standing, policy: Policy, known: Iterable[str], now: datetime, ident: str
) -> tuple[Silence, Event]:
    """The silence, and what to log. Raises AskError for a fault in what is asked, and for whoever may not.

    `known` are the ids of all findings there are; hosts are checked by whoever has the inventory.
    """
    _may(standing, policy)
    why = neutral(wanted.why.strip(), MAX_WHY)
    if not why:
        raise AskError(f"a silence needs a reason: {USAGE}")
    if not SHORTEST <= wanted.seconds <= LONGEST:
        raise AskError(f"a silence lasts between one minute and {LONGEST // DAY} days, so that no fault is forgotten")
    ids = sorted(set(known))
    if not any(fnmatchcase(name, wanted.findings) for name in ids):
        raise AskError(f'no finding is "{neutral(wanted.findings, 80)}"{nearest(wanted.findings, ids)}')
    until = now + timedelta(seconds=wanted.seconds)
    made = Silence(ident, wanted.hosts, wanted.findings, standing.actor.key, why, now, until)
    return made, Event("SilenceAdded", standing.actor.key, stamp(now), data=_data(made))


def end(silence: Silence, standing: Standing, policy: Policy, now: datetime) -> tuple[Silence, Event]:
    """The silence, taken back, and what to log. Everybody who may add one may end it. Raises AskError."""
    _may(standing, policy)
    ended = replace(silence, ended=now)
    return ended, Event("SilenceEnded", standing.actor.key, stamp(now), data=_data(ended))


def refused(standing: Standing, why: str, now: datetime) -> Event:
    """The log's entry for what was refused."""
    return Event("SilenceRefused", standing.actor.key, stamp(now), data={"reason": why})


def _may(standing: Standing, policy: Policy) -> None:
    fault = mute(policy, standing)
    if fault:
        raise AskError(f"{standing.actor.key} may not silence anything: {fault}")


def _data(silence: Silence) -> dict[str, str]:
    return {
        "silence": silence.id,
        "hosts": silence.hosts,
        "findings": silence.findings,
        "until": stamp(silence.until),
        "why": silence.why,
    }


def in_force(silence: Silence, now: datetime) -> bool:
    """Whether it holds at `now`."""
    return silence.ended is None and silence.begun <= now < silence.until


def silenced(silences: Iterable[Silence], host: Host, finding: str, now: datetime) -> Silence | None:
    """The silence that covers a finding on a host; of several the one that ends last."""
    held = [
        silence
        for silence in silences
        if in_force(silence, now) and fnmatchcase(finding, silence.findings) and covers(silence.hosts, host)
    ]
    return max(held, key=lambda silence: silence.until, default=None)
