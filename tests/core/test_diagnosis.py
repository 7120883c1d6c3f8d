"""Does a report say what the evidence says: findings, unknowns, root causes, and never healthy without evidence?"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.diagnosis import diagnose, measure
from bot.core.errors import AskError
from bot.core.probe import Unknown
from bot.core.report import Finding, HostReport, Severity, Status
from bot.core.snapshot import Snapshot
from tests.fakes.doctor import HEAD, Queue, Sysctls, TcpExt, Units, counted, playbook, queues, snapshot

OVERFLOW = """
- id: overflow
  each: queues.rows
  as: q
  let: {limit: 'int(sysctl(q.netns, "net.core.somaxconn"))'}
  where: params.port == null || q.port == params.port
  when: q.recv_q > q.send_q && delta(q.netns, "ListenOverflows") > 0
  confirm: 2 of 3
  severity: critical
  scope: {netns: q.netns, port: q.port, pid: q.pid}
  evidence: {recv_q: q.recv_q, send_q: q.send_q, rate: 'rate(q.netns, "ListenOverflows")', limit: limit}
  say: "{q.process}: {q.recv_q}/{q.send_q}, +{rate(q.netns, \\"ListenOverflows\\")}/s"
  because: "slow"
  explains: [drops]
  offer:
    - action: sysctl.set
      when: q.send_q == limit
      with: {netns: "{q.netns}", key: net.core.somaxconn, value: "{string(limit * 2)}"}
      say: "raise {limit}"
      then: {action: service.restart, with: {unit: "{q.process}"}, say: "still {q.send_q}"}
"""
DROPS = """
- id: drops
  each: tcp_ext.namespaces
  as: [id, counters]
  when: delta(id, "ListenDrops") > 0
  severity: {critical: 'delta(id, "ListenDrops") > 1000', warning: 'delta(id, "ListenDrops") > 10', else: info}
  scope: {netns: id}
  say: "{id}: {delta(id, \\"ListenDrops\\")} drops"
