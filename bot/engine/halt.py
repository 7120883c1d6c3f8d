"""Who stops every change, and who lets them go on? The kill switch of the store, by the policy in force."""

from bot.core import halt as switch
from bot.core.halt import Switched
from bot.core.policy import Standing
from bot.engine.access import current_policy
from bot.engine.ports import Clock, Journal, PolicySource


async def halt(journal: Journal, policy: PolicySource, clock: Clock, standing: Standing, why: str) -> Switched:
    """Set the switch. What was refused is not `moved` and says why. Raises ConfigError (policy), JournalDown."""
    asked = await current_policy(policy, journal, clock)
    return await journal.switch(lambda known: switch.halt(known, standing, why, asked, clock.now()))


async def resume(journal: Journal, policy: PolicySource, clock: Clock, standing: Standing) -> Switched:
    """Ask to clear the switch; the last of the people that the policy asks for clears it. Raises as `halt`."""
    asked = await current_policy(policy, journal, clock)
    return await journal.switch(lambda known: switch.resume(known, standing, asked, clock.now()))
