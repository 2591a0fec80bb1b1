"""`pgwatch baseline` and `pgwatch check --baseline`, as a person runs them around a deploy."""

import json
from pathlib import Path

import psycopg
import pytest

from pgwatch.demo import database as roofing
from pgwatch.demo.server import LocalServer
from tests.conftest import create_database, drop_database
from tests.gate import Ran, gate, pgwatch
from tests.watching import sql

SCHEMA = """
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE TABLE house (id int PRIMARY KEY, price int);
CREATE INDEX house_price ON house (price);
INSERT INTO house SELECT n, n FROM generate_series(1, 2000) AS n;
"""
BENCHMARK = """/*
help: Houses in less than a second
kind: benchmark
limit: {limit}
runs: 3
requires: {{relation: public.house}}
*/
SELECT id, price FROM public.house WHERE price = 7;
"""
COMPARED = [
    "baseline_objects",
    "baseline_rows",
    "baseline_sizes",
    "baseline_settings",
    "baseline_health",
    "baseline_statements",
    "baseline_performance",
]


@pytest.fixture
def folder(database: str, tmp_path: Path) -> Path:
    """A working folder with a configuration, and `before.json` of the database."""
    sql(database, SCHEMA)
    (tmp_path / "queries" / "own").mkdir(parents=True)
    (tmp_path / "queries" / "own" / "benchmark_house.sql").write_text(BENCHMARK.format(limit="1s"))
    (tmp_path / "pgwatch.yml").write_text(
        f"targets: [{{name: shop, dsn: '{database}'}}]\nqueries: [queries]\n"
    )
    saved = pgwatch("baseline", "save", "before.json", cwd=tmp_path)
    assert (saved.status, saved.err) == (0, "")
    assert saved.out.startswith("before.json: saved shop/")
    return tmp_path


def check(folder: Path, *more: str) -> Ran:
    return gate("--baseline", "before.json", *more, cwd=folder)


def test_nothing_is_worse_and_it_passes(folder: Path) -> None:
    ran = check(folder)
    assert (ran.status, ran.report["verdict"]) == (0, "pass")
    verdicts = ran.verdicts
    assert [verdicts[name] for name in COMPARED[:5]] == ["pass"] * 5
    assert verdicts["benchmarks"] == "pass"
    assert "p95: house " in ran.check("benchmarks")["reason"]
    shown = pgwatch("baseline", "show", "before.json", cwd=folder)
    assert shown.status == 0
    assert "benchmark own/benchmark_house: p50 " in shown.out
    assert "1 table with 2,000 rows" in shown.out
    plain = pgwatch("baseline", "show", "before.json", "--json", cwd=folder)
    assert plain.out == (folder / "before.json").read_text()


def test_old_debts_do_not_block_and_new_ones_do(database: str, folder: Path) -> None:
    sql(database, "ALTER TABLE house ADD CONSTRAINT old_debt CHECK (price > 5) NOT VALID")
    assert gate(cwd=folder).status == 1
    pgwatch("baseline", "save", "before.json", "--force", cwd=folder)
    ran = check(folder)
    known = ran.check("PostgresConstraintNotValidated")
    assert (ran.status, known["verdict"]) == (0, "pass")
    assert [one["new"] for one in known["findings"]] == [False]
    assert known["reason"] == "1 of 1 old, there when the baseline was saved: not counted"

    sql(database, "ALTER TABLE house ADD CONSTRAINT new_debt CHECK (price > 6) NOT VALID")
    ran = check(folder)
    found = ran.check("PostgresConstraintNotValidated")
    assert (ran.status, found["verdict"]) == (1, "fail")
    assert {one["labels"]["conname"]: one["new"] for one in found["findings"]} == {
        "old_debt": False,
        "new_debt": True,
    }
    text = pgwatch("check", "--once", "--baseline", "before.json", cwd=folder).out
    assert "new: Constraint new_debt on" in text
    assert "old: Constraint old_debt on" in text


def test_migration_that_was_not_applied_does_not_pass_as_an_old_debt(folder: Path) -> None:
    """As the guide has it: the baseline is saved when the migration is named already, and not applied."""
    (folder / "migration.sql").write_text("ALTER TABLE house ADD COLUMN colour text;\n")
    with (folder / "pgwatch.yml").open("a") as file:
        file.write("migrations: [migration.sql]\n")
    pgwatch("baseline", "save", "before.json", "--force", cwd=folder)
    ran = check(folder)
    missing = ran.check("migration_structure")
    assert (ran.status, missing["verdict"]) == (1, "fail")
    assert [one["new"] for one in missing["findings"]] == [True]
    pgwatch("baseline", "save", "after.json", cwd=folder)
    compared = pgwatch("baseline", "compare", "before.json", "after.json", cwd=folder)
    assert "migration_structure: column house.colour: missing" in " ".join(compared.out.split())


