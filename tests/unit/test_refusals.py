"""How long a refused statement is left alone, and what ends that earlier."""

from dataclasses import replace
from typing import Any

import pytest

from pgwatch.collect.outcome import Answered, Denied, Failed, NotApplicable, Outcome
from pgwatch.collect.refusals import REST, Refusals
from pgwatch.targets.target import Role, ServerInfo
from tests.watching import SECOND, query

INFO = ServerInfo(
    version_num=150004,
    version="15.4",
    role=Role.PRIMARY,
    database="app",
    user="watcher",
    is_superuser=False,
    memberships=frozenset(),
    extensions={},
    settings={},
)
ASKED = query("SELECT 1 AS value")
PLANNED = query("SELECT 1 AS value", more="role: standby")  # known without asking
DENIED = Denied(reason="permission denied", grant="GRANT …")


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (DENIED, True),
        (NotApplicable(reason="not supported"), True),
        (Failed(reason="division by zero"), False),
        (Answered(columns=(), rows=(), elapsed=SECOND), False),
    ],
)
def test_only_refusals_are_kept(outcome: Outcome, kept: bool) -> None:
    refusals = Refusals()
    refusals.remember("app", ASKED, outcome, INFO, now=0)
    assert (refusals.last("app", ASKED, INFO, now=1) is outcome) is kept


def test_what_the_plan_refuses_is_looked_at_each_time() -> None:
    refusals = Refusals()
    refusals.remember("app", PLANNED, NotApplicable(reason="standby only"), INFO, now=0)
    assert refusals.last("app", PLANNED, INFO, now=1) is None


@pytest.mark.parametrize(
    ("change", "now", "database"),
    [
        ({}, REST.total_seconds() + 1, "app"),
        ({"memberships": frozenset({"pg_monitor"})}, 1, "app"),
        ({"extensions": {"pg_stat_statements": "1.10"}}, 1, "app"),
        ({"version_num": 150005}, 1, "app"),
        ({}, 1, "other"),
    ],
)
def test_it_is_asked_again(change: dict[str, Any], now: float, database: str) -> None:
    refusals = Refusals()
    refusals.remember("app", ASKED, DENIED, INFO, now=0)
    assert refusals.last("app", ASKED, INFO, now=1) is DENIED
    assert refusals.last(database, ASKED, replace(INFO, **change), now=now) is None


def test_a_later_answer_ends_it() -> None:
    refusals = Refusals()
    refusals.remember("app", ASKED, DENIED, INFO, now=0)
    refusals.remember("app", ASKED, Failed(reason="other"), INFO, now=1)
    assert refusals.last("app", ASKED, INFO, now=2) is None


def test_a_database_that_is_gone_leaves_nothing() -> None:
    refusals = Refusals()
    refusals.remember("app", ASKED, DENIED, INFO, now=0)
    refusals.forget("app")
    assert refusals.last("app", ASKED, INFO, now=1) is None
