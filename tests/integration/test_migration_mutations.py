"""Hundreds of statements as tools and people write them: no finding, and for each damage just its own."""

import asyncio
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from pgwatch.demo.server import LocalServer
from pgwatch.migration.compare import Fault, Problem
from pgwatch.migration.folder import find_migrations
from pgwatch.migration.objects import Declarations, Declared, Kind
from pgwatch.migration.parse import identifier
from pgwatch.migration.verify import read_migrations, verify
from pgwatch.targets.describe import Explained
from pgwatch.targets.session import Answer, RefusedError, Session
from tests.conftest import create_database, drop_database
from tests.integration.test_migration_verify import placed, psql, verified

FIXTURES = Path(__file__).parent.parent / "fixtures" / "migrations"
FILES = find_migrations([str(FIXTURES / "prisma")], named_in="the test")
EVERY = 24  # one object in so many is damaged on each version, others on each
# What PostgreSQL has no way to tell, or nobody has taught us to look for.
UNKNOWN = [
    f"unverifiable {where} None"
    for where in (
        "05_performance:98",
        "05_performance:99",
        "08_rest:43",
        "08_rest:44",
        "08_rest:45",
        "09_again:78",
        "10_blocks:15",
    )
]
CONDITIONAL = "unverifiable 07_net:40 only_with_timescale"


