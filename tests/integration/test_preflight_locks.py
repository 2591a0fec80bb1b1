"""What a migration would lock and rewrite, held against what real servers then lock and rewrite."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from pgwatch.migration.parse import parse_statements
from pgwatch.migration.preflight import locks
from pgwatch.migration.preflight.demands import demands
from pgwatch.migration.preflight.lock_facts import LockFacts, Relation, read_lock_facts
from pgwatch.migration.preflight.lock_modes import LockMode, Work, mode_named
from pgwatch.migration.preflight.locks import LockReport, lock_risks
from pgwatch.migration.sqlfile import read_statements
from pgwatch.targets.dsn import Dsn
from tests.servers import local_server
from tests.watching import over_session

TABLES = """
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE other (id int PRIMARY KEY);
INSERT INTO other VALUES (1);
CREATE TABLE t (
  id int PRIMARY KEY, name varchar(20), note text, price numeric(8,2), at timestamp(3), net cidr,
  code char(4), proven int, plain int, big bigint, bits varbit(8), tz timestamptz,
  other_id int DEFAULT 1, tags varchar(10)[], mood mood,
  CONSTRAINT proven_is_there CHECK (plain > -9 AND proven IS NOT NULL),
  CONSTRAINT old FOREIGN KEY (other_id) REFERENCES other NOT VALID,
  CONSTRAINT later CHECK (plain < 1000) NOT VALID
);
CREATE INDEX t_plain ON t (plain);
CREATE UNIQUE INDEX t_big ON t (big);
INSERT INTO t (id, name, proven, plain, big) SELECT g, 'n', g, g, g FROM generate_series(1, 100) AS g;
CREATE TABLE parted (x int) PARTITION BY LIST (x);
CREATE TABLE one (x int);
INSERT INTO one VALUES (1);
CREATE FUNCTION steady() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
CREATE FUNCTION wild() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT random()::int';
CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tf();
CREATE MATERIALIZED VIEW m AS SELECT 1 AS a;
"""

# statement, whose table, and the work that it does there; the modes come from the server
N, S, B, R = Work.NONE, Work.SCAN, Work.BUILD, Work.REWRITE
CASES: list[tuple[str, str, Work]] = [
    ("ALTER TABLE t ALTER name TYPE varchar(30)", "t", N),
    ("ALTER TABLE t ALTER name TYPE varchar(10)", "t", R),
    ("ALTER TABLE t ALTER name TYPE varchar(20)", "t", N),
    ("ALTER TABLE t ALTER name TYPE varchar", "t", N),
    ("ALTER TABLE t ALTER name TYPE text", "t", N),
    ("ALTER TABLE t ALTER name TYPE text USING name::text", "t", N),
    ("ALTER TABLE t ALTER name TYPE varchar(30) USING t.name::varchar(30)", "t", N),
    ("ALTER TABLE t ALTER name TYPE text USING upper(name)", "t", R),
    ("ALTER TABLE t ALTER note TYPE varchar(500)", "t", R),
    ("ALTER TABLE t ALTER note TYPE varchar", "t", N),
    ("ALTER TABLE t ALTER price TYPE numeric(12,2)", "t", N),
    ("ALTER TABLE t ALTER price TYPE numeric(12,3)", "t", R),
    ("ALTER TABLE t ALTER price TYPE numeric(6,2)", "t", R),
    ("ALTER TABLE t ALTER price TYPE numeric", "t", N),
    ("ALTER TABLE t ALTER at TYPE timestamp(6)", "t", N),
    ("ALTER TABLE t ALTER at TYPE timestamp", "t", N),
    ("ALTER TABLE t ALTER at TYPE timestamp(0)", "t", R),
    ("ALTER TABLE t ALTER tz TYPE timestamptz(6)", "t", N),
    ("ALTER TABLE t ALTER net TYPE inet", "t", N),
    ("ALTER TABLE t ALTER code TYPE char(6)", "t", R),
    ("ALTER TABLE t ALTER plain TYPE bigint", "t", R),
    ("ALTER TABLE t ALTER big TYPE int", "t", R),
    ("ALTER TABLE t ALTER bits TYPE varbit(16)", "t", N),
    ("ALTER TABLE t ALTER mood TYPE text", "t", R),
    ("ALTER TABLE t ALTER tags TYPE text[]", "t", R),
    ("ALTER TABLE t ALTER tags TYPE varchar(20)[]", "t", R),
    ("ALTER TABLE t ALTER tags TYPE varchar[]", "t", N),
    ("ALTER TABLE t ADD c int", "t", N),
    ("ALTER TABLE t ADD c int DEFAULT 7", "t", N),
    ("ALTER TABLE t ADD c timestamptz DEFAULT now()", "t", N),
    ("ALTER TABLE t ADD c timestamptz DEFAULT current_timestamp", "t", N),
    ("ALTER TABLE t ADD c timestamptz DEFAULT clock_timestamp()", "t", R),
    ("ALTER TABLE t ADD c uuid DEFAULT gen_random_uuid()", "t", R),
    ("ALTER TABLE t ADD c int DEFAULT steady()", "t", N),
    ("ALTER TABLE t ADD c int DEFAULT wild() + 1", "t", R),
    ("ALTER TABLE t ADD IF NOT EXISTS plain serial", "t", N),
    ("CREATE INDEX IF NOT EXISTS t_plain ON t (note)", "t", N),
    ("ALTER TABLE t ADD c serial", "t", R),
    ("ALTER TABLE t ADD c int GENERATED ALWAYS AS IDENTITY", "t", R),
    ("ALTER TABLE t ADD c int GENERATED ALWAYS AS (plain + 1) STORED", "t", R),
    ("ALTER TABLE t ADD c positive DEFAULT 1", "t", R),
    ("ALTER TABLE t ADD c int CHECK (c > 0)", "t", S),
    ("ALTER TABLE t ADD c int NOT NULL DEFAULT 0", "t", N),
    ("ALTER TABLE t ADD c int UNIQUE", "t", B),
    ("ALTER TABLE t ADD c int REFERENCES other", "t", N),
    ("ALTER TABLE t ADD c int REFERENCES other", "other", N),
    ("ALTER TABLE t ALTER plain SET NOT NULL", "t", S),
    ("ALTER TABLE t ALTER proven SET NOT NULL", "t", N),
    ("ALTER TABLE t ALTER id SET NOT NULL", "t", N),
    ("ALTER TABLE t ALTER plain SET DEFAULT 1", "t", N),
    ("ALTER TABLE t ADD CHECK (plain > 0)", "t", S),
    ("ALTER TABLE t ADD CHECK (plain > 0) NOT VALID", "t", N),
    ("ALTER TABLE t VALIDATE CONSTRAINT later", "t", S),
    ("ALTER TABLE t ADD FOREIGN KEY (other_id) REFERENCES other", "t", S),
    ("ALTER TABLE t ADD FOREIGN KEY (other_id) REFERENCES other", "other", N),
    ("ALTER TABLE t ADD FOREIGN KEY (other_id) REFERENCES other NOT VALID", "t", N),
    ("ALTER TABLE t DROP CONSTRAINT old", "t", N),
    ("ALTER TABLE t DROP CONSTRAINT old", "other", N),
    ("ALTER TABLE t ADD UNIQUE (plain)", "t", B),
    ("ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX t_big", "t", N),
    ("ALTER TABLE t ADD EXCLUDE (plain WITH =)", "t", B),
    ("ALTER TABLE t SET UNLOGGED", "t", R),
    ("ALTER TABLE t SET (fillfactor = 70)", "t", N),
    ("ALTER TABLE t ALTER plain SET STATISTICS 200", "t", N),
    ("ALTER TABLE t DISABLE TRIGGER tr", "t", N),
    ("ALTER TABLE t RENAME TO t2", "t", N),
    ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "t", N),
    ("ALTER TABLE parted ATTACH PARTITION one FOR VALUES IN (1)", "parted", N),
    ("ALTER TABLE parted ATTACH PARTITION one FOR VALUES IN (1)", "one", S),
    ("CREATE TABLE two PARTITION OF parted FOR VALUES IN (2)", "parted", N),
    ("CREATE TABLE child () INHERITS (other)", "other", N),
    ("CREATE TABLE refers (a int REFERENCES other)", "other", N),
    ("CREATE INDEX ON t (note)", "t", B),
    ("REINDEX TABLE t", "t", B),
    ("REINDEX INDEX t_plain", "t", B),
    ("DROP INDEX t_plain", "t", N),
    ("CLUSTER t USING t_plain", "t", R),
    ("TRUNCATE t", "t", N),
    ("DROP TABLE t", "t", N),
    ("DROP TABLE t", "other", N),
    ("CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION tf()", "t", N),
    ("DROP TRIGGER tr ON t", "t", N),
    ("CREATE POLICY p ON t", "t", N),
    ("REFRESH MATERIALIZED VIEW m", "m", R),
    ("LOCK TABLE t IN SHARE MODE", "t", N),
    ("UPDATE t SET plain = 1", "t", Work.UPDATE),
    ("UPDATE t SET plain = 1 WHERE id = 1", "t", N),
    ("DELETE FROM t", "t", Work.UPDATE),
    ("INSERT INTO t (id, proven) VALUES (777, 1)", "t", N),
]
# A new file though nothing is copied, and scans that are none of the whole table or are not counted.
NEW_FILE = ("TRUNCATE", "DROP TABLE")
OTHER_SCANS = (*NEW_FILE, "ALTER TABLE t VALIDATE", "UPDATE", "INSERT")


def facts_of(dsn: str) -> LockFacts:
    names = {"t", "other", "parted", "one", "m", "t_plain", "t_big", "positive"}
    names |= {"steady", "wild", "now", "clock_timestamp", "gen_random_uuid"}

    return over_session(dsn, lambda session: read_lock_facts(session, names))


def told(statement: str, table: str, facts: LockFacts) -> tuple[LockMode | None, Work]:
    [(kind, node)] = parse_statements(statement)

    def resolve(schema: str, name: str) -> Relation | None:
        return facts.relations.get((schema or "public", name))

    found = [one for one in demands(kind, node, facts, resolve) if one.table == table]
    assert len(found) < 2, found
    return (found[0].mode, found[0].work) if found else (None, Work.NONE)


def done(
    connection: psycopg.Connection[tuple[object, ...]], statement: str, table: str
) -> tuple[LockMode, bool, bool]:
    """Run it and undo it: the strongest lock it took, whether it wrote the table anew, and scanned it."""

    def look() -> tuple[object, ...]:
        row = connection.execute(
            "SELECT c.relfilenode, s.seq_scan FROM pg_class c"
            " JOIN pg_stat_xact_all_tables s ON s.relid = c.oid WHERE c.oid = %s",
            [oid],
        ).fetchone()
        return row or (None, None)

    [oid] = connection.execute("SELECT %s::regclass::oid", [table]).fetchone() or [None]
    with connection.transaction(force_rollback=True):
        before = look()
        connection.execute(statement.encode())
        held = connection.execute(
            "SELECT mode FROM pg_locks WHERE relation = %s AND pid = pg_backend_pid()", [oid]
        ).fetchall()
        after = look()
    modes = [mode_named(str(mode)) for (mode,) in held]
    return max(modes), before[0] != after[0], before[1] != after[1]


def test_locks_and_rewrites_are_those_of_the_server(any_database: str) -> None:
    wrong: list[tuple[object, ...]] = []
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(TABLES)
        facts = facts_of(any_database)
        for statement, table, work in CASES:
            mode, rewritten, scanned = done(connection, statement, table)
            expected, claimed = told(statement, table, facts)
            if (expected, claimed) != (mode, work):
                wrong.append((statement, table, "told", expected, claimed, "is", mode))
            if rewritten != (work is Work.REWRITE) and not statement.startswith(NEW_FILE):
                wrong.append((statement, table, work, "rewritten:", rewritten))
            counts = table != "other" and not statement.startswith(OTHER_SCANS)
            if counts and work in (Work.NONE, Work.SCAN) and scanned != (work is Work.SCAN):
                wrong.append((statement, table, work, "scanned:", scanned))
    assert not wrong, "\n".join(map(str, wrong))


def risks(dsn: str, sql: str, tmp_path: Path) -> LockReport:
    file = tmp_path / "migration.sql"
    file.write_text(sql)

    return over_session(dsn, lambda session: lock_risks(session, read_statements(file)))


@contextmanager
def holding(dsn: str, *statements: str) -> Iterator[int]:
    """A session in a transaction that has run these; gives its pid."""
    with psycopg.connect(dsn, application_name="app") as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield connection.info.backend_pid
        connection.rollback()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BLOCKS_SECONDS", 0.0)


def test_work_on_a_large_table_is_told_and_on_a_small_one_is_not(
    database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(locks, "BIG_BYTES", 1024 * 1024)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute(
            "CREATE TABLE big AS SELECT g AS id, repeat('x', 100) AS note"
            " FROM generate_series(1, 10000) AS g"
        )
        connection.execute("ANALYZE big")
    sql = """
