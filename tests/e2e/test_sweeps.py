"""`netdiag serve` keeps a plan in a channel: due by itself or at a word, and a run outlives the process that began it.

The bot is a process of its own; hosts are this machine.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.adapters.store import Store
from bot.app import SystemClock
from bot.core.fire import Fire, Phase
from bot.workspace import LocalSlack
from bot.workspace.model import Message

ROOT = Path(__file__).parents[2]
HOSTS = "hosts: {here: {address: localhost, transport: local, sudo: false}}\n"
PLAN = """\
defaults: {{owner: alice, channel: {channel}, quiet: digest}}
sweeps:
  fleet: {{title: The whole fleet, {when}, target: all, playbooks: [clock]}}
"""


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    async with await LocalSlack.start(rates=False) as running:
        yield running
        assert running.failures == ()


def inventory(place: Path, slack: LocalSlack, when: str) -> Path:
    place.mkdir(exist_ok=True)
    (place / "hosts.yaml").write_text(HOSTS)
    (place / "policy.yaml").write_text(f"people: {{alice: {{slack: {slack.people['alice']}}}}}\n")
    (place / "sweeps.yaml").write_text(PLAN.format(channel=slack.channels["netops"], when=when))
    return place


@asynccontextmanager
async def served(slack: LocalSlack, directory: Path, window: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """`netdiag serve`, once Slack has greeted it."""
    before = slack.connections
    own = {
        "NETDIAG_STATE": str(directory / "state"),
        "NETDIAG_INVENTORY": str(directory / "inventory"),
        "NETDIAG_WINDOW": str(window),
        "NETDIAG_SLACK_BOT_TOKEN": slack.bot_token,
        "NETDIAG_SLACK_APP_TOKEN": slack.app_token,
        "NETDIAG_SLACK_API_URL": slack.api_url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", cwd=ROOT, env={**os.environ, **own}
    )
    try:
        await slack.until(lambda: slack.connections > before, 60)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def said(slack: LocalSlack) -> list[Message]:
    """What stands in the channel, without threads."""
    return [one for one in slack.messages("netops") if one.thread_ts in (None, one.ts)]


async def stored(directory: Path) -> Fire:
    store = await Store.open(directory / "state", SystemClock())
    try:
        (fire,) = await store.history.fires("fleet")
        return fire
    finally:
        await store.close()


async def long_gone(directory: Path) -> None:
    """As if the lease of the run that is under way were over."""
    store = await Store.open(directory / "state", SystemClock())
    try:
        (fire,) = await store.history.fires("fleet", phases=(Phase.RUNNING,))
        assert await store.history.beat("fleet", fire.due, fire.owner, datetime(2020, 1, 1, tzinfo=UTC))
    finally:
        await store.close()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_a_run_outlives_its_process_and_stays_one_message(
    slack: LocalSlack, tmp_path: Path, end: signal.Signals
) -> None:
    inventory(tmp_path / "inventory", slack, "cron: '0 0 1 jan *'")
    async with served(slack, tmp_path, window=20) as process:
        await slack.command("alice", "netops", "/netdiag sweep fleet now")
        await slack.until(lambda: said(slack), 30)
        (begun,) = said(slack)
        assert "under way" in begun.text
        process.send_signal(end)
        await process.wait()
    if end is signal.SIGKILL:
        await long_gone(tmp_path)
    async with served(slack, tmp_path, window=0.2):
        async with asyncio.timeout(60):
            while (fire := await stored(tmp_path)).phase is not Phase.TOLD:
                await asyncio.sleep(0.2)
    (told,) = said(slack)
    assert told.ts == begun.ts
    assert "The whole fleet" in told.text
    assert "under way" not in told.text
    assert fire.attempt == 2


async def test_a_plan_is_kept_by_itself_and_paused_at_a_word(slack: LocalSlack, tmp_path: Path) -> None:
    inventory(tmp_path / "inventory", slack, "every: 10s")
    async with served(slack, tmp_path, window=0.2):
        await slack.until(lambda: len([one for one in said(slack) if "under way" not in one.text]) > 1, 90)
        await slack.command("alice", "netops", "/netdiag sweep fleet pause 2h the switches are exchanged")
        await slack.until(lambda: any("paused" in one.text.lower() for one in slack.ephemerals("alice")), 30)
        await slack.command("alice", "netops", "/netdiag sweeps")
        await slack.until(lambda: any("every 10 s" in str(one.blocks) for one in slack.ephemerals("alice")), 30)
