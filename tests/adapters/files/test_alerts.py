"""What is wrong with a file of alerts is told with its line, and all of it at once."""

from pathlib import Path

import pytest

from bot.adapters.files.alerts import FileAlerts, read_alerts
from bot.core.alert_route import Routing
from bot.core.errors import ConfigError

SOUND = """\
channel: C0ALERTS
owner: alice
messages_per_hour: 5
again: 1h
routes:
  - name: conntrack
    match: {alertname: NearlyFull, port: 80, busy: true}
    playbooks: [conntrack]
    params: {port: "{port}", deep: true, of: 3}
  - {name: web, match_re: {job: "web|shop"}, host: "{node}", by: role, channel: C0WEB, owner: bob, diagnose: false}
default: {}
"""

FAULTS: dict[str, tuple[str, str]] = {
    "an unknown key": ("channel: C0A\nruotes: []\n", 'f:2: unknown key "ruotes"; did you mean "routes"?'),
    "an unknown key of a route": (
        "channel: C0A\nroutes:\n  - {name: a, match: {a: b}, playbook: [x]}\n",
        'f:3: unknown key "playbook" in routes.0; did you mean "playbooks"?',
    ),
    "a name twice": (
        "channel: C0A\nroutes:\n  - {name: a, match: {a: b}}\n  - {name: a, match: {a: c}}\n",
        "f:4: route a is there twice (first on line 3)",
    ),
    "no channel": (
        "routes:\n  - {name: a, match: {a: b}}\n",
        "f:2: no channel to tell it in; give `channel` here or at the top",
    ),
    "a channel's name": ("channel: general\ndefault: {}\n", 'f:1: "general" is no channel id'),
    "a pattern": (
        "channel: C0A\nroutes:\n  - {name: a, match_re: {job: '('}}\n",
        "f:3: job: not a pattern that can be used: missing ): (; syntax: RE2",
    ),
    "looking around": (
        "channel: C0A\nroutes:\n  - {name: a, match_re: {job: '(?=a)'}}\n",
        "f:3: job: not a pattern that can be used: invalid perl operator: (?=; syntax: RE2",
    ),
    "nothing to match": (
        "channel: C0A\nroutes:\n  - {name: a}\n",
        "f:3: route a has no `match`; what is for all others is `default`",
    ),
    "a label's name": ("channel: C0A\nroutes:\n  - {name: a, match: {a-b: x}}\n", 'f:3: "a-b" is no name of a label'),
    "a brace": (
        "channel: C0A\ndefault: {host: '{instance'}\n",
        'f:2: host: "{instance" has a brace that is no label; write "{instance}"',
    ),
    "nothing of the alert": (
        "channel: C0A\ndefault: {host: ingress, by: role}\n",
        'f:2: host: "ingress" takes nothing from the alert; write "{instance}"',
    ),
    "a span": ("channel: C0A\nagain: 3d\n", 'f:2: again: "3d" is no span of time; write 15m or 1h'),
    "too many": (
        "channel: C0A\nhosts_at_once: 1000\n",
        "f:2: hosts_at_once: input should be less than or equal to 200, not 1000",
    ),
    "a number for a name": ("channel: 7\n", "f:1: channel: input should be a valid string, not 7"),
    "not YAML": ("routes: [", "f:2: not YAML:"),
    "an alias": ("channel: &c C0A\n", "f:1: anchors (&c) are not read"),
    "the default's name": (
        "channel: C0A\nroutes:\n  - {name: default, match: {a: b}}\n",
        "f:3: a route cannot be named default; use the key `default` at the top",
    ),
}


def test_a_sound_file_is_read() -> None:
    routing = read_alerts(SOUND.encode(), "f", "1")
    first, second, last = routing.routes
    assert [(one.label, one.equal) for one in first.match] == [
        ("alertname", "NearlyFull"),
        ("port", "80"),
        ("busy", "true"),
    ]
    assert first.params == {"port": "{port}", "deep": "true", "of": "3"}
    assert (first.channel, first.owner, first.place) == ("C0ALERTS", "alice", "f:6")
    assert (second.channel, second.owner, second.by, second.diagnose) == ("C0WEB", "bob", "role", False)
    assert (last.name, last.match, last.host) == ("default", (), "{instance}")
    assert (routing.messages_per_hour, routing.again) == (5, 3_600)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_line_and_a_remedy(name: str) -> None:
    text, said = FAULTS[name]
    with pytest.raises(ConfigError) as fault:
        read_alerts(text.encode(), "f", "1")
    assert said in str(fault.value)


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "again: x\nroutes:\n  - {name: a}\n  - {name: a, match: {a-b: c}, host: '}'}\n"
    with pytest.raises(ConfigError) as fault:
        read_alerts(text.encode(), "f", "1")
    lines = [int(line.split(":")[1]) for line in str(fault.value).splitlines()]
    assert lines == sorted(lines)
    assert len(lines) == 7


def test_the_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    file, routes = tmp_path / "alerts.yaml", FileAlerts(tmp_path)
    assert (routes.there, routes.routing()) == (False, Routing())
    file.write_text(SOUND)
    assert (routes.there, len(routes.routing().routes)) == (True, 3)
    assert routes.routing() is routes.routing()
    file.write_text("channel: [")
    with pytest.raises(ConfigError, match="not YAML"):
        routes.routing()
    file.write_text("")
    assert routes.routing().routes == ()


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(SOUND)
    file.chmod(0o666)
    with pytest.raises(ConfigError, match="everybody may write it; chmod o-w"):
        FileAlerts(tmp_path).routing()
