"""Does every finding have a page that says what its playbook says, and are the pages in docs/findings those?"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.actions import catalog as action_catalog
from bot.adapters.files.finding_pages import finding_pages, write_pages
from bot.adapters.files.playbooks import read_specs
from bot.core.finding_page import INDEX, MADE, alternatives, prose
from bot.core.playbook_spec import FindingSpec
from bot.probes import catalog as probe_catalog

ROOT = Path(__file__).parents[2]
PROBES, ACTIONS = probe_catalog(), action_catalog()
FINDINGS = [(book.name, finding) for book in read_specs(ROOT / "playbooks") for finding in book.findings]


@pytest.fixture(scope="module")
def pages() -> Mapping[str, str]:
    """What is in docs/findings, made anew: not at import, for every worker imports this."""
    return finding_pages(ROOT / "playbooks", PROBES, ACTIONS)


@pytest.mark.parametrize("finding", [finding for _, finding in FINDINGS], ids=[f"{b}-{f.id}" for b, f in FINDINGS])
def test_a_page_holds_everything_that_the_playbook_says_for_it(pages: Mapping[str, str], finding: FindingSpec) -> None:
    page = pages[f"{finding.id}.md"]
    assert page.startswith(MADE)
    assert finding.title in page
    assert "## How it is decided" in page
    for part in (*finding.looks_like, *finding.sources, *finding.evidence):
        assert part in page
    for offer in finding.offer:
        assert f"`{offer.action}`" in page
        assert ACTIONS[offer.action].title in page
    for name in finding.explains:
        assert f"]({name}.md)" in page
        assert f"]({finding.id}.md)" in pages[f"{name}.md"], "and the symptom's page names its cause"
    assert f"]({finding.id}.md)" in pages[INDEX]


@pytest.mark.parametrize("finding", [finding for _, finding in FINDINGS], ids=[f"{b}-{f.id}" for b, f in FINDINGS])
def test_a_shipped_finding_says_what_else_looks_like_it_and_where_to_read_on(finding: FindingSpec) -> None:
    assert finding.looks_like
    assert finding.sources


def test_a_page_names_the_honest_impact_of_a_fix_as_it_was_planned_in_a_case(pages: Mapping[str, str]) -> None:
    page = pages["accept-queue-overflow.md"]
    places = [page.index(part) for part in ("`sysctl.set`", "risk: low", "impact: no traffic", "service.restart")]
    assert places == sorted(places)
    assert "every connection of the service is dropped" in page
    assert "does not fix: listeners keep their backlog" in page


def test_pages_are_the_same_however_often_they_are_made(pages: Mapping[str, str]) -> None:
    assert finding_pages(ROOT / "playbooks", PROBES, ACTIONS) == pages


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("plain {{braces}}", "plain {braces}"),
        ("limited to {q.send_q}", "limited to `q.send_q`"),
        ('{a > 1 ? "many" : "few"} queues', "(many | few) queues"),
        ('{a ? "now " + b.c + " too" : ""}', "now `b.c` too"),
        ('{rate(id, "X: y")}/s', '`rate(id, "X: y")`/s'),
        ("{double(a) + 1.0}", "`double(a) + 1.0`"),
        ('{a == "" ? "none" : a}', "(none | `a`)"),
    ],
)
def test_a_template_reads_as_a_sentence(template: str, said: str) -> None:
    assert prose(template) == said


def test_alternatives_are_told_with_their_conditions() -> None:
    assert alternatives('a in ["?"] ? "x: y" : b(c ? 1 : 2) ? "z" : "rest"') == (
        ('a in ["?"]', "x: y"),
        ("b(c ? 1 : 2)", "z"),
        ("", "rest"),
    )


def test_pages_are_written_once_and_stale_ones_go(pages: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "own.md").write_text("written by hand")
    (tmp_path / "gone.md").write_text(f"{MADE}\n\n# Gone\n")
    assert write_pages(tmp_path, pages) == (len(pages), 1)
    assert write_pages(tmp_path, pages) == (0, 0)
    assert (tmp_path / "own.md").read_text() == "written by hand"


OWN = """name: own
title: Own
about: Is it so?
probes: [units]
findings:
  - id: own-fault
    when: units.manager == "systemd"
    severity: info
    say: so
    offer: [{action: service.restart, with: {unit: shop}, say: It helps.}]
"""


def test_somebodys_own_playbooks_need_no_cases_for_their_pages(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    page = finding_pages(tmp_path, PROBES, ACTIONS)["own-fault.md"]
    assert "**Restart a service** (`service.restart`). It helps." in page
    assert "such as" not in page


def test_the_pages_in_the_repository_are_current(pages: Mapping[str, str]) -> None:
    place = ROOT / "docs" / "findings"
    kept = {path.name: path.read_text() for path in place.glob("*.md") if path.read_text().startswith(MADE)}
    wrong = sorted(name for name in {*kept, *pages} if kept.get(name) != pages.get(name))
    assert not wrong, "run `make docs`"
