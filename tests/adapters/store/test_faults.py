"""What the store does when disk, files or somebody with an editor are against it: it never lets a change run."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from bot.adapters.store import Store
from bot.core import approval
from bot.core.approval import Moved
from bot.core.audit import Event, Verdict, anchors
from bot.core.errors import ConfigError
from bot.engine.ports import JournalDown
from tests.fakes.approval import ALICE, ground, proposed, slack
from tests.fakes.clock import FakeClock

EVENT = Event("LogRead", "terminal:alice", "2030-05-13T09:00:00Z")


def approve(record: approval.Record) -> approval.Decision:
    return approval.approve(record, slack(ALICE), ground())


async def begun(state: Path, entries: int = 3) -> None:
    store = await Store.open(state, FakeClock())
    await store.create(proposed(), [EVENT])
    for _ in range(entries):
        await store.append([EVENT])
    await store.close()


def edit(state: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(state / "netdiag.db") as database:
        assert database.execute(statement, values).rowcount != 0
    database.close()


async def test_a_new_state_directory_is_its_owners_alone(tmp_path: Path) -> None:
    await begun(tmp_path / "deep" / "state")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep" / "state").iterdir()}
    assert stat.S_IMODE((tmp_path / "deep" / "state").stat().st_mode) == 0o700
    assert (modes["netdiag.db"], modes["audit.key"]) == (0o600, 0o600)


async def test_a_state_directory_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o777)
    with pytest.raises(ConfigError, match="chmod o-w"):
        await Store.open(tmp_path, FakeClock())


async def test_a_state_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no state directory"):
        await Store.open(tmp_path / "file" / "state", FakeClock())


async def test_the_log_goes_on_where_it_ended_when_the_store_is_opened_again(tmp_path: Path) -> None:
    await begun(tmp_path)
    store = await Store.open(tmp_path, FakeClock())
    await store.append([EVENT])
    checked = await store.verify()
    await store.close()
    assert (checked.verdict, checked.checked, checked.signed, checked.anchored) == (Verdict.OK, 6, 6, 6)


DAMAGE = {
    "newer": ("UPDATE meta SET value = '99' WHERE key = 'schema'", "is of schema 99"),
    "no-epoch": ("DELETE FROM meta WHERE key = 'epoch'", "not netdiag's store"),
    "no-number": ("UPDATE meta SET value = 'x' WHERE key = 'schema'", "it is damaged or not netdiag's"),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_a_store_that_is_not_understood_is_refused(tmp_path: Path, name: str) -> None:
    await begun(tmp_path)
    statement, told = DAMAGE[name]
    edit(tmp_path, statement)
    with pytest.raises(ConfigError, match=told):
        await Store.open(tmp_path, FakeClock())


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "netdiag.db") as database:
        database.execute("CREATE TABLE customers (name)")
    database.close()
    with pytest.raises(ConfigError, match="not netdiag's store"):
        await Store.open(tmp_path, FakeClock())


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "netdiag.db").write_bytes(b"hello " * 4096)
    with pytest.raises(ConfigError, match="file is not a database"):
        await Store.open(tmp_path, FakeClock())


async def test_a_damaged_database_lets_no_change_run(tmp_path: Path) -> None:
    await begun(tmp_path, entries=60)
    database = tmp_path / "netdiag.db"
    content = bytearray(database.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    database.write_bytes(content)
    with pytest.raises((ConfigError, JournalDown)):
        await (await Store.open(tmp_path, FakeClock())).transact("c0ffee01", approve)


@pytest.mark.parametrize("name", ["audit.key", "audit.pub"])
async def test_a_key_that_is_no_key_is_refused(tmp_path: Path, name: str) -> None:
    await begun(tmp_path)
    (tmp_path / name).write_text("not a key")
    with pytest.raises(ConfigError, match="restore it from a backup"):
        await Store.open(tmp_path, FakeClock())


async def test_a_lost_signing_key_is_not_replaced_in_silence(tmp_path: Path) -> None:
    await begun(tmp_path)
    (tmp_path / "audit.key").unlink()
    with pytest.raises(ConfigError, match="the key that signs the log is gone"):
        await Store.open(tmp_path, FakeClock())


FORGERIES = {
    "a vote written by hand": """UPDATE changes SET record = replace(record, '"votes":[]',
        '"votes":[{"person":"bob","actor":"slack:T0TEAM:U0BOB","at":"2030-05-13T09:00:00Z","self_approval":false}]')""",
    "a state written by hand": "UPDATE changes SET state = 'approved'",
    "another host": "UPDATE changes SET host = 'node-4'",
    "other commands": "UPDATE changes SET record = replace(record, 'net.core.somaxconn=4096', 'kernel.panic=1')",
    "another entry": "UPDATE changes SET entry = 1",
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_change_edited_in_the_database_is_never_decided_on(tmp_path: Path, name: str) -> None:
    await begun(tmp_path)
    edit(tmp_path, FORGERIES[name])
    store = await Store.open(tmp_path, FakeClock())
    with pytest.raises(JournalDown, match="edited outside netdiag"):
        await store.transact("c0ffee01", approve)
    await store.close()


TAMPERING = {
    "an edited entry": (
        "UPDATE audit SET body = replace(body, 'alice', 'carol') WHERE seq = 3",
        "is not what was hashed",
        3,
    ),
    "a dropped entry": ("DELETE FROM audit WHERE seq = 3", "entry 3 is missing", 3),
    "a cut end": ("DELETE FROM audit WHERE seq > 3", "its end was cut off", 4),
    "a forged head": ("UPDATE heads SET signature = hash || hash WHERE seq = 4", "not signed by this key", 4),
    "an emptied log": ("DELETE FROM audit", "its end was cut off", 1),
}


@pytest.mark.parametrize("name", TAMPERING)
async def test_a_log_edited_in_the_database_is_found_out(tmp_path: Path, name: str) -> None:
    await begun(tmp_path)
    statement, told, seq = TAMPERING[name]
    edit(tmp_path, statement)
    store = await Store.open(tmp_path, FakeClock())
    checked = await store.verify()
    await store.close()
    assert (checked.verdict, checked.seq) == (Verdict.TAMPERED, seq)
    assert told in checked.reason


async def test_a_database_put_back_from_an_old_backup_lets_no_change_run(tmp_path: Path) -> None:
    state, backup = tmp_path / "state", tmp_path / "backup.db"
    await begun(state)
    shutil.copy(state / "netdiag.db", backup)
    store = await Store.open(state, FakeClock())
    await store.append([EVENT])
    await store.close()
    shutil.copy(backup, state / "netdiag.db")
    store = await Store.open(state, FakeClock())
    with pytest.raises(JournalDown, match="an old backup"):
        await store.transact("c0ffee01", approve)
    assert (await store.verify()).verdict is Verdict.TAMPERED
    assert await store.get("c0ffee01") is not None
    await store.close()


async def test_a_log_rewritten_with_all_its_heads_is_found_by_what_was_kept_elsewhere(tmp_path: Path) -> None:
    """Whoever has the key and the directory can write a new log; the channel's copy of a head still tells."""
    await begun(tmp_path / "old")
    posted = anchors((tmp_path / "old" / "heads.log").read_text())
    await begun(tmp_path / "new")
    store = await Store.open(tmp_path / "new", FakeClock())
    assert (await store.verify()).verdict is Verdict.OK
    assert (await store.verify(posted)).verdict is Verdict.TAMPERED
    await store.close()


