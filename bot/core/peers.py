"""Which host is not like the others of its role: ten times their numbers, or a kernel setting that none of them has?"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import inf, isfinite

from bot.core.drift import Deed
from bot.core.insight_kinds import DIFFERS, OUTLIER, found
from bot.core.kernel_settings import alike
from bot.core.measure import Measure, spoken
from bot.core.outline import few, plural
from bot.core.past import Norm
from bot.core.report import Finding, HostReport, Severity
from bot.core.spans import amount

PEERS = 4
"""Hosts of the same role, besides the one itself, without which nothing is compared."""
TIMES = 10.0
"""An outlier has so many times what its peers have, or what it has itself as a rule."""
APART = 6.0
"""And is so many times their own spread away from them."""
USUAL = 1.5
"""Up to so many times its own usual high, a host is as it always is."""
MAJORITY = 0.8
"""A setting differs where so much of the role agrees on another value."""
NOTABLE = 0.05
"""A share of the limit that is worth a word, where the playbook names no number."""
_SCALE = 1.4826

Told = tuple[str, Finding]


def grouped(hosts: Sequence[HostReport], roles: Mapping[str, str]) -> Mapping[str, Sequence[HostReport]]:
    """The hosts that were read, by role; those without one have no peers."""
    groups: dict[str, list[HostReport]] = {}
    for host in hosts:
        if roles.get(host.host):
            groups.setdefault(roles[host.host], []).append(host)
    return groups


def outliers(role: str, group: Sequence[HostReport], norms: Sequence[Norm]) -> Iterator[Told]:
    """Hosts with ten times what their peers have of a measure, and more than is usual for them."""
    learnt = {(norm.subject, norm.key): norm for norm in norms}
    by_key: dict[str, dict[str, Measure]] = {}
    for host in group:
        for measure in host.measures:
            by_key.setdefault(measure.key, {})[host.host] = measure
    for key, have in by_key.items():
        ordered = sorted(measure.value for measure in have.values())
        for name, measure in have.items():
            if measure.value <= 0 or measure.value < _notable(measure):
                continue
            own = learnt.get((f"host:{name}", key))
            if own is not None and measure.value <= USUAL * own.high:
                continue
            held = _against(measure, ordered, role, learnt.get((f"role:{role}", key)), own)
            if held is not None:
                yield name, _outlier(name, measure, role, *held)


def _notable(measure: Measure) -> float:
    if measure.notable > 0:
        return measure.notable
    return float("inf") if measure.limit is None else NOTABLE * measure.limit


def _against(
    measure: Measure, ordered: Sequence[float], role: str, usual: Norm | None, own: Norm | None
) -> tuple[float, str] | None:
    """What is ordinary, and whose ordinary that is; None for a value that is ordinary itself, or cannot be held
    against anything. `ordered` are the values of the whole role, its own among them.
    """
    value, peers = measure.value, len(ordered) - 1
    if peers >= PEERS:
        middle = _middle_without(ordered, value)
        if value < TIMES * middle:  # nearly all: nothing that grows with the role is done for each of its hosts
            return None
        spread = _SCALE * _middle_without(sorted(abs(other - middle) for other in ordered), value - middle)
        far = value - middle >= APART * spread
        return (middle, f"its {peers} peers of role {role} (median)") if far else None
    if usual is not None:
        far = value >= TIMES * usual.middle and value >= USUAL * usual.high
        return (usual.middle, f"role {role} as a rule (median of {usual.count} visits)") if far else None
    if own is not None and value >= TIMES * own.high:
        return own.high, f"this host at most, as a rule (of {own.count} visits)"
    return None


def _middle_without(ordered: Sequence[float], value: float) -> float:
    """The median of the others, where one of these, least first, is `value`."""
    here, left = bisect_left(ordered, value), len(ordered) - 1
    low, high = (ordered[at + (at >= here)] for at in ((left - 1) // 2, left // 2))
    return low if left % 2 else (low + high) / 2


def _outlier(host: str, measure: Measure, role: str, ordinary: float, whose: str) -> Finding:
    place = spoken(measure.scope)
    times = measure.value / ordinary if ordinary > 0 else inf
    said = f"{amount(times)} times the " if isfinite(times) else "against "
    name = measure.title or measure.id
    return found(
        OUTLIER,
        host,
        title="One host is far from its peers",
        severity=Severity.WARNING,
        playbook=measure.playbook,
        scope={"measure": measure.id, **measure.scope},
        summary=f"{name}{' of ' + place if place else ''}: {amount(measure.value)}, "
        f"{said}{amount(ordinary)} of {whose}",
        cause=f"Hosts of role {role} do the same work, so they should hold about as much. Where one holds ten times as "
        "much, it gets more than its share (a balancer's weights, a client that sticks to one server), or it does not "
        "give back what the others do. Look at what it has that they have not before it becomes a fault.",
        evidence={
            "value": measure.value,
            "ordinary": ordinary,
            "times": times if isfinite(times) else None,
            "role": role,
            "unit": measure.unit,
        },
    )


def differing(role: str, group: Sequence[HostReport], deeds: Sequence[Deed]) -> Iterator[Told]:
    """Settings on which most of a role agree, and some of its hosts do not."""
    by_key: dict[str, dict[str, str]] = {}
    for host in group:
        for key, value in host.settings.items():
            by_key.setdefault(key, {})[host.host] = value
    for key, have in by_key.items():
        common, _ = Counter(have.values()).most_common(1)[0]
        same = {host: None for host, value in have.items() if alike(key, value, common)}
        if len(same) < PEERS or len(same) < MAJORITY * len(have):
            continue
        for name, value in have.items():
            if name not in same:
                deed = next((deed for deed in deeds if (deed.host, deed.key, deed.value) == (name, key, value)), None)
                yield name, _differs(name, key, (value, common), (role, tuple(same)), deed)


def _differs(
    host: str, key: str, values: tuple[str, str], peers: tuple[str, Sequence[str]], deed: Deed | None
) -> Finding:
    where, _, name = key.rpartition(" ")
    (mine, theirs), (role, same) = values, peers
    who = (
        f"netdiag set it so with change {deed.change}, asked for by {deed.requester}."
        if deed
        else "This host was set up another way: an older image, a file in /etc/sysctl.d that it lacks or has too much, "
        "or somebody's hand."
    )
    return found(
        DIFFERS,
        host,
        title="A kernel setting that its peers do not have",
        severity=Severity.WARNING,
        scope={"namespace": where, "setting": name},
        summary=f"{name} in {where} is {mine}; {plural(len(same), 'peer')} of role {role} have {theirs}",
        cause=f"The same work under other settings fails in other ways, and on this host alone. {who} Make it like the "
        "others, or make them like it: one of the two is not meant.",
        evidence={
            "value": mine,
            "peers_have": theirs,
            "peers": few(same, 8),
            "role": role,
            "change": deed.change if deed else "",
        },
    )
