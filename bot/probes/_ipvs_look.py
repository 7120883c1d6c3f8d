"""What does one reading of the `ipvs` probe hold: tables, what was counted, what was tried? (`_`: no probe.)"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.core.probe import ParseError
from bot.core.text import neutral
from bot.probes import _ipvs
from bot.probes._text import by_process, number, split_netns

Key = tuple[int, str, str]
"""pid of the namespace's representative, service, real server."""


@dataclass(slots=True)
class Look:
    """One reading, taken apart. Keys are the pid that a namespace was read through, or `Key`."""

    ids: Mapping[int, str]
    """Namespace id by that pid."""

    services: list[tuple[int, _ipvs.Virtual]] = field(default_factory=list)
    servers: dict[Key, _ipvs.Real] = field(default_factory=dict)
    buckets: dict[int, int] = field(default_factory=dict)
    states: dict[Key, dict[str, int]] = field(default_factory=dict)
    table_states: dict[int, dict[str, int]] = field(default_factory=dict)
    totals: dict[int, int] = field(default_factory=dict)
    verdicts: dict[Key, str] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    timeouts: dict[int, str] = field(default_factory=dict)
    sysctls: dict[int, dict[str, str]] = field(default_factory=dict)
    local: dict[int, list[str]] = field(default_factory=dict)
    excluded: dict[int, list[str]] = field(default_factory=dict)
    dialler: bool = True


def look_at(text: str) -> Look:
    """Take one reading apart. Raises ParseError."""
    ids, body = split_netns(text)
    rows, _, rest = body.partition("\n\n")
    look = Look(ids)
    name = ""
    for pid, _path, row in by_process(rows.strip("\n").splitlines()):
        if pid not in ids:
            raise ParseError(f"process {pid} was not asked")
        if (buckets := _ipvs.size(row)) is not None:
            look.buckets[pid] = buckets
        elif row.startswith("  ->"):
            server = _ipvs.real(row)
            if not name:
                raise ParseError(f"a real server without a service: {row[:60]!r}")
            look.servers[pid, name, str(server.at)] = server
        else:
            service = _ipvs.virtual(row)
            name = service.name
            look.services.append((pid, service))
    for line in rest.splitlines():
        _detail(look, line.split(" "), ids)
    return look


def _detail(look: Look, words: list[str], ids: Mapping[int, str]) -> None:
    kind, rest = words[0], words[2:]
    if words == ["dialler", "none"]:
        look.dialler = False
        return
    if len(words) < 3 or kind not in _DETAILS:  # noqa: PLR2004 - every line tells something of a namespace
        raise ParseError(f"expected what was counted, got {' '.join(words)[:60]!r}")
    pid = number(words[1])
    if pid not in ids:
        raise ParseError(f"process {pid} was not asked")
    try:
        _DETAILS[kind](look, pid, rest)
    except (IndexError, ValueError):
        raise ParseError(f"expected {kind}, got {' '.join(words)[:60]!r}") from None


def _count(look: Look, pid: int, rest: list[str]) -> None:
    protocol, vip, vport, dip, dport, state, many = rest
    if state != "NONE":  # a template of a persistent service is no connection
        whole = look.table_states.setdefault(pid, {})
        name = neutral(state, 20)
        whole[name] = whole.get(name, 0) + number(many)
    if protocol not in _ipvs.PROTOCOLS:
        return
    service = f"{_ipvs.parts(vip, vport)}/{_ipvs.PROTOCOLS[protocol]}"
    here = look.states.setdefault((pid, service, str(_ipvs.parts(dip, dport))), {})
    here[state] = here.get(state, 0) + number(many)


def _verdict(look: Look, pid: int, rest: list[str]) -> None:
    vip, dip, said = rest
    look.verdicts[pid, f"{_ipvs.endpoint(vip)}/tcp", str(_ipvs.endpoint(dip))] = said


def _owner(look: Look, pid: int, rest: list[str]) -> None:
    # what keeps addresses on a device of its own is told first, and is surest
    look.owners.setdefault(pid, neutral(" ".join(rest), 40))


def _sysctl(look: Look, pid: int, rest: list[str]) -> None:
    look.sysctls.setdefault(pid, {})[neutral(rest[0], 60)] = neutral(rest[1], 40)


_DETAILS = {
    "conn": _count,
    "total": lambda look, pid, rest: look.totals.__setitem__(pid, _ipvs.total(rest)),
    "owner": _owner,
    "timeout": lambda look, pid, rest: look.timeouts.__setitem__(pid, " ".join(rest)),
    "sysctl": _sysctl,
    "local": lambda look, pid, rest: look.local.setdefault(pid, []).append(rest[0]),
    "excluded": lambda look, pid, rest: look.excluded.setdefault(pid, []).append(rest[0]),
    "connect": _verdict,
}
