"""Which alerts are diagnosed, where are they told, and what is wrong with the file that says so?

`alerts.yaml` stands beside the inventory. Absent: no alert is taken. A file with any fault is refused as a whole, with
every fault on its line; what had been taken before waits until it is mended.
"""

import hashlib
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bot.adapters.files import strict_yaml
from bot.adapters.files.strict_yaml import Document
from bot.adapters.files.validate import validate
from bot.core.alert_route import SLOT, Match, Route, Routing
from bot.core.errors import ConfigError, nearest
from bot.core.regex import Pattern

FILE = "alerts.yaml"
DEFAULT = "default"
_CHANNEL = re.compile(r"[CGD][A-Z0-9]{2,}")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPAN = re.compile(r"([0-9]{1,5})(s|m|h)")
_UNITS = {"s": 1, "m": 60, "h": 3600}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Where(_Model):
    host: str = Field(default="{instance}", min_length=1, max_length=300)
    by: str = ""
    playbooks: list[str] = Field(default_factory=list)
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    channel: str = ""
    owner: str = ""
    diagnose: bool = True


class _Route(_Where):
    name: str = Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    match: dict[str, str | int | float | bool] = Field(default_factory=dict)
    match_re: dict[str, str] = Field(default_factory=dict)


class _File(_Model):
    channel: str = ""
    owner: str = ""
    messages_per_hour: int = Field(default=20, ge=1, le=1_000)
    diagnoses_per_hour: int = Field(default=60, ge=0, le=10_000)
    hosts_at_once: int = Field(default=10, ge=1, le=200)
    again: str = "15m"
    routes: list[_Route] = Field(default_factory=list, max_length=500)
    default: _Where | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The names that a file of alerts may use: people of the policy, playbooks."""

    people: Collection[str] = ()
    playbooks: Collection[str] = ()


class FileAlerts:
    """`ports` of the alert intake over `alerts.yaml`: the bytes are read at each use, parsed when they changed."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._known = Routing()

    @property
    def there(self) -> bool:
        """Whether there is such a file."""
        return self._path.exists()

    def routing(self) -> Routing:
        """The routes in force; none when there is no file. Raises ConfigError when it is broken."""
        try:
            mode = self._path.stat().st_mode
            content = self._path.read_bytes()
        except FileNotFoundError:
            return Routing()
        except OSError as fault:
            raise ConfigError(f"{self._path}: cannot be read ({fault.strerror})") from fault
        if mode & stat.S_IWOTH:
            raise ConfigError(f"{self._path}: everybody may write it; chmod o-w {self._path}")
        version = hashlib.sha256(content).hexdigest()
        if version != self._known.version:
            self._known = read_alerts(content, str(self._path), version)
        return self._known


def read_alerts(content: bytes, file: str, version: str) -> Routing:
    """Routes from the file's bytes. Raises ConfigError with a line for every fault."""
    document = strict_yaml.load(content, file)
    if not document.value:
        return Routing(version=version)
    parsed = validate(_File, document)
    faults = [*_route_faults(document, parsed), *_name_faults(document, parsed)]
    again = _SPAN.fullmatch(parsed.again)
    if again is None:
        faults.append(f'{document.place(("again",))}: again: "{parsed.again}" is no span of time; write 15m or 1h')
    routes = [_route(document, index, parsed, faults) for index in range(len(parsed.routes))]
    if faults:
        raise ConfigError("\n".join(sorted(faults, key=_line)))
    assert again is not None
    if parsed.default is not None:
        routes.append(_made(parsed, parsed.default, DEFAULT, (), str(document.place(("default",)))))
    return Routing(
        routes=tuple(routes),
        messages_per_hour=parsed.messages_per_hour,
        diagnoses_per_hour=parsed.diagnoses_per_hour,
        hosts_at_once=parsed.hosts_at_once,
        again=int(again[1]) * _UNITS[again[2]],
        version=version,
    )


def _line(fault: str) -> int:
    found = re.search(r":([0-9]+): ", fault)
    return int(found[1]) if found else 0


def unknown_names(routing: Routing, known: Known) -> Iterator[str]:
    """What the routes name that is not there: people, playbooks. Each with its place and the nearest name."""
    for route in routing.routes:
        if route.owner and route.owner not in known.people:
            yield f'{route.place}: route {route.name}: no person "{route.owner}" in policy.yaml' + nearest(
                route.owner, known.people
            )
        for name in route.playbooks:
            if name not in known.playbooks:
                yield f'{route.place}: route {route.name}: no playbook "{name}"{nearest(name, known.playbooks)}'


def _route_faults(document: Document, parsed: _File) -> Iterator[str]:
    places = [(("routes", index), route) for index, route in enumerate(parsed.routes)]
    for path, where in [*places, *([(("default",), parsed.default)] if parsed.default else [])]:
        place = document.place(path)
        if not (where.channel or parsed.channel):
            yield f"{place}: no channel to tell it in; give `channel` here or at the top"
        if where.by and not SLOT.search(where.host):
            yield f'{place}: host: "{where.host}" takes nothing from the alert; write "{{instance}}"'
        unclosed = SLOT.sub("", where.host)
        if "{" in unclosed or "}" in unclosed:
            yield f'{place}: host: "{where.host}" has a brace that is no label; write "{{instance}}"'
    for path, channel in [((), parsed.channel), *((path, where.channel) for path, where in places)]:
        if channel and not _CHANNEL.fullmatch(channel):
            place = document.place((*path, "channel"))
            yield f'{place}: "{channel}" is no channel id (like C024BE91L: channel details, at the end); names change'


def _name_faults(document: Document, parsed: _File) -> Iterator[str]:
    first: dict[str, int] = {}
    for index, route in enumerate(parsed.routes):
        place = document.place(("routes", index))
        if route.name == DEFAULT:
            yield f"{place}: a route cannot be named {DEFAULT}; use the key `{DEFAULT}` at the top"
        if first.setdefault(route.name, index) != index:
            line = document.place(("routes", first[route.name])).line
            yield f"{place}: route {route.name} is there twice (first on line {line})"
        if not route.match and not route.match_re:
            yield f"{place}: route {route.name} has no `match`; what is for all others is `{DEFAULT}`"
        for key in ("match", "match_re"):
            for label in getattr(route, key):
                if not _LABEL.fullmatch(label):
                    yield f'{document.place(("routes", index, key, label))}: "{label}" is no name of a label'


def _route(document: Document, index: int, parsed: _File, faults: list[str]) -> Route:
    route = parsed.routes[index]
    match = [Match(label, _text(value)) for label, value in route.match.items()]
    for label, source in route.match_re.items():
        try:
            match.append(Match(label, pattern=Pattern.compiled(source)))
        except ValueError as fault:
            place = document.place(("routes", index, "match_re", label))
            faults.append(f"{place}: {label}: not a pattern that can be used: {fault}; syntax: RE2")
    return _made(parsed, route, route.name, tuple(match), str(document.place(("routes", index))))


def _made(parsed: _File, where: _Where, name: str, match: tuple[Match, ...], place: str) -> Route:
    return Route(
        name=name,
        match=match,
        host=where.host,
        by=where.by,
        playbooks=tuple(where.playbooks),
        params={key: _text(value) for key, value in where.params.items()},
        channel=where.channel or parsed.channel,
        owner=where.owner or parsed.owner,
        diagnose=where.diagnose,
        place=place,
    )


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
