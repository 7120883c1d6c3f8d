"""Is a limit called ahead, an outlier and an odd setting named, and is nothing said where nothing was seen?"""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.drift import Deed
from bot.core.host import Cause, HostFailure
from bot.core.insight import insights, judged, strayed
from bot.core.measure import Measure
from bot.core.past import Norm, Past, Point, Setting
from bot.core.report import Coverage, Finding, HostReport, Severity, Status

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HORIZON = 2 * 86_400
WEB = {f"web-{number}": "web" for number in range(1, 8)}
SOMAXCONN = "host net.core.somaxconn"


def descriptors(value: float, limit: float | None = 1024, process: str = "legacy-api") -> Measure:
    return Measure(
        id="process-descriptors",
        playbook="socket-fds",
        title="Open descriptors",
        unit="descriptors",
        scope={"namespace": "shop", "process": process, "pid": 17},
        value=value,
        limit=limit,
        at_limit="accept() fails.",
    )


def sockets(value: float, notable: float = 100) -> Measure:
    return Measure(
        id="sockets", playbook="tcp-memory", title="Sockets", scope={"namespace": "host"}, value=value, notable=notable
    )


def report(host: str, *measures: Measure, settings: Mapping[str, str] | None = None, **more: object) -> HostReport:
    return HostReport.model_validate(
        {"host": host, "status": Status.OK, "measures": measures, "settings": settings or {}, **more}
    )


def leak(per_hour: float, *, hours: int = 6, now: float = 800, quiet: int = 48) -> Sequence[Point]:
    """A leak that began some hours ago, after days without one, up to ten minutes ago."""
    first = now - per_hour * hours
    values = [(step, max(first, now - per_hour * step / 6)) for step in range((hours + quiet) * 6, 0, -1)]
    return [Point(NOW - timedelta(minutes=10 * step), 0, 1, value, value, value, 1024) for step, value in values]


def past(points: Sequence[Point], host: str = "web-1", measure: Measure | None = None, **more: object) -> Past:
    return Past(series={(host, (measure or descriptors(0)).key): points}, **more)  # type: ignore[arg-type]


def one(found: Mapping[str, tuple[Finding, ...]], host: str = "web-1") -> Finding:
    assert list(found) == [host]
    (finding,) = found[host]
    return finding


def test_a_leak_is_called_with_its_process_its_limit_and_its_time() -> None:
    finding = one(insights([report("web-1", descriptors(800))], past(leak(50)), {}, NOW, HORIZON))
    assert (finding.id, finding.playbook, finding.severity) == ("limit-forecast", "socket-fds", Severity.WARNING)
    assert (
        finding.summary
        == "legacy-api[17] in shop: open descriptors 800 of 1024: the limit is reached in about 4.5 h (likely)"
    )
    assert "accept() fails." in finding.cause
    assert finding.evidence["per_hour"] == pytest.approx(50)
    assert finding.evidence["reached_in_seconds"] == pytest.approx(224 / 50 * 3600, rel=0.02)


def test_below_an_hour_it_is_critical() -> None:
    finding = one(insights([report("web-1", descriptors(800))], past(leak(300, hours=2)), {}, NOW, HORIZON))
    assert finding.severity is Severity.CRITICAL


def test_a_limit_beyond_the_horizon_is_not_told() -> None:
    assert not insights([report("web-1", descriptors(800))], past(leak(50)), {}, NOW, 3600)


def test_what_has_reached_its_limit_is_told_as_reached_and_keeps_its_print() -> None:
    before = one(insights([report("web-1", descriptors(800))], past(leak(50)), {}, NOW, HORIZON))
    there = one(insights([report("web-1", descriptors(1024))], past(leak(50, now=1040)), {}, NOW, HORIZON))
    assert there.severity is Severity.CRITICAL
    assert "is reached" in there.summary
    assert there.fingerprint == before.fingerprint


def test_a_restart_changes_the_pid_and_not_the_print() -> None:
    again = descriptors(800).model_copy(update={"scope": {"namespace": "shop", "process": "legacy-api", "pid": 99}})
    a, b = (
        one(insights([report("web-1", each)], past(leak(50)), {}, NOW, HORIZON)) for each in (descriptors(800), again)
    )
    assert a.fingerprint == b.fingerprint
    assert b.scope["pid"] == 99


