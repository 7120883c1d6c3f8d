"""Which of the store's small values may go with age? Those of messages and runs; whatever is not named here stays.

A value's age counts from when it was set last. Each reason says what is left once it is gone.
"""

from collections.abc import Mapping

PASSING: Mapping[str, str] = {
    "alert-group": "a group of alerts that was silent for so long; its next message has a name of its own",
    "alert-report": "a diagnosis for its message; once it was told, nothing is in it",
    "finding": "what a change's effect is measured with, minutes after it; later the effect is not known (`effect`)",
    "run": "parameters of a run, for the same measurement",
    "slack-inbox": "what somebody pressed or typed, and its id: Slack sends nothing again after hours",
    "slack-parent": "where a run that was interrupted is told so; the asker is told instead",
    "slack-post": "where the message of a digest or an alert stands; what is still said of it comes as a new message",
    "slack-shared": "that a file is in a thread; it is only uploaded while its digest is told",
    "slack-silenceable": "what the button of a digest can silence; it says what to type instead",
    "slack-verdict": "how a run was told, to be edited when its causes are gone; then it stays as it is",
    "sweep-evidence": "reports for a digest that was not told yet; the digest says enough",
    "thread": "where a run answers; cards that stand have their own place, no new one comes after so long",
}
"""Kinds that go with the runs, each with what is left without it."""

LASTING: Mapping[str, str] = {
    "alert-inbox": "slots that are used again: they do not grow",
    "alert-index": "one value: what is under way",
    "backup": "one value: the last backup, which `netdiag doctor` tells",
    "card": "the card of a change: it is kept as long as the change, for ever, and its buttons work as long",
    "effect": "who looked at the effect of a change: without it, it would be looked at, and told, again",
    "halt": "the kill switch: it stays as somebody set it",
    "health": "one value: that the store could be written",
    "policy": "one value: the version of the access policy that the log knows",
    "posts": "one value a channel: its messages of the last hour",
    "slack-followed": "one value: how far the cards follow the changes",
    "slack-inbox-open": "one value: what was taken and is not done",
    "slack-note": "that the end of a change was told: without it, it would be told again",
    "slack-token": "which change a card's button stands for",
    "sweep": "one value a sweep: how far it is settled. Without it, runs that were missed would be forgotten",
    "worker": "one value: the heart beat of who carries changes out",
}
"""Kinds that stay, each with the reason."""
