"""Does a report lead with the root cause, hide nothing unknown, and fit into Slack whatever hosts print?"""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.adapters.slack import report as render
from bot.adapters.slack import talk
from bot.adapters.slack.pieces import Message, who
from bot.core.ask import Progress
from bot.core.blockkit import faults
from bot.core.host import Cause, HostFailure
from bot.core.report import Coverage, HostReport, Offer, Proposal, Report, Risk, Severity, Status, Undecided
from tests.adapters.slack.naughty import NAUGHTY, markup_left
from tests.adapters.slack.stage import dead, finding, host, report, sick
from tests.fakes.clock import START as NOW

ALICE = frozenset({"U0ALICE"})


def proposal(**fields: Any) -> Proposal:
    values: dict[str, Any] = {
        "change": "c1",
        "action": "sysctl.set",
        "for_": "accept-queue-overflow",
        "with_": {},
        "risk": Risk.LOW,
        "commands": (("true",),),
        "inverse": (),
        "digest": "d",
        "reversible": False,
    }
    return Proposal(**(values | fields))


def everything(made: Report) -> list[Message]:
    return [render.parent(made), *render.thread(made).messages]


def words(message: Message) -> str:
    return json.dumps(list(message.blocks), ensure_ascii=False)


MANY = report(
    *(sick(f"node-{n}") for n in range(60)), *(host(f"ok-{n}") for n in range(200)), *(dead(f"d{n}") for n in range(90))
)
REPORTS: dict[str, Report] = {
    "healthy": report(host()),
    "sick": report(sick()),
    "dead": report(dead()),
    "nothing asked": report(host(healthy=())),
    "fleet": report(
        sick(), host("node-4"), dead(), host("node-5", Status.WARNING, findings=(finding(severity=Severity.WARNING),))
    ),
    "hundreds": MANY,
    "no host": Report(run="r", started="2030-01-01T00:00:00Z", seconds=0, hosts=()),
    "many findings": report(
        host(status=Status.CRITICAL, findings=tuple(finding(f"f{n}", fingerprint=f"f{n}") for n in range(90)))
    ),
    "long evidence": report(
        host(status=Status.CRITICAL, findings=(finding(evidence={f"k{n}": "v" * 400 for n in range(300)}),))
    ),
    "refused": report(
        host(status=Status.CRITICAL, findings=(finding(),), proposals=(proposal(refused="no policy"), proposal()))
    ),
}


@pytest.mark.parametrize("made", REPORTS.values(), ids=REPORTS)
def test_every_message_is_one_that_slack_accepts(made: Report) -> None:
    for message in everything(made):
        assert faults(message.body()) == []
        assert message.text.strip()
        assert markup_left(message.text, message.blocks, ALICE) == []


def hostile(text: str) -> Report:
    """A report with this text in every field that a host, a playbook or a person can fill."""
    root = finding(summary=text, cause=text, title=text, evidence={text: text, "n": [text]}, scope={text: text})
    folded = finding("b", summary=text, fingerprint="b", explained_by=root.fingerprint)
    part: dict[str, Any] = {
        "findings": (root, folded),
        "undecided": (Undecided(id=text, playbook=text, reason=text),),
        "coverage": (Coverage(probe=text, state="unknown", reason=text),),
        "healthy": (text,),
        "proposals": (proposal(summary=text, refused=text),),
    }
    lost = HostFailure(cause=Cause.UNREACHABLE, reason=text, remedy=text)
    return report(
        HostReport(host=text or "h", status=Status.CRITICAL, **part),
        HostReport(host=text or "i", status=Status.UNKNOWN, failure=lost),
        HostReport(host=text or "j", status=Status.OK, healthy=(text,)),
        asker=f"slack:T1:{text}",
        target=text,
        playbooks=(text,),
        run=text,
    )


@pytest.mark.parametrize("text", NAUGHTY, ids=range(len(NAUGHTY)))
def test_nothing_that_a_host_prints_becomes_markup(text: str) -> None:
    made = hostile(text)
    messages = [
        *everything(made),
        *render.host_messages(made.hosts[0], made),
        render.progress(text, f"slack:T1:{text}", Progress("r", 1, 2, text)),
        render.failed(text, text, text),
        talk.told(text, text),
        talk.playbooks({text: text}),
        talk.status([(text, text)]),
        talk.history(text, [talk.Run(text, text, text, text, (text,))], [], NOW),
    ]
    for message in messages:
        assert faults(message.body()) == [], words(message)[:300]
        assert markup_left(message.text, message.blocks) == []


@settings(max_examples=60)
@example("U0")
@given(st.text(max_size=300))
def test_no_text_whatever_breaks_a_report(text: str) -> None:
    asker = who(f"slack:T1:{text}").get(
        "user_id"
    )  # the text stands for the one who asked as well, who may be mentioned
    for message in everything(hostile(text)):
        assert faults(message.body()) == []
        assert markup_left(message.text, message.blocks, frozenset({asker})) == []


def test_the_root_cause_leads_and_its_symptoms_are_folded_under_it() -> None:
    parent, [first, *_] = render.parent(report(sick())), render.thread(report(sick())).messages
    assert "accept queue full" in words(parent)
    assert "explains 1 more" in words(parent)
    told = words(first)
    assert told.index("accept-queue-overflow") < told.index("Explains 1 more") < told.index("syn-retransmits")


