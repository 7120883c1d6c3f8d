"""`netdiag audit verify` says what is true, of the store and of an export, with the key and the part it was given."""

import asyncio
from pathlib import Path

import pytest

from bot.adapters.store import Store
from bot.core.audit import Event
from tests.cli.conftest import Netdiag
from tests.fakes.clock import FakeClock


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A log of six entries; what somebody typed into one of them breaks lines in some programs."""
    return begin(tmp_path / "state")


def begin(place: Path) -> Path:
    async def write() -> None:
        store = await Store.open(place, FakeClock())
        for number in range(5):
            what = {"what": f"entry {number}\u2028\x85\x0b{{"}
            await store.append([Event("LogRead", "terminal:alice", "2030-05-13T09:00:00Z", data=what)])
        await store.close()

    asyncio.run(write())
    return place


def test_a_sound_log_is_ok(netdiag: Netdiag, state: Path) -> None:
    done = netdiag("audit", "verify")
    assert (done.exit_code, done.stdout) == (0, "ok: 6 entries in order\n")


def test_an_export_is_sound_with_the_key_and_cannot_be_told_without(
    netdiag: Netdiag, state: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    assert netdiag("audit", "export", "--to", log).exit_code == 0
    assert netdiag("audit", "verify", "--file", log).exit_code == 2
    assert netdiag("audit", "verify", "--file", log, "--key", state / "audit.pub").exit_code == 0
    assert netdiag("audit", "verify", "--file", log, "--anchors", state / "heads.log").exit_code == 0


def test_an_edited_export_is_tampered_with_where_it_was_edited(netdiag: Netdiag, state: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    netdiag("audit", "export", "--to", log)
    log.write_text(log.read_text().replace("entry 2", "entry 7"))
    done = netdiag("audit", "verify", "--file", log, "--key", state / "audit.pub")
    assert done.exit_code == 1
    assert done.stdout.startswith("tampered at entry 4")


def test_a_part_of_a_whole_export_can_be_verified(netdiag: Netdiag, state: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    netdiag("audit", "export", "--to", log)
    done = netdiag("audit", "verify", "--file", log, "--key", state / "audit.pub", "--from", "4")
    assert (done.exit_code, done.stdout) == (0, "ok: 4 entries in order\n")


def test_a_store_is_held_against_the_key_that_was_kept_elsewhere(netdiag: Netdiag, state: Path, tmp_path: Path) -> None:
    other = begin(tmp_path / "other")
    assert netdiag("audit", "verify", "--key", state / "audit.pub").exit_code == 0
    done = netdiag("audit", "verify", "--key", other / "audit.pub")
    assert done.exit_code == 1
    assert "not signed by this key" in done.stdout


def test_a_log_whose_end_was_cut_off_can_still_be_read(netdiag: Netdiag, state: Path, tmp_path: Path) -> None:
    """An old backup, put back: nothing can be written, and that is just when somebody has to look."""
    kept = (state / "netdiag.db").read_bytes()
    begin(state)
    (state / "netdiag.db").write_bytes(kept)
    assert netdiag("audit", "verify").exit_code == 1
    for words in (("list",), ("show", "6"), ("export", "--to", tmp_path / "log.jsonl")):
        done = netdiag("audit", *words)
        assert done.exit_code == 0, words
        assert "not in the log" in done.stderr
    assert (tmp_path / "log.jsonl").read_text().count("entry 4") == 1
