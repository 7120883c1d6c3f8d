"""Does the unmodified bolt app work here as it does on Slack?"""

import re
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp

from bot.workspace import Pace

PLAIN = {"type": "plain_text", "text": "Host"}
FORM = {
    "type": "modal",
    "callback_id": "run",
    "title": {"type": "plain_text", "text": "Diagnose"},
    "submit": {"type": "plain_text", "text": "Run"},
    "notify_on_close": True,
    "blocks": [
        {"type": "input", "block_id": "host", "label": PLAIN, "element": {"type": "plain_text_input", "action_id": "h"}}
    ],
}


async def test_a_command_becomes_a_message_whose_button_edits_it(slack, bolt, button) -> None:
    def listeners(app: AsyncApp) -> None:
        @app.command("/netdiag")
        async def run(ack: Any, command: Any, client: Any) -> None:
            await ack()
            await client.chat_postMessage(
                channel=command["channel_id"],
                text=f"Diagnosing {command['text']}",
                blocks=[button("approve", "Approve", style="primary", value="token-1")],
            )

        @app.action("approve")
        async def approve(ack: Any, body: Any, client: Any) -> None:
            await ack()
            said = f"Approved by <@{body['user']['id']}>: {body['actions'][0]['value']}"
            await client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text=said, blocks=[])

    await bolt(listeners)
    assert (await slack.command("alice", "#netops", "/netdiag node-3")).ok
    await slack.until(lambda: slack.messages("#netops"))
    (parent,) = slack.messages("#netops")
    assert parent.text == "Diagnosing node-3"
    assert (await slack.click("bob", "#netops", parent.ts, "approve")).ok
    await slack.until(lambda: not slack.message("#netops", parent.ts).blocks)
    assert slack.message("#netops", parent.ts).text == "Approved by <@U0BOB>: token-1"


async def test_a_modal_opens_refuses_and_closes(slack, bolt) -> None:
    closed: list[Any] = []

    def listeners(app: AsyncApp) -> None:
        @app.command("/netdiag")
        async def ask(ack: Any, command: Any, client: Any) -> None:
            await ack()
            await client.views_open(trigger_id=command["trigger_id"], view=FORM)

        @app.view("run")
        async def submitted(ack: Any, view: Any) -> None:
            if view["state"]["values"]["host"]["h"]["value"] == "node-3":
                await ack()
            else:
                await ack(response_action="errors", errors={"host": "no such host"})

        @app.view_closed("run")
        async def gone(ack: Any, body: Any) -> None:
            await ack()
            closed.append(body["is_cleared"])

    await bolt(listeners)
    await slack.command("alice", "#netops", "/netdiag")
    await slack.until(lambda: slack.views("alice"))
    missing = await slack.submit_view("alice")
    assert missing.errors == {"host": "Please complete this required field."}
    wrong = await slack.submit_view("alice", {"host": {"h": "node-33"}})
    assert wrong.errors == {"host": "no such host"}
    assert slack.views("alice")
    assert (await slack.submit_view("alice", {"host": {"h": "node-3"}})).ok
    assert not slack.views("alice")
    await slack.command("alice", "#netops", "/netdiag")
    await slack.until(lambda: slack.views("alice"))
    await slack.close_view("alice", everything=True)
    await slack.until(lambda: closed)
    assert closed == [True]


@pytest.mark.parametrize(("action", "depth"), [("update", 1), ("push", 2), ("clear", 0)])
async def test_a_submission_answers_with_another_view(slack, bolt, action, depth) -> None:
    def listeners(app: AsyncApp) -> None:
        @app.command("/netdiag")
        async def ask(ack: Any, command: Any, client: Any) -> None:
            await ack()
            await client.views_open(trigger_id=command["trigger_id"], view=FORM)

        @app.view("run")
        async def submitted(ack: Any) -> None:
            following = (
                {} if action == "clear" else {"view": {**FORM, "title": {"type": "plain_text", "text": "Second"}}}
            )
            await ack(response_action=action, **following)

    await bolt(listeners)
    await slack.command("alice", "#netops", "/netdiag")
    await slack.until(lambda: slack.views("alice"))
    await slack.submit_view("alice", {"host": {"h": "node-3"}})
    stack = slack.views("alice")
    assert len(stack) == depth
    assert [view.body["title"]["text"] for view in stack[-1:]] == ["Second"] * bool(depth)


async def test_a_mention_in_a_thread_is_heard_once_as_mention_and_once_as_message(slack, bolt) -> None:
    heard: list[tuple[str, str | None]] = []

    def listeners(app: AsyncApp) -> None:
        @app.event("app_mention")
        async def mention(event: Any, say: Any) -> None:
            heard.append(("app_mention", event.get("thread_ts")))
            await say(text="here", thread_ts=event["thread_ts"])

        @app.event("message")
        async def message(event: Any) -> None:
            heard.append(("message", event.get("thread_ts")))

    await bolt(listeners)
    parent = (await slack.post_as("alice", "#netops", "node-3 is slow")).message
    await slack.post_as("bob", "#netops", "@netdiag node-3", thread_ts=parent.ts)
    await slack.until(lambda: len(heard) == 3 and len(slack.thread("#netops", parent.ts)) == 2)
    assert sorted(heard, key=str) == sorted(
        [("message", None), ("message", parent.ts), ("app_mention", parent.ts)], key=str
    )
    assert [one.text for one in slack.thread("#netops", parent.ts)] == ["<@U0NETDIAG> node-3", "here"]


