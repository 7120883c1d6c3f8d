"""What is known of one group of alerts, what is still to be done about it, and how is it told?

A group is what Alertmanager tells together, in one channel of ours. While something of it fires it is one message,
edited; when all of it has been resolved, the next alert begins a new one. Every step is a value that is stored before
the next is taken, so a restart goes on where it was: no alert lost, none diagnosed twice.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from bot.core.alert import Alert, Delivery
from bot.core.alert_route import Route, Routing, meant, params_of
from bot.core.host import Inventory

MOST = 500
"""Alerts of one group that are kept one by one, and diagnoses; what is more is counted."""
STALE = timedelta(days=1)
"""A group that was silent for so long is over, resolved or not: Alertmanager may be told not to send what resolves."""
TRIES = 3
"""Attempts at one diagnosis: one that takes the process down with it is not tried for ever."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Seen(_Value):
    """One alert as last told to us."""

    key: str
    name: str
    summary: str
    where: str
    """The label values that tell it from its siblings, for people."""
    firing: bool
    starts: datetime
    ends: datetime | None = None
    hosts: tuple[str, ...] = ()
    trouble: str = ""
    """Why it was not diagnosed, or is not going to be."""


class Step(StrEnum):
    """Where a diagnosis stands. READ is stored but not yet told; GIVEN_UP says why in `why`."""

    WANTED = "wanted"
    READ = "read"
    TOLD = "told"
    GIVEN_UP = "given up"


class Look(_Value):
    """One diagnosis: of which hosts, by which route's words, for whom, and what it came to."""

    number: int
    route: str
    owner: str
    hosts: tuple[str, ...]
    playbooks: tuple[str, ...] = ()
    params: Mapping[str, str] = Field(default_factory=dict)
    at: datetime
    step: Step = Step.WANTED
    attempt: int = 0
    run: str = ""
    why: str = ""
    outcome: tuple[str, ...] = ()
    """A line for each host."""
    critical: bool = False
    """Whether it found what is critical."""


class Group(_Value):
    """One message. `episode` goes up with each message of this group; `shown` is the print of what it shows now."""

    id: str
    channel: str
    episode: int = 1
    begun: datetime
    last: datetime
    """When Alertmanager spoke of it last."""
    alerts: tuple[Seen, ...] = ()
    more: int = 0
    looks: tuple[Look, ...] = ()
    ts: str = ""
    posted_in: str = ""
    """The channel as the chat names it in its receipt."""
    shown: str = ""

    @property
    def key(self) -> str:
        """The message's name for ever."""
        return f"alert:{self.id}:{self.episode}"

    @property
    def firing(self) -> int:
        """Alerts that fire now."""
        return sum(alert.firing for alert in self.alerts)

    @property
    def due(self) -> tuple[Look, ...]:
        """Diagnoses that are still to be made or told."""
        return tuple(look for look in self.looks if look.step in (Step.WANTED, Step.READ))

    def having(self, look: Look) -> "Group":
        """The group with one of its diagnoses gone on."""
        looks = tuple(look if one.number == look.number else one for one in self.looks)
        return self.model_copy(update={"looks": looks})


def name_of(delivery: Delivery, channel: str) -> str:
    """The group's id."""
    text = "\0".join((delivery.receiver, delivery.group, channel))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_of(group: Group, look: Look) -> str:
    """The id of the run that a diagnosis is, at every attempt."""
    return f"r{hashlib.sha256(f'{group.key}:{look.number}'.encode()).hexdigest()[:10]}"


def channels(delivery: Delivery, routing: Routing) -> Mapping[str, Sequence[tuple[Alert, Route]]]:
    """The alerts of a delivery by the channel they are told in; those that no route takes are left out."""
    found: dict[str, list[tuple[Alert, Route]]] = {}
    for alert in delivery.alerts:
        route = routing.of(alert)
        if route is not None:
            found.setdefault(route.channel, []).append((alert, route))
    return found


