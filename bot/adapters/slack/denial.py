"""Why is a change denied? The modal that asks, and the click that it completes. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from bot.adapters.slack.clicks import Click
from bot.adapters.slack.form import read_text
from bot.adapters.slack.pieces import Element, line, plain, rich, run

CALLBACK = "deny.form"
REASON = "deny.reason"
REASON_MAX = 300


def view(click: Click, about: str) -> dict[str, Any]:
    """The modal; `about` names host and change. It keeps what the click said of its place; who sends it, Slack says
    anew.
    """
    reason: Element = {
        "type": "plain_text_input",
        "action_id": REASON,
        "max_length": REASON_MAX,
        "placeholder": plain("For the one who asked, and for the log", 150),
    }
    asked = {"type": "input", "block_id": REASON, "label": plain("Why?", 2_000), "element": reason}
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": plain("Deny this change", 24),
        "submit": plain("Deny", 24),
        "close": plain("Cancel", 24),
        "private_metadata": json.dumps(asdict(click)),
        "blocks": [*([rich(line(run(about, bold=True, most=500)))] if about else []), asked],
    }


def read(body: Mapping[str, Any]) -> Click | str:
    """The click with its reason and with whoever submitted the form; or what is wrong with the field."""
    view_ = body.get("view") or {}
    try:
        click = Click(**json.loads(str(view_.get("private_metadata", ""))))
    except (TypeError, ValueError):
        return "Press Deny on the card again."
    why = " ".join(read_text((view_.get("state") or {}).get("values") or {}, REASON).split())
    if not why:
        return "Why? Whoever asked will want to know."
    user, team = body.get("user") or {}, body.get("team") or {}
    return replace(
        click,
        team=str(team.get("id", "")),
        user=str(user.get("id", "")),
        user_team=str(user.get("team_id", "")),
        app=str(body.get("api_app_id", "")),
        reason=why,
    )