def test_a_measure_without_a_past_a_limit_or_a_report_says_nothing() -> None:
    dead = HostFailure(cause=Cause.TIMEOUT, reason="no answer", remedy="")
    hosts = [
        report("web-1", descriptors(800)),
        report("web-2", descriptors(800, limit=None)),
        report("web-3", failure=dead),
    ]
    assert not insights(hosts, Past(), {}, NOW, HORIZON)


def fleet(odd: float, *, others: float = 400, count: int = 6) -> list[HostReport]:
    return [report("web-1", sockets(odd))] + [
        report(f"web-{number}", sockets(others + number)) for number in range(2, count + 1)
    ]


def test_a_host_with_ten_times_its_peers_is_an_outlier() -> None:
    finding = one(insights(fleet(48_210), Past(), WEB, NOW, HORIZON))
    assert (finding.id, finding.playbook) == ("outlier", "tcp-memory")
    assert finding.summary == "Sockets of host: 48210, 119 times the 404 of its 5 peers of role web (median)"


@pytest.mark.parametrize(
    ("hosts", "why"),
    [
        (fleet(3_000), "not ten times as much"),
        (fleet(48_210, count=4), "three peers are no group"),
        (fleet(90, others=2), "too little to matter"),
    ],
)
def test_what_is_no_outlier(hosts: list[HostReport], why: str) -> None:
    assert not insights(hosts, Past(), WEB, NOW, HORIZON), why


@given(st.lists(st.one_of(st.integers(0, 5_000), st.floats(0, 1e9)), min_size=5, max_size=12))
def test_an_outlier_has_ten_times_the_median_of_the_others_and_lies_six_spreads_away(values: list[float]) -> None:
    roles = {f"web-{number}": "web" for number in range(len(values))}
    hosts = [report(name, sockets(value)) for name, value in zip(roles, values, strict=True)]
    far = set()
    for name, value in zip(roles, values, strict=True):
        others = [other for peer, other in zip(roles, values, strict=True) if peer != name]
        middle = median(others)
        spread = 1.4826 * median(abs(other - middle) for other in others)
        if value >= 100 and value >= 10 * middle and value - middle >= 6 * spread:
            far.add(name)
    assert set(insights(hosts, Past(), roles, NOW, HORIZON)) == far


def test_a_role_costs_as_much_as_it_has_hosts_and_not_their_square() -> None:
    """Everything else of the bot waits meanwhile: a thousand hosts held it up for longer than Slack waits."""

    def steps(count: int) -> int:
        roles = {f"web-{number}": "web" for number in range(count)}
        hosts = [
            report(name, sockets(400 + number % 7), settings={SOMAXCONN: "1"}) for number, name in enumerate(roles)
        ]
        made = 0

        def counted(*_: object) -> None:
            nonlocal made
            made += 1

        sys.setprofile(counted)
        try:
            insights(hosts, Past(), roles, NOW, HORIZON)
        finally:
            sys.setprofile(None)
        return made

    assert steps(400) < 3 * steps(200)


def test_hosts_without_a_role_have_no_peers() -> None:
    assert not insights(fleet(48_210), Past(), {}, NOW, HORIZON)


def norm(subject: str, high: float, middle: float = 100) -> Norm:
    return Norm(subject, sockets(0).key, 10, middle, high, 500, NOW)


def test_a_host_that_always_has_so_many_is_no_outlier() -> None:
    assert not insights(fleet(48_210), Past(norms=[norm("host:web-1", 50_000)]), WEB, NOW, HORIZON)


def test_with_too_few_peers_the_role_as_learnt_stands_in_for_them() -> None:
    finding = one(insights(fleet(48_210, count=3), Past(norms=[norm("role:web", 600)]), WEB, NOW, HORIZON))
    assert "as a rule" in finding.summary


def test_without_peers_a_host_is_held_against_itself() -> None:
    finding = one(insights(fleet(48_210, count=1), Past(norms=[norm("host:web-1", 600)]), WEB, NOW, HORIZON))
    assert "80 times the 600 of this host at most, as a rule" in finding.summary


def tuned(odd: str, *, count: int = 6, key: str = SOMAXCONN, common: str = "4096") -> list[HostReport]:
    return [report("web-1", settings={key: odd})] + [
        report(f"web-{number}", settings={key: common}) for number in range(2, count + 1)
    ]


def test_a_setting_that_all_peers_have_but_one_is_named() -> None:
    finding = one(insights(tuned("128"), Past(), WEB, NOW, HORIZON))
    assert finding.id == "setting-differs"
    assert finding.summary == "net.core.somaxconn in host is 128; 5 peers of role web have 4096"
    assert finding.evidence["peers"] == "web-2, web-3, web-4, web-5, web-6"


