"""The state: what pgwatch must still know after `kill -9`.

SQLite in WAL mode with `synchronous=FULL`: when a transaction's block has ended, it survives a power
failure. One connection behind one lock serves all threads, so transactions never meet each other.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Connection, Engine, bindparam, delete, select
from sqlalchemy.exc import SQLAlchemyError

from pgwatch.alerts.alert import Alert
from pgwatch.alerts.posted import PostedAlert
from pgwatch.notify.dispatch import Decisions, DispatchState
from pgwatch.notify.flush import Decision
from pgwatch.notify.interventions import Acknowledgement, Interventions
from pgwatch.notify.notification import UNRECORDED, Notification
from pgwatch.notify.outbox import ChannelId, Queued
from pgwatch.notify.silence import Silence, forgotten
from pgwatch.samples.labels import Labels
from pgwatch.state import conversations, groups, history, people
from pgwatch.state import outbox as outbox_rows
from pgwatch.state.codec import decode_alert, digest, encode_alert
from pgwatch.state.engine import open_engine
from pgwatch.state.fresh import Fresh
from pgwatch.state.history import Event, is_told, outcome
from pgwatch.state.lock import StateLock
from pgwatch.state.many import execute_many
from pgwatch.state.outbox import OutboxMessage, OutboxState
from pgwatch.state.schema import StateError, alert, event, meta, outbox, prepare
from pgwatch.state.together import Together

KEEP_HISTORY: Final = timedelta(days=30)
_EVALUATED_AT: Final = "evaluated_at"


class Transaction:
    """Changes that become true together when the block of `State.transaction` ends, or not at all."""

    def __init__(
        self, connection: Connection, known: Mapping[str, Mapping[Labels, Alert]], fresh: Fresh
    ) -> None:
        self._connection = connection
        self._known = known
        self._fresh = fresh
        self.changed: dict[str, Mapping[Labels, Alert]] = {}  # alerts by rule and labels

    def save_alerts(self, rule: str, alerts: Sequence[Alert]) -> None:
        """Make `alerts` all the alerts of `rule`; only those that differ from what is saved are written."""
        known = self.changed.get(rule, self._known.get(rule, {}))
        wanted = {one.labels: one for one in alerts}
        written = [one for labels, one in wanted.items() if _differs(known.get(labels), one)]
        stale = [labels for labels, one in known.items() if _differs(wanted.get(labels), one)]
        one_row = delete(alert).where(alert.c.rule == rule, alert.c.digest == bindparam("i"))
        execute_many(self._connection, one_row, ({"i": digest(repr(i))} for i in stale))
        rows = (
            {
                "rule": rule,
                "digest": digest(repr(one.labels)),
                "state": one.state,
                "body": encode_alert(one),
            }
            for one in written
        )
        execute_many(self._connection, alert.insert(), rows)
        self.changed[rule] = wanted

    def save_evaluation(self, at: datetime) -> None:
        """Save that rules were evaluated at `at`."""
        self.save_time(_EVALUATED_AT, at)

    def save_time(self, what: str, at: datetime) -> None:
        """Save when something was done last."""
        self._connection.execute(delete(meta).where(meta.c.key == what))
        self._connection.execute(meta.insert().values({"key": what, "value": at.isoformat()}))

    def save_decisions(self, decisions: Decisions) -> None:
        """Save what `advance` or `restore` decided: groups, notification log, messages, what ended."""
        groups.save(self._connection, decisions)
        outbox_rows.enqueue(self._connection, decisions.enqueue, self._fresh)
        people.report_silences(self._connection, decisions.reported)
        people.remind_of_silences(self._connection, decisions.reminded)
        people.release(self._connection, decisions.released)

    def save_silences(self, silences: Iterable[Silence]) -> None:
        """Save new or changed silences."""
        people.save_silences(self._connection, silences)

    def save_acknowledgement(self, one: Acknowledgement) -> None:
        """Save who looks after an alert, instead of who did."""
        people.save_acknowledgement(self._connection, one)

    def release(self, alerts: Iterable[Labels]) -> None:
        """Forget who looks after `alerts`."""
        people.release(self._connection, alerts)

    def save_posted(self, alerts: Iterable[PostedAlert], forget: Iterable[Labels] = ()) -> None:
        """Save new or changed posted alerts, and forget others."""
        people.save_posted(self._connection, alerts)
        people.delete_posted(self._connection, forget)

    def enqueue(self, notification: Notification) -> None:
        """Add one message that no group decided, such as a test or a heartbeat."""
        decision = Decision(notification=notification)
        outbox_rows.enqueue(self._connection, [decision], self._fresh)

    def tell_of(
        self, channel: ChannelId, letters: Sequence[Notification], now: datetime, *, broken: bool
    ) -> None:
        """Enqueue what others are told of a `channel` that is `broken`, or works again; and remember that."""
        if letters:
            outbox_rows.note_broken(self._connection, channel, now if broken else None)
        for letter in letters:
            self.enqueue(letter)

    def record(self, *happened: Event) -> None:
        """Add to the history."""
        self.record_all(happened)

    def record_all(self, happened: Iterable[Event]) -> None:
        """Add to the history what may be very much; it is made as it is written."""
        history.add(self._connection, happened)


class State:
    """The open state file; implements `notify.outbox.Queue`. Safe to use from any thread."""

    def __init__(self, path: Path, engine: Engine, lock: StateLock | None) -> None:
        self.path = path
        self._engine = engine
        self._file_lock = lock
        self._lock = threading.RLock()  # a nested transaction is an error of SQLite, not a deadlock
        self._closed = False
        self._alerts: dict[str, Mapping[Labels, Alert]] = {}
        self._fresh = Fresh()
        self._outcomes = Together[Transaction](self._do)  # of deliveries

    @classmethod
    def open(cls, path: Path, *, exclusive: bool = True) -> Self:
        """Open or create the file, as the one daemon (`exclusive`) or as a command beside it.

        Raises StateError if another daemon has it, it is of a newer version, or it is not usable.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)  # messages may tell more than other users should know
        except OSError as error:
            raise StateError(f"state file {path}: {error.strerror}") from error
        lock = StateLock(path).acquire() if exclusive else None
        engine = open_engine(path)
        state = cls(path, engine, lock)
        try:
            with state._begin() as connection:
                prepare(connection, path)
                state._alerts = _load_alerts(connection)
        except BaseException:
            state.close()
            raise
        return state

    def close(self) -> None:
        """Close the file and let another process have it."""
        with self._lock:
            self._closed = True
            self._engine.dispose()
        if self._file_lock is not None:
            self._file_lock.release()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Run the block as one durable transaction; an exception undoes all of it.

        Raises StateError if it cannot be written.
        """
        with self._lock:
            with self._begin() as connection:
                changes = Transaction(connection, self._alerts, self._fresh)
                yield changes
            self._alerts = {**self._alerts, **changes.changed}

    def load_alerts(self) -> dict[str, tuple[Alert, ...]]:
        """Return all saved alerts by rule."""
        with self._begin() as connection:
            saved = _load_alerts(connection)
        return {rule: tuple(of_rule.values()) for rule, of_rule in saved.items()}

    def last_evaluation(self) -> datetime | None:
        """Return the last time of `save_evaluation`; None in a state that never had one."""
        return self.saved_time(_EVALUATED_AT)

    def saved_time(self, what: str) -> datetime | None:
        """Return when something was done last (`Transaction.save_time`); None: never."""
        query = select(meta.c.value).where(meta.c.key == what)
        with self._begin() as connection:
            saved = connection.execute(query).scalar()
        return None if saved is None else datetime.fromisoformat(saved)

    def load_dispatch(self) -> DispatchState:
        """Return the saved groups, with the members that alerts do not bring, the log and the counters."""
        with self._begin() as connection:
            return groups.load(connection)

    def load_interventions(self) -> Interventions:
        """Return all silences and acknowledgements."""
        with self._begin() as connection:
            return people.load_interventions(connection)

    def load_posted(self) -> dict[Labels, PostedAlert]:
        """Return the posted alerts by labels."""
        with self._begin() as connection:
            return people.load_posted(connection)

    def events(
        self,
        *,
        limit: int = 100,
        kind: str | None = None,
        since: datetime | None = None,
        about: str = "",
    ) -> list[Event]:
        """Return the newest `limit` events, newest first; see `history.newest`."""
        with self._begin() as connection:
            return history.newest(connection, limit=limit, kind=kind, since=since, about=about)

    def prune(self, now: datetime, *, keep: timedelta = KEEP_HISTORY) -> None:
        """Delete events, and messages that are done, older than `keep`; and silences long over."""
        with self._begin() as connection:
            silences = people.load_interventions(connection).silences.values()
            people.delete_silences(connection, forgotten(silences, now))
            connection.execute(delete(event).where(event.c.time < now - keep))
            connection.execute(delete(outbox).where(outbox.c.finished_at < now - keep))
            conversations.prune(connection, now - keep)

    def messages(
        self, states: Collection[OutboxState] = tuple(OutboxState), *, limit: int = 100
    ) -> list[OutboxMessage]:
        """Return the newest messages of the outbox, newest first."""
        with self._begin() as connection:
            return outbox_rows.messages(connection, states, limit)

    def retry(self, messages: Sequence[int], now: datetime) -> list[int]:
        """Let messages that wait, were given up or dropped be due now; returns their ids."""
        with self.transaction() as changes:
            retried = outbox_rows.retry(changes._connection, messages, now)
            for one in retried:
                changes.record(Event(time=now, kind="message_retried", subject="", message=one))
        return retried

    def drop(self, messages: Sequence[int], now: datetime) -> list[int]:
        """Drop messages that wait or were given up; returns the ids of those that did."""
        with self.transaction() as changes:
            dropped = outbox_rows.drop(changes._connection, messages, now)
            for one in dropped:
                changes.record(Event(time=now, kind="message_dropped", subject="", message=one))
        return dropped

    def message_counts(self) -> dict[OutboxState, int]:
        """Return how many messages are in each state."""
        with self._begin() as connection:
            return outbox_rows.counts(connection)

    def recover(self) -> None:
        """Make what was on its way when the process died wait again."""
        with self._begin() as connection:
            outbox_rows.recover(connection)

    def take(self, channels: Sequence[ChannelId], now: datetime) -> Sequence[Queued]:
        """Return the oldest messages that are due, and mark them as on their way.

        For each of `channels` as many as it is named, of groups that have none on its way. A power failure
        may undo the mark, for what is on its way is sent again anyway.
        """
        if not channels:
            return ()
        with self._begin(synced=False) as connection:
            return outbox_rows.take(connection, channels, now, self._fresh)

    def delivered(
        self,
        queued: Queued,
        receipt: str,
        now: datetime,
        memory: str = "",
        letters: Sequence[Notification] = (),
    ) -> None:
        """Record that the receiver accepted it, and what the channel wants to know at the next message.

        Others may be told that it works again.
        """

        def work(changes: Transaction) -> None:
            outbox_rows.delivered(changes._connection, queued, receipt, now, memory)
            if queued.notification.reason not in UNRECORDED:  # or there would be little else
                told = {"answer": receipt, "last_error": queued.last_error}
                changes.record(outcome(queued, "notification_delivered", now, **told))
            changes.tell_of(queued.channel, letters, now, broken=False)

        self._outcomes.write(work)

    def postponed(
        self,
        queued: Queued,
        error: str,
        now: datetime,
        until: datetime,
        letters: Sequence[Notification] = (),
    ) -> None:
        """Record that an attempt failed, when the next may be made, and enqueue what others are told.

        Attempts stand in the history: the first ones, and of the others a few that ended differently.
        """

        def work(changes: Transaction) -> None:
            told = is_told(queued, error)
            outbox_rows.postponed(changes._connection, queued, error, until, recorded=told)
            if told and queued.notification.reason not in UNRECORDED:
                changes.record(outcome(queued, "notification_failed", now, error=error))
            changes.tell_of(queued.channel, letters, now, broken=True)

        self._outcomes.write(work)

    def dead(
        self, queued: Queued, error: str, now: datetime, letters: Sequence[Notification] = ()
    ) -> None:
        """Record that it will never be delivered, and enqueue what others are told of that."""

        def work(changes: Transaction) -> None:
            outbox_rows.dead(changes._connection, queued, error, now)
            for letter in letters:
                changes.enqueue(letter)
            changes.record(outcome(queued, "notification_dead", now, error=error))

        self._outcomes.write(work)

    def bring_forward(self, channel: ChannelId, now: datetime) -> None:
        """Make everything that waits for `channel` due."""
        with self._begin() as connection:
            outbox_rows.bring_forward(connection, channel, now)

    def waiting(self) -> Mapping[ChannelId, datetime]:
        """Return the channels that have something waiting, and when its first is due."""
        with self._begin() as connection:
            return outbox_rows.waiting(connection)

    def told_broken(self) -> frozenset[ChannelId]:
        """Return the channels of which others know that a person must mend them."""
        with self._begin() as connection:
            return outbox_rows.told_broken(connection)

    def _do(self, works: Sequence[Callable[[Transaction], None]]) -> None:
        with self.transaction() as changes:
            for work in works:
                work(changes)

    @contextmanager
    def _begin(self, *, synced: bool = True) -> Iterator[Connection]:
        """Begin a transaction; if it is not `synced`, it may be undone by a power failure, not by a crash."""
        with self._owned(), self._engine.connect() as connection:
            connection.execution_options(synced=synced)
            with connection.begin():
                yield connection

    @contextmanager
    def _owned(self) -> Iterator[None]:
        """Hold the connection, and turn the driver's errors into ours."""
        with self._lock:
            if self._closed:  # the engine would open the file again, which another process may have
                raise StateError(f"state file {self.path}: closed")
            try:
                yield
            except SQLAlchemyError as error:
                cause = getattr(error, "orig", None) or type(error).__name__
                raise StateError(f"state file {self.path}: {cause}") from error


def _differs(one: Alert | None, other: Alert) -> bool:
    return one is not other and one != other


def _load_alerts(connection: Connection) -> dict[str, Mapping[Labels, Alert]]:
    saved: dict[str, dict[Labels, Alert]] = {}
    for row in connection.execute(select(alert.c.rule, alert.c.body)):
        one = decode_alert(row.rule, row.body)
        saved.setdefault(row.rule, {})[one.labels] = one
    return dict(saved)
