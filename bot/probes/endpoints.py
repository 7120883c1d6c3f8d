"""What does Kubernetes say that its services' endpoints are, where this host may ask it?

Asked only where the `ipvs` probe found a real server suspicious in the same visit, and only by what is there already:
kubectl, with a kubeconfig of the node's own programs, least powerful first. Two lists are read from the API server's
cache; no discovery is made and nothing is kept (`get --raw`). A kubeconfig that would start a program to log in is
passed over. Where nobody can be asked there is less evidence, and no fault: `why` tells.
"""

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bot.core.probe import Cost, Facts, Idle, ParseError, Probe, Reading, Seen
from bot.core.text import neutral

MOST = 2_000_000
"""Bytes of each list that are read: more than a thousand services."""

MOST_PLACES = 200_000
"""Endpoints over all services that are put together: a few that name each other by the thousand are no cluster."""

SCRIPT = rf"""
kubectl=
for tool in kubectl /usr/local/bin/kubectl /opt/bin/kubectl /var/lib/rancher/rke2/bin/kubectl; do
  ! command -v "$tool" >/dev/null || {{ kubectl=$tool; break; }}
done
[ -n "$kubectl" ] || ! command -v /usr/local/bin/k3s >/dev/null || kubectl='/usr/local/bin/k3s kubectl'
[ -n "$kubectl" ] || {{ echo 'unasked this host has no kubectl'; exit 0; }}
why='this host has no kubeconfig that can be read'
left=2 silent='no answer within 2 s'
for file in /var/lib/kube-proxy/kubeconfig /var/lib/kube-proxy/kubeconfig.conf /etc/kubernetes/kube-proxy.conf \
  /var/lib/kube-router/kubeconfig /etc/kubernetes/kubelet.conf /etc/rancher/k3s/k3s.yaml /etc/rancher/rke2/rke2.yaml \
  /etc/kubernetes/admin.conf
do
  [ -r "$file" ] && [ $left -gt 0 ] && ! grep -qE '^ *(exec|auth-provider):' "$file" || continue
  left=$((left - 1))
  ask() {{
    HOME=/nonexistent KUBECACHEDIR=/dev/null timeout 2 $kubectl --kubeconfig "$file" --request-timeout=2s \
      get --raw "$1" 2>&1
  }}
  list=/apis/discovery.k8s.io/v1/endpointslices
  slices=$(ask "$list?resourceVersion=0" | head -c {MOST})
  case $slices in '{{"kind":"EndpointSliceList"'*) ;; *) why="$file: ${{slices:-$silent}}"; continue ;; esac
  services=$(ask '/api/v1/services?resourceVersion=0' | head -c {MOST})
  case $services in '{{"kind":"ServiceList"'*) ;; *) why="$file: ${{services:-$silent}}"; continue ;; esac
  printf 'asked %s\n%s\n%s\n' "$file" "$services" "$slices"
  exit 0
done
printf 'unasked %.300s\n' "$(printf '%s' "$why" | tr '\n' ' ')"
"""


class EndpointsFacts(Facts):
    """Services of Kubernetes and where their clients may be sent."""

    asked: bool
    """Whether an API server answered."""
    why: str
    """If not, why not, for a person: not needed, no kubectl, no kubeconfig, no right, no answer."""
    source: str
    """The kubeconfig that it was asked with."""
    services: dict[str, list[str]]
    """Endpoints by service as IPVS names it ("10.9.0.1:80/tcp"): those that are ready and those that are not, for
    either may rightly be there. Services are named by their cluster addresses, external ones and load balancers'."""


