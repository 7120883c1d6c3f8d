"""What is in a workspace: people, channels, messages, files, views? Values only; a change makes a new `Workspace`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

Json = dict[str, Any]

MESSAGES_MAX = 2_000
"""Messages kept per channel; the oldest go first."""
FILES_MAX = 200
EPHEMERALS_MAX = 200
"""Ephemeral messages kept per person, for tests; a page that reloads never sees them again."""
VIEWS_IN_STACK = 3


class Kind(StrEnum):
    """What sort of conversation: decides its scopes and the `message.*` event."""

    PUBLIC = "channel"
    PRIVATE = "group"
    IM = "im"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account. `name` is the handle; a guest is `is_restricted` and sees only their channels."""

    id: str
    name: str
    real_name: str
    is_restricted: bool = False
    is_admin: bool = False
    deleted: bool = False
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class UserGroup:
    """A group that is mentioned as `<!subteam^ID>` and listed by usergroups.users.list."""

    id: str
    handle: str
    name: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Channel:
    """A conversation and who is in it. An IM has exactly one person beside the bot."""

    id: str
    name: str
    members: frozenset[str]
    kind: Kind = Kind.PUBLIC
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Reaction:
    """One emoji under a message and who put it there, in order."""

    name: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the workspace keeps it. `ts` is its identity in the channel; `thread_ts` names its parent.

    `text` is mrkdwn with entities escaped, as the Web API carries it. `edited` is the ts of the last edit that
    readers are told about. `recipient` is set on an ephemeral message: only that person ever sees it.
    """

    ts: str
    channel: str
    user: str
    text: str = ""
    blocks: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    files: tuple[str, ...] = ()
    thread_ts: str | None = None
    broadcast: bool = False
    reactions: tuple[Reaction, ...] = ()
    edited: str | None = None
    metadata: Json | None = None
    client_msg_id: str | None = None
    recipient: str | None = None
    mrkdwn: bool = True

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread under another message."""
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file. `shares` are the (channel, message ts) where it was shared."""

    id: str
    name: str
    title: str
    mimetype: str
    content: bytes
    user: str
    created: int
    alt: str = ""
    shares: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A modal of somebody's stack, or their App Home. `body` is the view as the app sent it, defaults filled in."""

    id: str
    user: str
    body: Json
    hash: str
    root_id: str
    previous_id: str | None = None

    @property
    def blocks(self) -> tuple[Json, ...]:
        """The blocks of the view."""
        return tuple(self.body["blocks"])


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything at one moment. `messages` per channel in order of ts; `modals` per person, the top one last."""

    team_id: str
    team_name: str
    domain: str
    people: Mapping[str, Person]
    channels: Mapping[str, Channel]
    usergroups: Mapping[str, UserGroup] = field(default_factory=_nothing)
    messages: Mapping[str, tuple[Message, ...]] = field(default_factory=_nothing)
    ephemerals: Mapping[str, tuple[Message, ...]] = field(default_factory=_nothing)
    files: Mapping[str, File] = field(default_factory=_nothing)
    homes: Mapping[str, View] = field(default_factory=_nothing)
    modals: Mapping[str, tuple[View, ...]] = field(default_factory=_nothing)

    def message(self, channel: str, ts: str) -> Message | None:
        """The message with this identity, if it is still kept."""
        return next((one for one in reversed(self.messages.get(channel, ())) if one.ts == ts), None)

    def replies(self, channel: str, ts: str) -> tuple[Message, ...]:
        """The replies under a parent, oldest first, without the parent."""
        return tuple(one for one in self.messages.get(channel, ()) if one.thread_ts == ts and one.ts != ts)

    def view(self, view_id: str) -> View | None:
        """An open modal or a published Home by its id."""
        stacks = (view for stack in self.modals.values() for view in stack)
        return next((view for view in (*stacks, *self.homes.values()) if view.id == view_id), None)

    def visible(self, user: str) -> tuple[Channel, ...]:
        """The conversations a person sees: their own, and public channels unless they are a guest."""
        guest = self.people[user].is_restricted
        return tuple(
            one for one in self.channels.values() if user in one.members or (one.kind is Kind.PUBLIC and not guest)
        )


T = TypeVar("T")


def having(mapping: Mapping[str, T], key: str, value: T, limit: int | None = None) -> Mapping[str, T]:
    """The mapping with one entry set; beyond `limit` the oldest entries are left out."""
    merged = {**mapping, key: value}
    surplus = len(merged) - limit if limit is not None else 0
    for old in list(merged)[: max(surplus, 0)]:
        del merged[old]
    return MappingProxyType(merged)


def posted(world: Workspace, message: Message) -> Workspace:
    """The workspace with one more message, in a channel or seen by one person only."""
    if message.recipient is not None:
        kept = (*world.ephemerals.get(message.recipient, ()), message)[-EPHEMERALS_MAX:]
        return replace(world, ephemerals=having(world.ephemerals, message.recipient, kept))
    kept = (*world.messages.get(message.channel, ()), message)[-MESSAGES_MAX:]
    return replace(world, messages=having(world.messages, message.channel, kept))


def changed(world: Workspace, message: Message) -> Workspace:
    """The workspace where the message with that ts reads like this one (the same for an ephemeral)."""
    if message.recipient is not None:
        theirs = tuple(message if one.ts == message.ts else one for one in world.ephemerals.get(message.recipient, ()))
        return replace(world, ephemerals=having(world.ephemerals, message.recipient, theirs))
    kept = tuple(message if one.ts == message.ts else one for one in world.messages.get(message.channel, ()))
    return replace(world, messages=having(world.messages, message.channel, kept))


def removed(world: Workspace, message: Message) -> Workspace:
    """The workspace without the message."""
    if message.recipient is not None:
        theirs = tuple(one for one in world.ephemerals.get(message.recipient, ()) if one.ts != message.ts)
        return replace(world, ephemerals=having(world.ephemerals, message.recipient, theirs))
    kept = tuple(one for one in world.messages.get(message.channel, ()) if one.ts != message.ts)
    return replace(world, messages=having(world.messages, message.channel, kept))


def reacted(message: Message, name: str, user: str) -> Message:
    """The message with that person's reaction added."""
    if any(one.name == name for one in message.reactions):
        return replace(
            message,
            reactions=tuple(
                replace(one, users=(*one.users, user)) if one.name == name and user not in one.users else one
                for one in message.reactions
            ),
        )
    return replace(message, reactions=(*message.reactions, Reaction(name, (user,))))


def unreacted(message: Message, name: str, user: str) -> Message:
    """The message without that person's reaction; an emoji that nobody holds disappears."""
    left = (
        replace(one, users=tuple(who for who in one.users if who != user)) if one.name == name else one
        for one in message.reactions
    )
    return replace(message, reactions=tuple(one for one in left if one.users))


def joined(world: Workspace, channel: str, user: str) -> Workspace:
    """The workspace where the person is a member of the channel."""
    room = world.channels[channel]
    return replace(world, channels=having(world.channels, channel, replace(room, members=room.members | {user})))


def stacked(world: Workspace, user: str, stack: tuple[View, ...]) -> Workspace:
    """The workspace where these modals are open before the person."""
    return replace(world, modals=having(world.modals, user, stack))
