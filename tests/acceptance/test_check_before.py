"""`pgwatch check --once --phase pre`: what must hold before a migration, as a whole command."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgwatch.demo.server import LocalServer
from tests.conftest import create_database, drop_database
from tests.servers import bin_of


def check(*arguments: str, expected: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "pgwatch", "check", "--once", "--phase", "pre", "--json"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return {one["name"]: one for one in report["checks"]} | {"": report}


def test_backup_readiness_and_locks_are_told(server: LocalServer, tmp_path: Path) -> None:
    name = create_database(server)
    dsn = server.dsn(name)
    migration = tmp_path / "20250812_more" / "migration.sql"
    migration.parent.mkdir()
    migration.write_text("ALTER TABLE users ADD b int;\n")
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE users (id int PRIMARY KEY)")
        none = check(dsn, "--only", "backup", expected=3)
        assert none["backup"]["reason"].startswith("no backup is configured; cure: backups: [")

        dump = tmp_path / "backup_1.sql"
        program = bin_of(18) / "pg_dump"
        subprocess.run([program, "-d", dsn, "-f", dump], check=True)
        config = tmp_path / "pgwatch.yml"
        config.write_text(
            f"targets: [{{name: t, dsn: '{dsn}', host: {{source: local}}}}]\n"
            f"backups: [{{path: {tmp_path}, pattern: 'backup_*'}}]\nmigrations: [{migration}]\n"
        )
        found = check("--config", str(config), "--skip", "migration_preflight", expected=0)
        assert [one["verdict"] for key, one in found.items() if key] == ["pass"] * 4
        assert "plain SQL dump" in found["backup"]["reason"]
        assert "judged for role postgres" in found["migration_readiness"]["reason"]

        dump.write_bytes(dump.read_bytes()[:-100])
        bad = check(dsn, "--only", "backup", "--backup", f"{tmp_path}/backup_*", expected=1)
        [finding] = bad["backup"]["findings"]
        assert "breaks off" in finding["summary"]
    finally:
        drop_database(server, name)


def test_host_that_is_not_watched_leaves_the_disk_unknown(database: str, tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    file.write_text("CREATE TABLE t (a int);\n")
    common = ("--migrations", str(file), "--skip", "backup")
    found = check(
        database, *common, expected=0
    )  # nobody can read it through SQL: no reason to stop
    assert found["migration_readiness"]["verdict"] == "pass"
    one = found["migration_disk"]
    assert (one["verdict"], one["severity"], one["findings"]) == ("unknown", "warning", [])
    check(database, *common, "--strict", expected=3)
    assert "PostgreSQL does not tell what is free" in one["reason"]


@pytest.mark.parametrize(
    "line", ["{path: /b, pattern: ''}", "{pattern: x}", "{path: /b, min_share: 2}"]
)
def test_wrong_key_is_told_with_its_line(line: str, tmp_path: Path) -> None:
    config = tmp_path / "pgwatch.yml"
    config.write_text(f"targets: []\nbackups:\n  - {line}\n")
    command = [sys.executable, "-m", "pgwatch", "config", "check", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{config}:3:" in done.stdout + done.stderr


def test_empty_pattern_is_refused(database: str) -> None:
    command = [sys.executable, "-m", "pgwatch", "check", "--once", "--phase", "pre", database]
    done = subprocess.run([*command, "--backup", ""], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--backup: it is empty; expected a folder, or a pattern" in done.stderr


def test_report_shows_no_password_of_a_migration(database: str, tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    file.write_text(
        "ALTER ROLE nobody_here\n PASSWORD 'zebra1';\nALTER TABLE t ADD password text;\n"
    )
    command = [sys.executable, "-m", "pgwatch", "check", "--once", "--phase", "pre", database]
    options = ["--migrations", str(file), "--only", "migration_*"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert "ALTER ROLE nobody_here PASSWORD <secret>" in done.stdout
    assert "zebra1" not in done.stdout + done.stderr
    assert "ADD password text" in done.stdout


def test_files_in_the_wrong_order_are_asked_about(database: str, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("SELECT colour FROM house;")
    (tmp_path / "b.sql").write_text("CREATE TABLE house (colour text);")
    only = ("--only", "migration_preflight", database)
    wrong = check("--migrations", str(tmp_path / "*.sql"), *only, expected=1)
    asked = f"house is made by {tmp_path.name}/b.sql, which is named later: "
    assert wrong["migration_preflight"]["reason"].startswith(asked)
    named = ("--migrations", str(tmp_path / "b.sql"), "--migrations", str(tmp_path / "a.sql"))
    assert check(*named, *only, expected=0)["migration_preflight"]["reason"] is None


def test_what_fails_comes_before_what_could_not_be_told_and_what_is_harmless(
    database: str, tmp_path: Path
) -> None:
    file = tmp_path / "1.sql"
    file.write_text(
        "CREATE TABLE there (a int);\nDO $$ BEGIN EXECUTE 'DROP TABLE ' || which(); END $$;\n"
        "ALTER TABLE gone ADD COLUMN b int;\n"
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE there (a int)")
        connection.execute(
            "CREATE FUNCTION which() RETURNS text LANGUAGE sql AS 'SELECT ''x''::text'"
        )
    arguments = ("--migrations", str(file), "--only", "migration_preflight", database)
    found = check(*arguments, expected=1)["migration_preflight"]["findings"]
    assert [one["labels"]["line"] for one in found] == ["3", "2", "1"]
    assert found[1]["summary"].startswith("whether it would fail cannot be told: ")
