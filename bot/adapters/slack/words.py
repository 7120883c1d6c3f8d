"""What did somebody type after `/netdiag` or after a mention?"""

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from html import unescape

from bot.core import silence
from bot.core.errors import AskError, nearest

LONGEST = 2_000
"""Characters of a command; more is not typed by a person."""


class Word(StrEnum):
    """What is asked for. RUN has no word of its own: it begins with a target. PODS follows one. FORM is no words."""

    RUN = "run"
    PODS = "pods"
    FORM = "form"
    HELP = "help"
    PLAYBOOKS = "playbooks"
    CHANGES = "changes"
    SWEEPS = "sweeps"
    SWEEP = "sweep"
    SILENCE = "silence"
    SILENCES = "silences"
    UNSILENCE = "unsilence"
    HALT = "halt"
    RESUME = "resume"
    AUDIT = "audit"
    HISTORY = "history"
    STATUS = "status"


USAGE: Mapping[Word, str] = {
    Word.RUN: "TARGET [playbook ...] [name=value ...]",
    Word.PODS: "TARGET pods",
    Word.HELP: "help",
    Word.PLAYBOOKS: "playbooks",
    Word.CHANGES: "changes [HOST]",
    Word.SWEEPS: "sweeps",
    Word.SWEEP: "sweep NAME now | pause 2h REASON | resume",
    Word.SILENCE: f"silence {silence.USAGE}",
    Word.SILENCES: "silences",
    Word.UNSILENCE: "unsilence ID",
    Word.HALT: "halt REASON",
    Word.RESUME: "resume",
    Word.AUDIT: "audit",
    Word.HISTORY: "history HOST",
    Word.STATUS: "status",
}
_TYPED = {word.value: word for word in Word if word not in (Word.RUN, Word.FORM)}
_TAKES: Mapping[Word, tuple[int, int]] = {
    Word.PODS: (1, 1),
    Word.CHANGES: (0, 1),
    Word.HISTORY: (1, 1),
    Word.UNSILENCE: (1, 1),
}


@dataclass(frozen=True, slots=True)
class Command:
    """A command that can be carried out, or at least asked of the engine."""

    word: Word
    target: str = ""
    playbooks: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    rest: str = ""
    """What stands behind the target, as typed: what shall become of a sweep, the whole of a silence, why to halt."""

    def typed(self, name: str = "/netdiag") -> str:
        """The text that means the same, for people to learn from."""
        if self.word is Word.FORM:
            return name
        if self.word is Word.PODS:
            return f"{name} {_quoted(self.target)} {self.word}"
        if self.rest:
            return " ".join(piece for piece in (name, self.word.value, self.target, self.rest) if piece)
        pieces = [] if self.word is Word.RUN else [self.word.value]
        pieces += [self.target, *self.playbooks] + [f"{key}={value}" for key, value in self.params.items()]
        return " ".join([name, *(_quoted(piece) for piece in pieces if piece)])


def parse(text: str, playbooks: Collection[str], targets: Collection[str] = ()) -> Command:
    """Read a command. `playbooks` are the known names; `targets` serve hints only (the engine knows globs and labels).

    Raises AskError saying what is wrong, with the nearest name.
    """
    free = _free(text, targets)
    if free is not None:
        return free
    words = _split(text)
    if not words:
        return Command(Word.FORM)
    first, rest = words[0], words[1:]
    word = _TYPED.get(first.lower()) if first not in targets else None
    if word is not None:
        return _plain(word, rest)
    if not rest and first not in targets and "=" not in first:
        close = get_close_matches(first.lower(), _TYPED, n=1, cutoff=0.75)
        if close and not get_close_matches(first, targets, n=1, cutoff=0.75):
            raise AskError(f'no host or command "{first}"; did you mean "{close[0]}"?')
    if rest == [Word.PODS.value] and Word.PODS.value not in playbooks:
        return Command(Word.PODS, first)
    return _run(first, rest, playbooks)


def span(text: str) -> tuple[int, str]:
    """Seconds and reason of `2h REASON`, or `for 2h because REASON`. Raises AskError for a span that is none."""
    words = text.split()
    words = words[1:] if words[:1] == ["for"] else words
    for count in range(min(len(words), 4), 0, -1):
        try:
            seconds = silence.seconds(" ".join(words[:count]))
        except AskError:
            continue
        why = words[count:]
        return seconds, " ".join(why[1:] if why[:1] == ["because"] else why)
    raise AskError(f"for how long? {USAGE[Word.SWEEP]}")


