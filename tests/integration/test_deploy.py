"""A whole deployment as a hurried team writes it: what is predicted happens, and what broke is found."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from pgwatch.migration.liveness.judge import judge_liveness
from pgwatch.migration.verify import read_migrations, verify
from pgwatch.targets.connect import open_session
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.target import Target
from tests.preflight import applied, compared

DEPLOY = Path(__file__).parent.parent / "fixtures" / "deploy"
MIGRATIONS = sorted(DEPLOY.glob("[1-5]_*.sql"))
DEAD = {
    "progress_to_next_workflow_step(text, text)",
    "documents.trigger_validate_document",
    "validate_message_participant()",
    "notifications.trigger_validate_notification",
    "customers.trigger_audit_customers",
    "projects.trigger_audit_projects",
    "prevent_completed_project_change()",
    "check_all_constraints()",
    "customers.trigger_customers_search",
    "refresh_all_materialized_views()",
    "update_table_statistics()",
    "run_daily_maintenance()",
    "get_project_status_optimized(text)",
}


def prepared(dsn: str, *names: str) -> None:
    assert applied(dsn, [DEPLOY / f"{name}.sql" for name in ("base", *names)]) == {}


def exact(dsn: str) -> int:
    difference = compared(dsn, MIGRATIONS)
    assert (difference.missed, difference.false) == ([], [])
    return difference.failed


async def _found(dsn: str) -> tuple[Counter[str], set[str]]:
    declarations = read_migrations([DEPLOY / "base.sql", *MIGRATIONS])
    session, _ = await open_session(Target(name="t", dsn=Dsn.parse(dsn)))
    try:
        problems = (await verify(session, declarations)).problems
        dead = (await judge_liveness(session, declarations)).dead
    finally:
        await session.close()
    return Counter(str(one.fault) for one in problems), {str(one.key) for one in dead}


def test_deployment_over_rows_that_break_its_rules(any_database: str) -> None:
    prepared(any_database, "rows", "violations")
    assert exact(any_database) == 59
    faults, dead = asyncio.run(_found(any_database))
    assert faults == {"missing": 45, "different": 19, "dead": 3, "unverifiable": 3}
    assert dead == DEAD


@pytest.mark.parametrize(("names", "failed"), [((), 40), (("rows",), 44)])
def test_deployment_once_and_again(database: str, names: tuple[str, ...], failed: int) -> None:
    prepared(database, *names)
    assert exact(database) == failed
    assert exact(database) > failed