async def test_the_home_tab_is_published_when_it_is_opened(slack, bolt, button) -> None:
    def listeners(app: AsyncApp) -> None:
        @app.event("app_home_opened")
        async def opened(event: Any, client: Any) -> None:
            await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [button("new")]})

        @app.action("new")
        async def new(ack: Any, body: Any, client: Any) -> None:
            await ack()
            await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    await bolt(listeners)
    await slack.open_home("carol")
    await slack.until(lambda: slack.home("carol"))
    await slack.click_view("carol", "new", view=slack.home("carol"))
    await slack.until(lambda: slack.views("carol"))


async def test_a_response_url_answers_only_the_one_who_asked_five_times(slack, bolt) -> None:
    codes: list[int] = []

    def listeners(app: AsyncApp) -> None:
        @app.command("/netdiag")
        async def run(ack: Any, respond: Any) -> None:
            await ack()
            codes.extend([(await respond(text=f"answer {number}")).status_code for number in range(6)])

    await bolt(listeners)
    # #general, where the bot is no member: a response URL works there all the same.
    await slack.command("alice", "#general", "/netdiag node-3")
    await slack.until(lambda: len(codes) == 6)
    assert codes == [200] * 5 + [404]
    assert [one.text for one in slack.ephemerals("alice")] == [f"answer {number}" for number in range(5)]
    assert not slack.ephemerals("bob")
    assert not slack.messages("#general")


async def test_an_ephemeral_message_is_replaced_and_removed_through_its_response_url(slack, bolt, button) -> None:
    def listeners(app: AsyncApp) -> None:
        @app.command("/netdiag")
        async def run(ack: Any) -> None:
            await ack(text="Sure?", blocks=[button("yes"), button("no")])

        @app.action("yes")
        async def yes(ack: Any, respond: Any) -> None:
            await ack()
            await respond(replace_original=True, text="Done", blocks=[button("no")])

        @app.action("no")
        async def no(ack: Any, respond: Any) -> None:
            await ack()
            await respond(delete_original=True)

    await bolt(listeners)
    await slack.command("alice", "#netops", "/netdiag node-3")
    (asked,) = slack.ephemerals("alice")
    await slack.click("alice", "#netops", asked.ts, "yes")
    await slack.until(lambda: slack.ephemerals("alice")[0].text == "Done")
    await slack.click("alice", "#netops", asked.ts, "no")
    await slack.until(lambda: not slack.ephemerals("alice"))


async def test_an_external_select_is_filled_by_the_app(slack, bolt, client) -> None:
    def listeners(app: AsyncApp) -> None:
        @app.options("host")
        async def hosts(ack: Any, payload: Any) -> None:
            names = [f"{payload['value']}-{number}" for number in range(3)]
            await ack(options=[{"text": {"type": "plain_text", "text": name}, "value": name} for name in names])

    await bolt(listeners)
    select = {"type": "external_select", "action_id": "host", "min_query_length": 1}
    blocks = [{"type": "actions", "elements": [select]}]
    posted = await client.chat_postMessage(channel="C0NETOPS", text="which?", blocks=blocks)
    found = await slack.suggest("alice", "#netops", posted["ts"], "host", "node")
    assert [one["value"] for one in found] == ["node-0", "node-1", "node-2"]


@pytest.mark.parametrize("kind", ["global", "message"])
async def test_shortcuts_reach_the_app(slack, bolt, kind) -> None:
    heard: list[str] = []

    def listeners(app: AsyncApp) -> None:
        @app.shortcut(re.compile(".+"))
        async def ran(ack: Any, shortcut: Any) -> None:
            await ack()
            heard.append(shortcut["type"])

    await bolt(listeners)
    message = (await slack.post_as("alice", "#netops", "node-3 is slow")).message
    where = ("#netops", message.ts) if kind == "message" else ()
    assert (await slack.shortcut("alice", "look", *where)).ok
    assert heard == [{"global": "shortcut", "message": "message_action"}[kind]]


async def test_files_are_shared_as_one_message(slack, client) -> None:
    parent = await client.chat_postMessage(channel="C0NETOPS", text="report")
    await client.files_upload_v2(
        channel="C0NETOPS",
        thread_ts=parent["ts"],
        initial_comment="the visit",
        file_uploads=[
            {"content": "one\ntwo", "filename": "visit.log", "title": "Visit"},
            {"file": b"\x89PNG", "filename": "rates.png", "title": "Rates", "alt_txt": "overflows over time"},
        ],
    )
    (message,) = slack.thread("#netops", parent["ts"])
    assert message.text == "the visit"
    assert [slack.file(id_) for id_ in message.files] == [b"one\ntwo", b"\x89PNG"]
    shared = (await client.files_info(file=message.files[0]))["file"]
    assert shared["shares"]["public"]["C0NETOPS"] == [{"ts": message.ts}]


async def test_a_silent_app_is_told_to_the_person_who_pressed(slack, bolt, button, client) -> None:
    def listeners(app: AsyncApp) -> None:
        @app.action("never")
        async def never() -> None:
            return None

    slack.desk.link.pace = Pace(ack=0.2)
    await bolt(listeners)
    posted = await client.chat_postMessage(channel="C0NETOPS", text="press", blocks=[button("never")])
    outcome = await slack.click("alice", "#netops", posted["ts"], "never")
    assert not outcome.ok
    assert "netdiag did not respond" in outcome.notice
