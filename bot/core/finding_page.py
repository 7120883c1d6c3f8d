"""What does a finding mean, how is it decided, and what can be done? One page for each, made from its playbook.

Pure: playbooks as written, probes and actions in; Markdown out. Nothing here knows a host.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core import insight_pages
from bot.core.action import Action
from bot.core.change import Plan
from bot.core.outline import plural
from bot.core.playbook_spec import CONFIRM, FindingSpec, OfferSpec, ParamSpec, PlaybookSpec, SeverityTable
from bot.core.probe import Probe, Sampling
from bot.core.template import written

MADE = "<!-- made by `netdiag playbooks docs`: edit the playbook, not this page -->"
INDEX = "README.md"

LONG = 200
"""Characters of alternatives that read better as a list."""
WIDE = 100
"""Characters of a condition that read well in a line."""

_SAMPLED: Mapping[Sampling, str] = {
    Sampling.ONCE: "read once",
    Sampling.COUNTER: "read twice, so that counters are rates",
    Sampling.MOMENTARY: "looked at three times",
    Sampling.LAST: "read at the end of the visit",
}


@dataclass(frozen=True, slots=True)
class Example:
    """An offer that was planned against a case: what would be done there, and what that may do."""

    case: str
    action: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that the pages are made from. `examples` are of findings, by (playbook, finding id)."""

    playbooks: Sequence[PlaybookSpec]
    probes: Mapping[str, Probe[Any]]
    actions: Mapping[str, Action[Any]]
    examples: Mapping[tuple[str, str], Sequence[Example]] = field(default_factory=dict)


def pages(library: Library) -> Mapping[str, str]:
    """Every page by file name: one for each finding, and an index."""
    found = {INDEX: _index(library)}
    by_id: dict[str, list[tuple[PlaybookSpec, FindingSpec]]] = {}
    for playbook in library.playbooks:
        for finding in playbook.findings:
            by_id.setdefault(finding.id, []).append((playbook, finding))
    for name, several in by_id.items():
        body = "\n".join(line for playbook, finding in several for line in _page(library, playbook, finding))
        found[f"{name}.md"] = f"{MADE}\n\n{body.rstrip()}\n"
    for one in insight_pages.INSIGHTS:
        found[f"{one.id}.md"] = "\n".join((MADE, "", *insight_pages.page(one), ""))
    return found


def _index(library: Library) -> str:
    count = sum(len(playbook.findings) for playbook in library.playbooks)
    lines = [MADE, "", "# Findings", ""]
    lines.append(
        f"What netdiag can find: {plural(count, 'finding')} of {plural(len(library.playbooks), 'playbook')}. Each page "
        "says what it means, how it is decided, what else looks like it, and what can be done."
    )
    for playbook in (playbook for playbook in library.playbooks if playbook.findings):
        lines += ["", f"## {playbook.title}", "", f"{playbook.about} (`{playbook.name}`)", ""]
        lines += [
            f"- [{finding.id}]({finding.id}.md): {finding.title or playbook.title} ({_levels(finding)})"
            for finding in playbook.findings
        ]
    return "\n".join([*lines, *insight_pages.index()]) + "\n"


def _page(library: Library, playbook: PlaybookSpec, finding: FindingSpec) -> Iterator[str]:
    yield f"# {finding.title or playbook.title}"
    yield ""
    yield f"`{finding.id}`, {_levels(finding)}. Playbook `{playbook.name}`: {playbook.about}"
    yield ""
    if finding.because:
        yield from ("## What it means", "", *paragraphs(finding.because))
    yield from _decided(library, playbook, finding)
    yield from _listed("What else looks like it", finding.looks_like)
    yield from _related(library, finding)
    if finding.offer:
        yield from ("## What can be done", "")
        for offer in finding.offer:
            yield from _offer(library, library.examples.get((playbook.name, finding.id), ()), offer)
        yield ""
    yield from _listed("Sources", finding.sources)


