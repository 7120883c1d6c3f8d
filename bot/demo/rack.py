"""What is a fleet made of while it runs, and how does each order change it?

The guardian's own state: everything here is started by, and ends with, the guardian's process.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.demo import cgroups, network, ration
from bot.demo.disk import HERE, furnish, interpreter, keys_of
from bot.demo.guest import Guest
from bot.demo.hosts import Lines, Running, boot
from bot.demo.instance import Claim, unlink
from bot.demo.machine import CLEAN, FleetError, family, run, start_time
from bot.demo.parts import posts
from bot.demo.plan import Node, Plan, plan

START = 75.0  # seconds that a whole fleet may take to start on a busy machine
PULSED = 600.0  # seconds after which a fault that comes and goes is gone


@dataclass(slots=True)
class Pulse:
    """A fault that comes and goes: seconds of each, when it ends and when it changes next (monotonic)."""

    on: float
    off: float
    end: float
    next: float = 0.0
    there: bool = False


class Rack:
    """One fleet. Every method named in `ORDERS` answers one order of the owner."""

    def __init__(self, taken: Claim, hosts: int, parts: Sequence[str], mode: str) -> None:
        self.claim = taken
        self.plan: Plan = plan(taken.instance, hosts, posts(parts))
        self.mode = mode
        self.nodes = {node.name: node for node in self.plan.nodes}
        self.group = cgroups.make(taken.instance)
        self.keys: dict[str, str] = {}
        self.switch: Running | None = None
        self.running: dict[str, Running | Guest] = {}
        self.crowds: list[subprocess.Popen[bytes]] = []
        self.pulses: dict[tuple[str, str], Pulse] = {}  # (host, kind)
        self.ends: dict[tuple[str, str], float] = {}  # (order that ends a fault, host) -> monotonic seconds

    # --- up and down ---

    def up(self, owner: int, directory: str) -> dict[str, Any]:
        """Start everything; answer when every host can be logged in to and every fault is there."""
        deadline = time.monotonic() + START
        self.note(owner, directory)
        disk = self.claim.room / "disk"
        disk.mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "tmpfs", "-o", "mode=755,size=2g", "tmpfs", str(disk)])
        self.keys = keys_of(disk, "client")
        for node in self.plan.nodes:
            self.keys |= keys_of(disk, node.name)
            keys = {"client.pub": self.keys["client.pub"]}
            keys |= {f"host{end}": self.keys[f"{node.name}{end}"] for end in ("", ".pub")}
            furnish(disk / node.name, node, self.plan, keys)
        self.switch = boot("the switch", [str(HERE / "host/switch.sh")], self.group_of("switch"))
        spaces = [node for node in self.plan.nodes if not node.guest]
        guests = [node for node in self.plan.nodes if node.guest]
        for node in spaces:
            self.running[node.name] = self.start(node)
        for each in (self.switch, *self.running.values()):
            each.settle(deadline)
        self.note(owner, directory)
        network.build(self.plan, self.switch.pid, os.getpid())
        network.attach([(node, 0) for node in guests], self.switch.pid)  # a guest's kernel needs its legs to boot
        for node in guests:
            self.running[node.name] = self.start(node)
        self.note(owner, directory)
        network.attach([(node, self.running[node.name].pid) for node in spaces], self.switch.pid)
        for each in (self.switch, *self.running.values()):
            each.go()
        for node in guests:
            self.running[node.name].settle(deadline)
        heard = [self.call(node, self.switch.pid) for node in self.plan.nodes if node.role.crowd]
        for node in self.plan.nodes:
            answers(node, deadline)
        for lines in heard:
            lines.next(deadline)
        return {
            "instance": self.claim.instance,
            "keys": self.keys,
            "pids": {name: running.pid for name, running in self.running.items()},
            "switch": self.switch.pid,
            "room": str(self.claim.room),
            "weak": self.weak(),
        }

    def note(self, owner: int, directory: str) -> None:
        """Keep the note that a later `up` would clear this fleet by."""
        pids = [os.getpid()]
        for each in (self.switch, *self.running.values()):
            if each is not None:
                pids += [each.holder.pid, *([each.pid] if each.pid else [])]
        self.claim.note(directory=directory, owner=owner, processes={str(pid): start_time(pid) for pid in pids})

    def group_of(self, name: str) -> Path | None:
        """The control group of one host, made if it is not there."""
        if self.group is None:
            return None
        (self.group / name).mkdir(exist_ok=True)
        return self.group / name

    def start(self, node: Node) -> Running | Guest:
        """Start one host on its disk."""
        group = self.group_of(node.name)
        disk, python = self.claim.room / "disk" / node.name, interpreter()
        if node.guest:
            assert self.switch is not None
            legs = [word for leg in node.legs for word in (leg.port, leg.mac)]
            words = [node.name, str(disk), python, sys.base_prefix, self.mode, str(self.claim.room)]
            words += [str(node.role.memory), *legs]
            return Guest.boot(node.name, words, self.switch.pid, group, self.processor_of(node))
        words = [node.name, str(disk), python, sys.base_prefix, "yes" if group else "no", self.mode]
        return boot(node.name, [str(HERE / "host/boot.sh"), *words], group)

    def processor_of(self, node: Node) -> int:
        """Which of the processors that we may use a guest keeps to: they take turns, in a fleet and between fleets."""
        guests = [other.name for other in self.plan.nodes if other.guest]
        ours = sorted(os.sched_getaffinity(0))
        return ours[(self.claim.instance + guests.index(node.name)) % len(ours)]

    def call(self, node: Node, switch: int) -> Lines:
        """Let the crowd call a host, from outside; what it says when the load is there."""
        kind, address, port, *numbers = node.role.crowd
        crowd = [interpreter(), "-I", "-S", str(HERE / "programs/crowd.py"), kind, address or node.address, port]
        argv = ["nsenter", "-t", str(switch), "-n", "-m", "-p", "-u", "--", *crowd, *numbers]
        caller = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=CLEAN
        )
        assert caller.stdout is not None
        self.crowds.append(caller)
        return Lines(caller.stdout.fileno())

    def weak(self) -> list[str]:
        """What is weaker here than on real hosts, each once."""
        found = {word: None for running in self.running.values() for word in running.weak}
        if self.group is None:
            found["the machine's control groups cannot be written: containers carry no id"] = None
        return list(found)

    def down(self) -> None:
        """Take everything down. Safe at any point of `up`, and twice."""
        unlink(self.plan)
        if self.group is not None:
            cgroups.kill(self.group)
        for each in (*self.running.values(), self.switch):
            if each is not None:
                each.kill()
        for caller in self.crowds:
            caller.kill()
            caller.wait()
        ration.clear(self.claim.instance)
        if self.group is not None:
            cgroups.remove(self.group)
        run(["umount", "-l", str(self.claim.room / "disk")], check=False)
        self.claim.release()

    # --- breaking ---

    def cut(self, host: str, seconds: float) -> dict[str, Any]:
        """Drop every packet of a host, silently, for so many seconds at most."""
        self.ends["heal", host] = time.monotonic() + seconds
        return self.port(host, "0")  # disabled: the link stays up and nothing passes

    def heal(self, host: str) -> dict[str, Any]:
        """Let packets pass again."""
        self.ends.pop(("heal", host), None)
        return self.port(host, "3")

    def port(self, host: str, state: str) -> dict[str, Any]:
        """Set the state of a host's port on the switch."""
        assert self.switch is not None
        port = self.nodes[host].port
        run(["nsenter", "-t", str(self.switch.pid), "-n", "bridge", "link", "set", "dev", port, "state", state])
        return {}

    def freeze(self, host: str, seconds: float) -> dict[str, Any]:
        """Stop every process of a host, as a paused virtual machine, for so many seconds at most."""
        self.ends["thaw", host] = time.monotonic() + seconds
        return self.stopped(host, frozen=True)

    def thaw(self, host: str) -> dict[str, Any]:
        """Let them go on."""
        self.ends.pop(("thaw", host), None)
        return self.stopped(host, frozen=False)

    def stopped(self, host: str, *, frozen: bool) -> dict[str, Any]:
        """Freeze or thaw the control group of a host, or signal its processes where there is none."""
        if self.group is not None:
            cgroups.freeze(self.group / host, frozen=frozen)
        else:
            for pid in family(self.running[host].pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)
        return {}

    def reboot(self, host: str, owner: int, directory: str) -> dict[str, Any]:
        """End a host's processes and namespaces and start it from its disk; answers its new PID 1."""
        assert self.switch is not None
        deadline, node = time.monotonic() + START, self.nodes[host]
        if self.group is not None:
            cgroups.kill(self.group / host)
        self.running[host].kill()
        for order in ("heal", "thaw"):
            self.ends.pop((order, host), None)
        self.pulses = {key: pulse for key, pulse in self.pulses.items() if key[0] != host}
        self.unration(host)
        if self.group is not None:
            cgroups.remove(self.group / host)
        network.detach(node, self.switch.pid)
        if node.guest:
            network.attach([(node, 0)], self.switch.pid)
        self.running[host] = running = self.start(node)
        self.note(owner, directory)
        running.settle(deadline)
        self.note(owner, directory)
        if not node.guest:
            network.attach([(node, running.pid)], self.switch.pid)
        running.go()
        answers(node, deadline)
        return {"pid": running.pid}

    def pulse(self, host: str, kind: str, on: float, off: float, seconds: float = PULSED) -> dict[str, Any]:
        """Let a fault of a host come for `on` seconds and go for `off`, again and again, for so many at most."""
        if (host, kind) not in self.pulses:
            self.pulses[host, kind] = Pulse(on, off, time.monotonic() + seconds)
        return {}

    def still(self, host: str, kind: str) -> dict[str, Any]:
        """End a pulse, and what it does just now."""
        if self.pulses.pop((host, kind), None) is not None:
            KINDS[kind](self, host, False)
        return {}

    def beat(self) -> float | None:
        """Let every pulse whose time has come change; seconds until the next does, None when there is none."""
        now = time.monotonic()
        for (host, kind), pulse in list(self.pulses.items()):
            if pulse.end <= now:
                self.still(host, kind)
            elif pulse.next <= now:
                pulse.there = not pulse.there
                pulse.next = now + (pulse.on if pulse.there else pulse.off)
                KINDS[kind](self, host, pulse.there)
        return min((pulse.next - now for pulse in self.pulses.values()), default=None)

    def deafen(self, host: str, deaf: bool) -> dict[str, Any]:
        """Keep multicast from a host, or let it pass; what it sends itself passes."""
        assert self.switch is not None
        word = "off" if deaf else "on"
        port = self.nodes[host].port
        run(["nsenter", "-t", str(self.switch.pid), "-n", "bridge", "link", "set", "dev", port, "mcast_flood", word])
        return {}

    def ration(self, host: str) -> dict[str, Any]:
        """Make a control group with a CPU quota for some of a host's processes; the host finds it in /run/ration."""
        ration.make(self.claim.instance, host, self.running[host].pid, self.home(host))
        return {}

    def unration(self, host: str) -> dict[str, Any]:
        """Take that group away."""
        ration.end(self.claim.instance, host, self.home(host))
        return {}

    def home(self, host: str) -> Path | None:
        """The control group of a host, where there is one."""
        return None if self.group is None else self.group / host

    def carrier(self, host: str, lost: bool) -> None:
        """Take the carrier of a host's last leg away, or give it back."""
        assert self.switch is not None
        port, state = self.nodes[host].legs[-1].port, "down" if lost else "up"
        run(["nsenter", "-t", str(self.switch.pid), "-n", "ip", "link", "set", port, state])

    def say(self, host: str) -> dict[str, Any]:
        """The console of a guest."""
        running = self.running[host]
        if not isinstance(running, Guest):
            raise FleetError(f"{host} has no console: its kernel is this machine's")
        return {"console": "\n".join(running.console)}

    def end_faults(self) -> float | None:
        """End the faults whose time is over; seconds until the next ends, None when there is none."""
        now = time.monotonic()
        for (order, host), end in list(self.ends.items()):
            if end <= now:
                ORDERS[order](self, host=host)
        times = [end - now for end in self.ends.values()]
        beat = self.beat()
        return min([*times, *([] if beat is None else [beat])], default=None)


ORDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "up": Rack.up,
    "cut": Rack.cut,
    "heal": Rack.heal,
    "freeze": Rack.freeze,
    "thaw": Rack.thaw,
    "reboot": Rack.reboot,
    "console": Rack.say,
    "pulse": Rack.pulse,
    "still": Rack.still,
    "deafen": Rack.deafen,
    "ration": Rack.ration,
    "unration": Rack.unration,
}
KINDS: dict[str, Callable[[Rack, str, bool], Any]] = {
    "freeze": lambda rack, host, there: rack.stopped(host, frozen=there),
    "deaf": Rack.deafen,
    "carrier": Rack.carrier,
}


def answers(node: Node, deadline: float) -> None:
    """Wait until the host's sshd greets. Raises FleetError when it does not in time."""
    patience = 10.0 if node.guest else 0.2  # a guest is slow, and each new call would make it slower
    while True:
        with contextlib.suppress(OSError), socket.create_connection((node.address, 22), timeout=patience) as caller:
            if caller.recv(256).startswith(b"SSH-"):
                return
        if time.monotonic() > deadline:
            raise FleetError(f"{node.name}: no sshd answers at {node.address}")
        time.sleep(0.02)
