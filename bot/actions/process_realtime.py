"""Let one keepalived run before everything that is not real-time, where it waits for a processor and the address moves.

What `vrrp_rt_priority` does when keepalived starts, done to the one that runs: SCHED_RR, and what it starts is not.
"""

from typing import Final

from pydantic import Field

from bot.actions._plan import known, same_process
from bot.core.action import Action, Params, Refused
from bot.core.change import Argv, Check, Plan
from bot.core.report import Risk
from bot.core.snapshot import Snapshot
from bot.probes.keepalived import KeepalivedFacts, VrrpInstance

PRIORITY: Final = 50
"""keepalived's own choice where its configuration asks for real time and names no priority."""

NUMBERS: Final = {"other": 0, "batch": 3, "idle": 5}
"""The policies that can be left and come back to, as /proc/PID/stat numbers them; their priority is always 0."""

SCHEDULED: Final = '{ sub(/.*\\) /, ""); print $39, $38 }'
"""awk: fields 41 (policy) and 40 (real-time priority) of /proc/PID/stat, counted as in `_plan.START_TIME`."""

WATCHED: Final = 40
"""Seconds that it is watched: flapping that has ended is told from one that goes on after 30 of them."""

# The moment of the change is left out: what it had waited until then is counted when it next runs.
WATCH: Final = (
    'told() { read -r ran waited slices 2>/dev/null <"/proc/$1/schedstat" || waited=; };'
    ' sleep 1; told "$1"; before=$waited; sleep $(($2 - 1)); told "$1";'
    ' [ -n "$before" ] && [ -n "$waited" ] || exit 0;'
    " grown=$(((waited - before) / 1000000));"
    ' [ "$grown" -lt 1000 ] || { echo "it still waited $grown ms of $2 s for a processor" >&2; exit 1; }'
)
"""sh: fails when process $1 waits more than a second in $2 seconds. A kernel without schedstat has nothing to say."""


class ProcessRealtime(Params):
    """Which process."""

    pid: int = Field(gt=1)
    """Its number, in the pid namespace of the visit."""
    start_time: int = Field(gt=0)
    """When it began, in clock ticks since boot: with the number it names a process for good."""


def plan(params: ProcessRealtime, snapshot: Snapshot) -> Plan | Refused:
    """Plan SCHED_RR for a VRRP process of keepalived, and a while of watching whether it still waits."""
    facts = known(snapshot, "keepalived", KeepalivedFacts)
    if isinstance(facts, Refused):
        return facts
    router = next((one for one in facts.instances if one.pid == params.pid), None)
    if router is None:
        return Refused(f"process {params.pid} is no VRRP process of keepalived: nothing else is made real-time")
    if router.start_time != params.start_time:
        return Refused(f"there is no process {params.pid} that began at {params.start_time}: it is another one now")
    if reason := _unfit(router):
        return Refused(reason)
    pid = str(router.pid)
    place = next((name for name in (router.unit, router.container) if name), router.netns_label)
    same = same_process(router.pid, router.start_time)
    return Plan(
        steps=(
            ("chrt", "--reset-on-fork", "--rr", "--pid", str(PRIORITY), pid),
            ("sh", "-c", WATCH, "sh", pid, str(WATCHED)),
        ),
        precondition=(same, _scheduled(router.pid, NUMBERS[router.policy], 0)),
        inverse=(_back(router.policy, pid),),
        verify=(same, _scheduled(router.pid, 2, PRIORITY)),
        risk=Risk.MEDIUM,
        summary=f"keepalived[{pid}] in {place}: policy {router.policy} -> rr, real-time priority {PRIORITY}",
        impact=(
            "it runs before everything that is not real-time, its CPU quota left aside, at most the 95 % of a processor"
            f" that kernel.sched_rt_runtime_us leaves (as it stands by default); it is watched for {WATCHED} s, and a"
            " change after which it still waits for a processor is taken back"
        ),
        not_fixed=(
            "whoever eats the quota or the processors stays, and what keepalived starts (tracked scripts) is not"
            " real-time and may still time out. It lasts until keepalived is started anew: vrrp_rt_priority in"
            " keepalived.conf is what stays. In a control group without real-time share (version 1,"
            " cpu.rt_runtime_us 0) the kernel refuses it: Operation not permitted, and nothing has changed"
        ),
        takes=WATCHED,
    )


def _unfit(router: VrrpInstance) -> str:
    """Why this process is left as it is; empty when it can be made real-time and back again."""
    name = f"keepalived[{router.pid}]"
    if router.policy in ("rr", "fifo"):
        return f"{name} is real-time already ({router.policy}, priority {router.realtime_priority}): nothing to do"
    if router.policy == "deadline":
        return f"{name} has a deadline of its own (SCHED_DEADLINE), which goes before real time"
    if not router.policy:
        return f"how {name} is scheduled was not read: it could not be brought back"
    if router.policy not in NUMBERS:
        return f"{name} is scheduled by {router.policy!r}, which could not be brought back"
    return ""


def _scheduled(pid: int, policy: int, priority: int) -> Check:
    return Check(
        about=f"scheduling policy and real-time priority of process {pid}",
        argv=("awk", SCHEDULED, f"/proc/{pid}/stat"),
        expect=f"{policy} {priority}",
    )


def _back(policy: str, pid: str) -> Argv:
    return ("chrt", f"--{policy}", "--pid", "0", pid)


ACTION = Action(
    name="process.realtime",
    title="Make keepalived real-time",
    params=ProcessRealtime,
    reads=("keepalived",),
    plan=plan,
)
