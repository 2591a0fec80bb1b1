"""Rows, sizes, settings and health: from when on they are worse."""

import pytest

from pgwatch.baseline.announced import Announced
from pgwatch.baseline.compared import Compared, State
from pgwatch.baseline.figures import compare_health, compare_rows, compare_settings, compare_sizes
from pgwatch.baseline.model import Extent, Health, Setting, Untold
from pgwatch.rules.rule import Severity
from tests.baselines import NOW, THEN, extent, health

MEBI = 1024**2


def rows(before: Extent, now: Extent, migration: str = "") -> Compared:
    return compare_rows([before], [now], Announced([migration]) if migration else None)


ROWS = [
    pytest.param(extent("t", 1000), extent("t", 1000), None, id="as many"),
    pytest.param(extent("t", 1000), extent("t", 901), None, id="a few less"),
    pytest.param(extent("t", 1000), extent("t", 900), Severity.WARNING, id="a tenth less"),
    pytest.param(extent("t", 90), extent("t", 0), None, id="few rows that come and go"),
    pytest.param(extent("t", 500), extent("t", 0), Severity.WARNING, id="some rows, none left"),
    pytest.param(extent("t", 1000), extent("t", 0), Severity.CRITICAL, id="none left"),
    pytest.param(extent("t", 1e6, exact=False), extent("t", 6e5), None, id="estimate then, counted now"),
    pytest.param(extent("t", 1e6, exact=False), extent("t", 0), Severity.CRITICAL, id="truncated"),
    pytest.param(extent("t", 1e6, exact=False), extent("t", 8e5, exact=False), Severity.WARNING, id="rough"),
    pytest.param(extent("t", None), extent("t", 0), None, id="never counted then"),
    pytest.param(extent("t", 1000), extent("t", None), None, id="never counted now"),
    pytest.param(extent("t", 1000), extent("u", 0), None, id="table gone"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "now", "expected"), ROWS)
def test_lost_rows(before: Extent, now: Extent, expected: Severity | None) -> None:
    severities = [change.severity for change in rows(before, now).changes]
    assert severities == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("before", "state"), [(1000.0, State.UNKNOWN), (90.0, State.TOLD), (None, State.TOLD)]
)
def test_rows_that_nobody_knows_any_more_are_no_pass(before: float | None, state: State) -> None:
    found = rows(extent("T", before, exact=False), extent("T", None, exact=False))
    assert found.state is state
    assert "0 counted, 0 estimated, 1 not known" in found.reason
    if state is State.UNKNOWN:
        assert "public.T had rows" in found.reason
        assert found.cure == 'ANALYZE "public"."T";'


def test_rows_that_a_migration_deletes_are_expected() -> None:
    before, now = extent("t", 1000), extent("t", 0)
    assert rows(before, now, "DELETE FROM t").changes == ()
    assert rows(before, now, "DELETE FROM u").changes != ()
    assert rows(before, now, "UPDATE t SET a = 1").changes != ()


def test_summary_says_what_is_an_estimate() -> None:
    (change,) = rows(extent("t", 1e6, exact=False), extent("t", 0)).changes
    assert change.summary == "public.t has no rows, about 1,000,000 before"
    assert rows(extent("t", 5), extent("t", 5)).reason == "1 table, counted"
    assert rows(extent("t", 5), extent("t", 5, exact=False)).reason.endswith(
        "0 counted, 1 estimated"
    )


@pytest.mark.parametrize(
    ("before", "now", "grown"),
    [(100, 199, False), (100, 250, True), (1000, 1400, False), (1000, 1500, True), (1, 90, False)],
)
def test_tables_that_grew_much(before: int, now: int, grown: bool) -> None:
    sides = ([extent("t", 1, size=size * MEBI)] for size in (before, now))
    compared = compare_sizes(*sides)
    assert bool(compared.changes) is grown
    assert "in all" in compared.reason


def setting(value: str, source: str = "configuration file") -> Setting:
    return Setting(value=value, source=source)


def test_settings_that_changed() -> None:
    old = {"a": setting("1"), "b": setting("1"), "hidden": setting("1"), "c": setting("1", "user")}
    new = {"a": setting("2"), "b": setting("1"), "more": setting("1"), "c": setting("2", "user")}
    compared = compare_settings(old, new)
    assert [change.summary for change in compared.changes] == ["a was 1, is 2"]
    assert compared.reason == "2 settings"


HEALTH = [
    ({}, ""),
    ({"connections": 24.0}, ""),
    ({"connections": 25.0}, "connections: 25, 5 before"),
    ({"waiting_locks": 5.0}, "locks that are waited for: 5, 0 before"),
    ({"oldest_transaction_seconds": 400.0}, "age of the oldest transaction: 400 s, 1 s before"),
    ({"replication_lag_bytes": 128.0 * MEBI}, "replication lag: 128.0 MiB, 0 B before"),
    ({"xid_age": 3e8}, "age of the oldest transaction id: 300,000,000, 1,000 before"),
    ({"dead_rows": 30_000.0}, "share of dead rows: 23%, 0% before"),
    ({"dead_rows": 9_000.0, "live_rows": 1_000.0}, ""),
    ({"commits": 10_100.0, "rollbacks": 60.0}, "share of transactions rolled back: 33%, 0% before"),
    ({"commits": 10_040.0, "rollbacks": 60.0}, ""),  # fewer than 100 transactions
    ({"blocks_read": 30_000.0, "blocks_hit": 1_010_000.0}, "found in memory: 50%, 99% before"),
    ({"deadlocks": 1.0}, "1 deadlock since the baseline, 0 before"),
    ({"conflicts": 2.0}, "2 conflicts since the baseline, 0 before"),
]


@pytest.mark.parametrize(("figures", "expected"), HEALTH)
def test_figures_that_are_worse(figures: dict[str, float], expected: str) -> None:
    compared = compare_health(health(), health(**figures), then=THEN, now=NOW)
    assert compared.state is State.TOLD
    if expected:
        (change,) = compared.changes
        assert expected in change.summary
        assert change.severity is Severity.WARNING
    else:
        assert compared.changes == ()


def test_deadlocks_count_by_how_often_they_came_before() -> None:
    since = THEN - 36_000  # ten hours, one an hour
    before = health(since=since, deadlocks=10.0)
    for count, worse in ((12.0, False), (13.0, True)):
        found = compare_health(before, health(since=since, deadlocks=count), then=THEN, now=NOW)
        assert bool(found.changes) is worse


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (health(since=5.0), health(since=9.0), "pg_stat_database was reset at 1970-01-01 00:00:09"),
        (health(), health(commits=3.0), "pg_stat_database was reset"),
        (health(), health(replication_lag_bytes=None), "replication lag: our role may not see it"),
        (health(), Untold(unknown="no lock"), "no lock"),
        (Untold(unknown="no lock"), health(), "the baseline has no figures of health: no lock"),
    ],
)
def test_figures_that_cannot_be_known(
    old: Health | Untold, new: Health | Untold, reason: str
) -> None:
    compared = compare_health(old, new, then=THEN, now=NOW)
    assert compared.state is State.UNKNOWN
    assert reason in compared.reason
