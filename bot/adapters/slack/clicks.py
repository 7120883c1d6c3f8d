"""Who pressed which button, may they, and what did it do?

A click proves nothing by itself: the button's token leads to the change, everything else comes from the journal, and
what the click claims of its place must be what was stored when the card was posted.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.card import APPROVE, DENY, REVERT
from bot.adapters.slack.directory import SlackDirectory, channel_fault
from bot.adapters.slack.follow import Follower
from bot.adapters.slack.inbox import Job
from bot.adapters.slack.memory import Card, Thread, change_of
from bot.adapters.slack.talk import told
from bot.adapters.slack.where import Where, answer
from bot.core.approval import Declined, State, stamp
from bot.core.audit import Event
from bot.core.errors import AskError
from bot.core.policy import Standing
from bot.core.text import neutral
from bot.engine.ports import Clock, Desk, Journal, JournalDown

log = structlog.get_logger()
ACTIONS = frozenset({APPROVE, DENY, REVERT})


@dataclass(frozen=True, slots=True)
class Click:
    """What Slack says of a click. Everything is text; what was missing is empty."""

    team: str
    user: str
    user_team: str
    name: str
    app: str
    channel: str
    ts: str
    container: str
    action: str
    action_ts: str
    token: str
    respond: str
    thread: str = ""
    """The thread that the button stands in: its presser is answered there."""
    reason: str = ""
    """Why a change is denied."""

    @property
    def key(self) -> str:
        """What makes this click the same click when it is delivered again."""
        return f"click:{self.channel}:{self.ts}:{self.action}:{self.action_ts}:{self.user}"

    @property
    def where(self) -> Where:
        """Where its presser is answered."""
        return Where(self.team, self.user, self.name, self.channel, self.thread, self.respond)

    def job(self) -> Job:
        """The click for the inbox."""
        return Job("click", self.key, asdict(self))


def read(body: Mapping[str, Any]) -> Click:
    """A click from a block_actions payload; whatever is missing or of another type is empty, and refused later."""
    team, user, channel, container = (_part(body, name) for name in ("team", "user", "channel", "container"))
    actions = body.get("actions")
    action = actions[0] if isinstance(actions, list) and len(actions) == 1 and isinstance(actions[0], dict) else {}
    return Click(
        team=_text(team, "id"),
        user=_text(user, "id"),
        user_team=_text(user, "team_id"),
        name=neutral(_text(user, "username") or _text(user, "name"), 80),
        app=_text(body, "api_app_id"),
        channel=_text(channel, "id") if _text(channel, "id") == _text(container, "channel_id") else "",
        ts=_text(container, "message_ts"),
        container=_text(container, "type") if container.get("is_ephemeral", False) is False else "ephemeral",
        action=_text(action, "action_id"),
        action_ts=_text(action, "action_ts"),
        token=_text(action, "value"),
        respond=_text(body, "response_url"),
        thread=_text(container, "thread_ts"),
    )


def misplaced(click: Click, card: Card | None, team: str, app: str) -> str:
    """Why the click cannot come from the card that we posted, or nothing. Pure."""
    if not click.team or click.team != team or click.user_team != team:
        return "it comes from another workspace"
    if not click.app or click.app != app:
        return "it comes from another app"
    if card is None or not card.ts or card.token != click.token:
        return "this card is not the one in the journal; use the newest card of the change"
    if click.container != "message" or (click.channel, click.ts) != (card.channel, card.ts):
        return "the button is not on the card that was posted"
    return ""


def who_may(declined: Declined, action: str) -> tuple[str, ...]:
    """Who could have approved it, where that still matters and the reason does not name them already. Pure."""
    record = declined.record
    told = record.approval in declined.reason or "approvers are" in declined.reason
    return (
        () if told or action != APPROVE or record.state is not State.PENDING else (f"May approve: {record.approval}.",)
    )


@dataclass
class Clicks:
    """Takes clicks to the desk. `app` is our app id, as the socket's hello named it ("" before: all refused)."""

    api: SlackApi
    desk: Desk
    journal: Journal
    directory: SlackDirectory
    follower: Follower
    clock: Clock
    app: str = ""

    async def press(self, job: Job) -> None:
        """Carry out one click, or tell its presser why not."""
        click = Click(**job.body)
        change = await change_of(self.journal, click.token) if click.token else None
        card = await Card.of(self.journal, change) if change else None
        wrong = misplaced(click, card, self.api.me.team, self.app) or await channel_fault(self.api, click.channel)
        if wrong or change is None or card is None:
            await self._refuse(click, change, wrong or "its token is unknown")
            return
        standing = await self.directory.standing(click.where.actor.key)
        try:
            await self._carry(click, change, card, standing)
        except AskError as error:
            await self._say(click, "Not done.", str(error))
        except JournalDown as error:
            log.exception("slack.click.undecided", change=change)
            await self._say(click, "Not decided: the journal cannot be written.", str(error), "Press again later.")
        except Exception:
            await self._say(click, "Something broke inside the bot.", "Whether your click counted is on the card.")
            raise
        finally:
            self.follower.wake.set()

    async def _carry(self, click: Click, change: str, card: Card, standing: Standing) -> None:
        if click.action == REVERT:
            proposed = await self.desk.revert(change, standing)
            if await Thread.of(self.journal, proposed.run) is None and proposed.run:
                await Thread(card.channel, card.thread, click.user, click.respond).keep(self.journal, proposed.run)
            return
        if click.action == APPROVE:
            decision = await self.desk.approve(change, standing)
        else:
            decision = await self.desk.deny(change, standing, click.reason)
        if isinstance(decision, Declined):
            title = f"Not {'approved' if click.action == APPROVE else 'denied'}."
            await self._say(click, title, decision.reason, *who_may(decision, click.action))

    async def _refuse(self, click: Click, change: str | None, reason: str) -> None:
        """A click that never reached the desk: the log keeps it, its presser is told."""
        data = {"reason": reason, "channel": click.channel, "message": click.ts, "action": click.action}
        event = Event("ClickRefused", click.where.actor.key, stamp(self.clock.now()), change, data)
        try:
            await self.journal.append([event])
        except JournalDown:
            log.exception("slack.click.unlogged", **data)
        await self._say(click, "Not done.", f"This click does not count: {reason}.")

    async def _say(self, click: Click, title: str, *lines: str) -> None:
        await answer(self.api, click.where, told(title, *lines), key=f"say:{click.key}")


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = body.get(name)
    return part if isinstance(part, Mapping) else {}


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""
