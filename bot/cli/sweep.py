"""`netdiag sweep`: what is looked at on a schedule, and what did it come to?"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer
from rich.text import Text

from bot.cli import cli, digest_view, sweep_view, terminal
from bot.cli.logs import configure
from bot.cli.options import (
    EXIT_NOT_DONE,
    Format,
    FormatOption,
    InventoryOption,
    PlaybooksOption,
    StateOption,
    settings,
    wait,
)
from bot.cli.run import progress
from bot.core import silence
from bot.core.approval import State
from bot.core.ask import Progress as Told
from bot.core.digest import Digest
from bot.core.digest_words import hosts_of, nothing
from bot.core.errors import AskError
from bot.core.fire import Fire
from bot.core.outline import plural
from bot.core.pause import named
from bot.core.policy import Standing
from bot.core.report import Status
from bot.core.sweep import Plan, Quiet, Sweep
from bot.core.text import neutral
from bot.engine.ports import JournalDown
from bot.engine.sweep_ports import PlanSource

NEEDS_NAME = "name the sweep: `netdiag sweep` lists them"


@cli.command(rich_help_panel="Look")
def sweep(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A sweep of inventory/sweeps.yaml.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Run it now, here, and print what is new.")] = False,
    pause: Annotated[
        str | None, typer.Option("--pause", metavar="SPAN", help="Do not run it for so long: 30m, 2h, 3d.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="WHY", help="Why it is paused.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="End its pause.")] = False,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """List the sweeps; with NAME, keep sweeping here until stopped, and print each digest.

    A sweep reads hosts on a schedule and tells only what changed: new, worse, back again, resolved.

    The bot (netdiag serve) keeps them and tells their channels. Here nobody else is told; no Slack is needed.

    Exit status of --once: 0 healthy, 1 a finding of warning or worse, 3 something unknown or unreachable.

    A usage error, or a fault in sweeps.yaml, is 2.

    Examples: netdiag sweep · netdiag sweep fleet --once · netdiag sweep fleet --once --format json

    netdiag sweep fleet --pause 2h --reason "switches are exchanged" · netdiag sweep fleet --resume
    """
    if sum((once, pause is not None, resume)) > 1:
        raise AskError("give one of --once, --pause and --resume")
    if name is None and (once or resume or pause is not None):
        raise AskError(NEEDS_NAME)
    if reason and pause is None:
        raise AskError("--reason says why a sweep is paused: give --pause as well")
    chosen = settings(inventory=inventory, playbooks=playbooks, state=state)
    if chosen.log_level == "info":
        configure(chosen.model_copy(update={"log_level": "warning"}))  # what is told is on the screen
    if name is None:
        raise typer.Exit(wait(lambda: _list(chosen, output)))
    if pause is not None:
        raise typer.Exit(wait(lambda: _pause(chosen, name, silence.seconds(pause), reason)))
    if resume:
        raise typer.Exit(wait(lambda: _resume(chosen, name)))
    raise typer.Exit(wait(lambda: _once(chosen, name, output) if once else _keep(chosen, name, output)))


@dataclass(frozen=True, slots=True)
class _Here:
    """The plan, told nowhere but here."""

    real: PlanSource

    @property
    def trouble(self) -> str:
        return self.real.trouble

    def plan(self) -> Plan:
        plan = self.real.plan()
        return replace(plan, sweeps={name: replace(sweep, channel="") for name, sweep in plan.sweeps.items()})


@asynccontextmanager
async def _rounds(chosen: Any, name: str | None = None) -> AsyncIterator[tuple[Any, Any, Standing]]:
    """The application, its sweeps as the terminal sees them, and who asks. Raises ConfigError for a faulty plan and
    AskError for a sweep that is not in it.
    """
    from bot.app import opened, terminal_actor  # noqa: PLC0415 - asyncssh and SQLAlchemy load only when needed
    from bot.engine.mute import Mute  # noqa: PLC0415
    from bot.engine.sweep_desk import Rounds  # noqa: PLC0415

    async with opened(chosen) as app:
        plan = app.plans.load()
        if name is not None:
            named(plan, name)
        yield app, Rounds(app.sweeping(Mute())), await app.directory.standing(terminal_actor().key)


async def _list(chosen: Any, output: Format) -> int:
    async with _rounds(chosen) as (app, rounds, _):
        board = await rounds.list()
        if output is Format.JSON:
            sys.stdout.write(sweep_view.document(board) + "\n")
        else:
            terminal.stdout().print(sweep_view.board(board, app.clock.now()))
    return 0


async def _pause(chosen: Any, name: str, seconds: int, why: str) -> int:
    async with _rounds(chosen, name) as (_, rounds, standing):
        line = await rounds.pause(name, standing, seconds=seconds, why=why)
        until = f"{line.pause.until:%Y-%m-%d %H:%M} UTC"
        terminal.stdout().print(Text(f"{name} is paused until {until}; `netdiag sweep {name} --resume` ends that"))
    return 0


async def _resume(chosen: Any, name: str) -> int:
    async with _rounds(chosen, name) as (_, rounds, standing):
        line = await rounds.resume(name, standing)
        ahead = f"; it is due next at {line.next:%Y-%m-%d %H:%M} UTC" if line.next else ""
        terminal.stdout().print(Text(f"{name} goes on{ahead}"))
    return 0


async def _once(chosen: Any, name: str, output: Format) -> int:
    from bot.engine.sweep_carry import carry  # noqa: PLC0415

    async with _rounds(chosen, name) as (app, rounds, standing):
        bench = replace(rounds.bench, plans=_Here(rounds.bench.plans))
        asked, fire = await replace(rounds, bench=bench).ask_now(name, standing)
        with progress() as bar:
            task = bar.add_task("planning", total=None)

            def tell(told: Told) -> None:
                bar.update(task, completed=told.done, total=told.total, description=told.say)

            done = await carry(bench, asked, fire, tell)
        if done is None or done.digest is None:
            why = done.why if done is not None else "the store went away; the run is taken up by the next process"
            print(f"netdiag: {name}: {neutral(why, 600)}", file=sys.stderr)
            return EXIT_NOT_DONE
        _show(asked, done.digest, output, whole=True)
        if output is Format.TEXT:
            for record in await app.journal.list(states=(State.PENDING,)):
                if record.run == done.digest.run:
                    said = f"{record.change.plan.summary} on {record.change.host}"
                    line = Text.assemble("proposed: ", (neutral(said, 200), "bold"))
                    terminal.stdout().print(line.append(f"  netdiag approve {record.change.id[:8]}", style="dim"))
        return status(done.digest)


async def _keep(chosen: Any, name: str, output: Format) -> int:
    from bot.engine.drive import alive  # noqa: PLC0415
    from bot.engine.scheduler import Scheduler  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _rounds(chosen, name) as (app, rounds, _):
        if await alive(app.remedy):
            raise AskError(
                f"a bot serves this store and keeps {name}; `netdiag sweep {name} --once` runs it here as well"
            )
        bench = replace(rounds.bench, plans=_Here(rounds.bench.plans))

        def told(sweep: Sweep, fire: Fire) -> None:
            if fire.digest is not None:
                _show(sweep, fire.digest, output)
            else:
                print(f"netdiag: {fire.sweep} {fire.phase}: {neutral(fire.why, 600)}", file=sys.stderr)

        await _greet(rounds, name)
        async with asyncio.TaskGroup() as tasks:
            loops = [
                tasks.create_task(Scheduler(bench, only=name, told=told).run()),
                tasks.create_task(_until_served(app, name, stop)),
            ]
            await stop.wait()
            for loop in loops:
                loop.cancel()
    return 0


async def _until_served(app: Any, name: str, stop: asyncio.Event) -> None:
    """Step back for a bot that begins to serve this store: a run that is had here is not told in its channel."""
    from bot.engine.drive import BEAT, alive  # noqa: PLC0415

    while True:
        await asyncio.sleep(BEAT)
        with suppress(JournalDown):  # the scheduler says so
            if await alive(app.remedy):
                print(f"netdiag: a bot serves this store now and keeps {name}: this one ends", file=sys.stderr)
                return stop.set()


async def _greet(rounds: Any, name: str) -> None:
    (line,) = [line for line in (await rounds.list()).sweeps if line.sweep.name == name]
    if line.next is None:
        raise AskError(f"{name} is switched off: `enabled: false` in {line.sweep.place}; --once runs it all the same")
    hold = f"; paused by {line.pause.by} until {line.pause.until:%H:%M} UTC: {line.pause.why}" if line.pause else ""
    said = f"{name}: {line.schedule}, next at {line.next:%Y-%m-%d %H:%M} UTC{hold}. Ctrl-C ends it."
    terminal.stderr().print(Text(neutral(said, 600), style="dim"))


def _show(sweep: Sweep, digest: Digest, output: Format, *, whole: bool = False) -> None:
    """A digest: one document, or for people; of several, one a line, and a quiet one as the sweep says."""
    if output is Format.JSON:
        sys.stdout.write((digest.document() if whole else digest.model_dump_json(by_alias=True)) + "\n")
        sys.stdout.flush()
    elif whole or not digest.quiet or sweep.quiet is Quiet.DIGEST:
        terminal.stdout().print(digest_view.digest(digest, sweep))
    elif sweep.quiet is Quiet.LINE:
        held = plural(sum(part.count for part in digest.held), "finding")
        tail = f"; {held} held back" if digest.held else ""
        line = f"{digest.due:%H:%M} UTC  {sweep.name}: {nothing(digest)}; {hosts_of(digest)}{tail}"
        terminal.stdout().print(Text(line))


def status(digest: Digest) -> int:
    """0 healthy, 1 a finding of warning or worse, 3 something unknown or unreachable; 1 wins over 3."""
    if digest.hosts.get(Status.CRITICAL) or digest.hosts.get(Status.WARNING):
        return 1
    return 3 if digest.hosts.get(Status.UNKNOWN) else 0
