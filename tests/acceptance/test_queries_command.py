"""`pgwatch queries`: the catalogue, and one query in the terminal."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgwatch.demo.server import LocalServer
from pgwatch.share import share
from tests.conftest import create_database, drop_database
from tests.gate import pgwatch
from tests.watching import sql

QUERY = "core/constraints"


@pytest.fixture
def modest(server: LocalServer) -> Iterator[str]:
    """The URL of a role without rights, in a database with one constraint that is not validated."""
    name = create_database(server)
    sql(server.dsn(name), "CREATE TABLE t (i int)")
    sql(server.dsn(name), "ALTER TABLE t ADD CONSTRAINT t_check CHECK (i > 0) NOT VALID")
    sql(server.dsn(), "CREATE ROLE reader LOGIN PASSWORD 'zebra4711'")
    yield server.dsn(name, user="reader", password="zebra4711")
    drop_database(server, name)
    sql(server.dsn(), "DROP ROLE IF EXISTS reader")


def test_the_catalogue_needs_no_database(tmp_path: Path) -> None:
    ran = pgwatch("queries", "list", cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    assert re.search(rf"^{QUERY} +1m  database  Constraints that exist", ran.out, re.MULTILINE)
    listed = json.loads(pgwatch("queries", "list", "--json", cwd=tmp_path).out)
    files = {
        str(path.relative_to(share("queries")))[:-4] for path in share("queries").rglob("*.sql")
    }
    assert {row["name"] for row in listed} == files
    assert [row["name"] for row in listed] == [line.split()[0] for line in ran.out.splitlines()]
    row = next(row for row in listed if row["name"] == "core/connections")
    assert row["privileges"] == ["pg_read_all_stats"]
    assert row["metrics"] == ["pg_connections_used", "pg_connections_limit"]


def test_the_file_of_a_query(tmp_path: Path) -> None:
    ran = pgwatch("queries", "show", QUERY, cwd=tmp_path)
    path = share("queries") / f"{QUERY}.sql"
    assert (ran.status, ran.out) == (0, f"-- {path}\n{path.read_text()}")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("constraints", "did you mean core/constraints?"), ("core/nope", "queries list shows them")],
)
def test_a_query_that_does_not_exist(name: str, hint: str, tmp_path: Path) -> None:
    for arguments in (["show", name], ["run", name, "postgresql://u@127.0.0.1:1/d"]):
        ran = pgwatch("queries", *arguments, cwd=tmp_path)
        assert (ran.status, ran.out) == (2, "")
        assert f"there is no query '{name}'" in ran.err
        assert hint in ran.err


def test_running_a_query(modest: str, tmp_path: Path) -> None:
    ran = pgwatch("queries", "run", QUERY, modest, cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    series, note = ran.out.splitlines()
    assert series.startswith('pg_constraint_not_validated{conname="t_check", contype="check"')
    assert series.endswith("} 1")
    assert re.fullmatch(r"# \w+/\w+: 1 series in \d+\.\d ms", note)
    (row,) = json.loads(pgwatch("queries", "run", QUERY, modest, "--json", cwd=tmp_path).out)
    assert (row["labels"]["relname"], row["value"]) == ("t", 1.0)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_query_without_an_answer(modest: str, form: list[str], tmp_path: Path) -> None:
    ran = pgwatch("queries", "run", "core/connections", modest, *form, cwd=tmp_path)
    assert ran.status == 1
    assert ran.out == ("[]\n" if form else "")
    assert ran.err.endswith(
        ": denied: role reader is not a member of pg_read_all_stats\n"
        'GRANT pg_read_all_stats TO "reader";\n'
    )


def test_a_query_that_does_not_apply(server: LocalServer, tmp_path: Path) -> None:
    ran = pgwatch("queries", "run", "core/matview_refresh", server.dsn(), cwd=tmp_path)
    assert ran.status == 1
    assert ": skipped: needs the setting track_commit_timestamp = on" in ran.err


def test_no_session(server: LocalServer, tmp_path: Path) -> None:
    dsn = server.dsn(password="zebra4711")
    ran = pgwatch("queries", "run", QUERY, dsn, "--json", cwd=tmp_path)
    assert (ran.status, ran.out) == (1, "[]\n")
    assert "password authentication failed" in ran.err
    assert "zebra4711" not in ran.err


@pytest.mark.parametrize("command", [["doctor"], ["queries", "run", "core/tables"]])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_patterns_that_choose_no_database_are_told(
    server: LocalServer, command: list[str], form: list[str], tmp_path: Path
) -> None:
    (tmp_path / "pgwatch.yml").write_text(
        f"targets: [{{name: none, dsn: '{server.dsn()}', databases: ['zz*']}}]\n"
    )
    ran = pgwatch(*command, *form, cwd=tmp_path)
    assert ran.status == 1
    assert "no database of the server matches zz*" in ran.out + ran.err
