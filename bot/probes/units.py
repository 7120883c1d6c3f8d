"""Which services does this host manage, and which processes are theirs?"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._cgroup import membership
from bot.probes._text import by_process, need, number


class Unit(Facts):
    """One service, as its manager names it ("nginx.service" under systemd, "nginx" elsewhere)."""

    name: str
    """The name that the manager takes on its command line."""
    active: bool
    """Whether it runs: systemd's ActiveState, else whether the process of its pid file lives."""
    main_pid: int
    """Its main process; 0: none."""
    invocation: str
    """Changes whenever the service is started anew: systemd's InvocationID, else main pid and start time."""


class UnitsFacts(Facts):
    """The services of the host's own service manager."""

    manager: str
    """"systemd", "sysv", "openrc", or "none"."""
    units: dict[str, Unit]
    """By name."""
    of_pid: dict[str, str]
    """The unit of each process that belongs to one (pid as a decimal string), its descendants included."""


SCRIPT = (
    need("grep", "xargs", "awk")
    + r"""
if [ -d /run/systemd/system ]; then
  echo 'manager systemd'
  systemctl --no-pager show '*.service' -p Id -p ActiveState -p MainPID -p InvocationID || exit
  echo; echo ---
  printf '%s\n' /proc/[0-9]*/cgroup | xargs grep -sHE '^(0:|[0-9]+:name=systemd):.*\.service'
  exit 0
fi
if [ -d /run/openrc ]; then echo 'manager openrc'
elif [ -d /etc/init.d ]; then echo 'manager sysv'
else echo 'manager none'; exit 0
fi
listed=no
for file in /run/*.pid /run/*/*.pid; do
  [ -f "$file" ] && read -r pid rest <"$file" || continue
  name=${file##*/}; name=${name%.pid}; up=${file%/*}
  for name in "$name" "${name%d}" "${up##*/}"; do
    if [ -n "$name" ] && [ -f "/etc/init.d/$name" ] && [ -x "/etc/init.d/$name" ]; then
      printf '%s %.20s\n' "$name" "$pid"; listed=yes; break
    fi
  done
done
echo ---
[ $listed = yes ] || exit 0
printf '%s\n' /proc/[0-9]*/stat | xargs grep -sh '' | awk '
  { pid = $1; sub(/.*\) /, ""); print pid, $2, $20 }'
:
"""
)

_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")


def parse(readings: Sequence[Reading], _seen: Seen) -> UnitsFacts:
    """Read units, then processes. Raises ParseError for anything else."""
    head, _, rest = readings[-1].text.partition("\n")
    manager = head.removeprefix("manager ")
    if manager == "none":
        return UnitsFacts(manager="none", units={}, of_pid={})
    listed, rule, processes = rest.partition("---\n")
    if not rule or manager not in ("systemd", "sysv", "openrc"):
        raise ParseError(f"expected a service manager, its units and the processes, got {head[:60]!r}")
    if manager == "systemd":
        return _systemd(listed, processes.splitlines())
    return _pid_files(manager, listed.splitlines(), processes.splitlines())


def _systemd(listed: str, cgroups: Sequence[str]) -> UnitsFacts:
    units: dict[str, Unit] = {}
    for block in listed.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        name = values.get("Id", "")
        if not _NAME.fullmatch(name):
            if block.strip():
                raise ParseError(f"expected a unit's properties, got {block[:60]!r}")
            continue
        units[name] = Unit(
            name=name,
            active=values.get("ActiveState") in ("active", "reloading"),
            main_pid=number(values.get("MainPID", "") or "0"),
            invocation=neutral(values.get("InvocationID", ""), 64),
        )
    lines: dict[int, list[str]] = {}
    for pid, _, line in by_process(cgroups):
        lines.setdefault(pid, []).append(line)
    of_pid = {str(pid): membership(found).unit for pid, found in lines.items()}
    return UnitsFacts(manager="systemd", units=units, of_pid={pid: unit for pid, unit in of_pid.items() if unit})


def _pid_files(manager: str, listed: Sequence[str], processes: Sequence[str]) -> UnitsFacts:
    parent: dict[int, int] = {}
    started: dict[int, int] = {}
    for line in processes:
        words = line.split()
        if len(words) != 3:  # noqa: PLR2004 - pid, parent, start time
            raise ParseError(f"expected pid, parent and start time, got {line[:60]!r}")
        pid = number(words[0])
        parent[pid], started[pid] = number(words[1]), number(words[2])
    units: dict[str, Unit] = {}
    for line in listed:
        name, _, word = line.partition(" ")
        if not _NAME.fullmatch(name) or not word.strip().isdecimal():
            continue  # a pid file may hold anything; only a number names a process
        pid = number(word.strip())
        alive = pid in started
        if name not in units or alive:
            units[name] = Unit(
                name=name,
                active=alive,
                main_pid=pid if alive else 0,
                invocation=f"{pid}:{started[pid]}" if alive else "",
            )
    return UnitsFacts(manager=manager, units=units, of_pid=_descendants(units, parent))


def _descendants(units: Mapping[str, Unit], parent: Mapping[int, int]) -> dict[str, str]:
    of_pid = {unit.main_pid: unit.name for unit in units.values() if unit.main_pid}
    for pid in parent:
        line: list[int] = []
        at = pid
        while at in parent and at not in of_pid and at not in line[:64] and len(line) < 64:  # noqa: PLR2004 - deep enough
            line.append(at)
            at = parent[at]
        if at in of_pid:
            of_pid.update(dict.fromkeys(line, of_pid[at]))
    return {str(pid): name for pid, name in sorted(of_pid.items())}


PROBE = Probe(
    name="units",
    question="Which services does this host manage, and which processes are theirs?",
    script=SCRIPT,
    parse=parse,
    facts=UnitsFacts,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    max_bytes=1_048_576,
)
