"""Groups, the notification log and the flap counters in the state."""

import json
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert

from pgwatch.notify.dispatch import Decisions, DispatchState
from pgwatch.notify.flap import Flap
from pgwatch.notify.group import Group, GroupId, LogEntry, LogKey, MemberId
from pgwatch.samples.labels import Labels
from pgwatch.state.codec import (
    decode_members,
    decode_quiet,
    digest,
    encode,
    encode_members,
    encode_quiet,
)
from pgwatch.state.schema import alert_group, flap, notification_log


def save(connection: Connection, decisions: Decisions) -> None:
    """Save what changed; a group that ended takes its part of the log with it."""
    ended = [{"d": digest(*group_id)} for group_id in decisions.ended]
    changed = [{"d": digest(*group.id)} for group in decisions.saved]
    logged = [_log_row(key, entry) for key, entry in decisions.logged.items()]
    same_group = alert_group.c.digest == bindparam("d")
    same_log = notification_log.c.digest == bindparam("d")
    same_channel = notification_log.c.channel == bindparam("c")
    keys = [{"d": row["digest"], "c": row["channel"]} for row in logged]
    counted = [{"r": i.rule, "d": digest(repr(i.labels))} for i in decisions.flapped]
    calm = [{"r": i.rule, "d": digest(repr(i.labels))} for i in decisions.calm]
    same_alert = (flap.c.rule == bindparam("r"), flap.c.digest == bindparam("d"))
    for statement, rows in (
        (delete(alert_group).where(same_group), ended + changed),
        (insert(alert_group), [_group_row(group) for group in decisions.saved]),
        (delete(notification_log).where(same_log), ended),
        (delete(notification_log).where(same_log, same_channel), keys),
        (insert(notification_log), logged),
        (delete(flap).where(*same_alert), counted + calm),
        (insert(flap), [_flap_row(i, one) for i, one in decisions.flapped.items()]),
    ):
        if rows:
            connection.execute(statement, rows)


def load(connection: Connection) -> DispatchState:
    """Return everything; members are those that the alerts do not bring again (`Group.own`)."""
    groups = {}
    for row in connection.execute(alert_group.select()):
        group_id = GroupId(row.receiver, row.group_key)
        groups[group_id] = Group(
            id=group_id,
            route_key=row.route_key,
            labels=Labels(json.loads(row.labels)),
            next_flush=row.next_flush,
            members=decode_members(row.resolved),
            quiet=decode_quiet(row.quiet),
        )
    log = {
        LogKey(row.receiver, row.channel, row.group_key): LogEntry(
            time=row.time,
            firing=frozenset(json.loads(row.firing)),
            resolved=frozenset(json.loads(row.resolved)),
        )
        for row in connection.execute(notification_log.select())
    }
    flaps = {
        MemberId(row.rule, Labels(json.loads(row.labels))): Flap(
            ends=tuple(datetime.fromisoformat(one) for one in json.loads(row.ends))
        )
        for row in connection.execute(flap.select())
    }
    return DispatchState(groups=groups, log=log, flaps=flaps)


def _group_row(group: Group) -> dict[str, object]:
    return {
        "digest": digest(*group.id),
        "receiver": group.id.receiver,
        "group_key": group.id.key,
        "route_key": group.route_key,
        "labels": encode(group.labels.to_dict()),
        "next_flush": group.next_flush,
        "resolved": encode_members(group.own),
        "quiet": encode_quiet(group.quiet),
    }


def _flap_row(member: MemberId, one: Flap) -> dict[str, object]:
    return {
        "rule": member.rule,
        "digest": digest(repr(member.labels)),
        "labels": encode(member.labels.to_dict()),
        "ends": encode([end.isoformat() for end in one.ends]),
    }


def _log_row(key: LogKey, entry: LogEntry) -> dict[str, object]:
    return {
        "digest": digest(key.receiver, key.group_key),
        "channel": key.channel,
        "receiver": key.receiver,
        "group_key": key.group_key,
        "time": entry.time,
        "firing": encode(sorted(entry.firing)),
        "resolved": encode(sorted(entry.resolved)),
    }