"""
PORT = "params: {port: {type: integer, optional: true}}\n" + HEAD
FULL, IDLE = Queue(netns="1", port=80, recv_q=129, send_q=128), Queue(netns="1", port=80, recv_q=0, send_q=128)
RISING = TcpExt(namespaces={"1": counted(ListenOverflows=42, ListenDrops=42)})
QUIET = TcpExt(namespaces={"1": counted(ListenOverflows=0, ListenDrops=0)})
SYSCTLS = Sysctls(namespaces={"1": {"net.core.somaxconn": "128"}})
BOOK = playbook(OVERFLOW + DROPS, head=PORT)


def report(visit: Snapshot, **params: str) -> HostReport:
    return diagnose([BOOK], visit, params)


def ids(found: HostReport) -> list[str]:
    return [finding.id for finding in found.findings]


def overflowing(**outcomes: object) -> Snapshot:
    given = {"queues": queues([FULL], [FULL], [FULL]), "tcp_ext": RISING, "sysctl_net": SYSCTLS, **outcomes}
    return snapshot(**given)  # type: ignore[arg-type]


def the(found: HostReport, name: str = "overflow") -> Finding:
    return next(finding for finding in found.findings if finding.id == name)


def test_a_finding_carries_its_words_scope_and_evidence() -> None:
    found = report(overflowing())
    assert found.status is Status.CRITICAL
    finding = the(found)
    assert finding.summary == "web: 129/128, +10.5/s"
    assert finding.cause == "slow"
    assert finding.scope == {"netns": "1", "port": 80, "pid": 1}
    assert finding.evidence == {"recv_q": 129, "send_q": 128, "rate": 10.5, "limit": 128}
    assert (finding.playbook, finding.title) == ("test", "A test")


def test_an_offer_has_typed_parameters_and_its_next_step() -> None:
    (offer,) = the(report(overflowing())).offers
    assert (offer.action, offer.say) == ("sysctl.set", "raise 128")
    assert offer.params == {"netns": "1", "key": "net.core.somaxconn", "value": "256"}
    assert offer.then is not None
    assert (offer.then.action, offer.then.params, offer.then.say) == ("service.restart", {"unit": "web"}, "still 128")


def test_an_offer_that_cannot_help_is_not_made() -> None:
    assert the(report(overflowing(sysctl_net=Sysctls(namespaces={"1": {"net.core.somaxconn": "4096"}})))).offers == ()


def test_an_offer_without_evidence_is_not_made_and_told() -> None:
    found = report(overflowing(sysctl_net=Unknown("needs root")))
    assert the(found).offers == ()
    assert the(found).evidence["limit"] == "unknown: sysctl_net: needs root"
    assert [(u.id, u.reason) for u in found.undecided] == [
        ("overflow", "whether sysctl.set helps: sysctl_net: needs root")
    ]


def test_everything_answered_and_nothing_found_is_ok() -> None:
    found = report(overflowing(queues=queues([IDLE], [IDLE], [IDLE]), tcp_ext=QUIET))
    assert (found.status, found.findings, found.undecided) == (Status.OK, (), ())
    assert found.healthy == ("overflow", "drops")
    assert {probe.state for probe in found.coverage} == {"ok"}


@pytest.mark.parametrize("probe", ["units", "queues", "tcp_ext", "sysctl_net"])
def test_a_probe_without_evidence_keeps_a_host_from_ok(probe: str) -> None:
    found = report(
        overflowing(**{"queues": queues([IDLE], [IDLE], [IDLE]), "tcp_ext": QUIET, probe: Unknown("tool missing")})
    )
    assert found.status is Status.UNKNOWN
    assert [(c.probe, c.state, c.reason) for c in found.coverage if c.state != "ok"] == [
        (probe, "unknown", "tool missing")
    ]


def test_a_probe_that_was_not_asked_is_unknown() -> None:
    visit = overflowing()
    partial = Snapshot(visit.host, visit.taken, 1.0, "test", {"tcp_ext": visit.outcomes["tcp_ext"]})
    found = report(partial)
    assert found.status is not Status.OK
    assert "queues was not asked" in {undecided.reason for undecided in found.undecided}


def test_a_missing_probe_makes_its_findings_undecided_and_leaves_the_others() -> None:
    found = report(overflowing(queues=Unknown("ss: not found")))
    assert ids(found) == ["drops"]
    assert [(u.id, u.playbook, u.reason) for u in found.undecided] == [("overflow", "test", "queues: ss: not found")]
    assert found.status is Status.WARNING


CONFIRM = {
    "all three": ([FULL, FULL, FULL], ["overflow"], []),
    "two of three": ([FULL, IDLE, FULL], ["overflow"], []),
    "the first two": ([FULL, FULL, IDLE], ["overflow"], []),
    "one of three": ([IDLE, FULL, IDLE], [], []),
    "none of three": ([IDLE, IDLE, IDLE], [], []),
    "two samples, one full": ([FULL, IDLE], [], ["2 of 3 samples were taken"]),
    "one sample": ([FULL], [], ["1 of 3 samples were taken"]),
    "one quiet sample": ([IDLE], [], ["1 of 3 samples were taken"]),
    "no sample": ([], [], ["queues: no sample was taken"]),
}


@pytest.mark.parametrize(("rows", "found", "unknown"), CONFIRM.values(), ids=CONFIRM)
def test_what_is_momentary_is_confirmed(rows: list[Queue], found: list[str], unknown: list[str]) -> None:
    told = report(overflowing(queues=queues(*([row] for row in rows))))
    assert [name for name in ids(told) if name == "overflow"] == found
    assert [undecided.reason for undecided in told.undecided] == unknown


def test_different_places_do_not_confirm_each_other() -> None:
    other = FULL.model_copy(update={"port": 81})
    assert "overflow" not in ids(report(overflowing(queues=queues([FULL], [other], [IDLE]))))


def test_one_full_socket_of_a_shared_port_is_enough() -> None:
    idle = IDLE.model_copy(update={"pid": 2})
    found = report(overflowing(queues=queues([idle, FULL], [FULL, idle], [idle])))
    assert ids(found).count("overflow") == 1
    assert the(found).evidence["recv_q"] == 129


def test_the_evidence_is_of_the_newest_sample_that_agreed() -> None:
    newest = FULL.model_copy(update={"recv_q": 130})
    assert the(report(overflowing(queues=queues([FULL], [newest], [IDLE])))).evidence["recv_q"] == 130


def test_an_unknown_row_that_could_tip_the_count_is_undecided() -> None:
    lost = FULL.model_copy(update={"netns": "9"})
    found = report(overflowing(queues=queues([lost], [lost], [IDLE])))
    assert [u.reason for u in found.undecided] == ["tcp_ext has no counters of network namespace 9"]
    found = report(overflowing(queues=queues([lost], [IDLE], [IDLE])))
    assert not found.undecided


def test_old_overflows_are_history() -> None:
    found = report(overflowing(tcp_ext=QUIET))
    assert (found.findings, found.status) == ((), Status.OK)


def test_a_counter_that_was_reset_is_unknown() -> None:
    reset = TcpExt(namespaces={"1": counted()})
    reset.namespaces["1"].value["ListenOverflows"] = 3
    reset.namespaces["1"].value["ListenDrops"] = 3
    found = report(overflowing(tcp_ext=reset))
    assert {u.id for u in found.undecided} == {"overflow", "drops"}
    assert "went backwards" in found.undecided[0].reason


def test_a_symptom_is_explained_by_its_root_cause_and_stands_behind_it() -> None:
    elsewhere = TcpExt(
        namespaces={
            "2": counted(ListenOverflows=5000, ListenDrops=5000),
            "1": counted(ListenOverflows=42, ListenDrops=42),
        }
    )
    found = report(overflowing(tcp_ext=elsewhere))
    assert [(f.id, f.scope["netns"], f.severity) for f in found.findings] == [
        ("overflow", "1", Severity.CRITICAL),
        ("drops", "2", Severity.CRITICAL),
        ("drops", "1", Severity.WARNING),
    ]
    assert [f.explained_by for f in found.findings] == [None, None, the(found).fingerprint]


def test_a_chain_of_causes_ends_at_the_root() -> None:
    chain = "\n".join(
        f"- {{id: {name}, when: 'true', severity: warning, say: x, explains: [{', '.join(next_)}]}}"
        for name, next_ in (("c", []), ("b", ["c"]), ("a", ["b"]))
    )
    found = diagnose([playbook(chain)], snapshot(), {})
    root = found.findings[0]
    assert (root.id, root.explained_by) == ("a", None)
    assert {finding.explained_by for finding in found.findings[1:]} == {root.fingerprint}


def test_severity_follows_its_table() -> None:
    for drops, severity in ((5000, "critical"), (42, "warning"), (3, "info")):
        counters = TcpExt(namespaces={"1": counted(ListenOverflows=0, ListenDrops=drops)})
        assert the(report(overflowing(tcp_ext=counters)), "drops").severity == severity


def test_info_never_changes_a_status() -> None:
    counters = TcpExt(namespaces={"1": counted(ListenOverflows=0, ListenDrops=1)})
    assert report(overflowing(tcp_ext=counters)).status is Status.OK


def test_a_parameter_filters_and_what_does_not_apply_is_not_asked() -> None:
    assert "overflow" in ids(report(overflowing(), port="80"))
    other = report(overflowing(), port="81")
    assert "overflow" not in ids(other)
    assert not other.undecided


def test_a_wrong_parameter_is_the_askers_error() -> None:
    with pytest.raises(AskError, match="port"):
        report(overflowing(), port="http")


def test_a_fingerprint_outlives_a_restart_but_not_another_place() -> None:
    first = the(report(overflowing())).fingerprint
    reborn = FULL.model_copy(update={"pid": 999})
    assert the(report(overflowing(queues=queues([reborn], [reborn], [reborn])))).fingerprint == first
    other = FULL.model_copy(update={"port": 81})
    assert the(report(overflowing(queues=queues([other], [other], [other])))).fingerprint != first
    visit = overflowing()
    moved = Snapshot("node-2", visit.taken, visit.seconds, visit.host_key, visit.outcomes)
    assert the(report(moved)).fingerprint != first


def test_a_cure_is_measured_for_the_same_scope() -> None:
    first = the(report(overflowing())).fingerprint
    cured = IDLE.model_copy(update={"send_q": 4096, "pid": 7})
    raised = Sysctls(namespaces={"1": {"net.core.somaxconn": "4096"}})
    visit = overflowing(queues=queues([FULL], [cured], [cured]), tcp_ext=QUIET, sysctl_net=raised)
    assert measure(BOOK, "overflow", first, visit, {}) == {"recv_q": 0, "send_q": 4096, "rate": 0.0, "limit": 4096}


def test_what_is_gone_or_was_not_seen_measures_nothing() -> None:
    first = the(report(overflowing())).fingerprint
    assert measure(BOOK, "overflow", first, overflowing(queues=queues([], [], [])), {}) is None
    assert measure(BOOK, "overflow", first, overflowing(queues=Unknown("x")), {}) is None
    assert measure(BOOK, "other", first, overflowing(), {}) is None


def test_host_text_is_neutral_wherever_people_read_it() -> None:
    hostile = FULL.model_copy(update={"process": "\x1b[31mweb\u202e<!channel>\n"})
    finding = the(report(overflowing(queues=queues([hostile], [hostile], [hostile]))))
    told = json.dumps([finding.summary, finding.cause, dict(finding.scope), dict(finding.evidence)], ensure_ascii=False)
    assert "\x1b" not in told
    assert "\u202e" not in told


def test_many_reasons_are_counted_not_listed() -> None:
    rows = [Queue(netns=str(n), port=n, recv_q=9, send_q=1) for n in range(20)]
    found = report(overflowing(queues=queues(rows, rows, rows), tcp_ext=QUIET))
    assert [u.reason for u in found.undecided][-1] == "16 more reasons"
    assert len(found.undecided) == 4


STATES = st.sampled_from(["ok", "unknown", "absent"])


@given(st.fixed_dictionaries(dict.fromkeys(("units", "queues", "tcp_ext", "sysctl_net"), STATES)), st.booleans())
def test_a_host_is_never_ok_without_all_of_its_evidence(states: dict[str, str], sick: bool) -> None:
    visit = overflowing(**({} if sick else {"queues": queues([IDLE], [IDLE], [IDLE]), "tcp_ext": QUIET}))
    outcomes = {
        name: Unknown("no evidence") if states[name] == "unknown" else outcome
        for name, outcome in visit.outcomes.items()
        if states[name] != "absent"
    }
    found = report(Snapshot(visit.host, visit.taken, visit.seconds, visit.host_key, outcomes))
    complete = set(states.values()) == {"ok"}
    assert (found.status is Status.OK) == (complete and not sick)
    assert {c.probe for c in found.coverage if c.state == "ok"} == {name for name in states if states[name] == "ok"}
    assert not set(found.healthy) & {undecided.id for undecided in found.undecided}


ROWS = st.lists(st.builds(Queue, netns=st.sampled_from("123"), port=st.integers(1, 3), recv_q=st.integers(0, 3),
                          send_q=st.integers(0, 3), pid=st.integers(0, 2)), max_size=4)  # fmt: skip


@given(st.lists(ROWS, max_size=3), st.dictionaries(st.sampled_from("123"), st.integers(0, 3), max_size=3))
def test_any_samples_give_one_finding_a_place_and_agree_with_a_plain_count(
    samples: list[list[Queue]], drops: dict[str, int]
) -> None:
    counters = TcpExt(namespaces={netns: counted(ListenOverflows=n, ListenDrops=n) for netns, n in drops.items()})
    found = report(overflowing(queues=queues(*samples), tcp_ext=counters))
    prints = [finding.fingerprint for finding in found.findings]
    assert len(prints) == len(set(prints))
    full = {
        (row.netns, row.port)
        for row in (row for sample in samples for row in sample)
        if sum(
            any(q.netns == row.netns and q.port == row.port and q.recv_q > q.send_q for q in sample)
            for sample in samples
        )
        >= 2
        and drops.get(row.netns, 0) > 0
    }
    assert {(f.scope["netns"], f.scope["port"]) for f in found.findings if f.id == "overflow"} == full


def test_units_are_read_for_the_action_that_is_offered() -> None:
    assert isinstance(overflowing().facts("units"), Units)
    assert "units" in BOOK.probes
