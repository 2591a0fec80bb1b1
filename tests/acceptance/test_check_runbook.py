"""`pgwatch check --runbook` and `pgwatch guide`, as somebody who deploys runs them."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from pgwatch.cli.main import _parser
from pgwatch.cli.options import defaults
from pgwatch.demo import database as roofing
from tests.gate import gate, pgwatch
from tests.integration.test_migration_verify import expectations, sections
from tests.watching import sql

FIXTURES = Path(__file__).parent.parent / "fixtures" / "migrations" / "classes"
RUNBOOK = """# Deployment

```bash
pg_dump roofing_db > backup_$(date +%Y%m%d).sql
node scripts/validate.js
npm run db:check
psql -d roofing_db -f migrations/1.sql
psql -d roofing_db -f migrations/2.sql
psql -d roofing_db < backup_20250812.sql
```

```sql
SELECT view_name, last_refresh FROM materialized_view_status;
SELECT refresh_everything();
SELECT * FROM house;
SELECT * FROM later;
SELECT count(*) FROM pg_stat_activity;
ALTER TABLE house VALIDATE CONSTRAINT house_price_check;
ALTER TABLE house VALIDATE CONSTRAINT no_such_check;
```

Look at `materialized_view_status`, the view `later` and the trigger `nobody_made`.
"""
MIGRATION = """
CREATE TABLE house (id int PRIMARY KEY, price numeric CONSTRAINT house_price_check CHECK (price > 0));
CREATE VIEW later AS SELECT id FROM house;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deploy.md").write_text(RUNBOOK)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1.sql").write_text(MIGRATION)
    (tmp_path / "package.json").write_text('{"scripts": {"other": "true"}}')
    return tmp_path


def test_what_nobody_makes_is_found_at_its_line(any_database: str, folder: Path) -> None:
    arguments = (any_database, "--runbook", "deploy.md", "--only", "documentation_promises")
    before = gate(*arguments, "--migrations", "migrations", cwd=folder)
    check = before.check("documentation_promises")
    assert (before.status, check["verdict"], check["severity"]) == (0, "warn", "warning")
    expected = {
        ("5", "file", "scripts/validate.js"),
        ("6", "script", "db:check"),
        ("8", "file", "migrations/2.sql"),
        ("13", "relation", "materialized_view_status"),
        ("14", "function", "refresh_everything"),
        ("19", "constraint", "no_such_check"),
        ("22", "trigger", "nobody_made"),
    }
    assert labels(check) == expected
    assert {finding["labels"]["file"] for finding in check["findings"]} == {"deploy.md"}

    without = gate(*arguments, cwd=folder).check("documentation_promises")
    assert labels(without) - expected == {
        ("15", "relation", "house"),
        ("16", "relation", "later"),
        ("18", "constraint", "house_price_check"),
    }
    sql(any_database, MIGRATION)
    assert labels(gate(*arguments, cwd=folder).check("documentation_promises")) == expected


QUERIES = """
```sql
SELECT datid, total_time FROM pg_stat_database;
SELECT * FROM house WHERE rooms > 3;
SELECT * FROM house WHERE price > :least AND later > 3;
SELECT twice(id, 2) FROM house;
SELECT * FROM house WHERE id = <id> AND id = '<id>';
SELECT * FROM your_table WHERE nothing;
DELETE FROM house WHERE garden IS NULL;
SELECT count(*), twice(id) FROM house GROUP BY id;
SELECT * FROM house WHERE id::text = price;
```
"""
BACKUP = """
```bash
pg_dump app > backup_$(date +%F).sql
pg_restore --list backup_2026-01-01.sql
```
"""


