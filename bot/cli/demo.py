"""`netdiag demo`: the whole story on this machine, with no Slack account and no fleet."""

import asyncio
import json
import os
import shutil
import signal
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.panel import Panel
from rich.text import Text

from bot.cli import cli, terminal
from bot.cli.logs import configure
from bot.cli.options import PlaybooksOption, StateOption, settings, wait
from bot.core.errors import ConfigError

DEFAULT_PORT = 8787
READY = "demo.ready"
"""Stands beside demo.json once the bot answers: for scripts and tests that wait for it."""


@cli.command(rich_help_panel="Operate")
def demo(
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="0: any free port.")
    ] = DEFAULT_PORT,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in this machine's browser.")] = False,
    hosts: Annotated[int, typer.Option("--hosts", metavar="N", min=4, max=200, help="Hosts in the fleet.")] = 4,
    full: Annotated[bool, typer.Option("--full", help="Add an IPVS director and a VRRP pair.")] = False,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Start a local Slack in the browser, a fleet of real hosts with real faults, and the bot between them.

    Needs root for the hosts' namespaces; without, recorded hosts answer instead, and say so. Ctrl-C ends everything.
    """
    base = settings(state=state, playbooks=playbooks)
    if base.log_level == "info":
        configure(base.model_copy(update={"log_level": "warning"}))  # the panel is what a person came for
    directory = base.state if state else base.state / "demo"

    async def work() -> None:
        with _alone(directory):
            async with _stage(directory, port, hosts, full=full) as (overrides, story):
                chosen = base.model_copy(update=overrides)
                (directory / "demo.json").write_text(json.dumps(story, indent=2), encoding="utf-8")
                await _perform(chosen, story, directory, open_page=open_page)

    wait(work)


class _alone:  # noqa: N801 - used as a function: with _alone(directory)
    """One demo per directory, and a clean store in it: an earlier demo's changes would only confuse."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory

    def __enter__(self) -> None:
        self.lock = (self.directory / "demo.lock").open("w")
        try:
            flock(self.lock, LOCK_EX | LOCK_NB)
        except OSError:
            self.lock.close()
            raise ConfigError(
                f"another demo runs in {self.directory}: stop it, or start this one with --state DIR"
            ) from None
        (self.directory / READY).unlink(missing_ok=True)
        shutil.rmtree(self.directory / "store", ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        for name in ("demo.json", READY):
            (self.directory / name).unlink(missing_ok=True)
        self.lock.close()


@asynccontextmanager
async def _stage(
    directory: Path, port: int, hosts: int, *, full: bool
) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The local Slack and the hosts; yields the settings for the bot and what to tell people and tests."""
    from bot.app import terminal_actor  # noqa: PLC0415 - the demo's parts load only for the demo
    from bot.demo import Fleet, availability, control, papers  # noqa: PLC0415
    from bot.demo.parts import FULL  # noqa: PLC0415
    from bot.demo.replay import replay_inventory  # noqa: PLC0415
    from bot.workspace import LocalSlack, channels  # noqa: PLC0415

    slack = await LocalSlack.start(port=port)
    try:
        people = {name: {"slack": slack.people[name]} for name in ("alice", "bob", "carol")}
        me = terminal_actor().id
        people.setdefault(me, {})["terminal"] = me
        reason, rooms = availability(), {room.name: room.id for room in channels(())}
        overrides = {
            "state": directory / "store",
            "slack_bot_token": SecretStr(slack.bot_token),
            "slack_app_token": SecretStr(slack.app_token),
            "slack_api_url": slack.api_url,
            "slack_audit_channel": rooms["netdiag-audit"],
        }
        story = {"url": slack.url, "pid": os.getpid(), "state": str(directory / "store"), "replayed": reason}
        if reason is not None:
            inventory = replay_inventory(directory / "recorded", people)
            papers.put_sweeps(inventory, "alice", rooms["netops"])
            yield {**overrides, "inventory": inventory}, {**story, "inventory": str(inventory)}
            return
        parts = FULL if full else ()
        reason = availability(parts)
        if reason is not None:
            raise ConfigError(f"--full cannot be had here: {reason}; without it the demo works")
        up = Fleet.up(directory / "fleet", hosts=hosts, people=people, parts=parts)
        async with up as fleet, control.serving(fleet):
            inventory = fleet.inventory_dir
            papers.put_sweeps(inventory, "alice", rooms["netops"])
            yield {**overrides, "inventory": inventory}, {**story, "inventory": str(inventory)}
    finally:
        await slack.stop()


async def _perform(chosen: Any, story: dict[str, Any], directory: Path, *, open_page: bool) -> None:
    from bot.app import opened  # noqa: PLC0415
    from bot.app.serving import serving  # noqa: PLC0415

    stop, ready = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    async def announce() -> None:
        await ready.wait()
        terminal.stdout().print(_words(story))
        (directory / READY).touch()
        if open_page:
            webbrowser.open(story["url"])

    async with opened(chosen) as app, asyncio.TaskGroup() as tasks:
        tasks.create_task(serving(app, stop=stop, ready=ready))
        telling = tasks.create_task(announce())
        await stop.wait()
        telling.cancel()


def _words(story: dict[str, Any]) -> Panel:
    from bot.demo.replay import PREFIX, notice  # noqa: PLC0415

    sick = f"{PREFIX}node-3" if story["replayed"] else "node-3"
    text = Text.assemble(
        ("Open  ", "dim"), (story["url"], "bold cyan"), "\n\n",
        "In #netops, as Alice, type  ", (f"/netdiag {sick}", "bold"), "  and open the thread.\n",
        "Approve it as Bob: switch people at the bottom left. Nobody approves what they asked for.\n",
        "The whole fleet at once:  ", ("/netdiag sweep fleet now", "bold"), "\n\n",
        ("From another terminal:\n", "dim"),
        f"  export NETDIAG_STATE={story['state']} NETDIAG_INVENTORY={story['inventory']}\n",
        f"  netdiag run {sick} · netdiag changes list · netdiag audit verify\n\n",
        ("Ctrl-C ends everything.", "dim"),
    )  # fmt: skip
    if story["replayed"]:
        text.append(f"\n\n{notice(story['replayed'])}", "yellow")
    return Panel(text, title="netdiag demo is ready", expand=False)
