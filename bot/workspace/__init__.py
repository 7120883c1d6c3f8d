"""A Slack of one's own, for demos and tests: Web API, Socket Mode and a browser page on 127.0.0.1.

async with await LocalSlack.start() as slack:
    print(slack.url)                      # open it and act as Alice, Bob, Carol or a guest
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    await slack.command("alice", "#netops", "/netdiag node-3")
"""

from bot.workspace.cast import PEOPLE, channels
from bot.workspace.link import Pace
from bot.workspace.local import LocalSlack
from bot.workspace.manifest import Command, Manifest
from bot.workspace.model import Channel, Kind, Message, Person, UserGroup, View
from bot.workspace.outcome import Outcome

__all__ = [
    "PEOPLE",
    "Channel",
    "Command",
    "Kind",
    "LocalSlack",
    "Manifest",
    "Message",
    "Outcome",
    "Pace",
    "Person",
    "UserGroup",
    "View",
    "channels",
]
