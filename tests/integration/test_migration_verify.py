"""What migrations declare is found in a real database, or what is wrong with it is told."""

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pgwatch.demo import database as roofing
from pgwatch.migration.verify import Verification, read_migrations, verify
from pgwatch.targets.connect import open_session
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.target import Target

FIXTURES = Path(__file__).parent.parent / "fixtures" / "migrations"
DEMO_FINDINGS = [  # as psql said, without the statement whose column was there already
    "different data_type_standardization:68 workflow_steps.step_name",
    "dead data_type_standardization:100 users.chk_users_email_format",
    "missing data_type_standardization:111 projects.chk_projects_budget_positive",
    "missing constraints_and_validations:63 projects.chk_projects_budget_positive",
    "missing constraints_and_validations:103 workflow_steps.trigger_validate_dependencies",
    "dead performance_optimization:34 idx_user_devices_token",
    "dead performance_optimization:143 workflow_performance_metrics",
    "missing performance_optimization:278 query_performance_stats",
    "missing performance_optimization:283 query_performance_stats",
    "unverifiable performance_optimization:188 None",
]


def psql(dsn: str, *files: Path) -> str:
    """Apply files as the guide does, and return what psql complained about."""
    command = ["psql", "-X", "-q", "-d", dsn, *(word for file in files for word in ("-f", file))]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def verified(dsn: str, files: Sequence[Path]) -> Verification:
    async def run() -> Verification:
        session, _ = await open_session(Target(name="t", dsn=Dsn.parse(dsn)))
        try:
            return await verify(session, read_migrations(files))
        finally:
            await session.close()

    return asyncio.run(run())


def placed(verification: Verification) -> list[str]:
    return [
        f"{p.fault} {p.place.migration.removeprefix('20250812_')}:{p.place.line} {p.key}"
        for p in verification.problems
    ]


def test_demo_migrations_give_exactly_what_failed(any_database: str) -> None:
    roofing.build(any_database)
    roofing.apply_migrations(any_database, lambda _: None)
    found = verified(any_database, roofing.MIGRATIONS)
    assert placed(found) == DEMO_FINDINGS
    assert found.problems[0].message == "workflow_steps.step_name: declared varchar(255), is text"

    roofing.fix_damage(any_database)
    cure = roofing.SQL / "cure.sql"
    assert placed(verified(any_database, [*roofing.MIGRATIONS, cure])) == [
        "missing constraints_and_validations:103 workflow_steps.trigger_validate_dependencies",
        "unverifiable performance_optimization:188 None",
    ]
    # Without the cure among the migrations, what it replaced is not what they say.
    assert placed(verified(any_database, roofing.MIGRATIONS)) == [
        "missing constraints_and_validations:103 workflow_steps.trigger_validate_dependencies",
        "different constraints_and_validations:206 validate_calendar_event()",
        "unverifiable performance_optimization:188 None",
        "unverifiable performance_optimization:278 query_performance_stats",
    ]


def test_healthy_database_has_no_finding_in_whatever_spelling(any_database: str) -> None:
    assert "ERROR" not in psql(any_database, FIXTURES / "before.sql", FIXTURES / "healthy.sql")
    found = verified(any_database, [FIXTURES / "healthy.sql"])
    assert [p.message for p in found.problems] == []
    assert found.objects > 120


def test_each_damage_is_told_and_nothing_else(any_database: str) -> None:
    files = [FIXTURES / name for name in ("before.sql", "healthy.sql", "damaged.sql")]
    assert "ERROR" not in psql(any_database, *files)
    expected = {
        line.rsplit("-- ", 1)[1]
        for line in files[2].read_text().splitlines()[1:]
        if "; -- " in line
    }
    found = verified(any_database, [FIXTURES / "healthy.sql"])
    told = {f"{p.fault} {p.aspect} {p.kind} {p.key}" for p in found.problems}
    assert sorted(told - expected) == []
    assert not expected - told, sorted(expected - told)
