"""Which kernel settings of a host are worth comparing, and when are two values the same?"""

from collections.abc import Mapping
from typing import Any

LIVE = frozenset({"net.netfilter.nf_conntrack_count"})
"""Not settings: the kernel counts here."""
SIZED = frozenset({"net.ipv4.tcp_mem", "net.ipv4.udp_mem"})
"""Sized by the kernel after the memory that is free at boot: a few pages more or less mean nothing."""
CLOSE = 0.05


def settings_of(netns: Mapping[str, Any], sysctl_net: Mapping[str, Any]) -> Mapping[str, str]:
    """`label key` to value, from the plain facts of both probes. Namespaces whose name is their number or their
    container's come and go, and have no settings to compare.
    """
    found: dict[str, str] = {}
    for inode, values in sysctl_net["namespaces"].items():
        space = netns["namespaces"].get(inode)
        if space is None or not _lasts(space):
            continue
        found |= {f"{space['label']} {key}": value for key, value in values.items() if key not in LIVE}
    return found


def _lasts(space: Mapping[str, Any]) -> bool:
    """The host's own namespace, a service's, or a pod's by its name."""
    label = space["label"]
    return bool(space["host"] or label == space["unit"] != "" or (label == space["pod"] and "/" in label))


def alike(key: str, one: str, other: str) -> bool:
    """Whether two values of a setting are the same as far as people care."""
    if one == other:
        return True
    pairs = list(zip(one.split(), other.split(), strict=False))
    sized = key.rpartition(" ")[2] in SIZED and len(one.split()) == len(other.split())
    if not sized or not all(a.isdecimal() and b.isdecimal() for a, b in pairs):
        return False
    return all(abs(int(a) - int(b)) <= CLOSE * max(int(a), int(b)) for a, b in pairs)
