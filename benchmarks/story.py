"""How long does a person wait from the slash command to the first reply and to the verdict, and how often is the
host asked?

Everything is the real thing: the bot as `netdiag serve` runs it, connected over Socket Mode to the local workspace,
which keeps Slack's rate limits; a demo host in namespaces of its own behind a real sshd. Times are the workspace's
own: when the command was typed, and when the asker's page was told of the first reply, of the edit with the verdict
and of the proposal's card. Round trips are counted on the wire (`_relay`). The window between a visit's two samples
is waited out in each verdict, so it is told apart.
"""

import asyncio
import logging
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
from pydantic import SecretStr

from benchmarks import Effort, Say
from benchmarks._figures import Result, Table, spread
from benchmarks._relay import Relay, Tally, relayed
from bot.adapters.files.inventory import load_inventory
from bot.app import App, opened
from bot.app.serving import serving
from bot.demo import Fleet, availability
from bot.settings import CHECKED_OUT_PLAYBOOKS, Settings
from bot.workspace import LocalSlack
from bot.workspace.model import Json

TITLE = "from the slash command to the verdict"
ROOM, ASKER = "#netops", "alice"
ROUNDS = 7
PATIENCE = 60.0
# What is typed, how many hosts that is, and whether a proposal is to come of it.
SCENES: Sequence[tuple[str, tuple[str, ...], bool]] = (
    ("/netdiag node-3 listen-queue", ("node-3",), True),
    ("/netdiag node-3", ("node-3",), True),
    ("/netdiag node-1", ("node-1",), False),
    ("/netdiag all", ("node-1", "node-2", "node-3", "node-4"), True),
)


@dataclass(frozen=True, slots=True)
class Told:
    """One command, in seconds since it was typed: acknowledged, first reply, verdict, first proposal card (0: none).

    `logins` and `trips` are those of the host that took most, until the verdict.
    """

    acknowledged: float
    first: float
    verdict: float
    card: float
    logins: int
    trips: int
    sent: int
    received: int


def missing() -> str | None:
    """Why it cannot be measured here."""
    return availability()


def measure(effort: Effort, say: Say) -> Result:
    """Every scene, cold (no connection to the host) and warm, in turns."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.ERROR)
    return asyncio.run(_measure(effort, say))


async def _measure(effort: Effort, say: Say) -> Result:
    found: dict[tuple[str, str], list[Told]] = {}
    async with _stage() as (page, relays, app):
        say(f"the bot is connected; {len(relays)} hosts are up; window {app.settings.window} s")
        await _ask(page, relays, SCENES[-1])  # imports, first logins, the store's first pages: not counted
        for turn in range(effort.rounds(ROUNDS)):
            for scene in SCENES:
                for way in ("cold", "warm"):
                    if way == "cold":
                        for relay in relays.values():
                            relay.cut()
                    told = await _ask(page, relays, scene)
                    found.setdefault((scene[0], way), []).append(told)
                    say(f"round {turn + 1}: {scene[0]}, {way}: verdict after {told.verdict:.2f} s, {told.trips} trips")
        window = app.settings.window
    rows = tuple(_row(scene, way, told, window) for (scene, way), told in found.items())
    head = ("typed", "connection", "first reply s", "verdict s", f"beyond the {window:g} s window", "card s",
            "logins", "round trips", "kB to / from the host")  # fmt: skip
    note = "Round trips, logins and bytes are those of the host that had most of them, until the verdict."
    samples = {f"{scene}, {way}": [asdict(told) for told in every] for (scene, way), every in found.items()}
    return Result((Table("Seconds since the command was typed: median (least-most)", head, rows, note),), samples)


def _row(scene: str, way: str, told: Sequence[Told], window: float) -> tuple[str, ...]:
    cards = [one.card for one in told if one.card]
    return (
        f"`{scene}`",
        way,
        spread([one.first for one in told], 2),
        spread([one.verdict for one in told], 2),
        spread([one.verdict - window for one in told], 2),
        spread(cards, 2) if cards else "-",
        _range([one.logins for one in told]),
        _range([one.trips for one in told]),
        f"{max(one.sent for one in told) / 1000:.0f} / {max(one.received for one in told) / 1000:.0f}",
    )


def _range(counts: Sequence[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}-{max(counts)}"


class _Page:
    """What a person's page hears from the workspace, and when: every message as it is posted and as it is edited."""

    def __init__(self, slack: LocalSlack) -> None:
        self.slack = slack
        self.heard: list[tuple[float, Json]] = []

    async def listen(self, person: str) -> None:
        """Until cancelled."""
        desk = self.slack.desk
        with desk.listening(self.slack.people[person]) as news:
            while True:
                one = await news.get()
                if one.kind == "message":
                    self.heard.append((desk.mint.now(), one.data["message"]))

    async def first(self, start: int, fits: Callable[[Json], object]) -> tuple[float, Json]:
        """The first that fits, after `start` others; waits for it. Raises TimeoutError."""

        def found() -> tuple[float, Json] | None:
            return next((one for one in self.heard[start:] if fits(one[1])), None)

        await self.slack.until(found, PATIENCE)
        heard = found()
        assert heard is not None
        return heard


