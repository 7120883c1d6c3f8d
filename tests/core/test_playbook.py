"""Is a wrong playbook refused at load, with every fault, its line and the nearest valid name?"""
# ruff: noqa: E501 - a case is one row of the table

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.files.playbooks import read_playbook
from bot.core.errors import AskError, ConfigError
from bot.core.params import bind, check_params
from bot.core.playbook import Playbook, probes_of
from tests.fakes.doctor import ACTIONS, HEAD, PROBES, playbook

GOOD = """
- id: full
  each: queues.rows
  as: q
  when: q.recv_q > q.send_q
  severity: critical
  say: "{q.process} is full"
"""


def faults(findings: str, head: str = HEAD) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        playbook(findings, head=head)
    return str(refused.value).splitlines()


def test_a_sound_playbook_knows_what_a_visit_must_ask() -> None:
    offering = GOOD + "  offer:\n    - action: service.restart\n      with: {unit: web}\n"
    loaded = playbook(offering, head=HEAD.replace("[queues, tcp_ext, sysctl_net]", "[queues]"))
    assert probes_of([loaded, loaded]) == ("units", "queues")
    assert loaded.actions == {"service.restart"}
    assert len(loaded.revision) == 64


def test_the_revision_is_of_the_bytes() -> None:
    assert playbook(GOOD).revision != playbook(GOOD + "# a word\n").revision


