"""Why does nobody accept: what are the processes doing whose accept queue is full?

Nothing is looked at while no queue is nearly full. Then the threads of those who hold the listening socket, and of
their children that hold it too, are looked at three times within half a second: what is momentary is no reason.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Facts, Idle, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._text import by_process, need, number, stat_fields
from bot.probes.socket_fds import open_files

LOOKS = 3


class Acceptor(Facts):
    """A process that could accept from a listening socket whose queue is nearly full."""

    inode: int
    """The listening socket."""
    pid: int
    """The process."""
    process: str
    """Its name (comm)."""
    threads: int
    """Its threads."""
    blocked: int
    """Threads in uninterruptible sleep (state D) in every look: they wait for a disk, a file server, a lock."""
    blocked_in: str
    """The kernel function that a blocked thread waits in (wchan): "rpc_wait_bit_killable"; empty: none, not told."""
    stopped: bool
    """Whether all its threads were stopped (a signal, a debugger) or frozen (its control group) in every look."""
    descriptors: int
    """Descriptors that it holds."""
    fd_limit: int
    """Soft limit of open files; 0: unlimited or not told."""
    throttled: int
    """Periods within the looks in which its control group had used its CPU quota up; 0 also where there is none."""


class AcceptorsFacts(Facts):
    """Who should be accepting."""

    acceptors: list[Acceptor]
    """At most 32, for queues that hold four fifths of their limit or more. Empty: no queue is nearly full."""


SCRIPT = (
    need("grep", "awk", "ls")
    + r"""
# the holders that were seen, and their children: workers share the socket of the process that made it
family=$(grep -sh '' /proc/[0-9]*/stat | awk '
  BEGIN { n = split(ENVIRON["CARRY"], line, "\n")
    for (i = 1; i <= n; i++) { split(line[i], word); if (word[1] == "accepts") holder[word[3]] = 1 } }
  { pid = $1; sub(/^.*\) /, ""); if (pid in holder || $2 in holder) print "/proc/" pid "/fd" }' | head -n 256)
[ -n "$family" ] || { echo none; exit 0; }
held=$(ls -ln $family /dev/null 2>/dev/null | awk '
  BEGIN { n = split(ENVIRON["CARRY"], line, "\n")
    for (i = 1; i <= n; i++) {
      split(line[i], word); if (word[1] == "accepts") queued["socket:[" word[2] "]"] = word[2]
    }
  }
  /^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); at = part[3]; next }
  / -> / {
    count[at]++
    if ($NF in queued && !((at, $NF) in told) && m < 32) { told[at, $NF] = 1; row[++m] = at " " queued[$NF] }
  }
  END { for (i = 1; i <= m; i++) { split(row[i], word); print "holds", row[i], count[word[1]] } }')
printf '%s\n' "$held"
files= own= groups=
set -- $held
while [ $# -ge 4 ]; do
  case $files in *" /proc/$2/task/"*) ;; *)
    files="$files $(echo /proc/$2/task/*/stat /proc/$2/task/*/wchan)"
    own="$own /proc/$2/limits /proc/$2/comm"
    while IFS=: read -r id kinds path; do
      case $id,$kinds in
        0,) stat=/sys/fs/cgroup$path/cpu.stat ;;
        *,*cpuacct*|*,cpu) stat=/sys/fs/cgroup/cpu$path/cpu.stat ;;
        *) continue ;;
      esac
      [ ! -r "$stat" ] || groups="$groups $2 $stat"
    done <"/proc/$2/cgroup" ;;
  esac
  shift 4
done
grep -sH '' $own | grep -E '^/proc/[0-9]+/(comm:|limits:Max open files)'
throttled() {
  set -- $groups
  while [ $# -ge 2 ]; do
    while read -r key value; do [ "$key" != nr_throttled ] || echo "throttled $1 $value"; done <"$2"
    shift 2
  done
}
throttled
for look in 1 2 3; do
  echo "look $look"; grep -sH '' $files
  [ $look = 3 ] || sleep 0.2 || sleep 1
done
throttled
:
"""
)

_FROZEN = frozenset({"do_freezer_trap", "__refrigerator"})
_TASK = re.compile(r"task/(\d{1,10})/(stat|wchan)")
Thread = tuple[str, str]
"""State letter and wait channel of one thread in one look."""


def parse(readings: Sequence[Reading], _seen: Seen) -> AcceptorsFacts:
    """Read who holds what, then the looks. Raises ParseError."""
    text = readings[-1].text
    if text.strip() == "none":
        return AcceptorsFacts(acceptors=[])
    held: list[tuple[int, int, int]] = []
    looks: list[dict[int, dict[str, list[str]]]] = []
    commands: dict[int, str] = {}
    limits: dict[int, int] = {}
    throttled: dict[int, list[int]] = {}
    for line in text.splitlines():
        match line.split():
            case ["holds", holder, inode, count]:
                held.append((number(holder), number(inode), number(count)))
            case ["throttled", slowed, periods]:
                throttled.setdefault(number(slowed), []).append(number(periods))
            case ["look", _]:
                looks.append({})
            case _ if line:
                for pid, file, rest in by_process([line]):
                    if file == "comm":
                        commands[pid] = neutral(rest, 64)
                    elif file == "limits":
                        limits[pid] = open_files(rest)
                    elif (task := _TASK.fullmatch(file)) and looks:
                        place = 0 if task[2] == "stat" else 1
                        thread = looks[-1].setdefault(pid, {}).setdefault(task[1], ["", ""])
                        thread[place] = stat_fields(rest)[2][0] if place == 0 else rest.strip()
                    else:
                        raise ParseError(f"expected a thread in a look, got {line[:60]!r}")
    if not held or len(looks) != LOOKS:
        raise ParseError(f"{len(held)} holders and {len(looks)} looks")
    return AcceptorsFacts(
        acceptors=[
            _acceptor(pid, inode, count, [look.get(pid, {}) for look in looks]).model_copy(
                update={
                    "process": commands.get(pid, ""),
                    "fd_limit": limits.get(pid, 0),
                    "throttled": _grown(throttled.get(pid, ())),
                }
            )
            for pid, inode, count in held
            if any(pid in look for look in looks)
        ]
    )


def _acceptor(pid: int, inode: int, count: int, looks: Sequence[Mapping[str, list[str]]]) -> Acceptor:
    always = set.intersection(*(set(look) for look in looks))
    blocked = [tid for tid in sorted(always, key=int) if all(look[tid][0] == "D" for look in looks)]
    still = [tid for tid in always if all(_halted(look[tid]) for look in looks)]
    return Acceptor(
        inode=inode,
        pid=pid,
        process="",
        threads=len(looks[-1]) or len(looks[0]),
        blocked=len([tid for tid in blocked if tid not in still]),
        blocked_in=next((where for tid in blocked if (where := neutral(looks[-1][tid][1], 64)) not in ("", "0")), ""),
        stopped=bool(always) and len(still) == len(always),
        descriptors=count,
        fd_limit=0,
        throttled=0,
    )


def _halted(thread: Sequence[str]) -> bool:
    return thread[0] in ("T", "t") or thread[1] in _FROZEN


def _grown(values: Sequence[int]) -> int:
    return max(0, values[-1] - values[0]) if values else 0


PROBE = Probe(
    name="acceptors",
    question="Why does nobody accept: what are the processes doing whose accept queue is full?",
    script=SCRIPT,
    parse=parse,
    facts=AcceptorsFacts,
    root=True,
    max_bytes=1_048_576,
    after=("listen_queues", "socket_fds"),
    idle=Idle("accepts", "none"),
)
