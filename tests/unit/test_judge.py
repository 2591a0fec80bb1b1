"""From how the queries ended to the verdict of a check: what was not seen is never a pass."""

import pytest

from pgwatch.check.spec import NEEDS_HISTORY
from pgwatch.check.verdict import Verdict
from pgwatch.collect.outcome import Blocked, Failed, QueryRun, TimedOut, Unreachable
from tests.judging import (
    ABSENT,
    BAD,
    DENIED,
    FAIL,
    GOOD,
    PASS,
    SECOND,
    SKIPPED,
    UNKNOWN,
    WARN,
    alert,
    answered,
    ended,
    told,
)


@pytest.mark.parametrize(
    ("rule", "runs", "verdict", "reason"),
    [
        pytest.param(alert("m > 0"), [BAD], FAIL, "", id="critical finding"),
        pytest.param(alert("m > 0", "warning"), [BAD], WARN, "", id="warning finding"),
        pytest.param(alert("m > 0", "info"), [BAD], PASS, "", id="information never says no"),
        pytest.param(alert("m > 0"), [GOOD], PASS, "", id="nothing found"),
        pytest.param(alert("m > 0"), [answered("core/a")], PASS, "", id="no rows is an answer"),
        pytest.param(
            alert("m > 0", '"{{ if eq $value 1.0 }}critical{{ else }}info{{ end }}"'),
            [BAD],
            FAIL,
            "",
            id="a severity that the finding decides",
        ),
        pytest.param(alert("m > 0"), [ended("core/a", DENIED)], UNKNOWN, "role weak", id="denied"),
        pytest.param(
            alert("m > 0"),
            [ended("core/a", Blocked(reason="no lock", pid=42))],
            UNKNOWN,
            "core/a: no lock",
            id="blocked",
        ),
        pytest.param(
            alert("m > 0"),
            [ended("core/a", TimedOut(limit=SECOND, reason="too slow"))],
            UNKNOWN,
            "core/a: too slow",
            id="timed out",
        ),
        pytest.param(
            alert("m > 0"),
            [ended("core/a", Unreachable(reason="gone"))],
            UNKNOWN,
            "core/a: gone",
            id="connection lost",
        ),
        pytest.param(
            alert("m > 0"),
            [ended("core/a", Failed(reason="no such column"))],
            UNKNOWN,
            "core/a: no such column",
            id="query refused",
        ),
        pytest.param(alert("m > 0"), [ended("core/a", ABSENT)], SKIPPED, ABSENT.reason, id="n/a"),
        pytest.param(
            alert("m > 0"),
            [answered("core/a", m=0, cut=3)],
            UNKNOWN,
            "core/a has 3 more series than its max_series lets through",
            id="a cut answer is not a pass",
        ),
        pytest.param(
            alert("m > 0"),
            [answered("core/a", m=1, cut=3)],
            FAIL,
            "3 more series",
            id="but what it shows counts",
        ),
        pytest.param(
            alert("m > 0"),
            [answered("core/a", m=0), ended("core/a", DENIED, database="other")],
            UNKNOWN,
            "role weak",
            id="denied in one of two databases",
        ),
        pytest.param(
            alert("m > 0"),
            [answered("core/a", m=1), ended("core/a", DENIED, database="other")],
            FAIL,
            "role weak",
            id="found in one, denied in the other",
        ),
        pytest.param(
            alert("m > 0"),
            [answered("core/a", m=0), ended("core/a", ABSENT, database="other")],
            PASS,
            "",
            id="not applicable in one of two databases",
        ),
        pytest.param(
            alert("both > 0"),
            [ended("core/a", ABSENT), answered("core/b", both=1)],
            FAIL,
            "",
            id="two variants of a query, one of which applies",
        ),
        pytest.param(
            alert("both > 0"),
            [ended("core/a", ABSENT), ended("core/b", DENIED)],
            UNKNOWN,
            "role weak",
            id="two variants, the one that applies denied",
        ),
        pytest.param(alert("rate(m[5m]) > 0"), [BAD], SKIPPED, NEEDS_HISTORY, id="a range"),
        pytest.param(alert("m > m offset 1h"), [BAD], SKIPPED, NEEDS_HISTORY, id="an offset"),
        pytest.param(
            alert("elsewhere > 0"), [BAD], SKIPPED, "no probes are configured", id="not set up"
        ),
        pytest.param(
            alert("typo > 0"),
            [BAD],
            UNKNOWN,
            "no query brings the metric typo",
            id="a metric nobody brings",
        ),
        pytest.param(
            alert("elsewher > 0"), [BAD], UNKNOWN, "the metric elsewher (did you mean elsewhere?)",
            id="a metric misspelt",
        ),
        pytest.param(alert("rate(typo[5m]) > 0"), [BAD], UNKNOWN, "typo", id="a range of it"),
        pytest.param(alert("m > 0 or typo > 0"), [GOOD], UNKNOWN, "typo", id="or a metric nobody brings"),
        pytest.param(alert("m > 0 or typo > 0"), [BAD], FAIL, "typo", id="it hides no finding"),
        pytest.param(
            alert("ALERTS > 0"), [GOOD], SKIPPED, "the metric ALERTS", id="what only the daemon has"
        ),
        pytest.param(alert("m > 0 or n > 0"), [BAD, ended("core/b", ABSENT)], FAIL, "", id="or"),
        pytest.param(
            alert("n > 0 or (m > 0)"), [GOOD, ended("core/b", ABSENT)], PASS, "", id="or, healthy"
        ),
        pytest.param(
            alert("n > 0 or m > 0"),
            [ended("core/a", ABSENT), ended("core/b", ABSENT)],
            SKIPPED,
            ABSENT.reason,
            id="or, neither",
        ),
        pytest.param(
            alert("m > 0 unless n"), [BAD, ended("core/b", ABSENT)], FAIL, "", id="unless"
        ),
        pytest.param(
            alert("m unless on () n"), [ended("core/a", ABSENT), answered("core/b")], SKIPPED,
            ABSENT.reason, id="unless, left absent",
        ),
        pytest.param(
            alert("m > 0 and n"), [BAD, ended("core/b", ABSENT)], SKIPPED, ABSENT.reason, id="and"
        ),
        pytest.param(
            alert("absent(n)"), [ended("core/b", ABSENT)], FAIL, ABSENT.reason, id="absent()"
        ),
        pytest.param(
            alert("absent(typo)"), [GOOD], FAIL, "nothing that runs here brings", id="absent() of nothing"
        ),
        pytest.param(alert("absent(m)"), [GOOD], PASS, "", id="absent() of what is there"),
        pytest.param(
            alert("absent(n)"), [ended("core/b", DENIED)], UNKNOWN, "role weak", id="absent() of the unseen"
        ),
        pytest.param(
            alert("absent_over_time(typo[5m])"), [GOOD], SKIPPED, NEEDS_HISTORY, id="absent_over_time()"
        ),
        pytest.param(
            alert("absent(ALERTS)"), [GOOD], SKIPPED, "ALERTS", id="absent() of what only the daemon has"
        ),
        pytest.param(
            alert("m > 0 and on () absent(typo)"), [BAD], FAIL, "nothing that runs", id="and absent()"
        ),
        pytest.param(
            alert("absent(typo) and on () n"), [ended("core/b", ABSENT)], SKIPPED, ABSENT.reason,
            id="absent() and what does not apply",
        ),
        pytest.param(
            alert("rate(m[5m]) > 0"), [answered("core/a")], PASS, "", id="a range over what is not there"
        ),
        pytest.param(
            alert("rate(m[5m]) > 0"), [ended("core/a", DENIED)], SKIPPED, NEEDS_HISTORY,
            id="a range over what was not seen",
        ),
        pytest.param(
            alert("m > 0", verdict="unknown"), [GOOD], PASS, "", id="nothing that could not be told"
        ),
        pytest.param(
            alert("m > 0", verdict="unknown"), [ended("core/a", ABSENT)], SKIPPED, ABSENT.reason,
            id="what could not be told does not apply",
        ),
        pytest.param(
            alert("both > on () both"),
            [answered("core/a", both=1), answered("core/b", database="x", both=2)],
            UNKNOWN,
            "could not be evaluated",
            id="an expression that fails",
        ),
        pytest.param(
            alert('{__name__=~"m|n"} > 0'), [GOOD, ended("core/b", DENIED)], UNKNOWN, "role weak",
            id="a selector without a name may read everything",
        ),
    ],
)  # fmt: skip
def test_verdict_of_one_rule(
    rule: str, runs: list[QueryRun], verdict: Verdict, reason: str
) -> None:
    result = told([rule], runs)
    assert result.verdict is verdict
    assert reason in result.reason
    assert bool(result.reason) is bool(reason)


