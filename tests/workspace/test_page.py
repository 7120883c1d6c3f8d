"""Does the page work as the chat people know? A real browser, found by role and label as people find things."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import LocalSlack
from tests.conftest import fresh_page
from tests.workspace.conftest import calling, connected, workspace

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the browser's
expect.set_options(timeout=20_000)  # milliseconds; a busy machine may need some to start the browser

HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "[click](javascript:document.title='owned')",
    "<javascript:document.title='owned'|click>",
    "*bold* _italic_ `code` <!channel> <@U0BOB>",
    "&lt;b&gt;already escaped&lt;/b&gt; &amp;amp;",
    "\u202egnp.exe \u200bzero width",
]


def text(words: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": words}


def button(action_id: str, words: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": text(words), **more}


CONFIRM = {"title": text("Sure?"), "text": text("It goes to node-3."), "confirm": text("Yes"), "deny": text("No")}
CARD = [
    {"type": "header", "text": text("node-3: 1 critical")},
    {
        "type": "actions",
        "elements": [
            button("approve", "Approve", style="primary", confirm=CONFIRM),
            button("deny", "Deny", style="danger"),
            {
                "type": "overflow",
                "action_id": "more",
                "options": [{"text": text("Show evidence"), "value": "evidence"}],
            },
        ],
    },
]
FORM = {
    "type": "modal",
    "callback_id": "run",
    "title": text("Diagnose"),
    "submit": text("Run"),
    "blocks": [
        {
            "type": "input",
            "block_id": "target",
            "label": text("Target"),
            "element": {"type": "plain_text_input", "action_id": "t"},
        },
        {
            "type": "input",
            "block_id": "books",
            "optional": True,
            "label": text("Playbooks"),
            "element": {
                "type": "multi_static_select",
                "action_id": "b",
                "options": [{"text": text(name), "value": name} for name in ("listen-queue", "sockets")],
            },
        },
        {
            "type": "input",
            "block_id": "near",
            "optional": True,
            "label": text("Near"),
            "element": {"type": "external_select", "action_id": "n", "min_query_length": 1},
        },
    ],
}


def listeners(app: AsyncApp) -> None:
    @app.command("/netdiag")
    async def run(ack: Any, command: Any, client: Any) -> None:
        await ack()
        if command["text"]:
            said = f"Diagnosing {command['text']}"
            posted = await client.chat_postMessage(channel=command["channel_id"], text=said, blocks=CARD)
            await client.chat_postMessage(channel=command["channel_id"], thread_ts=posted["ts"], text="evidence")
        else:
            await client.views_open(trigger_id=command["trigger_id"], view=FORM)

    @app.action("approve")
    async def approve(ack: Any, body: Any, client: Any) -> None:
        await ack()
        said = f"Approved by <@{body['user']['id']}>"
        await client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text=said, blocks=[])

    @app.action("more")
    async def more(ack: Any, action: Any, respond: Any) -> None:
        await ack()
        await respond(text=f"chose {action['selected_option']['value']}")

    @app.options("n")
    async def near(ack: Any, payload: Any) -> None:
        await ack(options=[{"text": text(f"{payload['value']}-7"), "value": "seven"}])

    @app.view("run")
    async def submitted(ack: Any, view: Any, client: Any) -> None:
        values = view["state"]["values"]
        if values["target"]["t"]["value"] != "node-3":
            await ack(response_action="errors", errors={"target": "No such host; did you mean node-3?"})
            return
        await ack()
        books = [one["value"] for one in values["books"]["b"]["selected_options"]]
        chosen = values["near"]["n"]["selected_option"]["value"]
        await client.chat_postMessage(channel="C0NETOPS", text=f"ran {books} near {chosen}")

    @app.event("app_home_opened")
    async def home(event: Any, client: Any) -> None:
        blocks = [{"type": "header", "text": text(f"Hello {event['user']}")}]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    @app.event(re.compile(".+"))
    async def anything() -> None:
        return None


@pytest_asyncio.fixture(loop_scope="module")
async def slack() -> AsyncIterator[LocalSlack]:
    """A workspace of each test's own, with the bot in it."""
    async with workspace() as local, connected(local, listeners):
        yield local


