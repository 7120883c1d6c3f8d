"""What does the card of a change say, and which buttons does it still offer? Pure.

Everything that will happen is read back from the digested bytes, whole; what does not fit is refused, never cut.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.adapters.slack.pieces import (
    MACHINES,
    Block,
    Element,
    Message,
    bullets,
    context,
    fallback,
    header,
    line,
    literal,
    plain,
    rich,
    run,
    when,
    who,
)
from bot.core.approval import Effect, Record, State
from bot.core.blockkit import faults
from bot.core.text import neutral

APPROVE, DENY, REVERT = "change.approve", "change.deny", "change.revert"
WHOLE = 4_000
"""More than any one text of a change that still fits: `neutral` never gets to cut."""
CONFIRM_MAX = 300

_STATE: Mapping[State, tuple[str, str]] = {
    State.PENDING: ("◇", "proposed change"),
    State.APPROVED: ("◆", "approved, about to be applied"),
    State.CLAIMED: ("◆", "approved, about to be applied"),
    State.INTENT: ("…", "applying"),
    State.DONE: ("✔", "applied"),
    State.FAILED: ("✖", "failed"),
    State.STALE: ("▲", "stale, nothing was done"),
    State.DENIED: ("✖", "denied"),
    State.EXPIRED: ("▲", "expired, nothing was done"),
    State.UNKNOWN: ("?", "outcome unknown"),
    State.REVERTED: ("↩", "reverted"),
}
_EFFECT: Mapping[Effect, tuple[str, str]] = {
    Effect.NOT_CHECKED: ("✔", "applied; the symptom is being watched"),
    Effect.RESOLVED: ("✔", "applied and verified"),
    Effect.NEEDS_FOLLOW_UP: ("▲", "in force, but needs a follow-up"),
    Effect.PERSISTS: ("▲", "in force, but the symptom persists"),
    Effect.UNKNOWN: ("?", "in force, effect unknown"),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What the card still offers, so that the front end knows which clicks to take."""

    approve: bool = False
    deny: bool = False
    revert: bool = False

    def __bool__(self) -> bool:
        return self.approve or self.deny or self.revert


def expired(record: Record, now: datetime) -> bool:
    """Nobody claimed it in time, whether or not the journal says so yet."""
    over = datetime.fromisoformat(record.change.expires) <= now.astimezone(UTC)
    return record.state is State.EXPIRED or (over and record.state in (State.PENDING, State.APPROVED))


def offers(record: Record, now: datetime) -> Offer:
    """The buttons that still do something."""
    if record.state is State.PENDING and not expired(record, now):
        return Offer(approve=True, deny=True)
    if record.state is State.APPROVED and not expired(record, now):
        return Offer(deny=True)
    return Offer(revert=record.state is State.DONE and bool(record.change.plan.inverse) and not record.reverted_by)


def headline(record: Record, now: datetime) -> tuple[str, str]:
    """Shape and words of the state: never colour alone."""
    if expired(record, now):
        return _STATE[State.EXPIRED]
    return _EFFECT[record.effect] if record.state is State.DONE else _STATE[record.state]


def card(record: Record, token: str, now: datetime) -> Message:
    """The card of a change in its present state. `token` is what the buttons carry; `now` is UTC."""
    shape, words = headline(record, now)
    change = json.loads(record.change.canonical())
    head = f"{shape} {change['host']}: {words}"
    text = fallback(
        head, change["plan"]["summary"], record.approval if record.state is State.PENDING else record.reason
    )
    offered = offers(record, now)
    blocks = (header(head), *_life(record, now), *_body(change, record))
    whole = Message(text, (*blocks, *_buttons(offered, change, token)))
    wrong = _unfit(whole, change)
    if not wrong:
        return whole
    if offered.approve:
        return _refused(record, text, head, wrong)
    # It was decided elsewhere: the outcome is what is left to tell, and the commands are in the log.
    short = line(run(change["plan"]["summary"], most=1_000))
    return Message(text, (header(head), *_life(record, now), rich(short), _see(change["id"])))


