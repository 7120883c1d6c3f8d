"""Do the playbooks pass their cases? Each goes the whole way: program, recorded answer, parsers, diagnosis."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from bot.adapters.files.playbooks import Actions, Probes, load_playbooks
from bot.adapters.files.strict_yaml import load
from bot.adapters.files.validate import validate
from bot.core import recording as recordings
from bot.core.across import Aside, aside, probes_across
from bot.core.case import Case, OtherHost, differences
from bot.core.diagnosis import complete, diagnose
from bot.core.errors import ConfigError, NetdiagError, nearest
from bot.core.host import Cause, Host, HostFailure
from bot.core.params import check_params
from bot.core.playbook import Playbook
from bot.core.probe import SAMPLES, Facts, Probe, Sampling, Unknown
from bot.core.recording import Recording
from bot.core.report import HostReport
from bot.core.snapshot import Outcome, Snapshot, Visit
from bot.core.visit import compose, required
from bot.core.visit_answer import read

MAX_CASE = 1_000_000
_NONCE = "0123456789abcdefghij"
_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

# What a visit must never hold (commands that change a host, or that load what was not loaded).
_WRITES = re.compile(
    r"\b(sysctl\s+(-w|\S+=)|ipvsadm(?!\s+-Ln\s+--timeout\b)|modprobe|insmod|conntrack\s+-[DFU]|ss\s[^|;\n]*(-K|--kill)\b"
    r"|tc\s[^|;\n]*\b(add|del|replace|change)\b|ip\s[^|;\n]*\b(set|add|del|delete|flush|replace|change)\b"
    r"|iptables|ip6tables|nft|ethtool\s+-[A-RT-Z]"
    r"|systemctl\s+(start|stop|restart|reload|kill|mask|enable|disable)|kill\s|pkill|killall|reboot|rm\s|mv\s|cp\s|tee\b"
    r"|dd\s+\w+=|mkdir|touch\s|chmod|chown|truncate|tcpdump|nstat)"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One case: `playbook/name`, its file, and how the diagnosis differs from what it expects (nothing: passed)."""

    name: str
    file: Path
    wrong: tuple[str, ...]


def run_cases(directory: Path, probes: Probes, actions: Actions) -> Sequence[Verdict]:
    """Every case under `directory/cases/<playbook>/`. Raises ConfigError when the playbooks are not sound.

    A playbook without a case is a verdict too: nobody has shown that it finds anything.
    """
    playbooks = load_playbooks(directory, probes, actions)
    verdicts: list[Verdict] = []
    root = directory / "cases"
    for name, playbook in playbooks.items():
        files = case_files(root / name)
        if not files:
            verdicts.append(Verdict(name, root / name, (f"{name} has no case in {root / name}",)))
        verdicts.extend(Verdict(f"{name}/{file.stem}", file, run_case(file, playbook, probes)) for file in files)
    strangers = sorted(path for path in root.glob("*") if path.is_dir() and path.name not in playbooks)
    verdicts.extend(
        Verdict(folder.name, folder, (f'no playbook "{folder.name}"{nearest(folder.name, playbooks)}',))
        for folder in strangers
    )
    return verdicts


def case_files(folder: Path) -> Sequence[Path]:
    """The cases of one playbook; recordings stand in a folder beside them."""
    return sorted(folder.glob("*.yaml"))


def run_case(file: Path, playbook: Playbook, probes: Probes) -> tuple[str, ...]:
    """How the diagnosis of a case differs from what it expects. Faults of the case itself are told the same way."""
    try:
        case = read_case(file)
        report = diagnosed(case, file, playbook, probes)
    except NetdiagError as error:
        return tuple(str(error).splitlines())
    return tuple(differences(report, case.expect))


def read_case(file: Path) -> Case:
    """A case from its file. Raises ConfigError."""
    return validate(Case, load(file.read_bytes(), str(file), max_bytes=MAX_CASE, max_events=MAX_CASE))


def diagnosed(case: Case, file: Path, playbook: Playbook, probes: Probes) -> HostReport:
    """The report on a case's visit. Raises ConfigError for a case that cannot be read or a visit that would write."""
    return judged(visited(case, file, playbook, probes), case, file, playbook, probes)


def judged(snapshot: Snapshot, case: Case, file: Path, playbook: Playbook, probes: Probes) -> HostReport:
    """The report on what a case's visit saw. Raises ConfigError, or AskError for its parameters."""
    check_params([playbook], case.params)
    report = diagnose([playbook], snapshot, case.params)
    here = _kept(snapshot.host, snapshot, playbook)
    run = [here, *(_kept(other.host, _other(other, file, probes), playbook) for other in case.others)]
    return complete([playbook], report, here, run, case.params)


