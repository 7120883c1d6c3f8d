"""Where is the key that signs the log, and who may read it?

The key is outside the database: whoever can rewrite the database alone cannot sign what they wrote. It is made once,
readable by its owner only. A process that may not read it (an approver at the terminal, say) still appends entries;
the owner's next entry signs them too.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from bot.adapters.store.place import create
from bot.core.audit import Head
from bot.core.errors import ConfigError

KEY, PUBLIC = "audit.key", "audit.pub"


@dataclass(frozen=True, slots=True)
class Keys:
    """The log's key pair: `private` is None for a process that may not read the key file."""

    public: bytes
    """Raw, 32 bytes."""
    private: Ed25519PrivateKey | None

    def sign(self, head: Head) -> Head | None:
        """The head with its signature, or None where this process may not sign."""
        if self.private is None:
            return None
        return Head(head.epoch, head.seq, head.hash, self.private.sign(head.message()).hex())


def load_keys(state: Path) -> Keys:
    """Read the key pair of a state directory, and make it when there is none.

    Raises ConfigError when the files are there but are no Ed25519 keys.
    """
    private, public = state / KEY, state / PUBLIC
    if not public.exists():
        _make(private, public)
    try:
        return Keys(read_public(public), _read_private(private))
    except PermissionError:
        return Keys(read_public(public), None)


def read_public(path: Path) -> bytes:
    """The raw 32 bytes of a PEM public key. Raises ConfigError when it cannot be read."""
    try:
        key = load_pem_public_key(path.read_bytes())
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    except (OSError, ValueError) as fault:
        raise ConfigError(
            f"{path}: not readable as the log's public key ({fault}); restore it from a backup"
        ) from fault


def public_of(path: Path) -> bytes:
    """The raw 32 bytes of the public half of a private key. Raises ConfigError when it cannot be read."""
    try:
        return _read_private(path).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    except PermissionError as fault:
        raise ConfigError(f"{path}: cannot be read ({fault.strerror}); run this as its owner") from fault


def _read_private(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError as fault:
        raise ConfigError(f"{path}: the key that signs the log is gone; restore it from a backup") from fault
    except (ValueError, TypeError) as fault:
        raise ConfigError(
            f"{path}: not readable as the log's signing key ({fault}); restore it from a backup"
        ) from fault
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: not an Ed25519 key; restore the key that signed this log from a backup")
    return key


def _make(private: Path, public: Path) -> None:
    try:
        if not private.exists():
            key = Ed25519PrivateKey.generate()
            _write_once(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
        kept = _read_private(private).public_key()  # another process may have been first
        _write_once(public, kept.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    except OSError as fault:
        remedy = f"start netdiag once as the user who owns {private.parent}"
        raise ConfigError(f"{public}: cannot be made ({fault.strerror}); {remedy}") from fault


def _write_once(path: Path, content: bytes, mode: int) -> None:
    """Let the file appear whole or not at all, and only once, whoever else tries at the same time."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = create(draft, os.O_WRONLY | os.O_TRUNC, mode)
    try:
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # somebody was first, and theirs is the key
    finally:
        draft.unlink()
