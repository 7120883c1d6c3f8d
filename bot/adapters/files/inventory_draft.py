"""What does an inventory need before it holds, whatever file it came from?

Readers (netdiag's own YAML, Ansible's three formats) fill a `Draft` with values as they were written and where;
`finish` gives every value its type, ties jumps and groups to hosts, and refuses with all faults at once.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.core.errors import ConfigError, Place, nearest
from bot.core.expect import settled
from bot.core.host import Host, Inventory, Transport

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,252}")
"""What a host or group may be called: nothing that TARGET reads as a list, a glob, a label or a negation."""

RESERVED = frozenset({"all"})
_KEY_TYPES = ("ssh-", "ecdsa-sha2-", "sk-")


@dataclass(frozen=True, slots=True)
class Given:
    """One value as it was written. `shared` says whose it is when a host did not set it itself: "group web"."""

    value: Any
    place: Place
    shared: str = ""


@dataclass(slots=True)
class HostDraft:
    """A host before its values have types: what was written for it, by the key of `FIELDS`."""

    place: Place
    given: dict[str, Given]


@dataclass(slots=True)
class GroupDraft:
    """A group and its members, each with the place that names it."""

    place: Place
    members: dict[str, Place] = field(default_factory=dict)


@dataclass(slots=True)
class Draft:
    """An inventory as written, and the faults found so far."""

    directory: Path
    hosts: dict[str, HostDraft] = field(default_factory=dict)
    groups: dict[str, GroupDraft] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    expect_at: Place | None = None
    faults: list[str] = field(default_factory=list)

    def fault(self, place: Place, what: str) -> None:
        """Note a fault; `finish` raises them all."""
        self.faults.append(f"{place}: {what}")


def _text(value: Any, _: Path) -> str:
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value
    raise ValueError(f"must be text, not {value!r}")


def _truth(value: Any, _: Path) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"must be true or false, not {value!r}")


def _port(value: Any, _: Path) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:  # noqa: PLR2004
        return value
    raise ValueError(f"must be a port from 1 to 65535, not {value!r}")


def _path(value: Any, directory: Path) -> str:
    return str(directory.absolute() / Path(_text(value, directory)).expanduser())


def _known_hosts(value: Any, directory: Path) -> str:
    text = _text(value, directory)
    if not text.startswith(_KEY_TYPES):
        return _path(text, directory)
    kind, _, blob = text.partition(" ")
    try:
        told = b64decode(blob.split()[0], validate=True)
    except (IndexError, ValueError):
        told = b""
    if kind.encode() not in told[: len(kind) + 4]:
        raise ValueError(f"must be a file or a whole public key ({kind} AAAA...), not {text[:60]!r}")
    return text


def _transport(value: Any, _: Path) -> Transport:
    try:
        return Transport(value)
    except ValueError:
        raise ValueError(f"must be a transport, not {value!r}{nearest(str(value), tuple(Transport))}") from None


def _labels(value: Any, _: Path) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"must be labels like {{role: web}}, not {value!r}")  # noqa: TRY004 - one kind for all of FIELDS
    for key, text in value.items():
        if isinstance(text, dict | list) or text is None:
            raise ValueError(f'label "{key}" must be a word or number, not {text!r}')
    return {key: str(text).lower() if isinstance(text, bool) else str(text) for key, text in value.items()}


FIELDS: Mapping[str, Callable[[Any, Path], Any]] = {
    "address": _text,
    "port": _port,
    "user": _text,
    "sudo": _truth,
    "transport": _transport,
    "known_hosts": _known_hosts,
    "key": _path,
    "certificate": _path,
    "agent": _truth,
    "jump": _text,
    "recording": _path,
    "labels": _labels,
}
"""Every setting of a host, and how its written value gets its type (ValueError says what it must be)."""


def finish(draft: Draft) -> Inventory:
    """The inventory that the draft means. Raises ConfigError with every fault, one a line, in the order found."""
    _check_names(draft)
    values = {name: _values(draft, name, host) for name, host in draft.hosts.items()}
    _check_jumps(draft, values)
    groups = _groups(draft)
    if not draft.hosts and not draft.faults:
        draft.faults.append(f"{draft.directory}: the inventory holds no host; add one under hosts")
    expect: Mapping[str, Any] = {}
    try:
        expect = settled(draft.expect)
    except ValueError as fault:
        draft.faults.append(f"{draft.expect_at or draft.directory}: {fault}")
    if draft.faults:
        raise ConfigError("\n".join(dict.fromkeys(draft.faults)))
    member_of = {name: tuple(group for group, names in groups.items() if name in names) for name in draft.hosts}
    hosts = {name: Host(name=name, groups=member_of[name], **fields) for name, fields in values.items()}
    return Inventory(hosts=hosts, groups=groups, expect=expect)


def _check_names(draft: Draft) -> None:
    named = [("host", name, host.place) for name, host in draft.hosts.items()]
    named += [("group", name, group.place) for name, group in draft.groups.items()]
    for kind, name, place in named:
        if name in RESERVED or not NAME.fullmatch(name):
            draft.fault(place, f'"{name}" cannot name a {kind}; use letters, digits, ".", "_" and "-", and not "all"')
    for name in draft.hosts.keys() & draft.groups.keys():
        draft.fault(draft.hosts[name].place, f'"{name}" names a host and a group; rename one, a target must be clear')


def _values(draft: Draft, name: str, host: HostDraft) -> dict[str, Any]:
    values: dict[str, Any] = {"address": name, "known_hosts": _default_known_hosts(draft.directory)}
    for key, given in host.given.items():
        if given.value is None:
            continue
        try:
            values[key] = FIELDS[key](given.value, draft.directory)
        except ValueError as error:
            draft.fault(given.place, f"{key} {error}")
    transport = values.get("transport", Transport.SSH)
    if transport is Transport.REPLAY and "recording" not in values:
        draft.fault(host.place, f'host "{name}" replays no recording; add recording: FILE')
    if "recording" in values and transport is not Transport.REPLAY:
        draft.fault(host.given["recording"].place, f'host "{name}" has a recording; add transport: replay')
    return values


def _default_known_hosts(directory: Path) -> str:
    own = directory.absolute() / "known_hosts"
    return str(own if own.is_file() else Path("~/.ssh/known_hosts").expanduser())


def _check_jumps(draft: Draft, values: dict[str, dict[str, Any]]) -> None:
    """Every jump is another SSH host, and following jumps ends. A shared jump is not for the jump host itself."""
    for name, host in draft.hosts.items():
        if values[name].get("jump") == name and host.given["jump"].shared:
            del values[name]["jump"]
    for name, host in draft.hosts.items():
        jump = values[name].get("jump")
        if jump is None:
            continue
        place = host.given["jump"].place
        if jump not in draft.hosts:
            draft.fault(
                place, f'jump host "{jump}" is not in the inventory{nearest(jump, draft.hosts)}; add it as a host'
            )
        elif values[jump].get("transport", Transport.SSH) is not Transport.SSH:
            draft.fault(place, f'jump host "{jump}" is not reached over SSH; jump through a host that is')
        elif (circle := _circle(values, name)) and name == next(host for host in values if host in circle):
            draft.fault(place, f"jumps go in a circle: {' -> '.join(circle)}; one of these must be reached directly")


def _circle(values: Mapping[str, Mapping[str, Any]], start: str) -> list[str]:
    seen = [start]
    while (jump := str(values[seen[-1]].get("jump"))) in values:
        if jump in seen:
            return [*seen[seen.index(jump) :], jump]
        seen.append(jump)
    return []


def _groups(draft: Draft) -> dict[str, tuple[str, ...]]:
    for title, group in draft.groups.items():
        for name, place in group.members.items():
            if name not in draft.hosts:
                draft.fault(place, f'group "{title}" names an unknown host "{name}"{nearest(name, draft.hosts)}')
    return {
        title: tuple(name for name in draft.hosts if name in group.members) for title, group in draft.groups.items()
    }
