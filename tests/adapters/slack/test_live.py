"""Does the whole front end work against a Slack, by the unmodified client, from the command to the proven change?"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.slack import Catalog, SlackFront, Tuning, connect
from bot.core.approval import Effect, State
from bot.core.audit import Event
from bot.core.blockkit import faults
from bot.core.policy import Actor, Standing
from bot.workspace import LocalSlack, Message
from tests.adapters.slack.stage import DONE, FakeDesk
from tests.fakes.clock import FakeClock
from tests.fakes.journal import MemoryJournal

MANIFEST = Path(__file__).parents[3] / "slack-manifest.yaml"
CATALOG = Catalog(hosts=("node-1", "node-3"), groups=("ingress",), playbooks={"listen-queue": "Accept queues"})


@dataclass
class Bot:
    front: SlackFront
    desk: FakeDesk
    journal: MemoryJournal
    clock: FakeClock
    slack: LocalSlack
    stop: asyncio.Event
    task: "asyncio.Task[None] | None" = None

    async def start(self) -> None:
        ready = asyncio.Event()
        self.stop = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self.front.run(self.stop, ready))
        waiting = asyncio.get_running_loop().create_task(ready.wait())
        await asyncio.wait({self.task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.task.done():
            self.task.result()

    async def end(self) -> None:
        self.stop.set()
        if self.task is not None:
            await self.task

    async def card(self, change: str) -> Message:
        """The card of a change, once it has been posted."""
        receipt: Any = {}
        async with asyncio.timeout(20):
            while not receipt.get("ts"):  # the receipt is kept a moment after the post
                await asyncio.sleep(0.01)
                receipt = self.journal.memory.get(("card", change), {})
        return self.slack.message(receipt["channel"], receipt["ts"])

    async def card_says(self, change: str, words: str) -> Message:
        receipt = self.journal.memory["card", change]
        await self.slack.until(lambda: words in read(self.slack.message(receipt["channel"], receipt["ts"])))
        return self.slack.message(receipt["channel"], receipt["ts"])


def make(slack: LocalSlack, journal: MemoryJournal, clock: FakeClock, **tuning: Any) -> Bot:
    desk = FakeDesk(journal, clock)
    api, directory = connect(slack.bot_token, slack.app_token, slack.api_url)
    front = SlackFront(
        api,
        desk=desk,
        journal=journal,
        clock=clock,
        catalog=CATALOG,
        directory=directory,
        tuning=Tuning(drain=1.0, **tuning),
    )
    return Bot(front, desk, journal, clock, slack, asyncio.Event())


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    async with await LocalSlack.start(rates=False, app_manifest=MANIFEST) as local:
        yield local
        assert local.failures == ()


@pytest.fixture
async def bot(slack: LocalSlack) -> AsyncIterator[Bot]:
    clock = FakeClock()
    made = make(slack, MemoryJournal(clock), clock)
    await made.start()
    yield made
    await made.end()


def read(message: Message) -> str:
    return json.dumps(list(message.blocks), ensure_ascii=False)


def actions(message: Message) -> list[str]:
    return [
        element["action_id"] for block in message.blocks if block["type"] == "actions" for element in block["elements"]
    ]


async def asked(bot: Bot) -> tuple[Message, Message]:
    """Alice asks about node-3; the parent message and the card of the proposed change."""
    assert (await bot.slack.command("alice", "#netops", "/netdiag node-3")).ok
    card = await bot.card("c10aaaa")
    [parent] = bot.slack.messages("#netops")
    return parent, card


async def test_a_command_becomes_one_parent_message_with_evidence_and_a_card_in_its_thread(bot: Bot) -> None:
    parent, card = await asked(bot)
    assert "accept queue full" in read(parent)
    assert "critical" in parent.text
    replies = bot.slack.thread("#netops", parent.ts)
    assert "ListenOverflows/s: 41.0" in read(replies[0])
    assert "timed out after 5 s" in read(replies[0])
    assert card.ts == replies[-1].ts
    assert actions(card) == ["change.approve", "change.deny"]
    assert "sysctl -w net.core.somaxconn=4096" in read(card)
    assert all(faults({"text": m.text, "blocks": list(m.blocks)}) == [] for m in (parent, *replies))


async def test_a_table_of_pods_is_a_parent_message_and_a_table_in_its_thread(bot: Bot) -> None:
    assert (await bot.slack.command("alice", "#netops", "/netdiag node-3 pods")).ok
    await bot.slack.until(lambda: any("400 in CLOSE_WAIT" in read(one) for one in bot.slack.messages("#netops")))
    [parent] = bot.slack.messages("#netops")
    assert parent.text.startswith("▲ pods of node-3")
    await bot.slack.until(lambda: len(bot.slack.thread("#netops", parent.ts)) > 0)
    reply = bot.slack.thread("#netops", parent.ts)[-1]
    assert [block["type"] for block in reply.blocks].count("table") == 1


async def test_approval_application_and_proof_edit_the_one_card_and_end_in_a_revert_button(bot: Bot) -> None:
    _, card = await asked(bot)
    assert (await bot.slack.click("bob", "#netops", card.ts, "change.approve")).ok
    approved = await bot.card_says("c10aaaa", "Approved by")
    assert actions(approved) == ["change.deny"]
    assert bot.journal.records["c10aaaa"].state is State.APPROVED
    bob = Standing(Actor("slack", "T0LOCAL:U0BOB"))
    await bot.desk.apply("c10aaaa", bob, DONE, Effect.RESOLVED)
    done = await bot.card_says("c10aaaa", "applied and verified")
    assert actions(done) == ["change.revert"]
    await bot.slack.until(lambda: "no new overflows" in read(bot.slack.thread("#netops", done.thread_ts or "")[-1]))


async def test_the_parent_message_says_that_its_cause_is_resolved(bot: Bot) -> None:
    bot.desk.changes = ({"fingerprint": "accept-queue-overflow"},)
    parent, card = await asked(bot)
    assert parent.text.startswith("✖ critical: node-3")
    assert (await bot.slack.click("bob", "#netops", card.ts, "change.approve")).ok
    await bot.card_says("c10aaaa", "Approved by")
    await bot.desk.apply("c10aaaa", Standing(Actor("slack", "T0LOCAL:U0BOB")), DONE, Effect.RESOLVED)
    await bot.slack.until(lambda: bot.slack.message("#netops", parent.ts).text.startswith("✔ resolved, was ✖ critical"))
    told = read(bot.slack.message("#netops", parent.ts))
    assert "no new overflows in 4 s" in told
    assert "accept queue full" in told


async def test_the_revert_button_proposes_the_inverse_as_a_card_of_its_own(bot: Bot) -> None:
    _, card = await asked(bot)
    await bot.slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.card_says("c10aaaa", "Approved by")
    await bot.desk.apply("c10aaaa", Standing(Actor("slack", "T0LOCAL:U0BOB")), DONE, Effect.RESOLVED)
    await bot.card_says("c10aaaa", "applied and verified")
    assert (await bot.slack.click("carol", "#netops", card.ts, "change.revert")).ok
    inverse = await bot.card("undoc10aaaa")
    assert "sysctl -w net.core.somaxconn=128" in read(inverse)
    assert actions(inverse) == ["change.approve", "change.deny"]


async def test_the_requester_cannot_approve_and_is_told_who_may(bot: Bot) -> None:
    _, card = await asked(bot)
    await bot.slack.click("alice", "#netops", card.ts, "change.approve")
    await bot.slack.until(lambda: bot.slack.ephemerals("alice"))
    [told] = bot.slack.ephemerals("alice")
    assert "Not approved" in told.text
    assert "net-oncall" in told.text
    assert bot.journal.records["c10aaaa"].state is State.PENDING


async def test_a_guest_cannot_approve(bot: Bot) -> None:
    _, card = await asked(bot)
    await bot.slack.click("dave", "#netops", card.ts, "change.approve")
    await bot.slack.until(lambda: bot.slack.ephemerals("dave"))
    assert "guest" in bot.slack.ephemerals("dave")[-1].text
    assert bot.journal.records["c10aaaa"].votes == ()


async def denied(bot: Bot, person: str, ts: str, why: str = "not during the sale") -> None:
    """Press Deny, and send the form that asks for the reason."""
    await bot.slack.click(person, "#netops", ts, "change.deny")
    await bot.slack.until(lambda: bot.slack.views(person))
    await bot.slack.submit_view(person, {"deny.reason": {"deny.reason": why}})


async def test_a_denied_card_has_no_buttons_and_says_why(bot: Bot) -> None:
    _, card = await asked(bot)
    await denied(bot, "bob", card.ts)
    shown = await bot.card_says("c10aaaa", "not during the sale")
    assert actions(shown) == []
    assert bot.journal.records["c10aaaa"].reason.endswith(": not during the sale")


async def test_a_denial_needs_a_reason(bot: Bot) -> None:
    _, card = await asked(bot)
    await bot.slack.click("bob", "#netops", card.ts, "change.deny")
    await bot.slack.until(lambda: bot.slack.views("bob"))
    assert "net.core.somaxconn 128 -> 4096" in str(bot.slack.views("bob")[0].body["blocks"])
    refused = await bot.slack.submit_view("bob", {"deny.reason": {"deny.reason": "  "}})
    assert "deny.reason" in refused.errors
    assert bot.journal.records["c10aaaa"].state is State.PENDING


async def test_who_may_not_deny_is_told_so_after_the_form(bot: Bot) -> None:
    _, card = await asked(bot)
    await denied(bot, "dave", card.ts)
    await bot.slack.until(lambda: bot.slack.ephemerals("dave"))
    assert "guest" in bot.slack.ephemerals("dave")[-1].text
    assert bot.journal.records["c10aaaa"].state is State.PENDING


async def test_a_card_that_nobody_approved_in_time_loses_its_buttons(bot: Bot) -> None:
    await asked(bot)
    bot.clock.tick(1801)
    assert actions(await bot.card_says("c10aaaa", "expired")) == []


async def test_a_click_delivered_twice_counts_once(bot: Bot) -> None:
    _, card = await asked(bot)
    bot.slack.faults.arm("duplicate", "interactive")
    await bot.slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.card_says("c10aaaa", "Approved by")
    assert len(bot.journal.records["c10aaaa"].votes) == 1
    assert bot.slack.ephemerals("bob") == ()


async def test_a_command_delivered_twice_reads_the_hosts_once(bot: Bot) -> None:
    bot.slack.faults.arm("duplicate", "slash_commands")
    await asked(bot)
    assert len(bot.desk.asks) == 1


async def test_a_lost_reply_does_not_post_twice(bot: Bot) -> None:
    bot.slack.faults.arm("lost_reply", "chat.postMessage", times=1)
    parent, _ = await asked(bot)
    assert len(bot.slack.messages("#netops")) == 1
    assert "critical" in bot.slack.message("#netops", parent.ts).text


async def test_a_click_while_the_journal_is_down_is_not_acknowledged(bot: Bot) -> None:
    _, card = await asked(bot)
    bot.journal.down = "disk full"
    assert not (await bot.slack.click("bob", "#netops", card.ts, "change.approve")).ok
    bot.journal.down = ""
    assert (await bot.slack.click("bob", "#netops", card.ts, "change.approve")).ok
    await bot.card_says("c10aaaa", "Approved by")


async def test_a_copied_button_on_another_message_does_not_count(bot: Bot) -> None:
    _, card = await asked(bot)
    copy = await bot.front._api.client.chat_postMessage(channel="C0NETOPS", text="copy", blocks=list(card.blocks))
    await bot.slack.click("bob", "#netops", copy["ts"], "change.approve")
    await bot.slack.until(lambda: bot.slack.ephemerals("bob"))
    assert "not on the card" in bot.slack.ephemerals("bob")[-1].text
    assert bot.journal.records["c10aaaa"].votes == ()
    assert [event.kind for event in bot.journal.events][-1] == "ClickRefused"


async def test_an_unknown_target_is_told_to_the_asker_alone(bot: Bot) -> None:
    await bot.slack.command("alice", "#netops", "/netdiag nowhere")
    await bot.slack.until(lambda: bot.slack.ephemerals("alice"))
    assert "node-3" in bot.slack.ephemerals("alice")[-1].text
    assert bot.slack.messages("#netops") == ()


async def test_a_channel_without_the_bot_is_answered_with_how_to_invite_it(bot: Bot) -> None:
    await bot.slack.command("alice", "#general", "/netdiag node-3")
    await bot.slack.until(lambda: bot.slack.ephemerals("alice"))
    assert "/invite" in bot.slack.ephemerals("alice")[-1].text
    assert bot.slack.messages("#general") == ()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("help", "netdiag help"),
        ("playbooks", "Playbooks: 1"),
        ("changes", "Changes"),
        ("sweeps", "No sweep is configured"),
        ("audit", "Audit log"),
        ("history node-3", "History of node-3"),
        ("status", "netdiag status"),
        ("node-3 lisen-queue", "did you mean"),
    ],
)
async def test_questions_are_answered_to_the_asker_alone(bot: Bot, typed: str, expected: str) -> None:
    await bot.slack.command("alice", "#netops", f"/netdiag {typed}")
    await bot.slack.until(lambda: bot.slack.ephemerals("alice"))
    assert expected in bot.slack.ephemerals("alice")[-1].text


async def test_the_history_of_a_host_tells_what_was_found_on_it_and_on_no_other(bot: Bot) -> None:
    hosts = {
        "node-1": {"status": "critical", "findings": ["accept-queue-overflow"]},
        "node-3": {"status": "warning", "findings": ["close-wait-leak"]},
    }
    read = Event("HostsRead", "schedule:fleet", "2030-05-13T09:00:00Z", None, {"run": "r7", "hosts": hosts})
    await bot.journal.append([read])
    await bot.slack.command("alice", "#netops", "/netdiag history node-3")
    await bot.slack.until(lambda: bot.slack.ephemerals("alice"))
    told = json.dumps(bot.slack.ephemerals("alice")[-1].blocks)
    assert "close-wait-leak" in told
    assert "accept-queue-overflow" not in told
    assert "critical" not in told


async def test_a_mention_in_a_thread_is_answered_in_that_thread(bot: Bot) -> None:
    root = (await bot.slack.post_as("bob", "#netops", "the ingress is slow")).message
    assert root is not None
    await bot.slack.post_as("alice", "#netops", "@netdiag node-3", root.ts)
    card = await bot.card("c10aaaa")
    assert card.thread_ts == root.ts
    assert [m.ts for m in bot.slack.messages("#netops")] == [root.ts]
    await bot.slack.post_as("alice", "#netops", "@netdiag help", root.ts)
    await bot.slack.until(lambda: "netdiag help" in bot.slack.thread("#netops", root.ts)[-1].text)


async def test_the_form_asks_for_what_is_missing_and_shows_the_command_that_means_the_same(bot: Bot) -> None:
    await bot.slack.command("alice", "#netops", "/netdiag")
    await bot.slack.until(lambda: bot.slack.views("alice"))
    await bot.slack.click_view("alice", "form.target", "node-3")
    await bot.slack.until(lambda: "/netdiag node-3" in json.dumps(list(bot.slack.views("alice")[-1].blocks)))
    done = await bot.slack.submit_view("alice", {"form.target": {"form.target": "node-3"}})
    assert done.ok, done
    assert (await bot.card("c10aaaa")).channel == "C0NETOPS"


async def test_a_mention_without_words_offers_the_form(bot: Bot) -> None:
    await bot.slack.post_as("alice", "#netops", "@netdiag")
    [root] = bot.slack.messages("#netops")
    await bot.slack.until(lambda: bot.slack.thread("#netops", root.ts))
    offer = bot.slack.thread("#netops", root.ts)[-1]
    await bot.slack.click("alice", "#netops", offer.ts, "form.open")
    await bot.slack.until(lambda: bot.slack.views("alice"))
    await bot.slack.submit_view("alice", {"form.target": {"form.target": "node-3"}})
    assert (await bot.card("c10aaaa")).thread_ts == root.ts


async def test_the_home_shows_what_waits(bot: Bot) -> None:
    await asked(bot)
    await bot.slack.open_home("bob")
    await bot.slack.until(lambda: bot.slack.home("bob"))
    home = bot.slack.home("bob")
    assert home is not None
    assert "net.core.somaxconn 128 -> 4096" in json.dumps(list(home.blocks))


async def test_the_bot_comes_back_after_a_burned_socket_address(bot: Bot) -> None:
    bot.slack.faults.arm("burned_ticket", times=1)
    await bot.slack.cut()
    await bot.slack.until(lambda: not bot.slack.connections)
    await bot.slack.until(lambda: bot.slack.connections, 60)
    await asked(bot)


async def test_a_click_taken_before_a_crash_is_carried_out_after_it(slack: LocalSlack) -> None:
    clock = FakeClock()
    journal = MemoryJournal(clock)
    first = make(slack, journal, clock)
    await first.start()
    _, card = await asked(first)
    # The process dies between the acknowledgement and the work: the click is in the journal, nothing was done.
    first.front._inbox.go = lambda job: None  # type: ignore[method-assign]
    assert (await slack.click("bob", "#netops", card.ts, "change.approve")).ok
    await first.end()
    assert journal.records["c10aaaa"].votes == ()
    second = make(slack, journal, clock)
    await second.start()
    await second.card_says("c10aaaa", "Approved by")
    assert journal.records["c10aaaa"].state is State.APPROVED
    await second.end()


async def test_wrong_tokens_fail_at_once_and_say_which(slack: LocalSlack) -> None:
    for tokens, words in (
        (("xoxb-wrong", slack.app_token), "bot token"),
        ((slack.bot_token, "xapp-wrong"), "app-level"),
    ):
        api, directory = connect(*tokens, slack.api_url)
        clock = FakeClock()
        journal = MemoryJournal(clock)
        front = SlackFront(
            api, desk=FakeDesk(journal, clock), journal=journal, clock=clock, catalog=CATALOG, directory=directory
        )
        with pytest.raises(Exception, match=words):
            await front.run(asyncio.Event())
