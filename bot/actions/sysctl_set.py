"""Set one network sysctl, in the host's own or in another network namespace."""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from pydantic import Field

from bot.actions._plan import entered, known, namespace
from bot.core.action import Action, Params, Refused
from bot.core.change import Argv, Check, Plan
from bot.core.report import Risk
from bot.core.snapshot import Snapshot
from bot.core.transaction import flat
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.rp_filter import RpFilterFacts
from bot.probes.sockstat import SockstatFacts
from bot.probes.sysctl_net import SysctlFacts

KEY = re.compile(r"net(\.[A-Za-z0-9_-]{1,64}){2,8}")
VALUE = re.compile(r"[A-Za-z0-9_+.,:-]{1,64}( [A-Za-z0-9_+.,:-]{1,64}){0,7}")
FILTER = re.compile(r"net\.ipv4\.conf\.([^.]{1,64})\.rp_filter")
DROP_IN = "/etc/sysctl.d/90-netdiag-{}.conf"

WRITE_FILE = """printf '%s\\n' "$2" >"$1\""""
READ_FILE = 'if [ -e "$1" ]; then cat "$1"; else echo absent; fi'


class SysctlSet(Params):
    """Which setting, where, and to what."""

    netns: str = Field(min_length=1, max_length=32)
    """"host", or the inode of a network namespace, decimal."""
    key: str = Field(max_length=200)
    """Dotted: "net.core.somaxconn"."""
    value: str = Field(max_length=200)
    """A plain number or word, or several with single blanks between them."""
    persist: bool = False
    """Also write a drop-in file, so that it survives a reboot. Only in the host's own namespace."""


def _any(_old: str, _new: str) -> bool:
    return True


def _to(*values: str) -> Callable[[str, str], bool]:
    return lambda _old, new: new in values


def _lowered(old: str, new: str) -> bool:
    return old.isdecimal() and new.isdecimal() and int(new) < int(old)


NEVER: tuple[tuple[str, Callable[[str, str], bool], str], ...] = (
    ("net.ipv4.tcp_tw_recycle", _any, "it broke clients behind NAT, and Linux 4.12 removed it"),
    ("net.ipv4.tcp_timestamps", _to("0"), "without timestamps there is no PAWS, and tcp_tw_reuse has no effect"),
    ("net.ipv4.tcp_abort_on_overflow", _to("1"), "it turns a moment of overload into resets that clients see"),
    ("net.ipv4.tcp_max_tw_buckets", _lowered, "the kernel's documentation warns against lowering it"),
    ("net.netfilter.nf_conntrack_max", _lowered, "connections beyond the new limit would be refused"),
    ("net.ipv[46].neigh.default.gc_thresh[123]", _lowered, "neighbours beyond the new limit would be forgotten"),
    ("net.ipv4.tcp_syncookies", _to("0"), "a full queue of half-open connections would turn every client away"),
    ("net.ipv[46].conf.*.forwarding", _to("0"), "a router or container host would stop forwarding"),
    ("net.ipv4.ip_forward", _to("0"), "a router or container host would stop forwarding"),
    ("net.ipv6.conf.*.disable_ipv6", _to("1"), "it takes every IPv6 address away"),
    ("net.ipv[46].route.flush", _any, "it is a trigger and not a setting, so nothing could take it back"),
)
"""(key pattern, when, why not): settings that cure a graph and harm users. They are never planned, whoever asks."""

RISKS: tuple[tuple[str, Risk, str], ...] = (
    ("net.ipv[46].conf.*", Risk.MEDIUM, "packets may be accepted or dropped differently from now on"),
    ("net.ipv4.ip_forward", Risk.HIGH, "the host begins to forward packets between its networks"),
    ("net.ipv4.tcp_mem", Risk.MEDIUM, "TCP may use more of the whole machine's memory"),
    (
        "net.netfilter.nf_conntrack_max",
        Risk.LOW,
        "each connection beyond the old limit takes about 320 bytes of memory",
    ),
    ("net.ipv4.udp_mem", Risk.MEDIUM, "UDP may use more of the whole machine's memory"),
    ("net.netfilter.*", Risk.MEDIUM, "connection tracking behaves differently from now on"),
)
BOUNDED = ("net.ipv4.tcp_mem", "net.ipv4.udp_mem")
MOST_RAISE = 2
LEAST_SHARE = 4
"""One in so many parts of the memory is the most that a raise may give away."""

