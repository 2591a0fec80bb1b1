"""Delivers what is in the outbox: at least once, in order per group, no receiver in another's way.

One loop takes what is due and hands it to threads: a group has at most one message on its way to a channel,
a channel has as many as it says, and one only while it fails. Each kind of channel has its own threads. What
happened to a message is written back before the next of its group is taken.
"""

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from pgwatch.errors import PgwatchError
from pgwatch.notify.channels.base import Channel, DeliveryError, Receipt
from pgwatch.notify.notification import Notification

logger = logging.getLogger(__name__)

GIVE_UP_AFTER: Final = timedelta(hours=24)  # then nobody acts on the message any more
_FIRST_RETRY: Final = timedelta(seconds=1)
_LONGEST_RETRY: Final = timedelta(minutes=1)
_ASIDE_AFTER: Final = 10  # failed attempts of one message on a channel that answers
_ASIDE_FOR: Final = timedelta(minutes=15)
_MAX_THREADS: Final = 32  # per kind of channel
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_IDLE: Final = timedelta(
    seconds=30
)  # the longest sleep: another process may have changed the outbox


# (what was given up, why, now) → what to tell others of it; without a why, the channel works again
DeadLetters = Callable[[Notification, str, datetime], Sequence[Notification]]


class ChannelId(NamedTuple):
    """A channel among all receivers."""

    receiver: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A notification that was taken from the outbox for one attempt."""

    id: int
    notification: Notification
    queued_at: datetime
    attempts: int  # that failed before this one
    memory: str = ""  # what the channel wanted to know at its next message about the group
    last_error: str = ""  # of the attempts before this one
    left_out: int = 0  # of those attempts: how many are not in the history

    @property
    def channel(self) -> ChannelId:
        """The channel that it is for."""
        return ChannelId(self.notification.receiver, self.notification.channel)


class Queue(Protocol):
    """The outbox as it is stored; each call is one durable transaction and may be made from any thread."""

    def recover(self) -> None:
        """Make what was on its way when the process died wait again."""

    def take(self, channels: Sequence[ChannelId], now: datetime) -> Sequence[Queued]:
        """Return the oldest messages that are due, and mark them as on their way.

        For each of `channels` as many as it is named, of groups that have none on its way.
        """

    def delivered(
        self,
        queued: Queued,
        receipt: str,
        now: datetime,
        memory: str = "",
        letters: Sequence[Notification] = (),
    ) -> None:
        """Record that the receiver accepted it and what the channel wants to know at the next message.

        `letters` are enqueued, for others to know that the channel works again.
        """

    def postponed(
        self,
        queued: Queued,
        error: str,
        now: datetime,
        until: datetime,
        letters: Sequence[Notification] = (),
    ) -> None:
        """Record that an attempt failed and when the next may be made.

        `letters` are enqueued, for others to know that a person must mend the channel.
        """

    def dead(
        self, queued: Queued, error: str, now: datetime, letters: Sequence[Notification] = ()
    ) -> None:
        """Record that it will never be delivered, and enqueue what others are told of that."""

    def bring_forward(self, channel: ChannelId, now: datetime) -> None:
        """Make everything that waits for `channel` due: it works again."""

    def waiting(self) -> Mapping[ChannelId, datetime]:
        """Return the channels that have something waiting, and when its first is due.

        What waits for another message of its group, which is on its way, does not count.
        """

    def told_broken(self) -> Collection[ChannelId]:
        """Return the channels of which others know that a person must mend them."""


@dataclass(slots=True)
class _Line:
    """What the worker remembers of a channel."""

    channel: Channel
    under_way: int = 0
    failures: int = 0  # in a row
    told_broken: bool = False  # others were told that a person must mend it
    ready_at: datetime = _LONG_AGO

    def room(self, now: datetime) -> int:
        """Return how many messages may be taken for it: while it fails, one after the other."""
        at_once = 1 if self.failures else self.channel.at_once
        return max(0, at_once - self.under_way) if self.ready_at <= now else 0


class Outbox:
    """The worker; `run` in a thread of its own, `wake` after each transaction that enqueued something."""

    def __init__(
        self,
        queue: Queue,
        channels: Mapping[ChannelId, Channel],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        dead_letters: DeadLetters = lambda _lost, _error, _now: (),
        on_outcome: Callable[[Queued, str], None] = lambda _queued, _outcome: None,
    ) -> None:
        """`dead_letters` returns what to tell others of a message that is given up.

        `on_outcome` hears `delivered`, `retried` or `dead` for each attempt, in a worker's thread.
        """
        self._queue = queue
        self._clock = clock
        self._dead_letters = dead_letters
        self._on_outcome = on_outcome
        self._lines = {i: _Line(channel) for i, channel in channels.items()}
        wanted = Counter[str]()
        for channel in channels.values():
            wanted[channel.kind] += channel.at_once
        self._threads = {
            kind: ThreadPoolExecutor(
                min(_MAX_THREADS, threads), thread_name_prefix=f"outbox-{kind}"
            )
            for kind, threads in wanted.items()
        }
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # of the lines
        self._flights: set[Future[None]] = set()
        self._ended = threading.Event()  # `run` is over, or was never called
        self._ended.set()
        self._lost = True  # something may be marked as on its way that is not

    def wake(self) -> None:
        """Look at the outbox again now."""
        self._awake.set()

    def run(self) -> None:
        """Deliver until `stop` is called."""
        self._ended.clear()
        try:
            while True:
                self._awake.clear()  # before the look at `_stopping`, so that no wake-up of `stop` is lost
                if self._stopping.is_set():
                    return
                self._awake.wait(self._deliver_or_pause() / timedelta(seconds=1))
        finally:
            self._ended.set()

    def _deliver_or_pause(self) -> timedelta:
        try:
            _, pause = self.deliver_due()
        except PgwatchError as error:
            logger.error("outbox cannot be used", extra={"error": str(error)})  # noqa: TRY400
            return _IDLE
        return pause

    def halt(self) -> None:
        """End `run`: nothing more is taken, and what is on its way goes on."""
        self._stopping.set()
        self._awake.set()

    def stop(self, grace: timedelta = timedelta(seconds=10)) -> None:
        """End `run`; what has not arrived after `grace` is sent again after the next start."""
        self.halt()
        self._ended.wait(grace / timedelta(seconds=1))
        wait_for(self._flights, timeout=grace / timedelta(seconds=1))
        for pool in self._threads.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for line in self._lines.values():
            line.channel.close()

    def deliver_due(self) -> tuple[list[Future[None]], timedelta]:
        """Start delivering what is due; returns the deliveries and how long nothing more will be due."""
        now = self._clock()
        self._recover()
        waiting = self._queue.waiting()
        self._bury_orphans(waiting, now)
        with self._lock:
            room = {i: self._lines[i].room(now) for i in waiting if i in self._lines}
        taken = self._queue.take([i for i, most in room.items() for _ in range(most)], now)
        started = []
        for queued in taken:
            line = self._lines[queued.channel]
            with self._lock:
                line.under_way += 1
                failures = line.failures
            flight = self._threads[line.channel.kind].submit(self._attempt, queued, line, failures)
            started.append(flight)
        self._flights = {flight for flight in self._flights if not flight.done()} | set(started)
        return started, self._pause(waiting, now)

    def _recover(self) -> None:
        """After a start, or an outcome that could not be written: what is not on its way waits again."""
        with self._lock:
            busy = any(line.under_way for line in self._lines.values())
        if self._lost and not busy:
            self._queue.recover()
            known = self._queue.told_broken()
            for i, line in self._lines.items():
                line.told_broken = i in known
            self._lost = False

    def _pause(self, waiting: Mapping[ChannelId, datetime], now: datetime) -> timedelta:
        with self._lock:
            due = [
                max(at, self._lines[i].ready_at)
                for i, at in waiting.items()
                if i in self._lines and self._lines[i].room(max(now, self._lines[i].ready_at))
            ]
        return max(timedelta(0), min(_IDLE, *(at - now for at in due))) if due else _IDLE

    def _bury_orphans(self, waiting: Mapping[ChannelId, datetime], now: datetime) -> None:
        """End messages for channels that the configuration no longer has."""
        gone = [i for i in waiting if i not in self._lines]
        for queued in self._queue.take(gone, now) if gone else ():
            self._end(queued, "the configuration no longer has this channel", now)

    def _attempt(self, queued: Queued, line: _Line, failures: int) -> None:
        """Deliver once; `failures` is how often in a row the channel had failed before."""
        try:
            self._deliver(queued, line, failures)
        except PgwatchError as error:
            self._lost = True
            fields = _fields(queued, error=str(error))
            logger.error("outcome of a delivery cannot be written", extra=fields)  # noqa: TRY400
        finally:
            with self._lock:
                line.under_way -= 1
            self._awake.set()

    def _deliver(self, queued: Queued, line: _Line, failures: int) -> None:
        try:
            receipt = line.channel.deliver(queued.notification, queued.memory)
        except DeliveryError as error:
            self._failed(queued, line, error, failures)
        except Exception as error:  # a unit of work: a bug in one channel must not stop the rest
            logger.exception("channel fails", extra=_fields(queued))
            bug = DeliveryError(f"a bug in pgwatch: {type(error).__name__}", unavailable=False)
            self._failed(queued, line, bug, failures)
        else:
            self._delivered(queued, line, receipt, failures)

    def _delivered(self, queued: Queued, line: _Line, receipt: Receipt, failures: int) -> None:
        now = self._clock()
        letters = self._letters_about_mended(queued, line, now)
        self._queue.delivered(queued, receipt.answer, now, receipt.memory, letters)
        with self._lock:
            mended = 0 < line.failures == failures  # none since this one began
            line.failures = 0 if mended else line.failures
            line.ready_at = max(line.ready_at, now + line.channel.min_interval)
        if mended:
            self._queue.bring_forward(queued.channel, now)
            logger.info("channel works again", extra=_fields(queued))
        self._on_outcome(queued, "delivered")

    def _failed(self, queued: Queued, line: _Line, error: DeliveryError, failures: int) -> None:
        now = self._clock()
        if error.permanent or now - queued.queued_at > GIVE_UP_AFTER:
            self._end(queued, str(error), now)
            with self._lock:
                line.ready_at = max(line.ready_at, now + line.channel.min_interval)
            return
        pause = error.retry_after or _backoff(failures)
        aside = not error.unavailable and queued.attempts + 1 >= _ASIDE_AFTER
        letters = self._letters_about_broken(queued, line, error, now)
        until = now + (_ASIDE_FOR if aside else pause)
        self._queue.postponed(queued, str(error), now, until, letters)
        if not failures:
            logger.warning("notification not delivered", extra=_fields(queued, error=str(error)))
        with self._lock:
            # Those that were on their way together have failed once, not one after the other.
            line.failures = max(line.failures, failures + 1)
            line.ready_at = max(line.ready_at, now + pause)
        self._on_outcome(queued, "retried")

    def _letters_about_broken(
        self, queued: Queued, line: _Line, error: DeliveryError, now: datetime
    ) -> Sequence[Notification]:
        """Return what to tell others of a channel that a person must mend, once until it works again."""
        with self._lock:
            if not error.broken or line.told_broken:
                return ()
            line.told_broken = True
        reason = f"{error} (it is tried again every 15 minutes)"
        letters = self._dead_letters(queued.notification, reason, now)
        line.told_broken = bool(letters)
        self._awake.set()  # there may be something new
        return letters

    def _letters_about_mended(
        self, queued: Queued, line: _Line, now: datetime
    ) -> Sequence[Notification]:
        """Return what to tell those who were told that a person must mend the channel."""
        with self._lock:
            if not line.told_broken:
                return ()
            line.told_broken = False
        letters = self._dead_letters(queued.notification, "", now)
        line.told_broken = not letters
        return letters

    def _end(self, queued: Queued, error: str, now: datetime) -> None:
        letters = self._dead_letters(queued.notification, f"{error} (it is given up)", now)
        self._queue.dead(queued, error, now, letters)
        self._awake.set()  # there may be something new
        logger.error("notification given up", extra=_fields(queued, error=error))
        self._on_outcome(queued, "dead")


def _backoff(failures: int) -> timedelta:
    """Return the pause after one more failure: doubling, up to a fifth shorter at random."""
    share = random.uniform(0.8, 1.0)  # noqa: S311 (spreads retries; nothing secret)
    doubled: timedelta = _FIRST_RETRY * (1 << min(failures, 16))
    return min(_LONGEST_RETRY, doubled) * share


def _fields(queued: Queued, **more: str) -> dict[str, object]:
    return {
        "receiver": queued.notification.receiver,
        "channel": queued.notification.channel,
        "group": queued.notification.group_key,
        "attempts": queued.attempts + 1,
        **more,
    }
