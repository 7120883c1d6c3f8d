"""How is text that a host printed made safe to show? (Law 9: it is hostile to chat, terminal, parser and memory.)

`neutral` is applied once, where text enters a value that people read. Front ends still escape their own markup.
"""

import unicodedata

_DANGEROUS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def neutral(text: str, limit: int = 200) -> str:
    """One line without control, bidi, zero-width or unassigned characters; each becomes `\\xNN` / `\\uNNNN`.

    Line breaks and tabs become spaces. What is longer than `limit` characters ends in `…`.
    """
    out: list[str] = []
    size = 0
    for char in text[: limit * 4]:
        if char in "\n\r\t":
            piece = " "
        elif unicodedata.category(char) in _DANGEROUS:
            code = ord(char)
            piece = f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - one byte
        else:
            piece = char
        size += len(piece)
        if size > limit:
            return "".join(out)[: limit - 1] + "…"
        out.append(piece)
    return "".join(out) + ("…" if len(text) > limit * 4 else "")
