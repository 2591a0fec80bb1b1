"""Statements before and since: differences of counters, and when they cannot be known."""

from datetime import timedelta

import pytest

from pgwatch.baseline.compared import Compared, Limits, State
from pgwatch.baseline.model import Statements, Untold
from pgwatch.baseline.statements import compare_performance, compare_statements
from pgwatch.rules.rule import Severity
from tests.baselines import entry, statement, statements

LIMITS = Limits()
OLD = statements(statement("a", entry("1", 100, 1.0)))  # 10 ms a call


def one(*entries: tuple[str, int, float]) -> Statements:
    return statements(statement("a", *(entry(*one) for one in entries)))


def names(compared: Compared) -> list[str]:
    return [change.object for change in compared.changes]


SINCE = [
    pytest.param(one(("1", 200, 2.0)), "0 faster, 0 slower", [], id="as it was"),
    pytest.param(one(("1", 200, 3.0)), "0 faster, 1 slower", ["a"], id="twice the time"),
    pytest.param(one(("1", 200, 1.2)), "1 faster, 0 slower", [], id="faster"),
    pytest.param(one(("1", 200, 2.49)), "0 faster, 0 slower", [], id="1.49 times"),
    pytest.param(one(("1", 100, 1.0), ("2", 100, 2.0)), "1 slower", ["a"], id="another queryid"),
    pytest.param(one(("1", 110, 1.1), ("2", 10, 0.4)), "1 slower", ["a"], id="both queryids"),
]


@pytest.mark.parametrize(("new", "told", "slower"), SINCE)
def test_difference_since_the_baseline_is_judged(
    new: Statements, told: str, slower: list[str]
) -> None:
    compared = compare_statements(OLD, new, LIMITS)
    assert compared.state is State.TOLD
    assert told in compared.reason
    assert names(compared) == slower


def test_a_slower_statement_is_told_with_its_figures() -> None:
    (change,) = compare_statements(OLD, one(("1", 200, 3.0)), LIMITS).changes
    assert change.summary == "20 ms a call, 10 ms before, 2.0 times: SELECT a"
    assert change.description == "by app, 100 calls since, 100 before"
    assert change.severity is Severity.WARNING
    assert change.value == pytest.approx(0.02)
    assert change.labels == {
        "fingerprint": "a", "user": "app", "toplevel": "true", "problem": "slower",
    }  # fmt: skip


def test_few_milliseconds_and_few_calls_are_no_regression() -> None:
    fast = statements(statement("a", entry("1", 100, 0.1)))  # 1 ms
    assert names(compare_statements(fast, one(("1", 200, 0.6)), LIMITS)) == []  # 5 ms, + 4
    assert names(compare_statements(fast, one(("1", 200, 0.8)), LIMITS)) == ["a"]  # 7 ms, + 6
    few = compare_statements(OLD, one(("1", 119, 10.0)), LIMITS)
    assert few.state is State.SKIPPED
    assert few.reason == "no statement was called 20 times before the baseline and since"
    rare = statements(statement("a", entry("1", 19, 0.1)))
    assert compare_statements(rare, one(("1", 200, 9.0)), LIMITS).state is State.SKIPPED


def test_limits_can_be_set() -> None:
    new = one(("1", 110, 1.13))  # 13 ms in 10 calls
    strict = Limits(slower=1.2, slower_by=timedelta(milliseconds=1), min_calls=10)
    assert names(compare_statements(OLD, new, strict)) == ["a"]
    assert compare_statements(OLD, new, LIMITS).state is State.SKIPPED


def test_worst_comes_first_and_users_are_apart() -> None:
    old = statements(
        statement("a", entry("1", 100, 1.0)),
        statement("b", entry("2", 100, 1.0)),
        statement("b", entry("3", 100, 1.0), user="batch"),
        statement("b", entry("4", 100, 1.0), toplevel=False),
    )
    new = statements(
        statement("a", entry("1", 200, 3.0)),
        statement("b", entry("2", 200, 2.0)),
        statement("b", entry("3", 200, 9.0), user="batch"),
        statement("b", entry("4", 200, 2.0), toplevel=False),
    )
    compared = compare_statements(old, new, LIMITS)
    assert [(one.object, one.labels["user"]) for one in compared.changes] == [
        ("b", "batch"),
        ("a", "app"),
    ]