@pytest_asyncio.fixture(loop_scope="module")
async def client(slack: LocalSlack) -> AsyncIterator[AsyncWebClient]:
    async with calling(slack) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def window(browser: Browser) -> BrowserContext:
    return await browser.new_context()


@pytest_asyncio.fixture(loop_scope="module")
async def page(slack: LocalSlack, window: BrowserContext) -> AsyncIterator[Page]:
    """The page as Alice; an error or a blocked resource in the browser fails the test."""
    wrong: list[str] = []
    async with fresh_page(window) as opened:
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("console", lambda said: wrong.append(said.text) if _ours(said) else None)
        await opened.goto(slack.url)
        try:
            await expect(composer(opened)).to_be_visible()
        except AssertionError:
            # Chromium drops what it is loading when an interface comes or goes, as the lab's do beside this test.
            await opened.reload()
            await expect(composer(opened)).to_be_visible()
        yield opened
    assert wrong == []


def _ours(said: Any) -> bool:
    return said.type == "error" and "ERR_NETWORK_CHANGED" not in said.text


def composer(page: Page) -> Any:
    return page.get_by_role("textbox", name="Message #netops")


def channel(page: Page) -> Any:
    return page.get_by_role("log", name="Messages in #netops")


async def test_the_token_leaves_the_address(page) -> None:
    assert "token" not in page.url


async def test_what_is_typed_is_sent_with_enter_and_seen_by_others(slack, page) -> None:
    await composer(page).fill("node-3 is *slow*, @bob")
    await composer(page).press("Enter")
    article = channel(page).get_by_role("article", name="Alice Moreau")
    await expect(article.locator("strong", has_text="slow")).to_be_visible()
    await expect(composer(page)).to_have_value("")
    assert slack.messages("#netops")[0].text == "node-3 is *slow*, <@U0BOB>"
    await slack.post_as("bob", "#netops", "I see")
    await expect(channel(page).get_by_text("I see")).to_be_visible()


async def test_a_slash_command_is_completed_and_its_message_appears(page) -> None:
    await composer(page).press_sequentially("/net")
    await expect(page.get_by_role("listbox", name="Commands").get_by_role("option")).to_contain_text("/netdiag")
    await composer(page).press("Tab")
    await expect(composer(page)).to_have_value("/netdiag ")
    await expect(page.get_by_text("TARGET [playbook]")).to_be_visible()
    await composer(page).press_sequentially("node-3")
    await composer(page).press("Enter")
    await expect(channel(page).get_by_role("heading", name="node-3: 1 critical")).to_be_visible()


async def test_a_mention_is_completed(slack, page) -> None:
    await composer(page).press_sequentially("hello @netd")
    await composer(page).press("Enter")
    await expect(composer(page)).to_have_value("hello @netdiag ")
    await composer(page).press("Enter")
    await expect(channel(page).get_by_text("@netdiag")).to_be_visible()
    assert slack.messages("#netops")[0].text == "hello <@U0NETDIAG>"


async def test_a_button_asks_for_confirmation_and_then_the_message_changes(slack, page) -> None:
    await slack.command("alice", "#netops", "/netdiag node-3")
    press = channel(page).get_by_role("button", name="Approve")
    await press.click()
    await page.get_by_role("alertdialog", name="Sure?").get_by_role("button", name="No").click()
    await expect(press).to_be_visible()
    await press.click()
    await page.get_by_role("alertdialog", name="Sure?").get_by_role("button", name="Yes").click()
    await expect(channel(page).get_by_text("Approved by @alice")).to_be_visible()
    await expect(press).to_have_count(0)


