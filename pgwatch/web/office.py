"""What the APIs about alerts ask of the daemon."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from pgwatch.alerts.alert import Alert
from pgwatch.alerts.posted import PostedAlert
from pgwatch.notify.group import Group, GroupId
from pgwatch.notify.interventions import Interventions
from pgwatch.notify.route import Routing, log_only
from pgwatch.notify.silence import Silence
from pgwatch.samples.labels import Labels, Matcher
from pgwatch.state.history import Event
from pgwatch.state.outbox import OutboxMessage, OutboxState


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is known at one time."""

    now: datetime
    started: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    routing: Routing = field(default_factory=log_only)
    interventions: Interventions = field(default_factory=Interventions)
    everything: Callable[[], Iterable[Alert]] = tuple  # that is known, made when it is asked for
    find: Callable[[str], Alert | None] = lambda _fingerprint: None
    # the alert that fires with a fingerprint
    leases: Mapping[Labels, PostedAlert] = field(default_factory=dict)  # of those that are posted
    groups: Mapping[GroupId, Group] = field(default_factory=dict)

    @property
    def alerts(self) -> Iterable[Alert]:
        """All alerts with the labels that routes see: ten thousand may be, so ask once."""
        return self.everything()

    delayed_until: datetime | None = None  # no group is told before it


class Office(Protocol):
    """Answers from a running daemon; a call may take a while, and raises StateError if nothing is saved."""

    def routing(self) -> Routing:
        """Return the routes in force."""

    async def samples(self) -> bytes:
        """Return the history as `samples.history` encodes it."""

    async def snapshot(self) -> Snapshot:
        """Return what is known now."""

    async def put_silence(self, wanted: Silence) -> str:
        """Make or change a silence; returns its id. Raises SilenceError, KeyError for an unknown id."""

    async def expire_silence(self, silence_id: str) -> None:
        """End a silence; raises KeyError if it is not known."""

    async def acknowledge(
        self, matchers: Sequence[Matcher], owner: str, comment: str, until: datetime | None
    ) -> list[Labels]:
        """Note that `owner` looks after the firing alerts that match; returns those alerts."""

    async def release(self, matchers: Sequence[Matcher]) -> list[Labels]:
        """Note that nobody looks after the alerts that match; returns those somebody did."""

    async def post(self, alerts: Iterable[PostedAlert]) -> None:
        """Take alerts that another program posts."""

    async def events(
        self, *, limit: int, kind: str | None, since: datetime | None, about: str
    ) -> list[Event]:
        """Return the newest events, newest first."""

    async def messages(self, states: Sequence[OutboxState], limit: int) -> list[OutboxMessage]:
        """Return the newest messages of the outbox, newest first."""

    async def retry(self, messages: Sequence[int]) -> list[int]:
        """Let messages that wait, were given up or dropped be due now; returns their ids."""

    async def drop(self, messages: Sequence[int]) -> list[int]:
        """Drop messages that wait or were given up; returns the ids of those that did."""
