"""Parts for the tests of verdicts: runs as they ended, and what is judged of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pgwatch.check.judge import judge
from pgwatch.check.seen import Seen
from pgwatch.check.spec import Producers, check_specs
from pgwatch.check.verdict import CheckResult, Verdict
from pgwatch.collect.outcome import Answered, Denied, NotApplicable, Outcome, QueryRun
from pgwatch.promql.engine import Engine
from pgwatch.rules.accepted import Accepted
from pgwatch.rules.load import parse_rules
from pgwatch.rules.rule import Phase, RuleGroup
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store

PASS, WARN, FAIL, UNKNOWN, SKIPPED = Verdict
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)
SECOND = timedelta(seconds=1)

# core/a brings m, core/b brings n, and two queries bring both.
BY_METRIC = {"m": ["core/a"], "n": ["core/b"], "both": ["core/a", "core/b"], "elsewhere": []}
DENIED = Denied(reason="role weak may not", grant="GRANT pg_monitor TO weak;")
ABSENT = NotApplicable(reason="extension x is not installed")


def answered(query: str, *, database: str = "app", cut: int = 0, **series: float) -> QueryRun:
    """An answer; `series` are the values of m and n, each with the label `relname: t`."""
    source = Source("db1", query, database)
    fixed = {"target": "db1", "datname": database, "relname": "t"}
    collected = Collected(
        source=source,
        time_ms=NOW_MS - 1000,
        families=(),
        labels=[Labels({**fixed, METRIC_NAME: name}) for name in series],
        values=list(series.values()),
        dropped={"max_series": cut} if cut else {},
    )
    outcome = Answered(columns=(), rows=(), elapsed=SECOND)
    return QueryRun(
        source=source, outcome=outcome, collected=collected, time_ms=NOW_MS, elapsed_seconds=0.25
    )


def ended(query: str, outcome: Outcome, *, database: str = "app") -> QueryRun:
    """A run of `core/…` that ended without samples."""
    return QueryRun(
        source=Source("db1", query, database),
        outcome=outcome,
        collected=None,
        time_ms=NOW_MS,
        elapsed_seconds=0.5,
    )


def groups_of(*rules: str) -> tuple[RuleGroup, ...]:
    return tuple(parse_rules(f"groups: [{{name: g, rules: [{', '.join(rules)}]}}]", file="f"))


def told(
    rules: Sequence[str],
    runs: Sequence[QueryRun],
    *,
    accepted: Sequence[Accepted] = (),
    broken: Mapping[str, str] | None = None,
) -> CheckResult:
    """Judge the only check of `rules`."""
    groups = groups_of(*rules)
    (spec,) = check_specs(groups, phases=list(Phase))
    store = Store()
    by_source: dict[str, list[QueryRun]] = {}
    for run in runs:
        by_source.setdefault(run.source.query, []).append(run)
        if run.collected is not None:
            store.append(run.collected)
    missing = {"elsewhere": "no probes are configured"}
    return judge(
        spec,
        Seen(runs=by_source, engine=Engine(store), now=NOW, broken=broken or {}),
        target="db1",
        database="app",
        producers=Producers(BY_METRIC, groups, missing=missing),
        accepted=accepted,
    )


def alert(expr: str, severity: str = "critical", **more: str) -> str:
    extra = "".join(f", {key}: '{value}'" for key, value in more.items())
    return f"{{alert: A, expr: '{expr}', labels: {{severity: {severity}{extra}}}}}"


GOOD, BAD = answered("core/a", m=0), answered("core/a", m=1)
