"""When a rule group is evaluated."""

import hashlib
from datetime import UTC, datetime, timedelta

from pgwatch.rules.rule import RuleGroup


def group_key(group: RuleGroup) -> str:
    """Return `<file>;<group>`, for a shipped group wherever pgwatch is installed (see `Rule.id`)."""
    if not group.rules:
        return f"{group.file};{group.name}"
    return ";".join(group.rules[0].id.split(";")[:2])


def next_slot(group: RuleGroup, now: datetime) -> datetime:
    """Return the first evaluation of `group` after `now`: a phase of its interval that its name decides.

    Source: prometheus `rules/group.go`, `EvalTimestamp`.
    """
    digest = hashlib.sha256(group_key(group).encode()).digest()
    interval_ms = group.interval // timedelta(milliseconds=1)
    phase = int.from_bytes(digest[:8], "big") % interval_ms
    now_ms = round(now.timestamp() * 1000)
    ahead = interval_ms - (now_ms - phase) % interval_ms
    return datetime.fromtimestamp((now_ms + ahead) / 1000, UTC)


def slot_to_await(group: RuleGroup, slot: datetime, now: datetime) -> datetime:
    """Return `slot`, or the next one if it is further away than any can be: the clock was set back."""
    return slot if slot - now <= group.interval else next_slot(group, now)
