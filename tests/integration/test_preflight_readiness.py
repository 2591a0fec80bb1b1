"""Whether a migration could run at all: judged on real servers, for a role that may little."""

import asyncio
import hashlib
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from pgwatch.check.extra import ExtraCheck, Visit
from pgwatch.check.migration_locks import LockChecks
from pgwatch.check.migration_readiness import ReadinessChecks
from pgwatch.check.verdict import CheckResult, Verdict
from pgwatch.collect.poll import poll_once
from pgwatch.migration.preflight.readiness import (
    HEADROOM_BYTES,
    FreeDisk,
    Readiness,
    Topic,
    readiness,
)
from pgwatch.migration.preflight.steps import read_files
from pgwatch.targets.connect import open_session
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.target import Target

PLENTY = FreeDisk(bytes=10**12, reason="at /data")
ROLE = "preflight_role"


def judged(dsn: str, *paths: Path, disk: FreeDisk = PLENTY) -> Readiness:
    [found] = judged_each(dsn, paths, disk=disk)
    return found


def judged_each(dsn: str, *migrations: Sequence[Path], disk: FreeDisk = PLENTY) -> list[Readiness]:
    """Judge each of the migrations for itself, over one session."""

    async def run() -> list[Readiness]:
        session, info = await open_session(Target(name="t", dsn=Dsn.parse(dsn)))
        try:
            return [
                await readiness(session, info, read_files(paths), paths, disk)
                for paths in migrations
            ]
        finally:
            await session.close()

    return asyncio.run(run())


def files_of(tmp_path: Path, statements: Iterable[str]) -> list[list[Path]]:
    """One file for each statement."""
    files = []
    for number, statement in enumerate(statements):
        file = tmp_path / f"{number}.sql"
        file.write_text(f"{statement};\n")
        files.append([file])
    return files


def migration(tmp_path: Path, sql: str, name: str = "20250812_x") -> Path:
    folder = tmp_path / "migrations" / name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "migration.sql"
    file.write_text(sql)
    return file


@pytest.fixture
def as_role(any_database: str) -> str:
    """The DSN of a role without any privilege, in a database where others own things."""
    with psycopg.connect(any_database, autocommit=True) as connection:
        for statement in (
            f"DROP ROLE IF EXISTS {ROLE}",
            f"CREATE ROLE {ROLE} LOGIN PASSWORD 'x'",
            "REVOKE CREATE ON SCHEMA public FROM public",
            "CREATE TABLE users (id int PRIMARY KEY, email text)",
            "CREATE TABLE notes (id int)",
            "CREATE INDEX notes_id ON notes (id)",
            f"GRANT INSERT, TRIGGER ON notes TO {ROLE}",
            "CREATE TYPE mood AS ENUM ('glad')",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE VIEW v AS SELECT 1 AS a",
            "CREATE SCHEMA app",
        ):
            connection.execute(statement.encode())
    return str(Dsn.parse(any_database).conninfo(user=ROLE, password="x"))


# Each statement is refused to the role with 42501, or not; the same stands in the obstacles.
STATEMENTS = [
    "ALTER TABLE users ADD a int",
    "ALTER TABLE public.users ADD b int",
    "CREATE INDEX ON users (email)",
    "DROP TABLE users",
    "DROP INDEX notes_id",
    "COMMENT ON TABLE users IS 'x'",
    "COMMENT ON COLUMN users.id IS 'x'",
    "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE TABLE fresh (a int)",
    "CREATE TABLE app.fresh (a int)",
    "CREATE VIEW v2 AS SELECT 1 AS a",
    "CREATE OR REPLACE VIEW v AS SELECT 1 AS a",
    "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "CREATE TYPE colour AS ENUM ('red')",
    "ALTER TYPE mood ADD VALUE 'sad'",
    "CREATE SEQUENCE s",
    "CREATE SCHEMA other",
    "CREATE EXTENSION pg_stat_statements",
    "CREATE EXTENSION pg_trgm",
    "INSERT INTO users (id) VALUES (1)",
    "INSERT INTO notes (id) VALUES (1)",
    "UPDATE users SET id = 1",
    "DELETE FROM users",
    "TRUNCATE users",
    "ALTER SYSTEM SET work_mem = '4MB'",
    "CREATE TEMP TABLE mine (a int)",
    "DROP FUNCTION f()",
    "DROP TYPE mood",
    "CREATE POLICY p ON users",
    "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a",
]


def test_privileges_are_lacking_where_the_server_says_so(as_role: str, tmp_path: Path) -> None:
    wrong = []
    each = judged_each(as_role, *files_of(tmp_path, STATEMENTS))
    with psycopg.connect(as_role, autocommit=True) as connection:
        for statement, found in zip(STATEMENTS, each, strict=True):
            refused = False
            try:
                with connection.transaction(
                    force_rollback=not statement.startswith("ALTER SYSTEM")
                ):
                    connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                refused = True
            except psycopg.errors.ActiveSqlTransaction:
                refused = True  # ALTER SYSTEM, which is looked at before the privilege
            told = [one for one in found.obstacles if one.topic is Topic.PRIVILEGE]
            if bool(told) != refused:
                wrong.append((statement, refused, told))
    assert not wrong, wrong


