"""Who is in which Ansible group, and in which order do variables win?"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.core.errors import Place

Vars = dict[str, tuple[Any, Place]]
Fault = Callable[[Place, str], None]

MAX_RANGE = 10_000
_RANGE = re.compile(r"\[([0-9]+|[A-Za-z]):([0-9]+|[A-Za-z])(?::([0-9]+))?\]")


@dataclass(slots=True)
class Group:
    """One group: the hosts and groups that it names, and its variables, each with its place."""

    name: str
    place: Place
    hosts: dict[str, Place] = field(default_factory=dict)
    children: dict[str, Place] = field(default_factory=dict)
    vars: Vars = field(default_factory=dict)


@dataclass(slots=True)
class Tree:
    """An Ansible inventory as written: groups by name, and each host's own variables."""

    place: Place
    groups: dict[str, Group] = field(default_factory=dict)
    hosts: dict[str, Vars] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)

    def group(self, name: str, place: Place) -> Group:
        """The group of that name, made if this is its first mention."""
        return self.groups.setdefault(name, Group(name, place))

    def host(self, name: str, place: Place) -> Vars:
        """The variables of the host of that name, made if this is its first mention."""
        self.places.setdefault(name, place)
        return self.hosts.setdefault(name, {})

    def settle(self, fault: Fault) -> None:
        """Know every group and host that is named anywhere, and how deep each group is; circles are faults."""
        self.group("all", self.place)
        for group in list(self.groups.values()):
            for child, place in group.children.items():
                self.group(child, place)
            for host, place in group.hosts.items():
                self.host(host, place)
        self.depths = dict.fromkeys(self.groups, 0)
        for _ in range(len(self.groups)):
            deeper = {
                child: self.depths[name] + 1
                for name, group in self.groups.items()
                for child in group.children
                if self.depths[child] <= self.depths[name] < len(self.groups)
            }
            if not deeper:
                return
            self.depths.update(deeper)
        worst = max(self.depths, key=lambda name: self.depths[name])
        fault(self.groups[worst].place, f'group "{worst}" is its own descendant; break the circle of children')
        for group in self.groups.values():
            group.children.clear()

    def members(self, name: str) -> set[str]:
        """The hosts of a group and of all below it."""
        todo, seen, hosts = [name], {name}, set[str]()
        while todo:
            group = self.groups[todo.pop()]
            hosts |= group.hosts.keys()
            fresh = group.children.keys() - seen
            seen |= fresh
            todo += fresh
        return hosts

    def lineage(self, host: str) -> list[str]:
        """The groups whose variables the host gets, the weakest first: `all`, then the deeper, then by name."""
        names = [name for name in self.groups if name != "all" and host in self._members_of(name)]
        return ["all", *sorted(names, key=lambda name: (self.depths[name], self._priority(name), name))]

    def _priority(self, name: str) -> int:
        value = str(self.groups[name].vars.get("ansible_group_priority", (1, self.place))[0])
        return int(value) if value.isdigit() else 1

    _cache: dict[str, set[str]] = field(default_factory=dict)

    def _members_of(self, name: str) -> set[str]:
        if name not in self._cache:
            self._cache[name] = self.members(name)
        return self._cache[name]


def hosts_in(pattern: str) -> list[str]:
    """The names that a host pattern with ranges means: `web[01:03]` is web01, web02, web03; `[a:c]` letters.

    Raises ValueError for a range that is none, or that means more than `MAX_RANGE` names.
    """
    match = _RANGE.search(pattern)
    if match is None:
        if "[" in pattern or "]" in pattern:
            raise ValueError(f'"{pattern}" has a broken range; write it like web[01:20] or db[a:c]')
        return [pattern]
    head, tail = pattern[: match.start()], hosts_in(pattern[match.end() :])
    middle = list(_range(pattern, *match.groups()))
    if len(middle) * len(tail) > MAX_RANGE:
        raise ValueError(f'"{pattern}" means more than {MAX_RANGE} hosts')
    return [f"{head}{part}{rest}" for part in middle for rest in tail]


def _range(pattern: str, first: str, last: str, step: str | None) -> Iterator[str]:
    stride = int(step or 1)
    numbers = first.isdigit() and last.isdigit()
    if (
        stride < 1
        or first.isdigit() != last.isdigit()
        or (len(first) > 1 and first[0] == "0" and len(first) != len(last))
    ):
        raise ValueError(f'"{pattern}" has a broken range; write it like web[01:20] or db[a:c]')
    low, high = (int(first), int(last)) if numbers else (ord(first), ord(last))
    if high < low or (high - low) // stride >= MAX_RANGE:
        raise ValueError(f'"{pattern}" has a range that ends before it begins, or of more than {MAX_RANGE} hosts')
    width = len(first) if numbers and first[0] == "0" else 0
    for number in range(low, high + 1, stride):
        yield str(number).zfill(width) if numbers else chr(number)
