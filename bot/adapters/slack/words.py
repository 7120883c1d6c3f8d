"""What did somebody type after `/netdiag` or after a mention?"""

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from html import unescape

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
    Word.AUDIT: "audit",
    Word.HISTORY: "history TARGET",
    Word.STATUS: "status",
}
_TYPED = {word.value: word for word in Word if word not in (Word.RUN, Word.FORM)}
_TAKES: Mapping[Word, tuple[int, int]] = {Word.PODS: (1, 1), Word.CHANGES: (0, 1), Word.HISTORY: (1, 1)}


@dataclass(frozen=True, slots=True)
class Command:
    """A command that can be carried out, or at least asked of the engine."""

    word: Word
    target: str = ""
    playbooks: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)

    def typed(self, name: str = "/netdiag") -> str:
        """The text that means the same, for people to learn from."""
        if self.word is Word.FORM:
            return name
        if self.word is Word.PODS:
            return f"{name} {_quoted(self.target)} {self.word}"
        pieces = [] if self.word is Word.RUN else [self.word.value]
        pieces += [self.target, *self.playbooks] + [f"{key}={value}" for key, value in self.params.items()]
        return " ".join([name, *(_quoted(piece) for piece in pieces if piece)])


def parse(text: str, playbooks: Collection[str], targets: Collection[str] = ()) -> Command:
    """Read a command. `playbooks` are the known names; `targets` serve hints only (the engine knows globs and labels).

    Raises AskError saying what is wrong, with the nearest name.
    """
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


def without_mention(text: str, bot_user: str) -> str:
    """The text of a mention without the mention itself."""
    return re.sub(rf"<@{re.escape(bot_user)}(\|[^>]*)?>", " ", text).strip()


def _split(text: str) -> list[str]:
    if len(text) > LONGEST:
        raise AskError(f"the command has {len(text)} characters, at most {LONGEST}")
    shown = re.sub(r"<(?:https?://|mailto:|tel:)[^|>]*\|([^>]*)>", r"\1", text)  # Slack linked a host name: its label
    shown = re.sub(r"<((?:https?://|mailto:|tel:)[^>]*)>", r"\1", shown)
    shown = unescape(shown).translate(str.maketrans("“”„‘’", '"""\'\''))  # noqa: RUF001 - what phones make of quotes
    lexer = shlex.shlex(shown, posix=True)
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
        raise AskError(f'"{word}" needs a target: {USAGE[word]}')
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
