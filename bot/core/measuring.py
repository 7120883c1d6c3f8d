"""How much, where, of what limit? A playbook's measures on what one visit saw.

What is unknown is left out, never 0. Of several places that go by one name, as workers of one server do, the one
nearest to its limit counts, or the one with the most.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from bot.core.condition import World
from bot.core.judge import clean, items, named
from bot.core.measure import Measure
from bot.core.playbook import MeasureRule
from bot.core.probe import Unknown

MOST = 50
"""Numbers of one measure that are kept of a host: those nearest to their limit, or the greatest."""


def measured(rule: MeasureRule, world: World) -> tuple[tuple[Measure, ...], int]:
    """The worst `MOST` numbers of a measure, and how many more there are."""
    by_key: dict[str, Measure] = {}
    for found in _all(rule, world):
        known = by_key.get(found.key)
        if known is None or _rank(found) > _rank(known):
            by_key[found.key] = found
    worst = sorted(by_key.values(), key=lambda found: (*(-part for part in _rank(found)), found.key))
    return tuple(worst[:MOST]), max(0, len(worst) - MOST)


def _rank(found: Measure) -> tuple[float, float]:
    return found.filled or 0.0, found.value


def _all(rule: MeasureRule, world: World) -> Iterator[Measure]:
    for item in items(rule, world):
        if isinstance(item, Unknown):
            continue
        here = named(rule.lets, world.bind(item))
        if rule.where is not None and rule.where.truth(here) is not True:
            continue
        value = _number(rule.value.value(here))
        scope = {key: expression.value(here) for key, expression in rule.scope.items()}
        if value is None or any(part is None or isinstance(part, Unknown) for part in scope.values()):
            continue
        limit = _number(rule.limit.value(here)) if rule.limit else None
        yield Measure(
            id=rule.id,
            playbook=rule.playbook,
            title=rule.title,
            unit=rule.unit,
            scope=_place(scope),
            value=value,
            limit=limit if limit is not None and limit > 0 else None,
            rate=rule.rate,
            notable=rule.notable,
            at_limit=rule.at_limit,
        )


def _place(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what is empty: a listener whose process is not known is at its address."""
    return {key: value for key, value in clean(scope).items() if value != ""}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
