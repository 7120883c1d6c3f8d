"""How is a visit kept, so that it can be diagnosed again without the host?

A recording holds what every section printed, before any parser: a test that replays it goes the whole way. It is a
YAML file that people can read and edit; what identifies the host is taken out by :func:`redact`.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.core.errors import ConfigError
from bot.core.probe import SAMPLES, Probe, Reading
from bot.core.visit_answer import sections

_MAX_FILE = 32_000_000
_MAX_DEPTH = 20


class Recording(BaseModel):
    """One visit to one host. `probes` holds the readings of each probe, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    """The host's name in the inventory."""
    taken: str
    """When, by the bot's clock: UTC, RFC 3339."""
    root: bool
    """Whether the visit ran as root."""
    root_reason: str = ""
    """If not, why not."""
    host_key: str = ""
    """SHA256 fingerprint of the connection; empty when redacted or local."""
    probes: Mapping[str, tuple[Reading, ...]] = Field(default_factory=dict)


def record(
    stdout: bytes,
    probes: Sequence[Probe[Any]],
    nonce: str,
    *,
    host: str,
    taken: str,
    root: bool,
    root_reason: str = "",
    host_key: str = "",
) -> Recording:
    """Keep what a host printed in a visit that asked `probes` with `nonce`. Probes that gave no answer are left out."""
    answer = sections(stdout, probes, nonce=nonce)
    return Recording(
        host=host,
        taken=taken,
        root=root,
        root_reason=root_reason,
        host_key=host_key,
        probes={name: tuple(found[sample] for sample in sorted(found)) for name, found in answer.readings.items()},
    )


_MARK = re.compile(r"^mark=@([a-z0-9]{20,128})$", re.MULTILINE)
_CALL = re.compile(r"^(section|as_root) ([a-z_0-9]+) ([0-9]+) ([0-9]+) ([0-9]+)$", re.MULTILINE)


def replay(recording: Recording, program: str) -> bytes:
    """What the recorded host would have printed to this very program (of `visit.compose`).

    Sections that were not recorded are missing, as from a host that broke off; so are root's without root. Raises
    ValueError for a program that no visit composed.
    """
    mark = _MARK.search(program)
    if mark is None:
        raise ValueError("a recording answers visits only: this program has no mark")
    sign = f"\n@{mark[1]}".encode()
    out: list[bytes] = []
    asked: dict[str, int] = {}
    for call in _CALL.finditer(program):
        run, name, sample, seconds, size = call[1], call[2], int(call[3]), float(call[4]), int(call[5])
        readings = recording.probes.get(name, ())
        number = _reading_of(sample, asked.setdefault(name, 0), len(readings))
        asked[name] += 1
        if number is None or (run == "as_root" and not recording.root):
            continue
        out.append(_section(f"{name} {sample}", readings[number], seconds, size, sign))
    return b"".join(out) + sign + b".\n"


def _reading_of(sample: int, turn: int, kept: int) -> int | None:
    """Which of the kept readings answers: the one of the same turn; the last for a counter's last sample."""
    if turn < kept:
        return turn
    return kept - 1 if sample == SAMPLES and kept > 1 else None


def _section(title: str, reading: Reading, seconds: float, size: int, sign: bytes) -> bytes:
    text = reading.text.encode()
    if not reading.complete:
        text = text.ljust(size)
    end = reading.uptime + (seconds if reading.timed_out else 0.01)
    return b"".join(
        (
            sign, f"+ {title} {reading.uptime:.2f}\n".encode(), text[:size],
            sign, f"- {title} {end:.2f} {reading.exit_status}\n{reading.stderr}".encode(),
            sign, b"=\n",
        )
    )  # fmt: skip


# --- the file ---------------------------------------------------------------------------------------------------------


_OTHER_BREAKS = re.compile("[\r\x85\u2028\u2029]")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as literal blocks, so that a person can read and change them."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # YAML folds these breaks wherever they are not escaped
    style = '"' if _OTHER_BREAKS.search(value) else "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def dump(recording: Recording) -> str:
    """The recording as YAML text; fields of a reading that say nothing unusual are left out."""
    usual = {"stderr": "", "exit_status": 0, "complete": True, "timed_out": False, "asked": None}
    document = recording.model_dump(mode="json")
    document["probes"] = {
        name: [{key: value for key, value in reading.items() if usual.get(key) != value or key not in usual}
               for reading in readings]
        for name, readings in document["probes"].items()
    }  # fmt: skip
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)