def shown(argv: Sequence[str]) -> str:
    """A command so that no two different ones look alike: quoted for sh, or JSON where a character could deceive."""
    if all(" " <= char <= "~" for word in argv for char in word):
        return shlex.join(argv)
    return json.dumps(list(argv), ensure_ascii=True)


def _refused(record: Record, text: str, head: str, wrong: str) -> Message:
    said = f"This change cannot be approved here: {wrong}. Nothing of it is hidden elsewhere."
    short = line(run(record.change.plan.summary, most=1_000))
    return Message(text, (header(head), rich(short, line(run(said, bold=True))), _see(record.change.id)))


def _see(change: str) -> Block:
    return context(f"Whole: netdiag changes show {change}  ·  decide at the terminal: netdiag approve {change}")


def _unfit(message: Message, change: Mapping[str, Any]) -> str:
    """Why the card cannot be shown whole, or nothing."""
    long = max(map(len, _texts(change)))
    if long >= WHOLE:
        return f"one of its texts has {long} characters"
    wrong = faults(message.body())
    if wrong:
        return f"it does not fit into a Slack message ({wrong[0].message})"
    confirm = _confirm_text(change)
    if len(confirm) > CONFIRM_MAX:
        return f"its summary does not fit into a confirmation ({len(confirm)} characters, at most {CONFIRM_MAX})"
    return ""


def _texts(part: object) -> Iterator[str]:
    """Every text of the change, and how much room a deceptive one takes once it is spelled out."""
    if isinstance(part, str):
        yield neutral(part, 10 * WHOLE)
    elif isinstance(part, Mapping):
        for inner in part.values():
            yield from _texts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _texts(inner)


def _life(record: Record, now: datetime) -> Iterable[Block]:
    """What happened to it so far."""
    told: list[Element] = []
    if record.votes:
        voters: list[Element] = [run("Approved by ", bold=True)]
        for number, vote in enumerate(record.votes):
            own = " (own change)" if vote.self_approval else ""
            voters += [run(", ")] * (number > 0) + [who(vote.actor), run(f"{own} "), when(vote.at)]
        if record.people > 1 or len(record.votes) < record.people:
            voters.append(run(f" ({len(record.votes)} of {record.people})"))
        told.append(line(*voters))
    if record.denied_by and not record.reason:
        told.append(line(run("Denied by ", bold=True), who(record.denied_by)))
    if record.reason and record.state not in (State.APPROVED, State.CLAIMED):
        told.append(line(run(record.reason, most=1_000)))
    if expired(record, now):
        told.append(line("Nobody approved it in time. Run the diagnosis again for a fresh proposal."))
    if record.effect_note:
        told.append(line(run(record.effect_note, most=1_000)))
    told += [line(run(f"{about}: ", italic=True), run(printed, code=True)) for about, printed in record.readback[:10]]
    if record.follow_up:
        told.append(line("Next step proposed: change ", run(record.follow_up, code=True)))
    if record.reverted_by:
        told.append(line("Reverted by change ", run(record.reverted_by, code=True)))
    if record.state is State.UNKNOWN:
        told.append(line("It is never sent again. The host is read until it is known what happened."))
    if record.state is State.STALE:
        told.append(line("The host had changed since it was read. Run the diagnosis again for a fresh proposal."))
    return [rich(*told)] if told else []


