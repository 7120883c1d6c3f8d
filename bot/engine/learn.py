"""What is normal on each host and for each role, learnt from the past that is kept?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.norms import HOSTS, lacking, lacking_in, norm, norm_of
from bot.core.outline import plural
from bot.core.past import Norm
from bot.core.pool import Pool
from bot.engine.sweep_ports import History

BACK = timedelta(days=28)
"""How far back is looked: four of each day of the week."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt, and of which subjects nothing could be, each with what is missing."""

    norms: tuple[Norm, ...]
    missing: Mapping[str, str]


async def learn(
    history: History, hosts: Sequence[str], roles: Mapping[str, str], now: datetime, back: timedelta = BACK
) -> Learnt:
    """Learn from the last `back` of these hosts and of every host of their roles, and keep it. Raises JournalDown.

    `roles` is the role of every host of the inventory that has one: a role is learnt from all of its hosts. One host's
    past is held at a time, of a role no more than some thousand values a measure (`core.pool`).
    """
    since, wanted = now - back, set(hosts)
    groups: dict[str, dict[str, Pool]] = {}
    norms: list[Norm] = []
    missing: dict[str, str] = {}
    asked = {roles[host] for host in hosts if host in roles}
    for host in dict.fromkeys([*hosts, *(host for host, role in roles.items() if role in asked)]):
        series = {key: points for (_, key), points in (await history.series_of([host], since=since)).items()}
        role = roles.get(host)
        if role in asked and role is not None:
            pools = groups.setdefault(role, {})
            for key, points in series.items():
                pools.setdefault(key, Pool()).take(points)
        if host in wanted:
            made = (norm(f"host:{host}", key, points, now) for key, points in sorted(series.items()))
            found = [each for each in made if each is not None]
            norms += found
            if not found:
                longest = max(series.values(), key=lambda points: sum(point.count for point in points), default=())
                missing[f"host:{host}"] = lacking(longest)
    for role, pools in groups.items():
        enough = ((key, pool) for key, pool in sorted(pools.items()) if pool.hosts >= HOSTS)
        made = (norm_of(f"role:{role}", key, pool, now) for key, pool in enough)
        found = [each for each in made if each is not None]
        norms += found
        if not found:
            missing[f"role:{role}"] = _why(role, pools)
    await history.learn(norms)
    return Learnt(tuple(norms), missing)


def _why(role: str, pools: Mapping[str, Pool]) -> str:
    most = max((pool.hosts for pool in pools.values()), default=0)
    if most < HOSTS:
        return f"no measure is known of more than {plural(most, 'host')} of role {role}; {HOSTS} are needed"
    return lacking_in(max(pools.values(), key=lambda pool: pool.points))
