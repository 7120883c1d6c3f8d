"""What Alertmanager sends is believed only as far as it goes: shape, sizes, names."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.alert import LONGEST_LABEL, MAX_BYTES, Alert, Delivery, Malformed
from bot.core.alert_group import STALE, TRIES, Group, Look, Step, channels, fold
from bot.core.alert_route import Match, Route, Routing, meant, params_of, without_port
from bot.core.alert_words import mark, outcome, settled, words
from bot.core.host import Cause, Host, HostFailure, Inventory
from bot.core.regex import Pattern
from bot.core.report import Finding, HostReport, Report, Severity, Status
from tests.fakes.alerts import ALERTS, alert, body, delivery

NOW = datetime(2030, 5, 13, 9, 0, tzinfo=UTC)
HOSTS = {
    host.name: host
    for host in (
        Host(name="node-3", address="192.0.2.13", labels={"role": "ingress"}),
        Host(name="node-4", address="2001:db8::4", labels={"role": "ingress"}),
        Host(name="db-1.example.com", address="192.0.2.21"),
        Host(name="all", address="192.0.2.99"),
    )
}
INVENTORY = Inventory(hosts=HOSTS, groups={"ingress": ("node-3", "node-4")})


# --- the body --------------------------------------------------------------------------------------------------------


def test_a_body_as_alertmanager_sends_it_is_read() -> None:
    read = Delivery.parse(ALERTS.encode())
    assert (read.receiver, read.group, read.truncated) == ("netdiag", '{}:{alertname="NodeConntrackNearlyFull"}', 0)
    (one,) = read.alerts
    assert (one.name, one.summary) == ("NodeConntrackNearlyFull", "conntrack table of node-3 is 92% full")
    assert one.starts == datetime(2030, 5, 13, 8, 52, 26, 739266, tzinfo=UTC)
    assert one.key == "1f0d8ba2c5c41d6a@1904892746.739266"
    assert Delivery.stored(read.kept()) == read


BAD: dict[str, tuple[Any, str]] = {
    "nothing": (b"", "EOF"),
    "no JSON": (b"status=firing", "Invalid JSON"),
    "cut off": (ALERTS[:-30].encode(), "Invalid JSON"),
    "not UTF-8": (b'{"version": "\xff"}', "byte 13: not UTF-8"),
    "half a surrogate": (ALERTS.replace("firing", "\\ud800").encode(), "JSON"),
    "a list": (b"[]", "body: Input should be"),
    "version 3": (ALERTS.replace('"version": "4"', '"version": "3"').encode(), "version: Input should be '4'"),
    "no group": (ALERTS.replace("groupKey", "groupKeys").encode(), "groupKey: Field required"),
    "no alerts": (ALERTS.replace('"alerts"', '"alert"').encode(), "alerts: Field required"),
    "a time without a zone": (ALERTS.replace("876Z", "").encode(), "alerts.0.startsAt"),
    "a status of its own": (ALERTS.replace('"status": "firing"', '"status": "on"').encode(), "alerts.0.status"),
    "a label that is a number": (ALERTS.replace('"node-3:9100"', "9100").encode(), "alerts.0.labels.instance"),
    "deep": (b"[" * 100_000, "line 1 column 9: nested deeper than 8 levels"),
    "deep, further down": (b'{"a":\n' + b'{"b":' * 9, "line 2 column 36: nested deeper"),
    "an endless number": (b'{"version":' + b"9" * 100_000 + b"}", "line 1 column 12: a number of more than 32"),
    "too many alerts": (body(*[{}] * 5_001), "alerts: Tuple should have at most 5000 items"),
    "too many labels": (body({"labels": {str(n): "" for n in range(200)}}), "200 names, at most 128"),
    "too long": (b" " * (MAX_BYTES + 1), f"{MAX_BYTES + 1} bytes, at most {MAX_BYTES}"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_such_body_is_refused_with_its_place(name: str) -> None:
    raw, said = BAD[name]
    with pytest.raises(Malformed) as fault:
        Delivery.parse(raw)
    assert said in str(fault.value)
    assert len(str(fault.value)) <= 1_000


def test_brackets_and_digits_in_texts_are_no_depth_and_no_number() -> None:
    read = Delivery.parse(body({"labels": {"alertname": "[" * 50 + "9" * 50 + '\\"]{'}}))
    assert read.alerts[0].name.startswith("[" * 50)


def test_what_is_too_long_is_cut_and_what_steers_a_terminal_is_shown() -> None:
    (one,) = Delivery.parse(body({"labels": {"alertname": "a\x1b[2J\u202e" + "x" * 5_000}})).alerts
    assert len(one.name) == LONGEST_LABEL
    assert one.name.startswith("a\\x1b[2J\\u202e")


@pytest.mark.parametrize(
    "raw", [b'"' + b"\\" * (MAX_BYTES - 2), b'"' + b'\\"' * (MAX_BYTES // 2 - 2), b'"' * MAX_BYTES, b"{" * MAX_BYTES]
)
def test_no_body_takes_for_ever(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Delivery.parse(raw)  # what is not linear would take hours: the time limit of every test ends it


@given(st.binary(max_size=400))
def test_no_bytes_break_the_parser(raw: bytes) -> None:
    try:
        Delivery.parse(raw)
    except Malformed:
        return


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("status", "labels", "annotations", "startsAt", "endsAt", "fingerprint")


@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.dictionaries(st.sampled_from(["version", "alerts"]), JSON))
def test_a_body_is_read_or_refused_and_what_is_read_survives_the_store(
    one: dict[str, Any], top: dict[str, Any]
) -> None:
    raw = json.dumps({**json.loads(body(one)), **top}).encode()
    try:
        read = Delivery.parse(raw)
    except Malformed:
        return
    assert Delivery.stored(json.loads(json.dumps(read.kept()))) == read
    for found in read.alerts:
        assert all(len(text) <= LONGEST_LABEL for text in found.labels.values())
        assert found.key


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=6), st.datetimes(timezones=st.just(UTC)))
def test_every_sound_alert_is_read(labels: dict[str, str], starts: datetime) -> None:
    raw = body({"labels": labels, "startsAt": starts.isoformat()})
    (read,) = Delivery.parse(raw).alerts
    assert len(read.labels) <= len(labels)


# --- routes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("node-3", "node-3"),
        ("node-3:9100", "node-3"),
        ("NODE-3.example.com:9100", "node-3"),
        ("http://node-3:9100/metrics", "node-3"),
        ("192.0.2.13:9100", "node-3"),
        ("[2001:db8::4]:9100", "node-4"),
        ("2001:db8::4", "node-4"),
        ("db-1", "db-1.example.com"),
        ("db-1.example.com:1", "db-1.example.com"),
        ("all", "all"),
        ("db-1.other.org", None),
        ("node-*", None),
        ("ingress", None),
        ("node-3,node-4", None),
        ("!node-3", None),
        ("role=ingress", None),
        ("192", None),
        ("", None),
        ("node-33:9100", None),
    ],
)
def test_an_alert_names_a_host_exactly_and_never_a_selector(text: str, host: str | None) -> None:
    found = meant(Route("r"), alert(instance=text), INVENTORY)
    assert (found if isinstance(found, str) else [one.name for one in found]) == ([host] if host else found)
    assert isinstance(found, str) == (host is None)


def test_an_unknown_host_is_told_with_the_nearest_name() -> None:
    assert meant(Route("r"), alert(instance="node-33:9100"), INVENTORY) == (
        'no host "node-33" in the inventory; did you mean "node-3"?'
    )
    said = meant(Route("r", host="{node}", place="alerts.yaml:3"), alert(instance="x"), INVENTORY)
    assert said == 'the alert has no label "node", which names its host (alerts.yaml:3)'


def test_a_label_of_the_inventory_names_all_its_hosts() -> None:
    route = Route("r", host="{job}", by="role")
    assert [host.name for host in meant(route, alert(job="ingress"), INVENTORY)] == ["node-3", "node-4"]  # type: ignore[union-attr]
    assert meant(route, alert(job="*"), INVENTORY) == 'no host of the inventory has the label "role=*"; known: ingress'


def test_the_first_route_whose_labels_all_fit_answers() -> None:
    exact = Route("exact", (Match("alertname", "A"), Match("severity", "page")))
    regex = Route("regex", (Match("alertname", pattern=Pattern.compiled("A|B.*")),))
    routing = Routing((exact, regex))
    cases = [("A", "page", "exact"), ("A", "", "regex"), ("Bcd", "", "regex"), ("xA", "", None), ("Ab", "page", None)]
    for name, severity, route in cases:
        found = routing.of(alert(alertname=name, severity=severity))
        assert (found.name if found else None) == route


def test_an_absent_label_is_empty() -> None:
    assert Match("team", "").holds({})
    assert not Match("team", pattern=Pattern.compiled(".+")).holds({})


@pytest.mark.parametrize("source", ["(", "a)|(b", "(?=x)", r"(a)\1", "x" * 1_001])
def test_a_pattern_that_re2_refuses_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        Pattern.compiled(source)


def test_no_pattern_takes_for_ever() -> None:
    assert not Pattern.compiled("(a+)+b").matches("a" * LONGEST_LABEL)
    assert Pattern.compiled("a.b").matches("a\nb")


def test_parameters_take_labels_and_one_without_its_label_is_left_out() -> None:
    route = Route("r", params={"port": "{port}", "mode": "fast", "of": "{job}:{port}"})
    assert params_of(route, alert(port="80")) == {"port": "80", "mode": "fast"}


@given(st.text(max_size=60))
def test_a_host_without_its_port_is_never_longer(text: str) -> None:
    assert len(without_port(text)) <= len(text)


# --- groups ----------------------------------------------------------------------------------------------------------

ROUTE = Route("net", channel="C0NET", playbooks=("conntrack",), owner="alice")
ROUTING = Routing((ROUTE,), hosts_at_once=2, again=900)


def folded(group: Group | None, *alerts: Alert, now: datetime = NOW, truncated: int = 0) -> Group | None:
    told = delivery(*alerts, truncated=truncated)
    by = channels(told, ROUTING)
    return fold(group, told, "C0NET", by.get("C0NET", ()), routing=ROUTING, inventory=INVENTORY, now=now)


def opened(*alerts: Alert, **options: Any) -> Group:
    group = folded(None, *alerts, **options)
    assert group is not None
    return group


def test_alerts_of_one_group_are_one_message_and_one_diagnosis_for_hosts_alike() -> None:
    group = opened(alert(instance="node-3"), alert(instance="node-4"), alert(instance="node-3", device="eth1"))
    (look,) = group.looks
    assert (look.hosts, look.playbooks, look.owner) == (("node-3", "node-4"), ("conntrack",), "alice")
    title, lines = words(group)
    assert title == "▲ 3 alerts firing: Down"
    assert lines[0] == "firing: Down on node-3, since 2030-05-13 08:00 UTC: it is down"
    assert lines[-1] == "to be read: node-3, node-4"


def test_the_same_delivery_again_changes_nothing() -> None:
    alerts = alert(instance="node-3"), alert(instance="nowhere")
    group = opened(*alerts)
    assert folded(group, *alerts) == group


def test_what_was_never_seen_firing_is_no_message() -> None:
    assert folded(None, alert(instance="node-3", status="resolved")) is None


def test_resolved_alerts_are_told_in_the_same_message_and_the_next_one_begins_a_new() -> None:
    group = opened(alert(instance="node-3"))
    group = folded(group, alert(instance="node-3", status="resolved")) or group
    assert (first := group.episode, group.firing) == (int(NOW.timestamp()), 0)
    assert words(group)[0] == "✔ resolved: Down"
    assert "resolved: Down on node-3, from 2030-05-13 08:00 to 2030-05-13 08:30 UTC" in words(group)[1][0]
    again = folded(group, alert(instance="node-3", starts=NOW)) or group
    assert (again.episode, again.firing, len(again.alerts)) == (first + 1, 1, 1)
    back = folded(group, alert(instance="node-3")) or group
    assert (back.episode, back.firing, back.looks) == (first, 1, group.looks)  # the same alert after all


def test_a_group_that_was_silent_for_long_is_over_although_nobody_resolved_it() -> None:
    group = opened(alert(instance="node-3"))
    later = NOW + STALE + timedelta(seconds=1)
    assert (folded(group, alert(instance="node-3"), now=later) or group).episode == group.episode
    assert (folded(group, alert(instance="node-4"), now=later) or group).episode == group.episode + 1


def test_a_host_that_was_just_read_is_not_read_again_for_a_new_alert_of_the_group() -> None:
    group = opened(alert(instance="node-3"))
    soon = folded(group, alert(instance="node-3", device="eth1"), now=NOW + timedelta(seconds=899)) or group
    late = folded(group, alert(instance="node-3", device="eth1"), now=NOW + timedelta(seconds=900)) or group
    assert (len(soon.looks), len(late.looks)) == (1, 2)


def test_no_diagnosis_reads_more_hosts_than_configured_and_the_message_says_so() -> None:
    group = opened(*[alert(instance=name) for name in ("node-3", "node-4", "db-1")])
    assert group.looks[0].hosts == ("node-3", "node-4")
    assert "not diagnosed: more than 2 hosts at once; ask for the others" in words(group)[1]


def test_an_unknown_host_is_told_and_not_read() -> None:
    group = opened(alert(instance="node-33"), alert(instance="node-33", device="b"))
    assert not group.looks
    assert words(group)[1][-1] == (
        'not diagnosed: no host "node-33" in the inventory; did you mean "node-3"? (2 alerts)'
    )


def test_a_flood_is_bounded_and_counted() -> None:
    flood = [alert(instance="node-3", device=str(number)) for number in range(700)]
    group = opened(*flood, truncated=5)
    assert (len(group.alerts), group.more) == (500, 205)
    title, lines = words(group)
    assert len(lines) < 20
    assert "and 693 more alerts" in lines
    assert len(title) < 100


def test_what_is_resolved_makes_room_in_a_group_that_always_fires() -> None:
    """One alert that never ends (a watchdog's) keeps its group's message open: those after the first 500 count, too."""
    dog = alert(alertname="Watchdog", instance="nowhere")
    group = opened(dog)
    for number in range(600):
        at = NOW + timedelta(hours=number)
        sick, well = (
            alert(instance="node-3", device=str(n), starts=NOW + timedelta(hours=n)) for n in (number, number - 1)
        )
        well = well.model_copy(update={"status": "resolved", "ends": at})
        told = (sick, dog, well)
        group = folded(group, *told, now=at) or group
        assert folded(group, *told, now=at) == group
        group = group.model_copy(update={"looks": tuple(_done(look) for look in group.looks)})
    first = int(NOW.timestamp())
    assert (group.episode, group.firing, group.more, len(group.alerts)) == (first, 2, 0, 500)
    assert [one.key for one in group.alerts if one.firing][-1] == alert(
        instance="node-3", device="599", starts=NOW + timedelta(hours=599)
    ).key
    assert (len(group.looks), group.looks[-1].number) == (500, 600)


def _done(look: Look) -> Look:
    return look.model_copy(update={"step": Step.TOLD, "outcome": (f"node-3: critical: {look.number}" + "x" * 200,)})


def test_the_newest_diagnoses_stand_in_the_message_and_the_others_are_counted() -> None:
    group = opened(alert(instance="node-3"))
    looks = tuple(_done(group.looks[0].model_copy(update={"number": number})) for number in range(1, 201))
    lines = words(group.model_copy(update={"looks": looks}))[1]
    assert len(lines) < 30
    assert lines[-1].startswith("node-3: critical: 200x")
    assert "184 earlier looks: in the thread" in lines


def test_a_message_is_settled_once_it_shows_what_is_known_and_nothing_is_due() -> None:
    group = opened(alert(instance="node-3"))
    assert not settled(group)
    told = group.having(group.looks[0].model_copy(update={"step": Step.TOLD, "outcome": ("node-3: ok: x",)}))
    assert not settled(told)
    shown = told.model_copy(update={"shown": mark(told)})
    assert settled(shown)
    assert TRIES > 1


def test_the_outcome_never_calls_a_host_well_that_was_not_seen() -> None:
    words = {"summary": "queue full", "cause": "", "fingerprint": "f"}
    finding = Finding(id="x", playbook="p", severity=Severity.CRITICAL, scope={}, evidence={}, **words)  # type: ignore[arg-type]
    symptom = finding.model_copy(update={"explained_by": "g"})
    failure = HostFailure(cause=Cause.UNREACHABLE, reason="no route", remedy="")
    hosts = (
        HostReport(host="a", status=Status.OK),
        HostReport(host="b", status=Status.UNKNOWN, failure=failure),
        HostReport(host="c", status=Status.UNKNOWN),
        HostReport(host="d", status=Status.CRITICAL, findings=(finding, symptom)),
    )
    assert outcome(Report(run="r", started="", seconds=1, hosts=hosts)) == (
        "d: critical: queue full",
        "b: unknown: no route",
        "c: unknown: nothing found, but some checks had no evidence",
        "a: ok: nothing found by these checks",
    )
