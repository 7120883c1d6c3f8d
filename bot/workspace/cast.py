"""Who and what is in a workspace when it starts?"""

from collections.abc import Iterable, Sequence

from bot.workspace.model import Channel, Person, UserGroup, Workspace
from bot.workspace.wire import App

TEAM = "T0LOCAL"
APP_ID, BOT_ID, BOT_USER = "A0NETDIAG", "B0NETDIAG", "U0NETDIAG"

PEOPLE = (
    Person("U0ALICE", "alice", "Alice Moreau", is_admin=True),
    Person("U0BOB", "bob", "Bob Okafor"),
    Person("U0CAROL", "carol", "Carol Lindqvist"),
    Person("U0DAVE", "dave", "Dave Rossi", is_restricted=True),
)
"""Alice, Bob, Carol; Dave is a guest. Their ids are those of the example policy."""


def channels(people: Iterable[Person]) -> tuple[Channel, ...]:
    """#netops (everybody and the bot), #general (without the bot), #netdiag-audit (members and the bot)."""
    everybody = frozenset(one.id for one in people)
    members = frozenset(one.id for one in people if not one.is_restricted)
    return (
        Channel("C0NETOPS", "netops", everybody | {BOT_USER}, topic="Network operations, on call"),
        Channel("C0GENERAL", "general", members, topic="Company-wide announcements"),
        Channel("C0AUDIT", "netdiag-audit", members | {BOT_USER}, topic="Heads of the audit log"),
    )


def world(people: Sequence[Person], rooms: Sequence[Channel], groups: Sequence[UserGroup], app: App) -> Workspace:
    """The workspace on its first morning: these people, rooms and groups, and the bot."""
    bot = Person(BOT_USER, app.name, app.name, is_bot=True)
    return Workspace(
        team_id=TEAM,
        team_name="Acme Networks",
        domain="acme-networks",
        people={one.id: one for one in (*people, bot)},
        channels={one.id: one for one in rooms},
        usergroups={one.id: one for one in groups},
    )
