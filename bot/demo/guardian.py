"""Who holds a fleet together, and takes it down whatever becomes of its owner?

A process of its own in a mount namespace of its own. It is told what to do in JSON lines on standard input and answers
each with one on standard output. It ends the fleet when told so, when that pipe closes, or when the owner is gone; if
it is killed itself, the death signals of `hosts.boot` end the hosts, and the next `up` clears the rest.
"""

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bot.demo.instance import claim, lock
from bot.demo.machine import FleetError
from bot.demo.rack import ORDERS, Rack

PATIENCE = 5.0  # seconds that a fleet of a killed owner has to go down before we give up its directory


def orders(owner: int, wait: Callable[[], float | None]) -> Iterator[dict[str, Any]]:
    """The owner's orders, until the pipe closes, the owner dies or we are told to end; `wait` is called in between."""
    poll, buffer, alive = select.poll(), b"", os.pidfd_open(owner)
    poll.register(0, select.POLLIN)
    poll.register(alive, select.POLLIN)
    while True:
        seconds = wait()
        ready = dict(poll.poll(None if seconds is None else max(0.0, seconds) * 1000))
        if 0 in ready:
            chunk = os.read(0, 65536)
            if not chunk:
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            yield from (json.loads(line) for line in lines)
        elif alive in ready:
            return


def say(answer: dict[str, Any]) -> None:
    """Answer the owner, who may be gone."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(answer).encode() + b"\n")


def main() -> None:
    """Serve one owner: its first order is `up`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's: it says what to do
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.umask(0o022)  # a host's directories are as an installer makes them: sshd refuses those that a group may write
    owner, directory, hosts, parts = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4].split()
    mode = sys.argv[5]
    try:
        held = lock(Path(directory), patience=PATIENCE)
        rack = Rack(claim(), hosts, parts, mode)
    except (FleetError, OSError, ValueError) as fault:
        say({"error": str(fault)})
        return
    try:
        for order in orders(owner, rack.end_faults):
            if order["do"] == "down":
                break
            try:
                say(ORDERS[order.pop("do")](rack, **order))
            except (FleetError, OSError) as fault:
                say({"error": str(fault)})
    finally:
        rack.down()
        os.close(held)


if __name__ == "__main__":
    main()
