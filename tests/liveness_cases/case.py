"""What a case is, and the usual ones."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    name: str
    sql: str
    runs: tuple[str, ...]  # each in a rolled-back transaction of its own


def trigger(
    name: str, body: str, *runs: str, on: str = "BEFORE INSERT OR UPDATE OR DELETE"
) -> Case:
    """Return a trigger whose function has `body`, on a table `t@` with a row."""
    sql = f"""
        CREATE TABLE t@ (id int PRIMARY KEY, name text, state state NOT NULL DEFAULT 'open', at timestamptz);
        INSERT INTO t@ VALUES (1, 'one');
        CREATE FUNCTION f@() RETURNS trigger LANGUAGE plpgsql AS $body$ {body} $body$;
        CREATE TRIGGER g@ {on} ON t@ FOR EACH ROW EXECUTE FUNCTION f@('argument');
    """
    return Case(name, sql, runs or (INSERT, UPDATE, DELETE))


def function(
    name: str, body: str, *, head: str = "f@() RETURNS void", run: str = "SELECT f@()"
) -> Case:
    """Return a function in PL/pgSQL, beside a table `t@` with two rows."""
    sql = f"""
        CREATE TABLE t@ (id int PRIMARY KEY, name text, state state NOT NULL DEFAULT 'open', at timestamptz);
        INSERT INTO t@ VALUES (1, 'one'), (2, 'two');
        CREATE FUNCTION {head} LANGUAGE plpgsql AS $body$ {body} $body$;
    """
    return Case(name, sql, (run,))


def sql(
    name: str, body: str, *, head: str = "f@() RETURNS bigint", run: str = "SELECT f@()"
) -> Case:
    """Return a function in SQL, beside an empty table `t@`."""
    sql = f"""
        CREATE TABLE t@ (id int PRIMARY KEY, name text, state state NOT NULL DEFAULT 'open', at timestamptz);
        CREATE FUNCTION {head} LANGUAGE sql AS $body$ {body} $body$;
    """
    return Case(name, sql, (run,))


INSERT = "INSERT INTO t@ VALUES (5, 'five')"
UPDATE = "UPDATE t@ SET name = 'x'"
DELETE = "DELETE FROM t@"
