"""What migrations declare is found in a real database, or what is wrong with it is told."""

import asyncio
import re
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from pgwatch.demo import database as roofing
from pgwatch.demo.server import LocalServer
from pgwatch.migration.compare import Fault
from pgwatch.migration.liveness.judge import judge_liveness
from pgwatch.migration.verify import Verification, read_migrations, verify
from pgwatch.targets.connect import open_session
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.session import Answer, RefusedError
from pgwatch.targets.target import Target
from tests.conftest import create_database, drop_database
from tests.watching import over_session

FIXTURES = Path(__file__).parent.parent / "fixtures" / "migrations"
CLASSES = sorted((FIXTURES / "classes").glob("*.sql"))
QUIET = ("09", "10", "14", "15")  # failure classes in which psql says nothing at all
FAILED = r":(\d+): ERROR:\s+(\w+)"  # with VERBOSITY=sqlstate
DEMO_FINDINGS = [  # as psql said, without the statement whose column was there already
    "different data_type_standardization:68 workflow_steps.step_name",
    "dead data_type_standardization:100 users.chk_users_email_format",
    "missing data_type_standardization:111 projects.chk_projects_budget_positive",
    "missing constraints_and_validations:63 projects.chk_projects_budget_positive",
    "missing constraints_and_validations:103 workflow_steps.trigger_validate_dependencies",
    "dead performance_optimization:34 idx_user_devices_token",
    "dead performance_optimization:143 workflow_performance_metrics",
    "missing performance_optimization:278 query_performance_stats",
    "missing performance_optimization:283 query_performance_stats",
    "unverifiable performance_optimization:188 None",
]


def psql(dsn: str, *files: Path, options: Sequence[str] = ()) -> str:
    """Apply files as the guide does, and return what psql complained about; its status is 0 all the same."""
    named = (word for file in files for word in ("-f", file))
    command = ["psql", "-X", "-q", "-d", dsn, *options, *named]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def verified(dsn: str, files: Sequence[Path]) -> Verification:
    return over_session(dsn, lambda session: verify(session, read_migrations(files)))


def placed(verification: Verification) -> list[str]:
    return [
        f"{p.fault} {p.place.migration.removeprefix('20250812_')}:{p.place.line} {p.key}"
        for p in verification.problems
    ]


def test_demo_migrations_give_exactly_what_failed(any_database: str) -> None:
    roofing.build(any_database)
    roofing.apply_migrations(any_database, lambda _: None)
    found = verified(any_database, roofing.MIGRATIONS)
    assert placed(found) == DEMO_FINDINGS
    assert found.problems[0].message == "workflow_steps.step_name: declared varchar(255), is text"

    roofing.fix_damage(any_database)
    cure = roofing.SQL / "cure.sql"
    assert placed(verified(any_database, [*roofing.MIGRATIONS, cure])) == [
        "unverifiable performance_optimization:188 None",
    ]
    # Without the cure among the migrations, what it replaced is not what they say.
    assert placed(verified(any_database, roofing.MIGRATIONS)) == [
        "missing constraints_and_validations:103 workflow_steps.trigger_validate_dependencies",
        "different constraints_and_validations:206 validate_calendar_event()",
        "unverifiable performance_optimization:188 None",
        "unverifiable performance_optimization:278 query_performance_stats",
    ]


def test_healthy_database_has_no_finding_in_whatever_spelling(any_database: str) -> None:
    assert "ERROR" not in psql(any_database, FIXTURES / "before.sql", FIXTURES / "healthy.sql")
    found = verified(any_database, [FIXTURES / "healthy.sql"])
    assert [p.message for p in found.problems] == []
    assert found.objects > 120


def test_each_damage_is_told_and_nothing_else(any_database: str) -> None:
    files = [FIXTURES / name for name in ("before.sql", "healthy.sql", "damaged.sql")]
    assert "ERROR" not in psql(any_database, *files)
    expected = {
        line.rsplit("-- ", 1)[1]
        for line in files[2].read_text().splitlines()[1:]
        if "; -- " in line
    }
    found = verified(any_database, [FIXTURES / "healthy.sql"])
    told = {f"{p.fault} {p.aspect} {p.kind} {p.key}" for p in found.problems}
    assert sorted(told - expected) == []
    assert not expected - told, sorted(expected - told)


