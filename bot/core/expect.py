"""What is meant to be, where a check needs to know? The inventory's `expect`, held to its shape and written one way.

`ipvs` names the virtual services that a director is meant to have, each with all of its real servers:
`{"10.108.152.210:6379/tcp": ["172.26.6.185:6379"]}`. Other sections are left as they are written.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

PROTOCOLS = ("tcp", "udp", "sctp")

_ENDPOINT = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})")


def endpoint(text: str) -> str:
    """An address and port as they are written everywhere: "192.0.2.1:80", "[2001:db8::1]:80". Raises ValueError."""
    found = _ENDPOINT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"must be ADDRESS:PORT, such as 192.0.2.1:80 or [2001:db8::1]:80, not {text!r}"[:200])
    address = ipaddress.ip_address(found[1] or found[2])
    if (address.version == 6) != bool(found[1]) or int(found[3]) > 65535:  # noqa: PLR2004 - IPv6, the last port
        raise ValueError(f"{text!r} is no address and port")
    return f"[{address}]:{int(found[3])}" if found[1] else f"{address}:{int(found[3])}"


def service(text: str) -> str:
    """A virtual service as it is written everywhere: "192.0.2.1:80/tcp". Raises ValueError."""
    place, _, protocol = text.rpartition("/")
    if protocol.lower() not in PROTOCOLS:
        raise ValueError(f"must be ADDRESS:PORT/PROTOCOL, such as 192.0.2.1:80/tcp, not {text!r}"[:200])
    return f"{endpoint(place)}/{protocol.lower()}"


def ipvs(written: Any) -> dict[str, list[str]]:
    """The section `ipvs`, services and servers written one way. Raises ValueError that says what is wrong."""
    if not isinstance(written, Mapping):
        raise ValueError('must map services to their real servers: {"192.0.2.1:80/tcp": ["192.0.2.11:80"]}')  # noqa: TRY004
    found: dict[str, list[str]] = {}
    for key, servers in written.items():
        name = service(str(key))
        if name in found:
            raise ValueError(f"{name} is named twice")
        if not isinstance(servers, list | tuple) or not all(isinstance(server, str) for server in servers):
            raise ValueError(f'{name} must list its real servers: ["192.0.2.11:80"]')
        found[name] = [endpoint(server) for server in servers]
    return found


def settled(written: Mapping[str, Any]) -> dict[str, Any]:
    """`expect` as the inventory gives it, its known sections held to their shape. Raises ValueError."""
    found = dict(written)
    if "ipvs" in found:
        try:
            found["ipvs"] = ipvs(found["ipvs"])
        except ValueError as fault:
            raise ValueError(f"expect.ipvs: {fault}") from None
    return found