def _levels(finding: FindingSpec) -> str:
    table = finding.severity
    if not isinstance(table, SeverityTable):
        return table.value
    return " or ".join([name for name in ("critical", "warning") if getattr(table, name) is not None] + [table.else_])


def _decided(library: Library, playbook: PlaybookSpec, finding: FindingSpec) -> Iterator[str]:
    yield from ("## How it is decided", "")
    looked = f"For every `{'`, `'.join(_item(finding))}` of `{_flat(finding.each)}`" if finding.each else "Once a host"
    confirm = re.fullmatch(CONFIRM, finding.confirm or "")
    times = f", in {confirm[1]} of {confirm[2]} looks" if confirm else ""
    yield f"{looked}, this must be true{times}:"
    yield from ("", "```", *_code(finding), "```", "")
    if isinstance(finding.severity, SeverityTable):
        for name in ("critical", "warning"):
            condition = getattr(finding.severity, name)
            if condition is not None:
                yield f"- {name} when `{_flat(condition)}`"
        yield from (f"- {finding.severity.else_} otherwise", "")
    used = [name for name in playbook.params if f"params.{name}" in _everything(finding)]
    if used:
        yield from ("Thresholds that the asker may set:", "")
        yield from (_param(name, playbook.params[name]) for name in used)
        yield ""
    yield from ("It is read from:", "")
    for name in playbook.probes:
        probe = library.probes[name]
        yield f"- `{name}` ({_SAMPLED[probe.sampling]}): {probe.question}"
    yield from ("", "Without that evidence it is unknown, with the reason, and never healthy.", "")
    if finding.across:
        others = "`, `".join(finding.across)
        yield from (f"It looks at `{others}` of the run's other hosts, too: without them it is unknown.", "")
    if finding.evidence:
        yield from (f"The finding proves itself with: {', '.join(f'`{name}`' for name in finding.evidence)}.", "")


def _item(finding: FindingSpec) -> Sequence[str]:
    return (finding.as_,) if isinstance(finding.as_, str) else finding.as_ or ("item",)


def _code(finding: FindingSpec) -> Iterator[str]:
    """The condition with the names that it uses, as CEL."""
    conditions = [part for part in (finding.where, finding.when) if part is not None]
    needed = _needed(finding.let, conditions)
    yield from (f"{name} = {_flat(source)}" for name, source in finding.let.items() if name in needed)
    *first, last = conditions
    yield from (f"({_flat(condition)}) &&" for condition in first)
    yield from _lines(f"({_flat(last)})" if first and "||" in last else _flat(last))


def _lines(condition: str) -> Iterator[str]:
    """A long condition, a line for each part that must be true."""
    while len(condition) > WIDE and (parts := _cut(condition, "&")) and parts[1].startswith("&"):
        yield f"{parts[0].strip()} &&"
        condition = parts[1][1:].strip()
    yield condition


def _needed(lets: Mapping[str, str], conditions: Sequence[str]) -> set[str]:
    found: set[str] = set()
    todo = list(conditions)
    while todo:
        words = set(re.findall(r"\w+", todo.pop()))
        for name in (words & set(lets)) - found:
            found.add(name)
            todo.append(lets[name])
    return found


def _everything(finding: FindingSpec) -> str:
    table = finding.severity
    rungs = [table.critical, table.warning] if isinstance(table, SeverityTable) else []
    return " ".join(part for part in (finding.where, finding.when, *finding.let.values(), *rungs) if part)


def _param(name: str, spec: ParamSpec) -> str:
    usual = f"{spec.default} unless given" if spec.default is not None else "none unless given"
    return f"- `{name}` ({usual}): {spec.about or spec.type}"


def _related(library: Library, finding: FindingSpec) -> Iterator[str]:
    causes = [other.id for playbook in library.playbooks for other in playbook.findings if finding.id in other.explains]
    for title, names in (("It explains", finding.explains), ("It may be a symptom of", causes)):
        if names:
            yield from (f"{title}: {', '.join(f'[{name}]({name}.md)' for name in dict.fromkeys(names))}.", "")


