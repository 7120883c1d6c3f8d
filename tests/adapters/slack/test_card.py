"""Does a card show the whole change, only the buttons that still do something, and refuse what it cannot show?"""

import json
import shlex
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rfc8785 import CanonicalizationError

from bot.adapters.slack.card import APPROVE, DENY, REVERT, card, offers, shown
from bot.adapters.slack.follow import note
from bot.adapters.slack.pieces import Message
from bot.core.approval import Effect, Record, State, Vote
from bot.core.blockkit import faults
from bot.core.change import Change, Check, FollowUp
from bot.core.report import Risk
from tests.adapters.slack.naughty import NAUGHTY, markup_left, texts
from tests.fakes.approval import change, plan, proposed
from tests.fakes.clock import START

PEOPLE = frozenset({"U0ALICE", "U0BOB", "U0DAVE"})
VOTE = Vote(person="bob", actor="slack:T0TEAM:U0BOB", at="2030-05-13T09:01:00Z")

STATES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    # what the record says: (fields, buttons, words of the headline)
    "pending": ({}, [APPROVE, DENY], "proposed change"),
    "one of two": ({"people": 2, "votes": (VOTE,)}, [APPROVE, DENY], "1 of 2"),
    "approved": ({"state": State.APPROVED, "votes": (VOTE,)}, [DENY], "about to be applied"),
    "claimed": ({"state": State.CLAIMED, "votes": (VOTE,)}, [], "about to be applied"),
    "applying": ({"state": State.INTENT, "votes": (VOTE,)}, [], "applying"),
    "done": ({"state": State.DONE}, [REVERT], "applied; the symptom is being watched"),
    "verified": ({"state": State.DONE, "effect": Effect.RESOLVED}, [REVERT], "applied and verified"),
    "needs follow-up": (
        {"state": State.DONE, "effect": Effect.NEEDS_FOLLOW_UP, "effect_note": "needs re-listen", "follow_up": "c2"},
        [REVERT],
        "needs a follow-up",
    ),
    "persists": ({"state": State.DONE, "effect": Effect.PERSISTS}, [REVERT], "persists"),
    "effect unknown": ({"state": State.DONE, "effect": Effect.UNKNOWN}, [REVERT], "effect unknown"),
    "done and being reverted": ({"state": State.DONE, "reverted_by": "c9"}, [], "applied"),
    "failed": ({"state": State.FAILED, "reason": "exit 1"}, [], "failed"),
    "stale": ({"state": State.STALE}, [], "stale"),
    "denied": ({"state": State.DENIED, "denied_by": "bob", "reason": "denied by bob"}, [], "denied"),
    "expired": ({"state": State.EXPIRED}, [], "expired"),
    "unknown": ({"state": State.UNKNOWN}, [], "outcome unknown"),
    "reverted": ({"state": State.REVERTED, "reverted_by": "c9"}, [], "reverted"),
}


def record(made: Change | None = None, **fields: Any) -> Record:
    return proposed(made).model_copy(update=fields)


def buttons(message: Message) -> list[dict[str, Any]]:
    return [part for block in message.blocks if block["type"] == "actions" for part in block["elements"]]


def words(message: Message) -> str:
    return "\n".join(texts(message.blocks))


@pytest.mark.parametrize(
    ("asker", "said"),
    [
        ("schedule:nightly", "sweep nightly text for dave"),
        ("alert:ingress", "alert route ingress text for dave"),
        ("alert:dave", "alert route dave text for dave"),
        ("terminal:root", "terminal:root rich_text"),
    ],
)
def test_what_nobody_typed_is_asked_by_its_schedule_or_route_for_its_owner(asker: str, said: str) -> None:
    made = record(asker=asker)
    told = " ".join(words(card(made, "token", START)).split())
    assert f"Asked by text {said}" in told


@pytest.mark.parametrize(("fields", "offered", "said"), STATES.values(), ids=STATES)
def test_each_state_is_told_in_words_and_offers_only_what_still_works(
    fields: dict[str, Any], offered: list[str], said: str
) -> None:
    message = card(record(**fields), "token", START)
    assert [button["action_id"] for button in buttons(message)] == offered
    assert said in words(message)
    assert faults(message.body()) == []
    assert markup_left(message.text, message.blocks, PEOPLE) == []


def test_every_state_has_a_case_here() -> None:
    assert {fields.get("state", State.PENDING) for fields, _, _ in STATES.values()} == set(State)
    assert {fields.get("effect", Effect.NOT_CHECKED) for fields, _, _ in STATES.values()} == set(Effect)


@pytest.mark.parametrize("state", [State.PENDING, State.APPROVED])
def test_a_card_past_its_time_has_no_buttons_even_before_the_journal_says_so(state: State) -> None:
    late = START + timedelta(seconds=1800)
    message = card(record(state=state), "token", late)
    assert buttons(message) == []
    assert "expired" in message.text


def test_an_irreversible_change_says_so_and_offers_no_revert() -> None:
    made = change(plan=plan(reversible=False), expires="2030-05-13T09:10:00Z")
    assert "Irreversible" in words(card(record(made), "t", START))
    assert not offers(record(made, state=State.DONE), START).revert


