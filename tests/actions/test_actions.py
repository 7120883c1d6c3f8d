"""What each action plans from what was seen, or why it refuses: the cases are the files beside this one."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import actions, probes
from bot.core.action import Refused
from bot.core.probe import Facts, Unknown
from bot.core.snapshot import Snapshot
from bot.core.transaction import flat
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.sysctl_net import SysctlFacts
from bot.probes.units import Unit, UnitsFacts

CATALOG = actions.catalog()
FILES = sorted((Path(__file__).parent / "cases").glob("*/*.yaml"))


def namespace(ident: str, pid: int, label: str, *, host: bool = False) -> Namespace:
    return Namespace(
        id=ident,
        host=host,
        pid=pid,
        start_time=987654,
        process="init",
        processes=3,
        container="",
        container_runtime="",
        pod="",
        unit="",
        label=label,
    )


HOST_VALUES = {
    "net.core.somaxconn": "4096",
    "net.ipv4.tcp_mem": "188319\t251092\t376638",
    "net.ipv4.tcp_timestamps": "1",
    "net.ipv4.tcp_abort_on_overflow": "0",
    "net.ipv4.tcp_max_tw_buckets": "262144",
}
SPACES = NetnsFacts(
    namespaces={
        "4026531840": namespace("4026531840", 1, "host", host=True),
        "4026532414": namespace("4026532414", 4711, "shop"),
    },
    pinned=[],
)
VALUES = SysctlFacts(namespaces={"4026531840": HOST_VALUES, "4026532414": {"net.core.somaxconn": "128"}})


def units(manager: str) -> UnitsFacts:
    if manager == "systemd":
        found = [
            Unit(name="nginx.service", active=True, main_pid=812, invocation="5c3e"),
            Unit(name="down.service", active=False, main_pid=0, invocation=""),
        ]
    else:
        found = [Unit(name="shop", active=True, main_pid=99, invocation="99:1234")]
    return UnitsFacts(manager=manager, units={unit.name: unit for unit in found}, of_pid={})


def seen(case: dict[str, Any]) -> Snapshot:
    facts: dict[str, Facts] = {
        "netns": SPACES,
        "sysctl_net": VALUES,
        "units": units(case.get("manager", "systemd")),
    }
    outcomes: dict[str, Any] = {name: (value,) for name, value in facts.items()}
    outcomes |= {name: Unknown(reason) for name, reason in case.get("without", {}).items()}
    return Snapshot("node-3", datetime(2030, 1, 1, tzinfo=UTC), 1.0, "SHA256:abc", outcomes)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_action_plans_from_what_was_seen_or_says_why_not(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    action = CATALOG[path.parent.name]
    planned = action.plan(action.params.model_validate(case["with"]), seen(case))
    if "refused" in case:
        assert isinstance(planned, Refused), planned
        assert case["refused"] in planned.reason
        return
    assert not isinstance(planned, Refused), planned.reason
    whole = planned.model_dump(mode="json")
    for name, expected in case["plan"].items():
        found = whole[name]
        if name in ("precondition", "verify"):
            found = [[check["argv"], check["compare"], check["expect"]] for check in found]
        assert found == expected, name


@pytest.mark.parametrize("name", CATALOG)
def test_every_action_has_a_case_that_plans_and_one_that_refuses(name: str) -> None:
    cases = [yaml.safe_load(path.read_text()) for path in FILES if path.parent.name == name]
    assert any("plan" in case for case in cases)
    assert any("refused" in case for case in cases)


@pytest.mark.parametrize("name", CATALOG)
def test_every_action_reads_probes_that_exist_and_says_why_it_has_no_evidence(name: str) -> None:
    action = CATALOG[name]
    assert set(action.reads) <= set(probes.catalog())
    blind = Snapshot("node-3", datetime(2030, 1, 1, tzinfo=UTC), 1.0, "k", {})
    case = next(
        case for path in FILES if path.parent.name == name and "plan" in (case := yaml.safe_load(path.read_text()))
    )
    planned = action.plan(action.params.model_validate(case["with"]), blind)
    assert isinstance(planned, Refused)
    assert "was not asked" in planned.reason


UNDONE = [path for path in FILES if yaml.safe_load(path.read_text()).get("plan", {}).get("inverse")]


@pytest.mark.parametrize("path", UNDONE, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_is_undone_reads_as_it_was_before(path: Path) -> None:
    """Every precondition is an invariant or a reading that the inverse brings back: nothing else may be in it."""
    case = yaml.safe_load(path.read_text())
    action = CATALOG[path.parent.name]
    planned = action.plan(action.params.model_validate(case["with"]), seen(case))
    assert not isinstance(planned, Refused)
    after = {check.argv for check in planned.verify}
    for check in planned.precondition:
        assert check.argv in after, f"{check.about} is not read back"
        assert flat(check.expect) == check.expect