_CALLS = """CREATE TABLE t (id int PRIMARY KEY);
CREATE FUNCTION add_keys() RETURNS void LANGUAGE sql AS 'ALTER TABLE t ADD CHECK (id > 0); SELECT 1';
SELECT add_keys();
CREATE FUNCTION install(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  PERFORM 1 FROM pg_class WHERE relname = 'made';
  IF NOT FOUND THEN CREATE TABLE made (id int); END IF;
  CREATE TEMP TABLE helper (id int);
  RETURN install(n);
END $$;
SELECT install(1);
CREATE FUNCTION dynamic(x text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
  EXECUTE 'CREATE TABLE ' || x || ' (id int)'; END $$;
SELECT dynamic('one');
SELECT dynamic('two');
CREATE FUNCTION counted() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ANALYZE ' || 't'; END $$;
SELECT counted();
CREATE FUNCTION never() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE never (id int); END $$;
"""


def test_what_a_called_function_makes_is_verified(database: str, tmp_path: Path) -> None:
    file = tmp_path / "calls.sql"
    file.write_text(_CALLS)
    untold = "unverifiable calls:13 None"
    assert placed(verified(database, [file])) == [
        "missing calls:1 t",
        "missing calls:2 add_keys()",
        "missing calls:3 t.t_id_check",
        "missing calls:4 install(int4)",
        "missing calls:10 made",
        "missing calls:11 dynamic(text)",
        "missing calls:15 counted()",
        "missing calls:17 never()",
        untold,
    ]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_CALLS.replace("RETURN install(n)", "RETURN n").encode())
        file.write_text(_CALLS.replace("RETURN install(n)", "RETURN n"))
        assert placed(verified(database, [file])) == [untold]


_ROLES = """CREATE ROLE verify_readers NOLOGIN;
CREATE USER verify_app WITH PASSWORD 'x' NOINHERIT CONNECTION LIMIT 5 IN ROLE verify_readers;
CREATE ROLE verify_old SUPERUSER CREATEDB;
ALTER ROLE verify_old NOSUPERUSER BYPASSRLS;
ALTER ROLE verify_old RENAME TO verify_admin;
COMMENT ON ROLE verify_admin IS 'the administrators';
GRANT verify_admin TO verify_app WITH ADMIN OPTION;
REVOKE ADMIN OPTION FOR verify_admin FROM verify_app;
ALTER ROLE verify_admin SET search_path TO app, "Other", public;
ALTER ROLE verify_admin SET statement_timeout = 3000;
ALTER ROLE verify_admin SET work_mem TO DEFAULT;
CREATE ROLE verify_gone;
DROP ROLE verify_gone;
"""
_ROLES_DAMAGED = {
    "ALTER ROLE verify_readers LOGIN": "different 1 verify_readers",
    "ALTER ROLE verify_app CONNECTION LIMIT 9": "different 2 verify_app",
    "ALTER ROLE verify_admin SUPERUSER": "different 4 verify_admin",
    "ALTER ROLE verify_admin NOBYPASSRLS": "different 4 verify_admin",
    "REVOKE verify_admin FROM verify_app": "different 7 verify_app",
    "ALTER ROLE verify_admin SET search_path TO public": "different 9 verify_admin",
    "CREATE ROLE verify_gone": "different 13 verify_gone",
    "DROP ROLE verify_readers": "missing 1 verify_readers",
}


def test_roles_are_compared(any_database: str, tmp_path: Path) -> None:
    file = tmp_path / "roles.sql"
    file.write_text(_ROLES)

    def told() -> set[str]:
        return {
            f"{p.fault} {p.place.line} {p.key}" for p in verified(any_database, [file]).problems
        }

    drops = "DROP ROLE IF EXISTS verify_app, verify_readers, verify_admin, verify_old, verify_gone"
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(drops)
        try:
            assert "ERROR" not in psql(any_database, file)
            assert told() == set()
            for damage, expected in _ROLES_DAMAGED.items():
                connection.execute(damage.encode())
                assert expected in told(), damage
        finally:
            connection.execute(drops)


