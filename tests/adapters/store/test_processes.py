"""Several processes use one state directory at once: the bot, and approvers at the terminal under other users."""

import asyncio
import multiprocessing
import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.store import Store
from bot.adapters.store.place import group_s
from bot.core.approval import Record, State
from bot.core.audit import Verdict
from bot.core.report import Risk
from tests.adapters.store.hammer import PATIENCE, approver, caller, counter
from tests.fakes.approval import ALICE, BOB, CAROL, change, proposed, slack
from tests.fakes.clock import FakeClock
from tests.fakes.places import let_others_in

APART = multiprocessing.get_context("forkserver")  # none has anything of this process, and all is imported once
APART.set_forkserver_preload(["tests.adapters.store.hammer"])
GROUP, USERS = 54321, (54322, 54323)
PEOPLE = (slack(ALICE), slack(BOB), slack(CAROL))


def together(jobs: Sequence[tuple[Callable[..., None], tuple[Any, ...]]]) -> None:
    workers = [APART.Process(target=target, args=args) for target, args in jobs]
    for worker in workers:
        worker.start()
    end = time.monotonic() + PATIENCE
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
    for worker in workers:
        if worker.is_alive():
            worker.kill()
    assert [worker.exitcode for worker in workers] == [0] * len(workers)


async def propose(state: Path, records: Sequence[Record]) -> None:
    store = await Store.open(state, FakeClock())
    for record in records:
        await store.create(record, [_event(record)])
    await store.close()


def _event(record: Record) -> Any:
    from bot.core.audit import Event

    return Event("ChangeProposed", record.asker, "2030-05-13T09:00:00Z", record.change.id)


async def outcome(state: Path) -> tuple[Sequence[Record], Counter[str]]:
    store = await Store.open(state, FakeClock())
    kinds = Counter([entry.event().kind async for entry in store.entries()])
    records = await store.list(limit=10_000)
    checked = await store.verify()
    assert checked.verdict is Verdict.OK, checked.reason
    await store.close()
    return records, kinds


def hammer(state: Path, ids: Sequence[str], people: Sequence[Any], uids: Sequence[int]) -> Counter[str]:
    gate, out = APART.Barrier(len(people)), APART.Queue()
    together([(approver, (state, ids, me, PEOPLE, gate, out, uid)) for me, uid in zip(people, uids, strict=True)])
    said: Counter[str] = Counter()
    for _ in people:
        said.update(out.get(timeout=PATIENCE))
    return said


async def test_two_approvers_at_once_make_one_approval_and_one_claim(tmp_path: Path) -> None:
    """One approval is enough: of two clicks in the same instant one approves, the other is told who was first."""
    ids = [f"change-{number:04}" for number in range(100)]
    await propose(tmp_path / "state", [proposed(change(id=ident, host=f"host-{ident}")) for ident in ids])
    said = hammer(tmp_path / "state", ids, PEOPLE[:2], (0, 0))
    records, kinds = await outcome(tmp_path / "state")
    assert {record.state for record in records} == {State.CLAIMED}
    assert {len(record.votes) for record in records} == {1}
    assert {record.fence for record in records} == {1}
    assert (kinds["ChangeApproved"], kinds["ChangeClaimed"]) == (100, 100)
    assert (said["ChangeApproved"], said["ChangeClaimed"]) == (100, 100)
    assert kinds["ApprovalRefused"] == 100


async def test_both_votes_of_two_approvers_at_once_count(tmp_path: Path) -> None:
    """Two approvals are needed: no vote is lost, and the change is claimed once."""
    ids = [f"change-{number:04}" for number in range(50)]
    high = [
        proposed(change(Risk.HIGH, id=ident, host=f"host-{ident}", expires="2030-05-13T09:15:00Z")) for ident in ids
    ]
    await propose(tmp_path / "state", high)
    hammer(tmp_path / "state", ids, PEOPLE[:2], (0, 0))
    records, kinds = await outcome(tmp_path / "state")
    assert {frozenset(vote.person for vote in record.votes) for record in records} == {frozenset({"alice", "bob"})}
    assert (kinds["VoteCast"], kinds["ChangeApproved"]) == (50, 50)
    assert {record.fence for record in records} == {1}


async def test_no_update_of_several_processes_is_lost(tmp_path: Path) -> None:
    await propose(tmp_path / "state", [proposed()])
    gate = APART.Barrier(3)
    together([(counter, (tmp_path / "state", "c0ffee01", 60, gate, 0)) for _ in range(3)])
    ((record,), kinds) = await outcome(tmp_path / "state")
    assert record.fence == 180
    assert kinds["Counted"] == 180


async def test_a_store_that_several_processes_begin_at_once_is_one_store(tmp_path: Path) -> None:
    gate = APART.Barrier(4)
    together([(counter, (tmp_path / "state", "nothing", 0, gate, 0)) for _ in range(4)])
    records, kinds = await outcome(tmp_path / "state")
    assert (list(records), kinds) == ([], Counter({"LogOpened": 1}))
    assert not list((tmp_path / "state").glob("audit.key.*"))


def shared(directory: Path) -> Path:
    """A state directory of the first user, for all of the group."""
    let_others_in(directory)
    state = directory / "state"
    state.mkdir()
    os.chown(state, USERS[0], GROUP)
    state.chmod(0o2770)
    return state


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")
async def test_users_who_come_in_the_same_moment_do_not_lock_each_other_out(tmp_path: Path) -> None:
    """Whoever comes first makes SQLite's journal files, and they are the group's before the other looks."""
    state = shared(tmp_path)
    await propose(state, [proposed()])
    gate, times = APART.Barrier(len(USERS)), 12
    together([(caller, (state, "c0ffee01", times, gate, uid)) for uid in USERS])
    ((record,), kinds) = await outcome(state)
    assert record.fence == kinds["Counted"] == times * len(USERS)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")
async def test_users_of_one_group_share_a_state_directory(tmp_path: Path) -> None:
    """The bot's user owns the directory, an approver of its group votes from the terminal at the same time."""
    state = shared(tmp_path)
    ids = [f"change-{number:04}" for number in range(20)]
    await propose(state, [proposed(change(id=ident, host=f"host-{ident}")) for ident in ids])
    said = hammer(state, ids, PEOPLE[:2], USERS)
    _, kinds = await outcome(state)
    assert (said["ChangeApproved"], kinds["ChangeClaimed"]) == (20, 20)
    modes = {path.name: (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) for path in state.iterdir()}
    assert modes["netdiag.db"] == (0o660, USERS[0])
    assert modes["audit.key"] == (0o600, USERS[0])
    assert all(owner == USERS[0] for name, (_, owner) in modes.items() if name in {"heads.log", "audit.pub"})


@pytest.fixture(params=[0o022, 0o077], ids=["022", "077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """One that a login may have; the tests' own again afterwards."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


async def test_the_umask_is_lifted_for_no_longer_than_a_shared_database_opens(umask: int, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o2770)
    stores = await asyncio.gather(*(Store.open(state, FakeClock()) for _ in range(4)))
    for store in stores:
        await store.close()
    assert os.umask(umask) == umask
    with group_s(str(state / "netdiag.db")), group_s(str(state / "netdiag.db")):
        assert os.umask(umask & ~stat.S_IRWXG) == umask & ~stat.S_IRWXG
    with group_s(str(tmp_path / "nothing")), group_s(None):
        assert os.umask(umask) == umask
    assert os.umask(umask) == umask