def test_cures_cure_and_superusers_lack_nothing(
    any_database: str, as_role: str, tmp_path: Path
) -> None:
    file = migration(
        tmp_path,
        "CREATE TABLE fresh (a int REFERENCES users);\nALTER TABLE users ADD a int;\n"
        "ALTER TABLE users ADD b int;\nDELETE FROM notes;\nCREATE SCHEMA more;\n"
        "CREATE TABLE more.t (a int);\n",
    )
    assert judged(any_database, file).obstacles == ()
    found = judged(as_role, file).obstacles
    assert [(one.object, one.place.line if one.place else 0) for one in found] == [
        ("public.users", 2),
        ("public", 1),
        ("public.notes", 4),
        (psycopg.conninfo.conninfo_to_dict(as_role)["dbname"], 5),
    ]
    assert found[0].message == (
        f"role {ROLE} cannot run it: relation public.users belongs to postgres (and 1 more need it)"
    )
    with psycopg.connect(any_database, autocommit=True) as connection:
        for one in found:
            cure = one.cure.partition("GRANT")
            connection.execute((cure[1] + cure[2]).encode())
    try:
        assert judged(as_role, file).obstacles == ()
    finally:
        with psycopg.connect(any_database, autocommit=True) as connection:
            connection.execute(f"REVOKE postgres FROM {ROLE}".encode())


def test_syntax_that_is_too_new_is_told_as_the_server_would(
    any_database: str, tmp_path: Path
) -> None:
    cases = {
        "CREATE UNIQUE INDEX ON t (a) NULLS NOT DISTINCT": 15,
        "MERGE INTO t USING t AS s ON s.a = t.a WHEN MATCHED THEN DO NOTHING": 15,
        "CREATE TABLE s (a text STORAGE EXTERNAL)": 16,
        "SELECT '1' IS JSON": 16,
        "ALTER TABLE t ALTER b SET EXPRESSION AS (a + 2)": 17,
        "GRANT MAINTAIN ON t TO CURRENT_USER": 17,
        "SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a int PATH '$')) AS j": 17,
        "ALTER TABLE t ADD CONSTRAINT n NOT NULL a": 18,
        "ALTER TABLE t ADD CHECK (a > 0) NOT ENFORCED": 18,
        "ALTER TABLE t ADD c int GENERATED ALWAYS AS (a) VIRTUAL": 18,
        "ALTER TABLE t ADD CHECK (a > 0) NOT VALID": 12,
        "CREATE TABLE s (a int NOT NULL PRIMARY KEY, CHECK (a > 0))": 12,
        "CREATE OR REPLACE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tf()": 14,
    }
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a + 1) STORED)")
        connection.execute(
            "CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
        )
        server = connection.info.server_version // 10000
        each = judged_each(any_database, *files_of(tmp_path, cases))
        for (statement, version), found in zip(cases.items(), each, strict=True):
            refused = False
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(statement.encode())
            except psycopg.Error:
                refused = True
            assert refused == (version > server), statement
            assert [one.topic for one in found.obstacles] == [Topic.VERSION] * refused, statement


def test_disk_is_short_enough_or_not_known(database: str, tmp_path: Path) -> None:
    file = migration(tmp_path, "SELECT 1;\n")
    short = FreeDisk(bytes=HEADROOM_BYTES - 1, reason="at /data")
    [one] = judged(database, file, disk=short).obstacles
    assert one.message == "10.0 GB are free (at /data), wanted are 10.0 GB of headroom"
    assert one.known
    [one] = judged(database, file, disk=FreeDisk(bytes=None, reason="why", cure="cure")).obstacles
    assert (one.known, one.cure) == (False, "cure")
    assert judged(database, file, disk=FreeDisk(bytes=HEADROOM_BYTES, reason="")).obstacles == ()


PRISMA = """
CREATE TABLE _prisma_migrations (id text PRIMARY KEY, checksum text, finished_at timestamptz,
  migration_name text, logs text, rolled_back_at timestamptz, started_at timestamptz DEFAULT now(),
  applied_steps_count int DEFAULT 0)
"""


def prisma_row(
    name: str, checksum: str, *, finished: bool = True, rolled_back: bool = False
) -> str:
    done = "now()" if finished else "NULL"
    back = "now()" if rolled_back else "NULL"
    return (
        "INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, rolled_back_at,"
        f" started_at) SELECT gen_random_uuid()::text, '{checksum}', {done}, '{name}', {back},"
        " clock_timestamp()"
    )


