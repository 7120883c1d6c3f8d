"""What do all tests share? A real browser for those that look at a page, and patience."""

import gc
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

# What a busy machine is slow at is no fault of the example. `HYPOTHESIS_PROFILE=thorough` looks longer.
CALM = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("netdiag", deadline=None, suppress_health_check=CALM, max_examples=40)
hypothesis.settings.register_profile("thorough", deadline=None, suppress_health_check=CALM, max_examples=1_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "netdiag"))

SLOWEST_FIRST = ("e2e", "lab")
"""Folders whose tests mostly wait: begun last, they would keep one core busy while the other has nothing left."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those folders first; within a file nothing moves."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in SLOWEST_FIRST)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the collector of garbage need not look through it again and again."""
    gc.collect()
    gc.freeze()


CHROMIUM = [
    "--no-sandbox",  # as root there is no other way; the only pages it opens are our own
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def shots() -> Path | None:
    """Where screenshots go, for people to look at: taken only when STORY_SHOTS names a directory."""
    if not (name := os.environ.get("STORY_SHOTS")):
        return None
    place = Path(name)
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Headless Chromium from PATH, one for all tests of a module, which run in its event loop:
    `pytest.mark.asyncio(loop_scope="module")`. Without one they are skipped.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on PATH (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield running
        await running.close()


@asynccontextmanager
async def fresh_page(window: BrowserContext) -> AsyncIterator[Page]:
    """A new tab for one test, without cookies; what it stored goes with it. A window for each costs a second of CPU."""
    await window.clear_cookies()
    page = await window.new_page()
    yield page
    await page.evaluate("localStorage.clear()")
    await page.close()
