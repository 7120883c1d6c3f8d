"""What is a host, and how is it reached?"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer


def _frozen(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(value))


class Transport(StrEnum):
    """How bytes get to the host: over SSH, to this machine itself, or from a recorded visit."""

    SSH = "ssh"
    LOCAL = "local"
    REPLAY = "replay"


class Host(BaseModel):
    """One host of the inventory, with every default already applied.

    `known_hosts` is a file path or, inline, one public key line (`ssh-ed25519 AAAA…`); `key` and `certificate` are
    file paths; `jump` names another host of the same inventory; `recording` is the file a replay host plays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field(min_length=1, max_length=253)
    address: str
    port: int = Field(default=22, ge=1, le=65535)
    user: str = "netdiag"
    sudo: bool = True
    transport: Transport = Transport.SSH
    known_hosts: str | None = None
    key: str | None = None
    certificate: str | None = None
    agent: bool = False
    jump: str | None = None
    recording: str | None = None
    labels: Annotated[Mapping[str, str], AfterValidator(_frozen), PlainSerializer(dict)] = Field(default_factory=dict)
    groups: tuple[str, ...] = ()


class Inventory(BaseModel):
    """Every known host by name, in file order; groups by name; and what is meant to be (`expect`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    hosts: Annotated[Mapping[str, Host], AfterValidator(_frozen), PlainSerializer(dict)]
    groups: Annotated[Mapping[str, tuple[str, ...]], AfterValidator(_frozen), PlainSerializer(dict)] = Field(
        default_factory=dict
    )
    expect: Annotated[Mapping[str, Any], AfterValidator(_frozen), PlainSerializer(dict)] = Field(default_factory=dict)


class Cause(StrEnum):
    """Why a host could not be read at all."""

    UNREACHABLE = "unreachable"
    HOST_KEY_UNKNOWN = "host-key-unknown"
    HOST_KEY_CHANGED = "host-key-changed"
    AUTH = "auth"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"


class HostFailure(BaseModel):
    """A host that could not be read: an expected failure, so a value. It marks that host alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cause: Cause
    reason: str
    remedy: str
