"""Does reading leave a host as it was? Everything that could tell is compared before and after all playbooks ran."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from bot.adapters.files.inventory import load_inventory
from bot.adapters.ssh import HostShell
from bot.core.snapshot import Snapshot
from bot.demo import Fleet
from bot.engine.diagnose import Observer
from tests.lab.books import CATALOG, shipped

PARTS = ("ipvs",)

pytestmark = [
    pytest.mark.parts(*PARTS),
    pytest.mark.asyncio(loop_scope="module"),
]

# A host in lines that only a change of it changes: no counters, no clocks, no neighbours that come and go.
STATE = r"""
of_namespace() {
  $1 ip -o -d link show | sed 's/^/link /'
  $1 ip -o addr show | sed 's/ valid_lft.*//; s/^/address /'
  for family in -4 -6; do
    $1 ip $family -o route show table all | sed 's/ expires [0-9]*sec//; s/^/route /'
    $1 ip $family rule show | sed 's/^/rule /'
  done
  $1 tc qdisc show | sed 's/^/qdisc /'
  $1 sh -c 'find /proc/sys/net /proc/sys/fs /proc/sys/kernel -type f -perm -400 | xargs grep -sH ""' |
    grep -vE '^[^:]*(nf_conntrack_count|/fs/[a-z]*-nr|/fs/[a-z]*-state|/random/[a-z_]*|/ns_last_pid|/pty/nr):'
  $1 cat /proc/net/ip_vs /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null | sed 's/^/table /' |
    awk '$1 == "table" && $2 == "->" { NF -= 2 } { print }'
}
of_namespace ""
for pid in $(cat /run/shop.pid 2>/dev/null); do of_namespace "nsenter -t $pid -n"; done
awk '{ print "module", $1 }' /proc/modules 2>/dev/null
sed 's/^/mount /' /proc/mounts
. /etc/netdiag-demo/env # the libraries of the Python that the host's services run on may be sixty thousand files
find /etc /run /root /home /tmp /var/tmp /var/lib /usr/local -path "${PYTHON%/bin/*}/lib" -prune -o \
  ! -path '/run/sudo/*' ! -path '/run/load-*' \( -type f -o -type l -o -type d \) \
  -printf 'file %p %m %s %T@\n' 2>/dev/null | grep -v ' /run [0-9]'
ls -1 /proc | grep '^[0-9]' | while read -r pid; do
  [ -r /proc/$pid/comm ] && read -r name </proc/$pid/comm && read -r pid name2 state parent rest </proc/$pid/stat &&
    case $name in sshd* | sudo | sh | ls | grep | awk | sed | sort | find | kworker*) ;; *) echo "process $name" ;; esac
done 2>/dev/null | sort
echo whole
"""


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def token(self, bits: int = 128) -> str:
        return secrets.token_hex(bits // 8)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    async with Fleet.up(tmp_path_factory.mktemp("fleet"), hosts=4, parts=PARTS) as fleet:
        yield fleet


async def state(fleet: Fleet, host: str) -> list[str]:
    *lines, last = (await fleet.sh(host, STATE, within=120)).splitlines()
    assert last == "whole", "an answer that is cut would hide what comes last"
    return lines


# a busy host, one with a container, one that leaks, and a director with a kernel of its own
@pytest.mark.parametrize("name", ["node-2", "node-3", "node-4", "lb-1"])
async def test_all_playbooks_leave_a_host_as_it_was(fleet: Fleet, name: str) -> None:
    inventory, playbooks = load_inventory(fleet.inventory_dir), tuple(shipped().values())
    host, shell = inventory.hosts[name], HostShell(inventory)
    try:
        # the login itself leaves its traces first
        await shell.run(host, "true\n", deadline=60, max_bytes=4096)
        before = await state(fleet, name)
        seen = await Observer(shell, Now(), CATALOG).observe(host, playbooks)
        after = await state(fleet, name)
    finally:
        await shell.close()
    assert isinstance(seen, Snapshot), seen
    assert {probe for playbook in playbooks for probe in playbook.probes} <= set(seen.outcomes)
    assert len(before) > 500
    assert any("promiscuity 0" in line for line in before)
    assert sorted(set(before) - set(after)) == []
    assert sorted(set(after) - set(before)) == []


async def test_a_change_would_be_seen(fleet: Fleet) -> None:
    """The comparison itself is held to it: each kind of change shows."""
    before = await state(fleet, "node-1")
    undo = {
        "ip link set eth0 promisc on": "ip link set eth0 promisc off",
        "sysctl -qw net.ipv4.tcp_fin_timeout=59": "sysctl -qw net.ipv4.tcp_fin_timeout=60",
        "tc qdisc add dev eth0 root pfifo limit 77": "tc qdisc del dev eth0 root",
        "echo x >/etc/trace": "rm /etc/trace",
        "echo x >/run/trace": "rm /run/trace",
    }
    for change, back in undo.items():
        await fleet.sh("node-1", change)
        changed = set(await state(fleet, "node-1")) ^ set(before)
        await fleet.sh("node-1", back)
        assert changed, change