def _offer(library: Library, examples: Sequence[Example], offer: OfferSpec, level: int = 0) -> Iterator[str]:
    pad = "  " * level
    action = library.actions[offer.action]
    only = f", when `{_flat(offer.when)}`" if offer.when else ""
    first = "Then, if the fault is still there: " if level else ""
    yield f"{pad}- {first}**{action.title}** (`{offer.action}`{only}). {prose(offer.say)}".rstrip()
    example = next((one for one in examples if one.action == offer.action), None)
    if example is not None:
        yield from (f"{pad}  - {line}" for line in _planned(example))
    if offer.then is not None:
        yield from _offer(library, examples, offer.then, level + 1)


def _planned(example: Example) -> Iterator[str]:
    plan = example.plan
    yield f"risk: {plan.risk}; {'can be taken back' if plan.inverse else 'cannot be taken back'}"
    yield f"impact: {plan.impact}"
    if plan.not_fixed:
        yield f"does not fix: {plan.not_fixed}"
    yield f"such as `{' '.join(plan.steps[0])}` (from the case `{example.case}`)"


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    listed = [f"- {line}" for line in lines]
    if listed:
        yield from (f"## {title}", "", *listed, "")


def _flat(source: str | None) -> str:
    return " ".join((source or "").split())


def prose(template: str) -> str:
    """A template as a sentence: what depends on the host stands as a name, and one of several texts as all of them."""
    return " ".join("".join(_inline(text) if code else text for text, code in written(template)).split())


def paragraphs(template: str) -> Iterator[str]:
    """The same with long alternatives as a list of their own."""
    line = ""
    for text, code in written(template):
        several = alternatives(text) if code else ()
        if sum(len(value) for _, value in several) < LONG or len(several) == 1:
            line += _inline(text) if code else text
            continue
        if line.strip():
            yield from (" ".join(line.split()), "")
        line = ""
        yield from (f"- {value} ({f'when `{condition}`' if condition else 'else'})" for condition, value in several)
        yield ""
    if line.strip():
        yield from (" ".join(line.split()), "")


def _inline(code: str) -> str:
    several = alternatives(code)
    if len(several) == 1:
        return several[0][1]
    told = [value for _, value in several if value]
    return told[0] if len(told) == 1 else f"({' | '.join(told)})"


def alternatives(code: str) -> Sequence[tuple[str, str]]:
    """`a ? "x" : b ? "y" : "z"` as (condition, what it says), the last without a condition."""
    found: list[tuple[str, str]] = []
    rest = _flat(code)
    while True:
        asked = _cut(rest, "?")
        chosen = _cut(asked[1], ":") if asked else None
        if asked is None or chosen is None:
            return (*found, ("", _value(rest)))
        found.append((asked[0].strip(), _value(chosen[0])))
        rest = chosen[1]


def _value(code: str) -> str:
    """A text as it reads: quoted parts bare, the rest as code."""
    parts, rest = [], code.strip()
    while rest:
        joined = _cut(rest, "+")
        part, rest = (joined[0].strip(), joined[1].strip()) if joined else (rest, "")
        quoted = len(part) > 1 and part[0] in "\"'" and part[-1] == part[0] and _cut(part[1:-1], part[0]) is None
        parts.append(part[1:-1].replace('\\"', '"') if quoted else f"`{part}`")
    if any(part.startswith("`") for part in parts) and not any(not part.startswith("`") for part in parts):
        return f"`{code.strip()}`"  # sums of numbers stay one expression
    return "".join(parts)


def _cut(code: str, mark: str) -> tuple[str, str] | None:
    """What stands before and after the first `mark` outside of quotes and brackets."""
    depth, quote, at = 0, "", 0
    while at < len(code):
        char = code[at]
        if quote:
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char == mark and depth == 0:
            return code[:at], code[at + 1 :]
        elif char in "\"'":
            quote = char
        else:
            depth += (char in "([{") - (char in ")]}")
        at += 1
    return None
