"""One problem for one cause."""

import pytest

from pgwatch.migration.compare import compare
from pgwatch.migration.gathered import gather
from pgwatch.migration.meant import meant_by
from pgwatch.migration.objects import Key, Kind, LiveObject, Value
from tests.unit.test_compare import declarations


def live(*tables: str) -> dict[Key, LiveObject]:
    values: dict[str, Value] = {"persistence": "permanent"}
    keys = [Key(Kind.TABLE, "public", name) for name in tables]
    return {key: LiveObject(key=key, values=values) for key in keys}


def told(*statements: str, there: tuple[str, ...] = ()) -> list[tuple[int, str, tuple[int, ...]]]:
    """Return (line, message, lines of what goes with it) of each problem; statements have a line each."""
    compared = compare(declarations(*statements), live(*there), {})
    problems = gather(compared.problems)
    return [(p.place.line, p.message, tuple(place.line for place in p.also)) for p in problems]


def test_what_is_wanted_of_a_missing_object_is_told_with_it() -> None:
    assert told(
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a",
        "CREATE INDEX i ON m (a)",
        "REFRESH MATERIALIZED VIEW m",
        "COMMENT ON MATERIALIZED VIEW m IS 'x'",
        "GRANT SELECT ON m TO PUBLIC",
    ) == [
        (1, "materialized view m: missing", (3, 4, 5)),
        (2, "index i: missing, as m is", ()),
    ]


def test_comment_on_a_column_goes_with_its_missing_table() -> None:
    found = told("CREATE TABLE t (a int)", "COMMENT ON COLUMN t.a IS 'x'")
    assert found == [(1, "table t: missing", (2,))]


def test_comment_on_what_no_statement_makes_is_told() -> None:
    [only] = told("COMMENT ON VIEW v IS 'x'")
    assert only[1].startswith("view v: a statement changes it, but it does not exist")


def test_grant_on_many_is_one_problem() -> None:
    names = [f"t{number}" for number in range(7)]
    made = [f"CREATE TABLE {name} ()" for name in names]
    granted = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO nobody"
    [only] = told(*made, granted, there=tuple(names))
    assert only[:2] == (
        8,
        "t0, t1, t2, t3, t4 and 2 more: privilege select of nobody declared granted, is none",
    )
    [one] = told(made[0], "GRANT SELECT ON t0 TO nobody", there=("t0",))
    assert one[1] == "t0: privilege select of nobody declared granted, is none"
    two = told(*made[:2], "GRANT SELECT ON t0 TO a", "GRANT SELECT ON t1 TO a", there=("t0", "t1"))
    assert [line for line, *_ in two] == [3, 4]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS é int, ADD CONSTRAINT IF NOT EXISTS c CHECK (a ~ 'é')",
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS é int, ADD CONSTRAINT c CHECK (a ~ 'é')",
        ),
        (
            "CREATE TYPE if not  exists e AS ENUM ('IF NOT EXISTS')",
            "CREATE TYPE e AS ENUM ('IF NOT EXISTS')",
        ),
        ("CREATE OR REPLACE POLICY p ON t", "CREATE POLICY p ON t"),
        ("CREATE POLICY p ON t USING", None),
        ("CREATE TYPE IF NOT EXISTS e AS ENUM ('a)", None),
    ],
)
def test_words_that_the_grammar_does_not_know_there_are_left_out(
    text: str, meant: str | None
) -> None:
    assert meant_by(text) == meant


def test_refused_statement_is_looked_for_all_the_same() -> None:
    sql = "ALTER TABLE there ADD CONSTRAINT IF NOT EXISTS c CHECK (id > 0)"
    [problem] = compare(declarations(sql), live("there"), {}).problems
    assert problem.message == "constraint there.c: missing"
    assert problem.place.refused == 'syntax error at or near "EXISTS"'
    assert problem.place.sql == "ALTER TABLE there ADD CONSTRAINT c CHECK (id > 0)"


def test_what_nothing_fails_for_comes_last() -> None:
    found = told(
        "COMMENT ON TABLE there IS 'x'",
        "ALTER TABLE there OWNER TO nobody",
        "GRANT SELECT ON there TO nobody",
        "CREATE VIEW v AS SELECT 1",
        there=("there",),
    )
    assert [line for line, *_ in found] == [4, 1, 2, 3]
