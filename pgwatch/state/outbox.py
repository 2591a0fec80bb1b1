"""The outbox in the state: what is enqueued, taken, delivered, postponed and given up."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, select

from pgwatch.notify.coalesce import supersede
from pgwatch.notify.flush import Decision
from pgwatch.notify.notification import UNRECORDED, Notification
from pgwatch.notify.outbox import ChannelId, Queued
from pgwatch.state import conversations
from pgwatch.state.codec import decode_notification, digest, encode_notification
from pgwatch.state.fresh import Fresh
from pgwatch.state.schema import broken_channel, outbox


class OutboxState(StrEnum):
    """Where a message is."""

    PENDING = "pending"
    SENDING = "sending"  # on its way; after a crash nobody knows, so it is sent again
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"  # a newer snapshot of its group tells what it would have told
    DEAD = "dead"
    DROPPED = "dropped"  # by a person


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """A row of the outbox, as people ask for it."""

    id: int
    state: OutboxState
    receiver: str
    channel: str
    group_key: str
    reason: str
    queued_at: datetime
    attempts: int
    next_at: datetime
    finished_at: datetime | None
    last_error: str
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How often a message, or what it has taken up, could not be delivered."""

    failed: int = 0
    left_out: int = 0  # of those: attempts that are not in the history

    @classmethod
    def of(cls, row: Row[Any]) -> "Attempts":
        """Return those of a row of the outbox."""
        return cls(failed=row.attempts, left_out=row.left_out)

    def columns(self) -> Mapping[str, int]:
        """Return them as they are stored."""
        return {"attempts": self.failed, "left_out": self.left_out}


def enqueue(connection: Connection, decisions: Iterable[Decision], fresh: Fresh) -> None:
    """Add what was decided; a message of the same group and channel that still waits goes into the new one.

    Each decision is of another group or channel. Ten thousand of them take a second.
    """
    new = {_digest(decision.notification): decision for decision in decisions}
    older = _all_waiting(connection, list(new))
    rows, superseded = list[dict[str, Any]](), []
    told_now = list[Notification]()
    for digest_, decision in new.items():
        told = decision.notification
        if (row := older.get(digest_)) is not None:
            merged = supersede(decode_notification(row.payload), told)
            superseded.append({"i": row.id, "at": told.time})
            rows.append(_row(merged, digest_, Attempts.of(row), row.next_at, row.last_error))
            told_now.append(merged)
        elif decision.deliver:
            rows.append(_row(told, digest_, Attempts(), told.time, ""))
            told_now.append(told)
    if superseded:
        ended = outbox.update().where(outbox.c.id == bindparam("i"))
        values = {"state": OutboxState.SUPERSEDED, "payload": "", "finished_at": bindparam("at")}
        connection.execute(ended.values(**values), superseded)
    if rows:
        connection.execute(outbox.insert(), rows)
    for told, values in zip(told_now, rows, strict=True):
        fresh.add(told, str(values["payload"]))


def recover(connection: Connection) -> None:
    """Make what was on its way when the process died wait again."""
    lost = outbox.select().where(outbox.c.state == OutboxState.SENDING).order_by(outbox.c.id)
    for row in connection.execute(lost).all():
        attempts = Attempts.of(row)
        _wait_again(connection, row, attempts=attempts, until=row.next_at, error=row.last_error)


def take(
    connection: Connection, channels: Sequence[ChannelId], now: datetime, fresh: Fresh
) -> Sequence[Queued]:
    """Return the oldest messages that are due, and mark them as on their way.

    For each of `channels` as many as it is named, of groups that have none on its way.
    """
    ids: list[int] = []
    for channel, most in Counter(channels).items():
        oldest = (
            select(outbox.c.id)
            .where(outbox.c.state == OutboxState.PENDING, outbox.c.next_at <= now)
            .where(outbox.c.receiver == channel.receiver, outbox.c.channel == channel.channel)
            .where(_none_on_its_way())
            .order_by(outbox.c.id)
            .limit(most)
        )
        ids += connection.execute(oldest).scalars().all()
    if not ids:
        return ()
    rows = connection.execute(outbox.select().where(outbox.c.id.in_(ids)).order_by(outbox.c.id))
    taken = [_queued(row, conversations.recall(connection, row.digest), fresh) for row in rows]
    marked = outbox.update().where(outbox.c.id.in_(ids)).values(state=OutboxState.SENDING)
    connection.execute(marked)
    return taken


