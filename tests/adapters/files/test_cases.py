"""Does a case notice every difference, and refuse a visit that would write?"""
# ruff: noqa: E501 - a case is one row of a table

from dataclasses import replace
from pathlib import Path

import pytest

from bot.adapters.files.cases import run_case, run_cases
from tests.fakes.doctor import ACTIONS, HEAD, PROBES, playbook

BOOK = playbook(
    """
- id: full
  each: queues.rows
  as: q
  when: q.recv_q > q.send_q
  severity: warning
  scope: {port: q.port}
  evidence: {recv_q: q.recv_q}
  say: "{q.process} is full"
  offer:
    - action: service.restart
      with: {unit: "{q.process}"}
      say: gently
      then: {action: service.restart, with: {unit: x}}
"""
)
FACTS = """
facts:
  units: {}
  tcp_ext: {}
  sysctl_net: {}
  queues: {rows: [{port: 80, recv_q: 2, send_q: 1, process: web}]}
"""
PASSES = """
expect:
  status: warning
  findings:
    - id: full
      severity: warning
      scope: {port: 80}
      evidence: {recv_q: 2}
      summary: web is full
      offers: [{action: service.restart, with: {unit: web}, say: gently, then: {action: service.restart}}]
"""


def run(tmp_path: Path, text: str) -> tuple[str, ...]:
    file = tmp_path / "case.yaml"
    file.write_text("about: x\n" + text)
    return run_case(file, BOOK, PROBES)


def test_a_case_passes(tmp_path: Path) -> None:
    assert run(tmp_path, FACTS + PASSES) == ()


DIFFERENCES = {
    "status": ("status: warning", "status: ok", "status is warning, not ok"),
    "severity": ("severity: warning", "severity: critical", "full: severity is warning, not critical"),
    "scope": ("port: 80}\n      ev", "port: 81}\n      ev", "full: scope.port is 80, not 81"),
    "evidence": ("recv_q: 2}\n      su", "recv_q: 3}\n      su", "full: evidence.recv_q is 2, not 3"),
    "evidence that is not there": ("recv_q: 2}\n      su", "x: 3}\n      su", "full: evidence.x is None, not 3"),
    "summary": ("web is full", "db is full", "full: summary is 'web is full', without 'db is full'"),
    "another finding": ("id: full", "id: empty", "full was found, but should not be: web is full"),
    "a missing finding": ("id: full", "id: empty", "empty was not found"),
    "the cause": ("severity: warning", "explained_by: full", "full: is explained by nothing, not by full"),
    "the offer": ("unit: web", "unit: db", "full: offer service.restart: unit is 'web', not 'db'"),
    "an offer too many": ("offers: [", "undecided: [x]\n  # [", "full: offers service.restart, not nothing"),
    "the next step": (", then: {action: service.restart}", "", "full: offers service.restart, not nothing"),
    "what it says": ("gently", "roughly", "full: offer service.restart says 'gently', without 'roughly'"),
    "undecided": ("expect:\n", "expect:\n  undecided: [full]\n", "full is not undecided, but should be"),
    "unknown": ("expect:\n", "expect:\n  unknown: [queues]\n", "queues is not unknown, but should be"),
}


@pytest.mark.parametrize(("old", "new", "told"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_every_difference_fails_a_case(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = FACTS + PASSES
    assert old in text
    if "undecided: [x]" in new:  # the offers go, with the rest of their line
        text = "\n".join(line for line in text.splitlines() if "offers:" not in line)
    assert told in run(tmp_path, text.replace(old, new))


def test_what_is_not_expected_to_be_unknown_fails_a_case(tmp_path: Path) -> None:
    unknown = FACTS.replace("units: {}", "units: {unknown: tool missing}")
    assert run(tmp_path, unknown + PASSES) == ("units is unknown, but should not be: tool missing",)
    lost = FACTS.replace("queues: {rows: [{port: 80, recv_q: 2, send_q: 1, process: web}]}", "queues: {unknown: gone}")
    told = run(tmp_path, lost + PASSES)
    assert "full is undecided, but should not be: queues: gone" in told
    assert "status is unknown, not warning" in told


FAULTS = {
    "a probe that is not asked": (FACTS.replace("units:", "unit:") + PASSES, 'asks no probe "unit"; did you mean "units"?'),
    "facts that do not fit": (FACTS.replace("recv_q: 2", "recv_q: many") + PASSES, "facts.queues.rows.0.recv_q"),
    "facts nobody knows": (FACTS.replace("recv_q: 2", "recvq: 2") + PASSES, "facts.queues.rows.0.recvq"),
    "a recording that is not there": ("recording: no.yaml" + PASSES, "no recording"),
    "an unknown key": (FACTS + PASSES.replace("status", "stauts"), 'unknown key "stauts" in expect; did you mean "status"?'),
    "a parameter nobody has": ("params: {port: 80}" + FACTS + PASSES, 'no parameter "port"'),
    "no YAML": ("[", "not YAML"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "told"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_case_says_what_is_wrong_with_it(tmp_path: Path, text: str, told: str) -> None:
    assert any(told in line for line in run(tmp_path, text)), run(tmp_path, text)


WRITES = [
    "sysctl -w net.core.somaxconn=1",
    "sysctl net.core.somaxconn=1",
    "ipvsadm -Ln",
    "ss -K dst 1.2.3.4",
    "ip link set eth0 down",
    "tc qdisc del dev eth0 root",
    "conntrack -F",
    "systemctl restart web",
    "rm -f /x",
    "kill 1",
    "nstat",
]


@pytest.mark.parametrize("script", WRITES)
def test_a_visit_that_would_change_the_host_is_refused(tmp_path: Path, script: str) -> None:
    file = tmp_path / "case.yaml"
    file.write_text("about: x\n" + FACTS + PASSES)
    told = run_case(file, BOOK, {**PROBES, "queues": replace(PROBES["queues"], script=script)})
    assert any("would change the host" in line for line in told)


def test_readings_go_through_the_parser(tmp_path: Path) -> None:
    full = '{"rows": [{"netns": "1", "port": 80, "recv_q": 2, "send_q": 1, "process": "web"}]}'
    readings = f"readings:\n  queues: [{', '.join([f'''{{text: '{full}', uptime: 1}}'''] * 3)}]\n"
    without = FACTS.replace("  queues: {rows: [{port: 80, recv_q: 2, send_q: 1, process: web}]}\n", "")
    assert run(tmp_path, readings + without + PASSES) == ()
    assert "queues is unknown, but should not be: no answer" in run(tmp_path, without + PASSES)


def test_a_folder_is_run_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "test.yaml").write_text(HEAD + "  - {id: x, when: 'true', severity: info, say: x}\n")
    assert [verdict.wrong for verdict in run_cases(tmp_path, PROBES, ACTIONS)] == [
        (f"test has no case in {tmp_path}/cases/test",)
    ]
    (tmp_path / "cases" / "test").mkdir(parents=True)
    (tmp_path / "cases" / "tset").mkdir()
    good = "about: x\n" + FACTS + "expect: {status: ok, findings: [{id: x}]}\n"
    (tmp_path / "cases" / "test" / "good.yaml").write_text(good)
    (tmp_path / "cases" / "test" / "wrong.yaml").write_text(good.replace("ok", "critical"))
    assert {verdict.name: verdict.wrong for verdict in run_cases(tmp_path, PROBES, ACTIONS)} == {
        "test/good": (),
        "test/wrong": ("status is ok, not critical",),
        "tset": ('no playbook "tset"; did you mean "test"?',),
    }
