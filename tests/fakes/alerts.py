"""Alerts as Alertmanager sends them."""

import json
from datetime import UTC, datetime
from typing import Any

from bot.core.alert import Alert, Delivery

# The fields and their order are those of Alertmanager's own documentation of its webhook, version 4.
ALERTS = """\
{"receiver": "netdiag", "status": "firing", "alerts": [{"status": "firing",
   "labels": {"alertname": "NodeConntrackNearlyFull", "instance": "node-3:9100", "job": "node", "severity": "warning"},
   "annotations": {"summary": "conntrack table of node-3 is 92% full"},
   "startsAt": "2030-05-13T08:52:26.739266876Z", "endsAt": "0001-01-01T00:00:00Z",
   "generatorURL": "http://prometheus:9090/graph?g0.expr=x", "fingerprint": "1f0d8ba2c5c41d6a"}],
 "groupLabels": {"alertname": "NodeConntrackNearlyFull"}, "commonLabels": {"job": "node"}, "commonAnnotations": {},
 "externalURL": "http://alertmanager:9093", "version": "4",
 "groupKey": "{}:{alertname=\\"NodeConntrackNearlyFull\\"}", "truncatedAlerts": 0}
"""
STARTS = datetime(2030, 5, 13, 8, 0, tzinfo=UTC)
ENDS = datetime(2030, 5, 13, 8, 30, tzinfo=UTC)


def body(*alerts: dict[str, Any], group: str = "{}:{}", **top: Any) -> bytes:
    """A body with these alerts; what they leave out is sound."""
    sound = {"status": "firing", "labels": {}, "annotations": {}, "startsAt": STARTS.isoformat()}
    whole = {"version": "4", "groupKey": group, "receiver": "netdiag", "alerts": [{**sound, **one} for one in alerts]}
    return json.dumps({**whole, **top}).encode()


def raw(status: str = "firing", starts: datetime = STARTS, **labels: str) -> dict[str, Any]:
    """One alert as JSON values."""
    return {
        "status": status,
        "labels": {"alertname": "Down", **labels},
        "annotations": {"summary": "it is down"},
        "startsAt": starts.isoformat(),
        "endsAt": (ENDS if status == "resolved" else datetime(1, 1, 1, tzinfo=UTC)).isoformat(),
    }


def alert(status: str = "firing", starts: datetime = STARTS, **labels: str) -> Alert:
    """One alert."""
    return Alert.model_validate_json(json.dumps(raw(status, starts, **labels)))


def delivery(*alerts: Alert, truncated: int = 0, group: str = "{}:{}") -> Delivery:
    """A call of the webhook with these alerts."""
    return Delivery(version="4", receiver="netdiag", group=group, alerts=alerts, truncated=truncated)
