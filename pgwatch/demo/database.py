"""The roofing database: built, migrated as the deployment guide does it, and cured afterwards."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pgwatch.demo.server import embedded_bin
from pgwatch.errors import PgwatchError

NAME = "roofing_db"
MONITOR = "pgwatch"  # the role that role.sql creates

# What the demo's server needs beyond the defaults; `LocalServer(settings=…)` takes it as it is.
SERVER_SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
    "track_commit_timestamp": "on",  # the exact time of each refresh of a materialized view
    "logging_collector": "on",
    "log_destination": "stderr,csvlog",
    "log_directory": "log",
    "log_min_duration_statement": "1s",
    "log_lock_waits": "on",
    "max_connections": "50",
}

SQL = Path(__file__).resolve().parent / "sql"
CURE = SQL / "cure.sql"
# In the guide's order; their names do not sort that way.
MIGRATIONS = tuple(
    SQL / "migrations" / f"20250812_{name}" / "migration.sql"
    for name in (
        "workflow_consolidation",
        "phase_tracking_standardization",
        "data_type_standardization",
        "constraints_and_validations",
        "performance_optimization",
    )
)

_ERROR = re.compile(
    r"^psql:(?P<file>.+?):(?P<line>\d+): (?:ERROR|FATAL|PANIC):  "
    r"(?P<sqlstate>[0-9A-Z]{5}): (?P<message>.*)"
)
# Lines that only VERBOSITY=verbose adds; a person who runs psql does not see them.
_VERBOSE = re.compile(r"^(LOCATION|(SCHEMA|TABLE|COLUMN|DATATYPE|CONSTRAINT) NAME):  ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A statement of a migration that the server refused."""

    file: str  # relative to the migrations' folder: `20250812_…/migration.sql`
    line: int  # as psql counts: from 1, the line on which the statement ends
    sqlstate: str
    message: str


def create_database(admin_dsn: str, name: str = NAME) -> None:
    """Create the empty database `name` on the server of `admin_dsn`."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def build(dsn: str) -> None:
    """Create the application's tables with their rows, as they were before the migrations."""
    for file in ("schema.sql", "seed.sql"):
        _run_strictly(dsn, file)


def create_monitoring_role(dsn: str, password: str) -> None:
    """Create the role `pgwatch` with what it may read, and give it `password`; may be repeated.

    Needs a superuser, and comes after `build` and before the migrations.
    """
    _run_strictly(dsn, "role.sql")
    with psycopg.connect(dsn, autocommit=True) as connection:
        # Hashed here: pg_stat_statements and the log keep a utility statement's text as it came.
        verifier = connection.pgconn.encrypt_password(
            password.encode(), MONITOR.encode(), b"scram-sha-256"
        )
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(MONITOR), sql.Literal(verifier.decode())
            )
        )


def apply_migrations(dsn: str, out: Callable[[str], None]) -> list[Failure]:
    """Apply the five migrations with plain `psql -f`: what fails scrolls by, the rest is applied.

    `out` gets each line that psql prints. Raises PgwatchError only where psql itself gives up.
    """
    failures = []
    for file in MIGRATIONS:
        for line in _psql(dsn, file, "-v", "VERBOSITY=verbose"):
            if (failure := _parse_failure(line)) is not None:
                failures.append(failure)
                out(line.replace(f"{failure.sqlstate}: ", "", 1))
            elif not _VERBOSE.match(line):
                out(line)
    return failures


def fix_damage(dsn: str) -> None:
    """Run `cure.sql`: what a person does about each finding after the gate said no."""
    _run_strictly(dsn, CURE.name)


def _parse_failure(line: str) -> Failure | None:
    match = _ERROR.match(line)
    if match is None:
        return None
    return Failure(
        file=match["file"],
        line=int(match["line"]),
        sqlstate=match["sqlstate"],
        message=match["message"],
    )


def _run_strictly(dsn: str, file: str) -> None:
    for _ in _psql(dsn, SQL / file, "-q", "-v", "ON_ERROR_STOP=1"):
        pass


def _psql(dsn: str, file: Path, *options: str) -> Iterator[str]:
    """Run `file` and yield psql's lines as they come, results and errors in one stream."""
    folder = SQL / "migrations"
    name = os.path.relpath(file, folder)  # short, and the same on every machine
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603 - our own arguments
        [str(embedded_bin() / "psql"), "-X", *options, "-f", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=_environment(dsn),
        text=True,
        errors="replace",
    ) as psql:
        assert psql.stdout is not None
        for line in psql.stdout:
            said.append(line.rstrip("\n"))
            yield said[-1]
    if psql.returncode:
        end = "\n".join(said[-10:])
        raise PgwatchError(f"psql -f {name} ended with {psql.returncode}: {end}")


def _environment(dsn: str) -> dict[str, str]:
    """Return the connection in libpq's variables: in an argument, `ps` would show the password."""
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
    }
    known = {names[key]: str(value) for key, value in conninfo_to_dict(dsn).items() if key in names}
    return {
        "PATH": os.environ.get("PATH", ""),
        "LC_ALL": "C",
        "PGCONNECT_TIMEOUT": "10",
        "PGAPPNAME": "psql",
        "PGOPTIONS": "-c statement_timeout=60s",
        **known,
    }
