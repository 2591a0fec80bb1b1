"""Verification beside `pg_dump -s` of the same database, 4 MB read, and a preflight of 6,000 statements."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import psycopg

from bench.gate import compiled
from bench.timing import interleaved
from pgwatch.demo.server import LocalServer
from pgwatch.migration.preflight.predict import Preflight, preflight
from pgwatch.migration.verify import read_migrations, verify
from pgwatch.targets.connect import open_session
from pgwatch.targets.describe import Explained
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.session import Answer
from pgwatch.targets.target import Target

ROUNDS = 7
TABLES, MIGRATED = 500, 60  # 500 tables with 1,500 indexes; five statements for each of 60
_BYTES = 4_000_000
_STATEMENTS = """\
CREATE TABLE IF NOT EXISTS t{n} (
    id bigint PRIMARY KEY, name varchar(100) NOT NULL DEFAULT 'none', price decimal(12,2), kind text
);
ALTER TABLE t{n} ADD CONSTRAINT chk_t{n} CHECK (kind IN ('a', 'b', 'c') AND price >= 0);
CREATE INDEX idx_t{n}_name ON t{n} (lower(name)) WHERE price > 0;
CREATE INDEX idx_t{n}_price ON t{n} (price DESC, kind);
CREATE VIEW v{n} AS
    SELECT id, upper(name) AS name, coalesce(price, 0) AS price FROM t{n} WHERE kind IN ('a', 'b');
"""
# What a release does to a table that is there, with rows: twelve statements for each of 500.
_RELEASE = """\
ALTER TABLE t{n} ADD COLUMN note text NOT NULL DEFAULT '';
ALTER TABLE t{n} ADD COLUMN owner bigint;
ALTER TABLE t{n} ADD CONSTRAINT t{n}_named CHECK (name <> '');
ALTER TABLE t{n} ALTER COLUMN kind SET NOT NULL;
ALTER TABLE t{n} ADD CONSTRAINT t{n}_priced CHECK (price < 1000000);
CREATE UNIQUE INDEX t{n}_kind ON t{n} (kind, id);
ALTER TABLE t{n} ADD CONSTRAINT t{n}_owner FOREIGN KEY (owner) REFERENCES t{n} (id);
CREATE TABLE t{n}_log (id bigint PRIMARY KEY, t bigint NOT NULL REFERENCES t{n}, said text);
CREATE INDEX t{n}_log_t ON t{n}_log (t);
CREATE VIEW w{n} AS SELECT id, owner, note FROM t{n} WHERE kind = 'a';
INSERT INTO t{n} (id, name, price, kind) VALUES (101, 'one', 5, 'a'), (102, 'two', 7, 'b');
UPDATE t{n} SET price = price * 2 WHERE kind = 'a';
"""


def measure(server: LocalServer) -> list[tuple[str, str, str]]:
    """Return rows (what, figures, ratio) for the table."""
    with tempfile.TemporaryDirectory() as folder:
        url = _database(server, "bench_migrations")
        migration, large = Path(folder) / "migration.sql", Path(folder) / "large.sql"
        migration.write_text("".join(_STATEMENTS.format(n=n) for n in range(MIGRATED)))
        large.write_text(_large())
        release = Path(folder) / "release.sql"
        release.write_text("".join(_RELEASE.format(n=n) for n in range(TABLES)))
        env = compiled(folder)
        gate = [*(sys.executable, "-m", "pgwatch", "check", "--once", "--format", "json")]
        only = [word for check in _CHECKS for word in ("--only", check)]
        medians = interleaved(
            {
                "verify": lambda: asyncio.run(_verified(url, migration)),
                "pgwatch": lambda: _run(env, *gate, *only, "--migrations", str(migration), url),
                "pg_dump": lambda: _run(env, str(server.bin / "pg_dump"), "-s", url),
            },
            rounds=ROUNDS,
        )
        sent, plans = asyncio.run(_verified(url, migration))
        began = time.process_time()
        statements = read_migrations([large]).statements
        read = time.process_time() - began
        tried, seconds, used = asyncio.run(_tried(url, release))
    ours, dump = medians["verify"], medians["pg_dump"]
    catalogue = sum("pg_catalog.pg_class" in text for text in sent)
    return [
        (
            f"300 statements verified, {TABLES} tables and {TABLES * 3} indexes, beside `pg_dump -s`",
            f"{ours * 1000:.0f} ms : {dump * 1000:.0f} ms",
            f"{ours / dump:.2f} of it (less than 1)",
        ),
        (
            "the same as a command, with the start of Python",
            f"{medians['pgwatch'] * 1000:.0f} ms : {dump * 1000:.0f} ms",
            f"{medians['pgwatch'] / dump:.2f} times",
        ),
        (
            "what that sends: reads of the catalogue, other statements, plans in batches of views",
            f"{catalogue} : {len(sent) - catalogue} : {plans}",
            "1 read, whatever the number of objects",
        ),
        (
            f"a migration of 4 MB, {statements:,} statements, read and netted",
            f"{read:.1f} s of CPU",
            f"{read / 5:.2f} of 5 s",
        ),
        (
            f"a preflight of {tried.statements:,} statements about {TABLES} tables with rows",
            f"{seconds:.1f} s, {used:.1f} of CPU; {tried.round_trips} round trips",
            f"{1000 * tried.round_trips / tried.statements:.0f} round trips for 1,000 statements",
        ),
    ]


_CHECKS = ("migration_structure", "migration_types", "migration_constraints")


def _large() -> str:
    """Return 4 MB of DDL whose functions and comments are as long as people's are."""
    body = "    -- what it does, and why\n    UPDATE t SET name = NEW.name WHERE id = NEW.id;\n" * 8
    parts = []
    size = number = 0
    while size < _BYTES:
        head = f"CREATE FUNCTION f{number}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
        function = f"{head}{body}    RETURN NEW;\nEND $$;\n"
        parts.append(_STATEMENTS.format(n=number) + function)
        size += len(parts[-1])
        number += 1
    return "".join(parts)


