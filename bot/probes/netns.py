"""Which network namespaces are there, and whose are they?

Almost every TCP number belongs to a namespace; this is the map that the other probes put their numbers on. A
namespace is read through its lowest pid. Names need no daemon: container and pod ids stand in /proc/PID/cgroup, pod
names in the names of the kubelet's log files.
"""

import re
from collections.abc import Sequence

from bot.core.probe import Cost, Facts, NoEvidence, ParseError, Probe, Reading, Scope, Seen
from bot.core.text import neutral
from bot.core.visit_shell import MAX_NETNS
from bot.probes._cgroup import Membership, membership, mounted
from bot.probes._text import by_process, joined, namespace_files, need, number, split_netns, start_time, stat_fields
from bot.probes.units import UnitsFacts

_HIDDEN_STATES = ("Z", "X")  # a zombie has no namespace any more: its link cannot be read and hides nothing


class Namespace(Facts):
    """One network namespace, its representative process and its owner's names."""

    id: str
    """Inode of the namespace, decimal: the number in `net:[4026531840]`."""
    host: bool
    """True for the namespace of process 1."""
    pid: int
    """The lowest pid in it: what /proc/PID/net was read through, and what `nsenter -t` takes."""
    start_time: int
    """Field 22 of /proc/PID/stat of that process, clock ticks since boot: pid and start time name it for good."""
    process: str
    """That process's name (comm)."""
    processes: int
    """Processes in the namespace."""
    container: str
    """First 12 digits of the container's id, or its Kubernetes name where a log file tells it; empty: none."""
    container_runtime: str
    """"docker", "containerd", "cri-o", "podman", … as far as the cgroup path tells."""
    pod: str
    """"namespace/name", or the pod's uid when the name is not known; empty: no pod."""
    unit: str
    """The service unit that its representative belongs to; empty: none."""
    label: str
    """What people call it: "host", or the pod, container or unit, or `net:[inode]`."""


class NetnsFacts(Facts):
    """Every network namespace that has a process, and the ids of those that only a mount keeps alive."""

    namespaces: dict[str, Namespace]
    """By namespace id."""
    pinned: list[str]
    """Ids of namespaces without a process (`ip netns`, CNI): noted, not read."""


# Of processes that tell nothing of their namespace, those that tell nothing at all though they are there.
SCRIPT = (
    need("grep", "ls")
    + r"""
hidden=
for pid in $NETNS_UNREAD; do
  [ -r "/proc/$pid/stat" ] || [ ! -d "/proc/$pid" ] || hidden="$hidden $pid"
done
printf 'total %s\nunread %s%s\n' "$NETNS_TOTAL" "$NETNS_UNREAD" "${hidden:+ hidden$hidden}"
"""
    + "printf '%s\\n' \"$NETNS\" ''\n"
    + namespace_files("../stat", "../cgroup", "../mountinfo").replace("net/../", "")
    + r"""
for pid in $NETNS_UNREAD; do files="$files /proc/$pid/stat"; done
etc='[/-](containers|sandboxes)/[0-9a-f]{64}/[^ ]* /etc/(host|resolv)|/pods/[0-9a-f-]{36}/etc-hosts /etc/hosts'
veil='^[0-9]+ [^ ]+ [^ ]+ [^ ]+ /proc(/[0-9]+ | .*[ ,]hidepid=)'
grep -sHE "^[0-9]+ \(|^[0-9]*:[^:]*:| - nsfs |$etc|$veil|^CapEff:" $files /proc/1/stat /proc/self/mountinfo \
  /proc/self/status
echo
[ ! -d /var/log/containers ] || ls -1 /var/log/containers
echo
[ ! -d /var/log/pods ] || ls -1 /var/log/pods
:
"""
)

_CONTAINER_LOG = re.compile(r"([a-z0-9.-]{1,253})_([a-z0-9-]{1,63})_([a-z0-9-]{1,63})-([0-9a-f]{64})\.log")
_POD_DIRECTORY = re.compile(r"([a-z0-9-]{1,63})_([a-z0-9.-]{1,253})_([0-9a-f-]{32,36})")
_NSFS = re.compile(r"\d+ \d+ \S+ net:\[(\d{1,20})\] ")
_VEIL = re.compile(r"\d+ \d+ \S+ \S+ /proc/(\d{1,10}) ")
_HIDEPID = re.compile(r"\d+ \d+ \S+ \S+ /proc .*[ ,]hidepid=(\w{1,20})")
_CAP_SYS_PTRACE = 1 << 19


