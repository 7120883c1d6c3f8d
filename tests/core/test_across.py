"""Is what only several hosts together tell found on each of them, and unknown where one of them could not tell?"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.across import aside, probes_across
from bot.core.diagnosis import complete, diagnose
from bot.core.errors import ConfigError
from bot.core.host import Cause, Host, HostFailure
from bot.core.probe import Unknown
from bot.core.report import HostReport, Status
from bot.core.snapshot import Visit
from bot.engine.diagnose import judge
from tests.fakes.doctor import Queue, playbook, queues, snapshot

TWICE = """
- id: twice
  each: queues.rows
  as: q
  across: [queues]
  let: {holders: "others.filter(o, has(o.queues) && o.queues.rows.exists(p, p.port == q.port)).map(o, o.host)"}
  when: others.exists(o, o.queues.rows.exists(p, p.port == q.port))
  severity: critical
  scope: {port: q.port}
  say: "{q.port} is on {holders} too"
  explains: [busy]
"""
BUSY = """
- id: busy
  each: queues.rows
  as: q
  when: q.recv_q > 0
  severity: warning
  scope: {port: q.port}
  say: busy
"""
BOOK = playbook(TWICE + BUSY)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEAD = HostFailure(cause=Cause.TIMEOUT, reason="no answer", remedy="look")


def holding(*ports: int, host: str = "a") -> Visit:
    rows = [Queue(netns="1", port=port, recv_q=1, send_q=128) for port in ports]
    return snapshot(host, queues=queues(rows, rows, rows))


def run(*visits: tuple[str, Visit] | tuple[str, Visit, tuple[str, ...]]) -> list[HostReport]:
    """What the desk makes of a run: each host alone, then all together."""
    hosts = [Host(name=name, address=name, groups=groups[0] if groups else ()) for name, _, *groups in visits]
    seen = [visit for _, visit, *_ in visits]
    kept = [aside(host, visit, probes_across([BOOK]), NOW) for host, visit in zip(hosts, seen, strict=True)]
    alone = [judge(host, visit, [BOOK], {}) for host, visit in zip(hosts, seen, strict=True)]
    return [complete([BOOK], report, here, kept, {}) for report, here in zip(alone, kept, strict=True)]


def said(report: HostReport) -> Sequence[str]:
    return [finding.summary for finding in report.findings if finding.id == "twice"]


def test_each_of_two_holders_is_told_of_the_other() -> None:
    a, b, c = run(("a", holding(80)), ("b", holding(80, host="b")), ("c", holding(81, host="c")))
    assert said(a) == ["80 is on b too"]
    assert said(b) == ["80 is on a too"]
    assert said(c) == []
    assert "twice" in c.healthy
    assert a.status is Status.CRITICAL


def test_a_cause_seen_across_hosts_explains_what_one_host_saw() -> None:
    a, _ = run(("a", holding(80)), ("b", holding(80, host="b")))
    causes = {finding.id: finding.explained_by for finding in a.findings}
    assert causes == {"twice": None, "busy": a.findings[0].fingerprint}


def test_a_host_that_could_not_be_read_leaves_it_undecided_with_its_reason() -> None:
    a, b = run(("a", holding(80)), ("b", DEAD))
    assert said(a) == []
    assert [(one.id, one.reason) for one in a.undecided] == [("twice", "b could not be read: no answer")]
    assert "twice" not in a.healthy
    assert b.failure == DEAD


def test_what_one_known_host_decides_needs_no_other() -> None:
    a, *_ = run(("a", holding(80)), ("b", DEAD), ("c", holding(80, host="c")))
    assert said(a) == ["80 is on c too"]


def test_a_probe_without_evidence_there_is_no_evidence_here() -> None:
    a, _ = run(("a", holding(80)), ("b", snapshot("b", queues=Unknown("ss: not found"))))
    assert [one.reason for one in a.undecided] == ["b: queues: ss: not found"]


def test_a_host_that_has_nothing_to_compare_needs_no_other() -> None:
    a, _ = run(("a", holding()), ("b", DEAD))
    assert not a.undecided
    assert "twice" in a.healthy


def test_what_was_read_at_another_time_may_have_moved_meanwhile() -> None:
    later = replace(holding(80, host="b"), taken=NOW + timedelta(minutes=5))
    a, _ = run(("a", holding(80)), ("b", later))
    assert [one.reason for one in a.undecided] == ["b was not read at the same time"]


@pytest.mark.parametrize(
    ("groups", "found"),
    [((("lb",), ("lb", "x")), True), ((("lb",), ("web",)), False), (((), ("web",)), True), ((("all",), ()), True)],
)
def test_only_hosts_of_a_common_group_have_to_do_with_each_other(
    groups: tuple[tuple[str, ...], tuple[str, ...]], found: bool
) -> None:
    a, _ = run(("a", holding(80), groups[0]), ("b", holding(80, host="b"), groups[1]))
    assert bool(said(a)) is found


def test_of_a_host_only_what_is_spoken_of_is_kept() -> None:
    kept = aside(Host(name="a", address="a"), holding(80), probes_across([BOOK]), NOW).seen
    assert not isinstance(kept, Unknown)
    assert set(kept.plain) == {"queues"}


def test_one_host_alone_is_judged_without_what_needs_others() -> None:
    report = diagnose([BOOK], holding(80), {})  # type: ignore[arg-type]
    assert [finding.id for finding in report.findings] == ["busy"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("[queues]", "[queus]"), '"queus" is not among probes; did you mean "queues"?'),
        (("p.port", "p.prt"), 'Queue has no field "prt"; did you mean "port"?'),
        (("  across: [queues]\n", ""), 'no name "others"'),
        (("  explains: [busy]", "  confirm: 2 of 3"), "there is nothing to confirm"),
        (("  explains: [busy]", "  offer: [{action: service.restart, with: {unit: x}}]"), "offers nothing"),
    ],
)
def test_a_wrong_look_at_others_is_refused_at_load(change: tuple[str, str], what: str) -> None:
    with pytest.raises(ConfigError, match=what.replace("?", r"\?")):
        playbook(TWICE.replace(*change) + BUSY)
