"""What does a whole visit cost the host, against the shell loop of the founding incident?

Builds processes, descriptors and network namespaces of its own in a new pid, mount and network namespace (as root),
runs both there in turns, and prints both CPU figures and their ratio. Nothing stays behind: the pid namespace ends
with its first process.

    python benchmarks/host_cpu.py --processes 300 --descriptors 20000 --namespaces 20
"""

import argparse
import ctypes
import os
import resource
import secrets
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

LOOP = "for i in $(ps aux |awk '{print $2}');do echo $i;ls -l /proc/$i/fd |awk '/socket/' |wc -l;done"
CLONE_NEWNET = 0x40000000


def main() -> int:
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--processes", type=int, default=300)
    ask.add_argument("--descriptors", type=int, default=20_000)
    ask.add_argument("--namespaces", type=int, default=20)
    ask.add_argument("--leaks", type=int, default=0, help="processes that hold half of all descriptors between them")
    ask.add_argument("--rounds", type=int, default=5)
    ask.add_argument("--shell", default="sh", help="the shell that reads the program: sh, bash, 'busybox sh'")
    ask.add_argument("--each", action="store_true", help="what each probe costs alone, too")
    ask.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = ask.parse_args()
    if given.inside:
        return inside(given)
    if os.geteuid() != 0:
        print("needs root: it makes namespaces", file=sys.stderr)
        return 2
    away = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
    return subprocess.run([*away, sys.executable, __file__, *sys.argv[1:], "--inside"], timeout=900).returncode


def inside(given: argparse.Namespace) -> int:
    build(given.processes, given.descriptors, given.namespaces, given.leaks)
    from bot.core.visit import compose, read, required
    from bot.probes import catalog

    known = catalog()
    probes = required(known, known)
    nonce = secrets.token_hex(16)
    visit = compose(probes, nonce=nonce, window=0.3)
    answer: list[bytes] = []
    loops, visits = [], []
    for _ in range(given.rounds):
        loops.append(cpu(lambda: run(["sh", "-c", LOOP])))
        visits.append(cpu(lambda: answer.append(run(given.shell.split(), visit))))
    outcomes = read(answer[-1], probes, nonce=nonce, root=True)
    held = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in os.listdir("/proc") if pid.isdecimal())
    processes = sum(pid.isdecimal() for pid in os.listdir("/proc"))
    print(f"{processes} processes, {held} descriptors, {given.namespaces} namespaces beside the host's; ", end="")
    print(f"medians of {given.rounds}, spread in brackets; program {len(visit)} bytes, answer {len(answer[-1])} bytes")
    for name, figures in (("the loop", loops), (f"the visit ({given.shell})", visits)):
        print(f"{name:24} {statistics.median(figures):8.1f} ms CPU  [{min(figures):.1f} .. {max(figures):.1f}]")
    ratio = statistics.median(loops) / statistics.median(visits)
    pairs = [loop / visit_ for loop, visit_ in zip(loops, visits, strict=True)]
    print(f"the visit costs 1/{ratio:.1f} of the loop  [1/{min(pairs):.1f} .. 1/{max(pairs):.1f}]")
    for name, outcome in outcomes.items():
        if not isinstance(outcome, tuple):
            print(f"UNKNOWN {name}: {outcome.reason}")
    if given.each:
        print(f"{'collector alone':24} {alone(given, ()):8.1f} ms CPU")
        for name, probe in known.items():
            print(f"{name:24} {alone(given, (probe,)):8.1f} ms CPU, with the collector")
    return 0


def alone(given: argparse.Namespace, probes: tuple) -> float:
    from bot.core.visit import compose

    program = compose(probes, nonce=secrets.token_hex(16), window=0.3)
    return statistics.median(cpu(lambda: run(given.shell.split(), program)) for _ in range(given.rounds))


def cpu(work: Callable[[], object]) -> float:
    """User and system milliseconds of every process that `work` started and waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e3


def run(argv: list[str], program: str = "") -> bytes:
    return subprocess.run(argv, input=program.encode(), capture_output=True, timeout=300).stdout


def build(processes: int, descriptors: int, namespaces: int, leaks: int) -> None:
    """One listener per namespace, and processes around it: half of their descriptors are sockets."""
    Path("/proc/self/oom_score_adj").write_text("1000")
    share = descriptors // 2 if leaks else 0
    plain = (descriptors - share) // max(1, processes - leaks)
    per = [processes // namespaces + (k < processes % namespaces) for k in range(namespaces)]
    ready, tell = os.pipe()
    for k, count in enumerate(per):
        if os.fork() == 0:
            os.close(ready)
            signal.alarm(800)
            os.setsid()  # as every container runtime and service manager does
            ctypes.CDLL(None).unshare(CLONE_NEWNET)
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            server = socket.create_server(("127.0.0.1", 80), backlog=100)
            for n in range(count - 1):
                if os.fork() == 0:
                    signal.alarm(800)
                    leak = k * 1_000_000 + n < leaks or (n == 0 and 0 < k < leaks)
                    keep = hold(share // leaks if leak else plain, server, leak)
                    server.close()
                    wait(tell, keep)
            wait(tell, [server])
    os.close(tell)
    while os.read(ready, 65_536):
        pass


def hold(count: int, server: socket.socket, leak: bool) -> list[object]:
    """`count` descriptors: sockets and files in equal parts; a leak holds connections that its peers have left."""
    kept: list[object] = []
    if leak:
        for n in range(count):
            client = socket.create_connection(server.getsockname())
            kept.append(server.accept()[0])
            if n % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        return kept
    for _ in range(count // 4):
        kept += socket.socketpair()
        kept += [os.open("/dev/null", os.O_RDONLY) for _ in range(2)]
    return kept


def wait(tell: int, _keep: list[object]) -> None:
    os.close(tell)
    while True:
        time.sleep(600)


if __name__ == "__main__":
    sys.exit(main())
