"""Each cure that the gate prints is pasted as it stands, whatever the names: then the finding is gone."""

import re
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.gate import Ran, gate
from tests.watching import sql

# A name that breaks out of quotes, if it can; plain ones are in test_check_damage.
ODD = 'Odd "name"; DROP TABLE victim; --'
QUOTED = '"' + ODD.replace('"', '""') + '"'
_KEY = QUOTED[:-1] + '_key"'


def cures_of(ran: Ran, check: str) -> list[str]:
    """Return the first statement of each cure of `check`: up to the first `;` that no quotes hold."""
    return [first_statement(found["fix"]) for found in ran.check(check)["findings"]]


def first_statement(fix: str) -> str:
    match = re.match(r'(?:"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|[^;"\'])*;', fix)
    assert match is not None, fix
    return match[0]


def cured(dsn: str, check: str, tmp_path: Path, *, count: int = 1) -> None:
    """Run what the gate prints for the `count` findings of `check`; there are none then."""
    sql(dsn, "CREATE TABLE IF NOT EXISTS victim ()")
    cures = cures_of(gate(dsn, "--only", check, cwd=tmp_path), check)
    assert len(cures) == count
    for cure in cures:
        sql(dsn, cure)
    assert gate(dsn, "--only", check, cwd=tmp_path).verdicts == {check: "pass"}
    assert sql(dsn, "SELECT to_regclass('victim') IS NOT NULL") == [(True,)]


def run(dsn: str, statements: str, **names: str) -> None:
    for statement in statements.strip().splitlines():
        sql(dsn, re.sub(r"<(\w+)>", lambda found: names[found[1]], statement))


def test_constraints(any_database: str, tmp_path: Path) -> None:
    run(
        any_database,
        """
CREATE SCHEMA <n>
CREATE TABLE <n>.<n> (id int PRIMARY KEY, parent int)
ALTER TABLE <n>.<n> ADD CONSTRAINT <n> CHECK (id > 0) NOT VALID
ALTER TABLE <n>.<n> ADD CONSTRAINT other FOREIGN KEY (parent) REFERENCES <n>.<n> NOT VALID
CREATE DOMAIN <n>.mail AS text
ALTER DOMAIN <n>.mail ADD CONSTRAINT <n> CHECK (VALUE <> '') NOT VALID
CREATE TABLE parted (id int) PARTITION BY LIST (id)
CREATE TABLE part PARTITION OF parted FOR VALUES IN (1)
ALTER TABLE parted ADD CONSTRAINT sane CHECK (id > 0) NOT VALID
""",
        n=QUOTED,
    )
    cured(any_database, "PostgresConstraintNotValidated", tmp_path, count=5)


def test_indexes(any_database: str, tmp_path: Path) -> None:
    run(any_database, "CREATE SCHEMA <n>\nCREATE TABLE <n>.<n> (id int, note text)", n=QUOTED)
    run(any_database, "INSERT INTO <n>.<n> VALUES (1), (1)", n=QUOTED)
    build = "CREATE UNIQUE INDEX CONCURRENTLY <key> ON <n>.<n> (id)"
    with suppress(psycopg.errors.UniqueViolation):
        run(any_database, build, n=QUOTED, key=_KEY)
    run(any_database, "DELETE FROM <n>.<n>", n=QUOTED)
    cured(any_database, "PostgresInvalidIndex", tmp_path)


