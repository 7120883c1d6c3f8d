"""What is on a host's disk?

The disk is the upper layer of an overlay of the machine's `/`: only what differs is written. It belongs to the fleet
and outlives a reboot of the host, as a disk does.
"""

import functools
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bot.demo import network
from bot.demo.machine import CLEAN, MODULES, run, tool
from bot.demo.plan import Node, Plan, Service

HERE: Final = Path(__file__).parent
LIBRARY: Final = "etc/netdiag-demo"
LOGIN: Final = "netdiag"
# What the machine keeps there is none of a host's business: a host sees them empty.
PRIVATE: Final = (
    *("etc/ssh", "etc/init.d", "root", "home", "tmp", "var/tmp", "var/log", "var/lib", "var/spool", "mnt", "media"),
)
SSHD: Final = """\
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys/%u
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
MaxStartups 100
MaxSessions 20
LogLevel ERROR
PrintMotd no
"""
SUDOERS: Final = """\
Defaults env_reset
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""
# A password would never do: sudo either needs none or refuses.
SUDO_PAM: Final = "auth required pam_deny.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
SUDO_RIGHT: Final = f"{LOGIN} ALL=(ALL:ALL) NOPASSWD: ALL\n"


def interpreter() -> str:
    """The real Python, without its virtual environment: hosts run it with -I -S."""
    return os.path.realpath(sys.executable)


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file with exactly that mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def furnish(disk: Path, node: Node, fleet: Plan, keys: Mapping[str, str]) -> None:
    """Make the disk of a host. `keys` are texts: `host` (private), `host.pub`, and `client.pub`."""
    upper = disk / "upper"
    for part in ("upper", "work", "root"):
        (disk / part).mkdir(parents=True)
    for name in PRIVATE:
        (upper / name).mkdir(parents=True)
        os.setxattr(upper / name, "trusted.overlay.opaque", b"y")
    for name in ("tmp", "var/tmp"):
        (upper / name).chmod(0o1777)
    (upper / "root").chmod(0o700)
    etc = upper / "etc"
    put(etc / "hostname", f"{node.name}\n")
    put(etc / "machine-id", f"{secrets.token_hex(16)}\n", 0o444)
    names = "".join(f"{other.address}\t{other.name}\n" for other in fleet.nodes)
    put(etc / "hosts", f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{names}")
    put(etc / "resolv.conf", "# every name of the fleet is in /etc/hosts\n")
    add_login(upper)
    put(etc / "sudoers", SUDOERS, 0o440)
    put(etc / "sudoers.d" / LOGIN, SUDO_RIGHT, 0o440)
    put(etc / "pam.d/sudo", SUDO_PAM)
    put(etc / "ssh/sshd_config", SSHD + _penalties())
    put(etc / "ssh/ssh_host_ed25519_key", keys["host"], 0o600)
    put(etc / "ssh/ssh_host_ed25519_key.pub", keys["host.pub"])
    for login in (LOGIN, "root"):
        put(etc / f"ssh/authorized_keys/{login}", keys["client.pub"])
    for path in [*(HERE / "host").glob("*.sh"), *(HERE / "programs").glob("*.py")]:
        put(upper / LIBRARY / path.name, path.read_text())
    role = node.role
    put(upper / LIBRARY / "network", network.of_host(fleet, node))
    sysctls = ("net.core.somaxconn=4096", f"net.ipv4.ip_forward={1 if role.routes else 0}", *role.sysctls)
    put(upper / LIBRARY / "sysctl", "".join(f"{line}\n" for line in sysctls))
    put(upper / LIBRARY / "start", fleet.fill(role.start))
    words = {
        "PATH": CLEAN["PATH"],
        "SERVICES": " ".join(service.name for service in role.services),
        "MODULES": " ".join(role.modules),
        "SSHD": tool("sshd"),
        "PYTHON": interpreter(),
    }
    put(upper / LIBRARY / "env", "".join(f"{name}='{word}'\n" for name, word in words.items()))
    for service in role.services:
        put(etc / "init.d" / service.name, (HERE / "host/service.sh").read_text(), 0o755)
        put(etc / "default" / service.name, fleet.fill(_settings(service)))
    for place, text in role.files.items():
        put(upper / place, fleet.fill(text))
    if node.guest:
        (upper / "usr/lib/modules").mkdir(parents=True)
        for kernel in MODULES.iterdir():
            (upper / "usr/lib/modules" / kernel.name).symlink_to(kernel)


def add_login(upper: Path) -> None:
    """Add the user that the bot logs in as to the host's own user lists, which start as the machine's."""
    etc = upper / "etc"
    users, groups = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    taken = {int(line.split(":")[2]) for text in (users, groups) for line in text.splitlines() if line.count(":") > 1}
    number = next(number for number in range(900, 60000) if number not in taken)
    put(etc / "passwd", f"{users}{LOGIN}:x:{number}:{number}:netdiag:/home/{LOGIN}:/bin/sh\n")
    put(etc / "group", f"{groups}{LOGIN}:x:{number}:\n")
    put(etc / "shadow", f"root:*:20000::::::\n{LOGIN}:*:20000:0:99999:7:::\n", 0o640)
    home = upper / "home" / LOGIN
    home.mkdir(mode=0o755)
    os.chown(home, number, number)


def _settings(service: Service) -> str:
    first, *rest = service.words
    ours = (interpreter(), "-I", "-S", f"/{LIBRARY}/{first}") if first.endswith(".py") else (first,)
    command = " ".join((*ours, *rest))
    return "".join(f"{key}='{value}'\n" for key, value in {"COMMAND": command, **service.settings}.items())


@functools.cache  # one sshd for all hosts
def _penalties() -> str:
    """OpenSSH 9.8 and later shut out an address after failed logins; older ones do not know the word."""
    line = "PerSourcePenalties no\n"
    known = subprocess.run(
        [tool("sshd"), "-T", "-f", "/dev/null", "-o", line.strip().replace(" ", "=")],
        capture_output=True, check=False, env=CLEAN,
    )  # fmt: skip
    return "" if b"Bad configuration option" in known.stderr or b"unsupported" in known.stderr.lower() else line


def keys_of(room: Path, name: str) -> dict[str, str]:
    """A new ed25519 key pair: `NAME` and `NAME.pub`, as texts."""
    path = room / f"key-{name}"
    run([tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", f"{name} (netdiag demo)", "-f", str(path)])
    pair = {name: path.read_text(), f"{name}.pub": path.with_suffix(".pub").read_text()}
    path.unlink()
    path.with_suffix(".pub").unlink()
    return pair