def fold(
    known: Group | None,
    delivery: Delivery,
    channel: str,
    told: Sequence[tuple[Alert, Route]],
    *,
    routing: Routing,
    inventory: Inventory,
    now: datetime,
) -> Group | None:
    """What is known after a delivery; the same delivery again changes nothing. None: nothing fires, nothing did."""
    group = _open(known, delivery, channel, [alert.key for alert, _ in told if alert.status == "firing"], now)
    if group is None:
        return None
    alerts = {alert.key: alert for alert in group.alerts}
    new: list[tuple[str, Alert, Route]] = []
    over = 0
    for alert, _ in told:
        if alert.key in alerts:
            firing = alert.status == "firing"
            ends = None if firing else alert.ends
            alerts[alert.key] = alerts[alert.key].model_copy(update={"firing": firing, "ends": ends})
    for alert, route in told:
        if alert.key in alerts or alert.status != "firing":
            continue
        if len(alerts) < MOST or _made_room(alerts):
            alerts[alert.key] = _seen(alert, route, inventory)
            new.append((alert.key, alert, route))
        else:
            over += 1
    looks = group.looks
    for key, alert, route in new:
        seen = alerts[key]
        if seen.hosts and not seen.trouble:
            number = looks[-1].number + 1 if looks else 1
            looks, alerts[key] = _covered(looks, seen, _look(number, seen, alert, route, now), routing)
    update = {"alerts": tuple(alerts.values()), "looks": _lately(looks), "more": over + delivery.truncated, "last": now}
    return group.model_copy(update=update)


def _made_room(alerts: dict[str, Seen]) -> bool:
    """Whether one that is over could go: the one that ended first. What fires is never given up for another."""
    over = [alert for alert in alerts.values() if not alert.firing]
    if over:
        del alerts[min(over, key=lambda alert: alert.ends or alert.starts).key]
    return bool(over)


def _lately(looks: tuple[Look, ...]) -> tuple[Look, ...]:
    """The diagnoses without the oldest of those that are done, where there are more than `MOST`."""
    done = [look.number for look in looks if look.step in (Step.TOLD, Step.GIVEN_UP)]
    gone = set(done[: max(0, len(looks) - MOST)])
    return tuple(look for look in looks if look.number not in gone) if gone else looks


def _first(now: datetime) -> int:
    """The first episode of a group that nothing is known of. It may have been forgotten after a long silence
    (`core.passing`): by the seconds, of which a message takes many, no name is ever given out again.
    """
    return int(now.timestamp())


def _open(known: Group | None, delivery: Delivery, channel: str, firing: Sequence[str], now: datetime) -> Group | None:
    """The message that a delivery belongs to: the one that stands, or a new one."""
    if known is None:
        if not firing:
            return None
        return Group(id=name_of(delivery, channel), channel=channel, episode=_first(now), begun=now, last=now)
    old = {alert.key for alert in known.alerts}
    over = not known.firing or now - known.last > STALE
    if over and any(key not in old for key in firing):
        return Group(id=known.id, channel=channel, episode=known.episode + 1, begun=now, last=now)
    return known


def _seen(alert: Alert, route: Route, inventory: Inventory) -> Seen:
    hosts = meant(route, alert, inventory)
    trouble = hosts if isinstance(hosts, str) else ("" if route.diagnose else "its route says so")
    return Seen(
        key=alert.key,
        name=alert.name,
        summary=alert.summary,
        where=alert.labels.get("instance") or alert.labels.get("node") or alert.labels.get("host") or "",
        firing=True,
        starts=alert.starts,
        hosts=() if isinstance(hosts, str) else tuple(host.name for host in hosts),
        trouble=trouble,
    )


def _look(number: int, seen: Seen, alert: Alert, route: Route, now: datetime) -> Look:
    return Look(
        number=number,
        route=route.name,
        owner=route.owner,
        hosts=seen.hosts,
        playbooks=route.playbooks,
        params=dict(params_of(route, alert)),
        at=now,
    )


def _covered(looks: tuple[Look, ...], seen: Seen, want: Look, routing: Routing) -> tuple[tuple[Look, ...], Seen]:
    """The diagnoses with a new alert's hosts in them. One that has not begun takes more hosts of the same kind; a host
    that was looked at a moment ago is not looked at again.
    """
    alike = [look for look in looks if _alike(look, want) and want.at - look.at < timedelta(seconds=routing.again)]
    hosts = tuple(host for host in want.hosts if not any(host in look.hosts for look in alike))
    waiting = next((look for look in alike if look.step is Step.WANTED and not look.attempt), None)
    room = max(0, routing.hosts_at_once - (len(waiting.hosts) if waiting else 0))
    if len(hosts) > room:
        seen = seen.model_copy(
            update={"trouble": f"more than {routing.hosts_at_once} hosts at once; ask for the others"}
        )
        hosts = hosts[:room]
    if not hosts:
        return looks, seen
    if waiting is None:
        return (*looks, want.model_copy(update={"hosts": hosts})), seen
    grown = waiting.model_copy(update={"hosts": (*waiting.hosts, *hosts)})
    return tuple(grown if look.number == grown.number else look for look in looks), seen


def _alike(look: Look, want: Look) -> bool:
    return (look.route, look.playbooks, dict(look.params)) == (want.route, want.playbooks, dict(want.params))