_QUIET = (Risk.LOW, "no traffic is interrupted")

NOT_FIXED: tuple[tuple[str, str], ...] = (
    ("net.ipv4.tcp_mem", "a stopgap: who holds the memory holds it still, and will fill this too"),
    ("net.ipv4.udp_mem", "a stopgap: who holds the memory holds it still, and will fill this too"),
    ("net.ipv4.tcp_max_orphans", "why connections end with nobody to wait for them"),
    ("net.core.somaxconn", "listeners keep their backlog until they call listen() again"),
    ("net.core.[rw]mem_*", "sockets that are open keep their buffers"),
    ("net.core.netdev_max_backlog", "a CPU that takes every packet of a card stays alone with it"),
    ("net.core.netdev_budget*", "a CPU that is too slow for its packets stays so"),
    ("net.ipv4.tcp_max_syn_backlog", "a listener's own backlog limits its half-open connections too"),
    ("net.ipv4.tcp_syncookies", "clients behind cookies lose window scaling and SACK where they send no timestamps"),
    ("net.ipv4.tcp_mtu_probing", "the path goes on to swallow large packets: other protocols and hosts still hang"),
    (
        "net.ipv[46].neigh.default.gc_thresh*",
        "what fills the table goes on: a scan, or a network of too many neighbours",
    ),
    (
        "net.netfilter.nf_conntrack_max",
        "what fills the table goes on, and the hash keeps its buckets, so look-ups slow down",
    ),
    ("net.ipv4.conf.default.*", "interfaces that exist keep their own setting"),
    ("net.ipv4.conf.*.rp_filter", "the larger of `all` and the interface's own value is in force"),
)


def plan(params: SysctlSet, snapshot: Snapshot) -> Plan | Refused:
    """Plan the write, its read-back and its way back to the old value."""
    value = flat(params.value)
    fault = _unsafe(params.key, value) or _never(params.key, "", value)
    if fault:
        return Refused(fault)
    spaces, values = known(snapshot, "netns", NetnsFacts), known(snapshot, "sysctl_net", SysctlFacts)
    if isinstance(spaces, Refused):
        return spaces
    if isinstance(values, Refused):
        return values
    space = namespace(spaces, params.netns)
    if space is None:
        return Refused(f"there is no network namespace {params.netns} on this host")
    old = _value(values, snapshot, space.id, params.key)
    if old is None:
        return Refused(f"{params.key} was not read in {space.label}: it is not a setting of that namespace, or unknown")
    old = flat(old)
    fault = (
        _never(params.key, old, value) or _pointless(params, space, old, value) or _memory(params, snapshot, old, value)
    )
    return Refused(fault) if fault else _plan(params, space, old, value)


def _unsafe(key: str, value: str) -> str:
    if not KEY.fullmatch(key):
        return f"{key!r} is no network setting: keys are dotted and begin with net."
    if not VALUE.fullmatch(value):
        return f"{value!r} is not a plain value: numbers or words with single blanks between them"
    return ""


def _never(key: str, old: str, value: str) -> str:
    return next(
        (
            f"{key} = {value} is never set by netdiag: {why}"
            for pattern, applies, why in NEVER
            if fnmatchcase(key, pattern) and applies(old, value)
        ),
        "",
    )


def _pointless(params: SysctlSet, space: Namespace, old: str, value: str) -> str:
    if old == value:
        return f"nothing to do: {params.key} is {value} in {space.label} already"
    if params.persist and not space.host:
        return (
            f"{params.key} cannot be made to last in {space.label}: its values vanish with it; "
            "set it where it is made (the pod's securityContext.sysctls, the container's --sysctl, the unit)"
        )
    return ""