async def test_a_button_is_busy_until_it_is_acknowledged_and_says_when_it_is_not(slack, page) -> None:
    from bot.workspace import Pace

    slack.desk.link.pace = Pace(ack=0.5)
    slack.faults.arm("drop", "interactive")
    await slack.command("alice", "#netops", "/netdiag node-3")
    press = channel(page).get_by_role("button", name="Deny")
    await press.click()
    await expect(press).to_have_attribute("aria-busy", "true")
    await expect(channel(page).get_by_role("alert")).to_contain_text("netdiag did not respond")
    await expect(press).not_to_have_attribute("aria-busy", "true")


async def test_an_overflow_menu_answers_only_the_one_who_chose(slack, page) -> None:
    await slack.command("alice", "#netops", "/netdiag node-3")
    await channel(page).get_by_role("button", name="More options").click()
    await page.get_by_role("menuitem", name="Show evidence").click()
    answer = channel(page).get_by_role("article").filter(has_text="Only visible to you")
    await expect(answer).to_contain_text("chose evidence")
    await page.reload()
    await expect(channel(page).get_by_role("heading", name="node-3: 1 critical")).to_be_visible()
    await expect(answer).to_have_count(0)


async def test_a_modal_shows_errors_and_then_closes(slack, page) -> None:
    await composer(page).fill("/netdiag")
    await composer(page).press("Enter")
    modal = page.get_by_role("dialog", name="Diagnose")
    await modal.get_by_role("button", name="Run").click()
    await expect(modal.get_by_role("alert")).to_have_text("Please complete this required field.")
    await modal.get_by_label("Target").fill("node-33")
    await modal.get_by_role("combobox", name="Playbooks").fill("sock")
    await modal.get_by_role("option", name="sockets").click()
    await modal.get_by_role("combobox", name="Near").fill("rack")
    await modal.get_by_role("option", name="rack-7").click()
    await modal.get_by_role("button", name="Run").click()
    await expect(modal.get_by_role("alert")).to_have_text("No such host; did you mean node-3?")
    await expect(modal.get_by_label("Target")).to_have_value("node-33")
    await modal.get_by_label("Target").fill("node-3")
    await modal.get_by_role("button", name="Run").click()
    await expect(modal).to_have_count(0)
    await expect(channel(page).get_by_text("ran ['sockets'] near seven")).to_be_visible()


async def test_escape_closes_a_modal(page) -> None:
    await composer(page).fill("/netdiag")
    await composer(page).press("Enter")
    modal = page.get_by_role("dialog", name="Diagnose")
    await expect(modal).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(modal).to_have_count(0)


async def test_a_thread_opens_beside_the_channel_takes_replies_and_refuses_commands(slack, page) -> None:
    await slack.command("alice", "#netops", "/netdiag node-3")
    await channel(page).get_by_role("button", name="1 reply, view thread").click()
    thread = page.get_by_role("complementary", name="Thread")
    await expect(thread.get_by_text("evidence")).to_be_visible()
    await thread.get_by_role("textbox", name="Reply").fill("thanks")
    await thread.get_by_role("textbox", name="Reply").press("Enter")
    await expect(channel(page).get_by_role("button", name="2 replies, view thread")).to_be_visible()
    await thread.get_by_role("textbox", name="Reply").fill("/netdiag node-4")
    await thread.get_by_role("textbox", name="Reply").press("Enter")
    await expect(thread.get_by_text("/netdiag is not supported in threads. Sorry!")).to_be_visible()
    await page.get_by_role("button", name="Close thread").click()
    await expect(thread).to_be_hidden()


async def test_one_acts_as_several_people(slack, page) -> None:
    await page.get_by_role("radio", name="Dave Rossi (guest)").click()
    await expect(page.get_by_role("radio", name="Dave Rossi (guest)")).to_be_checked()
    await expect(page.get_by_role("link", name="general")).to_have_count(0)
    await composer(page).fill("hello from a guest")
    await composer(page).press("Enter")
    await expect(channel(page).get_by_role("article", name="Dave Rossi")).to_be_visible()
    assert slack.messages("#netops")[0].user == "U0DAVE"
    await page.get_by_role("radio", name="Bob Okafor").click()
    await expect(page.get_by_role("link", name="general")).to_be_visible()


