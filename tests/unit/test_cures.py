"""What cures a problem: a statement about that one object, which can succeed."""

from pathlib import Path

import pytest

from pgwatch.migration.compare import Aspect, Fault, Problem
from pgwatch.migration.cures import cure_of
from pgwatch.migration.objects import Key, Kind, Place, Value

TABLE = """CREATE TABLE IF NOT EXISTS jobs (
    id text PRIMARY KEY,
    hours int NOT NULL DEFAULT 0 CHECK (hours >= 0),
    owner text REFERENCES users(id) ON DELETE CASCADE,
    CONSTRAINT jobs_differ CHECK (owner IS DISTINCT FROM id)
)"""
BOTH = """ALTER TABLE users ALTER COLUMN email TYPE varchar(320),
    ALTER COLUMN ip TYPE inet USING ip::inet,
    ADD COLUMN IF NOT EXISTS phone text,
    ADD CONSTRAINT users_known CHECK (email <> '')"""
INDEX = "CREATE INDEX IF NOT EXISTS jobs_open ON jobs (owner) WHERE hours > 0"
TRIGGER = "CREATE TRIGGER watch AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION note()"


def on(kind: Kind, name: str, table: str = "") -> Key:
    return Key(kind, "public", name, table)


@pytest.mark.parametrize(
    ("key", "sql", "cure"),
    [
        # What is missing of a table that is there: CREATE TABLE IF NOT EXISTS would do nothing.
        (
            on(Kind.COLUMN, "hours", "jobs"),
            TABLE,
            "ALTER TABLE jobs ADD COLUMN hours int NOT NULL DEFAULT 0 CHECK (hours >= 0);",
        ),
        (on(Kind.CONSTRAINT, "jobs_pkey", "jobs"), TABLE, "ALTER TABLE jobs ADD PRIMARY KEY (id);"),
        (
            on(Kind.CONSTRAINT, "jobs_hours_check", "jobs"),
            TABLE,
            "ALTER TABLE jobs ADD CHECK (hours >= 0);",
        ),
        (
            on(Kind.CONSTRAINT, "jobs_owner_fkey", "jobs"),
            TABLE,
            "ALTER TABLE jobs ADD FOREIGN KEY (owner) REFERENCES users (id) ON DELETE CASCADE;",
        ),
        (
            on(Kind.CONSTRAINT, "jobs_differ", "jobs"),
            TABLE,
            "ALTER TABLE jobs ADD CONSTRAINT jobs_differ CHECK (owner IS DISTINCT FROM id);",
        ),
        (on(Kind.CONSTRAINT, "jobs_other", "jobs"), TABLE, ""),
        # One command of several: the others have been done, or fail for reasons of their own.
        (
            on(Kind.COLUMN, "phone", "users"),
            BOTH,
            "ALTER TABLE users ADD COLUMN IF NOT EXISTS phone text;",
        ),
        (
            on(Kind.CONSTRAINT, "users_known", "users"),
            BOTH,
            "ALTER TABLE users ADD CONSTRAINT users_known CHECK (email <> '');",
        ),
        (on(Kind.TABLE, "jobs"), TABLE, f"{TABLE};"),
        (on(Kind.INDEX, "jobs_open"), INDEX, f"{INDEX};"),
    ],
)
def test_missing(key: Key, sql: str, cure: str) -> None:
    assert cure_of(_problem(Fault.MISSING, key, sql)) == cure


@pytest.mark.parametrize(
    ("key", "sql", "facet", "cure"),
    [
        (
            on(Kind.COLUMN, "email", "users"),
            BOTH,
            ("type", "varchar(320)", "text"),
            "ALTER TABLE users ALTER COLUMN email TYPE varchar(320);",
        ),
        (  # the type alone would need a cast that does not exist
            on(Kind.COLUMN, "ip", "users"),
            BOTH,
            ("type", "inet", "text"),
            "ALTER TABLE users ALTER COLUMN ip TYPE inet USING ip::inet;",
        ),
        (
            on(Kind.CONSTRAINT, "users_known", "users"),
            BOTH,
            ("expression", "email <> ''", "true"),
            "ALTER TABLE users DROP CONSTRAINT users_known;\n"
            "ALTER TABLE users ADD CONSTRAINT users_known CHECK (email <> '');",
        ),
        (
            on(Kind.INDEX, "jobs_open"),
            INDEX,
            ("predicate", "hours > 0", "none"),
            f"DROP INDEX jobs_open;\n{INDEX};",
        ),
        (
            on(Kind.TRIGGER, "watch", "jobs"),
            TRIGGER,
            ("timing", "after", "before"),
            f"DROP TRIGGER watch ON jobs;\n{TRIGGER};",
        ),
        (
            on(Kind.TABLE, "jobs"),
            "COMMENT ON TABLE jobs IS 'work'",
            ("comment", "work", None),
            "COMMENT ON TABLE jobs IS 'work';",
        ),
        (  # values only come, in their place
            on(Kind.TYPE, "state"),
            "CREATE TYPE state AS ENUM ('new', 'open', 'done')",
            ("values", ("new", "open", "done"), ("open",)),
            "ALTER TYPE state ADD VALUE 'new' BEFORE 'open';\n"
            "ALTER TYPE state ADD VALUE 'done' AFTER 'open';",
        ),
        (
            on(Kind.TYPE, "state"),
            "CREATE TYPE state AS ENUM ('new', 'open')",
            ("values", ("new", "open"), ("new", "gone")),
            "",
        ),
        (  # IF NOT EXISTS would leave it as it is
            on(Kind.COLUMN, "total", "jobs"),
            "ALTER TABLE jobs ADD COLUMN IF NOT EXISTS total int GENERATED ALWAYS AS (1) STORED",
            ("generated", "1", "none"),
            "",
        ),
        (  # a plain CREATE cannot replace what is there
            on(Kind.FUNCTION, "f()"),
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            ("body", "SELECT 1", "SELECT 2"),
            "",
        ),
    ],
)
def test_different(key: Key, sql: str, facet: tuple[str, Value, Value | None], cure: str) -> None:
    assert cure_of(_problem(Fault.DIFFERENT, key, sql, facet)) == cure


def test_dropped_and_still_there() -> None:
    sql = "DROP TRIGGER IF EXISTS watch ON jobs"
    key = on(Kind.TRIGGER, "watch", "jobs")
    assert cure_of(_problem(Fault.DIFFERENT, key, sql)) == f"{sql};"


def _problem(fault: Fault, key: Key, sql: str, *facets: tuple[str, Value, Value | None]) -> Problem:
    return Problem(
        fault=fault,
        aspect=Aspect.STRUCTURE,
        key=key,
        kind=str(key.kind),
        place=Place(migration="m", file=Path("m.sql"), line=1, sql=sql),
        message="",
        facets=facets,
    )
