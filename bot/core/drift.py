"""Which kernel settings of a host changed since they were last seen, and was it netdiag?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.approval import Record, State
from bot.core.kernel_settings import alike
from bot.core.past import Setting

KEPT = timedelta(days=1)
"""A change is told for so long after it was seen."""


@dataclass(frozen=True, slots=True)
class Deed:
    """A kernel setting that netdiag set: on which host, under which key (as in `HostReport.settings`), to what, by
    which change, who asked for and who approved it, and when it was in force.
    """

    host: str
    key: str
    value: str
    change: str
    requester: str
    voters: str
    at: str


@dataclass(frozen=True, slots=True)
class Drift:
    """A setting that is not what it was. `since`: when it was first seen so; `by`: netdiag's own change, if it was."""

    key: str
    before: str
    value: str
    since: datetime
    by: Deed | None = None


def drifts(
    host: str, now_set: Mapping[str, str], before: Iterable[Setting], deeds: Sequence[Deed], now: datetime
) -> Sequence[Drift]:
    """What differs from when the host was last seen, and what was seen to differ within the last day."""
    found = []
    for setting in before:
        value = now_set.get(setting.key)
        if setting.host != host or value is None:
            continue
        was, since = (setting.value, now) if value != setting.value else (setting.before, setting.since)
        if was is not None and not alike(setting.key, was, value) and since > now - KEPT:
            found.append(Drift(setting.key, was, value, since, _by(host, setting.key, value, deeds)))
    return sorted(found, key=lambda drift: drift.key)


def _by(host: str, key: str, value: str, deeds: Sequence[Deed]) -> Deed | None:
    mine = [deed for deed in deeds if (deed.host, deed.key) == (host, key)]
    last = max(mine, key=lambda deed: deed.at, default=None)
    return last if last is not None and alike(key, last.value, value) else None


def deeds(records: Iterable[Record]) -> Sequence[Deed]:
    """What the journal's changes set, reverts among them: what was read back of those that are done, and what would
    have been of those whose outcome is not known.
    """
    found = []
    for record in records:
        change = record.change
        if change.action != "sysctl.set" or record.state not in (State.DONE, State.UNKNOWN):
            continue
        name = str(change.with_.get("key", ""))
        for check in change.plan.verify:
            what, inside, where = check.about.partition(" in ")
            if what == name and inside:
                found.append(
                    Deed(
                        host=change.host,
                        key=f"{where} {name}",
                        value=check.expect,
                        change=change.id,
                        requester=change.requester,
                        voters=record.voters,
                        at=record.settled_at or record.intent_at or change.created,
                    )
                )
    return found
