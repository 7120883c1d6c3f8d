"""How is a connection to a host made, and why was it not?"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

import asyncssh

from bot.adapters.ssh.credentials import Pair
from bot.adapters.ssh.trust import Trust, learn, place
from bot.core.host import Cause, Host, HostFailure
from bot.core.text import neutral

KEEPALIVE = 5
"""Seconds of silence after which the other side must show that it lives; twice unanswered, the connection is dead."""

_CONNECT_WITHIN = 10.0
_LOGIN_WITHIN = 20.0
_ADDRESSES = 3
_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "sk-ssh-ed25519@openssh.com",
)


class Witness(asyncssh.SSHClient):
    """Remembers the key that a host showed and that was not accepted, for the message."""

    def __init__(self) -> None:
        self.shown = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Never accept a key that known_hosts did not name."""
        del host, addr, port
        self.shown = f"{key.get_fingerprint('sha256')} ({key.get_algorithm()})"
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Never accept an authority that known_hosts did not name."""
        del host, addr, port
        self.shown = f"a certificate by {key.get_fingerprint('sha256')}"
        return False


async def log_in(
    host: Host, trust: Trust, pairs: list[Pair], tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection | HostFailure:
    """A new connection to `host`, through `tunnel` where it has a jump host."""
    witness = Witness()
    options = _options(host, trust, pairs, witness)
    try:
        addresses = [host.address] if tunnel is not None else await _resolve(host)
        for address in addresses[:-1]:
            try:
                return await asyncssh.connect(address, host.port, tunnel=tunnel, config=None, **options)
            except OSError:
                continue  # a name with several addresses is reached by any of them
        return await asyncssh.connect(addresses[-1], host.port, tunnel=tunnel, config=None, **options)
    except (OSError, ValueError, asyncssh.Error, TimeoutError) as error:
        return explain(error, host, trust, witness.shown)


async def _resolve(host: Host) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host.address, host.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))[:_ADDRESSES]


def _options(host: Host, trust: Trust, pairs: list[Pair], witness: Witness) -> dict[str, Any]:
    """Everything is said, so that nothing is taken from this user's ~/.ssh and no other way of login is tried."""
    return {
        "client_factory": lambda: witness,
        "known_hosts": (list(trust.keys), list(trust.authorities), list(trust.revoked)),
        "host_key_alias": trust.identity,
        "server_host_key_algs": _host_key_types(trust),
        "x509_trusted_certs": None,
        "x509_trusted_cert_paths": [],
        "username": host.user,
        "client_keys": pairs,
        "agent_path": None,
        "agent_forwarding": False,
        "preferred_auth": "publickey",
        "password_auth": False,
        "kbdint_auth": False,
        "host_based_auth": False,
        "gss_kex": False,
        "gss_auth": False,
        "gss_host": None,
        "compression_algs": None,
        "connect_timeout": _CONNECT_WITHIN,
        "login_timeout": _LOGIN_WITHIN,
        "keepalive_interval": KEEPALIVE,
        "keepalive_count_max": 2,
        "utf8_decode_errors": "backslashreplace",
        "encoding": None,
    }


def _host_key_types(trust: Trust) -> list[str]:
    """The known types first, so that a host with several keys shows a known one; then the rest, so that a host
    whose key changed its type is told apart from one that hung up.
    """
    known = {key.get_algorithm() for key in trust.keys}
    if "ssh-rsa" in known:
        known |= {"rsa-sha2-512", "rsa-sha2-256"}
    plain = sorted(_TYPES, key=lambda name: name not in known)
    certified = [f"{name.removesuffix('@openssh.com')}-cert-v01@openssh.com" for name in _TYPES]
    return [*certified, *plain] if trust.authorities else plain


def explain(error: BaseException, host: Host, trust: Trust, shown: str = "") -> HostFailure:
    """Why a login failed, in words for the one who runs the fleet."""
    for kind, tell in _EXPLAINED:
        if isinstance(error, kind):
            return tell(error, host, trust, shown)
    return _protocol(error, host, trust, shown)


_Tell = Callable[[BaseException, Host, Trust, str], HostFailure]


