"""Alerts, groups and notifications as JSON text and back; what one version writes all later ones read."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.evidence import Evidence
from pgwatch.alerts.posted import PostedAlert
from pgwatch.notify.group import MemberId, Quiet
from pgwatch.notify.notification import News, Notification, NotifiedAlert, Reason
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Source

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(*parts: str) -> str:
    """Return a short key for `parts`, which may be long."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def encode(value: Any) -> str:
    """Return `value` as compact JSON with sorted keys, so that equal values give equal texts."""
    return _ENCODER.encode(value)


def encode_alert(alert: Alert) -> str:
    """Return `alert` without its rule, which is a column."""
    return encode(
        {
            "labels": alert.labels.to_dict(),
            "annotations": dict(alert.annotations),
            "state": alert.state,
            "value": repr(alert.value),  # JSON has no NaN and no infinity
            "active_at": _text(alert.active_at),
            "fired_at": _text(alert.fired_at),
            "keep_firing_since": _text(alert.keep_firing_since),
            "resolved_at": _text(alert.resolved_at),
            "no_data_since": _text(alert.no_data_since),
            "sources": sorted([s.target, s.query, s.database] for s in alert.sources),
            "generator_url": alert.generator_url,
            "value_at_recovery": _number(alert.value_at_recovery),
            "evidence": _evidence(alert.evidence),
        }
    )


def decode_alert(rule: str, text: str) -> Alert:
    """Return the alert that `encode_alert` wrote."""
    body = json.loads(text)
    return Alert(
        rule=rule,
        labels=Labels(body["labels"]),
        annotations=body["annotations"],
        state=AlertState(body["state"]),
        value=float(body["value"]),
        active_at=datetime.fromisoformat(body["active_at"]),
        fired_at=_time(body["fired_at"]),
        keep_firing_since=_time(body["keep_firing_since"]),
        resolved_at=_time(body["resolved_at"]),
        no_data_since=_time(body["no_data_since"]),
        sources=frozenset(Source(*parts) for parts in body["sources"]),
        generator_url=body["generator_url"],
        value_at_recovery=_as_number(body.get("value_at_recovery")),  # version 1 had none
        evidence=_as_evidence(body.get("evidence")),
    )


def encode_members(members: Mapping[MemberId, NotifiedAlert]) -> str:
    """Return the members of a group as a list."""
    return encode([{"rule": i.rule, **_notified(one)} for i, one in members.items()])


def decode_members(text: str) -> dict[MemberId, NotifiedAlert]:
    """Return the members that `encode_members` wrote."""
    members = {}
    for body in json.loads(text):
        one = _as_notified(body)
        members[MemberId(body["rule"], one.labels)] = one
    return members


def encode_quiet(quiet: Mapping[str, Quiet]) -> str:
    """Return what of a group fires and was muted."""
    return encode(
        {
            key: {
                "since": _text(one.since),
                "because": one.because,
                "silences": one.silences,
                "tell_again": one.tell_again,
            }
            for key, one in quiet.items()
        }
    )


def decode_quiet(text: str) -> dict[str, Quiet]:
    """Return what `encode_quiet` wrote."""
    return {
        key: Quiet(
            since=datetime.fromisoformat(body["since"]),
            because=body["because"],
            silences=tuple(body["silences"]),
            tell_again=body["tell_again"],
        )
        for key, body in json.loads(text).items()
    }


def encode_posted(alert: PostedAlert) -> str:
    """Return all of a posted alert."""
    return encode(
        {
            "labels": alert.labels.to_dict(),
            "annotations": dict(alert.annotations),
            "starts_at": _text(alert.starts_at),
            "ends_at": _text(alert.ends_at),
            "updated_at": _text(alert.updated_at),
            "timeout": alert.timeout,
            "generator_url": alert.generator_url,
        }
    )


def decode_posted(text: str) -> PostedAlert:
    """Return what `encode_posted` wrote."""
    body = json.loads(text)
    return PostedAlert(
        labels=Labels(body["labels"]),
        annotations=body["annotations"],
        starts_at=datetime.fromisoformat(body["starts_at"]),
        ends_at=datetime.fromisoformat(body["ends_at"]),
        updated_at=datetime.fromisoformat(body["updated_at"]),
        timeout=body["timeout"],
        generator_url=body["generator_url"],
    )


