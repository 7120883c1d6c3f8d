"""Who calls the servers of the demo fleet? Three kinds of client, all bounded, all from the switch's namespace.

Usage: crowd.py hold ADDRESS PORT COUNT      keeps COUNT connections that talk now and then, and short ones in bursts
       crowd.py dial ADDRESS PORT COUNT      COUNT customers that dial, wait for their answer, and dial again
       crowd.py leak ADDRESS PORT COUNT MORE COUNT peers that close and COUNT that reset; then MORE of each, slowly

Each says "ready" on standard output once, when the load that it stands for is there.
"""

import contextlib
import random
import resource
import select
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

Address = tuple[str, int]

STEP = 40  # connections made at once; fewer than any backlog here
PATIENCE = 10.0  # seconds for an answer of a healthy server
RETRY = 0.5  # seconds before a server that is away is called again


def ready() -> None:
    """Tell whoever started us that the load is there."""
    print("ready", flush=True)


# --- hold: a healthy, busy server ---------------------------------------------------------------------------------


def greeted(address: Address, count: int) -> list[socket.socket]:
    """`count` new connections, each out of the server's accept queue: the queue never holds more than these."""
    callers = [socket.create_connection(address, timeout=PATIENCE) for _ in range(count)]
    for caller in callers:
        caller.recv(64)
    return callers


def alive(caller: socket.socket) -> bool:
    """Whether the connection still stands. Closes it if not."""
    try:
        if caller.recv(64, socket.MSG_DONTWAIT):
            return True
    except BlockingIOError:
        return True
    except OSError:
        pass
    caller.close()
    return False


def hold(address: Address, count: int) -> None:
    """Keep `count` connections, a few of them talking, and make short ones in bursts."""
    callers: list[socket.socket] = []
    told = False
    while True:
        try:
            while len(callers) < count:
                callers += greeted(address, min(STEP, count - len(callers)))
            if not told:
                ready()
                told = True
            for caller in greeted(address, STEP // 2):
                caller.close()
            for caller in random.sample(callers, STEP):
                caller.send(b"any news?\n")
                caller.recv(64)
        except OSError:
            callers = [caller for caller in callers if alive(caller)]
        time.sleep(RETRY)


# --- dial: more customers than an accept queue of 128 holds, fewer than 4096 ---------------------------------------

ANSWER = 240.0  # seconds a customer waits in the queue before giving up; longer than the longest queue takes
CONNECT = 1.0  # seconds a customer waits for the line: so the next free place is taken within milliseconds


@dataclass(slots=True)
class Customer:
    """One customer: on the line until `until` (monotonic seconds), or resting until then when there is no line."""

    until: float
    line: socket.socket | None = None
    through: bool = False


def dial(address: Address, count: int) -> None:
    """`count` customers for ever, each with at most one connection."""
    lines = selectors.DefaultSelector()
    customers = [Customer(time.monotonic() + random.random()) for _ in range(count)]  # noqa: S311 - a load, no secret
    started, told = time.monotonic(), False

    def rest(customer: Customer) -> None:
        if customer.line is not None:
            lines.unregister(customer.line)
            customer.line.close()
        customer.line, customer.through = None, False
        customer.until = time.monotonic() + random.uniform(0.1, 0.4)  # noqa: S311 - a load, no secret

    def call(customer: Customer) -> None:
        customer.line = socket.socket()
        customer.line.setblocking(False)
        customer.line.connect_ex(address)
        customer.until = time.monotonic() + CONNECT
        lines.register(customer.line, selectors.EVENT_WRITE, customer)

    def hear(customer: Customer, line: socket.socket) -> None:
        if customer.through or line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            with contextlib.suppress(OSError):
                line.recv(4096)  # the answer; unread data would make our close a reset
            rest(customer)
            return
        customer.through = True
        customer.until = time.monotonic() + ANSWER
        with contextlib.suppress(OSError):
            line.send(b"GET / HTTP/1.0\r\n\r\n")
        lines.modify(line, selectors.EVENT_READ, customer)

    while True:
        for key, _ in lines.select(0.1):
            hear(key.data, key.data.line)
        now = time.monotonic()
        for customer in customers:
            if customer.until < now:
                call(customer) if customer.line is None else rest(customer)
        if not told and now > started + 1.0 and sum(customer.through for customer in customers) >= min(count, 128):
            ready()
            told = True


# --- leak: peers that go away from a server that does not notice -----------------------------------------------------


def close(address: Address) -> None:
    """Connect and close: the server's side is CLOSE_WAIT until it closes too."""
    socket.create_connection(address, timeout=PATIENCE).close()


def reset(address: Address) -> None:
    """Connect and reset: the server's side leaves every table, and its descriptor stays."""
    peer = socket.create_connection(address, timeout=PATIENCE)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def leak(address: Address, count: int, more: int) -> None:
    """`count` of each at once, then `more` of each every other second apart, then no more: a restart heals for good."""
    for number in range(count + more):
        for way in (close, reset):
            while True:
                try:
                    way(address)
                    break
                except OSError:
                    time.sleep(RETRY)
        if number == count - 1:
            ready()
        if number < count:
            time.sleep(0.002)  # the server accepts in its own time: keep its queue short
        else:
            time.sleep(2)
    while True:
        select.select([], [], [])


def main(kind: str, address: str, port: str, *numbers: str) -> None:
    """Be one kind of crowd for ever."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    kinds: dict[str, Callable[..., None]] = {"hold": hold, "dial": dial, "leak": leak}
    kinds[kind]((address, int(port)), *map(int, numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