def _changed(error: BaseException, host: Host, trust: Trust, shown: str) -> HostFailure:
    if not shown:
        return HostFailure(
            cause=Cause.HOST_KEY_CHANGED,
            reason=f"the host key of {host.name} ({place(host)}) is refused: {neutral(str(error))}",
            remedy=f"check the certificate's dates and principals (one must be {trust.identity}), and {trust.source}",
        )
    return HostFailure(
        cause=Cause.HOST_KEY_CHANGED,
        reason=(
            f"THE HOST KEY OF {host.name} ({place(host)}) CHANGED: it shows {shown}, {trust.source} says "
            f"{trust.fingerprints}. Somebody may be in the middle, or the host was installed anew"
        ),
        remedy=(
            f"do not log in by other means either; ask who changed the host. Only when it is explained: "
            f"ssh-keygen -R '{place(host)}' -f {trust.source} ; then {learn(host)}"
        ),
    )


def _denied(_: BaseException, host: Host, __: Trust, ___: str) -> HostFailure:
    offered = f"key {host.key}" if host.key else "the agent's keys" if host.agent else "the default keys"
    return HostFailure(
        cause=Cause.AUTH,
        reason=f"{host.name} refuses user {host.user} with {offered}",
        remedy=f"check user and key in the inventory, and ~{host.user}/.ssh/authorized_keys on the host",
    )


def _unresolved(error: BaseException, host: Host, _: Trust, __: str) -> HostFailure:
    why = error.strerror if isinstance(error, OSError) else str(error)
    return HostFailure(
        cause=Cause.UNREACHABLE,
        reason=f"{host.name}: the name {neutral(host.address)} has no address ({why})",
        remedy="correct its address in the inventory, or the name service of this machine",
    )


def _late(_: BaseException, host: Host, __: Trust, ___: str) -> HostFailure:
    return HostFailure(
        cause=Cause.TIMEOUT,
        reason=f"{host.name} ({place(host)}) does not answer: no connection in time",
        remedy="check that the host is up and that no firewall drops the port",
    )


_UNREACHABLE = {
    errno.ECONNREFUSED: ("refuses the connection", "is sshd running there, and is this its port?"),
    errno.EHOSTUNREACH: ("cannot be reached: no route to host", "check routes, VPN and firewalls from this machine"),
    errno.ENETUNREACH: ("cannot be reached: no route to its network", "check routes and VPN of this machine"),
    errno.ETIMEDOUT: ("does not answer", "check that the host is up and that no firewall drops the port"),
    errno.EMFILE: ("was not tried: too many open files here", "raise netdiag's descriptor limit (ulimit -n)"),
}


def _unreachable(error: BaseException, host: Host, _: Trust, __: str) -> HostFailure:
    code = error.errno if isinstance(error, OSError) else None
    why, remedy = _UNREACHABLE.get(code or 0, (f"cannot be reached: {neutral(str(error))}", "check address and port"))
    return HostFailure(cause=Cause.UNREACHABLE, reason=f"{host.name} ({place(host)}) {why}", remedy=remedy)


def _lost(error: BaseException, host: Host, trust: Trust, shown: str) -> HostFailure:
    if "timeout" in str(error).lower():
        return _late(error, host, trust, shown)
    return HostFailure(
        cause=Cause.UNREACHABLE,
        reason=f"{host.name} ({place(host)}) closed the connection during login: {neutral(str(error))}",
        remedy="look at sshd's log there: MaxStartups, PerSourcePenalties, AllowUsers, or a full disk",
    )


def _no_channel(error: BaseException, host: Host, _: Trust, __: str) -> HostFailure:
    return HostFailure(
        cause=Cause.UNREACHABLE,
        reason=f"jump host {host.jump} cannot reach {host.name} ({place(host)}): {neutral(str(error))}",
        remedy="check the address as the jump host sees it, and AllowTcpForwarding there",
    )


def _protocol(error: BaseException, host: Host, _: Trust, __: str) -> HostFailure:
    why = neutral(str(error) or type(error).__name__)
    return HostFailure(
        cause=Cause.PROTOCOL,
        reason=f"{host.name} ({place(host)}) does not speak SSH as expected: {why}",
        remedy=f"is this an SSH server of our time? Try: ssh -v -p {host.port} {host.address}",
    )


# The first that fits: the special before the general.
_EXPLAINED: tuple[tuple[type[BaseException], _Tell], ...] = (
    (asyncssh.HostKeyNotVerifiable, _changed),
    (asyncssh.PermissionDenied, _denied),
    (asyncssh.ChannelOpenError, _no_channel),
    (asyncssh.ConnectionLost, _lost),
    (asyncssh.DisconnectError, _protocol),
    (socket.gaierror, _unresolved),
    (ConnectionResetError, _lost),
    (TimeoutError, _late),
    (OSError, _unreachable),
)
