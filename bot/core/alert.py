"""What does Alertmanager tell, and can it be believed to be what it says it is?

The body of its webhook (version 4) is read with every size bounded: depth, digits, lengths. What is too long is cut
with a mark and goes on; what is not of the shape is refused with the place, so that whoever configured it can mend it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.core.text import neutral

MAX_BYTES = 1 << 20
"""Of a body. Alertmanager's `max_alerts` keeps its own below."""
MAX_DEPTH = 8
MAX_DIGITS = 32
MAX_ALERTS = 5_000
MAX_LABELS = 128
LONGEST_NAME, LONGEST_LABEL, LONGEST_NOTE = 200, 1_000, 600

_TOKEN = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*+(?:"|\Z)|[\[{]|[\]}]|[-+.0-9eE]+', re.DOTALL)
_FINGERPRINT = re.compile(r"[0-9A-Za-z]{1,64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Malformed(ValueError):
    """The body is not what Alertmanager sends: what is wrong, and where in it."""


def _texts(longest: int) -> Any:
    def cut(value: Mapping[str, str]) -> Mapping[str, str]:
        if len(value) > MAX_LABELS:
            raise ValueError(f"{len(value)} names, at most {MAX_LABELS}")
        return {neutral(name, LONGEST_NAME): neutral(text, longest) for name, text in value.items()}

    return AfterValidator(cut)


def _none_is_empty(value: Any) -> Any:
    return {} if value is None else value  # Go writes an empty map as null


Labels = Annotated[Mapping[str, str], BeforeValidator(_none_is_empty), _texts(LONGEST_LABEL)]
Notes = Annotated[Mapping[str, str], BeforeValidator(_none_is_empty), _texts(LONGEST_NOTE)]
Word = Annotated[str, AfterValidator(lambda text: neutral(text, LONGEST_LABEL))]


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # Go's zero time, in a zone east of Greenwich
        return datetime.min.replace(tzinfo=UTC)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, use_attribute_docstrings=True)


class Alert(_Value):
    """One alert. `key` names it for ever: the same labels that began to fire at the same moment."""

    status: Literal["firing", "resolved"]
    labels: Labels = Field(default_factory=dict)
    notes: Notes = Field(default_factory=dict, alias="annotations")
    starts: Annotated[AwareDatetime, AfterValidator(_utc)] = Field(alias="startsAt")
    ends: Annotated[AwareDatetime, AfterValidator(_utc)] | None = Field(default=None, alias="endsAt")
    """When it was resolved; of one that fires, nothing that can be relied on."""
    fingerprint: str = ""

    @property
    def key(self) -> str:
        """(fingerprint, startsAt) as one word. Labels make the fingerprint where none is given."""
        mark = self.fingerprint
        if not _FINGERPRINT.fullmatch(mark):
            mark = hashlib.sha256(json.dumps(sorted(self.labels.items())).encode()).hexdigest()[:16]
        return f"{mark}@{(self.starts - _EPOCH).total_seconds():.6f}"

    @property
    def name(self) -> str:
        """`alertname`."""
        return self.labels.get("alertname") or "alert without a name"

    @property
    def summary(self) -> str:
        """What its rule says about it, if anything."""
        return self.notes.get("summary") or self.notes.get("description") or self.notes.get("message") or ""


class Delivery(_Value):
    """One call of the webhook: a group of alerts that are told together. `truncated` are left out by Alertmanager."""

    version: Literal["4"]
    receiver: Word = ""
    group: Word = Field(alias="groupKey")
    alerts: tuple[Alert, ...] = Field(max_length=MAX_ALERTS)
    truncated: int = Field(default=0, ge=0, alias="truncatedAlerts")
    url: Word = Field(default="", alias="externalURL")

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a body. Raises Malformed."""
        if len(body) > MAX_BYTES:
            raise Malformed(f"{len(body)} bytes, at most {MAX_BYTES}")
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as fault:
            raise Malformed(f"byte {fault.start}: not UTF-8") from None
        _guard(text)
        try:
            return cls.model_validate_json(body)
        except ValidationError as fault:
            raise Malformed(_words(fault)) from None

    def kept(self) -> dict[str, Any]:
        """As JSON values, to be stored."""
        return self.model_dump(mode="json")

    @classmethod
    def stored(cls, value: Mapping[str, Any]) -> Self:
        """What `kept` gave."""
        return cls.model_validate_json(json.dumps(value))


def _guard(text: str) -> None:
    """Refuse what costs more to read than it is long: deep nesting, endless numbers. One pass."""
    depth = 0
    for match in _TOKEN.finditer(text):
        first = text[match.start()]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed(f"{_where(text, match.start())}: nested deeper than {MAX_DEPTH} levels")
        elif first in "]}":
            depth -= 1
        elif first != '"' and match.end() - match.start() > MAX_DIGITS:
            raise Malformed(f"{_where(text, match.start())}: a number of more than {MAX_DIGITS} characters")


def _where(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1} column {at - text.rfind(chr(10), 0, at)}"


def _words(fault: ValidationError) -> str:
    """The first three faults, each with its place."""
    found = fault.errors(include_url=False, include_input=False)
    lines = [f"{'.'.join(neutral(str(part), 60) for part in one['loc']) or 'body'}: {one['msg']}" for one in found[:3]]
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""  # noqa: PLR2004 - the three above
    return neutral("; ".join(lines) + more, 1_000)