def test_loss_that_no_migration_announces_blocks(database: str, folder: Path) -> None:
    sql(database, "DROP INDEX house_price")
    sql(database, "DELETE FROM house")
    ran = check(folder)
    assert ran.status == 1
    (lost,) = ran.check("baseline_objects")["findings"]
    assert lost["summary"] == "index public.house_price is gone"
    assert lost["labels"] == {
        "kind": "index", "object": "public.house_price", "problem": "lost",
    }  # fmt: skip
    assert lost["new"] is True
    (emptied,) = ran.check("baseline_rows")["findings"]
    assert emptied["summary"] == "public.house has no rows, 2,000 before"
    (planned,) = ran.check("benchmarks")["findings"]
    assert planned["labels"]["problem"] == "another_plan"

    (folder / "migration.sql").write_text("DROP INDEX house_price;\nDELETE FROM house;\n")
    ran = check(folder, "--migrations", "migration.sql")
    assert (ran.status, ran.verdicts["baseline_objects"]) == (0, "pass")
    assert ran.verdicts["baseline_rows"] == "pass"

    with (folder / "pgwatch.yml").open("a") as file:
        file.write("ignore: [{check: 'baseline_objects', labels: {object: public.house_price}}]\n")
    assert check(folder).check("baseline_objects")["reason"].endswith("1 accepted and not counted")


def test_compare_of_files_and_of_the_live_targets(database: str, folder: Path) -> None:
    live = pgwatch("baseline", "compare", "before.json", "--json", cwd=folder)
    assert live.status == 0
    assert [one["name"] for one in live.report["checks"]] == ["benchmarks", *COMPARED]
    sql(database, "ALTER TABLE house ALTER price TYPE bigint")
    live = pgwatch("baseline", "compare", "before.json", cwd=folder)
    assert live.status == 1
    assert "column public.house.price: type was integer, is bigint" in live.out

    assert pgwatch("baseline", "save", "after.json", cwd=folder).status == 0
    files = pgwatch("baseline", "compare", "before.json", "after.json", "--json", cwd=folder)
    assert files.status == 1
    assert files.check("baseline_objects")["findings"][0]["object"] == "public.house.price"
    assert files.check("baseline_findings")["verdict"] == "pass"
    backwards = pgwatch("baseline", "compare", "after.json", "before.json", cwd=folder)
    assert backwards.status == 3
    assert "the baseline is younger than what it is" in " ".join(backwards.out.split())


def test_each_watched_database_is_compared(
    database: str, server: LocalServer, folder: Path
) -> None:
    second = create_database(server)
    try:
        dsn = server.dsn(second)
        sql(dsn, SCHEMA)
        first = database.rpartition("/")[2]
        (folder / "pgwatch.yml").write_text(
            f"targets: [{{name: both, dsn: '{database}', databases: [{first}, {second}]}}]\n"
        )
        assert pgwatch("baseline", "save", "both.json", cwd=folder).status == 0
        sql(dsn, "DROP INDEX house_price")
        ran = pgwatch("baseline", "compare", "both.json", "--json", cwd=folder)
        (found,) = ran.check("baseline_objects")["findings"]
        assert (ran.status, found["labels"]["datname"]) == (1, second)
        assert found["summary"] == f"{second}: index public.house_price is gone"
        drop_database(server, second)
        ran = pgwatch("baseline", "compare", "both.json", "--json", cwd=folder)
        assert (ran.status, ran.check("baseline_objects")["verdict"]) == (3, "unknown")
    finally:
        drop_database(server, second)


def test_warnings_stop_where_they_are_asked_to(folder: Path) -> None:
    document = json.loads((folder / "before.json").read_text())
    document["snapshots"][0]["settings"]["work_mem"]["value"] = "1kB"
    (folder / "before.json").write_text(json.dumps(document))
    assert pgwatch("baseline", "compare", "before.json", cwd=folder).status == 0
    ran = pgwatch("baseline", "compare", "before.json", "--fail-on", "warn", cwd=folder)
    assert (ran.status, "work_mem was 1kB, is 4096kB" in ran.out) == (1, True)


def test_benchmark_over_its_limit_blocks_unless_it_was_so_before(folder: Path) -> None:
    file = folder / "queries" / "own" / "benchmark_house.sql"
    slow = BENCHMARK.format(limit="10ms").replace("SELECT id", "SELECT pg_sleep(0.02), id")
    file.write_text(slow)
    ran = gate("--only", "benchmarks", cwd=folder)
    assert ran.status == 1
    (found,) = ran.check("benchmarks")["findings"]
    assert found["summary"].startswith("house: 95 % of 3 runs took up to 2")
    assert (found["new"], found["labels"]["benchmark"]) == (None, "own/benchmark_house")
    assert pgwatch("baseline", "save", "before.json", "--force", cwd=folder).status == 0
    ran = check(folder, "--only", "benchmarks")
    assert (ran.status, ran.check("benchmarks")["findings"][0]["new"]) == (0, False)

    document = json.loads((folder / "before.json").read_text())
    document["snapshots"][0]["server"]["system_identifier"] = "1"
    (folder / "before.json").write_text(json.dumps(document))
    ran = check(folder, "--only", "benchmarks")
    assert ran.status == 1, "that another cluster was slow, too, excuses nothing"


