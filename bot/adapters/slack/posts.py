"""How does a message with a key stand once, and is edited ever after, over crashes and lost replies?

The key is written down before the message is posted: one that was begun before a crash is looked for by its metadata,
not doubled. The same for files, which carry no metadata: they are looked for by name.
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from slack_sdk.errors import SlackApiError

from bot.adapters.slack.api import Posted, SlackApi
from bot.adapters.slack.memory import SHARED, Stood
from bot.adapters.slack.pieces import Block, File, Message
from bot.adapters.slack.refusal import code
from bot.engine.ports import Journal, JournalDown


@dataclass
class Posts:
    """Messages by key. Every method raises what the calls of :class:`SlackApi` raise, and JournalDown."""

    api: SlackApi
    journal: Journal
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def put(self, channel: str, key: str, message: Message, *, thread: str = "") -> Posted:
        """Post it, or edit what stands under the key; what a person deleted meanwhile is posted anew."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            return await self._put(channel, key, message, thread)

    async def put_anyhow(self, channel: str, key: str, message: Message) -> Posted:
        """As :meth:`put`, also while the journal is down: then Slack's own newest messages are what is remembered."""
        try:
            return await self.put(channel, key, message)
        except JournalDown:
            found = await self.api.sought(channel, "", key)
            if found is None:
                return await self.api.post(channel, message, key=key)
            await self.api.update(found, message)
            return found

    async def edit(self, key: str, posted: Posted, message: Message) -> None:
        """Edit a message that stands, and remember what it shows."""
        shown = fingerprint(message)
        await self.api.update(posted, message)
        await Stood(posted.channel, posted.ts, shown).keep(self.journal, key)

    async def share(self, channel: str, thread: str, key: str, file: File, said: Block | None = None) -> None:
        """Share a file in a thread once."""
        known = await self.journal.recall(SHARED, key)
        if known is not None and known.get("done"):
            return
        if known is None or not await self.api.shared(channel, thread, file.name):
            await self.journal.replace(SHARED, key, {"done": False})
            await self.api.upload(channel, thread, file, said)
        await self.journal.replace(SHARED, key, {"done": True})

    async def _put(self, channel: str, key: str, message: Message, thread: str) -> Posted:
        stood = await Stood.of(self.journal, key)
        if stood is not None and stood.ts:
            posted = Posted(stood.channel, stood.ts)
            if stood.shown == fingerprint(message):
                return posted
            try:
                await self.edit(key, posted, message)
            except SlackApiError as error:
                if code(error) != "message_not_found":
                    raise
                stood = None
            else:
                return posted
        found = None
        if stood is None:
            await Stood(channel).keep(self.journal, key)
        else:
            found = await self.api.sought(channel, thread, key)
        if found is not None:
            await self.edit(key, found, message)
            return found
        posted = await self.api.post(channel, message, key=key, thread=thread)
        await Stood(posted.channel, posted.ts, fingerprint(message)).keep(self.journal, key)
        return posted


def fingerprint(message: Message) -> str:
    """Which rendering a message shows, so that nothing is edited into itself."""
    return hashlib.sha256(json.dumps(message.body(), sort_keys=True).encode()).hexdigest()[:32]
