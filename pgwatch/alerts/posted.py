"""Alerts that others post (Prometheus, amtool): Alertmanager's semantics (`provider/mem`, `alert/alert.go`).

Each is a lease: without news it ends at `ends_at`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.lifecycle import RESOLVED_RETENTION
from pgwatch.samples.labels import Labels

POSTED: Final = "posted"  # stands where other alerts have the id of their rule


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedAlert:
    """What was last heard of one label set."""

    labels: Labels
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: datetime
    ends_at: (
        datetime  # at or before `updated_at`: it is over; else until when it fires without news
    )
    updated_at: datetime  # when it was heard of, or its lease was seen to be over
    timeout: bool = False  # nobody named an end: it is `resolve_timeout` after the post
    generator_url: str = ""

    def as_alert(self, now: datetime) -> Alert:
        """Return it as the pipeline sees alerts."""
        over = self.ends_at <= now
        return Alert(
            rule=POSTED,
            labels=self.labels,
            annotations=self.annotations,
            state=AlertState.RESOLVED if over else AlertState.FIRING,
            value=1.0,
            active_at=self.starts_at,
            fired_at=self.starts_at,
            resolved_at=self.ends_at if over else None,
            generator_url=self.generator_url,
        )


def received(
    labels: Labels,
    annotations: Mapping[str, str],
    *,
    starts_at: datetime | None,
    ends_at: datetime | None,
    generator_url: str,
    resolve_timeout: timedelta,
    now: datetime,
) -> PostedAlert:
    """Return what a post at `now` says; raises ValueError with Alertmanager's words."""
    begin = starts_at or ends_at or now
    end = ends_at or now + resolve_timeout
    if end < begin:
        raise ValueError("start time must be before end time")
    if not labels:
        raise ValueError("at least one label pair required")
    return PostedAlert(
        labels=labels,
        annotations=annotations,
        starts_at=begin,
        ends_at=end,
        updated_at=now,
        timeout=ends_at is None,
        generator_url=generator_url,
    )


def merged(before: PostedAlert | None, new: PostedAlert, now: datetime) -> PostedAlert:
    """Return what is known after `new`: one alert with `before` if their times overlap, else a new one."""
    if before is None or not _overlap(before, new):
        return new
    ends_at = new.ends_at
    if new.ends_at <= now:
        ends_at = max(ends_at, before.ends_at) if before.ends_at <= now else ends_at
    elif not before.timeout:
        ends_at = max(ends_at, before.ends_at)
    return replace(new, starts_at=min(before.starts_at, new.starts_at), ends_at=ends_at)


def heard(
    known: Mapping[Labels, PostedAlert], posted: Iterable[PostedAlert], now: datetime
) -> tuple[Mapping[Labels, PostedAlert], list[PostedAlert]]:
    """Return all that is known once `posted` came and leases lapsed, and what of it is new."""
    after, news = dict(known), dict[Labels, PostedAlert]()
    for one in posted:
        news[one.labels] = after[one.labels] = merged(after.get(one.labels), one, now)
    for one in lapsed(after.values(), now):
        news[one.labels] = after[one.labels] = one
    if not news:
        return known, []
    for labels in forgotten(after.values(), now):
        del after[labels]
        news.pop(labels, None)
    return after, list(news.values())


def next_lapse(posted: Iterable[PostedAlert]) -> datetime | None:
    """Return when the next lease is over unless it is renewed; None: none runs."""
    return min((one.ends_at for one in posted if one.updated_at < one.ends_at), default=None)


def lapsed(posted: Iterable[PostedAlert], now: datetime) -> tuple[PostedAlert, ...]:
    """Return those whose lease is over since, with that noted."""
    return tuple(
        replace(one, updated_at=now) for one in posted if one.updated_at < one.ends_at <= now
    )


def resumed(
    posted: Iterable[PostedAlert], now: datetime, grace: timedelta
) -> tuple[PostedAlert, ...]:
    """Return, after a start, those whose lease ended while nobody listened, renewed for `grace`."""
    return tuple(
        replace(one, ends_at=now + grace, timeout=True)
        for one in posted
        if one.updated_at < one.ends_at <= now
    )


def forgotten(posted: Iterable[PostedAlert], now: datetime) -> tuple[Labels, ...]:
    """Return the labels of those that ended a while ago."""
    return tuple(one.labels for one in posted if one.ends_at < now - RESOLVED_RETENTION)


def _overlap(before: PostedAlert, new: PostedAlert) -> bool:
    return (
        before.starts_at < new.ends_at < before.ends_at
        or before.starts_at < new.starts_at < before.ends_at
        # Alertmanager takes a repeat with the same start for a replacement; the result is the same.
    )
