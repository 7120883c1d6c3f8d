"""`netdiag sweep` in the terminal, over recorded hosts and a real store: no Slack anywhere."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from bot.adapters.store import Store
from bot.app import SystemClock, terminal_actor
from bot.cli import digest_view
from bot.core.approval import stamp
from bot.core.digest import Blind, Digest, Held, Item, Moved, News, Open, Place
from bot.core.report import Severity, Status
from bot.core.sweep import Every, Sweep
from bot.demo.replay import replay_inventory
from bot.engine.drive import HEART
from tests.cli.conftest import Netdiag

ROOT = Path(__file__).parents[2]
PLAN = """\
sweeps:
  fleet: {title: The whole fleet, every: 1h, target: all, owner: me, zone: Europe/Berlin}
  well: {every: 10s, target: recorded-node-1}
  off: {cron: '0 7 * * mon-fri', target: all, enabled: false}
"""


@pytest.fixture
def place(tmp_path: Path, netdiag: Netdiag, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory of recorded hosts with three sweeps; whoever runs the test is somebody in its policy."""
    where = replay_inventory(tmp_path / "replayed", {"me": {"terminal": [terminal_actor().id]}})
    (where / "sweeps.yaml").write_text(PLAN)
    monkeypatch.setenv("NETDIAG_INVENTORY", str(where))
    monkeypatch.setenv("NETDIAG_WINDOW", "0.2")
    return where


@pytest.mark.usefixtures("place")
def test_the_list_shows_schedule_next_run_and_owner(netdiag: Netdiag) -> None:
    shown = netdiag("sweep")
    assert shown.exit_code == 0
    for words in ("fleet", "The whole fleet", "every 1 h", "Europe/Berlin", "mon-fri 07:00 UTC", "switched off"):
        assert words in shown.stdout
    listed = json.loads(netdiag("sweep", "--format", "json").stdout)
    assert listed["schema"] == "netdiag.sweeps/1"
    assert [line["name"] for line in listed["sweeps"]] == ["fleet", "well", "off"]
    assert [line["next"] is None for line in listed["sweeps"]] == [False, False, True]


@pytest.mark.usefixtures("place")
def test_a_run_at_once_tells_what_is_new_and_the_next_one_what_is_still_open(netdiag: Netdiag) -> None:
    first = netdiag("sweep", "fleet", "--once")
    assert first.exit_code == 1, first.output
    assert "accept-queue-overflow" in first.stdout
    assert first.stdout.index("New") < first.stdout.index("accept-queue-overflow")
    second = netdiag("sweep", "fleet", "--once")
    assert second.exit_code == 1
    assert "nothing new" in second.stdout
    assert second.stdout.index("Still open") < second.stdout.index("accept-queue-overflow")
    listed = json.loads(netdiag("sweep", "--format", "json").stdout)
    assert listed["sweeps"][0]["last"]["phase"] == "told"
    assert listed["sweeps"][0]["last"]["hosts"]["critical"] == 1


@pytest.mark.usefixtures("place")
def test_json_is_one_document_and_a_healthy_host_exits_0(netdiag: Netdiag) -> None:
    shown = netdiag("sweep", "well", "--once", "--format", "json")
    assert shown.exit_code == 0, shown.output
    digest = Digest.model_validate_json(shown.stdout)
    assert (digest.sweep, digest.hosts[Status.OK]) == ("well", 1)


def test_a_host_that_cannot_be_read_exits_3(netdiag: Netdiag, place: Path) -> None:
    (place / "recordings" / "node-1.yaml").unlink()
    shown = netdiag("sweep", "well", "--once")
    assert shown.exit_code == 3, shown.output
    assert "recorded-node-1" in shown.stdout


@pytest.mark.usefixtures("place")
def test_a_pause_needs_a_reason_is_shown_and_is_taken_back(netdiag: Netdiag) -> None:
    assert "needs a reason" in str(netdiag("sweep", "fleet", "--pause", "2h").exception)
    paused = netdiag("sweep", "fleet", "--pause", "2h", "--reason", "switches are exchanged")
    assert paused.exit_code == 0, paused.output
    shown = netdiag("sweep").stdout
    assert "paused until" in shown
    assert "by me: switches are exchanged" in shown
    assert netdiag("sweep", "fleet", "--resume").exit_code == 0
    assert "paused until" not in netdiag("sweep").stdout
    kinds = [entry["kind"] for entry in json.loads(netdiag("audit", "list", "--format", "json").stdout)]
    assert {"SweepPaused", "SweepResumed"} <= set(kinds)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--once",), "name the sweep"),
        (("fleet", "--once", "--resume"), "give one of"),
        (("fleet", "--reason", "x"), "give --pause as well"),
        (("flet", "--once"), 'did you mean "fleet"'),
        (("fleet", "--pause", "soon", "--reason", "x"), "is no span of time"),
        (("off",), "switched off: `enabled: false` in "),
    ],
)
def test_what_is_no_request_is_told_with_its_remedy(netdiag: Netdiag, words: tuple[str, ...], said: str) -> None:
    assert said in str(netdiag("sweep", *words).exception)


