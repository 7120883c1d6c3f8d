"""A process's container, pod and unit are read from its cgroup alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.probes._cgroup import Membership, membership, mounted

CASES = yaml.safe_load((Path(__file__).parent / "cases_cgroup.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["about"])
def test_a_process_is_placed_by_its_cgroup(case: dict[str, Any]) -> None:
    expected = {key: case.get(key, "") for key in ("container", "runtime", "pod", "unit")}
    assert membership(case["lines"]) == Membership(**expected)


@given(st.lists(st.text(max_size=80)))
def test_no_line_breaks_it(lines: list[str]) -> None:
    assert isinstance(membership(lines), Membership)


def test_a_hostile_path_is_read_in_one_pass() -> None:
    membership(["0::/" + "a.slice/" * 20_000, "0::" + "/docker-" + "f" * 100_000, "0::/" + "pod" * 50_000])


ID, POD = "6548c686" * 8, "121157b5-c67d-4c3e-9052-cb27bbb711fb"
MOUNTS = {
    "docker": (f"/var/lib/docker/containers/{ID}/hostname /etc/hostname", Membership(ID, "docker")),
    "podman": (f"/containers/overlay-containers/{ID}/userdata/hosts /etc/hosts", Membership(ID, "podman")),
    "containerd": (f"/x/io.containerd.grpc.v1.cri/sandboxes/{ID}/hostname /etc/hostname", Membership(ID, "containerd")),
    "a pod": (f"/var/lib/kubelet/pods/{POD}/etc-hosts /etc/hosts", Membership(pod=POD)),
    "a volume of some pod, on the host": (f"/ /var/lib/kubelet/pods/{POD}/volumes/x", Membership()),
}


@pytest.mark.parametrize(("line", "expected"), MOUNTS.values(), ids=MOUNTS.keys())
def test_a_hidden_cgroup_is_made_good_by_the_mounts(line: str, expected: Membership) -> None:
    assert mounted([f"600 590 8:1 {line} rw,relatime - ext4 /dev/sda1 rw"]) == expected