def sections(file: Path) -> dict[str, str]:
    """The parts of a fixture: what was there before, the migration, a runbook, and a healthy migration.

    A comment behind a statement tells what is to be found at its line: with which `!SQLSTATE` it fails,
    and findings as `problem heading kind object`, of which `liveness` is a heading, too.
    """
    parts = re.split(
        r"^-- (before|migration|runbook|healthy)\n", file.read_text(), flags=re.MULTILINE
    )
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def expectations(migration: str) -> list[str]:
    """Return what the comments say, each with its line in front."""
    return [
        f"{number} {one}"
        for number, line in enumerate(migration.splitlines(), 1)
        if " -- " in line
        for one in line.split(" -- ")[1].split("; ")
    ]


def lifeless(dsn: str, file: Path) -> list[str]:
    found = over_session(dsn, lambda session: judge_liveness(session, read_migrations([file]))).dead
    return [f"{one.place.line} {one.fault} liveness {one.key.kind} {one.key}" for one in found]


def test_each_failure_class_has_its_fixture() -> None:
    assert [int(file.stem[:2]) for file in CLASSES] == list(range(1, 18))


@pytest.mark.parametrize("file", CLASSES, ids=lambda f: f.stem)
def test_failure_class_is_told_at_its_line_and_its_healthy_twin_is_not(
    any_server: LocalServer, file: Path, tmp_path: Path
) -> None:
    parts = sections(file)
    for kind, text in parts.items():
        (tmp_path / kind).write_text(text)

    def told(kind: str) -> list[str]:
        name = create_database(any_server)
        try:
            dsn = any_server.dsn(name)
            psql(dsn, tmp_path / "before")
            said = psql(dsn, tmp_path / kind, options=["-v", "VERBOSITY=sqlstate"])
            failed = [f"{line} !{state}" for line, state in re.findall(FAILED, said)]
            assert bool(failed) == (kind == "migration" and file.stem[:2] not in QUIET), said
            found = verified(dsn, [tmp_path / kind]).problems
            problems = [f"{p.place.line} {p.fault} {p.aspect} {p.kind} {p.key}" for p in found]
            return sorted([*failed, *problems, *lifeless(dsn, tmp_path / kind)])
        finally:
            drop_database(any_server, name)

    assert told("migration") == sorted(expectations(parts["migration"]))
    assert told("healthy") == []


def test_role_without_privileges_is_told_what_it_could_not_see(any_database: str) -> None:
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int CHECK (a BETWEEN 1 AND 2))")
        connection.execute("CREATE VIEW v AS SELECT a FROM t WHERE a IN (1, 2)")
        connection.execute("DROP ROLE IF EXISTS nobody_special")
        connection.execute("CREATE ROLE nobody_special LOGIN PASSWORD 'x'")
    migration = FIXTURES / "views.sql"
    dsn = str(Dsn.parse(any_database).conninfo(user="nobody_special", password="x"))
    try:
        [one] = verified(dsn, [migration]).problems
    finally:
        with psycopg.connect(any_database, autocommit=True) as connection:
            connection.execute("DROP ROLE nobody_special")
    assert (one.fault, str(one.key)) == (Fault.UNVERIFIABLE, "v")
    assert "permission denied for" in one.message


def test_locked_table_is_not_waited_for(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int CHECK (a BETWEEN 1 AND 2))")
        connection.execute("CREATE VIEW v AS SELECT a FROM t WHERE a IN (1, 2)")
    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(RefusedError, match="lock timeout"):
            verified(database, [FIXTURES / "views.sql"])


def test_catalogue_is_read_once_whatever_the_number_of_objects(
    database: str, tmp_path: Path
) -> None:
    sql = "".join(
        f"CREATE TABLE t{n} (id int PRIMARY KEY, a varchar(10) CHECK (a IN ('x', 'y')));\n"
        f"CREATE INDEX i{n} ON t{n} (lower(a));\n"
        for n in range(150)
    )
    file = tmp_path / "many.sql"
    file.write_text(sql)
    psql(database, file)

    async def statements() -> list[str]:
        session, _ = await open_session(Target(name="t", dsn=Dsn.parse(database)))
        sent: list[str] = []
        run = session.run

        async def counted(text: str, **limits: timedelta) -> Answer:
            sent.append(text)
            return await run(text, **limits)

        session.run = counted  # type: ignore[method-assign,assignment]
        try:
            found = await verify(session, read_migrations([file]))
        finally:
            await session.close()
        assert found.problems == ()
        return sent

    sent = asyncio.run(statements())
    assert sum("pg_catalog.pg_class" in text for text in sent) == 1
    assert len(sent) < 10
