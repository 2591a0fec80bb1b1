"""Each fault of the demo is visible while it is in and gone afterwards; the workload works and ends."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from pgwatch.demo import database as roofing
from pgwatch.demo.faults import SCHEDULE, Fault, Step, all_faults, play
from pgwatch.demo.server import LocalServer
from pgwatch.demo.workload import APPLICATION_NAME, Workload
from tests.conftest import create_database, drop_database

# What is true exactly while the fault is in; stale_view has a test of its own.
VISIBLE = {
    "constraint_violation": "SELECT count(*) FROM constraint_violations WHERE NOT resolved",
    "failed_progression": """SELECT count(*) FROM workflow_audit_log AS log
        JOIN workflow_status_view AS status USING (project_id)
        WHERE log.action = 'progression_failed' AND status.current_step_state = 'BLOCKED'""",
    "backward_phase": """SELECT count(*) FROM workflow_audit_log
        WHERE action = 'backward_progression_attempted'""",
    "slow_query": """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'active' AND query LIKE '/* monthly margin%'""",
    "blocker": """SELECT count(*) FROM pg_stat_activity AS waiting
        JOIN pg_stat_activity AS holding ON holding.pid = ANY (pg_blocking_pids(waiting.pid))
        WHERE waiting.query LIKE 'UPDATE projects%' AND holding.application_name = 'roofing-import'""",
    "idle_in_transaction": """SELECT count(*) FROM pg_stat_activity
        WHERE state = 'idle in transaction' AND application_name = 'roofing-shell'""",
    "disabled_trigger": """SELECT count(*) FROM pg_trigger
        WHERE tgenabled = 'D' AND tgname = 'trigger_enforce_state_machine'""",
}
REFRESHED = """SELECT string_agg(xmin::text, ' ' ORDER BY relname) FROM pg_class
    WHERE relkind = 'm' AND relname <> 'workflow_performance_metrics'"""


@pytest.fixture(scope="module")
def migrated(server: LocalServer) -> Iterator[str]:
    name = create_database(server)
    dsn = server.dsn(name)
    roofing.build(dsn)
    roofing.apply_migrations(dsn, lambda _: None)
    yield dsn
    drop_database(server, name)


def ask(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met


@pytest.fixture
def faults(migrated: str) -> dict[str, Fault]:
    return all_faults(migrated, Workload(migrated))


@pytest.mark.parametrize("name", VISIBLE)
def test_fault_is_visible_while_it_is_in(
    name: str, migrated: str, faults: dict[str, Fault]
) -> None:
    for _ in range(2):  # it can come back
        assert ask(migrated, VISIBLE[name]) == 0
        faults[name].start()
        try:
            assert ask(migrated, VISIBLE[name]) == 1
        finally:
            faults[name].stop()
        assert ask(migrated, VISIBLE[name]) == 0


def test_all_faults_at_once_do_not_hinder_each_other(
    migrated: str, faults: dict[str, Fault]
) -> None:
    names = [name for name in faults if name in VISIBLE]
    for name in names:
        faults[name].start()
    try:
        assert {name: ask(migrated, VISIBLE[name]) for name in names} == dict.fromkeys(names, 1)
    finally:
        for name in names:
            faults[name].stop()
    assert {name: ask(migrated, VISIBLE[name]) for name in names} == dict.fromkeys(names, 0)


def test_phase_that_went_backwards_is_put_back(migrated: str, faults: dict[str, Fault]) -> None:
    position = (
        "SELECT t::text FROM (SELECT current_phase_id, current_line_item_id, current_step_id, phase"
        " FROM project_workflow_trackers JOIN projects ON projects.id = project_id"
        " WHERE project_id = 'prj_0053') AS t"
    )
    before = ask(migrated, position)
    faults["backward_phase"].start()
    assert "LEAD" in str(ask(migrated, position))
    faults["backward_phase"].stop()
    assert ask(migrated, position) == before
    assert ask(migrated, "SELECT count(*) FROM constraint_violations WHERE NOT resolved") == 0


def test_blocked_update_goes_on_when_its_blocker_is_gone(
    migrated: str, faults: dict[str, Fault]
) -> None:
    notes = "SELECT coalesce(notes, '') FROM projects WHERE id = 'prj_0042'"
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("UPDATE projects SET notes = NULL WHERE id = 'prj_0042'")
    faults["blocker"].start()
    assert ask(migrated, notes) == ""
    faults["blocker"].stop()
    assert ask(migrated, notes) == "Called the customer"


def test_views_grow_old_while_the_refresh_job_stands(migrated: str) -> None:
    workload = Workload(migrated, connections=0, refresh_every_s=0.05)
    stale_view = all_faults(migrated, workload)["stale_view"]
    workload.start()
    try:
        assert until(lambda: workload.done["refresh"] >= 2)
        stale_view.start()
        time.sleep(0.5)  # a refresh that had begun may end
        last, count = ask(migrated, REFRESHED), workload.done["refresh"]
        time.sleep(0.3)
        assert (ask(migrated, REFRESHED), workload.done["refresh"]) == (last, count)
        stale_view.stop()
        assert until(lambda: ask(migrated, REFRESHED) != last)
    finally:
        workload.stop()


def test_resumed_job_refreshes_at_once(migrated: str) -> None:
    workload = Workload(migrated, connections=0, refresh_every_s=3600)
    workload.start()
    try:
        assert until(lambda: workload.done["refresh"] == 1)
        workload.pause_refresh()
        time.sleep(0.3)
        workload.resume_refresh()
        assert until(lambda: workload.done["refresh"] == 2)
    finally:
        workload.stop()


def test_workload_does_each_operation_and_leaves_no_session(migrated: str) -> None:
    sessions = f"""SELECT count(*) FROM pg_stat_activity
        WHERE application_name = '{APPLICATION_NAME}' AND datname = current_database()"""
    workload = Workload(migrated, connections=2, pause_s=0.002)
    workload.start()
    try:
        assert until(lambda: len(workload.done) == 9), workload.done
        assert ask(migrated, sessions) in {2, 3}
    finally:
        workload.stop()
    assert not workload.refused
    assert until(lambda: ask(migrated, sessions) == 0)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("roofing")]


def test_workload_survives_the_loss_of_its_connections(migrated: str) -> None:
    workload = Workload(migrated, connections=2, pause_s=0.01, refresh_every_s=3600)
    workload.start()
    try:
        assert until(lambda: sum(workload.done.values()) > 5)
        ask(
            migrated,
            f"""SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE application_name = '{APPLICATION_NAME}' AND datname = current_database()""",
        )
        assert until(lambda: sum(workload.refused.values()) >= 2), workload.refused
        done = sum(workload.done.values())
        assert until(lambda: sum(workload.done.values()) > done + 5)
    finally:
        workload.stop()


class Recorded:
    """A fault that only remembers what was done with it."""

    summary = "recorded"

    def __init__(self, name: str, log: list[str]) -> None:
        self._name = name
        self._log = log

    def start(self) -> None:
        self._log.append(f"+{self._name}")

    def stop(self) -> None:
        self._log.append(f"-{self._name}")


def test_timetable_is_played_in_order_and_told() -> None:
    log: list[str] = []
    told: list[str] = []
    steps = [
        Step(at_s=0.02, fault="a", for_s=0.04),
        Step(at_s=0.03, fault="b", for_s=0.01),
        Step(at_s=0.08, fault="b", for_s=0.01),
    ]
    play(
        steps,
        {name: Recorded(name, log) for name in "ab"},
        threading.Event(),
        lambda name, _, is_on: told.append(f"{'+' if is_on else '-'}{name}"),
    )
    assert log == ["+a", "+b", "-b", "-a", "+b", "-b"]
    assert told == log


def test_timetable_that_ends_early_takes_out_what_is_in() -> None:
    log: list[str] = []
    stopping = threading.Event()
    play(
        [Step(at_s=0, fault="a", for_s=3600), Step(at_s=0, fault="b", for_s=3600)],
        {name: Recorded(name, log) for name in "ab"},
        stopping,
        lambda name, _fault, _is_on: stopping.set() if name == "b" else None,
    )
    assert log == ["+a", "+b", "-b", "-a"]


def test_shipped_timetable_names_known_faults_that_do_not_overlap_themselves(
    faults: dict[str, Fault],
) -> None:
    assert {step.fault for step in SCHEDULE} == set(faults)
    for name in faults:
        own = sorted((step.at_s, step.at_s + step.for_s) for step in SCHEDULE if step.fault == name)
        assert all(end < start for (_, end), (start, _) in itertools.pairwise(own))
