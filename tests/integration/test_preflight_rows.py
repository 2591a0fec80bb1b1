"""Rows that would break a constraint to come are found on real servers, bounded and with examples."""

from datetime import timedelta
from functools import partial

import psycopg
import pytest

from pgwatch.migration.preflight import rows
from pgwatch.migration.preflight.rows import RowAnswer, RowQuestion, RowRule, violating_rows
from pgwatch.targets.session import RefusedError
from tests.watching import over_session

TABLES = """
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN tight AS varchar(8) CHECK (value <> 'nothing');
CREATE DOMAIN tighter AS tight;
CREATE FUNCTION is_valid_email(text) RETURNS boolean LANGUAGE sql IMMUTABLE
  AS $$ SELECT $1 ~ '^[^@]+@[^@]+$' $$;
CREATE TABLE users (
  id int PRIMARY KEY, email text, age numeric, name varchar(20), big bigint, code text, flags bit(4),
  state text, during int4range, k0 int
);
INSERT INTO users VALUES
  (1, 'a@b', 20, 'short', 1, '1', B'1010', 'glad', '[1,5)', 1),
  (2, 'none', -3, 'much too long', 3000000000, 'abc', B'1010', 'sorry', '[3,8)', 1),
  (3, NULL, 123456.7, 'trailing      ', 2, '99999999999', B'0000', NULL, '[9,10)', 2),
  (4, 'a@b', NULL, NULL, NULL, ' 7 ', NULL, 'sad', NULL, NULL);
CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b));
INSERT INTO pairs VALUES (1, 1), (1, 2);
CREATE TABLE uses ("a key" int, b int);
INSERT INTO uses VALUES (1, 1), (1, NULL), (7, 7), (NULL, NULL);
CREATE TABLE parent (x int);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (1), (NULL);
CREATE TABLE parted (x int, v text) PARTITION BY LIST (x);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
INSERT INTO parted VALUES (1, 'a'), (2, 'a'), (2, NULL);
"""


def ask(
    dsn: str, *questions: RowQuestion, limit: timedelta = timedelta(seconds=10)
) -> list[RowAnswer]:
    """Return the answers; raises the first refusal."""

    answers = over_session(
        dsn, lambda session: violating_rows(partial(session.run_all, limit=limit), questions)
    )
    for one in answers:
        if isinstance(one, RefusedError):
            raise one
    return [one for one in answers if isinstance(one, RowAnswer)]


def about(
    rule: RowRule,
    columns: str = "",
    expression: str = "",
    *,
    table: str = "users",
    sqlstate: str = "",
    references: tuple[str, str, tuple[str, ...]] | None = None,
    type_: str = "",
    nulls_not_distinct: bool = False,
    match_full: bool = False,
    keys: tuple[str, ...] = (),
    operators: tuple[str, ...] = (),
) -> RowQuestion:
    return RowQuestion(
        rule=rule,
        schema="public",
        table=table,
        columns=tuple(filter(None, columns.split(","))),
        expression=expression,
        sqlstate=sqlstate,
        references=references,
        type=type_,
        nulls_not_distinct=nulls_not_distinct,
        match_full=match_full,
        keys=keys,
        operators=operators,
    )


C, N, U, F, E, T = (
    RowRule.CHECK,
    RowRule.NOT_NULL,
    RowRule.UNIQUE,
    RowRule.FOREIGN_KEY,
    RowRule.EXCLUSION,
    RowRule.CAST,
)
PAIRS = ("public", "pairs", ("a", "b"))

