"""Do the shipped playbooks find what they promise, in every case, and nothing else?"""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from bot.actions import catalog as action_catalog
from bot.adapters.files.cases import all_cases, case_files, read_case, run_case
from bot.adapters.files.playbooks import lint, load_playbooks, read_playbook
from bot.adapters.files.strict_yaml import load
from bot.core.case import Case
from bot.core.functions import FUNCTIONS
from bot.core.playbook_schema import playbook_schema
from bot.core.playbook_spec import FindingSpec, OfferSpec, ParamSpec, PlaybookSpec
from bot.probes import catalog as probe_catalog

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "playbooks"
PROBES, ACTIONS = probe_catalog(), action_catalog()
PLAYBOOKS = load_playbooks(FOLDER, PROBES, ACTIONS)
CASES = list(all_cases(FOLDER))
CHECKS = [(name, check.id) for name, playbook in PLAYBOOKS.items() for check in playbook.checks]
MEASURES = [(name, rule.id) for name, playbook in PLAYBOOKS.items() for rule in playbook.measures]


@pytest.mark.parametrize("file", CASES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_case_comes_to_what_it_expects(file: Path) -> None:
    assert run_case(file, PLAYBOOKS[file.parent.name], PROBES) == ()


def test_the_folder_is_sound() -> None:
    assert lint(FOLDER, PROBES, ACTIONS) == []


@pytest.mark.parametrize(("name", "finding"), CHECKS)
def test_every_finding_has_a_case_that_finds_it_and_one_that_cannot_tell(name: str, finding: str) -> None:
    expected = [read_case(file).expect for file in case_files(FOLDER / "cases" / name)]
    assert any(finding in {found.id for found in case.findings} for case in expected)
    assert any(finding in case.undecided for case in expected)


@pytest.mark.parametrize(("name", "measure"), MEASURES)
def test_every_measure_has_a_case_that_takes_it_and_one_that_cannot(name: str, measure: str) -> None:
    cases = [read_case(file).expect for file in case_files(FOLDER / "cases" / name)]
    wanted = [one for case in cases for one in case.measures if one.id == measure]
    assert any(one.value is not None for one in wanted)
    assert any(one.absent for one in wanted)


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_playbook_has_a_recorded_case_and_a_healthy_one(name: str) -> None:
    cases = [read_case(file) for file in case_files(FOLDER / "cases" / name)]
    assert any(case.recording for case in cases)
    assert any(case.expect.status == "ok" for case in cases)


def test_the_promised_findings_exist() -> None:
    promised = {"accept-queue-overflow", "backlog-capped", "listen-drops", "tcp-socket-leak", "close-wait-leak"}
    assert promised <= {finding for _name, finding in CHECKS}


SCHEMA = Draft202012Validator(playbook_schema(PROBES, ACTIONS))


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_the_editors_schema_accepts_what_ships(name: str) -> None:
    file = FOLDER / f"{name}.yaml"
    SCHEMA.validate(load(file.read_bytes(), str(file)).value)


@pytest.mark.parametrize(
    "change",
    [
        {"probes": ["listen_queue"]},
        {"findings": [], "measures": []},
        {"titel": "x"},
        {"findings": [{"id": "x", "when": "true", "severity": "fatal", "say": "x"}]},
        {"findings": [{"id": "x", "when": "true", "severity": "info", "say": "x", "offer": [{"action": "reboot"}]}]},
        {"findings": [{"id": "X Y", "when": "true", "severity": "info", "say": "x"}]},
    ],
)
def test_the_editors_schema_refuses_what_the_loader_refuses(change: dict[str, object]) -> None:
    file = FOLDER / "socket-fds.yaml"
    document = load(file.read_bytes(), str(file)).value
    assert not SCHEMA.is_valid(document | change)


def test_the_guides_example_is_a_playbook_and_its_case_passes(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "playbooks.md").read_text()
    blocks = [block.split("```")[0] for block in guide.split("```yaml\n")[1:]]
    example = next(block for block in blocks if block.startswith("name: "))
    case = next(block for block in blocks if block.startswith("about: "))
    file = tmp_path / "case.yaml"
    file.write_text(case)
    assert run_case(file, read_playbook(example, "example.yaml", PROBES, ACTIONS), PROBES) == ()


def test_the_guide_names_every_function_and_every_key() -> None:
    guide = (ROOT / "docs" / "playbooks.md").read_text()
    named = {function.name for function in FUNCTIONS} | set(ParamSpec.model_fields)
    for model in (PlaybookSpec, FindingSpec, OfferSpec, Case):
        named |= {field.alias or name for name, field in model.model_fields.items()}
    missing = {name for name in named if not any(word in guide for word in (f"`{name}`", f"`{name}(", f".{name}("))}
    assert missing == set()
