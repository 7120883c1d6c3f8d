"""Do playbooks fit together: names, which finding explains which, and whose number a measure is?"""

from collections.abc import Mapping, Sequence

from bot.core.checker import Wrong
from bot.core.errors import nearest
from bot.core.playbook_spec import PlaybookSpec


def link(specs: Sequence[PlaybookSpec]) -> Mapping[int, Sequence[Wrong]]:
    """Faults between playbooks, by index: two of one name, `explains` of what nobody finds, causes in a circle, two
    measures of one name, for the past of both would be one.
    """
    wrong: dict[int, list[Wrong]] = {index: [] for index in range(len(specs))}
    known = {finding.id for spec in specs for finding in spec.findings}
    owners: dict[str, int] = {}
    causes: dict[str, set[str]] = {}
    for spec in specs:
        for finding in spec.findings:
            causes.setdefault(finding.id, set()).update(finding.explains)
    for index, spec in enumerate(specs):
        first = next(other for other, twin in enumerate(specs) if twin.name == spec.name)
        if first != index:
            wrong[index].append(Wrong(("name",), f'a second playbook "{spec.name}"'))
        for number, finding in enumerate(spec.findings):
            for position, symptom in enumerate(finding.explains):
                path = ("findings", number, "explains", position)
                if symptom not in known:
                    wrong[index].append(Wrong(path, f'no finding "{symptom}"{nearest(symptom, known)}'))
                elif finding.id in _reached(symptom, causes):
                    wrong[index].append(Wrong(path, f'"{symptom}" explains "{finding.id}" too: a circle'))
        for number, measure in enumerate(spec.measures):
            owner = specs[owners.setdefault(measure.id, index)].name
            if owner != spec.name:
                what = f'a second measure "{measure.id}": playbook "{owner}" keeps one of that name'
                wrong[index].append(Wrong(("measures", number, "id"), what))
    return wrong


def _reached(start: str, causes: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        here = todo.pop()
        if here not in seen:
            seen.add(here)
            todo.extend(causes.get(here, ()))
    return seen
