"""`pgwatch check --migrations`: what is declared and not there, with file, line and cure."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from pgwatch.demo import database as roofing
from tests.gate import Ran, gate, pgwatch
from tests.watching import sql

NAMES = ["migration_structure", "migration_types", "migration_constraints"]
MIGRATION = """
CREATE TABLE IF NOT EXISTS house (
    id int PRIMARY KEY,
    price numeric(12,2) CHECK (price >= 0)
);
CREATE INDEX house_price ON house (price);
CREATE VIEW prices AS SELECT id FROM house WHERE price IN (1, 2);
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "migrations" / "1_house").mkdir(parents=True)
    (tmp_path / "migrations" / "1_house" / "migration.sql").write_text(MIGRATION)
    return tmp_path


def verdicts(ran: Ran) -> dict[str, str]:
    return {name: ran.check(name)["verdict"] for name in NAMES}


def only_migrations(dsn: str, folder: Path, *more: str) -> Ran:
    return gate(dsn, "--only", "migration_*", "--migrations", "migrations", *more, cwd=folder)


def test_demo_is_stopped_at_the_line_and_told_the_cure(any_database: str, tmp_path: Path) -> None:
    roofing.build(any_database)
    roofing.apply_migrations(any_database, lambda _: None)
    named = [word for file in roofing.MIGRATIONS for word in ("--migrations", str(file))]
    ran = gate(any_database, "--only", "migration_*", *named, cwd=tmp_path)
    assert (ran.status, ran.report["verdict"]) == (1, "fail")
    assert set(verdicts(ran).values()) == {"fail"}
    [found] = ran.check("migration_types")["findings"]
    file = roofing.MIGRATIONS[2]
    assert found["summary"] == "workflow_steps.step_name: declared varchar(255), is text"
    assert found["fix"] == (
        "ALTER TABLE workflow_steps ALTER COLUMN step_name TYPE varchar(255);\n"
        "-- this would fail now: cannot alter type of a column used by a view or rule"
        " (workflow_status_view) (SQLSTATE 0A000)"
    )
    assert found["labels"] == {
        "migration": "20250812_data_type_standardization",
        "file": str(file),
        "line": "68",
        "kind": "column",
        "object": "workflow_steps.step_name",
        "problem": "different",
    }
    assert (
        file.read_text()
        .splitlines()[67]
        .startswith("ALTER TABLE workflow_steps ALTER COLUMN step_name")
    )
    fixes = {f["object"]: f["fix"] for f in ran.check("migration_constraints")["findings"]}
    assert fixes["idx_user_devices_token"] == "REINDEX INDEX CONCURRENTLY idx_user_devices_token;"
    # A statement about what never existed can only fail again.
    assert fixes["workflow_steps.trigger_validate_dependencies"] == ""
    gone, untold = ran.check("migration_structure")["findings"]
    assert (gone["labels"]["problem"], untold["labels"]["problem"]) == ("missing", "unverifiable")
    # The COMMENT on it is told with it, not once more.
    assert re.fullmatch(
        r"declared in .+:\d+; what :\d+ wants of it is not there either", gone["description"]
    )


def test_healthy_database_passes_and_a_missing_index_does_not(database: str, folder: Path) -> None:
    sql(database, MIGRATION)
    ran = only_migrations(database, folder)
    assert (ran.status, verdicts(ran)) == (0, dict.fromkeys(NAMES, "pass"))
    sql(database, "DROP INDEX house_price")
    ran = only_migrations(database, folder)
    assert ran.status == 1
    assert verdicts(ran) == {**dict.fromkeys(NAMES, "pass"), "migration_constraints": "fail"}
    [found] = ran.check("migration_constraints")["findings"]
    assert found["labels"]["file"] == "migrations/1_house/migration.sql"
    assert (found["labels"]["line"], found["fix"]) == (
        "6",
        "CREATE INDEX house_price ON house (price);",
    )
    ran = only_migrations(database, folder, "--phase", "types")
    assert [check["name"] for check in ran.report["checks"]] == ["migration_types"]


def test_configuration_names_migrations_and_accepts_findings(database: str, folder: Path) -> None:
    sql(database, MIGRATION)
    sql(database, "DROP INDEX house_price")
    (folder / "pgwatch.yml").write_text(
        f"targets: [{{name: app, dsn: '{database}'}}]\nmigrations: [migrations]\n"
    )
    assert "migration_types" in pgwatch("check", "--list", cwd=folder).out
    ran = pgwatch("check", "--once", "--json", "--only", "migration_*", cwd=folder)
    assert (ran.status, verdicts(ran)["migration_constraints"]) == (1, "fail")
    with (folder / "pgwatch.yml").open("a") as file:
        file.write("ignore: [{check: migration_constraints, labels: {object: house_price}}]\n")
    ran = pgwatch("check", "--once", "--json", "--only", "migration_*", cwd=folder)
    assert (ran.status, verdicts(ran)["migration_constraints"]) == (0, "pass")
    assert "1 accepted" in ran.check("migration_constraints")["reason"]


