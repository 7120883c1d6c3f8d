"""`netdiag serve`: the bot, from settings."""

import asyncio
import signal

import typer

from bot.cli import cli
from bot.cli.options import InventoryOption, PlaybooksOption, StateOption, settings, wait
from bot.core.errors import ConfigError


@cli.command(rich_help_panel="Operate")
def serve(inventory: InventoryOption = None, playbooks: PlaybooksOption = None, state: StateOption = None) -> None:
    """Connect to Slack and answer until stopped.

    Needs NETDIAG_SLACK_BOT_TOKEN and NETDIAG_SLACK_APP_TOKEN; `netdiag doctor` checks both and says what is missing.
    """
    from bot.app import opened  # noqa: PLC0415 - loads Slack's libraries only when needed
    from bot.app.serving import serving  # noqa: PLC0415

    chosen = settings(inventory=inventory, playbooks=playbooks, state=state)
    for name, value in (("SLACK_BOT_TOKEN", chosen.slack_bot_token), ("SLACK_APP_TOKEN", chosen.slack_app_token)):
        if value is None:
            raise ConfigError(f"NETDIAG_{name} is not set: create the app from slack-manifest.yaml, see docs/slack.md")

    async def work() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with opened(chosen) as app:
            await serving(app, stop=stop, ready=asyncio.Event())

    wait(work)
    raise typer.Exit(0)