def test_indexes_that_a_rebuild_left_behind(any_database: str, tmp_path: Path) -> None:
    """Of the table, and of its TOAST table."""
    run(any_database, "CREATE TABLE t (id int CONSTRAINT t_key UNIQUE, note text)")
    with psycopg.connect(any_database) as holder, psycopg.connect(any_database) as rebuilder:
        holder.execute("INSERT INTO t VALUES (1)")
        rebuilder.autocommit = True
        rebuilder.execute("SET statement_timeout = '300ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            rebuilder.execute("REINDEX TABLE CONCURRENTLY t")
        holder.rollback()
    cured(any_database, "PostgresInvalidIndex", tmp_path, count=2)


def test_an_index_of_a_partitioned_table(any_database: str, tmp_path: Path) -> None:
    check = "PostgresInvalidIndex"
    run(
        any_database,
        """
CREATE TABLE parted (id int, at date) PARTITION BY LIST (id)
CREATE TABLE part1 PARTITION OF parted FOR VALUES IN (1)
CREATE TABLE part2 PARTITION OF parted FOR VALUES IN (2)
CREATE INDEX <n> ON ONLY parted (at)
""",
        n=QUOTED,
    )
    (cure,) = cures_of(gate(any_database, "--only", check, cwd=tmp_path), check)
    for part in ("part1", "part2"):
        sql(any_database, f"CREATE INDEX CONCURRENTLY {part}_at ON {part} (at)")
        _, _, statement = cure.partition("there: ")
        sql(any_database, statement.replace("<the index of the partition>", f"{part}_at"))
    assert gate(any_database, "--only", check, cwd=tmp_path).verdicts == {check: "pass"}


def test_triggers(any_database: str, tmp_path: Path) -> None:
    run(
        any_database,
        """
CREATE SCHEMA <n>
CREATE TABLE <n>.<n> (id int PRIMARY KEY)
CREATE TRIGGER <n> BEFORE UPDATE ON <n>.<n> FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
ALTER TABLE <n>.<n> DISABLE TRIGGER <n>
CREATE TABLE child (id int CONSTRAINT <n> REFERENCES <n>.<n>)
ALTER TABLE child DISABLE TRIGGER ALL
CREATE TABLE parted (id int) PARTITION BY LIST (id)
CREATE TABLE part PARTITION OF parted FOR VALUES IN (1)
CREATE TRIGGER <n> AFTER UPDATE ON parted FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
ALTER TABLE parted DISABLE TRIGGER <n>
""",
        n=QUOTED,
    )
    cured(any_database, "PostgresTriggerDisabled", tmp_path, count=4)


@pytest.mark.parametrize("columns", ["one", "(one + 0)", "one) WHERE (one > 0"])
def test_materialized_views(database: str, tmp_path: Path, columns: str) -> None:
    run(
        database,
        """
CREATE SCHEMA <n>
CREATE MATERIALIZED VIEW <n>.<n> AS SELECT 1 AS one WITH NO DATA
CREATE UNIQUE INDEX ON <n>.<n> (<columns>)
""",
        n=QUOTED,
        columns=columns,
    )
    cured(database, "PostgresMaterializedViewNotPopulated", tmp_path)


def test_unused_indexes(database: str, tmp_path: Path) -> None:
    """The rule waits until 7 days are known; here, no time at all."""
    check = "PostgresUnusedIndex"
    config = tmp_path / "pgwatch.yml"
    config.write_text(f"rules: {{set: {{{check}: 0s}}}}\n")
    run(database, "CREATE TABLE t AS SELECT generate_series(1, 60000) AS id")
    read = "DO $$ BEGIN FOR i IN 1..100 LOOP PERFORM count(*) FROM t; END LOOP; END $$"
    sql(database, read)
    run(database, "CREATE INDEX <n> ON t (id)\nANALYZE t\nVACUUM t", n=QUOTED)
    ran = gate(database, "--only", check, "--config", str(config), cwd=tmp_path)
    (found,) = ran.check(check)["findings"]
    sql(database, first_statement(found["fix"].partition(": ")[2]))
    after = gate(database, "--only", check, "--config", str(config), cwd=tmp_path)
    assert after.check(check)["findings"] == []


def test_a_value_that_breaks_out_of_its_quotes(database: str, tmp_path: Path) -> None:
    check = "PostgresConstraintViolation"
    sql(
        database,
        "CREATE TABLE constraint_violations (table_name text, constraint_name text,"
        " violation_type text, resolved bool)",
    )
    sql(
        database,
        "INSERT INTO constraint_violations VALUES ('t', 'it''s; DROP TABLE victim; --', 'CHECK', false)",
    )
    (cure,) = cures_of(gate(database, "--only", check, cwd=tmp_path), check)
    assert len(sql(database, cure)) == 1