@pytest.mark.parametrize(
    ("rules", "runs", "verdict", "reason"),
    [
        pytest.param(
            [alert("m > 0", "warning"), alert("n > 0")],
            [BAD, answered("core/b", n=1)],
            FAIL,
            "",
            id="the gravest counts",
        ),
        pytest.param(
            [alert("m > 0"), alert("n > 0")],
            [GOOD, ended("core/b", ABSENT)],
            PASS,
            "",
            id="one way of knowing is enough",
        ),
        pytest.param(
            [alert("m > 0"), alert("n > 0")],
            [GOOD, ended("core/b", DENIED)],
            UNKNOWN,
            "role weak may not",
            id="a way that applies was denied",
        ),
        pytest.param(
            [alert("m > 0"), alert("n > 0")],
            [BAD, ended("core/b", DENIED)],
            FAIL,
            "role weak may not",
            id="found, and more might be",
        ),
        pytest.param(
            [alert("m > 0"), alert("rate(m[5m]) > 0")],
            [GOOD],
            PASS,
            f"in part it {NEEDS_HISTORY}",
            id="a part needs history",
        ),
        pytest.param(
            [alert("m > 0", "warning"), alert("n > 0", "warning")],
            [BAD, ended("core/b", DENIED)],
            WARN,
            "role weak may not",
            id="a warning, and more might be",
        ),
        pytest.param(
            [alert("m > 0", "warning"), alert("n > 0")],
            [BAD, ended("core/b", DENIED)],
            UNKNOWN,
            "role weak may not",
            id="a warning, and something grave might be",
        ),
        pytest.param(
            [alert("n > 0"), alert("rate(m[5m]) > 0")],
            [ended("core/b", ABSENT), BAD],
            SKIPPED,
            f"{NEEDS_HISTORY}; {ABSENT.reason}",
            id="all skipped, for two reasons",
        ),
    ],
)
def test_rules_that_share_a_name_are_one_check(
    rules: list[str], runs: list[QueryRun], verdict: Verdict, reason: str
) -> None:
    result = told(rules, runs)
    assert (result.verdict, result.reason) == (verdict, reason)


