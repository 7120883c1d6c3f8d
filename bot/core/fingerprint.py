"""By what is a fault known again, visit after visit?"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from bot.core.volatile import lasting


def fingerprint(playbook: str, name: str, host: str, scope: Mapping[str, Any]) -> str:
    """Same fault, same place, same print: 16 hex digits over everything but what changes with a restart."""
    canonical = json.dumps([playbook, name, host, lasting(scope)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "backslashreplace")).hexdigest()[:16]