UNTOLD = Untold(unknown="role x is not a member of pg_read_all_stats", cure="GRANT …;")
UNKNOWN = [
    pytest.param(
        OLD, statements(*OLD.items, reset=6.0), "was reset at 1970-01-01 00:00:06", id="reset"
    ),
    pytest.param(OLD, statements(*OLD.items, dealloc=3), "statements away 3 times", id="evictions"),
    pytest.param(OLD, statements(), "1 statement of the baseline is gone or began", id="row gone"),
    pytest.param(OLD, one(("1", 50, 0.5)), "1 statement of the baseline is gone", id="began anew"),
    pytest.param(
        OLD, one(("2", 500, 5.0)), "1 statement of the baseline is gone", id="row swapped"
    ),
    pytest.param(OLD, UNTOLD, "role x is not a member", id="no privilege"),
    pytest.param(UNTOLD, OLD, "the baseline has no statements: role x", id="no privilege then"),
    pytest.param(OLD, None, "not there any more", id="extension dropped"),
    pytest.param(OLD, statements(*OLD.items, grammar="p 9"), "another version's", id="grammar"),
]


@pytest.mark.parametrize(("old", "new", "reason"), UNKNOWN)
def test_what_cannot_be_known_is_unknown(
    old: Statements | Untold | None, new: Statements | Untold | None, reason: str
) -> None:
    for compare in (compare_statements, compare_performance):
        compared = compare(old, new, LIMITS)
        assert compared.state is State.UNKNOWN
        assert reason in compared.reason
        assert compared.changes == ()


def test_row_that_began_again_is_known_by_its_time_on_17() -> None:
    old = statements(statement("a", entry("1", 100, 1.0, 50.0)))
    again = statements(statement("a", entry("1", 900, 9.0, 60.0)))
    assert compare_statements(old, again, LIMITS).state is State.UNKNOWN
    on = statements(statement("a", entry("1", 900, 9.0, 50.0)))
    assert compare_statements(old, on, LIMITS).state is State.TOLD


def test_slower_statement_counts_where_others_were_thrown_away() -> None:
    old = statements(*OLD.items, statement("b", entry("2", 100, 1.0)))
    compared = compare_statements(old, statements(*one(("1", 200, 9.0)).items, dealloc=1), LIMITS)
    assert (compared.state, names(compared)) == (State.UNKNOWN, ["a"])


def test_without_the_extension_there_is_nothing_to_tell() -> None:
    assert compare_statements(None, None, LIMITS).state is State.SKIPPED
    assert compare_statements(None, OLD, LIMITS).state is State.SKIPPED


# All together


def weighted(a: tuple[int, float], b: tuple[int, float]) -> Statements:
    return statements(statement("a", entry("1", *a)), statement("b", entry("2", *b)))


THEN = weighted((100, 1.0), (100, 10.0))  # 10 and 100 ms


def overall(new: Statements, limits: Limits = LIMITS) -> Compared:
    return compare_performance(THEN, new, limits)


def test_statements_count_by_their_calls_since() -> None:
    # 1,000 calls of 5 instead of 10 ms, 100 of 120 instead of 100 ms: 17 s instead of 20 s
    compared = overall(weighted((1100, 6.0), (200, 22.0)))
    assert compared.changes == ()
    assert compared.reason == (
        "1,100 calls of 2 statements took 15% less time than before (17 s, then 20 s)"
    )


def test_all_together_slower_is_grave() -> None:
    (change,) = overall(weighted((1100, 21.0), (200, 20.0))).changes  # 30 s instead of 20
    assert change.severity is Severity.CRITICAL
    assert "took 50% more time than before" in change.summary


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(weighted((120, 2.0), (120, 15.0)), id="few calls"),
        pytest.param(weighted((400, 4.9), (100, 10.0)), id="less than half as much again"),
    ],
)
def test_little_that_is_slower_is_not_grave(new: Statements) -> None:
    assert overall(new).changes == ()


def test_short_statements_must_cost_a_second_before_it_is_grave() -> None:
    old = statements(statement("a", entry("1", 1000, 0.1)))
    new = statements(statement("a", entry("1", 2000, 0.6)))
    assert compare_performance(old, new, LIMITS).changes == ()
    grave = statements(statement("a", entry("1", 2000, 1.4)))
    assert len(compare_performance(old, grave, LIMITS).changes) == 1


def test_improvement_that_was_asked_for() -> None:
    third = Limits(improvement=0.3)
    (change,) = overall(weighted((1100, 6.0), (200, 22.0)), third).changes
    assert change.severity is Severity.WARNING
    assert change.summary.endswith("; 30% less is asked for")
    assert overall(weighted((1100, 5.0), (200, 18.0)), third).changes == ()  # 12 s of 20
