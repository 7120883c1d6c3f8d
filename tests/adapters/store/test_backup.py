"""A backup is of one moment, whoever writes; a restore is all or nothing, and never over what is newer or in use."""

import asyncio
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from bot.adapters.store import Store, about, back_up, restore
from bot.adapters.store.bundle import MANIFEST
from bot.core.audit import Event, Verdict, anchors
from bot.core.errors import ConfigError
from bot.core.halt import HALT
from bot.core.measure import Measure
from bot.core.past import Point
from bot.core.report import HostReport, Status
from bot.engine.ports import JournalDown
from bot.engine.sweep_ports import Visited
from tests.adapters.store.old import dump, old_store
from tests.fakes.clock import START, FakeClock

EVENT = Event("LogRead", "terminal:alice", "2030-05-13T09:00:00Z")
MADE = "2030-05-13T09:00:00Z"
ASIDE = "replaced-20300513T090000Z"


async def fill(state: Path, entries: int = 5) -> None:
    store = await Store.open(state, FakeClock())
    for _ in range(entries):
        await store.append([EVENT])
    host = HostReport(host="node-1", status=Status.OK, measures=(Measure(id="tcp-sockets", playbook="p", value=7),))
    await store.history.visited(Visited(START, "r1", [host]))
    await store.close()


async def log(state: Path) -> tuple[Verdict, int]:
    store = await Store.open(state, FakeClock())
    checked = await store.verify()
    await store.close()
    return checked.verdict, checked.checked


def files(state: Path) -> dict[str, bytes]:
    """Everything in a state directory, as bytes."""
    return {str(path.relative_to(state)): path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file()}


def put_back(file: Path, state: Path, *, force: bool = False) -> None:
    restore(file, state, force=force, name=ASIDE)


async def test_a_backup_comes_back_whole(tmp_path: Path) -> None:
    await fill(tmp_path / "state")
    made = back_up(tmp_path / "state", tmp_path / "b.tar", key=True, made=MADE)
    assert (made.store.entries, made.key) == (6, True)
    assert made.size == (tmp_path / "b.tar").stat().st_size
    done = restore(tmp_path / "b.tar", tmp_path / "new", force=False, name=ASIDE)
    assert (done.store, done.replaced, done.checked.verdict) == (made.store, None, Verdict.OK)
    assert dump(tmp_path / "new" / "netdiag.db") == dump(tmp_path / "state" / "netdiag.db")
    store = await Store.open(tmp_path / "new", FakeClock())
    await store.append([EVENT])
    assert (await store.verify()).signed == 7
    assert await store.history.series("node-1", "tcp-sockets", since=START) == [Point(START, 0, 1, 7, 7, 7)]
    await store.close()


async def test_a_backup_taken_while_somebody_writes_is_of_one_moment(tmp_path: Path) -> None:
    await fill(tmp_path / "state")
    store = await Store.open(tmp_path / "state", FakeClock())
    backing = asyncio.Event()

    async def write() -> None:
        number = 0
        while not backing.is_set() or number < 20:
            number += 1
            await store.append([EVENT, EVENT])
            host = HostReport(host=f"node-{number}", status=Status.OK)
            await store.history.visited(Visited(START + timedelta(seconds=number), "r", [host], sweep="fleet"))

    async def back() -> None:
        for number in range(3):
            await asyncio.to_thread(back_up, tmp_path / "state", tmp_path / f"{number}.tar", key=True, made=MADE)
        backing.set()

    await asyncio.gather(write(), back())
    await store.close()
    counts = []
    for number in range(3):
        put_back(tmp_path / f"{number}.tar", tmp_path / f"new-{number}")
        verdict, entries = await log(tmp_path / f"new-{number}")
        heads = anchors((tmp_path / f"new-{number}" / "heads.log").read_text())
        assert (verdict, max(head.seq for head in heads)) == (Verdict.OK, entries)
        counts.append(entries)
    assert counts == sorted(counts)
    assert await log(tmp_path / "state") >= (Verdict.OK, counts[-1])


