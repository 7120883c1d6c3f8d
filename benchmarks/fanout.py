"""What does it cost to ask a fleet one question over SSH: netdiag, parallel-ssh, ssh with ControlMaster?

One sshd serves N addresses of 127/8 in a network namespace of its own (nothing listens on this machine). Each peer
is a process that keeps its connections; rounds go through the peers in turn, so that all see the same load, and
ratios are taken within a round. Run as root: `python benchmarks/fanout.py [--hosts 1,64,256] [--rounds 7]`.
"""

import argparse
import asyncio
import getpass
import json
import logging
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

SSHD = "/usr/sbin/sshd"
PORT = 2222
PROGRAM = "cat /proc/net/sockstat /proc/net/netstat /proc/net/snmp; ss -lntH; sysctl -n net.core.somaxconn"
EVIDENCE = b"sockets: used"
AT_ONCE = 32
DEADLINE = 120.0
CONFIG = """\
Port {port}
ListenAddress 0.0.0.0
HostKey {directory}/host
AuthorizedKeysFile {directory}/id.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
StrictModes no
PidFile none
LogLevel ERROR
MaxStartups 1000
"""


def address(number: int) -> str:
    return f"127.1.{number // 250}.{number % 250 + 1}"


# --- the peers: each is `start(directory, addresses) -> ask`, and ask() returns how many hosts answered ---------------

Ask = Callable[[], int]


def netdiag(directory: Path, addresses: list[str]) -> tuple[Ask, Callable[[], None]]:
    from bot.adapters.ssh import HostShell
    from bot.core.host import Host, Inventory
    from bot.engine.ports import Output

    common = {"port": PORT, "user": getpass.getuser(), "sudo": False, "key": str(directory / "id")}
    known = str(directory / "known_hosts")
    hosts = {name: Host(name=name, address=name, known_hosts=known, **common) for name in addresses}
    shell = HostShell(Inventory(hosts=hosts))
    runner = asyncio.Runner()

    async def visit() -> int:
        results = await asyncio.gather(
            *(shell.run(host, PROGRAM, deadline=DEADLINE, max_bytes=1_000_000) for host in hosts.values())
        )
        return sum(isinstance(done, Output) and done.status == 0 and EVIDENCE in done.stdout for done in results)

    return (lambda: runner.run(visit())), (lambda: runner.run(shell.close()))


def parallel_ssh(directory: Path, addresses: list[str]) -> tuple[Ask, Callable[[], None]]:
    from pssh.clients import ParallelSSHClient

    logging.getLogger("pssh").setLevel(logging.CRITICAL)
    key, size = str(directory / "id"), max(AT_ONCE, len(addresses))
    client = ParallelSSHClient(
        addresses, user=getpass.getuser(), port=PORT, pkey=key, pool_size=size, allow_agent=False, identity_auth=False
    )

    def visit() -> int:
        answers = client.run_command(PROGRAM, read_timeout=DEADLINE, stop_on_errors=False)
        client.join(answers)
        return sum(
            answer.exception is None and answer.exit_code == 0 and EVIDENCE.decode() in "\n".join(answer.stdout)
            for answer in answers
        )

    return visit, lambda: None


def _ssh(directory: Path, addresses: list[str], *, master: bool) -> tuple[Ask, Callable[[], None]]:
    argv = ["ssh", "-F", "none", "-p", str(PORT), "-i", str(directory / "id"), "-o", "BatchMode=yes"]
    argv += ["-o", f"UserKnownHostsFile={directory}/known_hosts", "-o", "GlobalKnownHostsFile=/dev/null"]
    if master:
        argv += ["-o", f"ControlPath={directory}/c-%h", "-o", "ControlMaster=auto", "-o", "ControlPersist=300"]

    def visit() -> int:
        out = directory / "ssh.out"
        with out.open("wb") as sink:
            xargs = ["xargs", "-P", str(AT_ONCE), "-I", "{}", *argv, "{}", PROGRAM]
            subprocess.run(
                xargs, input="\n".join(addresses).encode(), stdout=sink, stderr=subprocess.DEVNULL, check=False
            )
        return out.read_bytes().count(EVIDENCE)

    def close() -> None:
        for name in addresses if master else ():
            subprocess.run([*argv, "-O", "exit", name], stderr=subprocess.DEVNULL, check=False)

    return visit, close


def ssh_control_master(directory: Path, addresses: list[str]) -> tuple[Ask, Callable[[], None]]:
    return _ssh(directory, addresses, master=True)


def ssh(directory: Path, addresses: list[str]) -> tuple[Ask, Callable[[], None]]:
    return _ssh(directory, addresses, master=False)


PEERS: Mapping[str, Callable[[Path, list[str]], tuple[Ask, Callable[[], None]]]] = {
    "netdiag": netdiag,
    "parallel-ssh": parallel_ssh,
    "ssh-control-master": ssh_control_master,
    "ssh": ssh,
}


