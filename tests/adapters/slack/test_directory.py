"""May this Slack user decide? Every flag, and every flag that Slack did not send."""

from typing import Any

import pytest

from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.card import APPROVE, DENY
from bot.adapters.slack.clicks import Click, misplaced, read, who_may
from bot.adapters.slack.directory import MAY_BE_TRUE_OF_OTHERS, MUST_BE_FALSE, SlackDirectory, fault, shared_fault
from bot.adapters.slack.memory import Card
from bot.core.approval import Declined, Record, State
from tests.fakes.approval import change

MEMBER: dict[str, Any] = {
    "id": "U0BOB",
    "team_id": "T0TEAM",
    "name": "bob",
    "deleted": False,
    "is_restricted": False,
    "is_ultra_restricted": False,
    "is_bot": False,
    "is_email_confirmed": False,
}


def test_a_full_member_may_decide() -> None:
    assert fault(MEMBER, "T0TEAM", "U0BOB") == ""


@pytest.mark.parametrize("flag", [*MUST_BE_FALSE, *MAY_BE_TRUE_OF_OTHERS])
@pytest.mark.parametrize("value", [True, None, "false", 1])
def test_a_flag_that_is_not_plainly_false_refuses(flag: str, value: object) -> None:
    assert fault(MEMBER | {flag: value}, "T0TEAM", "U0BOB")


@pytest.mark.parametrize("field", ["id", "team_id", *MUST_BE_FALSE])
def test_a_field_that_slack_did_not_send_refuses(field: str) -> None:
    assert fault({key: value for key, value in MEMBER.items() if key != field}, "T0TEAM", "U0BOB")


@pytest.mark.parametrize("flag", MAY_BE_TRUE_OF_OTHERS)
def test_flags_that_slack_sends_only_of_others_may_be_absent(flag: str) -> None:
    assert flag not in MEMBER
    assert fault(MEMBER | {flag: False}, "T0TEAM", "U0BOB") == ""


def test_another_team_another_user_and_slacks_own_bot_are_refused() -> None:
    assert fault(MEMBER, "T0OTHER", "U0BOB")
    assert fault(MEMBER | {"team_id": ""}, "", "U0BOB") == ""
    assert fault(MEMBER, "T0TEAM", "U0EVE")
    assert fault(MEMBER | {"id": "USLACKBOT"}, "T0TEAM", "USLACKBOT")


CHANNELS: dict[str, tuple[dict[str, Any], bool]] = {
    "ours": ({"is_ext_shared": False, "is_pending_ext_shared": False}, True),
    "direct": ({"is_im": True}, True),
    "direct with an outsider": ({"is_im": True, "is_ext_shared": True}, False),
    "shared": ({"is_ext_shared": True, "is_pending_ext_shared": False}, False),
    "about to be shared": ({"is_ext_shared": False, "is_pending_ext_shared": True}, False),
    "not said": ({}, False),
    "half said": ({"is_ext_shared": False}, False),
    "said oddly": ({"is_ext_shared": "no", "is_pending_ext_shared": False}, False),
}


@pytest.mark.parametrize(("channel", "good"), CHANNELS.values(), ids=CHANNELS)
def test_only_a_channel_that_is_plainly_ours_is_answered(channel: dict[str, Any], good: bool) -> None:
    assert (shared_fault(channel) == "") is good


@pytest.mark.parametrize("key", ["slack:U0BOB", "terminal:bob", "slack:T0TEAM:bob", "slack:T0TEAM:U0BOB x", ""])
async def test_a_key_that_is_no_slack_user_has_no_standing(key: str) -> None:
    directory = SlackDirectory(SlackApi("x", "x"))
    assert (await directory.standing(key)).fault


CARD = Card("token", "C1", "1.1", "1.0", "")
BODY: dict[str, Any] = {
    "type": "block_actions",
    "team": {"id": "T1"},
    "user": {"id": "U0BOB", "username": "bob", "team_id": "T1"},
    "api_app_id": "A1",
    "channel": {"id": "C1"},
    "container": {"type": "message", "message_ts": "1.1", "channel_id": "C1", "is_ephemeral": False},
    "actions": [{"type": "button", "action_id": "change.approve", "value": "token", "action_ts": "9.9"}],
    "response_url": "http://127.0.0.1/x",
}


def test_a_click_on_the_card_that_was_posted_counts() -> None:
    assert misplaced(read(BODY), CARD, "T1", "A1") == ""


TAMPERED: dict[str, dict[str, Any]] = {
    "another team": {"team": {"id": "T2"}},
    "a user of another team": {"user": {"id": "U0BOB", "team_id": "T2"}},
    "a user of no team": {"user": {"id": "U0BOB"}},
    "another app": {"api_app_id": "A2"},
    "no app": {"api_app_id": None},
    "another channel": {"channel": {"id": "C2"}},
    "no channel": {"channel": None},
    "another message": {"container": BODY["container"] | {"message_ts": "2.2"}},
    "a view": {"container": {"type": "view"}},
    "an ephemeral copy": {"container": BODY["container"] | {"is_ephemeral": True}},
    "a container of another channel": {"container": BODY["container"] | {"channel_id": "C9"}},
    "another token": {"actions": [BODY["actions"][0] | {"value": "guess"}]},
    "no token": {"actions": [{"action_id": "change.approve"}]},
    "two actions": {"actions": BODY["actions"] * 2},
    "no actions": {"actions": []},
    "a list for a team": {"team": ["T1"]},
}


@pytest.mark.parametrize("fields", TAMPERED.values(), ids=TAMPERED)
def test_a_click_from_anywhere_else_does_not(fields: dict[str, Any]) -> None:
    assert misplaced(read(BODY | fields), CARD, "T1", "A1")


@pytest.mark.parametrize("field", ["team", "user", "api_app_id", "channel", "container", "actions"])
def test_a_click_with_a_part_missing_does_not(field: str) -> None:
    assert misplaced(read({key: value for key, value in BODY.items() if key != field}), CARD, "T1", "A1")


def test_no_click_counts_before_the_app_id_is_known_or_a_card_was_posted() -> None:
    assert misplaced(read(BODY), CARD, "T1", "")
    assert misplaced(read(BODY), None, "T1", "A1")
    assert misplaced(read(BODY), Card("token"), "T1", "A1")


def test_the_same_click_has_the_same_key_and_another_has_not() -> None:
    again = read(BODY | {"trigger_id": "another", "response_url": "another"})
    assert again.key == read(BODY).key
    other = read(BODY | {"user": BODY["user"] | {"id": "U0EVE"}})
    assert other.key != read(BODY).key
    assert isinstance(other, Click)


@pytest.mark.parametrize(
    ("reason", "action", "fields", "said"),
    [
        ("alice is nobody in the access policy", APPROVE, {}, ("May approve: 1 of net-oncall within 30 min.",)),
        ("eve is not in net-oncall: approvers are alice, bob", APPROVE, {}, ()),
        ("alice asked for it: bob (1 of net-oncall within 30 min)", APPROVE, {}, ()),
        ("it was approved already", APPROVE, {"state": State.APPROVED}, ()),
        ("alice is nobody in the access policy", DENY, {}, ()),
    ],
)
def test_a_refusal_names_who_may_approve_once_and_only_while_it_matters(
    reason: str, action: str, fields: dict[str, Any], said: tuple[str, ...]
) -> None:
    values: dict[str, Any] = {"approval": "1 of net-oncall within 30 min", **fields}
    made = change()
    declined = Declined(Record(change=made, digest=made.digest, **values), reason)
    assert who_may(declined, action) == said
