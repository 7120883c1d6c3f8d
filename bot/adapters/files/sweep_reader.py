"""What does one sweep of the file mean, with what `defaults` say for all, and what is wrong with it?"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from bot.adapters.files import times
from bot.adapters.files.strict_yaml import Document
from bot.adapters.files.sweep_entries import PlanEntries, SweepEntry, World
from bot.core.crontab import parse
from bot.core.errors import AskError, nearest
from bot.core.params import check_params
from bot.core.policy import span
from bot.core.schedule import dues_between
from bot.core.selector import select
from bot.core.sweep import DAY, Cron, Every, Sweep, Tuning
from bot.core.window import Window

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_CHANNEL = re.compile(r"[CGD][A-Z0-9]{2,}")
_SOME_MONDAY = datetime(2030, 1, 7, tzinfo=UTC)
_LOOKED_AT = 200
"""Due times that are looked at for the shortest distance between two."""


def tried(faults: list[str], document: Document, path: tuple[str | int, ...], read: Callable[[], Any]) -> Any:
    """What `read` gives, or None and a fault with its line."""
    try:
        return read()
    except (ValueError, AskError) as fault:
        faults.append(f"{document.place(path)}: {fault}")
        return None


@dataclass(slots=True)
class Reader:
    """Reads one sweep. What it says itself goes before what `defaults` say."""

    document: Document
    file: PlanEntries
    name: str
    faults: list[str]
    world: World
    entry: SweepEntry = field(init=False)

    def __post_init__(self) -> None:
        self.entry = self.file.sweeps[self.name]

    def sweep(self) -> Sweep | None:
        """The sweep, or None when something is wrong with it: `faults` says what."""
        before = len(self.faults)
        zone = self._said("zone") or "UTC"
        self._check("zone", lambda: times.zone(zone))
        when = self._when()
        read: dict[str, Any] = {
            "overlap": self._said("overlap"),
            "quiet": self._said("quiet"),
            "owner": self._owner(),
            "channel": self._channel(),
            "catch_up": self._span("catch_up", 0, 7 * DAY),
            "timeout": self._span("timeout", 10, DAY),
            "jitter": self._span("jitter", 0, DAY),
            "tuning": self._tuning(),
            "quiet_hours": self._quiet_hours(zone),
            "playbooks": self._playbooks(),
        }
        if not _NAME.fullmatch(self.name):
            self._fault("", f'"{self.name}" is no name: lower-case letters, digits and hyphens')
        self._check("target", lambda: select(self.world.inventory, self.entry.target))
        if when is None or len(self.faults) > before:
            return None
        sweep = Sweep(
            name=self.name,
            when=when,
            target=self.entry.target,
            title=self.entry.title,
            zone=zone,
            params={key: _param(value) for key, value in self.entry.params.items()},
            enabled=self.entry.enabled,
            place=str(self.document.place(("sweeps", self.name))),
            **{key: value for key, value in read.items() if value is not None},
        )
        self._check("jitter", lambda: _fits(sweep))
        return sweep if len(self.faults) == before else None

    def _said(self, key: str) -> Any:
        own = getattr(self.entry, key)
        return getattr(self.file.defaults, key) if own is None else own

    def _path(self, key: str) -> tuple[str | int, ...]:
        """Where a key stands: in the sweep, in `defaults`, or, when it is missing, the sweep itself."""
        head, _, tail = key.partition(".")
        own, shared = getattr(self.entry, head, None), getattr(self.file.defaults, head, None)
        if tail:
            own, shared = getattr(own, tail), getattr(shared, tail)
        parts = tuple(key.split(".")) if key else ()
        return ("defaults", *parts) if own is None and shared is not None else ("sweeps", self.name, *parts)

    def _fault(self, key: str, said: str) -> None:
        self.faults.append(f"{self.document.place(self._path(key))}: {said}")

    def _check(self, key: str, read: Callable[[], Any]) -> Any:
        return tried(self.faults, self.document, self._path(key), read)

    def _when(self) -> Every | Cron | None:
        every, cron = self.entry.every, self.entry.cron
        if (every is None) == (cron is None):
            self._fault("", f'{self.name}: give either `every: 15m` or `cron: "0 7 * * mon-fri"`')
            return None
        if cron is not None:
            found = self._check("cron", lambda: parse(cron))
            return None if found is None else Cron(found.text)
        seconds = self._span("every", 10, 366 * DAY)
        return None if seconds is None else Every(seconds)

    def _span(self, key: str, least: int, most: int) -> int | None:
        """A span of time in seconds; None where nothing is said, or something wrong."""
        head, _, tail = key.partition(".")
        if tail:
            own = getattr(self.entry.thresholds, tail)
            text = getattr(self.file.defaults.thresholds, tail) if own is None else own
        else:
            text = getattr(self.entry, head) if head == "every" else self._said(head)
        if text is None:
            return None
        seconds = times.seconds(text, zero=True)
        if seconds is None:
            self._fault(key, f'{tail or head}: "{text}" is no span of time; write 90s, 15m, 2h or 1d')
        elif not least <= seconds <= most:
            self._fault(key, f"{tail or head}: {text} is not between {span(least)} and {span(most)}")
        return seconds

    def _owner(self) -> str:
        owner: str = self._said("owner") or ""
        people = self.world.people
        if owner and people is not None and owner not in people:
            near = nearest(owner, people) or "; the access policy names nobody"
            self._fault("owner", f'owner: no person "{owner}" in policy.yaml{near}')
        return owner

    def _channel(self) -> str:
        channel: str = self._said("channel") or ""
        if channel and not _CHANNEL.fullmatch(channel):
            self._fault(
                "channel",
                f'"{channel}" is no channel id (like C024BE7LH: the channel, About, at the bottom); names change',
            )
        return channel

    def _playbooks(self) -> tuple[str, ...]:
        names, known = self.entry.playbooks, self.world.playbooks
        for index, name in enumerate(names):
            place = self.document.place(("sweeps", self.name, "playbooks", index))
            if name not in known:
                self.faults.append(f'{place}: no playbook "{name}"{nearest(name, known)}')
            elif name in names[:index]:
                self.faults.append(f'{place}: playbook "{name}" is given twice; keep one')
        chosen = [known[name] for name in names or known if name in known]
        given = {key: _param(value) for key, value in self.entry.params.items()}
        self._check("params", lambda: check_params(chosen, given))
        return tuple(names)

    def _quiet_hours(self, zone: str) -> tuple[Window, ...]:
        found: list[Window] = []
        for text in self._said("quiet_hours") or []:
            found += self._check("quiet_hours", partial(_hours, text, zone)) or []
        return tuple(found)

    def _tuning(self) -> Tuning:
        most = {"flap_window": 30 * DAY, "remind_after": 90 * DAY, "horizon": 365 * DAY}
        read: dict[str, Any] = {key: self._span(f"thresholds.{key}", 60, limit) for key, limit in most.items()}
        for name in ("open_after", "resolve_after", "flap_changes", "least"):
            own = getattr(self.entry.thresholds, name)
            read[name] = getattr(self.file.defaults.thresholds, name) if own is None else own
        assert read.keys() == {known.name for known in fields(Tuning)}
        return Tuning(**{key: value for key, value in read.items() if value is not None})


def _param(value: str | float | bool) -> str:
    """A parameter as it would be typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _hours(text: str, zone: str) -> list[Window]:
    return list(times.hours(text, "quiet hours", zone))


def _fits(sweep: Sweep) -> None:
    """Raise ValueError for a jitter that could put one run off beyond the next."""
    shortest = min(_distances(sweep), default=timedelta(days=366))
    if 2 * sweep.jitter > shortest.total_seconds():
        raise ValueError(
            f"jitter: {span(sweep.jitter)} is more than half of the {span(int(shortest.total_seconds()))} between runs"
        )


def _distances(sweep: Sweep) -> Iterator[timedelta]:
    dues = dues_between(sweep, _SOME_MONDAY, _SOME_MONDAY + timedelta(days=400), _LOOKED_AT)
    return (after - before for before, after in pairwise(dues))
