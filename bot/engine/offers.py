"""Which of a host's findings come with changes to approve? Each distinct offer once, and none that waits already."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bot.core.approval import State, moment
from bot.core.host import Host
from bot.core.playbook import Playbook
from bot.core.policy import Actor
from bot.core.report import Finding, Proposal
from bot.core.snapshot import Snapshot
from bot.engine.annals import Held
from bot.engine.ports import Clock, Journal
from bot.engine.propose import Wish, proposal_of, withheld
from bot.engine.remedy import Remedy

Waiting = Mapping[str, Proposal]
MOST = 1_000


async def offered(  # noqa: PLR0917 - what is offered, on what was seen, for whom
    remedy: Remedy,
    playbooks: Mapping[str, Playbook],
    host: Host,
    seen: Snapshot,
    findings: Iterable[Finding],
    actor: Actor,
    run: str,
    waiting: Waiting | None = None,
    held: Held | None = None,
) -> tuple[Proposal, ...]:
    """One proposal per distinct offer of the root causes; symptoms that a root cause explains wait for its cure.

    What is among `waiting` is not proposed again: the proposal that stands is given. What is `held` is not proposed
    at all, and says why.
    """  # fmt: skip
    proposals: dict[str, Proposal] = {}
    for finding in findings:
        if finding.explained_by is not None:
            continue
        for offer in finding.offers:
            key = f"{offer.action} {sorted(offer.params.items())}"
            if key in proposals:
                continue
            stands = (waiting or {}).get(_key(host.name, finding.fingerprint, offer.action, offer.params))
            revision = playbooks[finding.playbook].revision
            why = held(host, finding.id) if held else ""
            if stands is None and why:
                proposals[key] = withheld(Wish(finding, offer, seen, host, actor, run, revision), why)
                continue
            proposals[key] = stands or await remedy.propose(finding, offer, seen, host, actor, run, revision)
    return tuple(proposals.values())


async def waiting(journal: Journal, clock: Clock) -> Waiting:
    """The changes that wait for approval or for being carried out, by host, fault, action and parameters."""
    records = await journal.list(states=[State.PENDING, State.APPROVED], limit=MOST)
    return {
        _key(change.host, change.fingerprint, change.action, change.with_): proposal_of(record)
        for record in reversed(records)
        if moment((change := record.change).expires) > clock.now()
    }


def _key(host: str, fingerprint: str, action: str, params: Mapping[str, Any]) -> str:
    return json.dumps([host, fingerprint, action, dict(params)], sort_keys=True, default=list)
