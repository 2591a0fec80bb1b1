"""Faults that the demo puts into the running database, each of which can be taken out again."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import psycopg

from pgwatch.demo.workload import Workload

logger = logging.getLogger(__name__)

_Connection = psycopg.Connection[tuple[object, ...]]

# Each fault has a project of its own, which is neither pending nor over: one that holds a lock must not
# stop another from being taken out.
_VIOLATING = "prj_0031"
_BACKWARD = "prj_0053"
_BLOCKED = "prj_0024"
_LOCKED = "prj_0042"
_PATIENCE_S = 5.0  # for a statement to come to where it stays; milliseconds in practice


class Fault(Protocol):
    """Something wrong with the database between `start()` and `stop()`; each is called once in turn."""

    summary: str  # what happens, as the demo says it

    def start(self) -> None:
        """Put the fault in; it is visible when this returns."""

    def stop(self) -> None:
        """Take it out, as a person would cure it; gone when this returns."""


class ConstraintViolation:
    """An unresolved row in `constraint_violations`, as the application logs one."""

    summary = "the application reports a constraint violation"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._id: object = None

    def start(self) -> None:
        """Log a violation."""
        with _connect(self._dsn) as connection:
            row = connection.execute(
                "SELECT log_constraint_violation('projects', 'chk_projects_budget_positive',"
                " 'CHECK_VIOLATION', %s, 'budget -1200.00 is negative')",
                (_VIOLATING,),
            ).fetchone()
        assert row is not None
        self._id = row[0]

    def stop(self) -> None:
        """Resolve it."""
        with _connect(self._dsn) as connection:
            connection.execute(
                "UPDATE constraint_violations SET resolved = true,"
                " resolution_notes = 'corrected by the office' WHERE id = %s",
                (self._id,),
            )


class FailedProgression:
    """A workflow that the application cannot move on, because its current step is blocked."""

    summary = "a workflow cannot progress: its step is blocked"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._step: object = None

    def start(self) -> None:
        """Block the current step and try to go on to the next, which the audit log notes."""
        with _connect(self._dsn) as connection:
            row = connection.execute(
                "UPDATE workflow_steps AS step SET state = 'BLOCKED'"
                " FROM project_workflow_trackers AS tracker"
                " WHERE step.id = tracker.current_step_id AND tracker.project_id = %s RETURNING step.id",
                (_BLOCKED,),
            ).fetchone()
            assert row is not None
            self._step = row[0]
            connection.execute("SELECT progress_to_next_workflow_step(%s, 'usr_001')", (_BLOCKED,))

    def stop(self) -> None:
        """Unblock the step, and remove what the audit log noted."""
        with _connect(self._dsn) as connection:
            connection.execute(
                "UPDATE workflow_steps SET state = 'IN_PROGRESS' WHERE id = %s", (self._step,)
            )
            connection.execute(
                "DELETE FROM workflow_audit_log WHERE action = 'progression_failed' AND project_id = %s",
                (_BLOCKED,),
            )


class BackwardPhase:
    """A project whose phase moves backwards without an override, which the triggers report."""

    summary = "a project's phase moves backwards without an override"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._position: tuple[object, ...] = ()

    def start(self) -> None:
        """Put the project's tracker back to the first line item."""
        with _connect(self._dsn) as connection:
            row = connection.execute(
                "SELECT current_phase_id, current_section_id, current_line_item_id, current_step_id"
                " FROM project_workflow_trackers WHERE project_id = %s",
                (_BACKWARD,),
            ).fetchone()
            assert row is not None
            self._position = row
            self._move(connection, ("pha_1", "sct_01", "itm_01", "stp_0053_01"))

    def stop(self) -> None:
        """Put the tracker where it was, and remove what the triggers reported."""
        with _connect(self._dsn) as connection:
            self._move(connection, self._position)
            connection.execute(
                "DELETE FROM workflow_audit_log"
                " WHERE action = 'backward_progression_attempted' AND project_id = %s",
                (_BACKWARD,),
            )

    @staticmethod
    def _move(connection: _Connection, position: tuple[object, ...]) -> None:
        connection.execute(
            "UPDATE project_workflow_trackers SET current_phase_id = %s, current_section_id = %s,"
            " current_line_item_id = %s, current_step_id = %s WHERE project_id = %s",
            (*position, _BACKWARD),
        )