async def test_what_was_said_elsewhere_is_marked_unread(slack, page) -> None:
    await slack.post_as("bob", "#netdiag-audit", "head 1")
    await slack.post_as("bob", "#netdiag-audit", "head 2")
    await page.get_by_role("link", name="netdiag-audit, 2 unread").click()
    await expect(page.get_by_role("link", name="netdiag-audit", exact=True)).to_be_visible()


async def test_the_home_tab_greets(page) -> None:
    await page.get_by_role("link", name="netdiag", exact=True).click()
    await expect(page.get_by_role("heading", name="Hello U0ALICE")).to_be_visible()


async def test_a_reaction_is_put_and_taken_back(slack, page) -> None:
    await slack.post_as("bob", "#netops", "done")
    await channel(page).get_by_role("article").hover()
    await page.get_by_role("button", name="React with eyes").click()
    mark = page.get_by_role("button", name="eyes reaction, 1: Alice Moreau")
    await expect(mark).to_have_attribute("aria-pressed", "true")
    await mark.click()
    await expect(mark).to_have_count(0)


async def test_a_shared_log_is_previewed_and_downloaded(page, client) -> None:
    lines = "\n".join(f"line {number}" for number in range(40))
    await client.files_upload_v2(channel="C0NETOPS", content=lines, filename="visit.log", title="Visit")
    await expect(channel(page).get_by_text("line 3")).to_be_visible()
    await channel(page).get_by_role("button", name="Show all 40 lines").click()
    await expect(channel(page).get_by_text("line 39")).to_be_visible()
    async with page.expect_download() as download:
        await channel(page).get_by_role("link", name="Download visit.log").click()
    assert (await download.value).suggested_filename == "visit.log"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_theme_follows_the_system_until_it_is_switched(page, scheme) -> None:
    await page.emulate_media(color_scheme=scheme)
    root = page.locator("html")
    await expect(root).to_have_attribute("data-theme", scheme)
    other = {"light": "dark", "dark": "light"}[scheme]
    await page.get_by_role("button", name=f"Switch to {other} theme").click()
    await expect(root).to_have_attribute("data-theme", other)


def holding(words: str, where: str) -> list[dict[str, Any]] | None:
    """Blocks that hold these words in one of the places where host output is shown."""
    literal = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": words}]}
    rows = [[{"type": "raw_text", "text": "head"}], [{"type": "raw_text", "text": words}]]
    places: dict[str, list[dict[str, Any]]] = {
        "plain": [{"type": "section", "text": text(words)}],
        "mrkdwn": [{"type": "section", "text": {"type": "mrkdwn", "text": words}}],
        "preformatted": [{"type": "rich_text", "elements": [literal]}],
        "table": [{"type": "table", "rows": rows}],
        "markdown": [{"type": "markdown", "text": words}],
    }
    return places.get(where)


@pytest.mark.parametrize("where", ["text", "plain", "mrkdwn", "preformatted", "table", "markdown"])
async def test_what_a_host_printed_never_becomes_markup(page, client, where) -> None:
    for hostile in HOSTILE:
        await client.chat_postMessage(channel="C0NETOPS", text=hostile, blocks=holding(hostile, where))
    articles = channel(page).get_by_role("article")
    await expect(articles).to_have_count(len(HOSTILE))
    assert await articles.locator("script, img, iframe, b").count() == 0
    assert await articles.locator("a[href^='javascript:']").count() == 0
    assert "owned" not in await page.title()
    if where in ("preformatted", "table"):
        shown = [await one.text_content() or "" for one in await articles.all()]
        assert [hostile in words for hostile, words in zip(HOSTILE, shown, strict=True)] == [True] * len(HOSTILE)


async def test_the_page_fits_a_narrow_window(page) -> None:
    await page.set_viewport_size({"width": 390, "height": 780})
    await page.get_by_role("button", name="Open the sidebar").click()
    await page.get_by_role("link", name="general").click()
    await expect(page.get_by_role("heading", name="general", exact=True)).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
