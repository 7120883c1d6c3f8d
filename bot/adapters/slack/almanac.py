"""How does the picture of a host's history come to whoever asked? Where they asked, for all to see.

Slack has no picture for one person alone; what it shows is what any sweep of the host told.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.directory import channel_fault
from bot.adapters.slack.pieces import File, line, rich, run, who
from bot.adapters.slack.posts import Posts
from bot.adapters.slack.refusal import NO_PLACE, UNREACHABLE, code
from bot.adapters.slack.talk import told
from bot.adapters.slack.where import Where, answer
from bot.engine.ports import Journal, JournalDown
from bot.engine.sweep_ports import Picture

log = structlog.get_logger()
PictureOf = Callable[[str], Awaitable[Picture | None]]


@dataclass
class Almanac:
    """Shows histories. `picture` draws one, None where the bot keeps no history."""

    api: SlackApi
    journal: Journal
    picture: PictureOf | None = None

    async def show(self, where: Where, host: str, key: str) -> None:
        """Share the host's picture, once for the key; whoever asked hears why there is none."""
        if self.picture is None:
            return
        try:
            drawn = await self.picture(host)
            if drawn is None:
                return
            fault = await channel_fault(self.api, where.channel)
            if fault:
                await answer(self.api, where, told(f"The picture is not shown here: {fault}."), key=f"nopicture:{key}")
                return
            file = File(drawn.name, drawn.title, png=drawn.png, alt=drawn.alt)
            said = rich(line(run(f"History of {host}", bold=True), run(", asked by "), who(where.actor.key)))
            await Posts(self.api, self.journal).share(where.channel, where.thread, f"history:{key}", file, said)
        except UNREACHABLE as error:
            log.warning("slack.history.lost", host=host, fault=code(error))
            remedy = NO_PLACE.get(code(error), "Ask again in a minute, or in another channel.")
            said_ = told(f"The picture of {host} could not be shared ({code(error)}).", remedy)
            await answer(self.api, where, said_, key=f"nopicture:{key}")
        except JournalDown as error:
            log.exception("slack.history.unread", host=host)
            await answer(self.api, where, told("The history cannot be read.", str(error)), key=f"nopicture:{key}")
