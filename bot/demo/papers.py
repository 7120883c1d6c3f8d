"""What does a bot need to know of a fleet? Written as the inventory directory that any fleet of hosts would have."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bot.demo.plan import Plan

People = Mapping[str, Mapping[str, str]]


def policy(people: People, self_approval: str) -> dict[str, Any]:
    """The access policy: everyone given is on call, low and medium risk need one of them, high risk two.

    Where there is only one person, one has to do for high risk too.
    """
    return {
        "people": {name: dict(identities) for name, identities in people.items()},
        "groups": {"net-oncall": list(people)},
        "rules": [
            {"hosts": "all", "risk": ["low", "medium"], "approve": {"people": 1, "from": ["net-oncall"], "ttl": "30m"}},
            {  # a reload cannot be taken back, so it counts as high; it drops no connections, so one person may do
                "hosts": "all",
                "risk": ["high"],
                "actions": ["service.reload"],
                "approve": {"people": 1, "from": ["net-oncall"], "ttl": "30m"},
            },
            {
                "hosts": "all",
                "risk": ["high"],
                "approve": {"people": min(2, len(people)), "from": ["net-oncall"], "ttl": "15m"},
            },
        ],
        "self_approval": self_approval,
    }


def groups(fleet: Plan) -> dict[str, Any]:
    """One group per role."""
    found: dict[str, list[str]] = {}
    for node in fleet.nodes:
        found.setdefault(node.role.labels["role"], []).append(node.name)
    return {name: {"hosts": hosts} for name, hosts in found.items()}


def balances(fleet: Plan) -> dict[str, list[str]]:
    """The virtual services that the fleet's directors are meant to have."""
    return {
        fleet.fill(service): [fleet.fill(server) for server in servers]
        for node in fleet.nodes
        for service, servers in node.role.balances.items()
    }


def write(directory: Path, fleet: Plan, keys: Mapping[str, str], people: People, self_approval: str) -> None:
    """Write hosts.yaml, policy.yaml (only when there are people), known_hosts and the client's key pair."""
    directory.mkdir(parents=True, exist_ok=True)
    client = directory / "id_ed25519"
    client.unlink(missing_ok=True)
    client.touch(mode=0o600)
    client.write_text(keys["client"])
    (directory / "id_ed25519.pub").write_text(keys["client.pub"])
    known = (f"{node.name},{node.address} {_key(keys[f'{node.name}.pub'])}\n" for node in fleet.nodes)
    (directory / "known_hosts").write_text("".join(known))
    hosts = {
        "defaults": {
            "user": "netdiag",
            "port": 22,
            "sudo": True,
            "known_hosts": "known_hosts",  # beside the inventory, wherever that is moved
            "key": client.name,
        },
        "hosts": {
            node.name: {"address": node.address, "labels": {**node.role.labels, "dc": "demo"}} for node in fleet.nodes
        },
        "groups": groups(fleet),
    }
    if meant := balances(fleet):
        hosts["expect"] = {"ipvs": meant}
    dump(directory / "hosts.yaml", hosts)
    put_policy(directory, people, self_approval)


def put_policy(directory: Path, people: People, self_approval: str) -> None:
    """Write policy.yaml, or take an old one away: without people there is nobody who could approve."""
    if people:
        dump(directory / "policy.yaml", policy(people, self_approval))
    else:
        (directory / "policy.yaml").unlink(missing_ok=True)


def put_sweeps(directory: Path, owner: str, channel: str) -> None:
    """Write sweeps.yaml: the whole fleet once a day, told whole. `owner` is a person of the policy."""
    daily = {"title": "The whole fleet", "cron": "0 7 * * mon-fri", "target": "all", "quiet": "digest"}
    dump(directory / "sweeps.yaml", {"sweeps": {"fleet": {**daily, "owner": owner, "channel": channel}}})


def dump(path: Path, value: Mapping[str, Any]) -> None:
    """Write YAML in the order given, without aliases (the loader refuses them)."""
    path.write_text(yaml.safe_dump(json.loads(json.dumps(value)), sort_keys=False, allow_unicode=True))


def _key(public: str) -> str:
    return " ".join(public.split()[:2])