async def fill(store: Store) -> None:
    for _ in range(200):
        await store.append([EVENT])


async def test_a_full_disk_lets_no_change_run_and_reads_go_on(tmp_path: Path) -> None:
    await begun(tmp_path)
    store = await Store.open(tmp_path, FakeClock())
    async with store._line.engine.connect() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar()
        await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(JournalDown, match="full"):
        await fill(store)
    with pytest.raises(JournalDown, match="full"):
        await store.transact("c0ffee01", approve)
    record = await store.get("c0ffee01")
    assert record is not None
    assert record.votes == ()
    assert (await store.verify()).verdict is Verdict.OK
    await store.close()


async def test_nothing_is_written_while_the_heads_cannot_be_kept_outside(tmp_path: Path) -> None:
    await begun(tmp_path)
    heads = tmp_path / "heads.log"
    store = await Store.open(tmp_path, FakeClock())
    heads.rename(tmp_path / "aside")
    heads.mkdir()
    await store.append([EVENT])
    with pytest.raises(JournalDown, match=r"heads\.log"):
        await store.append([EVENT])
    heads.rmdir()
    (tmp_path / "aside").rename(heads)
    assert isinstance(await store.transact("c0ffee01", approve), Moved)
    assert (await store.verify()).anchored == 7
    await store.close()


