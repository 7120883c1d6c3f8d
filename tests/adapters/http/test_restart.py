"""A real process, killed right after it said that an alert is kept: the next one tells it, once."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.workspace import LocalSlack, Message
from tests.fakes.alerts import body, raw

TOKEN = "s3cret-of-alertmanager"
ALERTS = "channel: CHANNEL\ndefault: {host: '{instance}', playbooks: [clock]}\n"


@asynccontextmanager
async def served(env: dict[str, str], url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`netdiag serve`, once it answers."""
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "serve", env=env, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while bot.returncode is None:
                try:
                    async with session.get(f"{url}/healthz") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        assert bot.returncode is None, "it ended before it answered"
        yield bot
    finally:
        if bot.returncode is None:
            bot.terminate()
        await asyncio.wait_for(bot.wait(), 60)


async def post(url: str, data: bytes) -> int:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/alerts", data=data, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("after", [0.0, 0.5])
async def test_killed_after_its_answer_the_next_process_tells_the_alert_once(
    tmp_path: Path, unused_tcp_port: int, after: float
) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    (inventory / "hosts.yaml").write_text("hosts: {here: {address: localhost, transport: local, sudo: false}}\n")
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with await LocalSlack.start(rates=False) as slack:
        (inventory / "alerts.yaml").write_text(ALERTS.replace("CHANNEL", slack.channels["netops"]))
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "NETDIAG_STATE": str(tmp_path / "state"),
            "NETDIAG_INVENTORY": str(inventory),
            "NETDIAG_SLACK_BOT_TOKEN": slack.bot_token,
            "NETDIAG_SLACK_APP_TOKEN": slack.app_token,
            "NETDIAG_SLACK_API_URL": slack.api_url,
            "NETDIAG_HTTP_LISTEN": f"127.0.0.1:{unused_tcp_port}",
            "NETDIAG_ALERTS_TOKEN": TOKEN,
            "NETDIAG_WINDOW": "0.2",
        }
        async with served(env, url) as bot:
            assert await post(url, body(raw(instance="here"))) == 200
            await asyncio.sleep(after)
            bot.kill()
            await bot.wait()
        async with served(env, url):
            parent = await _told(slack)
            assert slack.thread("netops", parent.ts)
        assert len(_alerts(slack)) == 1
        said = [reply.text + str(reply.blocks) for reply in slack.thread("netops", parent.ts)]
        assert len(said) == len(set(said)), "no reply is there twice"


def _alerts(slack: LocalSlack) -> list[Message]:
    return [message for message in slack.messages("netops") if "Down" in message.text]


async def _told(slack: LocalSlack) -> Message:
    async with asyncio.timeout(60):
        while True:
            for message in _alerts(slack):
                if "by these checks" in message.text + str(message.blocks):
                    return message
            await asyncio.sleep(0.1)
