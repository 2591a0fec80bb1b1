"""The explanation of a route as JSON, for the API and the command."""

from datetime import datetime
from typing import Any

from pgwatch.notify.explain import Destination, Explanation
from pgwatch.notify.group import Group
from pgwatch.notify.matcher import show
from pgwatch.web.alertmanager_json import acknowledgement_json, api_time


def explanation_json(explanation: Explanation, now: datetime) -> dict[str, Any]:
    """Return what `pgwatch route explain --json` prints; times are RFC 3339, timers are seconds."""
    return {
        "labels": dict(explanation.labels),
        "routes": [_destination(one, now) for one in explanation.destinations],
        "silenced_by": [
            {"id": one.id, "because": one.because, "until": api_time(one.quiet_until(now) or now)}
            for one in explanation.silences
        ],
        "inhibited_by": [dict(labels) for labels in explanation.inhibited_by],
        "acknowledgement": (
            acknowledgement_json(explanation.acknowledged) if explanation.acknowledged else None
        ),
    }


def _destination(one: Destination, now: datetime) -> dict[str, Any]:
    return {
        "path": [show(route.matchers) for route in one.path],
        "receiver": one.route.receiver,
        "channels": list(one.channels),
        "group_key": one.group_key,
        "group_labels": dict(one.group_labels),
        "group_wait_seconds": one.route.group_wait.total_seconds(),
        "group_interval_seconds": one.route.group_interval.total_seconds(),
        "repeat_interval_seconds": one.route.repeat_interval.total_seconds(),
        "continue": one.route.continues,
        "muted_by_time_intervals": one.is_quiet,
        "group": _group(one.group),
        "next_flush": api_time(one.next_flush(now)),
    }


def _group(group: Group | None) -> dict[str, int] | None:
    if group is None:
        return None
    firing = sum(one.ends_at is None for one in group.members.values())
    return {"firing": firing, "resolved": len(group.members) - firing}
