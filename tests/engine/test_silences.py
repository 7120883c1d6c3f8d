"""Silences as people ask for them: who may, what is logged, what is in force."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.core.errors import AskError
from bot.core.silence import Wanted
from bot.engine.ports import JournalDown
from bot.engine.silences import Silences
from tests.fakes.approval import ALICE, BOB, slack
from tests.fakes.fleet import Fleet

WANTED = Wanted("node-1,node-2", "queue-*", 7_200, "a load test")


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def desk(fleet: Fleet) -> Silences:
    return Silences(fleet.history, fleet.journal, fleet.policy, fleet.clock, fleet.inventory, fleet.playbooks)


def logged(fleet: Fleet) -> list[tuple[str, str]]:
    return [(event.kind, event.actor) for event in fleet.journal.events if event.kind != "PolicyChanged"]


async def test_a_silence_is_logged_in_force_and_ended_by_anybody_of_the_policy(fleet: Fleet, desk: Silences) -> None:
    made = await desk.add(WANTED, slack(ALICE))
    shorter = await desk.add(Wanted("all", "*", 600, "x"), slack(ALICE))
    assert list(await desk.list()) == [shorter, made]
    ended = await desk.end(made.id, slack(BOB))
    assert ended.ended == fleet.clock.now()
    assert list(await desk.list()) == [shorter]
    assert logged(fleet) == [
        ("SilenceAdded", f"slack:{ALICE}"), ("SilenceAdded", f"slack:{ALICE}"), ("SilenceEnded", f"slack:{BOB}"),
    ]  # fmt: skip
    fleet.clock.time += timedelta(hours=1)
    assert list(await desk.list()) == []


@pytest.mark.parametrize(
    ("ask", "fault"),
    [
        (lambda desk: desk.add(WANTED, slack("T0TEAM:U0MALLORY")), "nobody in the access policy"),
        (lambda desk: desk.add(Wanted("node-9", "*", 600, "x"), slack(ALICE)), 'no host or group "node-9"; did you'),
        (lambda desk: desk.add(Wanted("all", "queue-ful", 600, "x"), slack(ALICE)), 'did you mean "queue-full"'),
        (lambda desk: desk.add(Wanted("all", "*", 31 * 86_400, "x"), slack(ALICE)), "30 days"),
    ],
)
async def test_what_is_refused_says_why_and_is_logged(
    fleet: Fleet, desk: Silences, ask: Callable[..., object], fault: str
) -> None:
    with pytest.raises(AskError, match=fault):
        await ask(desk)  # type: ignore[misc]
    assert [kind for kind, _ in logged(fleet)] == ["SilenceRefused"]
    assert list(await desk.list()) == []


async def test_a_silence_that_is_not_there_cannot_be_ended(desk: Silences) -> None:
    made = await desk.add(WANTED, slack(ALICE))
    with pytest.raises(AskError, match=f'did you mean "{made.id}"'):
        await desk.end(f"{made.id}0", slack(ALICE))


async def test_what_cannot_be_logged_is_not_silenced(fleet: Fleet, desk: Silences) -> None:
    await desk.list()
    fleet.journal.down = "disk full"
    with pytest.raises(JournalDown):
        await desk.add(WANTED, slack(ALICE))
    assert not fleet.history.hushed


@pytest.mark.parametrize("finding", ["limit-forecast", "outlier", "setting-differs", "setting-changed", "host-unread"])
async def test_what_no_playbook_finds_can_be_silenced_too(desk: Silences, finding: str) -> None:
    made = await desk.add(Wanted("node-1", finding, 600, "an experiment"), slack(ALICE))
    assert made.findings == finding
