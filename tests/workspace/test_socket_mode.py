"""Does Socket Mode deliver, retry, reconnect and break as Slack's does?"""

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.workspace import Pace


def acked(_envelope: dict[str, Any]) -> dict[str, Any]:
    return {}


def silent(_envelope: dict[str, Any]) -> None:
    return None


async def test_hello_comes_first_and_counts_the_connections(slack, socket) -> None:
    async with socket(slack, acked) as first, socket(slack, acked) as second:
        await slack.post_as("alice", "#netops", "hi")
        await slack.until(lambda: slack.sent)
    assert [heard[0]["type"] for heard in (first, second)] == ["hello", "hello"]
    assert [heard[0]["num_connections"] for heard in (first, second)] == [1, 2]


async def test_a_ticket_opens_one_socket(slack, client) -> None:
    url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as first:
            assert (await first.receive_json())["type"] == "hello"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)


async def test_envelopes_take_turns_over_the_sockets(slack, socket) -> None:
    async with socket(slack, acked) as first, socket(slack, acked) as second:
        for _ in range(4):
            await slack.command("alice", "#netops", "/netdiag x")
    assert [len(heard) - 1 for heard in (first, second)] == [2, 2]


async def test_an_unacknowledged_event_comes_again_with_its_attempt_and_reason(slack, socket) -> None:
    slack.desk.link.pace = Pace(ack=0.1, retries=(0.0, 0.0, 0.0))
    async with socket(slack, silent) as heard:
        await slack.post_as("alice", "#netops", "hi")
        await slack.until(lambda: len(slack.sent) == 4)
    events = [one for one in heard if one["type"] == "events_api"]
    assert [(one["retry_attempt"], one["retry_reason"]) for one in events] == [
        (0, ""),
        (1, "timeout"),
        (2, "timeout"),
        (3, "timeout"),
    ]
    assert len({one["payload"]["event_id"] for one in events}) == 1
    assert len({one["envelope_id"] for one in events}) == 4


async def test_an_acknowledged_event_does_not_come_again(slack, socket) -> None:
    slack.desk.link.pace = Pace(ack=1, retries=(0.0, 0.0))
    async with socket(slack, acked):
        await slack.post_as("alice", "#netops", "hi")
        await slack.until(lambda: slack.sent)
        assert (await slack.command("alice", "#netops", "/netdiag x")).ok
    assert [one.envelope["type"] for one in slack.sent] == ["events_api", "slash_commands"]


async def test_commands_are_not_retried_and_the_person_is_told(slack, socket) -> None:
    slack.desk.link.pace = Pace(ack=0.1)
    async with socket(slack, silent):
        outcome = await slack.command("alice", "#netops", "/netdiag x")
    assert not outcome.ok
    assert "netdiag did not respond" in slack.ephemerals("alice")[-1].text
    assert [one.fate for one in slack.sent] == ["timeout"]


async def test_with_no_app_connected_a_command_says_so_at_once(slack) -> None:
    outcome = await slack.command("alice", "#netops", "/netdiag x")
    assert "not connected" in outcome.notice
    assert [one.fate for one in slack.sent] == ["no_socket"]


async def test_commands_are_refused_in_threads_and_unknown_ones_everywhere(slack, socket) -> None:
    parent = (await slack.post_as("alice", "#netops", "hi")).message
    async with socket(slack, acked) as heard:
        inside = await slack.command("alice", "#netops", "/netdiag x", thread_ts=parent.ts)
        unknown = await slack.command("alice", "#netops", "/nosuch x")
    assert inside.notice == "/netdiag is not supported in threads. Sorry!"
    assert "is not a valid command" in unknown.notice
    assert [one["type"] for one in heard if one["type"] == "slash_commands"] == []


