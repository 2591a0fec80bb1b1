"""Objects that are gone or changed, and what migrations say of them."""

import pytest

from pgwatch.baseline.announced import Announced
from pgwatch.baseline.compared import Compared, State
from pgwatch.baseline.model import Object, Untold
from pgwatch.baseline.objects import compare_objects
from pgwatch.rules.rule import Severity
from tests.baselines import part, table

USERS = table("users", privileges="select to web")
EMAIL = part("column", "users", "email", type="text")
KEY = part(
    "constraint",
    "users",
    "users_email_key",
    ("email",),
    definition="UNIQUE (email)",
    validated="yes",
)
INDEX = part("index", "users", "users_by_email", ("email",), definition="…", valid="yes")
TRIGGER = part("trigger", "users", "audit", definition="sha256:1", enabled="yes")
VIEW = Object(
    kind="view",
    schema="public",
    name="people",
    facts={"definition": "sha256:1"},
    uses=("public.users",),
)
FUNCTION = Object(
    kind="function", schema="public", name="f(integer)", facts={"definition": "sha256:1"}
)
OLD = (USERS, EMAIL, KEY, INDEX, TRIGGER, VIEW, FUNCTION)


def compared(*new: Object, migration: str | None = None) -> Compared:
    announced = None if migration is None else Announced([migration])
    return compare_objects(OLD, new, announced)


def summaries(found: Compared) -> list[str]:
    return [change.summary for change in found.changes]


def without(*gone: Object) -> tuple[Object, ...]:
    return tuple(one for one in OLD if one not in gone)


def test_nothing_gone_and_nothing_changed() -> None:
    assert compared(*OLD) == Compared(reason="7 objects")
    assert compared(*OLD, table("more")).reason == "7 objects, 1 new"


LOST = [
    pytest.param((KEY,), ["constraint public.users.users_email_key is gone"], id="constraint"),
    pytest.param((INDEX,), ["index public.users_by_email is gone"], id="index"),
    pytest.param((TRIGGER,), ["trigger public.users.audit is gone"], id="trigger"),
    pytest.param((FUNCTION,), ["function public.f(integer) is gone"], id="function"),
    pytest.param((EMAIL, KEY, INDEX), ["column public.users.email is gone"], id="column"),
    pytest.param(
        (USERS, EMAIL, KEY, INDEX, TRIGGER),
        ["table public.users is gone"],
        id="table with its parts",
    ),
]


@pytest.mark.parametrize(("gone", "expected"), LOST)
def test_each_loss_is_told_once(gone: tuple[Object, ...], expected: list[str]) -> None:
    found = compared(*without(*gone))
    assert summaries(found) == expected
    assert found.changes[0].severity is Severity.CRITICAL
    assert "where --migrations names it" in found.reason


ANNOUNCED = [
    ("DROP TABLE users", (USERS, EMAIL, KEY, INDEX, TRIGGER), True),
    ('alter table "users" drop column "email"', (EMAIL, KEY, INDEX), True),
    ("ALTER TABLE users RENAME COLUMN email TO mail", (EMAIL,), True),
    ("ALTER TABLE users RENAME TO old_users", (USERS, EMAIL, KEY, INDEX, TRIGGER), True),
    ("ALTER TABLE users DROP CONSTRAINT users_email_key", (KEY,), True),
    ("DROP INDEX CONCURRENTLY IF EXISTS users_by_email", (INDEX,), True),
    ("DO $$ BEGIN DROP INDEX users_by_email; END $$", (INDEX,), True),
    ("DROP FUNCTION f(integer)", (FUNCTION,), True),
    ("DROP TABLE users CASCADE", (VIEW,), True),
    ("DROP TABLE users", (VIEW,), False),
    ("DROP TABLE orders CASCADE", (VIEW,), False),
    ("-- DROP INDEX users_by_email\nSELECT 1", (INDEX,), False),
    ("ALTER TABLE orders DROP COLUMN email", (EMAIL,), False),
    ("CREATE INDEX users_by_email ON users (email)", (INDEX,), False),
]