def test_regression_of_all_statements_blocks_and_improvement_can_be_asked_for(
    database: str, folder: Path
) -> None:
    statement = "SELECT price FROM house_list WHERE id = %s"

    def work(nap: str, times: int) -> None:
        sql(database, "DROP VIEW IF EXISTS house_list")
        sql(
            database,
            "CREATE VIEW house_list AS SELECT house.* FROM house,"
            f" (SELECT pg_sleep({nap}) OFFSET 0) AS nap",
        )
        with psycopg.connect(database, autocommit=True) as connection:
            for number in range(times):
                connection.execute(statement, [number])

    work("0.001", 30)
    pgwatch("baseline", "save", "before.json", "--force", cwd=folder)
    work("0.008", 220)
    only = ("--only", "baseline_statements", "--only", "baseline_performance")
    ran = check(folder, *only)
    assert (ran.status, ran.verdicts["baseline_statements"]) == (1, "warn")
    assert "more time than before" in ran.check("baseline_performance")["findings"][0]["summary"]

    pgwatch("baseline", "save", "before.json", "--force", cwd=folder)
    with (folder / "pgwatch.yml").open("a") as file:
        file.write("baseline: {improvement: 30%}\n")
    work("0.006", 30)
    assert check(folder, *only).verdicts["baseline_performance"] == "warn"
    work("0.001", 60)
    assert check(folder, *only).verdicts["baseline_performance"] == "pass"


def test_reset_and_a_role_without_rights_could_not_be_told(
    database: str, server: LocalServer, folder: Path
) -> None:
    sql(database, "CREATE ROLE weak LOGIN PASSWORD 'weak'")
    try:
        dsn = server.dsn(database.rpartition("/")[2], user="weak", password="weak")
        (folder / "weak.yml").write_text(f"targets: [{{name: shop, dsn: '{dsn}'}}]\n")
        ran = gate(
            *("--config", "weak.yml", "--baseline", "before.json", "--only", "baseline_*"),
            cwd=folder,
        )
    finally:
        sql(database, "DROP ROLE weak")
    assert (ran.status, ran.verdicts["baseline_performance"]) == (3, "unknown")
    reason = ran.check("baseline_performance")["reason"]
    assert reason.endswith('; cure: GRANT pg_read_all_stats TO "weak";')

    sql(database, "SELECT pg_stat_statements_reset()")
    ran = check(folder, "--only", "baseline_*")
    assert (ran.status, ran.verdicts["baseline_performance"]) == (3, "unknown")
    assert "pg_stat_statements was reset at" in ran.check("baseline_performance")["reason"]


def test_mistakes_end_with_2_and_change_nothing(database: str, folder: Path) -> None:
    before = (folder / "before.json").read_bytes()
    again = pgwatch("baseline", "save", "before.json", cwd=folder)
    assert (again.status, again.err) == (2, "before.json: exists already; --force replaces it\n")
    assert (folder / "before.json").read_bytes() == before
    (folder / "bad.json").write_text(before.decode()[:500])
    for command in (
        ("baseline", "show", "bad.json"),
        ("check", "--once", "--baseline", "bad.json"),
    ):
        ran = pgwatch(*command, cwd=folder)
        assert ran.status == 2
        assert "is damaged, or no baseline: from here on it is not JSON" in ran.err
    ran = gate("--only", "baseline_rows", cwd=folder)
    assert (ran.status, "is there only with --baseline" in ran.err) == (2, True)


def test_nothing_is_saved_of_a_server_that_is_not_there(tmp_path: Path) -> None:
    ran = pgwatch("baseline", "save", "x.json", "postgresql://127.0.0.1:1/shop", cwd=tmp_path)
    assert (ran.status, list(tmp_path.iterdir())) == (3, [])
    assert "Connection refused" in ran.err
    assert "x.json: not written" in ran.err


def test_roofing_benchmarks_keep_their_limits_after_the_migration(
    any_database: str, tmp_path: Path
) -> None:
    roofing.build(any_database)
    before = gate(any_database, "--only", "benchmarks", cwd=tmp_path)
    reason = before.check("benchmarks")["reason"]
    assert (before.status, "workflow" in reason, "dashboard" in reason) == (0, True, False)
    roofing.apply_migrations(any_database, lambda _: None)
    after = gate(any_database, "--only", "benchmarks", cwd=tmp_path)
    assert after.verdicts == {"benchmarks": "pass"}
    told = after.check("benchmarks")["reason"]
    assert all(part in told for part in ("dashboard", "of 2 s", "workflow", "of 500 ms", "search"))
