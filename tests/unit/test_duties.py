"""Heartbeats, self-tests and dead letters: what is told on our own account, and to whom."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.config.notifications import NotificationSettings, duties_of
from pgwatch.daemon.duties import OwnDuties
from pgwatch.errors import InputError
from pgwatch.notify.deadletter import DEAD_LETTER_ERROR, DEAD_LETTER_OF, dead_letters
from pgwatch.notify.duties import NO_DUTIES, Duties, Duty
from pgwatch.notify.message import compose
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.outbox import ChannelId
from pgwatch.notify.receiver import LogSettings, Receiver
from pgwatch.notify.route import Routing, log_only
from pgwatch.notify.services import AlertmanagerSettings
from pgwatch.rules.threshold import in_configuration
from pgwatch.samples.labels import Labels
from pgwatch.secret import Secret
from pgwatch.state.outbox import OutboxState
from pgwatch.state.store import State
from tests.notifications import notification

NOW = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class KeyedSettings(LogSettings):
    """A channel that keeps an incident for each group."""

    keyed: ClassVar[bool] = True


def routing(**receivers: tuple[LogSettings, ...]) -> Routing:
    """The first one is the root's."""
    root = replace(log_only().root, receiver=next(iter(receivers)))
    return Routing(
        root=root,
        receivers={name: Receiver(name=name, channels=how) for name, how in receivers.items()},
    )


ONE = (LogSettings(),)
TWO = (LogSettings(), LogSettings(index=1))
KEYED = (KeyedSettings(),)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State.open(tmp_path / "state.db")
    yield state
    state.close()


class Keeper:
    """Own duties over a state, whose rule groups may be late."""

    def __init__(self, state: State, duties: Duties, config: Routing) -> None:
        self.state = state
        self.late: list[str] = []
        self.wakes = 0
        self.own = OwnDuties(
            duties, config, state=state, late=lambda now: self.late, on_enqueued=self._wake
        )

    def _wake(self) -> None:
        self.wakes += 1

    def told(self, at: datetime) -> list[tuple[str, str, str]]:
        before = {one.id for one in self.state.messages()}
        self.own.perform(at)
        assert not self.own.are_due(at) or self.late
        return sorted(
            (one.receiver, one.channel, one.reason)
            for one in self.state.messages([OutboxState.PENDING])
            if one.id not in before
        )


BEAT = Duties(heartbeat=Duty(receivers=("deadman",), interval=MINUTE))


def test_heartbeat_comes_at_its_interval_and_at_once_at_first(state: State) -> None:
    keeper = Keeper(state, BEAT, routing(team=ONE, deadman=ONE))
    beat = [("deadman", "log[0]", Reason.HEARTBEAT)]
    assert keeper.told(NOW) == beat
    assert keeper.told(NOW + MINUTE / 2) == []
    assert keeper.told(NOW + MINUTE) == beat
    assert keeper.wakes == 2


def test_no_heartbeat_while_rules_are_not_evaluated(state: State) -> None:
    keeper = Keeper(state, BEAT, routing(team=ONE, deadman=ONE))
    keeper.late = ["rule group g: not evaluated for 90 s"]
    assert keeper.told(NOW) == []
    keeper.late = []
    assert len(keeper.told(NOW)) == 1


def test_restart_remembers_the_last_one(state: State) -> None:
    config = routing(team=ONE, deadman=ONE)
    Keeper(state, BEAT, config).told(NOW)
    assert Keeper(state, BEAT, config).told(NOW + MINUTE / 2) == []


def test_clock_that_was_set_back_stops_nothing(state: State) -> None:
    keeper = Keeper(state, BEAT, routing(team=ONE, deadman=ONE))
    keeper.told(NOW)
    assert len(keeper.told(NOW - timedelta(days=1))) == 1


def test_heartbeat_that_arrived_leaves_nothing_behind(state: State) -> None:
    keeper = Keeper(state, BEAT, routing(team=ONE, deadman=ONE))
    keeper.told(NOW)
    (queued,) = state.take([ChannelId("deadman", "log[0]")], NOW)
    assert "Nothing is wrong" in compose(queued.notification, max_items=1).remark
    state.delivered(queued, "ok", NOW)
    assert not state.messages()
    assert not state.events()


def test_each_channel_is_tested(state: State) -> None:
    duties = Duties(self_test=Duty(receivers=("team", "night"), interval=timedelta(days=7)))
    keeper = Keeper(state, duties, routing(team=TWO, night=ONE))
    assert keeper.told(NOW) == [
        ("night", "log[0]", Reason.TEST),
        ("team", "log[0]", Reason.TEST),
        ("team", "log[1]", Reason.TEST),
    ]


def lost(
    receiver: str = "team", channel: str = "log[0]", reason: Reason = Reason.FIRST
) -> Notification:
    return notification(receiver=receiver, channel=channel, reason=reason)


