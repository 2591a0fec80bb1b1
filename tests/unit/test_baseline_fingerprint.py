"""What identifies a statement, and that no constant of it is kept."""

import pytest

from pgwatch.baseline.fingerprint import identify, is_compared

SAME = [
    ("SELECT * FROM t WHERE a = $1", "select  *\nfrom t where a=$1"),
    ("SELECT * FROM t WHERE a IN ($1, $2, $3)", "SELECT * FROM t WHERE a IN ($1 /*, ... */)"),
    ("SELECT 1 -- one", "SELECT 2 /* two */"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spelling_and_constants_do_not_matter(one: str, other: str) -> None:
    assert identify(one)[0] == identify(other)[0]


def test_another_table_is_another_statement() -> None:
    assert identify("SELECT * FROM t")[0] != identify("SELECT * FROM u")[0]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM users WHERE token = 'hunter2'",
        "SELECT $$hunter2$$, E'hunter2', U&'hunter2', interval 'hunter2'",
        "CALL login('hunter2')",
        "SELECT 1 /* password=hunter2 */",
        "SELECT 1 -- hunter2",
        "SELEC 'hunter2' FRM",  # nobody can read it
        "SELECT 'hunter2",
        "SELECT 1 FROM t WHERE a LIKE '%hunter2%' LIMIT 5",
        "WITH a AS (SELECT 'hunter2') INSERT INTO b VALUES ('hunter2') RETURNING 'hunter2'",
    ],
)
def test_no_constant_and_no_comment_is_kept(text: str) -> None:
    digest, kept = identify(text)
    assert "hunter2" not in digest + kept


def test_text_that_nobody_can_read_has_its_own_digest() -> None:
    one, text = identify("SELEC 'a' FRM t")
    assert (one, text) == (identify("selec  'b' frm  t")[0], "")
    assert one != identify("SELEC 'a' FRM u")[0]


def test_long_text_is_cut_and_its_fingerprint_is_not() -> None:
    columns = ", ".join(f"column_{number}" for number in range(1000))
    digest, text = identify(f"SELECT {columns} FROM t")
    assert len(text) == 4000
    assert digest != identify(f"SELECT {columns} FROM u")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", True),
        ("/* app */ (SELECT 1)", True),
        ("-- x\nupdate t set a = 1", True),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", True),
        ("REFRESH MATERIALIZED VIEW v", True),
        ("ALTER ROLE a PASSWORD 'hunter2'", False),
        ("CREATE USER a PASSWORD 'hunter2'", False),
        ("/* SELECT */ SET app.key = 'hunter2'", False),
        ("CREATE SUBSCRIPTION s CONNECTION 'password=hunter2' PUBLICATION p", False),
        ("COPY t FROM PROGRAM 'curl -u me:hunter2'", False),
        ("BEGIN", False),
    ],
)
def test_statements_that_work_on_rows_are_compared(text: str, expected: bool) -> None:
    assert is_compared(text) is expected
