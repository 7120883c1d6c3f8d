"""One run of a sweep: read, judged, stored and told once, whatever dies, is deaf or is down in between."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.store import Store
from bot.core.approval import Declined, Moved
from bot.core.errors import AskError
from bot.core.fault import Stage
from bot.core.fire import Phase, key_of
from bot.core.host import Inventory
from bot.core.report import Status
from bot.core.sweep import Plan, Quiet, Silence, Sweep, Tuning
from bot.core.window import Window
from bot.engine.annals import Annals
from bot.engine.ports import JournalDown
from tests.fakes.approval import ALICE, BOB, slack
from tests.fakes.doctor import playbook
from tests.fakes.fleet import SWEEP, UNREADABLE, Fleet, full
from tests.fakes.remedy import INVENTORY, World
from tests.fakes.sweeping import Death, Mortal

NEW = [("new", "queue-full", "node-1")]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


async def test_a_run_is_read_stored_told_and_over(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80), "node-2": UNREADABLE}
    fire = await fleet.sweep()
    assert (fire.phase, fleet.history.runs[fire.sweep, fire.due].phase) == (Phase.TOLD, Phase.TOLD)
    (message,) = fleet.herald.messages.values()
    (report,) = message.reports
    assert message.begun
    assert report is not None
    assert [host.host for host in report.hosts] == ["node-1", "node-2", "node-3"]
    assert fleet.herald.news() == NEW
    assert fleet.herald.told()[0].blind[0].hosts == ("node-2",)
    assert {fault.id for fault in await fleet.history.faults()} == {"queue-full", "host-unread"}
    assert [at for at, _ in (await fleet.history.statuses(["node-1"], sweep="fleet", last=5))["node-1"]]
    assert fleet.herald.progressed[-1].done == 3
    assert [(event.kind, event.actor) for event in fleet.journal.events] == [("HostsRead", "schedule:fleet")]


async def test_each_change_is_told_once(fleet: Fleet) -> None:
    for ports in ([], [80], [80], [80, 443], [443], [443], []):
        fleet.eyes.hosts = {"node-1": full(*ports)}
        await fleet.sweep()
    assert [news for news, _, _ in fleet.herald.news()] == ["new", "new", "resolved", "resolved"]


async def test_a_silent_sweep_posts_only_news(fleet: Fleet) -> None:
    sweep = replace(SWEEP, quiet=Quiet.SILENT)
    await fleet.sweep(sweep)
    assert not fleet.herald.messages
    fleet.eyes.hosts = {"node-1": full(80)}
    await fleet.sweep(sweep)
    await fleet.sweep(sweep)
    assert [said.quiet for said in fleet.herald.told()] == [False]


async def test_a_sweep_without_a_channel_stores_what_it_would_tell(fleet: Fleet) -> None:
    sweep = replace(SWEEP, channel="")
    fleet.eyes.hosts = {"node-1": full(80)}
    first, second = await fleet.sweep(sweep), await fleet.sweep(sweep)
    assert not fleet.herald.messages
    assert first.digest is not None
    assert second.digest is not None
    assert (len(first.digest.items), second.digest.quiet) == (1, True)


async def test_quiet_hours_post_no_empty_line(fleet: Fleet) -> None:
    start = fleet.clock.now()
    sweep = replace(SWEEP, quiet_hours=(Window("night", start=start, end=start + timedelta(hours=3, minutes=1)),))
    fleet.eyes.hosts = {"node-1": full(80)}
    for _ in range(3):
        assert (await fleet.sweep(sweep)).phase is Phase.TOLD
    assert not fleet.herald.messages
    await fleet.sweep(sweep)
    assert fleet.herald.news() == NEW


async def test_hosts_that_do_not_answer_in_time_are_unknown_and_the_others_are_told(fleet: Fleet) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    fleet.eyes.hosts = {"node-1": full(80), "node-2": never}
    fire = await fleet.sweep(replace(SWEEP, timeout=1))
    assert fleet.herald.news() == NEW
    assert fire.digest is not None
    assert (fire.digest.hosts[Status.UNKNOWN], fire.digest.blind[0].hosts) == (1, ("node-2",))
    assert "given up after 1 s" in fire.digest.blind[0].reason


async def test_a_sweep_of_nothing_is_an_error_before_any_host_is_touched(fleet: Fleet) -> None:
    for sweep in (replace(SWEEP, target="nod-1"), replace(SWEEP, playbooks=("tset",))):
        with pytest.raises(AskError, match="did you mean"):
            await fleet.sweep(sweep)
    assert fleet.eyes.reads == 0


# --- exactly once -----------------------------------------------------------------------------------------------------


async def test_what_the_chat_did_not_take_is_told_later_and_once(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}
    fleet.herald.deaf = True
    first = await fleet.sweep()
    second = await fleet.sweep()
    assert (first.phase, second.phase) == (Phase.JUDGED, Phase.JUDGED)
    fleet.herald.deaf = False
    assert (await fleet.sweeper.retell(SWEEP, second)).phase is Phase.TOLD
    assert (await fleet.sweeper.retell(SWEEP, first)).phase is Phase.TOLD
    assert [report.hosts[0].host for message in fleet.herald.messages.values() for report in message.reports if report]
    await fleet.sweep()
    assert fleet.herald.news() == NEW


async def test_a_digest_whose_evidence_is_that_of_a_later_run_is_told_without(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}
    fleet.herald.deaf = True
    first = await fleet.sweep()
    fleet.eyes.hosts = {"node-1": full(80, 443)}
    await fleet.sweep()
    fleet.herald.deaf = False
    assert (await fleet.process().retell(SWEEP, first)).phase is Phase.TOLD
    (message,) = [message for message in fleet.herald.messages.values() if message.digests]
    assert message.reports == [None]


class Died(BaseException):
    """The process is gone."""


async def test_a_process_that_dies_after_telling_is_followed_by_one_that_edits_the_same_message(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}

    def die() -> None:
        raise Died

    fleet.herald.after_tell = die
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever a dying process leaves
        await fleet.sweep()
    (fire,) = await fleet.history.fires(phases=[Phase.JUDGED])
    fleet.herald.after_tell = lambda: None
    fleet.clock.tick(120)
    taken = await fleet.history.claim(replace(fire, owner="bot-2", beat=fleet.clock.now()), lease=60)
    assert taken is not None
    told = await fleet.process().retell(SWEEP, taken)
    assert told.phase is Phase.TOLD
    (message,) = fleet.herald.messages.values()
    assert [said.items for said in message.digests] == [message.digests[0].items] * 2
    first, again = message.reports
    assert first is not None
    assert again is not None
    assert again.hosts == first.hosts[:1], "with the evidence of what is news"
    await fleet.sweep()
    assert fleet.herald.news() == NEW


def fatal(error: BaseException) -> bool:
    return isinstance(error, Death) or (
        isinstance(error, BaseExceptionGroup) and all(fatal(inner) for inner in error.exceptions)
    )


async def died(fleet: Fleet, sweep: Sweep, at: int, *, after: bool) -> bool:
    """A run whose process dies at its nth write, before or after it is done; another process takes up what is left."""
    count = [0]
    history: Any = Mortal(fleet.history, count, at, after=after)
    journal: Any = Mortal(fleet.journal, count, at, after=after)
    mortal = fleet.process(journal=journal, annals=Annals(history, fleet.clock, fleet.plans))
    fire = await fleet.history.claim(fleet.claimed(sweep, fleet.clock.tick(3_600)), lease=60)
    assert fire is not None
    try:
        await mortal.run(sweep, fire)
    except BaseException as error:
        if not fatal(error):
            raise
    else:
        return False
    fleet.clock.tick(120)
    taken = await fleet.history.claim(fleet.claimed(sweep, fire.due, "bot-2"), lease=60)
    if taken is not None:
        after_it = fleet.process()
        await (after_it.retell if taken.phase is Phase.JUDGED else after_it.run)(sweep, taken)
    return True


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
@pytest.mark.parametrize("quiet", [Quiet.LINE, Quiet.SILENT])
async def test_a_process_may_die_at_any_write_and_nothing_is_lost_or_told_twice(after: bool, quiet: Quiet) -> None:
    at, sweep = 1, replace(SWEEP, quiet=quiet)
    while True:
        fleet = Fleet()
        fleet.eyes.hosts = {"node-1": full(80), "node-2": UNREADABLE}
        if not await died(fleet, sweep, at, after=after):
            break
        await fleet.sweep(sweep)
        assert fleet.herald.news() == NEW, at
        assert [part.hosts for said in fleet.herald.told() for part in said.blind if part.news] == [("node-2",)], at
        assert {fire.phase for fire in await fleet.history.fires()} == {Phase.TOLD}, at
        at += 1
    assert at > 6, "there is something to die at"


async def test_an_answer_does_not_wait_for_a_chat_that_is_slow(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}
    slow, go = asyncio.Event(), asyncio.Event()
    tell = fleet.herald.tell

    async def telling(*args: Any, **named: Any) -> bool:
        slow.set()
        await go.wait()
        return await tell(*args, **named)

    fleet.herald.tell = telling  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fleet.sweep())
        await slow.wait()
        assert (await fleet.ask("node-1", channel="C1")).hosts[0].findings
        go.set()


async def test_a_run_that_was_taken_over_stores_and_tells_nothing(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}
    due = fleet.clock.tick(60)
    mine = await fleet.history.claim(fleet.claimed(SWEEP, due), lease=60)
    fleet.clock.tick(120)
    theirs = await fleet.history.claim(fleet.claimed(SWEEP, due, "bot-2"), lease=60)
    assert mine is not None
    assert theirs is not None
    assert (await fleet.sweeper.run(SWEEP, mine)).phase is Phase.RUNNING
    assert not fleet.herald.told()
    assert not fleet.history.known
    assert (await fleet.process().run(SWEEP, theirs)).phase is Phase.TOLD
    assert list(fleet.herald.messages) == [key_of(mine)]
    assert fleet.herald.news() == NEW


async def test_that_the_store_is_down_is_told_when_the_chat_hears_again(fleet: Fleet) -> None:
    fleet.herald.deaf = True
    await fleet.sweeper.trouble(SWEEP, "disk full")
    fleet.herald.deaf = False
    for _ in range(2):
        await fleet.sweeper.trouble(SWEEP, "disk full")
        fleet.clock.tick(30)
    assert [message.lines[0] for message in fleet.herald.messages.values()] == ["disk full"]


async def test_a_store_that_is_down_is_told_once_and_its_runs_are_not_lost(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}
    await fleet.sweep()
    for _ in range(3):
        due = fleet.clock.tick(3_600)
        fire = fleet.claimed(SWEEP, due)
        fleet.history.down = "disk full"
        with pytest.raises(JournalDown):
            await fleet.sweeper.run(SWEEP, fire)
        fleet.history.down = ""
        await fleet.history.note([replace(fire, phase=Phase.MISSED, why="the store was down: disk full")])
    downs = [message for message in fleet.herald.messages.values() if "store is down" in message.title]
    assert [message.lines[0] for message in downs] == ["disk full"]
    await fleet.sweep()
    assert fleet.herald.told()[-1].missed == ("3 runs missed (11:00, 12:00, 13:00 UTC): the store was down: disk full",)
    assert [message.title for message in fleet.herald.messages.values()][-1] == "The store is back: sweeps go on"
    await fleet.sweep()
    assert not fleet.herald.told()[-1].missed, "told once"


# --- noise ------------------------------------------------------------------------------------------------------------


async def test_an_answer_in_the_channel_is_no_news_to_sweeps_there(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}
    await fleet.ask(channel="C1")
    await fleet.sweep()
    assert fleet.herald.news() == []
    await fleet.sweep(replace(SWEEP, name="other", channel="C2"))
    assert fleet.herald.news("C2") == NEW


async def test_a_report_that_was_shown_is_no_news_to_sweeps_there_from_then_on(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80), "node-2": UNREADABLE}
    report = await fleet.ask()
    await fleet.sweeper.annals.shown(report, "C1")
    await fleet.sweep()
    assert fleet.herald.told()[0].quiet
    fleet.eyes.hosts = {}
    await fleet.sweep()
    assert [news for news, _, _ in fleet.herald.news()] == ["resolved"]
    await fleet.sweeper.annals.shown(report, "C1")
    fleet.eyes.hosts = {"node-1": full(80)}
    await fleet.sweep()
    assert [news for news, _, _ in fleet.herald.news()] == ["resolved", "reopened"], "what is over is not shown again"


async def test_an_answer_about_one_port_resolves_nothing_elsewhere(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}
    await fleet.sweep()
    fleet.eyes.hosts = {}
    await fleet.ask(port="443")
    (fault,) = await fleet.history.faults()
    assert fault.stage is Stage.OPEN
    await fleet.ask()
    (fault,) = await fleet.history.faults(since=fleet.clock.now() - timedelta(days=1))
    assert fault.stage is Stage.RESOLVED
    await fleet.sweep()
    assert [news for news, _, _ in fleet.herald.news()] == ["new", "resolved"]


async def test_a_store_that_is_down_keeps_no_answer_from_anybody(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}
    fleet.history.down = "disk full"
    report = await fleet.ask(channel="C1")
    assert report.hosts[0].findings


async def test_two_sweeps_of_one_channel_tell_a_fault_once_even_at_the_same_time(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}
    other = replace(SWEEP, name="other")
    due = fleet.clock.tick(60)
    fires = [await fleet.history.claim(fleet.claimed(sweep, due), lease=60) for sweep in (SWEEP, other)]
    await asyncio.gather(
        *(fleet.sweeper.run(sweep, fire) for sweep, fire in zip((SWEEP, other), fires, strict=True) if fire)
    )
    assert fleet.herald.news() == NEW
    assert sorted(said.quiet for said in fleet.herald.told()) == [False, True]


async def test_a_silence_is_respected_until_it_ends(fleet: Fleet) -> None:
    fleet.eyes.hosts = {"node-1": full(80)}
    now = fleet.clock.now()
    await fleet.history.silence(Silence("s1", "node-1", "queue-*", "slack:U1", "known", now, now + timedelta(hours=2)))
    await fleet.sweep()
    assert fleet.herald.news() == []
    assert fleet.herald.told()[0].held[0].why == "silenced by slack:U1: known"
    await fleet.sweep()
    assert fleet.herald.news() == NEW


async def test_maintenance_is_read_and_not_told() -> None:
    fleet = Fleet()
    now = fleet.clock.now()
    fleet.plans.now = Plan(maintenance=(Window("new kernel", "node-1", now, now + timedelta(hours=2)),))
    fleet.eyes.hosts = {"node-1": full(80)}
    fire = await fleet.sweep()
    assert fire.digest is not None
    assert fire.digest.hosts[Status.WARNING] == 1
    assert fleet.herald.news() == []
    await fleet.sweep()
    assert fleet.herald.news() == NEW


async def test_what_the_rate_cap_holds_back_is_summed_up_in_the_next_message() -> None:
    fleet = Fleet(plan=Plan(messages_per_hour=2))
    for number in range(1, 6):
        fleet.eyes.hosts = {"node-1": full(*range(1, number + 1))}
        await fleet.sweep(replace(SWEEP, quiet=Quiet.SILENT), after=60)
    told = fleet.herald.told()
    assert [len(item.places) for said in told for item in said.items] == [1, 1]
    await fleet.sweep(replace(SWEEP, quiet=Quiet.SILENT), after=3_600)
    last = fleet.herald.told()[-1]
    assert [len(item.places) for item in last.items] == [3], "each place once"
    (line,) = last.missed
    assert line.startswith("3 digests held back by the rate cap, but for what is critical (09:03, 09:04, 09:05 UTC): ")


async def test_what_is_critical_is_told_over_the_cap_counts_and_leaves_the_rest_for_when_there_is_room() -> None:
    fleet, silent = Fleet(plan=Plan(messages_per_hour=2)), replace(SWEEP, quiet=Quiet.SILENT)
    for number in range(1, 6):
        fleet.eyes.hosts = {
            "node-1": full(*range(1, number + 1), depth=2_000),
            "node-2": full(*range(1, number + 1), host="node-2"),
        }
        await fleet.sweep(silent, after=60)
    said = [[(item.severity.value, place.host) for item in told.items for place in item.places]
            for told in fleet.herald.told()]  # fmt: skip
    assert said == [[("critical", "node-1"), ("critical", "node-2")]] * 2 + [[("critical", "node-1")]] * 3
    assert [part.count for part in fleet.herald.told()[-1].held] == [3]
    await fleet.sweep(silent, after=60)
    assert len(fleet.herald.messages) == 5, "nothing more that is critical"
    assert await fleet.sweeper.room.quota.used("C1", fleet.clock.now()) == 5
    await fleet.sweep(silent, after=3_600)
    last = fleet.herald.told()[-1]
    assert [place.host for item in last.items for place in item.places] == ["node-2"] * 3
    assert last.missed[0].startswith("4 digests held back by the rate cap, but for what is critical (09:03, ")


async def test_lines_that_say_nothing_leave_room_for_news() -> None:
    fleet = Fleet(plan=Plan(messages_per_hour=4))
    for _ in range(6):
        await fleet.sweep(after=60)
    assert len(fleet.herald.told()) == 2
    fleet.eyes.hosts = {"node-1": full(80)}
    await fleet.sweep(after=60)
    assert fleet.herald.news() == NEW


async def test_hysteresis_is_the_sweeps_own() -> None:
    fleet = Fleet()
    sweep = replace(SWEEP, tuning=Tuning(open_after=2, resolve_after=3))
    for there in (1, 0, 1, 1, 0, 0, 1, 0, 0, 0):
        fleet.eyes.hosts = {"node-1": full(80)} if there else {}
        await fleet.sweep(sweep)
    assert [news for news, _, _ in fleet.herald.news()] == ["new", "resolved"]


async def test_the_faults_of_a_host_that_left_the_inventory_are_told_in_each_channel_and_are_new_when_it_is_back(
    fleet: Fleet,
) -> None:
    other, whole = replace(SWEEP, name="other", channel="C2", target="node-2"), fleet.inventory
    fleet.eyes.hosts = {"node-1": full(80)}
    await fleet.sweep()
    await fleet.ask("node-1", channel="C2")
    fleet.inventory = Inventory(hosts={name: host for name, host in whole.hosts.items() if name != "node-1"})
    fleet.sweeper = fleet.process()
    for _ in range(2):
        await fleet.sweep()
        await fleet.sweep(other)
    assert fleet.herald.news("C1") == [*NEW, ("left", "queue-full", "node-1")]
    assert fleet.herald.news("C2") == [("left", "queue-full", "node-1")]
    assert not await fleet.history.faults()
    fleet.inventory = whole
    fleet.sweeper = fleet.process()
    await fleet.sweep()
    assert fleet.herald.news("C1") == [*NEW, ("left", "queue-full", "node-1"), *NEW]


# --- proposals --------------------------------------------------------------------------------------------------------


@pytest.fixture
def curable(tmp_path: Path) -> tuple[Fleet, World]:
    """A fleet of one host with one fault that a change would cure."""
    world = World(tmp_path / "host")
    fleet = Fleet(playbooks={"values": world.playbook})
    fleet.inventory = INVENTORY
    fleet.eyes.hosts = {"node-3": lambda: replace(world.snapshot(), taken=fleet.clock.now())}
    remedy = world.bot(journal=fleet.journal, clock=fleet.clock)
    fleet.sweeper = fleet.process(remedy=remedy)
    return fleet, world


async def test_what_is_news_comes_with_a_change_that_the_owner_asks_for(curable: tuple[Fleet, World]) -> None:
    fleet, _ = curable
    fire = await fleet.sweep()
    (message,) = fleet.herald.messages.values()
    (report,) = message.reports
    assert report is not None
    (proposal,) = report.hosts[0].proposals
    (record,) = fleet.journal.records.values()
    assert (proposal.change, proposal.refused) == (record.change.id, None)
    assert (record.change.requester, record.asker, record.run) == ("alice", "schedule:fleet", fire.run)
    decision = await fleet.sweeper.remedy.approve(record.change.id, slack(ALICE))
    assert isinstance(decision, Declined), "the owner asked for it"
    decision = await fleet.sweeper.remedy.approve(record.change.id, slack(BOB))
    assert isinstance(decision, Moved)


async def test_what_is_no_news_is_proposed_by_nobody(curable: tuple[Fleet, World]) -> None:
    fleet, world = curable
    await fleet.sweep()
    await fleet.sweep()
    assert len(fleet.journal.records) == 1
    world.host.value.write_text("new\n")
    await fleet.sweep()
    world.host.value.write_text("old\n")
    await fleet.sweep()
    assert [news for news, _, _ in fleet.herald.news()] == ["new", "resolved", "reopened"]
    assert len(fleet.journal.records) == 2, "the first has expired"


async def test_a_change_that_waits_already_is_not_proposed_again(curable: tuple[Fleet, World]) -> None:
    fleet, _ = curable
    await fleet.sweep()
    await fleet.sweep(replace(SWEEP, name="other", channel="C2"), after=60)
    (record,) = fleet.journal.records.values()
    second = list(fleet.herald.messages.values())[1].reports[0]
    assert second is not None
    assert [proposal.change for proposal in second.hosts[0].proposals] == [record.change.id]


async def test_what_is_held_back_is_not_proposed_either(curable: tuple[Fleet, World]) -> None:
    fleet, _ = curable
    now = fleet.clock.now()
    await fleet.history.silence(Silence("s1", "all", "*", "slack:U1", "known", now, now + timedelta(hours=2)))
    await fleet.sweep()
    assert not fleet.journal.records
    await fleet.sweep()
    assert len(fleet.journal.records) == 1


# --- time and fleet ---------------------------------------------------------------------------------------------------

LEAKING = playbook(
    """
  - id: queue-full
    each: queues.rows
    as: q
    when: q.recv_q > 5000
    severity: critical
    scope: {port: q.port}
    say: "full"
