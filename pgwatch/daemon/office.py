"""Answers what the APIs about alerts ask: changes on the alerting thread, reads on another."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from pgwatch.alerts.posted import PostedAlert
from pgwatch.daemon.desk import Desk
from pgwatch.daemon.parts import Parts
from pgwatch.notify.route import Routing, log_only
from pgwatch.notify.silence import Silence
from pgwatch.samples.history import encode
from pgwatch.samples.labels import Labels, Matcher
from pgwatch.state.history import Event
from pgwatch.state.outbox import OutboxMessage, OutboxState
from pgwatch.state.store import State
from pgwatch.web.office import Snapshot

Result = TypeVar("Result")


class DaemonOffice:
    """Implements `web.office.Office` over the parts that work under the configuration in force."""

    def __init__(self, parts: Parts, state: State, started: datetime) -> None:
        self._parts = parts
        self._state = state
        self._started = started

    def routing(self) -> Routing:
        """Return the routes in force; before there are any, those of no configuration."""
        alerting = self._parts.alerting
        return log_only() if alerting is None else alerting.deciding.routing

    async def samples(self) -> bytes:
        """Return the history as `samples.history` encodes it."""
        return await asyncio.to_thread(lambda: b"".join(encode(self._parts.kept())))

    async def snapshot(self) -> Snapshot:
        """Return what is known now."""
        return await asyncio.to_thread(self._snapshot)

    def _snapshot(self) -> Snapshot:
        now, alerting = datetime.now(UTC), self._parts.alerting
        if alerting is None:
            return Snapshot(now=now, started=self._started)
        deciding = alerting.deciding
        return Snapshot(
            now=now,
            started=self._started,
            routing=deciding.routing,
            interventions=deciding.interventions,
            everything=deciding.view(now),
            find=partial(deciding.find, now=now),
            leases=deciding.posted,
            groups=deciding.groups,
            delayed_until=deciding.dispatch.delay.until if deciding.dispatch.delay else None,
        )

    async def put_silence(self, wanted: Silence) -> str:
        """Make or change a silence; returns its id. Raises SilenceError, KeyError for an unknown id."""
        return await self._at_desk(lambda desk: desk.put_silence(wanted))

    async def expire_silence(self, silence_id: str) -> None:
        """End a silence; raises KeyError if it is not known."""
        await self._at_desk(lambda desk: desk.expire_silence(silence_id))

    async def acknowledge(
        self, matchers: Sequence[Matcher], owner: str, comment: str, until: datetime | None
    ) -> list[Labels]:
        """Note that `owner` looks after the firing alerts that match; returns those alerts."""
        return await self._at_desk(lambda desk: desk.acknowledge(matchers, owner, comment, until))

    async def release(self, matchers: Sequence[Matcher]) -> list[Labels]:
        """Note that nobody looks after the alerts that match; returns those somebody did."""
        return await self._at_desk(lambda desk: desk.release(matchers))

    async def post(self, alerts: Iterable[PostedAlert]) -> None:
        """Take alerts that another program posts."""
        await self._at_desk(lambda desk: desk.post(alerts))

    async def events(
        self, *, limit: int, kind: str | None, since: datetime | None, about: str
    ) -> list[Event]:
        """Return the newest events, newest first."""
        return await asyncio.to_thread(
            self._state.events, limit=limit, kind=kind, since=since, about=about
        )

    async def messages(self, states: Sequence[OutboxState], limit: int) -> list[OutboxMessage]:
        """Return the newest messages of the outbox, newest first."""
        return await asyncio.to_thread(self._state.messages, states, limit=limit)

    async def retry(self, messages: Sequence[int]) -> list[int]:
        """Let messages that wait, were given up or dropped be due now; returns their ids."""
        retried = await asyncio.to_thread(self._state.retry, messages, datetime.now(UTC))
        self._parts.wake()
        return retried

    async def drop(self, messages: Sequence[int]) -> list[int]:
        """Drop messages that wait or were given up; returns the ids of those that did."""
        return await asyncio.to_thread(self._state.drop, messages, datetime.now(UTC))

    async def _at_desk(self, work: Callable[[Desk], Result]) -> Result:
        return await self._parts.at_desk(work)
