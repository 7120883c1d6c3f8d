"""Who is this Slack user right now? Asked of Slack at each decision, never of a cache."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.refusal import UNREACHABLE, code
from bot.core.errors import ConfigError
from bot.core.policy import Actor, Standing
from bot.core.text import neutral

_KEY = re.compile(r"slack:([TE][A-Z0-9]{1,20}):([UW][A-Z0-9]{1,20})")

MUST_BE_FALSE: Mapping[str, str] = {
    "deleted": "is deactivated",
    "is_restricted": "is a guest",
    "is_ultra_restricted": "is a single-channel guest",
    "is_bot": "is a bot",
}
"""Flags that users.info always gives for a member, and what the user is when one is set. Missing: refused."""
MAY_BE_TRUE_OF_OTHERS: Mapping[str, str] = {
    "is_stranger": "belongs to another workspace",
    "is_workflow_bot": "is a workflow",
    "is_connector_bot": "is a connector",
    "is_invited_user": "has not accepted the invitation",
}
"""Flags that users.info gives only where they matter; Slack documents that absent means no."""
SLACKBOT = "USLACKBOT"
"""Slack's own bot says of itself that it is none."""


def fault(user: Mapping[str, Any], team: str, wanted: str) -> str:
    """Why this user may decide nothing, or nothing. `user` is what users.info answered. Pure."""
    if user.get("id") != wanted:
        return "could not be looked up: Slack answered for somebody else"
    if user.get("team_id") != team:
        return "belongs to another workspace"
    unsaid = [name for name in MUST_BE_FALSE if not isinstance(user.get(name), bool)]
    if unsaid:
        return f"could not be looked up: Slack did not say {', '.join(unsaid)}"
    set_ = [words for name, words in MUST_BE_FALSE.items() if user[name]]
    set_ += [words for name, words in MAY_BE_TRUE_OF_OTHERS.items() if user.get(name, False) is not False]
    set_ += ["is a bot"] * (wanted == SLACKBOT)
    return set_[0] if set_ else ""


class SlackDirectory:
    """Serves `ports.Directory` for `slack:TEAM:USER` keys. `usergroups` names the groups that the policy asks about."""

    def __init__(self, api: SlackApi, usergroups: Callable[[], Iterable[str]] = tuple) -> None:
        self._api = api
        self._usergroups = usergroups

    async def standing(self, key: str) -> Standing:
        """A fresh look-up; whatever fails is a fault in the standing."""
        match = _KEY.fullmatch(key)
        if match is None:
            return Standing(Actor("slack", key.removeprefix("slack:")), fault=f"is no Slack user: {neutral(key, 60)}")
        team, user = match.groups()
        actor = Actor("slack", f"{team}:{user}")
        if team != self._api.me.team:
            return Standing(actor, fault="belongs to another workspace")
        try:
            answer = await self._api.client.users_info(user=user)
            found = answer.get("user")
            person: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
            actor = Actor("slack", f"{team}:{user}", neutral(str(person.get("name") or user), 80))
            wrong = fault(person, team, user)
            return Standing(actor, wrong) if wrong else Standing(actor, "", await self._groups_of(user))
        except UNREACHABLE as error:
            return Standing(actor, fault=f"could not be looked up: {code(error)}")
        except (LookupError, ConfigError) as error:
            return Standing(actor, fault=f"could not be looked up: {error.args[0]}")

    async def _groups_of(self, user: str) -> frozenset[str]:
        inside = set()
        for group in sorted(set(self._usergroups())):
            answer = await self._api.client.usergroups_users_list(usergroup=group)
            users = answer.get("users")
            if not isinstance(users, list):
                raise LookupError(f"Slack did not say who is in user group {group}")  # noqa: TRY004 - not our mistake
            if user in users:
                inside.add(group)
        return frozenset(inside)


async def channel_fault(api: SlackApi, channel: str) -> str:
    """Why nothing may be told or decided in this channel, or nothing: outsiders read along, or Slack does not say."""
    try:
        answer = await api.client.conversations_info(channel=channel)
    except UNREACHABLE as error:
        return f"the channel could not be looked up: {code(error)}"
    found = answer.get("channel")
    return shared_fault(found if isinstance(found, Mapping) else {})


def shared_fault(channel: Mapping[str, Any]) -> str:
    """Whether the channel is shared with another organisation. Pure; a missing answer counts as shared."""
    if channel.get("is_im") is True and channel.get("is_ext_shared", False) is False:
        return ""
    for name in ("is_ext_shared", "is_pending_ext_shared"):
        if not isinstance(channel.get(name), bool):
            return f"the channel could not be looked up: Slack did not say {name}"
        if channel[name]:
            return "this channel is shared with another organisation"
    return ""