measures:
  - id: queue-depth
    title: Waiting connections
    unit: connections
    each: queues.rows
    as: q
    scope: {port: q.port}
    value: q.recv_q
    limit: "5000"
""",
    head="name: test\ntitle: A test\nabout: Is it?\nprobes: [queues]\nfindings:\n",
)


async def test_a_limit_ahead_is_told_before_it_is_reached_and_shown_as_moving() -> None:
    fleet = Fleet(playbooks={"test": LEAKING})
    hours = 0
    while not fleet.herald.news():
        hours += 1
        depth = 500 + 90 * hours
        assert depth < 5_000, "it was not told in time"
        fleet.eyes.hosts = {"node-1": full(80, depth=depth)}
        await fleet.sweep()
    assert fleet.herald.news() == [("forecast", "limit-forecast", "node-1")]
    (moved,) = fleet.herald.told()[-1].moved
    assert (moved.host, moved.title, moved.limit, moved.now) == ("node-1", "Waiting connections", 5_000, depth)
    assert moved.before < moved.now
    assert moved.outlook is not None
    for _ in range(5):
        depth += 90
        fleet.eyes.hosts = {"node-1": full(80, depth=depth)}
        await fleet.sweep()
    assert len(fleet.herald.news()) == 1, "told once"


async def test_a_sweep_that_does_not_read_settings_knows_nothing_of_them_and_says_nothing(fleet: Fleet) -> None:
    for _ in range(3):
        fire = await fleet.sweep()
        assert fire.digest is not None
        assert not fire.digest.blind


# --- over the real store ----------------------------------------------------------------------------------------------


async def test_the_real_store_remembers_what_was_told_over_a_restart(tmp_path: Path) -> None:
    fleet = Fleet()
    for ports in ([80], [80, 443], [443], [443], []):
        store = await Store.open(tmp_path, fleet.clock)
        fleet.history, fleet.journal = store.history, store  # type: ignore[assignment]
        fleet.sweeper = fleet.process()
        fleet.eyes.hosts = {"node-1": full(*ports)} if ports else {"node-1": UNREADABLE}
        await fleet.sweep()
        await store.close()
    assert [news for news, _, _ in fleet.herald.news()] == ["new", "new", "resolved"]
    told = fleet.herald.told()
    assert [said.quiet for said in told] == [False, False, False, True, False]
    assert told[-1].blind[0].news
    assert told[-1].grid["node-1"] == (*[Status.WARNING] * 4, Status.UNKNOWN)
