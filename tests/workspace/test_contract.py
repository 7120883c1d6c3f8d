"""Are the replies, error codes and payloads those of Slack's own reference and recordings?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest

from bot.workspace.api import METHODS

CONTRACT = Path(__file__).parents[3] / "shared" / "contract" / "slack"
REFERENCE = CONTRACT / "api-ref"
pytestmark = pytest.mark.skipif(
    not CONTRACT.is_dir(), reason=f"Slack's reference data is not at {CONTRACT.name} beside this checkout"
)

TOKEN_ERRORS = {"not_authed", "invalid_auth", "token_revoked", "not_allowed_token_type", "missing_scope"}


def reference(method: str) -> dict[str, Any]:
    return json.loads((REFERENCE / "methods" / f"{method}.json").read_text("utf-8"))


def codes(method: str) -> set[str]:
    """Every error code that the reference knows for a method: listed, common, or shown in an example."""
    page = reference(method)
    shown = {one["example"].get("error") for one in page["examples"].values() if isinstance(one["example"], dict)}
    common = set(json.loads((REFERENCE / "common-errors.json").read_text("utf-8"))["errors"])
    return set(page.get("errors") or ()) | common | TOKEN_ERRORS | {one for one in shown if one}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_is_in_the_reference_with_its_scopes_and_tier(name) -> None:
    page, method = reference(name), METHODS[name]
    known = set((page.get("scope") or {}).get("bot") or ())
    for scope in method.scopes:
        assert not known.isdisjoint(scope.format(family) for family in ("channels", "groups", "im"))
    assert bool(method.scopes) == bool(known)
    if page.get("rate_limits") in ("t2", "t3", "t4"):
        assert method.tier == page["rate_limits"]


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("api.test", {"foo": "bar"}),
    ("auth.test", {}),
    ("team.info", {}),
    ("bots.info", {"bot": "B0NETDIAG"}),
    ("blocks.validate", {"blocks": [{"type": "divider"}]}),
    ("users.info", {"user": "U0ALICE"}),
    ("users.list", {}),
    ("usergroups.list", {}),
    ("conversations.info", {"channel": "C0NETOPS"}),
    ("conversations.list", {}),
    ("conversations.members", {"channel": "C0NETOPS"}),
    ("conversations.open", {"users": "U0ALICE"}),
    ("conversations.join", {"channel": "C0GENERAL"}),
    ("conversations.history", {"channel": "C0NETOPS"}),
    ("conversations.replies", {"channel": "C0NETOPS", "ts": "TS"}),
    ("chat.postMessage", {"channel": "C0NETOPS", "text": "x"}),
    ("chat.postEphemeral", {"channel": "C0NETOPS", "user": "U0ALICE", "text": "x"}),
    ("chat.update", {"channel": "C0NETOPS", "ts": "TS", "text": "y"}),
    ("chat.getPermalink", {"channel": "C0NETOPS", "message_ts": "TS"}),
    ("reactions.add", {"channel": "C0NETOPS", "timestamp": "TS", "name": "eyes"}),
    (
        "views.open",
        {
            "trigger_id": "TRIGGER",
            "view": {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []},
        },
    ),
    ("views.publish", {"user_id": "U0ALICE", "view": {"type": "home", "blocks": []}}),
    ("files.getUploadURLExternal", {"filename": "x.txt", "length": 3}),
]


@pytest.mark.parametrize(("method", "arguments"), CALLS, ids=[name for name, _ in CALLS])
async def test_replies_match_the_reference(slack, client, method, arguments) -> None:
    posted = await client.chat_postMessage(channel="C0NETOPS", text="first")
    slack.desk.manifest = slack.desk.manifest.__class__(scopes=slack.desk.manifest.scopes | {"team:read"})
    names = {"TS": posted["ts"], "TRIGGER": slack.desk.trigger("U0ALICE")}
    given = {key: names.get(value, value) if isinstance(value, str) else value for key, value in arguments.items()}
    reply = (await client.api_call(method, json=given)).data
    page = reference(method)
    # The reference's `oneOf` names schemas that it does not define, so that several branches always match.
    output = json.loads(json.dumps(page["output"] or {}).replace('"oneOf"', '"anyOf"'))
    jsonschema.validate(reply, {**output, "type": "object"})
    known = page["args"]["properties"]
    assert method == "api.test" or set(given) <= set(known)


WRONG: list[dict[str, Any]] = [
    {},
    {"channel": "C0NETOPS"},
    {"channel": "C0GENERAL", "text": "x", "ts": "1.000001", "timestamp": "1.000001", "name": "eyes"},
    {"channel": "C0NETOPS", "text": "x", "blocks": [{"type": "nonsense"}], "ts": "TS"},
    {"channel": "C0NETOPS", "text": "x" * 50_000, "ts": "TS", "user": "U0NOBODY", "cursor": "%", "types": "?"},
    {"view": {"type": "modal"}, "trigger_id": "x", "user_id": "U0NOBODY", "view_id": "V"},
    {"view": "{", "blocks": "{", "files": "{", "attachments": "{", "channel": "C0NETOPS", "text": "x", "ts": "TS"},
    {"filename": "x", "length": "many", "files": [], "file": "F", "usergroup": "S", "bot": "B", "users": "U0A,U0B"},
]


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_wrong_arguments_get_only_codes_of_the_reference(slack, client, method) -> None:
    posted = await client.chat_postMessage(channel="C0NETOPS", text="first")
    token = slack.app_token if METHODS[method].credential == "app" else slack.bot_token
    seen: set[str] = set()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        for arguments in WRONG:
            given = {key: posted["ts"] if value == "TS" else value for key, value in arguments.items()}
            async with session.post(f"{slack.api_url}{method}", json=given) as reply:
                assert reply.status == 200
                seen.add((await reply.json()).get("error", ""))
    assert seen - {""} <= codes(method)


# -- payloads -----------------------------------------------------------------------------------------------------

REPLAY = CONTRACT / "replay"


def recorded(file: str, name: str) -> dict[str, Any]:
    return json.loads((REPLAY / f"{file}.json").read_text("utf-8"))[name]


def shape(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """(path, JSON type) of every value; list positions and the block and action ids of state are one path."""
    yield at, type(value).__name__
    if isinstance(value, dict):
        named = "/values" in at and at.count("/") - at[: at.index("/values")].count("/") <= 2
        for key, inner in value.items():
            yield from shape(inner, f"{at}/{'*' if named else key}")
    elif isinstance(value, list):
        for inner in value:
            yield from shape(inner, f"{at}/[]")


def lacking(ours: dict[str, Any], theirs: dict[str, Any]) -> set[tuple[str, str]]:
    return set(shape(theirs)) - set(shape(ours))


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "plain_text", "text": words, **more}


@pytest.fixture
async def heard(slack, socket) -> Any:
    """The workspace with a client that acknowledges everything; `await heard(kind)` is the last payload of a kind."""
    async with socket(slack, lambda _envelope: {}):

        async def last(kind: str) -> dict[str, Any]:
            def of_kind(payload: dict[str, Any]) -> bool:
                return kind in (payload.get("type"), payload.get("event", {}).get("type")) or (
                    kind == "command" and "command" in payload
                )

            await slack.until(lambda: any(of_kind(one.envelope["payload"]) for one in slack.sent))
            return [one.envelope["payload"] for one in slack.sent if of_kind(one.envelope["payload"])][-1]

        yield last


@pytest.mark.parametrize("name", ["slashCommand", "slashCommandWithArgs"])
async def test_a_slash_command_looks_like_the_recorded_one(slack, heard, name) -> None:
    await slack.command("alice", "#netops", "/netdiag some arguments")
    ours = await heard("command")
    assert set(shape(ours)) == set(shape(recorded("slash-commands-slack", name)))


async def test_a_submission_looks_like_the_recorded_one(slack, client, heard) -> None:
    theirs = recorded("slash-commands-slack", "viewSubmission")
    view = {
        key: theirs["view"][key]
        for key in ("type", "blocks", "private_metadata", "callback_id", "title", "close", "submit", "notify_on_close")
    }
    await client.views_open(trigger_id=slack.desk.trigger("U0ALICE"), view=view)
    values = {
        "message": {"message": "Hello!"},
        "category": {"category": "feature"},
        "email": {"email": "user@example.com"},
    }
    await slack.submit_view("alice", values)
    ours = await heard("view_submission")
    assert lacking(ours, theirs) == set()
    assert ours["view"]["state"] == theirs["view"]["state"]
    assert ours["view"]["blocks"] == theirs["view"]["blocks"]


@pytest.mark.parametrize(
    ("file", "name", "kind"),
    [
        ("channel-mention-slack", "mention", "message"),
        ("channel-slack", "mention", "app_mention"),
        ("actions-reactions-slack", "mention", "app_mention"),
        ("actions-reactions-slack", "reaction", "reaction_added"),
    ],
)
async def test_events_look_like_the_recorded_ones(slack, heard, file, name, kind) -> None:
    message = (await slack.post_as("alice", "#netops", "@netdiag see #general?")).message
    await slack.react_as("bob", "#netops", message.ts, "+1")
    # The app that was recorded reacts to its own message; whose it is does not change the shape.
    assert lacking(await heard(kind), recorded(file, name)) == set()


@pytest.mark.parametrize(
    "case",
    [
        ("channel-slack", "channel_post_action", None),
        ("actions-reactions-slack", "action", None),
        ("actions-reactions-slack", "staticSelectAction", "greet"),
        ("actions-reactions-slack", "radioButtonsAction", "all_text"),
    ],
    ids=lambda case: case[1],
)
async def test_clicks_look_like_the_recorded_ones(slack, client, heard, case) -> None:
    file, name, value = case
    theirs = recorded(file, name)
    parent = (await slack.post_as("alice", "#netops", "start")).message
    used = theirs["actions"][0]
    element = {key: used[key] for key in ("type", "action_id", "text", "placeholder") if key in used}
    if value is not None:
        element["options"] = [used["selected_option"]]
    block = {"type": "actions", "block_id": used["block_id"], "elements": [element]}
    posted = await client.chat_postMessage(channel="C0NETOPS", thread_ts=parent.ts, text="x", blocks=[block])
    assert (await slack.click("alice", "#netops", posted["ts"], used["action_id"], value)).ok
    ours = await heard("block_actions")
    assert lacking(ours, theirs) == set()
    assert {key: one for key, one in ours["actions"][0].items() if key != "action_ts"} == {
        key: one for key, one in used.items() if key != "action_ts"
    }
