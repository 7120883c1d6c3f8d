"""How is the log written as text: one entry a line, one head a line?"""

import json
import re

from bot.core.audit.chain import HEAD_DOMAIN, Entry, Head


def to_line(entry: Entry) -> str:
    """One entry as a line of the JSONL export. The body is kept as text, so that its bytes survive."""
    fields = {
        "epoch": entry.epoch,
        "seq": entry.seq,
        "prev": entry.prev,
        "hash": entry.hash,
        "body": entry.body.decode(),
    }
    return json.dumps(fields, ensure_ascii=False)


def from_line(line: str) -> Entry:
    """Read one line of the export. Raises ValueError when it is not an entry."""
    try:
        fields = json.loads(line)
        return Entry(int(fields["seq"]), fields["prev"], fields["body"].encode(), fields["hash"], fields["epoch"])
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError) as fault:
        raise ValueError(f"not an entry of the audit export: {line[:60]!r}") from fault


_ANCHOR = re.compile(rf"{re.escape(HEAD_DOMAIN)} ([0-9a-f-]{{36}}) (\d{{1,18}}) ([0-9a-f]{{64}}) ([0-9a-f]{{128}}|-)")


def anchors(text: str) -> tuple[Head, ...]:
    """Every head found in a text (a channel's export, a syslog file), wherever it stands in a line."""
    found = (match.groups() for match in _ANCHOR.finditer(text))
    return tuple(Head(epoch, int(seq), hash_, "" if sign == "-" else sign) for epoch, seq, hash_, sign in found)