async def test_only_its_owner_reads_a_backup_and_the_key_is_in_it_only_when_asked_for(tmp_path: Path) -> None:
    await fill(tmp_path / "state")
    for name, key in (("plain", False), ("key", True)):
        back_up(tmp_path / "state", tmp_path / name, key=key, made=MADE)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        with tarfile.open(tmp_path / name) as tar:
            assert ("audit.key" in tar.getnames()) is key
    secret = (tmp_path / "state" / "audit.key").read_bytes()
    assert secret not in (tmp_path / "plain").read_bytes()
    assert secret in (tmp_path / "key").read_bytes()
    put_back(tmp_path / "key", tmp_path / "new")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").glob("*")}
    assert modes == {"netdiag.db": 0o600, "audit.key": 0o600, "audit.pub": 0o644, "heads.log": 0o644}


async def test_a_backup_is_never_written_over_and_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    await fill(tmp_path / "state")
    (tmp_path / "there").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        back_up(tmp_path / "state", tmp_path / "there", key=False, made=MADE)
    with pytest.raises(ConfigError, match="No such file or directory"):
        back_up(tmp_path / "state", tmp_path / "no" / "where", key=False, made=MADE)
    with pytest.raises(ConfigError, match="no store there"):
        back_up(tmp_path / "nothing", tmp_path / "b", key=False, made=MADE)
    (tmp_path / "state" / "audit.pub").rename(tmp_path / "pub")
    with pytest.raises(ConfigError, match=r"audit\.pub: the backup cannot be made \(No such file"):
        back_up(tmp_path / "state", tmp_path / "b", key=False, made=MADE)
    assert sorted(os.listdir(tmp_path)) == ["pub", "state", "there"]
    assert (tmp_path / "there").read_text() == "mine"


async def test_a_damaged_store_is_told_instead_of_backed_up(tmp_path: Path) -> None:
    await fill(tmp_path / "state", entries=80)
    database = tmp_path / "state" / "netdiag.db"
    content = bytearray(database.read_bytes())
    content[20_000:40_000] = b"\xff" * 20_000
    database.write_bytes(content)
    with pytest.raises(ConfigError, match=r"damaged|cannot be made"):
        back_up(tmp_path / "state", tmp_path / "b", key=False, made=MADE)
    assert not (tmp_path / "b").exists()


# --- what is no backup ---------------------------------------------------------------------------------------------


def repacked(file: Path, edit: Callable[[str, bytes], bytes | None]) -> None:
    """The tar again with every member edited; None leaves it out. The sums in the manifest stay as they were."""
    with tarfile.open(file) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar.getmembers()]  # type: ignore[union-attr]
    with tarfile.open(file, "w") as tar:
        for member, content in members:
            edited = edit(member.name, content)
            if edited is not None:
                member.size = len(edited)
                tar.addfile(member, io.BytesIO(edited))


def flipped(name: str, content: bytes) -> bytes:
    return content[:5000] + bytes([content[5000] ^ 1]) + content[5001:] if name == "netdiag.db" else content


def manifested(**fields: object) -> Callable[[str, bytes], bytes]:
    return lambda name, content: json.dumps(json.loads(content) | fields).encode() if name == MANIFEST else content


def without(gone: str) -> Callable[[str, bytes], bytes | None]:
    return lambda name, content: None if name == gone else content