def test_prismas_table_is_held_against_the_folder(any_database: str, tmp_path: Path) -> None:
    first = migration(tmp_path, "SELECT 1;\n", "20250101_first")
    changed = migration(tmp_path, "SELECT 2;\n", "20250102_changed")
    migration(tmp_path, "SELECT 3;\n", "20250103_forgotten")
    again = migration(tmp_path, "SELECT 4;\n", "20250104_again")
    migration(tmp_path, "SELECT 6;\n", "20250812_another_of_that_day")
    coming = migration(tmp_path, "SELECT 5;\n", "20250812_coming")
    good = hashlib.sha256(first.read_bytes()).hexdigest()
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(PRISMA)
        for statement in (
            prisma_row("20240101_older_than_the_folder", "x"),
            prisma_row("20250101_first", good),
            prisma_row("20250104_again", "x", finished=False, rolled_back=True),
            prisma_row("20250104_again", hashlib.sha256(again.read_bytes()).hexdigest()),
        ):
            connection.execute(statement.encode())
        healthy = judged(any_database, coming)
        assert [one.message for one in healthy.obstacles] == [
            "20250102_changed, 20250103_forgotten in the same folder: earlier, and not applied, says"
            " public._prisma_migrations"
        ]
        assert "public._prisma_migrations: 3 applied, the last is 20250104_again" in healthy.notes
        for statement in (
            prisma_row("20250102_changed", good),
            prisma_row("20250103_forgotten", "x", finished=False),
            prisma_row("20250105_lost", "x"),
        ):
            connection.execute(statement.encode())
    found = [one.message for one in judged(any_database, coming).obstacles]
    assert found == [
        "public._prisma_migrations: 20250103_forgotten was begun and never finished: it failed, or is"
        " half-applied",
        "20250102_changed is not as when applied: the checksum in public._prisma_migrations differs",
        "public._prisma_migrations says that 20250105_lost is applied, of which there is no folder",
        "20250103_forgotten in the same folder: earlier, and not applied, says public._prisma_migrations",
    ]
    recorded = [one.message for one in judged(any_database, changed).obstacles]
    assert "public._prisma_migrations says that 20250102_changed is applied already" in recorded


def test_other_tools_tables(any_database: str, tmp_path: Path) -> None:
    file = tmp_path / "V2__more.sql"
    file.write_text("SELECT 1;\n")
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version text,"
            " description text, type text, script text, checksum int, success boolean)"
        )
        connection.execute(
            "INSERT INTO flyway_schema_history VALUES (1, '1', '', 'SQL', 'V1__a.sql', 1, true),"
            " (2, NULL, '', 'SQL', 'R__b.sql', 1, true)"
        )
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('ab12')")
        connection.execute(
            "CREATE TABLE django_migrations (id int, app text, name text, applied date)"
        )
        connection.execute(
            "INSERT INTO django_migrations VALUES (1, 'auth', '0001_initial', now())"
        )
        healthy = judged(any_database, file)
        assert healthy.obstacles == ()
        assert healthy.notes[1:] == (
            "public.alembic_version is at ab12",
            "public.django_migrations: 1 applied, the last is auth.0001_initial",
            "public.flyway_schema_history is at version 1",
        )
        connection.execute(
            "INSERT INTO flyway_schema_history VALUES (3, '2', '', 'SQL', 'V2__more.sql', 1, true),"
            " (4, '3', '', 'SQL', 'V3__bad.sql', 1, false)"
        )
        connection.execute("INSERT INTO alembic_version VALUES ('cd34')")
    assert [one.message for one in judged(any_database, file).obstacles] == [
        "public.alembic_version has 2 heads: ab12, cd34",
        "public.flyway_schema_history: V3__bad.sql failed",
        "public.flyway_schema_history says that V2__more is applied already",
    ]


def test_table_that_may_not_be_read_is_not_known(
    as_role: str, tmp_path: Path, any_database: str
) -> None:
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(PRISMA)
    [one] = judged(as_role, migration(tmp_path, "SELECT 1;\n")).obstacles
    assert (one.known, one.topic) == (False, Topic.SCHEMA_VERSION)
    assert one.cure == f'GRANT SELECT ON "public"."_prisma_migrations" TO "{ROLE}";'


def test_server_that_went_away_leaves_all_checks_unknown(tmp_path: Path) -> None:
    file = migration(tmp_path, "SELECT 1;\n")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        port = unused.getsockname()[1]
        target = Target(name="t", dsn=Dsn.parse(f"postgresql://a@127.0.0.1:{port}/b"))
        statements = read_files([file])
        rooms: list[ExtraCheck] = [
            ReadinessChecks(statements=statements, paths=[file]),
            LockChecks(statements=statements),
        ]

        async def run() -> list[CheckResult]:
            polled = await poll_once(target, [], deadline=timedelta(seconds=5))
            visit = Visit(
                target=target,
                polled=polled,
                limit=timedelta(seconds=5),
                now=datetime.now(UTC),
                say=lambda _: None,
            )
            return [result for room in rooms for result in await room.run(visit)]

        results = asyncio.run(run())
    assert [one.verdict for one in results] == [Verdict.UNKNOWN] * 3
    assert all(one.reason.startswith("no session: ") for one in results)
