"""Which addresses does the host have where it meets others, and did the kernel find one of them taken?

Nothing is sent: asking the network who has an address (arping) is left to people. IPv6 finds duplicates by itself and
says so in a flag; those of IPv4 show when several hosts of one run have the same one.
"""

import ipaddress
import re
from collections.abc import Sequence

from bot.core.probe import Facts, Gather, ParseError, Probe, Reading, Scope, Seen
from bot.core.text import neutral
from bot.probes._keepalived_look import address
from bot.probes._text import by_process, insist, joined, need, split_netns
from bot.probes.netns import NetnsFacts

_DAD_FAILED = 0x08


class UplinkAddress(Facts):
    """One IPv4 address of the interface that leads to the default gateway."""

    interface: str
    """That interface."""
    address: str
    """The address."""
    network: str
    """Its network: "192.0.2.0/24"."""


class FailedAddress(Facts):
    """One IPv6 address that another host answered for: the kernel does not use it."""

    netns: str
    """Id of its network namespace."""
    netns_label: str
    """What people call that namespace."""
    interface: str
    """Its interface."""
    address: str
    """The address."""


class AddressesFacts(Facts):
    """What duplicates can be told by."""

    gateway: str
    """The default gateway (IPv4) of the host's namespace; empty: none."""
    gateway_mac: str
    """Its link address in /proc/net/arp; empty: not known. Hosts with the same one are on one network."""
    uplink: list[UplinkAddress]
    """Addresses of the interface that leads there: those on bridges for containers are the same on many hosts."""
    failed: list[FailedAddress]
    """In every namespace (/proc/PID/net/if_inet6, flag 0x08)."""


GATHER = Gather(
    ("net/if_inet6",),
    awk=r"""
function addresses(   i, k, path, word) {
  spaces()
  for (i = 1; i <= SPACES; i++) {
    path = net(i, "if_inet6")
    for (k = 1; k <= ROWS[path]; k++) {
      split(ROW[path, k], word)
      if (word[5] ~ /^[0-9a-f]?[89a-f]$/) say(path ":" ROW[path, k])
    }
  }
  say(""); ask("way out")
}
""",
)

# The first row is the default route's; a router's table has a million more.
SCRIPT = (
    need("grep", "ip")
    + r"""
way=
while read -r device to via rest; do
  [ "$to" = 00000000 ] && [ "$via" != 00000000 ] || continue
  way=$device; echo "via $device $via"; break
done </proc/net/route
[ -n "$way" ] || exit 0
grep -sE " $way *\$" /proc/net/arp
echo
ip -o -4 addr show dev "$way"
"""
)

_FAILED = re.compile(r"([0-9a-f]{32}) [0-9a-f]{1,8} [0-9a-f]{1,4} [0-9a-f]{1,4} ([0-9a-f]{1,4}) +(\S{1,40})")
_VIA = re.compile(r"via (\S{1,40}) ([0-9A-F]{8})")


def parse(readings: Sequence[Reading], seen: Seen) -> AddressesFacts:
    """Read the flags, the way out, who is there, and the addresses. Raises ParseError."""
    insist(seen, "netns")
    pids, body = split_netns(readings[-1].text)
    flags, gap, rest = body.partition("\n\n") if not body.startswith("\n") else ("", "\n", body[1:])
    if not gap:
        raise ParseError(f"expected the way out, got {body[:60]!r}")
    facts = joined(seen, "netns")
    spaces = facts.namespaces if isinstance(facts, NetnsFacts) else {}
    failed = []
    for pid, _, line in by_process(row for row in flags.splitlines() if row):
        found = _FAILED.fullmatch(line.strip())
        if found is None or pid not in pids:
            raise ParseError(f"expected a row of if_inet6, got {line[:60]!r}")
        if int(found[2], 16) & _DAD_FAILED:
            inode = pids[pid]
            failed.append(
                FailedAddress(
                    netns=inode,
                    netns_label=spaces[inode].label if inode in spaces else f"net:[{inode}]",
                    interface=neutral(found[3], 40),
                    address=str(ipaddress.IPv6Address(int(found[1], 16))),
                )
            )
    head, _, rest = rest.partition("\n")
    if not head.strip():
        return AddressesFacts(gateway="", gateway_mac="", uplink=[], failed=failed)
    via = _VIA.fullmatch(head)
    if via is None:
        raise ParseError(f"expected the way out, got {head[:60]!r}")
    gateway = str(ipaddress.IPv4Address(bytes.fromhex(via[2])[::-1]))
    neighbours, _, rows = rest.partition("\n\n") if not rest.startswith("\n") else ("", "", rest[1:])
    macs = {words[0]: words[3] for line in neighbours.splitlines() if len(words := line.split()) > 4}  # noqa: PLR2004
    mac = macs.get(gateway, "")
    return AddressesFacts(
        gateway=gateway,
        gateway_mac="" if set(mac) <= set("0:") else neutral(mac, 40),
        uplink=[_uplink(*row) for line in rows.splitlines() if (row := address(line))],
        failed=failed,
    )


def _uplink(interface: str, found: str) -> UplinkAddress:
    parsed = ipaddress.ip_interface(found)
    return UplinkAddress(interface=neutral(interface, 40), address=str(parsed.ip), network=str(parsed.network))


PROBE = Probe(
    name="addresses",
    question="Which addresses does the host have where it meets others, and did the kernel find one of them taken?",
    script=SCRIPT,
    parse=parse,
    facts=AddressesFacts,
    scope=Scope.NETNS,
    root=True,
    after=("netns",),
    gather=GATHER,
)
