"""The story in a browser: ask, refused self-approval, approval by another, the kernel changed, the cure proved."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.conftest import CHROMIUM
from tests.e2e.conftest import Demo

SLOW = 60_000  # milliseconds: a visit takes its window, a change its confirmation, and the machine may be busy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=CHROMIUM)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    opened = context.new_page()
    opened.goto(demo.story["url"])
    try:
        expect(opened.get_by_role("radio", name="Alice Moreau")).to_be_visible(timeout=SLOW / 3)
    except AssertionError:  # see tests/workspace/test_page.py
        opened.reload()
    yield opened
    context.close()


def shoot(page: Page, shots: Path | None, name: str) -> None:
    """What is seen, where screenshots are wanted."""
    if shots:
        page.screenshot(path=shots / f"{name}.png")


def act_as(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name).click()
    expect(page.get_by_role("radio", name=name)).to_have_attribute("aria-checked", "true")


def ask(page: Page, words: str) -> None:
    composer = page.get_by_role("textbox", name="Message #netops")
    composer.fill(words)
    composer.press("Escape")
    composer.press("Enter")


def thread(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Thread")


def open_thread(page: Page) -> None:
    """Another person has their own view: the thread is opened anew for each."""
    page.get_by_role("log", name="Messages in").get_by_role("button", name="view thread").last.click()
    expect(thread(page)).to_be_visible()


def card(page: Page, action: str) -> Locator:
    """The card of the change that this action makes: it names the action in every state of its life."""
    return thread(page).locator("[data-ts]").filter(has_text=f"Action: {action} {{").last


def press(page: Page, on: Locator, name: str) -> None:
    on.get_by_role("button", name=name).click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button").last.click()
    expect(dialog).to_be_hidden()


def test_a_question_becomes_a_cure_that_the_kernel_confirms(page: Page, demo: Demo, shots: Path | None) -> None:
    assert demo.somaxconn() == 128
    assert demo.listener()[1] == 128

    act_as(page, "Alice Moreau")
    ask(page, "/netdiag node-3 listen-queue")
    parent = page.get_by_role("log", name="Messages in").locator("[data-ts]").filter(has_text="node-3").last
    expect(parent).to_contain_text("critical", timeout=SLOW)
    expect(parent).to_contain_text("accept queue full", timeout=SLOW)
    shoot(page, shots, "1-verdict")

    open_thread(page)
    first = card(page, "sysctl.set")
    expect(first.get_by_role("button", name="Approve")).to_be_visible(timeout=SLOW)
    shoot(page, shots, "2-proposal")

    press(page, first, "Approve")
    expect(thread(page)).to_contain_text("Only visible to you", timeout=SLOW)
    shoot(page, shots, "3-refused")
    assert demo.somaxconn() == 128, "the asker's own click must change nothing"

    act_as(page, "Bob Okafor")
    open_thread(page)
    press(page, first, "Approve")
    expect(first).to_contain_text("in force, but needs a follow-up", timeout=SLOW)
    expect(first).to_contain_text("needs re-listen")
    expect(first.get_by_role("button", name="Approve")).to_have_count(0)
    shoot(page, shots, "4-needs-relisten")
    assert demo.somaxconn() == 4096
    assert demo.listener()[1] == 128, "a listener keeps its backlog until it listens again"

    second = card(page, "service.reload")
    expect(second.get_by_role("button", name="Approve")).to_be_visible(timeout=SLOW)
    shoot(page, shots, "5-follow-up")
    press(page, second, "Approve")
    expect(second).to_contain_text("applied and verified", timeout=SLOW)
    expect(parent).to_contain_text("resolved, was", timeout=SLOW)
    shoot(page, shots, "6-resolved")
    page.set_viewport_size({"width": 1500, "height": 1180})
    thread(page).locator("[data-ts]").first.scroll_into_view_if_needed()
    shoot(page, shots, "7-thread")
    assert demo.listener()[1] == 4096

    before = demo.overflows()
    time.sleep(4)
    assert demo.overflows() == before, "the longer queue takes every client"

    verdict = demo.netdiag("audit", "verify")
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    again = demo.netdiag("run", "node-3", "listen-queue")
    assert again.returncode == 0, again.stdout + again.stderr
