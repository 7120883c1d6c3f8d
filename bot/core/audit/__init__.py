"""Can anybody quietly edit the log? A hash chain over canonical bytes, with signed heads and outside anchors."""

from bot.core.audit.chain import DOMAIN, Entry, Event, Head, body, chain, digest, genesis, link
from bot.core.audit.text import anchors, from_line, to_line
from bot.core.audit.verify import Verdict, Verification, Verifier, signed_by, verify

__all__ = [
    "DOMAIN",
    "Entry",
    "Event",
    "Head",
    "Verdict",
    "Verification",
    "Verifier",
    "anchors",
    "body",
    "chain",
    "digest",
    "from_line",
    "genesis",
    "link",
    "signed_by",
    "to_line",
    "verify",
]
