"""What may an editor suggest while somebody writes a playbook? A JSON Schema, with the names that exist."""

from collections.abc import Iterable, Mapping
from typing import Any

from bot.core.functions import FUNCTIONS
from bot.core.playbook_spec import PlaybookSpec


def playbook_schema(probes: Iterable[str], actions: Iterable[str]) -> Mapping[str, Any]:
    """JSON Schema (2020-12) of a playbook file; probe and action names are enumerations."""
    schema = PlaybookSpec.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "netdiag playbook"
    schema["properties"]["probes"]["items"] = {"enum": sorted(probes)}
    schema["anyOf"] = [{"required": [part], "properties": {part: {"minItems": 1}}} for part in ("findings", "measures")]
    definitions = schema["$defs"]
    definitions["OfferSpec"]["properties"]["action"] |= {"enum": sorted(actions)}
    functions = "\n".join(function.about for function in FUNCTIONS)
    definitions["FindingSpec"]["properties"]["when"]["description"] += f"\n\nFunctions:\n{functions}"
    _let_plain_values_be_expressions(definitions)
    return schema


def _let_plain_values_be_expressions(definitions: Mapping[str, Any]) -> None:
    plain = {"type": ["string", "number", "boolean"]}
    finding, measure = (definitions[name]["properties"] for name in ("FindingSpec", "MeasureSpec"))
    for part, keys in ((finding, ("let", "scope", "evidence")), (measure, ("let", "scope"))):
        for key in keys:
            part[key]["additionalProperties"] = plain
    finding["when"] |= plain
    measure["value"] |= plain
