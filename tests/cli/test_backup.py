"""`netdiag backup` and `restore` at the terminal, and what doctor and the log say of them."""

import json
from pathlib import Path

import pytest

from bot.adapters.store import about
from bot.core.errors import ConfigError
from tests.adapters.store.old import old_store
from tests.cli.conftest import Netdiag


def kinds(netdiag: Netdiag) -> list[str]:
    return [entry["kind"] for entry in json.loads(netdiag("audit", "list", "--format", "json").stdout)]


def test_a_backup_is_restored_and_the_log_verifies(netdiag: Netdiag, tmp_path: Path) -> None:
    assert netdiag("changes", "list").exit_code == 0
    done = netdiag("backup", tmp_path / "b.tar")
    assert done.exit_code == 0
    assert "schema 3, 1 entries of the log, without audit.key: keep it apart" in done.stdout
    assert kinds(netdiag) == ["LogOpened", "StoreBackedUp"]
    refused = netdiag("restore", tmp_path / "b.tar")
    assert isinstance(refused.exception, ConfigError)
    assert "--force replaces it" in str(refused.exception)
    done = netdiag("restore", tmp_path / "b.tar", "--force")
    assert done.exit_code == 0
    assert "restored, 1 entries of the log verified; what was there is in" in done.stdout
    assert netdiag("audit", "verify").exit_code == 0
    assert kinds(netdiag)[:2] == ["LogOpened", "StoreRestored"]


def test_doctor_tells_size_room_and_the_last_backup(netdiag: Netdiag, tmp_path: Path) -> None:
    assert "none known; `netdiag backup FILE`" in " ".join(netdiag("doctor", "none").stdout.split())
    netdiag("backup", tmp_path / "b.tar", "--with-key")
    told = " ".join(netdiag("doctor", "none").stdout.split())
    assert f"{tmp_path / 'b.tar'}" in told
    assert "schema 3," in told
    assert "GB free" in told


def test_a_backup_before_an_upgrade_upgrades_nothing(netdiag: Netdiag, tmp_path: Path) -> None:
    old_store(tmp_path / "state")
    done = netdiag("backup", tmp_path / "b.tar")
    assert done.exit_code == 0
    assert "this is not in the log: the store is of schema 1" in done.stderr
    assert about(tmp_path / "state" / "netdiag.db").schema == 1


def test_a_store_that_cannot_be_upgraded_is_read_and_doctor_says_why(netdiag: Netdiag, tmp_path: Path) -> None:
    old_store(tmp_path / "state")
    (tmp_path / "state" / "netdiag.db.schema-1").mkdir()
    listed = netdiag("changes", "list")
    assert listed.exit_code == 0
    assert "c0ffee01" in listed.stdout
    assert netdiag("audit", "list").exit_code == 0
    told = netdiag("doctor", "none")
    assert told.exit_code == 1
    assert "cannot be upgraded" in " ".join(told.stdout.split())


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_another_database_is_left_to_its_own_tools(
    netdiag: Netdiag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("NETDIAG_STORE", "postgresql+asyncpg://bot:hunter2@db/netdiag")
    refused = netdiag(command, tmp_path / "b.tar")
    assert isinstance(refused.exception, ConfigError)
    assert "pg_dump" in str(refused.exception)
    assert "hunter2" not in str(refused.exception)