ALTER TABLE t ALTER note TYPE varchar(500);
ALTER TABLE big ALTER note TYPE varchar(500);
DO $$ BEGIN ALTER TABLE big ADD CHECK (id > 0); END $$;
ALTER TABLE big ADD CONSTRAINT later CHECK (id > 0) NOT VALID;
ALTER TABLE big VALIDATE CONSTRAINT later;
CREATE INDEX big_id ON big (id);
CREATE INDEX CONCURRENTLY big_id2 ON big (id);
UPDATE big SET note = '';
UPDATE big SET note = '' WHERE id = 1;
DO $$ BEGIN EXECUTE 'ALTER TABLE ' || 'big RENAME TO b'; END $$;
"""
    report = risks(database, sql, tmp_path)
    assert [(risk.place.line, risk.kind, risk.relation) for risk in report.risks] == [
        (3, R, "public.big"),
        (4, S, "public.big"),
        (7, B, "public.big"),
        (9, Work.UPDATE, "public.big"),
    ]
    assert report.risks[0].message == (
        "rewrites public.big (2 MiB, about 10,000 rows) under ACCESS EXCLUSIVE: note changes from text"
        " to varchar(500), and meanwhile nobody can read or write it"
    )
    assert "NOT VALID" in report.risks[1].cure
    assert "CONCURRENTLY" in report.risks[2].cure
    assert [place.line for place in report.unread] == [11]


def test_who_is_in_the_way_is_told_once_a_table(
    any_database: str, tmp_path: Path, no_waiting: None
) -> None:
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(TABLES)
    sql = (
        "ALTER TABLE t ADD a int;\nALTER TABLE public.t ADD b int;\nINSERT INTO t (id) VALUES (9);\n"
        "CREATE INDEX ON t (a);\nALTER TABLE other ADD a int;\n"
    )
    with holding(any_database, "SELECT * FROM t") as pid:
        [risk] = risks(any_database, sql, tmp_path).risks
        assert (risk.place.line, risk.relation, risk.kind) == (1, "public.t", None)
        assert f"pid {pid} (app of postgres, idle in transaction for " in risk.message
        assert "holds or awaits ACCESS SHARE on public.t; without a lock_timeout it" in risk.message
        assert risk.message.endswith("; one more meets it")
        assert f"pg_terminate_backend({pid})" in risk.cure
        timed = risks(any_database, "SET lock_timeout = '5s';\n" + sql, tmp_path)
        assert "gives up after its lock_timeout, 5s (55P03)" in timed.risks[0].message
        assert risks(any_database, "INSERT INTO t (id) VALUES (9);", tmp_path).risks == ()
    assert risks(any_database, sql, tmp_path).risks == ()


def test_snapshots_hold_up_what_is_done_concurrently(
    database: str, tmp_path: Path, no_waiting: None
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    begin = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM other")
    with holding(database, *begin) as pid:
        [risk] = risks(database, "CREATE INDEX CONCURRENTLY ON t (plain);", tmp_path).risks
        assert f"pid {pid}" in risk.message
        assert "has an older snapshot" in risk.message
        assert risks(database, "CREATE INDEX ON t (plain);", tmp_path).risks == ()


def test_locked_table_and_hidden_session_are_told_with_what_is_known(
    database: str, tmp_path: Path, no_waiting: None
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute("DROP ROLE IF EXISTS plain_role")
        connection.execute("CREATE ROLE plain_role LOGIN PASSWORD 'x'")
    dsn = str(Dsn.parse(database).conninfo(user="plain_role", password="x"))
    with holding(database, "LOCK TABLE t"):
        report = risks(dsn, "ALTER TABLE t ADD a int;", tmp_path)
    assert report.estimated
    assert (
        "for an unknown time (our role needs pg_read_all_stats to see it)"
        in report.risks[0].message
    )


def test_transaction_that_has_just_begun_is_not_in_the_way(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    with holding(database, "SELECT * FROM t"):
        assert risks(database, "ALTER TABLE t ADD a int;", tmp_path).risks == ()


def test_prepared_transaction_is_told_by_its_name(tmp_path: Path, no_waiting: None) -> None:
    settings = {"max_prepared_transactions": "5"}
    with local_server(settings=settings) as server:
        with psycopg.connect(server.dsn()) as connection:
            connection.execute("CREATE TABLE t (a int)")
            connection.commit()
            connection.execute("SELECT * FROM t")
            connection.execute("PREPARE TRANSACTION 'left over'")
        [risk] = risks(server.dsn(), "ALTER TABLE t ADD b int;", tmp_path).risks
    assert "the prepared transaction 'left over' of postgres, for " in risk.message
    assert risk.cure == "ROLLBACK PREPARED 'left over';  -- or COMMIT PREPARED"