def parse(readings: Sequence[Reading], _seen: Seen) -> EndpointsFacts:
    """Put endpoints to services by name and port name. Raises ParseError for what is no such list."""
    head, _, rest = readings[-1].text.partition("\n")
    if head.startswith("unasked "):
        return EndpointsFacts(asked=False, why=neutral(head.removeprefix("unasked "), 300), source="", services={})
    if not head.startswith("asked "):
        raise ParseError(f"expected whether Kubernetes was asked, got {head[:60]!r}")
    services, _, slices = rest.partition("\n")
    try:
        found = _joined(_items(services, "ServiceList"), _items(slices, "EndpointSliceList"))
    except (TypeError, AttributeError, KeyError, ValueError, OverflowError) as fault:
        raise ParseError(f"expected services and endpoint slices: {fault}"[:200]) from None
    return EndpointsFacts(asked=True, why="", source=neutral(head.removeprefix("asked "), 120), services=found)


def _items(text: str, kind: str) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as fault:
        cut = " (it is longer than what is read)" if len(text) >= MOST else ""
        raise ParseError(f"expected a {kind}{cut}: {fault}"[:200]) from None
    if not isinstance(document, dict) or document.get("kind") != kind or not isinstance(document.get("items"), list):
        raise ParseError(f"expected a {kind}, got {text[:60]!r}")
    items: list[Mapping[str, Any]] = document["items"]
    return items


_Port = tuple[str, str, str, str]
"""Namespace, service, name of the port, protocol."""


def _joined(services: Iterable[Mapping[str, Any]], slices: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    behind: dict[_Port, set[str]] = {}
    for one in slices:
        metadata = one["metadata"]
        owner = (metadata.get("labels") or {}).get("kubernetes.io/service-name", "")
        for port in one.get("ports") or ():
            if owner and port.get("port") is not None:
                places = behind.setdefault((metadata["namespace"], owner, *_named(port)), set())
                places.update(_places(one.get("endpoints") or (), int(port["port"])))
    found: dict[str, list[str]] = {}
    left = MOST_PLACES
    for service in services:
        metadata, spec = service["metadata"], service["spec"]
        for address in _addresses(spec, service.get("status") or {}):
            for port in spec.get("ports") or ():
                name, protocol = _named(port)
                places = behind.get((metadata["namespace"], metadata["name"], name, protocol), set())
                key = f"{_place(address, int(port['port']))}/{protocol}"
                left -= len(places) + 1
                if left < 0:
                    raise ValueError(f"more than {MOST_PLACES} endpoints over all services")
                found[key] = sorted(place for place in places if place.startswith("[") == (":" in address))
    return found


def _named(port: Mapping[str, Any]) -> tuple[str, str]:
    return str(port.get("name") or ""), str(port.get("protocol") or "TCP").lower()


def _places(endpoints: Iterable[Mapping[str, Any]], port: int) -> Iterator[str]:
    for endpoint in endpoints:
        for address in endpoint.get("addresses") or ():
            if _is_address(address):
                yield _place(address, port)


def _addresses(spec: Mapping[str, Any], status: Mapping[str, Any]) -> list[str]:
    balancers = (status.get("loadBalancer") or {}).get("ingress") or ()
    told = [
        *(spec.get("clusterIPs") or [spec.get("clusterIP")]),
        *(spec.get("externalIPs") or ()),
        *(balancer.get("ip") for balancer in balancers),
    ]
    return [address for address in told if _is_address(address)]


def _is_address(text: Any) -> bool:
    """No name (slices may hold those), and not the "None" of a service without an address."""
    try:
        return isinstance(text, str) and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _place(address: str, port: int) -> str:
    parsed = ipaddress.ip_address(address)
    return f"[{parsed}]:{port}" if parsed.version == 6 else f"{parsed}:{port}"  # noqa: PLR2004 - IPv6


PROBE = Probe(
    name="endpoints",
    question="What does Kubernetes say that its services' endpoints are, where this host may ask it?",
    script=SCRIPT,
    parse=parse,
    facts=EndpointsFacts,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    max_bytes=4_194_304,
    after=("ipvs",),
    idle=Idle("ipvs suspects", "unasked no real server is suspicious"),
)
