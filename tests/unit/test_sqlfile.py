"""A file is read as psql reads it: where statements begin and end, and what is no SQL at all."""

from pathlib import Path

import pytest

from pgwatch.errors import InputError
from pgwatch.migration.folder import find_migrations, migration_name
from pgwatch.migration.sqlfile import Statement, read_statements


def read(folder: Path, text: str) -> list[Statement]:
    file = folder / "migration.sql"
    file.write_text(text)
    return read_statements(file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"], id="no last semicolon"),
        pytest.param(
            "SELECT ';', E'\\';', \"a;\"\"b\";", ["SELECT ';', E'\\';', \"a;\"\"b\""], id="quotes"
        ),
        pytest.param(
            "SELECT 'back\\'; SELECT 2;", ["SELECT 'back\\'", "SELECT 2"], id="plain backslash"
        ),
        pytest.param("DO $x$ a; $$ b; $x$; S", ["DO $x$ a; $$ b; $x$", "S"], id="dollar quotes"),
        pytest.param("SELECT a$b$; SELECT 2;", ["SELECT a$b$", "SELECT 2"], id="dollar in a name"),
        pytest.param(
            "A -- x;\n; B /* ; /* ; */ ; */;", ["A -- x;", "B /* ; /* ; */ ; */"], id="comments"
        ),
        pytest.param("-- only a comment\n/* and one more; */", [], id="nothing but comments"),
        pytest.param(
            "CREATE RULE r DO (A; B); C;", ["CREATE RULE r DO (A; B)", "C"], id="parentheses"
        ),
        pytest.param(
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; END; S;",
            [
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; END",
                "S",
            ],
            id="begin atomic",
        ),
        pytest.param(
            "BEGIN; SELECT 1; END; S", ["BEGIN", "SELECT 1", "END", "S"], id="transaction"
        ),
        pytest.param(
            "COPY t FROM stdin;\n1;\t'\n\\.\nS;", ["COPY t FROM stdin", "S"], id="copy data"
        ),
        pytest.param("\\echo it's; fine\nS;", ["S"], id="meta-command"),
        pytest.param("SELECT 1 \\gset\nS;", ["SELECT 1", "S"], id="gset ends a statement"),
        pytest.param("S \\; T;", ["S", "T"], id="two in one message"),
        pytest.param("S;\n\\q\nT;", ["S"], id="quit"),
        pytest.param("﻿S;", ["S"], id="byte order mark"),
        pytest.param("SELECT 'open", ["SELECT 'open"], id="unterminated"),
    ],
)
def test_statements_are_told_apart(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert [one.text for one in read(tmp_path, text)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("\\set t users\nA :t;", "A users", id="plain"),
        pytest.param("\\set t 'it''s'\nA :'t' :\"t\";", "A 'it''s' \"it's\"", id="quoted"),
        pytest.param("\\set a x\n\\set b :a y\nA :b;", "A xy", id="of another"),
        pytest.param(
            "A :unknown, a::text, b[1:2];", "A :unknown, a::text, b[1:2]", id="none of ours"
        ),
        pytest.param("\\set t users\n\\unset t\nA :t;", "A :t", id="unset"),
        pytest.param("\\set t users\nA ':t' $$:t$$;", "A ':t' $$:t$$", id="not inside quotes"),
    ],
)
def test_variables_are_filled_in(tmp_path: Path, text: str, expected: str) -> None:
    assert [one.text for one in read(tmp_path, text)] == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\if true\nA;\n\\else\nB;\n\\endif\nC;", ["A", "C"]),
        ("\\if off\nA;\n\\elif 1\nB;\n\\else\nC;\n\\endif", ["B"]),
        ("\\if no\n\\if yes\nA;\n\\endif\n\\else\nB;\n\\endif", ["B"]),
        ("\\set x 1\n\\if :{?x}\nA;\n\\endif", ["A"]),
    ],
)
def test_branches_of_psql(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert [one.text for one in read(tmp_path, text)] == expected


def test_lines_are_those_of_the_first_token(tmp_path: Path) -> None:
    text = "-- head\n\nA;  /* b\n*/ B\n;\n\\set x 'a'\n\nC :x\n;\nCOPY t FROM stdin;\n1\n2\n\\.\nD;"
    assert [one.line for one in read(tmp_path, text)] == [3, 4, 8, 10, 14]


def test_what_only_the_server_knows_is_said(tmp_path: Path) -> None:
    executed, branch, missing = read(
        tmp_path, "SELECT 'DROP TABLE t' \\gexec\n\\if :x\nA;\n\\endif\n\\ir nowhere.sql\n"
    )
    assert (executed.line, executed.text) == (1, "SELECT 'DROP TABLE t'")
    assert "gexec" in executed.opaque
    assert (branch.line, missing.line) == (2, 5)
    assert "not there" in missing.opaque


def test_included_file_has_its_own_lines_and_shares_variables(tmp_path: Path) -> None:
    (tmp_path / "part.sql").write_text("\n\nA :t;\n")
    first, second = read(tmp_path, "\\set t users\n\\ir part.sql\nB;")
    assert (first.file.name, first.line, first.text) == ("part.sql", 3, "A users")
    assert (second.file.name, second.line) == ("migration.sql", 3)


def test_file_that_includes_itself_ends(tmp_path: Path) -> None:
    [one] = read(tmp_path, "\\ir migration.sql\n")
    assert "include each other" in one.opaque


def test_folders_are_read_in_the_order_of_their_tool(tmp_path: Path) -> None:
    for name in ("prisma/2_b", "prisma/10_a", "prisma/1_c"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "migration.sql").touch()
    (tmp_path / "flyway").mkdir()
    for name in (
        "R__views.sql",
        "V10__c.sql",
        "V1.2__b.sql",
        "V1.10__x.sql",
        "U10__c.sql",
        "V1__a.sql",
    ):
        (tmp_path / "flyway" / name).touch()
    (tmp_path / "plain").mkdir()
    for name in ("010_b.up.sql", "010_b.down.sql", "9_a.up.sql"):
        (tmp_path / "plain" / name).touch()

    def names(*patterns: str) -> list[str]:
        found = find_migrations([str(tmp_path / p) for p in patterns], named_in="test")
        return [migration_name(path) for path in found]

    assert names("prisma") == ["1_c", "2_b", "10_a"]
    assert names("prisma/*/migration.sql") == ["1_c", "2_b", "10_a"]
    assert names("flyway") == ["V1__a", "V1.2__b", "V1.10__x", "V10__c", "R__views"]
    assert names("plain") == ["9_a.up", "010_b.up"]
    # A list keeps its order, and names nothing twice.
    assert names("prisma/2_b/migration.sql", "prisma") == ["2_b", "1_c", "10_a"]


def test_pattern_without_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no migration file matches") as caught:
        find_migrations([str(tmp_path / "a*.sql"), str(tmp_path / "b.sql")], named_in="pgwatch.yml")
    assert [problem.file for problem in caught.value.problems] == ["pgwatch.yml"] * 2
