"""Decide, enqueue and deliver as the daemon does, on a virtual clock, to receivers that hang for a while."""

from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from pgwatch.alerts.posted import received
from pgwatch.config.alertmanager import parse_alertmanager
from pgwatch.daemon.deciding import Deciding, Told
from pgwatch.daemon.desk import Desk
from pgwatch.notify.channels.base import DeliveryError, Receipt
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.outbox import ChannelId, Outbox
from pgwatch.samples.labels import Labels
from pgwatch.state.store import State
from tests.timeline import START, at


@dataclass
class Collector:
    """A channel that refuses until a time; what came, and when."""

    clock: list[datetime]
    refuses_until: float = 0.0
    retry_after: timedelta | None = None
    kind: ClassVar[str] = "webhook"
    min_interval: timedelta = timedelta(0)
    at_once: int = 1
    came: list[tuple[float, Notification]] = field(default_factory=list)
    attempts: int = 0

    def deliver(self, notification: Notification, memory: str = "") -> Receipt:
        self.attempts += 1
        now = self.clock[0]
        if now < at(self.refuses_until):
            raise DeliveryError("no answer in time", retry_after=self.retry_after)
        self.came.append(((now - START).total_seconds(), notification))
        return Receipt()

    def close(self) -> None:
        pass


class Line:
    """A state file, who decides over it, and the outbox's worker, all at one time."""

    def __init__(self, path: Path, timers: str, hooks: int) -> None:
        url = "{url: 'http://127.0.0.1:9/'}"
        text = (
            f"route: {{receiver: r, group_by: [alertname], {timers}}}\n"
            f"receivers: [{{name: r, webhook_configs: [{', '.join([url] * hooks)}]}}]\n"
        )
        self.clock = [at(0)]
        self.tick = timedelta(milliseconds=100)
        self.state = State.open(path)
        routing = parse_alertmanager(text, path)
        told = Told(routing=routing, external_labels={})
        self.deciding = Deciding(told, state=self.state, on_enqueued=lambda: None)
        self.deciding.restore({}, at(0), started=True)
        self.hooks = [Collector(self.clock) for _ in range(hooks)]
        channels = {ChannelId("r", f"webhook[{i}]"): hook for i, hook in enumerate(self.hooks)}
        self.outbox = Outbox(self.state, channels, clock=lambda: self.clock[0])

    def post(self, seconds: float, name: str, *, end: float | None = None) -> None:
        self.run_until(seconds)
        one = received(
            Labels({"alertname": name}),
            {},
            starts_at=None,
            ends_at=None if end is None else at(end),
            generator_url="",
            resolve_timeout=timedelta(days=1),
            now=self.clock[0],
        )
        Desk(deciding=self.deciding, now=self.clock[0]).post([one])

    def run_until(self, seconds: float) -> None:
        while self.clock[0] < at(seconds):
            self.clock[0] += self.tick
            due = self.deciding.next_look(self.clock[0])
            if due is not None and due <= self.clock[0]:
                self.deciding.decide(self.clock[0])
            wait(self.outbox.deliver_due()[0])

    def close(self) -> None:
        self.outbox.stop()
        self.state.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    opened: list[Line] = []
    yield opened
    for line in opened:
        line.close()


def times(hook: Collector) -> list[float]:
    return [seconds for seconds, _ in hook.came]


def test_webhook_that_hangs_gets_it_by_a_retry(path: Path, lines: list[Line]) -> None:
    lines.append(line := Line(path, "group_wait: 1s, group_interval: 1m, repeat_interval: 1m", 1))
    line.hooks[0].refuses_until = 3
    line.post(1, "test1")
    line.run_until(20)
    (came,) = times(line.hooks[0])
    assert 3 <= came <= 5.1  # after the first pause, of 0.8 to 1 s, or the second, of twice that
    assert line.hooks[0].attempts in (2, 3)


def test_one_of_two_hooks_that_drops_gets_its_own_later(path: Path, lines: list[Line]) -> None:
    lines.append(line := Line(path, "group_wait: 1s, group_interval: 2s, repeat_interval: 3s", 2))
    line.hooks[1].refuses_until = 4.5
    line.post(1, "test1")
    line.run_until(9)
    assert times(line.hooks[0]) == [2.0, 6.0]
    # Not the repeat: what it had not heard comes as soon as it listens.
    first, repeat = line.hooks[1].came
    assert 4.5 <= first[0] <= 6
    assert first[1].reason is Reason.FIRST
    assert repeat[0] == 6.0


def test_an_hour_without_a_receiver_is_told_once_and_in_order(
    path: Path, lines: list[Line]
) -> None:
    # No repeat is due in the minute in which the receiver is back.
    timers = "group_wait: 1s, group_interval: 1m, repeat_interval: 11m"
    lines.append(line := Line(path, timers, 1))
    line.tick = timedelta(seconds=1)
    line.hooks[0].refuses_until = 3600
    line.post(10, "Gone")
    line.post(20, "Stays")
    line.post(1000, "Gone", end=1000)
    line.run_until(3700)
    gone, stays = (
        [one for _, one in line.hooks[0].came if one.group_labels["alertname"] == name]
        for name in ("Gone", "Stays")
    )
    assert [(one.reason, one.status) for one in gone] == [(Reason.ALL_RESOLVED, "resolved")]
    assert [(one.reason, one.status) for one in stays] == [(Reason.FIRST, "firing")]
    assert all(3600 <= seconds <= 3665 for seconds in times(line.hooks[0]))


def test_retry_after_is_obeyed(path: Path, lines: list[Line]) -> None:
    lines.append(line := Line(path, "group_wait: 1s, group_interval: 1m, repeat_interval: 1h", 1))
    line.hooks[0].refuses_until = 3
    line.hooks[0].retry_after = timedelta(seconds=30)
    line.post(1, "test1")
    line.run_until(40)
    assert times(line.hooks[0]) == [32.0]
    assert line.hooks[0].attempts == 2
