"""`netdiag doctor` tells what is not in place, each with its remedy."""

from pathlib import Path

import pytest

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


ALERTS = """\
channel: C0ALERTS
routes:
  - {name: clocks, match: {alertname: Skew}, playbooks: [clock], owner: alice}
"""


def told(netdiag: Netdiag) -> tuple[int, str]:
    done = netdiag("doctor", "none")
    return done.exit_code, " ".join(done.stdout.split())


def test_alerts_are_looked_at_only_where_they_are_wanted(netdiag: Netdiag, tmp_path: Path) -> None:
    (tmp_path / "inventory" / "policy.yaml").write_text(POLICY.replace("db-*", "here"))
    status, said = told(netdiag)
    assert status == 0
    assert "nothing listens" in said
    (tmp_path / "inventory" / "alerts.yaml").write_text(ALERTS)
    status, said = told(netdiag)
    assert status == 0
    assert "alerts.yaml is there for nothing" in said


@pytest.mark.parametrize(
    ("env", "alerts", "said"),
    [
        ({"ALERTS_TOKEN": "s3cret-of-alertmanager"}, ALERTS, "✖ http nothing listens for alerts, figures and health"),
        ({"HTTP_LISTEN": "9180"}, ALERTS, '"9180" is no address; write 127.0.0.1:9180'),
        ({"HTTP_LISTEN": "127.0.0.1:9180"}, ALERTS, "alerts_token is not set: every alert is refused"),
        ({"ALERTS_TOKEN": "s3cret-of-alertmanager"}, "", "✖ alerts no alerts.yaml beside the inventory"),
        ({}, ALERTS.replace("[clock]", "[clocks]"), 'route clocks: no playbook "clocks"; did you mean "clock"?'),
        ({}, ALERTS.replace("alice", "alise"), 'route clocks: no person "alise" in policy.yaml; did you mean "alice"?'),
        ({}, ALERTS.replace("match:", "mtch:"), 'alerts.yaml:3: unknown key "mtch" in routes.0; did you mean "match"?'),
        ({"HTTP_LISTEN": "0.0.0.0:9180"}, ALERTS, "whoever reaches it may read the figures"),
    ],
)
def test_what_is_wrong_with_alerts_is_told_with_its_remedy(  # noqa: PLR0917 - fixtures and a case
    netdiag: Netdiag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], alerts: str, said: str
) -> None:
    inventory = tmp_path / "inventory"
    (inventory / "policy.yaml").write_text(POLICY.replace("db-*", "here"))
    if alerts:
        (inventory / "alerts.yaml").write_text(alerts)
    for name, value in env.items():
        monkeypatch.setenv(f"NETDIAG_{name}", value)
    status, words = told(netdiag)
    assert said in words
    assert status == 1


def test_alerts_that_are_well_configured_are_fine(
    netdiag: Netdiag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inventory" / "policy.yaml").write_text(POLICY.replace("db-*", "here"))
    (tmp_path / "inventory" / "alerts.yaml").write_text(ALERTS)
    monkeypatch.setenv("NETDIAG_HTTP_LISTEN", "[::1]:9180")
    monkeypatch.setenv("NETDIAG_ALERTS_TOKEN", "s3cret-of-alertmanager")
    status, words = told(netdiag)
    assert status == 0
    assert "alerts 1 routes" in words