# question, the same as a statement that the server must refuse with the SQLSTATE, count, examples
CASES = [
    (about(C, "age", "age > 0"), "ADD CHECK (age > 0)", "23514", 1, ["id 2: age = -3"]),
    (
        about(C, "email", "is_valid_email(users.email)"),
        "ADD CHECK (is_valid_email(users.email))",
        "23514",
        1,
        ["id 2: email = none"],
    ),
    (about(C, "", "age IS NULL OR id > 0"), "ADD CHECK (age IS NULL OR id > 0)", "", 0, []),
    (about(N, "email"), "ALTER email SET NOT NULL", "23502", 1, ["id 3: email = NULL"]),
    (
        about(N, "x", table="parent"),
        "ALTER x SET NOT NULL",
        "23502",
        1,
        ["ctid (0,2): x = NULL"],
    ),
    (about(U, "email"), "ADD UNIQUE (email)", "23505", 2, ["email = 'a@b' (2 rows)"]),
    (about(U, "k0"), "ADD UNIQUE (k0)", "23505", 2, ["k0 = 1 (2 rows)"]),
    (about(U, "x", table="parent"), "ADD UNIQUE (x)", "", 0, []),  # not the child's
    (about(U, "x,v", table="parted"), "ADD UNIQUE (x, v)", "", 0, []),
    (
        about(F, "a key,b", table="uses", references=PAIRS),
        'ADD FOREIGN KEY ("a key", b) REFERENCES pairs',
        "23503",
        1,
        ["ctid (0,3): a key = 7, b = 7"],
    ),
    (
        about(F, "a key,b", table="uses", references=("public", "pairs", ()), match_full=True),
        'ADD FOREIGN KEY ("a key", b) REFERENCES pairs MATCH FULL',
        "23503",
        2,
        ["ctid (0,2): a key = 1, b = NULL", "ctid (0,3): a key = 7, b = 7"],
    ),
    (
        about(E, keys=("during",), operators=("&&",)),
        "ADD EXCLUDE USING gist (during WITH &&)",
        "23P01",
        2,
        ["id 1: during = '[1,5)'", "id 2: during = '[3,8)'"],
    ),
    (
        about(E, keys=("during",), operators=("&&",), expression="id <> 2"),
        "ADD EXCLUDE USING gist (during WITH &&) WHERE (id <> 2)",
        "",
        0,
        [],
    ),
    (
        about(T, "name", type_="varchar(8)"),
        "ALTER name TYPE varchar(8)",
        "22001",
        1,
        ["id 2: name = 'much too long'"],
    ),
    (
        about(T, "name", "name::varchar(8)", type_="character varying(8)"),
        "ALTER name TYPE varchar(8) USING name::varchar(8)",
        "",
        0,
        [],
    ),
    (
        about(T, "name", "trim(name)::text", type_="varchar(8)"),
        "ALTER name TYPE varchar(8) USING trim(name)::text",
        "22001",
        1,
        ["id 2: name = 'much too long'"],
    ),
    (
        about(T, "name", type_="tighter"),
        "ALTER name TYPE tighter",
        "22001",
        1,
        ["id 2: name = 'much too long'"],
    ),
    (
        about(T, "flags", type_="bit(3)"),
        "ALTER flags TYPE bit(3)",
        "22026",
        3,
        ["id 1: flags = 1010", "id 2: flags = 1010", "id 3: flags = 0000"],
    ),
    (about(T, "big", type_="int"), "ALTER big TYPE int", "22003", 1, ["id 2: big = 3000000000"]),
    (
        about(T, "age", type_="numeric(6,2)"),
        "ALTER age TYPE numeric(6,2)",
        "22003",
        1,
        ["id 3: age = 123456.7"],
    ),
    (about(T, "age", type_="numeric(6,0)"), "ALTER age TYPE numeric(6,0)", "", 0, []),
    (
        about(T, "code", "code::integer", type_="integer"),
        "ALTER code TYPE integer USING code::integer",
        "22P02",  # the first row that cannot be read decides
        2,
        ["id 2: code = abc", "id 3: code = 99999999999"],
    ),
    (
        about(T, "state", "state::mood", type_="mood"),
        "ALTER state TYPE mood USING state::mood",
        "22P02",
        1,
        ["id 2: state = sorry"],
    ),
    (
        about(T, "email", "email::boolean", type_="boolean"),
        "ALTER email TYPE boolean USING email::boolean",
        "22P02",
        3,
        ["id 1: email = 'a@b'", "id 2: email = none", "id 4: email = 'a@b'"],
    ),
    (
        about(T, "email", "(email || '!')::uuid", type_="uuid"),
        "ALTER email TYPE uuid USING (email || '!')::uuid",
        "22P02",
        3,
        ["id 1: email = 'a@b'", "id 2: email = none", "id 4: email = 'a@b'"],
    ),
]


