"""The declarations of a PL/pgSQL body, read from its text."""

from pgwatch.migration.liveness.body import created_in, type_expression
from pgwatch.migration.liveness.source import declarations, variable_conflict, with_plain_types
from pgwatch.migration.liveness.tree import split_assignment

BODY = """
#variable_conflict use_column
<<outer>>
DECLARE
    a CONSTANT numeric(12, 2) NOT NULL := 1; -- declare x int;
    "B" house.price%TYPE DEFAULT 'x;y';
    c house%ROWTYPE;
    d colour = 'red';
    e ALIAS FOR $1;
    f CURSOR (n int) FOR SELECT 1;
    g timestamp with time zone;
    h int[] := '{}';
BEGIN
    DECLARE a text; BEGIN a := 'begin'; END;
END
"""


def test_declarations_have_type_default_block_and_line() -> None:
    found = [(one.name, one.type, one.default, one.block, one.line) for one in declarations(BODY)]
    assert found == [
        ("a", "numeric(12, 2)", "1", 0, 5),
        ("B", "house.price%TYPE", "'x;y'", 0, 6),
        ("c", "house%ROWTYPE", "", 0, 7),
        ("d", "colour", "'red'", 0, 8),
        ("e", "", "", 0, 9),
        ("f", "", "", 0, 10),
        ("g", "timestamp with time zone", "", 0, 11),
        ("h", "int[]", "'{}'", 0, 12),
        ("a", "text", "", 1, 14),
    ]
    assert declarations(BODY)[4].alias == "$1"


def test_plain_types_keep_lines_and_everything_else() -> None:
    plain = with_plain_types(BODY, lambda one: "ROWTYPE" in one)
    assert plain.count("\n") == BODY.count("\n")
    assert "c record;" in plain
    assert "\"B\" text DEFAULT 'x;y';" in plain
    assert "h text[] := '{}';" in plain
    assert "f CURSOR (n int) FOR SELECT 1;" in plain


def test_what_a_body_says_of_itself() -> None:
    assert variable_conflict(BODY) == "use_column"
    assert variable_conflict("BEGIN END") == "error"
    assert type_expression("app.house.price%TYPE") == "(NULL::app.house).price"
    assert type_expression("house % ROWTYPE") == "NULL::house"
    assert type_expression("record") == ""
    assert split_assignment('a["x=y"] := b = c') == ('a["x=y"]', "b = c")
    assert split_assignment("a = 1") == ("a", "1")
    assert created_in(
        ["CREATE TEMP TABLE IF NOT EXISTS w AS", "EXECUTE 'create unlogged table s.u (a int)'"]
    ) == {"w", "u"}
