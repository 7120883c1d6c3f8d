"""A pair of routers that change places: stalls, lost adverts, a tracked process that comes and goes."""

from typing import Final

from bot.demo.faults.fault import Fault, Order, Step


def _pulsed(name: str, host: str, shows: str, kind: str) -> Fault:
    """A fault that comes for longer than three adverts and goes, see `rack.Rack.pulse`."""
    words = {"host": host, "kind": kind, "on": 4.5, "off": 6.0}
    return Fault(name, "vrrp", host, shows, (Order("pulse", words),), (Order("still", {"host": host, "kind": kind}),))


TRACKED: Final = """\
[ -s /run/flap.pid ] && kill -0 "$(cat /run/flap.pid)" 2>/dev/null || {
    setsid sh -c 'while :; do service tracked stop; sleep 4; service tracked start; sleep 4; done' \
        </dev/null >/dev/null 2>&1 &
    echo $! >/run/flap.pid
}
"""

# Bursts are longer than three adverts, and pauses long enough that the address comes back. The tracked check is left
# out meanwhile: what keepalived starts is never real-time, starves in the same group, and would time out by itself.
STARVED: Final = """\
cd /etc/keepalived
[ -f with-check.conf ] || {
    cp keepalived.conf with-check.conf
    awk '/track_script/ { gone = 1 } !gone { print } /}/ { gone = 0 }' with-check.conf >keepalived.conf
    kill -HUP "$(cat /run/keepalived-main.pid)"
    becomes 'grep -q "Reload complete" /var/log/syslog'
}
load greed greed "$(cat /run/ration)" keepalived 5 6
waited() { cat $(pgrep keepalived | sed 's|.*|/proc/&/schedstat|') | awk '{ sum += $2 / 1e9 } END { print int(sum) }'; }
before=$(waited)
starves() { [ $(($(waited) - before)) -ge 2 ] || ps -C keepalived -o cls= | grep -qE 'RR|FF'; }
becomes starves || {
    echo "this kernel's scheduler gives keepalived its turn within the quota" >&2
    unload greed
    exit 1
}
"""
FED: Final = """\
unload greed
cd /etc/keepalived
[ ! -f with-check.conf ] || { mv with-check.conf keepalived.conf; kill -HUP "$(cat /run/keepalived-main.pid)"; }
"""

FAULTS: Final = (
    _pulsed(
        "vrrp-stalls",
        "gw-1",
        "takeovers in both logs; on gw-1 'A thread timer expired': its machine stands still for seconds at a time",
        "freeze",
    ),
    Fault(
        "vrrp-starved",
        "vrrp",
        "gw-1",
        "takeovers in both logs; on gw-1 'A thread timer expired', and keepalived's run delay grows: its control group"
        " uses up its CPU quota in bursts (nr_throttled)",
        make=(Order("ration", {"host": "gw-1"}), Step("gw-1", STARVED)),
        heal=(Step("gw-1", FED), Order("unration", {"host": "gw-1"})),
    ),
    _pulsed(
        "vrrp-adverts-lost",
        "gw-2",
        "takeovers in both logs and no late timer: gw-2 misses adverts that gw-1 sends in time",
        "deaf",
    ),
    Fault(
        "vrrp-split-brain",
        "vrrp",
        "gw-2",
        "two masters that both hold the address: neither hears the other",
        make=(Order("deafen", {"host": "gw-1", "deaf": True}), Order("deafen", {"host": "gw-2", "deaf": True})),
        heal=(Order("deafen", {"host": "gw-1", "deaf": False}), Order("deafen", {"host": "gw-2", "deaf": False})),
    ),
    Fault(
        "vrrp-tracked-flaps",
        "vrrp",
        "gw-1",
        "takeovers because the process that gw-1 tracks comes and goes: 'received lower priority' and failed scripts",
        make=(Step("gw-1", TRACKED),),
        heal=(
            Step(
                "gw-1",
                """\
[ ! -s /run/flap.pid ] || kill -- -"$(cat /run/flap.pid)" 2>/dev/null || :
rm -f /run/flap.pid
service tracked start
""",
            ),
        ),
    ),
)
