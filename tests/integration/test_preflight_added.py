"""Rows that the migrations add themselves, and the rules that they add afterwards."""

from pathlib import Path

import psycopg

from pgwatch.migration.preflight.prediction import Trouble
from tests.preflight import applied, predicted

BEFORE = """
CREATE TABLE live (a int, b text);
INSERT INTO live VALUES (1, 'x'), (2, 'y');
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent VALUES (1);
"""


def states(dsn: str, tmp_path: Path, sql: str) -> tuple[dict[int, str], dict[int, str]]:
    """Return by line what is predicted ("?": not known) and what then happens."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(BEFORE.encode())
    file = tmp_path / "migration.sql"
    file.write_text(sql)
    said = {
        one.line: "?" if one.trouble is Trouble.UNVERIFIABLE else one.sqlstate
        for one in predicted(dsn, [file]).predictions
    }
    return said, {line: state for _, line, state in applied(dsn, [file])}


def test_constants_are_held_against_the_rules_to_come(any_database: str, tmp_path: Path) -> None:
    sql = """CREATE TABLE n (a int, b text);
INSERT INTO n VALUES (NULL, 'x'), (-1, 'y'), (-1, NULL);
ALTER TABLE n ALTER a SET NOT NULL;
ALTER TABLE n ADD CONSTRAINT positive CHECK (a > 0);
ALTER TABLE n ADD CONSTRAINT positive CHECK (a > 0) NOT VALID;
ALTER TABLE n VALIDATE CONSTRAINT positive;
ALTER TABLE n ADD UNIQUE (a);
CREATE UNIQUE INDEX ON n (a);
ALTER TABLE n ADD FOREIGN KEY (a) REFERENCES parent;
INSERT INTO live VALUES (NULL, 'z'), (1, 'q'), (-5, 'q');
ALTER TABLE live ALTER a SET NOT NULL;
ALTER TABLE live ADD CHECK (a > 0);
ALTER TABLE live ADD UNIQUE (a);
ALTER TABLE n ADD COLUMN c int DEFAULT 5;
ALTER TABLE n ADD CHECK (c < 5);
"""
    said, happened = states(any_database, tmp_path, sql)
    expected = {3: "23502", 4: "23514", 6: "23514", 7: "23505", 8: "23505", 9: "23503"}
    expected |= {11: "23502", 12: "23514", 13: "23505", 15: "23514"}
    assert (said, happened) == (expected, expected)


def test_seeds_that_obey_are_no_trouble(database: str, tmp_path: Path) -> None:
    sql = """CREATE TABLE s (id serial, a int, b text, c uuid DEFAULT gen_random_uuid());
ALTER TABLE s ADD d date DEFAULT now();
INSERT INTO s (a, b) VALUES (1, 'x'), (2, 'y');
INSERT INTO s (a, b) VALUES (2, 'z') ON CONFLICT DO NOTHING;
ALTER TABLE s ADD PRIMARY KEY (id), ALTER c SET NOT NULL, ALTER d SET NOT NULL;
ALTER TABLE s ADD CHECK (a > 0), ALTER a SET NOT NULL, ALTER b TYPE varchar(10);
ALTER TABLE s ADD UNIQUE (a, b);
CREATE TABLE t (s int, a int);
INSERT INTO t VALUES (1, 1), (NULL, 2);
INSERT INTO parent VALUES (2);
ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES parent;
INSERT INTO t (s) SELECT a FROM live;
ALTER TABLE t ADD COLUMN e int NOT NULL DEFAULT 1;
ALTER TABLE t ADD CHECK (e > 0);
DELETE FROM t;
INSERT INTO t VALUES (1, 1, 1);
ALTER TABLE t ALTER a SET NOT NULL;
"""
    assert states(database, tmp_path, sql) == ({}, {})


def test_what_is_computed_changed_or_queried_is_not_known(database: str, tmp_path: Path) -> None:
    sql = """CREATE TABLE m (a int, b text);
INSERT INTO m SELECT a, b FROM live;
ALTER TABLE m ADD CHECK (a > 1);
CREATE TABLE n (a int, b text);
INSERT INTO n VALUES (1, upper('x')), (-1, 'y');
ALTER TABLE n ADD CHECK (b = 'X');
UPDATE n SET a = 1 WHERE a < 0;
ALTER TABLE n ADD CHECK (a > 0);
CREATE TABLE o (a int);
INSERT INTO o VALUES (-1);
DELETE FROM o WHERE a < 0;
ALTER TABLE o ADD CHECK (a > 0);
"""
    said, happened = states(database, tmp_path, sql)
    assert said == {3: "?", 6: "?", 8: "?", 12: "?"}
    assert happened == {3: "23514", 6: "23514"}
