"""The net effect of migrations: what counts in the end, whatever was said on the way."""

from pathlib import Path

import pytest

from pgwatch.migration.blocks import parse_block
from pgwatch.migration.declared import declare
from pgwatch.migration.figure import output_names
from pgwatch.migration.objects import Declarations, Declared
from pgwatch.migration.parse import identifier, parse_statements, renamed_column
from pgwatch.migration.sqlfile import read_statements


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "one.sql"


def declared(file: Path, sql: str) -> Declarations:
    file.write_text(sql)
    return declare(("one", statement) for statement in read_statements(file))


def objects(file: Path, sql: str) -> dict[str, Declared]:
    return {f"{o.key.kind} {o.key}": o for o in declared(file, sql).objects}


def value(found: Declared, facet: str) -> str:
    return str(found.facets[facet].value)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TABLE t (a int); DROP TABLE t;", ["-table t"]),
        ("CREATE TABLE t (a int); CREATE INDEX i ON t (a); DROP TABLE t;", ["-table t"]),
        ("DROP TABLE IF EXISTS t; CREATE TABLE t ();", ["table t"]),
        (
            "CREATE TABLE t (a int, b int); ALTER TABLE t DROP a;",
            ["table t", "column t.b", "-column t.a"],
        ),
        (
            "CREATE TABLE t (a int CHECK (a > 0)); ALTER TABLE t DROP a;",
            ["table t", "-column t.a"],
        ),
        ("CREATE TABLE t (a int); ALTER TABLE t RENAME TO u;", ["column u.a", "table u"]),
        ("CREATE TABLE t (a int); ALTER TABLE t RENAME a TO b;", ["table t", "column t.b"]),
        ("CREATE TABLE t (); ALTER TABLE t SET SCHEMA s;", ["table s.t"]),
        ("CREATE VIEW v AS SELECT 1; CREATE TABLE t (); DROP VIEW v;", ["table t", "-view v"]),
        (
            "CREATE TABLE t (); CREATE VIEW v AS SELECT FROM t; DROP TABLE t CASCADE;",
            ["-table t"],
        ),
        ("BEGIN; CREATE TABLE t (); ROLLBACK; CREATE TABLE u ();", ["table u"]),
        ("BEGIN; SAVEPOINT a; CREATE TABLE t (); ROLLBACK TO a; COMMIT;", []),
        ("SET search_path TO app; CREATE TABLE t ();", ["table app.t"]),
        ("CREATE TEMP TABLE t (); CREATE TEMP VIEW v AS SELECT 1;", []),
        (
            "CREATE FUNCTION f(a int, OUT b text) AS 'x' LANGUAGE sql; DROP FUNCTION f(integer);",
            ["-function f(int4)"],
        ),
        (
            "CREATE FUNCTION f(varchar(3)) RETURNS int AS 'x' LANGUAGE sql; DROP FUNCTION f;",
            ["-function f(varchar)"],
        ),
        (
            "CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f(); DROP TRIGGER g ON t;",
            ["-trigger t.g"],
        ),
        ("CREATE TYPE e AS ENUM ('a'); ALTER TYPE e RENAME TO f;", ["type f"]),
    ],
)
def test_later_statement_counts(file: Path, sql: str, expected: list[str]) -> None:
    found = [f"{'-' * o.gone}{o.key.kind} {o.key}" for o in declared(file, sql).objects]
    assert found == expected


def test_facet_has_the_line_of_the_statement_that_said_it_last(file: Path) -> None:
    found = objects(
        file,
        "CREATE TABLE t (a int, b int);\nALTER TABLE t ALTER a TYPE bigint;\n"
        "ALTER TABLE t ALTER a SET DEFAULT 3, ALTER b SET NOT NULL;\n",
    )
    column = found["column t.a"]
    assert {name: facet.place.line for name, facet in column.facets.items()} == {
        "nullable": 1,
        "default": 3,
        "type": 2,
    }
    assert (value(column, "type"), value(column, "default")) == ("int8", "3")
    assert value(found["column t.b"], "nullable") == "no"


