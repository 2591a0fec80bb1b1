"""What is found dead fails when it is really run, and what is not does not: on every server."""

import re
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from pgwatch.demo import database as roofing
from pgwatch.demo.server import LocalServer
from pgwatch.migration.compare import Fault
from pgwatch.migration.liveness.judge import Liveness, judge_liveness
from pgwatch.migration.liveness.probe import Writes, probe_writes
from pgwatch.migration.verify import read_migrations
from pgwatch.targets.dsn import Dsn
from tests.conftest import create_database, drop_database
from tests.integration.test_migration_verify import psql, sections
from tests.liveness_cases import BEFORE, CASES, Case
from tests.random_bodies import Bodies
from tests.watching import over_session


def judged(dsn: str, files: Sequence[Path]) -> Liveness:
    return over_session(dsn, lambda session: judge_liveness(session, read_migrations(files)))


def raised(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> str:
    """The SQLSTATE with which `statement` really fails, "" if it does not."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except psycopg.Error as error:
        return error.sqlstate or "?"
    return ""


def numbered(case: Case, number: int) -> tuple[str, tuple[str, ...]]:
    return case.sql.replace("@", str(number)), tuple(
        run.replace("@", str(number)) for run in case.runs
    )


def test_found_dead_is_what_fails_when_it_is_run(any_database: str, tmp_path: Path) -> None:
    cases = [(case, *numbered(case, n)) for n, case in enumerate(CASES, 100)]
    migration = tmp_path / "migration.sql"
    migration.write_text(";\n".join(sql.strip().rstrip(";") for _, sql, _ in cases))
    wrong = []
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(BEFORE)
        connection.execute("SET check_function_bodies = off")  # as after what they name was dropped
        for _, sql, _ in cases:
            connection.execute(sql.encode())
        found = judged(any_database, [migration]).dead
        for number, (case, _, runs) in enumerate(cases, 100):
            states = {state for run in runs if (state := raised(connection, run))}
            mine = [one for one in found if re.search(rf"\b[a-z]{number}(_1)?\b", str(one.key))]
            told = {one.sqlstate for one in mine}
            if bool(told) != bool(states) or not told <= states:
                wrong.append((case.name, sorted(states), [(o.message, o.sqlstate) for o in mine]))
    assert not wrong, "\n".join(map(str, wrong))


# Bodies whose failure a handler swallows, and whether that is told.
HANDLED = {
    "RETURN absent FROM t LIMIT 1; EXCEPTION WHEN OTHERS THEN RETURN -1;": True,
    "RETURN absent FROM t; EXCEPTION WHEN unique_violation THEN RETURN 1; WHEN OTHERS THEN RAISE"
    " WARNING '%', SQLERRM; RETURN NULL;": True,
    "INSERT INTO t (state) VALUES ('gone'); RETURN 1; EXCEPTION WHEN OTHERS THEN"
    " INSERT INTO t (id) VALUES (1); RETURN NULL;": True,
    "PERFORM gone(); RETURN 1; EXCEPTION WHEN OTHERS THEN INSERT INTO t (id) VALUES (1); RETURN NULL;": True,
    "PERFORM gone(); RETURN 1; EXCEPTION WHEN OTHERS THEN RAISE WARNING 'no gone'; RETURN NULL;": False,
    "PERFORM 1 FROM gone; RETURN 1; EXCEPTION WHEN OTHERS THEN RETURN NULL;": False,
    "RETURN absent FROM t; EXCEPTION WHEN OTHERS THEN NULL; RETURN NULL;": False,
    "RETURN absent FROM t; EXCEPTION WHEN undefined_column THEN RETURN -1;": False,
    "BEGIN PERFORM absent FROM t; EXCEPTION WHEN OTHERS THEN NULL; END; RETURN 1;"
    " EXCEPTION WHEN OTHERS THEN RETURN -1;": False,
    "BEGIN RETURN 1 / id FROM t; EXCEPTION WHEN OTHERS THEN PERFORM absent FROM t; END; RETURN 1;"
    " EXCEPTION WHEN OTHERS THEN RETURN -1;": False,
    "RETURN id FROM t; EXCEPTION WHEN OTHERS THEN RETURN -1;": False,
}


def test_what_a_handler_for_others_hides_is_told(database: str, tmp_path: Path) -> None:
    migration = tmp_path / "migration.sql"
    functions = [
        f"CREATE FUNCTION f{number}() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        for number, body in enumerate(HANDLED)
    ]
    table = "CREATE TABLE t (id int, state state);"
    trigger = (
        "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t (id) VALUES"
        " (NEW.absent); RETURN NEW; EXCEPTION WHEN OTHERS THEN RAISE WARNING 'x'; RETURN NEW; END $$;"
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g();"
    )
    migration.write_text("\n".join([table, *functions, trigger]))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(BEFORE)
        connection.execute(migration.read_bytes())
    found = {str(one.key): one.message for one in judged(database, [migration]).dead}
    told = {f"f{number}()" for number, hidden in enumerate(HANDLED.values()) if hidden}
    assert found.keys() == told | {"g()"}
    text = "does not do its work, as a call ends in the handler for OTHERS: "
    assert found["f0()"] == f'f0(): {text}column "absent" does not exist'
    assert found["g()"] == f'g(): {text}record "new" has no field "absent"'


def test_what_fails_with_a_function_is_told(database: str, tmp_path: Path) -> None:
    migration = tmp_path / "migration.sql"
    migration.write_text(
        "CREATE TABLE t (id int, a int);CREATE TABLE u (id int);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM gone FROM t; RETURN NEW; END';"
        "CREATE TRIGGER g BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();"
        "CREATE FUNCTION h() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM gone FROM t; RETURN NEW; END';"
        "CREATE TRIGGER h BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION h();"
        "CREATE TRIGGER h BEFORE DELETE ON u FOR EACH ROW EXECUTE FUNCTION h();"
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(migration.read_bytes())
    fails = 'fails when it is called: column "gone" does not exist, so'
    assert {one.message for one in judged(database, [migration]).dead} == {
        f"f(): {fails} every INSERT and UPDATE on t fails",
        f"h(): {fails} UPDATE on t, DELETE on u fails",
    }


def test_function_of_a_disabled_trigger_is_not_dead_for_want_of_types(
    database: str, tmp_path: Path
) -> None:
    migration = tmp_path / "migration.sql"
    migration.write_text(
        "CREATE TABLE t (id int);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t (id) VALUES"
        " ((to_jsonb(NEW) -> 'id')::int); RETURN NEW; END $$;"
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
        "ALTER TABLE t DISABLE TRIGGER g;"
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(migration.read_bytes())
    assert judged(database, [migration]).dead == ()


def test_demo_before_and_after_its_cure(any_database: str) -> None:
    roofing.build(any_database)
    roofing.apply_migrations(any_database, lambda _: None)
    found = judged(any_database, roofing.MIGRATIONS)
    assert found.routines == 42
    told = [(one.place.line, str(one.key), one.sqlstate) for one in found.dead]
    assert told == [(206, "calendar_events.trigger_validate_calendar_event", "42703")]
    roofing.fix_damage(any_database)
    cured = judged(any_database, roofing.MIGRATIONS)
    assert (cured.routines, cured.dead) == (42, ())


MIGRATIONS = Path(__file__).parent.parent / "fixtures" / "migrations"
CLASSES = Path(__file__).parent.parent / "fixtures" / "liveness"


@pytest.mark.parametrize("file", sorted(CLASSES.glob("*.sql")), ids=lambda file: file.stem)
def test_failure_class_is_told_at_its_line_and_its_healthy_twin_is_not(
    any_server: LocalServer, file: Path, tmp_path: Path
) -> None:
    parts = sections(file)
    expected = [
        f"{number} {one}"
        for number, line in enumerate(parts["migration"].splitlines(), 1)
        if " -- " in line
        for one in line.split(" -- ")[1].split("; ")
    ]
    assert told_of(any_server, parts, "healthy", tmp_path) == []
    assert told_of(any_server, parts, "migration", tmp_path) == expected


@pytest.mark.parametrize(
    "file", sorted((MIGRATIONS / "classes").glob("*.sql")), ids=lambda f: f.stem
)
def test_healthy_migrations_have_nothing_dead(
    server: LocalServer, file: Path, tmp_path: Path
) -> None:
    assert told_of(server, sections(file), "healthy", tmp_path) == []


def test_large_healthy_migration_has_nothing_dead(any_database: str) -> None:
    psql(any_database, MIGRATIONS / "before.sql", MIGRATIONS / "healthy.sql")
    assert judged(any_database, [MIGRATIONS / "healthy.sql"]).dead == ()


def told_of(server: LocalServer, parts: dict[str, str], kind: str, folder: Path) -> list[str]:
    """What is found after `psql` ran the parts "before" and `kind`, in the order of the file."""
    for part, text in parts.items():
        (folder / part).write_text(text)
    name = create_database(server)
    try:
        dsn = server.dsn(name)
        assert "ERROR" not in psql(dsn, folder / "before", folder / kind)
        found = sorted(judged(dsn, [folder / kind]).dead, key=lambda one: one.place.line)
    finally:
        drop_database(server, name)
    events = [re.search(r"every (.*) on", one.message) for one in found]
    return [
        f"{one.place.line} {one.key.kind} {one.key} {one.sqlstate}{f' {event[1]}' if event else ''}"
        for one, event in zip(found, events, strict=True)
    ]


WRITES = """
CREATE TABLE sound (id int PRIMARY KEY, name text NOT NULL, kind kind NOT NULL, age int CHECK (age > 3));
CREATE TABLE empty (id bigserial PRIMARY KEY, at date NOT NULL, kind kind NOT NULL,
    code varchar(3) UNIQUE NOT NULL);
CREATE TABLE hidden (id int PRIMARY KEY, name text);
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE 'SELECT ' || 'absent(1)'; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON hidden DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION late();
CREATE TABLE strict (id int PRIMARY KEY);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON strict FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def probed(dsn: str, files: Sequence[Path]) -> Writes:
    return over_session(dsn, lambda session: probe_writes(session, read_migrations(files)))


def test_probe_finds_what_only_a_write_shows_and_leaves_nothing(
    any_database: str, tmp_path: Path
) -> None:
    migration = tmp_path / "migration.sql"
    migration.write_text(WRITES)
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute("CREATE TYPE kind AS ENUM ('a', 'b')")
        connection.execute(WRITES.encode())
        connection.execute("INSERT INTO sound VALUES (1, 'x', 'b', 4)")
        connection.execute("SET session_replication_role = replica; INSERT INTO hidden VALUES (1)")
        assert judged(any_database, [migration]).dead == ()
        found = probed(any_database, [migration])
        assert [(str(one.key), one.sqlstate, one.place.line) for one in found.dead] == [
            ("hidden", "42883", 8)
        ]
        assert found.tables == 4
        assert [(event, str(key)) for event, key in found.refused] == [("INSERT", "strict")]
        for table, rows in (("sound", 1), ("empty", 0), ("hidden", 1), ("strict", 0)):
            [(count,)] = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()
            assert count == rows


def test_probe_without_the_privilege_cannot_tell(database: str, tmp_path: Path) -> None:
    migration = tmp_path / "migration.sql"
    migration.write_text("CREATE TABLE t (a int);")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int)")
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'x'")
        connection.execute("GRANT SELECT ON t TO reader")
    weak = str(Dsn.parse(database).conninfo(user="reader", password="x"))
    [one] = probed(weak, [migration]).dead
    assert (one.fault, one.sqlstate) == (Fault.UNVERIFIABLE, "42501")
    assert one.fix == 'GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."t" TO CURRENT_USER;'
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP OWNED BY reader")
        connection.execute("DROP ROLE reader")