def test_a_query_that_the_server_refuses_is_found(any_database: str, folder: Path) -> None:
    sql(any_database, MIGRATION)
    sql(any_database, "CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'")
    (folder / "migrations" / "2.sql").write_text("ALTER TABLE house ADD COLUMN later int;")
    (folder / "deploy.md").write_text(QUERIES + BACKUP)
    arguments = (any_database, "--runbook", "deploy.md", "--only", "documentation_promises")
    check = gate(*arguments, "--migrations", "migrations", cwd=folder).check(
        "documentation_promises"
    )
    assert labels(check) == {
        ("3", "query", "total_time"),
        ("4", "query", "rooms"),
        ("6", "query", "twice"),
        ("9", "query", "garden"),
        ("11", "query", ""),
        ("16", "command", "backup_2026-01-01.sql"),
    }
    [first, *_] = check["findings"]
    assert first["summary"] == 'a query of the runbook fails: column "total_time" does not exist'
    (folder / "deploy.md").write_text(QUERIES + BACKUP.replace("pg_dump", "pg_dump -Fc"))
    check = gate(*arguments, "--migrations", "migrations", cwd=folder).check(
        "documentation_promises"
    )
    assert {kind for _, kind, _ in labels(check)} == {"query"}


CLASS_15 = next(FIXTURES.glob("15*.sql"))


def test_the_failure_class_of_promises_is_told_and_its_healthy_twin_is_not(
    any_database: str, tmp_path: Path
) -> None:
    """The fixture's comments say what is to be found, as for the other classes."""
    parts = sections(CLASS_15)
    (tmp_path / "deploy.md").write_text(f"```sql\n{parts['runbook']}```\n")
    promised = ("--runbook", "deploy.md", "--only", "documentation_promises")

    def told(kind: str) -> set[str]:
        (tmp_path / "migration.sql").write_text(parts[kind])
        ran = gate(any_database, *promised, "--migrations", "migration.sql", cwd=tmp_path)
        found = labels(ran.check("documentation_promises"))
        return {f"{int(line) - 1} missing {kind} {name}" for line, kind, name in found}

    sql(any_database, parts["before"])
    assert told("migration") == set(expectations(parts["runbook"]))
    assert told("healthy") == set()


def labels(check: dict[str, object]) -> set[tuple[str, str, str]]:
    found = check["findings"]
    assert isinstance(found, list)
    return {(f["labels"]["line"], f["labels"]["kind"], f["object"]) for f in found}


def test_a_runbook_that_keeps_its_promises_passes(database: str, folder: Path) -> None:
    sql(database, MIGRATION)
    (folder / "deploy.md").write_text(
        "```sql\nSELECT * FROM house, later;\nSELECT FROM;;x y;\n```\n"
    )
    (folder / "pgwatch.yml").write_text(
        f"targets: [{{name: app, dsn: '{database}'}}]\nrunbook: deploy.md\n"
    )
    ran = gate("--only", "documentation_promises", cwd=folder)
    assert (ran.status, ran.check("documentation_promises")["verdict"]) == (0, "pass")


@pytest.mark.parametrize(
    ("text", "verdict", "reason"),
    [
        ("# Deploy\n", "skipped", "the runbook names no object and no script"),
        (
            "```sql\nSELECT FROM WHERE;\n```\n",
            "unknown",
            "SQL that PostgreSQL does not know, in line 2",
        ),
    ],
)
def test_runbook_that_says_nothing_is_no_pass(
    text: str, verdict: str, reason: str, database: str, folder: Path
) -> None:
    (folder / "deploy.md").write_text(text)
    only = ("--only", "documentation_promises")
    check = gate("--runbook", "deploy.md", *only, database, cwd=folder).check(only[1])
    assert (check["verdict"], check["reason"]) == (verdict, reason)


def test_name_that_no_file_can_have_is_not_there(database: str, folder: Path) -> None:
    (folder / "deploy.md").write_text(f"```sh\nnode ./{'a' * 300}.js\n```\n")
    only = ("--only", "documentation_promises")
    ran = gate("--runbook", "deploy.md", *only, database, cwd=folder)
    assert [kind for _, kind, _ in labels(ran.check(only[1]))] == ["file"]


