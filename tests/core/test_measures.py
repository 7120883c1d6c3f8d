"""Are a playbook's measures what was seen, bounded, named for good, and never a guess?"""
# ruff: noqa: E501 - a case is one row of the table

from pathlib import Path

import pytest

from bot.adapters.files.playbooks import lint, read_playbook
from bot.core.case import Expected as Wanted
from bot.core.case import ExpectedMeasure, differences
from bot.core.diagnosis import diagnose
from bot.core.errors import ConfigError
from bot.core.kernel_settings import settings_of
from bot.core.measure import Measure, parted, spoken
from bot.core.probe import Unknown
from bot.core.report import HostReport, Report, Status
from bot.core.snapshot import Snapshot
from tests.fakes.doctor import ACTIONS, PROBES, Queue, Sysctls, TcpExt, counted, queues, snapshot

HEAD = "name: test\ntitle: A test\nabout: Is it?\nprobes: [queues, tcp_ext, sysctl_net]\n"
FULL = """measures:
- id: waiting
  title: Waiting
  unit: connections
  each: queues.rows
  as: q
  where: q.port < 60000
  scope: {netns: q.netns, process: q.process, port: q.port, pid: q.pid}
  value: q.recv_q
  limit: q.send_q
  notable: 5
  at_limit: It is full.
"""
RATE = """measures:
- id: lost
  each: tcp_ext.namespaces
  as: [id, c]
  scope: {netns: id}
  value: rate(id, "ListenDrops")
  rate: true
"""


def taken(measures: str, seen: Snapshot) -> HostReport:
    return diagnose([read_playbook(HEAD + measures, "test.yaml", PROBES, ACTIONS)], seen, {})


def row(port: int = 80, recv_q: int = 3, send_q: int = 128, **more: object) -> Queue:
    return Queue.model_validate({"netns": "1", "port": port, "recv_q": recv_q, "send_q": send_q, **more})


def test_a_measure_says_how_much_of_what_and_where() -> None:
    report = taken(FULL, snapshot(queues=queues([row(recv_q=1)], [row(recv_q=2)], [row(recv_q=3)])))
    (found,) = report.measures
    assert (found.id, found.playbook, found.value, found.limit) == ("waiting", "test", 3, 128)
    assert found.scope == {"netns": "1", "process": "web", "port": 80, "pid": 1}
    assert found.key == 'waiting {"netns":"1","port":80,"process":"web"}'  # the pid is told, not kept
    assert report.status is Status.OK


def test_what_is_unknown_is_left_out_and_never_0() -> None:
    assert not taken(FULL, snapshot(queues=Unknown("ss: not found"))).measures
    gone = TcpExt(namespaces={"1": counted(ListenDrops=8), "2": counted()})
    (found,) = taken(RATE, snapshot(tcp_ext=gone)).measures
    assert (found.scope["netns"], found.value, found.rate) == ("1", 2.0, True)


@pytest.mark.parametrize("limit", ["0", "-1", "null", 'int(sysctl(q.netns, "net.core.somaxconn"))', "1 / 0"])
def test_a_limit_that_is_none_or_not_known_is_none(limit: str) -> None:
    report = taken(FULL.replace("limit: q.send_q", f"limit: '{limit}'"), snapshot(queues=queues([row()])))
    assert [(found.value, found.limit) for found in report.measures] == [(3, None)]


def test_of_places_with_one_name_the_one_nearest_to_its_limit_counts() -> None:
    workers = [row(recv_q=90, send_q=1000, pid=1), row(recv_q=60, send_q=100, pid=2), row(recv_q=5, send_q=10, pid=3)]
    (found,) = taken(FULL, snapshot(queues=queues(workers))).measures
    assert (found.value, found.scope["pid"]) == (60, 2)


def test_fifty_numbers_are_kept_the_nearest_to_their_limit_and_the_rest_is_counted() -> None:
    many = [row(port=1000 + number, recv_q=number) for number in range(120)] + [row(port=60_001, recv_q=127)]
    report = taken(FULL, snapshot(queues=queues(many)))
    assert [found.value for found in report.measures] == [*range(119, 69, -1)]
    assert report.unkept == {"waiting": 70}


def test_a_process_name_from_the_host_is_neutralised() -> None:
    (found,) = taken(FULL, snapshot(queues=queues([row(process="\x1b[31m\u202e")]))).measures
    assert "\x1b" not in found.key
    assert "\u202e" not in found.key


def test_the_document_has_the_measures_and_not_what_every_one_of_them_repeats() -> None:
    host = taken(FULL, snapshot(queues=queues([row()])))
    text = Report(run="r", started="", seconds=1, hosts=(host,)).document()
    assert '"value": 3.0' in text
    assert "It is full." not in text
    assert '"settings"' not in text