async def test_a_file_named_halt_stops_every_change(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, FakeClock())
    (tmp_path / "halt").write_text("maintenance\x1b[31m until noon\nmore")
    assert await store.halted() == f"maintenance\\x1b[31m until noon ({tmp_path / 'halt'})"
    (tmp_path / "halt").write_text("")
    assert (await store.halted()).startswith("no reason given")
    (tmp_path / "halt").unlink()
    assert await store.halted() == ""
    await store.close()


READ_ONLY = dedent(
    """
    import asyncio, os, subprocess, sys
    from pathlib import Path
    from bot.adapters.store import Store
    from bot.core.audit import Verdict
    from bot.engine.ports import JournalDown
    from tests.adapters.store.test_faults import EVENT, approve, begun
    from tests.fakes.clock import FakeClock

    async def before(state: Path, crash: bool) -> None:
        await begun(state)
        if crash:
            store = await Store.open(state, FakeClock())
            await store.append([EVENT])
            os._exit(0)

    async def after(state: Path) -> None:
        store = await Store.open(state, FakeClock())
        assert (await store.get("c0ffee01")) is not None
        assert (await store.verify()).verdict is Verdict.OK
        try:
            await store.transact("c0ffee01", approve)
        except JournalDown as down:
            print("refused:", down)
        await store.close()

    state = Path(sys.argv[1]) / "state"
    asyncio.run(before(state, sys.argv[2] == "crashed") if sys.argv[3] == "before" else after(state))
    """
)
MOUNTED = """
mount -t tmpfs none "$1/disk" || exit 77
"$2" "$1/script.py" "$1/disk" "$3" before && mount -o remount,ro "$1/disk" && "$2" "$1/script.py" "$1/disk" "$3" after
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk read-only")
@pytest.mark.parametrize("left", ["closed", "crashed"])
def test_a_read_only_disk_lets_no_change_run_and_reads_go_on(tmp_path: Path, left: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(READ_ONLY)
    (tmp_path / "disk").mkdir()
    command = ["unshare", "-m", "sh", "-c", MOUNTED, "sh", tmp_path, sys.executable, left]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if answer.returncode == 77 or "unshare:" in answer.stderr:
        pytest.skip(f"no mount namespace here: {answer.stderr.strip()}")
    assert answer.stdout.startswith("refused: the store cannot be written"), answer.stderr


URLS = {
    "no URL": "nonsense:hunter2",
    "an unknown database": "foo+bar://bot:hunter2@db/netdiag",
    "a driver that cannot wait": "sqlite:///hunter2.db",
    "a driver that is not there": "postgresql+nosuch://bot:hunter2@db/netdiag",
}


@pytest.mark.parametrize("name", URLS)
async def test_a_database_url_that_cannot_be_is_told_without_its_password(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"NETDIAG_STORE: .*for example postgresql") as caught:
        await Store.open(tmp_path, FakeClock(), url=URLS[name])
    assert "hunter2" not in str(caught.value)
