"""Is a setting's change told with what it was, and as netdiag's where it was? And how do people write spans of time?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot import actions
from bot.core.approval import Record, State
from bot.core.change import Plan
from bot.core.chronicle import spark
from bot.core.drift import deeds
from bot.core.fault import Fault, Stage
from bot.core.faults import Asked, look
from bot.core.past import Point
from bot.core.report import HostReport, Severity, Status
from bot.core.snapshot import Snapshot
from bot.core.spans import amount, between, pace, span
from bot.engine.recall import set_by_netdiag
from bot.engine.remedy import inverse_of
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.sysctl_net import SysctlFacts
from tests.fakes.approval import change, proposed
from tests.fakes.clock import FakeClock
from tests.fakes.journal import MemoryJournal

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEY = "net.core.somaxconn"


def space(inode: str, label: str, *, host: bool) -> Namespace:
    return Namespace(
        id=inode, host=host, pid=1, start_time=1, process="x", processes=1, container="", container_runtime="",
        pod="" if host else label, unit="", label=label,
    )  # fmt: skip


def done(netns: str, state: State = State.DONE, **more: Any) -> Record:
    """A change as the action itself plans it, in that state."""
    spaces = {"1": space("1", "host", host=True), "2": space("2", "web/shop", host=False)}
    seen = Snapshot(
        "node-1", NOW, 1.0, "k",
        {
            "netns": (NetnsFacts(namespaces=spaces, pinned=[]),),
            "sysctl_net": (SysctlFacts(namespaces={"1": {KEY: "128"}, "2": {KEY: "128"}}),),
        },
    )  # fmt: skip
    action = actions.catalog()["sysctl.set"]
    values = {"netns": netns, "key": KEY, "value": "4096"}
    plan = action.plan(action.params.model_validate(values), seen)
    assert isinstance(plan, Plan), plan
    return proposed(change(plan=plan, **{"with": values})).model_copy(update={"state": state, **more})


@pytest.mark.parametrize(("netns", "key"), [("host", f"host {KEY}"), ("1", f"host {KEY}"), ("2", f"web/shop {KEY}")])
def test_what_the_action_set_is_known_under_the_settings_own_key(netns: str, key: str) -> None:
    record = done(netns)
    (deed,) = deeds([record])
    assert (deed.key, deed.value, deed.change) == (key, "4096", record.change.id)
    assert (deed.host, deed.requester) == (record.change.host, "dave")


def test_a_revert_is_netdiags_too() -> None:
    record = done("host")
    back = inverse_of(record.change, "c9", "n", "bob", "v")
    (deed,) = deeds([record.model_copy(update={"change": back})])
    assert (deed.key, deed.value, deed.requester) == (f"host {KEY}", "128", "bob")


async def test_who_set_it_is_known_however_many_changes_other_hosts_had_since() -> None:
    journal = MemoryJournal(FakeClock())

    async def keep(ident: str, host: str, **more: Any) -> None:
        record = done("host", **more)
        journal.records[ident] = record.model_copy(
            update={"change": record.change.model_copy(update={"id": ident, "host": host})}
        )

    await keep("c-old", "node-1")
    await keep("c-new", "node-1")
    await keep("c-no", "node-1", state=State.DENIED)
    for number in range(300):
        await keep(f"c{number}", f"web-{number}")
    found = await set_by_netdiag(journal, ["node-1", "node-2", "web-7"])
    assert [(deed.host, deed.change) for deed in found] == [("node-1", "c-new"), ("node-1", "c-old"), ("web-7", "c7")]


@pytest.mark.parametrize("state", [State.PENDING, State.DENIED, State.STALE, State.FAILED, State.REVERTED])
def test_what_was_not_done_is_nobodys_deed(state: State) -> None:
    assert not deeds([done("host", state)])


def told(report: dict[str, Any], *playbooks: str) -> frozenset[str]:
    """Which faults a sweep of these playbooks finds gone."""
    fault = Fault(
        host="a", fingerprint="f", id="limit-forecast", playbook="socket-fds", severity=Severity.WARNING,
        stage=Stage.OPEN, first=NOW, since=NOW, last=NOW,
    )  # fmt: skip
    values = {"host": "a", "status": Status.OK, "healthy": ("limit-forecast",), **report}
    asked = Asked({name: {} for name in (*playbooks, "trends", "fleet")})
    return look(HostReport.model_validate(values), asked, [fault]).gone


def test_a_forecast_is_gone_only_where_its_playbook_was_read_and_says_so() -> None:
    assert told({}, "socket-fds") == {"f"}
    assert not told({}, "conntrack")
    assert not told({"healthy": ()}, "socket-fds")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (40, "40 s"), (89.6, "90 s"), (600, "10 min"), (7200, "2 h"), (86_400, "24 h"), (200_000, "2.3 days")],
)
def test_a_span_is_said_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_a_range_of_time_names_its_unit_once() -> None:
    assert between(1500, 2400) == "25 to 40 min"
    assert between(3000, 10_800) == "50 min to 3 h"
    assert between(7200, 7210) == "about 2 h"
    assert between(7200, None) == "2 h or more"


def test_paces_and_amounts_are_numbers_that_people_read() -> None:
    assert (pace(4), pace(0.05), pace(0.0005), pace(1e-6)) == ("4/s", "3/min", "1.8/h", "0.086/day")
    assert [amount(value) for value in (48_210.4, 3.0, 3.14159, 0.02, -12.6)] == ["48210", "3", "3.1", "0.02", "-13"]


def test_a_course_in_one_line_has_gaps_where_nobody_looked() -> None:
    begun = NOW - timedelta(hours=8)
    points = [Point(begun + timedelta(hours=hour), 0, 1, hour, hour, hour) for hour in (0, 1, 2, 6, 7)]
    assert spark(points, begun, NOW, width=8) == "▁▂▃   ▇█"
    assert spark([], begun, NOW, width=3) == "   "
    assert spark([points[0]], begun, NOW, width=4) == "▁   "
