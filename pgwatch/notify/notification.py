"""A notification: what one receiver is to be told about one group of alerts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pgwatch.samples.labels import Labels


class Reason(StrEnum):
    """Why a notification is sent, in Alertmanager's words (`notify/dedup_stage.go`)."""

    FIRST = "first notification"
    NEW_ALERTS = "new alerts added"
    SOME_RESOLVED = "some alerts resolved"
    ALL_RESOLVED = "all alerts resolved"
    REPEAT = "repeat interval elapsed"
    TEST = "test"  # `pgwatch notify test`


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
    alerts: tuple[NotifiedAlert, ...]  # sorted: firing before resolved, then by labels
    external_url: str = ""
    id: str = ""  # stable for this decision; channels derive idempotency keys from it
    truncated: int = 0  # alerts left out by `max_alerts`
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """`resolved` when no alert of the group fires, else `firing`."""
        return "firing" if any(alert.ends_at is None for alert in self.alerts) else "resolved"


def in_order(alerts: Iterable[NotifiedAlert]) -> tuple[NotifiedAlert, ...]:
    """Return `alerts` as a message lists them: firing before resolved, then by labels."""
    return tuple(sorted(alerts, key=_place))


def _place(alert: NotifiedAlert) -> tuple[bool, tuple[tuple[str, str], ...]]:
    return alert.ends_at is not None, tuple(alert.labels.items())