def _cpu(directory: Path) -> float:
    """CPU seconds of this process and its ended children, and of ssh masters that live on in the background."""
    used = sum(getattr(resource.getrusage(who), field) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
               for field in ("ru_utime", "ru_stime"))  # fmt: skip
    needle = f"{directory}/c-".encode()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if needle in (stat.parent / "cmdline").read_bytes() and stat.parent.name != str(os.getpid()):
                words = stat.read_text().rpartition(")")[2].split()
                used += (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            continue
    return used


def worker(peer: str, directory: Path, count: int) -> None:
    """Serve rounds: a line `warm` or `cold` on stdin, a JSON line with wall, cpu and good on stdout."""
    addresses = [address(number) for number in range(count)]
    ask, close = PEERS[peer](directory, addresses)
    for line in sys.stdin:
        cpu, began = _cpu(directory), time.perf_counter()
        if line.strip() == "cold":
            once, end = PEERS[peer](directory, addresses)
            good = once()
            wall = time.perf_counter() - began
            used = _cpu(directory) - cpu
            end()
        else:
            good = ask()
            wall, used = time.perf_counter() - began, _cpu(directory) - cpu
        print(json.dumps({"wall": wall, "cpu": used, "good": good}), flush=True)
    close()


# --- the run ----------------------------------------------------------------------------------------------------------


def rounds(directory: Path, peers: list[str], mode: str, count: int, number: int) -> dict[str, list[dict[str, float]]]:
    """`number` interleaved rounds of every peer over `count` hosts; the first, which connects, is not counted."""
    workers = {}
    for peer in peers:
        place = directory / peer
        place.mkdir(exist_ok=True)
        for name in ("id", "known_hosts"):
            shutil.copy(directory / name, place / name)
        argv = [sys.executable, __file__, "--worker", peer, str(place), str(count)]
        workers[peer] = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    found: dict[str, list[dict[str, float]]] = {peer: [] for peer in peers}
    try:
        for turn in range(number + 1):
            order = peers[turn % len(peers) :] + peers[: turn % len(peers)]
            for peer in order:
                process = workers[peer]
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(f"{mode}\n")
                process.stdin.flush()
                result = json.loads(process.stdout.readline())
                if turn:
                    found[peer].append(result)
    finally:
        for process in workers.values():
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)
    return found


def table(found: dict[str, list[dict[str, float]]], mode: str, count: int) -> list[str]:
    """Medians, and each peer's ratio to netdiag within the same round: median (least to most)."""
    lines = []
    for peer, results in found.items():
        cells = [mode, str(count), peer, f"{min(result['good'] for result in results):.0f}"]
        for key, unit in (("wall", 1000), ("cpu", 1000 / count)):
            ratios = [other[key] / max(ours[key], 1e-6) for other, ours in zip(results, found["netdiag"], strict=True)]
            cells.append(f"{statistics.median(result[key] for result in results) * unit:.2f}")
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def serve(directory: Path, most: int) -> subprocess.Popen[bytes]:
    for name in ("host", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    key = " ".join((directory / "host.pub").read_text().split()[:2])
    names = (f"[{address(number)}]:{PORT}" for number in range(most))
    (directory / "known_hosts").write_text("".join(f"{name} {key}\n" for name in names))
    (directory / "sshd_config").write_text(CONFIG.format(port=PORT, directory=directory))
    Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", directory / "sshd_config"], stderr=(directory / "log").open("wb")
    )
    time.sleep(0.5)
    if server.poll() is not None:
        raise SystemExit(f"sshd did not start: {(directory / 'log').read_text()}")
    return server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="1,64,256", help="fleet sizes")
    parser.add_argument("--cold", default="1,64", help="fleet sizes for rounds that log in anew")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        peer, directory, count = chosen.worker
        worker(peer, Path(directory), int(count))
        return
    if os.geteuid() != 0:
        raise SystemExit(
            "run it as root: it makes a network namespace, so that its sshd is reachable from nowhere else"
        )
    if not chosen.inside:
        again = [
            "unshare",
            "--net",
            "sh",
            "-c",
            'ip link set lo up && exec "$@"',
            "sh",
            sys.executable,
            *sys.argv,
            "--inside",
        ]
        raise SystemExit(subprocess.run(again, check=False).returncode)
    warm = [int(size) for size in chosen.hosts.split(",") if size]
    cold = [int(size) for size in chosen.cold.split(",") if size]
    print("| mode | hosts | peer | answered | wall ms | wall / netdiag | client CPU ms/host | CPU / netdiag |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="fanout-", dir="/tmp") as place:
        server = serve(Path(place), max(warm + cold))
        try:
            for mode, peers, sizes in (
                ("warm", ["netdiag", "parallel-ssh", "ssh-control-master"], warm),
                ("cold", ["netdiag", "parallel-ssh", "ssh"], cold),
            ):
                for count in sizes:
                    found = rounds(Path(place), peers, mode, count, chosen.rounds)
                    print("\n".join(table(found, mode, count)), flush=True)
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
