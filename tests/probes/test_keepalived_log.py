"""Is a router's past told right by what keepalived wrote: how often it moved, and what made it?"""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.probe import NoEvidence, Reading
from bot.probes import keepalived_log
from bot.probes._keepalived_log import events, goes_on, stamped, story
from bot.probes.keepalived import KeepalivedFacts, VrrpInstance
from bot.probes.keepalived_log import KeepalivedLogFacts
from tests.probes.test_samples import SAMPLES

DAY = "Sat Nov 21 15:{} 2026: "
NOW = datetime(2026, 11, 21, 15, 2, 30, tzinfo=UTC).timestamp()

# What two real keepalived 2.2.7 wrote to their consoles.
STARVED_MASTER = """\
01:17 Starting Keepalived v2.2.7 (01/16,2022)
01:17 (VI_1) Entering BACKUP STATE (init)
01:17 Startup complete
01:17 VRRP_Script(tracked) succeeded
01:20 (VI_1) Receive advertisement timeout
01:20 (VI_1) Entering MASTER STATE
01:57 A thread timer expired 4.561308 seconds ago
01:57 (VI_1) Received advert from 10.9.9.2 with lower priority 100, ours 150, forcing new election
01:57 (VI_1) Received advert from 10.9.9.2 with lower priority 100, ours 150, forcing new election
02:06 A thread timer expired 3.619223 seconds ago
02:06 A thread timer expired 3.625167 seconds ago
02:06 (VI_1) Received advert from 10.9.9.2 with lower priority 100, ours 150, forcing new election
"""
ITS_BACKUP = """\
01:17 Starting Keepalived v2.2.7 (01/16,2022)
01:17 (VI_1) Entering BACKUP STATE (init)
01:55 (VI_1) Receive advertisement timeout
01:55 (VI_1) Entering MASTER STATE
01:57 (VI_1) Master received advert from 10.9.9.1 with higher priority 150, ours 100
01:57 (VI_1) Entering BACKUP STATE
02:05 (VI_1) Receive advertisement timeout
02:05 (VI_1) Entering MASTER STATE
02:06 (VI_1) Master received advert from 10.9.9.1 with higher priority 150, ours 100
02:06 (VI_1) Entering BACKUP STATE
"""
CHECK_FLAPS = """\
02:12 Script `tracked` now returning 1
02:12 VRRP_Script(tracked) failed (exited with status 1)
02:12 (VI_1) Changing effective priority from 150 to 90
02:16 (VI_1) Master received advert from 10.9.9.2 with higher priority 100, ours 90
02:16 (VI_1) Entering BACKUP STATE
02:17 VRRP_Script(tracked) succeeded
02:17 (VI_1) Changing effective priority from 90 to 150
02:18 (VI_1) received lower priority (100) advert from 10.9.9.2 - discarding
02:20 (VI_1) received lower priority (100) advert from 10.9.9.2 - discarding
02:20 (VI_1) Receive advertisement timeout
02:20 (VI_1) Entering MASTER STATE
"""
ITS_PEER = """\
02:13 (VI_1) received lower priority (90) advert from 10.9.9.1 - discarding
02:15 (VI_1) received lower priority (90) advert from 10.9.9.1 - discarding
02:16 (VI_1) Receive advertisement timeout
02:16 (VI_1) Entering MASTER STATE
02:20 (VI_1) Master received advert from 10.9.9.1 with higher priority 150, ours 100
02:20 (VI_1) Entering BACKUP STATE
"""
PLANNED = """\
02:20 (VI_1) Backup received priority 0 advertisement
02:20 (VI_1) Receive advertisement timeout
02:20 (VI_1) Entering MASTER STATE
02:26 (VI_1) Master received advert from 10.9.9.1 with higher priority 150, ours 100
02:26 (VI_1) Entering BACKUP STATE
"""
LINK = """\
02:14 Netlink reports eth0 down
02:14 (VI_1) Entering FAULT STATE
02:16 Netlink reports eth0 up
02:16 (VI_1) Entering BACKUP STATE
02:19 (VI_1) Receive advertisement timeout
02:19 (VI_1) Entering MASTER STATE
"""
OLD_DIALECT = """\
01:17 VRRP_Instance(VI_1) Entering BACKUP STATE
01:40 VRRP_Instance(VI_1) Transition to MASTER STATE
01:41 VRRP_Instance(VI_1) Entering MASTER STATE
01:43 VRRP_Instance(VI_1) Received higher prio advert
01:43 VRRP_Instance(VI_1) Entering BACKUP STATE
"""
REFUSED = """\
02:12 (VI_1) received an invalid passwd!
02:13 (VI_1) Receive advertisement timeout
02:13 (VI_1) Entering MASTER STATE
"""

