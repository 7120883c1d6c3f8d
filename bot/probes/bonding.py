"""Are all legs of every bond up, and do they belong to one aggregator?

/proc/net/bonding of every network namespace: link state by the bonding driver's own monitor, and what LACP says of
the other side. A host without bonds has no such directory.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Facts, Gather, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.core.text import neutral
from bot.probes._text import insist, joined
from bot.probes.netns import NetnsFacts


class BondLeg(Facts):
    """One interface of a bond."""

    name: str
    """Its name."""
    up: bool
    """MII Status: whether the driver's monitor holds it for usable."""
    speed: str
    """"1000 Mbps", "Unknown"; empty: not told."""
    duplex: str
    """"full", "half"; empty: not told."""
    failures: int
    """Link Failure Count, since it joined the bond."""
    failed_now: int
    """The same within the window."""
    aggregator: int | None
    """Aggregator ID (802.3ad); None in other modes."""
    churned: bool
    """Whether LACP gave up on either side ("churned"): the partner does not answer as it should."""


class Bond(Facts):
    """One bond."""

    name: str
    """Its name: "bond0"."""
    netns: str
    """Id of its network namespace."""
    netns_label: str
    """What people call that namespace."""
    mode: str
    """The mode in words: "IEEE 802.3ad Dynamic link aggregation", "fault-tolerance (active-backup)"."""
    lacp: bool
    """Whether the mode is 802.3ad."""
    up: bool
    """MII Status of the bond itself."""
    monitored: bool
    """False when neither MII polling nor ARP monitoring is on: then legs are held for up whatever happens."""
    active: str
    """Currently Active Slave; empty: none, or another mode."""
    partner: str
    """Partner Mac Address of the active aggregator (802.3ad); empty in other modes."""
    partner_missing: bool
    """Whether that address is all zeros: nobody speaks LACP on the other side."""
    legs: list[BondLeg]
    """As the driver lists them."""
    down: list[str]
    """Names of the legs that are not up."""
    apart: list[str]
    """Names of the legs (802.3ad) outside of the active aggregator: they carry nothing."""


class BondingFacts(Facts):
    """Every bond of the host and its containers."""

    bonds: list[Bond]
    """By namespace and name; empty: the host has none."""


GATHER = Gather(
    ("net/bonding/*",),
    awk=r"""
function bonding(   k, path, found) {
  for (path in ROWS) if (path ~ /^\/proc\/[0-9]+\/net\/bonding\/[^\/]+$/) found = 1
  if (!found) { say("none"); return }
  spaces()
  for (path in ROWS) if (path ~ /^\/proc\/[0-9]+\/net\/bonding\/[^\/]+$/)
    for (k = 1; k <= ROWS[path]; k++) say(path ":" ROW[path, k])
}
""",
)


_LINE = re.compile(r"/proc/(\d{1,10})/net/bonding/([^/:\s]{1,40}):(.{0,400})")
_SPACE = re.compile(r"(\d{1,20}) (\d{1,10}) \d{1,10}")
_ZEROS = "00:00:00:00:00:00"


def parse(readings: Sequence[Reading], seen: Seen) -> BondingFacts:
    """Read every bond's file, failures held against those of the first reading. Raises ParseError."""
    if readings[-1].text.strip() == "none":
        return BondingFacts(bonds=[])
    insist(seen, "netns")
    facts = joined(seen, "netns")
    labels = {key: space.label for key, space in facts.namespaces.items()} if isinstance(facts, NetnsFacts) else {}
    before = {(one.netns, one.name, leg.name): leg.failures for one in _bonds(readings[0].text, {}) for leg in one.legs}
    bonds = _bonds(readings[-1].text, labels)
    return BondingFacts(bonds=[_compared(one, before) for one in bonds])


def _compared(one: Bond, before: Mapping[tuple[str, str, str], int]) -> Bond:
    legs = [
        leg.model_copy(
            update={"failed_now": max(0, leg.failures - before.get((one.netns, one.name, leg.name), leg.failures))}
        )
        for leg in one.legs
    ]
    return one.model_copy(update={"legs": legs})