BROKEN: dict[str, tuple[Callable[[str, bytes], bytes | None], str]] = {
    "a flipped bit": (flipped, "netdiag.db in it is not what was backed up"),
    "no manifest": (without(MANIFEST), "not a backup of netdiag"),
    "no database": (without("netdiag.db"), r"not a whole backup of netdiag \(netdiag.db\)"),
    "no public key": (without("audit.pub"), r"not a whole backup of netdiag \(audit.pub\)"),
    "another format": (manifested(format="netdiag.backup/9"), "a backup of the format 'netdiag.backup/9'"),
    "a newer store": (manifested(schema=99), "of schema 99, this program knows"),
    "a file elsewhere": (manifested(files={"../x": {}}), "not a whole backup"),
    "no files": (manifested(files=7), "not a whole backup"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_no_whole_backup_changes_nothing(tmp_path: Path, name: str) -> None:
    await fill(tmp_path / "state")
    back_up(tmp_path / "state", tmp_path / "b.tar", key=True, made=MADE)
    before = files(tmp_path / "state")
    edit, told = BROKEN[name]
    repacked(tmp_path / "b.tar", edit)
    with pytest.raises(ConfigError, match=told):
        put_back(tmp_path / "b.tar", tmp_path / "state", force=True)
    assert files(tmp_path / "state") == before


async def test_a_backup_that_was_cut_short_anywhere_changes_nothing(tmp_path: Path) -> None:
    await fill(tmp_path / "state")
    back_up(tmp_path / "state", tmp_path / "b.tar", key=True, made=MADE)
    before, whole = files(tmp_path / "state"), (tmp_path / "b.tar").read_bytes()
    end = whole.rstrip(b"\0")  # the padding after it is nobody's loss
    for size in (0, 1, 300, 512, 700, 2000, len(whole) // 2, len(end) - 600):
        (tmp_path / "b.tar").write_bytes(whole[:size])
        with pytest.raises(ConfigError, match=r"not a|cannot be read"):
            put_back(tmp_path / "b.tar", tmp_path / "state", force=True)
    assert files(tmp_path / "state") == before


def foreign_tar(file: Path) -> None:
    with tarfile.open(file, "w") as tar:
        tar.add(__file__, "test.py")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda file: file.write_text("hello\n" * 500), "not a whole backup"),
        (foreign_tar, "not a backup of netdiag"),
        (lambda file: file.mkdir(), "Is a directory"),
        (lambda _file: None, "No such file"),
    ],
    ids=["text", "another tar", "a directory", "nothing"],
)
def test_a_foreign_file_is_told_as_such(tmp_path: Path, make: Callable[[Path], object], told: str) -> None:
    make(tmp_path / "b.tar")
    with pytest.raises(ConfigError, match=told):
        put_back(tmp_path / "b.tar", tmp_path / "state")
    assert files(tmp_path / "state") == {}


async def test_a_backup_whose_log_was_tampered_with_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path / "state")
    with closing(sqlite3.connect(tmp_path / "state" / "netdiag.db")) as database:
        database.execute("UPDATE audit SET body = replace(body, 'alice', 'mallo') WHERE seq = 4")
        database.commit()
    back_up(tmp_path / "state", tmp_path / "b.tar", key=True, made=MADE)
    with pytest.raises(ConfigError, match="the log in it is tampered at entry 4"):
        put_back(tmp_path / "b.tar", tmp_path / "new")
    assert not (tmp_path / "new" / "netdiag.db").exists()


# --- what is there already -----------------------------------------------------------------------------------------


async def test_a_store_in_use_is_never_replaced(tmp_path: Path) -> None:
    await fill(tmp_path / "state")
    back_up(tmp_path / "state", tmp_path / "b.tar", key=False, made=MADE)
    store = await Store.open(tmp_path / "state", FakeClock())
    for force in (False, True):
        with pytest.raises(ConfigError, match="the store is in use; stop netdiag"):
            put_back(tmp_path / "b.tar", tmp_path / "state", force=force)
    await store.append([EVENT])
    assert (await store.verify()).checked == 7
    await store.close()


async def test_a_newer_store_is_replaced_only_when_told_and_is_kept(tmp_path: Path) -> None:
    state = tmp_path / "state"
    await fill(state)
    back_up(state, tmp_path / "b.tar", key=False, made=MADE)
    await fill(state, entries=3)
    newer = dump(state / "netdiag.db")
    with pytest.raises(ConfigError, match=r"newer: 9 entries of schema 3, the backup has 6 .*--force"):
        put_back(tmp_path / "b.tar", state)
    assert dump(state / "netdiag.db") == newer
    put_back(tmp_path / "b.tar", state, force=True)
    assert await log(state) == (Verdict.OK, 6)
    assert dump(state / ASIDE / "netdiag.db") == newer
    assert len(anchors((state / ASIDE / "heads.log").read_text())) == 9
    store = await Store.open(state, FakeClock())
    await store.append([EVENT])  # heads.log went with its log, so nothing is refused
    await store.close()