class Uncommitted:
    """A session inside the transaction that does the damage, so that a ROLLBACK repairs it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.schemas: tuple[str, ...] = ()
        self._connection = connection

    async def run(self, sql: str, *, limit: timedelta) -> Answer:
        path = ", ".join(["pg_catalog", "public", *map(identifier, self.schemas)])
        cursor = self._connection.cursor()
        cursor.execute("SAVEPOINT asked")
        try:
            cursor.execute(f"SET LOCAL search_path = {path}")
            cursor.execute(sql)
            return Answer(columns=(), rows=cursor.fetchall(), elapsed=limit)
        except psycopg.Error as error:
            said = str(error).splitlines()[0]
            raise RefusedError(said, error.sqlstate or "", elapsed=limit) from None
        finally:
            cursor.execute("ROLLBACK TO asked")

    async def explain(self, statements: Sequence[str], *, limit: timedelta) -> list[Explained]:
        answers = []
        for statement in statements:
            try:
                [[plan]] = (await self.run(statement, limit=limit)).rows
                answers.append(Explained(document=json.dumps(plan)))
            except RefusedError as error:
                answers.append(Explained(sqlstate=error.sqlstate, message=str(error)))
        return answers


def problems(connection: psycopg.Connection[Any], wanted: Declarations) -> tuple[Problem, ...]:
    session = cast("Session", Uncommitted(connection))
    return asyncio.run(verify(session, wanted)).problems


@pytest.fixture(scope="module")
def wanted() -> Declarations:
    return read_migrations(FILES)


@pytest.fixture(scope="module")
def migrated(any_server: LocalServer) -> Iterator[str]:
    """A database in which all of it was applied, without one error."""
    name = create_database(any_server)
    said = psql(any_server.dsn(name), *FILES)
    assert "ERROR" not in said, said
    yield any_server.dsn(name)
    drop_database(any_server, name)


def test_healthy_database_has_no_finding(migrated: str, wanted: Declarations) -> None:
    found = placed(verified(migrated, FILES))
    assert sorted(found) == sorted([*UNKNOWN, CONDITIONAL])
    assert wanted.statements > 400
    assert len(wanted.objects) > 750


def sample(wanted: Declarations, connection: psycopg.Connection[Any]) -> list[Declared]:
    """Every so many-th object, others for each server: what one version leaves out another one takes."""
    share = connection.info.server_version // 10000
    return [
        one
        for one in wanted.objects
        if not one.gone
        and one.created
        and not one.condition
        and not one.optional
        and hashlib.sha256(f"{share} {one.key}".encode()).digest()[0] % EVERY == 0
    ]


def test_each_dropped_object_is_found_missing(migrated: str, wanted: Declarations) -> None:
    checked = 0
    with psycopg.connect(migrated) as connection:
        for one in sample(wanted, connection):
            with damaged(connection, drop_of(one)) as done:
                if done:
                    checked += 1
                    found = [p for p in problems(connection, wanted) if p.key == one.key]
                    assert [p.fault for p in found if p.place == one.place], str(one.key)
                    assert {p.fault for p in found} == {Fault.MISSING}, str(one.key)
    assert checked > 5


def test_each_altered_object_gives_one_finding_that_is_right(
    migrated: str, wanted: Declarations
) -> None:
    checked = 0
    with psycopg.connect(migrated, options="-c allow_system_table_mods=on") as connection:
        healthy = {p.message for p in problems(connection, wanted)}
        for one in sample(wanted, connection):
            for sql, fault in changes_of(one):
                with damaged(connection, sql) as done:
                    if done:
                        checked += 1
                        found = problems(connection, wanted)
                        new = [p for p in found if p.message not in healthy]
                        told = [(p.fault, str(p.key)) for p in new]
                        assert told == [(fault, str(one.key))], sql
    assert checked > 5


@contextmanager
def damaged(connection: psycopg.Connection[Any], sql: str) -> Iterator[bool]:
    """Do the damage for the time of the block; False where the server does not allow it."""
    try:
        connection.execute(sql)
    except (psycopg.errors.DependentObjectsStillExist, psycopg.errors.FeatureNotSupported):
        yield False
    except (psycopg.errors.InvalidTableDefinition, psycopg.errors.UndefinedObject):
        yield False  # part of a key, or under another name than ours
    except (psycopg.errors.UndefinedTable, psycopg.errors.SyntaxError):
        yield False  # a domain's; an identity column's default
    else:
        yield True
    finally:
        connection.rollback()


def drop_of(one: Declared) -> str:
    """Return SQL that drops a declared object, with what depends on it."""
    key = one.key
    name, own = f"{identifier(key.schema or 'x')}.{identifier(key.name)}", identifier(key.name)
    table = f"{identifier(key.schema or 'x')}.{identifier(key.table or 'x')}"
    match key.kind:
        case Kind.SCHEMA | Kind.EXTENSION:
            return f"DROP {key.kind} {own} CASCADE"
        case Kind.COLUMN:
            return f"ALTER TABLE {table} DROP COLUMN {own} CASCADE"
        case Kind.CONSTRAINT:
            return f"ALTER TABLE {table} DROP CONSTRAINT {own} CASCADE"
        case Kind.TRIGGER | Kind.POLICY:
            return f"DROP {key.kind} {own} ON {table}"
        case Kind.FUNCTION:
            return f"DROP ROUTINE {signature(one)} CASCADE"
        case _:
            return f"DROP {key.kind} {name} CASCADE"


def signature(one: Declared) -> str:
    bare, bracket, arguments = one.key.name.partition("(")
    return f"{identifier(one.key.schema)}.{identifier(bare)}{bracket}{arguments}"


def changes_of(one: Declared) -> Iterator[tuple[str, Fault]]:
    """Yield SQL that changes what is declared of an object, and how that is to be told."""
    key, values = one.key, {name: facet.value for name, facet in one.facets.items()}
    own = identifier(key.name)
    table = f"{identifier(key.schema or 'x')}.{identifier(key.table or 'x')}"
    literal = f"'{identifier(key.schema or 'x')}.{own}'"
    column = f"ALTER TABLE {table} ALTER {own}"
    if values.get("nullable") == "no":
        yield f"{column} DROP NOT NULL", Fault.DIFFERENT
    if key.kind is Kind.COLUMN and values.get("default", "none") != "none":
        yield f"{column} DROP DEFAULT", Fault.DIFFERENT
    if str(values.get("type", "")).startswith("varchar("):
        oid = f"attrelid = '{table}'::regclass AND attname = '{key.name}'"
        yield f"UPDATE pg_attribute SET atttypmod = 7 + 4 WHERE {oid}", Fault.DIFFERENT
    if values.get("enabled") == "enabled":
        yield f"ALTER TABLE {table} DISABLE TRIGGER {own}", Fault.DEAD
    if "valid" in values:
        where = f"indexrelid = {literal}::regclass"
        yield f"UPDATE pg_index SET indisvalid = false WHERE {where}", Fault.DEAD
    if values.get("validated") == "yes":
        where = f"conname = '{key.name}' AND conrelid = to_regclass('{table}')"
        yield f"UPDATE pg_constraint SET convalidated = false WHERE {where}", Fault.DEAD
    if key.kind is Kind.MATERIALIZED_VIEW:
        name = f"{identifier(key.schema)}.{own}"
        yield f"REFRESH MATERIALIZED VIEW {name} WITH NO DATA", Fault.DEAD
    if "security" in values and "body" in values:
        other = "INVOKER" if values["security"] == "definer" else "DEFINER"
        yield f"ALTER ROUTINE {signature(one)} SECURITY {other}", Fault.DIFFERENT
        where = f"oid = '{signature(one)}'::regprocedure"
        yield f"UPDATE pg_proc SET prosrc = prosrc || ' ' WHERE {where}", Fault.DIFFERENT


def test_what_only_18_knows(database: str) -> None:
    file = FIXTURES / "since_18.sql"
    assert "ERROR" not in psql(database, file)
    assert placed(verified(database, [file])) == []
