"""`netdiag doctor` tells what is not in place, each with its remedy."""

from pathlib import Path

from tests.cli.conftest import Netdiag

POLICY = """\
people: {alice: {terminal: alice}}
groups: {net-oncall: [alice]}
rules:
  - {hosts: "db-*", risk: [high], approve: never}
  - {hosts: all, risk: [low, medium, high], approve: {people: 1, from: [net-oncall], ttl: 30m}}
"""


def test_the_kill_switch_is_told(netdiag: Netdiag, tmp_path: Path) -> None:
    assert "kill switch" not in netdiag("doctor", "none").stdout
    (tmp_path / "state" / "halt").write_text("bad rollout\n")
    done = netdiag("doctor", "none")
    assert done.exit_code == 1
    assert "nothing is sent: bad rollout" in done.stdout


def test_a_rule_that_means_no_host_is_told_with_its_line(netdiag: Netdiag, tmp_path: Path) -> None:
    policy = tmp_path / "inventory" / "policy.yaml"
    policy.write_text(POLICY)
    done = netdiag("doctor", "none")
    assert done.exit_code == 1
    assert "policy.yaml:4: no host is 'db-*'" in " ".join(done.stdout.split())
    policy.write_text(POLICY.replace("db-*", "here"))
    assert netdiag("doctor", "none").exit_code == 0
