"""The state file: what is saved comes back, and one daemon at a time."""

import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.notify.dispatch import Decisions, DispatchState, advance, restore
from pgwatch.notify.flush import Decision
from pgwatch.notify.notification import Notification, NotifiedAlert, Reason
from pgwatch.notify.outbox import ChannelId
from pgwatch.notify.route import log_only
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Source
from pgwatch.state.outbox import OutboxState
from pgwatch.state.schema import VERSION, StateError, prepare
from pgwatch.state.store import Event, State

NOW = datetime(2026, 8, 1, 3, 0, 0, 123456, tzinfo=UTC)
SLACK = ChannelId("team", "slack[0]")
FIXTURES = Path(__file__).parent.parent / "fixtures"


def alert(name: str = "A", **changes: object) -> Alert:
    full = Alert(
        rule="f.yml;g;A;0",
        labels=Labels({"alertname": name, "query": "sélect 'ö'\n"}),
        annotations={"summary": "It hangs"},
        state=AlertState.FIRING,
        value=float("inf"),
        active_at=NOW,
        fired_at=NOW,
        keep_firing_since=NOW,
        no_data_since=NOW,
        sources=frozenset({Source("roofing", "core/locks", "db"), Source("roofing", "up")}),
        generator_url="http://localhost/graph",
    )
    return replace(full, **changes)  # type: ignore[arg-type]