def encode_notification(notification: Notification) -> str:
    """Return all of `notification`."""
    return encode(
        {
            "receiver": notification.receiver,
            "channel": notification.channel,
            "group_key": notification.group_key,
            "reason": notification.reason,
            "time": _text(notification.time),
            "group_labels": notification.group_labels.to_dict(),
            "alerts": [_notified(alert) for alert in notification.alerts],
            "external_url": notification.external_url,
            "id": notification.id,
            "truncated": notification.truncated,
            "extra": dict(notification.extra),
        }
    )


def decode_notification(text: str) -> Notification:
    """Return the notification that `encode_notification` wrote."""
    body = json.loads(text)
    return Notification(
        receiver=body["receiver"],
        channel=body["channel"],
        group_key=body["group_key"],
        reason=Reason(body["reason"]),
        time=datetime.fromisoformat(body["time"]),
        group_labels=Labels(body["group_labels"]),
        alerts=tuple(_as_notified(alert) for alert in body["alerts"]),
        external_url=body["external_url"],
        id=body["id"],
        truncated=body["truncated"],
        extra=body["extra"],
    )


def _notified(alert: NotifiedAlert) -> dict[str, Any]:
    body = {
        "labels": alert.labels.to_dict(),
        "annotations": dict(alert.annotations),
        "starts_at": _text(alert.starts_at),
        "ends_at": _text(alert.ends_at),
        "value": repr(alert.value),
        "generator_url": alert.generator_url,
        "no_data_since": _text(alert.no_data_since),
    }
    more = {
        "value_at_recovery": _number(alert.value_at_recovery),
        "evidence": _evidence(alert.evidence),
        "news": "" if alert.news is News.NEW else alert.news,
        "owner": alert.owner,
        "owner_comment": alert.owner_comment,
        "quiet_since": _text(alert.quiet_since),
        "quiet_because": alert.quiet_because,
        "flaps": alert.flaps,
        "held_until": _text(alert.held_until),
        "held_since": _text(alert.held_since),
    }
    # What most alerts do not have is left out: ten thousand of them may stand in one message.
    return body | {key: value for key, value in more.items() if value}


def _as_notified(body: dict[str, Any]) -> NotifiedAlert:
    return NotifiedAlert(
        labels=Labels(body["labels"]),
        annotations=body["annotations"],
        starts_at=datetime.fromisoformat(body["starts_at"]),
        ends_at=_time(body["ends_at"]),
        value=float(body["value"]),
        generator_url=body["generator_url"],
        no_data_since=_time(body["no_data_since"]),
        value_at_recovery=_as_number(body.get("value_at_recovery")),
        evidence=_as_evidence(body.get("evidence")),
        news=News(body.get("news", News.NEW)),
        owner=body.get("owner", ""),
        owner_comment=body.get("owner_comment", ""),
        quiet_since=_time(body.get("quiet_since")),
        quiet_because=body.get("quiet_because", ""),
        flaps=body.get("flaps", 0),
        held_until=_time(body.get("held_until")),
        held_since=_time(body.get("held_since")),
    )


def _evidence(evidence: Evidence | None) -> dict[str, Any] | None:
    if evidence is None:
        return None
    return {
        "query": evidence.query,
        "at": _text(evidence.at),
        "columns": evidence.columns,
        "rows": evidence.rows,
        "omitted": evidence.omitted,
        "note": evidence.note,
    }


def _as_evidence(body: dict[str, Any] | None) -> Evidence | None:
    if body is None:
        return None
    return Evidence(
        query=body["query"],
        at=datetime.fromisoformat(body["at"]),
        columns=tuple(body["columns"]),
        rows=tuple(tuple(row) for row in body["rows"]),
        omitted=body["omitted"],
        note=body["note"],
    )


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _number(value: float | None) -> str | None:
    return None if value is None else repr(value)  # JSON has no NaN and no infinity


def _as_number(text: str | None) -> float | None:
    return None if text is None else float(text)
