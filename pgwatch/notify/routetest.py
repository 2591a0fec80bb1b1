"""Tests of routing: where alerts end, and on a line of time who is told what, and when.

All times of a test are offsets from its start.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from pgwatch.alerts.posted import received
from pgwatch.notify.dispatch import StartDelay
from pgwatch.notify.flap import DEFAULT_LIMITS, FlapLimits
from pgwatch.notify.interventions import Interventions
from pgwatch.notify.notification import Notification, NotifiedAlert
from pgwatch.notify.playback import Playback
from pgwatch.notify.route import Routing, find_routes
from pgwatch.notify.silence import Silence, SilenceError
from pgwatch.samples.labels import Labels, Matcher
from pgwatch.units import format_duration

DEFAULT_START: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)  # a Monday at noon


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """An alert as another program posts it."""

    labels: Labels
    annotations: dict[str, str] = field(default_factory=dict)
    starts: timedelta | None = None  # None: when it is posted
    ends: timedelta | None = None  # None: `resolve_timeout` after that


@dataclass(frozen=True, slots=True, kw_only=True)
class Silencing:
    """A silence that somebody makes or, under a name that is known, changes."""

    name: str
    matchers: tuple[Matcher, ...]
    starts: timedelta
    ends: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happens at one time."""

    at: timedelta
    alerts: tuple[Posting, ...] = ()
    silence: Silencing | None = None
    expire: str = ""  # the name of a silence
    reload: Routing | None = None  # the configuration from then on


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAlert:
    """An alert of a message; what is None may be anything."""

    labels: Labels
    firing: bool = True
    annotations: dict[str, str] | None = None
    starts: timedelta | None = None
    ends: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedMessage:
    """A message to one receiver; each of its channels gets it."""

    first: timedelta  # when it is told: from here
    last: timedelta  # to here
    receiver: str
    alerts: tuple[ExpectedAlert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRoute:
    """Where an alert ends."""

    labels: Labels
    receivers: tuple[str, ...]  # in the tree's order
    group_keys: tuple[str, ...] = ()  # of each; none: any


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTest:
    """One entry of `tests`."""

    name: str
    routing: Routing
    start: datetime = DEFAULT_START
    tolerance: timedelta = timedelta(0)
    start_delay: timedelta = timedelta(0)
    routes: tuple[ExpectedRoute, ...] = ()
    steps: tuple[Step, ...] = ()  # in the order of their times
    expected: tuple[ExpectedMessage, ...] | None = None  # None: messages are not looked at
    end: timedelta = timedelta(0)  # messages after it are not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message that came to a channel of a receiver."""

    at: timedelta
    receiver: str
    channel: str
    group_key: str
    alerts: tuple[NotifiedAlert, ...]


def failures(test: RouteTest) -> tuple[str, ...]:
    """Return what is not as `test` expects it, for people; raises ValueError for a step that cannot be."""
    found = [text for one in test.routes for text in _route_failures(test.routing, one)]
    if test.expected is not None:
        found += message_failures(test, [heard(one, test.start) for one in play(test)])
    return tuple(found)


def play(test: RouteTest, *, limits: FlapLimits = DEFAULT_LIMITS) -> list[Notification]:
    """Return all that is told until the test's end, in order; raises ValueError."""
    delay = StartDelay(since=test.start, until=test.start + test.start_delay)
    playback, now = Playback(test.routing, limits=limits, delay=delay), test.start
    ids: dict[str, str] = {}
    told: list[Notification] = []
    for step in test.steps:
        at = test.start + step.at
        told += playback.run_until(at, now)
        now = at
        said = _said(playback.said, step, ids, test.start)
        if step.reload is not None:
            told += playback.reload(step.reload, now)
        posted = [
            received(
                one.labels,
                one.annotations,
                starts_at=None if one.starts is None else test.start + one.starts,
                ends_at=None if one.ends is None else test.start + one.ends,
                generator_url="",
                resolve_timeout=playback.routing.resolve_timeout,
                now=now,
            )
            for one in step.alerts
        ]
        told += playback.step(now, posted=posted, said=said)
    return told + playback.run_until(test.start + test.end, now)


def message_failures(test: RouteTest, messages: Iterable[Heard]) -> Iterator[str]:
    """Return what `messages` lack of the messages that `test` expects, and what they have beyond them."""
    left = [
        (channel.name, one)
        for one in test.expected or ()
        for channel in test.routing.receivers[one.receiver].channels
    ]
    for message in sorted(messages, key=lambda one: one.at):
        match = next(
            (
                pair
                for pair in left
                if pair[0] == message.channel and _is_as_expected(message, pair[1], test)
            ),
            None,
        )
        if match is None:
            yield f"not expected: {_shown(message)}"
        else:
            left.remove(match)
    for channel, one in left:
        yield f"expected and not told: {_shown_expectation(one, channel)}"


def _said(
    known: Interventions, step: Step, ids: dict[str, str], start: datetime
) -> Interventions | None:
    now = start + step.at
    if step.silence is not None:
        one = step.silence
        wanted = Silence(
            id=ids.get(one.name, ""),
            matchers=one.matchers,
            starts_at=start + one.starts,
            ends_at=start + one.ends,
            updated_at=now,
            created_by="test",
            comment=one.name,
        )
        try:
            known, ids[one.name] = known.with_silence(wanted, f"{one.name}-{len(ids)}-{now}", now)
        except SilenceError as error:
            raise SilenceError(f"silence {one.name!r}: {error}") from None
    if step.expire:
        known = known.without_silence(ids[step.expire], now)
    return known


def heard(told: Notification, start: datetime) -> Heard:
    """Return `told` as its receiver hears it, if it is delivered at once."""
    return Heard(
        at=told.time - start,
        receiver=told.receiver,
        channel=told.channel,
        group_key=told.group_key,
        alerts=told.alerts,
    )


def _route_failures(routing: Routing, expected: ExpectedRoute) -> Iterator[str]:
    routes = find_routes(routing.root, expected.labels)
    receivers = tuple(one.receiver for one in routes)
    if receivers != expected.receivers:
        yield (
            f"{expected.labels!r}: expected {', '.join(expected.receivers) or 'nobody'}, "
            f"got {', '.join(receivers)}"
        )
    keys = tuple(one.group_key(one.group_labels(expected.labels)) for one in routes)
    if expected.group_keys and keys != expected.group_keys:
        yield (
            f"{expected.labels!r}: expected the groups {', '.join(expected.group_keys)}, "
            f"got {', '.join(keys)}"
        )


def _is_as_expected(message: Heard, expected: ExpectedMessage, test: RouteTest) -> bool:
    early, late = expected.first - test.tolerance, expected.last + test.tolerance
    if message.receiver != expected.receiver or not early <= message.at <= late:
        return False
    if len(message.alerts) != len(expected.alerts):
        return False
    told = sorted(message.alerts, key=lambda one: one.labels)
    wanted = sorted(expected.alerts, key=lambda one: one.labels)
    return all(_is_same(one, other, test) for one, other in zip(told, wanted, strict=True))


def _is_same(told: NotifiedAlert, wanted: ExpectedAlert, test: RouteTest) -> bool:
    return (
        told.labels == wanted.labels
        and (told.ends_at is None) is wanted.firing
        and (wanted.annotations is None or dict(told.annotations) == wanted.annotations)
        and _is_near(told.starts_at, wanted.starts, test)
        and _is_near(told.ends_at, wanted.ends, test)
    )


def _is_near(told: datetime | None, wanted: timedelta | None, test: RouteTest) -> bool:
    if wanted is None:
        return True
    return told is not None and abs(told - test.start - wanted) <= test.tolerance


def _shown(message: Heard) -> str:
    alerts = ", ".join(f"{one.labels!r} {one.status}" for one in message.alerts)
    at = format_duration(message.at)
    return f"at {at} to {message.receiver} ({message.channel}): {alerts}"


def _shown_expectation(expected: ExpectedMessage, channel: str) -> str:
    alerts = ", ".join(
        f"{one.labels!r} {'firing' if one.firing else 'resolved'}" for one in expected.alerts
    )
    first, last = format_duration(expected.first), format_duration(expected.last)
    when = f"at {first}" if first == last else f"between {first} and {last}"
    return f"{when} to {expected.receiver} ({channel}): {alerts}"
