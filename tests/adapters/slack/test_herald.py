"""Is one message a sweep's for ever, whatever breaks in between, with its evidence, pictures and cards under it?"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.adapters.slack.herald import SlackHerald
from bot.adapters.slack.memory import Thread
from bot.core.approval import Effect
from bot.core.ask import Progress
from bot.core.policy import Actor, Standing
from bot.core.sweep import Quiet
from bot.engine.sweep_ports import Picture
from bot.workspace import LocalSlack
from tests.adapters.slack.stage import (
    DONE,
    SWEEP,
    FakeSilences,
    FakeSweeps,
    digest,
    item,
    report,
    sick,
    still,
)
from tests.adapters.slack.test_digest import KEY, said
from tests.adapters.slack.test_live import MANIFEST, Bot, actions, make
from tests.fakes.clock import FakeClock
from tests.fakes.journal import MemoryJournal

START = Progress("r1", 0, 3, "reading")
PICTURE = Picture("fleet-r1.png", "Fleet", "Heat map of 3 hosts: 1 critical, 2 ok.", b"\x89PNG picture")
NEWS = digest(items=(item(),), open=(still(),))


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    clock = FakeClock()
    async with await LocalSlack.start(rates=False, app_manifest=MANIFEST) as slack:
        running = make(slack, MemoryJournal(clock), clock)
        await running.start()
        yield running
        await running.end()
        assert slack.failures == ()


def herald(bot: Bot) -> SlackHerald:
    return bot.front.herald


def shown(bot: Bot) -> list[str]:
    return [said(message) for message in bot.slack.messages("#netops")]


async def told(bot: Bot, **more: Any) -> bool:
    values: dict[str, Any] = {"report": report(sick()), "pictures": (PICTURE,)}
    return await herald(bot).tell(SWEEP, KEY, more.pop("digest", NEWS), **(values | more))


async def test_one_message_goes_from_the_first_host_to_the_digest(bot: Bot) -> None:
    receipt = await herald(bot).begin(SWEEP, "r1", KEY, START)
    assert receipt is not None
    assert "0 of 3 hosts answered" in shown(bot)[0]
    assert await told(bot)
    (message,) = bot.slack.messages("#netops")
    assert message.ts == receipt.ts
    assert "Nightly: 1 new" in said(message)


async def test_evidence_picture_and_card_stand_in_its_thread_and_the_card_can_be_approved(bot: Bot) -> None:
    receipt = await herald(bot).begin(SWEEP, "r1", KEY, START)
    assert receipt is not None
    await bot.desk.propose("carol", "r1", id="c0sweep00")
    await bot.desk.propose("carol", "r0", id="c0earlier")
    assert await told(bot)
    assert "1 change proposed : to approve in the thread" in shown(bot)[0], "and not the one of an earlier run"
    card = await bot.card("c0sweep00")
    thread = bot.slack.thread("#netops", receipt.ts)
    assert [bool(one.files) for one in thread] == [True, False, False]
    assert "accept queue full" in said(thread[1])
    assert thread[2].ts == card.ts
    (file,) = [bot.slack.desk.world.files[name] for name in thread[0].files]
    assert (file.content, file.alt, file.mimetype) == (PICTURE.png, PICTURE.alt, "image/png")
    await bot.slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.card_says("c0sweep00", "Approved by")


async def test_cards_wait_until_the_findings_stand(bot: Bot) -> None:
    receipt = await herald(bot).begin(SWEEP, "r1", KEY, START)
    assert receipt is not None
    await bot.desk.propose("carol", "r1", id="c0sweep00")
    bot.clock.tick(2)
    await asyncio.sleep(0.3)
    assert bot.slack.thread("#netops", receipt.ts) == ()


async def test_a_run_that_failed_leaves_the_cards_of_its_changes_in_its_thread(bot: Bot) -> None:
    receipt = await herald(bot).begin(SWEEP, "r1", KEY, START)
    assert receipt is not None
    await bot.desk.propose("carol", "r1", id="c0sweep00")
    assert await herald(bot).say(receipt.channel, KEY, "The sweep Nightly failed", ("no answer",))
    assert await bot.card("c0sweep00")
    await herald(bot).progress(SWEEP, receipt, Progress("r1", 2, 3, "n2"))
    assert "failed" in shown(bot)[0]


async def test_nothing_is_remembered_of_a_message_whose_run_is_over(bot: Bot) -> None:
    for number in range(3):
        assert await herald(bot).begin(SWEEP, f"r{number}", f"{KEY}:{number}", START)
    assert await herald(bot).tell(SWEEP, f"{KEY}:0", NEWS, report=None, pictures=())
    assert await herald(bot).say(SWEEP.channel, f"{KEY}:1", "The sweep Nightly failed", ("no answer",))
    assert len(herald(bot)._edited) == 1, "of the one that is under way"


async def test_telling_again_doubles_nothing(bot: Bot) -> None:
    await herald(bot).begin(SWEEP, "r1", KEY, START)
    for _ in range(3):
        assert await told(bot)
    assert len(bot.slack.messages("#netops")) == 1
    assert len(bot.slack.thread("#netops", bot.slack.messages("#netops")[0].ts)) == 2


async def test_a_second_attempt_after_a_restart_edits_the_same_message(bot: Bot) -> None:
    first = await herald(bot).begin(SWEEP, "r1", KEY, START)
    again = SlackHerald(bot.front._api, bot.journal, bot.front._follower)
    assert await again.begin(SWEEP, "r1", KEY, Progress("r1", 1, 3, "again")) == first
    assert await again.tell(SWEEP, KEY, NEWS, report=None, pictures=())
    assert len(bot.slack.messages("#netops")) == 1


async def test_a_digest_that_was_never_begun_is_posted(bot: Bot) -> None:
    assert await told(bot)
    assert "Nightly: 1 new" in shown(bot)[0]
    thread = await Thread.of(bot.journal, "r1")
    assert thread is not None
    assert thread.ts == bot.slack.messages("#netops")[0].ts


@pytest.mark.parametrize(
    ("fault", "method"),
    [
        ("lost_reply", "chat.postMessage"),
        ("lost_reply", "chat.update"),
        ("rate_limit", "chat.postMessage"),
    ],
)
async def test_what_slack_does_to_one_reply_doubles_nothing(bot: Bot, fault: str, method: str) -> None:
    more = {"retry_after": 1} if fault == "rate_limit" else {}
    bot.slack.faults.arm(fault, method, times=1, **more)
    await herald(bot).begin(SWEEP, "r1", KEY, START)
    assert await told(bot)
    assert len(bot.slack.messages("#netops")) == 1
    assert "Nightly: 1 new" in shown(bot)[0]


async def test_a_post_whose_end_a_crash_cut_off_is_found_again(bot: Bot) -> None:
    await herald(bot).begin(SWEEP, "r1", KEY, START)
    await bot.journal.replace("slack-post", KEY, {"channel": "C0NETOPS", "ts": "", "shown": ""})
    again = SlackHerald(bot.front._api, bot.journal, bot.front._follower)
    assert await again.tell(SWEEP, KEY, NEWS, report=None, pictures=())
    assert len(bot.slack.messages("#netops")) == 1


async def test_a_picture_whose_upload_a_crash_cut_off_stands_there_once(bot: Bot) -> None:
    assert await told(bot)
    await bot.journal.replace("slack-shared", f"{KEY}:{PICTURE.name}", {"done": False})
    assert await told(bot)
    root = bot.slack.messages("#netops")[0].ts
    assert sum(bool(one.files) for one in bot.slack.thread("#netops", root)) == 1


async def test_a_picture_that_slack_refuses_is_told_in_words(bot: Bot) -> None:
    bot.slack.faults.arm("error", "files.getUploadURLExternal", error="file_uploads_disabled", times=5)
    assert await told(bot)
    thread = bot.slack.thread("#netops", bot.slack.messages("#netops")[0].ts)
    assert "could not be uploaded (file_uploads_disabled)" in " ".join(map(said, thread))
    assert PICTURE.alt in " ".join(map(said, thread))


async def test_an_outage_leaves_the_digest_to_be_told_again(bot: Bot) -> None:
    bot.slack.faults.arm("error", "chat.postMessage", error="fatal_error", times=4)
    assert await herald(bot).begin(SWEEP, "r1", KEY, START) is None
    assert not await told(bot)
    assert await told(bot)
    assert len(bot.slack.messages("#netops")) == 1


async def test_a_store_that_is_down_leaves_the_digest_to_be_told_again(bot: Bot) -> None:
    bot.journal.down = "the disk is full"
    assert not await told(bot)
    bot.journal.down = ""
    assert await told(bot)
    assert len(bot.slack.messages("#netops")) == 1


async def test_a_message_that_somebody_deleted_is_posted_anew(bot: Bot) -> None:
    await herald(bot).begin(SWEEP, "r1", KEY, START)
    bot.slack.desk.delete(bot.slack.messages("#netops")[0])
    assert await told(bot)
    assert "Nightly: 1 new" in shown(bot)[0]


async def test_a_channel_that_others_read_is_told_nothing(bot: Bot) -> None:
    bot.slack.faults.arm("error", "conversations.info", error="internal_error", times=4)
    assert not await told(bot)
    assert bot.slack.messages("#netops") == ()


async def test_a_herald_without_slack_says_that_nothing_was_told(bot: Bot) -> None:
    await bot.end()
    assert not await told(bot)
    assert await herald(bot).begin(SWEEP, "r1", KEY, START) is None
    assert await herald(bot).say("C0NETOPS", "k", "title", ()) is None
    bot.task = None


async def test_progress_edits_at_most_now_and_then_and_never_over_the_digest(bot: Bot) -> None:
    receipt = await herald(bot).begin(SWEEP, "r1", KEY, START)
    assert receipt is not None
    before = len(bot.slack.calls)
    for done in range(50):
        await herald(bot).progress(SWEEP, receipt, Progress("r1", done, 50, "host"))
    assert len(bot.slack.calls) == before, "it was just posted"
    herald(bot)._edited[receipt.ts].at -= 60
    await herald(bot).progress(SWEEP, receipt, Progress("r1", 42, 50, "host"))
    assert "42 of 50" in shown(bot)[0]
    assert await told(bot)
    await herald(bot).progress(SWEEP, receipt, Progress("r1", 43, 50, "host"))
    assert "Nightly: 1 new" in shown(bot)[0]


@pytest.mark.parametrize(
    ("quiet", "expected", "parts"),
    [(Quiet.LINE, "Nightly: nothing new", 1), (Quiet.DIGEST, "Reverse path filter is strict", 5)],
)
async def test_a_quiet_sweep_is_as_long_as_it_is_configured(bot: Bot, quiet: Quiet, expected: str, parts: int) -> None:
    sweep = SWEEP.__class__(**{name: getattr(SWEEP, name) for name in SWEEP.__slots__} | {"quiet": quiet})
    assert await herald(bot).tell(sweep, KEY, digest(quiet=True, open=(still(),)), report=None, pictures=())
    (message,) = bot.slack.messages("#netops")
    assert expected in said(message)
    assert len(message.blocks) == parts
    assert bot.slack.thread("#netops", message.ts) == ()


async def test_a_sweep_without_a_channel_posts_nothing(bot: Bot) -> None:
    silent = SWEEP.__class__(**{name: getattr(SWEEP, name) for name in SWEEP.__slots__} | {"channel": ""})
    assert await herald(bot).begin(silent, "r1", KEY, START) is None
    assert await herald(bot).tell(silent, KEY, NEWS, report=None, pictures=())
    assert bot.slack.messages("#netops") == ()


async def test_a_short_message_is_said_once_and_edited_by_its_key(bot: Bot) -> None:
    first = await herald(bot).say("C0NETOPS", "missed:1", "2 runs missed", ["the bot was down"])
    assert await herald(bot).say("C0NETOPS", "missed:1", "3 runs missed", ["the bot was down"]) == first
    assert shown(bot) == ["3 runs missed the bot was down"]


async def test_a_diagnosis_goes_into_the_thread_of_what_was_said(bot: Bot) -> None:
    receipt = await herald(bot).say("C0NETOPS", "alert:1", "NodeDown", [])
    assert receipt is not None
    await bot.desk.propose("carol", "r9", id="c0alert00")
    for _ in range(2):
        assert await herald(bot).diagnosed(receipt, report(sick(), run="r9"))
    card = await bot.card("c0alert00")
    thread = bot.slack.thread("#netops", receipt.ts)
    assert len(bot.slack.messages("#netops")) == 1
    assert "critical" in said(thread[0])
    assert [one.ts for one in thread].count(card.ts) == 1
    assert len(thread) == 3


async def test_what_was_given_up_leaves_the_cards_of_its_changes_in_the_thread_of_what_was_said(bot: Bot) -> None:
    receipt = await herald(bot).say("C0NETOPS", "alert:1", "NodeDown", [])
    assert receipt is not None
    await bot.desk.propose("carol", "r9", id="c0alert00")
    for _ in range(2):
        assert await herald(bot).adopt(receipt, "r9")
    card = await bot.card("c0alert00")
    assert [one.ts for one in bot.slack.thread("#netops", receipt.ts)] == [card.ts]


async def test_what_was_resolved_by_a_change_is_told_in_the_digest(bot: Bot) -> None:
    await herald(bot).begin(SWEEP, "r1", KEY, START)
    await bot.desk.propose("carol", "r1", id="c0sweep00", fingerprint="f-node-3")
    assert await told(bot)
    card = await bot.card("c0sweep00")
    await bot.slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.card_says("c0sweep00", "Approved by")
    standing = Standing(Actor("slack", f"{bot.slack.team_id}:U0BOB", "bob"))
    await bot.desk.apply("c0sweep00", standing, DONE, Effect.RESOLVED)
    bot.front._follower.wake.set()
    await bot.slack.until(lambda: "resolved, was" in shown(bot)[0])


# --- orders ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def desks(bot: Bot) -> tuple[FakeSweeps, FakeSilences]:
    sweeps, silences = FakeSweeps(), FakeSilences()

    async def picture(host: str) -> Picture | None:
        return PICTURE if host == "node-3" else None

    bot.front.attach(sweeps=sweeps, silences=silences, picture=picture)
    return sweeps, silences


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("sweeps", "nightly (Nightly) every 1 h"),
        ("sweep nightly now", "Sweep nightly begins now."),
        ("sweep nightly pause 2h the router's move", "Paused nightly"),
        ("sweep nightly pause for 2h because of the move", "of the move"),
        ("sweep nightly resume", "Sweep nightly goes on."),
        ("sweep nigtly now", 'no sweep "nigtly"; did you mean "nightly"?'),
        ("sweep nightly", "what shall become of nightly?"),
        ("sweep", "nightly (Nightly) every 1 h"),
        ("sweep nightly pause", "for how long?"),
        ("sweep nightly pause 2h", "a pause needs a reason"),
        ("silence node-3 rp-filter-drops for 2h because it's the move", "it's the move"),
        ("silence node-3", "for how long?"),
        ("silence nowhere for 1h because x", 'no host "nowhere"'),
        ("silences", "Nothing is silenced."),
        ("unsilence s1", "no silence s1 is in force"),
        ("unsilence", '"unsilence" needs an id'),
        ("sweps", "did you mean"),
    ],
)
async def test_orders_are_answered_with_what_was_done_or_the_remedy(
    bot: Bot, desks: tuple[FakeSweeps, FakeSilences], typed: str, expected: str
) -> None:
    await bot.slack.command("alice", "#netops", f"/netdiag {typed}")
    await bot.slack.until(lambda: bot.slack.ephemerals("alice"))
    assert expected in said(bot.slack.ephemerals("alice")[-1])


async def test_orders_work_after_a_mention_in_a_thread_and_name_who_gave_them(
    bot: Bot, desks: tuple[FakeSweeps, FakeSilences]
) -> None:
    root = (await bot.slack.post_as("bob", "#netops", "the router moves")).message
    assert root is not None
    await bot.slack.post_as("alice", "#netops", "@netdiag sweep nightly pause 2h the router's move", root.ts)
    await bot.slack.until(lambda: "Paused" in " ".join(map(said, bot.slack.thread("#netops", root.ts))))
    assert desks[0].asked == [("pause", "nightly", f"slack:{bot.slack.team_id}:U0ALICE")]


async def test_a_guest_may_order_nothing(bot: Bot, desks: tuple[FakeSweeps, FakeSilences]) -> None:
    for number, typed in enumerate(("sweep nightly now", "silence all for 1h because x"), 1):
        await bot.slack.command("dave", "#netops", f"/netdiag {typed}")
        await bot.slack.until(lambda number=number: len(bot.slack.ephemerals("dave")) == number)
        assert "guest" in said(bot.slack.ephemerals("dave")[-1])
    assert desks[0].asked == []
    assert desks[1].held == []


async def test_the_history_of_a_host_comes_with_its_picture(bot: Bot, desks: tuple[FakeSweeps, FakeSilences]) -> None:
    await bot.slack.command("alice", "#netops", "/netdiag history node-3")
    await bot.slack.until(lambda: bot.slack.messages("#netops"))
    (message,) = bot.slack.messages("#netops")
    assert said(message).startswith("History of node-3")
    assert bot.slack.file(message.files[0]) == PICTURE.png
    assert "History of node-3" in said(bot.slack.ephemerals("alice")[-1])


async def test_a_finding_of_a_digest_is_silenced_by_a_form(bot: Bot, desks: tuple[FakeSweeps, FakeSilences]) -> None:
    assert await told(bot)
    root = bot.slack.messages("#netops")[0]
    assert actions(root) == ["silence.open"]
    await bot.slack.click("bob", "#netops", root.ts, "silence.open")
    await bot.slack.until(lambda: bot.slack.views("bob"))
    await bot.slack.submit_view(
        "bob", {"silence.what": {"silence.what": "1"}, "silence.why": {"silence.why": "the move"}}
    )
    await bot.slack.until(lambda: "Silenced" in " ".join(map(said, bot.slack.thread("#netops", root.ts))))
    (one,) = desks[1].held
    assert (one.hosts, one.findings, one.why) == ("node-5,node-6", "rp-filter-drops", "the move")


async def test_the_home_shows_sweeps_and_silences(bot: Bot, desks: tuple[FakeSweeps, FakeSilences]) -> None:
    await bot.slack.command("bob", "#netops", "/netdiag silence node-3 for 2h because of the move")
    await bot.slack.until(lambda: desks[1].held)
    await bot.slack.open_home("bob")
    await bot.slack.until(lambda: bot.slack.home("bob"))
    view = bot.slack.home("bob")
    assert view is not None
    words = str(view.body)
    assert "nightly" in words
    assert "of the move" in words


async def test_without_sweeps_orders_say_what_to_configure(bot: Bot) -> None:
    for number, (typed, expected) in enumerate(
        (("sweep nightly now", "inventory/sweeps.yaml"), ("silence all for 1h because x", "keeps no history")), 1
    ):
        await bot.slack.command("alice", "#netops", f"/netdiag {typed}")
        await bot.slack.until(lambda number=number: len(bot.slack.ephemerals("alice")) == number)
        assert expected in said(bot.slack.ephemerals("alice")[-1])