WRONG = {
    "probe": (GOOD, HEAD.replace("tcp_ext", "tcp_exd"), 'test.yaml:4: probes.1: no probe "tcp_exd"; did you mean "tcp_ext"?'),
    "probe twice": (GOOD, HEAD.replace("tcp_ext", "queues"), 'test.yaml:4: probes.1: "queues" is named twice'),
    "unknown key": (GOOD + "  sevrity: info\n", HEAD, 'test.yaml:13: unknown key "sevrity" in findings.0; did you mean "severity"?'),
    "key twice": (GOOD + "  severity: info\n", HEAD, 'test.yaml:13: key "severity" is given twice (first on line 11); keep one'),
    "missing key": (GOOD.replace("  say:", "  because:"), HEAD, 'test.yaml:7: findings.0: "say" is missing'),
    "fact": (
        GOOD.replace("q.recv_q >", "q.recvq >"),
        HEAD,
        'test.yaml:10: findings.full.when: Queue has no field "recvq"; did you mean "recv_q"? (column 2)',
    ),
    "name": (
        GOOD.replace("queues.rows", "queue.rows"),
        HEAD,
        'test.yaml:8: findings.full.each: no name "queue"; did you mean "queues"? (column 6)',
    ),
    "name in text": (
        GOOD.replace("{q.process}", "{p.process}"),
        HEAD,
        'test.yaml:12: findings.full.say: no name "p" (column 3)',
    ),
    "type": (GOOD.replace("q.recv_q > q.send_q", "q.recv_q"), HEAD, "test.yaml:10: findings.full.when: must be true or false, but is an integer (column 1)"),
    "not a list": (GOOD.replace("queues.rows", "1 + 1"), HEAD, "is an integer: nothing to look through"),
    "no as": (GOOD.replace("  as: q\n", ""), HEAD, 'each needs "as": the name of its items'),
    "as alone": (GOOD.replace("  each: queues.rows\n", ""), HEAD, "each and as go together"),
    "as for a map": (GOOD.replace("queues.rows", "tcp_ext.namespaces").replace("q.recv_q > q.send_q", "true").replace("q.process", "q"), HEAD, "each is a map: name both, as: [key, value]"),
    "as taken": (GOOD.replace("as: q", "as: queues"), HEAD, '"queues" is taken already'),
    "as reserved": (GOOD.replace("as: q", "as: params"), HEAD, '"params" cannot be a name'),
    "id twice": (GOOD + GOOD.lstrip("\n"), HEAD, 'test.yaml:13: findings.full.id: a second finding "full"'),
    "bad id": (GOOD.replace("id: full", "id: Full Queue"), HEAD, "test.yaml:7: findings.0.id: string should match pattern"),
    "severity": (GOOD.replace("critical", "fatal"), HEAD, "test.yaml:11: findings.0.severity"),
    "confirm shape": (GOOD + "  confirm: twice\n", HEAD, "test.yaml:13: findings.0.confirm: string should match pattern"),
    "confirm of more than a visit has": (GOOD + "  confirm: 2 of 4\n", HEAD, "test.yaml:13: findings.full.confirm: a visit has 3 samples"),
    "confirm more than all": (GOOD + "  confirm: 3 of 2\n", HEAD, "a visit has 3 samples"),
    "confirm what is no moment": (
        GOOD.replace("queues.rows", "tcp_ext.namespaces").replace("as: q", "as: [k, c]").replace("q.recv_q > q.send_q", 'delta(k, "A") > 0').replace("q.process", "k") + "  confirm: 2 of 3\n",
        HEAD,
        "test.yaml:13: findings.full.confirm: tcp_ext is not sampled several times in a visit: nothing to confirm",
    ),
    "explains": (GOOD + "  explains: [ful]\n", HEAD, 'test.yaml:13: findings.full.explains.0: no finding "ful"; did you mean "full"?'),
    "explains itself": (GOOD + "  explains: [full]\n", HEAD, '"full" explains "full" too: a circle'),
    "function without its probe": (
        GOOD + "  evidence:\n    x: delta(q.netns, 'A')\n",
        HEAD.replace("tcp_ext, ", ""),
        'test.yaml:14: findings.full.evidence.x: delta reads tcp_ext: add "tcp_ext" to probes',
    ),
    "action": (GOOD + "  offer: [{action: sysctl.sett}]\n", HEAD, 'no action "sysctl.sett"; did you mean "sysctl.set"?'),
    "action's parameter": (
        GOOD + '  offer: [{action: service.restart, with: {unit: x, aftr: 1}}]\n',
        HEAD,
        'service.restart has no parameter "aftr"; did you mean "after"?',
    ),
    "action's missing parameter": (GOOD + "  offer: [{action: service.restart}]\n", HEAD, 'service.restart needs the parameter "unit"'),
    "action's parameter of another type": (
        GOOD + "  offer: [{action: service.restart, with: {unit: x, after: soon}}]\n",
        HEAD,
        'input should be a valid integer, not "soon"',
    ),
    "action's parameter out of range": (
        GOOD + "  offer: [{action: service.restart, with: {unit: x, after: -1}}]\n",
        HEAD,
        "input should be greater than or equal to 0, not -1",
    ),
    "number for text": (GOOD + "  offer: [{action: service.restart, with: {unit: 5}}]\n", HEAD, "input should be a valid string, not 5"),
    "expression of another type": (
        GOOD + '  offer: [{action: service.restart, with: {unit: "{q.port}"}}]\n',
        HEAD,
        "offer.0.with.unit: must be text, but is an integer",
    ),
    "text for a number": (
        GOOD + '  offer: [{action: service.restart, with: {unit: x, after: "{q.port} s"}}]\n',
        HEAD,
        "offer.0.with.after: must be an integer, but is text",
    ),
    "next step": (GOOD + "  offer: [{action: service.restart, with: {unit: x}, then: {action: reboot}}]\n", HEAD, 'offer.0.then.action: no action "reboot"'),
    "parameter's default": (GOOD, "params: {port: {type: integer, default: ssh}}\n" + HEAD, 'test.yaml:1: params.port.default: port: "ssh" is no integer'),
    "parameter's range": (GOOD, "params: {port: {type: string, min: 1}}\n" + HEAD, "min and max are for numbers, not for string"),
    "unknown parameter": (GOOD.replace("q.recv_q > q.send_q", "params.prot == null"), "params: {port: {type: integer, optional: true}}\n" + HEAD, 'Params has no field "prot"; did you mean "port"?'),
    "too many lets": (GOOD + "  let: {" + ", ".join(f"v{n}: 1 + 1" for n in range(13)).replace("1 + 1", "'1'") + "}\n", HEAD, "13 names, more than 12"),
    "let taken": (GOOD + "  let: {q: \"1 + 1\"}\n", HEAD, '"q" is taken already'),
    "line of a block": (GOOD.replace("q.recv_q > q.send_q", "|\n    true &&\n    q.nope"), HEAD, 'test.yaml:12: findings.full.when: Queue has no field "nope"'),
    "no finding": (" []", HEAD.rstrip("\n"), "test.yaml:5: findings"),
}  # fmt: skip


