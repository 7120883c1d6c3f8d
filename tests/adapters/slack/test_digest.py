"""Is a sweep told in the order of what matters, within Slack's limits, and without a host's words as markup?"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.slack import digest as words
from bot.adapters.slack import hush, plans
from bot.adapters.slack.pieces import Message
from bot.core.blockkit import faults
from bot.core.digest import Blind, Digest, Held, News
from bot.core.fire import Fire, Phase
from bot.core.report import Severity, Status
from bot.core.sweep import Pause, Silence
from bot.engine.sweep_ports import Board, Lined
from tests.adapters.slack.naughty import NAUGHTY, markup_left
from tests.adapters.slack.stage import NOW, SWEEP, digest, finding, host, item, place, report, sick, still

KEY = "sweep:nightly:2030-05-13T09:00:00Z"


def said(message: Message) -> str:
    """Every text of a message, in order."""

    def texts(value: Any) -> str:
        if isinstance(value, dict):
            own = value.get("text") if isinstance(value.get("text"), str) else ""
            rest = [texts(part) for key, part in value.items() if key != "text" or not isinstance(part, str)]
            return " ".join([own or "", *rest])
        return " ".join(texts(part) for part in value) if isinstance(value, list | tuple) else ""

    return " ".join(texts(list(message.blocks)).split())


def parent(one: Digest) -> str:
    return said(words.parent(SWEEP, one, KEY)[0])


FULL = digest(
    hosts={Status.CRITICAL: 3, Status.WARNING: 2, Status.UNKNOWN: 2, Status.OK: 193},
    items=(
        item(News.RESOLVED, "node-8", id="dns-slow", title="Resolver is slow", severity=Severity.WARNING),
        item(News.FORECAST, "node-4", id="limit-forecast", title="A limit is near"),
        item(News.FLAPPING, "node-7", id="vrrp-flapping", title="VRRP flaps"),
        item(News.NEW, *(f"node-{n}" for n in range(20, 34)), explains=("syn-retransmits",)),
        item(News.WORSE, "node-5", id="conntrack-full", title="Connection table fills"),
    ),
    open=(still(),),
    blind=(
        Blind(reason="no route to host", hosts=("node-9",), whole=True, news=True),
        Blind(reason="sudo: a password is required", hosts=("node-10",), whole=False),
    ),
    sighted=("node-11",),
    held=(Held(why="silenced by alice until 12:00: the move", count=3, worst=Severity.CRITICAL),),
    missed=("2 runs missed (02:00, 03:00 UTC): the bot was down",),
)


def test_what_changed_and_hurts_comes_first_and_what_is_well_again_last() -> None:
    told = parent(FULL)
    order = ["Nightly: 1 new", "runs missed", "New", "Worse", "Flapping", "Limits ahead", "Resolved", "Still open"]
    order += ["Unknown, and why", "Held back"]
    places = [told.index(part) for part in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "expected",
    [
        "✖ Nightly: 1 new, 1 worse, 1 flapping, 1 limit ahead, 1 resolved, 1 host unreadable",
        "200 hosts: 3 critical (+3), 2 warning, 2 unknown (+2), 193 ok (-5)",
        "14 hosts: Accept queue overflows : node-20, node-21, node-22",
        "node-26, node-27 and 6 more. Such as: nginx on 0.0.0.0:80: accept queue full",
        "(explains 1 more)",
        "Resolver is slow : node-8 after 5 h",
        "Reverse path filter is strict , for 3 d: node-5, node-6",
        "new: 1 host could not be read, no route to host: node-9",
        "some checks undecided, sudo: a password is required: node-10",
        "readable again: node-11",
        "3 findings held back, at worst ✖ critical: silenced by alice until 12:00: the move",
        "2 runs missed (02:00, 03:00 UTC): the bot was down",
        "sweep nightly · due 2030-05-13 09:00 UTC · 12.3 s · run r1",
    ],
)
def test_the_message_says(expected: str) -> None:
    assert expected in parent(FULL)


def test_one_cause_on_many_hosts_is_one_line() -> None:
    (one,) = words.parent(SWEEP, digest(items=(item(News.NEW, *(f"n{n}" for n in range(14))),)), KEY)
    assert said(one).count("Accept queue overflows") == 1


QUIET = {
    "all well": (digest(quiet=True, hosts={Status.OK: 200}), "✔ Nightly: nothing new 200 hosts: 200 ok"),
    "open": (digest(quiet=True, open=(still(),)), "· Nightly: nothing new, 1 still open"),
    "unknown": (digest(quiet=True, hosts={Status.OK: 1, Status.UNKNOWN: 2}), "3 hosts: 2 unknown, 1 ok"),
    "held back": (digest(quiet=True, held=FULL.held), "3 findings held back, at worst ✖ critical"),
    "nothing was read": (digest(quiet=True, hosts={}), "? Nightly: nothing new 0 hosts: none was read"),
}


@pytest.mark.parametrize("case", QUIET)
def test_a_quiet_sweep_is_one_line_that_hides_neither_faults_nor_unknown_hosts(case: str) -> None:
    made, expected = QUIET[case]
    message = words.quiet(SWEEP, made)
    assert expected in said(message)
    assert len(message.blocks) == 1
    assert faults(message.body()) == []


def test_no_sweep_without_evidence_is_marked_as_well() -> None:
    for hosts in ({Status.OK: 1, Status.UNKNOWN: 1}, {Status.UNKNOWN: 3}, {}, {Status.OK: 1, Status.WARNING: 1}):
        assert not said(words.quiet(SWEEP, digest(quiet=True, hosts=hosts))).startswith("✔")
        assert not parent(digest(hosts=hosts)).startswith("✔")


def test_a_first_sweep_is_not_compared() -> None:
    assert "the first sweep" in parent(digest(before=None))
    assert "as at the last sweep" in parent(digest(before=digest().hosts))


EVERYWHERE = tuple(place(f"node-{n}.rack-{n % 9}.example") for n in range(200))
CROWD = digest(
    items=tuple(
        item(news, id=f"f{number}", title="t" * 140, places=EVERYWHERE) for news in News for number in range(25)
    ),
    open=tuple(still(*(f"node-{n}" for n in range(200)), id=f"o{number}", title="o" * 140) for number in range(60)),
    blind=tuple(
        Blind(reason="r" * 400, hosts=tuple(f"node-{n}" for n in range(200)), whole=True) for number in range(30)
    ),
    held=(Held(why="w" * 400, count=10_000, worst=Severity.WARNING),) * 10,
    missed=("m" * 500,) * 5,
)


@pytest.mark.parametrize("made", [FULL, CROWD, digest(), digest(hosts={})], ids=["full", "crowd", "plain", "empty"])
def test_every_digest_fits_into_slack(made: Digest) -> None:
    whole = report(*(sick(f"node-{n}.rack-{n % 9}.example") for n in range(200)))
    messages = [*words.parent(SWEEP, made, KEY), *words.thread(SWEEP, made, whole).messages]
    messages += words.thread(SWEEP, made, None).messages
    for message in messages:
        assert faults(message.body()) == []
        assert message.text


def test_what_the_message_cuts_is_whole_in_a_file() -> None:
    below = words.thread(SWEEP, CROWD, None)
    assert len(below.files) == 1
    assert len(below.messages) < 30, "a thread of hundreds is read by nobody"
    assert "node-199.rack-1.example" in below.files[0].text
    assert "o59" in below.files[0].text
    assert words.thread(SWEEP, digest(items=(item(),)), None).files == ()


def test_the_thread_tells_the_evidence_of_hosts_with_news_and_of_no_other() -> None:
    whole = report(sick("node-3"), sick("node-5"), host("node-1"))
    messages = words.thread(SWEEP, digest(items=(item(News.NEW, "node-3"),), open=(still("node-5"),)), whole).messages
    told = " ".join(said(message) for message in messages)
    assert "node-3" in told
    assert "node-5" not in told
    assert "129" in told


def test_a_digest_that_is_told_later_names_each_place_without_the_report() -> None:
    (message,) = words.thread(SWEEP, digest(items=(item(News.NEW, "node-3", "node-4"),)), None).messages
    assert "node-4 nginx on 0.0.0.0:80: accept queue full" in said(message)


def test_what_left_the_inventory_is_told_as_that_and_not_as_well() -> None:
    away = digest(items=(item(News.LEFT, "node-8", severity=Severity.WARNING),))
    text = parent(away)
    assert "Left the inventory: nobody looks at these hosts any more" in text
    assert "- Accept queue overflows : node-8, last known ▲ warning, open for " in text
    assert "1 left the inventory" in text
    assert words.silenceable(away) == ()


def test_only_what_hurts_can_be_silenced() -> None:
    calm = digest(items=(item(News.RESOLVED),))
    assert "Silence" not in parent(calm)
    assert words.silenceable(calm) == ()
    assert [ident for ident, _, _ in words.silenceable(FULL)][-1] == "rp-filter-drops"
    assert "Silence…" in parent(FULL)


@pytest.mark.parametrize("text", NAUGHTY, ids=range(len(NAUGHTY)))
def test_nothing_that_a_host_prints_becomes_markup_in_a_digest(text: str) -> None:
    hostile = digest(
        items=tuple(
            item(
                news, text or "h", "other", title=text, places=(item().places[0].model_copy(update={"summary": text}),)
            )
            for news in News
        ),
        open=(still(text, title=text),),
        blind=(Blind(reason=text, hosts=(text,), whole=True),),
        held=(Held(why=text, count=1, worst=Severity.INFO),),
        missed=(text,),
        sighted=(text,),
    )
    whole = report(host("node-3", Status.CRITICAL, findings=(finding(summary=text, cause=text),)))
    for message in (
        *words.parent(SWEEP, hostile, KEY),
        words.quiet(SWEEP, hostile),
        *words.thread(SWEEP, hostile, whole).messages,
        *words.thread(SWEEP, hostile, None).messages,
    ):
        assert faults(message.body()) == []
        assert markup_left(message.text, message.blocks) == []


@settings(max_examples=40)
@given(st.text(max_size=200))
def test_no_text_breaks_a_list_of_sweeps_or_silences(text: str) -> None:
    fire = Fire("s", NOW, Phase.FAILED, why=text)
    sweep = SWEEP.__class__(text or "s", SWEEP.when, "all", title=text, zone=text)
    lined = Lined(sweep, text, NOW, last=fire, pause=Pause(text, text, text, NOW))
    silent = Silence(text, text, text, text, text, NOW, NOW)
    for message in (plans.board(Board((lined,) * 40, text), NOW), plans.silences((silent,) * 90)):
        assert faults(message.body()) == []
        assert markup_left(message.text, message.blocks) == []
    assert faults(plans.silenced(silent).body()) == []
    assert faults(plans.paused(lined).body()) == []


def test_the_table_of_sweeps_names_zone_state_and_last_run() -> None:
    told = Fire("nightly", NOW - timedelta(hours=2), Phase.TOLD, digest=FULL)
    rows = plans.board(Board((Lined(SWEEP, "every 1 h", NOW, last=told),)), NOW).blocks[1]["rows"]
    assert [cell["text"] for cell in rows[1]] == [
        "nightly (Nightly)",
        "every 1 h",
        "Mon 13 May 11:00 CEST",
        "4 news, 1 open, 1 host unknown, 2 h ago",
        "on",
    ]


def test_the_form_of_a_silence_comes_to_the_command_that_means_the_same() -> None:
    offered = hush.choices({"choices": [["a", "A thing", ["n1", "n2"]], ["b", "B" * 300, ["n3"]]]})
    view = hush.view(offered, hush.Origin(KEY, "C1", "1.1"))
    assert faults(view) == []
    assert hush.origin(view["private_metadata"]) == hush.Origin(KEY, "C1", "1.1")
    state = {name: {name: {"selected_option": {"value": value}}} for name, value in
             ((hush.WHAT, "0"), (hush.WHERE, hush.THESE), (hush.LONG, "4h"))}  # fmt: skip
    typed = {hush.WHY: {hush.WHY: {"value": "it's the\n move"}}}
    command = hush.read(state | typed, offered)
    assert not isinstance(command, dict)
    assert command.typed() == "/netdiag silence n1,n2 a for 4h because it's the move"
    everywhere = {hush.WHERE: {hush.WHERE: {"selected_option": {"value": hush.ALL}}}}
    assert hush.read(state | everywhere | typed, offered).rest.startswith("all a for")
    assert hush.read(state, offered) == {hush.WHY: "Why? Others will ask."}
    assert hush.WHAT in hush.read(typed, offered)
