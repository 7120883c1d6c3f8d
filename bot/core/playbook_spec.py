"""What may a playbook file say? The shape as written; the editors' JSON Schema is generated from these models."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bot.core.report import Severity

NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
WORD = r"^[a-z][a-z0-9_]*$"
CONFIRM = r"^([1-9]) of ([1-9])$"


def _source(value: Any) -> Any:
    """A plain truth or number is an expression as it stands."""
    return json.dumps(value) if isinstance(value, bool | int | float) else value


Cel = Annotated[str, BeforeValidator(_source)]
"""An expression."""


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True)


class ParamSpec(_Spec):
    """A value that the asker may give (`port=80`)."""

    type: Literal["integer", "string", "number", "boolean", "duration"]
    """What it is; a duration is `500ms`, `30s`, `5m` or `1h`, and seconds in conditions."""
    about: str = ""
    """What it means, for people."""
    optional: bool = False
    """It may be left out; conditions then see `null`."""
    default: str | int | float | bool | None = None
    """Its value when it is left out."""
    min: int | float | None = None
    """The smallest value (numbers and durations in seconds)."""
    max: int | float | None = None
    """The largest value."""
    choices: tuple[str, ...] = ()
    """The only values a string may have."""


class OfferSpec(_Spec):
    """An action that a finding proposes."""

    action: str
    """The action's id, such as `sysctl.set`."""
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    """Its parameters: plain values, or text with CEL in braces (`"{q.netns}"` keeps the value's type)."""
    when: Cel | None = None
    """CEL: the offer is made only when this is true."""
    say: str = ""
    """Template: what the person who approves should know."""
    then: "OfferSpec | None" = None
    """The next step, offered when the change is in force but the symptom has not gone."""


class SeverityTable(_Spec):
    """The first condition that is true, worst first, chooses the severity."""

    critical: Cel | None = None
    """CEL."""
    warning: Cel | None = None
    """CEL."""
    else_: Severity = Field(alias="else")
    """The severity when none of them is true."""


class FindingSpec(_Spec):
    """One fault that the playbook can find."""

    id: str = Field(pattern=NAME)
    """Its name in reports: lower-case words with hyphens."""
    title: str = ""
    """A heading for people; the playbook's title when left out."""
    each: Cel | None = None
    """CEL: the list (or map) whose every item is looked at. Left out: one look at the host."""
    as_: str | tuple[str, str] | None = Field(default=None, alias="as")
    """The item's name in the expressions; for a map `[key, value]`."""
    across: tuple[str, ...] = ()
    """Probes whose facts of the run's other hosts the expressions see as `others`: judged when all hosts were read."""
    let: dict[str, Cel] = Field(default_factory=dict)
    """Names for CEL values, in order; later ones may use earlier ones."""
    where: Cel | None = None
    """CEL: which items this is about (a parameter's filter). A measurement of a cure keeps to it."""
    when: Cel
    """CEL: what must be true for the finding."""
    confirm: str | None = Field(default=None, pattern=CONFIRM)
    """`N of M` samples in which `when` must be true; needs a probe that is sampled in a visit."""
    severity: Severity | SeverityTable
    """`critical`, `warning` or `info`; or conditions that choose."""
    scope: dict[str, Cel] = Field(default_factory=dict)
    """CEL values that say what the finding is about. `pid` and `inode` change over restarts: not in its identity."""
    evidence: dict[str, Cel] = Field(default_factory=dict)
    """CEL values that prove it, and that measure the cure."""
    say: str
    """Template: the finding in one line."""
    because: str = ""
    """Template: the cause, and what it means."""
    explains: tuple[str, ...] = ()
    """Ids of findings in the same scope that are symptoms of this one."""
    offer: tuple[OfferSpec, ...] = ()
    """What could be done about it."""
    looks_like: tuple[str, ...] = ()
    """For its page: what else looks like it, and how that is told apart, a sentence each."""
    sources: tuple[str, ...] = ()
    """For its page: where what it says can be checked, such as kernel files, manuals, addresses."""


class MeasureSpec(_Spec):
    """One number of the host that is kept over time, so that a slope can be seen before a limit is."""

    id: str = Field(pattern=NAME)
    """Its name over all playbooks: lower-case words with hyphens. Its past is kept under it: do not change it."""
    title: str = ""
    """For tables and pictures: `Open descriptors`; the id when left out."""
    unit: str = ""
    """`sockets`, `pages`, `1/s`; empty for a bare number."""
    each: Cel | None = None
    """CEL: the list (or map) whose every item is measured. Left out: one number of the host."""
    as_: str | tuple[str, str] | None = Field(default=None, alias="as")
    """The item's name in the expressions; for a map `[key, value]`."""
    let: dict[str, Cel] = Field(default_factory=dict)
    """Names for CEL values, in order; later ones may use earlier ones."""
    where: Cel | None = None
    """CEL: which items are measured."""
    scope: dict[str, Cel] = Field(default_factory=dict)
    """CEL values that say where: use names that outlive a restart (`namespace: s.label`); `pid` is told, not kept."""
    value: Cel
    """CEL: the number. What is unknown is left out, never 0."""
    limit: Cel | None = None
    """CEL: where something breaks. Nothing, where it is unknown, `null`, or not above 0."""
    rate: bool = False
    """The value is per second. A bare counter is no measure: use `rate(…)`, or growth by the window's seconds."""
    notable: float = Field(default=0, ge=0)
    """Less than this is no outlier among hosts; a twentieth of the limit when left out."""
    at_limit: str = ""
    """What happens at the limit, a sentence for the one who is told of it ahead."""


class PlaybookSpec(_Spec):
    """One playbook file."""

    name: str = Field(pattern=NAME)
    """The playbook's name, as the file's."""
    title: str
    """A heading for people."""
    about: str
    """The question it answers."""
    params: dict[str, ParamSpec] = Field(default_factory=dict)
    """What the asker may give."""
    probes: tuple[str, ...] = Field(min_length=1)
    """The probes whose facts the expressions use, by name."""
    findings: tuple[FindingSpec, ...] = ()
    """What it can find."""
    measures: tuple[MeasureSpec, ...] = ()
    """What it keeps over time. A playbook finds or measures something, or both."""