STORIES = {
    "starved master": (STARVED_MASTER, {"moves": 4, "cause": "stall", "late": 0, "stalls": 2, "checks": ()}),
    "its backup": (ITS_BACKUP, {"moves": 4, "cause": "adverts", "late": 2, "stalls": 0}),
    "a check comes and goes": (CHECK_FLAPS, {"moves": 2, "cause": "check", "late": 0, "checks": ("tracked",)}),
    "its peer": (ITS_PEER, {"moves": 2, "cause": "peer", "late": 0, "checks": ()}),
    "planned handover": (PLANNED, {"moves": 2, "cause": "handover", "late": 0}),
    "link": (LINK, {"moves": 3, "cause": "interface", "late": 0, "links": 2}),
    "1.x": (OLD_DIALECT, {"moves": 3, "cause": "adverts", "late": 1}),
    "refused": (REFUSED, {"moves": 1, "cause": "refused", "late": 0, "refused": 1}),
    "nothing": ("", {"moves": 0, "cause": "", "late": 0}),
}


def lines(text: str) -> list[str]:
    return [DAY.format(line[:5]) + line[6:] for line in text.splitlines()]


@pytest.mark.parametrize(("text", "told"), STORIES.values(), ids=STORIES.keys())
def test_what_was_written_around_a_move_says_what_made_it(text: str, told: dict[str, object]) -> None:
    found = story(events(lines(text), NOW, 0.0), NOW, interval=1.0, master_down=3.6)
    seen = {
        "moves": len(found.moves), "late": len(found.late), "stalls": len(found.stalls),
        **{name: getattr(found, name) for name in ("cause", "checks", "links", "refused")},
    }  # fmt: skip
    assert {name: seen[name] for name in told} == told


def test_the_longest_stall_and_the_rival_are_told() -> None:
    found = story(events(lines(STARVED_MASTER), NOW, 0.0), NOW, interval=1.0, master_down=3.6)
    assert (found.longest_stall, found.rivals, found.state) == (4.561308, ("10.9.9.2",), "MASTER")


def test_a_lower_master_heard_for_long_is_one_contested_election() -> None:
    heard = "(VI_1) Received advert from 10.9.9.2 with lower priority 1, ours 2, forcing new election"
    text = "\n".join(f"02:{second:02} {heard}" for second in range(20))
    assert len(story(events(lines(text), NOW, 0.0), NOW, interval=1.0, master_down=3.6).moves) == 2


def test_what_is_older_than_the_horizon_is_history() -> None:
    found = story(events(lines(ITS_BACKUP), NOW + 3600, 0.0), NOW + 3600, interval=1.0, master_down=3.6)
    assert (found.moves, found.late, found.state) == ((), (), "BACKUP")


@pytest.mark.parametrize(
    ("ages", "on"),
    [([], False), ([20.0], True), ([31.0], False), ([60.0, 50.0, 40.0], False), ([60.0, 40.0, 20.0], True),
     ([590.0, 400.0, 280.0], True), ([590.0, 500.0, 400.0], False)],
)  # fmt: skip
def test_what_rests_longer_than_ever_before_is_over(ages: list[float], on: bool) -> None:
    assert goes_on(ages) is on


STAMPS = {
    "journal": ("1795273350.25 gw Keepalived_vrrp[25]: (A) x", (NOW, 25)),
    "console": ("Sat Nov 21 15:02:30 2026: (A) x", (NOW, 0)),
    "syslog": ("Nov 21 15:02:30 gw Keepalived_vrrp[25]: (A) x", (NOW, 25)),
    "rfc 3339": ("2026-11-21T16:02:30.123+01:00 gw Keepalived_vrrp[25]: (A) x", (NOW, 25)),
    "last year": ("Dec 31 15:02:30 gw Keepalived_vrrp[25]: (A) x", (NOW - 325 * 86400, 25)),
    "no day": ("Nov 31 15:02:30 gw Keepalived_vrrp[25]: (A) x", None),
    "nothing": ("hello", None),
}


@pytest.mark.parametrize(("line", "expected"), STAMPS.values(), ids=STAMPS.keys())
def test_stamps_of_every_kind(line: str, expected: tuple[float, int] | None) -> None:
    found = stamped(line, NOW, 0.0)
    assert (None if found is None else (int(found[0]), found[1])) == (expected and (int(expected[0]), expected[1]))
    assert found is None or found[2] == "(A) x"


def test_a_stamp_without_a_zone_is_the_host_s_own() -> None:
    found = stamped("Nov 21 16:02:30 gw Keepalived_vrrp[25]: (A) x", NOW, 3600.0)
    assert found is not None
    assert found[0] == NOW


