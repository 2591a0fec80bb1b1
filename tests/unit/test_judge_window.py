"""A rule that is judged over a window: what was not seen at its beginning is never a pass."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from pgwatch.check.judge import judge
from pgwatch.check.seen import Seen
from pgwatch.check.spec import Producers, check_specs
from pgwatch.check.verdict import CheckResult, Verdict
from pgwatch.collect.outcome import Answered, Blocked, Outcome, QueryRun
from pgwatch.promql.engine import Engine
from pgwatch.rules.load import parse_rules
from pgwatch.rules.rule import Phase
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
WINDOW = timedelta(seconds=10)
SOURCE = Source("db1", "core/a", "app")
ANSWERED = Answered(columns=(), rows=(), elapsed=timedelta(0))
BLOCKED = Blocked(reason="lock timeout", pid=7)


def run(value: float | None, at: datetime, outcome: Outcome = ANSWERED) -> QueryRun:
    """An answer with one series `m`, or none."""
    time_ms = round(at.timestamp() * 1000)
    labels = [Labels({METRIC_NAME: "m", "target": "db1"})]
    collected = Collected(
        source=SOURCE, time_ms=time_ms, families=(), labels=labels, values=[value or 0.0]
    )
    return QueryRun(
        source=SOURCE,
        outcome=outcome,
        collected=None if value is None else collected,
        time_ms=time_ms,
        elapsed_seconds=0.1,
    )


def told(expr: str, earlier: Sequence[QueryRun], later: QueryRun) -> CheckResult:
    recorded = "{record: m:rate, expr: 'rate(m[5m])'}"
    rules = f"groups: [{{name: g, rules: [{recorded}, {{alert: A, expr: '{expr}'}}]}}]"
    groups = tuple(parse_rules(rules, file="f"))
    (spec,) = check_specs(groups, phases=list(Phase), window=WINDOW)
    store = Store()
    for one in (*earlier, later):
        if one.collected is not None:
            store.append(one.collected)
    seen = Seen(
        runs={"core/a": [later]},
        engine=Engine(store),
        now=NOW,
        earlier={"core/a": earlier} if earlier else {},
        begun=NOW - WINDOW - timedelta(seconds=1),
    )
    producers = Producers({"m": ["core/a"]}, groups, window=WINDOW)
    return judge(spec, seen, target="db1", database="app", producers=producers)


FIRST, LAST = NOW - WINDOW - timedelta(milliseconds=500), NOW - timedelta(milliseconds=500)


@pytest.mark.parametrize(
    ("expr", "values", "verdict", "reason"),
    [
        ("rate(m[5m]) > 5", (100, 200), Verdict.WARN, "judged over 10s instead of 5m"),
        ("rate(m[5m]) > 50", (100, 200), Verdict.PASS, "judged over 10s instead of 5m"),
        ("increase(m[5m]) > 5", (100, 200), Verdict.WARN, "judged over 10s instead of 5m"),
        ("increase(m[5m]) > 500", (100, 200), Verdict.SKIPPED, "needs 5m of history, and --window is 10s"),
        ("m - m offset 10s > 50", (100, 200), Verdict.WARN, ""),
        ("m offset 1h > 50", (100, 200), Verdict.SKIPPED, "needs 1h of history, and --window is 10s"),
        ("m > 50", (0, 200), Verdict.WARN, ""),
    ],
)  # fmt: skip
def test_verdict_over_the_window(
    expr: str, values: tuple[float, float], verdict: Verdict, reason: str
) -> None:
    result = told(expr, [run(values[0], FIRST)], run(values[1], LAST))
    assert (result.verdict, result.reason) == (verdict, reason)


@pytest.mark.parametrize("expr", ["rate(m[5m]) > 5", "m:rate > 5"])
def test_what_was_not_seen_at_the_beginning_is_unknown(expr: str) -> None:
    blocked = told(expr, [run(None, FIRST, BLOCKED)], run(200, LAST))
    assert blocked.verdict is Verdict.UNKNOWN
    assert "at the beginning of the window, core/a: " in blocked.reason
    absent = told(expr, [], run(200, LAST))
    assert absent.verdict is Verdict.UNKNOWN
    assert "at the beginning of the window, core/a was not asked" in absent.reason
    # What asks for no history does not care.
    assert told("m > 5", [run(None, FIRST, BLOCKED)], run(200, LAST)).verdict is Verdict.WARN
