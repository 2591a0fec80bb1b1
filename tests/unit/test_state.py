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
from pgwatch.notify.notification import Notification, NotifiedAlert, Reason
from pgwatch.notify.outbox import ChannelId
from pgwatch.notify.route import log_only
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Source
from pgwatch.state.outbox import OutboxState
from pgwatch.state.schema import VERSION, StateError, prepare
from pgwatch.state.store import State

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

    def test_older_file_gets_the_tables_of_a_new_one(self, path: Path) -> None:
        path.parent.mkdir()
        with sqlite3.connect(path) as database:
            database.executescript((FIXTURES / "state_v1.sql").read_text(encoding="utf-8"))
        database.close()
        State.open(path).close()
        new = path.with_name("new.db")
        State.open(new).close()
        assert self.columns(path) == self.columns(new)

    def columns(self, path: Path) -> dict[str, list[tuple[object, ...]]]:
        """Return (name, kind, nullable, default, place in the key) of each column, by table."""
        with sqlite3.connect(path) as database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = [name for (name,) in names if not name.startswith("sqlite_")]
            found = {
                table: sorted(
                    row[1:]
                    for row in database.execute(f"SELECT * FROM pragma_table_info('{table}')")
                )
                for table in tables
            }
        database.close()
        return found

    def test_what_people_said_is_read_from_the_file_of_version_2(self, path: Path) -> None:
        path.parent.mkdir()
        with sqlite3.connect(path) as database:
            database.executescript((FIXTURES / "state_v2.sql").read_text(encoding="utf-8"))
        database.close()
        state = State.open(path)
        said = state.load_interventions()
        recurring, deploy = sorted(said.silences.values(), key=lambda one: one.id)
        assert str(recurring.window) == "mon,tue,wed,thu,fri 22:00-06:00 Europe/Berlin"
        assert [str(one) for one in recurring.matchers] == ['alertname="A"', 'query=~"s.*"']
        assert (deploy.deploy, deploy.reported_at) == (True, NOW + timedelta(minutes=30))
        (acknowledged,) = said.acknowledgements.values()
        assert (acknowledged.owner, acknowledged.comment) == ("ada", "on it")
        (posted,) = state.load_posted().values()
        assert (posted.timeout, posted.ends_at) == (True, NOW + timedelta(minutes=5))
        dispatch = state.load_dispatch()
        (flap,) = dispatch.flaps.values()
        assert flap.ends == (NOW, NOW + timedelta(minutes=1))
        assert {q.because for g in dispatch.groups.values() for q in g.quiet.values()} == {
            "silenced by ada: moving"
        }
        (of_rule,) = state.load_alerts().values()
        assert {one.evidence.rows for one in of_rule if one.evidence} == {(("1", "SELECT 'ö'"),)}
        assert state.saved_time("heartbeat_at") == NOW
        assert state.events()[0].message == 1
        state.close()

    def test_there_is_a_file_of_the_present_version(self) -> None:
        assert (FIXTURES / f"state_v{VERSION}.sql").exists()

    def test_what_was_told_of_silences_and_receivers_is_read_from_the_file_of_version_3(
        self, path: Path
    ) -> None:
        path.parent.mkdir()
        with sqlite3.connect(path) as database:
            database.executescript((FIXTURES / "state_v3.sql").read_text(encoding="utf-8"))
        database.close()
        state = State.open(path)
        reminded = [one.reminded_at for one in state.load_interventions().silences.values()]
        assert sorted(reminded, key=str) == [NOW + timedelta(minutes=20), None]
        assert state.told_broken() == {ChannelId("other", "slack[0]")}
        state.recover()
        (waiting,) = state.take([SLACK], NOW + timedelta(days=1))
        assert (waiting.attempts, waiting.left_out) == (12, 2)
        state.close()


def test_the_time_of_the_last_evaluation_survives(tmp_path: Path) -> None:
    state = State.open(tmp_path / "state.db")
    assert state.last_evaluation() is None
    for at in (NOW, NOW + timedelta(seconds=15)):
        with state.transaction() as changes:
            changes.save_evaluation(at)
    state.close()
    state = State.open(tmp_path / "state.db")
    assert state.last_evaluation() == NOW + timedelta(seconds=15)
    state.close()