@given(st.text(max_size=300), st.floats(0, 4e9), st.floats(-86000, 86000))
def test_no_line_breaks_it(text: str, now: float, offset: float) -> None:
    for line in (text, f"Nov 21 15:02:30 gw Keepalived_vrrp[1]: {text}", f"Sat Nov 21 15:02:30 2026: (A) {text}"):
        story(events([line] * 3, now, offset), now, interval=1.0, master_down=3.6)


CAPTURES = {
    "keepalived-2190.v2": [
        ("VI_2", "goodbye"), ("VI_2", "timeout"), ("VI_1", "timeout"), ("VI_1", "enter"), ("VI_2", "enter"),
    ],
    "keepalived-2231.startup": [("", "start"), ("", "start"), ("", "check"), ("MY_IP", "enter")],
    "keepalived-1810.console": [("", "start")],
    "keepalived-472.v1_start": [],
}  # fmt: skip


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no captures beside the project (../shared/samples)")
@pytest.mark.parametrize(("name", "expected"), CAPTURES.items(), ids=CAPTURES.keys())
def test_what_others_keepalived_wrote(name: str, expected: list[tuple[str, str]]) -> None:
    text = (SAMPLES / "keepalived_log" / name).read_text()
    assert [(event.name, event.kind) for event in events(text.splitlines(), NOW, 0.0)] == expected


def router(name: str = "VI_1", pid: int = 25, netns: str = "1") -> VrrpInstance:
    return VrrpInstance(
        name=name, netns=netns, netns_label="host", pid=pid, container="", unit="keepalived.service", interface="eth0",
        vrid=51, priority=100, advert_interval=1.0, master_down=3.609, preempt=True, addresses=["192.0.2.10"], held=[],
        passing=[], networks=["192.0.2.0/24"], peers=[], tracked=[], joined=True, multicast_in=3, multicast_out=0,
        adverts_dropped=0, runs=9, waited=0.0, stopped=False, throttled=0, start_time=2500, policy="other",
        realtime_priority=0, waited_since_start=0.01, slices_since_start=900,
    )  # fmt: skip


def read(text: str, *routers: VrrpInstance) -> KeepalivedLogFacts:
    facts = KeepalivedFacts(running=True, seconds=3.0, steal=0.0, cpu_pressure=0.0, instances=list(routers))
    return keepalived_log.parse([Reading(text=text)], {"keepalived": facts})


def journal(text: str, pid: int = 25) -> str:
    at = {line: NOW - 60 + 60 * int(line[:2]) + int(line[3:5]) - 150 for line in text.splitlines()}
    rows = (f"{at[line] + 0.25:.6f} gw-2 Keepalived_vrrp[{pid}]: {line[6:]}" for line in text.splitlines())
    return f"now {NOW:.0f} +0000\n-- 0 journal\n" + "".join(f"{row}\n" for row in rows)


def test_a_journal_tells_the_routers_of_the_process_that_wrote_it() -> None:
    found = read(journal(ITS_BACKUP), router())
    (history,) = found.routers
    assert (found.source, found.reaches) == ("journal", 600.0)
    assert (history.moves, history.late, history.cause, history.state) == (4, 2, "adverts", "BACKUP")
    assert (history.unit, history.interface, history.rivals) == ("keepalived.service", "eth0", ["10.9.9.1"])


def test_what_a_process_wrote_that_ended_is_its_successor_s_past() -> None:
    assert read(journal(ITS_BACKUP, pid=7), router()).routers[0].moves == 4


def test_routers_of_one_name_are_told_apart_by_their_process() -> None:
    found = read(journal(ITS_BACKUP), router(), router(pid=26, netns="2"))
    assert [history.moves for history in found.routers] == [4, 0]


def test_a_quiet_journal_is_evidence() -> None:
    assert read(f"now {NOW:.0f} +0000\n-- 0 journal\n\n", router()).routers[0].moves == 0


def test_a_log_that_begins_late_tells_of_what_it_has_and_of_nothing_else() -> None:
    stamp = "Nov 21 15:{} gw-2 "
    rows = [stamp.format(line[:5]) + f"Keepalived_vrrp[25]: {line[6:]}" for line in ITS_BACKUP.splitlines()[2:]]
    head = [f"now {NOW:.0f} +0000", "-- 0 /var/log/syslog", "from " + stamp.format("01:50") + "cron[1]: x"]
    assert read("\n".join([*head, *rows]), router()).routers[0].flapping
    with pytest.raises(NoEvidence, match="reaches back 40 s only"):
        read("\n".join(head), router())