class StaleView:
    """The job that refreshes the materialized views no longer runs, so they grow old from then on."""

    summary = "the job that refreshes the materialized views stops"

    def __init__(self, workload: Workload) -> None:
        self._workload = workload

    def start(self) -> None:
        """Pause the job."""
        self._workload.pause_refresh()

    def stop(self) -> None:
        """Resume the job, which refreshes at once."""
        self._workload.resume_refresh()


class SlowQuery:
    """A report that runs and runs."""

    summary = "somebody runs a report that does not end"
    _sql = """/* monthly margin report */
SELECT p.project_type, sum(p.budget - p.actual_cost) AS margin, pg_sleep(3600)
FROM projects AS p
GROUP BY p.project_type"""

    def __init__(self, dsn: str) -> None:
        self._statement = _Running(dsn, "roofing-reports", self._sql, waits_for="Timeout")

    def start(self) -> None:
        """Start the report."""
        self._statement.start()

    def stop(self) -> None:
        """Cancel it."""
        self._statement.stop()


class Blocker:
    """A transaction that holds a row of `projects`, and an UPDATE that waits for it."""

    summary = "a forgotten transaction blocks an update of projects"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._holder: _Connection | None = None
        self._waiter = _Running(
            dsn,
            "roofing-office",
            f"UPDATE projects SET notes = 'Called the customer' WHERE id = '{_LOCKED}'",  # noqa: S608 - ours
            waits_for="Lock",
        )

    def start(self) -> None:
        """Lock the row and let the update wait."""
        self._holder = _connect(self._dsn, "roofing-import")
        self._holder.execute("BEGIN")
        self._holder.execute("SELECT id FROM projects WHERE id = %s FOR UPDATE", (_LOCKED,))
        self._waiter.start()

    def stop(self) -> None:
        """Roll the transaction back, so that the update goes on, and wait for its end."""
        if self._holder is not None:
            self._holder.execute("ROLLBACK")
            self._holder.close()
            self._holder = None
        self._waiter.join()


class IdleInTransaction:
    """A session that began a transaction and went away."""

    summary = "a session leaves its transaction open"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session: _Connection | None = None

    def start(self) -> None:
        """Begin a transaction and do nothing more."""
        self._session = _connect(self._dsn, "roofing-shell")
        self._session.execute("BEGIN")
        self._session.execute("SELECT count(*) FROM customers")

    def stop(self) -> None:
        """Close the session."""
        if self._session is not None:
            self._session.execute("ROLLBACK")
            self._session.close()
            self._session = None


