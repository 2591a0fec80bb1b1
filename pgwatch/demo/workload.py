"""A gentle workload: a few connections that read and write as the roofing application does."""

import random
import threading
from collections import Counter
from collections.abc import Callable

import psycopg

APPLICATION_NAME = "roofing-app"
_OPTIONS = "-c lock_timeout=2s -c statement_timeout=10s"

_Connection = psycopg.Connection[tuple[object, ...]]


class Workload:
    """Threads that use the application's tables until stopped, and the job that refreshes the views.

    A statement that the server refuses is counted and forgotten; a lost connection is opened again.
    """

    def __init__(
        self, dsn: str, *, connections: int = 3, pause_s: float = 0.2, refresh_every_s: float = 15.0
    ) -> None:
        """`pause_s`: between two operations of a connection; `refresh_every_s`: of the materialized views."""
        self._dsn = dsn
        self._pause_s = pause_s
        self._refresh_every_s = refresh_every_s
        self._stopping = threading.Event()
        self._refreshing = threading.Event()
        self._refreshing.set()
        self._threads = [
            threading.Thread(target=self._work, args=(n,), name=f"roofing-app-{n}", daemon=True)
            for n in range(connections)
        ]
        self._threads.append(
            threading.Thread(target=self._refresh_views, name="roofing-refresh", daemon=True)
        )
        self.done: Counter[str] = Counter()  # operations that succeeded, by name
        self.refused: Counter[str] = Counter()  # operations that did not, by SQLSTATE

    def start(self) -> None:
        """Open the connections and begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads and close their connections; waits at most for a statement's timeout."""
        self._stopping.set()
        self._refreshing.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def pause_refresh(self) -> None:
        """Stop refreshing the materialized views, as a cron job that somebody commented out."""
        self._refreshing.clear()

    def resume_refresh(self) -> None:
        """Refresh the materialized views now, and again on schedule."""
        self._refreshing.set()

    def _work(self, number: int) -> None:
        chance = random.Random(number)
        names, weights = zip(
            *((name, entry[0]) for name, entry in _OPERATIONS.items()), strict=True
        )
        connection: _Connection | None = None
        while not self._stopping.is_set():
            name = chance.choices(names, weights)[0]
            try:
                if connection is None:
                    connection = self._connect()
                _OPERATIONS[name][1](connection, chance)
                self.done[name] += 1
            except psycopg.Error as error:
                self.refused[error.sqlstate or "connection"] += 1
                if connection is not None and connection.closed:
                    connection = None
            self._stopping.wait(self._pause_s * chance.uniform(0.5, 1.5))
        if connection is not None:
            connection.close()

    def _refresh_views(self) -> None:
        while not self._stopping.is_set():
            self._refreshing.wait()
            if self._stopping.is_set():
                return
            try:
                with self._connect() as connection:
                    connection.execute("SELECT refresh_all_materialized_views()")
                self.done["refresh"] += 1
            except psycopg.Error as error:
                self.refused[error.sqlstate or "connection"] += 1
            self._wait_for_next_refresh()

    def _wait_for_next_refresh(self) -> None:
        """Wait for the interval; a pause makes it end at once, so that a resume refreshes at once."""
        step_s = min(0.1, self._refresh_every_s)
        waited_s = 0.0
        while waited_s < self._refresh_every_s and self._refreshing.is_set():
            if self._stopping.wait(step_s):
                return
            waited_s += step_s

    def _connect(self) -> _Connection:
        return psycopg.connect(
            self._dsn,
            autocommit=True,
            connect_timeout=10,
            application_name=APPLICATION_NAME,
            options=_OPTIONS,
        )


def _project(chance: random.Random) -> str:
    return f"prj_{chance.randint(1, 180):04d}"


def _user(chance: random.Random) -> str:
    return f"usr_{chance.randint(1, 30):03d}"


def _show_dashboard(connection: _Connection, chance: random.Random) -> None:
    connection.execute(
        "SELECT * FROM project_dashboard_summary WHERE status = %s ORDER BY project_number LIMIT 20",
        (chance.choice(("PENDING", "IN_PROGRESS", "COMPLETED")),),
    ).fetchall()


def _show_project(connection: _Connection, chance: random.Random) -> None:
    project = _project(chance)
    connection.execute("SELECT * FROM get_project_status_optimized(%s)", (project,)).fetchall()
    connection.execute(
        "SELECT id, title, status FROM tasks WHERE project_id = %s", (project,)
    ).fetchall()
    connection.execute(
        "SELECT id, title, file_url FROM documents WHERE project_id = %s ORDER BY created_at DESC",
        (project,),
    ).fetchall()


def _search(connection: _Connection, chance: random.Random) -> None:
    connection.execute(
        "SELECT id, project_name FROM projects"
        " WHERE search_vector @@ plainto_tsquery('english', %s) LIMIT 20",
        (chance.choice(("shingle", "flashing", "house 42", "street")),),
    ).fetchall()


def _read_notifications(connection: _Connection, chance: random.Random) -> None:
    connection.execute(
        """UPDATE notifications SET is_read = true WHERE id IN (
            SELECT id FROM notifications WHERE recipient_id = %s AND NOT is_read ORDER BY id LIMIT 5)""",
        (_user(chance),),
    )


def _write_message(connection: _Connection, chance: random.Random) -> None:
    connection.execute(
        """INSERT INTO messages (id, conversation_id, sender_id, content)
        VALUES (gen_random_uuid()::text, %s, %s, %s)""",
        (f"cnv_{chance.randint(1, 40)}", _user(chance), "The crew is on the roof"),
    )


def _update_task(connection: _Connection, chance: random.Random) -> None:
    connection.execute(
        "UPDATE tasks SET status = %s, updated_at = now() WHERE id = %s",
        (
            chance.choice(("TO_DO", "IN_PROGRESS", "DONE")),
            f"tsk_{chance.randint(1, 180):04d}_{chance.randint(1, 4)}",
        ),
    )


def _save_project(connection: _Connection, chance: random.Random) -> None:
    connection.execute(
        "UPDATE projects SET notes = 'Seen by the office', updated_at = now() WHERE id = %s",
        (_project(chance),),
    )


def _progress_workflow(connection: _Connection, chance: random.Random) -> None:
    connection.execute(
        """SELECT progress_to_next_workflow_step(id, %s) FROM projects
        WHERE id = %s AND status = 'IN_PROGRESS'""",
        (_user(chance), _project(chance)),
    )


# How often each is chosen, and what it does.
_OPERATIONS: dict[str, tuple[int, Callable[[_Connection, random.Random], None]]] = {
    "dashboard": (20, _show_dashboard),
    "project": (40, _show_project),
    "search": (15, _search),
    "notifications": (10, _read_notifications),
    "message": (6, _write_message),
    "task": (5, _update_task),
    "save": (3, _save_project),
    "workflow": (1, _progress_workflow),
}