def test_what_could_not_be_told_is_unknown_and_no_pass(database: str, folder: Path) -> None:
    sql(database, MIGRATION)
    with (folder / "migrations" / "1_house" / "migration.sql").open("a") as file:
        file.write("CREATE TABEL garden ();\n")
    ran = only_migrations(database, folder)
    assert (ran.status, verdicts(ran)["migration_structure"]) == (3, "unknown")
    [found] = ran.check("migration_structure")["findings"]
    assert (found["labels"]["problem"], found["labels"]["line"]) == ("unverifiable", "8")

    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE house IN ACCESS EXCLUSIVE MODE")
        ran = only_migrations(database, folder)
    assert (ran.status, verdicts(ran)) == (3, dict.fromkeys(NAMES, "unknown"))
    assert "lock timeout" in ran.check("migration_types")["reason"]


def test_migration_that_is_not_there_is_a_mistake(database: str, tmp_path: Path) -> None:
    ran = gate(database, "--migrations", "nothing/*.sql", cwd=tmp_path)
    assert ran.status == 2
    assert "no migration file matches 'nothing/*.sql'" in ran.err
    ran = gate(database, "--only", "migration_types", cwd=tmp_path)
    assert ran.status == 2


BROKEN = """
CREATE TABLE house (id int PRIMARY KEY, price numeric(12,2));
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed := now();
    RETURN NEW;
END $$;
CREATE TRIGGER house_stamp BEFORE INSERT OR UPDATE ON house FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE FUNCTION tidy() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ANALYZE ' || 'house'; END $$;
"""


def test_trigger_that_cannot_run_is_told_with_its_line_and_sqlstate(
    database: str, folder: Path
) -> None:
    file = folder / "migrations" / "1_house" / "migration.sql"
    file.write_text(BROKEN)
    sql(database, BROKEN)
    ran = only_migrations(database, folder)
    check = ran.check("migration_liveness")
    assert (ran.status, check["verdict"], check["phase"]) == (1, "fail", "post")
    [found] = check["findings"]
    assert found["labels"] == {
        "migration": "1_house",
        "file": "migrations/1_house/migration.sql",
        "line": "3",
        "kind": "trigger",
        "object": "house.house_stamp",
        "problem": "dead",
        "sqlstate": "42703",
    }
    assert 'record "new" has no field "changed"' in found["summary"]
    assert "every INSERT and UPDATE on house fails" in found["summary"]
    assert "migration.sql:5" in found["description"]

    ran = only_migrations(database, folder, "--probe-writes")
    [found] = ran.check("migration_liveness")["findings"]
    assert found["object"] == "house.house_stamp"  # not told twice
    assert "rolled back" in ran.check("migration_liveness")["reason"]

    sql(database, "ALTER TABLE house ADD COLUMN changed timestamptz")
    ran = only_migrations(database, folder, "--probe-writes")
    check = ran.check("migration_liveness")
    assert (ran.status, check["verdict"], check["findings"]) == (0, "pass", [])
    assert "1 function with EXECUTE: what that runs is not judged" in check["reason"]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM house").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--probe-writes",),
            "--probe-writes: it belongs to migration_liveness: name --migrations",
        ),
        (("--backup", "/backups"), "--backup: it belongs to backup: name --phase pre"),
        (
            ("--runbook", "a.md", "--phase", "constraints"),
            "--runbook: it belongs to documentation_promises: name --phase post",
        ),
    ],
)
def test_option_of_a_check_that_is_left_out_is_refused(
    arguments: Sequence[str], message: str, database: str, tmp_path: Path
) -> None:
    ran = pgwatch("check", "--once", *arguments, database, cwd=tmp_path)
    assert ran.status == 2
    assert message in ran.err


def test_connection_that_breaks_in_the_middle_is_unknown(database: str, folder: Path) -> None:
    """The session is ended as soon as the server has seen the read of the catalogue."""
    sql(database, MIGRATION)
    ended = threading.Event()

    def end_sessions() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            while not ended.is_set():
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'pgwatch' AND query LIKE '%asked AS MATERIALIZED%'"
                    " AND datname = current_database()"
                )

    # So that the answer takes its time.
    with psycopg.connect(database, autocommit=True) as connection:
        for number in range(400):
            connection.execute(f"CREATE INDEX house_{number} ON house (price, id)")
    thread = threading.Thread(target=end_sessions)
    thread.start()
    try:
        ran = only_migrations(database, folder)
    finally:
        ended.set()
        thread.join()
    assert (ran.status, verdicts(ran)) == (3, dict.fromkeys(NAMES, "unknown"))
    reason = ran.check("migration_types")["reason"]
    assert "the catalogue could not be read" in reason
    assert "terminating connection" in reason


def test_role_that_may_not_read_the_tables_is_told_so(database: str, folder: Path) -> None:
    sql(database, MIGRATION)
    sql(database, "DROP ROLE IF EXISTS may_nothing; CREATE ROLE may_nothing LOGIN PASSWORD 'x'")
    try:
        dsn = database.replace("postgres:postgres@", "may_nothing:x@")
        ran = only_migrations(dsn, folder)
    finally:
        sql(database, "DROP ROLE may_nothing")
    assert (ran.status, verdicts(ran)) == (
        3,
        {**dict.fromkeys(NAMES, "pass"), "migration_structure": "unknown"},
    )
    [found] = ran.check("migration_structure")["findings"]
    assert "permission denied for" in found["summary"]
    sql(database, "DROP VIEW prices")


def test_empty_migrations_are_no_pass(database: str, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- nothing\n")
    ran = gate(database, "--migrations", "a.sql", "--only", "migration_*", cwd=tmp_path)
    assert {(one["verdict"], one["reason"]) for one in ran.report["checks"]} == {
        ("skipped", "the migrations have no statement")
    }
    assert ran.report["verdict"] == "skipped"