def test_a_faulty_file_is_told_line_by_line(netdiag: Netdiag, place: Path) -> None:
    (place / "sweeps.yaml").write_text("sweeps:\n  fleet: {every: soon, target: nowhere}\n")
    lines = str(netdiag("sweep").exception).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{place}/sweeps.yaml:2"] * 2


def test_sweeping_goes_on_at_the_terminal_until_it_is_stopped(place: Path, tmp_path: Path) -> None:
    own = {"NETDIAG_STATE": str(tmp_path / "state"), "NETDIAG_INVENTORY": str(place), "NETDIAG_WINDOW": "0.2"}
    command = [sys.executable, "-m", "bot", "sweep", "well", "--format", "json"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        dues = [Digest.model_validate_json(process.stdout.readline()).due for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert [due.timestamp() % 10 for due in dues] == [0, 0]
    assert dues[0] < dues[1]


async def _serve(state: Path) -> None:
    """As if a bot served this store from now on."""
    store = await Store.open(state, SystemClock())
    await store.replace(*HEART, {"owner": "bot-other", "at": stamp(datetime.now(UTC))})
    await store.close()


def test_a_bot_that_serves_the_store_keeps_its_sweeps(netdiag: Netdiag, place: Path, tmp_path: Path) -> None:
    asyncio.run(_serve(tmp_path / "state"))
    assert "a bot serves this store and keeps well" in str(netdiag("sweep", "well").exception)
    assert netdiag("sweep", "well", "--once").exit_code == 0, "to look once is no harm"


def test_sweeping_at_the_terminal_ends_when_a_bot_begins_to_serve(place: Path, tmp_path: Path) -> None:
    own = {"NETDIAG_STATE": str(tmp_path / "state"), "NETDIAG_INVENTORY": str(place), "NETDIAG_WINDOW": "0.2"}
    command = [sys.executable, "-m", "bot", "sweep", "well", "--format", "json"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        asyncio.run(_serve(tmp_path / "state"))
        _, said = process.communicate(timeout=90)
    assert process.returncode == 0
    assert "a bot serves this store now and keeps well: this one ends" in said


NOW = datetime(2030, 5, 13, 9, 0, tzinfo=UTC)
HOSTILE = "node\x1b[31m-\u202eevil"


def test_a_digest_reads_from_what_is_new_to_what_was_held_back_and_nothing_of_a_host_is_raw() -> None:
    places = tuple(
        Place(host=f"node-{n}", fingerprint=f"f{n}", summary=f"{HOSTILE} {n}", since=NOW, severity=Severity.CRITICAL)
        for n in range(14)
    )
    common = {"id": "rp-filter-drops", "playbook": "rp-filter", "title": "Strict", "severity": Severity.CRITICAL}
    told = Digest(
        sweep="fleet",
        due=NOW,
        run="r1",
        begun=NOW,
        seconds=12.3,
        hosts={Status.CRITICAL: 14, Status.OK: 186},
        before={Status.OK: 200},
        items=(
            Item(news=News.NEW, places=places, **common),
            Item(news=News.RESOLVED, places=places[:1], **common),
            Item(news=News.LEFT, places=places[1:2], **common),
        ),
        open=(Open(id="backlog-capped", playbook="p", title="t", severity=Severity.WARNING, hosts=("a",), oldest=NOW),),
        blind=(Blind(reason=f"no route {HOSTILE}", hosts=("b", "c"), whole=True, news=True),),
        sighted=("d",),
        held=(Held(why="silenced by alice", count=3, worst=Severity.WARNING),),
        moved=(Moved(host="a", key="k", title="Sockets", unit="sockets", before=10, now=12_345, limit=20_000),),
        missed=("2 runs missed (02:00, 03:00 UTC): the bot was not running",),
        grid={"node-1": (Status.OK, Status.CRITICAL), "well": (Status.OK, Status.OK)},
    )
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - nobody reads it
    console.print(digest_view.digest(told, Sweep("fleet", Every(900), "all", zone="Europe/Berlin")))
    text = console.export_text()
    order = [
        "1 new",
        "200 hosts",
        "▲ 2 runs missed",
        "New",
        "14 hosts",
        "Resolved",
        "Left the inventory:",
        "Still open",
        "Unknown",
        "Moved",
    ]
    found = [text.index(words) for words in (*order, "Held back", "The last 2 sweeps")]
    assert found == sorted(found)
    assert "12,345 of 20,000 sockets" in text
    assert "- Strict  node-1, last known critical, open for " in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "well" not in text.partition("The last 2 sweeps")[2]


def test_doctor_says_what_is_wrong_with_the_plan(netdiag: Netdiag, place: Path) -> None:
    found = json.loads(netdiag("doctor", "none", "--format", "json").stdout)
    (well,) = [item for item in found if item["about"] == "sweeps"]
    assert (well["state"], "3 in" in well["detail"]) == ("ok", True)
    (place / "sweeps.yaml").write_text("sweeps:\n  fleet: {every: soon, target: all}\n")
    found = json.loads(netdiag("doctor", "none", "--format", "json").stdout)
    (broken,) = [item for item in found if item["about"] == "sweeps"]
    assert (broken["state"], "sweeps.yaml:2: every" in broken["detail"]) == ("fault", True)
