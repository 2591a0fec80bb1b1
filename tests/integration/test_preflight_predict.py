"""What is predicted of a migration is what then happens, statement by statement, on every version."""

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from pgwatch.demo import database as roofing
from pgwatch.demo.server import LocalServer
from pgwatch.migration.preflight.prediction import Prediction, Trouble
from pgwatch.migration.sqlfile import read_statements
from tests.conftest import create_database, drop_database
from tests.preflight import applied, compared, predicted, psql
from tests.preflight_cases import CASES
from tests.random_migrations import Generator

FIXTURES = Path(__file__).parent.parent / "fixtures"
FIVE = sorted((FIXTURES / "preflight").glob("[1-5]_*.sql"))
BASE, ROWS = FIXTURES / "preflight" / "base.sql", FIXTURES / "preflight" / "rows.sql"
PRISMA = sorted((FIXTURES / "migrations" / "prisma").rglob("*.sql"))
# A function that the migration calls puts its statements together when it runs.
CALLED = ("05_performance", 109)


@pytest.fixture
def fresh(any_server: LocalServer) -> Iterator[str]:
    name = create_database(any_server)
    yield any_server.dsn(name)
    drop_database(any_server, name)


def exact(dsn: str, files: Sequence[Path]) -> int:
    """Fail for what was not predicted, or wrongly; returns how many statements failed."""
    difference = compared(dsn, files)
    assert difference.missed == []
    assert difference.false == []
    assert difference.unverifiable == []
    return difference.failed


@pytest.mark.parametrize("file", FIVE, ids=lambda file: file.stem)
def test_prediction_is_what_happens_with_rows_and_half_applied(fresh: str, file: Path) -> None:
    assert applied(fresh, [BASE]) == {}
    assert applied(fresh, [ROWS]) == {}
    failed = exact(fresh, [file])
    assert failed > 15
    assert exact(fresh, [file]) > failed  # now half of it is there


@pytest.mark.parametrize("file", FIVE, ids=lambda file: file.stem)
@pytest.mark.parametrize("state", ["empty", "base"])
def test_prediction_is_what_happens_without_rows(database: str, file: Path, state: str) -> None:
    if state == "base":
        assert applied(database, [BASE]) == {}
    assert exact(database, [file]) > 15


@pytest.mark.parametrize("file", FIVE, ids=lambda file: file.stem)
def test_prediction_is_what_happens_after_a_migration_that_broke_off(
    database: str, file: Path, tmp_path: Path
) -> None:
    assert applied(database, [BASE, ROWS]) == {}
    statements = read_statements(file)
    done = random.Random(file.stem).randrange(len(statements))
    start = tmp_path / "start.sql"
    start.write_text("".join(f"{one.text};\n" for one in statements[:done]))
    applied(database, [start])
    assert exact(database, [file]) > 15