def test_second_definition_is_the_one_that_was_wanted(file: Path) -> None:
    found = objects(file, "CREATE TABLE t (a int);\nCREATE TABLE IF NOT EXISTS t (a text, b int);")
    assert found["table t"].place.line == 1
    assert (value(found["column t.a"], "type"), found["column t.a"].facets["type"].place.line) == (
        "text",
        2,
    )
    assert found["column t.b"].place.line == 2


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        ("a int PRIMARY KEY", "t_pkey"),
        ("a int UNIQUE", "t_a_key"),
        ("a int REFERENCES o", "t_a_fkey"),
        ("a int CHECK (a > 0)", "t_a_check"),
        ("a int, b int, CHECK (a > b)", "t_check"),
        ("a int, b int, UNIQUE (a, b)", "t_a_b_key"),
        ("a int, b int, FOREIGN KEY (a, b) REFERENCES o", "t_a_b_fkey"),
        ("a int, EXCLUDE (a WITH =)", "t_a_excl"),
        (f"{'c' * 60} int UNIQUE", f"t_{'c' * 57}_key"),
    ],
)
def test_constraint_without_a_name_gets_the_servers(file: Path, definition: str, name: str) -> None:
    found = objects(file, f"CREATE TABLE t ({definition});")
    constraint = next(o for o in found.values() if o.key.kind == "constraint")
    assert constraint.key.name == name
    assert constraint.derived


def test_second_check_of_a_column_gets_a_number(file: Path) -> None:
    found = objects(file, "CREATE TABLE t (a int CHECK (a > 0) CHECK (a < 9));")
    assert {"constraint t.t_a_check", "constraint t.t_a_check1"} < set(found)


def test_enum_has_its_values_in_the_order_of_all_changes(file: Path) -> None:
    found = objects(
        file,
        "CREATE TYPE e AS ENUM ('a', 'c'); ALTER TYPE e ADD VALUE 'b' BEFORE 'c';"
        "ALTER TYPE e ADD VALUE 'd'; ALTER TYPE e RENAME VALUE 'a' TO 'A'; ALTER TYPE old ADD VALUE 'x';",
    )
    assert found["type e"].facets["values"].value == ("A", "b", "c", "d")
    assert value(found["type old"], "value 'x'") == "yes"


@pytest.mark.parametrize(
    ("sql", "line", "reason"),
    [
        ("CREATE TABEL t ();", 1, "syntax error"),
        ("SELECT 1;\nDO $$\nBEGIN\n  EXECUTE 'CREATE TABLE ' || x;\nEND $$;", 4, "EXECUTE"),
        (
            "DO $$ BEGIN IF now() > '2020-01-01' THEN CREATE TABLE t (); END IF; END $$;",
            1,
            "only if",
        ),
        ("DO LANGUAGE plperl 'x';", 1, "plperl"),
        ("CREATE RULE r AS ON INSERT TO t DO NOTHING;", 1, "not compared"),
        ("SELECT " + "1+" * 20_000 + "1;", 1, "too deeply"),
    ],
)
def test_what_cannot_be_known_is_said(file: Path, sql: str, line: int, reason: str) -> None:
    [one] = declared(file, f"{sql}\nCREATE TABLE fine ();").unverifiable
    assert one.place.line == line
    assert reason in one.reason
    assert "table fine" in objects(file, f"{sql}\nCREATE TABLE fine ();")


