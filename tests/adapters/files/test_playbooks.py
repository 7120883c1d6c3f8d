"""Does a folder of playbooks load as one, and tell every fault of every file?"""

from pathlib import Path

import pytest

from bot.adapters.files.playbooks import lint, load_playbooks
from bot.core.errors import ConfigError
from tests.fakes.doctor import ACTIONS, PROBES

PLAYBOOK = """name: {name}
title: T
about: A
probes: [queues]
findings:
  - {{id: {name}-full, each: queues.rows, as: q, when: q.recv_q > 1, severity: info, say: x, explains: [{explains}]}}
"""


def write(folder: Path, name: str, explains: str = "", **changes: str) -> Path:
    text = PLAYBOOK.format(name=name, explains=explains)
    for old, new in changes.items():
        text = text.replace(old, new)
    file = folder / f"{name}.yaml"
    file.write_text(text)
    return file


def test_playbooks_are_known_by_name_and_may_explain_each_other(tmp_path: Path) -> None:
    write(tmp_path, "one", explains="two-full")
    write(tmp_path, "two")
    (tmp_path / "README.md").write_text("no playbook")
    loaded = load_playbooks(tmp_path, PROBES, ACTIONS)
    assert list(loaded) == ["one", "two"]
    assert loaded["one"].checks[0].explains == ("two-full",)


def test_the_faults_of_every_file_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "one", recv_q="recvq", explains="tow-full")
    write(tmp_path, "two", queues="queue")
    (tmp_path / "three.yaml").write_text("name: [\n")
    (tmp_path / "four.yaml").write_text("")
    with pytest.raises(ConfigError) as refused:
        load_playbooks(tmp_path, PROBES, ACTIONS)
    told = str(refused.value).replace(f"{tmp_path}/", "").splitlines()
    assert told == [line.replace(f"{tmp_path}/", "") for line in lint(tmp_path, PROBES, ACTIONS)]
    for expected in (
        "four.yaml:1: is empty",
        'one.yaml:6: findings.one-full.when: Queue has no field "recvq"; did you mean "recv_q"? (column 2)',
        'one.yaml:6: findings.one-full.explains.0: no finding "tow-full"; did you mean "two-full"?',
        "three.yaml:2: not YAML",
        'two.yaml:4: probes.0: no probe "queue"; did you mean "queues"?',
    ):
        assert any(line.startswith(expected) for line in told), (expected, told)


def test_what_is_remembered_of_a_file_holds_for_the_same_bytes_and_the_same_probes_alone(tmp_path: Path) -> None:
    file = write(tmp_path, "one")
    first = load_playbooks(tmp_path, PROBES, ACTIONS)["one"]
    assert load_playbooks(tmp_path, dict(PROBES), ACTIONS)["one"] is first
    assert "no probe" in lint(tmp_path, {name: probe for name, probe in PROBES.items() if name != "queues"}, ACTIONS)[0]
    assert lint(tmp_path, PROBES, ACTIONS) == []
    write(tmp_path, "one", info="warning")
    assert load_playbooks(tmp_path, PROBES, ACTIONS)["one"].revision != first.revision
    copy = tmp_path / "two.yaml"
    copy.write_bytes(file.read_bytes())
    assert lint(tmp_path, PROBES, ACTIONS)[0].startswith(f"{copy}:1: name: ")


def test_a_file_is_named_as_its_playbook(tmp_path: Path) -> None:
    write(tmp_path, "one").rename(tmp_path / "other.yaml")
    assert lint(tmp_path, PROBES, ACTIONS) == [f"{tmp_path}/other.yaml:1: name: must be the file's name"]


def test_causes_do_not_run_in_a_circle_across_files(tmp_path: Path) -> None:
    write(tmp_path, "one", explains="two-full")
    write(tmp_path, "two", explains="one-full")
    assert all("a circle" in fault for fault in lint(tmp_path, PROBES, ACTIONS))
    assert len(lint(tmp_path, PROBES, ACTIONS)) == 2


def test_no_folder_or_an_empty_one_is_a_fault(tmp_path: Path) -> None:
    assert "no playbook" in lint(tmp_path, PROBES, ACTIONS)[0]
    assert "no such folder" in lint(tmp_path / "none", PROBES, ACTIONS)[0]


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "one").write_text("x: " + "y" * 70_000)
    assert "more than the 65536 allowed" in lint(tmp_path, PROBES, ACTIONS)[0]
