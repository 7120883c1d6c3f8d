"""Does the unmodified bolt app work here as it does on Slack?"""

from typing import Any

from slack_bolt.async_app import AsyncApp


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
            await client.chat_update(
                channel=body["channel"]["id"],
                ts=body["message"]["ts"],
                text=f"Approved by <@{body['user']['id']}>: {body['actions'][0]['value']}",
                blocks=[],
            )

    await bolt(listeners)
    assert (await slack.command("alice", "#netops", "/netdiag node-3")).ok
    await slack.until(lambda: slack.messages("#netops"))
    (parent,) = slack.messages("#netops")
    assert parent.text == "Diagnosing node-3"
    assert (await slack.click("bob", "#netops", parent.ts, "approve")).ok
    await slack.until(lambda: not slack.message("#netops", parent.ts).blocks)
    assert slack.message("#netops", parent.ts).text == "Approved by <@U0BOB>: token-1"
