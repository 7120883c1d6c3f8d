"""Whose alert is it: on which hosts, looked at with which playbooks, told in which channel?

The first route that matches answers. What an alert says is hostile like what a host prints: a label names a host only
by being exactly its name, its address or a label of the inventory, never as a selector (`all` is nobody's name).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.core.alert import Alert
from bot.core.errors import nearest
from bot.core.host import Host, Inventory
from bot.core.regex import Pattern
from bot.core.text import neutral

SLOT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A label's name in braces."""
_PORT = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<name>[^:/\s]+))(?::[0-9]{1,5})?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Match:
    """One condition on a label: equal to a text, or matched whole by a pattern. A label that is not there is empty."""

    label: str
    equal: str = ""
    pattern: Pattern | None = None

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels meet it."""
        value = labels.get(self.label, "")
        return value == self.equal if self.pattern is None else self.pattern.matches(value)


@dataclass(frozen=True, slots=True)
class Route:
    """What to do with the alerts that meet every one of `match`. `owner` is a person of the policy: the requester."""

    name: str
    match: tuple[Match, ...] = ()
    host: str = "{instance}"
    """A template over labels. With `by`, the value of that label of the inventory."""
    by: str = ""
    playbooks: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    channel: str = ""
    owner: str = ""
    diagnose: bool = True
    place: str = ""
    """`file:line`, for messages."""


@dataclass(frozen=True, slots=True)
class Routing:
    """The whole of `alerts.yaml`. `version` is the SHA-256 of its bytes, "none" when there is no file.

    New messages (those of sweeps in the same channel count, too) and diagnoses are bounded by hour; what is over waits,
    and is summed up. `hosts_at_once` bounds one
    diagnosis. Within `again` seconds a host of a group is not read a second time by the same route.
    """

    routes: tuple[Route, ...] = ()
    messages_per_hour: int = 20
    diagnoses_per_hour: int = 60
    hosts_at_once: int = 10
    again: int = 900
    version: str = "none"

    def of(self, alert: Alert) -> Route | None:
        """The first route that the alert meets."""
        return next((route for route in self.routes if all(one.holds(alert.labels) for one in route.match)), None)


def meant(route: Route, alert: Alert, inventory: Inventory) -> tuple[Host, ...] | str:
    """The hosts that an alert is about, or why none is known."""
    text = filled(route.host, alert.labels)
    if text is None:
        missing = next(name for name in SLOT.findall(route.host) if not alert.labels.get(name))
        return f'the alert has no label "{missing}", which names its host ({route.place})'
    if route.by:
        hosts = tuple(host for host in inventory.hosts.values() if host.labels.get(route.by) == text)
        values = {host.labels[route.by] for host in inventory.hosts.values() if route.by in host.labels}
        said = f'no host of the inventory has the label "{route.by}={neutral(text, 80)}"{nearest(text, values)}'
        return hosts or said
    return _named(without_port(text), inventory)


def _named(text: str, inventory: Inventory) -> tuple[Host, ...] | str:
    """By name, by address, by the first part of a full name where that is one host's alone."""
    found = inventory.hosts.get(text)
    if found is not None:
        return (found,)
    hosts = inventory.hosts.values()
    at = tuple(host for host in hosts if host.address == text)
    if at:
        return at
    short = text.partition(".")[0].lower()
    if any(char.isalpha() for char in short):  # the first part of an address names nobody
        alike = tuple(host for host in hosts if host.name.partition(".")[0].lower() == short)
        bare = "." not in text or all("." not in host.name for host in alike)
        if len(alike) == 1 and bare:
            return alike
    return f'no host "{neutral(text, 80)}" in the inventory{nearest(text, inventory.hosts)}'


def without_port(text: str) -> str:
    """`node-3:9100`, `[2001:db8::1]:9100`, `https://node-3:9100/x` as the host alone; a bare IPv6 address stays."""
    bare = _SCHEME.sub("", text.strip(), count=1)
    if bare != text.strip():
        bare = bare.partition("/")[0]
    if bare.count(":") > 1 and not bare.startswith("["):
        return bare
    match = _PORT.fullmatch(bare)
    return (match["six"] or match["name"]) if match else bare


def filled(template: str, labels: Mapping[str, str]) -> str | None:
    """The template with the labels put in; None when one of them is not there."""
    if any(not labels.get(name) for name in SLOT.findall(template)):
        return None
    return SLOT.sub(lambda match: labels[match[1]], template)


def params_of(route: Route, alert: Alert) -> Mapping[str, str]:
    """The route's parameters with the labels put in; one whose label is not there is left out."""
    filling = {name: filled(text, alert.labels) for name, text in route.params.items()}
    return {name: text for name, text in filling.items() if text is not None}