def test_without_a_majority_no_setting_differs() -> None:
    split = [report(f"web-{number}", settings={SOMAXCONN: str(number % 2)}) for number in range(1, 8)]
    assert not insights(split, Past(), WEB, NOW, HORIZON)
    assert not insights(tuned("128", count=4), Past(), WEB, NOW, HORIZON)


def test_what_the_kernel_sizes_by_its_memory_may_differ_a_little() -> None:
    key = "host net.ipv4.tcp_mem"
    assert not insights(tuned("91026 121371 182052", key=key, common="91035 121380 182070"), Past(), WEB, NOW, HORIZON)
    assert insights(tuned("91026 121371 182052", key=key, common="9000 12000 18000"), Past(), WEB, NOW, HORIZON)


def was(value: str, *, before: str | None = None, hours: float = 240) -> Past:
    return Past(settings=[Setting("web-1", SOMAXCONN, value, NOW - timedelta(hours=hours), before)])


def changed(known: Past, value: str = "128", deeds: Sequence[Deed] = ()) -> Sequence[Finding]:
    found = insights([report("web-1", settings={SOMAXCONN: value})], known, {}, NOW, HORIZON, by_netdiag=deeds)
    return found.get("web-1", ())


def test_a_setting_that_changed_is_told_with_what_it_was() -> None:
    (finding,) = changed(was("4096"))
    assert (finding.id, finding.playbook, finding.severity) == ("setting-changed", "trends", Severity.WARNING)
    assert finding.summary == "net.core.somaxconn in host is 128, and was 4096 (not by netdiag)"


def test_a_change_is_told_for_a_day_and_a_first_look_is_none() -> None:
    assert changed(was("128", before="4096", hours=3))
    assert not changed(was("128", before="4096", hours=30))
    assert not changed(was("128"))
    assert not changed(Past())


def test_one_change_is_one_fault_and_the_next_is_another() -> None:
    (first,) = changed(was("4096"))
    (later,) = changed(was("128", before="4096", hours=0))  # the next sweep, after it was stored
    (again,) = changed(was("128", before="4096", hours=3))  # another day's
    assert first.fingerprint == later.fingerprint != again.fingerprint


def test_only_hosts_whose_settings_changed_or_differ_need_to_be_explained() -> None:
    assert strayed(tuned("128"), Past(), WEB, NOW) == ["web-1"]
    assert strayed(tuned("4096"), was("128"), WEB, NOW) == ["web-1"]
    assert strayed(tuned("4096"), Past(), WEB, NOW) == []
    lost = HostFailure(cause=Cause.UNREACHABLE, reason="connection refused", remedy="start it")
    assert strayed([HostReport(host="web-1", status=Status.UNKNOWN, failure=lost)], was("128"), WEB, NOW) == []


def test_what_netdiag_changed_says_who_asked_and_who_approved() -> None:
    mine = Deed("web-1", SOMAXCONN, "128", "c123", "alice", "bob", "2026-03-10T11:00:00Z")
    (finding,) = changed(was("4096"), deeds=[mine])
    assert finding.severity is Severity.INFO
    assert "change c123, asked for by alice and approved by bob" in finding.summary
    (other,) = changed(was("4096"), "256", deeds=[mine])
    assert "not by netdiag" in other.summary


def test_judged_reports_say_what_is_healthy_and_nothing_of_what_was_not_read() -> None:
    lost = (Coverage(probe="sockstat", state="unknown", reason="needs root"),)
    hosts = [
        report("web-1", descriptors(800), settings={SOMAXCONN: "1"}),
        report("web-2", coverage=lost),
        *(report(f"web-{number}", settings={SOMAXCONN: "1"}) for number in range(3, 8)),
    ]
    full, blind, *_ = judged(hosts, past(leak(50)), WEB, NOW, HORIZON)
    assert full.status is Status.WARNING
    assert set(full.healthy) == {"outlier", "setting-differs", "setting-changed"}
    assert not blind.healthy
    assert blind.status is Status.OK  # the report had its say about that already
    (alone,) = judged(hosts[2:3], Past(), WEB, NOW, HORIZON)
    assert set(alone.healthy) == {"limit-forecast", "setting-changed"}, "without peers nothing was compared"
    (half,) = judged([report("web-1", descriptors(800), coverage=lost)], past(leak(50)), {}, NOW, HORIZON)
    assert [(one.id, one.playbook) for one in half.undecided] == [("limit-forecast", "socket-fds")]
    assert not half.healthy
