"""The plan's file: what it means, and how each fault is told."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import actions, probes
from bot.adapters.files.inventory import load_inventory
from bot.adapters.files.playbooks import load_playbooks
from bot.adapters.files.policy import FilePolicy
from bot.adapters.files.sweep_entries import World
from bot.adapters.files.sweeps import FILE, FilePlan, read_plan
from bot.core.errors import ConfigError
from bot.core.playbook import Playbook
from bot.core.policy import Policy
from bot.core.sweep import Cron, Every, Overlap, Plan, Quiet, Sweep, Tuning
from bot.core.window import inside

ROOT = Path(__file__).parents[3]
INVENTORY = load_inventory(ROOT / "inventory")


@pytest.fixture(scope="module")
def playbooks() -> Mapping[str, Playbook]:
    return load_playbooks(ROOT / "playbooks", probes.catalog(), actions.catalog())


@pytest.fixture(scope="module")
def world(playbooks: Mapping[str, Playbook]) -> World:
    return World(INVENTORY, playbooks, ("alice", "bob", "carol"))


def read(text: str, world: World) -> Plan:
    return read_plan(text.encode(), "sweeps.yaml", "v1", world)


def test_the_shipped_example_is_a_plan_for_the_shipped_inventory(playbooks: Mapping[str, Playbook]) -> None:
    policy = FilePolicy(ROOT / "inventory")
    plan = FilePlan(ROOT / "inventory", INVENTORY, playbooks, policy.policy).load()
    assert list(plan.sweeps) == ["fleet", "ingress", "morning"]
    assert all(sweep.owner in policy.policy().people for sweep in plan.sweeps.values())


GOOD = """\
defaults: {zone: Europe/Berlin, owner: alice, channel: C024BE7LH, jitter: 20s, quiet_hours: [daily 22:00 - 07:00]}
sweeps:
  ports:
    every: 10m
    target: role=worker
    playbooks: [ports, listen-queue]
    params: {port: 443}
    overlap: wait
    quiet: silent
    quiet_hours: []
    thresholds: {open_after: 3, horizon: 12h, least: critical}
  morning: {cron: '0 7 * * MON-FRI', target: all, jitter: 0s, title: Good morning, enabled: false}
maintenance:
  - {weekly: sun 02:00 - sun 04:00, zone: Europe/Berlin, why: backup window, hosts: node-1}
