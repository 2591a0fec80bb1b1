"""Files that are named in the wrong order are asked about."""

from pathlib import Path

import pytest

from pgwatch.check.order import made_later

A, B, C = Path("a.sql"), Path("b.sql"), Path("c.sql")
TEXTS = {
    A: "CREATE INDEX i ON steps (state); SELECT gone;",
    B: "ALTER TABLE steps\n  ADD COLUMN state text; DROP TABLE old;",
    C: "create view steps_seen as select state from steps; COMMENT ON TABLE old IS 'x';",
}


@pytest.mark.parametrize(
    ("file", "said", "expected"),
    [
        pytest.param(A, 'column "state" does not exist', ("state", B), id="a column"),
        pytest.param(A, "column new.state does not exist", ("state", B), id="of a row"),
        pytest.param(B, 'relation "steps_seen" does not exist', ("steps_seen", C), id="a view"),
        pytest.param(C, 'column "state" does not exist', None, id="made before"),
        pytest.param(
            A, 'relation "old" does not exist', None, id="only dropped and described later"
        ),
        pytest.param(A, "something else", None, id="no name"),
    ],
)
def test_what_a_later_file_makes(file: Path, said: str, expected: tuple[str, Path] | None) -> None:
    assert made_later([(file, said)], TEXTS) == expected