def _body(change: Mapping[str, Any], record: Record) -> Iterable[Block]:
    """Everything that will happen, from the digested bytes: what it is and may do before how it is done."""
    plan = change["plan"]
    harm = (("Risk", plan["risk"]), ("Impact", plan["impact"]), ("Does not fix", plan["not_fixed"]))
    told = [line(run(f"{name}: ", bold=True), run(text, most=WHOLE)) for name, text in harm if text]
    yield rich(line(run(plan["summary"], bold=True, most=WHOLE)), bullets(told))
    yield _commands(f"Runs on {change['host']}", plan["steps"])
    if plan["inverse"]:
        yield _commands("Undo", plan["inverse"])
    else:
        yield rich(line(run("▲ Irreversible: ", bold=True), "there is no undo."))
    yield _checks("Only if, at that moment", plan["precondition"])
    yield _checks("Done when", plan["verify"])
    facts: list[tuple[str, str]] = [
        ("For", f"{change['finding']} (playbook {change['playbook']} {change['playbook_revision'][:12]})"),
        ("Action", f"{change['action']} {json.dumps(change['with'], sort_keys=True)}"),
        ("Host key", change["host_key"]),
        ("Dead man", f"undoes itself unless a new connection confirms within {change['confirm_within']} s"),
        ("Then", _then(change["then"])),
        ("Reverts", change["reverts"] or ""),
    ]
    if not plan["inverse"]:
        facts = [fact for fact in facts if fact[0] != "Dead man"]
    told = [line(run(f"{name}: ", bold=True), run(text, most=WHOLE)) for name, text in facts if text]
    owned = record.asker.partition(":")[0] in MACHINES and change["requester"] != record.asker
    owner = [run(f" for {change['requester']}", most=120)] if owned else []
    people = line(run("Asked by ", bold=True), who(record.asker or change["requester"]), *owner)
    until = line(
        run("May approve: ", bold=True),
        run(record.approval or "nobody", most=WHOLE),
        run("; expires "),
        when(change["expires"]),
    )
    yield rich(bullets([*told, people, until]))
    yield context(f"Change {change['id']}  ·  digest {record.digest[:16]}")


def _then(follow: Mapping[str, Any] | None) -> str:
    """The step that would be proposed next: its own change, with its own approval."""
    if not follow:
        return ""
    return f"{follow['action']} may be proposed next, to be approved on its own" + (
        f": {follow['say']}" if follow["say"] else ""
    )


def _commands(title: str, steps: Sequence[Sequence[str]]) -> Block:
    return rich(line(run(title, bold=True, most=WHOLE)), literal([shown(argv) for argv in steps]))


def _checks(title: str, checks: Sequence[Mapping[str, Any]]) -> Block:
    told = []
    for check in checks:
        sign = "prints" if check["compare"] == "equals" else "does not print"
        wanted = check["expect"]
        exact = wanted if neutral(wanted, WHOLE) == wanted else json.dumps(wanted, ensure_ascii=True)
        told.append(
            line(
                run(f"{check['about']}: ", most=WHOLE),
                run(shown(check["argv"]), code=True, most=WHOLE),
                run(f" {sign} "),
                run(exact or '""', code=True, most=WHOLE),
            )
        )
    return rich(line(run(title, bold=True)), bullets(told))


def _buttons(offered: Offer, change: Mapping[str, Any], token: str) -> tuple[Block, ...]:
    wanted = {APPROVE: offered.approve, DENY: offered.deny, REVERT: offered.revert}
    buttons = [_button(action, change, token) for action, on in wanted.items() if on]
    return ({"type": "actions", "elements": buttons},) if buttons else ()


_BUTTON: Mapping[str, tuple[str, str, str, str]] = {
    APPROVE: ("Approve", "primary", "Approve this change?", "Approve"),
    DENY: ("Deny…", "danger", "", ""),
    REVERT: ("Revert", "danger", "Propose the inverse?", "Propose"),
}


def _button(action: str, change: Mapping[str, Any], token: str) -> dict[str, Any]:
    label, style, title, yes = _BUTTON[action]
    confirm = {
        "title": plain(title, 100),
        "text": plain(_confirm_text(change), CONFIRM_MAX),
        "confirm": plain(yes, 30),
        "deny": plain("Cancel", 30),
        "style": style,
    }
    button = {
        "type": "button",
        "action_id": action,
        "text": plain(label, 75),
        "style": style,
        "value": token,
        "accessibility_label": neutral(f"{label} change {change['id']} on {change['host']}", 75),
    }
    return button if action == DENY else button | {"confirm": confirm}  # Deny asks for a reason instead


def _confirm_text(change: Mapping[str, Any]) -> str:
    return neutral(f"{change['host']}: {change['plan']['summary']}", WHOLE)
