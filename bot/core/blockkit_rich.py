"""What may rich text hold in Slack, as tables?"""

from collections.abc import Mapping

from bot.core.blockkit_elements import BLOCK_ID, TYPE
from bot.core.blockkit_rules import (
    Rule,
    Shape,
    array,
    boolean,
    enum,
    integer,
    string,
    url,
    variant,
)

_STYLE: dict[str, Rule] = {
    "style": Shape(
        {},
        dict.fromkeys(
            ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"), boolean
        ),
    )
}

_INLINE: Mapping[str, Shape] = {
    "text": Shape(TYPE | {"text": string()}, _STYLE),
    "link": Shape(TYPE | {"url": url()}, _STYLE | {"text": string(None, 0), "unsafe": boolean}),
    "emoji": Shape(TYPE | {"name": string()}, {"unicode": string(), "skin_tone": integer(1, 6), "url": url()} | _STYLE),
    "user": Shape(TYPE | {"user_id": string()}, _STYLE),
    "usergroup": Shape(TYPE | {"usergroup_id": string()}, _STYLE),
    "channel": Shape(TYPE | {"channel_id": string()}, _STYLE),
    "team": Shape(TYPE | {"team_id": string()}, _STYLE),
    "broadcast": Shape(TYPE | {"range": enum("here", "channel", "everyone")}, _STYLE),
    "color": Shape(TYPE | {"value": string()}, _STYLE),
    "date": Shape(
        TYPE | {"timestamp": integer(0, 2**53), "format": string()}, _STYLE | {"url": url(), "fallback": string()}
    ),
}
_inline = array(variant(_INLINE), None, 0)
_literal = array(variant({kind: _INLINE[kind] for kind in ("text", "link")}), None, 0)
_SECTION = Shape(TYPE | {"elements": _inline})
RICH: Mapping[str, Shape] = {
    "rich_text_section": _SECTION,
    "rich_text_list": Shape(
        TYPE
        | {"elements": array(variant({"rich_text_section": _SECTION}), None, 0), "style": enum("bullet", "ordered")},
        {"indent": integer(0, 8), "offset": integer(0, 100_000), "border": integer(0, 1)},
    ),
    "rich_text_preformatted": Shape(TYPE | {"elements": _literal}, {"border": integer(0, 1), "language": string()}),
    "rich_text_quote": Shape(TYPE | {"elements": _inline}, {"border": integer(0, 1)}),
}
RICH_TEXT = Shape(TYPE | {"elements": array(variant(RICH), None, 0)}, BLOCK_ID)