def parse(readings: Sequence[Reading], seen: Seen) -> NetnsFacts:
    """Put names on the namespaces. Raises NoEvidence when some could not be read: what is not seen is not healthy."""
    head, _, rest = readings[-1].text.partition("\n")
    unread, _, rest = rest.partition("\n")
    if not head.startswith("total ") or not unread.startswith("unread"):
        raise ParseError(f"expected the total of namespaces, got {head[:60]!r}")
    pids, body = split_netns(rest)
    if number(head.removeprefix("total ")) > len(pids):
        raise NoEvidence(f"{head.removeprefix('total ')} network namespaces, more than the {MAX_NETNS} that are read")
    counts = {int(line.split()[1]): int(line.split()[2]) for line in rest.partition("\n\n")[0].splitlines()}
    lines, _, logs = body.partition("\n\n") if "\n\n" in body else (body.strip("\n"), "", "")
    rows = lines.strip("\n").splitlines()
    _see_all(rows)
    stats, groups, mounts, pinned = _collect(rows)
    mute, _, blank = unread.removeprefix("unread").partition(" hidden ")
    hidden = [pid for pid in map(number, mute.split()) if pid in stats and stats[pid][1][0] not in _HIDDEN_STATES]
    hidden += map(number, blank.split())
    if hidden:
        raise NoEvidence(
            f"the network namespace of {len(hidden)} process(es) cannot be read (pid {hidden[0]}, permission denied)"
        )
    containers, pods = _names(logs.splitlines())
    units = joined(seen, "units")
    of_pid = units.of_pid if isinstance(units, UnitsFacts) else {}
    found = {}
    for pid, inode in sorted(pids.items()):
        if pid not in stats:
            continue  # it ended between two looks; its namespace is read when it has another process
        command, fields = stats[pid]
        member = _member(groups.get(pid, ()), mounts.get(pid, ()))
        pod, container = containers.get(member.container, (pods.get(member.pod, member.pod), member.container[:12]))
        unit = "" if member.container else neutral(of_pid.get(str(pid), member.unit), 128)
        host = inode == pids.get(1)
        found[inode] = Namespace(
            id=inode,
            host=host,
            pid=pid,
            start_time=start_time(fields),
            process=neutral(command, 64),
            processes=counts[pid],
            container=container,
            container_runtime=member.runtime,
            pod=pod,
            unit=unit,
            label="host" if host else pod or container or unit or f"net:[{inode}]",
        )
    if not found:
        raise ParseError("no process with a network namespace")
    return NetnsFacts(namespaces=found, pinned=sorted(pinned - found.keys()))


def _see_all(lines: Sequence[str]) -> None:
    """Raise NoEvidence where processes are hidden from whoever looks: what is not in /proc has a namespace, too."""
    powers = 0
    for line in lines:
        file, _, text = line.partition(":")
        if file == "/proc/self/status":
            found = re.fullmatch(r"CapEff:\s*([0-9a-f]{1,16})", text)
            powers = int(found[1], 16) if found else 0
        elif file == "/proc/self/mountinfo" and (veil := _VEIL.match(text)):
            raise NoEvidence(f"process {veil[1]} is hidden by a mount over /proc/{veil[1]}")
    hiding = (_HIDEPID.match(line.removeprefix("/proc/self/mountinfo:")) for line in lines)
    how = next((found[1] for found in hiding if found and found[1] not in ("0", "off")), None)
    if how is not None and not powers & _CAP_SYS_PTRACE:
        raise NoEvidence(f"/proc hides the processes of others (hidepid={how}), and this login may not look at them")


def _member(groups: Sequence[str], mounts: Sequence[str]) -> Membership:
    found = membership(groups)
    return found if found.container or found.pod or found.unit else mounted(mounts)


def _collect(
    lines: Sequence[str],
) -> tuple[dict[int, tuple[str, list[str]]], dict[int, list[str]], dict[int, list[str]], set[str]]:
    stats: dict[int, tuple[str, list[str]]] = {}
    groups: dict[int, list[str]] = {}
    mounts: dict[int, list[str]] = {}
    pinned: set[str] = set()
    for line in lines:
        if line.startswith("/proc/self/status:"):
            continue
        if line.startswith("/proc/self/mountinfo:"):
            mount = _NSFS.match(line.removeprefix("/proc/self/mountinfo:"))
            if mount:
                pinned.add(mount[1])
            continue
        for pid, file, text in by_process([line]):
            if file == "stat":
                _, command, fields = stat_fields(text)
                stats[pid] = command, fields
            elif file == "cgroup":
                groups.setdefault(pid, []).append(text)
            elif file == "mountinfo":
                mounts.setdefault(pid, []).append(text)
    return stats, groups, mounts, pinned


def _names(logs: Sequence[str]) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """Container id to (pod, container), and pod uid to pod, both as "namespace/name"."""
    containers: dict[str, tuple[str, str]] = {}
    pods: dict[str, str] = {}
    for name in logs:
        if log := _CONTAINER_LOG.fullmatch(name):
            containers[log[4]] = f"{log[2]}/{log[1]}", log[3]
        elif directory := _POD_DIRECTORY.fullmatch(name):
            pods[directory[3]] = f"{directory[1]}/{directory[2]}"
    return containers, pods


PROBE = Probe(
    name="netns",
    question="Which network namespaces are there, and whose are they?",
    script=SCRIPT,
    parse=parse,
    facts=NetnsFacts,
    scope=Scope.NETNS,
    root=True,
    cost=Cost.MODERATE,
    max_bytes=1_048_576,
    after=("units",),
)