WRONG = {
    "nothing at all": ("findings: []\n", "test.yaml:5: findings: finds nothing and measures nothing"),
    "field": (FULL.replace("q.recv_q", "q.recvq"), 'measures.waiting.value: Queue has no field "recvq"'),
    "no number": (FULL.replace("q.recv_q", "q.process"), "test.yaml:13: measures.waiting.value: must be a number, but is text"),
    "no number for a limit": (FULL.replace("q.send_q", "queues.rows"), "measures.waiting.limit: must be a number"),
    "items without a scope": (FULL.replace("  scope: {netns: q.netns, process: q.process, port: q.port, pid: q.pid}\n", ""), 'several items need "scope"'),
    "twice": (FULL + FULL.removeprefix("measures:\n"), 'measures.waiting.id: a second measure "waiting"'),
    "probe": (RATE.replace("tcp_ext.namespaces", "tcp_ex.namespaces"), 'no name "tcp_ex"; did you mean "tcp_ext"?'),
    "unknown key": (FULL.replace("notable:", "notabel:"), 'unknown key "notabel" in measures.0; did you mean "notable"?'),
    "condition": (FULL.replace("q.port < 60000", "q.port"), "measures.waiting.where: must be true or false"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "fault"), WRONG.values(), ids=WRONG)
def test_a_wrong_measure_is_refused_with_place_and_remedy(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_playbook(HEAD + text, "test.yaml", PROBES, ACTIONS)
    assert fault in str(refused.value)


def test_two_playbooks_do_not_keep_a_past_under_one_name(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEAD.replace("test", "a") + RATE)
    (tmp_path / "b.yaml").write_text(HEAD.replace("test", "b") + RATE)
    (fault,) = lint(tmp_path, PROBES, ACTIONS)
    assert (
        fault == f'{tmp_path}/b.yaml:6: measures.lost.id: a second measure "lost": playbook "a" keeps one of that name'
    )


def test_a_key_comes_apart_again() -> None:
    measure = Measure(id="x-y", playbook="p", scope={"namespace": "a b", "pid": 3}, value=1)
    assert parted(measure.key) == ("x-y", {"namespace": "a b"})
    assert parted("plain") == ("plain", {})
    assert parted("x {broken") == ("x", {})


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ({}, ""),
        ({"namespace": "host"}, "host"),
        ({"namespace": "shop", "process": "api", "pid": 7}, "api[7] in shop"),
        ({"namespace": "shop", "process": "nginx", "local": "0.0.0.0:80"}, "nginx 0.0.0.0:80 in shop"),
        ({"family": "ipv4"}, "ipv4"),
    ],
)
def test_a_place_reads_as_people_say_it(scope: dict[str, object], words: str) -> None:
    assert spoken(scope) == words


def test_settings_are_those_of_namespaces_that_last_and_no_counters() -> None:
    def space(label: str, **more: object) -> dict[str, object]:
        return {"label": label, "host": False, "pod": "", "unit": "", **more}

    spaces = {
        "1": space("host", host=True),
        "2": space("web/shop", pod="web/shop"),
        "3": space("nginx.service", unit="nginx.service"),
        "4": space("net:[4]"),
        "5": space("3f2a91c0b77d"),
    }
    tuned = Sysctls(namespaces={str(n): {"net.core.somaxconn": str(n)} for n in range(1, 8)}).model_dump()
    tuned["namespaces"]["1"]["net.netfilter.nf_conntrack_count"] = "77"
    assert settings_of({"namespaces": spaces}, tuned) == {
        "host net.core.somaxconn": "1",
        "web/shop net.core.somaxconn": "2",
        "nginx.service net.core.somaxconn": "3",
    }


def test_a_case_tells_a_measure_that_is_missing_wrong_or_too_much() -> None:
    report = taken(FULL, snapshot(queues=queues([row()])))

    def wrong(**wanted: object) -> list[str]:
        one = ExpectedMeasure.model_validate(wanted)
        return list(differences(report, Wanted(status=Status.OK, measures=(one,))))

    assert wrong(id="waiting", scope={"port": 80}, value=3, limit=128) == []
    assert wrong(id="waiting", value=4) == ["measure waiting is 3.0 of 128.0, not 4.0 of None"]
    assert wrong(id="waiting", scope={"port": 81}) == ["measure waiting {'port': 81} is not there"]
    assert wrong(id="waiting", absent=True) == ["measure waiting is 3.0, but should not be there"]
    assert wrong(id="other", absent=True) == []
