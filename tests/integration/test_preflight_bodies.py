"""What the bodies of triggers and called functions meet: for certain, or under a condition."""

from pathlib import Path

import psycopg

from pgwatch.migration.preflight.prediction import Prediction, Trouble
from tests.preflight import predicted


def found(dsn: str, tmp_path: Path, before: str, sql: str) -> list[Prediction]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(before.encode())
    file = tmp_path / "migration.sql"
    file.write_text(sql)
    return list(predicted(dsn, [file]).predictions)


def test_a_trigger_that_fails_under_a_condition_is_not_known(database: str, tmp_path: Path) -> None:
    before = """
    CREATE TABLE t (a int);
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.a > 5 THEN INSERT INTO missing VALUES (1); END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER noted BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noted();
    """
    [only] = found(database, tmp_path, before, "UPDATE t SET a = 1;\nINSERT INTO t VALUES (7);\n")
    assert (only.line, only.trouble) == (2, Trouble.UNVERIFIABLE)
    assert only.reason == (
        'trigger noted fails where NEW.a > 5: relation "missing" does not exist (SQLSTATE 42P01)'
    )


def test_a_trigger_with_a_condition_of_its_own_is_not_known(database: str, tmp_path: Path) -> None:
    before = """
    CREATE TABLE t (a int);
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.b := 1; RETURN NEW; END $$;
    CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.a > 5) EXECUTE FUNCTION f();
    """
    [only] = found(database, tmp_path, before, "INSERT INTO t VALUES (7);")
    assert only.trouble is Trouble.UNVERIFIABLE
    assert 'where new.a > 5: record "new" has no field "b"' in only.reason


def test_a_call_that_fails_behind_a_return_is_not_known(database: str, tmp_path: Path) -> None:
    before = """
    CREATE FUNCTION f(x int) RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        IF x > 3 THEN RETURN 0; END IF;
        DELETE FROM nowhere;
        RETURN 1;
    END $$;
    """
    told = found(database, tmp_path, before, "SELECT f(1);\nDO $$ BEGIN PERFORM f(5); END $$;\n")
    assert [one.trouble for one in told] == [Trouble.UNVERIFIABLE] * 2
    assert all("f() fails where it does not return before" in one.reason for one in told)


def test_what_a_body_asks_for_or_handles_is_no_trouble(database: str, tmp_path: Path) -> None:
    before = """
    CREATE FUNCTION asks() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM pg_tables WHERE tablename = 'opt') THEN DELETE FROM opt; END IF;
        RETURN 1;
    END $$;
    CREATE FUNCTION handles(x int) RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        IF x > 1 THEN DELETE FROM opt; END IF;
        RETURN 1;
    EXCEPTION WHEN undefined_table THEN
        RETURN (SELECT count(*) FROM opt2);
    END $$;
    """
    assert found(database, tmp_path, before, "SELECT asks();\nSELECT handles(2);\n") == []
