"""Slack is down for an hour and comes back: from alerts to what Slack got, on a clock that the test moves."""

import json
from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pgwatch.alerts.alert import Alert
from pgwatch.daemon.deciding import Deciding, Told
from pgwatch.daemon.evaluating import Outcome
from pgwatch.notify.channels.build import build_channels
from pgwatch.notify.outbox import Outbox
from pgwatch.notify.receiver import Receiver, SlackSettings
from pgwatch.notify.route import log_only
from pgwatch.secret import Secret
from pgwatch.state.store import State
from tests.receivers import Answer, HttpReceiver
from tests.timeline import START, alert

DOWN = Answer(status=503, body="down for maintenance")
BUSY = Answer(status=429, headers={"Retry-After": "30"})
STEP = timedelta(seconds=10)


class Slack:
    """The pipeline from alerts to a Slack that answers what `service` says."""

    def __init__(self, folder: Path, service: HttpReceiver) -> None:
        settings = SlackSettings(api_url=Secret(value=service.url), send_resolved=True)
        log = log_only("team")
        routing = replace(
            log,
            root=replace(log.root, repeat_interval=timedelta(hours=4)),
            receivers={"team": Receiver(name="team", channels=(settings,))},
        )
        self.now = START
        self.state = State.open(folder / "state.db")
        self.deciding = Deciding(
            Told(routing=routing, external_labels={}), state=self.state, on_enqueued=lambda: None
        )
        channels = build_channels(routing)
        self.outbox = Outbox(self.state, channels, clock=lambda: self.now)

    def sees(self, *alerts: Alert) -> None:
        """Let the one rule find `alerts` now."""
        self.deciding.decide(self.now, Outcome(alerts={"r": alerts}))

    def until(self, minute: float) -> None:
        """Let time pass until so many minutes after the start; everything is done when it is due."""
        ends = START + timedelta(minutes=minute)
        while self.now < ends:
            self.now = min(self.now + STEP, ends)
            due = self.deciding.next_look(self.now)
            if due is not None and due <= self.now:
                self.deciding.decide(self.now)
            self.deliver()

    def deliver(self) -> None:
        flights, _ = self.outbox.deliver_due()
        assert not wait(flights, timeout=20).not_done

    def close(self) -> None:
        self.outbox.stop()
        self.state.close()


@pytest.fixture
def service() -> Iterator[HttpReceiver]:
    with HttpReceiver() as service:
        yield service


@pytest.fixture
def slack(tmp_path: Path, service: HttpReceiver) -> Iterator[Slack]:
    slack = Slack(tmp_path, service)
    yield slack
    slack.close()


def minutes(count: float) -> float:
    return count * 60


def texts(service: HttpReceiver) -> list[str]:
    """What was accepted, as text."""
    return [json.dumps(one.json) for one in service.requests if one.answer.status == 200]


def test_after_an_hour_all_is_told_once_and_in_order(slack: Slack, service: HttpReceiver) -> None:
    """Debt grows, Lock fires and ends, Lag ends: one message each, by when they last changed."""
    service.then = DOWN
    debt, more = alert("Debt", table="orders"), alert("Debt", since=minutes(30), table="houses")
    lag = alert("Lag")
    slack.sees(debt, lag)
    slack.until(10)
    slack.sees(debt, lag, alert("Lock", since=minutes(10)))
    slack.until(20)
    over = alert("Lock", since=minutes(10), resolved=minutes(20))
    slack.sees(debt, lag, over)
    slack.until(30)
    slack.sees(debt, more, lag, over)
    slack.until(50)
    slack.sees(debt, more, alert("Lag", resolved=minutes(50)), over)
    slack.until(60)
    assert texts(service) == []

    service.then = Answer()
    slack.until(65)
    lock, debts, lags = texts(service)
    assert ("Lock" in lock, "Debt" in lock, "Lag" in lock) == (True, False, False)
    assert "resolved" in lock.lower()
    assert "never" in lock.lower() or "fired and" in lock.lower()
    assert ("orders" in debts, "houses" in debts) == (True, True)
    assert "resolved" in lags.lower()
    counts = {str(state): n for state, n in slack.state.message_counts().items() if n}
    assert counts == {"delivered": 3, "superseded": 3}


def test_the_pause_that_slack_asks_for_is_kept(slack: Slack, service: HttpReceiver) -> None:
    """Nothing comes within the 30 s, also not of another group; then both do."""
    service.answers = [BUSY]
    slack.sees(alert("Debt"))
    slack.deliver()
    asked = slack.now
    slack.now = asked + timedelta(seconds=5)
    slack.sees(alert("Debt"), alert("Lag", since=5))
    arrivals: list[datetime] = []
    while len(texts(service)) < 2:
        slack.now += timedelta(seconds=1)
        slack.deliver()
        arrivals += [slack.now] * (len(service.requests) - 1 - len(arrivals))
        assert slack.now < asked + timedelta(minutes=2)
    assert arrivals[0] == asked + timedelta(seconds=30)
    assert ["Debt" in text for text in texts(service)] == [True, False]