def test_role_that_may_not_look_cannot_tell(database: str, tmp_path: Path) -> None:
    migration = tmp_path / "migration.sql"
    migration.write_text(
        "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM app.t';"
        "CREATE FUNCTION g() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM u';"
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA app; CREATE TABLE app.t (a int); CREATE TABLE u (a int)")
        connection.execute(migration.read_bytes())
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'x'")
    weak = str(Dsn.parse(database).conninfo(user="reader", password="x"))
    [one] = judged(weak, [migration]).dead
    assert (one.fault, str(one.key)) == (Fault.UNVERIFIABLE, "f()")
    assert "permission denied for schema app" in one.message
    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE u IN ACCESS EXCLUSIVE MODE")
        [locked] = judged(database, [migration]).dead
    assert (locked.fault, str(locked.key)) == (Fault.UNVERIFIABLE, "g()")
    assert judged(database, [migration]).dead == ()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP ROLE reader")


def test_guards_made_at_random_let_through_what_really_runs(
    any_server: LocalServer, tmp_path: Path
) -> None:
    seeds = range(80)
    name = create_database(any_server)
    dsn = any_server.dsn(name)
    parts = []
    for seed in seeds:
        body = Bodies(seed, f"t{seed}").body()
        parts.append(f"""CREATE TABLE t{seed} (id int, name text);
INSERT INTO t{seed} VALUES (1, 'one');
CREATE FUNCTION f{seed}() RETURNS trigger LANGUAGE plpgsql AS $body$ {body} $body$;
CREATE TRIGGER g{seed} BEFORE INSERT OR UPDATE OR DELETE ON t{seed}
    FOR EACH ROW EXECUTE FUNCTION f{seed}('argument');""")
    migration = tmp_path / "migration.sql"
    migration.write_text("\n".join(parts))
    wrong = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(migration.read_bytes())
        found = {str(one.key): one for one in judged(dsn, [migration]).dead}
        for seed in seeds:
            one = found.get(f"t{seed}.g{seed}")
            told = {e for e in ("INSERT", "UPDATE", "DELETE") if one and e in one.message}
            runs = {
                "INSERT": f"INSERT INTO t{seed} VALUES (2)",
                "UPDATE": f"UPDATE t{seed} SET id = 3",
                "DELETE": f"DELETE FROM t{seed}",
            }
            fails = {event for event, run in runs.items() if raised(connection, run)}
            # What only an exception leads to is told as such; whether one comes only running shows.
            if told != fails and not (one and " where " in one.message and not fails):
                wrong.append((seed, told, fails, Bodies(seed, f"t{seed}").body()))
    drop_database(any_server, name)
    assert len(found) > 12
    assert not wrong, "\n".join(map(str, wrong))
