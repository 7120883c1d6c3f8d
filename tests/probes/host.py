"""A small host with real faults, for the live tests: run in namespaces of its own, it prints what it made as JSON.

python host.py PROGRAM SHELL…   reads PROGRAM with SHELL inside, between two looks at the kernel's own numbers
"""

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

CLONE_NEWNET = 0x40000000
CLOSE_WAIT, RESET, WAITING, ESTRANGED = (
    70,
    50,
    6,
    80,
)  # more than a hundred sockets in one process: fewer are not looked into
QUEUED, BUSY = 13, 20


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    queue, dialling = overflowing()
    ready, tell = os.pipe()
    if os.fork() == 0:
        for end in (queue, *dialling):
            end.close()
        leaking(tell)
    inside = json.loads(os.read(ready, 1000))
    if os.fork() == 0:
        for end in (queue, *dialling):
            end.close()
        estranged(tell, inside["pid"])
    estranged_pid = int(os.read(ready, 1000))
    if os.fork() == 0:
        for end in (queue, *dialling):
            end.close()
        calm(tell, 2)
    calm_netns = int(os.read(ready, 1000))
    if os.fork() == 0:
        for end in (queue, *dialling):
            end.close()
        calm(tell, BUSY)
    busy_netns = int(os.read(ready, 1000))
    before = sysctls()
    program = Path(sys.argv[1]).read_bytes()
    # somebody keeps dialling while the visit looks
    pid = os.fork()
    if pid == 0:
        while True:
            dialling.append(dial(queue.getsockname()))
            time.sleep(0.1)
    done = subprocess.run(sys.argv[2:], input=program, capture_output=True, timeout=100, check=False)
    os.kill(pid, 9)
    made = {
        "queue": {"inode": os.fstat(queue.fileno()).st_ino, "port": queue.getsockname()[1], "pid": os.getpid()},
        "netns": os.stat("/proc/self/ns/net").st_ino,
        "inside": inside,
        "estranged": estranged_pid,
        "calm": calm_netns,
        "busy": busy_netns,
        "stdout": done.stdout.decode("latin-1"),
        "stderr": done.stderr.decode("latin-1"),
        "overflows": overflows("self"),
        "sockstat": Path("/proc/net/sockstat").read_text(),
        "inside_sockstat": Path(f"/proc/{inside['pid']}/net/sockstat").read_text(),
        "sysctls_before": before,
        "sysctls_after": sysctls(),
    }
    print(json.dumps(made))


def overflowing() -> tuple[socket.socket, list[socket.socket]]:
    """A listener that never accepts, and more clients than its queue holds."""
    server = socket.create_server(("127.0.0.1", 0), backlog=3)
    clients = [dial(server.getsockname()) for _ in range(WAITING)]
    time.sleep(0.2)
    return server, clients


def dial(address: tuple[str, int]) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(address)
    return client


def leaking(tell: int) -> None:
    """In a namespace of its own: connections whose peers have closed, and some whose peers have reset them."""
    ctypes.CDLL(None).unshare(CLONE_NEWNET)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["sysctl", "-qw", "net.core.somaxconn=77"], check=True)
    server = socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=500)
    kept = []
    for n in range(CLOSE_WAIT + RESET):
        client = socket.create_connection(server.getsockname()[:2])
        kept.append(server.accept()[0])
        if n >= CLOSE_WAIT:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    slow = socket.create_server(("127.0.0.1", 0), backlog=500)
    waiting = [socket.create_connection(slow.getsockname()) for _ in range(QUEUED)]
    while f" tw {CLOSE_WAIT} " not in Path("/proc/self/net/sockstat").read_text():
        time.sleep(0.01)  # the last client's half is still on its way there
    names = {"pid": os.getpid(), "netns": os.stat("/proc/self/ns/net").st_ino, "port": server.getsockname()[1]}
    os.write(tell, json.dumps(names).encode())
    time.sleep(120)
    del waiting


def estranged(tell: int, other: int) -> None:
    """A process whose sockets are of another namespace than its own, as after a move: in no list of its own."""
    libc = ctypes.CDLL(None)
    with open("/proc/self/ns/net") as home, open(f"/proc/{other}/ns/net") as abroad:
        assert libc.setns(abroad.fileno(), CLONE_NEWNET) == 0
        server = socket.create_server(("127.0.0.1", 0), backlog=500)
        kept = [(dial(server.getsockname()), server.accept()[0]) for _ in range(ESTRANGED)]
        server.close()
        assert libc.setns(home.fileno(), CLONE_NEWNET) == 0
    os.write(tell, str(os.getpid()).encode())
    time.sleep(120)
    del kept


def calm(tell: int, clients: int) -> None:
    """In a namespace of its own: a listener that accepts whoever calls, and that never dropped anything."""
    ctypes.CDLL(None).unshare(CLONE_NEWNET)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    server = socket.create_server(("127.0.0.1", 0))
    kept = [(dial(server.getsockname()), server.accept()[0]) for _ in range(clients)]
    os.write(tell, str(os.stat("/proc/self/ns/net").st_ino).encode())
    time.sleep(120)
    del kept


def overflows(pid: str) -> int:
    header, values = [
        line.split() for line in Path(f"/proc/{pid}/net/netstat").read_text().splitlines() if line.startswith("TcpExt")
    ]
    return int(values[header.index("ListenOverflows")])


def sysctls() -> dict[str, str]:
    """Everything under /proc/sys/net that can be read, and what is mounted."""
    found = {"mounts": Path("/proc/mounts").read_text()}
    for file in Path("/proc/sys/net").rglob("*"):
        if file.is_file() and "nf_conntrack_count" not in file.name:
            try:
                found[str(file)] = file.read_text()
            except OSError:
                continue
    return found


if __name__ == "__main__":
    main()