def load(text: str, file: str = "recording") -> Recording:
    """Read a recording's YAML text. Raises ConfigError: `file:line: what`. Aliases and tags are refused."""
    if len(text) > _MAX_FILE:
        raise ConfigError(f"{file}: a recording of {len(text)} characters, at most {_MAX_FILE} are read")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:  # at once: the parser takes time that grows with the square of it
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise ConfigError(f"{file}:{line}: nested deeper than {_MAX_DEPTH} levels; a recording has four")
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise ConfigError(f"{file}:{line}: anchors, aliases and tags are refused")
        return Recording.model_validate(yaml.load(text, Loader=_Loader))  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as fault:
        mark = fault.problem_mark if isinstance(fault, yaml.MarkedYAMLError) else None
        place = f"{file}:{mark.line + 1}" if mark is not None else file
        raise ConfigError(f"{place}: {getattr(fault, 'problem', None) or 'no YAML'}") from None
    except (ValidationError, RecursionError) as fault:
        detail = fault.errors()[0] if isinstance(fault, ValidationError) else None
        where = ".".join(str(step) for step in detail["loc"]) if detail else ""
        raise ConfigError(f"{file}: {where}: {detail['msg'] if detail else 'nested too deep'}") from None


class _Loader(yaml.SafeLoader):
    """Times stay text: a recording says when as people wrote it."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


# --- redaction --------------------------------------------------------------------------------------------------------

_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\.\d)(?!\w)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_COMMAND = re.compile(r"(?<=:)(\d{1,10}) \((.{1,64})\) (?=[A-Z] )")
_BOOT_ID = re.compile(r"(?m)^boot_id=.*$")
_VERSIONS = ("kernel=", "VERSION_ID=", "PRETTY_NAME=")


class _Aliases:
    """One stand-in for each value, the same wherever it stands."""

    def __init__(self, name: Callable[[int], str]) -> None:
        self._name = name
        self._known: dict[str, str] = {}

    def __call__(self, value: str) -> str:
        return self._known.setdefault(value, self._name(len(self._known)))


def redact(recording: Recording, *, name: str = "host", processes: bool = False) -> Recording:
    """The recording without what tells whose host it was.

    Public addresses become addresses of the documentation ranges, the same one wherever it stands; the host's own
    name becomes `name`; boot id and host key go. Private addresses, ports, pids and inodes stay: the diagnosis hangs
    on them. Process names stay unless `processes` is set.
    """
    ipv4 = _Aliases(_documentation)
    ipv6 = _Aliases(lambda n: f"2001:db8::{n + 1:x}")
    commands = _Aliases(lambda n: f"process-{n + 1}")
    own = _own_name(recording)

    def line_of(line: str) -> str:
        if line.startswith(_VERSIONS):
            return line
        line = _IPV4.sub(lambda m: ipv4(m[0]) if _is_public(m[0]) else m[0], line)
        line = _IPV6.sub(lambda m: ipv6(m[0].lower()) if _is_public(m[0]) else m[0], line)
        return _COMMAND.sub(lambda m: f"{m[1]} ({commands(m[2])}) ", line) if processes else line

    def text_of(text: str) -> str:
        text = _BOOT_ID.sub("boot_id=00000000-0000-4000-8000-000000000000", text)
        text = own.sub(name, text) if own else text
        return "".join(line_of(line) for line in text.splitlines(keepends=True))

    def reading_of(reading: Reading) -> Reading:
        return Reading(
            text=text_of(reading.text),
            stderr=text_of(reading.stderr),
            exit_status=reading.exit_status,
            complete=reading.complete,
            timed_out=reading.timed_out,
            uptime=reading.uptime,
        )

    return recording.model_copy(
        update={
            "host": name,
            "host_key": "",
            "root_reason": text_of(recording.root_reason),
            "probes": {probe: tuple(map(reading_of, readings)) for probe, readings in recording.probes.items()},
        }
    )


def _own_name(recording: Recording) -> "re.Pattern[str] | None":
    own = {recording.host}
    for reading in recording.probes.get("identity", ()):
        own |= set(re.findall(r"(?m)^hostname=(\S+)$", reading.text))
    own |= {full.split(".")[0] for full in own}
    # a name of one or two letters would take half of the text with it
    found = sorted((re.escape(word) for word in own if len(word) > 2), key=len, reverse=True)  # noqa: PLR2004
    return re.compile(rf"(?<![\w-])(?:{'|'.join(found)})(?![\w-])") if found else None


def _is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _documentation(n: int) -> str:
    """The nth address of the documentation ranges (RFC 5737), then of the benchmarking one (RFC 2544)."""
    ranges = ("192.0.2", "198.51.100", "203.0.113")
    block, rest = divmod(n, 254)
    if block < len(ranges):
        return f"{ranges[block]}.{rest + 1}"
    return f"198.18.{block % 256}.{rest + 1}"