@pytest.mark.parametrize("was_set", [True, False])
async def test_a_kill_switch_that_was_set_outlives_the_restore_of_an_older_backup(
    tmp_path: Path, was_set: bool
) -> None:
    state = tmp_path / "state"
    await fill(state)
    back_up(state, tmp_path / "b.tar", key=False, made=MADE)
    store = await Store.open(state, FakeClock())
    await store.replace(*HALT, {"by": "alice", "at": "2030-05-13T09:00:00Z", "why": "bad rollout"} if was_set else {})
    await store.close()
    put_back(tmp_path / "b.tar", state, force=True)
    store = await Store.open(state, FakeClock())
    halted = await store.halted()
    await store.close()
    assert bool(halted) is was_set
    assert ("bad rollout (alice" in (halted or "")) is was_set


async def test_another_log_is_replaced_only_when_told_and_its_key_is_kept(tmp_path: Path) -> None:
    await fill(tmp_path / "one")
    await fill(tmp_path / "two", entries=1)
    back_up(tmp_path / "one", tmp_path / "plain", key=False, made=MADE)
    back_up(tmp_path / "one", tmp_path / "key", key=True, made=MADE)
    other = (tmp_path / "two" / "audit.key").read_bytes()
    with pytest.raises(ConfigError, match="holds another log, of 2 entries"):
        put_back(tmp_path / "key", tmp_path / "two")
    with pytest.raises(ConfigError, match="not the key that signed this log"):
        put_back(tmp_path / "plain", tmp_path / "two", force=True)
    put_back(tmp_path / "key", tmp_path / "two", force=True)
    assert await log(tmp_path / "two") == (Verdict.OK, 6)
    assert (tmp_path / "two" / ASIDE / "audit.key").read_bytes() == other


async def test_without_the_key_that_signs_nothing_is_restored(tmp_path: Path) -> None:
    await fill(tmp_path / "state")
    back_up(tmp_path / "state", tmp_path / "b.tar", key=False, made=MADE)
    with pytest.raises(ConfigError, match=r"audit.key: the backup has no signing key; put the one"):
        put_back(tmp_path / "b.tar", tmp_path / "new")
    shutil.copy(tmp_path / "state" / "audit.key", tmp_path / "new" / "audit.key")
    put_back(tmp_path / "b.tar", tmp_path / "new")
    assert await log(tmp_path / "new") == (Verdict.OK, 6)


async def test_a_damaged_store_is_replaced_and_kept(tmp_path: Path) -> None:
    state = tmp_path / "state"
    await fill(state)
    back_up(state, tmp_path / "b.tar", key=False, made=MADE)
    (state / "netdiag.db").write_bytes(b"rotten" * 4096)
    (state / "netdiag.db-wal").write_bytes(b"stale")
    put_back(tmp_path / "b.tar", state)
    assert await log(state) == (Verdict.OK, 6)
    assert (state / ASIDE / "netdiag.db").read_bytes().startswith(b"rotten")
    assert (state / ASIDE / "netdiag.db-wal").read_bytes() == b"stale"


async def test_a_restore_that_is_interrupted_is_seen_and_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    await fill(state)
    back_up(state, tmp_path / "b.tar", key=False, made=MADE)
    await fill(state, entries=3)
    replace, done = Path.replace, []

    def once(self: Path, target: Path) -> Path:
        if done:
            raise KeyboardInterrupt
        done.append(target)
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", once)
        with pytest.raises(KeyboardInterrupt):
            put_back(tmp_path / "b.tar", state, force=True)
    assert done == [state / "netdiag.db"]
    store = await Store.open(state, FakeClock())
    with pytest.raises(JournalDown, match="cut off, rewritten or an old backup"):
        await store.append([EVENT])
    await store.close()
    restore(tmp_path / "b.tar", state, force=False, name="replaced-again")
    assert await log(state) == (Verdict.OK, 6)


# --- older schemas -------------------------------------------------------------------------------------------------


async def test_a_store_of_an_older_schema_is_backed_up_as_it_is_and_upgraded_once_it_is_used(tmp_path: Path) -> None:
    old_store(tmp_path / "old")
    before = dump(tmp_path / "old" / "netdiag.db")
    made = back_up(tmp_path / "old", tmp_path / "b.tar", key=True, made=MADE)
    assert made.store.schema == 1
    assert dump(tmp_path / "old" / "netdiag.db") == before
    put_back(tmp_path / "b.tar", tmp_path / "new")
    assert about(tmp_path / "new" / "netdiag.db").schema == 1
    assert await log(tmp_path / "new") == (Verdict.OK, 5)
