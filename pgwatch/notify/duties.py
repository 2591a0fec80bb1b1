"""What pgwatch tells on its own account: a heartbeat, and tests of the receivers on a schedule."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pgwatch.notify.flap import DEFAULT_LIMITS, FlapLimits
from pgwatch.notify.flush import notification_to
from pgwatch.notify.group import LogKey
from pgwatch.notify.notification import Notification, NotifiedAlert, Reason
from pgwatch.notify.route import Routing
from pgwatch.notify.trial import trial
from pgwatch.samples.labels import Labels

_NAME: Final = "PgwatchHeartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Something that is told to receivers again and again."""

    receivers: tuple[str, ...]
    interval: timedelta

    def is_due(self, last: datetime | None, now: datetime) -> bool:
        """Return whether it is time, `last` being when it was done; also if the clock was set back."""
        return last is None or not last <= now < last + self.interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """The key `notifications` of the configuration."""

    heartbeat: Duty | None = None
    self_test: Duty | None = None
    dead_letters: str = ""  # the receiver that hears what another could not be told; "": any other
    flapping: FlapLimits = field(default=DEFAULT_LIMITS)
    start_delay: timedelta = timedelta(0)  # after the start no group is told before it is over


NO_DUTIES: Final = Duties()


def heartbeats(duty: Duty, routing: Routing, now: datetime) -> tuple[Notification, ...]:
    """Return the heartbeat for each channel of its receivers: an alert that always fires."""
    labels = Labels({"alertname": _NAME, "severity": "none"})
    summary = "pgwatch works. A service that expects this calls somebody when it does not come."
    alert = NotifiedAlert(
        labels=labels,
        annotations={"summary": summary},
        starts_at=now,
        ends_at=None,
        value=1.0,
    )
    return tuple(
        notification_to(
            key,
            Reason.HEARTBEAT,
            now,
            group_labels=labels.only(["alertname"]),
            alerts=(alert,),
            external_url=routing.external_url,
        )
        for key in _keys(duty.receivers, routing)
    )


def self_tests(duty: Duty, routing: Routing, now: datetime) -> tuple[Notification, ...]:
    """Return the test for each channel of its receivers; how it ends is in the history."""
    return tuple(
        trial(key.receiver, key.channel, now, external_url=routing.external_url)
        for key in _keys(duty.receivers, routing)
    )


def _keys(receivers: Iterable[str], routing: Routing) -> list[LogKey]:
    group = f'{{}}:{{alertname="{_NAME}"}}'
    return [
        LogKey(name, channel.name, group)
        for name in receivers
        for channel in routing.receivers[name].channels
    ]
