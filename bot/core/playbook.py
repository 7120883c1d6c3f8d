"""What does the bot know about one kind of fault? A playbook, checked and ready to judge snapshots."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.core.condition import Condition, Expression
from bot.core.playbook_spec import ParamSpec
from bot.core.report import Severity
from bot.core.template import Template


@dataclass(frozen=True, slots=True)
class Confirm:
    """How many samples of how many must agree before what is momentary is a finding."""

    needed: int
    of: int


@dataclass(frozen=True, slots=True)
class OfferRule:
    """An action that may be offered: its parameters as templates or plain values."""

    action: str
    params: Mapping[str, object]
    """Template, plain value, or a list of them."""
    when: Condition | None
    say: Template
    then: "OfferRule | None" = None


@dataclass(frozen=True, slots=True)
class Check:
    """One finding that can be looked for. `names` are the item's names: (), (item,) or (key, value).

    `lets` are what the condition needs; `late` only says more of what was found, so it is not computed before.
    """

    playbook: str
    id: str
    title: str
    each: Expression | None
    names: tuple[str, ...]
    lets: Mapping[str, Expression]
    late: Mapping[str, Expression]
    where: Condition | None
    when: Condition
    confirm: Confirm | None
    rungs: tuple[tuple[Severity, Condition], ...]
    """Severities with their conditions, worst first."""
    otherwise: Severity
    scope: Mapping[str, Expression]
    evidence: Mapping[str, Expression]
    say: Template
    because: Template
    explains: tuple[str, ...]
    across: tuple[str, ...]
    """Probes of the run's other hosts that it looks at (`core.across`); empty: this host decides it alone."""
    offers: tuple[OfferRule, ...]
    momentary: frozenset[str]
    """The probes it decides by that are sampled several times in a visit."""


@dataclass(frozen=True, slots=True)
class MeasureRule:
    """One measure that is taken in every visit. `names` are the item's names: (), (item,) or (key, value)."""

    playbook: str
    id: str
    title: str
    unit: str
    each: Expression | None
    names: tuple[str, ...]
    lets: Mapping[str, Expression]
    where: Condition | None
    scope: Mapping[str, Expression]
    value: Expression
    limit: Expression | None
    rate: bool
    notable: float
    at_limit: str


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook whose every expression was checked. `revision` is the SHA-256 of its file's bytes, hex."""

    name: str
    title: str
    about: str
    params: Mapping[str, ParamSpec]
    probes: tuple[str, ...]
    """Every probe a visit must ask: those it names, what they are joined with, what its actions plan with."""
    checks: tuple[Check, ...]
    actions: frozenset[str]
    revision: str
    measures: tuple[MeasureRule, ...] = ()


def probes_of(playbooks: Iterable[Playbook]) -> tuple[str, ...]:
    """Every probe that these playbooks need, each once, those that others are joined with first."""
    return tuple(dict.fromkeys(probe for playbook in playbooks for probe in playbook.probes))