def message(
    group: str = "{}:{}", *, reason: Reason = Reason.FIRST, time: datetime = NOW, **alerts: bool
) -> Notification:
    """`a=True` fires, `a=False` has ended."""
    return Notification(
        receiver=SLACK.receiver,
        channel=SLACK.channel,
        group_key=group,
        reason=reason,
        time=time,
        group_labels=Labels({"alertname": "A"}),
        alerts=tuple(
            NotifiedAlert(
                labels=Labels({"alertname": name}),
                annotations={"fix": "SELECT 1"},
                starts_at=NOW,
                ends_at=None if fires else time,
                value=1.5,
                no_data_since=NOW,
            )
            for name, fires in (alerts or {"a": True}).items()
        ),
        external_url="http://pgwatch",
        id=f"{group}{reason}{time}",
        extra={"k": "v"},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "pgwatch.db"


def test_alerts_come_back_as_they_were(path: Path) -> None:
    first, second = alert(), alert("B", state=AlertState.RESOLVED, resolved_at=NOW, value=-0.5)
    state = State.open(path)
    with state.transaction() as changes:
        changes.save_alerts("f.yml;g;A;0", [first, second])
    state.close()
    state = State.open(path)
    assert state.load_alerts() == {"f.yml;g;A;0": (first, second)}
    state.close()


def test_saved_alerts_are_all_alerts_of_their_rule(path: Path) -> None:
    state = State.open(path)
    for saved in ([alert("A"), alert("B")], [alert("B", value=2.0), alert("C")], [], [alert("A")]):
        with state.transaction() as changes:
            changes.save_alerts("f.yml;g;A;0", saved)
            changes.save_alerts("other", [replace(alert("X"), rule="other")])
        loaded = state.load_alerts()
        assert sorted(loaded.get("f.yml;g;A;0", ()), key=str) == sorted(saved, key=str)
        assert len(loaded["other"]) == 1
    state.close()


def test_exception_undoes_everything_also_in_memory(path: Path) -> None:
    state = State.open(path)
    with state.transaction() as changes:
        changes.save_alerts("f.yml;g;A;0", [alert("A")])

    def fail_in_the_middle() -> None:
        with state.transaction() as changes:
            changes.save_alerts("f.yml;g;A;0", [alert("B")])
            changes.enqueue(message())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    assert not state.messages()
    with state.transaction() as changes:
        changes.save_alerts("f.yml;g;A;0", [alert("B")])
    assert [one.labels["alertname"] for one in state.load_alerts()["f.yml;g;A;0"]] == ["B"]
    state.close()


def test_dispatch_goes_on_after_a_restart_where_it_was(path: Path) -> None:
    routing = log_only()
    rule = "f.yml;g;A;0"
    state = State.open(path)
    dispatch = DispatchState()

    def step(alerts: list[Alert], at: datetime) -> Decisions:
        nonlocal dispatch
        decisions = advance(routing, dispatch, {rule: alerts}, at)
        with state.transaction() as changes:
            changes.save_alerts(rule, alerts)
            changes.save_decisions(decisions)
        dispatch = decisions.state
        return decisions

    step([alert("A"), alert("B")], NOW)
    ended = NOW + timedelta(seconds=10)
    step([alert("A"), alert("B", state=AlertState.RESOLVED, resolved_at=ended)], ended)
    state.close()
    state = State.open(path)
    everything = [one for of_rule in state.load_alerts().values() for one in of_rule]
    back = restore(routing, state.load_dispatch(), everything, NOW + timedelta(seconds=20))
    assert back.state == dispatch
    assert not back.saved
    assert not back.ended
    later = NOW + timedelta(minutes=10)
    dispatch = back.state
    step([replace(alert("A"), state=AlertState.RESOLVED, resolved_at=later)], later)
    assert not state.load_dispatch().groups
    assert not state.load_dispatch().log
    state.close()


class TestOutbox:
    @pytest.fixture
    def state(self, path: Path) -> State:
        return State.open(path)

    def put(self, state: State, one: Notification, *, deliver: bool = True) -> None:
        with state.transaction() as changes:
            changes.save_decisions(
                Decisions(
                    state=DispatchState(), enqueue=(Decision(notification=one, deliver=deliver),)
                )
            )

    def test_message_comes_back_as_it_was(self, state: State) -> None:
        self.put(state, message(a=True, b=False))
        (queued,) = state.take([SLACK], NOW)
        assert queued.notification == message(a=True, b=False)
        assert queued.attempts == 0

    def test_oldest_message_of_each_channel_is_taken_once(self, state: State) -> None:
        other = replace(message("g3"), channel="email[0]")
        for one in (message("g1"), message("g2"), other):
            self.put(state, one)
        channels = [SLACK, ChannelId("team", "email[0]")]
        assert [q.notification.group_key for q in state.take(channels, NOW)] == ["g1", "g3"]
        assert [q.notification.group_key for q in state.take(channels, NOW)] == ["g2"]
        assert not state.take(channels, NOW)

    def test_only_channels_that_are_asked_for_and_only_what_is_due(self, state: State) -> None:
        self.put(state, message())
        assert not state.take([ChannelId("team", "email[0]")], NOW)
        assert not state.take([SLACK], NOW - timedelta(microseconds=1))
        assert state.waiting() == {SLACK: NOW}
        assert state.take([SLACK], NOW)
        assert not state.waiting()

    def test_delivered_and_dead_are_final_and_in_the_history(self, state: State) -> None:
        self.put(state, message("g1"))
        self.put(state, message("g2"))
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

    def test_postponed_message_keeps_its_place_and_counts(self, state: State) -> None:
        self.put(state, message("g1"))
        (queued,) = state.take([SLACK], NOW)
        later = NOW + timedelta(minutes=1)
        state.postponed(queued, "no connection", later)
        self.put(state, message("g2"))
        assert state.waiting() == {SLACK: NOW}
        (again,) = state.take([SLACK], later)
        assert (again.notification.group_key, again.attempts) == ("g1", 1)

    def test_working_channel_makes_all_of_it_due(self, state: State) -> None:
        self.put(state, message())
        (queued,) = state.take([SLACK], NOW)
        state.postponed(queued, "no connection", NOW + timedelta(hours=1))
        state.bring_forward(SLACK, NOW)
        assert state.take([SLACK], NOW)

    def test_newer_snapshot_supersedes_one_that_waits(self, state: State) -> None:
        self.put(state, message(a=True))
        (queued,) = state.take([SLACK], NOW)
        state.postponed(queued, "no connection", NOW + timedelta(minutes=1))
        end = NOW + timedelta(minutes=5)
        self.put(state, message(reason=Reason.ALL_RESOLVED, time=end, a=False))
        assert [one.state for one in state.messages()] == ["pending", "superseded"]
        (told,) = state.take([SLACK], end)
        assert told.attempts == 1
        assert told.notification.reason is Reason.ALL_RESOLVED
        assert told.notification.extra["never_told"] == "true"

    def test_unwanted_end_takes_the_unsent_beginning_along(self, state: State) -> None:
        self.put(state, message(a=True))
        end = NOW + timedelta(minutes=5)
        over = message(reason=Reason.ALL_RESOLVED, time=end, a=False)
        self.put(state, over, deliver=False)
        (told,) = state.take([SLACK], end)
        assert told.notification.status == "resolved"
        state.delivered(told, "", end)
        self.put(state, over, deliver=False)
        assert not state.waiting()

    def test_newer_snapshot_waits_for_the_one_on_its_way(self, state: State) -> None:
        self.put(state, message(a=True))
        (sent,) = state.take([SLACK], NOW)
        self.put(state, message(reason=Reason.NEW_ALERTS, time=NOW, a=True, b=True))
        state.postponed(sent, "no connection", NOW + timedelta(minutes=1))
        (merged,) = state.take([SLACK], NOW + timedelta(minutes=1))
        assert merged.notification.reason is Reason.FIRST
        assert len(merged.notification.alerts) == 2
        assert not state.waiting()

    def test_message_on_its_way_at_a_crash_is_sent_again(self, state: State, path: Path) -> None:
        self.put(state, message())
        assert state.take([SLACK], NOW)
        state.close()
        again = State.open(path)
        assert not again.take([SLACK], NOW)
        again.recover()
        assert again.take([SLACK], NOW)
        again.close()

    def test_old_history_is_pruned_and_what_waits_is_not(self, state: State) -> None:
        self.put(state, message("g1"))
        self.put(state, message("g2"))
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


def test_second_daemon_is_refused_and_told_who_has_the_file(path: Path) -> None:
    state = State.open(path)
    script = (
        "import sys, pathlib; from pgwatch.state.store import State; "
        "State.open(pathlib.Path(sys.argv[1]))"
    )
    second = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert (
        f"state file {path} is in use by another pgwatch (process {os.getpid()})" in second.stderr
    )
    beside = State.open(path, exclusive=False)
    beside.close()
    state.close()
    State.open(path).close()


def test_closed_state_is_not_opened_again_by_a_late_thread(path: Path) -> None:
    state = State.open(path)
    state.close()
    with pytest.raises(StateError, match="closed"):
        state.prune(NOW)


def test_file_is_private(path: Path) -> None:
    State.open(path).close()
    assert path.stat().st_mode & 0o077 == 0


def test_threads_share_one_state(path: Path) -> None:
    state = State.open(path)

    def work(number: int) -> None:
        for i in range(10):
            with state.transaction() as changes:
                changes.save_alerts(f"r{number}", [alert(str(i), rule=f"r{number}")])
                changes.enqueue(message(f"{number}/{i}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(state.load_alerts()) == 8
    assert state.message_counts()[OutboxState.PENDING] == 80
    state.close()


def test_commits_are_durable(path: Path) -> None:
    state = State.open(path)
    with state._begin() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2, "FULL"
    state.close()


@pytest.mark.parametrize(
    ("content", "message_part"),
    [
        pytest.param(b"this is a letter to my aunt" * 50, "not a database", id="no database"),
        pytest.param(None, "not a state of pgwatch", id="someone else's database"),
    ],
)
def test_other_files_are_refused(path: Path, content: bytes | None, message_part: str) -> None:
    path.parent.mkdir()
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE holiday (day)")
        other.close()
    else:
        path.write_bytes(content)
    with pytest.raises(StateError, match=message_part) as caught:
        State.open(path)
    assert str(path) in str(caught.value)


class TestVersions:
    def stamp(self, path: Path, version: str) -> None:
        State.open(path).close()
        with sqlite3.connect(path) as database:
            database.execute("UPDATE meta SET value = ?", (version,))
        database.close()

    def test_newer_file_is_refused_with_the_cure(self, path: Path) -> None:
        self.stamp(path, str(VERSION + 1))
        with pytest.raises(StateError, match="written by a newer pgwatch"):
            State.open(path)

    def test_older_file_without_a_step_is_refused(self, path: Path) -> None:
        self.stamp(path, "0")
        with pytest.raises(StateError, match="too old"):
            State.open(path)

    def test_steps_run_in_order_and_keep_the_rows(self, path: Path) -> None:
        state = State.open(path)
        with state.transaction() as changes:
            changes.enqueue(message())
        state.close()

        def add_owner(connection: Connection) -> None:
            connection.execute(text("ALTER TABLE outbox ADD COLUMN owner TEXT DEFAULT 'nobody'"))

        def rename_owner(connection: Connection) -> None:
            connection.execute(text("ALTER TABLE outbox RENAME COLUMN owner TO holder"))

        steps = {VERSION: add_owner, VERSION + 1: rename_owner}
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            prepare(connection, path, steps=steps, version=VERSION + 2)
            assert connection.execute(text("SELECT holder, reason FROM outbox")).all() == [
                ("nobody", "first notification")
            ]
            prepare(connection, path, steps=steps, version=VERSION + 2)  # nothing left to do
        engine.dispose()
        with pytest.raises(StateError, match="newer"):
            State.open(path)

    @pytest.mark.parametrize(
        "dump", sorted(FIXTURES.glob("state_v*.sql")), ids=lambda dump: dump.stem
    )
    def test_file_of_each_version_is_still_read(self, path: Path, dump: Path) -> None:
        path.parent.mkdir()
        with sqlite3.connect(path) as database:
            database.executescript(dump.read_text(encoding="utf-8"))
        database.close()
        state = State.open(path)
        (of_rule,) = state.load_alerts().values()
        assert [one.labels["alertname"] for one in of_rule] == ["A", "B"]
        assert len(state.load_dispatch().groups) == len(state.load_dispatch().log) == 2
        state.recover()
        (waiting,) = state.take([SLACK], NOW + timedelta(days=1))
        assert waiting.notification.alerts[0].annotations == {"fix": "SELECT 1"}
        assert len(state.events()) == 1
        state.close()

    def test_there_is_a_file_of_the_present_version(self) -> None:
        assert (FIXTURES / f"state_v{VERSION}.sql").exists()
