"""The bot as it is served: a local Slack, a real store, and whoever comes in over HTTP."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from bot.app import App, opened
from bot.app.serving import serving
from bot.cli.logs import configure
from bot.settings import Settings, load
from bot.workspace import LocalSlack, Message
from tests.fakes.alerts import body, raw

TOKEN = "s3cret-of-alertmanager"
HOSTS = "hosts: {here: {address: localhost, transport: local, sudo: false}}\n"
ALERTS = """\
channel: CHANNEL
routes:
  - {name: clocks, match: {alertname: Down}, host: "{instance}", playbooks: [clock]}
"""


@dataclass
class Running:
    app: App
    slack: LocalSlack
    base: str
    inventory: Path

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.base + path) as answer:
            return answer.status, await answer.text()

    async def post(self, body: bytes) -> int:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        url = f"{self.base}/alerts"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            return answer.status


def configured(tmp_path: Path, slack: LocalSlack, port: int) -> Settings:
    inventory = tmp_path / "inventory"
    inventory.mkdir(exist_ok=True)
    (inventory / "hosts.yaml").write_text(HOSTS)
    (inventory / "alerts.yaml").write_text(ALERTS.replace("CHANNEL", slack.channels["netops"]))
    tokens = {"slack_bot_token": slack.bot_token, "slack_app_token": slack.app_token, "slack_api_url": slack.api_url}
    more = {"http_listen": f"127.0.0.1:{port}", "alerts_token": TOKEN, "window": 0.2}
    return load(
        {"state": tmp_path / "state", "inventory": inventory, **tokens, **more}, environ={"HOME": str(tmp_path)}
    )


@asynccontextmanager
async def running(tmp_path: Path, slack: LocalSlack, port: int) -> AsyncIterator[Running]:
    settings = configured(tmp_path, slack, port)
    stop, ready = asyncio.Event(), asyncio.Event()
    async with opened(settings) as app, asyncio.TaskGroup() as tasks:
        tasks.create_task(serving(app, stop=stop, ready=ready))
        async with asyncio.timeout(30):
            await ready.wait()
        try:
            yield Running(app, slack, f"http://127.0.0.1:{port}", settings.inventory)
        finally:
            stop.set()


@pytest.fixture
async def bot(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Running]:
    async with await LocalSlack.start(rates=False) as slack, running(tmp_path, slack, unused_tcp_port) as bot:
        yield bot


async def test_the_bot_is_alive_ready_and_tells_its_figures(bot: Running) -> None:
    assert await bot.get("/healthz") == (200, "ok\n")
    status, text = await bot.get("/readyz")
    assert (status, json.loads(text)["ready"]) == (200, True)
    _, figures = await bot.get("/metrics")
    lines = dict(line.rsplit(" ", 1) for line in figures.splitlines() if not line.startswith("#"))
    assert lines['netdiag_ready{check="slack"}'] == "1.0"
    assert lines['netdiag_slack_calls_total{method="auth.test",outcome="ok"}'] == "1.0"
    assert float(lines["netdiag_store_bytes"]) > 0
    assert float(lines["netdiag_audit_seq"]) >= 1


async def test_a_broken_policy_is_told_as_not_ready(bot: Running) -> None:
    (bot.inventory / "policy.yaml").write_text("rulez: []\n")
    async with asyncio.timeout(20):
        while (answer := await bot.get("/readyz"))[0] == 200:
            await asyncio.sleep(0.2)
    assert "policy.yaml:1" in json.loads(answer[1])["checks"]["policy"]["why"]


def counted(figures: str, name: str) -> dict[str, Any]:
    return {line.rsplit(" ", 1)[0]: line.rsplit(" ", 1)[1] for line in figures.splitlines() if line.startswith(name)}


async def test_a_visit_and_what_it_left_is_counted(bot: Running) -> None:
    from bot.app import terminal_actor
    from bot.core.ask import Ask

    await bot.get("/metrics")  # from here on the log is counted
    await bot.app.desk.diagnose(Ask(terminal_actor(), "here", ("clock",)), lambda _progress: None)
    async with asyncio.timeout(20):
        while "HostsRead" not in (figures := (await bot.get("/metrics"))[1]):
            await asyncio.sleep(0.2)
    assert counted(figures, "netdiag_visits_total") == {'netdiag_visits_total{kind="visit",outcome="ok"}': "1.0"}
    assert counted(figures, "netdiag_visit_seconds_count") == {'netdiag_visit_seconds_count{kind="visit"}': "1.0"}


async def test_an_alert_is_told_and_diagnosed_in_its_thread_and_resolving_edits_it(bot: Running) -> None:
    assert await bot.post(body(raw(instance="here:9100"), raw(instance="nowhere:9100"))) == 200
    channel = bot.slack.channels["netops"]
    parent = await said(bot, channel, "▲ 2 alerts firing: Down", "by these checks")
    assert 'no host "nowhere" in the inventory' in str(parent.blocks)
    assert bot.slack.thread(channel, parent.ts), "the diagnosis is in the thread"
    assert await bot.post(body(raw("resolved", instance="here:9100"), raw("resolved", instance="nowhere:9100"))) == 200
    edited = await said(bot, channel, "✔ resolved: Down")
    assert edited.ts == parent.ts


async def test_what_an_alert_says_is_text_and_never_markup(bot: Running) -> None:
    hostile = raw(instance="<!channel>", device="*bold*") | {
        "annotations": {"summary": "<https://evil.example|here> <@U0BOB> `x`"}
    }
    assert await bot.post(body(hostile)) == 200
    parent = await said(bot, bot.slack.channels["netops"], "evil.example")
    assert "<!channel>" not in parent.text
    assert "<https://evil" not in parent.text
    assert "<@U0BOB>" not in parent.text
    kinds = {part["type"] for block in parent.blocks for row in block["elements"] for part in row.get("elements", ())}
    assert kinds == {"text"}


async def said(bot: Running, channel: str, *words: str) -> Message:
    """The message that says all of it, once one does."""
    async with asyncio.timeout(40):
        while True:
            for message in bot.slack.messages(channel):
                if all(word in message.text + str(message.blocks) for word in words):
                    return message
            await asyncio.sleep(0.1)


SECRETS = ("xoxb-", "xapp-", TOKEN, "guessed-by-somebody")


async def test_no_secret_is_logged_whatever_happens(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], unused_tcp_port: int
) -> None:
    """At the most talkative level, with every kind of refusal, and Slack saying no."""
    async with await LocalSlack.start(rates=False) as slack:
        secrets = (*SECRETS, slack.bot_token, slack.app_token)
        loud = {"log_level": "debug", "log_format": "json"}
        configure(configured(tmp_path, slack, unused_tcp_port).model_copy(update=loud))
        try:
            async with running(tmp_path, slack, unused_tcp_port) as bot:
                await bot.post(b"{")
                await bot.post(body(raw(instance="here")))
                async with aiohttp.ClientSession() as session:
                    headers = {"Authorization": "Bearer guessed-by-somebody"}
                    await session.post(f"{bot.base}/alerts", data=b"{}", headers=headers)
                await said(bot, slack.channels["netops"], "▲ 1 alert firing")
        finally:
            logging.getLogger().handlers = []
            structlog.reset_defaults()
    told = capfd.readouterr().err
    lines = [json.loads(line) for line in told.splitlines()]
    assert {"http.listening", "http.refused", "alerts.taken"} <= {line["event"] for line in lines}
    assert not [secret for secret in secrets if secret in told]
