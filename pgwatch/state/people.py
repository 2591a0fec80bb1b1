"""What people have said, and what other programs have posted, in the state."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, update

from pgwatch.alerts.posted import PostedAlert
from pgwatch.notify.interventions import Acknowledgement, Interventions
from pgwatch.notify.matcher import matcher
from pgwatch.notify.silence import Silence
from pgwatch.notify.window import Window
from pgwatch.samples.labels import Labels, MatchType
from pgwatch.state.codec import decode_posted, digest, encode, encode_posted
from pgwatch.state.many import execute_many
from pgwatch.state.schema import Instant, acknowledgement, posted_alert, silence


def load_interventions(connection: Connection) -> Interventions:
    """Return all silences and acknowledgements."""
    silences = {row.id: _silence(row) for row in connection.execute(silence.select())}
    acknowledgements = {}
    for row in connection.execute(acknowledgement.select()):
        labels = Labels(json.loads(row.labels))
        acknowledgements[labels] = Acknowledgement(
            labels=labels, owner=row.owner, comment=row.comment, at=row.at, until=row.until
        )
    return Interventions(silences=silences, acknowledgements=acknowledgements)


def save_silences(connection: Connection, silences: Iterable[Silence]) -> None:
    """Save new or changed silences."""
    rows = [_silence_row(one) for one in silences]
    delete_silences(connection, [row["id"] for row in rows])
    if rows:
        connection.execute(insert(silence), rows)


def delete_silences(connection: Connection, ids: Iterable[str]) -> None:
    """Forget silences."""
    if keys := [{"i": one} for one in ids]:
        connection.execute(delete(silence).where(silence.c.id == bindparam("i")), keys)


def report_silences(connection: Connection, reported: Mapping[str, datetime]) -> None:
    """Note when the ends of deploys were told."""
    if keys := [{"i": one, "at": at} for one, at in reported.items()]:
        told = update(silence).where(silence.c.id == bindparam("i"))
        reported_at = bindparam("at", type_=Instant())
        connection.execute(told.values(reported_at=reported_at), keys)


def remind_of_silences(connection: Connection, reminded: Mapping[str, datetime]) -> None:
    """Note when it was told that silences end soon."""
    if keys := [{"i": one, "at": at} for one, at in reminded.items()]:
        told = update(silence).where(silence.c.id == bindparam("i"))
        reminded_at = bindparam("at", type_=Instant())
        connection.execute(told.values(reminded_at=reminded_at), keys)


def save_acknowledgement(connection: Connection, one: Acknowledgement) -> None:
    """Save who looks after an alert, instead of who did."""
    release(connection, [one.labels])
    row = {
        "digest": _key(one.labels),
        "labels": encode(one.labels.to_dict()),
        "owner": one.owner,
        "comment": one.comment,
        "at": one.at,
        "until": one.until,
    }
    connection.execute(insert(acknowledgement).values(row))


def release(connection: Connection, alerts: Iterable[Labels]) -> None:
    """Forget who looks after `alerts`."""
    if keys := [{"i": _key(labels)} for labels in alerts]:
        same = acknowledgement.c.digest == bindparam("i")
        connection.execute(delete(acknowledgement).where(same), keys)


def load_posted(connection: Connection) -> dict[Labels, PostedAlert]:
    """Return the posted alerts by labels."""
    rows = connection.execute(posted_alert.select())
    return {one.labels: one for one in map(decode_posted, (row.body for row in rows))}


def save_posted(connection: Connection, alerts: Iterable[PostedAlert]) -> None:
    """Save new or changed posted alerts."""
    rows = (
        {"digest": _key(one.labels), "ends_at": one.ends_at, "body": encode_posted(one)}
        for one in alerts
    )
    execute_many(connection, insert(posted_alert).prefix_with("OR REPLACE"), rows)


def delete_posted(connection: Connection, alerts: Iterable[Labels]) -> None:
    """Forget posted alerts."""
    same = posted_alert.c.digest == bindparam("i")
    keys = ({"i": _key(labels)} for labels in alerts)
    execute_many(connection, delete(posted_alert).where(same), keys)


def _key(labels: Labels) -> str:
    return digest(repr(labels))


def _silence_row(one: Silence) -> dict[str, Any]:
    window = one.window
    body = {
        "matchers": [[m.name, m.type, m.value] for m in one.matchers],
        "created_by": one.created_by,
        "comment": one.comment,
        "deploy": one.deploy,
        "window": None
        if window is None
        else {
            "days": sorted(window.days),
            "start": window.start,
            "end": window.end,
            "zone": window.zone,
        },
    }
    return {
        "id": one.id,
        "starts_at": one.starts_at,
        "ends_at": one.ends_at,
        "updated_at": one.updated_at,
        "body": encode(body),
        "reported_at": one.reported_at,
        "reminded_at": one.reminded_at,
    }


def _silence(row: Any) -> Silence:
    body = json.loads(row.body)
    window = body["window"]
    return Silence(
        id=row.id,
        matchers=tuple(matcher(n, MatchType(kind), value) for n, kind, value in body["matchers"]),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        updated_at=row.updated_at,
        created_by=body["created_by"],
        comment=body["comment"],
        deploy=body["deploy"],
        window=window and Window(**{**window, "days": frozenset(window["days"])}),
        reported_at=row.reported_at,
        reminded_at=row.reminded_at,
    )