def test_what_is_unknown_is_told_with_its_reason_and_never_as_healthy() -> None:
    [message] = render.thread(report(sick())).messages
    told = words(message)
    assert "no permission to read /proc/1/net" in told
    assert '"probe socket_fds: "' in told
    assert told.index("probe socket_fds") < told.index("timed out after 5 s")
    assert "1 check unknown" in words(render.parent(report(sick())))
    assert "for 2 reasons" in words(render.parent(report(sick())))
    assert "Checked and healthy: tcp-memory, listen-drops" in told


def test_a_host_that_could_not_be_read_is_told_with_reason_and_remedy() -> None:
    told = words(render.thread(report(dead())).messages[0])
    assert "no route to host" in told
    assert "Is it up?" in told
    assert "could not be read" in words(render.parent(report(dead())))
    assert "Nothing found" not in words(render.parent(report(dead())))


def test_a_healthy_host_says_how_much_was_checked() -> None:
    assert "Nothing found: all 2 checks had their evidence." in words(render.parent(report(host())))


def test_findings_that_explain_each_other_in_a_circle_are_all_told() -> None:
    circle = (finding("a", fingerprint="a", explained_by="b"), finding("b", fingerprint="b", explained_by="a"))
    told = words(render.thread(report(host(status=Status.CRITICAL, findings=circle))).messages[0])
    assert all(f'"{name}"' in told for name in "ab"), "each as a run of its own"


def test_what_a_message_cuts_is_whole_in_a_file() -> None:
    evidence = {f"k{n}": "v" * 400 + str(n) for n in range(300)}
    found = render.thread(report(host(status=Status.CRITICAL, findings=(finding(evidence=evidence),))))
    [file] = found.files
    assert all(f"k{n}: {'v' * 400}{n}" in file.text for n in range(300))
    assert "in the file" in words(found.messages[0])


def test_hosts_with_the_same_cause_are_one_line_of_the_parent() -> None:
    made = report(*(sick(f"node-{n}") for n in range(14)), dead(), host("well"))
    told = words(render.parent(made))
    assert told.count("accept queue full") == 1
    assert "14 hosts ✖ critical Accept queue overflows" in told
    assert "node-0, node-1" in told
    assert "and 6 more" in told


def test_the_same_fault_in_many_places_is_told_in_full_for_the_first_and_in_a_line_for_the_others() -> None:
    places = tuple(finding(fingerprint=f"f{n}", summary=f"queue of pod-{n:02} full") for n in range(30))
    found = render.thread(report(host(status=Status.CRITICAL, findings=places)))
    told = words(found.messages[0])
    assert told.count("The process accepts more slowly") == render.PLACES
    assert "The same in 27 more places" in told
    assert "queue of pod-10 full" in told
    assert "queue of pod-11 full" not in told
    assert "queue of pod-29 full" in found.files[0].text


def test_what_many_playbooks_found_healthy_is_folded_and_one_reason_is_told_once() -> None:
    undecided = tuple(Undecided(id=f"c{n}", playbook=f"p{n % 4}", reason="tcp_ext: needs root") for n in range(30))
    lost = (Coverage(probe="tcp_ext", state="unknown", reason="needs root"),)
    many = tuple(f"check-{n}" for n in range(60))
    names = tuple(f"p{n}" for n in range(20))
    made = report(host(status=Status.UNKNOWN, healthy=many, undecided=undecided, coverage=lost), playbooks=names)
    told = words(render.thread(made).messages[0])
    assert told.count("needs root") == 1
    assert "30 checks and probe tcp_ext: " in told
    assert "60 checks healthy: all of p4, p5" in told
    assert "check-7" not in told
    assert "30 checks unknown" in words(render.parent(made))


def test_a_change_that_cures_two_faults_is_told_with_both() -> None:
    offer = Offer(action="service.restart", params={"unit": "shop"})
    first, second = finding("a", offers=(offer,)), finding("b", fingerprint="b", offers=(offer,))
    change = proposal(change="c77", action="service.restart", fingerprint=first.fingerprint, with_={"unit": "shop"})
    told = words(render.thread(report(host(findings=(first, second), proposals=(change,)))).messages[0])
    assert told.count("The change c77 proposed here is for this, too.") == 1


def test_a_finding_links_to_its_page_only_where_a_base_address_is_configured() -> None:
    made = report(sick())
    linked = words(render.thread(made, "https://example.com/findings/").messages[0])
    assert '"url": "https://example.com/findings/accept-queue-overflow.md"' in linked
    assert '"type": "link"' not in words(render.thread(made).messages[0])


def test_a_fleet_is_told_worst_first_and_quiet_hosts_share_one_message() -> None:
    found = render.thread(REPORTS["fleet"])
    heads = [message.text for message in found.messages]
    assert heads[0].startswith("✖ critical: node-3")
    assert heads[1].startswith("▲ warning: node-5")
    assert "1 host with nothing to tell" in heads[-1]


def test_hundreds_of_hosts_stay_a_handful_of_messages_and_a_file_with_all() -> None:
    found = render.thread(MANY)
    assert len(found.messages) < 20
    assert all(f"node-{n}:" in found.files[0].text for n in range(60))


def test_every_status_is_a_word_and_a_shape() -> None:
    for status in Status:
        assert str(status) in render.parent(report(host(status=status))).text
    shapes = {render.STATUS[status][0] for status in Status}
    assert len(shapes) == len(Status)


def test_offers_are_not_part_of_what_is_shown() -> None:
    made = report(host(status=Status.CRITICAL, findings=(finding(offers=(Offer(action="secret.action", params={}),)),)))
    assert "secret.action" not in "".join(map(words, everything(made)))
