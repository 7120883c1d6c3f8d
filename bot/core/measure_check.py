"""Is a measure sound: does it count something, at a place that can be told apart?"""

from types import MappingProxyType

from bot.core.bindings import bindings, values
from bot.core.cel_faults import spoken
from bot.core.checker import Checker, Path
from bot.core.condition import Expression, Names
from bot.core.playbook import MeasureRule
from bot.core.playbook_spec import MeasureSpec, PlaybookSpec

_NUMBERS = ("INT", "DOUBLE", "UINT", "DYN", "NULL")


def check_measures(checker: Checker, spec: PlaybookSpec, names: Names) -> tuple[MeasureRule, ...]:
    """The playbook's measures ready to be taken; faults are noted."""
    ids = [measure.id for measure in spec.measures]
    for number, name in enumerate(ids):
        if name in ids[:number]:
            checker.tell(("measures", number, "id"), f'a second measure "{name}"')
    made = [
        _measure(checker, ("measures", number), spec.name, each, names) for number, each in enumerate(spec.measures)
    ]
    return tuple(rule for rule in made if rule)


def _measure(checker: Checker, at: Path, playbook: str, spec: MeasureSpec, names: Names) -> MeasureRule | None:
    each, item, lets, names = bindings(checker, at, spec, names)
    where = checker.condition((*at, "where"), spec.where, names)
    scope = values(checker, (*at, "scope"), spec.scope, names)
    value = _number(checker, (*at, "value"), spec.value, names)
    limit = None if spec.limit is None else _number(checker, (*at, "limit"), spec.limit, names)
    if item and not spec.scope:
        checker.tell((*at, "each"), 'several items need "scope": what tells their numbers apart')
    if value is None:
        return None
    return MeasureRule(
        playbook=playbook,
        id=spec.id,
        title=spec.title or spec.id,
        unit=spec.unit,
        each=each,
        names=item,
        lets=MappingProxyType(dict(lets)),
        where=where,
        scope=scope,
        value=value,
        limit=limit,
        rate=spec.rate,
        notable=spec.notable,
        at_limit=spec.at_limit,
    )


def _number(checker: Checker, path: Path, source: str, names: Names) -> Expression | None:
    found = checker.expression(path, source, names)
    kind = found.kind.name() if found else ""
    if found and not any(number in kind.replace("<", " ").replace(">", " ").split() for number in _NUMBERS):
        checker.tell(path, f"must be a number, but is {spoken(kind)}")
        return None
    return found
