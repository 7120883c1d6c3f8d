"""Can a report be read on a terminal in ten seconds, and does it hide nothing?"""

import json
from io import StringIO

from rich.console import Console

from bot.cli import verdict
from bot.core import outline
from bot.core.report import Coverage, Finding, HostReport, Offer, Proposal, Report, Risk, Severity, Status, Undecided
from tests.adapters.slack.naughty import NAUGHTY
from tests.adapters.slack.stage import dead, finding, host, report, sick


def printed(made: Report, **words: str) -> str:
    out = StringIO()
    Console(file=out, width=120, highlight=False).print(verdict.report(made, **words))
    return out.getvalue()


def proposal(for_: Finding, **fields: object) -> Proposal:
    values = {
        "change": "c77", "action": "service.restart", "for_": for_.id, "fingerprint": for_.fingerprint,
        "with_": {"unit": "shop"}, "risk": Risk.HIGH, "commands": (("systemctl", "restart", "shop"),), "inverse": (),
        "digest": "d", "reversible": False, "summary": "restart shop", "impact": "drops connections",
        "not_fixed": "the leak", "approval": "2 of net-oncall within 15 min",
    }  # fmt: skip
    return Proposal.model_validate(values | fields)


TWENTY = tuple(f"book-{n}" for n in range(20))
SIXTY = tuple(f"check-{n}" for n in range(60))


def test_a_healthy_host_is_one_short_line_and_a_fold_of_what_was_checked() -> None:
    lines = printed(report(host(healthy=SIXTY), playbooks=TWENTY)).splitlines()
    assert lines[0].split() == ["✔", "ok", "node-3", "60", "checks,", "all", "healthy,", "1.9", "s"]
    assert lines[1].strip().startswith("checked: book-0, book-1")
    assert len(lines) <= 3


def test_a_fleet_of_healthy_hosts_is_no_longer() -> None:
    made = report(*(host(f"node-{n}", healthy=SIXTY) for n in range(14)), playbooks=TWENTY)
    told = printed(made)
    assert "✔ ok  14 hosts: node-0" in told
    assert len(told.splitlines()) <= 7


def three() -> HostReport:
    names = ("accept-queue-overflow", "close-wait-leak", "vrrp-flapping")
    roots = [
        finding(name, fingerprint=name, summary=f"cause {name}", severity=severity)
        for name, severity in zip(names, (Severity.WARNING, Severity.CRITICAL, Severity.WARNING), strict=True)
    ]
    folded = [finding(f"s{n}", fingerprint=f"s{n}", explained_by=names[n % 3], summary=f"sym{n}") for n in range(6)]
    return host(status=Status.CRITICAL, findings=(*folded, *roots), healthy=SIXTY, proposals=(proposal(roots[1]),))


def test_three_causes_lead_in_three_lines_before_any_detail() -> None:
    lines = printed(report(three(), playbooks=TWENTY)).splitlines()
    assert "✖ critical" in lines[0]
    assert "3 causes, 6 symptoms explained, 1 fix proposed" in lines[0]
    assert [line.split()[1] for line in lines[1:4]] == ["close-wait-leak", "accept-queue-overflow", "vrrp-flapping"]
    assert len(lines) < 40


def test_symptoms_are_folded_under_the_cause_that_explains_them() -> None:
    told = printed(report(three()))
    assert "└ explains 2 more findings: s1, s4" in told
    assert "sym1" not in told


def test_evidence_is_compact_and_what_is_empty_is_left_out() -> None:
    made = finding(evidence={"recv_q": 129, "rate": 41.26, "pod": "", "names": ["a", "b"], "none": None})
    told = printed(report(host(status=Status.CRITICAL, findings=(made,))))
    assert "recv_q 129 · rate 41.3 · names a, b" in [line.strip() for line in told.splitlines()]


def test_a_fix_tells_risk_impact_and_what_it_does_not_fix_before_its_command() -> None:
    told = printed(report(three()))
    places = [told.index(words) for words in ("high risk", "impact: drops", "does not fix: the leak", "$ systemctl")]
    assert places == sorted(places)


def test_one_change_that_cures_two_faults_is_told_with_both() -> None:
    offer = Offer(action="service.restart", params={"unit": "shop"})
    first, second = finding("a", offers=(offer,)), finding("b", fingerprint="b", offers=(offer,))
    told = printed(report(host(status=Status.CRITICAL, findings=(first, second), proposals=(proposal(first),))))
    assert told.count("fix  c77, above, is for this too") == 1


def test_the_same_cause_on_many_hosts_is_one_line() -> None:
    told = printed(report(*(sick(f"node-{n}") for n in range(14)), dead(), host("well")))
    assert told.splitlines()[0].startswith("16 hosts: 14 critical, 1 unknown, 1 ok")
    assert "✖ accept-queue-overflow  on 14 hosts (node-0, node-1" in told
    assert "In detail: netdiag run HOST" in told
    assert "no route to host" in told


def test_a_reason_for_not_knowing_is_told_once_with_all_that_hangs_on_it() -> None:
    undecided = tuple(Undecided(id=f"c{n}", playbook="p", reason="tcp_ext: needs root") for n in range(30))
    lost = (Coverage(probe="tcp_ext", state="unknown", reason="needs root"),)
    made = report(host(status=Status.UNKNOWN, healthy=(), undecided=undecided, coverage=lost))
    told = printed(made)
    assert told.count("needs root") == 1
    assert "? 30 checks and probe tcp_ext" in told
    assert "c0, c1" in told
    assert "24 more" in told
    assert "healthy" not in told


def test_the_same_fault_in_many_places_is_told_in_full_for_three() -> None:
    places = tuple(finding(fingerprint=f"f{n}", summary=f"queue of pod-{n:02} full") for n in range(30))
    told = printed(report(host(status=Status.CRITICAL, findings=places)))
    assert "the same in 27 more places:" in told
    assert "and 15 more: --format json" in told


def test_the_document_says_the_same_in_short() -> None:
    made = report(*(sick(f"node-{n}") for n in range(3)), dead(), host("well"))
    made = made.model_copy(update={"summary": outline.summary(made)})
    short = json.loads(made.document())["summary"]
    assert short["hosts"] == {"critical": 3, "warning": 0, "unknown": 1, "ok": 1}
    [cause] = short["causes"]
    assert (cause["id"], cause["hosts"], cause["explains"]) == (
        "accept-queue-overflow", ["node-0", "node-1", "node-2"], ["syn-retransmits"],
    )  # fmt: skip
    reasons = {doubt["reason"]: doubt for doubt in short["unknown"]}
    assert reasons["timed out after 5 s"]["probes"] == ["socket_fds"]
    assert reasons["could not be read: no route to host"]["hosts"] == ["node-9"]
    assert Report.model_validate_json(made.document()) == made


def test_nothing_that_a_host_prints_reaches_the_terminal_raw() -> None:
    for text in (*NAUGHTY, "\x1b[31mred", "[bold]x[/]"):
        root = finding(summary=text, cause=text, evidence={text: text, "n": [text]})
        part = host(status=Status.CRITICAL, findings=(root,), proposals=(proposal(root, summary=text, impact=text),))
        told = printed(report(part, dead(), undecided(text)))
        assert "\x1b" not in told
        assert "\u202e" not in told


def undecided(text: str) -> HostReport:
    return host("u", Status.UNKNOWN, undecided=(Undecided(id="c", playbook="p", reason=text),))