def test_block_is_read_where_its_targets_exist_in_either_case(file: Path) -> None:
    found = declared(
        file,
        "DO $$\nBEGIN\n  IF NOT EXISTS (SELECT 1) THEN\n    CREATE TYPE e AS ENUM ('a;b');\n  END IF;\n"
        "  EXECUTE 'CREATE TABLE t ()';\n  EXECUTE format('DELETE FROM %I', 'x');\n"
        "  BEGIN\n    ALTER TABLE u ADD c int;\n  EXCEPTION WHEN duplicate_column THEN\n"
        "    CREATE TABLE handled ();\n  END;\nEND\n$$;",
    )
    assert [(str(o.key), o.place.line) for o in found.objects] == [("e", 4), ("t", 6), ("u.c", 9)]
    assert found.unverifiable == ()


def test_rows_and_session_leave_nothing_to_look_for(file: Path) -> None:
    found = declared(
        file, "INSERT INTO t VALUES (1); ANALYZE; SET x.y = 1; UPDATE t SET a = 1; SELECT 1;"
    )
    assert (found.objects, found.unverifiable, found.without_object) == ((), (), 5)


def test_trigger_function_is_read_despite_the_librarys_defect() -> None:
    body = "BEGIN UPDATE t SET a = NEW.a; RETURN NEW; END"
    sql = f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    assert [one.text for one in parse_block(sql)] == ["UPDATE t SET a = NEW.a"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("SELECT a, t.b, f(c), 1", ("a", "b", "f", "?column?")),
        ("SELECT count(*), a::text, 1::int, '2'::varchar(3)", ("count", "a", "int4", "varchar")),
        ("SELECT CASE WHEN a THEN 1 END, CASE WHEN a THEN 1 ELSE b END", ("case", "b")),
        (
            "SELECT EXISTS (SELECT 1), ARRAY(SELECT 1), (SELECT x FROM t), ARRAY[1]",
            ("exists", "array", "x", "array"),
        ),
        ("SELECT coalesce(a, b), nullif(a, b), greatest(a, b)", ("coalesce", "nullif", "greatest")),
        (
            "SELECT current_date, current_timestamp, current_user",
            ("current_date", "current_timestamp", "current_user"),
        ),
        ("SELECT a COLLATE x, (r).f, y[1], trim(a)", ("a", "f", "y", "btrim")),
        ("SELECT a AS b UNION SELECT c", ("b",)),
        ("VALUES (1, 2)", ("column1", "column2")),
        ("SELECT a, t.* FROM t", None),
    ],
)
def test_columns_are_named_as_the_server_names_them(
    query: str, names: tuple[str, ...] | None
) -> None:
    [(_, view)] = parse_statements(f"CREATE VIEW v AS {query}")
    assert output_names(view.query) == names


def test_block_that_asks_for_something_that_is_there_says_under_which_condition() -> None:
    there = "EXISTS (SELECT 1 FROM pg_extension)"
    [one] = parse_block(f"DO $$ BEGIN IF {there} THEN CREATE VIEW v AS SELECT 1; END IF; END $$")
    assert (one.opaque, one.condition) == ("", there)
    [one] = parse_block(
        f"DO $$ BEGIN IF NOT {there} THEN CREATE VIEW v AS SELECT 1; END IF; END $$"
    )
    assert (one.opaque, one.condition) == ("", "")


def test_dollar_quoted_execute_is_read() -> None:
    [one] = parse_block("DO $x$ BEGIN EXECUTE $q$CREATE TABLE t (a text DEFAULT 'b')$q$; END $x$")
    assert (one.text, one.opaque) == ("CREATE TABLE t (a text DEFAULT 'b')", "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("status", "status"), ("User", '"User"'), ("user", '"user"'), ('a"b', '"a""b"')],
)
def test_identifier_is_quoted_where_sql_needs_it(name: str, expected: str) -> None:
    assert identifier(name) == expected


def test_renaming_a_column_leaves_literals_types_and_functions_alone() -> None:
    sql = "name <> 'name' AND name(x)::name = \"name\""
    assert renamed_column(sql, "name", "Full Name") == (
        '"Full Name" <> \'name\' AND name(x)::name = "Full Name"'
    )