@pytest.mark.parametrize(("findings", "head", "line"), WRONG.values(), ids=WRONG)
def test_a_wrong_playbook_is_refused_with_place_fault_and_remedy(findings: str, head: str, line: str) -> None:
    told = faults(findings, head)
    assert any(line in fault for fault in told), told


def test_a_plain_number_or_truth_is_an_expression_too() -> None:
    assert playbook(GOOD.replace("q.recv_q > q.send_q", "true") + "  evidence: {limit: 5, share: 0.5}\n").checks


def test_every_fault_is_told_at_once() -> None:
    told = faults(
        GOOD.replace("q.recv_q >", "q.recvq >").replace("{q.process}", "{q.proces}") + "  explains: [nothing]\n",
        HEAD.replace("tcp_ext", "tcp"),
    )
    assert [fault.split(": ")[0] for fault in told] == ["test.yaml:4", "test.yaml:10", "test.yaml:12", "test.yaml:13"]


PARAMS = """params:
  port: {type: integer, optional: true, min: 1, max: 65535}
  wait: {type: duration, default: 30s}
  share: {type: number, default: 0.5}
  deep: {type: boolean, default: no}
  way: {type: string, default: in, choices: [in, out]}
"""


def with_params() -> Playbook:
    return playbook(GOOD, head=PARAMS + HEAD)


def test_parameters_are_typed_and_default() -> None:
    assert bind(with_params(), {}) == {"port": None, "wait": 30.0, "share": 0.5, "deep": False, "way": "in"}
    given = {"port": "80", "wait": "5m", "share": "1", "deep": "yes", "way": "out", "other": "x"}
    assert bind(with_params(), given) == {"port": 80, "wait": 300.0, "share": 1.0, "deep": True, "way": "out"}
    assert bind(with_params(), {"wait": "500ms"})["wait"] == 0.5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"port": "http"}, 'port: "http" is no integer'),
        ({"port": "0"}, "port: 0 must be from 1 to 65535"),
        ({"wait": "soon"}, 'wait: "soon" is no duration; write 500ms, 30s, 5m or 1h'),
        ({"deep": "maybe"}, "neither true nor false"),
        ({"way": "up"}, 'way: "up" is none of in, out'),
        ({"prot": "80"}, 'no parameter "prot" in test; did you mean "port"?'),
    ],
)
def test_a_wrong_parameter_is_told_to_the_asker(given: dict[str, str], words: str) -> None:
    with pytest.raises(AskError, match=words.replace("?", r"\?")):
        check_params([with_params()], given)


def test_a_parameter_without_a_default_is_asked_for() -> None:
    needy = playbook(GOOD, head="params: {port: {type: integer, about: which port}}\n" + HEAD)
    with pytest.raises(AskError, match=r"test needs port=… \(which port\)"):
        bind(needy, {})


KEYS = st.sampled_from(
    "id each as let where when confirm severity scope evidence say because explains offer".split()  # noqa: SIM905
    + "name title about probes findings params action with then type else".split()  # noqa: SIM905
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["q", "queues", "queues.rows", "{q}", "{", "full", "2 of 3"])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)  # fmt: skip


@given(st.one_of(VALUES, st.text(max_size=100)))
def test_no_text_crashes_the_loader_with_anything_but_config_error(value: object) -> None:
    import json

    text = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(ConfigError):
        read_playbook(text, "test.yaml", PROBES, ACTIONS)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_no_finding_crashes_the_loader_with_anything_but_config_error(keys: dict[str, object]) -> None:
    import json

    finding = {"id": "x", "when": "true", "severity": "info", "say": "x", **keys}
    document = {"name": "t", "title": "t", "about": "t", "probes": ["queues"], "findings": [finding]}
    try:
        found: object = read_playbook(json.dumps(document), "test.yaml", PROBES, ACTIONS)
    except ConfigError as refused:
        found = str(refused)
    assert isinstance(found, Playbook) or (isinstance(found, str) and found.startswith("test.yaml:"))