def delivered(
    connection: Connection, queued: Queued, receipt: str, now: datetime, memory: str
) -> None:
    """Record that the receiver accepted it; of heartbeats and the like nothing is kept."""
    conversations.remember(connection, _digest(queued.notification), memory, now)
    if queued.notification.reason in UNRECORDED:
        connection.execute(outbox.delete().where(outbox.c.id == queued.id))
        return
    _end(connection, queued.id, OutboxState.DELIVERED, now, receipt=receipt)


def postponed(
    connection: Connection, queued: Queued, error: str, until: datetime, *, recorded: bool = True
) -> None:
    """Record that an attempt failed, and when the next may be made; is it `recorded` in the history?"""
    row = connection.execute(outbox.select().where(outbox.c.id == queued.id)).one()
    attempts = Attempts(failed=row.attempts + 1, left_out=row.left_out + (not recorded))
    _wait_again(connection, row, attempts=attempts, until=until, error=error)


def dead(connection: Connection, queued: Queued, error: str, now: datetime) -> None:
    """Record that it will never be delivered."""
    _end(connection, queued.id, OutboxState.DEAD, now, last_error=error)


def retry(connection: Connection, ids: Sequence[int], now: datetime) -> list[int]:
    """Let messages that wait, were given up or dropped be due `now`; returns the ids of those that are.

    What a newer message of its group has taken up is told by that one.
    """
    rows = connection.execute(outbox.select().where(outbox.c.id.in_(ids)).order_by(outbox.c.id))
    retried = []
    for row in rows.all():
        if row.state in (OutboxState.PENDING, OutboxState.DEAD, OutboxState.DROPPED):
            again = outbox.update().where(outbox.c.id == row.id)
            connection.execute(again.values(queued_at=now, finished_at=None))
            if row.state == OutboxState.PENDING:
                connection.execute(again.values(next_at=now))
            else:
                attempts = Attempts()
                _wait_again(connection, row, attempts=attempts, until=now, error=row.last_error)
            retried.append(row.id)
    return retried


def drop(connection: Connection, ids: Sequence[int], now: datetime) -> list[int]:
    """Let messages that wait or were given up be nobody's business; returns the ids of those that did."""
    open_states = outbox.c.state.in_([OutboxState.PENDING, OutboxState.DEAD])
    chosen = select(outbox.c.id).where(outbox.c.id.in_(ids) & open_states)
    found = connection.execute(chosen).scalars().all()
    for row_id in found:
        _end(connection, row_id, OutboxState.DROPPED, now)
    return list(found)


def bring_forward(connection: Connection, channel: ChannelId, now: datetime) -> None:
    """Make everything that waits for `channel` due."""
    late = outbox.update().where(
        outbox.c.receiver == channel.receiver,
        outbox.c.channel == channel.channel,
        outbox.c.state == OutboxState.PENDING,
        outbox.c.next_at > now,
    )
    connection.execute(late.values(next_at=now))


def waiting(connection: Connection) -> Mapping[ChannelId, datetime]:
    """Return the channels that have something waiting, and when its first is due.

    What waits for another message of its group, which is on its way, does not count.
    """
    rows = connection.execute(
        select(outbox.c.receiver, outbox.c.channel, func.min(outbox.c.next_at))
        .where(outbox.c.state == OutboxState.PENDING)
        .where(_none_on_its_way())
        .group_by(outbox.c.receiver, outbox.c.channel)
    )
    return {ChannelId(receiver, channel): at for receiver, channel, at in rows}


def note_broken(connection: Connection, channel: ChannelId, since: datetime | None) -> None:
    """Remember that others were told that a person must mend `channel`; None: that it works again."""
    connection.execute(broken_channel.delete().where(*_same_channel(channel)))
    if since is not None:
        connection.execute(broken_channel.insert().values({**channel._asdict(), "since": since}))