RECORDED_RATE = "{record: r, expr: 'rate(m[5m])'}"
RECORDED = "{record: r, expr: 'm * 2'}"


@pytest.mark.parametrize(
    ("recording", "run", "broken", "verdict", "reason"),
    [
        pytest.param(RECORDED, GOOD, {}, PASS, "", id="answered"),
        pytest.param(RECORDED, ended("core/a", DENIED), {}, UNKNOWN, "role weak", id="denied"),
        pytest.param(RECORDED, ended("core/a", ABSENT), {}, SKIPPED, ABSENT.reason, id="n/a"),
        pytest.param(RECORDED, GOOD, {"r": "it failed"}, UNKNOWN, "it failed", id="failed"),
        pytest.param(RECORDED_RATE, GOOD, {}, SKIPPED, NEEDS_HISTORY, id="history"),
    ],
)
def test_an_alert_over_a_recorded_metric(
    recording: str, run: QueryRun, broken: dict[str, str], verdict: Verdict, reason: str
) -> None:
    result = told([recording, alert("r > 0")], [run], broken=broken)
    assert result.verdict is verdict
    assert reason in result.reason


def test_a_metric_that_nobody_brings_is_told_through_a_recording() -> None:
    recorded = "{record: s, expr: 'sum(typo)'}"
    result = told([recorded, "{record: r, expr: s}", alert("r > 0")], [BAD])
    assert (result.verdict, result.reason) == (UNKNOWN, "no query brings the metric typo")


def test_a_metric_that_is_recorded_further_down_is_known() -> None:
    result = told(["{record: r, expr: 's * 2'}", "{record: s, expr: m}", alert("r > 0")], [BAD])
    assert "no query brings" not in result.reason


def test_history_is_needed_through_two_recordings() -> None:
    result = told([RECORDED_RATE, "{record: s, expr: 'sum(r)'}", alert("s > 0")], [BAD])
    assert (result.verdict, result.reason) == (SKIPPED, NEEDS_HISTORY)