@pytest.mark.parametrize(("migration", "gone", "expected"), ANNOUNCED)
def test_what_a_migration_takes_away_is_expected(
    migration: str, gone: tuple[Object, ...], expected: bool
) -> None:
    assert (summaries(compared(*without(*gone), migration=migration)) == []) is expected


def changed(old: Object, **facts: str) -> tuple[Object, ...]:
    new = Object(
        kind=old.kind,
        schema=old.schema,
        table=old.table,
        name=old.name,
        columns=old.columns,
        uses=old.uses,
        facts={**old.facts, **facts},
    )
    return tuple(new if one is old else one for one in OLD)


CHANGED = [
    (changed(EMAIL, type="integer"), "column public.users.email: type was text, is integer"),
    (changed(EMAIL, default="''"), "column public.users.email: default was none, is ''"),
    (
        changed(KEY, validated="no"),
        "constraint public.users.users_email_key: validated was yes, is no",
    ),
    (changed(INDEX, valid="no"), "index public.users_by_email: valid was yes, is no"),
    (changed(TRIGGER, enabled="no"), "trigger public.users.audit: enabled was yes, is no"),
    (changed(FUNCTION, definition="sha256:2"), "function public.f(integer): another definition"),
    (changed(USERS, privileges=""), "table public.users: privileges was select to web, is none"),
]


@pytest.mark.parametrize(("new", "expected"), CHANGED)
def test_what_changed_is_told(new: tuple[Object, ...], expected: str) -> None:
    assert summaries(compared(*new)) == [expected]


EXPECTED = [
    ("ALTER TABLE users ALTER COLUMN email TYPE integer", changed(EMAIL, type="integer"), True),
    ("ALTER TABLE orders ALTER COLUMN email TYPE integer", changed(EMAIL, type="integer"), False),
    ("ALTER TABLE users ALTER email TYPE citext", changed(KEY, definition="other"), True),
    ("ALTER TABLE users ALTER email TYPE citext", changed(VIEW, definition="sha256:2"), True),
    ("CREATE OR REPLACE FUNCTION f(int) …", changed(FUNCTION, definition="sha256:2"), True),
    ("CREATE OR REPLACE FUNCTION g(int) …", changed(FUNCTION, definition="sha256:2"), False),
    ("REVOKE ALL ON users FROM web", changed(USERS, privileges=""), True),
    ("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM web", changed(USERS, privileges=""), True),
    ("REVOKE ALL ON ALL TABLES IN SCHEMA app FROM web", changed(USERS, privileges=""), False),
    ("ALTER TABLE new_users RENAME TO users", changed(USERS, privileges=""), False),
    ("ALTER TABLE users OWNER TO dba", changed(USERS, owner="dba"), True),
    ("ALTER TABLE users ADD COLUMN x int", changed(USERS, owner="dba"), False),
]


@pytest.mark.parametrize(("migration", "new", "expected"), EXPECTED)
def test_what_a_migration_changes_is_expected(
    migration: str, new: tuple[Object, ...], expected: bool
) -> None:
    assert (summaries(compared(*new, migration=migration)) == []) is expected


def test_what_got_better_is_no_finding() -> None:
    dead = changed(KEY, validated="no")
    assert compare_objects(dead, OLD, None).changes == ()


def test_extension_that_was_updated_is_a_warning() -> None:
    old = Object(kind="extension", schema="", name="postgis", facts={"version": "3.4"})
    new = Object(kind="extension", schema="", name="postgis", facts={"version": "3.5"})
    (change,) = compare_objects([old], [new], None).changes
    assert (change.summary, change.severity) == (
        "extension postgis: version was 3.4, is 3.5",
        Severity.WARNING,
    )


def test_side_that_could_not_be_read_makes_it_unknown() -> None:
    assert (
        compare_objects(Untold(unknown="locked"), OLD, None).reason
        == "the baseline has no objects: locked"
    )
    assert compare_objects(OLD, Untold(unknown="locked"), None).state is State.UNKNOWN