def _database(server: LocalServer, name: str) -> str:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = server.dsn(name)
    with psycopg.connect(url) as connection:
        for number in range(TABLES):
            connection.execute(_STATEMENTS.format(n=number))
            connection.execute(
                f"INSERT INTO t{number} SELECT i, 'n' || i, i, 'a' FROM generate_series(1, 20) AS i"
            )
    return url


async def _tried(url: str, migration: Path) -> tuple[Preflight, float, float]:
    """Predict what a release would meet; return that, the seconds and those of CPU."""
    session, _ = await open_session(Target(name="bench", dsn=Dsn.parse(url)), prepare=False)
    began, used = time.perf_counter(), time.process_time()
    try:
        found = await preflight(session, [migration])
    finally:
        await session.close()
    if found.predictions:
        raise SystemExit(f"bench: {found.predictions[0].reason}")
    return found, time.perf_counter() - began, time.process_time() - used


async def _verified(url: str, migration: Path) -> tuple[list[str], int]:
    """Verify once; return the statements that were sent, and how many plans were asked for together."""
    session, _ = await open_session(Target(name="bench", dsn=Dsn.parse(url)), prepare=False)
    sent: list[str] = []
    run = session.run

    plans = 0
    explain = session.explain

    async def noted(sql: str, *, limit: timedelta) -> Answer:
        sent.append(sql)
        return await run(sql, limit=limit)

    async def planned(statements: Sequence[str], *, limit: timedelta) -> list[Explained]:
        nonlocal plans
        plans += len(statements)
        return await explain(statements, limit=limit)

    try:
        with patch.object(session, "run", noted), patch.object(session, "explain", planned):
            found = await verify(session, read_migrations([migration]))
    finally:
        await session.close()
    if found.problems:
        raise SystemExit(f"bench: {found.problems[0].message}")
    return sent, plans


def _run(env: dict[str, str], *command: str) -> None:
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
