"""Benchmarks beside their limit and the baseline, quantiles, and plans reduced to their shape."""

import pytest

from pgwatch.baseline.benchmarks import judge_benchmarks
from pgwatch.baseline.compared import Limits, State
from pgwatch.baseline.model import NotTimed, Timing
from pgwatch.baseline.plan import shape
from pgwatch.baseline.timing import quantile
from pgwatch.rules.rule import Severity

LIMITS = Limits()


def timing(
    p50: float = 0.1, p95: float = 0.15, plan: tuple[str, ...] = ("Seq Scan on t",)
) -> Timing:
    return Timing(
        name="app/benchmark_list", limit_seconds=0.2, runs=10, p50_seconds=p50, p95_seconds=p95, plan=plan
    )  # fmt: skip


JUDGED = [
    pytest.param(timing(), None, [], id="within its limit"),
    pytest.param(timing(p95=0.3), None, [("over_limit", Severity.CRITICAL, True)], id="over"),
    pytest.param(timing(p95=0.3), timing(), [("over_limit", Severity.CRITICAL, True)], id="over now"),
    pytest.param(timing(p95=0.3), timing(p95=0.25), [("over_limit", Severity.CRITICAL, False)], id="then"),
    pytest.param(timing(p50=0.16), timing(), [("slower", Severity.WARNING, True)], id="slower"),
    pytest.param(timing(p50=0.149), timing(), [], id="1.49 times"),
    pytest.param(timing(p50=0.006), timing(p50=0.002), [], id="4 ms more"),
    pytest.param(timing(plan=("Index Scan",)), timing(), [("another_plan", Severity.INFO, True)], id="plan"),
    pytest.param(timing(plan=()), timing(), [], id="plan not known"),
]  # fmt: skip


@pytest.mark.parametrize(("now", "before", "expected"), JUDGED)
def test_judgement(
    now: Timing, before: Timing | None, expected: list[tuple[str, Severity, bool]]
) -> None:
    compared = judge_benchmarks([now], [before] if before else [], LIMITS)
    assert [(c.labels["problem"], c.severity, c.new) for c in compared.changes] == expected
    assert compared.state is State.TOLD
    assert compared.reason.startswith("p95: list ")


def not_timed(*, applies: bool, too_slow: bool = False, cure: str = "") -> NotTimed:
    return NotTimed(
        name="app/benchmark_x", reason="why", applies=applies, too_slow=too_slow, cure=cure
    )


def test_what_was_not_timed() -> None:
    absent = not_timed(applies=False)
    assert judge_benchmarks([absent], [], LIMITS).state is State.SKIPPED
    assert judge_benchmarks([], [], LIMITS).reason == "no benchmark is in the target's packs"
    assert judge_benchmarks([absent, timing()], [], LIMITS).state is State.TOLD
    denied = judge_benchmarks([timing(), not_timed(applies=True, cure="GRANT …;")], [], LIMITS)
    assert (denied.state, denied.reason, denied.cure) == (State.UNKNOWN, "x: why", "GRANT …;")
    (slow,) = judge_benchmarks([not_timed(applies=True, too_slow=True)], [], LIMITS).changes
    assert (slow.summary, slow.severity) == ("x: why", Severity.CRITICAL)


def test_changed_plan_names_the_nodes_that_differ() -> None:
    old = ("Sort", "  Hash Join", "    Seq Scan on t")
    new = ("Sort", "  Hash Join", "    Index Scan using i on t")
    (change,) = judge_benchmarks([timing(plan=new)], [timing(plan=old)], LIMITS).changes
    assert change.summary == "list: another plan: Index Scan using i on t instead of Seq Scan on t"
    (moved,) = judge_benchmarks([timing(plan=old[::-1])], [timing(plan=old)], LIMITS).changes
    assert moved.summary.endswith("the same nodes in another order")


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([1.0], 0.5, 1.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([float(n) for n in range(1, 21)], 0.95, 19.0),
        ([float(n) for n in range(1, 11)], 0.95, 10.0),
        ([float(n) for n in range(1, 11)], 0.5, 5.0),
    ],
)
def test_quantile_is_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert quantile(values, share) == expected


def test_shape_of_a_plan_has_no_costs() -> None:
    plan = {
        "Node Type": "Hash Join", "Join Type": "Left", "Total Cost": 9.5, "Plan Rows": 3,
        "Hash Cond": "(a.id = b.id)",
        "Plans": [
            {"Node Type": "Seq Scan", "Relation Name": "a", "Alias": "x", "Total Cost": 1.5},
            {"Node Type": "Hash", "Plans": [
                {"Node Type": "Index Scan", "Index Name": "b_pkey", "Relation Name": "b"},
                {"Node Type": "Function Scan", "Function Name": "f"},
            ]},
        ],
    }  # fmt: skip
    assert shape(plan) == (
        "Hash Join Left",
        "  Seq Scan on a",
        "  Hash",
        "    Index Scan using b_pkey on b",
        "    Function Scan on f",
    )
