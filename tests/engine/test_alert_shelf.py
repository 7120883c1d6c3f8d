"""Does nothing grow with every group of alerts and every hour that there ever was?"""

import gc
from datetime import timedelta

from bot.engine.alert_messages import SUMMED
from bot.engine.alert_shelf import Shelf
from bot.engine.intake import Intake, Untold
from tests.engine.test_alerts import World
from tests.fakes.clock import FakeClock
from tests.fakes.journal import MemoryJournal


async def test_a_turn_is_one_for_a_name_and_forgotten_once_nobody_has_it() -> None:
    shelf = Shelf(Intake(MemoryJournal(FakeClock())))
    async with shelf.lock("a"):
        gc.collect()
        assert shelf.lock("a").locked()
        assert not shelf.lock("b").locked()
    for number in range(100):
        async with shelf.lock(f"group-{number}"):
            pass
    gc.collect()
    assert not shelf._locks


async def test_of_summaries_only_the_newest_are_remembered_and_none_of_them_is_told_twice() -> None:
    world = World()
    bot = world.bot()
    messages = bot._messages
    for number in range(SUMMED + 20):
        world.clock.tick(3_600)
        hour = f"{world.clock.now() - timedelta(hours=1):%Y%m%d%H}"
        key = f"C0NET {hour}"
        untold = {key: Untold(hour=hour, count=number + 1, names=("Down",))}
        await bot.intake.change(lambda at, kept=untold: at.model_copy(update={"untold": kept}))  # type: ignore[misc]
        await messages.sum_up()
    assert len(world.chat.told) == SUMMED + 20
    assert len(messages._summed) == SUMMED
    newest = list(messages._summed)[-1]
    assert newest.endswith(hour)
    before = len(world.chat.edits)
    await messages.sum_up()
    assert len(world.chat.edits) == before
