"""Does every fault strike where it is armed, as often as it is armed, and does the app see what it would see?"""

from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.workspace import Pace
from bot.workspace.admin import LEVERS
from bot.workspace.faults import KINDS

VIEW = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}


def acked(_envelope: dict[str, Any]) -> dict[str, Any]:
    return {}


async def test_a_dropped_command_is_never_delivered_and_the_next_one_is(slack, socket) -> None:
    slack.desk.link.pace = Pace(ack=0.1)
    slack.faults.arm("drop", "slash_commands")
    async with socket(slack, acked) as heard:
        outcomes = [(await slack.command("alice", "#netops", "/netdiag x")).ok for _ in range(2)]
    assert outcomes == [False, True]
    assert len([one for one in heard if one["type"] == "slash_commands"]) == 1


async def test_a_duplicated_envelope_carries_the_same_id(slack, socket) -> None:
    slack.faults.arm("duplicate", "slash_commands")
    async with socket(slack, acked) as heard:
        await slack.command("alice", "#netops", "/netdiag x")
        await slack.command("alice", "#netops", "/netdiag y")
    ids = [one["envelope_id"] for one in heard if one["type"] == "slash_commands"]
    assert len(ids) == 3
    assert len(set(ids)) == 2


async def test_a_delayed_command_arrives_with_its_trigger_expired(slack, bolt) -> None:
    codes: list[str] = []

    def listeners(app: AsyncApp) -> None:
        @app.command("/netdiag")
        async def run(ack: Any, command: Any, client: Any) -> None:
            await ack()
            try:
                await client.views_open(trigger_id=command["trigger_id"], view=VIEW)
            except SlackApiError as refused:
                codes.append(refused.response["error"])

    await bolt(listeners)
    slack.faults.arm("delay", "slash_commands", seconds=0.05)
    slack.faults.arm("error", "views.open", error="expired_trigger_id")
    assert (await slack.command("alice", "#netops", "/netdiag x")).ok
    await slack.until(lambda: codes)
    assert codes == ["expired_trigger_id"]


async def test_a_rate_limit_carries_retry_after_and_the_sdk_waits_it_out(slack, client) -> None:
    from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler

    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
    slack.faults.arm("rate_limit", "chat.postMessage", retry_after=1)
    assert (await client.chat_postMessage(channel="C0NETOPS", text="x"))["ok"]
    assert [one.status for one in slack.calls if one.method == "chat.postMessage"] == [429, 200]


async def test_a_lost_reply_leaves_the_message_and_makes_the_sdk_send_it_twice(slack, client) -> None:
    slack.faults.arm("lost_reply", "chat.postMessage")
    await client.chat_postMessage(channel="C0NETOPS", text="once")
    assert [one.text for one in slack.messages("#netops")] == ["once", "once"]


async def test_an_http_error_does_nothing(slack) -> None:
    slack.faults.arm("status", "chat.postMessage", status=503)
    headers = {"Authorization": f"Bearer {slack.bot_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        body = {"channel": "C0NETOPS", "text": "x"}
        async with session.post(f"{slack.api_url}chat.postMessage", json=body) as reply:
            assert reply.status == 503
    assert slack.messages("#netops") == ()


async def test_an_armed_error_carries_its_messages(slack, client) -> None:
    slack.faults.arm("error", "chat.postMessage", error="invalid_blocks", messages=["[ERROR] unsupported type: table"])
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel="C0NETOPS", text="x")
    assert refused.value.response["response_metadata"]["messages"] == ["[ERROR] unsupported type: table"]
    assert (await client.chat_postMessage(channel="C0NETOPS", text="x"))["ok"]


async def test_a_burned_ticket_is_refused_and_the_next_is_good(slack, client) -> None:
    slack.faults.arm("burned_ticket")
    urls = [(await client.apps_connections_open(app_token=slack.app_token))["url"] for _ in range(2)]
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(urls[0])
        async with session.ws_connect(urls[1]) as good:
            assert (await good.receive_json())["type"] == "hello"


async def test_a_revoked_token_is_refused_until_it_is_restored(slack, client) -> None:
    slack.revoke_token()
    with pytest.raises(SlackApiError, match="token_revoked"):
        await client.auth_test()
    slack.revoke_token(False)
    assert (await client.auth_test())["user_id"] == "U0NETDIAG"


async def test_exhausted_response_urls_answer_404(slack) -> None:
    url = slack.desk.hook("commands", "U0ALICE", "C0NETOPS")
    slack.exhaust_response_urls()
    async with aiohttp.ClientSession() as session, session.post(url, json={"text": "x"}) as reply:
        assert (reply.status, await reply.text()) == (404, "used_url")


async def test_expired_triggers_open_nothing(slack, client) -> None:
    trigger = slack.desk.trigger("U0ALICE")
    slack.expire_triggers()
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        await client.views_open(trigger_id=trigger, view=VIEW)


def test_a_fault_that_does_not_exist_cannot_be_armed(slack) -> None:
    with pytest.raises(ValueError, match="no fault 'explode'; known: delay, drop"):
        slack.faults.arm("explode")


@pytest.mark.parametrize("kind", [*KINDS, *LEVERS])
async def test_every_fault_is_injected_over_http(slack, kind) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {slack.admin_token}"}) as session:
        url = f"{slack.url.partition('?')[0]}admin/faults"
        async with session.post(url, json={"kind": kind}) as reply:
            assert (await reply.json()) == {"ok": True}
        async with session.get(url) as reply:
            armed = [one["kind"] for one in (await reply.json())["armed"]]
    assert armed == ([kind] if kind in KINDS else [])


@pytest.mark.parametrize("token", ["", "wrong", "bot"])
async def test_faults_are_injected_by_the_admin_token_alone(slack, token) -> None:
    headers = {"Authorization": f"Bearer {slack.bot_token if token == 'bot' else token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for call in (session.get, session.post):
            async with call(f"{slack.url.partition('?')[0]}admin/faults") as reply:
                assert reply.status == 403


@pytest.mark.parametrize("body", ["{", "[]", '{"at": "x"}', '{"kind": "explode"}', '{"kind": "drop", "times": "many"}'])
async def test_an_injection_that_makes_no_sense_is_refused(slack, body) -> None:
    headers = {"Authorization": f"Bearer {slack.admin_token}"}
    url = f"{slack.url.partition('?')[0]}admin/faults"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, data=body) as reply:
        assert reply.status == 400
    assert slack.faults.armed == ()
