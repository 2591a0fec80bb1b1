"""A notification: what one receiver is to be told about one group of alerts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from pgwatch.alerts.evidence import Evidence
from pgwatch.samples.labels import Labels


class Reason(StrEnum):
    """Why a notification is sent, in Alertmanager's words (`notify/dedup_stage.go`) where it has some."""

    FIRST = "first notification"
    NEW_ALERTS = "new alerts added"
    SOME_RESOLVED = "some alerts resolved"
    ALL_RESOLVED = "all alerts resolved"
    REPEAT = "repeat interval elapsed"
    UNMUTED = "still firing after a mute"  # told before it, and not since
    DEPLOY_OVER = "deploy mute over"  # what stayed broken, of all groups of a receiver
    SILENCE_ENDS = "silence ends soon"  # and what it keeps quiet still fires
    ACKNOWLEDGED = "acknowledged"  # somebody looks after alerts that were told
    UNOWNED = "acknowledgement over"  # nobody looks after them any more, and they fire on
    DEAD_LETTER = "dead letter"  # another receiver could not be told this
    HEARTBEAT = "heartbeat"  # nothing is wrong, and the whole path works
    SNAPSHOT = "snapshot"  # all alerts as they are, for a real Alertmanager
    TEST = "test"  # `pgwatch notify test`, and the scheduled self-test


# Told so often that nothing is kept of what arrived, and nobody hears of what did not.
UNRECORDED: Final = frozenset({Reason.HEARTBEAT, Reason.SNAPSHOT})


class News(StrEnum):
    """What one alert of a message is to those who read it."""

    NEW = "new"  # not told before
    STILL = "still"  # told before, and fires on
    TAKEN = "taken"  # told before, and somebody has just said that they look after it
    LEFT = "left"  # told before, and who looked after it does so no longer
    RESOLVED = "resolved"
    MISSED = "missed"  # it fired and ended before anything could be told of it


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifiedAlert:
    """An alert as a message shows it."""

    labels: Labels
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None  # None while firing
    value: float
    generator_url: str = ""
    no_data_since: datetime | None = None  # held as it was: it could not be judged since then
    value_at_recovery: float | None = None  # None: it fires, or nobody knows
    evidence: Evidence | None = None  # the rows behind it when it fired
    news: News = News.NEW
    owner: str = ""  # who has acknowledged it; empty: nobody
    owner_comment: str = ""
    quiet_since: datetime | None = None  # until now nothing was told of it, or nothing any more
    quiet_because: str = ""
    flaps: int = 0  # how often it ended lately, where that is often
    held_until: datetime | None = None  # it flaps: it does not fire now, and its end is told then
    held_since: datetime | None = None  # when it really ended, while that is held

    @property
    def status(self) -> str:
        """`firing` or `resolved`."""
        return "firing" if self.ends_at is None else "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A snapshot of a group for one channel of one receiver, as decided at `time`."""

    receiver: str
    channel: str  # `<kind>[<index>]` inside the receiver, such as `slack[0]`
    group_key: str  # Alertmanager's: `{}/{severity="critical"}:{alertname="PostgresDown"}`
    reason: Reason
    time: datetime
    group_labels: Labels
    alerts: tuple[NotifiedAlert, ...]  # as `in_order` returns them
    external_url: str = ""
    id: str = ""  # stable for this decision; channels derive idempotency keys from it
    truncated: int = 0  # alerts left out by `max_alerts`
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """`resolved` when no alert of the group fires, else `firing`."""
        return "firing" if any(alert.ends_at is None for alert in self.alerts) else "resolved"


def in_order(alerts: Iterable[NotifiedAlert]) -> tuple[NotifiedAlert, ...]:
    """Return `alerts` as a message lists them: firing before resolved, then in Alertmanager's order.

    That is by job, instance and the other labels (`alert/alert.go`; `LabelSet.Before` of Prometheus's
    model); who has fewer labels comes first, who lacks `job` or `instance` last.
    """
    found = list(alerts)
    alike = len({tuple(one.labels) for one in found}) <= 1
    return tuple(sorted(found, key=_place_among_alike if alike else _place))


class _Name(str):
    """The name of a label: of two that differ, the alert that lacks the lesser one comes first."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


def place_of_labels(labels: Labels) -> tuple[object, ...]:
    """Return by what `labels` are sorted as Prometheus's `LabelSet.Before` does: fewer come first."""
    return len(labels), tuple((_Name(name), value) for name, value in labels.items())


def _place(alert: NotifiedAlert) -> tuple[object, ...]:
    return *_job_and_instance(alert), place_of_labels(alert.labels)


def _place_among_alike(alert: NotifiedAlert) -> tuple[object, ...]:
    # Ten thousand of one kind are in order three times as fast.
    return *_job_and_instance(alert), tuple(alert.labels.items())


def _job_and_instance(alert: NotifiedAlert) -> tuple[bool, bool, str, bool, str]:
    job, instance = alert.labels.label("job"), alert.labels.label("instance")
    return alert.ends_at is not None, not job, job, not instance, instance
