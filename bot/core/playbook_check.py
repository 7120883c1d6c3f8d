"""Is this playbook sound, before any host is asked? Every fault at once, each at its path in the file."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from cel_expr_python import cel

from bot.core.across import OTHERS, others_type
from bot.core.action import Action
from bot.core.bindings import RESERVED, bindings, values
from bot.core.checker import Checker, Path, Wrong
from bot.core.condition import ANYTHING, Condition, Expression, Names
from bot.core.errors import AskError, nearest
from bot.core.facts_schema import Schema
from bot.core.measure_check import check_measures
from bot.core.offer_check import check_offer
from bot.core.params import convert, model_of
from bot.core.playbook import Check, Confirm, OfferRule, Playbook
from bot.core.playbook_spec import CONFIRM, WORD, FindingSpec, PlaybookSpec, SeverityTable
from bot.core.probe import SAMPLES, Probe, Sampling
from bot.core.report import Severity
from bot.core.visit import required


def check(
    spec: PlaybookSpec, revision: str, probes: Mapping[str, Probe[Any]], actions: Mapping[str, Action[Any]]
) -> tuple[Playbook | None, Sequence[Wrong]]:
    """The playbook ready to use, and everything wrong with it (then it is None)."""
    checker = Checker(probes, actions, spec.probes)
    _names_exist(checker, spec)
    _params(checker, spec)
    asked = {name: probes[name].facts for name in spec.probes if name in probes}
    schema = Schema.of({**asked, "params": model_of(spec.params), OTHERS: others_type(asked)})
    typed = {name: kind for name, kind in schema.types.items() if name != OTHERS}
    names = Names(schema, typed).bind("expect", ANYTHING)
    checks = [_check(checker, spec, number, names) for number in range(len(spec.findings))]
    measures = check_measures(checker, spec, names)
    if not spec.findings and not spec.measures:
        checker.tell(("findings",), "finds nothing and measures nothing: add findings, measures, or both")
    if checker.wrong:
        return None, checker.wrong
    offered = frozenset(rule.action for each in checks if each for offer in each.offers for rule in _chain(offer))
    planned = [probe for action in sorted(offered) for probe in actions[action].reads]
    playbook = Playbook(
        name=spec.name,
        title=spec.title,
        about=spec.about,
        params=MappingProxyType(spec.params),
        probes=tuple(probe.name for probe in required([*spec.probes, *planned], probes)),
        checks=tuple(each for each in checks if each),
        actions=offered,
        revision=revision,
        measures=measures,
    )
    return playbook, ()


def _chain(offer: OfferRule | None) -> Iterable[OfferRule]:
    while offer is not None:
        yield offer
        offer = offer.then


def _names_exist(checker: Checker, spec: PlaybookSpec) -> None:
    for number, probe in enumerate(spec.probes):
        if probe not in checker.probes:
            checker.tell(("probes", number), f'no probe "{probe}"{nearest(probe, checker.probes)}')
        elif probe in spec.probes[:number]:
            checker.tell(("probes", number), f'"{probe}" is named twice')
    ids = [finding.id for finding in spec.findings]
    for number, name in enumerate(ids):
        if name in ids[:number]:
            checker.tell(("findings", number, "id"), f'a second finding "{name}"')


def _params(checker: Checker, spec: PlaybookSpec) -> None:
    for name, param in spec.params.items():
        if not re.fullmatch(WORD, name) or name in RESERVED:
            checker.tell(("params", name), f'"{name}" cannot be a parameter: use lower-case letters, digits and _')
        if param.choices and param.type != "string":
            checker.tell(("params", name, "choices"), f"choices are for strings, not for {param.type}")
        if (param.min is not None or param.max is not None) and param.type in ("string", "boolean"):
            checker.tell(("params", name), f"min and max are for numbers, not for {param.type}")
        elif param.default is not None:
            try:
                convert(name, param, param.default)
            except AskError as error:
                checker.tell(("params", name, "default"), str(error))


def _check(checker: Checker, spec: PlaybookSpec, number: int, names: Names) -> Check | None:
    finding, at = spec.findings[number], ("findings", number)
    if finding.across:
        names = _others(checker, at, finding, names)
    each, item, lets, names = bindings(checker, at, finding, names)
    where = checker.condition((*at, "where"), finding.where, names)
    when = checker.condition((*at, "when"), finding.when, names)
    early = _needed(lets, [found.expression for found in (when, where) if found])
    deciding = [each, *(lets[name] for name in early), when and when.expression, where and where.expression]
    momentary = _momentary(checker, at, finding, [expression for expression in deciding if expression])
    rungs, otherwise = _severity(checker, at, finding, names)
    scope = values(checker, (*at, "scope"), finding.scope, names)
    evidence = values(checker, (*at, "evidence"), finding.evidence, names)
    say = checker.template((*at, "say"), finding.say, names)
    because = checker.template((*at, "because"), finding.because, names)
    offers = [check_offer(checker, (*at, "offer", place), offer, names) for place, offer in enumerate(finding.offer)]
    confirm = re.fullmatch(CONFIRM, finding.confirm) if finding.confirm else None
    if when is None:
        return None
    return Check(
        playbook=spec.name,
        id=finding.id,
        title=finding.title or spec.title,
        each=each,
        names=item,
        lets=MappingProxyType({name: lets[name] for name in lets if name in early}),
        late=MappingProxyType({name: lets[name] for name in lets if name not in early}),
        where=where,
        when=when,
        confirm=Confirm(int(confirm[1]), int(confirm[2])) if confirm else None,
        rungs=rungs,
        otherwise=otherwise,
        scope=scope,
        evidence=evidence,
        say=say,
        because=because,
        explains=finding.explains,
        across=finding.across,
        offers=tuple(offers),
        momentary=momentary,
    )


def _others(checker: Checker, at: Path, finding: FindingSpec, names: Names) -> Names:
    """The names and `others`: what the other hosts of the run told. Such a finding proposes nothing by itself."""
    for place, probe in enumerate(finding.across):
        if probe not in checker.asked:
            checker.tell((*at, "across", place), f'"{probe}" is not among probes{nearest(probe, checker.asked)}')
    if finding.offer:
        checker.tell((*at, "offer"), "a finding across hosts offers nothing: a change is planned on one host's facts")
    if finding.confirm:
        checker.tell((*at, "confirm"), "a finding across hosts sees one state of each: there is nothing to confirm")
    return names.bind(OTHERS, cel.Type.List(names.schema.types[OTHERS]))


def _needed(lets: Mapping[str, Expression], by: Iterable[Expression]) -> frozenset[str]:
    """The names among `lets` that these expressions use, directly or through each other."""
    found: set[str] = set()
    todo = [name for expression in by for name in expression.names if name in lets]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(other for other in lets[name].names if other in lets)
    return frozenset(found)


def _momentary(checker: Checker, at: Path, finding: FindingSpec, deciding: Sequence[Expression]) -> frozenset[str]:
    used = {probe for expression in deciding for probe in (*expression.names, *expression.reads)}
    momentary = {name for name in used if _sampling(checker, name) is Sampling.MOMENTARY}
    confirm = re.fullmatch(CONFIRM, finding.confirm or "")
    if confirm:
        needed, of = int(confirm[1]), int(confirm[2])
        if not momentary:
            asked = ", ".join(sorted(used & set(checker.probes))) or "no probe"
            checker.tell((*at, "confirm"), f"{asked} is not sampled several times in a visit: nothing to confirm")
        if needed > of or of > SAMPLES:
            checker.tell((*at, "confirm"), f"a visit has {SAMPLES} samples: N of M with N ≤ M ≤ {SAMPLES}")
    return frozenset(momentary)


def _sampling(checker: Checker, name: str) -> Sampling | None:
    return checker.probes[name].sampling if name in checker.probes else None


def _severity(
    checker: Checker, at: Path, finding: FindingSpec, names: Names
) -> tuple[tuple[tuple[Severity, Condition], ...], Severity]:
    table = finding.severity
    if not isinstance(table, SeverityTable):
        return (), table
    rungs = []
    for severity, source in ((Severity.CRITICAL, table.critical), (Severity.WARNING, table.warning)):
        condition = checker.condition((*at, "severity", severity.value), source, names)
        if condition:
            rungs.append((severity, condition))
    return tuple(rungs), table.else_
