"""How does the demo, or a test, get a fleet of real Linux hosts on this machine, look into it, and break it?

    async with Fleet.up(directory, hosts=4) as fleet:
        done = await fleet.exec("node-3", ["ss", "-ltn"])

Hosts are namespaces with sshd, users, services and faults of their own (`plan.ROLES`). What is the machine's on every
one of them: the kernel with its log, boot id and clock, and the counters that are global in it (TCP `alloc`, `orphan`
and `mem` of /proc/net/sockstat).
"""

import asyncio
import contextlib
import os
import shlex
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.demo import handle, papers
from bot.demo.disk import LOGIN, SUDO_RIGHT
from bot.demo.machine import FleetError
from bot.demo.parts import availability, posts
from bot.demo.plan import Node, plan
from bot.demo.serial import Serial

FAULT = 300.0  # seconds after which a cut or frozen host heals by itself
MOVED = ".netdiag-demo"  # what a tool that was broken is called meanwhile
BROKEN: Mapping[str, str] = {
    "slow": "exec sleep 3600",
    "flood": "while :; do echo 'LISTEN 129 128 0.0.0.0:80 0.0.0.0:* this line goes on and on'; done",
    "garbage": "exec head -c 65536 /dev/urandom",
    "failing": "echo 'Segmentation fault' >&2; exit 139",
}


_FIND = 'path=$(command -v -- "$1") && [ -n "$path" ] || { echo "no tool $1" >&2; exit 1; }'
_RESTORE = f'for path in /usr/sbin/"$1" /usr/bin/"$1" /sbin/"$1" /bin/"$1"; do [ ! -e "$path{MOVED}" ] || break; done'