async def test_a_bot_that_is_no_member_hears_nothing_and_the_writer_is_told(slack, socket) -> None:
    async with socket(slack, acked):
        await slack.post_as("alice", "#general", "@netdiag node-3")
        assert (await slack.command("alice", "#netops", "/netdiag x")).ok
        assert (await slack.command("alice", "#general", "/invite @netdiag")).ok
        await slack.post_as("alice", "#general", "@netdiag node-3")
        await slack.until(lambda: len(slack.sent) == 4)
    assert "not in this channel" in slack.ephemerals("alice")[0].text
    kinds = [one.envelope["payload"].get("event", {}).get("type") for one in slack.sent]
    assert kinds[0] is None
    assert sorted(kinds[1:]) == ["app_mention", "member_joined_channel", "message"]


async def test_an_event_the_manifest_does_not_ask_for_is_not_sent(slack, socket) -> None:
    from dataclasses import replace

    slack.desk.manifest = replace(slack.desk.manifest, events=frozenset({"app_mention"}))
    async with socket(slack, acked):
        await slack.post_as("alice", "#netops", "@netdiag hi")
        await slack.until(lambda: slack.sent)
        await slack.command("alice", "#netops", "/netdiag x")
    assert [one.envelope["payload"].get("event", {}).get("type") for one in slack.sent] == ["app_mention", None]


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "cut"])
async def test_bolt_reconnects_and_goes_on(slack, bolt, reason) -> None:
    def listeners(app: AsyncApp) -> None:
        @app.command("/netdiag")
        async def run(ack: Any) -> None:
            await ack(text="here")

    await bolt(listeners)
    assert (await slack.command("alice", "#netops", "/netdiag x")).ok
    opened = _opened(slack)
    await (slack.cut() if reason == "cut" else slack.disconnect(reason))
    await slack.until(lambda: _opened(slack) > opened and slack.connections, seconds=30)
    assert (await slack.command("alice", "#netops", "/netdiag x")).ok


def _opened(slack: Any) -> int:
    return len([one for one in slack.calls if one.method == "apps.connections.open"])


async def test_an_ack_counts_on_whichever_socket_it_comes(slack, client) -> None:
    async with aiohttp.ClientSession() as session:
        urls = [(await client.apps_connections_open(app_token=slack.app_token))["url"] for _ in range(2)]
        one, two = [await session.ws_connect(url) for url in urls]
        await one.receive_json()
        await two.receive_json()

        async def answer() -> None:
            for here, there in ((one, two), (two, one)):
                frame = await here.receive_json()
                await there.send_json({"envelope_id": frame["envelope_id"]})

        async with asyncio.TaskGroup() as group:
            group.create_task(answer())
            for _ in range(2):
                assert (await slack.command("alice", "#netops", "/netdiag x")).ok
        await one.close()
        await two.close()


async def test_an_eleventh_connection_is_turned_away(slack, client) -> None:
    async with aiohttp.ClientSession() as session:
        sockets = []
        for _ in range(11):
            url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
            sockets.append(await session.ws_connect(url))
        frames = [await socket.receive_json() for socket in sockets]
        for one in sockets:
            await one.close()
    assert [frame["type"] for frame in frames] == ["hello"] * 10 + ["disconnect"]
    assert frames[-1]["reason"] == "too_many_websockets"


async def test_nonsense_on_the_socket_is_ignored(slack, client) -> None:
    async with aiohttp.ClientSession() as session:
        url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
        async with session.ws_connect(url) as one:
            await one.receive_json()
            for frame in ("{", "[]", '{"envelope_id": 7}', '{"envelope_id": "unknown"}'):
                await one.send_str(frame)

            async def answer() -> None:
                frame = await one.receive_json()
                await one.send_json({"envelope_id": frame["envelope_id"]})

            async with asyncio.TaskGroup() as group:
                group.create_task(answer())
                assert (await slack.command("alice", "#netops", "/netdiag x")).ok


async def test_a_bot_token_opens_no_socket(client, slack) -> None:
    with pytest.raises(SlackApiError, match="not_allowed_token_type"):
        await client.apps_connections_open(app_token=slack.bot_token)
