"""How does a Slack workspace reach netdiag? Unmodified slack-bolt over Socket Mode, and messages as values.

api, directory = connect(bot_token, app_token, base_url, usergroups)
front = SlackFront(api, desk=..., journal=..., clock=..., catalog=Catalog(...), directory=directory, ...)
await front.run(stop, ready)
"""

from bot.adapters.slack.front import SlackFront, Tuning, connect
from bot.adapters.slack.talk import Catalog

__all__ = ["Catalog", "SlackFront", "Tuning", "connect"]