messages_per_hour: 5
"""


def test_a_plan_means_what_it_says(world: World) -> None:
    plan = read(GOOD, world)
    ports, morning = plan.sweeps.values()
    assert ports == Sweep(
        "ports",
        Every(600),
        "role=worker",
        channel="C024BE7LH",
        zone="Europe/Berlin",
        jitter=20,
        playbooks=("ports", "listen-queue"),
        params={"port": "443"},
        owner="alice",
        overlap=Overlap.WAIT,
        quiet=Quiet.SILENT,
        tuning=Tuning(open_after=3, horizon=12 * 3600, least="critical"),
        place="sweeps.yaml:3",
    )
    assert (morning.when, morning.jitter, morning.enabled) == (Cron("0 7 * * mon-fri"), 0, False)
    assert len(morning.quiet_hours) == 7
    assert plan.messages_per_hour == 5
    assert inside(plan.maintenance[0], datetime(2030, 1, 6, 2, 0, tzinfo=UTC), INVENTORY.hosts["node-1"])
    assert not inside(plan.maintenance[0], datetime(2030, 1, 6, 2, 0, tzinfo=UTC), INVENTORY.hosts["node-2"])


QUIET = [
    # as written, open at, shut at (UTC, which is the zone)
    ("daily 22:00 - 07:00", ["mon 22:00", "tue 06:59", "sun 23:00", "mon 03:00"], ["mon 07:00", "wed 21:59"]),
    ("mon-fri 18:00-08:00", ["fri 19:00", "sat 07:59", "mon 18:00"], ["sat 08:00", "sun 20:00", "mon 07:59"]),
    ("sat 09:00 - 12:00", ["sat 09:00"], ["sat 12:00", "sun 09:00"]),
    ("fri 18:00 - mon 07:00", ["fri 18:00", "sun 12:00", "mon 06:59"], ["mon 07:00", "thu 18:00"]),
    ("fri-mon 00:00 - 00:00", ["fri 00:00", "sun 12:00", "mon 23:59"], ["tue 00:00", "thu 23:59"]),
]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.mark.parametrize(("text", "quiet", "loud"), QUIET)
def test_quiet_hours_mean_what_they_say(text: str, quiet: list[str], loud: list[str], world: World) -> None:
    (sweep,) = read(f"sweeps: {{x: {{every: 1h, target: all, quiet_hours: ['{text}']}}}}", world).sweeps.values()

    def at(moment: str) -> datetime:
        day, _, hour = moment.partition(" ")
        return datetime.fromisoformat(f"2030-01-{7 + DAYS.index(day):02} {hour}").replace(tzinfo=UTC)

    found = {moment: any(inside(window, at(moment)) for window in sweep.quiet_hours) for moment in (*quiet, *loud)}
    assert found == dict.fromkeys(quiet, True) | dict.fromkeys(loud, False)


def one(**keys: str) -> str:
    """A file with one sweep; a key that is given replaces that of a good one."""
    lines = {"every": "15m", "target": "all"} | keys
    return "sweeps:\n  fleet:\n" + "".join(f"    {key}: {value}\n" for key, value in lines.items() if value)


FAULTS = [
    ("sweep: {}", '1: unknown key "sweep"; did you mean "sweeps"?'),
    ("sweeps:\n  fleet: {every: 15m}", '2: sweeps.fleet: "target" is missing'),
    ("sweeps:\n  fleet: {target: all}", "2: fleet: give either `every: 15m` or `cron:"),
    (one(cron="'0 7 * * mon'"), "2: fleet: give either"),
    (one(every="5"), "3: sweeps.fleet.every: input should be a valid string"),
    (one(every="soon"), '3: every: "soon" is no span of time; write 90s, 15m, 2h or 1d'),
    (one(every="1s"), "3: every: 1s is not between 10 s and "),
    (one(every="", cron="'0 7 * * 1'"), '4: weekday "1": programs number the days differently; write names'),
    (one(every="", cron="'0 25 * * *'"), "4: hour 25 is not within 0-23"),
    (one(every="", cron="'@hourly'"), '4: "@hourly": write "0 * * * *"'),
    (one(zone="Europe/Berlim"), '5: no time zone "Europe/Berlim"; did you mean "Europe/Berlin"?'),
    (one(zone="../../etc/passwd"), "5: no time zone"),
    (one(target="ingres"), '4: no host or group "ingres"; did you mean "ingress"?'),
    (one(target="role=wörker"), '4: no host has the label "role=wörker"; did you mean "role=worker"?'),
    (one(target="'all,!all'"), "4: no host is left"),
    (one(playbooks="[listen-queu]"), '5: no playbook "listen-queu"; did you mean "listen-queue"?'),
    (one(playbooks="[ports, ports]"), '5: playbook "ports" is given twice; keep one'),
    (one(playbooks="[ports]", params="{prot: 80}"), '6: no parameter "prot" in ports'),
    (one(playbooks="[listen-queue]", params="{port: web}"), '6: port: "web" is no integer'),
    (one(owner="alise"), '5: owner: no person "alise" in policy.yaml; did you mean "alice"?'),
    (one(channel="'#netops'"), '5: "#netops" is no channel id (like C024BE7LH'),
    (one(jitter="10m"), "5: jitter: 10 min is more than half of the 15 min between runs"),
    (one(every="", cron="'*/10 7 * * *'", jitter="6m"), "5: jitter: 6 min is more than half of the 10 min"),
    (one(jitter="a bit"), '5: jitter: "a bit" is no span of time'),
    (one(timeout="2s"), "5: timeout: 2s is not between 10 s and 24 h"),
    (one(catch_up="30d"), "5: catch_up: 30d is not between 0 s and 168 h"),
    (one(overlap="both"), "5: sweeps.fleet.overlap: input should be 'skip' or 'wait'"),
    (one(quiet="yes"), "5: sweeps.fleet.quiet: input should be 'digest', 'line' or 'silent'"),
    (one(quiet_hours="[nightly]"), '5: "nightly" is no weekly window; write "fri 16:00 - mon 07:00", "daily 22:00'),
    (one(quiet_hours="[mon-fry 22:00 - 07:00]"), 'no day "fry"; did you mean "fri"?'),
    (one(quiet_hours="22:00 - 07:00"), "5: sweeps.fleet.quiet_hours: input should be a valid array"),
    (one(thresholds="{open_after: 0}"), "5: sweeps.fleet.thresholds.open_after: input should be greater than"),
    (one(thresholds="{horizon: 2 days}"), '5: horizon: "2 days" is no span of time'),
    (one(thresholds="{horison: 2d}"), 'unknown key "horison" in sweeps.fleet.thresholds; did you mean "horizon"?'),
    (one(chanel="C024BE7LH"), '5: unknown key "chanel" in sweeps.fleet; did you mean "channel"?'),
    ("sweeps:\n  Fleet One: {every: 15m, target: all}", '2: "Fleet One" is no name'),
    ("sweeps:\n  a: {every: 1h, target: all}\n  a: {every: 2h, target: all}", '3: key "a" is given twice'),
    ("defaults: {owner: alise}\nsweeps:\n  a: {every: 1h, target: all}", '1: owner: no person "alise"'),
    (
        "defaults:\n  thresholds: {horizon: soon}\nsweeps:\n  a: {every: 1h, target: all}",
        '2: horizon: "soon" is no span',
    ),
    ("maintenance:\n  - {why: x, weekly: sun}", '2: "sun" is no weekly window'),
    ("maintenance:\n  - {why: x}", "2: give either `weekly`, or `from` and `until`"),
    ("maintenance:\n  - {why: x, from: 2030-01-02T00:00, until: 2030-01-01T00:00}", "2: ends "),
    ("messages_per_hour: 0", "1: messages_per_hour: input should be greater than or equal to 1"),
    ("[]", "1: "),
    ("sweeps: {a: {every: 1h, target: *all}}", "1: aliases (*all) are not read"),
]


@pytest.mark.parametrize(("text", "said"), FAULTS)
def test_a_fault_is_told_with_its_line_and_the_remedy(text: str, said: str, world: World) -> None:
    with pytest.raises(ConfigError) as fault:
        read(text, world)
    line = next((line for line in str(fault.value).splitlines() if said.partition(": ")[2] in line), str(fault.value))
    assert f"sweeps.yaml:{said}" in line if said[0].isdigit() else said in line


def test_every_fault_is_told_at_once(world: World) -> None:
    with pytest.raises(ConfigError) as fault:
        read(one(every="soon", target="nowhere", owner="eve", zone="Mars/Base"), world)
    assert [line.split(": ")[0] for line in str(fault.value).splitlines()] == [
        f"sweeps.yaml:{line}" for line in (6, 3, 5, 4)
    ]


def test_no_file_and_an_empty_file_are_no_plan(tmp_path: Path, world: World) -> None:
    source = FilePlan(tmp_path, INVENTORY, world.playbooks)
    assert source.plan() == Plan(version="none")
    (tmp_path / FILE).write_text("# nothing yet\n")
    assert not source.plan().sweeps
    assert source.trouble == ""


def test_a_file_that_breaks_keeps_the_plan_before_and_says_so_and_one_that_is_mended_is_taken(
    tmp_path: Path, world: World
) -> None:
    file = tmp_path / FILE
    file.write_text(one())
    source = FilePlan(tmp_path, INVENTORY, world.playbooks)
    assert source.load().sweeps["fleet"].when == Every(900)
    file.write_text(one(every="soon"))
    assert source.plan().sweeps["fleet"].when == Every(900)
    assert f"{file}:3:" in source.trouble
    assert "the plan before is kept" in source.trouble
    file.write_text(one(every="20m"))
    assert source.plan().sweeps["fleet"].when == Every(1200)
    assert source.trouble == ""
    file.unlink()
    assert not source.plan().sweeps


def test_a_file_that_was_never_good_sweeps_nothing_and_says_so(tmp_path: Path, world: World) -> None:
    (tmp_path / FILE).write_text("sweeps: [")
    source = FilePlan(tmp_path, INVENTORY, world.playbooks)
    assert not source.plan().sweeps
    assert "nothing is swept until that is mended" in source.trouble
    with pytest.raises(ConfigError):
        source.load()


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path, world: World) -> None:
    (tmp_path / FILE).write_text(one())
    (tmp_path / FILE).chmod(0o666)
    with pytest.raises(ConfigError, match="chmod o-w"):
        FilePlan(tmp_path, INVENTORY, world.playbooks).load()


def test_an_owner_who_leaves_the_policy_is_told(tmp_path: Path, world: World) -> None:
    (tmp_path / FILE).write_text(one(owner="alice"))
    policy = Policy(version="1", people={"alice": frozenset({"terminal:alice"})})
    source = FilePlan(tmp_path, INVENTORY, world.playbooks, lambda: policy)
    assert source.plan().sweeps
    policy = replace(policy, version="2", people={"bob": frozenset({"terminal:bob"})})
    assert source.plan().sweeps, "the plan before is kept"
    assert 'no person "alice"' in source.trouble


def test_a_broken_policy_keeps_no_sweep_from_reading(tmp_path: Path, world: World) -> None:
    shutil.copy(ROOT / "inventory" / "sweeps.yaml", tmp_path / FILE)
    (tmp_path / "policy.yaml").write_text("people: [")
    os.chmod(tmp_path / FILE, 0o644)
    source = FilePlan(tmp_path, INVENTORY, world.playbooks, FilePolicy(tmp_path).policy)
    assert list(source.plan().sweeps) == ["fleet", "ingress", "morning"]
