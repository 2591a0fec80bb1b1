"""`pgwatch doctor`: what runs, what does not and why, and the GRANT that cures it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgwatch.demo.server import LocalServer
from tests.conftest import create_database, drop_database
from tests.gate import Ran, pgwatch
from tests.roofing_tables import TABLES
from tests.watching import sql


@pytest.fixture
def modest(server: LocalServer) -> Iterator[tuple[str, str]]:
    """The URLs of a role without rights, and of the superuser, in a database of the roofing application."""
    name = create_database(server)
    sql(server.dsn(name), TABLES)
    sql(server.dsn(name), "CREATE EXTENSION pg_stat_statements")
    sql(server.dsn(), "CREATE ROLE \"doctor's\" LOGIN PASSWORD 'zebra4711'")
    yield server.dsn(name, user="doctor's", password="zebra4711"), server.dsn(name)
    drop_database(server, name)
    sql(server.dsn(), 'DROP ROLE IF EXISTS "doctor\'s"')


def rows(ran: Ran) -> dict[str, dict[str, Any]]:
    return {row["query"]: row for row in json.loads(ran.out)}


def test_a_superuser_sees_everything(any_database: str, tmp_path: Path) -> None:
    ran = pgwatch("doctor", any_database, cwd=tmp_path)
    assert (ran.status, ran.err) == (0, "")
    for line in (
        r"PostgreSQL \d+\.\d+.*, primary; as postgres \(superuser\)",
        r"core/activity +runs +\d+\.\d ms, \d+ series, every 15 s",
        r"core/matview_refresh +skipped  needs the setting track_commit_timestamp = on; here it is off",
        r"\d+ run, \d+ skipped; together \d\.\d\d % of one backend's time",
    ):
        assert re.search(rf"^  {line}$", ran.out, re.MULTILINE), line
    found = rows(pgwatch("doctor", any_database, "--json", cwd=tmp_path))
    assert {row["state"] for row in found.values()} == {"runs", "skipped"}


def test_each_grant_that_it_prints_cures(modest: tuple[str, str], tmp_path: Path) -> None:
    role, admin = modest
    ran = pgwatch("doctor", role, cwd=tmp_path)
    assert ran.status == 1
    assert "as doctor's (no predefined role)" in ran.out
    assert re.search(r"denied +permission denied for table constraint_violations\n", ran.out)
    assert ran.out.endswith("\n\n")
    cures = ran.out.partition("what cures the denied, in database ")[2].splitlines()[1:-1]
    [tables] = [line for line in cures if line.startswith("    GRANT SELECT ON ")]
    assert "public.constraint_violations, " in tables
    assert tables.endswith(' TO "doctor\'s";')
    assert '    GRANT pg_monitor TO "doctor\'s";' in cures
    assert len(set(cures)) == len(cures) == ran.out.count("GRANT ")
    assert "pg_read_all_stats TO" not in ran.out  # pg_monitor has it
    granted: set[str] = set()
    for _ in range(10):
        found = rows(pgwatch("doctor", role, "--json", cwd=tmp_path))
        denied = {row["fix"] for row in found.values() if row["state"] == "denied"}
        assert "" not in denied
        if not denied:
            break
        assert not denied <= granted, "a GRANT did not cure"
        for fix in denied - granted:
            sql(admin, fix)
        granted |= denied
    assert {row["state"] for row in found.values()} == {"runs", "skipped"}
    complete = pgwatch("doctor", role, cwd=tmp_path)
    assert complete.status == 0
    assert "zebra4711" not in ran.out + ran.err + complete.out


def test_a_lock_in_the_way_is_named(modest: tuple[str, str], tmp_path: Path) -> None:
    _, admin = modest
    with psycopg.connect(admin) as holder:
        holder.execute("LOCK TABLE constraint_violations IN ACCESS EXCLUSIVE MODE")
        ran = pgwatch("doctor", admin, "--json", cwd=tmp_path)
        pid = holder.info.backend_pid
    row = rows(ran)["app/roofing/constraint_violations"]
    assert ran.status == 1
    assert row["state"] == "blocked"
    assert f"process {pid} holds ACCESS EXCLUSIVE" in row["reason"]


def test_no_session_and_no_target(server: LocalServer, tmp_path: Path) -> None:
    ran = pgwatch("doctor", server.dsn(password="zebra4711"), cwd=tmp_path)
    assert ran.status == 1
    assert "no session: connection to server at" in ran.out
    assert "zebra4711" not in ran.out + ran.err
    as_json = pgwatch("doctor", server.dsn(password="zebra4711"), "--json", cwd=tmp_path)
    assert (as_json.status, as_json.out) == (1, "[]\n")
    assert "password authentication failed" in as_json.err
    assert "zebra4711" not in as_json.err
    assert pgwatch("doctor", cwd=tmp_path).status == 2


def test_an_answer_that_was_cut_is_not_well(database: str, tmp_path: Path) -> None:
    pack = tmp_path / "mine" / "app"
    pack.mkdir(parents=True)
    (pack / "many.sql").write_text(
        "/*\nhelp: Many\nmax_series: 2\nmetrics:\n"
        "  many: {type: gauge, value: value, labels: [n], help: Many}\n*/\n"
        "SELECT n AS n, 1 AS value FROM generate_series(1, 5) AS n ORDER BY n;\n"
    )
    (tmp_path / "pgwatch.yml").write_text("queries: [mine]\ndefaults: {packs: [app]}\n")
    ran = pgwatch("doctor", database, "--json", "--config", "pgwatch.yml", cwd=tmp_path)
    row = rows(ran)["app/many"]
    assert (ran.status, row["state"], row["series"]) == (1, "cut", 2)
    assert row["reason"] == "3 series dropped: max_series"
    said = pgwatch("doctor", database, "--config", "pgwatch.yml", cwd=tmp_path).out
    assert re.search(r"app/many +cut ", said)
