"""Fake probes and actions, small snapshots of them, and playbooks written in a test."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from bot.adapters.files.playbooks import read_playbook
from bot.core.action import Action, Params, Refused
from bot.core.playbook import Playbook
from bot.core.probe import Facts, Probe, Sampling, Unknown
from bot.core.snapshot import Outcome, Snapshot


class Queue(Facts):
    netns: str
    port: int
    recv_q: int
    send_q: int
    pid: int = 1
    process: str = "web"
    drops: int | None = None


class QueueFacts(Facts):
    rows: list[Queue]


class Counters(Facts):
    value: dict[str, int]
    delta: dict[str, int]
    rate: dict[str, float]


class TcpExt(Facts):
    namespaces: dict[str, Counters]


class Sysctls(Facts):
    namespaces: dict[str, dict[str, str]]


class Units(Facts):
    units: dict[str, bool]


class SetSysctl(Params):
    netns: str
    key: str
    value: str = Field(max_length=20)
    persist: bool = False


class Restart(Params):
    unit: str
    after: int = Field(default=0, ge=0)


def _probe(name: str, facts: type[Facts], sampling: Sampling, after: tuple[str, ...] = ()) -> Probe[Any]:
    return Probe(
        name=name,
        question="?",
        script="true",
        parse=lambda readings, seen: facts.model_validate_json(readings[-1].text),
        facts=facts,
        sampling=sampling,
        after=after,
    )


def _refuse(_params: Any, _snapshot: Snapshot) -> Refused:
    return Refused("a fake plans nothing")


PROBES: Mapping[str, Probe[Any]] = {
    "units": _probe("units", Units, Sampling.ONCE),
    "queues": _probe("queues", QueueFacts, Sampling.MOMENTARY, after=("units",)),
    "tcp_ext": _probe("tcp_ext", TcpExt, Sampling.COUNTER),
    "sysctl_net": _probe("sysctl_net", Sysctls, Sampling.ONCE),
}
ACTIONS: Mapping[str, Action[Any]] = {
    "sysctl.set": Action("sysctl.set", "Set", SetSysctl, ("sysctl_net",), _refuse),
    "service.restart": Action("service.restart", "Restart", Restart, ("units",), _refuse),
}

HEAD = "name: test\ntitle: A test\nabout: Is it?\nprobes: [queues, tcp_ext, sysctl_net]\nfindings:\n"


def playbook(findings: str, *, head: str = HEAD) -> Playbook:
    """A playbook from the text of its findings (a list, indented by nothing)."""
    return read_playbook(head + findings, "test.yaml", PROBES, ACTIONS)


def queues(*samples: list[Queue]) -> tuple[Facts, ...]:
    return tuple(QueueFacts(rows=rows) for rows in samples)


def counted(**delta: int) -> Counters:
    return Counters(value={**delta, "Old": 12_000_000}, delta=delta, rate={k: v / 4 for k, v in delta.items()})


def snapshot(host: str = "node-1", **outcomes: Outcome | Facts) -> Snapshot:
    """A visit that answered everything with nothing, but for what is given."""
    known: dict[str, Outcome] = {
        "units": (Units(units={}),),
        "queues": queues([], [], []),
        "tcp_ext": (TcpExt(namespaces={}),),
        "sysctl_net": (Sysctls(namespaces={}),),
    }
    given = {
        name: outcome if isinstance(outcome, tuple | Unknown) else (outcome,) for name, outcome in outcomes.items()
    }
    return Snapshot(
        host=host, taken=datetime(2026, 1, 1, tzinfo=UTC), seconds=4.0, host_key="test", outcomes={**known, **given}
    )
