"""Do the virtual machines of this host send through the kernel (vhost-net), or through their own user space?

Without vhost every packet of a virtio card waits for the machine's qemu process: adverts of a router inside come late
when it is busy. A host without virtual machines is known by a look at /dev/kvm and at tap interfaces.
"""

import json
import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, Gather, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._text import need, number


class Machine(Facts):
    """One running virtual machine (qemu)."""

    pid: int
    """Its qemu process."""
    name: str
    """Its name (`-name guest=…`); empty: it was given none."""
    virtio: int
    """virtio network cards with a tap or bridge behind them: those that vhost is for."""
    without: list[str]
    """Ids of those whose packets pass through qemu: asked to without vhost, or vhost was not to be had."""
    emulated: int
    """Cards of another model (e1000, rtl8139): vhost cannot serve them."""
    vhost_open: int
    """Descriptors of /dev/vhost-net that its process holds."""


class VhostFacts(Facts):
    """The virtual machines of the host and the kernel's side of their network."""

    device: bool
    """Whether /dev/vhost-net is there. It also is before the module is loaded: opening it loads it."""
    loaded: bool | None
    """Whether vhost_net is in the kernel (/sys/module/vhost_net); None: no module, and it may be built in."""
    machines: list[Machine]
    """By pid; empty: none runs."""


GATHER = Gather(
    ("pid/stat",),
    awk=r"""
function vhost(   k, n, many) {
  n = processes()
  for (k = 1; k <= n; k++) if (NAME[PROC[k]] ~ /^(qemu|kvm$)/ && many++ < 300) ask(PROC[k])
  if (!many) say("absent")
}
""",
)

SCRIPT = (
    need("grep", "awk", "ls")
    + r"""
set -- /sys/class/net/*/tun_flags
tap=no; [ ! -e "$1" ] || tap=yes
used=no
if [ -e /dev/kvm ]; then
  used=yes
  # a module in use counts its machines; where it is built in nothing is counted
  for module in kvm_intel kvm_amd; do
    [ ! -r /sys/module/$module/refcnt ] || { read -r n </sys/module/$module/refcnt; [ "$n" -gt 0 ] || used=no; }
  done
fi
[ $used = yes ] || [ $tap = yes ] || { echo absent; exit 0; }
fds=
for pid in $PLAN; do fds="$fds /proc/$pid/fd"; done
[ ! -e /dev/vhost-net ] || echo device
[ ! -d /sys/module/vhost_net ] || echo loaded
for pid in $PLAN; do
  echo "machine $pid"
  # the rest of a command line may hold secrets
  tr '\000' '\n' <"/proc/$pid/cmdline" | awk '
    wanted { print last, substr($0, 1, 400) }
    { last = $0; wanted = last ~ /^-(-?netdev|-?net|-?nic|-?device|-?name)$/ }' |
    grep -E '^--?(name|nic|net|netdev) |virtio-net|netdev'
done
ls -ln $fds 2>/dev/null | awk '
  /^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); pid = part[3] }
  $NF == "/dev/vhost-net" { count[pid]++ }
  END { for (pid in count) print "opened", pid, count[pid] }'
:
"""
)

_TAPS = frozenset({"tap", "bridge"})


def parse(readings: Sequence[Reading], _seen: Seen) -> VhostFacts:
    """Join each card with what is behind it. Raises ParseError."""
    lines = readings[-1].text.splitlines()
    if lines == ["absent"]:
        return VhostFacts(device=False, loaded=None, machines=[])
    given: dict[int, list[tuple[str, str]]] = {}
    opened: dict[int, int] = {}
    flags: set[str] = set()
    here: list[tuple[str, str]] | None = None
    for line in lines:
        word, _, rest = line.partition(" ")
        if line in ("device", "loaded"):
            flags.add(line)
        elif word == "machine":
            here = given.setdefault(number(rest), [])
        elif word == "opened":
            pid, _, count = rest.partition(" ")
            opened[number(pid)] = number(count)
        elif word.startswith("-") and here is not None:
            here.append((word.lstrip("-"), rest))
        else:
            raise ParseError(f"expected a machine and its cards, got {line[:60]!r}")
    if not given:
        raise ParseError("no machine and no word that there is none")
    machines = [_machine(pid, options, opened.get(pid, 0)) for pid, options in sorted(given.items())]
    return VhostFacts(device="device" in flags, loaded=True if "loaded" in flags else None, machines=machines)


def _machine(pid: int, options: Sequence[tuple[str, str]], opened: int) -> Machine:
    name = next((value for option, value in options if option == "name"), "")
    backends = {back["id"]: back for option, value in options if option == "netdev" and "id" in (back := words(value))}
    models: dict[str, str] = {}
    for option, value in options:
        if option == "device" and (device := words(value)).get("netdev") in backends:
            models[device["netdev"]] = device.get("driver", device.get("", ""))
        if option == "nic" and (nic := words(value)).get("", "") in _TAPS:
            key = nic.get("id", f"nic{len(backends)}")
            backends[key] = {**nic, "type": nic[""]}
            models[key] = nic.get("model", "virtio-net")
    taps = {key: back for key, back in backends.items() if (back.get("type") or back.get("", "")) in _TAPS}
    virtio = {key: back for key, back in taps.items() if models.get(key, "").startswith("virtio")}
    asked = {key for key, back in virtio.items() if _on(back)}
    # asked for and not one descriptor: qemu went on without
    without = [key for key in virtio if key not in asked or not opened]
    return Machine(
        pid=pid,
        name=neutral(words(name).get("guest", words(name).get("", "")), 64),
        virtio=len(virtio),
        without=[neutral(key, 40) for key in without],
        emulated=sum(1 for key in taps if key in models and key not in virtio),
        vhost_open=opened,
    )


def _on(backend: Mapping[str, str]) -> bool:
    return backend.get("vhost") in ("on", "true", "yes") or "vhostfd" in backend or "vhostfds" in backend


def words(value: str) -> dict[str, str]:
    """An option's parts: `tap,id=n0,vhost=on` or JSON. What has no name stands under the empty one."""
    if value.startswith("{"):
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            return {}
        return {str(key): str(part).lower() if isinstance(part, bool) else str(part) for key, part in document.items()}
    found: dict[str, str] = {}
    for part in re.split(r"(?<!,),(?!,)", value):
        key, equals, rest = part.partition("=")
        found.setdefault(key if equals else "", rest if equals else key)
    return found


PROBE = Probe(
    name="vhost",
    question="Do the virtual machines of this host send through the kernel, or through their own user space?",
    script=SCRIPT,
    parse=parse,
    facts=VhostFacts,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    gather=GATHER,
)
