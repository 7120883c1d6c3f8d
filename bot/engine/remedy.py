"""How does a finding get cured? Propose, have it approved, carry it out at most once, and see whether it helped.

The steps are functions of their own modules over one `Bench`; this is the face that front ends and the terminal see.
"""

from bot.core import approval
from bot.core.approval import Decision, Record, State
from bot.core.change import Change
from bot.core.errors import AskError
from bot.core.host import Host
from bot.core.policy import Actor, Standing, person
from bot.core.report import Finding, Offer, Proposal
from bot.core.snapshot import Snapshot
from bot.engine import drive, reconcile
from bot.engine.bench import Bench
from bot.engine.carry import Held
from bot.engine.propose import Wish, new_id, propose, submit


class Remedy(Bench):
    """Everything that may be asked about changes. Decisions are the journal's; the loop is `drive`."""

    async def propose(  # noqa: PLR0917 - the words of a wish, as the desk has them
        self,
        finding: Finding,
        offer: Offer,
        snapshot: Snapshot,
        host: Host,
        actor: Actor,
        run: str,
        playbook_revision: str,
    ) -> Proposal:
        """Plan an offer and store it as a pending change; what cannot be proposed says why in `refused`."""
        return await propose(self, Wish(finding, offer, snapshot, host, actor, run, playbook_revision))

    async def approve(self, change: str, standing: Standing) -> Decision:
        """Cast a vote. Raises AskError for an unknown change, ConfigError, JournalDown."""
        ground = await self.ground(self.host((await self._record(change)).change.host))
        decision = await self.journal.transact(change, lambda at: approval.approve(at, standing, ground))
        self.wake.set()
        return decision

    async def deny(self, change: str, standing: Standing, reason: str) -> Decision:
        """Deny or withdraw. Raises AskError for an unknown change, ConfigError, JournalDown."""
        ground = await self.ground(self.host((await self._record(change)).change.host))
        return await self.journal.transact(change, lambda at: approval.deny(at, standing, reason, ground))

    async def revert(self, change: str, standing: Standing) -> Record:
        """Propose the inverse of a change that is in force: a change of its own, with an approval of its own.

        Raises AskError when there is nothing to revert or the policy allows it to nobody, ConfigError, JournalDown.
        """
        record = await self._record(change)
        if standing.fault:
            raise AskError(f"{standing.actor.key} may not ask for changes: {standing.fault}")
        if record.state is not State.DONE:
            raise AskError(f"{change} is {record.state}: only a change that is done can be reverted")
        if not record.change.plan.inverse:
            raise AskError(f"{change} cannot be reverted: {record.change.plan.summary} has no inverse")
        ground = await self.ground(self.host(record.change.host))
        who = person(ground.policy, standing.actor) or standing.actor.key
        draft = inverse_of(record.change, new_id(self), self.clock.token(), who, ground.policy.version)
        proposal = await submit(self, draft, standing.actor, run=record.run, finding=None)
        if proposal.refused is not None:
            raise AskError(f"{change} cannot be reverted: {proposal.refused}")
        return await self._record(proposal.change)

    async def drive(self) -> None:
        """Carry out approved changes until cancelled; every process that may touch hosts runs one."""
        await drive.drive(self)

    async def drive_one(self, change: str) -> Record | Held:
        """Carry one approved change out here and now, and look at its effect."""
        return await drive.drive_one(self, change)

    async def finish(self, change: str) -> Record:
        """Wait until a change is settled, by a living bot or, where none lives, by this process."""
        return await drive.finish(self, change)

    async def reconcile(self) -> None:
        """Settle what was left behind by a process that is gone."""
        await reconcile.reconcile(self)

    async def _record(self, change: str) -> Record:
        record = await self.journal.get(change)
        if record is None:
            raise AskError(f'no change "{change}"; `netdiag changes list` shows all')
        return record


def inverse_of(change: Change, new: str, nonce: str, requester: str, policy_version: str) -> Change:
    """The change that undoes `change`: from the state it left to the state it found."""
    plan = change.plan
    back = plan.model_copy(
        update={
            "steps": plan.inverse,
            "inverse": plan.steps,
            "precondition": plan.verify,
            "verify": plan.precondition,
            "summary": f"take back {change.id} ({plan.summary})",
            "not_fixed": "the fault that it was made for may come back",
            "rests": 0,
        }
    )
    return change.model_copy(
        update={
            "id": new,
            "nonce": nonce,
            "plan": back,
            "requester": requester,
            "policy_version": policy_version,
            "then": None,
            "reverts": change.id,
        }
    )
