"""What does a keepalived.conf say of its virtual routers? (`_`: no probe.)

Comments, passwords and scripts never leave the host; what is left is a tree of words in braces, with files included.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from bot.core.probe import ParseError

MAX_DEPTH = 12
MAX_LINES = 50_000
MAX_FILES = 1_000
"""Files, and lines that include some: each such line is held against every file."""
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]{0,63})\}?")
_DEFINED = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]{0,63})=(.{0,200})")
_VIPS = frozenset({"virtual_ipaddress", "virtual_ipaddress_excluded"})
_TRACKS = frozenset({"track_script", "track_process", "track_interface", "track_file", "track_bfd"})


@dataclass(slots=True)
class Router:
    """One `vrrp_instance`, as it is written; what is not written has keepalived's default."""

    name: str
    interface: str = ""
    vrid: int = 0
    priority: int = 100
    interval: float = 1.0
    version: int = 2
    preempt: bool = True
    addresses: list[str] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    tracked: list[str] = field(default_factory=list)

    @property
    def master_down(self) -> float:
        """Seconds without an advert after which a backup takes over: three intervals and the skew (RFC 3768, 5798)."""
        skew = (256 - self.priority) / 256
        return 3 * self.interval + skew * (self.interval if self.version == 3 else 1.0)  # noqa: PLR2004 - VRRPv3


def routers(files: Mapping[str, str], main: str) -> list[Router]:
    """The virtual routers of a configuration, `files` by path. What cannot be understood is passed over.

    Raises ParseError for one of more files than anybody has.
    """
    if len(files) > MAX_FILES:
        raise ParseError(f"{len(files)} files of configuration, more than {MAX_FILES}")
    found: list[Router] = []
    version = 2
    path: list[list[str]] = []
    here: Router | None = None
    for line in _lines(files, main):
        if line == ["{"]:
            continue
        if line == ["}"]:
            if path and (path.pop() or [""])[0] == "vrrp_instance":
                here = None
            continue
        opens = line[-1] == "{"
        words = line[:-1] if opens else line
        if here is not None and not opens:
            _word(here, path[-1][0] if path and path[-1] else "", words)
        elif words[:1] == ["vrrp_version"]:
            version = _number(words[1:], 2)
        if opens and len(path) < MAX_DEPTH:
            path.append(words)
            if words[:1] == ["vrrp_instance"]:
                here = Router(name=words[1] if len(words) > 1 else "", version=version)
                found.append(here)
    return found


def _word(router: Router, block: str, words: Sequence[str]) -> None:
    key, rest = words[0], words[1:]
    if block in _VIPS:
        router.addresses += _address(key)
    elif block == "unicast_peer":
        router.peers += _address(key)
    elif block in _TRACKS:
        router.tracked.append(key)
    elif block == "vrrp_instance":
        match key:
            case "interface" if rest:
                router.interface = rest[0]
            case "virtual_router_id":
                router.vrid = _number(rest, 0)
            case "priority":
                router.priority = _number(rest, 100)
            case "version":
                router.version = _number(rest, router.version)
            case "advert_int":
                router.interval = _seconds(rest)
            case "nopreempt":
                router.preempt = False


def _lines(files: Mapping[str, str], main: str) -> Iterator[list[str]]:
    """The words of every line with its included files in place; a line that opens a block ends in `{`."""
    variables: dict[str, str] = {}
    left, includes = MAX_LINES, MAX_FILES
    names = sorted(files, reverse=True)
    split: dict[str, list[str]] = {}

    def opened(name: str) -> tuple[str, Iterator[str]]:
        if name not in split:
            split[name] = _split(files.get(name, ""))
        return name, iter(split[name])

    stack = [opened(main)]
    while stack:
        path, lines = stack[-1]
        line = next(lines, None)
        left -= 1
        if line is None or left < 0:
            stack.pop()
            continue
        if defined := _DEFINED.fullmatch(line):
            variables[defined[1]] = defined[2].strip()
            continue
        words = _VARIABLE.sub(lambda m: variables.get(m[1], ""), line).split()
        if words and words[0].startswith("@"):
            words = words[1:]  # a line for one configuration id
        if not words:
            continue
        if words[0].startswith("include") and len(words) > 1 and len(stack) < MAX_DEPTH:
            includes -= 1
            if includes < 0:
                raise ParseError(f"more than {MAX_FILES} lines that include files")
            pattern = words[1] if words[1].startswith("/") else f"{path.rpartition('/')[0]}/{words[1]}"
            under = {at for at, _ in stack}
            stack += [opened(name) for name in names if name not in under and fnmatchcase(name, pattern)]
            continue
        yield words


def _split(text: str) -> list[str]:
    """Lines with every brace at an end of its own: `name { x }` is three."""
    lines = (line.split(" #", 1)[0].split(" !", 1)[0].replace('"', " ").strip() for line in text.splitlines())
    parts: list[str] = []
    for line in lines:
        for piece in re.split(r"([{}])", line):
            if piece == "{" and parts and not parts[-1].endswith(("{", "}")):
                parts[-1] += " {"
            elif piece.strip():
                parts.append(piece.strip())
    return parts


def _address(word: str) -> list[str]:
    try:
        return [str(ipaddress.ip_interface(word).ip)]
    except ValueError:
        return []


def _number(words: Sequence[str], default: int) -> int:
    return int(words[0]) if words and re.fullmatch(r"[0-9]{1,5}", words[0]) else default


def _seconds(words: Sequence[str]) -> float:
    if words and re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,6})?", words[0]):
        return float(words[0]) or 1.0
    return 1.0
