"""What does it mean that Slack refused a call, or did not answer, and what is to be done?"""

from collections.abc import Mapping

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

DOUBTFUL = frozenset({"fatal_error", "internal_error", "service_unavailable", "request_timeout"})
"""Codes by which Slack does not say that nothing was done."""

UNREACHABLE = (SlackClientError, aiohttp.ClientError, TimeoutError)
"""What a call raises when Slack refuses (SlackApiError among them) or cannot be reached."""

NO_PLACE: Mapping[str, str] = {
    "not_in_channel": "I am not in this channel. Invite me with /invite and ask again.",
    "channel_not_found": "I cannot see this conversation. Invite me with /invite, or ask in a channel I am in.",
    "is_archived": "This channel is archived. Ask in another one.",
    "restricted_action": "This workspace does not let me post here. Ask in another channel.",
    "restricted_action_read_only_channel": "This channel is read-only. Ask in another one.",
    "restricted_action_thread_only_channel": "This channel takes replies only. Mention me in a thread.",
    "restricted_action_non_threadable_channel": "This channel has no threads. Ask in another one.",
    "restricted_action_thread_locked": "This thread is locked. Ask in the channel.",
    "messages_tab_disabled": "Direct messages with me are switched off. Ask in a channel.",
}
"""Why a message cannot be posted somewhere, and what to do."""


def code(error: BaseException) -> str:
    """Slack's error code, or what kind of failure it was."""
    if not isinstance(error, SlackApiError):
        return type(error).__name__
    if isinstance(error.response.data, dict):
        return str(error.response.data.get("error") or "unknown_error")
    return f"http_{error.response.status_code}"  # an answer of something in between, not of Slack's API


def lost(error: BaseException) -> bool:
    """Whether the call may have had its effect all the same."""
    return not isinstance(error, SlackApiError) or code(error) in DOUBTFUL or code(error).startswith("http_5")
