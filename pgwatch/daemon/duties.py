"""Does what is due on our own account, on the alerting thread: a heartbeat proves that it turns."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from pgwatch.alerts.alert import Alert
from pgwatch.notify.duties import Duties, Duty, heartbeats, self_tests
from pgwatch.notify.forward import PAUSE, snapshots
from pgwatch.notify.notification import Notification
from pgwatch.notify.route import Routing
from pgwatch.state.store import State

_HEARTBEAT: Final = "heartbeat_at"
_SELF_TEST: Final = "self_test_at"
_SNAPSHOT: Final = "snapshot_at"
_FORWARDING: Final = Duty(receivers=(), interval=PAUSE)

Make = Callable[[Duty, Routing, datetime], tuple[Notification, ...]]


class OwnDuties:
    """Remembers in the state when each was done last, so that a restart neither repeats nor forgets."""

    def __init__(
        self,
        duties: Duties,
        routing: Routing,
        *,
        state: State,
        late: Callable[[datetime], Sequence[str]],
        alerts: Callable[[datetime], Iterable[Alert]] = lambda _: (),
        on_enqueued: Callable[[], None],
    ) -> None:
        """`late` says which rule groups are not evaluated in time; then there is no heartbeat.

        `alerts` are those that real Alertmanagers are told of.
        """
        self._routing = routing
        self._state = state
        self._late = late
        self._on_enqueued = on_enqueued
        wanted: tuple[tuple[str, Duty | None, Make], ...] = (
            (_HEARTBEAT, duties.heartbeat, heartbeats),
            (_SELF_TEST, duties.self_test, self_tests),
            (_SNAPSHOT, _FORWARDING if routing.hidden else None, self._snapshots),
        )
        self._alerts = alerts
        self._duties = {key: (duty, make) for key, duty, make in wanted if duty is not None}
        self._last = {key: state.saved_time(key) for key in self._duties}

    def hasten(self) -> None:
        """Let real Alertmanagers be told at once: an alert began or ended."""
        self._last.pop(_SNAPSHOT, None)

    def are_due(self, now: datetime) -> bool:
        """Return whether there is something to `perform`."""
        return any(self._is_due(key, now) for key in self._duties)

    def perform(self, now: datetime) -> None:
        """Enqueue what is due at `now`; raises StateError, and nothing has changed."""
        for key, (duty, make) in self._duties.items():
            if self._is_due(key, now):
                with self._state.transaction() as changes:
                    changes.save_time(key, now)
                    for told in make(duty, self._routing, now):
                        changes.enqueue(told)
                self._last[key] = now
                self._on_enqueued()

    def _is_due(self, key: str, now: datetime) -> bool:
        duty, _ = self._duties[key]
        held_back = key == _HEARTBEAT and bool(self._late(now))
        return duty.is_due(self._last.get(key), now) and not held_back

    def _snapshots(self, _: Duty, routing: Routing, now: datetime) -> tuple[Notification, ...]:
        return snapshots(routing, self._alerts(now), now)
