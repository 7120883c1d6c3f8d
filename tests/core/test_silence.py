"""Silences: what may be silenced, by whom, for how long, and what it covers."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import AskError
from bot.core.policy import Policy
from bot.core.silence import LONGEST, Wanted, add, end, in_force, parse, seconds, silenced
from tests.fakes.approval import ALICE, HOST, POLICY, slack, terminal
from tests.fakes.clock import START

KNOWN = ("accept-queue-overflow", "rp-filter-drops", "rp-filter-unroutable")
WORDS = [
    ("node-3 for 2h because of the move", Wanted("node-3", "*", 7_200, "of the move")),
    ("node-3 rp-filter-* for 90m because we know", Wanted("node-3", "rp-filter-*", 5_400, "we know")),
    ("role=ingress,!node-4 for 1h 30min because a: b for c", Wanted("role=ingress,!node-4", "*", 5_400, "a: b for c")),
    ("  all * FOR 3 days\nBECAUSE  two\nlines ", Wanted("all", "*", 259_200, "two\nlines")),
    ("all for 1w reason: new racks", Wanted("all", "*", 604_800, "new racks")),
]
BROKEN = [
    ("", "what shall be silent"),
    ("node-3", "for how long"),
    ("node-3 because I say so", "for how long"),
    ("node-3 for 2h", "why"),
    ("node-3 for 2h because", "write `TARGET"),
    ("node-3 for 2 fortnights because x", "no span of time"),
    ("node-3 for 2hours3 because x", "no span of time"),
]


@pytest.mark.parametrize(("text", "wanted"), WORDS)
def test_a_silence_is_read_from_words(text: str, wanted: Wanted) -> None:
    assert parse(text) == wanted


@pytest.mark.parametrize(("text", "fault"), BROKEN)
def test_what_is_no_silence_is_told_with_what_is_missing(text: str, fault: str) -> None:
    with pytest.raises(AskError, match=fault):
        parse(text)


@given(st.text())
def test_any_text_is_a_silence_or_an_error_for_the_one_who_typed_it(text: str) -> None:
    for read in (parse, seconds):
        with suppress(AskError):
            read(text)


def test_people_of_the_policy_may_silence_and_it_is_logged() -> None:
    silence, event = add(Wanted("all", "rp-*", 3600, "moving\x1b[2J"), slack(ALICE), POLICY, KNOWN, START, "s1")
    assert (silence.owner, silence.until) == (f"slack:{ALICE}", START + timedelta(hours=1))
    assert "\x1b" not in silence.why
    assert (event.kind, event.actor, event.data["silence"]) == ("SilenceAdded", f"slack:{ALICE}", "s1")


@pytest.mark.parametrize(
    ("who", "policy", "fault"),
    [
        (slack("T0TEAM:U0MALLORY"), POLICY, "nobody in the access policy"),
        (terminal("mallory"), POLICY, "nobody in the access policy"),
        (slack(ALICE, fault="deactivated"), POLICY, "deactivated"),
        (slack(ALICE), Policy(), "no access policy says who that is"),
    ],
)
def test_nobody_else_may_silence_or_end_a_silence(who, policy, fault) -> None:
    wanted = Wanted("all", "*", 3600, "x")
    with pytest.raises(AskError, match=fault):
        add(wanted, who, policy, KNOWN, START, "s1")
    made, _ = add(wanted, terminal("root"), Policy(), KNOWN, START, "s1")
    with pytest.raises(AskError, match=fault):
        end(made, who, policy, START)


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        (Wanted("all", "*", LONGEST + 1, "x"), "30 days"),
        (Wanted("all", "*", 59, "x"), "one minute"),
        (Wanted("all", "*", 3600, "  "), "needs a reason"),
        (Wanted("all", "rp-filter-drop", 3600, "x"), 'did you mean "rp-filter-drops"'),
    ],
)
def test_a_silence_has_a_reason_an_end_and_something_to_silence(wanted: Wanted, fault: str) -> None:
    with pytest.raises(AskError, match=fault):
        add(wanted, terminal("root"), Policy(), KNOWN, START, "s1")


def test_a_silence_covers_what_it_names_until_its_end() -> None:
    made, _ = add(Wanted("role=ingress", "rp-filter-*", 3600, "x"), terminal("root"), Policy(), KNOWN, START, "s1")
    longer, _ = add(Wanted("node-*", "*-drops", 7200, "y"), terminal("root"), Policy(), KNOWN, START, "s2")
    soon, late = START + timedelta(minutes=59), START + timedelta(minutes=60)
    assert silenced([made, longer], HOST, "rp-filter-drops", soon) is longer
    assert silenced([made, longer], HOST, "rp-filter-unroutable", soon) is made
    assert silenced([made], HOST, "rp-filter-drops", late) is None
    assert silenced([made], HOST, "accept-queue-overflow", soon) is None
    assert silenced([made], HOST.model_copy(update={"labels": {}}), "rp-filter-drops", soon) is None
    ended, event = end(made, terminal("root"), Policy(), soon)
    assert not in_force(ended, soon)
    assert event.kind == "SilenceEnded"
