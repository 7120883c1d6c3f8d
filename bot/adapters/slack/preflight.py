"""Would the bot be able to serve this workspace? Tokens, scopes, reach, and the audit channel, each with its remedy."""

from collections.abc import AsyncIterator, Mapping

from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.directory import channel_fault
from bot.adapters.slack.refusal import NO_PLACE, UNREACHABLE, code
from bot.adapters.slack.session import environment
from bot.core.errors import ConfigError

Row = tuple[str, bool, str, str]
"""About what, whether it is a fault, what was found, what to do."""


async def preflight(
    bot_token: str, app_token: str, base_url: str, audit_channel: str | None, others: Mapping[str, str] | None = None
) -> AsyncIterator[Row]:
    """Ask Slack, changing nothing: rows as they become known, the first fault of the tokens being the last row.

    `others` are further channels to post to: what for, and the id.
    """
    with environment(base_url):
        api = SlackApi(bot_token, app_token, base_url)
        try:
            me = await api.open()
        except ConfigError as fault:
            yield "tokens", True, str(fault), "docs/slack.md, troubleshooting"
            return
        try:
            yield "tokens", False, f"both are good for {me.url or me.team}", ""
            if not audit_channel:
                yield (
                    "audit channel",
                    False,
                    "none is set, so the log's heads are anchored nowhere",
                    "slack_audit_channel",
                )
            else:
                yield await _channel(api, "audit channel", audit_channel, "set slack_audit_channel to its id")
            for about, channel in (others or {}).items():
                yield await _channel(api, about, channel, "write the id of a channel there")
        finally:
            await api.close()


async def _channel(api: SlackApi, about: str, channel: str, remedy: str) -> Row:
    try:
        answer = await api.client.conversations_info(channel=channel)
    except UNREACHABLE as error:
        return about, True, f"{channel}: {code(error)}", NO_PLACE.get(code(error), remedy)
    found = answer.get("channel") or {}
    if not found.get("is_member"):
        return about, True, f"the bot is not in #{found.get('name', channel)}", "type /invite @netdiag there"
    shared = await channel_fault(api, channel)
    if shared:
        return about, True, shared, "choose a channel that nobody outside reads"
    return about, False, f"#{found.get('name', channel)}", ""