def test_demo_is_predicted_in_three_states(fresh: str) -> None:
    assert exact(fresh, roofing.MIGRATIONS) == 173
    with psycopg.connect(fresh, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    roofing.build(fresh)
    assert exact(fresh, roofing.MIGRATIONS) == 10
    assert exact(fresh, roofing.MIGRATIONS) == 67


def test_clean_migrations_raise_no_false_alarm(fresh: str) -> None:
    assert exact(fresh, PRISMA) == 0
    again = compared(fresh, PRISMA)
    assert (again.false, again.unverifiable) == ([], [])
    assert all(CALLED[0] in one and f", {CALLED[1]}," in one for one in again.missed)


@pytest.mark.parametrize("seed", range(5))
def test_random_statements_do_as_predicted(database: str, tmp_path: Path, seed: int) -> None:
    generator = Generator(seed + 100)
    _try(database, generator.base(0) + generator.statements(60))
    file = tmp_path / "random.sql"
    statements = _mostly_working(database, generator, random.Random(seed))
    file.write_text("".join(f"{one};\n" for one in statements))
    difference = compared(database, [file])
    assert (difference.missed, difference.false) == ([], [])


def _try(dsn: str, statements: list[str]) -> None:
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
        for one in statements:
            if one in ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s"):
                continue
            try:
                connection.execute(one.encode())
            except psycopg.Error:
                continue


def _mostly_working(dsn: str, generator: Generator, chance: random.Random) -> list[str]:
    """Return statements of which each could work on the database alone, and some that cannot."""
    chosen: list[str] = []
    with psycopg.connect(dsn, prepare_threshold=None) as connection:
        while len(chosen) < 40:
            one = generator.one()
            try:
                connection.execute(one.encode())
                works = True
            except psycopg.Error:
                works = False
            connection.rollback()
            if works or chance.random() < 0.3:
                chosen.append(one)
    return chosen


def found(dsn: str, tmp_path: Path, sql: str) -> list[Prediction]:
    file = tmp_path / "migration.sql"
    file.write_text(sql)
    return list(predicted(dsn, [file]).predictions)


def test_real_psql_agrees(database: str, tmp_path: Path) -> None:
    file = tmp_path / "migration.sql"
    file.write_text(
        "ALTER TABLE t ADD COLUMN a int;\nCREATE TABLE t (a int);\nBEGIN;\nSELECT b FROM t;\n"
        "CREATE INDEX ON t (a);\nCOMMIT;\nINSERT INTO t VALUES ('x');\n"
    )
    said = [(str(p.file), p.line, p.sqlstate) for p in predicted(database, [file]).predictions]
    assert said == psql(database, [file])
    assert [state for *_, state in said] == ["42P01", "42703", "25P02", "22P02"]


def test_target_that_holds_makes_a_failure_harmless(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int PRIMARY KEY, b text)")
        connection.execute("CREATE INDEX i ON t (b)")
    sql = (
        "CREATE TABLE t (a int, b text);\nCREATE TABLE t (a int, c text);\nCREATE INDEX i ON t (b);\n"
        "CREATE INDEX i ON t (a);\nALTER TABLE t ADD COLUMN b text;\nALTER TABLE t ADD COLUMN b int;\n"
        "DROP VIEW gone;\nALTER TABLE t ADD PRIMARY KEY (a);\n"
    )
    sql += (
        "CREATE VIEW v AS SELECT b FROM t;\nALTER TABLE t ALTER b TYPE text;\n"
        "ALTER TABLE t ALTER b TYPE varchar(9);\nALTER TABLE t ALTER b TYPE text, ADD COLUMN b text;\n"
        "ALTER TABLE t ADD COLUMN b text, ADD COLUMN d text;\n"
    )
    told = [(p.line, p.harmless) for p in found(database, tmp_path, sql)]
    expected = {1: True, 2: False, 3: True, 4: False, 5: True, 6: False, 7: True, 8: True}
    expected |= {10: True, 11: False, 12: True, 13: False}
    assert dict(told) == expected


def test_rows_in_the_way_are_shown_and_an_update_takes_them_out(
    database: str, tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, price int)")
        connection.execute("INSERT INTO t VALUES (1, 5), (2, -7)")
    rule = "ALTER TABLE t ADD CONSTRAINT price_ok CHECK (price > 0);"
    [only] = found(database, tmp_path, rule)
    assert (only.trouble, only.sqlstate) == (Trouble.VIOLATING_ROWS, "23514")
    assert only.examples == ("id 2: price = -7",)
    assert found(database, tmp_path, f"UPDATE t SET price = 1 WHERE price < 0;\n{rule}") == []
    assert found(database, tmp_path, f"DELETE FROM t WHERE price < 0;\n{rule}") == []
    [left] = found(database, tmp_path, f"UPDATE t SET price = 1 WHERE price < -9;\n{rule}")
    assert left.line == 2


def test_all_rules_of_one_statement_that_rows_break_are_told(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, a int, b int)")
        connection.execute("INSERT INTO t VALUES (1, -5, 1), (2, 1, -7)")
    sql = "ALTER TABLE t ADD CONSTRAINT a_ok CHECK (a > 0), ADD CONSTRAINT b_ok CHECK (b > 0);"
    [only] = found(database, tmp_path, sql)
    assert '"a_ok"' in only.reason
    assert '"b_ok"' in only.reason
    assert only.examples == ("id 1: a = -5", "id 2: b = -7")


@pytest.mark.parametrize("case", CASES)
def test_prediction_is_what_happens_in_short(database: str, tmp_path: Path, case: str) -> None:
    first, then, failing = CASES[case]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(first.encode())
    file = tmp_path / "migration.sql"
    file.write_text(re.sub(r"(?<!\\);", ";\n", then).replace("\\;", ";"))
    assert exact(database, [file]) == failing


def test_function_of_the_migration_is_asked_about_rows(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, email text)")
        connection.execute("INSERT INTO t VALUES (1, 'nobody')")
    function = (
        "CREATE FUNCTION ok(e text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
        " $$ BEGIN RETURN e LIKE '%@%'; END $$;\n"
    )
    [only] = found(database, tmp_path, f"{function}ALTER TABLE t ADD CHECK (ok(email));")
    assert (only.trouble, only.sqlstate, only.line) == (Trouble.VIOLATING_ROWS, "23514", 2)
    several = """CREATE FUNCTION ok(e text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
    DECLARE
        name text := split_part(e, '@', 1);
        host varchar(50);
    BEGIN
        IF e IS NULL OR e = '' THEN
            RETURN true;
        ELSIF length(e) > 320 THEN
            RETURN false;
        END IF;
        host := split_part(e, '@', 2);
        RAISE NOTICE 'looked at %%', e;
        IF name = 'root' THEN host := 'x'; END IF;
        RETURN host <> %s;
    END $$;
    """
    check = "ALTER TABLE t ADD CHECK (ok(email));"
    [only] = found(database, tmp_path, several % "''" + check)
    assert (only.trouble, only.sqlstate) == (Trouble.VIOLATING_ROWS, "23514")
    assert found(database, tmp_path, several % "'x'" + check) == []
    reads = function.replace("RETURN e", "PERFORM 1 FROM t; RETURN e")
    [untold] = found(database, tmp_path, f"{reads}ALTER TABLE t ADD CHECK (ok(email));")
    assert untold.trouble is Trouble.UNVERIFIABLE


def test_what_only_runs_can_tell_is_unverifiable(database: str, tmp_path: Path) -> None:
    sql = (
        "CREATE FUNCTION which() RETURNS text LANGUAGE sql AS $$ SELECT 'x'::text $$;\n"
        "DO $$ BEGIN EXECUTE 'DROP TABLE ' || which(); END $$;\n"
    )
    [only] = found(database, tmp_path, sql)
    assert (only.line, only.trouble) == (2, Trouble.UNVERIFIABLE)


def test_what_an_earlier_statement_may_have_made_is_not_said_to_be_missing(
    database: str, tmp_path: Path
) -> None:
    predictions = found(
        database,
        tmp_path,
        "CREATE FUNCTION install() RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
        " IF clock_timestamp() > '2020-01-01' THEN EXECUTE format('CREATE TABLE %I (id int)', 'made');"
        " END IF; END $$;\n"
        "BEGIN;\n"
        "SELECT install();\n"
        "CREATE VIEW v AS SELECT id FROM made;\n"
        "CREATE FUNCTION f() RETURNS SETOF made LANGUAGE sql AS 'SELECT * FROM made';\n"
        "CREATE TABLE own (id int);\n"
        "COMMIT;\n"
        "CREATE INDEX ON own (id);\n"
        "CREATE VIEW x AS SELECT id FROM absent;\n",
    )
    assert [(one.line, one.trouble) for one in predictions] == [
        (4, Trouble.UNVERIFIABLE),
        (5, Trouble.UNVERIFIABLE),
        (9, Trouble.WILL_FAIL),
    ]


def test_rows_are_not_asked_for_a_label_to_come(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('sad')")
        connection.execute("CREATE TABLE t (m mood, n int)")
        connection.execute("INSERT INTO t VALUES ('sad', 1)")
    predictions = found(
        database,
        tmp_path,
        "ALTER TYPE mood ADD VALUE 'ok';\n"
        "UPDATE t SET n = 0 WHERE m = 'ok';\n"
        "ALTER TABLE t ADD CHECK (m = 'sad' AND n > 0);\n",
    )
    assert [one.trouble for one in predictions if one.trouble is Trouble.WILL_FAIL] == []


def test_library_of_a_c_function_is_not_known(database: str, tmp_path: Path) -> None:
    [only] = found(
        database,
        tmp_path,
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE c AS '$libdir/absent', 'f';\n"
        "CREATE FUNCTION g(int) RETURNS int LANGUAGE internal AS 'int4abs';\n",
    )
    assert (only.trouble, only.line) == (Trouble.UNVERIFIABLE, 1)
    assert only.reason == "whether the server has the library $libdir/absent cannot be read"


def test_copy_that_fails_says_what_becomes_of_its_data(database: str, tmp_path: Path) -> None:
    sql = "COPY nowhere FROM stdin;\n1\tx\n\\.\nCREATE TABLE t (a int);\n"
    [only] = found(database, tmp_path, sql)
    assert (only.line, only.sqlstate) == (1, "42P01")
    assert "psql" in only.reason


def test_literal_beside_an_enum_of_the_migration_is_one_of_its_labels(
    database: str, tmp_path: Path
) -> None:
    sql = (
        "CREATE TYPE mood AS ENUM ('sad', 'ok');\nCREATE TABLE t (m mood, n int);\n"
        "SELECT coalesce(m, 'glum') FROM t;\nSELECT CASE n WHEN 1 THEN m ELSE 'glum' END FROM t;\n"
        "SELECT CASE n WHEN 1 THEN m ELSE 'ok' END FROM t WHERE coalesce(m, 'sad') = 'ok';\n"
        "SELECT n FROM t WHERE coalesce(m, 'sad') = 'glum';\n"
    )
    assert [(p.line, p.sqlstate) for p in found(database, tmp_path, sql)] == [
        (3, "22P02"),
        (4, "22P02"),
        (6, "22P02"),
    ]


def test_argument_fits_a_function_of_the_migration_as_in_a_call(
    database: str, tmp_path: Path
) -> None:
    sql = (
        "CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql AS 'SELECT x';\n"
        "SELECT f(1), f('2'), f(3::smallint);\nSELECT f(count(*)) FROM pg_class;\nSELECT f(now());\n"
    )
    assert [(p.line, p.sqlstate) for p in found(database, tmp_path, sql)] == [
        (3, "42883"),
        (4, "42883"),
    ]


def test_on_error_stop_ends_the_file(database: str, tmp_path: Path) -> None:
    sql = "\\set ON_ERROR_STOP on\nSELECT nope;\nSELECT nope;\n"
    assert [p.line for p in found(database, tmp_path, sql)] == [2]


def test_role_that_sees_no_rows_gets_unverifiable(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int, price int)")
        connection.execute("INSERT INTO t VALUES (1, -5)")
        connection.execute("DROP ROLE IF EXISTS preflight_weak")
        connection.execute("CREATE ROLE preflight_weak LOGIN PASSWORD 'weak'")
    weak = database.replace("postgres:postgres@", "preflight_weak:weak@")
    [only] = found(weak, tmp_path, "ALTER TABLE t ADD CHECK (price > 0);")
    assert (only.trouble, only.sqlstate) == (Trouble.UNVERIFIABLE, "")
    assert "permission denied" in only.reason
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP OWNED BY preflight_weak")
        connection.execute("DROP ROLE preflight_weak")


def test_healthy_bodies_fail_nothing(database: str, tmp_path: Path) -> None:
    """The grammar's library knows no user's types; loops over rows may only count; views may be replaced."""
    file = tmp_path / "healthy.sql"
    file.write_text(
        """CREATE TYPE stage AS ENUM ('lead', 'done');
        CREATE TYPE pair AS (a int, b stage);
        CREATE TABLE jobs (id int PRIMARY KEY, stage stage, at int);
        INSERT INTO jobs VALUES (1, 'lead', 1);
        UPDATE jobs SET at = 2;
        CREATE OR REPLACE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE was stage; at_ int; whole pair; these stage[];
        BEGIN
            SELECT stage, at INTO was, at_ FROM jobs WHERE id = OLD.id;
            whole.a := 1;
            RETURN NEW;
        END $$;
        CREATE OR REPLACE FUNCTION of(p stage, OUT one stage, OUT two int) LANGUAGE plpgsql AS
        'BEGIN SELECT stage, at INTO one, two FROM jobs WHERE stage = p; END';
        CREATE OR REPLACE TRIGGER watch BEFORE DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION watch();
        CREATE OR REPLACE VIEW summary AS SELECT table_name, constraint_type, is_deferrable, count(*)
        FROM information_schema.table_constraints GROUP BY 1, 2, 3;
        DO $$
        DECLARE one record; counted int := 0; was stage; at_ int;
        BEGIN
            SELECT stage, at INTO was, at_ FROM jobs LIMIT 1;
            FOR one IN SELECT id FROM jobs LOOP
                counted := counted + 1;
            END LOOP;
            RAISE NOTICE '% jobs', counted;
        END $$;
        """
    )
    assert exact(database, [file]) == 0
    again = tmp_path / "again.sql"
    again.write_text(file.read_text().partition("UPDATE jobs SET at = 2;")[2])
    assert exact(database, [again]) == 0


def test_triggers_and_functions_that_cannot_run_fail_what_calls_them(
    database: str, tmp_path: Path
) -> None:
    base = tmp_path / "base.sql"
    base.write_text(
        """CREATE TYPE state AS ENUM ('open', 'done');
        CREATE TABLE jobs (id int PRIMARY KEY, state state, title text);
        CREATE TABLE none (id int PRIMARY KEY, title text);
        INSERT INTO jobs VALUES (1, 'open', 'a'), (2, 'open', 'b');
        """
    )
    assert applied(database, [base]) == {}
    file = tmp_path / "triggers.sql"
    file.write_text(
        """CREATE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                IF OLD.state = 'gone' THEN RETURN NULL; END IF;
                RETURN OLD;
            END IF;
            NEW.search := lower(NEW.name);
            RETURN NEW;
        END $$;
        CREATE TRIGGER bad BEFORE INSERT OR UPDATE OF title OR DELETE ON jobs
            FOR EACH ROW EXECUTE FUNCTION bad();
        CREATE TRIGGER bad BEFORE UPDATE ON none FOR EACH ROW EXECUTE FUNCTION bad();
        DELETE FROM jobs WHERE id = 2;
        UPDATE jobs SET title = 'c';
        UPDATE jobs SET title = 'c' WHERE id = 1;
        UPDATE jobs SET title = 'c' WHERE id = 5;
        UPDATE jobs SET state = 'done';
        UPDATE none SET title = 'c';
        INSERT INTO jobs VALUES (3, 'open', 'c');
        ALTER TABLE jobs DISABLE TRIGGER bad;
        INSERT INTO jobs VALUES (3, 'open', 'c');
        ALTER TABLE jobs ENABLE TRIGGER ALL;
        ALTER TABLE jobs ADD COLUMN search text, ADD COLUMN name text;
        INSERT INTO jobs VALUES (4, 'open', 'c');
        CREATE FUNCTION inner_() RETURNS void LANGUAGE plpgsql AS 'BEGIN REFRESH MATERIALIZED VIEW gone; END';
        CREATE FUNCTION outer_(p int) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM inner_(); RETURN p; END';
        CREATE FUNCTION caught() RETURNS int LANGUAGE plpgsql AS
        'BEGIN PERFORM inner_(); RETURN 1; EXCEPTION WHEN undefined_table THEN RETURN 2; END';
        CREATE FUNCTION early(p int) RETURNS int LANGUAGE plpgsql AS
        'BEGIN IF p > 1 THEN RETURN 1; END IF; PERFORM inner_(); RETURN 2; END';
        SELECT outer_(1);
        SELECT caught();
        SELECT early(2);
        SELECT outer_(id) FROM none;
        DO 'BEGIN PERFORM outer_(2); END';
        """
    )
    difference = compared(database, [file])
    assert (difference.missed, difference.false, difference.failed) == ([], [], 6)
    # Whether the call returns before is known only when it runs.
    [doubt] = difference.unverifiable
    assert "early() fails where it does not return before: inner_()" in doubt
