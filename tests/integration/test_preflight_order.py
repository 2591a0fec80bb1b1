"""Which of several mistakes the server tells: the order in which it looks is its own."""

from pathlib import Path

import psycopg

from tests.preflight import applied, predicted

BEFORE = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE t (a int, b text, m mood, i int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE logged (i int REFERENCES t);
CREATE INDEX tb ON t (b);
CREATE VIEW v AS SELECT a, i FROM t;
INSERT INTO t (b) VALUES ('x'), ('x');
"""
STATEMENTS = [
    ("ALTER TABLE t ADD COLUMN a colour", "42701"),
    ("ALTER TABLE t ADD COLUMN xmin int", "42701"),
    ("ALTER TABLE t ALTER i TYPE text", "22023"),
    ("ALTER TABLE t ALTER gone ADD GENERATED ALWAYS AS IDENTITY, ADD UNIQUE (b)", "23505"),
    ("ALTER TABLE t ALTER b ADD GENERATED ALWAYS AS IDENTITY, ADD UNIQUE (gone)", "42703"),
    ("ALTER TABLE t ADD CHECK (gone > 1), ALTER b ADD GENERATED ALWAYS AS IDENTITY", "22023"),
    ("ALTER TABLE v ALTER gone ADD GENERATED ALWAYS AS IDENTITY", "42703"),
    ("INSERT INTO t (i, a) VALUES (1, 'x')", "22P02"),
    ("INSERT INTO t (i) VALUES (1)", "428C9"),
    ("INSERT INTO t (i, a) SELECT 1, b FROM t", "42804"),
    ("CREATE STATISTICS s ON a, a FROM t", "42701"),
    ("CREATE STATISTICS s ON a FROM t", "42P17"),
    ("CREATE STATISTICS s ON a, i FROM v", "42809"),
    ("ALTER TABLE t REPLICA IDENTITY USING INDEX tb", "42809"),
    ("ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey", ""),
    ("ALTER TABLE t ALTER m SET STORAGE EXTERNAL", "0A000"),
    ("ALTER TABLE t SET UNLOGGED", "42P16"),
    ("ALTER TABLE logged SET UNLOGGED", ""),
    ("ALTER TABLE t SET UNLOGGED", ""),
    ("ALTER TABLE logged SET LOGGED", "42P16"),
    ("DROP INDEX CONCURRENTLY tb CASCADE", "0A000"),
    ("DROP INDEX CONCURRENTLY tb, gone", "0A000"),
    ("CREATE INDEX ON t USING gin (b jsonb_path_ops)", "42804"),
    ("CREATE INDEX ON t (b text_pattern_ops)", ""),
    ("CREATE INDEX ON t (m enum_ops)", ""),
]


def test_the_mistake_that_the_server_tells_is_the_one_predicted(
    any_database: str, tmp_path: Path
) -> None:
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(BEFORE.encode())
    file = tmp_path / "migration.sql"
    file.write_text("".join(f"{statement};\n" for statement, _ in STATEMENTS))
    said = {one.line: one.sqlstate for one in predicted(any_database, [file]).predictions}
    expected = {line: state for line, (_, state) in enumerate(STATEMENTS, 1) if state}
    assert said == expected
    happened = {line: state for _, line, state in applied(any_database, [file])}
    assert happened == expected
