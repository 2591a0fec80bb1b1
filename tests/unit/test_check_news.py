"""New findings count, old ones are shown: what a baseline knew of a check."""

from dataclasses import replace

import pytest

from pgwatch.check.news import News, known_findings, news_of
from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.rules.rule import Phase, Severity


def finding(name: str, *, severity: Severity | None = None, **labels: str) -> Finding:
    return Finding(summary=name, labels={"relname": name, **labels}, severity=severity)


def check(
    *findings: Finding, verdict: Verdict = Verdict.FAIL, doubted: bool = False
) -> CheckResult:
    return CheckResult(
        name="PostgresInvalidIndex",
        target="app",
        database="shop",
        phase=Phase.POST,
        severity=Severity.CRITICAL,
        verdict=verdict,
        findings=findings,
        doubted=doubted,
    )


OLD = finding("old")
NEWS = news_of(known_findings([check(OLD)]), ("app", "other"), ("app",))


def marks(result: CheckResult) -> list[bool | None]:
    return [one.new for one in result.findings]


def test_old_finding_is_shown_and_does_not_count() -> None:
    marked = NEWS.marked(check(OLD))
    assert (marked.verdict, marks(marked)) == (Verdict.PASS, [False])
    assert marked.reason == "1 of 1 old, there when the baseline was saved: not counted"


def test_new_finding_counts() -> None:
    marked = NEWS.marked(check(finding("new"), OLD))
    assert (marked.verdict, marks(marked)) == (Verdict.FAIL, [True, False])
    only = NEWS.marked(check(finding("new")))
    assert (only.verdict, marks(only), only.reason) == (Verdict.FAIL, [True], "")


def test_severity_of_what_is_new_decides() -> None:
    mild = finding("new", severity=Severity.WARNING)
    assert NEWS.marked(check(mild, OLD)).verdict is Verdict.WARN
    info = finding("new", severity=Severity.INFO)
    assert NEWS.marked(check(info, OLD)).verdict is Verdict.PASS


def test_where_it_was_seen_does_not_make_it_new() -> None:
    moved = finding("old", target="app", instance="db2:5432", file="b.sql", line="9", pid="5")
    assert marks(NEWS.marked(check(moved))) == [False]
    assert marks(NEWS.marked(check(finding("old", schemaname="x")))) == [True]


def test_what_could_not_be_told_stays_unknown() -> None:
    assert NEWS.marked(check(OLD, doubted=True)).verdict is Verdict.UNKNOWN
    untold = finding("new", problem="unverifiable")
    assert NEWS.marked(check(untold, OLD)).verdict is Verdict.UNKNOWN
    unknown = NEWS.marked(check(OLD, verdict=Verdict.UNKNOWN))
    assert (unknown.verdict, marks(unknown)) == (Verdict.UNKNOWN, [False])
    assert known_findings([check(untold)]) == ()


@pytest.mark.parametrize(
    "name", ["migration_structure", "migration_types", "migration_constraints"]
)
def test_what_a_migration_declares_is_never_old(name: str) -> None:
    """It was missing before the migration, as it must be, and is missing after one that failed."""
    failed = replace(check(finding("u", problem="missing")), name=name)
    marked = news_of(known_findings([failed]), ("app",), ("app",)).marked(failed)
    assert (marked.verdict, marks(marked)) == (Verdict.FAIL, [True])


@pytest.mark.parametrize(
    ("judged", "targets", "expected"),
    [
        (("app",), ("app",), [False]),
        (("then",), ("app",), [True]),  # one target, called otherwise now
        (("then", "more"), ("app",), [None]),  # not judged then
    ],
)
def test_target_that_was_not_judged_is_left_as_it_is(
    judged: tuple[str, ...], targets: tuple[str, ...], expected: list[bool | None]
) -> None:
    news = news_of(known_findings([check(OLD)]), judged, targets)
    assert marks(news.marked(check(OLD))) == expected


def test_finding_of_the_same_target_under_another_name_is_old() -> None:
    known = known_findings([check(OLD)])
    news = News(
        known=frozenset(("then", one.check, one.digest) for one in known),
        judged=frozenset({"then"}),
        names={"app": "then"},
    )
    assert marks(news.marked(check(OLD))) == [False]


def test_checks_that_say_it_themselves_are_left_as_they_are() -> None:
    told = check(Finding(summary="worse", new=True))
    assert NEWS.marked(told) is told
