"""The outbox in the state: what is taken when, what supersedes what, and what a crash leaves."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pgwatch.notify.dispatch import Decisions, DispatchState
from pgwatch.notify.flush import Decision
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.outbox import ChannelId
from pgwatch.state.history import Event
from pgwatch.state.outbox import OutboxState
from pgwatch.state.store import State
from tests.unit.test_state import NOW, SLACK, message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pgwatch.db"


@pytest.fixture
def state(path: Path) -> State:
    return State.open(path)


def put(state: State, one: Notification, *, deliver: bool = True) -> None:
    with state.transaction() as changes:
        changes.save_decisions(
            Decisions(state=DispatchState(), enqueue=(Decision(notification=one, deliver=deliver),))
        )


def test_message_comes_back_as_it_was(state: State) -> None:
    put(state, message(a=True, b=False))
    (queued,) = state.take([SLACK], NOW)
    assert queued.notification == message(a=True, b=False)
    assert queued.attempts == 0


def test_oldest_message_of_each_channel_is_taken_once(state: State) -> None:
    other = replace(message("g3"), channel="email[0]")
    for one in (message("g1"), message("g2"), other):
        put(state, one)
    channels = [SLACK, ChannelId("team", "email[0]")]
    assert [q.notification.group_key for q in state.take(channels, NOW)] == ["g1", "g3"]
    assert [q.notification.group_key for q in state.take(channels, NOW)] == ["g2"]
    assert not state.take(channels, NOW)


def test_only_channels_that_are_asked_for_and_only_what_is_due(state: State) -> None:
    put(state, message())
    assert not state.take([ChannelId("team", "email[0]")], NOW)
    assert not state.take([SLACK], NOW - timedelta(microseconds=1))
    assert state.waiting() == {SLACK: NOW}
    assert state.take([SLACK], NOW)
    assert not state.waiting()


def test_delivered_and_dead_are_final_and_in_the_history(state: State) -> None:
    put(state, message("g1"))
    put(state, message("g2"))
    (first,) = state.take([SLACK], NOW)
    state.delivered(first, "ok", NOW)
    (second,) = state.take([SLACK], NOW)
    state.dead(second, "the receiver answered 400", NOW)
    counts = state.message_counts()
    assert counts[OutboxState.DELIVERED] == counts[OutboxState.DEAD] == 1
    dead, delivered = state.messages()
    assert (dead.last_error, delivered.receipt) == ("the receiver answered 400", "ok")
    assert [one.kind for one in state.events()] == [
        "notification_dead",
        "notification_delivered",
    ]
    state.recover()
    assert not state.waiting()


def test_postponed_message_keeps_its_place_and_counts(state: State) -> None:
    put(state, message("g1"))
    (queued,) = state.take([SLACK], NOW)
    later = NOW + timedelta(minutes=1)
    state.postponed(queued, "no connection", NOW, later)
    put(state, message("g2"))
    assert state.waiting() == {SLACK: NOW}
    (again,) = state.take([SLACK], later)
    assert (again.notification.group_key, again.attempts) == ("g1", 1)


def test_working_channel_makes_all_of_it_due(state: State) -> None:
    put(state, message())
    (queued,) = state.take([SLACK], NOW)
    state.postponed(queued, "no connection", NOW, NOW + timedelta(hours=1))
    state.bring_forward(SLACK, NOW)
    assert state.take([SLACK], NOW)


def test_newer_snapshot_supersedes_one_that_waits(state: State) -> None:
    put(state, message(a=True))
    (queued,) = state.take([SLACK], NOW)
    state.postponed(queued, "no connection", NOW, NOW + timedelta(minutes=1))
    end = NOW + timedelta(minutes=5)
    put(state, message(reason=Reason.ALL_RESOLVED, time=end, a=False))
    assert [one.state for one in state.messages()] == ["pending", "superseded"]
    (told,) = state.take([SLACK], end)
    assert told.attempts == 1
    assert told.notification.reason is Reason.ALL_RESOLVED
    assert told.notification.extra["never_told"] == "true"


def test_unwanted_end_takes_the_unsent_beginning_along(state: State) -> None:
    put(state, message(a=True))
    end = NOW + timedelta(minutes=5)
    over = message(reason=Reason.ALL_RESOLVED, time=end, a=False)
    put(state, over, deliver=False)
    (told,) = state.take([SLACK], end)
    assert told.notification.status == "resolved"
    state.delivered(told, "", end)
    put(state, over, deliver=False)
    assert not state.waiting()


def test_newer_snapshot_waits_for_the_one_on_its_way(state: State) -> None:
    put(state, message(a=True))
    (sent,) = state.take([SLACK], NOW)
    put(state, message(reason=Reason.NEW_ALERTS, time=NOW, a=True, b=True))
    state.postponed(sent, "no connection", NOW, NOW + timedelta(minutes=1))
    (merged,) = state.take([SLACK], NOW + timedelta(minutes=1))
    assert merged.notification.reason is Reason.FIRST
    assert len(merged.notification.alerts) == 2
    assert not state.waiting()


def test_message_on_its_way_at_a_crash_is_sent_again(state: State, path: Path) -> None:
    put(state, message())
    assert state.take([SLACK], NOW)
    state.close()
    again = State.open(path)
    assert not again.take([SLACK], NOW)
    again.recover()
    assert again.take([SLACK], NOW)
    again.close()


def test_old_history_is_pruned_and_what_waits_is_not(state: State) -> None:
    put(state, message("g1"))
    put(state, message("g2"))
    (first,) = state.take([SLACK], NOW)
    state.delivered(first, "", NOW)
    with state.transaction() as changes:
        changes.record(Event(time=NOW, kind="k", subject="s", detail={"a": "b"}))
    state.prune(NOW + timedelta(days=30))
    assert len(state.events()) == 2
    assert state.events(kind="k")[0].detail == {"a": "b"}
    state.prune(NOW + timedelta(days=31))
    assert not state.events()
    assert [one.group_key for one in state.messages()] == ["g2"]


def test_channel_is_told_what_it_wanted_to_know(state: State) -> None:
    def take_next(reason: Reason, group: str = "g1") -> str:
        put(state, message(group, reason=reason))
        (queued,) = state.take([SLACK], NOW)
        state.delivered(queued, "ok", NOW, f"after {reason}")
        return queued.memory

    assert take_next(Reason.FIRST) == ""
    assert take_next(Reason.NEW_ALERTS) == f"after {Reason.FIRST}"
    assert take_next(Reason.FIRST, "g2") == ""
    put(state, message("g1", reason=Reason.ALL_RESOLVED))
    (last,) = state.take([SLACK], NOW)
    assert last.memory == f"after {Reason.NEW_ALERTS}"
    state.delivered(last, "ok", NOW)  # nothing more to say: forgotten
    assert take_next(Reason.FIRST) == ""
    state.prune(NOW + timedelta(days=31))
    assert take_next(Reason.FIRST, "g2") == "", "nobody went on with it"
