"""A channel that hears of a small fleet, sweep by sweep."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.core.digest import Digest
from bot.core.fault import Fault, Stage
from bot.core.faults import Asked, live, look
from bot.core.heard import heard
from bot.core.host import Cause, Host, HostFailure
from bot.core.report import Finding, HostReport, Report, Severity, Status, Undecided
from bot.core.scene import Scene
from bot.core.sweep import Every, Silence, Sweep
from bot.core.tell import digest
from tests.fakes.clock import START

C, W = Severity.CRITICAL, Severity.WARNING
SWEEP = Sweep("fleet", Every(3_600), "all", channel="C1")
ASKED = Asked({"rp-filter": {}, "listen-queue": {}, "trends": {}})
CHECKS = ("rp-filter-drops", "backlog-capped", "listen-drops", "limit-forecast", "setting-changed")
UNREADABLE = HostFailure(cause=Cause.UNREACHABLE, reason="connection refused", remedy="start it")
HUSH = Silence("s1", "n1", "rp-*", "slack:U1", "we know", START, START + timedelta(hours=3))


def finding(host: str, ident: str = "rp-filter-drops", severity: Severity = W, **fields: Any) -> Finding:
    values = {
        "id": ident, "playbook": "trends" if ident == "limit-forecast" else "rp-filter", "severity": severity,
        "title": ident.replace("-", " "), "scope": {}, "summary": f"{ident} on {host}", "cause": "", "evidence": {},
        "fingerprint": f"{ident}@{host}",
    }  # fmt: skip
    return Finding.model_validate(values | fields)


def host_report(host: str, *findings: Finding, undecided: Sequence[Undecided] = ()) -> HostReport:
    found = {part.id for part in findings} | {part.id for part in undecided}
    worst = min((part.severity for part in findings if part.severity in (C, W)), default=None)
    return HostReport(
        host=host, status=Status(worst) if worst else Status.UNKNOWN if undecided else Status.OK, findings=findings,
        healthy=tuple(name for name in CHECKS if name not in found), undecided=tuple(undecided),
    )  # fmt: skip


def blind(host: str, reason: str = "connection refused") -> HostReport:
    failure = UNREADABLE.model_copy(update={"reason": reason})
    return HostReport(host=host, status=Status.UNKNOWN, failure=failure)


@dataclass
class Fleet:
    """A channel, the faults that are known, and one sweep an hour."""

    sweep: Sweep = SWEEP
    now: Any = START
    faults: tuple[Fault, ...] = ()
    before: Digest | None = None
    said: list[Digest] = field(default_factory=list)

    def sees(self, *hosts: HostReport, told: bool = True, sweep: Sweep | None = None, **scene: Any) -> Digest:
        """One sweep: what its digest says, and the channel has heard it unless `told` is false."""
        sweep = sweep or self.sweep
        self.now += timedelta(hours=1)
        by_host = {host.host: [fault for fault in self.faults if fault.host == host.host] for host in hosts}
        under = scene.get("maintenance", {})
        looks = [look(host, ASKED, by_host[host.host]) for host in hosts if host.host not in under]
        self.faults = live(self.faults, looks, self.now, sweep.tuning)
        named = {host.host for host in hosts}
        report = Report(run="r1", started="", seconds=1.0, hosts=hosts)
        made = digest(
            Scene(
                sweep=sweep, due=self.now, begun=self.now, now=self.now, report=report,
                hosts={name: Host(name=name, address="192.0.2.1") for name in named},
                faults=[fault for fault in self.faults if fault.host in named or fault.stage is Stage.LEFT],
                before=self.before, **scene,
            )
        )  # fmt: skip
        if told:
            self.hears(made, sweep.channel)
        self.before = made
        return made

    def hears(self, said: Digest, channel: str = "C1") -> None:
        known = {(fault.host, fault.fingerprint): fault for fault in self.faults}
        known |= {(fault.host, fault.fingerprint): fault for fault in heard(self.faults, said.heard, channel)}
        self.faults = tuple(known.values())
        self.said.append(said)


def news(said: Digest) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(item.news.value, item.id, tuple(place.host for place in item.places)) for item in said.items]
