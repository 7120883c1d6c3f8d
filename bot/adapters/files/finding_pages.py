"""Which pages about findings belong to a folder of playbooks, and how are they written?"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from bot.adapters.files.cases import case_files, judged, read_case, visited
from bot.adapters.files.playbooks import Actions, Probes, load_playbooks, read_specs
from bot.core.change import Plan
from bot.core.errors import ConfigError, NetdiagError
from bot.core.finding_page import MADE, Example, Library, pages
from bot.core.playbook import Playbook
from bot.core.report import Offer


def finding_pages(playbooks: Path, probes: Probes, actions: Actions) -> Mapping[str, str]:
    """Every page by file name, with examples from the playbooks' cases. Raises ConfigError for unsound playbooks."""
    loaded = load_playbooks(playbooks, probes, actions)
    examples: dict[tuple[str, str], list[Example]] = {}
    for playbook in (playbook for playbook in loaded.values() if playbook.actions):
        for finding, example in _examples(playbooks / "cases" / playbook.name, playbook, probes, actions):
            known = examples.setdefault((playbook.name, finding), [])
            if all(one.action != example.action for one in known):
                known.append(example)
    return pages(Library(read_specs(playbooks), probes, actions, examples))


def write_pages(directory: Path, made: Mapping[str, str]) -> tuple[int, int]:
    """Write the pages that differ, remove made ones that are stale: (written, removed). Raises ConfigError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        stale = [path for path in directory.glob("*.md") if path.name not in made and _made(path)]
        changed = [(directory / name, text) for name, text in made.items() if _text(directory / name) != text]
        for path, text in changed:
            path.write_text(text, encoding="utf-8")
        for path in stale:
            path.unlink()
    except OSError as fault:
        raise ConfigError(f"{directory}: cannot be written ({fault.strerror})") from None
    return len(changed), len(stale)


def _made(path: Path) -> bool:
    return (_text(path) or "").startswith(MADE)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _examples(folder: Path, playbook: Playbook, probes: Probes, actions: Actions) -> Iterator[tuple[str, Example]]:
    """Offers of the cases that an action really plans, against what the case's visit saw."""
    for file in case_files(folder):
        try:
            case = read_case(file)
            seen = visited(case, file, playbook, probes)
            report = judged(seen, case, file, playbook, probes)
        except NetdiagError:
            continue  # `netdiag playbooks test` tells what is wrong with it
        for finding in report.findings:
            for offer in _chain(finding.offers):
                action = actions[offer.action]
                try:
                    plan = action.plan(action.params.model_validate(dict(offer.params)), seen)
                except ValidationError:
                    continue
                if isinstance(plan, Plan):
                    yield finding.id, Example(file.stem, offer.action, plan)


def _chain(offers: Iterable[Offer]) -> Iterator[Offer]:
    for offer in offers:
        step: Offer | None = offer
        while step is not None:
            yield step
            step = step.then
