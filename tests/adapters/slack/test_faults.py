"""Does anything that Slack or the network does lose a decision, double a message, or take other work with it?"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.adapters.slack import SlackFront, connect
from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.preflight import preflight
from bot.adapters.slack.session import environment, loopback
from bot.core.approval import State
from bot.core.audit import Head, anchors
from bot.core.errors import ConfigError
from bot.core.policy import Actor, Standing
from bot.core.report import Status
from bot.workspace import LocalSlack, UserGroup
from tests.adapters.slack.stage import FakeDesk, dead, finding, host, sick
from tests.adapters.slack.test_live import CATALOG, MANIFEST, Bot, actions, asked, denied, make, read
from tests.fakes.clock import FakeClock
from tests.fakes.journal import MemoryJournal

GROUPS = (UserGroup("S0NET", "net-oncall", "Network on call", ("U0BOB",)),)


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    async with await LocalSlack.start(rates=False, app_manifest=MANIFEST, usergroups=GROUPS) as local:
        yield local
        assert local.failures == ()


@pytest.fixture
async def bot(slack: LocalSlack) -> AsyncIterator[Bot]:
    clock = FakeClock()
    made = make(slack, MemoryJournal(clock), clock)
    await made.start()
    yield made
    await made.end()


async def test_an_edit_that_slack_refused_for_now_is_made_later(bot: Bot) -> None:
    _, card = await asked(bot)
    bot.slack.faults.arm("error", "chat.update", error="internal_error", times=2)
    await bot.slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.card_says("c10aaaa", "Approved by")


async def test_an_outage_of_slack_is_outlived(bot: Bot) -> None:
    _, card = await asked(bot)
    bot.slack.faults.arm("status", "chat.update", status=503, times=2)
    await bot.slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.card_says("c10aaaa", "Approved by")
    bot.slack.faults.arm("status", "users.info", status=503)
    bot.slack.faults.arm("status", "conversations.info", status=503)
    await denied(bot, "carol", card.ts)
    await bot.slack.until(lambda: bot.slack.ephemerals("carol"))
    assert "could not be looked up" in bot.slack.ephemerals("carol")[-1].text


async def test_a_rate_limit_is_waited_out(bot: Bot) -> None:
    bot.slack.faults.arm("rate_limit", "chat.postMessage", retry_after=1, times=2)
    parent, _ = await asked(bot)
    assert "critical" in bot.slack.message("#netops", parent.ts).text


async def test_a_lost_reply_while_posting_a_card_leaves_one_card(bot: Bot) -> None:
    async def break_the_next_reply() -> None:
        await bot.slack.until(lambda: bot.slack.messages("#netops"))

    bot.desk.meanwhile = break_the_next_reply
    bot.desk.hosts = ()
    bot.slack.faults.arm("lost_reply", "chat.postMessage", times=5)
    _, card = await asked(bot)
    [parent] = bot.slack.messages("#netops")
    assert [m.ts for m in bot.slack.thread("#netops", parent.ts) if actions(m)] == [card.ts]


async def test_a_late_writer_does_not_turn_a_card_back(bot: Bot) -> None:
    _, card = await asked(bot)
    before = bot.journal.records["c10aaaa"]
    await bot.slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.card_says("c10aaaa", "Approved by")
    await bot.front._follower._shown(before)
    assert "Approved by" in read(bot.slack.message("#netops", card.ts))


async def test_a_deleted_card_stops_nothing(bot: Bot) -> None:
    _, card = await asked(bot)
    await bot.front._api.client.chat_delete(channel="C0NETOPS", ts=card.ts)
    await bot.desk.approve("c10aaaa", Standing(_actor("U0BOB")))
    await bot.slack.command("bob", "#netops", "/netdiag node-1")
    assert actions(await bot.card("c20aaaa")) == ["change.approve", "change.deny"]


async def test_a_run_that_breaks_inside_is_told_in_its_parent_message(bot: Bot) -> None:
    async def break_() -> None:
        raise RuntimeError("a bug")

    bot.desk.meanwhile = break_
    await bot.slack.command("alice", "#netops", "/netdiag node-3")
    await bot.slack.until(lambda: any("no answer" in m.text for m in bot.slack.messages("#netops")))
    bot.desk.meanwhile = None
    await bot.slack.command("alice", "#netops", "/netdiag node-3")
    await bot.card("c20aaaa")


async def test_a_lookup_that_fails_refuses_the_click(bot: Bot) -> None:
    _, card = await asked(bot)
    bot.slack.faults.arm("error", "users.info", error="fatal_error")
    await bot.slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.slack.until(lambda: bot.slack.ephemerals("bob"))
    assert "could not be looked up: fatal_error" in bot.slack.ephemerals("bob")[-1].text
    assert bot.journal.records["c10aaaa"].state is State.PENDING
    assert await bot.slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.card_says("c10aaaa", "Approved by")


async def test_a_channel_that_cannot_be_looked_up_refuses_the_click(bot: Bot) -> None:
    _, card = await asked(bot)
    bot.slack.faults.arm("error", "conversations.info", error="fatal_error")
    await bot.slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.slack.until(lambda: bot.slack.ephemerals("bob"))
    assert "channel could not be looked up" in bot.slack.ephemerals("bob")[-1].text


async def test_an_exhausted_response_url_falls_back_to_a_message_for_the_presser(bot: Bot) -> None:
    _, card = await asked(bot)
    bot.slack.faults.arm("delay", "interactive", seconds=0.3)
    pressing = asyncio.get_running_loop().create_task(bot.slack.click("alice", "#netops", card.ts, "change.approve"))
    await asyncio.sleep(0.1)
    bot.slack.exhaust_response_urls()
    await pressing
    await bot.slack.until(lambda: bot.slack.ephemerals("alice"))
    assert "Not approved" in bot.slack.ephemerals("alice")[-1].text


async def test_a_form_whose_trigger_expired_says_what_to_type_instead_and_breaks_nothing(bot: Bot) -> None:
    bot.slack.faults.arm("error", "views.open", error="expired_trigger_id")
    await bot.slack.command("alice", "#netops", "/netdiag")
    await bot.slack.until(lambda: bot.slack.ephemerals("alice"))
    assert "/netdiag TARGET [playbook ...]" in read(bot.slack.ephemerals("alice")[-1])
    await asked(bot)


async def test_a_run_that_was_cut_off_by_a_restart_says_so_and_keeps_its_proposals(slack: LocalSlack) -> None:
    clock = FakeClock()
    journal = MemoryJournal(clock)
    first = make(slack, journal, clock)

    async def hang() -> None:
        await first.desk.propose("slack:T0LOCAL:U0ALICE", "r1", id="c10aaaa")
        await slack.until(lambda: journal.memory.get(("thread", "r1")))
        first.stop.set()
        await asyncio.sleep(60)

    first.desk.meanwhile = hang
    await first.start()
    await slack.command("alice", "#netops", "/netdiag node-3")
    await first.end()
    second = make(slack, journal, clock)
    await second.start()
    await slack.until(lambda: "restarted" in read(slack.messages("#netops")[-1]))
    assert actions(await second.card("c10aaaa")) == ["change.approve", "change.deny"]
    await second.end()


async def test_a_fleet_is_answered_under_slacks_own_rate_limits(slack: LocalSlack) -> None:
    slack.limit_rates(True)
    clock = FakeClock()
    bot = make(slack, MemoryJournal(clock), clock)
    bot.desk.hosts = (*(sick(f"node-{n}") for n in range(6)), *(host(f"ok-{n}") for n in range(20)), dead())
    bot.desk.changes = ()
    await bot.start()
    await slack.command("alice", "#netops", "/netdiag all")
    await slack.until(lambda: slack.messages("#netops"), 30)
    [parent] = slack.messages("#netops")
    quiet = "20 hosts with nothing to tell"
    await slack.until(lambda: any(quiet in read(m) for m in slack.thread("#netops", parent.ts)), 60)
    assert "6 critical, 1 unknown, 20 ok" in slack.message("#netops", parent.ts).text
    await bot.end()


async def test_long_evidence_becomes_a_file_in_the_thread(bot: Bot) -> None:
    evidence = {f"socket {n}": "x" * 300 for n in range(400)}
    bot.desk.hosts = (host("node-3", Status.CRITICAL, findings=(finding(evidence=evidence),)),)
    parent, _ = await asked(bot)
    await bot.slack.until(lambda: any(m.files for m in bot.slack.thread("#netops", parent.ts)))
    [shared] = [m for m in bot.slack.thread("#netops", parent.ts) if m.files]
    assert bot.slack.file(shared.files[0]).count(b"x" * 300) == 400


async def test_the_signed_head_is_anchored_after_a_change_and_reads_back(slack: LocalSlack) -> None:
    clock = FakeClock()
    journal = MemoryJournal(clock)
    head = Head("00000000-0000-4000-8000-000000000000", 7, "a" * 64, "b" * 128)

    async def signed() -> Head:
        return head

    api, directory = connect(slack.bot_token, slack.app_token, slack.api_url)
    front = SlackFront(
        api,
        desk=FakeDesk(journal, clock),
        journal=journal,
        clock=clock,
        catalog=CATALOG,
        directory=directory,
        head=signed,
    )
    front._anchor.channel = "C0AUDIT"
    with environment(slack.api_url):
        await api.open()
        assert await front._anchor.post()
        assert await front._anchor.post()
        await api.close()
    [posted] = slack.messages("#netdiag-audit")
    assert anchors(json.loads(json.dumps(posted.blocks))[0]["elements"][-1]["elements"][0]["text"]) == (head,)


async def standing_of(slack: LocalSlack, key: str, groups: tuple[str, ...] = ()) -> Standing:
    with environment(slack.api_url):
        api, directory = connect(slack.bot_token, slack.app_token, slack.api_url, lambda: groups)
        await api.open()
        try:
            return await directory.standing(key)
        finally:
            await api.close()


async def test_a_members_standing_names_the_usergroups_that_the_policy_asks_about(slack: LocalSlack) -> None:
    bob = await standing_of(slack, "slack:T0LOCAL:U0BOB", ("S0NET",))
    assert (bob.fault, bob.usergroups, bob.actor.display) == ("", frozenset({"S0NET"}), "bob")
    assert (await standing_of(slack, "slack:T0LOCAL:U0CAROL", ("S0NET",))).usergroups == frozenset()


async def test_a_usergroup_that_cannot_be_looked_up_refuses(slack: LocalSlack) -> None:
    assert (await standing_of(slack, "slack:T0LOCAL:U0BOB", ("S0NOPE",))).fault


@pytest.mark.parametrize("key", ["slack:T0LOCAL:U0DAVE", "slack:T0LOCAL:U0NOBODY", "slack:T0OTHER:U0BOB"])
async def test_guests_strangers_and_nobodies_have_a_fault(slack: LocalSlack, key: str) -> None:
    assert (await standing_of(slack, key)).fault


async def test_the_checkup_names_what_is_wrong_with_its_remedy(slack: LocalSlack) -> None:
    async def rows(*arguments: str) -> list[tuple[str, bool, str, str]]:
        return [row async for row in preflight(*arguments)]

    good = await rows(slack.bot_token, slack.app_token, slack.api_url, "C0AUDIT")
    assert [fault for _, fault, _, _ in good] == [False, False]
    outside = await rows(slack.bot_token, slack.app_token, slack.api_url, "C0GENERAL")
    assert outside[-1][1]
    assert "/invite" in outside[-1][3]
    assert (await rows("xoxb-wrong", slack.app_token, slack.api_url, ""))[0][1]
    nowhere = await rows("xoxb-x", "xapp-x", "http://127.0.0.1:9/api/", "")
    assert "not reachable" in nowhere[0][2]


async def test_a_missing_scope_is_told_at_start(slack: LocalSlack) -> None:
    slack.desk.manifest = replace(slack.desk.manifest, scopes=slack.desk.manifest.scopes - {"files:write"})
    api = SlackApi(slack.bot_token, slack.app_token, slack.api_url)
    with environment(slack.api_url), pytest.raises(ConfigError, match="files:write"):
        await api.open()


def test_only_loopback_forgets_the_proxies() -> None:
    assert loopback("http://127.0.0.1:1/api/")
    assert loopback("http://localhost/api/")
    assert not loopback("https://slack.com/api/")
    assert not loopback("https://127.0.0.1.example.com/api/")


def _actor(user: str) -> Actor:
    return Actor("slack", f"T0LOCAL:{user}")
