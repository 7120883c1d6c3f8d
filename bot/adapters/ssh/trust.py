"""Which keys may a host prove itself with? Known before anything is sent to it; never asked, never learned.

known_hosts files are parsed once per version of the file and matched once per host: parsing one of a thousand lines
costs more than a login.
"""

import os
from dataclasses import dataclass
from ipaddress import ip_address

import asyncssh
from asyncssh.known_hosts import SSHKnownHosts

from bot.core.host import Cause, Host, HostFailure

SSH_PORT = 22
_INLINE = ("ssh-", "ecdsa-sha2-", "sk-")

Keys = tuple[asyncssh.SSHKey, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """The host keys, the authorities that may certify one, and the keys that are revoked.

    `identity` is the name that a host certificate must be for; `source` says where the keys stand, for messages.
    """

    keys: Keys
    authorities: Keys
    revoked: Keys
    identity: str
    source: str

    @property
    def fingerprints(self) -> str:
        """The known keys, for a person to compare."""
        known = [f"{key.get_fingerprint('sha256')} ({key.get_algorithm()})" for key in self.keys]
        known += [f"a certificate by {key.get_fingerprint('sha256')}" for key in self.authorities]
        return " or ".join(known)


class KnownHosts:
    """Every known_hosts file in use, parsed when it changed (by its time and size)."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[tuple[int, int], SSHKnownHosts]] = {}
        self._found: dict[tuple[str, tuple[int, int], str, str, int], Trust] = {}

    def of(self, host: Host) -> Trust | HostFailure:
        """Whom to take for `host`, or why nobody: HOST_KEY_UNKNOWN, with what to do about it."""
        source = host.known_hosts
        if source is None:
            return _unknown(host, "no known_hosts is configured for it")
        if source.startswith(_INLINE):
            return _inline(host, source)
        try:
            version = _version(source)
            key = (source, version, host.name, host.address, host.port)
            if key not in self._found:
                self._found[key] = _match(self._parsed(source, version), host, source)
            trust = self._found[key]
        except (OSError, ValueError) as error:
            return _unknown(host, f"{source} cannot be read: {getattr(error, 'strerror', None) or error}")
        return trust if trust.keys or trust.authorities else _unknown(host, f"{source} has no key for it")

    def _parsed(self, source: str, version: tuple[int, int]) -> SSHKnownHosts:
        known = self._files.get(source)
        if known is None or known[0] != version:
            with open(source, encoding="utf-8", errors="replace") as file:
                known = version, asyncssh.import_known_hosts(file.read())
            self._files[source] = known
            self._found = {key: trust for key, trust in self._found.items() if key[0] != source}
        return known[1]


def _version(source: str) -> tuple[int, int]:
    status = os.stat(source)
    return status.st_mtime_ns, status.st_size


def _match(known: SSHKnownHosts, host: Host, source: str) -> Trust:
    """As OpenSSH looks: by the address as it is written, with the port, then without; then by the inventory's name.

    What a name resolves to is not looked up: DNS must not choose whose key is accepted.
    """
    port = host.port if host.port != SSH_PORT else None
    by_address = known.match(host.address, "", port)
    by_name = known.match(host.name, "", port)
    bare = [known.match(host.address, "", None), known.match(host.name, "", None)]
    keys = by_address[0] or by_name[0]
    authorities = by_address[1] or by_name[1]
    revoked = {key for found in (by_address, by_name, *bare) for key in found[2]}
    identity = host.name if by_name[1] and _is_ip(host.address) else host.address
    return Trust(tuple(keys), tuple(authorities), tuple(revoked), identity, source)


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _inline(host: Host, line: str) -> Trust | HostFailure:
    try:
        return Trust((asyncssh.import_public_key(line),), (), (), host.address, "the inventory")
    except asyncssh.KeyImportError as error:
        return _unknown(host, f"the key in the inventory cannot be read: {error}")


def _unknown(host: Host, why: str) -> HostFailure:
    return HostFailure(
        cause=Cause.HOST_KEY_UNKNOWN,
        reason=f"the host key of {host.name} ({place(host)}) is not known: {why}",
        remedy=learn(host),
    )


def place(host: Host) -> str:
    """Address and port as they are written in known_hosts."""
    return host.address if host.port == SSH_PORT else f"[{host.address}]:{host.port}"


def learn(host: Host) -> str:
    """How a person makes a host key known, having verified it."""
    file = host.known_hosts if host.known_hosts and not host.known_hosts.startswith(_INLINE) else "known_hosts"
    scan = f"ssh-keyscan -t ed25519 -p {host.port} {host.address}"
    return (
        "on the host's own console run: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub ; "
        f"here run: {scan} | ssh-keygen -lf - ; only if both say the same: {scan} >> {file}"
    )
