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


MOUNTS = {
    "docker": (
        "600 590 8:1 /var/lib/docker/containers/6548c6863fb748e72d1e2a4f824fde92f720952d062dede1318c2d6219a672d6/hostname"
        " /etc/hostname rw,relatime - ext4 /dev/sda1 rw",
        Membership("6548c6863fb748e72d1e2a4f824fde92f720952d062dede1318c2d6219a672d6", "docker"),
    ),
    "podman": (
        "600 590 0:30 /containers/overlay-containers/"
        "af097fa761cd92daf9ac2e18b6d59959b1212e12621a0951223f9f55d99b452c/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw",
        Membership("af097fa761cd92daf9ac2e18b6d59959b1212e12621a0951223f9f55d99b452c", "podman"),
    ),
    "a pod": (
        "10738 10112 8:3 /var/lib/kubelet/pods/121157b5-c67d-4c3e-9052-cb27bbb711fb/etc-hosts /etc/hosts rw - ext4 x rw",
        Membership(pod="121157b5-c67d-4c3e-9052-cb27bbb711fb"),
    ),
    "a volume of some pod, on the host": (
        "90 25 0:40 / /var/lib/kubelet/pods/121157b5-c67d-4c3e-9052-cb27bbb711fb/volumes/x rw - tmpfs tmpfs rw",
        Membership(),
    ),
}


@pytest.mark.parametrize(("line", "expected"), MOUNTS.values(), ids=MOUNTS.keys())
def test_a_hidden_cgroup_is_made_good_by_the_mounts(line: str, expected: Membership) -> None:
    assert mounted([line]) == expected
