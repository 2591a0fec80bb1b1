"""How the state file is opened: one connection, transactions that we begin, WAL, and what is synced when."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy import event as engine_event
from sqlalchemy.pool import StaticPool

_BUSY_SECONDS: Final = 10  # how long we wait for a command that holds the file


def open_engine(path: Path) -> Engine:
    """Return the engine of the file at `path`; transactions are synced unless `synced=False` is an option."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS},
    )
    engine_event.listen(engine, "connect", _configure)
    engine_event.listen(engine, "begin", _take_write_lock)
    return engine


def _configure(connection: Any, record: Any) -> None:  # noqa: ARG001 (SQLAlchemy's signature)
    connection.isolation_level = None  # else Python's driver begins and commits on its own account
    for setting in ("journal_mode=WAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def _take_write_lock(connection: Connection) -> None:
    level = "FULL" if connection.get_execution_options().get("synced", True) else "NORMAL"
    connection.exec_driver_sql(f"PRAGMA synchronous={level}")
    # A transaction that reads first and writes later could find the file changed and fail; this waits.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