def without_mention(text: str, bot_user: str) -> str:
    """The text of a mention without the mention itself."""
    return re.sub(rf"<@{re.escape(bot_user)}(\|[^>]*)?>", " ", text).strip()


def _free(text: str, targets: Collection[str]) -> Command | None:
    """The commands with a reason in them, where an apostrophe opens no quotation; None for every other."""
    first, _, rest = _shown(text).strip().partition(" ")
    rest = rest.strip()
    if first in targets:
        return None
    match first.lower():
        case Word.SILENCE:
            silence.parse(rest)
            return Command(Word.SILENCE, rest=rest)
        case Word.HALT:
            if not rest:
                raise AskError(f"why shall no change be sent any more? {USAGE[Word.HALT]}")
            return Command(Word.HALT, rest=rest)
        case Word.SWEEP:
            name, _, act = rest.partition(" ")
            if not name:
                return Command(Word.SWEEPS)
            return Command(Word.SWEEP, name, rest=_act(name, act.strip()))
        case _:
            return None


def _act(name: str, act: str) -> str:
    """What shall become of a sweep. Raises AskError."""
    verb, _, rest = act.partition(" ")
    verb = verb.lower()
    if verb not in ("now", "pause", "resume"):
        said = f'"{verb}" is nothing to do with a sweep' if verb else f"what shall become of {name}?"
        raise AskError(f"{said}: {USAGE[Word.SWEEP]}")
    if verb != "pause":
        if rest.strip():
            raise AskError(f'"{verb}" takes no "{rest.strip()}": {USAGE[Word.SWEEP]}')
        return verb
    _, why = span(rest)
    if not why:
        raise AskError(f"a pause needs a reason: {USAGE[Word.SWEEP]}")
    return f"pause {rest.strip()}"


def _shown(text: str) -> str:
    """The text as it was typed: Slack's links and entities undone, quotes that phones make straightened."""
    if len(text) > LONGEST:
        raise AskError(f"the command has {len(text)} characters, at most {LONGEST}")
    shown = re.sub(r"<(?:https?://|mailto:|tel:)[^|>]*\|([^>]*)>", r"\1", text)  # Slack linked a host name: its label
    shown = re.sub(r"<((?:https?://|mailto:|tel:)[^>]*)>", r"\1", shown)
    return unescape(shown).translate(str.maketrans("“”„‘’", '"""\'\''))  # noqa: RUF001 - what phones make of quotes


def _split(text: str) -> list[str]:
    lexer = shlex.shlex(_shown(text), posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    try:
        return list(lexer)
    except ValueError:
        raise AskError("a quotation mark is not closed") from None


def _plain(word: Word, rest: list[str]) -> Command:
    least, most = _TAKES.get(word, (0, 0))
    if len(rest) < least:
        raise AskError(f'"{word}" needs {"an id" if word is Word.UNSILENCE else "a target"}: {USAGE[word]}')
    if len(rest) > most:
        raise AskError(f'"{word}" takes no "{rest[most]}": {USAGE[word]}')
    return Command(word, target=rest[0] if rest else "")


def _run(target: str, rest: list[str], playbooks: Collection[str]) -> Command:
    chosen: list[str] = []
    params: dict[str, str] = {}
    for piece in rest:
        name, equals, value = piece.partition("=")
        if not equals:
            if piece == Word.PODS.value and piece not in playbooks:
                raise AskError(f'"{piece}" stands alone after a target: {USAGE[Word.PODS]}')
            if piece not in playbooks:
                raise AskError(f'no playbook "{piece}"{nearest(piece, playbooks)}')
            chosen.append(piece)
        elif not name:
            raise AskError(f'"{piece}" has no name before "="')
        elif name in params:
            raise AskError(f'"{name}" is given twice')
        else:
            params[name] = value
    return Command(Word.RUN, target, tuple(dict.fromkeys(chosen)), params)


def _quoted(piece: str) -> str:
    if piece and not re.search(r"[\s\"']", piece):
        return piece
    return f'"{piece}"' if '"' not in piece else f"'{piece}'"
