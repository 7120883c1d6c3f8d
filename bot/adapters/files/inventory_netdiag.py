"""What does a `hosts.yaml` of netdiag's own shape say? (`defaults`, `hosts`, `groups` with settings, `expect`.)

A host's own value wins over its groups', and those over the defaults. Two groups that disagree about a host are a
fault: which of them was meant is nothing to guess.
"""

from pathlib import Path
from typing import Any

from bot.adapters.files.inventory_draft import FIELDS, Draft, Given, GroupDraft, HostDraft
from bot.adapters.files.strict_yaml import Document
from bot.core.errors import nearest

SECTIONS = ("defaults", "hosts", "groups", "expect")
_OWN = frozenset({"address", "recording"})  # no two hosts share these


def read(document: Document, directory: Path) -> Draft:
    """The draft of netdiag's own inventory format; every fault is noted in it."""
    draft = Draft(directory)
    top = _mapping(draft, document, ())
    for key in top:
        if key not in SECTIONS:
            draft.fault(document.place((key,)), f'unknown key "{key}"{nearest(key, SECTIONS)}')
    defaults = _settings(draft, document, ("defaults",), "defaults", ())
    own = {name: _settings(draft, document, ("hosts", name), "", ()) for name in _mapping(draft, document, ("hosts",))}
    shared = {name: dict(defaults) for name in own}
    for group in _mapping(draft, document, ("groups",)):
        _group(draft, document, group, own, shared)
    for name, given in own.items():
        labels = _labels(shared[name].get("labels"), given.get("labels"))
        merged = {**shared[name], **given, **labels}
        draft.hosts[name] = HostDraft(document.place(("hosts", name)), merged)
    draft.expect, draft.expect_at = _mapping(draft, document, ("expect",)), document.place(("expect",))
    return draft


def _group(
    draft: Draft, document: Document, group: str, own: dict[str, dict[str, Given]], shared: dict[str, dict[str, Given]]
) -> None:
    path: tuple[str, ...] = ("groups", group)
    body = _value(document, path)
    if isinstance(body, list):
        where, names, settings = path, body, dict[str, Given]()
    else:
        settings = _settings(draft, document, path, f"group {group}", ("hosts",))
        where = (*path, "hosts")
        names = _value(document, where) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        draft.fault(document.place(where), f'group "{group}": hosts must be a list of host names')
        names = []
    members = {name: document.place((*where, index)) for index, name in enumerate(names)}
    draft.groups[group] = GroupDraft(document.place(path), members)
    for name in names:
        for key, given in settings.items() if name in own else ():
            before = shared[name].get(key)
            quarrel = before is not None and before.shared.startswith("group ") and before.value != given.value
            if quarrel and key not in own[name] and key != "labels":
                assert before is not None
                draft.fault(given.place, f'{key} of host "{name}" differs in {before.shared}; set it on the host')
            labels = _labels(before, given) if key == "labels" else {}
            shared[name].update({key: given, **labels})


def _labels(before: Given | None, after: Given | None) -> dict[str, Given]:
    """Labels add up, where other settings replace each other."""
    if before is None or after is None or not isinstance(before.value, dict) or not isinstance(after.value, dict):
        return {}
    return {"labels": Given({**before.value, **after.value}, after.place, after.shared)}


def _settings(
    draft: Draft, document: Document, path: tuple[str, ...], shared: str, besides: tuple[str, ...]
) -> dict[str, Given]:
    valid = [key for key in FIELDS if not (shared and key in _OWN)]
    given = {}
    for key, value in _mapping(draft, document, path).items():
        place = document.place((*path, key))
        if key in valid:
            given[key] = Given(value, place, shared)
        elif key not in besides:
            draft.fault(place, f'unknown key "{key}"{nearest(key, (*valid, *besides))}')
    return given


def _mapping(draft: Draft, document: Document, path: tuple[str, ...]) -> dict[str, Any]:
    value = _value(document, path)
    if isinstance(value, dict):
        return value
    if value is not None:
        what = f'"{path[-1]}"' if path else "the inventory"
        draft.fault(document.place(path), f"{what} must be a mapping (key: value), not {value!r}"[:300])
    return {}


def _value(document: Document, path: tuple[str, ...]) -> Any:
    value = document.value
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