class DisabledTrigger:
    """A trigger that was switched off for a bulk load, and not on again.

    It only refuses what the workload never does, so no row goes wrong meanwhile.
    """

    summary = "a trigger is switched off for a bulk load"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def start(self) -> None:
        """Disable the trigger."""
        self._alter("DISABLE")

    def stop(self) -> None:
        """Enable it."""
        self._alter("ENABLE")

    def _alter(self, verb: str) -> None:
        with _connect(self._dsn) as connection:
            connection.execute(
                f"ALTER TABLE workflow_steps {verb} TRIGGER trigger_enforce_state_machine"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a timetable."""

    at_s: float  # seconds after the start
    fault: str  # a key of `all_faults`
    for_s: float  # how long it stays in


# Each stays in for longer than its rule's threshold and `for`, with room for a poll and a group_wait:
# idle in transaction 60 s, a disabled trigger `for: 1m`, a blocked session 30 s. No view grows stale in
# minutes by the shipped threshold of a day: the demo has to set it to a minute.
SCHEDULE = (
    Step(at_s=5, fault="constraint_violation", for_s=60),
    Step(at_s=15, fault="blocker", for_s=60),
    Step(at_s=30, fault="slow_query", for_s=50),
    Step(at_s=50, fault="disabled_trigger", for_s=100),
    Step(at_s=70, fault="idle_in_transaction", for_s=100),
    Step(at_s=90, fault="failed_progression", for_s=60),
    Step(at_s=110, fault="backward_phase", for_s=60),
    Step(at_s=120, fault="stale_view", for_s=120),
)


def all_faults(dsn: str, workload: Workload) -> dict[str, Fault]:
    """Return every fault by the name that a timetable uses."""
    return {
        "constraint_violation": ConstraintViolation(dsn),
        "failed_progression": FailedProgression(dsn),
        "backward_phase": BackwardPhase(dsn),
        "stale_view": StaleView(workload),
        "slow_query": SlowQuery(dsn),
        "blocker": Blocker(dsn),
        "idle_in_transaction": IdleInTransaction(dsn),
        "disabled_trigger": DisabledTrigger(dsn),
    }


def play(
    steps: Sequence[Step],
    faults: Mapping[str, Fault],
    stopping: threading.Event,
    tell: Callable[[str, Fault, bool], None],
) -> None:
    """Put the faults in and take them out by the timetable, until its end or until `stopping` is set.

    `tell(name, fault, is_on)` hears of each change. What is still in when it ends early is taken out.
    """
    changes = sorted(
        [(step.at_s, True, step.fault) for step in steps]
        + [(step.at_s + step.for_s, False, step.fault) for step in steps]
    )
    elapsed_s = 0.0
    with ExitStack() as inside:
        cures: dict[str, ExitStack] = {}
        for at_s, is_on, name in changes:
            if stopping.wait(at_s - elapsed_s):
                return
            elapsed_s = at_s
            if is_on:
                faults[name].start()
                cures[name] = inside.enter_context(ExitStack())
                cures[name].callback(faults[name].stop)
            else:
                cures.pop(name).close()
            tell(name, faults[name], is_on)


class _Running:
    """A statement that runs in a thread of its own until it ends or is cancelled."""

    def __init__(self, dsn: str, application_name: str, statement: str, *, waits_for: str) -> None:
        """`waits_for`: the `wait_event_type` that shows it has come to where it stays."""
        self._dsn = dsn
        self._waits_for = waits_for
        self._application_name = application_name
        self._statement = statement
        self._connection: _Connection | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the session, send the statement and see it wait."""
        self._connection = _connect(self._dsn, self._application_name, lock_timeout="0")
        self._thread = threading.Thread(target=self._run, args=(self._connection,), daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _PATIENCE_S
        with _connect(self._dsn) as watcher:
            while time.monotonic() < deadline and self._thread.is_alive():
                row = watcher.execute(
                    "SELECT wait_event_type FROM pg_catalog.pg_stat_activity WHERE pid = %s",
                    (self._connection.info.backend_pid,),
                ).fetchone()
                if row == (self._waits_for,):
                    return
                time.sleep(0.02)

    def stop(self) -> None:
        """Cancel the statement and close its session."""
        if self._connection is not None:
            self._connection.cancel_safe(timeout=5)
        self.join()

    def join(self) -> None:
        """Wait for the statement's end and close its session."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, connection: _Connection) -> None:
        try:
            connection.execute(self._statement)
        except psycopg.Error as error:
            logger.debug("statement of a fault ends", extra={"sqlstate": error.sqlstate})


def _connect(
    dsn: str, application_name: str = "roofing-admin", *, lock_timeout: str = "5s"
) -> _Connection:
    return psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=10,
        application_name=application_name,
        options=f"-c lock_timeout={lock_timeout} -c statement_timeout=15min",
    )
