"""The end of a deploy's mute: one message for each receiver says what stayed broken."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pgwatch.notify.flush import Decision, Muting, digest_of, notification_to, with_owner
from pgwatch.notify.group import Group, GroupId, LogEntry, LogKey
from pgwatch.notify.notification import News, NotifiedAlert, Reason, in_order
from pgwatch.notify.route import Routing
from pgwatch.notify.silence import Silence
from pgwatch.samples.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the ends of deploys decide."""

    logged: Mapping[LogKey, LogEntry] = field(default_factory=dict)
    enqueue: tuple[Decision, ...] = ()
    reported: tuple[str, ...] = ()  # ids of the silences
    told: Mapping[GroupId, frozenset[str]] = field(default_factory=dict)  # digests, by group
    due: frozenset[GroupId] = frozenset()  # channels of these groups keep incidents of their own


def report_deploys(
    ended: Iterable[Silence],
    groups: Iterable[Group],
    routing: Routing,
    *,
    muting: Muting,
    log: Mapping[LogKey, LogEntry],
    now: datetime,
) -> Report:
    """Return the messages about what fires and was quiet for the `ended` deploys.

    `groups` are those that may be told now. What they are told here counts as told of the groups, so that
    each end is told by its group. Channels with one incident for each group are left to the groups.
    """
    groups = tuple(groups)
    logged: dict[LogKey, LogEntry] = {}
    enqueue: list[Decision] = []
    due, ids = set[GroupId](), list[str]()
    digests: dict[GroupId, frozenset[str]] = {}
    for silence in ended:
        ids.append(silence.id)
        told: dict[tuple[str, str], dict[Labels, NotifiedAlert]] = {}
        for group in groups:
            broken = _broken(group, silence, muting, now)
            known = digests.get(group.id, frozenset())
            digests[group.id] = known | {digest_of(one.labels) for one in broken}
            for channel in routing.receivers[group.id.receiver].channels if broken else ():
                if channel.keyed:
                    due.add(group.id)
                    continue
                key = LogKey(group.id.receiver, channel.name, group.id.key)
                entry = logged.get(key) or log.get(key)
                logged[key] = _entry(entry, broken, now)
                known = entry.firing if entry else frozenset()
                of_channel = told.setdefault((key.receiver, key.channel), {})
                of_channel.update({one.labels: _as_told(one, known, silence) for one in broken})
        enqueue += [_message(silence, channel, told[channel], routing, now) for channel in told]
    return Report(
        logged=logged,
        enqueue=tuple(enqueue),
        reported=tuple(ids),
        told=digests,
        due=frozenset(due),
    )


def _broken(
    group: Group, silence: Silence, muting: Muting, now: datetime
) -> tuple[NotifiedAlert, ...]:
    """Return the members that fire, that the deploy kept quiet, and that nothing else does."""
    return tuple(
        with_owner(one, muting.acknowledgements)
        for one in group.members.values()
        if one.ends_at is None
        and one.held_until is None
        and silence.matches(one.labels)
        and muting.of(one.labels, now) is None
    )


def _entry(told: LogEntry | None, broken: Iterable[NotifiedAlert], now: datetime) -> LogEntry:
    digests = frozenset(digest_of(one.labels) for one in broken)
    if told is None:
        return LogEntry(time=now, firing=digests, resolved=frozenset())
    return replace(told, time=now, firing=told.firing | digests)


def _as_told(one: NotifiedAlert, known: frozenset[str], silence: Silence) -> NotifiedAlert:
    news = News.STILL if digest_of(one.labels) in known else News.NEW
    since = max(one.starts_at, silence.starts_at)
    return replace(one, news=news, quiet_since=since, quiet_because=f"deploy: {silence.comment}")


def _message(
    silence: Silence,
    told: tuple[str, str],
    alerts: Mapping[Labels, NotifiedAlert],
    routing: Routing,
    now: datetime,
) -> Decision:
    key = LogKey(*told, f"{{}}:{{deploy={silence.id}}}")
    return Decision(
        notification=notification_to(
            key,
            Reason.DEPLOY_OVER,
            now,
            alerts=in_order(alerts.values()),
            external_url=routing.external_url,
            extra={"deploy": silence.comment, "deploy_by": silence.created_by},
        )
    )
