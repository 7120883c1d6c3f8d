"""How is a finding of a digest silenced without typing? The modal, and the command that it comes to. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.adapters.slack.form import read_choice, read_text
from bot.adapters.slack.pieces import Block, Element, context, plain
from bot.adapters.slack.words import Command, Word

CALLBACK = "silence.form"
WHAT, WHERE, LONG, WHY = "silence.what", "silence.where", "silence.long", "silence.why"
SPANS: Mapping[str, str] = {
    "1h": "1 hour",
    "4h": "4 hours",
    "12h": "12 hours",
    "1d": "1 day",
    "3d": "3 days",
    "1w": "1 week",
    "4w": "4 weeks",
}
THESE, ALL = "these", "all"
CHOICES = 100
WHY_MAX = 300


@dataclass(frozen=True, slots=True)
class Choice:
    """A finding of the digest, and the hosts that have it."""

    finding: str
    title: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """The digest that it was opened on: its key, and where it stands."""

    key: str
    channel: str
    thread: str


def choices(kept: Mapping[str, Any]) -> tuple[Choice, ...]:
    """What was remembered of a digest."""
    return tuple(Choice(str(ident), str(title), tuple(hosts)) for ident, title, hosts in kept.get("choices", ()))


def view(offered: Sequence[Choice], origin: Origin) -> dict[str, Any]:
    """The modal."""
    what = [_option(_label(one), str(number)) for number, one in enumerate(offered[:CHOICES])]
    where = [_option("The hosts that have it now", THESE), _option("Every host", ALL)]
    spans = [_option(words, value) for value, words in SPANS.items()]
    reason: Element = {"type": "plain_text_input", "action_id": WHY, "max_length": WHY_MAX, "multiline": False}
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": plain("Silence a finding", 24),
        "submit": plain("Silence", 24),
        "close": plain("Cancel", 24),
        "private_metadata": json.dumps(asdict(origin)),
        "blocks": [
            _input(WHAT, "Finding", _select(WHAT, what)),
            _input(WHERE, "Where", _select(WHERE, where)),
            _input(LONG, "For how long", _select(LONG, spans)),
            _input(WHY, "Why", reason),
            context("It is still looked at, and told when the silence ends. Your name and reason stand in the log."),
        ],
    }


def origin(private_metadata: str) -> Origin | None:
    """Where it was opened; None when the metadata is not ours."""
    try:
        return Origin(**json.loads(private_metadata))
    except (TypeError, ValueError):
        return None


def read(state: Mapping[str, Any], offered: Sequence[Choice]) -> Command | Mapping[str, str]:
    """The command, or what is wrong with which field."""
    number = read_choice(state, WHAT)
    if not number.isdecimal() or int(number) >= len(offered):
        return {WHAT: "Choose a finding; if it is not here any more, open the form again."}
    chosen = offered[int(number)]
    span, why = read_choice(state, LONG), " ".join(read_text(state, WHY).split())
    if span not in SPANS:
        return {LONG: "For how long?"}
    if not why:
        return {WHY: "Why? Others will ask."}
    hosts = "all" if read_choice(state, WHERE) == ALL else ",".join(chosen.hosts)
    return Command(Word.SILENCE, rest=f"{hosts} {chosen.finding} for {span} because {why}")


def _label(one: Choice) -> str:
    hosts = one.hosts[0] if len(one.hosts) == 1 else f"{len(one.hosts)} hosts"
    return f"{one.title} ({hosts})"


def _select(action: str, options: Sequence[Element]) -> Element:
    return {"type": "static_select", "action_id": action, "options": list(options), "initial_option": options[0]}


def _option(label: str, value: str) -> Element:
    return {"text": plain(label, 75), "value": value}


def _input(block: str, label: str, element: Element) -> Block:
    return {"type": "input", "block_id": block, "label": plain(label, 2_000), "element": element}