def refused(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> str:
    """Return the SQLSTATE with which the server refuses a statement, "" if it takes it; undone."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except psycopg.Error as error:
        return error.sqlstate or ""
    return ""


def test_rows_that_break_a_rule_are_those_the_server_refuses(any_database: str) -> None:
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(TABLES)
        told = []
        answers = ask(any_database, *(case[0] for case in CASES))
        for (question, action, *_), answer in zip(CASES, answers, strict=True):
            raised = refused(connection, f"ALTER TABLE {question.table} {action}")
            if question.rule is T:
                assert answer.sqlstate == raised, action
            told.append((action, raised, answer.count, list(answer.examples)))
            assert not answer.at_least
            assert not answer.sampled
        expected = [(action, state, count, list(ex)) for _, action, state, count, ex in CASES]
        assert told == expected


def test_nulls_not_distinct_predicates_and_expressions_of_unique_indexes(database: str) -> None:
    cases = [
        ("(age) WHERE id > 9", about(U, "age", "id > 9"), 0),
        ("(lower(email))", about(U, "", keys=("lower(email)",)), 2),
        ("(lower(email)) WHERE id <> 4", about(U, "", "id <> 4", keys=("lower(email)",)), 0),
        ("(state) NULLS NOT DISTINCT", about(U, "state", nulls_not_distinct=True), 2),
    ]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute("UPDATE users SET state = NULL WHERE id = 1")
        for (text, _, count), answer in zip(
            cases, ask(database, *(c[1] for c in cases)), strict=True
        ):
            raised = refused(connection, f"CREATE UNIQUE INDEX ON users {text}")
            assert (raised == "23505", answer.count) == (count > 0, count), text


def test_counting_stops_early_and_examples_stay_few(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT g, repeat('x', 500) AS v FROM generate_series(1, 5000) g"
        )
    [check, unique] = ask(database, about(C, "v", "g < 0", table="t"), about(U, "v", table="t"))
    assert (check.count, check.at_least, len(check.examples)) == (1000, True, 3)
    assert check.examples[0] == f"ctid (0,1): v = '{'x' * 59}…'"
    assert (unique.count, unique.at_least, len(unique.examples)) == (5000, False, 1)


def test_large_table_is_read_in_a_sample(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "EXACT_BYTES", 1024 * 1024)
    monkeypatch.setattr(rows, "SAMPLE_BYTES", 512 * 1024)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT g, g % 100 AS v FROM generate_series(1, 200000) g"
        )
    rules = (about(C, "g", "v < 99", table="t"), about(T, "g", type_="smallint", table="t"))
    check, cast = ask(database, *rules)
    assert check.sampled
    assert 0 < check.count < 1000  # a hundredth of 512 kB of 7 MB
    assert (cast.sampled, cast.sqlstate) == (True, "22003")
    assert ask(database, rules[0]) == [check]  # the same rows each time


def test_exact_look_that_takes_too_long_becomes_a_sample(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g")
    slow = about(C, "g", "pg_sleep(0.002) IS NULL OR g < 0", table="t")
    [answer] = ask(database, slow, limit=timedelta(seconds=1))
    assert answer.sampled


def test_what_cannot_be_looked_at_is_refused_not_passed(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
        for question, state in (
            (about(C, "", "1 / (id - 3) > 0"), "22012"),
            (about(C, "", "id > 0", table="absent"), "42P01"),
            (about(C, "", "nextval('s') > 0"), "42P01"),
        ):
            with pytest.raises(RefusedError) as caught:
                ask(database, question)
            assert caught.value.sqlstate == state
        connection.execute("CREATE SEQUENCE s")
        with pytest.raises(RefusedError) as caught:
            ask(database, about(C, "", "nextval('s') > 0"))
        assert caught.value.sqlstate == "25006"  # read only
        with connection.transaction():
            connection.execute("LOCK TABLE users")
            with pytest.raises(RefusedError) as caught:
                ask(database, about(C, "", "id > 0"))
        assert caught.value.sqlstate == "55P03"
