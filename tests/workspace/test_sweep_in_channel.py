"""Does a team see what a sweep found, in a real browser: digest, pictures and a card that is approved on the spot?"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from bot.adapters.chart import ChartPainter
from bot.core.ask import Progress
from bot.core.report import Severity, Status
from bot.engine.sweep_ports import Picture
from bot.workspace import LocalSlack
from tests.adapters.slack.stage import FakeSilences, FakeSweeps, finding, host, report, sick
from tests.adapters.slack.test_live import MANIFEST, Bot, make
from tests.conftest import fresh_page
from tests.fakes.clock import FakeClock
from tests.fakes.journal import MemoryJournal
from tests.fakes.sweep import DIGEST, KEY, PAST, SWEEP, TABLE

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the browser's
expect.set_options(timeout=20_000)


@pytest_asyncio.fixture(loop_scope="module")
async def bot() -> AsyncIterator[Bot]:
    clock = FakeClock()
    painter = ChartPainter()

    async def history(_: str) -> Picture | None:
        return await painter.history(PAST, zone=SWEEP.zone)

    async with await LocalSlack.start(rates=False, app_manifest=MANIFEST) as slack:
        running = make(slack, MemoryJournal(clock), clock)
        running.front.attach(sweeps=FakeSweeps(), silences=FakeSilences(), picture=history)
        await running.start()
        yield running
        await running.end()
        assert slack.failures == ()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pictures() -> Sequence[Picture]:
    """What the sweep's digest shows, drawn once for all who tell it."""
    return await ChartPainter().digest(DIGEST, title=SWEEP.title, zone=SWEEP.zone)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def window(browser: Browser) -> BrowserContext:
    return await browser.new_context(viewport={"width": 1440, "height": 1080}, color_scheme="light")


@pytest_asyncio.fixture(loop_scope="module")
async def page(bot: Bot, window: BrowserContext) -> AsyncIterator[Page]:
    async with fresh_page(window) as opened:
        await opened.goto(bot.slack.url)
        try:
            await expect(opened.get_by_role("textbox", name="Message #netops")).to_be_visible()
        except AssertionError:  # see test_page.py
            await opened.reload()
        yield opened


def thread(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Thread")


async def shoot(page: Page, shots: Path | None, name: str) -> None:
    """What is seen, by day and by night; taken where screenshots are wanted."""
    for theme, other in (("dark", "light"), ("light", "dark")):
        button = page.get_by_role("button", name=f"Switch to {theme} theme")
        if await button.count():
            await button.click()
        await expect(page.get_by_role("button", name=f"Switch to {other} theme")).to_be_visible()
        if shots:
            await page.screenshot(animations="disabled", path=shots / f"{name}-{theme}.png")


async def told(bot: Bot, pictures: Sequence[Picture]) -> None:
    """One sweep, as the engine has it told: begun, proposed, judged, told."""
    herald = bot.front.herald
    receipt = await herald.begin(SWEEP, DIGEST.run, KEY, Progress(DIGEST.run, 0, 200, "reading"))
    assert receipt is not None
    await bot.desk.propose("carol", DIGEST.run, id="c0sweep00")
    full = finding("conntrack-full", title="Connection table fills", severity=Severity.WARNING, summary=TABLE)
    whole = report(sick("node-3"), host("node-42", Status.WARNING, findings=(full,)), run=DIGEST.run)
    assert len(pictures) == 2
    assert await herald.tell(SWEEP, KEY, DIGEST, report=whole, pictures=pictures)


async def test_a_digest_with_its_pictures_is_read_and_its_card_approved(
    bot: Bot, page: Page, pictures: Sequence[Picture], shots: Path | None
) -> None:
    await told(bot, pictures)
    digest = page.get_by_role("log", name="Messages in").locator("[data-ts]").filter(has_text="Fleet every 15 min").last
    await expect(digest).to_contain_text("1 new, 1 worse, 1 flapping, 1 limit ahead, 1 resolved, 2 hosts unreadable")
    await expect(digest).to_contain_text("Reverse path filter is strict, for 3 d: node-58, node-59, node-61")
    await digest.get_by_role("button", name="view thread").click()
    heat = thread(page).get_by_role("img", name="Heat map of 200 hosts")
    await expect(heat).to_be_visible()
    assert await heat.evaluate("img => img.decode().then(() => img.naturalWidth)") == 1_300
    await heat.scroll_into_view_if_needed()
    await shoot(page, shots, "sweep-1-digest")
    moved = thread(page).get_by_role("img", name="Line charts of 2 measures that moved")
    await moved.scroll_into_view_if_needed()
    assert await moved.evaluate("img => img.decode().then(() => img.naturalWidth)") == 1_300
    await shoot(page, shots, "sweep-2-moved")

    await page.get_by_role("radio", name="Bob Okafor").click()
    await page.get_by_role("log", name="Messages in").get_by_role("button", name="view thread").last.click()
    card = thread(page).locator("[data-ts]").filter(has_text="Action: sysctl.set {").last
    await expect(card.get_by_role("button", name="Approve")).to_be_visible()
    await card.scroll_into_view_if_needed()
    await shoot(page, shots, "sweep-3-card")
    await card.get_by_role("button", name="Approve").click()
    await page.get_by_role("alertdialog").get_by_role("button").last.click()
    await expect(card).to_contain_text("Approved by")
    await expect(card.get_by_role("button", name="Approve")).to_have_count(0)
    assert [vote.actor for vote in bot.journal.records["c0sweep00"].votes] == [f"slack:{bot.slack.team_id}:U0BOB"]


async def test_a_picture_opens_whole_with_its_words(
    bot: Bot, page: Page, pictures: Sequence[Picture], shots: Path | None
) -> None:
    await told(bot, pictures)
    await page.get_by_role("button", name="view thread").last.click()
    heat = thread(page).get_by_role("img", name="Heat map of 200 hosts")
    await expect(heat).to_be_visible()
    await heat.click()
    whole = page.get_by_role("dialog").get_by_role("img", name="Heat map of 200 hosts")
    await expect(whole).to_be_visible()
    if shots:
        await page.screenshot(animations="disabled", path=shots / "sweep-4-heat-map.png")


async def test_the_history_of_a_host_is_asked_for_and_seen(bot: Bot, page: Page, shots: Path | None) -> None:
    await bot.slack.command("alice", "#netops", "/netdiag history node-3")
    picture = page.get_by_role("img", name="History of node-3 over 14 d")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 1_300
    await bot.slack.command("alice", "#netops", "/netdiag sweeps")
    await expect(page.get_by_role("table")).to_contain_text("every 1 h")
    await shoot(page, shots, "sweep-5-history")


async def test_a_finding_is_silenced_from_the_digest(
    bot: Bot, page: Page, pictures: Sequence[Picture], shots: Path | None
) -> None:
    await told(bot, pictures)
    await page.get_by_role("radio", name="Bob Okafor").click()
    await page.get_by_role("log", name="Messages in").get_by_role("button", name="Silence a finding").last.click()
    form = page.get_by_role("dialog")
    await expect(form).to_contain_text("Silence a finding")
    await form.get_by_role("textbox", name="Why").fill("the rack moves")
    if shots:
        await page.screenshot(animations="disabled", path=shots / "sweep-6-silence.png")
    await form.get_by_role("button", name="Silence", exact=True).click()
    await page.get_by_role("button", name="view thread").last.click()
    await expect(thread(page)).to_contain_text("Silenced")
    await expect(thread(page)).to_contain_text("the rack moves")
