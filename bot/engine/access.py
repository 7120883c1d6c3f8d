"""Which access policy is in force, and does the log know that it changed?"""

from bot.core.approval import stamp
from bot.core.audit import Event
from bot.core.policy import Policy
from bot.engine.ports import Clock, Journal, PolicySource


async def current_policy(source: PolicySource, journal: Journal, clock: Clock) -> Policy:
    """The policy in force; a version that the log has not seen yet is logged first (`PolicyChanged`).

    Raises ConfigError when the policy is broken and JournalDown when the change of it cannot be logged.
    """
    policy = source.policy()
    known = await journal.recall("policy", "version")
    before = None if known is None else known["version"]
    if before != policy.version:
        data = {"from": before, "to": policy.version, "people": sorted(policy.people), "rules": len(policy.rules)}
        await journal.append([Event("PolicyChanged", "system:policy", stamp(clock.now()), data=data)])
        await journal.replace("policy", "version", {"version": policy.version})
    return policy