def _memory(params: SysctlSet, snapshot: Snapshot, old: str, value: str) -> str:
    """Why TCP must not be given so much: a raise buys time, and the whole machine pays for it with its memory."""
    if params.key not in BOUNDED:
        return ""
    words, were = value.split(), old.split()
    if not all(len(each) == 3 and all(word.isdecimal() for word in each) for each in (words, were)):  # noqa: PLR2004
        return f"{params.key} takes three numbers of pages: low, pressure, most"
    low, pressure, most = map(int, words)
    sockets = known(snapshot, "sockstat", SockstatFacts)
    if isinstance(sockets, Refused):
        return sockets.reason
    page, memory = (sockets.limits.page_size, sockets.limits.memory) if sockets.limits else (0, 0)
    bounds = (
        (0 < low <= pressure <= most, f"{params.key} must rise: low, pressure, most"),
        (most <= MOST_RAISE * int(were[2]), f"a raise is to the double at most, to {MOST_RAISE * int(were[2])} pages"),
        (memory > 0, f"{params.key} is a setting of the kernel's first namespace"),
        (most <= int(were[2]) or most * page * LEAST_SHARE <= memory, f"{most} pages are over a quarter of all memory"),
    )
    return next((fault for holds, fault in bounds if not holds), "")


def _value(values: SysctlFacts, snapshot: Snapshot, netns: str, key: str) -> str | None:
    """The setting as it was read; interfaces' own filters are read by a probe of their own."""
    known_value = values.namespaces.get(netns, {}).get(key)
    filters = snapshot.facts("rp_filter")
    name = FILTER.fullmatch(key)
    if known_value is not None or name is None or not isinstance(filters, RpFilterFacts):
        return known_value
    here = filters.namespaces.get(netns)
    return str(here.interfaces[name[1]]) if here and name[1] in here.interfaces else None


def _plan(params: SysctlSet, space: Namespace, old: str, value: str) -> Plan:
    enter, target = entered(space)
    read = Check(about=f"{params.key} in {space.label}", argv=(*enter, "sysctl", "-n", params.key), expect=old)
    where = "the host" if space.host else f"{space.label} (net:[{space.id}])"
    risk, impact = next((rest for key, *rest in RISKS if fnmatchcase(params.key, key)), _QUIET)
    steps, inverse, before, after = _file(params, value) if params.persist else ((), (), (), ())
    return Plan(
        steps=((*enter, "sysctl", "-w", f"{params.key}={value}"), *steps),
        precondition=(*target, read, *before),
        inverse=((*enter, "sysctl", "-w", f"{params.key}={old}"), *inverse),
        verify=(*target, read.model_copy(update={"expect": value}), *after),
        risk=risk,
        summary=f"{params.key} {old} -> {value} in {where}",
        impact=impact,
        not_fixed="; ".join(_not_fixed(params, space)),
    )


def _not_fixed(params: SysctlSet, space: Namespace) -> list[str]:
    words = [text for key, text in NOT_FIXED if fnmatchcase(params.key, key)]
    if params.persist:
        return [*words, "a file that is read later (/etc/sysctl.conf, 99-*.conf) still wins at the next boot"]
    return [*words, "gone after a reboot" if space.host else f"gone when {space.label} is made anew"]


def _file(
    params: SysctlSet, value: str
) -> tuple[tuple[Argv, ...], tuple[Argv, ...], tuple[Check, ...], tuple[Check, ...]]:
    """Steps, inverse, precondition and verification of the drop-in file. One that is there already is left alone."""
    path, line = DROP_IN.format(params.key), f"{params.key} = {value}"
    read = Check(about=path, argv=("sh", "-c", READ_FILE, "sh", path), expect="absent")
    written = read.model_copy(update={"expect": line})
    return (("sh", "-c", WRITE_FILE, "sh", path, line),), (("rm", "-f", path),), (read,), (written,)


ACTION = Action(
    name="sysctl.set", title="Set a network sysctl", params=SysctlSet, reads=("netns", "sysctl_net"), plan=plan
)