@dataclass(slots=True)
class Fleet:
    """A running fleet. `hosts` in order; `weak` says what is weaker on this machine than on real hosts."""

    inventory_dir: Path
    hosts: Mapping[str, Node]
    instance: int
    weak: tuple[str, ...]
    _pids: dict[str, int]
    _guardian: asyncio.subprocess.Process
    _serials: Mapping[str, Serial] = field(default_factory=dict)
    _switch: int = 0
    broken: set[str] = field(default_factory=set)
    """The faults that were made and not healed, see `bot.demo.faults`."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    # --- life ---

    @classmethod
    @contextlib.asynccontextmanager
    async def up(
        cls,
        directory: Path | str,
        hosts: int = 4,
        people: papers.People | None = None,
        *,
        parts: Sequence[str] = (),
        self_approval: str = "never",
        overlay: bool = True,
    ) -> "AsyncIterator[Fleet]":
        """A fleet for the time of a `with` block; see `start`."""
        fleet = await cls.start(directory, hosts, people, parts=parts, self_approval=self_approval, overlay=overlay)
        try:
            yield fleet
        finally:
            await fleet.down()

    @classmethod
    async def start(
        cls,
        directory: Path | str,
        hosts: int = 4,
        people: papers.People | None = None,
        *,
        parts: Sequence[str] = (),
        self_approval: str = "never",
        overlay: bool = True,
    ) -> "Fleet":
        """Start a fleet, and write its inventory into `directory`.

        `parts` are more hosts, see `bot.demo.parts`. `people` are the humans of its policy: name -> {"slack": id,
        "terminal": user}; without any there is no policy. What killed runs left is cleared first. The fleet ends with
        this process, however that ends.
        Raises FleetError: this machine cannot (`availability` says why), or a fleet is up in `directory` already;
        ValueError for a number of hosts or a part that cannot be had.
        """
        plan(0, hosts, posts(parts))
        reason = await asyncio.to_thread(availability, parts)
        if reason is not None:
            raise FleetError(reason)
        place = await asyncio.to_thread(Path(directory).resolve)
        guardian = await handle.start(place, hosts, parts, "overlay" if overlay else "bind")
        try:
            facts = await handle.order(guardian, {"do": "up", "owner": os.getpid(), "directory": str(place)})
            fleet = plan(facts["instance"], hosts, posts(parts))
            await asyncio.to_thread(papers.write, place, fleet, facts["keys"], people or {}, self_approval)
        except BaseException:
            await handle.end(guardian)
            raise
        nodes = {node.name: node for node in fleet.nodes}
        serials = {name: Serial(Path(facts["room"]), name) for name, node in nodes.items() if node.guest}
        weak, pids = tuple(facts["weak"]), dict(facts["pids"])
        return cls(place, nodes, fleet.instance, weak, pids, guardian, serials, facts["switch"])

    async def down(self) -> None:
        """Take the fleet down; nothing of it is left on the machine but the inventory. Safe to call twice."""
        for serial in self._serials.values():
            serial.close()
        await handle.end(self._guardian)

    # --- looking ---

    async def exec(
        self, host: str, argv: Sequence[str], *, stdin: str = "", within: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root on a host: from outside, not over SSH, so it is the truth that tests compare with.

        It is in the host's namespaces and not in its control group: it also looks into a frozen host. Into a guest it
        goes by the serial line, whatever becomes of its network; a frozen guest does not answer.
        Raises TimeoutError after `within` seconds, KeyError for an unknown host.
        """
        if host in self._serials:
            return await self._serials[host].run(argv, stdin, within)
        return await handle.enter(self._pids[host], argv, stdin, within)

    async def sh(self, host: str, script: str, *words: str, within: float = 30.0) -> str:
        """What a shell script prints on a host, as for `exec`. Raises FleetError with its words when it fails."""
        done = await self.exec(host, ["sh", "-c", script, "sh", *words], within=within)
        if done.returncode:
            raise FleetError(f"{host}: {done.stderr.strip() or done.stdout.strip() or script}")
        return done.stdout.strip()

    async def on_switch(self, argv: Sequence[str], *, within: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command in the switch's namespaces: where the hosts' links end, and clients call from."""
        return await handle.enter(self._switch, argv, "", within)

    async def console(self, host: str) -> str:
        """The last lines of a guest's console: its kernel's words."""
        return str((await self._ask("console", host=host))["console"])

    async def exec_in_container(
        self, host: str, name: str, argv: Sequence[str], *, stdin: str = "", within: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the container of the service `name` of a host, e.g. ("node-3", "shop")."""
        inner = f'exec nsenter -t "$(cat /run/{shlex.quote(name)}.pid)" -n -u -i -m -p -C -- "$@"'
        return await self.exec(host, ["sh", "-c", inner, "enter", *argv], stdin=stdin, within=within)

    # --- breaking ---

    async def cut(self, host: str, seconds: float = FAULT) -> None:
        """Drop every packet from and to a host, silently; it heals by itself after so many seconds."""
        await self._ask("cut", host=host, seconds=seconds)

    async def heal(self, host: str) -> None:
        """End a cut."""
        await self._ask("heal", host=host)

    async def freeze(self, host: str, seconds: float = FAULT) -> None:
        """Stop every process of a host as if its machine were paused; it goes on by itself after so many seconds."""
        await self._ask("freeze", host=host, seconds=seconds)

    async def thaw(self, host: str) -> None:
        """End a freeze."""
        await self._ask("thaw", host=host)

    async def reboot(self, host: str) -> None:
        """End everything on a host and start it from its disk: new namespaces, counters, PID 1, empty /run and /tmp.

        Its boot id and uptime stay: they are the machine's. Answers when its sshd greets again.
        """
        facts = await self._ask("reboot", host=host, owner=os.getpid(), directory=str(self.inventory_dir))
        self._pids[host] = int(facts["pid"])

    async def sudo(self, host: str, allowed: bool) -> None:
        """Give the login its sudo right, or take it."""
        path = f"/etc/sudoers.d/{LOGIN}"
        script = f"cat >{path} && chmod 440 {path}" if allowed else f"rm -f {path}"
        await self._shell(host, script, stdin=SUDO_RIGHT)

    async def hide_tool(self, host: str, tool: str) -> None:
        """Remove a tool from a host."""
        await self._shell(host, f'{_FIND}; mv "$path" "$path{MOVED}"', tool)

    async def break_tool(self, host: str, tool: str, way: str) -> None:
        """Replace a tool by one that is `slow`, a `flood`, prints `garbage`, or is `failing`."""
        script = f'{_FIND}; mv "$path" "$path{MOVED}" && cat >"$path" && chmod 755 "$path"'
        await self._shell(host, script, tool, stdin=f"#!/bin/sh\n{BROKEN[way]}\n")

    async def restore_tool(self, host: str, tool: str) -> None:
        """Give a host its tool back."""
        await self._shell(host, f'{_RESTORE}; mv -f "$path{MOVED}" "$path"', tool)

    async def order(self, do: str, **words: Any) -> None:
        """Give the guardian an order for a host, see `rack.ORDERS`."""
        await self._ask(do, **words)

    def fill(self, text: str) -> str:
        """The text with this fleet's numbers for @NET@ and @BACK@."""
        return plan(self.instance, 1).fill(text)

    async def _shell(self, host: str, script: str, *words: str, stdin: str = "") -> None:
        done = await self.exec(host, ["sh", "-c", script, "demo", *words], stdin=stdin)
        if done.returncode:
            raise FleetError(f"{host}: {done.stderr.strip() or script}")

    async def _ask(self, order: str, **words: Any) -> dict[str, Any]:
        if words["host"] not in self.hosts:
            raise KeyError(words["host"])
        async with self._lock:
            return await handle.order(self._guardian, {"do": order, **words})
