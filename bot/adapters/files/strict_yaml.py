"""What does a YAML file say, exactly, and on which line? Or: why is it refused?

One pass over the parser's events builds the value and the places, so nothing is ever composed before it was
guarded: PyYAML's own composer dies on deep nesting, expands merge keys without bound and keeps the last of two equal
keys. Scalars follow the YAML 1.2 core schema (`no` is text, `0644` is 644, `12:30` is text); keys are always text.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.core.errors import ConfigError, Place

Path = tuple[str | int, ...]

MAX_BYTES = 65_536
MAX_DEPTH = 20
MAX_EVENTS = 50_000
_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a node begins: line and column from 1, and the scalar's style ("" plain, a quote, "|" or ">")."""

    line: int
    column: int
    style: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its value, and the place of each part of it by path (keys and list indexes)."""

    file: str
    value: Any
    keys: Mapping[Path, Mark]
    values: Mapping[Path, Mark]

    def place(self, path: Path) -> Place:
        """The line of a mapping's key or a list's item; of the nearest part above when there is no such path."""
        for size in range(len(path), -1, -1):
            mark = self.keys.get(path[:size]) or self.values.get(path[:size])
            if mark is not None:
                return Place(self.file, mark.line)
        return Place(self.file, 1)

    def inside(self, path: Path, line: int) -> Place:
        """The place of line `line` (from 1) of a scalar's text: exact for `|`, its first line where text is folded."""
        mark = self.values.get(path)
        if mark is None:
            return self.place(path)
        return Place(self.file, mark.line + line if mark.style == "|" else mark.line)


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value with a tag, where tags may stand: nobody reads it, and whoever needs it must refuse it."""

    tag: str


def load(
    text: str | bytes,
    file: str,
    *,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    max_events: int = MAX_EVENTS,
    opaque_tags: bool = False,
) -> Document:
    """Read one YAML document. Raises ConfigError (`file:line: what; remedy`) for everything that is not plain data.

    Refused: more than `max_bytes`, `max_depth` levels or `max_events` parts, anchors, aliases, tags, merge keys,
    directives, a second document, a key given twice, a key that is not a scalar, numbers beyond 64 bits.
    With `opaque_tags` a tagged scalar becomes `Opaque` instead (files of other programs hold `!vault`).
    """
    builder = _Builder(file, max_depth, max_events, opaque_tags)
    try:
        data = _checked(text, file, max_bytes)
        for event in yaml.parse(data, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "not YAML"
        raise ConfigError(f"{file}:{mark.line + 1 if mark else 1}: not YAML: {what}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}:1: not YAML: {str(error).splitlines()[0]}") from None
    return Document(file, builder.value, builder.keys, builder.values)


def _checked(text: str | bytes, file: str, max_bytes: int) -> str:
    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > max_bytes:
            raise ConfigError(f"{file}:1: {len(data)} bytes, more than the {max_bytes} allowed; split the file")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: not UTF-8; save the file as UTF-8") from None
    except UnicodeEncodeError:
        raise ConfigError(f"{file}:1: holds half of a surrogate pair; save the file as UTF-8") from None


@dataclass(slots=True)
class _Level:
    """A collection that is still open. `key` is the pending key of a mapping."""

    path: Path
    items: dict[str, Any] | list[Any]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    file: str
    max_depth: int
    max_events: int
    opaque_tags: bool = False
    value: Any = None
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    open: list[_Level] = field(default_factory=list)
    events: int = 0
    documents: int = 0

    def take(self, event: yaml.Event) -> None:
        self.events += 1
        if self.events > self.max_events:
            self.refuse(event, f"more than {self.max_events} parts; split the file")
        self._guard(event)
        step = _STEPS.get(type(event))
        if step is not None:
            step(self, event)

    def refuse(self, event: yaml.Event, what: str) -> None:
        raise ConfigError(f"{self.file}:{_mark(event).line}: {what}")

    def _guard(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.refuse(event, f"aliases (*{event.anchor}) are not read; write the value out")
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            self.refuse(event, f"anchors (&{anchor}) are not read; write the value out where it is needed")
        if tag is not None and not (self.opaque_tags and isinstance(event, yaml.ScalarEvent)):
            self.refuse(event, f"tags ({tag}) are not read; write plain data")
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.refuse(event, "a second document; one file holds one document")
            if event.version or event.tags:
                self.refuse(event, "directives (%) are not read; remove them")

    def begin(self, event: yaml.Event) -> None:
        items: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        if len(self.open) >= self.max_depth:
            self.refuse(event, f"nested deeper than {self.max_depth} levels; flatten it")
        if self.open and isinstance(self.open[-1].items, dict) and self.open[-1].key is None:
            self.refuse(event, "a key must be a word, not a list or mapping")
        path = self._store(event, items)
        self.open.append(_Level(path, items))

    def end(self, _event: yaml.Event) -> None:
        self.open.pop()

    def scalar(self, event: yaml.Event) -> None:
        assert isinstance(event, yaml.ScalarEvent)
        level = self.open[-1] if self.open else None
        if level is not None and isinstance(level.items, dict) and level.key is None:
            self._key(event, level)
        else:
            self._store(event, self._plain(event))

    def _key(self, event: yaml.ScalarEvent, level: _Level) -> None:
        key = event.value
        if key == "<<" and not event.style:
            self.refuse(event, "merge keys (<<) are not read; write the keys out")
        if key in level.items:
            first = self.keys[(*level.path, key)].line
            self.refuse(event, f'key "{key}" is given twice (first on line {first}); keep one')
        level.key = key
        self.keys[(*level.path, key)] = _mark(event)

    def _store(self, event: yaml.Event, value: Any) -> Path:
        path: Path = ()
        if not self.open:
            self.value = value
        else:
            level = self.open[-1]
            if isinstance(level.items, dict):
                assert level.key is not None
                path = (*level.path, level.key)
                level.items[level.key], level.key = value, None
            else:
                path = (*level.path, len(level.items))
                level.items.append(value)
        self.values[path] = _mark(event)
        return path

    def _plain(self, event: yaml.ScalarEvent) -> Any:
        if event.tag is not None:
            return Opaque(event.tag)
        if event.style:
            return event.value
        value = core_scalar(event.value)
        too_big = isinstance(value, int) and not -_INT64 <= value < _INT64
        if too_big or (isinstance(value, float) and not math.isfinite(value)):
            self.refuse(event, f"{event.value[:40]} is no number of 64 bits; quote it if it is text")
        return value


_STEPS: Mapping[type[yaml.Event], Callable[[_Builder, yaml.Event], None]] = {
    yaml.MappingStartEvent: _Builder.begin,
    yaml.SequenceStartEvent: _Builder.begin,
    yaml.MappingEndEvent: _Builder.end,
    yaml.SequenceEndEvent: _Builder.end,
    yaml.ScalarEvent: _Builder.scalar,
}


def _mark(event: yaml.Event) -> Mark:
    style = getattr(event, "style", None) or ""
    assert event.start_mark is not None
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1, style)


_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(r"[-+]?[0-9]{1,400}"), int),
    (re.compile(r"0o[0-7]{1,400}"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]{1,400}"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)


def core_scalar(text: str) -> Any:
    """The value of a plain scalar by the YAML 1.2 core schema: null, bool, int, float or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INFINITE.fullmatch(text):
        return math.inf
    for pattern, convert in _NUMBERS:
        if pattern.fullmatch(text):
            return convert(text)
    return text