def told_broken(connection: Connection) -> frozenset[ChannelId]:
    """Return the channels of which others know that a person must mend them."""
    rows = connection.execute(broken_channel.select())
    return frozenset(ChannelId(row.receiver, row.channel) for row in rows)


def _same_channel(channel: ChannelId) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    columns = broken_channel.c
    return columns.receiver == channel.receiver, columns.channel == channel.channel


def messages(
    connection: Connection, states: Collection[OutboxState], limit: int
) -> list[OutboxMessage]:
    """Return the newest `limit` messages in any of `states`, newest first."""
    columns = [c for c in outbox.c if c.name not in ("payload", "digest", "left_out")]
    rows = connection.execute(
        select(*columns)
        .where(outbox.c.state.in_(list(states)))
        .order_by(outbox.c.id.desc())
        .limit(limit)
    )
    return [OutboxMessage(**{**row._mapping, "state": OutboxState(row.state)}) for row in rows]


def counts(connection: Connection) -> dict[OutboxState, int]:
    """Return how many messages are in each state."""
    rows = connection.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state))
    found = {OutboxState(state): count for state, count in rows}
    return {state: found.get(state, 0) for state in OutboxState}


def _none_on_its_way() -> ColumnElement[bool]:
    """Return whether no message of a row's group is on its way: the next waits for what becomes of it."""
    other = outbox.alias()
    same = (other.c.digest == outbox.c.digest) & (other.c.state == OutboxState.SENDING)
    return ~select(other.c.id).where(same).exists()


def _digest(notification: Notification) -> str:
    return digest(notification.receiver, notification.channel, notification.group_key)


def _all_waiting(connection: Connection, groups: Sequence[str]) -> dict[str, Row[Any]]:
    """Return the waiting messages by digest; `enqueue` sees to it that each group has only one."""
    found = {}
    for start in range(0, len(groups), 500):  # SQLite limits the parameters of a statement
        wanted = outbox.c.digest.in_(groups[start : start + 500])
        rows = outbox.select().where(outbox.c.state == OutboxState.PENDING, wanted)
        found.update({row.digest: row for row in connection.execute(rows)})
    return found


def _wait_again(
    connection: Connection, row: Row[Any], *, attempts: "Attempts", until: datetime, error: str
) -> None:
    """Let a message that was on its way wait; if a newer one of its group waits, it goes into that."""
    newer = _all_waiting(connection, [row.digest]).get(row.digest)
    values = {**attempts.columns(), "next_at": until, "last_error": error}
    if newer is None:
        again = outbox.update().where(outbox.c.id == row.id)
        connection.execute(again.values(state=OutboxState.PENDING, **values))
        return
    merged = supersede(decode_notification(row.payload), decode_notification(newer.payload))
    _end(connection, row.id, OutboxState.SUPERSEDED, newer.queued_at, payload="")
    payload, reason = encode_notification(merged), merged.reason
    changed = outbox.update().where(outbox.c.id == newer.id)
    connection.execute(changed.values(payload=payload, reason=reason, **values))


def _row(
    notification: Notification,
    group: str,
    attempts: "Attempts",
    next_at: datetime,
    last_error: str,
) -> dict[str, Any]:
    return {
        "receiver": notification.receiver,
        "channel": notification.channel,
        "group_key": notification.group_key,
        "digest": group,
        "reason": notification.reason,
        "payload": encode_notification(notification),
        "state": OutboxState.PENDING,
        "queued_at": notification.time,
        **attempts.columns(),
        "next_at": next_at,
        "last_error": last_error,
        "receipt": "",
    }


def _end(
    connection: Connection, row_id: int, state: OutboxState, now: datetime, **values: str
) -> None:
    ended = outbox.update().where(outbox.c.id == row_id)
    connection.execute(ended.values(state=state, finished_at=now, **values))


def _queued(row: Row[Any], memory: str, fresh: Fresh) -> Queued:
    return Queued(
        id=row.id,
        notification=fresh.take(row.payload),
        queued_at=row.queued_at,
        attempts=row.attempts,
        memory=memory,
        last_error=row.last_error,
        left_out=row.left_out,
    )
