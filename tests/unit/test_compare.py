"""Declared beside live: what is told, under which heading, and what only the server can answer."""

from pathlib import Path

import pytest

from pgwatch.migration.catalogue import Row, live_objects
from pgwatch.migration.compare import Answer, Problem, compare
from pgwatch.migration.declared import declare
from pgwatch.migration.equivalence import statement_of
from pgwatch.migration.objects import Declarations
from pgwatch.migration.sqlfile import Statement

RELATION = {
    "relkind": "r",
    "persistence": "p",
    "replica_identity": "d",
    "row_security": False,
    "force_row_security": False,
    "options": [],
    "bound": None,
    "parent": None,
    "sequence": None,
    "populated": True,
    "comment": None,
}
COLUMN = {
    "default": None,
    "identity": "",
    "generated": "",
    "collation": None,
    "comment": None,
    "statistics": -1,
    "storage": "p",
}


def table(name: str = "t", **facts: object) -> Row:
    return ("relation", "public", "", name, None, {**RELATION, **facts})


def column(name: str, type_: str, number: int = 1, **facts: object) -> Row:
    return (
        "column",
        "public",
        "t",
        name,
        type_,
        {"number": number, "not_null": False, **COLUMN, **facts},
    )


def constraint(name: str, definition: str, *, validated: bool = True) -> Row:
    facts = {"validated": validated, "enforced": True, "comment": None}
    return ("constraint", "public", "t", name, definition, facts)


def declarations(*statements: str) -> Declarations:
    return declare(
        ("one", Statement(file=Path("one.sql"), line=line, text=text))
        for line, text in enumerate(statements, 1)
    )


def told(problems: tuple[Problem, ...]) -> list[str]:
    return [f"{p.place.line} {p.fault} {p.aspect} {p.message}" for p in problems]


@pytest.mark.parametrize(
    ("statements", "live", "expected"),
    [
        pytest.param(
            ["CREATE TABLE t (a varchar(320))"],
            [table(), column("a", "character varying(320)")],
            [],
            id="the same in the server's spelling",
        ),
        pytest.param(
            ["CREATE TABLE t (a int NOT NULL, b int)"],
            [table(), column("a", "integer")],
            [
                "1 different constraints t.a: nullable declared no, is yes",
                "1 missing structure column t.b: missing",
            ],
            id="not null, and a column that is missing",
        ),
        pytest.param(
            [
                "CREATE TABLE t (a int PRIMARY KEY)",
                "CREATE INDEX i ON t (a)",
                "COMMENT ON TABLE t IS 'x'",
            ],
            [],
            [
                "1 missing structure table t: missing",
                "2 missing constraints index i: missing, as t is",
                "3 missing structure comment on table t: comment declared, but the table does not exist",
            ],
            id="a table is missing once, not with each of its columns",
        ),
        pytest.param(
            ["CREATE TABLE t ()"],
            [table(relkind="S")],
            ["1 missing structure table t: missing; the name belongs to a sequence"],
            id="another kind of object has the name",
        ),
        pytest.param(
            [
                "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
                "ALTER TABLE t VALIDATE CONSTRAINT c",
            ],
            [
                table(),
                column("a", "integer"),
                constraint("c", "CHECK (a > 0) NOT VALID", validated=False),
            ],
            ["2 dead constraints t.c: is not validated: old rows may break it"],
            id="not validated, and which statement should have",
        ),
        pytest.param(
            ["CREATE TABLE t (a int UNIQUE)"],
            [table(), column("a", "integer"), constraint("another_name", "UNIQUE (a)")],
            [],
            id="a name nobody gave may be another",
        ),
        pytest.param(
            ["ALTER TABLE IF EXISTS t ADD a int", "DROP TABLE IF EXISTS u"],
            [],
            [],
            id="if exists",
        ),
        pytest.param(
            ["DROP TABLE t"],
            [table()],
            ["1 different structure table t: declared dropped, still exists"],
            id="a drop that failed",
        ),
        pytest.param(
            ["DO $$ BEGIN EXECUTE x; END $$", "CREATE TABLE t ()"],
            [],
            [
                "2 missing structure table t: missing",
                "1 unverifiable structure a statement cannot be verified:"
                " EXECUTE puts it together when it runs",
            ],
            id="what cannot be known comes last",
        ),
    ],
)
def test_what_is_told(statements: list[str], live: list[Row], expected: list[str]) -> None:
    comparison = compare(declarations(*statements), live_objects(live), {})
    assert told(comparison.problems) == expected
    assert not comparison.questions


def test_server_is_asked_where_texts_differ_and_its_answer_decides() -> None:
    wanted = declarations("ALTER TABLE t ADD CONSTRAINT c CHECK (a IN ('x', 'y'))")
    live = live_objects(
        [
            table(),
            column("a", "text"),
            constraint("c", "CHECK ((a = ANY (ARRAY['x'::text, 'y'::text])))"),
        ]
    )
    asked = compare(wanted, live, {})
    [question] = asked.questions
    assert asked.problems == ()
    assert statement_of([question]).count("VALUES (NULL::text), (NULL)") == 2

    def answered(same: bool | None, reason: str = "") -> list[str]:
        comparison = compare(wanted, live, {question: Answer(same=same, reason=reason)})
        assert not comparison.questions
        return told(comparison.problems)

    assert answered(True) == []
    [different] = answered(False)
    assert different.startswith(
        "1 different constraints t.c: expression declared a IN ('x', 'y'), is"
    )
    assert answered(None, "permission denied") == [
        "1 unverifiable constraints t.c: expression cannot be compared: permission denied"
    ]


def test_trigger_switched_on_by_hand_is_no_damage() -> None:
    statements = (
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE t DISABLE TRIGGER g",
    )
    definition = "CREATE TRIGGER g BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION f()"

    def problems(enabled: str, *wanted: str) -> list[str]:
        row: Row = (
            "trigger",
            "public",
            "t",
            "g",
            definition,
            {"enabled": enabled, "comment": None},
        )
        return told(compare(declarations(*wanted), live_objects([table(), row]), {}).problems)

    assert problems("O", *statements) == []
    assert problems("D", *statements) == []
    assert problems("D", statements[0]) == ["1 dead constraints t.g: is disabled"]


def test_name_that_was_nearly_meant_is_shown() -> None:
    row: Row = (
        "trigger",
        "public",
        "t",
        "trigger_validate_steps",
        "CREATE TRIGGER x BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION f()",
        {"enabled": "O", "comment": None},
    )
    wanted = declarations("ALTER TABLE t ENABLE TRIGGER trigger_validate_step")
    [one] = compare(wanted, live_objects([table(), row]), {}).problems
    assert one.message.endswith("it does not exist; trigger_validate_steps does")
