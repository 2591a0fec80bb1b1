"""Groups of alerts: their members, their timers, and whether a channel needs to be told of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from pgwatch.notify.notification import NotifiedAlert, Reason
from pgwatch.samples.labels import Labels


class GroupId(NamedTuple):
    """What makes a group one group; it survives a reload that leaves its route's matchers as they are."""

    receiver: str
    key: str  # Alertmanager's group key


class MemberId(NamedTuple):
    """An alert's identity inside a group: two rules may give equal labels."""

    rule: str
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Why an alert that fires was not told at the last flush."""

    since: datetime
    because: str  # for people
    silences: tuple[str, ...] = ()  # their ids
    tell_again: bool = True  # once it is over, also those who had been told before


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Alerts that are told together to one receiver, and when they are looked at next."""

    id: GroupId
    route_key: str  # of the route that made it; says whose timers count
    labels: Labels
    next_flush: datetime
    members: Mapping[MemberId, NotifiedAlert] = field(default_factory=dict)
    # what fires, and what has resolved since the last flush

    quiet: Mapping[str, Quiet] = field(default_factory=dict)
    # by digest of the labels: what fired at the last flush and was muted

    @property
    def own(self) -> Mapping[MemberId, NotifiedAlert]:
        """The members that are saved with the group, since the alerts do not bring them again.

        Those that resolved since the last flush, and those that flap and do not fire now.
        """
        return {i: one for i, one in self.members.items() if one.ends_at or one.held_until}


class LogKey(NamedTuple):
    """The channel of a receiver and the group it was told of."""

    receiver: str
    channel: str
    group_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """What a channel was last told of a group (Alertmanager's notification log)."""

    time: datetime
    firing: frozenset[str]  # digests of the alerts' labels
    resolved: frozenset[str]


def reason_to_notify(
    told: LogEntry | None, now: LogEntry, *, send_resolved: bool, repeat_interval: timedelta
) -> Reason | None:
    """Return why a channel that was last `told` one thing must be told what is true `now`; None: no need.

    Alertmanager's five rules (`notify/dedup_stage.go`, `needsUpdate`). All resolved is a reason even
    without `send_resolved`: it must be logged, though not sent, or a later firing would count as known.
    """
    if told is None:
        return Reason.FIRST if now.firing else None
    if not now.firing <= told.firing:
        return Reason.NEW_ALERTS if told.firing else Reason.FIRST
    if not now.firing:
        return Reason.ALL_RESOLVED if told.firing else None
    if send_resolved and not now.resolved <= told.resolved:
        return Reason.SOME_RESOLVED
    # Exactly at its end, too: Alertmanager's timers run late by a little, so there it is always over then.
    if told.time <= now.time - repeat_interval:
        return Reason.REPEAT
    return None
