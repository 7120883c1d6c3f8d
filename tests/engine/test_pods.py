"""Does the table of a node's namespaces show what was seen, and nothing else: no mixed scopes, no made-up zero?"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.files.cases import _outcome
from bot.adapters.slack import pods as slack
from bot.core import recording as recordings
from bot.core.blockkit import faults
from bot.core.host import Cause, Host, HostFailure
from bot.core.pods import COLUMNS, HostPods, PodsReport, Row, exit_status, hurts, ordered
from bot.core.pods_words import HEADINGS, cells, doubts, summary, text_table
from bot.core.snapshot import Outcome, Snapshot
from bot.core.visit import compose, required
from bot.core.visit_answer import read
from bot.demo.replay import replay_inventory
from bot.engine.pods import CAME_OR_WENT, NOT_WALKED, PROBES, SHARED, table
from bot.probes import catalog
from tests.adapters.slack.naughty import NAUGHTY, markup_left
from tests.fakes.clock import START

ROOT = Path(__file__).parents[2]
CATALOG = catalog()
HOST = Host(name="node-3", address="192.0.2.3")
NONCE = "0123456789abcdefghij"


def recorded(name: str, *, root: bool = True) -> HostPods:
    kept = recordings.load((ROOT / "bot/demo/recordings" / f"{name}.yaml").read_text(), name)
    probes = required(PROBES, CATALOG)
    printed = recordings.replay(kept, compose(probes, nonce=NONCE))
    outcomes = read(printed, probes, nonce=NONCE, root=root, root_reason="sudo: a password is required")
    return table(HOST, Snapshot("node-3", START, 3.0, "replay", outcomes))


POD = {"id": "2", "label": "web/shop", "pod": "web/shop", "container": "shop", "pid": 50, "processes": 3}
NETNS = {"namespaces": {"1": {"id": "1", "label": "host", "host": True, "pid": 1}, "2": POD}}
COUNTS = {"used": 9, "tcp_inuse": 3, "tcp6_inuse": 1, "tcp_tw": 2, "udp_inuse": 1, "udp6_inuse": 1}
RATES = {
    "value": {"ListenOverflows": 9, "ListenDrops": 9, "RetransSegs": 5, "OutSegs": 100, "PassiveOpens": 1},
    "delta": {"RetransSegs": 10, "OutSegs": 990},
    "rate": {"ListenOverflows": 0.0, "ListenDrops": 0.0, "RetransSegs": 3.3, "PassiveOpens": 2.0, "ActiveOpens": 0.5},
}
SHOP = {"pid": 50, "process": "shop", "netns": "2", "sockets": 7, "by_state": {"close_wait": 2}, "fd_limit": 100}
QUEUE = {"netns": "2", "local": "0.0.0.0:80", "inode": 7, "send_q": 128, "process": "shop"}


def made(**facts: Any) -> HostPods:
    given: dict[str, Any] = {
        "netns": NETNS,
        "sockstat": {"namespaces": {"1": COUNTS, "2": COUNTS}},
        "tcp_ext": {"seconds": 3.0, "namespaces": {"1": RATES, "2": RATES}},
        "socket_fds": {"processes": [SHOP], "total": 7},
        "listen_queues": {"listeners": [QUEUE]},
    } | facts
    outcomes: dict[str, Outcome] = {
        name: _outcome(ROOT / "case.yaml", CATALOG[name], value) for name, value in given.items()
    }
    return table(HOST, Snapshot("node-3", START, 3.0, "replay", outcomes))


def row(host: HostPods, label: str) -> Row:
    [found] = [row for row in host.rows if row.label == label]
    return found


def test_a_recorded_node_shows_the_pod_that_hurts_before_the_host() -> None:
    found = recorded("node-3")
    assert [line.label for line in found.rows][1:] == ["host"]
    shop = found.rows[0]
    assert shop.pod.endswith("/" + shop.pod.split("/")[1])
    assert shop.values["queue"] == 129
    assert shop.values["queue_limit"] == 128
    assert shop.values["full_queues"] == 1
    assert (shop.values["overflows"] or 0) > 0
    assert shop.hurts[0].severity == "critical"
    assert shop.fullest == "shop on 0.0.0.0:80"
    assert found.known
    assert not found.rows[1].hurts


def test_a_leak_is_told_with_the_process_that_holds_it() -> None:
    found = recorded("node-4")
    [host] = found.rows
    assert (host.values["close_wait"] or 0) > 100
    assert (host.values["detached"] or 0) > 100
    assert host.holders[0].process == "legacy-api"
    assert {hurt.say.split()[-1] for hurt in host.hurts} >= {"CLOSE_WAIT", "closed"}


def test_numbers_keep_to_their_namespace() -> None:
    found = row(made(), "web/shop")
    assert found.values == {
        "sockets": 9,
        "tcp": 4,
        "time_wait": 2,
        "udp": 2,
        "overflows": 0.0,
        "drops": 0.0,
        "retransmits": 3.3,
        "accepted": 2.0,
        "opened": 0.5,
        "retransmit_share": 0.01,
        "descriptors": 7,
        "close_wait": 2,
        "detached": 0,
        "fd_fill": 0.07,
        "listeners": 1,
        "queue": 0,
        "queue_limit": 128,
        "full_queues": 0,
    }
    assert set(found.values) == {column.name for column in COLUMNS}
    host = row(made(), "host")
    assert (host.values["descriptors"], host.values["listeners"], host.values["tcp"]) == (0, 0, 4)


def test_what_one_probe_could_not_tell_is_unknown_in_its_columns_alone() -> None:
    found = made(sockstat={"unknown": "timed out after 5 s"})
    assert not found.known
    for line in found.rows:
        assert line.values["sockets"] is None
        assert line.unknown["sockets"] == "sockstat: timed out after 5 s"
        assert line.values["accepted"] == 2.0
    [doubt] = [doubt for doubt in doubts(found) if "timed out" in doubt.reason]
    assert doubt.everywhere
    assert cells(found.rows[0])[HEADINGS.index("sockets") :][:3] == ("?", "?", "?")
    assert "not all was seen" in summary(found)


@pytest.mark.parametrize("probe", ["sockstat", "tcp_ext", "socket_fds", "listen_queues"])
def test_no_probe_that_is_missing_ever_becomes_a_zero(probe: str) -> None:
    whole, found = made(), made(**{probe: {"unknown": "ss: not found"}})
    for before, after in zip(ordered(whole.rows), sorted(found.rows, key=lambda r: r.netns), strict=False):
        assert set(after.unknown) == {name for name, value in after.values.items() if value is None}
        assert set(before.values) == set(after.values)
    lost = {name for line in found.rows for name in line.unknown}
    assert lost
    assert all(found.rows[0].values[name] is None for name in lost)


def test_a_namespace_that_came_or_went_is_unknown() -> None:
    found = row(made(sockstat={"namespaces": {"1": COUNTS}}, tcp_ext={"namespaces": {"1": RATES}}), "web/shop")
    assert found.unknown["sockets"] == CAME_OR_WENT
    assert found.unknown["drops"] == CAME_OR_WENT


def test_an_underflown_count_and_a_reset_counter_are_unknown() -> None:
    rates = RATES | {"rate": {"ListenDrops": 0.0}, "delta": {}}
    found = row(
        made(
            sockstat={"namespaces": {"2": COUNTS | {"used": None}}},
            tcp_ext={"namespaces": {"2": rates}},
        ),
        "web/shop",
    )
    assert "underflowed" in found.unknown["sockets"]
    assert "reset" in found.unknown["overflows"]
    assert found.unknown["opened"] == "no counter ActiveOpens"
    assert found.values["retransmit_share"] is None


def test_descriptors_that_were_not_looked_through_make_a_lower_bound_or_an_unknown() -> None:
    found = made(socket_fds={"processes": [SHOP], "total": 40, "unwalked": 12})
    shop, host = row(found, "web/shop"), row(found, "host")
    assert set(shop.at_least) == {"descriptors", "close_wait", "detached"}
    assert cells(shop)[HEADINGS.index("fds")] == "≥7"
    assert host.values["descriptors"] is None
    assert host.unknown["descriptors"] == NOT_WALKED


def test_a_queue_that_was_full_for_one_look_is_not_full() -> None:
    looks = [{"listeners": [QUEUE | {"recv_q": full}]} for full in (0, 129, 3)]
    found = row(made(listen_queues=looks), "web/shop")
    assert (found.values["queue"], found.values["full_queues"]) == (3, 0)
    looks = [{"listeners": [QUEUE | {"recv_q": full}]} for full in (129, 129, 0)]
    found = row(made(listen_queues=looks), "web/shop")
    assert (found.values["queue"], found.values["full_queues"], found.fullest) == (129, 1, "shop on 0.0.0.0:80")
    looks = [{"listeners": [QUEUE | {"recv_q": 129}]}, {"listeners": []}, {"listeners": []}]
    assert row(made(listen_queues=looks), "web/shop").values["listeners"] == 0


def test_a_pod_on_the_hosts_network_has_its_own_descriptors_and_not_the_hosts_counts() -> None:
    agent = {"pid": 70, "process": "agent", "netns": "1", "pod": "kube-system/agent", "sockets": 5, "by_state": {}}
    sshd = {"pid": 30, "process": "sshd", "netns": "1", "sockets": 2, "by_state": {}}
    listener = {"netns": "1", "local": "0.0.0.0:9100", "inode": 9, "send_q": 64, "pod": "kube-system/agent"}
    found = made(
        socket_fds={"processes": [SHOP, agent, sshd], "total": 14},
        listen_queues={"listeners": [QUEUE, listener]},
    )
    guest, host = row(found, "kube-system/agent (host network)"), row(found, "host")
    assert (guest.kind, guest.values["descriptors"], guest.values["listeners"]) == ("pod", 5, 1)
    assert guest.unknown["sockets"] == guest.unknown["drops"] == SHARED
    assert (host.values["descriptors"], host.values["listeners"]) == (2, 0)
    assert found.known, "what cannot be counted apart is no missing evidence"


def test_hidden_namespaces_leave_no_table_but_a_reason() -> None:
    found = made(
        netns={"unknown": "the network namespace of 3 process(es) cannot be read (pid 812, permission denied)"}
    )
    assert found.rows == ()
    assert "3 process(es) cannot be read" in found.unread[0]
    assert exit_status(PodsReport(run="r", started="", seconds=1, hosts=(found,))) == 3
    not_root = recorded("node-3", root=False)
    assert not_root.rows == ()
    assert not not_root.known
    assert "password" in not_root.unread[0]


def test_namespaces_without_a_process_are_told_as_not_read() -> None:
    found = made(netns=NETNS | {"pinned": ["4026532414"]})
    assert found.unread == ("1 namespace(s) that no process is in are not read: net:[4026532414]",)


def test_a_host_that_cannot_be_read_says_why() -> None:
    failure = HostFailure(cause=Cause.UNREACHABLE, reason="no route to host", remedy="Is it up?")
    found = table(HOST, failure)
    assert summary(found) == "could not be read: no route to host"
    assert exit_status(PodsReport(run="r", started="", seconds=1, hosts=(found,))) == 3


def test_what_hurts_more_is_first() -> None:
    def line(label: str, **values: Any) -> Row:
        return Row(kind="namespace", label=label, netns="1", values=values, hurts=hurts(values))

    calm, busy = line("calm", sockets=5), line("busy", sockets=9_000)
    leaky, full = line("leaky", close_wait=300), line("full", full_queues=1, overflows=4.0, drops=4.0)
    dropping, tiny = line("dropping", overflows=1.0, drops=1.0), line("tiny", queue=2, queue_limit=1)
    assert [row.label for row in ordered([calm, leaky, busy, tiny, dropping, full])] == [
        "full", "dropping", "leaky", "busy", "calm", "tiny",
    ]  # fmt: skip
    assert not tiny.hurts
    assert not busy.hurts


def report(*hosts: HostPods) -> PodsReport:
    started = "2030-05-13T09:00:00Z"
    return PodsReport(run="r1", started=started, seconds=3.1, asker="slack:T1:U1", target="all", hosts=hosts)


def test_the_document_is_the_contract_that_the_guide_shows() -> None:
    document = json.loads(report(made(sockstat={"unknown": "timed out"})).document())
    assert document["schema"] == "netdiag.pods/1"
    [host] = document["hosts"]
    assert host["rows"][0]["values"]["sockets"] is None
    assert host["rows"][0]["unknown"]["sockets"] == "sockstat: timed out"
    guide = (ROOT / "docs" / "pods.md").read_text()
    assert all(f"| `{column.name}` | {column.about} |" in guide for column in COLUMNS)
    example = json.loads(guide.split("```json\n")[1].split("```")[0])
    assert PodsReport.model_validate(example).hosts[0].rows[0].pod == "web/shop-6d4cf56db6-x7k2p"


def crowd(number: int, **fields: Any) -> HostPods:
    rows = [
        Row(kind="namespace", label=f"web/pod-{n:03}", netns=str(n), values={c.name: n for c in COLUMNS}, **fields)
        for n in range(number)
    ]
    return HostPods(host="node-3", rows=tuple(rows))


def test_a_long_table_is_shown_in_part_and_whole_in_a_file() -> None:
    short, long = slack.thread(report(crowd(5))), slack.thread(report(crowd(60)))
    assert short.files == ()
    [file] = long.files
    assert all(f"web/pod-{n:03} " in file.text for n in range(60))
    shown = json.dumps([list(message.blocks) for message in long.messages])
    assert "web/pod-019" in shown
    assert "web/pod-020" not in shown
    assert "40 more rows in the file" in shown


@pytest.mark.parametrize(
    "found", [recorded("node-3"), recorded("node-4"), made(), made(netns={"unknown": "no"}), crowd(200)]
)
def test_every_message_of_a_table_is_one_that_slack_accepts(found: HostPods) -> None:
    made_of = report(found)
    for message in (slack.parent(made_of), *slack.thread(made_of).messages):
        assert faults(message.body()) == []
        assert message.text.strip()


@pytest.mark.parametrize("text", NAUGHTY, ids=range(len(NAUGHTY)))
def test_nothing_that_a_host_prints_becomes_markup(text: str) -> None:
    values = {column.name: None for column in COLUMNS}
    hurt = hurts({"close_wait": 900})
    line = Row(
        kind="namespace", label=text, netns="1", pod=text, fullest=text, hurts=hurt,
        values=values, unknown=dict.fromkeys(values, text),
    )  # fmt: skip
    host = HostPods(host=text or "h", rows=(line,), unread=(text,))
    made_of = report(host, host).model_copy(update={"target": text, "run": text, "asker": text})
    for message in (slack.parent(made_of), *slack.thread(made_of).messages):
        assert faults(message.body()) == []
        assert markup_left(message.text, message.blocks) == []


def test_the_text_table_is_aligned() -> None:
    lines = text_table(recorded("node-3").rows)
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == list(HEADINGS)


def test_the_terminal_tells_it_and_exits_by_what_is_unknown(tmp_path: Path) -> None:
    place = replay_inventory(tmp_path / "inventory")
    words = [sys.executable, "-m", "bot", "pods", "recorded-node-3", "--window", "0.2", "--inventory", str(place)]
    words += ["--state", str(tmp_path / "state")]
    done = subprocess.run([*words, "--format", "json"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert PodsReport.model_validate_json(done.stdout).hosts[0].rows[0].values["queue"] == 129
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert "129/128" in done.stdout
