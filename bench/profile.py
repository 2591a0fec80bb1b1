"""The database that the figures are measured on: 400 tables, 1,200 indexes, 21 databases."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg

from pgwatch.demo.server import LocalServer, embedded_bin

TABLES = 400
DATABASES = 20
_PLACES = "/usr/sbin:/usr/bin:/usr/lib/nagios/plugins"  # where Debian installs the peers
ROLE, PASSWORD = "monitor", "bench-monitor"


@contextlib.contextmanager
def server() -> Iterator[LocalServer]:
    """Run a server of Debian's version, else of the wheel's, with the profile in database `bench`."""
    debian = Path("/usr/lib/postgresql/15/bin")
    settings = {
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.track_utility": "off",
        "shared_buffers": "256MB",
        "max_connections": "120",
        "max_locks_per_transaction": "512",
        "autovacuum_naptime": "30min",
        "track_io_timing": "on",
    }
    with LocalServer(
        bin=debian if debian.is_dir() else embedded_bin(), settings=settings
    ) as server:
        _fill(server)
        yield server


def _fill(server: LocalServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
        connection.execute(f"GRANT pg_monitor TO {ROLE}")
        connection.execute("CREATE DATABASE bench")
        for index in range(DATABASES):
            connection.execute(f"CREATE DATABASE other_{index} STRATEGY file_copy")
    with psycopg.connect(server.dsn("bench"), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        for index in range(TABLES):
            name = f"table_{index:03}"
            connection.execute(
                f"CREATE TABLE {name} (id bigint PRIMARY KEY, owner int NOT NULL,"
                " state text, amount numeric(12,2) CHECK (amount >= 0), created timestamptz)"
            )
            connection.execute(f"CREATE INDEX {name}_owner ON {name} (owner)")
            connection.execute(f"CREATE INDEX {name}_created ON {name} (created) WHERE state = 'x'")
            connection.execute(
                f"INSERT INTO {name} SELECT i, i % 7, 'a', i, now() FROM generate_series(1, 50) i"
            )
            connection.execute(f"SELECT count(*) FROM {name} WHERE owner = 3")
        for index in range(20):
            connection.execute(
                f"CREATE MATERIALIZED VIEW view_{index:02} AS SELECT owner, count(*) FROM table_{index:03}"
                " GROUP BY owner"
            )
        connection.execute("ANALYZE")


def dsn(server: LocalServer, database: str = "bench") -> str:
    """Return the URL with which every contender connects."""
    return server.dsn(database, user=ROLE, password=PASSWORD)


def program(name: str) -> str | None:
    """Return the path of another project's program, None where it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PLACES}")
