"""What is found dead fails when it is really run, and what is not does not: on every server."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from pgwatch.demo import database as roofing
from pgwatch.migration.liveness.judge import Liveness, judge_liveness
from pgwatch.migration.verify import read_migrations
from pgwatch.targets.connect import open_session
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.target import Target
from tests.liveness_cases import BEFORE, CASES, OWN, Case


def judged(dsn: str, files: Sequence[Path]) -> Liveness:
    async def run() -> Liveness:
        session, _ = await open_session(Target(name="t", dsn=Dsn.parse(dsn)))
        try:
            return await judge_liveness(session, read_migrations(files))
        finally:
            await session.close()

    return asyncio.run(run())


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
    cases = [(case, *numbered(case, n)) for n, case in enumerate([*CASES, *OWN], 100)]
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


@pytest.mark.parametrize("fixed", [False, True])
def test_demo(any_database: str, fixed: bool) -> None:
    roofing.build(any_database)
    roofing.apply_migrations(any_database, lambda _: None)
    if fixed:
        roofing.fix_damage(any_database)
    found = judged(any_database, roofing.MIGRATIONS)
    assert found.routines == 42
    told = [(one.place.line, str(one.key), one.sqlstate) for one in found.dead]
    assert told == (
        [] if fixed else [(206, "calendar_events.trigger_validate_calendar_event", "42703")]
    )