@asynccontextmanager
async def _stage() -> AsyncIterator[tuple[_Page, Mapping[str, Relay], App]]:
    """A local Slack, a demo fleet behind relays, and the bot between them."""
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netdiag-story-")))
        slack = await stack.enter_async_context(await LocalSlack.start())
        people = {name: {"slack": slack.people[name]} for name in ("alice", "bob", "carol")}
        fleet = await stack.enter_async_context(Fleet.up(place / "fleet", people=people))
        hosts = load_inventory(fleet.inventory_dir).hosts
        relays = await stack.enter_async_context(relayed(hosts, fleet.inventory_dir))
        settings = Settings(
            state=place / "store",
            inventory=fleet.inventory_dir,
            playbooks=CHECKED_OUT_PLAYBOOKS,
            slack_bot_token=SecretStr(slack.bot_token),
            slack_app_token=SecretStr(slack.app_token),
            slack_api_url=slack.api_url,
        )
        app = await stack.enter_async_context(opened(settings))
        stop, ready = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serving(app, stop=stop, ready=ready))
            page = _Page(slack)
            listening = tasks.create_task(page.listen(ASKER))
            try:
                async with asyncio.timeout(PATIENCE):
                    await ready.wait()
                yield page, relays, app
            finally:
                stop.set()
                listening.cancel()


async def _ask(page: _Page, relays: Mapping[str, Relay], scene: tuple[str, tuple[str, ...], bool]) -> Told:
    """Type a command as a person does, and wait until everything that it brings has been said."""
    typed, hosts, proposes = scene
    slack, start = page.slack, len(page.heard)
    before = {name: relays[name].tally for name in hosts}
    at = slack.desk.mint.now()
    outcome = await slack.command(ASKER, ROOM, typed)
    acknowledged = slack.desk.mint.now()
    if not outcome.ok:
        raise RuntimeError(f"{typed} was not taken: {outcome.notice}")
    first, parent = await page.first(start, lambda message: not message.get("thread_ts"))
    verdict, answer = await page.first(start, lambda message: message["ts"] == parent["ts"] and _answered(message))
    used = [relays[name].tally.since(before[name]) for name in hosts]
    if "no answer" in answer["text"]:
        raise RuntimeError(f"{typed}: {answer['text']}")
    card = (await page.first(start, lambda message: _decidable(message, parent["ts"])))[0] if proposes else None
    await _quiet(slack)
    most = max(used, key=lambda tally: tally.turns, default=Tally())
    return Told(
        acknowledged=acknowledged - at,
        first=first - at,
        verdict=verdict - at,
        card=card - at if card else 0.0,
        logins=most.logins,
        trips=most.turns,
        sent=most.sent,
        received=most.received,
    )


def _answered(message: Json) -> bool:
    """The parent message no longer tells of progress: its header begins with "…" while it does."""
    return not str(message["blocks"][0]["text"]["text"]).startswith("…")


def _decidable(message: Json, parent: str) -> bool:
    """A reply in this thread with buttons: the card of a proposal."""
    return message.get("thread_ts") == parent != message["ts"] and any(
        b["type"] == "actions" for b in message["blocks"]
    )


async def _quiet(slack: LocalSlack) -> None:
    """Wait until the bot has said everything: it spaces its posts by a second, as Slack asks."""
    calls = -1
    while len(slack.calls) != calls:
        calls = len(slack.calls)
        await asyncio.sleep(1.2)