def visited(case: Case, file: Path, playbook: Playbook, probes: Probes) -> Snapshot:
    """What a case's visit saw. Raises ConfigError."""
    chosen = required(playbook.probes, probes)
    unknown = sorted({*case.facts, *case.readings} - {probe.name for probe in chosen})
    if unknown:
        raise ConfigError(f'{file}: {playbook.name} asks no probe "{unknown[0]}"{nearest(unknown[0], playbook.probes)}')
    recording = _recording(case, file)
    program = compose(chosen, nonce=_NONCE)
    written = _WRITES.search("\n".join(probe.script for probe in chosen))
    if written:
        raise ConfigError(f"{file}: the visit would change the host: {written[0].strip()}")
    printed = recordings.replay(recording, program)
    reason = recording.root_reason or "not root"
    outcomes = dict(read(printed, chosen, nonce=_NONCE, root=recording.root, root_reason=reason, asked=case.asked))
    outcomes.update({name: _outcome(file, probes[name], value) for name, value in case.facts.items()})
    return Snapshot(recording.host, _LONG_AGO, 4.0, recording.host_key or "replay", outcomes, case.inventory)


def _kept(name: str, visit: Visit, playbook: Playbook) -> Aside:
    return aside(Host(name=name, address=name), visit, probes_across([playbook]), _LONG_AGO)


def _other(other: OtherHost, file: Path, probes: Probes) -> Visit:
    if other.unknown:
        return HostFailure(cause=Cause.UNREACHABLE, reason=other.unknown, remedy="")
    unknown = sorted(set(other.facts) - set(probes))
    if unknown:
        raise ConfigError(f'{file}: no probe "{unknown[0]}"{nearest(unknown[0], probes)}')
    outcomes = {name: _outcome(file, probes[name], value) for name, value in other.facts.items()}
    return Snapshot(other.host, _LONG_AGO, 4.0, "replay", outcomes)


def _recording(case: Case, file: Path) -> Recording:
    kept = Recording(host="host", taken="2026-01-01T00:00:00Z", root=True)
    if case.recording is not None:
        path = file.parent / case.recording
        if not path.is_file():
            raise ConfigError(f"{file}: no recording {path}")
        kept = recordings.load(path.read_text(), str(path))
    probes = {**kept.probes, **case.readings}
    root = kept.root if case.root is None else case.root
    return kept.model_copy(update={"probes": probes, "root": root})


def _outcome(file: Path, probe: Probe[Any], value: Any) -> Outcome:
    """Facts as a case gives them: one value for every sample, a list of samples, or why there are none."""
    if isinstance(value, dict) and set(value) == {"unknown"}:
        return Unknown(str(value["unknown"]))
    samples = value if isinstance(value, list) else [value] * (SAMPLES if probe.sampling is Sampling.MOMENTARY else 1)
    try:
        return tuple(_facts(probe.facts, sample) for sample in samples)
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(str(part) for part in ("facts", probe.name, *detail["loc"]))
        raise ConfigError(f"{file}: {where}: {detail['msg']}") from None


def _facts(model: type[Facts], value: Any) -> Facts:
    return model.model_validate(_filled(model, value))


_EMPTY: tuple[tuple[type, Any], ...] = ((bool, False), (int, 0), (float, 0.0), (str, ""))


def _filled(hint: Any, value: Any) -> Any:
    """The value with every field that it does not give: nought, empty, or none where that is allowed."""
    if isinstance(hint, type) and issubclass(hint, BaseModel) and isinstance(value, dict):
        known = {
            name: _filled(field.annotation, value[name]) for name, field in hint.model_fields.items() if name in value
        }
        empty = {
            name: _nothing(field.annotation)
            for name, field in hint.model_fields.items()
            if name not in value and field.is_required()
        }
        return {**value, **empty, **known}
    arguments = get_args(hint)
    if isinstance(value, list) and arguments:
        return [_filled(arguments[0], item) for item in value]
    if isinstance(value, dict) and len(arguments) == 2:  # noqa: PLR2004 - key and value
        return {key: _filled(arguments[1], item) for key, item in value.items()}
    return value


def _nothing(hint: Any) -> Any:
    for kind, empty in _EMPTY:
        if hint is kind:
            return empty
    origin = get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return []
    return None


def all_cases(directory: Path) -> Iterator[Path]:
    """Every case file under a playbooks folder, for a test runner."""
    for folder in sorted((directory / "cases").glob("*")):
        yield from case_files(folder)
