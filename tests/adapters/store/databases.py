"""Which databases do the store's promises hold on? SQLite, and PostgreSQL: a cluster of its own for each test run.

The cluster is made and started here from the binaries of Debian's package, by an unprivileged user when the tests run
as root (PostgreSQL refuses root), on a Unix socket that nobody else may open, and thrown away afterwards.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.adapters.store import Store
from tests.fakes.clock import FakeClock

KINDS = ["sqlite", "postgresql"]
DEBIAN = Path("/usr/lib/postgresql")
"""Debian keeps the server's programs off PATH, a folder for each version."""
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Nothing of it outlives the tests, so nothing of it needs to outlive a power cut."""
PATIENCE = 60.0
"""Seconds until a server that does not answer counts as broken."""


def missing() -> str:
    """Why there is no PostgreSQL to try; "" when there is."""
    if importlib.util.find_spec("asyncpg") is None:
        return 'no asyncpg here (pip install "netdiag[postgresql]")'
    if programs() is None:
        return "no PostgreSQL server here (Debian: apt-get install postgresql)"
    return ""


def programs() -> Path | None:
    """The folder of initdb and postgres, of the newest version."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = [file for file in DEBIAN.glob("*/bin/initdb") if file.parts[-3].isdigit()]
    return max(versions, key=lambda file: int(file.parts[-3])).parent if versions else None


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of a database server that runs while this is open."""
    where = programs()
    assert where is not None
    home = Path(tempfile.mkdtemp(prefix="pg-"))  # not below pytest's own folder: another user must get there
    data = home / "data"
    unprivileged: dict[str, Any] = {"cwd": home}
    if os.geteuid() == 0:
        unprivileged |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(home, "nobody", "nogroup")
    make = [where / "initdb", "-D", data, "-U", "netdiag", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    options = {"unix_socket_directories": home, "listen_addresses": "", "shared_buffers": "16MB", **QUICK}
    serve = [where / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())]
    try:
        subprocess.run(make, check=True, capture_output=True, timeout=PATIENCE, **unprivileged)
        with (
            (home / "log").open("wb") as log,
            subprocess.Popen(serve, stdout=log, stderr=log, **unprivileged) as server,
        ):
            try:
                await_answer(where, home, server)
                yield f"postgresql+asyncpg://netdiag@/postgres?host={home}"
            finally:
                server.send_signal(signal.SIGQUIT)  # at once: nothing of it is wanted any more
    finally:
        shutil.rmtree(home, ignore_errors=True)


def await_answer(where: Path, home: Path, server: subprocess.Popen[bytes]) -> None:
    """Come back when the server takes connections; with its log when it does not."""
    until = time.monotonic() + PATIENCE
    while subprocess.run([where / "pg_isready", "-q", "-h", home, "-d", "postgres"], check=False).returncode:
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"PostgreSQL did not start: {(home / 'log').read_text(errors='replace')[-2_000:]}")
        time.sleep(0.05)


async def open_new(state: Path, url: str | None = None) -> Store:
    """An empty store: on SQLite, or on the PostgreSQL server of this URL, which is emptied first."""
    if url is None:
        return await Store.open(state, FakeClock())
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await engine.dispose()
    return await Store.open(state, FakeClock(), url=url)