def _bonds(text: str, labels: Mapping[str, str]) -> list[Bond]:
    if text.strip() == "none":
        return []
    head, gap, body = text.partition("\n\n")
    spaces = {row[2]: row[1] for line in head.splitlines() if (row := _SPACE.fullmatch(line))}
    files: dict[tuple[str, str], list[str]] = {}
    for line in body.splitlines():
        found = _LINE.fullmatch(line)
        if found is None or found[1] not in spaces:
            raise ParseError(f"expected a line of a bond, got {line[:60]!r}")
        files.setdefault((spaces[found[1]], found[2]), []).append(found[3])
    if not gap or not files:
        raise ParseError(f"expected namespaces and bonds, got {text[:60]!r}")
    return [
        bond(lines, name=name, netns=netns, label=labels.get(netns, f"net:[{netns}]"))
        for (netns, name), lines in sorted(files.items())
    ]


def bond(lines: Sequence[str], *, name: str, netns: str = "", label: str = "") -> Bond:
    """One file of /proc/net/bonding. Raises ParseError when it is none, or a leg has no state."""
    parts: list[dict[str, str]] = [{}]
    inside = ""
    for line in lines:
        key, colon, value = line.strip().partition(":")
        if key == "Slave Interface":
            parts.append({})
            inside = ""
        if not line[:1].isspace():
            inside = ""
        if key.startswith("details "):
            inside = "details"  # the partner's LACP fields have names that the leg's own have, too
        if colon and inside != "details":
            parts[-1].setdefault(key, value.strip())
    head, *rows = parts
    mode = head.get("Bonding Mode")
    if mode is None or "MII Status" not in head:
        raise ParseError(f"{neutral(name, 40)}: no bonding mode and state in {lines[0][:40] if lines else ''!r}")
    legs = [_leg(row) for row in rows]
    lacp = "802.3ad" in mode
    active = _whole(head.get("Aggregator ID"))
    partner = head.get("Partner Mac Address", "") if lacp else ""
    return Bond(
        name=neutral(name, 40),
        netns=netns,
        netns_label=label,
        mode=neutral(mode, 80),
        lacp=lacp,
        up=head["MII Status"] == "up",
        monitored=head.get("MII Polling Interval (ms)", "0") != "0" or "ARP Polling Interval (ms)" in head,
        active=neutral(head.get("Currently Active Slave", "").removeprefix("None"), 40),
        partner=neutral(partner, 40),
        partner_missing=partner == _ZEROS,
        legs=legs,
        down=[leg.name for leg in legs if not leg.up],
        apart=[leg.name for leg in legs if lacp and active is not None and leg.up and leg.aggregator != active],
    )


def _leg(row: Mapping[str, str]) -> BondLeg:
    if "MII Status" not in row:
        raise ParseError(f"no state of {row.get('Slave Interface', '')[:40]!r}")
    return BondLeg(
        name=neutral(row["Slave Interface"], 40),
        up=row["MII Status"] == "up",
        speed=neutral(row.get("Speed", ""), 40),
        duplex=neutral(row.get("Duplex", ""), 20),
        failures=_whole(row.get("Link Failure Count")) or 0,
        failed_now=0,
        aggregator=_whole(row.get("Aggregator ID")),
        churned="churned" in (row.get("Actor Churn State"), row.get("Partner Churn State")),
    )


def _whole(word: str | None) -> int | None:
    return int(word) if word and re.fullmatch(r"[0-9]{1,9}", word) else None


PROBE = Probe(
    name="bonding",
    question="Are all legs of every bond up, and do they belong to one aggregator?",
    script="",
    parse=parse,
    facts=BondingFacts,
    scope=Scope.NETNS,
    sampling=Sampling.COUNTER,
    root=True,
    after=("netns",),
    gather=GATHER,
)
