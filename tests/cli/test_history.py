"""A host's past at the terminal: courses, outlooks and faults; what is usual, and what is missing to say so."""

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.adapters.store import Store
from bot.app import SystemClock
from bot.core.errors import AskError
from bot.core.fault import Fault, Stage
from bot.core.measure import Measure
from bot.core.report import HostReport, Severity, Status
from bot.engine.sweep_ports import Visited
from tests.cli.conftest import Netdiag

SHIPPED = Path(__file__).resolve().parents[2] / "playbooks"
HOSTS = "hosts:\n" + "".join(
    f"  web-{number}: {{address: 192.0.2.{number}, labels: {{role: web}}}}\n" for number in range(1, 5)
)
DAYS = 3


def measures(number: int, hours: float) -> tuple[Measure, ...]:
    """Every host has some sockets; web-1 leaks since ten hours."""
    leaked = max(0.0, 40 * (hours - 24 * DAYS + 10)) if number == 1 else 0.0
    return (
        Measure(
            id="process-descriptors",
            playbook="socket-fds",
            scope={"namespace": "shop", "process": "legacy-api", "pid": 17},
            value=300 + leaked + hours % 3,
            limit=1024,
        ),
        Measure(id="sockets-used", playbook="tcp-memory", scope={"namespace": "host"}, value=400 + number + hours % 5),
    )


async def seed(state: Path, visits: int) -> None:
    store = await Store.open(state, SystemClock())
    try:
        begun = datetime.now(UTC) - timedelta(days=DAYS)
        for step in range(visits):
            hours = 24 * DAYS * step / max(1, visits - 1)
            at = begun + timedelta(hours=hours)
            hosts = [
                HostReport(host=f"web-{number}", status=Status.OK, measures=measures(number, hours))
                for number in range(1, 5)
            ]
            await store.history.visited(Visited(at, f"r{step}", hosts, [fault(at)] if step == visits - 1 else []))
    finally:
        await store.close()


def fault(at: datetime) -> Fault:
    return Fault(
        host="web-1", fingerprint="f1", id="close-wait-leak", playbook="socket-fds", severity=Severity.WARNING,
        summary="legacy-api[17] in shop holds 380 sockets in CLOSE_WAIT", stage=Stage.OPEN, first=at, since=at, last=at,
    )  # fmt: skip


@pytest.fixture
def state(netdiag: Netdiag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    books = tmp_path / "playbooks"
    books.mkdir()
    for name in ("socket-fds", "tcp-memory"):  # those whose measures are kept here: all of them take a while to check
        shutil.copy(SHIPPED / f"{name}.yaml", books)
    monkeypatch.setenv("NETDIAG_PLAYBOOKS", str(books))
    (tmp_path / "inventory" / "hosts.yaml").write_text(HOSTS)
    return Path(tmp_path / "state")


def kept(state: Path, visits: int) -> None:
    asyncio.run(seed(state, visits))


def test_history_shows_the_course_the_pace_and_when_the_limit_is_reached(netdiag: Netdiag, state: Path) -> None:
    kept(state, 145)
    done = netdiag("history", "web-1", "--state", str(state))
    assert done.exit_code == 0, done.output
    assert "Open descriptors" in done.stdout
    assert "legacy-api in shop" in done.stdout
    assert "▁" in done.stdout
    assert "(likely)" in done.stdout
    assert "close-wait-leak" in done.stdout


def test_history_as_json_has_points_slope_and_forecast(netdiag: Netdiag, state: Path) -> None:
    kept(state, 145)
    done = netdiag("history", "web-1,web-2", "--measure", "process-*", "--format", "json", "--state", str(state))
    said = json.loads(done.stdout)
    assert said["schema"] == "netdiag.history/1"
    leaking, quiet = said["hosts"]
    (one,) = leaking["measures"]
    assert (one["id"], one["unit"], one["limit"]) == ("process-descriptors", "descriptors", 1024)
    assert one["forecast"]["confidence"] == "likely"
    assert 5 * 3600 < one["forecast"]["soonest_seconds"] < 12 * 3600  # 324 of 1024 are left at 40 an hour
    assert len(one["points"]) == 145
    assert [each["forecast"]["confidence"] for each in quiet["measures"]] == ["no statement"]
    assert leaking["faults"][0]["open"] is True


def test_history_draws_one_host_and_not_two(netdiag: Netdiag, state: Path, tmp_path: Path) -> None:
    kept(state, 20)
    file = tmp_path / "web-1.png"
    done = netdiag("history", "web-1", "--picture", str(file), "--state", str(state))
    assert done.exit_code == 0, done.output
    assert file.read_bytes().startswith(b"\x89PNG")
    refused = netdiag("history", "all", "--picture", str(file), "--state", str(state))
    assert isinstance(refused.exception, AskError)
    assert "name one" in str(refused.exception)


def test_history_of_what_was_never_seen_says_what_leaves_one(netdiag: Netdiag, state: Path, tmp_path: Path) -> None:
    done = netdiag("history", "web-3", "--state", str(state))
    assert done.exit_code == 0, done.output
    assert "nothing is kept of it" in done.stdout
    file = tmp_path / "x.png"
    spans = ["soon", "36501d", "99999w", "36500d 1h", f"{'9' * 5_000}h"]
    for words in (["web-9"], *(["web-3", "--since", since] for since in spans), ["web-3", "--picture", str(file)]):
        assert isinstance(netdiag("history", *words, "--state", str(state)).exception, AskError)
    assert not file.exists()
    done = netdiag("history", "web-3", "--since", "99999w", "--state", str(state))
    assert str(done.exception) == '"99999w" is longer than 36500 days; write 30m, 2h or 3d'
    assert netdiag("history", "web-3", "--since", "36500d", "--state", str(state)).exit_code == 0


def test_learn_keeps_what_is_usual_of_hosts_and_of_their_role(netdiag: Netdiag, state: Path) -> None:
    kept(state, 60)
    done = netdiag("learn", "web-2", "--format", "json", "--state", str(state))
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert {norm["subject"] for norm in said["norms"]} == {"host:web-2", "role:web"}
    mine = next(n for n in said["norms"] if (n["subject"], n["measure"]) == ("host:web-2", "sockets-used"))
    assert 402 <= mine["low"] < mine["middle"] < mine["high"] <= 407
    assert mine["visits"] == 60
    shown = netdiag("learn", "--state", str(state))
    assert "role web" in shown.stdout
    assert "legacy-api in shop" in shown.stdout


def test_learn_says_what_is_missing(netdiag: Netdiag, state: Path) -> None:
    kept(state, 5)
    done = netdiag("learn", "--state", str(state))
    assert done.exit_code == 3
    assert "5 visits within 3 days; 30 visits over 24 h are needed" in done.stdout
