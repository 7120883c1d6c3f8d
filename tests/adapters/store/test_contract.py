"""Every journal keeps the same promises: the store on SQLite (and PostgreSQL), and the one in memory that tests use."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.core import approval
from bot.core import halt as halting
from bot.core.approval import Declined, Moved, Record, State
from bot.core.audit import Event, Verdict, verify
from bot.engine.ports import Journal, JournalDown
from tests.adapters.store.databases import KINDS, open_new
from tests.fakes.approval import ALICE, BOB, HOST, POLICY, change, ground, proposed, slack
from tests.fakes.clock import START, FakeClock
from tests.fakes.journal import MemoryJournal


@pytest.fixture(params=[*KINDS, "memory"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal(FakeClock())
        return
    url = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    store = await open_new(tmp_path / "state", url)
    yield store
    await store.close()


EVENT = Event("LogRead", "terminal:alice", "2030-05-13T09:00:00Z", data={"entries": 3})


async def store(journal: Journal, *records: Record) -> None:
    for record in records:
        await journal.create(record, [EVENT])


def on(record: Record) -> approval.Ground:
    return ground(host=HOST.model_copy(update={"name": record.change.host}))


def approve(record: Record) -> approval.Decision:
    return approval.approve(record, slack(ALICE), on(record))


def claim(record: Record) -> approval.Decision:
    standings = {f"slack:{who}": slack(who) for who in (ALICE, BOB)}
    return approval.claim(record, standings, on(record), owner="one")


def approved(ident: str, host: str = "node-3") -> Record:
    record = proposed(change(id=ident, host=host))
    moved = approve(record)
    assert isinstance(moved, Moved)
    return moved.record


async def test_a_record_comes_back_as_it_was_stored(journal: Journal) -> None:
    record = approved("c0ffee01")
    await store(journal, record)
    assert await journal.get("c0ffee01") == record
    assert record.change.digest == record.digest


async def test_a_decision_is_stored_and_logged_together(journal: Journal) -> None:
    await store(journal, proposed())
    decision = await journal.transact("c0ffee01", approve)
    assert isinstance(decision, Moved)
    stored = await journal.get("c0ffee01")
    assert stored == decision.record
    events = [entry.event() async for entry in journal.entries()]
    assert events[-1].kind == "ChangeApproved"
    assert events[-1].change == "c0ffee01"


async def test_a_refusal_is_logged_and_changes_nothing(journal: Journal) -> None:
    await store(journal, proposed(), approved("c0ffee02"))
    decision = await journal.transact("c0ffee02", approve)
    assert isinstance(decision, Declined)
    assert [entry.event().kind async for entry in journal.entries()][-1] == "ApprovalRefused"
    assert await journal.get("c0ffee02") == approved("c0ffee02")


async def test_a_change_that_moves_without_an_event_is_refused(journal: Journal) -> None:
    with pytest.raises(JournalDown, match="without an audit entry"):
        await journal.create(proposed(), [])
    assert await journal.get("c0ffee01") is None


async def test_an_unknown_change_is_a_key_error(journal: Journal) -> None:
    with pytest.raises(KeyError):
        await journal.transact("nosuch", approve)


async def test_an_id_is_stored_once(journal: Journal) -> None:
    await store(journal, proposed())
    with pytest.raises(JournalDown):
        await store(journal, proposed())


async def test_a_change_is_found_by_an_unambiguous_prefix_of_six(journal: Journal) -> None:
    await store(journal, proposed(change(id="abcdef123")), proposed(change(id="abcdeg123")))
    found = await journal.get("abcdef")
    assert found is not None
    assert found.change.id == "abcdef123"
    assert await journal.get("abcde") is None
    assert await journal.get("abcde%") is None


async def test_an_ambiguous_prefix_finds_nothing(journal: Journal) -> None:
    await store(journal, proposed(change(id="abcdef123")), proposed(change(id="abcdef456")))
    assert await journal.get("abcdef") is None


async def test_changes_are_listed_newest_first_by_state_and_host(journal: Journal) -> None:
    await store(journal, proposed(change(id="a")), approved("b"), proposed(change(id="c", host="node-4")))
    assert [record.change.id for record in await journal.list()] == ["c", "b", "a"]
    assert [record.change.id for record in await journal.list(states=["approved"])] == ["b"]
    assert [record.change.id for record in await journal.list(host="node-4")] == ["c"]
    assert [record.change.id for record in await journal.list(limit=1)] == ["c"]


async def test_front_ends_follow_what_changed(journal: Journal) -> None:
    await store(journal, proposed(change(id="a")), proposed(change(id="b")))
    seen = await journal.changed_since(0)
    assert [record.change.id for _, record in seen] == ["a", "b"]
    last = seen[-1][0]
    assert await journal.changed_since(last) == []
    await journal.transact("a", approve)
    ((serial, record),) = await journal.changed_since(last)
    assert serial > last
    assert (record.change.id, record.state) == ("a", State.APPROVED)


async def test_one_host_has_one_change_in_flight(journal: Journal) -> None:
    await store(journal, approved("a"), approved("b"), approved("c", host="node-4"))
    assert isinstance(await journal.transact("a", claim), Moved)
    second = await journal.transact("b", claim)
    assert isinstance(second, Declined)
    assert "a is being applied to node-3" in second.reason
    assert isinstance(await journal.transact("c", claim), Moved)
    await journal.transact("a", lambda record: approval.release(record, START, fence=record.fence, why="unreachable"))
    assert isinstance(await journal.transact("b", claim), Moved)


async def test_the_chain_of_a_whole_life_verifies(journal: Journal) -> None:
    await store(journal, proposed())
    await journal.transact("c0ffee01", approve)
    await journal.transact("c0ffee01", claim)
    until = START + timedelta(seconds=60)
    await journal.transact("c0ffee01", lambda record: approval.intent(record, ground(), fence=1, deadline=until))
    result = approval.Result(State.DONE, "read back 4096", (("net.core.somaxconn", "4096"),))
    await journal.transact("c0ffee01", lambda record: approval.settle(record, result, START, fence=1))
    kinds = [entry.event().kind async for entry in journal.entries()]
    assert kinds[-4:] == ["ChangeApproved", "ChangeClaimed", "IntentWritten", "ChangeSettled"]
    checked = verify([entry async for entry in journal.entries()])
    assert checked.verdict is not Verdict.TAMPERED, checked.reason


async def test_a_value_is_remembered_once_and_replaced_at_will(journal: Journal) -> None:
    assert await journal.remember("inbox", "E1", {"n": 1})
    assert not await journal.remember("inbox", "E1", {"n": 2})
    assert await journal.recall("inbox", "E1") == {"n": 1}
    await journal.replace("inbox", "E1", {"n": 3})
    await journal.replace("receipt", "E1", {"ts": "1.2"})
    assert await journal.recall("inbox", "E1") == {"n": 3}
    assert await journal.recall("receipt", "E1") == {"ts": "1.2"}
    assert await journal.recall("receipt", "E2") is None


async def test_the_kill_switch_stops_and_two_people_let_go_on(journal: Journal) -> None:
    assert await journal.halted() == ""
    set_ = await journal.switch(lambda now: halting.halt(now, slack(ALICE), "bad rollout", POLICY, START))
    assert set_.moved
    assert await journal.halted() == "bad rollout (alice, 2030-05-13T09:00:00Z)"
    for who, left in ((ALICE, "bad rollout"), (ALICE, "bad rollout"), (BOB, "")):
        await journal.switch(lambda now, who=who: halting.resume(now, slack(who), POLICY, START))  # type: ignore[misc]
        assert (await journal.halted()).startswith(left)
    assert await journal.halted() == ""
    kinds = [entry.event().kind async for entry in journal.entries()]
    assert kinds[-4:] == ["ChangesHalted", "ResumeAsked", "HaltRefused", "ChangesResumed"]
