"""What is the app allowed and expected to do, as its manifest says?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command: what the completion popup shows."""

    command: str
    description: str = ""
    usage_hint: str = ""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A global or message shortcut."""

    name: str
    callback_id: str
    kind: str  # "global" or "message"


SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:join",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "reactions:read",
        "reactions:write",
        "usergroups:read",
        "users:read",
    }
)
"""What an app without a manifest is granted."""

EVENTS = frozenset(
    {
        "app_home_opened",
        "app_mention",
        "member_joined_channel",
        "message.channels",
        "message.groups",
        "message.im",
        "reaction_added",
        "reaction_removed",
    }
)
"""What an app without a manifest hears."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The parts of an app manifest that the workspace acts on."""

    name: str = "netdiag"
    description: str = ""
    commands: tuple[Command, ...] = (Command("/netdiag", "Diagnose a host", "TARGET [playbook] [key=value …]"),)
    shortcuts: tuple[Shortcut, ...] = ()
    scopes: frozenset[str] = SCOPES
    events: frozenset[str] = EVENTS
    home_tab: bool = True
    messages_tab: bool = True
    """Whether the app may write to people directly, and they see it."""
    messages_read_only: bool = False
    """Whether people may not answer there."""


def parse(document: Mapping[str, Any]) -> Manifest:
    """Read an app manifest (schema v1 or v2), already loaded from YAML or JSON."""
    display = document.get("display_information") or {}
    features = document.get("features") or {}
    home = features.get("app_home") or {}
    scopes = ((document.get("oauth_config") or {}).get("scopes") or {}).get("bot") or ()
    events = ((document.get("settings") or {}).get("event_subscriptions") or {}).get("bot_events") or ()
    return Manifest(
        name=(features.get("bot_user") or {}).get("display_name") or display.get("name") or "app",
        description=display.get("description") or "",
        commands=tuple(
            Command(one["command"], one.get("description", ""), one.get("usage_hint", ""))
            for one in features.get("slash_commands") or ()
        ),
        shortcuts=tuple(
            Shortcut(one["name"], one["callback_id"], one["type"]) for one in features.get("shortcuts") or ()
        ),
        scopes=frozenset(scopes),
        events=frozenset(events),
        home_tab=bool(home.get("home_tab_enabled", True)),
        messages_tab=bool(home.get("messages_tab_enabled", True)),
        messages_read_only=bool(home.get("messages_tab_read_only_enabled", False)),
    )


PLACES = tuple(
    Path(__file__).parents[depth] / name for depth, name in ((1, "_slack-manifest.yaml"), (2, "slack-manifest.yaml"))
)
"""Where the app's own manifest is: in an installed package, in a checkout."""


def shipped() -> Manifest:
    """The app's own manifest, or the usual set of scopes where there is none."""
    return next((load(path) for path in PLACES if path.is_file()), Manifest())


def load(path: Path) -> Manifest:
    """The manifest in that file (YAML, of which JSON is a part)."""
    return parse(yaml.safe_load(path.read_text("utf-8")))
