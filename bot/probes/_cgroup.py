"""Which container, pod and unit does a process belong to? Read from its /proc/PID/cgroup, with no daemon asked."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_UUID = r"[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}"
_POD = re.compile(rf"pod({_UUID}|[0-9a-f]{{32}})(?![0-9a-f])")
_CONTAINER = re.compile(
    r"(?:^|[/:])(?:(docker|cri-containerd|crio|libpod|containerd|nerdctl)-)?"
    r"([0-9a-f]{64}|[0-9a-f]{32}-\d{1,12})(?:\.scope)?(?=/|$)"
)
_UNIT = re.compile(
    r"^/(?:(?!user\.slice|machine\.slice|kubepods)[^/]{1,255}\.slice/){1,8}([^/]{1,255}\.service)(?=/|$)"
)
_RUNTIMES = {"cri-containerd": "containerd", "crio": "cri-o", "libpod": "podman"}
_BY_PATH = ((":cri-containerd:", "containerd"), ("/docker/", "docker"), ("/kubepods", "kubernetes"), ("/ecs/", "ecs"))
# what runtimes mount over /etc/hostname and its like carries the id in its root (field 4 of mountinfo)
_ETC = re.compile(
    r"([/-](?:containers|sandboxes)/([0-9a-f]{64})|/pods/([0-9a-f-]{36}))/\S{1,60} /etc/(?:hosts|hostname|resolv)"
)
_MOUNTED_BY = (("sandboxes", "containerd"), ("/containers", "docker"), ("-containers", "podman"))
# v2 first; then the v1 hierarchies that runtimes always use
_PREFERRED = ("", "name=systemd", "memory", "pids", "cpu")


@dataclass(frozen=True, slots=True)
class Membership:
    """What a process is part of; an empty string where the paths do not say.

    `container` is the full id (64 hex digits), `pod` the pod's uid with dashes (or a static pod's 32 hex digits).
    """

    container: str = ""
    runtime: str = ""
    pod: str = ""
    unit: str = ""


def membership(lines: Iterable[str]) -> Membership:
    """Read the lines of /proc/PID/cgroup. Lines that say nothing of use are passed over; it never raises."""
    found = Membership()
    for path in _paths(lines):
        here = _of_path(path)
        found = Membership(
            found.container or here.container,
            found.runtime or here.runtime,
            found.pod or here.pod,
            found.unit or here.unit,
        )
        if found.container:
            break
    # a container inside a unit's cgroup (…/containerd.service/kubepods…) is not that unit
    return Membership(found.container, found.runtime, found.pod) if found.container else found


def mounted(lines: Iterable[str]) -> Membership:
    """The same from lines of /proc/PID/mountinfo, for a process whose cgroup namespace hides its path."""
    container = runtime = pod = ""
    for line in lines:
        if found := _ETC.search(line[:1000]):
            container, pod = container or found[2] or "", pod or found[3] or ""
            runtime = runtime or next((name for part, name in _MOUNTED_BY if found[2] and part in found[1]), "")
    return Membership(container, runtime, pod)


def _paths(lines: Iterable[str]) -> list[str]:
    ranked: list[tuple[int, str]] = []
    for line in lines:
        parts = line.strip().split(":", 2)
        if len(parts) == 3:  # noqa: PLR2004 - id:controllers:path
            controllers = parts[1].split(",")
            rank = min((_PREFERRED.index(c) for c in controllers if c in _PREFERRED), default=len(_PREFERRED))
            ranked.append((rank, parts[2]))
    return [path for _, path in sorted(ranked, key=lambda pair: pair[0])]


def _of_path(path: str) -> Membership:
    pod = _POD.search(path)
    unit = _UNIT.match(path)
    # the innermost one names the process
    container = next(reversed(list(_CONTAINER.finditer(path))), None)
    runtime = ""
    if container is not None:
        named = container[1] or ""
        runtime = _RUNTIMES.get(named, named) or next((name for part, name in _BY_PATH if part in path), "")
    return Membership(
        container=container[2] if container is not None else "",
        runtime=runtime,
        pod=pod[1].replace("_", "-") if pod is not None else "",
        unit=unit[1] if unit is not None and pod is None else "",
    )
