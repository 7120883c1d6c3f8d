"""What is normal on each host and for each role, learnt from the past that is kept?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.norms import HOSTS, lacking, norm
from bot.core.outline import plural
from bot.core.past import Norm, Point
from bot.engine.sweep_ports import History

BACK = timedelta(days=28)
"""How far back is looked: four of each day of the week."""

Series = dict[str, list[Point]]


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt, and of which subjects nothing could be, each with what is missing."""

    norms: tuple[Norm, ...]
    missing: Mapping[str, str]


async def learn(
    history: History, hosts: Sequence[str], roles: Mapping[str, str], now: datetime, back: timedelta = BACK
) -> Learnt:
    """Learn from the last `back` of these hosts and of every host of their roles, and keep it. Raises JournalDown.

    `roles` is the role of every host of the inventory that has one: a role is learnt from all of its hosts.
    """
    since, wanted = now - back, set(hosts)
    groups: dict[str, Series] = {}
    members: dict[str, dict[str, int]] = {}
    norms: list[Norm] = []
    missing: dict[str, str] = {}
    asked = {roles[host] for host in hosts if host in roles}
    for host in dict.fromkeys([*hosts, *(host for host, role in roles.items() if role in asked)]):
        series = {key: points for (_, key), points in (await history.series_of([host], since=since)).items()}
        role = roles.get(host)
        if role in asked and role is not None:
            _pool(groups.setdefault(role, {}), members.setdefault(role, {}), series)
        if host in wanted:
            found = _norms(f"host:{host}", series, now)
            norms += found
            if not found:
                longest = max(series.values(), key=lambda points: sum(point.count for point in points), default=())
                missing[f"host:{host}"] = lacking(longest)
    for role, pooled in groups.items():
        enough = {key: points for key, points in pooled.items() if members[role][key] >= HOSTS}
        found = _norms(f"role:{role}", enough, now)
        norms += found
        if not found:
            missing[f"role:{role}"] = _why(role, pooled, members[role])
    await history.learn(norms)
    return Learnt(tuple(norms), missing)


def _pool(pooled: Series, members: dict[str, int], series: Mapping[str, Sequence[Point]]) -> None:
    for key, points in series.items():
        pooled.setdefault(key, []).extend(points)
        members[key] = members.get(key, 0) + 1


def _norms(subject: str, series: Mapping[str, Sequence[Point]], now: datetime) -> list[Norm]:
    found = (norm(subject, key, points, now) for key, points in sorted(series.items()))
    return [each for each in found if each is not None]


def _why(role: str, pooled: Series, members: Mapping[str, int]) -> str:
    most = max(members.values(), default=0)
    if most < HOSTS:
        return f"no measure is known of more than {plural(most, 'host')} of role {role}; {HOSTS} are needed"
    return lacking(max(pooled.values(), key=len))