def test_a_proposal_says_what_it_may_do_before_how_it_is_done() -> None:
    made = change(plan=plan(Risk.MEDIUM).model_copy(update={"impact": "some resets", "not_fixed": "the backlog"}))
    told = words(card(record(made), "token", START))
    order = [made.plan.summary, "Risk: ", "Impact: ", "Does not fix: ", "Runs on ", "Undo", "Only if", "Done when"]
    places = [told.index(part) for part in order]
    assert places == sorted(places)


def test_the_card_shows_everything_that_is_digested() -> None:
    made = change(
        plan=plan(Risk.MEDIUM).model_copy(update={"impact": "some resets", "not_fixed": "the listener's backlog"}),
        then=FollowUp(action="service.reload", params={"unit": "nginx"}, say="needs re-listen"),
        reverts="c0",
    )
    told = words(card(record(made), "token", START))
    everything = [
        made.host,
        made.host_key,
        made.action,
        made.finding,
        made.playbook,
        made.id,
        made.plan.summary,
        made.plan.impact,
        made.plan.not_fixed,
        "medium",
        "needs re-listen",
        "service.reload",
        "within 20 s",
        made.digest[:16],
        "1 of net-oncall within 30 min",
        "c0",
        *(shlex.join(step) for step in (*made.plan.steps, *made.plan.inverse)),
        *(shlex.join(check.argv) for check in (*made.plan.precondition, *made.plan.verify)),
        *(check.expect for check in (*made.plan.precondition, *made.plan.verify)),
        *(str(value) for value in made.with_.values()),
    ]
    assert [part for part in everything if part not in told] == []


def test_the_confirmation_shows_host_and_summary_and_the_value_is_only_the_token() -> None:
    approve, deny = buttons(card(record(), "opaque", START))
    assert "node-3" in approve["confirm"]["text"]["text"]
    assert "net.core.somaxconn 128 -> 4096" in approve["confirm"]["text"]["text"]
    assert "confirm" not in deny, "it opens a form instead"
    assert {approve["value"], deny["value"]} == {"opaque"}


TOO_MUCH: dict[str, dict[str, Any]] = {
    "hundreds of steps": {"steps": tuple(("sysctl", "-w", f"net.x{n}={'v' * 60}") for n in range(200))},
    "one endless step": {"steps": (("sh", "-c", "x" * 5_000),)},
    "a summary that no confirmation holds": {"summary": "s" * 400},
    "a summary longer than a line": {"summary": "s" * 5_000},
    "an endless impact": {"impact": "i" * 5_000},
    "a deceptive impact that grows when spelled out": {"impact": "\u202e" * 900},
}


@pytest.mark.parametrize("fields", TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_does_not_fit_is_refused_with_the_reason_and_never_cut(fields: dict[str, Any]) -> None:
    made = change(plan=plan().model_copy(update=fields))
    message = card(record(made), "token", START)
    assert buttons(message) == []
    assert "cannot be approved here" in words(message)
    assert f"netdiag changes show {made.id}" in words(message)
    assert faults(message.body()) == []


@pytest.mark.parametrize("fields", TOO_MUCH.values(), ids=TOO_MUCH)
@pytest.mark.parametrize("state", [state for state in State if state is not State.PENDING])
def test_a_change_too_large_to_show_still_tells_its_outcome(state: State, fields: dict[str, Any]) -> None:
    made = change(plan=plan().model_copy(update=fields))
    message = card(record(made, state=state, reason="because"), "token", START)
    assert faults(message.body()) == []
    assert buttons(message) == []


@pytest.mark.parametrize("text", NAUGHTY, ids=range(len(NAUGHTY)))
def test_nothing_in_a_change_becomes_markup(text: str) -> None:
    check = Check(about=text, argv=("cat", text or "x"), expect=text)
    try:
        made = change(
            host=text or "h",
            action=text,
            playbook=text,
            finding=text,
            requester=text,
            host_key=text,
            plan=plan().model_copy(
                update={
                    "steps": (("echo", text),),
                    "inverse": (("echo", text),),
                    "precondition": (check,),
                    "verify": (check,),
                    "summary": text,
                    "impact": text,
                    "not_fixed": text,
                }
            ),
            **{"with": {"x": text}},
        )
        made.canonical()
    except CanonicalizationError:
        return  # a lone surrogate cannot be digested, so no such change exists
    digested = Record(change=made, digest=made.digest)
    for state in State:
        fields: dict[str, Any] = {
            "reason": text,
            "denied_by": text,
            "effect_note": text,
            "readback": ((text, text),),
            "approval": text,
            "follow_up": text,
            "reverted_by": text or None,
        }
        message = card(digested.model_copy(update={"state": state, **fields}), "token", START)
        told = note(digested.model_copy(update={"state": state, **fields}), "✖", text)
        for made_message in (message, told):
            assert faults(made_message.body()) == []
            assert markup_left(made_message.text, made_message.blocks) == []


ARGV = st.lists(st.text(max_size=12), min_size=1, max_size=4).map(tuple)


@given(ARGV, ARGV)
def test_two_different_commands_never_look_alike(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (shown(one) == shown(other)) == (one == other)
    assert shown(one).isascii()
    assert shown(one).isprintable()


@given(ARGV)
def test_a_shown_command_reads_back_as_exactly_what_runs(argv: tuple[str, ...]) -> None:
    text = shown(argv)
    plain = all(" " <= char <= "~" for word in argv for char in word)
    assert (tuple(shlex.split(text)) if plain else tuple(json.loads(text))) == argv
