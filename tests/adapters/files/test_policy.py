"""The access policy's file: what it means, and how each fault is told."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.adapters.files.policy import FilePolicy, load_policy, read_policy
from bot.core import policy as access
from bot.core.errors import ConfigError
from bot.core.policy import Denied, Policy
from bot.core.report import Risk
from tests.fakes.approval import HOST

EXAMPLE = Path(__file__).parents[3] / "inventory" / "policy.yaml"


def read(text: str) -> Policy:
    return read_policy(text.encode(), "policy.yaml", "v1")


GOOD = """\
people:
  alice: {slack: U0ALICE, terminal: alice}
  bob: {slack: [U0BOB, T0TEAM:W0BOB]}
groups:
  net-oncall: [alice, bob]
  duty: {slack_usergroup: S0614TZR7}
rules:
  - {hosts: all, risk: [low, medium], approve: {people: 1, from: [net-oncall, duty], ttl: 30m}}
  - {hosts: "node-*", risk: [high], actions: ["service.*"], approve: {people: 2, from: [net-oncall], ttl: 1h}}
"""


def test_the_shipped_example_is_a_policy(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE, tmp_path / "policy.yaml")
    policy = load_policy(tmp_path)
    need = access.requirement(policy, HOST, Risk.HIGH, reversible=True, action="service.restart")
    assert not isinstance(need, Denied)
    assert need.words == "2 of net-oncall within 15 min"


def test_a_policy_means_what_it_says() -> None:
    policy = read(GOOD)
    assert policy.people["bob"] == {"slack:U0BOB", "slack:T0TEAM:W0BOB"}
    assert policy.groups["duty"].slack_usergroup == "S0614TZR7"
    assert [(rule.hosts, rule.place) for rule in policy.rules] == [
        ("all", "policy.yaml:8"),
        ("node-*", "policy.yaml:9"),
    ]
    assert policy.self_approval is None
    assert access.usergroups(policy) == {"S0614TZR7"}


FAULTS = [
    ("people: {bob: {slack: '@bob'}}", '1: bob: "@bob" is no Slack member id'),
    ("people: {bob: {slack: bob@example.org}}", '1: bob: "bob@example.org" is no Slack member id'),
    ("people: {bob: {slack: Bob}}", '"Bob" is no Slack member id'),
    ("people: {bob: {slack: B0BOT}}", '"B0BOT" is no Slack member id'),
    ("people: {bob: {slack: U\u0410DMIN}}", "is no Slack member id"),  # a Cyrillic A
    ("people: {bob: {terminal: 'bob; id'}}", '"bob; id" is no operating-system user name'),
    ("people: {bob: {}}", "1: bob has no identity"),
    ("people:\n  a: {slack: U0AAA}\n  b: {slack: U0AAA}", "3: slack:U0AAA is both a and b"),
    ("people:\n  a: {slack: U0AAA}\n  b: {slack: T0TEAM:U0AAA}", "3: slack:T0TEAM:U0AAA is both a and b"),
    ("people:\n  a: {slack: U0AAA}\n  a: {slack: U0AAB}", '3: key "a" is given twice'),
    ("people: {a: {slack: U0AAA}}\ngroups:\n  g: [alise, a]", '3: group g: no person "alise"'),
    ("people: {alice: {slack: U0AAA}}\ngroups:\n  g: [alise]", 'did you mean "alice"?'),
    ("groups:\n  g: []", "2: group g is empty"),
    ("groups:\n  g: {slack_usergroup: oncall}", '2: g: "oncall" is no Slack user group id'),
    (
        "rules:\n  - {risk: [high], actions: [sockets.kil], approve: never}",
        '2: actions: no action is "sockets.kil"; did you mean "sockets.kill"?',
    ),
    ("rules:\n  - {risk: [high], actions: ['servic.*'], approve: never}", '2: actions: no action is "servic.*"'),
    ("rules:\n  - {risk: [low], approve: {people: 1, from: [ops], ttl: 30m}}", '2: no group "ops"'),
    ("rules:\n  - {risk: [low], approve: {people: 1, from: [ops], ttl: soon}}", '2: ttl: "soon" is no span of time'),
    ("rules:\n  - {risk: [low], approve: {people: 1, from: [ops], ttl: 0m}}", '2: ttl: "0m" is no span of time'),
    ("rules:\n  - {risk: [low], approve: {people: 0, from: [ops], ttl: 30m}}", "2: "),
    ("rules:\n  - {risk: [low], approve: {people: 1, from: [], ttl: 30m}}", "2: "),
    ("rules:\n  - {risk: [lov], approve: never}", "2: "),
    ("rules:\n  - {risk: [], approve: never}", "2: "),
    ("rules:\n  - {risk: [low], aprove: never}", '2: unknown key "aprove" in rules.0; did you mean "approve"?'),
    ("self_approval: always", "1: "),
    ("peoples: {}", '1: unknown key "peoples"; did you mean "people"?'),
    ("freeze:\n  - {weekly: freitag, why: x}", '2: "freitag" is no weekly window'),
    ("freeze:\n  - {weekly: fri 16:00 - fri 16:00, why: x}", "2: "),
    ("freeze:\n  - {from: tomorrow, why: x}", '2: "tomorrow" is no time'),
    ("freeze:\n  - {why: x}", "2: give either `weekly`, or `from` and `until`"),
    ("freeze:\n  - {weekly: mon 01:00 - mon 02:00, zone: Mars/Phobos, why: x}", '2: no time zone "Mars/Phobos"'),
    ("freeze:\n  - {weekly: mon 01:00 - mon 02:00, zone: ../../etc/passwd, why: x}", "2: "),
    ("halt: {people: 0}", "1: "),
]


@pytest.mark.parametrize(("text", "told"), FAULTS)
def test_a_fault_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(text)
    assert f"policy.yaml:{told}" in str(error.value) or told in str(error.value)
    assert str(error.value).startswith("policy.yaml:")


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        read("people: {bob: {slack: '@bob'}}\ngroups: {g: [eve]}\nrules: [{risk: [low], approve: never}]")
    assert len(str(error.value).splitlines()) == 2


def test_more_people_than_a_group_has_are_a_fault() -> None:
    text = GOOD.replace("people: 2, from: [net-oncall]", "people: 3, from: [net-oncall]")
    with pytest.raises(ConfigError, match=r"policy\.yaml:9: 3 people are asked for, and net-oncall has 2"):
        read(text)


@pytest.mark.parametrize("content", [None, "", "# nothing yet\n", "{}", "people: {}", "rules: []"])
def test_without_rules_every_change_is_refused_with_what_to_write(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "policy.yaml").write_text(content)
    need = access.requirement(load_policy(tmp_path), HOST, Risk.LOW, reversible=True, action="sysctl.set")
    assert isinstance(need, Denied)
    assert "policy.yaml" in need.reason


def test_a_changed_file_is_a_new_version_at_once(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    source = FilePolicy(tmp_path)
    first = source.policy()
    assert source.policy() is first
    path.write_text(GOOD.replace("30m", "20m"))
    assert source.policy().version != first.version
    path.unlink()
    assert source.policy().rules == ()


def test_a_file_that_breaks_is_refused_and_recovers(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    source = FilePolicy(tmp_path)
    good = source.policy()
    path.write_text("rules: [")
    with pytest.raises(ConfigError):
        source.policy()
    path.write_text(GOOD)
    assert source.policy() == good


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="chmod o-w"):
        load_policy(tmp_path)


def test_freeze_windows_are_read_in_their_zone() -> None:
    policy = read("freeze:\n  - {from: 2030-12-20T18:00, until: 2031-01-02T08:00, zone: Europe/Berlin, why: year end}")
    (window,) = policy.freezes
    assert window.start == datetime(2030, 12, 20, 17, 0, tzinfo=UTC)