def test_accepted_promises_and_a_runbook_that_is_not_there(database: str, folder: Path) -> None:
    (folder / "deploy.md").write_text("```sql\nSELECT * FROM nowhere;\n```\n")
    (folder / "pgwatch.yml").write_text(
        "ignore: [{check: documentation_promises, labels: {object: nowhere}}]\n"
    )
    arguments = ("--only", "documentation_promises", "--config", "pgwatch.yml", database)
    ran = gate("--runbook", "deploy.md", *arguments, cwd=folder)
    assert ran.check("documentation_promises")["reason"] == "1 accepted and not counted"
    gone = gate("--runbook", "none.md", *arguments, cwd=folder)
    assert (gone.status, "none.md" in gone.err) == (2, True)
    absent = gate(*arguments, cwd=folder)
    assert "'documentation_promises' is there only with --runbook" in absent.err


def guide(dsn: str, folder: Path, *more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    ran = pgwatch("guide", dsn, "--json", *more, cwd=folder)
    document = json.loads(ran.out)
    assert (document["exit_code"], ran.err) == (ran.status, "")
    (only,) = document["guides"]
    return ran.status, {step["step"]: step for step in only["steps"]}


def states(steps: dict[str, dict[str, Any]]) -> list[object]:
    return [step["state"] for step in steps.values()]


def test_the_guide_walks_with_the_deployment(database: str, folder: Path) -> None:
    status, steps = guide(database, folder, "--migrations", "migrations")
    assert list(steps) == ["backup", "pre", "apply", "structure", "types", "constraints", "post"]
    assert status in (1, 3)
    assert "past" not in states(steps)
    assert steps["apply"]["verdict"] == "fail"
    assert "are missing" in str(steps["apply"]["note"])
    assert steps["apply"]["commands"] == [
        f"psql --set=ON_ERROR_STOP=1 --dbname={re.sub('//.*@', '//', database)} --file=migrations/1.sql"
    ]

    sql(database, MIGRATION)
    status, steps = guide(database, folder, "--migrations", "migrations")
    assert (status, states(steps)) == (0, ["past"] * 3 + ["done"] * 4)

    sql(database, "DROP VIEW later")
    status, steps = guide(database, folder, "--migrations", "migrations")
    assert (status, states(steps)) == (1, ["past"] * 3 + ["next"] + ["waiting"] * 3)
    text = pgwatch("guide", database, "--migrations", "migrations", cwd=folder)
    assert text.status == 1
    assert "→ 4 ✗ Structure: next" in text.out
    assert "view later: missing" in text.out
    assert text.out.endswith("\nnext: structure (exit 1)\n")
    assert "postgres:postgres" not in text.out


def test_what_the_guide_says_to_type_exists(database: str, folder: Path) -> None:
    more = ("--migrations", "migrations", "--runbook", "deploy.md")
    _, steps = guide(database, folder, *more)
    typed = [str(line) for step in steps.values() for line in step["commands"]]
    ours = [shlex.split(line) for line in typed if line.startswith("pgwatch ")]
    assert len(ours) == 6
    for words in ours:
        assert _parser().parse_args(words[1:], defaults()).module is not None
    sql(database, MIGRATION)
    structure = next(words for words in ours if "structure" in words)
    env = {"PGPASSWORD": "postgres"}
    assert pgwatch(*structure[1:], cwd=folder, env=env).status == 0


def test_a_guide_that_cannot_look_ends_with_3(folder: Path) -> None:
    status, steps = guide("postgresql://u@127.0.0.1:1/x", folder, "--migrations", "migrations")
    assert status == 3
    assert {step["verdict"] for step in steps.values()} == {"unknown"}


def test_a_guide_without_migrations_says_so(database: str, folder: Path) -> None:
    _, steps = guide(database, folder)
    assert "--migrations" in str(steps["apply"]["note"])
    assert steps["apply"]["commands"] == []


def test_the_demo_is_led_to_the_line(database: str, tmp_path: Path) -> None:
    roofing.build(database)
    roofing.apply_migrations(database, lambda _: None)
    named = [word for file in roofing.MIGRATIONS for word in ("--migrations", str(file))]
    status, steps = guide(database, tmp_path, *named)
    assert status == 1
    assert states(steps) == ["past"] * 3 + ["next"] + ["waiting"] * 3
