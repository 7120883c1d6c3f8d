"""The kill switch in Slack: an approver stops every change with a reason, and enough of them let changes go on."""

from collections.abc import AsyncIterator

import pytest

from bot.workspace import LocalSlack
from tests.adapters.slack.test_digest import said
from tests.adapters.slack.test_live import MANIFEST, Bot, make
from tests.fakes.clock import FakeClock
from tests.fakes.journal import MemoryJournal


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    clock = FakeClock()
    async with await LocalSlack.start(rates=False, app_manifest=MANIFEST) as slack:
        running = make(slack, MemoryJournal(clock), clock)
        await running.start()
        yield running
        await running.end()
        assert slack.failures == ()


async def ask(bot: Bot, person: str, typed: str) -> str:
    """What somebody is told."""
    before = len(bot.slack.ephemerals(person))
    await bot.slack.command(person, "#netops", f"/netdiag {typed}")
    await bot.slack.until(lambda: len(bot.slack.ephemerals(person)) > before)
    return said(bot.slack.ephemerals(person)[-1])


async def test_one_approver_stops_every_change_and_two_let_them_go_on(bot: Bot) -> None:
    assert "No change is sent any more." in await ask(bot, "alice", "halt it's *bad* <!channel>")
    assert (await bot.journal.halted()).startswith("it's *bad* <!channel> (alice, ")
    assert "1 of 2 people asked" in await ask(bot, "alice", "resume")
    assert "somebody else must, too" in await ask(bot, "alice", "resume")
    assert "Changes go on." in await ask(bot, "bob", "resume")
    assert await bot.journal.halted() == ""


@pytest.mark.parametrize("typed", ["halt bad rollout", "resume"])
async def test_a_guest_can_neither_stop_nor_resume(bot: Bot, typed: str) -> None:
    answer = await ask(bot, "dave", typed)
    assert "Not done." in answer
    assert "guest" in answer
    assert await bot.journal.halted() == ""


async def test_stopping_needs_a_reason(bot: Bot) -> None:
    assert "halt REASON" in await ask(bot, "alice", "halt")
    assert await bot.journal.halted() == ""


async def test_it_works_after_a_mention_and_everybody_in_the_thread_reads_it(bot: Bot) -> None:
    root = (await bot.slack.post_as("bob", "#netops", "everything is on fire")).message
    assert root is not None
    await bot.slack.post_as("alice", "#netops", "@netdiag halt everything is on fire", root.ts)
    await bot.slack.until(
        lambda: "No change is sent any more" in " ".join(map(said, bot.slack.thread("#netops", root.ts)))
    )
    assert (await bot.journal.halted()).startswith("everything is on fire")
