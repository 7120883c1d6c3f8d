"""A store of an older netdiag becomes one of this: all of it or nothing, once, and told in the log."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.adapters.store import Store, tables
from bot.adapters.store.moments import micro
from bot.adapters.store.past import tables as past
from bot.adapters.store.upgrade import SCRIPTS
from bot.core.approval import State
from bot.core.audit import Event, Verdict
from bot.engine.ports import JournalDown
from tests.adapters.store.databases import open_new
from tests.adapters.store.hammer import counter
from tests.adapters.store.old import OLD, dump, old_store
from tests.adapters.store.test_processes import APART, together
from tests.fakes.clock import START, FakeClock

EVENT = Event("LogRead", "terminal:alice", "2030-05-13T09:00:00Z")


async def kinds(store: Store) -> list[str]:
    return [entry.event().kind async for entry in store.entries()]


@pytest.mark.parametrize("schema", OLD)
async def test_an_old_store_is_upgraded_and_nothing_of_it_is_lost(tmp_path: Path, schema: int) -> None:
    old_store(tmp_path, schema)
    store = await Store.open(tmp_path, FakeClock())
    record = await store.get("c0ffee01")
    assert record is not None
    assert (record.state, [vote.person for vote in record.votes]) == (State.APPROVED, ["alice"])
    assert await store.recall("inbox", "E1") == {"n": 1}
    assert await kinds(store) == ["LogOpened", "ChangeProposed", "ChangeApproved", "LogRead", "StoreUpgraded"]
    (last,) = [entry.event() async for entry in store.entries(first=5)]
    assert (last.actor, last.data) == (
        "system:store",
        {"from": schema, "to": tables.SCHEMA, "copy": f"netdiag.db.schema-{schema}"},
    )
    checked = await store.verify()
    assert (checked.verdict, checked.checked, checked.signed, checked.anchored) == (Verdict.OK, 5, 5, 5)
    assert [fire.run for fire in await store.history.fires()] == ["r1"] * (schema - 1)
    await store.close()


def ages(database: Path) -> list[tuple[str, int | None]]:
    with closing(sqlite3.connect(database)) as opened:
        return opened.execute("SELECT kind, at FROM memory ORDER BY kind").fetchall()


async def test_what_an_older_netdiag_remembered_is_as_old_as_the_upgrade(tmp_path: Path) -> None:
    old_store(tmp_path, 2)
    store = await Store.open(tmp_path, FakeClock())
    assert ages(tmp_path / "netdiag.db") == [(kind, micro(START)) for kind in ("card", "inbox", "thread")]
    year = timedelta(days=365)
    assert (await store.history.thin(START + year))["memory"] == 0
    assert (await store.history.thin(START + year + timedelta(seconds=1)))["memory"] == 1
    assert [kind for kind, _ in ages(tmp_path / "netdiag.db")] == ["card", "inbox"]
    await store.close()


async def test_what_an_older_netdiag_still_writes_has_no_age_and_stays(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, FakeClock())
    with closing(sqlite3.connect(tmp_path / "netdiag.db")) as database:
        database.execute("INSERT INTO memory (kind, key, value) VALUES ('thread', 'r1', '{}')")
        database.commit()
    assert (await store.history.thin(START + timedelta(days=9_999)))["memory"] == 0
    assert await store.recall("thread", "r1") == {}
    await store.close()


async def test_a_store_on_postgresql_learns_the_age_of_what_it_remembers(tmp_path: Path, postgresql: str) -> None:
    def look(on: Connection) -> str:
        return f"{inspect(on).get_columns('memory')} {inspect(on).get_indexes('memory')}"

    store = await open_new(tmp_path, postgresql)
    await store.replace("thread", "r1", {"n": 1})
    await store.replace("of no known kind", "r1", {"n": 2})
    await store.close()
    engine = create_async_engine(postgresql)
    async with engine.begin() as connection:
        new = await connection.run_sync(look)
        await connection.execute(text("ALTER TABLE memory DROP COLUMN at"))  # as schema 2 has it, and its index with it
        await connection.execute(text("UPDATE meta SET value = '2' WHERE key = 'schema'"))
        await connection.execute(text("UPDATE alembic_version SET version_num = '2'"))
    later = FakeClock(START + timedelta(days=100))
    store = await Store.open(tmp_path, later, url=postgresql)
    assert await kinds(store) == ["LogOpened", "StoreUpgraded"]
    assert await store.recall("thread", "r1") == {"n": 1}
    assert (await store.history.thin(START + timedelta(days=400)))["memory"] == 0
    assert (await store.history.thin(START + timedelta(days=466)))["memory"] == 1
    assert await store.recall("of no known kind", "r1") == {"n": 2}
    await store.close()
    async with engine.begin() as connection:
        old = await connection.run_sync(look)
    await engine.dispose()
    assert old == new


async def test_the_upgrade_is_done_once(tmp_path: Path) -> None:
    old_store(tmp_path)
    for _ in range(2):
        store = await Store.open(tmp_path, FakeClock())
        assert Counter(await kinds(store))["StoreUpgraded"] == 1
        await store.close()


async def test_a_copy_of_what_was_before_is_beside_it(tmp_path: Path) -> None:
    old_store(tmp_path)
    before = dump(tmp_path / "netdiag.db")
    await (await Store.open(tmp_path, FakeClock())).close()
    copy = tmp_path / "netdiag.db.schema-1"
    assert dump(copy) == before
    assert stat.S_IMODE(copy.stat().st_mode) == stat.S_IMODE((tmp_path / "netdiag.db").stat().st_mode)
    assert not [name for name in os.listdir(tmp_path) if name.startswith("netdiag.db.schema-1.")], "a draft is left"


def shape(database: Path) -> dict[str, Any]:
    """Tables, columns, keys and indices, as the database itself tells them."""
    engine = create_engine(f"sqlite:///{database}")
    seen = inspect(engine)
    found = {
        name: (
            [{**column, "type": str(column["type"])} for column in seen.get_columns(name)],
            seen.get_pk_constraint(name),
            sorted(
                (index["name"], index["column_names"], index["unique"], _words(index.get("dialect_options", {})))
                for index in seen.get_indexes(name)
            ),
            sorted(seen.get_unique_constraints(name), key=str),
        )
        for name in seen.get_table_names()
    }
    engine.dispose()
    return found


def _words(options: Any) -> list[tuple[str, str]]:
    return sorted((name, str(value)) for name, value in options.items())


@pytest.mark.parametrize("schema", OLD)
async def test_an_upgraded_store_is_like_a_new_one_and_like_the_tables_of_the_code(tmp_path: Path, schema: int) -> None:
    (tmp_path / "new").mkdir()
    old_store(tmp_path / "old", schema)
    for name in ("new", "old"):
        await (await Store.open(tmp_path / name, FakeClock())).close()
    new, upgraded = shape(tmp_path / "new" / "netdiag.db"), shape(tmp_path / "old" / "netdiag.db")
    assert new.keys() == upgraded.keys()
    for name, what in new.items():
        assert upgraded[name] == what, name
    for name in ("new", "old"):
        engine = create_engine(f"sqlite:///{tmp_path / name / 'netdiag.db'}")
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, past.metadata) == [], name
            assert context.get_current_revision() == str(tables.SCHEMA)
        engine.dispose()
        with closing(sqlite3.connect(tmp_path / name / "netdiag.db")) as database:
            rowless = database.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%' ORDER BY 1")
            assert [row[0] for row in rowless] == ["points", "visits"], name


def test_there_is_a_script_for_every_schema_but_the_first() -> None:
    names = {path.name.split("_")[0] for path in (SCRIPTS / "versions").glob("s*.py")}
    assert names == {f"s{number}" for number in range(2, tables.SCHEMA + 1)}
    assert set(OLD) == set(range(1, tables.SCHEMA)), "a store of every older schema was recorded"


# --- what may go wrong ---------------------------------------------------------------------------------------------


def run(command: list[Any]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


KILLED = dedent(
    """
    import asyncio, os, sys
    from pathlib import Path
    from sqlalchemy import Engine, event
    from bot.adapters.store import Store
    from tests.fakes.clock import FakeClock

    word = sys.argv[2]

    @event.listens_for(Engine, "after_cursor_execute")
    def stop(connection, cursor, statement, *rest):
        if statement.strip().startswith(word):
            os._exit(9)

    asyncio.run(Store.open(Path(sys.argv[1]), FakeClock()))
    """
)


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        *((1, word) for word in ("CREATE TABLE fires", "CREATE TABLE pauses")),
        *((2, word) for word in ("ALTER TABLE memory", "UPDATE memory", "CREATE INDEX memory_age")),
        *((2, word) for word in ("UPDATE meta", "INSERT INTO audit", "INSERT INTO heads")),
    ],
)
async def test_an_upgrade_that_is_interrupted_leaves_the_old_store_whole(
    tmp_path: Path, schema: int, word: str
) -> None:
    old_store(tmp_path / "state", schema)
    before = dump(tmp_path / "state" / "netdiag.db")
    (tmp_path / "script.py").write_text(KILLED)
    assert run([sys.executable, tmp_path / "script.py", tmp_path / "state", word]).returncode == 9
    assert dump(tmp_path / "state" / "netdiag.db") == before
    store = await Store.open(tmp_path / "state", FakeClock())
    assert (await store.verify()).verdict is Verdict.OK
    assert (await kinds(store))[-1] == "StoreUpgraded"
    await store.close()


async def test_of_several_processes_that_upgrade_at_once_one_does(tmp_path: Path) -> None:
    old_store(tmp_path)
    gate = APART.Barrier(3)
    together([(counter, (tmp_path, "nothing", 0, gate, 0)) for _ in range(3)])
    store = await Store.open(tmp_path, FakeClock())
    assert Counter(await kinds(store))["StoreUpgraded"] == 1
    assert (await store.verify()).verdict is Verdict.OK
    await store.close()


async def only_read(store: Store, why: str) -> None:
    """Changes and the log are there; whatever writes, and the past, say why not."""
    assert await store.get("c0ffee01") is not None
    assert len(await kinds(store)) == 4
    told = rf"the store is of schema 1, this netdiag needs {tables.SCHEMA}, and cannot be upgraded \(.*{why}.*only read"
    for call in (
        lambda: store.append([EVENT]),
        lambda: store.remember("a", "b", {}),
        store.history.fires,
        lambda: store.history.thin(START),
    ):
        with pytest.raises(JournalDown, match=told):
            await call()


async def test_where_no_copy_can_be_made_the_old_store_is_only_read(tmp_path: Path) -> None:
    old_store(tmp_path)
    (tmp_path / "netdiag.db.schema-1").mkdir()
    store = await Store.open(tmp_path, FakeClock())
    await only_read(store, "no copy of it can be made first: .*irectory")
    assert (await store.verify()).verdict is Verdict.OK
    await store.close()
    (tmp_path / "netdiag.db.schema-1").rmdir()
    store = await Store.open(tmp_path, FakeClock())
    await store.append([EVENT])
    await store.close()


async def test_a_store_that_was_tampered_with_is_not_upgraded_over_it(tmp_path: Path) -> None:
    old_store(tmp_path)
    with closing(sqlite3.connect(tmp_path / "netdiag.db")) as database:
        database.execute("UPDATE audit SET hash = 'x' WHERE seq = 4")
        database.commit()
    store = await Store.open(tmp_path, FakeClock())
    await only_read(store, "entry 4 of the log is not what was signed")
    assert (await store.verify()).verdict is Verdict.TAMPERED
    await store.close()


READ_ONLY = dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from tests.adapters.store.old import old_store
    from tests.adapters.store.test_upgrade import only_read
    from bot.adapters.store import Store
    from tests.fakes.clock import FakeClock

    async def after(state):
        store = await Store.open(state, FakeClock())
        await only_read(store, "Read-only file system")
        await store.close()
        print("read")

    state = Path(sys.argv[1]) / "state"
    old_store(state) if sys.argv[2] == "before" else asyncio.run(after(state))
    """
)
MOUNTED = """
mount -t tmpfs none "$1/disk" || exit 77
"$2" "$1/script.py" "$1/disk" before && mount -o remount,ro "$1/disk" && "$2" "$1/script.py" "$1/disk" after
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk read-only")
def test_an_old_store_on_a_read_only_disk_is_read(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(READ_ONLY)
    (tmp_path / "disk").mkdir()
    answer = run(["unshare", "-m", "sh", "-c", MOUNTED, "sh", tmp_path, sys.executable])
    if answer.returncode == 77 or "unshare:" in answer.stderr:
        pytest.skip(f"no mount namespace here: {answer.stderr.strip()}")
    assert answer.stdout.endswith("read\n"), answer.stderr
