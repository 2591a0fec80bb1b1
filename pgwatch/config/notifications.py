"""The key `notifications`: what pgwatch tells on its own account, checked against the receivers there are."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from pgwatch.config.fields import Duration, Name
from pgwatch.config.nearest import nearest
from pgwatch.config.section import Section
from pgwatch.errors import InputError, Problem
from pgwatch.notify.duties import Duties, Duty
from pgwatch.notify.flap import FlapLimits
from pgwatch.notify.route import Routing
from pgwatch.yamlfile import Path

_KEY: Final = "notifications"


class HeartbeatSettings(Section):
    """`heartbeat`: a message to a dead man's switch, again and again."""

    receiver: Name
    interval: Duration = timedelta(minutes=1)


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


class SelfTestSettings(Section):
    """`self_test`: a test of receivers on a schedule."""

    receivers: Annotated[tuple[Name, ...], BeforeValidator(_one_or_more)] = ()  # none: all
    interval: Duration = timedelta(days=7)


class FlappingSettings(Section):
    """`flapping`: when an alert that comes and goes is folded."""

    firings: Annotated[int, Field(ge=0, le=1000)] = 5
    within: Duration = timedelta(hours=1)
    calm: Duration = timedelta(minutes=15)

    def limits(self) -> FlapLimits:
        """Return them as the pipeline takes them."""
        return FlapLimits(firings=self.firings, within=self.within, calm=self.calm)


class NotificationSettings(Section):
    """`notifications`: what pgwatch tells on its own account."""

    heartbeat: HeartbeatSettings | None = None
    self_test: SelfTestSettings | None = None
    dead_letters: Name | None = None
    flapping: FlappingSettings = FlappingSettings()
    start_delay: Duration | None = None


def duties_of(
    settings: NotificationSettings, routing: Routing, place: Callable[[Path, str], Problem]
) -> Duties:
    """Return what `settings` ask for; raises InputError where a receiver is none of `routing`."""
    problems = [
        place(path, f"there is no receiver {name!r}; {nearest(name, routing.receivers)}")
        for path, name in _named(settings)
        if name not in routing.receivers
    ]
    if problems:
        raise InputError(problems)
    beat, test = settings.heartbeat, settings.self_test
    everybody = tuple(routing.receivers)
    return Duties(
        heartbeat=Duty(receivers=(beat.receiver,), interval=beat.interval) if beat else None,
        self_test=Duty(receivers=test.receivers or everybody, interval=test.interval)
        if test
        else None,
        dead_letters=settings.dead_letters or "",
        flapping=settings.flapping.limits(),
        start_delay=settings.start_delay or timedelta(0),
    )


def _named(settings: NotificationSettings) -> Iterator[tuple[Path, str]]:
    if settings.heartbeat:
        yield (_KEY, "heartbeat", "receiver"), settings.heartbeat.receiver
    if settings.self_test:
        for index, name in enumerate(settings.self_test.receivers):
            yield (_KEY, "self_test", "receivers", index), name
    if settings.dead_letters:
        yield (_KEY, "dead_letters"), settings.dead_letters
