"""What is answered to a question that reads no host? Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.adapters.slack.card import headline
from bot.adapters.slack.pieces import (
    Element,
    Message,
    bullets,
    context,
    fallback,
    header,
    line,
    literal,
    packed,
    rich,
    run,
    when,
    who,
)
from bot.adapters.slack.words import USAGE, Word
from bot.core.approval import Record
from bot.core.audit import Entry

OPEN_FORM = "form.open"
"""The button that opens the form where a slash command cannot be typed."""
SHOWN = 25
"""Rows of a list; what is older is a command at the terminal away."""

_ABOUT: Mapping[Word, str] = {
    Word.RUN: "read the hosts and say what is wrong; without playbooks, all of them",
    Word.PODS: "a node's namespaces and pods as a table: sockets, descriptors, queues, rates; what hurts first",
    Word.HELP: "this",
    Word.PLAYBOOKS: "what can be checked",
    Word.CHANGES: "proposed and applied changes, newest first",
    Word.SWEEPS: "what is looked at on a schedule: next run, last run, pauses",
    Word.SWEEP: "run a sweep at once, stop it for a while, or let it go on",
    Word.SILENCE: "what shall not be told for a while; it is still looked at",
    Word.SILENCES: "what is silent, until when, and why",
    Word.UNSILENCE: "take a silence back",
    Word.HALT: "stop every change at once; one approver is enough",
    Word.RESUME: "ask to let changes go on; it takes as many approvers as the policy says",
    Word.AUDIT: "the newest entries of the log that nobody can quietly edit",
    Word.HISTORY: "a host over time: its measures and faults as a picture, its runs and changes",
    Word.STATUS: "whether the bot itself is well",
}


@dataclass(frozen=True, slots=True)
class Catalog:
    """What may be asked for, by name, as the form and the hints show it."""

    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    playbooks: Mapping[str, str] = field(default_factory=dict)
    """Name to title."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Groups, then hosts; `all` first."""
        return tuple(dict.fromkeys(("all", *self.groups, *self.hosts)))


@dataclass(frozen=True, slots=True)
class Run:
    """One earlier run of a host, as the log tells it."""

    run: str
    at: str
    actor: str
    status: str
    findings: tuple[str, ...]


def help_(name: str) -> Message:
    """Every command, and where each can be typed."""
    rows = [line(run(f"{name} {USAGE[word]}", code=True), f"  {about}") for word, about in _ABOUT.items()]
    target = "TARGET is a host, a group, label=value, a glob, a comma list, or all."
    threads = f"{name} alone opens a form. In a thread, mention the bot and type the same words after the mention."
    blocks = (header("netdiag: the network doctor on call"), rich(bullets(rows)), context(target, threads))
    return Message(fallback("netdiag help", *(f"{name} {usage}" for usage in USAGE.values())), blocks)


def ask_for_target(name: str) -> Message:
    """A mention without words: the form needs a click, because a mention cannot open one."""
    button = {
        "type": "button",
        "action_id": OPEN_FORM,
        "text": {"type": "plain_text", "text": "Choose a target", "emoji": False},
    }
    said = "Which host? Type the target after the mention, or choose it."
    blocks = (rich(line(said)), {"type": "actions", "elements": [button]}, context(f"{name} help shows every command."))
    return Message(fallback(said), blocks)


def playbooks(known: Mapping[str, str]) -> Message:
    """What can be checked."""
    rows = [line(run(name, code=True), f"  {title}") for name, title in sorted(known.items())]
    return _list(f"Playbooks: {len(known)}", rows, "No playbook is loaded: see netdiag playbooks lint.")


def changes(records: Sequence[Record], now: datetime, host: str = "") -> Message:
    """Changes, newest first."""
    of = f" of {host}" if host else ""
    rows = [_change(record, now) for record in records[:SHOWN]]
    return _list(f"Changes{of}", rows, f"No change{of} was ever proposed.")


def audit(entries: Sequence[Entry]) -> Message:
    """The newest entries of the chain, newest first, with the hash that vouches for all of them."""
    rows = [_entry(entry) for entry in entries]
    message = _list("Audit log, newest first", rows, "The log has no entry yet.")
    if not entries:
        return message
    head = entries[0]
    small = context(f"Head: {head.seq} {head.hash}", "Prove the whole log: netdiag audit verify")
    return Message(message.text, (*message.blocks, small))


def history(target: str, runs: Sequence[Run], records: Sequence[Record], now: datetime) -> Message:
    """What is known of a host's past."""
    rows = [
        line(
            when(item.at),
            f"  {item.status}  ",
            run(", ".join(item.findings) or "nothing found", most=300),
            run(f"  {item.run}, asked by ", italic=True),
            who(item.actor),
        )
        for item in runs[:SHOWN]
    ]
    blocks = [header(f"History of {target}"), rich(line(run("Runs", bold=True)), _or(rows, "No run is in the log."))]
    told = [_change(record, now) for record in records[:SHOWN]]
    blocks.append(rich(line(run("Changes", bold=True)), _or(told, "No change was ever proposed.")))
    return packed(fallback(f"History of {target}", f"{len(runs)} runs", f"{len(records)} changes"), blocks)[0]


def status(rows: Sequence[tuple[str, str]]) -> Message:
    """Whether the bot is well: name and value, one a line."""
    told = [line(run(f"{name}: ", bold=True), value) for name, value in rows]
    return _list("netdiag status", told, "Nothing is known.")


def told(title: str, *lines: str) -> Message:
    """A short answer: what is the matter, and what to do."""
    blocks = [rich(line(run(title, bold=True)), *(line(text) for text in lines))]
    return Message(fallback(title, *lines), tuple(blocks))


def code(title: str, lines: Sequence[str]) -> Message:
    """Lines of fixed-width type under a title. The lines must be safe already."""
    return Message(fallback(title, *lines[:3]), (rich(line(run(title, bold=True)), literal(lines)),))


def _list(title: str, rows: Sequence[Element], none: str) -> Message:
    text = fallback(title, none if not rows else f"{len(rows)} shown")
    return packed(text, (header(title), rich(_or(rows, none))))[0]


def _or(rows: Sequence[Element], none: str) -> Element:
    return bullets(rows) if rows else line(none)


def _change(record: Record, now: datetime) -> Element:
    shape, words = headline(record, now)
    return line(
        run(f"{shape} {words}  ", bold=True),
        run(record.change.host, code=True),
        run(f"  {record.change.plan.summary}", most=200),
        run(f"  {record.change.id[:12]}  ", italic=True),
        when(record.change.created),
    )


def _entry(entry: Entry) -> Element:
    body: Any = json.loads(entry.body)
    event: Mapping[str, Any] = body if isinstance(body, dict) else {}
    about = f" change {event['change']}" if event.get("change") else ""
    return line(
        run(f"{entry.seq} ", bold=True),
        when(str(event.get("at", ""))),
        run(f"  {event.get('kind', '?')}{about} by "),
        who(str(event.get("actor", ""))),
    )
