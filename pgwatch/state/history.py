"""What has happened, in the state: alerts, messages and their answers, what people said."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row

from pgwatch.notify.interventions import Acknowledgement
from pgwatch.notify.matcher import show
from pgwatch.notify.notification import Notification
from pgwatch.notify.outbox import Queued
from pgwatch.notify.silence import Silence
from pgwatch.samples.labels import Labels
from pgwatch.state.codec import encode
from pgwatch.state.many import execute_many
from pgwatch.state.schema import event

_NAMED: Final = 20  # alerts of a message that its event names
# Failed attempts of one message that are told: these first ones, and then those with another answer than
# the one before, up to as many. A receiver may be down for a day, with an attempt each minute.
_FIRST_ATTEMPTS: Final = 10
_MOST_ATTEMPTS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, for `pgwatch history`."""

    time: datetime
    kind: str  # such as `alert_firing`, `notification_delivered`, `notification_dead`
    subject: str  # what it happened to: labels, or `<receiver>/<channel>`
    detail: Mapping[str, str] = field(default_factory=dict)
    message: int | None = None  # the outbox's, of what was told


def add(connection: Connection, happened: Iterable[Event]) -> None:
    """Add to the history."""
    rows = (
        {
            "time": one.time,
            "kind": one.kind,
            "subject": one.subject,
            "detail": encode(dict(one.detail)),
            "message": one.message,
        }
        for one in happened
    )
    execute_many(connection, event.insert(), rows)


def newest(
    connection: Connection, *, limit: int, kind: str | None, since: datetime | None, about: str
) -> list[Event]:
    """Return the newest `limit` events, newest first: of a `kind`, not older than `since`.

    Those `about` a text have it in the subject or in the detail.
    """
    query = event.select().order_by(event.c.time.desc(), event.c.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(event.c.kind == kind)
    if since is not None:
        query = query.where(event.c.time >= since)
    if about:
        inside = encode(about)[1:-1]  # as it stands in JSON
        query = query.where(
            event.c.subject.contains(about, autoescape=True)
            | event.c.detail.contains(inside, autoescape=True)
        )
    return [_event(row) for row in connection.execute(query)]


def outcome(queued: Queued, kind: str, now: datetime, **more: str) -> Event:
    """Return what became of an attempt to deliver: who was told what, why, and with which answer."""
    told = queued.notification
    detail = {
        "group": told.group_key,
        "reason": str(told.reason),
        "status": told.status,
        "alerts": _alerts(told),
        "attempts": str(queued.attempts + 1),
        **({"attempts_not_listed": str(queued.left_out)} if queued.left_out else {}),
        **{key: text for key, text in more.items() if text},
    }
    subject = f"{told.receiver}/{told.channel}"
    return Event(time=now, kind=kind, subject=subject, detail=detail, message=queued.id)


def is_told(queued: Queued, error: str) -> bool:
    """Return whether the attempt that has just ended with `error` is one for the history."""
    told = queued.attempts - queued.left_out
    first = queued.attempts < _FIRST_ATTEMPTS
    return first or (told < _MOST_ATTEMPTS and error != queued.last_error)


def silence_event(silence: Silence, kind: str, now: datetime) -> Event:
    """Return what somebody did with a silence: `silence_made`, `silence_changed`, `silence_ended`."""
    detail = {
        "id": silence.id,
        "by": silence.created_by,
        "comment": silence.comment,
        "from": silence.starts_at.isoformat(),
        "until": silence.ends_at.isoformat(),
    }
    if silence.window:
        detail["window"] = str(silence.window)
    return Event(time=now, kind=kind, subject=show(silence.matchers), detail=detail)


def acknowledgement_event(one: Acknowledgement) -> Event:
    """Return that somebody looks after an alert now."""
    detail = {"by": one.owner, "comment": one.comment}
    if one.until:
        detail["until"] = one.until.isoformat()
    return Event(time=one.at, kind="alert_acknowledged", subject=repr(one.labels), detail=detail)


def acknowledgement_end(labels: Labels, at: datetime) -> Event:
    """Return that nobody looks after an alert any more."""
    return Event(time=at, kind="acknowledgement_ended", subject=repr(labels))


def _alerts(told: Notification) -> str:
    named = [f"{one.status} {one.labels!r}" for one in told.alerts[:_NAMED]]
    left = len(told.alerts) - len(named)
    return "\n".join([*named, f"and {left} more"] if left else named)


def _event(row: Row[Any]) -> Event:
    return Event(
        time=row.time,
        kind=row.kind,
        subject=row.subject,
        detail=json.loads(row.detail),
        message=row.message,
    )
