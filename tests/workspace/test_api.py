"""Does the Web API take what Slack takes and refuse what Slack refuses?"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import LocalSlack, Manifest

LONG = "x" * 3001


def section(text: str) -> list[dict[str, Any]]:
    return [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]


@pytest.fixture
async def http(slack: LocalSlack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {slack.bot_token}"}) as session:
        yield session


POST = {"channel": "C0NETOPS", "text": "hello", "blocks": json.dumps(section("hello"))}


@pytest.mark.parametrize(
    "request_of",
    [
        pytest.param({"json": {**POST, "blocks": section("hello")}}, id="json body"),
        pytest.param({"json": POST}, id="json body with blocks as a string"),
        pytest.param({"data": POST}, id="form"),
        pytest.param({"params": POST}, id="query of a POST"),
    ],
)
async def test_arguments_arrive_every_way(slack, http, request_of) -> None:
    async with http.post(f"{slack.api_url}chat.postMessage", **request_of) as reply:
        assert (await reply.json())["ok"] is True
    (message,) = slack.messages("#netops")
    assert (message.text, message.blocks[0]["text"]["text"]) == ("hello", "hello")


async def test_arguments_arrive_in_the_query_of_a_get(slack, http) -> None:
    async with http.get(f"{slack.api_url}users.info", params={"user": "U0DAVE"}) as reply:
        assert (await reply.json())["user"]["is_restricted"] is True


@pytest.mark.parametrize(
    ("token", "method", "error"),
    [
        ("", "auth.test", "not_authed"),
        ("xoxb-wrong", "auth.test", "invalid_auth"),
        ("app", "chat.postMessage", "not_allowed_token_type"),
        ("bot", "apps.connections.open", "not_allowed_token_type"),
        ("bot", "no.suchMethod", "unknown_method"),
    ],
)
async def test_tokens_are_told_apart(slack, token, method, error) -> None:
    known = {"app": slack.app_token, "bot": slack.bot_token}
    headers = {"Authorization": f"Bearer {known.get(token, token)}"} if token else {}
    async with aiohttp.ClientSession() as session, session.post(f"{slack.api_url}{method}", headers=headers) as reply:
        assert (await reply.json())["error"] == error


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("chat.postMessage", {"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
    ("chat.postMessage", {"channel": "C0GENERAL", "text": "x"}, "not_in_channel"),
    ("chat.postMessage", {"channel": "C0NETOPS"}, "no_text"),
    ("chat.postMessage", {"channel": "C0NETOPS", "text": "x", "thread_ts": "1.000001"}, "cannot_reply_to_message"),
    ("chat.postMessage", {"channel": "C0NETOPS", "text": "x", "blocks": section(LONG)}, "invalid_blocks"),
    ("chat.postMessage", {"channel": "C0NETOPS", "text": "x", "blocks": section("y") * 51}, "invalid_blocks"),
    (
        "chat.postMessage",
        {"channel": "C0NETOPS", "text": "x", "blocks": section("y" * 2900) * 5},
        "msg_blocks_too_long",
    ),
    ("chat.postMessage", {"channel": "C0NETOPS", "text": "x", "blocks": "{not json"}, "invalid_blocks_format"),
    ("chat.postMessage", {"channel": "C0NETOPS", "text": "x", "metadata": "1"}, "invalid_metadata_format"),
    ("chat.postMessage", {"channel": "C0NETOPS", "text": "x", "markdown_text": "x"}, "markdown_text_conflict"),
    ("chat.postMessage", {"channel": "C0NETOPS", "text": "x", "attachments": [{}] * 101}, "too_many_attachments"),
    ("chat.postEphemeral", {"channel": "C0NETOPS", "user": "U0NOBODY", "text": "x"}, "user_not_in_channel"),
    ("chat.postEphemeral", {"channel": "C0GENERAL", "user": "U0ALICE", "text": "x"}, "not_in_channel"),
    (
        "chat.postEphemeral",
        {"channel": "C0NETOPS", "user": "U0ALICE", "blocks": section("y" * 2900) * 5},
        "msg_too_long",
    ),
    ("chat.update", {"channel": "C0NETOPS", "ts": "1.000001", "text": "x"}, "message_not_found"),
    ("chat.update", {"channel": "C0NETOPS", "ts": "BOT", "text": "x" * 4001}, "msg_too_long"),
    ("chat.update", {"channel": "C0NETOPS", "ts": "PERSON", "text": "x"}, "cant_update_message"),
    ("chat.update", {"channel": "C0NETOPS", "ts": "BOT", "text": "", "blocks": []}, "no_text"),
    ("chat.delete", {"channel": "C0NETOPS", "ts": "PERSON"}, "cant_delete_message"),
    ("chat.getPermalink", {"channel": "C0NETOPS", "message_ts": "1.000001"}, "message_not_found"),
    ("views.open", {"trigger_id": "none", "view": {"type": "modal"}}, "invalid_arguments"),
    ("views.publish", {"user_id": "U0ALICE", "view": {"type": "modal"}}, "invalid_arguments"),
    ("views.update", {"view_id": "V0NONE", "view": {"type": "modal"}}, "not_found"),
    ("users.info", {"user": "U0NOBODY"}, "user_not_found"),
    ("usergroups.users.list", {"usergroup": "S0NONE"}, "no_such_subteam"),
    ("conversations.history", {"channel": "C0GENERAL"}, "not_in_channel"),
    ("conversations.history", {"channel": "C0NETOPS", "cursor": "?"}, "invalid_cursor"),
    ("conversations.history", {"channel": "C0NETOPS", "oldest": "yesterday"}, "invalid_ts_oldest"),
    ("conversations.replies", {"channel": "C0NETOPS", "ts": "1.000001"}, "thread_not_found"),
    ("conversations.list", {"types": "all"}, "invalid_types"),
    ("conversations.open", {}, "users_list_not_supplied"),
    ("conversations.open", {"users": "U0NOBODY"}, "user_not_found"),
    ("reactions.add", {"channel": "C0NETOPS", "timestamp": "BOT", "name": "not a name"}, "invalid_name"),
    ("reactions.add", {"channel": "C0NETOPS", "timestamp": "1.000001", "name": "eyes"}, "message_not_found"),
    ("reactions.remove", {"channel": "C0NETOPS", "timestamp": "BOT", "name": "eyes"}, "no_reaction"),
    ("files.getUploadURLExternal", {"filename": "x"}, "missing_argument"),
    ("files.getUploadURLExternal", {"filename": "x", "length": 10**9}, "file_upload_size_restricted"),
    ("files.getUploadURLExternal", {"filename": "x.png", "length": 9, "alt_txt": "x" * 1_001}, "alt_txt_too_large"),
    ("files.getUploadURLExternal", {"filename": "x", "length": 10**7, "snippet_type": "python"}, "snippet_too_large"),
    ("files.completeUploadExternal", {"files": [{"id": "F0NONE"}]}, "file_not_found"),
    ("files.info", {"file": "F0NONE"}, "file_not_found"),
    ("bots.info", {"bot": "B0NONE"}, "bot_not_found"),
    ("blocks.validate", {}, "invalid_arguments"),
    ("blocks.validate", {"blocks": section(LONG)}, "invalid_blocks"),
]


@pytest.mark.parametrize(("method", "arguments", "error"), REFUSALS, ids=lambda part: str(part)[:40])
async def test_what_slack_refuses_is_refused_with_its_code(slack, client, method, arguments, error) -> None:
    posted = await client.chat_postMessage(channel="C0NETOPS", text="mine")
    theirs = (await slack.post_as("alice", "#netops", "mine")).message
    names = {"BOT": posted["ts"], "PERSON": theirs.ts}
    given = {key: names.get(value, value) if isinstance(value, str) else value for key, value in arguments.items()}
    with pytest.raises(SlackApiError) as refused:
        await client.api_call(method, json=given)
    assert refused.value.response["error"] == error


async def test_a_refusal_of_blocks_names_the_place(client) -> None:
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel="C0NETOPS", text="x", blocks=section(LONG))
    assert any("/0/text" in said for said in refused.value.response["response_metadata"]["messages"])


async def test_blocks_that_are_not_given_to_an_update_stay(slack, client, button) -> None:
    posted = await client.chat_postMessage(channel="C0NETOPS", text="one", blocks=[button("go")])
    await client.chat_update(channel="C0NETOPS", ts=posted["ts"], text="two")
    kept = slack.message("#netops", posted["ts"])
    assert (kept.text, len(kept.blocks)) == ("two", 1)


async def test_history_comes_in_pages_newest_first(client) -> None:
    for number in range(5):
        await client.chat_postMessage(channel="C0NETOPS", text=str(number))
    texts: list[str] = []
    async for part in await client.conversations_history(channel="C0NETOPS", limit=2):
        texts += [one["text"] for one in part["messages"]]
    assert texts == ["4", "3", "2", "1", "0"]


async def test_metadata_comes_back_only_when_it_is_asked_for(client) -> None:
    metadata = {"event_type": "run", "event_payload": {"id": "r1"}}
    await client.chat_postMessage(channel="C0NETOPS", text="x", metadata=metadata)
    (bare,) = (await client.conversations_history(channel="C0NETOPS"))["messages"]
    (whole,) = (await client.conversations_history(channel="C0NETOPS", include_all_metadata=True))["messages"]
    assert "metadata" not in bare
    assert whole["metadata"] == metadata


async def test_a_reply_to_a_reply_goes_under_the_parent(slack, client) -> None:
    parent = await client.chat_postMessage(channel="C0NETOPS", text="parent")
    reply = await client.chat_postMessage(channel="C0NETOPS", text="one", thread_ts=parent["ts"])
    await client.chat_postMessage(channel="C0NETOPS", text="two", thread_ts=reply["ts"])
    assert [one.text for one in slack.thread("#netops", parent["ts"])] == ["one", "two"]


async def test_the_bot_joins_a_public_channel_and_writes_there(slack, client) -> None:
    await client.conversations_join(channel="C0GENERAL")
    assert (await client.chat_postMessage(channel="#general", text="x"))["ok"]
    assert "U0NETDIAG" in (await client.conversations_members(channel="C0GENERAL"))["members"]


async def test_a_message_to_a_person_opens_their_direct_conversation(slack, client) -> None:
    posted = await client.chat_postMessage(channel="U0BOB", text="psst")
    assert posted["channel"] == slack.dm("bob")
    assert [one.text for one in slack.messages(slack.dm("bob"))] == ["psst"]


@asynccontextmanager
async def workspace(**settings: Any) -> AsyncIterator[tuple[LocalSlack, aiohttp.ClientSession]]:
    """A workspace with other settings, and a session that carries its bot token."""
    slack = await LocalSlack.start(**settings)
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    async with slack, aiohttp.ClientSession(headers=headers) as session:
        yield slack, session


async def test_a_scope_the_manifest_does_not_grant_is_missing() -> None:
    async with workspace(app_manifest=Manifest(scopes=frozenset({"channels:read"}))) as (slack, session):
        async with session.post(f"{slack.api_url}chat.postMessage", json={"channel": "C0NETOPS"}) as reply:
            said = await reply.json()
        async with session.get(f"{slack.api_url}conversations.info?channel=C0NETOPS") as reply:
            assert (await reply.json())["ok"]
    assert said == {"ok": False, "error": "missing_scope", "needed": "chat:write", "provided": "channels:read"}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


async def test_messages_are_limited_per_channel_and_a_second_gives_one_back() -> None:
    clock = Clock()
    async with workspace(now=clock) as (slack, session):

        async def post(channel: str = "C0NETOPS") -> tuple[int, str | None]:
            body = {"channel": channel, "text": "x"}
            async with session.post(f"{slack.api_url}chat.postMessage", json=body) as reply:
                return reply.status, reply.headers.get("Retry-After")

        burst = [await post() for _ in range(6)]
        other = await post("C0AUDIT")
        clock.at += 1
        later = await post()
        slack.limit_rates(False)
        free = [await post() for _ in range(10)]
    assert burst == [(200, None)] * 5 + [(429, "1")]
    assert other == later == (200, None)
    assert free == [(200, None)] * 10


async def test_trigger_ids_are_used_once_and_only_for_three_seconds() -> None:
    clock = Clock()
    view = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}
    async with workspace(now=clock) as (slack, session):
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, session=session)
        fresh, late = slack.desk.trigger("U0ALICE"), slack.desk.trigger("U0ALICE")
        await client.views_open(trigger_id=fresh, view=view)
        codes = []
        for moment, trigger in ((0.0, fresh), (3.1, late), (0.0, "never given out")):
            clock.at += moment
            with pytest.raises(SlackApiError) as refused:
                await client.views_open(trigger_id=trigger, view=view)
            codes.append(refused.value.response["error"])
    assert codes == ["exchanged_trigger_id", "expired_trigger_id", "invalid_trigger_id"]


async def test_a_response_url_dies_after_half_an_hour() -> None:
    clock = Clock()
    async with workspace(now=clock) as (slack, session):
        url = slack.desk.hook("commands", "U0ALICE", "C0NETOPS")
        clock.at += 1801
        async with session.post(url, json={"text": "x"}) as reply:
            assert (reply.status, await reply.text()) == (404, "expired_url")


async def test_a_modal_stack_holds_three(slack, client) -> None:
    view = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}
    opened = await client.views_open(trigger_id=slack.desk.trigger("U0ALICE"), view=view)
    for _ in range(2):
        await client.views_push(trigger_id=slack.desk.trigger("U0ALICE", opened["view"]["id"]), view=view)
    with pytest.raises(SlackApiError, match="push_limit_reached"):
        await client.views_push(trigger_id=slack.desk.trigger("U0ALICE", opened["view"]["id"]), view=view)


async def test_an_old_hash_does_not_overwrite_a_newer_view(slack, client) -> None:
    home = {"type": "home", "blocks": []}
    first = await client.views_publish(user_id="U0ALICE", view=home)
    await client.views_publish(user_id="U0ALICE", view=home, hash=first["view"]["hash"])
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await client.views_publish(user_id="U0ALICE", view=home, hash=first["view"]["hash"])