@pytest.mark.parametrize(
    ("config", "wanted", "one", "told"),
    [
        pytest.param(
            routing(root=ONE, team=ONE, z=ONE), "", lost(), [("root", "log[0]")], id="root's"
        ),
        pytest.param(routing(team=ONE, b=TWO), "", lost(), [("b", "log[0]"), ("b", "log[1]")], id="any"),
        pytest.param(routing(root=ONE, team=ONE, z=ONE), "z", lost(), [("z", "log[0]")], id="wanted"),
        pytest.param(routing(team=TWO), "", lost(), [("team", "log[1]")], id="another channel"),
        pytest.param(routing(team=ONE), "", lost(), [], id="nobody"),
        pytest.param(routing(team=ONE, b=()), "", lost(), [], id="nobody who can"),
        pytest.param(
            routing(b=(*KEYED, LogSettings(index=1)), team=ONE), "", lost(), [("b", "log[1]")],
            id="no incident that nobody ends",
        ),
        pytest.param(routing(b=KEYED, team=ONE), "", lost(), [("b", "log[0]")], id="unless alone"),
        pytest.param(routing(b=ONE, team=ONE), "", lost(reason=Reason.DEAD_LETTER), [], id="once"),
        pytest.param(routing(b=ONE, team=ONE), "", lost(reason=Reason.HEARTBEAT), [], id="beat"),
    ],
)  # fmt: skip
def test_who_hears_of_what_was_given_up(
    config: Routing, wanted: str, one: Notification, told: list[tuple[str, str]]
) -> None:
    letters = dead_letters(one, "gone", config, wanted=wanted, now=NOW)
    assert [(letter.receiver, letter.channel) for letter in letters] == told


def test_dead_letter_says_who_was_not_told_what_and_why() -> None:
    (letter,) = dead_letters(lost(), "the receiver answered 400", routing(b=ONE, team=ONE), now=NOW)
    assert (letter.reason, letter.alerts) == (Reason.DEAD_LETTER, lost().alerts)
    assert letter.extra == {
        DEAD_LETTER_OF: "team/log[0]",
        DEAD_LETTER_ERROR: "the receiver answered 400",
    }
    assert compose(letter, max_items=1).remark == (
        "team/log[0] could not be told this: the receiver answered 400"
    )
    assert letter.time == NOW, "it has its own day to arrive"
    (over,) = dead_letters(lost(), "", routing(b=ONE, team=ONE), now=NOW)
    assert compose(over, max_items=1).remark == "team/log[0] works again, and has been told this."


def test_dead_letter_is_enqueued_with_the_death(state: State) -> None:
    with state.transaction() as changes:
        changes.enqueue(lost())
    (queued,) = state.take([ChannelId("team", "log[0]")], lost().time)
    letters = dead_letters(queued.notification, "no", routing(b=ONE, team=ONE), now=NOW)
    state.dead(queued, "no", NOW, letters)
    found = [(one.receiver, one.state) for one in state.messages()]
    assert found == [("b", OutboxState.PENDING), ("team", OutboxState.DEAD)]


def test_receivers_that_are_not_there_are_all_named() -> None:
    settings = NotificationSettings.model_validate(
        {
            "heartbeat": {"receiver": "temm"},
            "self_test": {"receivers": ["team", "nigt"]},
            "dead_letters": "x",
        }
    )
    with pytest.raises(InputError) as caught:
        duties_of(settings, routing(team=ONE, night=ONE), in_configuration)
    paths = [problem.path for problem in caught.value.problems]
    assert paths == [
        "notifications.heartbeat.receiver",
        "notifications.self_test.receivers[1]",
        "notifications.dead_letters",
    ]


def test_self_test_without_receivers_is_of_all() -> None:
    settings = NotificationSettings.model_validate({"self_test": {}, "flapping": {"firings": 0}})
    duties = duties_of(settings, routing(team=ONE, night=ONE), in_configuration)
    assert duties.self_test == Duty(receivers=("team", "night"), interval=timedelta(days=7))
    assert duties.flapping.firings == 0


def test_alertmanagers_are_told_each_minute_and_at_once_when_something_changes(
    state: State,
) -> None:
    channels = (AlertmanagerSettings(url=Secret(value="http://am-1")),)
    config = replace(routing(team=ONE), hidden=(Receiver(name="ams", channels=channels),))
    firing = Alert(
        rule="r",
        labels=Labels({"alertname": "A"}),
        state=AlertState.FIRING,
        value=1.0,
        active_at=NOW,
        fired_at=NOW,
    )
    own = OwnDuties(
        NO_DUTIES,
        config,
        state=state,
        late=lambda now: [],
        alerts=lambda now: [firing],
        on_enqueued=lambda: None,
    )
    steps = [(0.0, True), (0.5, False), (1.0, True), (1.5, False)]
    for minutes, due in steps:
        assert own.are_due(NOW + MINUTE * minutes) is due
        own.perform(NOW + MINUTE * minutes)
    own.hasten()
    assert own.are_due(NOW + MINUTE * 1.6)
    (waiting,) = state.messages([OutboxState.PENDING])
    assert (waiting.receiver, waiting.channel) == ("ams", "alertmanager[0]")
    (queued,) = state.take([ChannelId("ams", "alertmanager[0]")], NOW + MINUTE * 2)
    state.delivered(queued, "", NOW + MINUTE * 2)
    assert not state.messages([OutboxState.DELIVERED]), (
        "of what is told each minute nothing is kept"
    )
