"""The kill switch at the terminal: one approver sets it, as many as the policy asks for clear it."""

import getpass
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Netdiag

ME = getpass.getuser()
POLICY = f"""\
people: {{me: {{terminal: {ME}}}, bob: {{terminal: bob}}, dave: {{terminal: dave}}}}
groups: {{net-oncall: [NAMES]}}
rules: [{{hosts: all, risk: [low, medium, high], approve: {{people: 1, from: [net-oncall], ttl: 30m}}}}]
halt: {{people: PEOPLE}}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return tmp_path / "inventory" / "policy.yaml"


def write(policy: Path, names: str = "me, bob", people: int = 2) -> None:
    policy.write_text(POLICY.replace("NAMES", names).replace("PEOPLE", str(people)))


def events(netdiag: Netdiag) -> list[str]:
    shown = netdiag("audit", "list", "--format", "json")
    return [entry["kind"] for entry in json.loads(shown.stdout)]


def test_an_approver_stops_every_change_and_two_let_them_go_on(netdiag: Netdiag, policy: Path) -> None:
    write(policy)
    done = netdiag("halt", "--reason", "bad\x1b rollout")
    assert done.exit_code == 0, done.output
    assert "no change is sent any more: bad\\x1b rollout (me, " in done.stdout
    assert "nothing is sent: bad" in netdiag("doctor", "none").stdout
    asked = netdiag("resume", "--format", "json")
    assert asked.exit_code == 0
    said = json.loads(asked.stdout)
    assert (said["moved"], said["clearing"]) == (True, ["me"])
    assert said["halted"].startswith("bad")
    again = netdiag("resume")
    assert again.exit_code == 1
    assert "somebody else must, too" in again.stdout
    assert "kill switch" in netdiag("doctor", "none").stdout


def test_as_many_as_the_policy_says_clear_it(netdiag: Netdiag, policy: Path) -> None:
    write(policy, people=1)
    netdiag("halt", "--reason", "bad rollout")
    done = netdiag("resume")
    assert (done.exit_code, done.stdout.strip()) == (0, "changes go on (me)")
    assert "kill switch" not in netdiag("doctor", "none").stdout


def test_the_file_holds_changes_back_when_the_switch_is_cleared(netdiag: Netdiag, policy: Path, tmp_path: Path) -> None:
    write(policy, people=1)
    netdiag("halt", "--reason", "bad rollout")
    (tmp_path / "state" / "halt").write_text("by hand\n")
    assert "still nothing is sent: by hand" in netdiag("resume").stdout


@pytest.mark.parametrize("command", [("halt", "--reason", "x"), ("resume",)])
def test_who_is_no_approver_may_neither_stop_nor_resume(
    netdiag: Netdiag, policy: Path, command: tuple[str, ...]
) -> None:
    write(policy, names="bob, dave")
    done = netdiag(*command)
    assert done.exit_code == 1
    assert "me is not in net-oncall" in done.stdout
    assert "kill switch" not in netdiag("doctor", "none").stdout
    assert "HaltRefused" in events(netdiag)


def test_stopping_needs_neither_hosts_nor_playbooks(netdiag: Netdiag, policy: Path) -> None:
    write(policy)
    (policy.parent / "hosts.yaml").write_text("hosts: [broken")
    assert netdiag("halt", "--reason", "x").exit_code == 0


def test_a_broken_policy_says_what_is_wrong(netdiag: Netdiag, policy: Path) -> None:
    policy.write_text("rulez: []\n")
    done = netdiag("halt", "--reason", "x")
    assert done.exit_code not in (0, None)
    assert "policy.yaml:1" in str(done.exception)
