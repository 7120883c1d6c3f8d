"""What is told to the one who asked, whatever the front end?

The models' JSON (`Report.document`) is the contract `netdiag.report/1`: fields may be added, none changed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bot.core.host import HostFailure
from bot.core.measure import Measure


class Severity(StrEnum):
    """How much a finding matters. INFO never changes a host's status."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Status(StrEnum):
    """A host in one word. OK only when every check that applies had its evidence (law 1)."""

    CRITICAL = "critical"
    WARNING = "warning"
    OK = "ok"
    UNKNOWN = "unknown"


class Risk(StrEnum):
    """What a change may do to traffic: nothing, a short impact, or a disruption."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Offer(_Value):
    """An action that a finding proposes, with evaluated parameters, before it is planned against the host.

    `then` is the follow-up offered when the change is in force but the symptom has not gone; its `say` tells why
    it is needed ("needs re-listen: 0.0.0.0:80 still has Send-Q 128").
    """

    action: str
    params: Mapping[str, Any]
    say: str = ""
    then: "Offer | None" = None


class Finding(_Value):
    """One fault, with its evidence. `fingerprint` is stable over visits: same fault, same place, same print."""

    id: str
    playbook: str
    severity: Severity
    title: str = ""
    scope: Mapping[str, Any]
    summary: str
    cause: str
    evidence: Mapping[str, Any]
    fingerprint: str
    explained_by: str | None = None
    """The fingerprint of the finding that is the root cause of this one, when there is one."""
    offers: tuple[Offer, ...] = Field(default=(), exclude=True)


class Proposal(_Value):
    """A planned change, ready to be approved. `refused` says why it cannot be (no policy, no plan), else None."""

    change: str
    action: str
    for_: str = Field(serialization_alias="for", validation_alias="for")
    fingerprint: str = ""
    with_: Mapping[str, Any] = Field(serialization_alias="with", validation_alias="with")
    risk: Risk
    commands: tuple[tuple[str, ...], ...]
    inverse: tuple[tuple[str, ...], ...]
    digest: str
    reversible: bool
    summary: str = ""
    impact: str = ""
    not_fixed: str = ""
    approval: str = ""
    """Who must approve, in words: "1 of net-oncall within 30 min"."""
    expires: str | None = None
    refused: str | None = None


class Coverage(_Value):
    """Whether a probe had its evidence, and if not, why not."""

    probe: str
    state: str  # "ok" or "unknown"
    reason: str | None = None


class Undecided(_Value):
    """A finding that could be neither called nor excluded, and what was missing."""

    id: str
    playbook: str
    reason: str


class HostReport(_Value):
    """What was found on one host. `healthy` names the checks that had their evidence and found nothing."""

    host: str
    status: Status
    findings: tuple[Finding, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    healthy: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    """The numbers kept over time, as the playbooks declare them."""
    unkept: Mapping[str, int] = Field(default_factory=dict)
    """By measure, how many of its numbers are not among `measures`, for there were too many."""
    settings: Mapping[str, str] = Field(default_factory=dict, exclude=True)
    """Kernel settings by `netns-label key`, for drift and for comparison with the group; not part of the document."""
    failure: HostFailure | None = None
    seconds: float = 0.0


class Doubt(_Value):
    """One reason for not knowing, and what hangs on it: checks that are undecided, probes without evidence."""

    reason: str
    checks: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class Lead(_Value):
    """One root cause over all hosts of a run. `summary` is that of the worst; `explains` names its symptoms."""

    id: str
    playbook: str
    title: str = ""
    severity: Severity
    summary: str
    hosts: tuple[str, ...]
    places: int
    explains: tuple[str, ...] = ()


class Summary(_Value):
    """What a run comes to: the root causes, worst first, and the reasons for what is unknown.

    `hosts` counts them by status; `checks` are those that were found healthy on some host.
    """

    status: Status
    hosts: Mapping[Status, int]
    causes: tuple[Lead, ...] = ()
    unknown: tuple[Doubt, ...] = ()
    checks: int = 0


class Report(_Value):
    """The whole answer to one ask."""

    schema_: str = Field(default="netdiag.report/1", serialization_alias="schema", validation_alias="schema")
    run: str
    started: str
    seconds: float
    asker: str = ""
    target: str = ""
    playbooks: tuple[str, ...] = ()
    summary: Summary | None = None
    """The answer in short (`core.outline`), the same that people are shown first."""
    hosts: tuple[HostReport, ...]

    def document(self) -> str:
        """The contract document: one JSON object, UTF-8 text, keys as in `netdiag.report/1`."""
        return self.model_dump_json(by_alias=True, indent=2)


def exit_status(report: Report) -> int:
    """0 healthy, 1 a finding of warning or worse, 3 something unknown or unreachable; 1 wins over 3."""
    statuses = {host.status for host in report.hosts}
    if statuses & {Status.CRITICAL, Status.WARNING}:
        return 1
    return 3 if Status.UNKNOWN in statuses else 0
