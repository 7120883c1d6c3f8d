"""Who asks a fleet over SSH? netdiag's own adapter, parallel-ssh, and OpenSSH's client with and without ControlMaster.

Each peer runs in a process of its own that keeps what it keeps between rounds; all of them run the same program on
the same addresses, the same number at a time. A peer is `start(place, addresses) -> (ask, close)`; `ask(program)`
says how many hosts answered whole.
"""

import asyncio
import getpass
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._sshd import PORT, address

AT_ONCE = 64
"""Hosts asked at the same time, as many as netdiag's default."""
DEADLINE = 120.0
MOST_BYTES = 8_000_000
PACKET = 30_000
"""A longer program is no command that libssh2 could send: it goes to the standard input of `sh`."""
WHOLE = b"the program came to its end"
"""What every program prints last: an answer without it is none."""

Ask = Callable[[str], int]
Start = Callable[[Path, Sequence[str]], tuple[Ask, Callable[[], None]]]


def netdiag(place: Path, addresses: Sequence[str]) -> tuple[Ask, Callable[[], None]]:
    """One connection and one living shell per host."""
    from bot.adapters.ssh import HostShell
    from bot.core.host import Host, Inventory
    from bot.engine.ports import Output

    common = {"port": PORT, "user": getpass.getuser(), "sudo": False, "key": str(place / "id")}
    known = str(place / "known_hosts")
    hosts = {name: Host(name=name, address=name, known_hosts=known, **common) for name in addresses}
    shell = HostShell(Inventory(hosts=hosts))
    runner = asyncio.Runner()

    async def visit(program: str) -> int:
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(host: Host) -> bool:
            async with turn:
                done = await shell.run(host, program, deadline=DEADLINE, max_bytes=MOST_BYTES)
            return isinstance(done, Output) and done.status == 0 and WHOLE in done.stdout

        return sum(await asyncio.gather(*(one(host) for host in hosts.values())))

    return (lambda program: runner.run(visit(program))), (lambda: runner.run(shell.close()))


def parallel_ssh(place: Path, addresses: Sequence[str]) -> tuple[Ask, Callable[[], None]]:
    """libssh2 and gevent; a session per host, a channel per command."""
    from gevent import joinall, spawn
    from pssh.clients import ParallelSSHClient

    logging.getLogger("pssh").setLevel(logging.CRITICAL)
    client = ParallelSSHClient(
        list(addresses), user=getpass.getuser(), port=PORT, pkey=str(place / "id"), pool_size=AT_ONCE,
        allow_agent=False, identity_auth=False,
    )  # fmt: skip

    def visit(program: str) -> int:
        large = len(program) > PACKET
        answers = client.run_command("sh" if large else program, read_timeout=DEADLINE, stop_on_errors=False)
        if large:
            joinall([spawn(_fed, answer, program) for answer in answers if answer.exception is None])
        client.join(answers)
        return sum(
            answer.exception is None and answer.exit_code == 0 and WHOLE.decode() in list(answer.stdout)
            for answer in answers
        )

    return visit, lambda: None


def _fed(answer: Any, program: str) -> None:
    answer.stdin.write(f"{program}\nexit\n")
    answer.stdin.flush()


def _ssh(place: Path, addresses: Sequence[str], *, master: bool) -> tuple[Ask, Callable[[], None]]:
    argv = ["ssh", "-F", "none", "-p", str(PORT), "-i", str(place / "id"), "-o", "BatchMode=yes"]
    argv += ["-o", f"UserKnownHostsFile={place}/known_hosts", "-o", "GlobalKnownHostsFile=/dev/null"]
    if master:
        argv += ["-o", f"ControlPath={place}/c-%h", "-o", "ControlMaster=auto", "-o", "ControlPersist=300"]
    out, names = place / "out", "\n".join(addresses).encode()

    def visit(program: str) -> int:
        (place / "program").write_text(program)
        # a file for each host: answers through one pipe would be mixed up
        each = f'exec "$@" sh <{place}/program >{place}/answer-"$host" 2>/dev/null'
        xargs = ["xargs", "-P", str(AT_ONCE), "-I", "{}", "env", "host={}", "sh", "-c", each, "sh", *argv, "{}"]
        for old in place.glob("answer-*"):
            old.unlink()
        with out.open("wb") as sink:
            subprocess.run(xargs, input=names, stdout=sink, stderr=subprocess.DEVNULL, check=False)
        return sum(WHOLE in answer.read_bytes() for answer in place.glob("answer-*"))

    def close() -> None:
        for name in addresses if master else ():
            subprocess.run([*argv, "-O", "exit", name], stderr=subprocess.DEVNULL, check=False)

    return visit, close


def control_master(place: Path, addresses: Sequence[str]) -> tuple[Ask, Callable[[], None]]:
    """`ssh` by xargs over master connections that stay."""
    return _ssh(place, addresses, master=True)


def ssh(place: Path, addresses: Sequence[str]) -> tuple[Ask, Callable[[], None]]:
    """`ssh` by xargs, a login each."""
    return _ssh(place, addresses, master=False)


PEERS: Mapping[str, Start] = {
    "netdiag": netdiag,
    "parallel-ssh": parallel_ssh,
    "ssh, ControlMaster": control_master,
    "ssh": ssh,
}


def _cpu(place: Path) -> float:
    """CPU seconds of this process and its ended children, and of ssh masters that live on in the background."""
    used: float = sum(
        getattr(resource.getrusage(who), field)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        for field in ("ru_utime", "ru_stime")
    )
    needle = f"{place}/c-".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if needle in (process / "cmdline").read_bytes() and process.name != str(os.getpid()):
                used += int((process / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue  # it ended while we looked
    return used


def main() -> None:
    """Serve rounds: a line of JSON with `mode` (warm or cold) and `program` in; one with wall, cpu and good out."""
    peer, place, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    addresses = [address(number) for number in range(count)]
    warm = None
    for line in sys.stdin:
        order = json.loads(line)
        if order["mode"] == "warm" and warm is None:
            warm = PEERS[peer](place, addresses)
        cpu, began = _cpu(place), time.perf_counter()
        ask, close = warm or PEERS[peer](place, addresses)
        good = ask(order["program"])
        told = {"wall": time.perf_counter() - began, "cpu": _cpu(place) - cpu, "good": good}
        if warm is None:
            close()
        print(json.dumps(told), flush=True)
    if warm is not None:
        warm[1]()


if __name__ == "__main__":
    main()
